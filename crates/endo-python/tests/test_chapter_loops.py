"""Training loops of one's own: eager, and as functions."""

import numpy as np
import pytest

import endo
from endo import keras, tf


def numbers(rows=96, features=4, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, features)).astype(np.float32)
    y = x @ random.normal(size=(features, 1)).astype(np.float32) + 0.3
    return x, y.astype(np.float32)


def small_model(**first):
    return keras.models.Sequential(
        [
            keras.layers.Dense(
                10, activation="elu", kernel_initializer="he_normal",
                kernel_regularizer=keras.regularizers.l2(0.05), **first,
            ),
            keras.layers.Dense(1, kernel_regularizer=keras.regularizers.l2(0.05)),
        ]
    )


def random_batch(x, y, batch_size=32):
    rows = np.random.randint(len(x), size=batch_size)
    return x[rows], y[rows]


def status_line(step, total, loss, metrics=None):
    texts = [f"{metric.name}: {metric.result():.4f}" for metric in [loss] + (metrics or [])]
    end = "" if step < total else "\n"
    print(f"\r{step}/{total} - " + " - ".join(texts), end=end)


def trained_by_hand(step_of, epochs=3, batch_size=32):
    """The loop of the chapter, with a step that is made of a model, a loss and an optimizer."""
    keras.utils.set_random_seed(11)
    x, y = numbers()
    model = small_model()
    step = step_of(model, keras.losses.MeanSquaredError(), keras.optimizers.Nadam(0.01))
    mean_loss = keras.metrics.Mean(name="mean_loss")
    metrics = [keras.metrics.MeanAbsoluteError()]
    history = []
    for _ in range(epochs):
        for _ in range(len(x) // batch_size):
            batch, targets = random_batch(x, y, batch_size)
            loss, predicted = step(batch, targets)
            mean_loss(loss)
            for metric in metrics:
                metric(targets, predicted)
        history.append((float(mean_loss.result()), float(metrics[0].result())))
        for metric in [mean_loss, *metrics]:
            metric.reset_states()
    return model, history


def eager_step(model, loss_fn, optimizer):
    def step(batch, targets):
        with tf.GradientTape() as tape:
            predicted = model(batch, training=True)
            main = tf.reduce_mean(loss_fn(targets, predicted))
            loss = tf.add_n([main] + model.losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss, predicted

    return step


def test_a_loop_by_hand_learns():
    _, history = trained_by_hand(eager_step, epochs=12)
    assert history[-1][0] < 0.6 * history[0][0]
    assert history[-1][1] < history[0][1]


def test_a_loop_as_a_function_gives_the_numbers_of_the_eager_loop():
    _, eager = trained_by_hand(eager_step)
    _, traced = trained_by_hand(lambda *parts: tf.function(eager_step(*parts)))
    assert traced == [pytest.approx(numbers, rel=1e-4) for numbers in eager]


def test_a_loop_by_hand_gives_the_numbers_of_fit():
    x, y = numbers()
    keras.utils.set_random_seed(7)
    by_hand, by_fit = small_model(), small_model()
    by_hand.build((None, 4))
    by_fit.build((None, 4))
    by_fit.set_weights(by_hand.get_weights())
    step = eager_step(by_hand, keras.losses.MeanSquaredError(), keras.optimizers.SGD(0.01))
    means = []
    for _ in range(3):
        losses = [float(step(x[at : at + 32], y[at : at + 32])[0]) for at in (0, 32, 64)]
        means.append(np.mean(losses))
    by_fit.compile(loss="mse", optimizer=keras.optimizers.SGD(0.01))
    history = by_fit.fit(x, y, epochs=3, shuffle=False, verbose=0)
    assert history.history["loss"] == pytest.approx(means, rel=1e-5)
    for one, other in zip(by_hand.get_weights(), by_fit.get_weights()):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_the_losses_of_the_model_are_its_penalties():
    x, _ = numbers()
    model = small_model()
    model(x)
    kernels = [weight for weight in model.get_weights() if weight.ndim == 2]
    expected = [0.05 * np.square(kernel).sum() for kernel in kernels]
    assert [float(loss) for loss in model.losses] == pytest.approx(expected, rel=1e-5)


def test_constraints_are_applied_by_hand_or_by_the_optimizer():
    x, y = numbers()
    model = small_model(kernel_constraint=keras.constraints.max_norm(0.5))
    step = eager_step(model, keras.losses.MeanSquaredError(), keras.optimizers.SGD(0.1))
    step(x, y)
    for variable in model.variables:
        if getattr(variable, "constraint", None) is not None:
            variable.assign(variable.constraint(variable))
    norms = np.sqrt(np.square(model.layers[0].kernel.numpy()).sum(axis=0))
    assert norms.max() <= 0.5 + 1e-5
    assert model.layers[1].kernel.constraint is None


def test_a_mean_without_a_name_is_called_mean():
    mean = keras.metrics.Mean()
    assert mean.name == "mean"


def test_the_status_line_shows_names_and_numbers(capsys):
    mean_loss, mae = keras.metrics.Mean(name="loss"), keras.metrics.MeanAbsoluteError(name="mae")
    mean_loss(0.125)
    mae([[1.0]], [[3.5]])
    status_line(3, 5, mean_loss, [mae])
    status_line(5, 5, mean_loss, [mae])
    assert capsys.readouterr().out == (
        "\r3/5 - loss: 0.1250 - mae: 2.5000\r5/5 - loss: 0.1250 - mae: 2.5000\n"
    )


def test_gradients_can_be_clipped_in_a_loop():
    x, y = numbers()
    model = small_model()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(x, training=True) - 100.0 * y))
    gradients = tape.gradient(loss, model.trainable_variables)
    clipped, norm = tf.clip_by_global_norm(gradients, 1.0)
    before = np.sqrt(sum(np.square(one.numpy()).sum() for one in gradients))
    after = np.sqrt(sum(np.square(one.numpy()).sum() for one in clipped))
    assert float(norm) == pytest.approx(before, rel=1e-5)
    assert after == pytest.approx(1.0, rel=1e-5)


