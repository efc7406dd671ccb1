//! Normalization by the statistics of groups of channels of each sample.
//!
//! In: `[batch, .., channels]`. Out: the same shape, each group of mean 0 and variance 1 before it
//! is scaled and shifted.

use crate::error::Error;
use crate::graph::Tensor;
use crate::initializers::{Ones, Zeros};
use crate::named::{Groups, Named, NotNegative};
use crate::ops::view::axis_error;
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::Context;

use super::Layer;
use super::declare::{about, layer, row};
use super::layer_normalization::{scaled, standardized};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<GroupNormalization>()];

layer! {
    /// `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, with mean and variance over a group
    /// of channels and all other axes of a sample (Wu and He 2018, equation 7); `gamma` and `beta`
    /// are of the channels. One group is layer normalization over the whole sample, as many groups
    /// as channels (`-1`) instance normalization. Keras's `GroupNormalization`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = GroupNormalization::new().groups(2).epsilon(0.0);
    /// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// let [y] = f.run([&[[1.0_f32, 3.0, 10.0, 50.0]].into()])?;
    /// assert_eq!(y, Array::from([[-1.0_f32, 1.0, -1.0, 1.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    GroupNormalization ["group_normalization"]
    /// 32 groups of the last axis, with epsilon 0.001.
    () {
        /// How many groups the channels are divided into; -1 for as many as there are channels. 32
        /// unless set.
        groups: Groups as isize = Groups(32),
        /// The axis of the channels. -1 unless set.
        axis: isize = -1,
        /// What is added to the variance. 0.001 unless set.
        epsilon: NotNegative as f64 = NotNegative(1e-3),
        /// Whether `beta` is added. True unless set.
        center: bool = true,
        /// Whether it is multiplied by `gamma`. True unless set.
        scale: bool = true,
    }
    weights {
        /// The factor of each channel, once the layer was applied; none without `scale`.
        gamma = Ones => gamma_initializer, gamma_regularizer, gamma_constraint;
        /// The offset of each channel, once the layer was applied; none without `center`.
        beta = Zeros => beta_initializer, beta_regularizer, beta_constraint;
    }
}

impl GroupNormalization {
    /// The axis of the channels, and how many groups they make.
    fn division(&self, x: &Tensor, cx: &Context) -> Result<(usize, usize), Error> {
        let Some(axis) = x.shape().axis(self.axis) else {
            return Err(axis_error("GroupNormalization", self.axis, x.shape()));
        };
        if axis == 0 {
            let message =
                format!("`{}` along the batch axis of inputs of shape {}", cx.path(), x.shape());
            let help = "`axis` is that of the channels: the last one, or 1";
            return Err(Error::shape(message, help));
        }
        let channels = x.shape()[axis];
        let groups = if self.groups.0 == -1 {
            channels
        } else {
            usize::try_from(self.groups.0).unwrap_or(0)
        };
        if groups == 0 || !channels.is_multiple_of(groups) {
            let message = format!(
                "`{}` divides {channels} channels, of inputs of shape {}, by {} groups",
                cx.path(),
                x.shape(),
                self.groups.0
            );
            let help = "the number of channels is a multiple of `groups`; -1 stands for as many \
                groups as channels";
            return Err(Error::shape(message, help));
        }
        Ok((axis, groups))
    }
}

impl Layer for GroupNormalization {
    #[track_caller]
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let (axis, groups) = match self.division(x, cx) {
            Ok(division) => division,
            Err(error) => {
                return cx.trace().fail(error.at(Site::caller()), x.shape().clone(), x.dtype());
            }
        };
        let channels = x.shape()[axis];
        let grouped: Shape = x.shape()[..axis]
            .iter()
            .chain(&[groups, channels / groups])
            .chain(&x.shape()[axis + 1..])
            .copied()
            .collect();
        // The weights in a shape that broadcasts against the grouped inputs.
        let across: Shape = [groups, channels / groups]
            .into_iter()
            .chain(x.shape()[axis + 1..].iter().map(|_| 1))
            .collect();
        let axes: Vec<isize> = (1..grouped.rank())
            .filter(|&other| other != axis)
            .map(|other| other as isize)
            .collect();
        let y = standardized(&x.reshape(&grouped), &axes, self.epsilon.0);
        let affine = [self.scale.then_some(&self.gamma), self.center.then_some(&self.beta)];
        scaled(y, self, affine, &[channels].into(), &across, cx).reshape(x.shape())
    }

    about! { supports_masking }
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn channels_that_do_not_divide_are_refused() {
        let error = refused(&GroupNormalization::new().groups(4), &[2, 3, 6]);
        error.says(
            "`group_normalization` divides 6 channels, of inputs of shape [2, 3, 6], by 4 groups",
        );
        refused(&GroupNormalization::new(), &[2, 6]).says("by 32 groups");
        refused(&GroupNormalization::new().groups(0), &[2, 6]).says("by 0 groups");
    }

    #[test]
    fn the_axis_is_one_of_the_samples() {
        refused(&GroupNormalization::new().axis(0), &[2, 6]).says("along the batch axis");
        refused(&GroupNormalization::new().axis(3), &[2, 6]).says("along axis 3");
    }

    #[test]
    fn weights_are_of_the_channels() {
        let layer = GroupNormalization::new().groups(-1).axis(1).center(false);
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        f.run([&Array::zeros([2, 3, 4, 5], DType::F32)]).unwrap();
        assert_eq!(layer.gamma().unwrap().shape().sizes(), [3]);
        assert!(layer.beta().is_none());
    }
}
