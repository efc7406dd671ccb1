//! Columns whose kind is found while they are read: numbers, times or words.
//!
//! In: the cells of a column, in one pass. Out: its values. As long as a column has few different
//! cells, all of them are kept with their spelling and everything is open; when there are more,
//! what has been seen decides, and memory is that of the values.

use std::collections::HashMap;

use super::dictionary::{Dictionary, key};
use super::kinds::{Census, Class, ColumnKind, Entry, WordDoubt};
use super::missing::{MissingScope, Spellings};
use super::numbers::{self, Ambiguity, Refusal};
use super::times;
use super::unclear::CellAt;
use crate::data::values::{Values, Words};

/// As long as a column has no more different cells, they are kept as they are spelled.
pub(super) const MOST_SPELLED: usize = 1000;
/// As long as the different cells of a column are not longer than this together, they are kept.
const LONGEST_SPELLED: usize = 1 << 20;

/// What is given for all columns.
#[derive(Clone, Default, Debug)]
pub(super) struct Options {
    pub decimal: Option<char>,
    pub day_first: Option<bool>,
    pub missing: Spellings,
}

/// Why a column cannot be read.
#[derive(Debug)]
pub(super) enum Problem {
    Refused(CellAt, Refusal),
    UnclearRows(Box<Ambiguity>),
}

/// A column while it is read.
pub(super) struct Column {
    /// The kind, once it is given or found.
    kind: Option<ColumnKind>,
    state: ColumnState,
    /// The first cell that made words of a column where numbers may be wanted.
    word: Option<DoubtfulWord>,
}

enum ColumnState {
    Ignored,
    Open(Box<Open>),
    Numbers(numbers::Column),
    Times(times::Column),
    Words { codes: Vec<u32>, dictionary: Dictionary },
}

/// A column of few different cells.
#[derive(Default)]
struct Open {
    cells: Dictionary,
    /// One for each different cell.
    entries: Vec<Entry>,
    /// The cell of each row.
    codes: Vec<u32>,
    numbers: numbers::Column,
    times: times::Column,
}

/// A cell that made words of a column where numbers may be wanted.
pub(super) struct DoubtfulWord {
    pub seen: CellAt,
    pub why: WordDoubt,
}

/// A column that is read.
pub(super) struct FinishedColumn {
    pub values: Values,
    pub spelled: Option<Words>,
    /// The decimal mark that its cells show.
    pub mark: Option<char>,
    /// A cell whose point is taken for a decimal point, though no cell says so.
    pub point: Option<CellAt>,
    /// The cell that told the order of day and month, and whether the day comes first.
    pub order: Option<(CellAt, bool)>,
    /// The first cell that made words of a column where numbers may be wanted.
    pub word: Option<DoubtfulWord>,
}

impl Column {
    /// A column of a kind that is given, or that its cells will tell.
    pub fn new(kind: Option<ColumnKind>, options: &Options) -> Self {
        let (numbers, times) =
            (numbers::Column::new(options.decimal), times::Column::new(options.day_first));
        Self { kind, state: ColumnState::open(kind, numbers, times), word: None }
    }

    /// Adds a cell.
    pub fn push(
        &mut self,
        cell: &str,
        row: usize,
        line: usize,
        options: &Options,
    ) -> Result<(), Problem> {
        let spellings = &options.missing;
        let refused = |refusal| {
            Problem::Refused(CellAt { row, line, cell: cell.trim().to_string() }, refusal)
        };
        match &mut self.state {
            ColumnState::Ignored => Ok(()),
            ColumnState::Numbers(numbers) => {
                if spellings.is_given(cell.trim()) {
                    numbers.push_missing();
                    return Ok(());
                }
                match numbers.push(cell, row, line) {
                    Err(refusal) if spellings.find(cell.trim()).is_none() => Err(refused(refusal)),
                    Err(_) => {
                        numbers.push_missing();
                        Ok(())
                    }
                    Ok(()) => Ok(()),
                }
            }
            ColumnState::Times(times) => {
                if spellings.find(cell.trim()).is_some() {
                    times.push_missing();
                    return Ok(());
                }
                times.push(cell, row, line).map_err(refused)
            }
            ColumnState::Words { codes, dictionary } => {
                let key = key(cell);
                let is_missing = spellings.find(&key) == Some(MissingScope::Anywhere);
                codes.push(if is_missing { Words::MISSING } else { dictionary.code(&key) });
                Ok(())
            }
            ColumnState::Open(open) => {
                open.push(cell, row, line, self.kind, spellings).map_err(refused)?;
                let is_full = open.cells.len() > MOST_SPELLED || open.cells.bytes > LONGEST_SPELLED;
                if is_full { self.close(options) } else { Ok(()) }
            }
        }
    }

    /// Finds the kind, when all rows are read.
    pub fn settle(&mut self, options: &Options) -> Result<(), Problem> {
        let ColumnState::Open(open) = &self.state else { return Ok(()) };
        if self.kind.is_none() {
            (self.kind, self.word) = open.kind(options)?;
        }
        Ok(())
    }

