//! Callbacks in a whole training: what they see, set and write, by names of terms and metrics.
//!
//! In: a model whose loss has a term from inside, and one whose loss is what the test says. Out:
//! histories, files, errors.

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

/// What keras 3.15.1 saves with `save_best_only` on these losses: epochs 1, 2 and 5.
#[test]
fn checkpoints_of_the_best_epochs_only() {
    let folder = Folder::new("best");
    let (mut model, tell) = scripted(vec![4.0, 3.0, 3.0, 3.5, 2.5, 2.75]);
    let best = ModelCheckpoint::new(folder.path("{epoch:02d}-{loss:.2f}.safetensors"))
        .monitor("loss")
        .save_best_only(true);
    model.fit(&data(8), Fit::epochs(6).callback(tell).callback(best)).unwrap();
    assert_eq!(
        folder.files(),
        ["01-4.00.safetensors", "02-3.00.safetensors", "05-2.50.safetensors"]
    );
}

#[test]
fn a_threshold_and_a_direction_decide_what_is_best() {
    let folder = Folder::new("threshold");
    let (mut model, tell) = scripted(vec![4.0, 3.0, 5.0, 6.0, 5.5]);
    let path = folder.path("{epoch}.safetensors");
    let best = ModelCheckpoint::new(path)
        .monitor("loss")
        .save_best_only(true)
        .maximize(true)
        .initial_value_threshold(4.5);
    model.fit(&data(8), Fit::epochs(5).callback(tell).callback(best)).unwrap();
    assert_eq!(folder.files(), ["3.safetensors", "4.safetensors"]);
}

#[test]
fn a_checkpoint_holds_the_model_of_its_epoch() {
    let folder = Folder::new("whole");
    let path = folder.path("deeper/{epoch}.safetensors");
    let fit = Fit::epochs(2).callback(ModelCheckpoint::new(&path));
    let (mut model, ..) = reconstructing();
    model.fit(&data(32), fit).unwrap();
    let (again, ..) = reconstructing();
    again.build([32, 3]).unwrap();
    again.load(path.replace("{epoch}", "2")).unwrap();
    let values = |model: &Model| model.weights().iter().map(Variable::value).collect::<Vec<_>>();
    assert_eq!(values(&again), values(&model));
    again.load(path.replace("{epoch}", "1")).unwrap();
    assert_ne!(values(&again), values(&model));

    let path = folder.path("weights");
    model
        .fit(
            &data(32),
            Fit::epochs(1).callback(ModelCheckpoint::new(&path).save_weights_only(true)),
        )
        .unwrap();
    again.load_weights(&path).unwrap();
    assert_eq!(values(&again), values(&model));
    assert!(
        Saved::read(&path)
            .unwrap_err()
            .message()
            .ends_with("holds weights alone: `save` did not write it")
    );
}

#[test]
fn a_path_that_cannot_be_read_fails_before_the_first_step() {
    let (mut model, ..) = reconstructing();
    model.build([32, 3]).unwrap();
    let before = model.weights()[0].value();
    let error =
        model.fit(&data(32), Fit::epochs(1).callback(ModelCheckpoint::new("{epoch"))).unwrap_err();
    assert_eq!(error.message(), "a brace of the path `{epoch` stands alone");
    assert_eq!(model.weights()[0].value(), before);
}

