"""Tapes, threads, interrupts and processes: nothing hangs, and nothing is left open."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import endo
from endo import keras, tf
from small_models import MANY, X, Y, chain, model

MANY_Y = MANY.sum(1, keepdims=True)
LIMIT = 60


@pytest.fixture(autouse=True)
def nothing_is_left_open():
    yield
    gc.collect()
    assert not endo._native.is_open()


# Tapes


def test_tapes_close_in_any_order():
    variable = tf.Variable(3.0)
    first, second = tf.GradientTape(persistent=True), tf.GradientTape(persistent=True)
    first.__enter__()
    second.__enter__()
    square = variable * variable
    first.__exit__(None, None, None)
    cube = square * variable
    second.__exit__(None, None, None)
    assert not endo._native.is_open()
    assert float(first.gradient(square, variable)) == 6.0
    assert float(second.gradient(cube, variable)) == 27.0


def test_a_tape_ends_with_an_exception_inside():
    variable = tf.Variable(3.0)
    with pytest.raises(KeyError):
        with tf.GradientTape():
            variable * variable
            raise KeyError
    assert not endo._native.is_open()
    with tf.GradientTape() as tape:
        square = variable * variable
    assert float(tape.gradient(square, variable)) == 6.0


def test_a_tape_that_is_never_closed_ends_when_it_is_deleted():
    tape = tf.GradientTape()
    tape.__enter__()
    value = tf.Variable(3.0) * 2.0
    del tape
    gc.collect()
    assert not endo._native.is_open() and float(value + 1.0) == 7.0


def test_a_tape_that_another_thread_deletes_ends_in_its_own():
    tapes = [tf.GradientTape()]
    tapes[0].__enter__()
    thread = threading.Thread(target=tapes.clear)
    thread.start()
    thread.join()
    tf.constant(1.0) + 1.0
    assert not endo._native.is_open()


def test_a_tape_is_used_in_its_own_thread():
    variable = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        square = variable * variable
        found = in_threads(lambda: tape.__exit__(None, None, None))
        assert "records in another thread" in found[0]
    assert "records in another thread" in in_threads(lambda: tape.gradient(square, variable))[0]


def test_a_tape_closed_twice_or_opened_twice_is_refused():
    tape = tf.GradientTape()
    with pytest.raises(endo.UsageError, match="not recording"):
        tape.__exit__(None, None, None)
    with tape:
        with pytest.raises(endo.UsageError, match="recording already"):
            tape.__enter__()
    with pytest.raises(endo.UsageError, match="not recording"):
        tape.__exit__(None, None, None)


def test_generators_hold_tapes():
    variable = tf.Variable(3.0)

    def steps():
        with tf.GradientTape() as tape:
            value = variable * variable
            yield None
            value = value * variable
        yield tape.gradient(value, variable)

    first, second = steps(), steps()
    next(first), next(second)
    assert (float(next(first)), float(next(second))) == (27.0, 27.0)
    unfinished = steps()
    next(unfinished)
    del unfinished
    gc.collect()
    assert not endo._native.is_open()


def test_a_tape_is_reset_and_used_again():
    variable = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        variable * variable
        tape.reset()
        cube = variable * variable * variable
    assert float(tape.gradient(cube, variable)) == 27.0
    for _ in range(2):
        with tape:
            square = variable * variable
        assert float(tape.gradient(square, variable)) == 6.0


# Threads


def in_threads(*functions):
    """What functions return in threads of their own, or the texts of their exceptions."""
    found = [None] * len(functions)

    def run(place):
        try:
            found[place] = functions[place]()
        except BaseException as error:
            found[place] = str(error)

    threads = [
        threading.Thread(target=run, args=(place,), daemon=True) for place in range(len(functions))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive(), "a thread hangs"
    return found


def test_several_threads_predict_with_one_model():
    made = chain(keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1))
    made.fit(X, Y, verbose=0)
    expected = made.predict(MANY, verbose=0)

    def same():
        parts = (made.predict(MANY[:count], verbose=0) for count in (1, 7, 300, 5000))
        return all(np.allclose(part, expected[: len(part)], atol=1e-5) for part in parts)

    assert in_threads(*[same] * 4) == [True] * 4


def test_the_first_call_of_a_model_may_come_from_several_threads():
    made = model(lambda made, x: (time.sleep(0.02), made.dense(x))[1])
    assert in_threads(*[lambda: made.predict(X, verbose=0).shape] * 3) == [(64, 1)] * 3
    assert len(made.weights) == 2


def test_models_are_trained_in_threads_and_one_model_is_used_in_several():
    made, other = chain(), model()
    made.fit(X, Y, verbose=0)
    found = in_threads(
        lambda: len(made.fit(MANY, MANY_Y, epochs=2, verbose=0).history["loss"]),
        lambda: len(made.fit(MANY, MANY_Y, verbose=0).history["loss"]),
        lambda: len(other.fit(MANY, MANY_Y, verbose=0).history["loss"]),
        lambda: [made.predict(X, verbose=0).shape for _ in range(50)][-1],
        lambda: [other.predict(X[:count], verbose=0).shape for count in range(1, 20)][-1],
    )
    assert found == [2, 1, 1, (64, 1), (19, 1)]
    made.fit(X, Y, verbose=0)


def test_a_model_that_is_trained_is_not_compiled_by_another_thread():
    made, is_running = chain(), threading.Event()
    made.fit(X, Y, verbose=0)
    callback = keras.callbacks.Callback()
    callback.on_train_batch_begin = lambda batch, logs: (is_running.set(), time.sleep(0.05))
    _, refused = in_threads(
        lambda: made.fit(X, Y, callbacks=[callback], verbose=0),
        lambda: (is_running.wait(LIMIT), made.compile("adam", "mae")),
    )
    assert "while it is compiled" in refused


def test_a_function_is_called_from_several_threads():
    @tf.function
    def doubled(x):
        time.sleep(0.01)
        return x * 2.0

    def sums():
        return [float(tf.reduce_sum(doubled(tf.ones(size)))) for size in range(1, 6)]

    assert in_threads(*[sums] * 3) == [[2.0, 4.0, 6.0, 8.0, 10.0]] * 3


def test_tensors_and_variables_go_to_other_threads():
    tensor, variable = tf.constant([1.0, 2.0]), tf.Variable(0.0)
    assert in_threads(lambda: (tensor * 2.0).numpy().tolist()) == [[2.0, 4.0]]
    with tf.GradientTape():
        square = tf.Variable(2.0) ** 2
        assert in_threads(lambda: float(square * 3.0)) == [12.0]
    in_threads(*[lambda: [variable.assign_add(1.0) for _ in range(100)] and None] * 2)
    assert float(variable) > 0.0


def test_a_traced_tensor_is_refused_in_another_thread():
    found = []
    made = model(lambda made, x: (found.extend(in_threads(lambda: x * 2.0)), made.dense(x))[1])
    made.predict(X, verbose=0)
    assert "another thread" in found[0]


# Interrupts


def interrupted(function, after=0.3):
    """Runs a function that Ctrl-C is to end, and says how long that took."""
    timer = threading.Timer(after, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        function()
    return time.monotonic() - started - after


def test_ctrl_c_ends_fit_evaluate_and_predict_and_leaves_the_model_usable():
    made = chain()
    made.fit(X, Y, verbose=0)

    def endless():
        while True:
            yield X, Y

    def evaluate():
        while True:
            made.evaluate(MANY, MANY_Y, batch_size=1, verbose=0)

    for run in (
        lambda: made.fit(MANY, MANY_Y, epochs=100_000, verbose=0),
        lambda: made.fit(endless(), steps_per_epoch=10**9, verbose=0),
        evaluate,
    ):
        assert interrupted(run) < 5
        assert np.isfinite(made.predict(X, verbose=0)).all()
    made.fit(X, Y, verbose=0)


def test_ctrl_c_ends_a_long_prediction():
    wide = [keras.layers.Dense(1000, activation="relu") for _ in range(4)]
    made = keras.Sequential([*wide, keras.layers.Dense(1)])
    made.predict(X, verbose=0)
    rows = np.concatenate([MANY] * 10)
    assert interrupted(lambda: made.predict(rows, verbose=0)) < 10
    assert made.predict(X, verbose=0).shape == (64, 1)


def test_ctrl_c_ends_a_loop_with_tapes():
    variable = tf.Variable(1.0)

    def loop():
        while True:
            with tf.GradientTape() as tape:
                square = variable * variable
            tape.gradient(square, variable)

    assert interrupted(loop) < 5
    assert not endo._native.is_open() and float(tf.constant(1.0) + 1.0) == 2.0


# Processes


FORKED = """
    import os, sys, time
    import numpy as np
    from endo import keras, tf
    x = np.random.default_rng(0).normal(size=(20_000, 3)).astype("f")
    y = x.sum(1, keepdims=True)
    def made():
        model = keras.Sequential([keras.layers.Dense(64, activation="relu"), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model
    model = made()
    model.fit(x, y, batch_size=2000, verbose=0)
    pid = os.fork()
    if pid == 0:
        assert model.predict(x, verbose=0).shape == (20_000, 1)
        model.fit(x, y, batch_size=2000, verbose=0)
        made().fit(x, y, batch_size=2000, verbose=0)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(model(x[:10])))
        tape.gradient(loss, model.trainable_variables)
        os._exit(0)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_goes_on():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(FORKED)],
        timeout=LIMIT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_tape_collected_during_an_operation_keeps_its_trace_until_that_is_done():
    class Holder:
        """Holds an open tape in a cycle, and collects it where its numbers are asked for."""

        def __init__(self):
            self.tape = tf.GradientTape()
            self.itself = self

    class Numbers:
        def __array__(self, dtype=None, copy=None):
            gc.collect()
            tf.square(tf.constant([1.0, 2.0, 3.0]))
            return np.array([2.0, 3.0], np.float32)

    for _ in range(20):
        holder = Holder()
        holder.tape.__enter__()
        tf.square(tf.constant(2.0))
        del holder
        assert tf.square(Numbers()).numpy().tolist() == [4.0, 9.0]


def test_a_function_says_from_within_how_often_it_was_traced():
    counts = []

    @tf.function
    def square(x):
        counts.append(square.experimental_get_tracing_count())
        return x**2

    square(np.ones(2, np.float32))
    assert counts == [0] and square.experimental_get_tracing_count() == 1
