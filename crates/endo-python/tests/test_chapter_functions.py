"""`tf.function`: when Python runs, what is traced anew, variables and methods."""

import numpy as np
import pytest

import endo
from endo import keras, tf


def cube(x):
    return x**3


def test_a_function_computes_what_its_python_function_does():
    fast = tf.function(cube)
    assert cube(2) == 8
    assert float(fast(tf.constant(2.0))) == 8.0
    assert int(fast(2)) == 8
    assert fast.python_function(2) == 8
    assert fast.python_function is cube


def test_a_decorator_makes_a_function():
    @tf.function
    def doubled(x):
        """Twice."""
        return 2 * x

    assert doubled(tf.constant([1.0, 2.0])).numpy().tolist() == [2.0, 4.0]
    assert doubled.__name__ == "doubled" and doubled.__doc__ == "Twice."


def counted(**options):
    traced = []

    @tf.function(**options)
    def shrink(images):
        traced.append(tuple(images.shape))
        return images[:, ::2, ::2] * 0.5

    return shrink, traced


def test_a_function_is_traced_once_for_each_shape():
    shrink, traced = counted()
    for size in (10, 10, 4, 10):
        images = tf.random.uniform([size, 6, 6])
        assert shrink(images).shape == (size, 3, 3)
    assert traced == [(10, 6, 6), (4, 6, 6)]
    assert shrink.experimental_get_tracing_count() == 2


def test_a_function_is_traced_once_for_each_type():
    traced = []

    @tf.function
    def square(x):
        traced.append(x.dtype.name)
        return x * x

    square(tf.constant(2.0))
    square(tf.constant(2))
    square(tf.constant(3.0))
    square(tf.constant(2.0, dtype=tf.float64))
    assert traced == ["float32", "int32", "float64"]
    assert square(tf.constant(3)).dtype == tf.int32


def test_each_python_number_is_traced_by_itself():
    traced = []

    @tf.function
    def scaled(x, factor):
        traced.append(factor)
        return x * factor

    x = tf.constant(2.0)
    assert [float(scaled(x, factor)) for factor in (1, 2, 1, 2, 3)] == [2.0, 4.0, 2.0, 4.0, 6.0]
    assert traced == [1, 2, 3]


def test_true_and_one_are_not_the_same_argument():
    @tf.function
    def told(x, flag):
        return x + (10.0 if flag is True else 1.0)

    x = tf.constant(0.0)
    assert float(told(x, 1)) == 1.0
    assert float(told(x, True)) == 10.0


def test_arguments_with_names_are_tensors_and_numbers():
    @tf.function
    def line(x, slope=1.0, offset=0.0):
        return slope * x + offset

    assert float(line(tf.constant(2.0), slope=3.0, offset=tf.constant(1.0))) == 7.0
    assert float(line(x=tf.constant(2.0))) == 2.0


def test_structures_go_in_and_come_out():
    @tf.function
    def both(pair, names):
        return {"sum": pair[0] + pair[1], "rest": (names["a"], None)}

    found = both((tf.constant(1.0), tf.constant(2.0)), {"a": tf.constant(5.0)})
    assert float(found["sum"]) == 3.0
    assert float(found["rest"][0]) == 5.0 and found["rest"][1] is None


def test_a_signature_is_traced_for_what_it_lets_in():
    shrink, traced = counted(input_signature=[tf.TensorSpec([None, 6, 6], tf.float32)])
    shrink(tf.random.uniform([10, 6, 6]))
    shrink(tf.random.uniform([4, 6, 6]))
    with pytest.raises(ValueError, match=r"\[2, 2, 2\].*\[None, 6, 6\]"):
        shrink(tf.random.uniform([2, 2, 2]))
    with pytest.raises(TypeError, match="1 tensors"):
        shrink()


def test_prints_happen_while_it_is_traced(capsys):
    @tf.function
    def told(x):
        print("tracing")
        return x + 1.0

    for number in (1.0, 2.0, 3.0):
        told(tf.constant(number))
    assert capsys.readouterr().out == "tracing\n"


def test_random_numbers_of_the_library_are_drawn_in_each_run():
    @tf.function
    def drawn():
        return tf.random.uniform([2]), np.random.uniform()

    first, second = drawn(), drawn()
    assert (first[0].numpy() != second[0].numpy()).any()
    assert float(first[1]) == float(second[1])  # NumPy's was drawn while it was traced


