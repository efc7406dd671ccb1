"""Losses that models collect, totals, gradients, steps, and what `fit` and `evaluate` report are
Keras's."""

import numpy as np
import pytest
from golden import array, cases, check, floats, matching
from golden_nets import net

from endo import keras, tf

_ALL = cases("internals.json")
# Two cases have a term, or a model, that no weight can change, and mean it.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*no trainable weight can change", "ignore:the model has no trainable weights"
)
_MODELS = matching(_ALL, lambda case: "batches" not in case["expected"])


def _list(value, read=floats):
    """Arrays of one output or of several."""
    return [read(one) for one in value] if isinstance(value, list) else read(value)


class _Case:
    """A case with its data, and models with Keras's weights, compiled."""

    def __init__(self, case):
        self.case, self.expected = case, case["expected"]
        whole = case["name"] == "mask/embedding"
        self.x = array(case["inputs"]) if whole else floats(case["inputs"])
        self.y = _list(case["targets"], array)
        weight = case["sample_weight"]
        self.sample_weight = None if weight is None else _list(weight)
        self.class_weight = {
            int(name): value for name, value in (case["class_weight"] or {}).items()
        }

    def model(self):
        compiled = self.case["compile"]
        model = net(self.case)
        model.compile(keras.optimizers.SGD(0.1), **compiled)
        model(self.x)
        model.set_weights([floats(entry["value"]) for entry in self.case["weights"]])
        return model

    def weight_of_samples(self):
        """Class weights as the sample weights that they stand for."""
        if not self.class_weight:
            return self.sample_weight
        return np.array([self.class_weight[int(one)] for one in self.y.ravel()], np.float32)

    def check_weights(self, model, key):
        for got, entry in zip(model.weights, self.expected[key]):
            check(f"{entry['name']} in {key}", got, floats(entry["value"]))


def _check_logs(what, got, want):
    missing = set(want) - set(got)
    assert not missing, f"{what} reports no {', '.join(missing)}, but {', '.join(got)}"
    for name, value in want.items():
        check(f"{name} of {what}", got[name], floats(value))


@pytest.mark.parametrize("case", _MODELS)
def test_weights_and_what_is_trained_are_named_and_ordered_as_keras_does(case):
    model = _Case(case).model()
    # Names are relative to the model within which a layer was used first.
    for weights, names in (
        (model.weights, [entry["name"] for entry in case["weights"]]),
        (model.trainable_weights, case["trainable"]),
    ):
        assert len(weights) == len(names)
        assert all(name.endswith(one.path) for one, name in zip(weights, names))


@pytest.mark.parametrize("case", _MODELS)
def test_losses_and_gradients_in_a_loop(case):
    of = _Case(case)
    model, loss = of.model(), case["compile"]["loss"]
    losses = [keras.losses.get(one) for one in (loss if isinstance(loss, list) else [loss])]
    factors = case["compile"].get("loss_weights", 1.0)
    factors = factors if isinstance(factors, list) else [factors] * len(losses)
    weights = of.weight_of_samples()
    weights = weights if isinstance(weights, list) else [weights] * len(losses)
    targets = of.y if isinstance(of.y, list) else [of.y]
    with tf.GradientTape() as tape:
        outputs = model(of.x, training=True)
        several = outputs if isinstance(outputs, list) else [outputs]
        terms = list(model.losses)
        parts = [
            one(y, z, sample_weight=weight) * factor
            for one, y, z, weight, factor in zip(losses, targets, several, weights, factors)
            if one is not None
        ]
        total = sum(terms, sum(parts))
    gradients = tape.gradient(total, model.trainable_weights)
    wanted = _list(of.expected["predictions"])
    for got, want in zip(several, wanted if isinstance(wanted, list) else [wanted]):
        check("the predictions", got, want)
    if of.expected["main_loss"] is not None:
        check("the main loss", sum(parts), floats(of.expected["main_loss"]))
    # A term with axes is summed here when it is added.
    extra = sorted(float(floats(one).sum()) for one in of.expected["extra_losses"])
    check("the extra losses", sorted(float(one) for one in terms), extra)
    check("the total", total, floats(of.expected["total_loss"]))
    for got, entry in zip(gradients, of.expected["gradients"]):
        want = floats(entry["value"])
        if want is None:
            assert got is None, f"{entry['name']} has a gradient"
        else:
            check(f"the gradient of {entry['name']}", got, want)


@pytest.mark.parametrize("case", _MODELS)
def test_a_step_on_a_batch(case):
    of = _Case(case)
    weight = of.weight_of_samples()
    tested = of.model().test_on_batch(of.x, of.y, sample_weight=weight, return_dict=True)
    _check_logs("test_on_batch", tested, of.expected["test_on_batch"])
    model = of.model()
    trained = model.train_on_batch(
        of.x,
        of.y,
        sample_weight=of.sample_weight,
        class_weight=of.class_weight or None,
        return_dict=True,
    )
    _check_logs("train_on_batch", trained, of.expected["train_on_batch"])
    of.check_weights(model, "weights_after_step")


@pytest.mark.parametrize("case", matching(_ALL, lambda case: "fit" in case["expected"]))
def test_fit_and_evaluate(case):
    of = _Case(case)
    model, history = of.model(), case["history"]
    size = history["batch_size"]
    logs = model.evaluate(
        of.x,
        of.y,
        batch_size=size,
        sample_weight=of.weight_of_samples(),
        verbose=0,
        return_dict=True,
    )
    _check_logs("evaluate", logs, of.expected["evaluate"])
    fitted = model.fit(
        of.x,
        of.y,
        batch_size=size,
        epochs=history["epochs"],
        sample_weight=of.sample_weight,
        class_weight=of.class_weight or None,
        shuffle=False,
        verbose=0,
    )
    for epoch, want in enumerate(of.expected["fit"]):
        got = {name: values[epoch] for name, values in fitted.history.items()}
        _check_logs(f"epoch {epoch} of fit", got, want)
    if "weights_after_fit" in of.expected:
        of.check_weights(model, "weights_after_fit")


@pytest.mark.parametrize("case", matching(_ALL, lambda case: "batches" in case["expected"]))
def test_the_totals_of_batches(case):
    of, size = _Case(case), case["history"]["batch_size"]
    model = of.model()
    for number, want in enumerate(of.expected["batches"]):
        rows = slice(number * size, (number + 1) * size)
        model.reset_metrics()
        logs = model.test_on_batch(
            of.x[rows], of.y[rows], sample_weight=of.sample_weight[rows], return_dict=True
        )
        _check_logs(f"batch {number}", logs, want)
