"""`tf.data`: data in batches, shuffled and changed on the way."""

import itertools
import threading
from queue import Queue

import numpy as np

from .. import _native
from .._arrays import to_numpy
from .._structure import flatten, pack, skeleton
from ._function import TensorSpec
from ._padding import padded

AUTOTUNE = -1


class Dataset:
    """Elements, gone through once in each epoch: tensors, or tuples and dictionaries of them."""

    def __init__(self, make, length=None):
        self._make = make
        self._length = length
        self._passes = itertools.count()

    # Sources

    @staticmethod
    def from_tensor_slices(tensors):
        """The rows of arrays; of several arrays, in a tuple or a dictionary, those side by side."""
        tensors = _as_arrays(tensors)
        arrays = flatten(tensors)
        if not arrays:
            raise ValueError("from_tensor_slices of nothing; give arrays")
        sizes = {array.shape[0] if array.ndim else None for array in arrays}
        if len(sizes) != 1 or None in sizes:
            raise ValueError(
                "from_tensor_slices takes arrays with the same number of rows, got arrays of "
                f"shapes {', '.join(str(array.shape) for array in arrays)}"
            )
        nested = isinstance(tensors, (tuple, dict))
        return _Rows(arrays, skeleton(tensors) if nested else None, _in_order)

    @staticmethod
    def from_tensors(tensors):
        """One element."""
        return Dataset(lambda number: iter([tensors]), 1)

    @staticmethod
    def from_generator(
        generator, output_types=None, output_shapes=None, output_signature=None, args=()
    ):
        """The elements that a function's generator yields, as the types that are given, or with the
        shapes and types of a signature of `tf.TensorSpec`."""
        signature = output_signature
        if signature is None and output_types is not None:
            types = flatten(output_types)
            shapes = [None] * len(types)
            if output_shapes is not None:
                nested = isinstance(output_types, (tuple, list, dict))
                shapes = _shapes_of(output_shapes) if nested else [output_shapes]
            specs = [TensorSpec(shape, dtype) for shape, dtype in zip(shapes, types, strict=True)]
            signature = pack(output_types, specs)

        def make(number):
            for element in generator(*args):
                yield element if signature is None else _as_said(signature, element)

        return Dataset(make)

    @staticmethod
    def range(*limits):
        """Whole numbers."""
        numbers = range(*(int(limit) for limit in limits))
        return Dataset(lambda number: (np.int32(one) for one in numbers), len(numbers))

    @staticmethod
    def zip(*datasets):
        """Elements of several data sets side by side."""
        datasets = datasets[0] if len(datasets) == 1 else datasets
        return Dataset(lambda number: zip(*(one._make(number) for one in datasets)))

    # Changes

    def shuffle(self, buffer_size, seed=None, reshuffle_each_iteration=True):
        """The elements in another order, chosen among the next `buffer_size`."""
        seed = _native.random_seed() if seed is None else int(seed)

        def make(number):
            random = np.random.default_rng([seed, number if reshuffle_each_iteration else 0])
            buffer = []
            for element in self._make(number):
                buffer.append(element)
                if len(buffer) >= buffer_size:
                    place = random.integers(len(buffer))
                    buffer[place], buffer[-1] = buffer[-1], buffer[place]
                    yield buffer.pop()
            random.shuffle(buffer)
            yield from buffer

        return Dataset(make, self._length)

    def repeat(self, count=None):
        """The elements several times, or without end."""
        return _Repeated(self, count)

    def batch(
        self,
        batch_size,
        drop_remainder=False,
        num_parallel_calls=None,
        deterministic=None,
        name=None,
    ):
        """Elements stacked: `batch_size` of them, the last ones maybe fewer."""
        batch_size = _positive(batch_size, "batch_size")

        def make(number):
            elements = self._make(number)
            while chunk := list(itertools.islice(elements, batch_size)):
                if drop_remainder and len(chunk) < batch_size:
                    return
                yield _stacked(chunk)

        length = self._length
        if length is not None:
            length = length // batch_size if drop_remainder else -(-length // batch_size)
        return Dataset(make, length)

    def padded_batch(
        self,
        batch_size,
        padded_shapes=None,
        padding_values=None,
        drop_remainder=False,
        name=None,
    ):
        """Elements stacked that have different sizes: filled up to the longest of the batch, or to
        the sizes that are given, with zeros or the values that are given."""
        return padded(self, batch_size, padded_shapes, padding_values, drop_remainder)

    def map(self, map_func, num_parallel_calls=None, deterministic=None):
        """Each element changed by a function of tensors."""

        def make(number):
            for element in self._make(number):
                element = _as_tensors(element)
                yield map_func(*element) if isinstance(element, tuple) else map_func(element)

        return Dataset(make, self._length)

    def filter(self, predicate):
        """The elements for which a function is true."""

        def make(number):
            for element in self._make(number):
                given = _as_tensors(element)
                if bool(predicate(*given) if isinstance(given, tuple) else predicate(given)):
                    yield element

        return Dataset(make)

    def take(self, count):
        """The first `count` elements."""
        length = None if self._length is None else min(count, self._length)
        return Dataset(lambda number: itertools.islice(self._make(number), count), length)

    def skip(self, count):
        """The elements after the first `count`."""
        length = None if self._length is None else max(0, self._length - count)
        return Dataset(lambda number: itertools.islice(self._make(number), count, None), length)

    def concatenate(self, dataset):
        """The elements of this and then of another."""
        return Dataset(
            lambda number: itertools.chain(self._make(number), dataset._make(number))
        )

    def enumerate(self, start=0):
        """Pairs of a number and an element."""
        return Dataset(lambda number: enumerate(self._make(number), start), self._length)

    def unbatch(self):
        """The rows of batches."""

        def make(number):
            for element in self._make(number):
                leaves = flatten(element)
                for row in zip(*leaves):
                    yield pack(skeleton(element), row)

        return Dataset(make)

    def cache(self, filename=""):
        """Keeps the elements of the first pass."""
        kept = []

        def make(number):
            if not kept:
                kept.extend(self._make(number))
            return iter(kept)

        return Dataset(make, self._length)

    def prefetch(self, buffer_size):
        """Makes elements ahead, in a thread of its own."""
        ahead = 2 if buffer_size in (None, AUTOTUNE) else _positive(buffer_size, "buffer_size")
        return Dataset(lambda number: _ahead(self._make(number), ahead), self._length)

    def with_options(self, options):
        return self

    def apply(self, transformation_func):
        return transformation_func(self)

    def window(self, *arguments, **options):
        raise NotImplementedError("Dataset.window: cut windows with NumPy's sliding_window_view")

    def interleave(self, *arguments, **options):
        raise NotImplementedError("Dataset.interleave: use concatenate and shuffle")

    # Use

    def __iter__(self):
        for element in self._make(next(self._passes)):
            yield _as_tensors(element)

    def as_numpy_iterator(self):
        """The elements as NumPy arrays."""
        for element in self._make(next(self._passes)):
            if isinstance(element, (tuple, list, dict)):
                yield pack(skeleton(element), [_numpy(leaf) for leaf in flatten(element)])
            else:
                yield _numpy(element)

    def __len__(self):
        if self._length is None:
            raise TypeError("The dataset length is unknown")
        return self._length

    def cardinality(self):
        return -2 if self._length is None else self._length

    def reduce(self, initial_state, reduce_func):
        """The state after a function of the state and each element."""
        state = initial_state
        for element in self:
            state = reduce_func(state, element)
        return state

    @property
    def element_spec(self):
        """The shapes and types of the elements."""
        element = next(iter(self))
        leaves = [TensorSpec(leaf.shape, leaf.dtype) for leaf in flatten(element)]
        return pack(skeleton(element), leaves) if isinstance(element, (tuple, dict)) else leaves[0]

    def _batches(self, number):
        """For `fit`: batches as inputs, targets and sample weights."""
        from ..keras._batches import batch_of

        for element in self._make(number):
            yield batch_of(element)


