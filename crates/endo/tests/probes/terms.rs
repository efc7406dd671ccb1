//! What each term of a loss asks of the weights, against gradients computed by hand.

use endo::prelude::*;

use super::two_rows;

/// y = a x through `first`, then b through `second`; a = 2, b = 1.
fn chain() -> Model {
    let line = |value: &'static str, name| {
        Dense::new(1).use_bias(false).kernel_initializer(value).name(name)
    };
    let layers = Sequential::new().add(line("constant(2)", "first")).add(line("ones", "second"));
    Model::new(layers).dtype(DType::F64)
}

#[test]
fn norms_and_cosines_are_those_of_the_gradients() {
    let mut model = chain();
    model.compile(Sgd::new(0.0), MeanSquaredError, ()).loss_weights([0.5]);
    // Pulls the hidden value up, where the loss pulls it down.
    model.add_loss_at("first", "lift", |activation| -activation.mean());
    let history = model.fit(&two_rows(), Fit::epochs(1).probe(Probe::terms())).unwrap();
    let reading = &history.term_readings[0];
    // main = 0.5 mean((b a x)^2) with mean(x^2) = 5: 0.5 * 2 a b^2 5 = 10 by a, 0.5 * 2 a^2 b 5 =
    // 20 by b.
    // lift = -a mean(x) = -2 a: -2 by a, nothing by b.
    let [main, lift] = [&reading.terms[0], &reading.terms[1]];
    assert_eq!([main.name.as_str(), lift.name.as_str()], ["main", "lift"]);
    let layers = |norms: [f64; 2]| {
        ["sequential/first", "sequential/second"]
            .map(String::from)
            .into_iter()
            .zip(norms)
            .collect::<Vec<_>>()
    };
    assert_eq!(main.layers, layers([10.0, 20.0]));
    assert_eq!(lift.layers, layers([2.0, 0.0]));
    assert!((main.norm - 500.0_f64.sqrt()).abs() < 1e-12 && lift.norm == 2.0);
    assert!((reading.cosines[0].value + 20.0 / (2.0 * 500.0_f64.sqrt())).abs() < 1e-12);
    assert_eq!(reading.cosines[0].to_string(), "lift against main: cosine -0.45");
}

#[test]
fn frozen_weights_do_not_count() {
    let mut model = chain();
    model.compile(Sgd::new(0.0), MeanSquaredError, ());
    model.build([2, 1]).unwrap();
    model.weight("first/kernel").unwrap().set_trainable(false);
    let history = model.fit(&two_rows(), Fit::epochs(1).probe(Probe::terms())).unwrap();
    assert_eq!(history.term_readings[0].terms[0].layers, [("sequential/second".to_string(), 40.0)]);
}

#[test]
fn without_trainable_weights_nothing_pulls() {
    let mut model = chain();
    model.compile(Sgd::new(0.0), MeanSquaredError, ());
    model.build([2, 1]).unwrap();
    for weight in &model.weights() {
        weight.set_trainable(false);
    }
    let history = model.fit(&two_rows(), Fit::epochs(1).probe(Probe::terms())).unwrap();
    assert_eq!(
        (history.term_readings[0].terms[0].norm, history.last("gradient_norm(main)")),
        (0.0, Some(0.0))
    );
}

#[test]
fn logs_have_the_means_over_the_readings_of_an_epoch() {
    let mut model = chain();
    model.compile(Sgd::new(0.01), MeanSquaredError, ());
    model.add_loss_at("first", "lift", |activation| -activation.mean());
    let history = model
        .fit(&two_rows(), Fit::epochs(3).batch_size(1).probe(Probe::terms().every(2)))
        .unwrap();
    assert_eq!(
        history
            .term_readings
            .iter()
            .map(|reading| (reading.epoch, reading.step))
            .collect::<Vec<_>>(),
        [(0, 0), (1, 2), (2, 4)]
    );
    let norms: Vec<f64> =
        history.term_readings.iter().map(|reading| reading.terms[0].norm).collect();
    assert_eq!(history.get("gradient_norm(main)"), norms);
    assert_eq!(history.get("cosine(main, lift)").len(), 3);

    let every = model
        .fit(&two_rows(), Fit::epochs(1).batch_size(1).probe(Probe::terms().every(1)))
        .unwrap();
    let mean = every.term_readings.iter().map(|reading| reading.terms[1].norm).sum::<f64>() / 2.0;
    assert_eq!(every.last("gradient_norm(lift)"), Some(mean));
}

#[test]
fn a_history_prints_how_terms_pulled_and_what_probes_took() {
    let mut model = chain();
    model.compile(Sgd::new(0.0), MeanSquaredError, ());
    model.add_loss_at("first", "lift", |activation| -activation.mean());
    let history = model.fit(&two_rows(), Fit::epochs(4).probe(Probe::terms().every(2))).unwrap();
    let text = history.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..2],
        ["4 epochs: main 20.00 + lift -4.000 = loss 16.00", "lift against main: cosine -0.45"]
    );
    assert!(lines[2].starts_with("probes read 2 steps and took 0."), "{text}");
    let cost = history.probe_cost.unwrap();
    assert!(cost.steps == 2 && cost.seconds.unwrap() <= cost.training, "{cost:?}");

    let all = model.fit(&two_rows(), Fit::epochs(2).probe(Probe::terms().every(1))).unwrap();
    assert_eq!(all.probe_cost.unwrap().seconds, None);
    assert!(model.fit(&two_rows(), Fit::epochs(1)).unwrap().probe_cost.is_none());
}