#[test]
fn files_have_every_term_and_metric() {
    let folder = Folder::new("files");
    let (mut model, ..) = reconstructing();
    let valid = data(8);
    let halve = LearningRateScheduler::new(|_, rate| rate / 2.0);
    let table = CsvLogger::new(folder.0.join("log.csv"));
    let board = TensorBoard::new(&folder.0).histogram_freq(2);
    let fit = Fit::epochs(3).validation(&valid).callback(halve).callback(table).callback(board);
    let history = model.fit(&data(32), fit).unwrap();

    let text = fs::read_to_string(folder.0.join("log.csv")).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let expected = "epoch,learning_rate,loss,main,mean_absolute_error,reconstruction,\
                    reconstruction_error,val_loss,val_main,val_mean_absolute_error,\
                    val_reconstruction,val_reconstruction_error";
    assert_eq!(header.join(","), expected);
    let rows: Vec<Vec<&str>> = lines.collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["0", "1", "2"]);
    for (column, name) in header.iter().enumerate().skip(1) {
        let numbers: Vec<f64> = rows.iter().map(|row| row[column].parse().unwrap()).collect();
        assert_eq!(numbers, history.get(name), "{name}");
    }

    assert_eq!(folder.files(), ["log.csv", "train", "validation"]);
    let events = |part: &str| {
        let mut entries = fs::read_dir(folder.0.join(part)).unwrap();
        let path = entries.next().unwrap().unwrap().path();
        assert!(
            entries.next().is_none() && path.display().to_string().contains("events.out.tfevents.")
        );
        String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
    };
    let count = |part: &str, tag: &str| events(part).matches(tag).count();
    for name in ["epoch_learning_rate", "epoch_main", "epoch_mean_absolute_error", "epoch_loss"] {
        assert_eq!(count("train", name), 3, "{name}");
    }
    assert_eq!(
        (count("validation", "epoch_main"), count("validation", "epoch_learning_rate")),
        (3, 0)
    );
    assert_eq!(count("train", "dense/kernel/histogram"), 2); // after epochs 0 and 2
    assert_eq!(count("validation", "histogram"), 0);
}

