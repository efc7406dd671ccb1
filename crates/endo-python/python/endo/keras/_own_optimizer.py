"""Optimizers that are Python: what they are made of, beside how one of the library is made."""

import numpy as np

from .. import _native
from .._text import written
from ._first_values import first_values
from .losses import weakly

# What all optimizers have beside a learning rate, with what it is unless it is given.
SETTINGS = {
    "weight_decay": None,
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
    "lazy": False,
}


class OwnOptimizer:
    """The part of an optimizer that a program writes.

    Yours has ``update_step(self, gradient, variable, learning_rate)``, which ends with
    ``self.assign(variable, new_value)``, and ``build(self, variables)`` where it keeps variables of
    its own: `add_variable_from_reference` makes them.
    """

    built = False
    # The learning rate and the number of steps while an update is traced.
    _rate_now = None

    def _begin_own(self, arguments, options):
        """Takes the arguments of the base class: the learning rate first, or, as older programs
        have it, a name."""
        if arguments and isinstance(arguments[0], str):
            options["name"], *rest = arguments
            arguments = tuple(rest)
        options = {**dict(zip(("learning_rate", "weight_decay"), arguments)), **options}
        if len(arguments) > 2:
            raise TypeError(
                f"keras.optimizers.Optimizer takes a learning rate and a weight decay without "
                f"names, got {len(arguments)} arguments\n  help: give the others by name"
            )
        if "lr" in options:
            options["learning_rate"] = options.pop("lr")
        self._initial_decay = options.pop("decay", 0.0)
        self._known, self._slots, self._hyper = {}, {}, {}
        return options

    def _make_own(self, spared):
        """The native handle, which has the settings and calls Python for an update."""
        text = written("sgd", {**self._text_config(), **spared})
        return _native.OptimizerHandle.of(
            text, weakly(self, "_prepare"), weakly(self, "_update")
        )

    # What a program writes

    def build(self, variables):
        """Makes variables of its own; yours begins with ``super().build(variables)``."""
        self.built = True
        self._trainable_variables = list(variables)
        self._known = {variable._id: variable for variable in variables}
        if hasattr(self, "_create_slots"):
            self._create_slots(self._trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        """Gives a variable its next value: you write it."""
        if hasattr(self, "_resource_apply_dense"):
            self._resource_apply_dense(gradient, variable)
            return
        raise NotImplementedError(
            f"{type(self).__name__} has no `update_step`: write "
            "`def update_step(self, gradient, variable, learning_rate):`"
        )

    # What it writes it with

    def add_variable_from_reference(
        self, reference_variable, name=None, initializer="zeros", **options
    ):
        """A variable of the shape of another, to which it belongs; it is saved with the model."""
        sizes = list(reference_variable.shape)
        return self._slot(reference_variable, name, initializer, sizes, reference_variable.dtype)

    def add_variable(
        self, shape=(), initializer="zeros", dtype="float32", name=None, **options
    ):
        """A variable that belongs to no other; it is saved with the model."""
        sizes = [shape] if isinstance(shape, int) else list(shape)
        return self._slot(None, name, initializer, sizes, dtype)

    def _slot(self, reference, name, initializer, sizes, dtype):
        from . import initializers

        owner = None if reference is None else reference._id
        name = name or "slot"
        number = sum(1 for one, base, _ in self._slots if (one, base) == (owner, name))
        own = name if number == 0 else f"{name}_{number}"
        if isinstance(initializer, (_native.Tensor, _native.Variable, np.ndarray)):
            first = np.asarray(initializer)
        else:
            chosen = initializers.get(initializer)
            first = np.asarray(first_values(chosen, sizes, f"{self.name}/{own}"))
        first = first.astype(getattr(dtype, "name", dtype) or "float32")
        made = self._slots[owner, name, number] = self._made.slot(reference, own, first)
        return made

    def assign(self, variable, value):
        """Gives a variable a value."""
        variable.assign(value)

    def assign_add(self, variable, value):
        """Adds to a variable."""
        variable.assign_add(value)

    def assign_sub(self, variable, value):
        """Takes from a variable."""
        variable.assign_sub(value)

    def _get_variable_index(self, variable):
        return list(self._known).index(variable._id)

    # As older programs write it

    def add_slot(self, variable, name, initializer="zeros"):
        return self.add_variable_from_reference(variable, name, initializer)

    def get_slot(self, variable, name):
        return self._slots[variable._id, name, 0]

    def _set_hyper(self, name, value):
        if name == "learning_rate":
            self._config["learning_rate"] = value
            self._made = self._make()
        else:
            self._hyper[name] = value

    def _get_hyper(self, name, dtype=None):
        return self.learning_rate if name == "learning_rate" else self._hyper[name]

    def _decayed_lr(self, dtype=None):
        """The learning rate of the step."""
        rate, decay = self.learning_rate, self._initial_decay
        return rate / (1.0 + decay * _native.cast(self.iterations, "float32")) if decay else rate

    # How the native part calls it

    def _prepare(self, variables):
        if not self.built:
            self.build(variables)
            self.built = True
            self._known = self._known or {one._id: one for one in variables}
        strange = [one for one in variables if one._id not in self._known]
        if strange:
            raise ValueError(
                f"the optimizer `{self.name}` is given the variable `{strange[0].path}`, for which "
                "it was not built\n  help: make another optimizer for other variables"
            )

    def _update(self, gradient, variable, learning_rate):
        # The number of the step is counted before the weights are updated, and after it in Keras.
        self._rate_now = learning_rate, self._updates(self._made.iterations() - 1)
        try:
            self.update_step(gradient, self._known[variable._id], learning_rate)
        finally:
            self._rate_now = None
