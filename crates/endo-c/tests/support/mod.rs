//! Compiling C files with a program that calls them, and comparing what they compute.
//!
//! In: models and steps with inputs. Out: nothing, or the numbers that differ. Many files are one
//! translation unit with one `main`, which reads inputs from a file and writes outputs to another:
//! one run of the compiler for all.

#![allow(dead_code)] // each file of tests uses a part

use std::cell::RefCell;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

use endo::cpu::pool::Pool;
use endo::graph::{Check, Graph, NodeId, Tree};
use endo::prelude::*;
use endo::random::Random;
use endo::trace::Program;
use endo_c::{COptions, ExportC};

/// How `cc` is called: every warning is an error.
pub const FLAGS: &[&str] =
    &["-O2", "-Wall", "-Wextra", "-Werror", "-std=c99", "-pedantic", "-ffp-contract=off"];

/// How far numbers may be from those of the processor, by type, as a share of the largest number of
/// their array or of 1 if that is larger.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Of `f32`.
    pub single: f64,
    /// Of `f64`.
    pub double: f64,
}

impl Bound {
    /// For what is computed once: sums in another order, and functions of another library.
    pub const ONCE: Self = Self { single: 1e-5, double: 1e-13 };
    /// After 60 steps of a training: roundings of every step have grown with the steps.
    pub const TRAINED: Self = Self { single: 2e-4, double: 1e-11 };
    /// For what need not be the same.
    pub const ANY: Self = Self { single: f64::INFINITY, double: f64::INFINITY };
}

/// C files, calls of them and what they should give.
#[derive(Default)]
pub struct Session {
    text: String,
    main: String,
    given: Vec<u8>,
    wanted: Vec<Wanted>,
    sources: usize,
}

/// An array that a program should write.
struct Wanted {
    what: String,
    array: Array,
    bound: Bound,
}

thread_local! {
    /// The session of a test that goes through a table.
    static CURRENT: RefCell<Option<Session>> = const { RefCell::new(None) };
}

/// Runs something that adds to the session by [`check`], then compiles and compares.
pub fn together(body: impl FnOnce()) {
    CURRENT.with(|current| current.replace(Some(Session::default())));
    body();
    CURRENT.with(|current| current.take()).expect("it was begun").run();
}

/// Adds an exported model to the session, or compiles and compares it alone outside of one.
pub fn check<I: Tree, O: Tree>(
    what: &str,
    model: &Model<I, O>,
    inputs: impl Fn(usize) -> Vec<Array>,
) {
    model.build_on(&inputs(4)).unwrap_or_else(|error| panic!("{what}: {error}"));
    // First values are often all 0 or 1.
    for (index, weight) in model.weights().iter().enumerate() {
        weight.set(&numbers(weight.shape(), weight.dtype(), [0.25, 1.0], index as u64)).unwrap();
    }
    let known = CURRENT.with(|current| current.take());
    let inside = known.is_some();
    let mut session = known.unwrap_or_default();
    session.model(what, model, inputs, &[1, 3, 19], Bound::ONCE);
    if inside {
        CURRENT.with(|current| current.replace(Some(session)));
    } else {
        session.run();
    }
}

/// The C type of an element, as files declare it.
fn c_type(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "float",
        DType::F64 => "double",
        DType::I32 => "int32_t",
        _ => "unsigned char",
    }
}

impl Session {
    /// Adds a model, called with these numbers of rows. One that takes rows together is written for
    /// each of them.
    pub fn model<I: Tree, O: Tree>(
        &mut self,
        what: &str,
        model: &Model<I, O>,
        inputs: impl Fn(usize) -> Vec<Array>,
        rows: &[usize],
        bound: Bound,
    ) {
        let any = self.source(model, &COptions::new());
        for &rows in rows {
            let given = inputs(rows);
            let name = match &any {
                Ok(name) => name.clone(),
                Err(error) => {
                    assert!(error.message().contains("any number of rows"), "{what}: {error}");
                    let fixed = self.source(model, &COptions::new().fixed_rows(rows));
                    fixed.unwrap_or_else(|error| panic!("{what}: {error}"))
                }
            };
            let x = I::from_arrays(&mut given.iter().cloned()).unwrap();
            let want = model.predict_call(0, &x).unwrap_or_else(|error| panic!("{what}: {error}"));
            let want: Vec<Array> = O::arrays(&want).into_iter().cloned().collect();
            let mut last = Vec::new();
            if any.is_ok() {
                last.push(rows.to_string());
            }
            if self.draws(&name) {
                last.push("0".to_string());
            }
            let call = format!("{name}_predict");
            self.call(&format!("{what}, {rows} rows"), &call, &given, &want, &last, bound);
        }
    }

