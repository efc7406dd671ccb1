"""`keras.utils`: seeds, classes as vectors, sequences of one length, data in batches."""

import numpy as np

from .. import _seed
from .._symbolic import KerasTensor
from ._saving import CustomObjectScope, custom_object_scope, register_keras_serializable


def set_random_seed(seed):
    """The seed of Python's, NumPy's and endo's random numbers: of weights made, of shuffling and of
    what layers draw, from here on."""
    import random

    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"a seed is a whole number from 0, got {seed!r}")
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    _seed.set_seed(seed)


def to_categorical(x, num_classes=None):
    """Classes by number as vectors with a 1 at the class."""
    x = np.asarray(x, dtype=np.int64)
    if x.ndim > 1 and x.shape[-1] == 1:
        x = x.reshape(x.shape[:-1])
    count = int(x.max()) + 1 if num_classes is None else num_classes
    return np.eye(count, dtype=np.float32)[x]


def normalize(x, axis=-1, order=2):
    """Vectors of norm 1 along an axis."""
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    return np.asarray(x) / np.where(norm == 0, 1, norm)


def pad_sequences(
    sequences, maxlen=None, dtype="int32", padding="pre", truncating="pre", value=0.0
):
    """Lists of different lengths as rows of one array."""
    for name, chosen in (("padding", padding), ("truncating", truncating)):
        if chosen not in ("pre", "post"):
            raise ValueError(f"`{name}` is 'pre' or 'post', got {chosen!r}")
    length = max((len(row) for row in sequences), default=0) if maxlen is None else maxlen
    padded = np.full((len(sequences), length), value, dtype)
    for place, row in enumerate(sequences):
        row = list(row)[-length:] if truncating == "pre" else list(row)[:length]
        if not row:
            continue
        if padding == "pre":
            padded[place, -len(row) :] = row
        else:
            padded[place, : len(row)] = row
    return padded


class Sequence:
    """Data in batches: yours has ``__len__`` and ``__getitem__(self, batch)``."""

    def __len__(self):
        raise NotImplementedError("a Sequence says by `__len__` how many batches it has")

    def __getitem__(self, index):
        raise NotImplementedError("a Sequence returns a batch by `__getitem__`")

    def on_epoch_end(self):
        """Called after each pass through the data."""


PyDataset = Sequence


def unpack_x_y_sample_weight(data):
    """The inputs, targets and sample weights of a batch, as `train_step` is given it; ``None`` for
    what it has not."""
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            f"a batch is x, (x, y) or (x, y, sample_weight), got a tuple of {len(data)}"
        )
    return (*data, None, None)[:3]


def pack_x_y_sample_weight(x, y=None, sample_weight=None):
    """A batch as `train_step` is given it."""
    if y is None:
        return (x,) if isinstance(x, (list, tuple)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def is_keras_tensor(x):
    """Whether it is a symbolic tensor."""
    return isinstance(x, KerasTensor)


def plot_model(*arguments, **options):
    raise NotImplementedError("plot_model: `model.summary()` prints the layers")
