//! What a closure became for each shape of its inputs: a program, or results node by node.
//!
//! In: a closure that is the same each time, and arrays. Out: arrays. [`Function`](super::Function)
//! is this with a number of arrays that the compiler knows.

use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::runner::Pool;
use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Graph, Tensor};
use crate::shape::Shape;
use crate::variable::Variable;

use super::follow::{TraceOptions, new_counter};
use super::replay::{InputNames, Replay};
use super::runner::Failure;
use super::signature::check;
use super::{Context, Program, TensorSpec};

/// More shapes than this are not kept: data of ever new shapes must not fill the memory.
const KEPT: usize = 32;

/// A closure as it is handed to each method: the same one each time.
pub type TensorClosure<'a> = dyn Fn(&[Tensor], &mut Context) -> Vec<Tensor> + 'a;

/// The programs of a closure, which it is given at each run, by the shapes of its inputs. For
/// bindings to languages in which the number of inputs is known only when the program runs.
pub struct TracedClosure {
    /// Whether layers behave as in training.
    pub(super) training: bool,
    /// The float type of new weights.
    pub(super) dtype: DType,
    /// What random numbers drawn outside models follow.
    pub(super) counter: Variable,
    pub(super) accepted: Option<Vec<TensorSpec>>,
    pub(super) eager: bool,
    pub(super) pool: Arc<Pool>,
    traced: Vec<SignatureProgram>,
    pub(super) warnings: Vec<String>,
    prints_warnings: bool,
    /// The variables of the last run node by node.
    pub(super) used: Arc<Mutex<Vec<Variable>>>,
    /// The weights that its traces used, and the fields that hold them.
    weights: Mutex<Vec<(Variable, Weak<OnceLock<Variable>>)>>,
}

/// What the closure became for one signature, and the arrays that its runs return.
struct SignatureProgram {
    signature: Vec<(Shape, DType)>,
    program: Option<Program>,
    outputs: Vec<Array>,
}

impl Default for TracedClosure {
    fn default() -> Self {
        Self::new()
    }
}

impl TracedClosure {
    /// Nothing traced yet; traced as in training, with random numbers of seed 0.
    pub fn new() -> Self {
        Self {
            training: true,
            dtype: DType::F32,
            counter: new_counter(0),
            accepted: None,
            eager: false,
            pool: Arc::new(Pool::default()),
            traced: Vec::new(),
            warnings: Vec::new(),
            prints_warnings: true,
            used: Arc::default(),
            weights: Mutex::default(),
        }
    }

    /// The seed of the random numbers drawn outside models.
    pub fn set_seed(&mut self, seed: u64) {
        self.counter = new_counter(seed);
    }

    /// Whether layers behave as in training.
    pub fn set_training(&mut self, training: bool) {
        self.training = training;
    }

    /// Has the program show the [`warnings`](Self::warnings), which are printed otherwise.
    pub fn keep_warnings(&mut self) {
        self.prints_warnings = false;
    }

