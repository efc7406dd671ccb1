"""Models made of symbolic inputs and outputs, `keras.Model(inputs, outputs)`.

Numbers are those of Keras 3.15 with the same weights.
"""

import copy

import numpy as np
import pytest

import endo
from endo import keras, tf

L = keras.layers
X = np.random.default_rng(5).normal(size=(10, 6)).astype(np.float32)
Y = np.cos(X[:, :1]).astype(np.float32)


def filled(model, seed):
    """The model, with weights that follow a seed."""
    random = np.random.default_rng(seed)
    model.set_weights(
        [random.normal(size=one.shape).astype(np.float32) * 0.3 for one in model.get_weights()]
    )
    return model


def wide_and_deep():
    wide, deep = L.Input(shape=[3], name="wide"), L.Input(shape=[3], name="deep")
    hidden = L.Dense(4, activation="tanh")(L.Dense(5, activation="relu")(deep))
    main = L.Dense(1, name="main")(L.concatenate([wide, hidden]))
    return keras.Model(inputs=[wide, deep], outputs=[main, L.Dense(1, name="aux")(hidden)])


def plain(**options):
    inputs = keras.Input((6,))
    hidden = L.Dense(4, activation="tanh", name="hidden")(inputs)
    model = keras.Model(inputs, L.Dense(1)(hidden))
    model.compile(**{"optimizer": keras.optimizers.SGD(0.1), "loss": "mse", **options})
    return model


def test_inputs_and_outputs_stand_in_lists_and_layers_in_kerass_order():
    model = filled(wide_and_deep(), 0)
    assert [layer.name for layer in model.layers] == [
        "deep", "dense", "wide", "dense_1", "concatenate", "main", "aux",
    ]  # fmt: skip
    main, aux = model.predict([X[:, :3], X[:, 3:]])
    np.testing.assert_allclose(main[:3, 0], [-0.2403187, 0.0468866, -0.3360698], atol=1e-6)
    np.testing.assert_allclose(aux[:3, 0], [0.1306417, 0.2221578, 0.0921981], atol=1e-6)


def test_a_model_with_several_outputs_trains_as_keras_does():
    model = filled(wide_and_deep(), 0)
    sgd = keras.optimizers.SGD(0.1)
    model.compile(optimizer=sgd, loss=["mse", "mae"], loss_weights=[0.9, 0.1])
    history = model.fit(
        [X[:, :3], X[:, 3:]], [Y, Y], epochs=2, batch_size=5, shuffle=False, verbose=0
    )
    np.testing.assert_allclose(history.history["loss"], [0.7567309, 0.3217100], rtol=1e-5)


def test_inputs_are_given_by_their_names():
    model = filled(wide_and_deep(), 0)
    parts = {"deep": X[:, 3:], "wide": X[:, :3]}
    listed = model.predict([X[:, :3], X[:, 3:]])
    np.testing.assert_array_equal(model.predict(parts)[0], listed[0])
    with pytest.raises(ValueError, match="none for wide"):
        model.predict({"deep": X[:, 3:], "other": X[:, :3]})
    with pytest.raises(ValueError, match="2 inputs"):
        model.predict([X[:, :3]])


def test_batches_of_inputs_by_name_go_to_the_inputs_of_these_names():
    model = filled(wide_and_deep(), 0)
    model.compile("sgd", ["mse", "mse"])
    parts = {"deep": X[:, 3:], "wide": X[:, :3]}
    expected = model.evaluate([X[:, :3], X[:, 3:]], [Y, Y], verbose=0)
    data = tf.data.Dataset.from_tensor_slices((parts, (Y, Y))).batch(10)
    assert model.evaluate(data, verbose=0) == expected


