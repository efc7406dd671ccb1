//! Numbers that go wrong in training: which operation made the first, in which layer, at which
//! line, in which rows.
//!
//! In: models and loops with a logarithm, an exponential, weights or data that are not finite.
//! Nothing changes; or, if `fit` is told to go on, the batch is left out and counted.

use endo::prelude::*;

use super::{MarkedSite, expect, place};

/// The line of this file that ends with `// <- mark`.
fn marked(mark: &str) -> MarkedSite<'static> {
    place("numbers.rs", include_str!("numbers.rs"), mark)
}

/// Takes the logarithm of what it is given, then normalizes and drops: what it gives for a row
/// depends on all rows.
struct Logarithmic {
    dropout: Dropout,
    normalize: BatchNormalization,
    out: Dense,
}

impl Logarithmic {
    fn new() -> Self {
        Self {
            dropout: Dropout::new(0.5),
            normalize: BatchNormalization::new(),
            out: Dense::new(1),
        }
    }
}

impl Layer for Logarithmic {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let z = inputs.log(); // <- log
        let z = self.normalize.apply(&z, cx);
        self.out.apply(&self.dropout.apply(&z, cx), cx)
    }
}

fn logarithmic(eager: bool) -> Model {
    let mut model = Model::new(Logarithmic::new()).seed(3).threads(1).run_eagerly(eager);
    model.compile(Nadam::default().use_ema(true), MeanSquaredError, [MeanAbsoluteError]);
    model
}

/// Batches of 4 rows of 2 numbers; those of `bad` are -2.
fn rows(count: usize, bad: &[usize]) -> Dataset {
    let x = Array::from_fn([count, 2], |place| {
        if bad.contains(&(place / 2)) { -2.0 } else { 1.0 + 0.25 * place as f32 }
    });
    Dataset::new(x, Array::from_fn([count, 1], |row| (row % 3) as f32)).unwrap()
}

/// Everything that a step may change.
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

const DOMAIN: &str = "keep what it is given where it is defined, as in `x.maximum(1e-7).log()`";

#[test]
fn the_logarithm_of_a_negative_number_in_a_layer() {
    for eager in [false, true] {
        let mut model = logarithmic(eager);
        let message = "epoch 1, step 2: the loss term `main` is not finite; nothing was updated: \
                       `log` of -2 gave NaN in rows 5 and 7 of the data, counted from 0";
        let result = model.fit(&rows(12, &[5, 7]), Fit::epochs(2).batch_size(4).shuffle(false));
        expect(result, ErrorKind::NotFinite, "logarithmic", marked("log"), message, DOMAIN);
    }
}

#[test]
fn rows_are_those_of_the_data_in_whatever_order_they_came() {
    let error = logarithmic(false).fit(&rows(12, &[6]), Fit::epochs(1).batch_size(4)).unwrap_err();
    assert!(
        error.message().ends_with("`log` of -2 gave NaN in row 6 of the data, counted from 0"),
        "{error}"
    );
}

#[test]
fn a_step_that_was_computed_again_leaves_no_trace_in_what_comes_after() {
    for eager in [false, true] {
        let [mut spared, mut struck] = [logarithmic(eager), logarithmic(eager)];
        for model in [&mut spared, &mut struck] {
            model.train_on_batch(&rows(4, &[])).unwrap();
        }
        let before = state(&struck);
        assert!(struck.train_on_batch(&rows(4, &[0])).is_err());
        assert_eq!(state(&struck), before);
        // Masks of dropout, moving averages and slots go on from where they were.
        let logs =
            [&mut spared, &mut struck].map(|model| model.train_on_batch(&rows(4, &[])).unwrap());
        assert_eq!(logs[0], logs[1]);
        assert_eq!(state(&spared), state(&struck));
        assert_ne!(state(&struck), before);
    }
}

