//! How the windows of images are parted.
//!
//! In: windows, and the bytes of one of them and of the matrix that they are multiplied by. Out:
//! parts, which depend on sizes alone, and where in the image each of them lies.

use std::ops::Range;

use crate::cpu::matmul::equal_part;
use crate::cpu::passes::MOST_AXES;
use crate::graph::Window;

/// The bytes of the windows of a part, about: half of a small second-level cache.
const PART_BYTES: usize = 192 << 10;
/// The positions of a part: fewer would be too short for a product, and more change nothing.
const LEAST_POSITIONS: usize = 32;
const MOST_POSITIONS: usize = 256;
/// The bytes of the other matrix above which parts are as long as they may be: it is read once for
/// each.
pub const LARGE_MATRIX: usize = 1 << 20;

/// Windows along the first axis, of some samples.
pub struct Part {
    /// The first sample, and how many there are.
    pub sample: usize,
    pub samples: usize,
    /// The first of the windows along the first axis, and how many.
    pub first: usize,
    pub count: usize,
}

/// How positions are parted: some whole samples, or some rows of one sample.
#[derive(Clone)]
pub struct Parts {
    batch: usize,
    /// The windows along the first axis, and the positions of one of these.
    counts: usize,
    row: usize,
    /// Whole samples of a part; 0 where a part is of one sample.
    samples: usize,
    /// The windows along the first axis of a part of one sample.
    rows: usize,
}

impl Parts {
    /// Parts of windows of `window_bytes` each, which are multiplied by a matrix of
    /// `matrix_bytes`. A part holds at least one row of windows along the other axes.
    pub fn new(windows: &[Window], batch: usize, window_bytes: usize, matrix_bytes: usize) -> Self {
        let wanted = if matrix_bytes > LARGE_MATRIX {
            MOST_POSITIONS
        } else {
            (PART_BYTES / window_bytes).clamp(LEAST_POSITIONS, MOST_POSITIONS)
        };
        let counts = windows[0].count;
        let row = windows[1..].iter().map(|window| window.count).product::<usize>();
        let samples = wanted / (counts * row);
        let samples = if samples > 0 { equal_part(batch, samples) } else { 0 };
        let rows = equal_part(counts, (wanted / row).max(1));
        Self { batch, counts, row, samples, rows }
    }

    /// The windows of all samples.
    pub fn positions(&self) -> usize {
        self.batch * self.counts * self.row
    }

    /// The parts of one sample.
    fn per_sample(&self) -> usize {
        self.counts.div_ceil(self.rows)
    }

    /// The number of parts.
    pub fn count(&self) -> usize {
        match self.samples {
            0 => self.batch * self.per_sample(),
            samples => self.batch.div_ceil(samples),
        }
    }

    /// The number of groups of parts that have no sample in common.
    pub fn groups(&self) -> usize {
        if self.samples == 0 { self.batch } else { self.count() }
    }

    /// The parts of a group.
    pub fn of_group(&self, group: usize) -> Range<usize> {
        let size = if self.samples == 0 { self.per_sample() } else { 1 };
        group * size..(group + 1) * size
    }

    /// The part of a number.
    pub fn part(&self, index: usize) -> Part {
        match self.samples {
            0 => {
                let first = index % self.per_sample() * self.rows;
                let count = self.rows.min(self.counts - first);
                Part { sample: index / self.per_sample(), samples: 1, first, count }
            }
            samples => {
                let sample = index * samples;
                let samples = samples.min(self.batch - sample);
                Part { sample, samples, first: 0, count: self.counts }
            }
        }
    }

    /// The number of a part's first position among all.
    pub fn first_position(&self, part: &Part) -> usize {
        (part.sample * self.counts + part.first) * self.row
    }

    /// The positions of a part.
    pub fn size_of(&self, part: &Part) -> usize {
        part.samples * part.count * self.row
    }

    /// The positions that parts have: those of the first, of the last of a sample and of the last.
    pub fn sizes(&self) -> [usize; 3] {
        let last = self.count() - 1;
        let of_sample = last.min(self.per_sample() - 1);
        [0, of_sample, last].map(|index| self.size_of(&self.part(index)))
    }

