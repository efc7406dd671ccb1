//! A column of dates and times, and which of two numbers is the day in it.
//!
//! In: the cells of a column. Out: its times. `02/01/2024` may be in January or February: which,
//! the other cells of the column have to say, or whoever reads the file.

use super::dates::{self, DateOrder};
use super::numbers::{Ambiguity, Doubt, Refusal};
use super::unclear::{CellAt, Style, StyleSummary, UnclearRows};

/// The times of a column while it is read.
pub(super) struct Column {
    pub values: Vec<f64>,
    /// Whether the day comes first.
    day_first: Style<bool>,
    /// Cells like `02/01/2024`, read with the day first.
    open: UnclearRows,
    /// The rows of such cells whose clock is not that of UTC, and the seconds that it is ahead.
    offsets: Vec<(usize, f64)>,
}

impl Column {
    /// A column without times, of which may be given whether the day comes first.
    pub fn new(day_first: Option<bool>) -> Self {
        let given = |first| Style::given(first, if first { "DD/MM/YYYY" } else { "MM/DD/YYYY" });
        Self::with_order(day_first.map_or(Style::open(), given))
    }

    fn with_order(day_first: Style<bool>) -> Self {
        Self { values: Vec::new(), day_first, open: UnclearRows::default(), offsets: Vec::new() }
    }

    /// Adds the time of a cell.
    pub fn push(&mut self, cell: &str, row: usize, line: usize) -> Result<(), Refusal> {
        let reading = dates::read(cell.trim()).ok_or(Refusal::NotATime)?;
        let seen = || Box::new(CellAt::new(cell, row, line));
        match reading.order {
            DateOrder::Clear => {}
            DateOrder::Open => {
                self.open.set(self.values.len(), seen);
                if reading.offset != 0.0 {
                    self.offsets.push((self.values.len(), reading.offset));
                }
            }
            DateOrder::DayFirst => {
                self.day_first.show(true, seen).map_err(Refusal::OtherOrder)?;
            }
            DateOrder::MonthFirst => {
                self.day_first.show(false, seen).map_err(Refusal::OtherOrder)?;
            }
        }
        self.values.push(reading.seconds);
        Ok(())
    }

    /// Adds a cell that is missing.
    pub fn push_missing(&mut self) {
        self.values.push(f64::NAN);
    }

    /// What its cells show of how they are written, without them.
    pub fn style(&self) -> StyleSummary<bool> {
        let shown = self.day_first.found().map(|(seen, day_first)| (day_first, seen.clone()));
        StyleSummary { shown, unclear: [self.open.first.as_deref().cloned(), None] }
    }

    /// Adds what rows that follow show, and not these; false where day and month are in another
    /// order there.
    pub fn follow(&mut self, style: &StyleSummary<bool>) -> bool {
        let first = || style.unclear[0].clone().map(Box::new);
        self.open.first = self.open.first.take().or_else(first);
        let Some((day_first, seen)) = &style.shown else { return true };
        self.day_first.show(*day_first, || Box::new(seen.clone())).is_ok()
    }

    /// Gives all cells the order of day and month, when all rows are read.
    pub fn finish(&mut self) -> Result<(), Box<Ambiguity>> {
        match (self.day_first.known(), &self.open.first) {
            (Some(true), _) | (_, None) => {}
            (Some(false), Some(_)) => {
                // Day and month are those of the cell's own clock.
                for &(row, offset) in &self.offsets {
                    self.values[row] += offset;
                }
                self.open.change(&mut self.values, dates::swapped);
                for &(row, offset) in &self.offsets {
                    self.values[row] -= offset;
                }
            }
            (None, Some(seen)) => {
                let readings = ["the day first".to_string(), "the month first".to_string()];
                return Err(Box::new(Ambiguity {
                    seen: *seen.clone(),
                    readings,
                    doubt: Doubt::Day,
                }));
            }
        }
        Ok(())
    }

    /// The first cell from which the order of day and month is known, and whether the day comes
    /// first. None where it is given.
    pub fn found_order(&self) -> Option<(CellAt, bool)> {
        self.day_first.found().map(|(seen, day_first)| (seen.clone(), day_first))
    }

    /// The column whose rows have the times of these; `None` is missing.
    pub fn spread(&self, indices: impl Iterator<Item = Option<u32>> + Clone) -> Self {
        let value =
            |index: Option<u32>| index.map_or(f64::NAN, |index| self.values[index as usize]);
        let values = indices.clone().map(value).collect();
        let offset = |index: u32| {
            let place =
                self.offsets.binary_search_by_key(&(index as usize), |&(row, _)| row).ok()?;
            Some(self.offsets[place].1)
        };
        let of_row = |(row, index): (usize, Option<u32>)| Some((row, offset(index?)?));
        let offsets = if self.offsets.is_empty() {
            Vec::new()
        } else {
            indices.clone().enumerate().filter_map(of_row).collect()
        };
        Self { values, day_first: self.day_first.clone(), open: self.open.spread(indices), offsets }
    }

    /// A column for rows that follow: without times, but with the order of day and month as far as
    /// it is known.
    pub fn following(self) -> Self {
        Self::with_order(self.day_first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(cells: &[&str], day_first: Option<bool>) -> Result<Vec<f64>, String> {
        let mut column = Column::new(day_first);
        for (row, cell) in cells.iter().enumerate() {
            column.push(cell, row + 1, row + 2).map_err(|refusal| match refusal {
                Refusal::OtherOrder(seen) => format!("{cell} after {}", seen.cell),
                other => format!("{cell}: {other:?}"),
            })?;
        }
        column.finish().map_err(|ambiguity| {
            format!("{}: {}", ambiguity.seen.cell, ambiguity.readings.join(" or "))
        })?;
        Ok(column.values.iter().map(|value| value / 86_400.0).collect())
    }

    #[test]
    fn the_order_of_day_and_month_is_that_of_the_column() {
        assert_eq!(column(&["02/01/1970", "13/01/1970"], None), Ok(vec![1.0, 12.0]));
        assert_eq!(column(&["02/01/1970", "01/13/1970"], None), Ok(vec![31.0, 12.0]));
        let late = ["02/01/1970 23:00-05:00", "12/01/1970 23:00-05:00", "01/13/1970"];
        assert_eq!(column(&late, None), Ok(vec![32.0 + 4.0 / 24.0, 335.0 + 4.0 / 24.0, 12.0]));
        assert_eq!(column(&["02/01/1970"], Some(true)), Ok(vec![1.0]));
        assert_eq!(column(&["02/01/1970"], Some(false)), Ok(vec![31.0]));
        assert_eq!(column(&["01/01/1970", "02-02-1970"], None), Ok(vec![0.0, 32.0]));
        assert_eq!(
            column(&["02/01/1970"], None),
            Err("02/01/1970: the day first or the month first".into())
        );
        assert_eq!(
            column(&["13/01/1970", "01/13/1970"], None),
            Err("01/13/1970 after 13/01/1970".into())
        );
        assert_eq!(column(&["13/01/1970"], Some(false)), Err("13/01/1970 after MM/DD/YYYY".into()));
    }
}
