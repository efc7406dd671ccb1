//! Where the channels of images and sequences stand: last, as in all layers, or first.
//!
//! In: `[batch, channels, lengths..]`. Out: the same with the channels last, for a layer to compute
//! with, and what it made with the channels first again.

use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::named::{OptionValue, Setting, words};
use crate::trace::Context;

use super::spatial::{or_refuse, refuse};

words! {
    /// Where the channels of images and sequences stand.
    DataFormat, "`channels_last` or `channels_first`" {
        /// `[batch, lengths.., channels]`.
        ChannelsLast = "channels_last",
        /// `[batch, channels, lengths..]`. The layer computes with the channels last, and moves
        /// them there and back.
        ChannelsFirst = "channels_first",
    }
}

/// The format of a layer's inputs and outputs. Saved models note it where it is not the usual one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ChannelsAt(DataFormat);

/// The format that layers have unless told otherwise.
pub(super) const LAST: ChannelsAt = ChannelsAt(DataFormat::ChannelsLast);

impl From<DataFormat> for ChannelsAt {
    fn from(format: DataFormat) -> Self {
        Self(format)
    }
}

impl OptionValue for ChannelsAt {
    const EXPECTED: &'static str = <DataFormat as Setting>::EXPECTED;

    fn parse(text: &str) -> Option<Result<Self>> {
        DataFormat::read(text).map(|format| Ok(Self(format)))
    }

    fn text(&self) -> Option<String> {
        (*self != LAST).then(|| self.0.write())
    }

    fn default_text(&self) -> String {
        self.0.write()
    }
}

impl ChannelsAt {
    /// Inputs along `axes` spatial axes with the channels last.
    ///
    /// # Errors
    /// If the channels come first, and there are not as many axes.
    #[track_caller]
    pub fn to_last(self, inputs: &Tensor, axes: usize, cx: &Context) -> Result<Tensor> {
        if self == LAST {
            return Ok(inputs.clone());
        }
        if inputs.rank() != axes + 2 {
            let expected = match axes {
                1 => "[batch, channels, steps]",
                2 => "[batch, channels, height, width]",
                _ => "[batch, channels, depth, height, width]",
            };
            let (path, shape) = (cx.path(), inputs.shape());
            let message = format!("`{path}` takes inputs of shape {expected}, got {shape}");
            let help = "add the axis that is missing: `x.expand_dims(1)` for one channel, \
                `x.expand_dims(0)` for one sample";
            return Err(Error::shape(message, help));
        }
        Ok(self.last(inputs))
    }

    /// Inputs of any axes with the channels last.
    #[track_caller]
    pub fn last(self, inputs: &Tensor) -> Tensor {
        if self == LAST || inputs.rank() < 3 {
            return inputs.clone();
        }
        let order: Vec<usize> = std::iter::once(0).chain(2..inputs.rank()).chain([1]).collect();
        inputs.permute(&order)
    }

    /// Outputs whose channels are last with the channels where they belong.
    #[track_caller]
    pub fn back(self, outputs: Tensor) -> Tensor {
        let rank = outputs.rank();
        if self == LAST || rank < 3 {
            return outputs;
        }
        let order: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
        outputs.permute(&order)
    }

