//! Epochs that are no passes, validations of some epochs, and trainings that begin later, as Keras
//! counts them.

use endo::data::BatchAt;
use endo::prelude::*;

use super::folder::Folder;
use super::{column, data, model, seen};

#[test]
fn an_epoch_goes_on_where_the_one_before_has_stopped() {
    let options =
        |epochs: usize| Fit::epochs(epochs).batch_size(2).shuffle(false).steps_per_epoch(2);
    // 8 numbers are 4 batches: two epochs are a pass.
    let (numbers, _, warnings) = seen((&column(0..8)).into(), options(3));
    assert_eq!(numbers, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 0.0, 1.0, 2.0, 3.0]);
    assert!(warnings.is_empty());
    // 6 numbers are 3 batches: the second epoch is short, and the third begins anew.
    let want = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 1.0, 2.0, 3.0];
    let (numbers, history, warnings) = seen((&column(0..6)).into(), options(3));
    assert_eq!((numbers.as_slice(), history.epochs.len()), (&want[..], 3));
    let warning =
        "the data has ended in epoch 2 after 1 of the 2 batches that `steps_per_epoch` asks for";
    assert_eq!(warnings, [warning]);
    let by_epoch = Stream::by_epoch(|_| {
        [column(0..2), column(2..4), column(4..6)].into_iter().filter(|_| true)
    });
    assert_eq!(seen(by_epoch, options(3)).0, want);
}

