"""Training by `fit`: data sets, batches, callbacks, files."""

import numpy as np
import pytest

import endo
from endo import keras, tf


def numbers(rows=96, features=3, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, features)).astype(np.float32)
    return x, x @ np.array([[1.0], [-2.0], [0.5]], np.float32) + 0.3


def small_model(loss="mse", optimizer="sgd", **options):
    model = keras.models.Sequential(
        [keras.layers.Dense(6, activation="relu", input_shape=[3]), keras.layers.Dense(1)]
    )
    model.compile(loss=loss, optimizer=optimizer, **options)
    return model


# Data sets


def test_slices_are_the_rows():
    rows = list(tf.data.Dataset.from_tensor_slices([[1.0, 2.0], [3.0, 4.0]]))
    assert [row.numpy().tolist() for row in rows] == [[1.0, 2.0], [3.0, 4.0]]
    assert rows[0].dtype == tf.float32


def test_a_chain_of_a_data_set_has_the_expected_batches():
    data = tf.data.Dataset.range(6).repeat(2).batch(5)
    assert [batch.numpy().tolist() for batch in data] == [[0, 1, 2, 3, 4], [5, 0, 1, 2, 3], [4, 5]]
    assert len(data) == 3
    short = tf.data.Dataset.range(6).batch(4, drop_remainder=True)
    assert [batch.numpy().tolist() for batch in short] == [[0, 1, 2, 3]]


def test_elements_are_mapped_filtered_and_taken():
    data = tf.data.Dataset.range(10).map(lambda x: x * 2).filter(lambda x: x > 7).take(3)
    assert [int(one) for one in data] == [8, 10, 12]
    assert [int(one) for one in tf.data.Dataset.range(5).skip(3)] == [3, 4]


def test_pairs_are_mapped_by_functions_of_two():
    x, y = numbers(4)
    data = tf.data.Dataset.from_tensor_slices((x, y)).map(lambda a, b: (2.0 * a, b - 1.0))
    first, target = next(iter(data))
    np.testing.assert_allclose(first.numpy(), 2 * x[0])
    np.testing.assert_allclose(target.numpy(), y[0] - 1)


def test_shuffling_changes_the_order_and_keeps_the_elements():
    data = tf.data.Dataset.range(50).shuffle(buffer_size=10, seed=3)
    first, second = ([int(one) for one in data] for _ in range(2))
    assert sorted(first) == list(range(50)) and first != list(range(50))
    assert first != second
    fixed = tf.data.Dataset.range(50).shuffle(10, seed=3, reshuffle_each_iteration=False)
    assert [int(one) for one in fixed] == [int(one) for one in fixed]


def test_prefetch_gives_the_same_elements():
    data = tf.data.Dataset.range(7).map(lambda x: x + 1).batch(3).prefetch(1)
    assert [batch.numpy().tolist() for batch in data] == [[1, 2, 3], [4, 5, 6], [7]]
    assert len(data.prefetch(tf.data.AUTOTUNE)) == 3


def test_a_data_set_with_columns_is_one_of_dictionaries():
    data = tf.data.Dataset.from_tensor_slices({"a": [1, 2], "b": [3.0, 4.0]}).batch(2)
    batch = next(iter(data))
    assert batch["a"].numpy().tolist() == [1, 2] and batch["b"].numpy().tolist() == [3.0, 4.0]


def test_fit_evaluate_and_predict_take_data_sets():
    x, y = numbers()
    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(96, seed=1).batch(32).prefetch(1)
    plain = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)
    model = small_model()
    history = model.fit(data, epochs=4, validation_data=plain, verbose=0)
    assert history.history["val_loss"][-1] < history.history["val_loss"][0]
    assert model.evaluate(plain, verbose=0) == pytest.approx(
        model.evaluate(x, y, verbose=0), rel=1e-6
    )
    inputs = tf.data.Dataset.from_tensor_slices(x).batch(32)
    np.testing.assert_allclose(model.predict(inputs), model.predict(x), rtol=1e-6)


def test_an_endless_data_set_needs_steps():
    x, y = numbers()
    data = tf.data.Dataset.from_tensor_slices((x, y)).repeat().batch(32)
    history = small_model().fit(data, epochs=2, steps_per_epoch=2, verbose=0)
    assert len(history.history["loss"]) == 2


def test_a_loop_goes_through_a_data_set():
    x, y = numbers()
    model = small_model()
    optimizer = keras.optimizers.SGD(0.05)
    losses = []
    for batch, targets in tf.data.Dataset.from_tensor_slices((x, y)).repeat(5).batch(32):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.mean_squared_error(targets, model(batch)))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        losses.append(float(loss))
    assert len(losses) == 15 and losses[-1] < losses[0]


