//! Mistakes with what is of the user's own, and with targets, predictions and masks that a loss or
//! metric cannot take.
//!
//! In: models that are saved and loaded, data of wrong numbers, values of wrong shapes. Errors name
//! the place and the fix.

use endo::prelude::*;

use super::structs::{File, HuberLoss, MySoftplus};
use super::{MarkedSite, data, expect, place, zeros};

/// The line of this file that ends with `// <- mark`.
fn marked(mark: &str) -> MarkedSite<'static> {
    place("custom.rs", include_str!("custom.rs"), mark)
}

/// The file of a model with both structs.
fn saved(name: &str) -> File {
    let file = File::new(name);
    let mut model = Model::new(Dense::new(1).activation(MySoftplus { beta: 2.0 }));
    model.compile("sgd", HuberLoss { threshold: 2.0 }, ()).build([1, 3]).unwrap();
    model.save(file.path()).unwrap();
    file
}

#[test]
fn a_struct_that_is_missing_when_a_model_is_loaded() {
    let file = saved("missing");
    let path = file.path().display();
    let mut model = Model::new(Dense::new(1).activation(MySoftplus { beta: 2.0 }));
    model.build([1, 3]).unwrap();
    let before = model.weights()[0].value();
    let help = "`compile` it first with what it was saved with, a struct of yours with \
                `Saved::read(path)?.get(\"loss\", \"threshold\")?`; or read the weights alone \
                with `load_weights`";
    let message = format!(
        "{path} was saved with the loss, `huber_loss(threshold=2.0)`, which the model does not have"
    );
    expect(model.load(file.path()), ErrorKind::Usage, "", None, &message, help);

    model.compile("sgd", "mse", ());
    let message = format!(
        "the loss is `huber_loss(threshold=2.0)` in {path}, and `mean_squared_error` in the model"
    );
    expect(model.load(file.path()), ErrorKind::Usage, "", None, &message, help);

    let mut closure = Model::new(Dense::new(1).activation(|z: &Tensor| z.softplus()));
    closure.compile("sgd", HuberLoss { threshold: 2.0 }, ()).build([1, 3]).unwrap();
    let message = format!(
        "`activation` of the layer `dense` is my_softplus(beta=2.0) in {path}, and the model does \
            not say what it is there"
    );
    let help =
        "a closure has no name: give the struct, and let its `hyperparameters` say `activation`";
    expect(closure.load(file.path()), ErrorKind::Usage, "", None, &message, help);

    let mut renamed = Model::new(Dense::new(1).activation(MySoftplus { beta: 2.0 }).name("out"));
    renamed.compile("sgd", HuberLoss { threshold: 2.0 }, ()).build([1, 3]).unwrap();
    let error = renamed.load(file.path()).unwrap_err();
    assert!(
        error.message().contains("was saved with the layer `dense`, `Dense(units=1,"),
        "{error}"
    );
    assert!(error.message().ends_with("which the model does not have"), "{error}");

    assert_eq!(model.weights()[0].value(), before);
    model.compile("sgd", HuberLoss { threshold: 2.0 }, ());
    model.load(file.path()).unwrap();
}

#[test]
fn a_hyperparameter_that_differs_from_the_saved_one() {
    let file = saved("differs");
    let path = file.path().display();
    let model = |threshold: f64, beta: f64| {
        let mut model = Model::new(Dense::new(1).activation(MySoftplus { beta }));
        model.compile("sgd", HuberLoss { threshold }, ()).build([1, 3]).unwrap();
        model
    };
    let message = format!("`threshold` of the loss is 2.0 in {path}, and 1.5 in the model");
    let help = "`Saved::read(path)?.get(\"loss\", \"threshold\")?`";
    expect(model(1.5, 2.0).load(file.path()), ErrorKind::Usage, "", None, &message, help);
    let message = format!(
        "`activation` of the layer `dense` is my_softplus(beta=2.0) in {path}, and \
            my_softplus(beta=0.5) in the model"
    );
    expect(
        model(2.0, 0.5).load(file.path()),
        ErrorKind::Usage,
        "",
        None,
        &message,
        "make the model of the layers it was saved with",
    );
    model(2.0, 2.0).load(file.path()).unwrap();
}

