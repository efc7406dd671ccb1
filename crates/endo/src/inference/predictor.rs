//! Predictions of an exported model, without its code.
//!
//! In: a file that [`Model::export`](crate::model::Model::export) wrote, then rows. Out: the bits
//! that the model's `predict` gives.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::array::Array;
use crate::error::{Error, ErrorKind, Result};
use crate::files::failure;
use crate::graph::saved::SavedNode;
use crate::graph::{Graph, NodeId, Occasion, SavedGraph};
use crate::net::sealed::SealMismatch;
use crate::ops;
use crate::site::Site;
use crate::step::cache::{StepCache, StepKey, StepKind, StepOutputs, TracedStep};
use crate::step::{BatchCounts, CarriedStates, CarryLock};
use crate::trace::Pool;
use crate::trace::TensorSpec;
use crate::variable::Variable;

use super::export::SEAL;
use super::predict::{RowsRunner, predict};

/// An exported model: computes what its [`predict`](crate::model::Model::predict) computed, bit by
/// bit, for any number of rows, from a file alone.
///
/// It is `Send + Sync`, and can be asked by many threads at once. Each number of rows up to 256 is
/// planned at its first use, and the last 32 plans are kept; more rows are cut into parts. Nothing
/// is traced. Of a model whose `call` assigns variables one call runs at a time: it carries what is
/// assigned from part to part, and afterwards the variables have the values that they had before.
///
/// A model that draws random numbers draws other ones in each call and for each row. The calls are
/// counted from 0 when the file is loaded: the first has the numbers of the model's first call. A
/// file of format 3 or older draws as it did: the same in each call, and in every 256 rows again.
///
/// ```
/// use endo::prelude::*;
///
/// # let path = std::env::temp_dir().join(format!("endo-predictor-{}.endo", std::process::id()));
/// let model = Model::new(
///     Sequential::new().add(Dense::new(4).activation("relu")).add(Dense::new(1).name("price")),
/// );
/// model.build([1, 8])?;
/// model.export(&path)?;
///
/// let predictor = Predictor::load(&path)?; // in another program, say
/// let x = Array::from_fn([1000, 8], |i| (i as f32 * 0.37).sin());
/// assert_eq!(predictor.predict(&x)?, model.predict(&x)?);
/// assert_eq!(predictor.to_string(), "input f32[_, 8]\noutput `price` f32[_, 1]\n");
///
/// let error = predictor.predict(&Array::zeros([5, 9], DType::F32)).unwrap_err();
/// assert_eq!(error.message(), "input 0: expected [batch, 8], got [5, 9]");
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), Error>(())
/// ```
pub struct Predictor {
    graph: SavedGraph,
    variables: Vec<Variable>,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    names: Vec<String>,
    steps: StepCache,
    pool: Pool,
    /// Held while a call carries on what the model assigns.
    carrying: CarryLock,
    /// The number of the next call: what random numbers follow.
    calls: AtomicU64,
}

