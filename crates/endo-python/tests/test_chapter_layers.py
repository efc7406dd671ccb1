"""Layers of one's own: functions, classes with weights, several inputs and outputs, training."""

import copy

import numpy as np
import pytest

import endo
from endo import keras, tf


class Linear(keras.layers.Layer):
    """A dense layer, written out."""

    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, batch_input_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=[batch_input_shape[-1], self.units],
            initializer="glorot_normal",
        )
        self.bias = self.add_weight(name="bias", shape=[self.units], initializer="zeros")
        super().build(batch_input_shape)

    def call(self, inputs):
        return self.activation(inputs @ self.kernel + self.bias)

    def compute_output_shape(self, batch_input_shape):
        return tf.TensorShape(batch_input_shape.as_list()[:-1] + [self.units])

    def get_config(self):
        config = super().get_config()
        return {
            **config,
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
        }


class SumAndProduct(keras.layers.Layer):
    def call(self, inputs):
        first, second = inputs
        return first + second, first * second

    def compute_output_shape(self, batch_input_shape):
        first, second = batch_input_shape
        return [first, second]


class Noisy(keras.layers.Layer):
    """Normal noise in training alone."""

    def __init__(self, stddev, **kwargs):
        super().__init__(**kwargs)
        self.stddev = stddev

    def call(self, inputs, training=None):
        if training:
            return inputs + tf.random.normal(tf.shape(inputs), stddev=self.stddev)
        return inputs

    def compute_output_shape(self, batch_input_shape):
        return batch_input_shape


def numbers(rows=64, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3)).astype(np.float32)
    return x, x @ np.array([[1.0], [-2.0], [0.5]], np.float32) + 0.3


# Lambda


def test_a_lambda_layer_is_a_function():
    layer = keras.layers.Lambda(lambda x: tf.exp(x))
    np.testing.assert_allclose(layer([-1.0, 0.0, 1.0]).numpy(), np.exp([-1.0, 0.0, 1.0]), rtol=1e-6)


def test_a_lambda_layer_ends_a_model():
    x, y = numbers()
    model = keras.models.Sequential(
        [
            keras.layers.Dense(6, activation="relu", input_shape=[3]),
            keras.layers.Dense(1),
            keras.layers.Lambda(tf.exp),
        ]
    )
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(learning_rate=1e-3))
    model.fit(x, np.exp(y), epochs=2, verbose=0)
    assert model.predict(x).min() > 0


def test_a_lambda_layer_of_a_named_function_is_saved(tmp_path):
    x, _ = numbers()
    model = keras.models.Sequential(
        [keras.layers.Dense(1, input_shape=[3]), keras.layers.Lambda(cubed)]
    )
    model.compile(loss="mse", optimizer="sgd")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects={"cubed": cubed})
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def cubed(x):
    return x**3


# A layer with weights


def test_a_layer_makes_its_weights_on_its_first_call():
    layer = Linear(4, activation="relu")
    assert layer.weights == []
    x, _ = numbers()
    outputs = layer(x)
    assert [one.name for one in layer.weights] == ["kernel", "bias"]
    kernel, bias = layer.get_weights()
    expected = np.maximum(x @ kernel + bias, 0)
    np.testing.assert_allclose(outputs.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_layer_says_the_shape_of_its_output():
    layer = Linear(4)
    assert layer.compute_output_shape(tf.TensorShape([None, 3])).as_list() == [None, 4]


def test_the_shape_of_an_output_is_found_by_calling_where_nobody_says_it():
    assert keras.layers.Dense(5).compute_output_shape((None, 3)) == (None, 5)


def test_a_layer_of_ones_own_trains_as_the_libraries_does():
    x, y = numbers()
    of_library = keras.models.Sequential(
        [keras.layers.Dense(6, activation="selu", input_shape=[3]), keras.layers.Dense(1)]
    )
    own = keras.models.Sequential([Linear(6, activation="selu", input_shape=[3]), Linear(1)])
    own.set_weights(of_library.get_weights())
    losses = []
    for model in (of_library, own):
        model.compile(loss="mse", optimizer="nadam")
        losses.append(model.fit(x, y, epochs=3, verbose=0, shuffle=False).history["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_layer_is_made_again_from_its_configuration():
    config = Linear(4, activation="relu", name="first").get_config()
    assert config == {"name": "first", "units": 4, "activation": "relu"}
    again = Linear.from_config(config)
    assert again.units == 4 and again.name == "first"
    assert again.activation([-1.0, 2.0]).numpy().tolist() == [0.0, 2.0]


def test_a_model_of_layers_of_ones_own_is_saved_and_loaded(tmp_path):
    x, y = numbers()
    model = keras.models.Sequential([Linear(6, activation="relu", input_shape=[3]), Linear(1)])
    model.compile(loss="mse", optimizer="nadam")
    model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects={"Linear": Linear})
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


def test_a_custom_activation_by_name_is_found_among_the_custom_objects(tmp_path):
    x, _ = numbers()
    model = keras.models.Sequential([Linear(2, activation=cubed, input_shape=[3])])
    model.compile(loss="mse", optimizer="sgd")
    model.save(tmp_path / "model.keras")
    objects = {"Linear": Linear, "cubed": cubed}
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects=objects)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    with keras.utils.custom_object_scope(objects):
        assert keras.activations.get("cubed") is cubed


def test_registered_classes_need_no_custom_objects(tmp_path):
    @keras.utils.register_keras_serializable()
    class Doubled(keras.layers.Layer):
        def call(self, inputs):
            return 2.0 * inputs

    model = keras.models.Sequential([Doubled(input_shape=[3]), keras.layers.Dense(1)])
    model.compile(loss="mse", optimizer="sgd")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0]) is Doubled


