//! What callbacks are told, in Keras's order, what they report, and averages in the place of
//! weights.

use std::cell::RefCell;

use endo::prelude::*;

use super::{Folder, data};

/// Writes down all that it is told.
struct Log<'a>(&'a RefCell<Vec<String>>);

impl Log<'_> {
    fn note(&self, what: impl Into<String>) -> Result<()> {
        self.0.borrow_mut().push(what.into());
        Ok(())
    }
}

impl Callback for Log<'_> {
    fn train_begin(&mut self, _: &Training) -> Result<()> {
        self.note("train_begin")
    }
    fn epoch_begin(&mut self, epoch: usize, _: &Training) -> Result<()> {
        self.note(format!("epoch_begin {epoch}"))
    }
    fn batch_begin(&mut self, batch: usize, _: &Training) -> Result<()> {
        self.note(format!("batch_begin {batch}"))
    }
    fn batch_end(&mut self, batch: usize, _: &dyn Fn() -> Ledger, _: &Training) -> Result<()> {
        self.note(format!("batch_end {batch}"))
    }
    fn epoch_end(&mut self, epoch: usize, _: &Epoch, _: &Training) -> Result<()> {
        self.note(format!("epoch_end {epoch}"))
    }
    fn test_begin(&mut self, _: &Training) -> Result<()> {
        self.note("test_begin")
    }
    fn test_batch_begin(&mut self, batch: usize, _: &Training) -> Result<()> {
        self.note(format!("test_batch_begin {batch}"))
    }
    fn test_batch_end(
        &mut self,
        batch: usize,
        ledger: &dyn Fn() -> Ledger,
        _: &Training,
    ) -> Result<()> {
        assert!(ledger().total.is_finite());
        self.note(format!("test_batch_end {batch}"))
    }
    fn test_end(&mut self, logs: &Logs, _: &Training) -> Result<()> {
        assert!(logs.get("loss").is_some());
        self.note("test_end")
    }
    fn predict_begin(&mut self, _: &Training) -> Result<()> {
        self.note("predict_begin")
    }
    fn predict_batch_begin(&mut self, batch: usize, _: &Training) -> Result<()> {
        self.note(format!("predict_batch_begin {batch}"))
    }
    fn predict_batch_end(&mut self, batch: usize, outputs: &[Array], _: &Training) -> Result<()> {
        self.note(format!("predict_batch_end {batch} {}", outputs[0].shape()))
    }
    fn predict_end(&mut self, _: &Training) -> Result<()> {
        self.note("predict_end")
    }
    fn train_end(&mut self, _: &Training) -> Result<()> {
        self.note("train_end")
    }
}

fn model(optimizer: impl endo::model::IntoOptimizer) -> Model {
    let mut model =
        Model::new(Sequential::new().add(Dense::new(4).activation("tanh")).add(Dense::new(1)))
            .seed(1);
    model.compile(optimizer, "mse", ());
    model
}

fn values(model: &Model) -> Vec<Array> {
    model.weights().iter().map(Variable::value).collect()
}

