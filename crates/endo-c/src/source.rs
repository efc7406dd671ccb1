//! The text of C files: models for any or one number of rows, and steps.
//!
//! In: saved graphs and graphs, with options. Out: [`CSource`].

use endo::graph::saved::SavedNode;
use endo::graph::{Graph, SavedGraph};
use endo::plan::{Plan, Signature, Untuned};
use endo::{Error, ErrorKind, Result, Variable, ops};

use super::file::{Argument, File, names};
use super::options::COptions;
use super::rows;

/// A C file, and the bytes of the file beside it.
#[derive(Clone, Debug)]
pub struct CSource {
    /// The text of the C file.
    pub text: String,
    /// The weights, if they lie in a second file.
    pub weights: Option<Vec<u8>>,
}

/// `predict` works on this many rows at a time.
const PREDICTED_ROWS: usize = 256;

/// What `predict` computes for the rows of a saved graph, whose variables have these values, or
/// those that it holds.
///
/// # Errors
/// Those of [`ExportC::export_c_with`](super::ExportC::export_c_with).
#[track_caller]
pub fn of_saved(
    graph: &SavedGraph,
    variables: Option<&[Variable]>,
    name: &str,
    options: &COptions,
) -> Result<CSource> {
    let own =
        || graph.variables.iter().map(|(name, value)| Variable::new(name.clone(), value.clone()));
    let variables: Vec<Variable> = variables.map_or_else(|| own().collect(), <[Variable]>::to_vec);
    if options.fixed_rows.is_none_or(|rows| rows > PREDICTED_ROWS)
        && let Some(place) = rows::mixing(graph)
    {
        return Err(takes_rows_together(graph, place));
    }
    let blocks = match options.fixed_rows {
        Some(rows) => vec![rows],
        None if options.block > 1 => vec![options.block, 1],
        None => vec![1],
    };
    let plan = |&rows: &usize| {
        let mut graph = graph
            .graph(rows, ops::saved::named, &variables)
            .map_err(|(_, what)| Error::new(ErrorKind::Data, format!("for {rows} rows, {what}")))?;
        // What one part of the rows leaves for the next; there is one part.
        graph.writes.clear();
        Ok(Plan::new(&graph, &Untuned))
    };
    let plans = blocks.iter().map(plan).collect::<Result<Vec<Plan>>>()?;
    let nodes = graph.nodes.iter().filter(|node| node.operation == "input");
    let inputs = arguments("x", nodes.map(|node| (node, String::new())), options.fixed_rows);
    let outputs = graph.outputs.iter().map(|(name, place)| (&graph.nodes[*place], name.clone()));
    let outputs = arguments("y", outputs, options.fixed_rows);
    let draws = graph.nodes.iter().any(|node| node.operation == "occasion");
    let mut file = File::new(name, options, inputs, outputs);
    for rows in &blocks {
        file.unit.name(&format!("rows_{rows}"));
    }
    file.weights(&variables, "static const ")?;
    let mut inputs = names(&file.inputs);
    inputs.extend(draws.then(|| "occasion".to_string()));
    for (rows, plan) in blocks.iter().zip(&plans) {
        file.block(&format!("rows_{rows}"), plan, &inputs, draws)?;
    }
    Ok(file.predicting(&blocks, draws))
}

/// What a run of a graph computes and assigns.
///
/// # Errors
/// Those of [`ExportC::export_c_with`](super::ExportC::export_c_with).
pub fn of_graph(graph: &Graph, name: &str, options: &COptions) -> Result<CSource> {
    let checks: Vec<String> = graph.checks.iter().map(|check| check.what.clone()).collect();
    of_plan(&Plan::new(graph, &Untuned), &graph.variables, &checks, name, options)
}

/// What a run of a plan without passes of a runner computes and assigns. `variables` are those of
/// the plan, and `checks` say what its checks demand to be finite, by index.
///
/// # Errors
/// Those of [`ExportC::export_c_with`](super::ExportC::export_c_with).
pub fn of_plan(
    plan: &Plan,
    variables: &[Variable],
    checks: &[String],
    name: &str,
    options: &COptions,
) -> Result<CSource> {
    let all = |letter: &str, signatures: Vec<&Signature>| -> Vec<Argument> {
        let count = signatures.len();
        let argument = |(index, signature): (usize, &Signature)| Argument {
            name: if count == 1 { letter.to_string() } else { format!("{letter}{index}") },
            dtype: signature.dtype,
            shape: signature.shape.to_string(),
            length: signature.shape.len(),
            note: String::new(),
        };
        signatures.into_iter().enumerate().map(argument).collect()
    };
    let inputs = all("x", plan.inputs.iter().collect());
    let outputs = all("y", plan.outputs.iter().map(|output| &output.signature).collect());
    let mut file = File::new(name, options, inputs, outputs);
    file.weights(variables, "")?;
    file.checks = checks.to_vec();
    let inputs = names(&file.inputs);
    file.block("all", plan, &inputs, false)?;
    Ok(file.step())
}

/// The error for a model whose rows are no affairs of their own.
fn takes_rows_together(graph: &SavedGraph, place: usize) -> Error {
    let node = &graph.nodes[place];
    let layer = graph.scopes.get(node.scope).cloned().unwrap_or_default();
    let what = if graph.writes.iter().any(|&(_, written)| written == place) {
        "the model assigns a variable while it predicts".to_string()
    } else {
        format!("the operation `{}` takes rows together", node.operation)
    };
    let message = format!("{what}, so that no C file computes the same for any number of rows");
    let help =
        format!("fix the number of rows, up to {PREDICTED_ROWS}: `COptions::new().fixed_rows(32)`");
    Error::new(ErrorKind::Usage, message).help(help).in_layer(layer)
}

/// Arguments for nodes whose first axis counts rows.
fn arguments<'g>(
    letter: &str,
    nodes: impl Iterator<Item = (&'g SavedNode, String)>,
    fixed: Option<usize>,
) -> Vec<Argument> {
    let nodes: Vec<_> = nodes.collect();
    let several = nodes.len() > 1;
    let argument = |(index, (node, note)): (usize, (&SavedNode, String))| {
        let sizes: Vec<usize> =
            node.sizes().into_iter().skip(1).map(|size| size.unwrap_or(0)).collect();
        let first = fixed.map_or("rows".to_string(), |rows| rows.to_string());
        let shape: Vec<String> =
            std::iter::once(first).chain(sizes.iter().map(ToString::to_string)).collect();
        Argument {
            name: if several { format!("{letter}{index}") } else { letter.to_string() },
            dtype: node.dtype,
            shape: format!("[{}]", shape.join(", ")),
            length: sizes.iter().product(),
            note,
        }
    };
    nodes.into_iter().enumerate().map(argument).collect()
}
