"""`tf.function`: Python functions as plans."""

import functools

import numpy as np

from .. import _native, _tracking
from .._dtypes import TensorShape, float32
from .._structure import flatten, pack, skeleton


class TensorSpec:
    """The sizes and type of an argument; ``None`` for a size that may be any."""

    def __init__(self, shape=None, dtype=float32, name=None):
        self.shape = None if shape is None else TensorShape(shape)
        self.dtype = dtype
        self.name = name

    def __repr__(self):
        return f"TensorSpec(shape={self.shape!r}, dtype={self.dtype!r})"

    def check(self, function, position, array):
        """Raises where an argument does not fit."""
        if self.shape is None:
            return
        sizes = tuple(array.shape)
        fits = len(sizes) == len(self.shape) and all(
            wanted is None or wanted == size for wanted, size in zip(self.shape, sizes)
        )
        if not fits:
            raise ValueError(
                f"argument {position} of `{function}` has shape {list(sizes)}, and its "
                f"input_signature says {list(self.shape)}\n"
                "  help: give what the signature says, or None for sizes that may be any"
            )


def function(func=None, input_signature=None, autograph=True, jit_compile=None, **options):
    """Traces a function of tensors once for each shape of its arguments, and runs it as a plan.

    Arrays and tensors among the arguments are what it is run on; other arguments, such as Python
    numbers and models, are part of the trace, so that each value of them is traced by itself.
    Python code inside runs while it is traced, not in each run; within a gradient tape it runs in
    each call, so that the tape records it.
    """
    if func is None:
        return functools.partial(function, input_signature=input_signature)
    return Function(func, input_signature)


class Function:
    """A function that runs as a plan."""

    def __init__(self, python_function, input_signature=None):
        functools.update_wrapper(self, python_function)
        self.python_function = python_function
        self.input_signature = input_signature
        self._plans = {}
        # The plan for tensors alone, which need not be looked for.
        self._plain = None

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        bound = Function(self.python_function.__get__(instance, owner), self.input_signature)
        # One set of plans for each object.
        name = f"_endo_function_{self.python_function.__name__}"
        return instance.__dict__.setdefault(name, bound)

    def __call__(self, *arguments, **named):
        if _native.is_open():
            # Part of the plan, or of the tape, that is being made: gradients go through it.
            return self.python_function(*arguments, **named)
        plan = self._plain
        if plan is not None and not named and len(arguments) == plan.count:
            plain = all([type(argument) in _TENSORS for argument in arguments])
            if plain and not plan.is_outdated():
                return plan.run(arguments)
        leaves = flatten((arguments, named))
        tensors = [_array(leaf) for leaf in leaves if _is_tensor(leaf)]
        key = tuple([None if _is_tensor(leaf) else _key(leaf) for leaf in leaves])
        if self.input_signature is not None:
            tensors = self._checked(tensors)
        plan = self._plans.get(key)
        if plan is None or plan.is_outdated():
            plan = self._plans[key] = _Plan(self.python_function, (arguments, named), leaves)
            is_plain = not named and len(tensors) == len(arguments) == len(leaves)
            self._plain = plan if is_plain and self.input_signature is None else None
        return plan.run(tensors)

    def _checked(self, tensors):
        if len(tensors) != len(self.input_signature):
            raise TypeError(
                f"`{self.__name__}` takes {len(self.input_signature)} tensors by its "
                f"input_signature, got {len(tensors)}"
            )
        for position, (spec, tensor) in enumerate(zip(self.input_signature, tensors)):
            spec.check(self.__name__, position, tensor)
        return [
            _native.cast(tensor, spec.dtype) if tensor.dtype != spec.dtype else tensor
            for spec, tensor in zip(self.input_signature, tensors)
        ]

    def get_concrete_function(self, *arguments, **named):
        """The function itself, which is traced when it is run."""
        return self

    def __getattr__(self, name):
        if name in ("graph", "function_def", "inputs", "outputs", "structured_outputs"):
            raise AttributeError(
                f"a function has no `{name}`: it runs as a native plan. "
                "`experimental_get_tracing_count()` says how often it was traced, and "
                "`python_function` is what is traced"
            )
        raise AttributeError(f"a function has no attribute `{name}`")

    def experimental_get_tracing_count(self):
        """How often it was traced."""
        return sum(plan.native.traces() for plan in self._plans.values())


def _key(leaf):
    try:
        hash(leaf)
    except TypeError:
        return id(leaf)
    if isinstance(leaf, (bool, int, float, str, type(None))):
        return (type(leaf), leaf)
    return id(leaf)


class _Plan:
    """The plans of a function for one set of arguments that are no tensors."""

    def __init__(self, function, structure, leaves):
        self.native = _native.TracedFunction()
        self.function = function
        self.version = _tracking.version()
        self.count = len(leaves)
        self.layers = None
        self.structure = skeleton(structure)
        self.is_tensor = [_is_tensor(leaf) for leaf in leaves]
        self.fixed = [None if _is_tensor(leaf) else leaf for leaf in leaves]
        self.outputs = None
        self.is_one = False

    def is_outdated(self):
        """Whether a layer that the trace has used has changed since."""
        if self.version != _tracking.version():
            return True
        return self.layers is not None and self.layers.have_changed()

    def _traced(self, inputs):
        """Called while the function is traced."""
        inputs = iter(inputs)
        leaves = [
            next(inputs) if is_tensor else fixed
            for is_tensor, fixed in zip(self.is_tensor, self.fixed)
        ]
        arguments, named = pack(self.structure, leaves)
        with _tracking.LayersUsed() as layers:
            value = self.function(*arguments, **named)
        self.layers = layers
        found = flatten(value)
        self.outputs = skeleton(value), [leaf is None for leaf in found]
        self.is_one = self.outputs[0] is None and value is not None
        return [leaf for leaf in found if leaf is not None]

    def run(self, tensors):
        found = self.native.run(self._traced, tensors)
        self.version = _tracking.version()
        if self.is_one:
            return found[0]
        structure, absent = self.outputs
        if structure is None:
            return None
        found = iter(found)
        return pack(structure, [None if is_absent else next(found) for is_absent in absent])


_TENSORS = (_native.Tensor, np.ndarray)


def _is_tensor(leaf):
    return isinstance(leaf, (_native.Tensor, np.ndarray, np.generic))


def _array(leaf):
    return np.asarray(leaf) if isinstance(leaf, np.generic) else leaf
