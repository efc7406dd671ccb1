//! The models and steps of every example of the library, in C.

// Each example is a program of its own, with a `main` and the data that it needs.
#![allow(dead_code, clippy::duplicate_mod, clippy::module_inception)]

mod support;

use std::fs;
use std::path::Path;

use endo::graph::Tree;
use endo::prelude::*;

use support::{Bound, Session};

#[path = "../../endo/examples/callbacks.rs"]
mod callbacks;
#[path = "../../endo/examples/custom_layers.rs"]
mod custom_layers;
#[path = "../../endo/examples/data/mod.rs"]
mod data;
#[path = "../../endo/examples/digits.rs"]
mod digits;
#[path = "../../endo/examples/distillation.rs"]
mod distillation;
#[path = "../../endo/examples/gradients.rs"]
mod gradients;
#[path = "../../endo/examples/handwriting.rs"]
mod handwriting;
#[path = "../../endo/examples/huber.rs"]
mod huber;
#[path = "../../endo/examples/maml.rs"]
mod maml;
#[path = "../../endo/examples/momentum.rs"]
mod momentum;
#[path = "../../endo/examples/probes.rs"]
mod probes;
#[path = "../../endo/examples/reconstructing_regressor.rs"]
mod reconstructing_regressor;
#[path = "../../endo/examples/residual_regressor.rs"]
mod residual_regressor;
#[path = "../../endo/examples/siamese.rs"]
mod siamese;
#[path = "../../endo/examples/stopping.rs"]
mod stopping;
#[path = "../../endo/examples/stream.rs"]
mod stream;
#[path = "../../endo/examples/text.rs"]
mod text;
#[path = "../../endo/examples/transfer.rs"]
mod transfer;
#[path = "../../endo/examples/vae.rs"]
mod vae;
#[path = "../../endo/examples/vowels.rs"]
mod vowels;
#[path = "../../endo/examples/wgan_gp.rs"]
mod wgan_gp;
#[path = "../../endo/examples/wide_and_deep.rs"]
mod wide_and_deep;

