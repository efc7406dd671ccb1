"""Calls of layers: what they are given, and what they pass on."""

import functools
import inspect
import itertools
import threading

from .. import _native

_calls = threading.local()
_numbers = itertools.count()


def call_stack():
    """The calls that this thread is in, outer before inner."""
    if not hasattr(_calls, "stack"):
        _calls.stack = []
    return _calls.stack


def is_in_model():
    """Whether a model is being called, whose seed the first values of weights follow."""
    return any(call.layer._has_seed for call in call_stack())


class Call:
    """One call of a layer."""

    def __init__(self, layer, inputs, arguments, options):
        self.layer = layer
        self.inputs, self.arguments, self.options = inputs, arguments, options
        training = options.get("training")
        self.training = None if training is None else bool(training)
        self.outputs = None
        self.counts = {}
        self.number = next(_numbers)
        self.is_new = True
        # Whether the native part calls, and not a program.
        self.is_from_native = False


def pass_mask(inputs, outputs):
    """Gives outputs the mask that holds where those of all inputs that have one do, where it
    fits."""
    masks = [mask for mask in map(_native.mask, inputs) if mask is not None]
    if masks:
        give_masks([functools.reduce(_native.logical_and, masks)] * len(outputs), outputs)


def give_masks(masks, outputs):
    """Gives each output its mask, unless it has one of its own or the mask does not fit."""
    for mask, output in zip(masks, outputs):
        shape = () if mask is None else tuple(mask.shape)
        fits = tuple(output.shape)[: len(shape)] == shape
        if mask is not None and fits and _native.mask(output) is None:
            _native.set_mask(output, mask)


_ACCEPTED = {}


def accepted_arguments(kind):
    """The names of the arguments that `call` of a class takes."""
    if kind not in _ACCEPTED:
        parameters = inspect.signature(kind.call).parameters.values()
        _ACCEPTED[kind] = {
            parameter.name
            for parameter in parameters
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        }
    return _ACCEPTED[kind]
