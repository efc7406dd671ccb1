"""Callbacks: told of epochs and batches while a model is trained."""

import csv
import inspect
import os
import re
import time

from .._names import absent, count, nearest


class Callback:
    """Told of what happens in training: yours defines the methods that it wants."""

    model = None
    params = None

    def __getstate__(self):
        """What copies have: all but the model."""
        return {**vars(self), "model": None}

    def set_model(self, model):
        self.model = model

    def set_params(self, params):
        self.params = params

    def on_train_begin(self, logs=None):
        """Training begins."""

    def on_train_end(self, logs=None):
        """Training is done."""

    def on_epoch_begin(self, epoch, logs=None):
        """An epoch begins; epochs count from 0."""

    def on_epoch_end(self, epoch, logs=None):
        """An epoch is done, validation included."""

    def on_train_batch_begin(self, batch, logs=None):
        """A batch is about to be trained on."""

    def on_train_batch_end(self, batch, logs=None):
        """A batch is done; `logs` has the means of the epoch so far."""

    def on_batch_begin(self, batch, logs=None):
        """The same as `on_train_batch_begin`."""

    def on_batch_end(self, batch, logs=None):
        """The same as `on_train_batch_end`."""

    def on_test_begin(self, logs=None):
        """A validation begins."""

    def on_test_end(self, logs=None):
        """A validation is done."""

    def on_test_batch_begin(self, batch, logs=None):
        """A batch is about to be tested with."""

    def on_test_batch_end(self, batch, logs=None):
        """A batch was tested with."""


class CallbackList:
    """The callbacks of one training, as the native part calls them."""

    _EVENTS = {
        "train_batch": (
            "on_train_batch_begin",
            "on_train_batch_end",
            "on_batch_begin",
            "on_batch_end",
        ),
        "test": ("on_test_begin", "on_test_end"),
        "test_batch": ("on_test_batch_begin", "on_test_batch_end"),
    }

    def __init__(self, callbacks, model, params):
        self.callbacks = list(callbacks)
        self.model = model
        for callback in self.callbacks:
            callback.set_model(model)
            callback.set_params(params)

    def wants(self, event):
        """Whether a callback defines a method of this kind."""
        return any(
            getattr(type(callback), name, None) is not getattr(Callback, name)
            or name in vars(callback)
            for callback in self.callbacks
            for name in self._EVENTS[event]
        )

    def _tell(self, name, *arguments):
        step = "test_step" if name.startswith("on_test") else "train_step"
        logs = dict(self.model._reported(arguments[-1].items(), step))
        arguments = (*arguments[:-1], logs)
        for callback in self.callbacks:
            getattr(callback, name)(*arguments)
        return bool(self.model.stop_training)

    def train_begin(self, number, logs):
        self.model.stop_training = False
        return self._tell("on_train_begin", {})

    def train_end(self, number, logs):
        return self._tell("on_train_end", logs)

    def epoch_begin(self, epoch, logs):
        return self._tell("on_epoch_begin", epoch, {})

    def epoch_end(self, epoch, logs):
        return self._tell("on_epoch_end", epoch, logs)

    def train_batch_begin(self, batch, logs):
        self._tell("on_batch_begin", batch, {})
        return self._tell("on_train_batch_begin", batch, {})

    def train_batch_end(self, batch, logs):
        self._tell("on_batch_end", batch, logs)
        return self._tell("on_train_batch_end", batch, logs)

    def test_begin(self, number, logs):
        return self._tell("on_test_begin", {})

    def test_end(self, number, logs):
        return self._tell("on_test_end", logs)

    def test_batch_begin(self, batch, logs):
        return self._tell("on_test_batch_begin", batch, {})

    def test_batch_end(self, batch, logs):
        return self._tell("on_test_batch_end", batch, logs)


class History(Callback):
    """The numbers of each epoch, by name."""

    def __init__(self):
        self.history = {}
        self.epoch = []

    def on_train_begin(self, logs=None):
        self.history, self.epoch = {}, []

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


def progress(seconds, numbers):
    """A time and numbers by name, as a line."""
    parts = [f"{name}: {value:.4g}" for name, value in numbers.items()]
    return " - ".join([f"{seconds:.2f}s", *parts])


