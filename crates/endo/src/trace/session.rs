//! A trace that stays open while a program looks at its values: what a language works in whose
//! operations compute at once, such as Python's.
//!
//! In: operations on the context's tensors. Out: their values, gradients of any of them, and at
//! once the new values of variables.

use crate::array::Array;
use crate::dtype::DType;
use crate::error::Result;
use crate::graph::Trace;
use crate::variable::Variable;

use super::Context;
use super::immediate::evaluate;
use super::program::not_finite;

/// An open trace whose values are computed as they are traced. Call [`settle`](Self::settle) after
/// each operation.
///
/// ```
/// use endo::prelude::*;
/// use endo::trace::Session;
/// let weight = Variable::new("weight", 3.0_f32);
/// let counter = Variable::new("counter", [0, 0]).frozen();
/// let mut session = Session::new(true, counter);
/// let cx = session.context();
/// let square = cx.read(&weight).square();
/// let gradients = cx.gradients(&square, [&weight]);
/// assert_eq!(gradients.of(&weight).unwrap().value().item()?, 6.0);
/// cx.assign(&weight, square);
/// session.settle()?;
/// assert_eq!(weight.value().item()?, 9.0);
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Session {
    context: Context,
    /// How many assignments and checks have been seen to.
    assignments: usize,
    checks: usize,
}

impl Session {
    /// An empty trace; its random numbers follow the counter, which [`end`](Self::end) moves on.
    pub fn new(training: bool, counter: Variable) -> Self {
        let trace = Trace::eager(evaluate, Vec::new());
        let context = Context::new(trace, training, DType::F32, counter);
        Self { context, assignments: 0, checks: 0 }
    }

    /// Where operations are traced.
    pub fn context(&mut self) -> &mut Context {
        &mut self.context
    }

    /// Gives the variables that were assigned since the last call their new values, and returns
    /// what was warned of.
    ///
    /// # Errors
    /// The first mistake since the last call, or a checked value that is not finite. No variable
    /// has changed then, and the session can be used on.
    pub fn settle(&mut self) -> Result<Vec<String>> {
        let trace = self.context.trace().clone();
        let assigned = self.context.assigned()[self.assignments..].to_vec();
        self.assignments += assigned.len();
        let failure = trace
            .take_error()
            .or_else(|| trace.failed_check(self.checks).map(|what| not_finite(&what)));
        self.checks = trace.check_count();
        if let Some(error) = failure {
            for variable in &assigned {
                trace.forget(variable);
            }
            return Err(error);
        }
        let value_of = |variable: &Variable| -> Option<Array> {
            trace.values_of(variable).last().and_then(|value| trace.value(value.id()))
        };
        for variable in &assigned {
            if let Some(value) = value_of(variable) {
                variable.set(&value)?;
            }
        }
        Ok(trace.take_warnings())
    }

    /// Moves the counter of the random numbers on by a step, if any were drawn, so that the next
    /// session draws others.
    ///
    /// # Errors
    /// As of [`settle`](Self::settle).
    pub fn end(mut self) -> Result<Vec<String>> {
        self.context.advance_counters();
        self.settle()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The trace holds tensors of its own, which hold it: they are let go here, whatever went
        // wrong.
        _ = self.context.trace().finish(&[]);
    }
}
