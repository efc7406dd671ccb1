//! Training, from the table to the saved weights.
//!
//! In: arguments. Out: lines on the data, the model, every epoch and the test; a file of weights that holds the scaling of the inputs
//! too; and a page with figures of the training.

use std::io::{IsTerminal, stderr, stdout};
use std::path::PathBuf;
use std::time::Instant;

use endo::prelude::*;

use crate::arguments::Arguments;
use crate::output::{EpochRecords, Output, Record, output_path};
use crate::regressor::compiled;
use crate::table::{Parts, Source};

/// The error on the test rows: of the model, and of predicting the mean of the training rows' targets.
struct Test {
    loss: f64,
    model: Errors,
    baseline: Errors,
}

/// What is written.
struct Files {
    weights: PathBuf,
    report: PathBuf,
}

/// So often the model's inside is looked at for the report.
const READINGS: usize = 40;

/// Mean errors over rows.
struct Errors {
    squared: f64,
    absolute: f64,
}

/// Does all that was asked for.
///
/// # Errors
/// What is wrong with the data or the folder, before anything is trained; a number that is not finite, while training.
pub fn train(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    let mut output = Output::stdout();
    let source = Source::read(arguments)?;
    let parts = source.split(arguments)?;
    let [weights, report] = ["weights.safetensors", "report.html"].map(|name| output_path(&arguments.out, name));
    let files = Files { weights: weights?, report: report? };
    let mut model = compiled(&parts.train, arguments)?;
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
    let steps = arguments.epochs * parts.train.len().div_ceil(arguments.batch_size.max(1));
    let every = (steps / READINGS).max(1);
    let activations = Probe::activations("dense*").histogram(30).every(every);
    fit = fit.probe(activations).probe(Probe::terms().every(every));
    fit = fit.callback(Report::new(&files.report).title(source.title.clone()));
    let history = model.fit(&parts.train, fit)?;
    let best = best_epoch(&history);
    let test = test(&model, &parts)?;
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

fn test(model: &Model, parts: &Parts) -> Result<Test> {
    let logs = model.evaluate(&parts.test)?;
    let find = |name: &str| logs.get(name).unwrap_or(f64::NAN);
    let model = Errors { squared: find("main"), absolute: find("mean_absolute_error") };
    let [train, test] = [&parts.train, &parts.test].map(|part| part.targets().map_or_else(Vec::new, Array::to_vec::<f64>));
    Ok(Test { loss: find("loss"), model, baseline: Errors::of_constant(mean(&train), &test) })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl Errors {
    /// Those of predicting the same number for every target.
    fn of_constant(prediction: f64, targets: &[f64]) -> Self {
        let mean_of =
            |error: &dyn Fn(f64) -> f64| mean(&targets.iter().map(|target| error(target - prediction)).collect::<Vec<_>>());
        Self { squared: mean_of(&|difference| difference * difference), absolute: mean_of(&f64::abs) }
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
    format!(
        "data     {}: {} rows\ntarget   {}, from {} other columns{origin}\nsplit    {} rows to train{validation}, {} to test",
        source.title,
        source.rows(),
        source.target,
        source.inputs(),
        parts.train.len(),
        parts.test.len(),
    )
}

fn conclude(parts: &Parts, test: &Test, files: &Files, best: usize, seconds: f64) -> String {
    let Test { model, baseline, .. } = test;
    let rows = parts.test.len();
    let verdict = match model.squared < baseline.squared {
        true => "",
        false => "No better than the mean: more epochs may help, or a target of smaller numbers.\n",
    };
    format!(
        "\nOn the {rows} test rows\n  the model          {model}\n  the training mean  {baseline}\n{verdict}\n\
         weights  {}, of epoch {best}\nreport   {}\ntime     {seconds:.2} s",
        files.weights.display(),
        files.report.display()
    )
}

fn record(source: &Source, parts: &Parts, test: &Test, files: &Files, seed: u64, seconds: f64) -> Record {
    Record::default()
        .with("test_mse", test.model.squared)
        .with("test_mae", test.model.absolute)
        .with("test_loss", test.loss)
        .with("baseline_mse", test.baseline.squared)
        .with("baseline_mae", test.baseline.absolute)
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
    fn the_baseline_predicts_one_number_for_all() {
        let errors = Errors::of_constant(mean(&[1.0, 3.0]), &[2.0, 5.0]);
        assert_eq!((errors.squared, errors.absolute), (4.5, 1.5));
        assert_eq!(errors.to_string(), "mean squared error 4.500  mean absolute error 1.500");
    }
}
