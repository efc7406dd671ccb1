"""Layers whose numbers are rounded to bfloat16: by `dtype`, and by the policy of new layers."""

import copy

import numpy as np
import pytest

from endo import keras, tf

X = np.sin(np.arange(48, dtype=np.float32)).reshape(16, 3)
Y = X[:, :1] - X[:, 1:2]


@pytest.fixture
def mixed():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    keras.mixed_precision.set_global_policy("float32")


def is_rounded(x):
    return not np.any(np.asarray(x).view(np.uint32) & 0xFFFF)


def net():
    return keras.Sequential(
        [
            keras.layers.Dense(16, activation="tanh"),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(1, dtype="float32"),
        ]
    )


def test_a_layer_rounds_its_kernel_its_inputs_and_its_outputs():
    layer = keras.layers.Dense(2, dtype="mixed_bfloat16")
    layer(X)
    kernel = np.full((3, 2), 1.001, np.float32)
    layer.set_weights([kernel, np.zeros(2, np.float32)])
    assert np.array_equal(layer(np.full((1, 3), 1.002, np.float32)).numpy(), [[3.0, 3.0]])
    assert np.array_equal(layer.get_weights()[0], kernel)
    assert (layer.compute_dtype, layer.variable_dtype) == ("bfloat16", "float32")
    assert layer.dtype_policy == keras.DTypePolicy("mixed_bfloat16")


def test_new_layers_have_the_global_policy_and_others_their_own(mixed):
    model = net()
    hidden = keras.Sequential(model.layers[:2])
    assert is_rounded(hidden(X)) and not is_rounded(model(X))
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert [layer.compute_dtype for layer in model.layers] == ["bfloat16", "bfloat16", "float32"]


def test_a_model_learns_as_in_float32(mixed):
    def losses(policy):
        keras.utils.set_random_seed(3)
        keras.config.set_dtype_policy(policy)
        model = net()
        model.compile(optimizer=keras.optimizers.Adam(0.02), loss="mse")
        history = model.fit(X, Y, epochs=30, batch_size=8, verbose=0)
        assert model.layers[0].get_weights()[0].dtype == np.float32
        return history.history["loss"]

    half, whole = losses("mixed_bfloat16"), losses("float32")
    assert half[0] != whole[0]
    np.testing.assert_allclose(half[:3], whole[:3], rtol=0.05)
    assert half[-1] < 0.1 * half[0]


def test_a_layer_of_ones_own_rounds_what_it_returns_and_those_inside_say_it_themselves(mixed):
    class Scaled(keras.layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight(shape=(), initializer=keras.initializers.Constant(1.001))

        def call(self, inputs):
            return inputs * self.scale

    class Outer(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Scaled()
            self.last = keras.layers.Dense(2, dtype="float32")

        def call(self, inputs):
            z = self.inner(inputs)
            return [z, self.last(z)]

    class Late(Outer):
        def __init__(self):
            keras.layers.Layer.__init__(self)

        def build(self, input_shape):
            Outer.__init__(self)

    for kind in (Outer, Late):
        z, last = kind()(tf.constant(X))
        assert is_rounded(z) and not is_rounded(last)


def test_layers_around_others_and_calls_of_ones_own_have_their_policy(mixed):
    steps = tf.constant(np.sin(np.arange(60, dtype=np.float32)).reshape(4, 5, 3))
    last = keras.layers.TimeDistributed(keras.layers.Dense(2, dtype="float32"))
    assert not is_rounded(last(steps)) and last.compute_dtype == "float32"
    assert is_rounded(keras.layers.TimeDistributed(keras.layers.Dense(2))(steps))
    with pytest.raises(ValueError, match="give `dtype` to the layer inside alone"):
        keras.layers.TimeDistributed(keras.layers.Dense(2), dtype="float32")

    class Own(keras.layers.Dense):
        def call(self, inputs):
            return super().call(inputs)

    assert is_rounded(Own(3)(X)) and not is_rounded(Own(3, dtype="float32")(X))
    with pytest.raises(NotImplementedError, match="float64"):
        Own(3, dtype="float64")
    assert is_rounded(keras.layers.Dense(4, activation=lambda x: tf.sin(x))(X))
    assert is_rounded(keras.layers.ReLU()(X)) and not is_rounded(keras.Sequential([])(X))


def test_layers_that_make_their_native_part_late_have_a_policy(mixed):
    scaled = keras.layers.Normalization(mean=0.5, variance=0.25)
    assert is_rounded(scaled(X))
    adapted = keras.layers.Normalization(axis=None)
    adapted.adapt(X)
    assert is_rounded(adapted(X))


def test_a_saved_model_keeps_its_policy(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = net()
        expected = model.predict(X, verbose=0)
    finally:
        keras.config.set_dtype_policy("float32")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(again.predict(X, verbose=0), expected)
    assert again.layers[0].dtype_policy.name == "mixed_bfloat16"
    assert again.layers[2].dtype_policy.name == "float32"
    clone = keras.models.clone_model(model)
    clone(X)
    clone.set_weights(model.get_weights())
    assert np.array_equal(clone.predict(X, verbose=0), expected)


def test_a_model_without_a_policy_is_loaded_without_one(tmp_path, mixed):
    keras.config.set_dtype_policy("float32")
    model = net()
    expected = model.predict(X, verbose=0)
    model.save(tmp_path / "model.keras")
    keras.config.set_dtype_policy("mixed_bfloat16")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(again.predict(X, verbose=0), expected)


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(4, activation="tanh")
        self.out = keras.layers.Dense(1, dtype="float32")

    def call(self, inputs):
        return self.out(self.hidden(inputs))


@pytest.mark.parametrize("policies", [("mixed_bfloat16", "float32"), ("float32", "mixed_bfloat16")])
def test_models_and_layers_are_made_again_with_their_policy(tmp_path, mixed, policies):
    keras.config.set_dtype_policy(policies[0])
    model = Net()
    direction = keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True))
    expected = model.predict(X, verbose=0)
    model.save(tmp_path / "net.keras")
    keras.config.set_dtype_policy(policies[1])
    for again in (keras.models.load_model(tmp_path / "net.keras"), copy.deepcopy(model)):
        assert np.array_equal(again.predict(X, verbose=0), expected)
        assert again.hidden.dtype_policy.name == policies[0]
    directions = copy.deepcopy(direction)
    assert directions.forward_layer.dtype_policy.name == policies[0]
    assert keras.layers.Bidirectional(direction.layer).backward_layer.dtype_policy.name == policies[0]
    keras.config.set_dtype_policy(policies[0])
    softmax = keras.layers.Softmax()
    keras.config.set_dtype_policy(policies[1])
    assert copy.deepcopy(softmax).dtype_policy.name == policies[0]


def test_types_of_numpy_are_types():
    class Scaled(keras.layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight(shape=())

        def call(self, inputs):
            return inputs * self.scale

    assert Scaled(dtype=np.float32)(X).dtype == "float32"
    assert Scaled(dtype="float64").compute_dtype == "float64"


def test_other_policies_are_refused():
    for dtype in ("mixed_float16", "float16", "bfloat16"):
        with pytest.raises(NotImplementedError, match="use 'mixed_bfloat16'"):
            keras.layers.Dense(2, dtype=dtype)
    with pytest.raises(ValueError, match="have the policy 'float32' or 'mixed_bfloat16'"):
        keras.config.set_dtype_policy("float64")
    with pytest.raises(ValueError, match="weights are float32"):
        keras.config.set_floatx("float64")
    with pytest.raises(AttributeError, match="the range of float32"):
        keras.mixed_precision.LossScaleOptimizer
