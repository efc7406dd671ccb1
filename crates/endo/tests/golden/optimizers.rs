//! `optimizers.json`: weights after every step, learning rates, averages, and schedules, as plans
//! and node by node.

use endo::optimizers::{self, Optimizer, schedules};
use endo::trace::{Function, Gradients};
use endo::{Array, Error, ErrorKind, Variable};

use super::support::{Object, Outcome, Tolerance, check, compare, compare_numbers};

/// Cases that are not checked yet.
const LATER: &[&str] = &[];

/// Keras computes rates in `f32`, which counts late in a schedule, endo in `f64`.
const RATES: Tolerance = Tolerance { absolute: 1e-7, relative: 1e-4 };

#[test]
fn optimizers_and_schedules_are_keras() {
    check("optimizers.json", LATER, |case| {
        for eagerly in [false, true] {
            let checked = match case.text("kind") {
                "schedule" => schedule(case, eagerly),
                "optimizer" => optimizer(case, eagerly),
                other => {
                    Err(Error::new(ErrorKind::Argument, format!("the kind {other} is not known")))
                }
            };
            checked.unwrap_or_else(|error| Err(error.to_string()))?;
        }
        Ok(())
    });
}

fn schedule(case: &Object<'_>, eagerly: bool) -> Result<Outcome, Error> {
    let schedule = schedules::get(&case.named())?;
    let expected = case.object("expected").array("learning_rate");
    let steps = case.sizes("steps");
    assert_eq!(steps.len(), expected.len());
    let mut rate = Function::new(|[step], _cx| [schedule.rate(&step)]).run_eagerly(eagerly);
    for (index, step) in steps.into_iter().enumerate() {
        let got = rate.run([&Array::scalar(step as f64)])?[0].item()?;
        let outcome =
            compare_numbers(&format!("the rate at step {step}"), got, expected.get(index), RATES);
        if outcome.is_err() {
            return Ok(outcome);
        }
    }
    Ok(Ok(()))
}

fn optimizer(case: &Object<'_>, eagerly: bool) -> Result<Outcome, Error> {
    let mut text = case.named();
    let options = case.object("options");
    if options.is_given("exclude_from_weight_decay") {
        let spared = options.texts("exclude_from_weight_decay").join(", ");
        text = text.replacen(')', &format!(", exclude_from_weight_decay=[{spared}])"), 1);
    }
    let optimizer = optimizers::get(&text)?;

    let variables: Vec<Variable> = case
        .named_arrays("variables")
        .into_iter()
        .map(|(name, value)| Variable::new(name, value.expect("variables have values")))
        .collect();
    let gradients = case.array_lists("gradients");
    if options.is_given("zero_gradients") {
        assert!(
            gradients[0]
                .iter()
                .all(|gradient| (0..gradient.len()).all(|index| gradient.get(index) == 0.0))
        );
    }
    let expected = case.object("expected");
    let (wanted, rates) = (expected.array_lists("variables"), expected.array("learning_rate"));
    assert!(gradients.len() == wanted.len() && gradients.len() == rates.len());

    let mut step = Function::new(|gradients: [_; 3], cx| {
        optimizer.apply(&Gradients::new(variables.iter().cloned().zip(gradients.map(Some))), cx);
        []
    })
    .run_eagerly(eagerly);
    for (index, (gradients, wanted)) in gradients.iter().zip(&wanted).enumerate() {
        let rate = optimizer.settings().learning_rate()?;
        let outcome =
            compare_numbers(&format!("the rate of step {index}"), rate, rates.get(index), RATES);
        let [a, b, c] = &gradients[..] else { panic!("three gradients, got {}", gradients.len()) };
        step.run([a, b, c])?;
        let outcome = outcome
            .and_then(|()| compare_variables(&format!("after step {index}"), &variables, wanted));
        if outcome.is_err() {
            return Ok(outcome);
        }
    }
    if !expected.has("finalized") {
        return Ok(Ok(()));
    }
    optimizer.settings().finalize_variable_values(&variables)?;
    Ok(compare_variables("in the end", &variables, &expected.arrays("finalized")))
}

fn compare_variables(when: &str, variables: &[Variable], wanted: &[Array]) -> Outcome {
    assert_eq!(variables.len(), wanted.len());
    let mut pairs = variables.iter().zip(wanted);
    pairs.try_for_each(|(variable, wanted)| {
        compare(
            &format!("`{}` {when}", variable.name()),
            &variable.value(),
            wanted,
            Tolerance::of(&[]),
        )
    })
}
