//! Windows that are not copied: products read them where they lie in the image, or in a part of it
//! with zeros around where windows reach outside.
//!
//! In: windows, and the sizes of their image. Out: where the windows of a part and the elements of
//! a window begin, as stretches that a product goes through, and the part with its zeros.

use std::ptr::null;

use crate::cpu::Run;
use crate::cpu::laid_out::{apart, collides};
use crate::cpu::matmul::{Stretched, StretchedProduct};
use crate::graph::Window;
use crate::simd::Memory;
use crate::simd::vectors::enter;

use super::parts::{LARGE_MATRIX, Part, Parts};
use super::{LAID_OUT_PARTS, Role, Windowed};

/// How the windows of a part lie in it.
#[derive(Clone)]
pub struct InPlace {
    windows: Box<[Window]>,
    /// The sizes of the image: `[batch, lengths.., channels]`.
    image: Box<[usize]>,
    /// The elements of a part that is copied with zeros around; 0 where no window reaches outside
    /// the image, so that none is.
    copied: usize,
    /// The sizes that a part lies in: the same without a border, those of the part with it.
    sizes: Box<[usize]>,
    /// Where the elements of a window begin, and how many lie side by side.
    elements: Box<[usize]>,
    side_by_side: usize,
    /// Where the windows of the largest part begin that lie one after the other along the last
    /// axis, and the distance between neighbours.
    rows: Box<[usize]>,
    step: usize,
}

/// The windows of what was added up that each element of an image was summed from, given the
/// windows that were added and the lengths of the image: their elements are in the opposite order.
/// `None` where windows are further apart than a position, or begin too far before the image.
pub fn opposite(windows: &[Window], lengths: &[usize]) -> Option<Box<[Window]>> {
    let along = |(window, &length): (&Window, &usize)| {
        let before = ((window.size - 1) * window.dilation).checked_sub(window.before)?;
        (window.stride == 1).then_some(Window { before, count: length, ..*window })
    };
    windows.iter().zip(lengths).map(along).collect()
}

/// The positions that windows reach along an axis, from the first one on.
fn reach(window: &Window, count: usize) -> usize {
    let elements = (window.size - 1).saturating_mul(window.dilation);
    (count - 1).saturating_mul(window.stride).saturating_add(elements).saturating_add(1)
}

/// The distances of all elements of a block, given the number along each axis and their distances.
fn distances(axes: impl DoubleEndedIterator<Item = (usize, usize)>) -> Box<[usize]> {
    let begin = vec![0];
    let all = axes.fold(begin, |outer, (count, distance)| {
        let along = |&start: &usize| (0..count).map(move |n| start + n * distance);
        outer.iter().flat_map(along).collect()
    });
    all.into()
}

impl InPlace {
    /// Of windows in parts; `None` where parts with their borders or the rows of windows are more
    /// than `most`, as those of windows that lie far outside may be.
    pub fn new(windows: &[Window], image: &[usize], parts: &Parts, most: usize) -> Option<Self> {
        let lengths = &image[1..=windows.len()];
        let channels = image[windows.len() + 1];
        let outside = |(window, &length): (&Window, &usize)| {
            window.before > 0 || reach(window, window.count) > length
        };
        let has_border = windows.iter().zip(lengths).any(outside);
        let largest = parts.part(0);
        let counts = |axis: usize| if axis == 0 { largest.count } else { windows[axis].count };
        let sizes: Box<[usize]> = if has_border {
            let reached = (0..windows.len()).map(|axis| reach(&windows[axis], counts(axis)));
            std::iter::once(largest.samples).chain(reached).chain([channels]).collect()
        } else {
            image.into()
        };
        let product = |sizes: &[usize]| {
            sizes.iter().fold(1_usize, |product, &size| product.saturating_mul(size))
        };
        let rows: Vec<usize> = (0..windows.len() - 1).map(counts).collect();
        let copied = if has_border { product(&sizes) } else { 0 };
        if copied > most || product(&rows).saturating_mul(largest.samples) > most {
            return None;
        }
        let distance = |axis: usize| sizes[axis + 2..].iter().product::<usize>();
        let last = windows.len() - 1;
        let inner = windows[last];
        let (side_by_side, apart) =
            if inner.dilation == 1 { (inner.size, 1) } else { (1, inner.size) };
        let outer = (0..last).map(|axis| {
            let window = windows[axis];
            (window.size, window.dilation * distance(axis))
        });
        let elements = distances(outer.chain([(apart, inner.dilation * channels)]));
        let outer = (0..last).map(|axis| (counts(axis), windows[axis].stride * distance(axis)));
        let sample = sizes[1..].iter().product();
        let rows = distances([(largest.samples, sample)].into_iter().chain(outer));
        Some(Self {
            windows: windows.into(),
            image: image.into(),
            copied,
            sizes,
            elements,
            side_by_side: side_by_side * channels,
            rows,
            step: inner.stride * channels,
        })
    }

