//! [`CombinedFormula`]: several operations of arithmetic as one loop, which goes through memory
//! once instead of once for each.
//!
//! A formula is written once. On floats it computes; on [`Code`] it writes itself down, so that
//! plans can find it among their instructions. Every operation rounds as it does alone: a
//! combination gives the same bits.

use std::ops::{Add, Div, Mul, Sub};

use super::exponential::{elu_slope, selu_slope};
use super::float::Float;
use super::formula::{Binary, Ternary};
use super::loops::Loops;

/// A formula of two or three values, `x`, `y` and `z`.
pub struct CombinedFormula {
    /// The formula as it is written.
    pub formula: &'static str,
    /// The formula in prefix notation.
    pub code: fn() -> Code,
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
        f.write_str(self.formula)
    }
}

/// The operations that combinations are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Symbol {
    /// `x + y`.
    Add,
    /// `x - y`.
    Subtract,
    /// `x * y`.
    Multiply,
    /// `x / y`.
    Divide,
    /// `x * x`.
    Square,
    /// The square root.
    Sqrt,
    /// The slope of ELU by its value.
    EluSlope,
    /// The slope of SELU by its value.
    SeluSlope,
    /// Whether `x > y`.
    Greater,
    /// `y` where `x` is true, else `z`.
    Where,
    /// The value with this number, `x` being 0.
    Value(u8),
}

impl Symbol {
    /// The number of operands.
    pub fn arity(self) -> usize {
        match self {
            Symbol::Where => 3,
            Symbol::Add
            | Symbol::Subtract
            | Symbol::Multiply
            | Symbol::Divide
            | Symbol::Greater => 2,
            Symbol::Square | Symbol::Sqrt | Symbol::EluSlope | Symbol::SeluSlope => 1,
            Symbol::Value(_) => 0,
        }
    }

    /// Whether the operands may change places.
    pub fn is_commutative(self) -> bool {
        matches!(self, Symbol::Add | Symbol::Multiply)
    }
}

/// The most symbols of a formula.
const LONGEST: usize = 32;

/// A formula in prefix notation: each operation before its operands.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    symbols: [Symbol; LONGEST],
    length: usize,
}

impl Code {
    pub(super) fn value(number: u8) -> Self {
        Self { symbols: [Symbol::Value(number); LONGEST], length: 1 }
    }

    fn of(operation: Symbol, operands: &[Code]) -> Self {
        let mut code = Self { symbols: [operation; LONGEST], length: 1 };
        for operand in operands {
            for &symbol in operand.symbols() {
                code.symbols[code.length] = symbol;
                code.length += 1;
            }
        }
        code
    }

    /// The symbols.
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols[..self.length]
    }

    /// The number of values, the last of which is in the formula.
    pub fn values(&self) -> usize {
        let number = |symbol: &Symbol| {
            if let Symbol::Value(number) = symbol { usize::from(*number) + 1 } else { 0 }
        };
        self.symbols().iter().map(number).max().unwrap_or(0)
    }

    /// The number of operations.
    pub fn operations(&self) -> usize {
        self.symbols().iter().filter(|symbol| symbol.arity() > 0).count()
    }
}

/// What formulas are written with: floats, vectors of them, and [`Code`].
pub trait Arithmetic:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// `x * x`.
    fn square(self) -> Self;
    /// The square root.
    fn root(self) -> Self;
}

/// Slopes of activations, which combinations may have besides.
pub(super) trait Slopes: Arithmetic {
    fn elu_slope(self) -> Self;
    fn selu_slope(self) -> Self;
    /// `self` where `x > y`, else `y`: what ReLU lets through.
    fn where_above(self, x: Self, y: Self) -> Self;
}

impl<F: Float> Arithmetic for F {
    #[inline(always)]
    fn square(self) -> Self {
        self * self
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }
}

impl<F: Float> Slopes for F {
    #[inline(always)]
    fn elu_slope(self) -> Self {
        elu_slope(self)
    }

    #[inline(always)]
    fn selu_slope(self) -> Self {
        selu_slope(self)
    }

    #[inline(always)]
    fn where_above(self, x: Self, y: Self) -> Self {
        F::select(x > y, self, y)
    }
}

impl Arithmetic for Code {
    fn square(self) -> Self {
        Code::of(Symbol::Square, &[self])
    }

    fn root(self) -> Self {
        Code::of(Symbol::Sqrt, &[self])
    }
}

impl Slopes for Code {
    fn elu_slope(self) -> Self {
        Code::of(Symbol::EluSlope, &[self])
    }

    fn selu_slope(self) -> Self {
        Code::of(Symbol::SeluSlope, &[self])
    }

