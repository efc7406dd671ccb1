"""What users subclass: a layer that is trained."""

import os
import warnings
import weakref

import numpy as np

from .. import _native, _seed
from .._structure import pack
from .._symbolic import ShapesAlone
from . import losses, optimizers
from ._batches import by_output, by_output_lists
from ._calls import call_stack
from ._files import write_model
from ._functional import FunctionalModel, graph_config, graph_of
from ._layer import Layer
from ._named import overridden
from ._outputs import CompiledByOutput
from ._policies import made
from ._refusals import refuse
from ._saving import CustomObjectScope, with_objects
from ._shapes import shape_of
from ._steps import OwnSteps
from ._training import Training
from .metrics import get as metrics_of


class Model(FunctionalModel, OwnSteps, Training, CompiledByOutput, Layer):
    """A layer with a loss, an optimizer and metrics.

    Subclass it: make the layers in `__init__` after ``super().__init__(**kwargs)``, and compute in
    ``call(self, inputs)``. Or make it of symbolic tensors, ``keras.Model(inputs, outputs)``.
    `compile` chooses how it is trained, `fit` trains it.
    """

    _has_seed = True
    # A model is never computed again as a whole; the layers in it may be.
    _is_recomputed = False

    def __init__(self, *arguments, inputs=None, outputs=None, name=None, **options):
        if len(arguments) > 2:
            raise TypeError(
                f"keras.Model takes inputs and outputs, got {len(arguments)} arguments without "
                "names\n  help: give lists of several inputs or outputs, and options by name"
            )
        if arguments:
            inputs, outputs = (*arguments, outputs)[:2]
        super().__init__(name=name, **options)
        self._prepare()
        if inputs is not None or outputs is not None:
            self._become_functional(inputs, outputs)

    def _prepare(self):
        hidden = object.__setattr__
        hidden(self, "_model_or_none", None)
        hidden(self, "_seed", _seed.of_model())
        hidden(self, "_compiled", None)
        hidden(self, "_root_outputs", None)
        hidden(self, "_outputs", None)
        hidden(self, "_reported_names", None)
        hidden(self, "_seen", None)
        hidden(self, "_seen_layers", None)
        hidden(self, "_last_losses", [])
        # The number of the outermost call that the model was last in, and how many terms its loss
        # had in the trace before that.
        hidden(self, "_last_call", None)
        hidden(self, "_losses_before", 0)
        hidden(self, "_input_shapes", None)
        hidden(self, "optimizer", None)
        hidden(self, "loss", None)
        hidden(self, "history", None)
        hidden(self, "stop_training", False)

    def __setattr__(self, name, value):
        if name in ("stop_training", "optimizer", "loss", "history"):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    # The native model

    def _model(self):
        self._require_init()
        if self._model_or_none is None:
            handle = _native.ModelHandle(self._handle(), self._seed)
            self._set_steps(handle)
            object.__setattr__(self, "_model_or_none", handle)
        return self._model_or_none

    def _synced(self):
        """The native model; traced anew if something that it may depend on has changed."""
        seen, layers = self._fingerprint(), list(map(weakref.ref, self._flatten_layers()))
        # References, for the number of a layer that is gone may be that of a new one.
        if self._seen_layers not in (None, layers):
            self._renew()
        elif self._seen is not None and self._seen != seen:
            self._model().forget_traces()
        object.__setattr__(self, "_seen", seen)
        return self._model()

    def _renew(self):
        """Makes the native model anew for other layers: what it noted of those that are gone would
        stand in the way of new ones of their names. Weights belong to layers, and stay."""
        for name in ("_model_or_none", "_handle_or_none", "_outputs", "_seen_layers"):
            object.__setattr__(self, name, None)
        if self._compiled is not None:
            self._compile_natively(self._compiled)

    def _current(self):
        """The native model as its layers are now, for what is asked of it without data."""
        model = self._synced()
        if self._seen_layers is None and self._input_shapes and not _native.is_open():
            shapes = [[1, *shape[1:]] for shape in self._input_shapes]
            graph = self._graph
            sizes = [(shape, "float32") for shape in shapes] if graph is None else graph.sizes()
            self._build_natively(sizes)
            self._after()
        return model

    def _build_natively(self, inputs):
        """Makes the weights for inputs of these shapes and types."""
        model = self._synced()
        with ShapesAlone():
            model.build(inputs)

    @property
    def _rounds(self):
        return False

    def _after(self):
        """Notes what the trace has seen, once layers are built."""
        object.__setattr__(self, "_seen", self._fingerprint())
        object.__setattr__(self, "_seen_layers", list(map(weakref.ref, self._flatten_layers())))
        self._note_outputs()
        warned = self.__dict__.setdefault("_warned", set())
        for line in self._model().warnings():
            if line not in warned:
                warned.add(line)
                warnings.warn(line, stacklevel=3)

    def _apply(self, tensors, training):
        model = self._model()
        if _native.is_open():
            outputs = model.apply(tensors, training)
            if not _native.is_tracing():
                self._keep_losses(self.losses)
            return outputs
        tape = _native.Tape()
        tape.open()
        try:
            outputs = model.apply(tensors, bool(training))
            self._keep_losses(self.losses)
        finally:
            tape.close()
            tape.forget()
        return outputs

    def _keep_losses(self, losses):
        """Keeps the terms of a call; the penalties on weights, which stand behind them, are not."""
        regularizers = [getattr(weight, "regularizer", None) for weight in self.weights]
        count = len(losses) - sum(one is not None for one in regularizers)
        object.__setattr__(self, "_last_losses", losses[: max(0, count)])

    def _run_call(self, call, tensors):
        number = call_stack()[0].number
        if self._last_call != number:
            object.__setattr__(self, "_last_call", number)
            object.__setattr__(self, "_losses_before", self._model().loss_term_count())
        outputs = super()._run_call(call, tensors)
        structures = (call.inputs, tensors), (call.outputs, outputs)
        shapes = [shape_of(of[0] if kind is None else pack(kind, of)) for kind, of in structures]
        object.__setattr__(self, "_shapes", tuple(shapes))
        if len(call_stack()) == 1:
            object.__setattr__(self, "_root_outputs", call.outputs)
            shapes = [list(tensor.shape) for tensor in tensors]
            object.__setattr__(self, "_input_shapes", shapes)
        return outputs

    @property
    def losses(self):
        """The terms that `add_loss` was given when the model was called last, and the penalties on
        its weights."""
        if _native.is_open():
            return self._model().losses(self._losses_before)
        # Terms of the last call are as they were then; penalties are of the weights now.
        penalties = [
            weight.regularizer(weight.read_value())
            for weight in self.weights
            if getattr(weight, "regularizer", None) is not None
        ]
        return [*self._last_losses, *penalties]

    def call(self, inputs, training=None, mask=None):
        """What the model computes: you write it, unless it is made of inputs and outputs."""
        if self._graph is not None:
            return self._call_graph(inputs)
        if self._has_own_losses and call_stack()[-1].is_from_native:
            return inputs  # it is looked at before a step that uses its parts
        return super().call(inputs)

    @property
    def layers(self):
        """The layers that are attributes; of a model of inputs and outputs its layers in their
        order, those of the inputs first."""
        return self._layers_within()

    def get_layer(self, name=None, index=None):
        """The layer of a name, or at a position."""
        if index is not None:
            return self.layers[index]
        for layer in [*self.layers, *self._flatten_layers()]:
            if layer is not self and layer.name == name:
                return layer
        names = ", ".join(layer.name for layer in self._flatten_layers() if layer is not self)
        raise ValueError(f"No such layer: {name}; there are {names}")

    def build(self, input_shape=None):
        """Makes the weights for inputs of a shape; ``None`` for the size of the batch."""
        object.__setattr__(self, "built", True)
        if self._is_building or _native.current_path() or input_shape is None:
            return
        several = bool(input_shape) and isinstance(input_shape[0], (list, tuple))
        shapes = list(input_shape) if several else [input_shape]
        object.__setattr__(self, "_last_structure", [None] * len(shapes) if several else None)
        sizes = [[1 if size is None else int(size) for size in shape] for shape in shapes]
        self._build_natively([(shape, "float32") for shape in sizes])
        self._after()

    # Training

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
        **options,
    ):
        """Chooses how to train: an optimizer, a loss (for each output), metrics."""
        refuse(Model.compile, options)
        if isinstance(optimizer, Model) or isinstance(optimizer, losses.Loss):
            raise TypeError(f"the optimizer is {optimizer!r}; give a name or an optimizer")
        optimizer = optimizers.get(optimizer)
        changed = overridden(type(optimizer), "apply_gradients", "apply", "minimize")
        if changed and not self._has_own_losses:
            raise NotImplementedError(
                f"`{type(optimizer).__name__}.{changed}` would not be called in `fit`\n"
                "  help: override `update_step`, or the model's `train_step`, which calls it"
            )
        chosen = by_output(loss, losses.get)
        plain = by_output_lists(metrics, chosen, metrics_of)
        weighted = by_output_lists(weighted_metrics, chosen, metrics_of)
        weights = []
        if isinstance(loss_weights, dict):
            weights = [(name, float(weight)) for name, weight in loss_weights.items()]
        elif loss_weights is not None:
            numbers = loss_weights if isinstance(loss_weights, (list, tuple)) else [loss_weights]
            for number in numbers:
                if not isinstance(number, (int, float, np.number)):
                    raise TypeError(
                        f"loss_weights, the third argument of compile, are numbers, got {number!r}"
                        "\n  help: give metrics by their name, as in `metrics=[..]`"
                    )
            weights = [(None, float(weight)) for weight in numbers]
        object.__setattr__(self, "optimizer", optimizer)
        object.__setattr__(self, "loss", loss)
        compiled = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "objects": [one for _, of in plain + weighted for one in of],
            "losses": [one for _, of in chosen for one in of],
            "by_output": (chosen, plain, weighted, weights),
            "run_eagerly": bool(run_eagerly),
        }
        self._compile_natively(compiled)
        object.__setattr__(self, "_compiled", compiled)
        object.__setattr__(self, "_reported_names", None)

    @property
    def metrics(self):
        """The compiled metrics, and those that layers hold."""
        compiled = self._compiled["objects"] if self._compiled else []
        loss = [self._loss_tracker] if self._compiled and self._has_own_losses else []
        return loss + list(compiled) + Layer.metrics.fget(self)

    @property
    def metrics_names(self):
        """The names of what `evaluate` returns."""
        return self._reported_names or ["loss", *(metric.name for metric in self.metrics)]

    # What it is made of

    def summary(self, line_length=None, print_fn=None, **options):
        """Prints the layers with their outputs and weights."""
        refuse(Model.summary, options)
        text = self._current().summary()
        if self._graph is not None:
            text = self._graph.with_open_sizes(text)
        (print_fn or print)(text)

    def save_weights(self, filepath, overwrite=True, **options):
        """Writes the weights to a safetensors file."""
        refuse(Model.save_weights, options)
        if not overwrite and os.path.exists(filepath):
            raise FileExistsError(f"{filepath} is there already, and overwrite is False")
        self._current().save_weights(os.fspath(filepath))

    def load_weights(self, filepath, **options):
        """Reads the weights from a file of `save_weights`; the model has to be built."""
        refuse(Model.load_weights, options)
        self._current().load_weights(os.fspath(filepath))

    def export(self, filepath, **options):
        """Writes what `predict` computes to a file that the tool `endo` and Rust programs read
        without Python."""
        refuse(Model.export, options)
        self._current().export(os.fspath(filepath))

    def save(self, filepath, overwrite=True, **options):
        """Writes the model: how it is made, its weights and the state of its optimizer.

        `load_model` makes it again. A class of yours with arguments says them in `get_config`.
        """
        refuse(Model.save, options)
        path = os.fspath(filepath)
        if not overwrite and os.path.exists(path):
            raise FileExistsError(f"{path} is there already, and overwrite is False")
        if not self.weights:
            raise ValueError("the model has no weights yet: call it on data, or build it")
        write_model(self, path)

    def get_config(self):
        """How the model is made again: of the arguments of a class of yours, or of its layers."""
        is_plain = type(self).__init__ is Model.__init__ and self._graph is not None
        return graph_config(self) if is_plain else super().get_config()

    @classmethod
    def from_config(cls, config, custom_objects=None):
        if "calls" not in config:
            return made(cls, config)
        with CustomObjectScope(custom_objects):
            inputs, outputs, terms = graph_of(with_objects(config))
        model = cls(inputs, outputs, name=config["name"])
        for symbol, name, is_loss in terms:
            model._add_term(symbol, name, is_loss)
        return model

    def __reduce__(self):
        from ._copies import reduce_model

        return reduce_model(self)
