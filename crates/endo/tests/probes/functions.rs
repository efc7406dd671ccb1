//! Probes in custom loops: what functions compute is read as what `fit` computes, and reading
//! changes nothing.

use endo::prelude::*;
use endo::training::probes::ProbeKind;

use super::regressor::{Regressor, made_up_data};
use super::two_rows;

fn kinds(pattern: &str) -> [Probe; 4] {
    [
        Probe::activations(pattern),
        Probe::weights(pattern),
        Probe::gradients(pattern),
        Probe::updates(pattern),
    ]
}

fn with_probes<'a>(options: Fit<'a>, pattern: &str) -> Fit<'a> {
    kinds(pattern)
        .into_iter()
        .fold(options, |options, probe| options.probe(probe.every(1).histogram(5)))
}

fn line() -> Model {
    Model::new(Dense::new(1).use_bias(false).kernel_initializer("constant(2)").name("line"))
        .dtype(DType::F64)
}

/// The readings of a loop with one function, which is run as often as `times` says in each step.
fn readings(
    model: &Model,
    optimizer: &dyn Optimizer,
    data: &Dataset,
    options: Fit<'_>,
    times: usize,
) -> Result<History> {
    let mut step = Function::new(|[x, y], cx| {
        let loss = mean_squared_error(&y, &model.apply(&x, cx)).mean();
        let gradients =
            cx.gradients(&optimizer.settings().scale_loss(&loss), model.trainable_weights());
        optimizer.apply(&gradients, cx);
        [loss]
    });
    let mut run = model.run(data, options)?;
    while run.next_batch()? {
        for _ in 0..times {
            run.step(&mut step)?; // <- the step
        }
    }
    run.finish()
}

#[test]
fn readings_of_a_function_are_of_the_run_that_computes_them() {
    let (model, optimizer) = (line(), Sgd::new(0.125).loss_scale_factor(1024.0));
    model.build([2, 1]).unwrap();
    let history =
        readings(&model, &optimizer, &two_rows(), with_probes(Fit::epochs(1), "*"), 1).unwrap();
    let values: Vec<(ProbeKind, &str, f64)> = history
        .readings
        .iter()
        .map(|reading| (reading.kind, &*reading.path, reading.statistics.mean))
        .collect();
    // y = 2 x: the loss is mean(4, 36), its gradient 2 mean(2 * 1, 6 * 3).
    let expected = [
        (ProbeKind::Activations, "line", 4.0),
        (ProbeKind::Weights, "line/kernel", 2.0),
        (ProbeKind::Gradients, "line/kernel", 20.0),
        (ProbeKind::Updates, "line/kernel", -2.5),
    ];
    assert_eq!(values, expected);
    assert_eq!(history.readings[0].histogram.as_ref().unwrap().counts, [1, 0, 0, 0, 1]);
    assert_eq!(history.probe_cost.unwrap().steps, 1);
}

#[test]
fn a_loop_reads_what_fit_reads() {
    let data = made_up_data(50);
    let options = || with_probes(Fit::epochs(3).batch_size(16), "*");
    let make = || {
        Model::new(Sequential::new().add(Dense::new(5).activation("tanh")).add(Dense::new(1)))
            .seed(7)
    };
    let (mut fitted, looped) = (make(), make());
    fitted.compile(Adam::new(0.01), "mse", ());
    let expected = fitted.fit(&data, options()).unwrap().readings;
    looped.build_on(data.all_inputs()).unwrap();
    let got = readings(&looped, &Adam::new(0.01), &data, options(), 1).unwrap().readings;
    // 12 steps: 3 activations, 4 each of the others.
    assert_eq!((got.len(), expected.len()), (180, 180));
    for (a, b) in got.iter().zip(&expected) {
        assert_eq!((a.step, a.epoch, a.kind, &a.path), (b.step, b.epoch, b.kind, &b.path));
        let numbers = |reading: &Reading| {
            let statistics = reading.statistics;
            [
                statistics.mean,
                statistics.norm,
                statistics.minimum,
                statistics.maximum,
                statistics.saturated.unwrap_or(0.0),
            ]
        };
        let near = numbers(a)
            .iter()
            .zip(numbers(b))
            .all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0));
        assert!(near, "{a}\n{b}");
    }
}

