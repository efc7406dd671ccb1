"""`keras.ops`, `keras.random`, `keras.backend` and names of `tf` against NumPy."""

import numpy as np
import pytest

from endo import keras, tf

ops = keras.ops
RANDOM = np.random.default_rng(3)
A = RANDOM.normal(size=(3, 4)).astype(np.float32)
B = RANDOM.normal(size=(3, 4)).astype(np.float32)
P = np.abs(A) + 0.5
CUBE = RANDOM.normal(size=(2, 3, 4)).astype(np.float32)

# By name: the arguments of keras.ops, and what NumPy makes of them.
CASES = {
    "abs": ((A,), np.abs),
    "add": ((A, B), np.add),
    "all": ((A > 0, 1), np.all),
    "amax": ((A, 0), np.max),
    "any": ((A > 0, 1), np.any),
    "arange": ((2, 8, 2), np.arange),
    "argmax": ((A,), np.argmax),
    "argmin": ((A, 1), np.argmin),
    "argsort": ((A,), np.argsort),
    "average": ((A, 0, P), np.average),
    "ceil": ((A,), np.ceil),
    "clip": ((A, -0.5, 0.5), np.clip),
    "concatenate": (([A, B], 1), np.concatenate),
    "cosh": ((A,), np.cosh),
    "count_nonzero": ((A > 0, 1), np.count_nonzero),
    "cumprod": ((A, 1), np.cumprod),
    "cumsum": ((A,), np.cumsum),
    "diag": ((A[0],), np.diag),
    "dot": ((CUBE, A.T), np.dot),
    "exp2": ((A,), np.exp2),
    "expand_dims": ((A, 1), np.expand_dims),
    "eye": ((3, 4, 1), np.eye),
    "flip": ((A,), np.flip),
    "floor_divide": ((A, P), np.floor_divide),
    "full": ((2, 1.5), np.full),
    "hstack": (([A, B],), np.hstack),
    "inner": ((A, B), np.inner),
    "isclose": ((A, A + 1e-7), np.isclose),
    "isinf": ((np.array([1.0, np.inf, np.nan], np.float32),), np.isinf),
    "linspace": ((0.0, 1.0, 5), np.linspace),
    "log10": ((P,), np.log10),
    "log2": ((P,), np.log2),
    "logaddexp": ((A, B), np.logaddexp),
    "logical_xor": ((A > 0, B > 0), np.logical_xor),
    "matmul": ((A, B.T), np.matmul),
    "max": ((A, 1), np.max),
    "mean": ((A, (0, 1)), np.mean),
    "min": ((A,), np.min),
    "mod": ((A, P), np.mod),
    "moveaxis": ((CUBE, 0, -1), np.moveaxis),
    "nan_to_num": ((np.array([1.0, np.nan, -np.inf], np.float32),), np.nan_to_num),
    "norm": ((A, None, 1), np.linalg.norm),
    "outer": ((A[0], B[1]), np.outer),
    "pad": ((A, ((1, 0), (0, 2))), np.pad),
    "power": ((P, B), np.power),
    "prod": ((A, 1), np.prod),
    "ravel": ((A,), np.ravel),
    "reciprocal": ((P,), np.reciprocal),
    "repeat": ((A, 2, 1), np.repeat),
    "reshape": ((A, (2, -1)), np.reshape),
    "roll": ((A, 1, 1), np.roll),
    "sinh": ((A,), np.sinh),
    "sort": ((A, 0), np.sort),
    "square": ((A,), np.square),
    "squeeze": ((A[None], 0), np.squeeze),
    "stack": (([A, B], 1), np.stack),
    "std": ((A, 0), np.std),
    "sum": ((A, 1), np.sum),
    "swapaxes": ((CUBE, 0, 2), np.swapaxes),
    "take": ((A, [2, 0], 1), np.take),
    "take_along_axis": ((A, np.argsort(A, 1), 1), np.take_along_axis),
    "tan": ((A,), np.tan),
    "tensordot": ((CUBE, A, [[1], [0]]), np.tensordot),
    "tile": ((A, (2, 1)), np.tile),
    "transpose": ((CUBE,), np.transpose),
    "tril": ((A,), np.tril),
    "triu": ((A, 1), np.triu),
    "var": ((A,), np.var),
    "vdot": ((A, B), np.vdot),
    "vstack": (([A[0], B],), np.vstack),
    "where": ((A > 0, A, B), np.where),
}


