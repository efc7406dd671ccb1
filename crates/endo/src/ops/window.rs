//! Windows over the axes between the first and the last, and windows added back where they lie.
//!
//! In: `[batch, lengths.., channels]`. Out: `[batch, counts.., sizes.., channels]`, and the way
//! back; each is the gradient of the other. A convolution is a matrix product of windows, a
//! transposed one windows made by a product and added, pooling a reduction.

use std::sync::Arc;

use crate::error::Error;
use crate::graph::windows::{all_windows, copy_stretch, counts_and_sizes, for_each_stretch, lie};
use crate::graph::{
    Form, Kernel, KernelReader, Operand, OperandMut, Tensor, Values, ValuesMut, Window, Windowing,
};
use crate::shape::Shape;
use crate::site::Site;

/// The elements of every window, and `fill` where a window is outside.
#[derive(Clone, Debug)]
struct Windows {
    windows: Vec<Window>,
    fill: f64,
}

/// The sum of all windows, each where it lies; what is outside is left out.
#[derive(Clone, Debug)]
struct OverlapAdd {
    windows: Vec<Window>,
}

impl Tensor {
    /// The elements of windows over the axes between the first and the last, with `fill` where a
    /// window is outside: `[batch, lengths.., channels]` becomes
    /// `[batch, counts.., sizes.., channels]`.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// use endo::ops::Window;
    /// // Three at a time, every second one, from one position before the first.
    /// let pairs = Window { size: 3, stride: 2, dilation: 1, before: 1, count: 2 };
    /// let mut f = Function::new(|[x], _cx| [x.windows(&[pairs], 0.0)]);
    /// let [windows] = f.run([&[[[1], [2], [3], [4]]].into()])?;
    /// assert_eq!(windows.reshape([2, 3])?, Array::from([[0, 1, 2], [2, 3, 4]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// The trace's: if there is not one window for each of those axes, or a size, stride or
    /// dilation is 0.
    #[track_caller]
    pub fn windows(&self, windows: &[Window], fill: f64) -> Tensor {
        let site = Site::caller();
        let shape = all_windows(windows, self.shape());
        if let Some(error) = misfit("windows", windows, windows.len() + 2, self.shape()) {
            return self.fail(error, shape, site);
        }
        if !lie(windows, self.shape(), &shape) {
            return self.fail(too_far("windows", windows), shape, site);
        }
        let kernel = Windows { windows: windows.to_vec(), fill };
        self.push(kernel, &[self], shape, self.dtype(), site)
    }

    /// Windows added up where they lie over axes of these lengths, the way back from
    /// [`windows`](Self::windows) and its gradient: `[batch, counts.., sizes.., channels]` becomes
    /// `[batch, lengths.., channels]`. What lies outside is left out.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// use endo::ops::Window;
    /// let window = Window { size: 2, stride: 1, dilation: 1, before: 0, count: 2 };
    /// let mut f = Function::new(|[x], _cx| [x.overlap_add(&[window], &[3])]);
    /// let [sum] = f.run([&Array::from([1, 2, 10, 20]).reshape([1, 2, 2, 1])?])?;
    /// assert_eq!(sum, Array::from([[[1], [12], [20]]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// The trace's: if there is not one window and length for each of those axes, of its count and
    /// size, or a stride or dilation is 0.
    #[track_caller]
    pub fn overlap_add(&self, windows: &[Window], lengths: &[usize]) -> Tensor {
        let site = Site::caller();
        let shape: Shape =
            [self.batch()].iter().chain(lengths).chain(&[self.features()]).copied().collect();
        let fits = lengths.len() == windows.len()
            && self
                .shape()
                .iter()
                .skip(1)
                .copied()
                .zip(counts_and_sizes(windows))
                .all(|(a, b)| a == b);
        let error =
            misfit("overlap_add", windows, 2 * windows.len() + 2, self.shape()).or_else(|| {
                let message = format!(
                    "`overlap_add` of {} to lengths {lengths:?} by {windows:?}",
                    self.shape()
                );
                let help = "the axes after the first are the windows' counts and then their sizes; \
                each has a length";
                (!fits).then(|| Error::shape(message, help))
            });
        let error = error.or_else(|| {
            (!lie(windows, &shape, self.shape())).then(|| too_far("overlap_add", windows))
        });
        if let Some(error) = error {
            return self.fail(error, shape, site);
        }
        let values = self.countable(site);
        let kernel = OverlapAdd { windows: windows.to_vec() };
        values.push(kernel, &[&values], shape, values.dtype(), site)
    }
}

