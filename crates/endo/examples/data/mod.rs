//! The data of the examples: made up in code, so that each runs without a download.
//!
//! In: a number of rows. Out: correlated features and a target that is not linear in them.

use endo::prelude::*;

/// Rows of eight correlated features, and a target `[rows, 1]`.
pub fn made_up(rows: usize) -> Result<Dataset> {
    let mut random = endo::random::Random::new(42, 0);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let [a, b, c]: [f32; 3] = std::array::from_fn(|_| random.normal());
        x.extend(
            [a, b, c, a + b, b - c, a * b, c.sin(), a - c]
                .map(|feature| feature + 0.1 * random.normal()),
        );
        y.push(a.sin() + b * c + 0.1 * random.normal());
    }
    Dataset::new(Array::new([rows, 8], x)?, Array::new([rows, 1], y)?)
}