#[test]
fn files_have_the_terms_of_single_batches_by_step() {
    let folder = Folder::new("batches");
    let (mut model, ..) = reconstructing();
    let table = CsvLogger::new(folder.0.join("log.csv")).every(2);
    let board = TensorBoard::new(&folder.0).update_freq(4);
    let fit = Fit::epochs(3).batch_size(8).record_steps(1).callback(table).callback(board);
    let history = model.fit(&data(40), fit).unwrap(); // 5 steps an epoch
    assert_eq!(history.steps.len(), 15);
    let at = |step: usize| {
        let record = &history.steps[step];
        assert_eq!((record.step, record.epoch, record.ledger.terms.len()), (step, step / 5, 2));
        [record.ledger.total, record.ledger.terms[0].1, record.ledger.terms[1].1]
    };

    let text = fs::read_to_string(folder.0.join("log.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("epoch,batch,loss,main,reconstruction"));
    let rows: Vec<Vec<f64>> =
        lines.map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect()).collect();
    assert_eq!(rows.len(), 8);
    for (step, row) in (0..15).step_by(2).zip(rows) {
        assert_eq!(row, [[(step / 5) as f64, (step % 5) as f64].as_slice(), &at(step)].concat());
    }

    let path = fs::read_dir(folder.0.join("train")).unwrap().next().unwrap().unwrap().path();
    let file = fs::read(path).unwrap();
    let written: Vec<(u8, String, f32)> = events::values(&file)
        .into_iter()
        .filter(|(_, tag, _)| tag.starts_with("batch_"))
        .map(|(step, tag, value)| {
            (step, tag, f32::from_le_bytes(events::field(&value, 2).unwrap().try_into().unwrap()))
        })
        .collect();
    let expected = [0_u8, 4, 8, 12].into_iter().flat_map(|step| {
        let tags = ["batch_loss", "batch_main", "batch_reconstruction"].map(String::from);
        tags.into_iter().zip(at(step.into())).map(move |(tag, value)| (step, tag, value as f32))
    });
    assert_eq!(written, expected.collect::<Vec<_>>());

    let error = model
        .fit(&data(40), Fit::epochs(1).callback(CsvLogger::new(folder.0.join("log.csv")).every(0)))
        .unwrap_err();
    assert_eq!(error.message(), "`CsvLogger` is to write a row every 0 steps");
}

/// The texts of an event file: the step and the tag of each, what shows it, and the text.
fn texts(file: &[u8]) -> Vec<(u8, String, String, String)> {
    let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let text = |(step, tag, value): (u8, String, Vec<events::Field<'_>>)| {
        // summary.proto: 8 tensor, 9 metadata; tensor.proto: 1 dtype (7 is a string), 2 shape (of
        // no axes), 8 the strings.
        let tensor = events::fields(events::field(&value, 8)?);
        let metadata = events::fields(events::field(&value, 9)?);
        assert_eq!(
            (events::field(&tensor, 1), events::field(&tensor, 2)),
            (Some(&[7][..]), Some(&[][..]))
        );
        let plugin = events::fields(events::field(&metadata, 1).unwrap());
        assert_eq!(events::field(&metadata, 4), Some(&[2][..])); // a tensor
        Some((
            step,
            tag,
            string(events::field(&plugin, 1).unwrap()),
            string(events::field(&tensor, 8).unwrap()),
        ))
    };
    events::values(file).into_iter().filter_map(text).collect()
}

#[test]
fn the_model_and_its_step_are_written_once_as_text() {
    let text = |folder: &Folder| {
        let path = fs::read_dir(folder.0.join("train")).unwrap().next().unwrap().unwrap().path();
        let texts = texts(&fs::read(path).unwrap());
        assert_eq!(texts.len(), 1);
        let (step, tag, plugin, text) = texts.into_iter().next().unwrap();
        assert_eq!((step, tag.as_str(), plugin.as_str()), (0, "graph", "text"));
        text
    };
    let folder = Folder::new("text");
    let (mut model, ..) = reconstructing();
    model.fit(&data(40), Fit::epochs(3).callback(TensorBoard::new(&folder.0))).unwrap();
    let written = text(&folder);
    let summary = model.summary().unwrap().to_string();
    assert!(
        written.starts_with("## Model\n\n```text\nlayer (type)") && written.contains(&summary),
        "{written}"
    );
    assert!(
        written.contains("\n## Loss\n\n* `main`\n* `reconstruction` of `reconstructing` at "),
        "{written}"
    );
    let step = written.split("## Step\n\n```text\n").nth(1).unwrap();
    assert!(!step.contains("endo/src/"), "lines are the user's: {step}");
    assert!(
        step.starts_with("%0 = input 0: f32[32, 3]") && step.contains("\ndense/kernel := %"),
        "{written}"
    );
    assert_eq!((written.matches("## Step").count(), written.ends_with("\n```\n")), (1, true));

    // Two functions in a loop of one's own; a model that runs node by node.
    let folder = Folder::new("text-loop");
    let (model, ..) = reconstructing();
    model.build([8, 3]).unwrap();
    let mut double = Function::new(|[x, _], cx| [model.apply(&(x * 2.0), cx)]);
    let mut sum = Function::new(|[x, _], _| [x.sum()]);
    let train = data(20);
    let mut run = model
        .run(&train, Fit::epochs(2).batch_size(8).callback(TensorBoard::new(&folder.0)))
        .unwrap();
    while run.next_batch().unwrap() {
        run.step(&mut double).unwrap();
        run.step(&mut sum).unwrap();
    }
    run.finish().unwrap();
    let written = text(&folder);
    assert_eq!(
        (written.matches("## Step").count(), written.matches("input 0: f32[8, 3]").count()),
        (2, 2),
        "{written}"
    );
    let folder = Folder::new("text-eager");
    let (model, ..) = reconstructing();
    let mut model = model.run_eagerly(true);
    model.fit(&data(8), Fit::epochs(1).callback(TensorBoard::new(&folder.0))).unwrap();
    assert!(!text(&folder).contains("## Step"));
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

#[test]
fn checkpoints_are_saved_after_every_so_many_batches() {
    let folder = Folder::new("frequent");
    let data =
        Dataset::new(Array::full([40, 1], 0.5, DType::F32), Array::full([40, 1], 0.25, DType::F32))
            .unwrap();
    let mut model = Model::new(Dense::new(1));
    model.compile("sgd", "mse", ());
    let checkpoint =
        ModelCheckpoint::new(folder.path("{epoch}-{loss:.9}.safetensors")).save_freq(3);
    model.fit(&data, Fit::epochs(2).batch_size(10).callback(checkpoint)).unwrap();
    // Batches 3 and 6 of 8: one in each epoch.
    assert_eq!(
        folder.files().iter().map(|file| file.split('-').next().unwrap()).collect::<Vec<_>>(),
        ["1", "2"]
    );
    let never = Fit::epochs(1).callback(ModelCheckpoint::new("x").save_freq(0));
    assert_eq!(
        model.fit(&data, never).unwrap_err().message(),
        "the `save_freq` of `ModelCheckpoint` is 0"
    );
}
