"""`keras.backend`: what the book's programs use of it, as functions of `tf`."""

import numpy as _np

from .. import _native, tf
from .._names import absent as _absent
from .._symbolic import take_symbols as _take_symbols
from .._dtypes import axes as _axes
from . import ops, utils
from ._policies import floatx, set_floatx

abs = tf.abs
all = ops.all
any = ops.any
arange = tf.range
argmax = tf.argmax
argmin = tf.argmin
binary_crossentropy = ops.binary_crossentropy
cast = tf.cast
categorical_crossentropy = ops.categorical_crossentropy
clip = tf.clip_by_value
concatenate = tf.concat
constant = tf.constant
cos = tf.cos
cumprod = tf.cumprod
cumsum = tf.cumsum
dropout = tf.nn.dropout
elu = tf.nn.elu
equal = tf.equal
exp = tf.exp
eye = tf.eye
gather = tf.gather
expand_dims = tf.expand_dims
greater = tf.greater
greater_equal = tf.greater_equal
hard_sigmoid = ops.hard_sigmoid
is_keras_tensor = utils.is_keras_tensor
less = tf.less
less_equal = tf.less_equal
log = tf.math.log
logsumexp = tf.reduce_logsumexp
max = tf.reduce_max
maximum = tf.maximum
mean = tf.reduce_mean
min = tf.reduce_min
minimum = tf.minimum
not_equal = tf.not_equal
ones = tf.ones
ones_like = tf.ones_like
permute_dimensions = tf.transpose
pow = tf.pow
prod = tf.reduce_prod
random_normal = tf.random.normal
random_uniform = tf.random.uniform
relu = tf.nn.relu
repeat_elements = tf.repeat
reshape = tf.reshape
reverse = tf.reverse
round = tf.round
shape = tf.shape
sigmoid = tf.sigmoid
sign = tf.sign
sin = tf.sin
softmax = tf.nn.softmax
softplus = tf.nn.softplus
softsign = tf.nn.softsign
sparse_categorical_crossentropy = ops.sparse_categorical_crossentropy
sqrt = tf.sqrt
square = tf.square
squeeze = tf.squeeze
stack = tf.stack
stop_gradient = tf.stop_gradient
std = tf.math.reduce_std
sum = tf.reduce_sum
switch = tf.cond
tanh = tf.tanh
tile = tf.tile
transpose = tf.transpose
truncated_normal = tf.random.truncated_normal
var = tf.math.reduce_variance
zeros = tf.zeros
zeros_like = tf.zeros_like


def epsilon():
    """What keeps logarithms and denominators away from 0."""
    return 1e-7


def int_shape(x):
    return tuple(x.shape)


def dot(x, y):
    return tf.matmul(x, y)


def get_value(x):
    """The numbers of a variable or tensor."""
    return x.numpy() if hasattr(x, "numpy") else _np.asarray(x)


def set_value(x, value):
    """Gives a variable, or an optimizer's learning rate, a value."""
    if not hasattr(x, "assign"):
        raise TypeError(f"set_value takes a variable or a learning rate, got {x!r}")
    x.assign(value)


def variable(value, dtype=None, name=None, constraint=None):
    """A variable with a first value."""
    made = _native.Variable(value, True, name, dtype or "float32")
    made.constraint = constraint
    return made


def update(x, new_x):
    """Gives a variable a value."""
    return x.assign(new_x)


def update_add(x, increment):
    """Adds to a variable."""
    return x.assign_add(increment)


def update_sub(x, decrement):
    """Takes from a variable."""
    return x.assign_sub(decrement)


def batch_get_value(tensors):
    """The numbers of variables or tensors."""
    return [get_value(one) for one in tensors]


def batch_set_value(tuples):
    """Gives variables values, by pairs of a variable and a value."""
    for one, value in tuples:
        set_value(one, value)


eval = get_value


def count_params(x):
    """The number of numbers."""
    return int(_np.prod(tuple(x.shape), dtype=_np.int64))


def ndim(x):
    return len(x.shape)


def flatten(x):
    """All elements along one axis."""
    return tf.reshape(x, [-1])


def one_hot(indices, num_classes):
    return tf.one_hot(indices, num_classes)


def cast_to_floatx(x):
    """The numbers as 32-bit floats: arrays stay arrays."""
    return tf.cast(x, "float32") if tf.is_tensor(x) else _np.asarray(x, dtype=_np.float32)


def image_data_format():
    """Where channels stand."""
    return "channels_last"


def in_train_phase(x, alt, training=None):
    """One of two values, or what one of two functions returns: the first in training."""
    training = learning_phase() if training is None else training
    chosen = x if training else alt
    return chosen() if callable(chosen) else chosen


def clear_session():
    """Nothing is kept that would have to be cleared."""


def learning_phase():
    """Whether layers behave as in training: take it as the `training` argument of `call`."""
    return _native.is_training()


def batch_flatten(x):
    return tf.reshape(x, [x.shape[0], -1])


def l2_normalize(x, axis=None):
    return _native.l2_normalize(x, _axes(axis))


_take_symbols(
    globals(),
    *"epsilon floatx set_floatx clear_session learning_phase set_value get_value eval".split(),
    *"variable update update_add update_sub batch_get_value batch_set_value image_data_format ndim".split(),
    *"int_shape count_params in_train_phase".split(),
)

_LATER = "read numbers after a step, or write a callback"
_ABSENT = {
    "function": "use tf.function, or a keras.Model of the inputs and outputs",
    "gradients": "use tf.GradientTape",
    "placeholder": "use keras.Input",
    "print_tensor": _LATER,
    "rnn": "use a recurrent layer, or Python's `for` over steps in a layer of yours",
    "get_session": "operations compute at once, or in a tf.function",
    "set_session": "operations compute at once, or in a tf.function",
    "set_epsilon": "write the number where it is used",
    "set_image_data_format": "channels stand last: use Permute",
    "set_learning_phase": "call layers with `training=True`",
    "batch_dot": "use tf.matmul or tf.einsum",
    "conv1d": "use keras.layers.Conv1D",
    "conv2d": "use keras.layers.Conv2D",
    "pool2d": "use keras.layers.MaxPooling2D or AveragePooling2D",
}


def __getattr__(name):
    raise _absent("keras.backend", globals(), name, _ABSENT.get(name))
