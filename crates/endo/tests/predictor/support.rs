//! Exporting, loading and comparing.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use endo::graph::Tree;
use endo::prelude::*;
use endo::random::Random;

/// A path of a file that is gone when the test is.
pub struct Exported(PathBuf);

impl Exported {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(
            std::env::temp_dir()
                .join(format!("endo-predictor-{}-{number}.endo", std::process::id())),
        )
    }

    /// The file of a model that has seen its inputs.
    pub fn of<I: Tree, O: Tree>(model: &Model<I, O>) -> Self {
        let file = Self::new();
        model.export(&file).unwrap_or_else(|error| panic!("{error}"));
        file
    }

    pub fn load(&self) -> Result<Predictor> {
        Predictor::load(self)
    }
}

impl AsRef<Path> for Exported {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Exported {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Numbers between two, of any type; whole numbers and truth values are made of them by rounding
/// down.
pub fn numbers(shape: impl Into<Shape>, dtype: DType, [low, high]: [f64; 2], seed: u64) -> Array {
    let mut random = Random::new(seed, 0);
    let values = Array::from_fn(shape, |_| low + (high - low) * random.uniform_f64());
    match dtype {
        DType::I32 => Array::from_fn(values.shape(), |i| values.get(i).floor() as i32),
        DType::U8 => Array::from_fn(values.shape(), |i| values.get(i).floor() as u8),
        DType::Bool => Array::from_fn(values.shape(), |i| values.get(i) > (low + high) / 2.0),
        _ => values.cast(dtype),
    }
}

pub fn floats(shape: impl Into<Shape>, seed: u64) -> Array {
    numbers(shape, DType::F32, [-2.0, 2.0], seed)
}

/// Fails unless two arrays have the same bits.
pub fn assert_same(what: &str, got: &Array, want: &Array) {
    assert_eq!((got.shape(), got.dtype()), (want.shape(), want.dtype()), "{what}");
    assert!(got.bytes() == want.bytes(), "{what}: {got:?} instead of {want:?}");
}

/// The numbers of rows at which exported models are compared: alone, few, more than one vector, one
/// part and several.
pub const ROWS: [usize; 6] = [1, 2, 7, 100, 256, 300];

/// Exports a model, and compares what the file predicts with what the model predicts. The inputs
/// are those for a number of rows.
pub fn check<I: Tree, O: Tree>(
    what: &str,
    model: &Model<I, O>,
    inputs: impl Fn(usize) -> Vec<Array>,
) {
    model.build_on(&inputs(4)).unwrap_or_else(|error| panic!("{what}: {error}"));
    // First values are often all 0 or 1.
    for (index, weight) in model.weights().iter().enumerate() {
        weight.set(&numbers(weight.shape(), weight.dtype(), [0.25, 1.0], index as u64)).unwrap();
    }
    compare(what, model, inputs);
}

/// The same without a change of the weights.
pub fn compare<I: Tree, O: Tree>(
    what: &str,
    model: &Model<I, O>,
    inputs: impl Fn(usize) -> Vec<Array>,
) {
    let file = Exported::new();
    model.export(&file).unwrap_or_else(|error| panic!("{what}: {error}"));
    let predictor = file.load().unwrap_or_else(|error| panic!("{what}: {error}"));
    for rows in ROWS {
        let given = inputs(rows);
        let want = model.predict(&I::from_arrays(&mut given.iter().cloned()).unwrap());
        let want = want.unwrap_or_else(|error| panic!("{what}, {rows} rows: {error}"));
        let got = predictor
            .predict_all(&given)
            .unwrap_or_else(|error| panic!("{what}, {rows} rows: {error}"));
        let want = O::arrays(&want);
        assert_eq!(got.len(), want.len(), "{what}: outputs");
        for (got, want) in got.iter().zip(want) {
            assert_same(&format!("{what}, {rows} rows"), got, want);
        }
    }
}
