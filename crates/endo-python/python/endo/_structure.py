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


def structure_key(value):
    """The nesting as something to look up by: the kinds of containers, and the keys of
    dictionaries; ``None`` for a leaf."""
    if isinstance(value, dict):
        return (dict, *[(key, structure_key(value[key])) for key in sorted(value)])
    if isinstance(value, (list, tuple)):
        return (type(value), *[structure_key(item) for item in value])
    return None
