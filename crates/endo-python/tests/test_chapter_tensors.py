"""Tensors, variables and operations, as programs of the custom-training chapter use them."""

import numpy as np
import pytest

import endo
from endo import keras, tf

# Tensors


def test_a_constant_has_a_shape_and_a_type():
    heights = tf.constant([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]])
    assert heights.shape == (2, 3)
    assert heights.shape == tf.TensorShape([2, 3])
    assert heights.dtype == tf.float32
    assert list(heights.shape) == [2, 3]


def test_a_whole_number_makes_a_scalar_of_integers():
    answer = tf.constant(7)
    assert answer.shape == ()
    assert answer.dtype == tf.int32
    assert int(answer) == 7


def test_the_text_of_a_tensor_shows_shape_type_and_numbers():
    text = repr(tf.constant([[1.5, 2.0]]))
    assert text == "<tf.Tensor: shape=(1, 2), dtype=float32, numpy=[[1.5, 2. ]]>"


def test_indices_choose_columns_and_keep_axes():
    table = tf.constant([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]])
    assert table[:, 1:].numpy().tolist() == [[3.0, 5.0], [4.0, 6.0]]
    assert table[..., 0, tf.newaxis].numpy().tolist() == [[1.0], [2.0]]
    assert table[1, -1].numpy() == 6.0
    assert table[::-1].numpy().tolist() == [[2.0, 4.0, 6.0], [1.0, 3.0, 5.0]]


def test_operators_are_the_named_operations():
    table = tf.constant([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]])
    for by_operator, by_name in [
        (table + 7, tf.add(table, 7)),
        (7 - table, tf.subtract(7.0, table)),
        (table * 3.0, tf.multiply(table, 3.0)),
        (table / 2, tf.divide(table, 2)),
        (table**2, tf.square(table)),
        (table @ tf.transpose(table), tf.matmul(table, tf.transpose(table))),
    ]:
        np.testing.assert_array_equal(by_operator.numpy(), by_name.numpy())


def test_a_product_of_matrices_has_the_hand_computed_numbers():
    table = tf.constant([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]])
    assert (table @ tf.transpose(table)).numpy().tolist() == [[35.0, 44.0], [44.0, 56.0]]


def test_reductions_go_along_axes():
    table = tf.constant([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]])
    assert tf.reduce_mean(table).numpy() == 3.5
    assert tf.reduce_sum(table, axis=1).numpy().tolist() == [9.0, 12.0]
    assert tf.reduce_max(table, axis=0, keepdims=True).numpy().tolist() == [[2.0, 4.0, 6.0]]
    assert tf.math.reduce_std(tf.constant([1.0, 3.0])).numpy() == 1.0


def test_shapes_can_be_changed():
    row = tf.range(6)
    assert tf.reshape(row, [2, -1]).numpy().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert tf.squeeze(tf.constant([[[4.0]]])).shape == ()
    assert tf.tile(tf.constant([1, 2]), [2]).numpy().tolist() == [1, 2, 1, 2]
    assert tf.concat([[1.0], [2.0]], axis=0).numpy().tolist() == [1.0, 2.0]
    assert tf.stack([tf.constant(1), tf.constant(2)]).numpy().tolist() == [1, 2]


def test_functions_of_elements_agree_with_numpy():
    numbers = np.array([0.25, 1.0, 2.5], np.float32)
    tensor = tf.constant(numbers)
    for ours, numpys in [
        (tf.exp, np.exp),
        (tf.sqrt, np.sqrt),
        (tf.math.log, np.log),
        (tf.abs, np.abs),
        (tf.sign, np.sign),
        (tf.tanh, np.tanh),
    ]:
        np.testing.assert_allclose(ours(tensor).numpy(), numpys(numbers), rtol=1e-6)


def test_the_names_of_the_backend_are_those_of_tf():
    K = keras.backend
    table = tf.constant([[1.0, 3.0], [2.0, 4.0]])
    assert K.square(K.transpose(table)).numpy().tolist() == [[1.0, 4.0], [9.0, 16.0]]
    assert K.mean(table).numpy() == 2.5
    assert K.sum(K.abs(-table), axis=-1).numpy().tolist() == [4.0, 6.0]
    assert K.epsilon() == 1e-7
    assert K.floatx() == "float32"
    assert K.int_shape(table) == (2, 2)
    assert K.cast(table, "int32").dtype == tf.int32
    assert K.clip(table, 1.5, 3.5).numpy().tolist() == [[1.5, 3.0], [2.0, 3.5]]
    assert K.sigmoid(K.constant(0.0)).numpy() == 0.5
    assert K.get_value(K.exp(K.zeros_like(table))).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_print_shows_the_numbers(capsys):
    tf.print("row:", tf.constant([1.0, 2.5]), tf.Variable(3))
    assert capsys.readouterr().out == "row: [1.  2.5] 3\n"


