//! A step whose loss terms or gradients are not finite changes nothing, and says which they are.
//!
//! In: models that divide by zero when the data tells them to. In `fit`, in single steps, in a
//! custom loop, node by node.

use endo::prelude::*;

/// A scale and a shift; the loss term is infinite where a sample is 0, the gradient of the shift
/// where it is -1.
struct Fragile {
    inner: Dense,
    term: bool,
}

impl Fragile {
    fn new(term: bool) -> Self {
        Self { inner: Dense::new(1).kernel_initializer("ones").bias_initializer("ones"), term }
    }
}

impl Layer for Fragile {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let outputs = self.inner.apply(inputs, cx);
        if self.term {
            cx.add_loss("inverse", (1.0 / inputs).mean());
        } else {
            // sqrt has no slope at 0, where the loss is finite.
            cx.add_loss("root", (&outputs * &outputs).sum_axes([0, 1]).sqrt());
        }
        cx.add_metric("mean", outputs.mean());
        outputs
    }
}

fn batch(values: [f32; 2]) -> Dataset {
    Dataset::new(Array::new([2, 1], values.to_vec()).unwrap(), Array::from([[0.5_f32], [0.25]]))
        .unwrap()
}

/// Everything that a step may change, after one good step.
fn state(model: &Model) -> Vec<Array> {
    let slots = model.optimizer().unwrap().settings().variables();
    let metrics = model.metrics().into_iter().flat_map(|(_, metric)| metric.variables());
    model
        .weights()
        .into_iter()
        .chain(slots)
        .chain(metrics)
        .map(|variable| variable.value())
        .collect()
}

fn model(term: bool, eager: bool) -> Model {
    let mut model = Model::new(Fragile::new(term)).run_eagerly(eager);
    model.compile(Adam::default(), MeanSquaredError, [MeanAbsoluteError]);
    model.train_on_batch(&batch([2.0, 4.0])).unwrap();
    model
}

#[test]
fn an_infinite_term_is_named_and_nothing_changes() {
    for eager in [false, true] {
        let mut model = model(true, eager);
        let before = state(&model);
        let error = model.train_on_batch(&batch([0.0, 4.0])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFinite);
        let cause = "`divide` of 1 and 0 gave inf in row 0 of the batch, counted from 0";
        assert_eq!(
            error.message(),
            format!("the loss term `inverse` is not finite; nothing was updated: {cause}")
        );
        assert_eq!(state(&model), before);
        model.train_on_batch(&batch([2.0, 4.0])).unwrap();
        assert_ne!(state(&model), before);
    }
}

#[test]
fn an_infinite_gradient_is_named_by_its_weight_and_nothing_changes() {
    for eager in [false, true] {
        let mut model = model(false, eager);
        model.set_weights(&[Array::from([[1.0_f32]]), Array::from([0.0_f32])]).unwrap();
        let before = state(&model);
        let error = model.train_on_batch(&batch([0.0, 0.0])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFinite);
        assert!(error.message().starts_with("the gradient of `dense/"), "{error}");
        assert_eq!(state(&model), before);
    }
}

#[test]
fn fit_says_in_which_epoch_and_step_and_keeps_what_the_steps_before_have_done() {
    let mut model = model(true, false);
    let data = Dataset::new(
        Array::from([[1.0_f32], [2.0], [3.0], [0.0]]),
        Array::from([[1.0_f32], [1.0], [1.0], [1.0]]),
    )
    .unwrap();
    let before = state(&model);
    let error = model.fit(&data, Fit::epochs(3).batch_size(1).shuffle(false)).unwrap_err();
    let cause = "`divide` of 1 and 0 gave inf in row 3 of the data, counted from 0";
    assert_eq!(
        error.message(),
        format!(
            "epoch 1, step 4: the loss term `inverse` is not finite; nothing was updated: {cause}"
        )
    );
    assert_ne!(state(&model), before);
    assert!(state(&model).iter().all(Array::is_finite));
}

#[test]
fn a_custom_loop_is_guarded_by_the_optimizer() {
    for eager in [false, true] {
        let w = Variable::new("w", Array::from([1.0_f32, 2.0]));
        let (optimizer, steps) = (Nadam::default(), Sum::new("steps"));
        let mut step = Function::new(|[x], cx| {
            let loss = (cx.read(&w) / &x).sum();
            let gradients = cx.gradients(&loss, [&w]);
            optimizer.apply(&gradients, cx);
            steps.update(&x.ones_like().mean(), cx);
            [loss]
        })
        .run_eagerly(eager);
        step.run([&Array::from([1.0_f32, 1.0])]).unwrap();
        let values = || {
            [w.clone()]
                .into_iter()
                .chain(optimizer.settings().variables())
                .chain(steps.variables())
                .map(|v| v.value())
                .collect::<Vec<_>>()
        };
        let before = values();
        let error = step.run([&Array::from([1.0_f32, 0.0])]).unwrap_err();
        let cause = "`divide` of 1 and 0 gave inf in row 1 of the batch, counted from 0";
        assert_eq!(
            error.message(),
            format!("the gradient of `w` is not finite; nothing was updated: {cause}")
        );
        assert_eq!(values(), before);
        assert_eq!(steps.value().unwrap().item().unwrap(), 1.0);
    }
}
