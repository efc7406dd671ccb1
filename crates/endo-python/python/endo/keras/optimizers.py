"""Optimizers, by Keras's names."""

import re

import numpy as np

from .. import _native
from .._structure import flatten
from .._names import absent
from .._text import written
from ._named import names_of, overridden, plain_arguments, with_names
from ._own_optimizer import SETTINGS, OwnOptimizer


_BY_CALLBACK = (
    "give fit a keras.callbacks.LearningRateScheduler(function of the epoch), or set "
    "`optimizer.learning_rate` in a loop of your own"
)


class _Schedule:
    """A learning rate that follows the number of steps. Yours has ``__call__(self, step)``."""

    _native_name = None
    _positional = ()

    def __new__(cls, *arguments, **options):
        schedule = super().__new__(cls)
        schedule._options = plain_arguments(cls, arguments, options)
        return schedule

    def __init__(self, *arguments, **options):
        if self._native_name is None:
            if arguments or options:
                given = [*arguments, *options]
                raise TypeError(f"LearningRateSchedule takes no arguments, got {given}")
            return
        options = with_names(type(self), arguments, options)
        self.name = options.pop("name", None) or type(self).__name__
        self._options = options
        _native.OptimizerHandle.named(f"sgd({self._text()})")

    @property
    def _is_native(self):
        return self._native_name is not None and not overridden(type(self), "__call__")

    def _text(self):
        return written(self._native_name, self._options)

    def __call__(self, step):
        """The learning rate at a step."""
        if self._native_name is None:
            raise NotImplementedError(
                f"{type(self).__name__} has no `__call__`: write `def __call__(self, step):`"
            )
        handle = _native.OptimizerHandle.named(f"sgd({self._text()})")
        handle.iterations().assign(int(step))
        return handle.learning_rate

    def get_config(self):
        """The arguments by which the schedule is made again."""
        return dict(self._options)

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class schedules:
    """Learning rates that follow the number of steps."""

    LearningRateSchedule = _Schedule


def _schedule(name, positional, doc):
    kind = type(
        name,
        (_Schedule,),
        {
            "_native_name": names_of(name),
            "_positional": tuple(positional.split()),
            "__doc__": doc,
            "__module__": __name__,
        },
    )
    setattr(schedules, name, kind)


_schedule(
    "ExponentialDecay",
    "initial_learning_rate decay_steps decay_rate staircase name",
    "The rate falls by a factor `decay_rate` every `decay_steps` steps.",
)
_schedule(
    "PolynomialDecay",
    "initial_learning_rate decay_steps end_learning_rate power cycle name",
    "The rate falls to `end_learning_rate` as a power of the steps left.",
)
_schedule(
    "InverseTimeDecay",
    "initial_learning_rate decay_steps decay_rate staircase name",
    "The rate falls as `1 / (1 + decay_rate * step / decay_steps)`.",
)
_schedule(
    "PiecewiseConstantDecay",
    "boundaries values name",
    "The rate has a value for each stretch of steps.",
)
_schedule(
    "CosineDecay",
    "initial_learning_rate decay_steps alpha name warmup_target warmup_steps",
    "The rate falls as half a cosine, after a warmup where one is asked for.",
)
_schedule(
    "CosineDecayRestarts",
    "initial_learning_rate first_decay_steps t_mul m_mul alpha name",
    "The rate falls as half a cosine, and starts anew after each fall.",
)


class LearningRate(float):
    """A learning rate as a number that is also read and assigned as Keras's variable is."""

    def __new__(cls, value, optimizer):
        rate = super().__new__(cls, value)
        rate._optimizer = optimizer
        return rate

    def numpy(self):
        return np.float32(self)

    def assign(self, value):
        """Sets the optimizer's learning rate."""
        self._optimizer.learning_rate = value