def test_a_call_gets_the_dictionary_that_a_data_set_has():
    class Summing(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = L.Dense(1)

        def call(self, inputs):
            return self.head(inputs["b"] + 2.0 * inputs["a"])

    model = Summing()
    model.compile("sgd", "mse")
    parts = {"a": X[:, :3], "b": X[:, 3:]}
    model.fit(tf.data.Dataset.from_tensor_slices((parts, Y)).batch(5), verbose=0)
    expected = model.head(X[:, 3:] + 2.0 * X[:, :3]).numpy()
    np.testing.assert_allclose(model.predict(parts), expected, rtol=1e-5, atol=1e-6)


def test_losses_are_chosen_by_the_names_of_outputs():
    model = wide_and_deep()
    model.compile("sgd", loss={"main": "mse", "aux": "mae"}, metrics={"main": ["mae"]})
    history = model.fit([X[:, :3], X[:, 3:]], [Y, Y], verbose=0).history
    assert {"loss", "main_mae"} <= set(history)


def test_dictionaries_go_in_and_come_out():
    inputs = {"a": keras.Input((2,)), "b": keras.Input((4,))}
    joined = L.Concatenate()([inputs["a"], inputs["b"]])
    model = keras.Model(inputs, {"one": L.Dense(1)(joined), "two": L.Dense(2)(inputs["b"])})
    found = model.predict({"a": X[:, :2], "b": X[:, 2:]})
    assert found["one"].shape == (10, 1) and found["two"].shape == (10, 2)
    model.compile("sgd", loss={"one": "mse", "two": "mse"})
    data = tf.data.Dataset.from_tensor_slices(
        ({"a": X[:, :2], "b": X[:, 2:]}, {"one": Y, "two": X[:, :2]})
    )
    assert np.isfinite(model.fit(data.batch(5), verbose=0).history["loss"]).all()


def test_a_layer_called_twice_has_one_set_of_weights():
    inputs = keras.Input((6,))
    shared = L.Dense(6, activation="elu")
    outputs = shared(shared(inputs)) + inputs
    branches = [L.Dense(2)(inputs), L.Dense(3)(L.LayerNormalization()(outputs))]
    model = filled(keras.Model(inputs, L.Concatenate()(branches)), 1)
    assert [list(one.shape) for one in model.get_weights()] == [
        [6, 6], [6], [6], [6], [6, 2], [2], [6, 3], [3],
    ]  # fmt: skip
    expected = [-0.7324893, 0.1587037, -0.1385422, -0.1695599, 0.2493689]
    np.testing.assert_allclose(model.predict(X).ravel()[:5], expected, atol=1e-6)


def test_operators_and_functions_of_tf_are_part_of_a_model():
    inputs = keras.Input((6,))
    outputs = tf.square(inputs)[:, 1:3] * 2.0 - 1.0 / (1.0 + tf.exp(-inputs[:, :2]))
    outputs = tf.concat([outputs, tf.reduce_mean(inputs, axis=1, keepdims=True)], -1)
    model = keras.Model(inputs, [outputs, keras.activations.relu(-inputs)])
    found, positive = model.predict(X)
    expected = np.square(X)[:, 1:3] * 2 - 1 / (1 + np.exp(-X[:, :2]))
    np.testing.assert_allclose(found[:, :2], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[:, 2], X.mean(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(positive, np.maximum(-X, 0))
    rows = tf.cast(tf.shape(inputs)[0], tf.float32)
    assert keras.Model(inputs, rows)(X) == 10 and tf.shape(inputs)[0].shape == ()


def test_arrays_and_tensors_meet_symbolic_ones_on_both_sides():
    inputs = keras.Input((6,))
    factors = np.arange(6.0, dtype=np.float32)
    outputs = factors * inputs + tf.constant(factors) - tf.constant(1.0) * inputs
    found = keras.Model(inputs, outputs).predict(X)
    np.testing.assert_allclose(found, factors * X + factors - X, rtol=1e-5, atol=1e-6)


def test_a_variable_that_a_function_takes_is_trained():
    scale = tf.Variable(1.0, name="scale")
    inputs = keras.Input((6,))
    model = keras.Model(inputs, tf.reduce_mean(inputs, axis=1, keepdims=True) * scale)
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert float(scale) != 1.0 and [one.name for one in model.trainable_weights] == ["scale"]
    with pytest.raises(NotImplementedError, match="`scale`(.|\n)*add_weight"):
        model.save("never.endo")


def test_a_model_is_a_layer_of_another():
    inputs = keras.Input((6,))
    inner = keras.Model(inputs, L.Dense(6, activation="elu")(inputs) + inputs)
    outer = keras.Input((6,))
    model = keras.Model(outer, L.Dense(1)(inner(inner(outer)) * 2 - 1))
    assert len(model.weights) == 4 and inner in model.layers
    expected = inner.predict(inner.predict(X)) * 2 - 1
    expected = expected @ model.layers[-1].kernel.numpy() + model.layers[-1].bias.numpy()
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-5)


def test_a_model_is_cut_out_of_another():
    model = plain()
    hidden = keras.Model(model.input, model.get_layer("hidden").output)
    weights = [one.numpy() for one in model.get_layer("hidden").weights]
    expected = np.tanh(X @ weights[0] + weights[1])
    np.testing.assert_allclose(hidden.predict(X), expected, rtol=1e-4, atol=1e-6)
    rest = keras.Model(model.get_layer("hidden").output, model.output)
    np.testing.assert_allclose(rest.predict(expected), model.predict(X), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("first", [[keras.Input((6,))], []])
def test_a_model_is_cut_out_of_a_sequential(first):
    model = keras.Sequential([*first, L.Dense(4, activation="tanh"), L.Dense(1)])
    model(X)
    hidden = keras.Model(inputs=model.inputs, outputs=model.layers[0].output)
    expected = np.tanh(X @ model.layers[0].kernel.numpy() + model.layers[0].bias.numpy())
    np.testing.assert_allclose(hidden.predict(X), expected, rtol=1e-4, atol=1e-6)


def test_a_sequential_that_saw_no_data_has_no_symbolic_tensors():
    with pytest.raises(AttributeError, match="keras.Input"):
        keras.Sequential([L.Dense(1)]).output


def test_a_subclass_hands_inputs_and_outputs_on():
    class Net(keras.Model):
        def __init__(self, units, **options):
            inputs = keras.Input((6,))
            super().__init__(inputs=inputs, outputs=L.Dense(units)(inputs), **options)
            self.units = units

    model = Net(3, name="net")
    assert model.name == "net" and model.output_shape == (None, 3)
    assert model.predict(X).shape == (10, 3)


def test_a_model_and_its_layers_know_their_symbolic_tensors():
    model = plain()
    assert model.input.shape == (None, 6) and model.output.shape == (None, 1)
    assert model.inputs == [model.input] and len(model.outputs) == 1
    assert model.get_layer("hidden").output.shape == (None, 4)
    assert model.get_layer("hidden").input is model.input
    assert keras.utils.is_keras_tensor(model.output) and not keras.utils.is_keras_tensor(X)


def test_the_summary_shows_the_layers(capsys):
    plain().summary()
    text = capsys.readouterr().out
    assert "hidden (Dense)" in text and "dense (Dense)" in text and "33 parameters" in text


def test_weights_are_there_before_data_is():
    assert [list(one.shape) for one in plain().weights] == [[6, 4], [4], [4, 1], [1]]


def test_sizes_that_are_open_stay_open(capsys):
    inputs = keras.Input((None,), dtype="int32")
    steps = L.LSTM(3, return_sequences=True)(L.Embedding(10, 4, mask_zero=True)(inputs))
    assert steps.shape == (None, None, 3) and tf.reduce_mean(steps, 1).shape == (None, 3)
    model = filled(keras.Model(inputs, L.Dense(1)(L.LSTM(2)(steps))), 4)
    long = model.predict(np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 0]]))
    short = model.predict(np.array([[1, 2, 3]]))
    np.testing.assert_allclose(long[0], short[0], rtol=1e-5)
    assert model.input_shape == (None, None) and model.layers[1].output_shape == (None, None, 4)
    model.summary()
    text = capsys.readouterr().out
    assert "[batch, None, 4]" in text and "160" not in text


