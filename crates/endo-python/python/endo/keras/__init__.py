"""Keras's names: layers, models, losses, metrics, optimizers."""

import importlib

from .._names import absent
from . import _copies  # has tensors and variables be copied
from . import (
    activations,
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
from ._policies import DTypePolicy
from ._remat import RematScope, remat
from .initializers import Initializer
from .layers import Input, Layer
from .losses import Loss
from .metrics import Metric
from .models import Model, Sequential
from .optimizers import Optimizer
from .regularizers import Regularizer

__version__ = "2.99.endo"

_ABSENT = {
    "datasets": "load data with scikit-learn, pandas or NumPy",
    "applications": "nets of others are loaded with load_weights where the layers are the same",
    "preprocessing": "use keras.utils, NumPy or pandas",
    "estimator": "train with fit",
    "Function": "make a keras.Model of the inputs and outputs",
    "InputSpec": "check shapes in `build`",
    "Operation": "write a keras.Layer",
    "Variable": "use tf.Variable, or `add_weight` in a layer",
    "device": "plans run on the processor: leave it out",
    "distribution": "a model trains on one machine here",
    "export": "use model.export",
    "name_scope": "give layers a `name`",
    "tree": "use tf.nest",
}


# Modules that are read when a program first uses them.
_LATER = ("backend", "config", "mixed_precision", "ops", "random", "saving")


def __getattr__(name):
    if name in _LATER:
        return importlib.import_module(f"{__name__}.{name}")
    raise absent("keras", globals(), name, _ABSENT.get(name))


def __dir__():
    return sorted({*globals(), *_LATER})


__all__ = [
    "DTypePolicy",
    "Initializer",
    "Input",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "RematScope",
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
    "ops",
    "optimizers",
    "random",
    "regularizers",
    "remat",
    "saving",
    "utils",
]