/// An example by its name, and what adds its models and steps to a session.
type Case = (&'static str, fn(&mut Session, &str));

const EXAMPLES: &[Case] = &[
    ("callbacks", |session, name| {
        let beta = Variable::new("beta", 0.5_f32).frozen();
        both(session, name, &callbacks::model(&beta), &made_up());
    }),
    ("custom_layers", |session, name| both(session, name, &custom_layers::model(), &made_up())),
    ("custom_loop", |session, name| {
        // As there, but for the loop around it.
        let hidden = Dense::new(30).activation("relu").kernel_regularizer(L2(0.05));
        let out = Dense::new(1).kernel_regularizer(L2(0.05)).kernel_constraint(MaxNorm);
        let model = Model::new(Sequential::new().add(hidden).add(out));
        let (optimizer, mean_loss) = (Sgd::new(0.01), Mean::new("mean"));
        let mut step = Function::new(|[x, y], cx| {
            let y_pred = model.apply(&x, cx);
            let main_loss = mean_squared_error(&y, &y_pred).mean();
            let loss = cx.losses().iter().fold(main_loss, |sum, term| sum + term);
            optimizer.apply(&cx.gradients(&loss, model.trainable_weights()), cx);
            mean_loss.update(&loss, cx);
            [loss]
        });
        steps(session, name, &mut step, &made_up());
    }),
    ("digits", |session, name| {
        let model = digits::model();
        model.build([32, 8, 8]).unwrap();
        let part = |path: &str| model.layer(path).unwrap().trainable_weights();
        let (lower, upper) = (part("lower"), part("upper"));
        let (first, second) = (Sgd::new(0.05), Nadam::new(0.005));
        let mut step = Function::new(|[x, y], cx| {
            let y_pred = model.apply(&x, cx);
            let loss = sparse_categorical_crossentropy(&y, &y_pred, false).mean();
            first.apply(&cx.gradients(&loss, &lower), cx);
            second.apply(&cx.gradients(&loss, &upper), cx);
            [loss]
        });
        steps(session, name, &mut step, &images());
        predicted(session, name, &model, &images());
    }),
    ("distillation", |session, name| {
        let teacher = std::sync::Arc::new(distillation::teacher());
        teacher.build([1, 8, 8]).unwrap();
        both(session, name, &teacher, &images());
        both(session, name, &distillation::distilled(teacher), &images());
    }),
    ("functions", |session, name| {
        let counter = Variable::new("counter", 0);
        let mut increment = Function::new(|[x], cx| {
            let one = cx.constant(1);
            cx.assign_add(&counter, one);
            [x.greater(0.0).where_(x.sqrt(), 0.0).sum() + x.powf(3.0).sum()]
        });
        let x = Array::from([4.0_f32, -1.0, 2.5]);
        let graph = increment.graph([&x]).unwrap();
        session.train(name, &graph, &[vec![x.clone()], vec![x]], Bound::ONCE);
    }),
    ("gradients", |session, name| {
        let [w1, w2] = [("w1", 5.0_f32), ("w2", 3.0)].map(|(name, x)| Variable::new(name, x));
        let mut at = Function::new(|[z], cx| {
            let y = gradients::f(&cx.read(&w1), &cx.read(&w2));
            let soft = gradients::softplus(&z);
            let slopes = cx.gradients(&soft.sum(), [&z]).into_tensors().remove(0).unwrap();
            [cx.hessian(&y, &w1), cx.gradients(&y, [&w1]).of(&w1).unwrap().clone(), soft, slopes]
        });
        let z = Array::from([-100.0_f32, 0.0, 30.0, 100.0, 1000.0]);
        let graph = at.graph([&z]).unwrap();
        session.train(name, &graph, &[vec![z]], Bound::ONCE);
    }),
    ("handwriting", |session, name| {
        let (train, _) = handwriting::data::handwriting().unwrap();
        both(session, name, &handwriting::model(), &train.rows(0..60).unwrap());
    }),
    ("huber", |session, name| {
        let weights = Array::from_fn(60, |row| (row % 5) as f32 / 4.0);
        both(session, name, &huber::model(), &made_up().with_sample_weight(weights).unwrap());
    }),
    ("maml", |session, name| {
        let (model, _) = maml::learner().unwrap();
        session.fit(name, &model, &maml::waves(12, 1).unwrap(), 4, 3);
        predicted(session, name, &model, &maml::waves(12, 1).unwrap());
    }),
    ("momentum", |session, name| {
        let mut model = Model::new(Dense::new(1));
        let optimizer = momentum::MyMomentumOptimizer::new(0.002, 0.9);
        model.compile(optimizer, MeanSquaredError, ());
        both(session, name, &model, &made_up());
    }),
    ("probes", |session, name| both(session, name, &probes::model(), &made_up())),
    ("reconstructing_regressor", |session, name| {
        let mut model = reconstructing_regressor::model();
        model.compile(Nadam::default(), MeanSquaredError, [MeanAbsoluteError::new()]);
        both(session, name, &model, &made_up());
    }),
    ("residual_regressor", |session, name| {
        let mut model = Model::new(residual_regressor::ResidualRegressor::new(1));
        model.compile(Nadam::default(), MeanSquaredError, ["mae"]);
        both(session, name, &model, &made_up());
    }),
    ("siamese", |session, name| {
        let (model, _) = siamese::siamese().unwrap();
        both(session, name, &model, &siamese::triplets(&images(), 60, 1).unwrap());
    }),
    ("stopping", |session, name| both(session, name, &stopping::model(), &made_up())),
    ("stream", |session, name| {
        let x = support::floats([60, 40], 1);
        let y = support::floats([60, 1], 2);
        both(session, name, &stream::model(), &Dataset::new(x, y).unwrap());
    }),
    ("text", |session, name| {
        let text = text::windows(&"abcd ef".repeat(600), &['a', 'b', 'c', 'd', 'e', 'f', ' ']);
        both(session, name, &text::model(7, 3), &text.unwrap());
    }),
    ("transfer", |session, name| {
        let digits = images();
        let labels: Vec<i32> =
            digits.targets().unwrap().to_vec::<i32>().iter().map(|label| label % 5).collect();
        let data = Dataset::new(digits.inputs(), labels).unwrap();
        both(session, name, &transfer::classifier(1).unwrap(), &data);
    }),
    ("vae", |session, name| {
        let (model, decoder) = vae::vae().unwrap();
        let images = vae::images().unwrap()[0].rows(0..60).unwrap();
        both(session, name, &model, &images);
        let codes = Dataset::inputs_only(support::floats([60, 4], 1)).unwrap();
        predicted(session, name, &decoder, &codes);
    }),
    ("vowels", |session, name| {
        let (model, _) = vowels::model().unwrap();
        let train = vowels::utterances().unwrap()[0].rows(0..60).unwrap();
        both(session, name, &model, &train);
    }),
    ("wgan_gp", |session, name| {
        let (model, data) = (wgan_gp::gan().unwrap(), wgan_gp::points(80, 1).unwrap());
        session.fit(name, &model, &data, 40, 3);
        predicted(session, name, &model, &data);
    }),
    ("wide_and_deep", |session, name| {
        let hidden = [30, 30].map(|units| Dense::new(units).activation("relu"));
        let (main, auxiliary) = (Dense::new(1).name("main"), Dense::new(1).name("auxiliary"));
        let mut model = Model::new(wide_and_deep::WideAndDeep { hidden, main, auxiliary });
        model
            .compile(Nadam::default(), (MeanSquaredError, Huber), ["mae"])
            .loss_weights([0.9, 0.1])
            .output_metrics(1, (RootMeanSquaredError::new(), "mae"));
        both(session, name, &model, &wide_and_deep::two_inputs(&made_up()).unwrap());
    }),
];

fn made_up() -> Dataset {
    data::made_up(60).unwrap()
}

fn images() -> Dataset {
    digits::digits::digits(60, 1).unwrap()
}

/// Adds three steps of a compiled model, and what it predicts.
fn both<I: Tree, O: Tree>(session: &mut Session, name: &str, model: &Model<I, O>, data: &Dataset) {
    session.fit(name, model, data, 20, 3);
    predicted(session, name, model, data);
}

/// Adds what a model predicts.
fn predicted<I: Tree, O: Tree>(
    session: &mut Session,
    name: &str,
    model: &Model<I, O>,
    data: &Dataset,
) {
    let inputs = |rows: usize| data.all_inputs().iter().map(|x| x.rows(0..rows)).collect();
    session.model(name, model, inputs, &[1, 11], Bound::ONCE);
}

/// Adds three runs of a step of an input and a target.
fn steps(session: &mut Session, name: &str, step: &mut Function<'_, 2, 1>, data: &Dataset) {
    let batch = |first: usize| {
        [data.inputs(), data.targets().unwrap()].map(|all| all.rows(first..first + 20))
    };
    let [x, y] = batch(0);
    let graph = step.graph([&x, &y]).unwrap();
    let batches: Vec<Vec<Array>> = [0, 20, 40].map(|first| batch(first).to_vec()).into();
    session.train(name, &graph, &batches, Bound::TRAINED);
}

#[test]
fn no_example_is_left_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../endo/examples");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_string());
    let missing: Vec<String> =
        names.filter(|name| EXAMPLES.iter().all(|(known, _)| known != name)).collect();
    assert!(missing.is_empty(), "examples to be added to the table of this file: {missing:?}");
}

#[test]
fn every_example_is_computed_in_c() {
    let mut session = Session::default();
    for (name, add) in EXAMPLES {
        add(&mut session, name);
    }
    session.run();
}
