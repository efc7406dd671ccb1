"""What programs use of TensorFlow: tensors, variables, tapes, functions and operations.

Operations compute at once, except while a layer's ``call`` or a ``tf.function`` is traced.
"""

import operator as _operator

import numpy as _np

from .. import _native
from .._symbolic import take_symbols as _take_symbols
from .._dtypes import DType, TensorShape, bool, float32, float64, int32, uint8
from .._dtypes import axes as _axes
from .._dtypes import sizes as _sizes
from .._names import absent
from .._native import Tensor, Variable
from . import data, debugging, linalg, math, nn, random
from ._function import TensorSpec, function
from ._loops import foldl, foldr, map_fn, scan, vectorized_map, while_loop
from ._operations import (
    abs,
    add,
    argmax,
    argmin,
    cos,
    cumprod,
    cumsum,
    divide,
    equal,
    exp,
    floor,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
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
    round,
    sigmoid,
    sign,
    sin,
    sqrt,
    square,
    subtract,
    tanh,
)
from ._parts import ensure_shape, meshgrid, nest, roll, split, unstack
from ._parts import slice_ as slice
from ._scatter import scatter_nd, tensor_scatter_nd_add, tensor_scatter_nd_update
from ._tape import GradientTape, custom_gradient, stop_gradient

int64 = int32
double = float64
newaxis = None


def __getattr__(name):
    if name == "keras" or name in _OF_KERAS:
        from .. import keras

        if name == "keras":
            return keras
        return _operator.attrgetter(_OF_KERAS[name])(keras)
    raise absent("tf", globals(), name, _ABSENT.get(name))


# Names of TensorFlow for what Keras has.
_OF_KERAS = {
    **{name: name for name in ("initializers", "losses", "metrics", "optimizers")},
    "constant_initializer": "initializers.Constant",
    "ones_initializer": "initializers.Ones",
    "random_normal_initializer": "initializers.RandomNormal",
    "random_uniform_initializer": "initializers.RandomUniform",
    "zeros_initializer": "initializers.Zeros",
}
_ABSENT = {
    "strings": "turn texts into numbers with pandas or Python first",
    "string": "turn texts into numbers with pandas or Python first",
    "ragged": "fill rows up to one length, with keras.utils.pad_sequences say",
    "RaggedTensor": "fill rows up to one length, with keras.utils.pad_sequences say",
    "sets": "use Python's sets on numbers",
    "queue": "use tf.data.Dataset or Python's queue",
    "sparse": "use dense tensors, or an Embedding for indices",
    "SparseTensor": "use dense tensors, or an Embedding for indices",
    "TensorArray": "use a Python list of tensors and tf.stack",
    "distribute": "a model trains on one machine here",
    "Session": "operations compute at once, or in a tf.function",
    "placeholder": "operations compute at once, or in a tf.function",
    "py_function": "call Python outside of functions, or use run_eagerly=True",
    "lookup": "turn words into numbers with pandas or Python first",
    "saved_model": "save with model.save, or model.export",
    "train": "save with model.save_weights or BackupAndRestore",
    "autograph": "write tf.cond and tf.where, or Python's `if` on what is no tensor",
    "boolean_mask": "use tf.where(mask, x, 0.0), or NumPy outside of traces",
    "unique": "use numpy.unique outside of traces",
    "gather_nd": "use tf.gather along one axis after tf.reshape",
    "strided_slice": "slice as in x[1:5:2]",
    "searchsorted": "use numpy.searchsorted outside of traces",
    "io": "read files with Python, NumPy or pandas",
    "image": "change images with NumPy or another library before they are batches",
    "signal": "compute spectra with NumPy before the data goes in",
    "device": "plans run on the processor: leave it out",
    "config": "plans run on the processor, and there is nothing to configure: leave it out",
    "compat": "write what TensorFlow 2 has",
}


def constant(value, dtype=None, shape=None, name=None):
    """A tensor of numbers."""
    if isinstance(value, (str, bytes)):
        raise NotImplementedError(f"tf.constant of a text: {_ABSENT['strings']}")
    return _native.constant(value, dtype, None if shape is None else _sizes(shape))


def convert_to_tensor(value, dtype=None, dtype_hint=None, name=None):
    """A tensor of what is given; tensors stay what they are."""
    return _native.constant(value, dtype, None)


def is_tensor(value):
    return isinstance(value, (Tensor, Variable))


def identity(input, name=None):
    return _native.identity(input)


