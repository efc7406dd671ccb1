"""Arguments do what they say, or are refused: misspelt ones, and what would change nothing."""

import inspect

import numpy as np
import pytest

import endo
from endo import keras, tf

X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def chain(*layers, **options):
    made = keras.Sequential(list(layers) or [keras.layers.Dense(1)])
    made.compile(**{"optimizer": "sgd", "loss": "mse", **options})
    return made


# Misspelt arguments

_MODULES = {
    "tf": tf,
    "tf.math": tf.math,
    "tf.nn": tf.nn,
    "tf.linalg": tf.linalg,
    "tf.random": tf.random,
    "tf.data": tf.data,
    **{
        f"keras.{name}": getattr(keras, name)
        for name in (
            "activations backend callbacks constraints initializers layers losses metrics models"
            " optimizers regularizers utils"
        ).split()
    },
}
# What is given besides, where something has to be.
_GIVEN = {
    "Activation": ("relu",),
    "Bidirectional": (keras.layers.LSTM(2),),
    "Constant": (1.0,),
    "Dot": (1,),
    "EinsumDense": ("ab,bc->ac", 2),
    "Lambda": (abs,),
    "RNN": (keras.layers.GRUCell(2),),
    "StackedRNNCells": ([keras.layers.GRUCell(2)],),
    "TimeDistributed": (keras.layers.Dense(2),),
    **dict.fromkeys(
        "add subtract multiply average maximum minimum concatenate dot".split(), ([X, X],)
    ),
}
# Classes that only the library makes, and what hands its options on to a function of the program.
_EXEMPT = (
    "Named NativeLayer NativeLoss NativeMetric Optimizer ShapeError MeanMetricWrapper plot_model"
    " TensorBoard layer_of CustomObjectScope custom_object_scope"
).split()


def _callables():
    for module_name, module in _MODULES.items():
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", "").startswith("endo")
            if name.startswith("_") or not callable(value) or not ours or name in _EXEMPT:
                continue
            yield f"{module_name}.{name}", value


def _takes_any(value):
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(one.kind is one.VAR_KEYWORD for one in parameters)


_PUBLIC = {name: value for name, value in _callables() if _takes_any(value)}


@pytest.mark.parametrize("name", _PUBLIC)
def test_a_misspelt_argument_is_refused(name):
    value, module = _PUBLIC[name], name.split(".")[1]
    given = _GIVEN.get(name.rsplit(".", 1)[-1], ())
    if inspect.isfunction(value) and module in ("losses", "metrics"):
        given = (Y, Y)
    if inspect.isfunction(value) and value.__module__.endswith("activations"):
        given = (X,)
    with pytest.raises((TypeError, ValueError, NotImplementedError), match="no_such_argument"):
        value(*given, no_such_argument=1)


_METHODS = {
    "fit": lambda wrong: chain().fit(X, Y, verbose=0, **wrong),
    "evaluate": lambda wrong: chain().evaluate(X, Y, **wrong),
    "predict": lambda wrong: chain().predict(X, **wrong),
    "train_on_batch": lambda wrong: chain().train_on_batch(X, Y, **wrong),
    "test_on_batch": lambda wrong: chain().test_on_batch(X, Y, **wrong),
    "compile": lambda wrong: chain().compile("sgd", "mse", **wrong),
    "summary": lambda wrong: chain().summary(**wrong),
    "save": lambda wrong: chain().save("never.endo", **wrong),
    "save_weights": lambda wrong: chain().save_weights("never.safetensors", **wrong),
    "load_weights": lambda wrong: chain().load_weights("never.safetensors", **wrong),
    "export": lambda wrong: chain().export("never.endo", **wrong),
    "Layer.add_weight": lambda wrong: keras.layers.Layer().add_weight("w", (2,), **wrong),
    "Layer.add_loss": lambda wrong: keras.layers.Layer().add_loss(tf.constant(1.0), **wrong),
    "Layer.add_metric": lambda wrong: keras.layers.Layer().add_metric(1.0, "one", **wrong),
    "Metric.add_weight": lambda wrong: keras.metrics.Metric().add_weight("total", **wrong),
    "apply_gradients": lambda wrong: keras.optimizers.SGD().apply_gradients([], **wrong),
    "Initializer()": lambda wrong: keras.initializers.HeNormal()((2, 2), **wrong),
    "Dataset.batch": lambda wrong: tf.data.Dataset.from_tensor_slices(X).batch(2, **wrong),
    "jacobian": lambda wrong: tf.GradientTape().jacobian(None, [], **wrong),
    "tf.function": lambda wrong: tf.function(abs, **wrong),
    "tf.print": lambda wrong: tf.print("text", **wrong),
    "tf.Variable": lambda wrong: tf.Variable(1.0, **wrong),
}


@pytest.mark.parametrize("name", _METHODS)
def test_a_misspelt_argument_of_a_method_is_refused(name):
    with pytest.raises(TypeError, match="no_such_argument"):
        _METHODS[name]({"no_such_argument": 1})


def test_a_misspelt_argument_is_told_the_name_that_is_there():
    with pytest.raises(TypeError, match="did you mean `sample_weight`"):
        chain().evaluate(X, Y, sample_weights=np.ones(8))


# Arguments that would change nothing


def test_callbacks_of_evaluate_and_predict_are_refused():
    for method in (chain().evaluate, chain().predict):
        with pytest.raises(NotImplementedError, match="calls no callbacks"):
            method(X, callbacks=[keras.callbacks.History()])


