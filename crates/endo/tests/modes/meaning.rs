//! What losses, terms, weights of samples and metrics mean, in numbers small enough to check by
//! hand.
//!
//! In: models of one or two weights. Each claim stands in SEMANTICS.

use std::sync::Arc;

use endo::prelude::*;

/// One weight, started at a number, times the inputs.
struct Times {
    weight: Weight,
    start: f64,
}

impl Times {
    fn new(start: f64) -> Self {
        Self { weight: Weight::new("w"), start }
    }

    fn value(&self, cx: &mut Context) -> Tensor {
        self.weight.get(self, (), &Constant(self.start), cx)
    }
}

impl Layer for Times {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        inputs * self.value(cx)
    }
}

fn column(values: &[f32]) -> Array {
    Array::new([values.len(), 1], values.to_vec()).unwrap()
}

fn items(values: &[Array]) -> Vec<f64> {
    values.iter().map(|value| value.item().unwrap()).collect()
}

#[test]
fn a_variable_read_after_its_assignment_has_the_new_value() {
    for eager in [false, true] {
        let v = Variable::new("v", 1.0_f32);
        let mut f = Function::new(|[x], cx| {
            let before = cx.read(&v);
            cx.assign(&v, &before + &x);
            cx.assign_add(&v, 10.0 * &x);
            [before, cx.read(&v)]
        })
        .run_eagerly(eager);
        assert_eq!(items(&f.run([&Array::scalar(2.0_f32)]).unwrap()), [1.0, 23.0]);
        assert_eq!(items(&f.run([&Array::scalar(1.0_f32)]).unwrap()), [23.0, 34.0]);
        assert_eq!(v.value(), Array::scalar(34.0_f32));
    }
}

/// A layer that adds the mean of its output to the loss.
struct Penalized(Times);

impl Layer for Penalized {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let outputs = self.0.apply(inputs, cx);
        cx.add_loss("mean", outputs.mean());
        cx.add_metric("largest", outputs.max());
        outputs
    }
}

#[test]
fn two_forward_passes_have_two_sets_of_terms() {
    let model = Model::new(Penalized(Times::new(3.0)));
    let mut f = Function::new(|[a, b], cx| {
        model.apply(&a, cx);
        let mark = cx.mark();
        assert_eq!(cx.losses().len(), 1);
        model.apply(&b, cx);
        let second = cx.loss_terms_since(mark).to_vec();
        assert_eq!(
            second.iter().map(|term| term.path.as_str()).collect::<Vec<_>>(),
            ["penalized/mean_1"]
        );
        let [first, last] = <[Tensor; 2]>::try_from(cx.losses()).unwrap();
        [first, last, second[0].value.clone()]
    });
    let got = f.run([&column(&[1.0, 2.0, 3.0]), &column(&[4.0])]).unwrap();
    assert_eq!(items(&got), [6.0, 12.0, 12.0]);
}

#[test]
fn a_layer_called_twice_contributes_twice_under_two_names() {
    let layer = Arc::new(Penalized(Times::new(2.0)));
    let shared = layer.clone();
    let twice = move |x: &Tensor, cx: &mut Context| shared.apply(&shared.apply(x, cx), cx);
    let mut model = Model::new(twice);
    model.compile(Sgd::new(0.0), (), ());
    let logs = model.train_on_batch(&Dataset::inputs_only(column(&[1.0, 3.0])).unwrap()).unwrap();
    assert_eq!(logs.get("mean"), Some(4.0));
    assert_eq!(logs.get("mean_1"), Some(8.0));
    assert_eq!(logs.get("loss"), Some(12.0));
    assert_eq!([logs.get("largest"), logs.get("largest_1")], [Some(6.0), Some(12.0)]);
}

#[test]
fn the_same_tensor_added_twice_counts_twice() {
    let mut f = Function::new(|[x], cx| {
        let term = x.sum();
        cx.add_loss("first", &term);
        cx.add_loss("second", &term);
        [cx.losses().into_iter().reduce(|a, b| a + b).unwrap()]
    });
    assert_eq!(items(&f.run([&column(&[1.0, 2.0])]).unwrap()), [6.0]);
}

