//! What is written in the report rather than drawn: the last numbers, and the model layer by layer.
//!
//! In: a history, and what the model is made of. Out: tables as text of HTML.

use std::fmt::Write;

use crate::net::Structure;
use crate::training::History;
use crate::training::ledger::short;

use super::chart::colour;
use super::figures::terms;
use super::svg::escape;

/// The last epoch's numbers, those of training and of validation beside each other.
pub fn numbers(history: &History) -> String {
    let Some(last) = history.epochs.last() else { return String::new() };
    let mut rows = String::new();
    for (name, value) in last.logs.iter().filter(|(name, _)| !name.starts_with("val_")) {
        let validation = last.logs.get(&format!("val_{name}")).map_or_else(String::new, short);
        let _ = writeln!(
            rows,
            "<tr><th>{}</th><td>{}</td><td>{validation}</td></tr>",
            escape(name),
            short(value)
        );
    }
    format!(
        "<div class=\"wide\"><table><thead><tr><th>in the last \
            epoch</th><td>training</td><td>validation</td></tr></thead>\n\
         <tbody>\n{rows}</tbody></table></div>"
    )
}

/// The layers, inner ones further to the right, with their outputs' shapes, their weights, and the
/// terms that they add.
pub fn layers(history: &History, structure: &Structure) -> String {
    let names = terms(history);
    let term = |layer: &str| {
        let added = structure.terms.iter().filter(|term| term.layer == layer);
        added.fold(String::new(), |mut text, term| {
            let class =
                names.iter().position(|name| *name == term.name).map_or_else(String::new, colour);
            let site = term.site.map_or_else(String::new, |site| {
                format!(" <small>{}:{}</small>", escape(site.file()), site.line())
            });
            let _ = write!(
                text,
                "<span class=\"term\"><i class=\"swatch {class}\"></i>{}{site}</span> ",
                escape(&term.name)
            );
            text
        })
    };
    let mut rows = String::new();
    for layer in &structure.layers {
        let depth = layer.path.matches('/').count();
        let name = layer.path.rsplit('/').next().unwrap_or(&layer.path);
        let shapes: Vec<String> = layer
            .outputs
            .iter()
            .map(|shape| {
                let sizes: Vec<String> = shape.iter().skip(1).map(usize::to_string).collect();
                if sizes.is_empty() { "scalar".to_string() } else { sizes.join(" × ") }
            })
            .collect();
        let weights: usize = layer.weights.iter().map(|weight| weight.shape().len()).sum();
        let weights = if weights == 0 { String::new() } else { weights.to_string() };
        let _ = writeln!(
            rows,
            "<tr><th style=\"padding-left:{:.1}em\">{}</th><td>{}</td><td>{}</td>\
             <td>{weights}</td><td>{}</td></tr>",
            0.5 + 1.2 * depth as f64,
            escape(name),
            escape(&layer.kind),
            escape(&shapes.join(", ")),
            term(&layer.path),
        );
    }
    let outside = term("");
    if !outside.is_empty() {
        let _ = writeln!(
            rows,
            "<tr><th>outside the layers</th><td></td><td></td><td></td><td>{outside}</td></tr>"
        );
    }
    format!(
        "<div class=\"wide\"><table><thead><tr><th>layer</th><td>type</td><td>output of a \
            sample</td><td>weights</td>\
         <td class=\"terms\">terms of the loss</td></tr></thead>\n<tbody>\n\
         {rows}</tbody></table></div>"
    )
}
