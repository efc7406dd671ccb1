//! Several tensors as one value: what layers of several inputs or outputs take and return.
//!
//! In: tensors, and arrays, vectors, options, tuples and structs of them. Out: their tensors in
//! order, and the same structure of arrays.

use crate::array::Array;

use super::Tensor;

/// A tensor or a structure of tensors: `Tensor`, `[Tensor; N]`, `Vec<Tensor>`, `Option<Tensor>`,
/// tuples of up to eight such, and your own structs, by [`tree!`](crate::tree).
///
/// An `Option<Tensor>` is an input that may be absent: data without an array for it gives `None`,
/// and so does `None` in [`predict`](crate::model::Model::predict). Arrays are handed out in order,
/// so what may be absent stands last.
///
/// ```
/// use endo::prelude::*;
///
/// /// Adds the loss itself where there are targets, as an "endpoint layer" of Keras.
/// struct Endpoint { dense: Dense }
///
/// impl Layer<(Tensor, Option<Tensor>)> for Endpoint {
///     fn call(&self, (x, targets): &(Tensor, Option<Tensor>), cx: &mut Context) -> Tensor {
///         let y = self.dense.apply(x, cx);
///         if let Some(targets) = targets {
///             cx.add_loss("squared_error", (targets - &y).square().mean());
///         }
///         y
///     }
/// }
///
/// let mut model = Model::new(Endpoint { dense: Dense::new(1).kernel_initializer("zeros") });
/// model.compile(Sgd::new(0.25), (), ());
/// let (x, y) = (Array::from([[1.0_f32]]), Array::from([[2.0_f32]]));
/// model.fit(&Dataset::inputs_only((&x, &y))?, Fit::epochs(1))?;
/// assert_eq!(model.predict(&(x, None))?, Array::from([[2.0_f32]]));
/// # Ok::<(), endo::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no structure of tensors",
    note = "layers take and return a `Tensor`, or arrays, vectors, options and tuples of up to \
        eight of them; for a struct of your own write `struct Outputs<T = Tensor> {{ mean: T, \
        deviation: T }}` and `tree!(Outputs {{ mean, deviation }});`"
)]
pub trait Tree: Sized + 'static {
    /// The same structure of arrays: what goes into a run, or comes out of it.
    type Arrays;

    /// Its tensors, in order.
    fn tensors(&self) -> Vec<&Tensor>;

    /// What it calls its tensors, in the same order: the fields of a struct have names, positions
    /// have none.
    fn names(&self) -> Vec<Option<String>> {
        vec![None; self.tensors().len()]
    }

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

/// What structures of parts of one type have in common, within their `impl Tree`: the tensors,
/// names and arrays of their parts, in order.
macro_rules! parts_in_order {
    () => {
        fn tensors(&self) -> Vec<&Tensor> {
            self.iter().flat_map(Tree::tensors).collect()
        }

        fn names(&self) -> Vec<Option<String>> {
            self.iter().flat_map(Tree::names).collect()
        }

        fn arrays(values: &Self::Arrays) -> Vec<&Array> {
            values.iter().flat_map(T::arrays).collect()
        }
    };
}

impl<T: Tree, const N: usize> Tree for [T; N] {
    type Arrays = [T::Arrays; N];

    parts_in_order! {}

    fn from_tensors(tensors: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        let parts: Option<Vec<T>> = (0..N).map(|_| T::from_tensors(tensors)).collect();
        parts.and_then(|parts| parts.try_into().ok())
    }

    fn from_arrays(arrays: &mut dyn Iterator<Item = Array>) -> Option<Self::Arrays> {
        let parts: Option<Vec<T::Arrays>> = (0..N).map(|_| T::from_arrays(arrays)).collect();
        parts.and_then(|parts| parts.try_into().ok())
    }
}

/// Nothing: what a case of [`Context::cond`](crate::trace::Context::cond) returns that only
/// assigns.
impl Tree for () {
    type Arrays = ();

    fn tensors(&self) -> Vec<&Tensor> {
        Vec::new()
    }

    fn from_tensors(_: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        Some(())
    }

    fn arrays((): &()) -> Vec<&Array> {
        Vec::new()
    }

    fn from_arrays(_: &mut dyn Iterator<Item = Array>) -> Option<()> {
        Some(())
    }
}

/// As many as there are.
impl<T: Tree> Tree for Vec<T> {
    type Arrays = Vec<T::Arrays>;

    parts_in_order! {}

    fn from_tensors(tensors: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        Some(std::iter::from_fn(|| T::from_tensors(tensors)).collect())
    }

    fn from_arrays(arrays: &mut dyn Iterator<Item = Array>) -> Option<Self::Arrays> {
        Some(std::iter::from_fn(|| T::from_arrays(arrays)).collect())
    }
}

/// What may be absent: `None` when no tensors are left.
impl<T: Tree> Tree for Option<T> {
    type Arrays = Option<T::Arrays>;

    parts_in_order! {}

    fn from_tensors(tensors: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        match tensors.next() {
            None => Some(None),
            Some(first) => T::from_tensors(&mut std::iter::once(first).chain(tensors)).map(Some),
        }
    }

    fn from_arrays(arrays: &mut dyn Iterator<Item = Array>) -> Option<Self::Arrays> {
        match arrays.next() {
            None => Some(None),
            Some(first) => T::from_arrays(&mut std::iter::once(first).chain(arrays)).map(Some),
        }
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

                fn names(&self) -> Vec<Option<String>> {
                    let ($($part,)+) = self;
                    [$($part.names()),+].concat()
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
    (A a)
    (A a, B b)
    (A a, B b, C c)
    (A a, B b, C c, D d)
    (A a, B b, C c, D d, E e)
    (A a, B b, C c, D d, E e, F f)
    (A a, B b, C c, D d, E e, F f, G g)
    (A a, B b, C c, D d, E e, F f, G g, H h)
}
