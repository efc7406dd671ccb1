"""The shapes of what a layer is called on and returns."""

from .._dtypes import TensorShape
from .._structure import flatten, pack, skeleton
from ._symbols import OnSymbols


def shape_of(tensors):
    """The shapes of tensors, with an open size of the batch, in their structure."""
    sizes = [getattr(tensor, "shape", ()) for tensor in flatten(tensors)]
    shapes = [TensorShape((None, *shape[1:])) for shape in sizes]
    is_one = not isinstance(tensors, (list, tuple, dict))
    return shapes[0] if is_one else pack(skeleton(tensors), shapes)


class Shaped(OnSymbols):
    """A layer that knows the shapes of its last call, unless a program has attributes of these
    names."""

    _shapes = None

    def __getattr__(self, name):
        if name in ("input_shape", "output_shape"):
            shape = self._symbolic_shape(name == "output_shape")
            if shape is not None:
                return shape
            if self._shapes is not None:
                return self._shapes[name == "output_shape"]
            help = "call it on data, or build the model"
        elif name in ("input", "output", "inputs", "outputs"):
            found = self._symbolic(name)
            if found is not None:
                return found
            help = (
                "it is there for layers that were called on symbolic tensors, keras.Input(shape=..)"
            )
        else:
            raise AttributeError(f"{type(self).__name__} has no attribute `{name}`")
        raise AttributeError(f"{type(self).__name__} has no `{name}`\n  help: {help}")
