//! The shapes and types in which losses take targets and predictions.
//!
//! In: targets and predictions as given. Out: floats of one shape, class numbers that are safe to
//! pick by, means and sums over an axis; or an error that says what fits.

use crate::dtype::DType;
use crate::error::Error;
use crate::graph::{Node, Op, Tensor};
use crate::ops::view::seen_through;
use crate::shape::Shape;
use crate::simd::Reduction;
use crate::site::Site;

/// Targets and predictions as floats of one shape, as a loss function takes them; anything that
/// would broadcast to more values than either has is an error.
#[track_caller]
pub(super) fn same_shape(function: &str, y_true: &Tensor, y_pred: &Tensor) -> (Tensor, Tensor) {
    let help = if y_true.rank() != y_pred.rank() {
        "give both the same rank, for example with `expand_dims(-1)` on the targets: broadcasting \
            would compare each with all"
    } else {
        "the last layer must have as many units as the targets have columns"
    };
    same_shape_or(help, function, y_true, y_pred)
}

/// As [`same_shape`], for targets that give each class a probability.
#[track_caller]
pub(super) fn same_classes(function: &str, y_true: &Tensor, y_pred: &Tensor) -> (Tensor, Tensor) {
    let numbers = y_pred.rank() == y_true.rank() + 1
        || (y_true.rank() == y_pred.rank() && y_true.features() == 1);
    if numbers {
        let help = "give one-hot rows, `y_true.one_hot(classes)`; class numbers go to \
            `sparse_categorical_crossentropy`";
        return same_shape_or(help, function, y_true, y_pred);
    }
    same_shape(function, y_true, y_pred)
}

#[track_caller]
fn same_shape_or(help: &str, function: &str, y_true: &Tensor, y_pred: &Tensor) -> (Tensor, Tensor) {
    let site = Site::caller();
    let dtype = y_pred.dtype().promote(DType::F32);
    let (targets, predictions) = (y_true.convert(dtype, site), y_pred.convert(dtype, site));
    if y_true.shape() != y_pred.shape() {
        let message = format!(
            "`{function}` of targets {} and predictions {}: the shapes differ",
            y_true.shape(),
            y_pred.shape()
        );
        y_pred.trace().record(Error::shape(message, help).at(site));
        return (predictions.clone(), predictions);
    }
    (targets, predictions)
}

/// The number of each row's class, in the shape of `predictions` without the classes' axis (which
/// targets may have with size 1), as `i32`; and the predictions as floats. A number below 0 becomes
/// one that is too large, so that picking by it gives NaN.
#[track_caller]
pub(super) fn class_numbers(
    function: &str,
    y_true: &Tensor,
    y_pred: &Tensor,
    axis: isize,
) -> (Tensor, Tensor) {
    let site = Site::caller();
    let predictions = y_pred.convert(y_pred.dtype().promote(DType::F32), site);
    let refused = |error: Error, shape: Shape| {
        (y_pred.fail(error, shape, site).convert(DType::I32, site), predictions.clone())
    };
    let Some(position) = y_pred.shape().axis(axis) else {
        let message = format!(
            "`{function}` along axis {axis} of predictions {}, which have no such axis",
            y_pred.shape()
        );
        let help = "predictions are `[batch, classes]`, with the classes along the last axis \
            unless told otherwise";
        return refused(Error::shape(message, help), Shape::scalar());
    };
    let rows = y_pred.shape().without(&[position]);
    if *y_true.shape() != rows && *y_true.shape() != y_pred.shape().with(position, 1) {
        let message = format!(
            "`{function}` of targets {} and predictions {}",
            y_true.shape(),
            y_pred.shape()
        );
        let help = if y_true.shape() == y_pred.shape() {
            "targets are class numbers, `[batch]` or `[batch, 1]`; one-hot rows go to \
                `categorical_crossentropy`"
        } else {
            "give one class number for each row of predictions: targets `[batch]` or `[batch, \
                1]`, predictions `[batch, classes]`"
        };
        return refused(Error::shape(message, help), rows);
    }
    (not_negative(&y_true.reshape(rows), y_pred.shape()[position]), predictions)
}

/// Class numbers as `i32`, in which those below 0, which picking would count from the end, are out
/// of range.
#[track_caller]
pub(super) fn not_negative(labels: &Tensor, classes: usize) -> Tensor {
    let labels = labels.cast(DType::I32);
    labels.less(0).where_(classes as i32, &labels)
}

/// Warns when predictions that have to be probabilities come out of a matrix product without an
/// activation: they are clipped then, as in Keras, and nothing is learned where they are. Seen in
/// the trace, so a run pays nothing for it.
pub(crate) fn warn_of_linear(function: &str, activation: &str, y_pred: &Tensor) {
    let trace = y_pred.trace();
    let node = seen_through(trace, y_pred.id());
    let is_product = |node: &Node| matches!(node.op, Op::Matmul { .. });
    let with_bias = |node: &Node| match &node.op {
        Op::Elementwise(function) => {
            function.name == "add"
                && node.inputs.iter().any(|&input| is_product(&trace.node(input)))
        }
        _ => false,
    };
    if is_product(&node) || with_bias(&node) {
        trace.warn(format!(
            "`{function}` takes probabilities, and clips what is below 0 or above 1: its \
                predictions are a matrix product without \
             an activation. End with `{activation}`, or say `from_logits(true)`"
        ));
    }
}

