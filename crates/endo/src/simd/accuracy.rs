//! The errors of the float functions in units in the last place, measured over their whole range
//! through the loops of every level, and their values at zeros, infinities and NaN.

use super::loops::Real;
use super::{Arithmetic, Binary, Float, Level, Loops, Scalar, Unary};
use super::{error_function, exponential, trigonometry};

macro_rules! unary {
    ($($name:ident: $function:path;)*) => {$(
        struct $name;
        impl Unary for $name {
            fn apply<F: Scalar>(x: F) -> F {
                $function(x)
            }
        }
    )*};
}
unary! {
    Exp: Scalar::exp;
    Expm1: Scalar::expm1;
    Expm1Negative: expm1_negative;
    Tanh: Scalar::tanh;
    Sigmoid: exponential::sigmoid;
    Softplus: exponential::softplus;
    Log: Scalar::log;
    Log1p: Scalar::log1p;
    Erf: Scalar::erf;
    Erfinv: error_function::erfinv;
    Sin: Scalar::sin;
    Cos: Scalar::cos;
    Sqrt: Arithmetic::sqrt;
}

fn expm1_negative<F: Scalar>(x: F) -> F {
    x.scaled_expm1_negative(1.0)
}

struct Pow;
impl Binary for Pow {
    fn apply<F: Scalar>(x: F, y: F) -> F {
        x.pow(y)
    }
}

/// Points of each sign in a sample: unoptimized code is two orders of magnitude slower.
const POINTS: usize = if cfg!(debug_assertions) { 4_000 } else { 200_000 };

/// Runs a loop over inputs of one type.
fn run<T: Real>(loops: Loops, level: Level, inputs: &[&[T]]) -> Vec<T> {
    let n = inputs[0].len();
    let mut output = inputs[0].to_vec();
    let pointers: Vec<*const u8> = inputs.iter().map(|input| input.as_ptr().cast()).collect();
    // SAFETY: every array has n elements, and the levels are those available.
    unsafe { loops.at(level)(pointers.as_ptr(), output.as_mut_ptr().cast(), n) };
    output
}

/// |value − exact| in units in the last place of `T` at `exact`.
fn error<T: Real>(value: f64, exact: f64) -> f64 {
    let (rounded, digits, least) =
        if T::SINGLE { (f64::from(exact as f32), 23, -126) } else { (exact, 52, -1022) };
    if value == rounded || (value.is_nan() && rounded.is_nan()) {
        return 0.0;
    }
    if !rounded.is_finite() {
        return f64::INFINITY;
    }
    let exponent = (((exact.to_bits() >> 52) & 2047) as i32 - 1023).max(least);
    // In two steps, since the unit of a subnormal number has no reciprocal.
    (value - exact).abs() / 2.0_f64.powi(exponent) * 2.0_f64.powi(digits)
}

/// Numbers spread evenly over the exponents from 2^`low` to 2^`high`, of both signs.
fn spread(low: f64, high: f64) -> Vec<f64> {
    let magnitude = |i: usize| {
        (low + (high - low) * i as f64 / POINTS as f64).exp2() * (1.0 + 1e-3 * (i as f64).sin())
    };
    (0..POINTS).flat_map(|i| [magnitude(i), -magnitude(i)]).collect()
}

/// Numbers spread evenly between `low` and `high`.
fn even(low: f64, high: f64) -> Vec<f64> {
    (0..2 * POINTS).map(|i| low + (high - low) * i as f64 / (2 * POINTS) as f64).collect()
}

/// Asserts that `O` is within `bound` units of `exact` at `points` and at its zeros, at every
/// level.
fn check<O: Unary, T: Real>(exact: fn(f64) -> f64, points: &[Vec<f64>], bound: f64) {
    let mut xs: Vec<T> = points.iter().flatten().map(|&x| T::from_f64(x)).collect();
    xs.extend([T::ZERO, -T::ZERO, T::NAN]);
    let expected: Vec<f64> = xs.iter().map(|x| exact(x.to_f64())).collect();
    let name = std::any::type_name::<O>().rsplit("::").next().unwrap();
    for level in Level::available() {
        let values = run(Loops::unary::<O, T>(), level, &[&xs]);
        let results = xs.iter().zip(values).zip(&expected);
        compare(name, level, results.map(|((x, value), &exact)| (x, value, exact)), bound);
    }
}

/// Asserts that values, each with where it is and the exact one, are within `bound` units.
fn compare<T: Real, X: std::fmt::Debug>(
    name: &str,
    level: Level,
    values: impl Iterator<Item = (X, T, f64)>,
    bound: f64,
) {
    let mut worst = (0.0, None);
    for (x, value, exact) in values {
        assert!(
            exact != 0.0 || value.is_sign_negative() == exact.is_sign_negative(),
            "{name}: sign at {x:?}"
        );
        let error = error::<T>(value.to_f64(), exact);
        if error > worst.0 {
            worst = (error, Some(x));
        }
    }
    let (units, place) = worst;
    println!("{name} {} {level:?}: {units:.2} at {place:?}", std::any::type_name::<T>());
    assert!(units <= bound, "{name} {level:?}: {units} units at {place:?}");
}

fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

fn softplus(x: f64) -> f64 {
    if x.is_nan() { x } else { x.max(0.0) + (-x.abs()).exp().ln_1p() }
}

#[test]
fn the_negative_branch_of_an_exponential_unit_keeps_to_its_bound() {
    fn check<T: Real>(low: f64) {
        let points = spread(-149.0, 10.0).into_iter().chain(even(low, 0.0)).chain([
            0.0,
            -f64::INFINITY,
            f64::NAN,
        ]);
        let xs: Vec<T> = points.map(|x| T::from_f64(-x.abs())).collect();
        for level in Level::available() {
            for (x, value) in xs.iter().zip(run(Loops::unary::<Expm1Negative, T>(), level, &[&xs]))
            {
                let units = error::<T>(value.to_f64(), x.to_f64().exp_m1());
                assert!(units <= 3.0, "{level:?}: {units} units at {x:?}");
            }
        }
    }
    check::<f32>(-110.0);
    check::<f64>(-750.0);
}

#[test]
fn exponentials_keep_to_their_bounds() {
    let single = [
        spread(-149.0, 7.0),
        even(-110.0, 110.0),
        even(-2.0, 2.0),
        vec![f64::INFINITY, -f64::INFINITY],
    ];
    check::<Exp, f32>(f64::exp, &single, 1.5);
    check::<Expm1, f32>(f64::exp_m1, &single, 3.0);
    check::<Tanh, f32>(f64::tanh, &single, 4.0);
    check::<Sigmoid, f32>(sigmoid, &single, 3.0);
    check::<Softplus, f32>(softplus, &single, 4.0);
    let double = [
        spread(-1074.0, 10.0),
        even(-750.0, 720.0),
        even(-2.0, 2.0),
        vec![f64::INFINITY, -f64::INFINITY],
    ];
    check::<Exp, f64>(f64::exp, &double, 2.0);
    check::<Expm1, f64>(f64::exp_m1, &double, 4.0);
    check::<Tanh, f64>(f64::tanh, &double, 4.0);
    check::<Sigmoid, f64>(sigmoid, &double, 4.0);
    check::<Softplus, f64>(softplus, &double, 4.0);
}

#[test]
fn logarithms_keep_to_their_bounds() {
    let single = [
        spread(-149.0, 128.0),
        even(0.5, 2.0),
        even(-1.0, 1.0),
        vec![f64::INFINITY, -f64::INFINITY],
    ];
    check::<Log, f32>(f64::ln, &single, 1.5);
    check::<Log1p, f32>(f64::ln_1p, &single, 2.0);
    check::<Sqrt, f32>(f64::sqrt, &single, 0.5);
    let double = [
        spread(-1074.0, 1023.9),
        even(0.5, 2.0),
        even(-1.0, 1.0),
        vec![f64::INFINITY, -f64::INFINITY],
    ];
    check::<Log, f64>(f64::ln, &double, 2.0);
    check::<Log1p, f64>(f64::ln_1p, &double, 2.0);
    check::<Sqrt, f64>(f64::sqrt, &double, 0.0);
}

#[test]
fn sine_and_cosine_keep_to_their_bounds() {
    let single = [spread(-149.0, 28.0), even(-10.0, 10.0), even(-1e4, 1e4)];
    check::<Sin, f32>(f64::sin, &single, 2.0);
    check::<Cos, f32>(f64::cos, &single, 2.0);
    let double = [spread(-1074.0, 28.0), even(-10.0, 10.0), even(-1e4, 1e4)];
    check::<Sin, f64>(f64::sin, &double, 2.0);
    check::<Cos, f64>(f64::cos, &double, 2.0);
}

#[test]
fn an_angle_that_cannot_be_reduced_gives_nan() {
    for x in [3e8_f32, -3e8, f32::INFINITY, f32::NAN] {
        assert!(trigonometry::sin(x).is_nan() && trigonometry::cos(x).is_nan());
        assert!(
            trigonometry::sin(f64::from(x)).is_nan() && trigonometry::cos(f64::from(x)).is_nan()
        );
    }
}

