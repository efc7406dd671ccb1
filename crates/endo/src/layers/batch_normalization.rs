//! Normalization by the statistics of the batch.
//!
//! In: `[batch, .., features]`, with a mask of samples if some are not valid. Out: the same shape.
//! In training the batch's mean and variance are used and averaged; otherwise the averages are.

use std::panic::Location;

use crate::graph::Tensor;
use crate::initializers::{Initializer, Ones, Zeros};
use crate::named::Hyperparameters;
use crate::ops::view::axis_error;
use crate::shape::Shape;
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::Layer;
use super::options::{name_option, weight_options};

/// What masked sums are divided by is this much larger than the number of valid values, as in
/// Keras.
const MASK_EPSILON: f64 = 1e-7;

/// `gamma * (x - mean) / sqrt(variance + epsilon) + beta` (Ioffe and Szegedy 2015, algorithms 1 and
/// 2). Keras's `BatchNormalization`.
///
/// Mean and variance are taken over all axes but `axis`. In training they are those of the batch,
/// and the weights `moving_mean` and `moving_variance` become
/// `moving * momentum + batch * (1 - momentum)`, with the biased variance; otherwise they are the
/// moving ones. A layer that is not trainable, or whose `gamma` and `beta` were both frozen
/// since, runs as outside training.
///
/// Where the inputs have a mask ([`Context::set_mask`]), mean and variance leave out the positions
/// where it does not hold.
///
/// ```
/// use endo::prelude::*;
/// let layer = BatchNormalization::new().momentum(0.5).epsilon(0.0);
/// let mut train = Function::new(|[x], cx| [layer.apply(&x, cx)]);
/// let [y] = train.run([&[[1.0_f32], [3.0]].into()])?;
/// assert_eq!(y, Array::from([[-1.0_f32], [1.0]]));
/// assert_eq!(layer.moving_mean().unwrap().value(), Array::from([1.0_f32]));
/// # Ok::<(), endo::Error>(())
/// ```
pub struct BatchNormalization {
    name: Option<String>,
    axis: isize,
    momentum: f64,
    epsilon: f64,
    center: bool,
    scale: bool,
    trainable: bool,
    gamma: Weight,
    beta: Weight,
    moving_mean: Weight,
    moving_variance: Weight,
    gamma_initializer: Box<dyn Initializer>,
    beta_initializer: Box<dyn Initializer>,
    moving_mean_initializer: Box<dyn Initializer>,
    moving_variance_initializer: Box<dyn Initializer>,
}

impl BatchNormalization {
    /// Along the last axis, with momentum 0.99 and epsilon 0.001.
    pub fn new() -> Self {
        Self {
            name: None,
            axis: -1,
            momentum: 0.99,
            epsilon: 1e-3,
            center: true,
            scale: true,
            trainable: true,
            gamma: Weight::new("gamma"),
            beta: Weight::new("beta"),
            moving_mean: Weight::new("moving_mean").trainable(false),
            moving_variance: Weight::new("moving_variance").trainable(false),
            gamma_initializer: Box::new(Ones),
            beta_initializer: Box::new(Zeros),
            moving_mean_initializer: Box::new(Zeros),
            moving_variance_initializer: Box::new(Ones),
        }
    }