#[test]
fn callbacks_are_told_of_everything_in_keras_s_order() {
    let log = RefCell::new(Vec::new());
    let mut model = model("sgd");
    let (train, valid) = (data(40), data(20));
    model
        .fit(&train, Fit::epochs(1).batch_size(20).validation(&valid).callback(Log(&log)))
        .unwrap();
    let want = "train_begin, epoch_begin 0, batch_begin 0, batch_end 0, batch_begin 1, batch_end \
        1, test_begin, test_batch_begin 0, \
                test_batch_end 0, test_end, epoch_end 0, train_end";
    assert_eq!(log.take().join(", "), want);
    let logs =
        model.evaluate_with(&valid, Evaluate::new().batch_size(12).callback(Log(&log))).unwrap();
    assert_eq!(logs, model.evaluate_with(&valid, Evaluate::new().batch_size(12)).unwrap());
    let want = "test_begin, test_batch_begin 0, test_batch_end 0, test_batch_begin 1, \
        test_batch_end 1, test_end";
    assert_eq!(log.take().join(", "), want);
    let x = data(300).inputs().clone();
    let predicted = model.predict_with(&x, Predict::new().callback(Log(&log))).unwrap();
    assert_eq!(predicted, model.predict(&x).unwrap());
    let want = "predict_begin, predict_batch_begin 0, predict_batch_end 0 [256, 1], \
        predict_batch_begin 1, \
                predict_batch_end 1 [44, 1], predict_end";
    assert_eq!(log.take().join(", "), want);
    assert_eq!(model.predict_with(&x, Predict::new()).unwrap(), predicted);

    // The same of closures, and of a custom loop.
    let count = |name: &'static str| {
        let log = &log;
        move || {
            log.borrow_mut().push(name.to_string());
            Ok(())
        }
    };
    let closures = || {
        let [a, b, c, d] = ["begin", "test", "part", "done"].map(count);
        LambdaCallback::new()
            .on_batch_begin(move |_, _| a())
            .on_test_batch_end(move |_, _, _| b())
            .on_predict_batch_begin(move |_, _| c())
            .on_test_end(move |_, _| d())
    };
    let mut run = model
        .run(&train, Fit::epochs(1).batch_size(20).validation(&valid).callback(closures()))
        .unwrap();
    while run.next_batch().unwrap() {
        run.train_on_batch().unwrap();
    }
    run.finish().unwrap();
    model.predict_with(&x, Predict::new().callback(closures())).unwrap();
    assert_eq!(log.take(), ["begin", "begin", "test", "done", "part", "part"]);
    let fails =
        LambdaCallback::new().on_test_begin(|_| Err(Error::new(ErrorKind::Usage, "not now")));
    assert_eq!(
        model.evaluate_with(&valid, Evaluate::new().callback(fails)).unwrap_err().message(),
        "not now"
    );
}

#[test]
fn what_is_reported_at_an_epoch_s_end_is_in_it() {
    let report = || {
        LambdaCallback::new().on_epoch_end(|epoch, _, training| {
            training.report("score", [3.0, 2.0, 2.5, 2.6][epoch]);
            Ok(())
        })
    };
    let folder = Folder::new("late");
    let stop = || EarlyStopping::on("score").patience(1).maximize(false);
    let train = data(40);
    let options = Fit::epochs(4)
        .callback(report())
        .callback(stop())
        .callback(CsvLogger::new(folder.path("log.csv")));
    let history = model("sgd").fit(&train, options).unwrap();
    assert_eq!(history.get("score"), [3.0, 2.0, 2.5]);
    // What is reported twice in an epoch is what was reported last.
    let early = LambdaCallback::new().on_epoch_begin(|_, training| {
        training.report("score", -1.0);
        Ok(())
    });
    let twice =
        model("sgd").fit(&train, Fit::epochs(2).callback(early).callback(report())).unwrap();
    assert_eq!((twice.get("score"), twice.get("score_1").len()), (vec![3.0, 2.0], 0));
    let table = std::fs::read_to_string(folder.path("log.csv")).unwrap();
    assert!(table.starts_with("epoch,loss,score\n") && table.lines().count() == 4, "{table}");
    let error =
        model("sgd").fit(&train, Fit::epochs(2).callback(stop()).callback(report())).unwrap_err();
    assert!(
        error.advice().unwrap().contains("is seen by those that are given after it"),
        "{error}"
    );
}

#[test]
fn a_callback_may_predict_and_evaluate_and_stop() {
    let (train, grid) = (data(40), data(5).inputs().clone());
    let mut seen = Vec::new();
    let watch = LambdaCallback::new().on_epoch_end(|_, report, training| {
        let largest = training.predict(std::slice::from_ref(&grid))?[0]
            .to_vec::<f64>()
            .into_iter()
            .fold(0.0, f64::max);
        let loss = training.evaluate(&train)?.get("loss").unwrap();
        assert!(loss != report.ledger.total); // of the weights after the epoch
        training.report("largest", largest);
        seen.push(loss);
        if seen.len() == 3 {
            training.stop();
        }
        Ok(())
    });
    let history = model(Sgd::new(0.1)).fit(&train, Fit::epochs(100).callback(watch)).unwrap();
    assert_eq!((history.epochs.len(), history.get("largest").len(), seen.len()), (3, 3, 3));
}

