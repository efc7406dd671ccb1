//! Elementwise operations of every table, reductions and running products at the limits of numbers,
//! one element at a time.

use endo::ops::{self, elementwise};
use endo::prelude::*;

use super::{assert_none, places, wrong_slopes};

const FINITE: [f64; 13] =
    [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.5, 1e30, -1e30, 1e-30, -1e-30, 1e-15, 3e38];

/// Values of an operation on all pairs of numbers (or triples that begin with a truth value), after
/// `limit`, and its slopes: the places where a value is finite and a slope is NaN.
fn wrong_elements(
    operation: &'static endo::graph::Elementwise,
    numbers: &[f64],
    limit: impl Fn(Tensor) -> Tensor,
) -> Vec<String> {
    let site = endo::Site::caller();
    let count = numbers.len();
    let values = operation.arity.min(2);
    let shape = [2, count, count];
    let inputs: Vec<Array> = (0..values)
        .map(|input| {
            Array::from_fn(shape, |index| {
                let number = if input == 0 { index / count % count } else { index % count };
                numbers[number] as f32
            })
        })
        .collect();
    let mut wrong = Vec::new();
    for eager in [false, true] {
        let variables: Vec<Variable> =
            inputs.iter().map(|input| Variable::new("input", input.clone())).collect();
        let mut run = Function::new(|[], cx| {
            let x: Vec<Tensor> = variables.iter().map(|input| cx.read(input)).collect();
            let condition = cx.constant(Array::from_fn(shape, |index| index < count * count));
            let operands: Vec<&Tensor> =
                (operation.arity == 3).then_some(&condition).into_iter().chain(&x).collect();
            let y = limit(elementwise::apply(operation, &operands, site));
            let slopes = cx.gradients(&y.sum(), &x).into_tensors().into_iter().flatten();
            let all: Vec<Tensor> = std::iter::once(y.clone()).chain(slopes).collect();
            [Tensor::stack(&all, 0)]
        })
        .run_eagerly(eager);
        let found = run.run([]).unwrap_or_else(|error| panic!("{}: {error}", operation.name))[0]
            .to_vec::<f64>();
        let (y, slopes) = found.split_at(2 * count * count);
        for (place, slope) in slopes.iter().enumerate().filter(|(_, slope)| slope.is_nan()) {
            let (input, element) = (place / y.len(), place % y.len());
            let at: Vec<f64> = inputs.iter().map(|input| input.get(element)).collect();
            // An infinite exponent is no place on a curve: powers jump there.
            let jumps = operation.name == "power" && at[1].is_infinite();
            if y[element].is_finite() && !jumps {
                wrong.push(format!(
                    "`{}` at {at:?}, input {input}: {slope} (value {})",
                    operation.name, y[element]
                ));
            }
        }
    }
    wrong
}

fn differentiable() -> impl Iterator<Item = &'static endo::graph::Elementwise> {
    ops::tables().into_iter().flatten().copied().filter(|operation| {
        operation.gradient.is_some()
            && operation.loops_for(DType::F32).is_some()
            && operation.output_dtype(DType::F32).is_float()
    })
}

#[test]
fn a_finite_value_has_a_slope_that_is_a_number() {
    let numbers = [&FINITE[..], &[f64::INFINITY, f64::NEG_INFINITY]].concat();
    assert_none(
        &differentiable()
            .flat_map(|operation| wrong_elements(operation, &numbers, |y| y))
            .collect::<Vec<_>>(),
    );
}

/// Operations whose infinite slopes a clamp may follow. (Of `exp` it is the value, which
/// multiplies: the guide shows that as a reason for custom gradients.)
fn guarded() -> impl Iterator<Item = &'static endo::graph::Elementwise> {
    differentiable().filter(|operation| !["exp", "expm1"].contains(&operation.name))
}

#[test]
fn a_clamp_after_an_infinite_value_passes_no_nan() {
    let clipped =
        guarded().flat_map(|operation| wrong_elements(operation, &FINITE, |y| y.clip(-5.0, 5.0)));
    let chosen = guarded().flat_map(|operation| {
        wrong_elements(operation, &FINITE, |y| y.is_finite().where_(&y, 0.0))
    });
    assert_none(&clipped.chain(chosen).collect::<Vec<_>>());
}

