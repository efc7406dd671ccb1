//! Sequences of different lengths as rows of one array.
//!
//! In: sequences. Out: an array with a row for each, filled up or cut.

use crate::array::Array;
use crate::dtype::Element;
use crate::error::{Error, Result};

/// Where a sequence is filled up, and cut.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum PadSide {
    /// Before its first element. Keras's `"pre"`, its default.
    #[default]
    Before,
    /// After its last element. Keras's `"post"`.
    After,
}

/// Sequences as rows of an array `[sequences, length]`: shorter ones are filled up with a value,
/// longer ones cut, both on one side. The length is that of the longest unless given. Keras's
/// `pad_sequences`.
///
/// ```
/// use endo::Array;
/// use endo::data::{PadSide, pad_sequences};
/// let words = [vec![4, 7, 9], vec![5]];
/// assert_eq!(
///     pad_sequences(&words, None, PadSide::After, 0)?,
///     Array::from([[4, 7, 9], [5, 0, 0]])
/// );
/// assert_eq!(pad_sequences(&words, Some(2), PadSide::Before, 0)?, Array::from([[7, 9], [0, 5]]));
/// # Ok::<(), endo::Error>(())
/// ```
///
/// # Errors
/// If there is no sequence, or the length is 0.
pub fn pad_sequences<T: Element>(
    sequences: &[impl AsRef<[T]>],
    length: Option<usize>,
    side: PadSide,
    value: T,
) -> Result<Array> {
    let longest = sequences.iter().map(|sequence| sequence.as_ref().len()).max().unwrap_or(0);
    let length = length.unwrap_or(longest);
    if sequences.is_empty() || length == 0 {
        let message =
            format!("{} sequences cannot become rows of {length} elements", sequences.len());
        return Err(Error::data(message, "give at least one sequence, and a length of at least 1"));
    }
    let mut rows = Vec::with_capacity(sequences.len() * length);
    for sequence in sequences {
        let sequence = sequence.as_ref();
        let kept = sequence.len().min(length);
        let fill = std::iter::repeat_n(value, length - kept);
        match side {
            PadSide::Before => {
                rows.extend(fill.chain(sequence[sequence.len() - kept..].iter().copied()))
            }
            PadSide::After => rows.extend(sequence[..kept].iter().copied().chain(fill)),
        }
    }
    Array::new([sequences.len(), length], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_pad_is_an_error() {
        assert!(pad_sequences(&[] as &[Vec<i32>], None, PadSide::Before, 0).is_err());
        assert!(pad_sequences(&[vec![1.0_f32]], Some(0), PadSide::Before, 0.0).is_err());
        assert!(pad_sequences(&[Vec::<i32>::new()], None, PadSide::Before, 0).is_err());
        let rows = pad_sequences(&[&[1.5_f32][..], &[]], Some(2), PadSide::Before, -1.0).unwrap();
        assert_eq!(rows, Array::from([[-1.0_f32, 1.5], [-1.0, -1.0]]));
    }
}
