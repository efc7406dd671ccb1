//! The sizes of an array's axes.
//!
//! In: anything that lists sizes (`[32, 8]`, `8`, `()`). Out: ranks, lengths, strides,
//! broadcasting.

use std::fmt;
use std::ops::Deref;

use crate::error::Error;

/// The sizes of the axes of an array, outermost first; `[]` is the shape of a scalar.
///
/// ```
/// use endo::Shape;
/// let shape = Shape::from([32, 8]);
/// assert_eq!((shape.rank(), shape.len(), shape.to_string()), (2, 256, "[32, 8]".to_string()));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// The shape of a scalar: no axes, one element.
    pub fn scalar() -> Self {
        Self(Vec::new())
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// An array has fewer elements than this: 2^40, which as `f32` take 4 TiB, more than one
    /// machine holds. So the sizes of an array multiply to its length, its bytes and its strides
    /// without overflow, in any order, and also beside sizes of 0.
    pub const LIMIT: usize = match 1_usize.checked_shl(40) {
        Some(limit) => limit,
        None => isize::MAX as usize / 16, // where addresses have 32 bits
    };

    /// The number of elements: the product of the sizes; `usize::MAX` where the product is larger
    /// than that.
    pub fn len(&self) -> usize {
        product(&self.0)
    }

    /// Whether an array may have this shape: the product of its sizes is less than
    /// [`LIMIT`](Self::LIMIT), not counting sizes of 0, which would hide that the others are too
    /// large.
    pub fn is_possible(&self) -> bool {
        self.0.iter().fold(1_usize, |product, &size| product.saturating_mul(size.max(1)))
            < Self::LIMIT
    }

    /// The error for a shape that no array may have.
    pub(crate) fn too_large(&self) -> Error {
        let message = format!("an array of shape {self} has more elements than a machine holds");
        let help = "the sizes must multiply to less than 2^40: check the sizes that were given";
        Error::shape(message, help)
    }

    /// A small shape of the same rank, for the stand-in of a tensor that cannot have this one.
    pub(crate) fn stand_in(&self) -> Shape {
        self.0.iter().map(|&size| size.min(1)).collect()
    }

    /// Whether there are no elements: some axis has size 0.
    pub fn is_empty(&self) -> bool {
        self.0.contains(&0)
    }

    /// The sizes, outermost first.
    pub fn sizes(&self) -> &[usize] {
        &self.0
    }

    /// Whether it has one element and no axes.
    pub fn is_scalar(&self) -> bool {
        self.0.is_empty()
    }

    /// The size of the last axis: the number of features. 1 for a scalar.
    pub fn features(&self) -> usize {
        self.0.last().copied().unwrap_or(1)
    }

    /// The size of the first axis: the number of samples in a batch. 1 for a scalar.
    pub fn batch(&self) -> usize {
        self.0.first().copied().unwrap_or(1)
    }

    /// Distances between neighbours along each axis, in elements, row-major.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.rank()];
        for axis in (1..self.rank()).rev() {
            strides[axis - 1] = strides[axis] * self.0[axis];
        }
        strides
    }

    /// The axis that `axis` means, counted from the end when negative.
    pub fn axis(&self, axis: isize) -> Option<usize> {
        let rank = self.rank() as isize;
        let axis = if axis < 0 { axis + rank } else { axis };
        (0..rank).contains(&axis).then_some(axis as usize)
    }

    /// The shape both broadcast to under NumPy's rule, or `None`.
    ///
    /// ```
    /// use endo::Shape;
    /// assert_eq!(Shape::from([32, 1]).broadcast(&[8].into()), Some([32, 8].into()));
    /// ```
    pub fn broadcast(&self, other: &Shape) -> Option<Shape> {
        let rank = self.rank().max(other.rank());
        let size = |shape: &Shape, axis: usize| {
            (axis + shape.rank()).checked_sub(rank).map_or(1, |i| shape.0[i])
        };
        (0..rank)
            .map(|axis| match (size(self, axis), size(other, axis)) {
                (a, b) if a == b => Some(a),
                (1, b) => Some(b),
                (a, 1) => Some(a),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .map(Shape)
    }

    /// The shape without the given axes.
    pub fn without(&self, axes: &[usize]) -> Shape {
        self.0
            .iter()
            .enumerate()
            .filter(|(axis, _)| !axes.contains(axis))
            .map(|(_, &size)| size)
            .collect()
    }

    /// The shape with the given axes set to 1.
    pub fn with_ones(&self, axes: &[usize]) -> Shape {
        self.0
            .iter()
            .enumerate()
            .map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size })
            .collect()
    }

    /// The shape with one axis set to `size`.
    pub fn with(&self, axis: usize, size: usize) -> Shape {
        let mut shape = self.clone();
        shape.0[axis] = size;
        shape
    }
}

/// The product of sizes that a user gave; `usize::MAX`, which no array has, where it is larger than
/// that.
pub(crate) fn product<'a>(sizes: impl IntoIterator<Item = &'a usize>) -> usize {
    sizes.into_iter().fold(1, |product, &size| product.saturating_mul(size))
}

impl Deref for Shape {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(sizes: I) -> Self {
        Self(sizes.into_iter().collect())
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(sizes: [usize; N]) -> Self {
        Self(sizes.to_vec())
    }
}

impl From<usize> for Shape {
    fn from(size: usize) -> Self {
        Self(vec![size])
    }
}

impl From<()> for Shape {
    fn from(_: ()) -> Self {
        Self::scalar()
    }
}

impl From<Vec<usize>> for Shape {
    fn from(sizes: Vec<usize>) -> Self {
        Self(sizes)
    }
}

impl From<&[usize]> for Shape {
    fn from(sizes: &[usize]) -> Self {
        Self(sizes.to_vec())
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Self {
        shape.clone()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_are_row_major() {
        assert_eq!(Shape::from([2, 3, 4]).strides(), [12, 4, 1]);
    }

    #[test]
    fn shapes_whose_sizes_multiply_to_too_much_are_impossible() {
        assert!(Shape::scalar().is_possible() && Shape::from([3, 0, 5]).is_possible());
        assert!(
            Shape::from([1 << 20, (1 << 20) - 1]).is_possible()
                && !Shape::from([1 << 20, 1 << 20]).is_possible()
        );
        assert!(
            !Shape::from([0, 1 << 40]).is_possible()
                && !Shape::from([1 << 32, 1 << 32]).is_possible()
        );
        assert_eq!(
            [Shape::from([1 << 32, 1 << 32]).len(), Shape::from([1 << 40, 1 << 40, 0]).len()],
            [usize::MAX, 0]
        );
    }

    #[test]
    fn broadcast_aligns_the_last_axes() {
        assert_eq!(Shape::from([4, 1, 3]).broadcast(&[2, 1].into()), Some([4, 2, 3].into()));
        assert_eq!(Shape::from([4]).broadcast(&[3].into()), None);
        assert_eq!(Shape::scalar().broadcast(&[3].into()), Some([3].into()));
    }

    #[test]
    fn negative_axes_count_from_the_end() {
        assert_eq!(Shape::from([2, 3]).axis(-1), Some(1));
        assert_eq!(Shape::from([2, 3]).axis(2), None);
    }
}
