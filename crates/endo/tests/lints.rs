//! What is traced and probably not meant: the text of each warning, the user's line, and where
//! there is none.
//!
//! In: models with one mistake, and models that look like one. Out: warnings, or errors where they
//! are denied.

use endo::prelude::*;

fn data() -> Dataset {
    let x = Array::from_fn([16, 3], |i| (0.7 * i as f32).sin());
    let y = Array::from_fn([16, 1], |i| (0.3 * i as f32).cos());
    Dataset::new(x, y).expect("data that fits")
}

/// `this file:line: `, where the line is the one that ends with a mark.
fn at(mark: &str) -> String {
    let ending = format!("// <- {mark}");
    let line = include_str!("lints.rs")
        .lines()
        .position(|line| line.ends_with(&ending))
        .expect("a marked line");
    format!("{}:{}: ", file!(), line + 1)
}

fn train(layer: impl Layer + 'static) -> Model {
    let mut model = Model::new(layer);
    model.compile("sgd", "mse", ["mae"]);
    model
}

/// The warnings of training and validating.
fn warnings(mut model: Model) -> Vec<String> {
    let data = data();
    model.fit(&data, Fit::epochs(2).batch_size(12).validation(&data)).unwrap();
    model.warnings()
}

const CONSTANT: &str = "it depends on data alone, or on weights through what has no gradient; \
    report it with `add_metric` if that is \
                        meant";

#[test]
fn a_term_that_no_weight_can_change() {
    let dense = Dense::new(1);
    let model = train(move |x: &Tensor, cx: &mut Context| {
        let y = dense.apply(x, cx);
        let size = y.stop_gradient().square().mean();
        cx.add_loss("size", &size); // <- the term
        cx.add_loss("share", y.greater(0.0).cast(DType::F32).mean()); // <- the comparison
        cx.add_sample_loss("inputs", x.square().mean_axes([-1])); // <- the sample loss
        y
    });
    let expected =
        [("the term", "size"), ("the comparison", "share"), ("the sample loss", "inputs")].map(
            |(mark, name)| {
                format!(
                    "{}no trainable weight can change the loss term `{name}`: {CONSTANT}",
                    at(mark)
                )
            },
        );
    assert_eq!(warnings(model), expected);
}

#[test]
fn a_compiled_loss_that_no_weight_can_change() {
    let dense = Dense::new(1);
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let y = dense.apply(x, cx);
        cx.add_loss("size", y.square().mean());
        y.stop_gradient()
    });
    model.compile("sgd", "mse", ());
    model.fit(&data(), Fit::epochs(1)).unwrap(); // <- the fit
    let expected =
        format!("{}no trainable weight can change the loss term `main`: {CONSTANT}", at("the fit"));
    assert_eq!(model.warnings(), [expected]);
}

#[test]
fn a_weight_that_no_term_reaches() {
    let (used, lost) = (Dense::new(1), Dense::new(2).use_bias(false).name("lost"));
    let model = train(move |x: &Tensor, cx: &mut Context| {
        lost.apply(x, cx); // <- the layer
        used.apply(x, cx)
    });
    let text = "the loss does not depend on `lost/kernel`: training leaves it as it is; freeze it \
        if that is meant";
    assert_eq!(warnings(model), [format!("{}{text}", at("the layer"))]);
}

struct Idle;

impl Metric for Idle {
    fn name(&self) -> &str {
        "idle"
    }
    fn update(&self, _: &Tensor, _: &Tensor, _: Option<&Tensor>, _: &mut Context) {}
    fn result(&self, cx: &mut Context) -> Tensor {
        cx.constant(0.0_f32)
    }
}

#[test]
fn a_metric_that_is_never_updated() {
    let mut model = Model::new(Dense::new(1));
    model.compile("sgd", "mse", [Idle]);
    model.fit(&data(), Fit::epochs(1)).unwrap(); // <- the fit with an idle metric
    let text = "the metric `idle` is never updated: its `update` assigns to no variable";
    assert_eq!(model.warnings(), [format!("{}{text}", at("the fit with an idle metric"))]);
}

/// A model with two compiled metrics, one of which makes its variables at its first update.
fn with_metrics(eager: bool) -> Model {
    let mut model = Model::new(Dense::new(1)).run_eagerly(eager);
    model.compile("sgd", "mse", (R2Score::new(), "mae"));
    model
}

const UNCHANGED: &str = "the training step changes no trainable weight: it calls neither \
    `step.minimize` nor an optimizer; end it with \
                         `step.minimize(&terms, cx)`";

