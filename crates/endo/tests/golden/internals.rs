//! `internals.json`: losses that models collect, totals, gradients, steps, and what `fit` and
//! `evaluate` report.

use std::cell::RefCell;
use std::sync::Arc;

use endo::activations;
use endo::metrics::{self, Metric};
use endo::prelude::*;
use endo::{losses, regularizers};

use super::support::{Object, Outcome, Tolerance, check, compare, compare_numbers};

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

/// A layer made of a closure, with a name.
struct Block<F> {
    name: &'static str,
    call: F,
}

impl<F: Fn(&Tensor, &mut Context) -> Tensor + Send + Sync> Layer for Block<F> {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        (self.call)(inputs, cx)
    }

    fn name(&self) -> Option<&str> {
        Some(self.name)
    }
}

type Net = Arc<dyn Layer>;
type Named = Vec<(String, Option<Array>)>;

/// A case with everything that its check needs.
struct Case<'a> {
    object: &'a Object<'a>,
    make: Box<dyn Fn() -> Net>,
    data: Dataset,
    class_weight: Vec<(usize, f64)>,
    weights: Named,
}

fn mean_square(x: &Tensor) -> Tensor {
    x.square().mean()
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

/// A case of two outputs, each with a loss of its own.
fn heads(case: &Object<'_>) -> Outcome {
    let config = case.object("config");
    let units = config.number("units") as usize;
    let activation = config.text("activation");
    let l2 = if config.has("l2") { config.number("l2") } else { 0.0 };
    let (compile, expected, history) =
        (case.object("compile"), case.object("expected"), case.object("history"));
    assert_eq!(case.text("class"), "Model");
    assert!(case.text("description").contains("outputs [first(h), second(h)]"));
    assert!(!case.is_given("class_weight"), "class weights of several outputs are not understood");
    let mut data = Dataset::new(case.array("inputs"), case.arrays("targets")).map_err(text)?;
    if case.is_given("sample_weight") {
        data = data.with_sample_weight(case.arrays("sample_weight")).map_err(text)?;
    }
    let losses = compile
        .texts("loss")
        .into_iter()
        .map(|name| losses::get(name).map_err(text))
        .collect::<Result<Vec<_>, _>>()?;
    let factors = if compile.is_given("loss_weights") {
        compile.numbers("loss_weights")
    } else {
        vec![1.0, 1.0]
    };
    let [plain, weighted] = ["metrics", "weighted_metrics"].map(|key| compile.text_lists(key));
    let initial = case.named_arrays("weights");
    let make = || -> Result<Model<Tensor, (Tensor, Tensor)>, String> {
        let mut hidden = Dense::new(units)
            .activation(activations::get(activation).map_err(text)?)
            .name("hidden");
        if l2 != 0.0 {
            hidden = hidden.kernel_regularizer(L2(l2));
        }
        let (first, second) = (Dense::new(1).name("first"), Dense::new(2).name("second"));
        let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
            let h = hidden.apply(x, cx);
            (first.apply(&h, cx), second.apply(&h, cx))
        });
        model.compile(Sgd::new(0.1), losses.clone(), ()).loss_weights(factors.clone());
        for (output, names) in plain.iter().enumerate() {
            model.output_metrics(
                output,
                names.iter().map(|name| metric(name)).collect::<Result<Vec<_>, _>>()?,
            );
        }
        for (output, names) in weighted.iter().enumerate() {
            model.output_weighted_metrics(
                output,
                names.iter().map(|name| metric(name)).collect::<Result<Vec<_>, _>>()?,
            );
        }
        model.build(data.inputs().shape()).map_err(text)?;
        for (name, value) in &initial {
            model
                .weight(name)
                .ok_or("no such weight")?
                .set(value.as_ref().ok_or("weights have values")?)
                .map_err(text)?;
        }
        let trainable: Vec<String> =
            model.trainable_weights().iter().map(|weight| short(weight.name())).collect();
        if trainable != case.texts("trainable") {
            Err(format!("trainable are {trainable:?}"))
        } else {
            Ok(model)
        }
    };
    let mut model = make()?;
    let (first, second) = model.predict(data.inputs()).map_err(text)?;
    for (got, wanted) in [first, second].iter().zip(expected.arrays("predictions")) {
        compare("the predictions", got, &wanted, TOLERANCE)?;
    }
    compare_logs(
        "test_on_batch",
        &model.test_on_batch(&data).map_err(text)?,
        &expected.object("test_on_batch"),
    )?;
    model.reset_metrics();
    let logs = model.train_on_batch(&data).map_err(text)?;
    compare_logs("train_on_batch", &logs, &expected.object("train_on_batch"))?;
    compare_numbers(
        "the total",
        logs.get("loss").ok_or("no loss")?,
        expected.array("total_loss").get(0),
        TOLERANCE,
    )?;
    let main = logs.get("first").ok_or("no term")? + logs.get("second").ok_or("no term")?;
    compare_numbers("the main loss", main, expected.array("main_loss").get(0), TOLERANCE)?;
    let penalties: Vec<f64> = logs
        .iter()
        .filter(|(name, _)| name.starts_with("penalty"))
        .map(|(_, value)| value)
        .collect();
    let wanted = expected.arrays("extra_losses");
    assert_eq!(penalties.len(), wanted.len());
    for (got, wanted) in penalties.iter().zip(&wanted) {
        compare_numbers("a penalty", *got, wanted.get(0), TOLERANCE)?;
    }
    // One step of gradient descent shows the gradients.
    for ((name, before), (same, gradient)) in initial.iter().zip(expected.named_arrays("gradients"))
    {
        assert_eq!(*name, same);
        let (before, after) =
            (before.as_ref().ok_or("a value")?, model.weight(name).ok_or("a weight")?.value());
        let shown = Array::from_fn(before.shape(), |index| {
            ((before.get(index) - after.get(index)) / 0.1) as f32
        });
        let rough = Tolerance { absolute: 1e-5, relative: 1e-4 };
        compare(&format!("the gradient of {name}"), &shown, &gradient.ok_or("a gradient")?, rough)?;
    }
    compare_named(&model, &expected, "weights_after_step")?;
    let (batch_size, epochs) =
        (history.number("batch_size") as usize, history.number("epochs") as usize);
    let mut model = make()?;
    compare_logs(
        "evaluate",
        &model.evaluate_with(&data, Evaluate::new().batch_size(batch_size)).map_err(text)?,
        &expected.object("evaluate"),
    )?;
    let fit = Fit::epochs(epochs).batch_size(batch_size).shuffle(false);
    let history = model.fit(&data, fit).map_err(text)?;
    for (epoch, wanted) in history.epochs.iter().zip(expected.objects("fit")) {
        compare_logs("fit", &epoch.logs, &wanted)?;
    }
    compare_named(&model, &expected, "weights_after_fit")
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

