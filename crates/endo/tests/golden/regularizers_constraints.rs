//! `regularizers_constraints.json`: penalties with their gradients, and projected weights, as plans
//! and node by node.

use endo::trace::Function;
use endo::{Array, Error, constraints, regularizers};

use super::support::{Object, Outcome, Tolerance, check, compare};

/// Cases that are not checked yet.
const LATER: &[&str] = &[];

#[test]
fn regularizers_and_constraints_are_keras() {
    check("regularizers_constraints.json", LATER, |case| {
        let checked = match case.text("kind") {
            "regularizer" => regularizer(case),
            "constraint" => constraint(case),
            other => {
                Err(Error::new(endo::ErrorKind::Argument, format!("the kind {other} is not known")))
            }
        };
        checked.unwrap_or_else(|error| Err(error.to_string()))
    });
}

fn regularizer(case: &Object<'_>) -> Result<Outcome, Error> {
    let (x, expected) = (case.array("x"), case.object("expected"));
    let (value, gradient) = (expected.array("value"), expected.array("grad_x"));
    let regularizer = regularizers::get(&case.named())?;
    for eagerly in [false, true] {
        let mut f = Function::new(|[x], cx| {
            let penalty = regularizer.penalty(&x);
            let gradient = cx.gradients(&penalty, [&x]).into_tensors().remove(0);
            [penalty, gradient.unwrap_or_else(|| x.zeros_like())]
        })
        .run_eagerly(eagerly);
        let [got_value, got_gradient] = f.run([&x])?;
        let outcome = compare("the penalty", &got_value, &value, Tolerance::of(&[&x]))
            .and_then(|()| compare("the gradient", &got_gradient, &gradient, Tolerance::of(&[&x])));
        if outcome.is_err() {
            return Ok(outcome);
        }
    }
    Ok(Ok(()))
}

fn constraint(case: &Object<'_>) -> Result<Outcome, Error> {
    let (x, expected): (Array, Array) = (case.array("x"), case.object("expected").array("value"));
    let constraint = constraints::get(&case.named())?;
    for eagerly in [false, true] {
        let mut f = Function::new(|[x], _cx| [constraint.project(&x)]).run_eagerly(eagerly);
        let outcome = compare("the weight", &f.run([&x])?[0], &expected, Tolerance::of(&[]));
        if outcome.is_err() {
            return Ok(outcome);
        }
    }
    Ok(Ok(()))
}
