"""Whether something that a trace depends on has changed since."""

import threading
import types
import weakref
import zlib

import numpy as np

from . import _native

_version = 0
_tracing = threading.local()
_PLAIN = (int, float, complex, str, bytes, type(None), np.generic)


def version():
    """A number that grows whenever a layer's attribute is given another value."""
    return _version


def changed():
    """Notes that it has."""
    global _version
    _version += 1


class LayersUsed:
    """The layers applied while something is traced, and whether they have changed since."""

    def __init__(self):
        self._layers = {}

    def __enter__(self):
        self._outer = getattr(_tracing, "used", None)
        _tracing.used = self
        return self

    def __exit__(self, *raised):
        _tracing.used = self._outer
        # Another value of an attribute is noted where it is set. What is changed in place is found
        # by comparing: lists and dictionaries with what they held, all else by fingerprints.
        holders, self._seen = [], []
        for layer in self._layers.values():
            if not all([_holders(value, holders) for value in layer._attributes()]):
                self._seen.append((weakref.ref(layer), layer._fingerprint()))
        self._holdings = _native.Holdings(holders)
        self._layers = {}

    def holdings(self):
        """The lists and dictionaries by which the native part knows whether they have changed, if
        these say all."""
        return None if self._seen else self._holdings

    def have_changed(self):
        if self._holdings.have_changed():
            return True
        layers = ((layer(), fingerprint) for layer, fingerprint in self._seen)
        return any(layer is None or layer._fingerprint() != seen for layer, seen in layers)


def _holders(value, found):
    """Adds the lists and dictionaries that a value is made of to `found`; whether all that can
    change of the value in place is in them."""
    if isinstance(value, _PLAIN) or callable(value):
        return True
    if type(value).__module__ == "endo._native" or isinstance(value, types.ModuleType):
        return True
    if isinstance(value, (list, dict)):
        found.append(value)
    elif not isinstance(value, tuple):
        return False
    parts_of = value.values() if isinstance(value, dict) else value
    return all([_holders(part, found) for part in parts_of])


def note(layer):
    """Notes that a layer is applied."""
    used = getattr(_tracing, "used", None)
    if used is not None:
        used._layers[id(layer)] = layer


def parts(value, depth=8):
    """What tells whether something that a layer holds has changed: numbers and texts themselves,
    arrays by their bytes, objects by what they hold, and all else by its identity."""
    if isinstance(value, _PLAIN):
        return (type(value), value if value == value else "nan")
    if depth == 0 or type(value).__module__ == "endo._native":
        return id(value)
    if isinstance(value, dict):
        return tuple((parts(key, 1), parts(one, depth - 1)) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return (type(value), *(parts(one, depth - 1) for one in value))
    if isinstance(value, (set, frozenset)):
        return frozenset(parts(one, depth - 1) for one in value)
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        return (value.shape, value.dtype.str, zlib.crc32(np.ascontiguousarray(value)))
    if callable(value) or isinstance(value, types.ModuleType) or not hasattr(value, "__dict__"):
        return id(value)
    return (id(value), parts(vars(value), min(depth - 1, 2)))
