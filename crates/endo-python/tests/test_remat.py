"""`keras.remat` and `keras.RematScope`: the numbers of a training without them."""

import numpy as np
import pytest

from endo import _native, keras, tf


def block(width):
    return keras.Sequential(
        [keras.layers.Dense(width, activation="tanh", kernel_regularizer="l2") for _ in range(2)]
    )


class Blocks(keras.Model):
    def __init__(self, recompute):
        super().__init__()
        self.blocks = [block(4) for _ in range(3)]
        self.out = keras.layers.Dense(1)
        self.recompute = recompute

    def call(self, inputs):
        for layer in self.blocks:
            inputs = keras.remat(layer)(inputs) if self.recompute else layer(inputs)
        self.add_loss(0.1 * tf.reduce_mean(tf.square(inputs)))
        return self.out(inputs)


X = np.sin(np.arange(48, dtype=np.float32)).reshape(16, 3)
Y = X[:, :1]
FOUR = np.cos(np.arange(64, dtype=np.float32)).reshape(16, 4)


def trained(model, targets=Y):
    model.compile(optimizer="adam", loss="mse")
    model(X)
    weights = [np.cos(np.arange(w.size) + w.size).reshape(w.shape) for w in model.get_weights()]
    model.set_weights([w.astype(np.float32) for w in weights])
    history = model.fit(X, targets, batch_size=8, epochs=3, verbose=0, shuffle=False)
    return history.history["loss"], model.get_weights()


def assert_same(one, other):
    np.testing.assert_allclose(one[0], other[0], rtol=1e-5)
    assert len(one[1]) == len(other[1])
    for a, b in zip(one[1], other[1]):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_layers_and_functions_train_as_without():
    assert_same(trained(Blocks(False)), trained(Blocks(True)))


def test_a_scope_holds_for_the_layers_made_in_it():
    plain = block(4)
    with keras.RematScope():
        scoped = block(4)
    with keras.RematScope("list_of_layers", layer_names=["first"]):
        named = keras.Sequential(
            [
                keras.layers.Dense(4, "tanh", kernel_regularizer="l2", name="first"),
                keras.layers.Dense(4, "tanh", kernel_regularizer="l2", name="second"),
            ]
        )
    assert [layer._is_recomputed for layer in plain.layers] == [False, False]
    assert [layer._is_recomputed for layer in scoped.layers] == [True, True]
    assert [layer._is_recomputed for layer in named.layers] == [True, False]
    expected = trained(plain, FOUR)
    assert_same(expected, trained(scoped, FOUR))
    assert_same(expected, trained(named, FOUR))


def test_masks_and_structures_pass_through():
    tokens = np.array([[1, 2, 0, 0], [4, 0, 3, 1]])
    embedding = keras.layers.Embedding(5, 2, mask_zero=True)
    lstm = keras.layers.LSTM(3, return_sequences=True, return_state=True)
    last = keras.layers.LSTM(2)

    @tf.function
    def through(tokens, recompute):
        wrap = keras.remat if recompute else lambda layer: layer
        outputs, h, c = wrap(lstm)(wrap(embedding)(tokens, training=True), training=True)
        return last(outputs), h, c

    for plain, again in zip(through(tokens, False), through(tokens, True)):
        np.testing.assert_allclose(plain.numpy(), again.numpy(), rtol=1e-6)


def test_gradients_of_a_tape_are_those_without():
    x = tf.constant([0.3, -0.2])

    def curve(x):
        return tf.reduce_sum(tf.sin(x) * tf.exp(x))

    def slope(f):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x, training=True) if f is not curve else f(x)
        return tape.gradient(y, x).numpy()

    again = keras.remat(lambda x, training: curve(x))
    np.testing.assert_allclose(slope(curve), slope(again), rtol=1e-6)


@pytest.fixture
def loops(monkeypatch):
    """The loops that are traced, each with whether it is computed again."""
    seen, scan = [], _native.scan

    def counted(*arguments, **options):
        seen.append(options.get("recompute", False))
        return scan(*arguments, **options)

    monkeypatch.setattr(_native, "scan", counted)
    return seen


def test_layers_in_training_and_functions_are_loops(loops):
    trained(Blocks(True))
    assert loops.count(True) >= 3
    del loops[:]
    layer = keras.layers.Dense(2)
    layer(X)

    @tf.function
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = keras.remat(lambda x: tf.reduce_sum(tf.sin(x)))(x)
        return tape.gradient(y, x)

    np.testing.assert_allclose(slope(tf.constant(X)).numpy(), np.cos(X), rtol=1e-5)
    assert loops == [True]
    keras.remat(layer)(X)  # not in training
    assert loops == [True]


def test_a_wrapped_layer_is_tracked_as_an_attribute():
    class Wrapped(keras.Model):
        def __init__(self):
            super().__init__()
            self.block = keras.remat(keras.layers.Dense(4, kernel_regularizer="l2"))
            self.out = keras.layers.Dense(1)

        def call(self, inputs):
            return self.out(self.block(inputs))

    model = Wrapped()
    model(X)
    assert [w.shape for w in model.get_weights()] == [(3, 4), (4,), (4, 1), (1,)]
    before = model.get_weights()[0]
    trained(model)
    assert np.abs(model.get_weights()[0] - before).max() > 0


def test_what_cannot_be_is_refused():
    with pytest.raises(NotImplementedError, match="has the modes"):
        keras.RematScope("larger_than")
    with pytest.raises(TypeError, match="returns tensors"):
        keras.remat(lambda x: None)(tf.constant(X))
    with pytest.raises(ValueError, match="layer_names"):
        keras.RematScope("list_of_layers")
    with pytest.raises(NotImplementedError, match="in the `call` of a layer"):
        keras.remat(keras.layers.Dense(2))(keras.Input((3,)), training=True)
