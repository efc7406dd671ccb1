//! What a loop computes for each element, as C expressions.
//!
//! In: the instructions of a loop, whose formulas run on [`Expression`], and the values that it
//! loads. Out: the lines that declare its values, and the text of each that is kept. What is used
//! once stands where it is used, unless that would be computed too often or make too long a line.

use endo::plan::{FusedLoop, LoopFunction};
use endo::simd::{Expression, ExpressionNode, Expressions, Symbol};
use endo::{DType, Result};

use super::file_functions::Helpers;
use super::text::{c_type, number};
use super::unit::cannot;

/// Expressions of more letters than this have a line of their own.
const LONGEST: usize = 56;

/// A value that a loop reads, or one that it computes.
#[derive(Clone)]
pub struct Value {
    /// Its name, or what it is.
    pub text: String,
    /// Its type.
    pub dtype: DType,
    /// The number of loops around what it depends on.
    pub level: usize,
}

/// A line that declares a value within a number of loops.
pub struct Line {
    /// The number of loops around it.
    pub level: usize,
    /// The declaration.
    pub text: String,
}

/// What a loop computes: declarations in order, and the text of each value that is kept.
pub struct Computation {
    /// Which loads are read.
    pub loads: Vec<bool>,
    /// The declarations.
    pub lines: Vec<Line>,
    /// By the number of the value in the loop; empty for those that are not kept.
    pub kept: Vec<String>,
}

/// The type to convert from and to, and the node that is converted.
struct Conversion {
    node: u32,
    from: DType,
    to: DType,
}

/// What a loop computes of these loads.
///
/// # Errors
/// If an instruction is none that can be written in C.
pub fn computation(
    body: &FusedLoop,
    loads: &[Value],
    helpers: &mut Helpers,
) -> Result<Computation> {
    let all = Expressions::default();
    let mut values: Vec<Expression<'_>> = (0..loads.len()).map(|index| all.value(index)).collect();
    let mut dtypes: Vec<DType> = loads.iter().map(|load| load.dtype).collect();
    let mut conversions: Vec<Conversion> = Vec::new();
    for instruction in &body.instructions {
        let inputs: Vec<Expression<'_>> =
            instruction.inputs.iter().map(|&input| values[input]).collect();
        values.push(match instruction.function {
            LoopFunction::Elementwise(operation) => (operation.formula)(&inputs, instruction.from),
            LoopFunction::Cast => {
                let (node, from, to) = (inputs[0].number(&all), instruction.from, instruction.to);
                conversions.push(Conversion { node, from, to });
                all.value(loads.len() + conversions.len() - 1)
            }
            LoopFunction::Combined(_) => return Err(cannot("several operations as one")),
            LoopFunction::Expand | LoopFunction::Halve => return Err(cannot("halves of numbers")),
        });
        dtypes.push(instruction.to);
    }
    let kept: Vec<(usize, u32)> =
        body.kept().map(|value| (value, values[value].number(&all))).collect();
    let nodes = all.nodes();
    let mut walk = Walk::new(&nodes, loads, &conversions, helpers);
    for &(value, node) in &kept {
        walk.uses[node as usize] += 1;
        walk.dtypes[node as usize].get_or_insert(dtypes[value]);
    }
    // What is combined with others is named: a statement may say it twice.
    for reduce in &body.reduces {
        walk.uses[values[reduce.value].number(&all) as usize] += 1;
    }
    walk.count();
    walk.write()?;
    let mut texts = vec![String::new(); values.len()];
    for (value, node) in kept {
        texts[value] = walk.operand(node, dtypes[value]).0;
    }
    Ok(Computation { loads: walk.loaded, lines: walk.lines, kept: texts })
}

/// A walk through the nodes of a loop.
struct Walk<'a> {
    nodes: &'a [ExpressionNode],
    loads: &'a [Value],
    conversions: &'a [Conversion],
    helpers: &'a mut Helpers,
    uses: Vec<usize>,
    /// The deepest use of each node.
    used_at: Vec<usize>,
    levels: Vec<usize>,
    /// The type of each node; constants have that of what they are used with.
    dtypes: Vec<Option<DType>>,
    /// The text of each node, and whether it can stand in another expression as it is.
    texts: Vec<(String, bool)>,
    loaded: Vec<bool>,
    lines: Vec<Line>,
}

impl<'a> Walk<'a> {
    fn new(
        nodes: &'a [ExpressionNode],
        loads: &'a [Value],
        conversions: &'a [Conversion],
        helpers: &'a mut Helpers,
    ) -> Self {
        let mut walk = Self {
            nodes,
            loads,
            conversions,
            helpers,
            uses: vec![0; nodes.len()],
            used_at: vec![0; nodes.len()],
            levels: Vec::new(),
            dtypes: Vec::new(),
            texts: vec![(String::new(), true); nodes.len()],
            loaded: vec![false; loads.len()],
            lines: Vec::new(),
        };
        for node in nodes {
            let (level, dtype) = walk.level_and_type(node);
            walk.levels.push(level);
            walk.dtypes.push(dtype);
        }
        walk
    }

