"""Lists, tuples and dictionaries of tensors, taken apart and put together."""


def flatten(value):
    """The leaves of nested lists, tuples and dictionaries in order; dictionaries by sorted keys."""
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in flatten(value[key])]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in flatten(item)]
    return [value]


def pack(structure, leaves):
    """The same nesting as `structure`, with other leaves."""
    return _pack(structure, iter(leaves))


def _pack(structure, leaves):
    if isinstance(structure, dict):
        return {key: _pack(structure[key], leaves) for key in sorted(structure)}
    if isinstance(structure, tuple):
        parts = [_pack(item, leaves) for item in structure]
        return type(structure)(*parts) if hasattr(structure, "_fields") else tuple(parts)
    if isinstance(structure, list):
        return [_pack(item, leaves) for item in structure]
    return next(leaves)


def skeleton(value):
    """The nesting alone."""
    return pack(value, [None] * len(flatten(value)))
