"""Loops whose steps are traced once, in `tf` and `keras.ops`: values, gradients, plans and eager."""

import numpy as np
import pytest
from endo import keras, tf


def both(function, *arguments):
    """What a function returns eagerly and as a plan, which has to be the same."""
    eager = function(*arguments)
    planned = tf.function(function)(*arguments)
    for a, b in zip(np.atleast_1d(eager), np.atleast_1d(planned)):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-5)
    return planned


def test_while_loop_computes_until_its_condition_fails():
    def power(x):
        n, y = tf.while_loop(
            lambda n, y: y < 100.0, lambda n, y: (n + 1, y * x), (tf.constant(0), x)
        )
        return y

    assert both(power, tf.constant(3.0)).numpy() == 243.0


def test_gradients_of_while_loop_need_the_most_iterations():
    x = tf.Variable(3.0)

    @tf.function
    def slope(most):
        with tf.GradientTape() as tape:
            (y,) = tf.while_loop(
                lambda y: y < 100.0, lambda y: [y * x], [x + 0.0], maximum_iterations=most
            )
        return tape.gradient(y, x)

    assert slope(20).numpy() == pytest.approx(5 * 3.0**4)
    with pytest.raises(Exception, match="largest number of steps"):
        slope(None)


def test_scan_of_tensorflow_returns_what_each_step_makes():
    x = tf.constant([1.0, 2.0, 3.0, 4.0])
    sums = both(lambda x: tf.scan(lambda a, b: a + b, x), x)
    assert sums.numpy().tolist() == [1.0, 3.0, 6.0, 10.0]
    products = both(lambda x: tf.scan(lambda a, b: a * b, x, tf.constant(2.0), reverse=True), x)
    assert products.numpy().tolist() == [48.0, 48.0, 24.0, 8.0]
    assert tf.foldl(lambda a, b: a * 10 + b, x).numpy() == 1234.0
    assert tf.foldr(lambda a, b: a * 10 + b, x).numpy() == 4321.0


def test_map_of_elements():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    outer = both(lambda x: tf.map_fn(lambda row: tf.tensordot(row, row, 0), x), x)
    assert outer.numpy()[1].tolist() == [[9.0, 12.0], [12.0, 16.0]]
    y = tf.vectorized_map(lambda row: {"sum": tf.reduce_sum(row)}, x)
    assert y["sum"].numpy().tolist() == [3.0, 7.0]


def test_loops_of_keras():
    def step(carry, x):
        total, count = carry
        total = total + x * x
        return (total, count + 1), total

    x = tf.constant([1.0, 2.0, 3.0])
    (total, count), sums = keras.ops.scan(step, (0.0, 0), x)
    assert (total.numpy(), count.numpy(), sums.numpy().tolist()) == (14.0, 3, [1.0, 5.0, 14.0])
    last, none = keras.ops.scan(lambda c, _: (c * 2.0, None), tf.constant(1.0), length=5)
    assert last.numpy() == 32.0 and none is None
    assert keras.ops.fori_loop(2, 5, lambda i, v: v * i, 1).numpy() == 24
    assert keras.ops.map(lambda x: x + 1.0, x).numpy().tolist() == [2.0, 3.0, 4.0]
    (y,) = keras.ops.while_loop(lambda y: y < 9, lambda y: [y * 2], [tf.constant(1)])
    assert y.numpy() == 16


def test_gradients_go_through_scan():
    x = tf.constant([0.5, 0.25, 0.125])
    w = tf.Variable(2.0)

    @tf.function
    def slopes():
        with tf.GradientTape() as tape:
            tape.watch(x)
            last, _ = keras.ops.scan(lambda h, e: (tf.tanh(h * w + e), None), tf.constant(0.1), x)
        return tape.gradient(last, [x, w])

    def last(x, w):
        h = 0.1
        for e in x:
            h = np.tanh(h * w + e)
        return h

    at = x.numpy().astype(np.float64)
    of_x, of_w = slopes()
    assert of_w.numpy() == pytest.approx(
        (last(at, 2.0 + 1e-6) - last(at, 2.0 - 1e-6)) / 2e-6, rel=1e-4
    )
    for i in range(3):
        step = np.eye(3)[i] * 1e-6
        slope = (last(at + step, 2.0) - last(at - step, 2.0)) / 2e-6
        assert of_x.numpy()[i] == pytest.approx(slope, rel=1e-4)


def test_what_a_step_gets_wrong_is_said():
    x = tf.constant([1.0, 2.0])
    with pytest.raises(ValueError, match="is given 1 values and returns 2"):
        tf.scan(lambda a, b: (a, b), x, tf.constant(0.0))
    with pytest.raises(ZeroDivisionError):
        tf.function(lambda x: tf.map_fn(lambda e: e / (1 // 0), x))(x)
    with pytest.raises(Exception, match="is f32\\[\\] before a step and f32\\[2\\] after it"):
        tf.function(lambda x: tf.foldl(lambda a, b: a + x, x, tf.constant(0.0)))(x)


def test_a_sequence_of_a_thousand_steps_through_a_cell_of_ones_own():
    class Decay(keras.layers.Layer):
        state_size = 2

        def build(self, shape):
            self.rate = self.add_weight(shape=(2,), initializer="ones", name="rate")

        def call(self, x, states):
            state = states[0] * 0.5 * self.rate + x
            self.add_loss(tf.reduce_mean(tf.square(state)) / 1000.0)
            return state, [state]

    model = keras.Sequential([keras.layers.RNN(Decay()), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    x = np.random.default_rng(0).normal(size=(8, 1000, 2)).astype("float32")
    losses = model.fit(x, np.ones((8, 1)), epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
