//! A traced graph made ready to run: its plan, its variables, and the memory that runs use.
//!
//! In: a graph. Out: [`Program`], which runs on arrays from any thread; runs that write variables
//! exclude each other.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::array::Array;
use crate::cpu::pool::Pool;
use crate::cpu::{self, VariableMemory, Workspace};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use crate::plan::Plan;
use crate::variable::{Variable, VariableBlock};

/// A plan with its variables. Runs allocate nothing after the first; their workspaces stay, as many
/// as ran at once, for each number of threads.
///
/// ```
/// # use endo::prelude::*;
/// let mut f = Function::new(|[x], _cx| [x.square() + 1.0]);
/// let x = Array::from([1.0_f32, 2.0]);
/// f.run([&x])?;
/// println!("{}", f.program([&x]).expect("it was run on such inputs").plan());
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Program {
    plan: Plan,
    variables: Vec<Variable>,
    writes: bool,
    pub(super) checks: Vec<String>,
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

/// Why a run did not happen; no variable has changed then.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The value of the check with this index is not finite.
    NotFinite(usize),
    /// The system does not give the memory that the run needs.
    Memory(Error),
}

impl Program {
    /// Plans a graph.
    ///
    /// # Errors
    /// If the system does not give the memory for the graph's constants.
    pub fn new(graph: &Graph) -> Result<Self> {
        Ok(Self {
            plan: Plan::try_new(graph)?,
            variables: graph.variables.clone(),
            writes: !graph.writes.is_empty(),
            checks: graph.checks.iter().map(|check| check.what.clone()).collect(),
            binding: Mutex::new(None),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// The plan, to be printed or measured.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Every variable that it reads or writes.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// Lays its variables out in memory in the order in which it goes through them, where nothing
    /// has been run with them before.
    pub(crate) fn lay_out(&self) -> Result<()> {
        self.bind().map(|_| ())
    }

    /// Runs on inputs and writes to `outputs`, which have the shapes and types of the graph's.
    ///
    /// # Errors
    /// When a checked value is not finite, or the system does not give the memory that the run
    /// needs; all variables are as they were then.
    pub fn run(&self, inputs: &[&Array], outputs: &mut [Array], pool: &Pool) -> Result<()> {
        self.attempt(inputs, outputs, pool).map_err(|failure| match failure {
            Failure::NotFinite(check) => self.failure(check),
            Failure::Memory(error) => error,
        })
    }

    /// As [`run`](Self::run), with the failure told apart.
    pub(crate) fn attempt(
        &self,
        inputs: &[&Array],
        outputs: &mut [Array],
        pool: &Pool,
    ) -> Result<(), Failure> {
        let count = outputs.len();
        self.attempt_with(inputs, pool, count, &mut |index, bytes| {
            outputs[index].try_copy_from_bytes(bytes)
        })
    }

    /// As [`attempt`](Self::attempt), with the bytes of the first `count` outputs handed on from
    /// where they were computed.
    pub(crate) fn attempt_with(
        &self,
        inputs: &[&Array],
        pool: &Pool,
        count: usize,
        take: &mut dyn FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<(), Failure> {
        let ready = {
            let mut idle = lock(&self.idle);
            let fitting =
                idle.iter().rposition(|ready| ready.workspace.threads() == pool.threads());
            fitting.map(|index| idle.swap_remove(index))
        };
        let mut ready =
            ready.map_or_else(|| self.ready(pool.threads()), Ok).map_err(Failure::Memory)?;
        let mut result = self.run_in(&mut ready, inputs, pool);
        for index in 0..count {
            result = result.and_then(|()| {
                take(index, ready.workspace.output(&self.plan, index)).map_err(Failure::Memory)
            });
        }
        lock(&self.idle).push(ready);
        result
    }

    fn ready(&self, threads: usize) -> Result<Ready> {
        let out_of_memory = || Error::out_of_memory("a run", self.plan.arena_bytes());
        let workspace = Workspace::try_new(&self.plan, threads).ok_or_else(out_of_memory)?;
        Ok(Ready { workspace, binding: self.bind()? })
    }

    /// The error for the check of an index.
    pub(crate) fn failure(&self, check: usize) -> Error {
        not_finite(&self.checks[check])
    }

    fn run_in(
        &self,
        Ready { workspace, binding }: &mut Ready,
        inputs: &[&Array],
        pool: &Pool,
    ) -> Result<(), Failure> {
        loop {
            let Binding { block, offsets } = &*binding;
            if self.writes {
                let mut content = block.write();
                if !content.is_retired() {
                    let variables = VariableMemory::Write(content.bytes_mut());
                    return cpu::run(&self.plan, workspace, inputs, variables, offsets, pool)
                        .map_err(Failure::NotFinite);
                }
            } else {
                let content = block.read();
                if !content.is_retired() {
                    let variables = VariableMemory::Read(content.bytes());
                    return cpu::run(&self.plan, workspace, inputs, variables, offsets, pool)
                        .map_err(Failure::NotFinite);
                }
            }
            *binding = self.bind().map_err(Failure::Memory)?;
        }
    }

    /// Where its variables lie in memory.
    #[cfg(test)]
    pub(crate) fn offsets(&self) -> Vec<usize> {
        self.bind().unwrap().offsets.to_vec()
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The error for a checked value that is not finite.
pub(super) fn not_finite(what: &str) -> Error {
    let help = "look for NaN in the data, for logarithms or roots of 0, or lower the learning rate";
    Error::new(ErrorKind::NotFinite, format!("{what} is not finite; nothing was updated"))
        .help(help)
}
