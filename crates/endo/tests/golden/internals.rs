//! `internals.json`: losses that models collect, totals, gradients, steps, and what `fit` and
//! `evaluate` report.

#[path = "internals/heads.rs"]
mod heads;
#[path = "internals/nets.rs"]
mod nets;

use std::cell::RefCell;
use std::sync::Arc;

use endo::losses;
use endo::metrics::{self, Metric};
use endo::prelude::*;

use super::support::{Object, Outcome, Tolerance, check, compare, compare_numbers};
use heads::heads;
use nets::{Net, net};

/// Cases that are not checked yet.
const LATER: &[&str] = &[];

const TOLERANCE: Tolerance = Tolerance { absolute: 1e-5, relative: 1e-4 };

#[test]
fn losses_from_inside_models_are_keras() {
    check("internals.json", LATER, |case| {
        if case.text("name").starts_with("loss_weights/") {
            heads(case)
        } else {
            Case::read(case).and_then(|case| case.run())
        }
    });
}
type Named = Vec<(String, Option<Array>)>;

/// A case with everything that its check needs.
struct Case<'a> {
    object: &'a Object<'a>,
    make: Box<dyn Fn() -> Net>,
    data: Dataset,
    class_weight: Vec<(usize, f64)>,
    weights: Named,
}

impl<'a> Case<'a> {
    fn read(object: &'a Object<'a>) -> Result<Self, String> {
        let make = net(object)?;
        object.text("class");
        object.text("description");
        let mut data =
            Dataset::new(object.array("inputs"), object.array("targets")).map_err(text)?;
        if object.is_given("sample_weight") {
            data = data.with_sample_weight(object.array("sample_weight")).map_err(text)?;
        }
        let mut class_weight = Vec::new();
        if object.is_given("class_weight") {
            let weights = object.object("class_weight");
            class_weight = weights
                .keys()
                .map(|class| (class.parse().expect("a class number"), weights.number(class)))
                .collect();
        }
        let named = object.named_arrays("weights");
        let weights = named.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
        Ok(Self { object, make, data, class_weight, weights })
    }

    /// A model with the initial weights, compiled as the case says.
    fn model(&self) -> Result<Model, String> {
        let mut model = Model::new((self.make)());
        let compile = self.object.object("compile");
        let metrics =
            |key| compile.texts(key).into_iter().map(metric).collect::<Result<Vec<_>, _>>();
        let (plain, weighted) = (metrics("metrics")?, metrics("weighted_metrics")?);
        if compile.is_given("loss") {
            model.compile(Sgd::new(0.1), losses::get(compile.text("loss")).map_err(text)?, plain)
        } else {
            model.compile(Sgd::new(0.1), (), plain)
        };
        model.weighted_metrics(weighted);
        if compile.is_given("loss_weights") {
            model.loss_weights([compile.number("loss_weights")]);
        }
        model.build(self.data.inputs().shape()).map_err(text)?;
        for (name, value) in &self.weights {
            let weight = model
                .weight(name)
                .ok_or(format!("the model has no weight {name}, but {:?}", model.weights()))?;
            weight.set(value.as_ref().expect("weights have values")).map_err(text)?;
        }
        let trainable: Vec<String> =
            model.trainable_weights().iter().map(|weight| short(weight.name())).collect();
        let mut expected = self.object.texts("trainable");
        expected.sort_unstable();
        let mut sorted = trainable.clone();
        sorted.sort_unstable();
        if sorted != expected {
            Err(format!("trainable are {trainable:?}, expected {expected:?}"))
        } else {
            Ok(model)
        }
    }

    /// The data with class weights as the sample weights that they stand for.
    fn weighted_data(&self) -> Result<Dataset, String> {
        match &self.class_weight[..] {
            [] => Ok(self.data.clone()),
            weights => self.data.clone().with_class_weight(weights.iter().copied()).map_err(text),
        }
    }

