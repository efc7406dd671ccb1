//! Weights of a loss's terms that follow the training: the equations of both rules computed by
//! hand, the ledger, what is refused.
//!
//! In: y = a x on x = 1 and 3 with targets of 0, so that the compiled loss is 5 a^2, and a term of
//! 0.05 a^2. Out: logs and weights in f64.

use endo::model::Balance;
use endo::prelude::*;

fn data() -> Dataset {
    Dataset::new([[1.0_f64], [3.0]], [[0.0_f64], [0.0]]).unwrap()
}

/// a = 2, plain gradient descent.
fn model(rate: f64) -> Model {
    let line = Dense::new(1).use_bias(false).kernel_initializer("constant(2)").name("line");
    let mut model = Model::new(line).dtype(DType::F64);
    model.add_loss_at("line", "small", |activation| 0.01 * activation.square().mean());
    model.compile(Sgd::new(rate), MeanSquaredError, ());
    model
}

#[track_caller]
fn near(got: f64, expected: f64) {
    assert!(
        (got - expected).abs() <= 1e-12 * expected.abs().max(1.0),
        "{got}, expected {expected}"
    );
}

#[test]
fn uncertainty_weighting_is_equation_7_in_logarithms() {
    let rate = 0.01;
    let mut model = model(rate);
    model.balance(Balance::Uncertainty);
    let history = model.fit(&data(), Fit::epochs(5).validation(&data())).unwrap();
    let (mut a, mut s) = (2.0_f64, [0.0_f64; 2]);
    for epoch in &history.epochs {
        let (losses, slopes) = ([5.0 * a * a, 0.05 * a * a], [10.0 * a, 0.1 * a]);
        let weights = s.map(|s| 0.5 * (-s).exp());
        let expected = [weights[0] * losses[0], weights[1] * losses[1], (s[0] + s[1]) / 2.0];
        let names: Vec<&str> = epoch.ledger.terms.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["main", "small", "uncertainty"]);
        for ((_, got), expected) in epoch.ledger.terms.iter().zip(expected) {
            near(*got, expected);
        }
        near(epoch.ledger.total, expected.iter().sum());
        near(epoch.logs.get("weight(main)").unwrap(), weights[0]);
        near(epoch.logs.get("weight(small)").unwrap(), weights[1]);
        a -= rate * (weights[0] * slopes[0] + weights[1] * slopes[1]);
        s = std::array::from_fn(|i| s[i] - rate * (0.5 - weights[i] * losses[i]));
        // Validation sees the weights after the step.
        near(epoch.logs.get("val_weight(main)").unwrap(), 0.5 * (-s[0]).exp());
        near(epoch.logs.get("val_main").unwrap(), 0.5 * (-s[0]).exp() * 5.0 * a * a);
    }
    near(model.weights()[0].value().get(0), a);
}

#[test]
fn a_term_that_stays_comes_to_weigh_the_inverse_of_its_size() {
    let mut model =
        Model::new(Dense::new(1).use_bias(false).kernel_initializer("constant(2)").name("line"))
            .dtype(DType::F64);
    model.add_loss_at("line", "far", |activation| 500.0 + 0.0 * activation.mean());
    model.add_loss_at("line", "near", |activation| 0.02 + 0.0 * activation.mean());
    model.compile(Sgd::new(0.05), (), ()).balance(Balance::Uncertainty);
    let history = model.fit(&data(), Fit::epochs(3000)).unwrap();
    near(history.last("weight(far)").unwrap(), 0.001);
    near(history.last("weight(near)").unwrap(), 25.0);
}

