"""Metrics: functions, streaming classes of one's own, and those of the library, in `fit` and by
hand."""

import numpy as np
import pytest

from endo import keras, tf


def bent_loss_at(threshold=1.0):
    def bent(y_true, y_pred):
        error = y_true - y_pred
        is_small = tf.abs(error) < threshold
        return tf.where(
            is_small, tf.square(error) / 2, threshold * tf.abs(error) - threshold**2 / 2
        )

    return bent


class BentMetric(keras.metrics.Metric):
    """The mean of Huber's loss over all elements seen."""

    def __init__(self, threshold=1.0, **kwargs):
        super().__init__(**kwargs)
        self.threshold = threshold
        self.bent = bent_loss_at(threshold)
        self.total = self.add_weight("total", initializer="zeros")
        self.count = self.add_weight("count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        values = self.bent(y_true, y_pred)
        self.total.assign_add(tf.reduce_sum(values))
        self.count.assign_add(tf.cast(tf.size(y_true), tf.float32))

    def result(self):
        return self.total / self.count

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold}


class BentMean(keras.metrics.Mean):
    """The same, on top of the mean."""

    def __init__(self, threshold=1.0, name="bent_mean", dtype=None):
        self.threshold = threshold
        self.bent = bent_loss_at(threshold)
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(self.bent(y_true, y_pred), sample_weight)

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold}


def numbers(rows=64, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3)).astype(np.float32)
    return x, x @ np.array([[1.0], [-2.0], [0.5]], np.float32) + 0.3


def small_model(**options):
    model = keras.models.Sequential(
        [keras.layers.Dense(6, activation="selu", input_shape=[3]), keras.layers.Dense(1)]
    )
    model.compile(optimizer="nadam", **options)
    return model


def bent(y, predicted, threshold):
    error = np.abs(y - predicted)
    return np.where(error < threshold, error**2 / 2, threshold * error - threshold**2 / 2)


# By hand


def test_precision_is_of_all_batches_so_far():
    precision = keras.metrics.Precision()
    first = precision([0, 1, 1, 1, 0, 1, 0, 1], [1, 1, 0, 1, 0, 1, 0, 1])
    assert first.numpy() == pytest.approx(0.8)
    second = precision([0, 1, 0, 0, 1, 0, 1, 1], [1, 0, 1, 1, 0, 0, 0, 0])
    assert second.numpy() == 0.5
    assert precision.result().numpy() == 0.5


def test_the_variables_of_precision_are_its_counts():
    precision = keras.metrics.Precision()
    precision([0, 1, 1], [1, 1, 1])
    assert [float(one.numpy().sum()) for one in precision.variables] == [2.0, 1.0]
    assert [one.name for one in precision.variables] == ["true_positives", "false_positives"]


def test_reset_states_forgets():
    precision = keras.metrics.Precision()
    precision([0, 1, 1], [1, 1, 1])
    precision.reset_states()
    assert [float(one.numpy().sum()) for one in precision.variables] == [0.0, 0.0]
    assert precision([1], [1]).numpy() == 1.0


def test_a_streaming_metric_adds_up_by_hand():
    metric = BentMetric(2.0)
    # |0 - 1| is below 2; |0 - 10| is above: 2 * 10 - 2 = 18.
    assert metric(tf.constant([[0.0]]), tf.constant([[1.0]])).numpy() == 0.5
    later = metric(tf.constant([[0.0], [5.0]]), tf.constant([[10.0], [6.0]]))
    assert later.numpy() == pytest.approx((0.5 + 18.0 + 0.5) / 3)
    assert [one.name for one in metric.variables] == ["total", "count"]
    assert [one.numpy() for one in metric.variables] == [19.0, 3.0]
    metric.reset_states()
    assert [one.numpy() for one in metric.variables] == [0.0, 0.0]


def test_a_streaming_metric_takes_arrays():
    metric = BentMetric(2.0)
    metric.update_state(np.zeros((2, 1)), np.ones((2, 1)))
    assert metric.result().numpy() == 0.5


def test_a_subclass_of_mean_is_the_mean_of_what_it_is_given():
    metric = BentMean(2.0)
    assert metric(tf.constant([[0.0]]), tf.constant([[1.0]])).numpy() == 0.5
    later = metric(tf.constant([[0.0], [5.0]]), tf.constant([[10.0], [6.0]]))
    assert later.numpy() == pytest.approx((0.5 + 18.0 + 0.5) / 3)


def test_the_mean_metric_takes_values_and_weights():
    mean = keras.metrics.Mean()
    mean(4.0)
    mean([1.0, 3.0])
    assert mean.result().numpy() == pytest.approx(8 / 3)
    weighted = keras.metrics.Mean(name="weighted")
    weighted([1.0, 3.0], sample_weight=[3.0, 1.0])
    assert weighted.result().numpy() == 1.5
    assert weighted.name == "weighted"


def test_metrics_of_the_library_are_called_by_hand():
    y_true, y_pred = np.array([[1.0], [3.0]], np.float32), np.array([[2.0], [5.0]], np.float32)
    mae, mse = keras.metrics.MeanAbsoluteError(), keras.metrics.MeanSquaredError()
    assert mae(y_true, y_pred).numpy() == 1.5
    assert mse(y_true, y_pred).numpy() == 2.5
    root = keras.metrics.RootMeanSquaredError()
    assert root(y_true, y_pred).numpy() == pytest.approx(np.sqrt(2.5))


