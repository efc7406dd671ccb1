//! Several passes through a model in one step: whose terms each has, and which of them nobody asks
//! for.

use endo::prelude::*;

use super::{assert_near, first_weight, line};

/// A line through 0 whose outputs' size is a term, with a penalty.
fn sized() -> Model {
    let dense = Dense::new(1).use_bias(false).kernel_initializer(Ones).kernel_regularizer(L2(0.5));
    Model::new(move |x: &Tensor, cx: &mut Context| {
        let y = dense.apply(x, cx);
        cx.add_loss("size", y.abs().mean());
        y
    })
}

#[test]
fn each_pass_of_a_step_has_the_terms_of_its_own() {
    let mut model = sized();
    model.compile(Sgd::new(0.0), "mse", ());
    model.train_step(|step, cx| {
        let first = step.apply(step.inputs(), cx);
        let second = step.apply(&(step.inputs() * 3.0), cx);
        cx.add_loss("outside", cx.constant(0.25_f32));
        let (one, other) = (step.losses(&first, cx), step.losses(&second, cx));
        let scaled = step.losses(&(&second * 2.0), cx);
        step.minimize(&one, cx);
        Terms::new([
            ("one", one.total().clone()),
            ("other", other.total().clone()),
            ("scaled", scaled.total().clone()),
        ])
    });
    let data = Dataset::new([[2.0_f32], [4.0]], [[2.0_f32], [4.0]]).unwrap();
    let logs = model.train_on_batch(&data).unwrap();
    // The error is (k - 1)^2 of the mean square 10, the size k times 3, the penalty 0.5, and what
    // the step has added 0.25.
    let expected = |k: f64, size: f64| 10.0 * (k - 1.0).powi(2) + size + 0.75;
    assert_near(logs.get("one"), expected(1.0, 3.0));
    assert_near(logs.get("other"), expected(3.0, 9.0));
    assert_near(logs.get("scaled"), expected(6.0, 9.0));
}

#[test]
fn a_sharpness_aware_step_is_the_one_by_hand() {
    // Foret et al. 2021, equation 4: the gradient where the loss is largest nearby.
    let (rho, rate) = (0.05, 0.1);
    let mut model = sized();
    model.compile(Sgd::new(rate), "mse", ());
    model.train_step(move |step, cx| {
        let weights = step.trainable_weights();
        let terms = step.losses(&step.apply(step.inputs(), cx), cx);
        let ascent = cx.gradients(terms.total(), &weights);
        let ascent: Vec<Tensor> = ascent.into_tensors().into_iter().flatten().collect();
        let norm = ascent
            .iter()
            .map(|gradient| gradient.square().sum())
            .reduce(|a, b| a + b)
            .unwrap()
            .sqrt();
        let before: Vec<Tensor> = weights.iter().map(|weight| cx.read(weight)).collect();
        for (weight, (value, up)) in weights.iter().zip(before.iter().zip(&ascent)) {
            cx.assign(weight, value + up / &norm * rho);
        }
        let sharp = step.losses(&step.apply(step.inputs(), cx), cx);
        let gradients = cx.gradients(sharp.total(), &weights);
        for (weight, value) in weights.iter().zip(&before) {
            cx.assign(weight, value);
        }
        step.apply_gradients(&gradients, cx);
        terms
    });
    let data = Dataset::new([[2.0_f32], [4.0]], [[1.0_f32], [3.0]]).unwrap();
    model.train_on_batch(&data).unwrap();
    // d/dw of mean((w x - y)^2) + mean(|w x|) + 0.5 w^2, of which the penalty is that of the
    // weights at the start.
    let slope = |w: f64| 2.0 * ((2.0 * w - 1.0) * 2.0 + (4.0 * w - 3.0) * 4.0) / 2.0 + 3.0;
    let up = 1.0 + rho * (slope(1.0) + 1.0).signum();
    assert_near(first_weight(&model), 1.0 - rate * (slope(up) + 1.0));
}

#[test]
fn a_pass_whose_terms_nobody_asks_for_is_warned_of() {
    let mut model = sized();
    model.compile(Sgd::new(0.0), "mse", ());
    model.train_step(|step, cx| {
        step.apply(&(step.inputs() * 3.0), cx);
        let terms = step.losses(&step.apply(step.inputs(), cx), cx);
        step.minimize(&terms, cx);
        terms
    });
    let data = Dataset::new([[2.0_f32]], [[2.0_f32]]).unwrap();
    let error = model.fit(&data, Fit::epochs(1).deny_warnings(true)).unwrap_err();
    assert!(
        error.to_string().contains("the terms of a pass are in no loss: `lambda/size`"),
        "{error}"
    );
}

#[test]
fn a_term_that_is_added_once_is_one_of_each_pass() {
    let factor = Variable::new("factor", 2.0_f32);
    let read = factor.clone();
    let mut model = Model::new(line(1.0));
    model.add_loss("once", move |cx| cx.read(&read).square());
    model.compile(Sgd::new(0.0), (), ());
    model.train_step(|step, cx| {
        let [first, second] = [1.0, 2.0].map(|scale| step.apply(&(step.inputs() * scale), cx));
        let [one, other] =
            [&first, &second].map(|outputs| step.losses(outputs, cx).total().clone());
        step.minimize(&other, cx);
        Terms::new([("one", one), ("other", other)])
    });
    let logs = model.train_on_batch(&Dataset::inputs_only([[1.0_f32], [3.0]]).unwrap()).unwrap();
    assert_eq!((logs.get("one"), logs.get("other")), (Some(4.0), Some(4.0)));
}
