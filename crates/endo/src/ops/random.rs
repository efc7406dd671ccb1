//! Random numbers as operations: pure functions of (seed, step, place, index), so they depend neither on threads nor on what
//! else a step computes.
//!
//! In: a counter tensor `i32[2]` of seed and step, and the place in the trace. Out: uniform numbers; the other distributions
//! are compositions of those.

use std::f64::consts::SQRT_2;
use std::panic::Location;
use std::sync::Arc;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind};
use crate::graph::{Form, Kernel, KernelReader, Op, Operand, OperandMut, Tensor, Values, ValuesMut};
use crate::random::philox;
use crate::shape::Shape;

/// Uniform numbers strictly between 0 and 1.
#[derive(Debug)]
struct Uniform {
    place: u32,
}

/// Where random numbers come from: a counter that a variable keeps from run to run, and a place that no other draw of the
/// trace has.
///
/// ```
/// # use endo::prelude::*;
/// let mut draw = Function::new(|[], cx| {
///     let random = cx.random();
///     [random.bernoulli([1000], 0.25).cast(DType::F32).mean()]
/// });
/// assert!((draw.run([])?[0].item()? - 0.25).abs() < 0.06); // four standard errors
/// # Ok::<(), endo::Error>(())
/// ```
pub struct RandomState {
    counter: Tensor,
    place: u32,
}

impl RandomState {
    /// Draws at a place, with the seed and step of a counter `i32[2]`.
    ///
    /// # Errors
    /// The trace's: if the counter is of another type or shape.
    #[track_caller]
    pub fn new(counter: Tensor, place: u32) -> Self {
        if counter.dtype() == DType::I32 && *counter.shape().sizes() == [2] {
            return Self { counter, place };
        }
        let message =
            format!("random numbers follow a counter i32[2] of seed and step, got {}{}", counter.dtype(), counter.shape());
        let error =
            Error::new(ErrorKind::Shape, message).help("read it from a variable of two whole numbers, or use `cx.random()`");
        Self { counter: counter.trace().fail(error.at(Location::caller()), [2].into(), DType::I32), place }
    }

    /// The same steps and place with a seed of one's own.
    #[must_use]
    #[track_caller]
    pub fn seed(mut self, seed: u64) -> Self {
        let site = Location::caller();
        let folded = Array::from([(seed ^ seed >> 32) as u32 as i32]);
        let seed = self.counter.trace().constant(folded, site);
        self.counter = Tensor::concatenate(&[seed, self.counter.slice(0, 1..)], 0);
        self
    }

    /// Uniform between `low` and `high`.
    #[track_caller]
    pub fn uniform(&self, shape: impl Into<Shape>, low: f64, high: f64) -> Tensor {
        let uniform = self.unit(shape.into(), DType::F32);
        if (low, high) == (0.0, 1.0) { uniform } else { uniform * (high - low) + low }
    }

    /// Normal with a mean and a standard deviation.
    #[track_caller]
    pub fn normal(&self, shape: impl Into<Shape>, mean: f64, deviation: f64) -> Tensor {
        let normal = (self.unit(shape.into(), DType::F32) * 2.0 - 1.0).erfinv();
        normal * (SQRT_2 * deviation) + mean
    }

    /// Normal, cut off (and drawn again) beyond two standard deviations of the normal before cutting.
    #[track_caller]
    pub fn truncated_normal(&self, shape: impl Into<Shape>, mean: f64, deviation: f64) -> Tensor {
        // erf(2 / sqrt(2)): the share of a normal within two standard deviations.
        const SHARE: f64 = 0.954_499_736_103_641_6;
        let normal = (self.unit(shape.into(), DType::F32) * (2.0 * SHARE) - SHARE).erfinv();
        normal * (SQRT_2 * deviation) + mean
    }

    /// True with a probability.
    #[track_caller]
    pub fn bernoulli(&self, shape: impl Into<Shape>, probability: f64) -> Tensor {
        self.unit(shape.into(), DType::F32).less(probability)
    }

    /// The numbers `0..n` in random order, as `i32`.
    #[track_caller]
    pub fn permutation(&self, n: usize) -> Tensor {
        self.unit([n].into(), DType::F64).argsort(0, false)
    }

    #[track_caller]
    fn unit(&self, shape: Shape, dtype: DType) -> Tensor {
        let op = Op::Kernel(Arc::new(Uniform { place: self.place }));
        self.counter.push(op, &[&self.counter], shape, dtype, Location::caller())
    }
}

impl Kernel for Uniform {
    fn name(&self) -> &'static str {
        "random_uniform"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        let Values::I32(&[seed, step]) = inputs[0].values else { unreachable!("the counter is i32[2]") };
        let draw = |block: usize| philox([seed as u32, self.place], [block as u32, (block >> 32) as u32, step as u32, 0]);
        match output.values {
            ValuesMut::F32(values) => {
                for (block, four) in values.chunks_mut(4).enumerate() {
                    // The middle of one of 2^23 intervals: neither 0 nor 1, so that logarithms and erfinv stay finite.
                    four.iter_mut()
                        .zip(draw(block))
                        .for_each(|(x, bits)| *x = ((bits >> 9) as f32 + 0.5) * (1.0 / (1 << 23) as f32));
                }
            }
            ValuesMut::F64(values) => {
                for (block, two) in values.chunks_mut(2).enumerate() {
                    let [a, b, c, d] = draw(block).map(u64::from);
                    let words = [a << 32 | b, c << 32 | d];
                    two.iter_mut()
                        .zip(words)
                        .for_each(|(x, bits)| *x = ((bits >> 12) as f64 + 0.5) * (1.0 / (1_u64 << 52) as f64));
                }
            }
            ValuesMut::I32(_) | ValuesMut::Bool(_) => unreachable!("uniform numbers are floats"),
        }
    }

    fn gradient(&self, _: &[Tensor], _: &Tensor, _: &Tensor) -> Vec<Option<Tensor>> {
        vec![None]
    }

    fn attributes(&self) -> Vec<i64> {
        vec![self.place.into()]
    }

    fn fits(&self, inputs: &[Form<'_>], (_, dtype): Form<'_>) -> bool {
        let &[(counter, DType::I32)] = inputs else { return false };
        counter.sizes() == [2] && dtype.is_float()
    }
}

/// The kernels of this file in saved graphs.
pub(super) static READERS: &[KernelReader] = &[KernelReader {
    name: "random_uniform",
    read: |attributes| {
        let &[place] = attributes else { return None };
        Some(Arc::new(Uniform { place: place.try_into().ok()? }))
    },
}];