/// The loss in batches of the size of the trainings here.
fn evaluated(model: &Model, data: &Dataset) -> Option<f64> {
    model.evaluate_with(data, Evaluate::new().batch_size(8)).unwrap().get("loss")
}

fn averaging() -> Sgd {
    Sgd::new(0.1).use_ema(true).ema_momentum(0.8)
}

#[test]
fn averages_are_validated_and_weights_are_trained() {
    let (train, valid) = (data(40), data(20));
    let options = || Fit::epochs(3).batch_size(8).validation(&valid);
    let (mut plain, mut swapped) = (model(averaging()), model(averaging()));
    let plain_history = plain.fit(&train, options()).unwrap();
    let history = swapped.fit(&train, options().callback(SwapEmaWeights::new())).unwrap();
    assert_eq!(history.get("loss"), plain_history.get("loss")); // it trains on
    assert!(values(&swapped) == values(&plain)); // and ends with the averages, as without
    let losses = history.get("val_loss");
    assert!(losses.iter().zip(plain_history.get("val_loss")).all(|(a, b)| *a != b));
    assert_eq!(evaluated(&swapped, &valid), losses.last().copied());
    // Where the weights are not the averages, evaluation and prediction see these.
    let mut model = model(averaging());
    let mut before = Vec::new();
    let keep = LambdaCallback::new().on_epoch_end(|_, _, training| {
        before = training.weights().iter().map(Variable::value).collect();
        Ok(())
    });
    model.fit(&train, Fit::epochs(2).batch_size(8).callback(keep)).unwrap();
    let averages = values(&model);
    model.set_weights(&before).unwrap();
    let tested =
        model.evaluate_with(&valid, Evaluate::new().callback(SwapEmaWeights::new())).unwrap();
    let predicted =
        model.predict_with(valid.inputs(), Predict::new().callback(SwapEmaWeights::new())).unwrap();
    assert!(values(&model) == before && model.evaluate(&valid).unwrap() != tested);
    model.set_weights(&averages).unwrap();
    assert_eq!(
        (model.evaluate(&valid).unwrap(), model.predict(valid.inputs()).unwrap()),
        (tested, predicted)
    );
}

#[test]
fn checkpoints_may_hold_the_averages() {
    let folder = Folder::new("averages");
    let (train, valid) = (data(40), data(20));
    let options = || Fit::epochs(3).batch_size(8).validation(&valid);
    let checkpoint =
        || ModelCheckpoint::new(folder.path("{epoch}.safetensors")).save_weights_only(true);
    let mut model = model(averaging());
    let swap = SwapEmaWeights::new().swap_on_epoch(true);
    let history = model.fit(&train, options().callback(swap).callback(checkpoint())).unwrap();
    let mut plain = super::hooks::model(averaging());
    plain.fit(&train, options()).unwrap();
    assert!(values(&model) == values(&plain));
    for (epoch, loss) in history.get("val_loss").into_iter().enumerate() {
        plain.load_weights(folder.path(&format!("{}.safetensors", epoch + 1))).unwrap();
        assert_eq!(evaluated(&plain, &valid), Some(loss));
    }
    // A run that is stopped after an epoch, and gone on with, ends with the same bits.
    let options = || {
        options()
            .callback(SwapEmaWeights::new().swap_on_epoch(true))
            .callback(BackupAndRestore::new(folder.path("run")))
            .callback(checkpoint())
    };
    let stop = LambdaCallback::new().on_epoch_begin(|epoch, _| {
        if epoch == 2 { Err(Error::new(ErrorKind::Usage, "the plug was pulled")) } else { Ok(()) }
    });
    super::hooks::model(averaging()).fit(&train, options().callback(stop)).unwrap_err();
    let mut again = super::hooks::model(averaging());
    let resumed = again.fit(&train, options().callback(LambdaCallback::new())).unwrap();
    assert!(values(&again) == values(&model));
    assert_eq!(resumed.get("val_loss"), history.get("val_loss"));
}

