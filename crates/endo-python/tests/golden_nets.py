"""The models that the cases of `internals.json` describe."""

from endo import keras, tf

layers = keras.layers


def mean_square(x):
    """The mean of squares."""
    return tf.reduce_mean(tf.square(x))


class Chain(keras.Model):
    """Layers one after another, with terms of the loss from what the steps make."""

    def __init__(self, steps, term=None, **options):
        super().__init__(**options)
        # The name of a step is that of its layer; a layer may be a step twice.
        self.steps = steps
        self.term = term

    def call(self, inputs):
        made = {"x": inputs}
        for step in self.steps:
            inputs = made[step.name] = step(inputs)
        if self.term is not None:
            self.add_loss(self.term(made))
        return inputs


class Block(layers.Layer):
    """Layers one after another, with a term of the loss from what the first makes."""

    def __init__(self, first, rest, rate, **options):
        super().__init__(**options)
        self.first, self.rest, self.rate = first, rest, rate

    def call(self, inputs):
        h = self.first(inputs)
        self.add_loss(self.rate * mean_square(h))
        for layer in self.rest:
            h = layer(h)
        return h


class Middle(layers.Layer):
    """A layer after a block."""

    def __init__(self, inner, mix, **options):
        super().__init__(**options)
        self.inner, self.mix = inner, mix

    def call(self, inputs):
        return self.mix(self.inner(inputs))


class Heads(keras.Model):
    """Two outputs of one hidden layer."""

    def __init__(self, hidden):
        super().__init__()
        self.hidden = hidden
        self.first = layers.Dense(1, name="first")
        self.second = layers.Dense(2, name="second")

    def call(self, inputs):
        h = self.hidden(inputs)
        return [self.first(h), self.second(h)]


def regularizers(config):
    """The regularizers of a configuration, as objects."""
    return {
        name: getattr(keras.regularizers, content["class"])(**content["config"])
        for name, content in config.items()
        if name.endswith("_regularizer")
    }


def net(case):
    """The model of a case, not compiled."""
    family, _, variant = case["name"].partition("/")
    config = case["config"]
    units, rate, rate2 = config.get("units"), config.get("rate"), config.get("rate2")
    l1, l2 = config.get("l1"), config.get("l2")

    def dense(name, **options):
        return layers.Dense(units, config["activation"], name=name, **options)

    def out(**options):
        return layers.Dense(1, name="out", **options)

    if family == "golden":
        return Chain([layers.Identity()])
    if family == "mask":
        embedding = layers.Embedding(config["vocabulary"], units, mask_zero=True, name="embedding")
        return keras.Sequential([embedding, out()])
    if family == "loss_weights":
        penalty = {} if l2 is None else {"kernel_regularizer": keras.regularizers.L2(l2)}
        return Heads(dense("hidden", **penalty))
    if family == "add_loss":
        terms = {
            "several": lambda made: [
                rate * mean_square(made["hidden"]),
                rate2 * mean_square(made["x"]),
                rate * mean_square(made["out"]),
            ],
            "vector_is_summed": lambda made: rate
            * tf.reduce_mean(tf.square(made["hidden"]), axis=-1),
        }
        scalar = terms.get(variant, lambda made: rate * mean_square(made["hidden"]))
        return Chain([dense("hidden"), out()], scalar)
    if family == "called_twice":
        if variant == "add_loss":
            back = layers.Dense(units, name="back")
            block = Block(dense("inner"), [back], rate, name="block")
            return Chain([block, block, out()])
        shared = dense("shared", **{variant: keras.regularizers.L2(l2)})
        return Chain([shared, shared, out()])
    if case["name"] == "nested/submodels":
        hidden = dense("hidden", kernel_regularizer=keras.regularizers.L1(l1))
        mix = layers.Dense(units, activity_regularizer=keras.regularizers.L2(l2), name="mix")
        middle = Middle(Block(hidden, [], rate, name="inner"), mix, name="middle")
        last = out(bias_regularizer=keras.regularizers.L2(l2))
        return Chain([middle, last], lambda made: rate2 * mean_square(made["out"]))
    if family == "nested":
        hidden = dense("hidden", kernel_regularizer=keras.regularizers.L2(l2))
        inner = [hidden, layers.ActivityRegularization(l1=l1)]
        return keras.Sequential([keras.Sequential(inner, name="block"), out()])
    if family == "class_weight":
        last = layers.Dense(config["classes"], activation="softmax", name="out")
        return keras.Sequential([dense("hidden"), last])
    if variant == "constraint":
        limit = keras.constraints.MaxNorm(config["max_value"])
        return keras.Sequential([dense("hidden", kernel_constraint=limit), out()])
    if variant == "batch_normalization":
        norm = layers.BatchNormalization(momentum=config["momentum"], name="norm")
        return keras.Sequential([dense("hidden"), norm, out()])
    assert family in ("regularizers", "sample_weight"), f"{case['name']} is not understood"
    model = keras.Sequential([dense("hidden", **regularizers(config)), out()])
    if variant == "frozen_layer":
        model.layers[0].trainable = False
    return model
