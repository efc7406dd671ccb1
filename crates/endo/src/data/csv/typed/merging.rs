//! Columns of which several processes have read some rows each, as if one had read all.
//!
//! In: for each process a [`Summary`] of what its rows show of a column. Out: the column as it is
//! behind the rows of all, or where a process has to read its rows again, knowing what is before
//! them; and the values of the rows of each.

use super::{
    Column, ColumnState, DoubtfulWord, FinishedColumn, LONGEST_SPELLED, MOST_SPELLED, Open,
};
use super::{Options, numbers, times};
use crate::data::csv::dictionary::Dictionary;
use crate::data::csv::kinds::{ColumnKind, Entry};
use crate::data::csv::missing::MissingScope;
use crate::data::csv::unclear::StyleSummary;
use crate::data::values::{Values, Words};
use crate::storage::Storage;

/// What rows show of a column, without their values.
pub(in crate::data::csv) struct Summary {
    /// Whether they were read knowing all that is before them.
    pub knows_before: bool,
    /// The kind, where it is decided.
    pub kind: Option<ColumnKind>,
    pub word: Option<DoubtfulWord>,
    pub state: StateSummary,
}

/// The state of a column behind some rows.
pub(in crate::data::csv) enum StateSummary {
    Ignored,
    /// A cell is not what the cells before it seem to be.
    Failed,
    /// Few different cells, in the order in which they appear.
    Cells(Vec<CellSummary>),
    Numbers(StyleSummary<char>),
    Times(StyleSummary<bool>),
    /// The different words, in the order in which they appear.
    Words(Vec<String>),
}

/// One of few different cells.
pub(in crate::data::csv) struct CellSummary {
    pub cell: String,
    /// How many rows have it.
    pub count: usize,
    /// The first of them.
    pub row: usize,
    pub line: usize,
}

/// What becomes of a column when rows of another process follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::data::csv) enum Joined {
    /// The column is that behind them.
    Done,
    /// They have to be read again, knowing the column, which is unchanged.
    ReadAgain,
    /// They contradict what is before them.
    Refused,
}

/// The rows of one process, whose values follow from what the rows of all show.
pub(in crate::data::csv) enum PlacedRows {
    /// The code of each row's cell among the different cells of the column.
    Cells(Vec<u32>),
    Numbers(numbers::Column),
    Times(times::Column),
    /// The code of each row's word.
    Words(Vec<u32>),
}

impl Column {
    /// Passes over all cells from now on: one was refused.
    pub fn fail(&mut self) {
        (self.is_failed, self.state) = (true, ColumnState::Ignored);
    }

    /// What its rows show, which follow a number of others in the file.
    pub fn summary(&self, knows_before: bool, rows_before: usize) -> Summary {
        let rows_before = if knows_before { 0 } else { rows_before };
        let state = match &self.state {
            _ if self.is_failed => StateSummary::Failed,
            ColumnState::Ignored => StateSummary::Ignored,
            ColumnState::Open(open) => {
                let cells = open.cells.cells().into_iter().zip(&open.entries);
                let summary = |(cell, entry): (&str, &Entry)| CellSummary {
                    cell: cell.to_string(),
                    count: entry.count,
                    row: entry.row + rows_before,
                    line: entry.line,
                };
                StateSummary::Cells(cells.map(summary).collect())
            }
            ColumnState::Numbers(numbers) => {
                StateSummary::Numbers(numbers.style().after(rows_before))
            }
            ColumnState::Times(times) => StateSummary::Times(times.style().after(rows_before)),
            ColumnState::Words { dictionary, .. } => {
                StateSummary::Words(dictionary.cells().into_iter().map(str::to_string).collect())
            }
        };
        // What is said of a word that other rows come before is not known yet.
        let word = self.word.as_ref().filter(|_| knows_before);
        let word = word.map(|word| DoubtfulWord { seen: word.seen.clone(), why: word.why });
        Summary { knows_before, kind: self.kind, word, state }
    }

    /// The column behind rows that were read knowing all that is before them, without these rows.
    pub fn of_summary(given: Option<ColumnKind>, summary: &Summary, options: &Options) -> Self {
        let mut column = Self::new(given, options);
        column.kind = summary.kind;
        column.word = summary
            .word
            .as_ref()
            .map(|word| DoubtfulWord { seen: word.seen.clone(), why: word.why });
        let (mut numbers, mut times) = options.empty();
        match &summary.state {
            StateSummary::Ignored => column.state = ColumnState::Ignored,
            StateSummary::Failed => column.fail(),
            StateSummary::Cells(cells) => {
                let ColumnState::Open(open) = &mut column.state else { return column };
                if !open.join(cells, given, options) {
                    column.fail();
                }
            }
            StateSummary::Numbers(style) => {
                numbers.follow(style);
                column.state = ColumnState::Numbers(numbers);
            }
            StateSummary::Times(style) => {
                times.follow(style);
                column.state = ColumnState::Times(times);
            }
            StateSummary::Words(words) => {
                let mut dictionary = Dictionary::default();
                for word in words {
                    dictionary.add(word);
                }
                column.state = ColumnState::Words { codes: Vec::new(), dictionary };
            }
        }
        column
    }

