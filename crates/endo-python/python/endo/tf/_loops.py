"""Loops whose steps are traced once: `tf.while_loop`, `tf.scan`, `tf.map_fn` and their like."""

from .. import _native
from .._structure import flatten, pack


def while_loop(
    cond,
    body,
    loop_vars,
    shape_invariants=None,
    parallel_iterations=10,
    back_prop=True,
    swap_memory=False,
    maximum_iterations=None,
    name=None,
):
    """What `body` makes of `loop_vars` for as long as `cond` holds of them. Gradients need
    `maximum_iterations`."""
    if shape_invariants is not None:
        raise NotImplementedError("shapes stay as they are from step to step: leave them out")
    first, is_one = _variables(loop_vars)

    def values(leaves):
        return pack(first, leaves)

    def step(leaves):
        made = body(*values(leaves))
        made = made if isinstance(made, (list, tuple)) else [made]
        return _like(leaves, flatten(list(made)))

    last = _native.while_loop(
        lambda leaves: [cond(*values(leaves))],
        step,
        _tensors(flatten(first)),
        None if maximum_iterations is None else int(maximum_iterations),
    )
    made = pack(first, last)
    return made[0] if is_one else pack(loop_vars, flatten(made))


def scan(
    fn,
    elems,
    initializer=None,
    parallel_iterations=10,
    back_prop=True,
    swap_memory=False,
    infer_shape=True,
    reverse=False,
    name=None,
):
    """What `fn(before, element)` makes at each step, stacked; the first step begins with
    `initializer`, or the result is the first element where there is none."""
    xs = _tensors(flatten(elems))
    if initializer is None:
        at = -1 if reverse else 0
        first, rest = [x[at] for x in xs], [x[:-1] if reverse else x[1:] for x in xs]
        made = scan(fn, pack(elems, rest), pack(elems, first), reverse=reverse)
        joined = [
            _native.concat([y, x[None]] if reverse else [x[None], y], 0)
            for x, y in zip(first, flatten(made))
        ]
        return pack(elems, joined)
    count = len(flatten(initializer))

    def step(before, of_step):
        made = flatten(fn(pack(initializer, before), pack(elems, of_step)))
        made = _like(before, made)
        return [*made, *made]

    made = _native.scan(step, _tensors(flatten(initializer)), xs, reverse=reverse)
    return pack(initializer, made[count:])


def map_fn(
    fn,
    elems,
    dtype=None,
    parallel_iterations=None,
    back_prop=True,
    swap_memory=False,
    infer_shape=True,
    name=None,
    fn_output_signature=None,
):
    """What `fn` makes of each element along the first axis, stacked."""
    structure = None

    def step(_, of_step):
        nonlocal structure
        made = fn(pack(elems, of_step))
        structure = made
        return flatten(made)

    made = _native.scan(step, [], _tensors(flatten(elems)))
    wanted = fn_output_signature if fn_output_signature is not None else dtype
    if wanted is not None:
        types = [getattr(one, "dtype", one) for one in flatten(wanted)]
        made = [_native.cast(value, of) for value, of in zip(made, types)]
    return pack(structure, made)


def vectorized_map(fn, elems, fallback_to_while_loop=True, warn=True):
    """What `fn` makes of each element along the first axis, stacked."""
    return map_fn(fn, elems)


def foldl(
    fn,
    elems,
    initializer=None,
    parallel_iterations=10,
    back_prop=True,
    swap_memory=False,
    name=None,
):
    """The last of what `scan` makes, from the first element on."""
    return _folded(fn, elems, initializer, False)


def foldr(
    fn,
    elems,
    initializer=None,
    parallel_iterations=10,
    back_prop=True,
    swap_memory=False,
    name=None,
):
    """The last of what `scan` makes, from the last element on."""
    return _folded(fn, elems, initializer, True)


def _folded(fn, elems, initializer, reverse):
    xs = _tensors(flatten(elems))
    if initializer is None:
        at = -1 if reverse else 0
        initializer = pack(elems, [x[at] for x in xs])
        xs = [x[:-1] if reverse else x[1:] for x in xs]

    def step(before, of_step):
        return _like(before, flatten(fn(pack(initializer, before), pack(elems, of_step))))

    return pack(
        initializer, _native.scan(step, _tensors(flatten(initializer)), xs, reverse=reverse)
    )


def _variables(loop_vars):
    """The variables of a loop as a list, and whether there is one alone."""
    if isinstance(loop_vars, (list, tuple)):
        return list(loop_vars), False
    return [loop_vars], True


def _tensors(values):
    return [_native.constant(value) if not _is_tensor(value) else value for value in values]


def _is_tensor(value):
    return isinstance(value, (_native.Tensor, _native.Variable))


def _like(before, made):
    """Numbers that a step returns as they are, as tensors of the types of the states."""
    if len(made) != len(before):
        raise ValueError(
            f"a step of a loop is given {len(before)} values and returns {len(made)}\n"
            "  help: return the next value of each"
        )
    return [
        value if _is_tensor(value) else _native.constant(value, old.dtype)
        for old, value in zip(before, made)
    ]
