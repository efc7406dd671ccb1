//! Sums of the terms of windows, or of positions of the images.
//!
//! In: images or one number for each window, and a kernel. Out: the other of the two.

use super::terms::Along;
use super::{AXES, VECTORS, load, store};
use crate::simd::vectors::{Element, Lanes, TileKernel};

/// The outputs of a row that are computed at once: with their vectors as many sums as the fewest
/// registers hold.
const POSITIONS: usize = 4;

/// Sums of products with the kernel, for windows or for positions of the images.
pub(super) struct Slide<T> {
    pub along: [Along; AXES],
    pub batch: usize,
    pub channels: usize,
    pub from: *const T,
    pub kernel: *const T,
    /// From the kernel of a sample to that of the next.
    pub kernel_sample: usize,
    pub to: *mut T,
}

/// Some outputs side by side that are made of the same elements of the kernel.
struct Stretch<T> {
    to: *mut T,
    from: *const T,
    kernel: *const T,
    outputs: usize,
    /// The distances between neighbours, in the outputs and in the inputs.
    to_apart: usize,
    from_apart: usize,
    /// The terms along each axis, and the distances from one to the next.
    terms: [usize; AXES],
    from_steps: [isize; AXES],
    kernel_steps: [usize; AXES],
    channels: usize,
}

impl<T: Element> TileKernel for Slide<T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        let &Self { along: [a, b, c], batch, channels, kernel_sample, .. } = self;
        let kernel_rows = [b.axis.size * c.axis.size * channels, c.axis.size * channels, channels];
        let from_rows = [b.inputs * c.inputs * channels, c.inputs * channels, channels];
        let mut stretch = Stretch {
            to: self.to,
            from: self.from,
            kernel: self.kernel,
            outputs: 0,
            to_apart: c.apart.wrapping_mul(channels),
            from_apart: c.from_apart.wrapping_mul(channels),
            terms: [0; AXES],
            from_steps: [0; AXES],
            kernel_steps: [0; AXES],
            channels,
        };
        // What is no distance between two that there are may be any number.
        for (axis, along) in [a, b, c].iter().enumerate() {
            stretch.from_steps[axis] = along.from_step.wrapping_mul(from_rows[axis] as isize);
            stretch.kernel_steps[axis] = along.element_step.wrapping_mul(kernel_rows[axis]);
        }
        for row in 0..batch * a.outputs * b.outputs {
            let (sample, i, j) =
                (row / b.outputs / a.outputs, row / b.outputs % a.outputs, row % b.outputs);
            let (first, second) = (a.terms(i), b.terms(j));
            for start in 0..c.apart.min(c.outputs) {
                let mut output = start;
                while output < c.outputs {
                    let third = c.terms(output);
                    let from_row = (sample * a.inputs + first.from) * b.inputs + second.from;
                    let kernel_row = (first.element * b.axis.size + second.element) * c.axis.size;
                    let from = (from_row * c.inputs + third.from) * channels;
                    let kernel = (kernel_row + third.element) * channels;
                    stretch.to = self.to.wrapping_add((row * c.outputs + output) * channels);
                    stretch.from = self.from.wrapping_add(from);
                    stretch.kernel = self.kernel.wrapping_add(sample * kernel_sample + kernel);
                    stretch.outputs = third.outputs.min((c.outputs - output).div_ceil(c.apart));
                    stretch.terms = [first.count, second.count, third.count];
                    // SAFETY: as the caller promises; terms are inside.
                    unsafe { stretch.run::<L>() };
                    output += stretch.outputs * c.apart;
                }
            }
        }
    }
}

impl<T: Element> Stretch<T> {
    /// # Safety
    /// The processor has the instructions of `L`, and all outputs and terms are in the arrays.
    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        let mut at = 0;
        // SAFETY: as the caller promises.
        unsafe {
            while at + POSITIONS <= self.outputs {
                self.positions::<L, POSITIONS>(at);
                at += POSITIONS;
            }
            while at < self.outputs {
                self.positions::<L, 1>(at);
                at += 1;
            }
        }
    }

    /// # Safety
    /// As for `run`, and there are `P` outputs from this one on.
    #[inline(always)]
    unsafe fn positions<L: Lanes<Element = T>, const P: usize>(&self, at: usize) {
        let mut channel = 0;
        // SAFETY: as the caller promises; a mask leaves out what is behind the channels.
        unsafe {
            while channel + VECTORS * L::WIDTH <= self.channels {
                self.tile::<L, P, VECTORS>(at, channel, None);
                channel += VECTORS * L::WIDTH;
            }
            while channel + L::WIDTH <= self.channels {
                self.tile::<L, P, 1>(at, channel, None);
                channel += L::WIDTH;
            }
            if channel < self.channels {
                self.tile::<L, P, 1>(at, channel, Some(L::mask(self.channels - channel)));
            }
        }
    }

    /// # Safety
    /// As for `positions`, and there are `V` vectors of channels, or one with the mask.
    #[inline(always)]
    unsafe fn tile<L: Lanes<Element = T>, const P: usize, const V: usize>(
        &self,
        at: usize,
        channel: usize,
        mask: Option<L::Mask>,
    ) {
        let (from, kernel) = (
            self.from.wrapping_add(at * self.from_apart + channel),
            self.kernel.wrapping_add(channel),
        );
        let to = self.to.wrapping_add(at * self.to_apart + channel);
        // SAFETY: as the caller promises.
        unsafe {
            let mut sums = [[L::zero(); V]; P];
            for i in 0..self.terms[0] {
                for j in 0..self.terms[1] {
                    let steps = [i as isize, j as isize];
                    let from_row = steps[0] * self.from_steps[0] + steps[1] * self.from_steps[1];
                    let kernel_row = i * self.kernel_steps[0] + j * self.kernel_steps[1];
                    let mut from = from.wrapping_offset(from_row);
                    let mut kernel = kernel.wrapping_add(kernel_row);
                    for _ in 0..self.terms[2] {
                        let factors = load::<L, V>(kernel, mask);
                        for (p, sums) in sums.iter_mut().enumerate() {
                            let x = load::<L, V>(from.wrapping_add(p * self.from_apart), mask);
                            for v in 0..V {
                                sums[v] = L::multiply_add(x[v], factors[v], sums[v]);
                            }
                        }
                        from = from.wrapping_offset(self.from_steps[2]);
                        kernel = kernel.wrapping_add(self.kernel_steps[2]);
                    }
                }
            }
            for (p, &sums) in sums.iter().enumerate() {
                store::<L, V>(to.wrapping_add(p * self.to_apart), sums, mask);
            }
        }
    }
}