#[test]
fn an_exponential_that_overflows() {
    let dense = Dense::new(2).kernel_initializer("ones");
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let z = dense.apply(x, cx);
        cx.add_loss("energy", z.exp().mean()); // <- exp
        z
    });
    model.compile(Sgd::new(0.1), MeanSquaredError, ());
    let batch =
        Dataset::new([[1.0_f32], [100.0], [2.0]], Array::zeros([3, 2], DType::F32)).unwrap();
    let message = "the loss term `energy` is not finite; nothing was updated: \
                   `exp` of 100 gave inf in row 1 of the batch, counted from 0";
    let help = "lower the learning rate, clip the gradients (`clipnorm`) or scale the data";
    let result = model.train_on_batch(&batch);
    let layer = result.as_ref().unwrap_err().layer().unwrap_or_default().to_string();
    expect(result, ErrorKind::NotFinite, &layer, marked("exp"), message, help);
}

#[test]
fn a_weight_that_is_nan() {
    let mut model = Model::new(Sequential::new().add(Dense::new(2)).add(Dense::new(1)));
    model.compile(Sgd::new(0.1), MeanSquaredError, ());
    model.build([3, 2]).unwrap();
    let weight = model.weight("dense_1/kernel").unwrap();
    weight.set(&Array::from([[1.0_f32], [f32::NAN]])).unwrap();
    let message = "the loss term `main` is not finite; nothing was updated: `dense_1/kernel` held \
        NaN before the step";
    let batch = rows(3, &[]);
    let line = line!() + 1;
    let result = model.train_on_batch(&batch);
    let help = "load weights saved before, or set it anew";
    expect(
        result,
        ErrorKind::NotFinite,
        "sequential/dense_1",
        Some(("numbers.rs", line)),
        message,
        help,
    );
}

#[test]
fn data_that_is_nan_where_nothing_has_looked_at_it() {
    let mut model = Model::new(Dense::new(1));
    model.compile(Sgd::new(0.1), MeanSquaredError, ());
    let (good, bad) =
        (Array::zeros([3, 1], DType::F32), Array::from([[1.0_f32], [f32::INFINITY], [f32::NAN]]));
    let start = "the loss term `main` is not finite; nothing was updated: ";
    for (x, y, name) in [(&bad, &good, "inputs"), (&good, &bad, "targets")] {
        let message =
            format!("{start}`{name}` held inf in rows 1 and 2 of the batch, counted from 0");
        let batch = Dataset::new(x.clone(), y.clone()).unwrap();
        let line = line!() + 1;
        let result = model.train_on_batch(&batch);
        let help = "remove or replace the rows whose numbers are missing or infinite";
        expect(result, ErrorKind::NotFinite, "", Some(("numbers.rs", line)), &message, help);
    }
}

#[test]
fn a_gradient_in_a_loop_of_ones_own() {
    for eager in [false, true] {
        let w = Variable::new("w", Array::from([1.0_f32, 2.0]));
        let optimizer = Sgd::new(0.1);
        let mut step = Function::new(|[x], cx| {
            let loss = (cx.read(&w) * &x).sqrt().sum(); // <- sqrt
            optimizer.apply(&cx.gradients(&loss, [&w]), cx);
            [loss]
        })
        .run_eagerly(eager);
        let result = step.run([&Array::from([1.0_f32, 0.0])]);
        let message = "the gradient of `w` is not finite; nothing was updated: \
                       `divide` of 0.5 and 0 gave inf in row 1 of the batch, counted from 0";
        let help = "the line may stand for the gradient of its operation, as that of `sqrt` at 0";
        expect(result, ErrorKind::NotFinite, "", marked("sqrt"), message, help);
        assert_eq!(w.value(), Array::from([1.0_f32, 2.0]));
        step.run([&Array::from([1.0_f32, 1.0])]).unwrap();
        assert_ne!(w.value(), Array::from([1.0_f32, 2.0]));
    }
}

