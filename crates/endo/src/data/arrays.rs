//! One array or several, as what goes into a model of one or several inputs, and what comes out.
//!
//! In: an array, Rust numbers, a tuple, an array or a vector of arrays. Out: the arrays in order.

use crate::array::Array;
use crate::dtype::Element;

/// One array or several: what [`Dataset::new`](super::Dataset::new) takes.
///
/// ```
/// use endo::Array;
/// use endo::data::Dataset;
/// let (wide, deep) = (Array::from([[1.0_f32], [2.0]]), Array::from([[3.0_f32, 4.0], [5.0, 6.0]]));
/// let data = Dataset::new((wide, deep), [[0.0_f32], [1.0]])?;
/// assert_eq!(data.all_inputs().len(), 2);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Arrays(pub Vec<Array>);

impl From<Array> for Arrays {
    fn from(array: Array) -> Self {
        Self(vec![array])
    }
}

impl From<&Array> for Arrays {
    fn from(array: &Array) -> Self {
        Self(vec![array.clone()])
    }
}

impl<T: Element> From<T> for Arrays {
    fn from(value: T) -> Self {
        Self(vec![value.into()])
    }
}

impl<T: Element> From<Vec<T>> for Arrays {
    fn from(values: Vec<T>) -> Self {
        Self(vec![values.into()])
    }
}

impl<T: Element, const N: usize> From<[T; N]> for Arrays {
    fn from(values: [T; N]) -> Self {
        Self(vec![values.into()])
    }
}

impl<T: Element, const N: usize, const M: usize> From<[[T; M]; N]> for Arrays {
    fn from(values: [[T; M]; N]) -> Self {
        Self(vec![values.into()])
    }
}

impl<T: Element, const N: usize, const M: usize, const K: usize> From<[[[T; K]; M]; N]> for Arrays {
    fn from(values: [[[T; K]; M]; N]) -> Self {
        Self(vec![values.into()])
    }
}

impl From<Vec<Array>> for Arrays {
    fn from(arrays: Vec<Array>) -> Self {
        Self(arrays)
    }
}

impl<const N: usize> From<[Array; N]> for Arrays {
    fn from(arrays: [Array; N]) -> Self {
        Self(arrays.into())
    }
}

impl From<(Array, Array)> for Arrays {
    fn from((a, b): (Array, Array)) -> Self {
        Self(vec![a, b])
    }
}

impl From<(Array, Array, Array)> for Arrays {
    fn from((a, b, c): (Array, Array, Array)) -> Self {
        Self(vec![a, b, c])
    }
}