class ProgressLine(Callback):
    """Prints a line for each epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        line = progress(time.perf_counter() - self._started, logs or {})
        print(f"Epoch {epoch + 1}/{self.params['epochs']} - {line}", flush=True)


ProgbarLogger = ProgressLine


class BackupAndRestore(Callback):
    """Writes the state of a training after each epoch, or each number of steps, from which one that
    was interrupted goes on as if it had not been: call the same `fit` again. A training that ends
    removes it, unless `delete_checkpoint` is false."""

    def __init__(
        self, backup_dir, save_freq="epoch", double_checkpoint=False, delete_checkpoint=True
    ):
        self.backup_dir, self.save_freq = os.fspath(backup_dir), save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self._steps = None if save_freq == "epoch" else count(save_freq, "save_freq")

    def _native_options(self):
        """Where the native part writes to, after how many steps, and whether it removes it."""
        os.makedirs(self.backup_dir, exist_ok=True)
        path = os.path.join(self.backup_dir, "training.endo")
        return path, self._steps, bool(self.delete_checkpoint)


class LambdaCallback(Callback):
    """A callback made of functions."""

    def __init__(self, **functions):
        for name, function in functions.items():
            if not hasattr(Callback, name):
                raise TypeError(f"LambdaCallback has no event `{name}`")
            if function is not None:
                setattr(self, name, function)


class _Monitor(Callback):
    """Watches a number of the logs."""

    def __init__(self, monitor="val_loss", mode="auto", min_delta=0.0):
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode is 'auto', 'min' or 'max', got {mode!r}")
        self.monitor, self.mode = monitor, mode
        self.min_delta = abs(min_delta)

    def value(self, logs):
        """The number, or an error that says which there are."""
        if self.monitor not in logs:
            raise ValueError(
                f"{type(self).__name__} watches `{self.monitor}`, which is not reported; there are "
                f"{', '.join(logs)}{self._help(logs)}"
            )
        return logs[self.monitor]

    def _help(self, logs):
        """What to change so that the number is reported."""
        is_validated = any(name.startswith("val_") for name in logs)
        if self.monitor.startswith("val_") and not is_validated:
            return "\n  help: give fit validation_data or validation_split"
        same_kind = [
            name for name in logs if name.startswith("val_") == self.monitor.startswith("val_")
        ]
        name = self.monitor.removeprefix("val_")
        return nearest(self.monitor, same_kind) or f"\n  help: compile with metrics=[{name!r}]"

    def improves(self, value, best):
        """Whether a value is better than the best so far."""
        best_is_low = self._known_mode() == "min"
        if best is None:
            return True
        return (best - value if best_is_low else value - best) > self.min_delta

    def _known_mode(self):
        """Whether the best value is the greatest or the least: as the compiled metric says, unless
        `mode` does."""
        if self.mode != "auto":
            return self.mode
        name = self.monitor.removeprefix("val_")
        if name == "loss" or name in self.model._term_names():
            return "min"
        # An output's name may stand before a metric's, and the number of a class after it.
        found = [
            metric
            for metric in self.model.metrics
            if re.fullmatch(rf"(.*_)?{re.escape(metric.name)}(_\d+)?", name)
        ]
        best = max(found, key=lambda metric: len(metric.name))._best_value_is if found else None
        if best is None:
            raise ValueError(
                f"{type(self).__name__} watches `{self.monitor}`, of which it is not known whether "
                "the greatest value is the best or the least\n"
                "  help: say mode='min' or mode='max'"
            )
        return best


class EarlyStopping(_Monitor):
    """Stops when a number has not become better for `patience` epochs."""

    def __init__(
        self,
        monitor="val_loss",
        min_delta=0,
        patience=0,
        verbose=0,
        mode="auto",
        baseline=None,
        restore_best_weights=False,
        start_from_epoch=0,
    ):
        super().__init__(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch

    def on_train_begin(self, logs=None):
        self.best, self.best_weights, self.best_epoch, self.wait = None, None, 0, 0
        self.stopped_epoch = 0

    def on_epoch_end(self, epoch, logs=None):
        if epoch < self.start_from_epoch:
            return
        if self.monitor.startswith("val_") and not any(key.startswith("val_") for key in logs):
            if (epoch + 1) % self.params["validation_freq"]:
                return
        value = self.value(logs)
        if self.improves(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.improves(value, self.baseline):
                self.wait = 0
                return
        self.wait += 1
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        if self.restore_best_weights and self.best_weights is not None:
            self.model.set_weights(self.best_weights)
        if self.verbose and self.stopped_epoch:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")


class ModelCheckpoint(_Monitor):
    """Saves the model after each epoch, or when a number becomes better."""

    def __init__(
        self,
        filepath,
        monitor="val_loss",
        verbose=0,
        save_best_only=False,
        save_weights_only=False,
        mode="auto",
        save_freq="epoch",
        initial_value_threshold=None,
    ):
        super().__init__(monitor, mode)
        self.filepath = os.fspath(filepath)
        self.verbose, self.save_best_only = verbose, save_best_only
        self.save_weights_only = save_weights_only
        if save_freq != "epoch":
            raise NotImplementedError("ModelCheckpoint saves after epochs: save_freq='epoch'")
        self.best = initial_value_threshold

    def on_epoch_end(self, epoch, logs=None):
        if self.save_best_only:
            value = self.value(logs)
            if not self.improves(value, self.best):
                return
            self.best = value
        path = self.filepath.format(epoch=epoch + 1, **(logs or {}))
        if self.verbose:
            print(f"Epoch {epoch + 1}: saving model to {path}")
        save = self.model.save_weights if self.save_weights_only else self.model.save
        save(path)


class ReduceLROnPlateau(_Monitor):
    """Lowers the learning rate when a number has not become better for `patience` epochs."""

    def __init__(
        self,
        monitor="val_loss",
        factor=0.1,
        patience=10,
        verbose=0,
        mode="auto",
        min_delta=1e-4,
        cooldown=0,
        min_lr=0.0,
    ):
        super().__init__(monitor, mode, min_delta)
        if factor >= 1:
            raise ValueError(f"the factor of ReduceLROnPlateau is less than 1, got {factor}")
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr

    def on_train_begin(self, logs=None):
        self.best, self.wait, self.resting = None, 0, 0

    def on_epoch_end(self, epoch, logs=None):
        value = self.value(logs)
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        if self.resting:
            self.resting -= 1
            self.wait = 0
        if self.improves(value, self.best):
            self.best, self.wait = value, 0
        elif not self.resting:
            self.wait += 1
            now = float(self.model.optimizer.learning_rate)
            if self.wait >= self.patience and now > self.min_lr:
                self.model.optimizer.learning_rate = max(now * self.factor, self.min_lr)
                self.resting, self.wait = self.cooldown, 0


def _takes_two(function):
    """Whether a function can be called with two arguments."""
    try:
        inspect.signature(function).bind(0, 0.0)
    except (TypeError, ValueError):  # it does not fit, or is not known
        return False
    return True


class LearningRateScheduler(Callback):
    """Sets the learning rate at the start of each epoch: by a function of the epoch, and of the
    rate before if it takes that."""

    def __init__(self, schedule, verbose=0):
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch, logs=None):
        now = float(self.model.optimizer.learning_rate)
        takes_rate = _takes_two(self.schedule)
        rate = self.schedule(epoch, now) if takes_rate else self.schedule(epoch)
        self.model.optimizer.learning_rate = float(rate)

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class TerminateOnNaN(Callback):
    """Has `fit` return its history where a loss is not finite, instead of raising the error that
    says why. The step with that loss changes nothing."""


class CSVLogger(Callback):
    """Writes the numbers of each epoch to a file."""

    def __init__(self, filename, separator=",", append=False):
        self.filename, self.separator, self.append = os.fspath(filename), separator, append

    def on_train_begin(self, logs=None):
        has_rows = (
            self.append and os.path.exists(self.filename) and os.path.getsize(self.filename) > 0
        )
        self._file = open(self.filename, "a" if self.append else "w", newline="")
        self._writer = None
        self._needs_header = not has_rows

    def on_epoch_end(self, epoch, logs=None):
        if self._writer is None:
            names = ["epoch", *logs]
            # The first epoch may be one in which nothing is validated.
            if self.params["validation_freq"] > 1:
                names += [f"val_{name}" for name in logs if not name.startswith("val_")]
                names = list(dict.fromkeys(names))
            self._writer = csv.DictWriter(self._file, names, delimiter=self.separator, restval="NA")
            if self._needs_header:
                self._writer.writeheader()
        self._writer.writerow({"epoch": epoch, **logs})
        self._file.flush()

    def on_train_end(self, logs=None):
        self._file.close()


_ABSENT = {
    "OrbaxCheckpoint": "use ModelCheckpoint, or BackupAndRestore",
    "RemoteMonitor": "send numbers in a LambdaCallback",
    "SwapEMAWeights": "call `optimizer.finalize_variable_values(model.weights)` before evaluating",
    "TensorBoard": "use CSVLogger, or the History that fit returns",
}


def __getattr__(name):
    raise absent("keras.callbacks", globals(), name, _ABSENT.get(name))
