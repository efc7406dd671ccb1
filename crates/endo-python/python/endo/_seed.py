"""The seed of random numbers, and which streams of them were given out since it was set."""

import collections

from . import _native

_given_out = collections.Counter()


def set_seed(seed):
    """Sets the seed of all that is made and drawn from here on, and starts all streams anew."""
    _native.set_random_seed(int(seed))
    _given_out.clear()


def next_number(purpose):
    """How often a number was given out for a purpose since the seed was set."""
    number = _given_out[purpose]
    _given_out[purpose] += 1
    return number


def next_stream(path):
    """A stream of random numbers that no other weight with this path has."""
    return _hash_of(f"{path}#{next_number(path)}")


def next_seed(path):
    """A seed for the weights of a layer that belongs to no model: no other layer has it."""
    return _hash_of(f"{_native.random_seed()}:{next_stream(path)}")


def _hash_of(text):
    """A number that follows from a text, the same in each process."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) % (1 << 64)
    return value


def of_model():
    """The seed of a model: another for each model that is made after `set_random_seed`."""
    return _native.random_seed() + next_number("models")
