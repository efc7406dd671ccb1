//! Losses, regularizers, constraints and activations that take a context: they read variables, draw
//! random numbers and apply nets.
//!
//! In: closures and custom types in a model's options. Out: the numbers of the same formulas
//! written by hand, the same in plans, node by node and in evaluation, and gradients of the weights
//! inside.

use std::sync::Arc;

use endo::prelude::*;

fn data() -> Dataset {
    let x = Array::from_fn([8, 3], |i| (i as f64 * 0.7).sin());
    let y = Array::from_fn([8, 2], |i| (i as f64 * 0.3).cos());
    Dataset::new(x, y).unwrap()
}

/// What a training of a few steps reports, eagerly and not.
fn trained(make: impl Fn() -> Model) -> Vec<f64> {
    let run = |eagerly: bool| {
        let mut model = make().run_eagerly(eagerly);
        let history = model.fit(&data(), Fit::epochs(3).batch_size(4)).unwrap();
        history.get("loss")
    };
    let (planned, eager) = (run(false), run(true));
    assert!(
        planned.iter().zip(&eager).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs()),
        "{planned:?} {eager:?}"
    );
    planned
}

#[test]
fn a_loss_applies_a_net_whose_weights_stay() {
    let features = Arc::new(Dense::new(5).activation("tanh").name("features"));
    let inner = features.clone();
    let loss = move |y_true: &Tensor, y_pred: &Tensor, cx: &mut Context| {
        (inner.apply(y_true, cx) - inner.apply(y_pred, cx)).square().mean_axes(-1)
    };
    let mut model = Model::new(Dense::new(2).kernel_initializer(Ones));
    model.compile(Sgd::new(0.1), loss, ());
    let first = model.evaluate(&data()).unwrap().get("loss").unwrap();
    let fixed = features.kernel().unwrap().value();
    let history = model.fit(&data(), Fit::epochs(5)).unwrap();
    assert!(history.last("loss").unwrap() < first);
    assert_eq!((features.kernel().unwrap().value(), model.weights().len()), (fixed, 2));
    // The same by hand.
    let predicted = model.predict(data().inputs()).unwrap();
    let mut by_hand = Function::new(|[y, p], cx| {
        [(features.apply(&y, cx) - features.apply(&p, cx)).square().mean()]
    });
    let expected = by_hand.run([data().targets().unwrap(), &predicted]).unwrap()[0].item().unwrap();
    let got = model.evaluate(&data()).unwrap().get("loss").unwrap();
    assert!((got - expected).abs() < 1e-6, "{got} {expected}");
}

#[test]
fn a_loss_that_draws_is_the_same_for_the_same_seed_and_drawn_anew_each_step() {
    let make = || {
        let noisy = |y_true: &Tensor, y_pred: &Tensor, cx: &mut Context| {
            let noise = cx.random().normal(y_true.shape(), 0.0, 0.1);
            (y_true + noise - y_pred).square().mean_axes(-1)
        };
        let mut model = Model::new(Dense::new(2));
        model.compile(Sgd::new(0.0), noisy, ());
        model
    };
    let losses = trained(make);
    assert_eq!(losses, trained(make));
    assert!(losses[0] != losses[1] && losses[1] != losses[2], "{losses:?}");
}

#[test]
fn losses_with_a_context_stand_in_lists_and_beside_outputs_names() {
    let plain = |y: &Tensor, p: &Tensor| (y - p).square().mean_axes(-1);
    let twice = |y: &Tensor, p: &Tensor, cx: &mut Context| {
        cx.constant(2.0_f32) * (y - p).square().mean_axes(-1)
    };
    let loss_of = |compile: &dyn Fn(&mut Model)| {
        let mut model = Model::new(Dense::new(2).kernel_initializer(Ones).name("out"));
        compile(&mut model);
        model.evaluate(&data()).unwrap().get("loss").unwrap()
    };
    let one = loss_of(&|model| {
        model.compile("sgd", plain, ());
    });
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-5, "{a} {b}");
    near(
        loss_of(&|model| {
            model.compile("sgd", twice, ());
        }),
        2.0 * one,
    );
    near(
        loss_of(&|model| {
            model.compile("sgd", (plain, twice), ());
        }),
        3.0 * one,
    );
    near(
        loss_of(&|model| {
            model.compile("sgd", [("out", twice)], ());
        }),
        2.0 * one,
    );
    near(
        loss_of(&|model| {
            model.compile("sgd", String::from("mse"), ());
        }),
        one,
    );
    // A metric is the mean of one.
    let mut model = Model::new(Dense::new(2).kernel_initializer(Ones));
    model.compile("sgd", plain, (twice, "mse"));
    let logs = model.evaluate(&data()).unwrap();
    let numbers: Vec<f64> = logs.iter().map(|(_, number)| number).collect();
    near(numbers[2], one);
    near(numbers[1], 2.0 * one);
}

