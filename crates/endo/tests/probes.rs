//! Probes: what is read of a model's inside while it is trained, and that reading changes nothing.
//!
//! In: models whose numbers are known or computed by hand. Out: readings, files, logs; the same
//! weights as without probes.

#[path = "probes/attached.rs"]
mod attached;
#[path = "support/events.rs"]
mod events;
#[path = "probes/files.rs"]
mod files;
#[path = "probes/functions.rs"]
mod functions;
#[path = "probes/harmless.rs"]
mod harmless;
#[path = "probes/numbers.rs"]
mod numbers;
#[path = "support/regressor.rs"]
mod regressor;
#[path = "probes/terms.rs"]
mod terms;

use endo::prelude::*;

/// Every probe there is, as often as possible.
fn all_probes(options: Fit<'_>) -> Fit<'_> {
    let probes =
        [Probe::activations("*"), Probe::weights("*"), Probe::gradients("*"), Probe::updates("*")];
    let options = probes
        .into_iter()
        .fold(options, |options, probe| options.probe(probe.every(1).histogram(7)));
    options.probe(Probe::terms().every(1))
}

/// `[[1], [3]]` with targets of 0.
fn two_rows() -> Dataset {
    Dataset::new([[1.0_f64], [3.0]], [[0.0_f64], [0.0]]).unwrap()
}
