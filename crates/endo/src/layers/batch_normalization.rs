//! Normalization by the statistics of the batch.
//!
//! In: `[batch, .., features]`, with a mask of samples if some are not valid. Out: the same shape.
//! In training the batch's mean and variance are used and averaged; otherwise the averages are.

use crate::graph::Tensor;
use crate::initializers::{Ones, Zeros};
use crate::named::{Named, NotNegative};
use crate::trace::Context;
use crate::variable::Variable;

use super::Layer;
use super::declare::{about, layer, row};
use super::normalization::{across, positions};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<BatchNormalization>()];

/// What masked sums are divided by is this much larger than the number of valid values, as in
/// Keras.
const MASK_EPSILON: f64 = 1e-7;

layer! {
    /// `gamma * (x - mean) / sqrt(variance + epsilon) + beta` (Ioffe and Szegedy 2015, algorithms 1
    /// and 2). Keras's `BatchNormalization`.
    ///
    /// Mean and variance are taken over all axes but `axis`. In training they are those of the
    /// batch, and the weights `moving_mean` and `moving_variance` become `moving * momentum + batch
    /// * (1 - momentum)`, with the biased variance; otherwise they are the moving ones. A layer
    /// that is not trainable, or whose `gamma` and `beta` were both frozen since, runs as outside
    /// training.
    ///
    /// Where the inputs have a mask ([`Context::set_mask`]), mean and variance leave out the
    /// positions where it does not hold.
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
    BatchNormalization ["batch_normalization"]
    /// Along the last axis, with momentum 0.99 and epsilon 0.001.
    () {
        /// The axis of the features, each of which is normalized by itself. -1 unless set.
        axis: isize = -1,
        /// The share of the moving statistics that a training step keeps. 0.99 unless set.
        momentum: NotNegative as f64 = NotNegative(0.99),
        /// What is added to the variance. 0.001 unless set.
        epsilon: NotNegative as f64 = NotNegative(1e-3),
        /// Whether `beta` is added. True unless set.
        center: bool = true,
        /// Whether it is multiplied by `gamma`. True unless set.
        scale: bool = true,
    }
    weights {
        /// The factor of each feature, once the layer was applied; none without `scale`.
        gamma = Ones => gamma_initializer, gamma_regularizer, gamma_constraint;
        /// The offset of each feature, once the layer was applied; none without `center`.
        beta = Zeros => beta_initializer, beta_regularizer, beta_constraint;
        /// The moving mean of each feature, once the layer was applied.
        moving_mean {trainable: false} = Zeros => moving_mean_initializer;
        /// The moving variance of each feature, once the layer was applied.
        moving_variance {trainable: false} = Ones => moving_variance_initializer;
    }
}

impl BatchNormalization {
    fn is_frozen(&self) -> bool {
        let affine: Vec<&Variable> = self.gamma().into_iter().chain(self.beta()).collect();
        let statistics = self.moving_mean().into_iter().chain(self.moving_variance());
        !self.gamma.is_trainable()
            || statistics.into_iter().any(Variable::is_frozen)
            || (!affine.is_empty() && affine.iter().all(|variable| !variable.is_trainable()))
    }
}

impl Layer for BatchNormalization {
    #[track_caller]
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let Some(axis) = positions("BatchNormalization", &[self.axis], x) else { return x.clone() };
        let (axis, features) = (axis[0], x.shape()[axis[0]]);
        let across = across(x.shape(), axis);
        let spread = |statistic: &Tensor| statistic.reshape(&across);
        let gamma = self.scale.then(|| self.gamma.value(self, features, cx));
        let beta = self.center.then(|| self.beta.value(self, features, cx));
        let moving_mean = self.moving_mean.value(self, features, cx);
        let moving_variance = self.moving_variance.value(self, features, cx);
        let (mean, variance) = if cx.training() && !self.is_frozen() {
            let others: Vec<isize> =
                (0..x.rank()).filter(|&other| other != axis).map(|other| other as isize).collect();
            let (mean, variance) = moments(x, cx.mask(x).as_ref(), &others, spread);
            for (weight, moving, batch) in [
                (&self.moving_mean, moving_mean, &mean),
                (&self.moving_variance, moving_variance, &variance),
            ] {
                let batch = batch.stop_gradient().cast(moving.dtype());
                weight.assign(&(moving * self.momentum.0 + batch * (1.0 - self.momentum.0)), cx);
            }
            (mean, variance)
        } else {
            (moving_mean, moving_variance)
        };
        let slope = (variance + self.epsilon.0).rsqrt();
        let slope = gamma.map_or(slope.clone(), |gamma| slope * gamma);
        let y = (x - spread(&mean)) * spread(&slope);
        beta.map_or(y.clone(), |beta| y + spread(&beta))
    }

    about! { supports_masking }
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
            let valid = mask.with_rank(x.rank()).broadcast_to(x.shape());
            let count = valid.cast(x.dtype()).sum_axes(axes) + MASK_EPSILON;
            let x = valid.where_(x, 0.0);
            let mean = x.sum_axes(axes) / &count;
            let variance = valid.where_(&x - spread(&mean), 0.0).square().sum_axes(axes) / count;
            (mean, variance)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
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
        refused(&layer, &[1, 1])
            .says("`BatchNormalization` along axis 3 of a tensor of shape [1, 1]");
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
