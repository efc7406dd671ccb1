//! Functions: traced once for each shape and type, variables captured, graphs printed, run node by
//! node, loops unrolled.
//!
//! In: closures of tensors. Out: values, and how often the closure itself ran.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use endo::prelude::*;

use super::made_up_data;

/// The chapter's `cube`.
fn cube(x: &Tensor) -> Tensor {
    x.powf(3.0)
}

#[test]
fn a_function_is_traced_once_for_each_shape_and_type() {
    let traces = Cell::new(0);
    let mut tf_cube = Function::new(|[x], _cx| {
        traces.set(traces.get() + 1);
        [cube(&x)]
    });
    assert_eq!(tf_cube.run([&Array::scalar(2.0_f32)]).unwrap()[0].item().unwrap(), 8.0);
    assert_eq!(tf_cube.run([&Array::scalar(3.0_f32)]).unwrap()[0].item().unwrap(), 27.0);
    assert_eq!(traces.get(), 1);
    tf_cube.run([&[1.0_f32, 2.0].into()]).unwrap(); // another shape
    tf_cube.run([&Array::scalar(2.0_f64)]).unwrap(); // another type
    tf_cube.run([&[3.0_f32, 4.0].into()]).unwrap();
    assert_eq!((traces.get(), tf_cube.traces()), (3, 3));
}

/// The chapter's `shrink`: every second pixel of a batch of images.
fn shrink() -> Function<'static, 1, 1> {
    Function::new(|[images], _cx| [images.slice_step(1, .., 2).slice_step(2, .., 2)])
        .input_signature([TensorSpec::new([None, Some(28), Some(28)], DType::F32)])
}

#[test]
fn a_signature_with_a_free_batch_size_takes_any_batch() {
    let mut shrink = shrink();
    for batch in [100, 50] {
        let [small] = shrink.run([&Array::zeros([batch, 28, 28], DType::F32)]).unwrap();
        assert_eq!(small.shape().sizes(), [batch, 14, 14]);
    }
}

#[test]
fn a_signature_refuses_other_shapes_before_anything_is_traced() {
    let mut shrink = shrink();
    let error = shrink.run([&Array::zeros([2, 2, 2], DType::F32)]).unwrap_err();
    assert_eq!(error.message(), "input 0 is f32[2, 2, 2], and the signature says f32[_, 28, 28]");
    assert_eq!(shrink.traces(), 0);
}

#[test]
fn variables_are_captured_and_updated() {
    let counter = Variable::new("counter", 0.0_f32);
    let mut increment = Function::new(|[c], cx| {
        cx.assign_add(&counter, c);
        [cx.read(&counter)]
    });
    increment.run([&Array::scalar(1.0_f32)]).unwrap();
    assert_eq!(increment.run([&Array::scalar(1.0_f32)]).unwrap()[0].item().unwrap(), 2.0);
    assert_eq!(counter.value().item().unwrap(), 2.0);
}

#[test]
fn a_graph_is_printed_with_its_operations_types_and_lines() {
    let mut function = Function::new(|[x], _cx| [x.square() + 1.0]);
    let graph = function.graph([&[1.0_f32, 2.0].into()]).unwrap().to_string();
    for part in ["input 0: f32[2]", "square(%0): f32[2]", "add(", "functions.rs:", "return %"] {
        assert!(graph.contains(part), "{part} in\n{graph}");
    }
}

#[test]
fn a_loop_is_unrolled_and_may_hold_any_rust() {
    let mut add_10 = Function::new(|[x], _cx| [(0..10).fold(x, |x, _| x + 1.0)]);
    let five = Array::scalar(5.0_f32);
    assert_eq!(add_10.run([&five]).unwrap()[0].item().unwrap(), 15.0);
    assert_eq!(add_10.graph([&five]).unwrap().to_string().matches("add(").count(), 10);
}