#[test]
fn a_closure_that_cannot_be_traced_again_has_the_error_without_its_cause() {
    let optimizer = Sgd::new(0.1);
    let mut step = Function::new(|[x], cx| {
        let dense = Dense::new(1); // a mistake of its own: its weight is another in every trace
        let loss = dense.apply(&x.log(), cx).mean();
        let kernel = dense.kernel().unwrap().clone();
        optimizer.apply(&cx.gradients(&loss, [&kernel]), cx);
        [loss]
    });
    step.run([&Array::from([[1.0_f32]])]).unwrap();
    let result = step.run([&Array::from([[-1.0_f32]])]);
    let message = "the gradient of `dense/kernel` is not finite; nothing was updated";
    expect(result, ErrorKind::NotFinite, "", None, message, "look for NaN in the data");
}

#[test]
fn batches_that_are_left_out_are_counted() {
    for eager in [false, true] {
        let [mut whole, mut skipping] = [logarithmic(eager), logarithmic(eager)];
        let fit = || Fit::epochs(2).batch_size(4).shuffle(false);
        // The same with and without the second of three batches.
        let without = rows(12, &[]).take(&[0, 1, 2, 3, 8, 9, 10, 11]).unwrap();
        let wanted = whole.fit(&without, fit()).unwrap();
        let history = skipping.fit(&rows(12, &[6]), fit().non_finite(NonFinite::Skip)).unwrap();
        assert_eq!(history.get("skipped_batches"), [1.0, 1.0]);
        assert_eq!((history.skipped(), history.epochs[1].skipped), (2, 1));
        assert_eq!(history.get("loss"), wanted.get("loss"));
        assert_eq!((wanted.skipped(), wanted.get("skipped_batches")), (0, vec![]));
        assert_eq!(state(&skipping), state(&whole));
        let warnings = skipping.warnings();
        let start = "1 of 3 batches were skipped; epoch 1, step 2: the loss term `main` is not \
            finite; nothing was updated: \
                     `log` of -2 gave NaN in row 6 of the data, counted from 0\n  layer: \
                     `logarithmic`\n  at: ";
        assert!(warnings.iter().any(|warning| warning.starts_with(start)), "{warnings:?}");
    }
}

#[test]
fn an_epoch_without_a_batch_to_train_on() {
    let mut model = logarithmic(false);
    let result = model.fit(
        &rows(8, &[0, 4]),
        Fit::epochs(2).batch_size(4).shuffle(false).non_finite(NonFinite::Skip),
    );
    let message = "all 2 batches were skipped; epoch 1, step 1: the loss term `main` is not \
        finite; nothing was updated: \
                   `log` of -2 gave NaN in row 0 of the data, counted from 0";
    expect(result, ErrorKind::NotFinite, "logarithmic", marked("log"), message, DOMAIN);
}

#[test]
fn other_mistakes_are_not_skipped() {
    let mut model = logarithmic(false);
    let wide = Dataset::new(Array::full([8, 2], 1.0, DType::F32), Array::zeros([8, 3], DType::F32))
        .unwrap();
    let error = model.fit(&wide, Fit::epochs(1).non_finite(NonFinite::Skip)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape, "{error}");
}

#[test]
fn numbers_that_are_not_finite_are_trained_on_if_that_is_asked_for() {
    for eager in [false, true] {
        let mut model = Model::new(Dense::new(1).kernel_initializer("ones")).run_eagerly(eager);
        model.compile(Sgd::new(0.1), |y: &Tensor, y_pred: &Tensor| (y_pred - y).sqrt(), ());
        let data = Dataset::new([[1.0_f32], [2.0], [3.0]], [[0.0_f32], [5.0], [1.0]]).unwrap();
        let options = Fit::epochs(1).batch_size(1).shuffle(false).non_finite(NonFinite::Continue);
        let history = model.fit(&data, options).unwrap();
        // The second, and the third by the weights that it left.
        assert_eq!(history.get("non_finite_batches"), [2.0]);
        assert!(model.weights()[0].value().get(0).is_nan());
        let warning = "2 of 3 batches had a loss that is not finite, and were trained on";
        assert!(model.warnings().iter().any(|known| known == warning), "{:?}", model.warnings());
        assert_eq!(history.skipped(), 0);
    }
}
