//! The draws of a trace outside training, and which of them have numbers for each row.
//!
//! In: the draws of two traces of one step, for different numbers of rows. Out: those that do not
//! grow with the rows, which are one for all parts of a call.

use std::cell::RefCell;

use crate::graph::Occasion;
use crate::shape::Shape;

/// A draw: the place of its random state, and the shape of what was drawn.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Draw {
    place: u32,
    shape: Shape,
}

impl Draw {
    /// Whether the first axis is as long as if it had numbers for each of these rows.
    fn may_have_rows(&self, rows: usize) -> bool {
        rows > 0 && self.shape.first().is_some_and(|size| size.is_multiple_of(rows))
    }

    /// Whether the first axis has as many numbers for each row as that of the same draw for another
    /// number of rows.
    fn grows_to(&self, rows: usize, other: &Self, other_rows: usize) -> bool {
        let ([first, rest @ ..], [other_first, other_rest @ ..]) =
            (&self.shape[..], &other.shape[..])
        else {
            return false;
        };
        rest == other_rest
            && *first as u128 * other_rows as u128 == *other_first as u128 * rows as u128
    }
}

/// What was drawn in a trace outside training.
#[derive(Debug)]
pub(crate) struct DrawLog {
    /// The rows that are traced.
    rows: usize,
    /// What is drawn for, where the trace is run at once.
    pub occasion: Occasion,
    /// The draws that are one for the whole call, although their first axis is as long as if it had
    /// numbers for each row.
    shared: Vec<Draw>,
    draws: RefCell<Vec<Draw>>,
}

impl DrawLog {
    /// Before the trace of a step for this many rows.
    pub fn new(rows: usize, occasion: Occasion, shared: Vec<Draw>) -> Self {
        Self { rows, occasion, shared, draws: RefCell::default() }
    }

    /// Notes a draw, and says how many numbers of it belong to each row; 0 if it is one for the
    /// whole call.
    pub fn note(&self, place: u32, shape: &Shape) -> u64 {
        let draw = Draw { place, shape: shape.clone() };
        let is_shared = !draw.may_have_rows(self.rows) || self.shared.contains(&draw);
        self.draws.borrow_mut().push(draw);
        if is_shared { 0 } else { (shape.len() / self.rows) as u64 }
    }

    /// Whether nothing was drawn.
    pub fn is_empty(&self) -> bool {
        self.draws.borrow().is_empty()
    }

    /// Whether a draw has a first axis that may belong to the rows.
    pub fn has_rows(&self) -> bool {
        self.draws.borrow().iter().any(|draw| draw.may_have_rows(self.rows))
    }

    /// The draws that have no numbers for each row although they are as long, which the trace for
    /// another number of rows has shown. Both traces must come to the same places in the same
    /// order; draws at others are taken by their length.
    pub fn shared(&self, other: &Self) -> Vec<Draw> {
        let (draws, others) = (self.draws.borrow(), other.draws.borrow());
        let pairs =
            draws.iter().zip(others.iter()).filter(|(draw, other)| draw.place == other.place);
        let does_not_grow =
            |(draw, other_draw): &(&Draw, &Draw)| !draw.grows_to(self.rows, other_draw, other.rows);
        pairs.filter(does_not_grow).map(|(draw, _)| draw.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The log of a trace for a number of rows that draws these shapes, each at a place of its own.
    fn log(rows: usize, shapes: &[&[usize]]) -> DrawLog {
        let log = DrawLog::new(rows, Occasion::predict(0), Vec::new());
        for (place, &shape) in shapes.iter().enumerate() {
            log.note(place as u32, &shape.into());
        }
        log
    }

    #[test]
    fn a_draw_has_numbers_for_each_row_if_its_first_axis_grows_with_the_rows() {
        let large = log(256, &[&[256, 3], &[256, 3], &[512, 2], &[1], &[256, 256], &[]]);
        let small = log(2, &[&[2, 3], &[256, 3], &[4, 2], &[1], &[2, 2], &[]]);
        let shared = large.shared(&small);
        let settled = DrawLog::new(256, Occasion::predict(0), shared);
        let each: Vec<u64> =
            large.draws.borrow().iter().map(|draw| settled.note(draw.place, &draw.shape)).collect();
        assert_eq!(each, [3, 0, 4, 0, 0, 0]);
    }

    #[test]
    fn one_row_is_told_from_an_axis_of_one() {
        let (one, two) = (log(1, &[&[1, 4], &[1, 4]]), log(2, &[&[2, 4], &[1, 4]]));
        assert!(one.has_rows());
        assert_eq!(one.shared(&two), [Draw { place: 1, shape: [1, 4].into() }]);
    }
}