#[test]
fn node_by_node_rusts_if_can_depend_on_values() {
    let lines = Cell::new(0);
    let mut collatz = Function::new(|[n], _cx| {
        lines.set(lines.get() + 1);
        let even = n.value().item().is_ok_and(|n| n % 2.0 == 0.0);
        [if even { n / 2.0 } else { n * 3.0 + 1.0 }]
    })
    .run_eagerly(true);
    assert_eq!(collatz.run([&Array::scalar(7.0_f32)]).unwrap()[0].item().unwrap(), 22.0);
    assert_eq!(collatz.run([&Array::scalar(22.0_f32)]).unwrap()[0].item().unwrap(), 11.0);
    assert_eq!(lines.get(), 2); // at every call
}

#[test]
fn in_a_trace_a_look_at_values_is_an_error_that_says_what_to_do() {
    let mut function = Function::new(|[n], _cx| [if n.value().get(0) > 0.0 { n } else { -n }]);
    let error = function.run([&Array::scalar(1.0_f32)]).unwrap_err();
    assert!(error.advice().unwrap().contains("run_eagerly(true)"), "{error}");
}

#[test]
fn where_is_the_if_of_a_trace_with_gradients_through_both_sides() {
    let (w1, w2) = (Variable::new("w1", 2.0_f32), Variable::new("w2", 3.0_f32));
    let mut function = Function::new(|[x], cx| {
        let y = x.greater(0.0).where_(cx.read(&w1) * &x, cx.read(&w2) * x.square());
        let gradients = cx.gradients(&y.sum(), [&w1, &w2]);
        [y, gradients.of(&w1).unwrap().clone(), gradients.of(&w2).unwrap().clone()]
    });
    let [y, dw1, dw2] = function.run([&[5.0_f32, -4.0].into()]).unwrap();
    assert_eq!(y, [10.0_f32, 48.0].into());
    assert_eq!([dw1.item().unwrap(), dw2.item().unwrap()], [5.0, 16.0]);
}

#[test]
fn both_sides_of_where_may_be_wrong_where_they_are_not_chosen() {
    let mut function = Function::new(|[x], cx| {
        let y = x.greater(0.0).where_(x.log(), 0.0);
        let safe = x.greater(0.0).where_(&x, 1.0).log();
        let slopes = cx.gradients(&safe.sum(), [&x]).into_tensors().remove(0).unwrap();
        [y, slopes]
    });
    let [y, slopes] = function.run([&[1.0_f32, -1.0].into()]).unwrap();
    assert_eq!(y, [0.0_f32, 0.0].into());
    assert_eq!(slopes, [1.0_f32, 0.0].into());
}

/// How often the code of a model's layer, loss and metric ran in two epochs over 64 rows in batches
/// of 32.
fn runs_of_custom_code(eager: bool) -> [usize; 3] {
    let counts: [Arc<AtomicUsize>; 3] = std::array::from_fn(|_| Arc::default());
    let [layer, loss, metric] = counts.clone();
    let count = |counter: &AtomicUsize| counter.fetch_add(1, Ordering::Relaxed);
    let dense = Dense::new(1);
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        count(&layer);
        dense.apply(x, cx)
    })
    .run_eagerly(eager);
    let my_mse = move |y_true: &Tensor, y_pred: &Tensor| {
        count(&loss);
        (y_pred - y_true).square().mean_axes([-1])
    };
    let my_mae = move |y_true: &Tensor, y_pred: &Tensor| {
        count(&metric);
        (y_pred - y_true).abs().mean_axes([-1])
    };
    model.build([32, 3]).unwrap();
    model.compile(Sgd::new(0.01), my_mse, [my_mae]);
    model.fit(&made_up_data(64), Fit::epochs(2).batch_size(32)).unwrap();
    counts.map(|counter| counter.load(Ordering::Relaxed))
}

#[test]
fn the_custom_code_of_a_model_runs_when_it_is_traced_and_node_by_node_at_every_step() {
    // `build` traces the layer once more.
    assert_eq!(runs_of_custom_code(false), [1 + 1, 1, 1]);
    assert_eq!(runs_of_custom_code(true), [1 + 4, 4, 4]);
}
