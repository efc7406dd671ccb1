//! [`Routine`]: formulas of several results as one loop, which keeps everything in between in
//! registers.
//!
//! A routine is written once, as [`CombinedFormula`](super::CombinedFormula) is: on floats it
//! computes, on [`Code`] it writes itself down. Every operation rounds as it does alone.

use super::combined::{Arithmetic, Code};
use super::loops::{Loop, separate};
use super::{Level, Levels, Work};

/// A routine as a formula of whatever numbers there are: what is done to a weight and its slots.
pub trait Formula {
    /// The number of values that are sequences: the weight, its slots and, last, its gradient.
    const SEQUENCES: usize;
    /// The number of all values.
    const VALUES: usize;
    /// The number of results.
    const RESULTS: usize;

    /// The new weight and slots; further ones repeat the last. Values behind
    /// [`VALUES`](Self::VALUES) are not used.
    fn results<A: Arithmetic>(values: [A; MOST_VALUES]) -> [A; MOST_RESULTS];
}

/// The most values of a routine.
pub const MOST_VALUES: usize = 10;
/// The most results of a routine.
pub const MOST_RESULTS: usize = 3;

/// What an optimizer does to a weight and its slots. All values and results are `f32`.
pub struct Routine {
    /// What plans call it.
    pub name: &'static str,
    /// The type that implements its [`Formula`].
    pub kind: RoutineKind,
    /// The number of values that are sequences, the last of which is the gradient; the others are
    /// single numbers.
    pub sequences: usize,
    /// The formulas of the results in prefix notation.
    pub results: fn() -> Vec<Code>,
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
    /// The loop for a level, which the processor must have. Its inputs are the values; the pointers
    /// to the results come after theirs, and its own output is not used. A result may be where a
    /// sequence is.
    pub fn at(&self, level: Level) -> Loop {
        self.levels.at(level)
    }
}

/// Elements that are computed together.
const WIDTH: usize = 16;

macro_rules! routines {
    ($(
        $name:ident $text:literal: (
            $($each:ident $e:literal),+;
            $($same:ident $s:literal),+;
            $values:literal
        ) -> [$count:literal] $formula:block
    )+) => {
        /// All formulas.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum RoutineKind {
            $(
                #[doc = concat!("What `", $text, "` does.")]
                $name,
            )+
        }

        $(
            formula! {
                $name $text: ($($each $e),+; $($same $s),+; $values) -> [$count] $formula
            }
            pass! { $name: ($($each $e),+; $($same $s),+; $values) -> [$count] }
        )+

        /// All routines.
        pub static ROUTINES: &[Routine] = &[
            $(
                Routine {
                    name: $text,
                    kind: RoutineKind::$name,
                    sequences: $name::SEQUENCES,
                    results: || {
                        $name::formula([$(Code::value($e)),+], [$(Code::value($s)),+]).to_vec()
                    },
                    levels: Levels::new::<$name, $name, $name>(),
                },
            )+
        ];
    };
}

/// A formula as a type.
macro_rules! formula {
    (
        $name:ident $text:literal: (
            $($each:ident $e:literal),+;
            $($same:ident $s:literal),+;
            $values:literal
        ) -> [$count:literal] $formula:block
    ) => {
        #[doc = concat!("The formula of `", $text, "`.")]
        pub struct $name;

        impl $name {
            #[inline(always)]
            fn formula<A: Arithmetic>(
                [$($each),+]: [A; [$($e),+].len()],
                [$($same),+]: [A; [$($s),+].len()],
            ) -> [A; $count] $formula
        }

        impl Formula for $name {
            const SEQUENCES: usize = [$($e),+].len();
            const VALUES: usize = $values;
            const RESULTS: usize = $count;

            #[inline(always)]
            fn results<A: Arithmetic>(values: [A; MOST_VALUES]) -> [A; MOST_RESULTS] {
                let results = Self::formula([$(values[$e]),+], [$(values[$s]),+]);
                std::array::from_fn(|result| results[result.min($count - 1)])
            }
        }
    };
}

