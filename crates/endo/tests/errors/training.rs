//! Mistakes in training: nothing compiled, nothing to train on, targets of another width, weights
//! of another model.
//!
//! In: models as a user trains them. Errors come out of `fit`, `evaluate`, `load_weights`, with
//! nothing changed.

use std::path::PathBuf;

use endo::prelude::*;

use super::{data, expect, zeros};

fn model() -> Model {
    let mut model =
        Model::new(Sequential::new().add(Dense::new(4).activation("relu")).add(Dense::new(1)));
    model.compile(Sgd::default(), MeanSquaredError, ());
    model
}

/// A file of this test's own, removed when it ends.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        Self(
            std::env::temp_dir()
                .join(format!("endo-errors-{}-{name}.safetensors", std::process::id())),
        )
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // It may never have been written.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn targets_of_another_width() {
    let mut model = model();
    let train = data([8, 3], [8, 2]);
    let line = line!() + 1;
    let result = model.fit(&train, Fit::epochs(1));
    expect(
        result,
        ErrorKind::Shape,
        "",
        Some(("training.rs", line)),
        "`mean_squared_error` of targets [8, 2] and predictions [8, 1]: the shapes differ",
        "the last layer must have as many units as the targets have columns",
    );
}

#[test]
fn a_compiled_loss_squeezes_the_last_axis() {
    assert!(model().fit(&data([8, 3], [8]), Fit::epochs(1)).is_ok());
    assert!(model().fit(&data([8, 3], [8, 1]), Fit::epochs(1)).is_ok());
}

#[test]
fn fit_and_evaluate_before_compile() {
    let mut model = Model::new(Dense::new(1));
    let (message, help) =
        ("the model is not compiled", "call `model.compile(optimizer, loss, metrics)` first");
    expect(
        model.fit(&data([4, 3], [4, 1]), Fit::epochs(1)),
        ErrorKind::Usage,
        "",
        None,
        message,
        help,
    );
    expect(model.evaluate(&data([4, 3], [4, 1])), ErrorKind::Usage, "", None, message, help);
    expect(model.train_on_batch(&data([4, 3], [4, 1])), ErrorKind::Usage, "", None, message, help);
}

#[test]
fn neither_a_loss_nor_a_term() {
    let mut model = Model::new(Dense::new(1));
    model.compile(Sgd::default(), (), ());
    let train = data([4, 3], [4, 1]);
    let line = line!() + 1;
    let result = model.fit(&train, Fit::epochs(1));
    let help = "compile it with a loss, or add one inside the model with `cx.add_loss`";
    let message = "the model has nothing to train on: no loss and no loss term";
    expect(result, ErrorKind::Usage, "", Some(("training.rs", line)), message, help);
}

#[test]
fn a_loss_without_targets() {
    let train = Dataset::inputs_only(zeros([4, 3])).unwrap();
    let mut model = model();
    let line = line!() + 1;
    let result = model.fit(&train, Fit::epochs(1));
    let message = "the loss `mean_squared_error` compares predictions with targets, but the data \
        has no targets";
    expect(
        result,
        ErrorKind::Usage,
        "",
        Some(("training.rs", line)),
        message,
        "give targets with `Dataset::new(x, y)`",
    );
}

#[test]
fn a_batch_size_of_0() {
    let (message, help) = ("the batch size is 0", "use a batch size of at least 1");
    let train = data([4, 3], [4, 1]);
    expect(
        model().fit(&train, Fit::epochs(1).batch_size(0)),
        ErrorKind::Argument,
        "",
        None,
        message,
        help,
    );
    expect(
        model().evaluate_with(&train, Evaluate::new().batch_size(0)),
        ErrorKind::Argument,
        "",
        None,
        message,
        help,
    );
}

#[test]
fn a_model_with_nothing_to_train_is_evaluated_and_stays_as_it_is() {
    let mut model = Model::new(Dense::new(1).trainable(false));
    model.compile(Sgd::default(), MeanSquaredError, ());
    model.build([4, 3]).unwrap();
    let before = model.weights()[0].value();
    let train = Dataset::new(zeros([4, 3]), Array::from([[1.0_f32], [2.0], [3.0], [4.0]])).unwrap();
    let history = model.fit(&train, Fit::epochs(2)).unwrap();
    assert_eq!(history.get("loss"), [7.5, 7.5]);
    assert_eq!(model.weights()[0].value(), before);
}

#[test]
fn no_rows_to_predict() {
    let result = model().predict(&zeros([0, 3]));
    let message = "`predict` takes inputs with samples along the first axis, got shape [0, 3]";
    expect(result, ErrorKind::Shape, "", None, message, "give at least one row");
}

#[test]
fn an_error_in_fit_leaves_the_model_as_it_was() {
    let mut model = model();
    model.fit(&data([8, 3], [8, 1]), Fit::epochs(1)).unwrap();
    let before: Vec<Array> = model.weights().iter().map(Variable::value).collect();
    assert!(model.fit(&data([8, 5], [8, 1]), Fit::epochs(1)).is_err());
    assert!(model.predict(&zeros([2, 7])).is_err());
    assert_eq!(model.weights().iter().map(Variable::value).collect::<Vec<_>>(), before);
    model.fit(&data([8, 3], [8, 1]), Fit::epochs(1)).unwrap();
}

