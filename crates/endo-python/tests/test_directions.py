"""Which metric is meant, and which of its values is the best."""

import numpy as np
import pytest

from endo import keras, tf

callbacks = keras.callbacks


class Heads(keras.Model):
    """A class by number, and the probability of another."""

    def __init__(self):
        super().__init__()
        self.kind = keras.layers.Dense(3, name="kind")
        self.is_new = keras.layers.Dense(1, activation="sigmoid", name="is_new")

    def call(self, x):
        return {"kind": self.kind(x), "is_new": self.is_new(x)}


def test_accuracy_is_that_of_the_loss_of_the_same_output():
    x, random = np.ones((12, 2), np.float32), np.random.default_rng(0)
    kind, is_new = random.integers(0, 3, 12), random.integers(0, 2, (12, 1)).astype(np.float32)
    model = Heads()
    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True, name="my_loss")
    model.compile(
        loss={"kind": sparse, "is_new": "binary_crossentropy"},
        metrics={"kind": ["accuracy"], "is_new": ["accuracy"]},
    )
    found = model.evaluate(x, {"kind": kind, "is_new": is_new}, verbose=0, return_dict=True)
    outputs = model.predict(x)
    expected = (outputs["kind"].argmax(1) == kind).mean()
    assert found["kind_accuracy"] == pytest.approx(expected)
    assert found["is_new_accuracy"] == pytest.approx(((outputs["is_new"] > 0.5) == is_new).mean())


def _watching(monitor, metrics, **options):
    stop = callbacks.EarlyStopping(monitor, **options)
    model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy", metrics=metrics)
    stop.set_model(model)
    return stop


@pytest.mark.parametrize(
    "monitor, metric",
    [
        ("val_mean_io_u", keras.metrics.MeanIoU(2)),
        ("fbeta_score", keras.metrics.FBetaScore()),
        ("cosine_similarity", "cosine_similarity"),
        ("cosine_similarity", keras.metrics.CosineSimilarity()),
        ("pearson_correlation", keras.metrics.pearson_correlation),
        ("specificity", keras.metrics.SpecificityAtSensitivity(0.5, name="specificity")),
        ("true_positives", keras.metrics.TruePositives()),
        ("val_accuracy", "accuracy"),
    ],
)
def test_the_greatest_value_of_a_score_is_the_best(monitor, metric):
    stop = _watching(monitor, [metric])
    assert stop.improves(2.0, 1.0) and not stop.improves(1.0, 2.0)


@pytest.mark.parametrize(
    "monitor, metric",
    [
        ("val_loss", "mae"),
        ("mae", "mae"),
        ("false_negatives", keras.metrics.FalseNegatives()),
        ("mean_squared_error", keras.losses.MeanSquaredError()),
        ("huber", keras.losses.huber),
    ],
)
def test_the_least_value_of_an_error_is_the_best(monitor, metric):
    stop = _watching(monitor, [metric])
    assert stop.improves(1.0, 2.0) and not stop.improves(2.0, 1.0)


def test_where_the_best_value_is_not_known_the_mode_has_to_be_said():
    def spread(y_true, y_pred):
        return tf.abs(y_pred)

    with pytest.raises(ValueError, match="mode='min' or mode='max'"):
        _watching("spread", [spread]).improves(1.0, None)
    assert _watching("spread", [spread], mode="max").improves(2.0, 1.0)
