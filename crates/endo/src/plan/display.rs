//! The printed form of a plan: one step a line, the bodies of loops below them, with places and
//! layers.

use std::fmt;
use std::ops::Range;

use super::{
    Action, Argument, BufferPlace, Call, FusedLoop, Instruction, Layout, LoopFunction,
    LoopOverSteps, Matrix, Plan, PlanStep, Product,
};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} steps, arena {} bytes, constants {} bytes",
            self.steps.len(),
            self.arena_bytes(),
            self.constants.bytes
        )?;
        for position in 0..self.steps.len() {
            self.step(position).fmt(f)?;
        }
        for Range { start, end } in self.independent.iter().cloned() {
            writeln!(f, "at once, if that is sooner: steps {start} to {}", end - 1)?;
        }
        for (index, output) in self.outputs.iter().enumerate() {
            let signature = &output.signature;
            writeln!(
                f,
                "return {index}: {}{} at {}",
                signature.dtype,
                signature.shape,
                self.buffer(output.buffer)
            )?;
        }
        Ok(())
    }
}

/// A step as it is printed.
struct StepText<'a> {
    plan: &'a Plan,
    position: usize,
}

impl fmt::Display for StepText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plan.write_step(f, self.position, &self.plan.steps[self.position])
    }
}

impl Plan {
    /// A step as the plan prints it, the body of a loop below it.
    ///
    /// # Panics
    /// When displayed, if there is no such step.
    pub fn step(&self, position: usize) -> impl fmt::Display + '_ {
        StepText { plan: self, position }
    }

    fn write_step(
        &self,
        f: &mut fmt::Formatter<'_>,
        position: usize,
        step: &PlanStep,
    ) -> fmt::Result {
        let scope = &self.scopes[step.scope as usize];
        let scope = if scope.is_empty() { String::new() } else { format!("  # {scope}") };
        write!(f, "{position:4} ")?;
        match &step.action {
            Action::Loop(body) => {
                writeln!(f, "loop over {}{scope}", body.length)?;
                self.write_loop(f, body)
            }
            Action::Product(product) => {
                writeln!(f, "{}{scope}", self.product(product))
            }
            Action::Call(call) => writeln!(f, "{}{scope}", self.call(call)),
            Action::Windowed(windowed) => {
                let product = self.product(&windowed.product);
                writeln!(f, "{product}, a part at a time with{scope}")?;
                writeln!(f, "       {}", self.call(&windowed.call))
            }
            Action::Guard(guard) => {
                let checks = listed(guard.checks.iter().map(|check| self.buffer(check.buffer)));
                let deferred =
                    listed(guard.deferred.iter().map(|product| self.buffer(product.output)));
                let bounded = if deferred.is_empty() {
                    String::new()
                } else {
                    format!(", by their operands {deferred}")
                };
                writeln!(f, "check that {checks} are finite{bounded}{scope}")
            }
            Action::Scan(scan) => self.write_scan(f, scan, &scope),
            Action::Update(update) => {
                writeln!(f, "{}, and with each part of it{scope}", self.product(&update.product))?;
                self.write_loop(f, &update.body)
            }
        }
    }

    fn write_scan(
        &self,
        f: &mut fmt::Formatter<'_>,
        scan: &LoopOverSteps,
        scope: &str,
    ) -> fmt::Result {
        let steps = match (&scan.count, scan.conditional) {
            (Some(count), _) => format!("{} of {} steps", self.argument(count), scan.steps),
            (None, true) => format!("up to {} steps", scan.steps),
            (None, false) => format!("{} steps", scan.steps),
        };
        let order = if scan.backwards { ", the last one first" } else { "" };
        let states = scan.states.iter().map(|state| {
            format!("{} from {}", self.buffer(state.last), self.argument(&state.first))
        });
        let given = listed(scan.sequences.iter().map(|sequence| self.argument(sequence)));
        let read = listed(scan.captured.iter().map(|argument| self.argument(argument)));
        let made = listed(scan.stacked.iter().map(|&buffer| self.buffer(buffer).to_string()));
        writeln!(f, "{steps}{order}: states {}{scope}", listed(states))?;
        writeln!(f, "       elements of {given}; {read}")?;
        writeln!(f, "       stacked in {made}; each step:")?;
        for line in scan.body.to_string().lines() {
            writeln!(f, "     | {line}")?;
        }
        Ok(())
    }

    fn call(&self, call: &Call) -> String {
        let inputs = listed(call.inputs.iter().map(|input| self.argument(input)));
        format!("{} = {}({inputs})", self.argument(&call.output), call.kernel.name())
    }

    fn product(&self, of: &Product) -> String {
        let [rows, terms, columns] = of.sizes;
        let bias =
            of.bias.map_or(String::new(), |(buffer, _)| format!(" + {}", self.buffer(buffer)));
        let batch =
            if of.batch.is_empty() { String::new() } else { format!(" {:?} times", of.batch) };
        let [left, right] = [&of.left, &of.right].map(|matrix| self.matrix(matrix));
        let output = self.buffer(of.output);
        let product = format!("{left} · {right}{bias}");
        let product = if of.rectified { format!("relu({product})") } else { product };
        format!("{output} = {product}: {rows}x{terms}x{columns}{batch}")
    }

    fn write_loop(&self, f: &mut fmt::Formatter<'_>, body: &FusedLoop) -> fmt::Result {
        for (value, load) in body.loads.iter().enumerate() {
            writeln!(
                f,
                "       %{value} = {}{}",
                self.buffer(load.buffer),
                Elements(&load.layout)
            )?;
        }
        for (position, instruction) in body.instructions.iter().enumerate() {
            writeln!(f, "       %{} = {instruction}", body.loads.len() + position)?;
        }
        for store in &body.stores {
            writeln!(f, "       {} = %{}", self.buffer(store.buffer), store.value)?;
        }
        for reduce in &body.reduces {
            let [before, size, behind] = reduce.sizes;
            let name = format!("{:?}", reduce.reduction).to_lowercase();
            writeln!(
                f,
                "       {} = {name} %{} over {before} [{size}] {behind}",
                self.buffer(reduce.buffer),
                reduce.value
            )?;
        }
        if let Some(whole) = &body.whole {
            writeln!(f, "     in one pass: {}", whole.routine.name)?;
        }
        for repeat in &body.repeats {
            let stores = listed(repeat.stores.iter().map(|&buffer| self.buffer(buffer)));
            let own = repeat
                .loads
                .iter()
                .enumerate()
                .filter(|&(value, &buffer)| body.loads[value].buffer != buffer);
            let loads = own.map(|(value, &buffer)| format!("%{value} = {}", self.buffer(buffer)));
            writeln!(f, "     and over {}: {stores} from {}", repeat.length, listed(loads))?;
        }
        Ok(())
    }

    /// A buffer's name: where it is.
    fn buffer(&self, index: usize) -> String {
        match self.buffers[index].place {
            BufferPlace::Arena(start) => format!("@{start}"),
            BufferPlace::Constant(start) => format!("constant@{start}"),
            BufferPlace::Input(index) => format!("input {index}"),
            BufferPlace::Output(index) => format!("output {index}"),
            BufferPlace::Nowhere => "windows".to_string(),
            BufferPlace::Variable(index) => format!("`{}`", self.variables[index].name),
        }
    }

    fn matrix(&self, matrix: &Matrix) -> String {
        let transposed = if matrix.strides[1] == 1 { "" } else { "ᵀ" };
        format!("{}{transposed}", self.buffer(matrix.buffer))
    }

    fn argument(&self, argument: &Argument) -> String {
        format!("{}{}", self.buffer(argument.buffer), argument.shape)
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.function {
            LoopFunction::Elementwise(elementwise) => f.write_str(elementwise.name)?,
            LoopFunction::Combined(combined) => write!(f, "[{}]", combined.text)?,
            LoopFunction::Cast => write!(f, "cast {}", self.to)?,
            LoopFunction::Expand => f.write_str("expand")?,
            LoopFunction::Halve => f.write_str("halve")?,
        }
        write!(f, "({})", listed(self.inputs.iter().map(|input| format!("%{input}"))))
    }
}

fn listed(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// Which elements a load reads; nothing for all of them in order.
struct Elements<'a>(&'a Layout);

impl fmt::Display for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_plain() {
            return Ok(());
        }
        let axes = self.0.axes.iter().map(|axis| format!("{} by {}", axis.size, axis.stride));
        write!(f, "[{}; {}]", self.0.offset, listed(axes))
    }
}