/// Trains with a second term, and compares every step with algorithm 1. In: the term of a layer's
/// output, and as a function of `a` the term and its slope. Out: the weights of both.
fn algorithm_1(
    small: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static,
    term: impl Fn(f64) -> f64,
    slope: impl Fn(f64) -> f64,
) -> [f64; 2] {
    let (rate, alpha, learning_rate) = (0.01, 1.5, 0.025);
    let mut model =
        Model::new(Dense::new(1).use_bias(false).kernel_initializer("constant(2)").name("line"))
            .dtype(DType::F64);
    model.add_loss_at("line", "small", small);
    model
        .compile(Sgd::new(rate), MeanSquaredError, ())
        .balance(Balance::GradNorm { alpha, learning_rate });
    let history = model.fit(&data(), Fit::epochs(20)).unwrap();

    let (mut a, mut w, mut m, mut v) = (2.0_f64, [1.0_f64; 2], [0.0; 2], [0.0; 2]);
    let mut first = [0.0; 2];
    for (step, epoch) in history.epochs.iter().enumerate() {
        let (losses, slopes) = ([5.0 * a * a, term(a)], [10.0 * a, slope(a)]);
        near(epoch.logs.get("weight(main)").unwrap(), w[0]);
        near(epoch.logs.get("weight(small)").unwrap(), w[1]);
        near(epoch.logs.get("small").unwrap(), w[1] * losses[1]);
        near(epoch.ledger.total, w[0] * losses[0] + w[1] * losses[1]);
        let norms: [f64; 2] = std::array::from_fn(|i| w[i] * slopes[i].abs());
        let mean = (norms[0] + norms[1]) / 2.0;
        // The first value above 0 is the one that a term began with.
        first = std::array::from_fn(|i| if first[i] > 0.0 { first[i] } else { losses[i] });
        let ratios: [f64; 2] =
            std::array::from_fn(|i| if first[i] > 0.0 { losses[i] / first[i] } else { 1.0 });
        let mean_ratio = (ratios[0] + ratios[1]) / 2.0;
        a -= rate * (w[0] * slopes[0] + w[1] * slopes[1]);
        let updated: [f64; 2] = std::array::from_fn(|i| {
            let target = mean * (ratios[i] / mean_ratio).powf(alpha);
            let gradient = (norms[i] - target).signum() * slopes[i].abs();
            // Adam, Kingma and Ba 2015, as Keras writes it.
            m[i] += (gradient - m[i]) * 0.1;
            v[i] += (gradient * gradient - v[i]) * 0.001;
            let number = step as i32 + 1;
            let scale = learning_rate * (1.0 - 0.999_f64.powi(number)).sqrt()
                / (1.0 - 0.9_f64.powi(number));
            w[i] - scale * m[i] / (v[i].sqrt() + 1e-7)
        });
        w = updated.map(|weight| weight * 2.0 / (updated[0] + updated[1]));
    }
    let got = model.weights()[0].value().get(0);
    assert!((got - a).abs() < 1e-9, "{got}, expected {a}");
    w
}

#[test]
fn gradnorm_is_algorithm_1() {
    // A second term that falls at another pace than the first: its ratio r differs from 1. The mean
    // of x is 2.
    let small = |activation: &Tensor| (0.1 + 0.1 * activation).mean().square();
    let w = algorithm_1(small, |a| (0.1 + 0.2 * a).powi(2), |a| 2.0 * (0.1 + 0.2 * a) * 0.2);
    assert!(w[0] < 0.6 && w[1] > 1.4, "the term of the larger gradient weighs less: {w:?}");
}

#[test]
fn gradnorm_takes_up_a_term_that_is_0_at_first() {
    // 0 while a is above 1.75, which it is for two steps.
    let small = |activation: &Tensor| (3.5 - activation.mean()).maximum(0.0).square();
    let w = algorithm_1(
        small,
        |a| (3.5 - 2.0 * a).max(0.0).powi(2),
        |a| -4.0 * (3.5 - 2.0 * a).max(0.0),
    );
    assert!(w[1] > 0.5, "a term that grows is not switched off: {w:?}");
}

