"""Metrics as functions: how right each prediction is, and correlations, a value for each sample."""

from .. import _native
from . import losses


def _of_float(y_true, y_pred):
    y_pred = _native.identity(y_pred)
    return _native.cast(y_true, y_pred.dtype), y_pred


def binary_accuracy(y_true, y_pred, threshold=0.5):
    """Whether predictions are on the side of the threshold that the targets 0 and 1 say."""
    y_true, y_pred = _of_float(y_true, y_pred)
    return _native.cast(y_true == _native.cast(y_pred > threshold, "float32"), "float32")


def categorical_accuracy(y_true, y_pred):
    """Whether the greatest prediction is that of the class, which is one-hot."""
    right = _native.argmax(y_true, -1) == _native.argmax(y_pred, -1)
    return _native.cast(right, "float32")


def _classes(y_true, y_pred):
    """Classes by number, without a last axis of size 1 that predictions have in place of scores."""
    y_true, y_pred = _native.cast(y_true, "int32"), _native.identity(y_pred)
    is_column = y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1
    return (_native.squeeze(y_true, [-1]) if is_column else y_true), y_pred


def sparse_categorical_accuracy(y_true, y_pred):
    """Whether the greatest prediction is that of the class, which is a number."""
    y_true, y_pred = _classes(y_true, y_pred)
    right = _native.cast(_native.argmax(y_pred, -1), "int32") == y_true
    return _native.cast(right, "float32")


def sparse_top_k_categorical_accuracy(y_true, y_pred, k=5, from_sorted_ids=False):
    """Whether the class, a number, is among the `k` greatest predictions."""
    y_true, y_pred = _classes(y_true, y_pred)
    count = min(k, y_pred.shape[-1])
    first = y_pred[..., :count] if from_sorted_ids else _native.top_k(y_pred, count)[1]
    found = _native.cast(first, "int32") == _native.expand_dims(y_true, -1)
    return _native.reduce_max(_native.cast(found, "float32"), [-1], False)


def top_k_categorical_accuracy(y_true, y_pred, k=5):
    """Whether the class, one-hot, is among the `k` greatest predictions."""
    return sparse_top_k_categorical_accuracy(_native.argmax(y_true, -1), y_pred, k)


def _centred(x, axis):
    mean = _native.reduce_mean(x, [axis], True)
    return mean, x - mean


def pearson_correlation(y_true, y_pred, axis=-1):
    """The linear correlation along an axis."""
    (_, y_true), (_, y_pred) = (_centred(x, axis) for x in _of_float(y_true, y_pred))
    product = _native.l2_normalize(y_true, [axis]) * _native.l2_normalize(y_pred, [axis])
    return _native.reduce_sum(product, [axis], False)


def concordance_correlation(y_true, y_pred, axis=-1):
    """How near predictions are to targets along an axis (Lin 1989)."""
    found = [_centred(x, axis) for x in _of_float(y_true, y_pred)]
    (true_mean, y_true), (pred_mean, y_pred) = found
    spread = sum(_native.reduce_mean(x * x, [axis], True) for x in (y_true, y_pred))
    norm = spread + (true_mean - pred_mean) * (true_mean - pred_mean)
    return _native.reduce_mean(2.0 * y_true * y_pred / (norm + 1e-7), [axis], False)


FUNCTIONS = {
    function.__name__: function
    for function in (
        binary_accuracy,
        categorical_accuracy,
        sparse_categorical_accuracy,
        sparse_top_k_categorical_accuracy,
        top_k_categorical_accuracy,
        pearson_correlation,
        concordance_correlation,
    )
}
for _name, _function in FUNCTIONS.items():
    # A model that is compiled with one has the metric of that name.
    _function._endo_text = _name


def accuracy_for(name, loss):
    """Which accuracy is meant, by the loss."""
    if name not in ("accuracy", "acc"):
        return name
    is_text = isinstance(loss, losses.OfText)
    kind = (loss.name if is_text else getattr(loss, "_native_name", None)) or ""
    if kind.startswith("sparse_categorical"):
        return "sparse_categorical_accuracy"
    if kind.startswith("categorical"):
        return "categorical_accuracy"
    if kind.startswith("binary"):
        return "binary_accuracy"
    return "accuracy"
