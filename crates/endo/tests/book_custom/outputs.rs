//! Losses, their weights and metrics of several outputs by name.
//!
//! In: a model of two outputs. Out: what the values of the same names give.

use endo::prelude::*;

use super::{assert_near, made_up_data};

fn model() -> Model<Tensor, [Tensor; 2]> {
    let (price, rent) = (Dense::new(1).name("price"), Dense::new(1).name("rent"));
    Model::new(move |x: &Tensor, cx: &mut Context| [price.apply(x, cx), rent.apply(x, cx)])
}

fn data() -> Dataset {
    let data = made_up_data(64);
    let (x, y) = (data.inputs().clone(), data.targets().unwrap().clone());
    let other = Array::from_fn([64, 1], |row| 2.0 * y.get(row) as f32);
    Dataset::new(x, (y, other)).unwrap()
}

#[test]
fn names_give_what_values_give() {
    let [mut by_name, mut by_value, mut by_list] = [model(), model(), model()];
    by_name.compile("nadam", ("mse", "mae"), (["mae"], ("mae", "mse"))).loss_weights([0.75, 0.25]);
    let metrics = ([MeanAbsoluteError], (MeanAbsoluteError, MeanSquaredError));
    by_value
        .compile(Nadam::default(), (MeanSquaredError, MeanAbsoluteError), metrics)
        .loss_weights([0.75, 0.25]);
    by_list
        .compile("nadam", vec!["mse", "mae"], [vec!["mae"], vec!["mae", "mse"]])
        .loss_weights([0.75, 0.25]);
    let losses = [&mut by_name, &mut by_value, &mut by_list]
        .map(|model| model.fit(&data(), Fit::epochs(2)).unwrap());
    assert_eq!(losses[0].get("loss"), losses[1].get("loss"));
    assert_eq!(losses[0].epochs[1].logs, losses[2].epochs[1].logs);
    let last = |name: &str| {
        losses[0]
            .last(name)
            .unwrap_or_else(|| panic!("no {name} in {:?}", losses[0].epochs[1].logs))
    };
    assert_near(
        [last("price"), last("rent")],
        [0.75 * last("price_loss"), 0.25 * last("rent_mae")],
    );
    assert_near([last("loss")], [last("price") + last("rent")]);
    assert!(losses[0].last("price_mae").is_some() && losses[0].last("rent_mse").is_some());
    assert!(losses[0].last("price_mse").is_none());
}

#[test]
fn names_and_values_of_ones_own_stand_side_by_side() {
    let mut model = model();
    let cubed =
        |y_true: &Tensor, y_pred: &Tensor| (y_true - y_pred).abs().powf(3.0).mean_axes([-1]);
    model
        .compile("sgd", ("huber(delta=0.5)", cubed), ([cubed], ()))
        .weighted_metrics(((), ["mse"]));
    let logs = model.evaluate(&data()).unwrap();
    assert!(logs.get("price_loss").is_some() && logs.get("rent_mse").is_some(), "{logs}");
}

#[test]
fn a_wrong_name_among_several_is_an_error_that_names_the_nearest() {
    let mut model = model();
    model.compile("sgd", ("mse", "hubert"), ());
    let error = model.evaluate(&data()).unwrap_err();
    assert_eq!(error.message(), "there is no loss called `hubert`");
    assert!(error.advice().unwrap().contains("did you mean `huber`?"), "{error}");
}

#[test]
fn more_losses_than_outputs_are_refused() {
    let mut model = model();
    model.compile("sgd", ["mse", "mae", "huber"], ());
    assert_eq!(model.evaluate(&data()).unwrap_err().message(), "3 losses for 2 outputs");
}