#[test]
fn a_step_of_ones_own_that_forgets_the_update() {
    for eager in [false, true] {
        let mut model = with_metrics(eager);
        #[rustfmt::skip]
        model.train_step(|step, cx| { // <- the step without an update
            let y_pred = step.apply(step.inputs(), cx);
            step.update_metrics(&y_pred, cx);
            step.losses(&y_pred, cx)
        });
        model.build([16, 3]).unwrap();
        let error = model.fit(&data(), Fit::epochs(1).deny_warnings(true)).unwrap_err();
        assert_eq!(error.message(), UNCHANGED);
        assert_eq!(warnings(model), [format!("{}{UNCHANGED}", at("the step without an update"))]);
    }
}

#[test]
fn a_step_of_ones_own_that_forgets_the_metrics() {
    for eager in [false, true] {
        let mut model = with_metrics(eager);
        #[rustfmt::skip]
        model.train_step(|step, cx| { // <- the step without metrics
            let y_pred = step.apply(step.inputs(), cx);
            let terms = step.losses(&y_pred, cx);
            step.minimize(&terms, cx);
            terms
        });
        let text = |name: &str| {
            format!(
                "{}the training step does not update the metric `{name}`, which stays as after a \
                    reset: call \
                 `step.update_metrics(&outputs, cx)`, or compile without it",
                at("the step without metrics")
            )
        };
        assert_eq!(warnings(model), [text("r2_score"), text("mae")]);
    }
}

#[test]
fn a_step_of_ones_own_with_another_optimizer_and_metrics_updated_one_by_one_is_meant() {
    let (optimizer, metric) = (Sgd::new(0.1), std::sync::Arc::new(RootMeanSquaredError::new()));
    let mut model = Model::new(Dense::new(1));
    model.compile("adam", "mse", [metric.clone()]);
    model.train_step(move |step, cx| {
        let y_pred = step.apply(step.inputs(), cx);
        let terms = step.losses(&y_pred, cx);
        let gradients = cx.gradients(terms.total(), step.trainable_weights());
        optimizer.apply(&gradients, cx);
        metric.update(&step.targets()[0], &y_pred, None, cx);
        terms
    });
    assert_eq!(warnings(model), [""; 0]);
}

/// A model of layers called `hidden` and `out` that is compiled.
fn named() -> Model {
    train(
        Sequential::new()
            .add(Dense::new(4).activation("tanh").name("hidden"))
            .add(Dense::new(1).name("out")),
    )
}

#[test]
fn a_probe_that_shows_nothing() {
    let mut model = named();
    model.build([16, 3]).unwrap();
    model.weight("out/bias").unwrap().set_trainable(false);
    let probes = [
        Probe::activations("hiden*"),
        Probe::weights("kernl"),
        Probe::gradients("out/bias"),
        Probe::updates("momentum"),
        Probe::activations("hid*"),
    ];
    let options =
        probes.into_iter().fold(Fit::epochs(2), |options, probe| options.probe(probe.every(1)));
    model.fit(&data(), options).unwrap(); // <- the fit with probes
    let updated = "`sequential/hidden/kernel`, `sequential/hidden/bias`, `sequential/out/kernel`";
    let expected = [
        "the probe of activations shows nothing: no layer matches `hiden*`; did you mean `hidden`?"
            .to_string(),
        "the probe of weights shows nothing: no weight matches `kernl`; did you mean `kernel`?"
            .to_string(),
        format!(
            "the probe of gradients shows nothing: no weight that has a gradient matches \
                `out/bias`; there are {updated}"
        ),
        format!(
            "the probe of updates shows nothing: no weight that is updated matches `momentum`; \
                there are {updated}"
        ),
    ];
    assert_eq!(
        model.warnings(),
        expected.map(|text| format!("{}{text}", at("the fit with probes")))
    );
}

#[test]
fn a_probe_that_shows_nothing_can_be_denied() {
    let mut model = named();
    model.build([16, 3]).unwrap();
    model.fit(&data(), Fit::epochs(1)).unwrap();
    let before = model.weights()[0].value();
    let options = Fit::epochs(1).deny_warnings(true).probe(Probe::activations("output"));
    let error = model.fit(&data(), options).unwrap_err();
    let text = "the probe of activations shows nothing: no layer matches `output`; there are \
                `sequential/hidden`, `sequential/out`, `sequential`";
    assert_eq!(error.message(), text);
    assert_eq!(error.advice(), Some("fix it, or train without `deny_warnings`"));
    assert_eq!(model.weights()[0].value(), before);
}

