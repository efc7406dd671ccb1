"""`tf.math`: functions of each element, and reductions."""

from .. import _native
from .._dtypes import axes as _axes


def _unary(native, name):
    def operation(x, name=None):
        return native(x)

    operation.__name__ = operation.__qualname__ = name
    operation.__doc__ = f"`{name}` of each element."
    return operation


abs = _unary(_native.abs, "abs")
ceil = _unary(_native.ceil, "ceil")
cos = _unary(_native.cos, "cos")
erf = _unary(_native.erf, "erf")
erfinv = _unary(_native.erfinv, "erfinv")
exp = _unary(_native.exp, "exp")
expm1 = _unary(_native.expm1, "expm1")
floor = _unary(_native.floor, "floor")
is_finite = _unary(_native.is_finite, "is_finite")
is_nan = _unary(_native.is_nan, "is_nan")
log = _unary(_native.log, "log")
log1p = _unary(_native.log1p, "log1p")
round = _unary(_native.round, "round")
rsqrt = _unary(_native.rsqrt, "rsqrt")
sigmoid = _unary(_native.sigmoid, "sigmoid")
sign = _unary(_native.sign, "sign")
sin = _unary(_native.sin, "sin")
softplus = _unary(_native.softplus, "softplus")
sqrt = _unary(_native.sqrt, "sqrt")
square = _unary(_native.square, "square")
tanh = _unary(_native.tanh, "tanh")


def divide_no_nan(x, y, name=None):
    """`x / y`, and 0 where `y` is 0."""
    return _native.divide_no_nan(x, y)


def multiply_no_nan(x, y, name=None):
    """`x * y`, and 0 where `y` is 0."""
    return _native.multiply_no_nan(x, y)


def maximum(x, y, name=None):
    return _native.maximum(x, y)


def minimum(x, y, name=None):
    return _native.minimum(x, y)


def squared_difference(x, y, name=None):
    return _native.square(_native.identity(x) - y)


def add(x, y, name=None):
    return _native.identity(x) + y


def subtract(x, y, name=None):
    return _native.identity(x) - y


def multiply(x, y, name=None):
    return _native.identity(x) * y


def divide(x, y, name=None):
    return _native.identity(x) / y


def pow(x, y, name=None):
    return _native.identity(x) ** y


def equal(x, y, name=None):
    return _native.identity(x) == y


def greater(x, y, name=None):
    return _native.identity(x) > y


def less(x, y, name=None):
    return _native.identity(x) < y


def argmax(input, axis=0, output_type=None, name=None):
    return _native.argmax(input, int(axis))


def top_k(input, k=1, sorted=True, name=None):
    return _native.top_k(input, int(k))


def l2_normalize(x, axis=None, epsilon=1e-12, name=None):
    """Vectors of norm 1 along axes: `x / sqrt(max(sum(x**2), epsilon))`."""
    squares = _native.reduce_sum(_native.square(x), _axes(axis), True)
    return _native.identity(x) * _native.rsqrt(_native.maximum(squares, epsilon))


def _reduction(native, name):
    def operation(input_tensor, axis=None, keepdims=False, name=None):
        return native(input_tensor, _axes(axis), keepdims)

    operation.__name__ = operation.__qualname__ = name
    operation.__doc__ = f"`{name}` along an axis, several, or all."
    return operation


reduce_all = _reduction(_native.reduce_all, "reduce_all")
reduce_any = _reduction(_native.reduce_any, "reduce_any")
reduce_logsumexp = _reduction(_native.reduce_logsumexp, "reduce_logsumexp")
reduce_max = _reduction(_native.reduce_max, "reduce_max")
reduce_mean = _reduction(_native.reduce_mean, "reduce_mean")
reduce_min = _reduction(_native.reduce_min, "reduce_min")
reduce_prod = _reduction(_native.reduce_prod, "reduce_prod")
reduce_sum = _reduction(_native.reduce_sum, "reduce_sum")
reduce_variance = _reduction(_native.reduce_variance, "reduce_variance")


def reduce_std(input_tensor, axis=None, keepdims=False, name=None):
    """The standard deviation along axes."""
    return _native.sqrt(_native.reduce_variance(input_tensor, _axes(axis), keepdims))
