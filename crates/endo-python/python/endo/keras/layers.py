"""Layers: those of the library by Keras's names, and `Layer`, which users subclass."""

from .._names import absent
from . import activations
from ._attention import AdditiveAttention, Attention, GroupQueryAttention, MultiHeadAttention
from ._functions import ELU, Identity, Lambda, LeakyReLU, ReLU, Softmax
from ._inputs import Input, InputLayer
from ._layer import Layer
from ._merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from ._native_layer import NativeLayer, layer_of
from ._normalization import Normalization
from ._recurrent import (
    GRU,
    LSTM,
    Bidirectional,
    ConvLSTM1D,
    ConvLSTM2D,
    ConvLSTM3D,
    SimpleRNN,
)
from ._rnn import RNN, GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells

_KERNEL = (
    " kernel_initializer bias_initializer kernel_regularizer bias_regularizer"
    " activity_regularizer kernel_constraint bias_constraint"
)
Dense = layer_of(
    "Dense",
    "units activation use_bias" + _KERNEL + " lora_rank lora_alpha quantization_config",
    "A linear layer with `units` outputs: `activation(inputs @ kernel + bias)`.",
)
Activation = layer_of(
    "Activation",
    "activation",
    "An activation function as a layer.",
    takes_activity_regularizer=True,
)
Flatten = layer_of("Flatten", "data_format", "All axes but the first as one.")
Dropout = layer_of("Dropout", "rate noise_shape seed", "Leaves elements out in training.")
AlphaDropout = layer_of(
    "AlphaDropout", "rate noise_shape seed", "Dropout that keeps mean and variance."
)
GaussianNoise = layer_of("GaussianNoise", "stddev seed", "Adds normal noise in training.")
GaussianDropout = layer_of(
    "GaussianDropout", "rate seed", "Multiplies by normal noise in training."
)
ActivityRegularization = layer_of("ActivityRegularization", "l1 l2", "A penalty on its input.")
Reshape = layer_of("Reshape", "target_shape", "The same numbers in another shape.")
Permute = layer_of("Permute", "dims", "The axes in another order, counted from 1.")
RepeatVector = layer_of("RepeatVector", "n", "A vector `n` times along a new axis.")
Rescaling = layer_of("Rescaling", "scale offset", "`inputs * scale + offset`.")
Masking = layer_of("Masking", "mask_value", "Masks steps whose features are all `mask_value`.")
Embedding = layer_of(
    "Embedding",
    "input_dim output_dim embeddings_initializer embeddings_regularizer embeddings_constraint"
    " mask_zero weights lora_rank lora_alpha quantization_config",
    "A vector for each index below `input_dim`.",
)
BatchNormalization = layer_of(
    "BatchNormalization",
    "axis momentum epsilon center scale beta_initializer gamma_initializer moving_mean_initializer"
    " moving_variance_initializer beta_regularizer gamma_regularizer beta_constraint"
    " gamma_constraint renorm renorm_clipping renorm_momentum synchronized",
    "Normalizes by the batch in training, and by moving statistics otherwise.",
)
LayerNormalization = layer_of(
    "LayerNormalization",
    "axis epsilon center scale beta_initializer gamma_initializer beta_regularizer"
    " gamma_regularizer beta_constraint gamma_constraint",
    "Normalizes each sample by its own mean and variance.",
)
GroupNormalization = layer_of(
    "GroupNormalization",
    "groups axis epsilon center scale beta_initializer gamma_initializer beta_regularizer"
    " gamma_regularizer beta_constraint gamma_constraint",
    "Normalizes groups of channels.",
)
UnitNormalization = layer_of("UnitNormalization", "axis", "Scales vectors to a norm of 1.")
RMSNormalization = layer_of(
    "RMSNormalization", "axis epsilon", "Divides by the root mean square.", says_trainable=True
)
PReLU = layer_of(
    "PReLU",
    "alpha_initializer alpha_regularizer alpha_constraint shared_axes",
    "A leaky ReLU whose slope is learnt.",
    "p_relu",
)
TimeDistributed = layer_of("TimeDistributed", "layer", "A layer for each step of a sequence.")
SpectralNormalization = layer_of(
    "SpectralNormalization",
    "layer power_iterations",
    "A layer whose kernel is divided by its largest singular value.",
)
EinsumDense = layer_of(
    "EinsumDense",
    "equation output_shape activation bias_axes kernel_initializer bias_initializer"
    " kernel_regularizer bias_regularizer kernel_constraint bias_constraint lora_rank lora_alpha"
    " quantization_config",
    "A linear layer by an equation of Einstein's sums: `activation(einsum(equation, inputs, kernel)"
    " + bias)`.",
    takes_activity_regularizer=True,
)

