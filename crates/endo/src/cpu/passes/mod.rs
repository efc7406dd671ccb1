//! What the processor does to plans in the making: one file for each pass.
//!
//! In: a draft with its steps in order. Out: `windows` lets products make the windows that they are
//! of, `rectify` lets them make rectified linear units of their sums, `join` makes one loop of
//! updates that are alike, `combine` one instruction of several, `defer` computes gradients of
//! large weights where they are used, `halve` keeps half of the bits of what has been rounded to
//! that, and `independent` finds steps for several threads to run at once.

mod combine;
mod defer;
mod halve;
pub(super) mod independent;
mod join;
mod rectify;
mod windows;

use crate::plan::{Draft, Tuning};
use crate::simd::{Memory, Routine};

pub use windows::MOST_AXES;

/// The passes of the processor, and its cache lines.
pub struct ProcessorTuning;

impl Tuning for ProcessorTuning {
    fn tune(&self, draft: &mut Draft, routines: &[&'static Routine]) {
        tune(draft, routines, halve::LEAST);
    }

    fn places_outputs(&self) -> bool {
        true
    }

    fn line(&self) -> usize {
        Memory::LINE
    }

    /// Whole cache lines, and one more where buffers of this size would start at distances that
    /// fall into few sets of the cache.
    fn room(&self, bytes: usize) -> usize {
        let bytes = Memory::round_up(bytes);
        if bytes > 0 && bytes.is_multiple_of(1024) { bytes + Memory::LINE } else { bytes }
    }
}

/// Applies the passes. What has fewer than `least` elements is not halved.
fn tune(draft: &mut Draft, routines: &[&'static Routine], least: usize) {
    windows::join(draft);
    rectify::rectify(draft);
    join::join(draft);
    combine::combine(draft, routines);
    defer::defer(draft);
    halve::halve(draft, least);
    independent::find(draft);
}
