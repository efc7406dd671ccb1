//! Several tensors as one value: what layers of several inputs or outputs take and return.
//!
//! In: tensors, and arrays, vectors, options, tuples and structs of them. Out: their tensors in order, and the same structure of
//! arrays.

use crate::array::Array;

use super::Tensor;

/// A tensor or a structure of tensors: `Tensor`, `[Tensor; N]`, `Vec<Tensor>`, `Option<Tensor>`, tuples of up to eight such, and your
/// own structs, by [`tree!`](crate::tree).
///
/// An `Option<Tensor>` is an input that may be absent: data without an array for it gives `None`, and so does `None` in
/// [`predict`](crate::model::Model::predict). Arrays are handed out in order, so what may be absent stands last.
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
    note = "layers take and return a `Tensor`, or arrays, vectors, options and tuples of up to eight of them; for a struct of your own \
            write `struct Outputs<T = Tensor> {{ mean: T, deviation: T }}` and `tree!(Outputs {{ mean, deviation }});`"
)]
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

/// What may be absent: `None` when no tensors are left.
impl<T: Tree> Tree for Option<T> {
    type Arrays = Option<T::Arrays>;

    fn tensors(&self) -> Vec<&Tensor> {
        self.iter().flat_map(Tree::tensors).collect()
    }

    fn from_tensors(tensors: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        match tensors.next() {
            None => Some(None),
            Some(first) => T::from_tensors(&mut std::iter::once(first).chain(tensors)).map(Some),
        }
    }

    fn arrays(values: &Self::Arrays) -> Vec<&Array> {
        values.iter().flat_map(T::arrays).collect()
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

/// Makes a struct with names for its parts a [`Tree`](crate::graph::Tree), in one line: `tree!(Outputs { mean, deviation });`.
///
/// The struct is generic over what its leaves are, `struct Outputs<T = Tensor>`: of tensors in `call`, and of arrays,
/// `Outputs<Array>`, where [`predict`](crate::model::Model::predict) returns it or a [`Dataset`](crate::data::Dataset) is made of it.
/// Fields are `T`, arrays, vectors, options and tuples of `T`, or such structs again. Their order in the macro is that of the arrays:
/// of targets, losses and metrics.
///
/// ```
/// use endo::prelude::*;
///
/// struct Outputs<T = Tensor> { mean: T, deviation: T }
/// tree!(Outputs { mean, deviation });
///
/// let net = |x: &Tensor, _: &mut Context| Outputs { mean: x.clone(), deviation: x.square() };
/// let predictions = Model::new(net).predict(&Array::from([[1.0_f32], [3.0]]))?;
/// assert_eq!(predictions.deviation, Array::from([[1.0_f32], [9.0]]));
///
/// let targets = Outputs { mean: Array::from([[1.0_f32], [3.0]]), deviation: Array::from([[1.0_f32], [9.0]]) };
/// let data = Dataset::new([[1.0_f32], [3.0]], targets)?;
/// assert_eq!(data.all_targets(), [predictions.mean, predictions.deviation]);
/// # Ok::<(), endo::Error>(())
/// ```
#[macro_export]
macro_rules! tree {
    ($Name:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::graph::Tree for $Name<$crate::graph::Tensor> {
            type Arrays = $Name<$crate::Array>;

            fn tensors(&self) -> Vec<&$crate::graph::Tensor> {
                [$($crate::graph::Tree::tensors(&self.$field)),+].concat()
            }

            fn from_tensors(tensors: &mut dyn Iterator<Item = $crate::graph::Tensor>) -> Option<Self> {
                Some($Name { $($field: $crate::graph::Tree::from_tensors(tensors)?),+ })
            }

            fn arrays(values: &Self::Arrays) -> Vec<&$crate::Array> {
                [$($crate::graph::tree::arrays_of(|whole: &Self| &whole.$field, &values.$field)),+].concat()
            }

            fn from_arrays(arrays: &mut dyn Iterator<Item = $crate::Array>) -> Option<Self::Arrays> {
                Some($Name { $($field: $crate::graph::tree::from_arrays_of(|whole: &Self| &whole.$field, arrays)?),+ })
            }
        }

        impl From<$Name<$crate::Array>> for $crate::data::Arrays {
            fn from(values: $Name<$crate::Array>) -> Self {
                let arrays = <$Name<$crate::graph::Tensor> as $crate::graph::Tree>::arrays(&values);
                arrays.into_iter().cloned().collect::<Vec<_>>().into()
            }
        }
    };
}

/// The arrays of a field, whose type among tensors is found from how it is read: for [`tree!`](crate::tree).
#[doc(hidden)]
pub fn arrays_of<'v, S, T: Tree>(_: fn(&S) -> &T, values: &'v T::Arrays) -> Vec<&'v Array> {
    T::arrays(values)
}

/// A field of arrays, likewise.
#[doc(hidden)]
pub fn from_arrays_of<S, T: Tree>(_: fn(&S) -> &T, arrays: &mut dyn Iterator<Item = Array>) -> Option<T::Arrays> {
    T::from_arrays(arrays)
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    struct Inner<T = Tensor> {
        both: [T; 2],
        more: Option<T>,
    }
    tree!(Inner { both, more });

    struct Outer<T = Tensor> {
        first: T,
        inner: Inner<T>,
    }
    tree!(Outer { first, inner });

    fn column(number: f32) -> Array {
        Array::from([[number]])
    }

    #[test]
    fn structs_hold_structs_and_what_may_be_absent() {
        let net = |inputs: &Outer, _: &mut Context| {
            let [a, b] = &inputs.inner.both;
            let sum = &inputs.first + a + b;
            Inner { both: [sum.clone(), a - b], more: inputs.inner.more.as_ref().map(|more| more * sum) }
        };
        let model = Model::new(net);
        let inputs = |more| Outer { first: column(1.0), inner: Inner { both: [column(2.0), column(3.0)], more } };
        let without = model.predict(&inputs(None)).unwrap();
        assert_eq!((without.both, without.more), ([column(6.0), column(-1.0)], None));
        assert_eq!(model.predict(&inputs(Some(column(10.0)))).unwrap().more, Some(column(60.0)));
        assert_eq!(Dataset::new(inputs(None), inputs(Some(column(4.0)))).unwrap().all_targets().len(), 4);
    }

    #[test]
    fn tuples_of_eight_and_nested_ones_are_inputs_and_outputs() {
        type Eight = (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, (Tensor, Vec<Tensor>));
        let model = Model::new(|(a, .., h, (i, rest)): &Eight, _: &mut Context| (a + h, (i * &rest[0], rest.len() as f64 * a)));
        let [one, two, three] = [1.0, 2.0, 3.0].map(column);
        let (sum, (product, count)) = model
            .predict(&(
                one.clone(),
                one.clone(),
                one.clone(),
                one.clone(),
                one.clone(),
                one.clone(),
                two.clone(),
                (two.clone(), vec![three.clone(), one]),
            ))
            .unwrap();
        assert_eq!((sum, product, count), (three, column(6.0), two));
    }

    #[test]
    fn a_part_of_what_may_be_absent_is_an_error() {
        let model = Model::new(|(x, both): &(Tensor, Option<[Tensor; 2]>), _: &mut Context| {
            both.as_ref().map_or_else(|| x.clone(), |[a, b]| x + a + b)
        });
        assert_eq!(model.predict(&(column(1.0), None)).unwrap(), column(1.0));
        let error = model.build_on(&[column(1.0), column(2.0)]).unwrap_err();
        assert_eq!(error.message(), "the data has 2 inputs, which is not what the model's `call` takes");
    }
}