class Optimizer(OwnOptimizer):
    """How weights are updated by their gradients.

    Yours has ``update_step(self, gradient, variable, learning_rate)``, and ``build(self,
    variables)`` where it keeps variables of its own.
    """

    _native_name = None
    _positional = ("learning_rate",)
    # What options of the class are unless they are given.
    _defaults = SETTINGS
    _ignored = ("jit_compile", "name", "use_locking", "decay")

    def __new__(cls, *arguments, **options):
        optimizer = super().__new__(cls)
        optimizer._own_arguments = plain_arguments(cls, arguments, options)
        return optimizer

    def __init__(self, *arguments, **options):
        if self._is_own:
            options = self._begin_own(arguments, options)
        else:
            changed = overridden(type(self), "update_step", "build", "_resource_apply_dense")
            if changed:
                raise NotImplementedError(
                    f"`{type(self).__name__}.{changed}` would not be called: an optimizer of the "
                    "library computes natively\n"
                    "  help: write a keras.optimizers.Optimizer, with all of its `update_step`"
                )
            options = with_names(type(self), arguments, options)
        if "lr" in options:
            options["learning_rate"] = options.pop("lr")
        if options.get("decay"):
            raise NotImplementedError(
                "`decay` is gone from Keras, too: give a schedule, such as "
                "keras.optimizers.schedules.InverseTimeDecay(0.01, 1, decay)"
            )
        if callable(options.get("learning_rate")) and not isinstance(
            options["learning_rate"], _Schedule
        ):
            raise NotImplementedError(
                "a function as learning_rate would be called once, not at each step\n"
                f"  help: give a schedule of keras.optimizers.schedules; or {_BY_CALLBACK}"
            )
        self.name = options.get("name") or names_of(type(self).__name__)
        self._config = {
            name: value for name, value in options.items() if name not in self._ignored
        }
        self._spared = []
        self._is_taken = False
        self._made = self._make()

    def __getattr__(self, name):
        config = self.__dict__.get("_config", {})
        if name in type(self)._defaults or (name in config and not self._is_own):
            return config.get(name, type(self)._defaults.get(name))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name, value):
        is_option = name in SETTINGS or (name in self._positional and not self._is_own)
        is_option = is_option and name not in ("name", "learning_rate")
        if not is_option or "_made" not in self.__dict__:
            object.__setattr__(self, name, value)
        elif self._config.get(name, self._defaults.get(name)) != value:
            self._change_option(name, value)

    def _change_option(self, name, value):
        """Gives an option another value: the native part is made anew unless it was used."""
        if self._is_taken or self.built:
            raise ValueError(
                f"`{name}` of the optimizer `{self.name}` is set after the optimizer was used\n"
                "  help: set it before `compile` and before the first step, or make another one"
            )
        before = self._config
        self._config = {**before, name: value}
        try:
            self._made = self._make()
        except BaseException:
            self._config = before
            raise

    @property
    def _is_own(self):
        """Whether its updates are Python."""
        return self._native_name is None

    def _text_config(self):
        """The options for the native part: a schedule that is Python is set aside."""
        rate = self._config.get("learning_rate")
        if isinstance(rate, _Schedule) and not rate._is_native:
            return {**self._config, "learning_rate": 0.0}
        return self._config

    def _make(self):
        spared = {"exclude_from_weight_decay": self._spared or None}
        if self._is_own:
            made = self._make_own(spared)
        else:
            text = written(self._native_name, {**self._text_config(), **spared})
            made = _native.OptimizerHandle.named(text)
        if self._text_config() is not self._config:
            made.follow(self._config["learning_rate"].__call__)
        return made

    @property
    def _handle(self):
        """The native part's handle: for a model that is compiled with it."""
        self._is_taken = True
        return self._made

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        """Has weights go without weight decay: variables, or words that their names contain. Call
        it before the first step, and before a model is compiled with the optimizer."""
        if self._is_taken:
            raise ValueError(
                "`exclude_from_weight_decay` is called after the optimizer was used\n"
                "  help: call it before `compile` and before the first step"
            )
        names = [f"^{variable.path}$" for variable in var_list or []]
        words = [word for name in var_names or [] for word in name.split("|")]
        strange = [word for word in words if set(word) & set(".*+?()[]{}\\,")]
        if strange:
            raise NotImplementedError(
                f"exclude_from_weight_decay of the pattern {strange[0]!r}: give words that names "
                "contain, such as 'bias', or the variables as `var_list`"
            )
        self._spared = [*self._spared, *names, *words]
        self._made = self._make()

    def finalize_variable_values(self, var_list):
        """Gives weights their moving averages, where the optimizer was made with `use_ema`."""
        self._made.finalize_variable_values(list(var_list))

    def apply_gradients(
        self,
        grads_and_vars,
        name=None,
        skip_gradients_aggregation=False,
        experimental_aggregate_gradients=True,
    ):
        """Updates variables by pairs of a gradient, or ``None``, and a variable."""
        pairs = list(grads_and_vars)
        if not pairs:
            raise ValueError(
                "No gradients provided for any variable: the list is empty\n"
                "  help: a model has its weights once it was called on data"
            )
        variables = [variable for _, variable in pairs]
        self._handle.apply([(gradient, variable) for gradient, variable in pairs])
        if not _native.is_tracing():
            for variable in variables:
                constraint = getattr(variable, "constraint", None)
                if constraint is not None:
                    variable.assign(constraint(variable.read_value()))
        return self._made.iterations()

    def apply(self, grads, trainable_variables=None):
        """Updates variables by their gradients: by default those that `build` was given."""
        if trainable_variables is None and not self.built:
            raise ValueError(
                "`apply` is given gradients alone, and the optimizer knows no variables\n"
                "  help: give the variables, too, or call `optimizer.build(variables)` first"
            )
        given = self._trainable_variables if trainable_variables is None else trainable_variables
        grads, given = list(grads), list(given)
        if len(grads) != len(given):
            raise ValueError(f"`apply` is given {len(grads)} gradients for {len(given)} variables")
        self.apply_gradients(zip(grads, given))

    def scale_loss(self, loss):
        """A loss of which gradients are taken: times `loss_scale_factor`, by which gradients are
        divided before anything else."""
        factor = self._config.get("loss_scale_factor")
        return loss if factor is None else loss * factor

    def minimize(self, loss, var_list, tape=None):
        """Updates variables by the gradients of a loss, a function without arguments or a tensor
        with its tape."""
        from ..tf._tape import GradientTape

        if callable(loss):
            with GradientTape() as tape:
                value = loss()
        else:
            value = loss
        if tape is None:
            raise ValueError("minimize of a tensor needs the `tape` that has recorded it")
        variables = flatten(var_list() if callable(var_list) else var_list)
        self.apply_gradients(zip(tape.gradient(value, variables), variables))

    @property
    def learning_rate(self):
        """The learning rate now; to be set, unless it is a schedule."""
        if self._rate_now is not None:
            return self._rate_now[0]
        return LearningRate(self._made.learning_rate, self)

    @learning_rate.setter
    def learning_rate(self, value):
        self._made.set_learning_rate(float(value))

    lr = learning_rate

    @property
    def iterations(self):
        """The number of updates so far."""
        if self._rate_now is not None:
            return self._rate_now[1]
        return self._updates(self._made.iterations())

    def _updates(self, calls):
        """How many updates there were after so many calls."""
        steps = self._config.get("gradient_accumulation_steps")
        return calls // steps if steps else calls

    @property
    def variables(self):
        """What it keeps: the number of updates, and slots for each variable."""
        return self._made.variables()

    def get_config(self):
        """The arguments by which it is made again."""
        return {**self._own_arguments, **self._config} if self._is_own else dict(self._config)

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __reduce__(self):
        from ._copies import reduce_optimizer

        return reduce_optimizer(self)


