//! Images of digits, 8 by 8, drawn in code: each digit of a font of 5 by 7 dots at a random place,
//! in random ink, with noise.
//!
//! In: a number of images and a seed. Out: images `[count, 8, 8]` with grey from about 0 to 1, and
//! their digits `[count]`.

use endo::prelude::*;
use endo::random::Random;

/// The rows of each digit from the top, five dots in the low bits of a number.
const FONT: [[u8; 7]; 10] = [
    [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
    [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
    [0b01110, 0b10001, 0b00001, 0b00010, 0b00100, 0b01000, 0b11111],
    [0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110],
    [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
    [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
    [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
    [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000],
    [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
    [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
];

/// Images and the digits that they show; other seeds draw other images.
pub fn digits(count: usize, seed: u64) -> Result<Dataset> {
    let mut random = Random::new(seed, 0);
    let mut images = vec![0.0_f32; count * 64];
    let mut labels = Vec::new();
    for image in images.chunks_exact_mut(64) {
        let (digit, top, left) = (random.below(10), random.below(2), random.below(4));
        let ink = 0.6 + 0.4 * random.uniform();
        for (row, dots) in FONT[digit].iter().enumerate() {
            for column in (0..5).filter(|column| dots >> (4 - column) & 1 == 1) {
                image[8 * (top + row) + left + column] = ink;
            }
        }
        for grey in image.iter_mut() {
            *grey += 0.15 * random.normal();
        }
        labels.push(digit as i32);
    }
    Dataset::new(Array::new([count, 8, 8], images)?, labels)
}
