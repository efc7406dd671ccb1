"""What programs do with models besides training them: copies, heads, names, what they report."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from endo import keras, tf

L = keras.layers


@pytest.fixture
def data():
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    return x, x[:, :1].copy()


def net(*layers, loss="mse", **options):
    model = keras.Sequential([keras.Input(shape=(8,)), *layers])
    model.compile(optimizer="sgd", loss=loss, **options)
    return model


def test_a_sequential_with_an_input_is_saved_and_cloned(data, tmp_path):
    x, _ = data
    model = net(L.Dense(1))
    model.save(tmp_path / "model.keras")
    read = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(read.predict(x), model.predict(x))
    clone = keras.models.clone_model(model)
    assert [tuple(weight.shape) for weight in clone.weights] == [(8, 1), (1,)]
