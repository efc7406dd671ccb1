//! A traced graph made ready to run: its plan, its variables, and a runner that has prepared it.
//!
//! In: a graph. Out: [`Program`], which runs on arrays from any thread; runs that write variables
//! exclude each other.

use crate::array::Array;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use crate::plan::Plan;
use crate::variable::Variable;

use super::processor::Processor;
use super::runner::{Failure, Pool, Prepared, Runner};

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
    prepared: Box<dyn Prepared>,
    variables: Vec<Variable>,
    pub(super) checks: Vec<String>,
}

impl Program {
    /// Plans a graph for the processor.
    ///
    /// # Errors
    /// If the system does not give the memory for the graph's constants.
    pub fn new(graph: &Graph) -> Result<Self> {
        Self::on(&Processor, graph)
    }

    /// Plans a graph for a runner.
    ///
    /// # Errors
    /// If the runner cannot prepare the plan: it has no code for one of its operations, or the
    /// system does not give the memory.
    pub fn on(runner: &dyn Runner, graph: &Graph) -> Result<Self> {
        let plan = Plan::new(graph, runner.tuning());
        Ok(Self {
            prepared: runner.prepare(plan, &graph.variables)?,
            variables: graph.variables.clone(),
            checks: graph.checks.iter().map(|check| check.what.clone()).collect(),
        })
    }

    /// The plan, to be printed or measured.
    pub fn plan(&self) -> &Plan {
        self.prepared.plan()
    }

    /// Every variable that it reads or writes.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// Lays its variables out in memory in the order in which it goes through them, where nothing
    /// has been run with them before.
    pub(crate) fn lay_out(&self) -> Result<()> {
        self.prepared.lay_out()
    }

    /// Runs on inputs and writes to `outputs`, which have the shapes and types of the graph's.
    ///
    /// # Errors
    /// When a checked value is not finite, an effect fails, or the system does not give the memory
    /// that the run needs; all variables are as they were then.
    pub fn run(&self, inputs: &[&Array], outputs: &mut [Array], pool: &Pool) -> Result<()> {
        self.attempt(inputs, outputs, pool).map_err(|failure| match failure {
            Failure::NotFinite(check) => self.failure(check),
            Failure::Error(error) => error,
        })
    }

    /// As [`run`](Self::run), with the failure told apart.
    ///
    /// # Errors
    /// The [`Failure`].
    pub fn attempt(
        &self,
        inputs: &[&Array],
        outputs: &mut [Array],
        pool: &Pool,
    ) -> Result<(), Failure> {
        self.prepared.run(inputs, outputs, pool)
    }

    /// Runs on inputs, and hands on the bytes of the outputs: see [`Prepared::run_into`].
    ///
    /// # Errors
    /// The [`Failure`].
    pub(crate) fn run_into(
        &self,
        inputs: &[&Array],
        early: Option<usize>,
        pool: &Pool,
        take: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<(), Failure> {
        self.prepared.run_into(inputs, early, pool, take)
    }

    /// The error for the check of an index.
    pub(crate) fn failure(&self, check: usize) -> Error {
        not_finite(&self.checks[check])
    }
}

/// The error for a checked value that is not finite.
pub(super) fn not_finite(what: &str) -> Error {
    let help = "look for NaN in the data, for logarithms or roots of 0, or lower the learning rate";
    Error::new(ErrorKind::NotFinite, format!("{what} is not finite; nothing was updated"))
        .help(help)
}
