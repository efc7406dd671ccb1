"""Arrays of NumPy, and of the libraries around it, in and out."""

import array
import tracemalloc

import numpy as np
import pytest

import endo
from endo import keras, tf

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 3)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def model(loss="mse"):
    keras.utils.set_random_seed(1)
    made = keras.Sequential([keras.layers.Dense(1)])
    made.compile("sgd", loss)
    return made


@pytest.fixture(scope="module")
def trained():
    made = model()
    made.fit(X, Y, verbose=0)
    return made


# Out


def test_predictions_are_arrays_that_may_be_written_to(trained):
    predictions = trained.predict(X, verbose=0)
    assert isinstance(predictions, np.ndarray) and predictions.dtype == np.float32
    predictions[0] = 7.0
    assert predictions[0, 0] == 7.0 and trained.predict(X, verbose=0)[0, 0] != 7.0


def test_numpy_of_a_tensor_may_be_written_to_and_leaves_the_tensor_as_it_is():
    tensor = tf.constant([1.0, 2.0])
    numbers = tensor.numpy()
    numbers[0] = 9.0
    assert tensor.numpy().tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "values",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.arange(6.0).reshape(2, 3),
        np.arange(6, dtype=np.int32).reshape(3, 2),
        np.array([[True, False]]),
        np.float32(3.5),
        np.zeros((0, 3), np.float32),
        np.zeros((2, 0, 4)),
    ],
)
def test_asarray_of_a_tensor_has_its_numbers_shape_and_type(values):
    tensor = tf.constant(values)
    found = np.asarray(tensor)
    assert (found.dtype, found.shape) == (values.dtype, values.shape)
    assert np.array_equal(found, values) and np.array_equal(np.array(tensor), values)


