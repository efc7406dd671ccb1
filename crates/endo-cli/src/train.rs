//! Training, from the table to the saved weights.
//!
//! In: arguments. Out: lines on the data, the model, every epoch and the test; a file of weights that holds the means and deviations
//! of inputs and target too; and a page with figures of the training.

use std::io::{IsTerminal, stderr, stdout};
use std::path::PathBuf;
use std::time::Instant;

use endo::prelude::*;

use crate::arguments::Arguments;
use crate::line;
use crate::output::{EpochRecords, Output, Record, output_path};
use crate::regressor::compiled;
use crate::table::{Parts, Scales, Source};

/// The errors on the test rows, in the target's unit: of the model, of a line, and of predicting the mean of the training rows' targets.
struct Test {
    /// The model's loss, in variances of the target.
    loss: f64,
    model: Errors,
    /// None where there are too many inputs for one.
    line: Option<Errors>,
    mean: Errors,
}

/// What is written.
struct Files {
    weights: PathBuf,
    report: PathBuf,
}

/// So often the model's inside is looked at for the report.
const READINGS: usize = 40;

/// Mean errors over rows.
#[derive(Clone, Copy)]
struct Errors {
    squared: f64,
    absolute: f64,
}

/// Does all that was asked for.
///
/// # Errors
/// What is wrong with the data or the folder, before anything is trained; a number that is not finite, while training or in the test.
pub fn train(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    let mut output = Output::stdout();
    let source = Source::read(arguments)?;
    let parts = source.split(arguments)?;
    let scales = source.scales(&parts)?;
    let [weights, report] = ["weights.safetensors", "report.html"].map(|name| output_path(&arguments.out, name));
    let files = Files { weights: weights?, report: report? };
    let mut model = compiled(&scales, arguments)?;
    if !arguments.json {
        output.line(describe(&source, &parts))?;
        output.line(format_args!("\n{}\n", model.summary()?))?;
    }
    let mut fit = Fit::epochs(arguments.epochs).batch_size(arguments.batch_size);
    if let Some(validation) = &parts.validation {
        // All epochs are run; what is tested and saved are the weights of the one that did best on rows it had not seen.
        let best = EarlyStopping::on("val_loss").patience(arguments.epochs).restore_best_weights(true);
        fit = fit.validation(validation).callback(best);
    }
    // Progress and records on one terminal would be in each other's way.
    if !arguments.json || (stderr().is_terminal() && !stdout().is_terminal()) {
        fit = fit.progress();
    }
    if arguments.json {
        fit = fit.callback(EpochRecords(&mut output));
    }
    let steps = arguments.epochs.saturating_mul(parts.train.len().div_ceil(arguments.batch_size.max(1)));
    let every = (steps / READINGS).max(1);
    let activations = Probe::activations("dense*").histogram(30).every(every);
    fit = fit.probe(activations).probe(Probe::terms().every(every));
    fit = fit.callback(Report::new(&files.report).title(source.title.clone()));
    let history = model.fit(&parts.train, fit).map_err(diverged)?;
    let best = best_epoch(&history);
    let test = test(&model, &parts, &scales)?;
    model.save_weights(&files.weights)?;
    let seconds = start.elapsed().as_secs_f64();
    if arguments.json {
        output.line(record(&source, &parts, &test, &files, arguments.seed, seconds).with("best_epoch", best))
    } else {
        output.line(conclude(&parts, &test, &files, best, seconds))
    }
}

/// The epoch whose weights are kept, counted from 1: the first of the smallest validation loss, or the last one.
fn best_epoch(history: &History) -> usize {
    let losses = history.get("val_loss");
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    losses.iter().position(|&loss| loss == best).map_or(history.epochs.len(), |index| index + 1)
}

/// The error of a training whose numbers grew without bound: the data are finite, so the steps were too long.
fn diverged(error: Error) -> Error {
    if error.kind() != ErrorKind::NotFinite {
        return error;
    }
    // What follows names rows of the shuffled training part, which are not at fault.
    let what = error.message().split("; nothing was updated").next().unwrap_or_default();
    let message = format!("{what}: the weights have grown without bound, and nothing was written");
    Error::new(ErrorKind::NotFinite, message).help("train with a smaller --learning-rate")
}

fn test(model: &Model, parts: &Parts, scales: &Scales) -> Result<Test> {
    let loss = model.evaluate(&parts.test)?.get("loss").unwrap_or(f64::NAN);
    let truth = targets(&parts.test);
    let predicted = model.predict(parts.test.inputs())?.to_vec::<f64>();
    let constant = vec![mean(&targets(&parts.train)); truth.len()];
    let line = match line_through(parts, scales)? {
        Some(coefficients) => Some(Errors::of(&along_line(&coefficients, &parts.test, scales)?, &truth)),
        None => None,
    };
    let test = Test { loss, model: Errors::of(&predicted, &truth), line, mean: Errors::of(&constant, &truth) };
    if test.model.squared.is_finite() && test.mean.squared.is_finite() {
        return Ok(test);
    }
    let message =
        format!("the mean squared error on the {} test rows is {}, which is no number", truth.len(), test.model.squared);
    Err(Error::new(ErrorKind::NotFinite, message).help("give the target in a larger unit, so that squares of its errors fit f64"))
}

/// The coefficients of a line through the training rows, all standardized.
fn line_through(parts: &Parts, scales: &Scales) -> Result<Option<Vec<f64>>> {
    let targets_of = |part: &Dataset| part.targets().cloned().unwrap_or_else(|| Array::zeros([part.len(), 1], DType::F64));
    let inputs = scales.inputs.transform(parts.train.inputs())?;
    let judged = parts.validation.as_ref().unwrap_or(&parts.train);
    let truth = targets(judged);
    let judge = |coefficients: &[f64]| Ok(Errors::of(&along_line(coefficients, judged, scales)?, &truth).squared);
    line::fit(&inputs, &scales.target.transform(&targets_of(&parts.train))?, judge)
}