#[test]
fn each_pass_has_an_order_of_its_own_however_long_epochs_are() {
    let pairs = || Fit::epochs(6).batch_size(2).steps_per_epoch(2);
    let (numbers, ..) = seen((&column(0..8)).into(), pairs());
    let (wholes, ..) = seen((&column(0..8)).into(), Fit::epochs(3).batch_size(2));
    assert_eq!(numbers, wholes);
    let mut first = numbers[..8].to_vec();
    first.sort_by(f32::total_cmp);
    assert_eq!(first, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
}

#[test]
fn an_iterator_that_ends_ends_the_training() {
    let batches = || (0..5).map(|number| column([number]));
    let (numbers, history, warnings) =
        seen(Stream::from_iterator(batches()), Fit::epochs(4).steps_per_epoch(2));
    assert_eq!((numbers.len(), history.epochs.len()), (5, 3));
    assert_eq!(warnings.len(), 1);
    // With an epoch that is full when it ends, too.
    let (numbers, history, warnings) =
        seen(Stream::from_iterator(batches().take(4)), Fit::epochs(4).steps_per_epoch(2));
    assert_eq!((numbers.len(), history.epochs.len()), (4, 2));
    let warning =
        "the data has ended in epoch 3 after 0 of the 2 batches that `steps_per_epoch` asks for";
    assert_eq!(warnings, [warning]);
    let (numbers, history, warnings) = seen(Stream::from_iterator(batches()), Fit::epochs(1));
    assert_eq!((numbers.len(), history.epochs.len(), warnings.len()), (5, 1, 0));
}

#[test]
fn a_validation_has_as_many_batches_as_are_asked_for_from_the_first_on() {
    let mut model = Model::new(Dense::new(1).use_bias(false).kernel_initializer("ones"));
    model.compile(Sgd::new(0.0), "mse", ());
    let train = column(0..2);
    // The prediction is the number, and the target 0.
    let squares = || Stream::from_fn(|number| ([[number as f32]], [[0.0_f32]]));
    let history =
        model.fit(&train, Fit::epochs(2).validation(squares()).validation_steps(3)).unwrap();
    assert_eq!(history.get("val_loss"), [5.0 / 3.0; 2]);
    let once = Stream::from_iterator((0..4).map(|number| ([[number as f32]], [[0.0_f32]])));
    let history = model.fit(&train, Fit::epochs(2).validation(once).validation_steps(2)).unwrap();
    assert_eq!(history.get("val_loss"), [0.5, 6.5]); // what cannot begin anew goes on
    assert_eq!(
        model.evaluate_with(squares(), Evaluate::new().steps(2)).unwrap().get("loss"),
        Some(0.5)
    );
    assert!(model.warnings().is_empty());
    let three = Dataset::new([[0.0_f32], [1.0], [2.0]], [[0.0_f32]; 3]).unwrap();
    let options = Fit::epochs(1).validation(&three).validation_batch_size(2).validation_steps(4);
    assert_eq!(model.fit(&train, options).unwrap().last("val_loss"), Some(5.0 / 3.0));
    assert_eq!(model.warnings(), ["the data to evaluate on has 2 batches, and 4 were asked for"]);
}

#[test]
fn epochs_without_validation_have_no_numbers_of_it_and_nothing_waits_for_them() {
    let folder = Folder::new("freq");
    let (train, valid) = (data(40), data(20));
    let mut model = model();
    let stopping = EarlyStopping::on("val_loss").patience(2).restore_best_weights(true);
    let options = Fit::epochs(7)
        .validation(&valid)
        .validation_freq(3)
        .callback(stopping)
        .callback(ReduceLrOnPlateau::on("val_mae").patience(2).factor(0.5))
        .callback(
            ModelCheckpoint::new(folder.path("best").display().to_string())
                .monitor("val_loss")
                .save_best_only(true),
        )
        .callback(CsvLogger::new(folder.path("log.csv")));
    let history = model.fit(&train, options).unwrap();
    let validated: Vec<bool> =
        history.epochs.iter().map(|epoch| epoch.validation.is_some()).collect();
    assert_eq!(validated, [false, false, true, false, false, true, false]);
    // Of two validations at most one is no better than what was before, and the epochs between do
    // not count.
    assert_eq!(history.get("val_loss").len(), 2);
    assert!(history.get("learning_rate").iter().all(|&rate| rate == 0.02), "{history:?}");
    let table = std::fs::read_to_string(folder.path("log.csv")).unwrap();
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!((rows.len(), rows[0].contains("val_loss")), (8, true), "{table}");
    // A number that a callback reports under such a name is there in each epoch.
    let scores = LambdaCallback::new().on_epoch_end(|epoch, _, training| {
        training.report("val_score", epoch as f64);
        Ok(())
    });
    let stop = EarlyStopping::on("val_score").maximize(false).patience(2);
    let options =
        Fit::epochs(9).validation(&valid).validation_freq(3).callback(scores).callback(stop);
    assert_eq!(super::model().fit(&train, options).unwrap().epochs.len(), 3);
    // What is misspelt is found all the same.
    let error = model
        .fit(&train, Fit::epochs(1).validation(&valid).callback(EarlyStopping::on("val_los")))
        .unwrap_err();
    assert!(error.message().contains("`val_los`, which is not reported"), "{error}");
}

#[test]
fn a_later_first_epoch_counts_on() {
    let train = data(40);
    let mut epochs = Vec::new();
    let mut first = Vec::new();
    let mut later = model();
    later.fit(&train, Fit::epochs(2).batch_size(8)).unwrap();
    let watch = LambdaCallback::new()
        .on_epoch_begin(|epoch, training| {
            epochs.push((epoch, training.epoch(), training.epochs()));
            Ok(())
        })
        .on_batch_end(|batch, _, training| {
            first.extend((batch == 0).then(|| training.step()));
            Ok(())
        });
    let options = Fit::epochs(4).initial_epoch(2).batch_size(8).callback(watch).record_steps(1);
    let history = later.fit(&train, options).unwrap();
    assert_eq!((epochs, first), (vec![(2, 2, 4), (3, 3, 4)], vec![10, 15]));
    assert_eq!((history.epochs.len(), history.steps[0].step, history.steps[0].epoch), (2, 10, 2));
    let mut whole = model();
    whole.fit(&train, Fit::epochs(4).batch_size(8)).unwrap();
    let weights =
        |model: &Model| model.weights().iter().map(|weight| weight.value()).collect::<Vec<_>>();
    assert!(weights(&whole) == weights(&later));
    assert!(whole.fit(&train, Fit::epochs(3).initial_epoch(3)).unwrap().epochs.is_empty());
}

#[test]
fn class_weights_are_those_of_each_batch() {
    let (x, y) = (Array::from_fn([6, 2], |i| (i as f32).sin()), Array::from([0, 1, 0, 0, 2, 0]));
    let train = Dataset::new(x, y).unwrap();
    let fitted = |stream: Stream<'_>| {
        let mut model = Model::new(Dense::new(3).activation("softmax")).seed(1);
        model.compile("adam", "sparse_categorical_crossentropy", ());
        let options = Fit::epochs(2).batch_size(2).class_weight([(1, 3.0), (2, 5.0)]);
        model.fit(stream, options).unwrap().get("loss")
    };
    assert_eq!(
        fitted(Stream::from(&train).map(|batch: Dataset, _: BatchAt| batch)),
        fitted((&train).into())
    );
}
