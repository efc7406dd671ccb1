//! Terms of the loss that a model is given from outside `call`: what Keras's
//! `model.add_loss(lambda: ..)` does.
//!
//! In: closures of variables. Out: a ledger that adds up, and the step that the term asks for.

use endo::prelude::*;

use super::{assert_near, made_up_data};

/// A unit without bias whose weights are 0.5 and -0.25, with half the sum of their squares as a
/// term.
fn model() -> Model {
    let mut model = Model::new(
        Dense::new(1).use_bias(false).kernel_initializer(Array::from([[0.5_f32], [-0.25]])),
    );
    model.build([1, 2]).unwrap();
    let kernel = model.weight("kernel").unwrap();
    model.add_loss("decay", move |cx| 0.5 * cx.read(&kernel).square().sum());
    model
}

#[test]
fn a_term_is_reported_adds_up_and_is_trained_on() {
    let mut model = model();
    model.compile(Sgd::new(0.1), MeanSquaredError, ());
    let data = Dataset::new([[1.0_f32, 2.0]], [[1.0_f32]]).unwrap();
    let logs = model.train_on_batch(&data).unwrap();
    // The prediction is 0; the gradient of its squared error -2 x, that of the term w.
    let decay = 0.5 * (0.25 + 0.0625);
    assert_near(
        ["main", "decay", "loss"].map(|name| logs.get(name).unwrap()),
        [1.0, decay, 1.0 + decay],
    );
    let weights: Vec<f64> = model.weights()[0].value().to_vec();
    assert_near([weights[0], weights[1]], [0.5 - 0.1 * (-2.0 + 0.5), -0.25 - 0.1 * (-4.0 - 0.25)]);
}

#[test]
fn the_ledger_adds_up_in_training_and_validation_whatever_the_sample_weights() {
    let mut model =
        Model::new(Dense::new(1).activity_regularizer(L2(0.01)).kernel_regularizer(L1(0.01)));
    model.build([1, 3]).unwrap();
    let kernel = model.weight("kernel").unwrap();
    let large = kernel.clone();
    model.add_loss("spread", move |cx| 0.1 * cx.read(&kernel).variance());
    model.add_loss("largest", move |cx| 0.1 * cx.read(&large).abs().max());
    model.compile("nadam", "mse", ());
    let weights = Array::from_fn(96, |row| (row % 3) as f32);
    let data = made_up_data(96).with_sample_weight(weights).unwrap();
    let history = model.fit(&data, Fit::epochs(2).validation(&made_up_data(40))).unwrap();
    for ledger in [&history.epochs[1].ledger, history.epochs[1].validation.as_ref().unwrap()] {
        let names: Vec<&str> = ledger.terms.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["main", "activity", "spread", "largest", "penalty(dense/kernel)"]);
        assert_near([ledger.terms.iter().map(|(_, value)| value).sum()], [ledger.total]);
    }
    let kernel: Vec<f64> = model.weights()[0].value().to_vec();
    let largest = kernel.iter().fold(0.0_f64, |largest, weight| largest.max(weight.abs()));
    assert_near([history.last("val_largest").unwrap()], [0.1 * largest]);
}

#[test]
fn a_term_counts_once_in_a_loop_however_often_the_model_is_applied() {
    let model = model();
    let mut f = Function::new(|[x], cx| {
        let twice = model.apply(&x, cx) + model.apply(&x, cx);
        let terms = cx.losses();
        assert_eq!((terms.len(), cx.loss_terms()[0].name.as_str()), (1, "decay"));
        [terms[0].clone(), twice]
    });
    assert_near(
        [f.run([&[[1.0_f32, 1.0]].into()]).unwrap()[0].item().unwrap()],
        [0.5 * (0.25 + 0.0625)],
    );
}

#[test]
fn a_model_without_a_loss_trains_on_the_term_alone() {
    let mut model = model();
    model.compile(Sgd::new(0.5), (), ());
    let data = Dataset::inputs_only([[1.0_f32, 2.0]]).unwrap();
    model.fit(&data, Fit::epochs(1)).unwrap();
    assert_eq!(model.weights()[0].value(), [[0.25_f32], [-0.125]].into());
}
