//! States of a loop that a layer says within its step, where it first knows how large they are.
//!
//! In: what they begin with, and what they are after the step. Out: what they are before it, and
//! after the last one.

use crate::graph::Tensor;
use crate::site::Site;

use super::Context;
use super::record::Carried;

impl Context {
    /// What a further state of the loop that is traced is before the step: `first` before the first
    /// one. For layers that only know within a step how large it is; [`carry`](Self::carry) says
    /// what it is after the step.
    #[doc(hidden)]
    #[track_caller]
    pub fn carried(&mut self, first: &Tensor) -> Tensor {
        let known = self.carried.last().and_then(|of_loop| of_loop.iter().find(|c| !c.is_set));
        if let Some(known) = known {
            return known.given.clone();
        }
        let given = if self.trace().unrolls() {
            first.clone()
        } else {
            self.trace().parameter(first.shape().clone(), first.dtype(), Site::caller())
        };
        let carried = Carried {
            first: first.clone(),
            given: given.clone(),
            next: given.clone(),
            is_set: false,
        };
        if let Some(of_loop) = self.carried.last_mut() {
            of_loop.push(carried);
        }
        given
    }

    /// Says what the state asked for last is after the step.
    #[doc(hidden)]
    pub fn carry(&mut self, next: &Tensor) {
        let known =
            self.carried.last_mut().and_then(|of_loop| of_loop.iter_mut().find(|c| !c.is_set));
        if let Some(known) = known {
            known.next = next.clone();
            known.is_set = true;
        }
    }

    /// The values of these states after the last step of the loop that has ended last.
    #[doc(hidden)]
    pub fn take_carried(&mut self) -> Vec<Tensor> {
        std::mem::take(&mut self.last_carried)
    }
}
