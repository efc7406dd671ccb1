//! What a probe has read of one value at one step.
//!
//! In: outputs of a step. Out: [`Reading`].

use std::fmt;
use std::sync::Arc;

use crate::array::Array;
use crate::ops::SUMMARY;
use crate::step::probe_request::{ProbeKind, ProbedValue};
use crate::training::ledger::short;
use crate::training::ledgers::StepAt;

/// One value of a model's inside at one step.
///
/// ```
/// # use endo::prelude::*;
/// # let data = Dataset::new(Array::from([[1.0_f32], [3.0]]), Array::from([[0.0_f32], [0.0]]))?;
/// let mut model = Model::new(Dense::new(1).kernel_initializer(Ones).name("only"));
/// model.compile(Sgd::new(0.5), MeanSquaredError, ());
/// let history = model.fit(&data, Fit::epochs(1).probe(Probe::gradients("kernel")))?;
/// let reading = &history.readings[0];
/// assert_eq!((reading.step, reading.epoch, &*reading.path), (0, 0, "only/kernel"));
/// assert_eq!(reading.statistics.mean, 10.0); // 2 (1 * 1 + 3 * 3) / 2
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Reading {
    /// The step, counted from 0 over all epochs of this `fit`.
    pub step: usize,
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// What was probed.
    pub kind: ProbeKind,
    /// The full path of the layer or weight. The second call of a layer in one pass is
    /// `net/hidden#1`, and the second output of a layer of several `net/split.1`.
    pub path: Arc<str>,
    /// What the values are like.
    pub statistics: Statistics,
    /// How they are spread, where that was asked for.
    pub histogram: Option<Histogram>,
}

/// What a set of values `v` of `n` numbers is like. Sums are in `f64`.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub struct Statistics {
    /// How many values there are: `n`.
    pub count: usize,
    /// `sum(v) / n`.
    pub mean: f64,
    /// Of the values themselves, not an estimate for more of their kind:
    /// `sqrt(sum((v - mean)^2) / n)`.
    pub standard_deviation: f64,
    /// `sqrt(sum(v^2))`.
    pub norm: f64,
    /// The least.
    pub minimum: f64,
    /// The greatest.
    pub maximum: f64,
    /// The share of values that are 0 exactly: of a layer with `relu` those that are switched off.
    pub zeros: f64,
    /// The share of values that lie within a hundredth of the range of a bound of the layer's
    /// activation: below -0.98 or above 0.98 for `tanh`, below 0.01 or above 0.99 for `sigmoid`.
    /// `None` unless the values are outputs of a layer whose hyperparameter `activation` names a
    /// function with two bounds: `tanh`, `hard_tanh`, `softsign`, `sigmoid`, `hard_sigmoid`,
    /// `sparse_sigmoid`, `softmax`, `sparsemax`, `relu6`.
    pub saturated: Option<f64>,
}

/// How values are spread between the least and the greatest: in bins of equal width.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Histogram {
    /// The least value, where the first bin begins.
    pub minimum: f64,
    /// The greatest, where the last bin ends.
    pub maximum: f64,
    /// How many values each bin has. A value on an edge counts in the bin above, the greatest in
    /// the last; one that is an edge but for rounding may count on either side. Where all values
    /// are equal there is one bin of width 0.
    pub counts: Vec<usize>,
}

impl Reading {
    /// The reading of a step in its outputs, of a value of this path.
    pub(super) fn of(
        shown: &ProbedValue,
        path: Arc<str>,
        outputs: &[Array],
        StepAt { step, epoch }: StepAt,
    ) -> Self {
        let (count, width) = (shown.count as f64, SUMMARY + shown.bins);
        let rows = outputs[shown.summaries].as_slice::<f64>().expect("summaries are f64");
        let (&[mean, variance, squares, minimum, maximum, zeros, beyond], bins) = rows
            [shown.row * width..][..width]
            .split_first_chunk::<SUMMARY>()
            .expect("a row has a summary");
        let statistics = Statistics {
            count: shown.count,
            mean,
            standard_deviation: variance.sqrt(),
            norm: squares.sqrt(),
            minimum,
            maximum,
            zeros: zeros / count,
            saturated: shown.bounded.then_some(beyond / count),
        };
        let counts = bins.iter().map(|count| *count as usize);
        let histogram = (shown.bins > 0).then(|| Histogram::of(counts, minimum, maximum));
        Self { step, epoch, kind: shown.kind, path, statistics, histogram }
    }
}

impl Statistics {
    /// The numbers but the count by their names.
    pub(in crate::training) fn named(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let numbers = [
            ("mean", self.mean),
            ("standard_deviation", self.standard_deviation),
            ("norm", self.norm),
            ("minimum", self.minimum),
            ("maximum", self.maximum),
            ("zeros", self.zeros),
        ];
        numbers.into_iter().chain(self.saturated.map(|share| ("saturated", share)))
    }
}

impl Histogram {
    /// The histogram of these counts, of values between these two.
    pub(super) fn of(counts: impl Iterator<Item = usize>, minimum: f64, maximum: f64) -> Self {
        Self {
            minimum,
            maximum,
            counts: if minimum == maximum { vec![counts.sum()] } else { counts.collect() },
        }
    }

    /// The ends of the bins, one more than there are bins; ascending and equally far apart.
    pub fn edges(&self) -> Vec<f64> {
        let Self { minimum, maximum, .. } = *self;
        let bins = self.counts.len();
        let edge = |index: usize| match index {
            0 => minimum,
            _ if index == bins => maximum,
            _ => minimum + (maximum - minimum) * index as f64 / bins as f64,
        };
        (0..=bins).map(edge).collect()
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mean, standard_deviation, norm, minimum, maximum, zeros, .. } = *self;
        let [mean, deviation, norm, minimum, maximum] =
            [mean, standard_deviation, norm, minimum, maximum].map(short);
        write!(
            f,
            "mean {mean}  deviation {deviation}  norm {norm}  from {minimum} to {maximum}  zeros \
                {:.1} %",
            100.0 * zeros
        )?;
        self.saturated.map_or(Ok(()), |share| write!(f, "  saturated {:.1} %", 100.0 * share))
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}  {} {}  {}", self.step, self.kind, self.path, self.statistics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_equally_far_apart_and_end_at_the_extremes() {
        let histogram = Histogram::of([1, 0, 2, 3].into_iter(), -1.0, 1.0);
        assert_eq!(
            (histogram.edges(), histogram.counts),
            (vec![-1.0, -0.5, 0.0, 0.5, 1.0], vec![1, 0, 2, 3])
        );
        let same = Histogram::of([4, 0].into_iter(), 3.0, 3.0);
        assert_eq!((same.edges(), same.counts), (vec![3.0, 3.0], vec![4]));
    }

    #[test]
    fn a_reading_prints_in_one_line() {
        let statistics = Statistics {
            count: 8,
            mean: 0.5,
            standard_deviation: 0.25,
            norm: 2.0,
            minimum: -1.0,
            maximum: 1.0,
            zeros: 0.125,
            saturated: Some(0.5),
        };
        let (kind, path) = (ProbeKind::Activations, "net/hidden".into());
        let reading = Reading { step: 100, epoch: 3, kind, path, statistics, histogram: None };
        let expected = "step 100  activations net/hidden  mean 0.5000  deviation 0.2500  norm \
            2.000  from -1.000 to 1.000  \
                        zeros 12.5 %  saturated 50.0 %";
        assert_eq!(reading.to_string(), expected);
    }
}
