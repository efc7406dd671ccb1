//! The same bits on any number of ranks: weights, histories, predictions, with batches that the
//! shards do not divide, and in tests.

use endo::prelude::*;
use endo::shards::{Alone, Shards, Threads};

use super::regressor::{Regressor, made_up_data};

/// All that a training leaves: its history, weights, logs of a test, and predictions.
pub type Outcome = (Vec<endo::training::Epoch>, Vec<Array>, Vec<(String, f64)>, Array);

/// Every number of a history but how long it took.
pub fn epochs(history: History) -> Vec<endo::training::Epoch> {
    history
        .epochs
        .into_iter()
        .map(|epoch| endo::training::Epoch { seconds: 0.0, ..epoch })
        .collect()
}

fn regressor(link: impl Into<std::sync::Arc<dyn endo::shards::Link>>, batch: usize) -> Outcome {
    let data = made_up_data(150);
    let (train, test) = (data.rows(0..107).unwrap(), data.rows(107..150).unwrap());
    let mut model = Model::new(Regressor::new()).seed(5).threads(1).print_warnings(false);
    model.compile(Nadam::new(0.01).clipnorm(1.0), "mse", ["mae"]);
    model.distribute(link, Shards::new(8));
    let stop = EarlyStopping::on("val_loss").patience(2).restore_best_weights(true);
    let options = Fit::epochs(6).batch_size(batch).validation(&test).callback(stop);
    let history = model.fit(&train, options).unwrap();
    let logs = model.evaluate(&test).unwrap();
    let weights = model.weights().iter().map(|weight| weight.value()).collect();
    (epochs(history), weights, logs.0, model.predict(test.inputs()).unwrap())
}

#[test]
fn a_regressor_with_terms_of_its_own_is_the_same_on_any_number_of_ranks() {
    for batch in [32, 13, 3] {
        let alone = regressor(Alone, batch);
        assert!(alone.0.len() > 2 && alone.1.iter().all(Array::is_finite));
        for ranks in [2, 3, 4, 6, 8] {
            for outcome in Threads::run(ranks, |link| regressor(link, batch)) {
                assert!(outcome == alone, "{ranks} ranks, batches of {batch}");
            }
        }
    }
}

fn convolutional(link: impl Into<std::sync::Arc<dyn endo::shards::Link>>) -> Outcome {
    let x = Array::from_fn([96, 8, 8, 1], |i| (0.37 * i as f32).sin());
    let y = Array::from_fn([96], |i| (i * i % 3) as i32);
    let data = Dataset::new(x.clone(), y).unwrap();
    let net = Sequential::new()
        .add(Conv2D::new(4, 3).activation("relu"))
        .add(Dropout::new(0.3))
        .add(MaxPooling2D::new(2))
        .add(Flatten::new())
        .add(Dense::new(3).activation("softmax"));
    let mut model = Model::new(net).seed(2).threads(1).print_warnings(false);
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"]);
    model.distribute(link, Shards::new(8));
    let history = model.fit(&data, Fit::epochs(2).batch_size(16)).unwrap();
    let weights = model.weights().iter().map(|weight| weight.value()).collect();
    (epochs(history), weights, Vec::new(), model.predict(&x).unwrap())
}

#[test]
fn a_convolutional_net_with_dropout_is_the_same_on_any_number_of_ranks() {
    let alone = convolutional(Alone);
    for ranks in [2, 3, 8] {
        for outcome in Threads::run(ranks, convolutional) {
            assert!(outcome == alone, "{ranks} ranks");
        }
    }
}

/// Two of each five batches are short, one of them shorter than there are shards.
fn short_batches(link: impl Into<std::sync::Arc<dyn endo::shards::Link>>) -> Outcome {
    let data = made_up_data(160);
    let batches: Vec<Dataset> = [0..32, 32..64, 64..71, 71..103, 103..106]
        .into_iter()
        .map(|rows| data.rows(rows).unwrap())
        .collect();
    let mut model = Model::new(Regressor::new()).seed(5).threads(1).print_warnings(false);
    model.compile("adam", "mae", ["mse"]);
    model.distribute(link, Shards::new(8));
    let stream = Stream::by_epoch(move |_| batches.clone().into_iter());
    let history = model.fit(stream, Fit::epochs(3)).unwrap();
    let weights = model.weights().iter().map(|weight| weight.value()).collect();
    (epochs(history), weights, Vec::new(), model.predict(data.inputs()).unwrap())
}

#[test]
fn batches_that_are_short_are_the_same_on_any_number_of_ranks() {
    let alone = short_batches(Alone);
    for ranks in [2, 3, 4, 6, 8] {
        for outcome in Threads::run(ranks, short_batches) {
            assert!(outcome == alone, "{ranks} ranks");
        }
    }
}

#[test]
fn rows_are_predicted_once_whoever_predicts_them() {
    let x = Array::from_fn([1300, 5], |i| (0.37 * i as f32).sin());
    let predict = |link: std::sync::Arc<dyn endo::shards::Link>| {
        let net = |x: &Tensor, cx: &mut Context| {
            x.sum_axes([-1]) + cx.random().normal([x.batch()], 0.0, 1.0)
        };
        let mut model = Model::new(net).seed(4).threads(1);
        model.distribute(link, Shards::new(8));
        [model.predict(&x).unwrap(), model.predict(&x).unwrap()]
    };
    let alone = predict(Alone.into());
    assert_ne!(alone[0], alone[1]);
    for ranks in [2, 3, 8] {
        for predicted in Threads::run(ranks, |link| predict(link.into())) {
            assert!(predicted == alone, "{ranks} ranks");
        }
    }
}
