"""Layers of several tensors, masks, freezing and options, by Keras's names."""

import numpy as np
import pytest

from endo import keras, tf

layers = keras.layers


def _x(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("kind, states", [("SimpleRNN", 1), ("GRU", 1), ("LSTM", 2)])
def test_a_sequence_in_two_parts_is_the_whole_sequence(kind, states):
    layer, x = getattr(layers, kind)(4, return_state=True), _x(2, 5, 3)
    whole, *_ = layer(x)
    _, *after = layer(x[:, :2])
    rest, *_ = layer(x[:, 2:], initial_state=after)
    assert len(after) == states
    assert np.allclose(whole, rest, atol=1e-6)


def test_states_that_are_missing_are_refused():
    with pytest.raises(ValueError, match="as many states as it has, 2, got 1"):
        layers.LSTM(4)(_x(2, 5, 3), initial_state=_x(2, 4))


def test_dropout_of_a_recurrent_layer_leaves_the_same_features_out_at_each_step():
    layer = layers.SimpleRNN(1, dropout=0.5, use_bias=False, activation="linear")
    x = np.ones((64, 3, 1), np.float32)
    layer(x)
    layer.set_weights([np.ones((1, 1)), np.ones((1, 1))])
    assert np.allclose(layer(x), 3.0)
    assert set(np.round(layer(x, training=True).numpy().ravel(), 5)) == {0.0, 6.0}


def test_units_are_left_out_where_steps_read_them():
    layer = layers.SimpleRNN(
        1, recurrent_dropout=0.5, use_bias=False, activation="linear", return_sequences=True
    )
    x = np.ones((64, 3, 1), np.float32)
    layer(x)
    layer.set_weights([np.ones((1, 1)), np.ones((1, 1))])
    rows = {tuple(row) for row in layer(x, training=True).numpy()[..., 0].tolist()}
    assert rows == {(1.0, 3.0, 7.0), (1.0, 1.0, 1.0)}


@pytest.mark.parametrize("kind, states", [("SimpleRNN", 1), ("GRU", 1), ("LSTM", 2)])
def test_a_stateful_layer_goes_on_until_it_is_reset(kind, states):
    layer, x = getattr(layers, kind)(4, stateful=True), _x(2, 5, 3)
    first, second = layer(x).numpy(), layer(x).numpy()
    assert len(layer.states) == states and not np.allclose(first, second)
    layer.reset_states()
    assert np.array_equal(layer(x).numpy(), first)
    with pytest.raises(ValueError, match="stateful and keeps the states of 2 samples.* has 3"):
        layer(_x(3, 5, 3))


def test_an_encoder_and_a_decoder_are_trained():
    class Translator(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder = layers.LSTM(4, return_state=True)
            self.decoder = layers.LSTM(4, return_sequences=True)
            self.out = layers.Dense(1)

        def call(self, inputs):
            source, target = inputs
            _, h, c = self.encoder(source)
            return self.out(self.decoder(target, initial_state=[h, c]))

    keras.utils.set_random_seed(1)
    model = Translator()
    model.compile("adam", "mse")
    data = ((_x(16, 5, 3), _x(16, 4, 2)), _x(16, 4, 1))
    history = model.fit(*data, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert len(model.weights) == 8


def test_both_directions_return_their_states():
    layer = layers.Bidirectional(layers.LSTM(3, return_state=True))
    outputs, *states = layer(_x(2, 5, 4))
    assert outputs.shape == (2, 6) and [tuple(one.shape) for one in states] == [(2, 3)] * 4
    again, *_ = layer(_x(2, 5, 4), initial_state=states)
    assert not np.allclose(outputs, again)


def test_both_directions_are_made_again_from_their_configuration():
    layer = layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum", name="b")
    again = type(layer)(**layer.get_config())
    x = _x(2, 5, 4)
    layer(x), again(x)
    again.set_weights(layer.get_weights())
    assert np.allclose(layer(x), again(x))


@pytest.mark.parametrize("kind", ["Attention", "AdditiveAttention"])
def test_attention_takes_a_list_and_returns_scores(kind):
    query, value = _x(2, 3, 4), _x(2, 5, 4)
    layer = getattr(layers, kind)()
    outputs, scores = layer([query, value], return_attention_scores=True)
    assert outputs.shape == (2, 3, 4) and scores.shape == (2, 3, 5)
    assert np.allclose(scores.numpy().sum(-1), 1.0, atol=1e-6)
    assert np.allclose(layer([query, value, value]), outputs)
    with pytest.raises(ValueError, match=r"a list \[query, value\]"):
        layer(query)


def test_attention_obeys_the_mask_of_the_values():
    query, value = _x(1, 2, 4), _x(1, 3, 4)
    mask = np.array([[True, False, True]])
    _, scores = layers.Attention()(
        [query, value], mask=[None, mask], return_attention_scores=True
    )
    assert (scores.numpy()[0, :, 1] == 0).all()


def test_heads_take_a_query_and_values():
    query, value = _x(2, 3, 8), _x(2, 5, 6)
    layer = layers.MultiHeadAttention(num_heads=2, key_dim=4, output_shape=(7,))
    outputs, scores = layer(query, value, return_attention_scores=True)
    assert outputs.shape == (2, 3, 7) and scores.shape == (2, 2, 3, 5)
    assert layer(query=query, value=value, key=value).shape == (2, 3, 7)


def test_attention_is_built_by_shapes():
    heads, additive = layers.MultiHeadAttention(2, 3), layers.AdditiveAttention()
    heads.build((None, None, 4), (None, None, 5))
    additive.build([(None, 3, 4), (None, 5, 4)])
    assert heads.weights[2].shape == (5, 2, 3) and additive.weights[0].shape == (4,)


def test_a_causal_mask_is_joined_with_the_mask_of_pairs():
    x = _x(1, 3, 4)
    pairs = np.ones((1, 3, 3), bool)
    pairs[0, 2, 0] = False
    layer = layers.MultiHeadAttention(1, 2)
    _, scores = layer(
        x, x, attention_mask=pairs, use_causal_mask=True, return_attention_scores=True
    )
    seen = scores.numpy()[0, 0] > 0
    assert (seen == [[True, False, False], [True, True, False], [False, True, True]]).all()


def test_grouped_heads_are_trained_in_a_model():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.attention = layers.GroupQueryAttention(4, 4, 2)
            self.out = layers.Dense(1)

        def call(self, x):
            return self.out(self.attention(x, x))

    model = Net()
    model.compile("adam", "mse")
    history = model.fit(_x(8, 3, 5), _x(8, 3, 1), epochs=3, verbose=0)
    assert len(history.history["loss"]) == 3 and len(model.weights) == 10


def test_a_layer_that_is_frozen_before_it_is_built_is_not_trained():
    model = keras.Sequential([layers.Dense(3, name="still"), layers.Dense(1)])
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    model.build((None, 2))
    before = model.layers[0].get_weights()
    model.fit(_x(8, 2), _x(8, 1), epochs=2, verbose=0)
    assert all((a == b).all() for a, b in zip(before, model.layers[0].get_weights()))
    assert len(model.trainable_weights) == 2


@pytest.mark.parametrize("builds_first", [False, True])
def test_batch_normalization_that_is_frozen_uses_its_moving_statistics(builds_first):
    layer, x = layers.BatchNormalization(), _x(8, 3) + 5
    if builds_first:
        layer(x)
    layer.trainable = False
    assert np.allclose(layer(x, training=True), layer(x, training=False))
    assert (layer.moving_mean.numpy() == 0).all()


def test_a_softmax_leaves_out_what_its_mask_leaves_out():
    x = np.zeros((1, 4), np.float32)
    shares = layers.Softmax()(x, mask=np.array([[True, False, True, False]]))
    assert np.allclose(shares, [[0.5, 0.0, 0.5, 0.0]])


def test_the_mask_of_an_embedding_goes_through_layers_of_single_positions():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding = layers.Embedding(5, 3, mask_zero=True)
            self.relu = layers.ReLU()
            self.add = layers.Add()
            self.last = layers.LSTM(4)

        def call(self, tokens):
            x = self.relu(self.embedding(tokens))
            return self.last(self.add([x, x]))

    model = Net()
    short, padded = np.array([[1, 2]]), np.array([[1, 2, 0, 0]])
    assert np.allclose(model(short), model(padded), atol=1e-6)


def test_an_activity_penalty_of_the_program_is_added_for_each_call():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.shared = layers.Dense(2, activity_regularizer=lambda y: tf.reduce_sum(y * y))

        def call(self, x):
            return self.shared(self.shared(x))

    model, x = Net(), _x(4, 2)
    with tf.GradientTape():
        model(x, training=True)
        assert len(model.losses) == 2


def test_einsum_dense_with_an_ellipsis_is_a_dense_layer():
    x = _x(2, 3, 4)
    layer = layers.EinsumDense("...x,xy->...y", output_shape=5, bias_axes="y", activation="relu")
    dense = layers.Dense(5, activation="relu")
    layer(x), dense(x)
    dense.set_weights(layer.get_weights())
    assert np.allclose(layer(x), dense(x), atol=1e-6)


def test_dot_of_axes_that_differ_in_size_is_refused():
    with pytest.raises(ValueError, match="their sizes differ"):
        layers.Dot(axes=(1, 2))([_x(2, 3, 4), _x(2, 3, 4)])


def test_the_functions_of_merging_layers_are_there():
    a, b = _x(2, 3), _x(2, 3) + 1
    assert np.allclose(layers.subtract([a, b]), a - b)
    assert np.allclose(layers.maximum([a, b]), np.maximum(a, b))
    assert np.allclose(layers.average([a, b]), (a + b) / 2)
    assert np.allclose(layers.dot([a, b], axes=1), (a * b).sum(1, keepdims=True), atol=1e-6)


def test_options_may_be_given_by_their_places():
    assert np.allclose(keras.activations.relu([-1.0, 9.0], 0.5, 6.0), [-0.5, 6.0])
    metric = keras.metrics.BinaryAccuracy("right", "float32", 0.7)
    metric.update_state([1.0, 1.0], [0.6, 0.8])
    assert metric.name == "right" and float(metric.result()) == 0.5
    loss = keras.losses.Huber(2.0, "sum", "huber")
    assert loss.reduction == "sum" and loss.name == "huber"
    with pytest.raises(TypeError, match="at most"):
        keras.losses.MeanSquaredError("sum", "name", None, 4)


def test_accuracies_are_functions_too():
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]], np.float32)
    metrics = keras.metrics
    assert list(metrics.sparse_categorical_accuracy([1, 2], scores)) == [1, 0]
    assert list(metrics.sparse_top_k_categorical_accuracy([2, 2], scores, k=2)) == [1, 1]
    one_hot = np.eye(3, dtype=np.float32)[[1, 2]]
    assert list(metrics.categorical_accuracy(one_hot, scores)) == [1, 0]
    assert list(metrics.top_k_categorical_accuracy(one_hot, scores, k=1)) == [1, 0]
    assert np.allclose(metrics.pearson_correlation(scores, 2 * scores + 1), 1.0, atol=1e-6)
    assert np.allclose(metrics.concordance_correlation(scores, scores), 1.0, atol=1e-4)
    assert (metrics.binary_accuracy([[0, 1]], [[0.2, 0.4]]).numpy() == [[1, 0]]).all()
    model = keras.Sequential([layers.Dense(3, activation="softmax")])
    model.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        metrics=[metrics.sparse_categorical_accuracy],
    )
    assert "sparse_categorical_accuracy" in model.fit(scores, [1, 2], verbose=0).history


