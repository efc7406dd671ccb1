//! What processes tell each other of the columns that they read, as bytes.
//!
//! In: numbers, texts and [`Summary`]s. Out: bytes, and from bytes the same again; nothing where
//! they are of something else.

use super::kinds::{ColumnKind, WordDoubt};
use super::typed::{CellSummary, DoubtfulWord, StateSummary, Summary};
use super::unclear::{CellAt, StyleSummary};

/// Bytes that are written.
#[derive(Default)]
pub(super) struct Writer(pub Vec<u8>);

/// Bytes that are read.
pub(super) struct Reader<'a>(pub &'a [u8]);

/// Their places are the numbers that stand for them.
const KINDS: [ColumnKind; 4] =
    [ColumnKind::Number, ColumnKind::Word, ColumnKind::Time, ColumnKind::Ignored];
const DOUBTS: [WordDoubt; 2] = [WordDoubt::MostlyNumbers, WordDoubt::Amounts];
const ORDERS: [bool; 2] = [false, true];
const MARKS: [char; 2] = ['.', ','];

impl Writer {
    pub fn number(&mut self, number: usize) {
        self.0.extend((number as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend(text.as_bytes());
    }

    /// One of a list, by its place; 0 is none.
    fn one<T: PartialEq>(&mut self, value: Option<&T>, of: &[T]) {
        let place = value.and_then(|value| of.iter().position(|other| other == value));
        self.number(place.map_or(0, |place| place + 1));
    }

    fn cell(&mut self, seen: Option<&CellAt>) {
        self.number(usize::from(seen.is_some()));
        if let Some(CellAt { row, line, cell }) = seen {
            self.number(*row);
            self.number(*line);
            self.text(cell);
        }
    }

    fn style<T: PartialEq>(&mut self, style: &StyleSummary<T>, of: &[T]) {
        self.one(style.shown.as_ref().map(|(style, _)| style), of);
        for seen in [style.shown.as_ref().map(|(_, seen)| seen)]
            .into_iter()
            .chain(style.unclear.iter().map(Option::as_ref))
        {
            self.cell(seen);
        }
    }

    pub fn summary(&mut self, summary: &Summary) {
        self.number(usize::from(summary.knows_before));
        self.one(summary.kind.as_ref(), &KINDS);
        self.one(summary.word.as_ref().map(|word| &word.why), &DOUBTS);
        self.cell(summary.word.as_ref().map(|word| &word.seen));
        match &summary.state {
            StateSummary::Ignored => self.number(0),
            StateSummary::Failed => self.number(1),
            StateSummary::Cells(cells) => {
                self.number(2);
                self.number(cells.len());
                for CellSummary { cell, count, row, line } in cells {
                    self.text(cell);
                    for &number in [count, row, line] {
                        self.number(number);
                    }
                }
            }
            StateSummary::Numbers(style) => {
                self.number(3);
                self.style(style, &MARKS);
            }
            StateSummary::Times(style) => {
                self.number(4);
                self.style(style, &ORDERS);
            }
            StateSummary::Words(words) => {
                self.number(5);
                self.number(words.len());
                for word in words {
                    self.text(word);
                }
            }
        }
    }
}

impl Reader<'_> {
    pub fn number(&mut self) -> Option<usize> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        usize::try_from(u64::from_le_bytes(*number)).ok()
    }

    /// Whether all is read.
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> Option<Option<T>> {
        match self.number()? {
            0 => Some(None),
            place => of.get(place - 1).map(|&value| Some(value)),
        }
    }

    fn cell(&mut self) -> Option<Option<CellAt>> {
        if self.number()? == 0 {
            return Some(None);
        }
        let (row, line) = (self.number()?, self.number()?);
        Some(Some(CellAt { row, line, cell: self.text()? }))
    }

    fn style<T: Copy>(&mut self, of: &[T]) -> Option<StyleSummary<T>> {
        let (style, seen) = (self.one(of)?, self.cell()?);
        Some(StyleSummary { shown: style.zip(seen), unclear: [self.cell()?, self.cell()?] })
    }

    /// As many things as a number says that is read first.
    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        (0..count).map(|_| one(self)).collect()
    }

    pub fn summary(&mut self) -> Option<Summary> {
        let knows_before = self.number()? != 0;
        let kind = self.one(&KINDS)?;
        let (why, seen) = (self.one(&DOUBTS)?, self.cell()?);
        let word = why.zip(seen).map(|(why, seen)| DoubtfulWord { seen, why });
        let cell = |this: &mut Self| {
            Some(CellSummary {
                cell: this.text()?,
                count: this.number()?,
                row: this.number()?,
                line: this.number()?,
            })
        };
        let state = match self.number()? {
            0 => StateSummary::Ignored,
            1 => StateSummary::Failed,
            2 => StateSummary::Cells(self.list(cell)?),
            3 => StateSummary::Numbers(self.style(&MARKS)?),
            4 => StateSummary::Times(self.style(&ORDERS)?),
            5 => StateSummary::Words(self.list(Self::text)?),
            _ => return None,
        };
        Some(Summary { knows_before, kind, word, state })
    }
}
