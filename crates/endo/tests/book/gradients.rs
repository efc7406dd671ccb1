//! Gradients of plain functions: the chapter's `f(w1, w2)` at (5, 3), several at once, of
//! gradients, stopped, and custom.
//!
//! In: functions of tensors or variables. Out: the numbers that the chapter prints.

use endo::prelude::*;

use super::assert_near;

/// The chapter's `f`.
fn f(w1: &Tensor, w2: &Tensor) -> Tensor {
    3.0 * w1.square() + 2.0 * w1 * w2
}

/// What a closure returns for two tensors at (5, 3).
fn at_5_3<const M: usize>(closure: impl Fn([Tensor; 2], &mut Context) -> [Tensor; M]) -> [f64; M] {
    let mut function = Function::new(closure);
    let values = function.run([&Array::scalar(5.0_f32), &Array::scalar(3.0_f32)]).unwrap();
    std::array::from_fn(|i| values[i].item().unwrap())
}

/// The gradients of a loss with respect to two tensors that it depends on.
fn gradients(loss: &Tensor, targets: [&Tensor; 2], cx: &mut Context) -> [Tensor; 2] {
    let gradients = cx.gradients(loss, targets).into_tensors();
    gradients.into_iter().flatten().collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn gradients_of_a_function_of_tensors() {
    assert_eq!(at_5_3(|[w1, w2], cx| gradients(&f(&w1, &w2), [&w1, &w2], cx)), [36.0, 10.0]);
}

#[test]
fn gradients_of_a_function_of_variables() {
    let (w1, w2) = (Variable::new("w1", 5.0_f32), Variable::new("w2", 3.0_f32));
    let mut function = Function::new(|[], cx| {
        let z = f(&cx.read(&w1), &cx.read(&w2));
        let gradients = cx.gradients(&z, [&w1, &w2]);
        [&w1, &w2].map(|w| gradients.of(w).unwrap().clone())
    });
    let [dw1, dw2] = function.run([]).unwrap();
    assert_eq!([dw1.item().unwrap(), dw2.item().unwrap()], [36.0, 10.0]);
}

#[test]
fn finite_differences_agree_to_a_few_digits() {
    let eps = 1e-6;
    let value = |w1: f64, w2: f64| 3.0 * w1 * w1 + 2.0 * w1 * w2;
    assert!(((value(5.0 + eps, 3.0) - value(5.0, 3.0)) / eps - 36.0).abs() < 1e-4);
    assert!(((value(5.0, 3.0 + eps) - value(5.0, 3.0)) / eps - 10.0).abs() < 1e-4);
}

#[test]
fn one_trace_gives_gradients_as_often_as_asked() {
    // What takes a persistent tape in the chapter.
    let [dw1, dw2] = at_5_3(|[w1, w2], cx| {
        let z = f(&w1, &w2);
        let dw1 = cx.gradients(&z, [&w1]).into_tensors().remove(0).unwrap();
        let dw2 = cx.gradients(&z, [&w2]).into_tensors().remove(0).unwrap();
        [dw1, dw2]
    });
    assert_eq!([dw1, dw2], [36.0, 10.0]);
}

#[test]
fn what_a_loss_does_not_depend_on_has_no_gradient() {
    let w = Variable::new("w", 5.0_f32);
    let mut function = Function::new(|[c1, c2], cx| {
        let z = f(&c1, &c2);
        assert!(cx.gradients(&z, [&w]).into_tensors()[0].is_none());
        // Any tensor can be a target, also a constant: there is nothing to watch.
        gradients(&z, [&c1, &c2], cx)
    });
    let [dc1, dc2] = function.run([&Array::scalar(5.0_f32), &Array::scalar(3.0_f32)]).unwrap();
    assert_eq!([dc1.item().unwrap(), dc2.item().unwrap()], [36.0, 10.0]);
    assert!(
        function.warnings()[0].contains("the loss does not depend on `w`"),
        "{:?}",
        function.warnings()
    );
}

#[test]
fn gradients_of_several_losses_at_once_are_those_of_their_sum() {
    let got = at_5_3(|[w1, w2], cx| {
        let [z1, z2, z3] = [2.0, 5.0, 7.0].map(|more| f(&w1, &(&w2 + more)));
        gradients(&(z1 + z2 + z3), [&w1, &w2], cx)
    });
    assert_eq!(got, [40.0 + 46.0 + 50.0, 10.0 + 10.0 + 10.0]);
}

#[test]
fn gradients_of_gradients_are_the_hessian() {
    let got = at_5_3(|[w1, w2], cx| {
        let [dw1, dw2] = gradients(&f(&w1, &w2), [&w1, &w2], cx);
        let [d11, d12] = gradients(&dw1, [&w1, &w2], cx);
        let last = cx.gradients(&dw2, [&w1, &w2]).into_tensors();
        assert!(last[1].is_none()); // d/dw2 of 2 w1
        [d11, d12, last[0].clone().unwrap()]
    });
    assert_eq!(got, [6.0, 2.0, 2.0]);
}

#[test]
fn a_hessian_and_a_jacobian_of_vectors() {
    let mut function = Function::new(|[w], cx| {
        let [w1, w2] = [0, 1].map(|i| w.slice(0, i..i + 1).sum());
        let hessian = cx.hessian(&f(&w1, &w2), &w);
        let jacobian = cx.jacobian(&Tensor::stack(&[&w1 * &w2, w1.square(), w2], 0), &w);
        [hessian, jacobian]
    });
    let [hessian, jacobian] = function.run([&[5.0_f32, 3.0].into()]).unwrap();
    assert_eq!(hessian, [[6.0_f32, 2.0], [2.0, 0.0]].into());
    assert_eq!(jacobian, [[3.0_f32, 5.0], [10.0, 0.0], [0.0, 1.0]].into());
}

#[test]
fn stop_gradient_takes_a_part_for_a_constant() {
    let [value, dw1] = at_5_3(|[w1, w2], cx| {
        let z = 3.0 * w1.square() + (2.0 * &w1 * &w2).stop_gradient();
        let gradients = cx.gradients(&z, [&w1, &w2]).into_tensors();
        assert!(gradients[1].is_none());
        [z, gradients[0].clone().unwrap()]
    });
    assert_eq!([value, dw1], [105.0, 30.0]);
}

/// The chapter's first `my_softplus`.
fn naive_softplus(z: &Tensor) -> Tensor {
    (z.exp() + 1.0).log()
}

/// The chapter's `my_better_softplus` and its gradient.
fn my_softplus(z: &Tensor) -> Tensor {
    let value = z.greater(30.0).where_(z, naive_softplus(z));
    let slope = 1.0 - 1.0 / (1.0 + z.exp());
    Tensor::custom_gradient(&value, &[z], move |dy| vec![dy * &slope])
}

/// Values and slopes of a function.
fn followed<const N: usize>(function: fn(&Tensor) -> Tensor, z: [f32; N]) -> [[f64; N]; 2] {
    let mut both = Function::new(|[z], cx| {
        let y = function(&z);
        let slopes = cx.gradients(&y.sum(), [&z]).into_tensors().remove(0).unwrap();
        [y, slopes]
    });
    let values = both.run([&z.into()]).unwrap();
    std::array::from_fn(|i| values[i].to_vec().try_into().unwrap())
}

#[test]
fn the_gradient_of_a_naive_softplus_is_nan_for_large_inputs() {
    let [values, slopes] = followed(naive_softplus, [100.0]);
    assert!(values[0].is_infinite() && slopes[0].is_nan());
}

#[test]
fn a_custom_gradient_is_stable() {
    let [values, slopes] = followed(my_softplus, [0.0, 100.0, 1000.0]);
    assert_near(values, [2.0_f64.ln(), 100.0, 1000.0]);
    assert_near(slopes, [0.5, 1.0, 1.0]);
    let [values, slopes] = followed(Tensor::softplus, [0.0, 100.0, 1000.0]);
    assert_near(values, [2.0_f64.ln(), 100.0, 1000.0]);
    assert_near(slopes, [0.5, 1.0, 1.0]);
}

#[test]
fn a_stable_formula_needs_no_gradient_of_its_own() {
    // softplus(z) = softplus(-|z|) + max(z, 0)
    let [values, slopes] =
        followed(|z| (1.0 + (-z.abs()).exp()).log() + z.maximum(0.0), [-1.0, 100.0, 1e30]);
    assert_near(values, [(1.0 + (-1.0_f64).exp()).ln(), 100.0, 1e30]);
    assert_near(slopes, [1.0 / (1.0 + 1.0_f64.exp()), 1.0, 1.0]);
}

#[test]
fn the_slope_of_a_root_at_zero_is_infinite() {
    let [values, slopes] = followed(Tensor::sqrt, [0.0, 4.0]);
    assert_eq!((values, slopes), ([0.0, 2.0], [f64::INFINITY, 0.25]));
}
