"""The native part of endo. It is private: use `endo.keras` and `endo.tf`.

Written by stubs.py from the module itself.
"""

from collections.abc import Callable
from typing import Any

from numpy import ndarray

__version__: str


class ArgumentError(EndoError, ValueError):
    """An argument that makes no sense."""


class DTypeError(EndoError, TypeError):
    """An element type that does not fit."""


class DataError(EndoError, ValueError):
    """Data that cannot be read as asked."""


class EndoError(Exception):
    """A mistake that endo reports."""


class Holdings:
    """Lists and dictionaries, each with what it held."""
    def __init__(self, holders: Any) -> None:
        """Lists and dictionaries, each with what it held."""
    def have_changed(self) -> Any:
        """Whether one holds other objects since, or in another order."""


class LayerHandle:
    """A layer that Python holds."""
    def apply(self, inputs: Any, training: bool | None = None, first_values: dict[str, Callable[[tuple[int, ...]], Any]] | None = None, masks: Any = None, seed: int | None = None) -> list[Tensor]:
        """Applies it in the trace at hand. `first_values` are callables by the names of weights: of the shape as a tuple, they return an array. `masks` are those of the inputs, or `None`. `seed` is that of the weights that it makes, where no model has one."""
    @staticmethod
    def named(text: str | None) -> LayerHandle:
        """The layer of the library that a text names."""
    @staticmethod
    def of(object: Any, kind: str, name: str | None) -> LayerHandle:
        """A layer whose `call` is the object's `_run`, of which it keeps a weak reference."""
    @staticmethod
    def of_several(text: str | None) -> LayerHandle:
        """The layer of several tensors that a text names: a recurrent layer with its states, or an attention with its weights."""
    @property
    def rounds(self) -> Any:
        """Whether a layer of the library rounds its kernels, what it multiplies by them and what it hands on to numbers that a bfloat16 holds, whatever is around it."""
    def text(self, name: str | None) -> Any:
        """What the layer is made of, as a text by which it is made again."""
    def weights(self) -> Any:
        """The weights of a layer of the library; none before it was applied."""


class LossHandle:
    """A loss that Python holds."""
    def compute(self, y_true: Any, y_pred: Any, sample_weight: Any = None, reduce: bool = True) -> Any:
        """The loss of targets and predictions; with its reduction, or for each sample."""
    @property
    def name(self) -> Any:
        ...
    @staticmethod
    def named(text: str | None) -> LossHandle:
        """The loss of the library that a text names."""
    @staticmethod
    def of(function: Any, name: str | None, reduction: str) -> LossHandle:
        """A callable of targets and predictions."""


class MetricHandle:
    """A metric that Python holds."""
    @staticmethod
    def mean(name: str | None) -> MetricHandle:
        """The mean of values."""
    @property
    def name(self) -> Any:
        ...
    @staticmethod
    def named(text: str | None, name: str | None = None) -> MetricHandle:
        """The metric of the library that a text names, reported under a name."""
    @staticmethod
    def of(object: Any, name: str | None) -> MetricHandle:
        """A Python object with `_update`, `result` and `variables`."""
    @staticmethod
    def of_loss(loss: LossHandle, name: str | None) -> MetricHandle:
        """The mean of a loss."""
    def report(self) -> Any:
        """Has a metric that is Python reported by the layer that holds it."""
    def reset(self) -> Any:
        """Forgets what was taken in."""
    def result(self) -> Any:
        """The result of what was taken in."""
    @staticmethod
    def sum(name: str | None) -> MetricHandle:
        """The sum of values."""
    def update(self, first: Any, second: Any = None, sample_weight: Any = None) -> Any:
        """Takes in targets and predictions, or values."""
    def variables(self) -> Any:
        ...


