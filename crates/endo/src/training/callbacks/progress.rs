//! Progress on standard error: a bar on a terminal, a line for each epoch elsewhere.
//!
//! In: batches and epochs. Out: text, drawn at most twenty times a second.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::error::Result;

use super::{Callback, Epoch, Ledger, Training};
use crate::training::ledger::short;

/// Shows how far training is, and what the loss is made of.
pub struct Progress {
    bar: bool,
    epochs: usize,
    batches: Option<usize>,
    drawn: Instant,
}

const PAUSE: Duration = Duration::from_millis(50);
const WIDTH: usize = 24;
/// What fits in the narrowest terminal in use.
const COLUMNS: usize = 79;

impl Progress {
    /// Writes to standard error; a bar only if that is a terminal.
    pub fn stderr() -> Self {
        Self {
            bar: std::io::stderr().is_terminal(),
            epochs: 0,
            batches: None,
            drawn: Instant::now(),
        }
    }

    /// Output to a closed pipe is no reason to stop training.
    fn write(text: &str) {
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// A bar of which `done` of `total` is filled, and both numbers; the first alone where there is no
/// total.
fn bar(done: usize, total: Option<usize>) -> String {
    let Some(total) = total else { return format!("batch {done}") };
    let filled = (WIDTH * done / total.max(1)).min(WIDTH);
    format!("{}{} {done}/{total}", "━".repeat(filled), "╌".repeat(WIDTH - filled))
}

/// The line of an epoch that is done: its time if it took as much as a second, the loss term by
/// term, and the total of validation, so that the usual line fits in 80 columns.
fn line(epoch: usize, epochs: usize, report: &Epoch) -> String {
    let digits = epochs.to_string().len();
    let time =
        if report.seconds < 1.0 { String::new() } else { format!("{:.1} s  ", report.seconds) };
    let validation = report
        .logs
        .get("val_loss")
        .map_or_else(String::new, |loss| format!(", val_loss {}", short(loss)));
    format!("epoch {:>digits$}/{epochs}  {time}{}{validation}", epoch + 1, report.ledger)
}

impl Callback for Progress {
    fn train_begin(&mut self, training: &Training) -> Result<()> {
        self.epochs = training.epochs();
        Ok(())
    }

    fn epoch_begin(&mut self, _: usize, training: &Training) -> Result<()> {
        self.batches = training.batches();
        Ok(())
    }

    fn batch_end(
        &mut self,
        batch: usize,
        ledger: &dyn Fn() -> Ledger,
        training: &Training,
    ) -> Result<()> {
        if self.bar && training.writes_files() && self.drawn.elapsed() >= PAUSE {
            self.drawn = Instant::now();
            let bar = bar(batch + 1, self.batches);
            let line =
                format!("epoch {}/{} {bar}  {}", training.epoch() + 1, self.epochs, ledger());
            // A line that wraps could not be drawn over.
            Self::write(&format!("\r\x1b[K{}", line.chars().take(COLUMNS).collect::<String>()));
        }
        Ok(())
    }

    fn epoch_end(&mut self, epoch: usize, report: &Epoch, training: &Training) -> Result<()> {
        if !training.writes_files() {
            return Ok(());
        }
        let clear = if self.bar { "\r\x1b[K" } else { "" };
        Self::write(&format!("{clear}{}\n", line(epoch, self.epochs, report)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Logs;

    #[test]
    fn a_bar_is_filled_by_what_is_done() {
        assert_eq!(bar(0, Some(4)).chars().filter(|&c| c == '━').count(), 0);
        assert_eq!(bar(2, Some(4)).chars().filter(|&c| c == '━').count(), WIDTH / 2);
        assert_eq!(bar(4, Some(4)).chars().count(), WIDTH + " 4/4".len());
        assert_eq!(bar(5, None), "batch 5");
    }

    #[test]
    fn an_epoch_of_a_model_with_a_term_of_its_own_fits_in_80_columns() {
        let terms = vec![("main".to_string(), 0.3314), ("reconstruction".to_string(), 0.02013)];
        let ledger = Ledger { terms, total: 0.3516 };
        let mut report = Epoch {
            ledger,
            logs: Logs(vec![("val_loss".to_string(), 0.5567)]),
            ..Epoch::default()
        };
        let expected =
            "epoch  1/20  main 0.3314 + reconstruction 0.02013 = loss 0.3516, val_loss 0.5567";
        assert_eq!((line(0, 20, &report).as_str(), expected.len()), (expected, 80));
        report.seconds = 12.34;
        assert!(line(0, 20, &report).starts_with("epoch  1/20  12.3 s  main "));
    }
}