    /// The conversion that a value is, if it is none of the loads.
    fn conversion(&self, value: u32) -> Option<&'a Conversion> {
        self.conversions.get((value as usize).checked_sub(self.loads.len())?)
    }

    fn level_and_type(&self, node: &ExpressionNode) -> (usize, Option<DType>) {
        let operands = node.operands();
        let level = operands.iter().map(|&operand| self.levels[operand as usize]).max();
        let first = |from: usize| {
            operands[from..].iter().find_map(|&operand| self.dtypes[operand as usize])
        };
        match node.symbol {
            Symbol::Value(value) => match self.conversion(value) {
                Some(cast) => (self.levels[cast.node as usize], Some(cast.to)),
                None => {
                    let load = &self.loads[value as usize];
                    (load.level, Some(load.dtype))
                }
            },
            Symbol::Constant(_) => (0, None),
            Symbol::Select => (level.unwrap_or(0), first(1)),
            symbol if is_truth(symbol) => (level.unwrap_or(0), Some(DType::Bool)),
            _ => (level.unwrap_or(0), first(0)),
        }
    }

    /// What a node reads: its operands, or what it converts.
    fn reads(&self, node: &ExpressionNode) -> Vec<u32> {
        match node.symbol {
            Symbol::Value(value) => {
                self.conversion(value).map(|cast| cast.node).into_iter().collect()
            }
            _ => node.operands().to_vec(),
        }
    }

    /// Counts how often each node is used by those that are.
    fn count(&mut self) {
        for (index, node) in self.nodes.iter().enumerate().rev() {
            if self.uses[index] == 0 {
                continue;
            }
            for read in self.reads(node) {
                self.uses[read as usize] += 1;
                let deepest = &mut self.used_at[read as usize];
                *deepest = (*deepest).max(self.levels[index]);
            }
        }
    }

    /// Writes all nodes that are used.
    fn write(&mut self) -> Result<()> {
        for index in 0..self.nodes.len() {
            if self.uses[index] == 0 {
                continue;
            }
            let node = self.nodes[index];
            if let Symbol::Value(value) = node.symbol
                && self.conversion(value).is_none()
            {
                self.loaded[value as usize] = true;
                self.texts[index] = (self.loads[value as usize].text.clone(), true);
                continue;
            }
            if let Symbol::Constant(_) = node.symbol {
                continue; // written where it is used, by the type that it has there
            }
            let dtype = self.dtypes[index].unwrap_or(DType::F32);
            let (text, whole) = self.expression(&node, dtype)?;
            let often = self.uses[index] > 1 || self.used_at[index] > self.levels[index];
            if often || text.len() > LONGEST {
                let name = format!("t{}", self.lines.len());
                let text = format!("const {} {name} = {text};", c_type(dtype));
                self.lines.push(Line { level: self.levels[index], text });
                self.texts[index] = (name, true);
            } else {
                self.texts[index] = (text, whole);
            }
        }
        Ok(())
    }

    /// The text of a node as an operand of a type, and whether it needs no parentheses.
    fn operand(&self, node: u32, dtype: DType) -> (String, bool) {
        match self.nodes[node as usize].symbol {
            Symbol::Constant(bits) => {
                let text = number(dtype, f64::from_bits(bits));
                let whole = !text.starts_with('-');
                (text, whole)
            }
            _ => self.texts[node as usize].clone(),
        }
    }

    /// The same with parentheses where they are needed.
    fn inner(&self, node: u32, dtype: DType) -> String {
        let (text, whole) = self.operand(node, dtype);
        if whole { text } else { format!("({text})") }
    }

    /// The text of what a node computes, and whether it needs no parentheses in others.
    fn expression(&mut self, node: &ExpressionNode, dtype: DType) -> Result<(String, bool)> {
        if let Symbol::Value(value) = node.symbol {
            let cast = self.conversion(value).ok_or_else(|| cannot("this value"))?;
            return self.conversion_text(cast);
        }
        // Comparisons are of the type of what they compare.
        let of = if is_comparison(node.symbol) {
            let known = |&operand: &u32| self.dtypes[operand as usize];
            node.operands().iter().find_map(known).unwrap_or(DType::F32)
        } else {
            dtype
        };
        let operands = node.operands();
        if node.symbol == Symbol::Select {
            let condition = self.inner(operands[0], DType::Bool);
            let [yes, no] = [operands[1], operands[2]].map(|operand| self.inner(operand, of));
            return Ok((format!("{condition} ? {yes} : {no}"), false));
        }
        let x: Vec<String> = operands.iter().map(|&operand| self.inner(operand, of)).collect();
        if let Some(text) = operation(node.symbol, of, &x) {
            return Ok((text, false));
        }
        // Arguments of functions need no parentheses.
        let bare: Vec<String> =
            operands.iter().map(|&operand| self.operand(operand, of).0).collect();
        let text = match library(node.symbol).filter(|_| of.is_float()) {
            Some(function) => {
                let letter = if of == DType::F32 { "f" } else { "" };
                Some(format!("{function}{letter}({})", bare.join(", ")))
            }
            None => helper(node.symbol).and_then(|name| self.helpers.call(name, of, &bare)),
        };
        let text = text.ok_or_else(|| cannot(&format!("`{:?}` of {of}", node.symbol)))?;
        Ok((text, true))
    }

    fn conversion_text(&mut self, cast: &Conversion) -> Result<(String, bool)> {
        let x = self.inner(cast.node, cast.from);
        Ok(match (cast.from, cast.to) {
            (_, DType::Bool) => (format!("{x} != 0"), false),
            (DType::F32 | DType::F64, DType::I32) => {
                let text = self.helpers.call("truncate", cast.from, &[x]);
                (text.ok_or_else(|| cannot("this conversion"))?, true)
            }
            (from, to) if from == to => (x, true),
            (_, to) => (format!("({}){x}", c_type(to)), false),
        })
    }
}

