"""Gradients by tapes: of functions, by variables and tensors, of second order, of one's own."""

import numpy as np
import pytest

import endo
from endo import keras, tf


def surface(u, v):
    """Has the gradient (4 u + 3 v, 3 u)."""
    return 2 * u**2 + 3 * u * v


def at(u=4.0, v=2.0):
    return tf.Variable(u), tf.Variable(v)


def floats(gradients):
    return [None if one is None else float(one) for one in gradients]


def test_a_tape_agrees_with_finite_differences():
    u, v, step = 4.0, 2.0, 1e-6
    by_u = (surface(u + step, v) - surface(u, v)) / step
    by_v = (surface(u, v + step) - surface(u, v)) / step
    u, v = at()
    with tf.GradientTape() as tape:
        value = surface(u, v)
    assert floats(tape.gradient(value, [u, v])) == [22.0, 12.0]
    assert [by_u, by_v] == pytest.approx([22.0, 12.0], rel=1e-5)


def test_a_tape_gives_gradients_once():
    u, v = at()
    with tf.GradientTape() as tape:
        value = surface(u, v)
    assert float(tape.gradient(value, u)) == 22.0
    with pytest.raises(RuntimeError, match="persistent"):
        tape.gradient(value, v)


def test_a_persistent_tape_gives_gradients_again():
    u, v = at()
    with tf.GradientTape(persistent=True) as tape:
        value = surface(u, v)
    assert float(tape.gradient(value, u)) == 22.0
    assert float(tape.gradient(value, v)) == 12.0
    del tape


def test_a_constant_has_no_gradient():
    u, v = tf.constant(4.0), tf.constant(2.0)
    with tf.GradientTape() as tape:
        value = surface(u, v)
    assert tape.gradient(value, [u, v]) == [None, None]


def test_a_watched_constant_has_one():
    u, v = tf.constant(4.0), tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(u)
        tape.watch(v)
        value = surface(u, v)
    assert floats(tape.gradient(value, [u, v])) == [22.0, 12.0]


def test_gradients_have_the_structure_of_the_sources():
    u, v = at()
    with tf.GradientTape(persistent=True) as tape:
        value = surface(u, v)
    by_name = tape.gradient(value, {"first": u, "second": v})
    assert float(by_name["first"]) == 22.0 and float(by_name["second"]) == 12.0
    assert float(tape.gradient(value, (u, v))[1]) == 12.0


def test_the_gradient_of_a_list_is_that_of_the_sum():
    u, v = at()
    with tf.GradientTape() as tape:
        values = [surface(u, v), surface(u, v + 2.0), surface(u, v + 5.0)]
    # 3 (4 u + 3 v) + 3 (2 + 5), and 3 * 3 u.
    assert floats(tape.gradient(values, [u, v])) == [87.0, 36.0]


