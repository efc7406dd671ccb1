//! From the numbers of a row to the inputs of a net, within the graph.
//!
//! In: rows `[batch, features]` in `f64`. Out: `[batch, width]` of the model's float type: first
//! what a line takes (standardized numbers, phases of times, categories), then numbers as pieces
//! between quantiles. All statistics are weights that are not trained.

use std::borrow::Cow;
use std::ops::Range;

use endo::prelude::*;

use crate::ranks::Ranks;

use super::problem::{Feature, Problem};

/// Numbers further from the mean than this many deviations, and than all of the training rows, are
/// bent to at most one more.
const LEAST_BOUND: f64 = 3.0;

/// The most distance from the mean, in deviations, within which numbers stay as they are.
const MOST_BOUND: f64 = 30.0;

/// The most categories of a column with inputs of their own; rarer ones share one.
const MOST_CATEGORIES: usize = 64;

/// The length of the mean tropical year in days.
const YEAR: f64 = 365.2422;

/// Seconds in a day.
const DAY: f64 = 86_400.0;

/// What is known of one number or time.
#[derive(Clone)]
struct Column {
    index: usize,
    mean: f64,
    deviation: f64,
    bound: f64,
    missing: bool,
    time: Option<Clock>,
    /// The edges of its pieces, standardized, ascending.
    edges: Vec<f64>,
}

/// Which phases of a time vary.
#[derive(Clone)]
struct Clock {
    hours: bool,
}

/// The inputs of each code `[count, inputs]`, centred; code 0 is all zero where the training rows
/// do not hold it.
#[derive(Clone)]
struct Codes {
    index: usize,
    table: Array,
}

/// The statistics of the training rows.
pub struct Encoding {
    columns: Vec<Column>,
    codes: Vec<Codes>,
    /// Inputs that the line takes.
    line: usize,
    width: usize,
    /// The means of all inputs on the training rows.
    means: Vec<f64>,
    weights: Weights,
}

/// The statistics as weights.
struct Weights {
    mean: Weight,
    deviation: Weight,
    bound: Weight,
    edges: Weight,
    slopes: Weight,
    centre: Weight,
    tables: Vec<Weight>,
}

impl Weights {
    fn new(categories: usize) -> Self {
        let frozen = |name: &str| Weight::new(name).trainable(false);
        let double = |name: &str| frozen(name).dtype(DType::F64);
        Self {
            mean: double("mean"),
            deviation: double("deviation"),
            bound: frozen("bound"),
            edges: frozen("edges"),
            slopes: frozen("slopes"),
            centre: frozen("centre"),
            tables: (0..categories).map(|index| frozen(&format!("categories_{index}"))).collect(),
        }
    }
}

impl Encoding {
    /// The statistics of rows `[rows, features]`, with at most `pieces` pieces of a number, and the
    /// rows encoded, in memory that ranks share if there are any.
    ///
    /// # Errors
    /// If a trace of the encoding fails, or the ranks cannot share the rows.
    pub fn fit(
        problem: &Problem,
        inputs: &Array,
        pieces: usize,
        threads: Option<usize>,
        ranks: Option<&Ranks>,
    ) -> Result<(Self, Array)> {
        let (rows, features) = (inputs.shape().batch(), inputs.shape().features());
        let values = match inputs.as_slice::<f64>() {
            Some(values) => Cow::Borrowed(values),
            None => Cow::Owned(inputs.to_vec::<f64>()),
        };
        let column = |index: usize| {
            values
                .iter()
                .skip(index)
                .step_by(features.max(1))
                .copied()
                .take(rows)
                .collect::<Vec<f64>>()
        };
        let (mut columns, mut codes) = (Vec::new(), Vec::new());
        for (index, feature) in problem.features.iter().enumerate() {
            match feature {
                Feature::Number { .. } => {
                    columns.push(Column::fit(index, &column(index), pieces, None))
                }
                Feature::Time { .. } => {
                    let values = column(index);
                    let hours = values.iter().any(|seconds| seconds.rem_euclid(DAY) > 0.0);
                    columns.push(Column::fit(index, &values, pieces, Some(Clock { hours })));
                }
                Feature::Category { count, .. } => {
                    codes.push(Codes::fit(index, &column(index), *count))
                }
            }
        }
        let phases = |column: &Column| {
            column.time.as_ref().map_or(0, |clock| 11 + if clock.hours { 4 } else { 0 })
        };
        let line: usize = columns
            .iter()
            .map(|column| 1 + usize::from(column.missing) + phases(column))
            .sum::<usize>()
            + codes.iter().map(|codes| codes.table.shape()[1]).sum::<usize>();
        let pieces: usize = columns.iter().map(Column::pieces).sum();
        let weights = Weights::new(codes.len());
        let mut encoding = Self {
            columns,
            codes,
            line,
            width: line + pieces,
            means: vec![0.0; line + pieces],
            weights,
        };
        let encoded = encoding.centre(inputs, threads, ranks)?;
        Ok((encoding, encoded))
    }

