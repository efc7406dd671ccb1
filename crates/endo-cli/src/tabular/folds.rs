//! Which rows each member of an ensemble leaves out.

use endo::prelude::*;

/// The golden ratio without its whole part.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// For each fold the rows it leaves out.
#[derive(Clone, Debug)]
pub struct Folds {
    rows: usize,
    left_out: Vec<Vec<usize>>,
}

impl Folds {
    /// `count` folds of shuffled rows. Each leaves out a `share` of them (a `count`th unless
    /// given), and all together leave out all rows as evenly as they can. Rows of one group, a
    /// class, are spread over the folds; the groups are numbers.
    pub fn new(groups: &[usize], count: usize, share: Option<f64>, seed: u64) -> Self {
        let rows = groups.len();
        let share = share.unwrap_or(1.0 / count as f64).clamp(0.0, 1.0);
        let numbers = Dataset::inputs_only(Array::from_fn([rows], |row| row as f64));
        let shuffled = numbers
            .map_or_else(|_| Vec::new(), |rows| rows.shuffled(seed).inputs().to_vec::<f64>());
        let mut order: Vec<usize> = shuffled.into_iter().map(|row| row as usize).collect();
        order.sort_by_key(|&row| groups[row]);
        let mut left_out = vec![Vec::new(); count];
        if share > 0.0 {
            // Multiples of the golden ratio fall evenly into any stretch of the unit interval
            // (Knuth 1998, section 6.4), so that every fold has its share of every group.
            for (position, &row) in order.iter().enumerate() {
                let place = (position as f64 * GOLDEN).fract();
                for (fold, rows) in left_out.iter_mut().enumerate() {
                    if (place - fold as f64 / count as f64).rem_euclid(1.0) < share - 1e-9 {
                        rows.push(row);
                    }
                }
            }
        }
        for rows in &mut left_out {
            rows.sort_unstable();
        }
        Self { rows, left_out }
    }

    /// Folds that leave out the rows given.
    #[cfg(test)]
    pub fn from_left_out(rows: usize, left_out: Vec<Vec<usize>>) -> Self {
        Self { rows, left_out }
    }

    /// The number of folds.
    pub fn count(&self) -> usize {
        self.left_out.len()
    }

    /// The rows that a fold leaves out, in order.
    pub fn left_out(&self, fold: usize) -> &[usize] {
        &self.left_out[fold]
    }

    /// `[rows, folds]`: 1 where a fold leaves out the row, else 0.
    pub fn mask(&self) -> Vec<f32> {
        let count = self.count();
        let mut mask = vec![0.0; self.rows * count];
        for (fold, rows) in self.left_out.iter().enumerate() {
            for row in rows {
                mask[row * count + fold] = 1.0;
            }
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_left_out_once_and_groups_are_spread() {
        let groups: Vec<usize> = (0..40).map(|row| usize::from(row < 8)).collect();
        let folds = Folds::new(&groups, 4, None, 7);
        let mask = folds.mask();
        assert!(mask.chunks_exact(4).all(|row| row.iter().sum::<f32>() == 1.0));
        assert!((0..4).all(|fold| {
            (1..=3).contains(&folds.left_out(fold).iter().filter(|&&row| row < 8).count())
        }));
        let some = Folds::new(&groups, 2, Some(0.25), 7);
        assert!(
            (0..2).all(|fold| (8..=12).contains(&some.left_out(fold).len())),
            "a quarter of the rows: {some:?}"
        );
        let none = Folds::new(&groups, 2, Some(0.0), 7);
        assert!(none.left_out(0).is_empty());
    }
}