def test_the_gradient_of_a_tensor_is_that_of_its_sum():
    v = tf.Variable([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        squares = v**2
    assert tape.gradient(squares, v).numpy().tolist() == [2.0, 4.0, 6.0]


def test_a_jacobian_has_a_row_for_each_element():
    v = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        values = tf.stack([v[0] * v[1], v[0] ** 2])
    assert tape.jacobian(values, v).numpy().tolist() == [[2.0, 1.0], [2.0, 0.0]]


def test_nested_tapes_give_second_derivatives():
    u, v = at()
    with tf.GradientTape(persistent=True) as second:
        with tf.GradientTape() as first:
            value = surface(u, v)
        gradients = first.gradient(value, [u, v])
    hessian = [second.gradient(gradient, [u, v]) for gradient in gradients]
    assert [floats(row) for row in hessian] == [[4.0, 3.0], [3.0, None]]


def test_stop_gradient_makes_a_constant():
    def partly(u, v):
        return 2 * u**2 + tf.stop_gradient(3 * u * v)

    u, v = at()
    with tf.GradientTape() as tape:
        value = partly(u, v)
    assert float(value) == 56.0
    assert floats(tape.gradient(value, [u, v])) == [16.0, None]


def test_unconnected_gradients_can_be_zeros():
    u, v = at()
    with tf.GradientTape() as tape:
        value = u**2
    gradients = tape.gradient(value, [u, v], unconnected_gradients="zero")
    assert floats(gradients) == [8.0, 0.0]


def test_output_gradients_weigh_the_elements():
    v = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        squares = v**2
    weighted = tape.gradient(squares, v, output_gradients=tf.constant([1.0, 10.0]))
    assert weighted.numpy().tolist() == [2.0, 40.0]


def test_what_is_computed_outside_is_a_constant():
    u, v = at()
    outside = u * v
    with tf.GradientTape() as tape:
        value = outside + u
    assert floats(tape.gradient(value, [u, v])) == [1.0, None]


def test_a_frozen_variable_has_no_gradient_unless_it_is_watched():
    frozen = tf.Variable(3.0, trainable=False)
    with tf.GradientTape() as tape:
        value = frozen**2
    assert tape.gradient(value, frozen) is None
    with tf.GradientTape() as tape:
        tape.watch(frozen)
        value = frozen**2
    assert float(tape.gradient(value, frozen)) == 6.0


def test_a_tape_may_not_watch_variables():
    u, v = at()
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(v)
        value = surface(u, v)
    assert floats(tape.gradient(value, [u, v])) == [None, 12.0]


# Softplus


def plain_softplus(z):
    return tf.math.log(tf.exp(z) + 1.0)


@tf.custom_gradient
def stable_softplus(z):
    exp = tf.exp(z)

    def by_z(upstream):
        return upstream / (1.0 + 1.0 / exp)

    return tf.math.log(exp + 1.0), by_z


@tf.custom_gradient
def finite_softplus(z):
    def by_z(upstream):
        return upstream / (1.0 + 1.0 / tf.exp(z))

    return tf.where(z > 30.0, z, tf.math.log(tf.exp(z) + 1.0)), by_z


def gradient_of(function, number):
    z = tf.Variable([number])
    with tf.GradientTape() as tape:
        value = function(z)
    return value.numpy()[0], tape.gradient(value, z).numpy()[0]


def test_the_plain_softplus_has_a_gradient_that_is_not_finite():
    value, gradient = gradient_of(plain_softplus, 100.0)
    assert np.isinf(value) and np.isnan(gradient)


def test_a_gradient_of_ones_own_is_stable():
    _, gradient = gradient_of(stable_softplus, 100.0)
    assert gradient == 1.0
    value, gradient = gradient_of(stable_softplus, 1.0)
    assert value == pytest.approx(np.log1p(np.e)) and gradient == pytest.approx(1 / (1 + 1 / np.e))


def test_value_and_gradient_can_both_be_made_finite():
    assert gradient_of(finite_softplus, 100.0) == (100.0, 1.0)
    value, gradient = gradient_of(finite_softplus, 1.0)
    assert value == pytest.approx(np.log1p(np.e)) and gradient == pytest.approx(1 / (1 + 1 / np.e))


def test_the_softplus_of_the_library_is_stable():
    assert gradient_of(tf.nn.softplus, 100.0) == (100.0, 1.0)
    assert gradient_of(keras.activations.softplus, -2.0)[0] == pytest.approx(np.log1p(np.exp(-2)))


def test_a_gradient_of_ones_own_is_used_in_fit():
    x = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]
    model = keras.models.Sequential(
        [keras.layers.Dense(1, activation=finite_softplus, input_shape=[1])]
    )
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(0.5))
    history = model.fit(x, np.log1p(np.exp(x)), epochs=50, verbose=0)
    assert history.history["loss"][-1] < 1e-3


def test_a_custom_gradient_of_two_arguments_gives_two():
    @tf.custom_gradient
    def product(a, b):
        return a * b, lambda upstream: (upstream * 10.0, upstream * 20.0)

    u, v = at()
    with tf.GradientTape() as tape:
        value = product(u, v)
    assert float(value) == 8.0
    assert floats(tape.gradient(value, [u, v])) == [10.0, 20.0]


# Mistakes


def test_gradients_by_numbers_are_refused():
    u, _ = at()
    with tf.GradientTape() as tape:
        value = u**2
    with pytest.raises(TypeError, match="tensors and variables"):
        tape.gradient(value, 3.0)


def test_a_tape_that_has_recorded_nothing_says_what_to_write():
    u, _ = at()
    with pytest.raises(endo.UsageError, match="with tf.GradientTape"):
        tf.GradientTape().gradient(u, u)
