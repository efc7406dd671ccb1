"""Gradients: tapes, and functions with gradients of one's own."""

from .. import _native
from .._structure import flatten, pack


class GradientTape:
    """Records what is computed inside ``with``, for gradients of it.

    Trainable variables are watched by themselves, tensors by `watch`. A tape gives gradients once,
    unless it is `persistent`. Inside another tape its gradients are recorded, too.
    """

    def __init__(self, persistent=False, watch_accessed_variables=True):
        self._tape = _native.Tape()
        self._persistent = persistent
        self._watches_variables = watch_accessed_variables
        self._watched = {}
        # The variables that were used, from the moment when the tape's trace is let go.
        self._used = ()
        self._is_recording = False
        self._is_done = False

    def __enter__(self):
        self._tape.open()
        self._is_recording, self._is_done = True, False
        return self

    def __exit__(self, *raised):
        self._tape.close()
        self._is_recording = False

    def watch(self, tensor):
        """Has gradients by a tensor, or a variable that is not trainable, be asked for."""
        for leaf in flatten(tensor):
            if not isinstance(leaf, (_native.Tensor, _native.Variable)):
                raise TypeError(f"a tape watches tensors and variables, got {leaf!r}")
            self._watched[id(leaf)] = leaf

    def watched_variables(self):
        """The trainable variables that were used while the tape recorded, and those it was told to
        watch."""
        told = [leaf for leaf in self._watched.values() if isinstance(leaf, _native.Variable)]
        known = {variable._id for variable in told}
        return (*told, *(one for one in self._variables_used() if one._id not in known))

    def _variables_used(self):
        if not self._watches_variables:
            return ()
        return self._used if self._is_done else tuple(self._tape.variables())

    def _forget_unless_kept(self):
        """Lets the trace go, of which a tape that is not persistent is asked once."""
        if not self._persistent and not self._is_recording:
            self._used = tuple(self._tape.variables()) if self._watches_variables else ()
            self._tape.forget()

    def reset(self):
        """Forgets what was recorded."""
        self._tape.forget()
        self._watched.clear()
        if self._is_recording:
            self._tape.open()

    def _asked(self):
        if self._is_done:
            raise RuntimeError(
                "A non-persistent GradientTape can only be used to compute one set of gradients "
                "(or jacobians); make it with persistent=True to ask again"
            )
        if not self._persistent:
            self._is_done = True

    def _is_watched(self, source):
        if id(source) in self._watched:
            return True
        if isinstance(source, _native.Variable):
            return self._watches_variables and source.trainable
        # A tensor that was computed from something watched is not a constant.
        watched = list(self._watched.values())
        return self._tape.is_computed(source, watched, self._watches_variables)

    def gradient(self, target, sources, output_gradients=None, unconnected_gradients="none"):
        """The gradients of a target, or of the sum of its elements, in the structure of the
        sources; ``None`` where it does not depend on one."""
        wants_zeros = _wants_zeros(unconnected_gradients)
        self._asked()
        leaves = flatten(sources)
        for leaf in leaves:
            if not isinstance(leaf, (_native.Tensor, _native.Variable)):
                raise TypeError(f"gradients are taken by tensors and variables, got {leaf!r}")
        watched = [leaf for leaf in leaves if self._is_watched(leaf)]
        targets = flatten(target)
        weights = [None] * len(targets) if output_gradients is None else flatten(output_gradients)
        totals = None
        for one, weight in zip(targets, weights):
            found = self._tape.gradient(one, watched, weight) if watched else []
            totals = found if totals is None else [_sum(a, b) for a, b in zip(totals, found)]
        by_source = {id(leaf): gradient for leaf, gradient in zip(watched, totals or [])}
        gradients = [by_source.get(id(leaf)) for leaf in leaves]
        if wants_zeros:
            gradients = [
                _native.zeros_like(leaf) if gradient is None else gradient
                for leaf, gradient in zip(leaves, gradients)
            ]
        self._forget_unless_kept()
        return pack(sources, gradients)

    def jacobian(
        self,
        target,
        sources,
        unconnected_gradients="none",
        parallel_iterations=None,
        experimental_use_pfor=True,
    ):
        """The derivatives of each element of the target by each element of the sources."""
        wants_zeros = _wants_zeros(unconnected_gradients)
        self._asked()
        found = [
            self._tape.jacobian(target, leaf) if self._is_watched(leaf) else None
            for leaf in flatten(sources)
        ]
        if wants_zeros:
            found = [
                _native.fill([*target.shape, *leaf.shape], 0.0, leaf.dtype) if one is None else one
                for leaf, one in zip(flatten(sources), found)
            ]
        self._forget_unless_kept()
        return pack(sources, found)

    def stop_recording(self):
        """What is computed in this ``with`` has no gradients."""
        raise NotImplementedError("stop_recording: use tf.stop_gradient on the values")


def _wants_zeros(unconnected_gradients):
    """Whether there are zeros, and not `None`, by sources that a target does not depend on."""
    chosen = str(getattr(unconnected_gradients, "value", unconnected_gradients)).lower()
    if chosen not in ("none", "zero"):
        raise ValueError(
            f"`unconnected_gradients` is 'none' or 'zero', got {unconnected_gradients!r}"
        )
    return chosen == "zero"


def _sum(a, b):
    return b if a is None else a if b is None else a + b


def stop_gradient(input, name=None):
    """The same value, taken for a constant by gradients."""
    return _native.stop_gradient(input)


def custom_gradient(function):
    """A function with a gradient of its own: it returns its value, and a function from the gradient
    of that to those of its arguments."""

    def call(*arguments):
        arguments = [
            argument
            if isinstance(argument, (_native.Tensor, _native.Variable))
            else _native.constant(argument, None, None)
            for argument in arguments
        ]
        value, gradient = function(*arguments)

        def listed(upstream):
            gradients = gradient(upstream)
            return list(gradients) if isinstance(gradients, (list, tuple)) else [gradients]

        return _native.custom_gradient(value, arguments, listed)

    call.__name__ = getattr(function, "__name__", "custom_gradient")
    call.__doc__ = function.__doc__
    return call