    /// Whether a number has a decimal comma for certain.
    pub fn has_decimal_comma(&self) -> bool {
        match &self.state {
            ColumnState::Numbers(numbers) => numbers.has_decimal_comma(),
            ColumnState::Open(open) => {
                self.kind == Some(ColumnKind::Number) && open.numbers.has_decimal_comma()
            }
            _ => false,
        }
    }

    fn found_mark(&self) -> Option<char> {
        match &self.state {
            ColumnState::Numbers(numbers) => numbers.found_mark(),
            ColumnState::Open(open) if self.kind == Some(ColumnKind::Number) => {
                open.numbers.found_mark()
            }
            _ => None,
        }
    }

    fn doubtful_point(&self) -> Option<CellAt> {
        match &self.state {
            ColumnState::Numbers(numbers) => numbers.doubtful_point().cloned(),
            ColumnState::Open(open) if self.kind == Some(ColumnKind::Number) => {
                open.numbers.doubtful_point().cloned()
            }
            _ => None,
        }
    }

    /// The values of a column that is settled, and the column for rows that follow; nothing where
    /// it is ignored.
    pub fn finish(
        self,
        others_have_decimal_commas: bool,
        options: &Options,
    ) -> Result<(Option<FinishedColumn>, Self), Problem> {
        let (mark, point) = (self.found_mark(), self.doubtful_point());
        let unclear = |ambiguity| Problem::UnclearRows(ambiguity);
        let (mut numbers, mut times) =
            (numbers::Column::new(options.decimal), times::Column::new(options.day_first));
        let (values, spelled, order) = match self.state {
            ColumnState::Ignored => return Ok((None, self)),
            ColumnState::Numbers(mut column) => {
                column.finish(others_have_decimal_commas).map_err(unclear)?;
                let values = std::mem::take(&mut column.values);
                numbers = column.following();
                (Values::Numbers(values), None, None)
            }
            ColumnState::Times(mut column) => {
                column.finish().map_err(unclear)?;
                let values = std::mem::take(&mut column.values);
                let order = column.found_order().map(|(seen, day)| (seen.clone(), day));
                times = column.following();
                (Values::Times(values), None, order)
            }
            ColumnState::Words { codes, dictionary } => {
                (Values::Words(Words::of_codes(codes, dictionary.into_cells())), None, None)
            }
            ColumnState::Open(mut open) => match self.kind {
                Some(ColumnKind::Word) => {
                    let (codes, dictionary) = open.words();
                    (Values::Words(Words::of_codes(codes, dictionary.into_cells())), None, None)
                }
                Some(ColumnKind::Time) => {
                    open.times.finish().map_err(unclear)?;
                    let order = open.times.found_order().map(|(seen, day)| (seen.clone(), day));
                    let (values, spelled) = open.spelled(|open, class| match class {
                        Class::Time(index) => Some(open.times.values[index as usize]),
                        _ => None,
                    });
                    times = open.times.following();
                    (Values::Times(values), Some(spelled), order)
                }
                _ => {
                    open.numbers.finish(others_have_decimal_commas).map_err(unclear)?;
                    let (values, spelled) = open.spelled(|open, class| match class {
                        Class::Number(index) => Some(open.numbers.values[index as usize]),
                        _ => None,
                    });
                    numbers = open.numbers.following();
                    (Values::Numbers(values), Some(spelled), None)
                }
            },
        };
        let following = Self {
            kind: self.kind,
            state: ColumnState::open(self.kind, numbers, times),
            word: None,
        };
        Ok((
            Some(FinishedColumn { values, spelled, mark, point, order, word: self.word }),
            following,
        ))
    }

    /// Decides by what was seen, and keeps values instead of cells from now on.
    fn close(&mut self, options: &Options) -> Result<(), Problem> {
        self.settle(options)?;
        let ColumnState::Open(open) = &self.state else { return Ok(()) };
        let indices =
            open.codes.iter().map(|&code| match (self.kind, open.entries[code as usize].class) {
                (Some(ColumnKind::Time), Class::Time(index))
                | (Some(ColumnKind::Number), Class::Number(index)) => Some(index),
                _ => None,
            });
        self.state = match self.kind {
            Some(ColumnKind::Number) => ColumnState::Numbers(open.numbers.spread(indices)),
            Some(ColumnKind::Time) => ColumnState::Times(open.times.spread(indices)),
            _ => {
                let (codes, dictionary) = open.words();
                ColumnState::Words { codes, dictionary }
            }
        };
        Ok(())
    }
}

impl ColumnState {
    fn open(kind: Option<ColumnKind>, numbers: numbers::Column, times: times::Column) -> Self {
        match kind {
            Some(ColumnKind::Ignored) => Self::Ignored,
            Some(ColumnKind::Word) => {
                Self::Words { codes: Vec::new(), dictionary: Dictionary::default() }
            }
            _ => Self::Open(Box::new(Open { numbers, times, ..Open::default() })),
        }
    }
}