#[test]
fn a_file_of_weights_alone_is_not_a_saved_model() {
    let file = File::new("weights");
    let model = Model::new(Dense::new(1));
    expect(
        model.load(file.path()),
        ErrorKind::Usage,
        "",
        None,
        "the model has no weights yet",
        "call `model.build",
    );
    expect(
        model.save(file.path()),
        ErrorKind::Usage,
        "",
        None,
        "the model has no weights to save yet",
        "call `model.build",
    );
    model.build([1, 3]).unwrap();
    model.save_weights(file.path()).unwrap();
    let message = format!("{} holds weights alone: `save` did not write it", file.path().display());
    expect(model.load(file.path()), ErrorKind::Data, "", None, &message, "`load_weights`");
    expect(Saved::read(file.path()), ErrorKind::Data, "", None, &message, "`load_weights`");
    assert_eq!(Saved::read("no/such/file.safetensors").unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn a_place_or_a_hyperparameter_that_is_not_in_the_file() {
    let file = saved("places");
    let saved = Saved::read(file.path()).unwrap();
    let path = file.path().display();
    let message = format!("{path} says nothing of `lossy`");
    expect(
        saved.get::<f64>("lossy", "threshold"),
        ErrorKind::Argument,
        "",
        None,
        &message,
        "of `loss`, `dense`",
    );
    let message = format!("{path}, `loss`: there is no hyperparameter `treshold`");
    expect(
        saved.get::<f64>("loss", "treshold"),
        ErrorKind::Argument,
        "",
        None,
        &message,
        "did you mean `threshold`?",
    );
    let message = format!(
        "{path}, `loss`: the hyperparameter `threshold` is asked for as `true` or `false`, and is \
            `2.0`"
    );
    expect(
        saved.get::<bool>("loss", "threshold"),
        ErrorKind::Argument,
        "",
        None,
        &message,
        "the type with which it was saved",
    );
}

/// A model of three classes, and what it says of targets.
fn classes<K>(
    loss: impl endo::model::IntoLosses<K>,
    metric: &'static str,
    y: impl Into<Array>,
    activation: &'static str,
) -> Model {
    let y = y.into();
    let mut model = Model::new(Dense::new(3).activation(activation));
    model.compile("sgd", loss, [metric]).build([2, 2]).unwrap();
    let before = model.weights()[0].value();
    let train = Dataset::new(zeros([y.shape().batch(), 2]), y).unwrap();
    let good = Dataset::new(zeros([2, 2]), [0, 2]).unwrap();
    for result in [
        model.fit(&train, Fit::epochs(1)).map(|_| ()),
        model.fit(&good, Fit::epochs(0).validation(&train)).map(|_| ()),
        model.evaluate(&train).map(|_| ()),
        model.train_on_batch(&train).map(|_| ()),
        model.test_on_batch(&train).map(|_| ()),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        assert!(error.message().starts_with("targets[1"), "{error}");
        assert!(error.message().ends_with("it is one of 3 classes, 0 to 2"), "{error}");
        assert!(error.advice().unwrap().contains("as many units as there are classes"), "{error}");
    }
    assert_eq!(model.weights()[0].value(), before);
    model
}

#[test]
fn class_numbers_out_of_range_are_found_by_row_before_a_weight_changes() {
    classes("sparse_categorical_crossentropy", "accuracy", [0, 3, 1, 9], "softmax");
    classes(SparseCategoricalCrossentropy.from_logits(true), "accuracy", [[0], [-1]], "linear");
    classes("categorical_generalized_cross_entropy", "accuracy", [2.0_f32, 0.5], "softmax");
    // Of a metric alone, which would count such rows as wrong.
    classes((), "sparse_categorical_accuracy", [0, 3], "softmax");
    classes((), "sparse_top_k_categorical_accuracy", [0, -2], "softmax");
    classes((), "mean_iou(num_classes=3, sparse_y_pred=false)", [0, 3], "softmax");
    let mut model = classes((), "accuracy", [0, 7], "softmax");
    model.compile("sgd", "sparse_categorical_crossentropy", ());
    let bad = Dataset::new(zeros([4, 2]), [0, 1, 2, 5]).unwrap();
    let message = "targets[3] is 5: row 3, counted from 0; for `sparse_categorical_crossentropy` \
        it is one of 3 classes, 0 to 2";
    expect(model.evaluate(&bad), ErrorKind::Data, "", None, message, "count classes from 0");
}

#[test]
fn classes_of_the_second_output_are_found_too() {
    let (a, b) = (Dense::new(1), Dense::new(2).activation("softmax"));
    let mut model =
        Model::new(move |x: &Tensor, cx: &mut Context| [a.apply(x, cx), b.apply(x, cx)]);
    model.compile("sgd", ("mse", "sparse_categorical_crossentropy"), ());
    let train = Dataset::new(zeros([2, 3]), (zeros([2, 1]), Array::from([1, 2]))).unwrap();
    let message = "targets of output 1[1] is 2: row 1, counted from 0; for \
        `sparse_categorical_crossentropy` it is one of 2 classes, 0 to 1";
    expect(
        model.fit(&train, Fit::epochs(1)),
        ErrorKind::Data,
        "",
        None,
        message,
        "count classes from 0",
    );
}

#[test]
fn labels_that_are_no_probabilities() {
    let mut model = Model::new(Dense::new(1).activation("sigmoid"));
    model.compile("sgd", "binary_crossentropy", ());
    let train = Dataset::new(zeros([3, 2]), [[1.0_f32], [0.0], [-1.0]]).unwrap();
    let message = "targets[2, 0] is -1: row 2, column 0, counted from 0; for \
        `binary_crossentropy` it is a probability, from 0 to 1";
    expect(
        model.fit(&train, Fit::epochs(1)),
        ErrorKind::Data,
        "",
        None,
        message,
        "labels are 0 and 1",
    );
    model.compile("sgd", "hinge", ());
    assert!(model.fit(&train, Fit::epochs(1)).is_ok());
}

#[test]
fn predictions_that_are_no_probabilities_are_clipped_as_in_keras_and_warned_of() {
    let warnings = |layer: Dense, loss: &'static str, y: Array| {
        let mut model = Model::new(layer);
        model.compile("sgd", loss, ());
        let train = Dataset::new(zeros([3, 2]), y).unwrap();
        model.fit(&train, Fit::epochs(2).validation(&train)).unwrap();
        model.warnings()
    };
    let labels = || Array::from([[0.0_f32], [1.0], [1.0]]);
    let message = "`binary_crossentropy` takes probabilities, and clips what is below 0 or above \
        1: its predictions are a matrix \
                   product without an activation. End with `sigmoid`, or say `from_logits(true)`";
    assert_eq!(warnings(Dense::new(1), "binary_crossentropy", labels()), [message]);
    assert_eq!(warnings(Dense::new(1).use_bias(false), "binary_crossentropy", labels()), [message]);
    assert!(warnings(Dense::new(1), "binary_crossentropy(from_logits=true)", labels()).is_empty());
    assert!(
        warnings(Dense::new(1).activation("sigmoid"), "binary_crossentropy", labels()).is_empty()
    );
    let classes = || Array::from([0, 1, 2]);
    assert!(
        warnings(Dense::new(3), "sparse_categorical_crossentropy", classes())[0]
            .contains("End with `softmax`")
    );
    assert!(
        warnings(Dense::new(3).activation("softmax"), "sparse_categorical_crossentropy", classes())
            .is_empty()
    );
    let mut model = Model::new(Dense::new(1));
    model.compile("sgd", "mse", ["auc"]);
    model.evaluate(&Dataset::new(zeros([3, 2]), labels()).unwrap()).unwrap();
    assert!(model.warnings()[0].starts_with("`auc` takes probabilities"), "{:?}", model.warnings());
    let clipped = Array::from([-0.5_f32, 1.5]);
    let mut f = Function::new(|[y, p], _cx| [binary_crossentropy(&y, &p, false)]);
    let [value] = f.run([&[0.0_f32, 1.0].into(), &clipped]).unwrap();
    assert!(value.item().unwrap() < 1e-6);
}

#[test]
fn metrics_of_shapes_that_do_not_fit() {
    let shapes = |metric: &'static str, x: [usize; 2], y: [usize; 2], message: &str, help: &str| {
        let mut model = Model::new(|x: &Tensor, cx: &mut Context| {
            cx.add_loss("mean", x.mean());
            x.clone()
        });
        model.compile("sgd", (), [metric]);
        let result = model.evaluate(&data(x, y)); // <- the metric
        expect(result, ErrorKind::Shape, "", marked("the metric"), message, help);
    };
    let (differ, same) = ("the shapes differ", "targets have the shape of the predictions");
    shapes(
        "mae",
        [4, 3],
        [4, 2],
        &format!("`mean_absolute_error` of targets [4, 2] and predictions [4, 3]: {differ}"),
        "units",
    );
    shapes(
        "precision",
        [4, 3],
        [4, 2],
        &format!("`precision` of targets [4, 2] and predictions [4, 3]: {differ}"),
        same,
    );
    let message = "`sparse_categorical_accuracy` of targets [4, 2] and predictions [4, 3]";
    shapes("sparse_categorical_accuracy", [4, 3], [4, 2], message, "one class number for each row");
}

