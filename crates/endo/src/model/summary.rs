//! What a model is made of, as a table.
//!
//! In: the layers and weights that a trace has seen. Out: a printed table as Keras's.

use std::collections::HashSet;
use std::fmt;

use crate::trace::LayerRecord;
use crate::variable::Variable;

/// The layers of a model with the shapes of their outputs and the numbers of their weights. Prints as a table.
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
                        let sizes: Vec<String> = shape.iter().skip(1).map(usize::to_string).collect();
                        format!("[{}]", std::iter::once("batch".to_string()).chain(sizes).collect::<Vec<_>>().join(", "))
                    })
                    .collect();
                let parameters: usize = layer.weights.iter().filter(|weight| counted.insert(weight.id())).map(size).sum();
                let parameters = if layer.weights.is_empty() { String::new() } else { parameters.to_string() };
                [format!("{}{name} ({})", "  ".repeat(depth), layer.kind), outputs.join(", "), parameters]
            })
            .collect();
        let total = |trainable| weights.iter().filter(|weight| weight.is_trainable() == trainable).map(size).sum();
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
        let width = |column: usize| self.rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or(0);
        let [a, b, c] = [width(0), width(1), width(2)];
        for row in std::iter::once(&head).chain(&self.rows) {
            writeln!(f, "{:<a$}  {:<b$}  {:>c$}", row[0], row[1], row[2])?;
        }
        writeln!(f, "{}", "-".repeat(a + b + c + 4))?;
        write!(f, "{} parameters: {} trainable, {} fixed", self.parameters(), self.trainable, self.fixed)
    }
}

/// Each name cut to its last `parts` parts, or as many more as tell it from the others.
pub(crate) fn short_names(names: &[String], parts: usize) -> Vec<String> {
    let suffix = |name: &str, parts: usize| {
        let all: Vec<&str> = name.split('/').collect();
        all[all.len().saturating_sub(parts)..].join("/")
    };
    names
        .iter()
        .map(|name| {
            let longest = name.split('/').count();
            let unique = |parts: usize| names.iter().filter(|other| suffix(other, parts) == suffix(name, parts)).count() == 1;
            (parts..longest).find(|&parts| unique(parts)).map_or_else(|| name.clone(), |parts| suffix(name, parts))
        })
        .collect()
}

/// Gives entries of one name (or of a reserved one) names that differ: `mse`, `mse_1`, as Keras does.
pub(crate) fn distinct<T>(entries: &mut [(String, T)], reserved: &[&str]) {
    for index in 0..entries.len() {
        let (before, rest) = entries.split_at_mut(index);
        let Some((name, _)) = rest.first_mut() else { return };
        let taken = |name: &str| reserved.contains(&name) || before.iter().any(|(known, _)| known == name);
        if taken(name) {
            let free = (1..).map(|number| format!("{name}_{number}")).find(|name| !taken(name));
            *name = free.unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_as_long_as_it_takes_to_tell_them_apart() {
        let names = ["net/a/kernel", "net/b/kernel", "net/b/bias"].map(String::from);
        assert_eq!(short_names(&names, 1), ["a/kernel", "b/kernel", "bias"]);
        assert_eq!(short_names(&names, 2), ["a/kernel", "b/kernel", "b/bias"]);
    }

    #[test]
    fn names_that_are_taken_get_a_number() {
        let mut entries = ["mse", "loss", "mse"].map(|name| (name.to_string(), ()));
        distinct(&mut entries, &["loss"]);
        assert_eq!(entries.map(|(name, ())| name), ["mse", "loss_1", "mse_1"]);
    }
}
