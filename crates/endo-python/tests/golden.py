"""What the golden tests stand on: fixtures of Keras's numbers, and comparison within tolerances.

The README beside the fixtures says how they are written. They are read from the repository; where
it has no such file, from the folder `shared` beside the repository, if that is there.
"""

import json
from pathlib import Path

import numpy as np
import pytest

_HERE = Path(__file__).resolve().parent
_FOLDERS = [_HERE.parents[1] / "endo/tests/golden", _HERE.parents[3] / "shared/golden"]


def cases(file):
    """The cases of a file, each a parameter of a test with its name."""
    found = next((folder / file for folder in _FOLDERS if (folder / file).exists()), None)
    if found is None:
        reason = f"{file} is in none of {', '.join(map(str, _FOLDERS))}"
        return [pytest.param(None, id=file, marks=pytest.mark.skip(reason=reason))]
    listed = json.loads(found.read_text())["cases"]
    assert listed, f"{found} has no cases"
    return [pytest.param(case, id=case["name"]) for case in listed]


def matching(listed, condition):
    """The cases for which a condition holds; where the file is not there, the one that says so."""
    return [case for case in listed if case.values[0] is None or condition(case.values[0])]


def array(value, dtype=None):
    """An array as fixtures write it; `None` for `null`. Whole numbers become int32."""
    if value is None:
        return None
    data = [float(one) if isinstance(one, str) else one for one in value["data"]]
    whole = dtype is None and all(isinstance(one, int) for one in data) and data
    return np.array(data, dtype or (np.int32 if whole else np.float32)).reshape(value["shape"])


def floats(value):
    """As `array`, of type float32."""
    return array(value, np.float32)


def named(entries):
    """A list of arrays with names as a dictionary."""
    return {entry["name"]: floats(entry["value"]) for entry in entries}


def options(config):
    """Arguments of a constructor: lists stand for tuples."""
    return {name: _tuple(value) for name, value in config.items()}


def _tuple(value):
    return tuple(map(_tuple, value)) if isinstance(value, list) else value


def largest(*inputs):
    """The largest finite magnitude among the inputs, at least 1: rounding errors follow it."""
    found = [1.0]
    for one in inputs:
        values = np.abs(np.asarray(one, np.float64))
        finite = values[np.isfinite(values)]
        if finite.size:
            found.append(float(finite.max()))
    return max(found)


def check(what, got, want, absolute=1e-5, relative=1e-4):
    """Fails unless shapes agree and each number is near; infinities and NaN have to be the same."""
    got = np.asarray(got.numpy() if hasattr(got, "numpy") else got, np.float64)
    want = np.asarray(want, np.float64)
    assert got.shape == want.shape, f"{what} has the shape {got.shape}, expected {want.shape}"
    got, want = np.atleast_1d(got), np.atleast_1d(want)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    with np.errstate(invalid="ignore"):
        near = np.isfinite(want) & (np.abs(got - want) <= absolute + relative * np.abs(want))
    wrong = ~(same | near)
    if wrong.any():
        place = tuple(int(index[0]) for index in np.nonzero(wrong))
        raise AssertionError(
            f"{what}: {int(wrong.sum())} of {want.size} numbers differ; at {place} is "
            f"{got[place]}, expected {want[place]}"
        )


def check_for(inputs, what, got, want):
    """As `check`, with the tolerance for one function of these inputs."""
    check(what, got, want, absolute=1e-5 * largest(*inputs))