    /// Makes the mean of every input on the training rows 0, but of those of categories, which are
    /// centred by their tables.
    fn centre(
        &mut self,
        inputs: &Array,
        threads: Option<usize>,
        ranks: Option<&Ranks>,
    ) -> Result<Array> {
        let categories: usize = self.codes.iter().map(|codes| codes.table.shape()[1]).sum();
        let kept = self.line - categories..self.line;
        let count = inputs.shape().batch();
        let encoded = Ranks::rows(ranks, count, |own| self.encode(&part(inputs, own), threads))?;
        let rows = count.max(1) as f64;
        let mut means = vec![0.0; self.width];
        let values = encoded.as_slice::<f32>().unwrap_or_default();
        for row in values.chunks_exact(self.width.max(1)) {
            for (x, mean) in row.iter().zip(&mut means) {
                *mean += f64::from(*x);
            }
        }
        for (index, mean) in means.iter().enumerate() {
            if !kept.contains(&index) {
                self.means[index] = mean / rows;
            }
        }
        // The weights were made with other values: they start anew.
        self.weights = Weights::new(self.codes.len());
        Ranks::rows(ranks, count, |own| {
            let mut rows = part(&encoded, own);
            drop(encoded);
            let values = rows.as_mut_slice::<f32>().unwrap_or_default();
            for row in values.chunks_exact_mut(self.width.max(1)) {
                for (x, mean) in row.iter_mut().zip(&self.means) {
                    *x -= *mean as f32;
                }
            }
            Ok(rows)
        })
    }

    /// The same encoding with weights that are still to be made.
    pub fn renewed(&self) -> Self {
        let (columns, codes, means) =
            (self.columns.clone(), self.codes.clone(), self.means.clone());
        let weights = Weights::new(codes.len());
        Self { columns, codes, line: self.line, width: self.width, means, weights }
    }

    /// All rows, encoded.
    ///
    /// # Errors
    /// If the trace fails.
    pub fn encode(&self, inputs: &Array, threads: Option<usize>) -> Result<Array> {
        if inputs.shape().batch() == 0 {
            return Ok(Array::zeros([0, self.width], DType::F32));
        }
        let function = Function::new(|[x], cx: &mut Context| [self.apply(&x, cx)]).training(false);
        let mut function = match threads {
            Some(threads) => function.threads(threads),
            None => function,
        };
        Ok(function.run([inputs])?[0].clone())
    }

    /// The number of inputs that a line takes: the first ones.
    pub fn line_width(&self) -> usize {
        self.line
    }

    /// The number of inputs.
    pub fn width(&self) -> usize {
        self.width
    }

    /// A statistic of each number.
    fn statistic(&self, weight: &Weight, of: impl Fn(&Column) -> f64, cx: &mut Context) -> Tensor {
        let values = Array::from(self.columns.iter().map(of).collect::<Vec<f64>>());
        weight.get(self, values.shape(), &values, cx)
    }

