//! Runs that stop in the middle and are resumed within a process: custom loops, damaged files,
//! other data.

use std::fs;

use endo::model::Balance;
use endo::prelude::*;
use endo::training::ForgedFile;

use super::folder::Folder;
use super::support::{data, model, numbers, weights};

/// A custom loop with an optimizer and a metric of its own. Stops before a batch, as a power cut
/// would.
fn custom_loop(
    folder: &Folder,
    stop: Option<(usize, usize)>,
) -> Option<(History, Vec<Array>, String)> {
    let (model, optimizer, mean_loss) = (model(), Adam::new(0.01), Mean::new("mean_loss"));
    model.build([16, 3]).unwrap();
    let mut step = Function::new(|[x, y], cx| {
        let y_pred = model.apply(&x, cx);
        let main = mean_squared_error(&y, &y_pred).mean();
        let size = cx.losses().remove(0);
        let loss = &main + &size;
        optimizer.apply(&cx.gradients(&loss, model.trainable_weights()), cx);
        mean_loss.update(&loss, cx);
        [main, size]
    });
    let train = data(100);
    let options = Fit::epochs(6)
        .batch_size(16)
        .record_steps(3)
        .callback(CsvLogger::new(folder.path("steps.csv")).every(2))
        .callback(BackupAndRestore::new(folder.path("run")).save_freq(2));
    let mut run = model.run(&train, options).unwrap();
    run.watch(&mean_loss).unwrap();
    while run.next_batch().unwrap() {
        if stop == Some((run.epoch(), run.batch_index())) {
            return None;
        }
        let [main, size] =
            run.step(&mut step).unwrap().each_ref().map(|value| value.item().unwrap());
        run.record([("main", main), ("size", size)]).unwrap();
    }
    let history = numbers(run.finish().unwrap());
    Some((history, weights(&model), fs::read_to_string(folder.path("steps.csv")).unwrap()))
}

#[test]
fn a_loop_of_ones_own_goes_on_where_it_stopped() {
    let folder = Folder::new("custom");
    let (history, weights, table) = custom_loop(&folder, None).unwrap();
    // 42 steps.
    assert_eq!((history.epochs.len(), history.steps.len(), table.lines().count()), (6, 14, 22));
    assert!(table.starts_with("epoch,batch,loss,main,size\n0,0,"));
    let means = history.get("mean_loss").into_iter().zip(history.get("loss"));
    // Of batches, and of samples.
    assert!(means.into_iter().all(|(mean, loss)| (mean - loss).abs() < 0.2));
    for stop in [(0, 1), (0, 5), (2, 0), (3, 4), (5, 6)] {
        assert!(custom_loop(&folder, Some(stop)).is_none());
        assert_eq!(
            custom_loop(&folder, None).unwrap(),
            (history.clone(), weights.clone(), table.clone()),
            "stopped at {stop:?}"
        );
    }
}

/// `fit` with an interruption before an epoch.
fn fit(folder: &Folder, data: &Dataset, stop: usize) -> Result<(History, Vec<Array>)> {
    let mut model = model();
    let interrupt = LambdaCallback::new().on_epoch_begin(move |epoch, _| {
        if epoch == stop { Err(Error::new(ErrorKind::Usage, "interrupted")) } else { Ok(()) }
    });
    let options = Fit::epochs(6)
        .batch_size(16)
        .callback(BackupAndRestore::new(folder.path("run")))
        .callback(interrupt);
    let history = model.fit(data, options)?;
    Ok((numbers(history), weights(&model)))
}