#[test]
fn a_clamp_passes_no_nan_to_second_slopes_either() {
    let numbers = [0.0, 1.0, -1.0, 0.5, 1e30, 1e-30];
    let mut wrong = Vec::new();
    // The slope of `erfinv` squares its value, which is infinite at 1.
    for operation in guarded().filter(|operation| operation.arity < 3 && operation.name != "erfinv")
    {
        let count = numbers.len();
        let inputs: Vec<Variable> = (0..operation.arity)
            .map(|input| {
                Array::from_fn([count * count], |index| {
                    [numbers[index / count], numbers[index % count]][input] as f32
                })
            })
            .map(|input| Variable::new("input", input))
            .collect();
        let mut run = Function::new(|[], cx| {
            let x: Vec<Tensor> = inputs.iter().map(|input| cx.read(input)).collect();
            let y =
                elementwise::apply(operation, &x.iter().collect::<Vec<_>>(), endo::Site::caller())
                    .clip(-0.25, 0.25);
            let first = cx.gradients(&y.sum(), &x).into_tensors().into_iter().flatten();
            // Steps such as `floor` have none.
            let total = first.map(|slope| slope.sum()).reduce(|sum, slope| sum + slope);
            let second =
                total.map(|total| cx.gradients(&total, &x).into_tensors()).unwrap_or_default();
            let second: Vec<Tensor> = second.into_iter().flatten().collect();
            [Tensor::stack(&[&[y][..], &second].concat(), 0)]
        });
        let found = run.run([]).unwrap_or_else(|error| panic!("{}: {error}", operation.name))[0]
            .to_vec::<f64>();
        let (y, second) = found.split_at(count * count);
        let clamped = second
            .iter()
            .enumerate()
            .filter(|&(place, slope)| slope.is_nan() && y[place % y.len()].abs() == 0.25);
        wrong.extend(clamped.map(|(place, _)| {
            let at: Vec<f64> =
                inputs.iter().map(|input| input.value().get(place % y.len())).collect();
            format!("the second slope of `{}` at {at:?}", operation.name)
        }));
    }
    assert_none(&wrong);
}

#[test]
fn reductions() {
    type Reduction = fn(&Tensor) -> Tensor;
    let reductions: [(&str, Reduction); 11] = [
        ("sum", |x| x.sum_axes([-1])),
        ("mean", |x| x.mean_axes([-1])),
        ("product", |x| x.product_axes([-1])),
        ("max", |x| x.max_axes([-1])),
        ("min", |x| x.min_axes([-1])),
        ("variance", |x| x.variance_axes([-1])),
        ("logsumexp", |x| x.logsumexp_axes([-1])),
        ("cumsum", |x| x.cumsum(-1)),
        ("cumprod", |x| x.cumprod(-1, false, false)),
        ("sort", |x| x.sort(-1)),
        ("top_k", |x| x.top_k(1).0),
    ];
    let mut wrong = Vec::new();
    for (name, reduce) in reductions {
        for (place, x) in places(&[2, 3]) {
            wrong.extend(
                wrong_slopes(&[x.cast(DType::F32)], |x, _| reduce(&x[0]))
                    .into_iter()
                    .map(|what| format!("{name} at {place}: {what}")),
            );
        }
    }
    assert_none(&wrong);
}

#[test]
fn what_is_singular_itself_stays_as_tensorflows() {
    let slope = |f: fn(&Tensor) -> Tensor, x: f32| {
        let mut run = Function::new(|[x], cx| {
            [cx.gradients(&f(&x).sum(), [&x]).into_tensors().remove(0).unwrap()]
        });
        run.run([&[x].into()]).unwrap()[0].get(0)
    };
    assert_eq!(slope(Tensor::sqrt, 0.0), f64::INFINITY);
    assert_eq!(slope(Tensor::log, 0.0), f64::INFINITY);
    assert_eq!(slope(|x| x.powf(0.5), 0.0), f64::INFINITY);
    assert_eq!(slope(|x| 1.0 / x, 0.0), f64::NEG_INFINITY);
    assert_eq!(slope(|x| x.powf(0.0), 0.0), 0.0);
    assert_eq!(slope(|x| x.rsqrt().minimum(1e12), 0.0), 0.0);
}

#[test]
fn second_slopes_where_the_first_is_0_stay_right() {
    // (log x - log 2)^2 / 2 at 2: the first slope is 0, the second 1 / x^2.
    let mut run = Function::new(|[x], cx| {
        let y = (x.log() - 2.0_f64.ln()).square().sum() * 0.5;
        let first = cx.gradients(&y, [&x]).into_tensors().remove(0).unwrap();
        [cx.gradients(&first.sum(), [&x]).into_tensors().remove(0).unwrap()]
    })
    .dtype(DType::F64);
    assert!((run.run([&[2.0_f64].into()]).unwrap()[0].get(0) - 0.25).abs() < 1e-12);
}
