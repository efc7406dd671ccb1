//! Custom steps: validation, metrics, several updates, and what is refused before anything is
//! trained.

use std::sync::Arc;

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
