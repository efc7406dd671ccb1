"""Files of whole models: how they are made, their weights and the state of their optimizer."""

import json
import os
import tempfile
import zipfile

from .._dtypes import TensorShape
from ._saving import CustomObjectScope, config_of, made_of, with_objects

_FILES_OF_WEIGHTS = "read a file of save_weights by load_weights, and save models by Model.save"


def write_model(model, path):
    """Writes a model to a file, which is there as a whole or not at all."""
    content = {
        "format": 1,
        "model": config_of(model),
        "input_shapes": model._input_shapes,
        "structure": model._last_structure,
        "compiled": _compiled_config(model),
    }
    folder = os.path.dirname(os.path.abspath(path))
    with tempfile.TemporaryDirectory(dir=folder, prefix=".endo-") as temporary:
        weights = os.path.join(temporary, "weights.safetensors")
        native = model._current()
        (native.save if model._compiled else native.save_weights)(weights)
        whole = os.path.join(temporary, "model")
        with zipfile.ZipFile(whole, "w") as archive:
            archive.writestr("config.json", json.dumps(content, indent=1))
            archive.write(weights, "weights.safetensors")
        os.replace(whole, path)


def _compiled_config(model):
    """What a model was compiled with."""
    if not model._compiled:
        return None
    optimizer = model._compiled["optimizer"]

    def named(value):
        if isinstance(value, dict):
            return {key: named(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [named(one) for one in value]
        if value is None or isinstance(value, (str, int, float)):
            return value
        return config_of(value)

    return {
        "optimizer": None if optimizer is None else config_of(optimizer),
        **{
            key: named(model._compiled[key])
            for key in ("loss", "loss_weights", "metrics", "weighted_metrics")
        },
    }


def _build(model, content):
    """Makes the weights of a model that has none."""
    shapes = [TensorShape((None, *shape[1:])) for shape in content["input_shapes"]]
    if not model.weights:
        model.build(shapes[0] if len(shapes) == 1 and content["structure"] is None else shapes)


def load_model(filepath, custom_objects=None, compile=True, safe_mode=True):
    """The model that `Model.save` has written. Functions and classes of the program are found where
    they were defined, or in `custom_objects`."""
    path = os.fspath(filepath)
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no file {path}")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} was not written by Model.save\n  help: {_FILES_OF_WEIGHTS}")
    with CustomObjectScope(custom_objects), zipfile.ZipFile(path) as archive:
        try:
            content = json.loads(archive.read("config.json"))
        except (KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path} was not written by Model.save, or is damaged: {error}\n"
                f"  help: {_FILES_OF_WEIGHTS}"
            ) from None
        model = made_of(content["model"])
        object.__setattr__(model, "_last_structure", content["structure"])
        is_compiled = bool(content["compiled"] and compile)
        if is_compiled:
            model.compile(**with_objects(content["compiled"]))
        _build(model, content)
        with tempfile.TemporaryDirectory(prefix="endo-") as temporary:
            weights = archive.extract("weights.safetensors", temporary)
            (model._model().load if is_compiled else model._model().load_weights)(weights)
    return model


def clone_model(model):
    """A model made in the same way, with weights of its own."""
    return made_of(config_of(model))
