//! Reading changes nothing: the weights of a training with probes are those of one without, bit by
//! bit, node by node and planned.

use endo::prelude::*;
use endo::training::probes::{ProbeKind, Statistics};

use super::all_probes;
use super::regressor::{Regressor, made_up_data};

/// The weights after three epochs with a short last batch each.
fn trained(make: impl Fn() -> Model, watched: bool) -> (Vec<Array>, History) {
    let mut model = make();
    let (train, valid) = (made_up_data(50), made_up_data(20));
    let options = Fit::epochs(3).batch_size(16).validation(&valid);
    let history = model.fit(&train, if watched { all_probes(options) } else { options }).unwrap();
    (model.weights().iter().map(Variable::value).collect(), history)
}

#[track_caller]
fn same(make: impl Fn() -> Model) {
    let ((without, plain), (with, watched)) = (trained(&make, false), trained(&make, true));
    assert_eq!(without, with);
    for name in ["loss", "val_loss"] {
        assert_eq!(plain.get(name), watched.get(name), "{name}");
    }
    assert!(plain.readings.is_empty() && watched.readings.len() > 100);
    let everything_finite = |reading: &Reading| {
        reading.statistics.norm.is_finite() && reading.statistics.mean.is_finite()
    };
    assert!(watched.readings.iter().all(everything_finite));
}

#[test]
fn with_each_optimizer() {
    let texts = [
        "sgd(momentum=0.9)",
        "nadam",
        "adam_w(0.01, clipnorm=0.5)",
        "adafactor",
        "lamb",
        "rmsprop(global_clipnorm=0.1)",
    ];
    for text in texts {
        same(|| {
            let mut model = Model::new(Regressor::new()).threads(1);
            model.compile(text, "mse", ["mae"]);
            model
        });
    }
}

#[test]
fn with_accumulated_gradients_averages_and_a_scaled_loss() {
    same(|| {
        let mut model = Model::new(Regressor::new()).threads(2);
        let optimizer =
            Nadam::default().gradient_accumulation_steps(2).use_ema(true).loss_scale_factor(8.0);
        model.compile(optimizer, Huber, ["mae"]);
        model
    });
}

#[test]
fn in_f64_and_node_by_node() {
    same(|| {
        let mut model = Model::new(Regressor::new()).dtype(DType::F64);
        model.compile("adam", "mse", ());
        model
    });
    same(|| {
        let mut model = Model::new(Regressor::new()).run_eagerly(true);
        model.compile("adam", "mse", ());
        model
    });
}

#[test]
fn with_products_and_loops_that_are_shared_among_threads() {
    let train = |watched: bool| {
        let layers = Sequential::new()
            .add(Dense::new(256).activation("tanh"))
            .add(BatchNormalization::new())
            .add(Dense::new(64));
        let mut model = Model::new(layers).threads(2);
        model.compile(Adam::default(), MeanSquaredError, ());
        let [x, y] =
            [[512, 128], [512, 64]].map(|shape| Array::from_fn(shape, |i| (i as f32).sin()));
        let options = Fit::epochs(2).batch_size(256);
        let data = Dataset::new(x, y).unwrap();
        model.fit(&data, if watched { all_probes(options) } else { options }).unwrap();
        model.weights().iter().map(Variable::value).collect::<Vec<_>>()
    };
    assert_eq!(train(false), train(true));
}

#[test]
fn planned_and_node_by_node_readings_agree() {
    let read = |eager: bool| {
        let make = || {
            let mut model = Model::new(Regressor::new()).run_eagerly(eager);
            model.compile("sgd", "mse", ());
            model
        };
        trained(make, true).1.readings
    };
    let (planned, eager) = (read(false), read(true));
    assert_eq!(planned.len(), eager.len());
    for (a, b) in planned.iter().zip(&eager) {
        assert_eq!((a.step, a.epoch, a.kind, &a.path), (b.step, b.epoch, b.kind, &b.path));
        let numbers = |reading: &Reading| {
            let Statistics {
                mean,
                standard_deviation,
                norm,
                minimum,
                maximum,
                zeros,
                saturated,
                ..
            } = reading.statistics;
            // Whether a small update is 0 is a matter of rounding.
            let zeros = if reading.kind == ProbeKind::Activations { zeros } else { 0.0 };
            [mean, standard_deviation, norm, minimum, maximum, zeros, saturated.unwrap_or(0.0)]
        };
        let counted = |reading: &Reading| {
            reading.histogram.as_ref().map(|histogram| histogram.counts.iter().sum::<usize>())
        };
        assert_eq!(counted(a), counted(b));
        let scale = a.statistics.norm.max(1.0);
        let near = numbers(a).iter().zip(numbers(b)).all(|(a, b)| (a - b).abs() <= 1e-4 * scale);
        assert!(near, "{a}\n{b}");
    }
}

#[test]
fn a_step_that_is_skipped_has_no_reading() {
    let dense = Dense::new(1);
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| dense.apply(&x.log(), cx));
    model.compile(Sgd::new(0.1), MeanSquaredError, ());
    let data = Dataset::new([[1.0_f32], [-1.0], [2.0]], [[0.0_f32], [1.0], [1.0]]).unwrap();
    let options = Fit::epochs(2)
        .batch_size(1)
        .shuffle(false)
        .non_finite(NonFinite::Skip)
        .probe(Probe::weights("kernel").every(1));
    let history = model.fit(&data, options).unwrap();
    assert_eq!(
        history.readings.iter().map(|reading| reading.step).collect::<Vec<_>>(),
        [0, 2, 3, 5]
    );
}
