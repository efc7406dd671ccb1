"""A linear layer by an equation of Einstein's sums."""

from .. import _native
from . import activations, constraints, initializers, regularizers
from ._layer import Layer


class EinsumDense(Layer):
    """`activation(einsum(equation, inputs, kernel) + bias)`.

    `equation` is as in `"abc,cd->abd"`, where `...` stands for axes in front that the kernel has
    not. `output_shape` are the sizes of the output without that of the batch, ``None`` for those
    of the input. `bias_axes` are the letters of the output that the bias has.
    """

    def __init__(
        self,
        equation,
        output_shape,
        activation=None,
        bias_axes=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **options,
    ):
        super().__init__(**options)
        sizes = [output_shape] if isinstance(output_shape, int) else list(output_shape)
        self.equation, self.partial_output_shape = equation.replace(" ", ""), sizes
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self._letters(8)

    def _letters(self, rank):
        """The letters of the input, the kernel and the output for an input with `rank` axes."""
        inputs, arrow, output = self.equation.partition("->")
        inputs, comma, kernel = inputs.partition(",")
        if not arrow or not comma or "..." in kernel:
            raise ValueError(
                f"the equation of EinsumDense is as in 'abc,cd->abd', got {self.equation!r}"
            )
        if "..." in inputs:
            free = [letter for letter in "zyxwvutsrqponm" if letter not in self.equation]
            more = "".join(free[: max(0, rank - len(inputs.replace("...", "")))])
            inputs, output = inputs.replace("...", more), output.replace("...", more)
        return inputs, kernel, output

    def build(self, input_shape):
        inputs, kernel, output = self._letters(len(input_shape))
        if len(inputs) != len(input_shape):
            raise _native.ShapeError(
                f"`{self.name}` has the equation {self.equation!r}, and an input of shape "
                f"{list(input_shape)}"
            )
        known = dict(zip(inputs, input_shape))
        own = self.partial_output_shape
        given = {
            letter: size
            for letter, size in zip(output[len(output) - len(own) :], own)
            if size is not None
        }
        known = {**given, **{name: size for name, size in known.items() if size is not None}}
        strange = [letter for letter in kernel if known.get(letter) is None]
        if strange:
            raise ValueError(
                f"`{self.name}`: the size of `{strange[0]}` in {self.equation!r} is not known\n"
                "  help: say it in `output_shape`"
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=[known[letter] for letter in kernel],
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.bias_axes:
            first = min(output.index(letter) for letter in self.bias_axes)
            shape = [
                known[letter] if letter in self.bias_axes else 1 for letter in output[first:]
            ]
            self.bias = self.add_weight(
                name="bias",
                shape=shape,
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        super().build(input_shape)

    def call(self, inputs):
        equation = "{},{}->{}".format(*self._letters(inputs.ndim))
        outputs = _native.einsum(equation, [inputs, self.kernel])
        if self.bias is not None:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def get_config(self):
        return {
            **super().get_config(),
            "equation": self.equation,
            "output_shape": self.partial_output_shape,
            "activation": self.activation,
            "bias_axes": self.bias_axes,
            "kernel_initializer": self.kernel_initializer,
            "bias_initializer": self.bias_initializer,
            "kernel_regularizer": self.kernel_regularizer,
            "bias_regularizer": self.bias_regularizer,
            "kernel_constraint": self.kernel_constraint,
            "bias_constraint": self.bias_constraint,
        }