    /// Goes behind rows that were read without knowing what is before them.
    pub fn join(&mut self, rows: &Summary, options: &Options) -> Joined {
        let done = |is_done: bool| if is_done { Joined::Done } else { Joined::Refused };
        match (&mut self.state, &rows.state) {
            _ if self.is_failed => Joined::Refused,
            (ColumnState::Ignored, _) => Joined::Done,
            (ColumnState::Open(open), StateSummary::Cells(cells)) => {
                if !open.has_room(cells) {
                    return Joined::ReadAgain;
                }
                done(open.join(cells, self.kind, options))
            }
            (ColumnState::Numbers(numbers), StateSummary::Numbers(style)) => {
                done(numbers.follow(style))
            }
            (ColumnState::Times(times), StateSummary::Times(style)) => done(times.follow(style)),
            (ColumnState::Words { dictionary, .. }, StateSummary::Words(words)) => {
                for word in words {
                    dictionary.code(word);
                }
                Joined::Done
            }
            (ColumnState::Words { dictionary, .. }, StateSummary::Cells(cells)) => {
                let is_word = |cell: &&CellSummary| !is_missing_word(&cell.cell, options);
                for cell in cells.iter().filter(is_word) {
                    dictionary.code(&cell.cell);
                }
                Joined::Done
            }
            (ColumnState::Numbers(numbers), StateSummary::Cells(cells)) => {
                let mut open = Open::knowing(Some(&numbers.style()), None, options);
                done(
                    open.join(cells, Some(ColumnKind::Number), options)
                        && numbers.follow(&open.numbers.style()),
                )
            }
            (ColumnState::Times(times), StateSummary::Cells(cells)) => {
                let mut open = Open::knowing(None, Some(&times.style()), options);
                done(
                    open.join(cells, Some(ColumnKind::Time), options)
                        && times.follow(&open.times.style()),
                )
            }
            _ => Joined::ReadAgain,
        }
    }

    /// The rows of one process, given the column behind the rows of all, whose kind is found.
    /// Nothing where they are not what the column is.
    pub fn placed(self, all: &Self, options: &Options) -> Option<PlacedRows> {
        let coded = |codes: &[u32], of: Vec<Option<u32>>| -> Option<Vec<u32>> {
            let code =
                |&code: &u32| if code == Words::MISSING { Some(code) } else { of[code as usize] };
            codes.iter().map(code).collect()
        };
        Some(match (self.state, &all.state) {
            (ColumnState::Open(rows), ColumnState::Open(open)) => {
                let codes = rows.cells.cells().iter().map(|cell| open.cells.get(cell)).collect();
                PlacedRows::Cells(coded(&rows.codes, codes)?)
            }
            (
                ColumnState::Words { codes, dictionary },
                ColumnState::Words { dictionary: all, .. },
            ) => {
                let all = dictionary.cells().iter().map(|word| all.get(word)).collect();
                PlacedRows::Words(coded(&codes, all)?)
            }
            (ColumnState::Open(rows), ColumnState::Words { dictionary: all, .. }) => {
                let missing = |cell: &str| is_missing_word(cell, options).then_some(Words::MISSING);
                let code = |cell: &&str| missing(cell).or_else(|| all.get(cell));
                let all = rows.cells.cells().iter().map(code).collect();
                PlacedRows::Words(coded(&rows.codes, all)?)
            }
            (state, ColumnState::Numbers(all)) => {
                let style = all.style();
                let state = match state {
                    ColumnState::Open(rows) => rows.of_kind(
                        ColumnKind::Number,
                        Open::knowing(Some(&style), None, options),
                        options,
                    )?,
                    state => state,
                };
                let ColumnState::Numbers(mut rows) = state else { return None };
                rows.follow(&style).then_some(PlacedRows::Numbers(rows))?
            }
            (state, ColumnState::Times(all)) => {
                let style = all.style();
                let state = match state {
                    ColumnState::Open(rows) => rows.of_kind(
                        ColumnKind::Time,
                        Open::knowing(None, Some(&style), options),
                        options,
                    )?,
                    state => state,
                };
                let ColumnState::Times(mut rows) = state else { return None };
                rows.follow(&style).then_some(PlacedRows::Times(rows))?
            }
            _ => return None,
        })
    }

