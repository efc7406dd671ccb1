"""Models with a `train_step`, `test_step` or `predict_step` of their own, as in Keras 3 and 2.

Numbers are those of Keras 3.15 with the same weights.
"""

import numpy as np
import pytest

import endo
from endo import keras, tf

L = keras.layers
X = np.random.default_rng(5).normal(size=(10, 6)).astype(np.float32)
Y = np.cos(X[:, :1]).astype(np.float32)


def filled(model, seed=7):
    """The model, built, with weights that follow a seed."""
    model(X)
    random = np.random.default_rng(seed)
    model.set_weights(
        [random.normal(size=one.shape).astype(np.float32) * 0.3 for one in model.get_weights()]
    )
    return model


class Net(keras.Model):
    """Two layers, and a count of how often its steps were traced."""

    def __init__(self, rate=0.0):
        super().__init__()
        self.hidden = L.Dense(4, activation="tanh")
        self.dropout = L.Dropout(rate)
        self.head = L.Dense(1)
        self.traces = []

    def call(self, inputs, training=None):
        return self.head(self.dropout(self.hidden(inputs), training=training))


class Stepping(Net):
    """The usual step, written out as Keras 3 has it."""

    def train_step(self, data):
        self.traces.append("train")
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, sample_weight)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}


class Older(Net):
    """The same as Keras 2 has it."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compiled_loss(y, y_pred, regularization_losses=self.losses)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        self.compiled_metrics.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, data):
        x, y = data
        y_pred = self(x, training=False)
        self.compiled_loss(y, y_pred, regularization_losses=self.losses)
        self.compiled_metrics.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}


class Handed(Net):
    """The usual step, called by one's own."""

    def train_step(self, data):
        return {**super().train_step(data), "rows": tf.shape(data[0])[0]}


def trained(kind, **options):
    model = filled(kind())
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    options = {"epochs": 3, "batch_size": 5, "shuffle": False, "verbose": 0, **options}
    return model, model.fit(X, Y, **options).history


@pytest.mark.parametrize("kind", [Stepping, Older, Handed])
def test_the_usual_step_written_out_trains_as_the_usual_one(kind):
    model, history = trained(kind, validation_data=(X, Y))
    usual, expected = trained(Net, validation_data=(X, Y))
    history.pop("rows", None)
    assert list(history) == ["loss", "mae", "val_loss", "val_mae"]
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-5)
    for ours, theirs in zip(model.get_weights(), usual.get_weights()):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.evaluate(X, Y), usual.evaluate(X, Y), rtol=1e-5)


def test_a_step_is_traced_once_for_each_shape_of_a_batch():
    model, _ = trained(Stepping, epochs=6, batch_size=4)
    assert model.traces == ["train"] * 2


