//! Custom losses: as a function, as a function that makes one, and as a struct with a threshold.
//!
//! In: errors of 0.5, 2 and -3. Out: Huber losses by hand, in `evaluate` and `fit`.

use endo::prelude::*;

use super::{assert_near, made_up_data};

/// The chapter's `huber_fn`.
fn huber_fn(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let error = y_true - y_pred;
    let squared = error.square() / 2.0;
    let linear = error.abs() - 0.5;
    error.abs().less(1.0).where_(squared, linear)
}

/// The chapter's `create_huber`.
fn create_huber(threshold: f64) -> impl Loss {
    move |y_true: &Tensor, y_pred: &Tensor| HuberLoss { threshold }.call(y_true, y_pred)
}

/// The chapter's `HuberLoss`.
struct HuberLoss {
    threshold: f64,
}

impl Loss for HuberLoss {
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        let error = y_true - y_pred;
        let squared = error.square() / 2.0;
        let linear = self.threshold * error.abs() - self.threshold * self.threshold / 2.0;
        error.abs().less(self.threshold).where_(squared, linear)
    }

    fn name(&self) -> &str {
        "huber_loss"
    }
}

/// Predictions equal to the inputs, which are off by 0.5, 2 and -3.
fn off_by() -> Dataset {
    Dataset::new([[0.5_f32], [2.0], [-3.0]], [[0.0_f32], [0.0], [0.0]]).unwrap()
}

fn evaluated(loss: impl Loss + 'static, data: &Dataset) -> f64 {
    let mut model = Model::new(Sequential::new());
    model.compile(Nadam::default(), loss, ());
    model.evaluate(data).unwrap().get("loss").unwrap()
}

#[test]
fn a_function_is_a_loss() {
    assert_near([evaluated(huber_fn, &off_by())], [(0.125 + 1.5 + 2.5) / 3.0]);
}

#[test]
fn a_function_or_a_struct_with_a_threshold_is_a_loss() {
    let expected = (0.125 + 2.0 + 4.0) / 3.0;
    assert_near([evaluated(create_huber(2.0), &off_by())], [expected]);
    assert_near([evaluated(HuberLoss { threshold: 2.0 }, &off_by())], [expected]);
    assert_near([evaluated(Huber.delta(2.0), &off_by())], [expected]);
    let sum = HuberLoss { threshold: 2.0 }.with_reduction(Reduction::Sum);
    assert_near([evaluated(sum, &off_by())], [6.125]);
}

#[test]
fn sample_weights_apply_to_a_loss_of_ones_own() {
    let weighted = off_by().with_sample_weight([1.0_f32, 1.0, 2.0]).unwrap();
    assert_near([evaluated(huber_fn, &weighted)], [(0.125 + 1.5 + 2.0 * 2.5) / 3.0]);
}

#[test]
fn training_with_the_functions_loss_is_training_with_the_librarys() {
    fn trained(loss: impl Loss + 'static) -> Vec<f64> {
        let mut model =
            Model::new(Sequential::new().add(Dense::new(30).activation("selu")).add(Dense::new(1)));
        model.compile(Nadam::default(), loss, ["mae"]);
        model.fit(&made_up_data(96), Fit::epochs(3)).unwrap().get("loss")
    }
    let [got, expected] = [trained(huber_fn), trained(Huber)];
    for (got, expected) in got.into_iter().zip(expected) {
        assert_near([got], [expected]);
    }
}

#[test]
fn a_loss_of_ones_own_is_reported_by_its_name() {
    let mut model = Model::new(Sequential::new());
    model.compile(Nadam::default(), (HuberLoss { threshold: 1.0 }, MeanSquaredError), ());
    let logs = model.evaluate(&off_by()).unwrap();
    assert!(logs.get("huber_loss").is_some(), "{logs:?}");
}
