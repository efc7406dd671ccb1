"""What models of Keras have and these do not: arguments and methods, refused by name."""

import inspect

from .._names import refuse_options

_LOOP = "override `train_step`, `test_step` or `predict_step`, or write a loop of your own"
# Methods of Keras by which a model trains otherwise, and what to write in place of them.
NOT_CALLED = {
    "make_train_function": _LOOP,
    "make_test_function": _LOOP,
    "make_predict_function": _LOOP,
}


# Arguments of Keras that change nothing here: how data is fetched, and what files are called.
_HARMLESS = {
    "fit": ("max_queue_size", "workers", "use_multiprocessing"),
    "evaluate": ("max_queue_size", "workers", "use_multiprocessing"),
    "predict": ("max_queue_size", "workers", "use_multiprocessing"),
    "summary": ("expand_nested", "show_trainable", "positions", "layer_range"),
    "save": ("save_format", "zipped"),
    "save_weights": ("save_format",),
    "export": ("format", "verbose"),
}


def refuse(method, options):
    """Raises if there are options that a method does not have."""
    harmless = _HARMLESS.get(method.__name__, ())
    unknown = [name for name in options if name not in harmless]
    if unknown:
        refuse_options(method.__name__, unknown, inspect.signature(method).parameters)


def refuse_callbacks(method, callbacks):
    if callbacks:
        raise NotImplementedError(
            f"`{method}` calls no callbacks\n"
            "  help: call what they do before and after it, or give them to `fit`"
        )
