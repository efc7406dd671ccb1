"""Layers of the library, with their options as arguments."""

import warnings

import numpy as np

from .. import _native, _seed
from .._text import value_text, written
from . import activations, constraints, initializers, regularizers
from ._calls import call_stack, is_in_model
from ._first_values import first_values
from ._layer import Layer
from ._named import names_of, overridden, with_names
from ._policies import FLOAT32, MIXED, policy_name
from ._saving import config_of, resolved

_WEIGHT_OPTIONS = {
    "_initializer": initializers,
    "_regularizer": regularizers,
    "_constraint": constraints,
}
# Options of Keras that the library has not: what to do instead, or nothing where they do not change
# what is computed.
_REFUSED = {
    "implementation": None,
    "time_major": "the axis of the batch is the first",
    "seed": None,
    "synchronized": "a batch is normalized by its own statistics",
    "renorm": "batches are normalized by their own statistics",
    "renorm_clipping": None,
    "renorm_momentum": None,
    "batch_size": None,
    "weights": "use set_weights once the layer is built",
    "lora_rank": "write a layer with two Dense layers of few units",
    "lora_alpha": None,
    "quantization_config": "weights are of full precision",
}


class NativeLayer(Layer):
    """A layer of the library, with its options as arguments."""

    _native_name = None
    _positional = ()
    _defaults = {}
    _refused = {}
    # Options of Keras that have one value here.
    _fixed = {}
    # Whether it is called on several tensors or returns them.
    _takes_several = False
    # Whether the native layer adds the penalty on its outputs by itself.
    _takes_activity_regularizer = False
    # Whether the text of the native layer says that its weights are not trained.
    _says_trainable = False
    # Whether its activation may be a function of the program.
    _takes_functions = True

    # The layer of the library that computes for one whose `call` a program has written.
    _library_layer = None
    # Whether a program may write its `call`.
    _takes_calls = True
    # Methods of Keras's class that nothing calls here.
    _not_called = ("build", "add_weight", "compute_mask")

    def __init__(self, *arguments, **options):
        changed = overridden(type(self), *self._not_called)
        if not changed and overridden(type(self), "call"):
            if self._takes_calls:
                return self._hold_library_layer(arguments, options)
            changed = "call"
        if changed:
            raise NotImplementedError(
                f"`{type(self).__name__}.{changed}` would not be called: a layer of the library "
                "computes natively\n  help: write a keras.layers.Layer that holds a "
                f"keras.layers.{_library_kind(type(self)).__name__} as an attribute, and call it in `call`"
            )
        options = with_names(type(self), arguments, options)
        if "input_length" in options and "input_length" not in self._positional:
            warnings.warn("`input_length` does nothing: leave it out", stacklevel=2)
            del options["input_length"]
        options = {name: _chosen(name, value) for name, value in options.items()}
        config = dict(options)
        base = self._base_options(options)
        super().__init__(**base)
        hidden = object.__setattr__
        hidden(self, "_config", config)
        hidden(self, "_given", {**self._defaults, **options})
        hidden(self, "_native_weights", None)
        self._make()
        self._show_options()

    def _base_options(self, options):
        """The options that all layers have, which are taken out of the others."""
        if policy_name(options.get("dtype")) not in (FLOAT32, MIXED):
            raise NotImplementedError(
                f"{type(self).__name__} with dtype={options['dtype']!r}: layers of the library "
                f"compute in {FLOAT32}, or with the policy {MIXED!r}\n"
                "  help: leave `dtype` out, or write a layer with `add_weight`"
            )
        return {
            name: options.pop(name)
            for name in ("trainable", "name", "dtype", "input_shape", "input_dim")
            if name in options and not (name == "input_dim" and name in self._positional)
        }

    def _hold_library_layer(self, arguments, options):
        """Makes the layer one of Python, whose `super().call` is a layer of the library."""
        options = with_names(type(self), arguments, options)
        config, base = dict(options), self._base_options(options)
        super().__init__(**base)
        object.__setattr__(self, "_config", config)
        object.__setattr__(self, "_native_weights", None)
        self._library_layer = _library_kind(type(self))(**options, dtype=self._policy.name)
        if not self._is_trainable:
            self._library_layer.trainable = False

    def _call_own(self, inputs, *arguments, **options):
        """Calls the `call` that a program has written, with the options that are given."""
        options = {name: value for name, value in options.items() if value is not None}
        return Layer.__call__(self, inputs, *arguments, **options)

    def _show_options(self):
        """Makes attributes of the options."""
        hidden = object.__setattr__
        for name, value in self._given.items():
            if name != "activation" and not hasattr(type(self), name):
                hidden(self, name, value)
        for name, family in (("activation", activations), ("activity_regularizer", regularizers)):
            if name in self._positional or name in self._given:
                hidden(self, name, family.get(self._given.get(name)))

    def _make(self):
        """Makes the native layer, which has no weights before it is called."""
        hidden = object.__setattr__
        hidden(self, "_text", self._describe(self._given))
        make = _native.LayerHandle.of_several if self._takes_several else _native.LayerHandle.named
        hidden(self, "_handle_or_none", make(self._text))
        hidden(self, "_native_weights", None)

    def _describe(self, options):
        """The text of the native layer; notes what of the options is computed in Python."""
        hidden = object.__setattr__
        hidden(self, "_first_values", {})
        hidden(self, "_custom", [])
        hidden(self, "_activation", None)
        return self._text_of(options)

    def __setattr__(self, name, value):
        if self.__dict__.get("_library_layer") is not None and name in self._positional:
            setattr(self._library_layer, name, value)
            return
        is_made = self.__dict__.get("_handle_or_none") is not None
        is_option = name in self._positional or name in self._defaults or name == "activation"
        if is_made and is_option and not hasattr(type(self), name):
            self._change_option(name, _chosen(name, value))
        else:
            super().__setattr__(name, value)

    def _change_option(self, name, value):
        """Gives an option another value: the native layer is made anew if it has no weights yet."""
        hidden, before = object.__setattr__, dict(self.__dict__)
        given = {**self._given, name: value}
        try:
            is_same = self._describe(self._given) == self._describe(given)
            if not is_same and self._native_weights:
                raise ValueError(
                    f"`{name}` of `{self.name}` is set after the layer has got its weights\n"
                    f"  help: set it before the layer is called, or make another "
                    f"{type(self).__name__} and give it these by `set_weights`"
                )
            hidden(self, "_given", given)
            hidden(self, "_config", {**self._config, name: value})
            if not is_same:
                self._make()
        except BaseException:
            self.__dict__.update(before)
            raise
        super().__setattr__(name, value)
        self._show_options()

    @property
    def trainable(self):
        """Whether optimizers may change its weights."""
        return self._is_trainable

    @trainable.setter
    def trainable(self, value):
        Layer.trainable.fset(self, value)
        if self._native_weights is None and self._library_layer is None:
            self._make()

    def _text_of(self, options):
        """The text by which the native part makes the layer; what is no text is kept aside."""
        texts = {}
        refused = {**_REFUSED, **self._refused}
        for name, value in options.items():
            if name in refused:
                if value and refused[name]:
                    raise NotImplementedError(
                        f"{type(self).__name__} with {name}={value!r}: {refused[name]}"
                    )
                continue
            if value is None:
                continue
            if name in self._fixed:
                if value != self._fixed[name]:
                    raise NotImplementedError(
                        f"{type(self).__name__} with {name}={value!r}: there is "
                        f"{self._fixed[name]!r} alone"
                    )
                continue
            ending = next((ending for ending in _WEIGHT_OPTIONS if name.endswith(ending)), None)
            if name == "activation":
                text = activations.text_of(value)
                if text is None and not self._takes_functions:
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
                continue
            elif ending is not None:
                text = _WEIGHT_OPTIONS[ending].text_of(value)
                if text is not None:
                    texts[name] = text
                else:
                    self._keep_custom(name, ending, value)
            elif isinstance(value, Layer):
                texts[name] = self._layer_text(value)
            elif name == "equation":
                # Its commas are none of the notation's.
                texts[name] = f'"{value}"'
            else:
                texts[name] = value_text(value)
        penalty = regularizers.text_of(options.get("activity_regularizer"))
        takes_penalty = self._takes_activity_regularizer and self._activation is None
        if penalty is not None and takes_penalty:
            texts["activity_regularizer"] = penalty
        object.__setattr__(self, "_is_penalized", "activity_regularizer" in texts)
        texts["trainable"] = None if self._is_trainable else "false"
        if not self._says_trainable:
            texts.pop("trainable")
        if self._given_name:
            texts["name"] = f'"{self._given_name}"'
        return written(self._native_name, texts)

    def _layer_text(self, layer):
        """The text of a layer inside, whose policy it has, too."""
        is_native = isinstance(layer, NativeLayer) and layer._library_layer is None
        if not is_native or layer._activation or layer._custom:
            raise NotImplementedError(
                "a layer around another takes one of the library's, without functions of your own"
            )
        if self._config.get("dtype") is not None and self._policy != layer._policy:
            raise ValueError(
                f"`{type(self).__name__}` has the policy {self._policy.name!r} and the layer in it "
                f"{layer._policy.name!r}\n  help: give `dtype` to the layer inside alone"
            )
        object.__setattr__(self, "_policy", layer._policy)
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

    def _config_value(self, name, default):
        value = self._config.get(name)
        return default if value is None else value

    def _apply(self, tensors, training):
        if self._library_layer is not None:
            return super()._apply(tensors, training)
        if len(tensors) != 1 and not self._takes_several:
            raise ValueError(
                f"`{self.name}` takes one tensor, got {len(tensors)}\n"
                "  help: put them together with keras.layers.Concatenate first"
            )
        handle = self._handle_or_none
        masks = call_stack()[-1].options.get("mask")
        if masks is not None and not isinstance(masks, list):
            masks = [masks]
        is_new = self._native_weights is None
        seed = None
        if is_new and not is_in_model():
            seed = _seed.next_seed(f"{_native.current_path()}/{self._native_name}")
        handle.rounds = self._rounds
        outputs = handle.apply(tensors, training, self._first_values or None, masks, seed)
        if is_new:
            self._take_weights()
        # By itself the layer has no loss, and no updates.
        for weight, ending, function in self._custom if _native.is_open() else ():
            variable = getattr(self, weight)
            attach = _native.regularize if ending == "_regularizer" else _native.constrain
            attach(variable, function)
        if self._activation is not None:
            outputs = [self._activation(outputs[0])]
            if self._rounds:
                outputs = [_native.round_to_bf16(outputs[0])]
        if not self._is_penalized:
            self._add_activity_loss(outputs, f"{self.name}_activity", call_stack()[:-1])
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
        library_layer = self.__dict__.get("_library_layer")
        if library_layer is not None and not name.startswith("_"):
            return getattr(library_layer, name)
        for weight in self.__dict__.get("_native_weights") or []:
            if weight.name == name:
                return weight
        if name in ("kernel", "bias", "embeddings", "gamma", "beta") and not self.built:
            raise AttributeError(
                f"`{self.name}` has no `{name}` yet: call the layer on data, or its `build`"
            )
        return super().__getattr__(name)

    def _own_weights(self):
        weights = list(self._native_weights or [])
        return weights + [one for one in super()._own_weights() if one not in weights]

    def build(self, input_shape):
        """Makes the weights for an input of this shape."""
        if self.built or self._is_building:
            return
        self(_native.fill([1 if size is None else size for size in input_shape], 0.0, "float32"))

    def call(self, inputs, training=None):
        """What the layer computes."""
        layer = self if self._library_layer is None else self._library_layer
        return layer(inputs, training=training)

    @property
    def _rounds(self):
        return self._policy.name == MIXED and self._library_layer is None

    def get_config(self):
        config = {name: _config_of(value) for name, value in self._config.items()}
        return {**config, **self._policy_config()}


