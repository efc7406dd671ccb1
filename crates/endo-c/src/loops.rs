//! Fused loops as `for` loops.
//!
//! In: a loop of a plan. Out: the call of a function that computes it. Sums of many terms are made
//! of sums of parts, so that their error does not grow with the number of terms.

use std::fmt::Write;

use endo::plan::layout::Axis;
use endo::plan::{FusedLoop, Layout, Reduce};
use endo::simd::Reduction;
use endo::{DType, Result};

use super::file_functions::Helpers;
use super::formula::{self, Line, Value};
use super::nest::Nest;
use super::text::{c_type, double, float, integer};
use super::unit::{Parameters, Unit, Writing, cannot};

/// Sums of more terms than this are made of parts.
const LONGEST_SUM: usize = 512;

/// The terms of a part.
const PART: usize = 256;

/// The most partial sums that are kept beside each other.
const MOST_PARTS: usize = 1024;

/// The call that a loop is; none if there is nothing to do.
pub fn call(unit: &mut Unit, writing: &Writing<'_>, body: &FusedLoop) -> Result<Vec<String>> {
    if body.whole.is_some() || !body.repeats.is_empty() {
        return Err(cannot("a loop that is made for a processor"));
    }
    let mut parameters = Parameters::default();
    let mut text = String::new();
    if body.length == 0 {
        fill(&mut text, writing, body, &mut parameters);
    } else {
        LoopText::new(writing, body, &mut parameters, &mut unit.helpers)?.write(&mut text);
    }
    if text.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![unit.call(writing, "loop", &parameters, &text)])
}

/// Gives the results of reductions of nothing.
fn fill(text: &mut String, writing: &Writing<'_>, body: &FusedLoop, parameters: &mut Parameters) {
    for reduce in &body.reduces {
        let count = reduce.sizes[0] * reduce.sizes[2];
        if count > 0 {
            let dtype = writing.dtype(reduce.buffer);
            let pointer = parameters.pointer(writing.place(reduce.buffer), true);
            clear(text, 1, &pointer, count, &nothing(reduce.reduction, dtype));
        }
    }
}

fn clear(text: &mut String, depth: usize, pointer: &str, count: usize, value: &str) {
    let indent = "    ".repeat(depth);
    let _ = writeln!(text, "{indent}for (long i = 0; i < {count}; i++) {{");
    let _ = writeln!(text, "{indent}    {pointer}[i] = {value};\n{indent}}}");
}

/// How results of reductions are kept while a loop runs.
#[derive(PartialEq)]
enum Kept {
    /// In variables, while the loops from this level on run.
    Variables(usize),
    /// In memory, part by part if there is a level whose loop is cut into parts.
    Memory(Option<usize>),
}

struct LoopText<'a> {
    nest: Nest,
    lines: Vec<Line>,
    /// The text of each value that is kept.
    values: Vec<String>,
    /// Pointers and indices of what is stored.
    stores: Vec<(String, usize)>,
    reduces: Vec<(String, DType, &'a Reduce)>,
    kept: Kept,
    combined: Vec<Combination>,
}

