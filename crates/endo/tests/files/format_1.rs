//! Files of the format before, in the folder `format_1`: a model, an exported model, and a run that
//! was interrupted before epoch 2 of 3.

use std::fs;
use std::path::{Path, PathBuf};

use endo::prelude::*;

use super::folder::Folder;
use super::support::data;

fn old(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/format_1").join(name)
}

/// The model that wrote them.
fn model(penalty: f64) -> Model {
    let hidden =
        Dense::new(3).activation("tanh").kernel_regularizer(L2(penalty)).name("hidden layer");
    let mut model =
        Model::new(Sequential::new().add(hidden).add(Dense::new(1).name("out"))).seed(7);
    model.compile("adam", Huber.delta(0.5), (MeanAbsoluteError::new(), Huber.delta(3.0)));
    model
}

/// What it predicted before it was trained.
const PREDICTIONS: [f32; 4] = [0.14041825, 0.4091474, 0.6400071, 0.018462623];

fn assert_near(got: &[f64], want: &[f64]) {
    assert!(
        got.len() == want.len() && got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6),
        "{got:?}, not {want:?}"
    );
}

fn assert_predicts(predictions: Array) {
    let first: Vec<f64> = (0..4).map(|index| predictions.get(index)).collect();
    assert_near(&first, &PREDICTIONS.map(f64::from));
}

#[test]
fn a_saved_model_is_read_and_compared() {
    let saved = Saved::read(old("model.safetensors")).unwrap();
    assert_eq!(saved.get::<f64>("loss", "delta").unwrap(), 0.5);
    assert_eq!(saved.get::<f64>("metric huber", "delta").unwrap(), 3.0);
    assert_eq!(saved.get::<f64>("sequential/hidden layer", "kernel_regularizer.l2").unwrap(), 0.25);
    let model = model(0.25);
    model.build([1, 2]).unwrap();
    for weight in &model.weights() {
        weight.set(&Array::zeros(weight.shape(), DType::F32)).unwrap();
    }
    model.load(old("model.safetensors")).unwrap();
    assert_predicts(model.predict(data().inputs()).unwrap());
    let other = self::model(0.5);
    other.build([1, 2]).unwrap();
    let error = other.load(old("model.safetensors")).unwrap_err();
    assert!(
        error.message().starts_with(
            "`kernel_regularizer` of the layer `sequential/hidden layer` is l2(l2=0.25) in "
        ),
        "{error}"
    );
}

#[test]
fn an_exported_model_predicts_and_its_checksum_is_tested() {
    assert_predicts(
        Predictor::load(old("predictor.endo")).unwrap().predict(data().inputs()).unwrap(),
    );
    let folder = Folder::new("old");
    let mut bytes = fs::read(old("predictor.endo")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(folder.path("damaged"), &bytes).unwrap();
    let error = Predictor::load(folder.path("damaged")).unwrap_err();
    assert!(error.message().ends_with("its checksum is not that of its content"), "{error}");
}

#[test]
fn an_interrupted_run_goes_on() {
    let folder = Folder::new("resumed");
    fs::copy(old("run"), folder.path("run")).unwrap();
    let options =
        Fit::epochs(3).batch_size(4).validation_split(0.25).probe(Probe::terms().every(1));
    let options =
        options.callback(BackupAndRestore::new(folder.path("run"))).callback(LambdaCallback::new());
    let history = model(0.25).fit(&data(), options).unwrap();
    assert_near(
        &history.get("loss"),
        &[0.4560264978143904, 0.4515475696987576, 0.44776850938796997],
    );
    let cosines = history.get("cosine(main, penalty(hidden layer/kernel))");
    assert_near(&cosines, &[0.15751137224580933, 0.17492850753928613, 0.13572006332667721]);
    // Steps of the first epochs are in the file, with names of two parts.
    let first = &history.term_readings[0];
    assert_eq!(first.cosines[0].terms, ["main", "penalty(hidden layer/kernel)"]);
    assert_eq!(first.terms[0].layers.len(), 2);
}