impl Predictor {
    /// Reads a file that [`Model::export`](crate::model::Model::export) wrote.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, holds something else, or is of a format that this
    /// version does not know.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| failure("cannot read", path, &error))?;
        let refuse =
            |what: String, help: &str| Error::data(format!("{}: {what}", path.display()), help);
        let again = "copy the whole file again, or `export` the model again";
        let (arrays, text) = SEAL.open(&bytes).map_err(|why| match why {
            SealMismatch::Damaged(why) => {
                refuse(format!("this is no whole predictor: {why}"), again)
            }
            SealMismatch::Another(why) => {
                refuse(why, "give a file that `model.export(path)` wrote")
            }
            SealMismatch::Unknown(why) => refuse(
                why,
                "read it with the version of endo that wrote it, or `export` the model again",
            ),
        })?;
        let predictor = SavedGraph::read(&text, arrays).and_then(Self::new);
        predictor
            .map_err(|what| refuse(format!("this is no predictor that can be run: {what}"), again))
    }

    fn new(mut graph: SavedGraph) -> Result<Self, String> {
        let values = std::mem::take(&mut graph.variables);
        let variables: Vec<Variable> =
            values.into_iter().map(|(name, value)| Variable::new(name, value).frozen()).collect();
        // What is wrong with the operations is found here, and not when rows are waiting. What is
        // right for one number of rows by chance is not for two.
        [2, 3].into_iter().try_for_each(|rows| graph_of(&graph, &variables, rows).map(drop))?;
        let spec = |node: &SavedNode| {
            if node.has_a_row_each() {
                Ok(TensorSpec::new(node.sizes(), node.dtype))
            } else {
                Err(format!("`{}` has not one row for each row", node.operation))
            }
        };
        let inputs = graph.nodes.iter().filter(|node| node.operation == "input").map(spec);
        let outputs = graph.outputs.iter().map(|&(_, place)| spec(&graph.nodes[place]));
        Ok(Self {
            inputs: inputs.collect::<Result<_, _>>()?,
            outputs: outputs.collect::<Result<_, _>>()?,
            names: graph.outputs.iter().map(|(name, _)| name.clone()).collect(),
            graph,
            variables,
            steps: StepCache::default(),
            pool: Pool::default(),
            carrying: CarryLock::default(),
            calls: AtomicU64::new(0),
        })
    }

    /// The number of threads; all that the process may use unless set. Results do not depend on it.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.pool = Pool::new(threads);
        self
    }

    /// The shapes and types of the inputs, in the order of the model's `call`; the first axis
    /// counts the rows and is open.
    pub fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    /// The shapes and types of the outputs, in the order in which they are predicted; the first
    /// axis counts the rows and is open.
    pub fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    /// The outputs' names: those of the layers that made them, where they tell them apart.
    pub fn output_names(&self) -> &[String] {
        &self.names
    }

    /// The text that was given to [`export_with_note`](crate::model::Model::export_with_note);
    /// empty without one.
    pub fn note(&self) -> &str {
        &self.graph.note
    }

    /// What it computes for any number of rows, with no values of its variables.
    #[doc(hidden)]
    pub fn graph(&self) -> &SavedGraph {
        &self.graph
    }

    /// The variables that it reads, by the names of the model's weights. What they are set to is
    /// what it predicts with.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The output for an input `[samples, ...]`, of a model of one each.
    ///
    /// # Errors
    /// If the array's shape or type is not that of the input, there are several inputs or outputs,
    /// or the system does not give the memory that the graph needs. A system that promises more
    /// memory than it has may end the process instead, which no program can prevent.
    #[track_caller]
    pub fn predict(&self, x: &Array) -> Result<Array> {
        self.single(self.predict_all(std::slice::from_ref(x))?)
    }

    /// As [`predict`](Self::predict), as the call with this number, counted from 0: with the random
    /// numbers of that call, if the model draws any. The first call of a predictor has the number
    /// 0, and the numbers of the first call of the model.
    ///
    /// # Errors
    /// Those of [`predict`](Self::predict).
    #[track_caller]
    pub fn predict_call(&self, call: u64, x: &Array) -> Result<Array> {
        self.single(self.predict_part(call, 0, std::slice::from_ref(x))?)
    }

    #[track_caller]
    fn single(&self, mut outputs: Vec<Array>) -> Result<Array> {
        match (outputs.pop(), outputs.is_empty()) {
            (Some(output), true) => Ok(output),
            (Some(_), false) | (None, _) => {
                let message = format!(
                    "the model has {} outputs, and `predict` returns one",
                    self.outputs.len()
                );
                Err(Error::usage(message, "use `predict_all`, which returns all")
                    .at(Site::caller()))
            }
        }
    }

    /// All outputs for all inputs, in the order of [`outputs`](Self::outputs) and
    /// [`inputs`](Self::inputs).
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let path =
    /// #     std::env::temp_dir().join(format!("endo-predict-all-{}.endo", std::process::id()));
    /// let model = Model::new(|[a, b]: &[Tensor; 2], _: &mut Context| (a + b, a * b));
    /// let [a, b] = [Array::from([[1.0_f32], [2.0]]), Array::from([[3.0_f32], [4.0]])];
    /// model.build_on(&[a.clone(), b.clone()])?;
    /// model.export(&path)?;
    /// let outputs = Predictor::load(&path)?.predict_all(&[a, b])?;
    /// assert_eq!(outputs, [[[4.0_f32], [6.0]].into(), [[3.0_f32], [8.0]].into()]);
    /// # std::fs::remove_file(&path).ok();
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is not one array of the right shape and type for each input, or a value that the
    /// model demands to be finite is not.
    #[track_caller]
    pub fn predict_all(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        self.check(inputs)?;
        self.predict_part(self.calls.fetch_add(1, Ordering::Relaxed), 0, inputs)
    }

    /// All outputs for the rows of a call from `first_row` on, for inputs that are read in parts.
    #[doc(hidden)]
    #[track_caller]
    pub fn predict_part(
        &self,
        call: u64,
        first_row: usize,
        inputs: &[Array],
    ) -> Result<Vec<Array>> {
        self.check(inputs)?;
        let occasion = Occasion::predict(call).later_by(first_row);
        predict(
            &mut PredictorRun { predictor: self, used: None, carried: CarriedStates::default() },
            inputs,
            occasion,
            &self.pool,
        )
    }

    /// Fails for the first input that is not as the model's.
    #[track_caller]
    fn check(&self, inputs: &[Array]) -> Result<()> {
        let site = Site::caller();
        let fail =
            |kind, message: String, help: &str| Err(Error::new(kind, message).help(help).at(site));
        if inputs.len() != self.inputs.len() {
            let message =
                format!("the model has {} inputs, got {} arrays", self.inputs.len(), inputs.len());
            let help = format!("give one array for each, in their order:\n{self}");
            return fail(ErrorKind::Argument, message, help.trim_end());
        }
        for (index, (spec, input)) in self.inputs.iter().zip(inputs).enumerate() {
            if spec.dtype() != input.dtype() {
                let message = format!(
                    "input {index}: expected numbers of type {}, got {}",
                    spec.dtype(),
                    input.dtype()
                );
                return fail(ErrorKind::DType, message, "convert the array with `cast`");
            }
            if !spec.accepts(input) {
                let rest = spec.sizes()[1..].iter().flatten().map(ToString::to_string);
                let expected: Vec<String> =
                    std::iter::once("batch".to_string()).chain(rest).collect();
                let message = format!(
                    "input {index}: expected [{}], got {}",
                    expected.join(", "),
                    input.shape()
                );
                let help = "give rows as those that the model was exported for; of another \
                    length, `export` it anew after `build`";
                return fail(ErrorKind::Shape, message, help);
            }
        }
        Ok(())
    }

    /// The step for a number of rows, planned now if there is none.
    fn step(&self, inputs: &[Array]) -> Result<Arc<TracedStep>> {
        let rows = inputs.first().map_or(0, |input| input.shape().batch());
        let of_rows = |step: &&Arc<TracedStep>| {
            step.key.inputs.first().is_some_and(|(shape, _)| shape.batch() == rows)
        };
        if let Some(step) = self.steps.known().iter().find(of_rows) {
            return Ok(step.clone());
        }
        let graph = graph_of(&self.graph, &self.variables, rows).map_err(|what| {
            Error::data(format!("for {rows} rows, {what}"), "`export` the model again")
        })?;
        let signature = |id: &NodeId| (graph.node(*id).shape.clone(), graph.node(*id).dtype);
        let inputs = graph.inputs.iter().map(signature).collect();
        let counts = BatchCounts::of_inputs(self.inputs.len());
        let key = StepKey { inputs, ..StepKey::new(StepKind::Predict, counts, &[], &[]) };
        let states =
            graph.writes.iter().map(|&(variable, _)| graph.variables[variable].clone()).collect();
        Ok(self.steps.keep(TracedStep::new(
            key,
            graph,
            StepOutputs { states, ..StepOutputs::default() },
            false,
        )?))
    }
}