/// `(x, erf x)`, to 17 digits.
const ERF: [(f64, f64); 36] = [
    (1e-300, 1.1283791670955126e-300),
    (1e-20, 1.1283791670955125e-20),
    (1e-08, 1.1283791670955126e-08),
    (0.001, 0.0011283787909692365),
    (0.05, 0.05637197779701663),
    (0.1, 0.1124629160182849),
    (0.2, 0.22270258921047847),
    (0.25, 0.27632639016823696),
    (0.3, 0.3286267594591274),
    (0.35, 0.3793820535623103),
    (0.4, 0.42839235504666845),
    (0.5, 0.5204998778130465),
    (0.6, 0.6038560908479259),
    (0.7, 0.6778011938374184),
    (0.8, 0.7421009647076605),
    (0.9, 0.7969082124228322),
    (1.0, 0.8427007929497149),
    (1.1, 0.8802050695740817),
    (1.25, 0.9229001282564583),
    (1.4, 0.9522851197626488),
    (1.5, 0.9661051464753108),
    (1.7, 0.9837904585907745),
    (1.9, 0.9927904292352575),
    (2.0, 0.9953222650189527),
    (2.2, 0.9981371537020182),
    (2.5, 0.999593047982555),
    (2.75, 0.9998993780778803),
    (3.0, 0.9999779095030014),
    (3.3, 0.9999969422902035),
    (3.7, 0.9999998328489421),
    (4.0, 0.9999999845827421),
    (4.5, 0.9999999998033839),
    (5.0, 0.9999999999984626),
    (5.5, 0.9999999999999927),
    (5.9, 0.9999999999999999),
    (6.5, 1.0),
];

#[test]
fn the_error_function_agrees_with_its_table() {
    for (x, exact) in ERF {
        let double = error::<f64>(error_function::erf(x), exact);
        let single = error::<f32>(
            f64::from(error_function::erf(x as f32)),
            error_function::erf(f64::from(x as f32)),
        );
        assert!(double <= 4.0 && single <= 4.0, "{double} and {single} units at {x}");
    }
}

#[test]
fn the_error_function_in_single_precision_agrees_with_the_double() {
    let points = [spread(-149.0, 4.0), even(-5.0, 5.0), vec![f64::INFINITY, -f64::INFINITY]];
    check::<Erf, f32>(error_function::erf, &points, 4.0);
}

#[test]
fn the_inverse_error_function_agrees_with_its_table() {
    let table = [
        (1e-300, 8.86226925452758e-301),
        (1e-10, 8.862269254527581e-11),
        (0.03, 0.02659307523408841),
        (0.1, 0.08885599049425769),
        (0.3, 0.2724627147267543),
        (0.5, 0.4769362762044699),
        (0.7, 0.7328690779592167),
        (0.84, 0.9935356283473041),
        (0.86, 1.0435418436397588),
        (0.9, 1.1630871536766743),
        (0.99, 1.8213863677184494),
        (0.9999, 2.75106390571208),
        (0.999999, 3.458910737275499),
        (0.9999999999, 4.572824958544925),
    ];
    for (y, x) in table {
        let relative = Float::abs(error_function::erfinv(y) / x - 1.0);
        println!("{relative:e}");
        assert!(relative < 1e-15, "{relative:e} at {y}");
    }
    let points = [spread(-140.0, -0.001), even(-1.0, 1.0)];
    check::<Erfinv, f32>(error_function::erfinv, &points, 8.0);
    for (x, exact) in
        [(1.0, f64::INFINITY), (-1.0, f64::NEG_INFINITY), (1.5, f64::NAN), (f64::NAN, f64::NAN)]
    {
        assert_eq!(error::<f64>(error_function::erfinv(x), exact), 0.0);
    }
}

fn check_pow<T: Real>(bases: &[f64], exponents: &[f64], bound: f64) {
    let pairs = || {
        bases.iter().flat_map(|&x| exponents.iter().map(move |&y| (T::from_f64(x), T::from_f64(y))))
    };
    let (xs, ys): (Vec<T>, Vec<T>) = pairs().unzip();
    for level in Level::available() {
        let values = run(Loops::binary::<Pow, T>(), level, &[&xs, &ys]);
        let results = pairs().zip(values).map(|((x, y), value)| {
            let exact = x.to_f64().powf(y.to_f64());
            ((x, y), value, exact)
        });
        compare("pow", level, results, bound);
    }
}

#[test]
fn powers_keep_to_their_bounds() {
    let exponents: Vec<f64> =
        (0..400).map(|i| f64::from(i - 200) * 0.37 + 1e-3 * f64::from(i).sin()).collect();
    let bases: Vec<f64> = (0..400).map(|i| (f64::from(i - 200) * 0.05).exp2() * 1.0123).collect();
    check_pow::<f32>(&bases, &exponents, 2.0);
    check_pow::<f64>(&bases, &exponents, 2.0);
    let near_one: Vec<f64> = (1..200).map(|i| 1.0 + f64::from(i - 100) * 1e-4).collect();
    let large: Vec<f64> = (0..300).map(|i| f64::from(i - 150) * 123.45).collect();
    check_pow::<f32>(&near_one, &large, 2.0);
    check_pow::<f64>(&near_one, &large, 2.0);
}

#[test]
fn powers_have_the_special_values_of_ieee_754() {
    let infinity = f64::INFINITY;
    let values = [0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 7.5, 1e9, 16777215.0, 1e30, infinity];
    let mut values: Vec<f64> = values.into_iter().flat_map(|x| [x, -x]).collect();
    values.push(f64::NAN);
    check_pow::<f32>(&values, &values, 1.0);
    check_pow::<f64>(&values, &values, 1.0);
}