/// The loop over a formula. Its table has pointers to the values and then to the results; sequences
/// and results are valid for `n` elements.
macro_rules! pass {
    (
        $name:ident: (
            $($each:ident $e:literal),+;
            $($same:ident $s:literal),+;
            $values:literal
        ) -> [$count:literal]
    ) => {
        impl Work<*const u8> for $name {
            #[inline(always)]
            unsafe fn run(table: *const *const u8, _: *mut u8, n: usize) {
                let mut start = 0;
                // SAFETY: by the contract above. All loads of a block come before its stores, so
                // that a result may be where a sequence is.
                unsafe {
                    $(let $same = (*table.add($s)).cast::<f32>().read_unaligned();)+
                    $(let $each = (*table.add($e)).cast::<f32>();)+
                    let results = table.add($values).cast::<*mut f32>();
                    while n - start >= WIDTH {
                        $(let $each =
                            $each.add(start).cast::<[f32; WIDTH]>().read_unaligned();)+
                        let mut blocks = [[0.0; WIDTH]; $count];
                        for i in 0..WIDTH {
                            let computed = Self::formula([$($each[i]),+], [$($same),+]);
                            for result in 0..$count {
                                blocks[result][i] = computed[result];
                            }
                        }
                        for (result, block) in blocks.into_iter().enumerate() {
                            (*results.add(result))
                                .add(start)
                                .cast::<[f32; WIDTH]>()
                                .write_unaligned(block);
                        }
                        start += WIDTH;
                        separate();
                    }
                    while start < n {
                        $(let $each = $each.add(start).read_unaligned();)+
                        let computed = Self::formula([$($each),+], [$($same),+]);
                        for (result, number) in computed.into_iter().enumerate() {
                            (*results.add(result)).add(start).write_unaligned(number);
                        }
                        start += 1;
                    }
                }
            }
        }
    };
}

// The weight, its slots and its gradient; rates, what is kept and taken of slots and weights, the
// scale of the root, epsilon.
routines! {
    Adam "adam": (w 0, m 1, v 2, g 3; first 4, second 5, rate 6, epsilon 7; 8) -> [3] {
        let m = m + (g - m) * first;
        let v = v + (g.square() - v) * second;
        [w - m * rate / (v.root() + epsilon), m, v]
    }
    Nadam "nadam": (
        w 0, m 1, v 2, g 3;
        first 4, second 5, rate 6, ahead 7, scale 8, epsilon 9;
        10
    ) -> [3] {
        let m = m + (g - m) * first;
        let v = v + (g.square() - v) * second;
        [w - (m * rate + g * ahead) / (v.root() * scale + epsilon), m, v]
    }
    AdamW "adamw": (w 0, m 1, v 2, g 3; first 4, second 5, rate 6, decay 7, epsilon 8; 9) -> [3] {
        let m = m + (g - m) * first;
        let v = v + (g.square() - v) * second;
        [w - w * decay - m * rate / (v.root() + epsilon), m, v]
    }
    RmsProp "rmsprop": (w 0, v 1, g 2; keep 3, take 4, rate 5, epsilon 6; 7) -> [2] {
        let v = v * keep + g.square() * take;
        [w - g * rate / (v + epsilon).root(), v]
    }
    Momentum "momentum": (w 0, m 1, g 2; keep 3, rate 4; 5) -> [2] {
        let m = m * keep - g * rate;
        [w + m, m]
    }
    Descent "sgd": (w 0, g 1; rate 2; 3) -> [1] {
        [w - g * rate]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::combined::tests::evaluate;

    #[test]
    fn routines_give_the_bits_of_their_operations_at_every_length_and_level() {
        for (routine, level) in ROUTINES
            .iter()
            .flat_map(|routine| Level::available().map(move |level| (routine, level)))
        {
            for n in [0, 1, 15, 16, 17, 50] {
                let column = |value: usize| {
                    (0..50)
                        .map(|i| (0.7 * (i + 9 * value) as f32).sin() + 1.3)
                        .collect::<Vec<f32>>()
                };
                let codes = (routine.results)();
                let given: Vec<Vec<f32>> = (0..10).map(column).collect();
                // Results go where the first sequences are, and a row of zeros stays behind the
                // last element.
                let mut columns = given.clone();
                let values = codes.iter().map(Code::values).max().unwrap();
                let pointers: Vec<*mut f32> =
                    columns.iter_mut().map(|column| column.as_mut_ptr()).collect();
                let table: Vec<*const u8> = pointers[..values]
                    .iter()
                    .chain(&pointers[..codes.len()])
                    .map(|p| p.cast::<u8>().cast_const())
                    .collect();
                // SAFETY: all columns have 50 elements, and the level is available.
                unsafe { routine.at(level)(table.as_ptr(), std::ptr::null_mut(), n) };
                for (result, code) in codes.iter().enumerate() {
                    for row in 0..50 {
                        let number = |value: u8| {
                            given[usize::from(value)]
                                [if usize::from(value) < routine.sequences { row } else { 0 }]
                        };
                        let computed: f32 = evaluate(&mut code.symbols().iter(), &number);
                        let expected = if row < n { computed } else { given[result][row] };
                        assert_eq!(
                            columns[result][row].to_bits(),
                            expected.to_bits(),
                            "{routine:?} {level:?} {n}: {result} in {row}"
                        );
                    }
                }
            }
        }
    }
}