#[test]
fn a_penalty_counts_once_however_many_layers_share_the_weight() {
    let layer = Arc::new(
        Dense::new(1).use_bias(false).kernel_initializer("ones").kernel_regularizer(L2(0.5)),
    );
    let shared = layer.clone();
    let model =
        Model::new(move |x: &Tensor, cx: &mut Context| shared.apply(&shared.apply(x, cx), cx));
    let mut f = Function::new(|[x], cx| {
        model.apply(&x, cx);
        let one = cx.losses().len();
        model.apply(&x, cx);
        assert_eq!([one, cx.losses().len()], [1, 1]);
        [cx.losses()[0].clone()]
    });
    assert_eq!(items(&f.run([&column(&[1.0, 2.0])]).unwrap()), [0.5]);
}

#[test]
fn a_frozen_weight_has_no_penalty_and_its_layers_terms_stay() {
    let dense = || {
        Dense::new(1)
            .use_bias(false)
            .kernel_initializer("ones")
            .kernel_regularizer(L2(0.5))
            .activity_regularizer(L1(1.0))
    };
    for (layer, want) in [
        (dense(), vec!["dense/activity", "dense/kernel"]),
        (dense().trainable(false), vec!["dense/activity"]),
    ] {
        let mut f = Function::new(|[x], cx| {
            layer.apply(&x, cx);
            let names: Vec<String> = cx.loss_terms().iter().map(|term| term.path.clone()).collect();
            let all: Vec<String> =
                names.into_iter().chain(cx.penalties().into_iter().map(|(name, _)| name)).collect();
            assert_eq!(all, want);
            [cx.losses()[0].clone()]
        });
        assert_eq!(items(&f.run([&column(&[1.0, 3.0])]).unwrap()), [2.0]);
    }
}

#[test]
fn a_penalty_is_that_of_the_weights_the_step_starts_with() {
    let mut model = Model::new(
        Dense::new(1).use_bias(false).kernel_initializer("ones").kernel_regularizer(L2(1.0)),
    );
    model.compile(Sgd::new(0.25), MeanSquaredError, ());
    let batch = Dataset::new(column(&[0.0]), column(&[0.0])).unwrap();
    let penalties = [(); 3].map(|()| model.train_on_batch(&batch).unwrap().get("loss").unwrap());
    assert_eq!(penalties, [1.0, 0.25, 0.0625]);
}

#[test]
fn add_metric_does_not_change_gradients() {
    let gradient = |with_metric: bool| {
        let layer = Times::new(2.0);
        let outer = |x: &Tensor, cx: &mut Context| {
            let y = layer.apply(x, cx);
            if with_metric {
                cx.add_metric("cube", y.powf(3.0).mean());
            }
            y
        };
        let mut f = Function::new(|[x], cx| {
            let loss = outer.apply(&x, cx).square().mean();
            let weight = layer.weight.variable().unwrap().clone();
            let through_metric: Vec<Tensor> =
                cx.metric_terms().iter().map(|term| term.value.clone()).collect();
            for metric in through_metric {
                assert_eq!(cx.gradients(&metric, [&weight]).of(&weight).map(|_| ()), None);
            }
            [cx.gradients(&loss, [&weight]).of(&weight).unwrap().clone()]
        });
        f.run([&column(&[1.0, 3.0])]).unwrap()[0].item().unwrap()
    };
    // d/dw mean((w x)^2) = 2 w mean(x^2) = 2 * 2 * 5.
    assert_eq!([gradient(false), gradient(true)], [20.0, 20.0]);
}

#[test]
fn steps_are_weighted_by_samples_and_metrics_by_weights_when_asked() {
    let identity = |x: &Tensor, _: &mut Context| x.clone();
    let mut model = Model::new(identity);
    model.compile(Sgd::new(0.0), MeanSquaredError, [MeanSquaredError]);
    model.weighted_metrics([MeanSquaredError]);
    let data = Dataset::new(column(&[0.0, 1.0, 2.0, 3.0, 4.0]), column(&[0.0; 5])).unwrap();
    let data = data.with_sample_weight([1.0_f32, 1.0, 1.0, 10.0, 10.0]).unwrap();
    let logs = model.evaluate_with(&data, Evaluate::new().batch_size(3)).unwrap();
    assert!((logs.get("loss").unwrap() - 51.0).abs() < 1e-6, "{logs}");
    assert_eq!(logs.get("mean_squared_error"), Some(6.0));
    assert!((logs.get("weighted_mean_squared_error").unwrap() - 11.0870).abs() < 5e-5, "{logs}");
}

