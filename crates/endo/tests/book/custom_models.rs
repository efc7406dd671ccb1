//! Custom models: residual blocks, shared and not, beside the same as `Sequential`; several inputs
//! and outputs.
//!
//! In: the chapter's models. Out: equal predictions and losses, and weights counted once.

use std::sync::Arc;

use endo::prelude::*;

use super::{assert_near, made_up_data};

/// The examples, whose `main` and data are not of use here.
#[allow(dead_code)]
#[path = "../../examples/residual_regressor.rs"]
mod residual;
#[allow(dead_code)]
#[path = "../../examples/wide_and_deep.rs"]
mod wide;

use residual::{ResidualBlock, ResidualRegressor, relu};
use wide::WideAndDeep;

/// The same layers one after another, the first block four times.
fn sequential() -> Sequential {
    let block1 = Arc::new(ResidualBlock::new(2, 30));
    Sequential::new()
        .add(relu(30))
        .add(block1.clone())
        .add(block1.clone())
        .add(block1.clone())
        .add(block1)
        .add(ResidualBlock::new(2, 30))
        .add(Dense::new(1))
}

fn compiled(layer: impl Layer + 'static) -> Model {
    let mut model = Model::new(layer);
    model.compile(Nadam::default(), MeanSquaredError, ());
    model.build([32, 3]).unwrap();
    model
}

#[test]
fn a_block_applied_four_times_has_its_weights_once() {
    let model = compiled(ResidualRegressor::new(1));
    let names: Vec<String> = model
        .weights()
        .iter()
        .map(|weight| weight.name().replace("residual_regressor/", ""))
        .collect();
    assert_eq!(names.len(), 12);
    assert_eq!(names[2], "residual_block/dense/kernel");
    assert_eq!(names[6], "residual_block_1/dense/kernel");
}

#[test]
fn the_model_class_is_the_same_as_sequential() {
    let (mut class, mut sequence) = (compiled(ResidualRegressor::new(1)), compiled(sequential()));
    assert_eq!(sequence.weights().len(), 12);
    let weights: Vec<Array> = class.weights().iter().map(|weight| weight.value()).collect();
    sequence.set_weights(&weights).unwrap();
    let data = made_up_data(96);
    assert_eq!(class.predict(data.inputs()).unwrap(), sequence.predict(data.inputs()).unwrap());
    let [a, b] = [&mut class, &mut sequence]
        .map(|model| model.fit(&data, Fit::epochs(3)).unwrap().get("loss"));
    for (a, b) in a.into_iter().zip(b) {
        assert!((a - b).abs() < 1e-4 * b, "{a} {b}");
    }
}

#[test]
fn a_trained_model_is_saved_and_loaded() {
    let mut model = compiled(ResidualRegressor::new(1));
    let data = made_up_data(64);
    model.fit(&data, Fit::epochs(1)).unwrap();
    let path =
        std::env::temp_dir().join(format!("residual_regressor_{}.safetensors", std::process::id()));
    model.save_weights(&path).unwrap();
    let loaded = compiled(ResidualRegressor::new(1));
    loaded.load_weights(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(loaded.predict(data.inputs()).unwrap(), model.predict(data.inputs()).unwrap());
}

#[test]
fn every_output_has_its_loss_weight_and_metrics() {
    let hidden = [relu(30), relu(30)];
    let mut model = Model::new(WideAndDeep {
        hidden,
        main: Dense::new(1).name("main"),
        auxiliary: Dense::new(1).name("aux"),
    });
    model
        .compile(Nadam::default(), (MeanSquaredError, MeanAbsoluteError), ["mse"])
        .loss_weights([0.9, 0.1])
        .output_metrics(1, ["mae"]);
    let data = made_up_data(64);
    let (x, y) = (data.inputs().clone(), data.targets().unwrap().clone());
    let data = Dataset::new((x.clone(), x.clone()), (y.clone(), y)).unwrap();
    let history = model.fit(&data, Fit::epochs(2).validation(&data)).unwrap();
    let last = |name: &str| {
        history.last(name).unwrap_or_else(|| panic!("no {name} in {:?}", history.epochs[1].logs))
    };
    assert_near([last("loss")], [0.9 * last("main_mse") + 0.1 * last("aux_mae")]);
    assert_near([last("val_loss")], [0.9 * last("val_main_mse") + 0.1 * last("val_aux_mae")]);
    let [main, auxiliary] = model.predict(&[x.clone(), x]).unwrap();
    assert_eq!([main.shape().sizes(), auxiliary.shape().sizes()], [[64, 1], [64, 1]]);
}