# As Keras has them in order; `lazy`, which it does not have, is given by its name.
_SHARED = " ".join(name for name in SETTINGS if name not in ("weight_decay", "lazy")) + " name"


def _optimizer(name, positional, doc, native_name=None, **defaults):
    kind = type(
        name,
        (Optimizer,),
        {
            "_native_name": native_name or names_of(name),
            "_positional": tuple(f"learning_rate {positional} {_SHARED}".split()),
            "_defaults": {**SETTINGS, **defaults},
            "__doc__": doc,
            "__module__": __name__,
        },
    )
    globals()[name] = kind


_optimizer("SGD", "momentum nesterov weight_decay", "Gradient descent, with momentum.", "sgd")
_optimizer(
    "RMSprop", "rho momentum epsilon centered weight_decay", "Tieleman and Hinton 2012.", "rmsprop"
)
_optimizer("Adagrad", "initial_accumulator_value epsilon weight_decay", "Duchi et al. 2011.")
_optimizer("Adadelta", "rho epsilon weight_decay", "Zeiler 2012.")
_optimizer("Adam", "beta_1 beta_2 epsilon amsgrad weight_decay", "Kingma and Ba 2015.")
_optimizer(
    "AdamW",
    "weight_decay beta_1 beta_2 epsilon amsgrad",
    "Loshchilov and Hutter 2019.",
    "adamw",
    weight_decay=0.004,
)
_optimizer("Adamax", "beta_1 beta_2 epsilon weight_decay", "Kingma and Ba 2015, section 7.1.")
_optimizer("Nadam", "beta_1 beta_2 epsilon weight_decay", "Dozat 2016.")
_optimizer(
    "Ftrl",
    "learning_rate_power initial_accumulator_value l1_regularization_strength"
    " l2_regularization_strength l2_shrinkage_regularization_strength beta weight_decay",
    "McMahan et al. 2013.",
)
_optimizer("Lamb", "beta_1 beta_2 epsilon weight_decay", "You et al. 2020.")
_optimizer("Lion", "beta_1 beta_2 weight_decay", "Chen et al. 2023.")
_optimizer(
    "Adafactor",
    "beta_2_decay epsilon_1 epsilon_2 clip_threshold relative_step weight_decay",
    "Shazeer and Stern 2018.",
)


