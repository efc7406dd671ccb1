//! Folders of images, one for each class.
//!
//! In: a folder, a size. Out: [`ImageFolder`], samples of bytes with their classes, which are read
//! when they are needed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::array::Array;
use crate::error::{Error, Result};
use crate::files::{failure, unfit};
use crate::random::Random;

use super::Dataset;
use super::checks::{check_fraction, check_split};
use super::stream::Samples;

/// Images in folders as samples: each folder within the one that is given is a class, by its name
/// in alphabetical order, and holds images (PNG, JPEG or BMP). Keras's
/// `image_dataset_from_directory`. With the feature `images`.
///
/// A batch has inputs `u8[samples, height, width, channels]` and classes `i32[samples]`. Images of
/// other sizes are resized without regard to their proportions: bilinear, between the centres of
/// pixels, as `tf.image.resize`, rounded to bytes.
///
/// ```no_run
/// use endo::data::ImageFolder;
/// use endo::prelude::*;
///
/// // flowers/daisy/1.jpg, flowers/rose/2.png, ..
/// let (train, valid) = ImageFolder::open("flowers", [64, 64])?.split(0.2, 42)?;
/// let classes = train.classes().len();
/// let net = Sequential::new()
///     .add(Rescaling::new(1.0 / 255.0))
///     .add(Conv2D::new(16, 3).activation("relu"))
///     .add(GlobalAveragePooling2D::new())
///     .add(Dense::new(classes).activation("softmax"));
/// let mut model = Model::new(net);
/// model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"]);
/// model.fit(
///     Stream::samples(train).prefetch(2),
///     Fit::epochs(10).validation(Stream::samples(valid)),
/// )?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageFolder {
    height: usize,
    width: usize,
    channels: usize,
    classes: Vec<String>,
    /// Each image with its class.
    images: Vec<(PathBuf, usize)>,
}

/// The ends of the names of images.
const ENDS: [&str; 4] = ["png", "jpg", "jpeg", "bmp"];

impl ImageFolder {
    /// Lists the images of a folder, each of which is resized to `[height, width]` pixels when it
    /// is read.
    ///
    /// # Errors
    /// If a folder cannot be read, or there is no image in any.
    pub fn open(path: impl AsRef<Path>, [height, width]: [usize; 2]) -> Result<Self> {
        let path = path.as_ref();
        if height == 0 || width == 0 {
            let message = format!("images of {height} by {width} pixels have no pixel");
            return Err(Error::argument(message, "give a height and a width of at least 1"));
        }
        let (mut classes, mut images) = (Vec::new(), Vec::new());
        for folder in listed(path)?.into_iter().filter(|entry| entry.is_dir()) {
            let files = listed(&folder)?.into_iter().filter(|file| is_image(file));
            images.extend(files.map(|file| (file, classes.len())));
            classes.push(folder.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
        if images.is_empty() {
            let help = "put the images of each class into a folder of its own: \
                `flowers/rose/1.png`; PNG, JPEG and BMP are read";
            return Err(unfit(path, "there is no image in the folders within", help));
        }
        Ok(Self { height, width, channels: 3, classes, images })
    }

    /// As shades of grey: one channel instead of red, green and blue.
    #[must_use]
    pub fn grayscale(mut self) -> Self {
        self.channels = 1;
        self
    }

    /// The names of the classes, in the order of their numbers.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The files, in the order of the samples.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.images.iter().map(|(path, _)| path.as_path())
    }

    /// The images, shuffled by seed, in two parts: the rest, and the nearest whole number of images
    /// to `fraction`. Both number the classes alike.
    ///
    /// # Errors
    /// If the fraction is not between 0 and 1, or a part would be empty.
    pub fn split(mut self, fraction: f64, seed: u64) -> Result<(Self, Self)> {
        check_fraction(fraction)?;
        let part = (self.images.len() as f64 * fraction).round() as usize;
        check_split("images", part, self.images.len(), fraction)?;
        let order = Random::new(seed, 0).permutation(self.images.len());
        self.images = order.into_iter().map(|place| self.images[place].clone()).collect();
        let others = self.images.split_off(self.images.len() - part);
        Ok((self.clone(), Self { images: others, ..self }))
    }

    /// The bytes of an image, row by row, pixel by pixel.
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let bytes = fs::read(path).map_err(|error| failure("cannot read", path, &error))?;
        let image = image::load_from_memory(&bytes).map_err(|error| {
            let what = format!("this image cannot be read: {error}");
            unfit(path, what, "remove it, or write it anew as PNG")
        })?;
        let (width, height) = (image.width() as usize, image.height() as usize);
        let bytes = if self.channels == 1 {
            image.into_luma8().into_raw()
        } else {
            image.into_rgb8().into_raw()
        };
        if width == 0 || height == 0 {
            return Err(unfit(path, "the image has no pixel", "remove it"));
        }
        Ok(self.resized(&bytes, [height, width]))
    }

