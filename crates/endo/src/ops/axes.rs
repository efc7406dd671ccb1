//! Which axes an operation is along.
//!
//! In: `-1`, `[0, 1]`, `&[-1]`. Out: their numbers, negative ones counted from the end.

/// One axis, or several: `-1`, `[0, 1]`, `&axes`. Negative ones count from the end.
///
/// ```
/// # use endo::prelude::*;
/// let mut f = Function::new(|[x], _| [x.sum_axes(-1), x.sum_axes([0]), x.sum_axes(&[0, 1])]);
/// let [rows, columns, all] = f.run([&[[1.0_f32, 3.0], [5.0, 2.0]].into()])?;
/// assert_eq!((rows, columns, all.item()?), ([4.0_f32, 7.0].into(), [6.0_f32, 5.0].into(), 11.0));
/// # Ok::<(), endo::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no axes",
    note = "give one axis, `-1`, or several, `[0, 1]`: whole numbers, negative ones counted from \
        the end"
)]
pub trait AxisList {
    /// The axes.
    fn to_axes(&self) -> Vec<isize>;
}

/// The number of an axis.
pub trait AxisNumber: Copy {
    /// As an `isize`.
    fn to_isize(self) -> isize;
}

impl AxisNumber for isize {
    fn to_isize(self) -> isize {
        self
    }
}

impl AxisNumber for i32 {
    fn to_isize(self) -> isize {
        self as isize
    }
}

impl AxisList for isize {
    fn to_axes(&self) -> Vec<isize> {
        vec![*self]
    }
}

impl AxisList for i32 {
    fn to_axes(&self) -> Vec<isize> {
        vec![*self as isize]
    }
}

impl<T: AxisNumber, const N: usize> AxisList for [T; N] {
    fn to_axes(&self) -> Vec<isize> {
        self.as_slice().to_axes()
    }
}

impl<T: AxisNumber> AxisList for [T] {
    fn to_axes(&self) -> Vec<isize> {
        self.iter().map(|axis| axis.to_isize()).collect()
    }
}

impl AxisList for Vec<isize> {
    fn to_axes(&self) -> Vec<isize> {
        self.clone()
    }
}

impl<A: AxisList + ?Sized> AxisList for &A {
    fn to_axes(&self) -> Vec<isize> {
        (**self).to_axes()
    }
}
