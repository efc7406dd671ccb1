//! A classifier of digits in a custom loop: one optimizer for the lower layers and another for the
//! upper ones, with validation after every epoch.
//!
//! `cargo run --release -p endo --example digits`

#[path = "data/digits.rs"]
pub mod digits;

use endo::prelude::*;

/// The classifier, whose two parts are trained by optimizers of their own.
pub fn model() -> Model {
    let lower = Sequential::new()
        .add(Flatten::new())
        .add(Dense::new(100).activation("relu").kernel_initializer("he_normal"));
    let upper = Sequential::new().add(Dense::new(10).activation("softmax"));
    Model::new(Sequential::new().add(lower.name("lower")).add(upper.name("upper")))
}

fn main() -> Result<()> {
    let (train, valid) = (digits::digits(2000, 1)?, digits::digits(500, 2)?);
    let model = model();
    model.build([32, 8, 8])?;
    let part = |path: &str| model.layer(path).map(|part| part.trainable_weights());
    let (lower_weights, upper_weights) = (part("lower")?, part("upper")?);

    let (lower_optimizer, upper_optimizer) = (Sgd::new(0.05), Nadam::new(0.005));
    let (mean_loss, accuracy) = (Mean::new("loss"), SparseCategoricalAccuracy::new());
    let forward = |x: &Tensor, y: &Tensor, cx: &mut Context| {
        let y_pred = model.apply(x, cx);
        let loss = sparse_categorical_crossentropy(y, &y_pred, false).mean();
        mean_loss.update(&loss, cx);
        accuracy.update(y, &y_pred, None, cx);
        loss
    };
    let mut train_step = Function::new(|[x, y], cx| {
        let loss = forward(&x, &y, cx);
        lower_optimizer.apply(&cx.gradients(&loss, &lower_weights), cx);
        upper_optimizer.apply(&cx.gradients(&loss, &upper_weights), cx);
        [loss]
    });
    let mut test_step = Function::new(|[x, y], cx| [forward(&x, &y, cx)]).training(false);
    // The results of an epoch, forgotten for the next.
    let results = || -> Result<String> {
        let line = format!(
            "loss {:.4}  accuracy {:.3}",
            mean_loss.value()?.item()?,
            accuracy.value()?.item()?
        );
        mean_loss.reset();
        accuracy.reset();
        Ok(line)
    };

    for epoch in 0..10 {
        for (x, y) in train.batches(32)?.shuffled(42, epoch) {
            train_step.run([&x, &y])?;
        }
        let trained = results()?;
        for (x, y) in valid.batches(250)? {
            test_step.run([&x, &y])?;
        }
        println!("epoch {:>2}  {trained}  validation: {}", epoch + 1, results()?);
    }

    println!("\na digit that it has not seen:");
    let image: Vec<f64> = valid.inputs().rows(0..1).to_vec();
    for row in image.chunks(8) {
        let dots: String = row
            .iter()
            .map(|grey| [' ', '.', 'o', '#'][(grey * 4.0).clamp(0.0, 3.0) as usize])
            .collect();
        println!("  {dots}");
    }
    let probabilities: Vec<f64> = model.predict(&valid.inputs().rows(0..1))?.to_vec();
    let best =
        (0..10).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b])).unwrap_or_default();
    println!("it is {best} with a probability of {:.3}", probabilities[best]);
    Ok(())
}
