//! The regressor trained as users train it: by `fit` with all that it reports, and by a custom
//! loop.
//!
//! In: options. Out: microseconds a step in the best epoch, to be compared with the bare step and
//! with each other.

use std::fmt::Write;
use std::hint::black_box;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use endo::prelude::*;
use endo::training::Training;

use crate::allocations;
use crate::json_line::JsonLine;
use crate::machine::best_of;
use crate::nets::{Net, Regressor};
use crate::statistics::Spread;
use crate::workloads::{MeasureOptions, Outcome};

/// Rows that are validated on after every epoch, as many as those of the housing table.
const VALIDATION_ROWS: usize = 3_870;

/// A step of `fit` with the whole epoch divided among its steps: shuffling, progress, ledger, two
/// metrics, and validation on a third as many rows. `validation_ms` is the part of an epoch that
/// validation takes.
///
/// Progress is the library's own, on standard error. Where that is no terminal the library draws no
/// bar but a line for each epoch; a bar that goes nowhere is drawn then besides. What validation
/// takes is given by itself, too, and the rest as `us_without_validation`.
pub fn fit(options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
    let batch = options.batch.unwrap_or(Net::Regressor.batch());
    let data = Net::Regressor.data(Net::Regressor.rows(batch) / batch * batch)?;
    let validation = Net::Regressor.data(VALIDATION_ROWS)?;
    let mut model = Model::new(Regressor::new(true)).threads(options.threads);
    model.compile(Nadam::default(), MeanSquaredError, [MeanAbsoluteError::new()]);
    let mut fit =
        Fit::epochs(options.epochs.max(2)).batch_size(batch).validation(&validation).progress();
    let terminal = std::io::stderr().is_terminal();
    if !terminal {
        fit = fit.callback(Nowhere::default());
    }
    let history = model.fit(&data, fit)?;
    let seconds: Vec<f64> = history.epochs.iter().map(|epoch| epoch.seconds).collect();
    let (evaluation, evaluated) =
        best_of(5, || model.evaluate_with(&validation, Evaluate::new().batch_size(batch)));
    evaluated?;
    let steps = (data.len() / batch) as f64;
    let step = Spread::of(&seconds).map_or(f64::NAN, |spread| spread.least) / steps;
    let line = JsonLine::of("regressor-fit")
        .with("threads", options.threads)
        .with("batch", batch)
        .measured("us_per_step", step * 1e6)
        .measured("us_without_validation", (step - evaluation / steps) * 1e6)
        .measured("validation_ms", evaluation * 1e3)
        .with("bar_on_terminal", terminal)
        .measured("loss", history.last("loss").unwrap_or(f64::NAN));
    Ok(vec![line])
}

/// A step of the book's loop: batches of a shuffled data set, a traced function, two metrics read
/// and written to a line at every step.
pub fn custom(options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
    let batch = options.batch.unwrap_or(Net::Regressor.batch());
    let data = Net::Regressor.data(Net::Regressor.rows(batch) / batch * batch)?;
    let model = Model::new(Regressor::new(true));
    let optimizer = Nadam::default();
    let mean_loss = Mean::new("loss");
    let mean_absolute_error = MeanMetricWrapper::new(MeanAbsoluteError);
    let mut step = Function::new(|[x, y], cx| {
        let y_pred = model.apply(&x, cx);
        let main_loss = mean_squared_error(&y, &y_pred).mean();
        let loss = cx.losses().iter().fold(main_loss, |sum, term| sum + term);
        let gradients = cx.gradients(&loss, model.trainable_weights());
        optimizer.apply(&gradients, cx);
        mean_loss.update(&loss, cx);
        mean_absolute_error.update(&y, &y_pred, None, cx);
        [loss]
    })
    .threads(options.threads);

    let steps = data.len() / batch;
    let (mut best, mut allocated, mut status) = (f64::INFINITY, 0, String::new());
    for epoch in 0..options.epochs.max(2) {
        let before = allocations::count();
        let start = Instant::now();
        for (index, (x, y)) in data.batches(batch)?.shuffled(0, epoch).enumerate() {
            step.run([&x, &y])?;
            let (loss, error) = (mean_loss.value()?.item()?, mean_absolute_error.value()?.item()?);
            status.clear();
            write!(
                status,
                "\r{index}/{steps} - loss: {loss:.4} - mean_absolute_error: {error:.4}"
            )?;
            black_box(&status);
        }
        best = best.min(start.elapsed().as_secs_f64() / steps as f64);
        allocated = (allocations::count() - before) / steps;
        if epoch + 1 < options.epochs.max(2) {
            mean_loss.reset();
            mean_absolute_error.reset();
            model.reset_metrics();
        }
    }
    let line = JsonLine::of("regressor-loop")
        .with("threads", options.threads)
        .with("batch", batch)
        .measured("us_per_step", best * 1e6)
        .with("allocations_per_step", allocated)
        .measured("loss", mean_loss.value()?.item()?);
    Ok(vec![line])
}

/// A bar with the ledger, drawn as often as the library draws its own, to nobody.
struct Nowhere {
    drawn: Instant,
    batches: usize,
    line: String,
}

impl Default for Nowhere {
    fn default() -> Self {
        Self { drawn: Instant::now(), batches: 0, line: String::new() }
    }
}

impl endo::training::Callback for Nowhere {
    fn train_begin(&mut self, training: &Training) -> Result<()> {
        self.batches = training.batches().unwrap_or(0);
        Ok(())
    }

    fn batch_end(&mut self, batch: usize, ledger: &dyn Fn() -> Ledger, _: &Training) -> Result<()> {
        if self.drawn.elapsed() >= Duration::from_millis(50) {
            self.drawn = Instant::now();
            self.line.clear();
            let filled = 24 * (batch + 1) / self.batches.max(1);
            let _ = write!(
                self.line,
                "\r{}{} {}",
                "━".repeat(filled),
                "╌".repeat(24 - filled),
                ledger()
            );
            black_box(&self.line);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json_line::number;

    #[test]
    fn fit_and_the_loop_train_the_same_model() {
        // The same first weights, order of rows and update, so the same loss in the last epoch.
        let options =
            MeasureOptions { threads: 1, epochs: 2, batch: Some(32), ..Default::default() };
        let [fit, custom] =
            [fit(&options), custom(&options)].map(|lines| lines.unwrap().remove(0).to_string());
        let loss = |line| number(line, "loss").unwrap();
        assert!((loss(&fit) - loss(&custom)).abs() < 1e-3, "{fit}\n{custom}");
        assert!(
            number(&custom, "us_per_step").unwrap() > 0.0
                && number(&fit, "us_per_step").unwrap() > 0.0
        );
    }
}
