"""Functions of tensors as layers: activations with options, and those of the program."""

from .. import _native
from .._text import written
from ._layer import Layer
from ._named import with_names
from ._saving import config_of


class ActivationLayer(Layer):
    """An activation function with options, as a layer."""

    supports_masking = True
    _function = None
    _positional = ()
    _defaults = {}
    _renamed = {}

    def __init__(self, *arguments, **options):
        options = with_names(type(self), arguments, options)
        given = {}
        for name in list(options):
            own = self._renamed.get(name, name)
            if own in self._positional:
                given[own] = options.pop(name)
        super().__init__(**options)
        object.__setattr__(self, "_options", {**self._defaults, **given})
        object.__setattr__(self, "_text", written(self._function, self._options))
        _native.names("activations", self._text)

    def call(self, inputs):
        return _native.activate(self._text, inputs)

    def get_config(self):
        return {**super().get_config(), **self._options}


class ReLU(ActivationLayer):
    """The positive part."""

    _function = "relu"
    _positional = ("max_value", "negative_slope", "threshold")


class LeakyReLU(ActivationLayer):
    """The positive part, and a small slope below 0."""

    _function = "leaky_relu"
    _positional = ("negative_slope",)
    _defaults = {"negative_slope": 0.3}
    _renamed = {"alpha": "negative_slope"}


class ELU(ActivationLayer):
    """`x`, and `alpha * (exp(x) - 1)` below 0."""

    _function = "elu"
    _positional = ("alpha",)


class Softmax(ActivationLayer):
    """Shares that add up to 1, of the positions where a mask holds if it is called with one."""

    _function = "softmax"
    _positional = ("axis",)

    def call(self, inputs, mask=None):
        if mask is None or mask.ndim != inputs.ndim:
            # A mask of steps, which layers before have set, goes on to those after.
            return _native.activate(self._text, inputs)
        mask = _native.cast(mask, "bool")
        shares = _native.activate(self._text, _native.where(mask, inputs, -1e9))
        return _native.where(mask, shares, 0.0)


class Identity(Layer):
    """Its input."""

    supports_masking = True

    def call(self, inputs):
        return inputs


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
