//! [`Routine`]: a formula of several results as one loop, which keeps everything in between in
//! registers: what an optimizer does to a weight and its slots.
//!
//! In: an [`UpdateFormula`], written once. Out: its loop, and what it says as [`Expression`]s, by
//! which plans find it. Every operation rounds as it does alone.

use std::marker::PhantomData;

use super::arithmetic::Arithmetic;
use super::expression::Expression;
use super::loops::{Loop, separate};
use super::{Level, Levels, Work};

/// The most values of a routine.
pub const MOST_VALUES: usize = 12;
/// The most results of a routine.
pub const MOST_RESULTS: usize = 4;

/// What is done to a weight and its slots, as a formula of whatever numbers there are.
pub trait UpdateFormula: 'static {
    /// What plans call it.
    const NAME: &'static str;
    /// The number of values that are sequences: the weight, its slots and, last, its gradient. The
    /// others are single numbers.
    const SEQUENCES: usize;
    /// The number of all values.
    const VALUES: usize;
    /// The number of results: the new weight and slots.
    const RESULTS: usize;

    /// The results, given the values. What lies behind [`VALUES`](Self::VALUES) and behind
    /// [`RESULTS`](Self::RESULTS) is not used.
    fn results<A: Arithmetic>(values: [A; MOST_VALUES]) -> [A; MOST_RESULTS];
}

/// An [`UpdateFormula`] as values: what it says, and its machine code for `f32`.
pub struct Routine {
    /// What plans call it.
    pub name: &'static str,
    /// The number of values that are sequences, the last of which is the gradient.
    pub sequences: usize,
    /// The number of all values.
    pub values: usize,
    /// The number of results.
    pub results: usize,
    /// What it computes: the results, given as many values as [`MOST_VALUES`].
    pub formula: for<'a> fn([Expression<'a>; MOST_VALUES]) -> [Expression<'a>; MOST_RESULTS],
    /// The update of tiles of a product, if there is one; it is for those who run products, who
    /// know what it takes.
    pub tile: Option<unsafe fn(*const ())>,
    levels: Levels<*const u8>,
}

impl PartialEq for Routine {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl std::fmt::Debug for Routine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Routine {
    /// The routine of a formula.
    pub const fn new<F: UpdateFormula>(tile: Option<unsafe fn(*const ())>) -> Self {
        assert!(F::VALUES <= MOST_VALUES, "more values than a routine may have");
        assert!(F::RESULTS <= MOST_RESULTS, "more results than a routine may have");
        assert!(F::SEQUENCES == F::RESULTS + 1, "a result for each sequence but the gradient");
        Self {
            name: F::NAME,
            sequences: F::SEQUENCES,
            values: F::VALUES,
            results: F::RESULTS,
            formula: |values| F::results(values),
            tile,
            levels: Levels::new::<Pass<F>, Pass<F>, Pass<F>>(),
        }
    }

