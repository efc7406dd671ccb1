//! `predict`: of a whole table, of one row at a time, and of rows from several threads at once; and
//! the same of an exported model.
//!
//! In: options. Out: microseconds a table or a row, of the regressor with its first weights;
//! milliseconds to load it.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

use endo::prelude::*;

use crate::allocations;
use crate::json_line::JsonLine;
use crate::machine::best_of;
use crate::nets::Net;
use crate::statistics::Spread;
use crate::workloads::{MeasureOptions, Outcome};

/// The rows of the housing table.
const TABLE_ROWS: usize = 20_640;
/// Different rows, so that no answer can be kept.
const ROWS: usize = 256;
/// Predictions that are timed together.
const CALLS: usize = 16 * ROWS;

/// The best of some calls on the table: ten for each epoch.
pub fn table(options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
    let data = Net::Regressor.data(TABLE_ROWS)?;
    let model = Net::Regressor.model(options.threads, options.numbers);
    model.predict(data.inputs())?;
    let (seconds, predicted) =
        best_of(10 * options.epochs, || model.predict(black_box(data.inputs())));
    let line = JsonLine::of("predict-table")
        .with("threads", options.threads)
        .with("rows", predicted?.shape().batch())
        .measured("us_per_table", seconds * 1e6)
        .measured("ns_per_row", seconds * 1e9 / TABLE_ROWS as f64);
    Ok(vec![line])
}

/// One caller, one row at a time.
pub fn alone(options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
    let (model, rows) = model_and_rows(options)?;
    calls(&model, &rows)?;
    let before = allocations::count();
    calls(&model, &rows)?;
    let allocated = (allocations::count() - before) / CALLS;
    let (seconds, called) = best_of(5 * options.epochs, || calls(&model, &rows));
    called?;
    let line = JsonLine::of("predict-row")
        .with("threads", options.threads)
        .measured("us_per_row", seconds * 1e6 / CALLS as f64)
        .with("allocations_per_row", allocated);
    Ok(vec![line])
}

/// As many callers as threads, and at least two, of one model: what each of them waits for a row,
/// and how many rows all of them get in a second.
pub fn shared(options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
    let (model, rows) = model_and_rows(options)?;
    let callers = options.threads.max(2);
    calls(&model, &rows)?;
    let (mut wait, mut rate) = (f64::INFINITY, 0.0_f64);
    for _ in 0..5 * options.epochs {
        let (waits, seconds) = at_once(&model, &rows, callers)?;
        wait = wait.min(waits);
        rate = rate.max((callers * CALLS) as f64 / seconds);
    }
    let line = JsonLine::of("predict-row-shared")
        .with("threads", options.threads)
        .with("callers", callers)
        .measured("us_per_row", wait * 1e6)
        .measured("rows_per_second", rate);
    Ok(vec![line])
}

/// The regressor exported and loaded: `load_ms` is the median of many loads, `first_ms` that of a
/// load with the first row after it, which is planned then.
pub fn exported(options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
    let (model, rows) = model_and_rows(options)?;
    let data = Net::Regressor.data(TABLE_ROWS)?;
    model.predict(&rows[0])?;
    let path = std::env::temp_dir().join(format!("endo-bench-{}.endo", std::process::id()));
    model.export(&path)?;
    let bytes = std::fs::metadata(&path)?.len();
    let load = |first: bool| -> Result<f64> {
        let start = Instant::now();
        let predictor = Predictor::load(&path)?.threads(options.threads);
        if first {
            black_box(predictor.predict(&rows[0])?);
        }
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    let median = |first: bool| -> Outcome<f64> {
        let times = (0..20 * options.epochs).map(|_| load(first)).collect::<Result<Vec<f64>>>()?;
        Ok(Spread::of(&times).map_or(f64::NAN, |spread| spread.median))
    };
    let (load_ms, first_ms) = (median(false)?, median(true)?);
    let predictor = Predictor::load(&path)?.threads(options.threads);
    std::fs::remove_file(&path)?;
    let calls = || -> Result<()> {
        for row in rows.iter().cycle().take(CALLS) {
            black_box(predictor.predict(black_box(row))?);
        }
        Ok(())
    };
    let (row, called) = best_of(5 * options.epochs, calls);
    called?;
    let (table, predicted) =
        best_of(10 * options.epochs, || predictor.predict(black_box(data.inputs())));
    let line = JsonLine::of("predictor")
        .with("threads", options.threads)
        .with("rows", predicted?.shape().batch())
        .with("bytes", bytes)
        .measured("load_ms", load_ms)
        .measured("first_ms", first_ms)
        .measured("us_per_row", row * 1e6 / CALLS as f64)
        .measured("us_per_table", table * 1e6);
    Ok(vec![line])
}

/// What a caller waits for a row on average, and how long it took until the last was done, in
/// seconds.
fn at_once(model: &Model, rows: &[Array], callers: usize) -> Result<(f64, f64)> {
    let barrier = Barrier::new(callers);
    let times = std::thread::scope(|scope| {
        let caller = || {
            barrier.wait();
            let start = Instant::now();
            calls(model, rows).map(|()| start.elapsed().as_secs_f64())
        };
        let running: Vec<_> = (0..callers).map(|_| scope.spawn(caller)).collect();
        running
            .into_iter()
            .map(|caller| caller.join().expect("a caller does not panic"))
            .collect::<Result<Vec<f64>>>()
    })?;
    let wait = times.iter().sum::<f64>() / (callers * CALLS) as f64;
    Ok((wait, times.into_iter().fold(0.0, f64::max)))
}

fn model_and_rows(options: &MeasureOptions) -> Result<(Model, Vec<Array>)> {
    let data = Net::Regressor.data(ROWS)?;
    let rows = (0..ROWS).map(|row| data.inputs().rows(row..row + 1)).collect();
    Ok((Net::Regressor.model(options.threads, options.numbers), rows))
}

fn calls(model: &Model, rows: &[Array]) -> Result<()> {
    for row in rows.iter().cycle().take(CALLS) {
        black_box(model.predict(black_box(row))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_alone_gets_what_it_gets_in_a_table() {
        let options = MeasureOptions { threads: 2, epochs: 1, ..Default::default() };
        let (model, rows) = model_and_rows(&options).unwrap();
        let table = model.predict(Net::Regressor.data(ROWS).unwrap().inputs()).unwrap();
        let alone = model.predict(&rows[7]).unwrap().get(0);
        assert!((alone - table.get(7)).abs() < 1e-5, "{alone} and {}", table.get(7));
    }

    #[test]
    fn callers_at_once_all_finish() {
        let options = MeasureOptions { threads: 2, epochs: 1, ..Default::default() };
        let (model, rows) = model_and_rows(&options).unwrap();
        let (wait, seconds) = at_once(&model, &rows, 2).unwrap();
        assert!(wait > 0.0 && seconds >= wait * CALLS as f64 * 0.99, "{wait} {seconds}");
    }
}
