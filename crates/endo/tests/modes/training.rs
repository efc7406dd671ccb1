//! Three epochs by `fit`, by single steps, by a custom loop and node by node: the same losses,
//! terms, metrics and weights.
//!
//! In: a seed, an optimizer, a number of threads. Out: everything that training leaves behind, to
//! be compared.

use std::sync::Arc;

use endo::prelude::*;

use super::regressor::{Regressor, made_up_data};

const EPOCHS: usize = 3;
const BATCH: usize = 16;
/// Two whole batches and a short one.
const SAMPLES: usize = 40;

/// What training leaves behind.
#[derive(Clone, Debug, PartialEq)]
struct Trained {
    /// For every epoch the loss, the ledger's terms and the metrics, in the order of the logs.
    logs: Vec<Vec<(String, f64)>>,
    weights: Vec<Array>,
    /// The optimizer's slots and counts.
    slots: Vec<Array>,
}

fn sgd() -> Arc<dyn Optimizer> {
    Arc::new(Sgd::new(0.05).momentum(0.9).clipnorm(1.0))
}

fn nadam() -> Arc<dyn Optimizer> {
    Arc::new(Nadam::default())
}

fn model(optimizer: &Arc<dyn Optimizer>, seed: u64, threads: usize) -> Model {
    let mut model = Model::new(Regressor::new()).seed(seed).threads(threads);
    model.compile(optimizer.clone(), MeanSquaredError, [MeanAbsoluteError::new()]);
    model
}

fn trained(logs: Vec<Vec<(String, f64)>>, model: &Model, optimizer: &dyn Optimizer) -> Trained {
    let values = |variables: Vec<Variable>| variables.iter().map(Variable::value).collect();
    Trained {
        logs,
        weights: values(model.weights()),
        slots: values(optimizer.settings().variables()),
    }
}

fn by_fit(mut model: Model) -> Trained {
    let history = model
        .fit(&made_up_data(SAMPLES), Fit::epochs(EPOCHS).batch_size(BATCH).shuffle(false))
        .unwrap();
    let logs = history.epochs.into_iter().map(|epoch| epoch.logs.0).collect();
    trained(logs, &model, &**model.optimizer().unwrap())
}

fn by_single_steps(mut model: Model) -> Trained {
    let data = made_up_data(SAMPLES);
    let mut epochs = Vec::new();
    for _ in 0..EPOCHS {
        model.reset_metrics();
        let mut steps = Vec::new();
        for start in (0..SAMPLES).step_by(BATCH) {
            let batch = data.rows(start..SAMPLES.min(start + BATCH)).unwrap();
            steps.push((batch.len(), model.train_on_batch(&batch).unwrap().0));
        }
        epochs.push(epoch_of(&steps, &model));
    }
    trained(epochs, &model, &**model.optimizer().unwrap())
}

/// The terms of the steps averaged by their samples, then the metrics.
fn epoch_of(steps: &[(usize, Vec<(String, f64)>)], model: &Model) -> Vec<(String, f64)> {
    let metrics = model.metric_results().unwrap();
    let terms = steps[0].1.len() - metrics.len();
    let mean = |term: usize| {
        let sum =
            steps.iter().fold(0.0, |sum, (samples, logs)| sum + *samples as f64 * logs[term].1);
        (steps[0].1[term].0.clone(), sum / SAMPLES as f64)
    };
    (0..terms).map(mean).chain(metrics).collect()
}

fn by_custom_loop(
    model: &Model,
    optimizer: &Arc<dyn Optimizer>,
    threads: usize,
    eager: bool,
) -> Trained {
    let mean_loss = Mean::new("loss");
    let mean_absolute = Mean::new("mean_absolute_error");
    let mut step = Function::new(|[x, y], cx| {
        let y_pred = model.apply(&x, cx);
        let main_loss = mean_squared_error(&y, &y_pred).mean();
        let terms = cx.losses();
        let loss = terms.iter().fold(main_loss.clone(), |sum, term| sum + term);
        let gradients = cx.gradients(&loss, model.trainable_weights());
        optimizer.apply(&gradients, cx);
        mean_loss.update(&loss, cx);
        mean_absolute.update(&mean_absolute_error(&y, &y_pred), cx);
        [loss, main_loss, terms[0].clone(), terms[1].clone(), terms[2].clone()]
    })
    .threads(threads)
    .run_eagerly(eager);
    let names =
        ["loss", "main", "reconstruction", "penalty(dense/kernel)", "penalty(dense_1/kernel)"];
    let mut epochs = Vec::new();
    for _ in 0..EPOCHS {
        model.reset_metrics();
        for mean in &[&mean_loss, &mean_absolute] {
            mean.reset();
        }
        let mut sums = [0.0; 5];
        for (x, y) in made_up_data(SAMPLES).batches(BATCH).unwrap() {
            let values = step.run([&x, &y]).unwrap();
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += x.shape().batch() as f64 * value.get(0);
            }
        }
        let terms =
            names.iter().zip(sums).map(|(name, sum)| (name.to_string(), sum / SAMPLES as f64));
        let metrics = [("mean_absolute_error".to_string(), mean_absolute.value().unwrap().get(0))];
        let internal = model
            .metric_results()
            .unwrap()
            .into_iter()
            .filter(|(name, _)| name == "reconstruction_error");
        epochs.push(terms.chain(metrics).chain(internal).collect());
    }
    trained(epochs, model, &**optimizer)
}

