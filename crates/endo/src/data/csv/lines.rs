//! The lines of a table's rows, kept as the rows at which they skip.
//!
//! In: the line of each row as it is read. Out: the line of any row, for messages.

/// The line of each row, counted from 1. A table whose rows follow each other without blank lines
/// needs a single entry.
#[derive(Clone, Default)]
pub(in crate::data) struct Lines {
    /// Rows, counted from 0, whose line is not the one after that of the row before, and their
    /// lines.
    starts: Vec<(usize, usize)>,
    /// The rows of the file before the first row.
    before: usize,
}

impl Lines {
    /// The lines of rows that follow a number of others in the file.
    pub fn after(before: usize) -> Self {
        Self { before, ..Self::default() }
    }

    /// The number of a row in the file, counted from 1.
    pub fn number(&self, row: usize) -> usize {
        self.before + row + 1
    }

    /// Adds the line of a row; rows come in order.
    pub fn push(&mut self, row: usize, line: usize) {
        if self.get(row) != Some(line) {
            self.starts.push((row, line));
        }
    }

    /// Adds the lines of rows that follow a number of rows.
    pub fn extend(&mut self, rows_before: usize, starts: &[(usize, usize)]) {
        for &(row, line) in starts {
            self.push(rows_before + row, line);
        }
    }

    /// Rows whose line is not the one after that of the row before, and their lines.
    pub fn starts(&self) -> &[(usize, usize)] {
        &self.starts
    }

    /// The line of a row, counted from 0.
    pub fn get(&self, row: usize) -> Option<usize> {
        let next = match self.starts.last() {
            // Rows are added one after the other.
            Some(&(start, _)) if start <= row => self.starts.len(),
            _ => self.starts.partition_point(|&(start, _)| start <= row),
        };
        self.starts[..next].last().map(|&(start, line)| line + row - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_row() {
        let lines = [2, 3, 4, 7, 8, 20, 21];
        let mut kept = Lines::default();
        for (row, &line) in lines.iter().enumerate() {
            kept.push(row, line);
        }
        assert!(lines.iter().enumerate().all(|(row, &line)| kept.get(row) == Some(line)));
        assert_eq!(kept.starts.len(), 3);
        assert_eq!(Lines::default().get(0), None);
    }
}