class legacy:
    """Older optimizers of Keras: the same here."""


def _is_kind(value):
    return isinstance(value, type) and issubclass(value, Optimizer)


for _name in list(globals()):
    if _is_kind(globals()[_name]):
        setattr(legacy, _name, globals()[_name])


def get(identifier):
    """The optimizer that a name or an object stands for."""
    if identifier is None or isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str):
        kinds = [one for one in globals().values() if _is_kind(one)]
        found = [one for one in kinds if identifier in (one.__name__, one._native_name)]
        return found[0]() if found else OfText(identifier)
    if _is_kind(identifier):
        return identifier()
    raise ValueError(
        f"an optimizer is a name such as 'adam', or an object, got {identifier!r}"
    )


class OfText(Optimizer):
    """The optimizer that a text names, with its options in the text alone."""

    _defaults = {}

    def __init__(self, text):
        self.name = text.split("(")[0]
        self._config = {"text": text}
        self._spared = []
        self._is_taken = False
        self._made = _native.OptimizerHandle.named(text)

    def _change_option(self, name, value):
        self._need_class(name)

    def _updates(self, calls):
        steps = re.search(r"gradient_accumulation_steps *= *(\d+)", self._config["text"])
        return calls // int(steps[1]) if steps else calls

    def scale_loss(self, loss):
        if "loss_scale_factor" in self._config["text"]:
            self._need_class("loss_scale_factor")
        return loss

    def _need_class(self, option):
        raise NotImplementedError(
            f"`{option}` of an optimizer that is named by a text, {self._config['text']!r}\n"
            f"  help: make it by its class, as in keras.optimizers.Adam({option}=..)"
        )


_ABSENT = {
    "LossScaleOptimizer": "give an optimizer `loss_scale_factor`",
    "MultiOptimizer": "call `apply_gradients` of two optimizers in a loop with tf.GradientTape",
    "Muon": "use AdamW or Lion",
    "OptimizerMap": "call `apply_gradients` of two optimizers in a loop with tf.GradientTape",
    "ScheduleFreeAdamW": "use AdamW with `use_ema=True`",
    "deserialize": "use the class's from_config",
    "serialize": "use the optimizer's get_config",
}


def __getattr__(name):
    raise absent("keras.optimizers", globals(), name, _ABSENT.get(name))
