//! The rows of a column whose cells can be read in two ways, until other cells tell in which.
//!
//! In: rows that are not clear, and cells that are, as they are read. Out: the way in which the
//! column is written, and the values of its rows changed to the other reading.

use crate::shown::shown;

/// A row and its line as a message names them.
pub(in crate::data) fn place(row: usize, line: usize) -> String {
    format!("row {row} (line {line})")
}

/// A cell and where it is.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct CellAt {
    /// Counted from 1; 0 where it is not a cell that was read, but an option that was given.
    pub row: usize,
    pub line: usize,
    pub cell: String,
}

impl CellAt {
    /// A cell without the blanks around it.
    pub fn new(cell: &str, row: usize, line: usize) -> Self {
        Self { row, line, cell: cell.trim().to_string() }
    }

    /// The cell and where it is, as a message says both.
    pub fn quoted(&self) -> String {
        format!("`{}` of {}", shown(&self.cell), self.place())
    }

    /// Where it is, as a message says it.
    pub fn place(&self) -> String {
        place(self.row, self.line)
    }
}

/// In which of two ways a column is written: its decimal mark, or whether the day comes first.
#[derive(Clone)]
pub(super) struct Style<T>(Option<(T, Box<CellAt>)>);

impl<T: Copy + PartialEq> Style<T> {
    /// One that cells have to show.
    pub fn open() -> Self {
        Self(None)
    }

    /// One that is given, with what messages say instead of a cell that shows it.
    pub fn given(style: T, example: &str) -> Self {
        Self::of(style, Box::new(CellAt::new(example, 0, 0)))
    }

    /// One that a cell shows.
    pub fn of(style: T, seen: Box<CellAt>) -> Self {
        Self(Some((style, seen)))
    }

    /// Notes that a cell shows a style. Fails with the cell that has shown the other one.
    pub fn show(
        &mut self,
        style: T,
        seen: impl FnOnce() -> Box<CellAt>,
    ) -> Result<(), Box<CellAt>> {
        let (known, first) = self.0.get_or_insert_with(|| (style, seen()));
        if *known == style { Ok(()) } else { Err(first.clone()) }
    }

    /// The style, where it is given or shown.
    pub fn known(&self) -> Option<T> {
        self.0.as_ref().map(|&(style, _)| style)
    }

    /// The first cell that shows the style; none where it is given.
    pub fn found(&self) -> Option<(&CellAt, T)> {
        let (style, seen) = self.0.as_ref()?;
        (seen.row > 0).then_some((seen, *style))
    }
}

/// What the cells of some rows show of the style of their column.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct StyleSummary<T> {
    /// The style, and the first cell that shows it; none where it is given.
    pub shown: Option<(T, CellAt)>,
    /// The first cell of each kind that can be read in two ways.
    pub unclear: [Option<CellAt>; 2],
}

impl<T> StyleSummary<T> {
    /// The same, shown by rows that follow a number of others.
    pub fn after(mut self, rows: usize) -> Self {
        let shown = self.shown.iter_mut().map(|(_, seen)| seen);
        for seen in shown.chain(self.unclear.iter_mut().flatten()) {
            seen.row += rows;
        }
        self
    }
}

/// Rows whose value may have to be the other one that the cell can mean.
#[derive(Clone, Default)]
pub(super) struct UnclearRows {
    pub first: Option<Box<CellAt>>,
    /// A bit for each row.
    rows: Vec<u64>,
}

impl UnclearRows {
    /// Marks a row.
    pub fn set(&mut self, row: usize, seen: impl FnOnce() -> Box<CellAt>) {
        self.first.get_or_insert_with(seen);
        let word = row / 64;
        if self.rows.len() <= word {
            self.rows.resize(word + 1, 0);
        }
        self.rows[word] |= 1 << (row % 64);
    }

    /// Gives the rows that are marked their other value.
    pub fn change(&self, values: &mut [f64], other: fn(f64) -> f64) {
        for (row, value) in values.iter_mut().enumerate().take(64 * self.rows.len()) {
            if self.has(row) {
                *value = other(*value);
            }
        }
    }

    /// The marks of rows that have the cells of these.
    pub fn spread(&self, indices: impl Iterator<Item = Option<u32>>) -> Self {
        let mut spread = Self { first: self.first.clone(), rows: Vec::new() };
        let Some(first) = &self.first else { return spread };
        let marked = indices
            .enumerate()
            .filter(|(_, index)| index.is_some_and(|index| self.has(index as usize)));
        for (row, _) in marked {
            spread.set(row, || first.clone());
        }
        spread
    }

    fn has(&self, row: usize) -> bool {
        self.rows.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_marked_change_and_no_others() {
        let mut unclear = UnclearRows::default();
        let seen = |row: usize| Box::new(CellAt { row, line: row + 1, cell: String::new() });
        for row in [1, 64, 130] {
            unclear.set(row, || seen(row));
        }
        assert_eq!(unclear.first.as_ref().unwrap().row, 1);
        let mut values = vec![1.0; 200];
        unclear.change(&mut values, |value| 2.0 * value);
        let changed: Vec<usize> = (0..200).filter(|&row| values[row] == 2.0).collect();
        assert_eq!(changed, [1, 64, 130]);
        let mut values = [1.0; 4];
        unclear
            .spread([Some(64), None, Some(0), Some(1)].into_iter())
            .change(&mut values, |value| -value);
        assert_eq!(values, [-1.0, 1.0, 1.0, -1.0]);
    }
}