def test_images_go_through_convolutions_and_normalizations():
    inputs = keras.Input((8, 8, 2))
    first = L.Conv2D(3, 3, padding="same", activation="relu")(inputs)
    merged = L.MaxPooling2D()(L.Add()([first, L.BatchNormalization()(first)]))
    outputs = L.Dense(2, activation="softmax")(L.GlobalAveragePooling2D()(merged))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy")
    x = np.random.default_rng(0).normal(size=(16, 8, 8, 2)).astype(np.float32)
    model.fit(x, np.arange(16) % 2, epochs=2, verbose=0)
    np.testing.assert_allclose(model.predict(x).sum(1), np.ones(16), rtol=1e-5)


def test_dropout_drops_in_training_alone():
    inputs = keras.Input((6,))
    model = keras.Model(inputs, L.Dropout(0.5)(inputs))
    np.testing.assert_array_equal(model.predict(X), X)
    assert (model(X, training=True).numpy() == 0).any()


def test_a_part_that_is_frozen_stays_as_it_is():
    inputs = keras.Input((6,))
    base = keras.Model(inputs, L.BatchNormalization()(L.Dense(4)(inputs)))
    base.trainable = False
    outer = keras.Input((6,))
    model = keras.Model(outer, L.Dense(1)(base(outer, training=False)))
    model.compile("sgd", "mse")
    before = base.get_weights()
    model.fit(X, Y, verbose=0)
    for old, new in zip(before, base.get_weights()):
        np.testing.assert_array_equal(old, new)
    assert len(model.trainable_weights) == 2


