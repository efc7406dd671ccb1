//! The text of C files: models for any or one number of rows, and steps.
//!
//! In: saved graphs and graphs, with options. Out: [`CSource`].

use std::fmt::Write;

use endo::graph::saved::SavedNode;
use endo::graph::{Graph, SavedGraph};
use endo::plan::{Action, Plan, Signature, Untuned};
use endo::{DType, Error, ErrorKind, Result, Variable, ops};

use super::memory::{DTYPES, Layout};
use super::options::COptions;
use super::rows;
use super::text::{self, Names, c_type, comment, short};
use super::unit::{SecondFile, Unit, Writing};

/// A C file, and the bytes of the file beside it.
#[derive(Clone, Debug)]
pub struct CSource {
    /// The text of the C file.
    pub text: String,
    /// The weights, if they lie in a second file.
    pub weights: Option<Vec<u8>>,
}

/// Weights of more bytes than this need a second file.
const MOST_WEIGHTS: usize = 16 << 20;

/// `predict` works on this many rows at a time.
const PREDICTED_ROWS: usize = 256;

/// An argument of the function that a file is for.
struct Argument {
    name: String,
    dtype: DType,
    /// The sizes of its axes, as text.
    shape: String,
    /// The elements of a row, or all if the number of rows is fixed.
    length: usize,
    /// What is said about it.
    note: String,
}

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

fn names(arguments: &[Argument]) -> Vec<String> {
    arguments.iter().map(|argument| argument.name.clone()).collect()
}

/// A file in the making.
struct File<'a> {
    name: &'a str,
    options: &'a COptions,
    inputs: Vec<Argument>,
    outputs: Vec<Argument>,
    unit: Unit,
    /// Definitions of variables.
    variables: String,
    /// What is said about each variable.
    notes: Vec<String>,
    bytes: usize,
    /// What is checked to be finite.
    checks: Vec<String>,
    checked: bool,
    work: [usize; 4],
    blocks: String,
}

impl<'a> File<'a> {
    fn new(
        name: &'a str,
        options: &'a COptions,
        inputs: Vec<Argument>,
        outputs: Vec<Argument>,
    ) -> Self {
        let second = options
            .weights_file
            .is_some()
            .then(|| SecondFile { pointer: format!("{name}_weights"), bytes: Vec::new() });
        Self {
            name,
            options,
            inputs,
            outputs,
            unit: Unit::new(name, second),
            variables: String::new(),
            notes: Vec::new(),
            bytes: 0,
            checks: Vec::new(),
            checked: false,
            work: [0; 4],
            blocks: String::new(),
        }
    }

    /// Writes the arrays of variables.
    fn weights(&mut self, variables: &[Variable], qualifiers: &str) -> Result<()> {
        self.bytes = variables.iter().map(|variable| variable.value().bytes().len()).sum();
        let constant = !qualifiers.is_empty();
        if self.bytes > MOST_WEIGHTS && !(constant && self.unit.second.is_some()) {
            let message = format!(
                "{:.1} MB of weights are too many for the text of a C file",
                self.bytes as f64 / 1e6
            );
            let help = "put the weights of a model that predicts in a second file: \
                `COptions::new().weights_file(\"net.weights\")`";
            return Err(Error::new(ErrorKind::Usage, message).help(help));
        }
        // What else the file calls so must be no weight's.
        let mut taken = Names::default();
        for known in ["memory", "step", "predict", "weights", "load"] {
            taken.unique(known);
        }
        for variable in variables {
            let (value, dtype) = (variable.value(), variable.dtype());
            let array = format!("{}_{}", self.name, taken.unique(variable.name()));
            self.unit.variables.push(match &mut self.unit.second {
                Some(second) if constant => second.add(dtype, value.bytes()),
                _ => {
                    self.variables.push('\n');
                    text::array(&mut self.variables, qualifiers, dtype, &array, value.bytes());
                    array.clone()
                }
            });
            let of = c_type(dtype);
            self.notes.push(format!("{array}  {of} {}", variable.shape()));
        }
        Ok(())
    }

