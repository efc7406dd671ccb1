//! The options that streams, transfer and callbacks stand on, against Keras 3.
//!
//! In: `keras/numbers.json`, made by `keras/make_numbers.py`. Every number of every epoch has to agree to 1e-6.

use endo::prelude::*;
use serde_json::Value;

/// The formula of every weight, input and target: as in the script.
fn numbers(shape: impl Into<Shape>, offset: usize) -> Array {
    Array::from_fn(shape, |i| 0.4 * (0.9 * i as f64 + offset as f64).sin())
}

fn net() -> Model {
    let net = Sequential::new().add(Dense::new(4).activation("tanh")).add(BatchNormalization::new()).add(Dense::new(1));
    let model = Model::new(net).dtype(DType::F64);
    model.build([1, 3]).unwrap();
    for (place, weight) in model.weights().iter().enumerate() {
        let start = if weight.name().ends_with("moving_variance") { 1.0 } else { 0.0 };
        weight.set(&(numbers(weight.shape(), place) + start)).unwrap();
    }
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
        let expected: Vec<f64> = expected.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        let got = got(name);
        // Keras on PyTorch rounds batches to single precision on their way, also of a model in double.
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * b.abs();
        assert!(got.len() == expected.len() && got.iter().zip(&expected).all(near), "{case}, {name}: {got:?}, not {expected:?}");
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
        let history = model.fit(stream, Fit::epochs(4).initial_epoch(1).steps_per_epoch(3)).unwrap();
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
        losses.extend(model.fit(&train, Fit::epochs(2).batch_size(5).shuffle(false)).unwrap().get("loss"));
    }
    check("transfer", |_| losses.clone());
}

#[test]
fn averages_in_the_place_of_weights() {
    let (mut model, train, valid) = (net(), train(), valid());
    model.compile(Sgd::new(0.125).use_ema(true).ema_momentum(0.75), "mse", ());
    let options = Fit::epochs(3).batch_size(5).shuffle(false).validation(&valid).callback(SwapEmaWeights::new());
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
    let history = model.fit(&train, Fit::epochs(30).batch_size(5).shuffle(false).callback(spread).callback(watch)).unwrap();
    check("stopping", |name| history.get(name));
}
