//! The numbers of readings: against values computed by hand, and against those that the program
//! computes itself.

use std::sync::Arc;

use endo::prelude::*;
use endo::training::probes::ProbeKind;

use super::two_rows;

fn only(history: &History, kind: ProbeKind, pattern: &str) -> Reading {
    match &history.series(kind, pattern)[..] {
        [reading] => (*reading).clone(),
        several => panic!("{} readings of {kind} `{pattern}`", several.len()),
    }
}

#[test]
fn readings_are_of_the_step_that_computes_them() {
    // y = 2 x, so the loss is mean(4, 36) = 20 and its gradient 2 mean(2 * 1, 6 * 3) = 20.
    let dense = Dense::new(1).use_bias(false).kernel_initializer("constant(2)").name("line");
    let mut model = Model::new(dense).dtype(DType::F64);
    model.compile(Sgd::new(0.125), MeanSquaredError, ());
    let kinds = [
        Probe::activations("line"),
        Probe::weights("line/kernel"),
        Probe::gradients("kernel"),
        Probe::updates("*"),
    ];
    let options =
        kinds.into_iter().fold(Fit::epochs(1), |options, probe| options.probe(probe.histogram(2)));
    let history = model.fit(&two_rows(), options).unwrap();
    assert_eq!(history.readings.len(), 4);
    assert!(history.readings.iter().all(|reading| (reading.step, reading.epoch) == (0, 0)));

    let activations = only(&history, ProbeKind::Activations, "line");
    let statistics = activations.statistics;
    assert_eq!((statistics.count, statistics.mean, statistics.standard_deviation), (2, 4.0, 2.0));
    assert_eq!(
        (statistics.minimum, statistics.maximum, statistics.norm),
        (2.0, 6.0, 40.0_f64.sqrt())
    );
    assert_eq!((statistics.zeros, statistics.saturated), (0.0, None));
    let histogram = activations.histogram.unwrap();
    assert_eq!((histogram.edges(), histogram.counts), (vec![2.0, 4.0, 6.0], vec![1, 1]));

    let value = |kind| only(&history, kind, "line/kernel").statistics.mean;
    assert_eq!(value(ProbeKind::Weights), 2.0, "as the step finds it");
    assert_eq!(value(ProbeKind::Gradients), 20.0);
    assert_eq!(value(ProbeKind::Updates), -2.5);
    assert_eq!(model.weights()[0].value().get(0), -0.5);
}

#[test]
fn a_gradient_is_that_of_the_loss_before_scaling_and_clipping() {
    let mut model = Model::new(Dense::new(1).use_bias(false).kernel_initializer("constant(2)"))
        .dtype(DType::F64);
    model.compile(Sgd::new(0.125).loss_scale_factor(1024.0).clipnorm(4.0), MeanSquaredError, ());
    let options = Fit::epochs(1).probe(Probe::gradients("*")).probe(Probe::updates("*"));
    let history = model.fit(&two_rows(), options).unwrap();
    assert_eq!(only(&history, ProbeKind::Gradients, "*").statistics.mean, 20.0);
    assert_eq!(only(&history, ProbeKind::Updates, "*").statistics.mean, -0.5);
}

#[test]
fn zeros_and_saturation_are_shares() {
    let x = Array::from([[-5.0_f32, -0.1, 0.1, 5.0, 5.0]]);
    let data = Dataset::new(x.clone(), x).unwrap();
    let of = |activation: &'static str| {
        let mut model = Model::new(
            Sequential::new().add(Activation::new(activation).name("hidden")).add(Dense::new(5)),
        );
        model.compile("sgd", "mse", ());
        let history = model.fit(&data, Fit::epochs(1).probe(Probe::activations("hidden"))).unwrap();
        let statistics = only(&history, ProbeKind::Activations, "hidden").statistics;
        (statistics.zeros, statistics.saturated)
    };
    assert_eq!(of("relu"), (0.4, None));
    assert_eq!(of("tanh"), (0.0, Some(0.6)));
    assert_eq!(of("sigmoid"), (0.0, Some(0.6)));
}

