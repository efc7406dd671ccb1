//! A training by shards has the numbers of one without, up to rounding: losses that divide by sums
//! of weights, masks, sums, random numbers, metrics, and whatever optimizers do.

use endo::prelude::*;
use endo::shards::{Alone, Shards};
use endo::tensor::Tree;
use endo::{losses, optimizers};

use super::regressor::made_up_data;

/// The weights and logs of a training, with shards or without.
fn trained<O: Tree>(
    make: impl Fn() -> Model<Tensor, O>,
    data: &Dataset,
    shards: Option<usize>,
) -> (Vec<f64>, Vec<(String, f64)>) {
    let mut model = make().threads(1).print_warnings(false);
    if let Some(shards) = shards {
        model.distribute(Alone, Shards::new(shards));
    }
    let options = Fit::epochs(2).batch_size(32).validation(data);
    let history = model.fit(data, options).unwrap();
    let weights =
        model.weights().iter().flat_map(|weight| weight.value().to_vec::<f64>()).collect();
    (weights, history.epochs.last().unwrap().logs.0.clone())
}

/// That shards change nothing but rounding.
fn means_the_same<O: Tree>(what: &str, make: impl Fn() -> Model<Tensor, O>, data: &Dataset) {
    let (weights, logs) = trained(&make, data, None);
    for shards in [1, 3, 8] {
        let (by_shards, logs_by_shards) = trained(&make, data, Some(shards));
        for (a, b) in weights.iter().zip(&by_shards) {
            assert!((a - b).abs() < 1e-4 * a.abs().max(1.0), "{what}, {shards} shards: {a} {b}");
        }
        for ((name, a), (other, b)) in logs.iter().zip(&logs_by_shards) {
            assert_eq!(name, other);
            assert!((a - b).abs() < 2e-4 * a.abs().max(0.1), "{what}, {shards}, {name}: {a} {b}");
        }
    }
}

fn net() -> Sequential {
    Sequential::new().add(Dense::new(8).activation("tanh")).add(Dense::new(1))
}

#[test]
fn losses_divide_by_what_the_whole_batch_has() {
    let data = made_up_data(100);
    let weights = Array::from_fn([100], |i| if i % 7 == 0 { 0.0 } else { (i % 5) as f32 });
    let weighted = data.clone().with_sample_weight(weights).unwrap();
    for reduction in ["sum_over_batch_size", "sum", "mean_with_sample_weight"] {
        let make = || {
            let mut model = Model::new(net()).seed(1);
            let loss = losses::get(&format!("mse(reduction={reduction})")).unwrap();
            model.compile(Sgd::new(0.001), loss, ["mae"]).weighted_metrics(["mse"]);
            model
        };
        means_the_same(reduction, make, &data);
        means_the_same(reduction, make, &weighted);
    }
}

#[test]
fn masks_count_the_steps_of_the_whole_batch() {
    let x = Array::from_fn([64, 5], |i| if i % 5 > i / 5 % 5 { 0 } else { (i % 9) as i32 });
    let y = Array::from_fn([64, 5, 1], |i| (0.3 * i as f32).sin());
    let data = Dataset::new(x, y).unwrap();
    let make = || {
        let net = Sequential::new()
            .add(Embedding::new(9, 4).mask_zero(true))
            .add(SimpleRnn::new(4).return_sequences(true))
            .add(Dense::new(1));
        let mut model = Model::new(net).seed(1);
        model.compile(Sgd::new(0.1), "mse", ["mae"]);
        model
    };
    means_the_same("masks", make, &data);
}

#[test]
fn random_numbers_follow_the_row_of_the_whole_batch() {
    let data = made_up_data(100);
    let make = || {
        let net = Sequential::new()
            .add(GaussianNoise::new(0.3))
            .add(Dense::new(16).activation("relu"))
            .add(Dropout::new(0.5))
            .add(Dense::new(1));
        let mut model = Model::new(net).seed(1);
        model.compile(Sgd::new(0.01), "mse", ());
        model
    };
    means_the_same("dropout", make, &data);
}

#[test]
fn images_changed_at_random_follow_the_row_of_the_batch() {
    let data = made_up_data(100);
    let make = || {
        let net = Sequential::new()
            .add(Dense::new(12))
            .add(Reshape::new([3, 4, 1]))
            .add(RandomFlip::new())
            .add(RandomTranslation::new(0.3, 0.3))
            .add(RandomCrop::new(2, 3))
            .add(Flatten::new())
            .add(Dense::new(1));
        let mut model = Model::new(net).seed(1);
        model.compile(Sgd::new(0.01), "mse", ());
        model
    };
    means_the_same("images", make, &data);
}

#[test]
fn a_kernel_that_its_layer_assigns_is_one_for_all_shards() {
    let data = made_up_data(100);
    let make = || {
        let hidden = SpectralNormalization::new(Dense::new(8).activation("tanh"));
        let mut model = Model::new(Sequential::new().add(hidden).add(Dense::new(1))).seed(1);
        model.compile(Sgd::new(0.1), "mse", ());
        model
    };
    means_the_same("spectral normalization", make, &data);
}

