//! Callbacks in a whole training: what they see, set and write, by names of terms and metrics.
//!
//! In: a model whose loss has a term from inside, and one whose loss is what the test says. Out:
//! histories, files, errors.

#[path = "callbacks/checkpoints.rs"]
mod checkpoints;
#[path = "callbacks/files.rs"]
mod files;
#[path = "callbacks/hooks.rs"]
mod hooks;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use endo::prelude::*;

#[path = "support/events.rs"]
mod events;

/// A folder of the test's own, removed when it is done.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("endo-callbacks-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the folder of the test");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("the folder of the test");
    }
}

fn data(rows: usize) -> Dataset {
    let x = Array::from_fn([rows, 3], |i| (0.7 * i as f32).sin());
    let y = Array::from_fn([rows, 1], |i| (0.3 * i as f32).cos());
    Dataset::new(x, y).expect("data that fits")
}

/// Reconstructs its inputs; the factor of that term is a variable.
struct Reconstructing {
    hidden: Dense,
    reconstruct: Dense,
    out: Dense,
    beta: Variable,
    calls: Arc<AtomicUsize>,
}

impl Layer for Reconstructing {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let z = self.hidden.apply(x, cx);
        let error = (self.reconstruct.apply(&z, cx) - x).square().mean();
        cx.add_loss("reconstruction", cx.read(&self.beta) * &error);
        cx.add_metric("reconstruction_error", &error);
        self.out.apply(&z, cx)
    }
}

fn reconstructing() -> (Model, Variable, Arc<AtomicUsize>) {
    let (beta, calls) = (Variable::new("beta", 1.0_f32).frozen(), Arc::default());
    let layers = [Dense::new(4).activation(Tanh), Dense::new(3), Dense::new(1)];
    let [hidden, reconstruct, out] = layers;
    let layer =
        Reconstructing { hidden, reconstruct, out, beta: beta.clone(), calls: Arc::clone(&calls) };
    let mut model = Model::new(layer);
    model.compile(Sgd::new(0.125), MeanSquaredError, [MeanAbsoluteError::new()]);
    (model, beta, calls)
}

/// A model whose loss in each epoch is what the callback that comes with it says.
fn scripted(losses: Vec<f32>) -> (Model, impl Callback) {
    let script = Variable::new("script", 0.0_f32).frozen();
    let (read, dense) = (script.clone(), Dense::new(1));
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let y = dense.apply(x, cx);
        cx.add_loss("scripted", cx.read(&read) + 0.0 * y.mean());
        y
    });
    model.compile(Sgd::new(1.0), (), ());
    let tell = LambdaCallback::new()
        .on_epoch_begin(move |epoch, _| script.set(&Array::scalar(losses[epoch])));
    (model, tell)
}

#[test]
fn the_factor_of_a_term_changes_without_a_new_trace() {
    let (mut model, beta, calls) = reconstructing();
    let (train, valid) = (data(32), data(32));
    model.build([32, 3]).unwrap();
    let before = calls.load(Ordering::Relaxed);
    let anneal =
        VariableScheduler::new(&beta, |epoch, value| if epoch == 0 { 0.0 } else { value + 0.25 });
    let history = model.fit(&train, Fit::epochs(4).validation(&valid).callback(anneal)).unwrap();
    assert_eq!(
        calls.load(Ordering::Relaxed) - before,
        2,
        "one trace of the training step and one of the test step"
    );
    assert_eq!(history.get("beta"), [0.0, 0.25, 0.5, 0.75]);
    for epoch in &history.epochs {
        let [beta, train, error, valid, valid_error] = [
            "beta",
            "reconstruction",
            "reconstruction_error",
            "val_reconstruction",
            "val_reconstruction_error",
        ]
        .map(|name| epoch.logs.get(name).unwrap());
        assert!(
            (train - beta * error).abs() < 1e-6 && (valid - beta * valid_error).abs() < 1e-6,
            "{}",
            epoch.logs
        );
    }
    assert!(history.get("reconstruction_error")[0] > 0.0);
    beta.set(&Array::scalar(2.0_f32)).unwrap();
    let logs = model.evaluate(&valid).unwrap();
    let [term, error] =
        ["reconstruction", "reconstruction_error"].map(|name| logs.get(name).unwrap());
    assert!((term - 2.0 * error).abs() < 1e-6, "{logs}");
}

#[test]
fn the_factor_of_a_term_decides_what_weights_learn() {
    let learned = |factor: f64| {
        let (mut model, beta, _) = reconstructing();
        let schedule = VariableScheduler::new(&beta, move |_, _| factor);
        model.fit(&data(32), Fit::epochs(2).callback(schedule)).unwrap();
        model.weight("dense_1/kernel").unwrap().value()
    };
    let fresh = {
        let (model, ..) = reconstructing();
        model.build([32, 3]).unwrap();
        model.weight("dense_1/kernel").unwrap().value()
    };
    assert_eq!(learned(0.0), fresh);
    assert_ne!(learned(1.0), fresh);
}

#[test]
fn the_learning_rate_of_each_epoch_is_in_the_history() {
    let (mut model, ..) = reconstructing();
    let halve =
        LearningRateScheduler::new(|epoch, rate| if epoch == 0 { rate } else { rate / 2.0 });
    let history = model.fit(&data(32), Fit::epochs(3).callback(halve)).unwrap();
    assert_eq!(history.get("learning_rate"), [0.125, 0.0625, 0.03125]);
    assert_eq!(model.optimizer().unwrap().settings().learning_rate().unwrap(), 0.03125);
}