fn assert_close(got: &Trained, want: &Trained, bound: f64) {
    let numbers = |trained: &Trained| -> Vec<f64> {
        let logs = trained.logs.iter().flatten().map(|&(_, value)| value);
        let arrays =
            trained.weights.iter().chain(&trained.slots).flat_map(|array| array.to_vec::<f64>());
        logs.chain(arrays).collect()
    };
    let [got, want] = [numbers(got), numbers(want)];
    assert_eq!(got.len(), want.len());
    let worst =
        got.iter().zip(&want).map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f64::max);
    assert!(worst <= bound, "the worst relative difference is {worst}");
}

#[test]
fn fit_reports_every_term_and_metric() {
    let trained = by_fit(model(&sgd(), 1, 1));
    let names: Vec<&str> = trained.logs[2].iter().map(|(name, _)| name.as_str()).collect();
    let want = [
        "loss",
        "main",
        "reconstruction",
        "penalty(dense/kernel)",
        "penalty(dense_1/kernel)",
        "mean_absolute_error",
        "reconstruction_error",
    ];
    assert_eq!(names, want);
    assert!(trained.logs[2][0].1 < trained.logs[0][0].1, "the loss falls: {:?}", trained.logs);
    // The error reported is the one that the loss term is made of.
    let [term, metric] = [trained.logs[1][2].1, trained.logs[1][6].1];
    assert!((term - 0.05 * metric).abs() < 1e-7, "{term} against 0.05 * {metric}");
}

#[test]
fn plans_of_all_modes_agree_bit_for_bit() {
    for optimizer in [sgd, nadam] {
        let want = by_fit(model(&optimizer(), 1, 1));
        assert_eq!(by_single_steps(model(&optimizer(), 1, 1)), want);
        let own = optimizer();
        assert_eq!(by_custom_loop(&model(&own, 1, 1), &own, 1, false), want);
    }
}

#[test]
fn node_by_node_gives_the_numbers_of_the_plan() {
    let want = by_fit(model(&sgd(), 1, 1));
    assert_close(&by_fit(model(&sgd(), 1, 1).run_eagerly(true)), &want, 2e-6);
    let own = sgd();
    assert_close(&by_custom_loop(&model(&own, 1, 1), &own, 1, true), &want, 2e-6);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let want = by_fit(model(&nadam(), 1, 1));
    assert_eq!(by_fit(model(&nadam(), 1, 2)), want);
    let own = nadam();
    assert_eq!(by_custom_loop(&model(&own, 1, 3), &own, 3, false), want);
}

#[test]
fn the_same_seed_gives_the_same_numbers_and_another_seed_others() {
    let data = made_up_data(SAMPLES);
    let shuffled = |seed| {
        let mut model = model(&nadam(), seed, 1);
        let history = model.fit(&data, Fit::epochs(2).batch_size(BATCH)).unwrap();
        (history.get("loss"), model.weights().iter().map(Variable::value).collect::<Vec<_>>())
    };
    assert_eq!(shuffled(1), shuffled(1));
    let [(loss, weights), (other_loss, other_weights)] = [shuffled(1), shuffled(2)];
    assert_ne!(loss, other_loss);
    assert_ne!(weights[0], other_weights[0]);
}

#[test]
fn two_epochs_and_three_more_equal_five() {
    let data = made_up_data(SAMPLES);
    let fit = |parts: &[usize]| {
        let mut model = model(&nadam(), 1, 1);
        let losses = parts.iter().flat_map(|&epochs| {
            model.fit(&data, Fit::epochs(epochs).batch_size(BATCH)).unwrap().get("loss")
        });
        let losses: Vec<f64> = losses.collect();
        (losses, model.weights().iter().map(Variable::value).collect::<Vec<_>>())
    };
    assert_eq!(fit(&[2, 3]), fit(&[5]));
}

#[test]
fn evaluate_is_the_validation_of_fit_and_changes_nothing() {
    let data = made_up_data(SAMPLES);
    let valid = made_up_data(20);
    let mut model = model(&nadam(), 1, 1);
    let history = model.fit(&data, Fit::epochs(2).batch_size(BATCH).validation(&valid)).unwrap();
    let before: Vec<Array> = model.weights().iter().map(Variable::value).collect();
    let logs = model.evaluate_with(&valid, Evaluate::new().batch_size(BATCH)).unwrap();
    for (name, value) in logs.iter() {
        assert_eq!(history.last(&format!("val_{name}")), Some(value), "{name}");
    }
    assert_eq!(model.weights().iter().map(Variable::value).collect::<Vec<_>>(), before);
    assert_eq!(model.predict(valid.inputs()).unwrap(), model.predict(valid.inputs()).unwrap());
}

#[test]
fn the_ledger_adds_up_in_every_epoch() {
    let (data, valid) = (made_up_data(SAMPLES), made_up_data(20));
    let history = model(&nadam(), 1, 1)
        .fit(&data, Fit::epochs(4).batch_size(BATCH).validation(&valid))
        .unwrap();
    for epoch in &history.epochs {
        for ledger in [&epoch.ledger, epoch.validation.as_ref().unwrap()] {
            let sum: f64 = ledger.terms.iter().map(|(_, value)| value).sum();
            assert_eq!(ledger.terms.len(), 4);
            // Four terms are added in f32, three roundings of at most half a unit each.
            assert!(
                (sum - ledger.total).abs() <= 1.5 * f64::from(f32::EPSILON) * ledger.total,
                "{ledger}: {sum}"
            );
        }
    }
}