#[test]
fn a_term_for_layers_that_are_not_there() {
    let mut model = named();
    model.add_loss_at("hiden*", "sparsity", |z| z.abs().mean()); // <- the term at no layer
    model.add_metric_at("encoder", "size", |z| z.square().mean()); // <- the metric at no layer
    let expected = [
        format!(
            "{}`sparsity` is added nowhere: no layer matches `hiden*`; did you mean `hidden`?",
            at("the term at no layer")
        ),
        format!(
            "{}`size` is added nowhere: no layer matches `encoder`; there are `sequential`, \
                `sequential/hidden`, `sequential/out`",
            at("the metric at no layer")
        ),
    ];
    assert_eq!(warnings(model), expected);
}

#[test]
fn warnings_that_are_denied_are_errors_before_a_weight_changes() {
    for eager in [false, true] {
        let dense = Dense::new(1);
        let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
            cx.add_loss("inputs", x.square().mean()); // <- the denied term
            dense.apply(x, cx)
        })
        .run_eagerly(eager);
        model.compile("sgd", "mse", ());
        model.build([16, 3]).unwrap();
        let before = model.weights()[0].value();
        let deny = || Fit::epochs(1).deny_warnings(true);
        let error = model.fit(&data(), deny()).unwrap_err();
        assert_eq!(
            error.message(),
            format!("no trainable weight can change the loss term `inputs`: {CONSTANT}")
        );
        let site = error.site().unwrap();
        assert_eq!(format!("{}:{}: ", site.file(), site.line()), at("the denied term"));
        assert_eq!(error.advice(), Some("fix it, or train without `deny_warnings`"));
        assert_eq!(model.weights()[0].value(), before);
        // Also where the step is known already.
        model.fit(&data(), Fit::epochs(1)).unwrap();
        assert_eq!(model.fit(&data(), deny()).unwrap_err().message(), error.message());
    }
}

#[test]
fn what_is_meant_is_not_warned_of() {
    // The penalty and the activity of a layer that was frozen; batch statistics; a term that trains
    // a part only.
    let layers = Sequential::new()
        .add(
            Dense::new(4)
                .kernel_regularizer(L2(0.01))
                .activity_regularizer(L1(0.01))
                .name("frozen"),
        )
        .add(BatchNormalization::new())
        .add(Dropout::new(0.5))
        .add(Dense::new(1).kernel_regularizer(L2(0.01)));
    let model = train(layers);
    model.build([16, 3]).unwrap();
    let freeze = |weight: &Variable| weight.set_trainable(!weight.name().contains("frozen"));
    model.weights().iter().filter(|weight| weight.is_trainable()).for_each(freeze);
    assert_eq!(warnings(model), [""; 0]);

    let (encoder, decoder) = (Dense::new(1), Dense::new(3));
    let partly = train(move |x: &Tensor, cx: &mut Context| {
        let z = encoder.apply(x, cx);
        let error = decoder.apply(&z.stop_gradient(), cx) - x;
        cx.add_loss("reconstruction", error.square().mean());
        z
    });
    assert_eq!(warnings(partly), [""; 0]);

    let (encoder, out) = (Dense::new(2), Dense::new(1));
    let mut inside = Model::new(move |x: &Tensor, cx: &mut Context| {
        let z = encoder.apply(x, cx);
        cx.add_loss("size", z.square().mean());
        out.apply(&z, cx)
    });
    inside.compile("sgd", (), ());
    assert_eq!(warnings(inside), [""; 0]);

    let mut from_outside = train(Dense::new(1));
    from_outside.build([16, 3]).unwrap();
    let kernel = from_outside.weight("kernel").unwrap();
    from_outside.add_loss("decay", move |cx| 0.5 * cx.read(&kernel).square().sum());
    assert_eq!(warnings(from_outside), [""; 0]);
}

#[test]
fn evaluation_and_prediction_do_not_warn() {
    let (used, lost) = (Dense::new(1), Dense::new(2));
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        lost.apply(x, cx);
        cx.add_loss("inputs", x.square().mean());
        used.apply(x, cx)
    });
    model.compile("sgd", "mse", [Idle]);
    model.evaluate(&data()).unwrap();
    model.predict(data().inputs()).unwrap();
    assert_eq!(model.warnings(), [""; 0]);
}

/// What a fit with warnings denied says of a net and its loss.
fn denied(net: Sequential, loss: &str, y: impl Into<endo::data::Arrays>) -> String {
    let mut model = Model::new(net);
    model.compile("sgd", loss, ());
    let data = Dataset::new([[1.0_f32, 2.0], [0.5, 0.0]], y.into()).unwrap();
    model
        .fit(&data, Fit::epochs(1).deny_warnings(true))
        .map_or_else(|error| error.to_string(), |_| String::new())
}