# NumPy


def test_arrays_become_tensors_and_back():
    array = np.array([2.0, 4.0, 5.0])
    tensor = tf.constant(array)
    assert tensor.dtype == tf.float64
    assert tensor.numpy().dtype == np.float64
    assert np.array(tensor).tolist() == [2.0, 4.0, 5.0]


def test_operations_take_arrays_and_numpy_takes_tensors():
    array = np.array([2.0, 4.0, 5.0])
    tensor = tf.constant([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]])
    assert tf.square(array).numpy().tolist() == [4.0, 16.0, 25.0]
    assert np.square(tensor).tolist() == [[1.0, 9.0, 25.0], [4.0, 16.0, 36.0]]
    assert np.max(tensor) == 6.0


def test_an_array_beside_a_tensor_takes_its_type():
    total = np.array([1.0, 2.0]) + tf.constant([10.0, 20.0])
    assert isinstance(total, tf.Tensor)
    assert total.dtype == tf.float32
    assert total.numpy().tolist() == [11.0, 22.0]


# Types


def test_a_sum_of_two_types_has_the_wider_one():
    assert (tf.constant(2.0) + tf.constant(40.0, dtype=tf.float64)).dtype == tf.float64
    assert (tf.constant(2.0) + tf.constant(40)).dtype == tf.float32
    assert (tf.constant(True) + tf.constant(1)).dtype == tf.int32


def test_a_cast_keeps_the_sum_narrow():
    double = tf.constant(40.0, dtype=tf.float64)
    total = tf.constant(2.0) + tf.cast(double, tf.float32)
    assert total.numpy() == 42.0
    assert total.dtype == tf.float32


def test_plain_numbers_take_the_type_of_the_tensor():
    assert (tf.constant([1.5], tf.float64) * 2).dtype == tf.float64
    assert (1 + tf.constant([2])).dtype == tf.int32


def test_comparisons_give_truth_values():
    near = tf.abs(tf.constant([-3.0, 0.5])) < 1.0
    assert near.dtype == tf.bool
    assert near.numpy().tolist() == [False, True]
    assert tf.cast(near, tf.float32).numpy().tolist() == [0.0, 1.0]


# Variables


def test_a_variable_shows_its_name_and_numbers():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]], name="table")
    assert "table" in repr(v)
    assert "float32" in repr(v)
    assert v.shape == (2, 2)
    assert v.dtype == tf.float32
    assert v.trainable


def test_a_variable_is_assigned_as_a_whole():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    v.assign(3 * v)
    assert v.numpy().tolist() == [[3.0, 6.0], [9.0, 12.0]]
    v.assign_add(tf.ones_like(v))
    assert v.numpy().tolist() == [[4.0, 7.0], [10.0, 13.0]]
    v.assign_sub([[4.0, 7.0], [0.0, 0.0]])
    assert v.numpy().tolist() == [[0.0, 0.0], [10.0, 13.0]]


def test_what_numpy_took_from_a_variable_stays_as_it_was():
    v = tf.Variable([1.0, 2.0])
    before = v.numpy()
    v.assign([8.0, 9.0])
    assert before.tolist() == [1.0, 2.0]


def test_a_variable_takes_part_in_operations():
    v = tf.Variable([1.0, 2.0])
    assert (v * 2.0 + 1.0).numpy().tolist() == [3.0, 5.0]
    assert (1.0 - v).numpy().tolist() == [0.0, -1.0]
    assert v[1].numpy() == 2.0
    assert tf.reduce_sum(v).numpy() == 3.0


