"""Arrays of any library as NumPy arrays that the native part can read, and back."""

import importlib
import sys

import numpy as np

from . import _native
from ._symbolic import KerasTensor

_KINDS = {"float32": "f32", "float64": "f64", "int32": "i32", "uint8": "u8", "bool": "bool"}


def to_numpy(values):
    """A NumPy array of what holds numbers: arrays of other libraries without a copy, frames by
    their own method, nested lists."""
    if isinstance(values, np.ndarray):
        return _unmasked(values)
    if values is None:
        raise TypeError("None is no array; give numbers, such as a NumPy array")
    if isinstance(values, KerasTensor):
        raise TypeError(
            f"{values!r} is symbolic, and is given where data is computed with\n"
            "  help: make a keras.Model of it, or give it to a layer or to a function of tf"
        )
    if isinstance(values, (str, bytes)):
        raise TypeError(f"a text is no array of numbers, got {values!r}")
    if hasattr(values, "collect") and hasattr(values, "lazy"):
        raise TypeError("a lazy frame has no numbers yet\n  help: give `frame.collect()`")
    if hasattr(values, "detach") and hasattr(values, "__dlpack__"):
        return _of_torch(values)
    if hasattr(values, "__dlpack__") and not hasattr(values, "__array__"):
        return np.from_dlpack(values)
    if hasattr(values, "to_numpy"):
        return _of_frame(values)
    if not hasattr(values, "__array__") and hasattr(values, "__arrow_c_stream__"):
        return _of_arrow(values)
    if callable(values) and not hasattr(values, "__array__"):
        raise TypeError(
            f"{values!r} is a function and no array\n  help: call it, as in `fit(batches())`"
        )
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"the lists have different lengths, so they are no array: {error}\n"
            "  help: fill the rows up to one length, with keras.utils.pad_sequences say"
        ) from None


def _unmasked(array):
    """An array whose mask hides nothing."""
    if not isinstance(array, np.ma.MaskedArray):
        return array
    hidden = int(np.ma.count_masked(array))
    if hidden:
        raise ValueError(
            f"{hidden} of the {array.size} numbers of a masked array are masked, and would be "
            "taken for numbers\n"
            "  help: fill them with `array.filled(value)`, or leave their rows out"
        )
    return array.data


def _of_torch(tensor):
    """The numbers of a tensor of PyTorch, without a copy where its type is one of NumPy's."""
    if tensor.device.type != "cpu":
        raise TypeError(f"the tensor is on {tensor.device}\n  help: give `tensor.cpu()`")
    tensor = tensor.detach()
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    return tensor.numpy()


def _of_frame(frame):
    """The numbers of a frame or series; missing values are NaN."""
    array = np.asarray(frame) if hasattr(frame, "__array__") else frame.to_numpy()
    if array.dtype.kind != "O":
        return array
    if array.ndim == 1:
        return _of_objects(array, getattr(frame, "name", None))
    names = getattr(frame, "columns", range(array.shape[1]))
    return np.stack([_of_objects(array[:, at], name) for at, name in enumerate(names)], 1)


def _of_arrow(values):
    """The numbers of an object with Arrow's C stream, through a library that reads it."""
    for library in ("pyarrow", "polars"):
        try:
            module = importlib.import_module(library)
        except ImportError:
            continue
        return to_numpy(getattr(module, "table" if library == "pyarrow" else "DataFrame")(values))
    raise TypeError(
        f"{type(values).__name__} gives its numbers by Arrow's C stream alone\n"
        "  help: install pyarrow or polars, which read it"
    )


def prepare(values):
    """A kind of elements, a contiguous array of them in a row, and its shape."""
    plain = isinstance(values, (list, tuple, int, float))
    array = to_numpy(values)
    if array.dtype.kind == "V" and array.dtype.name.startswith(("bfloat", "float")):
        array = array.astype(np.float32)  # the short floats of JAX
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


