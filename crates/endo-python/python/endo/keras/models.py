"""Models: layers that are trained."""

import inspect
import json
import os
import tempfile
import warnings
import zipfile

import numpy as np

from .. import _native
from .._arrays import to_numpy
from .._dtypes import TensorShape
from .._names import count, refuse_options
from .._structure import flatten, pack, skeleton
from . import callbacks as _callbacks
from . import layers, losses, metrics, optimizers, utils
from ._layer import Layer, _stack
from ._saving import CustomObjectScope, config_of, made_of, with_objects


class Model(Layer):
    """A layer with a loss, an optimizer and metrics.

    Subclass it: make the layers in `__init__` after ``super().__init__(**kwargs)``, and compute in
    ``call(self, inputs)``. `compile` chooses how it is trained, `fit` trains it.
    """

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
        hidden(self, "_seed", _native_seed())
        hidden(self, "_compiled", None)
        hidden(self, "_root_outputs", None)
        hidden(self, "_seen", None)
        hidden(self, "_last_losses", [])
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
        model, seen = self._model(), self._fingerprint()
        if self._seen is not None and self._seen != seen:
            model.forget_traces()
        object.__setattr__(self, "_seen", seen)
        return model

    def _after(self):
        """Notes what the trace has seen, once layers are built."""
        object.__setattr__(self, "_seen", self._fingerprint())
        warned = self.__dict__.setdefault("_warned", set())
        for line in self._model().warnings():
            if line not in warned:
                warned.add(line)
                warnings.warn(line, stacklevel=3)

    def _apply(self, tensors, training):
        model = self._model()
        if _native.is_open():
            return model.apply(tensors, training)
        tape = _native.Tape()
        tape.open()
        try:
            outputs = model.apply(tensors, bool(training))
            object.__setattr__(self, "_last_losses", model.losses())
        finally:
            tape.close()
            tape.forget()
        return outputs

    def _run_call(self, call, tensors):
        outputs = super()._run_call(call, tensors)
        if len(_stack()) == 1:
            object.__setattr__(self, "_root_outputs", call.outputs)
            shapes = [list(tensor.shape) for tensor in tensors]
            object.__setattr__(self, "_input_shapes", shapes)
        return outputs

    @property
    def losses(self):
        """The terms that `add_loss` was given when the model was called last, and the penalties on
        its weights."""
        if _native.is_open():
            return self._model().losses()
        return list(self._last_losses)

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
        refuse_options("compile", options, _arguments(Model.compile))
        if isinstance(optimizer, Model) or isinstance(optimizer, losses.Loss):
            raise TypeError(f"the optimizer is {optimizer!r}; give a name or an optimizer")
        optimizer = optimizers.get(optimizer)
        chosen = _by_output(loss, losses.get)
        first = next((one for _, of in chosen for one in of), None)

        def metric(identifier):
            return globals_metrics.get(identifier, first)

        plain = _by_output_lists(metrics, metric)
        weighted = _by_output_lists(weighted_metrics, metric)
        weights = []
        if isinstance(loss_weights, dict):
            weights = [(name, float(weight)) for name, weight in loss_weights.items()]
        elif loss_weights is not None:
            numbers = loss_weights if isinstance(loss_weights, (list, tuple)) else [loss_weights]
            weights = [(None, float(weight)) for weight in numbers]
        self._model().compile(
            None if optimizer is None else optimizer._handle,
            [(name, [one._handle() for one in of]) for name, of in chosen],
            [(name, [one._handle() for one in of]) for name, of in plain],
            [(name, [one._handle() for one in of]) for name, of in weighted],
            weights,
            bool(run_eagerly),
        )
        object.__setattr__(self, "optimizer", optimizer)
        object.__setattr__(self, "loss", loss)
        kept = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "objects": [one for _, of in plain + weighted for one in of],
            "losses": [one for _, of in chosen for one in of],
        }
        object.__setattr__(self, "_compiled", kept)

    @property
    def metrics(self):
        """The compiled metrics, and those that layers hold."""
        compiled = self._compiled["objects"] if self._compiled else []
        return list(compiled) + Layer.metrics.fget(self)

    @property
    def metrics_names(self):
        """The names of what `evaluate` returns."""
        return ["loss", *(metric.name for metric in self.metrics)]

    def _check_own_steps(self):
        for name in ("train_step", "test_step", "predict_step"):
            if hasattr(type(self), name):
                raise NotImplementedError(
                    f"`{type(self).__name__}.{name}` would not be called: write a loop of your own "
                    "with tf.GradientTape and tf.function, or put the terms into `call` with add_loss"
                )

    def _data(self, x, y=None, sample_weight=None, batch_size=None, steps=None):
        """Data as the native part takes it."""
        if x is None:
            raise ValueError("there is no data: x is None")
        if hasattr(x, "_batches"):
            if y is not None:
                raise ValueError("y is part of the data set already: leave it out")
            return x
        if isinstance(x, utils.Sequence) or _is_iterator(x):
            if y is not None:
                raise ValueError("y is part of the batches already: leave it out")
            return _Batches(x)
        x = _as_arrays(x)
        object.__setattr__(
            self, "_last_structure", skeleton(x) if isinstance(x, (list, tuple, dict)) and _nested(x) else None
        )
        inputs = flatten(x) if _nested(x) else [x]
        return inputs, _outputs(y), _outputs(sample_weight)

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
        for name in ("max_queue_size", "workers", "use_multiprocessing"):
            options.pop(name, None)
        refuse_options("fit", options, _arguments(Model.fit))
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
        self._synced().fit(
            data,
            {
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
                "class_weight": _class_weights(class_weight),
            },
            listed,
        )
        self._after()
        object.__setattr__(self, "history", history)
        return history

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
        self._check_own_steps()
        self._require_compiled()
        data = self._data(x, y, sample_weight)
        self._require_targets(data, "y")
        batch_size = count(batch_size, "batch_size", default=32)
        logs, terms = self._synced().evaluate(data, batch_size, count(steps, "steps"))
        self._after()
        if return_dict:
            return dict(logs)
        numbers = [value for name, value in logs if name == "loss" or name not in terms]
        return numbers[0] if len(numbers) == 1 else numbers

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None, **options):
        """The outputs for inputs, as NumPy arrays."""
        self._check_own_steps()
        count(batch_size, "batch_size")
        if hasattr(x, "_batches") or isinstance(x, utils.Sequence) or _is_iterator(x):
            parts = []
            source = x if hasattr(x, "_batches") else _Batches(x)
            for number, (inputs, _, _) in enumerate(source._batches(0)):
                if steps is not None and number >= steps:
                    break
                parts.append(self._predict(list(inputs)))
            joined = [np.concatenate(of) for of in zip(*parts)]
        else:
            inputs, _, _ = self._data(x)
            joined = self._predict(inputs)
        if self._root_outputs is None:
            return joined[0]
        return pack(self._root_outputs, joined)

    def _predict(self, inputs):
        """The outputs for arrays: in parts, between which Ctrl-C ends it."""
        model, inputs = self._synced(), [_rows_of(one) for one in inputs]
        lengths = {len(one) if one.ndim else 0 for one in inputs}
        rows, at_once = lengths.pop(), self._rows_at_once(inputs)
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

    def _rows_at_once(self, inputs):
        """How many rows take some tenths of a second, by the numbers of weights and positions."""
        positions = max(int(np.prod(one.shape[1:-1], dtype=np.int64)) for one in inputs)
        rows = 200_000_000 // max(1, self.count_params() * positions)
        return min(max(rows // 256, 2), 256) * 256

    def predict_on_batch(self, x):
        return self.predict(x)

    def train_on_batch(
        self, x, y=None, sample_weight=None, class_weight=None, return_dict=False, **options
    ):
        """One step of training on a batch: the loss, and the metrics since their last reset."""
        self._check_own_steps()
        self._require_compiled()
        if class_weight:
            sample_weight = np.array([class_weight.get(int(one), 1.0) for one in np.ravel(y)])
        return self._on_batch(x, y, sample_weight, True, return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False, **options):
        """The loss of a batch, and the metrics since their last reset."""
        self._require_compiled()
        return self._on_batch(x, y, sample_weight, False, return_dict)

    def _on_batch(self, x, y, sample_weight, trains, return_dict):
        logs = self._synced().on_batch(self._data(x, y, sample_weight), trains)
        self._after()
        if return_dict:
            return dict(logs)
        terms = set(self._term_names())
        numbers = [value for name, value in logs if name == "loss" or name not in terms]
        return numbers[0] if len(numbers) == 1 else numbers

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
        text = self._model().summary()
        (print_fn or print)(text)

    def save_weights(self, filepath, overwrite=True, **options):
        """Writes the weights to a safetensors file."""
        if not overwrite and os.path.exists(filepath):
            raise FileExistsError(f"{filepath} is there already, and overwrite is False")
        self._model().save_weights(os.fspath(filepath))

    def load_weights(self, filepath, **options):
        """Reads the weights from a file of `save_weights`; the model has to be built."""
        self._model().load_weights(os.fspath(filepath))

    def export(self, filepath, **options):
        """Writes what `predict` computes to a file that the tool `endo` and Rust programs read
        without Python."""
        self._model().export(os.fspath(filepath))

    def save(self, filepath, overwrite=True, **options):
        """Writes the model: how it is made, its weights and the state of its optimizer.

        `load_model` makes it again. A class of yours with arguments says them in `get_config`.
        """
        path = os.fspath(filepath)
        if not overwrite and os.path.exists(path):
            raise FileExistsError(f"{path} is there already, and overwrite is False")
        if not self.weights:
            raise ValueError("the model has no weights yet: call it on data, or build it")
        content = {
            "format": 1,
            "model": config_of(self),
            "input_shapes": self._input_shapes,
            "structure": self._last_structure,
            "compiled": self._compiled_config(),
        }
        folder = os.path.dirname(os.path.abspath(path))
        with tempfile.TemporaryDirectory(dir=folder, prefix=".endo-") as temporary:
            weights = os.path.join(temporary, "weights.safetensors")
            (self._model().save if self._compiled else self._model().save_weights)(weights)
            whole = os.path.join(temporary, "model")
            with zipfile.ZipFile(whole, "w") as archive:
                archive.writestr("config.json", json.dumps(content, indent=1))
                archive.write(weights, "weights.safetensors")
            os.replace(whole, path)

    def _compiled_config(self):
        if not self._compiled:
            return None
        optimizer = self._compiled["optimizer"]

        def named(value):
            if isinstance(value, dict):
                return {key: named(one) for key, one in value.items()}
            if isinstance(value, (list, tuple)):
                return [named(one) for one in value]
            if value is None or isinstance(value, (str, int, float)):
                return value
            return config_of(value)

        return {
            "optimizer": None if optimizer is None else config_of(optimizer),
            **{
                key: named(self._compiled[key])
                for key in ("loss", "loss_weights", "metrics", "weighted_metrics")
            },
        }


globals_metrics = metrics


def _native_seed():
    """The seed of a model: another for each model that is made after `set_random_seed`."""
    return _native.random_seed() + utils.next_model_number()


class Sequential(Model):
    """Layers one after another."""

    def __init__(self, layers=None, name=None, trainable=True):
        super().__init__(name=name, trainable=trainable)
        self._chain = []
        for layer in layers or []:
            self.add(layer)

    def add(self, layer):
        """Puts a layer at the end."""
        if isinstance(layer, type):
            raise TypeError(f"give a layer, `{layer.__name__}(..)`, not its class")
        if not isinstance(layer, Layer):
            raise TypeError(f"a Sequential is made of layers, got {layer!r}")
        self._chain = [*self._chain, layer]
        object.__setattr__(self, "built", False)
        shape = self._shape_given()
        if shape is not None and not _native.is_tracing():
            self._model().forget_traces()
            self.build((None, *shape))

    def pop(self):
        """Takes the last layer away."""
        layer = self._chain[-1]
        self._chain = self._chain[:-1]
        return layer

    def _shape_given(self):
        first = self._chain[0] if self._chain else None
        if isinstance(first, layers.InputLayer):
            return None if len(self._chain) == 1 else tuple(first.shape)
        shape = getattr(first, "_input_shape", None)
        size = getattr(first, "_input_dim", None)
        return shape if shape is not None else None if size is None else (size,)

    @property
    def layers(self):
        """The layers in their order."""
        return [layer for layer in self._chain if not isinstance(layer, layers.InputLayer)]

    def call(self, inputs, training=None, mask=None):
        """What the last layer makes of what the one before made, and so on."""
        outputs = inputs
        for layer in self.layers:
            outputs = layer(outputs)
        return outputs

    def get_config(self):
        # A layer that stands there again is the place where it stands first.
        first = {}
        for place, layer in enumerate(self._chain):
            first.setdefault(id(layer), place)
        layers = [
            config_of(layer) if first[id(layer)] == place else first[id(layer)]
            for place, layer in enumerate(self._chain)
        ]
        return {"name": self._given_name, "layers": layers}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        with CustomObjectScope(custom_objects):
            config = with_objects(config)
        layers = []
        for layer in config.pop("layers"):
            layers.append(layers[layer] if isinstance(layer, int) else layer)
        return cls(layers, **config)


def load_model(filepath, custom_objects=None, compile=True, safe_mode=True):
    """The model that `Model.save` has written. Functions and classes of the program are found where
    they were defined, or in `custom_objects`."""
    path = os.fspath(filepath)
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no file {path}")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} was not written by Model.save")
    with CustomObjectScope(custom_objects), zipfile.ZipFile(path) as archive:
        try:
            content = json.loads(archive.read("config.json"))
        except (KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} was not written by Model.save, or is damaged: {error}") from None
        model = made_of(content["model"])
        object.__setattr__(model, "_last_structure", content["structure"])
        is_compiled = bool(content["compiled"] and compile)
        if is_compiled:
            model.compile(**with_objects(content["compiled"]))
        shapes = [TensorShape((None, *shape[1:])) for shape in content["input_shapes"]]
        if not model.weights:
            model.build(shapes[0] if len(shapes) == 1 and content["structure"] is None else shapes)
        with tempfile.TemporaryDirectory(prefix="endo-") as temporary:
            weights = archive.extract("weights.safetensors", temporary)
            (model._model().load if is_compiled else model._model().load_weights)(weights)
    return model


def clone_model(model):
    """A model made in the same way, with weights of its own."""
    return made_of(config_of(model))


def _arguments(function):
    return inspect.signature(function).parameters


def _class_weights(weights):
    """Weights of classes as pairs."""
    if weights is None:
        return None
    try:
        return [(int(key), float(value)) for key, value in dict(weights).items()]
    except (TypeError, ValueError):
        raise ValueError(
            "class_weight has a weight for each class by its number, as in {0: 1.0, 1: 3.0}, got "
            f"{weights!r}"
        ) from None


def _rows_of(inputs):
    return inputs.numpy() if isinstance(inputs, (_native.Tensor, _native.Variable)) else inputs


def _by_output(value, get):
    """Losses by output: a list of pairs of a name, or none, and a list."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [(name, _listed(one, get)) for name, one in value.items()]
    if isinstance(value, (list, tuple)):
        return [(None, _listed(one, get)) for one in value]
    return [(None, [get(value)])]


def _by_output_lists(value, get):
    """Metrics by output."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [(name, _listed(one, get)) for name, one in value.items()]
    if not isinstance(value, (list, tuple)):
        return [(None, [get(value)])]
    if any(isinstance(one, (list, tuple)) for one in value):
        return [(None, _listed(one, get)) for one in value]
    return [(None, [get(one) for one in value])]


def _listed(value, get):
    if value is None:
        return []
    return [get(one) for one in value] if isinstance(value, (list, tuple)) else [get(value)]


def _nested(x):
    """Whether inputs are several arrays, and not one that is written as a list."""
    if isinstance(x, dict):
        return True
    return isinstance(x, (list, tuple)) and any(
        hasattr(one, "shape") or isinstance(one, (dict, _native.Tensor)) for one in x
    )


def _as_arrays(x):
    """Inputs, each as an array, in their structure."""
    if isinstance(x, dict):
        return {name: _as_arrays(one) for name, one in x.items()}
    if _nested(x):
        return [_as_arrays(one) for one in x]
    return _array(x)


def _is_iterator(x):
    return hasattr(x, "__next__")


def _outputs(values):
    """Targets or weights as pairs of an output's name, or none, and an array."""
    if values is None:
        return []
    if isinstance(values, dict):
        return [(name, _array(one)) for name, one in values.items()]
    if _nested(values):
        return [(None, _array(one)) for one in flatten(values)]
    return [(None, _array(values))]


def _array(value):
    return value if isinstance(value, (_native.Tensor, _native.Variable)) else to_numpy(value)


class _Batches:
    """The batches of a Sequence, or of an iterator, which is gone through once."""

    def __init__(self, source):
        self.source = source

    def _batches(self, number):
        if isinstance(self.source, utils.Sequence):
            for place in range(len(self.source)):
                yield batch_of(self.source[place])
            self.source.on_epoch_end()
            return
        for batch in self.source:
            yield batch_of(batch)


def batch_of(batch):
    """A batch of a data set as inputs, targets and sample weights."""
    if not isinstance(batch, tuple):
        batch = (batch,)
    if len(batch) > 3:
        raise ValueError(
            f"a batch is x, (x, y) or (x, y, sample_weight), got a tuple of {len(batch)}"
        )
    x, y, weight = (*batch, None, None)[:3]
    inputs = flatten(x) if _nested(x) else [x]
    return [_array(one) for one in inputs], _outputs(y), _outputs(weight)
