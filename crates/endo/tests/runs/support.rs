//! A model with everything that a run has to remember, and its history without what clocks say.

use endo::prelude::*;

/// Samples of a smooth function.
pub fn data(samples: usize) -> Dataset {
    let x = Array::from_fn([samples, 3], |i| (0.7 * i as f32).sin());
    let y = Array::from_fn([samples, 1], |i| (2.1 * i as f32).cos());
    Dataset::new(x, y).unwrap()
}

/// Dropout draws, batch normalization averages, and the terms and metrics come from inside.
pub fn model() -> Model {
    let (hidden, norm, dropout, out) = (
        Dense::new(8).activation("selu"),
        BatchNormalization::new(),
        Dropout::new(0.2),
        Dense::new(1),
    );
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let z = norm.apply(&hidden.apply(x, cx), cx);
        cx.add_loss("size", 0.01 * z.square().mean());
        cx.add_metric("largest", z.abs().max());
        out.apply(&dropout.apply(&z, cx), cx)
    })
    .seed(3);
    model.compile(Nadam::new(0.02).clipnorm(1.0), "mse", ["mae"]);
    model
}

/// Every number of a history but how long it took.
pub fn numbers(mut history: History) -> History {
    for epoch in &mut history.epochs {
        epoch.seconds = 0.0;
    }
    history.probe_cost = None;
    history
}

pub fn weights(model: &Model) -> Vec<Array> {
    model.weights().iter().map(|weight| weight.value()).collect()
}
