//! Numbers on the host: what goes into a run and what comes out of it.
//!
//! In: Rust numbers, vectors and nested arrays. Out: [`Array`], row-major, cheap to clone.

mod rows;

use std::fmt;
use std::sync::Arc;

use crate::dtype::{DType, Data, Element, for_data, for_type};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::simd::Memory;
use crate::storage::{Lender, Storage};

pub(crate) use rows::{Share, in_turn};

/// Numbers with a shape, row-major. A clone shares the numbers until one of the two is written to.
///
/// ```
/// use endo::Array;
/// let x = Array::from([[1.0_f32, 2.0], [3.0, 4.0]]);
/// assert_eq!(x.shape().sizes(), [2, 2]);
/// assert_eq!(x.to_vec::<f64>(), [1.0, 2.0, 3.0, 4.0]);
/// ```
#[derive(Clone, PartialEq)]
pub struct Array {
    shape: Shape,
    data: Arc<Data>,
}

impl Array {
    /// An array of the given shape.
    ///
    /// # Errors
    /// When the shape does not hold as many values as are given, or no array may have it
    /// ([`Shape::LIMIT`]).
    pub fn new<T: Element>(shape: impl Into<Shape>, values: Vec<T>) -> Result<Self> {
        let shape = shape.into();
        if !shape.is_possible() {
            return Err(shape.too_large());
        }
        if shape.len() != values.len() {
            let message = format!(
                "an array of shape {shape} holds {} values, but {} were given",
                shape.len(),
                values.len()
            );
            return Err(Error::shape(message, "give one value for every element of the shape"));
        }
        Ok(Self { shape, data: Arc::new(T::into_data(values)) })
    }

    /// The values `f(0), f(1), ...` in a shape.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// assert_eq!(Array::from_fn([2, 2], |i| i as f32), Array::from([[0.0_f32, 1.0], [2.0, 3.0]]));
    /// ```
    ///
    /// # Panics
    /// If no array may have the shape ([`Shape::LIMIT`]), or the system gives no memory for it.
    #[track_caller]
    pub fn from_fn<T: Element>(shape: impl Into<Shape>, f: impl FnMut(usize) -> T) -> Self {
        let shape = shape.into();
        if let Err(error) = Self::require_room(&shape, T::DTYPE) {
            panic!("{error}");
        }
        let values = (0..shape.len()).map(f).collect();
        Self { shape, data: Arc::new(T::into_data(values)) }
    }

    /// Fails if no array may have the shape, or the system gives no memory for it now.
    pub(crate) fn require_room(shape: &Shape, dtype: DType) -> Result<()> {
        if !shape.is_possible() {
            return Err(shape.too_large());
        }
        Self::require_room_for(shape, shape.len() * dtype.bytes()) // fits: the shape is possible
    }

    fn require_room_for(shape: &Shape, bytes: usize) -> Result<()> {
        if Memory::is_available(bytes) {
            Ok(())
        } else {
            Err(Error::out_of_memory(&format!("an array of shape {shape}"), bytes))
        }
    }

    /// The values `f(0), f(1), ...` in a shape, unless no array may have it or the system gives no
    /// memory for it.
    pub(crate) fn try_from_fn<T: Element>(
        shape: &Shape,
        f: impl FnMut(usize) -> T,
    ) -> Result<Self> {
        Self::require_room(shape, T::DTYPE)?;
        Ok(Self::from_fn(shape, f))
    }

    /// All elements zero, unless no array may have the shape or the system gives no memory for it.
    pub(crate) fn try_zeros(shape: &Shape, dtype: DType) -> Result<Self> {
        Self::require_room(shape, dtype)?;
        Ok(Self::zeros(shape, dtype))
    }

