//! A model whose loss comes from inside it: the hidden activations must be able to reconstruct the inputs.
//!
//! `cargo run --release -p endo --example reconstructing_regressor`

use std::sync::OnceLock;

use endo::prelude::*;

struct ReconstructingRegressor {
    hidden: Vec<Dense>,
    reconstruct: OnceLock<Dense>, // sized by the first input: what Keras does in build()
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
    let (train, valid, x_test) = made_up_data()?;

    let mut model = Model::new(ReconstructingRegressor::new(1));
    model.compile(Nadam::default(), MeanSquaredError, [MeanAbsoluteError::new()]);
    let history = model.fit(&train, Fit::epochs(20).batch_size(32).validation(&valid))?;
    println!("{}", history.ledger()); // main 0.31 + reconstruction 0.011 = loss 0.32
    let y_pred = model.predict(&x_test)?;

    println!("{}", history.epochs[19].logs);
    println!("first predictions: {y_pred:?}");
    Ok(())
}

/// 2,000 rows of eight correlated features, and a target that is not linear in them.
fn made_up_data() -> Result<(Dataset, Dataset, Array)> {
    let mut random = endo::random::Random::new(42, 0);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..2000 {
        let [a, b, c]: [f32; 3] = std::array::from_fn(|_| random.normal());
        x.extend([a, b, c, a + b, b - c, a * b, c.sin(), a - c].map(|feature| feature + 0.1 * random.normal()));
        y.push(a.sin() + b * c + 0.1 * random.normal());
    }
    let data = Dataset::new(Array::new([2000, 8], x)?, Array::new([2000, 1], y)?)?;
    let (rest, test) = data.split(0.25, 42)?;
    let (train, valid) = rest.split(0.25, 42)?;
    Ok((train, valid, test.inputs().clone()))
}
