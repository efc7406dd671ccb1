//! Every layer of the fixtures in `golden/layers.json`, with inputs of its shapes at the limits of
//! numbers.

#[path = "../golden/layers/build.rs"]
mod build;

use endo::prelude::*;

use super::support::each_case;
use super::{assert_none, places, wrong_slopes};

#[test]
fn of_layers() {
    let mut wrong = Vec::new();
    let mut count = 0;
    each_case("layers.json", |name, case| {
        let Ok(apply) = build::layer(case) else { return };
        let inputs = case.arrays("inputs");
        let number_of_places = places(&[1]).len();
        for place in 0..number_of_places {
            let moved = |input: &Array| {
                if input.dtype().is_float() {
                    places(input.shape().sizes()).swap_remove(place).1.cast(DType::F32)
                } else {
                    input.clone()
                }
            };
            let all: Vec<Array> = inputs.iter().map(moved).collect();
            // One input at the limit and the others as they are, and all of them at it.
            let first = inputs
                .first()
                .map(moved)
                .into_iter()
                .chain(inputs.iter().skip(1).cloned())
                .collect();
            let (what, _) = places(&[1])[place];
            for inputs in [all, first] {
                let found = wrong_slopes(&inputs, |x, cx| {
                    let flat = |y: Tensor| y.reshape([y.shape().len()]);
                    Tensor::concatenate(&apply(x, cx).into_iter().map(flat).collect::<Vec<_>>(), 0)
                });
                // The slope of a weight is a product with the inputs, which may be infinite there.
                let of_inputs = what.contains("infinit");
                let found =
                    found.into_iter().filter(|slope| !of_inputs || slope.starts_with("input"));
                wrong.extend(found.map(|slope| format!("{name} at {what}: the slope of {slope}")));
            }
        }
        count += 1;
    });
    assert!(count > 50, "only {count} layers were found");
    assert_none(&wrong);
}
