"""Names that are not there, with the nearest one that is."""

import numbers

from ._native import ArgumentError


def nearest(name, known):
    """`; did you mean ..?` if a known name is like it; nothing otherwise."""
    # Only errors need it, and it takes a tenth of the time of importing this package.
    import difflib

    by_lower = {one.lower(): one for one in known if not one.startswith("_")}
    found = difflib.get_close_matches(str(name).lower(), by_lower, 1)
    return f"\n  help: did you mean `{by_lower[found[0]]}`?" if found else ""


def absent(module, content, name, instead=None):
    """The error for a name that a module does not have, with what to use instead."""
    if instead is not None:
        return AttributeError(f"{module}.{name} is not there\n  help: {instead}")
    help = nearest(name, content) or f"\n  help: dir({module}) says what there is"
    return AttributeError(f"{module} has no `{name}` here{help}")


def refuse_options(function, options, known):
    """Raises if there are options that a function does not have."""
    for name in options:
        raise TypeError(f"{function} has no argument `{name}`{nearest(name, known)}")


def count(value, name, least=1, default=None):
    """An argument that is a whole number, or one that is left out."""
    if value is None:
        return default
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least or value >= 1 << 63:
        raise ArgumentError(
            f"`{name}` is a whole number of at least {least}, got {value!r}\n"
            f"  help: give it as in `{name}={max(least, 10)}`"
        )
    return int(value)
