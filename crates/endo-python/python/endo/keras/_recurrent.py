"""Recurrent layers, which begin with states and return them, and both directions of one."""

import numpy as np

from .. import _native
from .._structure import flatten
from ._calls import call_stack, give_masks
from ._layer import Layer
from ._native_layer import NativeLayer, layer_of

_OPTIONS = (
    " kernel_regularizer recurrent_regularizer bias_regularizer activity_regularizer"
    " kernel_constraint recurrent_constraint bias_constraint dropout recurrent_dropout"
)
_PASSAGE = " return_sequences return_state go_backwards stateful unroll"
_WEIGHTS = " use_bias kernel_initializer recurrent_initializer bias_initializer"


def is_state(variable):
    """Whether a weight is a state that a stateful layer keeps."""
    return variable.name.split("/")[-1].split(":")[0].startswith("state_")


def reset(states):
    """Sets states to 0."""
    for state in states:
        state.assign([0.0] if not state.shape else np.zeros(state.shape))


class RecurrentLayer(NativeLayer):
    """A layer that goes through sequences `[batch, steps, features]` step by step.

    Called with `initial_state`, a tensor `[batch, units]` or a list of them, it begins with that
    instead of 0. With `return_state` it returns a tuple: its output and the last states.
    """

    _takes_several = True
    _takes_functions = False
    _not_called = (*NativeLayer._not_called, "inner_loop")
    _refused = {
        "unroll": None,
        "use_cudnn": None,
    }

    def _show_options(self):
        super()._show_options()
        for name in ("return_sequences", "return_state", "go_backwards", "stateful"):
            object.__setattr__(self, name, bool(self._config_value(name, False)))

    def _text_of(self, options):
        return super()._text_of({k: v for k, v in options.items() if k != "return_state"})

    @property
    def states(self):
        """The states that a stateful layer begins its next call with, once it was called."""
        return [variable for variable in self.weights if is_state(variable)]

    def reset_states(self):
        """Begins with zeros again, where the layer is stateful."""
        reset(self.states)

    reset_state = reset_states

    def __call__(self, sequences, initial_state=None, mask=None, training=None):
        if self._library_layer is not None:
            return self._call_own(
                sequences, initial_state=initial_state, mask=mask, training=training
            )
        inputs = [sequences, *flatten(initial_state)] if initial_state is not None else sequences
        return super().__call__(inputs, mask=mask, training=training)

    def call(self, sequences, initial_state=None, mask=None, training=None):
        """What the layer computes."""
        layer = self if self._library_layer is None else self._library_layer
        return layer(sequences, initial_state=initial_state, mask=mask, training=training)

    def _apply(self, tensors, training):
        outputs = super()._apply(tensors, training)
        if self._library_layer is not None:
            return outputs
        if not self.return_state:
            return outputs[:1]
        call_stack()[-1].outputs = tuple([None] * len(outputs))
        return outputs

    def _pass_masks(self, inputs, tensors, outputs):
        if self.return_sequences:
            mask = call_stack()[-1].options.get("mask")
            give_masks([_native.mask(tensors[0]) if mask is None else mask], outputs)


def _recurrent(name, gates, doc, native_name, more="", first="units activation"):
    positional = first + gates + _OPTIONS + more
    return layer_of(name, positional, doc, native_name, base=RecurrentLayer)


SimpleRNN = _recurrent(
    "SimpleRNN",
    _WEIGHTS,
    "A recurrent layer: `tanh(inputs @ kernel + state @ recurrent_kernel + bias)`.",
    "simple_rnn",
    _PASSAGE + " seed",
)
GRU = _recurrent(
    "GRU",
    " recurrent_activation" + _WEIGHTS,
    "Gated recurrent units (Cho et al. 2014).",
    "gru",
    " seed" + _PASSAGE + " reset_after use_cudnn",
)
LSTM = _recurrent(
    "LSTM",
    " recurrent_activation" + _WEIGHTS + " unit_forget_bias",
    "Long short-term memory (Hochreiter and Schmidhuber 1997).",
    "lstm",
    " seed" + _PASSAGE + " use_cudnn",
)


