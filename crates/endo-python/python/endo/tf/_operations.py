"""Operations that are there both as `tf.add` and as `tf.math.add`."""

from .. import _native
from .._dtypes import axes as _axes
from .._native import Tensor, Variable
from .._symbolic import take_symbols as _take_symbols

# Functions of each element, and what they are.
_UNARY = {
    "abs": "The absolute values.",
    "ceil": "The least integers that are not less.",
    "cos": "The cosines.",
    "erf": "The error function of each element.",
    "erfinv": "The inverse of the error function of each element.",
    "exp": "The exponential function of each element.",
    "expm1": "`exp(x) - 1` of each element, exact near 0.",
    "floor": "The greatest integers that are not greater.",
    "is_finite": "Whether each element is a finite number.",
    "is_nan": "Whether each element is not a number.",
    "log": "The natural logarithms.",
    "log1p": "`log(1 + x)` of each element, exact near 0.",
    "logical_not": "The opposite truth values.",
    "round": "The nearest integers; of two that are as near, the even one.",
    "rsqrt": "One divided by the square roots.",
    "sigmoid": "`1 / (1 + exp(-x))` of each element.",
    "sign": "-1, 0 or 1, as the sign of each element is.",
    "sin": "The sines.",
    "softplus": "`log(1 + exp(x))` of each element.",
    "sqrt": "The square roots.",
    "square": "The squares.",
    "tanh": "The hyperbolic tangents.",
}
# Reductions, and what they are.
_REDUCTIONS = {
    "reduce_all": "Whether all truth values hold",
    "reduce_any": "Whether one of the truth values holds",
    "reduce_logsumexp": "The logarithm of the sum of the exponentials",
    "reduce_max": "The greatest element",
    "reduce_mean": "The mean, which is an integer where the elements are,",
    "reduce_min": "The least element",
    "reduce_prod": "The product",
    "reduce_sum": "The sum",
    "reduce_variance": "The variance",
}
# Functions of each pair of elements.
_OPERATORS = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "pow": lambda x, y: x**y,
    "equal": lambda x, y: x == y,
    "not_equal": lambda x, y: x != y,
    "less": lambda x, y: x < y,
    "less_equal": lambda x, y: x <= y,
    "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y,
}


def _named(operation, name, doc):
    operation.__name__ = operation.__qualname__ = name
    operation.__doc__ = doc
    return operation


def _unary(name, doc):
    native = getattr(_native, name)
    return _named(lambda x, name=None: native(x), name, doc)


def _reduction(name, doc):
    native = getattr(_native, name)

    def operation(input_tensor, axis=None, keepdims=False, name=None):
        return native(input_tensor, _axes(axis), keepdims)

    return _named(operation, name, f"{doc} along an axis, several, or all.")


def _operator(name, apply):
    def operation(x, y, name=None):
        if not isinstance(x, (Tensor, Variable)) and not isinstance(y, (Tensor, Variable)):
            x = _native.identity(x)
        return apply(x, y)

    return _named(operation, name, f"`{name}` of each pair of elements; shapes are broadcast.")


for _name, _doc in _UNARY.items():
    globals()[_name] = _unary(_name, _doc)
for _name, _doc in _REDUCTIONS.items():
    globals()[_name] = _reduction(_name, _doc)
for _name, _apply in _OPERATORS.items():
    globals()[_name] = _operator(_name, _apply)


def maximum(x, y, name=None):
    """The greater of each pair of elements."""
    return _native.maximum(x, y)


def minimum(x, y, name=None):
    """The less of each pair of elements."""
    return _native.minimum(x, y)


def logical_and(x, y, name=None):
    return _native.logical_and(x, y)


def logical_or(x, y, name=None):
    return _native.logical_or(x, y)


def logical_xor(x, y, name=None):
    return _native.logical_xor(x, y)


def cumsum(x, axis=0, exclusive=False, reverse=False, name=None):
    """The sums of the elements up to each: without it with `exclusive`, from the end with
    `reverse`."""
    return _native.cumsum(x, int(axis), exclusive is True, reverse is True)


def cumprod(x, axis=0, exclusive=False, reverse=False, name=None):
    """The products of the elements up to each, as `cumsum`."""
    return _native.cumprod(x, int(axis), exclusive is True, reverse is True)


def argmin(input, axis=0, output_type=None, name=None):
    """The places of the least elements along an axis."""
    return _native.argmin(input, int(axis))


def argmax(input, axis=0, output_type=None, name=None):
    """The places of the greatest elements along an axis."""
    return _native.argmax(input, int(axis))


_take_symbols(globals())
