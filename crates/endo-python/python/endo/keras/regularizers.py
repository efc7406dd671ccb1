"""Penalties on weights: by name, with options, or a function of a tensor."""

from .. import _native
from .._names import absent
from ._named import Named, NamedByText, class_of, family


class Regularizer(Named):
    """A penalty on a weight. One of your own has `__call__(self, x)`."""

    _family = "regularizers"

    def __call__(self, x):
        return _native.penalize(self._text(), x)


L1 = class_of(Regularizer, "L1", "l1", "`l1 * sum(|x|)`.", "l1")
L2 = class_of(Regularizer, "L2", "l2", "`l2 * sum(x^2)`.", "l2")
L1L2 = class_of(Regularizer, "L1L2", "l1 l2", "`l1 * sum(|x|) + l2 * sum(x^2)`.", "l1_l2")
OrthogonalRegularizer = class_of(
    Regularizer,
    "OrthogonalRegularizer",
    "factor mode",
    "How far rows or columns are from orthogonal.",
    "orthogonal_regularizer",
)


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer


class OfText(NamedByText, Regularizer):
    """The regularizer that a text names."""

    _native_name = "text"


get, text_of = family(
    Regularizer,
    OfText,
    "a regularizer is a name such as 'l2', an object, or a function of a tensor",
)


def __getattr__(name):
    raise absent("keras.regularizers", globals(), name)
