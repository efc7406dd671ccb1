"""What is deleted is collected, and memory does not grow."""

import gc
import os
import weakref

import numpy as np
import pytest

from endo import keras, tf
from small_models import MANY, X, Y, Model, chain, model


def test_what_is_deleted_is_collected():
    def used(made):
        made.fit(X, Y, verbose=0)
        made(X)
        return made

    class Loss(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return tf.square(y_true - y_pred)

    class Metric(keras.metrics.Metric):
        def __init__(self):
            super().__init__()
            self.total = self.add_weight(name="total")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.total.assign_add(1.0)

        def result(self):
            return self.total * 1.0

    loss, metric = Loss(), Metric()
    objects = [used(chain()), used(model()), used(chain(loss=loss, metrics=[metric])), loss, metric]
    dead = [weakref.ref(one) for one in objects]
    del objects, loss, metric
    gc.collect()
    assert [one() for one in dead] == [None] * len(dead)


def test_a_model_whose_loss_and_metric_know_it_is_collected():
    class Own(Model):
        def error(self, y_true, y_pred):
            return tf.square(y_true - y_pred)

    made = Own()
    made.compile("sgd", made.error, metrics=[made.error])
    made.fit(X, Y, verbose=0)
    dead = weakref.ref(made)
    del made
    gc.collect()
    assert dead() is None


def test_a_history_keeps_its_model_and_a_callback_may_let_go_of_it():
    made = chain()
    history = made.fit(X, Y, verbose=0)
    dead = weakref.ref(made)
    del made
    gc.collect()
    assert history.model is dead() and history.history["loss"]
    models = [chain()]
    callback = keras.callbacks.Callback()
    callback.on_epoch_end = lambda epoch, logs: (models.clear(), gc.collect())
    models[0].fit(X, Y, epochs=3, callbacks=[callback], verbose=0)


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def fitted():
    chain(keras.layers.Dense(64), keras.layers.Dense(1)).fit(X, Y, verbose=0)


def stepped():
    large = tf.Variable(np.ones(10_000, np.float32))

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(large))
        large.assign_sub(tape.gradient(loss, large) * 0.0)

    return step


def unasked():
    large = tf.Variable(np.ones(10_000, np.float32))

    def step():
        with tf.GradientTape(persistent=True):
            tf.reduce_sum(tf.square(large))

    return step


def left_open():
    large = tf.Variable(np.ones(10_000, np.float32))

    def step():
        tape = tf.GradientTape()
        tape.__enter__()
        tf.square(large)

    return step


def own_gradient():
    large = tf.Variable(np.ones(10_000, np.float32))

    @tf.custom_gradient
    def function(x):
        return x * 1.0, lambda dy: dy * x

    def step():
        with tf.GradientTape() as tape:
            value = function(large)
        tape.gradient(value, large)

    return step


def called():
    made = model()
    return lambda: made(MANY[:2000])


def failed():
    made = model(lambda made, x: made.dense(x) @ tf.ones((7, 7)))

    def step():
        with pytest.raises(ValueError):
            made.predict(X, verbose=0)

    return step


def read():
    return lambda: np.asarray(tf.constant(np.ones(100_000, np.float32))) + memoryview(
        tf.constant(np.ones(100_000, np.float32))
    )


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: fitted, 1000),
        (stepped, 1000),
        (unasked, 1000),
        (left_open, 1000),
        (own_gradient, 500),
        (called, 500),
        (failed, 300),
        (read, 1000),
    ],
    ids=["models", "steps", "unasked", "left open", "own gradient", "called", "failed", "read"],
)
def test_memory_does_not_grow(make, count):
    function = make()
    for _ in range(count // 5):
        function()
    gc.collect()
    before = resident()
    for _ in range(count):
        function()
    gc.collect()
    assert (resident() - before) / count < 3000