#[test]
fn gradnorm_refuses_a_term_below_0_by_its_name() {
    for eager in [false, true] {
        let mut model = model(0.01).run_eagerly(eager);
        model.add_loss_at("line", "reward", |activation| -activation.mean());
        model.balance(Balance::grad_norm());
        let error = model.fit(&data(), Fit::epochs(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFinite);
        let message = "epoch 1, step 1: GradNorm needs terms that are not below 0: the square \
            root of `reward` is not finite; nothing was \
                       updated: `sqrt` of -4 gave NaN";
        assert_eq!(error.message(), message);
        near(model.weights()[0].value().get(0), 2.0);
    }
}

#[test]
fn gradnorm_brings_gradients_of_very_different_scale_together() {
    let layers = Sequential::new()
        .add(Dense::new(8).activation("tanh").name("hidden"))
        .add(Dense::new(1).name("out"));
    let mut model = Model::new(layers);
    model.add_loss_at("hidden", "small", |activation| 1e-3 * activation.square().mean());
    model
        .compile(Sgd::new(1e-4), MeanSquaredError, ())
        .balance(Balance::GradNorm { alpha: 0.0, learning_rate: 0.025 });
    let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
    let y = Array::from_fn([64, 1], |i| 3.0 * (0.3 * i as f32).cos());
    let data = Dataset::new(x, y).unwrap();
    // `out` is not reached by the small term, so `hidden` is the last layer that both share.
    let history = model.fit(&data, Fit::epochs(100).probe(Probe::terms().every(1))).unwrap();
    let ratio = |reading: &endo::training::probes::TermReading| {
        let [main, small] = [&reading.terms[0], &reading.terms[1]].map(|term| term.layers[0].1);
        main / small
    };
    let [first, last] = [&history.term_readings[0], &history.term_readings[199]].map(ratio);
    assert!(first > 100.0 && last < first / 10.0, "{first} to {last}");
    for epoch in &history.epochs {
        let sum =
            epoch.logs.get("weight(main)").unwrap() + epoch.logs.get("weight(small)").unwrap();
        assert!((sum - 2.0).abs() < 1e-5, "{sum}");
    }
}

#[test]
fn penalties_are_not_weighted_and_every_ledger_adds_up() {
    for rule in [Balance::Uncertainty, Balance::grad_norm()] {
        let mut model =
            Model::new(Dense::new(2).kernel_regularizer(L2(0.01)).activity_regularizer(L2(0.1)));
        model.compile("nadam", "mse", ["mae"]).balance(rule);
        let x = Array::from_fn([50, 3], |i| (0.7 * i as f32).sin());
        let y = Array::from_fn([50, 2], |i| (0.3 * i as f32).cos());
        let data = Dataset::new(x, y).unwrap();
        let history = model.fit(&data, Fit::epochs(3).batch_size(16).validation(&data)).unwrap();
        for ledger in history
            .epochs
            .iter()
            .flat_map(|epoch| [&epoch.ledger, epoch.validation.as_ref().unwrap()])
        {
            let names: Vec<&str> = ledger.terms.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names[..3], ["main", "activity", "penalty(dense/kernel)"]);
            let sum: f64 = ledger.terms.iter().map(|(_, term)| term).sum();
            assert!((sum - ledger.total).abs() < 1e-6 * ledger.total.abs().max(1.0), "{ledger}");
        }
        assert_eq!(model.warnings(), [""; 0]);
        assert!(
            history.last("weight(activity)").is_some()
                && history.last("weight(penalty(dense/kernel))").is_none()
        );
        // A new `compile` forgets it.
        model.compile("nadam", "mse", ());
        assert_eq!(model.fit(&data, Fit::epochs(1)).unwrap().last("weight(main)"), None);
    }
}

#[test]
fn planned_and_node_by_node_steps_agree() {
    for rule in [Balance::Uncertainty, Balance::grad_norm()] {
        let trained = |eager: bool| {
            let mut model = model(0.01).run_eagerly(eager);
            model.balance(rule);
            let history = model.fit(&data(), Fit::epochs(4)).unwrap();
            (history.last("weight(main)").unwrap(), model.weights()[0].value().get(0))
        };
        let (planned, eager) = (trained(false), trained(true));
        near(planned.0, eager.0);
        near(planned.1, eager.1);
    }
}

