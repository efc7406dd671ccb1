"""Optimizers and learning rates that are written in Python, as in Keras 3 and 2.

Numbers are those of Keras 3.15 with the same weights.
"""

import numpy as np
import pytest
from momentum import X, Y, Momentum, net

from endo import keras, tf


class Older(keras.optimizers.Optimizer):
    """Momentum as in Keras 2."""

    def __init__(self, learning_rate=0.001, momentum=0.9, name="Older", **kwargs):
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", kwargs.get("lr", learning_rate))
        self._set_hyper("decay", self._initial_decay)
        self._set_hyper("momentum", momentum)

    def _create_slots(self, var_list):
        for var in var_list:
            self.add_slot(var, "momentum")

    @tf.function
    def _resource_apply_dense(self, grad, var):
        rate = self._decayed_lr(var.dtype.base_dtype)
        momentum_var = self.get_slot(var, "momentum")
        momentum = self._get_hyper("momentum", var.dtype.base_dtype)
        momentum_var.assign(momentum_var * momentum - rate * grad)
        var.assign_add(momentum_var)


class Falling(keras.optimizers.schedules.LearningRateSchedule):
    """`initial / (1 + step / 4)`."""

    def __init__(self, initial):
        self.initial = initial

    def __call__(self, step):
        return self.initial / (1.0 + 0.25 * tf.cast(step, tf.float32))


def losses(optimizer, epochs=3):
    options = {"epochs": epochs, "batch_size": 4, "shuffle": False, "verbose": 0}
    return net(optimizer).fit(X, Y, **options).history["loss"]


@pytest.mark.parametrize("make", [Momentum, Older])
def test_momentum_written_in_python_trains_as_the_library_s(make):
    expected = losses(keras.optimizers.SGD(0.05, momentum=0.8))
    np.testing.assert_allclose(losses(make(0.05, momentum=0.8)), expected, rtol=1e-5)


def test_clipping_decay_averages_and_schedules_work_as_in_keras():
    schedule = keras.optimizers.schedules.InverseTimeDecay(0.05, 2, 0.5)
    options = {"weight_decay": 0.01, "clipnorm": 0.5, "use_ema": True, "ema_momentum": 0.5}
    found = losses(Momentum(schedule, shrinks=True, **options))
    np.testing.assert_allclose(found, [0.5270105, 0.2948304, 0.1688540], rtol=1e-5)


def test_a_schedule_written_in_python_is_followed():
    like = keras.optimizers.schedules.InverseTimeDecay(0.1, 4, 1.0)
    for make in (keras.optimizers.SGD, keras.optimizers.Nadam, Momentum):
        np.testing.assert_allclose(losses(make(Falling(0.1))), losses(make(like)), rtol=1e-5)


def test_the_learning_rate_of_a_schedule_follows_the_steps():
    optimizer = keras.optimizers.SGD(Falling(0.1))
    assert float(optimizer.learning_rate) == pytest.approx(0.1)
    net(optimizer).fit(X, Y, batch_size=5, epochs=2, verbose=0)
    assert int(optimizer.iterations) == 4
    assert float(optimizer.learning_rate) == pytest.approx(0.05)
    assert float(Falling(0.1)(4)) == pytest.approx(0.05)


def test_a_learning_rate_may_be_set_between_epochs():
    optimizer = Momentum(0.1, momentum=0.0)
    model = net(optimizer)
    model.fit(X, Y, verbose=0)
    before = model.get_weights()
    optimizer.learning_rate = 0.0
    model.fit(X, Y, verbose=0)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_it_updates_in_a_loop_of_ones_own():
    loops = []
    for wrap in (lambda step: step, tf.function):
        model, optimizer = net("sgd"), Momentum(0.05)

        @wrap
        def step(x, y):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(model(x) - y))
            weights = model.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
            return loss

        loops.append([float(step(X, Y)) for _ in range(4)])
    np.testing.assert_allclose(loops[0], loops[1], rtol=1e-5)
    assert loops[0][-1] < loops[0][0]


def test_its_variables_are_saved_with_the_model(tmp_path):
    model = net(Momentum(Falling(0.05), momentum=0.5))
    options = {"batch_size": 5, "shuffle": False, "verbose": 0}
    model.fit(X, Y, **options)
    model.save(tmp_path / "model.endo")
    again = keras.models.load_model(
        tmp_path / "model.endo", custom_objects={"Momentum": Momentum, "Falling": Falling}
    )
    assert again.optimizer.momentum == 0.5 and int(again.optimizer.iterations) == 2
    assert again.fit(X, Y, **options).history == model.fit(X, Y, **options).history


def test_an_optimizer_has_variables_of_its_own():
    class Counting(keras.optimizers.Optimizer):
        def build(self, variables):
            super().build(variables)
            self.updates = self.add_variable((), name="updates")

        def update_step(self, gradient, variable, learning_rate):
            self.assign_add(self.updates, 1.0)
            self.assign_sub(variable, gradient * learning_rate)

    optimizer = Counting(0.1)
    net(optimizer).fit(X, Y, batch_size=5, verbose=0)
    assert float(optimizer.updates) == 8.0


# Mistakes


def test_an_update_that_changes_nothing_is_an_error():
    class Idle(keras.optimizers.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            return variable - learning_rate * gradient

    with pytest.raises(Exception, match="leaves `.*` as it is(.|\n)*self.assign"):
        net(Idle(0.1)).fit(X, Y, verbose=0)


def test_an_optimizer_without_an_update_says_so():
    with pytest.raises(NotImplementedError, match="def update_step"):
        net(keras.optimizers.Optimizer(0.1)).fit(X, Y, verbose=0)


def test_an_update_of_an_optimizer_of_the_library_is_refused():
    class Mine(keras.optimizers.Adam):
        def update_step(self, gradient, variable, learning_rate):
            pass

    with pytest.raises(NotImplementedError, match=r"Mine.update_step.*(.|\n)*Optimizer"):
        Mine()


def test_what_it_raises_comes_out_as_it_is():
    class Wrong(keras.optimizers.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        net(Wrong(0.1)).fit(X, Y, verbose=0)


def test_another_set_of_variables_is_refused():
    optimizer, first, second = Momentum(0.1), tf.Variable(1.0), tf.Variable(1.0, name="second")
    optimizer.apply_gradients([(tf.constant(1.0), first)])
    with pytest.raises(ValueError, match="`second`, for which it was not built"):
        optimizer.apply_gradients([(tf.constant(1.0), second)])


def test_a_schedule_without_a_call_says_so():
    with pytest.raises(NotImplementedError, match="def __call__"):
        keras.optimizers.schedules.LearningRateSchedule()(1)


def test_an_apply_gradients_that_fit_would_not_call_is_refused():
    class Mine(keras.optimizers.SGD):
        def apply_gradients(self, grads_and_vars):
            super().apply_gradients([(-gradient, one) for gradient, one in grads_and_vars])

    with pytest.raises(NotImplementedError, match=r"Mine.apply_gradients(.|\n)*train_step"):
        net(Mine())
