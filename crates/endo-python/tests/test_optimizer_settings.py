"""What all optimizers have: clipping, decay, averages, scaled losses and gradients added up.

Numbers are those of Keras 3.15 with the same weights.
"""

import copy

import numpy as np
import pytest
from momentum import X, Y, Momentum, net

from endo import keras, tf

optimizers = keras.optimizers
schedules = optimizers.schedules
FIT = {"batch_size": 4, "shuffle": False, "verbose": 0}


def check_trained(optimizer, losses, in_the_end, updates, **options):
    """Compares three epochs of three steps, and the loss of the net that comes of them."""
    model = net(optimizer, **options)
    history = model.fit(X, Y, epochs=3, **FIT).history
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-5)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(in_the_end, rel=1e-5)
    assert int(optimizer.iterations) == updates


def test_gradients_are_added_up_then_clipped_and_decayed():
    check_trained(
        optimizers.Adam(0.05, gradient_accumulation_steps=2, clipnorm=0.5, weight_decay=0.01),
        [0.55638266, 0.37507457, 0.19516774],
        0.17625241,
        4,
    )
    check_trained(
        optimizers.SGD(0.2, momentum=0.9, gradient_accumulation_steps=3, global_clipnorm=0.5),
        [0.57361269, 0.42501742, 0.22464804],
        0.14546402,
        3,
    )


def test_a_schedule_counts_calls_and_not_updates():
    rate = schedules.ExponentialDecay(0.05, 2, 0.8)
    check_trained(
        optimizers.Nadam(rate, gradient_accumulation_steps=2, clipvalue=0.1),
        [0.55718309, 0.39755464, 0.29922399],
        0.27009711,
        4,
    )


def test_a_scaled_loss_changes_nothing_but_roundings():
    check_trained(
        optimizers.SGD(0.2, loss_scale_factor=64.0, clipnorm=0.5),
        [0.4541654, 0.19524045, 0.1578344],
        0.11851374,
        9,
    )


def test_averages_overwrite_the_weights_and_are_the_weights_in_the_end():
    check_trained(
        optimizers.RMSprop(
            0.02, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=2, weight_decay=0.05
        ),
        [0.50949609, 0.31092241, 0.29671991],
        0.26696205,
        9,
    )
    check_trained(
        optimizers.Adam(0.02, use_ema=True, ema_momentum=0.8),
        [0.54014218, 0.3622804, 0.24949348],
        0.28058213,
        9,
    )


def test_an_optimizer_written_in_python_adds_gradients_up():
    check_trained(
        Momentum(0.1, gradient_accumulation_steps=2),
        [0.52729356, 0.27768496, 0.25810051],
        0.38368946,
        4,
    )
    rate = schedules.InverseTimeDecay(0.2, 2, 0.5)
    check_trained(
        Momentum(
            rate, shrinks=True, gradient_accumulation_steps=2, weight_decay=0.01, clipnorm=0.5
        ),
        [0.53732997, 0.31438789, 0.15081167],
        0.23525269,
        4,
    )


def test_what_an_update_in_python_assigns_stays_in_the_calls_between():
    class Counting(optimizers.Optimizer):
        def build(self, variables):
            super().build(variables)
            self.updates = self.add_variable((), name="updates")
            self.own = tf.Variable(0.0)

        def update_step(self, gradient, variable, learning_rate):
            self.assign_add(self.updates, 1.0)
            self.own.assign_add(1.0)
            self.assign_sub(variable, gradient * learning_rate)

    optimizer = Counting(0.1, gradient_accumulation_steps=2)
    check_trained(optimizer, [0.52729356, 0.28922322, 0.16626249], 0.15019873, 4)
    # Four updates of four weights.
    assert float(optimizer.updates) == float(optimizer.own) == 16.0


@pytest.mark.parametrize("wrap", [lambda step: step, tf.function])
def test_gradients_are_added_up_in_a_loop_of_ones_own(wrap):
    for make in (optimizers.SGD, lambda *a, **o: Momentum(*a, momentum=0.0, **o)):
        optimizer = make(0.5, gradient_accumulation_steps=2)
        v, w = tf.Variable([1.0, 2.0]), tf.Variable(3.0)

        @wrap
        def step(first, second):
            optimizer.apply_gradients([(first, v), (second, w)])

        found = []
        for first, second in (([1.0, 0.0], 2.0), ([3.0, 1.0], 0.0), ([1.0, 1.0], 1.0)):
            step(tf.constant(first), tf.constant(second))
            found.append([*v.numpy(), float(w), int(optimizer.iterations)])
        assert found == [[1.0, 2.0, 3.0, 0], [0.0, 1.75, 2.5, 1], [0.0, 1.75, 2.5, 1]]


def test_a_copy_goes_on_where_the_gradients_are():
    optimizer = optimizers.SGD(0.5, gradient_accumulation_steps=2)
    variable = tf.Variable(1.0)
    for _ in range(2):
        optimizer.apply_gradients([(tf.constant(1.0), variable)])
    twin = copy.deepcopy(optimizer)
    assert int(twin.iterations) == 1
    twin.apply_gradients([(tf.constant(1.0), variable)])
    assert float(variable) == 0.5 and int(twin.iterations) == 1


