"""What a tape records: as TensorFlow's, what is computed while it is open, of what it watches."""

import numpy as np
import pytest

from endo import keras, tf


def test_layers_are_not_in_training_in_a_tape_or_a_function_unless_a_call_says_so():
    layer, x = keras.layers.Dropout(0.5), np.ones((8, 8), np.float32)
    function = tf.function(lambda x: layer(x))
    with tf.GradientTape():
        np.testing.assert_array_equal(layer(x), x)
        assert (layer(x, training=True).numpy() == 0.0).any()
    np.testing.assert_array_equal(function(x), x)
    in_training = tf.function(lambda x: layer(x, training=True))
    assert (in_training(x).numpy() == 0.0).any()


def test_a_tape_knows_the_trainable_variables_that_were_used():
    used, frozen, other = tf.Variable(2.0), tf.Variable(3.0, trainable=False), tf.Variable(4.0)
    with tf.GradientTape() as tape:
        value = used * frozen
    assert [variable._id for variable in tape.watched_variables()] == [used._id]
    assert float(tape.gradient(value, tape.watched_variables())[0]) == 3.0
    assert [variable._id for variable in tape.watched_variables()] == [used._id]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(other)
        used * other
    assert [variable._id for variable in tape.watched_variables()] == [other._id]


def test_what_is_computed_of_constants_has_no_gradient():
    constant, frozen, v = tf.constant(2.0), tf.Variable(3.0, trainable=False), tf.Variable(4.0)
    with tf.GradientTape(persistent=True) as tape:
        square, scaled, known = constant * constant, frozen * 2.0, v * 5.0
        value = square * scaled * known
    assert tape.gradient(value, [square, scaled]) == [None, None]
    assert float(tape.gradient(value, known)) == 24.0


def test_an_inner_tape_does_not_see_what_was_computed_before_it():
    v = tf.Variable(3.0)
    with tf.GradientTape() as outer:
        square = v * v
        with tf.GradientTape(persistent=True) as inner:
            inner.watch(square)
            double = square * 2.0
        assert inner.gradient(double, v) is None
        assert float(inner.gradient(double, square)) == 2.0
    assert float(outer.gradient(double, v)) == 12.0


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function])
def test_what_is_computed_after_a_tape_has_no_gradient(wrap):
    v = tf.Variable(3.0)

    @wrap
    def gradients():
        with tf.GradientTape(persistent=True) as tape:
            square = v * v
        after = square * 2.0
        return tape.gradient(square, v), tape.gradient(after, v)

    within, after = gradients()
    assert float(within) == 6.0 and after is None


def test_the_losses_of_a_model_are_those_of_the_last_call():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2, kernel_regularizer="l2")

        def call(self, x):
            self.add_loss(tf.reduce_sum(x))
            return self.dense(x)

    model = Net()
    with tf.GradientTape():
        model(np.ones((1, 2), np.float32))
        first = [float(loss) for loss in model.losses]
        model(np.full((1, 2), 3.0, np.float32))
        second = [float(loss) for loss in model.losses]
    assert (first[0], second[0]) == (2.0, 6.0)
    assert len(first) == len(second) == 2 and first[1] == second[1] > 0.0


def test_a_jacobian_by_what_the_value_does_not_depend_on_is_none():
    v, w = tf.Variable([1.0, 2.0]), tf.Variable([3.0])
    with tf.GradientTape() as tape:
        value = v * v
    of_v, of_w = tape.jacobian(value, [v, w])
    assert of_v.numpy().tolist() == [[2.0, 0.0], [0.0, 4.0]] and of_w is None


def test_an_inverse_in_a_tape_is_refused_since_it_has_no_gradient():
    matrix = np.array([[2.0, 0.0], [0.0, 4.0]], np.float32)
    assert float(tf.linalg.det(matrix)) == 8.0
    for function in (tf.linalg.inv, tf.linalg.det):
        with tf.GradientTape():
            with pytest.raises(NotImplementedError, match="has no gradient"):
                function(matrix)