class ModelHandle:
    """A model that Python holds."""
    def __init__(self, layer: LayerHandle, seed: int | None) -> None:
        """A model that Python holds."""
    def apply(self, inputs: Any, training: bool | None) -> list[Tensor]:
        """Applies it in the trace at hand."""
    def build(self, inputs: Any) -> Any:
        """Makes the weights, for inputs of these shapes and types."""
    def compile(self, optimizer: Any, losses: Any, metrics: Any, weighted_metrics: Any, loss_weights: Any, run_eagerly: Any) -> Any:
        """Chooses how it is trained. Each output has a name, or none, and losses; metrics are lists, one for each output."""
    def evaluate(self, data: Any, batch_size: Any, steps: Any) -> Any:
        """Judges it on data: the numbers by name, and which of them are terms of the loss."""
    def export(self, path: str) -> Any:
        """Writes what it predicts, without Python."""
    def fit(self, data: Any, options: Any, callbacks: Any) -> Any:
        """Trains; the epochs, each the numbers by name."""
    def forget_traces(self) -> Any:
        """Has all that was traced be traced anew."""
    def load(self, path: str) -> Any:
        ...
    def load_weights(self, path: str) -> Any:
        ...
    def loss_term_count(self) -> Any:
        """How many terms its layers have added to its loss in the trace at hand."""
    def losses(self, skipped: Any) -> Any:
        """The terms of its loss in the trace at hand, without the first ones: those of calls before."""
    def metric_results(self) -> Any:
        ...
    def on_batch(self, data: Any, trains: Any, class_weight: Any) -> Any:
        """One step of training, or of testing, on a batch; with a weight for each class, or none."""
    def output_names(self) -> Any:
        ...
    def predict(self, inputs: Any) -> Any:
        """Its outputs for inputs, as NumPy arrays."""
    def raise_warnings(self, lines: Any) -> Any:
        """Raises the warnings as Python's."""
    def reset_metrics(self) -> Any:
        ...
    def save(self, path: str) -> Any:
        """Writes weights, losses, metrics and the state of the optimizer."""
    def save_weights(self, path: str) -> Any:
        ...
    def set_steps(self, train: Any = None, test: Any = None, predict: Any = None) -> Any:
        """Has steps be callables, where they are given, instead of the usual: of lists of inputs, targets and sample weights, they return the loss; that which predicts takes inputs."""
    def structure(self) -> Any:
        """The paths and types of its layers."""
    def summary(self) -> Any:
        """The layers as a table."""
    def terms(self) -> Any:
        """The names of the terms of its loss."""
    def warnings(self) -> Any:
        """What was warned of so far."""


class NotFiniteError(EndoError):
    """A number that is not finite."""


class OptimizerHandle:
    """An optimizer that Python holds."""
    def apply(self, pairs: Any) -> list[Tensor]:
        """Updates variables by their gradients, `None` where there is none."""
    def finalize_variable_values(self, variables: Any) -> Any:
        """Gives weights their moving averages."""
    def follow(self, schedule: Any) -> Any:
        """Has the learning rate be what a callable makes of the number of steps."""
    def iterations(self) -> Any:
        ...
    @property
    def learning_rate(self) -> Any:
        ...
    @staticmethod
    def named(text: str | None) -> OptimizerHandle:
        """The optimizer that a text names."""
    @staticmethod
    def of(text: str | None, prepare: Any, update: Any) -> OptimizerHandle:
        """An optimizer whose update is Python, with the settings of one that a text names: `prepare` is called with a list of variables, `update` with a gradient, its variable and the rate."""
    def set_learning_rate(self, value: Any) -> Any:
        ...
    def slot(self, variable: Variable, name: str | None, first: Any) -> Any:
        """A variable that the optimizer keeps for another, or for none, made with a first value unless there is one of the name."""
    def variables(self) -> Any:
        """The number of updates so far, and the other variables that it keeps."""


class ShapeError(EndoError, ValueError):
    """Sizes or ranks that do not fit."""


