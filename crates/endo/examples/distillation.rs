//! A small net learns from a large one what the labels do not say: Hinton, Vinyals and Dean 2015,
//! "Distilling the Knowledge in a Neural Network" (arXiv:1503.02531). The frozen teacher is a part
//! of its student's model.
//!
//! `cargo run --release -p endo --example distillation`

#[path = "data/digits.rs"]
mod digits;

use std::sync::Arc;

use endo::prelude::*;

/// The temperature T of equation 1, and the weight of the loss with the labels beside the one with
/// the teacher.
const TEMPERATURE: f64 = 4.0;
const HARD_WEIGHT: f64 = 0.1;

fn compiled(layers: Sequential, learning_rate: f64) -> Model {
    let mut model = Model::new(layers);
    let loss = SparseCategoricalCrossentropy::new().from_logits(true);
    model.compile(Adam::new(learning_rate), loss, [SparseCategoricalAccuracy::new()]);
    model
}

/// A net with dropout, as the paper's.
pub fn teacher() -> Model {
    let hidden = || Dense::new(200).activation("relu").kernel_initializer("he_normal");
    let layers = Sequential::new()
        .add(Flatten::new())
        .add(hidden())
        .add(Dropout::new(0.3))
        .add(hidden())
        .add(Dropout::new(0.3));
    compiled(layers.add(Dense::new(10)), 0.001).name("teacher")
}

pub(crate) fn student() -> Model {
    let hidden = Dense::new(16).activation("relu").kernel_initializer("he_normal");
    compiled(Sequential::new().add(Flatten::new()).add(hidden).add(Dense::new(10)), 0.01)
}

/// A student that learns from a teacher.
pub fn distilled(teacher: Arc<Model>) -> Model {
    let mut model = student();
    teacher.freeze();
    model.add_part(teacher.clone());
    model.loss_weights([HARD_WEIGHT]);
    model.train_step(move |step, cx| {
        let logits = step.apply(step.inputs(), cx);
        let mut terms = step.losses(&logits, cx);
        let taught = cx.with_training(false, |cx| teacher.apply(step.inputs(), cx));
        // Equation 1 for both, and the cross-entropy between them. Its slopes shrink with 1 / T^2,
        // so it is multiplied by T^2.
        let [taught, learnt] =
            [taught, logits.clone()].map(|logits| Softmax.call(&(logits / TEMPERATURE)));
        let soft = TEMPERATURE.powi(2) * categorical_crossentropy(&taught, &learnt, false).mean();
        terms.add("soft", (1.0 - HARD_WEIGHT) * soft);
        step.minimize(&terms, cx);
        step.update_metrics(&logits, cx);
        terms
    });
    model
}

fn main() -> Result<()> {
    let (many, valid, test) =
        (digits::digits(4000, 1)?, digits::digits(500, 2)?, digits::digits(2000, 3)?);
    let few = many.rows(0..150)?; // the images that a student sees
    let options = |epochs: usize| {
        let stop = EarlyStopping::on("val_sparse_categorical_accuracy")
            .maximize(true)
            .patience(10)
            .restore_best_weights(true);
        Fit::epochs(epochs).validation(&valid).callback(stop)
    };
    let (mut teacher_model, mut alone) = (teacher(), student());
    teacher_model.fit(&many, options(20))?;
    alone.fit(&few, options(100))?;
    let teacher_model = Arc::new(teacher_model);
    let mut model = distilled(teacher_model.clone());
    let history = model.fit(&few, options(100))?;
    println!("the student's loss  {}", history.ledger());

    println!("\nright on test images:");
    let models = [
        ("teacher", &*teacher_model),
        ("student, from labels", &alone),
        ("student, from its teacher", &model),
    ];
    for (name, model) in models {
        let right = model.evaluate(&test)?.get("sparse_categorical_accuracy").unwrap_or(f64::NAN);
        println!("  the {name:<26} {right:.3}");
    }

    let path =
        std::env::temp_dir().join(format!("distillation_{}.safetensors", std::process::id()));
    model.save(&path)?;
    let loaded_teacher = Arc::new(teacher());
    loaded_teacher.build([1, 8, 8])?;
    let loaded = distilled(loaded_teacher.clone());
    loaded.build([1, 8, 8])?;
    loaded.load(&path)?;
    // A file in the folder for temporary files: if it cannot be removed, the system will.
    let _ = std::fs::remove_file(&path);
    let same = loaded.predict(test.inputs())? == model.predict(test.inputs())?;
    println!("\nthe student from the file predicts the same: {same}");
    let same = loaded_teacher.predict(test.inputs())? == teacher_model.predict(test.inputs())?;
    println!("and so does its teacher: {same}");
    Ok(())
}
