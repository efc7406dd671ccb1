//! A model whose loss comes from inside it: the hidden activations must be able to reconstruct the
//! inputs.
//!
//! `cargo run --release -p endo --example reconstructing_regressor`

mod data;

use std::sync::OnceLock;

use endo::prelude::*;

// ANCHOR: model
struct ReconstructingRegressor {
    hidden: Vec<Dense>,
    reconstruct: OnceLock<Dense>, // sized by the first input: what Keras does in build()
    out: Dense,
}

impl ReconstructingRegressor {
    fn new(output_dim: usize) -> Self {
        let hidden = || Dense::new(30).activation(Selu).kernel_initializer(LecunNormal);
        let (reconstruct, out) = (OnceLock::new(), Dense::new(output_dim));
        Self { hidden: (0..5).map(|_| hidden()).collect(), reconstruct, out }
    }
}

impl Layer for ReconstructingRegressor {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let z = self.hidden.iter().fold(inputs.clone(), |z, layer| layer.apply(&z, cx));
        let reconstruct = self.reconstruct.get_or_init(|| Dense::new(inputs.features()));
        let error = (reconstruct.apply(&z, cx) - inputs).square().mean();
        cx.add_loss("reconstruction", 0.05 * &error);
        cx.add_metric("reconstruction_error", &error);
        self.out.apply(&z, cx)
    }
}
// ANCHOR_END: model

/// The book's model with one output.
pub(crate) fn model() -> Model {
    Model::new(ReconstructingRegressor::new(1))
}

fn main() -> Result<()> {
    let (rest, test) = data::made_up(2000)?.split(0.25, 42)?;
    let (train, valid) = rest.split(0.25, 42)?;

    let mut model = model();
    model.compile(Nadam::default(), MeanSquaredError, [MeanAbsoluteError::new()]);
    let print =
        |epoch: usize, report: &Epoch| println!("epoch {:>2}  {}", epoch + 1, report.ledger);
    let history =
        model.fit(&train, Fit::epochs(20).batch_size(32).validation(&valid).callback(print))?;

    println!("\nwhat the last epoch reports\n{}", history.epochs[19].logs);
    println!("\non test data\n{}", model.evaluate(&test)?);
    println!("\nfirst predictions {:?}", model.predict(&test.inputs().rows(0..3))?);
    Ok(())
}
