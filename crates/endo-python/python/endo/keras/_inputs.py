"""What stands for data while a model is put together."""

from .._dtypes import TensorShape
from .._symbolic import KerasTensor, Record
from ._layer import Layer

_REFUSED = {
    "sparse": "arrays are dense: leave `sparse` out",
    "ragged": "arrays are dense: fill rows up to one length, with keras.utils.pad_sequences say",
    "tensor": "give the tensor to the layer itself",
}


class InputLayer(Layer):
    """The shape of a model's input."""

    def __init__(
        self,
        shape=None,
        input_shape=None,
        batch_size=None,
        dtype=None,
        name=None,
        batch_shape=None,
        batch_input_shape=None,
        **options,
    ):
        for option, instead in _REFUSED.items():
            if options.pop(option, None):
                raise NotImplementedError(f"keras.Input with `{option}`: {instead}")
        options.pop("optional", None)
        super().__init__(name=name, dtype="float32", **options)
        # It is that of numbers, and no policy.
        object.__setattr__(self, "_dtype", getattr(dtype, "name", dtype) or "float32")
        whole = batch_shape if batch_shape is not None else batch_input_shape
        if whole is not None:
            batch_size, *shape = whole
        shape = input_shape if shape is None else shape
        if shape is None:
            raise ValueError(
                "keras.Input has no shape\n"
                "  help: give that of one sample, as in keras.Input(shape=(8,))"
            )
        hidden = object.__setattr__
        hidden(self, "shape", TensorShape(shape))
        hidden(self, "batch_size", batch_size)
        record = Record(self, (), {})
        record.returned = KerasTensor((batch_size, *self.shape), self.dtype, record, name)
        hidden(self, "_symbolic_calls", ((record.returned, record.returned),))

    def call(self, inputs):
        return inputs

    def get_config(self):
        config = {"shape": list(self.shape), "batch_size": self.batch_size, "dtype": self.dtype}
        return {**super().get_config(), **config}


def Input(shape=None, batch_size=None, dtype=None, name=None, **options):
    """What stands for a model's input: layers are called on it, and a model is made of it and of
    what they return. `shape` is that of one sample, with ``None`` for a size that may be any."""
    layer = InputLayer(shape, batch_size=batch_size, dtype=dtype, name=name, **options)
    return layer.output
