//! A whole C file: weights, memory, functions, and the comment that says how they are called.
//!
//! In: variables and plans. Out: [`CSource`].

use std::fmt::Write;

use endo::plan::{Action, Plan};
use endo::{DType, Error, ErrorKind, Result, Variable};

use super::memory::{DTYPES, Layout};
use super::options::COptions;
use super::source::CSource;
use super::text::{self, c_type, comment, short};
use super::unit::{SecondFile, Unit, Writing};

/// Weights of more bytes than this need a second file.
const MOST_WEIGHTS: usize = 16 << 20;

/// Rows of the example of a call.
const EXAMPLE_ROWS: usize = 3;

/// An argument of the function that a file is for.
pub struct Argument {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub dtype: DType,
    /// The sizes of its axes, as text.
    pub shape: String,
    /// The elements of a row of what a model predicts, or all of a step.
    pub length: usize,
    /// What is said about it.
    pub note: String,
}

/// A file in the making.
pub struct File<'a> {
    name: &'a str,
    options: &'a COptions,
    /// What it is given.
    pub inputs: Vec<Argument>,
    outputs: Vec<Argument>,
    /// The functions.
    pub unit: Unit,
    /// Names and definitions of variables.
    variables: Vec<(String, String)>,
    /// What is said about each variable.
    notes: Vec<String>,
    bytes: usize,
    /// What is checked to be finite.
    pub checks: Vec<String>,
    checked: bool,
    work: [usize; 4],
    blocks: String,
}

impl<'a> File<'a> {
    /// An empty file of a function with these inputs and outputs.
    pub fn new(
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
            variables: Vec::new(),
            notes: Vec::new(),
            bytes: 0,
            checks: Vec::new(),
            checked: false,
            work: [0; 4],
            blocks: String::new(),
        }
    }

    /// Writes the arrays of variables.
    pub fn weights(&mut self, variables: &[Variable], qualifiers: &str) -> Result<()> {
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
        for variable in variables {
            let (value, dtype) = (variable.value(), variable.dtype());
            let array = self.unit.name(variable.name());
            self.unit.variables.push(match &mut self.unit.second {
                Some(second) if constant => second.add(dtype, value.bytes()),
                _ => {
                    let mut text = "\n".to_string();
                    text::array(&mut text, qualifiers, dtype, &array, value.bytes());
                    self.variables.push((array.clone(), text));
                    array.clone()
                }
            });
            let of = c_type(dtype);
            self.notes.push(format!("{array}  {of} {}", variable.shape()));
        }
        Ok(())
    }

    /// Writes the function of a plan.
    pub fn block(&mut self, kind: &str, plan: &Plan, inputs: &[String], draws: bool) -> Result<()> {
        let outputs = names(&self.outputs);
        let layout = Layout::new(plan);
        for (most, count) in self.work.iter_mut().zip(layout.most(plan)) {
            *most = (*most).max(count);
        }
        let writing = Writing { plan, layout, inputs, outputs: &outputs, depth: 0 };
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
    pub fn predicting(self, blocks: &[usize], draws: bool) -> CSource {
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
        let fixed = self.options.fixed_rows;
        let rows = fixed.unwrap_or(EXAMPLE_ROWS);
        let number = rows.to_string();
        let last = [(fixed.is_none(), number.as_str()), (draws, "0")];
        let last = last.into_iter().filter(|(given, _)| *given).map(|(_, text)| text);
        notes.insert(0, self.example("predict", rows, last.collect()));
        self.source("What a model predicts", &[prototype], &entry, &notes)
    }

    /// The file of a step.
    pub fn step(mut self) -> CSource {
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
        notes.insert(0, self.example("step", 1, Vec::new()));
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

    /// A call with arrays of `rows` rows.
    fn example(&self, function: &str, rows: usize, mut last: Vec<&str>) -> String {
        let name = self.name;
        let arguments = self.inputs.iter().chain(&self.outputs);
        let mut arrays: Vec<String> = arguments
            .clone()
            .map(|array| {
                let count = (rows * array.length).max(1);
                format!("static {} {}[{count}];", c_type(array.dtype), array.name)
            })
            .collect();
        if self.options.caller_memory {
            arrays.push(format!("static {name}_memory memory;"));
            last.push("&memory");
        }
        let given: Vec<&str> = arguments.map(|array| array.name.as_str()).chain(last).collect();
        format!(
            "For example:\n\n       {}\n       {name}_{function}({});\n",
            arrays.join(" "),
            given.join(", ")
        )
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
        for (array, definition) in &self.variables {
            // Constants that nothing reads would be a warning.
            if definition.starts_with("\nstatic") && !text::mentions(&self.blocks, array) {
                continue;
            }
            text.push_str(definition);
        }
        text.push_str(&self.unit.text());
        text.push_str(&self.blocks);
        text.push_str(entry);
        CSource { text, weights: self.unit.second.map(|second| second.bytes) }
    }
}

/// The names of arguments.
pub fn names(arguments: &[Argument]) -> Vec<String> {
    arguments.iter().map(|argument| argument.name.clone()).collect()
}
