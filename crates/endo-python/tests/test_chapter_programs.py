"""Whole programs: the numbers of Keras, and what a reader of the chapter writes as exercises."""

import numpy as np
import pytest

import endo
from endo import keras, tf


def numbers():
    x = np.sin(np.arange(60, dtype=np.float32).reshape(20, 3))
    y = x[:, :1] * 1.5 - x[:, 1:2] * x[:, 2:] + 0.25
    return x, y.astype(np.float32)


def with_fixed_weights(model):
    """Weights that any library can be given."""
    model.set_weights(
        [
            0.5 * np.cos(np.arange(weight.size) + place).reshape(weight.shape)
            for place, weight in enumerate(model.get_weights())
        ]
    )
    return model


class Rebuilding(keras.models.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = [keras.layers.Dense(5, activation="selu") for _ in range(2)]
        self.out = keras.layers.Dense(1)

    def build(self, batch_input_shape):
        self.rebuild = keras.layers.Dense(batch_input_shape[-1])
        super().build(batch_input_shape)

    def call(self, inputs, training=None):
        hidden = inputs
        for layer in self.hidden:
            hidden = layer(hidden)
        self.add_loss(0.05 * tf.reduce_mean(tf.square(self.rebuild(hidden) - inputs)))
        return self.out(hidden)


# Keras 3.15 on TensorFlow 2.21 gave these for the same weights and batches.
OF_KERAS = {
    "SGD": ([0.798604, 0.7698313, 0.7434833, 0.7196552], 1.627992, 0.702162),
    "Adam": ([0.7618987, 0.608999, 0.5244126, 0.4711846], 1.122048, 0.4460925),
    "Nadam": ([0.7561231, 0.6434101, 0.5758931, 0.5233289], 1.232573, 0.4907185),
    "RMSprop": ([0.6797027, 0.490907, 0.4106476, 0.3000156], 0.7900101, 0.1747211),
}


@pytest.mark.parametrize("name", OF_KERAS)
def test_fit_gives_the_numbers_of_keras(name):
    losses, mae, evaluated = OF_KERAS[name]
    x, y = numbers()
    model = Rebuilding()
    model(x)
    with_fixed_weights(model)
    optimizer = getattr(keras.optimizers, name)(learning_rate=0.02)
    model.compile(loss=keras.losses.Huber(0.5), optimizer=optimizer, metrics=["mae"])
    history = model.fit(x, y, epochs=4, batch_size=8, shuffle=False, verbose=0).history
    assert history["loss"] == pytest.approx(losses, rel=1e-5)
    assert history["mae"][-1] == pytest.approx(mae, rel=1e-5)
    assert model.evaluate(x, y, batch_size=8, verbose=0)[0] == pytest.approx(evaluated, rel=1e-5)


@pytest.mark.parametrize("is_function", [False, True])
def test_a_loop_gives_the_numbers_of_keras(is_function):
    x, y = numbers()
    l2 = keras.regularizers.l2(0.05)
    model = keras.models.Sequential(
        [
            keras.layers.Dense(4, activation="elu", kernel_regularizer=l2),
            keras.layers.Dense(1, kernel_regularizer=l2),
        ]
    )
    model(x)
    with_fixed_weights(model)
    optimizer = keras.optimizers.Nadam(learning_rate=0.02)
    loss_fn = keras.losses.MeanSquaredError()

    def step(batch, targets):
        with tf.GradientTape() as tape:
            predicted = model(batch, training=True)
            loss = tf.add_n([loss_fn(targets, predicted)] + model.losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss, predicted

    step = tf.function(step) if is_function else step
    mean, mae = keras.metrics.Mean(), keras.metrics.MeanAbsoluteError()
    history = []
    for _ in range(3):
        for at in (0, 8, 16):
            loss, predicted = step(x[at : at + 8], y[at : at + 8])
            mean(loss)
            mae(y[at : at + 8], predicted)
        history.append((float(mean.result()), float(mae.result())))
        mean.reset_states()
        mae.reset_states()
    expected = [(2.037892, 1.288218), (1.813888, 1.218266), (1.65917, 1.167811)]
    assert np.ravel(history) == pytest.approx(np.ravel(expected), rel=1e-5)


# Exercises


class Normalizing(keras.layers.Layer):
    """Layer normalization, written out."""

    def __init__(self, eps=0.001, **kwargs):
        super().__init__(**kwargs)
        self.eps = eps

    def build(self, batch_input_shape):
        self.gain = self.add_weight(
            name="gain", shape=batch_input_shape[-1:], initializer="ones"
        )
        self.shift = self.add_weight(
            name="shift", shape=batch_input_shape[-1:], initializer="zeros"
        )
        super().build(batch_input_shape)

    def call(self, inputs):
        mean, variance = tf.nn.moments(inputs, axes=-1, keepdims=True)
        return self.gain * (inputs - mean) / tf.sqrt(variance + self.eps) + self.shift

    def compute_output_shape(self, batch_input_shape):
        return batch_input_shape

    def get_config(self):
        return {**super().get_config(), "eps": self.eps}


def test_a_normalization_of_ones_own_is_that_of_the_library():
    x = np.random.default_rng(2).normal(3.0, 2.0, size=(16, 7)).astype(np.float32)
    own, library = Normalizing(), keras.layers.LayerNormalization()
    difference = keras.losses.mean_absolute_error(library(x), own(x))
    assert tf.reduce_mean(difference).numpy() < 1e-6
    gain, shift = np.linspace(0.5, 2, 7), np.linspace(-1, 1, 7)
    for layer in (own, library):
        layer.set_weights([gain, shift])
    np.testing.assert_allclose(own(x).numpy(), library(x).numpy(), rtol=1e-4, atol=1e-5)


def classes():
    random = np.random.default_rng(4)
    x = random.normal(size=(128, 4, 4)).astype(np.float32)
    return x, (x.mean(axis=(1, 2)) > 0).astype(np.int32) + (x[:, 0, 0] > 1).astype(np.int32)


def classifier():
    return keras.models.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def test_a_classifier_is_trained_by_hand_with_its_accuracy():
    keras.utils.set_random_seed(42)
    x, y = classes()
    model = classifier()
    optimizer = keras.optimizers.Nadam(learning_rate=0.02)
    loss_fn = keras.losses.sparse_categorical_crossentropy
    mean_loss, accuracy = keras.metrics.Mean(), keras.metrics.SparseCategoricalAccuracy()
    for _ in range(20):
        mean_loss.reset_states()
        accuracy.reset_states()
        for at in range(0, len(x), 32):
            with tf.GradientTape() as tape:
                predicted = model(x[at : at + 32], training=True)
                loss = tf.reduce_mean(loss_fn(y[at : at + 32], predicted))
                loss = tf.add_n([loss] + model.losses)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables))
            mean_loss(loss)
            accuracy(y[at : at + 32], predicted)
    predicted = model(x)
    by_hand = (predicted.numpy().argmax(axis=1) == y).mean()
    accuracy.reset_states()
    assert float(accuracy(y, predicted)) == pytest.approx(by_hand)
    assert by_hand > 0.85
    mean = np.mean(loss_fn(y, predicted).numpy())
    assert mean == pytest.approx(-np.log(predicted.numpy()[np.arange(128), y]).mean(), rel=1e-5)


