//! Digits that 13 people wrote by hand, 1,797 images of 8 by 8 pixels: `handwriting.csv`, of which
//! `README.md` says where it is from.
//!
//! Out: the images as rows of 64 numbers from 0 (paper) to 16 (ink), and their digits.

use endo::data::Csv;
use endo::prelude::*;

/// The first images, for training, and the last, for judging.
pub fn handwriting() -> Result<(Dataset, Dataset)> {
    let text = include_str!("handwriting.csv");
    let table = Csv::new().header(false).read_from(text.as_bytes())?;
    table.dataset("x65")?.split_last(0.2)
}

/// Images as text, one beside the other.
pub fn drawing(images: &Array) -> String {
    let ink = images.to_vec::<f64>();
    let line = |row: usize| {
        let dot = |ink: &f64| [' ', '.', 'o', '#'][(ink / 4.0).clamp(0.0, 3.0) as usize];
        let dots = |image: &[f64]| image[8 * row..8 * row + 8].iter().map(dot).collect::<String>();
        ink.chunks(64).map(dots).collect::<Vec<_>>().join("   ")
    };
    (0..8).map(|row| format!("  {}\n", line(row).trim_end())).collect()
}
