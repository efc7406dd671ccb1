//! `metrics.json`: the results of every metric after each of several updates, and after a reset.
//!
//! Every case runs as a plan, in which the result is traced with the update, and node by node on
//! arrays outside of any trace. Metrics are made from text, names and options as in the file.

use std::sync::Arc;

use endo::metrics::{self, Mean, Metric, Sum};
use endo::trace::Function;
use endo::{Array, Error, Tensor};

use super::support::{Object, Outcome, Tolerance, check, compare};

/// Cases that are not checked yet.
const LATER: &[&str] = &[];

#[test]
fn metrics_are_keras() {
    check("metrics.json", LATER, |case| {
        let updates: Vec<Update> = case.objects("updates").iter().map(Update::read).collect();
        let expected = case.object("expected");
        let (results, after_reset) = (expected.arrays("results"), expected.array("after_reset"));
        if results.len() != updates.len() {
            return Err(format!("{} results of {} updates", results.len(), updates.len()));
        }
        for eagerly in [false, true] {
            let metric = make(case)?;
            let mut run = metric.function(eagerly);
            for (step, (update, expected)) in updates.iter().zip(&results).enumerate() {
                let traced = update.run(&mut run).map_err(|error| error.to_string())?;
                let tolerance = Tolerance::of(&update.arrays());
                compare(&format!("the traced result {step}"), &traced, expected, tolerance)?;
                compare(
                    &format!("the result {step}"),
                    &value(&*metric.metric)?,
                    expected,
                    tolerance,
                )?;
            }
            metric.metric.reset();
            compare(
                "the result after the reset",
                &value(&*metric.metric)?,
                &after_reset,
                Tolerance::of(&[]),
            )?;
        }
        on_arrays(case, &updates, &results)
    });
}

/// A batch of a case.
struct Update {
    y_true: Option<Array>,
    y_pred: Array,
    weight: Option<Array>,
}

impl Update {
    fn read(update: &Object<'_>) -> Self {
        let weight = update.is_given("sample_weight").then(|| update.array("sample_weight"));
        if update.has("values") {
            Self { y_true: None, y_pred: update.array("values"), weight }
        } else {
            Self { y_true: Some(update.array("y_true")), y_pred: update.array("y_pred"), weight }
        }
    }

    fn arrays(&self) -> Vec<&Array> {
        [self.y_true.as_ref(), Some(&self.y_pred), self.weight.as_ref()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// One step of a plan, in which integers stand for no weights.
    fn run(&self, function: &mut Function<'_, 3, 1>) -> Result<Array, Error> {
        let none = Array::scalar(-1);
        let (y_true, weight) =
            (self.y_true.as_ref().unwrap_or(&none), self.weight.as_ref().unwrap_or(&none));
        let [result] = function.run([y_true, &self.y_pred, weight])?;
        Ok(result.clone())
    }
}

/// A metric of a case. `Mean` and `Sum` take values alone, which the trait's update takes for
/// predictions.
struct Made {
    metric: Arc<dyn Metric>,
}

impl Made {
    /// The update and the result as one function of targets, predictions and weights.
    fn function(&self, eagerly: bool) -> Function<'_, 3, 1> {
        let given = |weight: &Tensor| weight.dtype() != endo::DType::I32;
        let function = Function::new(move |[y_true, y_pred, weight]: [Tensor; 3], cx| {
            self.metric.update(&y_true, &y_pred, given(&weight).then_some(&weight), cx);
            [self.metric.result(cx)]
        });
        function.run_eagerly(eagerly)
    }
}

fn make(case: &Object<'_>) -> Result<Made, String> {
    let config = case.object("config");
    let metric: Arc<dyn Metric> = match case.text("class") {
        "Mean" => Arc::new(Mean::new("mean")),
        "Sum" => Arc::new(Sum::new("sum")),
        "MeanMetricWrapper" => {
            let options = config
                .keys()
                .filter(|key| *key != "fn")
                .map(|key| format!("{key}={}", config.number(key)));
            let text = format!("{}({})", config.text("fn"), options.collect::<Vec<_>>().join(", "));
            metrics::get(&text).map_err(|error| error.to_string())?
        }
        // The name stands for the metric that fits the shapes; the class compares labels.
        "Accuracy" => Arc::new(metrics::Accuracy::new()),
        _ => metrics::get(&case.named()).map_err(|error| error.to_string())?,
    };
    Ok(Made { metric })
}

fn value(metric: &dyn Metric) -> Result<Array, String> {
    metric.value().map_err(|error| error.to_string())
}

/// The updates with arrays, outside of any trace.
fn on_arrays(case: &Object<'_>, updates: &[Update], results: &[Array]) -> Outcome {
    let metric = make(case)?.metric;
    for (update, expected) in updates.iter().zip(results) {
        let y_true = update.y_true.as_ref().unwrap_or(&update.y_pred);
        let result = match &update.weight {
            Some(weight) => metric.update_weighted_on(y_true, &update.y_pred, weight),
            None => metric.update_on(y_true, &update.y_pred),
        };
        let result = result.map_err(|error| error.to_string())?;
        compare("the result on arrays", &result, expected, Tolerance::of(&update.arrays()))?;
    }
    Ok(())
}
