//! Figures over epochs: lines, and terms stacked on each other.
//!
//! In: numbers by name, an entry for each epoch. Out: figures.

use super::chart::{Chart, Figure, colour};
use super::scale::{Scale, extent};

/// A number over the epochs: the epoch, counted from 1, and the number.
pub struct ChartLine {
    pub name: String,
    pub class: String,
    pub points: Vec<[f64; 2]>,
}

impl ChartLine {
    /// A line of a colour, solid, or dashed.
    pub fn new(name: &str, index: usize, dashed: bool, points: Vec<[f64; 2]>) -> Self {
        let class = if dashed { format!("{} dashed", colour(index)) } else { colour(index) };
        Self { name: name.to_string(), class, points }
    }

    /// Its name, with the class of its colour.
    fn legend(&self) -> (String, String) {
        (self.name.clone(), self.class.clone())
    }

    /// The number at this epoch; 0 where there is none that is finite.
    fn at(&self, epoch: f64) -> f64 {
        let point = self.points.iter().find(|[known, _]| *known == epoch);
        point.map(|[_, value]| *value).filter(|value| value.is_finite()).unwrap_or(0.0)
    }

    fn last(&self) -> String {
        self.points.last().map_or_else(String::new, |[epoch, value]| {
            format!("{}: {value:.4} at {epoch}", self.name)
        })
    }
}

/// The number of points that are drawn of a long line: as many as a screen shows.
const DRAWN: usize = 400;

/// At most `most` of the points, the first and the last among them.
fn thinned(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let stride = points.len().div_ceil(DRAWN).max(1);
    let mut kept: Vec<[f64; 2]> = points.iter().step_by(stride).copied().collect();
    if let Some(last) = points.last().filter(|last| kept.last() != Some(last)) {
        kept.push(*last);
    }
    kept
}

/// The axis of epochs or steps up to the last of all lines.
fn time(lines: &[ChartLine]) -> Scale {
    let (low, high) = extent(lines.iter().flat_map(|line| line.points.iter().map(|[x, _]| *x)));
    Scale::linear(low, high)
}

/// Lines over time; none without numbers. `within` is the range of the axis where that is known.
pub fn lines(
    file: &str,
    [title, note, time_label]: [&str; 3],
    lines: &[ChartLine],
    within: Option<[f64; 2]>,
) -> Option<Figure> {
    let values = lines.iter().flat_map(|line| line.points.iter().map(|[_, value]| *value));
    values.clone().next()?;
    let y = within.map_or_else(|| Scale::of(values), |[low, high]| Scale::linear(low, high));
    let legend: Vec<(String, String)> = lines.iter().map(ChartLine::legend).collect();
    let mut chart = Chart::new(time(lines), y, time_label, &legend);
    for line in lines {
        // A number that is not finite leaves a gap.
        let points = thinned(&line.points);
        for part in points.split(|[_, value]| !value.is_finite()) {
            let places: Vec<[f64; 2]> = part.iter().map(|&point| chart.place(point)).collect();
            chart.svg.polyline(&format!("line {}", line.class), &places, &line.last());
        }
    }
    Some(chart.finish(file, title, note))
}

