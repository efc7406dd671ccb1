"""Layers: those of the library by Keras's names, and `Layer`, which users subclass."""

import numpy as np

from .. import _native
from .._dtypes import TensorShape
from .._names import absent
from .._structure import flatten
from .._text import value_text, written
from . import activations, constraints, initializers, regularizers
from ._layer import Layer, first_values
from ._named import names_of, overridden
from ._saving import config_of, resolved

_WEIGHT_OPTIONS = {
    "_initializer": initializers,
    "_regularizer": regularizers,
    "_constraint": constraints,
}
_REFUSED = {
    "return_state": "the states of a recurrent layer are not returned",
    "stateful": "recurrent layers start each batch anew",
    "recurrent_dropout": "put a Dropout layer before or after",
    "implementation": None,
    "unroll": None,
    "use_cudnn": None,
    "data_format": None,
    "time_major": None,
    "seed": None,
    "synchronized": None,
    "batch_size": None,
}


class NativeLayer(Layer):
    """A layer of the library, with its options as arguments."""

    _native_name = None
    _positional = ()
    _defaults = {}

    def __init__(self, *arguments, **options):
        changed = overridden(type(self), "call", "build", "add_weight")
        if changed:
            raise NotImplementedError(
                f"`{type(self).__name__}.{changed}` would not be called: a layer of the library "
                "computes natively\n  help: write a keras.layers.Layer that holds a "
                f"keras.layers.{_library_class(type(self))} as an attribute, and call it in `call`"
            )
        if len(arguments) > len(self._positional):
            raise TypeError(
                f"{type(self).__name__} takes at most {len(self._positional)} arguments without "
                f"names ({', '.join(self._positional)}), got {len(arguments)}"
            )
        for name, value in zip(self._positional, arguments):
            if name in options:
                raise TypeError(f"{type(self).__name__} got the argument `{name}` twice")
            options[name] = value
        options = {name: _chosen(name, value) for name, value in options.items()}
        config = dict(options)
        base = {
            name: options.pop(name)
            for name in ("trainable", "name", "dtype", "input_shape", "input_dim")
            if name in options and name not in self._positional
        }
        super().__init__(**base)
        hidden = object.__setattr__
        hidden(self, "_config", config)
        hidden(self, "_first_values", {})
        hidden(self, "_custom", [])
        hidden(self, "_native_weights", None)
        hidden(self, "_activation", None)
        hidden(self, "_text", self._text_of({**self._defaults, **options}))
        handle = _native.LayerHandle.named(self._text)
        hidden(self, "_handle_or_none", handle)
        for name, value in {**self._defaults, **options}.items():
            if name not in ("activation",) and not hasattr(type(self), name):
                hidden(self, name, value)
        if "activation" in self._positional:
            hidden(self, "activation", activations.get(options.get("activation")))

    def _text_of(self, options):
        """The text by which the native part makes the layer; what is no text is kept aside."""
        texts = {}
        for name, value in options.items():
            if name in _REFUSED:
                if value and _REFUSED[name]:
                    raise NotImplementedError(
                        f"{type(self).__name__} with {name}={value!r}: {_REFUSED[name]}"
                    )
                if name == "data_format" and value == "channels_first":
                    raise NotImplementedError(
                        "data_format='channels_first': channels stand last; use Permute"
                    )
                continue
            if value is None:
                continue
            ending = next((ending for ending in _WEIGHT_OPTIONS if name.endswith(ending)), None)
            if name == "activation":
                text = activations.text_of(value)
                if text is None and self._native_name in ("lstm", "gru", "simple_rnn"):
                    raise NotImplementedError(
                        f"{type(self).__name__} with a function as activation: give a name, such "
                        "as 'tanh'"
                    )
                if text is None:
                    object.__setattr__(self, "_activation", value)
                else:
                    texts[name] = text
            elif name == "recurrent_activation":
                texts[name] = activations.text_of(value)
            elif name == "activity_regularizer":
                object.__setattr__(self, "activity_regularizer", regularizers.get(value))
            elif ending is not None:
                text = _WEIGHT_OPTIONS[ending].text_of(value)
                if text is not None:
                    texts[name] = text
                else:
                    self._keep_custom(name, ending, value)
            elif isinstance(value, Layer):
                texts[name] = self._layer_text(value)
            else:
                texts[name] = value_text(value)
        texts["trainable"] = None if self._is_trainable else "false"
        if "kernel_initializer" not in self._positional and self._native_name not in _WITH_WEIGHTS:
            texts.pop("trainable")
        if self._given_name:
            texts["name"] = f'"{self._given_name}"'
        return written(self._native_name, texts)

    @staticmethod
    def _layer_text(layer):
        if not isinstance(layer, NativeLayer) or layer._activation or layer._custom:
            raise NotImplementedError(
                "a layer around another takes one of the library's, without functions of your own"
            )
        return layer._text

    def _keep_custom(self, name, ending, value):
        weight = name[: -len(ending)]
        if ending == "_initializer":
            initializer = initializers.get(value)
            self._first_values[weight] = lambda shape: np.asarray(
                first_values(initializer, list(shape), f"{_native.current_path()}/{weight}")
            )
        else:
            function = _WEIGHT_OPTIONS[ending].get(value)
            self._custom.append((weight, ending, function))

    def _apply(self, tensors, training):
        if len(tensors) != 1:
            raise ValueError(
                f"`{self.name}` takes one tensor, got {len(tensors)}\n"
                "  help: put them together with keras.layers.Concatenate first"
            )
        handle = self._handle_or_none
        outputs = handle.apply(tensors, training, self._first_values or None)
        if self._native_weights is None:
            self._take_weights()
        # By itself the layer has no loss, and no updates.
        for weight, ending, function in self._custom if _native.is_open() else ():
            variable = getattr(self, weight)
            attach = _native.regularize if ending == "_regularizer" else _native.constrain
            attach(variable, function)
        if self._activation is not None:
            outputs = [self._activation(outputs[0])]
        self._add_activity_loss(outputs)
        return outputs

    def _take_weights(self):
        weights = self._handle_or_none.weights() or []
        object.__setattr__(self, "_native_weights", weights)
        object.__setattr__(self, "built", True)
        for weight in weights:
            option = self._config.get(f"{weight.name}_constraint")
            weight.constraint = constraints.get(option)
            weight.regularizer = regularizers.get(self._config.get(f"{weight.name}_regularizer"))
        if weights:
            parts = weights[0].path.split("/")
            object.__setattr__(self, "_scope_name", parts[-2] if len(parts) > 1 else None)

    def __getattr__(self, name):
        for weight in self.__dict__.get("_native_weights") or []:
            if weight.name == name:
                return weight
        if name in ("kernel", "bias", "embeddings", "gamma", "beta") and not self.built:
            raise AttributeError(
                f"`{self.name}` has no `{name}` yet: call the layer on data, or its `build`"
            )
        raise AttributeError(f"{type(self).__name__} has no attribute `{name}`")

    def _own_weights(self):
        weights = list(self._native_weights or [])
        return weights + [one for one in super()._own_weights() if one not in weights]

    def build(self, input_shape):
        """Makes the weights for an input of this shape."""
        if self.built:
            return
        self(_native.fill([1 if size is None else size for size in input_shape], 0.0, "float32"))

    def call(self, inputs, training=None):
        """What the layer computes."""
        return self(inputs, training=training)

    def get_config(self):
        return {name: _config_of(value) for name, value in self._config.items()}


