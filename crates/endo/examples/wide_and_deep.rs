//! Two inputs, two outputs: each output with its loss, its weight in the total and its metrics.
//!
//! `cargo run --release -p endo --example wide_and_deep`

mod data;

use endo::prelude::*;

/// The main output sees the wide inputs and what the deep path makes of the deep ones; the
/// auxiliary output the deep path alone.
pub struct WideAndDeep {
    /// The deep path.
    pub hidden: [Dense; 2],
    /// What sees both.
    pub main: Dense,
    /// What sees the deep path alone.
    pub auxiliary: Dense,
}

impl Layer<[Tensor; 2], [Tensor; 2]> for WideAndDeep {
    fn call(&self, [wide, deep]: &[Tensor; 2], cx: &mut Context) -> [Tensor; 2] {
        let z = self.hidden.iter().fold(deep.clone(), |z, layer| layer.apply(&z, cx));
        let both = Tensor::concatenate(&[wide.clone(), z.clone()], -1);
        [self.main.apply(&both, cx), self.auxiliary.apply(&z, cx)]
    }
}

/// The first five features for the wide path, the last six for the deep one; the same target for
/// both outputs.
pub fn two_inputs(data: &Dataset) -> Result<Dataset> {
    let mut split = Function::new(|[x], _cx| [x.slice(1, 0..5), x.slice(1, 2..8)]);
    let [wide, deep] = split.run([data.inputs()])?.clone();
    let y = data.targets().expect("made with targets");
    Dataset::new((wide, deep), (y.clone(), y.clone()))
}

fn main() -> Result<()> {
    let (train, test) = two_inputs(&data::made_up(2000)?)?.split(0.25, 42)?;
    let hidden =
        [30, 30].map(|units| Dense::new(units).activation("relu").kernel_initializer("he_normal"));
    let (main, auxiliary) = (Dense::new(1).name("main"), Dense::new(1).name("auxiliary"));
    let mut model = Model::new(WideAndDeep { hidden, main, auxiliary });
    model
        .compile(Nadam::default(), (MeanSquaredError, Huber), ["mae"])
        .loss_weights([0.9, 0.1])
        .output_metrics(1, (RootMeanSquaredError::new(), "mae"));
    let history = model.fit(&train, Fit::epochs(10))?;
    for epoch in [0, 9] {
        println!("epoch {:>2}  {}", epoch + 1, history.epochs[epoch].ledger);
    }
    println!("\non test data");
    for (name, value) in model.evaluate(&test)?.iter() {
        println!("  {name:<34}{value:.4}");
    }
    Ok(())
}
