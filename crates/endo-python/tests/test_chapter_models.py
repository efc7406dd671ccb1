"""Models of one's own: residual blocks, losses and metrics based on what is inside."""

import numpy as np
import pytest

from endo import keras, tf


class Residual(keras.layers.Layer):
    """Dense layers whose output is added to the input."""

    def __init__(self, n_layers, units, **kwargs):
        super().__init__(**kwargs)
        self.steps = [
            keras.layers.Dense(units, activation="elu", kernel_initializer="he_normal")
            for _ in range(n_layers)
        ]

    def call(self, inputs):
        outputs = inputs
        for layer in self.steps:
            outputs = layer(outputs)
        return inputs + outputs


class ResidualNet(keras.models.Model):
    def __init__(self, outputs, **kwargs):
        super().__init__(**kwargs)
        self.first = keras.layers.Dense(
            6, activation="elu", kernel_initializer="he_normal"
        )
        self.block1 = Residual(2, 6)
        self.block2 = Residual(2, 6)
        self.out = keras.layers.Dense(outputs)

    def call(self, inputs):
        hidden = self.first(inputs)
        for _ in range(1 + 2):
            hidden = self.block1(hidden)
        return self.out(self.block2(hidden))


class Rebuilding(keras.models.Model):
    """A net that also has to rebuild its inputs from its last hidden layer."""

    def __init__(self, outputs, **kwargs):
        super().__init__(**kwargs)
        self.hidden = [
            keras.layers.Dense(8, activation="selu", kernel_initializer="lecun_normal")
            for _ in range(3)
        ]
        self.out = keras.layers.Dense(outputs)
        self.rebuilding_mean = keras.metrics.Mean(name="rebuilding_error")

    def build(self, batch_input_shape):
        n_inputs = batch_input_shape[-1]
        self.rebuild = keras.layers.Dense(n_inputs)
        super().build(batch_input_shape)

    def call(self, inputs, training=None):
        hidden = inputs
        for layer in self.hidden:
            hidden = layer(hidden)
        rebuilt = self.rebuild(hidden)
        error = tf.reduce_mean(tf.square(rebuilt - inputs))
        self.add_loss(0.1 * error)
        if training:
            result = self.rebuilding_mean(error)
            self.add_metric(result)
        return self.out(hidden)


def numbers(rows=64, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3)).astype(np.float32)
    return x, x @ np.array([[1.0], [-2.0], [0.5]], np.float32) + 0.3


# Residual blocks


def test_a_block_that_is_applied_several_times_has_its_weights_once():
    x, _ = numbers()
    model = ResidualNet(1)
    model(x)
    # 2 of the first, 2 blocks of 2 layers, 2 of the last.
    assert len(model.weights) == 2 + 8 + 2
    assert model.count_params() == 3 * 6 + 6 + 4 * (6 * 6 + 6) + 6 + 1


def test_a_residual_net_computes_what_numpy_does():
    x, _ = numbers()
    model = ResidualNet(1)
    outputs = model(x).numpy()
    w = model.get_weights()

    def dense(z, place, elu=True):
        z = z @ w[place] + w[place + 1]
        return np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1) if elu else z

    z = dense(x, 0)
    for _ in range(3):
        z = z + dense(dense(z, 2), 4)
    z = z + dense(dense(z, 6), 8)
    np.testing.assert_allclose(outputs, dense(z, 10, elu=False), rtol=1e-4, atol=1e-5)


def test_a_residual_net_is_trained():
    x, y = numbers()
    model = ResidualNet(1)
    model.compile(loss="mse", optimizer="nadam")
    history = model.fit(x, y, epochs=15, verbose=0)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]


def test_a_residual_net_is_saved_by_its_weights(tmp_path):
    x, y = numbers()
    model = ResidualNet(1)
    model.compile(loss="mse", optimizer="nadam")
    model.fit(x, y, epochs=1, verbose=0)
    model.save_weights(tmp_path / "net.weights")
    other = ResidualNet(1)
    other.build((None, 3))
    other.load_weights(tmp_path / "net.weights")
    np.testing.assert_array_equal(other.predict(x), model.predict(x))


def test_a_block_stands_several_times_in_a_sequential():
    keras.utils.set_random_seed(5)
    x, y = numbers()
    block = Residual(2, 6)
    model = keras.models.Sequential(
        [
            keras.layers.Dense(6, activation="elu"),
            block, block, block,
            Residual(2, 6),
            keras.layers.Dense(1),
        ]
    )
    model.compile(loss="mse", optimizer="nadam")
    history = model.fit(x, y, epochs=15, verbose=0)
    assert len(model.weights) == 12
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]