@pytest.mark.parametrize("name", CASES)
def test_a_function_of_keras_ops_does_what_numpy_does(name):
    arguments, numpys = CASES[name]
    found = getattr(ops, name)(*arguments)
    np.testing.assert_allclose(np.asarray(found), numpys(*arguments), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_it_does_the_same_in_a_plan(name):
    arguments, _ = CASES[name]
    now = np.asarray(getattr(ops, name)(*arguments))
    planned = tf.function(lambda: tf.identity(getattr(ops, name)(*arguments)))()
    np.testing.assert_allclose(np.asarray(planned), now, rtol=2e-5, atol=1e-6)


def test_parts_are_cut_and_put_together():
    parts = ops.split(A, [1, 3], axis=1)
    assert [part.shape for part in parts] == [(3, 1), (3, 2), (3, 1)]
    assert [part.shape for part in ops.unstack(A, axis=1)] == [(3,)] * 4
    np.testing.assert_array_equal(ops.slice(A, [1, 1], [2, 2]), A[1:, 1:3])
    np.testing.assert_array_equal(tf.slice(A, [0, 2], [-1, 2]), A[:, 2:])
    for indexing in ("xy", "ij"):
        expected = np.meshgrid([1, 2], [3, 4, 5], indexing=indexing)
        found = ops.meshgrid(np.array([1, 2]), np.array([3, 4, 5]), indexing=indexing)
        for ours, theirs in zip(found, expected):
            np.testing.assert_array_equal(ours, theirs)
    sums = ops.segment_sum(A, np.array([0, 1, 0]), num_segments=2)
    np.testing.assert_allclose(sums, [A[0] + A[2], A[1]], rtol=1e-6)


def test_losses_of_keras_ops_are_of_elements_and_samples():
    y, p = np.array([[0.0, 1.0]], np.float32), np.array([[0.25, 0.75]], np.float32)
    found = ops.binary_crossentropy(y, p)
    np.testing.assert_allclose(found, [[-np.log(0.75)] * 2], rtol=1e-5)
    found = ops.binary_crossentropy(y, np.log(p / (1 - p)), from_logits=True)
    np.testing.assert_allclose(found, [[-np.log(0.75)] * 2], rtol=1e-5)
    np.testing.assert_allclose(ops.categorical_crossentropy(y, p), [-np.log(0.75)], rtol=1e-5)
    found = ops.sparse_categorical_crossentropy(np.array([1]), p)
    np.testing.assert_allclose(found, [-np.log(0.75)], rtol=1e-5)


def test_functions_of_keras_ops_are_part_of_models():
    inputs = keras.Input((4,))
    outputs = ops.concatenate([ops.log1p(ops.square(inputs)), ops.flip(inputs, 1)], axis=-1)
    found = keras.Model(inputs, ops.reshape(outputs, (-1, 2, 4))).predict(A)
    expected = np.concatenate([np.log1p(A**2), A[:, ::-1]], -1).reshape(-1, 2, 4)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_sums_and_products_leave_out_and_go_backwards():
    x = np.array([1.0, 2.0, 3.0], np.float32)
    for exclusive in (False, True):
        for reverse in (False, True):
            order = x[::-1] if reverse else x
            sums, products = np.cumsum(order), np.cumprod(order)
            if exclusive:
                sums, products = [0.0, *sums[:-1]], [1.0, *products[:-1]]
            if reverse:
                sums, products = sums[::-1], products[::-1]
            options = {"exclusive": exclusive, "reverse": reverse}
            np.testing.assert_allclose(tf.cumsum(x, **options), sums)
            np.testing.assert_allclose(tf.math.cumprod(x, **options), products)


def test_elements_are_put_in_order():
    x = np.array([[3.0, 1.0, 2.0]], np.float32)
    np.testing.assert_array_equal(tf.argsort(x), [[1, 2, 0]])
    np.testing.assert_array_equal(tf.argsort(x, direction="DESCENDING"), [[0, 2, 1]])
    np.testing.assert_array_equal(tf.reverse(x, [1]), x[:, ::-1])


def test_classes_are_drawn_by_their_probabilities():
    logits = np.log(np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 1e-30]], np.float32))
    tf.random.set_seed(0)
    drawn = tf.random.categorical(logits, 20_000).numpy()
    shares = np.stack([(drawn == place).mean(1) for place in range(3)], 1)
    np.testing.assert_allclose(shares, [[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]], atol=0.015)
    assert drawn.dtype == np.int32
    again = [keras.random.categorical(logits, 5, seed=3).numpy() for _ in range(2)]
    np.testing.assert_array_equal(*again)


def test_a_generator_of_seeds_gives_other_numbers_each_time():
    seeds = [keras.random.SeedGenerator(1), keras.random.SeedGenerator(1)]
    first, second = (
        [keras.random.normal((3,), seed=one).numpy() for _ in range(2)] for one in seeds
    )
    np.testing.assert_array_equal(first, second)
    assert (first[0] != first[1]).all()
    assert sorted(keras.random.shuffle(A, axis=1).numpy()[0]) == sorted(A[0])