def test_a_data_set_of_texts_is_refused():
    with pytest.raises((TypeError, NotImplementedError), match="numbers"):
        next(iter(tf.data.Dataset.from_tensor_slices(["tea", "milk"])))


# Batches


def test_train_on_batch_is_one_update():
    x, y = numbers()
    model = small_model(optimizer=keras.optimizers.SGD(0.1), metrics=["mae"])
    other = small_model(optimizer=keras.optimizers.SGD(0.1), metrics=["mae"])
    other.set_weights(model.get_weights())
    loss, mae = model.train_on_batch(x, y)
    history = other.fit(x, y, batch_size=96, epochs=1, verbose=0).history
    assert (loss, mae) == pytest.approx((history["loss"][0], history["mae"][0]), rel=1e-6)
    for one, same in zip(model.get_weights(), other.get_weights()):
        np.testing.assert_allclose(one, same, rtol=1e-5, atol=1e-7)


def test_test_on_batch_changes_nothing():
    x, y = numbers()
    model = small_model()
    before = model.get_weights()
    assert model.test_on_batch(x, y) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-6)
    for one, same in zip(model.get_weights(), before):
        np.testing.assert_array_equal(one, same)


def test_evaluate_returns_names_if_asked():
    x, y = numbers()
    model = small_model(metrics=["mae"])
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    assert [found["loss"], found["mae"]] == model.evaluate(x, y, verbose=0)


def test_predict_is_the_call_on_all_rows():
    x, _ = numbers(70)
    model = small_model()
    assert model.predict(x).shape == (70, 1)
    np.testing.assert_allclose(model.predict(x), model(x).numpy(), rtol=1e-5, atol=1e-6)
    assert isinstance(model.predict(x), np.ndarray)


def test_class_weights_weigh_the_samples():
    x, _ = numbers()
    y = (x[:, 0] > 0).astype(np.int32)
    model = small_model(loss="binary_crossentropy", optimizer=keras.optimizers.SGD(0.0))
    weighted = model.fit(
        x, y, epochs=1, verbose=0, batch_size=96, class_weight={0: 1.0, 1: 3.0}
    ).history["loss"][0]
    by_hand = model.evaluate(x, y, verbose=0, sample_weight=np.where(y == 1, 3.0, 1.0))
    assert weighted == pytest.approx(by_hand, rel=1e-5)


def test_metrics_without_their_name_are_asked_for_by_name():
    with pytest.raises(TypeError, match=r"loss_weights.*\n.*metrics=\["):
        small_model().compile("sgd", "mse", ["mae"])


# Callbacks


def test_early_stopping_restores_the_best_weights():
    x, y = numbers()
    model = small_model(optimizer=keras.optimizers.SGD(0.05))
    saved = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: saved.append((logs["val_loss"], model.get_weights()))
    )
    spoil = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epoch > 3
        and model.set_weights([1.5 * one for one in model.get_weights()])
    )
    stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    history = model.fit(
        x, y, epochs=40, verbose=0, validation_data=(x, 2 * y), callbacks=[spoil, keep, stop]
    )
    losses = history.history["val_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 3
    for one, same in zip(model.get_weights(), saved[best][1]):
        np.testing.assert_array_equal(one, same)


def test_a_monitor_that_is_not_reported_is_named():
    x, y = numbers()
    with pytest.raises(ValueError, match="val_loss.*\n.*validation_data"):
        small_model().fit(x, y, verbose=0, callbacks=[keras.callbacks.EarlyStopping()])


def test_a_checkpoint_keeps_the_best_model(tmp_path):
    x, y = numbers()
    path = str(tmp_path / "best.h5")
    model = small_model(optimizer=keras.optimizers.SGD(0.05))
    history = model.fit(
        x, y, epochs=5, verbose=0, validation_data=(x, y),
        callbacks=[keras.callbacks.ModelCheckpoint(path, save_best_only=True)],
    )
    loaded = keras.models.load_model(path)
    assert loaded.evaluate(x, y, verbose=0) == pytest.approx(
        min(history.history["val_loss"]), rel=1e-6
    )


def test_a_checkpoint_names_its_files_by_the_epoch(tmp_path):
    x, y = numbers()
    path = str(tmp_path / "at-{epoch:02d}.weights")
    small_model().fit(
        x, y, epochs=2, verbose=0,
        callbacks=[keras.callbacks.ModelCheckpoint(path, save_weights_only=True)],
    )
    assert sorted(one.name for one in tmp_path.iterdir()) == ["at-01.weights", "at-02.weights"]


def test_a_schedule_sets_the_learning_rate_of_each_epoch():
    x, y = numbers()
    model = small_model(optimizer=keras.optimizers.SGD(1.0))
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(float(model.optimizer.lr))
    )
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr / 10)
    history = model.fit(x, y, epochs=3, verbose=0, callbacks=[halve, watch])
    assert seen == pytest.approx([0.1, 0.01, 0.001])
    assert history.history["learning_rate"] == pytest.approx([0.1, 0.01, 0.001])