class Tape:
    """A tape: opened, computed in, closed, and asked for gradients."""
    def __init__(self) -> None:
        """A tape: opened, computed in, closed, and asked for gradients."""
    def close(self) -> Any:
        """Ends what it records."""
    def forget(self) -> Any:
        """Forgets what it has recorded."""
    def gradient(self, target: Any, sources: Any, output_gradients: Any) -> Any:
        """The gradients of a scalar, or of the sum of a tensor's elements, by each source: variables and tensors."""
    def is_computed(self, tensor: Any, watched: Any, watches_variables: Any) -> Any:
        """Whether a tensor was computed of what is watched while it recorded: `watched`, and the trainable variables where `watches_variables` says so."""
    def jacobian(self, target: Any, source: Any) -> Any:
        """The derivatives of each element of a tensor by each element of a source."""
    def open(self) -> Any:
        """Has it record: in the trace at hand, or in a new one."""
    def variables(self) -> Any:
        """The trainable variables that were read while it recorded."""


class Tensor:
    """A value: numbers with a shape, known now or when a plan runs."""
    def __abs__(self) -> Any:
        """abs(self)"""
    def __add__(self, value: Any) -> Any:
        """Return self+value."""
    def __and__(self, value: Any) -> Any:
        """Return self&value."""
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The numbers as a NumPy array that shares them and is only read, or as a copy."""
    __array_priority__: Any
    def __array_ufunc__(self, function: Any, method: Any, *inputs: Any, **options: Any) -> Any:
        """What NumPy's functions of elements make of it: operators are the tensor's own."""
    def __bool__(self) -> Any:
        """True if self else False"""
    def __delitem__(self, key: Any) -> Any:
        """Delete self[key]."""
    def __dlpack__(self, **options: Any) -> Any:
        """Its numbers by the DLPack protocol, as other libraries take them."""
    def __dlpack_device__(self) -> Any:
        """The processor, by DLPack's number."""
    def __eq__(self, value: Any) -> Any:
        """Return self==value."""
    def __float__(self) -> Any:
        """float(self)"""
    def __floordiv__(self, value: Any) -> Any:
        """Return self//value."""
    def __format__(self, spec: Any) -> Any:
        """Default object formatter."""
    def __ge__(self, value: Any) -> Any:
        """Return self>=value."""
    def __getattribute__(self, name: str | None) -> Any:
        """Return getattr(self, name)."""
    def __getitem__(self, key: Any) -> Any:
        """Return self[key]."""
    def __gt__(self, value: Any) -> Any:
        """Return self>value."""
    def __hash__(self) -> Any:
        """Return hash(self)."""
    def __index__(self) -> Any:
        """Return self converted to an integer, if self is suitable for use as an index into a list."""
    def __int__(self) -> Any:
        """int(self)"""
    def __invert__(self) -> Any:
        """~self"""
    def __iter__(self) -> Any:
        """Implement iter(self)."""
    def __le__(self, value: Any) -> Any:
        """Return self<=value."""
    def __len__(self) -> Any:
        """Return len(self)."""
    def __lt__(self, value: Any) -> Any:
        """Return self<value."""
    def __matmul__(self, value: Any) -> Any:
        """Return self@value."""
    def __mod__(self, value: Any) -> Any:
        """Return self%value."""
    def __mul__(self, value: Any) -> Any:
        """Return self*value."""
    def __ne__(self, value: Any) -> Any:
        """Return self!=value."""
    def __neg__(self) -> Any:
        """-self"""
    def __or__(self, value: Any) -> Any:
        """Return self|value."""
    def __pow__(self, value: Any, mod: Any = None) -> Any:
        """Return pow(self, value, mod)."""
    def __radd__(self, value: Any) -> Any:
        """Return value+self."""
    def __rand__(self, value: Any) -> Any:
        """Return value&self."""
    def __repr__(self) -> Any:
        """Return repr(self)."""
    def __rfloordiv__(self, value: Any) -> Any:
        """Return value//self."""
    def __rmatmul__(self, value: Any) -> Any:
        """Return value@self."""
    def __rmod__(self, value: Any) -> Any:
        """Return value%self."""
    def __rmul__(self, value: Any) -> Any:
        """Return value*self."""
    def __ror__(self, value: Any) -> Any:
        """Return value|self."""
    def __rpow__(self, value: Any, mod: Any = None) -> Any:
        """Return pow(value, self, mod)."""
    def __rsub__(self, value: Any) -> Any:
        """Return value-self."""
    def __rtruediv__(self, value: Any) -> Any:
        """Return value/self."""
    def __setitem__(self, key: Any, value: Any) -> Any:
        """Set self[key] to value."""
    def __sub__(self, value: Any) -> Any:
        """Return self-value."""
    def __truediv__(self, value: Any) -> Any:
        """Return self/value."""
    @property
    def _node(self) -> Any:
        ...
    @property
    def _sizes(self) -> Any:
        ...
    @property
    def dtype(self) -> Any:
        ...
    def item(self) -> Any:
        ...
    @property
    def ndim(self) -> Any:
        ...
    def numpy(self) -> ndarray:
        """The numbers as a NumPy array."""
    def set_shape(self, shape: list[int] | None) -> Any:
        """Checks a shape that the program knows, in which sizes may be open: it changes nothing."""
    @property
    def shape(self) -> Any:
        ...


