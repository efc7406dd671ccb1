"""The first values of weights."""

import inspect

import numpy as np

from .. import _native
from . import initializers


def first_values(initializer, shape, path):
    """The first values of a weight: they follow the seed and the weight's path."""
    if isinstance(initializer, initializers.Initializer) and type(initializer)._native_name:
        stream = initializer._stream(path)
        return _native.initialize(initializer._text(), shape, stream, initializer._seed)
    options = {"dtype": "float32"} if _takes(initializer, "dtype") else {}
    # Numbers are wanted now, though a trace may be at hand.
    return _native.outside(lambda: np.asarray(initializer(shape, **options)))


def _takes(function, name):
    """Whether a function takes an argument of a name."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())
