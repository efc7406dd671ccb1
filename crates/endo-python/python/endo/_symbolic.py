"""Symbolic tensors: what stands for data while a model is put together, `keras.Input(shape)`.

What is called on a symbolic tensor, a layer, a function of `tf` or an operator, is noted with its
arguments, and returns symbolic tensors again. A model made of inputs and outputs does the same on
data. Shapes are those of a trace in which nothing is computed.
"""

import functools
import itertools
import operator
import types

from . import _native
from ._dtypes import TensorShape
from ._structure import flatten, pack, skeleton

# Two sizes for the batch, and two for other axes whose size is open: an axis of a result is open if
# its size is not the same for both.
_SIZES = ((2, 160), (3, 224))
_numbers = itertools.count()


class Record:
    """A call on symbolic tensors: of what, on which arguments, and what it returned."""

    __slots__ = ("function", "arguments", "options", "returned", "number", "__weakref__")

    def __init__(self, function, arguments, options):
        self.function, self.arguments, self.options = function, arguments, options
        self.returned = None
        self.number = next(_numbers)

    @property
    def inputs(self):
        """The symbolic tensors among the arguments."""
        return symbols_in((self.arguments, self.options))

    @property
    def outputs(self):
        """The symbolic tensors that it returned."""
        return flatten(self.returned)

    def run(self, value_of):
        """Calls it again, on what a function gives for each symbolic tensor."""
        arguments = replaced(self.arguments, value_of)
        options = replaced(self.options, value_of)
        return self._called(*arguments, **options)

    def _called(self, *arguments, **options):
        call = getattr(self.function, "_call_recorded", self.function)
        return call(*arguments, **options)


class KerasTensor:
    """What stands for a tensor while a model is put together: a shape and a type."""

    __slots__ = ("shape", "dtype", "_name", "record", "__weakref__")
    # NumPy leaves operators to this class.
    __array_ufunc__ = None

    def __init__(self, shape, dtype="float32", record=None, name=None):
        self.shape = TensorShape(shape)
        self.dtype = _dtype(dtype)
        self.record, self._name = record, name

    @property
    def name(self):
        """The name of the input, or of the layer that has returned it."""
        return self._name or getattr(self.record.function, "name", None) or "tensor"

    @property
    def ndim(self):
        return len(self.shape)

    rank = ndim

    def __repr__(self):
        return f"<KerasTensor shape={tuple(self.shape)}, dtype={self.dtype.name}, name={self.name}>"

    __hash__ = object.__hash__

    def __len__(self):
        if not self.shape or self.shape[0] is None:
            raise TypeError(f"the length of {self!r} is not known before it is data\n{_HELP}")
        return self.shape[0]

    def __iter__(self):
        return (self[place] for place in range(len(self)))

    def __bool__(self):
        raise TypeError(f"{self!r} is neither true nor false before it is data\n{_HELP}")

    def __float__(self):
        raise TypeError(f"{self!r} has no numbers before it is data\n{_HELP}")

    __int__ = __index__ = __float__

    def __getattr__(self, name):
        if name in ("numpy", "item", "__array__", "__dlpack__") or name.startswith("_"):
            # What looks whether it is an array has to find that it is not.
            raise AttributeError(f"a symbolic tensor has no `{name}`: it has no numbers")
        raise AttributeError(
            f"a symbolic tensor has no attribute `{name}`\n"
            "  help: call layers and functions of tf on it, and predict with the model"
        )


_HELP = (
    "  help: compute with layers and functions of tf, or write the model as a class with a `call`, "
    "or put what it does into a layer of yours"
)


