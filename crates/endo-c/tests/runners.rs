//! What every runner of plans has to do: the suite of the processor, in C.

#[path = "../../endo/tests/support/runners.rs"]
#[allow(dead_code)] // programs are compared with the processor's numbers here
mod suite;
mod support;

use support::{Bound, Session};

#[test]
fn c_does_what_every_runner_has_to() {
    let mut session = Session::default();
    for case in suite::cases() {
        session.train(&case.name, &case.graph, &case.runs, Bound::ONCE);
    }
    session.run();
}
