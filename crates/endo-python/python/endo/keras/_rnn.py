"""`RNN`: a cell of one's own applied step by step, and the cells of the library's layers."""

from .. import _native, tf
from .._structure import flatten, pack
from ._layer import Layer
from ._named import with_names
from ._recurrent import GRU, LSTM, SimpleRNN, is_state, reset


def _shapes(state_size):
    """The shapes of the states of one sample, each of one size or as it is given."""
    return [(size,) if isinstance(size, int) else tuple(size) for size in flatten(state_size)]


class RNN(Layer):
    """Applies a cell to every step of sequences, a tensor `[batch, steps, ..]` or a structure of
    several.

    A cell is a layer with `state_size`, the size of its state or a list of them, whose
    `call(inputs, states)` takes what is in a step and the list of states, and returns the output and
    the states after it. A list of cells is a stack. What a cell adds to the loss under one name is
    one term, the sum over the steps.
    """

    def __init__(
        self,
        cell,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        zero_output_for_mask=False,
        **options,
    ):
        super().__init__(**options)
        cell = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else cell
        if not (isinstance(cell, Layer) and hasattr(cell, "state_size")):
            raise ValueError(
                "Argument `cell` should be a layer with a `state_size` and a "
                f"`call(inputs, states)`, got {cell!r}"
            )
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.zero_output_for_mask = zero_output_for_mask

    def __call__(self, sequences, initial_state=None, mask=None, training=None):
        given = [] if initial_state is None else flatten(initial_state)
        inputs = [sequences, *given] if given else sequences
        batch = getattr(flatten(sequences)[0], "shape", (None,))[0]
        object.__setattr__(self, "_given_states", len(given))
        object.__setattr__(self, "_batch", batch)
        return super().__call__(inputs, mask=mask, training=training)

    def build(self, input_shape):
        """Makes the variables of the states, if the layer is stateful."""
        if self.stateful:
            for index, shape in enumerate(_shapes(self.cell.state_size)):
                self.add_weight(
                    name=f"state_{index}",
                    shape=(self._batch, *shape),
                    initializer="zeros",
                    trainable=False,
                )
        super().build(input_shape)

    def _require_batch(self, batch):
        kept = self.states[0].shape[0]
        if kept != batch:
            raise ValueError(
                f"`{self.name}` is stateful and keeps the states of {kept} samples, but the batch "
                f"has {batch}\n"
                "  help: every batch continues the sequences of the one before: give batches of one "
                "size, which divides the number of samples"
            )

    @property
    def states(self):
        """The states that a stateful layer begins its next call with, once it was called."""
        return [variable for variable in self._own_weights() if is_state(variable)]

    def reset_states(self):
        """Begins with zeros again, where the layer is stateful."""
        reset(self.states)

    reset_state = reset_states

    def get_config(self):
        names = "return_sequences return_state go_backwards stateful zero_output_for_mask"
        config = {name: getattr(self, name) for name in names.split()}
        return {**super().get_config(), "cell": self.cell, **config}

    def _first_states(self, first, given):
        shapes = _shapes(self.cell.state_size)
        if given and len(given) != len(shapes):
            raise ValueError(
                f"the cell of `{self.name}` has {len(shapes)} states, and `initial_state` has "
                f"{len(given)}"
            )
        if self.stateful:
            self._require_batch(first.shape[0])
        if given:
            return given
        if self.stateful:
            return [tf.convert_to_tensor(state) for state in self.states]
        if hasattr(self.cell, "get_initial_state"):
            return flatten(self.cell.get_initial_state(batch_size=first.shape[0]))
        return [tf.zeros((first.shape[0], *shape), dtype=first.dtype) for shape in shapes]

    def call(self, inputs, mask=None, training=None):
        """The outputs of the cell, and the states after the last step if they are asked for."""
        given = list(inputs[-self._given_states :]) if self._given_states else []
        sequences = inputs[0] if given else inputs
        mask = flatten(mask)[0] if mask is not None else None
        leaves = flatten(sequences)
        size = self.cell.state_size
        structure = list(size) if isinstance(size, (list, tuple)) else [size]
        states = self._first_states(leaves[0], given)
        xs = [tf.transpose(leaf, [1, 0, *range(2, len(leaf.shape))]) for leaf in leaves]
        if mask is not None:
            xs.append(tf.transpose(mask, [1, 0]))

        def step(before, of_step):
            holds = of_step[len(leaves)] if mask is not None else None
            of_step = pack(sequences, of_step[: len(leaves)])
            output, after = self._step(of_step, pack(structure, before))
            repeated = _native.carried(tf.zeros_like(output))
            if holds is not None:
                if self.zero_output_for_mask:
                    repeated = tf.zeros_like(output)
                after = [_chosen(holds, new, old) for new, old in zip(after, before)]
                output = _chosen(holds, output, repeated)
            _native.carry(output)
            return [*after, output] if self.return_sequences else after

        made = _native.scan(step, states, xs, reverse=self.go_backwards)
        (last,) = _native.take_carried()
        states, outputs = made[: len(states)], made[len(states) :]
        if self.stateful:
            for variable, state in zip(self.states, states):
                variable.assign(tf.stop_gradient(state))
        result = last
        if self.return_sequences:
            result = tf.reverse(outputs[0], [0]) if self.go_backwards else outputs[0]
            result = tf.transpose(result, [1, 0, *range(2, len(result.shape))])
        if self.return_sequences and mask is not None:
            _native.set_mask(result, mask[:, ::-1] if self.go_backwards else mask)
        return (result, *states) if self.return_state else result

    def _step(self, inputs, states):
        result = self.cell(inputs, states)
        if not isinstance(result, (list, tuple)) or len(result) != 2:
            raise ValueError(
                f"the cell of `{self.name}` has to return the output of the step and the states "
                f"after it, got {result!r}"
            )
        output, after = result[0], flatten(result[1])
        if len(after) != len(flatten(states)):
            raise ValueError(
                f"the cell of `{self.name}` has {len(flatten(states))} states, and returns "
                f"{len(after)}"
            )
        return output, after


