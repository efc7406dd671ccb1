//! Losses and metrics based on model internals: the reconstructing regressor, penalties on weights
//! and activations, metrics.
//!
//! In: the chapter's model. Out: terms that add up, reported by name, and gradients that reach the
//! layers that they should.

use std::sync::{Arc, OnceLock};

use endo::prelude::*;

use super::{assert_near, made_up_data};

/// The chapter's `ReconstructingRegressor`, with its metric as a field.
struct ReconstructingRegressor {
    hidden: Vec<Dense>,
    reconstruct: OnceLock<Dense>, // sized by the first input: what Keras does in build()
    out: Dense,
    reconstruction_mean: Mean,
}

impl ReconstructingRegressor {
    fn new(output_dim: usize) -> Self {
        let hidden = || Dense::new(30).activation("relu").kernel_initializer("he_normal");
        let reconstruction_mean = Mean::new("reconstruction_error");
        Self {
            hidden: (0..5).map(|_| hidden()).collect(),
            reconstruct: OnceLock::new(),
            out: Dense::new(output_dim),
            reconstruction_mean,
        }
    }
}

impl Layer for ReconstructingRegressor {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let mut z = inputs.clone();
        for layer in &self.hidden {
            z = layer.apply(&z, cx);
        }
        let reconstruct = self.reconstruct.get_or_init(|| Dense::new(inputs.features()));
        let error = (reconstruct.apply(&z, cx) - inputs).square().mean();
        cx.add_loss("reconstruction", 0.05 * &error);
        self.reconstruction_mean.update(&error, cx);
        self.out.apply(&z, cx)
    }
}

fn compiled(layer: impl Layer + 'static) -> Model {
    let mut model = Model::new(layer);
    model.compile(Nadam::default(), MeanSquaredError, ["mse"]);
    model
}

#[test]
fn the_reconstruction_is_a_term_of_the_loss() {
    let data = made_up_data(96);
    let mut model = compiled(ReconstructingRegressor::new(1));
    let history = model.fit(&data, Fit::epochs(5).validation(&data)).unwrap();
    for epoch in &history.epochs {
        let terms = &epoch.ledger.terms;
        assert_eq!([&*terms[0].0, &*terms[1].0], ["main", "reconstruction"]);
        assert_near([terms[0].1 + terms[1].1], [epoch.ledger.total]);
    }
    assert!(history.get("loss")[4] < history.get("loss")[0]);
    assert!(history.last("val_loss").is_some());
}

#[test]
fn a_metric_held_as_a_field_is_reported_and_reset_every_epoch() {
    let mut model = compiled(ReconstructingRegressor::new(1));
    let history = model.fit(&made_up_data(96), Fit::epochs(3)).unwrap();
    for epoch in &history.epochs {
        // Batches of equal size, so that their mean is that of the samples.
        let error = epoch.logs.get("reconstruction_error").unwrap();
        assert_near([0.05 * error], [epoch.ledger.terms[1].1]);
    }
}

#[test]
fn the_reconstruction_alone_can_be_trained_on() {
    let mut model = Model::new(ReconstructingRegressor::new(1));
    model.compile(Nadam::default(), (), ());
    let inputs = Dataset::inputs_only(made_up_data(96).inputs()).unwrap();
    let losses = model.fit(&inputs, Fit::epochs(5)).unwrap().get("loss");
    assert!(losses[4] < losses[0], "{losses:?}");
}

/// One unit without bias, of weight 2: a term on its weight, and one on its activation.
struct Penalized {
    unit: Dense,
}

impl Layer for Penalized {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let z = self.unit.apply(inputs, cx);
        if let Some(kernel) = self.unit.kernel() {
            let kernel = cx.read(kernel);
            cx.add_loss("weight", 0.5 * kernel.square().sum());
        }
        cx.add_loss("activation", 0.1 * z.abs().mean());
        z
    }
}

fn unit() -> Dense {
    Dense::new(1).use_bias(false).kernel_initializer("constant(2)")
}

/// What one step of rate 0.1 on inputs 1 and 3 with targets 0 reports, and the weight after it.
fn step(layer: impl Layer + 'static) -> (Logs, f64) {
    let mut model = Model::new(layer);
    model.compile(Sgd::new(0.1), MeanSquaredError, ());
    let logs = model
        .train_on_batch(&Dataset::new([[1.0_f32], [3.0]], [[0.0_f32], [0.0]]).unwrap())
        .unwrap();
    (logs, model.weights()[0].value().get(0))
}

