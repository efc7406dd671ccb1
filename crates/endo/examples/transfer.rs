//! A net that tells five digits apart lends its convolutions to one that learns the other five from
//! few images: first a new head on the frozen base, then both, the base at a third of the rate.
//!
//! `cargo run --release -p endo --example transfer`

#[path = "data/digits.rs"]
mod digits;

use endo::prelude::*;

/// The images of five digits from `first` on, numbered from 0.
fn five(images: &Dataset, first: i32) -> Result<Dataset> {
    let labels = images.targets().expect("digits have labels").to_vec::<i32>();
    let rows: Vec<usize> =
        (0..labels.len()).filter(|&row| (first..first + 5).contains(&labels[row])).collect();
    let part = images.take(&rows)?;
    Dataset::new(part.inputs(), rows.iter().map(|&row| labels[row] - first).collect::<Vec<i32>>())
}

/// The layers that are lent.
fn base() -> Model {
    let net = Sequential::new()
        .add(Reshape::new([8, 8, 1]))
        .add(Conv2D::new(24, 3).activation("relu"))
        .add(MaxPooling2D::new(2))
        .add(Conv2D::new(48, 3).activation("relu"))
        .add(Flatten::new());
    Model::new(net).name("base")
}

pub(crate) fn classifier(seed: u64) -> Result<Model> {
    let head = Dense::new(5).activation("softmax").name("head");
    let mut model = Model::new(Sequential::new().add(base()).add(head)).seed(seed);
    model.compile(Adam::new(0.005), "sparse_categorical_crossentropy", ["accuracy"]);
    model.build([1, 8, 8])?;
    Ok(model)
}

fn accuracy(model: &Model, data: &Dataset) -> Result<f64> {
    Ok(model.evaluate(data)?.get("accuracy").unwrap_or(f64::NAN))
}

fn main() -> Result<()> {
    let (images, others, test) =
        (digits::digits(8000, 1)?, digits::digits(60, 2)?, digits::digits(2000, 3)?);
    let path =
        std::env::temp_dir().join(format!("endo-transfer-{}.safetensors", std::process::id()));

    let mut first = classifier(1)?;
    first.fit(&five(&images, 0)?, Fit::epochs(10))?;
    println!(
        "digits 0 to 4, from many images: accuracy {:.3}",
        accuracy(&first, &five(&test, 0)?)?
    );
    first.save(&path)?;

    // The other five digits, from few images.
    let (few, valid) = (five(&others, 5)?, five(&test, 5)?);
    let mut alone = classifier(2)?;
    alone.fit(&few, Fit::epochs(100).batch_size(16))?;
    println!(
        "digits 5 to 9, from {} images alone: accuracy {:.3}",
        few.len(),
        accuracy(&alone, &valid)?
    );

    let mut model = classifier(2)?;
    model.load_weights_with(&path, LoadWeights::new().only("base"))?;
    model.freeze_at("base")?;
    model.fit(&few, Fit::epochs(40).batch_size(16))?;
    println!("with the base of the first, frozen: accuracy {:.3}", accuracy(&model, &valid)?);

    model.unfreeze_at("base")?;
    model.set_learning_rate_factor_at("base", 0.3)?;
    model.compile(Adam::new(0.005), "sparse_categorical_crossentropy", ["accuracy"]);
    model.fit(&few, Fit::epochs(60).batch_size(16))?;
    println!("and after fine-tuning: accuracy {:.3}", accuracy(&model, &valid)?);
    std::fs::remove_file(&path).ok();
    Ok(())
}
