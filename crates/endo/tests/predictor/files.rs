//! What is in the file, and what becomes of a damaged one.

use std::fs;
use std::sync::Arc;

use endo::prelude::*;
use safetensors::SafeTensors;

use super::support::{Exported, assert_same, compare, floats};

fn model() -> Model {
    let model =
        Model::new(Sequential::new().add(Dense::new(4).activation("selu")).add(Dense::new(1)));
    model.build([1, 3]).unwrap();
    model
}

#[test]
fn weights_can_be_read_by_name_and_the_graph_as_text() {
    let model = model();
    let bytes = fs::read(Exported::of(&model)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for weight in model.weights() {
        assert_eq!(
            file.tensor(weight.name()).unwrap().data(),
            weight.value().bytes(),
            "{}",
            weight.name()
        );
    }
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let text = &header.metadata().as_ref().unwrap()["endo.predictor"];
    for line in
        ["scope sequential/dense_1", "variable dense/kernel", "node input | | 0 | f32 n 3 | 0"]
    {
        assert!(text.lines().any(|known| known == line), "{line}: {text}");
    }
    assert_eq!(text.lines().filter(|line| line.contains("matmul")).count(), 2);
    // The same model is the same file.
    assert!(fs::read(Exported::of(&model)).unwrap() == bytes);
}

#[test]
fn a_file_stays_as_it_was_when_the_model_learns_on() {
    let data = Dataset::new(floats([32, 3], 1), floats([32, 1], 2)).unwrap();
    let mut model = model();
    model.compile("adam", "mse", ());
    let (file, before) = (Exported::of(&model), model.predict(data.inputs()).unwrap());
    model.fit(&data, Fit::epochs(1)).unwrap();
    let predictor = file.load().unwrap();
    assert_same("the first weights", &predictor.predict(data.inputs()).unwrap(), &before);
    // Variables may be set, as a model's weights.
    for (variable, weight) in predictor.variables().iter().zip(model.weights()) {
        variable.set(&weight.value()).unwrap();
    }
    assert_same(
        "the last weights",
        &predictor.predict(data.inputs()).unwrap(),
        &model.predict(data.inputs()).unwrap(),
    );
    // A file is replaced whole.
    model.export(&file).unwrap();
    assert_same(
        "again",
        &file.load().unwrap().predict(data.inputs()).unwrap(),
        &model.predict(data.inputs()).unwrap(),
    );
}

#[test]
fn weights_of_shared_layers_have_the_names_of_this_model() {
    let shared = Arc::new(Dense::new(3));
    Model::new(Sequential::new().add(shared.clone())).build([2, 3]).unwrap();
    let model = Model::new(Sequential::new().add(Dense::new(3)).add(shared));
    model.build([2, 3]).unwrap();
    compare("shared", &model, |rows| vec![floats([rows, 3], 1)]);
    let names = Exported::of(&model)
        .load()
        .unwrap()
        .variables()
        .iter()
        .map(|v| v.name().to_string())
        .collect::<Vec<_>>();
    for name in ["dense/kernel", "dense_1/kernel"] {
        assert_eq!(names.iter().filter(|known| *known == name).count(), 1, "{names:?}");
    }
}

#[test]
fn tables_of_constants_are_kept_beside_the_weights() {
    let table = Array::from_fn([5, 2], |i| (i as f32).sqrt());
    let model = Model::new(move |x: &Tensor, cx: &mut Context| {
        cx.constant(table.clone()).gather(x, 0).sum_axes([1])
    });
    model.build_on(&[Array::from([[1, 2, 3]])]).unwrap();
    compare("constants", &model, |rows| vec![Array::from_fn([rows, 3], |i| (i % 5) as i32)]);
    let bytes = fs::read(Exported::of(&model)).unwrap();
    assert_eq!(
        SafeTensors::deserialize(&bytes).unwrap().tensor("constant_0").unwrap().shape(),
        [5, 2]
    );
}

#[test]
fn every_damage_is_found() {
    let (file, x) = (Exported::of(&model()), floats([2, 3], 1));
    let whole = fs::read(&file).unwrap();
    let want = file.load().unwrap().predict(&x).unwrap();
    for length in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
        fs::write(&file, &whole[..length]).unwrap();
        let error = file.load().unwrap_err();
        assert!(
            error.message().contains("this is no whole predictor: it is truncated"),
            "{length}: {error}"
        );
        assert!(error.advice().unwrap().contains("again"), "{error}");
    }
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 1 << (position % 8);
        fs::write(&file, &bytes).unwrap();
        // Blanks at the end of the header may be other blanks.
        match file.load() {
            Ok(predictor) if whole[position] == b' ' => {
                assert_same("blanks", &predictor.predict(&x).unwrap(), &want)
            }
            Ok(_) => panic!("byte {position} was changed unseen"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Data, "{error}"),
        }
    }
}

#[test]
fn newer_files_and_other_files_are_told_apart() {
    let model = model();
    let file = Exported::of(&model);
    let bytes = fs::read(&file).unwrap();
    let start = b"\"endo.predictor\":\"";
    let place =
        bytes.windows(start.len()).position(|window| window == start).unwrap() + start.len();
    let mut newer = bytes.clone();
    assert_eq!(newer[place], b'5');
    newer[place] = b'6';
    fs::write(&file, &newer).unwrap();
    let error = file.load().unwrap_err();
    assert!(
        error.message().ends_with("it has format 6, and this program reads formats 1 to 5"),
        "{error}"
    );
    assert!(
        error.advice().unwrap().starts_with("read it with the version of endo that wrote it"),
        "{error}"
    );

    model.save_weights(&file).unwrap();
    let error = file.load().unwrap_err();
    assert!(error.message().ends_with("it holds something else, not a predictor"), "{error}");
    assert_eq!(error.advice(), Some("give a file that `model.export(path)` wrote"));

    fs::remove_file(&file).unwrap();
    assert_eq!(file.load().unwrap_err().kind(), ErrorKind::Io);
}