# Layers that change images, whose channels are last.
for _name, _options, _doc in (
    (
        "Resizing",
        "height width interpolation crop_to_aspect_ratio pad_to_aspect_ratio fill_mode fill_value"
        " antialias data_format",
        "Images of another size.",
    ),
    ("CenterCrop", "height width data_format", "The middle of images."),
    ("RandomCrop", "height width seed data_format name", "Windows of images, anywhere in training."),
    ("RandomFlip", "mode seed data_format", "Flips images in training."),
    (
        "RandomRotation",
        "factor fill_mode interpolation seed fill_value data_format",
        "Turns images in training.",
    ),
    (
        "RandomTranslation",
        "height_factor width_factor fill_mode interpolation seed fill_value data_format",
        "Moves images in training.",
    ),
    (
        "RandomZoom",
        "height_factor width_factor fill_mode interpolation seed fill_value data_format",
        "Shows images smaller or larger in training.",
    ),
    ("RandomContrast", "factor value_range seed", "Changes the contrast of images in training."),
    ("RandomBrightness", "factor value_range seed", "Changes the brightness of images in training."),
):
    _fixed = {"data_format": "channels_last"}
    if _name == "Resizing":
        _fixed["fill_mode"] = "constant"
    globals()[_name] = layer_of(_name, _options, _doc, fixed=_fixed)

_CONVOLUTION = (
    "filters kernel_size strides padding data_format dilation_rate groups activation use_bias"
)
_TRANSPOSED = (
    "filters kernel_size strides padding output_padding data_format dilation_rate activation"
    " use_bias"
)


def _in_order(options, axes):
    """The options of a transposed convolution: Keras has two of them the other way around in 3D."""
    if axes < 3:
        return options
    return options.replace("output_padding data_format", "data_format output_padding")


for _n in (1, 2, 3):
    globals()[f"Conv{_n}D"] = layer_of(
        f"Conv{_n}D", _CONVOLUTION + _KERNEL, f"A convolution over {_n} axes.", f"conv{_n}d"
    )
    globals()[f"Conv{_n}DTranspose"] = layer_of(
        f"Conv{_n}DTranspose",
        _in_order(_TRANSPOSED, _n) + _KERNEL,
        f"A transposed convolution over {_n} axes.",
        f"conv{_n}d_transpose",
    )
    globals()[f"MaxPooling{_n}D"] = layer_of(
        f"MaxPooling{_n}D",
        "pool_size strides padding data_format name",
        "The greatest value of each window.",
        f"max_pooling{_n}d",
        pool_size=2,
    )
    globals()[f"AveragePooling{_n}D"] = layer_of(
        f"AveragePooling{_n}D",
        "pool_size strides padding data_format name",
        "The mean of each window.",
        f"average_pooling{_n}d",
        pool_size=2,
    )
    globals()[f"GlobalMaxPooling{_n}D"] = layer_of(
        f"GlobalMaxPooling{_n}D",
        "data_format keepdims",
        "The greatest value of each channel.",
        f"global_max_pooling{_n}d",
    )
    globals()[f"GlobalAveragePooling{_n}D"] = layer_of(
        f"GlobalAveragePooling{_n}D",
        "data_format keepdims",
        "The mean of each channel.",
        f"global_average_pooling{_n}d",
    )
    globals()[f"ZeroPadding{_n}D"] = layer_of(
        f"ZeroPadding{_n}D",
        "padding data_format",
        "Puts zeros around the positions.",
        f"zero_padding{_n}d",
        padding=1,
    )
    globals()[f"Cropping{_n}D"] = layer_of(
        f"Cropping{_n}D",
        "cropping" if _n == 1 else "cropping data_format",
        "Cuts edges off.",
        f"cropping{_n}d",
        # Keras's default in two dimensions cuts nothing off.
        cropping=0 if _n == 2 else 1,
    )
    globals()[f"UpSampling{_n}D"] = layer_of(
        f"UpSampling{_n}D",
        ("size", "size data_format interpolation", "size data_format")[_n - 1],
        "Repeats elements.",
        f"up_sampling{_n}d",
        size=2,
    )
    globals()[f"SpatialDropout{_n}D"] = layer_of(
        f"SpatialDropout{_n}D",
        "rate seed" if _n == 1 else "rate data_format seed",
        "Leaves whole channels out in training.",
        f"spatial_dropout{_n}d",
    )
    globals()[f"GlobalMaxPool{_n}D"] = globals()[f"GlobalMaxPooling{_n}D"]
    globals()[f"GlobalAvgPool{_n}D"] = globals()[f"GlobalAveragePooling{_n}D"]
    globals()[f"MaxPool{_n}D"] = globals()[f"MaxPooling{_n}D"]
    globals()[f"AvgPool{_n}D"] = globals()[f"AveragePooling{_n}D"]
    globals()[f"Convolution{_n}D"] = globals()[f"Conv{_n}D"]
    globals()[f"Convolution{_n}DTranspose"] = globals()[f"Conv{_n}DTranspose"]
