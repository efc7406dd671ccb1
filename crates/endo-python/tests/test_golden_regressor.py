"""The regressor with a reconstruction loss gives Keras's numbers for 60 steps: by `fit`, by
`train_on_batch`, and in a loop of one's own."""

import numpy as np
import pytest
from golden import cases, check, floats

from endo import keras, tf

# Losses and terms agree within 1e-4, weights after 60 steps within 1e-3.
_LOSSES = {"absolute": 1e-7, "relative": 1e-4}
_WEIGHTS = {"absolute": 1e-4, "relative": 1e-3}
_CASES = cases("reconstructing_regressor.json")


class ReconstructingRegressor(keras.Model):
    """The model of the book's page."""

    def __init__(self, output_dim, config, **kwargs):
        super().__init__(**kwargs)
        self.hidden = [
            keras.layers.Dense(
                config["hidden_units"],
                activation=config["activation"],
                kernel_initializer=config["kernel_initializer"],
            )
            for _ in range(config["hidden_layers"])
        ]
        self.out = keras.layers.Dense(output_dim)
        self.reconstruction_mean = keras.metrics.Mean(name="reconstruction_error")
        self.weight = config["reconstruction_weight"]

    def build(self, batch_input_shape):
        n_inputs = batch_input_shape[-1]
        self.reconstruct = keras.layers.Dense(n_inputs)
        super().build(batch_input_shape)

    def call(self, inputs, training=None):
        Z = inputs
        for layer in self.hidden:
            Z = layer(Z)
        reconstruction = self.reconstruct(Z)
        recon_loss = tf.reduce_mean(tf.square(reconstruction - inputs))
        self.add_loss(self.weight * recon_loss)
        result = self.reconstruction_mean(recon_loss)
        self.add_metric(result)
        return self.out(Z)


class _Case:
    """The data of the case, and models with its first weights, compiled."""

    def __init__(self, case):
        self.config, self.expected, self.weights = case["config"], case["expected"], case["weights"]
        pairs = [(floats(batch["inputs"]), floats(batch["targets"])) for batch in case["batches"]]
        self.batches = pairs
        self.validation = tuple(floats(case["validation"][key]) for key in ("inputs", "targets"))

    def model(self):
        optimizer = getattr(keras.optimizers, self.config["optimizer"].capitalize())
        model = ReconstructingRegressor(1, self.config)
        model.compile(
            loss=self.config["loss"],
            optimizer=optimizer(learning_rate=self.config["learning_rate"]),
            metrics=["mse"],
        )
        model(self.batches[0][0])
        by_name = _by_name(model)
        assert list(by_name) == [entry["name"] for entry in self.weights]
        for entry in self.weights:
            by_name[entry["name"]].assign(floats(entry["value"]))
        model.reset_metrics()
        return model

    def check_weights(self, model, key):
        by_name = _by_name(model)
        for entry in self.expected[key]:
            got = by_name[entry["name"]]
            check(f"{entry['name']} in {key}", got, floats(entry["value"]), **_WEIGHTS)

    def check_step(self, step, loss, main, reconstruction):
        for name, got in (
            ("loss", loss),
            ("main_loss", main),
            ("reconstruction_loss", reconstruction),
        ):
            want = floats(self.expected[name])[step]
            check(f"{name} of step {step}", got, want, **_LOSSES)

    def check_evaluation(self, model, key):
        """Keras's reconstruction is a mean over batches, the loss is weighted by their sizes."""
        x, y = self.validation
        size = self.config["batch_size"]
        logs = model.evaluate(x, y, batch_size=size, verbose=0, return_dict=True)
        want = self.expected[key]
        for name, log in (
            ("loss", "loss"),
            ("mse", "mse"),
            ("reconstruction_loss", "reconstruction_error"),
        ):
            check(f"{name} of {key}", logs[log], floats(want[name]), **_LOSSES)


def _by_name(model):
    """The weights by the names of the file."""
    layers = {f"hidden{at}": layer for at, layer in enumerate(model.hidden)}
    layers = {**layers, "reconstruct": model.reconstruct, "out": model.out}
    return {
        f"{name}/{weight.name}": weight
        for name, layer in _in_the_order_of_the_file(layers)
        for weight in layer.weights
    }


def _in_the_order_of_the_file(layers):
    order = ["hidden0", "hidden1", "hidden2", "hidden3", "hidden4", "out", "reconstruct"]
    return [(name, layers[name]) for name in order if name in layers]


@pytest.mark.parametrize("case", _CASES)
def test_sixty_steps_by_train_on_batch(case):
    of = _Case(case)
    model = of.model()
    of.check_evaluation(model, "evaluate_before")
    for step, (x, y) in enumerate(of.batches):
        model.reset_metrics()
        logs = model.train_on_batch(x, y, return_dict=True)
        of.check_step(step, logs["loss"], logs["mse"], logs["reconstruction_error"])
        if step == 0:
            of.check_weights(model, "weights_after_first_step")
    of.check_weights(model, "final_weights")
    of.check_evaluation(model, "evaluate_after")
    predictions = model.predict(of.validation[0], verbose=0)
    check("the predictions", predictions, floats(of.expected["predictions"]), **_WEIGHTS)


@pytest.mark.parametrize("case", _CASES)
def test_sixty_steps_by_fit(case):
    of = _Case(case)
    model = of.model()
    x, y = (np.concatenate(parts) for parts in zip(*of.batches))
    size = of.config["batch_size"]
    fitted = model.fit(x, y, batch_size=size, epochs=1, shuffle=False, verbose=0)
    for name, key in (
        ("loss", "loss"),
        ("mse", "main_loss"),
        ("reconstruction_error", "reconstruction_loss"),
    ):
        want = floats(of.expected[key]).mean(dtype=np.float64)
        check(name, fitted.history[name][0], want, **_LOSSES)
    of.check_weights(model, "final_weights")
    of.check_evaluation(model, "evaluate_after")


def _loop(of, wrapped):
    """60 steps of the book's loop; the step is wrapped, as by `tf.function`."""
    model = of.model()
    optimizer = keras.optimizers.Nadam(learning_rate=of.config["learning_rate"])
    loss_fn = keras.losses.MeanSquaredError()
    weight = of.config["reconstruction_weight"]

    @wrapped
    def train_step(X_batch, y_batch):
        with tf.GradientTape() as tape:
            y_pred = model(X_batch, training=True)
            main_loss = loss_fn(y_batch, y_pred)
            loss = tf.add_n([main_loss] + model.losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss, main_loss, model.losses[0] / weight

    assert of.config["optimizer"].lower() == "nadam"
    for step, (x, y) in enumerate(of.batches):
        loss, main, reconstruction = train_step(tf.constant(x), tf.constant(y))
        of.check_step(step, loss, main, reconstruction)
        if step == 0:
            of.check_weights(model, "weights_after_first_step")
    of.check_weights(model, "final_weights")


@pytest.mark.parametrize("case", _CASES)
def test_sixty_steps_in_a_loop(case):
    _loop(_Case(case), lambda step: step)


@pytest.mark.parametrize("case", _CASES)
def test_sixty_steps_in_a_loop_of_a_function(case):
    _loop(_Case(case), tf.function)