def test_weights_that_are_spared_go_without_decay():
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
    kernel, bias = tf.Variable([1.0], name="kernel"), tf.Variable([1.0], name="bias")
    optimizer.exclude_from_weight_decay(var_list=[bias])
    optimizer.apply_gradients([(tf.zeros([1]), kernel), (tf.zeros([1]), bias)])
    assert np.allclose(kernel, 0.95) and np.allclose(bias, 1.0)
    with pytest.raises(ValueError, match="before the first step"):
        optimizer.exclude_from_weight_decay(var_names=["kernel"])


def test_losses_of_a_model_are_those_of_its_last_call():
    class Net(keras.Model):
        def call(self, x):
            self.add_loss(tf.reduce_sum(x))
            return x

    model = Net()
    model(np.ones((2, 2), np.float32))
    with tf.GradientTape():
        model(np.zeros((2, 2), np.float32), training=True)
    assert [float(one) for one in model.losses] == [0.0]


# Options that are set later


def test_an_option_set_before_the_first_call_is_used():
    dense, dropout = layers.Dense(2, kernel_initializer="ones"), layers.Dropout(0.5)
    dense.units, dense.activation = 3, lambda x: 10.0 * x
    dropout.rate = 0.0
    x = np.ones((1, 4), np.float32)
    assert dense(x).numpy().tolist() == [[40.0, 40.0, 40.0]]
    assert dropout(x, training=True).numpy().tolist() == x.tolist()
    assert dense.get_config()["units"] == 3


