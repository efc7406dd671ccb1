//! Outputs by name and position: losses, factors, metrics, targets, and the weights of samples and
//! classes.

use endo::prelude::*;

use super::assert_near;

/// A model of two outputs that give the input, and the input plus one.
fn model() -> Model<Tensor, (Tensor, Tensor)> {
    let (size, price) =
        (Activation::new("linear").name("size"), Activation::new("linear").name("price"));
    Model::new(move |x: &Tensor, cx: &mut Context| (size.apply(x, cx), price.apply(&(x + 1.0), cx)))
}

fn column(values: [f32; 2]) -> Array {
    values.map(|value| [value]).into()
}

fn x() -> Array {
    column([1.0, 3.0])
}

#[test]
fn losses_go_to_outputs_by_position_or_name_and_an_output_may_have_none() {
    let both = Dataset::new(x(), (column([0.0, 0.0]), column([0.0, 0.0]))).unwrap();
    let price = Dataset::new(x(), column([0.0, 0.0])).unwrap();
    let (of_size, of_price) = ((1.0 + 9.0) / 2.0, (4.0 + 16.0) / 2.0);
    let mut by_position = model();
    by_position.compile("sgd", ((), "mse"), ());
    let mut by_name = model();
    by_name.compile("sgd", [("price", "mse")], ());
    for model in [&by_position, &by_name] {
        for data in [&both, &price] {
            let logs = model.evaluate(data).unwrap();
            assert_eq!(
                (logs.get("loss"), logs.get("size_loss"), logs.get("price_loss")),
                (Some(of_price), None, Some(of_price))
            );
        }
    }
    let mut turned = model();
    turned.compile("sgd", [("price", "mse"), ("size", "mae")], ()).loss_weights([("price", 0.5)]);
    assert_eq!(turned.evaluate(&both).unwrap().get("loss"), Some(2.0 + 0.5 * of_price));
    let mut several = model();
    several.compile("sgd", (["mse", "mae"], ()), ());
    let logs = several.evaluate(&both).unwrap();
    let terms = ["size_mean_squared_error", "size_mean_absolute_error"].map(|name| logs.get(name));
    assert_eq!((logs.get("loss"), terms), (Some(of_size + 2.0), [Some(of_size), Some(2.0)]));
}

#[test]
fn targets_and_sample_weights_go_to_outputs_by_name() {
    let mut model = model();
    model.compile("sgd", [("size", "mse"), ("price", "mse")], ()).output_metrics("price", ["mae"]);
    let named =
        Dataset::new(x(), [("price", column([2.0, 4.0])), ("size", column([0.0, 0.0]))]).unwrap();
    let logs = model.evaluate(&named).unwrap();
    assert_eq!(
        (logs.get("size_loss"), logs.get("price_loss"), logs.get("price_mae")),
        (Some(5.0), Some(0.0), Some(0.0))
    );
    let weighted = named.with_sample_weight([("size", Array::from([1.0_f32, 0.0]))]).unwrap();
    let logs = model.evaluate(&weighted).unwrap();
    assert_eq!((logs.get("size_loss"), logs.get("price_loss")), (Some(0.5), Some(0.0)));

    let misspelt = Dataset::new(x(), [("prize", column([2.0, 4.0]))]).unwrap();
    let error = model.evaluate(&misspelt).unwrap_err();
    assert!(
        error.message().contains("`prize`") && error.advice().unwrap().contains("`price`"),
        "{error}"
    );
    let missing = Dataset::new(x(), [("price", column([2.0, 4.0]))]).unwrap();
    assert!(model.evaluate(&missing).unwrap_err().message().contains("no targets for it"));
    let twice = Dataset::new(x(), [("price", x()), ("price", x())]);
    assert!(
        twice.unwrap_err().message().contains("two arrays of targets are for the output `price`")
    );
}

