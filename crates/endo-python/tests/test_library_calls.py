"""Layers of the library whose `call` a program has written: recurrent ones and attention.

Numbers are those of Keras 3.15 with the same weights.
"""

import copy

import numpy as np
import pytest

from endo import keras, tf

L = keras.layers
X = np.random.default_rng(3).normal(size=(2, 4, 3)).astype(np.float32)
QUERY = np.random.default_rng(4).normal(size=(2, 3, 4)).astype(np.float32)
VALUE = np.random.default_rng(5).normal(size=(2, 5, 4)).astype(np.float32)
WORDS = np.array([[1, 2, 3, 0], [4, 0, 0, 0], [2, 2, 1, 1]])
STATES = {"LSTM": 2, "GRU": 1, "SimpleRNN": 1}


def centred(base):
    class Centred(base):
        """On sequences less their mean, with outputs twice as large."""

        def call(self, sequences, initial_state=None, mask=None, training=False):
            outputs = super().call(
                sequences - tf.reduce_mean(sequences, 1, keepdims=True),
                initial_state=initial_state,
                mask=mask,
                training=training,
            )
            if self.return_state:
                return (outputs[0] * 2.0, *outputs[1:])
            return outputs * 2.0

    return Centred


class Scaled(L.MultiHeadAttention):
    """Attention to values twice as large."""

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
    ):
        return super().call(
            query,
            value * 2.0,
            key=key,
            query_mask=query_mask,
            value_mask=value_mask,
            key_mask=key_mask,
            attention_mask=attention_mask,
            return_attention_scores=return_attention_scores,
            training=training,
            use_causal_mask=use_causal_mask,
        )


def ramp(model):
    """Gives the weights numbers that follow from their places."""
    values = [
        np.sin(np.arange(one.size, dtype=np.float32) + 0.5 * at).reshape(one.shape) * 0.4
        for at, one in enumerate(model.get_weights())
    ]
    model.set_weights(values)
    return model


def check_model(layers, predictions, losses):
    """Compares a model of words, in which the last ones may be masked."""
    inputs = keras.Input((4,))
    x = L.Embedding(5, 3, mask_zero=True)(inputs)
    for layer in layers:
        x = layer(x)
    model = ramp(keras.Model(inputs, L.Dense(1)(x)))
    model.compile(keras.optimizers.SGD(0.5), "mse")
    np.testing.assert_allclose(model.predict(WORDS, verbose=0).ravel(), predictions, rtol=1e-5)
    history = model.fit(WORDS, np.ones((3, 1)), epochs=3, batch_size=3, verbose=0).history
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-3)


@pytest.mark.parametrize(
    "kind, outputs, sums",
    [
        (
            "LSTM",
            [-0.6261526, -0.7291957, -0.5755335, -0.3844940],
            [-0.8016573, -0.4106687, -0.6985638],
        ),
        ("GRU", [-0.7438201, 0.5057874, -1.0215498, -0.3859053], [-0.0152179, -0.5835913]),
        ("SimpleRNN", [1.3529543, 1.8429161, 1.2054619, 1.3307579], [8.0809679, 1.4495758]),
    ],
)
def test_a_recurrent_layer_changes_its_call(kind, outputs, sums):
    Centred = centred(getattr(L, kind))
    layer = Centred(2)
    layer(X)
    np.testing.assert_allclose(ramp(layer)(X).numpy().ravel(), outputs, rtol=1e-5)
    layer = Centred(2, return_sequences=True, return_state=True)
    options = {"initial_state": [np.full((2, 2), 0.3, np.float32)] * STATES[kind]}
    layer(X, **options)
    mask = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)
    found = ramp(layer)(X, mask=mask, **options)
    np.testing.assert_allclose([one.numpy().sum() for one in found], sums, rtol=1e-4)


@pytest.mark.parametrize(
    "kind, predictions, losses",
    [
        ("LSTM", [-0.3606150, -0.3386533, -0.3656396], [1.8360792, 0.00147438, 7.93732e-6]),
        ("GRU", [-0.3616258, -0.3381753, -0.3618535], [1.8331276, 0.00160538, 3.79193e-6]),
        ("SimpleRNN", [-0.3897094, -0.3560154, -0.3963495], [1.9066206, 0.00504802, 6.14725e-6]),
    ],
)
def test_its_mask_comes_with_the_sequences_and_goes_on_to_the_next_layer(
    kind, predictions, losses
):
    layer = centred(getattr(L, kind))(2, return_sequences=True)
    check_model([layer, L.LSTM(2)], predictions, losses)


def test_both_directions_are_of_the_changed_layer():
    layer = L.Bidirectional(centred(L.GRU)(2))
    layer(X)
    expected = [-0.7438201, 0.5057874, 0.5227540, 0.8967189, -1.0215498, -0.3859053]
    expected += [0.6149465, 0.9439922]
    np.testing.assert_allclose(ramp(layer)(X).numpy().ravel(), expected, rtol=1e-5)