def test_the_activation_of_a_linear_layer_may_be_set_later():
    dense = layers.Dense(1, kernel_initializer="ones")
    x = np.ones((1, 4), np.float32)
    assert float(dense(x)) == 4.0
    dense.activation = lambda x: -x
    assert float(dense(x)) == -4.0


def test_a_rate_may_be_set_between_calls():
    model = keras.Sequential([layers.Dropout(0.9999), layers.Dense(1, kernel_initializer="ones")])
    model.compile("sgd", "mse")
    x, y = np.ones((64, 3), np.float32), np.full((64, 1), 3.0, np.float32)
    model.layers[0].rate = 0.0
    assert model.fit(x, y, verbose=0).history["loss"][0] == pytest.approx(0.0, abs=1e-9)


def test_an_option_of_made_weights_cannot_be_set():
    dense = layers.Dense(1)
    dense(np.ones((1, 4), np.float32))
    for name, value in [("units", 2), ("kernel_regularizer", "l2"), ("use_bias", False)]:
        with pytest.raises(ValueError, match=rf"(?s)`{name}` of `dense` is set after.*set_weights"):
            setattr(dense, name, value)
    assert dense.units == 1


def test_a_frozen_layer_may_get_another_activation():
    dense = layers.Dense(1, kernel_initializer="ones")
    x = np.ones((1, 4), np.float32)
    dense(x)
    dense.trainable = False
    dense.activation = lambda x: -x
    assert float(dense(x)) == -4.0 and not dense.trainable_weights


