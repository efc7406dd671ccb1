"""`keras.saving`: how models are written to files and read again."""

from .._names import absent
from ._files import load_model
from ._saving import (
    CustomObjectScope,
    custom_object,
    custom_object_scope,
    register_keras_serializable,
    registered,
)


def save_model(model, filepath, overwrite=True, zipped=None):
    """Writes a model to a file."""
    model.save(filepath, overwrite)


def save_weights(model, filepath, overwrite=True):
    """Writes the weights of a model to a file."""
    model.save_weights(filepath, overwrite)


def load_weights(model, filepath):
    """Reads the weights of a model from a file."""
    model.load_weights(filepath)


def get_custom_objects():
    """The classes and functions that were registered by their names, to be read and changed."""
    return registered


def get_registered_object(name, custom_objects=None, module_objects=None):
    """What is registered under a name; none if nothing is."""
    return (custom_objects or {}).get(name) or custom_object(name)


def get_registered_name(obj):
    """The name under which a class or function is registered, or its own."""
    return next((name for name, one in registered.items() if one is obj), obj.__name__)


_CONFIG = "use its get_config, and the from_config of its class"
_ABSENT = {
    "KerasFileEditor": "read weights by load_weights, and change them with set_weights",
    "deserialize_keras_object": _CONFIG,
    "serialize_keras_object": _CONFIG,
}


def __getattr__(name):
    raise absent("keras.saving", globals(), name, _ABSENT.get(name))
