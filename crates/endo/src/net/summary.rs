//! What a model is made of, as a table.
//!
//! In: the layers and weights that a trace has seen. Out: a printed table as Keras's.

use std::collections::HashSet;
use std::fmt;

use crate::trace::LayerRecord;
use crate::variable::Variable;

/// The layers of a model with the shapes of their outputs and the numbers of their weights. Prints
/// as a table.
///
/// ```
/// # use endo::prelude::*;
/// let model = Model::new(Sequential::new().add(Dense::new(4)).add(Dense::new(1)));
/// model.build([32, 3])?;
/// let summary = model.summary()?;
/// println!("{summary}");
/// assert_eq!(summary.parameters(), (3 * 4 + 4) + (4 + 1));
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Summary {
    rows: Vec<[String; 3]>,
    trainable: usize,
    fixed: usize,
}

impl Summary {
    pub(crate) fn new(layers: &[LayerRecord], weights: &[Variable]) -> Self {
        let size = |weight: &Variable| weight.shape().len();
        let mut counted = HashSet::new();
        let rows = layers
            .iter()
            .map(|layer| {
                let depth = layer.path.matches('/').count();
                let name = layer.path.rsplit('/').next().unwrap_or(&layer.path);
                let outputs: Vec<String> = layer
                    .outputs
                    .iter()
                    .map(|shape| {
                        let sizes = shape.iter().skip(1).map(usize::to_string);
                        let sizes: Vec<String> =
                            std::iter::once("batch".to_string()).chain(sizes).collect();
                        format!("[{}]", sizes.join(", "))
                    })
                    .collect();
                let parameters: usize = layer
                    .weights
                    .iter()
                    .filter(|weight| counted.insert(weight.id()))
                    .map(size)
                    .sum();
                let parameters =
                    if layer.weights.is_empty() { String::new() } else { parameters.to_string() };
                [
                    format!("{}{name} ({})", "  ".repeat(depth), layer.kind),
                    outputs.join(", "),
                    parameters,
                ]
            })
            .collect();
        let total = |trainable| {
            weights.iter().filter(|weight| weight.is_trainable() == trainable).map(size).sum()
        };
        Self { rows, trainable: total(true), fixed: total(false) }
    }

    /// The number of numbers in all weights.
    pub fn parameters(&self) -> usize {
        self.trainable + self.fixed
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["layer (type)", "output", "parameters"].map(String::from);
        let width = |column: usize| {
            self.rows
                .iter()
                .chain([&head])
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let [a, b, c] = [width(0), width(1), width(2)];
        for row in std::iter::once(&head).chain(&self.rows) {
            writeln!(f, "{:<a$}  {:<b$}  {:>c$}", row[0], row[1], row[2])?;
        }
        writeln!(f, "{}", "-".repeat(a + b + c + 4))?;
        write!(
            f,
            "{} parameters: {} trainable, {} fixed",
            self.parameters(),
            self.trainable,
            self.fixed
        )
    }
}