    /// The loop for a level, which the processor must have. Its inputs are the values; the pointers
    /// to the results come after theirs, and its own output is not used. A result may be where a
    /// sequence is.
    pub fn at(&self, level: Level) -> Loop {
        self.levels.at(level)
    }
}

/// Elements that are computed together.
const WIDTH: usize = 16;

/// The loop over a formula. Its table has pointers to the values and then to the results; sequences
/// and results are valid for `n` elements.
struct Pass<F>(PhantomData<F>);

impl<F: UpdateFormula> Work<*const u8> for Pass<F> {
    #[inline(always)]
    unsafe fn run(table: *const *const u8, _: *mut u8, n: usize) {
        // SAFETY: by the contract above.
        unsafe {
            let mut numbers = [0.0_f32; MOST_VALUES];
            let singles = numbers.iter_mut().enumerate().take(F::VALUES).skip(F::SEQUENCES);
            for (number, single) in singles {
                *single = (*table.add(number)).cast::<f32>().read_unaligned();
            }
            let mut start = 0;
            while n - start >= WIDTH {
                block::<F, WIDTH>(table, &numbers, start);
                start += WIDTH;
                separate();
            }
            while start < n {
                block::<F, 1>(table, &numbers, start);
                start += 1;
            }
        }
    }
}

/// The formula at the `W` places from `start` on. All loads come before the stores, so that a
/// result may be where a sequence is.
///
/// # Safety
///
/// As for [`Pass`], whose arrays hold the places.
#[inline(always)]
unsafe fn block<F: UpdateFormula, const W: usize>(
    table: *const *const u8,
    numbers: &[f32; MOST_VALUES],
    start: usize,
) {
    let mut sequences = [[0.0_f32; W]; MOST_RESULTS + 1];
    for (number, sequence) in sequences.iter_mut().enumerate().take(F::SEQUENCES) {
        // SAFETY: by the contract above.
        *sequence = unsafe {
            (*table.add(number)).cast::<f32>().add(start).cast::<[f32; W]>().read_unaligned()
        };
    }
    let mut results = [[0.0_f32; W]; MOST_RESULTS];
    for i in 0..W {
        let mut values = *numbers;
        for number in 0..F::SEQUENCES {
            values[number] = sequences[number][i];
        }
        let computed = F::results(values);
        for result in 0..F::RESULTS {
            results[result][i] = computed[result];
        }
    }
    for (number, result) in results.into_iter().enumerate().take(F::RESULTS) {
        // SAFETY: by the contract above.
        unsafe {
            (*table.add(F::VALUES + number))
                .cast_mut()
                .cast::<f32>()
                .add(start)
                .cast::<[f32; W]>()
                .write_unaligned(result);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::expression::{Expressions, evaluate};
    use super::*;

    /// A formula with all that [`Arithmetic`] has.
    struct Everything;

    impl UpdateFormula for Everything {
        const NAME: &'static str = "everything";
        const SEQUENCES: usize = 4;
        const VALUES: usize = 7;
        const RESULTS: usize = 3;

        #[inline(always)]
        fn results<A: Arithmetic>(values: [A; MOST_VALUES]) -> [A; MOST_RESULTS] {
            let [w, m, v, g, share, rate, epsilon, ..] = values;
            let m = m + (g - m) * share;
            let v = (v * share).maximum(g.abs().square());
            let w = w - m * rate / (v.sqrt() + epsilon) - (g - w).sign() * rate;
            [w, m, v, v]
        }
    }

    #[test]
    fn routines_give_the_bits_of_their_operations_at_every_length_and_level() {
        let routine = Routine::new::<Everything>(None);
        let all = Expressions::default();
        let results = (routine.formula)(std::array::from_fn(|number| all.value(number)))
            .map(|result| result.number(&all));
        for level in Level::available() {
            for n in [0, 1, 15, 16, 17, 50] {
                let column = |value: usize| {
                    (0..50)
                        .map(|i| (0.7 * (i + 9 * value) as f32).sin() + 1.3)
                        .collect::<Vec<f32>>()
                };
                let given: Vec<Vec<f32>> = (0..7).map(column).collect();
                // Results go where the first sequences are, and what is behind the last element
                // stays.
                let mut columns = given.clone();
                let pointers: Vec<*mut f32> =
                    columns.iter_mut().map(|column| column.as_mut_ptr()).collect();
                let table: Vec<*const u8> = pointers
                    .iter()
                    .chain(&pointers[..3])
                    .map(|p| p.cast::<u8>().cast_const())
                    .collect();
                // SAFETY: all columns have 50 elements, and the level is available.
                unsafe { routine.at(level)(table.as_ptr(), std::ptr::null_mut(), n) };
                for (result, &expression) in results.iter().enumerate().take(3) {
                    for row in 0..50 {
                        let number = |value: usize| given[value][if value < 4 { row } else { 0 }];
                        let computed: f32 = evaluate(&all.nodes(), expression, &number);
                        let expected = if row < n { computed } else { given[result][row] };
                        assert_eq!(
                            columns[result][row].to_bits(),
                            expected.to_bits(),
                            "{level:?} {n}: {result} in {row}"
                        );
                    }
                }
            }
        }
    }
}