class TracedFunction:
    """The plans of a function, by the shapes of its tensors."""
    def __init__(self) -> None:
        """The plans of a function, by the shapes of its tensors."""
    def run(self, function: Any, inputs: Any) -> Any:
        """Runs it: `function` takes a list of tensors and returns one, and is called when their shapes are new."""
    def run_again(self, inputs: Any) -> Any:
        """What it returns for tensors of shapes and types that it was run on before; none where it may have to be traced, or returns something else than one tensor."""
    def settle(self, count: Any, holdings: Any = None) -> Any:
        """Notes that it takes a number of tensors and returns one, for as long as these lists and dictionaries hold what they do; nothing of the kind without them."""
    def traces(self) -> Any:
        """How many shapes it was traced for."""


class UsageError(EndoError):
    """Calls in an order that cannot work."""


class Value(Tensor):
    """The value of a variable: a tensor, which returns itself when it is called, since it is spelt `variable.value()` in TensorFlow and `variable.value` in Keras."""
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call self as a function."""


class Variable:
    """A named array that outlives a trace."""
    def __abs__(self) -> Any:
        """abs(self)"""
    def __add__(self, value: Any) -> Any:
        """Return self+value."""
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        ...
    __array_priority__: Any
    def __array_ufunc__(self, function: Any, method: Any, *inputs: Any, **options: Any) -> Any:
        """As of [`Tensor`]."""
    def __bool__(self) -> Any:
        """True if self else False"""
    def __delitem__(self, key: Any) -> Any:
        """Delete self[key]."""
    def __dlpack__(self, **options: Any) -> Any:
        """A copy of its numbers by the DLPack protocol, as other libraries take them."""
    def __dlpack_device__(self) -> Any:
        """The processor, by DLPack's number."""
    def __eq__(self, value: Any) -> Any:
        """Return self==value."""
    def __float__(self) -> Any:
        """float(self)"""
    def __floordiv__(self, value: Any) -> Any:
        """Return self//value."""
    def __ge__(self, value: Any) -> Any:
        """Return self>=value."""
    def __getattribute__(self, name: str | None) -> Any:
        """Return getattr(self, name)."""
    def __getitem__(self, key: Any) -> Any:
        """Return self[key]."""
    def __gt__(self, value: Any) -> Any:
        """Return self>value."""
    def __hash__(self) -> Any:
        """Return hash(self)."""
    def __int__(self) -> Any:
        """int(self)"""
    def __le__(self, value: Any) -> Any:
        """Return self<=value."""
    def __len__(self) -> Any:
        """Return len(self)."""
    def __lt__(self, value: Any) -> Any:
        """Return self<value."""
    def __matmul__(self, value: Any) -> Any:
        """Return self@value."""
    def __mod__(self, value: Any) -> Any:
        """Return self%value."""
    def __mul__(self, value: Any) -> Any:
        """Return self*value."""
    def __ne__(self, value: Any) -> Any:
        """Return self!=value."""
    def __neg__(self) -> Any:
        """-self"""
    def __init__(self, initial_value: Any, trainable: bool | None = None, name: str | None = None, dtype: Any = None, shape: list[int] | None = None) -> None:
        """A named array that outlives a trace."""
    def __pow__(self, value: Any, mod: Any = None) -> Any:
        """Return pow(self, value, mod)."""
    def __radd__(self, value: Any) -> Any:
        """Return value+self."""
    def __repr__(self) -> Any:
        """Return repr(self)."""
    def __rfloordiv__(self, value: Any) -> Any:
        """Return value//self."""
    def __rmatmul__(self, value: Any) -> Any:
        """Return value@self."""
    def __rmod__(self, value: Any) -> Any:
        """Return value%self."""
    def __rmul__(self, value: Any) -> Any:
        """Return value*self."""
    def __rpow__(self, value: Any, mod: Any = None) -> Any:
        """Return pow(value, self, mod)."""
    def __rsub__(self, value: Any) -> Any:
        """Return value-self."""
    def __rtruediv__(self, value: Any) -> Any:
        """Return value/self."""
    def __setitem__(self, key: Any, value: Any) -> Any:
        """Set self[key] to value."""
    def __sub__(self, value: Any) -> Any:
        """Return self-value."""
    def __truediv__(self, value: Any) -> Any:
        """Return self/value."""
    @property
    def _id(self) -> Any:
        """The number that tells it from all others."""
    def assign(self, value: Any) -> Any:
        """Gives it a new value, of its shape."""
    def assign_add(self, value: Any) -> Any:
        """Adds to it."""
    def assign_sub(self, value: Any) -> Any:
        """Takes from it."""
    @property
    def dtype(self) -> Any:
        ...
    @property
    def name(self) -> Any:
        """Its name within its layer."""
    @property
    def ndim(self) -> Any:
        ...
    def numpy(self) -> ndarray:
        """A copy of its numbers now."""
    @property
    def path(self) -> Any:
        """Its name, with the path of its layer."""
    def read_value(self) -> Any:
        """Its value in the trace at hand."""
    @property
    def shape(self) -> Any:
        ...
    @property
    def trainable(self) -> Any:
        """Whether optimizers may change it."""
    @property
    def value(self) -> Any:
        """The same, as `variable.value` and as `variable.value()`."""