def test_equations_are_solved_at_once_and_outside_of_tapes():
    matrix = A[:, :3] @ A[:, :3].T + np.eye(3, dtype=np.float32)
    right = B[:, :1]
    np.testing.assert_allclose(matrix @ tf.linalg.solve(matrix, right), right, atol=1e-4)
    lower = tf.linalg.cholesky(matrix).numpy()
    np.testing.assert_allclose(lower @ lower.T, matrix, rtol=1e-4, atol=1e-5)
    with tf.GradientTape():
        with pytest.raises(NotImplementedError, match="tf.linalg.solve has no gradient"):
            tf.linalg.solve(matrix, right)


def test_confusions_are_counted():
    found = tf.math.confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2], 3)
    np.testing.assert_array_equal(found, [[1, 0, 0], [0, 1, 1], [0, 0, 1]])


def test_structures_are_mapped():
    found = tf.nest.map_structure(lambda a, b: a + b, {"x": (1, 2)}, {"x": (10, 20)})
    assert found == {"x": (11, 22)} and tf.nest.flatten(found) == [11, 22]
    assert tf.nest.is_nested([1]) and not tf.nest.is_nested(1)


def test_older_programs_find_their_functions_in_the_backend():
    K = keras.backend
    one = K.variable(A)
    np.testing.assert_allclose(K.mean(K.square(one), axis=-1), (A**2).mean(-1), rtol=1e-5)
    np.testing.assert_array_equal(K.eval(K.permute_dimensions(one, (1, 0))), A.T)
    K.update_add(one, np.ones_like(A))
    np.testing.assert_allclose(K.get_value(one), A + 1)
    assert K.ndim(one) == 2 and K.count_params(one) == 12 and K.int_shape(one) == (3, 4)
    assert float(K.sum(K.cast(K.greater_equal(one, 0.0), "float32"))) == ((A + 1) >= 0).sum()
    assert K.in_train_phase(lambda: 1, lambda: 2) == 2 and K.epsilon() == 1e-7
    with pytest.raises(AttributeError, match="tf.GradientTape"):
        K.gradients


def test_elements_of_different_sizes_are_filled_up_in_batches():
    rows = [np.arange(size, dtype=np.int32) + 1 for size in (1, 3, 2)]
    data = tf.data.Dataset.from_generator(lambda: iter(rows), tf.int32)
    first, second = data.padded_batch(2).as_numpy_iterator()
    np.testing.assert_array_equal(first, [[1, 0, 0], [1, 2, 3]])
    np.testing.assert_array_equal(second, [[1, 2]])
    (whole,) = data.padded_batch(3, padded_shapes=[4], padding_values=-1).as_numpy_iterator()
    np.testing.assert_array_equal(whole, [[1, -1, -1, -1], [1, 2, 3, -1], [1, 2, -1, -1]])
    pairs = tf.data.Dataset.from_generator(
        lambda: ((row, row.sum()) for row in rows), (tf.int32, tf.int32)
    )
    for options in ({"padded_shapes": ([None], [])}, {}):
        rows_of, sums = next(iter(pairs.padded_batch(3, **options)))
        assert rows_of.shape == (3, 3) and sums.numpy().tolist() == [1, 6, 3]
    with pytest.raises(ValueError, match="size of 2, and an element has 3"):
        list(data.padded_batch(3, padded_shapes=[2]))


def test_data_is_split_in_two():
    left, right = keras.utils.split_dataset(np.arange(10), left_size=0.7)
    assert [int(one) for one in left] == list(range(7)) and len(right) == 3
    with pytest.raises(ValueError, match="neither size"):
        keras.utils.split_dataset(np.arange(10))


def test_a_variable_s_value_is_read_in_both_spellings():
    variable = tf.Variable([1.0, 2.0])
    for value in (variable.value, variable.value()):
        np.testing.assert_array_equal(value + 1.0, [2.0, 3.0])
        assert isinstance(value, tf.Tensor) and value.shape == (2,)

    @tf.function
    def doubled():
        return variable.value * 2.0 + variable.value()

    np.testing.assert_array_equal(doubled(), [3.0, 6.0])


def test_a_cast_in_a_plan_refuses_what_does_not_fit():
    whole = tf.function(lambda x: tf.cast(x, tf.int32))
    np.testing.assert_array_equal(whole(np.array([1.9, -2.9], np.float32)), [1, -2])
    assert whole(np.zeros((0,), np.float32)).shape == (0,)
    with pytest.raises(ValueError, match=r"does not fit(.|\n)*test_ops.py(.|\n)*tf.clip_by_value"):
        whole(np.array([3e9, 1.0], np.float32))
    with pytest.raises(ValueError, match="tf.clip_by_value"):
        tf.cast(3e9, tf.int32)


