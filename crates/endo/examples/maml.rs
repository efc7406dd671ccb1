//! A net learns to learn: after one step on ten points it follows a sine wave that it has never
//! seen. Finn, Abbeel and Levine 2017, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep
//! Networks" (arXiv:1703.03400), with the second derivatives.
//!
//! `cargo run --release -p endo --example maml`

use std::f32::consts::PI;
use std::sync::Arc;

use endo::prelude::*;
use endo::random::Random;

/// Points of a task to adapt to, and as many to be judged by; the size of the inner step, alpha:
/// section 5.1.
const SHOTS: usize = 10;
const ALPHA: f64 = 0.01;

/// Weights with the values that a task gives them.
type Adapted = Vec<(Variable, Tensor)>;

/// Sine waves of random amplitude and phase, one to a row: points `[tasks, 2 * SHOTS, 1]` and their
/// heights. Section 5.1.
pub fn waves(tasks: usize, seed: u64) -> Result<Dataset> {
    let mut random = Random::new(seed, 0);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..tasks {
        let (amplitude, phase) = (0.1 + 4.9 * random.uniform(), PI * random.uniform());
        for _ in 0..2 * SHOTS {
            let at = 10.0 * random.uniform() - 5.0;
            x.push(at);
            y.push(amplitude * (at - phase).sin());
        }
    }
    let shape = [tasks, 2 * SHOTS, 1];
    Dataset::new(Array::new(shape, x)?, Array::new(shape, y)?)
}

/// The mean squared error with these values of the weights: equation 2.
fn loss(net: &Model, values: &Adapted, [x, y]: &[Tensor; 2], cx: &mut Context) -> Tensor {
    mean_squared_error(y, &net.apply_with(values, x, cx)).mean()
}

/// The weights after a step against the gradient of a task's loss: theta' = theta - alpha *
/// gradient, algorithm 2, line 6.
fn adapt(net: &Model, values: &Adapted, task: &[Tensor; 2], cx: &mut Context) -> Adapted {
    let loss = loss(net, values, task, cx);
    let gradients = cx.gradients(&loss, values.iter().map(|(_, value)| value)).into_tensors();
    let step = |((weight, value), gradient): (&(Variable, Tensor), Option<Tensor>)| {
        (weight.clone(), value - ALPHA * gradient.expect("the loss depends on every weight"))
    };
    values.iter().zip(gradients).map(step).collect()
}

/// The weights as they are.
fn theta(net: &Model, cx: &Context) -> Adapted {
    net.trainable_weights().into_iter().map(|weight| (weight.clone(), cx.read(&weight))).collect()
}

/// The regressor of section 5.1, trained so that one step on a new task does the most.
pub fn learner() -> Result<(Model, Arc<Model>)> {
    let hidden = || Dense::new(40).activation("relu").kernel_initializer("he_normal");
    let net = Arc::new(
        Model::new(Sequential::new().add(hidden()).add(hidden()).add(Dense::new(1))).name("net"),
    );
    let mut model = Model::new(net.clone());
    model.compile(Adam::new(0.003), (), ());
    model.build([1, 2 * SHOTS, 1])?;
    let inner = net.clone();
    model.train_step(move |step, cx| {
        let theta = theta(&inner, cx);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for task in 0..step.inputs().batch() {
            let points = [step.inputs(), &step.target(cx)].map(|all| all.slice(0, task..task + 1));
            let [support, query] = [0..SHOTS, SHOTS..2 * SHOTS]
                .map(|range| points.each_ref().map(|all| all.slice(1, range.clone())));
            let adapted = adapt(&inner, &theta, &support, cx);
            before.push(loss(&inner, &theta, &query, cx));
            after.push(loss(&inner, &adapted, &query, cx));
        }
        // Algorithm 2, line 8: the gradient goes through the inner steps.
        let terms = Terms::new([("adapted", Tensor::stack(&after, 0).mean())]);
        step.minimize(&terms, cx);
        cx.add_metric("before", Tensor::stack(&before, 0).mean());
        terms
    });
    Ok((model, net))
}

fn main() -> Result<()> {
    let (train, valid) = (waves(2000, 1)?, waves(200, 2)?);
    let (mut model, net) = learner()?;
    let stop = EarlyStopping::on("val_adapted").patience(10).restore_best_weights(true);
    let print = |epoch: usize, report: &Epoch| {
        let [before, after] =
            ["val_before", "val_adapted"].map(|name| report.logs.get(name).unwrap_or(f64::NAN));
        if epoch % 10 == 9 {
            println!(
                "epoch {:>3}  error on waves not seen {before:.3}, after one step {after:.3}",
                epoch + 1
            );
        }
    };
    model.fit(
        &train,
        Fit::epochs(100).batch_size(25).validation(&valid).callback(print).callback(stop),
    )?;

    // Figure 2: a new wave, and the points of it that the net is shown.
    let task = waves(1, 3)?;
    let mut errors = Function::new(|[x, y], cx| {
        let [support, query] = [0..SHOTS, SHOTS..2 * SHOTS]
            .map(|range| [&x, &y].map(|all| all.slice(1, range.clone())));
        let mut values = theta(&net, cx);
        let errors: Vec<Tensor> = (0..=10)
            .map(|_| {
                let error = loss(&net, &values, &query, cx);
                values = adapt(&net, &values, &support, cx);
                error
            })
            .collect();
        [Tensor::stack(&errors, 0)]
    });
    let errors: Vec<f64> =
        errors.run([task.inputs(), task.targets().expect("waves have heights")])?[0].to_vec();
    println!("\nits error on a new wave, after 0 to 10 steps on {SHOTS} points:\n  {errors:.3?}");

    let path = std::env::temp_dir().join(format!("maml_{}.safetensors", std::process::id()));
    model.save(&path)?;
    let (loaded, _) = learner()?;
    loaded.load(&path)?;
    // A file in the folder for temporary files: if it cannot be removed, the system will.
    let _ = std::fs::remove_file(&path);
    let same = loaded.predict(valid.inputs())? == model.predict(valid.inputs())?;
    println!("\nthe model from the file predicts the same: {same}");
    Ok(())
}
