//! From numbers to places along an axis.
//!
//! In: the numbers that are drawn. Out: [`Scale`], linear or logarithmic, with round numbers to be
//! written beside it.

/// An axis between two ends, `low` at place 0 and `high` at place 1.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

/// From this ratio of the largest to the smallest on, a logarithm is easier to read.
const RATIO: f64 = 50.0;

impl Scale {
    /// Linear, between round numbers.
    pub fn linear(low: f64, high: f64) -> Self {
        let (low, high) = if high > low {
            (low, high)
        } else {
            (low - 0.5 * low.abs().max(1e-9), high + 0.5 * high.abs().max(1e-9))
        };
        Self { low, high, logarithmic: false }
    }

    /// For values of any kind: logarithmic where all are positive and far apart, otherwise linear.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = extent(values.filter(|value| value.is_finite()));
        match () {
            () if low > high => Self::linear(0.0, 1.0),
            () if low > 0.0 && high / low > RATIO => Self {
                low: 10_f64.powf(low.log10().floor()),
                high: 10_f64.powf(high.log10().ceil()),
                logarithmic: true,
            },
            () => Self::round(low, high),
        }
    }

    /// From 0 to the largest, or from the smallest where that is below 0.
    pub fn from_zero(low: f64, high: f64) -> Self {
        Self::round(low.min(0.0), high.max(0.0))
    }

    /// Linear, between the round numbers around two numbers.
    fn round(low: f64, high: f64) -> Self {
        let step = step(low, high);
        Self::linear((low / step).floor() * step, (high / step).ceil() * step)
    }

    /// Where a number lies, from 0 to 1; beyond the ends at the ends.
    pub fn place(&self, value: f64) -> f64 {
        let place = if self.logarithmic {
            (value.max(f64::MIN_POSITIVE) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) }
    }

    /// Round numbers on the axis, with the text of each.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        if self.logarithmic {
            let (low, high) = (self.low.log10().round() as i32, self.high.log10().round() as i32);
            let every = ((high - low + 4) / 5).max(1) as usize;
            return (low..=high)
                .step_by(every)
                .map(|power| (10_f64.powi(power), written(10_f64.powi(power), 0.0)))
                .collect();
        }
        let step = step(self.low, self.high);
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last)
            .map(|number| number as f64 * step)
            .map(|value| (value, written(value, step)))
            .collect()
    }

    /// Whether it is logarithmic.
    pub fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }
}

/// A round distance (1, 2 or 5 times a power of ten) that fits three to eight times between two
/// numbers.
fn step(low: f64, high: f64) -> f64 {
    let rough = ((high - low) / 5.0).abs().max(1e-12);
    let power = 10_f64.powf(rough.log10().floor());
    let digits = [(1.5, 1.0), (3.5, 2.0), (7.5, 5.0)];
    let round = digits.into_iter().find(|&(below, _)| rough / power < below);
    power * round.map_or(10.0, |(_, digit)| digit)
}

/// The smallest and the largest of some numbers; of none, infinities the wrong way round.
pub fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// A number with as many digits as tell it from its neighbours.
fn written(value: f64, step: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-3..1e5).contains(&magnitude) {
        return format!("{value:.1e}").replace(".0e", "e");
    }
    let unit = if step > 0.0 { step } else { magnitude };
    let digits = (-unit.log10().floor()).max(0.0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!(
            texts(Scale::of([0.31, 0.58].into_iter())),
            ["0.30", "0.35", "0.40", "0.45", "0.50", "0.55", "0.60"]
        );
        assert_eq!(texts(Scale::from_zero(0.2, 7.1)), ["0", "2", "4", "6", "8"]);
        assert_eq!(
            texts(Scale::linear(0.0005, 0.0015)),
            ["6e-4", "8e-4", "0.0010", "0.0012", "0.0014"]
        );
        assert_eq!(texts(Scale::from_zero(-1.0, 1.0)), ["-1.0", "-0.5", "0.0", "0.5", "1.0"]);
    }

    #[test]
    fn numbers_far_apart_are_shown_by_their_logarithms() {
        let scale = Scale::of([0.002, 3.0].into_iter());
        assert!(scale.is_logarithmic());
        assert_eq!(texts(scale), ["0.001", "0.01", "0.1", "1", "10"]);
        assert!((scale.place(0.1) - 0.5).abs() < 1e-12);
        assert_eq!((scale.place(1e-9), scale.place(f64::NAN), scale.place(100.0)), (0.0, 0.0, 1.0));
    }

    #[test]
    fn equal_numbers_and_none_at_all_have_an_axis_too() {
        for scale in [
            Scale::of([0.0].into_iter()),
            Scale::of([5.0, 5.0].into_iter()),
            Scale::of([f64::NAN].into_iter()),
        ] {
            let ticks = scale.ticks();
            assert!(!ticks.is_empty() && ticks.len() < 12, "{ticks:?}");
        }
    }
}