    fn where_above(self, x: Self, y: Self) -> Self {
        Code::of(Symbol::Where, &[Code::of(Symbol::Greater, &[x, y]), self, y])
    }
}

macro_rules! code_operators {
    ($($operator:ident $method:ident $symbol:ident;)+) => {
        $(
            impl $operator for Code {
                type Output = Code;
                fn $method(self, other: Code) -> Code {
                    Code::of(Symbol::$symbol, &[self, other])
                }
            }
        )+
    };
}
code_operators! { Add add Add; Sub sub Subtract; Mul mul Multiply; Div div Divide; }

/// The combinations; of several that fit, plans take the one with the most operations.
macro_rules! combinations {
    ($(
        $name:ident: $trait:ident $constructor:ident($($x:ident $number:literal),+) = $formula:expr;
    )+) => {
        $(
            struct $name;

            impl $name {
                #[inline(always)]
                fn formula<A: Slopes>($($x: A),+) -> A {
                    $formula
                }
            }

            impl $trait for $name {
                #[inline(always)]
                fn apply<F: Float>($($x: F),+) -> F {
                    Self::formula($($x),+)
                }
            }
        )+

        /// All combinations.
        pub static COMBINED: &[CombinedFormula] = &[
            $(
                CombinedFormula {
                    formula: stringify!($formula),
                    code: || $name::formula($(Code::value($number)),+),
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
    RootProductSum: Ternary ternary(x 0, y 1, z 2) = x.root() * y + z;
    DivideByRootSum: Ternary ternary(x 0, y 1, z 2) = x / (y.root() + z);
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
    RootSum: Binary binary(x 0, y 1) = x.root() + y;
    RootProduct: Binary binary(x 0, y 1) = x.root() * y;
    RootQuotient: Binary binary(x 0, y 1) = x / y.root();
    EluSlopeProduct: Binary binary(x 0, y 1) = x * y.elu_slope();
    EluSlopeSum: Ternary ternary(x 0, y 1, z 2) = (x + y) * z.elu_slope();
    SeluSlopeProduct: Binary binary(x 0, y 1) = x * y.selu_slope();
    SeluSlopeSum: Ternary ternary(x 0, y 1, z 2) = (x + y) * z.selu_slope();
    Gate: Ternary ternary(x 0, y 1, z 2) = x.where_above(y, z);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn a_formula_writes_itself_down() {
        let codes: Vec<Code> = COMBINED.iter().map(|combined| (combined.code)()).collect();
        let [x, y, z] = [0, 1, 2].map(Symbol::Value);
        let expected =
            [Symbol::Add, x, Symbol::Multiply, Symbol::Subtract, Symbol::Square, y, x, z];
        assert_eq!(codes[1].symbols(), expected);
        assert_eq!(codes[1].operations(), 4);
    }

    /// Checks the loops of one type against the operations done one by one in that type.
    macro_rules! check {
        ($float:ty, $index:literal, $least:literal) => {
            let numbers: Vec<$float> =
                (0..90).map(|i| (i as $float * 0.7).sin() + $least).collect();
            let columns: Vec<&[u8]> = numbers.chunks(30).map(bytemuck::cast_slice).collect();
            for combined in COMBINED {
                let code = (combined.code)();
                let mut output: [$float; 30] = [0.0; 30];
                combined.loops[$index].run(
                    &columns[..code.values()],
                    bytemuck::cast_slice_mut(&mut output),
                    30,
                );
                for (row, got) in output.iter().enumerate() {
                    let column = |value| numbers[usize::from(value) * 30 + row];
                    let expected: $float = evaluate(&mut code.symbols().iter(), &column);
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

    /// What a formula in prefix notation is, one operation after the other.
    pub fn evaluate<F: Float>(
        symbols: &mut std::slice::Iter<Symbol>,
        value: &impl Fn(u8) -> F,
    ) -> F {
        let symbol = *symbols.next().unwrap();
        let mut operand = || evaluate(symbols, value);
        match symbol {
            Symbol::Value(number) => value(number),
            Symbol::Add => operand() + operand(),
            Symbol::Subtract => operand() - operand(),
            Symbol::Multiply => operand() * operand(),
            Symbol::Divide => operand() / operand(),
            Symbol::Square => {
                let x = operand();
                x * x
            }
            Symbol::Sqrt => operand().sqrt(),
            Symbol::EluSlope => elu_slope(operand()),
            Symbol::SeluSlope => selu_slope(operand()),
            Symbol::Greater => F::select(operand() > operand(), F::ONE, F::ZERO),
            Symbol::Where => F::select(operand() == F::ONE, operand(), operand()),
        }
    }
}
