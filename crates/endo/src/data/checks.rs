//! What is asked of the arrays of a data set.
//!
//! In: an array and its role. Out: nothing, or an error that names the role, the row and the
//! column.

use crate::array::Array;
use crate::error::{Error, ErrorKind, Result};
use crate::shape::Shape;

use super::dataset::Dataset;

/// Fails when a number of the array is not finite, naming the first one's row and column, counted
/// from 0.
pub(super) fn check_finite(name: &str, array: &Array) -> Result<()> {
    check_uncovered(name, array, None, false)
}

/// The same, but for numbers that a weight of 0 covers, and for NaN that a mask of a model may
/// cover.
fn check_uncovered(name: &str, array: &Array, weight: Option<&Array>, masked: bool) -> Result<()> {
    if array.is_finite() {
        return Ok(());
    }
    let is_covered =
        |place: usize| (masked && array.get(place).is_nan()) || is_covered(array, place, weight);
    let wrong = |&place: &usize| !array.get(place).is_finite() && !is_covered(place);
    let Some(place) = (0..array.len()).find(wrong) else { return Ok(()) };
    let message = place_of(name, array, place);
    let help = match name {
        "targets" => {
            "remove or replace the rows whose numbers are missing or infinite, or give samples \
                without a label a sample weight of 0"
        }
        _ => "remove or replace the rows whose numbers are missing or infinite",
    };
    Err(Error::new(ErrorKind::NotFinite, message).help(help))
}

impl Dataset {
    /// Fails when a number is not finite, but for targets that a weight of 0 covers, and for NaN in
    /// those at some places, which a mask of the model may cover.
    pub(crate) fn check_finite_but(&self, masked: &[usize]) -> Result<()> {
        self.inputs.iter().try_for_each(|array| check_finite("inputs", array))?;
        let weights = &self.sample_weights;
        for (place, targets) in self.targets.iter().enumerate() {
            let weight = if weights.len() > 1 { weights.get(place) } else { weights.first() };
            check_uncovered("targets", targets, weight, masked.contains(&place))?;
        }
        weights.iter().try_for_each(|array| check_finite("sample_weight", array))
    }
}

/// Whether a number of targets has a weight of 0: that of its sample, or of its step where there is
/// one for each.
pub(crate) fn is_covered(targets: &Array, place: usize, weight: Option<&Array>) -> bool {
    let Some(weight) = weight else { return false };
    let sizes = match weight.shape().sizes() {
        [leading @ .., 1] if !leading.is_empty() => leading,
        all => all,
    };
    let fits = targets.shape().sizes().starts_with(sizes) && !weight.shape().contains(&0);
    fits && weight.get(place / (targets.len() / weight.len())) == 0.0
}

/// A number of an array by its row and column:
/// `targets[3, 0] is 7: row 3, column 0, counted from 0`.
pub(crate) fn place_of(name: &str, array: &Array, place: usize) -> String {
    let shape = array.shape();
    let index: Shape = shape
        .strides()
        .iter()
        .zip(shape.sizes())
        .map(|(stride, size)| place / stride % size)
        .collect();
    let value = array.get(place);
    match *index.sizes() {
        [row] => format!("{name}{index} is {value}: row {row}, counted from 0"),
        [row, .., column] => {
            format!("{name}{index} is {value}: row {row}, column {column}, counted from 0")
        }
        [] => format!("{name} is {value}"),
    }
}

pub(super) fn check_fraction(fraction: f64) -> Result<()> {
    if fraction > 0.0 && fraction < 1.0 {
        return Ok(());
    }
    let message = format!("a split needs a fraction between 0 and 1, got {fraction}");
    Err(Error::argument(message, "0.2 sets a fifth of the samples apart"))
}

/// Fails when a split leaves one of its two parts without samples, or whatever they are called.
pub(super) fn check_split(what: &str, first: usize, all: usize, fraction: f64) -> Result<()> {
    if first > 0 && first < all {
        return Ok(());
    }
    let message = format!("a split of {all} {what} by {fraction} leaves a part without {what}");
    Err(Error::argument(message, format!("give a fraction nearer to 0.5, or more {what}")))
}
