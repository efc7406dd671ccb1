//! Activations, regularizers, constraints and losses by every name they have, at the limits of
//! numbers.

use endo::prelude::*;
use endo::{activations, constraints, losses, regularizers};

use super::{assert_none, places, wrong_slopes};

fn at_all_places(name: &str, shape: &[usize], f: impl Fn(&Tensor) -> Tensor) -> Vec<String> {
    let found = places(shape).into_iter().flat_map(|(place, x)| {
        let wrong = wrong_slopes(&[x.cast(DType::F32)], |x, _| f(&x[0]));
        wrong.into_iter().map(move |what| (place, what))
    });
    found.map(|(place, what)| format!("`{name}` at {place}: {what}")).collect()
}

#[test]
fn of_activations() {
    let wrong = activations::names().chain(["gelu(approximate=true)"]).flat_map(|name| {
        let activation = activations::get(name).unwrap();
        at_all_places(name, &[3, 4], |x| activation.call(x))
    });
    assert_none(&wrong.collect::<Vec<_>>());
}

#[test]
fn of_regularizers_and_constraints() {
    let penalties = regularizers::names().flat_map(|name| {
        let regularizer = regularizers::get(name).unwrap();
        at_all_places(name, &[3, 4], |x| regularizer.penalty(x))
    });
    let projections = constraints::names().flat_map(|name| {
        let constraint = constraints::get(name).unwrap();
        at_all_places(name, &[3, 4], |x| constraint.project(x))
    });
    assert_none(&penalties.chain(projections).collect::<Vec<_>>());
}

/// Targets and the shape of predictions that a loss takes.
fn arguments(name: &str) -> (Vec<Array>, Vec<usize>) {
    match name {
        "sparse_categorical_crossentropy" | "categorical_generalized_cross_entropy" => {
            (vec![[0, 2, 1].into()], vec![3, 3])
        }
        "ctc" => (vec![[[1, 2], [1, 1], [0, 0]].into()], vec![3, 4, 3]),
        "circle" => (vec![[0, 1, 0].into()], vec![3, 4]),
        _ => {
            let one_hot = Array::from([[1.0_f32, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]);
            let most = if name.starts_with("categorical_") { 1.0 } else { f64::MAX };
            let fits =
                |targets: &Array| targets.to_vec::<f64>().iter().all(|number| number.abs() <= most);
            let other = places(&[3, 3])
                .into_iter()
                .map(|(_, targets)| targets.cast(DType::F32))
                .filter(fits);
            (std::iter::once(one_hot).chain(other).collect(), vec![3, 3])
        }
    }
}

#[test]
fn of_losses() {
    let mut wrong = Vec::new();
    let with_logits = |name: &str| losses::get(&format!("{name}(from_logits=true)")).ok();
    for name in losses::names() {
        let (targets, shape) = arguments(name);
        for loss in [losses::get(name).ok(), with_logits(name)].into_iter().flatten() {
            for (row, targets) in targets.iter().enumerate() {
                for (place, x) in places(&shape) {
                    // Embeddings have length 1; and what targets have a slope for, which
                    // predictions far out multiply, is their own.
                    if name == "circle" && !x.is_finite() {
                        continue;
                    }
                    let fixed = !x.is_finite();
                    let found = wrong_slopes(&[x.cast(DType::F32), targets.clone()], |x, _| {
                        if fixed {
                            loss.call(&x[1].stop_gradient(), &x[0])
                        } else {
                            loss.call(&x[1], &x[0])
                        }
                    });
                    wrong.extend(
                        found
                            .into_iter()
                            .map(|what| format!("`{name}` of targets {row} at {place}: {what}")),
                    );
                }
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn losses_of_zeros_are_finite_and_so_are_their_slopes() {
    for name in losses::names() {
        let (targets, shape) = arguments(name);
        let loss = losses::get(name).unwrap();
        let mut run = Function::new(|[y_true, x], cx| {
            let y = loss.call(&y_true, &x);
            [y.clone().sum(), cx.gradients(&y.sum(), [&x]).into_tensors().remove(0).unwrap()]
        });
        let [value, slope] = run.run([&targets[0], &Array::zeros(shape, DType::F32)]).unwrap();
        assert!(value.is_finite() && slope.is_finite(), "{name}: {value:?} {slope:?}");
    }
}