#[test]
fn a_damaged_file_is_replaced_by_the_one_before_it() {
    let (folder, data) = (Folder::new("damaged"), data(100));
    let whole = fit(&folder, &data, 6).unwrap();
    assert_eq!(fit(&folder, &data, 3).unwrap_err().message(), "interrupted");
    let bytes = fs::read(folder.path("run")).unwrap();
    fs::write(folder.path("run"), &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(fit(&folder, &data, 6).unwrap(), whole);

    assert!(fit(&folder, &data, 3).is_err());
    fs::write(folder.path("run"), "").unwrap();
    fs::write(folder.path("run.previous"), "").unwrap();
    let error = fit(&folder, &data, 6).unwrap_err();
    assert!(error.message().contains("is no whole saved run: it is truncated"), "{error}");
    assert!(error.advice().unwrap().contains("delete the file to begin anew"));
}

#[test]
fn a_run_of_other_data_or_of_another_model_is_refused() {
    let folder = Folder::new("other");
    assert!(fit(&folder, &data(100), 3).is_err());
    let error = fit(&folder, &data(90), 6).unwrap_err();
    assert_eq!(error.message(), "the saved run had 100 samples, and this one has 90");
    let backup = || BackupAndRestore::new(folder.path("run"));
    let error =
        model().fit(&data(100), Fit::epochs(6).batch_size(16).callback(backup())).unwrap_err();
    assert_eq!(error.message(), "the saved run had 2 callbacks, and this one has 1");
    let options = Fit::epochs(6)
        .batch_size(16)
        .record_steps(5)
        .callback(backup())
        .callback(|_: usize, _: &Epoch| {});
    let error = model().fit(&data(100), options).unwrap_err();
    assert_eq!(error.message(), "the saved run had 0 as `record_steps`, and this one has 5");
    let mut other = Model::new(Dense::new(1).name("lambda"));
    other.compile("adam", "mse", ());
    let options =
        Fit::epochs(6).batch_size(16).callback(backup()).callback(|_: usize, _: &Epoch| {});
    let error = other.fit(&data(100), options).unwrap_err();
    assert_eq!(error.message(), "the saved run is of another model: it has no weight `kernel`");
    let error = Model::new(Dense::new(1))
        .compile("sgd", "mse", ())
        .fit(&data(100), Fit::epochs(1).callback(backup().save_freq(0)));
    assert_eq!(error.unwrap_err().message(), "the `save_freq` of `BackupAndRestore` is 0");
}

#[test]
fn a_run_that_is_done_and_kept_is_gone_on_with_for_more_epochs() {
    let (folder, data) = (Folder::new("longer"), data(100));
    let fit = |epochs: usize| {
        let mut model = model();
        let backup = BackupAndRestore::new(folder.path("run")).delete_checkpoint(false);
        let history =
            model.fit(&data, Fit::epochs(epochs).batch_size(16).callback(backup)).unwrap();
        (numbers(history), weights(&model))
    };
    assert_eq!(fit(2).0.epochs.len(), 2);
    let longer = fit(5);
    fs::remove_file(folder.path("run")).unwrap();
    fs::remove_file(folder.path("run.previous")).unwrap();
    assert_eq!(fit(5), longer);
}

#[test]
fn steps_run_node_by_node_are_resumed_too() {
    let (folder, data) = (Folder::new("eager"), data(40));
    let fit = |stop: usize| {
        let mut model = model().run_eagerly(true);
        let interrupt = LambdaCallback::new().on_epoch_begin(move |epoch, training| {
            if epoch == stop {
                training.stop();
            }
            Ok(())
        });
        let backup = BackupAndRestore::new(folder.path("run")).delete_checkpoint(stop > 3);
        let history = model
            .fit(&data, Fit::epochs(4).batch_size(16).callback(backup).callback(interrupt))
            .unwrap();
        (numbers(history), weights(&model))
    };
    let whole = fit(4);
    // Epochs 0 and 1; the file before the last is from before it was stopped.
    assert_eq!(fit(1).0.epochs.len(), 2);
    let [run, previous] = ["run", "run.previous"].map(|file| folder.path(file));
    let before = fs::read(&previous).unwrap();
    assert_eq!(fit(4).0.epochs.len(), 2); // it was stopped, and stays so
    fs::write(&previous, before).unwrap();
    assert_eq!(fit(4), whole);
    assert!(!run.exists() && !previous.exists());
}

/// `fit` of a model with an interruption before an epoch.
fn fit_of(
    mut model: Model,
    folder: &Folder,
    data: &Dataset,
    stop: usize,
    probe: Probe,
) -> Result<(History, Vec<Array>)> {
    let interrupt = LambdaCallback::new().on_epoch_begin(move |epoch, _| {
        if epoch == stop { Err(Error::new(ErrorKind::Usage, "interrupted")) } else { Ok(()) }
    });
    let backup = BackupAndRestore::new(folder.path("run")).save_freq(3);
    let options = Fit::epochs(5).batch_size(16).callback(backup).callback(interrupt).probe(probe);
    let history = model.fit(data, options)?;
    Ok((numbers(history), weights(&model)))
}

fn probe() -> Probe {
    Probe::activations("dense").every(4)
}

#[test]
fn whatever_an_optimizer_or_a_balance_keeps_is_resumed() {
    let (folder, data) = (Folder::new("kept"), data(100));
    let compiled = |optimizer: &'static str, balance: Option<Balance>| {
        let mut model = model();
        model.compile(optimizer, "mse", ["mae", "r2_score"]);
        if let Some(balance) = balance {
            model.balance(balance);
        }
        model
    };
    for (optimizer, balance) in [
        ("adam(use_ema=true, ema_overwrite_frequency=5)", None),
        ("sgd(0.05, momentum=0.9, gradient_accumulation_steps=3)", None),
        ("rmsprop(cosine_decay(0.01, 30))", None),
        ("adafactor", None),
        ("ftrl", None),
        ("nadam", Some(Balance::Uncertainty)),
        ("adam", Some(Balance::grad_norm())),
    ] {
        let fit = |stop: usize| fit_of(compiled(optimizer, balance), &folder, &data, stop, probe());
        let whole = fit(9).unwrap();
        for stop in [1, 3] {
            assert_eq!(fit(stop).unwrap_err().message(), "interrupted");
            assert!(fit(9).unwrap() == whole, "{optimizer} {balance:?} before epoch {stop}");
        }
    }
}

