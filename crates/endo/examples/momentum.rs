//! A custom optimizer: momentum, with a velocity for each weight in a slot, beside the library's.
//!
//! `cargo run --release -p endo --example momentum`

mod data;

use endo::prelude::*;

// ANCHOR: momentum
/// Follows a velocity: what is left of the one before, less the gradient.
pub struct MyMomentumOptimizer {
    /// The learning rate, clipping and so on.
    pub settings: Settings,
    /// The share of the velocity that is kept.
    pub momentum: f64,
}

impl MyMomentumOptimizer {
    /// With a rate, and the share of the velocity that is kept.
    pub fn new(learning_rate: f64, momentum: f64) -> Self {
        Self { settings: Settings::new(learning_rate), momentum }
    }
}

impl Optimizer for MyMomentumOptimizer {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        let velocity = slots.get("momentum") * self.momentum - gradient * slots.rate();
        weight + slots.set("momentum", velocity)
    }
}
// ANCHOR_END: momentum

/// The loss of every epoch.
fn losses(optimizer: impl Optimizer + 'static) -> Result<Vec<f64>> {
    let mut model = Model::new(Dense::new(1));
    model.compile(optimizer, MeanSquaredError, ());
    Ok(model.fit(&data::made_up(1152)?, Fit::epochs(5))?.get("loss"))
}

fn main() -> Result<()> {
    let (mine, plain) = (losses(MyMomentumOptimizer::new(0.002, 0.9))?, losses(Sgd::new(0.002))?);
    let library = losses(Sgd::new(0.002).momentum(0.9))?;
    println!("epoch  by hand  Sgd with momentum  Sgd without");
    for epoch in 0..5 {
        println!(
            "{:>5}  {:.5}  {:>17.5}  {:>11.5}",
            epoch + 1,
            mine[epoch],
            library[epoch],
            plain[epoch]
        );
    }
    Ok(())
}