def test_what_a_step_returns_is_reported_as_keras_reports_it():
    class Reporting(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
            self.mean.update_state(loss)
            return {"loss": self.mean.result(), "last": loss}

    inputs = keras.Input((6,))
    model = Reporting(inputs, L.Dense(1)(L.Dense(4, activation="tanh")(inputs)))
    model.mean = keras.metrics.Mean(name="loss")
    random = np.random.default_rng(7)
    weights = [random.normal(size=one.shape).astype("f4") * 0.3 for one in model.get_weights()]
    model.set_weights(weights)
    model.compile(keras.optimizers.SGD(0.05), "mse")
    found = model.fit(X, Y, epochs=2, batch_size=4, shuffle=False, verbose=0).history
    np.testing.assert_allclose(found["loss"], [0.4890932, 0.2488947], rtol=1e-5)
    np.testing.assert_allclose(found["last"], [0.4578262, 0.1971883], rtol=1e-5)


def test_batches_and_evaluations_go_through_the_steps():
    model, _ = trained(Stepping)
    loss, error = model.evaluate(X, Y)
    found = model.test_on_batch(X, Y, return_dict=True)
    assert found == pytest.approx({"loss": loss, "mae": error}, rel=1e-5)
    assert set(model.train_on_batch(X, Y, return_dict=True)) == {"loss", "mae"}
    assert model.metrics_names == ["loss", "mae"]


def test_layers_are_in_training_where_a_call_says_so():
    class Dropping(Net):
        def train_step(self, data):
            x, _ = data
            loss = tf.reduce_sum(tf.square(self(x) - self(x, training=False)))
            drops = tf.reduce_sum(tf.square(self(x, training=True) - self(x)))
            self.head.kernel.assign_add(0.0 * self.head.kernel)
            return {"loss": loss, "drops": drops}

    model = filled(Dropping(0.5))
    model.compile("sgd", "mse")
    history = model.fit(X, Y, verbose=0).history
    assert history["loss"] == [0.0] and history["drops"][0] > 0


def test_a_loss_of_ones_own_is_trained_and_tested_with():
    class Halved(Net):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return 0.5 * tf.reduce_mean(tf.square(y - y_pred))

    model = filled(Halved())
    model.compile("sgd")
    before = np.square(model.predict(X) - Y).mean() / 2
    assert model.evaluate(X, Y) == pytest.approx(before, rel=1e-5)
    model.fit(X, Y, epochs=20, verbose=0)
    assert model.evaluate(X, Y) < before


def test_terms_and_penalties_are_part_of_the_loss():
    class Penalized(Stepping):
        def __init__(self):
            super().__init__()
            self.hidden = L.Dense(4, kernel_regularizer="l2")

        def call(self, inputs, training=None):
            hidden = self.hidden(inputs)
            self.add_loss(0.1 * tf.reduce_mean(tf.square(hidden)))
            return self.head(hidden)

    model = filled(Penalized())
    model.compile("sgd", "mse")
    hidden = model.hidden(X).numpy()
    expected = np.square(model.predict(X) - Y).mean() + 0.1 * np.square(hidden).mean()
    expected += 0.01 * np.square(model.hidden.kernel.numpy()).sum()
    assert model.evaluate(X, Y) == pytest.approx(expected, rel=1e-5)


def test_samples_have_weights():
    weights = np.arange(10, dtype=np.float32)
    model, usual = filled(Stepping()), filled(Net())
    for one in (model, usual):
        one.compile(keras.optimizers.SGD(0.1), "mse")
        one.fit(X, Y, sample_weight=weights, batch_size=10, verbose=0)
    for ours, theirs in zip(model.get_weights(), usual.get_weights()):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_several_outputs_have_their_losses_and_weights():
    class Two(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    def model(kind):
        inputs = keras.Input((6,))
        made = kind(inputs, {"a": L.Dense(1)(inputs), "b": L.Dense(2)(inputs)})
        made.compile(
            keras.optimizers.SGD(0.1),
            {"a": "mse", "b": "mae"},
            loss_weights={"a": 1.0, "b": 0.25},
            metrics={"b": ["mse"]},
        )
        return filled(made)

    ours, usual = model(Two), model(keras.Model)
    targets = {"a": Y, "b": X[:, :2]}
    for one in (ours, usual):
        one.fit(X, targets, batch_size=5, shuffle=False, verbose=0)
    for left, right in zip(ours.get_weights(), usual.get_weights()):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)


def test_a_prediction_of_ones_own():
    class Doubling(Net):
        def predict_step(self, data):
            return {"twice": 2.0 * self(data, training=False)}

    model = filled(Doubling())
    np.testing.assert_allclose(model.predict(X)["twice"], 2 * model(X).numpy(), rtol=1e-5)


def test_two_models_train_against_each_other():
    class Adversarial(keras.Model):
        def __init__(self):
            super().__init__()
            self.generator = keras.Sequential([keras.Input((2,)), L.Dense(6)])
            self.critic = keras.Sequential([keras.Input((6,)), L.Dense(1)])

        def compile(self, critic_optimizer, generator_optimizer, loss):
            super().compile()
            self.critic_optimizer, self.generator_optimizer = critic_optimizer, generator_optimizer
            self.loss_of = loss

        def train_step(self, real):
            rows = tf.shape(real)[0]
            made = self.generator(tf.random.normal([rows, 2]))
            both = tf.concat([made, real], 0)
            labels = tf.concat([tf.ones([rows, 1]), tf.zeros([rows, 1])], 0)
            with tf.GradientTape() as tape:
                critic_loss = self.loss_of(labels, self.critic(both))
            weights = self.critic.trainable_weights
            pairs = zip(tape.gradient(critic_loss, weights), weights)
            self.critic_optimizer.apply_gradients(pairs)
            with tf.GradientTape() as tape:
                made = self.critic(self.generator(tf.random.normal([rows, 2])))
                loss = self.loss_of(tf.zeros([rows, 1]), made)
            weights = self.generator.trainable_weights
            self.generator_optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
            return {"critic": critic_loss, "generator": loss}

    model = Adversarial()
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.optimizers.Adam(0.01),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )
    before = [one.numpy() for one in model.generator.weights + model.critic.weights]
    history = model.fit(X, epochs=2, batch_size=5, verbose=0).history
    assert list(history) == ["critic", "generator"] and np.isfinite(history["critic"]).all()
    after = [one.numpy() for one in model.generator.weights + model.critic.weights]
    assert all((old != new).any() for old, new in zip(before, after))


