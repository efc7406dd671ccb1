//! What probes have read so far, as numbers by name: what a saved run holds of it.
//!
//! In: a recorder in the middle of a training. Out: a [`State`]; and a recorder that goes on from
//! one.

use std::sync::Arc;

use crate::error::Result;
use crate::training::columns::{rows, table, table_of};
use crate::training::state::State;

use super::readings::{Histogram, Reading, Statistics};
use super::recorder::{Recorder, ValueSeries};
use super::series::Series;
use super::terms::{Cosine, TermGradient, TermReading};

/// The two names of a cell that has two.
fn pair(first: &str, second: &str) -> String {
    serde_json::json!([first, second]).to_string()
}

/// The names of which [`pair`] made one; in files written before, they have a control character
/// between them.
fn pair_from(name: &str) -> Option<[String; 2]> {
    let before =
        || name.split_once('\u{1f}').map(|(first, second)| [first.to_string(), second.to_string()]);
    serde_json::from_str(name).ok().or_else(before)
}

impl Recorder {
    /// All that it has read and not given away.
    pub fn state(&self) -> State {
        let mut state =
            State::new().with("series", self.series.len() as f64).with("after", self.after);
        for (index, series) in self.series.iter().enumerate() {
            let (seen, stride, readings) = series.readings.parts();
            let about = [series.probe, seen, stride, readings.len()].map(|number| number as f64);
            state = state
                .with(format!("series/{index}/about"), about)
                .with(format!("series/{index}/path/{}", series.path), 0.0);
            state.insert(&format!("series/{index}/readings"), table_of(readings, cells_of));
        }
        let (seen, stride, terms) = self.terms.parts();
        state = state.with("terms", [seen, stride, terms.len()].map(|number| number as f64));
        state.insert("term_readings", table_of(terms, cells_of_terms));
        let sums = self.sums.iter().flat_map(|(name, sum, count)| {
            [(0, name.clone(), *sum), (1, name.clone(), *count as f64)]
        });
        state.insert("sums", table(2, sums));
        state
    }

    /// Goes on from what [`state`](Self::state) gave.
    pub fn restore(&mut self, state: &State) -> Result<()> {
        self.after = state.flag("after")?;
        self.series.clear();
        for index in 0..state.count("series")? {
            let part = state.part(&format!("series/{index}"));
            let [probe, seen, stride, count] = part.counts("about")?;
            let watch = self.probes.get(probe).map(|probe| &probe.watch);
            let watch = watch.ok_or_else(|| {
                part.unexpected("about", format!("of one of {} probes", self.probes.len()), probe)
            })?;
            let path = part
                .part("path")
                .iter()
                .next()
                .map_or_else(|| Arc::from(""), |(path, _)| Arc::from(path));
            if let Some(folder) = &self.probes[probe].folder {
                // In the order of the run before.
                self.folders.of(folder, &watch.kind.to_string(), &path);
            }
            let row = |cells: Vec<_>| reading(&part, &cells, watch.kind, &path);
            let readings =
                Series::restored(&part, "about", [seen, stride, count], "readings", row)?;
            self.series.push(ValueSeries { probe, path, latest: None, readings });
        }
        let (counts, row) = (state.counts("terms")?, |cells: Vec<_>| term_reading(state, &cells));
        self.terms = Series::restored(state, "terms", counts, "term_readings", row)?;
        let mut sums = rows(&state.part("sums"))?;
        let (counts, totals) = (sums.pop().unwrap_or_default(), sums.pop().unwrap_or_default());
        let sums = totals.into_iter().zip(counts);
        let sums = sums.map(|((name, sum), (_, count))| {
            Ok((name, sum, state.whole("sums", count, usize::MAX)?))
        });
        self.sums = sums.collect::<Result<_>>()?;
        Ok(())
    }
}

