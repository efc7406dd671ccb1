"""Losses: those of the library, functions of targets and predictions, and `Loss`, which users
subclass."""

import weakref

from .. import _native
from .._symbolic import take_symbols as _take_symbols
from .._names import absent
from .._text import written
from ._named import names_of, overridden, with_names
from ._saving import resolved


class Reduction:
    """How the values of a loss become one number."""

    AUTO = "sum_over_batch_size"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"
    SUM = "sum"
    NONE = "none"


def weakly(owner, name):
    """A method of an object that does not keep the object alive: the model does, which is compiled
    with it, and which would never be collected if its loss knew it."""
    reference = weakref.ref(owner)

    def call(*tensors):
        return getattr(reference(), name)(*tensors)

    is_method = hasattr(getattr(owner, name), "__self__")
    call.__name__ = f"{type(owner).__name__}.{name}" if is_method else owner.name
    return call


def _reduction_name(reduction):
    return {None: "none", "auto": "sum_over_batch_size"}.get(reduction, reduction)


class Loss:
    """How far predictions are from targets.

    Yours has ``call(self, y_true, y_pred)``, which returns a value for each sample or element; what
    becomes of them is `reduction`.
    """

    def __init__(self, reduction="sum_over_batch_size", name=None, dtype=None):
        self.reduction = _reduction_name(reduction)
        self.name = name or names_of(type(self).__name__)

    def call(self, y_true, y_pred):
        """A value for each sample or element: you write it."""
        raise NotImplementedError(
            f"{type(self).__name__} has no `call`: write `def call(self, y_true, y_pred):`"
        )

    def __call__(self, y_true, y_pred, sample_weight=None):
        return self._handle().compute(y_true, y_pred, sample_weight, True)

    def _handle(self):
        if not hasattr(self, "reduction"):
            raise RuntimeError(
                f"{type(self).__name__} forgot to call `super().__init__()` in its `__init__`"
            )
        self._refuse_own_call()
        return _native.LossHandle.of(weakly(self, "call"), self.name, self.reduction)

    def _refuse_own_call(self):
        """Raises where a class computes in `__call__`, which a model does not call."""
        if type(self).__call__ is not Loss.__call__:
            raise NotImplementedError(
                f"`{type(self).__name__}.__call__` would not be called in training\n"
                "  help: write `def call(self, y_true, y_pred):`, which returns a value for each "
                "sample"
            )

    def get_config(self):
        """The arguments by which the loss is made again."""
        return {"reduction": self.reduction, "name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __reduce__(self):
        from ._copies import reduce_configured

        return reduce_configured(self)


class NativeLoss(Loss):
    """A loss of the library, with its options as arguments."""

    _native_name = None
    _positional = ()

    def __init__(self, *arguments, **options):
        options = with_names(type(self), arguments, options)
        self._config = dict(options)
        options.pop("dtype", None)
        reduction = _reduction_name(options.pop("reduction", "sum_over_batch_size"))
        name = options.pop("name", None)
        if options.get("axis") == -1 and self._native_name != "cosine_similarity":
            options.pop("axis")
        super().__init__(reduction, name or self._native_name)
        self._native_handle = _native.LossHandle.named(
            written(self._native_name, {**options, "reduction": reduction})
        )

    def call(self, y_true, y_pred):
        return self._native_handle.compute(y_true, y_pred, None, False)

    def _handle(self):
        if overridden(type(self), "call"):
            return super()._handle()
        self._refuse_own_call()
        return self._native_handle

    def get_config(self):
        return dict(self._config)


def _loss(name, positional, doc, native_name=None):
    native_name = native_name or names_of(name)
    if "reduction" not in positional:
        positional = f"{positional} reduction name dtype"
    own = [one for one in positional.split() if one not in ("reduction", "name", "dtype")]

    def function(y_true, y_pred, *arguments, **options):
        if len(arguments) > len(own):
            raise TypeError(f"{native_name} has the options {', '.join(own) or 'none'}")
        reduced = {**dict(zip(own, arguments)), **options, "reduction": "none"}
        if reduced.get("axis") == -1 and native_name != "cosine_similarity":
            reduced.pop("axis")
        handle = _native.LossHandle.named(written(native_name, reduced))
        return handle.compute(y_true, y_pred, None, False)

    function.__name__ = function.__qualname__ = native_name
    function.__doc__ = f"{doc} A value for each sample."
    function._endo_text = native_name
    kind = type(
        name,
        (NativeLoss,),
        {
            "_native_name": native_name,
            "_positional": tuple(positional.split()),
            "__doc__": doc,
            "__module__": __name__,
        },
    )
    return kind, function


_TABLE = {
    "BinaryCrossentropy": ("from_logits label_smoothing axis", "The cross-entropy of two classes."),
    "BinaryFocalCrossentropy": (
        "apply_class_balancing alpha gamma from_logits label_smoothing axis",
        "The cross-entropy of two classes, less of what is right (Lin et al. 2018).",
    ),
    "CategoricalCrossentropy": (
        "from_logits label_smoothing axis",
        "The cross-entropy of one-hot classes.",
    ),
    "CategoricalFocalCrossentropy": (
        "alpha gamma from_logits label_smoothing axis",
        "The cross-entropy of one-hot classes, less of what is right.",
    ),
    "CategoricalGeneralizedCrossEntropy": (
        "q",
        "Between cross entropy and absolute error, for wrong labels (Zhang and Sabuncu 2018).",
    ),
    "CategoricalHinge": ("", "The hinge loss of classes."),
    "Circle": (
        "gamma margin remove_diagonal",
        "Brings embeddings of the same label together (Sun et al. 2020).",
    ),
    "CosineSimilarity": ("axis", "Minus the cosine of the angle."),
    "CTC": ("", "Connectionist temporal classification (Graves et al. 2006)."),
    "Dice": ("reduction name axis dtype", "One minus twice the overlap over the sum of both."),
    "Hinge": ("", "The hinge loss."),
    "Huber": ("delta", "Squares up to `delta`, linear beyond (Huber 1964)."),
    "KLDivergence": ("", "The Kullback-Leibler divergence."),
    "LogCosh": ("", "The logarithm of the hyperbolic cosine."),
    "MeanAbsoluteError": ("", "The mean of absolute differences."),
    "MeanAbsolutePercentageError": ("", "The mean of absolute differences, in percent of the targets."),
    "MeanSquaredError": ("", "The mean of squared differences."),
    "MeanSquaredLogarithmicError": ("", "The mean square of the differences of `log(1 + x)`."),
    "Poisson": ("", "The mean of `y_pred - y_true * log(y_pred)`, for counts."),
    "SparseCategoricalCrossentropy": (
        "from_logits ignore_class reduction axis name dtype",
        "The cross-entropy of classes that are given by number.",
    ),
    "SquaredHinge": ("", "The squared hinge loss."),
    "Tversky": (
        "alpha beta reduction name axis dtype",
        "One minus an overlap in which both kinds of errors have weights.",
    ),
}
_NATIVE = {"CTC": "ctc", "KLDivergence": "kl_divergence", "LogCosh": "log_cosh"}
_FUNCTIONS = {}
for _name, (_positional, _doc) in _TABLE.items():
    _class, _function = _loss(_name, _positional, _doc, _NATIVE.get(_name))
    globals()[_name] = _class
    _FUNCTIONS[_function.__name__] = _function
    globals().setdefault(_function.__name__, _function)
mse = MSE = _FUNCTIONS["mean_squared_error"]
mae = MAE = _FUNCTIONS["mean_absolute_error"]
mape = MAPE = _FUNCTIONS["mean_absolute_percentage_error"]
msle = MSLE = _FUNCTIONS["mean_squared_logarithmic_error"]
kld = KLD = _FUNCTIONS["kl_divergence"]


def get(identifier):
    """The loss that a name, an object, a class or a function stands for."""
    identifier = resolved(identifier)
    if identifier is None or isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, str):
        found = globals().get(identifier)
        if isinstance(found, type) and issubclass(found, Loss):
            return found()
        return OfText(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        return identifier()
    if callable(identifier):
        text = getattr(identifier, "_endo_text", None)
        return OfText(text) if text else OfFunction(identifier)
    raise ValueError(
        "a loss is a name such as 'mse', an object, or a function of targets and predictions, got "
        f"{identifier!r}"
    )


class OfText(NativeLoss):
    """The loss that a text names."""

    def __init__(self, text):
        self._config = {"text": text}
        self._native_handle = _native.LossHandle.named(text)
        Loss.__init__(self, name=self._native_handle.name)


class OfFunction(Loss):
    """A function of targets and predictions as a loss."""

    def __init__(self, function):
        super().__init__(name=getattr(function, "__name__", "loss"))
        self.call = function

    def get_config(self):
        return {"function": self.name}


_take_symbols(globals(), "get")


def __getattr__(name):
    raise absent("keras.losses", globals(), name)
