"""Losses, metrics, activations, optimizers, regularizers and constraints give Keras's numbers."""

import numpy as np
import pytest
from golden import array, cases, check, check_for, floats, matching, options

from endo import keras, tf


def made(module, case):
    """The object of a case's class with the case's arguments."""
    return getattr(module, case["class"])(**options(case["config"]))


@pytest.mark.parametrize("case", cases("losses.json"))
def test_a_loss_and_its_gradient(case):
    loss = made(keras.losses, case)
    y_true, y_pred = array(case["y_true"]), floats(case["y_pred"])
    weight, expected = case["sample_weight"], case["expected"]
    weight = None if weight is None else floats(weight)
    want, want_gradient = floats(expected["value"]), floats(expected["grad_y_pred"])
    predictions = tf.Variable(y_pred)
    with tf.GradientTape() as tape:
        value = _applied(loss, case, y_true, predictions, weight)
        total = tf.reduce_sum(value)
    gradient = tape.gradient(total, predictions)
    if weight is not None and weight.ndim == 2 and want.ndim == 2 and want.shape[1] == 1:
        # Keras turns values [batch] with weights [batch, 1] into [batch, 1]; here they keep their
        # shape.
        want = want.reshape(-1)
    if gradient is None:
        gradient = np.zeros_like(y_pred)
    of_large = case["class"] == "LogCosh"
    check_for([y_pred if of_large else want], "the value", value, want)
    check_for([y_pred if of_large else want_gradient], "the gradient", gradient, want_gradient)


def _applied(loss, case, y_true, y_pred, weight):
    whole = case["class"] in ("Dice", "Tversky") and "axis" not in case["config"]
    if weight is None or not whole:
        return loss(y_true, y_pred, sample_weight=weight)
    # One value for the whole batch takes no weights for samples here; Keras multiplies it with
    # each of them.
    with pytest.raises(ValueError, match="sample weights of shape"):
        loss(y_true, y_pred, sample_weight=weight)
    values = loss.call(y_true, y_pred) * weight
    reduction = case["config"].get("reduction", "sum_over_batch_size")
    if reduction == "none":
        return values
    if reduction == "sum":
        return tf.reduce_sum(values)
    if reduction == "mean_with_sample_weight":
        return tf.reduce_sum(values) / float(weight.sum())
    return tf.reduce_mean(values)


@pytest.mark.parametrize("case", cases("metrics.json"))
def test_a_metric_after_each_update_and_after_a_reset(case):
    metric = _metric(case)
    for update, want in zip(case["updates"], case["expected"]["results"]):
        parts = [array(update[key]) for key in ("y_true", "y_pred", "values") if key in update]
        weight = update["sample_weight"]
        metric.update_state(*parts, sample_weight=None if weight is None else floats(weight))
        check_for(parts, "the result", metric.result(), floats(want))
    metric.reset_state()
    check("the result after the reset", metric.result(), floats(case["expected"]["after_reset"]))


@pytest.mark.parametrize("case", cases("metrics.json"))
def test_a_metric_in_a_function(case):
    metric = _metric(case)

    @tf.function
    def update_state(*parts, sample_weight=None):
        metric.update_state(*parts, sample_weight=sample_weight)
        return metric.result()

    for update, want in zip(case["updates"], case["expected"]["results"]):
        parts = [array(update[key]) for key in ("y_true", "y_pred", "values") if key in update]
        weight = update["sample_weight"]
        given = {} if weight is None else {"sample_weight": floats(weight)}
        check_for(parts, "the result", update_state(*parts, **given), floats(want))


def _metric(case):
    if case["class"] != "MeanMetricWrapper":
        return made(keras.metrics, case)
    config = dict(case["config"])
    function = getattr(keras.losses, config.pop("fn"))
    return keras.metrics.MeanMetricWrapper(function, **config)


def _has_no_options(case):
    return not case["config"] and "cotangent" in case


# Keras's sparsemax sums to less than 1 unless the support is one element: the tests of the library
# compare it with the definition.
_ACTIVATIONS = [case for case in cases("activations.json") if "sparsemax" not in case.id]


