"""Options as the text by which the native part makes a value."""

import numpy as np


def written(name, options):
    """`name(option=value, ..)`; options that are `None` are left out."""
    parts = [f"{key}={value_text(value)}" for key, value in options.items() if value is not None]
    return f"{name}({', '.join(parts)})" if parts else name


def value_text(value):
    """A value as the notation has it."""
    if value is None:
        return "none"
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    if isinstance(value, np.ndarray):
        return value_text(value.tolist())
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(value_text(item) for item in value) + "]"
    if hasattr(value, "_text"):
        return value._text()
    if hasattr(value, "name") and not isinstance(value, str):
        return str(value.name)
    return str(value)
