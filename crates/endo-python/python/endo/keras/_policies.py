"""Which numbers layers compute with: `keras.DTypePolicy`, and the policy of new layers."""

FLOAT32, MIXED = "float32", "mixed_bfloat16"
_HALVES = ("mixed_float16", "float16", "bfloat16")
_of_new_layers = FLOAT32


class DTypePolicy:
    """The type of a layer's weights and that of its numbers. With ``"mixed_bfloat16"`` a layer
    rounds its kernel, what it multiplies by it and what it returns to numbers that a bfloat16
    holds. Tensors stay float32, as do sums, weights and their gradients."""

    def __init__(self, name=None, source_name=None):
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
        return _of_new_layers
    if isinstance(dtype, dict):
        dtype = dtype.get("config", dtype).get("name")
    name = str(getattr(dtype, "name", dtype))
    if name in _HALVES:
        raise NotImplementedError(
            f"layers do not compute in {name}\n  help: use {MIXED!r}: numbers are rounded to "
            "bfloat16, and sums and weights are float32"
        )
    return name


def dtype_policy():
    """The policy of layers that are made from now on."""
    return DTypePolicy(_of_new_layers)


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