#[test]
fn terms_penalties_constraints_and_metrics_from_inside_are_those_of_the_batch() {
    let data = made_up_data(96);
    let make = || {
        let hidden = Dense::new(8)
            .activation("tanh")
            .kernel_regularizer(L2(0.01))
            .activity_regularizer(L1(0.001))
            .kernel_constraint(MaxNorm.max_value(0.9));
        let out = Dense::new(1);
        let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
            let z = hidden.apply(x, cx);
            cx.add_loss("size", 0.1 * z.square().mean());
            cx.add_sample_loss("sample", 0.05 * z.abs().mean_axes([-1]));
            cx.add_metric("active", z.greater(0.0).cast(DType::F32).mean());
            out.apply(&z, cx)
        })
        .seed(1);
        model.compile(Sgd::new(0.05), "mse", ["mae", "r2_score"]);
        model
    };
    means_the_same("terms", make, &data);
}

#[test]
fn optimizers_see_the_gradient_of_the_whole_batch() {
    let data = made_up_data(96);
    for text in [
        "sgd(0.05, momentum=0.9, global_clipnorm=0.5)",
        "sgd(0.05, clipvalue=0.01, weight_decay=0.1)",
        "sgd(0.1, gradient_accumulation_steps=2)",
        "sgd(0.05, use_ema=true, ema_momentum=0.8)",
        "sgd(0.05, loss_scale_factor=1024)",
        "sgd(cosine_decay(0.1, 100))",
        "adagrad(0.01)",
    ] {
        let make = || {
            let mut model = Model::new(net()).seed(1);
            model.compile(optimizers::get(text).unwrap(), "mse", ());
            model
        };
        means_the_same(text, make, &data);
    }
}

#[test]
fn a_step_of_ones_own_is_cut_as_the_usual_one() {
    let data = made_up_data(96);
    let make = || {
        let mut model = Model::new(net()).seed(1);
        model.compile(Sgd::new(0.05), "mse", ["mae"]);
        let upper = Sgd::new(0.02);
        model.train_step(move |step, cx| {
            let y_pred = step.apply(step.inputs(), cx);
            let mut terms = step.losses(&y_pred, cx);
            terms.add("size", 0.1 * y_pred.square().mean());
            let weights = step.trainable_weights();
            let gradients = cx.gradients(terms.total(), &weights);
            let (low, high) = gradients.split(|weight| weight.name().starts_with("dense/"));
            step.apply_gradients(&low, cx);
            upper.apply(&high, cx);
            step.update_metrics(&y_pred, cx);
            terms
        });
        model
    };
    means_the_same("a step of one's own", make, &data);
}

#[test]
fn two_outputs_have_their_losses_and_metrics() {
    let base = made_up_data(96);
    let y = base.targets().unwrap().clone();
    let class = Array::from_fn([96], |i| i32::from(y.get(i) > 0.0));
    let data = Dataset::new(base.inputs().clone(), (y, class)).unwrap();
    let make = || {
        let (number, class) = (Dense::new(1).name("number"), Dense::new(2).name("class"));
        let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
            (number.apply(x, cx), class.apply(x, cx))
        })
        .seed(1);
        let classes = SparseCategoricalCrossentropy::new().from_logits(true);
        model.compile(Sgd::new(0.05), (MeanSquaredError, classes), ());
        model.output_metrics("class", ["accuracy"]).loss_weights([1.0, 0.5]);
        model
    };
    means_the_same("two outputs", make, &data);
}

#[test]
fn weights_of_f64_are_trained_by_sums_of_f64() {
    let data = made_up_data(96);
    let make = || {
        let mut model = Model::new(net()).dtype(DType::F64).seed(1);
        model.compile(Sgd::new(0.05), "mse", ["mae"]);
        model
    };
    means_the_same("f64", make, &data);
}

#[test]
fn probes_read_the_whole_batch_at_the_same_steps() {
    let data = made_up_data(96);
    let read = |shards: Option<usize>| {
        let mut model = Model::new(net()).seed(1).threads(1);
        model.compile(Sgd::new(0.05), "mse", ());
        if let Some(shards) = shards {
            model.distribute(Alone, Shards::new(shards));
        }
        let probe = Probe::activations("dense*").every(2);
        let options = Fit::epochs(2).batch_size(32).probe(probe).probe(Probe::terms().every(2));
        let history = model.fit(&data, options).unwrap();
        let means: Vec<(usize, f64)> =
            history.readings.iter().map(|read| (read.step, read.statistics.mean)).collect();
        (means, history.term_readings.len())
    };
    let (whole, shards) = (read(None), read(Some(4)));
    assert_eq!((whole.1, whole.0.len()), (shards.1, shards.0.len()));
    for ((step, a), (other, b)) in whole.0.iter().zip(&shards.0) {
        assert!(step == other && (a - b).abs() < 1e-4, "{step} {a}, {other} {b}");
    }
}

#[test]
fn single_steps_are_cut_as_those_of_fit() {
    let data = made_up_data(32);
    let train = |shards: Option<usize>| {
        let mut model = Model::new(net()).seed(1).threads(1);
        model.compile(Sgd::new(0.05), "mse", ["mae"]);
        if let Some(shards) = shards {
            model.distribute(Alone, Shards::new(shards));
        }
        let logs: Vec<_> = (0..3).map(|_| model.train_on_batch(&data).unwrap()).collect();
        let tested = model.test_on_batch(&data).unwrap();
        logs.iter().chain([&tested]).flat_map(|logs| logs.0.clone()).collect::<Vec<_>>()
    };
    for ((name, a), (other, b)) in train(None).iter().zip(&train(Some(8))) {
        assert!(name == other && (a - b).abs() < 1e-4 * a.abs().max(0.1), "{name}: {a} {b}");
    }
}
