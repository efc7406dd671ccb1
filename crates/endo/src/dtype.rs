//! The types an array's elements can have.
//!
//! In: Rust's `f32`, `f64`, `i32`, `u8` and `bool`. Out: [`DType`], and [`Element`], which ties the
//! two together.

use std::fmt;

/// The type of an array's elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum DType {
    /// 32-bit floating point: the type of weights and activations unless one says otherwise.
    F32,
    /// 64-bit floating point.
    F64,
    /// 32-bit signed integer: labels and indices.
    I32,
    /// Truth values: masks and comparisons.
    Bool,
    /// Bytes: images and labels as they are stored. Nothing computes with them: where they enter a
    /// graph they become `I32`, in the loop of the first operation that reads them.
    U8,
}

impl DType {
    /// Those that operations compute with: all but bytes.
    pub const ALL: [DType; 4] = [DType::F32, DType::F64, DType::I32, DType::Bool];

    /// The size of one element in bytes.
    pub fn bytes(self) -> usize {
        match self {
            DType::F32 | DType::I32 => 4,
            DType::F64 => 8,
            DType::Bool | DType::U8 => 1,
        }
    }

    /// Whether it is `F32` or `F64`: only such values have gradients.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }

    /// The type that holds both: the wider, and a float before an integer before a byte before a
    /// truth value.
    pub fn promote(self, other: DType) -> DType {
        let width = |dtype| match dtype {
            DType::Bool => 0,
            DType::U8 => 1,
            DType::I32 => 2,
            DType::F32 => 3,
            DType::F64 => 4,
        };
        if width(self) >= width(other) { self } else { other }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::I32 => "i32",
            DType::Bool => "bool",
            DType::U8 => "u8",
        })
    }
}

/// The numbers of an array, by element type.
#[derive(Clone, PartialEq, Debug)]
pub enum Data {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
    /// 32-bit integers.
    I32(Vec<i32>),
    /// Truth values.
    Bool(Vec<bool>),
    /// Bytes.
    U8(Vec<u8>),
}

/// A Rust type that can be an array's element: `f32`, `f64`, `i32`, `u8`, `bool`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no element of an array",
    note = "arrays hold `f32`, `f64`, `i32`, `u8` and `bool`: convert integers of other types with \
        `as i32` or `i32::try_from`; `Dataset::new` takes them as they are"
)]
pub trait Element: Copy + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// Its [`DType`].
    const DTYPE: DType;

    /// Numbers of this type as [`Data`].
    fn into_data(values: Vec<Self>) -> Data;

    /// The numbers, if they are of this type.
    fn slice(data: &Data) -> Option<&[Self]>;

    /// The numbers to write to, if they are of this type.
    fn slice_mut(data: &mut Data) -> Option<&mut [Self]>;

    /// The nearest value of this type: truncated toward zero for integers, `!= 0` for truth values.
    fn from_f64(value: f64) -> Self;

    /// The value as `f64`; truth values are 0 and 1.
    fn to_f64(self) -> f64;
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;

    fn into_data(values: Vec<f32>) -> Data {
        Data::F32(values)
    }

    fn slice(data: &Data) -> Option<&[f32]> {
        if let Data::F32(values) = data { Some(values) } else { None }
    }

    fn slice_mut(data: &mut Data) -> Option<&mut [f32]> {
        if let Data::F32(values) = data { Some(values) } else { None }
    }

    fn from_f64(value: f64) -> f32 {
        value as f32
    }

    fn to_f64(self) -> f64 {
        self.into()
    }
}

impl Element for f64 {
    const DTYPE: DType = DType::F64;

    fn into_data(values: Vec<f64>) -> Data {
        Data::F64(values)
    }

    fn slice(data: &Data) -> Option<&[f64]> {
        if let Data::F64(values) = data { Some(values) } else { None }
    }

    fn slice_mut(data: &mut Data) -> Option<&mut [f64]> {
        if let Data::F64(values) = data { Some(values) } else { None }
    }

    fn from_f64(value: f64) -> f64 {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }
}

impl Element for i32 {
    const DTYPE: DType = DType::I32;

    fn into_data(values: Vec<i32>) -> Data {
        Data::I32(values)
    }

    fn slice(data: &Data) -> Option<&[i32]> {
        if let Data::I32(values) = data { Some(values) } else { None }
    }

    fn slice_mut(data: &mut Data) -> Option<&mut [i32]> {
        if let Data::I32(values) = data { Some(values) } else { None }
    }

    fn from_f64(value: f64) -> i32 {
        value as i32
    }

    fn to_f64(self) -> f64 {
        self.into()
    }
}

impl Element for bool {
    const DTYPE: DType = DType::Bool;

    fn into_data(values: Vec<bool>) -> Data {
        Data::Bool(values)
    }

    fn slice(data: &Data) -> Option<&[bool]> {
        if let Data::Bool(values) = data { Some(values) } else { None }
    }

    fn slice_mut(data: &mut Data) -> Option<&mut [bool]> {
        if let Data::Bool(values) = data { Some(values) } else { None }
    }

    fn from_f64(value: f64) -> bool {
        value != 0.0
    }

    fn to_f64(self) -> f64 {
        u8::from(self).into()
    }
}

impl Element for u8 {
    const DTYPE: DType = DType::U8;

    fn into_data(values: Vec<u8>) -> Data {
        Data::U8(values)
    }

    fn slice(data: &Data) -> Option<&[u8]> {
        if let Data::U8(values) = data { Some(values) } else { None }
    }

    fn slice_mut(data: &mut Data) -> Option<&mut [u8]> {
        if let Data::U8(values) = data { Some(values) } else { None }
    }

    fn from_f64(value: f64) -> u8 {
        value as u8
    }

    fn to_f64(self) -> f64 {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_prefers_the_wider_float() {
        assert_eq!(DType::F32.promote(DType::F64), DType::F64);
        assert_eq!(DType::I32.promote(DType::F32), DType::F32);
        assert_eq!(DType::Bool.promote(DType::I32), DType::I32);
    }
}