impl<'a> LoopText<'a> {
    fn new(
        writing: &Writing<'_>,
        body: &'a FusedLoop,
        parameters: &mut Parameters,
        helpers: &mut Helpers,
    ) -> Result<Self> {
        let of_reduces = body
            .reduces
            .iter()
            .flat_map(|reduce| [reduce.sizes[2], reduce.sizes[1].saturating_mul(reduce.sizes[2])]);
        let of_loads = body.loads.iter().flat_map(|load| Nest::boundaries(&load.layout));
        let nest = Nest::new(body.length, of_reduces.chain(of_loads));
        let mut values: Vec<Value> = Vec::new();
        let mut lines: Vec<Option<Line>> = Vec::new();
        for load in &body.loads {
            let dtype = writing.dtype(load.buffer);
            let uniform = load.layout.is_uniform();
            let literal =
                uniform.then(|| writing.literal(load.buffer, load.layout.offset)).flatten();
            if let Some(text) = literal {
                values.push(Value { text, dtype, level: 0 });
                lines.push(None);
                continue;
            }
            let index =
                if uniform { load.layout.offset.to_string() } else { nest.index(&load.layout) };
            let (name, level) = (format!("v{}", values.len()), nest.level(&index));
            let pointer = parameters.pointer(writing.place(load.buffer), false);
            let text = format!("const {} {name} = {pointer}[{index}];", c_type(dtype));
            values.push(Value { text: name, dtype, level });
            lines.push(Some(Line { level, text }));
        }
        let computed = formula::computation(body, &values, helpers)?;
        let loads = lines.into_iter().zip(computed.loads);
        let lines: Vec<Line> =
            loads.filter_map(|(line, used)| line.filter(|_| used)).chain(computed.lines).collect();
        let pointer =
            |parameters: &mut Parameters, buffer| parameters.pointer(writing.place(buffer), true);
        let stores = body
            .stores
            .iter()
            .map(|store| (pointer(parameters, store.buffer), store.value))
            .collect();
        let reduces: Vec<_> = body
            .reduces
            .iter()
            .map(|reduce| {
                let dtype = writing.dtype(reduce.buffer);
                (pointer(parameters, reduce.buffer), dtype, reduce)
            })
            .collect();
        let kept = kept(body, &nest);
        let combined = reduces
            .iter()
            .map(|(_, dtype, reduce)| Combination::new(reduce.reduction, *dtype, helpers))
            .collect::<Result<_>>()?;
        Ok(Self { nest, lines, values: computed.kept, stores, reduces, kept, combined })
    }

    fn write(&self, text: &mut String) {
        if let Kept::Memory(_) = self.kept {
            for (pointer, dtype, reduce) in &self.reduces {
                let count = reduce.sizes[0] * reduce.sizes[2];
                clear(text, 1, pointer, count, &nothing(reduce.reduction, *dtype));
            }
        }
        self.level(text, 0, 1);
    }

    /// Writes what is within the loops before a level.
    fn level(&self, text: &mut String, level: usize, depth: usize) {
        let indent = "    ".repeat(depth);
        for line in self.lines.iter().filter(|line| line.level == level) {
            let _ = writeln!(text, "{indent}{}", line.text);
        }
        let begins = self.kept == Kept::Variables(level);
        if begins {
            for (index, (_, dtype, reduce)) in self.reduces.iter().enumerate() {
                let first = nothing(reduce.reduction, *dtype);
                let _ = writeln!(text, "{indent}{} r{index} = {first};", c_type(*dtype));
            }
        }
        match self.nest.sizes.get(level) {
            None => self.innermost(text, &indent),
            Some(&size) => self.loop_of(text, level, size, depth),
        }
        if begins {
            for (index, (pointer, _, reduce)) in self.reduces.iter().enumerate() {
                let layout = result_layout(reduce);
                let place = self.nest.index(&layout);
                let _ = writeln!(text, "{indent}{pointer}[{place}] = r{index};");
            }
        }
    }

