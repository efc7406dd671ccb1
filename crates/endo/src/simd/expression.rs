//! [`Expression`]: a formula that says what it computes instead of computing it.
//!
//! In: a formula of [`Scalar`], [`Integer`] or [`Truth`], run on expressions. Out: nodes in an
//! [`Expressions`], each there once, so that two expressions are equal if their numbers are. What
//! is the same bit by bit whatever the values are, such as `x * 1`, is simplified at once.

use std::cell::{Ref, RefCell};
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Sub};

use rustc_hash::FxHashMap;

use super::arithmetic::{Arithmetic, Integer, Ordered, Scalar, Truth, methods};
use super::symbol::Symbol;

/// A node: what is done, and the numbers of the nodes it is done to; those behind the arity are 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ExpressionNode {
    /// What is done.
    pub symbol: Symbol,
    operands: [u32; 3],
}

impl ExpressionNode {
    /// The numbers of the operands.
    pub fn operands(&self) -> &[u32] {
        &self.operands[..self.symbol.arity()]
    }
}

/// The most nodes that are looked through; more are found by their hashes.
const FEW: usize = 24;

/// The nodes of expressions, operands before what is made of them.
#[derive(Default)]
pub struct Expressions {
    nodes: RefCell<Vec<ExpressionNode>>,
    /// The numbers of the nodes, once there are more than a few.
    known: RefCell<FxHashMap<ExpressionNode, u32>>,
}

impl Expressions {
    /// The value with a number.
    pub fn value(&self, number: usize) -> Expression<'_> {
        self.node(Symbol::Value(number as u32), [0; 3])
    }

    /// The nodes so far.
    pub fn nodes(&self) -> Ref<'_, [ExpressionNode]> {
        Ref::map(self.nodes.borrow(), Vec::as_slice)
    }

    fn node(&self, symbol: Symbol, operands: [u32; 3]) -> Expression<'_> {
        let node = ExpressionNode { symbol, operands };
        let mut nodes = self.nodes.borrow_mut();
        let next = nodes.len() as u32;
        let number = if nodes.len() < FEW {
            nodes.iter().position(|known| *known == node).map_or(next, |known| known as u32)
        } else {
            let mut known = self.known.borrow_mut();
            for number in known.len()..nodes.len() {
                known.insert(nodes[number], number as u32);
            }
            known.get(&node).copied().unwrap_or(next)
        };
        if number == next {
            nodes.push(node);
        }
        Expression::Node(self, number)
    }
}

/// What a formula says: a constant, or a node of [`Expressions`].
#[derive(Clone, Copy)]
pub enum Expression<'a> {
    /// A number that is written in the formula; truth values are 0 and 1.
    Constant(f64),
    /// The node with this number.
    Node(&'a Expressions, u32),
}

impl std::fmt::Debug for Expression<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Expression::Constant(number) => write!(f, "{number}"),
            Expression::Node(all, number) => {
                let ExpressionNode { symbol, operands } = all.nodes()[number as usize];
                write!(f, "{symbol:?}")?;
                let mut list = f.debug_tuple("");
                for &operand in &operands[..symbol.arity()] {
                    list.field(&Expression::Node(all, operand));
                }
                list.finish()
            }
        }
    }
}

impl<'a> Expression<'a> {
    /// The number of its node, which a constant is given in `all`.
    pub fn number(self, all: &'a Expressions) -> u32 {
        match self {
            Expression::Node(_, number) => number,
            Expression::Constant(number) => {
                let Expression::Node(_, number) =
                    all.node(Symbol::Constant(number.to_bits()), [0; 3])
                else {
                    unreachable!("a node was made")
                };
                number
            }
        }
    }

    /// The value that it is, by number, if it is one.
    pub fn as_value(self) -> Option<usize> {
        if let Symbol::Value(value) = self.symbol() { Some(value as usize) } else { None }
    }

    /// What is done last.
    pub fn symbol(self) -> Symbol {
        match self {
            Expression::Constant(number) => Symbol::Constant(number.to_bits()),
            Expression::Node(all, number) => all.nodes()[number as usize].symbol,
        }
    }

    fn constant(self) -> Option<f64> {
        if let Expression::Constant(number) = self { Some(number) } else { None }
    }

    fn is(self, number: f64) -> bool {
        self.constant().is_some_and(|constant| constant.to_bits() == number.to_bits())
    }

    /// What is done to one operand, which is done at once to a constant.
    fn unary(self, symbol: Symbol, of_constant: impl Fn(f64) -> f64) -> Self {
        match self {
            Expression::Constant(number) => Expression::Constant(of_constant(number)),
            Expression::Node(all, number) => all.node(symbol, [number, 0, 0]),
        }
    }