def test_a_step_of_ones_own_scales_the_loss():
    class Scaling(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.compute_loss(y=y, y_pred=self(x, training=True))
                scaled = self.optimizer.scale_loss(loss)
            weights = self.trainable_variables
            self.optimizer.apply(tape.gradient(scaled, weights), weights)
            return {"loss": loss}

    optimizer = optimizers.SGD(0.2, loss_scale_factor=64.0, clipnorm=0.5)
    model = net(optimizer, Scaling)
    model.fit(X, Y, epochs=3, **FIT)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(0.11851374, rel=1e-5)
    assert float(optimizers.get("adam").scale_loss(tf.constant(2.0))) == 2.0
    with pytest.raises(NotImplementedError, match=r"Adam\(loss_scale_factor=\.\.\)"):
        optimizers.get("adam(loss_scale_factor=2)").scale_loss(tf.constant(2.0))


def test_settings_are_attributes_with_keras_s_values():
    optimizer = optimizers.SGD(0.1)
    assert optimizer.use_ema is False and optimizer.ema_momentum == 0.99
    for name in "weight_decay clipnorm clipvalue global_clipnorm ema_overwrite_frequency".split():
        assert getattr(optimizer, name) is None
    assert optimizer.loss_scale_factor is optimizer.gradient_accumulation_steps is None
    assert optimizers.AdamW().weight_decay == 0.004 and optimizers.Adam().weight_decay is None
    assert optimizers.SGD(momentum=0.5).momentum == 0.5
    assert Momentum(clipnorm=2.0).clipnorm == 2.0 and optimizers.get("adam").clipnorm is None
    with pytest.raises(AttributeError, match="clipnrom"):
        optimizer.clipnrom


@pytest.mark.parametrize("make", [optimizers.Adam, optimizers.SGD])
def test_settings_are_set_before_the_first_step(make):
    given = make(0.05, gradient_accumulation_steps=2, clipnorm=0.5, weight_decay=0.01)
    optimizer = make(0.05)
    optimizer.clipnorm, optimizer.weight_decay = 0.5, 0.01
    optimizer.gradient_accumulation_steps = 2
    assert optimizer.get_config() == given.get_config()
    found, expected = (net(one).fit(X, Y, **FIT).history for one in (optimizer, given))
    assert found == expected


def test_a_setting_of_an_optimizer_in_use_is_refused():
    for optimizer in (optimizers.SGD(0.1, clipnorm=1.0), Momentum(0.1, clipnorm=1.0)):
        net(optimizer)
        optimizer.clipnorm = 1.0  # as it is
        with pytest.raises(ValueError, match=r"`clipnorm` of .* is set after(.|\n)*`compile`"):
            optimizer.clipnorm = 2.0
    with pytest.raises(NotImplementedError, match=r"`clipnorm` of .*'sgd\(0.1\)'"):
        optimizers.get("sgd(0.1)").clipnorm = 2.0


def test_a_setting_that_cannot_be_is_refused_and_leaves_the_optimizer_as_it_was():
    optimizer = optimizers.SGD(0.1)
    with pytest.raises(Exception, match="gradient_accumulation_steps.*2"):
        optimizer.gradient_accumulation_steps = 1
    assert optimizer.gradient_accumulation_steps is None
    for make in (optimizers.SGD, Momentum):
        with pytest.raises(Exception, match="gradient_accumulation_steps.*2"):
            make(0.1, gradient_accumulation_steps=1)
        with pytest.raises(Exception, match="both `clipnorm` and `clipvalue`"):
            make(0.1, clipnorm=1.0, clipvalue=1.0)


def test_gradients_alone_belong_to_the_variables_of_build():
    optimizer, variable = optimizers.SGD(0.5), tf.Variable(1.0)
    with pytest.raises(ValueError, match="optimizer.build"):
        optimizer.apply([tf.constant(1.0)])
    optimizer.build([variable])
    optimizer.apply([tf.constant(1.0)])
    assert float(variable) == 0.5
    with pytest.raises(ValueError, match="2 gradients for 1 variables"):
        optimizer.apply([tf.constant(1.0)] * 2)


def test_a_lazy_optimizer_leaves_rows_that_no_batch_looks_up():
    def trained(**options):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.layers.Embedding(100, 4), keras.layers.Flatten()])
        model.add(keras.layers.Dense(1))
        model.compile(optimizers.Adam(0.1, **options), "mse")
        words = np.array([[3, 5]], np.int32)
        model(words)
        before = model.layers[0].get_weights()[0]
        model.fit(words, np.ones((1, 1), np.float32), epochs=1, verbose=0)
        model.fit(words + 1, np.ones((1, 1), np.float32), epochs=1, verbose=0)
        return before, model.layers[0].get_weights()[0]

    moved = [np.flatnonzero(np.any(now != before, axis=1)).tolist() for before, now in
             (trained(lazy=True), trained())]
    assert moved == [[3, 4, 5, 6], [3, 4, 5, 6]]
    # The momentum of rows that the second step did not look up moves them on, unless it is lazy.
    (_, lazy), (_, plain) = trained(lazy=True), trained()
    assert not np.array_equal(lazy[3], plain[3]) and np.allclose(lazy[4], plain[4], atol=1e-3)
    assert optimizers.Adam(lazy=True).lazy and not optimizers.Adam().lazy
    for optimizer in (optimizers.Adafactor(lazy=True), Momentum(0.1, lazy=True)):
        with pytest.raises(ValueError, match="cannot be lazy"):
            net(optimizer).fit(X, Y, **FIT)
