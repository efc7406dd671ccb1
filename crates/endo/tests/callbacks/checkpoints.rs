//! What `ModelCheckpoint` saves: the best epochs, every epoch as a whole, weights alone, and after
//! a number of batches.

use endo::prelude::*;

use super::{Folder, data, reconstructing, scripted};

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
