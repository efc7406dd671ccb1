//! Weights out of files of others, optimizers that go on, and rates of parts.

use std::path::{Path, PathBuf};

use endo::data::read_arrays;
use endo::prelude::*;

use super::assert_near;

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("endo-transfer-{name}-{}", std::process::id()))
}

fn values(model: &Model) -> Vec<Array> {
    model.weights().iter().map(Variable::value).collect()
}

/// A base with a head of some width.
fn based(units: usize, seed: u64) -> Model {
    let base =
        Model::new(Sequential::new().add(Dense::new(3).activation("tanh")).add(Dense::new(2)))
            .name("base");
    let model =
        Model::new(Sequential::new().add(base).add(Dense::new(units).name("head"))).seed(seed);
    model.build([1, 4]).unwrap();
    model
}

#[test]
fn what_fits_is_loaded_and_the_rest_is_named() {
    let file = path("skip");
    let (old, new) = (based(5, 1), based(2, 2));
    old.save_weights(&file).unwrap();
    let before = values(&new);
    let error = new.load_weights_with(&file, LoadWeights::new()).unwrap_err();
    assert!(
        error.message().ends_with("`head/kernel` is f32[2, 5] there and f32[2, 2] in the model"),
        "{error}"
    );
    assert!(error.advice().unwrap().contains("skip_mismatch(true)") && values(&new) == before);
    let loaded = new.load_weights_with(&file, LoadWeights::new().skip_mismatch(true)).unwrap();
    assert_eq!(
        loaded.loaded,
        ["base/dense/kernel", "base/dense/bias", "base/dense_1/kernel", "base/dense_1/bias"]
    );
    let skipped: Vec<&str> = loaded.skipped.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(skipped, ["head/kernel", "head/bias"]);
    assert!(values(&new)[..4] == values(&old)[..4] && values(&new)[4..] == before[4..]);
    let printed = loaded.to_string();
    assert!(
        printed.starts_with(
            "4 weights loaded, 2 left as they are\n  head/kernel: `head/kernel` is f32[2, 5] there"
        ),
        "{printed}"
    );
    let third = based(5, 3);
    let before = values(&third);
    assert_eq!(
        third
            .load_weights_with(&file, LoadWeights::new().only("base/dense_1"))
            .unwrap()
            .loaded
            .len(),
        2
    );
    let unchanged: Vec<bool> =
        values(&third).iter().zip(&before).map(|(now, before)| now == before).collect();
    assert_eq!((&unchanged[..2], &unchanged[4..]), (&[true, true][..], &[true, true][..]));
    assert!(values(&third)[2] == values(&old)[2]);
    let error = third.load_weights_with(&file, LoadWeights::new().only("nowhere")).unwrap_err();
    assert!(error.message().contains("`nowhere`"), "{error}");
    // Nothing at all is a mistake.
    let stranger = Model::new(Dense::new(3).name("other"));
    stranger.build([1, 7]).unwrap();
    let error =
        stranger.load_weights_with(&file, LoadWeights::new().skip_mismatch(true)).unwrap_err();
    assert!(
        error.message().contains("has no weight of the model: there is no `kernel`"),
        "{error}"
    );
    std::fs::remove_file(&file).unwrap();
}

/// Written by NumPy 2.4 with `savez` and `savez_compressed`.
#[test]
fn archives_of_numpy_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/numpy");
    for name in ["stored.npz", "deflated.npz"] {
        let arrays = read_arrays(folder.join(name)).unwrap();
        assert_eq!(arrays.len(), 5);
        assert_eq!(arrays["kernel"], Array::from([[0.0_f32, 1.0, 2.0], [3.0, 4.0, 5.0]]));
        assert_eq!(
            (&arrays["half"], &arrays["wide"]),
            (&Array::from([1.0_f32, -2.0]), &Array::from([7, -8]))
        );
        assert_eq!(arrays["fort"], Array::from([[0.0_f64, 1.0, 2.0], [3.0, 4.0, 5.0]]));
        assert_eq!(arrays["byte"], Array::from([[250_u8]]));
    }
    // As weights, by their names.
    let model = Model::new(Dense::new(3).use_bias(false));
    model.build([1, 2]).unwrap();
    model.load_weights_with(folder.join("stored.npz"), LoadWeights::new()).unwrap();
    assert_eq!(values(&model), [Array::from([[0.0_f32, 1.0, 2.0], [3.0, 4.0, 5.0]])]);
}

