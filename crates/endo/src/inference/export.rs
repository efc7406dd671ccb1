//! `export`: what a model computes in `predict`, in one file that needs none of its code.
//!
//! In: a model that has seen its inputs. Out: a safetensors file with the weights by name and the
//! graph of its `call` for any number of rows, for [`Predictor`](super::Predictor) to load.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::{self, failure};
use crate::graph::{Graph, Occasion, SavedGraph, Tensor, Tree};
use crate::net::sealed::Seal;
use crate::net::{distinct, first, not_built, output_names, structure};
use crate::ops;
use crate::ops::draws::{Draw, DrawLog};
use crate::shape::Shape;
use crate::step::Steps;
use crate::trace::Context;
use crate::trace::follow::TraceOptions;
use crate::variable::Variable;

use super::predict;

pub(crate) const SEAL: Seal =
    Seal { entry: "endo.predictor", format: 5, oldest: 1, what: "a predictor" };

/// The numbers of rows for which the graphs are compared: the largest that a plan is ever made for,
/// and two small ones, of which none is 1, as sizes of 1 broadcast.
const ROWS: [usize; 3] = [2, 3, predict::ROWS];

impl<I: Tree, O: Tree> Steps<I, O> {
    /// Writes what `predict` computes to a file, with a text.
    #[track_caller]
    pub fn export_with_note(&self, path: &Path, note: &str) -> Result<()> {
        let mut graph = self.saved_graph()?;
        graph.note = note.to_string();
        let named = graph.variables.iter().chain(&graph.constants);
        let arrays: BTreeMap<&str, &Array> =
            named.map(|(name, array)| (name.as_str(), array)).collect();
        let bytes =
            SEAL.put(arrays.iter().map(|(name, array)| (*name, *array)), &graph.to_string());
        files::write(path, &[&bytes.map_err(|error| failure("cannot export to", path, &error))?])
    }

    /// What `predict` computes, for any number of rows.
    #[track_caller]
    pub fn saved_graph(&self) -> Result<SavedGraph> {
        let inputs = self.net.inputs();
        if inputs.is_empty() {
            let message = "the model has seen no input yet, so there is no shape to export it for";
            return Err(not_built(message));
        }
        if inputs.iter().any(|(shape, _)| shape.is_scalar()) {
            let message = "the model was last traced for an input without axes, which has no rows";
            let help = "let all inputs have samples along their first axis";
            return Err(Error::usage(message, help));
        }
        let names = RefCell::new(Vec::new());
        let graph = |rows: usize, shared: Vec<Draw>| -> Result<((usize, Graph), Rc<DrawLog>)> {
            let zeros =
                |(shape, dtype): &(Shape, DType)| Array::try_zeros(&shape.with(0, rows), *dtype);
            let arrays = inputs.iter().map(zeros).collect::<Result<Vec<Array>>>()?;
            let log = Rc::new(DrawLog::new(rows, Occasion::predict(0), shared));
            let closure = Box::new(|inputs: &[Tensor], cx: &mut Context| {
                let Some(inputs) = structure(inputs, cx) else { return Vec::new() };
                let (outputs, _) = self.predict_step(inputs, cx);
                names.replace(output_names(&outputs, cx));
                outputs.tensors().into_iter().cloned().collect()
            });
            let inputs: Vec<&Array> = arrays.iter().collect();
            // Files hold no loops.
            let tracing = TraceOptions { unrolled: true, ..self.net.tracing_on_occasion(&log) };
            let (graph, _) = tracing.graph(&inputs, closure)?;
            Ok(((rows, graph), log))
        };
        let traced = |rows: usize| graph(rows, Vec::new());
        let (mut graphs, logs): (Vec<_>, Vec<_>) =
            ROWS.into_iter().map(traced).collect::<Result<_>>()?;
        // Draws that are as long as the rows at one of these numbers of rows only are one for the
        // whole call.
        for (index, log) in logs.iter().enumerate().filter(|(_, log)| log.has_rows()) {
            let shared = log.shared(&logs[(index + 1) % logs.len()]);
            graphs[index] = graph(ROWS[index], shared)?.0;
        }
        // As files of weights call them.
        let weights = self.net.named_weights();
        let variable_name = |variable: &Variable| {
            let named = weights.iter().find(|(_, weight)| weight == variable);
            named.map_or_else(|| variable.name().to_string(), |(name, _)| name.clone())
        };
        let mut saved =
            SavedGraph::new(&graphs, &names.borrow(), ops::saved::named, variable_name)?;
        let of = |&place: &usize| saved.nodes[place].clone();
        if let Some((name, node)) = saved
            .outputs
            .iter()
            .map(|(name, place)| (name, of(place)))
            .find(|(_, x)| !x.has_a_row_each())
        {
            let sizes: Vec<String> = node.shape.iter().map(ToString::to_string).collect();
            let message =
                format!("the output `{name}` has shape [{}] for n rows", sizes.join(", "));
            let help = "a model that predicts returns one row for each row of its input, and no \
                other axis depends on their number";
            return Err(Error::shape(message, help));
        }
        distinct(&mut saved.variables, first, &[]);
        let taken: Vec<&str> = saved.variables.iter().map(|(name, _)| name.as_str()).collect();
        distinct(&mut saved.constants, first, &taken);
        Ok(saved)
    }
}
