"""How objects of a program are written to a file and made again: layers, losses, functions.

A class is written by its name, its module and what its `get_config` returns, a function by its name
and module. When a file is read they are found where they were defined, or among the custom objects.
"""

import importlib
import inspect
import json
import sys
import threading

registered = {}
_scopes = threading.local()


def register_keras_serializable(package="Custom", name=None):
    """A decorator that has `load_model` find a class or function by its name."""

    def register(value):
        registered[name or value.__name__] = value
        return value

    return register


class CustomObjectScope:
    """Has names in configurations stand for these classes and functions, within ``with``."""

    def __init__(self, *custom_objects):
        self.objects = {}
        for one in custom_objects:
            self.objects.update(one or {})

    def __enter__(self):
        _stack().append(self.objects)
        return self

    def __exit__(self, *raised):
        _stack().pop()


custom_object_scope = CustomObjectScope


def _stack():
    if not hasattr(_scopes, "stack"):
        _scopes.stack = []
    return _scopes.stack


def custom_object(name):
    """The class or function that the innermost scope, or the register, has under a name."""
    for objects in reversed(_stack()):
        if name in objects:
            return objects[name]
    return registered.get(name)


def resolved(identifier):
    """What a name of a custom object, or a configuration, stands for; all else as it is."""
    if isinstance(identifier, str):
        found = custom_object(identifier)
        return identifier if found is None else found
    return made_of(identifier) if is_content(identifier) else identifier


def config_of(value):
    """A class or function by its name, with the arguments by which it is made again."""
    if isinstance(value, type) or not hasattr(value, "get_config"):
        return {"function": value.__qualname__, "module": value.__module__}
    kind = type(value)
    config = json.loads(json.dumps(value.get_config(), default=_jsonable))
    _check_arguments(kind, config)
    return {"class_name": kind.__qualname__, "module": kind.__module__, "config": config}


def _check_arguments(kind, config):
    """Raises where a configuration lacks an argument without which its class cannot be made."""
    if "from_config" in vars(kind):
        return
    for name, parameter in inspect.signature(kind).parameters.items():
        is_optional = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not is_optional and name not in config:
            raise NotImplementedError(
                f"`{kind.__name__}` cannot be saved: it is made with the argument `{name}`, which "
                "its `get_config` does not return\n  help: write `def get_config(self): return "
                f"{{**super().get_config(), {name!r}: self.{name}}}`, or save the weights alone, "
                "`model.save_weights(path)`"
            )


def _jsonable(value):
    if hasattr(value, "get_config"):
        return config_of(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if callable(value):
        return config_of(value)
    raise TypeError(f"{value!r} cannot be saved: say in get_config how it is made again")


def is_content(value):
    """Whether a value is what `config_of` returns."""
    return (
        isinstance(value, dict)
        and "module" in value
        and ("class_name" in value or "function" in value)
    )


def made_of(content):
    """What `config_of` has described."""
    name = content.get("class_name") or content["function"]
    found = custom_object(name.rsplit(".", 1)[-1])
    if found is None:
        found = defined(content["module"], name)
    if "class_name" not in content:
        return found
    return found.from_config(with_objects(content["config"]))


def with_objects(value):
    """A configuration in which those of objects have become the objects."""
    if is_content(value):
        return made_of(value)
    if isinstance(value, dict):
        return {key: with_objects(one) for key, one in value.items()}
    if isinstance(value, list):
        return [with_objects(one) for one in value]
    return value


def defined(module, name):
    """What a module defines under a name."""
    try:
        found = sys.modules.get(module) or importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found
    except (ImportError, AttributeError):
        short = name.rsplit(".", 1)[-1]
        raise ValueError(
            f"the file names `{short}` of the module `{module}`, which is not found there\n"
            f"  help: give it by its name, custom_objects={{{short!r}: ..}}"
        ) from None
