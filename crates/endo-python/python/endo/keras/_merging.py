"""Layers that make one tensor of several."""

from .. import _native
from .._structure import flatten
from ._layer import Layer


class Merging(Layer):
    """One tensor of several."""

    supports_masking = True

    def call(self, inputs):
        inputs = flatten(inputs)
        if len(inputs) < 2:
            raise ValueError(f"`{self.name}` is called on a list of at least 2 tensors")
        return self._merge(inputs)


class Add(Merging):
    """The sum of tensors."""

    def _merge(self, inputs):
        return sum(inputs[1:], inputs[0])


class Subtract(Merging):
    """The difference of two tensors."""

    def _merge(self, inputs):
        if len(inputs) != 2:
            raise ValueError(f"`{self.name}` is called on 2 tensors, got {len(inputs)}")
        first, second = inputs
        return first - second


class Multiply(Merging):
    """The product of tensors."""

    def _merge(self, inputs):
        product = inputs[0]
        for tensor in inputs[1:]:
            product = product * tensor
        return product


class Average(Merging):
    """The mean of tensors."""

    def _merge(self, inputs):
        return sum(inputs[1:], inputs[0]) / len(inputs)


class Maximum(Merging):
    """The greatest of tensors, element by element."""

    def _merge(self, inputs):
        found = inputs[0]
        for tensor in inputs[1:]:
            found = _native.maximum(found, tensor)
        return found


class Minimum(Merging):
    """The least of tensors, element by element."""

    def _merge(self, inputs):
        found = inputs[0]
        for tensor in inputs[1:]:
            found = _native.minimum(found, tensor)
        return found


class Concatenate(Merging):
    """Tensors one after another along an axis."""

    def __init__(self, axis=-1, **options):
        super().__init__(**options)
        self.axis = axis

    def _merge(self, inputs):
        return _native.concat(inputs, self.axis)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


class Dot(Merging):
    """The products of two tensors, summed along an axis of each."""

    supports_masking = False

    def __init__(self, axes, normalize=False, **options):
        super().__init__(**options)
        if not isinstance(axes, int) and not (
            isinstance(axes, (list, tuple)) and len(axes) == 2
        ):
            raise TypeError(f"`axes` of Dot is a number or two of them, got {axes!r}")
        self.axes, self.normalize = axes, normalize

    def _merge(self, inputs):
        if len(inputs) != 2:
            raise ValueError(f"`{self.name}` is called on 2 tensors, got {len(inputs)}")
        left, right = inputs
        given = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        axes = [axis % tensor.ndim for axis, tensor in zip(given, inputs)]
        sizes = [tensor.shape[axis] for axis, tensor in zip(axes, inputs)]
        if 0 in axes or sizes[0] != sizes[1]:
            raise _native.ShapeError(
                f"`{self.name}` along the axes {axes} of shapes {list(left.shape)} and "
                f"{list(right.shape)}: their sizes differ, or one is that of the batch\n"
                "  help: give axes from 1 on, of the same size"
            )
        if self.normalize:
            left = _native.l2_normalize(left, [axes[0]])
            right = _native.l2_normalize(right, [axes[1]])
        # The batch is `a`, what is summed `b`; other axes have letters of their own.
        letters = iter("cdefghijklmnopqrstuvwxyz")
        parts = []
        for tensor, axis in zip(inputs, axes):
            own = ["a" if place == 0 else next(letters) for place in range(tensor.ndim)]
            own[axis] = "b"
            parts.append("".join(own))
        kept = "a" + "".join(letter for part in parts for letter in part if letter not in "ab")
        product = _native.einsum(f"{parts[0]},{parts[1]}->{kept}", [left, right])
        return _native.expand_dims(product, 1) if len(kept) == 1 else product

    def get_config(self):
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def add(inputs, **options):
    """The sum of tensors."""
    return Add(**options)(inputs)


def subtract(inputs, **options):
    """The difference of two tensors."""
    return Subtract(**options)(inputs)


def multiply(inputs, **options):
    """The product of tensors."""
    return Multiply(**options)(inputs)


def average(inputs, **options):
    """The mean of tensors."""
    return Average(**options)(inputs)


def maximum(inputs, **options):
    """The greatest of tensors, element by element."""
    return Maximum(**options)(inputs)


def minimum(inputs, **options):
    """The least of tensors, element by element."""
    return Minimum(**options)(inputs)


def concatenate(inputs, axis=-1, **options):
    """Tensors one after another along an axis."""
    return Concatenate(axis, **options)(inputs)


def dot(inputs, axes=-1, **options):
    """The products of two tensors, summed along an axis of each."""
    return Dot(axes, **options)(inputs)