/// The weights after three epochs of two functions, with dropout, averages of batches and a short
/// last batch, and the history.
fn adversaries(watched: bool, eager: bool) -> (Vec<Array>, Vec<f64>, History) {
    let make = |name: &str, units: usize| {
        let layers =
            Sequential::new().add(Dense::new(16).activation("elu")).add(BatchNormalization::new());
        Model::new(layers.add(Dropout::new(0.3)).add(Dense::new(units)).name(name)).threads(2)
    };
    let (maker, judge, data) = (make("maker", 5), make("judge", 1), made_up_data(50));
    for model in &[&maker, &judge] {
        model.build([16, 5]).unwrap();
    }
    let (slow, fast) = (Nadam::new(0.01).clipnorm(1.0), Sgd::new(0.05).momentum(0.9));
    let mut judging = Function::new(|[x, y], cx| {
        let made = maker.apply(&x, cx).stop_gradient();
        let loss = (judge.apply(&made, cx) - &y).square().mean();
        fast.apply(&cx.gradients(&loss, judge.trainable_weights()), cx);
        [loss]
    })
    .run_eagerly(eager);
    let mut making = Function::new(|[x, _], cx| {
        let loss = judge.apply(&maker.apply(&x, cx), cx).square().mean();
        slow.apply(&cx.gradients(&loss, maker.trainable_weights()), cx);
        [loss]
    })
    .run_eagerly(eager);
    let options = Fit::epochs(3).batch_size(16);
    let mut run =
        maker.run(&data, if watched { with_probes(options, "*") } else { options }).unwrap();
    let mut losses = Vec::new();
    while run.next_batch().unwrap() {
        losses.push(run.step(&mut judging).unwrap()[0].get(0));
        losses.push(run.step(&mut making).unwrap()[0].get(0));
    }
    let history = run.finish().unwrap();
    let weights = [&maker, &judge]
        .iter()
        .flat_map(|model| model.weights())
        .map(|weight| weight.value())
        .collect();
    (weights, losses, history)
}

#[test]
fn reading_functions_changes_nothing() {
    for eager in [false, true] {
        let ((weights, losses, plain), (watched, watched_losses, history)) =
            (adversaries(false, eager), adversaries(true, eager));
        assert!(weights == watched && losses == watched_losses, "eager: {eager}");
        assert!(
            plain.readings.is_empty() && plain.probe_cost.is_none() && history.readings.len() > 500
        );
    }
}

#[test]
fn values_of_one_path_in_one_step_are_numbered() {
    let (_, _, history) = adversaries(true, false);
    let at = |kind: ProbeKind, pattern: &str| -> Vec<String> {
        let series = history.series(kind, pattern);
        series
            .iter()
            .filter(|reading| reading.step == 5)
            .map(|reading| reading.path.to_string())
            .collect()
    };
    // Each function applies both models, and gives gradients of the weights of one.
    assert_eq!(at(ProbeKind::Activations, "judge*/dense_1*"), ["judge/dense_1", "judge/dense_1#1"]);
    assert_eq!(
        at(ProbeKind::Weights, "maker/dense/kernel*"),
        ["maker/dense/kernel", "maker/dense/kernel#1"]
    );
    assert_eq!(
        at(ProbeKind::Gradients, "*/dense/kernel*"),
        ["judge/dense/kernel", "maker/dense/kernel"]
    );

    let (model, optimizer) = (line(), Sgd::new(0.125));
    model.build([2, 1]).unwrap();
    let history =
        readings(&model, &optimizer, &two_rows(), with_probes(Fit::epochs(2), "*"), 3).unwrap();
    let weights: Vec<(usize, &str, f64)> = history
        .series(ProbeKind::Weights, "*")
        .iter()
        .map(|reading| (reading.step, &*reading.path, reading.statistics.mean))
        .collect();
    // Each run multiplies the weight by -1/4.
    let value = |run: i32| 2.0 * (-0.25_f64).powi(run);
    let paths = ["line/kernel", "line/kernel#1", "line/kernel#2"];
    let expected: Vec<(usize, &str, f64)> =
        (0..6).map(|run| (run / 3, paths[run % 3], value(run as i32))).collect();
    assert_eq!(weights, expected);
}

#[test]
fn variables_of_ones_own_are_read_where_an_optimizer_is_given_their_gradients() {
    let (w, optimizer) = (Variable::new("w", 2.0_f64), Sgd::new(0.125));
    let model = line();
    let mut step = Function::new(|[x, _], cx| {
        let loss = (cx.read(&w) * &x).square().mean();
        optimizer.apply(&cx.gradients(&loss, [&w]), cx);
        [loss]
    });
    let data = two_rows();
    let mut run = model
        .run(
            &data,
            [Probe::weights("w"), Probe::gradients("w"), Probe::updates("w")]
                .into_iter()
                .fold(Fit::epochs(1), Fit::probe),
        )
        .unwrap();
    while run.next_batch().unwrap() {
        run.step(&mut step).unwrap();
    }
    let means: Vec<f64> =
        run.finish().unwrap().readings.iter().map(|reading| reading.statistics.mean).collect();
    assert_eq!(means, [2.0, 20.0, -2.5]); // mean(2 w x^2) = 2 * 2 * 5
}