def test_a_first_value_of_ones_own_is_taken_within_a_trace():
    class Scaled(keras.layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight(
                "scale", shape=[input_shape[-1]], initializer=lambda shape: tf.fill(shape, 3.0)
            )

        def call(self, inputs):
            return inputs * self.scale

    model = keras.models.Sequential([Scaled(input_shape=[2])])
    assert model.predict(np.ones((1, 2), np.float32)).tolist() == [[3.0, 3.0]]


def test_weights_of_ones_own_have_regularizers_and_constraints():
    class Held(keras.layers.Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight(
                "kernel", shape=[3, 1], initializer="ones",
                regularizer=keras.regularizers.l2(0.1), constraint=keras.constraints.non_neg(),
            )
            super().build(input_shape)

        def call(self, inputs):
            return inputs @ self.kernel

    x, y = numbers()
    model = keras.models.Sequential([Held(input_shape=[3])])
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(0.1))
    expected = np.square(x.sum(1, keepdims=True) - y).mean() + 0.3
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)
    model.fit(x, y, epochs=10, verbose=0)
    assert model.get_weights()[0].min() == 0.0


# Several inputs and outputs


def test_a_layer_takes_and_returns_several_tensors():
    total, product = SumAndProduct()((tf.constant([[2.0, 3.0]]), tf.constant([[4.0, 5.0]])))
    assert total.numpy().tolist() == [[6.0, 8.0]]
    assert product.numpy().tolist() == [[8.0, 15.0]]


def test_a_layer_of_several_inputs_says_its_shapes():
    shapes = SumAndProduct().compute_output_shape([(None, 2), (None, 2)])
    assert shapes == [(None, 2), (None, 2)]


def test_a_model_splits_its_inputs_for_a_layer_of_two():
    class TwoPaths(keras.models.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.left = keras.layers.Dense(4, activation="selu")
            self.right = keras.layers.Dense(4, activation="selu")
            self.both = SumAndProduct()
            self.join = keras.layers.Concatenate()
            self.out = keras.layers.Dense(1)

        def call(self, inputs):
            wide, deep = inputs
            total, product = self.both((self.left(wide), self.right(deep)))
            return self.out(self.join([total, product]))

    x, y = numbers()
    model = TwoPaths()
    model.compile(loss="mse", optimizer="nadam")
    history = model.fit((x[:, :2], x[:, 1:]), y, epochs=4, verbose=0,
                        validation_data=((x[:, :2], x[:, 1:]), y))
    assert history.history["val_loss"][-1] < history.history["val_loss"][0]
    assert model.predict((x[:, :2], x[:, 1:])).shape == (64, 1)


# Training


def test_noise_is_added_in_training_alone():
    layer = Noisy(1.0)
    x = np.zeros((200, 2), np.float32)
    assert layer(x).numpy().tolist() == x.tolist()
    noise = layer(x, training=True).numpy()
    assert abs(noise.mean()) < 0.2 and 0.8 < noise.std() < 1.2


def test_fit_trains_and_predict_does_not():
    x, y = numbers()
    model = keras.models.Sequential(
        [Noisy(1.0, input_shape=[3]), keras.layers.Dense(1, kernel_initializer="ones")]
    )
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(0.0))
    np.testing.assert_allclose(model.predict(x), x.sum(1, keepdims=True), rtol=1e-4, atol=1e-5)
    plain = model.evaluate(x, y, verbose=0)
    noisy = model.fit(x, y, epochs=2, verbose=0).history["loss"]
    assert plain == pytest.approx(np.square(x.sum(1, keepdims=True) - y).mean(), rel=1e-5)
    assert noisy[0] > plain + 0.5 and noisy[0] != noisy[1]


