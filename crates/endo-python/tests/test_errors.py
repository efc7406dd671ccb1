"""Mistakes come out as Python's exceptions, with the user's line and what to do."""

import linecache
import re
import traceback

import numpy as np
import pytest

import endo
from endo import keras, tf
from small_models import X, Y, chain, model


# Kinds, layers, lines


def test_errors_are_also_python_s_own():
    assert issubclass(endo.ShapeError, ValueError) and issubclass(endo.ShapeError, endo.EndoError)
    assert issubclass(endo.DTypeError, TypeError)
    assert issubclass(endo.ArgumentError, ValueError)
    assert issubclass(endo.DataError, ValueError)


def test_a_wrong_shape_names_the_layer_and_the_user_s_line():
    def call(model, x):
        return model.dense(x) @ tf.ones((7, 2))  # the line

    with pytest.raises(endo.ShapeError) as caught:
        model(call).fit(X, Y, verbose=0)
    text = str(caught.value)
    file, line = re.search(r"at: (.*):(\d+)", text).groups()
    assert file == __file__ and "# the line" in linecache.getline(file, int(line))
    assert "layer: `model`" in text and "help: " in text


def test_another_number_of_features_names_the_layer():
    made = chain(keras.layers.Dense(2, name="hidden"))
    made.predict(X, verbose=0)
    with pytest.raises(endo.ShapeError, match="(?s)for 3 features, got 5.*layer: .*hidden"):
        made.predict(np.ones((3, 5)), verbose=0)


def test_a_number_that_is_not_finite_names_operation_layer_line_and_rows():
    def call(model, x):
        return model.dense(tf.math.log(x))  # the logarithm

    made = model(call)
    made.build((None, 3))
    before = made.get_weights()
    positive = np.abs(X) + 1
    positive[5] = -1
    with pytest.raises(endo.NotFiniteError) as caught:
        made.fit(positive, Y, batch_size=64, shuffle=False, verbose=0)
    text = str(caught.value)
    assert "`log`" in text and "row 5" in text and "layer: `model`" in text
    file, line = re.search(r"at: (.*):(\d+)", text).groups()
    assert "# the logarithm" in linecache.getline(file, int(line))
    assert all(np.array_equal(a, b) for a, b in zip(before, made.get_weights()))


def test_missing_numbers_in_data_name_their_place():
    x, y = X.copy(), Y.copy()
    x[5, 1] = y[6, 0] = np.nan
    with pytest.raises(endo.NotFiniteError, match=r"inputs\[5, 1\] is NaN"):
        chain().fit(x, Y, verbose=0)
    with pytest.raises(endo.NotFiniteError, match=r"targets\[6, 0\] is NaN"):
        chain().fit(X, y, verbose=0)


def test_advice_is_in_python_s_terms():
    with pytest.raises(endo.UsageError, match="in `build` if it needs the input's size"):
        model(lambda made, x: keras.layers.Dense(1)(x)).fit(X, Y, epochs=2, verbose=0)
    with pytest.raises(endo.ShapeError, match=r"tf\.expand_dims\(x, -1\)"):
        chain().fit(X[:, 0], Y, verbose=0)
    with pytest.raises(endo.UsageError, match=r"model\.build\(\(None, features\)\)"):
        chain().summary()


# Exceptions of the program


class Mine(Exception):
    pass


def raising(error):
    def function(*arguments, **options):
        raise error  # the user's line

    return function


def in_metric(error):
    class Metric(keras.metrics.Metric):
        update_state = raising(error)

        def result(self):
            return 0.0

    return Metric()


def in_result(error):
    class Metric(keras.metrics.Metric):
        def __init__(self):
            super().__init__()
            self.total = self.add_weight(name="total")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.total.assign_add(1.0)

        result = raising(error)

    return Metric()


def in_callback(error, event="on_epoch_end"):
    callback = keras.callbacks.Callback()
    setattr(callback, event, raising(error))
    return callback


def batches(error):
    yield X, Y
    raise error  # the user's line


def gradient(error):
    @tf.custom_gradient
    def function(x):
        return x * 1.0, raising(error)

    return function


