//! How values are spread, reading after reading: one hill behind another, the latest in front.
//!
//! In: the histograms of a layer's activations or of a weight. Out: a figure.

use crate::training::probes::Histogram;

use super::chart::{Figure, WIDTH, colour};
use super::scale::{Scale, extent};
use super::svg::Svg;

/// The number of hills that fit on each other.
const HILLS: usize = 14;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 52.0;
/// From one hill's foot to the next.
const STEP: f64 = 13.0;
/// The highest hill.
const PEAK: f64 = 46.0;

/// The readings of one value, each with its step; none without a histogram.
pub fn ridges(file: &str, title: &str, readings: &[(usize, &Histogram)]) -> Option<Figure> {
    let stride = readings.len().div_ceil(HILLS).max(1);
    // Counted from the latest, which is always there.
    let mut shown: Vec<&(usize, &Histogram)> = readings.iter().rev().step_by(stride).collect();
    shown.reverse();
    let ends = shown
        .iter()
        .flat_map(|(_, histogram)| [histogram.minimum, histogram.maximum])
        .filter(|end| end.is_finite());
    let (low, high) = extent(ends);
    if low > high {
        return None;
    }
    let x = Scale::linear(low, high);
    let place = |value: f64| LEFT + x.place(value) * (WIDTH - LEFT - RIGHT);
    let highest = shown
        .iter()
        .flat_map(|(_, histogram)| densities(histogram))
        .fold(f64::MIN_POSITIVE, f64::max);
    let foot = TOP + STEP * (shown.len() - 1) as f64;
    let mut svg = Svg::default();
    for (value, text) in x.ticks() {
        svg.line("grid", [place(value), 6.0], [place(value), foot + 3.0]);
        svg.text("tick", [place(value), foot + 17.0], "middle", &text);
    }
    for (index, (step, histogram)) in shown.iter().enumerate() {
        let base = TOP + STEP * index as f64;
        // The square root keeps low hills visible beside a peak.
        let height = |density: f64| base - PEAK * (density / highest).sqrt();
        let (edges, densities) = (histogram.edges(), densities(histogram));
        let mut outline = vec![[place(histogram.minimum), base]];
        for (density, ends) in densities.into_iter().zip(edges.windows(2)) {
            outline.extend([[place(ends[0]), height(density)], [place(ends[1]), height(density)]]);
        }
        outline.push([place(histogram.maximum), base]);
        svg.polygon(&format!("ridge {}", colour(0)), &outline, &format!("step {step}"));
        svg.text("tick", [LEFT - 6.0, base + 3.0], "end", &step.to_string());
    }
    svg.text("label", [6.0, 14.0], "start", "step");
    svg.text("label", [WIDTH - RIGHT, foot + 31.0], "end", "value");
    Some(Figure::drawn(
        file,
        title,
        "share of values, the latest step in front; heights are square roots",
        foot + 38.0,
        svg,
    ))
}

/// The share of values in each bin by its share of the width.
fn densities(histogram: &Histogram) -> Vec<f64> {
    let (count, bins) =
        (histogram.counts.iter().sum::<usize>().max(1) as f64, histogram.counts.len() as f64);
    histogram.counts.iter().map(|&number| number as f64 / count * bins).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_reading_is_drawn_however_many_there_are() {
        let histogram = Histogram { minimum: -1.0, maximum: 1.0, counts: vec![1, 3] };
        let readings: Vec<(usize, &Histogram)> =
            (0..100).map(|index| (10 * index, &histogram)).collect();
        let figure = ridges("hidden", "hidden", &readings).unwrap().inline();
        assert!(
            figure.contains("<title>step 990</title>") && figure.matches("<path").count() <= HILLS
        );
        assert!(ridges("hidden", "hidden", &[]).is_none());
    }

    #[test]
    fn values_that_are_all_equal_are_drawn() {
        let histogram = Histogram { minimum: 0.0, maximum: 0.0, counts: vec![8] };
        assert!(!ridges("zeros", "zeros", &[(0, &histogram)]).unwrap().inline().contains("NaN"));
    }
}
