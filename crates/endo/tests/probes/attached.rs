//! Terms and metrics given to layers from outside: the same as those that a layer adds at the end
//! of its own call.

use std::sync::Arc;

use endo::prelude::*;

use super::two_rows;

/// A dense layer that adds a term and a metric itself, or does not.
struct Hidden {
    dense: Dense,
    adds: bool,
}

impl Layer for Hidden {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let y = self.dense.apply(x, cx);
        if self.adds {
            cx.add_loss("sparsity", 0.1 * y.abs().mean());
            cx.add_metric("largest", y.max());
        }
        y
    }

    fn name(&self) -> Option<&str> {
        Some("hidden")
    }
}

/// `hidden` applied twice, and a layer after it.
fn model(adds: bool) -> Model {
    let hidden = Arc::new(Hidden { dense: Dense::new(1), adds });
    let mut model = Model::new(
        Sequential::new().add(hidden.clone()).add(hidden).add(Dense::new(1).name("out")),
    );
    if !adds {
        model.add_loss_at("hidde?", "sparsity", |activation| 0.1 * activation.abs().mean());
        model.add_metric_at("sequential/hidden", "largest", |activation| activation.max());
    }
    model
}

#[test]
fn they_are_what_the_layer_would_add_itself() {
    let trained = |adds: bool| {
        let mut model = model(adds);
        model.compile(Nadam::default(), MeanSquaredError, ["mae"]);
        let history = model.fit(&two_rows(), Fit::epochs(3).validation(&two_rows())).unwrap();
        let logs: Vec<_> = history
            .epochs
            .into_iter()
            .map(|epoch| (epoch.logs, epoch.ledger, epoch.validation))
            .collect();
        let weights: Vec<Array> = model.weights().iter().map(Variable::value).collect();
        (
            logs,
            weights,
            model.evaluate(&two_rows()).unwrap(),
            model.predict(&[[2.0_f64]].into()).unwrap(),
        )
    };
    let (inside, outside) = (trained(true), trained(false));
    assert_eq!(inside, outside);
    let names: Vec<&str> = outside.2.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["loss", "main", "sparsity", "sparsity_1", "mae", "largest", "largest_1"]);
}

#[test]
fn they_are_among_the_losses_of_a_loop() {
    let losses = |adds: bool| {
        let model = model(adds);
        let mut step = Function::new(|[x], cx| {
            model.apply(&x, cx);
            let terms: Vec<&str> = cx.loss_terms().iter().map(|term| term.path.as_str()).collect();
            assert_eq!(terms, ["sequential/hidden/sparsity", "sequential/hidden/sparsity_1"]);
            let losses = cx.losses();
            [losses[0].clone(), losses[1].clone()]
        });
        step.run([&[[1.0_f32], [-3.0]].into()]).unwrap().clone()
    };
    assert_eq!(losses(true), losses(false));
}

#[test]
fn a_star_reaches_the_layers_inside_a_layer() {
    let terms = |pattern: &'static str| {
        let mut model =
            Model::new(Sequential::new().add(Hidden { dense: Dense::new(1), adds: false }));
        model.add_loss_at(pattern, "size", |activation| activation.square().mean());
        model.compile("sgd", "mse", ());
        let history = model.fit(&two_rows(), Fit::epochs(1)).unwrap();
        history.ledger().terms.into_iter().skip(1).map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(terms("hidden"), ["size"]);
    assert_eq!(terms("hidden*"), ["dense/size", "hidden/size"]);
    assert_eq!(terms("hidden/*"), ["size"]);
}

#[test]
fn another_model_of_the_same_layer_has_none() {
    let shared = Arc::new(Dense::new(1).name("shared"));
    let (mut watched, mut other) = (Model::new(shared.clone()), Model::new(shared));
    watched.add_loss_at("shared", "size", |activation| activation.square().mean());
    watched.compile("sgd", "mse", ());
    other.compile("sgd", "mse", ());
    let data = Dataset::new([[1.0_f32], [2.0]], [[0.0_f32], [1.0]]).unwrap();
    assert!(watched.evaluate(&data).unwrap().get("size").is_some());
    assert_eq!(other.evaluate(&data).unwrap().get("size"), None);
    // Both in one trace: the attachment is of one of them.
    let mut step = Function::new(|[x], cx| {
        let y = watched.apply(&x, cx);
        other.apply(&y, cx);
        assert_eq!(cx.loss_terms().len(), 1);
        [y]
    });
    step.run([&[[1.0_f32]].into()]).unwrap();
}

#[test]
fn each_output_of_a_layer_has_a_term() {
    let dense = Dense::new(1);
    let split = |x: &Tensor, _: &mut Context| (x.clone(), x * 3.0);
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let (a, b) = Layer::<Tensor, (Tensor, Tensor)>::apply(&split, x, cx);
        dense.apply(&(a + b), cx)
    });
    model.add_metric_at("lambda/lambda", "mean", |output| output.mean());
    model.compile("sgd", "mse", ());
    let logs =
        model.evaluate(&Dataset::new([[1.0_f32], [3.0]], [[0.0_f32], [1.0]]).unwrap()).unwrap();
    assert_eq!([logs.get("mean"), logs.get("mean_output_1")], [Some(2.0), Some(6.0)]);
}

#[test]
fn a_term_that_is_no_scalar_or_a_name_that_is_taken_is_refused_at_its_line() {
    let refused = |add: fn(&mut Model)| {
        let mut model = Model::new(Dense::new(2).activity_regularizer(L2(0.1)).name("hidden"));
        model.compile("sgd", "mse", ());
        add(&mut model);
        let data = Dataset::new([[1.0_f32]], [[0.0_f32, 1.0]]).unwrap();
        let error = model.evaluate(&data).unwrap_err();
        assert_eq!(error.layer(), Some("hidden"));
        let site = error.site().unwrap();
        assert!(site.file().ends_with("attached.rs"), "{error}");
        let line = include_str!("attached.rs").lines().nth(site.line() as usize - 1).unwrap();
        (error.message().to_string(), line.trim().rsplit("// <- ").next().unwrap().to_string())
    };
    let vector = |model: &mut Model| {
        model.add_loss_at("*", "size", |activation| activation.square()); // <- a vector
    };
    let metric = |model: &mut Model| {
        model.add_metric_at("*", "size", |activation| activation.square()); // <- a metric
    };
    let taken = |model: &mut Model| {
        model.add_loss_at("hidden", "activity", |activation| activation.mean()); // <- a name
    };
    let message = "the loss term `size` must be a scalar, got shape [1, 2]".to_string();
    assert_eq!(refused(vector), (message, "a vector".to_string()));
    let message = "the metric `size` must be a scalar, got shape [1, 2]".to_string();
    assert_eq!(refused(metric), (message, "a metric".to_string()));
    let message = "two loss terms of one call are called `hidden/activity`".to_string();
    assert_eq!(refused(taken), (message, "a name".to_string()));
}
