//! State that a model's `call` assigns: carried from batch to batch of an evaluation or prediction,
//! and as before when it is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use endo::prelude::*;

use super::{assert_near, line};

/// A layer that counts its calls in a weight.
struct Counted {
    runs: Weight,
}

impl Layer for Counted {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let runs = self.runs.get(self, (), &Zeros, cx);
        self.runs.assign(&(&runs + 1), cx);
        x + runs
    }
}

#[test]
fn what_call_assigns_goes_from_batch_to_batch_and_is_as_before_after_evaluation() {
    for eager in [false, true] {
        let mut model =
            Model::new(Counted { runs: Weight::new("runs").trainable(false) }).run_eagerly(eager);
        model.compile("sgd", "mse", ());
        let data = Dataset::new([[0.0_f32], [0.0], [0.0]], [[0.0_f32], [0.0], [0.0]]).unwrap();
        for _ in 0..2 {
            let loss =
                model.evaluate_with(&data, Evaluate::new().batch_size(1)).unwrap().get("loss");
            assert_near(loss, (0.0 + 1.0 + 4.0) / 3.0);
        }
        assert_eq!(model.weights()[0].value().item().unwrap(), 0.0);
    }
}

#[test]
fn node_by_node_metrics_count_at_the_first_test_and_predictions_write_nothing() {
    let counted = Arc::new(Counted { runs: Weight::new("runs").trainable(false) });
    let layer = counted.clone();
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        cx.add_metric("size", x.abs().mean());
        layer.apply(x, cx)
    })
    .run_eagerly(true);
    model.compile("sgd", "mse", ());
    let data = Dataset::new([[2.0_f32]], [[0.0_f32]]).unwrap();
    assert_eq!(model.evaluate(&data).unwrap().get("size"), Some(2.0));
    model.predict(data.inputs()).unwrap();
    assert_eq!(counted.runs.variable().unwrap().value().item().unwrap(), 0.0);
    assert_eq!(model.metric("size").unwrap().value().unwrap().item().unwrap(), 2.0);
}

#[test]
fn a_prediction_carries_state_from_part_to_part_and_leaves_it() {
    for eager in [false, true] {
        let model =
            Model::new(Counted { runs: Weight::new("runs").trainable(false) }).run_eagerly(eager);
        let x = Array::zeros([600, 1], DType::F32); // parts of 256, 256 and 88 rows
        for _ in 0..2 {
            let y = model.predict(&x).unwrap();
            assert_eq!(
                [0, 255, 256, 511, 512, 599].map(|row| y.get(row)),
                [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]
            );
        }
        assert_eq!(model.weights()[0].value().item().unwrap(), 0.0);
    }
}

#[test]
fn node_by_node_an_evaluation_computes_each_batch_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let (counter, dense) = (calls.clone(), line(1.0));
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        counter.fetch_add(1, Ordering::Relaxed);
        dense.apply(x, cx)
    })
    .run_eagerly(true);
    model.compile("sgd", "mse", ());
    let data =
        Dataset::new(Array::zeros([6, 1], DType::F32), Array::zeros([6, 1], DType::F32)).unwrap();
    model.evaluate_with(&data, Evaluate::new().batch_size(2)).unwrap();
    let before = calls.load(Ordering::Relaxed);
    model.evaluate_with(&data, Evaluate::new().batch_size(2)).unwrap();
    // And once more, to find what is assigned before anything is.
    assert_eq!(calls.load(Ordering::Relaxed) - before, 3 + 1);
}

#[test]
fn evaluations_in_many_threads_carry_their_own_state() {
    for eager in [false, true] {
        let mut model =
            Model::new(Counted { runs: Weight::new("runs").trainable(false) }).run_eagerly(eager);
        model.compile("sgd", "mse", ());
        let data =
            Dataset::new(Array::zeros([40, 1], DType::F32), Array::zeros([40, 1], DType::F32))
                .unwrap();
        let want = model.evaluate_with(&data, Evaluate::new().batch_size(4)).unwrap().get("loss");
        assert_eq!(want, Some(28.5)); // the mean of the squares of 0 to 9
        std::thread::scope(|scope| {
            let evaluate = || {
                for _ in 0..20 {
                    assert_eq!(
                        model
                            .evaluate_with(&data, Evaluate::new().batch_size(4))
                            .unwrap()
                            .get("loss"),
                        want
                    )
                }
            };
            for _ in 0..3 {
                drop(scope.spawn(evaluate));
            }
        });
        assert_eq!(model.weights()[0].value().item().unwrap(), 0.0);
    }
}
