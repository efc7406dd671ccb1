//! `evaluate` and validation that draw; and training, which does not depend on them.

use endo::prelude::*;
use endo::training::ForgedFile;

use super::folder::Folder;
use super::support::{different, first, noise, zeros};

/// A regressor with dropout in training, and noise that only tests draw.
fn model() -> Model {
    let (hidden, dropout, out) =
        (Dense::new(8).activation("tanh"), Dropout::new(0.25), Dense::new(1));
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let x = if cx.training() { x.clone() } else { x + cx.random().normal(x.shape(), 0.0, 0.5) };
        out.apply(&dropout.apply(&hidden.apply(&x, cx), cx), cx)
    })
    .seed(7);
    model.compile(Sgd::new(0.05), "mse", ["mae"]);
    model
}

fn data(rows: usize) -> Dataset {
    let x = Array::from_fn([rows, 1], |i| (0.7 * i as f32).sin());
    let y = Array::from_fn([rows, 1], |i| (0.7 * i as f32).sin() * 2.0);
    Dataset::new(x, y).unwrap()
}

fn weights(model: &Model) -> Vec<Array> {
    model.weights().iter().map(Variable::value).collect()
}

#[test]
fn training_draws_as_it_always_did() {
    let mut f = Function::new(|[], cx| [cx.random().normal([6], 0.0, 1.0)]).seed(7);
    let steps = [(); 2].map(|()| first(&f.run([]).unwrap()[0]));
    assert_eq!(steps[0], [0.028304545, 0.15933722, -0.11929088, 0.54711187, 1.5531226, 1.208237]);
    assert_eq!(steps[1], [0.9176548, -0.10044368, 0.4313283, 1.2730933, -0.69202024, -0.51092476]);
}

#[test]
fn a_validation_that_draws_leaves_training_as_it_is() {
    let (train, valid) = (data(100), data(70));
    let fit = |validate: bool, eager: bool| {
        let mut model = model().run_eagerly(eager);
        let options = Fit::epochs(3).batch_size(16);
        let history =
            model.fit(&train, if validate { options.validation(&valid) } else { options }).unwrap();
        (history.get("loss"), weights(&model))
    };
    assert_eq!(fit(true, false), fit(false, false));
    assert_eq!(fit(true, true), fit(false, true));

    let (mut tested, mut plain) = (model(), model());
    for _ in 0..3 {
        tested.evaluate(&valid).unwrap();
        tested.test_on_batch(&valid).unwrap();
        tested.train_on_batch(&train).unwrap();
        plain.train_on_batch(&train).unwrap();
    }
    assert_eq!(weights(&tested), weights(&plain));
}

/// A model that does not learn: what changes between epochs is drawn.
fn drawing() -> Model {
    let mut model = noise();
    model.compile("sgd", "mse", ());
    model
}

#[test]
fn tests_draw_by_epoch_and_row_whatever_the_batch_size() {
    let valid = data(100);
    let losses = || {
        let mut model = model();
        let history = model.fit(&data(64), Fit::epochs(3).validation(&valid)).unwrap();
        (history.get("val_loss"), model.evaluate(&valid).unwrap().get("loss").unwrap())
    };
    let ((first, evaluated), (second, _)) = (losses(), losses());
    assert_eq!(first, second);
    assert_eq!(first[2], evaluated, "after `fit` as in its last validation");

    let loss = |model: &Model, batch_size: usize| {
        model
            .evaluate_with(&valid, Evaluate::new().batch_size(batch_size))
            .unwrap()
            .get("loss")
            .unwrap()
    };
    let (plan, eager) = (drawing(), drawing().run_eagerly(true));
    let want = loss(&plan, 100);
    for batch_size in [1, 32, 50, 64, 99] {
        assert!((loss(&plan, batch_size) - want).abs() < 1e-6, "batches of {batch_size}");
        assert!(
            (loss(&eager, batch_size) - want).abs() < 1e-6,
            "batches of {batch_size}, node by node"
        );
    }
    assert_eq!(loss(&plan, 100), want, "of one epoch the same");
}

#[test]
fn validation_draws_anew_in_each_epoch_and_goes_on_when_resumed() {
    let (train, valid, folder) = (data(64), data(50), Folder::new("resumed"));
    // What the weights learn is not in the validation: it changes between epochs by what is drawn
    // alone.
    let build = || {
        let dense = Dense::new(1);
        let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
            let y = dense.apply(x, cx);
            if cx.training() { y } else { y * 0.0 + cx.random().uniform(x.shape(), 0.0, 1.0) }
        })
        .seed(11);
        model.compile("sgd", "mse", ());
        model
    };
    let losses = |history: &History| history.get("val_loss");
    let whole = losses(&build().fit(&train, Fit::epochs(4).validation(&valid)).unwrap());
    assert_eq!(
        different(&Array::from(whole.iter().map(|&loss| loss as f32).collect::<Vec<f32>>())),
        4,
        "{whole:?}"
    );

    let interrupt = LambdaCallback::new().on_epoch_begin(|epoch, _| match epoch {
        2 => Err(Error::new(ErrorKind::Usage, "interrupted")),
        _ => Ok(()),
    });
    let backup = || BackupAndRestore::new(folder.path("run"));
    let error = build()
        .fit(&train, Fit::epochs(4).validation(&valid).callback(backup()).callback(interrupt))
        .unwrap_err();
    assert_eq!(error.message(), "interrupted");
    let options =
        Fit::epochs(4).validation(&valid).callback(backup()).callback(LambdaCallback::new());
    assert_eq!(losses(&build().fit(&train, options).unwrap()), whole);
}

#[test]
fn a_resumed_run_goes_on_counting_calls_of_predict() {
    let (train, folder) = (data(64), Folder::new("calls"));
    let build = || {
        let dense = Dense::new(1);
        let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
            dense.apply(x, cx) + cx.random().uniform([x.batch(), 1], 0.0, 1.0)
        });
        model.compile("sgd", "mse", ());
        model
    };
    // One call of `predict` in each epoch; the second epoch is not saved any more.
    let fit = |model: &mut Model, stop: Option<usize>| {
        let predict = LambdaCallback::new().on_epoch_end(move |epoch, _, training| {
            training.predict(&[zeros(1)])?;
            if stop == Some(epoch) {
                Err(Error::new(ErrorKind::Usage, "interrupted"))
            } else {
                Ok(())
            }
        });
        model.fit(
            &train,
            Fit::epochs(3).callback(predict).callback(BackupAndRestore::new(folder.path("run"))),
        )
    };
    assert_eq!(fit(&mut build(), Some(1)).unwrap_err().message(), "interrupted");
    let saved = std::fs::read(folder.path("run")).unwrap();
    let is_call = |model: &Model, call: u64| {
        assert_eq!(model.predict(&zeros(1)).unwrap(), model.predict_call(call, &zeros(1)).unwrap());
    };
    let mut resumed = build();
    fit(&mut resumed, None).unwrap();
    is_call(&resumed, 3);

    // A file of before has no such entry.
    let mut forged = ForgedFile::open(&saved).unwrap();
    assert_eq!(forged.arrays.remove("predict_calls"), Some(Array::scalar(1.0)));
    std::fs::write(folder.path("run"), forged.seal().unwrap()).unwrap();
    let mut resumed = build();
    fit(&mut resumed, None).unwrap();
    is_call(&resumed, 2);
}
