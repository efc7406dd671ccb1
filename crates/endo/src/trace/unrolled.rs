//! Loops traced step by step: where values are computed as they are traced, and for what runs
//! graphs without loops.
//!
//! In: a loop. Out: what it computes, as the nodes of all steps one after the other.

use crate::array::Array;
use crate::error::ErrorKind;
use crate::graph::{Scan, Tensor, Tree};
use crate::site::Site;

use super::Context;
use super::record::{Change, MetricTerm};
use super::scan::{Loop, TracedStep, structure};

impl Context {
    /// Calls the step for each position.
    #[track_caller]
    pub(super) fn unrolled<S: Tree, X: Tree, Y: Tree>(
        &mut self,
        whole: &Loop,
        first: S,
        xs: &X,
        mut step: impl FnMut(S, X, &mut Self) -> TracedStep<S, Y>,
    ) -> (S, Y) {
        let (trace, site) = (self.trace().clone(), whole.site);
        let known = |value: &Tensor| trace.value(value.id()).map(|value| value.get(0));
        // Steps that are not done are left out where values are known; elsewhere what they make is.
        let count = whole.options.count.as_ref().map(|count| (count, known(count)));
        let steps = match &count {
            Some((_, Some(count))) => whole.steps.min(count.max(0.0) as usize),
            _ => whole.steps,
        };
        if steps == Scan::UNBOUNDED && known(&self.constant(0.0_f32)).is_none() {
            let message = "a loop without a largest number of steps cannot be traced step by step";
            let help = "say how many steps there are at most: `maximum_iterations`";
            self.trace().refuse(ErrorKind::Usage, message, help, site);
            // Only loops that give nothing have no largest number of steps.
            return (first, structure(&[]));
        }
        let element = |x: &Tensor, at: usize| {
            let rest = x.shape().without(&[0]);
            if x.shape()[0] == 0 {
                return x.constant_like(0.0).expand(&rest, site); // seen by no step that counts
            }
            x.slice(0, at..at + 1).reshape(rest)
        };
        let (around, draws) = (self.begin_steps(), self.draws());
        let calls = self.scopes.calls();
        let mut states: Vec<Tensor> = first.tensors().into_iter().cloned().collect();
        let mut goes_on: Option<Tensor> = None;
        let mut gives: Vec<Vec<Tensor>> = Vec::new();
        let mut metrics: Vec<Vec<MetricTerm>> = Vec::new();
        let mark = self.mark();
        self.carried.push(Vec::new());
        // What a loop without steps would give is as large as what one step gives.
        for index in 0..steps.max(1) {
            let at = if whole.options.reverse { steps.max(1) - 1 - index } else { index };
            let elements: Vec<Tensor> = xs.tensors().into_iter().map(|x| element(x, at)).collect();
            self.set_draws(draws);
            self.scopes.set_calls(calls.clone());
            self.positions.push(trace.constant(Array::scalar(at as i32), site));
            let (mut made, changed) =
                self.collect_assigned(|cx| step(structure(&states), structure(&elements), cx));
            self.positions.pop();
            metrics.push(self.metrics.split_off(mark.metrics));
            if !self.check_states(&structure::<S>(&states), &made.next, site) {
                made.next = structure(&states);
            }
            let holds = if steps == 0 {
                Some(trace.constant(Array::scalar(false), site))
            } else {
                let within = count.as_ref().filter(|(_, known)| known.is_none());
                let within = within.map(|(count, _)| count.greater(at as i32));
                match (within, &goes_on) {
                    (Some(within), Some(goes_on)) => Some(within.logical_and(goes_on)),
                    (within, goes_on) => within.or(goes_on.clone()),
                }
            };
            if let Some(holds) = &holds {
                for Change { variable, before } in &changed {
                    let kept = holds.where_(self.read(variable), before);
                    self.assign_at(variable, &kept, site);
                }
            }
            let chosen = |new: &Tensor, old: &Tensor| match &holds {
                Some(holds) => holds.where_(new, old),
                None => new.clone(),
            };
            for carried in self.carried.last_mut().into_iter().flatten() {
                carried.given = chosen(&carried.next, &carried.given);
                carried.is_set = false;
            }
            let next = made.next.tensors().into_iter().zip(&states);
            states = next.map(|(new, old)| chosen(new, old)).collect();
            gives.push(
                made.gives.tensors().into_iter().map(|y| chosen(y, &y.zeros_like())).collect(),
            );
            if let Some(next) = made.goes_on {
                if known(&next) == Some(0.0) {
                    break;
                }
                if known(&next).is_none() {
                    goes_on = Some(holds.map_or(next.clone(), |holds| holds.logical_and(next)));
                }
            }
        }
        self.end_steps(around);
        let carried = self.carried.pop().unwrap_or_default();
        self.last_carried = carried.into_iter().map(|carried| carried.given).collect();
        if steps == 0 {
            for term in &mut self.losses[mark.losses..] {
                term.value = term.value.zeros_like();
            }
            for metric in metrics.iter_mut().flatten() {
                metric.value = metric.value.zeros_like();
            }
        }
        self.put_mean_metrics(metrics);
        if whole.options.reverse {
            gives.reverse();
        }
        let stacked: Vec<Tensor> = (0..gives[0].len())
            .map(|place| {
                let of_steps: Vec<Tensor> =
                    gives.iter().take(steps).map(|step| step[place].clone()).collect();
                let none = || gives[0][place].expand_dims(0).slice(0, 0..0);
                let done = if steps == 0 { none() } else { Tensor::stack(&of_steps, 0) };
                padded(&done, whole.steps, site)
            })
            .collect();
        (structure(&states), structure(&stacked))
    }

    /// Adds the metrics of steps, each as the mean over the steps.
    #[track_caller]
    fn put_mean_metrics(&mut self, of_steps: Vec<Vec<MetricTerm>>) {
        let count = of_steps.len() as f64;
        let mut steps = of_steps.into_iter();
        let Some(mut means) = steps.next() else { return };
        for step in steps {
            for (mean, metric) in means.iter_mut().zip(step) {
                mean.value = &mean.value + &metric.value;
            }
        }
        for mean in &mut means {
            mean.value = &mean.value / count;
        }
        self.metrics.extend(means);
    }
}

/// With zeros at the end of the first axis, up to a size.
#[track_caller]
fn padded(stacked: &Tensor, steps: usize, site: Site) -> Tensor {
    let missing = steps - stacked.shape()[0];
    if missing == 0 {
        return stacked.clone();
    }
    let zeros = stacked.constant_like(0.0).expand(&stacked.shape().with(0, missing), site);
    Tensor::concatenate(&[stacked.clone(), zeros], 0)
}
