//! What ranks do in tests: trainings whose every number is written down, to be compared bit by bit.
//!
//! In: a world. Out: a text of all numbers, the same for the same bits.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use endo::prelude::*;
use endo::shards::Shards;
use endo_mpi::World;

/// The net of the page: five layers of 30, and a reconstruction of the inputs as a term.
pub fn page() -> Model {
    let hidden: Vec<Dense> = (0..5)
        .map(|_| Dense::new(30).activation("selu").kernel_initializer("lecun_normal"))
        .collect();
    let (reconstruct, out) = (Dense::new(8), Dense::new(1));
    Model::new(move |x: &Tensor, cx: &mut Context| {
        let z = hidden.iter().fold(x.clone(), |z, layer| layer.apply(&z, cx));
        let error = (reconstruct.apply(&z, cx) - x).square().mean();
        cx.add_loss("reconstruction", 0.05 * &error);
        cx.add_metric("reconstruction_error", &error);
        out.apply(&z, cx)
    })
    .seed(42)
    .threads(1)
}

/// Rows like those of a table of houses.
pub fn houses(rows: usize) -> Dataset {
    let x = Array::from_fn([rows, 8], |i| ((i * 7919 % 1009) as f32 / 500.0 - 1.0).sin());
    let y =
        Array::from_fn([rows, 1], |i| x.at([i, 0]) as f32 * 2.0 + (x.at([i, 3]) as f32).powi(2));
    Dataset::new(x, y).unwrap()
}

fn digest(text: &mut String, history: &History, model: &Model, predicted: &Array) {
    for epoch in &history.epochs {
        for (name, value) in epoch.logs.iter() {
            writeln!(text, "{name} {:016x}", value.to_bits()).unwrap();
        }
    }
    let weights = model.weights();
    let arrays = weights.iter().map(|weight| weight.value()).chain([predicted.clone()]);
    for array in arrays {
        let bits: Vec<String> =
            array.to_vec::<f32>().iter().map(|value| format!("{:08x}", value.to_bits())).collect();
        writeln!(text, "{}", bits.join(" ")).unwrap();
    }
}

/// The page's model with early stopping and a test.
pub fn train_page(world: &World) -> String {
    let data = houses(500);
    let (train, valid) = (data.rows(0..400).unwrap(), data.rows(400..500).unwrap());
    let mut model = page();
    model.compile("nadam", "mse", ["mae"]).distribute(world, Shards::new(8));
    let stop = EarlyStopping::on("val_loss").patience(2).restore_best_weights(true);
    let options = Fit::epochs(8).validation(&valid).callback(stop);
    let history = model.fit(&train, options).unwrap();
    let mut text = String::new();
    digest(&mut text, &history, &model, &model.predict(data.inputs()).unwrap());
    for (name, value) in model.evaluate(&valid).unwrap().iter() {
        writeln!(text, "{name} {:016x}", value.to_bits()).unwrap();
    }
    text
}

/// A convolutional net with dropout.
pub fn train_convolutional(world: &World) -> String {
    let x = Array::from_fn([96, 12, 12, 1], |i| (0.37 * i as f32).sin());
    let y = Array::from_fn([96], |i| (i * i % 5) as i32);
    let data = Dataset::new(x.clone(), y).unwrap();
    let net = Sequential::new()
        .add(Conv2D::new(8, 3).activation("relu"))
        .add(MaxPooling2D::new(2))
        .add(Dropout::new(0.3))
        .add(Flatten::new())
        .add(Dense::new(16).activation("relu"))
        .add(Dropout::new(0.5))
        .add(Dense::new(5).activation("softmax"));
    let mut model = Model::new(net).seed(3).threads(1);
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"]);
    model.distribute(world, Shards::new(8));
    let history = model.fit(&data, Fit::epochs(3).batch_size(32)).unwrap();
    let mut text = String::new();
    digest(&mut text, &history, &model, &model.predict(&x).unwrap());
    text
}

