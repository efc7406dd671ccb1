//! The processor as one of the runners that plans are for.

#[path = "support/runners.rs"]
mod suite;

use endo::trace::Processor;
use suite::{Bounds, check};

/// Sums are added in another order than node by node.
const BOUNDS: Bounds = Bounds { single: 1e-5, double: 1e-13 };

#[test]
fn the_processor_does_what_every_runner_has_to() {
    for threads in [1, 2] {
        check(&Processor, threads, BOUNDS);
    }
}
