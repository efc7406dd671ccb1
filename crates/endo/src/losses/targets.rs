//! What the numbers of targets have to be for a loss or metric, beyond their shape.
//!
//! In: the shapes of targets and predictions. Out: [`Targets`], by which a model checks its data
//! before a weight changes.

use crate::array::Array;
use crate::data::{is_covered, place_of};
use crate::error::{Error, Result};
use crate::shape::Shape;

/// What the numbers of targets have to be. Data in which one is not is refused by `fit`, `evaluate`
/// and the steps on one batch, by its row, before anything is computed.
///
/// ```
/// use endo::losses::Targets;
/// use endo::prelude::*;
/// let of = |loss: &dyn Loss| loss.targets(&Shape::from([32]), &Shape::from([32, 10]));
/// assert_eq!(of(&SparseCategoricalCrossentropy), Targets::Classes { count: 10, ignored: None });
/// assert_eq!(of(&MeanSquaredError), Targets::Any);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Targets {
    /// Anything.
    Any,
    /// Whole numbers from 0 to below a count, and one more that stands for rows that do not count,
    /// in range or not.
    Classes {
        /// The number of classes.
        count: usize,
        /// The number of rows that do not count.
        ignored: Option<i32>,
    },
    /// Numbers from 0 to 1.
    Probabilities,
}

/// What covers targets that need not be there.
#[derive(Clone, Copy, Default)]
pub(crate) struct TargetCover<'a> {
    /// Sample weights, of which some may be 0.
    pub weight: Option<&'a Array>,
    /// Whether the model has a mask for them: where it does not hold, a label is NaN.
    pub masked: bool,
}

impl TargetCover<'_> {
    fn is_at(&self, targets: &Array, place: usize) -> bool {
        (self.masked && targets.get(place).is_nan()) || is_covered(targets, place, self.weight)
    }
}

impl Targets {
    /// The classes that predictions have along an axis, for targets that give each of their rows
    /// one: with all axes but that one, or with size 1 there. Targets of another shape are left to
    /// the loss, which says what is wrong with them.
    pub fn classes(y_true: &Shape, y_pred: &Shape, axis: isize, ignored: Option<i32>) -> Self {
        let Some(axis) = y_pred.axis(axis) else { return Self::Any };
        let fits = *y_true == y_pred.without(&[axis]) || *y_true == y_pred.with(axis, 1);
        if fits { Self::Classes { count: y_pred[axis], ignored } } else { Self::Any }
    }

    /// Finds the first number that is not as it has to be for `function`, but for those that are
    /// covered.
    ///
    /// # Errors
    /// With the row, the number, and what it has to be.
    pub(crate) fn check(
        self,
        function: &str,
        name: &str,
        targets: &Array,
        covered: TargetCover<'_>,
    ) -> Result<()> {
        if self == Self::Any {
            return Ok(()); // without a look at all of the data
        }
        let is_wrong =
            |&place: &usize| !self.allows(targets.get(place)) && !covered.is_at(targets, place);
        let Some(place) = (0..targets.len()).find(is_wrong) else { return Ok(()) };
        let (expected, help) = match self {
            Self::Any => unreachable!("it allows every number"),
            Self::Classes { count, ignored } => {
                let except = ignored.map_or(String::new(), |ignored| {
                    format!(", or {ignored} for rows that do not count")
                });
                let expected = match count {
                    1 => format!("of a single class, 0{except}"),
                    _ => format!("one of {count} classes, 0 to {}{except}", count - 1),
                };
                let help = "count classes from 0, and give the last layer as many units as there \
                    are classes";
                (expected, help)
            }
            Self::Probabilities => (
                "a probability, from 0 to 1".to_string(),
                "labels are 0 and 1: scale other targets, or use a loss that takes any numbers",
            ),
        };
        let message =
            format!("{}; for `{function}` it is {expected}", place_of(name, targets, place));
        Err(Error::data(message, help))
    }

    fn allows(self, number: f64) -> bool {
        match self {
            Self::Any => true,
            Self::Classes { count, ignored } => {
                let is_class = (0.0..count as f64).contains(&number) && number.fract() == 0.0;
                is_class || ignored.map(f64::from) == Some(number)
            }
            Self::Probabilities => (0.0..=1.0).contains(&number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(targets: Targets, array: impl Into<Array>) -> Option<String> {
        targets
            .check("loss", "targets", &array.into(), TargetCover::default())
            .err()
            .map(|error| error.message().to_string())
    }

    #[test]
    fn the_first_number_that_does_not_fit_is_named_by_its_row() {
        let five = Targets::Classes { count: 5, ignored: None };
        assert_eq!(error(five, [0, 4, 2]), None);
        let message =
            "targets[2] is 5: row 2, counted from 0; for `loss` it is one of 5 classes, 0 to 4";
        assert_eq!(error(five, [0, 4, 5, 9]).unwrap(), message);
        assert!(
            error(five, [[0.0_f32], [1.5]])
                .unwrap()
                .starts_with("targets[1, 0] is 1.5: row 1, column 0")
        );
        assert!(error(five, [-1]).is_some());
        let ignoring = Targets::Classes { count: 5, ignored: Some(-1) };
        assert_eq!(error(ignoring, [-1, 3]), None);
        assert!(
            error(ignoring, [-2]).unwrap().ends_with("0 to 4, or -1 for rows that do not count")
        );
        assert_eq!(error(Targets::Probabilities, [0.0_f32, 0.25, 1.0]), None);
        assert!(
            error(Targets::Probabilities, [0.0_f32, -1.0])
                .unwrap()
                .ends_with("it is a probability, from 0 to 1")
        );
        assert_eq!(error(Targets::Any, [f32::MAX]), None);
    }

    #[test]
    fn what_a_weight_of_0_covers_may_be_anything() {
        let five = Targets::Classes { count: 5, ignored: None };
        let check = |weight: Array| {
            five.check(
                "loss",
                "targets",
                &[[0.0_f32, 4.0], [f32::NAN, 9.0]].into(),
                TargetCover { weight: Some(&weight), masked: false },
            )
        };
        for weight in
            [[1.0_f32, 0.0].into(), [[1.0_f32], [0.0]].into(), [[0.0_f32, 1.0], [0.0, 0.0]].into()]
        {
            assert_eq!(check(weight), Ok(()));
        }
        assert!(
            check([[1.0_f32, 1.0], [0.0, 1.0]].into())
                .unwrap_err()
                .message()
                .starts_with("targets[1, 1] is 9")
        );
        assert!(check([0.0_f32, 1.0].into()).is_err());
    }

    #[test]
    fn classes_are_those_of_the_axis_and_other_shapes_are_left_to_the_loss() {
        let classes = |y_true: &[usize], axis| {
            Targets::classes(&y_true.to_vec().into(), &[7, 3, 4].into(), axis, None)
        };
        assert_eq!(classes(&[7, 3], -1), Targets::Classes { count: 4, ignored: None });
        assert_eq!(classes(&[7, 1, 4], 1), Targets::Classes { count: 3, ignored: None });
        assert_eq!([classes(&[7], -1), classes(&[7, 3], 5)], [Targets::Any; 2]);
    }
}
