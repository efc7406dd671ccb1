//! Where the elements of a row-major sequence lie in a buffer: views without copies.
//!
//! In: a contiguous value and the views looked at it through. Out: a [`Layout`] of as few axes as
//! possible, or nothing when strides cannot express the view.

use crate::graph::View;
use crate::shape::Shape;

/// Sequences up to this length are read in any order.
const SCATTERED_LENGTH: usize = 1 << 13;

/// The positions in a buffer of the elements of a row-major sequence.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Layout {
    /// The position of the first element.
    pub offset: usize,
    /// Sizes and strides, outermost first, of axes that cannot be merged; none for a single
    /// element.
    pub axes: Vec<Axis>,
}

/// A run of equally spaced positions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Axis {
    /// The number of positions.
    pub size: usize,
    /// The distance between neighbours, in elements.
    pub stride: isize,
}

impl Layout {
    /// Elements one after the other from the start of the buffer.
    pub fn contiguous(length: usize) -> Self {
        Self::new(0, [Axis { size: length, stride: 1 }])
    }

    /// The layout with these axes, merged where possible.
    pub fn new(offset: usize, axes: impl IntoIterator<Item = Axis>) -> Self {
        let mut merged: Vec<Axis> = Vec::new();
        for axis in axes {
            match merged.last_mut() {
                _ if axis.size == 1 => {}
                Some(outer) if outer.stride == axis.stride * axis.size as isize => {
                    *outer = Axis { size: outer.size * axis.size, stride: axis.stride };
                }
                _ => merged.push(axis),
            }
        }
        if merged.iter().any(|axis| axis.size == 0) {
            merged = vec![Axis { size: 0, stride: 1 }];
        }
        Self { offset, axes: merged }
    }

    /// The number of elements.
    pub fn length(&self) -> usize {
        self.axes.iter().map(|axis| axis.size).product()
    }

    /// Whether the elements lie one after the other.
    pub fn is_contiguous(&self) -> bool {
        match self.axes[..] {
            [] => true,
            [axis] => axis.stride == 1,
            _ => false,
        }
    }

    /// Whether the elements lie one after the other from the start of the buffer.
    pub fn is_plain(&self) -> bool {
        self.offset == 0 && self.is_contiguous()
    }

    /// Whether all elements of the sequence are the same one.
    pub fn is_uniform(&self) -> bool {
        self.axes.iter().all(|axis| axis.stride == 0)
    }

    /// The number of contiguous elements that the sequence repeats, if that is all it does.
    pub fn period(&self) -> Option<usize> {
        match self.axes[..] {
            [Axis { stride: 0, .. }, Axis { size, stride: 1 }] => Some(size),
            _ => None,
        }
    }

    /// Whether neighbours in the sequence lie apart, and neighbours in memory apart in the
    /// sequence, over more elements than a first-level cache holds: then a copy in blocks is faster
    /// than to read in the sequence's order.
    pub fn is_scattered(&self) -> bool {
        let Some((last, others)) = self.axes.split_last() else { return false };
        let apart =
            last.stride.abs() > 1 && others.iter().any(|axis| axis.stride == 1 && axis.size >= 4);
        apart && self.length() >= SCATTERED_LENGTH
    }

    /// The strides of the axes of a shape that the sequence is the row-major order of, if there are
    /// such.
    pub fn strides(&self, shape: &Shape) -> Option<Vec<isize>> {
        let mut strides = vec![0; shape.rank()];
        if shape.is_empty() {
            return Some(strides);
        }
        let mut left = self.axes.iter().rev().copied();
        let mut current = Axis { size: 1, stride: 0 };
        for (stride, &size) in strides.iter_mut().zip(shape.iter()).rev() {
            if size == 1 {
                continue;
            }
            if current.size == 1 {
                current = left.next()?;
            }
            // An axis of the shape may span several axes only if they had been merged.
            if !current.size.is_multiple_of(size) {
                return None;
            }
            *stride = current.stride;
            current = Axis { size: current.size / size, stride: current.stride * size as isize };
        }
        Some(strides)
    }

    /// The layout seen through a view from a shape to another, if strides can express it.
    pub fn through(&self, view: &View, from: &Shape, to: &Shape) -> Option<Layout> {
        if *view == View::Reshape {
            return Some(self.clone());
        }
        let strides = self.strides(from)?;
        let axis = |(&size, stride)| Axis { size, stride };
        let mut offset = self.offset as isize;
        let strides: Vec<isize> = match view {
            View::Reshape => strides,
            View::Transpose(permutation) => permutation.iter().map(|&axis| strides[axis]).collect(),
            View::Broadcast => strides
                .iter()
                .zip(from.iter())
                .map(|(&stride, &size)| if size == 1 { 0 } else { stride })
                .collect(),
            View::Slice(slices) => {
                let parts = strides.iter().zip(slices).zip(to.iter());
                parts
                    .map(|((&stride, &(first, step)), &size)| {
                        offset += first as isize * stride;
                        // Steps stay within the axis, but for one that leads nowhere and may be of
                        // any size.
                        if size < 2 { 0 } else { stride * step }
                    })
                    .collect()
            }
        };
        let offset = if to.is_empty() { 0 } else { offset as usize };
        Some(Layout::new(offset, to.iter().zip(strides).map(axis)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> (Layout, Shape) {
        (Layout::contiguous(6), [2, 3].into())
    }

    #[test]
    fn a_transposed_matrix_has_strides_and_its_transpose_is_plain() {
        let (layout, shape) = matrix();
        let swap = View::Transpose(vec![1, 0]);
        let transposed = layout.through(&swap, &shape, &[3, 2].into()).unwrap();
        assert_eq!(transposed.axes, [Axis { size: 3, stride: 1 }, Axis { size: 2, stride: 3 }]);
        assert!(transposed.through(&swap, &[3, 2].into(), &shape).unwrap().is_plain());
    }

    #[test]
    fn slices_move_the_start_and_may_run_backwards() {
        let (layout, shape) = matrix();
        let sliced =
            layout.through(&View::Slice(vec![(1, 1), (2, -1)]), &shape, &[1, 3].into()).unwrap();
        assert_eq!(sliced, Layout { offset: 5, axes: vec![Axis { size: 3, stride: -1 }] });
    }

    #[test]
    fn a_broadcast_row_has_a_period_and_a_broadcast_scalar_is_uniform() {
        let row = Layout::contiguous(3)
            .through(&View::Broadcast, &[1, 3].into(), &[4, 3].into())
            .unwrap();
        assert_eq!((row.period(), row.is_uniform()), (Some(3), false));
        let scalar = Layout::contiguous(1)
            .through(&View::Broadcast, &[1, 1].into(), &[4, 3].into())
            .unwrap();
        assert_eq!(scalar.axes, [Axis { size: 12, stride: 0 }]);
        assert!(scalar.is_uniform());
    }

    #[test]
    fn reshapes_are_free_until_a_view_needs_axes_that_strides_cannot_express() {
        let (layout, shape) = matrix();
        let transposed =
            layout.through(&View::Transpose(vec![1, 0]), &shape, &[3, 2].into()).unwrap();
        let flat = transposed.through(&View::Reshape, &[3, 2].into(), &[6].into()).unwrap();
        assert_eq!(flat.length(), 6);
        assert_eq!(flat.strides(&[6].into()), None);
        assert_eq!(flat.strides(&[3, 1, 2].into()), Some(vec![1, 0, 3]));
    }
}