def abs(x: Any) -> Tensor:
    ...
def activate(text: str | None, x: Any) -> Tensor:
    """The activation that a text names, applied."""
def add_loss(name: str | None, value: Any) -> None:
    """Adds a term to the loss: a scalar, or the sum of what has axes, as Keras adds it."""
def add_metric(name: str | None, value: Any) -> None:
    """Reports a value as its mean over the epoch."""
def argmax(x: Any, axis: Any) -> Tensor:
    ...
def argmin(x: Any, axis: Any) -> Tensor:
    ...
def argsort(x: Any, axis: Any, descending: Any) -> Tensor:
    ...
def broadcast_to(x: Any, shape: list[int] | None) -> Tensor:
    ...
def carried(first: Any) -> Tensor:
    """What a further state of the loop at hand is before the step, which is `first` before the first one."""
def carry(next: Any) -> Tensor:
    """Says what the state asked for last is after the step."""
def cast(x: Any, dtype: Any) -> Tensor:
    ...
def ceil(x: Any) -> Tensor:
    ...
def clip_by_value(x: Any, low: Any, high: Any) -> Tensor:
    ...
def concat(values: Any, axis: Any) -> Tensor:
    ...
def cond(predicate: Any, yes: Any, no: Any) -> list[Tensor]:
    """The value of `yes` or `no`, callables without arguments, as a truth value says."""
