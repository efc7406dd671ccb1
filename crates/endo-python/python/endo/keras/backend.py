"""`keras.backend`: what the book's programs use of it, as functions of `tf`."""

import numpy as _np

from .. import _native, tf
from .._symbolic import take_symbols as _take_symbols
from .._dtypes import axes as _axes

abs = tf.abs
argmax = tf.argmax
cast = tf.cast
clip = tf.clip_by_value
concatenate = tf.concat
constant = tf.constant
equal = tf.equal
exp = tf.exp
expand_dims = tf.expand_dims
greater = tf.greater
less = tf.less
log = tf.math.log
max = tf.reduce_max
maximum = tf.maximum
mean = tf.reduce_mean
min = tf.reduce_min
minimum = tf.minimum
ones_like = tf.ones_like
pow = tf.pow
prod = tf.reduce_prod
random_normal = tf.random.normal
random_uniform = tf.random.uniform
relu = tf.nn.relu
reshape = tf.reshape
round = tf.round
shape = tf.shape
sigmoid = tf.sigmoid
softmax = tf.nn.softmax
softplus = tf.nn.softplus
sqrt = tf.sqrt
square = tf.square
squeeze = tf.squeeze
std = tf.math.reduce_std
sum = tf.reduce_sum
switch = tf.cond
tanh = tf.tanh
transpose = tf.transpose
var = tf.math.reduce_variance
zeros_like = tf.zeros_like


def epsilon():
    """What keeps logarithms and denominators away from 0."""
    return 1e-7


def floatx():
    """The type of weights."""
    return "float32"


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
    globals(), "epsilon", "floatx", "clear_session", "learning_phase", "set_value", "get_value"
)