#[test]
fn damaged_archives_are_errors() {
    let archives = ["stored.npz", "deflated.npz"].map(|name| {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/numpy").join(name))
            .unwrap()
    });
    let file = path("damaged");
    std::fs::write(&file, &archives[0]).unwrap();
    let whole = read_arrays(&file).unwrap();
    let mut random = endo::random::Random::new(3, 0);
    for round in 0..600 {
        let bytes = &archives[round % 2];
        let mut changed = bytes.clone();
        match random.below(3) {
            0 => changed.truncate(2 + random.below(bytes.len() - 2)),
            _ => {
                for _ in 0..1 + random.below(4) {
                    changed[2 + random.below(bytes.len() - 2)] = random.below(256) as u8;
                }
            }
        }
        std::fs::write(&file, &changed).unwrap();
        match read_arrays(&file) {
            // What is read has its numbers: a change was in a date, a comment or the name of an
            // array.
            Ok(arrays) => {
                assert!(arrays.values().all(|array| whole.values().any(|known| known == array)))
            }
            Err(error) => {
                assert!(
                    error.message().contains("endo-transfer-damaged") && error.advice().is_some(),
                    "{error}"
                );
            }
        }
    }
    std::fs::write(&file, "no arrays at all").unwrap();
    assert!(read_arrays(&file).unwrap_err().message().contains("this is no file of arrays"));
    std::fs::remove_file(&file).unwrap();
}

fn compiled(optimizer: impl endo::model::IntoOptimizer, seed: u64) -> Model {
    let net = Sequential::new()
        .add(Dense::new(4).activation("tanh"))
        .add(BatchNormalization::new())
        .add(Dense::new(1));
    let mut model = Model::new(net).seed(seed);
    model.compile(optimizer, "mse", ());
    model.build([1, 3]).unwrap();
    model
}

fn data() -> Dataset {
    let x = Array::from_fn([40, 3], |i| (0.7 * i as f32).sin());
    Dataset::new(x, Array::from_fn([40, 1], |i| (2.1 * i as f32).cos())).unwrap()
}

#[test]
fn files_of_before_have_the_outermost_layer_in_their_names() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/format_1/model.safetensors");
    let arrays = read_arrays(&file).unwrap();
    assert!(arrays.keys().all(|name| name.contains('/')), "{:?}", arrays.keys());
    let names: Vec<String> =
        arrays.keys().map(|name| name.split_once('/').unwrap().1.to_string()).collect();
    let held = arrays.clone();
    let model = Model::new(move |x: &Tensor, cx: &mut Context| {
        // A variable for each array, called as it is within the model.
        let variables = held.iter().map(|(name, array)| {
            Variable::new(
                name.split_once('/').unwrap().1,
                Array::zeros(array.shape(), array.dtype()),
            )
        });
        let total = variables
            .map(|variable| cx.read(&variable).cast(DType::F32).sum())
            .reduce(|sum, part| sum + part);
        x + total.unwrap()
    });
    model.build([1, 1]).unwrap();
    let loaded = model.load_weights_with(&file, LoadWeights::new()).unwrap();
    assert_eq!(loaded.loaded, names);
}

