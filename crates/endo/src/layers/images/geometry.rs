//! Images turned, moved and zoomed at random in training.
//!
//! In: `[batch, height, width, channels]`. Out: the same shape, as floats; outside training the
//! same numbers.

use std::f64::consts::TAU;

use crate::error::Result;
use crate::graph::Tensor;
use crate::named::{Named, Unsaved};
use crate::trace::Context;

use super::super::Layer;
use super::super::declare::{about, layer, row};
use super::super::dropout::Seed;
use super::super::interpolation::Interpolation;
use super::super::spatial::{check_rank, refuse};
use super::factor::Factor;
use super::floats;
use super::sampling::{Affine, FillMode, Sampling};

/// The rows of this file.
pub(in super::super) static ROWS: &[Named<dyn Layer>] =
    &[row::<RandomRotation>(), row::<RandomTranslation>(), row::<RandomZoom>()];

layer! {
    /// In training, turns each image `[batch, height, width, channels]` around its middle by a
    /// random angle. Keras's `RandomRotation`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// // A quarter of a turn, counterclockwise.
    /// let layer = RandomRotation::new([0.25, 0.25]);
    /// let mut train = Function::new(|[x], cx| [layer.apply(&x, cx).round()]);
    /// let [y] = train.run([&Array::from([1.0_f32, 2.0, 3.0, 4.0]).reshape([1, 2, 2, 1])?])?;
    /// assert_eq!(y.to_vec::<f32>(), [2.0, 4.0, 1.0, 3.0]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    RandomRotation ["random_rotation"]
    /// Angles as shares of a whole turn, within -1 and 1; positive ones are counterclockwise.
    (factor: Factor => Factor) {
        /// What lies outside the image. `FillMode::Reflect` unless set.
        fill_mode: FillMode = FillMode::Reflect,
        /// What lies between elements: `Interpolation::Nearest`, or `Interpolation::Bilinear`
        /// unless set.
        interpolation: Interpolation = Interpolation::Bilinear,
        /// A seed of the layer's own instead of that of the model or function.
        seed: Seed as u64 = Unsaved(None),
        /// What `FillMode::Constant` fills with. 0 unless set.
        fill_value: f64 = 0.0,
    }
}

layer! {
    /// In training, moves each image `[batch, height, width, channels]` down and to the right by
    /// random shares of its height and width. Keras's `RandomTranslation`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let right = RandomTranslation::new(0.0, [0.5, 0.5]).fill_mode(FillMode::Constant);
    /// let mut train = Function::new(|[x], cx| [right.apply(&x, cx)]);
    /// let [y] = train.run([&Array::from([1.0_f32, 2.0, 3.0, 4.0]).reshape([1, 1, 4, 1])?])?;
    /// assert_eq!(y.to_vec::<f32>(), [0.0, 0.0, 1.0, 2.0]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    RandomTranslation ["random_translation"]
    /// Shares of the height, downwards, and of the width, to the right, within -1 and 1.
    (height_factor: Factor => Factor, width_factor: Factor => Factor) {
        /// What lies outside the image. `FillMode::Reflect` unless set.
        fill_mode: FillMode = FillMode::Reflect,
        /// What lies between elements: `Interpolation::Nearest`, or `Interpolation::Bilinear`
        /// unless set.
        interpolation: Interpolation = Interpolation::Bilinear,
        /// A seed of the layer's own instead of that of the model or function.
        seed: Seed as u64 = Unsaved(None),
        /// What `FillMode::Constant` fills with. 0 unless set.
        fill_value: f64 = 0.0,
    }
}

layer! {
    /// In training, shows each image `[batch, height, width, channels]` smaller or larger around
    /// its middle, with its own size: `1 + factor` of its height and width are seen. Keras's
    /// `RandomZoom`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let closer = RandomZoom::new([-0.5, -0.5]).interpolation(Interpolation::Nearest);
    /// let mut train = Function::new(|[x], cx| [closer.apply(&x, cx)]);
    /// let x = Array::from_fn([1, 1, 5, 1], |index| index as f32);
    /// assert_eq!(train.run([&x])?[0].to_vec::<f32>(), [1.0, 2.0, 2.0, 3.0, 3.0]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    RandomZoom ["random_zoom"]
    /// How much more of the height is seen, more than -1 and up to 1: positive numbers zoom out.
    (height_factor: Factor => Factor) {
        /// How much more of the width is seen. The same as of the height unless set.
        width_factor: Option<Factor> => Factor = None,
        /// What lies outside the image. `FillMode::Reflect` unless set.
        fill_mode: FillMode = FillMode::Reflect,
        /// What lies between elements: `Interpolation::Nearest`, or `Interpolation::Bilinear`
        /// unless set.
        interpolation: Interpolation = Interpolation::Bilinear,
        /// A seed of the layer's own instead of that of the model or function.
        seed: Seed as u64 = Unsaved(None),
        /// What `FillMode::Constant` fills with. 0 unless set.
        fill_value: f64 = 0.0,
    }
}