def _chosen(holds, new, old):
    """`new` for the samples where the condition holds, else `old`."""
    return tf.where(tf.reshape(holds, [new.shape[0]] + [1] * (len(new.shape) - 1)), new, old)


class StackedRNNCells(Layer):
    """Cells one on the other: each takes the output of the one before."""

    def __init__(self, cells, **options):
        super().__init__(**options)
        self.cells = list(cells)

    @property
    def state_size(self):
        """The sizes of the states of each cell."""
        return [cell.state_size for cell in self.cells]

    def call(self, inputs, states):
        """The output of the last cell, and the states of all."""
        after = []
        for cell, own in zip(self.cells, states):
            inputs, new = cell(inputs, own if isinstance(own, (list, tuple)) else [own])
            after.append(new)
        return inputs, after

    def get_config(self):
        return {**super().get_config(), "cells": self.cells}


class _LayerCell(Layer):
    """A step of one of the library's recurrent layers as a cell."""

    _layer_type = None
    _states = 1

    def __init__(self, *arguments, **options):
        options = with_names(type(self), arguments, options)
        super().__init__(name=options.pop("name", None))
        for rate in ("dropout", "recurrent_dropout"):
            if options.get(rate):
                raise NotImplementedError(
                    f"{type(self).__name__}({rate}=..): masks would differ from step to step\n"
                    f"  help: use `{rate}` of a keras.layers.{self._layer_type.__name__}"
                )
        self._options = options
        self.layer = self._layer_type(return_state=True, **options)
        self.units = options["units"]

    @property
    def state_size(self):
        """The size of the state, or of each."""
        return self.units if self._states == 1 else [self.units] * self._states

    @property
    def output_size(self):
        """The size of the output."""
        return self.units

    def call(self, inputs, states):
        """The output of a step, and the states after it."""
        output, *after = self.layer(inputs[:, tf.newaxis], initial_state=list(flatten(states)))
        return output, after

    def get_config(self):
        return {**super().get_config(), **self._options}


_WEIGHTS = "use_bias kernel_initializer recurrent_initializer bias_initializer"
_PENALTIES = (
    "kernel_regularizer recurrent_regularizer bias_regularizer kernel_constraint"
    " recurrent_constraint bias_constraint dropout recurrent_dropout"
)


def _names(*words):
    return tuple(" ".join(words).split())


class LSTMCell(_LayerCell):
    """A step of an `LSTM`."""

    _positional = _names(
        "units activation recurrent_activation", _WEIGHTS, "unit_forget_bias", _PENALTIES, "seed"
    )
    _layer_type = LSTM
    _states = 2


class GRUCell(_LayerCell):
    """A step of a `GRU`."""

    _positional = _names(
        "units activation recurrent_activation", _WEIGHTS, _PENALTIES, "reset_after seed"
    )
    _layer_type = GRU


class SimpleRNNCell(_LayerCell):
    """A step of a `SimpleRNN`."""

    _positional = _names("units activation", _WEIGHTS, _PENALTIES, "seed")
    _layer_type = SimpleRNN
