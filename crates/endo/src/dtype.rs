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

/// What the types have in common: for each its variant, its name in Rust, and the nearest value to
/// an `f64`. Here a new type gets all that follows from these.
macro_rules! elements {
    ($($Variant:ident $T:ident of $number:ident = $nearest:expr;)+) => {
        $(
            impl Element for $T {
                const DTYPE: DType = DType::$Variant;

                fn into_data(values: Vec<$T>) -> Data {
                    Data::$Variant(values)
                }

                fn slice(data: &Data) -> Option<&[$T]> {
                    if let Data::$Variant(values) = data { Some(values) } else { None }
                }

                fn slice_mut(data: &mut Data) -> Option<&mut [$T]> {
                    if let Data::$Variant(values) = data { Some(values) } else { None }
                }

                fn from_f64($number: f64) -> $T {
                    $nearest
                }

                fn to_f64(self) -> f64 {
                    f64::from(self)
                }
            }
        )+

        impl Data {
            /// The type of the numbers.
            pub(crate) fn dtype(&self) -> DType {
                match self {
                    $(Data::$Variant(_) => DType::$Variant,)+
                }
            }
        }

        impl fmt::Display for DType {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(DType::$Variant => stringify!($T),)+
                })
            }
        }
    };
}

elements! {
    F32 f32 of number = number as f32;
    F64 f64 of number = number;
    I32 i32 of number = number as i32;
    Bool bool of number = number != 0.0;
    U8 u8 of number = number as u8;
}

/// A value that is written once for all types, with `T` as the Rust type of a [`DType`]:
/// `for_type!(dtype, T => T::from_f64(0.5).to_f64())`.
macro_rules! for_type {
    ($dtype:expr, $T:ident => $value:expr) => {
        $crate::dtype::for_type!(@arms $dtype, $T => $value;
            F32 f32, F64 f64, I32 i32, Bool bool, U8 u8)
    };
    (@arms $dtype:expr, $T:ident => $value:expr; $($Variant:ident $Type:ty),+) => {
        match $dtype {
            $($crate::dtype::DType::$Variant => {
                type $T = $Type;
                $value
            })+
        }
    };
}

/// A value that is written once for all types, with the numbers of [`Data`]:
/// `for_data!(data, values => values.len())`.
macro_rules! for_data {
    ($data:expr, $values:ident => $value:expr) => {
        match $data {
            $crate::dtype::Data::F32($values) => $value,
            $crate::dtype::Data::F64($values) => $value,
            $crate::dtype::Data::I32($values) => $value,
            $crate::dtype::Data::Bool($values) => $value,
            $crate::dtype::Data::U8($values) => $value,
        }
    };
}

pub(crate) use {for_data, for_type};

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
