"""Activation functions: by name, or as functions of tensors."""

import sys

from .. import _native
from .._symbolic import take_symbols as _take_symbols
from .._names import absent
from .._text import written
from ._saving import resolved


def get(identifier):
    """The function that a name, or a function, stands for; ``None`` is the identity."""
    identifier = resolved(identifier)
    if identifier is None:
        return linear
    if callable(identifier):
        return identifier
    if isinstance(identifier, str):
        _native.names("activations", identifier)
        return getattr(sys.modules[__name__], identifier, None) or _of(identifier, ())
    raise ValueError(
        "an activation is a name such as 'relu', a function of a tensor, or None, got "
        f"{identifier!r}"
    )


def text_of(identifier):
    """The text by which a layer of the native part gets an activation; ``None`` where it is a
    function of the program."""
    if identifier is None or isinstance(identifier, str):
        return identifier or "linear"
    return getattr(identifier, "_endo_text", None)


def _of(name, options):
    def activation(x, *arguments, **given):
        if len(arguments) > len(options):
            raise TypeError(f"{name} has the options {', '.join(options) or 'none'}")
        return _native.activate(written(name, {**dict(zip(options, arguments)), **given}), x)

    activation.__name__ = activation.__qualname__ = name
    activation.__doc__ = f"The activation function `{name}`."
    activation._endo_text = name
    return activation


# The options in the order in which they may be given without their names.
_OPTIONS = {
    "relu": ("negative_slope", "max_value", "threshold"),
    "leaky_relu": ("negative_slope",),
    "elu": ("alpha",),
    "celu": ("alpha",),
    "gelu": ("approximate",),
    "softmax": ("axis",),
    "log_softmax": ("axis",),
    "sparsemax": ("axis",),
    "glu": ("axis",),
    "squareplus": ("b",),
    "hard_shrink": ("threshold",),
    "soft_shrink": ("threshold",),
    "threshold": ("threshold", "default_value"),
}
for _name in _native.names("activations"):
    globals()[_name] = _of(_name, _OPTIONS.get(_name, ()))
swish = _of("silu", ())
hard_swish = _of("hard_silu", ())
softmax = globals()["softmax"]
linear = globals()["linear"]


def serialize(activation):
    """The name of an activation."""
    return text_of(activation) or activation.__name__


def deserialize(name, custom_objects=None):
    return (custom_objects or {}).get(name) or get(name)


_take_symbols(globals(), "get", "text_of", "serialize", "deserialize")


def __getattr__(name):
    raise absent("keras.activations", globals(), name)
