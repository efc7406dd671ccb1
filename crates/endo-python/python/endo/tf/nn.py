"""`tf.nn`: activation functions and what losses are made of."""

from .. import _native
from .._names import absent as _absent
from .._symbolic import take_symbols as _take_symbols
from .._dtypes import axes as _axes
from .._text import written
from .math import l2_normalize


def relu(features, name=None):
    return _native.relu(features)


def relu6(features, name=None):
    return _native.activate("relu6", features)


def leaky_relu(features, alpha=0.2, name=None):
    return _native.activate(f"leaky_relu(negative_slope={float(alpha)!r})", features)


def elu(features, name=None):
    return _native.elu(features)


def selu(features, name=None):
    return _native.selu(features)


def gelu(features, approximate=False, name=None):
    return _native.activate(written("gelu", {"approximate": approximate}), features)


def silu(features, name=None):
    return _native.activate("silu", features)


swish = silu


def softplus(features, name=None):
    return _native.softplus(features)


def softsign(features, name=None):
    return _native.activate("softsign", features)


def sigmoid(x, name=None):
    return _native.sigmoid(x)


def tanh(x, name=None):
    return _native.tanh(x)


def softmax(logits, axis=-1, name=None):
    return _native.activate(written("softmax", {"axis": axis}), logits)


def log_softmax(logits, axis=-1, name=None):
    return _native.activate(written("log_softmax", {"axis": axis}), logits)


def l2_loss(t, name=None):
    """Half the sum of the squares."""
    return _native.reduce_sum(_native.square(t), None, False) / 2


def moments(x, axes, shift=None, keepdims=False, name=None):
    """The mean and the variance along axes."""
    axes = _axes(axes)
    return _native.reduce_mean(x, axes, keepdims), _native.reduce_variance(x, axes, keepdims)


def dropout(x, rate, noise_shape=None, seed=None, name=None):
    """Elements set to 0 with a probability of `rate`, the others divided by `1 - rate`."""
    shape = list(x.shape) if noise_shape is None else list(noise_shape)
    kept = _native.random("uniform", shape, 0.0, 1.0, "float32", seed) >= rate
    return _native.where(kept, x / (1.0 - rate), 0.0)


def sigmoid_cross_entropy_with_logits(labels=None, logits=None, name=None):
    """`max(x, 0) - x z + log(1 + exp(-|x|))` of logits `x` and labels `z`."""
    logits = _native.identity(logits)
    return _native.relu(logits) - logits * labels + _native.softplus(-_native.abs(logits))


def softmax_cross_entropy_with_logits(labels, logits, axis=-1, name=None):
    return -_native.reduce_sum(log_softmax(logits, axis) * labels, [axis], False)


def sparse_softmax_cross_entropy_with_logits(labels, logits, name=None):
    """The cross entropy of classes by number: NaN for one that there is not."""
    logits, labels = _native.identity(logits), _native.cast(labels, "int32")
    classes = logits.shape[-1]
    losses = softmax_cross_entropy_with_logits(_native.one_hot(labels, classes), logits)
    return _native.where((labels >= 0) & (labels < classes), losses, float("nan"))


def top_k(input, k=1, sorted=True, name=None):
    return _native.top_k(input, int(k))


_take_symbols(globals())

_ABSENT = {
    "conv1d": "use keras.layers.Conv1D",
    "conv2d": "use keras.layers.Conv2D",
    "depthwise_conv2d": "use keras.layers.DepthwiseConv2D",
    "max_pool": "use keras.layers.MaxPooling2D",
    "max_pool2d": "use keras.layers.MaxPooling2D",
    "avg_pool": "use keras.layers.AveragePooling2D",
    "avg_pool2d": "use keras.layers.AveragePooling2D",
    "batch_normalization": "use keras.layers.BatchNormalization",
    "embedding_lookup": "use tf.gather, or keras.layers.Embedding",
    "bias_add": "use `x + bias`",
    "ctc_loss": "use keras.losses.CTC",
    "weighted_cross_entropy_with_logits": "give losses a sample_weight",
}


def __getattr__(name):
    raise _absent("tf.nn", globals(), name, _ABSENT.get(name))