def test_a_stateful_layer_keeps_its_states():
    class Plain(L.GRU):
        def call(self, sequences, **options):
            return super().call(sequences, **options)

    layer, like = Plain(2, stateful=True), L.GRU(2, stateful=True)
    for one in (layer, like):
        one(X)
        ramp(one)
        one.reset_states()
        one(X)
    np.testing.assert_array_equal(layer(X).numpy(), like(X).numpy())
    assert len(layer.states) == 1 and layer.stateful and layer.units == 2
    layer.reset_states()
    assert not layer.states[0].numpy().any()


def test_attention_of_several_heads_changes_its_call():
    layer = Scaled(2, 3)
    layer(QUERY, VALUE)
    assert len(ramp(layer).weights) == 8
    found = [
        layer(QUERY, VALUE),
        layer(QUERY, VALUE, VALUE + 1),
        layer(QUERY, QUERY, use_causal_mask=True),
    ]
    expected = [-3.1670671, -3.0849018, -5.3223810]
    np.testing.assert_allclose([one.numpy().sum() for one in found], expected, rtol=1e-5)
    pairs = np.tri(3, 5, dtype=bool)[None].repeat(2, 0)
    y, scores = layer(QUERY, VALUE, return_attention_scores=True, attention_mask=pairs)
    assert scores.shape == (2, 2, 3, 5)
    found = [y.numpy().sum(), np.square(scores.numpy()).sum()]
    np.testing.assert_allclose(found, [-3.3572509, 7.3809133], rtol=1e-5)


def test_attention_in_a_model_obeys_masks():
    attention = Scaled(2, 3)
    check_model(
        [lambda x: attention(x, x), L.GlobalAveragePooling1D()],
        [-0.1478125, -0.1083933, -0.1340835],
        [1.2773849, 2.3165858, 4.0807328],
    )


def test_attention_to_a_list_changes_its_call():
    class Raised(L.Attention):
        def call(self, inputs, mask=None, training=False, **options):
            inputs = [inputs[0], inputs[1] * 2.0]
            options["return_attention_scores"] = True
            outputs, scores = super().call(inputs, mask, training, **options)
            return outputs + 1.0

    layer, mask = Raised(), np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], bool)
    found = [
        layer([QUERY, VALUE]),
        layer([QUERY, VALUE], use_causal_mask=True),
        layer([QUERY, VALUE], mask=[None, mask]),
    ]
    expected = [2.0964317, 5.6407576, 4.3955011]
    np.testing.assert_allclose([one.numpy().sum() for one in found], expected, rtol=1e-5)


def test_they_are_saved_and_copied(tmp_path):
    Centred = centred(L.LSTM)
    inputs = keras.Input((4, 3))
    x = Centred(4, return_sequences=True, dropout=0.25)(inputs)
    model = keras.Model(inputs, Scaled(2, 3, value_dim=2)(x, x))
    model.save(tmp_path / "model.endo")
    objects = {"Centred": Centred, "Scaled": Scaled}
    again = keras.models.load_model(tmp_path / "model.endo", custom_objects=objects)
    assert again.layers[1].dropout == 0.25
    for other in (again, copy.deepcopy(model)):
        np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_they_are_built_and_frozen_as_others():
    class Plain(L.GRU):
        def call(self, sequences):
            return super().call(sequences)

    layer = Plain(2)
    layer.build((None, 4, 3))
    assert [one.shape for one in layer.weights] == [(3, 6), (2, 6), (2, 6)]
    heads = Scaled(2, 3)
    heads.build((None, 3, 4), (None, 5, 4))
    assert len(heads.weights) == 8
    for frozen in (Plain(2, trainable=False), Scaled(2, 3, trainable=False)):
        frozen(*[X] * (1 if isinstance(frozen, Plain) else 2))
        assert frozen.weights and not frozen.trainable_weights


# Mistakes


def test_methods_that_would_not_be_called_are_refused():
    class Uniform(L.MultiHeadAttention):
        def _compute_attention(self, query, key, value, attention_mask=None, training=None):
            return value, None

    class Looping(L.GRU):
        def inner_loop(self, sequences, initial_state, mask, training=False):
            return sequences

    class Scoring(L.Attention):
        def _calculate_scores(self, query, key):
            return query @ key

    for make in (lambda: Uniform(2, 3), lambda: Looping(2), lambda: Scoring()):
        with pytest.raises(NotImplementedError, match="would not be called"):
            make()


def test_what_only_the_library_s_layer_takes_is_refused_for_it_as_well():
    with pytest.raises(NotImplementedError, match="LSTM with a function as activation"):
        centred(L.LSTM)(2, activation=lambda x: x)
    with pytest.raises(NotImplementedError, match="a layer around another"):
        L.TimeDistributed(centred(L.LSTM)(2))
    with pytest.raises(Exception, match="units_.*(.|\n)*`units`"):
        centred(L.LSTM)(units_=2)