def test_all_layers_can_be_looked_into_at_once():
    model = plain()
    parts = keras.Model(model.inputs, [layer.output for layer in model.layers]).predict(X)
    assert [part.shape for part in parts] == [(10, 6), (10, 4), (10, 1)]
    np.testing.assert_array_equal(parts[0], X)


def test_a_call_says_training_for_its_layer():
    inputs = keras.Input((6,))
    model = keras.Model(inputs, L.Dropout(0.5)(inputs, training=True))
    assert (model.predict(X) == 0).any()


def test_terms_and_metrics_of_symbolic_tensors_are_added_afterwards():
    inputs = keras.Input((6,))
    hidden = L.Dense(4, activation="tanh")(inputs)
    model = keras.Model(inputs, L.Dense(1)(hidden))
    difference = L.Dense(6, name="decoder")(hidden) - inputs
    model.add_loss(0.05 * tf.reduce_mean(tf.square(difference)), name="reconstruction")
    model.add_metric(tf.reduce_mean(tf.abs(difference)), name="error", aggregation="mean")
    assert model.get_layer("decoder") in model.layers and len(model.weights) == 6
    model.compile("nadam", "mse")
    before = model.get_layer("decoder").kernel.numpy()
    history = model.fit(X, Y, verbose=0).history
    assert (model.get_layer("decoder").kernel.numpy() != before).any()
    expected = np.square(model(X).numpy() - Y).mean() + 0.05 * _reconstruction(model)
    found = model.evaluate(X, Y, return_dict=True, verbose=0)
    assert set(history) == {"loss", "main", "reconstruction", "error"}
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="no name"):
        model.add_metric(tf.reduce_mean(difference))


def _reconstruction(model):
    hidden = np.tanh(X @ model.layers[1].kernel.numpy() + model.layers[1].bias.numpy())
    decoder = model.get_layer("decoder")
    return np.square(hidden @ decoder.kernel.numpy() + decoder.bias.numpy() - X).mean()


def test_a_layer_s_own_terms_count_in_a_model_of_inputs_and_outputs():
    class Penalized(L.Layer):
        def call(self, inputs):
            self.add_loss(tf.reduce_mean(inputs), name="mean")
            return inputs

    inputs = keras.Input((6,))
    model = keras.Model(inputs, L.Dense(1)(Penalized()(L.Dense(2)(inputs))))
    model.compile("sgd", "mse")
    assert "mean" in model.fit(X, Y, verbose=0).history


