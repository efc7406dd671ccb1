//! What tells runs outside training apart: the call of `predict` or the epoch of a test, and the
//! row at which a part of it begins.
//!
//! In: a number and a row. Out: [`Occasion`], and the array by which a run is told of it, the last
//! of its inputs if it draws random numbers.

use crate::array::Array;

/// What random numbers are drawn for, outside training and for a shard of a training step. They
/// follow the seed, the place of the draw and this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Occasion {
    kind: OccasionKind,
    number: u64,
    first_row: u64,
}

/// Kinds that never share numbers. Training steps whose batch is not cut have no occasion, and the
/// numbers of kind 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OccasionKind {
    Train = 0,
    Predict = 1,
    Test = 2,
}

impl Occasion {
    /// The number of words in [`array`](Self::array).
    pub const WORDS: usize = 4;

    /// The call of `predict` with this number, from its first row on.
    pub fn predict(call: u64) -> Self {
        Self { kind: OccasionKind::Predict, number: call, first_row: 0 }
    }

    /// A test after this many epochs of training, from its first row on.
    pub fn test(epochs: u64) -> Self {
        Self { kind: OccasionKind::Test, number: epochs, first_row: 0 }
    }

    /// The training step of this number, from the first row of its batch on.
    pub fn train(step: u32) -> Self {
        Self { kind: OccasionKind::Train, number: u64::from(step), first_row: 0 }
    }

    /// The part of it that begins this many rows later.
    pub fn later_by(self, rows: usize) -> Self {
        Self { first_row: self.first_row.wrapping_add(rows as u64), ..self }
    }

    /// Whether it is the part with the first row.
    pub fn is_first(self) -> bool {
        self.first_row == 0
    }

    /// The words of the random generator's counter, and the lower and upper half of the row. The
    /// kind has the two lowest bits of the second word, so numbers below 2^62 are told apart.
    fn words(self) -> [i32; Self::WORDS] {
        let upper = (self.number >> 32) << 2 | self.kind as u64;
        [self.number, upper, self.first_row, self.first_row >> 32].map(|word| word as u32 as i32)
    }

    /// What a run is told of it.
    pub fn array(self) -> Array {
        Array::from(self.words())
    }

    /// Writes it over what [`array`](Self::array) has made, without allocating.
    pub fn write(self, array: &mut Array) {
        if let Some(words) = array.as_mut_slice::<i32>() {
            words.copy_from_slice(&self.words());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_numbers_and_rows_are_told_apart() {
        assert_eq!(Occasion::predict(0).words(), [0, 1, 0, 0]);
        assert_eq!(Occasion::test(0).words(), [0, 2, 0, 0]);
        assert_eq!(Occasion::predict(5).later_by(256).later_by(256).words(), [5, 1, 512, 0]);
        assert_eq!(Occasion::predict(3 << 32 | 7).later_by(1 << 33).words(), [7, 3 << 2 | 1, 0, 2]);
        assert_eq!(Occasion::predict(u64::from(u32::MAX)).words(), [-1, 1, 0, 0]);
    }

    #[test]
    fn an_array_is_written_over() {
        let mut array = Occasion::predict(1).array();
        Occasion::test(9).later_by(32).write(&mut array);
        assert_eq!(array, [9, 2, 32, 0].into());
    }
}
