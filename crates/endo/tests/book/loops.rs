//! Custom training loops: the chapter's with penalties and constraints, two optimizers, and a
//! classifier of digits.
//!
//! In: batches. Out: the weights that `fit` gives on the same batches, and metrics for every epoch.

use endo::prelude::*;
use endo::random::Random;

use super::made_up_data;

#[path = "../../examples/data/digits.rs"]
mod drawn;

/// The chapter's model: a penalty on both kernels; here also a constraint.
fn regressor() -> Model {
    let hidden = Dense::new(30)
        .activation("elu")
        .kernel_initializer("he_normal")
        .kernel_regularizer(L2(0.05));
    let model = Model::new(
        Sequential::new()
            .add(hidden.kernel_constraint(MaxNorm.max_value(1.0)))
            .add(Dense::new(1).kernel_regularizer(L2(0.05))),
    );
    model.build([32, 3]).unwrap();
    model
}

/// The chapter's `random_batch`.
fn random_batch(data: &Dataset, batch_size: usize, random: &mut Random) -> Dataset {
    let indices: Vec<usize> = (0..batch_size).map(|_| random.below(data.len())).collect();
    data.take(&indices).unwrap()
}

/// The chapter's `print_status_bar`.
fn status_bar(step: usize, total: usize, metrics: &[&dyn Metric]) -> String {
    let metrics = metrics
        .iter()
        .map(|metric| format!(" - {}: {:.4}", metric.name(), metric.value().unwrap().get(0)));
    format!("{step}/{total}{}", metrics.collect::<String>())
}

#[test]
fn the_chapters_loop_learns() {
    let (train, model) = (made_up_data(320), regressor());
    let optimizer = Sgd::new(0.01);
    let mean_loss = Mean::new("mean_loss");
    let mean_absolute_error = MeanAbsoluteError::new().into_metric();
    let mut step = Function::new(|[x, y], cx| {
        let y_pred = model.apply(&x, cx);
        let main_loss = mean_squared_error(&y, &y_pred).mean();
        let loss = cx.losses().iter().fold(main_loss, |sum, term| sum + term);
        let gradients = cx.gradients(&loss, model.trainable_weights());
        optimizer.apply(&gradients, cx);
        mean_loss.update(&loss, cx);
        mean_absolute_error.update(&y, &y_pred, None, cx);
        [loss]
    });
    let (mut random, mut losses, mut bar) = (Random::new(42, 0), Vec::new(), String::new());
    for _ in 0..5 {
        for index in 1..=train.len() / 32 {
            let batch = random_batch(&train, 32, &mut random);
            step.run([batch.inputs(), batch.targets().unwrap()]).unwrap();
            bar = status_bar(index, train.len() / 32, &[&mean_loss, &*mean_absolute_error]);
        }
        losses.push(mean_loss.value().unwrap().item().unwrap());
        mean_loss.reset();
        mean_absolute_error.reset();
    }
    assert!(losses[4] < losses[0], "{losses:?}");
    assert!(
        bar.starts_with("10/10 - mean_loss: ") && bar.contains(" - mean_absolute_error: "),
        "{bar}"
    );
    assert_eq!(step.traces(), 1);
}

#[test]
fn the_loop_with_penalties_and_constraints_is_fit() {
    let (train, looped, mut fitted) = (made_up_data(80), regressor(), regressor());
    let optimizer = Nadam::new(0.01);
    let mut step = Function::new(|[x, y], cx| {
        let main_loss = mean_squared_error(&y, &looped.apply(&x, cx)).mean();
        let loss = cx.losses().iter().fold(main_loss, |sum, term| sum + term);
        optimizer.apply(&cx.gradients(&loss, looped.trainable_weights()), cx);
        [loss]
    });
    for _ in 0..3 {
        for (x, y) in train.batches(32).unwrap() {
            step.run([&x, &y]).unwrap();
        }
    }
    fitted.compile(Nadam::new(0.01), MeanSquaredError, ());
    fitted.fit(&train, Fit::epochs(3).shuffle(false)).unwrap();
    for (a, b) in looped.weights().iter().zip(fitted.weights()) {
        let far = a
            .value()
            .to_vec::<f64>()
            .into_iter()
            .zip(b.value().to_vec::<f64>())
            .any(|(a, b)| (a - b).abs() > 1e-6);
        assert!(!far, "{}: {:?} {:?}", a.name(), a.value(), b.value());
    }
    let kernel: Vec<f64> = looped.weights()[0].value().to_vec();
    let norm = |unit: usize| (0..3).map(|row| kernel[row * 30 + unit].powi(2)).sum::<f64>().sqrt();
    assert!((0..30).all(|unit| norm(unit) < 1.0 + 1e-5));
}

fn classifier() -> [Sequential; 2] {
    let lower = Sequential::new()
        .add(Flatten::new())
        .add(Dense::new(100).activation("relu").kernel_initializer("he_normal"));
    let upper = Sequential::new().add(Dense::new(10).activation("softmax"));
    [lower.name("lower"), upper.name("upper")]
}

#[test]
fn a_classifier_with_another_optimizer_below_than_above_and_validation_every_epoch() {
    let (train, valid) = (drawn::digits(1000, 1).unwrap(), drawn::digits(250, 2).unwrap());
    let [lower, upper] = classifier();
    let model = Model::new(Sequential::new().add(lower).add(upper));
    model.build([32, 8, 8]).unwrap();
    let part = |name: &str| {
        model
            .trainable_weights()
            .into_iter()
            .filter(|w| w.name().contains(name))
            .collect::<Vec<_>>()
    };
    let [lower, upper] = ["lower/", "upper/"].map(part);
    assert_eq!([lower.len(), upper.len()], [2, 2]);
    let (below, above) = (Sgd::new(0.05), Nadam::new(0.01));
    let (mean_loss, accuracy) = (Mean::new("loss"), SparseCategoricalAccuracy::new());
    let forward = |x: &Tensor, y: &Tensor, cx: &mut Context| {
        let y_pred = model.apply(x, cx);
        let loss = sparse_categorical_crossentropy(y, &y_pred, false).mean();
        mean_loss.update(&loss, cx);
        accuracy.update(y, &y_pred, None, cx);
        loss
    };
    let mut step = Function::new(|[x, y], cx| {
        let loss = forward(&x, &y, cx);
        below.apply(&cx.gradients(&loss, &lower), cx);
        above.apply(&cx.gradients(&loss, &upper), cx);
        [loss]
    });
    let mut test = Function::new(|[x, y], cx| [forward(&x, &y, cx)]).training(false);
    let results = || {
        let results =
            [mean_loss.value(), accuracy.value()].map(|value| value.unwrap().item().unwrap());
        mean_loss.reset();
        accuracy.reset();
        results
    };
    let mut epochs = Vec::new();
    for epoch in 0..10 {
        for (x, y) in train.batches(32).unwrap().shuffled(42, epoch) {
            step.run([&x, &y]).unwrap();
        }
        let [loss, accuracy] = results();
        for (x, y) in valid.batches(32).unwrap() {
            test.run([&x, &y]).unwrap();
        }
        let [val_loss, val_accuracy] = results();
        epochs.push([loss, accuracy, val_loss, val_accuracy]);
    }
    let [first, last] = [epochs[0], epochs[9]];
    assert!(last[0] < 0.5 * first[0] && last[2] < first[2], "{epochs:?}");
    assert!(last[1] > 0.95 && last[3] > 0.9, "{epochs:?}");
}
