//! Sums over windows, for each element of the kernel.
//!
//! In: images, and one number for each window. Out: kernels, one for each sample.

use super::terms::Along;
use super::{Sliding, SlidingAxis, VECTORS, load, store};
use crate::simd::vectors::{Element, Lanes, TileKernel};

/// The elements of a kernel whose sums are computed at once.
const ELEMENTS: usize = 3;

/// Sums of products over windows, for each element of them.
pub(super) struct Correlation<'a, T> {
    pub sliding: &'a Sliding,
    pub x: *const T,
    pub dy: *const T,
    pub to: *mut T,
}

/// Some windows side by side, and elements of them that are all inside.
struct Row<T> {
    x: *const T,
    dy: *const T,
    to: *mut T,
    windows: usize,
    /// The distances from one window to the next, and from one element to the next, in the image.
    window_step: usize,
    element_step: usize,
    channels: usize,
}

impl<T: Element> TileKernel for Correlation<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        let Sliding { axes: [a, b, c], batch, channels } = self.sliding;
        let (size, rows) = (a.size * b.size * c.size, a.count * b.count);
        let [first, second] = [a, b].map(|&axis| Along::new(axis, false));
        for row in 0..batch * rows {
            let (sample, i, j) = (row / rows, row / b.count % a.count, row % b.count);
            let (first, second) = (first.terms(i), second.terms(j));
            let dy = self.dy.wrapping_add(row * c.count * channels);
            for index in 0..first.count * second.count {
                let (i, j) = (index / second.count, index % second.count);
                let positions = [first.from + i * a.dilation, second.from + j * b.dilation];
                let x_row = (sample * a.length + positions[0]) * b.length + positions[1];
                let x = self.x.wrapping_add(x_row * c.length * channels);
                let element = ((first.element + i) * b.size + second.element + j) * c.size;
                let to = self.to.wrapping_add((sample * size + element) * channels);
                // SAFETY: as the caller promises; the rows are inside.
                unsafe { row_of::<L>(c, *channels, x, dy, to) };
            }
        }
    }
}

/// Adds the products of a row of windows with a row of the image to the sums of a row of elements.
///
/// # Safety
/// The processor has the instructions of `L`, and the rows are those of the axis.
#[inline(always)]
unsafe fn row_of<L: Lanes>(
    axis: &SlidingAxis,
    channels: usize,
    x: *const L::Element,
    dy: *const L::Element,
    to: *mut L::Element,
) {
    let mut element = 0;
    while element < axis.size {
        let count = (axis.size - element).min(ELEMENTS);
        let elements = element..element + count;
        // All of these elements are inside from the first window of the first of them to the last
        // window of the last.
        let [start, end] = [axis.windows_of(element)[0], axis.windows_of(elements.end - 1)[1]];
        let row = |element: usize, start: usize, end: usize| Row {
            x: x.wrapping_add(
                (start * axis.stride + element * axis.dilation)
                    .wrapping_sub(axis.before)
                    .wrapping_mul(channels),
            ),
            dy: dy.wrapping_add(start * channels),
            to: to.wrapping_add(element * channels),
            windows: end.saturating_sub(start),
            window_step: axis.stride.wrapping_mul(channels),
            element_step: axis.dilation.wrapping_mul(channels),
            channels,
        };
        let together = count > 1 && start < end;
        // SAFETY: as the caller promises; windows are where their elements are inside.
        unsafe {
            for element in elements.clone() {
                let [first, end] = axis.windows_of(element);
                row(element, first, if together { start } else { end }).run::<L, 1>();
            }
            if together {
                let row = row(element, start, end);
                if count == ELEMENTS { row.run::<L, ELEMENTS>() } else { row.run::<L, 2>() }
            }
            for element in elements.clone().filter(|_| together) {
                row(element, end, axis.windows_of(element)[1]).run::<L, 1>();
            }
        }
        element = elements.end;
    }
}

impl<T: Element> Row<T> {
    /// # Safety
    /// The processor has the instructions of `L`, and `E` elements of all windows are inside.
    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>, const E: usize>(&self) {
        let mut channel = 0;
        if self.windows == 0 {
            return;
        }
        // SAFETY: as the caller promises; a mask leaves out what is behind the channels.
        unsafe {
            while channel + VECTORS * L::WIDTH <= self.channels {
                self.tile::<L, E, VECTORS>(channel, None);
                channel += VECTORS * L::WIDTH;
            }
            while channel + L::WIDTH <= self.channels {
                self.tile::<L, E, 1>(channel, None);
                channel += L::WIDTH;
            }
            if channel < self.channels {
                self.tile::<L, E, 1>(channel, Some(L::mask(self.channels - channel)));
            }
        }
    }

    /// # Safety
    /// As for `run`, and there are `V` vectors of channels, or one with the mask.
    #[inline(always)]
    unsafe fn tile<L: Lanes<Element = T>, const E: usize, const V: usize>(
        &self,
        channel: usize,
        mask: Option<L::Mask>,
    ) {
        let (mut x, mut dy) = (self.x.wrapping_add(channel), self.dy.wrapping_add(channel));
        // SAFETY: as the caller promises.
        unsafe {
            let mut sums = [[L::zero(); V]; E];
            for _ in 0..self.windows {
                let factors = load::<L, V>(dy, mask);
                for (e, sums) in sums.iter_mut().enumerate() {
                    let x = load::<L, V>(x.wrapping_add(e * self.element_step), mask);
                    for v in 0..V {
                        sums[v] = L::multiply_add(x[v], factors[v], sums[v]);
                    }
                }
                x = x.wrapping_add(self.window_step);
                dy = dy.wrapping_add(self.channels);
            }
            for (e, sums) in sums.iter().enumerate() {
                let to = self.to.wrapping_add(e * self.channels + channel);
                let mut total = load::<L, V>(to, mask);
                for v in 0..V {
                    total[v] = L::add(total[v], sums[v]);
                }
                store::<L, V>(to, total, mask);
            }
        }
    }
}
