"""`tf.math`: functions of each element, and reductions."""

from .. import _native
from .._names import absent as _absent
from .._symbolic import take_symbols as _take_symbols
from .._dtypes import axes as _axes
from ._operations import (
    abs,
    add,
    argmax,
    argmin,
    ceil,
    cos,
    cumprod,
    cumsum,
    divide,
    equal,
    erf,
    erfinv,
    exp,
    expm1,
    floor,
    greater,
    greater_equal,
    is_finite,
    is_nan,
    less,
    less_equal,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    not_equal,
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


def negative(x, name=None):
    return -_native.identity(x)


def reciprocal(x, name=None):
    return 1.0 / _native.identity(x)


def floordiv(x, y, name=None):
    """The quotients, rounded down."""
    return _native.identity(x) // y


def floormod(x, y, name=None):
    """What is left of a division that is rounded down: with the sign of `y`."""
    return _native.identity(x) % y


mod = floormod


def tan(x, name=None):
    return _native.sin(x) / _native.cos(x)


def sinh(x, name=None):
    """The hyperbolic sines, exact near 0."""
    more, less = _native.expm1(x), _native.expm1(-_native.identity(x))
    return (more - less) / 2.0


def cosh(x, name=None):
    x = _native.identity(x)
    return (_native.exp(x) + _native.exp(-x)) / 2.0


def log_sigmoid(x, name=None):
    return _native.activate("log_sigmoid", x)


def is_inf(x, name=None):
    """Whether each element is infinite."""
    x = _native.identity(x)
    return _native.logical_not(_native.is_finite(x) | _native.is_nan(x))


def count_nonzero(input, axis=None, keepdims=None, dtype="int32", name=None):
    """How many elements are not 0."""
    others = _native.cast(_native.identity(input) != 0, "int32")
    return _native.cast(_native.reduce_sum(others, _axes(axis), keepdims is True), dtype)


def zero_fraction(value, name=None):
    """The share of elements that are 0."""
    return _native.reduce_mean(_native.cast(_native.identity(value) == 0, "float32"), None, False)


def unsorted_segment_sum(data, segment_ids, num_segments, name=None):
    """The sums of the rows of each number."""
    return _native.segment_sum(data, segment_ids, int(num_segments))


def confusion_matrix(labels, predictions, num_classes, weights=None, dtype="int32", name=None):
    """How often each class, by row, is taken for each, by column."""
    rows, columns = (_native.one_hot(one, int(num_classes)) for one in (labels, predictions))
    if weights is not None:
        rows = rows * _native.expand_dims(_native.cast(weights, "float32"), -1)
    return _native.cast(_native.matmul(rows, columns, True, False), dtype)


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

_ABSENT = {
    "unsorted_segment_mean": "divide tf.math.unsorted_segment_sum by that of ones",
    "segment_sum": "use tf.math.unsorted_segment_sum, which says how many segments there are",
    "bincount": "use numpy.bincount outside of traces",
    "acos": "compute it with NumPy before the data goes in",
    "asin": "compute it with NumPy before the data goes in",
    "atan": "compute it with NumPy before the data goes in",
    "atan2": "compute it with NumPy before the data goes in",
    "lgamma": "compute it with NumPy before the data goes in",
    "polyval": "add products of powers",
}


def __getattr__(name):
    raise _absent("tf.math", globals(), name, _ABSENT.get(name))