/// A stream of which two of each five batches are short.
pub fn train_short(world: &World) -> String {
    let data = houses(160);
    let batches: Vec<Dataset> = [0..32, 32..64, 64..71, 71..103, 103..106]
        .into_iter()
        .map(|rows| data.rows(rows).unwrap())
        .collect();
    let mut model = page();
    model.compile("adam", "mse", ["mae"]).distribute(world, Shards::new(8));
    let stream = Stream::by_epoch(move |_| batches.clone().into_iter());
    let history = model.fit(stream, Fit::epochs(4)).unwrap();
    let mut text = String::new();
    digest(&mut text, &history, &model, &model.predict(data.inputs()).unwrap());
    text
}

/// A net whose last layers have most of the gradients, which leave while the rest is computed.
pub fn train_wide(world: &World) -> String {
    let data = houses(107);
    let net = Sequential::new()
        .add(Dense::new(200).activation("relu"))
        .add(Dense::new(300).activation("tanh"))
        .add(Dropout::new(0.2))
        .add(Dense::new(300).activation("relu"))
        .add(Dense::new(1));
    let mut model = Model::new(net).seed(5).threads(1);
    model.compile(Adam::new(0.001).clipnorm(1.0), "mse", ["mae"]);
    model.distribute(world, Shards::new(8));
    // The last batch has fewer rows than there are shards.
    let history = model.fit(&data, Fit::epochs(3).batch_size(34)).unwrap();
    let mut text = String::new();
    digest(&mut text, &history, &model, &model.predict(data.inputs()).unwrap());
    text
}

/// A run with backups, which goes on where it was killed.
pub fn train_saved(world: &World, folder: &Path) -> String {
    let data = houses(400);
    let mut model = page();
    model.compile("nadam", "mse", ["mae"]).distribute(world, Shards::new(8));
    let backup = BackupAndRestore::new(folder.join("run")).save_freq(2);
    let options = Fit::epochs(20).validation_split(0.2).callback(backup);
    let history = model.fit(&data, options).unwrap();
    let mut text = String::new();
    digest(&mut text, &history, &model, &model.predict(data.inputs()).unwrap());
    text
}

/// A training in which a number of one rank is not finite.
pub fn train_on_nan(world: &World) -> String {
    let x = Array::from_fn([64, 3], |i| if i / 3 == 41 { -1.0 } else { 1.0 + (i % 7) as f32 });
    let data = Dataset::new(x, Array::from_fn([64, 1], |i| i as f32)).unwrap();
    let dense = Dense::new(1);
    let net = move |x: &Tensor, cx: &mut Context| dense.apply(&x.log(), cx);
    let mut model = Model::new(net).threads(1);
    model.compile("sgd", "mse", ()).distribute(world, Shards::new(8));
    let options = Fit::epochs(1).batch_size(64).shuffle(false);
    model.fit(&data, options).unwrap_err().to_string()
}

/// A training for which the last rank has other data.
pub fn train_on_other_data(world: &World) -> String {
    let last = world.rank() + 1 == world.ranks();
    let mut model = page();
    model.compile("sgd", "mse", ()).distribute(world, Shards::new(8));
    model.fit(&houses(if last { 300 } else { 301 }), Fit::epochs(1)).unwrap_err().to_string()
}

/// A training that stops on one rank alone, or in which that rank hangs.
pub fn train_until(world: World, what: &str) -> String {
    let world = world.timeout(Duration::from_secs(2));
    let rank = world.rank();
    let hangs = what == "hang";
    let stop = LambdaCallback::new().on_batch_begin(move |_, training: &Training| {
        if rank != 1 || training.step() != 5 {
            return Ok(());
        }
        if hangs {
            std::thread::sleep(Duration::from_secs(600));
        }
        Err(Error::new(ErrorKind::Io, "the disk is full"))
    });
    let mut model = page();
    model.compile("sgd", "mse", ()).distribute(&world, Shards::new(8));
    let result = model.fit(&houses(300), Fit::epochs(50).callback(stop));
    result.map_or_else(|error| error.to_string(), |_| "done".to_string())
}
