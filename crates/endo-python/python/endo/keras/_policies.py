"""Which numbers layers compute with: `keras.DTypePolicy`, and the policy of new layers."""

import contextlib
import threading

FLOAT32, MIXED = "float32", "mixed_bfloat16"
_HALVES = ("mixed_float16", "float16", "bfloat16")
_of_new_layers = FLOAT32
_inner = threading.local()


class DTypePolicy:
    """The type of a layer's weights and that of its numbers. With ``"mixed_bfloat16"`` a layer
    rounds what it returns to numbers that a bfloat16 holds, and one of the library its kernel and
    what it multiplies by it, too. Tensors stay float32, as do sums, weights and their gradients."""

    def __init__(self, name=None):
        self.name = policy_name(name)

    @property
    def variable_dtype(self):
        return FLOAT32 if self.name == MIXED else self.name

    @property
    def compute_dtype(self):
        return "bfloat16" if self.name == MIXED else self.name

    def get_config(self):
        return {"name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __eq__(self, other):
        return isinstance(other, DTypePolicy) and self.name == other.name

    def __hash__(self):
        return hash(self.name)

    def __repr__(self):
        return f'<DTypePolicy "{self.name}">'


def policy_name(dtype):
    """The name of a policy, of a type that is named, or of that of new layers."""
    if dtype is None:
        return getattr(_inner, "policy", None) or _of_new_layers
    if isinstance(dtype, dict):
        dtype = dtype.get("config", dtype)["name"]
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None) or dtype.__name__
    if name in _HALVES:
        raise NotImplementedError(
            f"layers do not compute in {name}\n  help: use {MIXED!r}: numbers are rounded to "
            "bfloat16, and sums and weights are float32"
        )
    return name


def dtype_policy():
    """The policy of layers that are made from now on."""
    return DTypePolicy()


def set_dtype_policy(policy):
    """Gives the layers that are made from now on a policy: ``"float32"`` or ``"mixed_bfloat16"``.
    Give the last layer ``dtype="float32"``, or predictions have two to three digits."""
    global _of_new_layers
    name = policy_name(policy)
    if name not in (FLOAT32, MIXED):
        raise ValueError(
            f"layers of the library have the policy {FLOAT32!r} or {MIXED!r}, got {name!r}"
        )
    _of_new_layers = name


@contextlib.contextmanager
def _new_layers(name):
    """Within it, this thread makes layers with a policy unless they are given another."""
    before = getattr(_inner, "policy", None)
    _inner.policy = name
    try:
        yield
    finally:
        _inner.policy = before


def made(kind, config):
    """A layer or model of a class from its configuration. It and those that it makes in `__init__`
    have the policy that the configuration says, or float32 if it says none, whatever new layers
    have."""
    policy = policy_name(config.get("dtype") or FLOAT32)
    if policy not in (FLOAT32, MIXED):
        return kind(**config)
    with _new_layers(policy):
        return kind(**{name: one for name, one in config.items() if name != "dtype"})


def floatx():
    """The type of weights."""
    return FLOAT32


def set_floatx(value):
    """Does nothing for ``"float32"``, which weights have."""
    if value != FLOAT32:
        raise ValueError(
            f"weights are {FLOAT32}, got {value!r}\n  help: leave set_floatx out, or use "
            f"keras.config.set_dtype_policy({MIXED!r})"
        )
