"""How a model is trained, judged and asked: `fit`, `evaluate`, `predict`, and single batches."""

import itertools
import time

import numpy as np

from .. import _native
from .._names import count
from .._structure import pack, structure_key
from . import callbacks as _callbacks
from ._batches import NotedBatches, class_weights, data_of, rows_at_once, rows_of
from ._refusals import NOT_CALLED, refuse, refuse_callbacks


class Training:
    """What a compiled model does with data."""

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
            self._take_structure(structure)
            return data
        return NotedBatches(data, self._take_structure)

    def _take_structure(self, structure):
        """Notes the structure of inputs; `call` is traced anew where it is another."""
        if structure_key(structure) != structure_key(self._last_structure):
            object.__setattr__(self, "_last_structure", structure)
            if self._model_or_none is not None:
                self._model_or_none.forget_traces()

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
        refuse(Training.fit, options)
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
        backups = [one for one in told if isinstance(one, _callbacks.BackupAndRestore)]
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
            "backups": [one._native_options() for one in backups],
        }
        epochs = self._train(data, settings, listed)
        self._after()
        if epochs:
            train = [pair for pair in epochs[-1] if not pair[0].startswith("val_")]
            self._listed(train, self._term_names(), True, "train_step")
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
        refuse(Training.evaluate, options)
        refuse_callbacks("evaluate", callbacks)
        self._check_own_steps()
        self._require_compiled()
        data = self._data(x, y, sample_weight)
        self._require_targets(data, "y")
        batch_size = count(batch_size, "batch_size", default=32)
        data = self._for_outputs(data)
        started = time.perf_counter()
        logs, terms = self._synced().evaluate(data, batch_size, count(steps, "steps"))
        self._after()
        if verbose not in (0, False, None):
            numbers = dict(self._reported(logs, "test_step"))
            print(_callbacks.progress(time.perf_counter() - started, numbers), flush=True)
        return self._listed(logs, terms, return_dict)

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None, **options):
        """The outputs for inputs, as NumPy arrays."""
        refuse(Training.predict, options)
        refuse_callbacks("predict", callbacks)
        self._check_own_steps()
        self._require_call()
        count(batch_size, "batch_size")
        data = self._data(x)
        if isinstance(data, tuple):
            joined = self._predict(data[0])
        else:
            batches = itertools.islice(data._batches(0), steps)
            parts = [self._predict(list(inputs)) for inputs, _, _ in batches]
            joined = [np.concatenate(of) for of in zip(*parts)]
        own = self._overrides("predict_step")
        structure = self._step_outputs if own else self._root_outputs
        return joined[0] if structure is None else pack(structure, joined)

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
        refuse(Training.train_on_batch, options)
        self._check_own_steps()
        return self._on_batch(x, y, sample_weight, True, return_dict, class_weight)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False, **options):
        """The loss of a batch, and the metrics since their last reset."""
        refuse(Training.test_on_batch, options)
        self._check_own_steps()
        return self._on_batch(x, y, sample_weight, False, return_dict)

    def _on_batch(self, x, y, sample_weight, trains, return_dict, class_weight=None):
        self._require_compiled()
        data = self._for_outputs(self._data(x, y, sample_weight))
        logs = self._synced().on_batch(data, trains, class_weights(class_weight) or [])
        self._after()
        step = "train_step" if trains else "test_step"
        return self._listed(logs, self._term_names(), return_dict, step)

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
