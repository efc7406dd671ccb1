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


class Two(keras.Model):
    """A model of two outputs, in a tuple or by names."""

    def __init__(self, names=None):
        super().__init__()
        self.first, self.second, self.names = L.Dense(1), L.Dense(1), names

    def call(self, inputs):
        outputs = self.first(inputs), self.second(inputs)
        return dict(zip(self.names, outputs)) if self.names else outputs


def test_a_list_of_metrics_has_one_for_each_output(data):
    x, y = data
    model = Two()
    model.compile(optimizer="sgd", loss=["mse", "mse"], metrics=["mae", "mse"])
    model.fit(x, (y, -y), verbose=0)
    logs = model.evaluate(x, (y, -y), verbose=0, return_dict=True)
    first, second = model.predict(x)
    assert logs["dense_mae"] == pytest.approx(float(np.abs(first - y).mean()), rel=1e-5)
    assert logs["dense_1_mse"] == pytest.approx(float(np.square(second + y).mean()), rel=1e-5)


def test_a_list_of_metrics_that_does_not_fit_the_outputs_is_refused(data):
    x, y = data
    for batches in (False, True):
        model = Two()
        model.compile(optimizer="sgd", loss=["mse", "mse"], metrics=["mae"])
        rows = tf.data.Dataset.from_tensor_slices((x, (y, y))).batch(8)
        given = (rows,) if batches else (x, (y, y))
        with pytest.raises(ValueError, match="one entry for each output"):
            model.fit(*given, verbose=0)


@pytest.mark.parametrize("loss", ["mse", {"price": "mse", "kind": "mse"}])
def test_outputs_in_a_dictionary_go_by_their_keys(data, loss):
    x, y = data
    targets = {"price": y, "kind": 3 * y}
    model = Two(["price", "kind"])
    model.compile(optimizer="sgd", loss=loss, metrics={"price": ["mae"]})
    stop = keras.callbacks.EarlyStopping("val_price_mae", mode="min", patience=9)
    history = model.fit(x, targets, validation_data=(x, targets), callbacks=[stop], verbose=0)
    assert "val_kind_loss" in history.history
    logs = model.evaluate(x, targets, verbose=0, return_dict=True)
    price, kind = (model.predict(x)[key] for key in ("price", "kind"))
    assert logs["price_mae"] == pytest.approx(float(np.abs(price - y).mean()), rel=1e-5)
    assert logs["kind_loss"] == pytest.approx(float(np.square(kind - 3 * y).mean()), rel=1e-5)
    batches = tf.data.Dataset.from_tensor_slices((x, targets)).batch(16)
    again = model.evaluate(batches, verbose=0, return_dict=True)
    assert again["loss"] == pytest.approx(logs["loss"], rel=1e-5)


def test_metrics_names_are_those_of_what_evaluate_returns(data):
    x, y = data
    model = Two()
    model.compile(optimizer="sgd", loss=["mse", "mae"], metrics=[["mae"], ["mse"]])
    model.fit(x, (y, y), verbose=0)
    names = list(model.metrics_names)
    numbers, logs = (model.evaluate(x, (y, y), verbose=0, return_dict=one) for one in (0, 1))
    assert names == model.metrics_names
    assert numbers == [logs[name] for name in names]


def test_a_trained_model_gets_another_head(data):
    x, y = data
    model = keras.Sequential([L.Dense(4), L.Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    model.fit(x, y, verbose=0)
    kernel = model.layers[0].kernel.numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.pop()
        model.add(L.Dense(2))
        assert model.predict(x).shape == (64, 2)
        np.testing.assert_array_equal(model.layers[0].kernel.numpy(), kernel)
        model.fit(x, np.hstack([y, y]), verbose=0)
        model.compile(optimizer="sgd", loss="mse")
        model.fit(x, np.hstack([y, y]), verbose=0)


def test_a_layer_that_is_set_anew_takes_the_place_of_the_one_before(data):
    x, y = data
    model = Two()
    model.compile(optimizer="adam", loss=["mse", "mse"])
    model.fit(x, (y, y), verbose=0)
    first = model.first.kernel
    model.second = L.Dense(1)
    model.fit(x, (y, y), verbose=0)
    assert model.first.kernel is first
    assert [weight.path for weight in model.weights] == [
        "dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"
    ]


@pytest.mark.parametrize("axis", [-1, 1, None])
def test_a_normalization_adapts_to_data(axis, tmp_path):
    x = np.random.default_rng(1).normal(3, 2, size=(20, 3, 4)).astype("float32")
    others = {-1: (0, 1), 1: (0, 2), None: None}[axis]
    mean, deviation = x.mean(others, keepdims=True), x.std(others, keepdims=True)
    layer = L.Normalization(axis=axis)
    with pytest.raises(ValueError, match="call `layer.adapt"):
        layer(x)
    layer.adapt(x)
    np.testing.assert_allclose(layer(x).numpy(), (x - mean) / deviation, atol=1e-5)
    layer.adapt(tf.data.Dataset.from_tensor_slices(2 * x).batch(7))
    np.testing.assert_allclose(layer(2 * x).numpy(), (x - mean) / deviation, atol=1e-5)
    model = keras.Sequential([keras.Input(shape=(3, 4)), layer, L.Dense(1)])
    model.save(tmp_path / "model.keras")
    read = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(read.predict(x), model.predict(x))