/// The activation that made predictions, if it is one that makes probabilities.
fn probabilities_of(y_pred: &Tensor) -> Option<&'static str> {
    let trace = y_pred.trace();
    let called = |node: &Node| match &node.op {
        Op::Elementwise(function) => function.name,
        _ => "",
    };
    let node = seen_through(trace, y_pred.id());
    // A softmax is a quotient of exponentials and their sum.
    let is_softmax = || {
        let &[above, below] = node.inputs.as_slice() else { return false };
        let sum = seen_through(trace, below);
        called(&trace.node(above)) == "exp"
            && matches!(sum.op, Op::Reduce(Reduction::Sum, _))
            && sum.inputs == [above]
    };
    match called(&node) {
        "sigmoid" => Some("sigmoid"),
        "divide" if is_softmax() => Some("softmax"),
        _ => None,
    }
}

/// Warns of predictions that are probabilities where a loss takes log-odds: the activation would be
/// applied twice.
fn warn_of_probabilities(function: &str, y_pred: &Tensor) {
    if let Some(activation) = probabilities_of(y_pred) {
        y_pred.trace().warn(format!(
            "`{function}` takes log-odds, since it is said to be `from_logits`, and its \
                predictions are those of a `{activation}`: leave \
             the activation or `from_logits` out"
        ));
    }
}

/// Warns when predictions are not on the scale that `from_logits` says; `activation` is the one
/// that makes probabilities.
pub(super) fn warn_of_scale(function: &str, activation: &str, from_logits: bool, y_pred: &Tensor) {
    if from_logits {
        warn_of_probabilities(function, y_pred)
    } else {
        warn_of_linear(function, activation, y_pred)
    }
}

/// Warns of a softmax of one unit where a loss takes the probability of a label.
pub(super) fn warn_of_one_softmax(function: &str, y_pred: &Tensor) {
    if y_pred.rank() > 1 && y_pred.features() == 1 && probabilities_of(y_pred) == Some("softmax") {
        let warning = format!(
            "the predictions of `{function}` are a `softmax` of one unit, which is always 1: end \
                with `sigmoid`"
        );
        y_pred.trace().warn(warning);
    }
}

/// Targets in the rank of the predictions, as a compiled loss takes them: a last axis of size 1
/// that only one of them has is added to a vector, else dropped.
#[track_caller]
pub(crate) fn align(y_true: &Tensor, y_pred: &Tensor) -> (Tensor, Tensor) {
    match (y_true.rank(), y_pred.rank()) {
        (2, 1) if y_true.features() == 1 => (y_true.clone(), y_pred.expand_dims(-1)),
        (1, 2) if y_pred.features() == 1 => (y_true.expand_dims(-1), y_pred.clone()),
        (t, p) if t == p + 1 && y_true.features() == 1 => (y_true.squeeze(-1), y_pred.clone()),
        (t, p) if p == t + 1 && y_pred.features() == 1 => (y_true.clone(), y_pred.squeeze(-1)),
        _ => (y_true.clone(), y_pred.clone()),
    }
}

/// The mean over an axis; a scalar is its own mean.
#[track_caller]
pub(super) fn mean_over(values: &Tensor, axis: i32) -> Tensor {
    if values.rank() == 0 { values.clone() } else { values.mean_axes([axis as isize]) }
}

/// Targets moved towards `share` of 1 for each class, by `label_smoothing` (Szegedy et al. 2016,
/// section 7).
#[track_caller]
pub(super) fn smooth(y_true: &Tensor, label_smoothing: f64, share: f64) -> Tensor {
    if label_smoothing == 0.0 {
        y_true.clone()
    } else {
        y_true * (1.0 - label_smoothing) + label_smoothing * share
    }
}

/// Numbers from 0 on to a power: with a gradient of 0, not infinity, where they are 0 and the power
/// is below 1.
#[track_caller]
pub(super) fn power_from_zero(x: &Tensor, exponent: f64) -> Tensor {
    if exponent >= 1.0 && exponent == exponent.round() && exponent <= 4.0 {
        return x.powf(exponent);
    }
    let zero = x.less_equal(0.0);
    let at_zero = if exponent == 0.0 { 1.0 } else { 0.0 };
    zero.where_(at_zero, zero.where_(1.0, x).powf(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::trace::Function;

    #[test]
    fn powers_below_one_have_a_finite_gradient_at_zero() {
        let mut f = Function::new(|[x], cx| {
            let y = power_from_zero(&x, 0.5);
            let gradient =
                cx.gradients(&y.sum(), [&x]).into_tensors().remove(0).expect("it depends on x");
            [y, gradient, power_from_zero(&x, 0.0)]
        });
        assert!(f.run([&f32::NAN.into()]).unwrap()[0].get(0).is_nan());
        let [y, gradient, ones] = f.run([&[0.0_f32, 4.0].into()]).unwrap();
        assert_eq!(y, Array::from([0.0_f32, 2.0]));
        assert_eq!(gradient, Array::from([0.0_f32, 0.25]));
        assert_eq!(ones, Array::from([1.0_f32, 1.0]));
    }

    #[test]
    fn aligned_vectors_stay_one_value_per_sample() {
        let shapes = |y_true: Array, y_pred: Array| {
            let mut f = Function::new(|[y_true, y_pred], _cx| {
                let (y_true, y_pred) = align(&y_true, &y_pred);
                [y_true, y_pred]
            });
            f.run([&y_true, &y_pred]).unwrap().clone().map(|array| array.shape().to_vec())
        };
        let zeros = |sizes: &[usize]| Array::zeros(sizes.to_vec(), DType::F32);
        assert_eq!(shapes(zeros(&[3]), zeros(&[3, 1])), [[3, 1], [3, 1]]);
        assert_eq!(shapes(zeros(&[3, 1]), zeros(&[3])), [[3, 1], [3, 1]]);
        assert_eq!(shapes(zeros(&[3, 2]), zeros(&[3, 2, 1])), [[3, 2], [3, 2]]);
        assert_eq!(shapes(zeros(&[3]), zeros(&[3, 2])), [vec![3], vec![3, 2]]);
    }
}
