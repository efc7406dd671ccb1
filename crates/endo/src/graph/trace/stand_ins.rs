//! Values that stand for those of variables while a part of a closure is traced.
//!
//! In: variables with other values. Out: these values where the variables are read.

use crate::variable::Variable;

use super::super::Tensor;
use super::Trace;

/// A value that stands for a variable's own.
pub(super) struct StandIn {
    variable: Variable,
    value: Tensor,
    is_read: bool,
}

impl Trace {
    /// The value that stands for a variable's own, where one does.
    pub(crate) fn stand_in(&self, variable: &Variable) -> Option<Tensor> {
        let mut state = self.state.borrow_mut();
        let known = state.stand_ins.iter_mut().rev().find(|known| known.variable == *variable)?;
        known.is_read = true;
        Some(known.value.clone())
    }

    /// Gives variables other values than their own, until these are taken back.
    pub(crate) fn push_stand_ins(&self, values: Vec<(Variable, Tensor)>) {
        let stand_in = |(variable, value)| StandIn { variable, value, is_read: false };
        self.state.borrow_mut().stand_ins.extend(values.into_iter().map(stand_in));
    }

    /// Takes back the last `count` of them, and returns the variables whose value nothing has read.
    pub(crate) fn pop_stand_ins(&self, count: usize) -> Vec<Variable> {
        let mut state = self.state.borrow_mut();
        let kept = state.stand_ins.len() - count;
        let taken = state.stand_ins.split_off(kept);
        taken.into_iter().filter(|known| !known.is_read).map(|known| known.variable).collect()
    }
}