def test_a_block_that_stands_several_times_is_one_when_loaded(tmp_path):
    class Configured(Residual):
        def __init__(self, n_layers, units, **kwargs):
            super().__init__(n_layers, units, **kwargs)
            self.sizes = {"n_layers": n_layers, "units": units}

        def get_config(self):
            return {**super().get_config(), **self.sizes}

    x, _ = numbers()
    block = Configured(1, 3)
    model = keras.models.Sequential([block, block, keras.layers.Dense(3), block])
    model(x)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(
        tmp_path / "model.keras", custom_objects={"Configured": Configured}
    )
    assert loaded.layers[0] is loaded.layers[1] is loaded.layers[3]
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


# A loss from inside


def test_a_loss_from_inside_is_part_of_fit_and_evaluate():
    x, y = numbers()
    model = Rebuilding(1)
    model.compile(loss="mse", optimizer="nadam")
    history = model.fit(x, y, epochs=4, verbose=0)
    assert "rebuilding_error" in history.history
    assert history.history["loss"][-1] < history.history["loss"][0]
    w = model.get_weights()
    # The weights are in the order in which the layers became attributes.
    selu = lambda z: 1.0507009873554805 * np.where(  # noqa: E731
        z > 0, z, 1.6732632423543772 * (np.exp(np.minimum(z, 0)) - 1)
    )
    z = x
    for place in (0, 2, 4):
        z = selu(z @ w[place] + w[place + 1])
    predicted = z @ w[6] + w[7]
    rebuilt = z @ w[8] + w[9]
    np.testing.assert_allclose(model.predict(x), predicted, rtol=1e-4, atol=1e-5)
    inside = 0.1 * np.square(rebuilt - x).mean()
    expected = np.square(predicted - y).mean() + inside
    # The metric is updated in training alone, so that a test has taken nothing in.
    assert model.evaluate(x, y, verbose=0) == pytest.approx([expected, 0.0], rel=1e-5)


def test_losses_are_those_of_the_last_call():
    x, _ = numbers()
    model = Rebuilding(1)
    model(x)
    (inside,) = model.losses
    assert inside.shape == ()
    model(np.zeros((2, 3), np.float32))
    assert model.losses[0].numpy() != inside.numpy()


def test_penalties_are_among_the_losses():
    model = keras.models.Sequential(
        [
            keras.layers.Dense(
                2, kernel_regularizer=keras.regularizers.l2(0.5), kernel_initializer="ones",
                input_shape=[3],
            ),
            keras.layers.Dense(1, kernel_regularizer="l2"),
        ]
    )
    model(np.ones((1, 3), np.float32))
    assert len(model.losses) == 2
    assert model.losses[0].numpy() == pytest.approx(0.5 * 6)


def test_the_metric_from_inside_is_the_mean_of_the_epoch():
    x, y = numbers()
    model = Rebuilding(1)
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(0.0))
    history = model.fit(x, y, epochs=2, verbose=0)
    model(x)
    error = model.losses[0].numpy() / 0.1
    assert history.history["rebuilding_error"] == pytest.approx([error, error], rel=1e-4)
    assert [one.name for one in model.metrics] == ["rebuilding_error"]


def test_a_size_that_build_takes_from_the_input_follows_it():
    model = Rebuilding(1)
    model(np.zeros((2, 5), np.float32))
    assert model.rebuild.kernel.shape == (8, 5)


def test_add_metric_reports_the_mean_of_a_value():
    class Watched(keras.models.Model):
        def __init__(self):
            super().__init__()
            self.out = keras.layers.Dense(1)

        def call(self, inputs):
            outputs = self.out(inputs)
            self.add_metric(tf.reduce_mean(inputs), name="mean_input", aggregation="mean")
            return outputs

    x, y = numbers()
    model = Watched()
    model.compile(loss="mse", optimizer="sgd")
    history = model.fit(x, y, epochs=1, verbose=0)
    assert history.history["mean_input"][0] == pytest.approx(x.mean(), abs=1e-6)


def test_a_metric_that_is_an_attribute_and_updated_in_call_is_reported():
    class Counted(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dead = keras.metrics.Mean(name="dead_units")

        def call(self, inputs):
            self.dead(tf.cast(inputs <= 0.0, tf.float32))
            return inputs

    x, y = numbers()
    model = keras.models.Sequential(
        [keras.layers.Dense(4, activation="relu"), Counted(), keras.layers.Dense(1)]
    )
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(0.0))
    history = model.fit(x, y, epochs=1, verbose=0)
    kernel, bias = model.layers[0].get_weights()
    dead = (x @ kernel + bias <= 0).mean()
    assert history.history["dead_units"][0] == pytest.approx(dead, abs=1e-6)


