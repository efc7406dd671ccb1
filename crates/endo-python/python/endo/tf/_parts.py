"""Parts of tensors, and tensors in lists, tuples and dictionaries."""

import numpy as np

from .. import _native, _structure
from .._dtypes import axes as _axes
from .._dtypes import sizes as _sizes
from .._symbolic import take_symbols as _take_symbols


def unstack(value, num=None, axis=0, name=None):
    axis = axis % len(value.shape)
    places = [slice(None)] * axis
    return [value[tuple([*places, place])] for place in range(value.shape[axis])]


def split(value, num_or_size_splits, axis=0, num=None, name=None):
    """Parts along an axis: a number of equal ones, or of these sizes."""
    if isinstance(num_or_size_splits, int):
        return _native.split(value, num_or_size_splits, int(axis))
    parts, start = [], 0
    axis = axis % len(value.shape)
    for size in _sizes(num_or_size_splits, open=True):
        size = value.shape[axis] - start if size < 0 else size
        parts.append(value[tuple([slice(None)] * axis + [slice(start, start + size)])])
        start += size
    return parts


def roll(input, shift, axis, name=None):
    """The elements moved on along axes, those at the end to the start."""
    for step, one in zip(_axes(shift), _axes(axis), strict=True):
        size = input.shape[one]
        cut = -step % size
        places = [slice(None)] * (one % len(input.shape))
        parts = [input[tuple([*places, slice(cut, None)])], input[tuple([*places, slice(cut)])]]
        input = _native.concat(parts, one) if cut else input
    return _native.identity(input)


def slice_(input, begin, size, name=None):
    """The part of a size from a place on; -1 for all that is left."""
    begin, size = _sizes(begin), _sizes(size, open=True)
    ends = [None if length < 0 else start + length for start, length in zip(begin, size)]
    return _native.identity(input)[tuple(map(slice, begin, ends))]


def meshgrid(*args, indexing="xy", name=None):
    """The places of a grid, along each of its axes."""
    rank = len(args)
    sizes = [np.shape(one)[0] if not hasattr(one, "shape") else one.shape[0] for one in args]
    grids = []
    for axis, one in enumerate(args):
        shape = [1] * rank
        shape[axis] = sizes[axis]
        grids.append(_native.broadcast_to(_native.reshape(one, shape), sizes))
    if indexing == "xy" and rank > 1:
        order = [1, 0, *range(2, rank)]
        grids = [_native.permute(one, order) for one in grids]
    return grids


def ensure_shape(x, shape, name=None):
    """The tensor, if it has a shape, in which sizes may be open."""
    x = _native.identity(x)
    x.set_shape(shape)
    return x


slice_.__name__ = slice_.__qualname__ = "slice"


class nest:
    """Lists, tuples and dictionaries of tensors."""

    @staticmethod
    def flatten(structure):
        return _structure.flatten(structure)

    @staticmethod
    def pack_sequence_as(structure, flat_sequence):
        return _structure.pack(structure, flat_sequence)

    @staticmethod
    def map_structure(func, *structure):
        """What a function makes of the leaves of structures, side by side."""
        leaves = [_structure.flatten(one) for one in structure]
        return _structure.pack(structure[0], [func(*of) for of in zip(*leaves, strict=True)])

    @staticmethod
    def is_nested(structure):
        return isinstance(structure, (list, tuple, dict))


_take_symbols(globals())
