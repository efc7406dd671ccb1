"""What changes after a trace is traced again, and what is probably not meant is warned of once."""

import warnings

import numpy as np
import pytest

from endo import keras, tf
from small_models import X, Y, chain, model


# Attributes that change


class Attributes(keras.Model):
    def __init__(self):
        super().__init__()
        self.number = 1.0
        self.numbers = [1.0, 2.0]
        self.options = {"a": [1.0]}
        self.array = np.array([1.0], np.float32)
        self.settings = Settings()

    def call(self, inputs):
        factor = self.number * self.numbers[0] * self.options["a"][0] * self.settings.value
        return inputs * (factor * float(self.array[0])) * (10.0 if hasattr(self, "more") else 1.0)


class Settings:
    value = 1.0

    def __init__(self):
        self.value = 1.0


def change(made, what):
    if what == "number":
        made.number = 3.0
    elif what == "list":
        made.numbers = [3.0]
    elif what == "list in place":
        made.numbers[0] = 3.0
    elif what == "dictionary in place":
        made.options["a"][0] = 3.0
    elif what == "array in place":
        made.array[0] = 3.0
    elif what == "object in place":
        made.settings.value = 3.0
    else:
        made.more = True
    return 10.0 if what == "new" else 3.0


CHANGES = [
    "number",
    "list",
    "list in place",
    "dictionary in place",
    "array in place",
    "object in place",
    "new",
]


@pytest.mark.parametrize("what", CHANGES)
def test_an_attribute_that_changes_is_never_ignored(what):
    made = Attributes()
    assert np.array_equal(made.predict(X, verbose=0), X)
    factor = change(made, what)
    assert np.allclose(made.predict(X, verbose=0), factor * X)


@pytest.mark.parametrize("what", CHANGES)
def test_nor_is_it_by_a_function_or_an_outer_model(what):
    made = Attributes()
    function = tf.function(lambda x: made(x))
    outer = keras.Sequential([made])
    assert np.array_equal(function(X), X) and np.array_equal(outer.predict(X, verbose=0), X)
    factor = change(made, what)
    assert np.allclose(function(X), factor * X)
    assert np.allclose(outer.predict(X, verbose=0), factor * X)


def test_nothing_is_traced_again_without_a_change():
    calls = []
    made = model(lambda made, x: (calls.append(1), made.dense(x))[1])
    for _ in range(3):
        made.fit(X, Y, batch_size=64, verbose=0)
        made.predict(X, verbose=0)
    count = len(calls)
    for _ in range(5):
        made.fit(X, Y, batch_size=64, verbose=0)
        made.predict(X, verbose=0)
    assert len(calls) == count


# Warnings


def test_warnings_are_python_s_and_are_given_once(capfd):
    made = chain(loss="binary_crossentropy")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made.fit(X, Y > 0, verbose=0)
        made.fit(X, Y > 0, verbose=0)
    texts = [str(one.message) for one in caught]
    assert len(texts) == 1 and "from_logits=True" in texts[0]
    assert "warning" not in capfd.readouterr().err


def test_a_function_of_several_shapes_sees_what_its_layers_hold():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = [keras.layers.Dense(1, kernel_initializer="ones")]

        def call(self, inputs):
            for part in self.parts:
                inputs = part(inputs)
            return inputs

    net = Net()
    total = tf.function(lambda x: tf.reduce_sum(net(x)))
    few, many = np.ones((1, 2), np.float32), np.ones((3, 2), np.float32)
    for _ in range(3):
        assert [float(total(few)), float(total(many))] == [2.0, 6.0]
    assert total.experimental_get_tracing_count() == 2
    net.parts.append(keras.layers.Rescaling(10.0))
    for _ in range(2):
        assert [float(total(few)), float(total(many))] == [20.0, 60.0]
    net.parts[1] = keras.layers.Rescaling(0.5)
    assert [float(total(few)), float(total(many))] == [1.0, 3.0]