#[test]
fn a_rate_that_follows_a_schedule_is_not_for_callbacks() {
    let fit = |fit: Fit| {
        let (mut model, ..) = reconstructing();
        model.compile(Sgd::new(ExponentialDecay::new(0.1, 10, 0.5)), "mse", ());
        model.fit(&data(32), fit).unwrap_err()
    };
    let message = "a learning rate that follows a schedule cannot be set";
    assert_eq!(
        fit(Fit::epochs(1).callback(LearningRateScheduler::new(|_, rate| rate))).message(),
        message
    );
    assert_eq!(fit(Fit::epochs(1).callback(ReduceLrOnPlateau::on("loss"))).message(), message);
}

#[test]
fn a_plateau_of_a_term_from_inside_lowers_the_rate() {
    let losses = vec![4.0, 3.0, 3.0, 3.0, 2.0, 2.0, 2.0];
    let epochs = losses.len();
    let (mut model, tell) = scripted(losses);
    let reduce = ReduceLrOnPlateau::on("loss").factor(0.5).patience(2);
    let history = model.fit(&data(8), Fit::epochs(epochs).callback(tell).callback(reduce)).unwrap();
    // The rates that the epochs ran with: keras 3.15.1 logs the same.
    assert_eq!(history.get("learning_rate"), [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5]);
    assert_eq!(model.optimizer().unwrap().settings().learning_rate().unwrap(), 0.25);
}

#[test]
fn what_is_watched_and_not_reported_is_an_error_that_lists_what_is() {
    let error = |fit: Fit| {
        let (mut model, ..) = reconstructing();
        let valid = data(8);
        model.fit(&data(32), fit.validation(&valid)).unwrap_err()
    };
    let help = "reported are loss, main, reconstruction, mean_absolute_error, \
        reconstruction_error, val_loss, val_main, \
                val_reconstruction, val_mean_absolute_error, val_reconstruction_error";
    let watchers: [(&str, Fit); 3] = [
        ("EarlyStopping", Fit::epochs(1).callback(EarlyStopping::on("val_reconstructions"))),
        (
            "ReduceLrOnPlateau",
            Fit::epochs(1).callback(ReduceLrOnPlateau::on("val_reconstructions")),
        ),
        (
            "ModelCheckpoint",
            Fit::epochs(1).callback(
                ModelCheckpoint::new("none").monitor("val_reconstructions").save_best_only(true),
            ),
        ),
    ];
    for (watcher, fit) in watchers {
        let error = error(fit);
        assert_eq!(
            error.message(),
            format!("`{watcher}` watches `val_reconstructions`, which is not reported")
        );
        // `ReduceLrOnPlateau` reports the learning rate too.
        let rate = if watcher == "ReduceLrOnPlateau" { ", learning_rate" } else { "" };
        assert_eq!(error.advice(), Some(format!("{help}{rate}").as_str()));
    }
    let error = error(Fit::epochs(1).callback(ModelCheckpoint::new("w-{val_mae:.2}.safetensors")));
    assert_eq!(
        error.message(),
        "the path `w-{val_mae:.2}.safetensors` names `val_mae`, which is not reported"
    );
}

#[test]
fn closures_are_called_in_order_and_their_errors_end_training() {
    let events = std::cell::RefCell::new(Vec::new());
    let note = |event: String| {
        events.borrow_mut().push(event);
        Ok(())
    };
    let watch = LambdaCallback::new()
        .on_train_begin(|training| note(format!("begin of {}", training.epochs())))
        .on_epoch_begin(|epoch, _| note(format!("epoch {epoch}")))
        .on_batch_end(|batch, ledger, _| {
            note(format!("batch {batch} of {} terms", ledger().terms.len()))
        })
        .on_epoch_end(|epoch, _, training| {
            if epoch == 1 {
                training.stop();
            }
            note(format!("end of {epoch}"))
        })
        .on_train_end(|_| note("end".to_string()));
    let (mut model, ..) = reconstructing();
    model.fit(&data(40), Fit::epochs(5).callback(watch)).unwrap();
    let epoch = |epoch: usize| {
        [
            format!("epoch {epoch}"),
            "batch 0 of 2 terms".into(),
            "batch 1 of 2 terms".into(),
            format!("end of {epoch}"),
        ]
    };
    let expected = [
        vec!["begin of 5".to_string()],
        epoch(0).to_vec(),
        epoch(1).to_vec(),
        vec!["end".to_string()],
    ]
    .concat();
    assert_eq!(*events.borrow(), expected);

    let fail =
        LambdaCallback::new().on_epoch_end(|_, _, _| Err(Error::new(ErrorKind::Usage, "enough")));
    assert_eq!(
        model.fit(&data(40), Fit::epochs(5).callback(fail)).unwrap_err().message(),
        "enough"
    );
}

#[test]
fn epochs_before_an_error_count_for_the_order_of_the_next() {
    let weights = |stop: bool| {
        let (mut model, ..) = reconstructing();
        let train = data(40);
        if stop {
            let fail = LambdaCallback::new()
                .on_epoch_end(|_, _, _| Err(Error::new(ErrorKind::Usage, "enough")));
            model.fit(&train, Fit::epochs(2).callback(fail)).unwrap_err();
            model.fit(&train, Fit::epochs(1)).unwrap();
        } else {
            model.fit(&train, Fit::epochs(2)).unwrap();
        }
        model.weights().iter().map(Variable::value).collect::<Vec<_>>()
    };
    assert_eq!(weights(true), weights(false));
}
