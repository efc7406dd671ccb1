//! Runs that one number of ranks has saved and another goes on with, and who writes the files.

use std::fs;
use std::sync::Arc;

use endo::prelude::*;
use endo::shards::{Alone, Link, Shards, Threads};

use super::folder::Folder;
use super::ranks::epochs;
use super::regressor::{Regressor, made_up_data};

type Trained = Option<(Vec<endo::training::Epoch>, Vec<Array>)>;

/// A training that stops before a batch, as if the process was killed, or goes to its end.
fn train(link: Arc<dyn Link>, folder: &Folder, shards: usize, stop: Option<usize>) -> Trained {
    let mut model = Model::new(Regressor::new()).seed(5).threads(1).print_warnings(false);
    model.compile(Nadam::new(0.01), "mse", ["mae"]);
    model.distribute(link, Shards::new(shards));
    let data = made_up_data(100);
    let interrupt = LambdaCallback::new().on_batch_begin(move |_, training: &Training| {
        let step = training.step();
        if Some(step) == stop { Err(Error::new(ErrorKind::Usage, "stop")) } else { Ok(()) }
    });
    let options = Fit::epochs(5)
        .batch_size(30)
        .validation_split(0.2)
        .callback(CsvLogger::new(folder.path("epochs.csv")))
        .callback(BackupAndRestore::new(folder.path("run")).save_freq(2))
        .callback(EarlyStopping::on("val_loss").patience(3))
        .callback(interrupt);
    let history = model.fit(&data, options).ok()?;
    Some((epochs(history), model.weights().iter().map(|weight| weight.value()).collect()))
}

fn on(ranks: usize, folder: &Folder, shards: usize, stop: Option<usize>) -> Vec<Trained> {
    if ranks == 1 {
        return vec![train(Alone.into(), folder, shards, stop)];
    }
    Threads::run(ranks, |link| train(link.into(), folder, shards, stop))
}

#[test]
fn a_run_goes_on_with_another_number_of_ranks_to_the_same_bits() {
    let table = |folder: &Folder| fs::read_to_string(folder.path("epochs.csv")).unwrap();
    let first = Folder::new("shards-whole");
    let whole = on(1, &first, 8, None).remove(0).unwrap();
    for (stop, ranks) in [(1, [1, 4]), (4, [4, 2]), (7, [3, 8]), (11, [8, 1]), (13, [2, 6])] {
        let folder = Folder::new(&format!("shards-{stop}"));
        assert!(on(ranks[0], &folder, 8, Some(stop)).iter().all(Option::is_none));
        for resumed in on(ranks[1], &folder, 8, None) {
            assert!(resumed.unwrap() == whole, "stopped at {stop}");
        }
        assert_eq!(table(&folder), table(&first));
        // Nothing but the table is left: one rank wrote, and one removed.
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}

#[test]
fn a_run_of_another_number_of_shards_is_another_run() {
    let folder = Folder::new("shards-other");
    assert!(on(2, &folder, 8, Some(6)).iter().all(Option::is_none));
    let mut model = Model::new(Regressor::new()).seed(5).threads(1).print_warnings(false);
    model.compile(Nadam::new(0.01), "mse", ["mae"]);
    model.distribute(Alone, Shards::new(4));
    let quiet = LambdaCallback::new();
    let options = Fit::epochs(5)
        .batch_size(30)
        .validation_split(0.2)
        .callback(CsvLogger::new(folder.path("epochs.csv")))
        .callback(BackupAndRestore::new(folder.path("run")).save_freq(2))
        .callback(EarlyStopping::on("val_loss").patience(3))
        .callback(quiet);
    let error = model.fit(&made_up_data(100), options).unwrap_err();
    assert!(error.message().contains("8 as its number of shards, and this one has 4"), "{error}");
}

#[test]
fn rank_0_alone_writes_files() {
    let folder = Folder::new("shards-files");
    let counts = Threads::run(3, |link| {
        let rank = link.rank();
        let own = folder.path(&format!("rank-{rank}"));
        let mut model = Model::new(Dense::new(1)).threads(1);
        model.compile("sgd", "mse", ());
        model.distribute(link, Shards::new(4));
        let options = Fit::epochs(2)
            .callback(CsvLogger::new(own.join("epochs.csv")))
            .callback(ModelCheckpoint::new(own.join("best").display().to_string()).monitor("loss"))
            .callback(TensorBoard::new(own.join("board")))
            .callback(endo::report::Report::new(own.join("page.html")))
            .callback(BackupAndRestore::new(own.join("run")).delete_checkpoint(false));
        model.fit(&made_up_data(64), options).unwrap();
        fs::read_dir(&own).map_or(0, Iterator::count)
    });
    assert_eq!(counts[1..], [0, 0]);
    assert!(counts[0] >= 5, "{counts:?}");
}
