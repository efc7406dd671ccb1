//! [`Processor`]: the [`Runner`] that is used unless another is asked for.
//!
//! In: plans. Out: runs on this machine's processor, from any thread; runs that write variables
//! exclude each other. Workspaces stay, as many as ran at once, for each number of threads.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use crate::array::Array;
use crate::cpu::{self, Pause, ProcessorTuning, VariableMemory, Workspace};
use crate::error::{Error, Result};
use crate::plan::{Plan, Tuning};
use crate::simd::Memory;
use crate::variable::{Variable, VariableBlock};

use super::runner::{Failure, Pool, Prepared, Runner};

/// This machine's processor.
pub struct Processor;

impl Runner for Processor {
    fn tuning(&self) -> &dyn Tuning {
        &ProcessorTuning
    }

    fn prepare(&self, plan: Plan, variables: &[Variable]) -> Result<Box<dyn Prepared>> {
        let bytes = plan.constants.bytes;
        let constants = cpu::constants(&plan)
            .ok_or_else(|| Error::out_of_memory("what a plan holds of constants", bytes))?;
        Ok(Box::new(PreparedPlan {
            writes: plan.writes(),
            completion: OnceLock::new(),
            plan,
            constants,
            variables: variables.to_vec(),
            binding: Mutex::new(None),
            idle: Mutex::new(Vec::new()),
        }))
    }
}

/// A plan with what its runs share.
struct PreparedPlan {
    plan: Plan,
    constants: Arc<Memory>,
    variables: Vec<Variable>,
    writes: bool,
    /// After how many steps each output and those after it are complete, once somebody asks.
    completion: OnceLock<Vec<usize>>,
    binding: Mutex<Option<Binding>>,
    idle: Mutex<Vec<Ready>>,
}

/// What a run needs, and where the variables were in the last one.
struct Ready {
    workspace: Workspace,
    binding: Binding,
}

#[derive(Clone)]
struct Binding {
    block: Arc<VariableBlock>,
    offsets: Arc<[usize]>,
}

impl Prepared for PreparedPlan {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn run(&self, inputs: &[&Array], outputs: &mut [Array], pool: &Pool) -> Result<(), Failure> {
        let mut ready = self.take_ready(pool)?;
        let mut result = self.run_in(&mut ready, inputs, pool, None);
        for (index, output) in outputs.iter_mut().enumerate() {
            result = result.and_then(|()| {
                let bytes = ready.workspace.output(&self.plan, index);
                output.try_copy_from_bytes(bytes).map_err(Failure::Error)
            });
        }
        lock(&self.idle).push(ready);
        result
    }

    fn run_into(
        &self,
        inputs: &[&Array],
        early: Option<usize>,
        pool: &Pool,
        take: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<(), Failure> {
        let (plan, count) = (&self.plan, self.plan.outputs.len());
        // A plan of another number of outputs than expected hands them on at the end.
        let early = early.filter(|&first| first < count);
        let mut ready = self.take_ready(pool)?;
        let result = match early {
            Some(first) => {
                let mut then = |arena: &[u8]| {
                    (first..count).for_each(|index| take(index, cpu::output(plan, arena, index)));
                };
                let after = self.completion.get_or_init(|| plan.completion())[first];
                let pause = Pause { after, then: &mut then };
                self.run_in(&mut ready, inputs, pool, Some(pause))
            }
            None => self.run_in(&mut ready, inputs, pool, None),
        };
        if result.is_ok() {
            let rest = 0..early.unwrap_or(count);
            rest.for_each(|index| take(index, ready.workspace.output(plan, index)));
        }
        lock(&self.idle).push(ready);
        result
    }

    fn lay_out(&self) -> Result<()> {
        self.bind().map(|_| ())
    }
}

impl PreparedPlan {
    /// A workspace for as many threads as the pool has, of an earlier run if there is one.
    fn take_ready(&self, pool: &Pool) -> Result<Ready> {
        let ready = {
            let mut idle = lock(&self.idle);
            let fitting =
                idle.iter().rposition(|ready| ready.workspace.threads() == pool.threads());
            fitting.map(|index| idle.swap_remove(index))
        };
        ready.map_or_else(|| self.ready(pool.threads()), Ok)
    }

    fn ready(&self, threads: usize) -> Result<Ready> {
        let out_of_memory = || Error::out_of_memory("a run", self.plan.arena_bytes());
        let workspace = Workspace::try_new(&self.plan, self.constants.clone(), threads)
            .ok_or_else(out_of_memory)?;
        Ok(Ready { workspace, binding: self.bind()? })
    }

    fn run_in(
        &self,
        Ready { workspace, binding }: &mut Ready,
        inputs: &[&Array],
        pool: &Pool,
        pause: Option<Pause<'_>>,
    ) -> Result<(), Failure> {
        loop {
            let Binding { block, offsets } = &*binding;
            let mut run = |variables: VariableMemory<'_>, pause| {
                let plan = &self.plan;
                let done = match pause {
                    None => cpu::run(plan, workspace, inputs, variables, offsets, pool),
                    Some(pause) => {
                        let how = (pool, pause);
                        cpu::run_pausing(plan, workspace, inputs, variables, offsets, how)
                    }
                };
                done.map_err(failure)
            };
            if self.writes {
                let mut content = block.write();
                if !content.is_retired() {
                    return run(VariableMemory::Write(content.bytes_mut()), pause);
                }
            } else {
                let content = block.read();
                if !content.is_retired() {
                    return run(VariableMemory::Read(content.bytes()), pause);
                }
            }
            *binding = self.bind()?;
        }
    }

    /// Where the variables lie now: those of a block that is retired have moved to a larger one.
    fn bind(&self) -> Result<Binding> {
        let mut known = lock(&self.binding);
        known.take_if(|binding| binding.block.read().is_retired());
        if let Some(binding) = &*known {
            return Ok(binding.clone());
        }
        let order = self.plan.order();
        let variables: Vec<Variable> =
            order.iter().map(|&index| self.variables[index].clone()).collect();
        let (block, placed) = VariableBlock::gather(&variables)?;
        let mut offsets = vec![0; placed.len()];
        for (index, offset) in order.into_iter().zip(placed) {
            offsets[index] = offset;
        }
        Ok(known.insert(Binding { block, offsets: offsets.into() }).clone())
    }
}

fn failure(failure: cpu::Failure) -> Failure {
    match failure {
        cpu::Failure::NotFinite(check) => Failure::NotFinite(check),
        cpu::Failure::Effect(error) => Failure::Error(error),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