def test_the_configuration_of_a_metric_makes_it_again():
    for metric in (BentMetric(2.0), BentMean(2.0)):
        config = metric.get_config()
        assert config["threshold"] == 2.0
        again = type(metric).from_config(config)
        assert again.threshold == 2.0 and again.name == metric.name


# In fit


def test_a_function_is_a_metric_in_fit():
    x, y = numbers()
    model = small_model(loss="mse", metrics=[bent_loss_at(2.0)])
    history = model.fit(x, y, epochs=2, verbose=0)
    assert list(history.history) == ["loss", "bent"]
    loss, metric = model.evaluate(x, y, verbose=0)
    assert metric == pytest.approx(bent(y, model.predict(x), 2.0).mean(), rel=1e-5)


@pytest.mark.parametrize("kind", [BentMetric, BentMean])
def test_a_streaming_metric_in_fit_is_that_of_all_batches(kind):
    x, y = numbers(70)
    model = small_model(loss=bent_loss_at(2.0), metrics=[kind(2.0)])
    history = model.fit(x, y, epochs=2, verbose=0)
    assert kind is BentMean or list(history.history) == ["loss", "bent_metric"]
    # Batches of 32, 32 and 6 rows: the loss is the mean over rows, and so is the metric.
    name = list(history.history)[1]
    assert history.history["loss"] == pytest.approx(history.history[name], rel=1e-5)
    loss, metric = model.evaluate(x, y, verbose=0)
    assert metric == pytest.approx(bent(y, model.predict(x), 2.0).mean(), rel=1e-5)
    assert metric == pytest.approx(loss, rel=1e-5)


def test_a_weighted_loss_is_not_the_unweighted_metric():
    x, y = numbers()
    weight = np.random.default_rng(1).uniform(size=len(y)).astype(np.float32)
    model = small_model(loss=bent_loss_at(2.0), metrics=[bent_loss_at(2.0)])
    loss, metric = model.evaluate(x, y, sample_weight=weight, verbose=0)
    values = bent(y, model.predict(x), 2.0)
    assert loss == pytest.approx((values[:, 0] * weight).mean(), rel=1e-5)
    assert metric == pytest.approx(values.mean(), rel=1e-5)


def test_a_weighted_metric_divides_by_the_weights():
    x, y = numbers()
    weight = np.random.default_rng(1).uniform(size=len(y)).astype(np.float32)
    model = small_model(loss="mse", weighted_metrics=[BentMean(2.0)])
    _, metric = model.evaluate(x, y, sample_weight=weight, verbose=0)
    values = bent(y, model.predict(x), 2.0)[:, 0]
    assert metric == pytest.approx((values * weight).sum() / weight.sum(), rel=1e-5)


def test_a_model_with_a_metric_class_is_saved_and_loaded(tmp_path):
    x, y = numbers()
    model = small_model(loss=keras.losses.Huber(2.0), metrics=[BentMetric(2.0)])
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(
        tmp_path / "model.keras", custom_objects={"BentMetric": BentMetric}
    )
    assert loaded.metrics[-1].threshold == 2.0
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    loaded.fit(x, y, epochs=1, verbose=0)


def test_names_choose_the_metrics_of_the_library():
    x, y = numbers()
    model = small_model(loss="mse", metrics=["mae", keras.metrics.RootMeanSquaredError()])
    loss, mae, root = model.evaluate(x, y, verbose=0)
    error = y - model.predict(x)
    assert loss == pytest.approx(np.square(error).mean(), rel=1e-5)
    assert mae == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert root == pytest.approx(np.sqrt(np.square(error).mean()), rel=1e-5)
    assert model.metrics_names == ["loss", "mae", "root_mean_squared_error"]


def test_a_metric_without_super_is_an_error_that_says_so():
    class Forgetful(keras.metrics.Metric):
        def __init__(self):
            self.total = self.add_weight("total")

    with pytest.raises(RuntimeError, match=r"super\(\).__init__"):
        Forgetful()


def test_a_metric_without_update_state_says_what_to_write():
    class Empty(keras.metrics.Metric):
        pass

    with pytest.raises(NotImplementedError, match="def update_state"):
        Empty()([1.0], [1.0])


@pytest.mark.parametrize("name", ["reset_state", "reset_states"])
def test_a_reset_of_ones_own_is_called_at_each_epoch(name):
    resets = []

    class Counted(BentMetric):
        pass

    def reset(self):
        resets.append(1)
        getattr(BentMetric, name)(self)

    setattr(Counted, name, reset)
    x, y = numbers()
    model = small_model(loss="mse", metrics=[Counted(), BentMetric(name="plain")])
    history = model.fit(x, y, epochs=3, verbose=0).history
    assert len(resets) >= 3 and history["counted"] == history["plain"]


def test_what_a_reset_of_ones_own_raises_comes_out():
    class Broken(BentMetric):
        def reset_state(self):
            raise KeyError("no such total")

    x, y = numbers()
    with pytest.raises(KeyError, match="no such total"):
        small_model(loss="mse", metrics=[Broken()]).fit(x, y, verbose=0)
