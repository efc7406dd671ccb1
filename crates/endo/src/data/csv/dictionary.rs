//! The different cells of a column, each with a code.
//!
//! In: cells. Out: the code of each, and the dictionary in the order of first appearance.

use std::borrow::Cow;
use std::collections::HashMap;

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Different cells and their codes.
#[derive(Default)]
pub(super) struct Dictionary {
    codes: HashMap<Box<str>, u32>,
    /// The bytes of all its cells.
    pub bytes: usize,
}

impl Dictionary {
    /// The number of different cells.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// The code of a cell, if it is there.
    pub fn get(&self, key: &str) -> Option<u32> {
        self.codes.get(key).copied()
    }

    /// Adds a cell that is not there, and gives it the next code.
    pub fn add(&mut self, key: &str) -> u32 {
        // As many different cells as `u32` counts do not fit into memory.
        let code = u32::try_from(self.len()).unwrap_or(u32::MAX - 1);
        self.bytes += key.len();
        self.codes.insert(key.into(), code);
        code
    }

    /// The code of a cell, which is added if it is not there.
    pub fn code(&mut self, key: &str) -> u32 {
        self.get(key).unwrap_or_else(|| self.add(key))
    }

    /// The cells in the order of their codes.
    pub fn cells(&self) -> Vec<&str> {
        let mut cells = vec![""; self.len()];
        for (cell, &code) in &self.codes {
            cells[code as usize] = cell;
        }
        cells
    }

    /// The cells in the order of their codes, moved out.
    pub fn into_cells(self) -> Vec<String> {
        let mut cells = vec![String::new(); self.len()];
        for (cell, code) in self.codes {
            cells[code as usize] = cell.into();
        }
        cells
    }
}

/// A cell as it is compared with others: without blanks around it, and with each letter in one
/// piece (Unicode's NFC).
pub(super) fn key(cell: &str) -> Cow<'_, str> {
    let cell = cell.trim();
    if cell.is_ascii() || is_nfc(cell) {
        Cow::Borrowed(cell)
    } else {
        Cow::Owned(cell.nfc().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_codes_in_the_order_in_which_they_appear() {
        let mut dictionary = Dictionary::default();
        let codes: Vec<u32> = ["b", "a", "b", "ö", "o\u{308}", " a "]
            .iter()
            .map(|cell| dictionary.code(&key(cell)))
            .collect();
        assert_eq!(codes, [0, 1, 0, 2, 2, 1]);
        assert_eq!((dictionary.cells(), dictionary.bytes), (vec!["b", "a", "ö"], 4));
        assert_eq!(dictionary.into_cells(), ["b", "a", "ö"]);
    }
}
