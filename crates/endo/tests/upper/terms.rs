//! Whose terms a loss holds, and what they are called.

use std::sync::Arc;

use endo::prelude::*;

use super::{assert_near, first_weight, line};

/// A generator and a critic with an activity penalty each.
fn generator_and_critic() -> (Model, Model) {
    let penalized = |first: f64, factor: f64| line(first).activity_regularizer(L2(factor));
    (
        Model::new(penalized(3.0, 0.5)).name("generator"),
        Model::new(penalized(2.0, 1.0)).name("critic"),
    )
}

#[test]
fn the_generator_trains_on_its_own_penalty_beside_a_critic() {
    let (generator, critic) = generator_and_critic();
    let optimizer = Sgd::new(0.01);
    let mut step = Function::new(|[x], cx| {
        let score = critic.apply(&generator.apply(&x, cx), cx);
        let own = generator.losses(cx).into_iter().reduce(|sum, term| sum + term).unwrap();
        let loss = -score.mean() + own;
        let gradients = cx.gradients(&loss, generator.trainable_weights());
        optimizer.apply(&gradients, cx);
        [loss]
    });
    generator.build([1, 1]).unwrap();
    let loss = step.run([&[[1.0_f32]].into()]).unwrap()[0].item().unwrap();
    assert_near(Some(loss), -1.5); // -2 * 3 + 0.5 * 9
    assert_near(first_weight(&generator), 2.99); // 3 - 0.01 * (-2 + 3)
    assert!(step.warnings().is_empty(), "{:?}", step.warnings());
}

#[test]
fn all_terms_of_a_trace_with_two_models_are_refused_by_name() {
    let (generator, critic) = generator_and_critic();
    let mut step = Function::new(|[x], cx| {
        critic.apply(&generator.apply(&x, cx), cx);
        [cx.losses().remove(0)]
    });
    let error = step.run([&[[1.0_f32]].into()]).unwrap_err();
    assert!(
        error.message().contains("`generator`") && error.message().contains("`critic`"),
        "{error}"
    );
    assert!(error.advice().unwrap().contains("model.losses(cx)"));
}

#[test]
fn a_model_within_another_shares_its_terms_with_it() {
    let inner = Arc::new(Model::new(line(2.0).activity_regularizer(L2(1.0))).name("inner"));
    let within = inner.clone();
    let mut outer = Model::new(move |x: &Tensor, cx: &mut Context| within.apply(x, cx) * 1.0);
    outer.compile("sgd", "mse", ());
    let logs = outer.evaluate(&Dataset::new([[1.0_f32]], [[0.0_f32]]).unwrap()).unwrap();
    assert_eq!((logs.get("loss"), logs.get("activity")), (Some(8.0), Some(4.0)));
    let mut both = Function::new(|[x], cx| {
        outer.apply(&x, cx);
        let [own, inners] = [&outer, &inner].map(|model| model.losses(cx));
        assert_eq!((own.len(), inners.len(), cx.losses().len()), (1, 1, 1));
        [own[0].clone()]
    });
    assert_eq!(both.run([&[[1.0_f32]].into()]).unwrap()[0].item().unwrap(), 4.0);
}

/// A model whose step applies a net of features.
fn perceptual(features: Arc<Model>, reads: bool) -> Model {
    let mut model = Model::new(line(3.0));
    model.compile(Sgd::new(0.01), MeanSquaredError, ());
    model.train_step(move |step, cx| {
        let y = step.apply(step.inputs(), cx);
        let seen = features.apply(&y, cx);
        let mut terms = step.losses(&y, cx);
        terms.add("perceptual", (seen - 1.0).square().mean());
        if reads {
            terms.add("features", features.losses(cx).remove(0));
        }
        step.minimize(&terms, cx);
        terms
    });
    model
}

#[test]
fn terms_of_another_model_stay_out_of_a_step_and_are_warned_of() {
    let features = Arc::new(Model::new(line(2.0).activity_regularizer(L2(1.0))).name("features"));
    features.build([1, 1]).unwrap();
    let data = Dataset::new([[1.0_f32]], [[0.0_f32]]).unwrap();
    let mut model = perceptual(features.clone(), false);
    let logs = model.train_on_batch(&data).unwrap();
    assert_near(logs.get("loss"), 34.0); // 3^2 + (2 * 3 - 1)^2
    assert_near(first_weight(&model), 2.74); // 3 - 0.01 * (6 + 20)
    let warning = &model.warnings()[0];
    assert!(warning.contains("`features`") && warning.contains("dense/activity"), "{warning}");

    let mut model = perceptual(features, true);
    let logs = model.train_on_batch(&data).unwrap();
    assert_near(logs.get("features"), 36.0);
    assert!(model.warnings().is_empty());
}

