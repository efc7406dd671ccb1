//! What probes cost: the regressor in `fit` with all of them every 100 steps, and without, in turn.
//!
//! In: options. Out: microseconds a step in the best run of each, and the median of the ratios of
//! runs that followed each other.

use endo::prelude::*;

use crate::json_line::JsonLine;
use crate::nets::{Net, Regressor};
use crate::statistics::Spread;
use crate::workloads::{MeasureOptions, Outcome};

/// Pairs of runs: many short ones, since on a machine that does other things too few long ones are
/// left alone.
const ROUNDS: usize = 30;

/// The length of a run: `EPOCHS` epochs of `STEPS` steps, of which every 100th is read.
const EPOCHS: usize = 5;
const STEPS: usize = 400;

/// A line for probes of values, and one for those with probes of terms and histograms besides.
/// Tracing and planning are done before.
pub fn measure(options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
    let batch = options.batch.unwrap_or(Net::Regressor.batch());
    let data = Net::Regressor.data(STEPS * batch)?;
    let mut lines = Vec::new();
    for (name, bins, terms) in [
        ("values", 0, false),
        ("values and terms", 0, true),
        ("values, histograms and terms", 30, true),
    ] {
        // One model for both: two would lie in memory differently.
        let mut model = Model::new(Regressor::new(true)).threads(options.threads);
        model.compile(Nadam::default(), MeanSquaredError, [MeanAbsoluteError::new()]);
        let fit = |watched: bool, epochs: usize| {
            let fit = Fit::epochs(epochs).batch_size(batch);
            if watched { probes(fit, bins, terms) } else { fit }
        };
        let (mut ratios, mut seconds) = (Vec::new(), [Vec::new(), Vec::new()]);
        for round in 0..=ROUNDS {
            // The first step that the model ever runs is one that is read, as in most trainings
            // with probes.
            for watched in [1, 0] {
                let epochs = if round == 0 { 1 } else { EPOCHS };
                let history = model.fit(&data, fit(watched == 1, epochs))?;
                seconds[watched]
                    .push(history.epochs.iter().map(|epoch| epoch.seconds).sum::<f64>());
            }
            if round > 0 {
                ratios.push(seconds[1][round] / seconds[0][round]);
            }
        }
        let steps = (EPOCHS * STEPS) as f64;
        let [without, with] = seconds
            .map(|seconds| Spread::of(&seconds[1..]).map_or(f64::NAN, |spread| spread.least));
        let line = JsonLine::of("regressor-probes")
            .with("threads", options.threads)
            .with("batch", batch)
            .with("probes", name)
            .measured("us_per_step_without", without / steps * 1e6)
            .measured("us_per_step_with", with / steps * 1e6)
            .measured("ratio_of_best", with / without)
            .measured("ratio", Spread::of(&ratios).map_or(f64::NAN, |spread| spread.median));
        lines.push(line);
    }
    Ok(lines)
}

/// All probes, every 100 steps.
fn probes(fit: Fit<'_>, bins: usize, terms: bool) -> Fit<'_> {
    let kinds =
        [Probe::activations("*"), Probe::weights("*"), Probe::gradients("*"), Probe::updates("*")];
    let with = |probe: Probe| if bins > 0 { probe.histogram(bins) } else { probe };
    let fit = kinds.into_iter().fold(fit, |fit, probe| fit.probe(with(probe)));
    if terms { fit.probe(Probe::terms()) } else { fit }
}
