"""`keras.random`: random numbers, which follow the seed of `set_random_seed`."""

from .. import _native, tf
from .._dtypes import sizes as _sizes
from .._names import absent


class SeedGenerator:
    """Seeds one after another, from a first one."""

    def __init__(self, seed=None, name=None, **options):
        self.seed, self._given = 0 if seed is None else int(seed), 0

    def next(self):
        """A seed that it has not given before."""
        self._given += 1
        return (self.seed * 0x9E3779B97F4A7C15 + self._given) % (1 << 63)


def _drawn(kind, shape, first, second, dtype, seed):
    """Numbers of a distribution. With a number as seed they are the same each time, as in Keras;
    in a plan those of a generator follow the seed of all numbers, too, or all runs would have the
    same."""
    sizes = _sizes(shape)
    if isinstance(seed, SeedGenerator):
        seed = None if _native.is_tracing() else seed.next()
    if seed is None:
        return _native.random(kind, sizes, float(first), float(second), dtype or "float32", None)
    text = f"{_INITIALIZERS[kind]}({float(first)!r}, {float(second)!r})"
    numbers = _native.initialize(text, sizes, 0, int(seed))
    return _native.constant(numbers, dtype or "float32", None)


_INITIALIZERS = {
    "normal": "random_normal",
    "truncated_normal": "truncated_normal",
    "uniform": "random_uniform",
}


def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Numbers of a normal distribution."""
    return _drawn("normal", shape, mean, stddev, dtype, seed)


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """As `normal`, without numbers farther than two deviations from the mean."""
    return _drawn("truncated_normal", shape, mean, stddev, dtype, seed)


def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    """Numbers from `minval` to, but not including, `maxval`."""
    return _drawn("uniform", shape, minval, maxval, dtype, seed)


def randint(shape, minval, maxval, dtype="int32", seed=None):
    """Whole numbers from `minval` to, but not including, `maxval`."""
    return _native.cast(_native.floor(uniform(shape, minval, maxval, None, seed)), dtype)


def categorical(logits, num_samples, dtype="int32", seed=None):
    """Classes drawn for each row of logits."""
    logits = _native.identity(logits)
    rows, classes = logits.shape
    return tf.random.drawn_classes(logits, uniform([rows, num_samples, classes], seed=seed), dtype)


def dropout(inputs, rate, noise_shape=None, seed=None):
    """Elements set to 0 with a probability of `rate`, the others divided by `1 - rate`."""
    kept = uniform(noise_shape or inputs.shape, seed=seed) >= rate
    return _native.where(kept, _native.identity(inputs) / (1.0 - rate), 0.0)


def shuffle(x, axis=0, seed=None):
    """The parts along an axis in another order."""
    order = _native.argsort(uniform([x.shape[axis]], seed=seed), 0, False)
    return _native.gather(x, order, axis)


_DRAW = "draw with NumPy outside of traces, and give the numbers as data"
_ABSENT = {"beta": _DRAW, "binomial": _DRAW, "gamma": _DRAW}


def __getattr__(name):
    raise absent("keras.random", globals(), name, _ABSENT.get(name))
