"""Losses, activations, initializers, regularizers and constraints of one's own, and models with
them that are saved and loaded."""

import numpy as np
import pytest

from endo import keras, tf

# What the programs define


def bent_loss(y_true, y_pred):
    """Huber's loss with a threshold of 1."""
    error = y_true - y_pred
    is_small = tf.abs(error) < 1.0
    return tf.where(is_small, tf.square(error) / 2, tf.abs(error) - 0.5)


def bent_loss_at(threshold=1.0):
    """Huber's loss with a threshold."""

    def bent(y_true, y_pred):
        error = y_true - y_pred
        is_small = tf.abs(error) < threshold
        return tf.where(
            is_small, tf.square(error) / 2, threshold * tf.abs(error) - threshold**2 / 2
        )

    return bent


class BentLoss(keras.losses.Loss):
    """Huber's loss, with its threshold in the configuration."""

    def __init__(self, threshold=1.0, **kwargs):
        self.threshold = threshold
        super().__init__(**kwargs)

    def call(self, y_true, y_pred):
        return bent_loss_at(self.threshold)(y_true, y_pred)

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold}


def smooth_relu(z):
    return tf.math.log(tf.exp(z) + 1.0)


def narrow_normal(shape, dtype=tf.float32):
    return tf.random.normal(shape, stddev=0.1, dtype=dtype)


def small_l1(weights):
    return tf.reduce_sum(tf.abs(0.02 * weights))


def only_positive(weights):
    return tf.where(weights < 0.0, tf.zeros_like(weights), weights)


class ScaledL1(keras.regularizers.Regularizer):
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, weights):
        return tf.reduce_sum(tf.abs(self.factor * weights))

    def get_config(self):
        return {"factor": self.factor}


class AtLeast(keras.constraints.Constraint):
    def __init__(self, least):
        self.least = least

    def __call__(self, weights):
        return tf.maximum(weights, self.least)

    def get_config(self):
        return {"least": self.least}


class Filled(keras.initializers.Initializer):
    def __init__(self, value):
        self.value = value

    def __call__(self, shape, dtype=None, **kwargs):
        return tf.fill(shape, self.value)

    def get_config(self):
        return {"value": self.value}


