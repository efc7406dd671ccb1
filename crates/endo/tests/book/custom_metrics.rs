//! Custom and streaming metrics: a function as a mean, totals by hand, one built on `Mean`,
//! precision batch by batch.
//!
//! In: the chapter's batches. Out: the results that it prints, and the state between them.

use endo::prelude::*;

use super::{assert_near, made_up_data};

/// The example, whose `main` and data are not of use here.
#[allow(dead_code)]
#[path = "../../examples/huber.rs"]
mod example;

use example::{huber_mean, huber_metric};

fn state(metric: &impl Metric) -> Vec<f64> {
    metric.variables().iter().map(|variable| variable.value().to_vec()[0]).collect()
}

#[test]
fn precision_is_fed_batch_by_batch_from_plain_arrays() {
    let precision = Precision::new();
    let first = precision
        .update_on(&[0, 1, 1, 1, 0, 1, 0, 1].into(), &[1, 1, 0, 1, 0, 1, 0, 1].into())
        .unwrap();
    assert_near([first.item().unwrap()], [0.8]);
    let both = precision
        .update_on(&[0, 1, 0, 0, 1, 0, 1, 1].into(), &[1, 0, 1, 1, 0, 0, 0, 0].into())
        .unwrap();
    assert_eq!(both.item().unwrap(), 0.5);
    assert_eq!(precision.value().unwrap().item().unwrap(), 0.5);
    assert_eq!(state(&precision), [4.0, 4.0]); // true positives, false positives
    precision.reset();
    assert_eq!(state(&precision), [0.0, 0.0]);
}

#[test]
fn the_huber_metric_streams_its_total_and_count() {
    let metric = huber_metric(2.0);
    // 2 * |10 - 2| - 2^2 / 2 = 14
    let first = metric.update_on(&[[2.0_f32]].into(), &[[10.0_f32]].into()).unwrap();
    assert_eq!(first.item().unwrap(), 14.0);
    // |1 - 0|^2 / 2 + 2 * |9.25 - 5| - 2^2 / 2 = 7 more, over 3
    let both = metric.update_on(&[[0.0_f32], [5.0]].into(), &[[1.0_f32], [9.25]].into()).unwrap();
    assert_eq!(both.item().unwrap(), 7.0);
    assert_eq!(state(&metric), [21.0, 3.0]);
    metric.reset();
    assert_eq!(state(&metric), [0.0, 0.0]);
}

#[test]
fn a_metric_built_on_the_mean_obeys_sample_weights() {
    let metric = huber_mean(2.0);
    let (y_true, y_pred) = ([[0.0_f32], [5.0]].into(), [[1.0_f32], [9.25]].into());
    let value = metric.update_weighted_on(&y_true, &y_pred, &[1.0_f32, 3.0].into()).unwrap();
    assert_eq!(value.item().unwrap(), (0.5 + 3.0 * 6.5) / 4.0);
    assert_eq!(state(&metric), [20.0, 4.0]);
}

#[test]
fn a_function_is_streamed_as_its_mean() {
    let metric =
        MeanMetricWrapper::new(|y_true: &Tensor, y_pred: &Tensor| huber(y_true, y_pred, 2.0))
            .name("huber");
    metric.update_on(&[[2.0_f32]].into(), &[[10.0_f32]].into()).unwrap();
    let both = metric.update_on(&[[0.0_f32], [5.0]].into(), &[[1.0_f32], [9.25]].into()).unwrap();
    assert_eq!(both.item().unwrap(), 7.0);
}

#[test]
fn fit_streams_metrics_over_the_whole_epoch() {
    let mut model =
        Model::new(Sequential::new().add(Dense::new(8).activation(Relu)).add(Dense::new(1)));
    let metrics = (huber_metric(2.0), huber_mean(2.0), Huber.delta(2.0));
    model.compile(Nadam::default(), Huber.delta(2.0), metrics);
    let history = model.fit(&made_up_data(80), Fit::epochs(2)).unwrap();
    let last = |name: &str| history.last(name).unwrap();
    assert_near([last("huber_metric"), last("huber_mean"), last("huber")], [last("loss"); 3]);
}

#[test]
fn the_loss_is_the_weighted_metric_times_the_mean_sample_weight() {
    let weights = Array::from_fn(80, |row| (row % 7) as f32 / 3.0);
    let mean_weight = weights.to_vec::<f64>().iter().sum::<f64>() / 80.0;
    let mut model = Model::new(Dense::new(1));
    model.compile(Nadam::default(), Huber.delta(2.0), ()).weighted_metrics([huber_mean(2.0)]);
    let data = made_up_data(80).with_sample_weight(weights).unwrap();
    let logs = model.evaluate(&data).unwrap();
    // The loss divides by the number of samples, the metric by the sum of their weights.
    assert_near([logs.get("loss").unwrap()], [logs.get("huber_mean").unwrap() * mean_weight]);
}

#[test]
fn the_same_function_as_loss_and_metric_differs_under_sample_weights() {
    // Batches of 32, 32 and 16 rows: the relation holds for the whole epoch, whatever its last
    // batch.
    let weights = Array::from_fn(80, |row| (row % 7) as f32 / 3.0);
    let mean_weight = weights.to_vec::<f64>().iter().sum::<f64>() / 80.0;
    let data = made_up_data(80).with_sample_weight(weights).unwrap();
    let loss = |y_true: &Tensor, y_pred: &Tensor| huber(y_true, y_pred, 2.0);
    let metric = || MeanMetricWrapper::new(loss).name("huber");
    let mut model = Model::new(Dense::new(1));
    model.compile(Sgd::new(0.01), loss, [metric()]).weighted_metrics([metric()]);
    for epoch in model.fit(&data, Fit::epochs(3)).unwrap().epochs {
        let [loss, plain, weighted] =
            ["loss", "huber", "weighted_huber"].map(|name| epoch.logs.get(name).unwrap());
        assert_near([loss], [weighted * mean_weight]);
        assert!(
            (plain - weighted).abs() > 1e-3 && (plain - loss).abs() > 1e-3,
            "{plain} {weighted} {loss}"
        );
    }
}

#[test]
fn a_metrics_state_goes_on_until_it_is_reset() {
    let mean = Mean::new("mean");
    mean.update_on(&[1.0_f32, 2.0].into()).unwrap();
    assert_eq!(mean.update_on(&[6.0_f32].into()).unwrap().item().unwrap(), 3.0);
    assert_eq!(state(&mean), [9.0, 3.0]);
    mean.reset();
    assert_eq!((state(&mean), mean.value().unwrap().item().unwrap()), (vec![0.0, 0.0], 0.0));
}