/// A layer that moves the elements of images.
macro_rules! moving {
    ($($Layer:ident),+) => {
        $(impl Layer for $Layer {
            #[track_caller]
            fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
                let sampling = Sampling {
                    interpolation: self.interpolation,
                    fill_mode: self.fill_mode,
                    fill_value: self.fill_value,
                };
                let checked = check_rank(inputs.shape(), 2, cx)
                    .and_then(|()| sampling.check(cx))
                    .and_then(|()| self.check(cx));
                if let Err(error) = checked {
                    return refuse(error, inputs, 2, inputs.features(), cx);
                }
                let images = floats(inputs, cx);
                if !cx.training() {
                    return images;
                }
                let map = self.map(&images, cx);
                sampling.moved(&images, &map)
            }

            about! {}
        })+
    };
}

moving! { RandomRotation, RandomTranslation, RandomZoom }

impl RandomRotation {
    fn check(&self, cx: &Context) -> Result<()> {
        self.factor.check("factor", [-1.0, 1.0], cx)
    }

    /// A turn of each image around its middle.
    #[track_caller]
    fn map(&self, images: &Tensor, cx: &mut Context) -> Affine {
        let angle = self.factor.draw(&self.seed.random(cx), images.batch(), 0.0) * TAU;
        let (cosine, sine) = (angle.cos(), angle.sin());
        let [y, x] = middle(images);
        // What stays where it is, is the middle.
        let rows = [cosine.clone(), sine.clone(), y - &cosine * y - &sine * x];
        let columns = [-&sine, cosine.clone(), x - &cosine * x + &sine * y];
        Affine { rows, columns }
    }
}

impl RandomTranslation {
    fn check(&self, cx: &Context) -> Result<()> {
        self.height_factor.check("height_factor", [-1.0, 1.0], cx)?;
        self.width_factor.check("width_factor", [-1.0, 1.0], cx)
    }

    /// A move of each image: what is seen was nearer to the start by so much.
    #[track_caller]
    fn map(&self, images: &Tensor, cx: &mut Context) -> Affine {
        let count = images.batch();
        let [height, width] = [images.shape()[1], images.shape()[2]].map(|length| length as f64);
        let down = self.height_factor.draw(&self.seed.random(cx), count, 0.0) * height;
        let right = self.width_factor.draw(&self.seed.random(cx), count, 0.0) * width;
        let [zero, one] = [0.0, 1.0].map(|number| &down * 0.0 + number);
        Affine { rows: [one.clone(), zero.clone(), -down], columns: [zero, one, -right] }
    }
}

impl RandomZoom {
    fn check(&self, cx: &Context) -> Result<()> {
        // More than -1, of which nothing would be seen.
        let range = [f64::EPSILON - 1.0, 1.0];
        self.height_factor.check("height_factor", range, cx)?;
        self.width_factor.map_or(Ok(()), |factor| factor.check("width_factor", range, cx))
    }

    /// How much of each image is seen, around its middle.
    #[track_caller]
    fn map(&self, images: &Tensor, cx: &mut Context) -> Affine {
        let count = images.batch();
        let height = self.height_factor.draw(&self.seed.random(cx), count, 1.0);
        let width = match self.width_factor {
            Some(factor) => factor.draw(&self.seed.random(cx), count, 1.0),
            None => height.clone(),
        };
        let [y, x] = middle(images);
        let zero = &height * 0.0;
        let (down, right) = ((1.0 - &height) * y, (1.0 - &width) * x);
        Affine { rows: [height, zero.clone(), down], columns: [zero, width, right] }
    }
}

