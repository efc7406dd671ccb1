//! What is learnt from a table: its columns and its task.
//!
//! A row is one `f64` for each column: numbers and times as they are, `NaN` where they are missing,
//! categories as codes.

use crate::ranks::Ranks;

/// A column to predict from.
#[derive(Clone, Debug, PartialEq)]
pub enum Feature {
    /// A number; `NaN` where it is missing.
    Number {
        /// The column's name.
        name: String,
    },
    /// Seconds since 1970; `NaN` where the time is missing.
    Time {
        /// The column's name.
        name: String,
    },
    /// A code: 0 is what the training rows do not hold (or hold too rarely), 1 and above are known
    /// categories. A missing one is a category of its own if the training rows have it.
    Category {
        /// The column's name.
        name: String,
        /// The number of codes, with code 0.
        count: usize,
    },
}

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Numbers, in the unit of each target.
    Regression {
        /// The number of targets.
        targets: usize,
    },
    /// The probabilities of classes; a target is the code of its class, from 0.
    Classes {
        /// The number of classes, at least 2.
        count: usize,
    },
}

impl Task {
    /// The numbers predicted for a row.
    pub fn outputs(self) -> usize {
        match self {
            Self::Regression { targets } => targets,
            Self::Classes { count } => count,
        }
    }

    /// Whether probabilities are predicted.
    pub fn is_classes(self) -> bool {
        matches!(self, Self::Classes { .. })
    }
}

/// The columns and the task.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The columns, in the order of a row.
    pub features: Vec<Feature>,
    /// What is predicted.
    pub task: Task,
}

/// How to learn; what is `None` follows the table.
#[derive(Clone, Debug)]
pub struct LearningOptions {
    /// The seed of parts, first weights and the order of rows.
    pub seed: u64,
    /// The number of threads; results do not depend on it.
    pub threads: Option<usize>,
    /// The most epochs.
    pub epochs: Option<usize>,
    /// The rows in a step.
    pub batch_size: Option<usize>,
    /// The learning rate.
    pub learning_rate: Option<f64>,
    /// The share of the rows that each net leaves out, another share for each net. With `None`
    /// every row is left out by one net.
    pub validation: Option<f64>,
    /// Factors of the rows' weights by class.
    pub class_weight: Option<Vec<f64>>,
    /// The weight of a loss term: the mean squared error with which the nets' last hidden units
    /// reconstruct the encoded inputs.
    pub reconstruction: Option<f64>,
    /// Who shares the work of a training, if it is shared.
    pub ranks: Option<Ranks>,
}

impl LearningOptions {
    /// The defaults with a seed.
    pub fn new(seed: u64) -> Self {
        let (threads, epochs, batch_size, learning_rate, validation) =
            (None, None, None, None, None);
        Self {
            seed,
            threads,
            epochs,
            batch_size,
            learning_rate,
            validation,
            class_weight: None,
            reconstruction: None,
            ranks: None,
        }
    }
}
