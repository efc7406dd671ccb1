"""Layers give Keras's outputs, gradients and moving statistics for Keras's weights."""

import numpy as np
import pytest
from golden import array, cases, check_for, floats, matching, options

from endo import keras, tf

# Keras's addition takes a bias [heads, 1] for one of the steps where there are as many steps as
# heads.
_WRONG_IN_KERAS = ("MultiHeadAttention/query_value_key",)
_HEADS = ("MultiHeadAttention", "GroupQueryAttention")
_CASES = [case for case in cases("layers.json") if case.id not in _WRONG_IN_KERAS]


def _layer(content):
    """The layer of a class with a configuration, in which another layer may stand."""
    config = options(content["config"])
    if isinstance(config.get("layer"), dict):
        config["layer"] = _layer(config["layer"])
    return getattr(keras.layers, content["class"])(**config)


def _called(layer, case, inputs):
    """The outputs of the call that a case describes, as a list."""
    given = dict(case["call"])
    masks = {
        name: array(given.pop(name)).astype(bool)
        for name in ("mask", "attention_mask")
        if name in given
    }
    if given.pop("initial_state", False):
        first, *states = inputs
        outputs = layer(first, initial_state=states, **masks, **given)
    elif case["class"] in _HEADS:
        outputs = layer(*inputs, **masks, **given)
    else:
        several = given.pop("as_list", False) or len(inputs) > 1
        outputs = layer(list(inputs) if several else inputs[0], **masks, **given)
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def _built(case):
    """The layer of a case with the weights of Keras, and its inputs as arrays."""
    layer = _layer(case)
    inputs = [array(one) if case["class"] == "Embedding" else floats(one) for one in case["inputs"]]
    _called(layer, {**case, "call": {**case["call"], "training": False}}, inputs)
    if case["class"] != "Normalization":
        layer.set_weights([floats(entry["value"]) for entry in case["weights"]])
    return layer, inputs


def _check(case, outputs, gradients, layer, inputs):
    expected = case["expected"]
    cotangents = [floats(one) for one in case["cotangents"]]
    sizes = [*inputs, *cotangents]
    assert len(outputs) == len(expected["outputs"])
    for number, (got, want) in enumerate(zip(outputs, expected["outputs"])):
        check_for(sizes, f"output {number}", got, floats(want))
    for (what, got), want in zip(gradients, _wanted(expected)):
        got = np.zeros_like(want) if got is None else got
        check_for(sizes, f"the gradient of {what}", got, want)
    names = [entry["name"] for entry in case["weights"]]
    for entry in expected.get("non_trainable_after", []):
        got = layer.weights[names.index(entry["name"])]
        check_for(sizes, f"{entry['name']} afterwards", got, floats(entry["value"]))


def _wanted(expected):
    inputs = [floats(one) for one in expected["grad_inputs"] if one is not None]
    return inputs + [floats(entry["value"]) for entry in expected["grad_weights"]]


@pytest.mark.parametrize("case", _CASES)
def test_a_layer_by_a_tape(case):
    layer, inputs = _built(case)
    variables = [
        tf.Variable(one) if one.dtype == np.float32 else tf.constant(one) for one in inputs
    ]
    with tf.GradientTape() as tape:
        outputs = _called(layer, case, [_read(one) for one in variables])
        total = sum(
            tf.reduce_sum(output * floats(cotangent))
            for output, cotangent in zip(outputs, case["cotangents"])
        )
    sources = _sources(case, layer, variables)
    gradients = tape.gradient(total, [source for _, source in sources])
    named = [(name, gradient) for (name, _), gradient in zip(sources, gradients)]
    _check(case, outputs, named, layer, inputs)


def _read(one):
    return one.read_value() if hasattr(one, "read_value") else one


def _sources(case, layer, variables):
    """What the file has gradients of, with names."""
    wanted = case["expected"]["grad_inputs"]
    found = [(f"input {at}", one) for at, one in enumerate(variables) if wanted[at] is not None]
    names = [entry["name"] for entry in case["weights"]]
    for entry in case["expected"]["grad_weights"]:
        found.append((entry["name"], layer.weights[names.index(entry["name"])]))
    return found


@pytest.mark.parametrize("case", _CASES)
def test_a_layer_in_a_function(case):
    layer, inputs = _built(case)

    @tf.function
    def run(*tensors):
        return _called(layer, case, tensors)

    _check(case, run(*map(tf.constant, inputs)), [], layer, inputs)


# What Keras's Normalization has as constants are weights here.
@pytest.mark.parametrize("case", matching(_CASES, lambda case: case["class"] != "Normalization"))
def test_the_weights_of_a_layer_are_named_and_ordered_as_keras_does(case):
    layer, _ = _built(case)
    own = [entry["name"].split("/")[-1] for entry in case["weights"]]
    assert [weight.path.split("/")[-1] for weight in layer.weights] == own