/// A loss whose factor is a variable.
struct Annealed {
    factor: Variable,
}

impl Loss for Annealed {
    fn call_in(&self, y_true: &Tensor, y_pred: &Tensor, cx: &mut Context) -> Tensor {
        cx.read(&self.factor) * (y_true - y_pred).square().mean_axes(-1)
    }
}

#[test]
fn a_type_of_ones_own_has_the_method_that_takes_a_context_alone() {
    let factor = Variable::new("factor", 3.0_f32);
    let mut model = Model::new(Dense::new(2).kernel_initializer(Ones));
    model.compile(
        Sgd::new(0.0),
        Annealed { factor: factor.clone() }.with_reduction(Reduction::Sum),
        ["mse"],
    );
    let logs = model.evaluate(&data()).unwrap();
    assert!((logs.get("loss").unwrap() - 24.0 * logs.get("mse").unwrap()).abs() < 1e-4, "{logs}");
    factor.set(&Array::scalar(0.5_f32)).unwrap();
    let logs = model.evaluate(&data()).unwrap();
    assert!((logs.get("loss").unwrap() - 4.0 * logs.get("mse").unwrap()).abs() < 1e-4, "{logs}");
    // In a custom step, with a context and without one.
    let loss = Annealed { factor };
    let mut with = Function::new(|[y, p], cx| [loss.apply_in(&y, &p, None, cx)]);
    assert_eq!(
        with.run([&[[1.0_f32]].into(), &[[3.0_f32]].into()]).unwrap()[0].item().unwrap(),
        2.0
    );
    let mut without = Function::new(|[y, p], _| [loss.apply(&y, &p, None)]);
    let error = without.run([&[[1.0_f32]].into(), &[[3.0_f32]].into()]).unwrap_err();
    assert_eq!(error.message(), "the loss `Annealed` has no value without a context");
    assert!(error.advice().unwrap().contains("apply_in(&y_true, &y_pred, None, cx)"), "{error}");
    assert!(error.site().unwrap().file().ends_with("contexts.rs"), "{error}");
}

#[test]
fn a_regularizer_reads_draws_and_is_one_penalty_wherever_it_is_asked_for() {
    let strength = Variable::new("strength", 0.5_f32);
    let make = |strength: Variable| {
        let drawn = move |w: &Tensor, cx: &mut Context| {
            let kept = cx.random().bernoulli(w.shape(), 0.5).cast(DType::F32);
            cx.read(&strength) * (w.square() * kept).sum()
        };
        let dense = Dense::new(2).kernel_initializer(Ones).kernel_regularizer(drawn);
        let mut model = Model::new(dense);
        model.compile(Sgd::new(0.0), (), ());
        model
    };
    let losses = trained(|| make(strength.clone()));
    // Half of a sum of some of six ones, another in each step.
    assert!(
        losses.iter().all(|loss| (loss * 4.0).fract() == 0.0 && (0.0..=3.0).contains(loss)),
        "{losses:?}"
    );
    strength.set(&Array::scalar(0.0_f32)).unwrap();
    assert_eq!(make(strength.clone()).evaluate(&data()).unwrap().get("loss"), Some(0.0));
    // Asked for twice, it is drawn once.
    let dense = Dense::new(64).kernel_regularizer(|w: &Tensor, cx: &mut Context| {
        cx.random().uniform(w.shape(), 0.0, 1.0).sum()
    });
    let mut f = Function::new(|[x], cx| {
        dense.apply(&x, cx);
        [cx.losses().remove(0), cx.losses().remove(0)]
    });
    let [first, second] = f.run([&Array::zeros([1, 3], DType::F32)]).unwrap();
    assert_eq!(first, second);
}

