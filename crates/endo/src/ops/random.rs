//! Random numbers as operations: pure functions of (seed, step, place, index), so they depend
//! neither on threads nor on what else a step computes.
//!
//! In: a counter tensor, `i32[2]` of seed and step in training and `i32[5]` of seed and `Occasion`
//! outside, and the place in the trace. Out: uniform numbers; the other distributions are
//! compositions of those.

use std::f64::consts::SQRT_2;
use std::rc::Rc;
use std::sync::Arc;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::Error;
use crate::graph::{
    Form, Kernel, KernelReader, Occasion, Operand, OperandMut, Tensor, Values, ValuesMut,
};
use crate::random::philox;
use crate::shape::Shape;
use crate::site::Site;

use super::draws::DrawLog;

/// Uniform numbers strictly between 0 and 1.
#[derive(Debug)]
struct Uniform {
    place: u32,
    /// How many numbers belong to each row, where a run may be a part of the rows; 0 if all parts
    /// draw the same.
    per_row: u64,
}

/// The sizes of the counters of training steps, and of those of runs that are told of an occasion.
const COUNTERS: [usize; 2] = [2, 1 + Occasion::WORDS];

/// Where random numbers come from: a counter that is another one in each run, and a place that no
/// other draw of the trace has.
///
/// In training the numbers follow the seed, the step, the place and the sample's row in the batch.
/// In [`predict`](crate::model::Model::predict) they follow the seed, the number of the call, the
/// place and the row of the whole input, however it is cut into parts; in tests the seed, the
/// epochs trained so far, the place and the row. Of the rows are the numbers of a draw whose first
/// axis grows with the number of rows; any other is one for the whole call.
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
    /// What notes the draws outside training.
    log: Option<Rc<DrawLog>>,
}

impl RandomState {
    /// Draws at a place, with the seed and step of a counter `i32[2]`.
    ///
    /// # Errors
    /// The trace's: if the counter is of another type or shape.
    #[track_caller]
    pub fn new(counter: Tensor, place: u32) -> Self {
        if counter.dtype() == DType::I32 && *counter.shape().sizes() == [2] {
            return Self { counter, place, log: None };
        }
        let message = format!(
            "random numbers follow a counter i32[2] of seed and step, got {}{}",
            counter.dtype(),
            counter.shape()
        );
        let help = "read it from a variable of two whole numbers, or use `cx.random()`";
        let error = Error::shape(message, help);
        Self {
            counter: counter.trace().fail(error.at(Site::caller()), [2].into(), DType::I32),
            place,
            log: None,
        }
    }

    /// Draws at a place outside training, with the seed and occasion of a counter `i32[5]`.
    pub(crate) fn on_occasion(counter: Tensor, place: u32, log: Rc<DrawLog>) -> Self {
        Self { counter, place, log: Some(log) }
    }

    /// The same steps and place with a seed of its own.
    #[must_use]
    #[track_caller]
    pub fn seed(mut self, seed: u64) -> Self {
        let site = Site::caller();
        let seed = self.counter.trace().constant(Array::from([folded(seed)]), site);
        self.counter = Tensor::concatenate(&[seed, self.counter.slice(0, 1..)], 0);
        self
    }

    /// The same place at a step of a loop, whose position is `i32[]`.
    #[track_caller]
    pub(crate) fn at_step(mut self, position: &Tensor) -> Self {
        // Odd, and far from small multiples of themselves: 2^32 over the golden ratio, and a factor
        // by which a step within a step is none of the steps around it.
        const STRIDE: i32 = 0x9E37_79B9_u32 as i32;
        const MIX: i32 = 0x85EB_CA6B_u32 as i32;
        let site = Site::caller();
        let number = |number: i32| self.counter.trace().constant(Array::from([number]), site);
        let moved = (position.reshape([1]) + number(1)) * number(STRIDE);
        let seed = self.counter.slice(0, 0..1) * number(MIX) + moved;
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

    /// Normal, cut off (and drawn again) beyond two standard deviations of the normal before
    /// cutting.
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
        let per_row = self.log.as_ref().map_or(0, |log| log.note(self.place, &shape));
        let kernel = Uniform { place: self.place, per_row };
        self.counter.push(kernel, &[&self.counter], shape, dtype, Site::caller())
    }
}

