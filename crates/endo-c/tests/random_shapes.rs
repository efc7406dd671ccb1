//! Every operation on random shapes, axes and types, by the programs by which plans are tested.
//! Each is a file of its own, so this takes minutes: a test of `ci/deep`.

#[path = "../../endo/tests/plans/operations.rs"]
mod operations;
mod support;

/// What the programs are given to be checked by.
mod running {
    use std::rc::Rc;

    use endo::Site;
    use endo::graph::Trace;
    use endo::prelude::*;
    use proptest::test_runner::{Config, RngSeed};

    use crate::support::{Bound, Session};

    pub use crate::support::numbers;

    /// The distance from 1 to the next number of a float type.
    pub fn epsilon(dtype: DType) -> f64 {
        if dtype == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() }
    }

    /// What a program may differ by from the reference; here the bound is one for all.
    #[derive(Clone, Copy, Debug)]
    #[allow(dead_code)]
    pub enum Within {
        Bits,
        Absolute(f64),
        Relative(f64),
    }

    /// Some cases of a test, the same at every run.
    pub fn cases(_count: u32) -> Config {
        let given = Config::default();
        let cases = std::env::var_os("PROPTEST_CASES").map_or(2, |_| given.cases);
        let rng_seed = RngSeed::Fixed(1);
        Config { cases, rng_seed, failure_persistence: None, ..given }
    }

    /// What is traced: inputs to outputs.
    pub type Closure<'a> = &'a dyn Fn(&Rc<Trace>, &[Tensor]) -> Vec<Tensor>;

    /// Runs a program as a plan and in C.
    pub fn check(what: &str, closure: Closure, inputs: &[Array], _within: &[Within]) {
        let trace = Trace::new();
        let input =
            |input: &Array| trace.input(input.shape().clone(), input.dtype(), Site::caller());
        let tensors: Vec<Tensor> = inputs.iter().map(input).collect();
        let outputs = closure(&trace, &tensors);
        let (graph, _) = trace.finish(&outputs.iter().collect::<Vec<_>>()).unwrap();
        let mut session = Session::default();
        session.train(what, &graph, &[inputs.to_vec()], Bound::ONCE);
        session.run();
    }
}