FITS = {
    "call": lambda error: model(raising(error)).fit(X, Y, verbose=0),
    "predict": lambda error: model(raising(error)).predict(X, verbose=0),
    "called": lambda error: model(raising(error))(X),
    "loss": lambda error: chain(loss=raising(error)).fit(X, Y, verbose=0),
    "metric": lambda error: chain(metrics=[raising(error)]).fit(X, Y, verbose=0),
    "metric class": lambda error: chain(metrics=[in_metric(error)]).fit(X, Y, verbose=0),
    "metric result": lambda error: chain(metrics=[in_result(error)]).fit(X, Y, verbose=0),
    "callback": lambda error: chain().fit(X, Y, callbacks=[in_callback(error)], verbose=0),
    "batch callback": lambda error: chain().fit(
        X, Y, callbacks=[in_callback(error, "on_train_batch_end")], verbose=0
    ),
    "generator": lambda error: chain().fit(batches(error), verbose=0),
    "map": lambda error: chain().fit(
        tf.data.Dataset.from_tensor_slices((X, Y)).map(raising(error)).batch(8), verbose=0
    ),
    "initializer": lambda error: chain(
        keras.layers.Dense(1, kernel_initializer=raising(error))
    ).fit(X, Y, verbose=0),
    "regularizer": lambda error: chain(
        keras.layers.Dense(1, kernel_regularizer=raising(error))
    ).fit(X, Y, verbose=0),
    "constraint": lambda error: chain(
        keras.layers.Dense(1, kernel_constraint=raising(error))
    ).fit(X, Y, verbose=0),
    "activation": lambda error: chain(keras.layers.Dense(1, activation=raising(error))).fit(
        X, Y, verbose=0
    ),
    "gradient": lambda error: model(lambda made, x: gradient(error)(made.dense(x))).fit(
        X, Y, verbose=0
    ),
    "function": lambda error: tf.function(raising(error))(tf.constant(1.0)),
}


@pytest.mark.parametrize("where", FITS)
@pytest.mark.parametrize("kind", [Mine, KeyError, KeyboardInterrupt, SystemExit])
def test_an_exception_of_the_program_comes_out_unchanged(where, kind):
    error = kind("mine")
    with pytest.raises(kind) as caught:
        FITS[where](error)
    assert caught.value is error
    lines = [entry.line for entry in traceback.extract_tb(error.__traceback__)]
    assert any("# the user's line" in line for line in lines)
    # Nothing of it is left for the next call.
    chain().fit(X, Y, verbose=0)


def test_an_exception_in_a_gradient_comes_out_of_a_tape():
    error = Mine()
    variable = tf.Variable(1.0)
    with tf.GradientTape() as tape:
        value = gradient(error)(variable)
    with pytest.raises(Mine) as caught:
        tape.gradient(value, variable)
    assert caught.value is error


def test_a_gradient_of_another_number_or_shape_is_refused():
    def of(result):
        @tf.custom_gradient
        def function(x):
            return x * 1.0, lambda dy: result

        variable = tf.Variable([1.0, 2.0])
        with tf.GradientTape() as tape:
            value = function(variable)
        return tape.gradient(value, variable)

    with pytest.raises(endo.UsageError, match="2 gradients"):
        of((tf.ones(2), tf.ones(2)))
    with pytest.raises((endo.UsageError, endo.ShapeError), match="shape"):
        of(tf.ones(3))


# Numbers that are not known while tracing


def while_true(made, x):
    while x > 0:
        return x


def asserted(made, x):
    assert tf.reduce_all(x > 0)


KNOWN = {
    "if": lambda made, x: 1.0 if tf.reduce_sum(x) > 0 else 2.0,
    "while": while_true,
    "assert": asserted,
    "float": lambda made, x: float(tf.reduce_sum(x)),
    "int": lambda made, x: int(tf.reduce_sum(x)),
    "range": lambda made, x: range(tf.reduce_sum(tf.cast(x, "int32"))),
    "array": lambda made, x: np.array(x),
    "asarray": lambda made, x: np.asarray(x),
    "numpy": lambda made, x: x.numpy(),
    "item": lambda made, x: x.item(),
    "rows": lambda made, x: [float(tf.reduce_sum(row)) for row in x],
    "in": lambda made, x: 3.0 in x,
    "format": lambda made, x: f"{tf.reduce_sum(x):.3f}",
    "numpy function": lambda made, x: np.sqrt(x),
    "numpy sum": lambda made, x: np.sum(x),
    "numpy mean": lambda made, x: np.mean(x),
    "dlpack": lambda made, x: np.from_dlpack(x),
}