for _n in (1, 2):
    globals()[f"DepthwiseConv{_n}D"] = layer_of(
        f"DepthwiseConv{_n}D",
        "kernel_size strides padding depth_multiplier data_format dilation_rate activation use_bias"
        " depthwise_initializer bias_initializer depthwise_regularizer bias_regularizer"
        " activity_regularizer depthwise_constraint bias_constraint",
        "A convolution of each channel by itself.",
        f"depthwise_conv{_n}d",
    )
    globals()[f"SeparableConv{_n}D"] = layer_of(
        f"SeparableConv{_n}D",
        "filters kernel_size strides padding data_format dilation_rate depth_multiplier activation"
        " use_bias depthwise_initializer pointwise_initializer bias_initializer"
        " depthwise_regularizer pointwise_regularizer bias_regularizer activity_regularizer"
        " depthwise_constraint pointwise_constraint bias_constraint",
        "A convolution of each channel, and one over channels.",
        f"separable_conv{_n}d",
    )
    globals()[f"SeparableConvolution{_n}D"] = globals()[f"SeparableConv{_n}D"]


_WORDS = "turn words into numbers with pandas or scikit-learn first"
_IMAGES = "change images with NumPy or another library before they are batches: tf.data's `map`"
_POOLS = "use AveragePooling or MaxPooling with a window of a known size"
# Layers of Keras that are not there, by what their names begin with: what to use instead.
_ABSENT = {
    "Adaptive": _POOLS,
    "StringLookup": _WORDS,
    "TextVectorization": _WORDS,
    "IntegerLookup": "make numbers from 0 on with pandas.factorize, then use Embedding",
    "Hashing": _WORDS,
    "HashedCrossing": _WORDS,
    "CategoryEncoding": "use tf.one_hot",
    "Discretization": "use numpy.digitize",
    "MelSpectrogram": "compute spectrograms with another library first",
    "STFTSpectrogram": "compute spectrograms with another library first",
    "ReversibleEmbedding": "use Embedding, and tf.matmul with its transposed `embeddings`",
    "Random": _IMAGES,
    "RandAugment": _IMAGES,
    "AugMix": _IMAGES,
    "AutoContrast": _IMAGES,
    "ContrastLimited": _IMAGES,
    "CutMix": _IMAGES,
    "Equalization": _IMAGES,
    "MaxNumBoundingBoxes": _IMAGES,
    "MixUp": _IMAGES,
    "Pipeline": "use a Sequential",
    "Solarization": _IMAGES,
    "FlaxLayer": "layers of other libraries do not run here",
    "JaxLayer": "layers of other libraries do not run here",
    "TFSMLayer": "layers of other libraries do not run here",
    "TorchModuleWrapper": "layers of other libraries do not run here",
    "InputSpec": "check shapes in `build`",
    "Wrapper": "subclass Layer, and hold the other layer as an attribute",
    "deserialize": "use the class's from_config",
    "serialize": "use the layer's get_config",
}


def __getattr__(name):
    for beginning in sorted(_ABSENT, key=len, reverse=True):
        if name == beginning or name.startswith(beginning) and name[0].isupper():
            raise absent("keras.layers", globals(), name, _ABSENT[beginning])
    raise absent("keras.layers", globals(), name)


__all__ = ["Layer", *(name for name in list(globals()) if name[0].isupper())]
