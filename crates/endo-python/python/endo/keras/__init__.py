"""Keras's names: layers, models, losses, metrics, optimizers."""

from .._names import absent
from . import _copies  # has tensors and variables be copied
from . import (
    activations,
    backend,
    callbacks,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
    utils,
)
from .._symbolic import KerasTensor
from .layers import Input, Layer
from .losses import Loss
from .metrics import Metric
from .models import Model, Sequential
from .optimizers import Optimizer

__version__ = "2.99.endo"

_ABSENT = {
    "datasets": "load data with scikit-learn, pandas or NumPy",
    "applications": "nets of others are loaded with load_weights where the layers are the same",
    "preprocessing": "use keras.utils, NumPy or pandas",
    "estimator": "train with fit",
    "ops": "use tf's functions: tf.reduce_mean, tf.square",
    "saving": "use model.save and keras.models.load_model",
}


def __getattr__(name):
    raise absent("keras", globals(), name, _ABSENT.get(name))


__all__ = [
    "Input",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Sequential",
    "activations",
    "backend",
    "callbacks",
    "constraints",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "regularizers",
    "utils",
]
