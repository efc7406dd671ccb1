"""Metrics: those of the library, functions of targets and predictions, and `Metric`, which users
subclass."""

import inspect
import weakref

import numpy as np

from .. import _native
from .._names import absent, refuse_options
from .._text import written
from . import initializers, losses
from ._accuracies import FUNCTIONS, accuracy_for
from ._first_values import first_values
from ._named import names_of, overridden, with_names
from ._saving import resolved
from ._updates import is_in_step


# What a metric computes with.
_COMPUTED = ("update_state", "result", "reset_state", "reset_states")


class Metric:
    """A number accumulated over batches.

    Yours makes its totals in `__init__` with `add_weight`, adds to them in
    ``update_state(self, y_true, y_pred, sample_weight=None)``, and returns a number made of them
    in ``result(self)``.
    """

    _is_metric = True
    # Whether the best value is the greatest ("max") or the least ("min"), where that is known.
    _best_value_is = None

    def __init__(self, name=None, dtype=None, **options):
        if options:
            raise TypeError(
                f"{type(self).__name__} got arguments that no metric has: {', '.join(options)}"
            )
        self.name = name or names_of(type(self).__name__)
        if not isinstance(self.name, str):
            raise TypeError(f"the name of a metric is a text, got {name!r}")
        self.dtype = "float32"
        self._totals = []
        self._core = None
        self._own_handle = None

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if "update_state" in cls.__dict__:
            cls.update_state = _reported(cls.update_state)

    def add_weight(
        self,
        name=None,
        shape=(),
        initializer="zeros",
        dtype=None,
        aggregation=None,
        synchronization=None,
    ):
        """A total: a variable that is zero at the start of each epoch."""
        if not isinstance(name, (str, type(None))):
            name, shape = (shape if isinstance(shape, str) else "total"), name
        self._require_init()
        sizes = [shape] if isinstance(shape, int) else list(shape or ())
        value = first_values(initializers.get(initializer), sizes, f"{self.name}/{name}")
        variable = _native.Variable(np.asarray(value), False, name, dtype or "float32")
        self._totals.append(variable)
        return variable

    def _require_init(self):
        if not hasattr(self, "_totals"):
            raise RuntimeError(
                f"{type(self).__name__} forgot to call `super().__init__()` in its `__init__`"
            )

    @property
    def variables(self):
        """The totals."""
        return list(self._totals)

    weights = variables

    def update_state(self, *arguments, **options):
        """Takes in a batch: you write it."""
        raise NotImplementedError(
            f"{type(self).__name__} has no `update_state`: write "
            "`def update_state(self, y_true, y_pred, sample_weight=None):`"
        )

    def result(self):
        """The number so far: you write it."""
        raise NotImplementedError(
            f"{type(self).__name__} has no `result`: write `def result(self):`"
        )

    def reset_state(self):
        """Sets the totals to zero."""
        for variable in self.variables:
            variable.assign(np.zeros(tuple(variable.shape)))

    def reset_states(self):
        """The same, as older versions of Keras call it."""
        self.reset_state()

    def _reset(self):
        """What a compiled model calls: yours, under either name."""
        is_older = type(self).reset_states is not Metric.reset_states
        (self.reset_states if is_older else self.reset_state)()

    def __call__(self, *arguments, **options):
        self._require_init()
        self.update_state(*arguments, **options)
        return _noted(self.result())

    def _update(self, y_true, y_pred, sample_weight):
        """What a compiled model calls."""
        accepted = inspect.signature(self.update_state).parameters
        if "sample_weight" in accepted:
            return self.update_state(y_true, y_pred, sample_weight=sample_weight)
        return self.update_state(y_true, y_pred)

    def _handle(self):
        """The native part's handle, by which models are compiled: the metric of the library that
        it stands on, unless a subclass computes otherwise."""
        self._require_init()
        if self._core is not None and not overridden(type(self), *_COMPUTED):
            return self._core
        # A handle holds the metric, so the metric does not hold the handle.
        return _native.MetricHandle.of(self, self.name)

    def get_config(self):
        """The arguments by which the metric is made again."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __reduce__(self):
        from ._copies import reduce_configured

        return reduce_configured(self)

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}>"


def _reported(update_state):
    """An update that has the layer which makes it report the metric."""
    if getattr(update_state, "_endo_is_reported", False):
        return update_state

    def update(self, *arguments, **options):
        arguments = [
            _native.identity(one) if isinstance(one, (np.ndarray, list)) else one
            for one in arguments
        ]
        if is_in_step() or _native.current_path():
            self._handle().report()
        return update_state(self, *arguments, **options)

    update.__name__ = "update_state"
    update.__doc__ = update_state.__doc__
    update.__wrapped__ = update_state
    update._endo_is_reported = True
    return update


class NativeMetric(Metric):
    """A metric of the library, with its options as arguments."""

    _native_name = None
    _positional = ()

    def __init__(self, *arguments, **options):
        options = with_names(type(self), arguments, options)
        self._config = dict(options)
        name = options.pop("name", None)
        options.pop("dtype", None)
        super().__init__(name or self._native_name)
        self._core = self._make(options)

    def _make(self, options):
        if "class_aggregation" in options:
            # Keras's `None` asks for a number for each output: it is not the default.
            options["class_aggregation"] = options["class_aggregation"] or "none"
        return _native.MetricHandle.named(written(self._native_name, options), self.name)

    @property
    def variables(self):
        return self._core.variables()

    weights = variables

    def update_state(self, y_true, y_pred=None, sample_weight=None):
        self._core.update(y_true, y_pred, sample_weight)

    def result(self):
        return self._core.result()

    def reset_state(self):
        self._core.reset()

    def get_config(self):
        return dict(self._config)


class Mean(NativeMetric):
    """The mean of all values taken in, weighted if weights are given."""

    _native_name = "mean"
    _positional = ("name", "dtype")

    def _make(self, options):
        refuse_options(type(self).__name__, options, self._positional)
        return _native.MetricHandle.mean(self.name)

    def update_state(self, values, sample_weight=None):
        self._core.update(values, None, sample_weight)


class Sum(Mean):
    """The sum of all values taken in."""

    _native_name = "sum"

    def _make(self, options):
        refuse_options(type(self).__name__, options, self._positional)
        return _native.MetricHandle.sum(self.name)


# By identity: tensors are compared element by element.
_results = weakref.WeakValueDictionary()


def _noted(tensor):
    """Notes that a metric has returned this tensor, so that its layer need not report it."""
    if isinstance(tensor, _native.Tensor):
        _results[id(tensor)] = tensor
    return tensor


def is_result(value):
    """Whether a metric has returned this tensor."""
    return _results.get(id(value)) is value


class MeanMetricWrapper(Metric):
    """The mean of a function of targets and predictions."""

    _native_name = "mean_metric_wrapper"

    def __init__(self, fn, name=None, dtype=None, **options):
        super().__init__(name or getattr(fn, "__name__", "metric"))
        self._best_value_is = _best_of(getattr(fn, "_endo_text", None))
        self.function = (lambda y_true, y_pred: fn(y_true, y_pred, **options)) if options else fn
        function = losses.weakly(self, "function")
        handle = _native.LossHandle.of(function, self.name, "sum_over_batch_size")
        self._core = _native.MetricHandle.of_loss(handle, self.name)

    @property
    def variables(self):
        return self._core.variables()

    def update_state(self, y_true, y_pred, sample_weight=None):
        self._core.update(y_true, y_pred, sample_weight)

    def result(self):
        return self._core.result()

    def reset_state(self):
        self._core.reset()


class Accuracy(MeanMetricWrapper):
    """How often predictions equal targets."""

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(_equals, name)
        self._best_value_is = "max"


def _equals(y_true, y_pred):
    return _native.cast(_native.cast(y_true, "float32") == y_pred, "float32")


def _metric(name, positional, best, doc, native_name=None):
    if "name" not in positional:
        positional = f"{positional} name dtype"
    return type(
        name,
        (NativeMetric,),
        {
            "_native_name": native_name or names_of(name),
            "_positional": tuple(positional.split()),
            "_best_value_is": best,
            "__doc__": doc,
            "__module__": __name__,
        },
    )


# By name: the arguments, whether the best value is the greatest or the least, and what it is.
_TABLE = {
    "AUC": (
        "num_thresholds curve summation_method name dtype"
        " thresholds multi_label num_labels label_weights from_logits",
        "max",
        "The area under the curve of sensitivity, or of precision.",
    ),
    "BinaryAccuracy": ("name dtype threshold", "max", "How often samples of two classes are told right."),
    "BinaryCrossentropy": (
        "name dtype from_logits label_smoothing",
        "min",
        "The mean cross entropy of two classes.",
    ),
    "BinaryIoU": (
        "target_class_ids threshold",
        "max",
        "The overlap of targets and predictions of two classes, over their union.",
    ),
    "CategoricalAccuracy": ("", "max", "How often one-hot classes are told right."),
    "CategoricalCrossentropy": (
        "name dtype from_logits label_smoothing axis",
        "min",
        "The mean cross entropy of classes.",
    ),
    "ConcordanceCorrelation": (
        "name dtype axis",
        "max",
        "How near predictions are to targets, as a correlation (Lin 1989).",
    ),
    "CosineSimilarity": ("name dtype axis", "max", "The mean cosine of the angle."),
    "F1Score": ("average threshold", "max", "The harmonic mean of precision and recall."),
    "FalseNegatives": (
        "thresholds",
        "min",
        "How many positive samples are called negative.",
    ),
    "FalsePositives": (
        "thresholds",
        "min",
        "How many negative samples are called positive.",
    ),
    "FBetaScore": ("average beta threshold", "max", "A weighted mean of precision and recall."),
    "IoU": (
        "num_classes target_class_ids name dtype ignore_class sparse_y_true sparse_y_pred axis",
        "max",
        "The overlap of targets and predictions of some classes, over their union.",
    ),
    "LogCoshError": ("", "min", "The mean logarithm of the hyperbolic cosine."),
    "MeanIoU": (
        "num_classes name dtype ignore_class sparse_y_true sparse_y_pred axis",
        "max",
        "The mean over all classes of the overlap over the union.",
    ),
    "OneHotIoU": (
        "num_classes target_class_ids name dtype ignore_class sparse_y_pred axis",
        "max",
        "The overlap of targets and predictions of some classes, over their union.",
    ),
    "OneHotMeanIoU": (
        "num_classes name dtype ignore_class sparse_y_pred axis",
        "max",
        "The mean over all classes of the overlap over the union.",
    ),
    "PearsonCorrelation": ("name dtype axis", "max", "The linear correlation (Pearson 1895)."),
    "Precision": ("thresholds top_k class_id", "max", "The share of positive predictions that are right."),
    "PrecisionAtRecall": (
        "recall num_thresholds class_id",
        "max",
        "The greatest precision at a recall of at least `recall`.",
    ),
    "R2Score": (
        "class_aggregation num_regressors",
        "max",
        "The share of the variance that is explained.",
    ),
    "Recall": ("thresholds top_k class_id", "max", "The share of positive samples that are found."),
    "RecallAtPrecision": (
        "precision num_thresholds class_id",
        "max",
        "The greatest recall at a precision of at least `precision`.",
    ),
    "RootMeanSquaredError": ("", "min", "The root of the mean of squared differences."),
    "SensitivityAtSpecificity": (
        "specificity num_thresholds class_id",
        "max",
        "The greatest sensitivity at a specificity of at least `specificity`.",
    ),
    "SparseCategoricalAccuracy": ("", "max", "How often classes by number are told right."),
    "SparseCategoricalCrossentropy": (
        "name dtype from_logits ignore_class axis",
        "min",
        "The mean cross entropy of classes by number.",
    ),
    "SparseTopKCategoricalAccuracy": (
        "k name dtype from_sorted_ids",
        "max",
        "How often the class is among the `k` likeliest.",
    ),
    "SpecificityAtSensitivity": (
        "sensitivity num_thresholds class_id",
        "max",
        "The greatest specificity at a sensitivity of at least `sensitivity`.",
    ),
    "TopKCategoricalAccuracy": ("k", "max", "How often the class is among the `k` likeliest."),
    "TrueNegatives": ("thresholds", "max", "How many negative samples are called so."),
    "TruePositives": ("thresholds", "max", "How many positive samples are called so."),
}
# The means of losses that take no options are what the losses are.
for _name in (
    "CategoricalHinge Hinge KLDivergence MeanAbsoluteError MeanAbsolutePercentageError"
    " MeanSquaredError MeanSquaredLogarithmicError Poisson SquaredHinge"
).split():
    _TABLE[_name] = ("", "min", losses._TABLE[_name][1])
_NATIVE = {
    "KLDivergence": "kl_divergence",
    "LogCoshError": "logcosh",
    "R2Score": "r2_score",
    "F1Score": "f1_score",
    "FBetaScore": "fbeta_score",
    "AUC": "auc",
    "IoU": "io_u",
    "BinaryIoU": "binary_io_u",
    "MeanIoU": "mean_io_u",
    "OneHotIoU": "one_hot_io_u",
    "OneHotMeanIoU": "one_hot_mean_io_u",
}
_BEST = {}
for _name, (_positional, _best, _doc) in _TABLE.items():
    globals()[_name] = _metric(_name, _positional, _best, _doc, _NATIVE.get(_name))
    _BEST[globals()[_name]._native_name] = _best
_BEST["rmse"] = "min"
for _name, _function in {**losses._FUNCTIONS, **FUNCTIONS}.items():
    globals()[_name] = _function
mse = MSE = losses.mse
mae = MAE = losses.mae


def get(identifier, loss=None):
    """The metric that a name, an object, a class or a function stands for; `"accuracy"` follows the
    loss that a model is compiled with."""
    identifier = resolved(identifier)
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, str):
        found = globals().get(identifier)
        if isinstance(found, type) and issubclass(found, Metric):
            return found()
        return OfText(accuracy_for(identifier, loss), identifier)
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        return identifier()
    if isinstance(identifier, losses.Loss):
        metric = MeanMetricWrapper(identifier.call, identifier.name)
        metric._best_value_is = "min"
        return metric
    if callable(identifier):
        return MeanMetricWrapper(identifier)
    raise ValueError(
        "a metric is a name such as 'mae', an object, or a function of targets and predictions, "
        f"got {identifier!r}"
    )


class OfText(NativeMetric):
    """The metric that a text names, reported as it is written."""

    def __init__(self, text, reported=None):
        self._config = {"text": text, "reported": reported}
        Metric.__init__(self, (reported or text).split("(")[0])
        self._core = _native.MetricHandle.named(text, self.name)
        own_name = _native.MetricHandle.named(text).name
        self._best_value_is = _BEST.get(own_name) or _best_of(own_name)


def _best_of(name):
    """Which value of a function is the best, by a name that the library has for it."""
    if name in FUNCTIONS or name in ("accuracy", "acc"):
        return "max"
    try:
        return "min" if name and _native.LossHandle.named(name) else None
    except ValueError:  # no loss is called so
        return None


def __getattr__(name):
    raise absent("keras.metrics", globals(), name)
