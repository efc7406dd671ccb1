//! The types an array's elements can have.
//!
//! In: Rust's `f32`, `f64`, `i32`, `u8` and `bool`. Out: [`DType`], and [`Element`], which ties the
//! two together.

use std::fmt;

use crate::storage::Storage;

/// Gives the rows of all types to a macro of this file, after what else that is given. A row is the
/// variant and the Rust type, what an array of it is for, whether it is a float, its width where
/// types meet, and the nearest value to an `f64`. A new type is a row here, and loops where it is
/// computed with.
macro_rules! with_types {
    ($callback:ident! { $($given:tt)* }) => {
        $crate::dtype::$callback! { { $($given)* }
            /// 32-bit floating point: the type of weights and activations unless one says
            /// otherwise.
            F32 f32 (float, 3) |number| number as f32;
            /// 64-bit floating point.
            F64 f64 (float, 4) |number| number;
            /// 32-bit signed integer: labels and indices.
            I32 i32 (other, 2) |number| number as i32;
            /// Truth values: masks and comparisons.
            Bool bool (other, 0) |number| number != 0.0;
            /// Bytes: images and labels as they are stored. Nothing computes with them: where they
            /// enter a graph they become `I32`, in the loop of the first operation that reads them.
            U8 u8 (other, 1) |number| number as u8;
        }
    };
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

/// What all types have, by their rows.
macro_rules! elements {
    ({} $($(#[$doc:meta])* $Variant:ident $T:ident ($kind:ident, $width:literal)
        |$number:ident| $nearest:expr;)+) => {
        /// The type of an array's elements.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum DType {
            $($(#[$doc])* $Variant,)+
        }

        /// The numbers of an array, by element type.
        #[derive(Clone, PartialEq, Debug)]
        pub enum Data {
            $($(#[$doc])* $Variant(Storage<$T>),)+
        }

        impl DType {
            /// The size of one element in bytes.
            pub fn bytes(self) -> usize {
                match self {
                    $(DType::$Variant => size_of::<$T>(),)+
                }
            }

            /// Whether it is `F32` or `F64`: only such values have gradients.
            pub fn is_float(self) -> bool {
                match self {
                    $(DType::$Variant => matches!(stringify!($kind), "float"),)+
                }
            }

            fn width(self) -> u8 {
                match self {
                    $(DType::$Variant => $width,)+
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

        impl Data {
            /// The type of the numbers.
            pub(crate) fn dtype(&self) -> DType {
                match self {
                    $(Data::$Variant(_) => DType::$Variant,)+
                }
            }
        }

        $(
            impl Element for $T {
                const DTYPE: DType = DType::$Variant;

                fn into_data(values: Vec<$T>) -> Data {
                    Data::$Variant(values.into())
                }

                fn slice(data: &Data) -> Option<&[$T]> {
                    if let Data::$Variant(values) = data { Some(values) } else { None }
                }

                fn slice_mut(data: &mut Data) -> Option<&mut [$T]> {
                    if let Data::$Variant(values) = data { Some(values.to_mut()) } else { None }
                }

                fn from_f64($number: f64) -> $T {
                    $nearest
                }

                fn to_f64(self) -> f64 {
                    f64::from(self)
                }
            }
        )+
    };
}

/// A value that is written once for all types, with `T` as the Rust type of a [`DType`]:
/// `for_type!(dtype, T => T::from_f64(0.5).to_f64())`.
macro_rules! for_type {
    ($dtype:expr, $T:ident => $value:expr) => {
        $crate::dtype::with_types! { type_arms! { $dtype, $T => $value } }
    };
}

macro_rules! type_arms {
    ({ $dtype:expr, $T:ident => $value:expr }
        $($(#[$doc:meta])* $Variant:ident $Type:ident $row:tt |$number:ident| $nearest:expr;)+
    ) => {
        $crate::dtype::type_arms!(@arms $dtype, $T => $value; $($Variant $Type),+)
    };
    (@arms $dtype:expr, $T:ident => $value:expr; $($Variant:ident $Type:ident),+) => {
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
        $crate::dtype::with_types! { data_arms! { $data, $values => $value } }
    };
}

macro_rules! data_arms {
    ({ $data:expr, $values:ident => $value:expr }
        $($(#[$doc:meta])* $Variant:ident $Type:ident $row:tt |$number:ident| $nearest:expr;)+
    ) => {
        $crate::dtype::data_arms!(@arms $data, $values => $value; $($Variant),+)
    };
    (@arms $data:expr, $values:ident => $value:expr; $($Variant:ident),+) => {
        match $data {
            $($crate::dtype::Data::$Variant($values) => $value,)+
        }
    };
}

pub(crate) use {data_arms, elements, for_data, for_type, type_arms, with_types};

with_types! { elements! {} }

impl DType {
    /// Those that operations compute with: all but bytes.
    pub const ALL: [DType; 4] = [DType::F32, DType::F64, DType::I32, DType::Bool];

    /// The type that holds both: the wider, and a float before an integer before a byte before a
    /// truth value.
    pub fn promote(self, other: DType) -> DType {
        if self.width() >= other.width() { self } else { other }
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