def _operators():
    """Gives symbolic tensors their operators."""
    both = "add sub mul truediv floordiv mod pow matmul and_ or_".split()
    for name in both:
        function, method = getattr(operator, name), name.rstrip("_")

        def forward(self, other, function=function):
            return called(function, (self, other), {})

        def reflected(self, other, function=function):
            return called(function, (other, self), {})

        setattr(KerasTensor, f"__{method}__", forward)
        setattr(KerasTensor, f"__r{method}__", reflected)
    for name in "lt le gt ge eq ne getitem".split():

        def of_two(self, other, function=getattr(operator, name)):
            return called(function, (self, other), {})

        setattr(KerasTensor, f"__{name}__", of_two)
    for name in "neg abs invert".split():

        def of_one(self, function=getattr(operator, name)):
            return called(function, (self,), {})

        setattr(KerasTensor, f"__{name}__", of_one)


_operators()


def _dtype(dtype):
    from . import _dtypes

    name = getattr(dtype, "name", dtype) or "float32"
    name = {"int64": "int32", "float16": "float32"}.get(name, name)
    return getattr(_dtypes, name) if isinstance(name, str) else _dtypes.DType(str(name))


def replaced(value, value_of):
    """Nested lists, tuples, dictionaries and slices with other values for symbolic tensors."""
    if isinstance(value, KerasTensor):
        return value_of(value)
    if isinstance(value, dict):
        return {key: replaced(one, value_of) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [replaced(one, value_of) for one in value]
        if hasattr(value, "_fields"):
            return type(value)(*parts)
        return tuple(parts) if isinstance(value, tuple) else parts
    return value


def symbols_in(value):
    """The symbolic tensors in nested lists, tuples and dictionaries, each once."""
    found = {}

    def note(symbol):
        found[id(symbol)] = symbol
        return symbol

    replaced(value, note)
    return list(found.values())


def any_in(value):
    """Whether there is a symbolic tensor in nested lists, tuples and dictionaries."""
    if isinstance(value, KerasTensor):
        return True
    if isinstance(value, dict):
        return any(map(any_in, value.values()))
    return isinstance(value, (list, tuple)) and any(map(any_in, value))


def open_sizes(shape, of_batch, of_others):
    """The sizes of a shape, with numbers for those that are open."""
    return [
        size if size is not None else of_batch if axis == 0 else of_others
        for axis, size in enumerate(shape)
    ]


def sample_sizes(shape):
    """Sizes that a shape may have."""
    return open_sizes(shape, *_SIZES[0])


def called(function, arguments, options):
    """What a layer or function returns for symbolic tensors among its arguments."""
    record = Record(function, arguments, options)
    symbols = record.inputs
    structure = None

    def traced(tensors):
        nonlocal structure
        known = {id(symbol): tensor for symbol, tensor in zip(symbols, tensors)}
        value = record.run(lambda symbol: known[id(symbol)])
        structure = skeleton(value)
        return flatten(value)

    first, second = (
        _native.traced_shapes(
            traced, [(open_sizes(symbol.shape, *sizes), symbol.dtype.name) for symbol in symbols]
        )
        for sizes in _SIZES
    )
    outputs = [
        KerasTensor([a if a == b else None for a, b in zip(left, right)], dtype, record)
        for (left, dtype), (right, _) in zip(first, second, strict=True)
    ]
    record.returned = pack(structure, outputs)
    return record.returned


def symbolic(function):
    """A function that is noted where it is called on symbolic tensors."""

    @functools.wraps(function)
    def call(*arguments, **options):
        # Looking for symbolic tensors first would cost all others time.
        try:
            return function(*arguments, **options)
        except Exception:
            if not any_in((arguments, options)):
                raise
        return called(call, arguments, options)

    call._call_recorded = function
    return call


def take_symbols(content, *left_out):
    """Has the public functions of a module be noted where they are called on symbolic tensors."""
    for name, value in list(content.items()):
        is_ours = isinstance(value, types.FunctionType) and not name.startswith("_")
        if is_ours and value.__module__.startswith("endo.") and name not in left_out:
            if not hasattr(value, "_call_recorded"):
                content[name] = symbolic(value)
