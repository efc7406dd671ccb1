//! `losses.json`: the value and the gradient of every loss, under all reductions and weights, as a
//! plan and node by node.
//!
//! endo differs from Keras in two rules, and says so where they are checked: values that are not
//! reduced keep their shape, and a loss with one value for the whole batch takes no weights per
//! sample.

use endo::losses::{self, Loss};
use endo::trace::Function;
use endo::{Array, Error, Tensor};

use super::support::{Object, Outcome, Tolerance, check, compare};

/// Cases that are not checked yet.
const LATER: &[&str] = &[];

#[test]
fn losses_are_keras() {
    check("losses.json", LATER, |case| {
        let loss = losses::get(&case.named()).map_err(|error| error.to_string())?;
        let (y_true, y_pred, expected) =
            (case.array("y_true"), case.array("y_pred"), case.object("expected"));
        let weight = case.is_given("sample_weight").then(|| case.array("sample_weight"));
        let (mut value, gradient) = (expected.array("value"), expected.array("grad_y_pred"));
        if of_the_whole_batch(case)
            && let Some(weight) = &weight
        {
            refuses_weights(&loss, &y_true, &y_pred, weight)?;
        }
        // Without a reduction, Keras turns values `[batch]` with weights `[batch, 1]` into
        // `[batch, 1]`.
        if weight.as_ref().is_some_and(|weight| weight.shape().rank() == 2)
            && value.shape().get(1) == Some(&1)
        {
            value = value.reshape([value.len()]).map_err(|error| error.to_string())?;
        }
        for eagerly in [false, true] {
            let apply = |y_true: &Tensor, y_pred: &Tensor, weight: Option<&Tensor>| match weight {
                Some(weight) if of_the_whole_batch(case) => {
                    times_every_weight(&loss, y_true, y_pred, weight)
                }
                weight => loss.apply(y_true, y_pred, weight),
            };
            let [got_value, got_gradient] = run(apply, &y_true, &y_pred, weight.as_ref(), eagerly)
                .map_err(|error| error.to_string())?;
            compare("the value", &got_value, &value, tolerance(case, &value, &y_pred))?;
            compare("the gradient", &got_gradient, &gradient, tolerance(case, &gradient, &y_pred))?;
        }
        Ok(())
    });
}

/// The value, and the gradient of its sum with respect to the predictions.
fn run(
    apply: impl Fn(&Tensor, &Tensor, Option<&Tensor>) -> Tensor,
    y_true: &Array,
    y_pred: &Array,
    weight: Option<&Array>,
    eagerly: bool,
) -> Result<[Array; 2], Error> {
    let f = Function::new(|[y_true, y_pred, given], cx| {
        let value = apply(&y_true, &y_pred, weight.map(|_| &given));
        let gradient = cx.gradients(&value.sum(), [&y_pred]).into_tensors().remove(0);
        [value, gradient.unwrap_or_else(|| y_pred.zeros_like())]
    });
    f.run_eagerly(eagerly).run([y_true, y_pred, weight.unwrap_or(&Array::scalar(1.0_f32))])
}

/// Losses of regions have one value for the whole batch unless they are given an axis.
fn of_the_whole_batch(case: &Object<'_>) -> bool {
    matches!(case.text("class"), "Dice" | "Tversky") && !case.object("config").has("axis")
}

fn refuses_weights(loss: &dyn Loss, y_true: &Array, y_pred: &Array, weight: &Array) -> Outcome {
    let apply = |y_true: &Tensor, y_pred: &Tensor, weight: Option<&Tensor>| {
        loss.apply(y_true, y_pred, weight)
    };
    match run(apply, y_true, y_pred, Some(weight), false) {
        Ok(_) => Err("weights per sample are taken for a value of the whole batch".to_string()),
        Err(error) if error.message().starts_with("sample weights of shape") => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// What Keras computes instead: the value of the whole batch with each of the weights.
fn times_every_weight(
    loss: &dyn Loss,
    y_true: &Tensor,
    y_pred: &Tensor,
    weight: &Tensor,
) -> Tensor {
    let values = loss.call(y_true, y_pred) * weight.ones_like();
    loss.reduction().apply(&values, Some(weight), None)
}

/// Numbers are as exact as the largest of them allows; differences of large numbers, as those.
fn tolerance(case: &Object<'_>, expected: &Array, y_pred: &Array) -> Tolerance {
    match case.text("class") {
        "LogCosh" => Tolerance::of(&[y_pred]),
        _ => Tolerance::of(&[expected]),
    }
}
