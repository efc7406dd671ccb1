//! `reconstructing_regressor.json` and `california_regressor.json`: 60 steps of the book's model,
//! term by term.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use endo::data::{StandardScaler, Table};
use endo::prelude::*;
use endo::{activations, initializers, losses, optimizers};

use super::support::{Object, Outcome, Tolerance, check, compare, compare_numbers};

/// Losses and terms agree within 1e-4, weights after 60 steps within 1e-3.
const LOSSES: Tolerance = Tolerance { absolute: 1e-7, relative: 1e-4 };
const WEIGHTS: Tolerance = Tolerance { absolute: 1e-4, relative: 1e-3 };
const BATCH: usize = 32;

#[test]
fn sixty_steps_of_the_reconstructing_regressor_are_keras() {
    check("reconstructing_regressor.json", &[], |case| {
        made_up(case).unwrap_or_else(|error| Err(error.to_string()))
    });
}

/// The data is not part of the project: it is checked where the folder `shared` or `ENDO_GOLDEN`
/// has it.
#[test]
fn sixty_steps_on_the_california_table_are_keras() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder =
        std::env::var_os("ENDO_GOLDEN").map_or_else(|| beside.join("golden"), PathBuf::from);
    let data = [folder.join("../data"), beside.join("data")]
        .map(|folder| folder.join("california_housing.csv"));
    let file = folder.join("california_regressor.json");
    let (Some(data), true) = (data.iter().find(|path| path.exists()), file.exists()) else {
        println!("not checked: {} or the table beside it is not there", file.display());
        return;
    };
    let check_case =
        |case: &Object<'_>| california(case, data).unwrap_or_else(|error| Err(error.to_string()));
    check(&file.to_string_lossy(), &[], check_case);
}

struct Regressor {
    hidden: Vec<Dense>,
    reconstruct: OnceLock<Dense>,
    out: Dense,
    weight: f64,
}

impl Layer for Regressor {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let mut z = inputs.clone();
        for layer in &self.hidden {
            z = layer.apply(&z, cx);
        }
        let reconstruct =
            self.reconstruct.get_or_init(|| Dense::new(inputs.features()).name("reconstruct"));
        let error = (reconstruct.apply(&z, cx) - inputs).square().mean();
        cx.add_loss("reconstruction", self.weight * &error);
        cx.add_metric("reconstruction_loss", &error);
        self.out.apply(&z, cx)
    }
}

/// The model of a case, with its weights before training, compiled; and the factor of its
/// reconstruction.
fn model(case: &Object<'_>, features: usize) -> Result<(Model, f64)> {
    let config = case.object("config");
    assert_eq!(case.text("class"), "ReconstructingRegressor");
    assert_eq!(config.number("batch_size") as usize, BATCH);
    let units = config.number("hidden_units") as usize;
    let (activation, initializer) = (config.text("activation"), config.text("kernel_initializer"));
    let hidden = (0..config.number("hidden_layers") as usize).map(|index| {
        let layer = Dense::new(units)
            .activation(activations::get(activation)?)
            .kernel_initializer(initializers::get(initializer)?);
        Ok(layer.name(format!("hidden{index}")))
    });
    let hidden = hidden.collect::<Result<_>>()?;
    let weight = config.number("reconstruction_weight");
    let mut model = Model::new(Regressor {
        hidden,
        reconstruct: OnceLock::new(),
        out: Dense::new(1).name("out"),
        weight,
    });
    let optimizer = optimizers::get(&format!(
        "{}({})",
        config.text("optimizer"),
        config.number("learning_rate")
    ))?;
    let metric = endo::metrics::MeanMetricWrapper::new(MeanSquaredError).name("mse");
    model.compile(optimizer, losses::get(config.text("loss"))?, [metric]);
    model.build([BATCH, features])?;
    for (name, value) in case.named_arrays("weights") {
        model
            .weight(name)
            .expect("a weight of that name")
            .set(&value.expect("weights have values"))?;
    }
    Ok((model, weight))
}

fn made_up(case: &Object<'_>) -> Result<Outcome> {
    let batches: Vec<Dataset> = case
        .objects("batches")
        .iter()
        .map(|batch| Dataset::new(batch.array("inputs"), batch.array("targets")))
        .collect::<Result<_>>()?;
    let validation = case.object("validation");
    let validation = Dataset::new(validation.array("inputs"), validation.array("targets"))?;
    let (mut model, weight) = model(case, validation.inputs().shape().features())?;
    let expected = case.object("expected");
    let outcome = train(&mut model, &batches, &validation, weight, &expected)?;
    let predictions = model.predict(validation.inputs())?;
    Ok(outcome.and_then(|()| {
        compare("the predictions", &predictions, &expected.array("predictions"), WEIGHTS)
    }))
}

