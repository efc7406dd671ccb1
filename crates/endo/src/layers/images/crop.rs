//! Windows of images at random places in training.
//!
//! In: `[batch, height, width, channels]`. Out: floats of the height and width of the layer.

use crate::dtype::DType;
use crate::error::Result;
use crate::graph::Tensor;
use crate::named::{Count, Named, Unsaved};
use crate::ops::RandomState;
use crate::site::Site;
use crate::trace::Context;

use super::super::Layer;
use super::super::declare::{about, layer, row};
use super::super::dropout::Seed;
use super::super::spatial::{check_rank, or_refuse};
use super::floats;
use super::sampling::picked;
use super::size::{checked_size, enlarged_window};

/// The rows of this file.
pub(in super::super) static ROWS: &[Named<dyn Layer>] = &[row::<RandomCrop>()];

layer! {
    /// In training, a window at a random place of each image `[batch, height, width, channels]`.
    /// Outside training, and of images that are smaller than that, the largest window in the middle
    /// with these proportions, of that size. Keras's `RandomCrop`, which draws one place for the
    /// whole batch, and leaves images outside training as large as they are.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = RandomCrop::new(1, 2);
    /// let mut train = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// let [y] = train.run([&Array::from([1.0_f32, 2.0, 3.0, 4.0]).reshape([1, 1, 4, 1])?])?;
    /// assert_eq!((y.shape().sizes(), y.get(1)), (&[1, 1, 2, 1][..], y.get(0) + 1.0));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    RandomCrop ["random_crop"]
    /// Windows of this height and width.
    (height: Count as usize, width: Count as usize) {
        /// A seed of the layer's own instead of that of the model or function.
        seed: Seed as u64 = Unsaved(None),
    }
}

impl RandomCrop {
    #[track_caller]
    fn cropped(&self, inputs: &Tensor, cx: &mut Context) -> Result<Tensor> {
        check_rank(inputs.shape(), 2, cx)?;
        let target = checked_size([self.height, self.width], cx)?;
        let images = floats(inputs, cx);
        let is_large = images.shape()[1] >= target[0] && images.shape()[2] >= target[1];
        if !cx.training() || !is_large {
            return Ok(enlarged_window(&images, target));
        }
        let [rows, columns] = [0, 1].map(|axis| {
            let length = images.shape()[1 + axis];
            let starts = starts(&self.seed.random(cx), images.batch(), length - target[axis] + 1);
            let sizes = [[1, target[0], 1], [1, 1, target[1]]][axis];
            let along =
                images.trace().constant_from_fn(sizes, |place| place as i32, Site::caller());
            starts.reshape([images.batch(), 1, 1]) + along
        });
        Ok(picked(&images, &rows, &columns))
    }
}

/// One of the numbers from 0 to below `choices` for each of `count` images, `[count]`.
#[track_caller]
fn starts(random: &RandomState, count: usize, choices: usize) -> Tensor {
    let drawn = random.uniform([count], 0.0, choices as f64).floor().cast(DType::I32);
    drawn.minimum(choices as i32 - 1)
}

impl Layer for RandomCrop {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        or_refuse(self.cropped(inputs, cx), inputs, 2, cx)
    }

    about! {}
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, refused, trained};
    use crate::prelude::*;

    #[test]
    fn windows_lie_anywhere_and_hold_neighbours() {
        let image = Array::from_fn([1, 3, 4, 1], |index| index as f32);
        let images = Array::new([200, 3, 4, 1], image.to_vec::<f32>().repeat(200)).unwrap();
        let windows = trained(&RandomCrop::new(2, 2), &images);
        assert_eq!(windows.shape().sizes(), [200, 2, 2, 1]);
        let mut counts = [0; 12];
        for window in windows.to_vec::<f32>().chunks(4) {
            let first = window[0];
            assert_eq!(window, [first, first + 1.0, first + 4.0, first + 5.0]);
            counts[first as usize] += 1;
        }
        assert!([0, 1, 2, 4, 5, 6].iter().all(|&first| counts[first] > 10), "{counts:?}");
        assert_eq!(counts.iter().sum::<usize>(), 200);
    }

    #[test]
    fn outside_training_the_middle_is_kept() {
        let images = Array::from_fn([1, 2, 4, 1], |index| index as f32);
        let layer = RandomCrop::new(2, 2);
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]).training(false);
        close("the middle", &f.run([&images]).unwrap()[0], &[1.0, 2.0, 5.0, 6.0]);
        let larger = trained(&RandomCrop::new(4, 4), &images);
        assert_eq!(larger.shape().sizes(), [1, 4, 4, 1]);
        assert_eq!((larger.get(0), larger.get(15)), (1.0, 6.0));
    }

    #[test]
    fn windows_of_nothing_are_refused() {
        refused(&RandomCrop::new(0, 2), &[1, 3, 4, 1]).says("`random_crop` makes images of 0 by 2");
    }
}
