"""Data and what a model is compiled with, as the native part takes them: lists of arrays, and pairs
of an output's name and what belongs to it."""

import itertools

import numpy as np

from .. import _native
from .._arrays import to_numpy
from .._structure import flatten, skeleton
from . import utils


def data_of(x, y=None, sample_weight=None):
    """Data for a model, with the structure of the inputs: lists of arrays, or what has batches."""
    if x is None:
        raise ValueError(
            "there is no data: `x` is None\n  help: give arrays, a data set or a Sequence as `x`"
        )
    if hasattr(x, "_batches"):
        if y is not None:
            raise ValueError("y is part of the data set already: leave it out")
        return x, None
    if isinstance(x, utils.Sequence) or is_iterator(x):
        if y is not None:
            raise ValueError("y is part of the batches already: leave it out")
        return Batches(x), None
    x = _as_arrays(x)
    inputs = flatten(x) if nested(x) else [x]
    return (inputs, outputs(y), outputs(sample_weight)), structure_of(x)


def structure_of(x):
    """The structure of inputs; none for one array."""
    return skeleton(x) if nested(x) else None


def class_weights(weights):
    """Weights of classes as pairs."""
    if weights is None:
        return None
    try:
        return [(int(key), float(value)) for key, value in dict(weights).items()]
    except (TypeError, ValueError):
        raise ValueError(
            "class_weight has a weight for each class by its number, as in {0: 1.0, 1: 3.0}, got "
            f"{weights!r}"
        ) from None


def rows_of(inputs):
    return inputs.numpy() if isinstance(inputs, (_native.Tensor, _native.Variable)) else inputs


def rows_at_once(inputs, weights):
    """How many rows take some tenths of a second, by the numbers of weights and positions."""
    positions = max(int(np.prod(one.shape[1:-1], dtype=np.int64)) for one in inputs)
    rows = 200_000_000 // max(1, weights * positions)
    return min(max(rows // 256, 2), 256) * 256


def by_output(value, get):
    """Losses by output: a list of pairs of a name, or none, and a list."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [(name, _listed(one, get)) for name, one in value.items()]
    if isinstance(value, (list, tuple)):
        return [(None, _listed(one, get)) for one in value]
    return [(None, [get(value)])]


def by_output_lists(value, losses, get):
    """Metrics by output: `get` takes what stands for one, and the first loss of its output."""

    def listed(place, metrics):
        by_place = {name or number: of for number, (name, of) in enumerate(losses)}
        one_for_all = losses[0][1] if len(losses) == 1 else []
        loss = next(iter(by_place.get(place, one_for_all)), None)
        return _listed(metrics, lambda identifier: get(identifier, loss))

    if value is None:
        return []
    if isinstance(value, dict):
        return [(name, listed(name, one)) for name, one in value.items()]
    if isinstance(value, (list, tuple)) and any(isinstance(one, (list, tuple)) for one in value):
        return [(None, listed(place, one)) for place, one in enumerate(value)]
    return [(None, listed(0, value))]


def _listed(value, get):
    if value is None:
        return []
    return [get(one) for one in value] if isinstance(value, (list, tuple)) else [get(value)]


def nested(x):
    """Whether inputs are several arrays, and not one that is written as a list."""
    if isinstance(x, dict):
        return True
    return isinstance(x, (list, tuple)) and any(
        hasattr(one, "shape") or isinstance(one, (dict, _native.Tensor)) for one in x
    )


def _as_arrays(x):
    """Inputs, each as an array, in their structure."""
    if isinstance(x, dict):
        return {name: _as_arrays(one) for name, one in x.items()}
    if nested(x):
        return [_as_arrays(one) for one in x]
    return array(x)


def is_iterator(x):
    return hasattr(x, "__next__")


def outputs(values):
    """Targets or weights as pairs of an output's name, or none, and an array."""
    if values is None:
        return []
    if isinstance(values, dict):
        return [(name, array(one)) for name, one in values.items()]
    if nested(values):
        return [(None, array(one)) for one in flatten(values)]
    return [(None, array(values))]


def array(value):
    is_held = isinstance(value, (_native.Tensor, _native.Variable))
    return value if is_held else to_numpy(value)


class Batch(tuple):
    """Inputs, targets and sample weights, with the structure of the inputs."""

    structure = None


class NotedBatches:
    """Batches of data, of which a model notes the structure of the inputs."""

    def __init__(self, data, note):
        self.data, self._note = data, note

    def _batches(self, number):
        for batch in self.data._batches(number):
            self._note(batch.structure)
            yield batch

    def first(self):
        """The first batch, which is not used up by this; none if there is none."""
        if is_iterator(getattr(self.data, "source", None)):
            batches = list(itertools.islice(self.data.source, 1))
            self.data.source = itertools.chain(batches, self.data.source)
            found = [batch_of(one) for one in batches]
        else:
            found = list(itertools.islice(self.data._batches(0), 1))
        for batch in found:
            self._note(batch.structure)
        return found[0] if found else None


class Batches:
    """The batches of a Sequence, or of an iterator, which is gone through once."""

    def __init__(self, source):
        self.source = source

    def _batches(self, number):
        if isinstance(self.source, utils.Sequence):
            for place in range(len(self.source)):
                yield batch_of(self.source[place])
            self.source.on_epoch_end()
            return
        for batch in self.source:
            yield batch_of(batch)


def batch_of(batch):
    """A batch of a data set as inputs, targets and sample weights."""
    if not isinstance(batch, tuple):
        batch = (batch,)
    if len(batch) > 3:
        raise ValueError(
            f"a batch is x, (x, y) or (x, y, sample_weight), got a tuple of {len(batch)}"
        )
    x, y, weight = (*batch, None, None)[:3]
    inputs = flatten(x) if nested(x) else [x]
    made = Batch(([array(one) for one in inputs], outputs(y), outputs(weight)))
    made.structure = structure_of(x)
    return made