/// The row and the column in the middle of images.
fn middle(images: &Tensor) -> [f64; 2] {
    [1, 2].map(|axis| (images.shape()[axis] as f64 - 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, refused, trained};
    use super::*;
    use crate::prelude::*;

    /// An image of 3 by 4 whose numbers are all different.
    fn image() -> Array {
        Array::from_fn([1, 3, 4, 1], |index| (index * 5 % 13) as f32)
    }

    #[test]
    fn a_turn_is_that_of_keras() {
        for (fill_mode, expected) in [
            (
                FillMode::Constant,
                [
                    0.66137, 7.44735, 6.25551, 5.68229, 2.26063, 9.54366, 6.45635, 5.56108,
                    4.23414, 6.44779, 6.70028, 2.40053,
                ],
            ),
            (
                FillMode::Nearest,
                [
                    4.3713, 8.41638, 6.25551, 8.56403, 2.26063, 9.54366, 6.45635, 5.56108, 6.49137,
                    6.44779, 7.58362, 9.99408,
                ],
            ),
            (
                FillMode::Wrap,
                [
                    5.06199, 8.51929, 6.25551, 7.96141, 2.26063, 9.54366, 6.45635, 5.56108, 7.094,
                    6.44779, 7.48071, 9.30338,
                ],
            ),
        ] {
            let layer = RandomRotation::new([0.1, 0.1]).fill_mode(fill_mode).fill_value(-1.0);
            close(&format!("{fill_mode:?}"), &trained(&layer, &image()), &expected);
        }
        let nearest = RandomRotation::new([-0.2, -0.2]).interpolation(Interpolation::Nearest);
        let expected = [1.0, 7.0, 5.0, 5.0, 6.0, 12.0, 4.0, 10.0, 11.0, 11.0, 9.0, 2.0];
        close("nearest", &trained(&nearest, &image()), &expected);
    }

    #[test]
    fn a_move_is_that_of_keras() {
        for (fill_mode, expected) in [
            (
                FillMode::Constant,
                [-1.0, -1.0, -1.0, -1.0, -0.76, -1.0, -1.0, -1.0, 0.76, -1.0, -1.0, -1.0],
            ),
            (FillMode::Nearest, [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 3.4, 3.4, 3.4, 3.4]),
            (FillMode::Reflect, [7.6, 6.16, 8.44, 7.6, 2.0, 6.8, 7.0, 2.0, 3.4, 6.64, 7.36, 3.4]),
            (FillMode::Wrap, [6.6, 8.8, 7.56, 6.84, 1.6, 3.8, 8.8, 6.0, 2.2, 4.4, 7.84, 5.56]),
        ] {
            let layer = RandomTranslation::new([0.6, 0.6], [-0.9, -0.9]).fill_mode(fill_mode);
            let moved = trained(&layer.fill_value(-1.0), &image());
            close(&format!("{fill_mode:?}"), &moved, &expected);
        }
        // Points in the middle between two elements.
        let nearest = RandomTranslation::new([0.5, 0.5], [-0.375, -0.375])
            .interpolation(Interpolation::Nearest);
        let expected = [4.0, 9.0, 9.0, 4.0, 10.0, 2.0, 2.0, 10.0, 4.0, 9.0, 9.0, 4.0];
        close("nearest", &trained(&nearest, &image()), &expected);
    }

    #[test]
    fn a_zoom_is_that_of_keras() {
        for (fill_mode, expected) in [
            (FillMode::Constant, [0.2, 1.1, 2.0, 1.34, 10.0, 10.4, 5.6, 6.0, 0.5, 1.4, 2.3, 1.64]),
            (FillMode::Reflect, [3.0, 6.0, 9.0, 6.8, 10.0, 10.4, 5.6, 6.0, 4.0, 7.0, 10.0, 7.8]),
            (FillMode::Wrap, [3.7, 6.7, 9.7, 7.5, 10.0, 10.4, 5.6, 6.0, 3.3, 6.3, 9.3, 7.1]),
        ] {
            let layer = RandomZoom::new([0.7, 0.7]).width_factor([-0.4, -0.4]);
            let layer = layer.fill_mode(fill_mode).fill_value(-1.0);
            close(&format!("{fill_mode:?}"), &trained(&layer, &image()), &expected);
        }
        let nearest = RandomZoom::new([0.5, 0.5])
            .interpolation(Interpolation::Nearest)
            .fill_mode(FillMode::Wrap);
        let expected = [3.0, 6.0, 11.0, 1.0, 9.0, 12.0, 4.0, 7.0, 2.0, 5.0, 10.0, 0.0];
        close("nearest", &trained(&nearest, &image()), &expected);
    }

    #[test]
    fn images_of_a_batch_are_not_mixed() {
        let images = Array::from_fn([2, 2, 2, 3], |index| index as f32);
        let quarter = trained(&RandomRotation::new([0.25, 0.25]), &images);
        let expected: Vec<f32> = [1, 3, 0, 2, 5, 7, 4, 6]
            .iter()
            .flat_map(|pixel| [0, 1, 2].map(|channel| (pixel * 3 + channel) as f32))
            .collect();
        close("a quarter of a turn", &quarter, &expected);
    }

    #[test]
    fn gradients_go_to_the_elements_that_are_seen() {
        let layer =
            RandomTranslation::new([0.0, 0.0], [0.375, 0.375]).fill_mode(FillMode::Constant);
        let mut f = Function::new(|[x], cx| {
            let y = layer.apply(&x, cx).sum();
            [cx.gradients(&y, [&x]).into_tensors().remove(0).unwrap()]
        });
        let [slope] = f.run([&Array::zeros([1, 1, 4, 1], DType::F32)]).unwrap();
        close("the slope", &slope, &[1.0, 1.0, 0.5, 0.0]);
    }

    #[test]
    fn factors_and_interpolations_that_make_no_sense_are_refused() {
        let turned = refused(&RandomRotation::new(1.5), &[1, 3, 4, 1]);
        turned.says("the `factor` of `random_rotation` is -1.5 to 1.5");
        assert_eq!(turned.advice(), Some("it lies within -1 and 1"));
        let moved = refused(&RandomTranslation::new(0.1, f64::NAN), &[1, 3, 4, 1]);
        moved.says("the `width_factor` of `random_translation`");
        let zoomed = refused(&RandomZoom::new([-1.0, 0.0]), &[1, 3, 4, 1]);
        zoomed.says("the `height_factor` of `random_zoom` is -1 to 0");
        let cubic =
            refused(&RandomZoom::new(0.1).interpolation(Interpolation::Bicubic), &[1, 3, 4, 1]);
        cubic.says("`random_zoom` interpolates by Bicubic");
    }
}