def test_a_metric_class_of_ones_own_can_be_held_by_a_model():
    class Largest(keras.metrics.Metric):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.most = self.add_weight("most")

        def update_state(self, values, sample_weight=None):
            self.most.assign(tf.maximum(self.most, tf.reduce_max(values)))

        def result(self):
            return self.most

    class Watched(keras.models.Model):
        def __init__(self):
            super().__init__()
            self.out = keras.layers.Dense(1)
            self.largest = Largest(name="largest")

        def call(self, inputs):
            self.largest.update_state(inputs)
            return self.out(inputs)

    x, y = numbers()
    model = Watched()
    model.compile(loss="mse", optimizer="sgd")
    history = model.fit(x, y, epochs=1, verbose=0)
    assert history.history["largest"] == [pytest.approx(x.max())]


def test_a_loss_from_inside_does_not_depend_on_the_batches():
    x, y = numbers(70)
    model = Rebuilding(1)
    model.compile(loss="mse", optimizer="sgd")
    whole = model.evaluate(x, y, verbose=0, batch_size=70)
    # The last batch has 6 rows: each batch counts by its rows.
    assert model.evaluate(x, y, verbose=0, batch_size=32) == pytest.approx(whole, rel=1e-5)


def test_a_function_is_no_loss_from_inside():
    class Wrong(keras.models.Model):
        def call(self, inputs):
            self.add_loss(lambda: 0.0)
            return inputs

    with pytest.raises(ValueError, match="compute the term in `call`"):
        Wrong()(np.ones((1, 1), np.float32))


@pytest.mark.parametrize("method", ["make_train_function", "make_test_function"])
def test_a_method_of_keras_that_would_not_be_called_is_refused(method):
    kind = type("Net", (keras.Model,), {method: lambda *_: None, "call": lambda self, x: x})
    model, x = kind(), np.ones((2, 1), np.float32)
    model.compile(loss="mse", optimizer="sgd")
    for act in (model.fit, model.evaluate, model.test_on_batch):
        with pytest.raises(NotImplementedError, match=f"Net.{method}` would not be called"):
            act(x, x)


# As a whole


def test_the_summary_lists_the_layers(capsys):
    model = keras.models.Sequential(
        [keras.layers.Dense(4, input_shape=[3], name="wide"), keras.layers.Dense(1, name="last")]
    )
    model.summary()
    text = capsys.readouterr().out
    assert "wide" in text and "last" in text and "21" in text
    lines = []
    model.summary(print_fn=lines.append)
    assert "wide" in "\n".join(lines)


def test_a_model_of_ones_own_is_saved_and_loaded_by_its_configuration(tmp_path):
    class Configured(Rebuilding):
        def __init__(self, outputs, **kwargs):
            super().__init__(outputs, **kwargs)
            self.outputs_wanted = outputs

        def get_config(self):
            return {**super().get_config(), "outputs": self.outputs_wanted}

    x, y = numbers()
    model = Configured(1)
    model.compile(loss="mse", optimizer="nadam", metrics=["mae"])
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(
        tmp_path / "model.keras", custom_objects={"Configured": Configured}
    )
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert loaded.evaluate(x, y, verbose=0)[:2] == model.evaluate(x, y, verbose=0)[:2]
    assert loaded.fit(x, y, epochs=1, verbose=0, shuffle=False).history == model.fit(
        x, y, epochs=1, verbose=0, shuffle=False
    ).history


class Scaled(keras.Model):
    """A model that is made with numbers, or with something else."""

    def __init__(self, factors, **kwargs):
        super().__init__(**kwargs)
        self.factors = factors
        self.dense = keras.layers.Dense(1)

    def call(self, inputs):
        return self.dense(inputs) * self.factors[0]


def test_a_model_that_is_made_with_numbers_is_saved_without_a_configuration_of_its_own(tmp_path):
    x, _ = numbers()
    model = Scaled([2.0, 3.0], name="scaled")
    model(x)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects={"Scaled": Scaled})
    assert (loaded.factors, loaded.name) == ([2.0, 3.0], "scaled")
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_a_model_whose_arguments_are_unknown_is_not_saved(tmp_path):
    x, _ = numbers()
    model = Scaled(np.array([2.0, 3.0], np.float32))
    model(x)
    with pytest.raises(NotImplementedError, match=r"(?s)`factors`.*get_config.*save_weights"):
        model.save(tmp_path / "model.keras")
    assert not (tmp_path / "model.keras").exists()