#[test]
fn masks_and_weights_of_wrong_shapes() {
    let model = Model::new(|x: &Tensor, cx: &mut Context| {
        let wrong = x.sum_axes([0]).not_equal(0.0);
        cx.set_mask(x, &wrong); // <- the mask
        x.clone()
    });
    expect(
        model.build([4, 5]),
        ErrorKind::Shape,
        "lambda",
        marked("the mask"),
        "a mask bool[5] for a tensor of shape [4, 5]",
        "one for each position of the leading axes",
    );
    let masked = |values: &Tensor, mask: &Tensor| {
        Reduction::Mean.apply(values, None, Some(mask)) // <- the masked loss
    };
    let mut f = Function::new(|[values, mask], _cx| [masked(&values, &mask)]);
    expect(
        f.run([&zeros([4]), &Array::from([true, false])]),
        ErrorKind::Shape,
        "",
        marked("the masked loss"),
        "a mask of shape [2] for loss values of shape [4]",
        "one weight per sample",
    );
}

#[test]
fn a_term_from_outside_call_that_is_not_a_scalar_or_has_a_name_twice() {
    let mut model = Model::new(Dense::new(1));
    model.build([1, 3]).unwrap();
    let kernel = model.weight("kernel").unwrap();
    model.compile("sgd", "mse", ());
    model.add_loss("decay", move |cx| cx.read(&kernel).square()); // <- the vector
    expect(
        model.fit(&data([4, 3], [4, 1]), Fit::epochs(1)),
        ErrorKind::Shape,
        "",
        marked("the vector"),
        "the loss term `decay` must be a scalar, got shape [3, 1]",
        "reduce it with `.mean()` or `.sum()`",
    );
    let mut model = Model::new(Dense::new(1));
    model.add_loss("one", |cx| cx.constant(1.0_f32));
    model.compile("sgd", "mse", ()).add_loss("one", |cx| cx.constant(1.0_f32)); // <- the second
    let message = "two loss terms of one call are called `one`";
    expect(
        model.evaluate(&data([4, 3], [4, 1])),
        ErrorKind::Argument,
        "",
        marked("the second"),
        message,
        "a name of its own",
    );
}

