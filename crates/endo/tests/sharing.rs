//! Models among threads: moved, predicted on by several at once, and trained while others read.
//!
//! In: models that share layers and variables. Predictions have the bits that one thread alone
//! would get.

#[path = "support/regressor.rs"]
mod regressor;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use endo::prelude::*;
use regressor::{Regressor, made_up_data};

fn is_send_and_sync<T: Send + Sync>() {}

#[test]
fn what_outlives_a_trace_is_send_and_sync() {
    is_send_and_sync::<Model>();
    is_send_and_sync::<Variable>();
    is_send_and_sync::<Array>();
    is_send_and_sync::<Dataset>();
    is_send_and_sync::<History>();
    is_send_and_sync::<Error>();
    is_send_and_sync::<Sequential>();
    is_send_and_sync::<Arc<dyn Layer>>();
    is_send_and_sync::<Arc<dyn Optimizer>>();
    is_send_and_sync::<Arc<dyn Metric>>();
    is_send_and_sync::<Arc<dyn Loss>>();
    is_send_and_sync::<endo::trace::Program>();
    is_send_and_sync::<endo::plan::Plan>();
}

fn compiled(layer: impl Layer + 'static) -> Model {
    let mut model = Model::new(layer).threads(2);
    model.compile(Adam::default(), MeanSquaredError, [MeanAbsoluteError::new()]);
    model
}

/// Batches of different sizes, so that plans are made while others run.
fn batches(data: &Dataset) -> Vec<Array> {
    [0..1, 1..9, 9..40, 0..40, 3..4, 10..18].map(|range| data.inputs().rows(range)).into()
}

fn predicted_by_four_threads(model: &Model, batches: &[Array], times: usize) -> Vec<Vec<Array>> {
    thread::scope(|scope| {
        let predict = || {
            (0..times)
                .flat_map(|_| batches.iter().map(|x| model.predict(x).unwrap()))
                .collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(predict)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn a_trained_model_predicts_in_four_threads_as_in_one() {
    let data = made_up_data(40);
    let mut model = compiled(Regressor::new());
    model.fit(&data, Fit::epochs(2)).unwrap();
    let weights: Vec<Array> = model.weights().iter().map(Variable::value).collect();
    // Another model with the same weights, which has made none of its plans yet.
    let fresh = compiled(Regressor::new());
    fresh.build([1, 5]).unwrap();
    fresh.set_weights(&weights).unwrap();
    let want: Vec<Array> = batches(&data).iter().map(|x| model.predict(x).unwrap()).collect();
    let got = predicted_by_four_threads(&fresh, &batches(&data), 5);
    for one in got {
        assert!(one.chunks(want.len()).all(|round| round == want));
    }
}

#[test]
fn a_model_moves_into_a_thread_to_be_trained_and_back() {
    let data = made_up_data(40);
    let train = |mut model: Model, data: &Dataset| {
        model.fit(data, Fit::epochs(2)).unwrap();
        model
    };
    let here = train(compiled(Regressor::new()), &data);
    let moved = compiled(Regressor::new());
    let (there, data) = thread::spawn(move || (train(moved, &data), data)).join().unwrap();
    assert_eq!(there.predict(data.inputs()).unwrap(), here.predict(data.inputs()).unwrap());
}

/// A model of a shared layer and a head of its own.
fn with_head(shared: &Arc<Dense>) -> Model {
    let (shared, head) = (shared.clone(), Dense::new(1));
    compiled(move |x: &Tensor, cx: &mut Context| {
        let z = shared.apply(x, cx);
        head.apply(&z, cx)
    })
}

#[test]
fn predictions_hold_while_another_model_trains_beside_a_frozen_shared_layer() {
    let data = made_up_data(40);
    let shared = Arc::new(Dense::new(8).activation("tanh").trainable(false));
    let (served, mut trained) = (with_head(&shared), with_head(&shared));
    served.build([1, 5]).unwrap();
    let want: Vec<Array> = batches(&data).iter().map(|x| served.predict(x).unwrap()).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let serving: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut rounds = 0;
                    while !done.load(Ordering::Relaxed) || rounds == 0 {
                        let got: Vec<Array> =
                            batches(&data).iter().map(|x| served.predict(x).unwrap()).collect();
                        assert_eq!(got, want);
                        rounds += 1;
                    }
                })
            })
            .collect();
        let history = trained.fit(&data, Fit::epochs(30).batch_size(8)).unwrap();
        done.store(true, Ordering::Relaxed);
        for thread in serving {
            thread.join().unwrap();
        }
        assert!(history.epochs[29].ledger.total < history.epochs[0].ledger.total);
    });
}

#[test]
fn training_is_not_disturbed_by_predictions_on_a_shared_layer() {
    let data = made_up_data(40);
    let train = |watched: bool| {
        let shared = Arc::new(Dense::new(8).activation("tanh").name("shared"));
        let (served, mut trained) = (with_head(&shared), with_head(&shared));
        served.build([1, 5]).unwrap();
        let done = AtomicBool::new(false);
        let losses = thread::scope(|scope| {
            for _ in 0..if watched { 3 } else { 0 } {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        assert!(
                            batches(&data).iter().all(|x| served.predict(x).unwrap().is_finite())
                        );
                    }
                });
            }
            let losses = trained.fit(&data, Fit::epochs(20).batch_size(8)).unwrap().get("loss");
            done.store(true, Ordering::Relaxed);
            losses
        });
        (losses, trained.predict(data.inputs()).unwrap(), served.predict(data.inputs()).unwrap())
    };
    assert_eq!(train(true), train(false));
}

#[test]
fn a_run_sees_all_that_another_run_has_written_or_nothing() {
    let [a, b] = ["a", "b"].map(|name| Variable::new(name, Array::zeros([500], DType::F32)));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut sum = Function::new(|[], cx| [cx.read(&a) + cx.read(&b)]).threads(1);
                while !done.load(Ordering::Relaxed) {
                    assert!(sum.run([]).unwrap()[0].to_vec::<f32>().iter().all(|&sum| sum == 0.0));
                }
            });
        }
        let mut write = Function::new(|[x], cx| {
            cx.assign_add(&a, &x);
            cx.assign(&b, -cx.read(&a));
            [cx.read(&b).sum()]
        });
        for step in 0..2000 {
            write.run([&Array::full([500], f64::from(step % 7), DType::F32)]).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(a.value().get(0), (0..2000).map(|step| f64::from(step % 7)).sum::<f64>());
}