    /// What is done to two operands, which is done at once to constants.
    fn binary(self, other: Self, symbol: Symbol, of_constants: impl Fn(f64, f64) -> f64) -> Self {
        match (self, other) {
            (Expression::Constant(x), Expression::Constant(y)) => {
                Expression::Constant(of_constants(x, y))
            }
            (Expression::Node(all, _), _) | (_, Expression::Node(all, _)) => {
                let operands = [self.number(all), other.number(all), 0];
                all.node(symbol, operands)
            }
        }
    }

    fn compare(self, other: Self, symbol: Symbol, holds: fn(&f64, &f64) -> bool) -> Self {
        self.binary(other, symbol, |x, y| f64::from(u8::from(holds(&x, &y))))
    }
}

impl Add for Expression<'_> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        // Adding +0 turns -0 to +0; adding -0 changes nothing.
        if other.is(-0.0) {
            return self;
        }
        if self.is(-0.0) {
            return other;
        }
        self.binary(other, Symbol::Add, |x, y| x + y)
    }
}

impl Sub for Expression<'_> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        if other.is(0.0) {
            return self;
        }
        self.binary(other, Symbol::Subtract, |x, y| x - y)
    }
}

impl Mul for Expression<'_> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        if other.is(1.0) {
            return self;
        }
        if self.is(1.0) {
            return other;
        }
        self.binary(other, Symbol::Multiply, |x, y| x * y)
    }
}

impl Div for Expression<'_> {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        if other.is(1.0) {
            return self;
        }
        self.binary(other, Symbol::Divide, |x, y| x / y)
    }
}

impl Neg for Expression<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        self.unary(Symbol::Negative, |x| -x)
    }
}

impl BitAnd for Expression<'_> {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        match (self.constant(), other.constant()) {
            (Some(0.0), _) => self,
            (Some(_), _) | (_, Some(0.0)) => other,
            (_, Some(_)) => self,
            (None, None) => self.binary(other, Symbol::And, f64::min),
        }
    }
}

impl BitOr for Expression<'_> {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        match (self.constant(), other.constant()) {
            (Some(0.0), _) => other,
            (Some(_), _) | (_, Some(0.0)) => self,
            (_, Some(_)) => other,
            (None, None) => self.binary(other, Symbol::Or, f64::max),
        }
    }
}

impl BitXor for Expression<'_> {
    type Output = Self;
    fn bitxor(self, other: Self) -> Self {
        self.binary(other, Symbol::Xor, |x, y| (x - y).abs())
    }
}

impl Not for Expression<'_> {
    type Output = Self;
    fn not(self) -> Self {
        self.unary(Symbol::Not, |x| 1.0 - x)
    }
}

impl Truth for Expression<'_> {}

impl<'a> Ordered for Expression<'a> {
    type Truth = Expression<'a>;

    methods! {
        equal(x, y) = x.compare(y, Symbol::Equal, f64::eq);
        not_equal(x, y) = x.compare(y, Symbol::NotEqual, f64::ne);
        less(x, y) = x.compare(y, Symbol::Less, f64::lt);
        less_equal(x, y) = x.compare(y, Symbol::LessEqual, f64::le);
        greater(x, y) = x.compare(y, Symbol::Greater, f64::gt);
        greater_equal(x, y) = x.compare(y, Symbol::GreaterEqual, f64::ge);
    }

    fn select(condition: Self, yes: Self, no: Self) -> Self {
        match condition {
            Expression::Constant(0.0) => no,
            Expression::Constant(_) => yes,
            Expression::Node(all, number) => {
                all.node(Symbol::Select, [number, yes.number(all), no.number(all)])
            }
        }
    }
}

impl Arithmetic for Expression<'_> {
    methods! {
        sqrt(x) = x.unary(Symbol::Sqrt, f64::sqrt);
        abs(x) = x.unary(Symbol::Abs, f64::abs);
        sign(x) = x.unary(Symbol::Sign, Arithmetic::sign);
        maximum(x, y) = x.binary(y, Symbol::Maximum, Arithmetic::maximum);
    }
}

