//! The loops over steps of a plan.

use std::sync::Arc;

use super::{Argument, Plan};

/// A plan that is run once for each step of a loop.
///
/// Its inputs are the position of the step, `i32[]`, the states, the elements at the position of
/// the sequences, and whatever else it reads. Its outputs are whether there is a next step if the
/// loop is conditional, the next states, and what the step gives.
#[derive(Clone, Debug)]
pub struct LoopOverSteps {
    /// What a step does.
    pub body: Arc<Plan>,
    /// The number of steps; the largest possible one where it is counted or conditional.
    pub steps: usize,
    /// Whether it begins with the last step.
    pub backwards: bool,
    /// Whether the first output of a step says if there is a next one.
    pub conditional: bool,
    /// How many of the steps, from the first position on, are done, `i32[]`; all unless given.
    pub count: Option<Argument>,
    /// What goes from step to step.
    pub states: Vec<LoopState>,
    /// What a step is given the element at its position of.
    pub sequences: Vec<Argument>,
    /// What every step reads besides.
    pub captured: Vec<Argument>,
    /// The buffers for what each step gives, one after the other; 0 for those that are not done.
    pub stacked: Vec<usize>,
    /// The buffer for the number of steps that were done.
    pub done: Option<usize>,
}

/// A state of a loop over steps.
#[derive(Clone, Debug)]
pub struct LoopState {
    /// What the first step is given.
    pub first: Argument,
    /// The buffer of what the last step makes; while the loop runs, of what the step before made.
    pub last: usize,
}
