"""What gradients compute again instead of keeping it: `keras.remat` and `keras.RematScope`."""

import functools
import threading

from .. import _native
from .._structure import flatten, pack
from .._symbolic import KerasTensor
from ._calls import give_masks
from ._shapes import Shaped

_scopes = threading.local()
_MODES = ("full", "list_of_layers")


def remat(f):
    """A function or layer of which gradients keep only what it is given and what it makes: they
    compute again what lies between (gradient checkpointing, Chen et al. 2016). A layer outside of
    training is called as it is, and so is everything that runs eagerly. Random numbers drawn inside
    differ from those drawn without it."""

    owner = getattr(f, "__self__", f)

    @functools.wraps(f, updated=())
    def recomputed(*arguments, **options):
        given = (arguments, options)
        leaves = flatten(given)
        if KerasTensor in map(type, leaves):
            raise NotImplementedError(
                "keras.remat works where values are computed: call what it returns in the `call` "
                "of a layer or model, or make layers inside of `with keras.RematScope():`"
            )
        training = options.get("training")
        training = _native.is_training() if training is None else training
        if isinstance(owner, Shaped) and not training:
            return f(*arguments, **options)
        is_tensor = [isinstance(leaf, _native.Tensor) for leaf in leaves]
        tensors = [leaf for leaf, holds in zip(leaves, is_tensor) if holds]
        masks = [_native.mask(tensor) for tensor in tensors]
        made = None

        def step(_, inside):
            nonlocal made
            give_masks(masks, inside)
            inside = iter(inside)
            chosen = [next(inside) if holds else leaf for leaf, holds in zip(leaves, is_tensor)]
            arguments, options = pack(given, chosen)
            made = f(*arguments, **options)
            outputs = flatten(made)
            if any(output is None for output in outputs):
                raise TypeError(f"keras.remat needs a function that returns tensors, got {made!r}")
            of_outputs = [_native.mask(output) for output in outputs]
            has_mask[:] = [mask is not None for mask in of_outputs]
            return [*outputs, *(mask for mask in of_outputs if mask is not None)]

        has_mask = []
        steps = [_native.expand_dims(tensor, 0) for tensor in tensors]
        results = [x[0] for x in _native.scan(step, [], steps, 1, recompute=True)]
        outputs = results[: len(has_mask)]
        rest = iter(results[len(has_mask) :])
        give_masks([next(rest) if holds else None for holds in has_mask], outputs)
        return pack(made, outputs)

    return recomputed


class RematScope:
    """Layers that are made inside are computed again for gradients, as by `keras.remat`: all of
    them (``"full"``), or those that were given one of some names (``"list_of_layers"``). A model is
    never computed again as a whole; the layers in it are, each by itself."""

    def __init__(self, mode="full", output_size_threshold=1024, layer_names=None):
        if mode not in _MODES and mode is not None:
            raise NotImplementedError(
                f"keras.RematScope has the modes {_MODES} here, got {mode!r}"
            )
        if mode == "list_of_layers" and not layer_names:
            raise ValueError("the mode 'list_of_layers' needs `layer_names`")
        self.mode, self.names = mode, list(layer_names or [])

    def __enter__(self):
        if not hasattr(_scopes, "stack"):
            _scopes.stack = []
        _scopes.stack.append(self)
        return self

    def __exit__(self, *error):
        _scopes.stack.pop()

    def holds(self, layer):
        """Whether a layer that was made inside is computed again."""
        return self.mode == "full" or self.mode is not None and layer._given_name in self.names


def scope_of_new_layers():
    """The innermost scope that a layer is being made in."""
    stack = getattr(_scopes, "stack", None)
    return stack[-1] if stack else None
