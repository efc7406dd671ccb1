//! Windows that slide over images, each channel by itself: their sums of products with a kernel,
//! and what goes with these as gradients.
//!
//! In: how windows lie along up to three axes, and contiguous arrays, two of an image
//! `[batch, lengths.., channels]`, one number for each window `[batch, counts.., channels]` and a
//! kernel `[sizes.., channels]`. Out: the third, without windows in memory. Each sum has the order
//! of its terms in memory, at every level and in tiles of any size.

mod correlation;
mod slide;
mod terms;

#[cfg(test)]
mod tests;

use super::Level;
use super::vectors::{Element, Lanes, enter};
use correlation::Correlation;
use slide::Slide;
use terms::Along;

/// The axes between the first and the last.
pub(crate) const AXES: usize = 3;

/// The vectors of channels that are computed at once.
const VECTORS: usize = 2;

/// How windows lie along an axis: element `i` of window `n` is the position
/// `n * stride + i * dilation - before`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlidingAxis {
    /// The elements of a window, and the distance from one to the next.
    pub size: usize,
    pub dilation: usize,
    /// The windows, and the distance from one to the next.
    pub count: usize,
    pub stride: usize,
    /// How far before the axis the first one begins.
    pub before: usize,
    /// The positions of the axis.
    pub length: usize,
}

impl SlidingAxis {
    /// An axis of one position and one window.
    pub const ONE: Self = Self { size: 1, dilation: 1, count: 1, stride: 1, before: 0, length: 1 };

    /// Whether no position is too large a number.
    fn is_near(&self) -> bool {
        let windows = self.count.checked_mul(self.stride);
        let elements = self.size.checked_mul(self.dilation);
        let all = [windows, elements, Some(self.before), Some(self.length)].into_iter();
        let reach = all.reduce(|a, b| a?.checked_add(b?)).flatten();
        let makes_sense = self.size > 0 && self.dilation > 0 && self.stride > 0;
        makes_sense && reach.is_some_and(|reach| isize::try_from(reach).is_ok())
    }

    /// The windows whose element of a number is inside.
    fn windows_of(&self, element: usize) -> [usize; 2] {
        let ahead = element * self.dilation;
        let before = |position: usize| position.saturating_sub(ahead).div_ceil(self.stride);
        let end = before(self.before + self.length).min(self.count);
        [before(self.before).min(end), end]
    }
}

/// Windows over all channels of some images.
#[derive(Clone, Debug)]
pub(crate) struct Sliding {
    axes: [SlidingAxis; AXES],
    batch: usize,
    channels: usize,
}

impl Sliding {
    /// Windows over up to three axes.
    ///
    /// # Panics
    /// If there are more, or a position is a larger number than there is, or a size is 0.
    pub fn new(axes: &[SlidingAxis], batch: usize, channels: usize) -> Self {
        assert!(axes.iter().all(SlidingAxis::is_near), "windows reach too far: {axes:?}");
        let mut all = [SlidingAxis::ONE; AXES];
        all[AXES - axes.len()..].copy_from_slice(axes);
        Self { axes: all, batch, channels }
    }

    /// The numbers of positions, of windows and of elements of a window.
    fn sizes(&self) -> [usize; 3] {
        let product = |size: fn(&SlidingAxis) -> usize| self.axes.iter().map(size).product();
        [product(|axis| axis.length), product(|axis| axis.count), product(|axis| axis.size)]
    }

    /// The windows of `x` times the kernel:
    /// `to[b, n, c] = sum over i of x[b, n * stride + i * dilation - before, c] kernel[i, c]`. The
    /// kernel is one for all samples or one for each.
    ///
    /// # Panics
    /// If the lengths are not those of the shapes.
    pub fn filter<T: Element>(&self, x: &[T], kernel: &[T], to: &mut [T]) {
        let [positions, windows, _] = self.sizes();
        self.slide(false, [positions, windows], x, kernel, to);
    }

    /// `dy`, one number for each window, times the kernel and added up where the windows lie: the
    /// gradient of the images.
    ///
    /// # Panics
    /// If the lengths are not those of the shapes.
    pub fn spread<T: Element>(&self, dy: &[T], kernel: &[T], to: &mut [T]) {
        let [positions, windows, _] = self.sizes();
        self.slide(true, [windows, positions], dy, kernel, to);
    }

    fn slide<T: Element>(
        &self,
        turned: bool,
        [inputs, outputs]: [usize; 2],
        from: &[T],
        kernel: &[T],
        to: &mut [T],
    ) {
        let (batch, row) = (self.batch, self.sizes()[2] * self.channels);
        assert_eq!(from.len(), batch * inputs * self.channels);
        assert_eq!(to.len(), batch * outputs * self.channels);
        let kernel_sample = if kernel.len() == row { 0 } else { row };
        assert!(kernel_sample == 0 || kernel.len() == batch * row);
        if to.is_empty() {
            return;
        }
        let slide = Slide {
            along: self.axes.map(|axis| Along::new(axis, turned)),
            batch,
            channels: self.channels,
            from: from.as_ptr(),
            kernel: kernel.as_ptr(),
            kernel_sample,
            to: to.as_mut_ptr(),
        };
        // SAFETY: the processor has the level, and the arrays are of the sizes of the axes.
        unsafe { enter(Level::detect(), &slide) }
    }

    /// The products of the elements of windows of `x` with `dy`, one number for each window, summed
    /// over the windows of each sample:
    /// `to[b, i, c] = sum over n of x[b, n * stride + i * dilation - before, c] dy[b, n, c]`.
    ///
    /// # Panics
    /// If the lengths are not those of the shapes.
    pub fn correlate<T: Element>(&self, x: &[T], dy: &[T], to: &mut [T]) {
        let lengths = self.sizes().map(|size| self.batch * size * self.channels);
        assert_eq!(lengths, [x.len(), dy.len(), to.len()]);
        to.fill(T::ZERO);
        if lengths.contains(&0) {
            return;
        }
        let (x, dy, to) = (x.as_ptr(), dy.as_ptr(), to.as_mut_ptr());
        // SAFETY: the processor has the level, and the arrays are of the sizes of the axes.
        unsafe { enter(Level::detect(), &Correlation { sliding: self, x, dy, to }) }
    }
}

/// # Safety
/// As [`Lanes`] asks, for `V` vectors, or for the lanes of the mask.
#[inline(always)]
unsafe fn load<L: Lanes, const V: usize>(
    from: *const L::Element,
    mask: Option<L::Mask>,
) -> [L::Vector; V] {
    // SAFETY: as the caller promises.
    unsafe {
        let mut vectors = [L::zero(); V];
        for (v, vector) in vectors.iter_mut().enumerate() {
            let from = from.wrapping_add(v * L::WIDTH);
            *vector = match mask {
                Some(mask) => L::load_masked(from, mask),
                None => L::load(from),
            };
        }
        vectors
    }
}

/// # Safety
/// As [`Lanes`] asks, for `V` vectors, or for the lanes of the mask.
#[inline(always)]
unsafe fn store<L: Lanes, const V: usize>(
    to: *mut L::Element,
    vectors: [L::Vector; V],
    mask: Option<L::Mask>,
) {
    for (v, vector) in vectors.into_iter().enumerate() {
        let to = to.wrapping_add(v * L::WIDTH);
        // SAFETY: as the caller promises.
        unsafe {
            match mask {
                Some(mask) => L::store_masked(to, vector, mask),
                None => L::store(to, vector),
            }
        }
    }
}
