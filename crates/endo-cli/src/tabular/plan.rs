//! How large the nets are and how long they learn.
//!
//! In: the number of rows and of columns, and what the user asked for. Out: all the numbers of a
//! training. They were chosen by means over real tables, on splits that no figure of a report comes
//! from.

use super::problem::LearningOptions;

/// The size of the nets and the length of training, from the number of rows.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The number of nets.
    pub nets: usize,
    /// The units of hidden layers.
    pub hidden: Vec<usize>,
    /// The most pieces of a number.
    pub pieces: usize,
    /// The most epochs.
    pub epochs: usize,
    /// The rows in a step.
    pub batch_size: usize,
    /// The first learning rate, which falls to 0 along half a cosine.
    pub learning_rate: f64,
    /// The decay of weights.
    pub decay: f64,
    /// The epochs without improvement after which training stops.
    pub patience: usize,
    /// The share of rows that each net leaves out.
    pub share: f64,
}

impl Plan {
    /// The plan for a number of rows and of columns that hold numbers or times.
    pub fn new(rows: usize, numbers: usize, options: &LearningOptions) -> Self {
        let large = rows > LARGE;
        // Nets, and how many steps they take at most, as multiples of the root of the number of
        // rows.
        let (nets, length) = match () {
            () if rows > MANY => (2, 1400.0),
            () if large => (3, 1400.0),
            () if rows > 1000 => (5, 3000.0),
            () => (6, 3000.0),
        };
        let epochs = options
            .epochs
            .unwrap_or((length / (rows.max(1) as f64).sqrt()).clamp(8.0, 240.0) as usize);
        let batch_size = (rows / 8).clamp(32, if large { 256 } else { 64 });
        Self {
            nets,
            hidden: vec![if large { 64 } else { 48 }; 2],
            pieces: (rows / 10).clamp(4, 16).min(MOST_PIECES / numbers.max(1)).max(2),
            epochs,
            batch_size: options.batch_size.unwrap_or(batch_size),
            learning_rate: options.learning_rate.unwrap_or(if large { 0.008 } else { 0.005 }),
            decay: 0.02,
            patience: (epochs / 16).max(if large { 3 } else { 4 }),
            share: options.validation.unwrap_or(if large { 0.1 } else { 1.0 / nets as f64 }),
        }
    }
}

/// Two nets are enough for more rows than this.
const MANY: usize = 10_000;

/// More rows than this are many: larger nets, which leave out fewer of them.
pub const LARGE: usize = 3000;

/// About the most pieces of all numbers together.
const MOST_PIECES: usize = 320;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_get_more_nets_and_more_epochs() {
        let plan = |rows: usize| Plan::new(rows, 10, &LearningOptions::new(0));
        assert_eq!(
            [plan(400).nets, plan(2000).nets, plan(5000).nets, plan(40_000).nets],
            [6, 5, 3, 2]
        );
        assert_eq!([plan(400).epochs, plan(40_000).epochs], [150, 8]);
        assert_eq!(Plan::new(400, 100, &LearningOptions::new(0)).pieces, 3);
    }
}
