//! How far a run of a plan is when some of its outputs are complete.
//!
//! In: a plan. Out: for each of its outputs the number of steps after which it and those after it
//! are complete, and how much of the work is left then.

use rustc_hash::FxHashMap;

use super::{Action, Plan, PlanStep, Product};

/// How many multiply-adds of a product take as long as an element of a loop, about.
const PRODUCT: f64 = 8.0;

impl Plan {
    /// For each output, after how many steps it and those after it are complete.
    pub fn completion(&self) -> Vec<usize> {
        let mut last_writes = FxHashMap::default();
        for (index, step) in self.steps.iter().enumerate() {
            last_writes.extend(step.writes().into_iter().map(|buffer| (buffer, index + 1)));
        }
        let own = |output: &super::Output| last_writes.get(&output.buffer).copied().unwrap_or(0);
        let mut completion: Vec<usize> = self.outputs.iter().map(own).collect();
        for index in (1..completion.len()).rev() {
            completion[index - 1] = completion[index - 1].max(completion[index]);
        }
        completion
    }

    /// For each number of steps, from 0 on, the share of the work, by a rough count of operations,
    /// that is left after them.
    pub fn work_left(&self) -> Vec<f64> {
        let mut left = vec![0.0; self.steps.len() + 1];
        for (index, step) in self.steps.iter().enumerate().rev() {
            left[index] = left[index + 1] + self.work(step);
        }
        let all = left[0].max(1.0);
        left.into_iter().map(|left| left / all).collect()
    }

    fn work(&self, step: &PlanStep) -> f64 {
        let product = |product: &Product| {
            let [rows, terms, columns] = product.sizes.map(|size| size as f64);
            let batch: f64 = product.batch.iter().map(|&size| size as f64).product();
            batch * rows * terms * columns / PRODUCT
        };
        let of_action = match &step.action {
            Action::Product(of) => product(of),
            Action::Update(update) => product(&update.product),
            Action::Windowed(windowed) => product(&windowed.product),
            Action::Scan(scan) => {
                let body = scan.body.steps.iter().map(|step| scan.body.work(step));
                scan.steps as f64 * body.sum::<f64>()
            }
            Action::Loop(_) | Action::Call(_) | Action::Guard(_) => 0.0,
        };
        let touched = step.reads().into_iter().chain(step.writes());
        of_action + touched.map(|buffer| self.buffers[buffer].length as f64).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use crate::dtype::DType;
    use crate::graph::Trace;
    use crate::plan::{Plan, Untuned};
    use crate::site::Site;

    #[test]
    fn an_output_is_complete_after_the_last_step_that_writes_it() {
        let trace = Trace::new();
        let input = |shape: [usize; 2]| trace.input(shape.into(), DType::F32, Site::caller());
        let (x, w) = (input([8, 16]), input([16, 32]));
        let first = x.matmul(&w);
        let second = first.matmul(&input([32, 64]));
        let (graph, _) = trace.finish(&[&second, &first]).unwrap();
        let plan = Plan::new(&graph, &Untuned);
        assert_eq!(plan.completion(), [2, 1]);
        let left = plan.work_left();
        assert_eq!((left.len(), left[0], left[2]), (3, 1.0, 0.0));
        // Four times the multiply-adds are left, and more elements to read.
        assert!((0.75..0.85).contains(&left[1]), "{left:?}");
    }
}
