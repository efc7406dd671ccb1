//! Several tensors as one value: what layers of several inputs or outputs take and return.
//!
//! In: tensors, arrays and vectors of them, tuples. Out: their tensors in order, and the same structure of arrays.

use crate::array::Array;

use super::Tensor;

/// A tensor or a structure of tensors: `Tensor`, `[Tensor; N]`, `Vec<Tensor>`, tuples of such, and your own structs.
///
/// ```
/// use endo::graph::{Tensor, Tree};
/// use endo::Array;
///
/// struct Outputs<T> { price: T, class: T }
///
/// impl Tree for Outputs<Tensor> {
///     type Arrays = Outputs<Array>;
///     fn tensors(&self) -> Vec<&Tensor> {
///         vec![&self.price, &self.class]
///     }
///     fn from_tensors(tensors: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
///         Some(Outputs { price: tensors.next()?, class: tensors.next()? })
///     }
///     fn arrays(values: &Outputs<Array>) -> Vec<&Array> {
///         vec![&values.price, &values.class]
///     }
///     fn from_arrays(arrays: &mut dyn Iterator<Item = Array>) -> Option<Outputs<Array>> {
///         Some(Outputs { price: arrays.next()?, class: arrays.next()? })
///     }
/// }
/// ```
pub trait Tree: Sized + 'static {
    /// The same structure of arrays: what goes into a run, or comes out of it.
    type Arrays;

    /// Its tensors, in order.
    fn tensors(&self) -> Vec<&Tensor>;

    /// The structure made of tensors in that order; `None` when there are too few.
    fn from_tensors(tensors: &mut dyn Iterator<Item = Tensor>) -> Option<Self>;

    /// The arrays of a structure of arrays, in order.
    fn arrays(values: &Self::Arrays) -> Vec<&Array>;

    /// The structure made of arrays in that order; `None` when there are too few.
    fn from_arrays(arrays: &mut dyn Iterator<Item = Array>) -> Option<Self::Arrays>;
}

impl Tree for Tensor {
    type Arrays = Array;

    fn tensors(&self) -> Vec<&Tensor> {
        vec![self]
    }

    fn from_tensors(tensors: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        tensors.next()
    }

    fn arrays(values: &Array) -> Vec<&Array> {
        vec![values]
    }

    fn from_arrays(arrays: &mut dyn Iterator<Item = Array>) -> Option<Array> {
        arrays.next()
    }
}

impl<T: Tree, const N: usize> Tree for [T; N] {
    type Arrays = [T::Arrays; N];

    fn tensors(&self) -> Vec<&Tensor> {
        self.iter().flat_map(Tree::tensors).collect()
    }

    fn from_tensors(tensors: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        let parts: Option<Vec<T>> = (0..N).map(|_| T::from_tensors(tensors)).collect();
        parts.and_then(|parts| parts.try_into().ok())
    }

    fn arrays(values: &Self::Arrays) -> Vec<&Array> {
        values.iter().flat_map(T::arrays).collect()
    }

    fn from_arrays(arrays: &mut dyn Iterator<Item = Array>) -> Option<Self::Arrays> {
        let parts: Option<Vec<T::Arrays>> = (0..N).map(|_| T::from_arrays(arrays)).collect();
        parts.and_then(|parts| parts.try_into().ok())
    }
}

/// As many as there are.
impl<T: Tree> Tree for Vec<T> {
    type Arrays = Vec<T::Arrays>;

    fn tensors(&self) -> Vec<&Tensor> {
        self.iter().flat_map(Tree::tensors).collect()
    }

    fn from_tensors(tensors: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        Some(std::iter::from_fn(|| T::from_tensors(tensors)).collect())
    }

    fn arrays(values: &Self::Arrays) -> Vec<&Array> {
        values.iter().flat_map(T::arrays).collect()
    }

    fn from_arrays(arrays: &mut dyn Iterator<Item = Array>) -> Option<Self::Arrays> {
        Some(std::iter::from_fn(|| T::from_arrays(arrays)).collect())
    }
}

macro_rules! tuples {
    ($(($($Part:ident $part:ident),+))+) => {
        $(
            impl<$($Part: Tree),+> Tree for ($($Part,)+) {
                type Arrays = ($($Part::Arrays,)+);

                fn tensors(&self) -> Vec<&Tensor> {
                    let ($($part,)+) = self;
                    [$($part.tensors()),+].concat()
                }

                fn from_tensors(tensors: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
                    Some(($($Part::from_tensors(tensors)?,)+))
                }

                fn arrays(values: &Self::Arrays) -> Vec<&Array> {
                    let ($($part,)+) = values;
                    [$($Part::arrays($part)),+].concat()
                }

                fn from_arrays(arrays: &mut dyn Iterator<Item = Array>) -> Option<Self::Arrays> {
                    Some(($($Part::from_arrays(arrays)?,)+))
                }
            }
        )+
    };
}

tuples! {
    (A a, B b)
    (A a, B b, C c)
    (A a, B b, C c, D d)
}
