"""`tf.linalg`: products, norms and parts of matrices."""

import numpy as _np

from .. import _native
from .._names import absent as _absent
from .._symbolic import take_symbols as _take_symbols
from .._dtypes import axes as _axes
from .._native import ShapeError


def matmul(a, b, transpose_a=False, transpose_b=False, name=None):
    return _native.matmul(a, b, transpose_a, transpose_b)


def matvec(a, b, transpose_a=False, name=None):
    """A matrix times a vector."""
    return _native.squeeze(_native.matmul(a, _native.expand_dims(b, -1), transpose_a, False), [-1])


def norm(tensor, ord="euclidean", axis=None, keepdims=None, name=None):
    from . import norm as norm_of

    return norm_of(tensor, ord, axis, keepdims)


def matrix_transpose(a, name=None):
    rank = len(a.shape)
    if rank < 2:
        raise ShapeError(f"matrix_transpose of a tensor of {rank} axes; it takes at least 2")
    order = [*range(rank - 2), rank - 1, rank - 2]
    return _native.permute(a, order)


def trace(x, name=None):
    """The sums of the diagonals."""
    return _native.reduce_sum(diag_part(x), [-1], False)


def diag_part(input, name=None):
    """The diagonals of square matrices."""
    size = input.shape[-1]
    unit = _native.constant(_np.eye(size), input.dtype, None)
    return _native.reduce_sum(_native.identity(input) * unit, [-1], False)


def diag(diagonal, name=None):
    """Matrices with these diagonals."""
    size = diagonal.shape[-1]
    unit = _native.constant(_np.eye(size), diagonal.dtype, None)
    return _native.expand_dims(diagonal, -1) * unit


def eye(num_rows, num_columns=None, dtype="float32"):
    return _native.constant(_np.eye(num_rows, num_columns), dtype, None)


def l2_normalize(x, axis=None, epsilon=1e-12, name=None):
    return _native.l2_normalize(x, _axes(axis))


def inv(input, name=None):
    """The inverse of a matrix, computed at once, without a gradient."""
    return _at_once("inv", _np.linalg.inv, input)


def det(input, name=None):
    """The determinant of a matrix, computed at once, without a gradient."""
    return _at_once("det", _np.linalg.det, input)


def solve(matrix, rhs, adjoint=False, name=None):
    """The solutions of linear equations, computed at once, without a gradient."""
    matrix = _np.swapaxes(matrix, -1, -2) if adjoint else matrix
    return _at_once("solve", _np.linalg.solve, matrix, rhs)


def cholesky(input, name=None):
    """The lower triangle whose product with its transpose is a matrix, computed at once, without a
    gradient."""
    return _at_once("cholesky", _np.linalg.cholesky, input)


def _at_once(name, function, *matrices):
    """What NumPy computes. Within a tape or a trace it would be a constant without a word."""
    if _native.is_open():
        raise NotImplementedError(
            f"tf.linalg.{name} has no gradient, and is not part of a trace\n"
            "  help: compute it outside of the tape, `call` or function, and use the result there"
        )
    return _native.constant(function(*map(_np.asarray, matrices)), None, None)


_take_symbols(globals())

_ABSENT = {
    name: f"compute it with numpy.linalg.{name} outside of traces"
    for name in ("eigh", "eig", "svd", "qr", "lstsq", "slogdet", "pinv")
}


def __getattr__(name):
    raise _absent("tf.linalg", globals(), name, _ABSENT.get(name))