#[test]
fn what_cannot_be_balanced_is_refused() {
    let refused = |add: fn(&mut Model)| {
        let mut model = Model::new(
            Sequential::new().add(Dense::new(2).name("hidden")).add(Dense::new(1).name("out")),
        );
        model.compile("sgd", "mse", ());
        add(&mut model);
        let data = Dataset::new([[1.0_f32]], [[0.0_f32]]).unwrap();
        model.fit(&data, Fit::epochs(1)).unwrap_err().message().to_string()
    };
    let alpha = refused(|model| {
        drop(model.balance(Balance::GradNorm { alpha: -1.0, learning_rate: 0.1 }).weights())
    });
    assert_eq!(alpha, "`alpha` of GradNorm must be a number from 0 on, got -1");
    let rate = refused(|model| {
        drop(model.balance(Balance::GradNorm { alpha: 1.0, learning_rate: 0.0 }).weights())
    });
    assert_eq!(rate, "`learning_rate` of GradNorm must be a number above 0, got 0");
    let apart = refused(|model| {
        model.build([1, 1]).unwrap();
        let bias = model.weight("out/bias").unwrap();
        model.add_loss("apart", move |cx| cx.read(&bias).stop_gradient().sum());
        model.balance(Balance::grad_norm());
    });
    assert_eq!(
        apart,
        "GradNorm compares gradients of weights that all terms share, and `main`, `apart` share \
            none"
    );
    let mut early = Model::new(Dense::new(1));
    early.balance(Balance::Uncertainty).compile("sgd", "mse", ());
    let error =
        early.fit(&Dataset::new([[1.0_f32]], [[0.0_f32]]).unwrap(), Fit::epochs(1)).unwrap_err();
    let message = "`balance` was called before the model was compiled, and `compile` replaces \
        what it was given";
    assert_eq!(error.message(), message);
    assert_eq!(error.advice(), Some("call `compile` first: `model.compile(..).balance(..)`"));
}

#[test]
fn a_rule_that_is_fixed_is_used_and_other_mistakes_stay() {
    let wrong = Balance::GradNorm { alpha: -1.0, learning_rate: 0.1 };
    let mut fixed = model(0.01);
    fixed.balance(wrong).balance(Balance::Uncertainty);
    assert!(fixed.fit(&data(), Fit::epochs(1)).unwrap().last("weight(main)").is_some());
    fixed.balance(wrong).compile("sgd", "mse", ());
    assert_eq!(fixed.fit(&data(), Fit::epochs(1)).unwrap().last("weight(main)"), None);
    fixed.compile("sgdd", "mse", ()).balance(Balance::Uncertainty);
    assert!(fixed.fit(&data(), Fit::epochs(1)).unwrap_err().to_string().contains("sgdd"));
}

/// Runs a loop with a function of its own.
fn looped(model: &Model, options: Fit<'_>) -> Result<()> {
    let mut step =
        Function::new(|[x, y], cx| [mean_squared_error(&y, &model.apply(&x, cx)).mean()]);
    let data = data();
    let mut run = model.run(&data, options)?;
    while run.next_batch()? {
        run.step(&mut step)?; // <- the function
    }
    run.finish().map(drop)
}

#[test]
fn a_function_that_balance_does_not_weigh_is_said_once() {
    let mut model = model(0.01);
    looped(&model, Fit::epochs(2)).unwrap();
    assert_eq!(model.warnings(), [""; 0]);
    model.balance(Balance::Uncertainty);
    looped(&model, Fit::epochs(2)).unwrap();
    let line = include_str!("balance.rs")
        .lines()
        .position(|line| line.ends_with("// <- the function"))
        .unwrap()
        + 1;
    let text = "the model's `balance` does not weigh the loss of this function, only that of \
        validation: make the step the model's own \
                with `model.train_step(..)`, and run it with `run.train_on_batch()?`; or compile \
                without it";
    assert_eq!(model.warnings(), [format!("{}:{line}: {text}", file!())]);
    assert_eq!(looped(&model, Fit::epochs(1).deny_warnings(true)).unwrap_err().message(), text);
}
