"""Types of elements and shapes, as TensorFlow spells them."""

import numpy as np

from ._native import ArgumentError, ShapeError


class DType:
    """A type of elements: equal to its name, and to NumPy's type."""

    def __init__(self, name):
        self.name = name

    @property
    def as_numpy_dtype(self):
        return np.dtype(self.name).type

    @property
    def base_dtype(self):
        return self

    @property
    def is_floating(self):
        return self.name.startswith("float")

    @property
    def is_integer(self):
        return "int" in self.name

    def __eq__(self, other):
        if isinstance(other, DType):
            return self.name == other.name
        if isinstance(other, str):
            return self.name == other
        try:
            return np.dtype(other).name == self.name
        except TypeError:
            return NotImplemented

    def __hash__(self):
        return hash(self.name)

    def __repr__(self):
        return f"tf.{self.name}"

    def __str__(self):
        return f"<dtype: '{self.name}'>"


float32 = DType("float32")
float64 = DType("float64")
int32 = DType("int32")
uint8 = DType("uint8")
bool = DType("bool")


class TensorShape(tuple):
    """The sizes of the axes; ``None`` where a size is open."""

    def __new__(cls, sizes=()):
        if isinstance(sizes, int):
            sizes = (sizes,)
        return super().__new__(cls, (None if size is None else int(size) for size in sizes))

    def as_list(self):
        return list(self)

    @property
    def rank(self):
        return len(self)

    @property
    def ndims(self):
        return len(self)

    def num_elements(self):
        return None if None in self else int(np.prod(self, dtype=np.int64))

    def is_fully_defined(self):
        return None not in self

    def __getitem__(self, index):
        found = super().__getitem__(index)
        return TensorShape(found) if isinstance(index, slice) else found

    def __add__(self, other):
        return TensorShape(tuple(self) + tuple(other))

    def __repr__(self):
        return f"TensorShape({list(self)})"


def require_shape(sizes, shape, what):
    """Raises where sizes are not those of a shape, in which sizes may be open."""
    if shape is None:
        return
    wanted = TensorShape(shape)
    fits = len(sizes) == len(wanted) and all(
        one is None or one == size for one, size in zip(wanted, sizes)
    )
    if not fits:
        raise ShapeError(
            f"{what} has the shape {list(sizes)}, and `shape` says {list(wanted)}\n"
            "  help: leave the shape out, or change it by tf.reshape or tf.broadcast_to"
        )


def sizes(shape, open=False):
    """A shape in any spelling as a list of whole numbers; with `open` one of them may be -1."""
    if isinstance(shape, (int, np.integer)):
        shape = [shape]
    elif hasattr(shape, "numpy"):
        shape = np.atleast_1d(shape.numpy())
    found = [int(size) for size in shape]
    if any(size < (-1 if open else 0) or size >= 1 << 63 for size in found):
        raise ArgumentError(
            f"the sizes {found} are no shape\n  help: give whole numbers of at least 0"
            + (", and -1 for at most one that follows from the others" if open else "")
        )
    return found


def axes(axis):
    """An axis or several as a list; ``None`` for all."""
    if axis is None:
        return None
    if isinstance(axis, (list, tuple)):
        return [int(one) for one in axis]
    if isinstance(axis, np.ndarray) and axis.ndim:
        return [int(one) for one in axis]
    return [int(axis)]