@pytest.mark.parametrize("case", _ACTIVATIONS)
def test_an_activation_and_its_slope(case):
    function, config = getattr(keras.activations, case["class"]), options(case["config"])
    x, expected = floats(case["x"]), case["expected"]
    if "cotangent" not in case:
        _check_where_known(function(tf.constant(x), **config), x, floats(expected["value"]))
        return
    variable, cotangent = tf.Variable(x), floats(case["cotangent"])
    with tf.GradientTape() as tape:
        value = function(variable, **config)
        total = tf.reduce_sum(value * cotangent)
    slope = tape.gradient(total, variable)
    slope = np.zeros_like(x) if slope is None else slope.numpy()
    want = floats(expected["grad_x"])
    if case["class"] == "selu":
        # Keras's exp(x) - 1 is 0 just below 0, where it takes the slope of positive values.
        tiny = (x < 0) & (x > -1e-8)
        want = np.where(tiny, np.float32(1.0507009 * 1.6732632), want)
    check_for([x], "the value", value, floats(expected["value"]))
    check_for([cotangent], "the gradient", slope, want)


def _check_where_known(got, x, want):
    """Values at infinities count where Keras's are not NaN."""
    known = np.isnan(x) | ~np.isnan(want)
    check("the value", got.numpy()[known], want[known])


@pytest.mark.parametrize("case", matching(_ACTIVATIONS, _has_no_options))
def test_an_activation_as_a_layer_of_its_name(case):
    x = floats(case["x"])
    layer = keras.layers.Activation(case["class"])
    check_for([x], "the value", layer(x), floats(case["expected"]["value"]))


@pytest.mark.parametrize("case", cases("regularizers_constraints.json"))
def test_a_regularizer_or_constraint(case):
    module = {"regularizer": keras.regularizers, "constraint": keras.constraints}[case["kind"]]
    function, x, expected = made(module, case), floats(case["x"]), case["expected"]
    if case["kind"] == "constraint":
        check("the weight", function(tf.constant(x)), floats(expected["value"]))
        return
    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        penalty = function(variable)
    gradient = tape.gradient(penalty, variable)
    gradient = np.zeros_like(x) if gradient is None else gradient
    check_for([x], "the penalty", penalty, floats(expected["value"]))
    check_for([x], "the gradient", gradient, floats(expected["grad_x"]))


def _has_steps(case):
    return case["kind"] == "optimizer"


def _rate_options(config):
    config = options(config)
    rate = config.get("learning_rate")
    if isinstance(rate, dict):
        config["learning_rate"] = made(keras.optimizers.schedules, rate)
    return config


@pytest.mark.parametrize("case", cases("optimizers.json"))
def test_an_optimizer_or_schedule(case):
    expected = case["expected"]
    rates = floats(expected["learning_rate"])
    if case["kind"] == "schedule":
        schedule = made(keras.optimizers.schedules, case)
        for step, want in zip(case["steps"], rates):
            check(f"the rate at {step}", schedule(step), want, absolute=1e-7)
        return
    _check_optimizer(case, expected, rates, lambda step: step)


@pytest.mark.parametrize("case", matching(cases("optimizers.json"), _has_steps))
def test_an_optimizer_in_a_function(case):
    _check_optimizer(case, case["expected"], floats(case["expected"]["learning_rate"]), tf.function)


def _check_optimizer(case, expected, rates, wrapped):
    optimizer = getattr(keras.optimizers, case["class"])(**_rate_options(case["config"]))
    variables = [
        tf.Variable(floats(entry["value"]), name=entry["name"]) for entry in case["variables"]
    ]
    if "exclude_from_weight_decay" in case["options"]:
        optimizer.exclude_from_weight_decay(var_names=case["options"]["exclude_from_weight_decay"])

    @wrapped
    def step(*gradients):
        optimizer.apply_gradients(zip(gradients, variables))

    for number, (gradients, want) in enumerate(zip(case["gradients"], expected["variables"])):
        rate = float(optimizer.learning_rate)
        check(f"the rate of step {number}", rate, rates[number], absolute=1e-7)
        step(*[tf.constant(floats(gradient)) for gradient in gradients])
        for variable, value in zip(variables, want):
            check(f"{variable.name} after step {number}", variable, floats(value))
    if "finalized" in expected:
        optimizer.finalize_variable_values(variables)
        for variable, value in zip(variables, expected["finalized"]):
            check(f"{variable.name} in the end", variable, floats(value))
