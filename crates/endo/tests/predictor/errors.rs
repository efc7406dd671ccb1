//! What cannot be exported or predicted, and what is said of it.

use endo::graph::Tree;
use endo::prelude::*;

use super::support::{Exported, floats};

fn predictor<I: Tree, O: Tree>(model: &Model<I, O>, inputs: &[Array]) -> Predictor {
    model.build_on(inputs).unwrap();
    Exported::of(model).load().unwrap()
}

#[test]
fn rows_that_do_not_fit_are_refused_with_what_was_expected() {
    let predictor = predictor(&Model::new(Dense::new(1)), &[floats([1, 8], 1)]);
    let refused = |x: Array| predictor.predict(&x).unwrap_err();
    let error = refused(floats([5, 9], 1));
    assert_eq!(
        (error.message(), error.kind()),
        ("input 0: expected [batch, 8], got [5, 9]", ErrorKind::Shape)
    );
    assert!(error.site().unwrap().file().ends_with("errors.rs"), "{error}");
    assert!(error.advice().unwrap().contains("`export` it anew"), "{error}");
    assert_eq!(refused(floats([8], 1)).message(), "input 0: expected [batch, 8], got [8]");
    assert_eq!(refused(floats((), 1)).message(), "input 0: expected [batch, 8], got []");
    let error = refused(Array::zeros([5, 8], DType::F64));
    assert_eq!(
        (error.message(), error.kind()),
        ("input 0: expected numbers of type f32, got f64", ErrorKind::DType)
    );
    let error = refused(floats([0, 8], 1));
    assert_eq!(
        error.message(),
        "`predict` takes inputs with samples along the first axis, got shape [0, 8]"
    );
}

#[test]
fn inputs_and_outputs_are_counted() {
    let model = Model::new(|[a, b]: &[Tensor; 2], _: &mut Context| (a + b, a * b));
    let [a, b] = [1, 2].map(|seed| floats([4, 2], seed));
    let predictor = predictor(&model, &[a.clone(), b.clone()]);
    let error = predictor.predict_all(std::slice::from_ref(&a)).unwrap_err();
    assert_eq!(error.message(), "the model has 2 inputs, got 1 arrays");
    assert!(error.advice().unwrap().contains("input f32[_, 2]"), "{error}");
    let error = predictor.predict_all(&[a.clone(), b.rows(0..3)]).unwrap_err();
    assert_eq!(error.message(), "the inputs have 4 samples, but one of them has shape [3, 2]");

    let model = Model::new(|x: &Tensor, _: &mut Context| (x + 1.0, x + 2.0));
    model.build([1, 2]).unwrap();
    let error = Exported::of(&model).load().unwrap().predict(&a).unwrap_err();
    assert_eq!(error.message(), "the model has 2 outputs, and `predict` returns one");
    assert!(error.advice().unwrap().contains("predict_all"), "{error}");
}

fn refused(model: &Model) -> Error {
    model.build([4, 2]).unwrap();
    let file = Exported::new();
    let error = model.export(&file).unwrap_err();
    assert!(!std::fs::exists(&file).unwrap());
    error
}

#[test]
fn numbers_that_depend_on_the_number_of_rows_are_refused_by_layer_and_line() {
    let centred = |x: &Tensor, _: &mut Context| x - x.mean_axes([0]);
    let line = line!() - 1;
    let error = refused(&Model::new(Sequential::new().add(Dense::new(3)).add(centred)));
    assert_eq!(
        error.message(),
        "what the model computes depends on the number of rows: the numbers f32[] [2] for 2 rows, \
            and the numbers f32[] [3] for 3 rows"
    );
    assert_eq!(
        (error.layer(), error.site().unwrap().line()),
        (Some("sequential/lambda"), line),
        "{error}"
    );
    assert!(error.site().unwrap().file().ends_with("errors.rs"), "{error}");
    let error = refused(&Model::new(|x: &Tensor, cx: &mut Context| {
        x + cx.constant(Array::from_fn([x.batch(), 1], |i| i as f32))
    }));
    assert!(error.message().contains("the numbers f32[2, 1] [0, 1] for 2 rows"), "{error}");
}

#[test]
fn operations_that_depend_on_the_number_of_rows_are_refused() {
    let error = refused(&Model::new(
        |x: &Tensor, _: &mut Context| if x.batch() > 100 { x.exp() } else { x.sin() },
    ));
    assert!(
        error
            .message()
            .ends_with("`sin` of f32[2, 2] for 2 rows, and `exp` of f32[256, 2] for 256 rows"),
        "{error}"
    );
    let error = refused(&Model::new(
        |x: &Tensor, _: &mut Context| if x.batch() > 100 { x.exp().sin() } else { x.exp() },
    ));
    assert!(error.message().contains("depends on the number of rows"), "{error}");
    // Sizes that are no `a + b n`.
    let error = refused(&Model::new(|x: &Tensor, _: &mut Context| {
        let n = x.batch();
        x + x.matmul(&x.transpose()).reshape([n * n]).sum()
    }));
    assert!(
        error
            .message()
            .contains("`reshape` of f32[4] for 2 rows, and `reshape` of f32[65536] for 256 rows"),
        "{error}"
    );
    let error = refused(&Model::new(|x: &Tensor, _: &mut Context| {
        x * x.slice(0, ..x.batch().min(100)).sum()
    }));
    assert!(error.message().contains("`slice`"), "{error}");
}

#[test]
fn outputs_without_a_row_for_each_are_refused() {
    let error = refused(&Model::new(|x: &Tensor, _: &mut Context| x.sum_axes([0])));
    assert_eq!(error.message(), "the output `lambda` has shape [2] for n rows");
    let error = refused(&Model::new(|x: &Tensor, _: &mut Context| x.matmul(&x.transpose())));
    assert_eq!(error.message(), "the output `lambda` has shape [n, n] for n rows");
}

#[test]
fn models_that_have_seen_no_input_are_refused() {
    let file = Exported::new();
    let error = Model::<Tensor, Tensor>::new(Dense::new(1)).export(&file).unwrap_err();
    assert_eq!(
        error.message(),
        "the model has seen no input yet, so there is no shape to export it for"
    );
    assert!(error.advice().unwrap().contains("model.build"), "{error}");
    let model = Model::<Tensor, Tensor>::new(|x: &Tensor, _: &mut Context| x + 1.0);
    model.build(()).unwrap();
    assert!(model.export(&file).unwrap_err().message().contains("an input without axes"));
}

#[test]
fn a_name_of_two_lines_is_no_error() {
    let model = Model::new(Dense::new(1).name("two\nlines"));
    model.build([2, 3]).unwrap();
    let predictor = Exported::of(&model).load().unwrap();
    assert_eq!(predictor.output_names(), ["two\nlines"]);
    assert_eq!(predictor.variables()[0].name(), "kernel");
}

#[test]
fn predictors_are_send_and_sync() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Predictor>();
}
