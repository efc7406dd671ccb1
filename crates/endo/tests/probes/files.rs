//! What probes write: arrays for NumPy, scalars and histograms for TensorBoard.

use std::fs;
use std::path::{Path, PathBuf};

use endo::prelude::*;

use super::events::{self, field, fields};
use super::two_rows;

/// A folder of the test's own, removed when it is done.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("endo-probes-{name}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("the folder of the test");
    }
}

fn line() -> Model {
    let mut model =
        Model::new(Dense::new(1).use_bias(false).kernel_initializer("constant(2)").name("line"))
            .dtype(DType::F64);
    model.compile(Sgd::new(0.125), MeanSquaredError, ());
    model
}

/// The numbers of a file in NumPy's format, after its header.
fn numbers(path: &Path) -> Vec<f64> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert_eq!((&bytes[..6], start % 64), (&b"\x93NUMPY"[..], 0));
    bytes[start..]
        .chunks(8)
        .map(|chunk| f64::from_le_bytes(chunk.try_into().expect("whole numbers")))
        .collect()
}

#[test]
fn raw_values_go_to_a_file_for_each_reading() {
    let folder = Folder::new("raw");
    let options = Fit::epochs(3)
        .probe(Probe::activations("line").every(2).raw(&folder.0))
        .probe(Probe::updates("*").raw(&folder.0));
    let history = line().fit(&two_rows(), options).unwrap();
    let activations = folder.0.join("activations/line");
    assert_eq!(numbers(&activations.join("step_00000000.npy")), [2.0, 6.0]);
    let weight = history.epochs.len() as f64; // three steps: 2, -0.5, 0.125
    assert_eq!(weight, 3.0);
    assert_eq!(numbers(&activations.join("step_00000002.npy")), [0.125, 0.375]);
    assert_eq!(fs::read_dir(&activations).unwrap().count(), 2);
    assert_eq!(numbers(&folder.0.join("updates/line/kernel/step_00000000.npy")), [-2.5]);
}

#[test]
fn a_folder_that_cannot_be_is_an_error_before_the_first_step() {
    let folder = Folder::new("taken");
    fs::create_dir_all(&folder.0).unwrap();
    let file = folder.0.join("file");
    fs::write(&file, "").unwrap();
    let mut model = line();
    let error = model
        .fit(&two_rows(), Fit::epochs(1).probe(Probe::weights("*").raw(file.join("below"))))
        .unwrap_err();
    assert!(error.message().starts_with("cannot make the folder"), "{error}");
    assert!(model.weights().is_empty());
}

#[test]
fn tensorboard_gets_scalars_histograms_and_terms_by_step() {
    let folder = Folder::new("board");
    let mut model = line();
    model.add_loss_at("line", "size", |activation| 0.5 * activation.square().mean());
    let probes =
        Fit::epochs(3).probe(Probe::activations("*").every(2).histogram(4)).probe(Probe::terms());
    model.fit(&two_rows(), probes.callback(TensorBoard::new(&folder.0))).unwrap();
    let train = fs::read_dir(folder.0.join("train")).unwrap().next().unwrap().unwrap().path();
    let file = fs::read(train).unwrap();
    let values = events::values(&file);
    let scalar = |step: u8, tag: &str| {
        let found = values.iter().find(|(at, known, _)| (*at, known.as_str()) == (step, tag));
        let (_, _, value) = found.unwrap_or_else(|| panic!("no {tag} at {step}"));
        f32::from_le_bytes(field(value, 2).unwrap().try_into().unwrap())
    };
    assert_eq!(
        [scalar(0, "activations/line/mean"), scalar(0, "activations/line/maximum")],
        [4.0, 6.0]
    );
    assert!(scalar(2, "activations/line/mean") < 4.0);
    // main: 2 mean(x y) = 20; size: mean(x y) = 10.
    assert_eq!(
        [scalar(0, "terms/main/gradient_norm"), scalar(0, "terms/size/gradient_norm/line")],
        [20.0, 10.0]
    );
    assert_eq!(scalar(0, "terms/cosine(main, size)"), 1.0);
    let (_, _, histogram) =
        values.iter().find(|(_, tag, _)| tag == "activations/line/histogram").unwrap();
    let histogram = fields(field(histogram, 5).unwrap());
    let doubles = |number| -> Vec<f64> {
        field(&histogram, number)
            .unwrap()
            .chunks(8)
            .map(|chunk| f64::from_le_bytes(chunk.try_into().unwrap()))
            .collect()
    };
    // summary.proto: 1 min, 2 max, 3 num, 4 sum, 5 sum_squares, 6 bucket_limit, 7 bucket.
    assert_eq!([doubles(1), doubles(2), doubles(3), doubles(4)].concat(), [2.0, 6.0, 2.0, 8.0]);
    assert!((doubles(5)[0] - 40.0).abs() < 1e-9);
    assert_eq!((doubles(6), doubles(7)), (vec![3.0, 4.0, 5.0, 6.0], vec![1.0, 0.0, 0.0, 1.0]));
}
