//! Images of one digit come to lie near each other, and others far from them: the triplet loss of
//! Schroff, Kalenichenko and Philbin 2015, "FaceNet" (arXiv:1503.03832). One net is applied to
//! three images, and the step is the model's own.
//!
//! `cargo run --release -p endo --example siamese`

#[path = "data/digits.rs"]
mod digits;

use std::sync::Arc;

use endo::prelude::*;
use endo::random::Random;

/// The margin alpha of equation 1.
const MARGIN: f64 = 0.2;

/// Triplets of images: any one, another of the same digit, and one of another digit.
pub fn triplets(images: &Dataset, count: usize, seed: u64) -> Result<Dataset> {
    let labels = images.targets().expect("digits have labels").to_vec::<i32>();
    let mut random = Random::new(seed, 0);
    let mut places = [const { Vec::new() }; 3];
    for _ in 0..count {
        let anchor = random.below(labels.len());
        let mut draw = |same: bool| loop {
            let place = random.below(labels.len());
            if place != anchor && (labels[place] == labels[anchor]) == same {
                break place;
            }
        };
        let triplet = [anchor, draw(true), draw(false)];
        for (places, place) in places.iter_mut().zip(triplet) {
            places.push(place);
        }
    }
    let [anchor, positive, negative] = places.map(|places| images.inputs().take(&places));
    Dataset::inputs_only((anchor, positive, negative))
}

/// From three images to the distances of the first to the second and to the third.
pub type Siamese = Model<[Tensor; 3], [Tensor; 2]>;

/// The model that is trained, and within it the net that finds each image its place.
pub fn siamese() -> Result<(Siamese, Arc<Model>)> {
    // Section 3: places are points of the unit sphere.
    let hidden = Dense::new(64).activation("relu").kernel_initializer("he_normal");
    let layers = Sequential::new()
        .add(Flatten::new())
        .add(hidden)
        .add(Dense::new(8))
        .add(UnitNormalization::new());
    let embedding = Arc::new(Model::new(layers).name("embedding"));
    let net = embedding.clone();
    let mut model = Model::new(move |images: &[Tensor; 3], cx: &mut Context| {
        let [anchor, positive, negative] = images.each_ref().map(|image| net.apply(image, cx));
        [positive, negative].map(|other| (&anchor - other).square().sum_axes([-1]))
    });
    model.compile(Adam::new(0.002), (), ());
    model.train_step(|step, cx| {
        let [near, far] = step.apply(step.inputs(), cx);
        // Equation 3, as a mean.
        let terms = Terms::new([("triplet", (&near - &far + MARGIN).relu().mean())]);
        step.minimize(&terms, cx);
        cx.add_metric("in_order", near.less(&far).cast(DType::F32).mean());
        terms
    });
    let image = Array::zeros([1, 8, 8], DType::F32);
    model.build_on(&[image.clone(), image.clone(), image])?;
    Ok((model, embedding))
}

/// The share of test images whose nearest neighbour among known ones shows the same digit.
fn nearest_is_right(embedding: &Model, known: &Dataset, test: &Dataset) -> Result<f64> {
    let place = |data: &Dataset| embedding.predict(data.inputs());
    let mut nearest =
        Function::new(|[test, known], _| [test.matmul(&known.transpose()).argmax(-1)]);
    let nearest: Vec<i32> = nearest.run([&place(test)?, &place(known)?])?[0].to_vec();
    let labels = |data: &Dataset| data.targets().expect("digits have labels").to_vec::<i32>();
    let (known, test) = (labels(known), labels(test));
    let right = nearest
        .iter()
        .zip(&test)
        .filter(|&(&place, label)| known[place as usize] == *label)
        .count();
    Ok(right as f64 / test.len() as f64)
}

fn main() -> Result<()> {
    let [known, others, test] =
        [(1000, 1), (500, 2), (500, 3)].map(|(count, seed)| digits::digits(count, seed));
    let (known, test) = (known?, test?);
    let (train, valid) = (triplets(&known, 8000, 1)?, triplets(&others?, 1000, 2)?);
    let (mut model, embedding) = siamese()?;
    println!("the nearest image shows the same digit for");
    println!(
        "  {:.3} of test images before training",
        nearest_is_right(&embedding, &known, &test)?
    );

    let stop = EarlyStopping::on("val_triplet").patience(4).restore_best_weights(true);
    let history =
        model.fit(&train, Fit::epochs(40).batch_size(64).validation(&valid).callback(stop))?;
    println!(
        "  {:.3} of them after {} epochs\n",
        nearest_is_right(&embedding, &known, &test)?,
        history.epochs.len()
    );
    println!("{}", history.epochs.last().expect("it was trained").logs);

    let path = std::env::temp_dir().join(format!("siamese_{}.safetensors", std::process::id()));
    model.save(&path)?;
    let (loaded, loaded_embedding) = siamese()?;
    loaded.load(&path)?;
    // A file in the folder for temporary files: if it cannot be removed, the system will.
    let _ = std::fs::remove_file(&path);
    let same = loaded_embedding.predict(test.inputs())? == embedding.predict(test.inputs())?;
    println!("\nthe model from the file finds the same places: {same}");
    Ok(())
}