#[test]
fn the_only_term_of_a_loss_has_its_name() {
    let dense = line(2.0);
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let y = dense.apply(x, cx);
        cx.add_loss("energy", y.square().mean());
        y
    });
    model.compile(Sgd::new(0.0), (), ());
    let data = Dataset::inputs_only([[1.0_f32], [3.0]]).unwrap();
    let options = Fit::epochs(1).validation(&data).callback(EarlyStopping::on("val_energy"));
    let history = model.fit(&data, options).unwrap();
    for name in ["loss", "energy", "val_loss", "val_energy"] {
        assert_eq!(history.last(name), Some(20.0), "{name}");
    }
    assert_eq!(model.evaluate(&data).unwrap().get("energy"), Some(20.0));
}

#[test]
fn names_that_reports_give_themselves_are_refused() {
    for name in ["loss", "main", "learning_rate", "val_loss", "val_size"] {
        let data = Dataset::new([[1.0_f32]], [[0.0_f32]]).unwrap();
        let adds: [fn(&Tensor, &str, &mut Context); 3] = [
            |x, name, cx| cx.add_loss(name, x.mean()),
            |x, name, cx| cx.add_metric(name, x.mean()),
            |x, name, cx| Mean::new(name).update(x, cx),
        ];
        for add in adds {
            let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
                add(x, name, cx);
                x.clone()
            });
            model.compile("sgd", "mse", ());
            let error = model.evaluate(&data).unwrap_err();
            assert!(error.message().contains(&format!("is called `{name}`")), "{error}");
        }
    }
    // In a custom loop a metric may have any name.
    let mean = Mean::new("loss");
    let mut step = Function::new(|[x], cx| {
        mean.update(&x, cx);
        [x]
    });
    step.run([&[1.0_f32, 3.0].into()]).unwrap();
    assert_eq!(mean.value().unwrap().item().unwrap(), 2.0);
}

#[test]
fn metrics_of_one_name_that_two_layers_hold_are_both_reported() {
    let held = |factor: f64| {
        let mean = Mean::new("seen");
        move |x: &Tensor, cx: &mut Context| {
            mean.update(x, cx);
            let y = x * factor;
            mean.update(&y, cx);
            y
        }
    };
    let model = || {
        let mut model = Model::new(Sequential::new().add(held(2.0)).add(held(4.0)));
        model.compile("sgd", "mse", ());
        model
    };
    let data = Dataset::new([[1.0_f32], [3.0]], [[0.0_f32], [0.0]]).unwrap();
    let expected = [("seen", 3.0), ("seen_1", 10.0)]; // (2 + 4) / 2, and (4 + 16) / 2
    let mut whole = model();
    let logs = whole.evaluate(&data).unwrap();
    assert_eq!(
        expected.map(|(name, _)| logs.get(name)),
        expected.map(|(_, value)| Some(value)),
        "{logs}"
    );
    // A short last batch has a step of its own, which updates the same metrics.
    let history = whole.fit(
        &Dataset::new([[1.0_f32], [3.0], [2.0]], [[0.0_f32]; 3]).unwrap(),
        Fit::epochs(2).batch_size(2),
    );
    let logs = history.unwrap().epochs[1].logs.clone();
    assert_eq!(
        expected.map(|(name, _)| logs.get(name)),
        expected.map(|(_, value)| Some(value)),
        "{logs}"
    );
    assert_eq!(logs.iter().count(), 3, "{logs}");
    let read = |name: &str| whole.metric(name).unwrap().value().unwrap().item().unwrap();
    assert_eq!(expected.map(|(name, _)| read(name)), expected.map(|(_, value)| value));
}

#[test]
fn a_metric_that_a_model_within_another_adds_is_counted_once_and_is_no_weight() {
    let dense = line(2.0);
    let inner = Model::new(move |x: &Tensor, cx: &mut Context| {
        cx.add_metric("size", x.abs().mean());
        dense.apply(x, cx)
    });
    let inner = Arc::new(inner);
    let within = inner.clone();
    let mut outer = Model::new(move |x: &Tensor, cx: &mut Context| within.apply(x, cx) * 1.0);
    outer.compile(Sgd::new(0.0), "mse", ());
    let data = Dataset::new([[1.0_f32], [3.0], [8.0]], [[0.0_f32]; 3]).unwrap();
    for _ in 0..2 {
        assert_eq!(outer.fit(&data, Fit::epochs(1).batch_size(2)).unwrap().last("size"), Some(4.0));
        assert_eq!(outer.evaluate(&data).unwrap().get("size"), Some(4.0));
    }
    assert_eq!((outer.weights().len(), inner.weights().len()), (1, 1));
    assert_eq!(outer.metrics().len(), 1);
    assert!(inner.metrics().is_empty());
}

