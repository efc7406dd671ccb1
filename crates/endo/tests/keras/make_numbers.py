"""What Keras 3 reports in trainings with the options that streams, transfer and callbacks stand on.

    pip install keras torch
    python make_numbers.py > numbers.json

Every weight, input and target follows from a formula, `numbers` below, which ../keras.rs has as well.
"""

import json
import math
import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np

keras.backend.set_floatx("float64")


def numbers(shape, offset):
    count = math.prod(shape)
    return np.array([0.4 * math.sin(0.9 * i + offset) for i in range(count)]).reshape(shape)


def net():
    layers = [keras.layers.Dense(4, activation="tanh"), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    for place, weight in enumerate(model.weights):
        weight.assign(numbers(weight.shape, place) + (1.0 if "moving_variance" in weight.path else 0.0))
    return model


X, Y = numbers((20, 3), 50), numbers((20, 1), 51)
X_VALID, Y_VALID = numbers((12, 3), 52), numbers((12, 1), 53)


def history(model, *data, **options):
    reported = model.fit(*data, verbose=0, **options).history
    return {name: [float(value) for value in values] for name, values in reported.items()}


def parts_of_passes():
    """Epochs of two of the five batches of a pass, and a validation on two of three batches after every second one."""
    model = net()
    model.compile(keras.optimizers.SGD(0.125), "mse", metrics=["mae"])
    return history(
        model, X, Y, epochs=5, batch_size=4, steps_per_epoch=2, shuffle=False, validation_data=(X_VALID, Y_VALID),
        validation_freq=2, validation_steps=2, validation_batch_size=4,
    )


def generator():
    """Batches without end, from a later first epoch on."""
    def batches():
        number = 0
        while True:
            first = number * 3 % 18
            number += 1
            yield X[first : first + 2], Y[first : first + 2]

    model = net()
    model.compile(keras.optimizers.SGD(0.125), "mse")
    return history(model, batches(), epochs=4, initial_epoch=1, steps_per_epoch=3)


def transfer():
    """The last layer alone, then all of them at a lower rate."""
    model = net()
    losses = []
    for trainable, rate in [(False, 0.125), (True, 0.03125)]:
        for layer in model.layers[:2]:
            layer.trainable = trainable
        model.compile(keras.optimizers.SGD(rate), "mse")
        losses += history(model, X, Y, epochs=2, batch_size=5, shuffle=False)["loss"]
    return {"loss": losses}


def averages():
    """Validation with moving averages in the place of the weights."""
    model = net()
    model.compile(keras.optimizers.SGD(0.125, use_ema=True, ema_momentum=0.75), "mse")
    return history(
        model, X, Y, epochs=3, batch_size=5, shuffle=False, validation_data=(X_VALID, Y_VALID),
        callbacks=[keras.callbacks.SwapEMAWeights()],
    )


def stopping():
    """A callback that predicts, reports what another one watches, and stops."""
    class Spread(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["spread"] = float(np.mean((self.model.predict(X_VALID, verbose=0) - Y_VALID) ** 2))
            if logs["spread"] < 0.0688:
                self.model.stop_training = True

    model = net()
    model.compile(keras.optimizers.SGD(0.0625), "mse")
    watch = keras.callbacks.EarlyStopping("spread", patience=5, mode="min")
    return history(model, X, Y, epochs=30, batch_size=5, shuffle=False, callbacks=[Spread(), watch])


def classification():
    """The book's exercise: a loop of one's own with an optimizer for the lower layer and one for the upper, and validation every epoch."""
    lower = keras.Sequential([keras.Input((3, 2)), keras.layers.Flatten(), keras.layers.Dense(5, activation="relu")])
    upper = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, activation="softmax")])
    model = keras.Sequential([keras.Input((3, 2)), lower, upper])
    for place, weight in enumerate(model.weights):
        weight.assign(numbers(weight.shape, place))
    images, labels = numbers((24, 3, 2), 54), np.arange(24) * 7 % 3
    new_images, new_labels = numbers((9, 3, 2), 55), np.arange(9) * 5 % 3
    optimizers = [(keras.optimizers.SGD(0.125), lower), (keras.optimizers.Nadam(0.03125), upper)]
    loss_fn = keras.losses.SparseCategoricalCrossentropy()
    mean_loss, accuracy = keras.metrics.Mean(), keras.metrics.SparseCategoricalAccuracy()
    reported = {"loss": [], "accuracy": [], "val_loss": [], "val_accuracy": []}
    for _ in range(4):
        for first in range(0, 24, 6):
            x, y = images[first : first + 6], labels[first : first + 6]
            y_pred = model(x, training=True)
            loss = loss_fn(y, y_pred)
            model.zero_grad()
            loss.backward()
            for optimizer, part in optimizers:
                optimizer.apply([weight.value.grad for weight in part.trainable_weights], part.trainable_weights)
            mean_loss.update_state(loss)
            accuracy.update_state(y, y_pred)
        y_pred = model(new_images, training=False)
        reported["loss"].append(float(mean_loss.result()))
        reported["accuracy"].append(float(accuracy.result()))
        reported["val_loss"].append(float(loss_fn(new_labels, y_pred)))
        reported["val_accuracy"].append(float(np.mean(np.argmax(y_pred.detach().numpy(), -1) == new_labels)))
        mean_loss.reset_state()
        accuracy.reset_state()
    return reported


def masked():
    """Batch normalization after masking: steps that do not count are in neither mean nor variance, nor in the loss."""
    x = numbers((12, 4, 3), 56) + 0.75
    x[:, 3] = 0.0
    x[::2, 2] = 0.0
    model = keras.Sequential([
        keras.Input((4, 3)), keras.layers.Masking(0.0), keras.layers.BatchNormalization(momentum=0.5), keras.layers.Dense(1),
    ])
    for place, weight in enumerate(model.weights):
        weight.assign(numbers(weight.shape, place) + (1.0 if "moving_variance" in weight.path else 0.0))
    model.compile(keras.optimizers.SGD(0.125), "mse")
    reported = history(model, x, numbers((12, 4, 1), 57), epochs=3, batch_size=4, shuffle=False)
    reported["moving"] = [float(number) for weight in model.layers[1].non_trainable_weights for number in weight.numpy()]
    return reported


cases = [parts_of_passes, generator, transfer, averages, stopping, classification, masked]
print(json.dumps({case.__name__: case() for case in cases}, indent=1))