def test_callbacks_hear_what_a_step_returns():
    heard = []

    class Hearing(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            heard.append(("train", *logs))

        def on_test_end(self, logs=None):
            heard.append(("test", *logs))

    trained(Stepping, epochs=1, validation_data=(X, Y), callbacks=[Hearing()])
    assert heard == [("train", "loss", "mae")] * 2 + [("test", "loss", "mae")]


def test_it_is_saved_with_its_optimizer(tmp_path):
    model, _ = trained(Stepping)
    model.save(tmp_path / "model.endo")
    again = keras.models.load_model(
        tmp_path / "model.endo", custom_objects={"Stepping": Stepping}
    )
    options = {"batch_size": 5, "shuffle": False, "verbose": 0}
    assert again.fit(X, Y, **options).history == model.fit(X, Y, **options).history


# Mistakes


def test_a_model_that_has_steps_alone_predicts_nothing():
    class Steps(keras.Model):
        def train_step(self, data):
            return {"loss": tf.reduce_sum(data)}

    with pytest.raises(NotImplementedError, match="has no `call`"):
        Steps().predict(X)


def test_a_step_that_returns_no_dictionary_is_refused():
    class Wrong(Net):
        def train_step(self, data):
            return 1.0

    model = Wrong()
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="returned float(.|\n)*return {'loss': loss}"):
        model.fit(X, Y, verbose=0)


def test_what_a_step_raises_comes_out_as_it_is():
    class Wrong(Net):
        def train_step(self, data):
            raise KeyError("mine")

    model = Wrong()
    model.compile("sgd", "mse")
    with pytest.raises(KeyError, match="mine"):
        model.fit(X, Y, verbose=0)


def test_a_step_that_changes_no_weight_is_warned_of():
    class Idle(Net):
        def train_step(self, data):
            return {"loss": tf.reduce_sum(self(data[0]))}

    model = Idle()
    model.compile("sgd")
    with pytest.warns(UserWarning, match="test_steps.py:[0-9]*: the training step.*self"):
        model.fit(X, Y, verbose=0)


def test_numbers_are_not_looked_at_in_a_step():
    class Looking(Net):
        def train_step(self, data):
            if tf.reduce_sum(data[0]) > 0:
                return {}

    model = Looking()
    model.compile("sgd", "mse")
    with pytest.raises(endo.UsageError, match="tf.where"):
        model.fit(X, Y, verbose=0)
