//! The options that streams, transfer and callbacks stand on, against Keras 3.
//!
//! In: `keras/numbers.json`, made by `keras/make_numbers.py`. Every number of every epoch has to
//! agree to 1e-6.

use endo::prelude::*;
use serde_json::Value;

/// The formula of every weight, input and target: as in the script.
fn numbers(shape: impl Into<Shape>, offset: usize) -> Array {
    Array::from_fn(shape, |i| 0.4 * (0.9 * i as f64 + offset as f64).sin())
}

/// Weights by the formula, in their order.
fn set_by_formula(model: &Model) {
    for (place, weight) in model.weights().iter().enumerate() {
        let start = if weight.name().ends_with("moving_variance") { 1.0 } else { 0.0 };
        weight.set(&(numbers(weight.shape(), place) + start)).unwrap();
    }
}

fn net() -> Model {
    let net = Sequential::new()
        .add(Dense::new(4).activation("tanh"))
        .add(BatchNormalization::new())
        .add(Dense::new(1));
    let model = Model::new(net).dtype(DType::F64);
    model.build([1, 3]).unwrap();
    set_by_formula(&model);
    model
}

fn train() -> Dataset {
    Dataset::new(numbers([20, 3], 50), numbers([20, 1], 51)).unwrap()
}

fn valid() -> Dataset {
    Dataset::new(numbers([12, 3], 52), numbers([12, 1], 53)).unwrap()
}

/// Compares everything that Keras has reported.
fn check(case: &str, got: impl Fn(&str) -> Vec<f64>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keras/numbers.json");
    let cases: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for (name, expected) in cases[case].as_object().unwrap() {
        let expected: Vec<f64> =
            expected.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        let got = got(name);
        // Keras on PyTorch rounds batches to single precision on their way, also of a model in
        // double.
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * b.abs();
        assert!(
            got.len() == expected.len() && got.iter().zip(&expected).all(near),
            "{case}, {name}: {got:?}, not {expected:?}"
        );
    }
}

#[test]
fn epochs_that_are_parts_of_passes() {
    let mut model = net();
    model.compile(Sgd::new(0.125), "mse", ["mae"]);
    let (train, valid) = (train(), valid());
    let options = || {
        Fit::epochs(5)
            .batch_size(4)
            .steps_per_epoch(2)
            .shuffle(false)
            .validation(&valid)
            .validation_freq(2)
            .validation_steps(2)
            .validation_batch_size(4)
    };
    let history = model.fit(&train, options()).unwrap();
    check("parts_of_passes", |name| history.get(name));
    // The same of samples that are read on the way.
    let mut model = net();
    model.compile(Sgd::new(0.125), "mse", ["mae"]);
    let history = model.fit(Stream::samples(train.clone()).prefetch(2), options()).unwrap();
    check("parts_of_passes", |name| history.get(name));
}

#[test]
fn batches_without_end() {
    let train = train();
    let batch = |number: usize| {
        let first = number * 3 % 18;
        train.rows(first..first + 2)
    };
    for stream in [Stream::from_fn(batch), Stream::from_iterator((0..).map(batch))] {
        let mut model = net();
        model.compile(Sgd::new(0.125), "mse", ());
        let history =
            model.fit(stream, Fit::epochs(4).initial_epoch(1).steps_per_epoch(3)).unwrap();
        check("generator", |name| history.get(name));
    }
}

#[test]
fn a_head_and_then_all_of_it() {
    let (mut model, train) = (net(), train());
    let mut losses = Vec::new();
    for (is_frozen, rate) in [(true, 0.125), (false, 0.03125)] {
        for layer in ["dense", "batch_normalization"] {
            let layer = model.layer(layer).unwrap();
            if is_frozen { layer.freeze() } else { layer.unfreeze() }
        }
        model.compile(Sgd::new(rate), "mse", ());
        losses.extend(
            model.fit(&train, Fit::epochs(2).batch_size(5).shuffle(false)).unwrap().get("loss"),
        );
    }
    check("transfer", |_| losses.clone());
}

#[test]
fn averages_in_the_place_of_weights() {
    let (mut model, train, valid) = (net(), train(), valid());
    model.compile(Sgd::new(0.125).use_ema(true).ema_momentum(0.75), "mse", ());
    let options = Fit::epochs(3)
        .batch_size(5)
        .shuffle(false)
        .validation(&valid)
        .callback(SwapEmaWeights::new());
    let history = model.fit(&train, options).unwrap();
    check("averages", |name| history.get(name));
}

