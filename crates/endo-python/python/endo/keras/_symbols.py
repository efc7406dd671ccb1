"""Layers called on symbolic tensors: what they note, and the tensors of their first call."""

import functools

from .._structure import flatten
from .._symbolic import any_in, called, replaced


def _on_symbols(call):
    """A layer's own `__call__`, noted where it is called on symbolic tensors."""

    @functools.wraps(call)
    def __call__(self, *arguments, **options):
        if any_in((arguments, options)):
            return self._call_on_symbols(arguments, options)
        return call(self, *arguments, **options)

    return __call__


class OnSymbols:
    """A layer that may be called on symbolic tensors, `keras.Input(shape)`."""

    # What it returned for symbolic tensors, with what it was called on.
    _symbolic_calls = ()
    # A weak reference to the Sequential that it is in.
    _chain_of = None

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if "__call__" in cls.__dict__:
            cls.__call__ = _on_symbols(cls.__call__)

    def _call_on_symbols(self, arguments, options):
        self._require_init()
        outputs = called(self, arguments, options)
        inputs = arguments[0] if arguments else next(iter(options.values()))
        hidden = object.__setattr__
        hidden(self, "_symbolic_calls", (*self._symbolic_calls, (inputs, outputs)))
        return outputs

    def _symbolic_call(self):
        """The symbolic tensors of its first call, and what it returned; none if there was none."""
        graph = getattr(self, "_graph", None)
        if graph is not None:
            return graph.inputs, graph.outputs
        return self._symbolic_calls[0] if self._symbolic_calls else None

    def _symbolic(self, name):
        """The symbolic tensors by one of their names: `input`, `output` and their plurals; none if
        there are none."""
        call = self._symbolic_call()
        if call is None and self._chain_of is not None and self._chain_of() is not None:
            # Its Sequential, which has been called on data alone, is called on symbolic tensors.
            self._chain_of()._call_chain_on_symbols()
            call = self._symbolic_call()
        if call is None:
            return None
        found = call[name.startswith("output")]
        if name.endswith("s"):
            return flatten(found)
        if isinstance(found, (list, tuple)) and len(found) == 1:
            return found[0]
        return found

    def _symbolic_shape(self, is_output):
        """The shapes of its symbolic tensors, in which sizes may be open; none if it has none."""
        call = self._symbolic_call()
        return None if call is None else replaced(call[is_output], lambda one: one.shape)