    /// Whether the function of a model takes the number of the call.
    fn draws(&self, name: &str) -> bool {
        let begin = format!("{name}_predict(");
        self.text.split(&begin).nth(1).is_some_and(|rest| {
            rest.split(')').next().is_some_and(|arguments| arguments.contains("uint32_t call"))
        })
    }

    fn source(&mut self, of: &impl ExportC, options: &COptions) -> Result<String> {
        let name = format!("m{}", self.sources);
        let source = of.c_source(&name, options)?;
        self.text.push_str(&source.text);
        self.sources += 1;
        Ok(name)
    }

    /// Adds a call of a function: inputs, outputs, then more arguments.
    fn call(
        &mut self,
        what: &str,
        function: &str,
        given: &[Array],
        want: &[Array],
        last: &[String],
        bound: Bound,
    ) {
        let arguments = [("x", given.len()), ("y", want.len())];
        let arguments =
            arguments.map(|(letter, count)| (0..count).map(move |i| format!("{letter}{i}")));
        let arguments: Vec<String> =
            arguments.into_iter().flatten().chain(last.iter().cloned()).collect();
        let _ = write!(
            self.main,
            "    {{\n{}{}{}            {function}({});\n{}    }}\n",
            declared("x", given),
            declared("y", want),
            moved("take", "x", given),
            arguments.join(", "),
            moved("give", "y", want),
        );
        self.given.extend(given.iter().flat_map(|array| array.bytes()));
        for (index, array) in want.iter().enumerate() {
            let (what, array) = (format!("{what}, output {index}"), array.clone());
            self.wanted.push(Wanted { what, array, bound });
        }
    }

    /// Adds steps of a compiled model on batches of a number of rows.
    pub fn fit<I: Tree, O: Tree>(
        &mut self,
        what: &str,
        model: &Model<I, O>,
        data: &Dataset,
        rows: usize,
        steps: usize,
    ) {
        let batch = |step: usize| {
            let first = step * rows % (data.len() - rows + 1);
            data.take(&(first..first + rows).collect::<Vec<_>>()).unwrap()
        };
        let graph = model.training_graph(&batch(0)).unwrap_or_else(|e| panic!("{what}: {e}"));
        let arrays = |step: usize| -> Vec<Array> {
            let batch = batch(step);
            let all = [batch.all_inputs(), batch.all_targets(), batch.all_sample_weights()];
            all.concat()
        };
        let batches: Vec<Vec<Array>> = (0..steps).map(arrays).collect();
        self.train(what, &graph, &batches, Bound::TRAINED);
    }