#[test]
fn a_callback_that_predicts_reports_and_stops() {
    let (mut model, train, valid) = (net(), train(), valid());
    model.compile(Sgd::new(0.0625), "mse", ());
    let spread = LambdaCallback::new().on_epoch_end(|_, _, training| {
        let errors = &training.predict(valid.all_inputs())?[0] - valid.targets().unwrap();
        let spread = (&errors * &errors).mean();
        training.report("spread", spread);
        if spread < 0.0688 {
            training.stop();
        }
        Ok(())
    });
    let watch = EarlyStopping::on("spread").patience(5).maximize(false);
    let history = model
        .fit(&train, Fit::epochs(30).batch_size(5).shuffle(false).callback(spread).callback(watch))
        .unwrap();
    check("stopping", |name| history.get(name));
}

#[test]
fn a_classifier_in_a_loop_with_two_optimizers() {
    let lower =
        Sequential::new().add(Flatten::new()).add(Dense::new(5).activation("relu")).name("lower");
    let upper = Sequential::new().add(Dense::new(3).activation("softmax")).name("upper");
    let model = Model::new(Sequential::new().add(lower).add(upper)).dtype(DType::F64);
    model.build([6, 3, 2]).unwrap();
    set_by_formula(&model);
    let weights = ["lower", "upper"].map(|part| model.layer(part).unwrap().trainable_weights());
    let train = Dataset::new(numbers([24, 3, 2], 54), Array::from_fn([24], |i| (i * 7 % 3) as i32))
        .unwrap();
    let valid =
        Dataset::new(numbers([9, 3, 2], 55), Array::from_fn([9], |i| (i * 5 % 3) as i32)).unwrap();

    let (sgd, nadam) = (Sgd::new(0.125), Nadam::new(0.03125));
    let (mean_loss, accuracy) = (Mean::new("loss"), SparseCategoricalAccuracy::new());
    let forward = |x: &Tensor, y: &Tensor, cx: &mut Context| {
        let y_pred = model.apply(x, cx);
        let loss = SparseCategoricalCrossentropy::new().apply(y, &y_pred, None);
        mean_loss.update(&loss, cx);
        accuracy.update(y, &y_pred, None, cx);
        loss
    };
    let mut train_step = Function::new(|[x, y], cx| {
        let loss = forward(&x, &y, cx);
        sgd.apply(&cx.gradients(&loss, &weights[0]), cx);
        nadam.apply(&cx.gradients(&loss, &weights[1]), cx);
        [loss]
    });
    let mut test_step = Function::new(|[x, y], cx| [forward(&x, &y, cx)]).training(false);
    let mut reported: [Vec<f64>; 4] = Default::default();
    for _ in 0..4 {
        for part in 0..2 {
            let batches = if part == 0 { train.batches(6) } else { valid.batches(9) };
            for (x, y) in batches.unwrap() {
                if part == 0 {
                    train_step.run([&x, &y]).unwrap()
                } else {
                    test_step.run([&x, &y]).unwrap()
                };
            }
            reported[2 * part].push(mean_loss.value().unwrap().item().unwrap());
            reported[2 * part + 1].push(accuracy.value().unwrap().item().unwrap());
            mean_loss.reset();
            accuracy.reset();
        }
    }
    let names = ["loss", "accuracy", "val_loss", "val_accuracy"];
    check("classification", |name| {
        reported[names.iter().position(|known| *known == name).unwrap()].clone()
    });
}

#[test]
fn normalization_of_batches_with_masked_steps() {
    let net = Sequential::new()
        .add(Masking::new(0.0))
        .add(BatchNormalization::new().momentum(0.5))
        .add(Dense::new(1));
    let mut model = Model::new(net).dtype(DType::F64);
    model.build([1, 4, 3]).unwrap();
    set_by_formula(&model);
    let drawn = &numbers([12, 4, 3], 56) + 0.75;
    let is_masked =
        |index: usize| index / 3 % 4 == 3 || (index / 3 % 4 == 2 && (index / 12).is_multiple_of(2));
    let x =
        Array::from_fn([12, 4, 3], |index| if is_masked(index) { 0.0 } else { drawn.get(index) });
    model.compile(Sgd::new(0.125), "mse", ());
    let data = Dataset::new(x, numbers([12, 4, 1], 57)).unwrap();
    let history = model.fit(&data, Fit::epochs(3).batch_size(4).shuffle(false)).unwrap();
    let moving = model.weights().into_iter().filter(|weight| weight.name().contains("moving"));
    let moving: Vec<f64> = moving.flat_map(|weight| weight.value().to_vec::<f64>()).collect();
    check("masked", |name| if name == "moving" { moving.clone() } else { history.get(name) });
}
