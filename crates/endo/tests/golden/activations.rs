//! `activations.json`: the value and the slope of every activation function, as a plan and node by node.
//!
//! The infinite inputs of `nonfinite` cases are optional there; here they count where Keras's value is not NaN.

use endo::activations::{self, ActivationFunction};
use endo::trace::Function;
use endo::{Array, Error};

use super::support::{Object, Outcome, Tolerance, check, compare};

/// Cases that are not checked yet.
const LATER: &[&str] = &[];

#[test]
fn activations_are_keras() {
    check("activations.json", LATER, |case| {
        let activation = activations::get(&case.named()).map_err(|error| error.to_string())?;
        let (x, expected) = (case.array("x"), case.object("expected"));
        if !case.has("cotangent") {
            return nonfinite(&*activation, &x, &expected);
        }
        let (cotangent, value, slope) = (case.array("cotangent"), expected.array("value"), expected.array("grad_x"));
        for eagerly in [false, true] {
            let [got_value, got_slope] = run(&*activation, &x, &cotangent, eagerly).map_err(|error| error.to_string())?;
            compare("the value", &got_value, &value, Tolerance::of(&[&x]))?;
            // Slopes are of the size of the cotangents, however large the arguments.
            compare("the gradient", &got_slope, &slope, Tolerance::of(&[&cotangent]))?;
        }
        Ok(())
    });
}

/// The value at x, and the gradient of `sum(value * cotangent)`.
fn run(activation: &dyn ActivationFunction, x: &Array, cotangent: &Array, eagerly: bool) -> Result<[Array; 2], Error> {
    let f = Function::new(|[x, cotangent], cx| {
        let y = activation.call(&x);
        let gradient = cx.gradients(&(&y * cotangent).sum(), [&x]).into_tensors().remove(0);
        [y, gradient.unwrap_or_else(|| x.zeros_like())]
    });
    f.run_eagerly(eagerly).run([x, cotangent]).cloned()
}

fn nonfinite(activation: &dyn ActivationFunction, x: &Array, expected: &Object<'_>) -> Outcome {
    let expected = expected.array("value");
    for eagerly in [false, true] {
        let mut f = Function::new(|[x], _cx| [activation.call(&x)]).run_eagerly(eagerly);
        let [got] = f.run([x]).map_err(|error| error.to_string())?;
        let known = (0..x.len()).filter(|&index| x.get(index).is_nan() || !expected.get(index).is_nan());
        for index in known {
            let (got, expected) = (got.get(index), expected.get(index));
            if !Tolerance::of(&[]).allows(got, expected) {
                return Err(format!("the value at {} is {got}, expected {expected}", x.get(index)));
            }
        }
    }
    Ok(())
}
