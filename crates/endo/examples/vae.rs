//! A variational autoencoder of drawn digits: Kingma and Welling 2014, "Auto-Encoding Variational
//! Bayes" (arXiv:1312.6114). Encoder and decoder are models within one, and the divergence is a
//! term from inside.
//!
//! `cargo run --release -p endo --example vae`

#[path = "data/digits.rs"]
pub mod digits;

use std::sync::Arc;

use endo::prelude::*;

/// Pixels of an image, and numbers in its code.
const PIXELS: usize = 64;
const LATENT: usize = 4;

/// Draws a code from the distribution that the encoder has found: equation 10's z = mu + sigma *
/// epsilon.
struct Sampling;

impl Layer<[Tensor; 2]> for Sampling {
    fn call(&self, [mean, log_variance]: &[Tensor; 2], cx: &mut Context) -> Tensor {
        mean + (0.5 * log_variance).exp() * cx.random().normal(mean.shape(), 0.0, 1.0)
    }
}

/// The encoder of appendix C: a hidden layer, then the mean and the logarithm of the variance of
/// the code.
struct Encoder {
    hidden: Dense,
    mean: Dense,
    log_variance: Dense,
}

impl Layer<Tensor, [Tensor; 2]> for Encoder {
    fn call(&self, image: &Tensor, cx: &mut Context) -> [Tensor; 2] {
        let h = self.hidden.apply(image, cx);
        [self.mean.apply(&h, cx), self.log_variance.apply(&h, cx)]
    }
}

struct Vae {
    encoder: Model<Tensor, [Tensor; 2]>,
    sampling: Sampling,
    decoder: Arc<Model>,
}

impl Layer for Vae {
    fn call(&self, image: &Tensor, cx: &mut Context) -> Tensor {
        let [mean, log_variance] = self.encoder.apply(image, cx);
        // The divergence of the code's distribution from the standard normal one: appendix B, and
        // the first part of equation 10.
        let terms = 1.0 + &log_variance - mean.square() - log_variance.exp();
        cx.add_loss("divergence", -0.5 * terms.sum_axes([-1]).mean());
        let z = self.sampling.apply(&[mean, log_variance], cx);
        self.decoder.apply(&z, cx)
    }
}

/// The second part of equation 10 with its sign turned, for pixels that are on with some
/// probability: equation 11.
fn negative_log_likelihood(image: &Tensor, probabilities: &Tensor) -> Tensor {
    PIXELS as f64 * binary_crossentropy(image, probabilities, false)
}

/// The autoencoder and, to draw new images with, its decoder.
pub fn vae() -> Result<(Model, Arc<Model>)> {
    let hidden = || Dense::new(128).activation("tanh");
    let (mean, log_variance) =
        (Dense::new(LATENT).name("mean"), Dense::new(LATENT).name("log_variance"));
    let encoder = Model::new(Encoder { hidden: hidden(), mean, log_variance }).name("encoder");
    let decoder = Sequential::new().add(hidden()).add(Dense::new(PIXELS).activation("sigmoid"));
    let decoder = Arc::new(Model::new(decoder).name("decoder"));
    let mut model = Model::new(Vae { encoder, sampling: Sampling, decoder: decoder.clone() });
    model.compile(Adam::new(0.003), negative_log_likelihood, ());
    model.build([1, PIXELS])?;
    Ok((model, decoder))
}

/// Images as rows of numbers from 0 to 1, which are their own targets.
pub fn images(count: usize, seed: u64) -> Result<Dataset> {
    let drawn = digits::digits(count, seed)?;
    let grey: Vec<f32> =
        drawn.inputs().to_vec::<f32>().iter().map(|grey| grey.clamp(0.0, 1.0)).collect();
    let images = Array::new([count, PIXELS], grey)?;
    Dataset::new(&images, &images)
}

/// Prints images side by side.
fn print(images: &Array) {
    let grey = images.to_vec::<f64>();
    for row in 0..8 {
        let line = grey.chunks(PIXELS).map(|image| {
            let dot = |grey: &f64| [' ', '.', 'o', '#'][(grey * 4.0).clamp(0.0, 3.0) as usize];
            image[8 * row..8 * row + 8].iter().map(dot).collect::<String>()
        });
        println!("  {}", line.collect::<Vec<_>>().join("  "));
    }
}

fn main() -> Result<()> {
    let (train, valid) = (images(8000, 1)?, images(500, 2)?);
    let (mut model, decoder) = vae()?;
    let report = |epoch: usize, report: &Epoch| {
        if epoch % 10 == 9 {
            println!(
                "epoch {:>2}  {}",
                epoch + 1,
                report.validation.as_ref().unwrap_or(&report.ledger)
            );
        }
    };
    let stop = EarlyStopping::on("val_loss").patience(5).restore_best_weights(true);
    model.fit(&train, Fit::epochs(60).validation(&valid).callback(report).callback(stop))?;

    let path = std::env::temp_dir().join(format!("vae_{}.safetensors", std::process::id()));
    model.save(&path)?;
    let (loaded, _) = vae()?;
    loaded.load(&path)?;
    // A file in the folder for temporary files: if it cannot be removed, the system will.
    let _ = std::fs::remove_file(&path);

    // Each call of `predict` draws other codes: compared are two calls of the same number.
    let seen = valid.inputs().rows(0..6);
    let made = model.predict_call(0, &seen)?;
    println!(
        "\nthe model from the file predicts the same: {}",
        loaded.predict_call(0, &seen)? == made
    );
    println!("\nimages that it has not seen, and what it makes of them:");
    print(&seen);
    print(&made);
    println!("\nnew images, from codes that no image had:");
    let mut random = endo::random::Random::new(7, 0);
    print(&decoder.predict(&Array::from_fn([6, LATENT], |_| random.normal()))?);
    Ok(())
}
