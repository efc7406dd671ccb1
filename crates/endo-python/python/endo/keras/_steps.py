"""Steps that a model overrides: `train_step`, `test_step`, `predict_step`, and what they call.

A model that overrides one is trained, tested or asked by it. It is traced once for each shape of a
batch, in the library's own loop, and runs as a plan.
"""

import weakref

from .. import _native
from .._structure import flatten, pack, skeleton
from ..tf._tape import GradientTape
from ._updates import UpdatedMetrics
from .metrics import Mean, Metric
from .utils import unpack_x_y_sample_weight

# What has a model train, be tested or asked in a way of its own.
# How the numbers that steps return are called in the native part.
_RETURNED = "returned_"
_OF_LOSSES = ("train_step", "test_step", "compute_loss", "compute_metrics")


class LastValue(Metric):
    """The number that it was given last."""

    def __init__(self, name):
        super().__init__(name)
        self.value = self.add_weight(name="value")

    def update_state(self, value):
        self.value.assign(_native.reduce_mean(_native.cast(value, "float32"), None, False))

    def result(self):
        return self.value.read_value()


class _CompiledLoss:
    """The compiled losses as one function, as older programs call it in `train_step`."""

    def __init__(self, model):
        self._model = model

    def __call__(self, y_true, y_pred, sample_weight=None, regularization_losses=None):
        model = self._model
        terms = model._compiled_terms(y_true, y_pred, sample_weight)
        total = model._sum_of([*terms, *(regularization_losses or [])])
        model._loss_tracker.update_state(total)
        return total


class _CompiledMetrics:
    """The compiled metrics as one, as older programs update them in `train_step`."""

    def __init__(self, model):
        self._model = model

    def update_state(self, y_true, y_pred, sample_weight=None):
        self._model._update_metrics(y_true, y_pred, sample_weight)

    @property
    def metrics(self):
        return self._model._compiled["objects"]


