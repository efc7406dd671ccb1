//! The book's model in a loop of one's own: gradients, optimizer, metrics and a status bar, with the same numbers as `fit`.
//!
//! `cargo run --release -p endo --example custom_loop`

use std::sync::OnceLock;

use endo::prelude::*;

struct ReconstructingRegressor {
    hidden: Vec<Dense>,
    reconstruct: OnceLock<Dense>,
    out: Dense,
}

impl ReconstructingRegressor {
    fn new(output_dim: usize) -> Self {
        let hidden = || Dense::new(30).activation(Selu).kernel_initializer(LecunNormal);
        Self { hidden: (0..5).map(|_| hidden()).collect(), reconstruct: OnceLock::new(), out: Dense::new(output_dim) }
    }
}

impl Layer for ReconstructingRegressor {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let mut z = inputs.clone();
        for layer in &self.hidden {
            z = layer.apply(&z, cx);
        }
        let reconstruct = self.reconstruct.get_or_init(|| Dense::new(inputs.features()));
        let error = (reconstruct.apply(&z, cx) - inputs).square().mean();
        cx.add_loss("reconstruction", 0.05 * &error);
        cx.add_metric("reconstruction_error", &error);
        self.out.apply(&z, cx)
    }
}

fn main() -> Result<()> {
    let train = made_up_data()?;
    let model = Model::new(ReconstructingRegressor::new(1));
    let optimizer = Nadam::default();
    let mean_loss = Mean::new("loss");
    let mean_absolute_error = MeanMetricWrapper::new(MeanAbsoluteError);

    // Traced once for each shape of batch, then run as a plan.
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

    const EPOCHS: usize = 5;
    for epoch in 0..EPOCHS {
        let batches = train.batches(32)?.shuffled(42, epoch);
        let steps = batches.len();
        for (index, (x, y)) in batches.enumerate() {
            step.run([&x, &y])?; // here data meets the plan: mistakes of the closure come out here
            status_bar(epoch, index + 1, steps, &[&mean_loss, &mean_absolute_error])?;
        }
        println!();
        mean_loss.reset();
        mean_absolute_error.reset();
        model.reset_metrics(); // those that the layers added
    }
    Ok(())
}

/// One line, drawn over itself: `epoch 1  36/36  loss: 0.8123  mean_absolute_error: 0.6702`.
fn status_bar(epoch: usize, step: usize, steps: usize, metrics: &[&dyn Metric]) -> Result<()> {
    if !step.is_multiple_of(10) && step != steps {
        return Ok(());
    }
    print!("\repoch {}  {step:>2}/{steps}", epoch + 1);
    for metric in metrics {
        print!("  {}: {:.4}", metric.name(), metric.value()?.item()?);
    }
    Ok(())
}

/// 1,152 rows of eight correlated features, and a target that is not linear in them.
fn made_up_data() -> Result<Dataset> {
    const ROWS: usize = 1152;
    let mut random = endo::random::Random::new(42, 0);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..ROWS {
        let [a, b, c]: [f32; 3] = std::array::from_fn(|_| random.normal());
        x.extend([a, b, c, a + b, b - c, a * b, c.sin(), a - c].map(|feature| feature + 0.1 * random.normal()));
        y.push(a.sin() + b * c + 0.1 * random.normal());
    }
    Dataset::new(Array::new([ROWS, 8], x)?, Array::new([ROWS, 1], y)?)
}