    /// Bytes of an image of a size as those of one of this size.
    fn resized(&self, bytes: &[u8], [height, width]: [usize; 2]) -> Vec<u8> {
        if [height, width] == [self.height, self.width] {
            return bytes.to_vec();
        }
        let (rows, columns) = (between(height, self.height), between(width, self.width));
        let mut resized = Vec::with_capacity(self.height * self.width * self.channels);
        for &(top, bottom, down) in &rows {
            for &(left, right, across) in &columns {
                for channel in 0..self.channels {
                    let at = |row: usize, column: usize| {
                        f32::from(bytes[(row * width + column) * self.channels + channel])
                    };
                    let upper = at(top, left) + (at(top, right) - at(top, left)) * across;
                    let lower = at(bottom, left) + (at(bottom, right) - at(bottom, left)) * across;
                    resized.push((upper + (lower - upper) * down).round() as u8);
                }
            }
        }
        resized
    }
}

/// For each of `to` pixels the two of `from` pixels between whose centres its own lies, and how far
/// it is from the first to the second.
fn between(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let scale = from as f32 / to as f32;
    let place = |pixel: usize| {
        let centre = ((pixel as f32 + 0.5) * scale - 0.5).max(0.0);
        let first = (centre.floor() as usize).min(from - 1);
        (first, (first + 1).min(from - 1), centre - first as f32)
    };
    (0..to).map(place).collect()
}

/// What is in a folder, in alphabetical order.
fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error: std::io::Error| failure("cannot read", folder, &error);
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    // Programs keep things of their own under names that begin with a point.
    paths.retain(|path| {
        path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'))
    });
    paths.sort();
    Ok(paths)
}

fn is_image(path: &Path) -> bool {
    let end = path.extension().map(|end| end.to_string_lossy().to_lowercase());
    path.is_file() && end.is_some_and(|end| ENDS.contains(&end.as_str()))
}

impl Samples for ImageFolder {
    fn count(&self) -> usize {
        self.images.len()
    }

    fn take(&mut self, numbers: &[usize]) -> Result<Dataset> {
        let mut bytes =
            Vec::with_capacity(numbers.len() * self.height * self.width * self.channels);
        let mut classes = Vec::with_capacity(numbers.len());
        for &number in numbers {
            let (path, class) = &self.images[number];
            bytes.extend(self.read(path)?);
            classes.push(*class as i32);
        }
        Dataset::new(
            Array::new([numbers.len(), self.height, self.width, self.channels], bytes)?,
            classes,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixel `i` of `n` lies at `(i + 1/2) / n`.
    #[test]
    fn images_are_resized_between_the_centres_of_pixels() {
        let resized = |bytes: &[u8], from: [usize; 2], [height, width]: [usize; 2]| {
            let folder =
                ImageFolder { height, width, channels: 1, classes: Vec::new(), images: Vec::new() };
            folder.resized(bytes, from)
        };
        assert_eq!(resized(&[0, 100], [1, 2], [1, 4]), [0, 25, 75, 100]);
        assert_eq!(resized(&[0, 100, 200, 40], [2, 2], [1, 1]), [85]);
        assert_eq!(resized(&[0, 10, 20, 30, 40, 50], [1, 6], [1, 3]), [5, 25, 45]);
        assert_eq!(resized(&[7], [1, 1], [2, 3]), [7; 6]);
    }
}