def test_asarray_of_a_tensor_shares_its_numbers_and_is_only_read():
    tensor = tf.constant(np.ones(1_000_000, np.float32))
    tracemalloc.start()
    arrays = [np.asarray(tensor) for _ in range(20)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert len({one.__array_interface__["data"][0] for one in arrays}) == 1
    with pytest.raises(ValueError, match="read-only"):
        arrays[0][0] = 2.0
    copy = np.array(tensor)
    copy[0] = 2.0
    assert tensor.numpy()[0] == 1.0


def test_asarray_outlives_the_tensor():
    view = np.asarray(tf.constant(np.arange(1000.0)))
    for _ in range(100):
        tf.constant(np.zeros(1000))
    assert view.tolist() == list(range(1000))


def test_asarray_with_a_type_casts():
    assert np.asarray(tf.constant([1.5]), dtype=np.float64).dtype == np.float64
    assert np.asarray(tf.Variable([1.5]), dtype=np.int32).tolist() == [1]


def test_a_tensor_is_a_buffer_with_its_shape_and_type():
    view = memoryview(tf.constant([[1.0, 2.0], [3.0, 4.0]]))
    assert (view.format, view.shape, view.readonly) == ("f", (2, 2), True)
    assert view.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert memoryview(tf.constant([1, 2])).tolist() == [1, 2]
    assert memoryview(tf.constant([True, False])).tolist() == [True, False]
    assert memoryview(tf.constant(2.0)).tolist() == 2.0


def test_numpy_functions_of_known_tensors_give_arrays():
    tensor = tf.constant([1.0, 4.0])
    assert np.sqrt(tensor).tolist() == [1.0, 2.0]
    assert np.sum(tensor) == 5.0 and np.mean(tensor) == 2.5 and np.max(tensor) == 4.0
    assert np.concatenate([tensor, tensor]).shape == (4,)
    assert np.stack([tensor, tensor]).shape == (2, 2)
    assert np.allclose(tensor, [1.0, 4.0])
    total = np.zeros(2, np.float32)
    total += tensor
    assert total.tolist() == [1.0, 4.0]


def test_operators_of_an_array_and_a_tensor_give_tensors_with_gradients():
    with tf.GradientTape() as tape:
        variable = tf.Variable([1.0, 2.0])
        values = [
            np.float32([3.0, 3.0]) * variable,
            np.float64(2.0) * variable,
            [1.0, 1.0] - variable,
            np.ones((2, 2)) @ tf.reshape(variable, [2, 1]),
        ]
        assert all(isinstance(one, tf.Tensor) for one in values)
        total = tf.add_n([tf.reduce_sum(one) for one in values])
    assert tape.gradient(total, variable).numpy().tolist() == [6.0, 6.0]
    assert isinstance(np.float32([1.0]) < tf.constant([2.0]), tf.Tensor)


# In: NumPy


@pytest.mark.parametrize(
    "changed",
    [
        X.astype(np.float64),
        X.astype(np.longdouble),
        X.astype(">f4"),
        X.astype(">f8"),
        np.asfortranarray(X),
        np.repeat(X, 2, 0)[::2],
        np.repeat(X, 2, 1)[:, ::2],
        X[::-1].copy()[::-1],
        X[:, ::-1].copy()[:, ::-1],
        X.astype(object),
        X.tolist(),
        [tuple(row) for row in X.tolist()],
        np.ma.masked_array(X, mask=False),
        memoryview(X),
    ],
    ids=str,
)
def test_floats_of_any_layout_are_taken(trained, changed):
    found = trained.predict(changed, verbose=0)
    assert found.dtype == np.float32
    assert np.allclose(found, trained.predict(X, verbose=0), atol=1e-6)


def test_arrays_that_are_only_read_and_broadcast_ones_are_taken(trained):
    frozen = X.copy()
    frozen.flags.writeable = False
    assert trained.predict(frozen, verbose=0).shape == (64, 1)
    assert trained.predict(np.broadcast_to(np.float32(1.0), (5, 3)), verbose=0).shape == (5, 1)


def test_short_floats_are_taken(trained):
    found = trained.predict(X.astype(np.float16), verbose=0)
    assert np.allclose(found, trained.predict(X, verbose=0), atol=1e-2)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64", "uint64", "bool"])
def test_whole_numbers_and_truth_values_are_taken(trained, dtype):
    whole = np.ones((4, 3), dtype)
    assert np.array_equal(
        trained.predict(whole, verbose=0), trained.predict(whole.astype(np.float32), verbose=0)
    )
    assert model().fit(whole, np.ones(4, dtype), verbose=0).history["loss"]


def test_images_of_bytes_are_taken():
    images = RANDOM.integers(0, 256, (8, 6, 6, 1), dtype=np.uint8)
    keras.utils.set_random_seed(1)
    net = keras.Sequential(
        [
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(2, 3),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    net.compile("sgd", "sparse_categorical_crossentropy")
    net.fit(images, np.arange(8, dtype=np.int64) % 3, verbose=0)
    floats = net.predict(images.astype(np.float32), verbose=0)
    assert np.allclose(net.predict(images, verbose=0), floats, atol=1e-6)


def test_integers_beyond_32_bits_are_refused():
    for wide in (np.full((2, 3), 2**40), np.full((2, 3), 2**63, np.uint64)):
        with pytest.raises(ValueError, match="integers here have 32 bits"):
            model().predict(wide, verbose=0)


def test_double_targets_and_weights_are_cast_as_keras_does():
    made = model()
    weights = np.ones(64)
    made.fit(X.astype(np.float64), Y.astype(np.float64), sample_weight=weights, verbose=0)
    assert made.layers[0].kernel.dtype == "float32"


def test_a_masked_number_is_not_taken_for_a_number():
    with pytest.raises(ValueError, match="of a masked array are masked"):
        model().fit(np.ma.masked_array(X, mask=X > 1), Y, verbose=0)


def test_tensors_and_variables_are_taken(trained):
    expected = trained.predict(X, verbose=0)
    assert np.array_equal(trained.predict(tf.constant(X), verbose=0), expected)
    assert np.array_equal(trained.predict(tf.Variable(X), verbose=0), expected)
    model().fit(tf.constant(X), tf.Variable(Y), verbose=0)


def test_many_rows_are_predicted_as_few_are(trained):
    many = RANDOM.normal(size=(200_001, 3)).astype(np.float32)
    found = trained.predict(many, verbose=0)
    assert found.shape == (200_001, 1)
    assert np.array_equal(found[-5:], trained.predict(many[-5:], verbose=0))


# In: frames


def test_frames_and_series_of_pandas_are_taken(trained):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, index=range(100, 164))
    expected = trained.predict(X, verbose=0)
    assert np.array_equal(trained.predict(frame, verbose=0), expected)
    assert np.allclose(trained.predict(frame.astype(np.float64), verbose=0), expected)
    assert np.allclose(trained.predict(frame.convert_dtypes(), verbose=0), expected)
    model().fit(frame, pandas.Series(Y[:, 0], index=frame.index), verbose=0)
    mixed = pandas.DataFrame({"a": [1, 2], "b": [True, False], "c": [0.5, 0.25]})
    assert trained.predict(mixed, verbose=0).shape == (2, 1)


def test_words_and_missing_values_of_pandas_are_named():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match="the column `town` holds 'Rome'"):
        model().fit(pandas.DataFrame({"size": [1.0], "town": ["Rome"]}), [1.0], verbose=0)
    for missing in (np.nan, None, pandas.NA):
        frame = pandas.DataFrame({"a": [1.0, missing], "b": [3.0, 4.0]})
        for one in (frame, frame.convert_dtypes()):
            with pytest.raises(endo.NotFiniteError, match=r"inputs\[1, 0\] is NaN"):
                model().fit(one, [1.0, 2.0], verbose=0)


def test_frames_and_series_of_polars_are_taken(trained):
    polars = pytest.importorskip("polars")
    expected = trained.predict(X, verbose=0)
    assert np.array_equal(trained.predict(polars.DataFrame(X), verbose=0), expected)
    model().fit(polars.DataFrame(X), polars.Series(Y[:, 0]), verbose=0)
    with pytest.raises(TypeError, match=r"frame\.collect\(\)"):
        model().fit(polars.DataFrame(X).lazy(), Y, verbose=0)
    with pytest.raises(TypeError, match="the column `town` holds 'Rome'"):
        model().fit(polars.DataFrame({"town": ["Rome"], "size": [1.0]}), [1.0], verbose=0)
    with pytest.raises(endo.NotFiniteError, match=r"inputs\[1, 0\] is NaN"):
        frame = polars.DataFrame({"a": [1.0, None], "b": [3.0, 4.0]})
        model().fit(frame, [1.0, 2.0], verbose=0)


class Stream:
    """What gives its numbers by Arrow's C stream alone."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def test_tables_and_streams_of_arrow_are_taken(trained):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({name: X[:, at] for at, name in enumerate("abc")})
    expected = trained.predict(X, verbose=0)
    assert np.array_equal(trained.predict(table, verbose=0), expected)
    assert np.array_equal(trained.predict(Stream(table), verbose=0), expected)
    model().fit(table, pyarrow.array(Y[:, 0]), verbose=0)
    model().fit(table, pyarrow.chunked_array([Y[:30, 0], Y[30:, 0]]), verbose=0)


def test_columns_by_name_are_taken():
    pandas = pytest.importorskip("pandas")

    class ByName(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, inputs):
            return self.dense(tf.stack([inputs["a"], inputs["b"]], 1))

    made = ByName()
    made.compile("sgd", "mse")
    made.fit({"a": X[:, 0], "b": pandas.Series(X[:, 1])}, Y, verbose=0)
    assert made.predict({"a": X[:, 0], "b": X[:, 1].tolist()}, verbose=0).shape == (64, 1)


def test_arrays_of_the_standard_library_are_taken():
    model().fit(X, array.array("d", Y[:, 0]), verbose=0)


# DLPack


def test_numpy_takes_a_tensor_by_dlpack():
    tensor = tf.constant([[1.0, 2.0]])
    assert tensor.__dlpack_device__() == (1, 0)
    assert np.from_dlpack(tensor).tolist() == [[1.0, 2.0]]
    assert np.from_dlpack(tf.constant([1, 2])).tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        np.from_dlpack(tensor)[0] = 3.0


def test_a_library_that_knows_no_reading_only_gets_a_copy():
    class Old:
        def __init__(self, tensor):
            self.tensor = tensor

        def __dlpack__(self, **options):
            return self.tensor.__dlpack__()

        def __dlpack_device__(self):
            return self.tensor.__dlpack_device__()

    tensor = tf.constant([1.0, 2.0])
    copy = np.from_dlpack(Old(tensor))
    assert copy.tolist() == [1.0, 2.0]
    assert copy.__array_interface__["data"][0] != np.asarray(tensor).__array_interface__["data"][0]


def test_what_speaks_dlpack_alone_is_taken(trained):
    class Foreign:
        def __init__(self, numbers):
            self.numbers = numbers

        def __dlpack__(self, **options):
            return self.numbers.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.numbers.__dlpack_device__()

    found = trained.predict(Foreign(X), verbose=0)
    assert np.array_equal(found, trained.predict(X, verbose=0))


def test_arrays_of_jax_go_both_ways(trained):
    jax = pytest.importorskip("jax.numpy")
    expected = trained.predict(X, verbose=0)
    assert np.array_equal(trained.predict(jax.asarray(X), verbose=0), expected)
    short = trained.predict(jax.asarray(X, dtype=jax.bfloat16), verbose=0)
    assert np.allclose(short, expected, atol=0.1)
    model().fit(jax.asarray(X), jax.asarray(Y), verbose=0)
    for given in (tf.constant([1.0, 2.0]), tf.Variable([1.0, 2.0])):
        assert jax.from_dlpack(given).tolist() == [1.0, 2.0]
    found = tf.constant(jax.asarray([1.0, 2.0])) + jax.asarray([1.0, 1.0])
    assert found.numpy().tolist() == [2.0, 3.0]


def test_tensors_of_torch_go_both_ways(trained):
    torch = pytest.importorskip("torch")
    expected = trained.predict(X, verbose=0)
    assert np.array_equal(trained.predict(torch.from_numpy(X), verbose=0), expected)
    leaf = torch.from_numpy(X.copy()).requires_grad_()
    assert np.array_equal(trained.predict(leaf, verbose=0), expected)
    short = trained.predict(torch.from_numpy(X).bfloat16(), verbose=0)
    assert np.allclose(short, expected, atol=0.1)
    model().fit(torch.from_numpy(X), torch.from_numpy(Y), verbose=0)
    assert torch.from_dlpack(tf.constant([1.0, 2.0])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "kind, name",
    [
        ("float32", "float32"),
        ("float64", "float64"),
        ("float16", "float32"),
        ("bfloat16", "float32"),
        ("int32", "int32"),
        ("int64", "int32"),
        ("uint8", "int32"),
        ("bool", "bool"),
    ],
)
def test_a_tensor_of_torch_keeps_its_numbers(kind, name):
    torch = pytest.importorskip("torch")
    numbers = torch.tensor([[0, 1], [1, 0]], dtype=getattr(torch, kind))
    for given in (numbers, numbers.T, numbers[:, ::2], numbers[1:]):
        found = tf.constant(given)
        assert found.dtype == name and found.numpy().tolist() == given.tolist()


def test_torch_takes_tensors_and_variables_and_cannot_change_them():
    torch = pytest.importorskip("torch")
    tensor, variable = tf.constant([[1.0, 2.0]]), tf.Variable([3, 4])
    taken = [torch.from_dlpack(one) for one in (tensor, variable, variable.value, tensor * 2.0)]
    assert [one.tolist() for one in taken] == [[[1.0, 2.0]], [3, 4], [3, 4], [[2.0, 4.0]]]
    for one in taken:
        one += 1
    assert tensor.numpy().tolist() == [[1.0, 2.0]] and variable.numpy().tolist() == [3, 4]
    assert torch.asarray(tensor.numpy()).dtype == torch.float32

    @tf.function
    def inside(x):
        return torch.from_dlpack(x)

    with pytest.raises(endo.UsageError, match="traced"):
        inside(tensor)