def test_a_slice_of_a_variable_is_refused_with_what_to_write_instead():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    for attempt in [
        lambda: v[0, 1].assign(9.0),
        lambda: v[:, 1].assign([9.0, 9.0]),
        lambda: v.scatter_nd_update([[0, 0]], [9.0]),
        lambda: v.scatter_update(None),
        lambda: v[0, 1].assign_add(1.0),
    ]:
        with pytest.raises(AttributeError, match=r"(?s)assign.*tf\.where"):
            attempt()
    with pytest.raises(TypeError, match=r"(?s)assign.*tf\.where"):
        v[0, 1] = 9.0


def test_what_to_write_instead_of_a_slice_works():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    chosen = tf.constant([[False, True], [False, False]])
    v.assign(tf.where(chosen, 9.0, v))
    assert v.numpy().tolist() == [[1.0, 9.0], [3.0, 4.0]]


def test_a_variable_keeps_its_shape():
    v = tf.Variable([1.0, 2.0])
    with pytest.raises(ValueError) as error:
        v.assign([1.0, 2.0, 3.0])
    assert "[2]" in str(error.value) and "[3]" in str(error.value)


def test_a_variable_of_integers_is_given_no_fractions():
    v = tf.Variable([1, 2])
    for attempt in (lambda: v.assign([1.5, 2.5]), lambda: v.assign_add(0.5)):
        with pytest.raises(endo.DTypeError, match=r"tf\.cast"):
            attempt()
    assert v.assign(tf.cast([1.5, 2.5], tf.int32)).numpy().tolist() == [1, 2]
    assert tf.Variable([1.0, 2.0]).assign_add([1, 2]).numpy().tolist() == [2.0, 4.0]


def test_the_elements_of_a_tensor_are_not_set():
    tensor = tf.constant([1.0, 2.0])
    with pytest.raises(TypeError, match=r"tf\.where"):
        tensor[0] = 5.0


# What is not there


@pytest.mark.parametrize(
    "name", ["strings", "string", "ragged", "sparse", "SparseTensor", "RaggedTensor", "sets",
             "queue", "TensorArray", "lookup"]
)
def test_what_is_not_there_says_what_to_use(name):
    with pytest.raises(AttributeError, match=rf"tf\.{name} is not there\n  help: \w+"):
        getattr(tf, name)


def test_a_text_is_no_tensor():
    for text in ["caf\u00e9", b"hello", ["tea", "milk"], np.array(["tea"])]:
        with pytest.raises((NotImplementedError, TypeError), match="numbers"):
            tf.constant(text)


def test_rows_of_different_lengths_are_no_tensor():
    with pytest.raises(ValueError, match="pad_sequences"):
        tf.constant([[1.0, 2.0], [3.0]])


def test_an_unknown_name_says_where_to_look():
    with pytest.raises(AttributeError, match=r"dir\(tf\)"):
        tf.no_such_operation


def test_errors_are_of_python_and_of_endo():
    with pytest.raises(endo.ShapeError) as error:
        tf.constant([1.0, 2.0]) + tf.constant([1.0, 2.0, 3.0])
    assert isinstance(error.value, ValueError) and isinstance(error.value, endo.EndoError)


def test_powers_of_integers_are_exact():
    assert int(tf.constant(5001) ** 2) == 25010001
    assert (tf.constant([3, -2]) ** 5).numpy().tolist() == [243, -32]
    assert int(tf.constant(7) ** 0) == 1


def test_a_number_that_does_not_fit_into_an_integer_is_refused():
    for number in (3e9, [1.0, -3e9]):
        with pytest.raises(ValueError, match="does not fit"):
            tf.cast(number, tf.int64)
        with pytest.raises(ValueError, match="does not fit"):
            tf.constant(number, tf.int32)
    assert int(tf.cast(2147483647.0 - 127.0, tf.int32)) == 2147483520
    assert int(tf.cast(-2147483648.0, tf.int32)) == -2147483648


def test_the_mean_of_integers_is_an_integer():
    assert int(tf.reduce_mean([1, 2])) == 1 and tf.reduce_mean([1, 2]).dtype == tf.int32
    assert int(tf.reduce_mean([-1, -2])) == -1
    assert float(tf.reduce_mean([1.0, 2.0])) == 1.5


def test_zeros_clipped_to_a_norm_of_zero_are_zeros():
    assert tf.clip_by_norm(tf.zeros([2]), 0.0).numpy().tolist() == [0.0, 0.0]
    assert tf.clip_by_norm(tf.constant([3.0, 4.0]), 1.0).numpy() == pytest.approx([0.6, 0.8])
