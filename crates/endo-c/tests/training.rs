//! Whole trainings in C: 60 steps from the same values, against the processor.

#[path = "../../endo/tests/support/regressor.rs"]
mod regressor;
mod support;

use endo::optimizers;
use endo::prelude::*;

use regressor::{Regressor, made_up_data};
use support::{Bound, Session, floats, numbers};

#[test]
fn the_regressor_of_the_book_is_trained_in_c() {
    let mut session = Session::default();
    let mut model = Model::new(Regressor::new()).seed(3);
    model.compile(Nadam::default(), MeanSquaredError, [MeanAbsoluteError::new()]);
    session.fit("regressor", &model, &made_up_data(300), 32, 60);
    session.run();
}

#[test]
fn a_convolutional_net_with_dropout_is_trained_in_c() {
    let mut session = Session::default();
    let net = Sequential::new()
        .add(Conv2D::new(6, 3).activation("relu").padding(Padding::Same))
        .add(MaxPooling2D::new(2))
        .add(Conv2D::new(8, 3).activation("relu").strides(2))
        .add(Flatten::new())
        .add(Dropout::new(0.3))
        .add(Dense::new(5).activation("softmax"));
    let mut model = Model::new(net).seed(1);
    model.compile(
        Adam::new(0.003),
        SparseCategoricalCrossentropy::new(),
        [SparseCategoricalAccuracy::new()],
    );
    let labels = numbers([96, 1], DType::I32, [0.0, 5.0], 2);
    let data = Dataset::new(floats([96, 12, 12, 1], 1), labels).unwrap();
    session.fit("convolutional", &model, &data, 16, 60);
    session.run();
}

#[test]
fn a_recurrent_net_is_trained_in_c() {
    let mut session = Session::default();
    let net = Sequential::new().add(Lstm::new(7)).add(Dense::new(1));
    let mut model = Model::new(net).seed(1);
    model.compile(RmsProp::new(0.003), MeanSquaredError, ());
    let data = Dataset::new(floats([64, 9, 3], 1), floats([64, 1], 2)).unwrap();
    session.fit("recurrent", &model, &data, 16, 60);
    session.run();
}

#[test]
fn every_optimizer_steps_in_c() {
    let mut session = Session::default();
    // `lion` follows the sign of however small a gradient.
    for name in optimizers::names().filter(|&name| name != "lion") {
        let net = Sequential::new().add(Dense::new(6).activation("tanh")).add(Dense::new(1));
        let mut model = Model::new(net).seed(1);
        model.compile(name, MeanSquaredError, ());
        session.fit(name, &model, &made_up_data(60), 20, 12);
    }
    session.run();
}

#[test]
fn a_step_that_is_not_finite_changes_nothing() {
    let mut session = Session::default();
    let mut model = Model::new(Dense::new(1)).seed(1);
    model.compile(Adam::new(0.1), MeanSquaredError, ());
    let data = made_up_data(8);
    let graph = model.training_graph(&data).unwrap();
    let (good, y) = (data.inputs().clone(), data.targets().unwrap().clone());
    let bad = Array::full(good.shape().clone(), f64::NAN, DType::F32);
    let batches = [good.clone(), bad, good].map(|x| vec![x, y.clone()]);
    session.train("not finite", &graph, &batches, Bound::TRAINED);
    session.run();
}
