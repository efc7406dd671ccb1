"""Batches of elements of different sizes, filled up to one."""

import itertools

import numpy as np

from .._names import count
from .._structure import flatten, pack, skeleton


def padded(dataset, batch_size, padded_shapes, padding_values, drop_remainder):
    """The batches of a data set, in which elements are filled up."""
    from .data import Dataset, _numpy

    batch_size = count(batch_size, "batch_size")

    def make(number):
        elements = dataset._make(number)
        while chunk := list(itertools.islice(elements, batch_size)):
            if drop_remainder and len(chunk) < batch_size:
                return
            columns = list(zip(*(flatten(element) for element in chunk)))
            shapes = _of_leaves(padded_shapes, len(columns), "padded_shapes")
            values = _of_leaves(padding_values, len(columns), "padding_values")
            leaves = [
                _filled([_numpy(one) for one in column], shape, value)
                for column, shape, value in zip(columns, shapes, values)
            ]
            first = chunk[0]
            is_nested = isinstance(first, (tuple, list, dict))
            yield pack(skeleton(first), leaves) if is_nested else leaves[0]

    length = dataset._length
    if length is not None:
        length = length // batch_size if drop_remainder else -(-length // batch_size)
    return Dataset(make, length)


def _of_leaves(given, number, name):
    """An option for each part of an element. A shape is a list of sizes."""
    if given is None:
        return [None] * number
    if name == "padded_shapes":
        is_shape = isinstance(given, (list, tuple)) and all(
            one is None or isinstance(one, int) for one in given
        )
        parts = [given] if is_shape else _shapes(given)
    else:
        parts = flatten(given)
    if len(parts) == 1:
        parts = parts * number
    if len(parts) != number:
        raise ValueError(
            f"`{name}` of padded_batch has {len(parts)} parts, and an element has {number}\n"
            "  help: give one for each part of an element"
        )
    return parts


def _shapes(given):
    """The shapes of a dictionary or a tuple of them, in their order."""
    return [given[key] for key in sorted(given)] if isinstance(given, dict) else list(given)


def _filled(arrays, shape, value):
    """Arrays side by side, each filled up to the sizes of a shape, or to the greatest there are."""
    greatest = [max(sizes) for sizes in zip(*(array.shape for array in arrays))]
    if shape is not None:
        given = [None if size in (None, -1) else size for size in shape]
        if len(given) != len(greatest):
            raise ValueError(
                f"`padded_shapes` of padded_batch is {list(shape)}, and the elements have "
                f"{len(greatest)} axes\n  help: give a size, or None, for each axis"
            )
        for size, found in zip(given, greatest):
            if size is not None and found > size:
                raise ValueError(
                    f"padded_batch to a size of {size}, and an element has {found}\n"
                    "  help: give a greater size, or None for that of the longest"
                )
        greatest = [found if size is None else size for size, found in zip(given, greatest)]
    filled = np.full([len(arrays), *greatest], 0 if value is None else value, arrays[0].dtype)
    for place, array in enumerate(arrays):
        filled[(place, *map(slice, array.shape))] = array
    return filled