impl Scalar for Expression<'_> {
    const ZERO: Self = Expression::Constant(0.0);
    const ONE: Self = Expression::Constant(1.0);
    const HALF: Self = Expression::Constant(0.5);
    const INFINITY: Self = Expression::Constant(f64::INFINITY);

    fn from_f64(value: f64) -> Self {
        Expression::Constant(value)
    }
    fn scaled_expm1_negative(self, scale: f64) -> Self {
        self.expm1() * Self::from_f64(scale)
    }

    methods! {
        mul_add(x, factor, addend) = x * factor + addend;
        copysign(x, sign) = x.binary(sign, Symbol::CopySign, f64::copysign);
        minimum(x, y) = x.binary(y, Symbol::Minimum, Scalar::minimum);
        floor(x) = x.unary(Symbol::Floor, f64::floor);
        ceil(x) = x.unary(Symbol::Ceil, f64::ceil);
        round(x) = x.unary(Symbol::Round, f64::round_ties_even);
        round_to_bf16(x) = x.unary(Symbol::RoundToBf16, Scalar::round_to_bf16);
        exp(x) = x.unary(Symbol::Exp, Scalar::exp);
        expm1(x) = x.unary(Symbol::Expm1, Scalar::expm1);
        log(x) = x.unary(Symbol::Log, Scalar::log);
        log1p(x) = x.unary(Symbol::Log1p, Scalar::log1p);
        sin(x) = x.unary(Symbol::Sin, Scalar::sin);
        cos(x) = x.unary(Symbol::Cos, Scalar::cos);
        tanh(x) = x.unary(Symbol::Tanh, Scalar::tanh);
        erf(x) = x.unary(Symbol::Erf, Scalar::erf);
        pow(x, y) = x.binary(y, Symbol::Power, Scalar::pow);
    }
}

impl Integer for Expression<'_> {
    methods! {
        wrapping_add(x, y) = x + y;
        wrapping_sub(x, y) = x - y;
        wrapping_mul(x, y) = x * y;
        divide_or_zero(x, y) = x / y;
        wrapping_power(x, y) = x.pow(y);
        max(x, y) = x.maximum(y);
        min(x, y) = x.minimum(y);
        wrapping_neg(x) = -x;
        wrapping_abs(x) = x.abs();
        signum(x) = x.sign();
    }
}

/// What a node is on floats, one operation after the other; truth values are 0 and 1.
#[cfg(test)]
pub(super) fn evaluate<F: super::Float>(
    nodes: &[ExpressionNode],
    number: u32,
    value: &impl Fn(usize) -> F,
) -> F {
    let node = &nodes[number as usize];
    let operand = |index: usize| evaluate(nodes, node.operands()[index], value);
    let truth = |holds: bool| F::select(holds, F::ONE, F::ZERO);
    match node.symbol {
        Symbol::Value(number) => value(number as usize),
        Symbol::Constant(bits) => F::from_f64(f64::from_bits(bits)),
        Symbol::Add => operand(0) + operand(1),
        Symbol::Subtract => operand(0) - operand(1),
        Symbol::Multiply => operand(0) * operand(1),
        Symbol::Divide => operand(0) / operand(1),
        Symbol::Sqrt => operand(0).sqrt(),
        Symbol::Abs => operand(0).abs(),
        Symbol::Sign => operand(0).signum(),
        Symbol::Maximum => operand(0).maximum(operand(1)),
        Symbol::Greater => truth(operand(0) > operand(1)),
        Symbol::GreaterEqual => truth(operand(0) >= operand(1)),
        Symbol::Select => F::select(operand(0) == F::ONE, operand(1), operand(2)),
        other => unreachable!("no combination has {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_says_what_it_computes_once() {
        let all = Expressions::default();
        let [x, y] = [0, 1].map(|number| all.value(number));
        let formula = x + (y.square() - x) * y.square();
        let text = "Add(Value(0), Multiply(Subtract(Multiply(Value(1), Value(1)), Value(0)), \
            Multiply(Value(1), Value(1))))";
        assert_eq!(
            format!("{formula:?}")
                .replace("Value(0)()", "Value(0)")
                .replace("Value(1)()", "Value(1)"),
            text
        );
        assert_eq!(all.nodes().len(), 6);
        assert_eq!((x + y).number(&all), (x + y).number(&all));
    }

    #[test]
    fn what_no_value_can_change_is_simplified() {
        let all = Expressions::default();
        let x = all.value(0);
        let one = Expression::from_f64(1.0);
        for same in
            [x * one, one * x, x / one, x - Expression::ZERO, x + Expression::from_f64(-0.0)]
        {
            assert_eq!(same.as_value(), Some(0));
        }
        // -0 + 0 is 0.
        assert_eq!((x + Expression::ZERO).as_value(), None);
        assert_eq!(Expression::select(one.less(Expression::ZERO), one, x).as_value(), Some(0));
    }
}
