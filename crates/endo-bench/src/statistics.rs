//! Middle, least and greatest of a few measurements.
//!
//! In: numbers of which each is one run. Out: [`Spread`]; one run alone says little on a machine
//! that does other things.

use std::fmt;

/// The median of some measurements, with the least and the greatest of them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spread {
    /// The one in the middle, or the mean of the two there.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
}

impl Spread {
    /// Of at least one number; none of them may be NaN.
    pub fn of(measurements: &[f64]) -> Option<Self> {
        let mut sorted = measurements.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, greatest) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            (sorted[middle - 1] + sorted[middle]) / 2.0
        } else {
            sorted[middle]
        };
        Some(Self { median, least, greatest })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, least, greatest } = *self;
        write!(f, "{} ({} to {})", short(median), short(least), short(greatest))
    }
}

/// Three significant digits, with a comma before every three digits left of the point.
pub fn short(value: f64) -> String {
    let digits = 2 - if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let scale = 10f64.powi(digits);
    let text = format!("{:.*}", digits.max(0) as usize, (value * scale).round() / scale);
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_two() {
        assert_eq!(
            Spread::of(&[3.0, 1.0, 2.0]),
            Some(Spread { median: 2.0, least: 1.0, greatest: 3.0 })
        );
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 100.0]).unwrap().median, 3.0);
        assert_eq!(Spread::of(&[7.0]).unwrap().median, 7.0);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn numbers_are_shown_with_three_digits() {
        assert_eq!(short(22.84), "22.8");
        assert_eq!(short(1_832.4), "1,830");
        assert_eq!(short(237_400.0), "237,000");
        assert_eq!(short(0.012345), "0.0123");
        assert_eq!(short(-123_456.0), "-123,000");
        assert_eq!(short(0.0), "0.00");
    }

    #[test]
    fn a_spread_shows_its_ends() {
        assert_eq!(Spread::of(&[2.0, 1.0, 4.0]).unwrap().to_string(), "2.00 (1.00 to 4.00)");
    }
}
