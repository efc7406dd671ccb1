"""Momentum written in Python, and the small net on which optimizers are compared."""

import numpy as np

from endo import keras, tf

L = keras.layers
X = np.random.default_rng(5).normal(size=(10, 6)).astype(np.float32)
Y = np.cos(X[:, :1]).astype(np.float32)


class Momentum(keras.optimizers.Optimizer):
    """Momentum as in Keras 3, for which the step shrinks with the root of its number."""

    def __init__(self, learning_rate=0.01, momentum=0.9, shrinks=False, name="momentum", **options):
        super().__init__(learning_rate=learning_rate, name=name, **options)
        self.momentum, self.shrinks = momentum, shrinks

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.velocities = [
            self.add_variable_from_reference(reference_variable=one, name="velocity")
            for one in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        rate = tf.cast(learning_rate, variable.dtype)
        if self.shrinks:
            rate = rate / tf.sqrt(tf.cast(self.iterations + 1, variable.dtype))
        velocity = self.velocities[self._get_variable_index(variable)]
        self.assign(velocity, velocity * self.momentum - gradient * rate)
        self.assign_add(variable, velocity)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "shrinks": self.shrinks}


def net(optimizer, kind=keras.Model, **options):
    inputs = keras.Input((6,))
    model = kind(inputs, L.Dense(1)(L.Dense(4, activation="tanh")(inputs)))
    random = np.random.default_rng(7)
    model.set_weights(
        [random.normal(size=one.shape).astype("f4") * 0.3 for one in model.get_weights()]
    )
    model.compile(optimizer, "mse", **options)
    return model
