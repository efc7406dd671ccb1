//! A generator learns eight heaps of points from a critic: Gulrajani et al. 2017, "Improved
//! Training of Wasserstein GANs" (WGAN-GP). Two nets, two optimizers and six updates in one step of
//! `fit`.
//!
//! `cargo run --release -p endo --example wgan_gp`

use std::f32::consts::TAU;
use std::sync::Arc;

use endo::prelude::*;
use endo::random::Random;

/// The weight of the gradient penalty (for images the paper has 10), and the steps of the critic
/// for each one of the generator.
const LAMBDA: f64 = 1.0;
const N_CRITIC: usize = 5;

/// How far the points of a heap lie from its middle.
const DEVIATION: f32 = 0.1;

fn middles() -> Array {
    let angle = |i: usize| (i / 2) as f32 * TAU / 8.0;
    Array::from_fn([8, 2], |i| if i % 2 == 0 { 2.0 * angle(i).cos() } else { 2.0 * angle(i).sin() })
}

/// Noise as inputs, and points of the eight heaps as targets.
pub fn points(count: usize, seed: u64) -> Result<Dataset> {
    let mut random = Random::new(seed, 0);
    let heaps: Vec<usize> = (0..count).map(|_| random.below(8)).collect();
    let middles = middles().take(&heaps).to_vec::<f32>();
    let points = Array::from_fn([count, 2], |i| middles[i] + DEVIATION * random.normal());
    Dataset::new(Array::from_fn([count, 2], |_| random.normal()), points)
}

fn net(units: usize) -> Sequential {
    let hidden = || Dense::new(64).activation("relu").kernel_initializer("he_normal");
    Sequential::new().add(hidden()).add(hidden()).add(hidden()).add(Dense::new(units))
}

/// The share of points that lie within three deviations of a heap's middle.
fn share_in_heaps(points: &Tensor, cx: &Context) -> Tensor {
    let apart = points.expand_dims(1) - cx.constant(middles());
    let nearest = apart.square().sum_axes([-1]).min_axes([-1]);
    nearest.less(f64::from(3.0 * DEVIATION).powi(2)).cast(DType::F32).mean()
}

/// A generator of points from noise, with its critic.
pub fn gan() -> Result<Model> {
    let generator = Arc::new(Model::new(net(2)).name("generator"));
    let critic = Arc::new(Model::new(net(1)).name("critic").seed(1));
    let mut gan = Model::new(generator.clone());
    gan.add_part(critic.clone());
    gan.build([1, 2])?;
    critic.build([1, 2])?;

    let adam = || Adam::new(0.0005).beta_1(0.5).beta_2(0.9);
    let (critic_optimizer, generator_optimizer) = (adam(), adam());
    gan.compile((), (), ());
    gan.train_step(move |step, cx| {
        // The terms of the critic's last step; of the others there are only the updates.
        let mut terms = None;
        for real in step.target(cx).split(N_CRITIC, 0) {
            let noise = cx.random().normal(real.shape(), 0.0, 1.0);
            let epsilon = cx.random().uniform([real.batch(), 1], 0.0, 1.0);
            let fake = generator.apply(&noise, cx).stop_gradient();
            let between = &epsilon * &real + (1.0 - &epsilon) * &fake;
            let score = critic.apply(&between, cx).sum();
            let slope = cx
                .gradients(&score, [&between])
                .into_tensors()
                .remove(0)
                .expect("the score depends on the point");
            // Equation 3: the Wasserstein distance with its sign turned, and the penalty on slopes
            // whose norm is not 1.
            let distance = critic.apply(&real, cx).mean() - critic.apply(&fake, cx).mean();
            let penalty = LAMBDA * (slope.square().sum_axes([-1]).sqrt() - 1.0).square().mean();
            let gradients = cx.gradients(&(&penalty - &distance), critic.trainable_weights());
            critic_optimizer.apply(&gradients, cx);
            terms = Some((distance, penalty));
        }
        let (distance, penalty) = terms.expect("the critic makes at least one step");

        let fake = generator.apply(step.inputs(), cx);
        let generator_loss = -critic.apply(&fake, cx).mean();
        let gradients = cx.gradients(&generator_loss, generator.trainable_weights());
        generator_optimizer.apply(&gradients, cx);

        cx.add_metric("in_heaps", share_in_heaps(&fake, cx));
        Terms::new([("loss", distance), ("penalty", penalty), ("generator_loss", generator_loss)])
    });
    Ok(gan)
}

fn main() -> Result<()> {
    let (train, valid) = (points(100 * 320, 1)?, points(640, 2)?);
    let path = std::env::temp_dir().join(format!("wgan_gp_{}.safetensors", std::process::id()));
    let best = ModelCheckpoint::new(path.to_string_lossy())
        .monitor("val_in_heaps")
        .maximize(true)
        .save_best_only(true);
    let print = |epoch: usize, report: &Epoch| {
        let [distance, share] =
            ["val_loss", "val_in_heaps"].map(|name| report.logs.get(name).unwrap_or(f64::NAN));
        if epoch % 4 == 3 {
            println!("epoch {:>2}  distance {distance:.3}  in heaps {share:.3}", epoch + 1);
        }
    };
    let mut model = gan()?;
    model.fit(
        &train,
        Fit::epochs(20).batch_size(N_CRITIC * 64).validation(&valid).callback(print).callback(best),
    )?;

    println!();
    model.load(&path)?; // the generator and the critic of the best epoch
    let loaded = gan()?;
    loaded.load(&path)?;
    // A file in the folder for temporary files: if it cannot be removed, the system will.
    let _ = std::fs::remove_file(&path);
    let made = model.predict(valid.inputs())?;
    println!(
        "the model from the file predicts the same: {}",
        loaded.predict(valid.inputs())? == made
    );
    println!("points that it makes:");
    let mut plot = [[' '; 48]; 24];
    for point in made.to_vec::<f64>().chunks(2) {
        let place = |x: f64, size: usize| {
            ((x + 3.0) / 6.0 * size as f64).clamp(0.0, size as f64 - 1.0) as usize
        };
        plot[place(point[1], 24)][place(point[0], 48)] = '.';
    }
    for row in plot {
        println!("{}", row.iter().collect::<String>());
    }
    Ok(())
}
