//! Convolutional LSTMs with numbers of Keras 3.15 for the same weights.

use std::cell::RefCell;

use crate::layers::{self, tests::refused};
use crate::prelude::*;

/// `sin(i a + b) / 2`.
fn ramp(shape: &[usize], a: f64, b: f64) -> Array {
    Array::from_fn(shape, |i| (0.5 * (i as f64 * a + b).sin()) as f32)
}

/// Outputs and states of a layer that a text names, whose weights are ramps, on a ramp.
fn outputs(text: &str, sizes: &[usize], mask: Option<Array>) -> Vec<Array> {
    let layer = layers::get_of_several(text).unwrap();
    let inputs = ramp(sizes, 0.37, 0.1);
    let run = || {
        let weights = RefCell::new(Vec::new());
        let mut f = Function::new(|[x], cx| {
            if let Some(mask) = &mask {
                cx.set_mask(&x, &cx.constant(mask.clone()));
            }
            let all: [Tensor; 3] = layer.apply(&vec![x], cx).try_into().unwrap();
            weights.replace(cx.weights().cloned().collect());
            all
        });
        let all = f.run([&inputs]).unwrap().to_vec();
        (all, weights.take())
    };
    let weights: Vec<Variable> = run().1;
    for (number, weight) in weights.iter().enumerate() {
        let number = number as f64;
        weight.set(&ramp(weight.shape(), 0.7 + 0.2 * number, number)).unwrap();
    }
    run().0
}

/// The shape, the first four numbers, the last one and the sum.
fn check(output: &Array, sizes: &[usize], first: [f64; 4], last: f64, sum: f64) {
    let values = output.to_vec::<f64>();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
    assert_eq!(output.shape().sizes(), sizes);
    assert!(first.iter().zip(&values).all(|(&a, &b)| near(a, b)), "{:?}", &values[..4]);
    assert!(near(last, values[values.len() - 1]), "{values:?}");
    assert!((sum - values.iter().sum::<f64>()).abs() < 1e-5, "{values:?}");
}

#[test]
fn numbers_are_those_of_keras() {
    let all = outputs(
        "conv_lstm2d(2, [2, 3], strides=[1, 2], padding=same, return_sequences=true)",
        &[2, 3, 4, 5, 2],
        None,
    );
    let first = [-0.171801925, 0.160023317, 0.190168411, 0.107249953];
    check(&all[0], &[2, 3, 4, 3, 2], first, 0.157035053, 2.787211704);
    let first = [0.024606394, 0.014534649, -0.371739626, 0.158049911];
    check(&all[1], &[2, 4, 3, 2], first, 0.157035053, 1.030986788);
    let first = [0.074031621, 0.055438176, -0.494678378, 0.203092471];
    check(&all[2], &[2, 4, 3, 2], first, 0.304920495, 3.220749296);
    let all = outputs(
        "conv_lstm2d(3, 2, dilation_rate=2, go_backwards=true, return_sequences=true, \
            recurrent_activation=hard_sigmoid, activation=relu)",
        &[2, 3, 4, 5, 2],
        None,
    );
    let first = [0.076257855, 0.0, 0.0, 0.092024155];
    check(&all[0], &[2, 3, 2, 3, 3], first, 0.0, 4.986789644);
    let all = outputs("conv_lstm2d(2, [3, 2], use_bias=false)", &[2, 3, 4, 5, 2], None);
    let first = [-0.189265117, 0.018956959, -0.011105878, 0.056715459];
    check(&all[0], &[2, 2, 4, 2], first, 0.023870671, -2.373496828);
    let all = outputs("conv_lstm1d(2, 3)", &[2, 4, 6, 2], None);
    let first = [0.154733241, 0.144583985, 0.095774867, 0.109118603];
    check(&all[0], &[2, 4, 2], first, 0.089236982, 1.5865434);
    let first = [0.240568325, 0.349987447, 0.180485711, 0.332871377];
    check(&all[2], &[2, 4, 2], first, 0.302298546, 3.34977041);
    let all = outputs("conv_lstm3d(2, 2, padding=same)", &[1, 2, 3, 4, 3, 1], None);
    let first = [0.208275095, 0.137739882, 0.150131494, 0.127850339];
    check(&all[0], &[1, 3, 4, 3, 2], first, 0.119961426, 4.254610634);
}

#[test]
fn masked_steps_repeat_what_was_before() {
    let mask = Array::from([[true, false, true, true], [false, true, true, false]]);
    let text = "conv_lstm1d(2, 3, return_sequences=true)";
    let all = outputs(text, &[2, 4, 6, 2], Some(mask));
    let (values, size) = (all[0].to_vec::<f64>(), 4 * 2);
    let expected = [
        [0.130243883, 0.130243883, 0.099468231, 0.231383830],
        [0.0, -0.119493373, 0.060926724, 0.060926724],
    ];
    for (place, expected) in expected.as_flattened().iter().enumerate() {
        assert!((values[place * size] - expected).abs() < 1e-6, "{values:?}");
    }
}