def test_it_is_saved_and_made_again(tmp_path):
    inputs = keras.Input((6,), name="rows")
    shared = L.Dense(6, activation="elu")
    hidden = shared(shared(inputs))[:, 1:, None] * np.float32(2.0)
    hidden = L.Flatten()(tf.concat([hidden, tf.nn.relu(-hidden)], axis=1))
    model = keras.Model(inputs, {"sum": L.Dense(1, name="sum")(hidden)}, name="saved")
    model.add_loss(tf.reduce_mean(tf.square(hidden)))
    model.compile("adam", {"sum": "mse"}, metrics={"sum": ["mae"]})
    model.fit(X, {"sum": Y}, verbose=0)
    model.save(tmp_path / "model.endo")
    again = keras.models.load_model(tmp_path / "model.endo")
    np.testing.assert_array_equal(again.predict(X)["sum"], model.predict(X)["sum"])
    ours, theirs = (one.evaluate(X, {"sum": Y}, return_dict=True) for one in (model, again))
    assert ours == theirs and again.name == "saved" and again.input.name == "rows"
    first, second = (
        one.fit(X, {"sum": Y}, shuffle=False, verbose=0).history for one in (model, again)
    )
    assert first == second


def test_it_is_cloned_and_copied():
    model = plain()
    clone, twin = keras.models.clone_model(model), copy.deepcopy(model)
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    assert (clone.predict(X) != model.predict(X)).any()
    assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]


def test_it_is_exported_without_python(tmp_path):
    model = plain()
    model.export(tmp_path / "model.plan")
    assert (tmp_path / "model.plan").stat().st_size > 0


def test_a_tf_function_on_symbolic_tensors_is_noted_by_its_operations():
    @tf.function
    def doubled(x):
        return x * 2.0

    inputs = keras.Input((6,))
    np.testing.assert_array_equal(keras.Model(inputs, doubled(inputs)).predict(X), X * 2)


# Mistakes


def test_a_wrong_shape_names_the_layer_and_the_operation_where_it_stands():
    with pytest.raises(endo.ShapeError):
        keras.Input((6,)) + keras.Input((5,))
    with pytest.raises(ValueError, match="rank|axes|shape"):
        L.Conv2D(3, 3)(keras.Input((6,)))


def test_data_of_another_shape_is_refused_by_the_name_of_the_input():
    model = plain()
    with pytest.raises(endo.ShapeError, match=r"input_layer.*\[None, 6\].*given \[10, 5\]"):
        model.predict(X[:, :5])


def test_outputs_that_need_another_input_are_refused():
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    with pytest.raises(ValueError, match="depend on the input `b`"):
        keras.Model(a, a + b)


def test_two_layers_of_one_name_are_refused():
    inputs = keras.Input((6,))
    with pytest.raises(ValueError, match="called `same`"):
        keras.Model(inputs, L.Dense(1, name="same")(L.Dense(2, name="same")(inputs)))


def test_what_is_no_symbolic_tensor_makes_no_model():
    inputs = keras.Input((6,))
    for given in ((inputs, X), (X, inputs), ([], inputs), (inputs, [])):
        with pytest.raises(ValueError, match="symbolic|empty"):
            keras.Model(*given)
    with pytest.raises(TypeError, match="lacks `outputs`"):
        keras.Model(inputs)


def test_a_symbolic_tensor_has_no_numbers():
    tensor = keras.Input((6,))
    for use in (bool, float, int, len, lambda x: [1][x]):
        with pytest.raises(TypeError, match="before it is data"):
            use(tensor)
    with pytest.raises(AttributeError, match="no numbers"):
        tensor.numpy()
    with pytest.raises(TypeError, match="symbolic"):
        tf.Variable(tensor)
    with pytest.raises(TypeError):
        np.square(tensor)


def test_a_model_that_is_a_class_takes_no_symbolic_terms():
    class Net(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="compute the term in `call`"):
        Net().add_loss(tf.reduce_mean(keras.Input((6,))))


def test_a_model_without_a_call_says_so():
    with pytest.raises(NotImplementedError, match="has no `call`"):
        keras.Model()(X)
