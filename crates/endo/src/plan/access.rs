//! What the steps of a plan read and write.
//!
//! In: steps. Out: buffers, which passes order and place steps by, and the values that loops keep.

use super::{Action, FusedLoop, Plan, PlanStep, Product};

impl Action {
    /// Whether it is a call of a kernel that does more than compute.
    pub fn is_effect(&self) -> bool {
        if let Action::Call(call) = self { call.kernel.effect().is_some() } else { false }
    }

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
            Action::Windowed(windowed) => windowed.reads(),
            Action::Scan(scan) => {
                let first = scan.states.iter().map(|state| &state.first);
                let all = scan.count.iter().chain(first).chain(&scan.sequences);
                all.chain(&scan.captured).map(|argument| argument.buffer).collect()
            }
        }
    }

    /// Lets it read a buffer in the place of another.
    pub fn read_instead(&mut self, from: usize, to: usize) {
        for buffer in self.reads_mut().into_iter().filter(|buffer| **buffer == from) {
            *buffer = to;
        }
    }

    /// The buffers it reads, to be replaced.
    fn reads_mut(&mut self) -> Vec<&mut usize> {
        match &mut self.action {
            Action::Loop(body) => body.reads_mut(),
            Action::Product(product) => product.reads_mut(),
            Action::Call(call) => call.inputs.iter_mut().map(|input| &mut input.buffer).collect(),
            Action::Guard(guard) => {
                let operands = guard.deferred.iter_mut().flat_map(Product::reads_mut);
                guard.checks.iter_mut().map(|check| &mut check.buffer).chain(operands).collect()
            }
            Action::Update(update) => {
                update.product.reads_mut().into_iter().chain(update.body.reads_mut()).collect()
            }
            Action::Windowed(windowed) => {
                let inputs = windowed.call.inputs.iter_mut().map(|input| &mut input.buffer);
                inputs.chain(windowed.product.reads_mut()).collect()
            }
            Action::Scan(scan) => {
                let first = scan.states.iter_mut().map(|state| &mut state.first);
                let all = scan.count.iter_mut().chain(first).chain(&mut scan.sequences);
                all.chain(&mut scan.captured).map(|argument| &mut argument.buffer).collect()
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
            Action::Windowed(windowed) => vec![windowed.output()],
            Action::Scan(scan) => {
                let last = scan.states.iter().map(|state| state.last);
                last.chain(scan.stacked.iter().copied()).chain(scan.done).collect()
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

    fn reads_mut(&mut self) -> Vec<&mut usize> {
        let repeated = self.repeats.iter_mut().flat_map(|repeat| repeat.loads.iter_mut());
        self.loads.iter_mut().map(|load| &mut load.buffer).chain(repeated).collect()
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
    /// The buffers that it reads.
    pub fn reads(&self) -> Vec<usize> {
        let operands = [self.left.buffer, self.right.buffer];
        operands.into_iter().chain(self.bias.map(|(buffer, _)| buffer)).collect()
    }

    fn reads_mut(&mut self) -> Vec<&mut usize> {
        let operands = [&mut self.left.buffer, &mut self.right.buffer];
        let bias = self.bias.iter_mut().map(|(buffer, _)| buffer);
        operands.into_iter().chain(bias).collect()
    }
}

/// The loops that have repeats.
pub fn joined(steps: &[PlanStep]) -> impl Iterator<Item = &FusedLoop> {
    steps.iter().filter_map(|step| step.action.as_loop()).filter(|body| !body.repeats.is_empty())
}

/// The buffers that a loop and its repeats go through one after the other: those of each load of
/// sequences and of each store.
pub fn sequences(body: &FusedLoop) -> impl Iterator<Item = Vec<usize>> {
    let of_load = |value: usize| {
        let repeats = body.repeats.iter().map(move |repeat| repeat.loads[value]);
        std::iter::once(body.loads[value].buffer).chain(repeats).collect()
    };
    let of_store = |store: usize| {
        let repeats = body.repeats.iter().map(move |repeat| repeat.stores[store]);
        std::iter::once(body.stores[store].buffer).chain(repeats).collect()
    };
    let loads = (0..body.loads.len()).filter(|&value| !body.loads[value].layout.is_uniform());
    loads.map(of_load).chain((0..body.stores.len()).map(of_store))
}

/// The order in which the variables of a plan should lie in memory: those that a joined loop goes
/// through one after the other.
pub fn order(plan: &Plan) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    let mut seen = vec![false; plan.variables.len()];
    let buffers = joined(&plan.steps).flat_map(sequences).flatten();
    let variables = buffers.filter_map(|buffer| plan.buffers[buffer].place.variable());
    let all = variables.chain(0..plan.variables.len());
    for index in all {
        if !std::mem::replace(&mut seen[index], true) {
            order.push(index);
        }
    }
    order
}
