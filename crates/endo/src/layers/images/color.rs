//! Images with more or less contrast and brightness, at random in training.
//!
//! In: `[batch, height, width, channels]`. Out: the same shape, as floats within the range of
//! values; outside training the same numbers.

use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::named::{Named, Unsaved};
use crate::trace::Context;

use super::super::Layer;
use super::super::declare::{about, layer, row};
use super::super::dropout::Seed;
use super::super::spatial::{check_rank, or_refuse};
use super::factor::{ContrastFactor, Factor};
use super::floats;

/// The rows of this file.
pub(in super::super) static ROWS: &[Named<dyn Layer>] =
    &[row::<RandomContrast>(), row::<RandomBrightness>()];

layer! {
    /// In training, `(x - mean) * factor + mean` with a random factor for each image
    /// `[batch, height, width, channels]` and the mean of each channel of it. Keras's
    /// `RandomContrast`.
    ///
    /// Of a single number `f` the factors are from `1 - f` to `1 + f`, as Keras describes it; its
    /// version 3 draws them from 1 on.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = RandomContrast::new([0.0, 1.0]).value_range([0.0, 10.0]);
    /// let mut train = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// let [y] = train.run([&Array::from([4.0_f32, 6.0]).reshape([1, 1, 2, 1])?])?;
    /// assert!((3.0..4.0).contains(&y.get(0)) && (6.0..7.0).contains(&y.get(1)));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    RandomContrast ["random_contrast"]
    /// How much less and how much more contrast, each within 0 and 1.
    (factor: ContrastFactor => ContrastFactor) {
        /// The least and the greatest value of an image, to which the outputs are clipped. 0 to 255
        /// unless set.
        value_range: [f64; 2] = [0.0, 255.0],
        /// A seed of the layer's own instead of that of the model or function.
        seed: Seed as u64 = Unsaved(None),
    }
}

layer! {
    /// In training, adds to each image `[batch, height, width, channels]` a random share of the
    /// range of values. Keras's `RandomBrightness`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let lighter = RandomBrightness::new([0.5, 0.5]).value_range([0.0, 1.0]);
    /// let mut train = Function::new(|[x], cx| [lighter.apply(&x, cx)]);
    /// let [y] = train.run([&Array::from([0.25_f32, 0.75]).reshape([1, 1, 2, 1])?])?;
    /// assert_eq!(y.to_vec::<f32>(), [0.75, 1.0]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    RandomBrightness ["random_brightness"]
    /// Shares of the range of values, within -1, which is black, and 1, which is white.
    (factor: Factor => Factor) {
        /// The least and the greatest value of an image, to which the outputs are clipped. 0 to 255
        /// unless set.
        value_range: [f64; 2] = [0.0, 255.0],
        /// A seed of the layer's own instead of that of the model or function.
        seed: Seed as u64 = Unsaved(None),
    }
}

impl RandomContrast {
    #[track_caller]
    fn changed(&self, inputs: &Tensor, cx: &mut Context) -> Result<Tensor> {
        let range = checked(inputs, self.value_range, cx)?;
        let factor = self.factor.range(cx)?;
        let images = floats(inputs, cx);
        if !cx.training() {
            return Ok(images);
        }
        let factor = each(&factor.draw(&self.seed.random(cx), images.batch(), 1.0), &images);
        let mean = images.mean_axes([1, 2]).keep_dims(&images, [1, 2]);
        Ok(((images - &mean) * factor + mean).clip(range[0], range[1]))
    }
}

impl RandomBrightness {
    #[track_caller]
    fn changed(&self, inputs: &Tensor, cx: &mut Context) -> Result<Tensor> {
        let range = checked(inputs, self.value_range, cx)?;
        self.factor.check("factor", [-1.0, 1.0], cx)?;
        let images = floats(inputs, cx);
        if !cx.training() {
            return Ok(images);
        }
        let shares = each(&self.factor.draw(&self.seed.random(cx), images.batch(), 0.0), &images);
        Ok((images + shares * (range[1] - range[0])).clip(range[0], range[1]))
    }
}

