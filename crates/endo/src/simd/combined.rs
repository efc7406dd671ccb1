//! [`CombinedFormula`]: several operations of arithmetic as one loop, which goes through memory
//! once instead of once for each.
//!
//! A formula is written once: as an [`Expression`] it is looked for among the instructions of a
//! loop. Every operation rounds as it does alone, so that a combination gives the same bits.

use super::arithmetic::Scalar;
use super::exponential::{elu_slope, selu_slope};
use super::expression::Expression;
use super::formula::{Binary, Ternary};
use super::loops::Loops;

/// A formula of two or three values.
pub struct CombinedFormula {
    /// The formula as it is written.
    pub text: &'static str,
    /// The number of values.
    pub arity: usize,
    /// What it computes of its values.
    pub formula: for<'a> fn(&[Expression<'a>]) -> Expression<'a>,
    /// Loops for `f32` and `f64`.
    pub loops: [Loops; 2],
}

impl PartialEq for CombinedFormula {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl std::fmt::Debug for CombinedFormula {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text)
    }
}

/// The combinations; of several that fit, the one that does the most is taken.
macro_rules! combinations {
    ($(
        $name:ident: $trait:ident $constructor:ident($($x:ident $number:literal),+) = $formula:expr;
    )+) => {
        $(
            struct $name;

            impl $trait for $name {
                #[inline(always)]
                fn apply<F: Scalar>($($x: F),+) -> F {
                    $formula
                }
            }
        )+

        /// All combinations.
        pub static COMBINED: &[CombinedFormula] = &[
            $(
                CombinedFormula {
                    text: stringify!($formula),
                    arity: [$($number),+].len(),
                    formula: |values| $name::apply($(values[$number]),+),
                    loops: [
                        Loops::$constructor::<$name, f32>(),
                        Loops::$constructor::<$name, f64>(),
                    ],
                },
            )+
        ];
    };
}

combinations! {
    Interpolate: Ternary ternary(x 0, y 1, z 2) = x + (y - x) * z;
    InterpolateSquare: Ternary ternary(x 0, y 1, z 2) = x + (y.square() - x) * z;
    AddSquareProduct: Ternary ternary(x 0, y 1, z 2) = x + y.square() * z;
    RootProductSum: Ternary ternary(x 0, y 1, z 2) = x.sqrt() * y + z;
    DivideByRootSum: Ternary ternary(x 0, y 1, z 2) = x / (y.sqrt() + z);
    AddProduct: Ternary ternary(x 0, y 1, z 2) = x + y * z;
    SubtractProduct: Ternary ternary(x 0, y 1, z 2) = x - y * z;
    ProductSubtract: Ternary ternary(x 0, y 1, z 2) = x * y - z;
    SumProduct: Ternary ternary(x 0, y 1, z 2) = (x + y) * z;
    DifferenceProduct: Ternary ternary(x 0, y 1, z 2) = (x - y) * z;
    Products: Ternary ternary(x 0, y 1, z 2) = x * y * z;
    AddQuotient: Ternary ternary(x 0, y 1, z 2) = x + y / z;
    SubtractQuotient: Ternary ternary(x 0, y 1, z 2) = x - y / z;
    SumQuotient: Ternary ternary(x 0, y 1, z 2) = (x + y) / z;
    DifferenceQuotient: Ternary ternary(x 0, y 1, z 2) = (x - y) / z;
    ProductQuotient: Ternary ternary(x 0, y 1, z 2) = x * y / z;
    QuotientProduct: Ternary ternary(x 0, y 1, z 2) = x / y * z;
    QuotientSum: Ternary ternary(x 0, y 1, z 2) = x / (y + z);
    Sums: Ternary ternary(x 0, y 1, z 2) = x + y + z;
    SumDifference: Ternary ternary(x 0, y 1, z 2) = x + y - z;
    DifferenceDifference: Ternary ternary(x 0, y 1, z 2) = x - y - z;
    DifferenceSquare: Binary binary(x 0, y 1) = (x - y).square();
    SquareProduct: Binary binary(x 0, y 1) = x.square() * y;
    SquareSum: Binary binary(x 0, y 1) = x.square() + y;
    RootSum: Binary binary(x 0, y 1) = x.sqrt() + y;
    RootProduct: Binary binary(x 0, y 1) = x.sqrt() * y;
    RootQuotient: Binary binary(x 0, y 1) = x / y.sqrt();
    EluSlopeProduct: Binary binary(x 0, y 1) = x * elu_slope(y);
    EluSlopeSum: Ternary ternary(x 0, y 1, z 2) = (x + y) * elu_slope(z);
    SeluSlopeProduct: Binary binary(x 0, y 1) = x * selu_slope(y);
    SeluSlopeSum: Ternary ternary(x 0, y 1, z 2) = (x + y) * selu_slope(z);
    Gate: Ternary ternary(x 0, y 1, z 2) = F::select(y.greater(z), x, z);
}

#[cfg(test)]
mod tests {
    use super::super::expression::{Expressions, evaluate};
    use super::*;

    /// Checks the loops of one type against the operations done one by one in that type.
    macro_rules! check {
        ($float:ty, $index:literal, $least:literal) => {
            let numbers: Vec<$float> =
                (0..90).map(|i| (i as $float * 0.7).sin() + $least).collect();
            let columns: Vec<&[u8]> = numbers.chunks(30).map(bytemuck::cast_slice).collect();
            for combined in COMBINED {
                let all = Expressions::default();
                let values: Vec<_> = (0..combined.arity).map(|value| all.value(value)).collect();
                let result = (combined.formula)(&values).number(&all);
                let mut output: [$float; 30] = [0.0; 30];
                combined.loops[$index].run(
                    &columns[..combined.arity],
                    bytemuck::cast_slice_mut(&mut output),
                    30,
                );
                for (row, got) in output.iter().enumerate() {
                    let expected: $float =
                        evaluate(&all.nodes(), result, &|value| numbers[value * 30 + row]);
                    let same =
                        got.to_bits() == expected.to_bits() || (got.is_nan() && expected.is_nan());
                    assert!(same, "{combined:?} in row {row}: {got}, not {expected}");
                }
            }
        };
    }

    #[test]
    fn combinations_give_the_bits_of_their_operations() {
        check!(f32, 0, 1.3);
        check!(f64, 1, 1.3);
        // Negative ones too, of which there are no roots.
        check!(f32, 0, 0.2);
        check!(f64, 1, 0.2);
    }
}
