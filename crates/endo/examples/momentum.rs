//! An optimizer of one's own: momentum, with a velocity for each weight in a slot, beside the library's.
//!
//! `cargo run --release -p endo --example momentum`

mod data;

use endo::prelude::*;

// ANCHOR: momentum
struct MyMomentumOptimizer {
    settings: Settings,
    momentum: f64,
}

impl MyMomentumOptimizer {
    fn new(learning_rate: f64, momentum: f64) -> Self {
        Self { settings: Settings::new(learning_rate), momentum }
    }
}

impl Optimizer for MyMomentumOptimizer {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        let velocity = slots.get("momentum") * self.momentum - gradient * (1.0 - self.momentum);
        weight + slots.set("momentum", velocity) * slots.rate()
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
    let (mine, plain) = (losses(MyMomentumOptimizer::new(0.02, 0.9))?, losses(Sgd::new(0.002))?);
    // A velocity that takes 1 - momentum of each gradient is the library's with a rate as many times smaller.
    let library = losses(Sgd::new(0.002).momentum(0.9))?;
    println!("epoch  by hand  Sgd with momentum  Sgd without");
    for epoch in 0..5 {
        println!("{:>5}  {:.5}  {:>17.5}  {:>11.5}", epoch + 1, mine[epoch], library[epoch], plain[epoch]);
    }
    Ok(())
}