fn california(case: &Object<'_>, data: &Path) -> Result<Outcome> {
    let table = Table::read_csv(data)?;
    let target = table.columns().last().expect("a table has columns").to_string();
    let y = Table::from_columns([(target.clone(), table.column(&target)?.to_vec())])?
        .array(DType::F32)?;
    let x = table.drop(&target)?.array(DType::F64)?;
    let config = case.object("config");
    let (test, valid) = (case.sizes("test_rows"), case.sizes("valid_rows"));
    // The rows are given: how scikit-learn chose them does not matter here.
    assert!(config.number("split_random_state") >= 0.0 && config.number("test_size") < 1.0);
    let train_rows: Vec<usize> =
        (0..x.shape().batch()).filter(|row| !test.contains(row) && !valid.contains(row)).collect();
    assert_eq!(train_rows.len(), case.number("train_size") as usize);
    let scaler = StandardScaler::fit(&x.take(&train_rows))?;
    let wanted = case.object("scaler");
    let exact = Tolerance { absolute: 0.0, relative: 1e-6 };
    for (what, got, wanted) in [
        ("mean", scaler.mean(), wanted.array("mean")),
        ("std", scaler.standard_deviation(), wanted.array("std")),
    ] {
        for (index, &got) in got.iter().enumerate() {
            if let Err(error) = compare_numbers(what, got, wanted.get(index), exact) {
                return Ok(Err(error));
            }
        }
    }
    let scaled = scaler.transform(&x)?.cast(DType::F32);
    let all = Dataset::new(scaled, y)?;
    let batches: Vec<Dataset> =
        case.lists("batch_rows").iter().map(|rows| all.take(rows)).collect::<Result<_>>()?;
    for (batch, wanted) in batches.iter().zip(case.objects("first_batches")) {
        let outcome = compare("scaled inputs", batch.inputs(), &wanted.array("inputs"), exact)
            .and_then(|()| {
                compare(
                    "targets",
                    batch.targets().expect("targets"),
                    &wanted.array("targets"),
                    exact,
                )
            });
        if outcome.is_err() {
            return Ok(outcome);
        }
    }
    let (mut model, weight) = model(case, all.inputs().shape().features())?;
    let expected = case.object("expected");
    let outcome = train(&mut model, &batches, &all.take(&valid)?, weight, &expected)?;
    let predictions = model.predict(&expected.array("test_inputs"))?;
    Ok(outcome.and_then(|()| {
        compare("the predictions", &predictions, &expected.array("test_predictions"), WEIGHTS)
    }))
}

/// Trains on the batches in order, and compares every step, the weights, and evaluations before and
/// after.
fn train(
    model: &mut Model,
    batches: &[Dataset],
    validation: &Dataset,
    weight: f64,
    expected: &Object<'_>,
) -> Result<Outcome> {
    let mut outcomes =
        vec![evaluation(model, validation, weight, &expected.object("evaluate_before"))?];
    let [total, main, reconstruction] =
        ["loss", "main_loss", "reconstruction_loss"].map(|key| expected.array(key));
    assert_eq!(total.len(), batches.len());
    for (step, batch) in batches.iter().enumerate() {
        let logs = model.train_on_batch(batch)?;
        let got = |name: &str| logs.get(name).unwrap_or(f64::NAN);
        outcomes.push(compare_numbers(
            &format!("the loss of step {step}"),
            got("loss"),
            total.get(step),
            LOSSES,
        ));
        outcomes.push(compare_numbers(
            &format!("the main loss of step {step}"),
            got("main"),
            main.get(step),
            LOSSES,
        ));
        let term = got("reconstruction") / weight;
        outcomes.push(compare_numbers(
            &format!("the reconstruction of step {step}"),
            term,
            reconstruction.get(step),
            LOSSES,
        ));
        if step == 0 {
            outcomes.push(weights(model, expected, "weights_after_first_step"));
        }
    }
    outcomes.push(weights(model, expected, "final_weights"));
    outcomes.push(evaluation(model, validation, weight, &expected.object("evaluate_after"))?);
    Ok(outcomes.into_iter().collect())
}

fn weights(model: &Model, expected: &Object<'_>, key: &str) -> Outcome {
    expected.named_arrays(key).into_iter().try_for_each(|(name, value)| {
        let weight = model.weight(name).ok_or(format!("no weight {name}"))?;
        compare(
            &format!("{name} in {key}"),
            &weight.value(),
            &value.ok_or("weights have values")?,
            WEIGHTS,
        )
    })
}

/// Keras reports the plain mean of the batches' reconstructions, also when the last batch is
/// smaller; its loss, which holds the same term, is weighted by the batch size as everything is
/// here.
fn evaluation(
    model: &Model,
    data: &Dataset,
    weight: f64,
    expected: &Object<'_>,
) -> Result<Outcome> {
    let logs = model.evaluate_with(data, Evaluate::new().batch_size(BATCH))?;
    let got = |name: &str| logs.get(name).unwrap_or(f64::NAN);
    let mut means = Vec::new();
    for start in (0..data.len()).step_by(BATCH) {
        let batch = data.rows(start..data.len().min(start + BATCH))?;
        means.push(model.test_on_batch(&batch)?.get("reconstruction").unwrap_or(f64::NAN) / weight);
    }
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    Ok(compare_numbers("the loss", got("loss"), expected.array("loss").get(0), LOSSES)
        .and_then(|()| compare_numbers("the mse", got("mse"), expected.array("mse").get(0), LOSSES))
        .and_then(|()| {
            compare_numbers(
                "the reconstruction",
                mean,
                expected.array("reconstruction_loss").get(0),
                LOSSES,
            )
        }))
}