    fn loop_of(&self, text: &mut String, level: usize, size: usize, depth: usize) {
        let indent = "    ".repeat(depth);
        let counter = Nest::counter(level);
        if !self.is_cut(level, size) {
            let _ = writeln!(
                text,
                "{indent}for (long {counter} = 0; {counter} < {size}; {counter}++) {{"
            );
            self.level(text, level + 1, depth + 1);
            let _ = writeln!(text, "{indent}}}");
            return;
        }
        let (mut first, mut end) = (format!("{counter}0"), format!("{counter}1"));
        let part = part(size);
        if part < size {
            let _ = writeln!(
                text,
                "{indent}for (long {first} = 0; {first} < {size}; {first} += {part}) {{\n\
                 {indent}    const long {end} = \
                 {first} + {part} < {size} ? {first} + {part} : {size};"
            );
        } else {
            let _ = writeln!(text, "{indent}{{");
            (first, end) = ("0".to_string(), size.to_string());
        }
        for (index, (_, dtype, reduce)) in self.reduces.iter().enumerate() {
            let array = match self.kept {
                Kept::Memory(_) => format!("[{}] = {{0}}", reduce.sizes[2]),
                Kept::Variables(_) => " = 0".to_string(),
            };
            let _ = writeln!(text, "{indent}    {} s{index}{array};", c_type(*dtype));
        }
        let _ = writeln!(
            text,
            "{indent}    for (long {counter} = {first}; {counter} < {end}; {counter}++) {{"
        );
        self.level(text, level + 1, depth + 2);
        let _ = writeln!(text, "{indent}    }}");
        for (index, (pointer, _, reduce)) in self.reduces.iter().enumerate() {
            if let Kept::Variables(_) = self.kept {
                let _ = writeln!(text, "{indent}    r{index} += s{index};");
                continue;
            }
            let before = self.before(level);
            let [_, _, behind] = reduce.sizes;
            let place =
                if before == "0" { "z".to_string() } else { format!("{behind} * ({before}) + z") };
            let _ = writeln!(
                text,
                "{indent}    for (long z = 0; z < {behind}; z++) {{\n\
                 {indent}        {pointer}[{place}] += s{index}[z];\n{indent}    }}"
            );
        }
        let _ = writeln!(text, "{indent}}}");
    }

    /// The number of what is kept before the reduced axis, outside of the loop of a level.
    fn before(&self, level: usize) -> String {
        if level == 0 { "0".to_string() } else { self.nest.flat(0, level) }
    }

    /// Whether the loop of a level goes part by part.
    fn is_cut(&self, level: usize, size: usize) -> bool {
        let sums = |(_, dtype, reduce): &(String, DType, &Reduce)| {
            reduce.reduction == Reduction::Sum && dtype.is_float()
        };
        match self.kept {
            _ if self.reduces.is_empty() || !self.reduces.iter().all(sums) => false,
            Kept::Variables(first) => {
                let terms = self.nest.sizes[first..].iter().product::<usize>();
                terms > LONGEST_SUM && level >= first && level + 1 == self.nest.sizes.len()
            }
            Kept::Memory(cut) => size > LONGEST_SUM && cut == Some(level),
        }
    }

    fn innermost(&self, text: &mut String, indent: &str) {
        for (pointer, value) in &self.stores {
            let (place, value) = (self.nest.whole(), &self.values[*value]);
            let _ = writeln!(text, "{indent}{pointer}[{place}] = {value};");
        }
        let cut = self.nest.sizes.iter().enumerate().any(|(level, &size)| self.is_cut(level, size));
        for (index, (pointer, _, reduce)) in self.reduces.iter().enumerate() {
            let target = match (&self.kept, cut) {
                (Kept::Variables(_), false) => format!("r{index}"),
                (Kept::Variables(_), true) => format!("s{index}"),
                (Kept::Memory(_), true) => {
                    let [before, size, behind] = reduce.sizes;
                    let outer = Axis { size: before * size, stride: 0 };
                    let layout = Layout::new(0, [outer, Axis { size: behind, stride: 1 }]);
                    format!("s{index}[{}]", self.nest.index(&layout))
                }
                (Kept::Memory(_), false) => {
                    format!("{pointer}[{}]", self.nest.index(&result_layout(reduce)))
                }
            };
            let value = &self.values[reduce.value];
            let line = self.combined[index].statement(&target, value);
            let _ = writeln!(text, "{indent}{line}");
        }
    }
}