    /// One number, without axes.
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::from_fn((), |_| value)
    }

    /// All elements equal to `value`, converted to `dtype`.
    ///
    /// # Panics
    /// If no array may have the shape ([`Shape::LIMIT`]), or the system gives no memory for it.
    #[track_caller]
    pub fn full(shape: impl Into<Shape>, value: f64, dtype: DType) -> Self {
        for_type!(dtype, T => Self::from_fn(shape, |_| T::from_f64(value)))
    }

    /// All elements zero.
    ///
    /// # Panics
    /// If no array may have the shape ([`Shape::LIMIT`]), or the system gives no memory for it.
    #[track_caller]
    pub fn zeros(shape: impl Into<Shape>, dtype: DType) -> Self {
        Self::full(shape, 0.0, dtype)
    }

    /// An array from the bytes of its elements in the machine's order, as in an arena or a file.
    ///
    /// # Panics
    /// If there are not exactly as many bytes as the shape and type need, or no array may have the
    /// shape ([`Shape::LIMIT`]).
    #[track_caller]
    pub fn from_bytes(shape: impl Into<Shape>, dtype: DType, bytes: &[u8]) -> Self {
        Self::try_from_bytes(shape.into(), dtype, bytes).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`from_bytes`](Self::from_bytes), unless no array may have the shape or the system gives
    /// no memory for it.
    ///
    /// # Panics
    /// If there are not exactly as many bytes as the shape and type need.
    pub(crate) fn try_from_bytes(shape: Shape, dtype: DType, bytes: &[u8]) -> Result<Self> {
        Self::require_room(&shape, dtype)?;
        assert_eq!(bytes.len(), shape.len() * dtype.bytes(), "bytes for {dtype}{shape}");
        Ok(Self { shape, data: Arc::new(Self::data_from_bytes(dtype, bytes)) })
    }

    fn data_from_bytes(dtype: DType, bytes: &[u8]) -> Data {
        match dtype {
            DType::F32 => f32::into_data(
                bytes.as_chunks().0.iter().map(|&bytes| f32::from_ne_bytes(bytes)).collect(),
            ),
            DType::F64 => f64::into_data(
                bytes.as_chunks().0.iter().map(|&bytes| f64::from_ne_bytes(bytes)).collect(),
            ),
            DType::I32 => i32::into_data(
                bytes.as_chunks().0.iter().map(|&bytes| i32::from_ne_bytes(bytes)).collect(),
            ),
            DType::Bool => bool::into_data(bytes.iter().map(|&byte| byte != 0).collect()),
            DType::U8 => u8::into_data(bytes.to_vec()),
        }
    }

    /// An array over memory that somebody else holds, such as a file that is mapped, from byte
    /// `start` on and in the machine's order of bytes. It is copied before it is written to, and
    /// where it does not lie as numbers of the type have to.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use endo::{Array, DType};
    /// let bytes: Vec<u8> = [1.0_f32, 2.0].iter().flat_map(|x| x.to_ne_bytes()).collect();
    /// let x = Array::over([2, 1], DType::F32, &(Arc::new(bytes) as _), 0)?;
    /// assert_eq!(x, Array::from([[1.0_f32], [2.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the memory does not hold the shape, no array may have it ([`Shape::LIMIT`]), or the type
    /// is that of truth values, which not every byte is.
    pub fn over(
        shape: impl Into<Shape>,
        dtype: DType,
        lender: &Lender,
        start: usize,
    ) -> Result<Self> {
        let shape = shape.into();
        if !shape.is_possible() {
            return Err(shape.too_large());
        }
        let count = shape.len();
        let data = match dtype {
            DType::F32 => Data::F32(Storage::lent(lender, start, count)?),
            DType::F64 => Data::F64(Storage::lent(lender, start, count)?),
            DType::I32 => Data::I32(Storage::lent(lender, start, count)?),
            DType::U8 => Data::U8(Storage::lent(lender, start, count)?),
            DType::Bool => {
                let message = "truth values cannot be lent, since not every byte is one";
                return Err(Error::argument(message, "lend bytes (`DType::U8`), and cast them"));
            }
        };
        Ok(Self { shape, data: Arc::new(data) })
    }

    /// The sizes of its axes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.data.dtype()
    }

    /// The number of elements.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.shape.len()
    }

    /// The numbers, row-major, if they are of type `T`.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        T::slice(&self.data)
    }

    /// The numbers to write to, if they are of type `T`; copies them first when a clone shares
    /// them.
    pub fn as_mut_slice<T: Element>(&mut self) -> Option<&mut [T]> {
        T::slice_mut(Arc::make_mut(&mut self.data))
    }

    /// The elements' bytes in the machine's order; truth values are 0 and 1.
    pub fn bytes(&self) -> &[u8] {
        for_data!(&*self.data, values => bytemuck::cast_slice(&values[..]))
    }

    /// Overwrites the elements with bytes in the machine's order.
    ///
    /// # Panics
    /// If there are not exactly as many bytes as the array has, or a clone shares the numbers and
    /// the system gives no memory for others.
    pub fn copy_from_bytes(&mut self, bytes: &[u8]) {
        self.try_copy_from_bytes(bytes).unwrap_or_else(|error| panic!("{error}"));
    }

    /// As [`copy_from_bytes`](Self::copy_from_bytes), unless a clone shares the numbers and the
    /// system gives no memory for others.
    pub(crate) fn try_copy_from_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        assert_eq!(bytes.len(), self.bytes().len(), "bytes for {self:?}");
        // Numbers that somebody else holds are left as they are.
        let own = Arc::get_mut(&mut self.data);
        match own.filter(|data| !for_data!(&**data, values => values.is_lent())) {
            Some(Data::F32(values)) => {
                bytemuck::cast_slice_mut(values.to_mut()).copy_from_slice(bytes);
            }
            Some(Data::F64(values)) => {
                bytemuck::cast_slice_mut(values.to_mut()).copy_from_slice(bytes);
            }
            Some(Data::I32(values)) => {
                bytemuck::cast_slice_mut(values.to_mut()).copy_from_slice(bytes);
            }
            Some(Data::Bool(values)) => {
                for (value, &byte) in values.to_mut().iter_mut().zip(bytes) {
                    *value = byte != 0;
                }
            }
            Some(Data::U8(values)) => values.to_mut().copy_from_slice(bytes),
            None => {
                Self::require_room_for(&self.shape, bytes.len())?;
                self.data = Arc::new(Self::data_from_bytes(self.dtype(), bytes));
            }
        }
        Ok(())
    }

    /// The numbers converted to `T`, row-major.
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        fn convert<S: Element, T: Element>(values: &[S]) -> Vec<T> {
            values.iter().map(|&value| T::from_f64(value.to_f64())).collect()
        }
        match T::slice(&self.data) {
            Some(same) => same.to_vec(),
            None => for_data!(&*self.data, values => convert(values)),
        }
    }

    /// Its only number.
    ///
    /// # Errors
    /// When it has more or fewer.
    pub fn item(&self) -> Result<f64> {
        if self.len() != 1 {
            let message = format!("`item` needs an array of one element, got shape {}", self.shape);
            return Err(Error::shape(message, "reduce it first, or use `to_vec`"));
        }
        Ok(self.get(0))
    }

    /// The number at a position in row-major order, as `f64`.
    ///
    /// # Panics
    /// If there is no such position.
    pub fn get(&self, index: usize) -> f64 {
        for_data!(&*self.data, values => values[index].to_f64())
    }

    /// The number at a position of each axis, as `f64`: `x.at([row, column])`.
    ///
    /// # Panics
    /// If there is no such position, or not one for each axis.
    #[track_caller]
    pub fn at<const N: usize>(&self, index: [usize; N]) -> f64 {
        let fits = self.shape.rank() == N
            && index.iter().zip(self.shape.iter()).all(|(index, size)| index < size);
        assert!(fits, "there is no element {index:?} in an array of shape {}", self.shape);
        self.get(index.iter().zip(self.shape.strides()).map(|(index, stride)| index * stride).sum())
    }

    /// The same numbers as another type: truncated toward zero for integers, `!= 0` for truth
    /// values.
    pub fn cast(&self, dtype: DType) -> Array {
        if dtype == self.dtype() {
            return self.clone();
        }
        let data = for_type!(dtype, T => T::into_data(self.to_vec()));
        Self { shape: self.shape.clone(), data: Arc::new(data) }
    }

    /// The same numbers in another shape of the same length.
    ///
    /// # Errors
    /// When the lengths differ, or no array may have the shape ([`Shape::LIMIT`]).
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Array> {
        let shape = shape.into();
        if !shape.is_possible() {
            return Err(shape.too_large());
        }
        if shape.len() != self.len() {
            let message = format!(
                "cannot reshape {} to {shape}: {} elements against {}",
                self.shape,
                self.len(),
                shape.len()
            );
            let help = format!("give sizes whose product is {}", self.len());
            return Err(Error::shape(message, help));
        }
        Ok(Self { shape, data: self.data.clone() })
    }

    /// Whether every number is finite; true for integers and truth values.
    pub fn is_finite(&self) -> bool {
        match &*self.data {
            Data::F32(values) => values.iter().all(|value| value.is_finite()),
            Data::F64(values) => values.iter().all(|value| value.is_finite()),
            Data::I32(_) | Data::Bool(_) | Data::U8(_) => true,
        }
    }

    /// Numbers that a vector holds already. A shape of many empty rows takes no memory, so it has
    /// to be looked at.
    #[track_caller]
    fn holding<T: Element>(shape: Shape, values: Vec<T>) -> Self {
        Self::new(shape, values).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl<T: Element> From<T> for Array {
    fn from(value: T) -> Self {
        Self::scalar(value)
    }
}

impl<T: Element> From<Vec<T>> for Array {
    fn from(values: Vec<T>) -> Self {
        Self::holding(values.len().into(), values)
    }
}

impl<T: Element, const N: usize> From<[T; N]> for Array {
    fn from(values: [T; N]) -> Self {
        values.to_vec().into()
    }
}

impl<T: Element, const N: usize, const M: usize> From<[[T; M]; N]> for Array {
    fn from(rows: [[T; M]; N]) -> Self {
        Self::holding([N, M].into(), rows.as_flattened().to_vec())
    }
}

impl<T: Element, const N: usize, const M: usize, const K: usize> From<[[[T; K]; M]; N]> for Array {
    fn from(values: [[[T; K]; M]; N]) -> Self {
        Self::holding([N, M, K].into(), values.as_flattened().as_flattened().to_vec())
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        write!(f, "{}{} [", self.dtype(), self.shape)?;
        for index in 0..self.len().min(SHOWN) {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}", self.get(index))?;
        }
        f.write_str(if self.len() > SHOWN { ", ...]" } else { "]" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_that_does_not_hold_the_values_is_refused() {
        Array::new([2, 2], vec![1.0_f32; 3]).unwrap_err().says("holds 4 values, but 3 were given");
    }

    #[test]
    fn casts_truncate_toward_zero() {
        assert_eq!(Array::from([-1.7_f32, 1.7]).cast(DType::I32), Array::from([-1, 1]));
        assert_eq!(Array::from([0.0_f32, 2.0]).cast(DType::Bool), Array::from([false, true]));
    }

    #[test]
    fn an_array_over_memory_of_another_is_copied_before_it_is_written_to() {
        let bytes: Vec<u8> = [0_i32, 1, 2, 3].iter().flat_map(|x| x.to_ne_bytes()).collect();
        let lender: Lender = Arc::new(bytes.clone());
        let mut x = Array::over([3, 1], DType::I32, &lender, 4).unwrap();
        let same = Array::from([[1], [2], [3]]);
        assert_eq!((&x, x.take(&[2, 0])), (&same, Array::from([[3], [1]])));
        x.copy_from_bytes(&bytes[..12]);
        x.as_mut_slice::<i32>().unwrap()[2] = 7;
        assert_eq!(x, Array::from([[0], [1], [7]]));
        assert_eq!((*lender).as_ref(), bytes);
        assert_eq!(Array::over([3, 1], DType::I32, &lender, 4).unwrap(), same);
        assert!(Array::over([5], DType::I32, &lender, 0).is_err());
        Array::over([4], DType::Bool, &lender, 0).unwrap_err().says("truth values cannot be lent");
    }

    #[test]
    fn a_clone_keeps_its_numbers_when_the_original_is_written_to() {
        let mut x = Array::from([1.0_f32, 2.0]);
        let before = x.clone();
        x.as_mut_slice::<f32>().unwrap()[0] = 9.0;
        assert_eq!((before.get(0), x.get(0)), (1.0, 9.0));
    }
}
