//! The book's training loop: penalties and a constraint on the weights, metrics of each epoch, and
//! a status bar.
//!
//! `cargo run --release -p endo --example custom_loop`

mod data;

use endo::prelude::*;
use endo::random::Random;

// ANCHOR: loop
fn random_batch(x: &Array, y: &Array, batch_size: usize, random: &mut Random) -> (Array, Array) {
    let indices: Vec<usize> = (0..batch_size).map(|_| random.below(x.shape()[0])).collect();
    (x.take(&indices), y.take(&indices))
}

fn print_status_bar(step: usize, total: usize, metrics: &[&dyn Metric]) -> Result<()> {
    print!("\r{step}/{total}");
    for metric in metrics {
        print!(" - {}: {:.4}", metric.name(), metric.value()?.item()?);
    }
    print!("{}", if step < total { "" } else { "\n" });
    Ok(())
}
// ANCHOR_END: loop

fn main() -> Result<()> {
    let train = data::made_up(1152)?;
    let (x_train, y_train) = (train.inputs(), train.targets().expect("made with targets"));

    // ANCHOR: loop
    let hidden = Dense::new(30).activation("relu").kernel_initializer("he_normal");
    let hidden = hidden.kernel_regularizer(L2(0.05));
    let out = Dense::new(1).kernel_regularizer(L2(0.05)).kernel_constraint(MaxNorm);
    let model = Model::new(Sequential::new().add(hidden).add(out));
    let (n_epochs, batch_size) = (5, 32);
    let n_steps = train.len() / batch_size;
    let (mut random, optimizer) = (Random::new(42, 0), Sgd::new(0.01));
    let mean_loss = Mean::new("mean");
    let mean_absolute_error = MeanMetricWrapper::new(MeanAbsoluteError);
    let mut train_step = Function::new(|[x, y], cx| {
        let y_pred = model.apply(&x, cx);
        let main_loss = mean_squared_error(&y, &y_pred).mean();
        let loss = cx.losses().iter().fold(main_loss, |sum, term| sum + term);
        // Clips, decays and applies constraints.
        optimizer.apply(&cx.gradients(&loss, model.trainable_weights()), cx);
        mean_loss.update(&loss, cx);
        mean_absolute_error.update(&y, &y_pred, None, cx);
        [loss]
    });
    for epoch in 1..=n_epochs {
        println!("Epoch {epoch}/{n_epochs}");
        for step in 1..=n_steps {
            let (x_batch, y_batch) = random_batch(x_train, y_train, batch_size, &mut random);
            train_step.run([&x_batch, &y_batch])?; // the closure's mistakes come out here
            print_status_bar(step, n_steps, &[&mean_loss, &mean_absolute_error])?;
        }
        mean_loss.reset();
        mean_absolute_error.reset();
    }
    // ANCHOR_END: loop
    println!("the step was traced {} time for {} runs", train_step.traces(), n_epochs * n_steps);
    Ok(())
}