    fn run(&self) -> Outcome {
        let expected = self.object.object("expected");
        if expected.has("batches") {
            return self.totals(&expected);
        }
        let data = self.weighted_data()?;
        let model = self.model()?;
        // The fixtures' predictions are of a call in training.
        let mut call = Function::new(|[x], cx| [model.apply(&x, cx)]);
        let [predictions] = call.run([data.inputs()]).map_err(text)?;
        compare("the predictions", &predictions, &expected.array("predictions"), TOLERANCE)?;
        drop(call);
        self.losses_and_gradients(&self.model()?, &expected)?;

        // Calls in training move averages: what follows starts anew.
        let model = self.model()?;
        let reported = model.test_on_batch(&data).map_err(text)?;
        compare_logs("test_on_batch", &reported, &expected.object("test_on_batch"))?;
        let mut model = self.model()?;
        let reported = model.train_on_batch(&data).map_err(text)?;
        compare_logs("train_on_batch", &reported, &expected.object("train_on_batch"))?;
        if expected.is_given("main_loss") {
            // A loss of one term is reported as the total alone.
            let main = reported.get("main").or(reported.get("loss")).ok_or("no loss")?;
            compare_numbers("the main loss", main, expected.array("main_loss").get(0), TOLERANCE)?;
        }
        compare_numbers(
            "the total",
            reported.get("loss").ok_or("no loss")?,
            expected.array("total_loss").get(0),
            TOLERANCE,
        )?;
        compare_named(&model, &expected, "weights_after_step")?;
        if !expected.has("fit") {
            return Ok(());
        }
        let history = self.object.object("history");
        let (batch_size, epochs) =
            (history.number("batch_size") as usize, history.number("epochs") as usize);
        let mut model = self.model()?;
        compare_logs(
            "evaluate",
            &model.evaluate_with(&data, Evaluate::new().batch_size(batch_size)).map_err(text)?,
            &expected.object("evaluate"),
        )?;
        let fit = Fit::epochs(epochs)
            .batch_size(batch_size)
            .shuffle(false)
            .class_weight(self.class_weight.clone());
        let history = model.fit(&self.data, fit).map_err(text)?;
        for (epoch, wanted) in history.epochs.iter().zip(expected.objects("fit")) {
            compare_logs("fit", &epoch.logs, &wanted)?;
        }
        compare_named(&model, &expected, "weights_after_fit")
    }

    /// The case of batches whose loss, plain and weighted metric all differ.
    fn totals(&self, expected: &Object<'_>) -> Outcome {
        let history = self.object.object("history");
        let batch_size = history.number("batch_size") as usize;
        let mut model = self.model()?;
        let ranges = [0..batch_size, batch_size..self.data.len()];
        for (rows, wanted) in ranges.into_iter().zip(expected.objects("batches")) {
            model.reset_metrics();
            let batch = self.data.rows(rows).map_err(text)?;
            compare_logs("a batch", &model.test_on_batch(&batch).map_err(text)?, &wanted)?;
        }
        compare_logs(
            "evaluate",
            &model
                .evaluate_with(&self.data, Evaluate::new().batch_size(batch_size))
                .map_err(text)?,
            &expected.object("evaluate"),
        )?;
        let fit =
            Fit::epochs(history.number("epochs") as usize).batch_size(batch_size).shuffle(false);
        let history = model.fit(&self.data, fit).map_err(text)?;
        history
            .epochs
            .iter()
            .zip(expected.objects("fit"))
            .try_for_each(|(epoch, wanted)| compare_logs("fit", &epoch.logs, &wanted))
    }