#[test]
fn a_loaded_model_goes_on_as_the_saved_one_does() {
    let file = path("optimizer");
    let data = data();
    let options = || Fit::epochs(3).batch_size(16).shuffle(false);
    for name in [
        "adam",
        "nadam(clipnorm=1.0)",
        "rmsprop(momentum=0.9, centered=true)",
        "sgd(momentum=0.9)",
        "adafactor",
        "ftrl",
        "adam(use_ema=true, gradient_accumulation_steps=2)",
        "adagrad",
        "lamb",
        "lion",
        "adadelta",
        "adamax",
    ] {
        let mut model = compiled(name, 1);
        model.fit(&data, options()).unwrap();
        model.save(&file).unwrap();
        // Into a new model, and into one that was trained otherwise.
        let mut again = [compiled(name, 2), compiled(name, 3)];
        again[1].fit(&data, Fit::epochs(2)).unwrap();
        for model in &again {
            model.load(&file).unwrap();
        }
        model.fit(&data, options()).unwrap();
        for again in &mut again {
            again.fit(&data, options()).unwrap();
            assert!(values(again) == values(&model), "{name}");
            assert!(again.warnings().is_empty());
        }
        // What was loaded and not used yet is saved again.
        model.save(&file).unwrap();
        let [first, mut second] = [compiled(name, 4), compiled(name, 5)];
        first.load(&file).unwrap();
        first.save(&file).unwrap();
        second.load(&file).unwrap();
        second.fit(&data, options()).unwrap();
        model.fit(&data, options()).unwrap();
        assert!(values(&second) == values(&model), "{name}");
    }
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn a_loop_goes_on_from_what_is_loaded() {
    let file = path("loop");
    let weight = |model: &Model| model.weights()[0].clone();
    let make = || {
        let model = Model::new(Dense::new(1).use_bias(false).kernel_initializer("ones"));
        let mut model = model.seed(1);
        model.compile(Adam::new(0.1), "mse", ());
        model.build([1, 1]).unwrap();
        model
    };
    let model = make();
    let mut step = Function::new(|[x], cx| {
        let loss = (model.apply(&x, cx) - 3.0).square().mean();
        let gradients = cx.gradients(&loss, model.trainable_weights());
        model.optimizer().unwrap().apply(&gradients, cx);
        [loss]
    });
    let x = Array::from([[1.0_f32]]);
    let mut run = |steps: usize| (0..steps).for_each(|_| drop(step.run([&x]).unwrap().clone()));
    run(3);
    model.save(&file).unwrap();
    run(4);
    let want = weight(&model).value();
    run(5);
    model.load(&file).unwrap();
    run(4);
    assert_eq!(weight(&model).value(), want);
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn the_state_of_another_optimizer_is_named_and_left_out() {
    let file = path("another");
    let data = data();
    let mut model = compiled("adam", 1);
    model.fit(&data, Fit::epochs(1)).unwrap();
    model.save(&file).unwrap();
    let mut other = compiled("sgd", 2);
    other.load(&file).unwrap();
    other.fit(&data, Fit::epochs(1)).unwrap();
    let warning = &other.warnings()[0];
    assert!(
        warning.contains("the state of another optimizer") && warning.contains("momentum"),
        "{warning}"
    );
    // Weights alone are read from the same file, and by what has no optimizer.
    let mut bare = Model::new(
        Sequential::new()
            .add(Dense::new(4).activation("tanh"))
            .add(BatchNormalization::new())
            .add(Dense::new(1)),
    );
    bare.compile((), "mse", ()).build([1, 3]).unwrap();
    bare.load(&file).unwrap();
    assert!(values(&bare) == values(&model));
    bare.load_weights(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn a_part_learns_at_its_own_rate() {
    let line = |name: &str| Dense::new(1).use_bias(false).kernel_initializer("ones").name(name);
    let step = |factor: Option<f64>, optimizer: &str, steps: usize| {
        let mut model = Model::new(Sequential::new().add(line("base")).add(line("head")));
        model.compile(optimizer, "mse", ()).build([1, 1]).unwrap();
        if let Some(factor) = factor {
            model.set_learning_rate_factor_at("base", factor).unwrap();
        }
        let data = Dataset::new([[1.0_f32]], [[0.0_f32]]).unwrap();
        for _ in 0..steps {
            drop(model.train_on_batch(&data).unwrap());
        }
        [0, 1].map(|index| model.weights()[index].value().get(0))
    };
    // One step of Adam is the rate, whatever the gradient.
    let [base, head] = step(Some(0.1), "adam(learning_rate=0.01)", 1);
    assert_near(Some(base), 1.0 - 0.001);
    assert_near(Some(head), 1.0 - 0.01);
    assert_eq!(step(Some(1.0), "nadam", 5), step(None, "nadam", 5));
    assert_eq!(step(Some(0.0), "sgd(learning_rate=0.1)", 5)[0], 1.0);
    // Decay is times the rate, too.
    let [base, _] = step(Some(0.5), "sgd(learning_rate=0.1, weight_decay=0.2)", 1);
    assert_near(Some(base), (1.0 - 0.05 * 0.2) - 0.05 * 2.0);

    // It is seen by what was compiled and trained before.
    let mut model = Model::new(Sequential::new().add(line("base")).add(line("head")));
    model.compile("sgd(learning_rate=0.1)", "mse", ());
    let data = Dataset::new([[1.0_f32]], [[0.0_f32]]).unwrap();
    model.fit(&data, Fit::epochs(1)).unwrap();
    let before = model.weights()[0].value().get(0);
    model.set_learning_rate_factor_at("base", 0.0).unwrap();
    model.fit(&data, Fit::epochs(1)).unwrap();
    assert_eq!(model.weights()[0].value().get(0), before);
    for factor in [-1.0, f64::NAN] {
        assert!(model.set_learning_rate_factor_at("base", factor).is_err());
    }
    assert!(
        model
            .set_learning_rate_factor_at("nowhere", 0.5)
            .unwrap_err()
            .message()
            .contains("`nowhere`")
    );
}
