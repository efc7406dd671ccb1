"""Deep learning in which losses and metrics see inside the model.

``from endo import keras, tf`` gives the names that programs for Keras and TensorFlow use. A model's
``call`` is traced once for each shape of its input, and then runs as one native plan.
"""

from . import keras, tf
from ._native import (
    ArgumentError,
    DataError,
    DTypeError,
    EndoError,
    NotFiniteError,
    ShapeError,
    UsageError,
    __version__,
)

__all__ = [
    "ArgumentError",
    "DTypeError",
    "DataError",
    "EndoError",
    "NotFiniteError",
    "ShapeError",
    "UsageError",
    "__version__",
    "keras",
    "tf",
]
