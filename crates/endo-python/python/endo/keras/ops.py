"""`keras.ops`: functions of tensors by the names of Keras 3, with the arguments of NumPy.

Losses and activations are those of `keras.losses` and `keras.activations`.
"""

import numpy as _np

from .. import _native, tf
from .._dtypes import axes as _axes
from .._dtypes import sizes as _sizes
from .._names import absent as _absent
from .._symbolic import KerasTensor as _KerasTensor
from .._symbolic import take_symbols as _take_symbols
from . import activations as _activations
from . import losses as _losses
from ._ops_absent import ABSENT as _ABSENT
from ._ops_loops import fori_loop, map, scan, vectorized_map, while_loop
from ._ops_values import _typed
from ._ops_values import (
    arange,
    diag,
    eye,
    full,
    full_like,
    identity,
    linspace,
    ones,
    tril,
    triu,
    zeros,
)

abs = absolute = fabs = tf.abs
add = tf.add
broadcast_to = tf.broadcast_to
cast = tf.cast
ceil = tf.math.ceil
clip = tf.clip_by_value
cond = tf.cond
cos = tf.cos
cosh = tf.math.cosh
custom_gradient = tf.custom_gradient
divide = true_divide = tf.divide
divide_no_nan = tf.math.divide_no_nan
einsum = tf.einsum
equal = tf.equal
erf = tf.math.erf
erfinv = tf.math.erfinv
exp = tf.exp
expand_dims = tf.expand_dims
expm1 = tf.math.expm1
floor = tf.floor
floor_divide = tf.math.floordiv
greater = tf.greater
greater_equal = tf.greater_equal
isfinite = tf.math.is_finite
isinf = tf.math.is_inf
isnan = tf.math.is_nan
less = tf.less
less_equal = tf.less_equal
log = tf.math.log
log1p = tf.math.log1p
logical_and = tf.logical_and
logical_not = tf.logical_not
logical_or = tf.logical_or
logical_xor = tf.math.logical_xor
matmul = tf.matmul
maximum = fmax = tf.maximum
minimum = fmin = tf.minimum
mod = tf.math.floormod
multiply = tf.multiply
negative = tf.negative
not_equal = tf.not_equal
ones_like = tf.ones_like
power = tf.pow
reciprocal = tf.math.reciprocal
round = tf.round
rsqrt = tf.math.rsqrt
shape = tf.shape
sign = tf.sign
sin = tf.sin
sinh = tf.math.sinh
sqrt = tf.sqrt
square = tf.square
squeeze = tf.squeeze
stack = tf.stack
stop_gradient = tf.stop_gradient
subtract = tf.subtract
tan = tf.math.tan
tensordot = tf.tensordot
tile = tf.tile
top_k = tf.math.top_k
trace = tf.linalg.trace
where = tf.where
zeros_like = tf.zeros_like
solve, cholesky, inv, det = tf.linalg.solve, tf.linalg.cholesky, tf.linalg.inv, tf.linalg.det
for _name in (
    "celu elu gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu"
    " log_sigmoid log_softmax relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign"
    " sparse_plus sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold"
).split():
    globals()[_name] = getattr(_activations, _name)


def _reduction(name, doc):
    native = getattr(_native, name)

    def operation(x, axis=None, keepdims=False):
        return native(x, _axes(axis), keepdims)

    operation.__doc__ = f"{doc} along an axis, several, or all."
    return operation


for _name, _own, _doc in (
    ("all", "reduce_all", "Whether all truth values hold"),
    ("any", "reduce_any", "Whether one of the truth values holds"),
    ("logsumexp", "reduce_logsumexp", "The logarithm of the sum of the exponentials"),
    ("max", "reduce_max", "The greatest element"),
    ("mean", "reduce_mean", "The mean"),
    ("min", "reduce_min", "The least element"),
    ("prod", "reduce_prod", "The product"),
    ("sum", "reduce_sum", "The sum"),
    ("var", "reduce_variance", "The variance"),
):
    globals()[_name] = _reduction(_own, _doc)
    globals()[_name].__name__ = globals()[_name].__qualname__ = _name
amax, amin = globals()["max"], globals()["min"]


def std(x, axis=None, keepdims=False):
    """The standard deviation along an axis, several, or all."""
    return _native.sqrt(_native.reduce_variance(x, _axes(axis), keepdims))


def average(x, axis=None, weights=None):
    """The mean along an axis, weighted where weights are given."""
    if weights is None:
        return _native.reduce_mean(x, _axes(axis), False)
    weights = _native.identity(weights)
    if weights.ndim == 1 and len(x.shape) > 1 and axis is not None:
        sizes = [1] * len(x.shape)
        sizes[axis] = -1
        weights = tf.reshape(weights, sizes)
    total = _native.reduce_sum(_native.identity(x) * weights, _axes(axis), False)
    return total / _native.reduce_sum(tf.ones_like(x) * weights, _axes(axis), False)


