"""`tf.math`: functions of each element, and reductions."""

from .. import _native
from .._symbolic import take_symbols as _take_symbols
from .._dtypes import axes as _axes
from ._operations import (
    abs,
    add,
    argmax,
    ceil,
    cos,
    divide,
    equal,
    erf,
    erfinv,
    exp,
    expm1,
    floor,
    greater,
    is_finite,
    is_nan,
    less,
    log,
    log1p,
    maximum,
    minimum,
    multiply,
    pow,
    reduce_all,
    reduce_any,
    reduce_logsumexp,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_prod,
    reduce_sum,
    reduce_variance,
    round,
    rsqrt,
    sigmoid,
    sign,
    sin,
    softplus,
    sqrt,
    square,
    subtract,
    tanh,
)


def divide_no_nan(x, y, name=None):
    """`x / y`, and 0 where `y` is 0."""
    return _native.divide_no_nan(x, y)


def multiply_no_nan(x, y, name=None):
    """`x * y`, and 0 where `y` is 0."""
    return _native.multiply_no_nan(x, y)


def squared_difference(x, y, name=None):
    return _native.square(_native.identity(x) - y)


def top_k(input, k=1, sorted=True, name=None):
    return _native.top_k(input, int(k))


def l2_normalize(x, axis=None, epsilon=1e-12, name=None):
    """Vectors of norm 1 along axes: `x / sqrt(max(sum(x**2), epsilon))`."""
    squares = _native.reduce_sum(_native.square(x), _axes(axis), True)
    return _native.identity(x) * _native.rsqrt(_native.maximum(squares, epsilon))


def reduce_std(input_tensor, axis=None, keepdims=False, name=None):
    """The standard deviation along axes."""
    return _native.sqrt(_native.reduce_variance(input_tensor, _axes(axis), keepdims))


_take_symbols(globals())
