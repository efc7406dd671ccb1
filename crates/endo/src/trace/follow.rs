//! Running a closure on the tensors of a trace: what functions and models share.
//!
//! In: a closure and example inputs. Out: its graph, or in eager mode its results and the
//! variables' new values.

use std::rc::Rc;

use super::runner::Pool;
use crate::array::Array;
use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Graph, Tensor, Trace};
use crate::ops;
use crate::ops::random::folded;
use crate::site::Site;
use crate::variable::Variable;

use super::Context;
use super::draws::OccasionDraws;
use super::replay::{InputNames, Replay};

/// What is traced. In a box, so that the machine code of what follows it is made once and not for
/// every closure.
pub(crate) type Closure<'a> = Box<dyn FnOnce(&[Tensor], &mut Context) -> Vec<Tensor> + 'a>;

/// How a closure is traced.
#[derive(Clone, Debug)]
pub(crate) struct TraceOptions {
    /// Whether layers behave as in training.
    pub training: bool,
    /// The float type of new weights.
    pub dtype: DType,
    /// What random numbers drawn outside models follow.
    pub counter: Variable,
    /// What all random numbers follow instead, in tests and predictions.
    pub occasion: Option<OccasionDraws>,
    /// Whether loops are traced step by step.
    pub unrolled: bool,
}

impl TraceOptions {
    /// `f32`, and random numbers of a seed.
    pub fn new(training: bool, seed: u64) -> Self {
        Self {
            training,
            dtype: DType::F32,
            counter: new_counter(seed),
            occasion: None,
            unrolled: false,
        }
    }

    /// The graph of a closure on inputs of the shapes and types of these, and its warnings.
    #[track_caller]
    pub fn graph(&self, inputs: &[&Array], closure: Closure<'_>) -> Result<(Graph, Vec<String>)> {
        let trace = Trace::new();
        if self.unrolled {
            trace.unroll();
        }
        let (graph, warnings, _) = self.follow(&trace, inputs, closure)?;
        Ok((graph, warnings))
    }

    /// The variables that a closure reads or writes, found by computing it node by node. None is
    /// written.
    #[track_caller]
    pub fn variables(&self, inputs: &[&Array], closure: Closure<'_>) -> Result<Vec<Variable>> {
        Ok(self.follow(&self.eager_trace(inputs), inputs, closure)?.0.variables)
    }

    /// The results of a closure computed node by node, its warnings, and the variables that it
    /// reads or writes. These get their new values at the end, unless a checked value is not
    /// finite. Errors call the inputs as `called` says.
    #[track_caller]
    pub fn run_eagerly(
        &self,
        inputs: &[&Array],
        called: InputNames<'_>,
        closure: Closure<'_>,
    ) -> Result<(Vec<Array>, Vec<String>, Vec<Variable>)> {
        let trace = self.eager_trace(inputs);
        let (graph, warnings, outputs) = self.follow(&trace, inputs, closure)?;
        let value = |id| trace.value(id).expect("every node of an eager trace has a value");
        if let Some(check) = graph.checks.iter().position(|check| !value(check.node).is_finite()) {
            let given: Vec<Array> = self.given(inputs).collect();
            return Err(Replay {
                inputs: &given.iter().collect::<Vec<_>>(),
                called,
                pool: &Pool::new(1),
            }
            .error(graph, check));
        }
        for (index, id) in &graph.writes {
            graph.variables[*index].set(&value(*id))?;
        }
        let values = outputs.iter().map(|output| value(output.id())).collect();
        Ok((values, warnings, graph.variables))
    }

    /// What a run is given: the inputs, and the occasion if random numbers follow it.
    fn given(&self, inputs: &[&Array]) -> impl Iterator<Item = Array> {
        inputs
            .iter()
            .map(|&input| input.clone())
            .chain(self.occasion.iter().map(|draws| draws.log.occasion.array()))
    }

    fn eager_trace(&self, inputs: &[&Array]) -> Rc<Trace> {
        Trace::eager(ops::evaluate, self.given(inputs).collect())
    }

    #[track_caller]
    fn follow(
        &self,
        trace: &Rc<Trace>,
        inputs: &[&Array],
        closure: Closure<'_>,
    ) -> Result<(Graph, Vec<String>, Vec<Tensor>)> {
        let site = Site::caller();
        let tensors: Vec<Tensor> = inputs
            .iter()
            .map(|input| trace.input(input.shape().clone(), input.dtype(), site))
            .collect();
        let mut context =
            Context::new(trace.clone(), self.training, self.dtype, self.counter.clone());
        context.occasion = self.occasion.clone();
        // What goes wrong outside all layers, in a compiled loss, happened at the user's `fit` or
        // `run`.
        let outside = trace.enter(&trace.scope(), site);
        let outputs = closure(&tensors, &mut context);
        if !context.is_step() && !context.given_gradients().is_empty() {
            context.warn_of_unread_terms();
        }
        context.advance_counters();
        let (graph, warnings) = trace.finish(&outputs.iter().collect::<Vec<_>>())?;
        trace.leave(outside);
        Ok((graph, warnings, outputs))
    }
}

/// A value computed now, node by node, from variables.
pub fn evaluate_now(closure: impl FnOnce(&mut Context) -> Tensor) -> Result<Array> {
    fn first(closure: Closure<'_>) -> Result<Array> {
        let (mut values, ..) =
            TraceOptions::new(false, 0).run_eagerly(&[], InputNames::NUMBERED, closure)?;
        Ok(values.remove(0))
    }
    first(Box::new(|_, cx| vec![closure(cx)]))
}

/// Seed and step of the random numbers of a function or model.
pub(crate) fn new_counter(seed: u64) -> Variable {
    Variable::new("random_counter", Array::from([folded(seed), 0])).frozen()
}