def cast(x, dtype, name=None):
    """The same numbers as another type."""
    return _native.cast(x, dtype)


def shape(input, out_type=None, name=None):
    """The sizes as a tensor of integers, known while tracing."""
    return _known(_shape_of(input))


def _known(number):
    """A tensor of integers that are known, though a trace may be at hand."""
    numbers = _np.array(number, dtype=_np.int32)
    return _native.outside(lambda: _native.constant(numbers, None, None))


def _shape_of(value):
    return tuple(value.shape) if hasattr(value, "shape") else _np.shape(value)


def size(input, out_type=None, name=None):
    return _known(_np.prod(_shape_of(input), dtype=_np.int64))


def rank(input, name=None):
    return _known(len(_shape_of(input)))


def zeros(shape, dtype=float32, name=None):
    return _native.fill(_sizes(shape), 0.0, dtype)


def ones(shape, dtype=float32, name=None):
    return _native.fill(_sizes(shape), 1.0, dtype)


def fill(dims, value, name=None):
    return _native.broadcast_to(_native.constant(value, None, None), _sizes(dims))


def eye(num_rows, num_columns=None, dtype=float32):
    return _native.constant(_np.eye(num_rows, num_columns), dtype, None)


def range(start, limit=None, delta=1, dtype=None):
    """Numbers from `start` to `limit`."""
    if limit is None:
        start, limit = 0, start
    numbers = _np.arange(start, limit, delta)
    whole = numbers.dtype.kind in "iu"
    return _native.constant(numbers, dtype or (int32 if whole else float32), None)


def linspace(start, stop, num):
    return _native.constant(_np.linspace(start, stop, num), float32, None)


def zeros_like(input, dtype=None):
    zeros = _native.zeros_like(input)
    return zeros if dtype is None else cast(zeros, dtype)


def ones_like(input, dtype=None):
    ones = _native.ones_like(input)
    return ones if dtype is None else cast(ones, dtype)


def negative(x, name=None):
    return -convert_to_tensor(x)


def add_n(inputs, name=None):
    """The sum of a list of tensors."""
    inputs = list(inputs)
    if not inputs:
        raise ValueError("tf.add_n of an empty list; give at least one tensor")
    total = convert_to_tensor(inputs[0])
    for tensor in inputs[1:]:
        total = total + tensor
    return total


def norm(tensor, ord="euclidean", axis=None, keepdims=None, name=None):
    """The Euclidean norm along axes."""
    if ord not in ("euclidean", 2):
        raise NotImplementedError(f"tf.norm with ord={ord!r}: only the Euclidean norm is there")
    return _native.norm(tensor, _axes(axis), keepdims is True)


def where(condition, x=None, y=None, name=None):
    """`x` where the condition holds, else `y`."""
    if x is None or y is None:
        raise NotImplementedError(
            "tf.where with one argument gives a tensor whose size depends on its numbers; use "
            "tf.where(condition, x, y), or numpy.where outside of traces"
        )
    return _native.where(condition, x, y)


def clip_by_value(t, clip_value_min, clip_value_max, name=None):
    return _native.clip_by_value(t, clip_value_min, clip_value_max)


def clip_by_norm(t, clip_norm, axes=None, name=None):
    """The tensor, shortened to a norm where it is longer."""
    size = _native.norm(t, _axes(axes), True)
    return t * _native.divide_no_nan(clip_norm, _native.maximum(size, clip_norm))


def clip_by_global_norm(t_list, clip_norm, name=None):
    """Tensors shortened together to a norm where they are longer; and the norm."""
    t_list = list(t_list)
    total = sqrt(add_n([reduce_sum(square(t)) for t in t_list if t is not None]))
    factor = _native.divide_no_nan(clip_norm, _native.maximum(total, clip_norm))
    return [None if t is None else t * factor for t in t_list], total


def reshape(tensor, shape, name=None):
    return _native.reshape(tensor, _sizes(shape, open=True))


def broadcast_to(input, shape, name=None):
    return _native.broadcast_to(input, _sizes(shape))


def expand_dims(input, axis, name=None):
    return _native.expand_dims(input, int(axis))


def squeeze(input, axis=None, name=None):
    return _native.squeeze(input, _axes(axis))


def transpose(a, perm=None, conjugate=False, name=None):
    """The axes in another order; reversed unless one is given."""
    rank = len(_shape_of(a))
    perm = list(reversed(list(_count(rank)))) if perm is None else _sizes(perm)
    return _native.permute(a, [axis % rank for axis in perm])


def _count(number):
    return _np.arange(number).tolist()


