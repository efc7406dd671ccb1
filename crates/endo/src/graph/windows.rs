//! Where the elements of windows lie: stretches of neighbours at equal distances in the image and
//! in its windows.
//!
//! In: a [`Window`] for each axis and the sizes of the image. Out: [each stretch](for_each_stretch)
//! of them once, and the copy of one, forth or back. Runners take windows a part at a time by
//! [`Windowing`].

use crate::shape::Shape;

/// How windows lie along one axis: element `i` of window `n` is the axis's position
/// `n * stride + i * dilation - before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The number of elements in a window.
    pub size: usize,
    /// The distance from a window to the next.
    pub stride: usize,
    /// The distance from an element of a window to the next.
    pub dilation: usize,
    /// How far before the axis the first window begins.
    pub before: usize,
    /// The number of windows.
    pub count: usize,
}

/// What an operation does with windows. The image is `[batch, lengths.., channels]`, its windows
/// are `[batch, counts.., sizes.., channels]`.
#[derive(Clone, Copy, Debug)]
pub enum Windowing<'a> {
    /// It makes the windows of an image; what is outside the image is 0.
    Take(&'a [Window]),
    /// It adds up windows where they lie in an image.
    Add(&'a [Window]),
}

/// Stretches at equal distances in the image and in its windows.
pub(crate) struct Stretches {
    /// Where the first begins in the image; `None` for stretches outside.
    pub image: Option<usize>,
    /// Where the first begins in the windows.
    pub windows: usize,
    /// Elements of a stretch.
    pub length: usize,
    /// The number of stretches.
    pub count: usize,
    /// From a stretch to the next in the image.
    pub image_step: usize,
    /// From a stretch to the next in the windows.
    pub windows_step: usize,
}

impl Stretches {
    /// Where the first begins in the image, and the same stretches where windows of `terms`
    /// elements lie `row` apart.
    pub fn in_rows(self, terms: usize, row: usize) -> (Option<usize>, Self) {
        let windows = self.windows / terms * row + self.windows % terms;
        (self.image, Self { windows, windows_step: row, ..self })
    }
}

/// The shape of one element for each window of an image.
pub(crate) fn one_for_each(windows: &[Window], image: &Shape) -> Shape {
    let counts = windows.iter().map(|window| window.count);
    [image.batch()].into_iter().chain(counts).chain([image.features()]).collect()
}

/// The shape of all windows of an image.
pub(crate) fn all_windows(windows: &[Window], image: &Shape) -> Shape {
    let sizes = counts_and_sizes(windows);
    [image.batch()].into_iter().chain(sizes).chain([image.features()]).collect()
}

/// The axes of windows between the batch and the channels.
pub(crate) fn counts_and_sizes(windows: &[Window]) -> impl Iterator<Item = usize> {
    let counts = windows.iter().map(|window| window.count);
    counts.chain(windows.iter().map(|window| window.size))
}

/// Whether these are the shapes of an image and its windows, and all positions that
/// [`for_each_stretch`] computes are numbers that there are.
pub(crate) fn lie(windows: &[Window], image: &[usize], taken: &[usize]) -> bool {
    let [batch, lengths @ .., channels] = image else { return false };
    let elements =
        image.iter().try_fold(1_usize, |product, &size| product.checked_mul(size.max(1)));
    let extent = |(window, &length): (&Window, &usize)| {
        let reach = window
            .count
            .checked_mul(window.stride)?
            .checked_add(window.size.checked_mul(window.dilation)?)?;
        reach.checked_add(window.before)?.checked_add(length)?.checked_mul(elements?)
    };
    let is_near = |pair| extent(pair).is_some_and(|extent| isize::try_from(extent).is_ok());
    lengths.len() == windows.len()
        && [*batch]
            .into_iter()
            .chain(counts_and_sizes(windows))
            .chain([*channels])
            .eq(taken.iter().copied())
        && windows.iter().zip(lengths).all(is_near)
}

/// Calls `visit` for stretches that make up all windows of an image, each element once. Neighbours
/// along the last window are neighbours in memory unless they are dilated: then each is a stretch
/// of its own.
pub(crate) fn for_each_stretch(
    windows: &[Window],
    image: &[usize],
    mut visit: impl FnMut(Stretches),
) {
    let Some((last, outer)) = windows.split_last() else { return };
    let (length, channels) = (image[windows.len()], image[windows.len() + 1]);
    let counts: usize = outer.iter().map(|window| window.count).product();
    let sizes: usize = outer.iter().map(|window| window.size).product();
    let (width, blocks) = if last.dilation == 1 { (last.size, 1) } else { (1, last.size) };
    if counts * sizes * last.count * last.size * channels == 0 {
        return; // however many empty windows there are
    }
    let windows_step = sizes * last.size * channels;
    let image_step = last.stride * channels;
    for sample in 0..image[0] {
        outer_rows(outer, image, sample, |count, size, row| {
            let start =
                ((sample * counts + count) * last.count * sizes + size) * last.size * channels;
            let (inside, image_row) = (row.is_some(), row.unwrap_or(0));
            for block in 0..blocks {
                // Window `n` covers the positions from `n * stride + ahead - before` on: all inside
                // for n from `low` to `high`.
                let ahead = block * last.dilation;
                let start = start + block * channels;
                let low = if inside {
                    last.before.saturating_sub(ahead).div_ceil(last.stride).min(last.count)
                } else {
                    last.count
                };
                let fitting = (length + last.before)
                    .checked_sub(ahead + width)
                    .map_or(0, |room| room / last.stride + 1);
                let high = fitting.clamp(low, last.count);
                let mut give = |image: Option<usize>,
                                first: usize,
                                skipped: usize,
                                width: usize,
                                count: usize| {
                    let windows = start + first * windows_step + skipped * channels;
                    let position = |at: usize| (image_row * length + at) * channels;
                    let image = image.map(position);
                    if width * channels * count > 0 {
                        visit(Stretches {
                            image,
                            windows,
                            length: width * channels,
                            count,
                            image_step,
                            windows_step,
                        });
                    }
                };
                if !inside {
                    give(None, 0, 0, width, last.count);
                    continue;
                }
                if high > low {
                    give(Some(low * last.stride + ahead - last.before), low, 0, width, high - low);
                }
                for n in (0..low).chain(high..last.count) {
                    let position = n * last.stride + ahead;
                    let first = last.before.saturating_sub(position).min(width);
                    let end = (last.before + length).saturating_sub(position).clamp(first, width);
                    give(None, n, 0, first, 1);
                    if end > first {
                        give(Some(position + first - last.before), n, first, end - first, 1);
                    }
                    give(None, n, end, width - end, 1);
                }
            }
        });
    }
}

/// Calls `visit` with each window and each of its elements along all axes but the last, by their
/// numbers, and the row of the image of a sample that they are, if they are inside.
pub(crate) fn outer_rows(
    outer: &[Window],
    image: &[usize],
    sample: usize,
    mut visit: impl FnMut(usize, usize, Option<usize>),
) {
    let counts: usize = outer.iter().map(|window| window.count).product();
    let sizes: usize = outer.iter().map(|window| window.size).product();
    let rows: usize = image[1..=outer.len()].iter().product();
    for index in 0..counts * sizes {
        let (mut count, mut size) = (index / sizes, index % sizes);
        let (mut inside, mut row, mut stride) = (true, sample * rows, 1);
        for (window, &length) in outer.iter().zip(&image[1..]).rev() {
            let position =
                count % window.count * window.stride + size % window.size * window.dilation;
            inside &= (window.before..window.before + length).contains(&position);
            row += position.saturating_sub(window.before) * stride;
            stride *= length;
            (count, size) = (count / window.count, size / window.size);
        }
        visit(index / sizes, index % sizes, inside.then_some(row));
    }
}

/// Calls `copy(to, from)` for each of the stretches, with a length that the compiler knows if it is
/// small.
pub(crate) fn copy_stretch<T: Copy>(
    stretches: &Stretches,
    from: &[T],
    to: &mut [T],
    forth: bool,
    combine: impl Fn(&mut T, T),
) {
    let Some(image) = stretches.image else { return };
    let starts = if forth { [stretches.windows, image] } else { [image, stretches.windows] };
    let steps = if forth {
        [stretches.windows_step, stretches.image_step]
    } else {
        [stretches.image_step, stretches.windows_step]
    };
    macro_rules! by_length {
        ($($length:literal)+) => {
            match stretches.length {
                $($length => for n in 0..stretches.count {
                    let [to_start, from_start] =
                        [starts[0] + n * steps[0], starts[1] + n * steps[1]];
                    let from: &[T; $length] = from[from_start..from_start + $length]
                        .try_into()
                        .expect("of that length");
                    let to: &mut [T; $length] = (&mut to[to_start..to_start + $length])
                        .try_into()
                        .expect("of that length");
                    for (to, from) in to.iter_mut().zip(from) {
                        combine(to, *from);
                    }
                },)+
                length => for n in 0..stretches.count {
                    let [to_start, from_start] =
                        [starts[0] + n * steps[0], starts[1] + n * steps[1]];
                    let from = &from[from_start..from_start + length];
                    for (to, from) in to[to_start..to_start + length].iter_mut().zip(from) {
                        combine(to, *from);
                    }
                },
            }
        };
    }
    by_length! { 1 2 3 4 5 6 7 8 9 12 16 }
}
