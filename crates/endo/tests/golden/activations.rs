//! `activations.json`: the value and the slope of every activation function, as a plan and node by
//! node.
//!
//! The infinite inputs of `nonfinite` cases are optional there; here they count where Keras's value
//! is not NaN. Two functions differ from Keras, and say so where they are checked: `sparsemax`, and
//! the slope of `selu` next to 0.

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
        let (cotangent, mut value, mut slope) =
            (case.array("cotangent"), expected.array("value"), expected.array("grad_x"));
        match case.text("class") {
            "sparsemax" => {
                [value, slope] =
                    sparsemax(&x, &cotangent, case.object("config").optional_number("axis"))
            }
            "selu" => slope = selu_slope(&x, &slope),
            _ => {}
        }
        for eagerly in [false, true] {
            let [got_value, got_slope] =
                run(&*activation, &x, &cotangent, eagerly).map_err(|error| error.to_string())?;
            compare("the value", &got_value, &value, Tolerance::of(&[&x]))?;
            // Slopes are of the size of the cotangents, however large the arguments.
            compare("the gradient", &got_slope, &slope, Tolerance::of(&[&cotangent]))?;
        }
        Ok(())
    });
}

/// The value at x, and the gradient of `sum(value * cotangent)`.
fn run(
    activation: &dyn ActivationFunction,
    x: &Array,
    cotangent: &Array,
    eagerly: bool,
) -> Result<[Array; 2], Error> {
    let f = Function::new(|[x, cotangent], cx| {
        let y = activation.call(&x);
        let gradient = cx.gradients(&(&y * cotangent).sum(), [&x]).into_tensors().remove(0);
        [y, gradient.unwrap_or_else(|| x.zeros_like())]
    });
    f.run_eagerly(eagerly).run([x, cotangent])
}

fn nonfinite(activation: &dyn ActivationFunction, x: &Array, expected: &Object<'_>) -> Outcome {
    let expected = expected.array("value");
    for eagerly in [false, true] {
        let mut f = Function::new(|[x], _cx| [activation.call(&x)]).run_eagerly(eagerly);
        let [got] = f.run([x]).map_err(|error| error.to_string())?;
        let known =
            (0..x.len()).filter(|&index| x.get(index).is_nan() || !expected.get(index).is_nan());
        for index in known {
            let (got, expected) = (got.get(index), expected.get(index));
            if !Tolerance::of(&[]).allows(got, expected) {
                return Err(format!("the value at {} is {got}, expected {expected}", x.get(index)));
            }
        }
    }
    Ok(())
}

/// Keras computes `e^x - 1` by subtraction, which leaves 0 at the grid's -1e-30, and takes the
/// slope of positive values there.
fn selu_slope(x: &Array, keras: &Array) -> Array {
    const NEGATIVE: f32 = 1.050_700_9 * 1.673_263_2;
    let tiny = |x: f64| x < 0.0 && x > -1e-8;
    Array::from_fn(
        x.shape(),
        |index| if tiny(x.get(index)) { NEGATIVE } else { keras.get(index) as f32 },
    )
}

/// The definition: `tau` by bisection, and the cotangents less their mean over the support. Keras
/// sums the running sums where the definition takes the last of them, so its values sum to less
/// than 1 unless the support is a single element.
fn sparsemax(x: &Array, cotangent: &Array, axis: Option<f64>) -> [Array; 2] {
    let rank = x.shape().rank();
    let axis = axis.map_or(rank - 1, |axis| {
        if axis < 0.0 { (axis + rank as f64) as usize } else { axis as usize }
    });
    let (size, stride): (usize, usize) = (x.shape()[axis], x.shape()[axis + 1..].iter().product());
    let (mut values, mut slopes) = (vec![0.0_f32; x.len()], vec![0.0_f32; x.len()]);
    for start in (0..x.len()).filter(|index| index / stride % size == 0) {
        let row: Vec<usize> = (0..size).map(|i| start + i * stride).collect();
        let greatest = row.iter().map(|&index| x.get(index)).fold(f64::NEG_INFINITY, f64::max);
        let (mut low, mut high) = (greatest - 1.0, greatest);
        for _ in 0..60 {
            let tau = (low + high) / 2.0;
            let sum: f64 = row.iter().map(|&index| (x.get(index) - tau).max(0.0)).sum();
            if sum > 1.0 { low = tau } else { high = tau }
        }
        let support: Vec<usize> =
            row.into_iter().filter(|&index| x.get(index) > low + 1e-9).collect();
        let mean =
            support.iter().map(|&index| cotangent.get(index)).sum::<f64>() / support.len() as f64;
        for index in support {
            values[index] = (x.get(index) - low) as f32;
            slopes[index] = (cotangent.get(index) - mean) as f32;
        }
    }
    [values, slopes]
        .map(|values| Array::new(x.shape(), values).expect("as many values as elements"))
}
