"""Parts of tensors replaced or added to, by their indices."""

from .. import _native
from .._dtypes import sizes as _sizes


def scattered(tensor, indices, updates, adds):
    """A tensor with updates `[.., rest]` at indices `[.., k]` of its first `k` axes; what has an
    index out of range, or a negative one, is left out."""
    tensor, indices = _native.identity(tensor), _native.cast(indices, "int32")
    updates = _native.identity(updates)
    if updates.dtype.is_floating and not tensor.dtype.is_floating:
        raise TypeError(
            f"updates of {updates.dtype.name} in a tensor of {tensor.dtype.name} would lose their "
            "fractions\n  help: cast one of them, tf.cast(x, dtype)"
        )
    sizes, places = list(tensor.shape), list(indices.shape)
    depth = places[-1] if places else 0
    rest = sizes[depth:]
    if not 1 <= depth <= len(sizes) or list(updates.shape) != places[:-1] + rest:
        raise ValueError(
            f"updates of shape {list(updates.shape)} at indices of shape {places} of a tensor of "
            f"shape {sizes}\n"
            "  help: the last axis of the indices counts the axes that they are of; updates have "
            "the indices' other axes, then those of the tensor that are left"
        )
    number, is_in = 0, None
    for axis, size in enumerate(sizes[:depth]):
        index = indices[..., axis]
        within = (index >= 0) & (index < size)
        number = number * size + index
        is_in = within if is_in is None else is_in & within
    count, many = 1, 1
    for size in sizes[:depth]:
        count *= size
    for size in places[:-1]:
        many *= size
    number = _native.reshape(_native.where(is_in, number, count), [many])
    flat = _native.reshape(tensor, [count, *rest])
    changed = _native.scatter(flat, number, _native.reshape(updates, [many, *rest]), adds)
    return _native.reshape(changed, sizes)


def tensor_scatter_nd_update(tensor, indices, updates, name=None):
    """A tensor with updates in the place of what is at these indices; of several at one place the
    last one stays, and indices out of range are left out."""
    return scattered(tensor, indices, updates, False)


def tensor_scatter_nd_add(tensor, indices, updates, name=None):
    """A tensor with updates added at these indices."""
    return scattered(tensor, indices, updates, True)


def scatter_nd(indices, updates, shape, name=None):
    """The sums of updates at these indices, 0 elsewhere."""
    updates = _native.identity(updates)
    zeros = _native.cast(_native.constant(0, "int32", _sizes(shape)), updates.dtype)
    return scattered(zeros, indices, updates, True)