/// How the results of a loop's reductions are kept.
fn kept(body: &FusedLoop, nest: &Nest) -> Kept {
    let Some(sizes) = body.reduces.first().map(|reduce| reduce.sizes) else {
        return Kept::Memory(None);
    };
    let alike = body.reduces.iter().all(|reduce| reduce.sizes == sizes);
    let [before, size, behind] = sizes;
    if alike && behind == 1 {
        // The levels outside of the reduced axis.
        let outer = nest.strides.iter().filter(|&&stride| stride >= size).count();
        let fits = nest.sizes[..outer].iter().product::<usize>() == before;
        if fits {
            return Kept::Variables(outer);
        }
    }
    let cut = nest.strides.iter().position(|&stride| stride == behind);
    let whole = |&level: &usize| {
        nest.sizes[..level].iter().product::<usize>() == before && nest.sizes[level] == size
    };
    Kept::Memory(cut.filter(whole).filter(|_| alike && behind <= MOST_PARTS))
}

/// The terms of a part of a sum.
fn part(size: usize) -> usize {
    let root = (size as f64).sqrt() as usize;
    PART.max(root.next_multiple_of(16))
}

/// Where the results of a reduction lie, by the elements of the loop.
fn result_layout(reduce: &Reduce) -> Layout {
    let [before, size, behind] = reduce.sizes;
    let axes = [(before, behind as isize), (size, 0), (behind, 1)];
    let axes = axes.into_iter().filter(|&(size, _)| size != 1);
    Layout { offset: 0, axes: axes.map(|(size, stride)| Axis { size, stride }).collect() }
}

/// What a reduction of nothing is.
fn nothing(reduction: Reduction, dtype: DType) -> String {
    let (least, greatest) = match dtype {
        DType::F32 => (float(f32::NEG_INFINITY), float(f32::INFINITY)),
        DType::F64 => (double(f64::NEG_INFINITY), double(f64::INFINITY)),
        DType::I32 => (integer(i32::MIN), integer(i32::MAX)),
        _ => ("0".to_string(), "1".to_string()),
    };
    match reduction {
        Reduction::Sum => "0".to_string(),
        Reduction::Product => "1".to_string(),
        Reduction::Max => least,
        Reduction::Min => greatest,
    }
}

/// How two elements are combined.
enum Combination {
    /// By an operator.
    Operator(char),
    /// By a function.
    Function(String),
    /// By an operator on integers that wraps around.
    Wrapping(char),
    /// By choosing the one that a comparison holds for.
    Choice(char),
}

impl Combination {
    fn new(reduction: Reduction, dtype: DType, helpers: &mut Helpers) -> Result<Self> {
        let name = match (reduction, dtype) {
            (Reduction::Sum, DType::I32) => return Ok(Self::Wrapping('+')),
            (Reduction::Product, DType::I32) => return Ok(Self::Wrapping('*')),
            (Reduction::Max, DType::I32) => return Ok(Self::Choice('>')),
            (Reduction::Min, DType::I32) => return Ok(Self::Choice('<')),
            (Reduction::Sum, DType::F32 | DType::F64) => return Ok(Self::Operator('+')),
            (Reduction::Product, DType::F32 | DType::F64) => return Ok(Self::Operator('*')),
            (Reduction::Max, DType::F32 | DType::F64) => "maximum",
            (Reduction::Min, DType::F32 | DType::F64) => "minimum",
            (Reduction::Sum | Reduction::Max, _) => return Ok(Self::Operator('|')),
            (Reduction::Product | Reduction::Min, _) => return Ok(Self::Operator('&')),
        };
        helpers.name(name, dtype).map(Self::Function).ok_or_else(|| cannot("this reduction"))
    }

    /// The statement that takes a value into what is kept.
    fn statement(&self, kept: &str, value: &str) -> String {
        match self {
            Self::Operator(symbol) => format!("{kept} {symbol}= {value};"),
            Self::Function(name) => format!("{kept} = {name}({kept}, {value});"),
            Self::Wrapping(symbol) => {
                format!("{kept} = (int32_t)((uint32_t){kept} {symbol} (uint32_t){value});")
            }
            Self::Choice(symbol) => {
                format!("{kept} = {kept} {symbol} {value} ? {kept} : {value};")
            }
        }
    }
}
