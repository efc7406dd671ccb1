//! Where endo does not do what Keras does: what is refused, kept apart, added up or left alone
//! instead.
//!
//! In: code that a Keras user may bring along. Out: what the guide's chapter on deviations says of
//! it. That chapter names a test for each row, here or elsewhere; `guide.rs` checks that it exists.

use endo::prelude::*;

use super::{assert_near, made_up_data};

fn column(values: &[f32]) -> Array {
    Array::new([values.len(), 1], values.to_vec()).unwrap()
}

#[test]
fn terms_are_summed_in_f32_or_wider() {
    let mut f = Function::new(|[x, counts], cx| {
        cx.add_loss("narrow", counts.sum());
        cx.add_loss("wide", x.sum());
        assert_eq!(
            [0, 1].map(|term| cx.loss_terms()[term].value.dtype()),
            [DType::F32, DType::F64]
        );
        [cx.losses()[0].clone(), cx.losses()[1].clone()]
    });
    // Counts whose sum a whole number holds, and parts that f32 would round away.
    let [narrow, wide] = f.run([&[1.0_f64, 1e-12].into(), &[2, 3].into()]).unwrap();
    assert_eq!((narrow.item().unwrap(), wide.item().unwrap()), (5.0, 1.0 + 1e-12));
}

#[test]
fn a_closure_compiled_as_a_loss_compares_each_row_with_its_own_target() {
    // `[3]` against `[3, 1]` would broadcast to nine differences.
    let squared = |y_true: &Tensor, y_pred: &Tensor| (y_true - y_pred).square();
    let mut model = Model::new(Sequential::new());
    model.compile(Sgd::new(0.0), squared, [MeanMetricWrapper::new(squared).name("squared")]);
    let data = Dataset::new(column(&[1.0, 2.0, 3.0]), [1.0_f32, 2.0, 5.0]).unwrap();
    let logs = model.evaluate(&data).unwrap();
    assert_near([logs.get("loss").unwrap(), logs.get("squared").unwrap()], [4.0 / 3.0; 2]);
}

#[test]
fn predict_writes_nothing() {
    let calls = Variable::new("calls", 0.0_f32).frozen();
    let counter = calls.clone();
    let count = move |x: &Tensor, cx: &mut Context| {
        let one = cx.constant(1.0_f32);
        cx.assign_add(&counter, one);
        cx.add_metric("size", x.abs().mean());
        x.clone()
    };
    let mut model = Model::new(
        Sequential::new()
            .add(Dense::new(4))
            .add(BatchNormalization::new())
            .add(count)
            .add(Dense::new(1)),
    );
    model.compile(Nadam::default(), MeanSquaredError, ["mae"]);
    let data = made_up_data(64);
    model.fit(&data, Fit::epochs(1)).unwrap();
    let state = |model: &Model| {
        let weights: Vec<Array> = model.weights().iter().map(Variable::value).collect();
        let slots: Vec<Array> =
            model.optimizer().unwrap().settings().variables().iter().map(Variable::value).collect();
        (weights, slots, model.metric_results().unwrap(), calls.value())
    };
    let before = state(&model);
    assert_eq!(before.3.item().unwrap(), 2.0);
    assert_eq!(model.predict(data.inputs()).unwrap(), model.predict(data.inputs()).unwrap());
    assert_eq!(state(&model), before);
}

/// A unit whose weight starts at 2, which reports the size of what goes through it.
struct Watched {
    unit: Dense,
}

impl Watched {
    fn model() -> Model {
        let mut model = Model::new(Self {
            unit: Dense::new(1).use_bias(false).kernel_initializer("constant(2)"),
        });
        model.compile(Sgd::new(0.0), MeanSquaredError, ());
        model
    }
}

impl Layer for Watched {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let z = self.unit.apply(inputs, cx);
        cx.add_metric("size", z.abs().mean());
        z
    }
}