#[test]
fn sample_weights_of_one_axis_and_of_a_column_mean_the_same() {
    // Losses [batch, t] with t = batch, where broadcasting along the last axis would go unnoticed.
    let x = Array::from_fn([3, 3, 1], |i| i as f32);
    let y = Array::from_fn([3, 3, 1], |i| (i * i) as f32 / 8.0);
    let loss = |weight: Array| {
        let mut model = Model::new(|x: &Tensor, _: &mut Context| x.clone());
        model.compile(Sgd::new(0.0), MeanSquaredError, ());
        let data = Dataset::new(x.clone(), y.clone()).unwrap().with_sample_weight(weight).unwrap();
        model.evaluate(&data).unwrap().get("loss").unwrap()
    };
    let want: f64 = (0..9)
        .map(|i| ((i as f64) - (i * i) as f64 / 8.0).powi(2) * [1.0, 2.0, 4.0][i / 3])
        .sum::<f64>()
        / 9.0;
    let [one_axis, a_column] = [loss([1.0_f32, 2.0, 4.0].into()), loss(column(&[1.0, 2.0, 4.0]))];
    assert_eq!(one_axis, a_column);
    assert!((one_axis - want).abs() < 1e-6, "{one_axis} instead of {want}");
}

#[test]
fn sample_losses_obey_sample_weights_and_loss_terms_do_not() {
    let mut model = Model::new(|x: &Tensor, cx: &mut Context| {
        cx.add_loss("scalar", x.mean());
        cx.add_sample_loss("by_sample", x.flatten().sum_axes([-1]));
        x * 0.0
    });
    model.compile(Sgd::new(0.0), MeanSquaredError, ());
    model.loss_weights([100.0]);
    let data = Dataset::new(column(&[1.0, 2.0, 6.0]), column(&[0.0, 0.0, 0.0])).unwrap();
    let terms = |data: &Dataset| {
        let logs = model.evaluate(data).unwrap();
        ["main", "scalar", "by_sample", "loss"].map(|name| logs.get(name).unwrap())
    };
    assert_eq!(terms(&data), [0.0, 3.0, 3.0, 6.0]);
    let weighted = data.with_sample_weight([3.0_f32, 0.0, 1.0]).unwrap();
    assert_eq!(terms(&weighted), [0.0, 3.0, 3.0, 6.0]);
    let heavier = weighted.without_sample_weight().with_sample_weight([0.0_f32, 0.0, 2.0]).unwrap();
    assert_eq!(terms(&heavier), [0.0, 3.0, 4.0, 7.0]);
}

#[test]
fn terms_of_evaluate_are_part_of_the_loss_and_predict_computes_none() {
    let mut model = Model::new(Penalized(Times::new(1.0)));
    model.compile(Sgd::new(0.0), MeanSquaredError, ());
    let data = Dataset::new(column(&[1.0, 3.0]), column(&[1.0, 3.0])).unwrap();
    assert_eq!(model.evaluate(&data).unwrap().get("loss"), Some(2.0));
    model.reset_metrics();
    model.predict(data.inputs()).unwrap();
    assert_eq!(model.metric_results().unwrap(), [("largest".to_string(), 0.0)]);
}

#[test]
fn several_losses_for_one_output_are_added_and_each_is_reported() {
    let mut model = Model::new(|x: &Tensor, _: &mut Context| x.clone());
    model.compile(Sgd::new(0.0), (MeanSquaredError, MeanAbsoluteError), ());
    let logs =
        model.evaluate(&Dataset::new(column(&[3.0, 1.0]), column(&[0.0, 0.0])).unwrap()).unwrap();
    assert_eq!(
        [logs.get("mean_squared_error"), logs.get("mean_absolute_error"), logs.get("loss")],
        [Some(5.0), Some(2.0), Some(7.0)]
    );
}
