//! Missing labels: NaN in targets that a sample weight of 0 covers, in custom loops and in `fit`.
//!
//! In: three samples, of which the second has no label. Out: the losses and weights that the other
//! two give, by hand.

use endo::prelude::*;

/// Predictions `[x, x]` against targets of which the second row is missing.
fn samples() -> Dataset {
    let (x, y) = ([[1.0_f32], [2.0], [3.0]], [[0.0_f32, 0.0], [f32::NAN, f32::NAN], [2.0, 5.0]]);
    Dataset::new(x, y).unwrap().with_sample_weight([1.0_f32, 0.0, 1.0]).unwrap()
}

/// `(1 + (1 + 4) / 2) / 3`.
const LOSS: f64 = 7.0 / 6.0;

/// `1 - 0.1 * (1 + 3) / 3` and `1 - 0.1 * (1 - 2 * 3) / 3`.
const KERNEL: [f64; 2] = [13.0 / 15.0, 7.0 / 6.0];

#[track_caller]
fn assert_near(got: &[f64], expected: &[f64]) {
    let near = |(got, expected): (&f64, &f64)| (got - expected).abs() < 1e-6;
    assert!(
        got.len() == expected.len() && got.iter().zip(expected).all(near),
        "{got:?}, expected {expected:?}"
    );
}

#[test]
fn a_loop_of_ones_own_leaves_them_out() {
    for eager in [false, true] {
        let dense = Dense::new(2).use_bias(false).kernel_initializer("ones");
        let optimizer = Sgd::new(0.1);
        let mut step = Function::new(|[x, y, weight], cx| {
            let loss = MeanSquaredError.apply(&y, &dense.apply(&x, cx), Some(&weight));
            let weights: Vec<Variable> = cx.weights().cloned().collect();
            optimizer.apply(&cx.gradients(&loss, &weights), cx);
            [loss]
        })
        .run_eagerly(eager);
        let data = samples();
        data.check_finite().unwrap();
        let loss = step
            .run([data.inputs(), data.targets().unwrap(), data.sample_weight().unwrap()])
            .unwrap()[0]
            .item()
            .unwrap();
        drop(step);
        assert_near(&[loss], &[LOSS]);
        assert_near(&dense.kernel().unwrap().value().to_vec::<f64>(), &KERNEL);
    }
}

#[test]
fn fit_leaves_them_out_of_the_loss_and_of_all_metrics() {
    let mut model = Model::new(Dense::new(2).use_bias(false).kernel_initializer("ones"));
    model.compile(Sgd::new(0.1), MeanSquaredError, ["mae"]).weighted_metrics(["mse"]);
    let history = model.fit(&samples(), Fit::epochs(1)).unwrap();
    let [loss, mae, mse] = ["loss", "mae", "mse"].map(|name| history.last(name).unwrap());
    assert_near(&[loss, mae, mse], &[LOSS, 1.25, 1.75]);
    assert_near(&model.weights()[0].value().to_vec::<f64>(), &KERNEL);
}

#[test]
fn a_missing_label_that_nothing_covers_is_refused_by_its_row() {
    let error = samples().without_sample_weight().check_finite().unwrap_err();
    assert_eq!(error.message(), "targets[1, 0] is NaN: row 1, column 0, counted from 0");
}

/// A model that masks the rows whose second number is 0.
fn masking() -> Model {
    let dense = Dense::new(1).use_bias(false).kernel_initializer("ones");
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let y = dense.apply(&x.slice(1, 0..1), cx);
        cx.set_mask(&y, &x.slice(1, 1..2).not_equal(0.0).any_axes([-1]));
        y
    });
    model.compile(Sgd::new(0.1), MeanSquaredError, ["mae"]);
    model
}

#[test]
fn a_label_that_a_mask_of_the_model_covers_may_be_missing() {
    let x = [[1.0_f32, 1.0], [2.0, 0.0], [3.0, 1.0]];
    let data = Dataset::new(x, [[0.0_f32], [f32::NAN], [2.0]]).unwrap();
    let mut model = masking();
    let history = model.fit(&data, Fit::epochs(1).validation(&data)).unwrap();
    // (1 + 1) / 2 of the two rows that count, and 1 - 0.1 * 2 * (1 + 3) / 2.
    assert_near(&["loss", "mae"].map(|name| history.last(name).unwrap()), &[1.0, 1.0]);
    assert_near(&model.weights()[0].value().to_vec::<f64>(), &[0.6]);

    let uncovered = Dataset::new(x, [[0.0_f32], [f32::NAN], [f32::NAN]]).unwrap();
    let mut model = masking();
    let error = model.fit(&uncovered, Fit::epochs(1)).unwrap_err();
    assert!(
        error.kind() == ErrorKind::NotFinite && error.message().contains("2 of the data"),
        "{error}"
    );
    assert_near(&model.weights()[0].value().to_vec::<f64>(), &[1.0]);
}
