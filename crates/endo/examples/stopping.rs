//! A custom callback that predicts with the model while it trains, reports what it finds, and stops
//! the training when that is good enough; and one that watches what the first reports.
//!
//! `cargo run --release -p endo --example stopping`

mod data;

use endo::prelude::*;

/// Reports the share of the validation data that is predicted to within a distance.
struct Within<'a> {
    data: &'a Dataset,
    distance: f64,
    enough: f64,
}

impl Callback for Within<'_> {
    fn epoch_end(&mut self, epoch: usize, _: &Epoch, training: &Training) -> Result<()> {
        let predicted = &training.predict(self.data.all_inputs())?[0];
        let errors = predicted - self.data.targets().expect("the data has targets");
        let near = errors.less(self.distance).sum() - errors.less_equal(-self.distance).sum();
        let share = near / errors.len() as f64;
        training.report("within", share);
        println!("epoch {epoch}: {:.1} % within {}", 100.0 * share, self.distance);
        if share >= self.enough {
            training.stop();
        }
        Ok(())
    }
}

/// What is trained.
pub fn model() -> Model {
    let mut model =
        Model::new(Sequential::new().add(Dense::new(30).activation("selu")).add(Dense::new(1)));
    model.compile(Nadam::new(0.005), "mse", ["mae"]);
    model
}

fn main() -> Result<()> {
    let (train, valid) = data::made_up(2000)?.split(0.25, 42)?;
    let mut model = model();
    let within = Within { data: &valid, distance: 0.25, enough: 0.8 };
    // What is reported at the end of an epoch is in that epoch, for the callbacks that come after.
    let options = Fit::epochs(200)
        .callback(within)
        .callback(EarlyStopping::on("within").maximize(true).patience(15));
    let history = model.fit(&train, options)?;
    let shares = history.get("within");
    println!(
        "{} epochs, {:.1} % at the end",
        shares.len(),
        100.0 * shares.last().copied().unwrap_or(0.0)
    );
    Ok(())
}
