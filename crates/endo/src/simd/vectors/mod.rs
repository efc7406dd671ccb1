//! Vectors of the processor: what the kernels are written in that no loop over numbers becomes.
//!
//! In: a piece of work, generic over [`Lanes`]. Out: its code for each level of instructions.

mod lanes;
mod levels;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable;
mod transpose;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use lanes::{Element, Lanes, TileKernel, enter, enter_pairs};
pub(crate) use transpose::transpose;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::Avx512;
