//! Progress on standard error: a bar on a terminal, a line for each epoch elsewhere.
//!
//! In: batches and epochs. Out: text, drawn at most twenty times a second.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::error::Result;

use super::{Callback, Epoch, Ledger};

/// Shows how far training is, and what the loss is made of.
pub struct Progress {
    bar: bool,
    epochs: usize,
    batches: usize,
    epoch: usize,
    drawn: Instant,
}

const PAUSE: Duration = Duration::from_millis(50);
const WIDTH: usize = 24;

impl Progress {
    /// Writes to standard error; a bar only if that is a terminal.
    pub fn stderr() -> Self {
        Self { bar: std::io::stderr().is_terminal(), epochs: 0, batches: 0, epoch: 0, drawn: Instant::now() }
    }

    /// Output to a closed pipe is no reason to stop training.
    fn write(text: &str) {
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// A bar of which `done` of `total` is filled.
fn bar(done: usize, total: usize) -> String {
    let filled = WIDTH * done / total.max(1);
    format!("{}{}", "━".repeat(filled), "╌".repeat(WIDTH - filled))
}

impl Callback for Progress {
    fn train_begin(&mut self, epochs: usize, batches: usize) -> Result<()> {
        (self.epochs, self.batches) = (epochs, batches);
        Ok(())
    }

    fn epoch_begin(&mut self, epoch: usize) -> Result<()> {
        self.epoch = epoch;
        Ok(())
    }

    fn batch_end(&mut self, batch: usize, ledger: &dyn Fn() -> Ledger) -> Result<()> {
        if self.bar && self.drawn.elapsed() >= PAUSE {
            self.drawn = Instant::now();
            let (epoch, done) = (self.epoch + 1, batch + 1);
            Self::write(&format!(
                "\r\x1b[Kepoch {epoch}/{} {} {done}/{}  {}",
                self.epochs,
                bar(done, self.batches),
                self.batches,
                ledger()
            ));
        }
        Ok(())
    }

    fn epoch_end(&mut self, epoch: usize, report: &Epoch) -> Result<()> {
        let clear = if self.bar { "\r\x1b[K" } else { "" };
        let validation = report.validation.as_ref().map_or_else(String::new, |ledger| format!("   validation: {ledger}"));
        let digits = self.epochs.to_string().len();
        let seconds = report.seconds;
        Self::write(&format!(
            "{clear}epoch {:>digits$}/{}  {seconds:.2} s  {}{validation}\n",
            epoch + 1,
            self.epochs,
            report.ledger
        ));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_filled_by_what_is_done() {
        assert_eq!(bar(0, 4).chars().filter(|&c| c == '━').count(), 0);
        assert_eq!(bar(2, 4).chars().filter(|&c| c == '━').count(), WIDTH / 2);
        assert_eq!(bar(4, 4).chars().count(), WIDTH);
    }
}
