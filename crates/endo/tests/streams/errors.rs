//! What cannot be read, does not fit or has no end is said where it is found, before anything is
//! lost.

use std::sync::atomic::{AtomicUsize, Ordering};

use endo::data::BatchAt;
use endo::prelude::*;

use super::folder::Folder;
use super::{column, data, model};

/// The error of a fit, with its help.
fn error(stream: Stream<'_>, options: Fit<'_>) -> (ErrorKind, String, String) {
    let mut model = model();
    let error = model.fit(stream, options).unwrap_err();
    (error.kind(), error.message().to_string(), error.advice().unwrap_or_default().to_string())
}

fn endless() -> Stream<'static> {
    Stream::from_fn(|_| data(4))
}

#[test]
fn what_has_no_end_is_refused_unless_it_is_cut_off() {
    let (kind, message, help) = error(endless(), Fit::epochs(1));
    assert_eq!(
        (kind, message.as_str()),
        (ErrorKind::Usage, "the data is a stream without end, so that an epoch has none either")
    );
    assert!(help.contains("`Fit::epochs(10).steps_per_epoch(500)`"), "{help}");
    assert!(
        error(Stream::from_iterator(std::iter::repeat_with(|| data(4))), Fit::epochs(1))
            .2
            .contains("steps_per_epoch")
    );
    let train = data(8);
    assert!(
        error((&train).into(), Fit::epochs(1).validation(endless())).2.contains("validation_steps")
    );
    let repeated = Stream::by_epoch(|_| std::iter::repeat_with(|| data(4)));
    assert!(
        error((&train).into(), Fit::epochs(1).validation(repeated)).2.contains("validation_steps")
    );
    let evaluated = model().evaluate(endless()).unwrap_err();
    assert!(evaluated.advice().unwrap().contains("Evaluate::new().steps(50)"), "{evaluated}");
    for (options, name) in [
        (Fit::epochs(1).steps_per_epoch(0), "0 batches"),
        (Fit::epochs(1).validation(&train).validation_steps(0), "0 batches"),
        (Fit::epochs(1).validation_freq(0), "`validation_freq` is 0"),
        (Fit::epochs(1).initial_epoch(2), "`initial_epoch` is 2, after the last of 1 epochs"),
    ] {
        let (kind, message, _) = error((&train).into(), options);
        assert!(kind == ErrorKind::Argument && message.contains(name), "{message}");
    }
}

#[test]
fn what_can_be_gone_through_once_is_not_promised_twice() {
    let once = || Stream::from_iterator([data(4), data(4)]);
    let (kind, message, help) = error(once(), Fit::epochs(2));
    assert!(kind == ErrorKind::Usage && message.contains("gone through once"), "{message}");
    assert!(help.contains("Stream::by_epoch"), "{help}");
    let train = data(8);
    let (kind, message, help) = error((&train).into(), Fit::epochs(2).validation(once()));
    assert!(
        kind == ErrorKind::Usage && message.contains("the validation data is an iterator"),
        "{message}"
    );
    assert!(help.contains("`validation_steps`"), "{help}");
    assert!(model().fit(&train, Fit::epochs(3).validation(once()).validation_freq(3)).is_ok());
    let too_few = Fit::epochs(3).validation(once().prefetch(1)).validation_steps(1);
    assert_eq!(error((&train).into(), too_few).1, "the stream has yielded no batch");
    assert!(
        error(endless(), Fit::epochs(1).steps_per_epoch(2).validation_split(0.2))
            .1
            .contains("`validation_split`")
    );
    let emptied = Stream::by_epoch(|pass| (pass == 0).then(|| data(4)));
    assert_eq!(error(emptied, Fit::epochs(3)).1, "the stream has yielded no batch");
    assert_eq!(
        error(Stream::from_iterator(Vec::<Dataset>::new()), Fit::epochs(1)).1,
        "the stream has yielded no batch"
    );
}