#[test]
fn a_penalty_of_activations_may_apply_a_net() {
    let judge = Arc::new(Dense::new(1).kernel_initializer(Ones).use_bias(false));
    let inner = judge.clone();
    let dense = Dense::new(2).kernel_initializer(Ones).activity_regularizer(
        move |z: &Tensor, cx: &mut Context| inner.apply(z, cx).square().sum(),
    );
    let mut model = Model::new(dense);
    model.compile(Sgd::new(0.01), (), ());
    let one =
        Dataset::new([[1.0_f32, 1.0, 1.0], [1.0, 0.0, 0.0]], [[0.0_f32, 0.0], [0.0, 0.0]]).unwrap();
    // Outputs are 3 and 1 twice: the judge sees 6 and 2.
    assert_eq!(model.evaluate(&one).unwrap().get("loss"), Some((36.0 + 4.0) / 2.0));
    model.fit(&one, Fit::epochs(3)).unwrap();
    assert!(model.evaluate(&one).unwrap().get("loss").unwrap() < 20.0);
    // The judge is none of the model's, and stays.
    assert_eq!(
        (model.weights().len(), judge.kernel().unwrap().value()),
        (2, [[1.0_f32], [1.0]].into())
    );
}

#[test]
fn a_loss_inside_a_model_has_a_net_of_its_own() {
    let (judge, dense) = (Arc::new(Dense::new(1).kernel_initializer(Ones)), Dense::new(2));
    let inner = judge.clone();
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let y = dense.apply(x, cx);
        let loss = Judged(inner.clone());
        let judged = loss.apply_in(&y.zeros_like(), &y, None, cx);
        cx.add_loss("judged", &judged);
        y
    });
    model.compile(Sgd::new(0.1), (), ());
    let history = model.fit(&data(), Fit::epochs(3)).unwrap();
    assert!(history.last("judged").unwrap() < history.get("judged")[0]);
    assert_eq!(
        (model.weights().len(), judge.kernel().unwrap().value()),
        (2, [[1.0_f32], [1.0]].into())
    );
}

/// What a net says of the predictions, squared.
struct Judged(Arc<Dense>);

impl Loss for Judged {
    fn call_in(&self, _: &Tensor, y_pred: &Tensor, cx: &mut Context) -> Tensor {
        self.0.apply(y_pred, cx).square().mean_axes(-1)
    }
}

#[test]
fn what_a_loss_adds_itself_is_a_term() {
    let loss = |y: &Tensor, p: &Tensor, cx: &mut Context| {
        cx.add_loss("gap", (y.mean() - p.mean()).square());
        (y - p).square().mean_axes(-1)
    };
    let mut model = Model::new(Sequential::new());
    model.compile("sgd", loss, ());
    let logs =
        model.evaluate(&Dataset::new([[1.0_f32], [2.0]], [[3.0_f32], [4.0]]).unwrap()).unwrap();
    assert_eq!(
        (logs.get("main"), logs.get("gap"), logs.get("loss")),
        (Some(4.0), Some(4.0), Some(8.0))
    );
}

#[test]
fn a_constraint_reads_a_limit_that_a_program_changes() {
    let limit = Variable::new("limit", 0.25_f32);
    let read = limit.clone();
    let dense = Dense::new(2).kernel_initializer(Ones).kernel_constraint(
        move |w: &Tensor, cx: &mut Context| {
            let limit = cx.read(&read);
            w.minimum(&limit).maximum(-limit)
        },
    );
    let mut model = Model::new(dense);
    model.compile(Sgd::new(0.0), "mse", ());
    let kernel = |model: &Model| model.weights()[0].value().to_vec::<f64>();
    model.fit(&data(), Fit::epochs(1)).unwrap();
    assert_eq!(kernel(&model), [0.25; 6]);
    limit.set(&Array::scalar(0.125_f32)).unwrap();
    model.fit(&data(), Fit::epochs(1)).unwrap();
    assert_eq!(kernel(&model), [0.125; 6]);
}

/// Noise in training alone.
fn noisy_relu(x: &Tensor, cx: &mut Context) -> Tensor {
    if cx.training() { x.relu() + cx.random().normal(x.shape(), 0.0, 0.5) } else { x.relu() }
}

#[test]
fn an_activation_draws_in_training_and_is_plain_in_predictions() {
    let make = |activation: bool| {
        let dense = Dense::new(2).kernel_initializer(Ones);
        let mut model = Model::new(if activation {
            dense.activation(noisy_relu)
        } else {
            dense.activation("relu")
        });
        model.compile(Sgd::new(0.0), "mse", ());
        model
    };
    let losses = trained(|| make(true));
    assert!(losses[0] != losses[1], "{losses:?}");
    let x = data().inputs().clone();
    assert_eq!(make(true).predict(&x).unwrap(), make(false).predict(&x).unwrap());
}

