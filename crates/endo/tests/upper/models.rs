//! Models of models, parts by path, frozen weights, variables that `call` reads, and layers with
//! other weights than their own.

use std::sync::Arc;

use endo::prelude::*;

use super::{assert_near, line};

fn names(model: &Model) -> Vec<String> {
    model.weights().iter().map(|weight| weight.name().to_string()).collect()
}

fn path(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("endo-models-{name}-{}", std::process::id()))
}

/// An encoder and a decoder as one model.
fn autoencoder(seed: u64) -> Model {
    let encoder =
        Model::new(Sequential::new().add(Dense::new(3).activation("tanh")).add(Dense::new(2)))
            .name("encoder")
            .seed(seed);
    let decoder = Model::new(Sequential::new().add(Dense::new(4))).name("decoder").seed(seed + 1);
    Model::new(Sequential::new().add(encoder).add(decoder))
}

#[test]
fn parts_are_saved_listed_frozen_exported_and_resumed_as_one() {
    let x = Array::from_fn([20, 4], |i| (0.7 * i as f32).sin());
    let data = Dataset::new(x.clone(), x.clone()).unwrap();
    let mut model = autoencoder(1);
    model.compile("adam", "mse", ());
    model.fit(&data, Fit::epochs(2)).unwrap();
    assert_eq!(names(&model).len(), 6);
    let summary = model.summary().unwrap().to_string();
    assert!(
        summary.contains("encoder (Sequential)") && summary.contains("decoder (Sequential)"),
        "{summary}"
    );

    let file = path("whole");
    model.save(&file).unwrap();
    let mut loaded = autoencoder(5);
    loaded.compile("adam", "mse", ()).build([1, 4]).unwrap();
    loaded.load(&file).unwrap();
    assert_eq!(loaded.predict(&x).unwrap(), model.predict(&x).unwrap());
    let decoder = Model::new(Sequential::new().add(Dense::new(4)));
    decoder.build([1, 2]).unwrap();
    let error = decoder.load_weights(&file).unwrap_err();
    assert!(error.advice().unwrap().contains("LoadWeights::new().prefix(\"decoder\")"), "{error}");
    decoder.load_weights_with(&file, LoadWeights::new().prefix("decoder")).unwrap();
    assert_eq!(decoder.weights()[0].value(), model.weight("decoder/dense/kernel").unwrap().value());

    model.export(&file).unwrap();
    assert_eq!(Predictor::load(&file).unwrap().predict(&x).unwrap(), model.predict(&x).unwrap());
    std::fs::remove_file(&file).unwrap();

    model.layer("encoder").unwrap().freeze();
    let before: Vec<Array> = model.weights().iter().map(Variable::value).collect();
    model.fit(&data, Fit::epochs(1)).unwrap();
    let after: Vec<Array> = model.weights().iter().map(Variable::value).collect();
    let changed: Vec<bool> =
        before.iter().zip(&after).map(|(before, after)| before != after).collect();
    assert_eq!(changed, [false, false, false, false, true, true]);
}

