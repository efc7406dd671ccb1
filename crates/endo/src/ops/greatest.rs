//! The greatest element of each window over the axes between the first and the last.
//!
//! In: `[batch, lengths.., channels]`. Out: `[batch, counts.., channels]`, and the way back. Both
//! are linear in what they move: one takes a number from where each window's greatest element is,
//! the other adds one there, and each is the gradient of the other.

use std::sync::Arc;

use crate::error::Error;
use crate::graph::windows::{all_windows, lie, one_for_each};
use crate::graph::{
    Form, Kernel, KernelReader, Operand, OperandMut, Tensor, Values, ValuesMut, Window, flag,
};
use crate::shape::Shape;
use crate::site::Site;

use super::window::{misfit, numbers, read, too_far};

/// The most axes between the first and the last.
const AXES: usize = 3;

/// The elements of the second input where the first one has the greatest of each window.
#[derive(Clone, Debug)]
struct TakeGreatest {
    windows: Vec<Window>,
    /// Whether a window that is outside gives 0, and not the lowest number that there is.
    zero_outside: bool,
}

/// The elements of the second input, `[batch, counts.., channels]`, added up where the first one
/// has the greatest of each window.
#[derive(Clone, Debug)]
struct AddToGreatest {
    windows: Vec<Window>,
}

impl Tensor {
    /// The greatest element of each window over the axes between the first and the last, channel by
    /// channel: `[batch, lengths.., channels]` becomes `[batch, counts.., channels]`. What is
    /// outside does not count. A NaN is greater than all; at ties the gradient goes to the first,
    /// as in TensorFlow.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// use endo::ops::Window;
    /// let pairs = Window { size: 2, stride: 2, dilation: 1, before: 0, count: 2 };
    /// let mut f = Function::new(|[x], _cx| [x.max_windows(&[pairs])]);
    /// let [greatest] = f.run([&[[[1.0_f32], [2.0], [4.0], [3.0]]].into()])?;
    /// assert_eq!(greatest, Array::from([[[2.0_f32], [4.0]]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// The trace's: if there is not one window for each of those axes, of which there are three at
    /// most, or a size, stride or dilation is 0.
    #[track_caller]
    pub fn max_windows(&self, windows: &[Window]) -> Tensor {
        let site = Site::caller();
        let shape = one_for_each(windows, self.shape());
        if let Some(error) = misfit("max_windows", windows, windows.len() + 2, self.shape()) {
            return self.fail(error, shape, site);
        }
        let all = all_windows(windows, self.shape());
        if !lie(windows, self.shape(), &all) {
            return self.fail(too_far("max_windows", windows), shape, site);
        }
        if !all.is_possible() {
            return self.fail(all.too_large(), shape, site);
        }
        if windows.len() > AXES {
            let message = format!("`max_windows` over {} axes", windows.len());
            let help = "there are three at most: reshape those that are not pooled to one";
            return self.fail(Error::argument(message, help), shape, site);
        }
        self.take_greatest(self, windows, false, site)
    }

    /// The elements of `values` where this tensor has the greatest of each window.
    fn take_greatest(
        &self,
        values: &Tensor,
        windows: &[Window],
        zero_outside: bool,
        site: Site,
    ) -> Tensor {
        let kernel = TakeGreatest { windows: windows.to_vec(), zero_outside };
        let shape = one_for_each(windows, self.shape());
        self.push(kernel, &[self, values], shape, values.dtype(), site)
    }

    /// `values`, one for each window, added up where this tensor has the greatest of it.
    fn add_to_greatest(&self, values: &Tensor, windows: &[Window], site: Site) -> Tensor {
        let kernel = AddToGreatest { windows: windows.to_vec() };
        let shape = self.shape().clone();
        self.push(kernel, &[self, values], shape, values.dtype(), site)
    }
}