def constant(value: Any, dtype: Any = None, shape: list[int] | None = None) -> Tensor:
    """A tensor of numbers: with the type that they have, or another."""
def constrain(variable: Variable, function: Any) -> None:
    """Projects a weight that the trace has used after every update: by a callable."""
def cos(x: Any) -> Tensor:
    ...
def cumprod(x: Any, axis: Any, exclusive: Any, reverse: Any) -> Tensor:
    """The products up to each element, as `cumsum`."""
def cumsum(x: Any, axis: Any, exclusive: Any, reverse: Any) -> Tensor:
    """The sums up to each element: `exclusive` leaves the element itself out, `reverse` begins at the end."""
def current_path() -> str:
    """The path of the layer being applied."""
def custom_gradient(value: Any, inputs: Any, gradient: Any) -> Tensor:
    """A value with a gradient of one's own: `gradient` takes that of the value, and returns a list of those of the inputs."""
def divide_no_nan(a: Any, b: Any) -> Tensor:
    ...
def einsum(equation: str, operands: Any) -> Tensor:
    ...
def elu(x: Any) -> Tensor:
    ...
def erf(x: Any) -> Tensor:
    ...
def erfinv(x: Any) -> Tensor:
    ...
def exp(x: Any) -> Tensor:
    ...
def expand_dims(x: Any, axis: Any) -> Tensor:
    ...
def expm1(x: Any) -> Tensor:
    ...
def fill(shape: list[int] | None, value: Any, dtype: Any) -> Tensor:
    ...
def flip(x: Any, axis: Any) -> Tensor:
    ...
def floor(x: Any) -> Tensor:
    ...
def gather(x: Any, indices: Any, axis: Any) -> Tensor:
    ...
def identity(x: Any) -> Tensor:
    ...
def initialize(text: str | None, shape: list[int] | None, stream: int, own_seed: int | None) -> ndarray:
    """First values of a shape by the initializer that a text names: those of a stream of random numbers."""
def is_finite(x: Any) -> Tensor:
    ...
def is_nan(x: Any) -> Tensor:
    ...
def is_open() -> bool:
    """Whether something is being traced on this thread: to a plan, or by a tape."""
def is_tracing() -> bool:
    """Whether something is being traced to a plan on this thread."""
def is_training() -> bool:
    """Whether the layers being applied behave as in training."""
def l2_normalize(x: Any, axis: Any) -> Tensor:
    ...
def log(x: Any) -> Tensor:
    ...
def log1p(x: Any) -> Tensor:
    ...
def logical_and(a: Any, b: Any) -> Tensor:
    ...
def logical_not(x: Any) -> Tensor:
    ...
def logical_or(a: Any, b: Any) -> Tensor:
    ...
def logical_xor(a: Any, b: Any) -> Tensor:
    ...
def mask(x: Any) -> Tensor | None:
    """The mask of a tensor, if it has one."""
