//! A variational autoencoder of digits written by hand: Kingma and Welling 2014, "Auto-Encoding
//! Variational Bayes" (arXiv:1312.6114). Encoder and decoder are models within one, and both terms
//! of its loss come from inside.
//!
//! `cargo run --release -p endo --example vae`
//!
//! In: 1,437 images. Out: both terms for each of 360 others, in nats, what the decoder makes of a
//! few, and new ones.
//!
//! They add up to 24.35 nats, and to 24.30 in the mean over five seeds (24.23 to 24.35). Keras 3.15
//! (TensorFlow) with the same layers, data, batches and epochs: 24.27 (24.15 to 24.46).

#[path = "data/handwriting.rs"]
mod data;

use std::sync::Arc;

use endo::prelude::*;

/// Numbers in the code of an image.
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
        // The first part of equation 10, for each image: appendix B has its derivation.
        let terms = 1.0 + &log_variance - mean.square() - log_variance.exp();
        cx.add_sample_loss("kl", -0.5 * terms.sum_axes(-1));
        let decoded = self.decoder.apply(&self.sampling.apply(&[mean, log_variance], cx), cx);
        // The second with its sign turned, for pixels that are ink with some probability: equation
        // 11, which is the mean of all pixels times how many they are.
        let error = binary_crossentropy(image, &decoded, false) * image.features() as f64;
        cx.add_sample_loss("reconstruction", error);
        decoded
    }
}

/// The autoencoder and, to draw new images with, its decoder.
pub fn vae() -> Result<(Model, Arc<Model>)> {
    let hidden = || Dense::new(128).activation("tanh");
    let (mean, log_variance) =
        (Dense::new(LATENT).name("mean"), Dense::new(LATENT).name("log_variance"));
    let encoder = Model::new(Encoder { hidden: hidden(), mean, log_variance }).name("encoder");
    let decoder = Sequential::new().add(hidden()).add(Dense::new(64).activation("sigmoid"));
    let decoder = Arc::new(Model::new(decoder).name("decoder"));
    let mut model =
        Model::new(Vae { encoder, sampling: Sampling, decoder: decoder.clone() }).seed(1);
    model.compile(Adam::new(0.003), (), ());
    model.build([1, 64])?;
    Ok((model, decoder))
}

/// Images for training and for judging, whose pixels are from 0 to 1.
pub fn images() -> Result<[Dataset; 2]> {
    let (train, test) = data::handwriting()?;
    let of = |data: Dataset| Dataset::inputs_only(data.inputs() / 16.0);
    Ok([of(train)?, of(test)?])
}

fn main() -> Result<()> {
    let [train, test] = images()?;
    let (mut model, decoder) = vae()?;
    let report = |epoch: usize, report: &Epoch| {
        if epoch % 10 == 9 {
            println!("epoch {:>2}  {}", epoch + 1, report.ledger);
        }
    };
    model.fit(&train, Fit::epochs(60).callback(report))?;
    println!("\nfor each of {} other images: {}", test.len(), model.evaluate(&test)?);

    println!("\nsome of them, and what it makes of them:");
    let seen = test.inputs().rows(0..6);
    print!("{}\n{}", drawing(&seen), drawing(&model.predict(&seen)?));
    println!("\nnew images, from codes that no image had:");
    let mut random = endo::random::Random::new(7, 0);
    let codes = Array::from_fn([6, LATENT], |_| random.normal());
    print!("{}", drawing(&decoder.predict(&codes)?));
    Ok(())
}

/// Images of pixels from 0 to 1 as text.
fn drawing(images: &Array) -> String {
    data::drawing(&(images * 16.0))
}
