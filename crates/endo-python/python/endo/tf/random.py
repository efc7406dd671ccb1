"""`tf.random`: random numbers, which follow the seed of `set_seed` alone."""

from .. import _native, _seed
from .._names import absent as _absent
from .._symbolic import take_symbols as _take_symbols
from .._dtypes import float32
from .._dtypes import sizes as _sizes


def set_seed(seed):
    """The seed of all numbers drawn from here on, and of the weights made."""
    _seed.set_seed(seed)


def normal(shape, mean=0.0, stddev=1.0, dtype=float32, seed=None, name=None):
    """Numbers of a normal distribution."""
    if isinstance(stddev, _native.Tensor) or isinstance(mean, _native.Tensor):
        return _native.random("normal", _sizes(shape), 0.0, 1.0, dtype, seed) * stddev + mean
    return _native.random("normal", _sizes(shape), float(mean), float(stddev), dtype, seed)


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=float32, seed=None, name=None):
    """As `normal`, without numbers farther than two deviations from the mean."""
    return _native.random(
        "truncated_normal", _sizes(shape), float(mean), float(stddev), dtype, seed
    )


def uniform(shape, minval=0, maxval=None, dtype=float32, seed=None, name=None):
    """Numbers from `minval` to, but not including, `maxval`."""
    whole = "int" in str(getattr(dtype, "name", dtype))
    if maxval is None:
        if whole:
            raise ValueError("tf.random.uniform of integers needs maxval")
        maxval = 1
    if whole:
        numbers = _native.random(
            "uniform", _sizes(shape), float(minval), float(maxval), float32, seed
        )
        return _native.cast(_native.floor(numbers), dtype)
    return _native.random("uniform", _sizes(shape), float(minval), float(maxval), dtype, seed)


def categorical(logits, num_samples, dtype="int32", seed=None, name=None):
    """Classes drawn for each row of logits, `num_samples` of them."""
    logits = _native.identity(logits)
    rows, classes = logits.shape
    shape = [rows, int(num_samples), classes]
    return drawn_classes(logits, _native.random("uniform", shape, 0.0, 1.0, float32, seed), dtype)


def drawn_classes(logits, uniform, dtype="int32"):
    """Classes by uniform numbers for each row, draw and class: the greatest of logits with Gumbel
    noise is a draw (Gumbel 1954)."""
    tiny = 1.1754944e-38
    noise = -_native.log(-_native.log(_native.maximum(uniform, tiny)))
    return _native.cast(_native.argmax(_native.expand_dims(logits, 1) + noise, 2), dtype)


def shuffle(value, seed=None, name=None):
    """The rows in another order; with a seed, in an order that follows it, too."""
    if seed is None:
        return _native.shuffle(value)
    keys = _native.random("uniform", [value.shape[0]], 0.0, 1.0, float32, int(seed))
    _, order = _native.top_k(keys, value.shape[0])
    return _native.gather(value, order, 0)


_take_symbols(globals(), "set_seed")

_ABSENT = {
    name: "draw with NumPy outside of traces, and give the numbers as data"
    for name in ("gamma", "poisson", "Generator", "stateless_normal", "stateless_uniform")
}


def __getattr__(name):
    raise _absent("tf.random", globals(), name, _ABSENT.get(name))
