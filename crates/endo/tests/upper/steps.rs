//! Steps of one's own: validation, metrics, several updates, and what is refused before anything is
//! trained.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use endo::prelude::*;

use super::{assert_near, first_weight, line};

/// A model that trains on the energy of its outputs by a step of its own.
fn energetic() -> Model {
    let mut model = Model::new(line(1.0));
    model.compile(Sgd::new(0.1), (), ());
    model.train_step(|step, cx| {
        let y = step.apply(step.inputs(), cx);
        let terms = Terms::new([("energy", y.square().mean())]);
        step.minimize(&terms, cx);
        terms
    });
    model
}

fn pair() -> Dataset {
    Dataset::inputs_only([[1.0_f32], [3.0]]).unwrap()
}

#[test]
fn a_step_of_ones_own_is_validated_without_its_updates() {
    let mut model = energetic();
    let data = pair();
    let history = model.fit(&data, Fit::epochs(1).validation(&data)).unwrap();
    // dw = 2 * mean(x^2) = 10, so the weight is 1 - 1 = 0 after the step.
    assert_eq!((history.last("energy"), history.last("val_energy")), (Some(5.0), Some(0.0)));
    assert_eq!(first_weight(&model), Some(0.0));
    model.weights()[0].set(&[[2.0_f32]].into()).unwrap();
    assert_eq!(model.evaluate(&data).unwrap().get("energy"), Some(20.0));
    assert_eq!(model.test_on_batch(&data).unwrap().get("loss"), Some(20.0));
    assert_eq!(first_weight(&model), Some(2.0));
}

#[test]
fn metrics_in_a_step_are_logged_and_reset() {
    let size = Mean::new("size");
    let held = size.clone();
    let mut model = Model::new(line(1.0));
    model.compile(Sgd::new(0.0), "mse", ["mae"]);
    model.train_step(move |step, cx| {
        let y = step.apply(step.inputs(), cx);
        let terms = step.losses(&y, cx);
        cx.add_metric("largest", y.max());
        held.update(&y, cx);
        step.minimize(&terms, cx);
        step.update_metrics(&y, cx);
        terms
    });
    let data = Dataset::new([[1.0_f32], [3.0], [8.0]], [[0.0_f32], [0.0], [0.0]]).unwrap();
    let history =
        model.fit(&data, Fit::epochs(2).batch_size(2).shuffle(false).validation(&data)).unwrap();
    // Means over batches of 2 and 1: of the largest (2 * 3 + 8) / 3, of all numbers 4.
    assert_near(history.last("largest"), 14.0 / 3.0);
    assert_eq!((history.get("size"), history.last("val_size")), (vec![4.0, 4.0], Some(4.0)));
    assert_eq!((history.last("mae"), history.last("mae_1")), (Some(4.0), None));
    let names: Vec<String> = model.metrics().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["mae", "largest", "size"]);
    model.reset_metrics();
    assert_eq!(size.value().unwrap().item().unwrap(), 0.0);
}

#[test]
fn a_test_step_of_its_own_is_what_validation_computes() {
    let mut model = energetic();
    model.test_step(|step, cx| {
        let y = step.apply(step.inputs(), cx);
        Terms::new([("largest", y.abs().max())])
    });
    let data = pair();
    let history = model.fit(&data, Fit::epochs(1).validation(&data)).unwrap();
    assert_eq!(
        (history.last("energy"), history.last("val_largest"), history.last("val_energy")),
        (Some(5.0), Some(0.0), None)
    );
}

#[test]
fn what_a_step_assigns_itself_is_undone_when_it_is_tested() {
    for eager in [false, true] {
        let average = Variable::new("average", 0.0_f32).frozen();
        let kept = average.clone();
        let mut model = Model::new(line(1.0)).run_eagerly(eager);
        model.compile(Sgd::new(0.0), (), ());
        model.train_step(move |step, cx| {
            let y = step.apply(step.inputs(), cx);
            cx.assign_add(&kept, y.mean());
            let terms = Terms::new([("so_far", cx.read(&kept) + 0.0 * y.mean())]);
            step.minimize(&terms, cx);
            terms
        });
        let data = pair();
        assert_eq!(
            model.evaluate_with(&data, Evaluate::new().batch_size(1)).unwrap().get("so_far"),
            Some((1.0 + 3.0) / 2.0)
        );
        assert_eq!(average.value().item().unwrap(), 0.0);
        let history = model.fit(&data, Fit::epochs(1).batch_size(1).shuffle(false)).unwrap();
        assert_eq!(
            (history.last("so_far"), average.value().item().unwrap()),
            (Some((1.0 + 4.0) / 2.0), 4.0)
        );
    }
}

