//! What happens inside a model while it is trained: activations, gradients, updates, and which term
//! of the loss pulls against which.
//!
//! `cargo run --release -p endo --example probes`

mod data;

use endo::prelude::*;
use endo::training::probes::ProbeKind;

/// A model with a term and a metric of what its layers compute, whose code is not ours.
pub fn model() -> Model {
    let hidden =
        |name| Dense::new(30).activation("tanh").kernel_initializer("glorot_normal").name(name);
    let layers = Sequential::new()
        .add(hidden("hidden_1"))
        .add(hidden("hidden_2"))
        .add(Dense::new(1).name("out"));
    let mut model = Model::new(layers);
    model.add_loss_at("hidden_?", "sparsity", |activation| 0.05 * activation.abs().mean());
    model.add_metric_at("hidden_2", "active", |activation| {
        activation.abs().greater(0.1).cast(DType::F32).mean()
    });
    model.compile(Nadam::new(0.003), MeanSquaredError, ());
    model
}

fn main() -> Result<()> {
    let (train, valid) = data::made_up(2000)?.split(0.25, 42)?;
    let folder = std::env::temp_dir().join("endo-probes");
    let mut model = model();
    let options = Fit::epochs(20)
        .validation(&valid)
        .probe(Probe::activations("hidden*").histogram(30))
        .probe(Probe::gradients("*kernel"))
        .probe(Probe::updates("*kernel"))
        .probe(Probe::weights("out/kernel").every(500).raw(folder.join("raw")))
        .probe(Probe::terms())
        .callback(TensorBoard::new(folder.join("board")));
    let history = model.fit(&train, options)?;

    println!("how large updates are, beside the weights' gradients:");
    let gradients = history.series(ProbeKind::Gradients, "hidden_2/kernel");
    for (gradient, update) in
        gradients.iter().zip(history.series(ProbeKind::Updates, "hidden_2/kernel"))
    {
        println!(
            "  step {:>4}  gradient {:.5}  update {:.5}",
            gradient.step, gradient.statistics.norm, update.statistics.norm
        );
    }
    println!("\nthe last readings of the hidden layers:");
    for name in ["hidden_1", "hidden_2"] {
        if let Some(last) = history.series(ProbeKind::Activations, name).last() {
            println!("  {last}");
        }
    }
    println!("\n{history}\n\nraw weights and the board are in {}", folder.display());
    Ok(())
}