#[test]
fn any_weight_and_any_activation_can_be_penalized() {
    let (logs, weight) = step(Penalized { unit: unit() });
    // mse = mean(4, 36) = 20, weight = 0.5 * 4, activation = 0.1 * mean(2, 6)
    assert_near([logs.get("loss").unwrap()], [20.0 + 2.0 + 0.4]);
    // d mse = mean(2 * 2 * 1, 2 * 6 * 3) = 20, d weight = 2, d activation = 0.1 * mean(1, 3)
    assert_near([weight], [2.0 - 0.1 * (20.0 + 2.0 + 0.2)]);
}

#[test]
fn regularizers_of_weights_and_activations_are_the_same_terms() {
    let (logs, weight) = step(unit().kernel_regularizer(L2(0.5)).activity_regularizer(L1(0.1)));
    // The activity penalty is the sum over the batch, divided by its size: 0.1 * (2 + 6) / 2.
    assert_near([logs.get("loss").unwrap(), weight], [22.4, 2.0 - 0.1 * 22.2]);
}

/// A shared layer that adds a loss, and a head of its own.
fn with_head(shared: &Arc<Penalized>) -> impl Layer + use<> {
    Sequential::new().add(shared.clone()).add(Dense::new(1).kernel_initializer("ones"))
}

#[test]
fn a_layer_used_by_two_models_has_its_terms_in_each() {
    let shared = Arc::new(Penalized { unit: unit() });
    let [mut first, second] = [with_head(&shared), with_head(&shared)].map(compiled);
    let data = Dataset::new([[1.0_f32], [3.0]], [[0.0_f32], [0.0]]).unwrap();
    let losses = [first.evaluate(&data), second.evaluate(&data)]
        .map(|logs| logs.unwrap().get("loss").unwrap());
    assert_near(losses, [22.4, 22.4]);
    let before = second.predict(data.inputs()).unwrap();
    first.fit(&data, Fit::epochs(1)).unwrap();
    assert_ne!(second.predict(data.inputs()).unwrap(), before);
    assert_eq!(first.weights()[0], second.weights()[0]);
}

#[test]
fn both_models_in_one_trace_keep_their_terms_apart() {
    let shared = Arc::new(Penalized { unit: unit() });
    let [first, second] = [with_head(&shared), with_head(&shared)].map(compiled);
    let mut both = Function::new(|[x], cx| {
        first.apply(&x, cx);
        let once = cx.losses().len();
        second.apply(&x, cx);
        let [of_first, of_second] = [&first, &second].map(|model| model.losses(cx));
        assert_eq!([once, of_first.len(), of_second.len()], [2, 2, 2]);
        [of_first.into_iter().chain(of_second).reduce(|sum, term| sum + term).unwrap()]
    });
    assert_near([both.run([&[[1.0_f32], [3.0]].into()]).unwrap()[0].item().unwrap()], [4.8]);
}

#[test]
fn a_term_on_weights_alone_is_added_around_any_layer() {
    // What Keras writes as `model.add_loss(lambda: ...)`.
    let unit = unit();
    let (logs, weight) = step(move |x: &Tensor, cx: &mut Context| {
        let z = unit.apply(x, cx);
        let kernel = cx.read(unit.kernel().expect("made when the unit was applied"));
        cx.add_loss("weight", 0.5 * kernel.square().sum());
        z
    });
    assert_near([logs.get("loss").unwrap(), weight], [22.0, 2.0 - 0.1 * 22.0]);
}

#[test]
fn class_weights_and_masks_leave_terms_and_penalties_alone() {
    // Rows 1 and 3 are classes 0 and 1; the term and the penalty are 2.5 and 0.5 whatever the rows
    // weigh.
    let unit =
        || Dense::new(1).use_bias(false).kernel_initializer("ones").kernel_regularizer(L2(0.5));
    let data = Dataset::new([[1.0_f32], [3.0]], [0, 1]).unwrap();
    for (masked, data, main) in [
        (false, data.clone(), (1.0 + 4.0) / 2.0),
        (
            false,
            data.clone().with_class_weight([(0, 10.0), (1, 2.0)]).unwrap(),
            (10.0 + 2.0 * 4.0) / 2.0,
        ),
        (true, data, 1.0),
    ] {
        let unit = unit();
        let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
            let z = unit.apply(x, cx);
            cx.add_loss("size", x.mean() + 0.5);
            if masked {
                let mask = cx.constant([true, false]);
                cx.set_mask(&z, &mask);
            }
            z
        });
        let squared =
            |y_true: &Tensor, y_pred: &Tensor| (y_pred - y_true.cast(DType::F32)).square();
        model.compile(Sgd::new(0.0), squared, ());
        let logs = model.evaluate(&data).unwrap();
        assert_near(
            ["main", "size", "penalty(dense/kernel)"].map(|name| logs.get(name).unwrap()),
            [main, 2.5, 0.5],
        );
    }
}