    /// The axis of the features, each of which is normalized by itself. -1 unless set.
    #[must_use]
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }

    /// The share of the moving statistics that a training step keeps. 0.99 unless set.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// What is added to the variance. 0.001 unless set.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Whether `beta` is added. True unless set.
    #[must_use]
    pub fn center(mut self, center: bool) -> Self {
        self.center = center;
        self
    }

    /// Whether it is multiplied by `gamma`. True unless set.
    #[must_use]
    pub fn scale(mut self, scale: bool) -> Self {
        self.scale = scale;
        self
    }

    weight_options! { gamma: gamma_initializer = "Ones", gamma_regularizer, gamma_constraint }
    weight_options! { beta: beta_initializer = "Zeros", beta_regularizer, beta_constraint }
    weight_options! { moving_mean: moving_mean_initializer = "Zeros" }
    weight_options! { moving_variance: moving_variance_initializer = "Ones" }
    name_option! {}

    /// Whether optimizers may change `gamma` and `beta`, and batches the moving statistics. True
    /// unless set.
    #[must_use]
    pub fn trainable(mut self, trainable: bool) -> Self {
        self.trainable = trainable;
        self.gamma = self.gamma.trainable(trainable);
        self.beta = self.beta.trainable(trainable);
        self
    }

    /// The factor of each feature, once the layer was applied; none without `scale`.
    pub fn gamma(&self) -> Option<&Variable> {
        self.gamma.variable()
    }

    /// The offset of each feature, once the layer was applied; none without `center`.
    pub fn beta(&self) -> Option<&Variable> {
        self.beta.variable()
    }

    /// The moving mean of each feature, once the layer was applied.
    pub fn moving_mean(&self) -> Option<&Variable> {
        self.moving_mean.variable()
    }

    /// The moving variance of each feature, once the layer was applied.
    pub fn moving_variance(&self) -> Option<&Variable> {
        self.moving_variance.variable()
    }

    fn noted(&self) -> Hyperparameters {
        Hyperparameters::new()
            .with("axis", self.axis)
            .with("momentum", self.momentum)
            .with("epsilon", self.epsilon)
    }

    fn is_frozen(&self) -> bool {
        let affine: Vec<&Variable> = self.gamma().into_iter().chain(self.beta()).collect();
        let statistics = self.moving_mean().into_iter().chain(self.moving_variance());
        !self.trainable
            || statistics.into_iter().any(Variable::is_frozen)
            || (!affine.is_empty() && affine.iter().all(|variable| !variable.is_trainable()))
    }

    #[track_caller]
    fn normalize(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let Some(axis) = x.shape().axis(self.axis) else {
            cx.trace().record(
                axis_error("BatchNormalization", self.axis, x.shape()).at(Location::caller()),
            );
            return x.clone();
        };
        let features = x.shape()[axis];
        // One number a feature, in a shape that broadcasts against `x`.
        let across: Shape =
            (axis..x.rank()).map(|other| if other == axis { features } else { 1 }).collect();
        let spread = |statistic: &Tensor| statistic.reshape(&across);
        let gamma =
            self.scale.then(|| self.gamma.get(self, features, &*self.gamma_initializer, cx));
        let beta = self.center.then(|| self.beta.get(self, features, &*self.beta_initializer, cx));
        let moving_mean = self.moving_mean.get(self, features, &*self.moving_mean_initializer, cx);
        let moving_variance =
            self.moving_variance.get(self, features, &*self.moving_variance_initializer, cx);
        let (mean, variance) = if cx.training() && !self.is_frozen() {
            let others: Vec<isize> =
                (0..x.rank()).filter(|&other| other != axis).map(|other| other as isize).collect();
            let (mean, variance) = moments(x, cx.mask(x).as_ref(), &others, spread);
            for (weight, moving, batch) in [
                (&self.moving_mean, moving_mean, &mean),
                (&self.moving_variance, moving_variance, &variance),
            ] {
                let batch = batch.stop_gradient().cast(moving.dtype());
                weight.assign(&(moving * self.momentum + batch * (1.0 - self.momentum)), cx);
            }
            (mean, variance)
        } else {
            (moving_mean, moving_variance)
        };
        let slope = (variance + self.epsilon).rsqrt();
        let slope = gamma.map_or(slope.clone(), |gamma| slope * gamma);
        let y = (x - spread(&mean)) * spread(&slope);
        beta.map_or(y.clone(), |beta| y + spread(&beta))
    }
}

/// Mean and biased variance over axes; with a mask of leading axes of `x`, of the positions where
/// it holds.
#[track_caller]
fn moments(
    x: &Tensor,
    mask: Option<&Tensor>,
    axes: &[isize],
    spread: impl Fn(&Tensor) -> Tensor,
) -> (Tensor, Tensor) {
    match mask {
        None => {
            let mean = x.mean_axes(axes);
            let variance = (x - spread(&mean)).square().mean_axes(axes);
            (mean, variance)
        }
        Some(mask) => {
            let ones = std::iter::repeat_n(&1, x.rank() - mask.rank());
            let valid = mask
                .reshape(mask.shape().iter().chain(ones).copied().collect::<Vec<_>>())
                .broadcast_to(x.shape());
            let count = valid.cast(x.dtype()).sum_axes(axes) + MASK_EPSILON;
            let x = valid.where_(x, 0.0);
            let mean = x.sum_axes(axes) / &count;
            let variance = valid.where_(&x - spread(&mean), 0.0).square().sum_axes(axes) / count;
            (mean, variance)
        }
    }
}