    /// Whether a cell was refused.
    pub fn is_failed(&self) -> bool {
        self.is_failed
    }

    /// Makes a row of each of few different cells of a column without rows, so that their values
    /// are found.
    pub fn lay_out_cells(&mut self) {
        if let ColumnState::Open(open) = &mut self.state {
            open.codes = (0..open.cells.len() as u32).collect();
        }
    }
}

impl PlacedRows {
    /// The values and the spellings of the rows, given the column of all. Nothing where they are
    /// not what the column is.
    pub fn finish(
        self,
        all: &FinishedColumn,
        others_have_decimal_commas: bool,
    ) -> Option<(Values, Option<Words>)> {
        let words = |codes: Vec<u32>, of: &Words| Words::of_codes(codes, of.dictionary().to_vec());
        let spread = |cells: &[u32], of: &Words| {
            let codes = cells.iter().map(|&cell| of.codes().get(cell as usize).copied());
            Some(words(codes.collect::<Option<Vec<u32>>>()?, of))
        };
        let numbers = |cells: &[u32], of: &[f64]| -> Option<Storage<f64>> {
            cells.iter().map(|&cell| of.get(cell as usize).copied()).collect()
        };
        let spelled = |cells: &[u32]| match &all.spelled {
            Some(spelled) => spread(cells, spelled).map(Some),
            None => Some(None),
        };
        match (self, &all.values) {
            (Self::Cells(cells), Values::Words(of)) => {
                Some((Values::Words(spread(&cells, of)?), None))
            }
            (Self::Cells(cells), Values::Numbers(of)) => {
                Some((Values::Numbers(numbers(&cells, of)?), spelled(&cells)?))
            }
            (Self::Cells(cells), Values::Times(of)) => {
                Some((Values::Times(numbers(&cells, of)?), spelled(&cells)?))
            }
            (Self::Words(codes), Values::Words(of)) => {
                Some((Values::Words(words(codes, of)), None))
            }
            (Self::Numbers(mut rows), Values::Numbers(_)) => {
                rows.finish(others_have_decimal_commas).ok()?;
                Some((Values::Numbers(rows.values.into()), None))
            }
            (Self::Times(mut rows), Values::Times(_)) => {
                rows.finish().ok()?;
                Some((Values::Times(rows.values.into()), None))
            }
            _ => None,
        }
    }
}

impl Open {
    /// A column without cells, of which may be known how others are written.
    fn knowing(
        numbers_style: Option<&StyleSummary<char>>,
        times_style: Option<&StyleSummary<bool>>,
        options: &Options,
    ) -> Self {
        let (mut numbers, mut times) = options.empty();
        if let Some(style) = numbers_style {
            numbers.follow(style);
        }
        if let Some(style) = times_style {
            times.follow(style);
        }
        let cells = Dictionary::default();
        Self { cells, entries: Vec::new(), codes: Vec::new(), numbers, times }
    }

    /// Whether the column still has few different cells with these.
    fn has_room(&self, cells: &[CellSummary]) -> bool {
        let new = || cells.iter().filter(|cell| self.cells.get(&cell.cell).is_none());
        let bytes: usize = new().map(|cell| cell.cell.len()).sum();
        self.cells.len() + new().count() <= MOST_SPELLED
            && self.cells.bytes + bytes <= LONGEST_SPELLED
    }

    /// Adds different cells of rows that follow, in the order in which they appear; false where one
    /// is not of the kind that is given.
    fn join(&mut self, cells: &[CellSummary], kind: Option<ColumnKind>, options: &Options) -> bool {
        for CellSummary { cell, count, row, line } in cells {
            if let Some(code) = self.cells.get(cell) {
                self.entries[code as usize].count += count;
                continue;
            }
            let class = self.classify(cell, *row, *line, kind, &options.missing);
            let Ok(class) = class else { return false };
            self.entries.push(Entry { class, count: *count, row: *row, line: *line });
            self.cells.add(cell);
        }
        true
    }

    /// The same rows, their cells read as those of a kind by a column that knows how others are
    /// written. Nothing where one is none of it.
    fn of_kind(self, kind: ColumnKind, mut again: Self, options: &Options) -> Option<ColumnState> {
        for (cell, entry) in self.cells.cells().into_iter().zip(&self.entries) {
            let class =
                again.classify(cell, entry.row, entry.line, Some(kind), &options.missing).ok()?;
            again.entries.push(Entry { class, ..*entry });
            again.cells.add(cell);
        }
        Some(Self { codes: self.codes, ..again }.closed(kind))
    }
}

/// Whether a cell is missing also among words.
fn is_missing_word(cell: &str, options: &Options) -> bool {
    options.missing.find(cell) == Some(MissingScope::Anywhere)
}