#[test]
fn a_run_with_another_optimizer_seed_probe_or_other_numbers_is_refused() {
    let (folder, train) = (Folder::new("another"), data(100));
    assert!(fit_of(model(), &folder, &train, 3, probe()).is_err());
    let message = |model: Model, data: &Dataset, probe: Probe| {
        fit_of(model, &folder, data, 9, probe).unwrap_err().message().to_string()
    };
    let mut other = model();
    other.compile("sgd", "mse", ["mae"]);
    let expected = "the saved run is of another model, optimizer or metrics: it has a value of \
        `batch_normalization";
    assert!(message(other, &train, probe()).starts_with(expected));
    let mut other = model();
    other.compile(Nadam::new(0.02).clipnorm(1.0).use_ema(true), "mse", ["mae"]);
    let expected =
        "the saved run is of another model, optimizer or metrics: it has no value of `dense";
    assert!(message(other, &train, probe()).starts_with(expected));
    assert_eq!(
        message(model().seed(4), &train, probe()),
        "the saved run had 3 as the seed of the model, and this one has 4"
    );
    let expected = "the saved run had activations `dense` every 4 steps, 0 bins as probe 0, and \
        this one has weights `dense` every 4 \
                    steps, 0 bins";
    assert_eq!(message(model(), &train, Probe::weights("dense").every(4)), expected);
    let mut targets = train.targets().unwrap().clone();
    targets.as_mut_slice::<f32>().unwrap()[7] += 1e-6;
    let changed = Dataset::new(train.inputs().clone(), targets).unwrap();
    let error = message(model(), &changed, probe());
    assert!(error.contains("as the checksum of the data, and this one has"), "{error}");
    assert!(fit_of(model(), &folder, &train, 9, probe()).is_ok());
}

#[test]
fn a_loop_that_is_left_early_keeps_its_backup() {
    let (folder, train) = (Folder::new("left"), data(64));
    let model = model();
    let mut run = model
        .run(
            &train,
            Fit::epochs(3).batch_size(16).callback(BackupAndRestore::new(folder.path("run"))),
        )
        .unwrap();
    assert!(run.indices().is_empty());
    while run.next_batch().unwrap() && run.epoch() < 2 {
        assert_eq!(run.indices().len(), 16);
        run.train_on_batch().unwrap();
    }
    assert_eq!(run.finish().unwrap().epochs.len(), 2);
    assert!(folder.path("run").exists());
}