/// A layer that counts its calls in a weight.
struct Counted {
    runs: Weight,
}

impl Layer for Counted {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let runs = self.runs.get(self, (), &Zeros, cx);
        self.runs.assign(&(&runs + 1), cx);
        x + runs
    }
}

#[test]
fn what_call_assigns_goes_from_batch_to_batch_and_is_as_before_after_evaluation() {
    for eager in [false, true] {
        let mut model =
            Model::new(Counted { runs: Weight::new("runs").trainable(false) }).run_eagerly(eager);
        model.compile("sgd", "mse", ());
        let data = Dataset::new([[0.0_f32], [0.0], [0.0]], [[0.0_f32], [0.0], [0.0]]).unwrap();
        for _ in 0..2 {
            let loss =
                model.evaluate_with(&data, Evaluate::new().batch_size(1)).unwrap().get("loss");
            assert_near(loss, (0.0 + 1.0 + 4.0) / 3.0);
        }
        assert_eq!(model.weights()[0].value().item().unwrap(), 0.0);
    }
}

#[test]
fn a_term_called_loss_is_the_one_that_is_reported() {
    let critic = Arc::new(Model::new(line(2.0)).name("critic"));
    let part = critic.clone();
    let (slow, fast) = (Sgd::new(0.1), Sgd::new(0.01));
    let mut model = Model::new(line(3.0));
    model.compile((), (), ()).add_part(critic.clone());
    model.train_step(move |step, cx| {
        let made = step.apply(step.inputs(), cx);
        let score = part.apply(&made, cx).mean();
        let gradients = cx.gradients(&score, part.trainable_weights());
        fast.apply(&gradients, cx);
        let gradients = cx.gradients(&-&score, step.trainable_weights());
        slow.apply(&gradients, cx);
        Terms::new([("loss", score.clone()), ("critic", score.clone()), ("generator", -score)])
    });
    critic.build([1, 1]).unwrap();
    let data = Dataset::inputs_only([[1.0_f32]]).unwrap();
    let history = model.fit(&data, Fit::epochs(1).validation(&data)).unwrap();
    assert_eq!(
        (history.last("loss"), history.last("critic"), history.last("generator")),
        (Some(6.0), Some(6.0), Some(-6.0))
    );
    assert_eq!(
        (history.ledger().total, history.ledger().to_string().as_str()),
        (6.0, "loss 6.000")
    );
    assert_near(history.last("val_loss"), f64::from(1.97_f32) * 3.2);
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_trained() {
    // A validation without anything to compute: the term is there in training only.
    let dense = line(1.0);
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let y = dense.apply(x, cx);
        if cx.training() {
            cx.add_loss("energy", y.square().mean());
        }
        y
    });
    model.compile(Sgd::new(0.1), (), ());
    let data = pair();
    let error = model.fit(&data, Fit::epochs(1).validation(&data)).unwrap_err();
    assert!(error.message().contains("nothing to evaluate"), "{error}");
    assert_eq!(first_weight(&model), Some(1.0));

    let mut model = Model::new(line(1.0));
    model.compile((), "mse", ());
    let error =
        model.fit(&Dataset::new([[1.0_f32]], [[0.0_f32]]).unwrap(), Fit::epochs(1)).unwrap_err();
    assert!(error.message().contains("without an optimizer"), "{error}");
}

#[test]
fn predictions_have_a_step_of_their_own_and_so_have_exports() {
    let mut model = Model::new(line(2.0));
    model.predict_step(|step, cx| step.apply(step.inputs(), cx) + 1.0);
    let x = Array::from([[1.0_f32], [2.0]]);
    assert_eq!(model.predict(&x).unwrap(), [[3.0_f32], [5.0]].into());
    let path = std::env::temp_dir().join(format!("endo-predict-step-{}", std::process::id()));
    model.export(&path).unwrap();
    let predictor = Predictor::load(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(predictor.predict(&x).unwrap(), [[3.0_f32], [5.0]].into());
}

#[test]
fn node_by_node_metrics_count_at_the_first_test_and_predictions_write_nothing() {
    let counted = Arc::new(Counted { runs: Weight::new("runs").trainable(false) });
    let layer = counted.clone();
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        cx.add_metric("size", x.abs().mean());
        layer.apply(x, cx)
    })
    .run_eagerly(true);
    model.compile("sgd", "mse", ());
    let data = Dataset::new([[2.0_f32]], [[0.0_f32]]).unwrap();
    assert_eq!(model.evaluate(&data).unwrap().get("size"), Some(2.0));
    model.predict(data.inputs()).unwrap();
    assert_eq!(counted.runs.variable().unwrap().value().item().unwrap(), 0.0);
    assert_eq!(model.metric("size").unwrap().value().unwrap().item().unwrap(), 2.0);
}

