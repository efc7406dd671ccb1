//! Options that only losses have: one number for all classes or one for each, and axes, which may
//! be all of them.
//!
//! In: what a user gives or a text says. Out: the value.

use crate::named::{Axes, Setting, optional};

optional! {
    Axes, "an axis, a list of axes such as `[1, 2]`, or `none` for all";
}

/// One number for all classes, or one for each.
///
/// ```
/// use endo::losses::{CategoricalFocalCrossentropy, PerClass};
/// let same = CategoricalFocalCrossentropy.alpha(0.5);
/// let rare_first = CategoricalFocalCrossentropy.alpha([0.75, 0.25]);
/// assert_eq!(rare_first.alpha, PerClass::Each(vec![0.75, 0.25]));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum PerClass {
    /// The same number for every class.
    Same(f64),
    /// A number for each class, in their order.
    Each(Vec<f64>),
}

impl From<f64> for PerClass {
    fn from(number: f64) -> Self {
        Self::Same(number)
    }
}

impl<const N: usize> From<[f64; N]> for PerClass {
    fn from(numbers: [f64; N]) -> Self {
        Self::Each(numbers.to_vec())
    }
}

impl From<Vec<f64>> for PerClass {
    fn from(numbers: Vec<f64>) -> Self {
        Self::Each(numbers)
    }
}

impl Setting for PerClass {
    const EXPECTED: &'static str = "a number, or a list of numbers such as `[0.25, 0.75]`";

    fn read(text: &str) -> Option<Self> {
        let Some(list) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
            return f64::read(text).map(Self::Same);
        };
        let numbers: Option<Vec<f64>> =
            list.split(',').map(|number| f64::read(number.trim())).collect();
        numbers.map(Self::Each)
    }

    fn write(&self) -> String {
        match self {
            Self::Same(number) => number.write(),
            Self::Each(numbers) => format!("{numbers:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_they_are_written() {
        for axis in [None, Some(Axes::One(-1)), Some(Axes::from([1, 2]))] {
            assert_eq!(Setting::read(&axis.write()), Some(axis));
        }
        for alpha in [PerClass::Same(0.25), PerClass::Each(vec![0.5, 1e-3])] {
            assert_eq!(PerClass::read(&alpha.write()), Some(alpha));
        }
        assert_eq!(<Option<i32>>::read("-1"), Some(Some(-1)));
        assert_eq!(<Option<i32>>::read("none"), Some(None));
        assert_eq!(PerClass::read("[0.5, x]"), None);
    }
}
