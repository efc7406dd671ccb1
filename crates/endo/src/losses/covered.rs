//! Missing labels: what a mask or a weight of 0 covers is left out by selection, before any
//! arithmetic.
//!
//! In: targets and predictions, sample weights and a mask. Out: the same without numbers that are
//! not finite where they are covered, so that neither a value nor a slope of 0 times NaN comes of
//! them. What is finite stays as it is, covered or not.

use crate::dtype::DType;
use crate::graph::Tensor;
use crate::named::Axes;
use crate::trace::Context;

use super::{Loss, Reduction, align};

/// The loss of a batch, as [`Loss::apply`], with a mask of the predictions besides that of the
/// loss, and the context that it may take.
#[track_caller]
pub(crate) fn value_of(
    loss: &(impl Loss + ?Sized),
    y_true: &Tensor,
    y_pred: &Tensor,
    sample_weight: Option<&Tensor>,
    mask: Option<&Tensor>,
    reduction: Reduction,
    mut cx: Option<&mut Context>,
) -> Tensor {
    let (y_true, y_pred) = align(y_true, y_pred);
    let axes = loss.hyperparameters().get::<Axes>("axis").unwrap_or(Axes::One(-1));
    let (y_true, y_pred) =
        without_covered(&y_true, &y_pred, counted(sample_weight, mask).as_ref(), axes.as_slice());
    let values = match &mut cx {
        Some(cx) => cx.beside_the_model(false, |cx| loss.call_in(&y_true, &y_pred, cx)),
        None => loss.call(&y_true, &y_pred),
    };
    let mask = match (mask, loss.mask(&y_true, &values)) {
        (Some(mask), Some(other)) => Some(both(mask, &other)),
        (mask, other) => mask.cloned().or(other),
    };
    reduction.apply_in(&values, sample_weight, mask.as_ref(), cx)
}

/// Which samples, or steps of samples, count: those where the mask holds and the weight is not 0.
/// `None` if there is neither.
#[track_caller]
pub(crate) fn counted(sample_weight: Option<&Tensor>, mask: Option<&Tensor>) -> Option<Tensor> {
    let [weight, mask] = [sample_weight, mask].map(|by| by.map(|by| leading(by).cast(DType::Bool)));
    match (weight, mask) {
        (Some(weight), Some(mask)) => Some(both(&weight, &mask)),
        (weight, mask) => weight.or(mask),
    }
}

/// Targets and predictions with 0 in place of what does not count and is not finite, where that is
/// told sample by sample, or step by step; the loss's values are taken over `axes` of the
/// predictions.
#[track_caller]
pub(crate) fn without_covered(
    y_true: &Tensor,
    y_pred: &Tensor,
    counted: Option<&Tensor>,
    axes: &[isize],
) -> (Tensor, Tensor) {
    let Some(counted) = counted else { return (y_true.clone(), y_pred.clone()) };
    // What counts number by number is for predictions whose values are not taken over any axis.
    let axes = if counted.rank() < y_pred.rank() { axes } else { &[] };
    let reduced: Vec<usize> = axes.iter().filter_map(|&axis| y_pred.shape().axis(axis)).collect();
    let safe = |x: &Tensor| {
        // Targets that are class numbers lack the axes that a value is taken over.
        let kept = (0..x.rank())
            .filter(|axis| x.rank() < y_pred.rank() || !reduced.contains(axis))
            .collect();
        match spread_along(counted, x, kept) {
            Some(counted) if x.dtype().is_float() => (counted | x.is_finite()).where_(x, 0.0),
            _ => x.clone(),
        }
    };
    (safe(y_true), safe(y_pred))
}

/// What counts, broadcast to a tensor whose axes it is for; `None` if it does not fit.
#[track_caller]
fn spread_along(counted: &Tensor, x: &Tensor, axes: Vec<usize>) -> Option<Tensor> {
    let mut sizes = vec![1; x.rank()];
    for (position, &size) in counted.shape().iter().enumerate() {
        let axis = *axes.get(position)?;
        sizes[axis] = size;
        if x.shape()[axis] != size {
            return None;
        }
    }
    Some(counted.reshape(sizes).broadcast_to(x.shape()))
}

