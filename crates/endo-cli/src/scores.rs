//! How good predictions are: the metrics of regression and of classification, each over all rows at
//! once.
//!
//! In: predictions and the truth. Out: [`Scores`] by the names under which they are printed.

use endo::{Error, ErrorKind, Result};

use crate::output::Record;

/// Figures by name, in the order in which they are printed.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Scores(pub Vec<(&'static str, f64)>);

/// The names of the scores of regression: mean squared and mean absolute error, the root of the
/// former, and the share of the variance that is explained.
pub const REGRESSION: [&str; 4] = ["mse", "rmse", "mae", "r2"];

/// The bins of probability in which the calibration is judged.
const BINS: usize = 10;
/// The least probability that a logarithm is taken of, as in scikit-learn's `log_loss`.
const LEAST: f64 = 1e-15;

impl Scores {
    /// The scores of predicted numbers; those of several targets, row by row, are averaged. `r2` is
    /// 1 less the share of the error in that of the truth's own mean, for each target.
    pub fn of_numbers(predicted: &[f64], truth: &[f64], targets: usize) -> Self {
        let of_target = |target: usize| {
            let values = |values: &[f64]| {
                values.iter().skip(target).step_by(targets).copied().collect::<Vec<f64>>()
            };
            let (predicted, truth) = (values(predicted), values(truth));
            let center = mean(truth.iter().copied());
            let errors =
                || predicted.iter().zip(&truth).map(|(predicted, truth)| truth - predicted);
            let mse = mean(errors().map(|error| error * error));
            let variance = mean(truth.iter().map(|truth| (truth - center).powi(2)));
            let r2 = if variance > 0.0 { 1.0 - mse / variance } else { f64::NAN };
            [mse, mse.sqrt(), mean(errors().map(f64::abs)), r2]
        };
        let of_targets: Vec<[f64; 4]> = (0..targets).map(of_target).collect();
        let average = |index: usize| mean(of_targets.iter().map(|scores| scores[index]));
        Self(
            REGRESSION
                .into_iter()
                .enumerate()
                .map(|(index, name)| (name, average(index)))
                .collect(),
        )
    }

    /// The scores of probabilities, `classes` for each row, where the truth is the number of a
    /// class.
    ///
    /// `log_loss` is the mean of -ln p of the true class; `accuracy` the share of rows whose
    /// likeliest class is the true one; `auc` the area under the ROC curve (Fawcett 2006), of
    /// several classes the mean over each against the rest; `f1` the mean over classes of the
    /// harmonic mean of precision and recall; `calibration_error` the mean distance of the
    /// likeliest class's probability from how often it is true, over ten bins of probability (Guo
    /// et al. 2017).
    pub fn of_classes(probabilities: &[f64], truth: &[f64], classes: usize) -> Self {
        let rows: Vec<&[f64]> = probabilities.chunks_exact(classes).collect();
        let truth: Vec<usize> = truth.iter().map(|&class| class as usize).collect();
        let likeliest: Vec<usize> = rows.iter().map(|row| likeliest(row)).collect();
        let log_loss =
            mean(rows.iter().zip(&truth).map(|(row, &class)| -row[class].clamp(LEAST, 1.0).ln()));
        let accuracy = mean(likeliest.iter().zip(&truth).map(|(a, b)| f64::from(u8::from(a == b))));
        let area = |class: usize| {
            auc(rows.iter().zip(&truth).map(|(row, &truth)| (row[class], truth == class)).collect())
        };
        let areas: Vec<f64> = if classes == 2 {
            vec![area(1)]
        } else {
            (0..classes).map(area).filter(|area| !area.is_nan()).collect()
        };
        let f1 = mean((0..classes).filter_map(|class| f1(&likeliest, &truth, class)));
        let calibration = calibration_error(&rows, &likeliest, &truth);
        let scores = [log_loss, accuracy, mean(areas.into_iter()), f1, calibration];
        Self(
            ["log_loss", "accuracy", "auc", "f1", "calibration_error"]
                .into_iter()
                .zip(scores)
                .collect(),
        )
    }

    /// A score by its name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| *known == name).map(|&(_, value)| value)
    }

    /// What tells which of two models is better: the error, of which less is better.
    pub fn error(&self) -> f64 {
        self.get("mse").or_else(|| self.get("log_loss")).unwrap_or(f64::NAN)
    }

    /// Fails if the error on these rows is no number.
    ///
    /// # Errors
    /// If it is not finite.
    pub fn check(&self, rows: &str) -> Result<()> {
        let (name, value) = (self.0[0].0, self.error());
        if value.is_finite() {
            return Ok(());
        }
        let message = format!("the {name} on the {rows} is {value}, which is no number");
        Err(Error::new(ErrorKind::NotFinite, message)
            .help("give the target in a larger unit, so that squares of its errors fit f64"))
    }

    /// The record with all of these under a prefix.
    pub fn record(&self, prefix: &str, record: Record) -> Record {
        self.0
            .iter()
            .fold(record, |record, (name, value)| record.with(&format!("{prefix}{name}"), *value))
    }
}

