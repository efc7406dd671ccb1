"""Models: layers that are trained."""

import weakref

from .. import _native
from .._names import absent
from .._symbolic import KerasTensor
from . import layers
from ._files import clone_model, load_model
from ._layer import Layer
from ._model import Model
from ._saving import CustomObjectScope, config_of, with_objects


class Sequential(Model):
    """Layers one after another."""

    def __init__(self, layers=None, name=None, trainable=True):
        super().__init__(name=name, trainable=trainable)
        self._chain = []
        for layer in layers or []:
            self.add(layer)

    def add(self, layer):
        """Puts a layer at the end."""
        if isinstance(layer, type):
            raise TypeError(f"give a layer, `{layer.__name__}(..)`, not its class")
        if isinstance(layer, KerasTensor):
            layer = layer.record.function
        if not isinstance(layer, Layer):
            raise TypeError(f"a Sequential is made of layers, got {layer!r}")
        self._chain = [*self._chain, layer]
        object.__setattr__(layer, "_chain_of", weakref.ref(self))
        object.__setattr__(self, "built", False)
        shape = self._shape_given()
        if shape is not None and not _native.is_tracing():
            self.build((None, *shape))

    def pop(self):
        """Takes the last layer away."""
        if not self._chain:
            raise ValueError("the Sequential has no layer to take away")
        layer = self._chain[-1]
        self._chain = self._chain[:-1]
        return layer

    def _symbolic(self, name):
        self._call_chain_on_symbols()
        return super()._symbolic(name)

    def _call_chain_on_symbols(self):
        """Calls the layers on a symbolic input, once their inputs are known."""
        shape = self._input_shapes[0][1:] if self._input_shapes else self._shape_given()
        known = [id(layer) for layer in self._chain]
        if shape is None or known == self.__dict__.get("_chain_on_symbols"):
            return
        first = self._chain[0]
        inputs = first.output if isinstance(first, layers.InputLayer) else layers.Input(shape)
        outputs = inputs
        for layer in self.layers:
            outputs = layer(outputs)
        object.__setattr__(self, "_chain_on_symbols", known)
        object.__setattr__(self, "_symbolic_calls", ((inputs, outputs),))

    def _shape_given(self):
        first = self._chain[0] if self._chain else None
        if isinstance(first, layers.InputLayer):
            return None if len(self._chain) == 1 else tuple(first.shape)
        shape = getattr(first, "_input_shape", None)
        size = getattr(first, "_input_dim", None)
        return shape if shape is not None else None if size is None else (size,)

    @property
    def layers(self):
        """The layers in their order."""
        return [layer for layer in self._chain if not isinstance(layer, layers.InputLayer)]

    def call(self, inputs, training=None, mask=None):
        """What the last layer makes of what the one before made, and so on."""
        outputs = inputs
        for layer in self.layers:
            outputs = layer(outputs)
        return outputs

    def get_config(self):
        # A layer that stands there again is the place where it stands first.
        first = {}
        for place, layer in enumerate(self._chain):
            first.setdefault(id(layer), place)
        layers = [
            config_of(layer) if first[id(layer)] == place else first[id(layer)]
            for place, layer in enumerate(self._chain)
        ]
        return {"name": self._given_name, "layers": layers}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        with CustomObjectScope(custom_objects):
            config = with_objects(config)
        layers = []
        for layer in config.pop("layers"):
            layers.append(layers[layer] if isinstance(layer, int) else layer)
        return cls(layers, **config)


def save_model(model, filepath, overwrite=True, zipped=None):
    """Writes a model to a file."""
    model.save(filepath, overwrite)


_ABSENT = {"model_from_json": "use the from_config of the model's class"}


def __getattr__(name):
    raise absent("keras.models", globals(), name, _ABSENT.get(name))


__all__ = ["Model", "Sequential", "clone_model", "load_model", "save_model"]
