//! The rows to train, validate and test on.
//!
//! In: rows, and the class of each if there are classes. Out: [`RowSplit`]: random by seed, and of
//! each class a share.

use std::collections::BTreeMap;

use endo::data::Dataset;
use endo::{Array, Error, Result};

/// Rows for each purpose; none is in two parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowSplit {
    /// To learn from.
    pub train: Vec<usize>,
    /// To watch while learning; may be empty.
    pub validation: Vec<usize>,
    /// To judge by, once.
    pub test: Vec<usize>,
}

impl RowSplit {
    /// Splits rows at random: for the test a share of all, for validation a share of the rest. With
    /// classes, these shares hold within each class; a class of few rows has at least one to train
    /// on.
    ///
    /// # Errors
    /// If there are too few rows for a part.
    pub fn split(
        rows: &[usize],
        classes: Option<&[f64]>,
        [test, validation]: [f64; 2],
        seed: u64,
    ) -> Result<Self> {
        let [rest, test] = cut(rows, classes, test, seed)?;
        let [train, validation] = match validation {
            0.0 => [rest, Vec::new()],
            share => cut(&rest, classes, share, seed)?,
        };
        Ok(Self { train, validation, test })
    }

    /// The rows that are not for the test, in order.
    pub fn learnable(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = self.train.iter().chain(&self.validation).copied().collect();
        rows.sort_unstable();
        rows
    }
}

/// The rest, and a share of the rows.
fn cut(rows: &[usize], classes: Option<&[f64]>, share: f64, seed: u64) -> Result<[Vec<usize>; 2]> {
    let Some(classes) = classes else { return at_random(rows, share, seed) };
    let mut groups: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for &row in rows {
        groups.entry(classes[row] as u64).or_default().push(row);
    }
    let [mut rest, mut part] = [Vec::new(), Vec::new()];
    for group in groups.values() {
        // A class of so few rows that one part would have none is trained on.
        let takes_part =
            (1..group.len()).contains(&((group.len() as f64 * share).round() as usize));
        let [first, second] =
            if takes_part { at_random(group, share, seed)? } else { [group.clone(), Vec::new()] };
        rest.extend(first);
        part.extend(second);
    }
    if part.is_empty() {
        // No class has rows enough for a share of its own.
        return at_random(rows, share, seed);
    }
    Ok([rest, part])
}

fn at_random(rows: &[usize], share: f64, seed: u64) -> Result<[Vec<usize>; 2]> {
    let numbers = Array::from(rows.iter().map(|&row| row as f64).collect::<Vec<f64>>());
    let (rest, part) = Dataset::inputs_only(numbers)?
        .split(share, seed)
        .map_err(|error| too_few(rows.len(), share, error))?;
    let of = |data: Dataset| {
        data.inputs().to_vec::<f64>().into_iter().map(|row| row as usize).collect::<Vec<usize>>()
    };
    Ok([of(rest), of(part)])
}

fn too_few(rows: usize, share: f64, error: Error) -> Error {
    let many = if rows == 1 { "1 row" } else { &format!("{rows} rows") };
    let message = format!(
        "{many} cannot be cut into two parts, of which one is a share of {share}: one would be \
            empty"
    );
    error
        .with_message(message)
        .help("give a table of more rows, or choose other shares with --test and --validation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_all_rows_and_of_the_rest() {
        let rows: Vec<usize> = (0..1599).collect();
        let parts = RowSplit::split(&rows, None, [0.5, 0.2], 42).unwrap();
        assert_eq!((parts.test.len(), parts.validation.len(), parts.train.len()), (800, 160, 639));
        let mut all: Vec<usize> =
            parts.train.iter().chain(&parts.validation).chain(&parts.test).copied().collect();
        all.sort_unstable();
        assert_eq!(all, rows);
        assert_eq!(parts, RowSplit::split(&rows, None, [0.5, 0.2], 42).unwrap());
        assert!(RowSplit::split(&rows, None, [0.25, 0.0], 42).unwrap().validation.is_empty());
    }

    #[test]
    fn every_class_is_in_every_part() {
        let classes: Vec<f64> = (0..100).map(|row| f64::from(u8::from(row % 10 == 0))).collect();
        let rows: Vec<usize> = (0..100).collect();
        let parts = RowSplit::split(&rows, Some(&classes), [0.2, 0.25], 7).unwrap();
        let rare = |part: &[usize]| part.iter().filter(|&&row| row % 10 == 0).count();
        assert_eq!(
            [&parts.train, &parts.validation, &parts.test].map(|part| rare(part)),
            [6, 2, 2]
        );
        // A class of one row is trained on.
        let classes: Vec<f64> =
            (0..40).map(|row| if row == 7 { 2.0 } else { f64::from(row % 2) }).collect();
        let parts = RowSplit::split(&rows[..40], Some(&classes), [0.25, 0.25], 7).unwrap();
        assert!(parts.train.contains(&7) && parts.learnable().len() == 30, "{parts:?}");
        let pairs: Vec<f64> = (0..20).map(|row| f64::from(row / 2)).collect();
        assert_eq!(
            RowSplit::split(&rows[..20], Some(&pairs), [0.8, 0.0], 7).unwrap().train.len(),
            4
        );
    }

    #[test]
    fn too_few_rows_are_told() {
        let error = RowSplit::split(&[3], None, [0.25, 0.0], 1).unwrap_err();
        assert!(error.message().starts_with("1 row cannot be cut into two parts"), "{error}");
    }
}