/// What is wrong with windows for a tensor that should have the given number of axes.
pub(super) fn misfit(
    operation: &str,
    windows: &[Window],
    rank: usize,
    shape: &Shape,
) -> Option<Error> {
    if windows.is_empty() || shape.rank() != rank {
        let message =
            format!("`{operation}` of {} windows for a tensor of shape {shape}", windows.len());
        let help = "the first axis is the batch and the last one the channels; each axis between \
            them has a window";
        return Some(Error::shape(message, help));
    }
    let empty = windows
        .iter()
        .find(|window| window.size == 0 || window.stride == 0 || window.dilation == 0)?;
    let message = format!("`{operation}` by {empty:?}");
    Some(Error::argument(message, "sizes, strides and dilations are 1 or more"))
}

/// The error for windows that reach further than positions can be numbered.
pub(super) fn too_far(operation: &str, windows: &[Window]) -> Error {
    let message = format!("`{operation}` by {windows:?} reaches further than any axis");
    Error::argument(message, "check the sizes, strides, dilations and paddings that were given")
}

impl Kernel for Windows {
    fn name(&self) -> &'static str {
        "windows"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        macro_rules! take {
            ($from:expr, $to:expr, $fill:expr) => {
                for_each_stretch(&self.windows, inputs[0].shape, |stretches| {
                    match stretches.image {
                        Some(_) => {
                            copy_stretch(&stretches, $from, $to, true, |to, from| *to = from)
                        }
                        None => {
                            for n in 0..stretches.count {
                                let start = stretches.windows + n * stretches.windows_step;
                                $to[start..start + stretches.length].fill($fill);
                            }
                        }
                    }
                })
            };
        }
        match (inputs[0].values, output.values) {
            (Values::F32(from), ValuesMut::F32(to)) => take!(from, to, self.fill as f32),
            (Values::F64(from), ValuesMut::F64(to)) => take!(from, to, self.fill),
            (Values::I32(from), ValuesMut::I32(to)) => take!(from, to, self.fill as i32),
            (Values::Bool(from), ValuesMut::Bool(to)) => {
                take!(from, to, u8::from(self.fill != 0.0))
            }
            _ => unreachable!("input and output have one type"),
        }
    }

    fn gradient(&self, inputs: &[Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        vec![Some(dy.overlap_add(&self.windows, &inputs[0].shape()[1..=self.windows.len()]))]
    }

    fn attributes(&self) -> Vec<i64> {
        let fill = self.fill.to_bits() as i64;
        std::iter::once(fill).chain(numbers(&self.windows)).collect()
    }

    fn by_samples(&self) -> bool {
        true
    }

    fn windowing(&self) -> Option<Windowing<'_>> {
        (self.fill.to_bits() == 0).then_some(Windowing::Take(&self.windows))
    }

    fn fits(&self, inputs: &[Form<'_>], (shape, dtype): Form<'_>) -> bool {
        let &[(image, of)] = inputs else { return false };
        of == dtype && lie(&self.windows, image, shape)
    }
}

impl Kernel for OverlapAdd {
    fn name(&self) -> &'static str {
        "overlap_add"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        macro_rules! add {
            ($from:expr, $to:expr, $add:expr) => {{
                $to.fill(Default::default());
                for_each_stretch(&self.windows, output.shape, |stretches| {
                    copy_stretch(&stretches, $from, $to, false, $add)
                })
            }};
        }
        match (inputs[0].values, output.values) {
            (Values::F32(from), ValuesMut::F32(to)) => add!(from, to, |to, from| *to += from),
            (Values::F64(from), ValuesMut::F64(to)) => add!(from, to, |to, from| *to += from),
            (Values::I32(from), ValuesMut::I32(to)) => {
                add!(from, to, |to: &mut i32, from| *to = to.wrapping_add(from))
            }
            (Values::Bool(from), ValuesMut::Bool(to)) => add!(from, to, |to, from| *to |= from),
            _ => unreachable!("input and output have one type"),
        }
    }

    fn gradient(&self, _: &[Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        vec![Some(dy.windows(&self.windows, 0.0))]
    }

    fn attributes(&self) -> Vec<i64> {
        numbers(&self.windows).collect()
    }

    fn by_samples(&self) -> bool {
        true
    }

    fn windowing(&self) -> Option<Windowing<'_>> {
        Some(Windowing::Add(&self.windows))
    }

    fn fits(&self, inputs: &[Form<'_>], (shape, dtype): Form<'_>) -> bool {
        let &[(windows, of)] = inputs else { return false };
        of == dtype && lie(&self.windows, shape, windows)
    }
}

/// The kernels of this file in saved graphs.
pub(super) static READERS: &[KernelReader] = &[
    KernelReader::new("windows", |attributes| {
        let [fill, windows @ ..] = attributes else { return None };
        Some(Arc::new(Windows { windows: read(windows)?, fill: f64::from_bits(*fill as u64) }))
    }),
    KernelReader::new("overlap_add", |attributes| {
        Some(Arc::new(OverlapAdd { windows: read(attributes)? }))
    }),
];

