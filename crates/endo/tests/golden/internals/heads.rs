//! Models of two outputs, each with a loss and metrics of its own: predictions, the terms and the
//! total, a step, and what `fit` and `evaluate` report.

use endo::prelude::*;
use endo::{activations, losses};

use super::super::support::{Object, Outcome, Tolerance, compare, compare_numbers};
use super::{TOLERANCE, compare_logs, compare_named, metric, short, text};

/// A case of two outputs, each with a loss of its own.
pub fn heads(case: &Object<'_>) -> Outcome {
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