impl Layer for RandomContrast {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        or_refuse(self.changed(inputs, cx), inputs, 2, cx)
    }

    about! {}
}

impl Layer for RandomBrightness {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        or_refuse(self.changed(inputs, cx), inputs, 2, cx)
    }

    about! {}
}

/// The least and the greatest value, where the inputs are images and the range is one.
fn checked(inputs: &Tensor, range: [f64; 2], cx: &Context) -> Result<[f64; 2]> {
    check_rank(inputs.shape(), 2, cx)?;
    if range[0] < range[1] && range[0].is_finite() && range[1].is_finite() {
        return Ok(range);
    }
    let message = format!("the `value_range` of `{}` is {range:?}", cx.path());
    let help = "give the least value and then the greatest, as in `[0.0, 255.0]`";
    Err(Error::argument(message, help))
}

/// A number for each image, of the type of the images.
#[track_caller]
fn each(numbers: &Tensor, images: &Tensor) -> Tensor {
    numbers.reshape([images.batch(), 1, 1, 1]).cast(images.dtype())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, refused, trained};
    use super::*;
    use crate::prelude::*;

    fn image() -> Array {
        Array::from_fn([1, 3, 4, 1], |index| (index * 5 % 13) as f32)
    }

    #[test]
    fn contrast_of_a_factor_is_that_of_keras() {
        // A factor of 1.3, as the least and the greatest, between which there is nothing.
        let range = Factor::from([0.3, 0.3]);
        let mut f = Function::new(|[x], cx| {
            let factor = each(&range.draw(&cx.random(), 1, 1.0), &x);
            let mean = x.mean_axes([1, 2]).keep_dims(&x, [1, 2]);
            [((&x - &mean) * factor + mean).clip(0.0, 10.0)]
        });
        let expected = [0.0, 4.75, 10.0, 0.85, 7.35, 10.0, 3.45, 9.95, 0.0, 6.05, 10.0, 2.15];
        close("more", &f.run([&image()]).unwrap()[0], &expected);
        let same = RandomContrast::new([0.0, 0.0]).value_range([0.0, 10.0]);
        let clipped = [0.0, 5.0, 10.0, 2.0, 7.0, 10.0, 4.0, 9.0, 1.0, 6.0, 10.0, 3.0];
        close("the same", &trained(&same, &image()), &clipped);
    }

    #[test]
    fn contrast_is_less_and_more_by_so_much() {
        let layer = RandomContrast::new([0.25, 0.5]);
        let images = Array::new([500, 1, 2, 1], [99.0_f32, 101.0].repeat(500)).unwrap();
        let factors: Vec<f32> =
            trained(&layer, &images).to_vec::<f32>().chunks(2).map(|two| two[1] - 100.0).collect();
        assert!(factors.iter().all(|factor| (0.75..=1.5).contains(factor)));
        let (least, greatest) =
            factors.iter().fold((9.0_f32, 0.0_f32), |(least, greatest), &factor| {
                (least.min(factor), greatest.max(factor))
            });
        assert!(least < 0.77 && greatest > 1.48, "{least}, {greatest}");
    }

    #[test]
    fn brightness_is_that_of_keras() {
        let layer = RandomBrightness::new([0.2, 0.2]).value_range([0.0, 10.0]);
        let expected = [2.0, 7.0, 10.0, 4.0, 9.0, 10.0, 6.0, 10.0, 3.0, 8.0, 10.0, 5.0];
        close("lighter", &trained(&layer, &image()), &expected);
    }

    #[test]
    fn factors_and_ranges_that_make_no_sense_are_refused() {
        let contrast = refused(&RandomContrast::new([-0.5, 0.5]), &[1, 3, 4, 1]);
        contrast.says("the `factor` of `random_contrast` is -0.5 and 0.5");
        let range = refused(&RandomBrightness::new(0.1).value_range([1.0, 0.0]), &[1, 3, 4, 1]);
        range.says("the `value_range` of `random_brightness` is [1.0, 0.0]");
    }
}