    /// Writes the function of a plan.
    fn block(&mut self, kind: &str, plan: &Plan, inputs: &[String], draws: bool) -> Result<()> {
        let outputs = names(&self.outputs);
        let layout = Layout::new(plan);
        for (most, count) in self.work.iter_mut().zip(layout.work) {
            *most = (*most).max(count);
        }
        let writing = Writing { plan, layout, inputs, outputs: &outputs };
        let lines = self.unit.lines(&writing)?;
        self.checked |= plan.steps.iter().any(|step| matches!(step.action, Action::Guard(_)));
        let mut arguments = vec![format!("{}_memory *work", self.name)];
        arguments.extend(self.declarations());
        if draws {
            arguments.push("const int32_t *occasion".to_string());
        }
        let name = self.name;
        let _ = writeln!(self.blocks, "\nstatic int {name}_{kind}({}) {{", arguments.join(", "));
        let body: String = lines.iter().map(|line| format!("    {line}\n")).collect();
        let all = inputs.iter().chain(&outputs).map(String::as_str).chain(["work"]);
        for unused in all.filter(|name| !text::mentions(&body, name)) {
            let _ = writeln!(self.blocks, "    (void){unused};");
        }
        self.blocks.push_str(&body);
        self.blocks.push_str("    return 0;\n}\n");
        Ok(())
    }

    /// The declarations of inputs and outputs.
    fn declarations(&self) -> Vec<String> {
        let inputs = self.inputs.iter().map(|x| format!("const {} *{}", c_type(x.dtype), x.name));
        let outputs = self.outputs.iter().map(|y| format!("{} *{}", c_type(y.dtype), y.name));
        inputs.chain(outputs).collect()
    }

    /// The file of a model.
    fn predicting(self, blocks: &[usize], draws: bool) -> CSource {
        let mut arguments = self.declarations();
        let rows = self.options.fixed_rows.is_none();
        arguments.extend(rows.then(|| "int rows".to_string()));
        arguments.extend(draws.then(|| "uint32_t call".to_string()));
        let (memory, passed) = self.memory(&mut arguments);
        let result = if self.checked { "int" } else { "void" };
        let prototype = format!("{result} {}_predict({})", self.name, arguments.join(", "));
        let mut entry = format!("\n{prototype} {{\n{memory}");
        let call = |rows: usize, indent: &str| {
            let place = |argument: &Argument| match (self.options.fixed_rows, argument.length) {
                (Some(_), _) | (None, 0) => argument.name.clone(),
                (None, length) => format!("{} + {length} * (long)row", argument.name),
            };
            let mut given = vec![passed.to_string()];
            given.extend(self.inputs.iter().chain(&self.outputs).map(place));
            let mut text = String::new();
            if draws {
                let row = if self.options.fixed_rows.is_some() { "0" } else { "row" };
                let _ = writeln!(
                    text,
                    "{indent}const int32_t occasion[4] = {{(int32_t)call, 1, {row}, 0}};"
                );
                given.push("occasion".to_string());
            }
            let call = format!("{}_rows_{rows}({})", self.name, given.join(", "));
            let _ = if self.checked {
                writeln!(
                    text,
                    "{indent}const int check = {call};\n{indent}if (check) {{\n{indent}    \
                     return check;\n{indent}}}"
                )
            } else {
                writeln!(text, "{indent}(void){call};")
            };
            text
        };
        match self.options.fixed_rows {
            Some(rows) => entry.push_str(&call(rows, "    ")),
            None => {
                entry.push_str("    int row = 0;\n");
                for &rows in blocks {
                    let _ = writeln!(entry, "    for (; rows - row >= {rows}; row += {rows}) {{");
                    entry.push_str(&call(rows, "        "));
                    entry.push_str("    }\n");
                }
            }
        }
        entry.push_str(if self.checked { "    return 0;\n}\n" } else { "}\n" });
        let mut notes = Vec::new();
        if draws {
            notes.push(
                "`call` is the number of the call, which random numbers follow: count from 0."
                    .to_string(),
            );
        }
        if self.checked {
            notes.push(
                "The result is 0, or the number of the value that the model demands to be finite \
                 and is not."
                    .to_string(),
            );
        }
        self.source("What a model predicts", &[prototype], &entry, &notes)
    }