/// The class of the largest probability, the first of several.
pub fn likeliest(probabilities: &[f64]) -> usize {
    let largest = probabilities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    probabilities.iter().position(|&probability| probability == largest).unwrap_or(0)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

/// The probability that a row of the class has a higher score than another, ties by halves; NaN
/// where all or none are of the class.
fn auc(mut scores: Vec<(f64, bool)>) -> f64 {
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = scores.iter().filter(|(_, is_class)| *is_class).count() as f64;
    let negatives = scores.len() as f64 - positives;
    let (mut below, mut wins) = (0.0, 0.0);
    for ties in scores.chunk_by(|a, b| a.0 == b.0) {
        let tied = ties.iter().filter(|(_, is_class)| *is_class).count() as f64;
        let others = ties.len() as f64 - tied;
        wins += tied * (below + others / 2.0);
        below += others;
    }
    wins / (positives * negatives)
}

/// None where the class is neither there nor predicted.
fn f1(predicted: &[usize], truth: &[usize], class: usize) -> Option<f64> {
    let count = |of: &dyn Fn(usize, usize) -> bool| {
        predicted.iter().zip(truth).filter(|&(&a, &b)| of(a, b)).count() as f64
    };
    let (both, either) =
        (count(&|a, b| a == class && b == class), count(&|a, b| (a == class) != (b == class)));
    (both + either > 0.0).then(|| 2.0 * both / (2.0 * both + either))
}

fn calibration_error(rows: &[&[f64]], likeliest: &[usize], truth: &[usize]) -> f64 {
    let mut bins = [(0.0, 0.0); BINS];
    for ((row, &predicted), &truth) in rows.iter().zip(likeliest).zip(truth) {
        let confidence = row[predicted];
        let (sum, hits) = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
        (*sum, *hits) = (*sum + confidence, *hits + f64::from(u8::from(predicted == truth)));
    }
    bins.iter().map(|(sum, hits): &(f64, f64)| (sum - hits).abs()).sum::<f64>() / rows.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_judged_by_their_errors() {
        let scores = Scores::of_numbers(&[2.0, 2.0], &[2.0, 5.0], 1);
        assert_eq!(scores.0, [("mse", 4.5), ("rmse", 4.5_f64.sqrt()), ("mae", 1.5), ("r2", -1.0)]);
        let scores = Scores::of_numbers(&[1.0, 10.0, 3.0, 30.0], &[1.0, 10.0, 3.0, 34.0], 2);
        assert_eq!((scores.get("mse"), scores.get("mae")), (Some(4.0), Some(1.0)));
        assert!(Scores::of_numbers(&[1.0], &[2.0], 1).get("r2").unwrap().is_nan());
    }

    #[test]
    fn probabilities_are_judged_as_the_field_does() {
        // scikit-learn 1.9: log_loss, accuracy_score, roc_auc_score and f1_score(average="macro")
        // of these.
        let probabilities = [0.9, 0.1, 0.4, 0.6, 0.65, 0.35, 0.2, 0.8];
        let scores = Scores::of_classes(&probabilities, &[0.0, 0.0, 1.0, 1.0], 2);
        let close = |name: &str, value: f64| {
            assert!((scores.get(name).unwrap() - value).abs() < 1e-12, "{name}: {scores:?}")
        };
        close("log_loss", -(0.9_f64.ln() + 0.4_f64.ln() + 0.35_f64.ln() + 0.8_f64.ln()) / 4.0);
        close("accuracy", 0.5);
        close("auc", 0.75);
        close("f1", 0.5);
        close("calibration_error", (0.1 + 0.6 + 0.65 + 0.2) / 4.0);
    }

    #[test]
    fn ties_are_half_won_and_classes_that_are_not_there_do_not_count() {
        assert_eq!(auc(vec![(0.5, true), (0.5, false)]), 0.5);
        assert_eq!(auc(vec![(0.5, true), (0.5, false), (0.7, true), (0.1, false)]), 0.875);
        assert!(auc(vec![(0.5, true)]).is_nan());
        let scores = Scores::of_classes(&[0.8, 0.1, 0.1, 0.2, 0.7, 0.1], &[0.0, 1.0], 3);
        assert_eq!(
            (scores.get("f1"), scores.get("auc"), scores.get("accuracy")),
            (Some(1.0), Some(1.0), Some(1.0))
        );
    }
}
