"""Projections of weights after each update: by name, with options, or a function of a tensor."""

from .. import _native
from .._names import absent
from ._named import Named, NamedByText, class_of, family


class Constraint(Named):
    """A projection of a weight. One of your own has `__call__(self, w)`."""

    _family = "constraints"

    def __call__(self, w):
        return _native.project(self._text(), w)


MaxNorm = class_of(Constraint, "MaxNorm", "max_value axis", "Norms of at most `max_value`.")
MinMaxNorm = class_of(
    Constraint, "MinMaxNorm", "min_value max_value rate axis", "Norms between two values."
)
NonNeg = class_of(Constraint, "NonNeg", "", "No value below 0.")
UnitNorm = class_of(Constraint, "UnitNorm", "axis", "Norms of 1.")
max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm


class OfText(NamedByText, Constraint):
    """The constraint that a text names."""

    _native_name = "text"


get, text_of = family(
    Constraint,
    OfText,
    "a constraint is a name such as 'non_neg', an object, or a function",
)


def __getattr__(name):
    raise absent("keras.constraints", globals(), name)
