//! The figures of a history, in the order of the page.
//!
//! In: a history. Out: what can be drawn of it: the loss term by term, metrics, rates, gradients of
//! terms, activations.

use crate::net::short_names;
use crate::training::probes::{Cosine, ProbeKind, Reading, TermGradient, TermReading};
use crate::training::{Epoch, History, Ledger};

use super::chart::Figure;
use super::ridges::ridges;
use super::series::{ChartLine, lines, stack};

/// Every figure.
pub fn figures(history: &History) -> Vec<Figure> {
    let mut figures: Vec<Figure> = [
        loss("loss", "Where the loss comes from", history, |epoch| Some(&epoch.ledger)),
        loss("validation_loss", "The same in validation", history, |epoch| {
            epoch.validation.as_ref()
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    figures.extend(metrics(history));
    figures.extend(norms(history));
    figures.extend(cosines(history));
    figures.extend(layers_of_terms(history));
    figures.extend(spreads(history));
    figures
}

/// The names of the ledger, in the order of their colours.
pub fn terms(history: &History) -> Vec<&str> {
    let terms = history.epochs.iter().flat_map(|epoch| &epoch.ledger.terms);
    each_once(terms.map(|(name, _)| name.as_str()))
}

/// What is there, in the order in which it appears.
fn each_once<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut known = Vec::new();
    for one in all {
        if !known.contains(&one) {
            known.push(one);
        }
    }
    known
}

/// A number of each epoch that has it, at the epoch counted from 1.
pub fn over_epochs(history: &History, number: impl Fn(&Epoch) -> Option<f64>) -> Vec<[f64; 2]> {
    let place = |(index, epoch)| Some([(history.first_epoch + index + 1) as f64, number(epoch)?]);
    history.epochs.iter().enumerate().filter_map(place).collect()
}

/// A number of each recorded step that has it, at the number of the step.
fn over_steps(history: &History, number: impl Fn(&TermReading) -> Option<f64>) -> Vec<[f64; 2]> {
    let place = |reading: &TermReading| Some([reading.step as f64, number(reading)?]);
    history.term_readings.iter().filter_map(place).collect()
}

fn loss(
    file: &str,
    title: &str,
    history: &History,
    ledger: fn(&Epoch) -> Option<&Ledger>,
) -> Option<Figure> {
    let term = |(index, name): (usize, &&str)| {
        let value = |epoch: &Epoch| {
            let (_, value) = ledger(epoch)?.terms.iter().find(|(known, _)| known == name)?;
            Some(*value)
        };
        ChartLine::new(name, index, false, over_epochs(history, value))
    };
    let lines: Vec<ChartLine> = terms(history).iter().enumerate().map(term).collect();
    let points = over_epochs(history, |epoch| Some(ledger(epoch)?.total));
    let total = ChartLine { name: "loss".to_string(), class: "ink".to_string(), points };
    stack(file, title, &lines, &total)
}

/// Every number of the logs that is no term: one figure each, validation dashed.
fn metrics(history: &History) -> Vec<Figure> {
    let reported = history.epochs.iter().flat_map(|epoch| epoch.logs.iter().map(|(name, _)| name));
    let terms = terms(history);
    let of_terms = |name: &str| name == "loss" || terms.contains(&name);
    let of_probes = |name: &str| name.starts_with("gradient_norm(") || name.starts_with("cosine(");
    let names = reported.map(|name| name.strip_prefix("val_").unwrap_or(name));
    let names = each_once(names.filter(|name| !of_terms(name) && !of_probes(name)));
    let figure = |name: &str| {
        let both =
            [(name.to_string(), false), (format!("val_{name}"), true)].map(|(name, dashed)| {
                let points = over_epochs(history, |epoch| epoch.logs.get(&name));
                ChartLine::new(&name, usize::from(dashed), dashed, points)
            });
        let drawn: Vec<ChartLine> =
            both.into_iter().filter(|line| !line.points.is_empty()).collect();
        lines(&format!("metric_{name}"), [&title(name), "", "epoch"], &drawn, None)
    };
    names.into_iter().filter_map(figure).collect()
}

/// `mean_absolute_error` as it is read.
fn title(name: &str) -> String {
    let spaced = name.replace('_', " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// How hard each term pulls.
fn norms(history: &History) -> Option<Figure> {
    let names = terms(history);
    let line = |(index, name): (usize, &&str)| {
        let norm = |reading: &TermReading| {
            Some(reading.terms.iter().find(|term| term.name == **name)?.norm)
        };
        ChartLine::new(name, index, false, over_steps(history, norm))
    };
    let drawn: Vec<ChartLine> = names.iter().enumerate().map(line).collect();
    let note = "norm of each term's gradient over all trainable weights";
    lines("gradient_norms", ["How hard each term pulls", note, "step"], &drawn, None)
}

/// Whether the terms pull together.
fn cosines(history: &History) -> Option<Figure> {
    let first = history.term_readings.first()?;
    let line = |(index, cosine): (usize, &Cosine)| {
        let value = |reading: &TermReading| {
            let known = reading.cosines.iter().find(|known| known.terms == cosine.terms)?;
            Some(known.value)
        };
        ChartLine::new(&cosine.terms.join(" and "), index, false, over_steps(history, value))
    };
    let drawn: Vec<ChartLine> = first.cosines.iter().enumerate().map(line).collect();
    let note = "cosine of two terms' gradients: below 0 one undoes what the other does";
    lines("cosines", ["Whether the terms pull together", note, "step"], &drawn, Some([-1.0, 1.0]))
}

/// How hard each term pulls at each layer, one figure a term.
fn layers_of_terms(history: &History) -> Vec<Figure> {
    let Some(first) = history.term_readings.first() else { return Vec::new() };
    let figure = |term: &TermGradient| {
        let line = |(index, (layer, _)): (usize, &(String, f64))| {
            let norm = |reading: &TermReading| {
                let term = reading.terms.iter().find(|known| known.name == term.name)?;
                let (_, norm) = term.layers.iter().find(|(known, _)| known == layer)?;
                Some(*norm)
            };
            let points = over_steps(history, norm);
            ChartLine::new(layer.rsplit('/').next().unwrap_or(layer), index, index >= 8, points)
        };
        let drawn: Vec<ChartLine> = term.layers.iter().enumerate().map(line).collect();
        let name = &term.name;
        lines(
            &format!("gradient_norms_{name}"),
            [&format!("{name}: where it pulls"), "norm of its gradient by layer", "step"],
            &drawn,
            None,
        )
    };
    first.terms.iter().filter_map(figure).collect()
}

/// How values are spread, for each that a probe has counted.
fn spreads(history: &History) -> Vec<Figure> {
    let counted = history.readings.iter().filter(|reading| reading.histogram.is_some());
    let known = each_once(counted.map(|reading| (reading.kind, &*reading.path)));
    let figure = |((kind, path), short): ((ProbeKind, &str), String)| {
        let same = |reading: &&Reading| reading.kind == kind && *reading.path == *path;
        let readings: Vec<_> = history
            .readings
            .iter()
            .filter(same)
            .filter_map(|reading| Some((reading.step, reading.histogram.as_ref()?)))
            .collect();
        ridges(&format!("{kind}_{path}"), &format!("{short}: {kind}"), &readings)
    };
    let titles = short_names(&known, |&(_, path)| (path, 1));
    known.into_iter().zip(titles).filter_map(figure).collect()
}
