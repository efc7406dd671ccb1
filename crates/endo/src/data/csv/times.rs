//! A column of dates and times, and which of two numbers is the day in it.
//!
//! In: the cells of a column. Out: its times. `02/01/2024` may be in January or February: which,
//! the other cells of the column have to say, or whoever reads the file.

use super::dates::{self, DateOrder};
use super::numbers::{Ambiguity, Doubt, Refusal};
use super::unclear::CellAt;
use super::unclear::UnclearRows;

/// The times of a column while it is read.
#[derive(Clone, Default)]
pub(super) struct Column {
    pub values: Vec<f64>,
    /// The first cell whose day surely comes first.
    day: Option<Box<CellAt>>,
    /// The first cell whose month surely comes first.
    month: Option<Box<CellAt>>,
    /// Cells like `02/01/2024`, read with the day first.
    open: UnclearRows,
    /// The rows of such cells whose clock is not that of UTC, and the seconds that it is ahead.
    offsets: Vec<(usize, f64)>,
}

impl Column {
    /// A column without times, of which may be given whether the day comes first.
    pub fn new(day_first: Option<bool>) -> Self {
        let cell = if day_first == Some(true) { "DD/MM/YYYY" } else { "MM/DD/YYYY" };
        let given = |first: bool| {
            (day_first == Some(first))
                .then(|| Box::new(CellAt { row: 0, line: 0, cell: cell.to_string() }))
        };
        Self { day: given(true), month: given(false), ..Self::default() }
    }

    /// Adds the time of a cell.
    pub fn push(&mut self, cell: &str, row: usize, line: usize) -> Result<(), Refusal> {
        let reading = dates::read(cell.trim()).ok_or(Refusal::NotATime)?;
        let seen = || Box::new(CellAt { row, line, cell: cell.trim().to_string() });
        let (own, other) = match reading.order {
            DateOrder::DayFirst => (&mut self.day, &self.month),
            DateOrder::MonthFirst => (&mut self.month, &self.day),
            DateOrder::Open | DateOrder::Clear => {
                if reading.order == DateOrder::Open {
                    self.open.set(self.values.len(), seen);
                    if reading.offset != 0.0 {
                        self.offsets.push((self.values.len(), reading.offset));
                    }
                }
                self.values.push(reading.seconds);
                return Ok(());
            }
        };
        if let Some(other) = other {
            return Err(Refusal::OtherOrder(other.clone()));
        }
        own.get_or_insert_with(seen);
        self.values.push(reading.seconds);
        Ok(())
    }

    /// Adds a cell that is missing.
    pub fn push_missing(&mut self) {
        self.values.push(f64::NAN);
    }

    /// Gives all cells the order of day and month, when all rows are read.
    pub fn finish(&mut self) -> Result<(), Box<Ambiguity>> {
        match (&self.day, &self.month, &self.open.first) {
            (Some(_), _, _) | (_, _, None) => {}
            (None, Some(_), Some(_)) => {
                // Day and month are those of the cell's own clock.
                for &(row, offset) in &self.offsets {
                    self.values[row] += offset;
                }
                self.open.change(&mut self.values, dates::swapped);
                for &(row, offset) in &self.offsets {
                    self.values[row] -= offset;
                }
            }
            (None, None, Some(seen)) => {
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
    pub fn found_order(&self) -> Option<(&CellAt, bool)> {
        let seen = self
            .day
            .as_ref()
            .map(|seen| (&**seen, true))
            .or_else(|| self.month.as_ref().map(|seen| (&**seen, false)));
        seen.filter(|(seen, _)| seen.row > 0)
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
        Self {
            values,
            day: self.day.clone(),
            month: self.month.clone(),
            open: self.open.spread(indices),
            offsets,
        }
    }

    /// A column for rows that follow: without times, but with the order of day and month as far as
    /// it is known.
    pub fn following(self) -> Self {
        Self { day: self.day, month: self.month, ..Self::default() }
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
