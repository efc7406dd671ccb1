"""Functions of `keras.ops` that make tensors of numbers."""

import numpy as _np

from .. import _native, tf


def _typed(x, dtype):
    return x if dtype is None else _native.cast(x, dtype)


def zeros(shape, dtype=None):
    return tf.zeros(shape, dtype or "float32")


def ones(shape, dtype=None):
    return tf.ones(shape, dtype or "float32")


def full(shape, fill_value, dtype=None):
    return _typed(tf.fill([shape] if isinstance(shape, int) else shape, fill_value), dtype)


def full_like(x, fill_value, dtype=None):
    return _typed(tf.zeros_like(x) + fill_value, dtype)


def eye(N, M=None, k=0, dtype=None):
    return _native.constant(_np.eye(N, M, k), dtype or "float32", None)


def identity(n, dtype=None):
    return eye(n, dtype=dtype)


def arange(start, stop=None, step=None, dtype=None):
    """Numbers from `start` to `stop`."""
    return tf.range(start, stop, 1 if step is None else step, dtype)


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """As many numbers from `start` to `stop`, equally far from each other."""
    found = _np.linspace(start, stop, num, endpoint, retstep, axis=axis)
    numbers = found[0] if retstep else found
    made = _native.constant(numbers, dtype or "float32", None)
    return (made, found[1]) if retstep else made


def diag(x, k=0):
    """The matrix with a diagonal, or the diagonal of a matrix."""
    if k:
        raise NotImplementedError("keras.ops.diag with k: only the main diagonal is there")
    return tf.linalg.diag(x) if len(x.shape) == 1 else tf.linalg.diag_part(x)


def tril(x, k=0):
    """What stands below a diagonal, and 0 elsewhere."""
    return _native.where(_np.tri(*x.shape[-2:], k, dtype=bool), x, tf.zeros_like(x))


def triu(x, k=0):
    """What stands above a diagonal, and 0 elsewhere."""
    return _native.where(_np.tri(*x.shape[-2:], k - 1, dtype=bool), tf.zeros_like(x), x)