def numbers(rows=64, features=3, seed=0):
    """Inputs, and targets that are a line of them."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, features)).astype(np.float32)
    y = x @ np.array([[1.0], [-2.0], [0.5]], np.float32)[:features] + 0.3
    return x, y


def small_model(loss, **options):
    model = keras.models.Sequential(
        [
            keras.layers.Dense(8, activation="selu", kernel_initializer="lecun_normal",
                               input_shape=[3]),
            keras.layers.Dense(1),
        ]
    )
    model.compile(loss=loss, optimizer="nadam", **options)
    return model


# Losses


def test_a_loss_of_ones_own_has_the_hand_computed_values():
    values = bent_loss(tf.constant([0.0, 0.0, 0.0]), tf.constant([0.5, -1.0, 3.0]))
    assert values.numpy().tolist() == [0.125, 0.5, 2.5]


def test_a_function_is_a_loss_in_fit_and_evaluate():
    x, y = numbers()
    model = small_model(bent_loss, metrics=["mae"])
    history = model.fit(x, y, epochs=12, verbose=0, validation_data=(x, y))
    assert sorted(history.history) == ["loss", "mae", "val_loss", "val_mae"]
    assert history.history["loss"][-1] < history.history["loss"][0]
    loss, mae = model.evaluate(x, y, verbose=0)
    error = np.abs(y - model.predict(x))
    expected = np.where(error < 1, error**2 / 2, error - 0.5).mean()
    assert loss == pytest.approx(expected, rel=1e-5)
    assert mae == pytest.approx(error.mean(), rel=1e-5)


def test_a_configured_function_is_a_loss():
    x, y = numbers()
    model = small_model(bent_loss_at(2.0))
    error = np.abs(y - model.predict(x))
    expected = np.where(error < 2, error**2 / 2, 2 * error - 2).mean()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_a_loss_class_reduces_as_it_is_told():
    y_true, y_pred = np.zeros((4, 1), np.float32), np.array([[0.5], [-1.0], [3.0], [1.0]])
    y_pred = y_pred.astype(np.float32)
    values = [0.125, 0.5, 2.5, 0.5]
    assert BentLoss()(y_true, y_pred).numpy() == pytest.approx(np.mean(values))
    assert BentLoss(reduction="sum")(y_true, y_pred).numpy() == pytest.approx(np.sum(values))
    none = BentLoss(reduction=keras.losses.Reduction.NONE)(y_true, y_pred)
    np.testing.assert_allclose(np.ravel(none.numpy()), values)


def test_a_loss_class_is_weighted_by_samples():
    y_true, y_pred = np.zeros((2, 1), np.float32), np.array([[2.0], [4.0]], np.float32)
    value = BentLoss()(y_true, y_pred, sample_weight=np.array([1.0, 0.5], np.float32))
    assert value.numpy() == pytest.approx((1.5 * 1.0 + 3.5 * 0.5) / 2)


def test_the_configuration_of_a_loss_has_its_argument():
    config = BentLoss(2.0).get_config()
    assert config["threshold"] == 2.0
    assert config["name"] == "bent_loss"
    assert BentLoss.from_config(config).threshold == 2.0


def test_a_loss_without_super_is_an_error_that_says_so():
    class Forgetful(keras.losses.Loss):
        def __init__(self):
            self.scale = 1.0

        def call(self, y_true, y_pred):
            return y_pred

    with pytest.raises(RuntimeError, match=r"super\(\).__init__"):
        Forgetful()([1.0], [1.0])


# Saved and loaded


def same_after_loading(model, tmp_path, x, custom_objects):
    before = model.predict(x)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects=custom_objects)
    np.testing.assert_array_equal(loaded.predict(x), before)
    return loaded


def test_a_model_with_a_loss_function_is_loaded_and_trained_on(tmp_path):
    x, y = numbers()
    model = small_model(bent_loss, metrics=["mae"])
    model.fit(x, y, epochs=2, verbose=0)
    loaded = same_after_loading(model, tmp_path, x, {"bent_loss": bent_loss})
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    again = loaded.fit(x, y, epochs=2, verbose=0, shuffle=False).history["loss"]
    further = model.fit(x, y, epochs=2, verbose=0, shuffle=False).history["loss"]
    assert again == further


def test_a_configured_loss_is_given_by_its_name_when_loading(tmp_path):
    x, y = numbers()
    model = small_model(bent_loss_at(2.0))
    model.fit(x, y, epochs=1, verbose=0)
    loaded = same_after_loading(model, tmp_path, x, {"bent": bent_loss_at(2.0)})
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


def test_a_configured_loss_that_is_not_given_is_asked_for_by_name(tmp_path):
    x, y = numbers()
    model = small_model(bent_loss_at(2.0))
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "model.h5")
    with pytest.raises(ValueError, match=r"(?s)bent.*custom_objects"):
        keras.models.load_model(tmp_path / "model.h5")


def test_a_loss_class_is_loaded_with_its_argument(tmp_path):
    x, y = numbers()
    model = small_model(BentLoss(2.0))
    model.fit(x, y, epochs=1, verbose=0)
    loaded = same_after_loading(model, tmp_path, x, {"BentLoss": BentLoss})
    assert loaded.loss.threshold == 2.0


def test_a_model_can_be_loaded_without_what_it_was_compiled_with(tmp_path):
    x, y = numbers()
    model = small_model(bent_loss_at(2.0))
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "model")
    loaded = keras.models.load_model(tmp_path / "model", compile=False)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    with pytest.raises(RuntimeError, match="compile"):
        loaded.evaluate(x, y)


# Activations, initializers, regularizers, constraints


def test_functions_stand_where_names_stand():
    keras.utils.set_random_seed(3)
    layer = keras.layers.Dense(
        40,
        activation=smooth_relu,
        kernel_initializer=narrow_normal,
        kernel_regularizer=small_l1,
        kernel_constraint=only_positive,
    )
    x, _ = numbers()
    outputs = layer(x)
    kernel, bias = layer.get_weights()
    assert kernel.shape == (3, 40) and bias.tolist() == [0.0] * 40
    assert 0.05 < kernel.std() < 0.15
    np.testing.assert_allclose(outputs.numpy(), np.log(np.exp(x @ kernel) + 1), rtol=1e-5)


def test_the_penalty_of_a_function_is_part_of_the_loss():
    x, y = numbers()
    model = keras.models.Sequential(
        [keras.layers.Dense(1, kernel_regularizer=small_l1, input_shape=[3])]
    )
    model.compile(loss="mse", optimizer="sgd")
    kernel = model.layers[0].get_weights()[0]
    expected = np.square(y - model.predict(x)).mean() + np.abs(0.02 * kernel).sum()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_a_constraint_function_holds_after_training():
    x, y = numbers()
    model = keras.models.Sequential(
        [keras.layers.Dense(1, kernel_constraint=only_positive, input_shape=[3])]
    )
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(learning_rate=0.1))
    model.fit(x, y, epochs=5, verbose=0)
    kernel = model.layers[0].kernel.numpy()
    assert kernel.min() == 0.0 and kernel.max() > 0.5


def test_classes_with_a_configuration_are_saved(tmp_path):
    x, y = numbers()
    model = keras.models.Sequential(
        [
            keras.layers.Dense(
                4,
                activation=smooth_relu,
                kernel_initializer=Filled(0.5),
                kernel_regularizer=ScaledL1(0.01),
                kernel_constraint=AtLeast(0.1),
                input_shape=[3],
            ),
            keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant(0.25)),
        ]
    )
    model.compile(loss="mse", optimizer=keras.optimizers.Nadam(learning_rate=0.05))
    assert model.layers[0].get_weights()[0].tolist() == [[0.5] * 4] * 3
    model.fit(x, y, epochs=3, verbose=0)
    assert model.layers[0].get_weights()[0].min() >= np.float32(0.1)
    objects = {
        "smooth_relu": smooth_relu, "Filled": Filled, "ScaledL1": ScaledL1, "AtLeast": AtLeast
    }
    loaded = same_after_loading(model, tmp_path, x, objects)
    assert loaded.layers[0].kernel.regularizer.factor == 0.01
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    loaded.fit(x, y, epochs=3, verbose=0)
    assert loaded.layers[0].get_weights()[0].min() >= np.float32(0.1)


def test_named_functions_in_a_model_are_saved_without_their_classes(tmp_path):
    x, y = numbers()
    model = keras.models.Sequential(
        [
            keras.layers.Dense(
                4,
                activation=smooth_relu,
                kernel_initializer=narrow_normal,
                kernel_regularizer=small_l1,
                kernel_constraint=only_positive,
                input_shape=[3],
            ),
            keras.layers.Dense(1),
        ]
    )
    model.compile(loss="mse", optimizer="nadam")
    model.fit(x, y, epochs=1, verbose=0)
    objects = {
        one.__name__: one for one in (smooth_relu, narrow_normal, small_l1, only_positive)
    }
    loaded = same_after_loading(model, tmp_path, x, objects)
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


def test_built_in_objects_are_saved_with_their_options(tmp_path):
    x, _ = numbers()
    model = keras.models.Sequential(
        [
            keras.layers.Dense(
                4,
                activation="elu",
                kernel_initializer=keras.initializers.VarianceScaling(
                    scale=2.0, mode="fan_avg", distribution="uniform"
                ),
                kernel_regularizer=keras.regularizers.l2(0.01),
                bias_constraint=keras.constraints.max_norm(1.0),
                input_shape=[3],
            )
        ]
    )
    model.compile(loss="mse", optimizer="sgd")
    loaded = same_after_loading(model, tmp_path, x, None)
    kernel = model.layers[0].get_weights()[0]
    expected = 0.01 * np.square(kernel).sum()
    x0, y0 = x, model.predict(x)
    assert loaded.evaluate(x0, y0, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_a_loss_that_computes_in_its_own_call_operator_is_refused():
    class Own(keras.losses.Loss):
        def __call__(self, y_true, y_pred, sample_weight=None):
            return tf.reduce_mean(y_pred)

    with pytest.raises(NotImplementedError, match=r"Own.__call__.*\n.*def call"):
        keras.Sequential([keras.layers.Dense(1)]).compile("sgd", Own())


def test_the_cross_entropy_of_a_class_that_there_is_not_is_nan():
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits([1, 5, -1], [[0.0, 0.0]] * 3).numpy()
    assert losses[0] == pytest.approx(np.log(2.0)) and np.isnan(losses[1:]).all()