def test_batch_normalization_and_dropout_work_in_a_loop():
    x, y = numbers()
    model = keras.models.Sequential(
        [keras.layers.Dense(8), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5),
         keras.layers.Dense(1)]
    )
    step = eager_step(model, keras.losses.MeanSquaredError(), keras.optimizers.SGD(0.01))
    step(x, y)
    before = [one.numpy() for one in model.non_trainable_variables]
    step(x, y)
    after = [one.numpy() for one in model.non_trainable_variables]
    assert len(before) == 2 and all((a != b).any() for a, b in zip(before, after))
    np.testing.assert_array_equal(model(x).numpy(), model(x).numpy())
    assert (model(x, training=True).numpy() != model(x, training=True).numpy()).any()


def test_a_loop_continues_what_fit_began():
    x, y = numbers()
    model = small_model()
    model.compile(loss="mse", optimizer=keras.optimizers.Adam(0.01))
    model.fit(x, y, epochs=2, verbose=0)
    step = eager_step(model, keras.losses.MeanSquaredError(), model.optimizer)
    for _ in range(5):
        step(x, y)
    assert int(model.optimizer.iterations) == 2 * 3 + 5
    model.fit(x, y, epochs=1, verbose=0)
    assert int(model.optimizer.iterations) == 3 * 3 + 5


def test_minimize_takes_a_function_and_variables():
    v = tf.Variable(5.0)
    optimizer = keras.optimizers.SGD(learning_rate=0.25)
    optimizer.minimize(lambda: v**2, [v])
    assert float(v) == 2.5
    assert int(optimizer.iterations) == 1


def test_apply_gradients_of_nothing_says_why():
    with pytest.raises(ValueError, match="called on data"):
        keras.optimizers.SGD(0.1).apply_gradients(zip([], []))


def test_a_variable_without_a_gradient_stays_as_it_is():
    v, w = tf.Variable(5.0), tf.Variable(2.0)
    with tf.GradientTape() as tape:
        value = v**2
    gradients = tape.gradient(value, [v, w])
    keras.optimizers.SGD(0.1).apply_gradients(zip(gradients, [v, w]))
    assert float(v) == pytest.approx(4.0) and float(w) == 2.0


def test_the_learning_rate_has_its_older_name():
    optimizer = keras.optimizers.SGD(lr=0.5)
    assert float(optimizer.lr) == 0.5
    optimizer.lr = 0.25
    assert float(optimizer.learning_rate) == 0.25
    assert optimizer.learning_rate.numpy() == np.float32(0.25)


def test_the_seed_makes_a_program_repeatable():
    def run():
        keras.utils.set_random_seed(42)
        x, y = numbers()
        model = keras.models.Sequential(
            [keras.layers.Dense(5, activation="relu"), keras.layers.Dropout(0.3),
             keras.layers.Dense(1)]
        )
        model.compile(loss="mse", optimizer="adam")
        history = model.fit(x, y, epochs=2, verbose=0).history["loss"]
        draws = tf.random.normal([3]).numpy().tolist(), np.random.uniform()
        return history, draws, [weight.tolist() for weight in model.get_weights()]

    assert run() == run()


def test_another_seed_gives_other_numbers():
    keras.utils.set_random_seed(1)
    first = tf.random.uniform([4]).numpy()
    keras.utils.set_random_seed(2)
    assert (tf.random.uniform([4]).numpy() != first).all()


def test_steps_by_hand_leave_nothing_in_memory():
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    x, y = numbers()
    model = small_model()
    mean = keras.metrics.Mean()
    step = eager_step(model, keras.losses.MeanSquaredError(), keras.optimizers.Nadam(0.01))
    for _ in range(20):
        mean(step(x, y)[0])
    before = resident()
    for _ in range(60):
        mean(step(x, y)[0])
    assert resident() - before < 2e6


def test_an_error_in_a_step_names_the_shapes():
    x, y = numbers()
    model = small_model()
    with pytest.raises(endo.ShapeError, match=r"96"):
        with tf.GradientTape() as tape:
            tape.gradient(tf.reduce_sum(model(x) - y[:5]), model.trainable_variables)
