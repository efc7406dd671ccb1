//! Logic on truth values.
//!
//! In and out: truth values, without gradients.

use crate::graph::Elementwise;

macro_rules! logical {
    ($($(#[$doc:meta])* $name:ident($a:ident, $b:ident) = $formula:expr;)+) => {
        $(operation! {
            $name, 2 => Bool,
            [None, None, None, Some(Loops::logical2::<Formula>())],
            None, [0.0, 1.0],
            |x, _| <Formula as $crate::simd::Logical2>::apply(x[0], x[1]);
            impl $crate::simd::Logical2 for Formula {
                #[inline(always)]
                fn apply<T: $crate::simd::Truth>($a: T, $b: T) -> T {
                    $formula
                }
            }
        })+

        binary_methods! { $($(#[$doc])* $name;)+ }

        /// The operations of this file, for what goes through all of them.
        pub static TABLE: &[&Elementwise] = &[&logical_not::OPERATION, $(&$name::OPERATION),+];
    };
}

logical! {
    /// Where both hold.
    logical_and(a, b) = a & b;
    /// Where at least one holds.
    logical_or(a, b) = a | b;
    /// Where exactly one holds.
    logical_xor(a, b) = a ^ b;
}

operation! {
    logical_not, 1 => Bool,
    [None, None, None, Some(Loops::logical1::<Formula>())],
    None, [0.0, 1.0],
    |x, _| <Formula as crate::simd::Logical1>::apply(x[0]);
    impl crate::simd::Logical1 for Formula {
        #[inline(always)]
        fn apply<T: crate::simd::Truth>(x: T) -> T {
            !x
        }
    }
}

unary_methods! {
    /// Where it does not hold.
    logical_not;
}