#[test]
fn files_of_weights_do_not_depend_on_where_a_model_was_first_used() {
    let layers = || (Arc::new(Dense::new(3)), Arc::new(Dense::new(1)));
    let (a, b) = layers();
    let chain = Model::new(Sequential::new().add(a).add(b));
    let (a, b) = layers();
    let closure =
        Model::new(move |x: &Tensor, cx: &mut Context| b.apply(&a.apply(x, cx), cx)).seed(4);
    for model in [&chain, &closure] {
        model.build([1, 2]).unwrap();
    }
    let file = path("closure");
    chain.save_weights(&file).unwrap();
    closure.load_weights(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let x = Array::from([[1.0_f32, -2.0]]);
    assert_eq!(closure.predict(&x).unwrap(), chain.predict(&x).unwrap());
}

#[test]
fn a_frozen_batch_normalization_uses_its_averages_also_without_gamma_and_beta() {
    let norm = BatchNormalization::new().center(false).scale(false).momentum(0.5);
    let mut model = Model::new(Sequential::new().add(norm).add(Dense::new(1)));
    model.compile(Sgd::new(0.1), "mse", ());
    let data = Dataset::new([[1.0_f32], [3.0]], [[0.0_f32], [0.0]]).unwrap();
    model.build([2, 1]).unwrap();
    model.freeze_at("batch_normalization").unwrap();
    model.fit(&data, Fit::epochs(1)).unwrap();
    assert_eq!(model.weight("batch_normalization/moving_mean").unwrap().value().get(0), 0.0);
    model.unfreeze();
    model.fit(&data, Fit::epochs(1)).unwrap();
    assert_eq!(model.weight("batch_normalization/moving_mean").unwrap().value().get(0), 1.0);
    assert_eq!(model.trainable_weights().len(), 2);
    assert!(model.freeze_at("nowhere").unwrap_err().message().contains("`nowhere`"));
}

#[test]
fn a_moving_average_that_is_made_trainable_is_an_error() {
    let mut model = Model::new(Sequential::new().add(BatchNormalization::new()).add(Dense::new(1)));
    model.compile("sgd", "mse", ()).build([2, 1]).unwrap();
    for weight in model.weights() {
        weight.set_trainable(true);
    }
    let error = model
        .fit(&Dataset::new([[1.0_f32], [3.0]], [[0.0_f32], [0.0]]).unwrap(), Fit::epochs(1))
        .unwrap_err();
    assert!(error.message().contains("moving_mean` was set to be trained"), "{error}");
}

#[test]
fn layers_are_found_by_path_and_misspellings_are_answered() {
    let model = autoencoder(1);
    assert!(model.layer("encoder").unwrap_err().message().contains("has seen no input"));
    model.build([1, 4]).unwrap();
    assert_eq!(model.layer("encoder/dense_1").unwrap().weights().len(), 2);
    assert_eq!(model.layer("dense_1").unwrap().path(), "sequential/encoder/dense_1");
    let error = model.layer("dense").unwrap_err();
    assert!(error.message().contains("several layers `dense`"), "{error}");
    assert_eq!(model.layer("encodr").unwrap_err().advice(), Some("did you mean `encoder`?"));
}

#[test]
fn inner_outputs_are_those_of_the_same_weights() {
    let model = autoencoder(1);
    model.build([1, 4]).unwrap();
    let inner = model.outputs_at(["encoder/*", "sequential"]).unwrap();
    let x = Array::from_fn([3, 4], |i| (0.3 * i as f32).cos());
    let outputs = inner.predict(&x).unwrap();
    let shapes: Vec<&[usize]> = outputs.iter().map(|output| output.shape().sizes()).collect();
    assert_eq!(shapes, [[3, 3], [3, 2], [3, 4]]);
    assert_eq!(outputs[2], model.predict(&x).unwrap());
    assert_eq!(inner.weights(), model.weights());
    assert!(model.outputs_at(["code"]).is_err());
}

/// A factor that a layer holds as a field.
struct Scaled {
    factor: Variable,
    dense: Dense,
}

impl Layer for Scaled {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        self.dense.apply(x, cx) * cx.read(&self.factor)
    }
}

