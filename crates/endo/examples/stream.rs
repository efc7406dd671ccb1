//! A file of numbers, of which a few batches are in memory at a time: read in place, shuffled,
//! augmented and read ahead on a thread of its own. What is trained is what the same numbers in
//! memory train, bit by bit.
//!
//! `cargo run --release -p endo --example stream`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use endo::data::{BatchAt, NpyFile, NpySamples};
use endo::prelude::*;
use endo::random::Random;

const ROWS: usize = 200_000;
const WIDTH: usize = 40;

/// Writes a file as `np.save` does, a row at a time.
fn save(path: &Path, width: usize, row: impl Fn(usize) -> Vec<f32>) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({ROWS}, {width}), }}");
    file.write_all(b"\x93NUMPY\x01\x00\x76\x00")?;
    file.write_all(format!("{header:<117}\n").as_bytes())?;
    for number in 0..ROWS {
        for value in row(number) {
            file.write_all(&value.to_le_bytes())?;
        }
    }
    file.flush()
}

/// The inputs of a row, and what is to be found out of them.
fn sample(row: usize) -> (Vec<f32>, f32) {
    let mut random = Random::new(1, row as u64);
    let x: Vec<f32> = (0..WIDTH).map(|_| random.normal()).collect();
    let y = x[0] * x[1] + x[2].sin() - 0.5 * x[3];
    (x, y)
}

pub(crate) fn model() -> Model {
    let net = Sequential::new()
        .add(Dense::new(64).activation("relu").kernel_initializer("he_normal"))
        .add(Dense::new(32).activation("relu").kernel_initializer("he_normal"))
        .add(Dense::new(1));
    let mut model = Model::new(net).seed(42);
    model.compile("adam", "mse", ());
    model
}

/// A little noise on all inputs: another in each pass.
fn noisy(batch: Dataset, at: BatchAt) -> Result<Dataset> {
    let (x, mut random) = (batch.inputs(), at.random(7));
    batch.with_inputs(Array::from_fn(x.shape(), |i| x.get(i) as f32 + 0.01 * random.normal()))
}

fn main() -> Result<()> {
    let folder = std::env::temp_dir();
    let [x, y]: [PathBuf; 2] = ["x", "y"]
        .map(|name| folder.join(format!("endo-stream-{}-{name}.npy", std::process::id())));
    let written =
        save(&x, WIDTH, |row| sample(row).0).and_then(|()| save(&y, 1, |row| vec![sample(row).1]));
    written.map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot write to {}: {error}", folder.display()))
    })?;
    let file = NpyFile::open(&x)?;
    println!(
        "{} rows of {} numbers: {:.0} MB on disk",
        file.shape()[0],
        WIDTH,
        (4 * ROWS * WIDTH) as f64 / 1e6
    );

    let options = || Fit::epochs(2).batch_size(256).progress();
    let mut streamed = model();
    let begin = Instant::now();
    let samples = NpySamples::open([&x])?.targets([&y])?;
    let history = streamed.fit(Stream::samples(samples).map(noisy).prefetch(4), options())?;
    println!(
        "read while training: {:.2} s, loss {:.4}",
        begin.elapsed().as_secs_f64(),
        history.last("loss").unwrap_or(f64::NAN)
    );

    // The same numbers, all in memory.
    let samples: Vec<(Vec<f32>, f32)> = (0..ROWS).map(sample).collect();
    let inputs: Vec<f32> = samples.iter().flat_map(|(x, _)| x.clone()).collect();
    let targets: Vec<f32> = samples.iter().map(|(_, y)| *y).collect();
    let data = Dataset::new(Array::new([ROWS, WIDTH], inputs)?, Array::new([ROWS, 1], targets)?)?;
    let mut in_memory = model();
    let begin = Instant::now();
    in_memory.fit(Stream::from(&data).map(noisy), options())?;
    println!("from memory: {:.2} s", begin.elapsed().as_secs_f64());
    let values = |model: &Model| model.weights().iter().map(Variable::value).collect::<Vec<_>>();
    assert_eq!(values(&streamed), values(&in_memory));
    println!("the weights are the same, bit by bit");
    for path in &[x, y] {
        drop(std::fs::remove_file(path));
    }
    Ok(())
}