/// A saved graph for a number of rows.
fn graph_of(graph: &SavedGraph, variables: &[Variable], rows: usize) -> Result<Graph, String> {
    graph.graph(rows, ops::saved::named, variables).map_err(|(_, what)| what)
}

impl fmt::Display for Predictor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inputs.iter().try_for_each(|input| writeln!(f, "input {input}"))?;
        self.names
            .iter()
            .zip(&self.outputs)
            .try_for_each(|(name, output)| writeln!(f, "output `{name}` {output}"))
    }
}

impl fmt::Debug for Predictor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Predictor")
            .field("inputs", &self.inputs)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

/// One call of [`Predictor::predict_all`], with the step that ran last and the arrays that it wrote
/// to.
struct PredictorRun<'p> {
    predictor: &'p Predictor,
    used: Option<(Arc<TracedStep>, Vec<Array>)>,
    carried: CarriedStates<'p>,
}

impl RowsRunner for PredictorRun<'_> {
    fn run(&mut self, inputs: &[Array], occasion: Occasion) -> Result<&[Array]> {
        let step = self.predictor.step(inputs)?;
        self.carried.keep(&step.made.states, &self.predictor.carrying)?;
        let outputs = step.outputs.clone();
        let (step, outputs) = self.used.insert((step, outputs));
        let told = step.draws.then(|| occasion.array());
        step.program.run(
            &inputs.iter().chain(&told).collect::<Vec<_>>(),
            outputs,
            &self.predictor.pool,
        )?;
        Ok(outputs)
    }

    fn step(&mut self, inputs: &[Array]) -> Result<Option<Arc<TracedStep>>> {
        let step = self.predictor.step(inputs)?;
        Ok(Some(step).filter(|step| step.made.states.is_empty()))
    }
}

#[cfg(test)]
mod tests;