/// Terms stacked on each other, those below 0 downwards, and their total as a line.
pub fn stack(file: &str, title: &str, terms: &[ChartLine], total: &ChartLine) -> Option<Figure> {
    let first = total.points.first()?;
    let drawn = thinned(&total.points);
    let epochs: Vec<f64> = drawn.iter().map(|[epoch, _]| *epoch).collect();
    // What is stacked up and down at each epoch.
    let heights = |sign: f64| -> Vec<f64> {
        let sum = |&epoch: &f64| terms.iter().map(|term| (sign * term.at(epoch)).max(0.0)).sum();
        epochs.iter().map(sum).collect()
    };
    let mut above = heights(1.0);
    above.sort_by(f64::total_cmp);
    let low = -heights(-1.0).into_iter().fold(0.0, f64::max);
    let (middle, high) =
        (above.get(above.len() / 2).copied().unwrap_or(1.0), above.last().copied().unwrap_or(1.0));
    // The first epochs of a training are often far above all others, which then could not be seen.
    let cut = high > 6.0 * middle && middle > 0.0;
    let top = if cut { 3.0 * middle } else { high };
    let y = Scale::from_zero(low, top);
    let legend: Vec<(String, String)> =
        terms.iter().chain([total]).map(ChartLine::legend).collect();
    let mut chart = Chart::new(time(std::slice::from_ref(total)), y, "epoch", &legend);
    let (mut above, mut below) = (vec![0.0; epochs.len()], vec![0.0; epochs.len()]);
    for term in terms {
        let (mut lower, mut upper) = (Vec::new(), Vec::new());
        for (index, &epoch) in epochs.iter().enumerate() {
            let value = term.at(epoch);
            let base = if value < 0.0 { &mut below[index] } else { &mut above[index] };
            lower.push(chart.place([epoch, *base]));
            *base += value;
            upper.push(chart.place([epoch, *base]));
        }
        if epochs.len() == 1 {
            // One epoch is a bar over the whole width.
            let [left, right] =
                [chart.place([f64::NEG_INFINITY, 0.0])[0], chart.place([f64::INFINITY, 0.0])[0]];
            (lower, upper) = (
                vec![[left, lower[0][1]], [right, lower[0][1]]],
                vec![[left, upper[0][1]], [right, upper[0][1]]],
            );
        }
        let outline: Vec<[f64; 2]> = upper.into_iter().chain(lower.into_iter().rev()).collect();
        chart.svg.polygon(&format!("area {}", term.class), &outline, &term.last());
    }
    let places: Vec<[f64; 2]> = drawn.into_iter().map(|point| chart.place(point)).collect();
    chart.svg.polyline(&format!("line {}", total.class), &places, &total.last());
    let note = if cut {
        format!("cut off above; epoch {} was at {:.4}", first[0], first[1])
    } else {
        String::new()
    };
    Some(chart.finish(file, title, &note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_drawn_with_as_many_points_as_a_screen_shows() {
        let points: Vec<[f64; 2]> = (0..10_001).map(|index| [index as f64, 0.0]).collect();
        let kept = thinned(&points);
        assert!(
            kept.len() <= DRAWN + 1
                && kept[0] == [0.0, 0.0]
                && kept.last() == Some(&[10_000.0, 0.0])
        );
        assert_eq!(thinned(&points[..3]).len(), 3);
    }

    #[test]
    fn a_number_that_is_not_finite_leaves_a_gap() {
        let line = ChartLine::new(
            "mae",
            0,
            false,
            vec![[1.0, 0.1], [2.0, 0.2], [3.0, f64::NAN], [4.0, 0.3], [5.0, 0.2]],
        );
        let figure = lines("metric mae", ["mae", "", "epoch"], &[line], None).unwrap();
        assert_eq!(figure.file, "metric_mae");
        assert_eq!(figure.inline().matches("<path").count(), 2);
        assert!(!figure.inline().contains("NaN"));
        assert!(lines("none", ["none", "", "epoch"], &[], None).is_none());
    }

    #[test]
    fn epochs_far_above_the_others_are_cut_off_and_said_so() {
        let points: Vec<[f64; 2]> = [23.0, 4.0, 0.4, 0.3, 0.3]
            .into_iter()
            .enumerate()
            .map(|(i, v)| [i as f64 + 1.0, v])
            .collect();
        let terms = [
            ChartLine::new("main", 0, false, points.clone()),
            ChartLine::new("size", 1, false, vec![[5.0, -0.1]]),
        ];
        let figure = stack(
            "loss",
            "Loss",
            &terms,
            &ChartLine { class: "ink".into(), ..ChartLine::new("loss", 0, false, points) },
        )
        .unwrap();
        assert_eq!(figure.note, "cut off above; epoch 1 was at 23.0000");
        assert_eq!(figure.inline().matches("class=\"area").count(), 2);
    }

    #[test]
    fn terms_below_0_do_not_cut_off_those_above() {
        let line = |name: &str, index: usize, value: f64| {
            ChartLine::new(name, index, false, vec![[1.0, value], [2.0, value]])
        };
        let total = ChartLine { class: "ink".into(), ..line("loss", 0, 1.0) };
        let figure =
            stack("loss", "Loss", &[line("main", 0, 5.0), line("entropy", 1, -4.0)], &total)
                .unwrap()
                .inline();
        assert!(figure.contains(">5</text>") || figure.contains(">6</text>"), "{figure}");
        assert!(figure.contains(">-4</text>"), "{figure}");
    }
}