    /// The most of them.
    pub fn most_positions(&self) -> usize {
        self.sizes().into_iter().max().unwrap_or(0)
    }

    /// The part of an image that the windows of a part lie in, and these as windows of it.
    pub fn view(&self, windows: &[Window], image: &[usize], part: &Part) -> View {
        let mut view = View {
            windows: [windows[0]; MOST_AXES],
            sizes: [0; MOST_AXES + 2],
            axes: windows.len(),
            start: 0,
        };
        view.windows[..windows.len()].copy_from_slice(windows);
        view.sizes[..image.len()].copy_from_slice(image);
        // The rows of the image before the first window are left out.
        let reach = part.first * windows[0].stride;
        let skipped = reach.saturating_sub(windows[0].before).min(image[1]);
        view.windows[0].before = windows[0].before.saturating_sub(reach);
        view.windows[0].count = part.count;
        view.sizes[0] = part.samples;
        view.sizes[1] -= skipped;
        let row: usize = image[2..].iter().product();
        view.start = (part.sample * image[1] + skipped) * row;
        view
    }
}

/// Windows of a part of an image.
pub struct View {
    windows: [Window; MOST_AXES],
    /// `[batch, lengths.., channels]`.
    sizes: [usize; MOST_AXES + 2],
    axes: usize,
    /// The element of the whole image at which it starts.
    pub start: usize,
}

impl View {
    /// The windows along each axis.
    pub fn windows(&self) -> &[Window] {
        &self.windows[..self.axes]
    }

    /// The sizes of the image, `[batch, lengths.., channels]`.
    pub fn image(&self) -> &[usize] {
        &self.sizes[..self.axes + 2]
    }

    /// The elements of the image.
    pub fn length(&self) -> usize {
        self.image().iter().product()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// The element of the whole image that an element of a window is, if it is inside: by the
    /// definition of [`Window`], for one axis.
    fn position(window: &Window, n: usize, element: usize, length: usize) -> Option<usize> {
        let position = n * window.stride + element * window.dilation;
        position.checked_sub(window.before).filter(|&position| position < length)
    }

    #[test]
    fn parts_are_all_positions_and_views_are_their_image() {
        let mut random = Random::new(1, 0);
        let mut below = |limit: usize| random.below(limit);
        for _ in 0..20_000 {
            let mut axis = || Window {
                size: 1 + below(4),
                stride: 1 + below(4),
                dilation: 1 + below(3),
                before: below(12),
                count: 1 + below(40),
            };
            let windows = [axis(), axis()];
            let (batch, lengths) = (1 + below(9), [1 + below(20), 1 + below(20)]);
            let (window_bytes, matrix) = (4 << below(16), 1 << below(24));
            let parts = Parts::new(&windows, batch, window_bytes, matrix);
            let image = [batch, lengths[0], lengths[1], 3];
            let mut next = 0;
            for index in 0..parts.count() {
                let part = parts.part(index);
                assert_eq!(parts.first_position(&part), next);
                let size = parts.size_of(&part);
                assert!(parts.sizes().contains(&size) && size <= parts.most_positions());
                next += size;
                let view = parts.view(&windows, &image, &part);
                assert_eq!(view.windows()[1], windows[1]);
                for n in 0..part.count {
                    for element in 0..windows[0].size {
                        let whole = position(&windows[0], part.first + n, element, lengths[0]);
                        let here = position(&view.windows()[0], n, element, view.image()[1]);
                        let start = view.start / (lengths[1] * 3) - part.sample * lengths[0];
                        assert_eq!(here.map(|at| at + start), whole, "{windows:?} {lengths:?}");
                    }
                }
            }
            assert_eq!(next, parts.positions());
            let last =
                (0..parts.groups()).map(|group| parts.of_group(group)).fold(0, |at, group| {
                    assert_eq!(group.start, at);
                    group.end
                });
            assert_eq!(last, parts.count());
        }
    }
}