    /// The file of a step.
    fn step(mut self) -> CSource {
        let mut arguments = self.declarations();
        let (memory, passed) = self.memory(&mut arguments);
        let result = format!("int {}_step({})", self.name, arguments.join(", "));
        let given: Vec<String> =
            self.inputs.iter().chain(&self.outputs).map(|argument| argument.name.clone()).collect();
        let given = std::iter::once(passed.to_string()).chain(given).collect::<Vec<_>>().join(", ");
        let entry = format!("\n{result} {{\n{memory}    return {}_all({given});\n}}\n", self.name);
        let mut notes = Vec::new();
        if self.checked {
            notes.push("The result is 0, or the number of a value that is not finite:".to_string());
            for (index, what) in self.checks.iter().enumerate() {
                notes.push(format!("    {}: {}", index + 1, comment(what)));
            }
            notes.push("No variable has changed then.".to_string());
        }
        if !self.notes.is_empty() {
            notes.push("Variables, which the program may read and set:".to_string());
            notes.extend(self.notes.drain(..).map(|note| format!("    {}", comment(&note))));
        }
        self.source("A step", &[result], &entry, &notes)
    }

    /// What the function for callers begins with, and what it passes on as memory.
    fn memory(&self, arguments: &mut Vec<String>) -> (String, &'static str) {
        let name = self.name;
        if self.options.caller_memory {
            arguments.push(format!("{name}_memory *memory"));
            (String::new(), "memory")
        } else {
            (format!("    static {name}_memory memory;\n"), "&memory")
        }
    }

    /// The whole file.
    fn source(self, what: &str, prototypes: &[String], entry: &str, notes: &[String]) -> CSource {
        let name = self.name;
        let mut text = format!("/* {what}, as C99, written by endo. It needs `math.h` alone:\n\n");
        let _ = writeln!(text, "       cc -O2 -std=c99 -ffp-contract=off -c {name}.c\n");
        text.push_str("   and `-lm` where a program is linked.\n\n");
        let mut declared: Vec<String> = prototypes.to_vec();
        if self.unit.second.is_some() {
            declared.insert(0, format!("void {name}_load(const void *file)"));
        }
        for prototype in &declared {
            let _ = writeln!(text, "       {prototype};");
        }
        text.push('\n');
        for argument in self.inputs.iter().chain(&self.outputs) {
            let of = c_type(argument.dtype);
            let note = if argument.note.is_empty() {
                String::new()
            } else {
                format!(": `{}`", comment(&argument.note))
            };
            let _ = writeln!(text, "   {}  {of} {}{note}", argument.name, argument.shape);
        }
        text.push_str("\n   Arrays are row-major, truth values bytes of 0 or 1.\n");
        for note in notes {
            let _ = writeln!(text, "   {note}");
        }
        let work: usize =
            self.work.iter().zip(DTYPES).map(|(count, dtype)| count * dtype.bytes()).sum();
        let whose = if self.options.caller_memory {
            format!("which the caller gives as a `{name}_memory`")
        } else {
            "static: one call at a time".to_string()
        };
        let _ = writeln!(
            text,
            "   {} bytes of weights; {work} bytes of working memory, {whose}.",
            self.bytes
        );
        if let Some(second) = &self.unit.second {
            let _ = writeln!(
                text,
                "   The weights are a file of {} bytes, little-endian: read it to memory that is \
                 aligned for\n   numbers, which has to stay, and give its start to `{name}_load` \
                 first.",
                second.bytes.len()
            );
        }
        text.push_str("*/\n#include <math.h>\n#include <stdint.h>\n\n");
        let _ = writeln!(text, "typedef struct {{");
        for (count, dtype) in self.work.iter().zip(DTYPES).filter(|(count, _)| **count > 0) {
            let _ = writeln!(text, "    {} {}[{count}];", c_type(dtype), short(dtype));
        }
        if self.work.iter().all(|&count| count == 0) {
            text.push_str("    float f32[1];\n");
        }
        let _ = writeln!(text, "}} {name}_memory;\n");
        for prototype in &declared {
            let _ = writeln!(text, "{prototype};");
        }
        if self.unit.second.is_some() {
            let _ = writeln!(
                text,
                "\nstatic const unsigned char *{name}_weights;\n\n\
                 void {name}_load(const void *file) {{\n    \
                 {name}_weights = (const unsigned char *)file;\n}}"
            );
        }
        text.push_str(&self.variables);
        text.push_str(&self.unit.text());
        text.push_str(&self.blocks);
        text.push_str(entry);
        CSource { text, weights: self.unit.second.map(|second| second.bytes) }
    }
}