# What cannot work


def test_a_subclass_of_a_native_layer_changes_its_call():
    class Centred(keras.layers.Dense):
        def call(self, inputs):
            return super().call(inputs - tf.reduce_mean(inputs))

    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    layer = Centred(2, kernel_initializer="ones", name="centred")
    np.testing.assert_allclose(layer(x), (x - x.mean()) @ np.ones((3, 2)), atol=1e-6)
    assert layer.units == 2 and layer.kernel.shape == (3, 2) and len(layer.weights) == 2
    model = keras.models.Sequential([layer, keras.layers.Dense(1)])
    model.compile(loss="mse", optimizer="sgd")
    model.fit(x, x[:, :1], verbose=0)
    assert (layer.kernel.numpy() != 1.0).all() and layer.get_config()["units"] == 2
    layer.trainable = False
    assert len(model.trainable_weights) == 2
    twin = copy.deepcopy(model)
    np.testing.assert_array_equal(twin.predict(x), model.predict(x))


def test_dropout_that_always_drops_is_saved_and_read(tmp_path):
    class AlwaysDropout(keras.layers.Dropout):
        def call(self, inputs):
            return super().call(inputs, training=True)

    model = keras.models.Sequential([AlwaysDropout(0.5, input_shape=[100])])
    x = np.ones((1, 100), np.float32)
    drawn = [model.predict(x) for _ in range(2)]
    assert all(20 < (one == 0).sum() < 80 for one in drawn) and (drawn[0] != drawn[1]).any()
    inputs = keras.layers.Input((100,))
    model = keras.Model(inputs, keras.layers.Dense(1)(AlwaysDropout(rate=0.25)(inputs)))
    model.save(tmp_path / "model.endo")
    objects = {"AlwaysDropout": AlwaysDropout}
    again = keras.models.load_model(tmp_path / "model.endo", custom_objects=objects)
    assert again.layers[1].rate == 0.25 and (again.predict(x) != again.predict(x)).any()


def test_a_subclass_of_a_native_layer_that_cannot_be_changed_is_refused():
    class Summed(keras.layers.Normalization):
        def call(self, inputs):
            return tf.reduce_sum(super().call(inputs))

    with pytest.raises(NotImplementedError, match=r"(?s)Summed.call.*keras\.layers\.Normal"):
        Summed(mean=[0.0], variance=[1.0])


def test_a_layer_without_super_says_so():
    class Forgetful(keras.layers.Layer):
        def __init__(self):
            self.inner = keras.layers.Dense(1)

    with pytest.raises(RuntimeError, match=r"super\(\).__init__"):
        Forgetful()


def test_a_layer_that_returns_nothing_says_so():
    class Silent(keras.layers.Layer):
        def call(self, inputs):
            tf.exp(inputs)

    with pytest.raises(ValueError, match="return"):
        Silent()(tf.constant([1.0]))


def test_a_wrong_shape_names_the_layer():
    layer = Linear(4, name="wide")
    layer(np.ones((2, 3), np.float32))
    with pytest.raises(endo.ShapeError, match="wide"):
        layer(np.ones((2, 5), np.float32))


def test_a_layer_by_itself_keeps_no_losses_and_says_who_does():
    for layer in (Linear(2), keras.layers.Dense(2, kernel_regularizer="l2")):
        layer(np.ones((2, 3), np.float32))
        with pytest.raises(NotImplementedError, match="keras.Model"):
            layer.losses
