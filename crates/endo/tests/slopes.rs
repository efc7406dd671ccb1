//! Slopes where functions are at their limits: a value that is finite has a slope that is a number.
//!
//! In: every operation, activation, regularizer, constraint, loss and layer, at zeros, ties, very
//! large and very small numbers, and infinities. Out: a failure, named, where a value is finite and
//! its slope is NaN: "0 times infinity" behind a clamp.

use endo::prelude::*;

// Only what reads the fixtures is used here.
#[allow(dead_code)]
#[path = "golden/support.rs"]
mod support;

#[path = "slopes/functions.rs"]
mod functions;
#[path = "slopes/layers.rs"]
mod layers;
#[path = "slopes/operations.rs"]
mod operations;

/// Arrays of a shape at which something may go wrong, by what they hold.
fn places(shape: &[usize]) -> Vec<(&'static str, Array)> {
    let filled =
        |numbers: &[f64]| Array::from_fn(shape.to_vec(), |index| numbers[index % numbers.len()]);
    let width = shape.last().copied().unwrap_or(1).max(1);
    let rows = |first: f64, other: f64| {
        Array::from_fn(shape.to_vec(), |index| {
            if index / width == 0 { first } else { other * (index as f64).sin() }
        })
    };
    vec![
        ("zeros", filled(&[0.0])),
        ("negative zeros", filled(&[-0.0])),
        ("ties", filled(&[1.0])),
        ("huge numbers", filled(&[1e30])),
        ("huge numbers of both signs", filled(&[1e30, -1e30])),
        ("a huge number among zeros", filled(&[0.0, 1e30, 0.0])),
        ("tiny numbers", filled(&[1e-30])),
        ("tiny numbers of both signs", filled(&[1e-15, -1e-15, 1e-15])),
        ("a row of zeros", rows(0.0, 1.0)),
        ("a huge row", rows(1e30, 1.0)),
        ("infinities", filled(&[f64::INFINITY])),
        ("negative infinities", filled(&[f64::NEG_INFINITY])),
        ("negative infinities among ones", filled(&[1.0, f64::NEG_INFINITY])),
        ("infinities among zeros", filled(&[0.0, f64::INFINITY])),
    ]
}

/// What is wrong with the slopes of a function of inputs: the names of those that are NaN although
/// all values are finite.
fn wrong_slopes(inputs: &[Array], f: impl Fn(&[Tensor], &mut Context) -> Tensor) -> Vec<String> {
    let variables: Vec<Variable> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| Variable::new(format!("input {index}"), input.clone()))
        .collect();
    let mut wrong = Vec::new();
    for eager in [false, true] {
        let names = std::cell::RefCell::new(Vec::new());
        let mut run = Function::new(|[], cx| {
            let tensors: Vec<Tensor> = variables.iter().map(|variable| cx.read(variable)).collect();
            let y = f(&tensors, cx);
            let floats = variables.iter().filter(|variable| variable.value().dtype().is_float());
            let targets: Vec<Variable> = floats
                .chain(cx.weights().filter(|weight| weight.is_trainable()))
                .cloned()
                .collect();
            let gradients = cx.gradients(&y.sum(), &targets).into_tensors().into_iter();
            let named = targets
                .iter()
                .zip(gradients)
                .filter_map(|(target, slope)| Some((target.name().to_string(), slope?)));
            let (mut of, mut all) =
                (Vec::new(), vec![y.cast(DType::F64).is_finite().all().cast(DType::F64)]);
            for (name, slope) in named {
                of.push(name);
                all.push(slope.is_nan().any().cast(DType::F64));
            }
            *names.borrow_mut() = of;
            [Tensor::stack(&all, 0)]
        })
        .run_eagerly(eager);
        let found = run.run([]).unwrap_or_else(|error| panic!("{error}"))[0].to_vec::<f64>();
        drop(run);
        if found[0] == 1.0 {
            let how = if eager { "node by node" } else { "as a plan" };
            let nan = names
                .borrow()
                .iter()
                .zip(&found[1..])
                .filter(|&(_, nan)| *nan == 1.0)
                .map(|(name, _)| name.clone())
                .collect::<Vec<_>>();
            wrong.extend(nan.into_iter().map(|name| format!("{name}, {how}")));
        }
    }
    wrong
}

/// Fails with everything that was found wrong.
#[track_caller]
fn assert_none(wrong: &[String]) {
    let shown = wrong.iter().take(40).cloned().collect::<Vec<_>>().join("\n  ");
    assert!(
        wrong.is_empty(),
        "{} slopes are NaN where all values are finite:\n  {shown}",
        wrong.len()
    );
}

#[test]
fn a_row_of_zeros_trains_as_in_keras() {
    let kernel = Array::from_fn([2, 2], |index| 0.4 * (0.9 * index as f64).sin());
    let dense = Dense::new(2).use_bias(false);
    let mut model = Model::new(Sequential::new().add(dense).add(UnitNormalization::new()));
    model.build([2, 2]).unwrap();
    model.weights()[0].set(&kernel.cast(DType::F32)).unwrap();
    model.compile(Sgd::new(0.1), MeanSquaredError, ());
    let data = Dataset::new([[0.0_f32, 0.0], [1.0, 2.0]], [[0.0_f32, 0.0], [1.0, 0.0]]).unwrap();
    let history = model.fit(&data, Fit::epochs(1)).unwrap();
    let loss = history.last("loss").unwrap();
    assert!((loss - 0.117_343_35).abs() < 1e-6, "{loss}");
    let kernel = model.weights()[0].value().to_vec::<f64>();
    let expected = [0.020_348_79, 0.289_135_93, 0.430_236_64, 0.122_562_27];
    assert!(
        kernel.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-6),
        "{kernel:?}"
    );
}