def test_python_loops_are_unrolled():
    @tf.function
    def tenfold(x):
        for _ in range(10):
            x += 1
        return x

    assert int(tenfold(tf.constant(5))) == 15


def test_a_condition_on_a_tensor_is_refused_with_what_to_write():
    @tf.function
    def signed(x):
        if x > 0:
            return x
        return -x

    with pytest.raises(endo.UsageError, match=r"tf\.where"):
        signed(tf.constant(-2.0))


def test_cond_chooses_in_each_run():
    @tf.function
    def signed(x):
        return tf.cond(x > 0, lambda: x, lambda: -10.0 * x)

    assert float(signed(tf.constant(2.0))) == 2.0
    assert float(signed(tf.constant(-2.0))) == 20.0


# Variables


def test_a_variable_is_changed_in_each_run():
    counter = tf.Variable(0)

    @tf.function
    def increased(by=1):
        return counter.assign_add(by)

    increased()
    assert int(increased()) == 2
    assert int(counter) == 2
    assert int(increased(by=5)) == 7


def test_a_variable_is_an_argument():
    counter = tf.Variable(0)

    @tf.function
    def increased(variable, by=1):
        return variable.assign_add(by)

    increased(counter)
    increased(counter)
    assert int(counter) == 2


def test_a_method_is_a_function_with_variables_of_its_object():
    class Counter:
        def __init__(self):
            self.counter = tf.Variable(0)

        @tf.function
        def increased(self, by=1):
            return self.counter.assign_add(by)

    first, second = Counter(), Counter()
    first.increased()
    assert int(first.increased()) == 2
    assert int(second.increased(by=tf.constant(3))) == 3
    assert int(first.counter) == 2


def test_a_variable_made_once_is_kept():
    class Once:
        def __init__(self):
            self.made = None

        @tf.function
        def scaled(self, x):
            if self.made is None:
                self.made = tf.Variable(3.0)
            return self.made * x

    once = Once()
    assert [float(once.scaled(tf.constant(x))) for x in (1.0, 2.0)] == [3.0, 6.0]


def test_a_model_in_a_function_sees_new_weights():
    model = keras.models.Sequential([keras.layers.Dense(1, kernel_initializer="ones")])
    fast = tf.function(lambda x: model(x))
    x = np.ones((2, 3), np.float32)
    assert fast(x).numpy().tolist() == [[3.0], [3.0]]
    model.set_weights([np.full((3, 1), 2.0), np.ones(1)])
    assert fast(x).numpy().tolist() == [[7.0], [7.0]]


def test_functions_call_functions():
    @tf.function
    def inner(x):
        return x + 1.0

    @tf.function
    def outer(x):
        return inner(x) * inner(x)

    assert float(outer(tf.constant(2.0))) == 9.0


def test_a_gradient_is_taken_through_a_function():
    fast = tf.function(cube)
    v = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        value = fast(v)
    assert float(tape.gradient(value, v)) == 12.0


def test_a_gradient_is_taken_through_a_function_of_a_tensor():
    fast = tf.function(cube)
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = fast(x)
    assert tape.gradient(value, x).numpy().tolist() == [3.0, 12.0]


def test_gradients_are_taken_within_a_function():
    @tf.function
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = cube(x)
        return tape.gradient(value, x)

    assert float(slope(tf.constant(2.0))) == 12.0


def test_a_constraint_holds_in_a_step_that_is_a_function():
    model = keras.models.Sequential(
        [keras.layers.Dense(1, kernel_constraint=lambda w: tf.maximum(w, 0.5))]
    )
    optimizer = keras.optimizers.SGD(1.0)
    x = np.ones((4, 3), np.float32)
    model(x)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(x, training=True))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    step(x)
    assert model.layers[0].kernel.numpy().tolist() == [[0.5], [0.5], [0.5]]


def test_shapes_are_known_while_tracing():
    @tf.function
    def padded(x):
        rows = tf.shape(x)[0]
        return tf.concat([x, tf.zeros([rows, 1])], axis=1) / tf.cast(2 * rows, tf.float32)

    assert padded(tf.ones([2, 1])).numpy().tolist() == [[0.25, 0.0], [0.25, 0.0]]


# In models


