//! Predictions of an exported model, without its code.
//!
//! In: a file that [`Model::export`](crate::model::Model::export) wrote, then rows. Out: the bits that the model's `predict` gives.

use std::fmt;
use std::fs;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::array::Array;
use crate::cpu::pool::Pool;
use crate::error::{Error, ErrorKind, Result};
use crate::files::failure;
use crate::graph::saved::SavedNode;
use crate::graph::{Graph, NodeId, Occasion, SavedGraph};
use crate::net::sealed::Unsealed;
use crate::ops;
use crate::step::cache::{OutputNames, Step, StepCache, StepKey, StepKind};
use crate::trace::{Program, TensorSpec};
use crate::variable::Variable;

use super::export::SEAL;
use super::predict::{Part, predict};

/// An exported model: computes what its [`predict`](crate::model::Model::predict) computed, bit by bit, for any number of rows, from a
/// file alone.
///
/// It is `Send + Sync`, and can be asked by many threads at once. Each number of rows up to 256 is planned at its first use, and the
/// last 32 plans are kept; more rows are cut into parts. Nothing is traced.
///
/// ```
/// use endo::prelude::*;
///
/// # let path = std::env::temp_dir().join(format!("endo-predictor-{}.endo", std::process::id()));
/// let model = Model::new(Sequential::new().add(Dense::new(4).activation("relu")).add(Dense::new(1).name("price")));
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
    /// The number of the next call: what random numbers follow.
    calls: AtomicU64,
}