#[test]
fn a_counter_of_random_numbers_of_another_type() {
    let mut f = Function::new(|[x], _cx| {
        [endo::ops::RandomState::new(x.clone(), 0).uniform([2], 0.0, 1.0)] // <- the counter
    });
    let message = "random numbers follow a counter i32[2] of seed and step, got f32[2]";
    expect(
        f.run([&zeros([2])]),
        ErrorKind::Shape,
        "",
        marked("the counter"),
        message,
        "`cx.random()`",
    );
}

#[test]
fn a_metric_that_does_not_name_what_it_adds_to_is_warned_of() {
    struct Forgetful(Variable);
    impl Metric for Forgetful {
        fn name(&self) -> &str {
            "forgetful"
        }
        fn update(&self, _: &Tensor, y_pred: &Tensor, _: Option<&Tensor>, cx: &mut Context) {
            cx.assign_add(&self.0, y_pred.sum());
        }
        fn result(&self, cx: &mut Context) -> Tensor {
            cx.read(&self.0)
        }
    }
    let mut model = Model::new(Dense::new(1));
    model.compile("sgd", "mse", [Forgetful(Variable::new("total", 0.0_f32).frozen())]);
    model.evaluate(&data([4, 3], [4, 1])).unwrap();
    let message = "the metric `forgetful` adds to `total`, which is not among its `variables`: it \
        is never reset";
    assert_eq!(model.warnings(), [message]);
}
