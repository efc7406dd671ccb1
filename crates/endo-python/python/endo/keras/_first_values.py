"""The first values of weights."""

import inspect

import numpy as np

from .. import _native
from . import initializers

_streams = {}


def first_values(initializer, shape, path):
    """The first values of a weight: they follow the seed and the weight's path."""
    if isinstance(initializer, initializers.Initializer) and type(initializer)._native_name:
        number = _streams[path] = _streams.get(path, -1) + 1 if not path.startswith("/") else 0
        stream = hash_of(f"{path}#{number}")
        return _native.initialize(initializer._text(), shape, stream, initializer._seed)
    options = {"dtype": "float32"} if _takes(initializer, "dtype") else {}
    # Numbers are wanted now, though a trace may be at hand.
    return _native.outside(lambda: np.asarray(initializer(shape, **options)))


def _takes(function, name):
    """Whether a function takes an argument of a name."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


def hash_of(text):
    """A number that follows from a text, the same in each process."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) % (1 << 64)
    return value
