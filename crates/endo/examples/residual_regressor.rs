//! A model of blocks: a list of layers with a way around it, one block applied four times; saved,
//! loaded, trained on.
//!
//! `cargo run --release -p endo --example residual_regressor`

mod data;

use endo::prelude::*;

/// Layers, and a way around them.
pub struct ResidualBlock {
    hidden: Vec<Dense>,
}

impl ResidualBlock {
    /// A block of `n_layers` layers of `n_neurons` units each.
    pub fn new(n_layers: usize, n_neurons: usize) -> Self {
        Self { hidden: (0..n_layers).map(|_| relu(n_neurons)).collect() }
    }
}

impl Layer for ResidualBlock {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        inputs + self.hidden.iter().fold(inputs.clone(), |z, layer| layer.apply(&z, cx))
    }
}

/// The first block four times, with the same weights, then the second.
pub struct ResidualRegressor {
    hidden1: Dense,
    block1: ResidualBlock,
    block2: ResidualBlock,
    out: Dense,
}

impl ResidualRegressor {
    /// A regressor with `output_dim` outputs.
    pub fn new(output_dim: usize) -> Self {
        let (block1, block2) = (ResidualBlock::new(2, 30), ResidualBlock::new(2, 30));
        Self { hidden1: relu(30), block1, block2, out: Dense::new(output_dim) }
    }
}

impl Layer for ResidualRegressor {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let mut z = self.hidden1.apply(inputs, cx);
        for _ in 0..1 + 3 {
            z = self.block1.apply(&z, cx); // the same weights each time
        }
        z = self.block2.apply(&z, cx);
        self.out.apply(&z, cx)
    }
}

/// A dense layer of the kind that all blocks are made of.
pub fn relu(units: usize) -> Dense {
    Dense::new(units).activation("relu").kernel_initializer("he_normal")
}

fn main() -> Result<()> {
    let (train, test) = data::made_up(2000)?.split(0.25, 42)?;
    let mut model = Model::new(ResidualRegressor::new(1));
    model.compile(Nadam::default(), MeanSquaredError, ["mae"]);
    println!("loss {:.3?}", model.fit(&train, Fit::epochs(5))?.get("loss"));
    println!("{}", model.summary()?);

    let path =
        std::env::temp_dir().join(format!("residual_regressor_{}.safetensors", std::process::id()));
    model.save_weights(&path)?;
    let mut loaded = Model::new(ResidualRegressor::new(1));
    loaded.build([32, 8])?; // makes the weights that are loaded into
    loaded.load_weights(&path)?;
    // A file in the folder for temporary files: if it cannot be removed, the system will.
    let _ = std::fs::remove_file(&path);
    let same = loaded.predict(test.inputs())? == model.predict(test.inputs())?;
    println!("the model from the file predicts the same: {same}");
    loaded.compile(Nadam::default(), MeanSquaredError, ["mae"]);
    println!("and is trained on, loss {:.3?}", loaded.fit(&train, Fit::epochs(2))?.get("loss"));
    Ok(())
}