fn cells_of(reading: &Reading) -> impl Iterator<Item = (String, f64)> {
    let places = [
        ("step", reading.step as f64),
        ("epoch", reading.epoch as f64),
        ("count", reading.statistics.count as f64),
    ];
    let numbers = places.into_iter().chain(reading.statistics.named());
    let counts = reading.histogram.iter().flat_map(|histogram| &histogram.counts);
    let bins = counts.enumerate().map(|(index, count)| (format!("bin/{index:08}"), *count as f64));
    numbers.map(|(name, value)| (name.to_string(), value)).chain(bins)
}

fn reading(
    series: &State,
    cells: &[(String, f64)],
    kind: super::ProbeKind,
    path: &Arc<str>,
) -> Result<Reading> {
    let find = |name: &str| cells.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
    let number = |name: &str| find(name).unwrap_or(f64::NAN);
    let whole =
        |name: &str, number: f64| series.whole(&format!("readings/{name}"), number, usize::MAX);
    let count = |name: &str| whole(name, number(name));
    let statistics = Statistics {
        count: count("count")?,
        mean: number("mean"),
        standard_deviation: number("standard_deviation"),
        norm: number("norm"),
        minimum: number("minimum"),
        maximum: number("maximum"),
        zeros: number("zeros"),
        saturated: find("saturated"),
    };
    let bins = cells.iter().filter(|(name, _)| name.starts_with("bin/"));
    let counts: Vec<usize> =
        bins.map(|(name, count)| whole(name, *count)).collect::<Result<_>>()?;
    let all = counts.iter().try_fold(0_usize, |all, count| all.checked_add(*count));
    if all.is_none_or(|all| all > statistics.count) {
        let expected = format!("the counts of at most {} values", statistics.count);
        return Err(series.unexpected("readings/bin", expected, format!("{counts:?}")));
    }
    let histogram = (!counts.is_empty())
        .then(|| Histogram::of(counts.into_iter(), statistics.minimum, statistics.maximum));
    Ok(Reading {
        step: count("step")?,
        epoch: count("epoch")?,
        kind,
        path: path.clone(),
        statistics,
        histogram,
    })
}

fn cells_of_terms(reading: &TermReading) -> impl Iterator<Item = (String, f64)> {
    let numbers = [("step", reading.step as f64), ("epoch", reading.epoch as f64)];
    let terms = reading.terms.iter().flat_map(|term| {
        let layers = term
            .layers
            .iter()
            .map(|(layer, norm)| (format!("layer/{}", pair(&term.name, layer)), *norm));
        std::iter::once((format!("term/{}", term.name), term.norm)).chain(layers)
    });
    let cosines = reading.cosines.iter().map(|cosine| {
        let [first, second] = &cosine.terms;
        (format!("cosine/{}", pair(first, second)), cosine.value)
    });
    numbers.into_iter().map(|(name, value)| (name.to_string(), value)).chain(terms).chain(cosines)
}

fn term_reading(state: &State, cells: &[(String, f64)]) -> Result<TermReading> {
    let mut reading = TermReading { step: 0, epoch: 0, terms: Vec::new(), cosines: Vec::new() };
    for (name, value) in cells {
        let (kind, name) = name.split_once('/').unwrap_or((name, ""));
        match (kind, pair_from(name)) {
            ("step", _) => reading.step = state.whole("term_readings/step", *value, usize::MAX)?,
            ("epoch", _) => {
                reading.epoch = state.whole("term_readings/epoch", *value, usize::MAX)?
            }
            ("term", _) => reading.terms.push(TermGradient {
                name: name.to_string(),
                norm: *value,
                layers: Vec::new(),
            }),
            ("layer", Some([term, layer])) => {
                let known = reading.terms.iter_mut().find(|known| known.name == term);
                if let Some(known) = known {
                    known.layers.push((layer.clone(), *value));
                }
            }
            ("cosine", Some(terms)) => reading.cosines.push(Cosine { terms, value: *value }),
            _ => {} // of a later version
        }
    }
    Ok(reading)
}
