"""Models of one layer and a small table: what several files of tests train."""

import numpy as np

from endo import keras

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 3)).astype(np.float32)
Y = X.sum(1, keepdims=True)
MANY = RANDOM.normal(size=(50_000, 3)).astype(np.float32)


class Model(keras.Model):
    """A model whose `call` is a function of the model and its inputs."""

    def __init__(self, function=lambda made, x: made.dense(x)):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.function = function

    def call(self, inputs):
        return self.function(self, inputs)


def model(*function):
    made = Model(*function)
    made.compile("sgd", "mse")
    return made


def chain(*layers, **options):
    made = keras.Sequential(list(layers) or [keras.layers.Dense(1)])
    made.compile(**{"optimizer": "sgd", "loss": "mse", **options})
    return made
