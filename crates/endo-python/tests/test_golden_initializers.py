"""Initializers draw from Keras's distributions, and layers begin with Keras's defaults."""

import numpy as np
import pytest
from golden import cases, check, floats, matching, options

from endo import keras, tf


def _of_kind(kind):
    return matching(cases("initializers.json"), lambda case: case["kind"] == kind)


def _made(content):
    return getattr(keras.initializers, content["class"])(**options(content["config"]))


def _drawn(initializer, shape, at_least):
    """The values of many draws, one after another."""
    count = max(2, -(-at_least // int(np.prod(shape))))
    draws = [initializer(shape).numpy().ravel() for _ in range(count)]
    return np.concatenate(draws).astype(np.float64)


@pytest.mark.parametrize("case", _of_kind("random"))
def test_mean_deviation_and_bounds_are_those_of_the_distribution(case):
    expected = case["expected"]
    mean, deviation = expected["expected_mean"], expected["expected_std"]
    values = _drawn(_made(case), case["shape"], 100_000)
    assert abs(values.mean() - mean) <= 5 * deviation / np.sqrt(values.size)
    assert abs(values.std() - deviation) <= 0.02 * deviation
    for got, bound, outward in (
        (values.min(), expected["min"], -1),
        (values.max(), expected["max"], 1),
    ):
        if bound is None:
            assert abs(got - mean) > 3 * deviation
        else:
            assert -0.01 * deviation <= outward * (got - bound) <= 1e-6


@pytest.mark.parametrize("case", _of_kind("random"))
def test_the_share_within_one_deviation_is_that_of_the_distribution(case):
    expected = case["expected"]
    values = _drawn(_made(case), case["shape"], 100_000)
    if expected["distribution"] == "uniform":
        low, high = expected["limit_low"], expected["limit_high"]
        centre, reach, share = (low + high) / 2, (high - low) / 12**0.5, 1 / 3**0.5
    else:
        centre, reach, share = expected["mean"], expected["stddev"], 0.682689
        if expected["distribution"] == "truncated_normal":
            share /= 0.9545
    assert abs((abs(values - centre) < reach).mean() - share) <= 0.01


@pytest.mark.parametrize("case", _of_kind("deterministic"))
def test_fixed_values(case):
    got = _made(case)(case["shape"])
    check("the value", got, floats(case["expected"]["values"]), absolute=0, relative=1e-7)


@pytest.mark.parametrize("case", _of_kind("orthogonal"))
def test_rows_or_columns_are_orthogonal(case):
    expected = case["expected"]
    matrix = _made(case)(case["shape"]).numpy().astype(np.float64)
    matrix = matrix.reshape(expected["matrix_shape"])
    gram = matrix @ matrix.T if expected["orthonormal"] == "rows" else matrix.T @ matrix
    check("the products", gram, expected["gram_diagonal"] * np.eye(len(gram)), 1e-6, 1e-6)


# Layers large enough for statistics, with what they are called on.
_LAYERS = {
    "Dense": (lambda: keras.layers.Dense(200), (1, 150)),
    "Embedding": (lambda: keras.layers.Embedding(300, 80), None),
    "Conv1D": (lambda: keras.layers.Conv1D(64, 5), (1, 9, 60)),
    "Conv2D": (lambda: keras.layers.Conv2D(48, 3), (1, 5, 5, 48)),
    "Conv3D": (lambda: keras.layers.Conv3D(32, 3), (1, 4, 4, 4, 24)),
    "DepthwiseConv2D": (lambda: keras.layers.DepthwiseConv2D(5, depth_multiplier=8), (1, 6, 6, 60)),
    "SeparableConv2D": (
        lambda: keras.layers.SeparableConv2D(150, 5, depth_multiplier=4),
        (1, 6, 6, 60),
    ),
    "Conv2DTranspose": (lambda: keras.layers.Conv2DTranspose(48, 3), (1, 4, 4, 48)),
    "SimpleRNN": (lambda: keras.layers.SimpleRNN(120), (1, 2, 90)),
    "LSTM": (lambda: keras.layers.LSTM(60, unit_forget_bias=False), (1, 2, 90)),
    "GRU": (lambda: keras.layers.GRU(60), (1, 2, 90)),
    "PReLU": (lambda: keras.layers.PReLU(), (1, 30)),
    "BatchNormalization": (lambda: keras.layers.BatchNormalization(), (2, 30)),
    "LayerNormalization": (lambda: keras.layers.LayerNormalization(), (2, 30)),
    "GroupNormalization": (lambda: keras.layers.GroupNormalization(groups=3), (2, 30)),
    "MultiHeadAttention": (lambda: keras.layers.MultiHeadAttention(4, 60), (1, 2, 90)),
}
_ALONE = {"depthwise": "kernel"}
# Kernels of several heads, which are matrices of all their inputs and outputs.
_MATRICES = {(90, 4, 60): (90, 240), (4, 60, 90): (240, 90)}


@pytest.mark.parametrize("case", _of_kind("layer_defaults"))
def test_the_defaults_of_a_layer(case):
    keras.utils.set_random_seed(3)
    make, shape = _LAYERS[case["class"]]
    layer = make()
    x = np.zeros((1, 2), np.int32) if shape is None else np.zeros(shape, np.float32)
    layer(x, x) if case["class"] == "MultiHeadAttention" else layer(x)
    compared = []
    for option, content in case["expected"]["initializers"].items():
        name = option.removesuffix("_initializer")
        known = (name, f"{name}_kernel", _ALONE.get(name))
        found = [w for w in layer.weights if w.path.split("/")[-1] in known]
        assert found, f"no weight for {option} among {[w.path for w in layer.weights]}"
        for weight in found:
            compared.append(weight)
            shape = tuple(weight.shape)
            want = _made(content)(list(_MATRICES.get(shape, shape))).numpy()
            got = weight.numpy()
            # The greatest of orthogonal vectors has no bound that all of them come near to.
            count = 2 if content["class"] == "Orthogonal" else 3
            for statistic in (np.mean, lambda x: np.mean(x * x), np.max)[:count]:
                near = 1e-3 + 0.02 * abs(statistic(want)) + 7 * want.std() / want.size**0.5
                assert abs(statistic(got) - statistic(want)) <= near, option
    assert len(compared) == len(layer.weights)


def test_an_initializer_with_a_seed_draws_the_same_again():
    first, again = (keras.initializers.HeNormal(seed=5)([3, 4]).numpy() for _ in range(2))
    assert (first == again).all()
    assert (first != keras.initializers.HeNormal(seed=6)([3, 4]).numpy()).any()
    assert isinstance(keras.initializers.get("he_normal")([2, 2]), tf.Tensor)


def test_kernels_of_several_heads_follow_a_seed_and_functions():
    x = np.zeros((1, 2, 50), np.float32)

    def kernels(initializer):
        layer = keras.layers.MultiHeadAttention(5, 60, kernel_initializer=initializer)
        layer(x, x)
        return [one.numpy() for one in layer.weights if one.path.endswith("kernel")]

    first, again = (kernels(keras.initializers.GlorotUniform(seed=3)) for _ in range(2))
    for one, same in zip(first, again):
        assert (one == same).all()
        # Keras's limit for 50 inputs and 300 outputs, and the reverse.
        assert 0.99 * 0.1309307 < np.abs(one).max() < 0.1309308
    halves = kernels(lambda shape, dtype=None: np.full(shape, 0.5))
    assert [one.shape for one in halves] == [(50, 5, 60)] * 3 + [(5, 60, 50)]
    assert all((one == 0.5).all() for one in halves)


class Holder(keras.layers.Layer):
    """A layer that makes its weight when it is made itself."""

    def __init__(self):
        super().__init__()
        self.w = self.add_weight(name="w", shape=(2, 2))


def _program(seed):
    """The first values of weights that are made in all ways."""
    keras.utils.set_random_seed(seed)
    x = np.ones((2, 3), np.float32)
    found = [Holder().w.numpy() for _ in range(2)]
    for make in (keras.layers.Dense, keras.layers.SimpleRNN):
        for _ in range(2):
            layer = make(2)
            layer(x if make is keras.layers.Dense else x[None])
            found.append(layer.get_weights()[0])
    found += [keras.initializers.GlorotUniform()((2, 2)).numpy() for _ in range(2)]
    for _ in range(2):
        model = keras.Sequential([keras.layers.Dense(2)])
        model(x)
        found.append(model.get_weights()[0])
    return found


def test_weights_that_are_made_one_after_another_differ():
    found = _program(42)
    for first, second in zip(found[::2], found[1::2]):
        assert (first != second).all()


def test_the_same_seed_and_program_give_the_same_first_values():
    for first, again, other in zip(_program(42), _program(42), _program(43)):
        assert (first == again).all() and (first != other).any()


def test_a_custom_layer_and_those_within_follow_the_seed_outside_models():
    class Block(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2)

        def build(self, shape):
            self.w = self.add_weight("w", (3, 3), initializer="he_normal")

        def call(self, x):
            return self.dense(x @ self.w)

    def values(seed):
        keras.utils.set_random_seed(seed)
        blocks = [Block(), Block()]
        return [[block(np.ones((1, 3), np.float32)).numpy() for block in blocks]]

    (first, second), = values(1)
    assert (first != second).any()
    (again, _), = values(1)
    assert (first == again).all()
