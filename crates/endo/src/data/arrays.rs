//! One array or several, as what goes into a model of one or several inputs, and what comes out.
//!
//! In: an array, Rust numbers, and tuples, vectors, options and structs of such. Out: the arrays in
//! order, or what cannot be one.

use crate::array::Array;
use crate::dtype::Element;
use crate::error::{Error, Result};
use crate::shape::Shape;

/// One array or several: what [`Dataset::new`](super::Dataset::new) takes. Integers of all of
/// Rust's types but `i32` and `u8` are converted to `i32`, and one that does not fit is an error;
/// tuples have up to eight parts, each of which may be several arrays again; `()` and `None` are no
/// array; structs of arrays are made fit by [`tree!`](crate::tree).
///
/// ```
/// use endo::Array;
/// use endo::data::Dataset;
/// let deep = Array::from([[3.0_f32], [4.0]]);
/// let (labels, prices) = (vec![7_u8, 9], [[0.5_f32], [0.25]]);
/// let data = Dataset::new(([[1.0_f32], [2.0]], &deep), (labels, prices))?;
/// assert_eq!((data.all_inputs().len(), data.targets()), (2, Some(&Array::from([7_u8, 9]))));
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Arrays(Result<Vec<Array>>);

/// What becomes [`Arrays`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither an array of numbers nor several of them",
    note = "give an `Array`, nested arrays or vectors of Rust numbers, several of these in a \
        tuple or vector, or `()`",
    note = "a table with words is read by `endo::data::Table`"
)]
pub trait IntoArrays: Into<Arrays> {}

#[diagnostic::do_not_recommend]
impl<A: Into<Arrays>> IntoArrays for A {}

/// What becomes [`OutputArrays`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither an array of numbers nor several of them",
    note = "give an `Array`, nested arrays or vectors of Rust numbers, several of these in a \
        tuple or vector, or pairs of the names of \
            outputs and arrays: `[(\"price\", prices), (\"class\", classes)]`"
)]
pub trait IntoOutputArrays: Into<OutputArrays> {}

#[diagnostic::do_not_recommend]
impl<A: Into<OutputArrays>> IntoOutputArrays for A {}

/// Arrays for the outputs of a model, in their order or by the outputs' names: the targets that
/// [`Dataset::new`](super::Dataset::new) takes, and sample weights.
///
/// ```
/// use endo::data::Dataset;
/// use endo::prelude::*;
/// let (labels, prices) = (Array::from([0, 1]), Array::from([[0.5_f32], [2.0]]));
/// let data = Dataset::new([[1.0_f32], [2.0]], [("price", prices), ("class", labels)])?;
///
/// let (class, price) = (Dense::new(2).name("class"), Dense::new(1).name("price"));
/// let mut model =
///     Model::new(move |x: &Tensor, cx: &mut Context| (class.apply(x, cx), price.apply(x, cx)));
/// let scc = SparseCategoricalCrossentropy::new().from_logits(true);
/// model.compile("adam", (("class", scc), ("price", MeanSquaredError)), ());
/// model.fit(&data, Fit::epochs(1))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct OutputArrays {
    /// None where they are given in the order of the outputs.
    pub(super) names: Option<Vec<String>>,
    pub(super) arrays: Arrays,
}

/// Names of outputs; empty where arrays are in the order of the outputs.
#[derive(Clone, PartialEq, Default, Debug)]
pub(super) struct Names {
    pub targets: Vec<String>,
    pub sample_weights: Vec<String>,
}

impl<A: Into<Arrays>> From<A> for OutputArrays {
    fn from(arrays: A) -> Self {
        Self { names: None, arrays: arrays.into() }
    }
}

impl<const N: usize> From<[(&str, Array); N]> for OutputArrays {
    fn from(named: [(&str, Array); N]) -> Self {
        named.into_iter().map(|(name, array)| (name.to_string(), array)).collect::<Vec<_>>().into()
    }
}

impl From<Vec<(String, Array)>> for OutputArrays {
    fn from(named: Vec<(String, Array)>) -> Self {
        let (names, arrays): (Vec<String>, Vec<Array>) = named.into_iter().unzip();
        Self { names: Some(names), arrays: Arrays(Ok(arrays)) }
    }
}

impl Arrays {
    /// The arrays in order.
    ///
    /// # Errors
    /// When a number among them is none that an array can hold.
    pub fn into_vec(self) -> Result<Vec<Array>> {
        self.0
    }