def test_the_backend_changes_the_learning_rate_between_batches():
    K = keras.backend

    class Shrink(keras.callbacks.Callback):
        def on_batch_end(self, batch, logs=None):
            K.set_value(self.model.optimizer.lr, 0.5 * K.get_value(self.model.optimizer.lr))

    x, y = numbers()
    model = small_model(optimizer=keras.optimizers.SGD(0.08))
    model.fit(x, y, epochs=1, batch_size=32, verbose=0, callbacks=[Shrink()])
    assert float(model.optimizer.lr) == pytest.approx(0.01)
    model.optimizer.learning_rate.assign(0.5)
    assert float(model.optimizer.lr) == 0.5
    with pytest.raises(TypeError, match="learning rate"):
        K.set_value(0.5, 0.1)


def test_a_schedule_with_a_mistake_of_its_own_shows_the_mistake():
    x, y = numbers()

    def wrong(epoch, lr):
        return lr + "a little"

    with pytest.raises(TypeError, match="unsupported operand"):
        small_model().fit(
            x, y, verbose=0, callbacks=[keras.callbacks.LearningRateScheduler(wrong)]
        )


def test_a_callback_of_ones_own_is_told_of_what_it_defines():
    class Told(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.events = []

        def on_train_begin(self, logs=None):
            self.events.append(f"begin {self.params['epochs']}")

        def on_epoch_end(self, epoch, logs=None):
            assert logs["val_loss"] > 0
            self.events.append(f"epoch {epoch}")

        def on_train_batch_end(self, batch, logs=None):
            assert logs["loss"] > 0
            self.events.append(f"batch {batch}")

        def on_train_end(self, logs=None):
            self.events.append("end")

    x, y = numbers()
    told = Told()
    model = small_model()
    model.fit(x, y, epochs=1, batch_size=48, verbose=0, validation_data=(x, y), callbacks=[told])
    assert told.events == ["begin 1", "batch 0", "batch 1", "epoch 0", "end"]
    assert told.model is model


def test_a_callback_can_stop_the_training():
    class StopAt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                self.model.stop_training = True

    x, y = numbers()
    assert len(small_model().fit(x, y, epochs=9, verbose=0, callbacks=[StopAt()]).epoch) == 2


def test_an_error_in_a_callback_comes_out():
    class Failing(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            raise KeyError("mine")

    x, y = numbers()
    with pytest.raises(KeyError, match="mine"):
        small_model().fit(x, y, verbose=0, callbacks=[Failing()])


def test_fit_prints_a_line_for_each_epoch(capsys):
    x, y = numbers()
    small_model().fit(x, y, epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("Epoch 1/2") and "loss: " in lines[0]


# Files


def test_weights_are_saved_and_loaded(tmp_path):
    x, _ = numbers()
    model, other = small_model(), small_model()
    model.save_weights(str(tmp_path / "weights.h5"))
    other.load_weights(str(tmp_path / "weights.h5"))
    np.testing.assert_array_equal(model.predict(x), other.predict(x))


def test_weights_of_another_net_are_refused_by_name(tmp_path):
    small_model().save_weights(tmp_path / "weights")
    other = keras.models.Sequential([keras.layers.Dense(7, input_shape=[3]), keras.layers.Dense(1)])
    with pytest.raises(endo.EndoError, match="dense"):
        other.load_weights(tmp_path / "weights")


def test_training_goes_on_where_the_saved_model_was(tmp_path):
    x, y = numbers()
    model = small_model(optimizer="adam")
    model.fit(x, y, epochs=2, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    again = loaded.fit(x, y, epochs=2, verbose=0, shuffle=False).history["loss"]
    assert again == model.fit(x, y, epochs=2, verbose=0, shuffle=False).history["loss"]


def test_a_model_that_is_not_compiled_says_so():
    model = keras.models.Sequential([keras.layers.Dense(1, input_shape=[3])])
    with pytest.raises(RuntimeError, match="compile"):
        model.fit(*numbers())


def test_a_table_of_epochs_has_places_for_what_is_validated_later(tmp_path):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((4, 2), np.float32)
    y = np.ones((4, 1), np.float32)
    logger = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    model.fit(
        x, y, epochs=4, validation_data=(x, y), validation_freq=2, callbacks=[logger], verbose=0
    )
    header, *rows = (tmp_path / "log.csv").read_text().split()
    assert header == "epoch,loss,val_loss"
    assert [row.split(",")[2] == "NA" for row in rows] == [True, False, True, False]
