//! Bare training steps: forward, loss, backward and update on batches gathered in shuffled order,
//! and nothing else.
//!
//! In: a net and a batch size. Out: microseconds a step in the best epoch, trace and plan time,
//! allocations and memory, and for the nets of large products how near the step is to what the
//! machine can do.

use std::time::Instant;

use endo::prelude::*;

use crate::json_line::JsonLine;
use crate::nets::Net;
use crate::workloads::{MeasureOptions, Outcome};
use crate::{allocations, machine, schedule};

/// What an epoch of bare steps showed.
pub struct Epochs {
    /// Seconds a step of the best epoch: what the peers report.
    pub best: f64,
    /// Allocations a step in the last epoch.
    pub allocations: usize,
    /// The mean loss of the last epoch.
    pub loss: f64,
}

/// One line for a net.
pub fn measure(net: Net, options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
    if !options.simulated.is_empty() {
        return schedule::measure(net, options);
    }
    if options.profile {
        return schedule::profile(net, options);
    }
    let MeasureOptions { threads, epochs, .. } = *options;
    let batch = options.batch.unwrap_or(net.batch());
    let data = net.data(net.rows(batch))?;
    let mut model = net.model(threads, options.numbers);
    let start = Instant::now();
    let program = model.training_program(&data.rows(0..batch)?)?;
    let trace = start.elapsed().as_secs_f64();
    let arena_bytes = program.plan().arena_bytes();
    drop(program);
    let Epochs { best, allocations, loss } = run(&mut model, &data, batch, epochs)?;
    let line = line_of(net, options)
        .with("threads", threads)
        .with("batch", batch)
        .measured("us_per_step", best * 1e6)
        .measured("trace_ms", trace * 1e3)
        .with("allocations_per_step", allocations)
        .with("arena_bytes", arena_bytes)
        .measured("loss", loss);
    if net == Net::Regressor {
        return Ok(vec![line]);
    }
    // Taken before the bandwidth is measured, which takes memory of its own.
    let resident = machine::peak_resident_mb("self");
    let line =
        resident.into_iter().fold(line, |line, megabytes| line.measured("resident_mb", megabytes));
    Ok(vec![bounded(line, net, batch, threads, best)?])
}

/// The line of a net, with what of it is rounded.
pub fn line_of(net: Net, options: &MeasureOptions) -> JsonLine {
    let line = JsonLine::of(net.name());
    options.numbers.rounded().into_iter().fold(line, |line, rounded| line.with("bf16", rounded))
}

/// At least two epochs, since the first also fills caches and makes the slots.
pub fn run(model: &mut Model, data: &Dataset, batch: usize, epochs: usize) -> Result<Epochs> {
    let steps = data.len() / batch;
    let full = data.rows(0..steps * batch)?;
    let mut order = full.order();
    let mut stepper = model.stepper(&full, batch)?;
    let mut report = Epochs { best: f64::INFINITY, allocations: 0, loss: 0.0 };
    for epoch in 0..epochs.max(2) {
        order.shuffle(0, epoch);
        let before = allocations::count();
        let start = Instant::now();
        let mut sum = 0.0;
        for indices in order.batches(batch)? {
            sum += stepper.step(indices)?;
        }
        report.best = report.best.min(start.elapsed().as_secs_f64() / steps as f64);
        report.allocations = (allocations::count() - before) / steps;
        report.loss = sum / steps as f64;
    }
    Ok(report)
}

/// Adds the least time that the machine allows for a step,
/// `max(operations / rate, bytes / bandwidth)`, with both rates measured now, and the share of it
/// in the time that the step took.
fn bounded(
    line: JsonLine,
    net: Net,
    batch: usize,
    threads: usize,
    seconds: f64,
) -> Result<JsonLine> {
    let (rate, bandwidth) = (machine::peak_rate(threads), machine::bandwidth(threads));
    let bound = (net.operations(batch) / rate).max(net.bytes(batch)? / bandwidth);
    let line = line
        .measured("gflops", net.operations(batch) / seconds / 1e9)
        .measured("peak_gflops", rate / 1e9)
        .measured("bandwidth_gb_per_s", bandwidth / 1e9)
        .measured("bound_us", bound * 1e6)
        .measured("share_of_bound", bound / seconds);
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::Numbers;

    #[test]
    fn steps_learn_and_report_what_they_took() {
        let data = Net::Regressor.data(640).unwrap();
        let mut model = Net::Regressor.model(1, Numbers::Single);
        let first = run(&mut model, &data, 32, 2).unwrap();
        let later = run(&mut model, &data, 32, 10).unwrap();
        assert!(first.best > 0.0 && first.best.is_finite());
        assert!(later.loss < first.loss, "{} after {}", later.loss, first.loss);
    }

    #[test]
    fn nets_of_images_and_sequences_learn() {
        for net in [Net::Lenet, Net::Convnet, Net::Lstm, Net::Gru, Net::Attention, Net::Transformer]
        {
            let (data, mut model) = (net.data(4).unwrap(), net.model(2, Numbers::Single));
            let first = run(&mut model, &data, 2, 2).unwrap();
            let later = run(&mut model, &data, 2, 6).unwrap();
            let name = net.name();
            assert!(later.loss < first.loss, "{name}: {} after {}", later.loss, first.loss);
        }
    }

    #[test]
    fn a_step_that_takes_as_long_as_the_machine_needs_has_a_share_of_at_most_one() {
        let line = bounded(JsonLine::default(), Net::MnistMlp, 128, 1, 1.0).unwrap().to_string();
        let number = |name| crate::json_line::number(&line, name).unwrap();
        assert!(number("peak_gflops") > 0.1 && number("bandwidth_gb_per_s") > 0.1, "{line}");
        assert!(number("share_of_bound") > 0.0 && number("share_of_bound") < 1.0, "{line}");
    }
}