impl Default for BatchNormalization {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for BatchNormalization {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        self.normalize(inputs, cx)
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        self.noted()
    }

    fn supports_masking(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    fn step(layer: &BatchNormalization, training: bool) -> Array {
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]).training(training);
        f.run([&[[1.0_f32], [3.0]].into()]).unwrap()[0].clone()
    }

    #[test]
    fn statistics_move_in_training_alone() {
        let layer = BatchNormalization::new().epsilon(0.0).momentum(0.75);
        assert_eq!(step(&layer, false), Array::from([[1.0_f32], [3.0]]));
        assert_eq!(layer.moving_mean().unwrap().value(), Array::from([0.0_f32]));
        step(&layer, true);
        assert_eq!(layer.moving_mean().unwrap().value(), Array::from([0.5_f32]));
        assert_eq!(layer.moving_variance().unwrap().value(), Array::from([1.0_f32]));
    }

    #[test]
    fn a_layer_frozen_later_runs_as_outside_training() {
        let layer = BatchNormalization::new().epsilon(0.0);
        step(&layer, true);
        let mean = layer.moving_mean().unwrap().value();
        for weight in layer.gamma().into_iter().chain(layer.beta()) {
            weight.set_trainable(false);
        }
        step(&layer, true);
        assert_eq!(layer.moving_mean().unwrap().value(), mean);
    }

    #[test]
    fn a_layer_used_twice_averages_both_batches() {
        let layer = BatchNormalization::new().momentum(0.5);
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx) + layer.apply(&(&x + 2.0), cx)]);
        f.run([&[[1.0_f32], [3.0]].into()]).unwrap();
        assert_eq!(layer.moving_mean().unwrap().value(), Array::from([2.5_f32]));
    }

    #[test]
    fn an_axis_that_the_inputs_lack_is_an_error() {
        let layer = BatchNormalization::new().axis(3);
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        let error = f.run([&[[1.0_f32]].into()]).unwrap_err();
        assert!(
            error
                .message()
                .contains("`BatchNormalization` along axis 3 of a tensor of shape [1, 1]"),
            "{error}"
        );
    }

    #[test]
    fn masked_positions_have_no_part_in_the_statistics() {
        let layer = BatchNormalization::new().momentum(0.0);
        let mut f = Function::new(|[x], cx| [layer.apply(&Masking::new(9.0).apply(&x, cx), cx)]);
        f.run([&[[[1.0_f32, 10.0], [3.0, 30.0], [9.0, 9.0]]].into()]).unwrap();
        let [mean, variance] = [layer.moving_mean(), layer.moving_variance()]
            .map(|moving| moving.unwrap().value().to_vec::<f64>());
        assert!((mean[0] - 2.0).abs() < 1e-5 && (mean[1] - 20.0).abs() < 1e-5, "{mean:?}");
        assert!(
            (variance[0] - 1.0).abs() < 1e-5 && (variance[1] - 100.0).abs() < 1e-3,
            "{variance:?}"
        );
        // A mask of samples is for all that lies below them.
        let mut f = Function::new(|[x, mask], cx| {
            cx.set_mask(&x, &mask);
            [layer.apply(&x, cx)]
        });
        f.run([
            &[[[1.0_f32, 4.0], [3.0, 4.0]], [[7.0, 7.0], [7.0, 7.0]]].into(),
            &[true, false].into(),
        ])
        .unwrap();
        assert!((layer.moving_mean().unwrap().value().get(0) - 2.0).abs() < 1e-5);
    }

    #[test]
    fn a_model_of_it_alone_needs_no_types() {
        let model = Model::new(BatchNormalization::new());
        assert_eq!(model.predict(&[[1.0_f32]].into()).unwrap().shape().sizes(), [1, 1]);
    }
}