def test_a_penalty_on_outputs_goes_with_a_function_as_activation():
    dense = layers.Dense(
        2, activation=lambda x: x, kernel_initializer="ones", activity_regularizer="l2"
    )
    model = keras.Sequential([dense])
    model(np.ones((2, 3), np.float32))
    assert [float(loss) for loss in model.losses] == pytest.approx([0.01 * 9.0 * 4 / 2])
def test_a_sum_counts_where_all_of_its_inputs_do():
    embedding = layers.Embedding(4, 2, mask_zero=True)

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding, self.add = embedding, layers.Add()
            self.pool = layers.GlobalAveragePooling1D()

        def call(self, pair):
            return self.pool(self.add([self.embedding(pair[0]), self.embedding(pair[1])]))

    left, right = np.array([[1, 2, 0]]), np.array([[3, 0, 1]])
    mean = Net()([left, right]).numpy()
    rows = embedding.embeddings.numpy()
    np.testing.assert_allclose(mean[0], rows[1] + rows[3], atol=1e-6)


def test_a_mask_that_a_layer_computes_is_that_of_its_output():
    class Shorten(layers.Layer):
        def call(self, x):
            return x[:, 1:]

        def compute_mask(self, inputs, mask=None):
            return mask[:, 1:]

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding = layers.Embedding(4, 2, mask_zero=True)
            self.shorten, self.pool = Shorten(), layers.GlobalAveragePooling1D()

        def call(self, x):
            return self.pool(self.shorten(self.embedding(x)))

    model = Net()
    mean = model(np.array([[1, 2, 0]])).numpy()
    np.testing.assert_allclose(mean[0], model.embedding.embeddings.numpy()[2], atol=1e-6)


def test_a_mask_of_ones_own_in_a_layer_of_the_library_is_refused():
    kind = type("Mine", (layers.Dense,), {"compute_mask": lambda self, inputs, mask=None: None})
    with pytest.raises(NotImplementedError, match="compute_mask"):
        kind(2)