    /// The inputs that numbers and times give.
    fn numbers(&self, x: &Tensor, cx: &mut Context) -> (Vec<Tensor>, Option<Tensor>) {
        if self.columns.is_empty() {
            return (Vec::new(), None);
        }
        let places = |places: Vec<usize>| {
            Array::from(places.into_iter().map(|place| place as i32).collect::<Vec<_>>())
        };
        let indices = cx.constant(places(self.columns.iter().map(|column| column.index).collect()));
        let raw = x.gather(&indices, 1);
        let mean = self.statistic(&self.weights.mean, |column| column.mean, cx);
        let deviation = self.statistic(&self.weights.deviation, |column| column.deviation, cx);
        let bound = self.statistic(&self.weights.bound, |column| column.bound, cx);
        let missing = raw.is_nan();
        let filled = missing.where_(&mean, &raw);
        let scaled = ((&filled - &mean) / deviation).cast(cx.dtype());
        let within = scaled.maximum(-&bound).minimum(&bound);
        let bent = &within + (&scaled - &within).tanh();
        let mut parts = vec![bent];
        let gaps: Vec<usize> =
            (0..self.columns.len()).filter(|&index| self.columns[index].missing).collect();
        if !gaps.is_empty() {
            parts.push(missing.cast(cx.dtype()).gather(&cx.constant(places(gaps)), 1));
        }
        for (index, column) in self.columns.iter().enumerate() {
            if let Some(clock) = &column.time {
                let present = 1.0 - missing.slice(1, index..index + 1).cast(cx.dtype());
                for part in phases(&filled.slice(1, index..index + 1), clock, cx) {
                    parts.push(part * &present);
                }
            }
        }
        let of_piece: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .flat_map(|(index, column)| vec![index; column.pieces()])
            .collect();
        if of_piece.is_empty() {
            return (parts, None);
        }
        let edges = self
            .columns
            .iter()
            .flat_map(|column| column.edges.windows(2).map(|edge| edge[0]))
            .collect::<Vec<f64>>();
        let slopes = self
            .columns
            .iter()
            .flat_map(|column| column.edges.windows(2).map(|edge| 1.0 / (edge[1] - edge[0])));
        let (edges, slopes) = (Array::from(edges), Array::from(slopes.collect::<Vec<f64>>()));
        let low = self.weights.edges.get(self, edges.shape(), &edges, cx);
        let slope = self.weights.slopes.get(self, slopes.shape(), &slopes, cx);
        let spread = scaled.gather(&cx.constant(places(of_piece)), 1);
        (parts, Some(((spread - low) * slope).clip(0.0, 1.0)))
    }
}

/// The position in the year (two waves), the day of the week, and the hour where there are hours.
fn phases(seconds: &Tensor, clock: &Clock, cx: &mut Context) -> Vec<Tensor> {
    let days = seconds / DAY;
    let waves = |turns: &Tensor, count: usize, cx: &Context| {
        let turns = (turns - turns.floor()).cast(cx.dtype());
        (1..=count).flat_map(move |wave| {
            let angle = std::f64::consts::TAU * wave as f64 * &turns;
            [angle.sin(), angle.cos()]
        })
    };
    let mut parts: Vec<Tensor> = waves(&(&days / YEAR), 2, cx).collect();
    let weeks = (days.floor() + 4.0) / 7.0; // 1970 began on a Thursday
    let weekday =
        ((&weeks - weeks.floor()) * 7.0 + 0.5).floor().clip(0.0, 6.0).cast(DType::I32).squeeze(-1);
    parts.push(weekday.one_hot(7).cast(cx.dtype()));
    if clock.hours {
        parts.extend(waves(&days, 2, cx));
    }
    parts
}

impl Layer for Encoding {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let (mut parts, pieces) = self.numbers(x, cx);
        for (codes, weight) in self.codes.iter().zip(&self.weights.tables) {
            let count = codes.table.shape()[0];
            let code = x
                .slice(1, codes.index..codes.index + 1)
                .squeeze(-1)
                .clip(0.0, (count - 1) as f64)
                .cast(DType::I32);
            let table = weight.get(self, codes.table.shape(), &codes.table, cx);
            parts.push(table.gather(&code, 0));
        }
        parts.extend(pieces);
        let centre = Array::from(self.means.clone());
        let centre = self.weights.centre.get(self, centre.shape(), &centre, cx);
        Tensor::concatenate(&parts, 1) - centre
    }

    fn name(&self) -> Option<&str> {
        Some("encoding")
    }
}

impl Column {
    fn fit(index: usize, values: &[f64], pieces: usize, time: Option<Clock>) -> Self {
        let mut known: Vec<f64> =
            values.iter().copied().filter(|value| value.is_finite()).collect();
        known.sort_by(f64::total_cmp);
        let count = known.len().max(1) as f64;
        let mean = known.iter().map(|value| value / count).sum::<f64>();
        let largest = known.iter().map(|value| (value - mean).abs()).fold(0.0, f64::max);
        let scale = if largest > 0.0 { largest } else { 1.0 };
        let variance =
            known.iter().map(|value| ((value - mean) / scale).powi(2)).sum::<f64>() / count;
        let deviation = if variance > 0.0 { variance.sqrt() * scale } else { 1.0 };
        let bound = (largest / deviation).clamp(LEAST_BOUND, MOST_BOUND);
        let standardized: Vec<f64> = known.iter().map(|value| (value - mean) / deviation).collect();
        Self {
            index,
            mean,
            deviation,
            bound,
            missing: known.len() < values.len(),
            time,
            edges: edges(&standardized, pieces),
        }
    }

