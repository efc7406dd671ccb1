//! [`Symbol`]: what formulas are made of, as [`Expression`](super::Expression) says them.

/// What is done at a node of an expression. The operands are floats, integers or truth values, by
/// the type that the formula is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Symbol {
    /// The value with this number that the formula is given.
    Value(u32),
    /// The number with these bits of an `f64`.
    Constant(u64),
    /// `x + y`; integers wrap around.
    Add,
    /// `x - y`; integers wrap around.
    Subtract,
    /// `x * y`; integers wrap around.
    Multiply,
    /// `x / y`; of integers toward zero, and 0 where `y` is 0.
    Divide,
    /// `x` to the power `y`; of integers it wraps around, and a negative `y` counts as 0.
    Power,
    /// The larger; NaN where either is NaN.
    Maximum,
    /// The smaller; NaN where either is NaN.
    Minimum,
    /// The magnitude of `x` with the sign bit of `y`.
    CopySign,
    /// `-x`; integers wrap around.
    Negative,
    /// The magnitude; integers wrap around.
    Abs,
    /// -1, 0 or 1 by sign; NaN at NaN.
    Sign,
    /// The largest integer not above `x`.
    Floor,
    /// The smallest integer not below `x`.
    Ceil,
    /// The nearest integer, ties to even.
    Round,
    /// The nearest number that a bfloat16 holds, ties to even; of an `f64` that of the nearest
    /// `f32`.
    RoundToBf16,
    /// The square root; NaN below zero.
    Sqrt,
    /// `e^x`.
    Exp,
    /// `e^x - 1`, accurate for small `x`.
    Expm1,
    /// The natural logarithm.
    Log,
    /// `log(1 + x)`, accurate for small `x`.
    Log1p,
    /// The sine.
    Sin,
    /// The cosine.
    Cos,
    /// The hyperbolic tangent.
    Tanh,
    /// The error function.
    Erf,
    /// Whether `x == y`.
    Equal,
    /// Whether `x != y`.
    NotEqual,
    /// Whether `x < y`.
    Less,
    /// Whether `x <= y`.
    LessEqual,
    /// Whether `x > y`.
    Greater,
    /// Whether `x >= y`.
    GreaterEqual,
    /// Whether both hold.
    And,
    /// Whether at least one holds.
    Or,
    /// Whether exactly one holds.
    Xor,
    /// Whether it does not hold.
    Not,
    /// `y` where `x` holds, else `z`.
    Select,
}

impl Symbol {
    /// The number of operands.
    pub fn arity(self) -> usize {
        match self {
            Symbol::Value(_) | Symbol::Constant(_) => 0,
            Symbol::Negative
            | Symbol::Abs
            | Symbol::Sign
            | Symbol::Floor
            | Symbol::Ceil
            | Symbol::Round
            | Symbol::RoundToBf16
            | Symbol::Sqrt
            | Symbol::Exp
            | Symbol::Expm1
            | Symbol::Log
            | Symbol::Log1p
            | Symbol::Sin
            | Symbol::Cos
            | Symbol::Tanh
            | Symbol::Erf
            | Symbol::Not => 1,
            Symbol::Add
            | Symbol::Subtract
            | Symbol::Multiply
            | Symbol::Divide
            | Symbol::Power
            | Symbol::Maximum
            | Symbol::Minimum
            | Symbol::CopySign
            | Symbol::Equal
            | Symbol::NotEqual
            | Symbol::Less
            | Symbol::LessEqual
            | Symbol::Greater
            | Symbol::GreaterEqual
            | Symbol::And
            | Symbol::Or
            | Symbol::Xor => 2,
            Symbol::Select => 3,
        }
    }

    /// Whether the operands of `x + y` or `x * y` may change places, bit by bit.
    pub fn is_commutative(self) -> bool {
        matches!(self, Symbol::Add | Symbol::Multiply)
    }
}
