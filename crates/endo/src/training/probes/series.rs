//! Readings in order, of which there are never too many: a long series keeps every second, every
//! fourth, .. of them.
//!
//! In: readings as they come. Out: at most [`KEPT`] of them, evenly spread over the whole training.

use crate::error::Result;
use crate::training::State;
use crate::training::columns::counted_rows;

/// A series of more is thinned out.
const KEPT: usize = 1000;

/// What is kept of a series.
#[derive(Debug)]
pub(crate) struct Series<T> {
    seen: usize,
    /// One in this many is kept.
    stride: usize,
    kept: Vec<T>,
}

impl<T> Default for Series<T> {
    fn default() -> Self {
        Self { seen: 0, stride: 1, kept: Vec::new() }
    }
}

impl<T> Series<T> {
    /// Takes in the next one.
    pub fn push(&mut self, next: T) {
        if self.seen.is_multiple_of(self.stride) {
            self.kept.push(next);
            if self.kept.len() > KEPT {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
        }
        self.seen += 1;
    }

    /// How many were seen, every how many are kept, and those that are: what a saved run holds of
    /// it.
    pub fn parts(&self) -> (usize, usize, &[T]) {
        (self.seen, self.stride, &self.kept)
    }

    /// What [`parts`](Self::parts) gave; none if no series has such parts.
    pub fn from_parts(seen: usize, stride: usize, kept: Vec<T>) -> Option<Self> {
        let even =
            stride.is_power_of_two() && kept.len() <= KEPT && kept.len() == seen.div_ceil(stride);
        even.then_some(Self { seen, stride, kept })
    }

    /// The series whose readings `row` makes of the rows of a table of a saved run, where `counts`
    /// are how many it has seen, every how many it keeps, and how many it has kept.
    pub fn restored(
        state: &State,
        counts: &str,
        [seen, stride, count]: [usize; 3],
        table: &str,
        row: impl FnMut(Vec<(String, f64)>) -> Result<T>,
    ) -> Result<Self> {
        let rows = counted_rows(&state.part(table), count)?.into_iter();
        Self::from_parts(seen, stride, rows.map(row).collect::<Result<_>>()?).ok_or_else(|| {
            state.unexpected(
                counts,
                "how many readings a series has seen, and every how many it keeps",
                "at odds with those it keeps",
            )
        })
    }

    /// Those that are kept, and nothing is kept any more.
    pub fn take(&mut self) -> Vec<T> {
        std::mem::take(self).kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_series_keeps_evenly_spread_readings_from_the_first_on() {
        for length in [1, KEPT, KEPT + 1, 2 * KEPT + 1, 100_000] {
            let mut series = Series::default();
            for number in 0..length {
                series.push(number);
            }
            let stride = series.stride;
            let kept = series.take();
            assert!(
                kept.len() <= KEPT && (length < KEPT || kept.len() > KEPT / 2 - 2),
                "{length}: {}",
                kept.len()
            );
            assert!(
                kept.iter().enumerate().all(|(index, &number)| number == index * stride),
                "{length}"
            );
            assert!(length - kept[kept.len() - 1] <= stride, "{length}");
        }
    }

    #[test]
    fn a_series_comes_back_from_its_parts_and_from_no_others() {
        let mut series = Series::default();
        for number in 0..=2 * KEPT {
            series.push(number);
            let (seen, stride, kept) = series.parts();
            assert_eq!(
                Series::from_parts(seen, stride, kept.to_vec()).unwrap().parts(),
                (seen, stride, kept)
            );
        }
        for (seen, stride) in [(3, 0), (4, 1), (9, 4), (usize::MAX, 1), (6, 3)] {
            let series = Series::from_parts(seen, stride, vec![0, 1, 2]);
            assert!(series.is_none() || (seen, stride) == (9, 4), "{seen} {stride}");
        }
        assert!(Series::from_parts(KEPT + 1, 1, vec![0; KEPT + 1]).is_none());
    }
}