def _in_order(count, number):
    return None


class _Rows(Dataset):
    """The rows of arrays, in an order for each pass; batches are cut from the arrays at once."""

    def __init__(self, arrays, structure, order):
        super().__init__(self._elements, arrays[0].shape[0])
        self._arrays, self._structure, self._order = arrays, structure, order

    def _packed(self, leaves):
        return leaves[0] if self._structure is None else pack(self._structure, leaves)

    def _elements(self, number):
        order = self._order(self._length, number)
        for row in range(self._length) if order is None else order:
            yield self._packed([array[row] for array in self._arrays])

    def shuffle(self, buffer_size, seed=None, reshuffle_each_iteration=True):
        if buffer_size < self._length or self._order is not _in_order:
            return super().shuffle(buffer_size, seed, reshuffle_each_iteration)
        seed = _native.random_seed() if seed is None else int(seed)

        def order(count, number):
            random = np.random.default_rng([seed, number if reshuffle_each_iteration else 0])
            return random.permutation(count)

        return _Rows(self._arrays, self._structure, order)

    def batch(
        self,
        batch_size,
        drop_remainder=False,
        num_parallel_calls=None,
        deterministic=None,
        name=None,
    ):
        batch_size = _positive(batch_size, "batch_size")
        count = self._length

        def make(number):
            order = self._order(count, number)
            end = count - count % batch_size if drop_remainder else count
            for start in range(0, end, batch_size):
                stop = min(start + batch_size, count)
                chosen = slice(start, stop) if order is None else order[start:stop]
                yield self._packed([array[chosen] for array in self._arrays])

        length = count // batch_size if drop_remainder else -(-count // batch_size)
        return Dataset(make, length)


