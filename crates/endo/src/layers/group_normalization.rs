//! Normalization by the statistics of groups of channels of each sample.
//!
//! In: `[batch, .., channels]`. Out: the same shape, each group of mean 0 and variance 1 before it
//! is scaled and shifted.

use std::panic::Location;

use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::initializers::{Initializer, Ones, Zeros};
use crate::named::Hyperparameters;
use crate::ops::view::axis_error;
use crate::shape::Shape;
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::Layer;
use super::options::{name_option, trainable_option, weight_options};

/// `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, with mean and variance over a group of
/// channels and all other axes of a sample (Wu and He 2018, equation 7); `gamma` and `beta` are of
/// the channels. One group is layer normalization over the whole sample, as many groups as channels
/// (`-1`) instance normalization. Keras's `GroupNormalization`.
///
/// ```
/// use endo::prelude::*;
/// let layer = GroupNormalization::new().groups(2).epsilon(0.0);
/// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
/// let [y] = f.run([&[[1.0_f32, 3.0, 10.0, 50.0]].into()])?;
/// assert_eq!(y, Array::from([[-1.0_f32, 1.0, -1.0, 1.0]]));
/// # Ok::<(), endo::Error>(())
/// ```
pub struct GroupNormalization {
    name: Option<String>,
    groups: isize,
    axis: isize,
    epsilon: f64,
    center: bool,
    scale: bool,
    gamma: Weight,
    beta: Weight,
    gamma_initializer: Box<dyn Initializer>,
    beta_initializer: Box<dyn Initializer>,
}

impl GroupNormalization {
    /// 32 groups of the last axis, with epsilon 0.001.
    pub fn new() -> Self {
        Self {
            name: None,
            groups: 32,
            axis: -1,
            epsilon: 1e-3,
            center: true,
            scale: true,
            gamma: Weight::new("gamma"),
            beta: Weight::new("beta"),
            gamma_initializer: Box::new(Ones),
            beta_initializer: Box::new(Zeros),
        }
    }

    /// How many groups the channels are divided into; -1 for as many as there are channels. 32
    /// unless set.
    #[must_use]
    pub fn groups(mut self, groups: isize) -> Self {
        self.groups = groups;
        self
    }

    /// The axis of the channels. -1 unless set.
    #[must_use]
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
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
    name_option! {}
    trainable_option! { gamma, beta }

    /// The factor of each channel, once the layer was applied; none without `scale`.
    pub fn gamma(&self) -> Option<&Variable> {
        self.gamma.variable()
    }

    /// The offset of each channel, once the layer was applied; none without `center`.
    pub fn beta(&self) -> Option<&Variable> {
        self.beta.variable()
    }

    /// The axis of the channels, and how many groups they make.
    fn division(&self, x: &Tensor, cx: &Context) -> Result<(usize, usize), Error> {
        let Some(axis) = x.shape().axis(self.axis) else {
            return Err(axis_error("GroupNormalization", self.axis, x.shape()));
        };
        if axis == 0 {
            let message =
                format!("`{}` along the batch axis of inputs of shape {}", cx.path(), x.shape());
            return Err(Error::new(ErrorKind::Shape, message)
                .help("`axis` is that of the channels: the last one, or 1"));
        }
        let channels = x.shape()[axis];
        let groups =
            if self.groups == -1 { channels } else { usize::try_from(self.groups).unwrap_or(0) };
        if groups == 0 || !channels.is_multiple_of(groups) {
            let message = format!(
                "`{}` divides {channels} channels, of inputs of shape {}, by {} groups",
                cx.path(),
                x.shape(),
                self.groups
            );
            let help = "the number of channels is a multiple of `groups`; -1 stands for as many \
                groups as channels";
            return Err(Error::new(ErrorKind::Shape, message).help(help));
        }
        Ok((axis, groups))
    }
}

impl Default for GroupNormalization {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for GroupNormalization {
    #[track_caller]
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let (axis, groups) = match self.division(x, cx) {
            Ok(division) => division,
            Err(error) => {
                return cx.trace().fail(error.at(Location::caller()), x.shape().clone(), x.dtype());
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
        let x_grouped = x.reshape(&grouped);
        let axes: Vec<isize> = (1..grouped.rank())
            .filter(|&other| other != axis)
            .map(|other| other as isize)
            .collect();
        let centered = &x_grouped - x_grouped.mean_axes(&axes).keep_dims(&x_grouped, &axes);
        let variance = centered.square().mean_axes(&axes).keep_dims(&x_grouped, &axes);
        let mut y = centered * (variance + self.epsilon).rsqrt();
        if self.scale {
            y = y * self.gamma.get(self, channels, &*self.gamma_initializer, cx).reshape(&across);
        }
        if self.center {
            y = y + self.beta.get(self, channels, &*self.beta_initializer, cx).reshape(&across);
        }
        y.reshape(x.shape())
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new()
            .with("groups", self.groups)
            .with("axis", self.axis)
            .with("epsilon", self.epsilon)
    }

    fn supports_masking(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    fn refused(layer: GroupNormalization, sizes: &[usize]) -> String {
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        f.run([&Array::zeros(sizes, DType::F32)]).unwrap_err().to_string()
    }

    #[test]
    fn channels_that_do_not_divide_are_refused() {
        let error = refused(GroupNormalization::new().groups(4), &[2, 3, 6]);
        assert!(
            error.contains(
                "`group_normalization` divides 6 channels, of inputs of shape [2, \
            3, 6], by 4 groups"
            ),
            "{error}"
        );
        assert!(refused(GroupNormalization::new(), &[2, 6]).contains("by 32 groups"));
        assert!(refused(GroupNormalization::new().groups(0), &[2, 6]).contains("by 0 groups"));
    }

    #[test]
    fn the_axis_is_one_of_the_samples() {
        assert!(
            refused(GroupNormalization::new().axis(0), &[2, 6]).contains("along the batch axis")
        );
        assert!(refused(GroupNormalization::new().axis(3), &[2, 6]).contains("along axis 3"));
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
