"""`tf.debugging`: checks of values that are known, outside of plans."""

import numpy as np

from .. import _native
from .._names import absent


def _check(name, x, y, holds, text, message):
    """Raises unless something holds for the numbers of two tensors."""
    if _native.is_tracing():
        raise NotImplementedError(
            f"tf.debugging.{name} in a plan: numbers are not known while it is traced\n"
            "  help: check outside of `call` and functions, or with `run_eagerly=True`"
        )
    left, right = np.asarray(x), np.asarray(y)
    if not holds(left, right):
        raise ValueError(message or f"{left} {text} {right}")


def assert_equal(x, y, message=None, summarize=None, name=None):
    """Raises unless all elements are equal."""
    _check("assert_equal", x, y, np.array_equal, "is not equal to", message)


def assert_near(x, y, rtol=1e-6, atol=1e-6, message=None, summarize=None, name=None):
    """Raises unless all elements are equal but for a small difference."""

    def holds(left, right):
        return np.allclose(left, right, rtol, atol)

    _check("assert_near", x, y, holds, "is not near", message)


def assert_greater(x, y, message=None, summarize=None, name=None):
    """Raises unless all elements of one tensor are greater than those of another."""
    _check("assert_greater", x, y, _all(np.greater), "is not greater than", message)


def assert_less(x, y, message=None, summarize=None, name=None):
    """Raises unless all elements of one tensor are less than those of another."""
    _check("assert_less", x, y, _all(np.less), "is not less than", message)


def _all(compare):
    return lambda left, right: compare(left, right).all()


def assert_positive(x, message=None, summarize=None, name=None):
    """Raises unless all elements are greater than 0."""
    _check("assert_positive", x, 0, _all(np.greater), "is not greater than", message)


def check_numerics(tensor, message, name=None):
    """The tensor, if all of its numbers are finite."""
    _check(
        "check_numerics", tensor, 0, lambda left, _: np.isfinite(left).all(), "is not", message
    )
    return _native.identity(tensor)


_ABSENT = {"assert_shapes": "use tf.ensure_shape for each tensor"}


def __getattr__(name):
    raise absent("tf.debugging", globals(), name, _ABSENT.get(name))