@pytest.mark.parametrize("is_function", [False, True])
def test_two_optimizers_train_the_lower_and_the_upper_layers(is_function):
    keras.utils.set_random_seed(42)
    x, y = classes()
    model = classifier()
    model(x)
    lower = keras.models.Sequential(model.layers[:2])
    upper = keras.models.Sequential(model.layers[2:])
    slow, fast = keras.optimizers.SGD(learning_rate=0.0), keras.optimizers.Nadam(0.02)
    before = [weight.copy() for weight in model.get_weights()]

    def step(batch, targets):
        with tf.GradientTape(persistent=True) as tape:
            predicted = model(batch, training=True)
            losses = keras.losses.sparse_categorical_crossentropy(targets, predicted)
            loss = tf.reduce_mean(losses)
        for layers, optimizer in ((lower, slow), (upper, fast)):
            gradients = tape.gradient(loss, layers.trainable_weights)
            optimizer.apply_gradients(zip(gradients, layers.trainable_weights))
        del tape
        return loss

    step = tf.function(step) if is_function else step
    losses = [float(step(x, y)) for _ in range(10)]
    assert losses[-1] < losses[0]
    after = model.get_weights()
    assert (before[0] == after[0]).all() and (before[1] == after[1]).all()
    assert (before[2] != after[2]).any()
    assert int(fast.iterations) == 10


def test_an_initializer_computes_with_tensors():
    def scaled_normal(shape, dtype=tf.float32):
        stddev = tf.sqrt(2.0 / (shape[0] + shape[1]))
        return tf.random.normal(shape, stddev=stddev, dtype=dtype)

    model = keras.models.Sequential(
        [keras.layers.Dense(300, kernel_initializer=scaled_normal, input_shape=[100])]
    )
    assert model.layers[0].kernel.numpy().std() == pytest.approx(np.sqrt(2 / 400), rel=0.05)


def test_layers_are_frozen_and_thawed():
    x, y = numbers()
    model = keras.models.Sequential([keras.layers.Dense(4), keras.layers.Dense(1)])
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(0.1))
    model.build((None, 3))
    model.layers[0].trainable = False
    assert [one.path for one in model.trainable_variables] == [
        one.path for one in model.layers[1].weights
    ]
    before = model.layers[0].get_weights()
    model.fit(x, y, epochs=1, verbose=0)
    np.testing.assert_array_equal(before[0], model.layers[0].get_weights()[0])
    model.layers[0].trainable = True
    model.fit(x, y, epochs=1, verbose=0)
    assert (before[0] != model.layers[0].get_weights()[0]).any()


def test_a_model_is_a_layer_of_another():
    x, y = numbers()
    inner = keras.models.Sequential([keras.layers.Dense(4, activation="relu")], name="inner")
    model = keras.models.Sequential([inner, keras.layers.Dense(1)])
    model.compile(loss="mse", optimizer="adam")
    model.fit(x, y, epochs=1, verbose=0)
    assert len(model.weights) == 4
    expected = inner(x).numpy() @ model.layers[1].kernel.numpy() + model.layers[1].bias.numpy()
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-4, atol=1e-5)


def test_what_a_function_does_not_have_says_what_it_has():
    fast = tf.function(lambda x: x + 1.0)
    concrete = fast.get_concrete_function(tf.constant(1.0))
    assert float(concrete(tf.constant(1.0))) == 2.0
    for name in ("graph", "function_def", "structured_outputs"):
        with pytest.raises(AttributeError, match="experimental_get_tracing_count"):
            getattr(concrete, name)
    with pytest.raises(AttributeError, match=r"tf\.cond"):
        tf.autograph.to_code(fast.python_function)


def test_a_wrong_number_of_gradients_is_an_error():
    @tf.custom_gradient
    def product(a, b):
        return a * b, lambda upstream: upstream

    a, b = tf.Variable(2.0), tf.Variable(3.0)
    with pytest.raises(endo.UsageError, match="1 gradients"):
        with tf.GradientTape() as tape:
            value = product(a, b)
        tape.gradient(value, [a, b])