def _of_objects(array, name=None):
    """Numbers that are held as objects, with `None` and `pandas.NA` as NaN."""
    missing = np.array([value is None or _is_na(value) for value in array.flat], bool)
    numbers = array.copy()
    numbers.flat[missing] = np.nan
    try:
        return numbers.astype(np.float64)
    except (TypeError, ValueError):
        value = next(value for value in numbers.flat if not _is_number(value))
        of = "an array of objects" if name is None else f"the column `{name}`"
        raise TypeError(
            f"{of} holds {value!r}, which is no number\n"
            "  help: turn words, dates and lists of different lengths into numbers first"
        ) from None


def _is_na(value):
    return type(value).__name__ in ("NAType", "NaTType")


def _is_number(value):
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, (str, bytes))


def of_numbers(numbers, dtype, shape):
    """A NumPy array of numbers that the native part gives away; a number of NumPy's, which is a key
    of dictionaries too, where there are no axes."""
    if not shape:
        return np.frombuffer(numbers, dtype)[0]
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.frombuffer(numbers, dtype).reshape(shape)


def as_array(tensor, dtype=None, copy=None):
    """A NumPy array of a tensor's numbers, for `numpy.asarray`: one that is only read and shares
    them, unless it has another type or is to be a copy."""
    array = np.asarray(memoryview(tensor))
    if dtype is not None and array.dtype != np.dtype(dtype):
        if copy is False:
            raise ValueError(f"{array.dtype} as {np.dtype(dtype)} needs a copy")
        return array.astype(dtype)
    return array.copy() if copy else array


def dlpack(tensor, *, stream=None, max_version=None, dl_device=None, copy=None):
    """The numbers of a tensor for other libraries: shared and only read where the other library
    knows of that, a copy otherwise."""
    array = as_array(tensor)
    knows = max_version is not None and max_version >= (1, 0) and copy is not True
    # PyTorch says that it knows, and writes to what is only read.
    taker = sys._getframe(1).f_globals.get("__name__", "").partition(".")[0]
    knows = knows and taker != "torch"
    if not knows or np.lib.NumpyVersion(np.__version__) < "2.1.0":
        if copy is False:
            raise BufferError("a tensor is only read, which this version of DLPack cannot say")
        return array.copy().__dlpack__()
    return array.__dlpack__(max_version=max_version, dl_device=dl_device, copy=copy)


_OPERATORS = {
    "add": ("__add__", "__radd__"),
    "subtract": ("__sub__", "__rsub__"),
    "multiply": ("__mul__", "__rmul__"),
    "divide": ("__truediv__", "__rtruediv__"),
    "floor_divide": ("__floordiv__", "__rfloordiv__"),
    "remainder": ("__mod__", "__rmod__"),
    "power": ("__pow__", "__rpow__"),
    "matmul": ("__matmul__", "__rmatmul__"),
    "less": ("__lt__", "__gt__"),
    "less_equal": ("__le__", "__ge__"),
    "greater": ("__gt__", "__lt__"),
    "greater_equal": ("__ge__", "__le__"),
    "equal": ("__eq__", "__eq__"),
    "not_equal": ("__ne__", "__ne__"),
}


def ufunc(function, method, inputs, options):
    """What a NumPy function of elements makes of tensors: an operator is the tensors' own, so that
    ``array + tensor`` is a tensor with a gradient; others compute NumPy arrays of known numbers."""
    names = _OPERATORS.get(function.__name__)
    if names and method == "__call__" and not options:
        left, right = inputs
        if isinstance(left, (_native.Tensor, _native.Variable)):
            return getattr(left, names[0])(right)
        return getattr(right, names[1])(left)
    tensors = (_native.Tensor, _native.Variable)
    if _native.is_tracing() and any(isinstance(one, tensors) for one in inputs):
        name = function.__name__
        raise _native.UsageError(
            f"`numpy.{name}` of a tensor whose numbers are not known while `call` or "
            "a function is traced\n"
            f"  help: write it with `tf`, as in `tf.{_TF_NAMES.get(name, name)}`"
        )
    inputs = [one.numpy() if isinstance(one, tensors) else one for one in inputs]
    return getattr(function, method)(*inputs, **(options or {}))


_TF_NAMES = {
    "absolute": "abs",
    "negative": "negative",
    "log": "math.log",
    "log1p": "math.log1p",
    "expm1": "math.expm1",
    "isnan": "math.is_nan",
    "isfinite": "math.is_finite",
    "arctan": "math.atan",
}