    /// Several of them, one after the other.
    pub fn concat(parts: impl IntoIterator<Item = Arrays>) -> Self {
        let parts: Result<Vec<Vec<Array>>> = parts.into_iter().map(Self::into_vec).collect();
        Self(parts.map(|parts| parts.concat()))
    }
}

/// A Rust number that data can be given as: one that an array can hold, or an integer that is
/// converted to `i32`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no number that data can hold",
    note = "data holds `f32`, `f64`, `bool` and integers: convert it first, for example with \
        `.map(|x| x as f32)`"
)]
pub trait Number: Copy + 'static {
    /// The array of these numbers.
    ///
    /// # Errors
    /// When one of them does not fit, or they do not fill the shape.
    fn array(shape: Shape, values: Vec<Self>) -> Result<Array>;
}

#[diagnostic::do_not_recommend]
impl<T: Element> Number for T {
    fn array(shape: Shape, values: Vec<Self>) -> Result<Array> {
        Array::new(shape, values)
    }
}

macro_rules! converted {
    ($($Type:ty)+) => {
        $(
            impl Number for $Type {
                fn array(shape: Shape, values: Vec<Self>) -> Result<Array> {
                    let fitting: Option<Vec<i32>> =
                        values.iter().map(|&value| i32::try_from(value).ok()).collect();
                    match fitting {
                        Some(values) => Array::new(shape, values),
                        None => Err(does_not_fit(&shape, &values)),
                    }
                }
            }
        )+
    };
}

converted! { i8 i16 i64 i128 isize u16 u32 u64 u128 usize }

/// Names of which each comes once; none where there are none.
pub(super) fn once(what: &str, names: Option<Vec<String>>) -> Result<Vec<String>> {
    let names = names.unwrap_or_default();
    match (0..names.len()).find(|&index| names[..index].contains(&names[index])) {
        Some(again) => {
            let message = format!("two arrays of {what} are for the output `{}`", names[again]);
            Err(Error::argument(message, "give each output one array"))
        }
        None => Ok(names),
    }
}

/// What is wrong with integers of which one does not fit.
fn does_not_fit<T: Copy + TryInto<i32> + std::fmt::Display>(shape: &Shape, values: &[T]) -> Error {
    let place = values.iter().position(|&value| value.try_into().is_err()).unwrap_or_default();
    let row = place / (shape.len() / shape.batch().max(1)).max(1);
    let message = format!(
        "an integer in the data is {}: row {row}, counted from 0; data holds integers of 32 bits",
        values[place]
    );
    let help = format!(
        "give numbers from {} to {}, number classes anew from 0, or convert to `f32` what is \
        measured",
        i32::MIN,
        i32::MAX
    );
    Error::data(message, help)
}

fn single<T: Number>(shape: impl Into<Shape>, values: Vec<T>) -> Arrays {
    Arrays(T::array(shape.into(), values).map(|array| vec![array]))
}

impl From<Array> for Arrays {
    fn from(array: Array) -> Self {
        Self(Ok(vec![array]))
    }
}

impl From<&Array> for Arrays {
    fn from(array: &Array) -> Self {
        array.clone().into()
    }
}

impl<T: Number> From<T> for Arrays {
    fn from(value: T) -> Self {
        single((), vec![value])
    }
}

impl<T: Number> From<Vec<T>> for Arrays {
    fn from(values: Vec<T>) -> Self {
        single(values.len(), values)
    }
}

impl<T: Number> From<&[T]> for Arrays {
    fn from(values: &[T]) -> Self {
        values.to_vec().into()
    }
}

impl<T: Number, const N: usize> From<[T; N]> for Arrays {
    fn from(values: [T; N]) -> Self {
        values.to_vec().into()
    }
}

impl<T: Number, const N: usize, const M: usize> From<[[T; M]; N]> for Arrays {
    fn from(rows: [[T; M]; N]) -> Self {
        single([N, M], rows.as_flattened().to_vec())
    }
}

impl<T: Number, const N: usize, const M: usize, const K: usize> From<[[[T; K]; M]; N]> for Arrays {
    fn from(values: [[[T; K]; M]; N]) -> Self {
        single([N, M, K], values.as_flattened().as_flattened().to_vec())
    }
}

