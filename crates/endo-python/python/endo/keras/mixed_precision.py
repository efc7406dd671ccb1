"""Layers whose numbers are rounded to bfloat16."""

from .._names import absent as _absent
from ._policies import DTypePolicy, dtype_policy, set_dtype_policy

Policy = DTypePolicy
global_policy = dtype_policy
set_global_policy = set_dtype_policy

_ABSENT = {
    "LossScaleOptimizer": "gradients have the range of float32: leave it out",
}


def __getattr__(name):
    raise _absent("keras.mixed_precision", globals(), name, _ABSENT.get(name))


__all__ = [
    "DTypePolicy",
    "Policy",
    "dtype_policy",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]
