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


_COPIES = [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]


@pytest.mark.parametrize("copied", _COPIES)
def test_models_and_layers_are_copied_with_their_weights(data, copied):
    x, y = data
    model = net(L.Dense(4, activation="relu"), L.Dense(1), metrics=["mae"])
    history = model.fit(x, y, verbose=0)
    again = copied(model)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    again.fit(x, y, verbose=0)
    assert not np.array_equal(again.predict(x), model.predict(x))
    layer = copied(model.layers[0])
    np.testing.assert_array_equal(layer(x).numpy(), model.layers[0](x).numpy())
    assert copied(L.Dense(3)).units == 3
    assert copied(history).history == history.history


@pytest.mark.parametrize("copied", _COPIES)
def test_tensors_variables_and_optimizers_are_copied(copied):
    tensor = copied(tf.constant([1, 2]))
    assert tensor.dtype == tf.int32 and tensor.numpy().tolist() == [1, 2]
    variable = tf.Variable([1.0, 2.0], name="v", trainable=False)
    other = copied(variable)
    variable.assign([3.0, 4.0])
    assert (other.name, other.trainable, other.numpy().tolist()) == ("v", False, [1.0, 2.0])
    optimizer = keras.optimizers.Adam(0.5)
    optimizer.apply([tf.constant([1.0, 1.0])], [tf.Variable([0.0, 0.0])])
    optimizer.learning_rate = 0.25
    again = copied(optimizer)
    assert float(again.learning_rate) == 0.25 and int(again.iterations.numpy()) == 1
    assert copied(keras.losses.Huber(2.0)).get_config() == keras.losses.Huber(2.0).get_config()


def test_a_layer_knows_its_shapes_once_it_was_called(data):
    layer = L.Dense(3)
    with pytest.raises(AttributeError, match="call it on data"):
        layer.output_shape
    layer(data[0])
    assert (layer.input_shape, layer.output_shape) == ((None, 8), (None, 3))
    model = net(layer)
    assert (model.input_shape, model.output_shape) == ((None, 8), (None, 3))
    assert [one.shape for one in model.inputs] == [(None, 8)]
    with pytest.raises(AttributeError, match="keras.Input"):
        L.Dense(1).output


class Added(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = L.Dense(2, kernel_regularizer=keras.regularizers.L2(0.5))

    def call(self, inputs):
        self.add_loss(3.0 * tf.reduce_sum(inputs * 0.0 + 1.0))
        return self.dense(inputs)


def test_losses_outside_of_a_call_are_of_the_weights_now(data):
    x, y = data
    model = Added()
    model.build((None, 8))

    def penalty():
        return 0.5 * float(np.square(model.dense.kernel.numpy()).sum())

    assert [float(loss) for loss in model.losses] == pytest.approx([penalty()])
    model(x[:1])
    model.dense.kernel.assign(2.0 * model.dense.kernel.numpy())
    assert [float(loss) for loss in model.losses] == pytest.approx([24.0, penalty()])
    model.compile(optimizer="sgd", loss="mse")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the term does not depend on weights
        model.fit(x, np.hstack([y, y]), verbose=0)
    assert float(model.losses[-1]) == pytest.approx(penalty())


def test_padding_is_read_in_upper_case():
    assert tuple(L.Conv2D(2, 3, padding="SAME")(np.ones((1, 5, 5, 1), "float32")).shape)[1] == 5


def test_an_embedding_ignores_its_input_length_with_a_warning():
    with pytest.warns(UserWarning, match="`input_length` does nothing"):
        layer = L.Embedding(5, 3, input_length=4)
    assert tuple(layer(np.zeros((1, 2), "int32")).shape) == (1, 2, 3)


@pytest.mark.parametrize(
    "monitor, validated, help",
    [
        ("val_los", True, "did you mean `val_loss`"),
        ("val_loss", False, "give fit validation_data"),
        ("val_accuracy", True, r"metrics=\['accuracy'\]"),
        ("accuracy", False, r"metrics=\['accuracy'\]"),
    ],
)
def test_a_monitor_that_is_not_reported_says_what_to_do(data, monitor, validated, help):
    x, y = data
    stop = keras.callbacks.EarlyStopping(monitor, mode="max")
    with pytest.raises(ValueError, match=help):
        validation = (x, y) if validated else None
        net(L.Dense(1)).fit(x, y, validation_data=validation, callbacks=[stop], verbose=0)


def test_terminate_on_nan_ends_fit_with_its_history(data, capsys):
    x, y = data
    model = net(L.Dense(1))
    model.optimizer.learning_rate = 1e20
    ended = []
    told = keras.callbacks.LambdaCallback(on_train_end=lambda logs: ended.append(1))
    x, y = x[:32], y[:32]
    callbacks = [keras.callbacks.TerminateOnNaN(), told]
    history = model.fit(x, y, epochs=5, callbacks=callbacks, verbose=0)
    assert len(history.history["loss"]) == 1 and ended == [1]
    assert "not finite" in capsys.readouterr().out


def test_the_number_of_a_scalar_is_one_of_numpys_and_hashable():
    assert type(tf.constant(1).numpy()) is np.int32
    assert type(tf.Variable(1.5).numpy()) is np.float32
    assert type(tf.constant(True).numpy()) is np.bool_
    assert {tf.constant(1).numpy(): "one"}[1] == "one"