#[test]
fn a_prediction_of_ones_own_leaves_the_names_of_outputs() {
    let (class, price) = (Dense::new(2).name("class"), Dense::new(1).name("price"));
    let mut model =
        Model::new(move |x: &Tensor, cx: &mut Context| (class.apply(x, cx), price.apply(x, cx)));
    model.compile("sgd", "mse", ());
    model.predict_step(|step, cx| {
        let (class, price) = step.apply(step.inputs(), cx);
        (class.exp(), price.exp())
    });
    model.predict(&[[1.0_f32]].into()).unwrap();
    assert_eq!(model.output_names(), ["class", "price"]);
    let named = Dataset::new(
        [[1.0_f32]],
        [("price", [[1.0_f32]].into()), ("class", [[1.0_f32, 0.0]].into())],
    )
    .unwrap();
    assert!(model.evaluate(&named).unwrap().get("class_loss").is_some());
}

#[test]
fn a_metric_called_loss_in_a_step_is_the_loss_that_is_reported() {
    let tracker = Mean::new("loss");
    let mut model = energetic();
    model.train_step(move |step, cx| {
        let y = step.apply(step.inputs(), cx);
        let terms = Terms::new([("energy", y.square().mean())]);
        tracker.update(&(10.0 * y.mean()), cx);
        step.minimize(&terms, cx);
        terms
    });
    let history = model.fit(&pair(), Fit::epochs(1)).unwrap();
    assert_eq!(
        (history.last("loss"), history.last("loss_1"), history.last("energy")),
        (Some(20.0), None, Some(5.0))
    );
}

#[test]
fn a_prediction_carries_state_from_part_to_part_and_leaves_it() {
    for eager in [false, true] {
        let model =
            Model::new(Counted { runs: Weight::new("runs").trainable(false) }).run_eagerly(eager);
        let x = Array::zeros([600, 1], DType::F32); // parts of 256, 256 and 88 rows
        for _ in 0..2 {
            let y = model.predict(&x).unwrap();
            assert_eq!(
                [0, 255, 256, 511, 512, 599].map(|row| y.get(row)),
                [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]
            );
        }
        assert_eq!(model.weights()[0].value().item().unwrap(), 0.0);
    }
}

#[test]
fn node_by_node_an_evaluation_computes_each_batch_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let (counter, dense) = (calls.clone(), line(1.0));
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        counter.fetch_add(1, Ordering::Relaxed);
        dense.apply(x, cx)
    })
    .run_eagerly(true);
    model.compile("sgd", "mse", ());
    let data =
        Dataset::new(Array::zeros([6, 1], DType::F32), Array::zeros([6, 1], DType::F32)).unwrap();
    model.evaluate_with(&data, Evaluate::new().batch_size(2)).unwrap();
    let before = calls.load(Ordering::Relaxed);
    model.evaluate_with(&data, Evaluate::new().batch_size(2)).unwrap();
    // And once more, to find what is assigned before anything is.
    assert_eq!(calls.load(Ordering::Relaxed) - before, 3 + 1);
}

#[test]
fn evaluations_in_many_threads_carry_their_own_state() {
    for eager in [false, true] {
        let mut model =
            Model::new(Counted { runs: Weight::new("runs").trainable(false) }).run_eagerly(eager);
        model.compile("sgd", "mse", ());
        let data =
            Dataset::new(Array::zeros([40, 1], DType::F32), Array::zeros([40, 1], DType::F32))
                .unwrap();
        let want = model.evaluate_with(&data, Evaluate::new().batch_size(4)).unwrap().get("loss");
        assert_eq!(want, Some(28.5)); // the mean of the squares of 0 to 9
        std::thread::scope(|scope| {
            let evaluate = || {
                for _ in 0..20 {
                    assert_eq!(
                        model
                            .evaluate_with(&data, Evaluate::new().batch_size(4))
                            .unwrap()
                            .get("loss"),
                        want
                    )
                }
            };
            for _ in 0..3 {
                drop(scope.spawn(evaluate));
            }
        });
        assert_eq!(model.weights()[0].value().item().unwrap(), 0.0);
    }
}