    /// The elements of the largest part with its border; 0 where none is copied.
    pub fn copied(&self) -> usize {
        self.copied
    }

    /// The elements of a window, as the rows or terms of a product.
    pub fn elements(&self) -> Stretched<'_> {
        Stretched { starts: &self.elements, length: self.side_by_side, step: 1 }
    }

    /// The windows of a part, as the rows or terms of a product.
    pub fn windows(&self, part: &Part) -> Stretched<'_> {
        let (mut rows, mut length) = (part.samples, part.count);
        if let [_, middle @ .., last] = &*self.windows {
            let across: usize = middle.iter().map(|window| window.count).product();
            (rows, length) = (rows * part.count * across, last.count);
        }
        Stretched { starts: &self.rows[..rows], length, step: self.step }
    }

    /// Where the first window of a part begins: in the image, or in `to`, where the part is copied
    /// with its border.
    ///
    /// # Safety
    /// The image lies in memory from `image` on, and there is room for what is
    /// [copied](Self::copied) at `to`.
    pub unsafe fn part(&self, image: *const f32, part: &Part, to: *mut f32) -> *const f32 {
        let [_, lengths @ .., channels] = &*self.image else { unreachable!("has a batch") };
        let sample: usize = self.image[1..].iter().product();
        let image = image.wrapping_add(part.sample * sample);
        let first = part.first * self.windows[0].stride;
        if self.copied == 0 {
            return image.wrapping_add(first * (sample / lengths[0]));
        }
        let [_, sizes @ .., _] = &*self.sizes else { unreachable!("has a batch") };
        let last = sizes.len() - 1;
        // The rows of the part along its last axis, each with zeros before and behind.
        let (width, length) = (sizes[last] * channels, lengths[last] * channels);
        let before = |axis: usize| {
            self.windows[axis].before as isize - if axis == 0 { first as isize } else { 0 }
        };
        let low = before(last).clamp(0, sizes[last] as isize) as usize * channels;
        let skipped = (-before(last)).clamp(0, lengths[last] as isize) as usize * channels;
        let inside = (length - skipped).min(width - low);
        let outer: usize = sizes[..last].iter().product();
        for row in 0..part.samples * outer {
            // The row of the image that it is, if that is inside.
            let mut rest = row;
            let (mut from, mut distance) = (Some(0), length);
            for axis in (0..last).rev() {
                let at = (rest % sizes[axis]) as isize - before(axis);
                rest /= sizes[axis];
                from = from
                    .filter(|_| (0..lengths[axis] as isize).contains(&at))
                    .map(|from| from + at as usize * distance);
                distance *= lengths[axis];
            }
            let to = to.wrapping_add(row * width);
            // SAFETY: as the caller promises; zeros of floats have no bits.
            unsafe {
                match from {
                    Some(from) => {
                        let from = image.wrapping_add(rest * sample + from + skipped);
                        to.write_bytes(0, low);
                        to.add(low).copy_from_nonoverlapping(from, inside);
                        to.add(low + inside).write_bytes(0, width - low - inside);
                    }
                    None => to.write_bytes(0, width),
                }
            }
        }
        to
    }
}