#[test]
fn a_run_that_was_done_with_swapped_averages_is_done_when_it_is_started_again() {
    let folder = Folder::new("done");
    let train = data(40);
    let fit = || {
        let mut model = model(averaging());
        let options = Fit::epochs(3)
            .batch_size(8)
            .callback(SwapEmaWeights::new().swap_on_epoch(true))
            .callback(BackupAndRestore::new(folder.path("run")).delete_checkpoint(false))
            .callback(ModelCheckpoint::new(folder.path("whole.safetensors")));
        model.fit(&train, options).unwrap();
        model
    };
    let first = fit();
    assert!(values(&fit()) == values(&first));
    // The file of the model has the averages, and an optimizer that goes on from them.
    let loaded = model(averaging());
    loaded.build([1, 3]).unwrap();
    loaded.load(folder.path("whole.safetensors")).unwrap();
    assert!(values(&loaded) == values(&first));
    let (a, b) = (
        loaded.evaluate_with(&train, Evaluate::new().callback(SwapEmaWeights::new())),
        loaded.evaluate(&train),
    );
    assert_eq!(a.unwrap(), b.unwrap());
}

#[test]
fn averages_of_a_file_are_seen_before_the_first_step() {
    let folder = Folder::new("unused");
    let train = data(40);
    let mut trained = model(averaging());
    let checkpoint = ModelCheckpoint::new(folder.path("raw.safetensors"));
    trained.fit(&train, Fit::epochs(2).batch_size(8).callback(checkpoint)).unwrap();
    let loaded = model(averaging());
    loaded.build([1, 3]).unwrap();
    loaded.load(folder.path("raw.safetensors")).unwrap();
    assert!(values(&loaded) != values(&trained)); // the weights of the last step
    let swapped = loaded
        .predict_with(train.inputs(), Predict::new().callback(SwapEmaWeights::new()))
        .unwrap();
    assert_eq!(swapped, trained.predict(train.inputs()).unwrap());
}

#[test]
fn a_prediction_in_the_midst_of_a_test_that_carries_state_is_an_error() {
    let seen = Variable::new("seen", 0.0_f32).frozen();
    let (held, dense) = (seen.clone(), Dense::new(1));
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let before = cx.read(&held);
        cx.assign(&held, &(&before + 1.0));
        dense.apply(x, cx) + before
    });
    model.compile("sgd", "mse", ());
    let train = data(40);
    let x = train.inputs().clone();
    let within = || {
        LambdaCallback::new().on_test_batch_end(|_, _, training| {
            training.predict(std::slice::from_ref(&x)).map(drop)
        })
    };
    let error = model.evaluate_with(&train, Evaluate::new().callback(within())).unwrap_err();
    assert!(error.message().contains("in the midst of a test"), "{error}");
    let at_end = LambdaCallback::new()
        .on_test_end(|_, training| training.predict(std::slice::from_ref(&x)).map(drop));
    model.evaluate_with(&train, Evaluate::new().callback(at_end)).unwrap();
    assert_eq!(seen.value().item().unwrap(), 0.0);
}

#[test]
fn averages_that_are_not_kept_are_an_error_and_a_failure_leaves_the_weights() {
    let train = data(40);
    let error =
        model("sgd").fit(&train, Fit::epochs(1).callback(SwapEmaWeights::new())).unwrap_err();
    assert_eq!(error.message(), "the optimizer keeps no moving averages of the weights");
    let mut model = model(averaging());
    let mut kept = Vec::new();
    let fails =
        LambdaCallback::new().on_test_begin(|_| Err(Error::new(ErrorKind::Usage, "no test today")));
    let keep = LambdaCallback::new().on_batch_end(|_, _, training| {
        kept = training.weights().iter().map(Variable::value).collect();
        Ok(())
    });
    let options = Fit::epochs(1)
        .validation(&train)
        .callback(keep)
        .callback(SwapEmaWeights::new())
        .callback(fails);
    assert_eq!(model.fit(&train, options).unwrap_err().message(), "no test today");
    assert!(values(&model) == kept);
}