impl Open {
    fn push(
        &mut self,
        cell: &str,
        row: usize,
        line: usize,
        kind: Option<ColumnKind>,
        spellings: &Spellings,
    ) -> Result<(), Refusal> {
        let key = key(cell);
        let code = match self.cells.get(&key) {
            Some(code) => code,
            None => {
                let class = self.classify(&key, row, line, kind, spellings)?;
                self.entries.push(Entry { class, count: 0, row, line });
                self.cells.add(&key)
            }
        };
        self.codes.push(code);
        self.entries[code as usize].count += 1;
        Ok(())
    }

    /// What a cell is that was not there before. Fails when it is not of the kind that is given.
    fn classify(
        &mut self,
        cell: &str,
        row: usize,
        line: usize,
        kind: Option<ColumnKind>,
        spellings: &Spellings,
    ) -> Result<Class, Refusal> {
        let missing = spellings.find(cell);
        if missing == Some(MissingScope::Anywhere) {
            return Ok(Class::Missing(MissingScope::Anywhere));
        }
        let refusal = match kind {
            Some(ColumnKind::Time) => None,
            _ => match self.numbers.push(cell, row, line) {
                Ok(()) => return Ok(Class::Number(self.numbers.values.len() as u32 - 1)),
                Err(refusal) => Some(refusal),
            },
        };
        match (missing, refusal) {
            (Some(missing), _) => return Ok(Class::Missing(missing)),
            (None, Some(refusal)) if kind == Some(ColumnKind::Number) => return Err(refusal),
            _ => {}
        }
        match self.times.push(cell, row, line) {
            Ok(()) => Ok(Class::Time(self.times.values.len() as u32 - 1)),
            Err(refusal) if kind == Some(ColumnKind::Time) => Err(refusal),
            Err(_) => Ok(Class::Word),
        }
    }

    /// The kind of the column by the cells seen so far, and the first word among numbers that make
    /// words. None where no cell has anything in it.
    fn kind(
        &self,
        options: &Options,
    ) -> Result<(Option<ColumnKind>, Option<DoubtfulWord>), Problem> {
        let census = Census::new(&self.cells.cells(), &self.entries);
        match census.kind() {
            Ok(kind) => {
                let doubt = census.doubt().filter(|_| kind == Some(ColumnKind::Word));
                Ok((
                    kind,
                    doubt.map(|why| DoubtfulWord {
                        seen: self.first_refused(ColumnKind::Number, options).0,
                        why,
                    }),
                ))
            }
            Err(expected) => {
                let (seen, refusal) = self.first_refused(expected, options);
                Err(Problem::Refused(seen, refusal))
            }
        }
    }

    /// The first cell that is not of a kind, and why.
    fn first_refused(&self, expected: ColumnKind, options: &Options) -> (CellAt, Refusal) {
        let (mut numbers, mut times) =
            (numbers::Column::new(options.decimal), times::Column::new(options.day_first));
        let mut last = CellAt { row: 0, line: 0, cell: String::new() };
        for (cell, entry) in self.cells.cells().into_iter().zip(&self.entries) {
            if matches!(entry.class, Class::Missing(_)) {
                continue;
            }
            last = CellAt { row: entry.row, line: entry.line, cell: cell.to_string() };
            let pushed = match expected {
                ColumnKind::Time => times.push(cell, entry.row, entry.line),
                _ => numbers.push(cell, entry.row, entry.line),
            };
            if let Err(refusal) = pushed {
                return (last, refusal);
            }
        }
        (last, Refusal::NotANumber)
    }

    /// The rows as words.
    fn words(&self) -> (Vec<u32>, Dictionary) {
        let mut dictionary = Dictionary::default();
        let code_of = |(cell, entry): (&str, &Entry)| match entry.class {
            Class::Missing(MissingScope::Anywhere) => Words::MISSING,
            _ => dictionary.code(cell),
        };
        let codes: Vec<u32> =
            self.cells.cells().into_iter().zip(&self.entries).map(code_of).collect();
        (self.codes.iter().map(|&code| codes[code as usize]).collect(), dictionary)
    }

    /// The rows as values, and as the spellings of these.
    fn spelled(&self, value: impl Fn(&Self, Class) -> Option<f64>) -> (Vec<f64>, Words) {
        /// From here on, different whole numbers may be the same number in f64.
        const LARGE: f64 = 9_007_199_254_740_992.0;
        let (mut dictionary, mut known) = (Vec::new(), HashMap::new());
        let entry_of = |(cell, entry): (&str, &Entry)| match value(self, entry.class) {
            None => (f64::NAN, Words::MISSING),
            Some(value) => {
                let next = dictionary.len() as u32;
                // A negative zero is a zero.
                let code = if value.abs() < LARGE {
                    *known.entry((value + 0.0).to_bits()).or_insert(next)
                } else {
                    next
                };
                if code == next {
                    dictionary.push(cell.to_string());
                }
                (value, code)
            }
        };
        let entries: Vec<(f64, u32)> =
            self.cells.cells().into_iter().zip(&self.entries).map(entry_of).collect();
        let (values, codes) = self.codes.iter().map(|&code| entries[code as usize]).unzip();
        (values, Words::of_codes(codes, dictionary))
    }
}
