//! [`Tuning`]: what a runner adds to the plans that are made for it.

use crate::dtype::DType;
use crate::simd::Routine;

use super::Draft;

/// The passes of a runner, and how its memory is divided.
pub trait Tuning {
    /// Rewrites a draft, whose steps are in order and whose values have no places in the arena yet.
    /// `routines` are what optimizers say that they do to weights and slots.
    fn tune(&self, draft: &mut Draft, routines: &[&'static Routine]);

    /// Whether a step of a loop can write each of its outputs to a place that is told when it is
    /// run.
    fn places_outputs(&self) -> bool {
        false
    }

    /// The bytes that the places of values and constants are multiples of.
    fn line(&self) -> usize;

    /// The room in the arena of a value of `bytes` bytes: whole lines.
    fn room(&self, bytes: usize) -> usize;
}

/// No passes, and values side by side, each at a multiple of the largest element.
pub struct Untuned;

impl Tuning for Untuned {
    fn tune(&self, _draft: &mut Draft, _routines: &[&'static Routine]) {}

    fn line(&self) -> usize {
        DType::F64.bytes()
    }

    fn room(&self, bytes: usize) -> usize {
        bytes.next_multiple_of(self.line())
    }
}
