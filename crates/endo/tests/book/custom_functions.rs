//! Custom activations, initializers, regularizers and constraints: each as a function and as a
//! struct with hyperparameters.
//!
//! In: a dense layer of one unit. Out: its values, penalty and step by hand.

use endo::prelude::*;
use endo::random::Random;

use super::assert_near;

fn my_softplus(z: &Tensor) -> Tensor {
    (z.exp() + 1.0).log()
}

fn my_glorot_initializer(shape: &Shape, random: &mut Random) -> Array {
    let stddev = (2.0 / (shape[0] + shape[1]) as f32).sqrt();
    Array::from_fn(shape, |_| stddev * random.normal())
}

fn my_l1_regularizer(weights: &Tensor) -> Tensor {
    (0.01 * weights).abs().sum()
}

fn my_positive_weights(weights: &Tensor) -> Tensor {
    weights.less(0.0).where_(weights.zeros_like(), weights)
}

struct MySoftplus {
    beta: f64,
}

impl ActivationFunction for MySoftplus {
    fn call(&self, z: &Tensor) -> Tensor {
        my_softplus(&(z * self.beta)) / self.beta
    }
}

struct MyNormal {
    stddev: f32,
}

impl Initializer for MyNormal {
    fn initialize(&self, shape: &Shape, random: &mut Random) -> Result<Array> {
        Ok(Array::from_fn(shape, |_| self.stddev * random.normal()))
    }
}

/// The chapter's `MyL1Regularizer`.
struct MyL1Regularizer {
    factor: f64,
}

impl Regularizer for MyL1Regularizer {
    fn penalty(&self, weights: &Tensor) -> Tensor {
        (self.factor * weights).abs().sum()
    }
}

struct AtLeast {
    minimum: f64,
}

impl Constraint for AtLeast {
    fn project(&self, weights: &Tensor) -> Tensor {
        weights.maximum(self.minimum)
    }
}

/// The outputs of a layer for one row.
fn outputs(layer: &Dense, row: [f32; 2]) -> Vec<f64> {
    Function::new(|[x], cx| [layer.apply(&x, cx)]).run([&[row].into()]).unwrap()[0].to_vec()
}

/// A unit without bias whose weights are 0.5 and -0.2.
fn unit() -> Dense {
    Dense::new(1).use_bias(false).kernel_initializer(Array::from([[0.5_f32], [-0.2]]))
}

#[test]
fn an_activation_is_a_function_or_a_struct() {
    let expected = (1.0 + 0.7_f64.exp()).ln();
    assert_near([outputs(&unit().activation(my_softplus), [1.0, -1.0])[0]], [expected]);
    assert_near([outputs(&unit().activation("softplus"), [1.0, -1.0])[0]], [expected]);
    let expected = (1.0 + 1.4_f64.exp()).ln() / 2.0;
    assert_near(
        [outputs(&unit().activation(MySoftplus { beta: 2.0 }), [1.0, -1.0])[0]],
        [expected],
    );
}

#[test]
fn an_initializer_is_a_function_or_a_struct() {
    fn deviation(initializer: impl Initializer + 'static) -> f64 {
        let layer = Dense::new(100).kernel_initializer(initializer);
        Function::new(|[x], cx| [layer.apply(&x, cx)])
            .run([&Array::zeros([1, 100], DType::F32)])
            .unwrap();
        let kernel: Vec<f64> = layer.kernel().unwrap().value().to_vec();
        (kernel.iter().map(|weight| weight * weight).sum::<f64>() / kernel.len() as f64).sqrt()
    }
    // The deviation of 10,000 draws is within 3% of that drawn from, more than four standard
    // errors.
    assert!((deviation(my_glorot_initializer) / 0.1 - 1.0).abs() < 0.03);
    assert!((deviation(MyNormal { stddev: 0.5 }) / 0.5 - 1.0).abs() < 0.03);
}

/// The loss of one step with rate 0.1 on the row (1, -1) with target 0, and the weights after it.
fn step(layer: Dense) -> (f64, Vec<f64>) {
    let mut model = Model::new(layer);
    model.compile(Sgd::new(0.1), MeanSquaredError, ());
    let data = Dataset::new([[1.0_f32, -1.0]], [[0.0_f32]]).unwrap();
    let loss = model.train_on_batch(&data).unwrap().get("loss").unwrap();
    (loss, model.weights()[0].value().to_vec())
}

#[test]
fn a_regularizer_is_a_function_or_a_struct() {
    // The prediction is 0.7, the gradient of its square (1.4, -1.4), that of the penalty (0.01,
    // -0.01).
    let expected = [0.49 + 0.007, 0.5 - 0.141, -0.2 + 0.141];
    let (loss, weights) = step(unit().kernel_regularizer(my_l1_regularizer));
    assert_near([loss, weights[0], weights[1]], expected);
    let (loss, weights) = step(unit().kernel_regularizer(MyL1Regularizer { factor: 0.01 }));
    assert_near([loss, weights[0], weights[1]], expected);
    let (loss, weights) = step(unit().kernel_regularizer(L1(0.01)));
    assert_near([loss, weights[0], weights[1]], expected);
}

#[test]
fn a_constraint_is_a_function_or_a_struct_and_holds_after_the_step() {
    let (loss, weights) = step(unit().kernel_constraint(my_positive_weights));
    assert_near([loss, weights[0], weights[1]], [0.49, 0.36, 0.0]);
    let (_, weights) = step(unit().kernel_constraint(AtLeast { minimum: 0.4 }));
    assert_near([weights[0], weights[1]], [0.4, 0.4]);
}

#[test]
fn all_four_serve_one_layer() {
    let layer = Dense::new(1)
        .activation(my_softplus)
        .kernel_initializer(my_glorot_initializer)
        .kernel_regularizer(my_l1_regularizer)
        .kernel_constraint(my_positive_weights);
    let (loss, weights) = step(layer);
    assert!(loss.is_finite() && weights.iter().all(|weight| *weight >= 0.0));
}
