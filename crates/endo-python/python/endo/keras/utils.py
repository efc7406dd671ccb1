"""`keras.utils`: seeds, classes as vectors, sequences of one length, data in batches."""

import numpy as np

from .. import _seed
from .._names import absent
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


def split_dataset(dataset, left_size=None, right_size=None, shuffle=False, seed=None):
    """Two data sets made of one, or of arrays: each size is a number of elements, or a share."""
    from ..tf.data import Dataset

    if not isinstance(dataset, Dataset):
        dataset = Dataset.from_tensor_slices(dataset)
    elements = list(dataset)
    if shuffle:
        order = np.random.default_rng(seed).permutation(len(elements))
        elements = [elements[place] for place in order]

    def number(size):
        return round(size * len(elements)) if isinstance(size, float) else size

    left, right = number(left_size), number(right_size)
    if left is None and right is None:
        raise ValueError(
            "split_dataset has neither size\n  help: give `left_size`, as a number or a share"
        )
    left = len(elements) - right if left is None else left
    right = len(elements) - left if right is None else right
    if not 0 <= left <= len(elements) or not 0 <= right <= len(elements) - left:
        raise ValueError(
            f"split_dataset into {left} and {right} of {len(elements)} elements\n"
            "  help: give sizes that fit, or shares that add up to 1"
        )
    parts = elements[:left], elements[left : left + right]
    return tuple(Dataset(lambda pass_, of=of: iter(of), len(of)) for of in parts)


def clear_session(free_memory=True):
    """Nothing is kept that would have to be cleared."""


def plot_model(*arguments, **options):
    raise NotImplementedError("plot_model: `model.summary()` prints the layers")


_DATA = "read files with Python, NumPy or pandas, and give arrays"
_LINES = "give `verbose=0` to fit and evaluate for silence"
_SAVING = "use keras.saving"
_ABSENT = {
    "Config": "use a dictionary",
    "FeatureSpace": "make features with pandas or scikit-learn",
    "Progbar": "print a line for each epoch in a loop of yours",
    "array_to_img": "use another library for images",
    "audio_dataset_from_directory": _DATA,
    "bounding_boxes": "use another library for images",
    "deserialize_keras_object": "use the class's from_config",
    "disable_interactive_logging": _LINES,
    "enable_interactive_logging": _LINES,
    "get_custom_objects": "use keras.saving.get_custom_objects",
    "get_file": "fetch files with Python's urllib",
    "get_registered_name": _SAVING,
    "get_registered_object": _SAVING,
    "get_source_inputs": "use model.inputs",
    "image_dataset_from_directory": _DATA,
    "img_to_array": "use another library for images",
    "is_interactive_logging_enabled": _LINES,
    "legacy": "use what stands in keras.utils",
    "load_img": "use another library for images",
    "model_to_dot": "model.summary() prints the layers",
    "save_img": "use another library for images",
    "serialize_keras_object": "use the object's get_config",
    "standardize_dtype": "use `x.dtype.name`",
    "text_dataset_from_directory": _DATA,
    "timeseries_dataset_from_array": "cut windows with numpy.lib.stride_tricks.sliding_window_view",
}


def __getattr__(name):
    raise absent("keras.utils", globals(), name, _ABSENT.get(name))
