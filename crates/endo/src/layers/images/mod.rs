//! Layers that change images: of another size, cut, turned, moved, or with other colors.
//!
//! In: `[batch, height, width, channels]`. Out: images as floats. What is random is so in training,
//! image by image; outside training these layers return what they are given.

pub(super) mod color;
pub(super) mod crop;
mod factor;
pub(super) mod flip;
pub(super) mod geometry;
mod sampling;
pub(super) mod size;

use crate::graph::Tensor;
use crate::trace::Context;

pub use color::*;
pub use crop::*;
pub use factor::*;
pub use flip::*;
pub use geometry::*;
pub use sampling::FillMode;
pub use size::*;

/// Images as floats: those that they are, or of the type of the model.
#[track_caller]
fn floats(images: &Tensor, cx: &Context) -> Tensor {
    images.cast(images.dtype().promote(cx.dtype()))
}

#[cfg(test)]
mod tests {
    use crate::layers;
    use crate::prelude::*;

    pub(super) use crate::layers::tests::{outputs as trained, refused};

    /// Fails unless the numbers are these.
    pub(super) fn close(what: &str, values: &Array, expected: &[f32]) {
        let values = values.to_vec::<f32>();
        assert_eq!(values.len(), expected.len(), "{what}");
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 2e-5, "{what}: {values:?}, {expected}");
        }
    }

    #[test]
    fn what_is_random_changes_nothing_outside_training() {
        let images = Array::from_fn([2, 3, 4, 2], |index| index as f32);
        for text in [
            "random_flip",
            "random_rotation(0.5)",
            "random_translation(0.5, 0.5)",
            "random_zoom(0.5)",
            "random_contrast(0.5)",
            "random_brightness(0.5)",
        ] {
            let layer = layers::get(text).unwrap();
            let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]).training(false);
            assert_eq!(f.run([&images]).unwrap()[0], images, "{text}");
            assert_ne!(trained(&*layer, &images), images, "{text}");
        }
    }

    #[test]
    fn each_image_has_random_numbers_of_its_own() {
        let image = Array::from_fn([1, 6, 8, 1], |index| (index * 7 % 48) as f32);
        let images = Array::new([16, 6, 8, 1], image.to_vec::<f32>().repeat(16)).unwrap();
        for text in [
            "random_flip",
            "random_crop(2, 3)",
            "random_rotation(0.5)",
            "random_translation(0.5, 0.5)",
            "random_zoom(0.5)",
            "random_contrast(0.5)",
            "random_brightness(0.5)",
        ] {
            let changed = trained(&*layers::get(text).unwrap(), &images);
            let (first, rest) = (changed.rows(0..1), 1..16);
            assert!(rest.into_iter().any(|n| changed.rows(n..n + 1) != first), "{text}");
        }
    }

    #[test]
    fn text_makes_the_layers_again() {
        for (text, expected) in [
            (
                "resizing(2, 3, crop_to_aspect_ratio=true)",
                "Resizing(height=2, width=3, interpolation=bilinear, crop_to_aspect_ratio=true, \
                    pad_to_aspect_ratio=false, fill_value=0.0, antialias=false)",
            ),
            ("center_crop(2, 3)", "CenterCrop(height=2, width=3)"),
            ("random_crop(2, 3, seed=1)", "RandomCrop(height=2, width=3)"),
            ("random_flip(vertical)", "RandomFlip(mode=vertical)"),
            (
                "random_rotation((-0.1, 0.2), fill_mode=wrap)",
                "RandomRotation(factor=[-0.1, 0.2], fill_mode=wrap, interpolation=bilinear, \
                    fill_value=0.0)",
            ),
            (
                "random_translation(0.1, [0, 0.2], constant, nearest, fill_value=1)",
                "RandomTranslation(height_factor=[-0.1, 0.1], width_factor=[0.0, 0.2], \
                    fill_mode=constant, interpolation=nearest, fill_value=1.0)",
            ),
            (
                "random_zoom(0.1)",
                "RandomZoom(height_factor=[-0.1, 0.1], width_factor=none, fill_mode=reflect, \
                    interpolation=bilinear, fill_value=0.0)",
            ),
            (
                "random_contrast(0.1, [0, 1])",
                "RandomContrast(factor=[0.1, 0.1], value_range=[0.0, 1.0])",
            ),
            (
                "random_brightness(0.1)",
                "RandomBrightness(factor=[-0.1, 0.1], value_range=[0.0, 255.0])",
            ),
        ] {
            let layer = layers::get(text).unwrap();
            let written = layer.hyperparameters().written(expected.split('(').next().unwrap());
            assert_eq!(written, expected);
            let again = layers::get(&written).unwrap();
            assert_eq!(layer.hyperparameters(), again.hyperparameters());
        }
    }
}