impl Predictor {
    /// Reads a file that [`Model::export`](crate::model::Model::export) wrote.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, holds something else, or is of a format that this version does not know.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| failure("cannot read", path, &error))?;
        let refuse = |what: String, help: &str| Error::new(ErrorKind::Data, format!("{}: {what}", path.display())).help(help);
        let again = "copy the whole file again, or `export` the model again";
        let (arrays, text) = SEAL.open(&bytes).map_err(|why| match why {
            Unsealed::Damaged(why) => refuse(format!("this is no whole predictor: {why}"), again),
            Unsealed::Another(why) => refuse(why, "give a file that `model.export(path)` wrote"),
            Unsealed::Unknown(why) => refuse(why, "read it with the version of endo that wrote it, or `export` the model again"),
        })?;
        let predictor = SavedGraph::read(&text, arrays).and_then(Self::new);
        predictor.map_err(|what| refuse(format!("this is no predictor that can be run: {what}"), again))
    }

    fn new(mut graph: SavedGraph) -> Result<Self, String> {
        let values = std::mem::take(&mut graph.variables);
        let variables = values.into_iter().map(|(name, value)| Variable::new(name, value).frozen()).collect();
        let mut predictor = Self {
            graph,
            variables,
            inputs: Vec::new(),
            outputs: Vec::new(),
            names: Vec::new(),
            steps: StepCache::default(),
            pool: Pool::default(),
            calls: AtomicU64::new(0),
        };
        // What is wrong with the operations is found here, and not when rows are waiting. What is right for one number of rows by
        // chance is not for two.
        [2, 3].into_iter().try_for_each(|rows| predictor.graph(rows).map(|_| ()))?;
        let Self { graph, inputs, outputs, names, .. } = &mut predictor;
        let spec = |node: &SavedNode| match node.has_a_row_each() {
            true => Ok(TensorSpec::new(node.sizes(), node.dtype)),
            false => Err(format!("`{}` has not one row for each row", node.operation)),
        };
        *inputs = graph.nodes.iter().filter(|node| node.operation == "input").map(spec).collect::<Result<_, _>>()?;
        *outputs = graph.outputs.iter().map(|&(_, place)| spec(&graph.nodes[place])).collect::<Result<_, _>>()?;
        *names = graph.outputs.iter().map(|(name, _)| name.clone()).collect();
        Ok(predictor)
    }

    /// The number of threads; all that the process may use unless set. Results do not depend on it.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.pool = Pool::new(threads);
        self
    }

    /// The shapes and types of the inputs, in the order of the model's `call`; the first axis counts the rows and is open.
    pub fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    /// The shapes and types of the outputs, in the order in which they are predicted; the first axis counts the rows and is open.
    pub fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    /// The outputs' names: those of the layers that made them, where they tell them apart.
    pub fn output_names(&self) -> &[String] {
        &self.names
    }

    /// The text that was given to [`export_with_note`](crate::model::Model::export_with_note); empty without one.
    pub fn note(&self) -> &str {
        &self.graph.note
    }

    /// The variables that it reads, by the names of the model's weights. What they are set to is what it predicts with.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The output for an input `[samples, ...]`, of a model of one each.
    ///
    /// # Errors
    /// If the array's shape or type is not that of the input, there are several inputs or outputs, or the system does not give the
    /// memory that the graph needs. A system that promises more memory than it has may end the process instead, which no program
    /// can prevent.
    #[track_caller]
    pub fn predict(&self, x: &Array) -> Result<Array> {
        self.single(self.predict_all(std::slice::from_ref(x))?)
    }

    /// As [`predict`](Self::predict), as the call with this number, counted from 0: with the random numbers of that call, if the model
    /// draws any. The first call of a predictor has the number 0, and the numbers of the first call of the model.
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
                let message = format!("the model has {} outputs, and `predict` returns one", self.outputs.len());
                Err(Error::new(ErrorKind::Usage, message).help("use `predict_all`, which returns all").at(Location::caller()))
            }
        }
    }

    /// All outputs for all inputs, in the order of [`outputs`](Self::outputs) and [`inputs`](Self::inputs).
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let path = std::env::temp_dir().join(format!("endo-predict-all-{}.endo", std::process::id()));
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
    /// If there is not one array of the right shape and type for each input, or a value that the model demands to be finite is not.
    #[track_caller]
    pub fn predict_all(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        self.check(inputs)?;
        self.predict_part(self.calls.fetch_add(1, Ordering::Relaxed), 0, inputs)
    }

    /// All outputs for the rows of a call from `first_row` on, for inputs that are read in parts.
    #[doc(hidden)]
    #[track_caller]
    pub fn predict_part(&self, call: u64, first_row: usize, inputs: &[Array]) -> Result<Vec<Array>> {
        self.check(inputs)?;
        let occasion = Occasion::predict(call).later_by(first_row);
        predict(&mut Rows { predictor: self, used: None }, inputs, occasion, &self.pool)
    }

    /// Fails for the first input that is not as the model's.
    #[track_caller]
    fn check(&self, inputs: &[Array]) -> Result<()> {
        let site = Location::caller();
        let fail = |kind, message: String, help: &str| Err(Error::new(kind, message).help(help).at(site));
        if inputs.len() != self.inputs.len() {
            let message = format!("the model has {} inputs, got {} arrays", self.inputs.len(), inputs.len());
            let help = format!("give one array for each, in their order:\n{self}");
            return fail(ErrorKind::Argument, message, help.trim_end());
        }
        for (index, (spec, input)) in self.inputs.iter().zip(inputs).enumerate() {
            if spec.dtype() != input.dtype() {
                let message = format!("input {index}: expected numbers of type {}, got {}", spec.dtype(), input.dtype());
                return fail(ErrorKind::DType, message, "convert the array with `cast`");
            }
            if !spec.accepts(input) {
                let rest = spec.sizes()[1..].iter().flatten().map(ToString::to_string);
                let expected: Vec<String> = std::iter::once("batch".to_string()).chain(rest).collect();
                let message = format!("input {index}: expected [{}], got {}", expected.join(", "), input.shape());
                let help =
                    "give rows as those that the model was exported for; of another length, `export` it anew after `build`";
                return fail(ErrorKind::Shape, message, help);
            }
        }
        Ok(())
    }

    fn graph(&self, rows: usize) -> Result<Graph, String> {
        self.graph.graph(rows, ops::saved::named, &self.variables).map_err(|(_, what)| what)
    }

    /// The step for so many rows, planned now if there is none.
    fn step(&self, rows: usize) -> Result<Arc<Step>> {
        let of_rows = |step: &&Arc<Step>| step.key.inputs.first().is_some_and(|(shape, _)| shape.batch() == rows);
        if let Some(step) = self.steps.known().iter().find(of_rows) {
            return Ok(step.clone());
        }
        let graph = self
            .graph(rows)
            .map_err(|what| Error::new(ErrorKind::Data, format!("for {rows} rows, {what}")).help("`export` the model again"))?;
        let signature = |id: &NodeId| (graph.node(*id).shape.clone(), graph.node(*id).dtype);
        let inputs = graph.inputs.iter().map(signature).collect();
        let output = |id: &NodeId| Array::try_zeros(&graph.node(*id).shape, graph.node(*id).dtype);
        let outputs = graph.outputs.iter().map(output).collect::<Result<_>>()?;
        let key = StepKey {
            kind: StepKind::Predict,
            counts: [self.inputs.len(), 0, 0],
            inputs,
            trainable: Vec::new(),
            due: Vec::new(),
            unchecked: false,
        };
        let step = Step {
            key,
            program: Program::new(&graph)?,
            names: OutputNames::default(),
            shown: Vec::new(),
            warned: false,
            draws: graph.occasion.is_some(),
            outputs,
        };
        Ok(self.steps.keep(step))
    }
}