class OwnSteps:
    """What is done with a batch: yours may override these methods."""

    def train_step(self, data):
        """Trains on a batch, and returns the numbers to report by name."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        with GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight)
        self._loss_tracker.update_state(loss, sample_weight=flatten(x)[0].shape[0])
        if self.optimizer is None:
            raise ValueError(
                "the model is compiled without an optimizer, and `train_step` asks for one\n"
                "  help: compile it with one, as in compile(optimizer='adam')"
            )
        weights = self.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data):
        """Judges a batch, and returns the numbers to report by name."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        loss = self.compute_loss(
            x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False
        )
        self._loss_tracker.update_state(loss, sample_weight=flatten(x)[0].shape[0])
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, data):
        """What is predicted for a batch."""
        x, _, _ = unpack_x_y_sample_weight(data)
        return self(x, training=False)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The compiled losses, and the terms of `add_loss` and the penalties on weights."""
        return self._sum_of([*self._compiled_terms(y, y_pred, sample_weight), *self.losses])

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Takes a batch into the compiled metrics, and returns all results by name."""
        self._update_metrics(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def get_metrics_result(self):
        """The results of the metrics by name, of several of one name that of the first."""
        results = {}
        for metric in self.metrics:
            if metric.name not in results:
                results[metric.name] = metric.result()
        return results

    @property
    def compiled_loss(self):
        return _CompiledLoss(self)

    @property
    def compiled_metrics(self):
        return _CompiledMetrics(self)

    # What is compiled

    @property
    def _loss_tracker(self):
        """The mean of the loss."""
        if self.__dict__.get("_loss_mean") is None:
            object.__setattr__(self, "_loss_mean", Mean(name="loss"))
        return self._loss_mean

    @staticmethod
    def _sum_of(terms):
        """The sum of the terms of a loss."""
        if not terms:
            raise ValueError(
                "there is no loss: the model is compiled without one, and nothing was given to "
                "add_loss\n  help: compile with `loss=..`, or override `compute_loss`"
            )
        total = _native.identity(terms[0])
        for term in terms[1:]:
            total = total + term
        return total

    def _compiled_terms(self, y, y_pred, sample_weight):
        """The compiled losses of a batch, times their weights."""
        losses, *_, weights = self._compiled["by_output"]
        if not losses:
            return []
        names, outputs = self._named_outputs(y_pred)
        targets = _by_names(y, names, "targets")
        samples = [None] * len(outputs)
        if sample_weight is not None:
            samples = _by_names(sample_weight, names, "sample weights")
            samples = samples * len(outputs) if len(samples) == 1 else samples
        of_outputs = _of_outputs(losses, names, "losses")
        factors = dict(zip(range(len(outputs)), _of_outputs(weights, names, "loss weights")))
        terms = []
        for place, chosen in enumerate(of_outputs):
            for loss in chosen or []:
                term = loss(targets[place], outputs[place], samples[place])
                factor = factors.get(place)
                terms.append(term if factor is None else term * factor)
        return terms

    def _update_metrics(self, y, y_pred, sample_weight):
        _, plain, weighted, _ = self._compiled["by_output"]
        names, outputs = self._named_outputs(y_pred)
        for chosen, is_weighted in ((plain, False), (weighted, True)):
            if not chosen:
                continue
            targets = _by_names(y, names, "targets")
            for place, metrics in enumerate(_of_outputs(chosen, names, "metrics")):
                for metric in metrics or []:
                    weight = sample_weight if is_weighted else None
                    metric.update_state(targets[place], outputs[place], sample_weight=weight)

    def _named_outputs(self, y_pred):
        """The names of outputs, and the outputs."""
        outputs = flatten(y_pred)
        if isinstance(y_pred, dict):
            return sorted(y_pred), outputs
        names = self._model().output_names()
        return names if len(names) == len(outputs) else [None] * len(outputs), outputs

    # How the native part calls them

    def _overrides(self, *names):
        return [one for one in names if getattr(type(self), one) is not getattr(OwnSteps, one)]

    @property
    def _has_own_losses(self):
        return bool(self._overrides(*_OF_LOSSES))

    def _require_call(self):
        """Raises where there is nothing to predict with."""
        has_call = self._graph is not None or type(self).call is not _model_class().call
        if not has_call and not self._overrides("predict_step"):
            raise NotImplementedError(
                f"{type(self).__name__} has no `call`: write `def call(self, inputs):`, or a "
                "`predict_step`"
            )

    def _set_steps(self, handle):
        """Has the native model call the steps that are overridden."""
        reference = weakref.ref(self)

        def step(name):
            def call(*tensors):
                return getattr(reference(), "_run_step")(name, *tensors)

            return call

        def predict(inputs):
            return reference()._run_predict_step(inputs)

        if self._has_own_losses:
            handle.set_steps(step("train_step"), step("test_step"))
        if self._overrides("predict_step"):
            handle.set_steps(predict=predict)

    def _packed(self, inputs):
        """The inputs of a batch in their structure."""
        structure = self._last_structure
        if structure is None:
            return inputs[0] if len(inputs) == 1 else list(inputs)
        return pack(structure, inputs)

    def _run_step(self, name, inputs, targets, weights):
        """Runs a step while it is traced, notes what it returned, and returns its loss."""
        x = self._packed(inputs)
        y, sample_weight = (self._as_outputs(part) for part in (targets, weights))
        if sample_weight is not None:
            data = (x, y, sample_weight)
        elif y is not None:
            data = (x, y)
        else:
            data = (x,) if isinstance(x, (list, tuple)) else x
        with UpdatedMetrics():
            logs = getattr(self, name)(data)
            if not isinstance(logs, dict):
                raise TypeError(
                    f"`{name}` of `{self.name}` returned {type(logs).__name__}\n"
                    "  help: return a dictionary of numbers by their names, as in "
                    "`return {'loss': loss}`"
                )
            logs = _flat(logs)
            for key, value in logs.items():
                self._last_value(key).update_state(value)
        reported = dict(self.__dict__.get("_step_names", {}))
        reported[name] = list(logs)
        object.__setattr__(self, "_step_names", reported)
        return logs.get("loss", next(iter(logs.values()), 0.0))

    def _last_value(self, name):
        """The metric for a number that a step returns: as in Keras, that of the last batch is
        reported. The result of a metric is then that for the whole epoch."""
        values = self.__dict__.setdefault("_last_values", {})
        if name not in values:
            values[name] = LastValue(_RETURNED + name)
        return values[name]

    def _as_outputs(self, tensors):
        """Targets or weights in the structure of the outputs; none if there are none."""
        if len(tensors) <= 1:
            return tensors[0] if tensors else None
        if isinstance(self._root_outputs, dict):
            return dict(zip(sorted(self._root_outputs), tensors))
        return list(tensors)

    def _run_predict_step(self, inputs):
        outputs = self.predict_step(self._packed(inputs))
        object.__setattr__(self, "_step_outputs", skeleton(outputs))
        return flatten(outputs)

    def _reported(self, logs, step="train_step"):
        """Numbers by the names that they are reported under: of steps of the model's own those
        that they return."""
        logs = super()._reported(logs, step)
        names = self.__dict__.get("_step_names")
        if not self._has_own_losses or not names:
            return logs

        logs = dict(logs)
        found = [("", name) for name in names.get(step, ())]
        found += [("val_", name) for name in names.get("test_step", ())]
        reported = []
        for start, name in found:
            value = logs.get(start + _RETURNED + name)
            if value is None and logs and not start:
                value = float(self._last_value(name).value)  # after a batch
            if value is not None:
                reported.append((start + name, value))
        return reported


def _model_class():
    from ._model import Model

    return Model


def _flat(logs):
    """Numbers by name, without the dictionaries that they are in."""
    found = {}
    for key, value in logs.items():
        if isinstance(value, dict):
            found.update(_flat(value))
        else:
            found[str(key)] = value
    return found


def _by_names(values, names, what):
    """Values in the order of outputs."""
    if values is None:
        raise ValueError(
            f"the step compares predictions with {what}, and there are none\n"
            "  help: give `y`, or compile without losses and metrics"
        )
    if isinstance(values, dict):
        return [values[name] for name in names]
    return flatten(values)


def _of_outputs(pairs, names, what):
    """What is compiled for each output: pairs of a name, or none, and a value."""
    if any(name is not None for name, _ in pairs):
        by_name = dict(pairs)
        strange = [name for name in by_name if name not in names]
        if strange:
            raise ValueError(
                f"the {what} are for the output `{strange[0]}`; there are {', '.join(names)}\n"
                "  help: name layers as outputs are called, or give a list"
            )
        return [by_name.get(name) for name in names]
    values = [value for _, value in pairs]
    if len(values) == 1 and len(names) > 1 and what == "losses":
        return values * len(names)
    return [*values, *[None] * (len(names) - len(values))]