#[test]
fn a_variable_that_call_reads_is_trained_and_saved() {
    let model = |factor: &Variable| {
        let mut model = Model::new(Scaled { factor: factor.clone(), dense: line(1.0) });
        model.compile(Sgd::new(0.1), MeanSquaredError, ());
        model
    };
    let data = Dataset::new([[1.0_f32]], [[0.0_f32]]).unwrap();
    let factor = Variable::new("factor", 2.0_f32);
    let mut trained = model(&factor);
    trained.train_on_batch(&data).unwrap();
    assert_near(Some(factor.value().get(0)), 1.6); // 2 - 0.1 * 2 * 2 * 1
    assert!(trained.warnings().is_empty());
    let file = path("factor");
    trained.save(&file).unwrap();

    let other = Variable::new("factor", 0.0_f32);
    let loaded = model(&other);
    loaded.build([1, 1]).unwrap();
    loaded.load(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(other.value(), factor.value());

    // One that is not trainable is saved, too, and stays.
    let beta = Variable::new("beta", 0.5_f32).frozen();
    let mut frozen = model(&beta);
    frozen.train_on_batch(&data).unwrap();
    assert_eq!(
        (beta.value().get(0), frozen.weights().len(), frozen.trainable_weights().len()),
        (0.5, 2, 1)
    );
}

#[test]
fn other_weights_than_its_own_have_gradients_of_the_second_order() {
    // The inner step on (x, y) = (1, 0) makes w into (1 - 0.2) w; through the layer and by hand.
    let model = Model::new(line(1.0));
    model.build([1, 1]).unwrap();
    let weights = model.trainable_weights();
    let mut slopes = Function::new(|[x], cx| {
        let loss = model.apply(&x, cx).square().mean();
        let gradient = cx.gradients(&loss, &weights).into_tensors().remove(0).unwrap();
        let fast = vec![(weights[0].clone(), cx.read(&weights[0]) - 0.1 * gradient)];
        let loss = model.apply_with(&fast, &(2.0 * &x), cx).square().mean();
        let by_hand = (1.6 * cx.read(&weights[0])).square().mean();
        [loss, by_hand].map(|loss| cx.gradients(&loss, &weights).into_tensors().remove(0).unwrap())
    });
    let [slope, by_hand] = slopes.run([&[[1.0_f32]].into()]).unwrap();
    assert_near(Some(slope.get(0)), by_hand.get(0));
}

#[test]
fn weights_that_do_not_fit_a_layer_are_refused() {
    let (model, other) = (Model::new(line(1.0)), Variable::new("other", [[1.0_f32]]));
    model.build([1, 1]).unwrap();
    let own = model.weights()[0].clone();
    for (variable, value, expected) in [
        (other, Array::from([[1.0_f32]]), "nothing that is applied reads it"),
        (own, Array::from([1.0_f32, 2.0]), "is f32[1, 1], and is given f32[2]"),
    ] {
        let mut f = Function::new(|[x], cx| {
            let value = cx.constant(value.clone());
            [model.apply_with(&[(variable.clone(), value)], &x, cx)]
        });
        let error = f.run([&[[1.0_f32]].into()]).unwrap_err();
        assert!(error.message().contains(expected), "{error}");
    }
}

#[test]
fn parts_of_one_shape_begin_differently_and_follow_the_seed_of_the_whole() {
    let twins = |seed: u64| {
        let [a, b] = [(); 2].map(|()| Model::new(Sequential::new().add(Dense::new(2))));
        let model = Model::new(move |x: &Tensor, cx: &mut Context| a.apply(x, cx) + b.apply(x, cx))
            .seed(seed);
        model.build([1, 3]).unwrap();
        let weights = model.weights();
        [weights[0].value(), weights[2].value()]
    };
    let ([a, b], [other, _]) = (twins(0), twins(1));
    assert!(a != b && a != other);
    assert_eq!(twins(1)[0], other);
}

#[test]
fn a_shared_layer_is_a_part_of_each_model_and_is_frozen_through_either() {
    let encoder = Arc::new(Dense::new(2).kernel_regularizer(L2(0.5)).name("encoder"));
    let chain =
        |last: usize| Model::new(Sequential::new().add(encoder.clone()).add(Dense::new(last)));
    let (first, second) = (chain(3), chain(1));
    let mut both =
        Function::new(|[x], cx| [first.apply(&x, cx).sum() + second.apply(&x, cx).sum()]);
    both.run([&Array::zeros([1, 4], DType::F32)]).unwrap();
    for model in [&first, &second] {
        assert_eq!(model.layer("encoder").unwrap().weights().len(), 2);
        model.layer("encoder").unwrap().freeze();
        assert_eq!(model.trainable_weights().len(), 2);
        model.unfreeze();
    }
}

#[test]
fn a_model_that_is_frozen_before_it_is_built_is_frozen() {
    let base = Arc::new(Model::new(Dense::new(2)).name("base"));
    base.freeze();
    let mut model = Model::new(Sequential::new().add(base.clone()).add(Dense::new(1)));
    model.compile(Sgd::new(0.1), "mse", ());
    model.build([2, 2]).unwrap();
    let before = base.weights()[0].value();
    model
        .fit(
            &Dataset::new([[1.0_f32, 2.0], [3.0, 4.0]], [[0.0_f32], [1.0]]).unwrap(),
            Fit::epochs(1),
        )
        .unwrap();
    assert_eq!((base.weights()[0].value(), model.trainable_weights().len()), (before, 2));
}

#[test]
fn terms_from_outside_are_of_their_own_model() {
    let part = |name: &str| {
        let mut model = Model::new(line(2.0)).name(name);
        model.add_loss("decay", |cx| cx.constant(0.5_f32));
        model
    };
    let mut whole = Model::new(Sequential::new().add(part("first")).add(part("second")));
    whole.compile("sgd", "mse", ());
    let logs = whole.evaluate(&Dataset::new([[1.0_f32]], [[4.0_f32]]).unwrap()).unwrap();
    assert_eq!(logs.get("loss"), Some(1.0), "{logs}");
}

#[test]
fn inner_outputs_are_found_whatever_else_is_applied() {
    let features = autoencoder(1);
    features.build([1, 4]).unwrap();
    let inner = features.outputs_at(["sequential/encoder", "dense_1"]).unwrap();
    let model = Model::new(Sequential::new().add(Dense::new(4)));
    let mut f = Function::new(|[x], cx| {
        let y = model.apply(&x, cx);
        let seen = inner.apply(&y, cx);
        assert_eq!(seen.len(), 2);
        [seen[0].clone() - &seen[1]]
    });
    assert_eq!(f.run([&Array::zeros([1, 4], DType::F32)]).unwrap()[0].to_vec::<f64>(), [0.0, 0.0]);
}

#[test]
fn a_weight_of_another_model_is_read_and_not_taken() {
    let pretrained = Model::new(line(3.0));
    pretrained.build([1, 1]).unwrap();
    let theirs = pretrained.weights()[0].clone();
    let mut model = Model::new(line(1.0));
    model.build([1, 1]).unwrap();
    let own = model.weights()[0].clone();
    model.add_loss("distance", move |cx| (cx.read(&own) - cx.read(&theirs)).square().sum());
    model.compile(Sgd::new(0.1), (), ());
    model.train_on_batch(&Dataset::inputs_only([[1.0_f32]]).unwrap()).unwrap();
    assert_eq!((model.weights().len(), pretrained.weights()[0].value().get(0)), (1, 3.0));
    assert_near(Some(model.weights()[0].value().get(0)), 1.4);
    assert!(model.weight("other/kernel").is_none() && model.weight("dense/kernel").is_some());
}

#[test]
fn a_model_that_a_step_applies_is_frozen_from_the_next_fit_on() {
    let critic = Arc::new(Model::new(line(2.0)).name("critic"));
    critic.build([1, 1]).unwrap();
    let (part, optimizer) = (critic.clone(), Sgd::new(0.1));
    let mut model: Model = Model::new(BatchNormalization::new());
    model.compile((), (), ());
    model.train_step(move |step, cx| {
        let score = part.apply(&step.apply(step.inputs(), cx), cx).square().mean();
        let trained = part.trainable_weights();
        if !trained.is_empty() {
            let gradients = cx.gradients(&score, trained);
            optimizer.apply(&gradients, cx);
        }
        Terms::new([("score", score)])
    });
    let data = Dataset::inputs_only([[1.0_f32], [3.0]]).unwrap();
    model.fit(&data, Fit::epochs(1)).unwrap();
    let moved = critic.weights()[0].value();
    assert!(moved.get(0) < 2.0);
    critic.freeze();
    model.fit(&data, Fit::epochs(1)).unwrap();
    assert_eq!(critic.weights()[0].value(), moved);
}
