"""Normalization by a mean and a variance, which are given or taken from data."""

import numpy as np

from .._arrays import to_numpy
from .._symbolic import wants_shapes_alone
from ._batches import batch_of
from ._native_layer import NativeLayer

_HELP = "give `mean` and `variance`, or call `layer.adapt(x)` on the data of training first"


class Normalization(NativeLayer):
    """`(inputs - mean) / sqrt(variance)`, with a mean and a variance for each position of an axis,
    or one of each with `axis=None`: given, or those of data, by `adapt`."""

    _native_name = "normalization"
    _positional = ("axis", "mean", "variance", "invert")
    _defaults = {"axis": -1}
    _takes_calls = False

    def _make(self):
        given = self._given
        if (given.get("mean") is None) != (given.get("variance") is None):
            raise ValueError(f"Normalization has a mean and a variance\n  help: {_HELP}")
        if isinstance(given["axis"], (list, tuple)):
            axes = given["axis"]
            if len(axes) != 1:
                raise NotImplementedError(
                    f"Normalization with axis={axes!r}: give one axis, or None for all"
                )
            given["axis"] = axes[0]
        if self._is_known() and np.ndim(given["mean"]) > 0:
            shape = {name: np.ravel(given[name]).tolist() for name in ("mean", "variance")}
            object.__setattr__(self, "_given", {**given, **shape})
            super()._make()
        else:
            # One number for all features is written for each, once they are counted; the other
            # options are looked at now.
            axis = -1 if given["axis"] is None else given["axis"]
            assumed = {**given, "axis": axis, "mean": [0.0], "variance": [1.0]}
            object.__setattr__(self, "_given", assumed)
            super()._make()
            object.__setattr__(self, "_given", given)
            object.__setattr__(self, "_handle_or_none", None)

    def _is_known(self):
        return self._given.get("mean") is not None

    def _apply(self, tensors, training):
        if not self._is_known() and wants_shapes_alone():
            return tensors  # it may be adapted once the model is made
        if not self._is_known():
            raise ValueError(f"`{self.name}` knows no mean and no variance\n  help: {_HELP}")
        if self._handle_or_none is None:
            axis = -1 if self._given["axis"] is None else self._given["axis"]
            features = tensors[0].shape[axis]
            every = {
                name: np.broadcast_to(self._given[name], (features,)).tolist()
                for name in ("mean", "variance")
            }
            object.__setattr__(self, "_given", {**self._given, **every, "axis": axis})
            self._make()
        return super()._apply(tensors, training)

    def adapt(self, data, batch_size=None, steps=None):
        """Takes the mean and the variance of data: an array, or a data set of batches."""
        if hasattr(data, "_batches"):
            batches = [batch_of(batch)[0][0] for batch in data]
            data = np.concatenate([to_numpy(batch) for batch in batches[:steps]])
        data = np.asarray(to_numpy(data), np.float64)
        axis = self._config.get("axis", -1)
        axis = axis[0] if isinstance(axis, (list, tuple)) else axis
        others = None
        if axis is not None:
            others = tuple(other for other in range(data.ndim) if other != axis % data.ndim)
        found = {"mean": data.mean(others).tolist(), "variance": data.var(others).tolist()}
        self._config.update(found)
        object.__setattr__(self, "_given", {**self._given, **found})
        for name, value in found.items():
            object.__setattr__(self, name, value)
        if self._native_weights:
            for weight, value in zip(self._native_weights, found.values()):
                weight.assign(np.broadcast_to(value, tuple(weight.shape)))
        else:
            self._make()
