"""`tf.function`: Python functions as plans."""

import functools
import warnings
import weakref

import numpy as np

from .. import _native, _tracking
from .._dtypes import TensorShape, float32
from .._structure import flatten, pack, skeleton, structure_key
from .._symbolic import KerasTensor

# With more plans than this for Python values alone, a function probably gets numbers that should
# be tensors.
_PLANS_EXPECTED = 8
# As many shapes of a plan are remembered; the native part keeps fewer.
_TRACES_KEPT = 64


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


def function(
    func=None,
    input_signature=None,
    autograph=True,
    jit_compile=None,
    reduce_retracing=False,
    experimental_implements=None,
    experimental_autograph_options=None,
    experimental_attributes=None,
    experimental_relax_shapes=None,
    experimental_compile=None,
    experimental_follow_type_hints=None,
):
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
        # The functions of objects whose method it is, by the identity of each.
        self._of_objects = {}

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        found = self._of_objects.get(id(instance))
        return _BoundFunction(found[1] if found else self._for_object(instance), instance)

    def _for_object(self, instance):
        """A function with plans for one object, for as long as the object lives."""
        key, of_objects, method = id(instance), self._of_objects, self.python_function
        try:
            reference = weakref.ref(instance, lambda _: of_objects.pop(key, None))
        except TypeError:
            # An object with __slots__ and without __weakref__ lives as long as the function.
            def reference():
                return instance

        @functools.wraps(method)
        def of_object(*arguments, **named):
            return method.__get__(reference())(*arguments, **named)

        made = Function(of_object, self.input_signature)
        of_objects[key] = reference, made
        return made

    def __call__(self, *arguments, **named):
        if _native.is_open():
            # Part of the plan, or of the tape, that is being made: gradients go through it.
            return self.python_function(*arguments, **named)
        plan = self._plain
        if plan is not None and not named and plan.version == _tracking.version():
            found = plan.run_again(arguments)
            if found is not None:
                return found
        leaves = flatten((arguments, named))
        if KerasTensor in map(type, leaves):
            # Its operations are noted one by one.
            return self.python_function(*arguments, **named)
        tensors = [_array(leaf) for leaf in leaves if _is_tensor(leaf)]
        fixed = tuple([None if _is_tensor(leaf) else _key(leaf) for leaf in leaves])
        key = structure_key((arguments, named)), fixed
        if self.input_signature is not None:
            tensors = self._checked(tensors)
        plan = self._plans.get(key)
        is_new = plan is None
        if is_new or plan.is_outdated():
            plan = self._plans[key] = _Plan(self.python_function, (arguments, named), leaves)
            is_plain = not named and len(tensors) == len(arguments) == len(leaves)
            self._plain = plan if is_plain and self.input_signature is None else None
            if is_new and len(self._plans) == _PLANS_EXPECTED + 1:
                warnings.warn(
                    f"`{self.__name__}` was traced for {len(self._plans)} different values of "
                    "arguments that are no tensors, and keeps a plan for each\n"
                    "  help: give numbers that change as tensors, tf.constant(number), and make "
                    "lists and objects once",
                    stacklevel=2,
                )
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


class _BoundFunction:
    """The function of an object, which it keeps alive."""

    __slots__ = ("_function", "_instance")

    def __init__(self, function, instance):
        self._function, self._instance = function, instance

    def __call__(self, *arguments, **named):
        return self._function(*arguments, **named)

    def get_concrete_function(self, *arguments, **named):
        """The function itself, which is traced when it is run."""
        return self

    def __getattr__(self, name):
        return getattr(self._function, name)


def _key(leaf):
    try:
        hash(leaf)
    except TypeError:
        return id(leaf)
    if isinstance(leaf, (bool, int, float, str, type(None))):
        return (type(leaf), leaf)
    return id(leaf)


class _Trace:
    """What is known of a plan's function for tensors of some shapes and types."""

    def __init__(self, value, leaves, layers):
        self.layers = layers
        self.structure = skeleton(value)
        self.key = structure_key(value), tuple([leaf is None for leaf in leaves])
        self.returns_one = self.key == (None, (False,))

    def packed(self, tensors):
        """What the function returns, made of the tensors that a run gives."""
        nesting, absent = self.key
        if nesting is None:
            return None if absent[0] else tensors[0]
        tensors = iter(tensors)
        return pack(self.structure, [None if is_absent else next(tensors) for is_absent in absent])


class _Plan:
    """The plans of a function for one set of arguments that are no tensors."""

    def __init__(self, function, structure, leaves):
        self.native = _native.TracedFunction()
        # What most calls are, as one call of the native part.
        self.run_again = self.native.run_again
        self.function = function
        self.version = _tracking.version()
        self.count = len(leaves)
        self.structure = skeleton(structure)
        self.is_tensor = [_is_tensor(leaf) for leaf in leaves]
        self.fixed = [None if _is_tensor(leaf) else leaf for leaf in leaves]
        self.traces = {}
        # The trace whose structure all others have, too; `None` where structures differ.
        self.only = None

    def is_outdated(self):
        """Whether a layer that a trace has used has changed since."""
        if self.version != _tracking.version():
            return True
        # A list, since another thread may trace meanwhile.
        for trace in list(self.traces.values()):
            if trace.layers.have_changed():
                return True
        return False

    def _traced(self, inputs):
        """Called while the function is traced."""
        signature = _signature(inputs)
        inputs = iter(inputs)
        leaves = [
            next(inputs) if is_tensor else fixed
            for is_tensor, fixed in zip(self.is_tensor, self.fixed)
        ]
        arguments, named = pack(self.structure, leaves)
        with _tracking.LayersUsed() as layers:
            value = self.function(*arguments, **named)
        found = flatten(value)
        trace = self.traces[signature] = _Trace(value, found, layers)
        if len(self.traces) > _TRACES_KEPT:
            del self.traces[next(iter(self.traces))]
        traces = list(self.traces.values())
        self.only = trace if all(one.key == trace.key for one in traces) else None
        holdings = [one.layers.holdings() for one in traces]
        is_one_tensor = self.only is not None and trace.returns_one and all(self.is_tensor)
        self.native.settle(self.count, holdings if is_one_tensor and all(holdings) else None)
        return [leaf for leaf in found if leaf is not None]

    def run(self, tensors):
        found = self.native.run(self._traced, tensors)
        self.version = _tracking.version()
        trace = self.only
        if trace is None:
            # Types as a trace sees them, not as NumPy has them.
            seen = _native.outside(lambda: [_native.identity(tensor) for tensor in tensors])
            trace = self.traces[_signature(seen)]
        return trace.packed(found)


def _signature(tensors):
    return tuple([(tuple(tensor.shape), tensor.dtype.name) for tensor in tensors])


def _is_tensor(leaf):
    return isinstance(leaf, (_native.Tensor, np.ndarray, np.generic))


def _array(leaf):
    return np.asarray(leaf) if isinstance(leaf, np.generic) else leaf