#[test]
fn steps_in_which_nothing_is_read_run_the_plan_that_they_always_run() {
    let plan = |options: Fit<'_>| {
        let (model, optimizer, data) =
            (Model::new(Regressor::new()), Adam::default(), made_up_data(32));
        model.build_on(data.all_inputs()).unwrap();
        let mut step = Function::new(|[x, y], cx| {
            let loss = mean_squared_error(&y, &model.apply(&x, cx)).mean();
            optimizer.apply(&cx.gradients(&loss, model.trainable_weights()), cx);
            [loss]
        });
        let mut run = model.run(&data, options).unwrap();
        while run.next_batch().unwrap() {
            run.step(&mut step).unwrap();
        }
        assert_eq!(step.traces(), 1);
        step.program([data.inputs(), data.targets().unwrap()]).unwrap().plan().to_string()
    };
    assert_eq!(
        plan(Fit::epochs(3)),
        plan(
            kinds("*")
                .into_iter()
                .fold(Fit::epochs(3), |options, probe| options.probe(probe.every(2)))
        )
    );
}

#[test]
fn a_pattern_that_nothing_in_a_step_matches_is_said_once_with_the_line_of_the_step() {
    let (model, optimizer) = (line(), Sgd::new(0.01));
    model.build([2, 1]).unwrap();
    let options = || {
        Fit::epochs(3)
            .probe(Probe::activations("lime").every(1))
            .probe(Probe::gradients("lin*").every(1))
    };
    readings(&model, &optimizer, &two_rows(), options(), 2).unwrap();
    let number = include_str!("functions.rs")
        .lines()
        .position(|line| line.ends_with("// <- the step"))
        .unwrap()
        + 1;
    let expected =
        "the probe of activations shows nothing: no layer matches `lime`; did you mean `line`?";
    let warnings = model.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].ends_with(&format!("functions.rs:{number}: {expected}")), "{warnings:?}");

    let error =
        readings(&model, &optimizer, &two_rows(), options().deny_warnings(true), 1).unwrap_err();
    assert_eq!((error.message(), error.site().unwrap().line() as usize), (expected, number));

    // Of two functions each has only one of the layers: nothing is missing.
    let (_, _, history) = adversaries(true, false);
    assert!(!history.readings.is_empty());
    let [first, second] = ["first", "second"].map(|name| Dense::new(1).name(name));
    let [mut one, mut two] =
        [&first, &second].map(|layer| Function::new(|[x, _], cx| [layer.apply(&x, cx)]));
    let (model, data) = (line(), two_rows());
    let options = Fit::epochs(2)
        .deny_warnings(true)
        .probe(Probe::activations("second").every(1))
        .probe(Probe::weights("first/*"));
    let mut run = model.run(&data, options).unwrap();
    while run.next_batch().unwrap() {
        run.step(&mut one).unwrap();
        run.step(&mut two).unwrap();
    }
    assert_eq!(run.finish().unwrap().readings.len(), 2 + 2);
}

#[test]
fn the_terms_of_a_function_have_no_names() {
    let (model, optimizer) = (line(), Sgd::new(0.125));
    model.build([2, 1]).unwrap();
    let error = readings(&model, &optimizer, &two_rows(), Fit::epochs(1).probe(Probe::terms()), 1)
        .unwrap_err();
    assert_eq!(
        error.message(),
        "a probe of terms cannot read a function: the terms of its loss have no names"
    );
    assert!(error.advice().unwrap().contains("model.train_step") && error.site().is_some());
    assert_eq!(model.weights()[0].value().get(0), 2.0);
}

#[test]
fn a_run_that_is_not_finite_has_no_reading() {
    let data = Dataset::new([[1.0_f32], [-1.0], [2.0]], [[1.0_f32], [1.0], [1.0]]).unwrap();
    let (model, optimizer) = (Model::new(Dense::new(1)), Sgd::new(0.1));
    model.build([1, 1]).unwrap();
    let mut step = Function::new(|[x, y], cx| {
        let loss = mean_squared_error(&y, &model.apply(&x.sqrt(), cx)).mean();
        optimizer.apply(&cx.gradients(&loss, model.trainable_weights()), cx);
        [loss]
    });
    let options = Fit::epochs(2)
        .batch_size(1)
        .shuffle(false)
        .non_finite(NonFinite::Skip)
        .probe(Probe::weights("kernel").every(1));
    let mut run = model.run(&data, options).unwrap();
    while run.next_batch().unwrap() {
        if let Err(error) = run.step(&mut step) {
            run.skip(error).unwrap();
        }
    }
    let history = run.finish().unwrap();
    assert_eq!(
        history.readings.iter().map(|reading| reading.step).collect::<Vec<_>>(),
        [0, 2, 3, 5]
    );
}