#[test]
fn steps_are_counted_over_all_epochs() {
    let mut model = Model::new(Dense::new(1));
    model.compile("sgd", "mse", ());
    let data = super::regressor::made_up_data(50);
    let options = Fit::epochs(4)
        .batch_size(16)
        .probe(Probe::weights("kernel").every(3))
        .probe(Probe::weights("bias"));
    let history = model.fit(&data, options).unwrap(); // 4 steps an epoch, the last of 2 rows
    let at = |pattern| {
        let series = history.series(ProbeKind::Weights, pattern);
        series.iter().map(|reading| (reading.epoch, reading.step)).collect::<Vec<_>>()
    };
    assert_eq!(at("kernel"), [(0, 0), (0, 3), (1, 6), (2, 9), (3, 12), (3, 15)]);
    assert_eq!(at("bias"), [(0, 0)]);
}

#[test]
fn each_call_and_each_output_has_a_path() {
    let shared = Arc::new(Dense::new(3).name("shared"));
    let split = |x: &Tensor, _: &mut Context| (x + 1.0, x + 2.0);
    let out = Dense::new(1);
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let z = shared.apply(&shared.apply(x, cx), cx);
        let (a, b) = Layer::<Tensor, (Tensor, Tensor)>::apply(&split, &z, cx);
        out.apply(&(a + b), cx)
    });
    model.compile("sgd", "mse", ());
    let data = Dataset::new(Array::from([[1.0_f32, 2.0, 3.0]]), [[1.0_f32]]).unwrap();
    let history = model.fit(&data, Fit::epochs(1).probe(Probe::activations("*"))).unwrap();
    let paths: Vec<&str> = history.readings.iter().map(|reading| &*reading.path).collect();
    let inner = [
        "lambda/shared",
        "lambda/shared#1",
        "lambda/lambda.0",
        "lambda/lambda.1",
        "lambda/dense",
        "lambda",
    ];
    assert_eq!(paths, inner);
    let mean = |index: usize| history.readings[index].statistics.mean;
    assert!((mean(3) - mean(2) - 1.0).abs() < 1e-5);
}

#[test]
fn ten_thousand_epochs_keep_a_bounded_number_of_readings() {
    let mut model = Model::new(Dense::new(1)).threads(1);
    model.compile(Sgd::new(0.01), MeanSquaredError, ());
    let (mut told, data) = (0, super::regressor::made_up_data(4));
    struct Count<'a>(&'a mut usize);
    impl Callback for Count<'_> {
        fn reading(&mut self, _: &Reading) -> Result<()> {
            *self.0 += 1;
            Ok(())
        }
    }
    let options =
        Fit::epochs(10_000).probe(Probe::weights("*").every(1)).probe(Probe::terms().every(1));
    let history = model.fit(&data, options.callback(Count(&mut told))).unwrap();
    assert_eq!(told, 20_000, "callbacks are told of all");
    let kernel = history.series(ProbeKind::Weights, "kernel");
    assert!(
        history.readings.len() <= 2_000 && (500..=1_000).contains(&kernel.len()),
        "{}",
        kernel.len()
    );
    assert!(history.term_readings.len() <= 1_000);
    let gaps: Vec<usize> = kernel.windows(2).map(|pair| pair[1].step - pair[0].step).collect();
    assert!(gaps.iter().all(|gap| *gap == gaps[0]), "evenly spread");
    assert_eq!((kernel[0].step, kernel[kernel.len() - 1].step / 9_900), (0, 1));
}

#[test]
fn what_cannot_be_is_refused_before_a_step() {
    let mut model = Model::new(Dense::new(1));
    model.compile("sgd", "mse", ());
    let data = super::regressor::made_up_data(4);
    let mut message = |probe: Probe| {
        model.fit(&data, Fit::epochs(1).probe(probe)).unwrap_err().message().to_string()
    };
    assert_eq!(message(Probe::weights("*").every(0)), "a probe of weights every 0 steps");
    assert_eq!(
        message(Probe::updates("*").histogram(0)),
        "a histogram of 0 bins in a probe of updates"
    );
    assert_eq!(
        message(Probe::terms().histogram(3)),
        "a probe of terms has no histogram and no raw values"
    );
    assert!(model.weights().is_empty());
}

#[test]
fn a_callback_that_fails_at_a_reading_ends_training() {
    struct Refuse;
    impl Callback for Refuse {
        fn reading(&mut self, reading: &Reading) -> Result<()> {
            Err(Error::new(ErrorKind::Io, format!("no room for {}", reading.path)))
        }
    }
    let mut model = Model::new(Dense::new(1));
    model.compile("sgd", "mse", ());
    let options = Fit::epochs(1).probe(Probe::weights("bias")).callback(Refuse);
    let error = model.fit(&super::regressor::made_up_data(4), options).unwrap_err();
    assert_eq!(error.message(), "no room for dense/bias");
}