/// A seed as one word of a counter.
pub(crate) fn folded(seed: u64) -> i32 {
    (seed ^ seed >> 32) as u32 as i32
}

/// Fills a slice with the numbers from `start` on of a sequence that is made in blocks.
fn fill<T: Copy, const N: usize>(values: &mut [T], start: u64, block: impl Fn(u64) -> [T; N]) {
    let (mut number, skipped) = (start / N as u64, (start % N as u64) as usize);
    let (head, rest) =
        values.split_at_mut(if skipped == 0 { 0 } else { (N - skipped).min(values.len()) });
    if !head.is_empty() {
        head.copy_from_slice(&block(number)[skipped..skipped + head.len()]);
        number += 1;
    }
    for part in rest.chunks_mut(N) {
        part.copy_from_slice(&block(number)[..part.len()]);
        number += 1;
    }
}

impl Kernel for Uniform {
    fn name(&self) -> &'static str {
        "random_uniform"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        let Values::I32(counter) = inputs[0].values else { unreachable!("the counter is of i32") };
        let counter = |index: usize| counter.get(index).map_or(0, |&word| word as u32);
        let [seed, number, upper] = [0, 1, 2].map(counter);
        // A file may say any row and any count, whose product is then too large.
        let start =
            (u64::from(counter(3)) | u64::from(counter(4)) << 32).wrapping_mul(self.per_row);
        let draw = |block: u64| {
            philox([seed, self.place], [block as u32, (block >> 32) as u32, number, upper])
        };
        match output.values {
            // The middle of one of 2^23 intervals: neither 0 nor 1, so that logarithms and erfinv
            // stay finite.
            ValuesMut::F32(values) => {
                fill(values, start, |block| {
                    draw(block).map(|bits| ((bits >> 9) as f32 + 0.5) * (1.0 / (1 << 23) as f32))
                });
            }
            ValuesMut::F64(values) => fill(values, start, |block| {
                let [a, b, c, d] = draw(block).map(u64::from);
                [a << 32 | b, c << 32 | d]
                    .map(|bits| ((bits >> 12) as f64 + 0.5) * (1.0 / (1_u64 << 52) as f64))
            }),
            ValuesMut::I32(_) | ValuesMut::Bool(_) => unreachable!("uniform numbers are floats"),
        }
    }

    fn attributes(&self) -> Vec<i64> {
        let place = i64::from(self.place);
        if self.per_row == 0 { vec![place] } else { vec![place, self.per_row as i64] }
    }

    fn fits(&self, inputs: &[Form<'_>], (_, dtype): Form<'_>) -> bool {
        let &[(counter, DType::I32)] = inputs else { return false };
        matches!(counter.sizes(), [size] if COUNTERS.contains(size)) && dtype.is_float()
    }
}

/// The kernels of this file in saved graphs.
pub(super) static READERS: &[KernelReader] = &[KernelReader::new("random_uniform", |attributes| {
    let (place, per_row) = match *attributes {
        [place] => (place, 0),
        [place, per_row] if per_row > 0 => (place, per_row as u64),
        _ => return None,
    };
    Some(Arc::new(Uniform { place: place.try_into().ok()?, per_row }))
})];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_entered_at_any_number() {
        let numbers = |start: u64, count: usize| {
            let mut values = vec![0; count];
            fill(&mut values, start, |block| [0, 1, 2, 3].map(|lane| 4 * block + lane));
            values
        };
        for start in 0..6 {
            for count in 0..10 {
                assert_eq!(
                    numbers(start, count),
                    (start..start + count as u64).collect::<Vec<_>>(),
                    "{start}, {count}"
                );
            }
        }
        assert_eq!(numbers(u64::MAX - 1, 1).len(), 1);
    }
}