/// What a line predicts for the rows of a part, in the target's unit.
fn along_line(coefficients: &[f64], part: &Dataset, scales: &Scales) -> Result<Vec<f64>> {
    let inputs = scales.inputs.transform(part.inputs())?.to_vec::<f64>();
    let (mean, deviation) = (scales.target.mean()[0], scales.target.standard_deviation()[0]);
    let height = |row: &[f64]| row.iter().zip(coefficients).map(|(x, coefficient)| x * coefficient).sum::<f64>();
    Ok(inputs.chunks_exact(coefficients.len().max(1)).map(|row| height(row) * deviation + mean).collect())
}

fn targets(part: &Dataset) -> Vec<f64> {
    part.targets().map_or_else(Vec::new, Array::to_vec)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl Errors {
    fn of(predicted: &[f64], truth: &[f64]) -> Self {
        let differences: Vec<f64> = truth.iter().zip(predicted).map(|(truth, predicted)| truth - predicted).collect();
        let mean_of = |error: fn(f64) -> f64| mean(&differences.iter().map(|&difference| error(difference)).collect::<Vec<_>>());
        Self { squared: mean_of(|difference| difference * difference), absolute: mean_of(f64::abs) }
    }
}

impl std::fmt::Display for Errors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Logs(vec![("mean squared error".to_string(), self.squared), ("mean absolute error".to_string(), self.absolute)]).fmt(f)
    }
}

fn describe(source: &Source, parts: &Parts) -> String {
    let origin = source.origin.map_or_else(String::new, |origin| format!("\nsource   {origin}"));
    let validation = parts.validation.as_ref().map_or_else(String::new, |part| format!(", {} to validate", part.len()));
    let constant: String = parts.constant.iter().take(MOST_NAMED).map(constant_column).collect();
    let others = match parts.constant.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        count => format!("\nleft out {count} more columns that hold one number"),
    };
    format!(
        "data     {}: {} rows\ntarget   {}, from {} other columns{origin}\nsplit    {} rows to train{validation}, {} to test\n\
         units    losses in variances of {}, errors in its own unit{constant}{others}",
        source.title,
        source.rows(),
        source.target,
        source.inputs(),
        parts.train.len(),
        parts.test.len(),
        source.target,
    )
}

/// At most this many of the columns that are left out are named.
const MOST_NAMED: usize = 10;

fn constant_column((name, value): &(String, f64)) -> String {
    format!("\nleft out {name}, which is {value} in every row to train on")
}

fn conclude(parts: &Parts, test: &Test, files: &Files, best: usize, seconds: f64) -> String {
    let rows = parts.test.len();
    let line = test.line.map_or_else(String::new, |line| format!("\n  a line             {line}"));
    format!(
        "\nOn the {rows} test rows\n  the model          {}{line}\n  the training mean  {}\n{}\n\
         weights  {}, of epoch {best}\nreport   {}\ntime     {seconds:.2} s",
        test.model,
        test.mean,
        verdict(test),
        files.weights.display(),
        files.report.display()
    )
}

/// What to say where the model is no better than what is simpler.
fn verdict(test: &Test) -> &'static str {
    let line = test.line.map_or(f64::INFINITY, |line| line.squared);
    if test.model.squared >= test.mean.squared {
        "No better than the mean: more --epochs may help; or the columns say nothing of the target.\n"
    } else if test.model.squared > line {
        "Worse than a line: more --epochs may help, or more rows.\n"
    } else {
        ""
    }
}

fn record(source: &Source, parts: &Parts, test: &Test, files: &Files, seed: u64, seconds: f64) -> Record {
    Record::default()
        .with("test_mse", test.model.squared)
        .with("test_mae", test.model.absolute)
        .with("test_loss", test.loss)
        .with("baseline_mse", test.mean.squared)
        .with("baseline_mae", test.mean.absolute)
        .with("line_mse", test.line.map(|line| line.squared))
        .with("line_mae", test.line.map(|line| line.absolute))
        .with("left_out", parts.constant.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())
        .with("rows", source.rows())
        .with("train_rows", parts.train.len())
        .with("validation_rows", parts.validation.as_ref().map_or(0, Dataset::len))
        .with("test_rows", parts.test.len())
        .with("weights", files.weights.to_string_lossy())
        .with("report", files.report.to_string_lossy())
        .with("seed", seed)
        .with("seconds", seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_predicts_one_number_for_all() {
        let errors = Errors::of(&[2.0, 2.0], &[2.0, 5.0]);
        assert_eq!((errors.squared, errors.absolute), (4.5, 1.5));
        assert_eq!(errors.to_string(), "mean squared error 4.500  mean absolute error 1.500");
    }

    #[test]
    fn what_is_simpler_and_better_is_named() {
        let errors = |squared: f64| Errors { squared, absolute: 0.0 };
        let verdict = |model: f64, line: Option<f64>| {
            verdict(&Test { loss: 0.0, model: errors(model), line: line.map(errors), mean: errors(4.0) })
        };
        assert!(verdict(4.0, Some(1.0)).starts_with("No better than the mean"));
        assert!(verdict(2.0, Some(1.0)).starts_with("Worse than a line"));
        assert_eq!([verdict(1.0, Some(2.0)), verdict(1.0, None)], ["", ""]);
    }
}