#[test]
fn a_layer_is_an_activation_and_its_weights_learn() {
    let alpha = |slope: f64| PRelu::new().alpha_initializer(Constant(slope));
    let make = || {
        let mut model = Model::new(
            Sequential::new().add(Dense::new(4).activation(alpha(0.25))).add(Dense::new(2)),
        );
        model.compile(Sgd::new(0.1), "mse", ());
        model
    };
    trained(make);
    let mut inside = make();
    inside.fit(&data(), Fit::epochs(3)).unwrap();
    let mut beside =
        Model::new(Sequential::new().add(Dense::new(4)).add(alpha(0.25)).add(Dense::new(2)));
    beside.compile(Sgd::new(0.1), "mse", ());
    beside.fit(&data(), Fit::epochs(3)).unwrap();
    // First values depend on names: the same sizes, and slopes that have moved.
    let slopes = |model: &Model| {
        let all = model.weights();
        all.iter()
            .find(|weight| weight.name().ends_with("alpha"))
            .unwrap_or_else(|| panic!("no slopes: {all:?}"))
            .value()
    };
    assert_eq!((inside.weights().len(), beside.weights().len()), (5, 5));
    assert!(slopes(&inside).to_vec::<f64>().iter().any(|slope| *slope != 0.25));
}

#[test]
fn an_activation_of_steps_has_its_gradients() {
    // The slope of a recurrent layer's activation, against differences of its loss.
    let x = Array::from_fn([2, 4, 3], |i| (i as f64 * 0.9).sin());
    let gates: [fn(&Variable) -> Model; 3] = [
        |slope| Model::new(SimpleRnn::new(2).activation(scaled(slope))),
        |slope| Model::new(Gru::new(2).activation(scaled(slope)).recurrent_activation("sigmoid")),
        |slope| Model::new(Lstm::new(2).recurrent_activation(scaled(slope))),
    ];
    for make in gates {
        let slope = Variable::new("slope", 0.7_f64);
        let model = make(&slope).dtype(DType::F64);
        // The variable is read beside the layer too, so that a gradient counted twice is seen.
        let mut f = Function::new(|[x], cx| {
            let scaled = &x * cx.read(&slope);
            let loss = model.apply(&scaled, cx).square().sum();
            let gradient = cx
                .gradients(&loss, [&slope])
                .into_tensors()
                .remove(0)
                .expect("the loss depends on it");
            [loss, gradient]
        });
        let mut at = |value: f64| {
            slope.set(&Array::scalar(value)).unwrap();
            f.run([&x]).unwrap().each_ref().map(|value| value.item().unwrap())
        };
        let [_, gradient] = at(0.7);
        let step = 1e-6;
        let expected = (at(0.7 + step)[0] - at(0.7 - step)[0]) / (2.0 * step);
        assert!(
            (gradient - expected).abs() < 1e-7 * expected.abs().max(1.0),
            "{gradient} {expected}"
        );
    }
}

#[test]
fn values_that_an_activation_of_steps_reads_may_depend_on_each_other() {
    let x = Array::from_fn([2, 4, 3], |i| (i as f64 * 0.9).sin());
    let (inner, outer) = (Variable::new("inner", 0.7_f64), Variable::new("outer", 0.5_f64));
    let (read_inner, read_outer) = (inner.clone(), outer.clone());
    let activation = move |x: &Tensor, cx: &mut Context| {
        (x * cx.read(&read_inner)).tanh() * cx.read(&read_outer)
    };
    let model = Model::new(SimpleRnn::new(2).activation(activation)).dtype(DType::F64);
    // One value stands for both, and one of the two is the other's square.
    let mut f = Function::new(|[x, a], cx| {
        let values = [(inner.clone(), a.clone()), (outer.clone(), a.square())];
        let loss = model.apply_with(&values, &x, cx).square().sum();
        let slope =
            cx.gradients(&loss, [&a]).into_tensors().remove(0).expect("the loss depends on it");
        [loss, slope]
    });
    let mut at =
        |value: f64| f.run([&x, &Array::scalar(value)]).unwrap().map(|value| value.item().unwrap());
    let step = 1e-6;
    let expected = (at(0.6 + step)[0] - at(0.6 - step)[0]) / (2.0 * step);
    let [_, slope] = at(0.6);
    assert!((slope - expected).abs() < 1e-7 * expected.abs().max(1.0), "{slope} {expected}");
}