#[test]
fn a_step_of_ones_own_may_have_other_targets_than_outputs_where_the_output_has_a_mask() {
    let mut model = Model::new(Sequential::new().add(Masking::new(0.0)).add(Dense::new(1)));
    model.compile(Sgd::new(0.1), (), ());
    model.train_step(|step, cx| {
        let y = step.apply(step.inputs(), cx);
        let [low, high] = step.targets() else { panic!("two targets") };
        let terms = Terms::new([
            ("low", (&y - low).square().mean()),
            ("high", (&y - high).square().mean()),
        ]);
        step.minimize(&terms, cx);
        terms
    });
    let target = |value: f64| Array::full([4, 2, 1], value, DType::F32);
    let data =
        Dataset::new(Array::zeros([4, 2, 3], DType::F32), (target(1.0), target(3.0))).unwrap();
    assert_eq!(model.fit(&data, Fit::epochs(1)).unwrap().last("low"), Some(1.0));
    let unknown =
        Dataset::new(Array::zeros([4, 2, 3], DType::F32), (target(1.0), target(f64::NAN))).unwrap();
    assert!(model.fit(&unknown, Fit::epochs(1)).unwrap_err().message().contains("NaN"));
}

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
fn a_step_follows_the_optimizer_of_the_last_compile() {
    let mut model = Model::new(line(1.0));
    model.compile(Sgd::new(0.1), "mse", ());
    model.train_step(|step, cx| {
        let loss = mean_squared_error(&step.target(cx), &step.apply(step.inputs(), cx)).mean();
        let gradients = cx.gradients(&loss, step.trainable_weights());
        step.apply_gradients(&gradients, cx);
        loss // a scalar is the loss
    });
    let data = Dataset::new([[1.0_f32]], [[0.0_f32]]).unwrap();
    let logs = model.train_on_batch(&data).unwrap();
    assert_eq!(logs.iter().collect::<Vec<_>>(), [("loss", 1.0)]);
    assert_near(first_weight(&model), 0.8);
    model.compile(Sgd::new(0.0), "mse", ());
    model.train_on_batch(&data).unwrap();
    assert_near(first_weight(&model), 0.8);
    model.compile((), "mse", ());
    let error = model.train_on_batch(&data).unwrap_err();
    assert!(error.message().contains("compiled without an optimizer"), "{error}");
    assert_eq!(format!("{error:?}"), format!("{error}"));
}

#[test]
fn sample_weights_that_a_step_leaves_out_are_warned_of() {
    let mut model = Model::new(line(1.0));
    model.compile(Sgd::new(0.1), (), ());
    let data = Dataset::new([[1.0_f32], [2.0]], [[0.0_f32], [1.0]])
        .unwrap()
        .with_sample_weight([1.0_f32, 3.0])
        .unwrap();
    model.train_step(|step, cx| {
        let loss = mean_squared_error(&step.target(cx), &step.apply(step.inputs(), cx)).mean();
        step.minimize(&loss, cx);
        loss
    });
    let error = model.fit(&data, Fit::epochs(1).deny_warnings(true)).unwrap_err();
    assert!(error.to_string().contains("leaves out the sample weights of the data"), "{error}");
    model.train_step(|step, cx| {
        let loss = step
            .weighted_mean(&mean_squared_error(&step.target(cx), &step.apply(step.inputs(), cx)));
        step.minimize(&loss, cx);
        loss
    });
    model.fit(&data, Fit::epochs(1).deny_warnings(true)).unwrap();
}

#[test]
fn a_case_that_only_assigns_returns_nothing() {
    let counts = Variable::new("counts", 0_i32);
    let mut f = Function::new(|[x], cx| {
        let is_large = x.sum().greater(1.0);
        cx.cond(&is_large, |cx| cx.assign_add(&counts, cx.constant(1_i32)), |_| ());
        [x]
    });
    for value in [0.5_f32, 2.0, 3.0] {
        f.run([&[value].into()]).unwrap();
    }
    assert_eq!(counts.value().item().unwrap(), 2.0);
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
    let logs = model.train_on_batch(&pair()).unwrap();
    assert_eq!((logs.get("one"), logs.get("other")), (Some(4.0), Some(4.0)));
}

#[test]
fn gradients_of_a_steps_own_are_those_of_the_loss_whatever_its_scale() {
    let mut model = Model::new(line(1.0));
    model.compile(Sgd::new(0.1).loss_scale_factor(1024.0), "mse", ());
    model.train_step(|step, cx| {
        let loss = mean_squared_error(&step.target(cx), &step.apply(step.inputs(), cx)).mean();
        let gradients = cx.gradients(&loss, step.trainable_weights());
        step.apply_gradients(&gradients, cx);
        loss
    });
    model.train_on_batch(&Dataset::new([[1.0_f32]], [[0.0_f32]]).unwrap()).unwrap();
    assert_near(first_weight(&model), 0.8);
}