    /// What its traces warned of.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn tracing(&self) -> TraceOptions {
        let (training, dtype, counter) = (self.training, self.dtype, self.counter.clone());
        TraceOptions { training, dtype, counter, occasion: None, unrolled: false }
    }

    /// Runs on arrays; traces and plans first when their shapes or types are new.
    ///
    /// # Errors
    /// As for [`Function::run`](super::Function::run).
    #[track_caller]
    pub fn run(&mut self, inputs: &[&Array], closure: &TensorClosure<'_>) -> Result<&[Array]> {
        if self.eager {
            self.run_nodes(inputs, closure, |_| Vec::new())?;
            return Ok(self.traced.last().map_or(&[], |traced| &traced.outputs));
        }
        let index = self.find_or_trace(inputs, closure)?;
        let SignatureProgram { program, outputs, .. } = &mut self.traced[index];
        match program
            .as_ref()
            .map_or(Ok(()), |program| program.attempt(inputs, outputs, &self.pool))
        {
            Ok(()) => Ok(&self.traced[index].outputs),
            Err(Failure::NotFinite(check)) => Err(self.explain(index, check, inputs, closure)),
            Err(Failure::Error(error)) => Err(error),
        }
    }

    /// Runs on arrays of shapes and types that it was run on before; none where these are new, it
    /// runs node by node, or what is computed is not finite, which [`run`](Self::run) explains.
    ///
    /// # Errors
    /// As for [`run`](Self::run), but for what is not finite.
    pub fn run_known(&mut self, inputs: &[&Array]) -> Option<Result<&[Array]>> {
        let index = self.find(inputs).filter(|_| !self.eager)?;
        let SignatureProgram { program, outputs, .. } = &mut self.traced[index];
        match program.as_ref()?.attempt(inputs, outputs, &self.pool) {
            Ok(()) => Some(Ok(&self.traced[index].outputs)),
            Err(Failure::NotFinite(_)) => None,
            Err(Failure::Error(error)) => Some(Err(error)),
        }
    }

    #[track_caller]
    fn find_or_trace(&mut self, inputs: &[&Array], closure: &TensorClosure<'_>) -> Result<usize> {
        if let Some(index) = self.find(inputs) {
            return Ok(index);
        }
        let graph = self.graph(inputs, closure)?;
        let (program, outputs) = (Some(Program::new(&graph)?), output_arrays(&graph)?);
        if self.traced.len() >= KEPT {
            self.traced.remove(0);
        }
        self.traced.push(SignatureProgram { signature: signature(inputs), program, outputs });
        Ok(self.traced.len() - 1)
    }

    /// Traces and plans, and lays the variables out as a run does.
    #[track_caller]
    pub(super) fn lay_out(&mut self, inputs: &[&Array], closure: &TensorClosure<'_>) -> Result<()> {
        let index = self.find_or_trace(inputs, closure)?;
        self.traced[index].program.iter().try_for_each(Program::lay_out)
    }

    /// Traces and plans, and returns the variables that a run reads or writes. None is written.
    #[track_caller]
    pub(super) fn prepare(
        &mut self,
        inputs: &[&Array],
        closure: &TensorClosure<'_>,
    ) -> Result<Vec<Variable>> {
        if self.eager {
            self.accept(inputs)?;
            let call =
                Box::new(|tensors: &[Tensor], cx: &mut Context| self.call(closure, tensors, cx));
            return self.tracing().variables(inputs, call);
        }
        let index = self.find_or_trace(inputs, closure)?;
        let program = self.traced[index].program.as_ref();
        Ok(program.map_or_else(Vec::new, |program| program.variables().to_vec()))
    }

    /// The error of a run whose check of this index failed.
    #[track_caller]
    fn explain(
        &self,
        index: usize,
        check: usize,
        inputs: &[&Array],
        closure: &TensorClosure<'_>,
    ) -> Error {
        let unrolled = TraceOptions { unrolled: true, ..self.tracing() };
        let call = Box::new(|tensors: &[Tensor], cx: &mut Context| self.call(closure, tensors, cx));
        let retraced = unrolled.graph(inputs, call).map(|(graph, _)| graph);
        let replay = Replay { inputs, called: InputNames::NUMBERED, pool: &self.pool };
        let program = self.traced[index].program.as_ref().expect("it was run");
        program.explain(check, retraced, &replay)
    }

    fn find(&self, inputs: &[&Array]) -> Option<usize> {
        self.traced.iter().position(|traced| {
            let pairs = traced.signature.iter().zip(inputs);
            traced.program.is_some()
                && traced.signature.len() == inputs.len()
                && pairs.into_iter().all(|((shape, dtype), input)| {
                    shape == input.shape() && *dtype == input.dtype()
                })
        })
    }

    /// Whether a run on such inputs traces nothing that a run before has not.
    pub(super) fn is_traced_for(&self, inputs: &[&Array]) -> bool {
        self.eager || self.find(inputs).is_some()
    }

    /// The program for inputs of the shapes and types of these, which it was run on before.
    pub(super) fn program(&self, inputs: &[&Array]) -> Option<&Program> {
        self.find(inputs).and_then(|index| self.traced[index].program.as_ref())
    }

    /// How many different shapes and types of inputs it was traced for.
    pub fn traces(&self) -> usize {
        self.traced.len()
    }

    /// The graph for inputs like these; its warnings are printed.
    #[track_caller]
    pub fn graph(&mut self, inputs: &[&Array], closure: &TensorClosure<'_>) -> Result<Graph> {
        let (graph, warnings) = self.graph_of(inputs, closure, |outputs, _| outputs)?;
        self.warn(warnings);
        Ok(graph)
    }

    /// The graph of what `choose` takes from a trace of the closure, which is given its outputs;
    /// and the warnings of the trace.
    #[track_caller]
    pub(super) fn graph_of(
        &self,
        inputs: &[&Array],
        closure: &TensorClosure<'_>,
        choose: impl FnOnce(Vec<Tensor>, &mut Context) -> Vec<Tensor>,
    ) -> Result<(Graph, Vec<String>)> {
        self.accept(inputs)?;
        let call = Box::new(|tensors: &[Tensor], cx: &mut Context| {
            choose(self.call(closure, tensors, cx), cx)
        });
        self.tracing().graph(inputs, call)
    }

    /// Runs node by node. Returns with the outputs the values of what `more` takes from the trace.
    #[track_caller]
    pub(super) fn run_nodes(
        &mut self,
        inputs: &[&Array],
        closure: &TensorClosure<'_>,
        more: impl FnOnce(&mut Context) -> Vec<Tensor>,
    ) -> Result<(&[Array], Vec<Array>)> {
        self.accept(inputs)?;
        let mut count = 0;
        let call = Box::new(|tensors: &[Tensor], cx: &mut Context| {
            let outputs = self.call(closure, tensors, cx);
            count = outputs.len();
            outputs.into_iter().chain(more(cx)).collect()
        });
        let (mut outputs, warnings, variables) =
            self.tracing().run_eagerly(inputs, InputNames::NUMBERED, call)?;
        *self.used.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = variables;
        self.warn(warnings);
        let values = outputs.split_off(count);
        let signature = signature(inputs);
        self.traced = vec![SignatureProgram { signature, program: None, outputs }];
        Ok((&self.traced[0].outputs, values))
    }

    #[track_caller]
    fn accept(&self, inputs: &[&Array]) -> Result<()> {
        match &self.accepted {
            Some(specs) => check(specs, inputs),
            None => Ok(()),
        }
    }

    fn call(
        &self,
        closure: &TensorClosure<'_>,
        tensors: &[Tensor],
        cx: &mut Context,
    ) -> Vec<Tensor> {
        let outputs = closure(tensors, cx);
        let mut known = self.weights.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for used in cx.used_weights() {
            if known.iter().any(|(variable, _)| *variable == used.variable) {
                continue;
            }
            // Another layer of that name may be there too, in a branch not taken before; one that
            // is gone was made in the closure.
            let name = used.variable.name();
            if known
                .iter()
                .any(|(variable, owner)| variable.name() == name && owner.strong_count() == 0)
            {
                let message = format!(
                    "there is a second weight called `{name}`, made after the function was traced \
                        before"
                );
                let help = "a layer made inside the closure forgets what it learned: make it \
                    before the function, outside";
                cx.trace().record(Error::usage(message, help));
            }
            known.push((used.variable.clone(), used.owner.clone()));
        }
        outputs
    }

    /// Keeps what is new, and prints it unless the program does: nothing that is probably not meant
    /// stays silent.
    fn warn(&mut self, warnings: Vec<String>) {
        for warning in warnings {
            if !self.warnings.contains(&warning) {
                if self.prints_warnings {
                    eprintln!("warning: {warning}");
                }
                self.warnings.push(warning);
            }
        }
    }
}

fn signature(inputs: &[&Array]) -> Vec<(Shape, DType)> {
    inputs.iter().map(|input| (input.shape().clone(), input.dtype())).collect()
}

fn output_arrays(graph: &Graph) -> Result<Vec<Array>> {
    let nodes = graph.outputs.iter().map(|id| graph.node(*id));
    nodes.map(|node| Array::try_zeros(&node.shape, node.dtype)).collect()
}