def matmul(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Tensor:
    ...
def maximum(a: Any, b: Any) -> Tensor:
    ...
def minimum(a: Any, b: Any) -> Tensor:
    ...
def multiply_no_nan(a: Any, b: Any) -> Tensor:
    ...
def names(family: str, text: str | None = None) -> list[str]:
    """The names of a family, such as `'activations'`; fails if a text is given and names none of it."""
def norm(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    ...
def one_hot(x: Any, depth: int) -> Tensor:
    ...
def ones_like(x: Any) -> Tensor:
    ...
def outside(function: Any) -> Tensor:
    """Calls a function as if nothing were traced: what it computes has its value at once."""
def pad(x: Any, widths: list[tuple[int, int]], value: Any) -> Tensor:
    ...
def penalize(text: str | None, x: Any) -> Tensor:
    """The penalty of the regularizer that a text names."""
def permute(x: Any, permutation: list[int]) -> Tensor:
    ...
def project(text: str | None, x: Any) -> Tensor:
    """The projection by the constraint that a text names."""
def random(kind: str, shape: list[int] | None, first: Any, second: Any, dtype: Any, seed: int | None = None) -> Tensor:
    """Random numbers of a distribution: `normal`, `uniform` or `truncated_normal`."""
def random_seed() -> int:
    """The seed that was set last; 0 unless one was."""
def reduce_all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    ...
def reduce_any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    ...
def reduce_logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    ...
def reduce_max(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    ...
def reduce_mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The mean along axes: of integers an integer, without its fraction, as TensorFlow's."""
def reduce_min(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    ...
def reduce_prod(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    ...
def reduce_sum(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    ...
def reduce_variance(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    ...
def regularize(variable: Variable, function: Any) -> None:
    """Adds a penalty to a weight that the trace has used: a callable."""
def relu(x: Any) -> Tensor:
    ...
def reshape(x: Any, shape: list[int] | None) -> Tensor:
    ...
def round(x: Any) -> Tensor:
    ...
def round_to_bf16(x: Any) -> Tensor:
    ...
def rsqrt(x: Any) -> Tensor:
    ...
def scan(step: Any, first: Any, xs: Any, steps: Any = None, reverse: Any = False, recompute: Any = False) -> Tensor:
    """A loop over the first axis of `xs`: `step` takes the states and the elements, both lists, and returns the next states and what it gives, one list. The last states, and what all steps give, stacked."""
def scatter(x: Any, numbers: Any, rows: Any, adds: Any) -> Tensor:
    """Rows added to those of their numbers, or put in their place."""
def segment_sum(x: Any, segments: Any, count: Any) -> Tensor:
    ...
def selu(x: Any) -> Tensor:
    ...
def set_mask(x: Any, mask: Any) -> Tensor:
    """Gives a tensor the mask of its positions that count."""
def set_random_seed(seed: int | None) -> None:
    """Sets the seed of what is drawn and made from here on."""
def shuffle(x: Any) -> Tensor:
    ...
def sigmoid(x: Any) -> Tensor:
    ...
def sign(x: Any) -> Tensor:
    ...
def sin(x: Any) -> Tensor:
    ...
def softplus(x: Any) -> Tensor:
    ...
def sort(x: Any, axis: Any) -> Tensor:
    ...
def split(x: Any, parts: int, axis: Any) -> list[Tensor]:
    ...
def sqrt(x: Any) -> Tensor:
    ...
def square(x: Any) -> Tensor:
    ...
def squeeze(x: Any, axis: Any) -> Tensor:
    ...
def stack(values: Any, axis: Any) -> Tensor:
    ...
def stop_gradient(x: Any) -> Tensor:
    ...
def take_along_axis(x: Any, indices: Any, axis: Any) -> Tensor:
    ...
def take_carried() -> Tensor:
    """These states after the last step of the loop that has ended last."""
def tanh(x: Any) -> Tensor:
    ...
def tile(x: Any, repeats: list[int]) -> Tensor:
    ...
def top_k(x: Any, k: int) -> tuple[Tensor, Tensor]:
    ...
def traced_shapes(function: Any, inputs: Any) -> Tensor:
    """The shapes and types of what a function returns for tensors of these shapes and types. It is called with a list of tensors and returns one; nothing is computed, and no variable changes."""
def transpose(x: Any) -> Tensor:
    ...
def use_weights(layer: LayerHandle, weights: Any) -> None:
    """Says that a Python layer, which is being applied, has these weights: variables, each with its name, a regularizer and a constraint, callables or `None`."""
def where(condition: Any, yes: Any, no: Any) -> Tensor:
    ...
def while_loop(condition: Any, step: Any, first: Any, maximum_iterations: Any = None) -> Tensor:
    """A loop for as long as `condition` holds of the states, a list, of which `step` makes the next ones."""
def zeros_like(x: Any) -> Tensor:
    ...
