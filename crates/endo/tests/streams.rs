//! Data that is read while a model is trained on it.
//!
//! In: the same samples in memory, in files, and made on the way. Out: the same weights, and the
//! epochs, validations and errors that streams must have.

#[path = "streams/bytes.rs"]
mod bytes;
#[path = "streams/epochs.rs"]
mod epochs;
#[path = "streams/errors.rs"]
mod errors;
#[path = "streams/files.rs"]
mod files;
#[path = "support/folder.rs"]
mod folder;
#[path = "streams/same.rs"]
mod same;

use endo::prelude::*;

/// Samples of a smooth function.
fn data(samples: usize) -> Dataset {
    let x = Array::from_fn([samples, 3], |i| (0.7 * i as f32).sin());
    let y = Array::from_fn([samples, 1], |i| (2.1 * i as f32).cos());
    Dataset::new(x, y).unwrap()
}

/// A model with draws, averages and terms from inside.
fn model() -> Model {
    let net = Sequential::new()
        .add(Dense::new(6).activation("selu").activity_regularizer(L2(0.01)))
        .add(BatchNormalization::new())
        .add(Dropout::new(0.2))
        .add(Dense::new(1));
    let mut model = Model::new(net).seed(3);
    model.compile(Nadam::new(0.02), "mse", ["mae"]);
    model
}

/// The value of a weight that a step makes the sum of all inputs that it has seen, in their order.
fn seen(stream: Stream<'_>, options: Fit<'_>) -> (Vec<f32>, History, Vec<String>) {
    let mut seen = Vec::new();
    let mut model = Model::new(Dense::new(1).use_bias(false));
    model.compile(Sgd::new(0.0), "mse", ());
    let history = {
        let mut run = model.run(stream, options).unwrap();
        while run.next_batch().unwrap() {
            seen.extend(run.batch().unwrap().inputs().to_vec::<f32>());
            run.train_on_batch().unwrap();
        }
        run.finish().unwrap()
    };
    (seen, history, model.warnings())
}

/// A data set of these numbers, each its own target.
fn column(numbers: impl IntoIterator<Item = usize>) -> Dataset {
    let numbers: Vec<f32> = numbers.into_iter().map(|number| number as f32).collect();
    let x = Array::from_fn([numbers.len(), 1], |row| numbers[row]);
    Dataset::new(x.clone(), x).unwrap()
}