impl<T: Number, const M: usize> From<Vec<[T; M]>> for Arrays {
    fn from(rows: Vec<[T; M]>) -> Self {
        single([rows.len(), M], rows.as_flattened().to_vec())
    }
}

/// Rows of one length; others are an error.
impl<T: Number> From<Vec<Vec<T>>> for Arrays {
    fn from(rows: Vec<Vec<T>>) -> Self {
        let width = rows.first().map_or(0, Vec::len);
        match rows.iter().position(|row| row.len() != width) {
            None => single([rows.len(), width], rows.concat()),
            Some(row) => {
                let message =
                    format!("row {row} has {} numbers, and row 0 has {width}", rows[row].len());
                let help = "give rows of one length; `pad_sequences` fills shorter ones";
                Self(Err(Error::data(message, help)))
            }
        }
    }
}

impl From<Vec<Array>> for Arrays {
    fn from(arrays: Vec<Array>) -> Self {
        Self(Ok(arrays))
    }
}

impl<const N: usize> From<[Array; N]> for Arrays {
    fn from(arrays: [Array; N]) -> Self {
        Self(Ok(arrays.into()))
    }
}

/// No array: of inputs alone, for example.
impl From<()> for Arrays {
    fn from((): ()) -> Self {
        Self(Ok(Vec::new()))
    }
}

/// What an input that may be absent is given: for a layer that takes an `Option<Tensor>`.
impl<A: Into<Arrays>> From<Option<A>> for Arrays {
    fn from(arrays: Option<A>) -> Self {
        Self::concat(arrays.map(Into::into))
    }
}

macro_rules! tuples {
    ($(($($Part:ident $part:ident),+))+) => {
        $(
            impl<$($Part: Into<Arrays>),+> From<($($Part,)+)> for Arrays {
                fn from(($($part,)+): ($($Part,)+)) -> Self {
                    Self::concat([$($part.into()),+])
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

/// The number of samples in an array that a message calls so.
pub(super) fn samples_of(name: &str, array: &Array) -> Result<usize> {
    let scalar = || {
        let help = "the first axis counts the samples: give an array of shape [samples, ...]";
        Error::shape(format!("the {name} are a single number without axes"), help)
    };
    array.shape().first().copied().ok_or_else(scalar)
}

/// Whether an array holds as many samples of the type and shape of those of another.
pub(super) fn is_batch_of(source: &Array, samples: usize, batch: &Array) -> bool {
    source.dtype() == batch.dtype()
        && batch.shape().batch() == samples
        && batch.shape().get(1..) == source.shape().get(1..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::error::ErrorKind;

    fn arrays(arrays: impl Into<Arrays>) -> Vec<Array> {
        arrays.into().into_vec().unwrap()
    }

    #[test]
    fn integers_of_all_types_are_labels() {
        let expected = [Array::from([0, 7])];
        // As they are stored: graphs make them `i32`
        assert_eq!(arrays([0_u8, 7]), [Array::from([0_u8, 7])]);
        assert_eq!(arrays([0_u16, 7]), expected);
        assert_eq!(arrays(vec![0_i64, 7]), expected);
        assert_eq!(arrays([0_usize, 7].as_slice()), expected);
        assert_eq!(arrays([[0_u32], [7]]), [Array::from([[0], [7]])]);
        assert_eq!(arrays(vec![[0.5_f32, 1.0]]), [Array::from([[0.5_f32, 1.0]])]);
    }

    #[test]
    fn an_integer_that_does_not_fit_is_named_by_its_row() {
        let error = Dataset::new([[1.0_f32], [2.0]], [[1_u32, 2], [3, 3_000_000_000]]).unwrap_err();
        let message = "an integer in the data is 3000000000: row 1, counted from 0; data holds \
            integers of 32 bits";
        assert_eq!((error.kind(), error.message()), (ErrorKind::Data, message));
        assert!(
            error.advice().unwrap().starts_with("give numbers from -2147483648 to 2147483647"),
            "{error}"
        );
    }

    #[test]
    fn tuples_have_up_to_eight_parts_and_may_hold_others() {
        let column = || [[1.0_f32], [2.0]];
        let eight =
            (column(), column(), column(), column(), column(), column(), column(), [1_u8, 2]);
        assert_eq!(Dataset::new(eight, ()).unwrap().all_inputs().len(), 8);
        assert_eq!(arrays(((column(), [1, 2]), Some([true, false]), None::<Array>)).len(), 3);
    }
}