impl Windowed {
    /// The same with windows that are read where they lie, of `f32`, if that is faster: not where
    /// the right matrix is large, which each part would read anew, and not where there are few
    /// parts, whose products threads share.
    pub(super) fn with_windows_in_place(&self, columns: usize) -> Option<Self> {
        let size = self.element_bytes();
        let is_small = self.terms * self.filters * size <= LARGE_MATRIX;
        if self.wide || !is_small || self.bf16 || columns == 1 {
            return None;
        }
        let mut new = self.clone();
        let lies_well = self.right[1] == 1 && !collides(self.right[0], size);
        new.laid_out = (!lies_well).then(|| apart(self.filters, size));
        if let Role::Added { left, strides } = self.role {
            let [batch, lengths @ .., channels] = &*self.image else { return None };
            let counts = self.windows.iter().map(|window| window.count);
            let of_group = batch * counts.clone().product::<usize>() * self.filters;
            if strides != [self.filters, 1] || self.groups > 1 && self.left_group != of_group {
                return None;
            }
            // What the other way would multiply, and this one, in whole vectors.
            let lanes = |columns: usize| columns.next_multiple_of(Memory::LINE / size);
            let added = counts.clone().product::<usize>() * lanes(self.terms);
            let taken = lengths.iter().product::<usize>() * lanes(*channels);
            if taken * (self.terms / channels) > added + added / 4 {
                return None;
            }
            new.windows = opposite(&self.windows, lengths)?;
            new.image = [*batch].into_iter().chain(counts).chain([self.filters]).collect();
            new.role = Role::Windows { output: self.image_at, bias: None };
            new.image_at = left;
            new.terms = self.terms / channels * self.filters;
            new.filters = *channels;
            new.opposite = true;
            new.laid_out = Some(apart(*channels, size));
        }
        let channels = *new.image.last()?;
        let step = new.windows.last()?.stride.saturating_mul(channels * size);
        new.parts = Parts::new(&new.windows, new.image[0], step, 0);
        if new.parts.count() < LAID_OUT_PARTS {
            return None;
        }
        let copied = new.parts.most_positions().saturating_mul(new.terms);
        new.in_place = Some(InPlace::new(&new.windows, &new.image, &new.parts, copied)?);
        Some(new)
    }

