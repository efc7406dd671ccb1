//! The page: what matters first, then figures, then tables.
//!
//! In: a history, and what the model is made of. Out: the text of an HTML file that is whole by
//! itself.

use crate::net::Structure;
use crate::training::History;
use crate::training::ledger::short;

use super::chart::STYLE as FIGURE_STYLE;
use super::figures::{figures, over_epochs};
use super::svg::escape;
use super::tables::{layers, numbers};

const STYLE: &str = include_str!("page.css");

/// As [`html`](super::html), with custom sections before all others: a heading and a text whose
/// lines stay as they are, such as scores or the columns of a table.
///
/// ```
/// # use endo::prelude::*;
/// # let data = Dataset::new([[1.0_f32], [2.0]], [[1.0_f32], [3.0]])?;
/// # let mut model = Model::new(Dense::new(1));
/// # model.compile("sgd", "mse", ());
/// # let history = model.fit(&data, Fit::epochs(2))?;
/// let page = endo::report::html_with(
///     "A line",
///     &history,
///     &model.structure(),
///     &[("Test", "rmse 0.5 < 1")],
/// );
/// assert!(page.contains("<h2>Test</h2>") && page.contains("rmse 0.5 &lt; 1"));
/// # Ok::<(), Error>(())
/// ```
pub fn html_with(
    title: &str,
    history: &History,
    structure: &Structure,
    sections: &[(&str, &str)],
) -> String {
    let title = escape(title);
    let sections: String = sections
        .iter()
        .map(|(name, text)| format!("<h2>{}</h2>\n<pre>{}</pre>\n", escape(name), escape(text)))
        .collect();
    let figures: String = figures(history)
        .iter()
        .map(|figure| {
            let note = if figure.note.is_empty() {
                String::new()
            } else {
                format!("<small>{}</small>", escape(&figure.note))
            };
            format!(
                "<figure>\n<figcaption>{}{note}</figcaption>\n{}\n</figure>\n",
                escape(&figure.title),
                figure.inline()
            )
        })
        .collect();
    let body = match history.epochs.last() {
        None => "<p>No epoch is done yet.</p>\n".to_string(),
        Some(_) => format!(
            "{}\n<section class=\"figures\">\n{figures}</section>\n<h2>Numbers</h2>\n{}\n\
                <h2>Model</h2>\n{}\n",
            cards(history),
            numbers(history),
            layers(history, structure)
        ),
    };
    let cost = history.probe_cost.map_or_else(String::new, |cost| {
        format!("<p><small>{}</small></p>\n", escape(&cost.to_string()))
    });
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{title}</title>\n<style>\n{FIGURE_STYLE}\n{STYLE}</style>\n</head>\n<body>\n\
         <main>\n<h1>{title}</h1>\n{sections}{body}{cost}</main>\n\
         </body>\n</html>\n"
    )
}

/// What one wants to know first.
fn cards(history: &History) -> String {
    let mut cards: Vec<(String, String)> = Vec::new();
    if let Some(last) = history.epochs.last() {
        cards.push(("loss".to_string(), short(last.ledger.total)));
    }
    let validation = over_epochs(history, |epoch| epoch.logs.get("val_loss"));
    if let Some([epoch, best]) = validation
        .into_iter()
        .filter(|[_, loss]| !loss.is_nan())
        .min_by(|[_, a], [_, b]| a.total_cmp(b))
    {
        cards.push((format!("best val_loss, epoch {epoch}"), short(best)));
    }
    let seconds: f64 = history.epochs.iter().map(|epoch| epoch.seconds).sum();
    cards.push(("epochs".to_string(), history.epochs.len().to_string()));
    cards.push((
        "time".to_string(),
        if seconds < 60.0 {
            format!("{seconds:.2} s")
        } else {
            format!("{:.1} min", seconds / 60.0)
        },
    ));
    if history.skipped() > 0 {
        cards.push(("batches skipped".to_string(), history.skipped().to_string()));
    }
    let cards: String = cards
        .into_iter()
        .map(|(name, value)| format!("<div><b>{value}</b><span>{}</span></div>\n", escape(&name)))
        .collect();
    let ledger = escape(&history.ledger().to_string());
    format!(
        "<section class=\"cards\">\n{cards}</section>\n<p class=\"ledger\">last epoch: {ledger}</p>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::{Epoch, Ledger, Logs};

    #[test]
    fn a_page_is_whole_by_itself_and_holds_no_markup_from_names() {
        let terms = vec![("main".to_string(), 1.0), ("<img src=x>".to_string(), 0.5)];
        let logs = Logs(vec![
            ("loss".to_string(), 1.5),
            ("mae".to_string(), 0.2),
            ("val_loss".to_string(), 2.0),
        ]);
        let epoch = Epoch { ledger: Ledger { terms, total: 1.5 }, logs, ..Epoch::default() };
        let history = History { epochs: vec![epoch; 3], ..History::default() };
        let page = html_with("A & B", &history, &Structure::default(), &[]);
        assert!(
            page.contains("<h1>A &amp; B</h1>")
                && page.contains("&lt;img src=x&gt;")
                && !page.contains("<img")
        );
        for outside in ["<script", "http://", "https://", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(
            html_with("x", &History::default(), &Structure::default(), &[])
                .contains("No epoch is done yet")
        );
    }
}
