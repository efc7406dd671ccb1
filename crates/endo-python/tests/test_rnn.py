"""Cells of one's own, stacks of cells, and the cells of the library's layers."""

import numpy as np
import pytest

from endo import keras, tf

layers = keras.layers


def _x(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


class MinimalCell(layers.Layer):
    """`h' = tanh(x kernel + h recurrent)`, with a price for how far the state jumps."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight("kernel", (input_shape[-1], self.units))
        self.recurrent = self.add_weight("recurrent", (self.units, self.units))
        super().build(input_shape)

    def call(self, inputs, states):
        before = states[0]
        after = tf.tanh(tf.matmul(inputs, self.kernel) + tf.matmul(before, self.recurrent))
        self.add_loss(tf.reduce_sum(tf.square(after - before)))
        return after, [after]


def test_a_cell_goes_through_the_steps():
    rnn, x = layers.RNN(MinimalCell(4), return_sequences=True, return_state=True), _x(2, 3, 5)
    outputs, last = rnn(x)
    kernel, recurrent = rnn.get_weights()
    h = np.zeros((2, 4), np.float32)
    for step in range(3):
        h = np.tanh(x[:, step] @ kernel + h @ recurrent)
        assert np.allclose(outputs[:, step], h, atol=1e-6)
    assert np.allclose(last, h, atol=1e-6)
    again, _ = rnn(x[:, 1:], initial_state=outputs[:, 0])
    assert np.allclose(again[:, -1], h, atol=1e-6)


def test_what_a_cell_adds_to_the_loss_is_one_term_summed_over_the_steps():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([layers.RNN(MinimalCell(4), name="rnn"), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = _x(8, 6, 3), _x(8, 1)
    logs = model.fit(x, y, epochs=1, batch_size=8, verbose=0).history
    terms = [name for name in logs if "added_loss" in name]
    assert len(terms) == 1
    outputs = layers.RNN(MinimalCell(4), return_sequences=True)
    assert outputs(x).shape == (8, 6, 4)


def test_the_cells_of_the_librarys_layers_are_those_layers():
    x = _x(2, 5, 3)
    for kind in ("LSTM", "GRU", "SimpleRNN"):
        layer, rnn = getattr(layers, kind)(4), layers.RNN(getattr(layers, f"{kind}Cell")(4))
        layer(x), rnn(x)
        rnn.set_weights(layer.get_weights())
        assert np.allclose(layer(x), rnn(x), atol=1e-6)


def test_cells_are_stacked_and_masked_steps_leave_them():
    stack = layers.RNN([layers.LSTMCell(4), layers.GRUCell(2)], return_sequences=True)
    below, above = layers.LSTM(4, return_sequences=True), layers.GRU(2, return_sequences=True)
    x = _x(2, 5, 3)
    stack(x), above(below(x))
    stack.set_weights([*below.get_weights(), *above.get_weights()])
    assert np.allclose(stack(x), above(below(x)), atol=1e-6)
    mask = np.array([[True, True, False, False, True]] * 2)
    masked = stack(x, mask=mask)
    assert np.allclose(masked[:, 1], masked[:, 3]) and not np.allclose(masked[:, 3], masked[:, 4])


def test_a_stateful_cell_goes_on_until_it_is_reset():
    rnn, x = layers.RNN(MinimalCell(4), stateful=True), _x(2, 3, 5)
    first, second = rnn(x).numpy(), rnn(x).numpy()
    assert not np.allclose(first, second)
    rnn.reset_states()
    assert np.array_equal(rnn(x).numpy(), first)
    with pytest.raises(ValueError, match="keeps the states of 2 samples, but the batch has 3"):
        rnn(_x(3, 3, 5))


def test_a_cell_that_returns_too_little_is_refused():
    class Lacking(layers.Layer):
        state_size = 4

        def call(self, inputs, states):
            return inputs

    with pytest.raises(ValueError, match="the output of the step and the states after it"):
        layers.RNN(Lacking())(_x(2, 3, 4))
    with pytest.raises(ValueError, match="Argument `cell` should be a layer"):
        layers.RNN(lambda inputs, states: (inputs, states))


def _ramp(shape, step, first):
    numbers = np.sin(np.arange(np.prod(shape)) * step + first) * 0.5
    return numbers.astype(np.float32).reshape(shape)


def test_convolutional_lstms_have_the_numbers_of_keras():
    layer = layers.ConvLSTM2D(
        2, (2, 3), strides=(1, 2), padding="same", return_sequences=True, return_state=True
    )
    x = _ramp((2, 3, 4, 5, 2), 0.37, 0.1)
    layer(x)
    weights = [_ramp(w.shape, 0.7 + 0.2 * i, i) for i, w in enumerate(layer.get_weights())]
    layer.set_weights(weights)
    outputs, h, c = layer(x)
    assert outputs.shape == (2, 3, 4, 3, 2) and h.shape == c.shape == (2, 4, 3, 2)
    np.testing.assert_allclose(np.sum(outputs), 2.787211704, rtol=1e-5)
    np.testing.assert_allclose(np.sum(h), 1.030986788, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(c).ravel()[:2], [0.07403162, 0.05543818], rtol=1e-5)
    again, _, _ = layer(x[:, 1:], initial_state=layer(x[:, :1])[1:])
    np.testing.assert_allclose(again[:, -1], h, atol=1e-6)
    with pytest.raises(ValueError, match=r"\[batch, steps, height, width, channels\], got"):
        layer(x[:, 0])


def test_a_convolutional_lstm_learns_and_is_saved(tmp_path):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([layers.ConvLSTM1D(3, 2), layers.Flatten(), layers.Dense(1)])
    model.compile("adam", "mse")
    x, y = _x(8, 4, 5, 2), _x(8, 1)
    losses = model.fit(x, y, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
