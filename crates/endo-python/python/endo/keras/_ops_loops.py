"""Loops of `keras.ops`, whose steps are traced once."""

from .. import _native, tf
from .._structure import flatten, pack
from ..tf import _loops

_tensors = _loops._tensors


def while_loop(cond, body, loop_vars, maximum_iterations=None):
    """What `body` makes of `loop_vars` for as long as `cond` holds of them. Gradients need
    `maximum_iterations`."""
    return tf.while_loop(cond, body, loop_vars, maximum_iterations=maximum_iterations)


def scan(f, init, xs=None, length=None, reverse=False, unroll=1):
    """The last carry and the stacked outputs of `carry, y = f(carry, x)` over the first axis of
    `xs`, or `length` times."""
    structure = None

    def step(before, of_step):
        nonlocal structure
        carry, y = f(pack(init, before), None if xs is None else pack(xs, of_step))
        structure = y
        carry = _loops._like(before, flatten(carry))
        return [*carry, *([] if y is None else flatten(y))]

    first = _tensors(flatten(init))
    elements = [] if xs is None else _tensors(flatten(xs))
    made = _native.scan(step, first, elements, length, reverse)
    last, stacked = made[: len(first)], made[len(first) :]
    return pack(init, last), None if structure is None else pack(structure, stacked)


def map(f, xs):
    """What `f` makes of each element along the first axis, stacked."""
    return tf.map_fn(f, xs)


def vectorized_map(function, elements):
    """What `function` makes of each element along the first axis, stacked."""
    return tf.map_fn(function, elements)


def fori_loop(lower, upper, body_fun, init_val):
    """`body_fun(i, value)` for each `i` from `lower` to before `upper`."""
    count = int(upper) - int(lower)

    def step(value, i):
        return body_fun(i, value), None

    if count <= 0:
        return init_val
    return scan(step, init_val, tf.range(int(lower), int(upper)))[0]
