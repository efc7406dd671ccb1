"""How long a step of the page's model takes: in endo from Python and from Rust, Keras, and JAX.

    python benchmarks/page.py [--epochs 5] [--rounds 5] [--bench ../../target/release/endo-bench]

Keras and JAX are measured where they are installed, Rust where `--bench` says its program. Each
number is the least of the epochs, in microseconds a step of 32 rows; endo and Rust, whose times are
compared closely, run in rounds in turn, each round in new processes.
"""

import argparse
import json
import os
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

ROWS, VALIDATION_ROWS, FEATURES, BATCH = 11_610, 3_870, 8, 32


def table(rows):
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, FEATURES)).astype(np.float32)
    y = np.sin(x[:, :1]) + 0.5 * x[:, 1:2]
    return x, y.astype(np.float32)


def page(keras, square, mean):
    """The page's model, in the words of the library at hand."""

    class Reconstructing(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden = [
                keras.layers.Dense(30, activation="selu", kernel_initializer="lecun_normal")
                for _ in range(5)
            ]
            self.out = keras.layers.Dense(1)
            self.reconstruct = keras.layers.Dense(FEATURES)
            self.reconstruction_error = keras.metrics.Mean(name="reconstruction_error")

        def call(self, inputs):
            code = inputs
            for layer in self.hidden:
                code = layer(code)
            error = mean(square(self.reconstruct(code) - inputs))
            self.add_loss(0.05 * error)
            self.reconstruction_error.update_state(error)
            return self.out(code)

    return Reconstructing()


def per_step(epochs, run, steps):
    """The least time of a step over epochs, in microseconds."""
    times = []
    for _ in range(epochs):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) / steps * 1e6)
    return min(times)


def measure(keras, tf, epochs, eager_epochs):
    """The work of endo-bench's `regressor-fit` and `regressor-loop`: two metrics, validation after
    each epoch of `fit`, and in the loop a line with the metrics at each step."""
    x, y = table(ROWS // BATCH * BATCH)
    validation = table(VALIDATION_ROWS)
    steps = len(x) // BATCH
    found = {}
    model = page(keras, tf.square, tf.reduce_mean)
    model.compile(optimizer="nadam", loss="mse", metrics=["mae"])

    class Ends(keras.callbacks.Callback):
        """When each epoch ended."""

        def __init__(self):
            super().__init__()
            self.times = []

        def on_epoch_end(self, epoch, logs=None):
            self.times.append(time.perf_counter())

    ends = Ends()
    data = {"batch_size": BATCH, "validation_data": validation, "callbacks": [ends], "verbose": 0}
    model.fit(x, y, epochs=epochs + 1, **data)
    found["fit"] = min(after - before for before, after in zip(ends.times, ends.times[1:]))
    found["fit"] *= 1e6 / steps

    model = page(keras, tf.square, tf.reduce_mean)
    optimizer = keras.optimizers.Nadam(0.001)
    loss_of = keras.losses.MeanSquaredError()
    mean_loss = keras.metrics.Mean(name="loss")
    mean_error = keras.metrics.MeanAbsoluteError()
    model(x[:BATCH])

    def step(rows, targets):
        with tf.GradientTape() as tape:
            predictions = model(rows, training=True)
            loss = tf.add_n([loss_of(targets, predictions), *model.losses])
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        mean_loss.update_state(loss)
        mean_error.update_state(targets, predictions)
        return loss

    fast = tf.function(step)

    def loop(function, limit, shows):
        def run():
            order = np.random.permutation(len(x))
            for index in range(limit):
                rows = order[index * BATCH : (index + 1) * BATCH]
                function(x[rows], y[rows])
                if shows:
                    loss, error = float(mean_loss.result()), float(mean_error.result())
                    f"\r{index}/{limit} - loss: {loss:.4f} - mean_absolute_error: {error:.4f}"

        return run

    loop(fast, 2, True)()
    found["loop"] = per_step(epochs, loop(fast, steps, True), steps)
    found["function"] = per_step(epochs, loop(fast, steps, False), steps)
    some = 40
    loop(step, 2, False)()
    found["eager"] = per_step(eager_epochs, loop(step, some, False), some)
    return found


def jax_model(jax):
    """The page's model, its loss and Nadam in functions of JAX: a state, and a step that is jitted.
    The state holds weights, slots and the totals of two metrics."""
    jnp, sizes = jax.numpy, [FEATURES, 30, 30, 30, 30, 30]
    random = np.random.default_rng(0)

    def layer(inputs, outputs):
        kernel = random.normal(size=(inputs, outputs)) / np.sqrt(inputs)
        return jnp.asarray(kernel, jnp.float32), jnp.zeros(outputs)

    hidden = [layer(*pair) for pair in zip(sizes, sizes[1:])]
    weights = {"hidden": hidden, "out": layer(30, 1), "reconstruct": layer(30, FEATURES)}
    zeros = jax.tree.map(jnp.zeros_like, weights)
    state = {
        "weights": weights,
        "mean": zeros,
        "square": jax.tree.map(jnp.copy, zeros),
        "step": jnp.float32(0.0),
        "product": jnp.float32(1.0),
        "totals": jnp.zeros(4),
    }

    def loss_of(weights, rows, targets):
        code = rows
        for kernel, bias in weights["hidden"]:
            code = jax.nn.selu(code @ kernel + bias)
        predictions = code @ weights["out"][0] + weights["out"][1]
        rebuilt = code @ weights["reconstruct"][0] + weights["reconstruct"][1]
        loss = jnp.mean((predictions - targets) ** 2) + 0.05 * jnp.mean((rebuilt - rows) ** 2)
        return loss, predictions

    def step(state, rows, targets):
        (loss, predictions), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            state["weights"], rows, targets
        )
        number = state["step"] + 1.0
        now, after = (0.9 * (1.0 - 0.5 * 0.96 ** (number + more)) for more in (0.0, 1.0))
        product = state["product"] * now

        def moved(kept, factor):
            return lambda old, new: kept * old + (1.0 - kept) * (new if factor else new * new)

        mean = jax.tree.map(moved(0.9, True), state["mean"], gradients)
        square = jax.tree.map(moved(0.999, False), state["square"], gradients)

        def updated(weight, gradient, mean, square):
            first = after * mean / (1.0 - product * after) + (1.0 - now) * gradient / (
                1.0 - product
            )
            return weight - 0.001 * first / (jnp.sqrt(square / (1.0 - 0.999**number)) + 1e-7)

        errors = jnp.abs(predictions - targets)
        counted = jnp.stack([loss, jnp.float32(1.0), jnp.sum(errors), jnp.float32(errors.size)])
        return {
            "weights": jax.tree.map(updated, state["weights"], gradients, mean, square),
            "mean": mean,
            "square": square,
            "step": number,
            "product": product,
            "totals": state["totals"] + counted,
        }

    return state, jax.jit(step, donate_argnums=0)