/// The layer that a case describes.
fn net(case: &Object<'_>) -> Result<Box<dyn Fn() -> Net>, String> {
    let name = case.text("name");
    let config = case.object("config");
    if name == "golden/epoch_totals" {
        return Ok(Box::new(|| Arc::new(|x: &Tensor, _: &mut Context| x.clone())));
    }
    let units = config.number("units") as usize;
    if name == "mask/embedding" {
        let vocabulary = config.number("vocabulary") as usize;
        let embedding = move || Embedding::new(vocabulary, units).mask_zero(true).name("embedding");
        return Ok(Box::new(move || {
            Arc::new(Sequential::new().add(embedding()).add(Dense::new(1).name("out")))
        }));
    }
    let activation = config.text("activation").to_string();
    let number = |key: &str| if config.has(key) { config.number(key) } else { 0.0 };
    let (rate, rate2, l1, l2) = (number("rate"), number("rate2"), number("l1"), number("l2"));
    let regularizer = |key: &str| -> Result<Option<Arc<dyn Regularizer>>, String> {
        config
            .has(key)
            .then(|| regularizers::get(&config.object(key).named()).map_err(text))
            .transpose()
    };
    let regularized = [
        regularizer("kernel_regularizer")?,
        regularizer("bias_regularizer")?,
        regularizer("activity_regularizer")?,
    ];
    let dense = move |name: &str| {
        Dense::new(units)
            .activation(activations::get(&activation).expect("a known activation"))
            .name(name)
    };
    let hidden = {
        let dense = dense.clone();
        move || {
            let mut layer = dense("hidden");
            let [kernel, bias, activity] = regularized.clone();
            if let Some(kernel) = kernel {
                layer = layer.kernel_regularizer(kernel);
            }
            if let Some(bias) = bias {
                layer = layer.bias_regularizer(bias);
            }
            if let Some(activity) = activity {
                layer = layer.activity_regularizer(activity);
            }
            layer
        }
    };
    let out = || Dense::new(1).name("out");
    let classes = number("classes") as usize;
    let momentum = number("momentum");
    let max_value = number("max_value");
    let name = name.to_string();
    Ok(match name.as_str() {
        "add_loss/scalar" | "add_loss/scalar_with_sample_weight" | "add_loss/only" => {
            Box::new(move || {
                let (hidden, out) = (hidden(), out());
                Arc::new(move |x: &Tensor, cx: &mut Context| {
                    let h = hidden.apply(x, cx);
                    cx.add_loss("activity", rate * mean_square(&h));
                    out.apply(&h, cx)
                })
            })
        }
        "add_loss/several" => Box::new(move || {
            let (hidden, out) = (hidden(), out());
            Arc::new(move |x: &Tensor, cx: &mut Context| {
                let h = hidden.apply(x, cx);
                cx.add_loss("hidden", rate * mean_square(&h));
                cx.add_loss("inputs", rate2 * mean_square(x));
                let z = out.apply(&h, cx);
                cx.add_loss("outputs", rate * mean_square(&z));
                z
            })
        }),
        "add_loss/vector_is_summed" => Box::new(move || {
            let (hidden, out) = (hidden(), out());
            Arc::new(move |x: &Tensor, cx: &mut Context| {
                let h = hidden.apply(x, cx);
                cx.add_loss("activity", (rate * h.square().mean_axes([-1])).sum());
                out.apply(&h, cx)
            })
        }),
        "called_twice/add_loss" => Box::new(move || {
            let (inner, back, out) = (dense("inner"), Dense::new(units).name("back"), out());
            let call = move |x: &Tensor, cx: &mut Context| {
                let h = inner.apply(x, cx);
                cx.add_loss("activity", rate * mean_square(&h));
                back.apply(&h, cx)
            };
            let block = Block { name: "block", call };
            Arc::new(move |x: &Tensor, cx: &mut Context| {
                let z = block.apply(x, cx);
                let z = block.apply(&z, cx);
                out.apply(&z, cx)
            })
        }),
        "called_twice/activity_regularizer" | "called_twice/kernel_regularizer" => {
            Box::new(move || {
                let shared = match name.as_str() {
                    "called_twice/activity_regularizer" => {
                        dense("shared").activity_regularizer(L2(l2))
                    }
                    _ => dense("shared").kernel_regularizer(L2(l2)),
                };
                let out = out();
                Arc::new(move |x: &Tensor, cx: &mut Context| {
                    let z = shared.apply(x, cx);
                    let z = shared.apply(&z, cx);
                    out.apply(&z, cx)
                })
            })
        }
        "nested/submodels" => Box::new(move || {
            let hidden = dense("hidden").kernel_regularizer(L1(l1));
            let call = move |x: &Tensor, cx: &mut Context| {
                let h = hidden.apply(x, cx);
                cx.add_loss("activity", rate * mean_square(&h));
                h
            };
            let inner = Block { name: "inner", call };
            let mix = Dense::new(units).activity_regularizer(L2(l2)).name("mix");
            let call = move |x: &Tensor, cx: &mut Context| mix.apply(&inner.apply(x, cx), cx);
            let middle = Block { name: "middle", call };
            let out = out().bias_regularizer(L2(l2));
            Arc::new(move |x: &Tensor, cx: &mut Context| {
                let z = out.apply(&middle.apply(x, cx), cx);
                cx.add_loss("outputs", rate2 * mean_square(&z));
                z
            })
        }),
        "nested/sequential_in_functional" => Box::new(move || {
            let hidden = dense("hidden").kernel_regularizer(L2(l2));
            let block = Sequential::new()
                .add(hidden)
                .add(ActivityRegularization::new().l1(l1))
                .name("block");
            Arc::new(Sequential::new().add(block).add(out()))
        }),
        "regularizers/frozen_layer" => {
            Box::new(move || Arc::new(Sequential::new().add(hidden().trainable(false)).add(out())))
        }
        "class_weight/sparse" | "class_weight/none" => Box::new(move || {
            Arc::new(
                Sequential::new()
                    .add(hidden())
                    .add(Dense::new(classes).activation(Softmax::default()).name("out")),
            )
        }),
        "training_step/constraint" => Box::new(move || {
            Arc::new(
                Sequential::new()
                    .add(hidden().kernel_constraint(MaxNorm.max_value(max_value)))
                    .add(out()),
            )
        }),
        "training_step/batch_normalization" => Box::new(move || {
            let norm = BatchNormalization::new().momentum(momentum).name("norm");
            Arc::new(Sequential::new().add(hidden()).add(norm).add(out()))
        }),
        other if other.starts_with("regularizers/") || other.starts_with("sample_weight/") => {
            Box::new(move || Arc::new(Sequential::new().add(hidden()).add(out())))
        }
        other => return Err(format!("the case {other} is not understood")),
    })
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
