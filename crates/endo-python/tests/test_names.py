"""What Keras 3.15 has is there under its name and with its arguments in their order, or is refused
with what to use instead.

`keras_names.json` lists the names of Keras's modules with their arguments.
"""

import inspect
import json
from pathlib import Path

import pytest

from endo import keras, tf

_NAMES = json.loads((Path(__file__).parent / "keras_names.json").read_text())
_PAIRS = [(module, name) for module, names in _NAMES.items() for name in names]
# Names of another kind, or with arguments that Keras takes from elsewhere.
_OTHERS = {"Input", "InputLayer", "Layer", "LearningRateSchedule", "Loss", "Metric", "Optimizer"}
_BY_NAME = ("name", "dtype", "trainable", "dynamic")
# Options that only some of Keras's classes have at the end, and that no class has here.
_WITHOUT = (
    "lora_rank lora_alpha gptq_unpacked_column_size quantization_config input_axes output_axes"
).split()


def _found(module, name):
    """What a module has under a name, or `None` if it refuses it."""
    place = keras
    for part in module.split("."):
        place = getattr(place, part)
    try:
        return getattr(place, name)
    except AttributeError as error:
        text = str(error)
        assert "is not there\n  help: " in text, f"{name} is refused without what to use instead"
        return None


@pytest.mark.parametrize("module, name", _PAIRS)
def test_a_name_of_keras_is_there_or_refused_with_help(module, name):
    found = _found(module, name)
    assert found is None or callable(found)


def _arguments(found):
    """The arguments of a class, or of a function, in their order."""
    if isinstance(found, type) and getattr(found, "_positional", None):
        return list(found._positional)
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    parameters = inspect.signature(found.__init__ if isinstance(found, type) else found).parameters
    return [one.name for one in parameters.values() if one.kind not in kinds and one.name != "self"]


# Modules whose classes have arguments that are in no table here.
_LOOSE = ("callbacks", "models", "random", "saving", "utils")


@pytest.mark.parametrize(
    "module, name", [pair for pair in _PAIRS if pair[1][0].isupper() and pair[0] not in _LOOSE]
)
def test_the_arguments_of_a_class_are_in_keras_order(module, name):
    found = _found(module, name)
    if found is None or name in _OTHERS:
        return
    want = [one for one in _NAMES[module][name].split() if one not in _WITHOUT]
    got = [one for one in _arguments(found) if one not in _WITHOUT]
    if module == "layers":
        # A layer takes these by their names.
        want, got = ([one for one in of if one not in _BY_NAME] for of in (want, got))
    assert got == want


def test_an_unknown_name_is_no_attribute():
    for module in (keras.layers, keras.optimizers, keras.initializers):
        assert not hasattr(module, "Nonsense")


def test_a_refused_name_is_no_attribute():
    refused = {
        keras: "applications",
        tf: "ragged",
        keras.layers: "StringLookup",
        keras.optimizers: "Muon",
        keras.initializers: "STFT",
    }
    for module, name in refused.items():
        assert not hasattr(module, name) and getattr(module, name, None) is None
