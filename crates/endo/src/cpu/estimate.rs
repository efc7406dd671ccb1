//! How long a step of a plan takes one thread, about.
//!
//! In: a step, the buffers of its plan, and the level of instructions. Out: its [`Cost`].

use crate::plan::{Action, Argument, Buffer, CheckedValue, LoopOverSteps, PlanStep, Product};
use crate::simd::Level;

use super::cost::Cost;
use super::product::matmul;

/// The cost of a step.
pub fn step_cost(step: &PlanStep, buffers: &[Buffer], level: Level) -> Cost {
    let products = |product: &Product| {
        let element_bytes = buffers[product.output].element_bytes();
        matmul(product).cost(level, element_bytes).times(product.batch.iter().product())
    };
    match &step.action {
        Action::Product(of) => products(of),
        Action::Loop(body) => Cost::of_loop(body, buffers, level),
        Action::Call(call) => {
            let size = |argument: &Argument| {
                argument.shape.len() * buffers[argument.buffer].element_bytes()
            };
            Cost::of_kernel(call.inputs.iter().chain([&call.output]).map(size).sum())
        }
        Action::Guard(guard) => {
            let size = |check: &CheckedValue| check.length * buffers[check.buffer].element_bytes();
            Cost::of_bytes(guard.checks.iter().map(size).sum())
        }
        Action::Update(update) => {
            products(&update.product) + Cost::of_loop(&update.body, buffers, level)
        }
        Action::Windowed(windowed) => products(&windowed.product),
        Action::Scan(scan) => scan_cost(scan, level),
    }
}

/// The cost of all steps of a loop.
pub fn scan_cost(scan: &LoopOverSteps, level: Level) -> Cost {
    let of = |step: &PlanStep| step_cost(step, &scan.body.buffers, level);
    scan.body.steps.iter().map(of).sum::<Cost>().times(scan.steps)
}