/// Whether the first input is an image, and what else is said of shapes and types holds.
fn fits(windows: &[Window], image: &Shape, [given, made]: [Form<'_>; 2], turned: bool) -> bool {
    let (taken, all) = (one_for_each(windows, image), all_windows(windows, image));
    let (whole, each) = if turned { (made, given) } else { (given, made) };
    windows.len() <= AXES
        && image.rank() == windows.len() + 2
        && lie(windows, image, &all)
        && all.is_possible()
        && (whole.0, each.0) == (image, &taken)
        && given.1 == made.1
}

impl Kernel for TakeGreatest {
    fn name(&self) -> &'static str {
        "take_greatest"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        let [x, values] = inputs else { unreachable!("two inputs") };
        let (pooling, zero) = (Pooling::new(&self.windows, x.shape), self.zero_outside);
        match (values.values, output.values) {
            (Values::F32(values), ValuesMut::F32(to)) => pooling.take(x.values, values, zero, to),
            (Values::F64(values), ValuesMut::F64(to)) => pooling.take(x.values, values, zero, to),
            (Values::I32(values), ValuesMut::I32(to)) => pooling.take(x.values, values, zero, to),
            (Values::Bool(values), ValuesMut::Bool(to)) => pooling.take(x.values, values, zero, to),
            _ => unreachable!("the second input and the output have one type"),
        }
    }

    fn gradient(&self, inputs: &[Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        let [x, _] = inputs else { unreachable!("two inputs") };
        let gradient = x.add_to_greatest(dy, &self.windows, Site::caller());
        vec![None, Some(gradient)]
    }

    fn attributes(&self) -> Vec<i64> {
        std::iter::once(self.zero_outside.into()).chain(numbers(&self.windows)).collect()
    }

    fn by_samples(&self) -> bool {
        true
    }

    fn fits(&self, inputs: &[Form<'_>], output: Form<'_>) -> bool {
        let &[(image, _), values] = inputs else { return false };
        fits(&self.windows, image, [values, output], false)
    }
}

impl Kernel for AddToGreatest {
    fn name(&self) -> &'static str {
        "add_to_greatest"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        let [x, values] = inputs else { unreachable!("two inputs") };
        let pooling = Pooling::new(&self.windows, x.shape);
        match (values.values, output.values) {
            (Values::F32(values), ValuesMut::F32(to)) => pooling.add(x.values, values, to),
            (Values::F64(values), ValuesMut::F64(to)) => pooling.add(x.values, values, to),
            (Values::I32(values), ValuesMut::I32(to)) => pooling.add(x.values, values, to),
            (Values::Bool(values), ValuesMut::Bool(to)) => pooling.add(x.values, values, to),
            _ => unreachable!("the second input and the output have one type"),
        }
    }

    fn gradient(&self, inputs: &[Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        let [x, _] = inputs else { unreachable!("two inputs") };
        let gradient = x.take_greatest(dy, &self.windows, true, Site::caller());
        vec![None, Some(gradient)]
    }

    fn attributes(&self) -> Vec<i64> {
        numbers(&self.windows).collect()
    }

    fn by_samples(&self) -> bool {
        true
    }

    fn fits(&self, inputs: &[Form<'_>], output: Form<'_>) -> bool {
        let &[(image, _), values] = inputs else { return false };
        fits(&self.windows, image, [values, output], true)
    }
}

/// The kernels of this file in saved graphs.
pub(super) static READERS: &[KernelReader] = &[
    KernelReader::new("take_greatest", |attributes| {
        let [outside, windows @ ..] = attributes else { return None };
        let zero_outside = flag(*outside)?;
        Some(Arc::new(TakeGreatest { windows: read(windows)?, zero_outside }))
    }),
    KernelReader::new("add_to_greatest", |attributes| {
        Some(Arc::new(AddToGreatest { windows: read(attributes)? }))
    }),
];

/// Numbers that are compared and added.
trait Number: Copy + PartialOrd {
    /// No number is less.
    const LOWEST: Self;
    const ZERO: Self;
    fn plus(self, other: Self) -> Self;
    /// The values, if they are of this type.
    fn of(values: Values<'_>) -> Option<&[Self]>;

    #[inline(always)]
    fn is_nan(self) -> bool {
        #[expect(clippy::eq_op, reason = "a NaN is not itself")]
        let is_nan = self != self;
        is_nan
    }

    /// Whether it is greater, or NaN where the other is none.
    #[inline(always)]
    fn is_more(self, other: Self) -> bool {
        #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "with NaN, nothing is less or equal")]
        let is_not_less = !(self <= other);
        is_not_less & !other.is_nan()
    }

    /// Whether both are the same number, or NaN.
    #[inline(always)]
    fn is(self, other: Self) -> bool {
        (self == other) | (self.is_nan() & other.is_nan())
    }
}

macro_rules! numbers {
    ($($T:ident $Variant:ident $lowest:expr, $zero:expr, |$x:ident, $y:ident| $plus:expr;)+) => {
        $(impl Number for $T {
            const LOWEST: Self = $lowest;
            const ZERO: Self = $zero;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                let ($x, $y) = (self, other);
                $plus
            }
            fn of(values: Values<'_>) -> Option<&[Self]> {
                if let Values::$Variant(values) = values { Some(values) } else { None }
            }
        })+
    };
}

numbers! {
    f32 F32 f32::NEG_INFINITY, 0.0, |x, y| x + y;
    f64 F64 f64::NEG_INFINITY, 0.0, |x, y| x + y;
    i32 I32 i32::MIN, 0, |x, y| x.wrapping_add(y);
    u8 Bool 0, 0, |x, y| x | y;
}

/// Runs a block for each element of a window that is inside, in order: `$at` is the element of the
/// image at which its channels begin. Closures for it were measured: they stayed calls, and a step
/// of four convolutions took a tenth longer.
macro_rules! for_elements {
    ($window:expr, $at:ident, $block:block) => {
        let Pooling { windows, lengths, channels, .. } = $window.pooling;
        let [[a, a_end], [b, b_end], [c, c_end]] = $window.elements;
        let position = |axis: usize, element: usize| {
            let along = &windows[axis];
            $window.at[axis] * along.stride + element * along.dilation - along.before
        };
        for i in a..a_end {
            let row = $window.sample * lengths[0] + position(0, i);
            for j in b..b_end {
                let row = row * lengths[1] + position(1, j);
                for k in c..c_end {
                    let $at = (row * lengths[2] + position(2, k)) * channels;
                    $block
                }
            }
        }
    };
}

/// Windows over three axes, of which the first ones may be of one element, and where they lie.
struct Pooling {
    windows: [Window; AXES],
    lengths: [usize; AXES],
    batch: usize,
    channels: usize,
}

/// The part of a window that is inside: where each axis begins and how many elements there are.
struct WindowPart<'a> {
    pooling: &'a Pooling,
    /// The sample of the batch.
    sample: usize,
    /// The window along each axis, and its elements that are inside.
    at: [usize; AXES],
    elements: [[usize; 2]; AXES],
}

impl Pooling {
    fn new(windows: &[Window], image: &Shape) -> Self {
        let one = Window { size: 1, stride: 1, dilation: 1, before: 0, count: 1 };
        let (mut all, mut lengths, first) = ([one; AXES], [1; AXES], AXES - windows.len());
        all[first..].copy_from_slice(windows);
        lengths[first..].copy_from_slice(&image[1..=windows.len()]);
        Self { windows: all, lengths, batch: image.batch(), channels: image.features() }
    }

    fn take<T: Number>(&self, x: Values<'_>, values: &[T], zero_outside: bool, to: &mut [T]) {
        if !zero_outside && T::of(x).is_some_and(|x| std::ptr::eq(x, values)) {
            return self.greatest(values, to);
        }
        let outside = if zero_outside { T::ZERO } else { T::LOWEST };
        match x {
            Values::F32(x) => self.take_by(x, values, outside, to),
            Values::F64(x) => self.take_by(x, values, outside, to),
            Values::I32(x) => self.take_by(x, values, outside, to),
            Values::Bool(x) => self.take_by(x, values, outside, to),
        }
    }

    fn add<T: Number>(&self, x: Values<'_>, values: &[T], to: &mut [T]) {
        match x {
            Values::F32(x) => self.add_by(x, values, to),
            Values::F64(x) => self.add_by(x, values, to),
            Values::I32(x) => self.add_by(x, values, to),
            Values::Bool(x) => self.add_by(x, values, to),
        }
    }

    /// The greatest elements themselves.
    fn greatest<T: Number>(&self, x: &[T], to: &mut [T]) {
        self.each(|window, first| {
            let to = &mut to[first..first + self.channels];
            self.blocks(|c, width| match width {
                16 => to[c..c + 16].copy_from_slice(&window.greatest::<T, 16>(x, c)),
                4 => to[c..c + 4].copy_from_slice(&window.greatest::<T, 4>(x, c)),
                2 => to[c..c + 2].copy_from_slice(&window.greatest::<T, 2>(x, c)),
                _ => to[c..c + 1].copy_from_slice(&window.greatest::<T, 1>(x, c)),
            });
        });
    }

    fn take_by<X: Number, T: Number>(&self, x: &[X], values: &[T], outside: T, to: &mut [T]) {
        self.each(|window, first| {
            let to = &mut to[first..first + self.channels];
            to.fill(outside);
            self.blocks(|c, width| match width {
                16 => window.take::<X, T, 16>(x, values, to, c),
                4 => window.take::<X, T, 4>(x, values, to, c),
                2 => window.take::<X, T, 2>(x, values, to, c),
                _ => window.take::<X, T, 1>(x, values, to, c),
            });
        });
    }

    fn add_by<X: Number, T: Number>(&self, x: &[X], values: &[T], to: &mut [T]) {
        let sample = self.lengths.iter().product::<usize>() * self.channels;
        let mut filled = 0;
        self.each(|window, first| {
            // The zeros of a sample are still in a cache when its windows come.
            if window.sample == filled {
                to[sample * filled..][..sample].fill(T::ZERO);
                filled += 1;
            }
            let values = &values[first..first + self.channels];
            self.blocks(|c, width| match width {
                16 => window.add::<X, T, 16>(x, values, to, c),
                4 => window.add::<X, T, 4>(x, values, to, c),
                2 => window.add::<X, T, 2>(x, values, to, c),
                _ => window.add::<X, T, 1>(x, values, to, c),
            });
        });
        // Samples without windows.
        to[sample * filled..].fill(T::ZERO);
    }

    /// Calls `visit` with the first channel of blocks, and how many there are in it.
    fn blocks(&self, mut visit: impl FnMut(usize, usize)) {
        let mut c = 0;
        while c < self.channels {
            let width = match self.channels - c {
                16.. => 16,
                4.. => 4,
                2.. => 2,
                _ => 1,
            };
            visit(c, width);
            c += width;
        }
    }

    /// Calls `visit` for each window, with the element of the output at which its channels begin.
    fn each(&self, mut visit: impl FnMut(&WindowPart<'_>, usize)) {
        if self.channels == 0 {
            return;
        }
        let mut window =
            WindowPart { pooling: self, sample: 0, at: [0; AXES], elements: [[0; 2]; AXES] };
        let mut first = 0;
        for sample in 0..self.batch {
            window.sample = sample;
            for i in 0..self.windows[0].count {
                window.move_to(0, i);
                for j in 0..self.windows[1].count {
                    window.move_to(1, j);
                    for k in 0..self.windows[2].count {
                        window.move_to(2, k);
                        visit(&window, first);
                        first += self.channels;
                    }
                }
            }
        }
    }
}

impl WindowPart<'_> {
    /// Goes to a window along an axis.
    fn move_to(&mut self, axis: usize, at: usize) {
        let (window, length) = (self.pooling.windows[axis], self.pooling.lengths[axis]);
        let start = at * window.stride;
        let before = |position: usize| position.saturating_sub(start).div_ceil(window.dilation);
        let (first, end) = (before(window.before), before(window.before + length));
        self.at[axis] = at;
        self.elements[axis] = [first.min(window.size), end.min(window.size)];
    }

    /// The greatest numbers of `N` channels.
    #[inline(always)]
    fn greatest<X: Number, const N: usize>(&self, x: &[X], c: usize) -> [X; N] {
        let mut greatest = [X::LOWEST; N];
        for_elements!(self, at, {
            let x = block::<X, N>(x, at + c);
            for i in 0..N {
                let more = x[i].is_more(greatest[i]);
                greatest[i] = if more { x[i] } else { greatest[i] };
            }
        });
        greatest
    }

    #[inline(always)]
    fn take<X: Number, T: Number, const N: usize>(
        &self,
        x: &[X],
        values: &[T],
        to: &mut [T],
        c: usize,
    ) {
        let greatest = self.greatest::<X, N>(x, c);
        let (mut taken, mut left) = (*block::<T, N>(to, c), [true; N]);
        for_elements!(self, at, {
            let (x, values) = (block::<X, N>(x, at + c), block::<T, N>(values, at + c));
            for i in 0..N {
                let here = left[i] & x[i].is(greatest[i]);
                taken[i] = if here { values[i] } else { taken[i] };
                left[i] &= !here;
            }
        });
        to[c..c + N].copy_from_slice(&taken);
    }

    #[inline(always)]
    fn add<X: Number, T: Number, const N: usize>(
        &self,
        x: &[X],
        values: &[T],
        to: &mut [T],
        c: usize,
    ) {
        let greatest = self.greatest::<X, N>(x, c);
        // What is added goes to the first.
        let mut left = *block::<T, N>(values, c);
        for_elements!(self, at, {
            let x = block::<X, N>(x, at + c);
            let to: &mut [T; N] = to[at + c..].first_chunk_mut().expect("`N` numbers are left");
            for i in 0..N {
                let here = x[i].is(greatest[i]);
                to[i] = to[i].plus(if here { left[i] } else { T::ZERO });
                left[i] = if here { T::ZERO } else { left[i] };
            }
        });
    }
}

/// `N` numbers side by side.
#[inline(always)]
fn block<T, const N: usize>(values: &[T], at: usize) -> &[T; N] {
    values[at..at + N].first_chunk().expect("`N` numbers are left")
}