class _Repeated(Dataset):
    """A data set several times over: each time in an order of its own."""

    def __init__(self, source, count):
        count = None if count is None or count < 0 else count
        length = None if count is None or source._length is None else count * source._length
        super().__init__(self._elements, length)
        self._source, self._count = source, count

    def _elements(self, number):
        times = itertools.count() if self._count is None else range(self._count)
        base = number * (self._count or 0)
        for time in times:
            empty = True
            for element in self._source._make(base + time):
                empty = False
                yield element
            if empty:
                return


def _shapes_of(shapes):
    """The shapes in a tuple or dictionary of them."""
    return [shapes[key] for key in sorted(shapes)] if isinstance(shapes, dict) else list(shapes)


def _as_said(signature, element):
    """An element of a generator with the types of a signature; raises where it does not fit."""
    if not isinstance(signature, (tuple, list, dict)):
        array = np.asarray(element, np.dtype(_name(signature.dtype)))
        signature.check("from_generator", 0, array)
        return array
    if len(signature) != len(element):
        raise ValueError(
            f"the generator yields elements of {len(element)} parts, and `output_signature` or "
            f"`output_types` has {len(signature)}\n  help: say the type of each part"
        )
    if isinstance(signature, dict):
        return {key: _as_said(spec, element[key]) for key, spec in signature.items()}
    return tuple(_as_said(spec, part) for spec, part in zip(signature, element))


def _name(dtype):
    return getattr(dtype, "name", dtype)


def _positive(number, name):
    if int(number) < 1:
        raise ValueError(f"{name} is at least 1, got {number}")
    return int(number)


def _as_arrays(value):
    """Arrays in tuples and dictionaries; a list is an array that is written down."""
    if isinstance(value, dict):
        return {key: _as_arrays(one) for key, one in value.items()}
    if isinstance(value, tuple):
        parts = [_as_arrays(one) for one in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, _native.Tensor):
        return value.numpy()
    array = to_numpy(value)
    is_plain = isinstance(value, (list, float, int)) and array.dtype == np.float64
    return array.astype(np.float32) if is_plain else array


def _numpy(value):
    return value.numpy() if isinstance(value, _native.Tensor) else np.asarray(value)


def _stacked(elements):
    columns = zip(*(flatten(element) for element in elements))
    leaves = [np.stack([_numpy(one) for one in column]) for column in columns]
    first = elements[0]
    return pack(skeleton(first), leaves) if isinstance(first, (tuple, list, dict)) else leaves[0]


def _as_tensors(element):
    def tensor(leaf):
        return leaf if isinstance(leaf, _native.Tensor) else _native.constant(leaf, None, None)

    if isinstance(element, (tuple, list, dict)):
        return pack(skeleton(element), [tensor(leaf) for leaf in flatten(element)])
    return tensor(element)


class _Failure:
    def __init__(self, error):
        self.error = error


_END = object()


def _ahead(elements, count):
    """The elements of an iterator, made by a thread up to `count` ahead."""
    queue, stopped = Queue(count), threading.Event()

    def make():
        try:
            for element in elements:
                queue.put(element)
                if stopped.is_set():
                    return
            queue.put(_END)
        except BaseException as error:  # it goes on where the elements are used
            queue.put(_Failure(error))

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while (element := queue.get()) is not _END:
            if isinstance(element, _Failure):
                raise element.error
            yield element
    finally:
        stopped.set()
        while not queue.empty():
            queue.get_nowait()


class Options:
    """Options of data sets, which nothing depends on."""


class experimental:
    """Older spellings."""

    AUTOTUNE = AUTOTUNE