    /// A task of a product whose windows are read where they lie.
    ///
    /// # Safety
    /// As for [`Windowed::task`].
    pub(super) unsafe fn task_in_place(
        &self,
        in_place: &InPlace,
        run: &Run,
        task: usize,
        thread: usize,
    ) {
        let bases = run.bases;
        let (group, task) = (task / self.tasks_of_group(), task % self.tasks_of_group());
        let scratch: *mut f32 = run.scratch.of(thread).cast();
        let own = run.scratch.of(thread).wrapping_add(self.part_bytes()).cast::<f32>();
        let image = self.image_of::<f32>(run, group).cast_const();
        let right = bases.at(self.right_at).cast_const().cast::<f32>();
        let right = right.wrapping_add(group * self.right_group);
        let (columns, b_row) = (self.filters, self.laid_out.unwrap_or(self.right[0]));
        let parts = self.parts_of(task);
        for index in parts.clone() {
            let part = self.parts.part(index);
            let (first, positions) = (self.parts.first_position(&part), self.parts.size_of(&part));
            let (windows, elements) = (in_place.windows(&part), in_place.elements());
            let at = group * self.parts.positions() + first;
            // SAFETY: as the caller promises; a part lies within the image and the matrices, and
            // with its border it fits in the scratch.
            unsafe {
                let a = in_place.part(image, &part, scratch);
                let product = match self.role {
                    Role::Turned { output } => StretchedProduct {
                        rows: elements,
                        terms: windows,
                        columns,
                        a,
                        b: self.right_of_part(right, first, positions, own),
                        b_row,
                        bias: null(),
                        c: self.sum(run, group, task, output),
                        accumulate: index > parts.start,
                        rectify: false,
                    },
                    Role::Windows { output, bias } => StretchedProduct {
                        rows: windows,
                        terms: elements,
                        columns,
                        a,
                        b: match self.laid_out {
                            Some(row) => self.laid_out_of::<f32>(run, row, group),
                            None => right,
                        },
                        b_row,
                        bias: bias.map_or(null(), |bias| bases.at(bias).cast_const().cast()),
                        c: bases.at(output).cast::<f32>().wrapping_add(at * columns),
                        accumulate: false,
                        rectify: self.rectified,
                    },
                    Role::Added { .. } => unreachable!("is a product of windows in place"),
                };
                enter(run.level, &product);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn elements_of_windows_are_those_of_the_image_or_zeros() {
        let mut random = Random::new(1, 0);
        let mut below = |limit: usize| random.below(limit);
        let (mut with_border, mut without) = (0, 0);
        for _ in 0..2_000 {
            let axes = 1 + below(3);
            let mut axis = || {
                let (size, dilation) = (1 + below(4), 1 + below(3));
                let (stride, before) = (1 + below(3), below(4).saturating_sub(1));
                let length = (size - 1) * dilation + 1 + below(9);
                let count = (length + 2 * before - (size - 1) * dilation - 1) / stride + 1;
                (length, Window { size, stride, dilation, before, count })
            };
            let axes: Vec<_> = (0..axes).map(|_| axis()).collect();
            let windows: Vec<Window> = axes.iter().map(|(_, window)| *window).collect();
            let (batch, channels) = (1 + below(5), 1 + below(3));
            let image: Vec<usize> = [batch]
                .into_iter()
                .chain(axes.iter().map(|(length, _)| *length))
                .chain([channels])
                .collect();
            let numbers: Vec<f32> = (0..image.iter().product()).map(|at| 1.0 + at as f32).collect();
            let parts = Parts::new(&windows, batch, 1 << (7 + below(8)), 0);
            let in_place = InPlace::new(&windows, &image, &parts, usize::MAX).unwrap();
            if in_place.copied() > 0 {
                with_border += 1
            } else {
                without += 1
            }
            let mut room = vec![f32::NAN; in_place.copied()];
            for part in (0..parts.count()).map(|index| parts.part(index)) {
                // SAFETY: the vectors hold the image and have room for the part.
                let start = unsafe { in_place.part(numbers.as_ptr(), &part, room.as_mut_ptr()) };
                let all = |of: Stretched<'_>| -> Vec<usize> {
                    let along = |&start: &usize| (0..of.length).map(move |n| start + n * of.step);
                    of.starts.iter().flat_map(along).collect()
                };
                let (rows, elements) = (all(in_place.windows(&part)), all(in_place.elements()));
                assert_eq!(rows.len(), parts.size_of(&part));
                for (row, &at) in rows.iter().enumerate() {
                    for (number, &element) in elements.iter().enumerate() {
                        // SAFETY: as above.
                        let found = unsafe { *start.add(at + element) };
                        let position = parts.first_position(&part) + row;
                        let wanted = element_of(&windows, &image, position, number);
                        assert_eq!(found, wanted.map_or(0.0, |at| numbers[at]), "{windows:?}");
                    }
                }
            }
        }
        assert!(with_border > 500 && without > 100, "{with_border} {without}");
    }

    /// Where in the image the element of a window is, by the definition of [`Window`]; `None` for
    /// one outside.
    fn element_of(
        windows: &[Window],
        image: &[usize],
        mut position: usize,
        mut number: usize,
    ) -> Option<usize> {
        let channels = image[windows.len() + 1];
        let channel = number % channels;
        number /= channels;
        let (mut at, mut distance) = (channel, channels);
        for (axis, window) in windows.iter().enumerate().rev() {
            let (n, element) = (position % window.count, number % window.size);
            (position, number) = (position / window.count, number / window.size);
            let here =
                (n * window.stride + element * window.dilation).checked_sub(window.before)?;
            at += (here < image[axis + 1]).then_some(here * distance)?;
            distance *= image[axis + 1];
        }
        Some(at + position * distance)
    }

    #[test]
    fn opposite_windows_are_those_that_an_element_was_summed_from() {
        let mut random = Random::new(2, 0);
        let mut below = |limit: usize| random.below(limit);
        for _ in 0..2_000 {
            let (size, dilation) = (1 + below(4), 1 + below(3));
            let (before, length) = (below((size - 1) * dilation + 1), 1 + below(12));
            let window = Window { size, stride: 1, dilation, before, count: 1 + below(12) };
            let opposite = opposite(&[window], &[length]).unwrap()[0];
            for at in 0..length {
                for element in 0..size {
                    // Element `element` of window `n` is at `at`.
                    let n = (at + before).checked_sub(element * dilation);
                    let n = n.filter(|&n| n < window.count);
                    let place = at + (size - 1 - element) * dilation;
                    let seen = place.checked_sub(opposite.before).filter(|&n| n < window.count);
                    assert_eq!(seen, n, "{window:?} {length}");
                }
            }
        }
        let apart = Window { size: 3, stride: 2, dilation: 1, before: 0, count: 4 };
        assert!(super::opposite(&[apart], &[9]).is_none());
        let far = Window { size: 3, stride: 1, dilation: 1, before: 3, count: 4 };
        assert!(super::opposite(&[far], &[9]).is_none());
    }
}
