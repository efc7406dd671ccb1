"""Arrays of any library as NumPy arrays that the native part can read, and back."""

import numpy as np

_KINDS = {"float32": "f32", "float64": "f64", "int32": "i32", "uint8": "u8", "bool": "bool"}


def to_numpy(values):
    """A NumPy array of what holds numbers: arrays of other libraries without a copy, frames by
    their own method, nested lists."""
    if isinstance(values, np.ndarray):
        return values
    if values is None:
        raise TypeError("None is no array; give numbers, such as a NumPy array")
    if isinstance(values, (str, bytes)):
        raise TypeError(f"a text is no array of numbers, got {values!r}")
    if hasattr(values, "__dlpack__") and not hasattr(values, "__array__"):
        return np.from_dlpack(values)
    if hasattr(values, "detach") and hasattr(values, "__dlpack__"):
        return np.from_dlpack(values.detach())
    if hasattr(values, "to_numpy"):
        return values.to_numpy()
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"the lists have different lengths, so they are no array: {error}\n"
            "  help: fill the rows up to one length, with keras.utils.pad_sequences say"
        ) from None


def prepare(values):
    """A kind of elements, a contiguous array of them in a row, and its shape."""
    plain = isinstance(values, (list, tuple, int, float))
    array = to_numpy(values)
    if plain and array.dtype == np.float64:
        array = array.astype(np.float32)
    kind = array.dtype.kind
    if kind == "f":
        if array.dtype not in (np.float32, np.float64):
            array = array.astype(np.float32 if array.dtype.itemsize < 4 else np.float64)
    elif kind in "iu":
        if array.dtype not in (np.int32, np.uint8):
            limits = np.iinfo(np.int32)
            if array.size and (array.min() < limits.min or array.max() > limits.max):
                raise ValueError(
                    f"the numbers reach from {array.min()} to {array.max()}, and integers here "
                    "have 32 bits\n  help: cast them to float64, or number them from 0"
                )
            array = array.astype(np.int32)
    elif kind == "O" and array.size:
        array = _of_objects(array)
    elif kind != "b":
        raise TypeError(
            f"an array of type {array.dtype} holds no numbers\n"
            "  help: turn words and dates into numbers first"
        )
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    kind, shape = _KINDS[array.dtype.name], array.shape
    flat = np.ascontiguousarray(array).reshape(-1)
    return kind, flat.view(np.uint8) if kind == "bool" else flat, shape


def _of_objects(array):
    """Numbers that pandas holds as objects."""
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        first = next(
            (value for value in array.flat if not isinstance(value, (int, float))), array.flat[0]
        )
        raise TypeError(
            f"an array of objects holds {first!r}, which is no number\n"
            "  help: turn words, missing values and lists of different lengths into numbers first"
        ) from None


def of_numbers(numbers, dtype, shape):
    """A NumPy array of numbers that the native part gives away."""
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.frombuffer(numbers, dtype).reshape(shape)
