//! [`tree!`](crate::tree): structs with names for their parts as inputs, outputs and data.
//!
//! In: a struct that is generic over its leaves. Out: its [`Tree`] of tensors, and its arrays as
//! data.

use crate::array::Array;
use crate::graph::Tree;

/// Makes a struct with names for its parts a [`Tree`](crate::graph::Tree), in one line:
/// `tree!(Outputs { mean, deviation });`.
///
/// The struct is generic over what its leaves are, `struct Outputs<T = Tensor>`: of tensors in
/// `call`, and of arrays, `Outputs<Array>`, where [`predict`](crate::model::Model::predict) returns
/// it or a [`Dataset`](crate::data::Dataset) is made of it. Fields are `T`, arrays, vectors,
/// options and tuples of `T`, or such structs again. Their order in the macro is that of the
/// arrays: of targets, losses and metrics.
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
/// let targets = Outputs {
///     mean: Array::from([[1.0_f32], [3.0]]),
///     deviation: Array::from([[1.0_f32], [9.0]]),
/// };
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

            fn names(&self) -> Vec<Option<String>> {
                [$($crate::data::names_of(stringify!($field), &self.$field)),+].concat()
            }

            fn from_tensors(
                tensors: &mut dyn Iterator<Item = $crate::graph::Tensor>,
            ) -> Option<Self> {
                Some($Name { $($field: $crate::graph::Tree::from_tensors(tensors)?),+ })
            }

            fn arrays(values: &Self::Arrays) -> Vec<&$crate::Array> {
                [$(
                    $crate::data::arrays_of(|whole: &Self| &whole.$field, &values.$field)
                ),+]
                .concat()
            }

            fn from_arrays(
                arrays: &mut dyn Iterator<Item = $crate::Array>,
            ) -> Option<Self::Arrays> {
                Some($Name {
                    $(
                        $field: $crate::data::from_arrays_of(
                            |whole: &Self| &whole.$field,
                            arrays,
                        )?
                    ),+
                })
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

/// The arrays of a field, whose type among tensors is found from how it is read: for
/// [`tree!`](crate::tree).
#[doc(hidden)]
pub fn arrays_of<S, T: Tree>(_: fn(&S) -> &T, values: &T::Arrays) -> Vec<&Array> {
    T::arrays(values)
}

/// The names of a field's tensors: its own where it is one tensor, else with what each is called
/// within it.
#[doc(hidden)]
pub fn names_of<T: Tree>(field: &str, value: &T) -> Vec<Option<String>> {
    let inner = value.names();
    let is_one = inner.len() == 1;
    let name = |(index, inner): (usize, Option<String>)| match inner {
        Some(inner) => Some(format!("{field}_{inner}")),
        None if is_one => Some(field.to_string()),
        None => Some(format!("{field}_{index}")),
    };
    inner.into_iter().enumerate().map(name).collect()
}

/// A field of arrays, likewise.
#[doc(hidden)]
pub fn from_arrays_of<S, T: Tree>(
    _: fn(&S) -> &T,
    arrays: &mut dyn Iterator<Item = Array>,
) -> Option<T::Arrays> {
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
            Inner {
                both: [sum.clone(), a - b],
                more: inputs.inner.more.as_ref().map(|more| more * sum),
            }
        };
        let model = Model::new(net);
        let inputs = |more| Outer {
            first: column(1.0),
            inner: Inner { both: [column(2.0), column(3.0)], more },
        };
        let without = model.predict(&inputs(None)).unwrap();
        assert_eq!((without.both, without.more), ([column(6.0), column(-1.0)], None));
        assert_eq!(model.predict(&inputs(Some(column(10.0)))).unwrap().more, Some(column(60.0)));
        assert_eq!(
            Dataset::new(inputs(None), inputs(Some(column(4.0)))).unwrap().all_targets().len(),
            4
        );
    }

    #[test]
    fn tuples_of_eight_and_nested_ones_are_inputs_and_outputs() {
        type Eight =
            (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, (Tensor, Vec<Tensor>));
        let model = Model::new(|(a, .., h, (i, rest)): &Eight, _: &mut Context| {
            (a + h, (i * &rest[0], rest.len() as f64 * a))
        });
        let [one, two, three] = [1.0, 2.0, 3.0].map(column);
        let [a, b, c, d, e, f] = std::array::from_fn(|_| one.clone());
        let (sum, (product, count)) = model
            .predict(&(a, b, c, d, e, f, two.clone(), (two.clone(), vec![three.clone(), one])))
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
        error.reads("the data has 2 inputs, which is not what the model's `call` takes");
    }
}