#[test]
fn a_batch_that_is_wrong_is_named_and_has_changed_nothing() {
    let at_third = |wrong: fn() -> Result<Dataset>| {
        let stream = Stream::by_epoch(move |_| {
            (0..4).map(move |number| if number == 2 { wrong() } else { Ok(data(4)) })
        });
        let model = model();
        let mut before = Vec::new();
        let error = {
            let mut run = model.run(stream, Fit::epochs(1)).unwrap();
            loop {
                match run.next_batch() {
                    Ok(true) => run.train_on_batch().unwrap(),
                    Ok(false) => panic!("an error"),
                    Err(error) => break error,
                }
                before = run.training().weights().iter().map(|weight| weight.value()).collect();
            }
        };
        assert!(model.weights().iter().map(|weight| weight.value()).collect::<Vec<_>>() == before);
        error
    };
    let place = "batch 2 of pass 0 of the data (both counted from 0): ";
    let nan = at_third(|| Dataset::new([[0.0_f32, f32::NAN, 1.0]], [[1.0_f32]]));
    assert_eq!(
        nan.message(),
        format!("{place}inputs[0, 1] is NaN: row 0, column 1, counted from 0")
    );
    let unread = at_third(|| Err(Error::new(ErrorKind::Io, "the tape is torn").help("glue it")));
    assert_eq!(
        (unread.message(), unread.advice()),
        (format!("{place}the tape is torn").as_str(), Some("glue it"))
    );
    let uneven = at_third(|| Dataset::new([[0.0_f32, 1.0, 1.0]], [[1.0_f32], [2.0]]));
    assert!(
        uneven.message().starts_with(place) && uneven.message().contains("1 samples"),
        "{uneven}"
    );
}

#[test]
fn classes_out_of_range_are_found_in_each_batch() {
    let stream = Stream::from_fn(|number| ([[1.0_f32, 2.0]], [number as i32]));
    let mut model = Model::new(Dense::new(2).activation("softmax"));
    model.compile("sgd", "sparse_categorical_crossentropy", ());
    let error = model.fit(stream, Fit::epochs(1).steps_per_epoch(5)).unwrap_err();
    assert!(
        error.message().starts_with("batch 2 of pass 0")
            && error.message().contains("targets[0] is 2"),
        "{error}"
    );
}

#[test]
fn batches_that_are_not_finite_are_left_out_where_that_is_asked_for() {
    let stream = Stream::from_fn(|number| {
        ([[if number == 1 { f32::NAN } else { 1.0 }, 0.0, 0.0]], [[1.0_f32]])
    });
    let mut model = model();
    let options = Fit::epochs(1).steps_per_epoch(4).non_finite(NonFinite::Skip);
    assert_eq!(model.fit(stream, options).unwrap().skipped(), 1);
}

#[test]
fn a_thread_that_panics_while_it_reads_ahead_is_an_error() {
    let stream =
        Stream::from_fn(|number| if number == 3 { panic!("torn") } else { data(4) }).prefetch(1);
    let mut model = model();
    let error = model.fit(stream, Fit::epochs(1).steps_per_epoch(5)).unwrap_err();
    assert!(
        error.message().contains("the thread that reads the data ahead has panicked"),
        "{error}"
    );
}

#[test]
fn no_more_is_read_ahead_than_was_asked_for() {
    let read = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = read.clone();
    let stream = Stream::from_fn(move |number| {
        counter.fetch_add(1, Ordering::SeqCst);
        column([number])
    });
    let mut model = Model::new(Dense::new(1));
    model.compile("sgd", "mse", ());
    model.fit(stream.prefetch(2), Fit::epochs(2).steps_per_epoch(3)).unwrap();
    // Two in the queue, and one that waits to enter it.
    assert!((6..=9).contains(&read.load(Ordering::SeqCst)), "{read:?}");
}

#[test]
fn a_run_goes_on_only_from_what_can_be_gone_to() {
    let folder = Folder::new("once");
    let backup = || BackupAndRestore::new(folder.path("run")).save_freq(1);
    let stop = || {
        LambdaCallback::new().on_batch_end(|batch, _, _| {
            if batch == 2 { Err(Error::new(ErrorKind::Io, "pulled the plug")) } else { Ok(()) }
        })
    };
    let once = || Stream::from_iterator((0..8).map(|_| data(4)));
    let options = || Fit::epochs(2).steps_per_epoch(4).callback(backup());
    model().fit(once(), options().callback(stop())).unwrap_err();
    let again = |stream: Stream<'_>| model().fit(stream, options().callback(LambdaCallback::new()));
    let error = again(once()).unwrap_err();
    assert!(
        error
            .message()
            .starts_with("the saved run cannot be gone on with: the data is an iterator"),
        "{error}"
    );
    assert!(error.advice().unwrap().contains("Stream::from_fn"), "{error}");
    again(Stream::from(&data(16)).map(|batch: Dataset, _: BatchAt| batch)).unwrap();
}