/// The weights with which a metric takes in a batch of a model: the mask of the predictions times
/// the sample weights, if the metric is weighted. One that is not leaves out the samples without a
/// label, whose weight is 0 and whose target is not finite.
#[track_caller]
pub(crate) fn metric_weights(
    y_true: &Tensor,
    y_pred: &Tensor,
    sample_weight: Option<&Tensor>,
    mask: Option<&Tensor>,
    weighted: bool,
) -> Option<Tensor> {
    let weight =
        sample_weight.map(|weight| leading(weight).cast(y_pred.dtype().promote(DType::F32)));
    let weight =
        if weighted { weight } else { weight.and_then(|weight| labelled(y_true, &weight)) };
    let Some(mask) = mask.map(|mask| mask.cast(y_pred.dtype().promote(DType::F32))) else {
        return weight;
    };
    let Some(weight) = weight else { return Some(mask) };
    let (mask, weight) = same_rank(&mask, &weight);
    Some(mask * weight)
}

/// 1 for samples with a label, 0 for those with a weight of 0 and a target that is not finite;
/// `None` where all targets are.
#[track_caller]
fn labelled(y_true: &Tensor, weight: &Tensor) -> Option<Tensor> {
    let fits = weight.rank() <= y_true.rank()
        && weight.shape().sizes() == &y_true.shape()[..weight.rank()];
    if !fits || !y_true.dtype().is_float() {
        return None;
    }
    let others: Vec<isize> = (weight.rank()..y_true.rank()).map(|axis| axis as isize).collect();
    let finite = y_true.is_finite().all_of_axes(&others);
    Some((weight.cast(DType::Bool) | finite).cast(weight.dtype()))
}

/// Where both hold; the one of fewer axes is of the leading ones.
#[track_caller]
pub(crate) fn both(a: &Tensor, b: &Tensor) -> Tensor {
    let (a, b) = same_rank(a, b);
    a & b
}

/// The one of fewer axes with axes of size 1 after its own.
#[track_caller]
fn same_rank(a: &Tensor, b: &Tensor) -> (Tensor, Tensor) {
    let rank = a.rank().max(b.rank());
    (a.with_rank(rank), b.with_rank(rank))
}

/// Without a last axis of size 1, which stands for none.
#[track_caller]
fn leading(x: &Tensor) -> Tensor {
    if x.rank() > 1 && x.features() == 1 { x.squeeze(-1) } else { x.clone() }
}

#[cfg(test)]
mod tests {
    use super::super::{get, names};
    use super::*;
    use crate::array::Array;
    use crate::trace::Function;

    const NAN: f32 = f32::NAN;

    /// The sum of a loss, and its slope with respect to the predictions.
    fn with_slopes(
        loss: &dyn Loss,
        y_true: &Array,
        y_pred: &Array,
        weight: &Array,
        masked: bool,
    ) -> Vec<f64> {
        let mut f = Function::new(|[y_true, y_pred, weight], cx| {
            let (mask, weight) =
                if masked { (Some(weight.cast(DType::Bool)), None) } else { (None, Some(&weight)) };
            let value =
                value_of(loss, &y_true, &y_pred, weight, mask.as_ref(), Reduction::Sum, None);
            let slope = cx
                .gradients(&value, [&y_pred])
                .into_tensors()
                .remove(0)
                .expect("it depends on the predictions");
            [Tensor::concatenate(
                &[value.reshape([1]), slope.flatten().reshape([slope.shape().len()])],
                0,
            )]
        });
        f.run([y_true, y_pred, weight]).unwrap()[0].to_vec()
    }

