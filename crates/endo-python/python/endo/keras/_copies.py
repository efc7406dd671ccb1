"""Copies by `copy.deepcopy` and `pickle`: tensors and variables by their numbers, layers and models
by what `Model.save` writes, and all else by its configuration."""

import copyreg
import os

import numpy as np

from .. import _native
from .._dtypes import TensorShape
from ._files import load_model, write_model
from ._saving import CustomObjectScope, config_of, made_of


def _tensor(numbers, dtype):
    return _native.cast(_native.identity(numbers), dtype)


def _variable(numbers, trainable, name, dtype):
    return _native.Variable(numbers, trainable, name, dtype)


copyreg.pickle(_native.Tensor, lambda one: (_tensor, (np.array(one.numpy()), one.dtype.name)))
copyreg.pickle(
    _native.Variable,
    lambda one: (
        _variable,
        (np.array(one.numpy()), one.trainable, one.path, one.dtype.name),
    ),
)


def reduce_configured(value):
    """How an optimizer, a loss or a metric is made again."""
    return made_of, (config_of(value),)


def reduce_optimizer(optimizer):
    """How an optimizer is made again, with its learning rate and how often it was called."""
    calls = int(optimizer._made.iterations().numpy())
    numbers = calls, float(optimizer.learning_rate)
    return _optimizer, (config_of(optimizer), *numbers)


def _optimizer(config, calls, learning_rate):
    optimizer = made_of(config)
    optimizer._made.iterations().assign(calls)
    # That of a schedule follows the updates, and is not set.
    if float(optimizer.learning_rate) != learning_rate:
        optimizer.learning_rate = learning_rate
    return optimizer


def reduce_layer(layer):
    """How a layer is made again, with its weights."""
    weights = layer.get_weights()
    return _layer, (config_of(layer), layer._shapes and layer._shapes[0], weights)


def _layer(config, shape, weights):
    layer = made_of(config)
    if weights:
        _call_on_zeros(layer, shape)
        layer.set_weights(weights)
    return layer


def _call_on_zeros(layer, shape):
    """Makes a layer's weights, for inputs of a shape."""

    def zeros(value):
        if isinstance(value, TensorShape):
            sizes = [1 if size is None else size for size in value]
            return _native.fill(sizes, 0.0, "float32")
        if isinstance(value, dict):
            return {key: zeros(one) for key, one in value.items()}
        return [zeros(one) for one in value]

    layer(zeros(shape))


def reduce_model(model):
    """How a model is made again, with its weights and what it was compiled with."""
    import tempfile

    if not model.weights:
        return _unbuilt, (config_of(model), _arguments(model))
    with tempfile.TemporaryDirectory(prefix="endo-") as folder:
        path = os.path.join(folder, "model")
        write_model(model, path)
        with open(path, "rb") as file:
            return _model, (file.read(),)


def _model(content):
    import tempfile

    with tempfile.TemporaryDirectory(prefix="endo-") as folder:
        path = os.path.join(folder, "model")
        with open(path, "wb") as file:
            file.write(content)
        return load_model(path)


def _arguments(model):
    """What `compile` was called with."""
    names = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")
    return model._compiled and {name: model._compiled[name] for name in names}


def _unbuilt(config, compiled):
    model = made_of(config)
    if compiled:
        model.compile(**compiled)
    return model


def deep_copy(layer):
    """A copy of a layer or model, whose classes need not be found by their names."""
    kinds = {type(one) for one in layer._flatten_layers()}
    make, arguments = layer.__reduce__()
    with CustomObjectScope({kind.__name__: kind for kind in kinds}):
        return make(*arguments)