#[test]
fn a_loss_that_a_step_gives_itself_is_what_is_looked_at() {
    let model = |loss: fn(&Tensor) -> Tensor| {
        let mut model = Model::new(line(1.0));
        model.compile(Sgd::new(0.1), (), ());
        model.train_step(move |step, cx| {
            let y = step.apply(step.inputs(), cx);
            let terms = Terms::new([
                ("loss", loss(&y)),
                ("largest", step.inputs().max()),
                ("log", step.inputs().log().mean()),
            ]);
            step.minimize(&terms, cx);
            terms
        });
        model
    };
    // What is reported beside it is trained on by nobody, and may be anything.
    let data = Dataset::inputs_only([[-1.0_f32], [3.0]]).unwrap();
    let mut trained = model(|y| y.square().mean());
    let logs = trained.train_on_batch(&data).unwrap();
    assert_eq!((logs.get("loss"), logs.get("largest")), (Some(5.0), Some(3.0)));
    assert!(logs.get("log").unwrap().is_nan());
    assert_eq!(first_weight(&trained), Some(0.0)); // 1 - 0.1 * 2 * 5
    assert!(trained.warnings().is_empty(), "{:?}", trained.warnings());

    let mut broken = model(|y| y.log().mean());
    let error = broken.train_on_batch(&data).unwrap_err();
    assert!(
        error.message().starts_with("the loss term `loss` is not finite; nothing was updated"),
        "{error}"
    );
    assert_eq!(first_weight(&broken), Some(1.0));

    let mut constant = model(|y| y.stop_gradient().mean());
    assert_eq!(
        constant.train_on_batch(&data).unwrap_err().message(),
        "the loss depends on no trainable weight of the model"
    );
}

#[test]
fn a_term_from_outside_is_shared_with_the_model_around_and_with_no_other() {
    let given = |value: f32| {
        let mut model = Model::new(line(1.0));
        model.add_loss("size", move |cx| cx.constant(value));
        Arc::new(model)
    };
    let (a, b) = (given(2.0), given(3.0));
    let within = a.clone();
    let around = Model::new(move |x: &Tensor, cx: &mut Context| within.apply(x, cx) * 1.0);
    let mut step = Function::new(|[x], cx| {
        a.apply(&x, cx);
        b.apply(&x, cx);
        around.apply(&x, cx);
        [around.losses(cx), a.losses(cx), b.losses(cx)].map(|terms| {
            assert_eq!(terms.len(), 1);
            terms[0].clone()
        })
    });
    let values =
        step.run([&[[1.0_f32]].into()]).unwrap().each_ref().map(|value| value.item().unwrap());
    assert_eq!(values, [2.0, 2.0, 3.0]);
}

#[test]
fn a_name_with_the_mark_of_paths_is_whole() {
    let inner = Dense::new(1)
        .use_bias(false)
        .kernel_initializer(Ones)
        .activity_regularizer(L1(1.0))
        .name("inner");
    let layer = move |x: &Tensor, cx: &mut Context| {
        cx.add_metric("n/a", x.mean());
        cx.add_metric("size(dense/kernel)", 2.0 * x.mean());
        cx.add_loss("a/b", x.square().mean());
        inner.apply(x, cx)
    };
    let mut model = Model::new(layer);
    model.compile(Sgd::new(0.0), "mse", ());
    let data = Dataset::new([[3.0_f32]], [[3.0_f32]]).unwrap();
    let logs = model.evaluate(&data).unwrap();
    assert_near(logs.get("n/a"), 3.0);
    assert_near(logs.get("size(dense/kernel)"), 6.0);
    assert_near(logs.get("a/b"), 9.0);
    assert_near(logs.get("activity"), 3.0);
    let layers: Vec<(String, String)> =
        model.structure().terms.into_iter().map(|term| (term.name, term.layer)).collect();
    let expected = [("main", ""), ("a/b", "lambda"), ("activity", "lambda/inner")];
    assert_eq!(layers, expected.map(|(name, layer)| (name.to_string(), layer.to_string())));
}