    /// What `f` makes of inputs along `axes` spatial axes, with the channels last within.
    #[track_caller]
    pub fn around(
        self,
        inputs: &Tensor,
        axes: usize,
        cx: &mut Context,
        f: impl FnOnce(&Tensor, &mut Context) -> Result<Tensor>,
    ) -> Tensor {
        match self.to_last(inputs, axes, cx) {
            Ok(inputs) => self.back(or_refuse(f(&inputs, cx), &inputs, axes, cx)),
            Err(error) => refuse(error, inputs, axes, inputs.features(), cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::layers;
    use crate::layers::tests::{outputs, refused};
    use crate::prelude::*;

    fn ramp(shape: impl Into<Shape>, step: f32, first: f32) -> Array {
        Array::from_fn(shape, |index| (index % 7) as f32 * step + first)
    }

    /// An array with its channels moved from last to first.
    fn first(x: &Array) -> Array {
        let order: Vec<usize> =
            [0, x.shape().rank() - 1].into_iter().chain(1..x.shape().rank() - 1).collect();
        outputs(&move |x: &Tensor, _: &mut Context| x.permute(&order), x)
    }

    fn close(y: &Array, sizes: &[usize], expected: &[f32]) {
        assert_eq!(y.shape().sizes(), sizes);
        for (y, expected) in y.to_vec::<f32>().iter().zip(expected) {
            assert!((y - expected).abs() < 1e-6, "{y}, {expected}");
        }
    }

    #[test]
    fn channels_that_come_first_are_those_of_keras() {
        let x = ramp([1, 2, 3, 2], 0.5, -1.0);
        let format = DataFormat::ChannelsFirst;
        let convolution = Conv2D::new(2, 2)
            .data_format(format)
            .kernel_initializer(ramp([2, 2, 2, 2], 0.25, -0.5))
            .bias_initializer(Array::from([0.1_f32, -0.2]));
        close(
            &outputs(&convolution.padding(Padding::Same), &x),
            &[1, 2, 3, 2],
            &[-0.4, 0.225, 0.85, -0.275, 1.35, -0.65, 0.925, -0.325, 1.55, 0.175, 0.3, -0.325],
        );
        // The last axis, along which the softmax is, is that of the columns.
        let softmax = Conv2D::new(2, 2).data_format(format).activation("softmax");
        close(&outputs(&softmax, &x), &[1, 2, 2, 1], &[1.0; 4]);
        let pooling = MaxPooling2D::new([2, 1]).data_format(format);
        close(&outputs(&pooling, &x), &[1, 2, 1, 2], &[0.0, 0.5, 2.0, 0.0]);
        let global = GlobalAveragePooling2D::new().keepdims(true).data_format(format);
        close(&outputs(&global, &x), &[1, 2, 1, 1], &[0.25, 0.333_333_34]);
        close(
            &outputs(&Flatten::new().data_format(format), &x),
            &[1, 12],
            &[-1.0, 2.0, -0.5, -1.0, 0.0, -0.5, 0.5, 0.0, 1.0, 0.5, 1.5, 1.0],
        );
    }

    #[test]
    fn layers_compute_the_same_with_the_channels_first() {
        for (rank, text) in [
            (1, "conv1d(4, 2, strides=2"),
            (2, "conv2d(4, [2, 1], groups=2, activation=tanh"),
            (3, "conv3d(4, 2, padding=same"),
            (1, "conv1d_transpose(3, 2"),
            (2, "conv2d_transpose(3, 2, strides=2"),
            (3, "conv3d_transpose(3, 2"),
            (1, "depthwise_conv1d(2"),
            (2, "depthwise_conv2d(2, depth_multiplier=2"),
            (1, "separable_conv1d(3, 2"),
            (2, "separable_conv2d(3, 2"),
            (1, "max_pooling1d(2"),
            (2, "max_pooling2d(2, padding=same"),
            (3, "max_pooling3d(2"),
            (1, "average_pooling1d(2"),
            (2, "average_pooling2d([1, 2]"),
            (3, "average_pooling3d(2"),
            (2, "global_max_pooling2d(keepdims=false"),
            (3, "global_max_pooling3d(keepdims=true"),
            (1, "global_average_pooling1d(keepdims=true"),
            (2, "global_average_pooling2d(keepdims=false"),
            (1, "zero_padding1d(1"),
            (2, "zero_padding2d([[1, 0], [0, 2]]"),
            (2, "cropping2d([1, 0]"),
            (3, "cropping3d([0, 1, 0]"),
            (2, "up_sampling2d([1, 2], bilinear"),
            (3, "up_sampling3d(2"),
        ] {
            let sizes: Vec<usize> = [2, 4, 5, 6][..=rank].iter().copied().chain([2]).collect();
            let x = Array::from_fn(sizes, |index| (index as f32).sin());
            let [last, moved] = ["channels_last", "channels_first"]
                .map(|format| layers::get(&format!("{text}, data_format={format})")).unwrap());
            let expected = outputs(&*last, &x);
            let expected = if expected.shape().rank() > 2 { first(&expected) } else { expected };
            let y = outputs(&*moved, &first(&x));
            assert_eq!(y.shape(), expected.shape(), "{text}");
            for (y, expected) in y.to_vec::<f32>().iter().zip(expected.to_vec::<f32>()) {
                assert!((y - expected).abs() < 1e-5, "{text}: {y}, {expected}");
            }
        }
    }

    #[test]
    fn whole_channels_are_left_out_where_they_come_first() {
        let dropout = SpatialDropout2D::new(0.5).data_format(DataFormat::ChannelsFirst);
        let y = outputs(&dropout, &Array::full([8, 5, 3, 4], 1.0, DType::F32)).to_vec::<f32>();
        assert!(y.chunks(12).all(|channel| channel.iter().all(|value| *value == channel[0])));
        assert!(y.contains(&0.0) && y.contains(&2.0));
    }

    #[test]
    fn the_format_is_saved_where_it_is_not_the_usual_one() {
        let text = |layer: &dyn Layer| layer.hyperparameters().to_string();
        let pooling = GlobalMaxPooling2D::new();
        assert_eq!(text(&pooling), "keepdims=false");
        assert_eq!(
            text(&pooling.data_format(DataFormat::ChannelsFirst)),
            "keepdims=false, data_format=channels_first"
        );
        let error = layers::get("conv2d(2, 3, data_format=first)").err().unwrap();
        error.says("is `channels_last` or `channels_first`, got `first`");
        error.advises("unless given, it is `channels_last`");
    }

    #[test]
    fn inputs_of_another_rank_are_refused_with_the_shape_that_is_taken() {
        let layer = Conv2D::new(2, 3).data_format(DataFormat::ChannelsFirst);
        refused(&layer, &[4, 8, 8])
            .says("takes inputs of shape [batch, channels, height, width], got [4, 8, 8]");
    }
}
