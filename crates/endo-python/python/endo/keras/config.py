"""Settings of all layers."""

from .._names import absent as _absent
from ._policies import dtype_policy, floatx, set_dtype_policy, set_floatx

_ABSENT = {
    "epsilon": "use keras.backend.epsilon",
    "image_data_format": "channels stand last",
    "set_image_data_format": "channels stand last: use Permute",
    "enable_unsafe_deserialization": "code in files is not run",
}


def __getattr__(name):
    raise _absent("keras.config", globals(), name, _ABSENT.get(name))


__all__ = ["dtype_policy", "floatx", "set_dtype_policy", "set_floatx"]