    /// The terms that a call in training collects, and the gradients of the total, in a loop of
    /// one's own.
    fn losses_and_gradients(&self, model: &Model, expected: &Object<'_>) -> Outcome {
        let data = self.weighted_data()?;
        let ones = Array::full([data.len()], 1.0, DType::F32);
        let sample_weight =
            data.sample_weight().unwrap_or(&ones).reshape([data.len()]).map_err(text)?;
        let compile = self.object.object("compile");
        let loss = compile
            .is_given("loss")
            .then(|| losses::get(compile.text("loss")).map_err(text))
            .transpose()?;
        let scale =
            if compile.is_given("loss_weights") { compile.number("loss_weights") } else { 1.0 };
        let gradients = expected.named_arrays("gradients");
        let trace = |want: usize, found: &RefCell<Vec<Option<f64>>>| -> Result<Array, String> {
            let mut step = Function::new(|[x, y, w], cx| {
                let y_pred = model.apply(&x, cx);
                let terms = cx.losses();
                let main = loss.as_ref().map(|loss| {
                    let values = loss.call(&y, &y_pred);
                    // What a mask leaves out has no weight, and the mean is of the rest.
                    let weight = cx.mask(&y_pred).map_or_else(
                        || w.clone(),
                        |mask| {
                            let mask = mask.cast(DType::F32);
                            &mask * (mask.shape().len() as f64 / mask.sum())
                        },
                    );
                    (values * weight).mean() * scale
                });
                let total = main
                    .into_iter()
                    .chain(terms.iter().cloned())
                    .reduce(|a, b| a + b)
                    .expect("a loss");
                let weight = model.weight(gradients[want].0).expect("the gradient of a weight");
                let gradient = cx.gradients(&total, [&weight]).into_tensors().remove(0);
                found.borrow_mut().push(gradient.as_ref().map(|_| 0.0));
                let stacked = if terms.is_empty() {
                    cx.constant(Array::zeros([0], DType::F32))
                } else {
                    Tensor::stack(&terms, 0)
                };
                [gradient.unwrap_or_else(|| x.zeros_like()), stacked]
            });
            let targets = data.targets().expect("a target");
            let [gradient, terms] =
                step.run([data.inputs(), targets, &sample_weight]).map_err(text)?.clone();
            let mut got = terms.to_vec::<f64>();
            let wanted: Vec<Array> = expected.arrays("extra_losses");
            // A term that Keras sums for us is summed by the model here.
            let mut wanted: Vec<f64> =
                wanted.iter().map(|term| term.to_vec::<f64>().iter().sum()).collect();
            got.sort_by(f64::total_cmp);
            wanted.sort_by(f64::total_cmp);
            if got.len() != wanted.len()
                || !got.iter().zip(&wanted).all(|(&got, &wanted)| TOLERANCE.allows(got, wanted))
            {
                return Err(format!("the extra losses are {got:?}, expected {wanted:?}"));
            }
            Ok(gradient)
        };
        for (index, (name, wanted)) in gradients.iter().enumerate() {
            let found = RefCell::new(Vec::new());
            let got = trace(index, &found)?;
            let exists = found.borrow().last().is_some_and(Option::is_some);
            match (exists, wanted) {
                (true, Some(wanted)) => {
                    compare(&format!("the gradient of {name}"), &got, wanted, TOLERANCE)?
                }
                (false, None) => {}
                (got, _) => return Err(format!("whether {name} has a gradient: got {got}")),
            }
        }
        Ok(())
    }
}

fn compare_named<O: endo::graph::Tree>(
    model: &Model<Tensor, O>,
    expected: &Object<'_>,
    key: &str,
) -> Outcome {
    for (name, value) in expected.named_arrays(key) {
        let weight = model.weight(name).ok_or(format!("no weight {name}"))?;
        compare(
            &format!("{name} in {key}"),
            &weight.value(),
            &value.ok_or("weights have values")?,
            TOLERANCE,
        )?;
    }
    Ok(())
}

/// A metric under the name that Keras reports it by.
fn metric(name: &str) -> Result<Arc<dyn Metric>, String> {
    metrics::get(name).map_err(text)
}

fn compare_logs(what: &str, got: &Logs, expected: &Object<'_>) -> Outcome {
    for key in expected.keys() {
        let value = got.get(key).ok_or(format!("{what} reports no {key}, but {got:?}"))?;
        compare_numbers(&format!("{key} of {what}"), value, expected.array(key).get(0), TOLERANCE)?;
    }
    Ok(())
}

/// A weight's name within the model.
fn short(name: &str) -> String {
    name.to_string()
}

fn text(error: Error) -> String {
    error.to_string()
}