impl fmt::Display for Predictor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inputs.iter().try_for_each(|input| writeln!(f, "input {input}"))?;
        self.names.iter().zip(&self.outputs).try_for_each(|(name, output)| writeln!(f, "output `{name}` {output}"))
    }
}

impl fmt::Debug for Predictor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Predictor").field("inputs", &self.inputs).field("outputs", &self.outputs).finish_non_exhaustive()
    }
}

/// One call of [`Predictor::predict_all`], with the step that ran last and the arrays that it wrote to.
struct Rows<'p> {
    predictor: &'p Predictor,
    used: Option<(Arc<Step>, Vec<Array>)>,
}

impl Part for Rows<'_> {
    fn run(&mut self, inputs: &[Array], occasion: Occasion) -> Result<&[Array]> {
        let step = self.predictor.step(inputs.first().map_or(0, |input| input.shape().batch()))?;
        let outputs = step.outputs.clone();
        let (step, outputs) = self.used.insert((step, outputs));
        let told = step.draws.then(|| occasion.array());
        step.program.run(&inputs.iter().chain(&told).collect::<Vec<_>>(), outputs, &self.predictor.pool)?;
        Ok(outputs)
    }

    fn step(&mut self, inputs: &[Array]) -> Result<Option<Arc<Step>>> {
        self.predictor.step(inputs.first().map_or(0, |input| input.shape().batch())).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A predictor of this graph, on a variable `w` of two numbers.
    fn predictor(text: &str) -> Result<Predictor, String> {
        let arrays = BTreeMap::from([("w".to_string(), Array::from([1.0_f32, 2.0]))]);
        SavedGraph::read(&format!("scope \nvariable w\n{text}\n"), arrays).and_then(Predictor::new)
    }

    const INPUT: &str = "node input | | 0 | f32 n 2 | 0\nnode variable | | 0 | f32 2 | 0";

    #[test]
    fn a_graph_written_by_hand_is_run() {
        let graph =
            "node reshape | 1 | | f32 1 2 | 0\nnode broadcast | 2 | | f32 n 2 | 0\nnode add | 0 3 | | f32 n 2 | 0\noutput 4 y";
        let predictor = predictor(&format!("{INPUT}\n{graph}")).unwrap();
        let y = predictor.predict(&[[10.0_f32, 20.0], [30.0, 40.0], [50.0, 60.0]].into()).unwrap();
        assert_eq!(y, [[11.0_f32, 22.0], [31.0, 42.0], [51.0, 62.0]].into());
    }

    #[test]
    fn graphs_that_make_no_sense_are_refused_before_anything_is_run() {
        let shape = "does not fit its inputs, its type or its shape";
        for (node, what) in [
            ("add | 0 1 | | f32 n 2 | 0", shape),
            ("add | 0 | | f32 n 2 | 0", shape),
            ("equal | 0 0 | | f32 n 2 | 0", shape),
            ("cast | 0 | | bool n 3 | 0", shape),
            ("reduce_sum | 0 | 2 | f32 n | 0", shape),
            ("reshape | 0 | | f32 n 3 | 0", shape),
            ("slice | 0 | 0 1 1 1 | f32 n 2 | 0", shape),
            ("transpose | 0 | 0 0 | f32 n n | 0", shape),
            ("matmul | 0 0 | 0 0 | f32 n 2 | 0", shape),
            ("variable | | 0 | f32 3 | 0", shape),
            ("input | | 0 | f32 n 2 | 0", shape),
            ("variable | | 7 | f32 2 | 0", shape),
            ("exp | 2 | | f32 n 2 | 0", "refers to what comes after it"),
            ("exp | 0 | | f32 n 2 | 1", "refers to what comes after it"),
            ("exponent | 0 | | f32 n 2 | 0", "is not known with these numbers"),
            ("exp | 0 | 1 | f32 n 2 | 0", "is not known with these numbers"),
            ("constant | | 0 | f32 2 | 0", "is not known with these numbers"),
            ("fill | | 0 | f32 n 9223372036854775807 | 0", "has an impossible shape"),
            ("fill | | 0 | f32 n-3 2 | 0", "has an impossible shape"),
            ("fill | | 0 | f32 100000000000 | 0", "has 100000000000 elements of one number, and may have 1073741824"),
        ] {
            let error = predictor(&format!("{INPUT}\nnode {node}\noutput 0 y")).err().unwrap_or_else(|| panic!("{node}"));
            let name = node.split(' ').next().unwrap();
            assert_eq!(error, format!("operation 2, `{name}`, {what}"));
        }
        assert_eq!(predictor(&format!("{INPUT}\noutput 2 y")).err().unwrap(), "operation 2 is an output, and there are 2");
        assert_eq!(predictor(&format!("{INPUT}\noutput 1 y")).err().unwrap(), "`variable` has not one row for each row");
    }

    #[test]
    fn a_graph_with_an_occasion_draws_by_call_and_row() {
        let drawing = |per_row: i64| {
            let nodes = "node occasion | | 1 | i32 4 | 0\nnode fill | | 7 | i32 1 | 0\nnode concatenate | 3 2 | 0 | i32 5 | 0";
            predictor(&format!("{INPUT}\n{nodes}\nnode random_uniform | 4 | 1 {per_row} | f32 n 2 | 0\noutput 5 y")).unwrap()
        };
        let (x, right) = (Array::zeros([5, 2], DType::F32), drawing(2));
        assert_eq!(right.inputs().len(), 1);
        let want = right.predict(&x).unwrap();
        assert_ne!(right.predict(&x).unwrap(), want);
        assert_eq!(right.predict_part(0, 3, &[Array::zeros([2, 2], DType::F32)]).unwrap(), [want.rows(3..5)]);
        // What a file says of rows may be wrong, and rows may be any.
        let wrong = drawing(i64::MAX);
        assert!(wrong.predict_part(u64::MAX, usize::MAX, &[x]).unwrap()[0].is_finite());
    }

    #[test]
    fn an_occasion_is_the_last_input_and_there_is_one() {
        let occasion = "node occasion | | 1 | i32 4 | 0";
        for (nodes, what) in [
            ("node occasion | | 1 | i32 5 | 0", "operation 2, `occasion`, is not of the type and shape of an occasion"),
            ("node occasion | | 1 | f32 4 | 0", "operation 2, `occasion`, is not of the type and shape of an occasion"),
            ("node occasion | | 1 | i32 n+1 | 0", "operation 2, `occasion`, is not of the type and shape of an occasion"),
            ("node occasion | | 0 | i32 4 | 0", "operation 2, `occasion`, does not fit its inputs, its type or its shape"),
            (
                &format!("{occasion}\nnode occasion | | 2 | i32 4 | 0"),
                "operation 3, `occasion`, comes after the occasion, which is the last input",
            ),
            (
                &format!("{occasion}\nnode input | | 2 | f32 n 1 | 0"),
                "operation 3, `input`, comes after the occasion, which is the last input",
            ),
        ] {
            assert_eq!(predictor(&format!("{INPUT}\n{nodes}\noutput 0 y")).err().unwrap(), what);
        }
        for counter in [1, 3, 4, 6] {
            let node = format!("node fill | | 0 | i32 {counter} | 0\nnode random_uniform | 2 | 1 1 | f32 n 2 | 0");
            let what = "operation 3, `random_uniform`, does not fit its inputs, its type or its shape";
            assert_eq!(predictor(&format!("{INPUT}\n{node}\noutput 3 y")).err().unwrap(), what);
        }
    }

    #[test]
    fn kernels_that_do_not_fit_their_inputs_are_refused_before_anything_is_run() {
        let inputs = format!("{INPUT}\nnode cast | 0 | | i32 n 2 | 0\nnode reshape | 0 | | f32 n 2 1 | 0");
        for node in [
            "gather | 0 2 | 5 | f32 n 2 2 | 0",
            "gather | 0 2 | 1 | f32 n 2 2 | 0",
            "gather | 0 0 | 0 | f32 n 2 2 | 0",
            "gather | 0 | 0 | f32 n 2 | 0",
            "take_along_axis | 0 2 | 2 | f32 n 2 | 0",
            "take_along_axis | 0 2 | 1 | f32 n 3 | 0",
            "scatter_add | 0 2 | 4 1 n 2 | f32 n 2 | 0",
            "scatter_add | 0 2 | 0 1 5 2 | f32 n 2 | 0",
            "scatter_add | 0 | 0 1 n 2 | f32 n 2 | 0",
            "concatenate | | 0 | f32 n 2 | 0",
            "concatenate | 0 0 | 2 | f32 n 4 | 0",
            "concatenate | 0 0 | 1 | f32 n 5 | 0",
            "concatenate | 0 2 | 1 | f32 n 4 | 0",
            "unslice | 0 | 0 1 1 1 | f32 n 2 | 0",
            "unslice | 0 | 0 1 | f32 n 2 | 0",
            "cumsum | 0 | 2 0 0 | f32 n 2 | 0",
            "cumprod | 0 | 1 0 0 | f32 n 3 | 0",
            "cumsum | | 0 0 0 | f32 n 2 | 0",
            "argsort | 0 | 0 | f32 n 2 | 0",
            "argsort | 0 | 0 | i32 n 3 | 0",
            "argmax | 0 | | i32 n 2 | 0",
            "argmin | 0 0 | | i32 n | 0",
            "random_uniform | 0 | 1 | f32 n 2 | 0",
            "windows | 0 | 0 1 1 1 0 1 | f32 n 1 1 2 | 0",
            "windows | 3 | 0 1 1 1 0 2 | f32 n 3 1 1 | 0",
            "windows | 3 | 0 1 9223372036854775807 1 0 2 | f32 n 2 1 1 | 0",
            "overlap_add | 0 | 1 1 1 0 1 | f32 n 2 | 0",
        ] {
            let error = predictor(&format!("{inputs}\nnode {node}\noutput 0 y")).err().unwrap_or_else(|| panic!("{node}"));
            let name = node.split(' ').next().unwrap();
            assert_eq!(error, format!("operation 4, `{name}`, does not fit its inputs, its type or its shape"), "{node}");
        }
        let fits = "concatenate | 0 0 | 1 | f32 n 4 | 0\nnode windows | 3 | 0 1 1 1 0 2 | f32 n 2 1 1 | 0";
        assert!(predictor(&format!("{inputs}\nnode {fits}\noutput 4 y")).is_ok());
    }

    /// Axes of 0 beside long ones: all that a kernel goes through is its result and its inputs.
    #[test]
    fn graphs_of_long_axes_without_elements_take_no_time() {
        let inputs = |long: usize| {
            format!("node input | | 0 | f32 n 2 | 0\nnode fill | | 0 | f32 {long} 1 0 | 0\nnode fill | | 0 | i32 1 | 0")
        };
        let kernels = |long: usize| {
            [
                format!("node gather | 1 2 | 1 | f32 {long} 1 0 | 0"),
                format!("node scatter_add | 1 2 | 1 0 {long} 1 0 | f32 {long} 1 0 | 0"),
                format!("node unslice | 1 | 0 1 0 1 0 1 | f32 {long} 1 0 | 0"),
                format!("node windows | 1 | 0 1 1 1 0 1 | f32 {long} 1 1 0 | 0\nnode reshape | 3 | | f32 {long} 1 0 | 0"),
                format!("node fill | | 0 | f32 {long} 0 0 | 0\nnode matmul | 3 3 | 0 0 | f32 {long} 0 0 | 0"),
                format!("node cumprod | 1 | 0 0 0 | f32 {long} 1 0 | 0"),
            ]
        };
        let rest = |at: usize| {
            format!(
                "node reduce_max | {at} | 0 1 2 | f32  | 0\nnode reshape | {} | | f32 1 1 | 0\nnode broadcast | {} | | f32 n 1 | 0\noutput {} y",
                at + 1,
                at + 2,
                at + 3
            )
        };
        let text = |long: usize, kernel: &str| {
            let at = 2 + kernel.lines().count();
            format!("{}\n{kernel}\n{}", inputs(long), rest(at))
        };
        let (possible, impossible) = ((1 << 40) - 1, 1 << 59);
        for kernel in kernels(possible) {
            match predictor(&text(possible, &kernel)) {
                Ok(predictor) => {
                    let y = predictor.predict(&[[1.0_f32, 2.0]].into()).unwrap();
                    assert_eq!(y, [[f32::NEG_INFINITY]].into(), "{kernel}");
                }
                Err(why) => panic!("{kernel}: {why}"),
            }
        }
        for kernel in kernels(impossible) {
            let why = predictor(&text(impossible, &kernel)).err().unwrap();
            assert_eq!(why, "operation 1, `fill`, has an impossible shape", "{kernel}");
        }
    }

    #[test]
    fn truth_values_are_not_added_up() {
        let picked =
            "node cast | 0 | | bool n 2 | 0\nnode fill | | 0 | i32 2 | 0\nnode scatter_add | 2 3 | 1 0 n 2 | bool n 2 | 0";
        let why = predictor(&format!("{INPUT}\n{picked}\noutput 0 y")).err().unwrap();
        assert_eq!(why, "operation 4, `scatter_add`, does not fit its inputs, its type or its shape");
    }

    #[test]
    fn a_prediction_that_the_system_has_no_memory_for_is_an_error() {
        let counter = "node fill | | 0 | i32 2 | 0";
        let draw = |long: usize| {
            format!(
                "{INPUT}\n{counter}\nnode random_uniform | 2 | 0 | f32 {long} | 0\nnode cumsum | 3 | 0 0 0 | f32 {long} | 0\n\
                 node slice | 4 | 0 1 | f32 1 | 0\nnode reshape | 5 | | f32 1 1 | 0\nnode broadcast | 6 | | f32 n 1 | 0\noutput 7 y"
            )
        };
        let large = predictor(&draw(1 << 39)).unwrap();
        let error = large.predict(&[[1.0_f32, 2.0]].into()).unwrap_err();
        assert_eq!((error.kind(), error.message().starts_with("a run needs 4398.0 GB of memory")), (ErrorKind::Memory, true));
        assert_eq!(predictor(&draw(1 << 60)).err().unwrap(), "operation 3, `random_uniform`, has an impossible shape");
    }
}
