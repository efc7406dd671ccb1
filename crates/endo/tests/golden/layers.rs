//! `layers.json`: outputs, gradients of inputs and weights, and moving statistics of every layer,
//! as a plan and node by node.
//!
//! Weights are put in by their order; the last part of the name has to agree. How each class of
//! Keras is made of a configuration says `layers/build.rs`.

#[path = "layers/build.rs"]
mod build;

use std::cell::RefCell;

use endo::prelude::*;

use super::support::{Object, Outcome, Tolerance, check, compare};

/// Cases that Keras gets wrong: its addition takes a bias `[heads, 1]` for one of the steps where
/// there are as many steps as heads. `a_bias_of_one_number_a_head_is_added_head_by_head` checks
/// what is right.
const WRONG: &[&str] = &["MultiHeadAttention/query_value_key"];

#[test]
fn layers_are_keras() {
    check("layers.json", WRONG, |case| run(case, false).and_then(|()| run(case, true)));
}

/// Runs a case: once to make the weights, then with those of the file.
fn run(case: &Object<'_>, eager: bool) -> Outcome {
    let training = case.object("call").flag("training").unwrap_or_default();
    let (class, apply) = (case.text("class"), build::layer(case)?);
    let arrays = case.arrays("inputs");
    let inputs: Vec<Variable> =
        arrays.iter().map(|input| Variable::new("input", input.clone())).collect();
    let used = RefCell::new(Vec::new());
    let forward = |cx: &mut Context| {
        let tensors: Vec<Tensor> = inputs.iter().map(|input| cx.read(input)).collect();
        let outputs = apply(&tensors, cx);
        *used.borrow_mut() = cx.weights().cloned().collect();
        outputs
    };
    let mut make = Function::new(|[], cx| [flat(&forward(cx))]).training(false);
    make.run([]).map_err(|error| error.to_string())?;
    let used: Vec<Variable> = used.borrow().clone();
    let own_name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_string();
    let named = case.named_arrays("weights");
    let names = |names: &mut dyn Iterator<Item = &str>| names.map(own_name).collect::<Vec<_>>();
    let [got, want] = [
        names(&mut used.iter().map(|weight| weight.name())),
        names(&mut named.iter().map(|(name, _)| *name)),
    ];
    // What Keras's `Normalization` is given are constants of it, and weights that are saved here.
    if got != want && class != "Normalization" {
        return Err(format!("the weights are {got:?}, expected {want:?}"));
    }
    for (weight, (_, value)) in used.iter().zip(&named) {
        weight
            .set(value.as_ref().expect("weights have values"))
            .map_err(|error| error.to_string())?;
    }
    let weight = |name: &str| {
        let position = named.iter().position(|(known, _)| *known == name);
        position
            .map(|position| used[position].clone())
            .ok_or_else(|| format!("no weight is called {name}"))
    };

    let expected = case.object("expected");
    let (outputs, cotangents) = (expected.arrays("outputs"), case.arrays("cotangents"));
    // What has a gradient, and that gradient.
    let mut targets: Vec<(Variable, String, Array)> = Vec::new();
    for (index, gradient) in expected.optional_arrays("grad_inputs").into_iter().enumerate() {
        targets.extend(
            gradient.map(|gradient| (inputs[index].clone(), format!("input {index}"), gradient)),
        );
    }
    for (name, gradient) in expected.named_arrays("grad_weights") {
        targets.push((weight(name)?, name.to_string(), gradient.expect("weights have gradients")));
    }
    let shapes = RefCell::new(Vec::new());
    let variables: Vec<Variable> = targets.iter().map(|(variable, ..)| variable.clone()).collect();
    let mut run = Function::new(|[], cx| {
        let outputs = forward(cx);
        let terms = outputs
            .iter()
            .zip(&cotangents)
            .map(|(output, cotangent)| (output * cx.constant(cotangent.clone())).sum());
        let loss = terms.reduce(|sum, term| sum + term).expect("layers have outputs");
        let gradients = cx.gradients(&loss, &variables).into_tensors();
        // A layer without effect on a weight (the scale of scores that a softmax sees shifted, say)
        // has a gradient of 0.
        let gradients = gradients.into_iter().zip(&targets).map(|(gradient, (.., want))| {
            gradient.unwrap_or_else(|| cx.constant(Array::zeros(want.shape(), DType::F32)))
        });
        let gradients: Vec<Tensor> = gradients.collect();
        let all: Vec<Tensor> = outputs.into_iter().chain(gradients).collect();
        *shapes.borrow_mut() = all.iter().map(|value| value.shape().clone()).collect();
        [flat(&all)]
    })
    .training(training)
    .run_eagerly(eager);
    let numbers = run.run([]).map_err(|error| error.to_string())?[0].to_vec::<f32>();
    drop(run);
    let tolerance = Tolerance::of(&arrays.iter().chain(&cotangents).collect::<Vec<_>>());
    let wanted =
        outputs.iter().enumerate().map(|(index, output)| (format!("output {index}"), output));
    let wanted = wanted.chain(
        targets.iter().map(|(_, name, gradient)| (format!("the gradient of {name}"), gradient)),
    );
    let (shapes, mut start) = (shapes.into_inner(), 0);
    if shapes.len() != wanted.clone().count() {
        return Err(format!(
            "{} outputs, expected {}",
            shapes.len() - targets.len(),
            outputs.len()
        ));
    }
    for (shape, (what, want)) in shapes.into_iter().zip(wanted) {
        let values = numbers[start..start + shape.len()].to_vec();
        start += values.len();
        compare(&what, &Array::new(shape, values).expect("of that shape"), want, tolerance)?;
    }
    if expected.has("non_trainable_after") {
        for (name, value) in expected.named_arrays("non_trainable_after") {
            compare(
                &format!("{name} afterwards"),
                &weight(name)?.value(),
                &value.expect("weights have values"),
                tolerance,
            )?;
        }
    }
    Ok(())
}

/// All numbers of some tensors, one tensor after another.
fn flat(tensors: &[Tensor]) -> Tensor {
    Tensor::concatenate(
        &tensors.iter().map(|tensor| tensor.reshape([tensor.shape().len()])).collect::<Vec<_>>(),
        0,
    )
}
