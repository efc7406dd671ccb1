//! A training as one page: what the loss was made of, metrics, rates, gradients, activations, and
//! the model.
//!
//! In: a history, and what the model is made of. Out: an HTML file that needs nothing else (no
//! network, no script), for a screen of any width and for paper; the figures also as SVG files, and
//! as PNG with the feature `png`.

mod chart;
mod figures;
mod page;
mod ridges;
mod scale;
mod series;
mod svg;
mod tables;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::files;
use crate::net::{Structure, distinct, first};
use crate::training::{Callback, Epoch, History, Training};

use chart::Figure;
use figures::figures;
pub use page::html_with;

/// Writes a report of the training to a file, at its end and now and then before.
///
/// Readings of probes are in the report that is written at the end:
/// `Probe::activations("*").histogram(30)` draws how activations are spread over time,
/// `Probe::terms()` how hard each term pulls and whether they pull together.
///
/// ```
/// use endo::prelude::*;
///
/// # let data = Dataset::new(
/// #     Array::from_fn([64, 1], |i| i as f32 / 64.0),
/// #     Array::from_fn([64, 1], |i| i as f32 / 32.0),
/// # )?;
/// # let folder = std::env::temp_dir().join(format!("endo-report-doc-{}", std::process::id()));
/// let mut model = Model::new(Dense::new(1).kernel_regularizer(L2(0.01)));
/// model.compile("nadam", "mse", ["mae"]);
/// let report =
///     Report::new(folder.join("report.html")).title("A line").figures(folder.join("figures"));
/// model.fit(
///     &data,
///     Fit::epochs(3).validation_split(0.25).probe(Probe::terms().every(1)).callback(report),
/// )?;
/// assert!(folder.join("report.html").exists() && folder.join("figures/loss.svg").exists());
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// `fit` fails if a file cannot be written.
#[derive(Debug)]
pub struct Report {
    path: PathBuf,
    title: String,
    figures: Option<PathBuf>,
    written: Instant,
}

/// Between two reports of a training that goes on.
const PAUSE: Duration = Duration::from_secs(10);

impl Report {
    /// Writes to a file, which is replaced at once or not at all.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            title: "Training".to_string(),
            figures: None,
            written: Instant::now(),
        }
    }

    /// What stands above everything; `Training` unless set.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// A folder that gets each figure as a file of its own, at the end: as SVG, and with the
    /// feature `png` as PNG too.
    #[must_use]
    pub fn figures(mut self, folder: impl Into<PathBuf>) -> Self {
        self.figures = Some(folder.into());
        self
    }

    fn write(&mut self, training: &Training) -> Result<()> {
        if !training.writes_files() {
            return Ok(());
        }
        let page = html(&self.title, &training.history(), &training.structure());
        self.written = Instant::now();
        files::write(&self.path, &[page.as_bytes()])
    }
}

impl Callback for Report {
    fn train_begin(&mut self, _: &Training) -> Result<()> {
        self.written = Instant::now();
        Ok(())
    }

    fn epoch_begin(&mut self, _: usize, training: &Training) -> Result<()> {
        // A custom loop may have an optimizer that the model does not know.
        if let Ok(rate) = training.learning_rate() {
            training.report("learning_rate", rate);
        }
        Ok(())
    }

    fn epoch_end(&mut self, _: usize, _: &Epoch, training: &Training) -> Result<()> {
        if self.written.elapsed() < PAUSE { Ok(()) } else { self.write(training) }
    }

    fn train_end(&mut self, training: &Training) -> Result<()> {
        self.write(training)?;
        let figures = self.figures.as_ref().filter(|_| training.writes_files());
        figures.map_or(Ok(()), |folder| write_figures(folder, &training.history()))
    }
}

/// The report of a training as the text of a page: what [`Report`] writes.
///
/// ```
/// use endo::prelude::*;
/// # let data = Dataset::new([[1.0_f32], [2.0]], [[1.0_f32], [3.0]])?;
/// let mut model = Model::new(Dense::new(1));
/// model.compile("sgd", "mse", ());
/// let history = model.fit(&data, Fit::epochs(2))?;
/// let page = endo::report::html("A line", &history, &model.structure());
/// assert!(page.starts_with("<!DOCTYPE html>") && !page.contains("<script"));
/// # Ok::<(), Error>(())
/// ```
pub fn html(title: &str, history: &History, structure: &Structure) -> String {
    html_with(title, history, structure, &[])
}

/// Writes every figure of a history to a folder: `loss.svg`, `validation_loss.svg`,
/// `metric_mae.svg` and so on.
///
/// # Errors
/// If a file cannot be written.
pub fn write_figures(folder: impl AsRef<Path>, history: &History) -> Result<()> {
    let mut drawn: Vec<(String, Figure)> =
        figures(history).into_iter().map(|figure| (figure.file.to_lowercase(), figure)).collect();
    distinct(&mut drawn, first, &[]); // names may differ in letters that files cannot have
    for (file, figure) in drawn {
        let path = folder.as_ref().join(format!("{file}.svg"));
        let svg = figure.standalone();
        files::write(&path, &[svg.as_bytes()])?;
        #[cfg(feature = "png")]
        files::write(&path.with_extension("png"), &[&svg::png(&svg, &path)?])?;
    }
    Ok(())
}

#[cfg(all(test, feature = "png"))]
mod tests {
    use super::*;
    use crate::training::Ledger;

    #[test]
    fn figures_are_drawn_as_pixels_too() {
        let folder = std::env::temp_dir().join(format!("endo-figures-{}", std::process::id()));
        let ledger = Ledger {
            terms: vec![("main".to_string(), 1.0), ("size".to_string(), 0.5)],
            total: 1.5,
        };
        let history =
            History { epochs: vec![Epoch { ledger, ..Epoch::default() }; 3], ..History::default() };
        write_figures(&folder, &history).unwrap();
        let bytes = std::fs::read(folder.join("loss.png")).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
        let size = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(size(16), 2 * 420);
        assert!(bytes.len() > 5_000, "{} bytes are an empty picture", bytes.len());
    }
}