def _library_kind(kind):
    """The library's class that a class is, or is made of."""
    return next(one for one in kind.__mro__ if "_native_name" in vars(one))


def _chosen(name, value):
    """An option's value, where it is the name of a custom object or a configuration: the object."""
    if name == "padding" and isinstance(value, str):
        return value.lower()
    by_name = name.endswith(("activation", *_WEIGHT_OPTIONS))
    return resolved(value) if by_name or isinstance(value, dict) else value


def _config_of(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if callable(value) or hasattr(value, "get_config"):
        return getattr(value, "_endo_text", None) or config_of(value)
    return value


def layer_of(
    name,
    positional,
    doc,
    native_name=None,
    base=NativeLayer,
    takes_activity_regularizer=None,
    says_trainable=None,
    fixed=None,
    **defaults,
):
    """A layer of the library by its Keras name."""
    positional = tuple(positional.split())
    if takes_activity_regularizer is None:
        takes_activity_regularizer = "activity_regularizer" in positional
    if says_trainable is None:
        says_trainable = any(one.endswith("_initializer") for one in positional)
    return type(
        name,
        (base,),
        {
            "_native_name": native_name or names_of(name),
            "_positional": positional,
            "_takes_activity_regularizer": takes_activity_regularizer,
            "_says_trainable": says_trainable,
            "_fixed": fixed or {},
            "_defaults": defaults,
            "__doc__": doc,
            "__module__": f"{__package__}.layers",
        },
    )