#[test]
fn activations_that_do_not_go_with_the_loss() {
    let net = |units: usize, activation: &'static str| {
        Sequential::new().add(Dense::new(units).activation(activation))
    };
    let one = denied(net(1, "softmax"), "binary_crossentropy", [[0.0_f32], [1.0]]);
    assert!(one.contains("a `softmax` of one unit, which is always 1"), "{one}");
    // Attention to a single step is a softmax of one number, and meant.
    let mut model = Model::new(
        Sequential::new().add(MultiHeadAttention::new(1, 2)).add(Flatten::new()).add(Dense::new(1)),
    );
    model.compile("sgd", "mse", ());
    let steps = Dataset::new([[[1.0_f32, 2.0]], [[0.5, 0.0]]], [[0.0_f32], [1.0]]).unwrap();
    model.fit(&steps, Fit::epochs(1).deny_warnings(true)).unwrap();
    let twice =
        denied(net(3, "softmax"), "sparse_categorical_crossentropy(from_logits=true)", [0, 2]);
    assert!(twice.contains("its predictions are those of a `softmax`"), "{twice}");
    let twice =
        denied(net(1, "sigmoid"), "binary_crossentropy(from_logits=true)", [[0.0_f32], [1.0]]);
    assert!(twice.contains("its predictions are those of a `sigmoid`"), "{twice}");
    let quotient = |x: &Tensor| x.exp() / 3.0;
    let odds = Sequential::new().add(Dense::new(3).activation(quotient));
    assert_eq!(denied(odds, "sparse_categorical_crossentropy(from_logits=true)", [0, 2]), "");
    assert_eq!(
        denied(net(3, "linear"), "sparse_categorical_crossentropy(from_logits=true)", [0, 2]),
        ""
    );
    assert_eq!(denied(net(3, "softmax"), "sparse_categorical_crossentropy", [0, 2]), "");
    assert_eq!(denied(net(1, "sigmoid"), "binary_crossentropy", [[0.0_f32], [1.0]]), "");
}

#[test]
fn frozen_weights_that_an_optimizer_is_given() {
    let (model, optimizer) = (Model::new(Dense::new(1).kernel_initializer(Ones)), Sgd::new(0.1));
    model.build([1, 1]).unwrap();
    model.weights()[0].freeze();
    let mut step = Function::new(|[x], cx| {
        let loss = model.apply(&x, cx).square().mean();
        optimizer.apply(&cx.gradients(&loss, model.weights()), cx);
        [loss]
    });
    step.run([&[[1.0_f32]].into()]).unwrap();
    assert_eq!(model.weights()[0].value().get(0), 1.0);
    assert!(model.weights()[1].value().get(0) < 0.0);
    let said = step.warnings().join("\n");
    assert!(
        said.contains("gradients of frozen weights, which stay as they are: `kernel`"),
        "{said}"
    );
}

#[test]
fn data_of_double_precision_for_a_model_of_single() {
    let fitted = |x: Array, dtype: DType| {
        let mut model = Model::new(Dense::new(1)).dtype(dtype);
        model.compile("sgd", "mse", ());
        let data = Dataset::new(x, [[1.0_f32], [2.0]]).unwrap();
        model
            .fit(&data, Fit::epochs(1).deny_warnings(true))
            .map_or_else(|error| error.to_string(), |_| String::new())
    };
    let double = Array::from([[1.0, 2.0], [3.0, 4.0]]);
    let said = fitted(double.clone(), DType::F32);
    assert!(
        said.contains("weights of f32 are computed with in f64") && said.contains("lints.rs"),
        "{said}"
    );
    assert_eq!(fitted(double.clone(), DType::F64), "");
    assert_eq!(fitted(double.cast(DType::F32), DType::F32), "");
    assert_eq!(fitted(Array::from([[1, 2], [3, 4]]), DType::F32), "");
    // A penalty that is taken in double precision says nothing of the data.
    let penalty = |w: &Tensor| 0.01 * w.cast(DType::F64).square().sum();
    let mut model = Model::new(Dense::new(1).kernel_regularizer(penalty));
    model.compile("sgd", "mse", ());
    let data = Dataset::new(double.cast(DType::F32), [[1.0_f32], [2.0]]).unwrap();
    model.fit(&data, Fit::epochs(1).deny_warnings(true)).unwrap();
}