#[test]
fn what_is_given_for_an_output_that_does_not_exist_is_an_error() {
    let data = Dataset::new(x(), (x(), x())).unwrap();
    let mut model = model();
    model.compile("sgd", [("sise", "mse"), ("price", "mse")], ());
    let error = model.evaluate(&data).unwrap_err();
    assert_eq!(error.advice(), Some("did you mean `size`?"), "{error}");
    model.compile("sgd", ("mse", ("price", "mse")), ());
    assert!(model.evaluate(&data).unwrap_err().message().contains("some by position"));
    model.compile("sgd", "mse", ()).loss_weights([("prize", 2.0)]);
    assert_eq!(model.evaluate(&data).unwrap_err().advice(), Some("did you mean `price`?"));
    model.compile("sgd", "mse", ()).output_metrics("nothing", ["mae"]);
    assert!(model.evaluate(&data).unwrap_err().message().contains("`nothing`"));
}

/// A class and a price, as a classifier and a regression of the same input that begin with zeros.
fn class_and_price() -> (Model<Tensor, (Tensor, Tensor)>, Dataset) {
    let (class, price) = (
        Dense::new(2).kernel_initializer("zeros").name("class"),
        Dense::new(1).kernel_initializer("zeros").name("price"),
    );
    let mut model =
        Model::new(move |x: &Tensor, cx: &mut Context| (class.apply(x, cx), price.apply(x, cx)));
    model.compile(
        Sgd::new(0.0),
        (SparseCategoricalCrossentropy::new().from_logits(true), MeanSquaredError),
        (),
    );
    let data =
        Dataset::new([[1.0_f32], [1.0]], (Array::from([0, 1]), Array::from([[1.0_f32], [3.0]])));
    (model, data.unwrap())
}

#[test]
fn class_weights_are_of_one_output() {
    let (mut model, data) = class_and_price();
    let error = model.fit(&data, Fit::epochs(1).class_weight([(1, 10.0)])).unwrap_err();
    assert!(
        error.message().contains("`class`, `price`")
            || error.message().contains("`class` and `price`"),
        "{error}"
    );
    assert!(data.clone().with_class_weight([(1, 10.0)]).is_err());
    let history =
        model.fit(&data, Fit::epochs(1).output_class_weight("class", [(1, 10.0)])).unwrap();
    assert_near(history.last("price_loss"), 5.0); // (1 + 9) / 2
    assert_near(history.last("class_loss"), 2.0_f64.ln() * (1.0 + 10.0) / 2.0);
}

#[test]
fn a_class_that_only_the_validation_part_has_may_have_a_weight() {
    let mut model = Model::new(Dense::new(3).activation("softmax"));
    model.compile("sgd", "sparse_categorical_crossentropy", ());
    let data = Dataset::new([[1.0_f32], [2.0], [3.0], [4.0]], [0, 1, 0, 2]).unwrap();
    let history =
        model.fit(&data, Fit::epochs(1).validation_split(0.25).class_weight([(2, 5.0)])).unwrap();
    let unweighted = model.evaluate(&data.rows(3..4).unwrap()).unwrap();
    assert_eq!(history.last("val_loss"), unweighted.get("loss"));
}

struct Ticket<T = Tensor> {
    priority: T,
    parts: [T; 2],
}
tree!(Ticket { priority, parts });

#[test]
fn the_fields_of_a_struct_name_the_outputs() {
    let (first, second) = (Dense::new(1).name("parts_1"), Dense::new(1).name("priority"));
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| Ticket {
        priority: first.apply(x, cx).sigmoid(),
        parts: [second.apply(x, cx), x.clone()],
    });
    model.compile("sgd", [("priority", "binary_crossentropy"), ("parts_1", "mse")], ());
    let targets = Ticket {
        priority: [[1.0_f32], [0.0]].into(),
        parts: [[[0.0_f32], [0.0]].into(), [[1.0_f32], [1.0]].into()],
    };
    let data = Dataset::new([[1.0_f32], [3.0]], targets).unwrap();
    let logs = model.evaluate(&data).unwrap();
    assert_eq!(model.output_names(), ["priority", "parts_0", "parts_1"]);
    assert_eq!(logs.get("parts_1_loss"), Some(2.0), "{logs}");
    assert!(logs.get("priority_loss").is_some(), "{logs}");
}
