//! Connectionist temporal classification: sequences of labels against longer sequences of
//! predictions, wherever they align.
//!
//! In: labels `[batch, labels]`, filled up with 0, and logits `[batch, steps, classes]`, of which
//! class 0 is the blank. Out: `[batch]`. The recursion over steps is part of the trace, which so
//! grows with their number.

use crate::dtype::DType;
use crate::error::Error;
use crate::graph::Tensor;
use crate::named::family;
use crate::site::Site;

use super::Loss;
use super::shapes::not_negative;

/// Far below every logarithm of a probability, in place of minus infinity, whose gradients would be
/// NaN.
const LOWEST: f64 = -1e30;

/// The class of the blank, and of what fills up short rows of labels.
const BLANK: i32 = 0;

/// `-log` of the probability of all alignments of a row of labels with the steps: each step gives a
/// class by its softmax, repeated classes count once, blanks separate repeated labels and are then
/// left out (Graves et al. 2006, equations 5 to 8, in logarithms). `[batch]` from labels
/// `[batch, labels]`, class numbers from 1 on filled up with 0, and logits
/// `[batch, steps, classes]`. The loss is infinite where the steps are too few for the labels and
/// the blanks between repeated ones, and NaN for a label out of range: both stop training with an
/// error.
#[track_caller]
pub fn ctc(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let site = Site::caller();
    let fits = y_true.rank() == 2 && y_pred.rank() == 3 && y_true.batch() == y_pred.batch();
    if !fits || y_true.features() == 0 || y_pred.shape().contains(&0) {
        let message = format!("`ctc` of labels {} and logits {}", y_true.shape(), y_pred.shape());
        let help =
            "labels are `[batch, labels]`, filled up with 0, and logits `[batch, steps, classes]`";
        return y_pred.fail(Error::shape(message, help), [y_pred.batch()], site);
    }
    let x = y_pred.convert(y_pred.dtype().promote(DType::F32), site);
    let [batch, steps, classes] = [0, 1, 2].map(|axis| x.shape()[axis]);
    let labels = not_negative(y_true, classes);
    // Blanks around every label: blank, a, blank, b, blank.
    let path = Tensor::stack(&[labels.zeros_like(), labels.clone()], -1)
        .reshape([batch, 2 * y_true.features()]);
    let path = path.pad(&[(0, 0), (0, 1)], BLANK.into());
    let width = path.features();
    let position = x.trace().constant_from_fn([width], |position| position as i32, site);
    // The blank between two labels may be left out, unless they are equal.
    let may_skip = path.not_equal(BLANK)
        & path.not_equal(path.pad(&[(0, 0), (2, 0)], BLANK.into()).slice(-1, ..width));

    let chosen = x.take_along_axis(&path.expand_dims(1).broadcast_to([batch, steps, width]), -1);
    let emitted = steps_of(&(chosen - x.logsumexp_axes([-1]).expand_dims(-1)));
    let mut forward = position.less(2).where_(&emitted[0], LOWEST);
    for emitted in &emitted[1..] {
        let before = forward.pad(&[(0, 0), (2, 0)], LOWEST);
        let stay = before.slice(-1, 2..);
        let next = before.slice(-1, 1..width + 1);
        let skip = may_skip.where_(before.slice(-1, ..width), LOWEST);
        forward = log_sum(&[stay, next, skip]) + emitted;
    }
    let end = 2 * labels.not_equal(BLANK).cast(DType::I32).sum_axes([-1]).expand_dims(-1);
    let at_end = position.equal(&end) | position.equal(end - 1);
    let total = at_end.where_(forward, LOWEST).logsumexp_axes([-1]);
    total.less(LOWEST / 2.0).where_(f64::INFINITY, -total)
}

/// The parts `[batch, width]` of each step of `[batch, steps, width]`. By halves, so that the
/// gradient, which puts each part back among zeros, costs steps times their logarithm and not their
/// square.
fn steps_of(x: &Tensor) -> Vec<Tensor> {
    let steps = x.shape()[1];
    if steps == 1 {
        return vec![x.squeeze(1)];
    }
    let (first, second) = (x.slice(1, ..steps / 2), x.slice(1, steps / 2..));
    [steps_of(&first), steps_of(&second)].concat()
}

/// `log(sum of e^x)` of tensors, element by element, without overflow.
fn log_sum(terms: &[Tensor; 3]) -> Tensor {
    let [a, b, c] = terms;
    let largest = a.maximum(b).maximum(c).stop_gradient();
    let [a, b, c] = terms.each_ref().map(|term| (term - &largest).exp());
    (a + b + c).log() + largest
}

family! { Loss: call(self, y_true: &Tensor, y_pred: &Tensor) -> Tensor;
    /// [`ctc`] as a loss: for speech and handwriting, where labels are known in their order but not
    /// in time.
    ///
    /// ```
    /// use endo::{losses::Ctc, prelude::*};
    /// // Two steps of three equal classes: (1, 1), (0, 1) and (1, 0) are the label 1.
    /// let mut f = Function::new(|[y, logits], _cx| [Ctc.call(&y, &logits)]);
    /// let [loss] = f.run([&[[1]].into(), &[[[0.0_f32; 3]; 2]].into()])?;
    /// assert!((loss.get(0) - (9.0_f64 / 3.0).ln()).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    Ctc ["ctc"] {} => ctc(y_true, y_pred);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_near, slopes, values};
    use super::*;

    #[test]
    fn all_alignments_count() {
        // Three steps, classes blank, 1, 2; the label (1, 2): 112, 122, 012, 102, 120.
        let p = [[0.5_f32, 0.3, 0.2], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]].map(|row| row.map(f32::ln));
        let paths = [[1, 1, 2], [1, 2, 2], [0, 1, 2], [1, 0, 2], [1, 2, 0]];
        let of_path =
            |path: [usize; 3]| (0..3).map(|step| f64::from(p[step][path[step]])).sum::<f64>().exp();
        let total: f64 = paths.into_iter().map(of_path).sum();
        assert_near(&values(Ctc, [[1, 2]], [p]).unwrap(), &[-total.ln()]);
        assert_near(&values(Ctc, [[1, 2, 0]], [p]).unwrap(), &[-total.ln()]);
        assert_near(&values(Ctc, [[0.0_f32, 0.0]], [p]).unwrap(), &[-(0.5_f64 * 0.1 * 0.2).ln()]);
    }

    #[test]
    fn repeated_labels_need_a_blank_between_them() {
        let logits = [[[0.0_f32, 0.0]; 3]];
        assert_near(&values(Ctc, [[1, 1]], logits).unwrap(), &[8.0_f64.ln()]);
        assert_eq!(values(Ctc, [[1, 1]], [[[0.0_f32, 0.0]; 2]]).unwrap(), [f64::INFINITY]);
        assert!(slopes(Ctc, [[1, 1]], logits).iter().all(|slope| slope.is_finite()));
    }

    #[test]
    fn labels_out_of_range_are_nan() {
        for label in [-1, 2] {
            assert!(values(Ctc, [[label]], [[[0.0_f32, 0.0]]]).unwrap()[0].is_nan());
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let error = values(Ctc, [1], [[[0.0_f32, 0.0]]]).unwrap_err();
        error.reads("`ctc` of labels [1] and logits [1, 1, 2]");
    }
}