    /// Adds a step that is run on batches one after the other, from the values that its variables
    /// have, by the processor too: results, outputs, and the variables afterwards are compared.
    pub fn train(&mut self, what: &str, graph: &Graph, batches: &[Vec<Array>], bound: Bound) {
        let name = self.source(graph, &COptions::new()).unwrap_or_else(|e| panic!("{what}: {e}"));
        let zeros = |&id: &NodeId| Array::zeros(graph.node(id).shape.clone(), graph.node(id).dtype);
        let mut y: Vec<Array> = graph.outputs.iter().map(zeros).collect();
        let x = &batches[0];
        let names = [("x", x.len()), ("y", y.len())];
        let arguments =
            names.map(|(letter, count)| (0..count).map(move |i| format!("{letter}{i}")));
        let arguments = arguments.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let _ = write!(
            self.main,
            "    {{\n{}{}        for (int step = 0; step < {}; step++) {{\n            int32_t \
             code;\n{}            code = {name}_step({arguments});\n            \
             give(&code, sizeof code, 1);\n{}        }}\n",
            declared("x", x),
            declared("y", &y),
            batches.len(),
            moved("take", "x", x),
            moved("give", "y", &y),
        );
        let program = Program::new(graph).unwrap();
        let pool = Pool::new(1);
        for (index, batch) in batches.iter().enumerate() {
            self.given.extend(batch.iter().flat_map(|array| array.bytes()));
            let inputs: Vec<&Array> = batch.iter().collect();
            let code = match program.run(&inputs, &mut y, &pool) {
                Ok(()) => 0,
                Err(error) => {
                    let failed = |check: &Check| error.message().starts_with(&check.what);
                    let place = graph.checks.iter().position(failed);
                    place.unwrap_or_else(|| panic!("{what}: {error}")) as i32 + 1
                }
            };
            let said = |part: &str| format!("{what}, step {index}, {part}");
            self.wanted.push(Wanted { what: said("code"), array: [code].into(), bound });
            for (number, array) in y.iter().enumerate() {
                // What a step that has failed returns is not said.
                let bound = if code == 0 { bound } else { Bound::ANY };
                let (what, array) = (said(&format!("output {number}")), array.clone());
                self.wanted.push(Wanted { what, array, bound });
            }
        }
        let listed = self.text.rsplit("Variables, which the program").next().unwrap_or_default();
        let begin = format!("       {name}_");
        let listed = listed.lines().filter(|line| line.starts_with(&begin));
        for (variable, line) in graph.variables.iter().zip(listed) {
            let array = line.split_whitespace().next().expect("a name");
            let value = variable.value();
            let count = value.shape().len();
            let _ = writeln!(self.main, "        give({array}, sizeof {array}[0], {count});");
            let what = format!("{what}, afterwards `{}`", variable.name());
            self.wanted.push(Wanted { what, array: value, bound });
        }
        self.main.push_str("    }\n");
    }

    /// Compiles all files with one program, runs it and compares: by `cc` on this processor, or as
    /// `ENDO_C_COMPILER`, `ENDO_C_FLAGS` and `ENDO_C_RUNNER` say, which `ci/deep` sets.
    pub fn run(self) {
        let folder = Folder::new();
        let words = |name: &str| -> Vec<String> {
            let text = std::env::var(name).unwrap_or_default();
            text.split_whitespace().map(str::to_string).collect()
        };
        let compiler = words("ENDO_C_COMPILER").pop().unwrap_or_else(|| "cc".to_string());
        let program = self.compile(&folder, &compiler, &words("ENDO_C_FLAGS"));
        let command = match &words("ENDO_C_RUNNER")[..] {
            [runner, arguments @ ..] => {
                let mut command = Command::new(runner);
                command.args(arguments).arg(program);
                command
            }
            [] => Command::new(program),
        };
        self.compare(&folder, command);
    }

