//! Targets on their way to the model and back.
//!
//! In: targets in their unit, or codes of classes. Out: targets of mean 0 and deviation 1, of which
//! the logarithm may be taken first; and predictions in the unit.

use endo::prelude::*;

use super::problem::Task;

/// How targets are standardized, and what predictions may be.
#[derive(Clone, Debug)]
pub struct Scale {
    /// The means of targets; the logarithms of classes' shares.
    pub mean: Vec<f64>,
    /// The deviations of targets.
    pub deviation: Vec<f64>,
    /// The least predictions.
    pub least: Vec<f64>,
    /// The largest predictions.
    pub most: Vec<f64>,
    /// Where logarithms of targets are learnt, what their exponentials are multiplied by: the mean
    /// of what is skewed is larger than the exponential of its logarithm's mean (Duan 1983).
    pub smearing: Option<f64>,
}

impl Scale {
    /// A standardized prediction of a target in its unit.
    pub fn in_unit(&self, target: usize, said: f64) -> f64 {
        let value = said * self.deviation[target] + self.mean[target];
        let value = self.smearing.map_or(value, |smearing| smearing * value.exp());
        value.max(self.least[target]).min(self.most[target])
    }
}

/// Targets of mean 0 and deviation 1, or 1 for the class of a row; and how that was done.
pub fn standardized(task: Task, truth: &[f64], logarithm: bool) -> (Scale, Array) {
    let outputs = task.outputs();
    match task {
        Task::Classes { count } => {
            let rows = truth.len();
            let mut shares = vec![0.0; count];
            for &class in truth {
                shares[class as usize] += 1.0;
            }
            let mean = shares
                .iter()
                .map(|share| ((share + 0.5) / (rows as f64 + 0.5 * count as f64)).ln())
                .collect();
            let targets = Array::from_fn([rows, count], |at| {
                f64::from(u8::from(truth[at / count] as usize == at % count))
            });
            let ones = vec![1.0; count];
            (
                Scale {
                    mean,
                    deviation: ones.clone(),
                    least: vec![0.0; count],
                    most: ones,
                    smearing: None,
                },
                targets,
            )
        }
        Task::Regression { .. } => {
            let rows = truth.len() / outputs.max(1);
            let values: Vec<f64> =
                truth.iter().map(|&y| if logarithm { y.ln() } else { y }).collect();
            let column = |output: usize| values.iter().skip(output).step_by(outputs).copied();
            let mean: Vec<f64> =
                (0..outputs).map(|output| column(output).sum::<f64>() / rows as f64).collect();
            let spread = |output: usize| {
                column(output).map(|y| (y - mean[output]).powi(2)).sum::<f64>() / rows as f64
            };
            let deviation: Vec<f64> = (0..outputs)
                .map(spread)
                .map(|variance| if variance > 0.0 { variance.sqrt() } else { 1.0 })
                .collect();
            let limits = |output: usize| {
                let unit = truth.iter().skip(output).step_by(outputs);
                let (low, high) = unit
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &y| (a.min(y), b.max(y)));
                let room = high - low;
                // What was never negative is not predicted to be.
                (if low >= 0.0 { (low - room).max(0.0) } else { low - room }, high + room)
            };
            let (least, most) = (0..outputs).map(limits).unzip();
            let targets = Array::from_fn([rows, outputs], |at| {
                (values[at] - mean[at % outputs]) / deviation[at % outputs]
            });
            (Scale { mean, deviation, least, most, smearing: None }, targets)
        }
    }
}

/// Whether there is one target, positive throughout, whose third standardized moment is larger than
/// 1, as sums of money have it.
pub fn is_skewed(task: Task, truth: &[f64]) -> bool {
    if task != (Task::Regression { targets: 1 }) || truth.iter().any(|&y| y <= 0.0) {
        return false;
    }
    let count = truth.len().max(1) as f64;
    let mean = truth.iter().sum::<f64>() / count;
    let moment = |power: i32| truth.iter().map(|y| (y - mean).powi(power)).sum::<f64>() / count;
    moment(3) > moment(2).powf(1.5)
}

/// The factor of exponentials that makes the squared error on rows unseen the least.
pub fn smearing(scale: &Scale, truth: &[f64], said: &[f64]) -> f64 {
    let plain = Scale { smearing: Some(1.0), ..scale.clone() };
    let (mut products, mut squares) = (0.0, 0.0);
    for (said, truth) in said.iter().zip(truth).filter(|(said, _)| !said.is_nan()) {
        let value = plain.in_unit(0, *said);
        products += value * truth;
        squares += value * value;
    }
    if squares > 0.0 && products > 0.0 { products / squares } else { 1.0 }
}

/// The sum of squared errors on rows unseen, in the target's unit.
pub fn squared_error(scale: &Scale, truth: &[f64], said: &[f64]) -> f64 {
    let targets = scale.mean.len();
    let seen = said.iter().zip(truth).enumerate().filter(|(_, (said, _))| !said.is_nan());
    seen.map(|(at, (said, truth))| (scale.in_unit(at % targets, *said) - truth).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_come_back_in_the_unit_and_stay_within_bounds() {
        let mut scale = Scale {
            mean: vec![1.0],
            deviation: vec![2.0],
            least: vec![0.0],
            most: vec![9.0],
            smearing: None,
        };
        assert_eq!(
            [scale.in_unit(0, 1.5), scale.in_unit(0, -1.0), scale.in_unit(0, 50.0)],
            [4.0, 0.0, 9.0]
        );
        scale.smearing = Some(1.5);
        assert_eq!([scale.in_unit(0, -0.5), scale.in_unit(0, 1e6)], [1.5, 9.0]);
    }
}
