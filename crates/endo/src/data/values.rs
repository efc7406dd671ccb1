//! What a column of a table holds: numbers, times or words, and cells that are missing.
//!
//! In: what is read from a file, or made by hand. Out: [`Values`], which a [`Table`](super::Table)
//! names.

use std::collections::HashMap;

use super::csv::ColumnKind;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// What a column of a table holds.
///
/// ```
/// use endo::data::{Csv, Values, Words};
/// let text = "city,rooms,sold\nParis,3,2024-01-31\nRome,NA,2024-02-01\n";
/// let table = Csv::new().typed().read_from(text.as_bytes())?;
/// assert_eq!(
///     table.values("city")?,
///     &Values::Words(Words::from_cells([Some("Paris"), Some("Rome")]))
/// );
/// assert_eq!(table.values("rooms")?, &Values::Numbers(vec![3.0, f64::NAN].into()));
/// let sold = vec![1_706_659_200.0, 1_706_745_600.0];
/// assert_eq!(table.values("sold")?, &Values::Times(sold.into()));
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Debug)]
pub enum Values {
    /// Numbers; NaN where a cell is missing.
    Numbers(Storage<f64>),
    /// Dates and times as seconds since 1970-01-01 00:00 UTC (a date is its midnight); NaN where a
    /// cell is missing.
    Times(Storage<f64>),
    /// Words; [`Words::MISSING`] where a cell is missing.
    Words(Words),
}

impl Values {
    /// What the column holds, for [`Csv::kind`](super::Csv::kind) when rows of the same origin are
    /// read later.
    pub fn kind(&self) -> ColumnKind {
        match self {
            Self::Numbers(_) => ColumnKind::Number,
            Self::Times(_) => ColumnKind::Time,
            Self::Words(_) => ColumnKind::Word,
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) | Self::Times(values) => values.len(),
            Self::Words(words) => words.codes.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the cell of a row, counted from 0, is missing. A row that is not there is missing,
    /// too.
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Numbers(values) | Self::Times(values) => {
                values.get(row).is_none_or(|value| value.is_nan())
            }
            Self::Words(words) => words.get(row).is_none(),
        }
    }

    /// The number of cells that are missing.
    pub fn missing(&self) -> usize {
        (0..self.len()).filter(|&row| self.is_missing(row)).count()
    }
}

/// Missing cells are equal to each other.
impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
        match (self, other) {
            (Self::Numbers(a), Self::Numbers(b)) | (Self::Times(a), Self::Times(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(is_same)
            }
            (Self::Words(a), Self::Words(b)) => a == b,
            _ => false,
        }
    }
}

/// A column of words: for each row a code, which is the place of its word in the dictionary.
///
/// ```
/// use endo::data::Words;
/// let words = Words::from_cells([Some("red"), None, Some("blue"), Some("red")]);
/// assert_eq!(words.codes(), [0, Words::MISSING, 1, 0]);
/// assert_eq!(words.dictionary(), ["red", "blue"]);
/// assert_eq!((words.get(2), words.get(1)), (Some("blue"), None));
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Words {
    codes: Storage<u32>,
    dictionary: Vec<String>,
}

impl Words {
    /// The code of a cell that is missing.
    pub const MISSING: u32 = u32::MAX;

    /// Words from codes and their dictionary. Fails at a code that the dictionary does not have,
    /// and when a word is in it twice.
    ///
    /// ```
    /// use endo::data::Words;
    /// let words = Words::new(vec![1, 0], vec!["red".to_string(), "blue".to_string()])?;
    /// assert_eq!(words.get(0), Some("blue"));
    /// assert!(Words::new(vec![2], vec!["red".to_string()]).is_err());
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn new(codes: Vec<u32>, dictionary: Vec<String>) -> Result<Self> {
        let data = |message: String| Error::new(ErrorKind::Data, message);
        let is_known = |code: u32| {
            code == Self::MISSING || usize::try_from(code).is_ok_and(|code| code < dictionary.len())
        };
        if let Some(row) = codes.iter().position(|&code| !is_known(code)) {
            let message = format!("row {}: there is no word with the code {}", row + 1, codes[row]);
            return Err(data(message)
                .help(format!("the dictionary has {} words, counted from 0", dictionary.len())));
        }
        let mut seen = HashMap::new();
        for (code, word) in dictionary.iter().enumerate() {
            if let Some(first) = seen.insert(word, code) {
                let message = format!(
                    "the dictionary has `{}` twice, at {first} and {code}",
                    super::shown(word)
                );
                return Err(data(message).help("give each word a code of its own"));
            }
        }
        Ok(Self::of_codes(codes, dictionary))
    }

    /// Words from cells, of which `None` is missing; codes follow the order in which words first
    /// appear.
    pub fn from_cells<'a>(cells: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let mut known = HashMap::new();
        let (mut codes, mut dictionary) = (Vec::new(), Vec::new());
        for cell in cells {
            let Some(word) = cell else {
                codes.push(Self::MISSING);
                continue;
            };
            codes.push(*known.entry(word).or_insert_with(|| {
                dictionary.push(word.to_string());
                dictionary.len() as u32 - 1
            }));
        }
        Self::of_codes(codes, dictionary)
    }

    /// Words whose codes are those of the dictionary.
    pub(super) fn of_codes(codes: impl Into<Storage<u32>>, dictionary: Vec<String>) -> Self {
        Self { codes: codes.into(), dictionary }
    }

    /// The code of each row.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// The words, each at the place that is its code.
    pub fn dictionary(&self) -> &[String] {
        &self.dictionary
    }

    /// The words, moved out.
    pub(super) fn into_dictionary(self) -> Vec<String> {
        self.dictionary
    }

    /// The word of a row, counted from 0, unless it is missing.
    pub fn get(&self, row: usize) -> Option<&str> {
        let code = *self.codes.get(row)?;
        self.dictionary.get(usize::try_from(code).ok()?).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_counted_and_equal_to_each_other() {
        let numbers = Values::Numbers(vec![1.0, f64::NAN].into());
        assert_eq!((numbers.len(), numbers.missing(), numbers.is_missing(1)), (2, 1, true));
        assert_eq!(numbers.kind(), ColumnKind::Number);
        assert_eq!(numbers, Values::Numbers(vec![1.0, f64::NAN].into()));
        assert_ne!(numbers, Values::Times(vec![1.0, f64::NAN].into()));
        let words = Values::Words(Words::from_cells([None, Some("a")]));
        assert_eq!((words.missing(), words.is_missing(0), words.is_missing(2)), (1, true, true));
    }

    #[test]
    fn codes_without_a_word_and_words_with_two_codes_are_refused() {
        let words = |codes: &[u32], dictionary: &[&str]| {
            Words::new(codes.to_vec(), dictionary.iter().map(|word| word.to_string()).collect())
        };
        words(&[0, 3], &["a", "b"]).unwrap_err().reads("row 2: there is no word with the code 3");
        words(&[], &["a", "b", "a"]).unwrap_err().reads("the dictionary has `a` twice, at 0 and 2");
        assert!(words(&[Words::MISSING], &[]).is_ok());
    }
}