def _convolutional(axes):
    return _recurrent(
        f"ConvLSTM{axes}D",
        " recurrent_activation" + _WEIGHTS + " unit_forget_bias",
        f"An LSTM of images of {axes} axes, whose products are convolutions (Shi et al. 2015).",
        f"conv_lstm{axes}d",
        " seed return_sequences return_state go_backwards stateful",
        "filters kernel_size strides padding data_format dilation_rate activation",
    )


ConvLSTM1D, ConvLSTM2D, ConvLSTM3D = map(_convolutional, (1, 2, 3))


def _product(one, other):
    return one * other


def _mean(one, other):
    return (one + other) / 2.0


class Bidirectional(Layer):
    """A recurrent layer forwards and backwards, whose outputs are joined by `merge_mode`:
    `"concat"`, `"sum"`, `"mul"`, `"ave"`, or `None` for both as they are."""

    _modes = {
        "concat": lambda one, other: _native.concat([one, other], -1),
        "sum": lambda one, other: one + other,
        "mul": _product,
        "ave": _mean,
        None: lambda one, other: (one, other),
    }

    def __init__(
        self, layer, merge_mode="concat", weights=None, backward_layer=None, **options
    ):
        super().__init__(**options)
        if not isinstance(layer, RecurrentLayer):
            raise ValueError(
                f"Bidirectional takes an LSTM, a GRU or a SimpleRNN, got {layer!r}\n"
                "  help: apply a layer of yours twice, the second time to tf.reverse(x, [1])"
            )
        if merge_mode not in self._modes:
            raise ValueError(
                f"Invalid merge mode. Received: {merge_mode!r}; expected 'concat', 'sum', 'mul', "
                "'ave' or None"
            )
        if weights is not None:
            raise NotImplementedError("Bidirectional(weights=..): use set_weights once it is built")
        if backward_layer is not None and backward_layer.go_backwards == layer.go_backwards:
            raise ValueError(
                "`layer` and `backward_layer` go in the same direction: give one of them "
                "go_backwards=True"
            )
        # What is given is a pattern for both directions, which have weights of their own.
        object.__setattr__(self, "layer", layer)
        object.__setattr__(self, "_given_backward", backward_layer)
        self.merge_mode = merge_mode
        self.forward_layer = self._direction("forward", layer, layer.go_backwards)
        self.backward_layer = self._direction(
            "backward", backward_layer or layer, not layer.go_backwards
        )
        if not self.trainable:
            self.trainable = False
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state

    @staticmethod
    def _direction(direction, layer, go_backwards):
        options = {
            **layer.get_config(),
            "name": f"{direction}_{layer.name}",
            "go_backwards": go_backwards,
            "zero_output_for_mask": layer.return_sequences,
        }
        return type(layer).from_config(options)

    def __call__(self, sequences, initial_state=None, mask=None, training=None):
        states = flatten(initial_state) if initial_state is not None else []
        return super().__call__([sequences, *states], mask=mask, training=training)

    def call(self, inputs, mask=None, training=None):
        """What both directions make of a sequence, and of the states that each begins with."""
        sequences, *states = inputs
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        half = len(states) // 2
        begins = [states[:half] or None, states[half:] or None]
        forward, backward = (
            flatten(layer(sequences, initial_state=state, mask=mask, training=training))
            for layer, state in zip((self.forward_layer, self.backward_layer), begins)
        )
        last = backward[0]
        if self.return_sequences:
            last = last[:, ::-1]
        merged = self._modes[self.merge_mode](forward[0], last)
        if self.return_sequences and mask is not None:
            for output in flatten(merged):
                _native.set_mask(output, mask)
        if not self.return_state:
            return merged
        return (*flatten(merged), *forward[1:], *backward[1:])

    def get_config(self):
        config = {**super().get_config(), "layer": self.layer, "merge_mode": self.merge_mode}
        if self._given_backward is not None:
            config["backward_layer"] = self._given_backward
        return config
