//! What callbacks see and do: a term whose factor grows, a rate that falls, files of every number,
//! the best model on disk.
//!
//! `cargo run --release -p endo --example callbacks`

mod data;

use endo::prelude::*;

/// Learns to keep its inputs as well: the more the larger `beta` is.
struct Reconstructing {
    hidden: Dense,
    reconstruct: Dense,
    out: Dense,
    beta: Variable,
}

impl Layer for Reconstructing {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let z = self.hidden.apply(inputs, cx);
        let error = (self.reconstruct.apply(&z, cx) - inputs).square().mean();
        // Read at every step: nothing is traced anew.
        cx.add_loss("reconstruction", cx.read(&self.beta) * &error);
        cx.add_metric("reconstruction_error", &error);
        self.out.apply(&z, cx)
    }
}

/// The model, whose term grows with `beta`.
pub fn model(beta: &Variable) -> Model {
    let hidden = Dense::new(30).activation(Selu).kernel_initializer(LecunNormal);
    let (reconstruct, out) = (Dense::new(8), Dense::new(1));
    let mut model = Model::new(Reconstructing { hidden, reconstruct, out, beta: beta.clone() });
    model.compile(Nadam::new(0.01), MeanSquaredError, [MeanAbsoluteError::new()]);
    model
}

fn main() -> Result<()> {
    let (train, valid) = data::made_up(2000)?.split(0.25, 42)?;
    let folder = std::env::temp_dir().join("endo-callbacks");
    let beta = Variable::new("beta", 0.0_f32).frozen();
    let mut model = model(&beta);

    let best = format!("{}/best.safetensors", folder.display());
    let options = Fit::epochs(30)
        .validation(&valid)
        .deny_warnings(true) // a term that no weight can change would be an error
        .callback(VariableScheduler::new(&beta, |epoch, _| (epoch as f64 / 10.0).min(1.0)))
        .callback(ReduceLrOnPlateau::on("val_main").factor(0.5).patience(2))
        .callback(EarlyStopping::on("val_main").patience(8))
        .callback(ModelCheckpoint::new(&best).monitor("val_main").save_best_only(true))
        .callback(CsvLogger::new(folder.join("log.csv")))
        .callback(TensorBoard::new(folder.join("board")).histogram_freq(5))
        .callback(LambdaCallback::new().on_epoch_end(|epoch, report, training| {
            println!("epoch {:>2}/{}  {}", epoch + 1, training.epochs(), report.ledger);
            Ok(())
        }));
    let history = model.fit(&train, options)?;

    println!("\nbeta           {:?}", history.get("beta"));
    println!("learning rate  {:?}", history.get("learning_rate"));
    model.load(&best)?;
    println!("\nthe best model on validation data\n{}", model.evaluate(&valid)?);
    println!("\nlog.csv, best.safetensors and the folder `board` are in {}", folder.display());
    Ok(())
}
