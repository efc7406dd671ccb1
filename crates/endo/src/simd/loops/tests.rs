//! Loops at every length, level and place, against their formulas.
//!
//! In: elements of all magnitudes, aligned to an element only. Out: a failure where a level differs
//! from the formula, or where something is written past the end.

use super::*;
use crate::simd::{Integer, Ordered, Scalar, Truth};

struct Mixed;
impl Unary for Mixed {
    fn apply<F: Scalar>(x: F) -> F {
        x.tanh() + x.round()
    }
}
impl Binary for Mixed {
    fn apply<F: Scalar>(x: F, y: F) -> F {
        x.mul_add(y, x.maximum(y))
    }
}
impl Ternary for Mixed {
    fn apply<F: Scalar>(x: F, y: F, z: F) -> F {
        F::select(x.less(y), z, x / y)
    }
}
impl Predicate for Mixed {
    fn apply<F: Scalar>(x: F) -> F::Truth {
        x.is_finite() & x.greater(F::ZERO)
    }
}
impl Comparison for Mixed {
    fn apply<T: Ordered>(x: T, y: T) -> T::Truth {
        x.less_equal(y)
    }
}
impl Integer1 for Mixed {
    fn apply<I: Integer>(x: I) -> I {
        x.wrapping_abs()
    }
}
impl Integer2 for Mixed {
    fn apply<I: Integer>(x: I, y: I) -> I {
        x.divide_or_zero(y)
    }
}
impl Logical1 for Mixed {
    fn apply<T: Truth>(x: T) -> T {
        !x
    }
}
impl Logical2 for Mixed {
    fn apply<T: Truth>(x: T, y: T) -> T {
        x ^ y
    }
}

/// The elements of a type at random places, of all magnitudes that its loops meet.
fn elements<T: Number>(seed: u64, element: fn(f64) -> T) -> Vec<T> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        element((state >> 40) as f64 / 4194304.0 - 2.0)
    };
    (0..128).map(|_| next()).collect()
}

/// Runs the loops at every level and for n = 0..100, from and to addresses that are aligned to an
/// element only; checks that all levels give what `exact` gives for one element, that nothing is
/// written past the end, and that the result is the same in the place of input `place`.
fn check<A, B, C, Out: Number + std::fmt::Debug + Default>(
    loops: Loops,
    a: &[A],
    b: &[B],
    c: &[C],
    exact: impl Fn(Level, usize) -> Out,
    place: Option<usize>,
) {
    for level in Level::available() {
        for n in 0..100 {
            let inputs =
                [a[1..].as_ptr().cast::<u8>(), b[1..].as_ptr().cast(), c[1..].as_ptr().cast()];
            let mut output = [Out::default(); 128];
            // SAFETY: all arrays are longer than 100 elements.
            unsafe { loops.at(level)(inputs.as_ptr(), output[1..].as_mut_ptr().cast(), n) };
            for (i, &value) in output.iter().enumerate() {
                let expected = if (1..=n).contains(&i) { exact(level, i) } else { Out::default() };
                assert!(
                    value == expected,
                    "{level:?}, n = {n}, i = {i}: {value:?}, not {expected:?}"
                );
            }
            let Some(place) = place else { continue };
            let mut shared = [0_u64; 128];
            let size = size_of::<Out>();
            let target = shared.as_mut_ptr().cast::<u8>();
            let mut inputs = inputs;
            // SAFETY: the input has at least n elements of the output's size, and `shared` has
            // room for them.
            unsafe {
                std::ptr::copy_nonoverlapping(inputs[place], target, n * size);
                inputs[place] = target;
                loops.at(level)(inputs.as_ptr(), target, n);
                let (there, here) = (output[1..].as_ptr().cast::<u8>(), target.cast_const());
                let bytes = |from| std::slice::from_raw_parts(from, n * size);
                assert_eq!(bytes(there), bytes(here), "{level:?}, n = {n}, in place");
            }
        }
    }
}

fn check_floats<T: Real + std::fmt::Debug + Default>(element: fn(f64) -> T) {
    let [x, y, z] = [1, 2, 3].map(|seed| elements(seed, element));
    let none = [(); 128];
    fn value<T: Real, F: Float>(plain: impl Fn() -> T, fused: impl Fn() -> F, level: Level) -> T {
        if level == Level::Baseline { plain() } else { T::from_f64(fused().to_f64()) }
    }
    let wide = |v: &[T], i: usize| <T::Fused as Float>::from_f64(v[i].to_f64());
    let unary = |level, i| {
        value(|| <Mixed as Unary>::apply(x[i]), || <Mixed as Unary>::apply(wide(&x, i)), level)
    };
    check(Loops::unary::<Mixed, T>(), &x, &none, &none, unary, Some(0));
    let binary = |level, i| {
        value(
            || <Mixed as Binary>::apply(x[i], y[i]),
            || <Mixed as Binary>::apply(wide(&x, i), wide(&y, i)),
            level,
        )
    };
    for place in 0..2 {
        check(Loops::binary::<Mixed, T>(), &x, &y, &none, binary, Some(place));
    }
    let ternary = |_, i| <Mixed as Ternary>::apply(x[i], y[i], z[i]);
    check(Loops::ternary::<Mixed, T>(), &x, &y, &z, ternary, Some(2));
    let predicate = |_, i: usize| u8::from(<Mixed as Predicate>::apply(x[i]));
    check(Loops::predicate::<Mixed, T>(), &x, &none, &none, predicate, None);
}

fn check_numbers<T: Number + std::fmt::Debug + Default>(element: fn(f64) -> T) {
    let [x, y] = [4, 5].map(|seed| elements(seed, element));
    let condition = elements(6, |x| u8::from(x > 0.0) * 3);
    let less = |_, i: usize| u8::from(x[i] <= y[i]);
    let place = (size_of::<T>() == 1).then_some(0);
    check(Loops::comparison::<Mixed, T>(), &x, &y, &[(); 128], less, place);
    let select = |_, i: usize| if condition[i] != 0 { x[i] } else { y[i] };
    check(Loops::select::<T>(), &condition, &x, &y, select, Some(1));
}

#[test]
fn float_loops_give_the_formula_at_every_length_level_and_place() {
    check_floats(|x| x as f32);
    check_floats(|x| x);
}

#[test]
fn comparisons_and_selections_hold_for_every_type() {
    check_numbers(|x| x as f32);
    check_numbers(|x| x);
    check_numbers(|x| (x * 1e9) as i32);
    check_numbers(|x| u8::from(x > 0.0));
}

#[test]
fn integer_loops_give_the_formula_at_every_length_level_and_place() {
    let [x, y] = [7, 8].map(|seed| elements(seed, |x| (x * 10.0) as i32));
    let none = [(); 128];
    let one = |_, i: usize| x[i].abs();
    check(Loops::integer1::<Mixed>(), &x, &none, &none, one, Some(0));
    let two = |_, i: usize| x[i].checked_div(y[i]).unwrap_or(0);
    check(Loops::integer2::<Mixed>(), &x, &y, &none, two, Some(1));
}

#[test]
fn logical_loops_read_any_nonzero_byte_as_true() {
    let [x, y] = [9, 10].map(|seed| elements(seed, |x| (x * 2.0) as u8));
    let none = [(); 128];
    let one = |_, i: usize| u8::from(x[i] == 0);
    check(Loops::logical1::<Mixed>(), &x, &none, &none, one, Some(0));
    let two = |_, i: usize| u8::from((x[i] != 0) != (y[i] != 0));
    check(Loops::logical2::<Mixed>(), &x, &y, &none, two, Some(1));
}
