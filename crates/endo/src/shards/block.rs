//! The numbers of a shard, or the sum over some.
//!
//! In: how many there are of each kind. Out: memory that numbers are added in, and that is sent as
//! it lies.

use std::ops::{AddAssign, Range};

use crate::array::Array;
use crate::dtype::DType;
use crate::error::Result;
use crate::shape::Shape;

/// Ranges of the numbers of a block: of the wide ones, and of the narrow ones.
pub(super) type Places = [Range<usize>; 2];

/// What is computed of a shard, or the sum over some: terms, metrics and what else is added up in
/// `f64`, and gradients of `f32`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block {
    pub wide: Array,
    pub narrow: Array,
}

impl Block {
    /// Zeros of a number of elements of each kind.
    pub fn try_new([wide, narrow]: [usize; 2]) -> Result<Self> {
        Ok(Self {
            wide: Array::try_zeros(&Shape::from([wide]), DType::F64)?,
            narrow: Array::try_zeros(&Shape::from([narrow]), DType::F32)?,
        })
    }

    pub fn wide(&mut self) -> &mut [f64] {
        self.wide.as_mut_slice().expect("it was made of f64")
    }

    pub fn narrow(&mut self) -> &mut [f32] {
        self.narrow.as_mut_slice().expect("it was made of f32")
    }

    /// Adds the numbers of another at some places.
    pub fn add(&mut self, other: &Self, [wide, narrow]: &Places) {
        fn add<T: Copy + AddAssign>(to: &mut [T], from: &[T]) {
            for (to, &from) in to.iter_mut().zip(from) {
                *to += from;
            }
        }
        let (other_wide, other_narrow) = (other.wide.as_slice(), other.narrow.as_slice());
        add(&mut self.wide()[wide.clone()], &other_wide.expect("f64")[wide.clone()]);
        add(&mut self.narrow()[narrow.clone()], &other_narrow.expect("f32")[narrow.clone()]);
    }

    pub fn sizes(&self) -> [usize; 2] {
        [self.wide.len(), self.narrow.len()]
    }

    pub fn all(&self) -> Places {
        self.sizes().map(|size| 0..size)
    }

    /// The bytes at some places, those that there are.
    pub fn bytes(&self, [wide, narrow]: Places) -> impl Iterator<Item = &[u8]> {
        let wide = &self.wide.bytes()[wide.start * 8..wide.end * 8];
        let narrow = &self.narrow.bytes()[narrow.start * 4..narrow.end * 4];
        [wide, narrow].into_iter().filter(|bytes| !bytes.is_empty())
    }

    /// The same to be written to.
    pub fn bytes_mut(&mut self, [wide, narrow]: Places) -> impl Iterator<Item = &mut [u8]> {
        let all = self.wide.as_mut_slice::<f64>().expect("f64");
        let wide: &mut [u8] = bytemuck::cast_slice_mut(&mut all[wide.clone()]);
        let all = self.narrow.as_mut_slice::<f32>().expect("f32");
        let narrow: &mut [u8] = bytemuck::cast_slice_mut(&mut all[narrow.clone()]);
        [wide, narrow].into_iter().filter(|bytes| !bytes.is_empty())
    }
}
