"""What users subclass: a layer, with its weights, losses and metrics."""

import numpy as np

from .. import _native, _tracking
from .._structure import flatten, pack, skeleton
from .._symbolic import KerasTensor
from . import constraints, initializers, regularizers
from ._calls import Call, accepted_arguments, call_stack, give_masks, pass_mask
from ._first_values import first_values
from ._named import names_of, plain_arguments
from ._policies import MIXED, DTypePolicy, made
from ._remat import remat, scope_of_new_layers
from ._shapes import Shaped, shape_of
from ._weights import declared_trainable, unused_name, use_of

_ABSENT = object()


def _leaves(value):
    """The objects in nested lists, tuples and dictionaries; of what `keras.remat` made of a layer,
    the layer."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    elif isinstance(getattr(value, "__wrapped__", None), Layer):
        yield value.__wrapped__
    else:
        yield value


class Layer(Shaped):
    """A function of tensors with weights, losses and metrics of its own.

    You write `__init__` (call ``super().__init__(**kwargs)`` first), `build(self, input_shape)` if
    a size depends on the input, and `call(self, inputs)`. What is an attribute, or in a list or
    dictionary that is one, belongs to the layer: layers, variables and metrics.
    """

    # Whether outputs have the mask of the input: so for layers that treat each position by itself.
    supports_masking = False
    # Whether the first values of all weights within follow a seed of its own.
    _has_seed = False

    def __new__(cls, *arguments, **options):
        layer = super().__new__(cls)
        object.__setattr__(layer, "_is_initialized", False)
        object.__setattr__(layer, "_order", {})
        object.__setattr__(layer, "_made_with", plain_arguments(cls, arguments, options))
        return layer

    def __init__(self, trainable=True, name=None, dtype=None, dynamic=False, **options):
        self._start(trainable, name, dtype, options)

    def _start(self, trainable, name, dtype, options):
        hidden = object.__setattr__
        activity_regularizer = options.pop("activity_regularizer", None)
        for known in ("input_shape", "input_dim", "batch_input_shape", "autocast"):
            if known in options:
                hidden(self, f"_{known}", options.pop(known))
        if options:
            raise TypeError(
                f"{type(self).__name__} got arguments that no layer has: {', '.join(options)}\n"
                "  help: take arguments of your own in __init__, and hand only **kwargs on"
            )
        hidden(self, "_is_initialized", True)
        hidden(self, "_given_name", name)
        hidden(self, "_scope_name", None)
        hidden(self, "_own", [])
        hidden(self, "_is_trainable", bool(trainable))
        hidden(self, "_policy", DTypePolicy(dtype))
        hidden(self, "_dtype", self._policy.variable_dtype)
        hidden(self, "built", False)
        hidden(self, "_is_building", False)
        hidden(self, "_loss_count", {})
        hidden(self, "_handle_or_none", None)
        hidden(self, "_last_structure", None)
        hidden(self, "_remat_scope", scope_of_new_layers())
        hidden(self, "activity_regularizer", regularizers.get(activity_regularizer))

    # Attributes

    def __setattr__(self, name, value):
        # A layer may hold others before that, as in Keras; a model may not.
        is_early = self._has_seed and not self.__dict__.get("_is_initialized", True)
        if is_early and any(
            isinstance(leaf, (Layer, _native.Variable)) for leaf in _leaves(value)
        ):
            raise RuntimeError(
                f"It looks like you are subclassing `{type(self).__bases__[0].__name__}` and "
                f"forgot to call `super().__init__()` before `{name}` was set"
            )
        before = self.__dict__.get(name, self)
        object.__setattr__(self, name, value)
        if isinstance(getattr(type(self), name, None), property):
            return
        self._order.setdefault(name)
        if before is not value and not _native.is_tracing():
            same = isinstance(value, (int, float, str, bool)) and before == value
            if not same:
                _tracking.changed()

    def __delattr__(self, name):
        object.__delattr__(self, name)
        self._order.pop(name, None)
        _tracking.changed()

    def _children(self):
        """The layers, metrics and variables that are attributes, in the order in which they were
        set, each once."""
        seen = set()
        for name in list(self._order):
            for leaf in _leaves(self.__dict__.get(name)):
                if isinstance(leaf, (Layer, _native.Variable)) or hasattr(leaf, "_is_metric"):
                    if id(leaf) not in seen and leaf is not self:
                        seen.add(id(leaf))
                        yield leaf

    def _layers_within(self):
        """The layers that are attributes."""
        return [child for child in self._children() if isinstance(child, Layer)]

    def _flatten_layers(self, seen=None):
        """This layer and those within, outer before inner, each once."""
        seen = set() if seen is None else seen
        if id(self) in seen:
            return
        seen.add(id(self))
        yield self
        for layer in self._layers_within():
            yield from layer._flatten_layers(seen)

    def _attributes(self):
        """The values of the attributes that were set."""
        return [self.__dict__.get(name) for name in self._order]

    def _fingerprint(self):
        """What a trace may depend on: the layers, and their attributes that are no layers."""
        found = []
        for layer in self._flatten_layers():
            found.append(id(layer))
            for name in layer._order:
                found.append(_tracking.parts(layer.__dict__.get(name, _ABSENT)))
        return tuple(found)

    # Names

    @property
    def name(self):
        """The name that was given, or that which the model has for the layer."""
        return self._given_name or self._scope_name or names_of(type(self).__name__)

    @property
    def dtype(self):
        return self._dtype

    @property
    def compute_dtype(self):
        return self._policy.compute_dtype

    @property
    def variable_dtype(self):
        return self._dtype

    @property
    def dtype_policy(self):
        return self._policy

    @property
    def _rounds(self):
        """Whether it rounds what it returns to bfloat16, asked once it was called. Layers inside say
        it for themselves."""
        return self._policy.name == MIXED and not self._layers_within()

    # Weights

    def add_weight(
        self,
        name=None,
        shape=None,
        dtype=None,
        initializer=None,
        regularizer=None,
        trainable=True,
        constraint=None,
        aggregation=None,
        autocast=None,
        experimental_autocast=None,
        synchronization=None,
        use_resource=None,
    ):
        """A variable of the layer: `shape` is a list of sizes, `initializer` a name, an object or a
        function of a shape."""
        if not isinstance(name, (str, type(None))):
            name, shape = (shape if isinstance(shape, str) else None), name
        self._require_init()
        sizes = [] if shape is None else [shape] if isinstance(shape, int) else list(shape)
        if any(size is None for size in sizes):
            raise ValueError(
                f"the weight `{name}` of `{self.name}` has the shape {sizes}: a size is not known\n"
                "  help: give sizes as numbers; that of the batch is open"
            )
        sizes = [int(size) for size in sizes]
        default = "glorot_uniform" if len(sizes) > 1 else "zeros"
        initializer = initializers.get(default if initializer is None else initializer)
        dtype = getattr(dtype, "name", dtype) or self._dtype
        path = _native.current_path()
        value = np.asarray(first_values(initializer, sizes, f"{path}/{name}"))
        if list(value.shape) != sizes:
            raise ValueError(
                f"the initializer of `{name}` returned the shape {list(value.shape)}, not {sizes}"
            )
        label = name or unused_name("weight", self._own)
        variable = _native.Variable(value, trainable and self._is_trainable, label, dtype)
        variable._declared = bool(trainable)
        variable.constraint = constraints.get(constraint)
        variable.regularizer = regularizers.get(regularizer)
        self._own.append(variable)
        return variable

    def _own_weights(self):
        """The variables that are the layer's own."""
        attributes = [one for one in self._children() if isinstance(one, _native.Variable)]
        own = list(self._own)
        return own + [one for one in attributes if all(one is not known for known in own)]

    @property
    def weights(self):
        """The layer's variables, and those of the layers within."""
        found, seen = [], set()
        for variable in [
            *sorted(self._own_weights(), key=lambda variable: not declared_trainable(variable)),
            *(weight for layer in self._layers_within() for weight in layer.weights),
        ]:
            if variable._id not in seen:
                seen.add(variable._id)
                found.append(variable)
        return found

    @property
    def variables(self):
        """The weights, and the variables of the metrics within."""
        metrics = [one for child in self.metrics for one in child.variables]
        return self.weights + metrics

    @property
    def trainable_weights(self):
        return [weight for weight in self.weights if weight.trainable]

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self):
        return [weight for weight in self.weights if not weight.trainable]

    non_trainable_variables = non_trainable_weights

    @property
    def trainable(self):
        """Whether optimizers may change its weights."""
        return self._is_trainable

    @trainable.setter
    def trainable(self, value):
        object.__setattr__(self, "_is_trainable", bool(value))
        for weight in self._own_weights():
            if declared_trainable(weight):
                weight.trainable = bool(value)
        for layer in self._layers_within():
            layer.trainable = value
        _tracking.changed()

    def get_weights(self):
        """The values of the weights as NumPy arrays."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, values):
        """Gives the weights values, in the order of `get_weights`; all or none."""
        weights, values = self.weights, [np.asarray(value) for value in values]
        if len(weights) != len(values):
            raise ValueError(
                f"`{self.name}` has {len(weights)} weights, and is given {len(values)} arrays"
                + ("\n  help: build it first, or call it on data" if not weights else "")
            )
        for weight, value in zip(weights, values):
            if tuple(weight.shape) != value.shape:
                raise _native.ShapeError(
                    f"the weight `{weight.path}` has the shape {list(weight.shape)}, and is given "
                    f"{list(value.shape)}"
                )
        for weight, value in zip(weights, values):
            weight.assign(value)

    def count_params(self):
        """The number of numbers in the weights."""
        return sum(int(np.prod(tuple(weight.shape), dtype=np.int64)) for weight in self.weights)

    # Losses and metrics

    def add_loss(self, losses, name=None, inputs=None):
        """Adds a term to the loss: a scalar, or the sum of a tensor with axes. Called in `call`.
        With `name` it is reported under that."""
        if callable(losses):
            raise ValueError("add_loss takes tensors: compute the term in `call`")
        for loss in losses if isinstance(losses, (list, tuple)) else [losses]:
            count = self._count_of(name or "added_loss")
            label = name or "added_loss"
            _native.add_loss(label if count == 0 else f"{label}_{count}", loss)

    def _count_of(self, name, stack=None):
        """How many terms of this name the innermost call has added before."""
        stack = call_stack() if stack is None else stack
        counts = stack[-1].counts if stack else self._loss_count
        counts[name] = counts.get(name, -1) + 1
        return counts[name]

    def add_metric(self, value, name=None, aggregation=None):
        """Reports the mean of a value over each epoch; what a metric returned is reported as it
        is."""
        from .metrics import is_result

        if is_result(value):
            return
        if name is None:
            raise ValueError(
                "Please provide a name for your metric like "
                "`self.add_metric(tf.reduce_sum(inputs), name='mean_activation')`"
            )
        _native.add_metric(name, value)

    @property
    def metrics(self):
        """The metrics that are attributes of the layer, and of those within."""
        found = [child for child in self._children() if hasattr(child, "_is_metric")]
        return found + [metric for layer in self._layers_within() for metric in layer.metrics]

    @property
    def losses(self):
        """The terms that `add_loss` was given since the model was called, and the penalties on its
        weights."""
        raise NotImplementedError(
            f"a layer does not keep its losses, here `{self.name}`\n"
            "  help: apply it in a keras.Model, and ask that for its `losses` after a call"
        )

    # Calls

    def build(self, input_shape):
        """Makes the weights. Yours may end with ``super().build(input_shape)``."""
        object.__setattr__(self, "built", True)

    def call(self, inputs, *arguments, **options):
        """What the layer computes: you write it."""
        raise NotImplementedError(
            f"{type(self).__name__} has no `call`: write `def call(self, inputs):`"
        )

    def compute_output_shape(self, input_shape):
        """The shape of what the layer returns for an input of a shape."""
        sizes = [1 if size is None else size for size in input_shape]
        outputs = self(_native.fill(sizes, 0.0, "float32"))
        return shape_of(outputs)

    def compute_mask(self, inputs, mask=None):
        """The masks of the outputs. Yours is called, whatever `supports_masking` says."""
        return mask

    def _pass_masks(self, inputs, tensors, outputs):
        if type(self).compute_mask is not Layer.compute_mask:
            masks = [_native.mask(tensor) for tensor in tensors]
            found = self.compute_mask(inputs, masks[0] if len(masks) == 1 else masks)
            give_masks(found if isinstance(found, (list, tuple)) else [found], outputs)
        elif self.supports_masking:
            pass_mask(tensors, outputs)

    def _require_init(self):
        if not self._is_initialized:
            raise RuntimeError(
                f"It looks like you are subclassing `{type(self).__bases__[0].__name__}` and "
                "forgot to call `super().__init__()`"
            )

    def _handle(self):
        """The native part's handle."""
        if self._handle_or_none is None:
            handle = _native.LayerHandle.of(self, type(self).__name__, self._given_name)
            object.__setattr__(self, "_handle_or_none", handle)
        return self._handle_or_none

    @property
    def _uses_mask(self):
        return "mask" in accepted_arguments(type(self))

    def _apply(self, tensors, training):
        return self._handle().apply(tensors, training, None)

    def __call__(self, inputs, *arguments, **options):
        self._require_init()
        _tracking.note(self)
        tensors = [self._cast(leaf) for leaf in flatten(inputs)]
        if KerasTensor in map(type, tensors):
            return self._call_on_symbols((inputs, *arguments), options)
        if self._is_recomputed:
            return remat(self._call_again)(inputs, *arguments, **options)
        return self._call_once(tensors, inputs, arguments, options)

    @property
    def _is_recomputed(self):
        """Whether gradients compute its values again instead of keeping them."""
        return self._remat_scope is not None and self._remat_scope.holds(self)

    def _call_again(self, inputs, *arguments, **options):
        tensors = [self._cast(leaf) for leaf in flatten(inputs)]
        return self._call_once(tensors, inputs, arguments, options)

    def _call_once(self, tensors, inputs, arguments, options):
        call = Call(self, skeleton(inputs), arguments, options)
        stack = call_stack()
        stack.append(call)
        try:
            outputs = self._apply(tensors, call.training)
        finally:
            stack.pop()
        outputs = outputs[0] if call.outputs is None else pack(call.outputs, outputs)
        object.__setattr__(self, "_shapes", (shape_of(inputs), shape_of(outputs)))
        return outputs

    def _cast(self, value):
        """Floats of another precision as the layer's own."""
        if isinstance(value, np.ndarray) and value.dtype == np.float64:
            return value.astype(self._dtype)
        if isinstance(value, _native.Tensor) and value.dtype.name == "float64":
            return _native.cast(value, self._dtype)
        if isinstance(value, Layer):
            raise TypeError(f"`{self.name}` is called on a layer; call it on what that returns")
        if value is None:
            raise ValueError(
                f"`{self.name}` is called on None; give a tensor or an array\n"
                "  help: does the `call` before it return its result?"
            )
        return value

    def _run(self, tensors):
        """Within the layer's scope: builds it, uses its weights, and calls `call`."""
        stack = call_stack()
        call = stack[-1] if stack and stack[-1].is_new else None
        if call is None:
            call = Call(self, self._last_structure, (), {})
            call.is_from_native = True
            stack.append(call)
            try:
                return self._run_call(call, tensors)
            finally:
                stack.pop()
        return self._run_call(call, tensors)

    def _run_call(self, call, tensors):
        call.is_new = False
        path = _native.current_path()
        object.__setattr__(self, "_scope_name", path.rsplit("/", 1)[-1])
        structure = call.inputs
        inputs = tensors[0] if structure is None else pack(structure, tensors)
        if structure is None and len(tensors) > 1:
            inputs = list(tensors)
        if not self.built:
            object.__setattr__(self, "_is_building", True)
            try:
                self.build(shape_of(inputs))
            finally:
                object.__setattr__(self, "_is_building", False)
            object.__setattr__(self, "built", True)
        own = self._own_weights()
        if own:
            _native.use_weights(self._handle(), [use_of(one, at) for at, one in enumerate(own)])
        outputs = self.call(inputs, *call.arguments, **self._call_options(call, tensors))
        if outputs is None:
            raise ValueError(
                f"`call` of `{self.name}` returned None\n  help: end it with `return`"
            )
        self._add_activity_loss(outputs)
        self._pass_masks(inputs, tensors, flatten(outputs))
        call.outputs = skeleton(outputs)
        return flatten(outputs)

    def _call_options(self, call, tensors):
        """The arguments of `call` besides the inputs: `training` and `mask` where it takes them."""
        accepted = accepted_arguments(type(self))
        options = dict(call.options)
        if "training" in accepted and "training" not in options:
            options["training"] = _native.is_training()
        if "training" not in accepted:
            options.pop("training", None)
        if "mask" in accepted and options.get("mask") is None:
            masks = [_native.mask(tensor) for tensor in tensors]
            options["mask"] = masks[0] if len(masks) == 1 else masks
        if "mask" not in accepted:
            options.pop("mask", None)
        return options

    def _add_activity_loss(self, outputs, label="activity", stack=None):
        """Adds the penalty on outputs to the loss, under a name that the call has not used yet."""
        if self.activity_regularizer is not None:
            for output in flatten(outputs):
                penalty = self.activity_regularizer(output) / max(1, output.shape[0])
                count = self._count_of(label, stack)
                _native.add_loss(label if count == 0 else f"{label}_{count}", penalty)

    # Configuration

    def get_config(self):
        """The arguments by which the layer is made again: its name, and those that are numbers,
        texts and lists of them. A layer with others adds them."""
        config = {"name": self._given_name, "trainable": self._is_trainable}
        config = {name: value for name, value in config.items() if value not in (None, True)}
        return {**self._made_with, **config, **self._policy_config()}

    def _policy_config(self):
        return {} if self._policy.name != MIXED else {"dtype": MIXED}

    @classmethod
    def from_config(cls, config):
        return made(cls, config)

    def __reduce__(self):
        from ._copies import reduce_layer

        return reduce_layer(self)

    def __deepcopy__(self, memo):
        from ._copies import deep_copy

        return deep_copy(self)

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}>"
