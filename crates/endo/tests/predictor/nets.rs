//! Random nets, trained for some steps; models of several inputs and outputs; any number of
//! threads.

use endo::prelude::*;
use endo::random::Random;
use proptest::prelude::*;
use proptest::test_runner::Config;

#[path = "../support/regressor.rs"]
mod regressor;

use regressor::{Regressor, made_up_data};

use super::support::{Exported, assert_same, compare, floats};

const ACTIVATIONS: [&str; 8] =
    ["linear", "relu", "selu", "tanh", "sigmoid", "gelu", "softmax", "leaky_relu"];

/// Units, an activation, and what comes after: nothing, a normalization of layers or batches, or
/// dropout.
type Widths = Vec<(usize, usize, u8)>;

fn net(layers: &Widths, outputs: usize) -> impl Layer + use<> {
    let layers: Vec<(Dense, u8, LayerNormalization, BatchNormalization, Dropout)> = layers
        .iter()
        .map(|&(units, activation, after)| {
            let dense = Dense::new(units).activation(ACTIVATIONS[activation]).use_bias(after != 2);
            (dense, after, LayerNormalization::new(), BatchNormalization::new(), Dropout::new(0.3))
        })
        .collect();
    let out = Dense::new(outputs);
    move |x: &Tensor, cx: &mut Context| {
        let mut z = x.clone();
        for (dense, after, of_layer, of_batch, dropout) in &layers {
            let y = dense.apply(&z, cx);
            let y = match after {
                1 => of_layer.apply(&y, cx),
                2 => of_batch.apply(&y, cx),
                3 => dropout.apply(&y, cx),
                _ => y,
            };
            z = if y.shape() == z.shape() { y + &z } else { y };
        }
        cx.add_loss("size", 0.01 * z.square().mean());
        out.apply(&z, cx)
    }
}

fn layers() -> impl Strategy<Value = Widths> {
    prop::collection::vec((1_usize..70, 0..ACTIVATIONS.len(), 0_u8..5), 1..5)
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, cases: 24, ..Config::default() })]

    #[test]
    fn trained_nets_predict_the_same_bits_from_a_file(
        (layers, features, outputs, seed) in (layers(), 1_usize..12, 1_usize..4, 0_u64..1 << 32),
    ) {
        let mut model = Model::new(net(&layers, outputs)).seed(seed);
        model.compile("adam", "mse", ());
        let data =
            Dataset::new(floats([32, features], seed), floats([32, outputs], seed + 1)).unwrap();
        model.fit(&data, Fit::epochs(2).batch_size(8)).unwrap();
        compare(&format!("{layers:?}"), &model, |rows| vec![floats([rows, features], seed + 2)]);
    }
}

#[test]
fn several_inputs_and_outputs_keep_their_order_and_names() {
    let (wide, deep, price, class) =
        (Dense::new(3), Dense::new(5).activation("relu"), Dense::new(1), Dense::new(4));
    let [price, class] = [price.name("price"), class.name("class").activation("softmax")];
    let model = Model::new(move |(a, b): &(Tensor, Tensor), cx: &mut Context| {
        let z = Tensor::concatenate(&[wide.apply(a, cx), deep.apply(b, cx)], -1);
        (price.apply(&z, cx), class.apply(&z, cx))
    });
    let inputs = |rows| vec![floats([rows, 2], 1), floats([rows, 7], 2)];
    model.build_on(&inputs(3)).unwrap();
    compare("two and two", &model, inputs);
    let predictor = Exported::of(&model).load().unwrap();
    assert_eq!(predictor.output_names(), ["price", "class"]);
    let text = predictor
        .outputs()
        .iter()
        .chain(predictor.inputs())
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    assert_eq!(text, ["f32[_, 1]", "f32[_, 4]", "f32[_, 2]", "f32[_, 7]"]);
}

#[test]
fn the_regressor_predicts_the_same_bits_from_a_file_in_many_threads() {
    let data = made_up_data(600);
    let mut model = Model::new(Regressor::new());
    model.compile(Nadam::default(), MeanSquaredError, ());
    model.fit(&data, Fit::epochs(3)).unwrap();
    let file = Exported::of(&model);
    let want = model.predict(data.inputs()).unwrap();
    let mut random = Random::new(1, 0);
    let parts: Vec<(usize, usize)> =
        (0..40).map(|_| (random.below(300), 1 + random.below(300))).collect();
    for threads in [1, 2] {
        let predictor = file.load().unwrap().threads(threads);
        std::thread::scope(|scope| {
            let predict = || {
                for &(start, rows) in &parts {
                    let got = predictor.predict(&data.inputs().rows(start..start + rows)).unwrap();
                    // A row has the same bits whatever part it is in only where the model says so:
                    // so the same part is asked.
                    assert_same(
                        "a part",
                        &got,
                        &model.predict(&data.inputs().rows(start..start + rows)).unwrap(),
                    );
                }
                assert_same("all", &predictor.predict(data.inputs()).unwrap(), &want);
            };
            for _ in 0..4 {
                drop(scope.spawn(predict));
            }
        });
    }
    // The reconstruction is of training, and not in the file. What is, is the weight of its name.
    let predictor = file.load().unwrap();
    for variable in predictor.variables() {
        let weight = model
            .weight(variable.name())
            .unwrap_or_else(|| panic!("a weight called {}", variable.name()));
        assert_same(variable.name(), &variable.value(), &weight.value());
        assert!(!variable.name().contains("reconstruct"), "{}", variable.name());
    }
    assert_eq!(predictor.variables().len(), model.weights().len() - 2);
}