fn scaled(slope: &Variable) -> impl Fn(&Tensor, &mut Context) -> Tensor + Send + Sync + use<> {
    let slope = slope.clone();
    move |x: &Tensor, cx: &mut Context| (x * cx.read(&slope)).tanh()
}

#[test]
fn names_that_a_program_has_read_are_names() {
    let read = |text: &str| text.to_string();
    let dense = |activation: &str| {
        Dense::new(2)
            .activation(read(activation))
            .kernel_regularizer(read("l2(0.1)"))
            .kernel_constraint(read("non_neg"))
    };
    let mut model = Model::new(dense("relu"));
    model.compile("sgd", read("mse"), ());
    model.fit(&data(), Fit::epochs(1)).unwrap();
    assert!(model.weights()[0].value().to_vec::<f64>().iter().all(|weight| *weight >= 0.0));
    let error = Model::new(dense("sellu")).build([1, 3]).unwrap_err();
    assert!(error.to_string().contains("did you mean `selu`?"), "{error}");
}

#[test]
fn what_a_loss_or_a_penalty_reads_or_applies_is_not_the_models() {
    let (factor, net) =
        (Variable::new("factor", 2.0_f32), Arc::new(Dense::new(3).kernel_initializer(Ones)));
    let (read, inner, judged) = (factor.clone(), net.clone(), net.clone());
    let loss = move |y: &Tensor, p: &Tensor, cx: &mut Context| {
        cx.read(&read) * inner.apply(&(y - p), cx).square().mean_axes(-1)
    };
    let penalty = move |w: &Tensor, cx: &mut Context| {
        0.01 * judged.apply(&w.transpose().matmul(w), cx).square().sum()
    };
    let mut model = Model::new(Dense::new(2).kernel_regularizer(penalty));
    model.compile(Sgd::new(0.01), loss, ["mse"]);
    let first = model.fit(&data(), Fit::epochs(1)).unwrap().last("mse").unwrap();
    let last = model.fit(&data(), Fit::epochs(20)).unwrap().last("mse").unwrap();
    assert!(last < first, "{last} {first}");
    assert_eq!((model.weights().len(), factor.value().item().unwrap()), (2, 2.0));
    assert!(net.kernel().unwrap().value().to_vec::<f64>().iter().all(|weight| *weight == 1.0));
}

#[test]
fn a_net_that_a_loss_applies_is_not_in_training_and_adds_no_terms() {
    let (noisy, normal) = (Dropout::new(0.5), Arc::new(BatchNormalization::new()));
    let (penalized, inner) = (Dense::new(2).activity_regularizer(L1(1.0)), normal.clone());
    let loss = move |y: &Tensor, p: &Tensor, cx: &mut Context| {
        assert!(!cx.training());
        let mut features = |x: &Tensor| {
            let x = noisy.apply(x, cx);
            let x = inner.apply(&x, cx);
            penalized.apply(&x, cx)
        };
        (features(y) - features(p)).square().mean_axes(-1)
    };
    let mut model = Model::new(Sequential::new());
    model.compile(Sgd::new(0.1), loss, ());
    let same = Dataset::new([[1.0_f32, 2.0], [3.0, 5.0]], [[1.0_f32, 2.0], [3.0, 5.0]]).unwrap();
    let logs = model.evaluate(&same).unwrap();
    assert_eq!(logs.iter().collect::<Vec<_>>(), [("loss", 0.0)]);
    let logs = model.train_on_batch(&same).unwrap();
    assert_eq!(logs.get("loss"), Some(0.0), "{logs}");
    assert_eq!(normal.moving_variance().unwrap().value(), [1.0_f32, 1.0].into());
    // In Keras's way by hand, too: with a custom step.
    let loss = Reached(Dropout::new(0.5));
    let mut model = Model::new(Sequential::new().add(Dense::new(2)));
    model.compile(Sgd::new(0.1), (), ());
    model.train_step(move |step, cx| {
        let y_pred = step.apply(step.inputs(), cx);
        let terms = Terms::new([("own", loss.apply_in(&y_pred, &y_pred, None, cx))]);
        step.minimize(&terms, cx);
        terms
    });
    assert_eq!(model.train_on_batch(&same).unwrap().get("own"), Some(0.0));
}

/// The mean absolute difference of what a dropout makes of both.
struct Reached(Dropout);

impl Loss for Reached {
    fn call_in(&self, y_true: &Tensor, y_pred: &Tensor, cx: &mut Context) -> Tensor {
        (self.0.apply(y_true, cx) - self.0.apply(y_pred, cx)).abs().mean_axes(-1)
    }
}
