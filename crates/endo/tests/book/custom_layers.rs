//! Custom layers: without weights, with weights, of several inputs and outputs, different in
//! training, normalizing.
//!
//! In: the chapter's layers. Out: its printed values, and those of the library's layers.

use endo::prelude::*;

use super::{assert_near, made_up_data};

/// The example, whose `main` and data are not of use here.
#[allow(dead_code)]
#[path = "../../examples/custom_layers.rs"]
mod example;

use example::{MyDense, MyGaussianNoise, MyLayerNormalization};

/// The chapter's `MyMultiLayer`.
struct MyMultiLayer;

impl Layer<[Tensor; 2], [Tensor; 3]> for MyMultiLayer {
    fn call(&self, [a, b]: &[Tensor; 2], _: &mut Context) -> [Tensor; 3] {
        [a + b, a * b, a / b]
    }
}

#[test]
fn a_closure_is_a_layer_without_weights() {
    let exponential = |x: &Tensor, _: &mut Context| x.exp();
    let model = Model::new(exponential);
    assert_near(
        model.predict(&[[-1.0_f32], [0.0], [1.0]].into()).unwrap().to_vec().try_into().unwrap(),
        [(-1.0_f64).exp(), 1.0, 1.0_f64.exp()],
    );
    // At the output of a regressor whose targets are positive and of very different sizes.
    let mut model = Model::new(
        Sequential::new().add(Dense::new(30).activation(Relu)).add(Dense::new(1)).add(exponential),
    );
    model.compile(Sgd::new(0.001), MeanSquaredError, ());
    let history = model.fit(&made_up_data(64), Fit::epochs(2)).unwrap();
    assert!(history.get("loss")[1] < history.get("loss")[0]);
}

#[test]
fn a_layer_with_weights_is_the_librarys_dense() {
    let mine = Model::new(MyDense::new(4, Relu));
    let library = Model::new(Dense::new(4).activation(Relu));
    mine.build([1, 3]).unwrap();
    library.build([1, 3]).unwrap();
    assert_eq!(mine.weights()[0].name(), "kernel");
    let weights = [Array::from_fn([3, 4], |i| (i as f32).sin()), [0.5_f32, -0.5, 0.25, 0.0].into()];
    mine.set_weights(&weights).unwrap();
    library.set_weights(&weights).unwrap();
    let x = made_up_data(5).inputs().clone();
    assert_eq!(mine.predict(&x).unwrap(), library.predict(&x).unwrap());
}

#[test]
fn a_layer_with_weights_trains_in_a_sequence() {
    let mut model =
        Model::new(Sequential::new().add(MyDense::new(30, "relu")).add(MyDense::new(1, "linear")));
    model.compile(Nadam::default(), MeanSquaredError, ());
    let losses = model.fit(&made_up_data(96), Fit::epochs(5)).unwrap().get("loss");
    assert!(losses[4] < losses[0], "{losses:?}");
    assert_eq!(model.weights().len(), 4);
}

#[test]
fn a_layer_takes_and_returns_several_tensors() {
    let inputs = [[[3.0_f32, 6.0], [2.0, 7.0]].into(), [[6.0_f32, 12.0], [4.0, 3.0]].into()];
    let closure = |[a, b]: &[Tensor; 2], _: &mut Context| [a + b, a * b, a / b];
    for [sum, product, quotient] in [
        Model::new(MyMultiLayer).predict(&inputs).unwrap(),
        Model::new(closure).predict(&inputs).unwrap(),
    ] {
        assert_eq!(sum, [[9.0_f32, 18.0], [6.0, 10.0]].into());
        assert_eq!(product, [[18.0_f32, 72.0], [8.0, 21.0]].into());
        assert_near(quotient.to_vec().try_into().unwrap(), [0.5, 0.5, 0.5, 7.0 / 3.0]);
    }
}

#[test]
fn a_layer_is_different_in_training() {
    let noise = MyGaussianNoise { stddev: 1.0 };
    let zeros = Array::zeros([100, 100], DType::F32);
    let mut testing = Function::new(|[x], cx| [noise.apply(&x, cx)]).training(false);
    assert_eq!(testing.run([&zeros]).unwrap()[0], zeros);
    let mut training = Function::new(|[x], cx| [noise.apply(&x, cx)]);
    let first = training.run([&zeros]).unwrap()[0].clone();
    let second = training.run([&zeros]).unwrap()[0].clone();
    assert_ne!(first, second);
    let square = first.to_vec::<f64>().iter().map(|noise| noise * noise).sum::<f64>() / 1e4;
    assert!((square - 1.0).abs() < 0.06, "{square}"); // four standard errors
}

#[test]
fn layer_normalization_by_hand_is_the_librarys() {
    let x = Array::from_fn([50, 8], |i| 10.0 * (i as f32 * 0.7).sin() + (i % 8) as f32);
    let (mine, library) = (MyLayerNormalization::new(0.001), LayerNormalization::new());
    let mut difference =
        Function::new(|[x], cx| [(mine.apply(&x, cx) - library.apply(&x, cx)).abs().max()]);
    assert!(difference.run([&x]).unwrap()[0].item().unwrap() < 1e-6);
    let alpha = Array::from_fn([8], |i| 0.5 + i as f32 / 8.0);
    mine.alpha.variable().unwrap().set(&alpha).unwrap();
    library.gamma().unwrap().set(&alpha).unwrap();
    assert!(difference.run([&x]).unwrap()[0].item().unwrap() < 1e-6);
}

#[test]
fn noise_is_in_the_loss_of_training_and_not_in_that_of_evaluation() {
    let data =
        Dataset::new(Array::zeros([1000, 1], DType::F32), Array::zeros([1000, 1], DType::F32))
            .unwrap();
    let mut model = Model::new(MyGaussianNoise { stddev: 1.0 });
    model.compile(Sgd::new(0.0), MeanSquaredError, ());
    let loss = |logs: Logs| logs.get("loss").unwrap();
    assert_eq!(loss(model.evaluate(&data).unwrap()), 0.0);
    let trained = loss(model.train_on_batch(&data).unwrap());
    assert!((trained - 1.0).abs() < 0.2, "{trained}"); // more than four standard errors
    assert_eq!(loss(model.test_on_batch(&data).unwrap()), 0.0);
}

#[test]
fn a_mask_that_a_layer_does_not_pass_on_is_reported() {
    struct Doubled {
        supports_masking: bool,
    }
    impl Layer for Doubled {
        fn call(&self, x: &Tensor, _: &mut Context) -> Tensor {
            2.0 * x
        }
        fn supports_masking(&self) -> bool {
            self.supports_masking
        }
    }
    for supports_masking in [true, false] {
        let (masking, doubled) = (Masking::new(0.0), Doubled { supports_masking });
        let mut f = Function::new(|[x], cx| {
            let y = doubled.apply(&masking.apply(&x, cx), cx);
            assert_eq!(cx.mask(&y).is_some(), supports_masking);
            [y]
        });
        f.run([&[[[1.0_f32], [0.0]]].into()]).unwrap();
        let reported = f
            .warnings()
            .iter()
            .any(|warning| warning.contains("`doubled` does not pass on the mask"));
        assert_eq!(reported, !supports_masking, "{:?}", f.warnings());
    }
}
