//! How far a run of a plan is when some of its outputs are complete.
//!
//! In: a plan and one of its outputs. Out: the number of steps after which it and those after it
//! are complete, and how much of the work is left then.

use super::{Action, Plan, PlanStep, Product};

/// How many multiply-adds of a product take as long as an element of a loop, about.
const PRODUCT: f64 = 8.0;

impl Plan {
    /// After how many steps the outputs from this one on are complete.
    pub fn steps_until(&self, first: usize) -> usize {
        let buffers: Vec<usize> =
            self.outputs[first..].iter().map(|output| output.buffer).collect();
        let writes = |step: &PlanStep| step.writes().iter().any(|buffer| buffers.contains(buffer));
        self.steps.iter().rposition(writes).map_or(0, |last| last + 1)
    }

    /// The share of the work, by a rough count of operations, that is left after some steps.
    pub fn work_after(&self, steps: usize) -> f64 {
        let works = |steps: &[PlanStep]| steps.iter().map(|step| self.work(step)).sum::<f64>();
        let (left, all) = (works(&self.steps[steps..]), works(&self.steps));
        if all > 0.0 { left / all } else { 0.0 }
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
        assert_eq!((plan.steps_until(1), plan.steps_until(0)), (1, 2));
        assert_eq!((plan.work_after(0), plan.work_after(2)), (1.0, 0.0));
        // Four times the multiply-adds are left, and more elements to read.
        let left = plan.work_after(1);
        assert!((0.75..0.85).contains(&left), "{left}");
    }
}