fn is_comparison(symbol: Symbol) -> bool {
    use Symbol::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    matches!(symbol, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
}

fn is_truth(symbol: Symbol) -> bool {
    is_comparison(symbol) || matches!(symbol, Symbol::And | Symbol::Or | Symbol::Xor | Symbol::Not)
}

/// What operators compute.
fn operation(symbol: Symbol, dtype: DType, x: &[String]) -> Option<String> {
    let infix = |operator: &str| Some(format!("{} {operator} {}", x[0], x[1]));
    let wrapping = |operator: &str| {
        Some(format!("(int32_t)((uint32_t){} {operator} (uint32_t){})", x[0], x[1]))
    };
    let a = &x[0];
    match (symbol, dtype) {
        (Symbol::Equal, _) => infix("=="),
        (Symbol::NotEqual, _) => infix("!="),
        (Symbol::Less, _) => infix("<"),
        (Symbol::LessEqual, _) => infix("<="),
        (Symbol::Greater, _) => infix(">"),
        (Symbol::GreaterEqual, _) => infix(">="),
        (Symbol::And, _) => infix("&&"),
        (Symbol::Or, _) => infix("||"),
        (Symbol::Xor, _) => infix("!="),
        (Symbol::Not, _) => Some(format!("!{a}")),
        (Symbol::Add, DType::I32) => wrapping("+"),
        (Symbol::Subtract, DType::I32) => wrapping("-"),
        (Symbol::Multiply, DType::I32) => wrapping("*"),
        (Symbol::Negative, DType::I32) => Some(format!("(int32_t)(0u - (uint32_t){a})")),
        (Symbol::Abs, DType::I32) => Some(format!("{a} < 0 ? (int32_t)(0u - (uint32_t){a}) : {a}")),
        (Symbol::Sign, DType::I32) => Some(format!("({a} > 0) - ({a} < 0)")),
        (Symbol::Maximum, DType::I32) => Some(format!("{a} > {} ? {a} : {}", x[1], x[1])),
        (Symbol::Minimum, DType::I32) => Some(format!("{a} < {} ? {a} : {}", x[1], x[1])),
        (_, DType::I32) => None,
        (Symbol::Add, _) => infix("+"),
        (Symbol::Subtract, _) => infix("-"),
        (Symbol::Multiply, _) => infix("*"),
        (Symbol::Divide, _) => infix("/"),
        (Symbol::Negative, _) => Some(format!("-{a}")),
        _ => None,
    }
}

/// The functions of `math.h`.
fn library(symbol: Symbol) -> Option<&'static str> {
    Some(match symbol {
        Symbol::Power => "pow",
        Symbol::CopySign => "copysign",
        Symbol::Abs => "fabs",
        Symbol::Floor => "floor",
        Symbol::Ceil => "ceil",
        Symbol::Round => "rint",
        Symbol::Sqrt => "sqrt",
        Symbol::Exp => "exp",
        Symbol::Expm1 => "expm1",
        Symbol::Log => "log",
        Symbol::Log1p => "log1p",
        Symbol::Sin => "sin",
        Symbol::Cos => "cos",
        Symbol::Tanh => "tanh",
        Symbol::Erf => "erf",
        _ => return None,
    })
}

/// The functions that the file has itself.
fn helper(symbol: Symbol) -> Option<&'static str> {
    Some(match symbol {
        Symbol::Maximum => "maximum",
        Symbol::Minimum => "minimum",
        Symbol::Sign => "sign",
        Symbol::RoundToBf16 => "round_to_bf16",
        Symbol::Divide => "divide",
        Symbol::Power => "power",
        _ => return None,
    })
}
