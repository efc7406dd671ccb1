//! The types whose values are the concrete operations: what a form of [`Op`](super::Op) needs to be
//! run and differentiated.
//!
//! In: static tables and kernels from `ops/`. Out: to plans and runners, loops and code; to
//! gradients, rules.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::array::Array;
use crate::dtype::{DType, Element};
use crate::error::Result;
use crate::shape::Shape;
use crate::simd::{Expression, Expressions, Loops, Symbol};

use super::{Tensor, Windowing};

/// Gradients for each input, given the inputs, the output and the gradient of the loss with respect
/// to the output.
pub type GradientRule =
    fn(inputs: &[Tensor], output: &Tensor, gradient: &Tensor) -> Vec<Option<Tensor>>;

/// What an elementwise function says of its inputs, given the type of the last one.
pub type Formula = for<'a> fn(inputs: &[Expression<'a>], dtype: DType) -> Expression<'a>;

/// A function of one element of each input: its formula, its loops for every element type it takes,
/// and its gradient.
pub struct Elementwise {
    /// What displays call it; the method of `Tensor` has the same name.
    pub name: &'static str,
    /// The number of inputs.
    pub arity: usize,
    /// The element type of the result.
    pub output: Output,
    /// What it computes, for inputs of the type of the last one.
    pub formula: Formula,
    /// Loops for inputs of `f32`, `f64`, `i32` and `bool`, by the type of the last input.
    pub loops: [Option<Loops>; 4],
    /// The gradient rule; `None` when the function is constant between jumps or not about floats.
    pub gradient: Option<GradientRule>,
    /// The interval of inputs on which tests compare gradients with finite differences.
    pub domain: [f64; 2],
}

/// The element type of an elementwise result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// That of the last input.
    Same,
    /// Truth values.
    Bool,
}

impl Elementwise {
    /// The loops for a type of the last input.
    pub fn loops_for(&self, dtype: DType) -> Option<Loops> {
        self.loops[DType::ALL.iter().position(|&known| known == dtype)?]
    }

    /// Whether it is the sum of its two operands.
    pub fn is_sum(&self) -> bool {
        let all = Expressions::default();
        let operands = [0, 1].map(|number| all.value(number));
        self.arity == 2 && (self.formula)(&operands, DType::F32).symbol() == Symbol::Add
    }

    /// Whether it rounds its operand to a bfloat16.
    pub fn rounds_to_bf16(&self) -> bool {
        let all = Expressions::default();
        self.arity == 1
            && (self.formula)(&[all.value(0)], DType::F32).symbol() == Symbol::RoundToBf16
    }

    /// The element type of the result for a type of the last input.
    pub fn output_dtype(&self, dtype: DType) -> DType {
        match self.output {
            Output::Same => dtype,
            Output::Bool => DType::Bool,
        }
    }
}

impl fmt::Debug for Elementwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Elementwise {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// The same numbers looked at in another way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum View {
    /// The same row-major sequence in the node's shape.
    Reshape,
    /// Axis `i` of the result is axis `permutation[i]` of the input.
    Transpose(Vec<usize>),
    /// Axes of size 1 repeated to the node's shape; the ranks are equal.
    Broadcast,
    /// For every axis the first position and the step, which may be negative.
    Slice(Vec<(usize, isize)>),
}

/// Which operands of a matrix product have their last two axes swapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transposed {
    /// Whether the left operand is transposed.
    pub left: bool,
    /// Whether the right operand is transposed.
    pub right: bool,
}

impl Transposed {
    /// Both operands as they are.
    pub const NEITHER: Self = Self { left: false, right: false };
    /// The left operand alone.
    pub const LEFT: Self = Self { left: true, right: false };
    /// The right operand alone.
    pub const RIGHT: Self = Self { left: false, right: true };
}

/// A gradient that replaces that of the operations behind a value (`stop_gradient`, custom
/// gradients).
pub struct Rule {
    /// What displays call it.
    pub name: &'static str,
    /// The gradients of the node's inputs after the first, given the gradient of the node; the
    /// first gets none.
    #[allow(clippy::type_complexity)]
    pub gradient: Box<dyn Fn(&Tensor) -> Vec<Option<Tensor>>>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// An operation with code of its own, on whole contiguous arrays.
///
/// Kernels of the same name and attributes are taken for equal, and computed once.
pub trait Kernel: fmt::Debug + Send + Sync + Any {
    /// What displays call it.
    fn name(&self) -> &'static str;

    /// Computes the output, every element of it unless it [changes](Self::changes_first) what is
    /// there. Must not allocate.
    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>);

    /// The gradients of the inputs; `None` where there is none, as for all unless overridden.
    fn gradient(
        &self,
        inputs: &[Tensor],
        output: &Tensor,
        gradient: &Tensor,
    ) -> Vec<Option<Tensor>> {
        let _ = (output, gradient);
        vec![None; inputs.len()]
    }

    /// All that its result depends on besides its name and inputs, as whole numbers: an axis, a
    /// flag, sizes. A saved graph holds them, and the [`KernelReader`] of the name, which stands in
    /// the same file, makes the operation of them again.
    fn attributes(&self) -> Vec<i64>;

    /// What it does besides computing, if it is an effect; then this is run in place of
    /// [`run`](Self::run).
    fn effect(&self) -> Option<&dyn Effect> {
        None
    }

    /// Whether the output is the first input but for some elements, which are all that
    /// [`run`](Self::run) writes: it is given the other inputs, and an output that holds the first.
    /// Runners need not copy what a variable holds, to write it there.
    fn changes_first(&self) -> bool {
        false
    }

