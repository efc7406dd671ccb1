//! Images flipped at random in training.
//!
//! In: `[batch, height, width, channels]`. Out: the same shape, as floats; outside training the
//! same numbers.

use crate::graph::Tensor;
use crate::named::{Named, Unsaved, words};
use crate::trace::Context;

use super::super::Layer;
use super::super::declare::{about, layer, row};
use super::super::dropout::Seed;
use super::super::spatial::{check_rank, refuse};
use super::floats;

/// The rows of this file.
pub(in super::super) static ROWS: &[Named<dyn Layer>] = &[row::<RandomFlip>()];

words! {
    /// How images are flipped.
    FlipMode, "`horizontal`, `vertical` or `horizontal_and_vertical`" {
        /// Left becomes right.
        Horizontal = "horizontal",
        /// Top becomes bottom.
        Vertical = "vertical",
        /// Either, neither or both.
        HorizontalAndVertical = "horizontal_and_vertical",
    }
}

layer! {
    /// In training, flips each image `[batch, height, width, channels]` with a probability of 1/2.
    /// Keras's `RandomFlip`, in which both directions share one draw: there an image is flipped
    /// in both or in none, here in each by itself.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = RandomFlip::new().mode(FlipMode::Horizontal);
    /// let mut train = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// let [y] = train.run([&Array::from([1.0_f32, 2.0]).reshape([1, 1, 2, 1])?])?;
    /// assert!([[1.0, 2.0], [2.0, 1.0]].contains(&[y.get(0), y.get(1)]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    RandomFlip ["random_flip"]
    /// Flips from left to right and from top to bottom.
    () {
        /// In which directions. `FlipMode::HorizontalAndVertical` unless set.
        mode: FlipMode = FlipMode::HorizontalAndVertical,
        /// A seed of the layer's own instead of that of the model or function.
        seed: Seed as u64 = Unsaved(None),
    }
}

impl Layer for RandomFlip {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        if let Err(error) = check_rank(inputs.shape(), 2, cx) {
            return refuse(error, inputs, 2, inputs.features(), cx);
        }
        let images = floats(inputs, cx);
        if !cx.training() {
            return images;
        }
        let axes: &[isize] = match self.mode {
            FlipMode::Horizontal => &[2],
            FlipMode::Vertical => &[1],
            FlipMode::HorizontalAndVertical => &[2, 1],
        };
        axes.iter().fold(images, |images, &axis| {
            let flips = self.seed.random(cx).bernoulli([images.batch(), 1, 1, 1], 0.5);
            flips.broadcast_to(images.shape()).where_(images.flip(axis), &images)
        })
    }

    about! {}
}

#[cfg(test)]
mod tests {
    use super::super::tests::trained;
    use crate::prelude::*;

    /// How often each of four images comes of one that is flipped: as it is, by its columns, by its
    /// rows and by both.
    fn counts(layer: RandomFlip) -> [usize; 4] {
        let images = Array::new([400, 2, 2, 1], [1.0_f32, 2.0, 3.0, 4.0].repeat(400)).unwrap();
        let flipped = trained(&layer, &images).to_vec::<f32>();
        [[1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 4.0, 3.0], [3.0, 4.0, 1.0, 2.0], [4.0, 3.0, 2.0, 1.0]]
            .map(|image| flipped.chunks(4).filter(|flipped| *flipped == image).count())
    }

    #[test]
    fn half_of_the_images_are_flipped_in_each_direction() {
        let all = |counts: [usize; 4]| counts.iter().all(|count| (70..130).contains(count));
        let both = counts(RandomFlip::new());
        assert!(all(both), "{both:?}");
        let [same, columns, rows, turned] = counts(RandomFlip::new().mode(FlipMode::Horizontal));
        assert!((160..240).contains(&same) && columns == 400 - same);
        assert_eq!((rows, turned), (0, 0));
        let [same, columns, rows, turned] = counts(RandomFlip::new().mode(FlipMode::Vertical));
        assert!((160..240).contains(&same) && rows == 400 - same);
        assert_eq!((columns, turned), (0, 0));
    }

    #[test]
    fn flips_follow_the_seed() {
        let images = Array::from_fn([16, 1, 2, 1], |index| index as f32);
        let flipped = |layer: RandomFlip| trained(&layer, &images);
        assert_eq!(flipped(RandomFlip::new().seed(7)), flipped(RandomFlip::new().seed(7)));
        assert_ne!(flipped(RandomFlip::new().seed(7)), flipped(RandomFlip::new().seed(8)));
    }
}
