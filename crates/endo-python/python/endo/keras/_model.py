"""What users subclass: a layer that is trained."""

import itertools
import os
import warnings
import weakref

import numpy as np

from .. import _native, _seed
from .._names import count
from .._structure import pack
from . import callbacks as _callbacks
from . import losses, optimizers
from ._batches import by_output, by_output_lists, class_weights, data_of, rows_at_once, rows_of
from ._calls import call_stack
from ._files import write_model
from ._layer import Layer
from ._outputs import CompiledByOutput
from ._refusals import NOT_CALLED, refuse, refuse_callbacks
from ._shapes import shape_of
from .metrics import get as metrics_of


class Model(CompiledByOutput, Layer):
    """A layer with a loss, an optimizer and metrics.

    Subclass it: make the layers in `__init__` after ``super().__init__(**kwargs)``, and compute in
    ``call(self, inputs)``. `compile` chooses how it is trained, `fit` trains it.
    """

    _has_seed = True

    def __init__(self, *arguments, name=None, **options):
        if arguments or "inputs" in options or "outputs" in options:
            raise NotImplementedError(
                "keras.Model(inputs, outputs): write a class with a `call`, or a Sequential"
            )
        super().__init__(name=name, **options)
        self._prepare()

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

    @property
    def layers(self):
        """The layers that are attributes."""
        return self._layers_within()

    def get_layer(self, name=None, index=None):
        """The layer of a name, or at a position."""
        if index is not None:
            return self.layers[index]
        for layer in self._flatten_layers():
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
        self._synced().build(sizes)
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
        return list(compiled) + Layer.metrics.fget(self)

    @property
    def metrics_names(self):
        """The names of what `evaluate` returns."""
        return self._reported_names or ["loss", *(metric.name for metric in self.metrics)]

    def _check_own_steps(self):
        for name, instead in NOT_CALLED.items():
            if hasattr(type(self), name):
                raise NotImplementedError(
                    f"`{type(self).__name__}.{name}` would not be called: {instead}"
                )

    def _data(self, x, y=None, sample_weight=None):
        """Data as the native part takes it."""
        data, structure = data_of(x, y, sample_weight)
        if isinstance(data, tuple):
            object.__setattr__(self, "_last_structure", structure)
        return data

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
        **options,
    ):
        """Trains on data: arrays, a data set, a `Sequence` or a generator of batches. Returns a
        `History`."""
        refuse(Model.fit, options)
        self._check_own_steps()
        self._require_compiled()
        data = self._data(x, y, sample_weight)
        self._require_targets(data, "y")
        validation = None
        if validation_data is not None:
            parts = validation_data
            if isinstance(parts, (list, tuple)) and not 1 <= len(parts) <= 3:
                raise ValueError(
                    "validation_data is (x, y) or (x, y, sample_weight), got "
                    f"{len(parts)} parts"
                )
            validation = (
                self._data(*parts) if isinstance(parts, (list, tuple)) else self._data(parts)
            )
            self._require_targets(validation, "validation_data=(x, y)")
        history = _callbacks.History()
        epochs = count(epochs, "epochs", 0)
        callbacks = [callbacks] if isinstance(callbacks, _callbacks.Callback) else callbacks
        params = {
            "epochs": epochs,
            "verbose": verbose,
            "steps": steps_per_epoch,
            "validation_freq": validation_freq,
        }
        told = [*(callbacks or []), history]
        if verbose not in (0, False, None):
            told.insert(0, _callbacks.ProgressLine())
        for callback in told:
            if not isinstance(callback, _callbacks.Callback):
                raise TypeError(f"a callback is a keras.callbacks.Callback, got {callback!r}")
        listed = _callbacks.CallbackList(told, self, params)
        data = self._for_outputs(data)
        if validation is not None:
            validation = self._for_outputs(validation)
        settings = {
            "epochs": epochs,
            "batch_size": count(batch_size, "batch_size"),
            "initial_epoch": count(initial_epoch, "initial_epoch", 0),
            "steps_per_epoch": count(steps_per_epoch, "steps_per_epoch"),
            "validation_data": validation,
            "validation_split": validation_split,
            "validation_steps": count(validation_steps, "validation_steps"),
            "validation_batch_size": count(validation_batch_size, "validation_batch_size"),
            "validation_freq": count(validation_freq, "validation_freq"),
            "shuffle": bool(shuffle),
            "class_weight": class_weights(class_weight),
        }
        epochs = self._train(data, settings, listed)
        self._after()
        if epochs:
            train = [pair for pair in epochs[-1] if not pair[0].startswith("val_")]
            self._listed(train, self._term_names(), True)
        object.__setattr__(self, "history", history)
        return history

    def _train(self, data, settings, listed):
        """The numbers of each epoch; none where TerminateOnNaN has ended the training."""
        try:
            return self._synced().fit(data, settings, listed)
        except _native.NotFiniteError as error:
            if not any(isinstance(one, _callbacks.TerminateOnNaN) for one in listed.callbacks):
                raise
            print(f"TerminateOnNaN: {str(error).splitlines()[0]}")
            listed.train_end(0, {})
            return []

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        **options,
    ):
        """The loss and the metrics on data: a number, or a list of them."""
        refuse(Model.evaluate, options)
        refuse_callbacks("evaluate", callbacks)
        self._check_own_steps()
        self._require_compiled()
        data = self._data(x, y, sample_weight)
        self._require_targets(data, "y")
        batch_size = count(batch_size, "batch_size", default=32)
        data = self._for_outputs(data)
        logs, terms = self._synced().evaluate(data, batch_size, count(steps, "steps"))
        self._after()
        return self._listed(logs, terms, return_dict)

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None, **options):
        """The outputs for inputs, as NumPy arrays."""
        refuse(Model.predict, options)
        refuse_callbacks("predict", callbacks)
        self._check_own_steps()
        count(batch_size, "batch_size")
        data = self._data(x)
        if isinstance(data, tuple):
            joined = self._predict(data[0])
        else:
            batches = itertools.islice(data._batches(0), steps)
            parts = [self._predict(list(inputs)) for inputs, _, _ in batches]
            joined = [np.concatenate(of) for of in zip(*parts)]
        if self._root_outputs is None:
            return joined[0]
        return pack(self._root_outputs, joined)

    def _predict(self, inputs):
        """The outputs for arrays: in parts, between which Ctrl-C ends it."""
        model, inputs = self._synced(), [rows_of(one) for one in inputs]
        lengths = {len(one) if one.ndim else 0 for one in inputs}
        rows, at_once = lengths.pop(), rows_at_once(inputs, self.count_params())
        if lengths or rows <= at_once:
            outputs = model.predict(inputs)
        else:
            parts = [
                model.predict([one[start : start + at_once] for one in inputs])
                for start in range(0, rows, at_once)
            ]
            outputs = [np.concatenate(of) for of in zip(*parts)]
        self._after()
        return outputs

    def predict_on_batch(self, x):
        return self.predict(x)

    def train_on_batch(
        self, x, y=None, sample_weight=None, class_weight=None, return_dict=False, **options
    ):
        """One step of training on a batch: the loss, and the metrics since their last reset."""
        refuse(Model.train_on_batch, options)
        self._check_own_steps()
        return self._on_batch(x, y, sample_weight, True, return_dict, class_weight)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False, **options):
        """The loss of a batch, and the metrics since their last reset."""
        refuse(Model.test_on_batch, options)
        self._check_own_steps()
        return self._on_batch(x, y, sample_weight, False, return_dict)

    def _on_batch(self, x, y, sample_weight, trains, return_dict, class_weight=None):
        self._require_compiled()
        data = self._for_outputs(self._data(x, y, sample_weight))
        logs = self._synced().on_batch(data, trains, class_weights(class_weight) or [])
        self._after()
        return self._listed(logs, self._term_names(), return_dict)

    def _term_names(self):
        return self._model().terms()

    def reset_metrics(self):
        self._model().reset_metrics()

    reset_states = reset_metrics

    def _require_targets(self, data, name):
        """Raises where there is a loss, and nothing that it compares with."""
        if isinstance(data, tuple) and not data[1] and self._compiled["losses"]:
            raise ValueError(
                "the loss compares predictions with targets, and there are none\n"
                f"  help: give `{name}`, or compile with `loss=None` to train on add_loss alone"
            )

    def _require_compiled(self):
        if self._compiled is None:
            raise RuntimeError(
                "You must compile your model before training/testing. Use "
                "`model.compile(optimizer, loss)`."
            )

    # What it is made of

    def summary(self, line_length=None, print_fn=None, **options):
        """Prints the layers with their outputs and weights."""
        refuse(Model.summary, options)
        text = self._model().summary()
        (print_fn or print)(text)

    def save_weights(self, filepath, overwrite=True, **options):
        """Writes the weights to a safetensors file."""
        refuse(Model.save_weights, options)
        if not overwrite and os.path.exists(filepath):
            raise FileExistsError(f"{filepath} is there already, and overwrite is False")
        self._model().save_weights(os.fspath(filepath))

    def load_weights(self, filepath, **options):
        """Reads the weights from a file of `save_weights`; the model has to be built."""
        refuse(Model.load_weights, options)
        self._model().load_weights(os.fspath(filepath))

    def export(self, filepath, **options):
        """Writes what `predict` computes to a file that the tool `endo` and Rust programs read
        without Python."""
        refuse(Model.export, options)
        self._model().export(os.fspath(filepath))

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

    def __reduce__(self):
        from ._copies import reduce_model

        return reduce_model(self)
