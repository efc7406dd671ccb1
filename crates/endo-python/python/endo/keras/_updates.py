"""Whether a step of a model's own is traced, in which metrics are updated."""

import threading

_steps = threading.local()


class UpdatedMetrics:
    """Has the metrics that are updated within ``with`` be those of a step."""

    def __enter__(self):
        _steps.count = getattr(_steps, "count", 0) + 1
        return self

    def __exit__(self, *raised):
        _steps.count -= 1


def is_in_step():
    """Whether a metric that is updated is updated by a step of a model's own."""
    return getattr(_steps, "count", 0) > 0