#[test]
fn a_metric_from_inside_is_the_same_in_fit_evaluate_and_a_loop() {
    // Batches of 2 and 1: the mean of the rows is 2 * (1 + 2 + 6) / 3, that of the batches would be
    // 2 * (1.5 + 6) / 2.
    let data = Dataset::new(column(&[1.0, 2.0, 6.0]), column(&[0.0; 3])).unwrap();
    let (mut fitted, evaluated, looped) = (Watched::model(), Watched::model(), Watched::model());
    let fit = fitted.fit(&data, Fit::epochs(2).batch_size(2).shuffle(false)).unwrap();
    let evaluate = evaluated.evaluate_with(&data, Evaluate::new().batch_size(2)).unwrap();
    let mut step =
        Function::new(|[x, y], cx| [mean_squared_error(&y, &looped.apply(&x, cx)).mean()]);
    for (x, y) in data.batches(2).unwrap() {
        step.run([&x, &y]).unwrap();
    }
    let in_loop = looped.metric_results().unwrap();
    assert_eq!(in_loop[0].0, "size");
    assert_near([fit.last("size").unwrap(), evaluate.get("size").unwrap(), in_loop[0].1], [6.0; 3]);
}

#[test]
fn a_constant_and_an_input_are_targets_of_gradients_without_being_watched() {
    let mut f = Function::new(|[x], cx| {
        let constant = cx.constant([2.0_f32, 3.0]);
        let gradients = cx.gradients(&(&constant * &x).sum(), [&constant, &x]).into_tensors();
        <[Tensor; 2]>::try_from(gradients.into_iter().flatten().collect::<Vec<_>>()).unwrap()
    });
    let [by_constant, by_input] = f.run([&[5.0_f32, 7.0].into()]).unwrap();
    assert_eq!((by_constant, by_input), ([5.0_f32, 7.0].into(), [2.0_f32, 3.0].into()));
}

#[test]
fn all_terms_are_reported_by_name_and_add_up_to_the_loss() {
    let hidden = Dense::new(4).kernel_regularizer(L2(0.1)).activity_regularizer(L1(0.01));
    let mut model = Model::new(Sequential::new().add(hidden).add(Dense::new(1)));
    model.compile(Nadam::default(), MeanSquaredError, ());
    let history = model.fit(&made_up_data(80), Fit::epochs(2)).unwrap();
    for epoch in &history.epochs {
        let names: Vec<&str> = epoch.ledger.terms.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["main", "activity", "penalty(dense/kernel)"]);
        assert_near([epoch.ledger.terms.iter().map(|(_, term)| term).sum()], [epoch.ledger.total]);
    }
}

#[test]
fn gradients_of_a_word_that_comes_twice_are_added_before_they_are_squared() {
    let mut model = Model::new(
        Sequential::new()
            .add(Embedding::new(3, 1).embeddings_initializer("zeros"))
            .add(Flatten::new()),
    );
    model.compile(Adagrad::new(0.5).initial_accumulator_value(0.0), (), ());
    model.train_step(|step, cx| {
        let y = step.apply(step.inputs(), cx);
        let terms = Terms::new([("sum", (y * Array::from([3.0, 1.0, 2.0])).sum())]);
        step.minimize(&terms, cx);
        terms
    });
    model.train_on_batch(&Dataset::inputs_only([[1, 1, 2]]).unwrap()).unwrap();
    // The slopes are 3 + 1 and 2: a step of Adagrad is the rate times the slope by its own size,
    // which for 3^2 + 1^2 were 4 / sqrt(10).
    let words = model.weights()[0].value();
    assert_near([0, 1, 2].map(|word| words.get(word)), [0.0, -0.5, -0.5]);
}

#[test]
fn a_part_in_inference_keeps_its_averages_in_fit() {
    let (norm, dense) = (BatchNormalization::new().momentum(0.5), Dense::new(1));
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let y = cx.with_training(false, |cx| norm.apply(x, cx));
        dense.apply(&y, cx)
    });
    model.compile("sgd", "mse", ());
    let data = Dataset::new(column(&[1.0, 3.0]), column(&[0.0; 2])).unwrap();
    model.fit(&data, Fit::epochs(2)).unwrap();
    let average =
        model.weights().into_iter().find(|weight| weight.name().ends_with("moving_mean")).unwrap();
    assert_eq!(average.value().get(0), 0.0);
}
