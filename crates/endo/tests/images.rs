//! Folders of images, read by the crate `image`. The files are written here byte by byte.
//!
//! In: folders of small images. Out: their bytes and classes; and errors that name the file.

#[path = "support/folder.rs"]
mod folder;

use std::fs;
use std::path::Path;

use endo::data::ImageFolder;
use endo::prelude::*;

use folder::Folder;

/// Writes an image of three bytes for each pixel as BMP: rows from below, blue before green before
/// red, each row filled up to four bytes.
fn write(path: &Path, [height, width]: [usize; 2], pixels: &[[u8; 3]]) {
    let fill = (4 - width * 3 % 4) % 4;
    let size = (width * 3 + fill) * height;
    let mut bytes = b"BM".to_vec();
    bytes.extend(
        [54 + size as u32, 0, 54, 40, width as u32, height as u32]
            .iter()
            .flat_map(|number| number.to_le_bytes()),
    );
    bytes.extend([1, 0, 24, 0]); // one plane, 24 bits
    bytes.extend(
        [0, size as u32, 2835, 2835, 0, 0].iter().flat_map(|number: &u32| number.to_le_bytes()),
    );
    for row in pixels.chunks(width).rev() {
        for [red, green, blue] in row.iter() {
            bytes.extend([blue, green, red]);
        }
        bytes.extend(vec![0; fill]);
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Images of one colour each: dark ones, and bright ones.
fn shades(folder: &Folder) {
    for number in 0..10_u8 {
        write(&folder.path(&format!("dark/{number}.bmp")), [2, 2], &[[10 + number, 5, 0]; 4]);
        write(
            &folder.path(&format!("bright/{number}.BMP")),
            [3, 3],
            &[[200 + number, 220, 250]; 9],
        );
    }
    fs::write(folder.path("dark/notes.txt"), "no image").unwrap();
    write(&folder.path(".cache/0.bmp"), [2, 2], &[[0, 0, 0]; 4]);
}

#[test]
fn images_are_bytes_with_the_class_of_their_folder() {
    let folder = Folder::new("images");
    write(&folder.path("a/1.bmp"), [1, 2], &[[1, 2, 3], [4, 5, 6]]);
    write(&folder.path("b/1.bmp"), [1, 2], &[[7, 8, 9], [10, 11, 12]]);
    let mut images = ImageFolder::open(&folder, [1, 2]).unwrap();
    assert_eq!((images.classes(), images.count()), (&["a".to_string(), "b".to_string()][..], 2));
    let batch = images.take(&[1, 0]).unwrap();
    assert_eq!(
        batch.inputs(),
        &Array::from([7_u8, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6]).reshape([2, 1, 2, 3]).unwrap()
    );
    assert_eq!(batch.targets().unwrap(), &Array::from([1, 0]));
    let mut grey = ImageFolder::open(&folder, [1, 1]).unwrap().grayscale();
    assert_eq!(grey.take(&[0]).unwrap().inputs().shape().sizes(), [1, 1, 1, 1]);
}

#[test]
fn what_can_be_told_apart_is_learnt_from_the_files() {
    let folder = Folder::new("images-fit");
    shades(&folder);
    let (train, valid) = ImageFolder::open(&folder, [2, 2]).unwrap().split(0.2, 1).unwrap();
    assert_eq!((train.count(), valid.count()), (16, 4));
    let net = Sequential::new()
        .add(Rescaling::new(1.0 / 255.0))
        .add(Flatten::new())
        .add(Dense::new(2).activation("softmax"));
    let mut model = Model::new(net);
    model.compile(Adam::new(0.05), "sparse_categorical_crossentropy", ["accuracy"]);
    let options = Fit::epochs(20).batch_size(4).validation(Stream::samples(valid));
    let history = model.fit(Stream::samples(train).prefetch(2), options).unwrap();
    assert_eq!(history.last("val_accuracy"), Some(1.0));
}

#[test]
fn what_is_no_image_is_named() {
    let folder = Folder::new("images-odd");
    let error = ImageFolder::open(&folder, [2, 2]).unwrap_err();
    assert!(error.message().ends_with("there is no image in the folders within"), "{error}");
    assert!(
        ImageFolder::open(folder.path("none"), [2, 2])
            .unwrap_err()
            .message()
            .starts_with("cannot read")
    );
    assert!(ImageFolder::open(&folder, [0, 2]).unwrap_err().message().contains("no pixel"));
    shades(&folder);
    fs::write(folder.path("bright/torn.png"), b"\x89PNG\r\n\x1a\n torn").unwrap();
    let mut images = ImageFolder::open(&folder, [2, 2]).unwrap();
    let all: Vec<usize> = (0..images.count()).collect();
    let error = images.take(&all).unwrap_err();
    assert!(error.message().contains("bright/torn.png: this image cannot be read"), "{error}");
    assert!(images.split(0.01, 1).unwrap_err().message().contains("leaves a part without images"));
}