def concat(values, axis, name=None):
    return _native.concat(list(values), int(axis))


def stack(values, axis=0, name=None):
    return _native.stack(list(values), int(axis))


def executing_eagerly():
    """Whether operations compute at once."""
    return not _native.is_tracing()


def tile(input, multiples, name=None):
    return _native.tile(input, _sizes(multiples))


def repeat(input, repeats, axis=None, name=None):
    """Each element several times, along an axis."""
    if axis is None:
        input, axis = reshape(input, [-1]), 0
    size = _shape_of(input)[axis]
    return _native.gather(input, _np.repeat(_np.arange(size, dtype=_np.int32), repeats), axis)


def pad(tensor, paddings, mode="CONSTANT", constant_values=0, name=None):
    """More elements before and after, equal to `constant_values`."""
    if mode != "CONSTANT":
        raise NotImplementedError(f"tf.pad with mode={mode!r}: only CONSTANT is there")
    widths = [tuple(_sizes(pair)) for pair in paddings]
    return _native.pad(tensor, widths, float(constant_values))


def gather(params, indices, validate_indices=None, axis=None, batch_dims=0, name=None):
    """The rows of these indices, counted from 0."""
    if batch_dims:
        raise NotImplementedError("tf.gather with batch_dims: use keras.layers or tf.one_hot")
    return _native.gather(params, indices, 0 if axis is None else int(axis))


def one_hot(indices, depth, on_value=1.0, off_value=0.0, axis=-1, dtype=float32, name=None):
    """1 at the place of each index, 0 elsewhere, along a new last axis."""
    hot = _native.one_hot(indices, int(depth))
    return cast(hot * (on_value - off_value) + off_value, dtype)


def argsort(values, axis=-1, direction="ASCENDING", stable=False, name=None):
    """The places by which elements are in order along an axis; equal ones stay in theirs."""
    return _native.argsort(values, int(axis), direction == "DESCENDING")


def reverse(tensor, axis, name=None):
    """The elements from the last to the first, along axes."""
    for one in _axes(axis):
        tensor = _native.flip(tensor, one)
    return _native.identity(tensor)


def sort(values, axis=-1, direction="ASCENDING", name=None):
    return _native.sort(values, int(axis)) if direction == "ASCENDING" else -_native.sort(
        -convert_to_tensor(values), int(axis)
    )


def matmul(a, b, transpose_a=False, transpose_b=False, name=None):
    return _native.matmul(a, b, transpose_a, transpose_b)


def tensordot(a, b, axes, name=None):
    """The sum of products over axes: `axes` last ones of `a` and first ones of `b`."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    rank_a, rank_b = len(_shape_of(a)), len(_shape_of(b))
    if isinstance(axes, int):
        axes = (list(_np.arange(rank_a - axes, rank_a)), list(_np.arange(axes)))
    of_a = list(letters[:rank_a])
    of_b = list(letters[rank_a : rank_a + rank_b])
    for left, right in zip(_axes(axes[0]), _axes(axes[1])):
        of_b[right] = of_a[left]
    summed = {of_a[left % rank_a] for left in _axes(axes[0])}
    rest = [letter for letter in [*of_a, *of_b] if letter not in summed]
    return _native.einsum(f"{''.join(of_a)},{''.join(of_b)}->{''.join(rest)}", [a, b])


def einsum(equation, *inputs):
    return _native.einsum(equation, list(inputs))


def cond(pred, true_fn=None, false_fn=None, name=None):
    """What one of two functions returns; both are traced where a plan is made."""
    from .._structure import flatten, pack

    if not is_tensor(pred):
        return true_fn() if pred else false_fn()
    structure = None

    def listed(function):
        def call():
            nonlocal structure
            value = function()
            structure = value
            return flatten(value)

        return call

    leaves = _native.cond(pred, listed(true_fn), listed(false_fn))
    return pack(structure, leaves)


def print(*inputs, sep=" ", end="\n", output_stream=None, summarize=3, name=None):
    """Prints values; while a plan is traced, once, what stands for them."""
    import builtins

    known = [
        one.numpy() if is_tensor(one) and not _native.is_tracing() else one for one in inputs
    ]
    builtins.print(*known, sep=sep, end=end, file=output_stream)


class errors:
    """What operations raise."""

    from .._native import ArgumentError as InvalidArgumentError


_take_symbols(globals(), "executing_eagerly", "function", "custom_gradient", "print", "is_tensor")


__version__ = "2.99.endo"
