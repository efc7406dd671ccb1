//! Where the time of a net's step goes, and how it would be shared among threads that this machine
//! does not have.
//!
//! In: a net, and numbers of threads. Out: the time of each step of the plan on one thread, by
//! itself or added up; and for each number of threads the time of a run by the model that the
//! runner decides by, beside that of the run itself where the machine has as many.

use std::time::Instant;

use endo::cpu::{self, Sharing, VariableMemory, Workspace};
use endo::prelude::*;
use endo::trace::{Pool, Program};
use endo::variable::VariableBlock;

use crate::json_line::JsonLine;
use crate::machine;
use crate::nets::Net;
use crate::steps::line_of;
use crate::workloads::{MeasureOptions, Outcome};

/// The runs of which the least time of each step counts.
const RUNS: usize = 20;

/// A line for one thread, then one for each number of threads.
pub fn measure(net: Net, options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
    let batch = options.batch.unwrap_or(net.batch());
    let program = net.model(1, options.numbers).training_program(&net.data(batch)?)?;
    let mut runs = Runs::new(&program)?;
    let times = runs.times();
    let line = |threads: usize| line_of(net, options).with("threads", threads).with("batch", batch);
    let alone: f64 = times.iter().sum();
    let steps_at_once: usize = program.plan().independent.iter().map(ExactSizeIterator::len).sum();
    let first = line(1)
        .measured("us_per_step", alone / 1e3)
        .with("steps", times.len())
        .with("steps_at_once", steps_at_once);
    let of = |threads: usize| {
        let workspace = Workspace::new(program.plan(), threads);
        let time = |sharing| workspace.simulated(program.plan(), &times, sharing) / 1e3;
        let line = line(threads)
            .measured("us_by_all", time(Sharing::All))
            .measured("us_by_as_many_as_worth", time(Sharing::Worth))
            .measured("us_with_steps_at_once", time(Sharing::AtOnce));
        if threads > machine::cores() {
            return line;
        }
        line.measured("us_measured", runs.least(threads) / 1e3)
    };
    Ok(std::iter::once(first).chain(options.simulated.iter().copied().map(of)).collect())
}

/// A line for each step of the plan, the longest first: its time on one thread, its share of all,
/// and the step as the plan prints it.
pub fn profile(net: Net, options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
    let batch = options.batch.unwrap_or(net.batch());
    let program = net.model(1, options.numbers).training_program(&net.data(batch)?)?;
    let times = Runs::new(&program)?.times();
    let alone: f64 = times.iter().sum();
    let mut steps: Vec<usize> = (0..times.len()).collect();
    steps.sort_by(|&one, &two| times[two].total_cmp(&times[one]));
    let line = |step: usize| {
        let text = program.plan().step(step).to_string();
        line_of(net, options)
            .measured("us", times[step] / 1e3)
            .measured("share", times[step] / alone)
            .with("step", text.trim())
    };
    Ok(steps.into_iter().map(line).collect())
}

/// A program with what its runs need.
struct Runs<'a> {
    program: &'a Program,
    /// Zeros: how long the steps of these nets take does not depend on numbers.
    inputs: Vec<Array>,
    block: std::sync::Arc<VariableBlock>,
    offsets: Vec<usize>,
}

impl<'a> Runs<'a> {
    fn new(program: &'a Program) -> Result<Self> {
        let plan = program.plan();
        let zeros =
            |signature: &endo::plan::Signature| Array::zeros(&signature.shape, signature.dtype);
        // They lie in memory as the plan goes through them.
        let order = plan.order();
        let variables: Vec<Variable> =
            order.iter().map(|&index| program.variables()[index].clone()).collect();
        let (block, placed) = VariableBlock::gather(&variables)?;
        let mut offsets = vec![0; placed.len()];
        for (index, offset) in order.into_iter().zip(placed) {
            offsets[index] = offset;
        }
        Ok(Self { program, inputs: plan.inputs.iter().map(zeros).collect(), block, offsets })
    }

    /// The least nanoseconds that each step takes one thread.
    fn times(&mut self) -> Vec<f64> {
        let plan = self.program.plan();
        let mut workspace = Workspace::new(plan, 1);
        let mut least = vec![f64::INFINITY; plan.steps.len()];
        for _ in 0..RUNS {
            let mut step = 0;
            let mut tell = |time: f64| {
                least[step] = least[step].min(time);
                step += 1;
            };
            let inputs: Vec<&Array> = self.inputs.iter().collect();
            let mut content = self.block.write();
            let variables = VariableMemory::Write(content.bytes_mut());
            cpu::run_timed(plan, &mut workspace, &inputs, variables, &self.offsets, &mut tell)
                .expect("zeros are finite");
        }
        least
    }

    /// The least nanoseconds of a run on a number of threads.
    fn least(&self, threads: usize) -> f64 {
        let plan = self.program.plan();
        let (mut workspace, pool) = (Workspace::new(plan, threads), Pool::new(threads));
        let inputs: Vec<&Array> = self.inputs.iter().collect();
        let mut once = || {
            let mut content = self.block.write();
            let variables = VariableMemory::Write(content.bytes_mut());
            let start = Instant::now();
            cpu::run(plan, &mut workspace, &inputs, variables, &self.offsets, &pool)
                .expect("zeros are finite");
            start.elapsed().as_secs_f64() * 1e9
        };
        (0..RUNS).map(|_| once()).fold(f64::INFINITY, f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json_line::number;

    #[test]
    fn the_steps_of_a_plan_are_listed_with_the_longest_first() {
        let options =
            MeasureOptions { batch: Some(16), profile: true, ..MeasureOptions::default() };
        let lines = profile(Net::Lenet, &options).unwrap();
        let of = |name| lines.iter().map(move |line| number(&line.to_string(), name).unwrap());
        assert!(of("us").is_sorted_by(|one, two| one >= two));
        assert!((of("share").sum::<f64>() - 1.0).abs() < 0.01);
        assert!(lines.iter().any(|line| line.to_string().contains("a part at a time")));
    }

    #[test]
    fn more_threads_are_said_to_take_less_time() {
        let options = MeasureOptions {
            threads: 1,
            epochs: 1,
            batch: Some(16),
            simulated: vec![2, 32],
            ..Default::default()
        };
        let lines = measure(Net::Lenet, &options).unwrap();
        let [alone, two, many] = &lines[..] else { panic!("{lines:?}") };
        let of = |line: &JsonLine, name| number(&line.to_string(), name).unwrap();
        let name = "us_with_steps_at_once";
        assert!(of(many, name) < of(two, name) && of(two, name) < of(alone, "us_per_step"));
        assert!(
            two.has("us_measured") == (machine::cores() > 1)
                && many.has("us_measured") == (machine::cores() >= 32)
        );
    }
}