    /// The program, compiled by this compiler.
    fn compile(&self, folder: &Folder, compiler: &str, more: &[String]) -> PathBuf {
        let [text, program] = ["all.c", "all"].map(|name| folder.0.join(name));
        let main = format!(
            "#include <stdio.h>\n#include <stdlib.h>\n{}\nstatic FILE *given, *result;\n
static void take(void *values, size_t size, size_t count) {{
    if (fread(values, size, count, given) != count) {{
        exit(2);
    }}
}}

static void give(const void *values, size_t size, size_t count) {{
    if (fwrite(values, size, count, result) != count) {{
        exit(3);
    }}
}}

int main(int count, char **files) {{
    (void)take;
    given = fopen(files[count - 2], \"rb\");
    result = fopen(files[count - 1], \"wb\");
    if (!given || !result) {{
        return 1;
    }}
{}    return fclose(result);
}}
",
            self.text, self.main
        );
        std::fs::write(&text, main).unwrap();
        let mut command = Command::new(compiler);
        command.args(FLAGS).args(more).arg(&text).arg("-o").arg(&program).arg("-lm");
        let output = command.output().unwrap_or_else(|error| {
            panic!("these tests need a C compiler, and `{compiler}` cannot be run: {error}")
        });
        let said = String::from_utf8_lossy(&output.stderr);
        let first: Vec<&str> = said.lines().take(40).collect();
        assert!(output.status.success(), "{}", first.join("\n"));
        program
    }

    /// Runs a program and compares what it writes.
    fn compare(&self, folder: &Folder, mut command: Command) {
        let [given, result] = ["given", "result"].map(|name| folder.0.join(name));
        std::fs::write(&given, &self.given).unwrap();
        let status = command.arg(&given).arg(&result).status().unwrap();
        assert!(status.success(), "the program ended with {status}");
        let bytes = std::fs::read(&result).unwrap();
        let mut rest = &bytes[..];
        let mut wrong = Vec::new();
        for wanted in &self.wanted {
            let size = wanted.array.bytes().len();
            assert!(rest.len() >= size, "{}: the program wrote too little", wanted.what);
            let (own, others) = rest.split_at(size);
            let got = Array::from_bytes(wanted.array.shape(), wanted.array.dtype(), own);
            rest = others;
            wrong.extend(difference(&got, wanted));
        }
        assert!(rest.is_empty(), "the program wrote more than expected");
        assert!(wrong.is_empty(), "{} arrays differ:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// Declarations of arrays like these.
fn declared(letter: &str, arrays: &[Array]) -> String {
    let one = |(index, array): (usize, &Array)| {
        let (of, most) = (c_type(array.dtype()), array.shape().len().max(1));
        format!("        static {of} {letter}{index}[{most}];\n")
    };
    arrays.iter().enumerate().map(one).collect()
}

/// Calls of a function that reads or writes arrays like these.
fn moved(function: &str, letter: &str, arrays: &[Array]) -> String {
    let one = |(index, array): (usize, &Array)| {
        let (count, name) = (array.shape().len(), format!("{letter}{index}"));
        format!("            {function}({name}, sizeof {name}[0], {count});\n")
    };
    arrays.iter().enumerate().map(one).collect()
}

/// What is wrong with an array, if something is.
fn difference(got: &Array, wanted: &Wanted) -> Option<String> {
    let want = &wanted.array;
    let bound = match want.dtype() {
        DType::F32 => wanted.bound.single,
        DType::F64 => wanted.bound.double,
        _ => 0.0,
    };
    let count = want.shape().len();
    let finite = (0..count).map(|i| want.get(i).abs()).filter(|x| x.is_finite());
    let allowed = bound * finite.fold(1.0, f64::max);
    if bound.is_infinite() {
        return None;
    }
    let place = (0..count).find(|&i| {
        let (a, b) = (got.get(i), want.get(i));
        !(a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= allowed)
    })?;
    let most = (0..count).map(|i| (got.get(i) - want.get(i)).abs()).fold(0.0, f64::max);
    Some(format!(
        "{}: element {place} of {} is {} and should be {}; at most {most:e} apart",
        wanted.what,
        want.shape(),
        got.get(place),
        want.get(place)
    ))
}

/// A folder that is gone when the test is.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("endo-c-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Numbers between two, of any type; whole numbers and truth values are made of them by rounding
/// down.
pub fn numbers(shape: impl Into<Shape>, dtype: DType, [low, high]: [f64; 2], seed: u64) -> Array {
    let mut random = Random::new(seed, 0);
    let values = Array::from_fn(shape, |_| low + (high - low) * random.uniform_f64());
    match dtype {
        DType::I32 => Array::from_fn(values.shape(), |i| values.get(i).floor() as i32),
        DType::U8 => Array::from_fn(values.shape(), |i| values.get(i).floor() as u8),
        DType::Bool => Array::from_fn(values.shape(), |i| values.get(i) > (low + high) / 2.0),
        _ => values.cast(dtype),
    }
}

pub fn floats(shape: impl Into<Shape>, seed: u64) -> Array {
    numbers(shape, DType::F32, [-2.0, 2.0], seed)
}
