//! Models that draw, and files that are gone when the test is.

use std::collections::HashSet;

use endo::prelude::*;

/// One uniform number for each row, whatever the input.
pub fn noise() -> Model {
    Model::new(|x: &Tensor, cx: &mut Context| cx.random().uniform([x.batch(), 1], 0.0, 1.0))
        .seed(42)
}

pub fn zeros(rows: usize) -> Array {
    Array::zeros([rows, 1], DType::F32)
}

/// How many different numbers there are.
pub fn different(array: &Array) -> usize {
    array.to_vec::<f32>().into_iter().map(f32::to_bits).collect::<HashSet<u32>>().len()
}

/// The first numbers of an array.
pub fn first<const N: usize>(array: &Array) -> [f32; N] {
    std::array::from_fn(|index| array.get(index) as f32)
}