def test_vectors_are_normalized_with_the_epsilon_given():
    for normalize in (tf.math.l2_normalize, tf.nn.l2_normalize):
        assert normalize([3.0, 4.0], epsilon=100.0).numpy().tolist() == pytest.approx([0.3, 0.4])
        assert normalize([3.0, 4.0]).numpy().tolist() == pytest.approx([0.6, 0.8])


@pytest.mark.filterwarnings("ignore:.*does not depend")
def test_a_jacobian_of_what_is_not_connected_is_zero_where_asked():
    x, y = tf.Variable([1.0, 2.0]), tf.Variable([[3.0]])
    with tf.GradientTape(persistent=True) as tape:
        squares = x * x
    zeros = tape.jacobian(squares, y, unconnected_gradients="zero")
    assert zeros.shape == (2, 1, 1) and not zeros.numpy().any()
    assert tape.jacobian(squares, y) is None
    with pytest.raises(ValueError, match="'none' or 'zero'"):
        tape.jacobian(squares, y, unconnected_gradients="zeros")


def test_elements_of_a_generator_have_the_types_that_are_said():
    def pairs():
        yield [1, 2], 3

    make = tf.data.Dataset.from_generator
    types = make(pairs, output_types=(tf.float32, tf.int32))
    assert [one.dtype.name for one in next(iter(types))] == ["float32", "int32"]
    signature = (tf.TensorSpec((2,), tf.float64), tf.TensorSpec((), tf.float32))
    elements = make(pairs, output_signature=signature)
    assert [one.dtype.name for one in next(iter(elements))] == ["float64", "float32"]
    wrong = (tf.TensorSpec((3,), tf.float64), tf.TensorSpec((), tf.float32))
    with pytest.raises(ValueError, match=r"\[2\].*\[3\]"):
        next(iter(make(pairs, output_signature=wrong)))
    with pytest.raises(ValueError, match="2 parts"):
        next(iter(make(pairs, output_types=(tf.float32,))))


def test_a_total_of_a_metric_has_its_type():
    class Count(keras.metrics.Metric):
        def __init__(self):
            super().__init__()
            self.count = self.add_weight("count", dtype="int32")

    assert Count().count.dtype == tf.int32


def test_layers_of_the_library_are_of_float32():
    assert keras.layers.Dense(1, dtype="float32").dtype == "float32"
    with pytest.raises(NotImplementedError, match="float32"):
        keras.layers.Dense(1, dtype="float64")


def test_rows_are_shuffled_by_the_seed_given():
    rows = np.arange(20.0, dtype=np.float32)

    def shuffled(seed):
        tf.random.set_seed(1)
        return tf.random.shuffle(rows, seed=seed).numpy()

    first, again, other = shuffled(3), shuffled(3), shuffled(4)
    assert sorted(first) == rows.tolist() and (first != rows).any()
    assert (first == again).all() and (first != other).any()


def test_a_function_as_learning_rate_is_refused():
    with pytest.raises(NotImplementedError, match="schedule"):
        keras.optimizers.SGD(lambda: 0.1)


def test_the_shape_of_a_variable_is_checked():
    assert tf.Variable([1.0, 2.0], shape=(2,)).shape == (2,)
    assert tf.Variable([1.0, 2.0], shape=tf.TensorShape([None])).shape == (2,)
    with pytest.raises(endo.ShapeError, match=r"\[2\].*\[3\]"):
        tf.Variable([1.0, 2.0], shape=(3,))


def test_a_shape_that_is_set_is_checked():
    x = tf.zeros((2, 3))
    x.set_shape((None, 3))
    with pytest.raises(endo.ShapeError, match=r"\[2, 3\].*\[7, 7\]"):
        x.set_shape((7, 7))


def test_sequences_are_padded_before_or_after():
    for wrong in ({"padding": "both"}, {"truncating": "both"}):
        with pytest.raises(ValueError, match="'pre' or 'post'"):
            keras.utils.pad_sequences([[1], [2, 3]], **wrong)


# Weights of classes in a step


def test_a_step_weighs_classes_as_fit_does():
    y = np.eye(2, dtype=np.float32)[[0, 1, 1, 0, 1, 0, 0, 1]]
    keras.utils.set_random_seed(1)
    first = chain(keras.layers.Dense(2, "softmax"), loss="categorical_crossentropy")
    keras.utils.set_random_seed(1)
    second = chain(keras.layers.Dense(2, "softmax"), loss="categorical_crossentropy")
    weights = {0: 1.0, 1: 3.0}
    losses = first.fit(X, y, class_weight=weights, shuffle=False, verbose=0).history["loss"]
    assert second.train_on_batch(X, y, class_weight=weights) == pytest.approx(losses[0])
    assert second.get_weights()[0] == pytest.approx(first.get_weights()[0])


def test_a_step_may_lack_a_class_that_has_a_weight():
    model = chain(keras.layers.Dense(3, "softmax"), loss="sparse_categorical_crossentropy")
    assert model.train_on_batch(X, np.zeros(8, np.int32), class_weight={2: 5.0}) > 0


def test_a_step_takes_weights_of_classes_or_of_samples():
    model = chain(keras.layers.Dense(3, "softmax"), loss="sparse_categorical_crossentropy")
    with pytest.raises(endo.UsageError, match="give one of the two"):
        model.train_on_batch(X, np.zeros(8), sample_weight=np.ones(8), class_weight={0: 5.0})