@pytest.mark.parametrize("what", KNOWN)
def test_numbers_of_a_traced_tensor_are_refused_with_what_to_write(what):
    reason = "(?s)while `call` or a function is traced.*help: .*tf"
    with pytest.raises(endo.UsageError, match=reason):
        model(KNOWN[what]).fit(X, Y, verbose=0)


def test_a_traced_tensor_is_no_buffer():
    with pytest.raises(BufferError, match="not known while"):
        model(lambda made, x: memoryview(x)).fit(X, Y, verbose=0)


# Wrong names and options


@pytest.mark.parametrize(
    ("make", "nearest"),
    [
        (lambda: chain(loss="msee"), "mse"),
        (lambda: chain(optimizer="adm"), "adam"),
        (lambda: chain(metrics=["acuracy"]), "accuracy"),
        (lambda: keras.layers.Dense(1, activation="relo"), "relu"),
        (lambda: keras.layers.Dense(1, kernel_initializer="he_norml"), "he_normal"),
        (lambda: keras.optimizers.SGD(lerning_rate=1), "learning_rate"),
        (lambda: keras.layers.Dense(1, activaton="relu"), "activation"),
        (lambda: keras.layers.Dens(1), "Dense"),
        (lambda: keras.losses.MeanSquareError(), "MeanSquaredError"),
        (lambda: keras.optimizers.adam(), "Adam"),
        (lambda: keras.metrics.Acuracy(), "Accuracy"),
        (lambda: keras.callbacks.EarlyStoping(), "EarlyStopping"),
        (lambda: keras.layer, "Layer"),
        (lambda: tf.redce_sum, "reduce_sum"),
        (lambda: chain().fit(X, Y, epoch=3), "epochs"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(make, nearest):
    with pytest.raises((ValueError, TypeError, AttributeError), match=f"did you mean `{nearest}`"):
        make()


@pytest.mark.parametrize("units", [-3, 0, "a", 2.5, None])
def test_wrong_units_are_refused_at_once(units):
    with pytest.raises(ValueError, match="units"):
        keras.layers.Dense(units)


@pytest.mark.parametrize(
    "option",
    [
        {"epochs": -1},
        {"epochs": "a"},
        {"epochs": 1.5},
        {"batch_size": 0},
        {"batch_size": -1},
        {"batch_size": 2.5},
        {"steps_per_epoch": 0},
        {"validation_freq": 0},
        {"initial_epoch": -1},
        {"class_weight": [1, 2]},
        {"class_weight": {"a": 1}},
    ],
    ids=str,
)
def test_wrong_options_of_fit_name_the_option(option):
    (name,) = option
    with pytest.raises(ValueError, match=f"{name}.*, got"):
        chain().fit(X, Y, verbose=0, **option)


def test_wrong_sizes_say_so():
    with pytest.raises(ValueError, match="are no shape"):
        tf.zeros((2, -1))
    with pytest.raises(ValueError, match="are no shape"):
        tf.random.normal((2**70, 3))
    with pytest.raises(ValueError, match="-1"):
        tf.reshape(tf.ones(6), [-1, -1])


# Wrong data


BAD = {
    "ragged": ([[1.0, 2.0], [3.0]], [1.0, 2.0], "different lengths"),
    "words": ([["a", "b"]], [1.0], "holds no numbers"),
    "text": ("abc", [1.0], "a text is no array"),
    "none": (None, Y, "`x` is None"),
    "number": (3, 4, "without axes"),
    "no rows": (np.zeros((0, 3)), np.zeros((0, 1)), "have no samples"),
    "empty": ([], [], "have no samples"),
    "lengths": (X, Y[:10], "have 64 samples, but the targets have 10"),
    "widths": (X, np.ones((64, 5)), r"the shapes differ"),
    "objects": (np.array([[1, "a"]], object), [1.0], "holds 'a', which is no number"),
    "complex": (X.astype(np.complex64), Y, "holds no numbers"),
    "dates": (X.astype("datetime64[s]"), Y, "holds no numbers"),
    "records": (np.zeros(4, [("a", "f"), ("b", "f")]), [1.0] * 4, "holds no numbers"),
    "function": (lambda: X, Y, "call it"),
    "no targets": (X, None, "there are none"),
    "two targets": (X, (Y, Y), "2 targets, and the model 1 outputs"),
    "infinite": (X * np.float64(1e300), Y, "is -?inf"),
}


@pytest.mark.parametrize("what", BAD)
def test_wrong_data_is_refused_with_a_reason(what):
    x, y, reason = BAD[what]
    with pytest.raises((ValueError, TypeError, endo.EndoError), match=reason):
        chain().fit(x, y, verbose=0)


def test_one_target_for_two_outputs_is_refused():
    made = model(lambda made, x: (made.dense(x), x))
    with pytest.raises(endo.UsageError, match="1 targets, and the model 2 outputs"):
        made.fit(X, Y, verbose=0)


def test_validation_data_of_four_parts_is_refused():
    with pytest.raises(ValueError, match="validation_data is"):
        chain().fit(X, Y, validation_data=(X, Y, None, None), verbose=0)


def test_no_row_is_refused_by_predict():
    made = chain()
    made.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match="samples along the first axis"):
        made.predict(np.zeros((0, 3)), verbose=0)


@pytest.mark.parametrize("batch", [3, (X, Y, None, None), None, "a", (X, "a")], ids=str)
def test_batches_that_are_none_are_refused(batch):
    with pytest.raises((ValueError, TypeError)):
        chain().fit((batch for _ in range(3)), verbose=0)


def test_a_callback_that_is_none_is_refused_and_one_alone_is_taken():
    with pytest.raises(TypeError, match="a callback is"):
        chain().fit(X, Y, callbacks=[3], verbose=0)
    chain().fit(X, Y, callbacks=keras.callbacks.EarlyStopping("loss"), verbose=0)


# Wrong order


def test_a_class_that_forgets_super_init_is_told():
    class Forgot(keras.Model):
        def __init__(self):
            self.dense = keras.layers.Dense(1)

    class ForgotToo(keras.layers.Layer):
        def __init__(self):
            self.units = 1

        def call(self, inputs):
            return inputs

    class ForgotLoss(keras.losses.Loss):
        def __init__(self):
            self.a = 1

    for make in (Forgot, lambda: ForgotToo()(X), lambda: chain(loss=ForgotLoss())):
        with pytest.raises(RuntimeError, match="super"):
            make()


def test_calls_in_the_wrong_order_are_told():
    with pytest.raises(RuntimeError, match="You must compile your model"):
        keras.Sequential([keras.layers.Dense(1)]).fit(X, Y)
    with pytest.raises(ValueError, match="no weights yet"):
        keras.Sequential([keras.layers.Dense(1)]).save("nowhere.keras")
    with pytest.raises(ValueError, match="returned None"):
        model(lambda made, x: None).fit(X, Y, verbose=0)
    assert keras.Sequential([keras.layers.Dense(1)]).predict(X, verbose=0).shape == (64, 1)


def test_a_model_is_compiled_anew():
    made = chain()
    made.fit(X, Y, verbose=0)
    made.compile("adam", "mae", metrics=["mse"])
    assert set(made.fit(X, Y, verbose=0).history) == {"loss", "mse"}


def test_compiling_in_a_callback_is_refused_and_the_model_stays_usable():
    made = chain()
    callback = keras.callbacks.Callback()
    callback.on_epoch_end = lambda epoch, logs: made.compile("adam", "mae")
    with pytest.raises(endo.UsageError, match="while it is compiled"):
        made.fit(X, Y, callbacks=[callback], verbose=0)
    made.fit(X, Y, verbose=0)


def test_what_calls_itself_ends_with_an_error():
    @tf.function
    def function(x):
        return function(x)

    with pytest.raises(RecursionError):
        function(tf.constant(1.0))
    with pytest.raises((endo.UsageError, RecursionError)):
        model(lambda made, x: made(x)).predict(X, verbose=0)
    with pytest.raises(RecursionError):
        model(lambda made, x: made.predict(X, verbose=0)).predict(X, verbose=0)


def test_a_tensor_kept_from_a_trace_is_refused_in_the_next():
    kept = []

    def call(made, x):
        if kept:
            x = x + kept[0]
        kept.append(made.dense(x))
        return kept[-1]

    made = model(call)
    made.predict(X, verbose=0)
    with pytest.raises(endo.UsageError, match="trace that has ended"):
        made.predict(X[:5], verbose=0)