def test_models_are_written_and_read_by_keras_saving(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    keras.saving.save_model(model, tmp_path / "model.endo")
    again = keras.saving.load_model(tmp_path / "model.endo")
    np.testing.assert_array_equal(again.predict(A), model.predict(A))
    assert keras.saving.get_registered_name(dict) == "dict"


def test_a_training_goes_on_from_its_backup(tmp_path):
    class Stopped(Exception):
        pass

    class Stopping(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise Stopped

    y = A.sum(1, keepdims=True)

    def model():
        keras.utils.set_random_seed(4)
        made = keras.Sequential([keras.layers.Dense(3, activation="tanh"), keras.layers.Dense(1)])
        made.compile(keras.optimizers.Adam(0.01), "mse")
        return made

    options = {"epochs": 4, "batch_size": 2, "verbose": 0}
    whole = model()
    expected = whole.fit(A, y, **options).history["loss"]
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(Stopped):
        model().fit(A, y, callbacks=[backup, Stopping()], **options)
    assert (tmp_path / "backup" / "training.endo").exists()
    again = model()
    history = again.fit(A, y, callbacks=[backup], **options)
    assert history.epoch == [2, 3] and history.history["loss"] == expected[2:]
    for ours, theirs in zip(again.get_weights(), whole.get_weights()):
        np.testing.assert_array_equal(ours, theirs)
    assert not (tmp_path / "backup" / "training.endo").exists()


def test_checks_of_values_raise_outside_of_plans():
    tf.debugging.assert_near([1.0], [1.0 + 1e-8])
    tf.debugging.assert_greater([2.0], [1.0])
    for check in (
        lambda: tf.debugging.assert_equal([1], [2]),
        lambda: tf.debugging.assert_less([2.0], [1.0]),
        lambda: tf.debugging.assert_positive([0.0]),
        lambda: tf.debugging.check_numerics(np.array([np.nan]), "wrong"),
    ):
        with pytest.raises(ValueError, match="not|wrong"):
            check()
    with pytest.raises(NotImplementedError, match="assert_positive in a plan"):
        tf.function(lambda x: tf.debugging.assert_positive(x))(A)


def test_names_of_tensorflow_stand_for_those_of_keras():
    assert tf.zeros_initializer is keras.initializers.Zeros
    assert tf.losses is keras.losses and tf.keras is keras


@pytest.mark.parametrize(
    "module, name", [("nn", "conv2d"), ("math", "lgamma"), ("linalg", "svd"), ("random", "gamma")]
)
def test_a_name_of_a_module_of_tf_is_refused_with_help(module, name):
    with pytest.raises(AttributeError, match=rf"tf.{module}.{name} is not there\n  help: "):
        getattr(getattr(tf, module), name)


def test_parts_are_replaced_and_added_to_by_their_indices():
    at, rows = np.array([[2], [0]]), B[:2]
    expected = A.copy()
    expected[at[:, 0]] = rows
    np.testing.assert_array_equal(ops.scatter_update(A, at, rows), expected)
    places, values = np.array([[[0, 1], [2, 3]]]), np.array([[5.0, 7.0]], np.float32)
    expected = A.copy()
    expected[[0, 2], [1, 3]] = values
    np.testing.assert_array_equal(tf.tensor_scatter_nd_update(A, places, values), expected)
    twice = np.array([[1], [1]])
    expected = A.copy()
    expected[1] += rows[0] + rows[1]
    np.testing.assert_allclose(tf.tensor_scatter_nd_add(A, twice, rows), expected, rtol=1e-6)
    np.testing.assert_allclose(ops.scatter(twice, rows, (3, 4))[1], rows.sum(0), rtol=1e-6)
    with tf.GradientTape() as tape:
        x = tf.constant(A)
        tape.watch(x)
        loss = tf.reduce_sum(ops.scatter_update(x, at, rows) * B)
    expected = B.copy()
    expected[at[:, 0]] = 0.0
    np.testing.assert_array_equal(tape.gradient(loss, x), expected)
    with pytest.raises(ValueError, match="updates of shape"):
        ops.scatter_update(A, at, B)
    np.testing.assert_array_equal(ops.scatter_update(A, [[3], [-1]], rows), A)
    with pytest.raises(TypeError, match="would lose their fractions"):
        ops.scatter_update(np.zeros((3, 4), np.int32), at, rows)