def measure_jax(jax, epochs):
    """The loop with a line of both metrics at each step, and without it, in JAX."""
    x, y = table(ROWS // BATCH * BATCH)
    steps, found = len(x) // BATCH, {}
    state, step = jax_model(jax)

    def run(shows):
        nonlocal state
        order = np.random.permutation(len(x))
        for index in range(steps):
            rows = order[index * BATCH : (index + 1) * BATCH]
            state = step(state, x[rows], y[rows])
            if shows:
                totals = np.asarray(state["totals"])
                loss, error = totals[0] / totals[1], totals[2] / totals[3]
                f"\r{index}/{steps} - loss: {loss:.4f} - mean_absolute_error: {error:.4f}"
        jax.block_until_ready(state)

    run(True)
    found["loop"] = per_step(epochs, lambda: run(True), steps)
    found["function"] = per_step(epochs, lambda: run(False), steps)
    return found


def rust(program):
    """The same steps in Rust."""
    found = {}
    for key, workload in (("fit", "regressor-fit"), ("loop", "regressor-loop")):
        command = [program, "--workload", workload, "--epochs", "9"]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        lines = [json.loads(line) for line in run.stdout.splitlines() if line[:1] == "{"]
        found[key] = min(line["us_per_step"] for line in lines if "us_per_step" in line)
    return found


def endo(epochs):
    """endo's steps, in a process of their own."""
    command = [sys.executable, __file__, "--epochs", str(epochs), "--endo"]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout)


def in_turn(rounds, measures):
    """The least that each of `measures` finds in rounds in turn, so that a machine whose speed
    changes from second to second slows all of them alike."""
    least = {name: {} for name in measures}
    for _ in range(rounds):
        for name, measured in measures.items():
            for key, value in measured().items():
                least[name][key] = min(value, least[name].get(key, value))
    for name, found in least.items():
        show(name, found)
    return least


def show(name, found):
    for key, value in found.items():
        print(f"{name:10} {key:10} {value:10.1f} us a step", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5, help="of endo and Rust, in turn")
    parser.add_argument("--bench", help="the program endo-bench")
    parser.add_argument("--endo", action="store_true", help="endo alone, as a line of JSON")
    arguments = parser.parse_args()
    if arguments.endo:
        from endo import keras, tf

        print(json.dumps(measure(keras, tf, arguments.epochs, 2)))
        return
    measures = {"endo": lambda: endo(arguments.epochs)}
    if arguments.bench:
        measures["rust"] = lambda: rust(arguments.bench)
    least = in_turn(arguments.rounds, measures)
    ours = least["endo"]
    for key, value in least.get("rust", {}).items():
        print(f"endo from Python takes {ours[key] / value:.2f} times as long as Rust: {key}")
    try:
        import keras as real_keras
        import tensorflow as real_tf
    except ImportError:
        print("Keras is not installed: it is not compared", file=sys.stderr)
    else:
        theirs = measure(real_keras, real_tf, max(1, arguments.epochs // 2), 2)
        show("keras-tf", theirs)
        compare(ours, theirs, "Keras")
    try:
        import jax
    except ImportError:
        print("JAX is not installed: it is not compared", file=sys.stderr)
    else:
        theirs = measure_jax(jax, arguments.epochs)
        show("jax", theirs)
        compare(ours, theirs, "JAX")


def compare(ours, theirs, name):
    for key, value in theirs.items():
        print(f"endo is {value / ours[key]:.1f} times as fast as {name}: {key}")


if __name__ == "__main__":
    main()