def test_parts_of_a_model_are_python_while_it_is_compiled(capsys):
    def told_loss(y_true, y_pred):
        print("tracing the loss")
        return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)

    model = keras.models.Sequential([keras.layers.Dense(1, input_shape=[2])])
    model.compile(loss=told_loss, optimizer="sgd")
    x, y = np.ones((64, 2), np.float32), np.ones((64, 1), np.float32)
    model.fit(x, y, epochs=3, verbose=0)
    assert capsys.readouterr().out == "tracing the loss\n"


def test_run_eagerly_runs_python_in_each_step():
    seen = []

    def told_loss(y_true, y_pred):
        seen.append(float(tf.reduce_mean(y_pred)))
        return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)

    model = keras.models.Sequential([keras.layers.Dense(1, input_shape=[2])])
    model.compile(loss=told_loss, optimizer="sgd", run_eagerly=True)
    x, y = np.ones((64, 2), np.float32), np.ones((64, 1), np.float32)
    model.fit(x, y, epochs=3, verbose=0)
    assert len(seen) == 6 and len(set(seen)) == 6


def test_a_loss_that_returns_nothing_says_so():
    def forgetful(y_true, y_pred):
        tf.square(y_true - y_pred)

    model = keras.models.Sequential([keras.layers.Dense(1, input_shape=[2])])
    model.compile(loss=forgetful, optimizer="sgd")
    with pytest.raises(endo.UsageError, match="(?s)`forgetful` returned None.*return"):
        model.fit(np.ones((4, 2), np.float32), np.ones((4, 1), np.float32), verbose=0)


# Structures, shapes and objects


def test_the_names_of_arguments_belong_to_the_trace():
    @tf.function
    def difference(x, a=0.0, b=0.0):
        return x + a - b

    x, k = tf.constant(5.0), tf.constant(2.0)
    assert float(difference(x, a=k)) == 7.0
    assert float(difference(x, b=k)) == 3.0


def test_the_keys_of_dictionaries_belong_to_the_trace():
    @tf.function
    def signed(parts):
        return -parts["a"] if "a" in parts else parts["b"]

    x = tf.constant(5.0)
    assert float(signed({"a": x})) == -5.0
    assert float(signed({"b": x})) == 5.0


def test_lists_and_tuples_are_told_apart():
    @tf.function
    def kind(parts):
        return parts[0] * (1.0 if isinstance(parts, list) else 2.0)

    x = tf.constant(5.0)
    assert float(kind([x])) == 5.0
    assert float(kind((x,))) == 10.0


def test_each_shape_has_a_structure_of_outputs_of_its_own():
    @tf.function
    def halves(x):
        return (x, 2 * x) if x.shape[0] == 3 else {"one": x} if x.shape[0] == 2 else x

    three, two, one = (np.ones(rows, np.float32) for rows in (3, 2, 1))
    for _ in range(2):
        first, second = halves(three)
        assert second.numpy().tolist() == [2.0, 2.0, 2.0]
        assert halves(one).numpy().tolist() == [1.0]
        assert halves(two)["one"].shape == (2,)
        assert halves(np.ones(3, np.float64))[1].dtype == tf.float64


def test_a_method_may_call_that_of_its_parent():
    class Base:
        @tf.function
        def step(self, x):
            return x + 1.0

    class Twice(Base):
        @tf.function
        def step(self, x):
            return 2.0 * super().step(x)

    assert float(Twice().step(tf.constant(1.0))) == 4.0


def test_methods_of_objects_with_slots_are_functions():
    class Slots:
        __slots__ = ("factor",)

        def __init__(self, factor):
            self.factor = factor

        @tf.function
        def scaled(self, x):
            return self.factor * x

    assert [float(Slots(factor).scaled(tf.constant(1.0))) for factor in (2.0, 3.0)] == [2.0, 3.0]


def test_a_method_keeps_its_object_alive_only_while_it_is_held():
    import gc
    import weakref

    class Held:
        @tf.function
        def doubled(self, x):
            return 2.0 * x

    held = Held()
    assert float(held.doubled(tf.constant(1.0))) == 2.0
    assert held.doubled.experimental_get_tracing_count() == 1
    reference, method = weakref.ref(held), held.doubled
    del held
    assert float(method(tf.constant(2.0))) == 4.0
    del method
    gc.collect()
    assert reference() is None


def test_many_python_numbers_are_warned_of():
    @tf.function
    def scaled(x, factor):
        return factor * x

    with pytest.warns(UserWarning, match="give numbers that change as tensors"):
        for factor in range(9):
            scaled(tf.constant(1.0), factor)
