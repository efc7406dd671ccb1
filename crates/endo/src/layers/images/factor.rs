//! How much a random change of an image may be.
//!
//! In: a number, or two. Out: the ends of the range from which it is drawn.

use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::named::{Setting, optional};
use crate::ops::RandomState;
use crate::trace::Context;

/// The range of a random number: `0.2` for -0.2 to 0.2, or its two ends. Which of them comes first
/// does not matter.
///
/// ```
/// use endo::prelude::*;
/// let (both, left) = (RandomRotation::new(0.1), RandomRotation::new([0.0, 0.1]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factor {
    low: f64,
    high: f64,
}

impl From<f64> for Factor {
    fn from(reach: f64) -> Self {
        Self::from([-reach, reach])
    }
}

impl From<[f64; 2]> for Factor {
    fn from([a, b]: [f64; 2]) -> Self {
        Self { low: a.min(b), high: a.max(b) }
    }
}

impl From<(f64, f64)> for Factor {
    fn from(ends: (f64, f64)) -> Self {
        Self::from(<[f64; 2]>::from(ends))
    }
}

impl Setting for Factor {
    const EXPECTED: &'static str = "a number, or the two ends of a range as in `[-0.1, 0.2]`";

    fn read(text: &str) -> Option<Self> {
        f64::read(text).map(Self::from).or_else(|| <[f64; 2]>::read(text).map(Self::from))
    }

    fn write(&self) -> String {
        [self.low, self.high].write()
    }
}

optional! {
    Factor, "a number, the two ends of a range as in `[-0.1, 0.2]`, or `none`";
}

impl Factor {
    /// An error of the layer being applied if the range reaches out of `least` to `most`.
    pub(super) fn check(self, option: &str, [least, most]: [f64; 2], cx: &Context) -> Result<()> {
        let within = |end: f64| (least..=most).contains(&end);
        if within(self.low) && within(self.high) {
            return Ok(());
        }
        let message = format!("the `{option}` of `{}` is {} to {}", cx.path(), self.low, self.high);
        Err(Error::argument(message, format!("it lies within {least} and {most}")))
    }

    /// A number of the range and `middle` for each of `count` images, `[count]`.
    #[track_caller]
    pub(super) fn draw(self, random: &RandomState, count: usize, middle: f64) -> Tensor {
        random.uniform([count], middle + self.low, middle + self.high)
    }
}

/// How much less and how much more contrast there may be: `0.2` for factors of 0.8 to 1.2, or two
/// numbers `[lower, upper]` for `1 - lower` to `1 + upper`.
///
/// ```
/// use endo::prelude::*;
/// let (both, more) = (RandomContrast::new(0.2), RandomContrast::new([0.0, 0.5]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContrastFactor {
    lower: f64,
    upper: f64,
}

impl From<f64> for ContrastFactor {
    fn from(reach: f64) -> Self {
        Self { lower: reach, upper: reach }
    }
}

impl From<[f64; 2]> for ContrastFactor {
    fn from([lower, upper]: [f64; 2]) -> Self {
        Self { lower, upper }
    }
}

impl From<(f64, f64)> for ContrastFactor {
    fn from((lower, upper): (f64, f64)) -> Self {
        Self { lower, upper }
    }
}

impl Setting for ContrastFactor {
    const EXPECTED: &'static str = "a number, or two as in `[0.1, 0.2]`";

    fn read(text: &str) -> Option<Self> {
        f64::read(text).map(Self::from).or_else(|| <[f64; 2]>::read(text).map(Self::from))
    }

    fn write(&self) -> String {
        [self.lower, self.upper].write()
    }
}

impl ContrastFactor {
    /// The range of what is added to a factor of 1, or an error of the layer being applied if it
    /// is none.
    pub(super) fn range(self, cx: &Context) -> Result<Factor> {
        let Self { lower, upper } = self;
        if (0.0..=1.0).contains(&lower) && (0.0..=1.0).contains(&upper) {
            return Ok(Factor { low: -lower, high: upper });
        }
        let message = format!("the `factor` of `{}` is {lower} and {upper}", cx.path());
        Err(Error::argument(message, "how much less and how much more is each within 0 and 1"))
    }
}