/// The numbers of windows, one window after another.
pub(super) fn numbers(windows: &[Window]) -> impl Iterator<Item = i64> {
    let numbers = |window: &Window| {
        [window.size, window.stride, window.dilation, window.before, window.count]
    };
    windows.iter().flat_map(numbers).map(|number| number as i64)
}

/// The windows of [`numbers`], at least one.
pub(super) fn read(numbers: &[i64]) -> Option<Vec<Window>> {
    let (windows, rest) = numbers.as_chunks::<5>();
    let window = |numbers: &[i64; 5]| {
        let [size, stride, dilation, before, count] =
            numbers.map(|number| usize::try_from(number).ok());
        let (size, stride, dilation) = (size?, stride?, dilation?);
        let makes_sense = size > 0 && stride > 0 && dilation > 0;
        makes_sense.then_some(Window { size, stride, dilation, before: before?, count: count? })
    };
    if windows.is_empty() || !rest.is_empty() { None } else { windows.iter().map(window).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;

    /// Windows by their definition, one element at a time.
    fn expected(x: &Array, windows: &[Window], fill: f64) -> Vec<f64> {
        let shape = x.shape();
        let (n, channels) = (windows.len(), shape.features());
        let sizes = windows.iter().map(|w| w.count).chain(windows.iter().map(|w| w.size));
        let all: Shape = [shape.batch()].into_iter().chain(sizes).chain([channels]).collect();
        let (strides, from) = (all.strides(), shape.strides());
        let element = |index: usize| {
            let at = |axis: usize| index / strides[axis] % all[axis];
            let mut offset = at(0) * from[0] + at(all.rank() - 1);
            for (axis, w) in windows.iter().enumerate() {
                let position = (at(1 + axis) * w.stride + at(1 + n + axis) * w.dilation)
                    .checked_sub(w.before)?;
                offset += (position < shape[1 + axis]).then_some(position)? * from[1 + axis];
            }
            Some(x.get(offset))
        };
        (0..all.len()).map(|index| element(index).unwrap_or(fill)).collect()
    }

    fn run(kernel: &dyn Kernel, x: &Array, shape: &Shape) -> Vec<f64> {
        let mut y = vec![f64::NAN; shape.len()];
        let operand =
            Operand { shape: x.shape(), values: Values::from_bytes(x.dtype(), x.bytes()) };
        kernel.run(&[operand], OperandMut { shape, values: ValuesMut::F64(&mut y) });
        y
    }

    /// Sizes, strides, dilations and paddings of all kinds, also windows that lie outside whole.
    fn cases() -> Vec<Window> {
        let mut cases = Vec::new();
        for size in [1, 2, 3, 5] {
            for (stride, dilation) in [(1, 1), (2, 1), (1, 2), (3, 2), (1, 4)] {
                for (before, count) in [(0, 1), (0, 3), (1, 4), (3, 2), (9, 6)] {
                    cases.push(Window { size, stride, dilation, before, count });
                }
            }
        }
        cases
    }

    #[test]
    fn windows_hold_the_elements_of_their_definition_and_add_up_to_its_adjoint() {
        let cases = cases();
        for (index, &last) in cases.iter().enumerate() {
            for (windows, sizes) in [
                (vec![last], vec![2, 5, 3]),
                (vec![cases[(7 * index + 3) % cases.len()], last], vec![1, 4, 6, 1]),
                (
                    vec![
                        cases[(11 * index + 5) % cases.len()],
                        cases[(3 * index) % cases.len()],
                        last,
                    ],
                    vec![1, 2, 3, 4, 2],
                ),
            ] {
                let x = Array::from_fn(sizes, |i| (1.7 * i as f64).sin());
                let want = expected(&x, &windows, -0.5);
                let counted = windows.iter().map(|w| w.count).chain(windows.iter().map(|w| w.size));
                let shape: Shape = [x.shape().batch()]
                    .into_iter()
                    .chain(counted)
                    .chain([x.shape().features()])
                    .collect();
                assert_eq!(
                    run(&Windows { windows: windows.clone(), fill: -0.5 }, &x, &shape),
                    want,
                    "{windows:?}"
                );
                // <windows(x), y> = <x, overlap_add(y)> for the windows filled with 0.
                let y = Array::from_fn(&shape, |i| (0.9 * i as f64 + 0.4).cos());
                let back = run(&OverlapAdd { windows: windows.clone() }, &y, x.shape());
                let forth = expected(&x, &windows, 0.0);
                let [left, right] = [
                    forth.iter().enumerate().map(|(i, value)| value * y.get(i)).sum::<f64>(),
                    back.iter().enumerate().map(|(i, value)| value * x.get(i)).sum::<f64>(),
                ];
                assert!(
                    (left - right).abs() < 1e-9 * (1.0 + left.abs()),
                    "{windows:?}: {left} and {right}"
                );
            }
        }
    }
}