    #[test]
    fn a_covered_row_has_no_value_and_no_slope_in_any_loss() {
        for name in names().filter(|&name| name != "dice" && name != "tversky") {
            let loss = get(name).unwrap();
            let (y_true, shape) = match name {
                "sparse_categorical_crossentropy" | "categorical_generalized_cross_entropy" => {
                    (Array::from([2.0_f32, 9.0, 1.0]), vec![3, 3])
                }
                "circle" => ([1.0_f32, 9.0, 1.0].into(), vec![3, 3]),
                "ctc" => ([[1, 2], [1, 1], [2, 0]].into(), vec![3, 4, 3]),
                _ => ([[0.0_f32, 0.0, 1.0], [9.0, 9.0, 9.0], [0.0, 1.0, 0.0]].into(), vec![3, 3]),
            };
            let marked = |x: &Array, mark: f32| {
                let row = x.len() / 3;
                Array::from_fn(x.shape().clone(), |index| {
                    if index / row == 1 { mark } else { x.get(index) as f32 }
                })
            };
            let y_pred =
                Array::from_fn(shape, |index| 0.1 + 0.8 * (0.7 * index as f32).sin().abs());
            for masked in [false, true] {
                let weight = Array::from([1.0_f32, 0.0, 1.0]);
                let of = |true_mark: f32, pred_mark: f32| {
                    let y_true =
                        if name == "ctc" { y_true.clone() } else { marked(&y_true, true_mark) };
                    with_slopes(&loss, &y_true, &marked(&y_pred, pred_mark), &weight, masked)
                };
                let expected = of(0.0, 0.0);
                assert!(expected.iter().all(|number| number.is_finite()), "{name}: {expected:?}");
                for (true_mark, pred_mark) in
                    [(NAN, 0.0), (f32::INFINITY, 0.0), (0.0, NAN), (NAN, f32::NEG_INFINITY)]
                {
                    // In a batch of circles the row of zeros is a sample to keep away from; of
                    // others nothing is left.
                    let compared = if name == "circle" { 1 } else { expected.len() };
                    let got = of(true_mark, pred_mark);
                    assert!(got.iter().all(|number| number.is_finite()), "{name}: {got:?}");
                    assert_eq!(
                        got[..compared],
                        expected[..compared],
                        "{name} with {true_mark} and {pred_mark}"
                    );
                }
                let row = y_pred.len() / 3;
                assert!(
                    name == "circle"
                        || expected[1 + row..1 + 2 * row].iter().all(|&slope| slope == 0.0),
                    "{name}: {expected:?}"
                );
            }
        }
    }

    #[test]
    fn what_counts_is_as_before_and_nan_in_it_is_nan() {
        let mut f = Function::new(|[y_true, y_pred, weight], _cx| {
            [value_of(
                &crate::losses::MeanSquaredError,
                &y_true,
                &y_pred,
                Some(&weight),
                None,
                Reduction::SumOverBatchSize,
                None,
            )]
        });
        let y_pred = Array::from([[1.0_f32], [2.0], [4.0]]);
        let mut of = |y_true: [f32; 3], weight: [f32; 3]| {
            f.run([&y_true.into(), &y_pred, &weight.into()]).unwrap()[0].item().unwrap()
        };
        assert_eq!(of([0.0, NAN, 1.0], [1.0, 0.0, 0.5]), f64::from(5.5_f32 / 3.0));
        assert_eq!(of([0.0, 7.0, 1.0], [1.0, 0.0, 0.5]), f64::from(5.5_f32 / 3.0));
        assert!(of([0.0, NAN, 1.0], [1.0, 0.25, 0.5]).is_nan());
    }

    #[test]
    fn steps_are_covered_one_by_one_whatever_the_axis_of_classes() {
        // Classes along axis 1, as many as steps: the weights are those of the steps.
        let loss = crate::losses::CategoricalCrossentropy.axis(1).from_logits(true);
        let y_true = Array::from([[[1.0_f32, NAN], [0.0, NAN]]]);
        let y_pred = Array::from([[[0.0_f32, 5.0], [0.0, NAN]]]);
        let got = with_slopes(&loss, &y_true, &y_pred, &[[1.0_f32, 0.0]].into(), false);
        assert!((got[0] - 2.0_f64.ln()).abs() < 1e-6, "{got:?}");
        assert_eq!(got[1..], [-0.5, 0.0, 0.5, 0.0]);
        // The same step is missing where its weight is not 0.
        assert!(with_slopes(&loss, &y_true, &y_pred, &[[0.0_f32, 1.0]].into(), false)[0].is_nan());
    }
}