    fn pieces(&self) -> usize {
        self.edges.len().saturating_sub(1)
    }
}

/// At most `pieces + 1` distinct quantiles of sorted values, as `f32` tells them apart; none where
/// there are but two values, which a line says as well.
fn edges(sorted: &[f64], pieces: usize) -> Vec<f64> {
    let mut distinct = sorted.to_vec();
    distinct.dedup_by_key(|value| *value as f32);
    if distinct.len() < 3 || pieces < 2 {
        return Vec::new();
    }
    if distinct.len() <= pieces + 1 {
        return distinct;
    }
    let last = (sorted.len() - 1) as f64;
    let mut edges: Vec<f64> = (0..=pieces)
        .map(|piece| sorted[(last * piece as f64 / pieces as f64).round() as usize])
        .collect();
    edges.dedup_by_key(|value| *value as f32);
    if edges.len() < 3 { Vec::new() } else { edges }
}

impl Codes {
    fn fit(index: usize, values: &[f64], count: usize) -> Self {
        let count = count.max(1);
        let mut frequency = vec![0usize; count];
        for &code in values {
            frequency[(code as usize).min(count - 1)] += 1;
        }
        let mut order: Vec<usize> = (0..count).filter(|&code| frequency[code] > 0).collect();
        order.sort_by_key(|&code| (std::cmp::Reverse(frequency[code]), code));
        let own = order.len().min(MOST_CATEGORIES);
        let inputs = if order.len() > own { own + 1 } else { own };
        let mut place = vec![None; count];
        for (rank, &code) in order.iter().enumerate() {
            place[code] = Some(rank.min(inputs - 1));
        }
        let mut share = vec![0.0; inputs];
        for code in 0..count {
            if let Some(place) = place[code] {
                share[place] += frequency[code] as f64 / values.len().max(1) as f64;
            }
        }
        let entry = |code: usize, input: usize| match place[code] {
            Some(place) => f64::from(u8::from(place == input)) - share[input],
            None => 0.0,
        };
        let width = inputs.max(1);
        let table = Array::from_fn([count, width], |at| {
            if inputs == 0 { 0.0 } else { entry(at / width, at % width) as f32 }
        });
        Self { index, table }
    }
}

/// Some rows, without a copy if they are all.
pub fn part(rows: &Array, own: Range<usize>) -> Array {
    if own == (0..rows.shape().batch()) { rows.clone() } else { rows.rows(own) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number() -> Feature {
        Feature::Number { name: "x".into() }
    }

    #[test]
    fn numbers_are_standardized_in_f64_and_bent_far_out() {
        let problem = Problem {
            features: vec![number()],
            task: super::super::Task::Regression { targets: 1 },
        };
        let rows = Array::from([[1.7e9 - 1.0], [1.7e9 + 1.0]]);
        let (encoding, encoded) = Encoding::fit(&problem, &rows, 8, None, None).unwrap();
        assert_eq!(encoded, encoding.encode(&rows, None).unwrap());
        let seen = encoding
            .encode(&[[1.7e9 - 1.0], [1.7e9 + 0.5], [1.7e9 + 1e6], [f64::NAN]].into(), None)
            .unwrap();
        assert_eq!(seen.to_vec::<f32>(), [-1.0, 0.5, 4.0, 0.0]);
    }

    #[test]
    fn a_number_of_many_values_is_given_in_pieces_too() {
        assert_eq!(edges(&[0.0, 1.0, 2.0, 3.0, 4.0], 2), [0.0, 2.0, 4.0]);
        assert_eq!(edges(&[0.0, 0.0, 1.0, 1.0], 2), [0.0; 0]);
        assert_eq!(edges(&[0.0, 1.0, 3.0], 8), [0.0, 1.0, 3.0]);
    }

    #[test]
    fn codes_are_centred_and_an_unknown_one_is_all_zero() {
        let codes = Codes::fit(0, &[1.0, 1.0, 2.0, 2.0], 3);
        assert_eq!(codes.table, Array::from([[0.0_f32, 0.0], [0.5, -0.5], [-0.5, 0.5]]));
    }
}
