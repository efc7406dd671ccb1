//! What kind of column some cells make: the rule.
//!
//! In: the different cells of a column, each with what it is by itself and how often it is there.
//! Out: the kind, or the kind that the column would have if it were not for some cells.

use std::collections::HashSet;

use super::missing::MissingScope;

/// One of the different cells: what it may be, how often it is there, and where first.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub class: Class,
    pub count: usize,
    pub row: usize,
    pub line: usize,
}

/// What a cell is by itself; numbers and times are counted from 0.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Class {
    Missing(MissingScope),
    Number(u32),
    Time(u32),
    Word,
}

/// What a column holds, where that is said instead of found. See [`Csv::kind`](super::Csv::kind).
///
/// ```
/// use endo::data::{ColumnKind, Csv, Values, Words};
/// let csv = Csv::new().typed().kind("zip", ColumnKind::Word);
/// let table = csv.read_from("zip,rooms\n01234,3\n98765,4\n".as_bytes())?;
/// assert_eq!(
///     table.values("zip")?,
///     &Values::Words(Words::from_cells([Some("01234"), Some("98765")]))
/// );
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ColumnKind {
    /// Numbers: a cell that is neither a number nor missing is an error.
    Number,
    /// Words, also those that look like numbers or dates.
    Word,
    /// Dates and times: a cell that is neither one nor missing is an error.
    Time,
    /// Nothing that is wanted: the column is left out, and its cells are never refused.
    Ignored,
}

/// Why a column of words may be one where numbers are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WordDoubt {
    /// At least half of its cells are numbers.
    MostlyNumbers,
    /// At least half of its cells are numbers with a sign, as in `$1,200`.
    Amounts,
}

/// Words among numbers are categories if there are no more different cells, numbers and words
/// together.
const MOST_CATEGORIES: usize = 20;
/// A bound among numbers is a category if at least one row in this many has it.
const FREQUENT: usize = 20;
/// Words among numbers are part of identifiers (`PC 17599` among `113803`) if this share of cells
/// are words,
const SHARE_OF_WORDS: f64 = 0.1;
/// and if at least this many of them differ without their digits.
const FEWEST_FORMS: usize = 10;

/// The cells of a column, counted.
pub(super) struct Census<'a> {
    /// The different cells that are not missing.
    cells: Vec<(&'a str, Entry)>,
    rows: usize,
    numbers: usize,
    times: usize,
}

impl<'a> Census<'a> {
    /// Counts cells that are not missing.
    pub fn new(cells: &[&'a str], entries: &[Entry]) -> Self {
        let is_there = |(_, entry): &(&str, Entry)| !matches!(entry.class, Class::Missing(_));
        let cells: Vec<(&str, Entry)> =
            cells.iter().copied().zip(entries.iter().copied()).filter(is_there).collect();
        let rows = |is_one: fn(Class) -> bool| -> usize {
            cells
                .iter()
                .filter(|(_, entry)| is_one(entry.class))
                .map(|(_, entry)| entry.count)
                .sum()
        };
        let numbers = rows(|class| matches!(class, Class::Number(_)));
        let times = rows(|class| matches!(class, Class::Time(_)));
        Self { rows: rows(|_| true), numbers, times, cells }
    }

    /// The kind, or else the kind of at least half of the cells, which others are not. None where
    /// no cell has anything in it.
    pub fn kind(&self) -> Result<Option<ColumnKind>, ColumnKind> {
        match () {
            () if self.rows == 0 => Ok(None),
            () if self.numbers == self.rows => Ok(Some(ColumnKind::Number)),
            () if self.times == self.rows => Ok(Some(ColumnKind::Time)),
            () if self.is_mostly_numbers() => {
                let are_words = self.are_categories() || self.are_identifiers();
                if are_words { Ok(Some(ColumnKind::Word)) } else { Err(ColumnKind::Number) }
            }
            () if 2 * self.times >= self.rows => Err(ColumnKind::Time),
            () => Ok(Some(ColumnKind::Word)),
        }
    }

    /// Whether at least half of the cells are numbers.
    pub fn is_mostly_numbers(&self) -> bool {
        2 * self.numbers >= self.rows
    }

    /// Why a column of words may be one where numbers are wanted.
    pub fn doubt(&self) -> Option<WordDoubt> {
        let amounts: usize =
            self.words().filter(|(cell, _)| is_amount(cell)).map(|(_, entry)| entry.count).sum();
        match () {
            () if self.is_mostly_numbers() => Some(WordDoubt::MostlyNumbers),
            () if 2 * amounts >= self.rows => Some(WordDoubt::Amounts),
            () => None,
        }
    }

    fn words(&self) -> impl Iterator<Item = &(&'a str, Entry)> {
        self.cells.iter().filter(|(_, entry)| !matches!(entry.class, Class::Number(_)))
    }

    /// Few different cells, as in `1 2 3 4+`: whole numbers, and words that are there more than
    /// once. A word that is there once may be a slip or a unit, and `inf` or a rare `<5` is a
    /// measurement.
    fn are_categories(&self) -> bool {
        let is_whole = |cell: &str| cell.bytes().all(|byte| byte.is_ascii_digit());
        self.cells.len() <= MOST_CATEGORIES
            && self
                .cells
                .iter()
                .all(|(cell, entry)| !matches!(entry.class, Class::Number(_)) || is_whole(cell))
            && self.words().all(|(cell, entry)| {
                entry.count > 1 && !self.is_measurement(cell, entry) && cell.parse::<f64>().is_err()
            })
    }

    /// A bound that few rows have, as `<5` among counts; a frequent one is a category, as `<1`
    /// among `1`, `2` and `3+` hours.
    fn is_measurement(&self, cell: &str, entry: &Entry) -> bool {
        is_bound(cell) && FREQUENT * entry.count < self.rows
    }

    /// Many different words, as in `PC 17599`, `A/5 21171` and `113803`: the numbers are names,
    /// too.
    fn are_identifiers(&self) -> bool {
        let form = |cell: &str| -> String {
            cell.chars().filter(|letter| !letter.is_ascii_digit()).collect()
        };
        let forms: HashSet<String> = self.words().map(|(cell, _)| form(cell)).collect();
        let share = (self.rows - self.numbers) as f64 / self.rows as f64;
        share >= SHARE_OF_WORDS
            && forms.len() >= FEWEST_FORMS
            && !self.words().any(|(cell, _)| is_bound(cell))
    }
}

/// Whether a cell is a number with a sign of money or percent, as in `$1,200` and `12 %`.
fn is_amount(cell: &str) -> bool {
    const SIGNS: [char; 6] = ['$', '\u{20ac}', '\u{a3}', '\u{a5}', '%', '\u{2030}'];
    let number = cell.trim_start_matches(['-', '+']).trim_matches(SIGNS).trim();
    cell.contains(SIGNS) && super::numbers::is_number(number)
}

/// Whether a cell is a bound of a number, as in `<5`.
fn is_bound(cell: &str) -> bool {
    let rest = cell.trim_start_matches(['<', '>', '=', '~', '\u{2264}', '\u{2265}']);
    rest.len() < cell.len() && super::numbers::is_number(rest)
}