#[test]
fn a_file_that_was_written_and_not_yet_renamed_is_the_newest() {
    let (folder, data) = (Folder::new("renamed"), data(100));
    let whole = fit(&folder, &data, 6).unwrap();
    assert!(fit(&folder, &data, 3).is_err());
    fs::rename(folder.path("run"), folder.path("run.new")).unwrap();
    fs::write(folder.path("run.previous"), "damaged").unwrap();
    assert_eq!(fit(&folder, &data, 6).unwrap(), whole);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_saved_number_that_cannot_be_is_named_and_changes_no_weight() {
    let (folder, data) = (Folder::new("forged"), data(100));
    let train = |model: &mut Model, stop: usize| {
        let interrupt = LambdaCallback::new().on_epoch_begin(move |epoch, _| {
            if epoch == stop { Err(Error::new(ErrorKind::Usage, "interrupted")) } else { Ok(()) }
        });
        let options = Fit::epochs(6)
            .batch_size(16)
            .record_steps(1)
            .callback(EarlyStopping::on("loss").patience(9));
        model
            .fit(
                &data,
                options.callback(BackupAndRestore::new(folder.path("run"))).callback(interrupt),
            )
            .map(|_| ())
    };
    assert!(train(&mut model(), 3).is_err());
    let whole = ForgedFile::open(&fs::read(folder.path("run")).unwrap()).unwrap();
    let refused = |name: &str, value: Array| {
        let mut forged = ForgedFile::open(&whole.seal().unwrap()).unwrap();
        forged.arrays.insert(name.to_string(), value).expect("an entry of a saved run");
        fs::write(folder.path("run"), forged.seal().unwrap()).unwrap();
        let mut model = model();
        model.build([16, 3]).unwrap();
        let before = weights(&model);
        let error = train(&mut model, 6).unwrap_err();
        assert_eq!(weights(&model), before, "{error}");
        assert!(error.advice().unwrap().contains("delete"), "{error}");
        error.message().replace("the saved run is damaged: ", "")
    };
    let large = 2.0_f64.powi(40);
    assert_eq!(
        refused("epochs", large.into()),
        "`history` must be a table of 1099511627776 rows, got one of 3"
    );
    assert_eq!(
        refused("batches", 8.0.into()),
        "`batches` must be a whole number from 0 to 7, got 8"
    );
    assert_eq!(refused("begun", 0.5.into()), "`begun` must be a whole number from 0 to 1, got 0.5");
    assert_eq!(refused("epochs", [3.0, 3.0].into()), "`epochs` must be one number, got f64[2]");
    let counts = [1.0, 21.0, f64::NAN, 21.0];
    assert_eq!(
        refused("steps/counts", counts.into()),
        "`steps/counts` must be a whole number that is not negative, got NaN"
    );
    let negative = "`callback/0/waited` must be a whole number that is not negative, got -1";
    assert_eq!(refused("callback/0/waited", (-1.0).into()), negative);
    let other =
        "the saved run is of another model: variable `dense/kernel` is f32[3, 8], got f32[8, 3]";
    assert_eq!(refused("variables/dense/kernel", Array::zeros([8, 3], DType::F32)), other);
}

/// A callback that pulls the plug before a batch of an epoch.
fn plug(epoch: usize, batch: usize) -> LambdaCallback<'static> {
    LambdaCallback::new().on_batch_begin(move |index, training| {
        if (training.epoch(), index) == (epoch, batch) {
            return Err(Error::new(ErrorKind::Usage, "the plug was pulled"));
        }
        Ok(())
    })
}

#[test]
fn a_run_with_a_later_first_epoch_goes_on_where_it_stopped() {
    let train = data(100);
    for stop in [(2, 3), (3, 0), (4, 2)] {
        let folder = Folder::new(&format!("later-{}-{}", stop.0, stop.1));
        let options = |first: usize| {
            Fit::epochs(5)
                .initial_epoch(first)
                .batch_size(16)
                .callback(BackupAndRestore::new(folder.path("run")).save_freq(1))
        };
        let mut whole = model();
        let want = numbers(whole.fit(&train, options(2).callback(LambdaCallback::new())).unwrap());
        model().fit(&train, options(2).callback(plug(stop.0, stop.1))).unwrap_err();
        let error = model().fit(&train, options(0).callback(LambdaCallback::new())).unwrap_err();
        assert!(
            error.message().contains("the saved run had 2 as `initial_epoch`, and this one has 0"),
            "{error}"
        );
        let mut again = model();
        assert_eq!(
            numbers(again.fit(&train, options(2).callback(LambdaCallback::new())).unwrap()),
            want,
            "{stop:?}"
        );
        assert!(weights(&again) == weights(&whole));
    }
}

#[test]
fn passes_of_different_lengths_are_gone_on_with() {
    let folder = Folder::new("lengths");
    let train = data(100);
    let stream = || {
        let train = train.clone();
        Stream::by_epoch(move |pass| {
            let train = train.clone();
            (0..2 + pass).map(move |batch| train.rows(16 * batch..16 * (batch + 1)))
        })
    };
    let options =
        || Fit::epochs(4).callback(BackupAndRestore::new(folder.path("run")).save_freq(1));
    let mut whole = model();
    let want = numbers(whole.fit(stream(), options().callback(LambdaCallback::new())).unwrap());
    model().fit(stream(), options().callback(plug(2, 3))).unwrap_err();
    let mut again = model();
    assert_eq!(
        numbers(again.fit(stream(), options().callback(LambdaCallback::new())).unwrap()),
        want
    );
    assert!(weights(&again) == weights(&whole));
}

#[test]
fn a_validation_that_cannot_go_back_is_not_gone_on_with() {
    let folder = Folder::new("once");
    let train = data(100);
    let valid = || Stream::from_iterator((0..50).map(|_| data(4)));
    let options = || {
        let backup = BackupAndRestore::new(folder.path("run")).save_freq(1);
        Fit::epochs(4).batch_size(50).validation(valid()).validation_steps(2).callback(backup)
    };
    model().fit(&train, options().callback(plug(2, 1))).unwrap_err();
    let error = model().fit(&train, options().callback(LambdaCallback::new())).unwrap_err();
    assert!(
        error.message().contains("its validation data is an iterator, which cannot go back"),
        "{error}"
    );
}