def test_weights_without_names_are_saved_and_read(tmp_path):
    class Linear(keras.layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight(shape=(input_shape[-1], 2), initializer="random_normal")
            self.b = self.add_weight(shape=(2,), initializer="ones")

        def call(self, inputs):
            return tf.matmul(inputs, self.w) + self.b

    model = keras.Sequential([keras.Input((3,)), Linear()])
    assert [one.name for one in model.weights] == ["weight", "weight_1"]
    model.save_weights(tmp_path / "weights.safetensors")
    other = keras.Sequential([keras.Input((3,)), Linear()])
    other.load_weights(tmp_path / "weights.safetensors")
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    assert len(keras.models.clone_model(model).weights) == 2


def test_a_normalization_is_adapted_after_its_model_is_made():
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    for make in ("sequential", "functional"):
        layer = keras.layers.Normalization()
        if make == "sequential":
            model = keras.Sequential([keras.Input((3,)), layer, keras.layers.Dense(1)])
        else:
            inputs = keras.Input((3,))
            model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
        with pytest.raises(ValueError, match="adapt"):
            model.predict(x)
        layer.adapt(x)
        model.compile("sgd", "mse")
        model.fit(x, x[:, :1], verbose=0)
        expected = (x - x.mean(0)) / x.std(0) @ model.layers[-1].kernel.numpy()
        expected = expected + model.layers[-1].bias.numpy()
        np.testing.assert_allclose(model.predict(x), expected, rtol=1e-4, atol=1e-5)


def test_a_layer_holds_another_before_super_init_and_uses_its_weights():
    class Transposed(keras.layers.Layer):
        def __init__(self, dense, **options):
            self.dense = dense
            super().__init__(**options)

        def build(self, input_shape):
            size = self.dense.input_shape[-1]
            self.shift = self.add_weight(name="bias", shape=[size], initializer="zeros")
            super().build(input_shape)

        def call(self, inputs):
            return tf.matmul(inputs, self.dense.weights[0], transpose_b=True) + self.shift

    first = keras.layers.Dense(2)
    model = keras.Sequential([first, Transposed(first)])
    model.compile("sgd", "mse")
    x = np.arange(12, dtype=np.float32).reshape(4, 3) / 10
    model.fit(x, x, verbose=0)
    kernel, bias = first.get_weights()
    expected = (x @ kernel + bias) @ kernel.T + model.layers[1].shift.numpy()
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-4, atol=1e-5)
    assert len(model.weights) == 3


def test_channels_may_come_first():
    x = _x(2, 5, 4, 3)
    first, last = (
        layers.Conv2D(6, 2, padding="same", data_format=one)
        for one in ("channels_first", "channels_last")
    )
    moved = np.moveaxis(x, -1, 1)
    first(moved), last(x)
    first.set_weights(last.get_weights())
    assert np.allclose(first(moved), np.moveaxis(np.asarray(last(x)), -1, 1), atol=1e-6)
    pooled = layers.GlobalMaxPooling2D(data_format="channels_first")(moved)
    assert np.allclose(pooled, moved.max((2, 3)))


def test_images_are_resized_and_changed_in_training_alone():
    x = _x(2, 4, 6, 3)
    assert layers.Resizing(2, 3, interpolation="nearest")(x).shape == (2, 2, 3, 3)
    assert np.allclose(layers.CenterCrop(2, 2)(x), x[:, 1:3, 2:4])
    for layer in (
        layers.RandomFlip("horizontal_and_vertical", seed=1),
        layers.RandomRotation((0.1, 0.2), fill_mode="nearest"),
        layers.RandomTranslation(0.3, (-0.2, 0.1)),
        layers.RandomZoom(0.5),
        layers.RandomContrast(0.5, value_range=(-9, 9)),
        layers.RandomBrightness(0.5, value_range=(-9, 9)),
    ):
        assert np.allclose(layer(x, training=False), x), layer
        assert layer(x, training=True).shape == x.shape
    assert not np.allclose(layers.RandomZoom((0.5, 0.6))(x, training=True), x)
    assert layers.RandomCrop(2, 3)(x, training=True).shape == (2, 2, 3, 3)
    with pytest.raises(NotImplementedError, match="there is 'channels_last' alone"):
        layers.Resizing(2, 3, data_format="channels_first")


def test_a_kernel_is_divided_by_its_largest_singular_value():
    x = _x(4, 3)
    layer = layers.SpectralNormalization(layers.Dense(2, use_bias=False), power_iterations=30)
    layer(x)
    kernel = next(one for one in layer.weights if one.name == "kernel")
    before = np.asarray(kernel)
    layer(x, training=True)
    expected = before / np.linalg.svd(before)[1][0]
    assert np.allclose(np.asarray(kernel), expected, atol=1e-5)
    assert [one.name for one in layer.non_trainable_weights] == ["vector_u"]