def _library_class(kind):
    """The name of the library's class that a class is, or is made of."""
    return next(one.__name__ for one in kind.__mro__ if "_native_name" in vars(one))


def _chosen(name, value):
    """An option's value, where it is the name of a custom object or a configuration: the object."""
    by_name = name.endswith(("activation", *_WEIGHT_OPTIONS))
    return resolved(value) if by_name or isinstance(value, dict) else value


def _config_of(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if callable(value) or hasattr(value, "get_config"):
        return getattr(value, "_endo_text", None) or config_of(value)
    return value


_WITH_WEIGHTS = {"embedding", "batch_normalization", "layer_normalization", "group_normalization"}


def _layer(name, positional, doc, native_name=None, **defaults):
    return type(
        name,
        (NativeLayer,),
        {
            "_native_name": native_name or names_of(name),
            "_positional": tuple(positional.split()),
            "_defaults": defaults,
            "__doc__": doc,
            "__module__": __name__,
        },
    )


_KERNEL = (
    " kernel_initializer bias_initializer kernel_regularizer bias_regularizer"
    " activity_regularizer kernel_constraint bias_constraint"
)
_RECURRENT = (
    " use_bias kernel_initializer recurrent_initializer bias_initializer kernel_regularizer"
    " recurrent_regularizer bias_regularizer activity_regularizer kernel_constraint"
    " recurrent_constraint bias_constraint dropout recurrent_dropout return_sequences return_state"
    " go_backwards stateful"
)

Dense = _layer(
    "Dense",
    "units activation use_bias" + _KERNEL,
    "A linear layer with `units` outputs: `activation(inputs @ kernel + bias)`.",
)
Activation = _layer("Activation", "activation", "An activation function as a layer.")
Flatten = _layer("Flatten", "data_format", "All axes but the first as one.")
Dropout = _layer("Dropout", "rate noise_shape seed", "Leaves elements out in training.")
AlphaDropout = _layer("AlphaDropout", "rate noise_shape seed", "Dropout that keeps mean and variance.")
GaussianNoise = _layer("GaussianNoise", "stddev seed", "Adds normal noise in training.")
GaussianDropout = _layer("GaussianDropout", "rate seed", "Multiplies by normal noise in training.")
ActivityRegularization = _layer("ActivityRegularization", "l1 l2", "A penalty on its input.")
Reshape = _layer("Reshape", "target_shape", "The same numbers in another shape.")
Permute = _layer("Permute", "dims", "The axes in another order, counted from 1.")
RepeatVector = _layer("RepeatVector", "n", "A vector `n` times along a new axis.")
Rescaling = _layer("Rescaling", "scale offset", "`inputs * scale + offset`.")
Masking = _layer("Masking", "mask_value", "Masks steps whose features are all `mask_value`.")
Embedding = _layer(
    "Embedding",
    "input_dim output_dim embeddings_initializer embeddings_regularizer embeddings_constraint"
    " mask_zero",
    "A vector for each index below `input_dim`.",
)
BatchNormalization = _layer(
    "BatchNormalization",
    "axis momentum epsilon center scale beta_initializer gamma_initializer moving_mean_initializer"
    " moving_variance_initializer beta_regularizer gamma_regularizer beta_constraint"
    " gamma_constraint",
    "Normalizes by the batch in training, and by moving statistics otherwise.",
)
LayerNormalization = _layer(
    "LayerNormalization",
    "axis epsilon center scale beta_initializer gamma_initializer beta_regularizer"
    " gamma_regularizer beta_constraint gamma_constraint",
    "Normalizes each sample by its own mean and variance.",
)
GroupNormalization = _layer(
    "GroupNormalization", "groups axis epsilon center scale", "Normalizes groups of channels."
)
UnitNormalization = _layer("UnitNormalization", "axis", "Scales vectors to a norm of 1.")
RMSNormalization = _layer("RMSNormalization", "axis epsilon", "Divides by the root mean square.")
Normalization = _layer("Normalization", "axis mean variance invert", "By a given mean and variance.")
PReLU = _layer(
    "PReLU",
    "alpha_initializer alpha_regularizer alpha_constraint shared_axes",
    "A leaky ReLU whose slope is learnt.",
    "p_relu",
)
LSTM = _layer("LSTM", "units activation recurrent_activation" + _RECURRENT, "Long short-term memory.")
GRU = _layer("GRU", "units activation recurrent_activation" + _RECURRENT, "Gated recurrent units.")
SimpleRNN = _layer("SimpleRNN", "units activation" + _RECURRENT, "A recurrent layer.", "simple_rnn")
Bidirectional = _layer(
    "Bidirectional", "layer merge_mode", "A recurrent layer forwards and backwards."
)
TimeDistributed = _layer("TimeDistributed", "layer", "A layer for each step of a sequence.")

_CONVOLUTION = "filters kernel_size strides padding data_format dilation_rate groups activation use_bias"
_TRANSPOSED = (
    "filters kernel_size strides padding output_padding data_format dilation_rate activation use_bias"
)
for _n in (1, 2, 3):
    globals()[f"Conv{_n}D"] = _layer(
        f"Conv{_n}D", _CONVOLUTION + _KERNEL, f"A convolution over {_n} axes.", f"conv{_n}d"
    )
    globals()[f"Conv{_n}DTranspose"] = _layer(
        f"Conv{_n}DTranspose",
        _TRANSPOSED + _KERNEL,
        f"A transposed convolution over {_n} axes.",
        f"conv{_n}d_transpose",
    )
    globals()[f"MaxPooling{_n}D"] = _layer(
        f"MaxPooling{_n}D",
        "pool_size strides padding data_format",
        "The greatest value of each window.",
        f"max_pooling{_n}d",
        pool_size=2,
    )
    globals()[f"AveragePooling{_n}D"] = _layer(
        f"AveragePooling{_n}D",
        "pool_size strides padding data_format",
        "The mean of each window.",
        f"average_pooling{_n}d",
        pool_size=2,
    )
    globals()[f"GlobalMaxPooling{_n}D"] = _layer(
        f"GlobalMaxPooling{_n}D",
        "data_format keepdims",
        "The greatest value of each channel.",
        f"global_max_pooling{_n}d",
    )
    globals()[f"GlobalAveragePooling{_n}D"] = _layer(
        f"GlobalAveragePooling{_n}D",
        "data_format keepdims",
        "The mean of each channel.",
        f"global_average_pooling{_n}d",
    )
    globals()[f"ZeroPadding{_n}D"] = _layer(
        f"ZeroPadding{_n}D", "padding data_format", "Zeros around.", f"zero_padding{_n}d", padding=1
    )
    globals()[f"Cropping{_n}D"] = _layer(
        f"Cropping{_n}D", "cropping data_format", "Cuts edges off.", f"cropping{_n}d", cropping=1
    )
    globals()[f"UpSampling{_n}D"] = _layer(
        f"UpSampling{_n}D", "size data_format", "Repeats elements.", f"up_sampling{_n}d", size=2
    )
    globals()[f"SpatialDropout{_n}D"] = _layer(
        f"SpatialDropout{_n}D",
        "rate seed data_format",
        "Leaves whole channels out in training.",
        f"spatial_dropout{_n}d",
    )
    globals()[f"GlobalMaxPool{_n}D"] = globals()[f"GlobalMaxPooling{_n}D"]
    globals()[f"GlobalAvgPool{_n}D"] = globals()[f"GlobalAveragePooling{_n}D"]
    globals()[f"MaxPool{_n}D"] = globals()[f"MaxPooling{_n}D"]
    globals()[f"AvgPool{_n}D"] = globals()[f"AveragePooling{_n}D"]
for _n in (1, 2):
    globals()[f"DepthwiseConv{_n}D"] = _layer(
        f"DepthwiseConv{_n}D",
        "kernel_size strides padding depth_multiplier data_format dilation_rate activation use_bias"
        " depthwise_initializer bias_initializer",
        "A convolution of each channel by itself.",
        f"depthwise_conv{_n}d",
    )
    globals()[f"SeparableConv{_n}D"] = _layer(
        f"SeparableConv{_n}D",
        "filters kernel_size strides padding data_format dilation_rate depth_multiplier activation"
        " use_bias depthwise_initializer pointwise_initializer bias_initializer",
        "A convolution of each channel, and one over channels.",
        f"separable_conv{_n}d",
    )


def _activation_layer(name, positional, native, doc, renamed=()):
    """An activation function with options, as a layer."""

    class Of(Layer):
        def __init__(self, *arguments, **options):
            given = dict(zip(positional.split(), arguments))
            own = {
                key: options.pop(key) for key in list(options) if key in (*positional.split(), *dict(renamed))
            }
            super().__init__(**options)
            own = {dict(renamed).get(key, key): value for key, value in {**given, **own}.items()}
            object.__setattr__(self, "_options", own)
            object.__setattr__(self, "_text", written(native, own))
            _native.names("activations", self._text)

        def call(self, inputs):
            return _native.activate(self._text, inputs)

        def get_config(self):
            return {**super().get_config(), **self._options}

    Of.__name__ = Of.__qualname__ = name
    Of.__doc__ = doc
    return Of


ReLU = _activation_layer(
    "ReLU", "max_value negative_slope threshold", "relu", "The positive part."
)
LeakyReLU = _activation_layer(
    "LeakyReLU",
    "negative_slope",
    "leaky_relu",
    "The positive part, and a small slope below 0.",
    (("alpha", "negative_slope"),),
)
ELU = _activation_layer("ELU", "alpha", "elu", "`x`, and `alpha * (exp(x) - 1)` below 0.")
Softmax = _activation_layer("Softmax", "axis", "softmax", "Shares that add up to 1.")


class Lambda(Layer):
    """A function of tensors as a layer."""

    def __init__(self, function, output_shape=None, mask=None, arguments=None, **options):
        super().__init__(**options)
        self.function = function
        self.arguments = arguments or {}

    def call(self, inputs):
        return self.function(inputs, **self.arguments)

    def get_config(self):
        config = {"function": config_of(self.function), "arguments": self.arguments or None}
        return {**super().get_config(), **{key: one for key, one in config.items() if one}}


class _Merge(Layer):
    """One tensor of several."""

    def call(self, inputs):
        inputs = flatten(inputs)
        if len(inputs) < 2:
            raise ValueError(f"`{self.name}` is called on a list of at least 2 tensors")
        return self._merge(inputs)


class Add(_Merge):
    """The sum of tensors."""

    def _merge(self, inputs):
        return sum(inputs[1:], inputs[0])


class Subtract(_Merge):
    """The difference of two tensors."""

    def _merge(self, inputs):
        first, second = inputs
        return first - second


class Multiply(_Merge):
    """The product of tensors."""

    def _merge(self, inputs):
        product = inputs[0]
        for tensor in inputs[1:]:
            product = product * tensor
        return product


class Average(_Merge):
    """The mean of tensors."""

    def _merge(self, inputs):
        return sum(inputs[1:], inputs[0]) / len(inputs)


class Maximum(_Merge):
    """The greatest of tensors, element by element."""

    def _merge(self, inputs):
        found = inputs[0]
        for tensor in inputs[1:]:
            found = _native.maximum(found, tensor)
        return found


class Minimum(_Merge):
    """The least of tensors, element by element."""

    def _merge(self, inputs):
        found = inputs[0]
        for tensor in inputs[1:]:
            found = _native.minimum(found, tensor)
        return found


class Concatenate(_Merge):
    """Tensors one after another along an axis."""

    def __init__(self, axis=-1, **options):
        super().__init__(**options)
        self.axis = axis

    def _merge(self, inputs):
        return _native.concat(inputs, self.axis)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


class Dot(_Merge):
    """The products of two tensors along axes."""

    def __init__(self, axes, normalize=False, **options):
        super().__init__(**options)
        self.axes, self.normalize = axes, normalize

    def _merge(self, inputs):
        left, right = inputs
        if left.ndim != 2 or right.ndim != 2:
            raise NotImplementedError("Dot of tensors of more than two axes: use tf.einsum")
        if self.normalize:
            left, right = (_native.l2_normalize(tensor, [1]) for tensor in inputs)
        return _native.reduce_sum(left * right, [1], True)


def add(inputs, **options):
    return Add(**options)(inputs)


def concatenate(inputs, axis=-1, **options):
    return Concatenate(axis, **options)(inputs)


class InputLayer(Layer):
    """The shape of a model's input, at the start of a `Sequential`."""

    def __init__(self, shape=None, input_shape=None, batch_size=None, dtype=None, name=None, **options):
        super().__init__(name=name, dtype=dtype, **options)
        object.__setattr__(self, "shape", TensorShape(shape if shape is not None else input_shape))

    def call(self, inputs):
        return inputs


def Input(shape=None, batch_size=None, dtype=None, name=None, **options):
    """The shape of a model's input, at the start of a `Sequential`."""
    return InputLayer(shape, batch_size=batch_size, dtype=dtype, name=name)


_ABSENT = {
    "RNN": "LSTM, GRU and SimpleRNN are there",
    "ConvLSTM2D": "LSTM over flattened images is there",
    "StringLookup": "turn words into numbers with pandas or Python first",
    "TextVectorization": "turn words into numbers with pandas or Python first",
    "IntegerLookup": "turn words into numbers with pandas or Python first",
    "Attention": "write it with tf.matmul and tf.nn.softmax",
    "MultiHeadAttention": "write it with tf.einsum and tf.nn.softmax",
    "AdditiveAttention": "write it with tf.matmul and tf.nn.softmax",
}


def __getattr__(name):
    if name in _ABSENT:
        raise NotImplementedError(f"keras.layers.{name} is not there: {_ABSENT[name]}")
    raise absent("keras.layers", globals(), name)


__all__ = ["Layer", *(name for name in list(globals()) if name[0].isupper())]

