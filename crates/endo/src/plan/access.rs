//! What the steps of a plan read and write.
//!
//! In: steps. Out: buffers, which passes order and place steps by, and the values that loops keep.

use super::{Action, FusedLoop, PlanStep, Product};

impl Action {
    /// The loop that it is.
    pub fn as_loop(&self) -> Option<&FusedLoop> {
        if let Action::Loop(body) = self { Some(body) } else { None }
    }
}

impl PlanStep {
    /// The buffers it reads.
    pub fn reads(&self) -> Vec<usize> {
        match &self.action {
            Action::Loop(body) => body.reads(),
            Action::Product(product) => product.reads(),
            Action::Call(call) => call.inputs.iter().map(|input| input.buffer).collect(),
            Action::Guard(guard) => {
                let operands = guard.deferred.iter().flat_map(Product::reads);
                guard.checks.iter().map(|check| check.buffer).chain(operands).collect()
            }
            Action::Update(update) => {
                update.product.reads().into_iter().chain(update.body.reads()).collect()
            }
        }
    }

    /// The buffers it writes.
    pub fn writes(&self) -> Vec<usize> {
        match &self.action {
            Action::Loop(body) => body.writes(),
            Action::Product(product) => vec![product.output],
            Action::Call(call) => vec![call.output.buffer],
            Action::Guard(guard) => guard.deferred.iter().map(|product| product.output).collect(),
            // A checked product's result belongs to the guard, which may have to compute it.
            Action::Update(update) => {
                let own = (!update.checked).then_some(update.product.output);
                update.body.writes().into_iter().chain(own).collect()
            }
        }
    }
}

impl FusedLoop {
    /// For each value the last instruction that reads it; the number of instructions if it is
    /// stored or reduced.
    pub fn last_reads(&self) -> Vec<usize> {
        let mut last = vec![0; self.loads.len() + self.instructions.len()];
        for (index, instruction) in self.instructions.iter().enumerate() {
            for &input in &instruction.inputs {
                last[input] = index;
            }
        }
        for value in self.kept() {
            last[value] = self.instructions.len();
        }
        last
    }

    /// The values that are stored or reduced.
    pub fn kept(&self) -> impl Iterator<Item = usize> {
        let stored = self.stores.iter().map(|store| store.value);
        stored.chain(self.reduces.iter().map(|reduce| reduce.value))
    }

    fn reads(&self) -> Vec<usize> {
        let repeated = self.repeats.iter().flat_map(|repeat| repeat.loads.iter().copied());
        self.loads.iter().map(|load| load.buffer).chain(repeated).collect()
    }

    fn writes(&self) -> Vec<usize> {
        let repeated = self.repeats.iter().flat_map(|repeat| repeat.stores.iter().copied());
        let own = self
            .stores
            .iter()
            .map(|store| store.buffer)
            .chain(self.reduces.iter().map(|reduce| reduce.buffer));
        own.chain(repeated).collect()
    }
}

impl Product {
    fn reads(&self) -> Vec<usize> {
        let operands = [self.left.buffer, self.right.buffer];
        operands.into_iter().chain(self.bias.map(|(buffer, _)| buffer)).collect()
    }
}