    /// Whether each sample of the output, an element of its first axis, is made of that sample of
    /// every input alone, or of the whole of an input that has one for all: runners may share
    /// samples among threads.
    fn by_samples(&self) -> bool {
        false
    }

    /// What it does with windows, if it takes or adds them: runners can do that a part at a time.
    fn windowing(&self) -> Option<Windowing<'_>> {
        None
    }

    /// What is wrong with its inputs where it has made a number that is not finite of them, if it
    /// can tell.
    fn complaint(&self, inputs: &[&Array]) -> Option<String> {
        let _ = inputs;
        None
    }

    /// Whether it can run on inputs of these shapes and types to an output of this one: what the
    /// method of `Tensor` that makes the operation sees to in a trace, asked of a graph that a file
    /// says. Running it may trust that.
    fn fits(&self, inputs: &[Form<'_>], output: Form<'_>) -> bool;
}

/// What a run does besides computing: a sum over several machines, data that come from elsewhere.
///
/// Effects run once a run, in the order in which they were traced, each as a whole: none is left
/// out or done once for two. Variables are written after all of them, so that a run whose effect
/// fails changes none.
pub trait Effect {
    /// Does it, and computes the output, every element of it.
    ///
    /// # Errors
    /// What comes out of the run.
    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) -> Result<()>;
}

/// A flag among [`Kernel::attributes`]: 0 or 1.
pub(crate) fn flag(attribute: i64) -> Option<bool> {
    match attribute {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// The axes of a slice among [`Kernel::attributes`], each by its first position and step.
pub(crate) fn slice_parts(attributes: &[i64]) -> Option<Vec<(usize, isize)>> {
    let (pairs, []) = attributes.as_chunks::<2>() else { return None };
    let part = |&[first, step]: &[i64; 2]| Some((first.try_into().ok()?, step.try_into().ok()?));
    pairs.iter().map(part).collect()
}

/// The shape and type of an input or output.
pub type Form<'a> = (&'a Shape, DType);

/// Makes a [`Kernel`] of what a saved graph says of it. Each file in `ops/` with kernels lists its
/// readers; `ops::saved` finds them by name.
pub struct KernelReader {
    /// What [`Kernel::name`] says.
    pub name: &'static str,
    /// The kernel of these [`Kernel::attributes`]; `None` if they are not of the right number or
    /// make no sense.
    pub read: fn(attributes: &[i64]) -> Option<Arc<dyn Kernel>>,
}

impl KernelReader {
    /// The reader of the kernel with this name.
    pub const fn new(
        name: &'static str,
        read: fn(attributes: &[i64]) -> Option<Arc<dyn Kernel>>,
    ) -> Self {
        Self { name, read }
    }
}

/// An input of a [`Kernel`]: contiguous, row-major.
#[derive(Clone, Copy)]
pub struct Operand<'a> {
    /// The sizes of its axes.
    pub shape: &'a Shape,
    /// Its elements.
    pub values: Values<'a>,
}

/// The output of a [`Kernel`]: contiguous, row-major, with unspecified contents before the run,
/// unless the kernel [changes](Kernel::changes_first) its first input.
pub struct OperandMut<'a> {
    /// The sizes of its axes.
    pub shape: &'a Shape,
    /// Its elements.
    pub values: ValuesMut<'a>,
}

/// Elements to read, by type; truth values are bytes 0 and 1.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 64-bit floats.
    F64(&'a [f64]),
    /// 32-bit integers.
    I32(&'a [i32]),
    /// Truth values.
    Bool(&'a [u8]),
}

/// Elements to write, by type; truth values are bytes 0 and 1.
#[derive(Debug)]
pub enum ValuesMut<'a> {
    /// 32-bit floats.
    F32(&'a mut [f32]),
    /// 64-bit floats.
    F64(&'a mut [f64]),
    /// 32-bit integers.
    I32(&'a mut [i32]),
    /// Truth values; bytes, which no operation but a conversion is given.
    Bool(&'a mut [u8]),
}

impl<'a> Values<'a> {
    /// The elements of this type that lie in `bytes`.
    ///
    /// # Panics
    /// If the bytes are not aligned for the type or not a whole number of elements.
    pub fn from_bytes(dtype: DType, bytes: &'a [u8]) -> Self {
        match dtype {
            DType::F32 => Values::F32(bytemuck::cast_slice(bytes)),
            DType::F64 => Values::F64(bytemuck::cast_slice(bytes)),
            DType::I32 => Values::I32(bytemuck::cast_slice(bytes)),
            DType::Bool | DType::U8 => Values::Bool(bytes),
        }
    }

    /// The element at a position as `f64`.
    pub fn get(&self, index: usize) -> f64 {
        match self {
            Values::F32(values) => values[index].to_f64(),
            Values::F64(values) => values[index],
            Values::I32(values) => values[index].to_f64(),
            Values::Bool(values) => f64::from(values[index]),
        }
    }
}

impl<'a> ValuesMut<'a> {
    /// The elements of this type that lie in `bytes`.
    ///
    /// # Panics
    /// If the bytes are not aligned for the type or not a whole number of elements.
    pub fn from_bytes(dtype: DType, bytes: &'a mut [u8]) -> Self {
        match dtype {
            DType::F32 => ValuesMut::F32(bytemuck::cast_slice_mut(bytes)),
            DType::F64 => ValuesMut::F64(bytemuck::cast_slice_mut(bytes)),
            DType::I32 => ValuesMut::I32(bytemuck::cast_slice_mut(bytes)),
            DType::Bool | DType::U8 => ValuesMut::Bool(bytes),
        }
    }
}
