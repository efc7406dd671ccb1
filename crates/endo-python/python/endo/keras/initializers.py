"""First values of weights: by name, with options, or a function of a shape."""

from .. import _native, _seed
from .._names import absent
from ._named import Named, NamedByText, class_of, family


class Initializer(Named):
    """First values of weights. One of your own has `__call__(self, shape, dtype=None)`."""

    _family = "initializers"

    def _stream(self, path):
        """The stream of random numbers for a weight: with a seed of its own an initializer draws
        the same numbers each time, and others otherwise."""
        return _seed.next_stream(path) if self._seed is None else 0

    def __call__(self, shape, dtype=None, partition_shape=None, partition_offset=None):
        if partition_shape is not None or partition_offset is not None:
            raise NotImplementedError("an initializer gives whole weights: leave partitions out")
        stream = self._stream("initializers")
        return _native.constant(
            _native.initialize(self._text(), [int(size) for size in shape], stream, self._seed),
            dtype,
            None,
        )


Constant = class_of(Initializer, "Constant", "value", "All values are `value`.")
GlorotNormal = class_of(Initializer, "GlorotNormal", "seed", "Glorot and Bengio 2010, normal.")
GlorotUniform = class_of(Initializer, "GlorotUniform", "seed", "Glorot and Bengio 2010, uniform.")
HeNormal = class_of(Initializer, "HeNormal", "seed", "He et al. 2015, normal.")
HeUniform = class_of(Initializer, "HeUniform", "seed", "He et al. 2015, uniform.")
Identity = class_of(Initializer, "Identity", "gain", "The unit matrix times `gain`.")
LecunNormal = class_of(Initializer, "LecunNormal", "seed", "LeCun et al. 1998, normal.")
LecunUniform = class_of(Initializer, "LecunUniform", "seed", "LeCun et al. 1998, uniform.")
Ones = class_of(Initializer, "Ones", "", "All values are 1.")
Orthogonal = class_of(
    Initializer, "Orthogonal", "gain seed", "An orthogonal matrix times `gain` (Saxe et al. 2014)."
)
RandomNormal = class_of(
    Initializer, "RandomNormal", "mean stddev seed", "Normal with `mean` and `stddev`."
)
RandomUniform = class_of(
    Initializer, "RandomUniform", "minval maxval seed", "Uniform from `minval` to `maxval`."
)
TruncatedNormal = class_of(
    Initializer, "TruncatedNormal", "mean stddev seed", "Normal, within two deviations."
)
VarianceScaling = class_of(
    Initializer, "VarianceScaling", "scale mode distribution seed", "Scaled by the fans."
)
Zeros = class_of(Initializer, "Zeros", "", "All values are 0.")

_CLASSES = {
    value._native_name: value
    for value in list(globals().values())
    if isinstance(value, type) and issubclass(value, Initializer) and value is not Initializer
}
glorot_normal, glorot_uniform = GlorotNormal, GlorotUniform
he_normal, he_uniform = HeNormal, HeUniform
lecun_normal, lecun_uniform = LecunNormal, LecunUniform
constant, ones, zeros, orthogonal, identity = Constant, Ones, Zeros, Orthogonal, Identity
random_normal, random_uniform = RandomNormal, RandomUniform
truncated_normal, variance_scaling = TruncatedNormal, VarianceScaling
IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal


class OfText(NamedByText, Initializer):
    """The initializer that a text names."""

    _native_name = "text"


def spreads_by_fans(initializer):
    """Whether values spread by the numbers of inputs and outputs that a shape says."""
    kinds = (GlorotNormal, GlorotUniform, HeNormal, HeUniform, LecunNormal, LecunUniform)
    return isinstance(initializer, (*kinds, VarianceScaling))


get, text_of = family(
    Initializer,
    OfText,
    "an initializer is a name such as 'he_normal', an object, or a function of a shape",
)


_OF_SHAPE = "compute the values with NumPy, and give them as a function of the shape"
_ABSENT = {"STFT": _OF_SHAPE, "STFTInitializer": _OF_SHAPE, "stft": _OF_SHAPE}


def __getattr__(name):
    raise absent("keras.initializers", globals(), name, _ABSENT.get(name))