#[test]
fn channels_first_moves_the_same_numbers() {
    let last = ConvLstm2D::new(3, 2).return_sequences(true);
    let first = ConvLstm2D::new(3, 2).return_sequences(true).data_format(DataFormat::ChannelsFirst);
    let mut f = Function::new(|[x], cx| {
        let moved = x.permute(&[0, 1, 4, 2, 3]);
        [last.apply(&x, cx), first.apply(&moved, cx).permute(&[0, 1, 3, 4, 2])]
    });
    let x = ramp(&[2, 3, 4, 5, 2], 0.37, 0.1);
    f.run([&x]).unwrap();
    let weights = |layer: &ConvLstm2D| {
        let all = [layer.kernel(), layer.recurrent_kernel(), layer.bias()];
        all.map(|weight| weight.unwrap().clone())
    };
    for (from, to) in weights(&last).iter().zip(weights(&first)) {
        to.set(&from.value()).unwrap();
    }
    let [a, b] = f.run([&x]).unwrap();
    assert_eq!((a.shape().sizes(), &a), ([2, 3, 3, 4, 3].as_slice(), &b));
}

#[test]
fn a_sequence_in_two_parts_is_the_whole_sequence() {
    let (layer, kept) =
        (ConvLstm1D::new(2, 3).padding(Padding::Same), ConvLstm1D::new(2, 3).stateful(true));
    let layer = layer.return_state();
    let mut f = Function::new(|[x], cx| {
        let (whole, _, _): (Tensor, Tensor, Tensor) = layer.apply(&x, cx);
        let (_, h, c): (Tensor, Tensor, Tensor) = layer.apply(&x.slice(1, ..2), cx);
        let (rest, _, _): (Tensor, Tensor, Tensor) = layer.apply(&(x.slice(1, 2..), h, c), cx);
        let once: Tensor = kept.apply(&x, cx);
        [whole, rest, once]
    });
    let x = ramp(&[2, 5, 6, 2], 0.37, 0.1);
    let [whole, rest, once] = f.run([&x]).unwrap();
    let apart = whole.to_vec::<f32>().into_iter().zip(rest.to_vec::<f32>());
    assert!(apart.into_iter().all(|(a, b)| (a - b).abs() < 1e-6));
    let [_, _, twice] = f.run([&x]).unwrap();
    assert_ne!(once, twice);
    kept.reset_states();
    assert_eq!(f.run([&x]).unwrap()[2], once);
}

#[test]
fn elements_are_left_out_in_training_the_same_at_all_steps() {
    let layer = ConvLstm1D::new(1, 1).dropout(0.5).recurrent_dropout(0.25).return_sequences(true);
    let x = Array::full([1, 6, 40, 1], 1.0, DType::F32);
    let run = |training: bool| {
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]).training(training);
        f.run([&x]).unwrap()[0].to_vec::<f32>()
    };
    let (left, whole) = (run(true), run(false));
    assert!(whole.chunks(40).all(|step| step.iter().all(|value| value == &step[0])));
    // An element whose input is left out has the state 0 for ever, without a bias of its own.
    let gone = |step: usize| left[step * 40..][..40].iter().map(|value| *value == 0.0);
    assert!(gone(0).eq(gone(5)) && gone(0).any(|is_gone| is_gone) && !gone(0).all(|gone| gone));
}

#[test]
fn what_does_not_fit_is_refused_with_the_shape_that_is_taken() {
    let refused = |text, sizes: &[usize]| refused(&layers::get(text).unwrap(), sizes);
    refused("conv_lstm2d(2, 3)", &[2, 8, 8, 1])
        .says("[batch, steps, height, width, channels], got [2, 8, 8, 1]");
    refused("conv_lstm1d(2, 9)", &[2, 3, 8, 1]).says("windows of [9]");
    let layer = ConvLstm1D::new(2, 3).return_state();
    let mut f = Function::new(|[x], cx| {
        let wrong = x.sum_axes([1]);
        let (outputs, _, _) = layer.apply(&(x, wrong.clone(), wrong), cx);
        [outputs]
    });
    let error = f.run([&Array::zeros([2, 3, 8, 1], DType::F32)]).unwrap_err();
    error.says("begins with states of shape [2, 6, 2], got [2, 8, 1]");
}

#[test]
fn a_mask_that_is_not_of_steps_is_refused() {
    for sizes in [vec![2], vec![2, 3, 8]] {
        let layer = ConvLstm1D::new(2, 3);
        let mut f = Function::new(|[x], cx| {
            let mask = cx.constant(Array::full(sizes.clone(), 1.0, DType::Bool));
            cx.set_mask(&x, &mask);
            [layer.apply(&x, cx)]
        });
        let error = f.run([&Array::zeros([2, 3, 8, 1], DType::F32)]).unwrap_err();
        error.advises("a mask of sequences is [batch, steps]");
    }
}