#[test]
fn weights_of_a_file_that_is_missing_or_cut_short() {
    let model = model();
    let file = File::new("short");
    let usage = "call `model.build([batch, features])` first";
    expect(
        model.load_weights(&file.0),
        ErrorKind::Usage,
        "",
        None,
        "the model has no weights yet",
        usage,
    );
    model.build([2, 3]).unwrap();
    let before: Vec<Array> = model.weights().iter().map(Variable::value).collect();

    let error = model.load_weights(&file.0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().starts_with(&format!("cannot read {}: ", file.0.display())), "{error}");

    model.save_weights(&file.0).unwrap();
    let bytes = std::fs::read(&file.0).unwrap();
    for length in [0, 5, 40, bytes.len() - 1] {
        std::fs::write(&file.0, &bytes[..length]).unwrap();
        let error = model.load_weights(&file.0).unwrap_err();
        assert!(
            error.message().starts_with(&format!("not a safetensors file: {}", file.0.display())),
            "{error}"
        );
        assert!(error.advice().is_some());
    }
    assert_eq!(model.weights().iter().map(Variable::value).collect::<Vec<_>>(), before);
    std::fs::write(&file.0, &bytes).unwrap();
    model.load_weights(&file.0).unwrap();
}

#[test]
fn weights_of_another_model() {
    let (model, other, file) = (model(), Model::new(Dense::new(1)), File::new("other"));
    model.build([2, 3]).unwrap();
    other.build([2, 3]).unwrap();
    other.save_weights(&file.0).unwrap();
    let before: Vec<Array> = model.weights().iter().map(Variable::value).collect();
    let missing = format!("{} has no weight `dense/kernel`", file.0.display());
    expect(
        model.load_weights(&file.0),
        ErrorKind::Data,
        "",
        None,
        &missing,
        "it has: bias, kernel",
    );

    let wider = self::model();
    wider.build([2, 5]).unwrap();
    wider.save_weights(&file.0).unwrap();
    let wrong = format!(
        "{}: weight `dense/kernel` is F32[5, 4] there and f32[3, 4] in the model",
        file.0.display()
    );
    expect(
        model.load_weights(&file.0),
        ErrorKind::Shape,
        "",
        None,
        &wrong,
        "a model of the sizes they were saved from",
    );
    assert_eq!(model.weights().iter().map(Variable::value).collect::<Vec<_>>(), before);
}

#[test]
fn a_word_that_an_embedding_has_not() {
    let mut model = Model::new(
        Sequential::new().add(Embedding::new(5, 2)).add(Flatten::new()).add(Dense::new(1)),
    );
    model.compile("sgd", "mse", ());
    let data = Dataset::new([[1], [7]], [[0.0_f32], [1.0]]).unwrap();
    let error = model.fit(&data, Fit::epochs(1)).unwrap_err();
    assert!(
        error
            .message()
            .contains("`gather` was asked for the index 7 of an axis of 5 in row 1 of the data"),
        "{error}"
    );
    assert!(error.advice().unwrap().contains("`input_dim`"), "{error}");
}

#[test]
fn weights_that_were_asked_for_before_they_were_there() {
    let model = Model::new(Dense::new(1));
    let (weights, optimizer) = (model.trainable_weights(), Sgd::new(0.1));
    let mut step = Function::new(|[x], cx| {
        let loss = model.apply(&x, cx).square().mean();
        optimizer.apply(&cx.gradients(&loss, &weights), cx);
        [loss]
    });
    let error = step.run([&[[1.0_f32]].into()]).unwrap_err();
    assert_eq!(
        error.message(),
        "the optimizer was given gradients of no weights: the list of weights was empty"
    );
    assert!(error.advice().unwrap().contains("model.build(shape)?"), "{error}");
    // Those of another model.
    let (model, other) = (Model::new(Dense::new(1)), Model::new(Dense::new(1).name("other")));
    other.build([1, 1]).unwrap();
    let weights = other.trainable_weights();
    let mut step = Function::new(|[x], cx| {
        let loss = model.apply(&x, cx).square().mean();
        optimizer.apply(&cx.gradients(&loss, &weights), cx);
        [loss]
    });
    let error = step.run([&[[1.0_f32]].into()]).unwrap_err();
    assert!(error.message().ends_with("the loss depends on none of `kernel`, `bias`"), "{error}");
}

#[test]
fn a_beginning_of_a_name() {
    let mut model = Model::new(Dense::new(1));
    model.compile("sgd", "mean_square", ());
    let error =
        model.fit(&Dataset::new([[1.0_f32]], [[1.0_f32]]).unwrap(), Fit::epochs(1)).unwrap_err();
    assert!(error.to_string().contains("did you mean `mean_squared_error`?"), "{error}");
}