def count_nonzero(x, axis=None):
    """How many elements are not 0."""
    return tf.math.count_nonzero(x, axis)


def norm(x, ord=None, axis=None, keepdims=False):
    """The Euclidean norm along axes."""
    return tf.norm(x, "euclidean" if ord is None else ord, axis, keepdims)


def moments(x, axes, keepdims=False, synchronized=False):
    """The mean and the variance along axes."""
    return tf.nn.moments(x, axes, None, keepdims)


def normalize(x, axis=-1, order=2, epsilon=1e-12):
    """Vectors of norm 1 along an axis."""
    if order != 2:
        raise NotImplementedError(f"keras.ops.normalize with order={order}: only 2 is there")
    return tf.math.l2_normalize(x, axis, epsilon)


# Order


def _flat_unless(x, axis):
    """The elements along one axis where none is given, and the axis."""
    return (tf.reshape(x, [-1]), 0) if axis is None else (x, axis)


def argmax(x, axis=None, keepdims=False):
    """The places of the greatest elements along an axis, or of all."""
    return _placed(_native.argmax, x, axis, keepdims)


def argmin(x, axis=None, keepdims=False):
    """The places of the least elements along an axis, or of all."""
    return _placed(_native.argmin, x, axis, keepdims)


def _placed(native, x, axis, keepdims):
    flat, along = _flat_unless(x, axis)
    found = native(flat, int(along))
    if not keepdims:
        return found
    rank = len(x.shape)
    return tf.reshape(found, [1] * rank) if axis is None else _native.expand_dims(found, along)


def sort(x, axis=-1):
    """The elements in order along an axis."""
    return _native.sort(*_flat_unless(x, axis))


def argsort(x, axis=-1):
    """The places by which elements are in order along an axis."""
    return _native.argsort(*_flat_unless(x, axis), False)


def cumsum(x, axis=None, dtype=None):
    """The sums of the elements up to each."""
    return _typed(_native.cumsum(*_flat_unless(x, axis), False, False), dtype)


def cumprod(x, axis=None, dtype=None):
    """The products of the elements up to each."""
    return _typed(_native.cumprod(*_flat_unless(x, axis), False, False), dtype)


def flip(x, axis=None):
    """The elements from the last to the first, along an axis or all."""
    for one in range(len(x.shape)) if axis is None else _axes(axis):
        x = _native.flip(x, one)
    return _native.identity(x)


def take(x, indices, axis=None):
    """The elements of these indices along an axis."""
    flat, along = _flat_unless(x, axis)
    return _native.gather(flat, indices, along)


def take_along_axis(x, indices, axis=None):
    """The elements of these indices, which have the shape of the result."""
    flat, along = _flat_unless(x, axis)
    return _native.take_along_axis(flat, indices, along)


def segment_sum(data, segment_ids, num_segments=None, sorted=False):
    """The sums of the rows of each number."""
    if num_segments is None:
        raise ValueError(
            "keras.ops.segment_sum without `num_segments` has a size that depends on numbers\n"
            "  help: say how many segments there are"
        )
    return _native.segment_sum(data, segment_ids, int(num_segments))


def scatter(indices, values, shape):
    """The sums of values at these indices, 0 elsewhere."""
    return tf.scatter_nd(indices, values, shape)


def scatter_update(inputs, indices, updates):
    """A tensor with updates in the place of what is at these indices."""
    return tf.tensor_scatter_nd_update(inputs, indices, updates)


def one_hot(x, num_classes, axis=-1, dtype=None, sparse=False):
    """1 at the place of each index, 0 elsewhere, along a new axis."""
    hot = _native.one_hot(x, int(num_classes))
    if axis not in (-1, hot.ndim - 1):
        hot = moveaxis(hot, -1, axis)
    return _typed(hot, dtype)


# Shapes


def concatenate(xs, axis=0):
    """Tensors one after another along an axis."""
    return _native.concat(list(xs), int(axis))


def hstack(xs):
    """Tensors side by side: along the second axis, or the first where there is one."""
    xs = list(xs)
    return _native.concat(xs, 0 if len(xs[0].shape) == 1 else 1)


def vstack(xs):
    """Tensors one below another."""
    return _native.concat([x if len(x.shape) > 1 else x[None] for x in xs], 0)


def split(x, indices_or_sections, axis=0):
    """Parts along an axis: a number of equal ones, or those between these places."""
    if isinstance(indices_or_sections, int):
        return _native.split(x, indices_or_sections, int(axis))
    places = [0, *_sizes(indices_or_sections), x.shape[axis]]
    return tf.split(x, [end - start for start, end in zip(places, places[1:])], axis)


def unstack(x, num=None, axis=0):
    """The parts along an axis, without it."""
    return tf.unstack(x, num, axis)


def reshape(x, newshape):
    return tf.reshape(x, newshape)


def ravel(x):
    return tf.reshape(x, [-1])


