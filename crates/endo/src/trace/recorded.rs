//! Gradients through a part of a trace: what a tape has recorded in a language whose programs open
//! and close tapes while a trace goes on.
//!
//! In: a range of nodes, by their numbers. Out: gradients that flow through these alone.

use std::ops::Range;

use crate::array::Array;
use crate::autodiff;
use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::shape::Shape;
use crate::site::Site;
use crate::variable::Variable;

use super::{Context, Target};

impl Context {
    /// The gradients of the sum of `value * dy` by each target through the nodes that were
    /// recorded; `None` where none leads from the target to the value.
    #[doc(hidden)]
    #[track_caller]
    pub fn recorded_gradients(
        &mut self,
        value: &Tensor,
        dy: &Tensor,
        targets: &[Target],
        recorded: Range<usize>,
    ) -> Vec<Option<Tensor>> {
        let site = Site::caller();
        if !value.dtype().is_float() {
            let message =
                format!("gradients of a tensor of type {}: only floats have them", value.dtype());
            let help = "`cast` to f32 before the loss is computed";
            self.trace().record(Error::new(ErrorKind::DType, message).help(help).at(site));
            return vec![None; targets.len()];
        }
        self.shares(value, targets, site, |tensors| {
            autodiff::pulled_back(value, dy, tensors, recorded)
        })
    }

    /// The derivatives of each element of a value by each element of a target, with the axes of
    /// both; `None` where nothing recorded leads from the one to the other.
    #[doc(hidden)]
    #[track_caller]
    pub fn recorded_jacobian(
        &mut self,
        value: &Tensor,
        target: &Target,
        recorded: &Range<usize>,
    ) -> Option<Tensor> {
        let (sizes, count) = (value.shape().clone(), value.shape().len());
        let rows: Vec<Tensor> = (0..count)
            .map_while(|index| {
                let unit = Array::from_fn(sizes.clone(), |place| f32::from(place == index));
                let dy = self.constant(unit.cast(value.dtype()));
                let target = std::slice::from_ref(target);
                self.recorded_gradients(value, &dy, target, recorded.clone()).remove(0)
            })
            .collect();
        let row = rows.first()?.shape().clone();
        let shape: Shape = sizes.iter().chain(row.iter()).copied().collect();
        Some(Tensor::stack(&rows, 0).reshape(shape))
    }

    /// Whether a value depends on one of some others through the nodes that were recorded.
    #[doc(hidden)]
    pub fn recorded_dependence(
        &self,
        value: &Tensor,
        others: &[Target],
        recorded: &Range<usize>,
    ) -> bool {
        let others: Vec<Tensor> =
            others.iter().flat_map(|other| self.values_of_target(other)).collect();
        autodiff::depends(value, &others, recorded)
    }

    /// The variables that the nodes recorded have read, in the order in which the trace has.
    #[doc(hidden)]
    pub fn recorded_variables(&self, recorded: &Range<usize>) -> Vec<Variable> {
        self.trace().variables_read(recorded)
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;
    use crate::trace::{Session, Target};

    #[test]
    fn gradients_flow_through_what_was_recorded_alone() {
        let [weight, other] = ["weight", "other"].map(|name| Variable::new(name, 3.0_f32));
        let counter = Variable::new("counter", [0, 0]).frozen();
        let mut session = Session::new(false, counter);
        let cx = session.context();
        let before = cx.read(&weight).square();
        let start = cx.trace().node_count();
        let within = &before * cx.read(&other);
        let recorded = start..cx.trace().node_count();
        let after = within.square();
        let targets: [Target; 3] = [(&weight).into(), (&other).into(), (&before).into()];
        let one = cx.constant(1.0_f32);
        let gradients = cx.recorded_gradients(&within, &one, &targets, recorded.clone());
        assert!(gradients[0].is_none());
        assert_eq!(gradients[1].as_ref().unwrap().value().item().unwrap(), 9.0);
        assert_eq!(gradients[2].as_ref().unwrap().value().item().unwrap(), 3.0);
        let gradients = cx.recorded_gradients(&after, &one, &targets, recorded.clone());
        assert!(gradients.iter().all(Option::is_none));
        assert!(cx.recorded_dependence(&within, &targets[1..2], &recorded));
        assert!(!cx.recorded_dependence(&within, &targets[..1], &recorded));
        assert_eq!(cx.recorded_variables(&recorded), [other]);
    }
}