def transpose(x, axes=None):
    return tf.transpose(x, axes)


def swapaxes(x, axis1, axis2):
    """Two axes in each other's places."""
    order = list(range(len(x.shape)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return _native.permute(x, order)


def moveaxis(x, source, destination):
    """Axes at other places."""
    rank = len(x.shape)
    source = [axis % rank for axis in _axes(source)]
    order = [axis for axis in range(rank) if axis not in source]
    for place, axis in sorted(zip([axis % rank for axis in _axes(destination)], source)):
        order.insert(place, axis)
    return _native.permute(x, order)


def repeat(x, repeats, axis=None):
    return tf.repeat(x, repeats, axis)


def roll(x, shift, axis=None):
    """The elements moved on along an axis, those at the end to the start."""
    if axis is None:
        return tf.reshape(tf.roll(tf.reshape(x, [-1]), shift, 0), list(x.shape))
    return tf.roll(x, shift, axis)


def pad(x, pad_width, mode="constant", constant_values=None):
    """More elements before and after."""
    widths = _np.broadcast_to(_np.asarray(pad_width), (len(x.shape), 2)).tolist()
    return tf.pad(x, widths, mode.upper(), 0 if constant_values is None else constant_values)


def slice(inputs, start_indices, shape):
    """The part of a shape from a place on."""
    return tf.slice(inputs, start_indices, shape)


def meshgrid(*x, indexing="xy"):
    return tf.meshgrid(*x, indexing=indexing)


def ndim(x):
    return len(x.shape)


def size(x):
    return tf.size(x)


# Products


def dot(x1, x2):
    """The sum of products over the last axis of one and the last but one of the other."""
    if not len(x1.shape) or not len(x2.shape):
        return tf.multiply(x1, x2)
    if len(x2.shape) == 1:
        return tf.tensordot(x1, x2, [[len(x1.shape) - 1], [0]])
    return tf.tensordot(x1, x2, [[len(x1.shape) - 1], [len(x2.shape) - 2]])


def vdot(x1, x2):
    return _native.reduce_sum(tf.multiply(ravel(x1), ravel(x2)), None, False)


def inner(x1, x2):
    """The sums of products over the last axes."""
    return tf.tensordot(x1, x2, [[len(x1.shape) - 1], [len(x2.shape) - 1]])


def outer(x1, x2):
    """The product of each element of one with each of the other."""
    return tf.reshape(x1, [-1, 1]) * tf.reshape(x2, [1, -1])


# Elements


def log2(x):
    return _native.log(x) / _np.float32(_np.log(2.0))


def log10(x):
    return _native.log(x) / _np.float32(_np.log(10.0))


def exp2(x):
    return _native.exp(_native.identity(x) * _np.float32(_np.log(2.0)))


def logaddexp(x1, x2):
    """`log(exp(x1) + exp(x2))`, without overflow."""
    return _native.maximum(x1, x2) + _native.log1p(_native.exp(-_native.abs(tf.subtract(x1, x2))))


def isclose(x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False):
    """Whether elements are equal but for a small difference."""
    near = _native.abs(tf.subtract(x1, x2)) <= _native.abs(x2) * rtol + atol
    near = near | tf.equal(x1, x2)
    return near | (_native.is_nan(x1) & _native.is_nan(x2)) if equal_nan else near


def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    """Numbers in place of what is not finite."""
    limits = _np.finfo(_np.float32)
    x = _native.where(_native.is_nan(x), nan, x)
    x = _native.where(tf.equal(x, _np.inf), limits.max if posinf is None else posinf, x)
    return _native.where(tf.equal(x, -_np.inf), limits.min if neginf is None else neginf, x)


def copy(x):
    return _native.identity(x)


def convert_to_tensor(x, dtype=None, sparse=None, ragged=None):
    return tf.convert_to_tensor(x, dtype)


array = convert_to_tensor


def convert_to_numpy(x):
    """The numbers as a NumPy array."""
    return _np.asarray(x)


def is_tensor(x):
    return tf.is_tensor(x) or isinstance(x, _KerasTensor)


# Losses


def binary_crossentropy(target, output, from_logits=False):
    """The cross-entropy of two classes, of each element."""
    output, target = _native.identity(output), _native.cast(target, "float32")
    if from_logits:
        return tf.nn.sigmoid_cross_entropy_with_logits(target, output)
    output = _native.clip_by_value(output, 1e-7, 1.0 - 1e-7)
    return -(target * _native.log(output) + (1.0 - target) * _native.log(1.0 - output))


def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """The cross-entropy of one-hot classes."""
    return _losses.categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """The cross-entropy of classes that are given by number."""
    return _losses.sparse_categorical_crossentropy(
        target, output, from_logits=from_logits, axis=axis
    )


_take_symbols(globals(), "custom_gradient", "is_tensor", "ndim", "convert_to_numpy")


def __getattr__(name):
    raise _absent("keras.ops", globals(), name, _ABSENT.get(name))
