//! The numbers of every epoch, or of single steps, as a table in a file.
//!
//! In: the logs of an epoch, or the terms of a step's loss. Out: a line of a CSV file, written
//! whole and at once, so that an interrupted run leaves whole lines.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::PathBuf;

use csv::{ByteRecord, StringRecord};

use crate::error::{Error, Result, not_zero};
use crate::files::{self, Claim, failure};

use super::{Callback, Epoch, Ledger, State, Training};
use crate::net::{distinct, first};

/// Writes the loss, its terms and the metrics of every epoch to a CSV file. Keras's `CSVLogger`.
///
/// The columns are `epoch`, counted from 0, and every name of the logs in alphabetical order, as in
/// Keras. A name that appears later gets a column of its own; where an epoch has no number of that
/// name, there is `NA`. Numbers have all their digits.
///
/// ```
/// # use endo::prelude::*;
/// # let data = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
/// # let path = std::env::temp_dir().join(format!("endo-csv-{}.csv", std::process::id()));
/// # let mut model = Model::new(Dense::new(1));
/// model.compile("sgd", "mse", ["mae"]);
/// model.fit(&data, Fit::epochs(2).validation_split(0.25).callback(CsvLogger::new(&path)))?;
/// let text = std::fs::read_to_string(&path).unwrap();
/// assert!(text.starts_with("epoch,loss,mae,val_loss,val_mae\n0,"));
/// assert_eq!(text.lines().count(), 3);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// `fit` fails, before the first step where that can be known, if the file cannot be written, or if
/// another run writes it.
#[derive(Debug)]
pub struct CsvLogger {
    path: PathBuf,
    separator: u8,
    append: bool,
    /// The number of steps from one row to the next, where rows are of steps and not of epochs.
    every: Option<usize>,
    columns: Vec<String>,
    /// The rows of the file, those of earlier trainings among them; none before the first is
    /// written.
    rows: Option<usize>,
    /// While training lasts, nobody else adds rows.
    claim: Option<Claim>,
    /// Whether another process writes the file.
    is_silent: bool,
}

/// What stands where an epoch has no number.
const MISSING: &str = "NA";

impl CsvLogger {
    /// Writes to a file, which is overwritten at the end of the first epoch. A resumed run goes on
    /// with the file as it was saved.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            path,
            separator: b',',
            append: false,
            every: None,
            columns: Vec::new(),
            rows: None,
            claim: None,
            is_silent: false,
        }
    }

    /// What stands between two cells; a comma unless set. One character of ASCII.
    #[must_use]
    pub fn separator(mut self, separator: char) -> Self {
        self.separator = u8::try_from(separator).unwrap_or(0);
        self
    }

    /// Whether lines are added to those of a file that is there already; false unless set. Of a
    /// line without its end, as an interrupted run leaves it, nothing remains.
    #[must_use]
    pub fn append(mut self, append: bool) -> Self {
        self.append = append;
        self
    }

    /// Writes a row once every `steps` steps, counted over all epochs from step 0 on, instead of
    /// one for every epoch. The columns are `epoch` and `batch`, both counted from 0, the `loss` of
    /// this batch alone and, where there are several, its terms in the order of the ledger. A batch
    /// that was left out has no row.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let data = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
    /// # let path =
    /// #     std::env::temp_dir().join(format!("endo-csv-steps-{}.csv", std::process::id()));
    /// # let mut model = Model::new(Dense::new(1).kernel_regularizer(L2(0.01)));
    /// model.compile("sgd", "mse", ());
    /// // Steps 0, 3 and 6 of 8.
    /// model.fit(&data, Fit::epochs(2).batch_size(10).callback(CsvLogger::new(&path).every(3)))?;
    /// let text = std::fs::read_to_string(&path).unwrap();
    /// assert!(text.starts_with("epoch,batch,loss,main,penalty(dense/kernel)\n0,0,"));
    /// assert!(text.lines().last().unwrap().starts_with("1,2,"));
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn every(mut self, steps: usize) -> Self {
        self.every = Some(steps);
        self
    }

    /// Adds a row of these cells, each under its column, to the file.
    fn add(&mut self, cells: &[(&str, String)]) -> Result<()> {
        if self.is_silent {
            return Ok(());
        }
        if self.rows.is_none() {
            self.begin(if self.append { usize::MAX } else { 0 })?;
        }
        let new = cells
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !self.columns.iter().any(|known| known == name));
        let new: Vec<String> = new.map(str::to_string).collect();
        if !new.is_empty() {
            let headed = usize::from(!self.columns.is_empty());
            let rows = self.rows()?;
            self.columns.extend(new);
            self.rewrite(&rows[headed..])?;
        }
        let cell = |column: &String| {
            cells
                .iter()
                .rfind(|(name, _)| name == column)
                .map_or(MISSING, |(_, text)| text.as_str())
        };
        let line = self.line(self.columns.iter().map(cell))?;
        self.rows = self.rows.map(|rows| rows + 1);
        let file = OpenOptions::new().append(true).open(&self.path);
        file.and_then(|mut file| file.write_all(&line))
            .map_err(|error| failure("cannot write", &self.path, &error))
    }

    /// The rows of the file, its first line among them; not what stands after the last line end.
    fn rows(&self) -> Result<Vec<StringRecord>> {
        let fail = |error: &dyn std::fmt::Display| failure("cannot read", &self.path, error);
        let file = File::open(&self.path).map_err(|error| fail(&error))?;
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.has_headers(false).flexible(true).delimiter(self.separator);
        // With a mark at its end the last row is always the unfinished one, be it that of the mark
        // alone.
        let rows = reader.from_reader(file.chain(&b"#"[..])).into_byte_records();
        let mut rows: Vec<ByteRecord> =
            rows.collect::<csv::Result<_>>().map_err(|error| fail(&error))?;
        rows.pop();
        rows.into_iter()
            .map(|row| StringRecord::from_byte_record(row).map_err(|error| fail(&error)))
            .collect()
    }

    /// Cuts the file down to its first `rows` rows, if it has more.
    fn begin(&mut self, kept: usize) -> Result<()> {
        if self.is_silent {
            return Ok(());
        }
        let mut rows = if kept > 0 && self.path.exists() {
            self.rows()?.into_iter()
        } else {
            Vec::new().into_iter()
        };
        self.columns =
            rows.next().iter().flat_map(|first| first.iter().map(str::to_string)).collect();
        let rows: Vec<StringRecord> = rows.take(kept).collect();
        self.rows = Some(rows.len());
        self.rewrite(&rows)
    }

    /// Replaces the file by these rows under the columns.
    fn rewrite(&self, rows: &[StringRecord]) -> Result<()> {
        let mut text = if self.columns.is_empty() { Vec::new() } else { self.line(&self.columns)? };
        for row in rows {
            let missing = self.columns.len().saturating_sub(row.len());
            text.extend(self.line(row.iter().chain(std::iter::repeat_n(MISSING, missing)))?);
        }
        files::write(&self.path, &[&text])
    }

    /// Cells as a line.
    fn line(&self, cells: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<Vec<u8>> {
        let fail = |error: &dyn std::fmt::Display| failure("cannot write", &self.path, error);
        let mut writer =
            csv::WriterBuilder::new().delimiter(self.separator).from_writer(Vec::new());
        writer.write_record(cells).map_err(|error| fail(&error))?;
        writer.into_inner().map_err(|error| fail(&error))
    }
}

impl Callback for CsvLogger {
    fn train_begin(&mut self, training: &Training) -> Result<()> {
        if self.separator == 0 || !self.separator.is_ascii() || b"\"\r\n".contains(&self.separator)
        {
            let message = "the separator of `CsvLogger` is no single ASCII character that can \
                stand between cells";
            return Err(Error::argument(message, "use ',', ';' or '\\t'"));
        }
        let help = "steps count from 1: `.every(1)` writes each of them";
        not_zero(self.every, "`CsvLogger` is to write a row every 0 steps", help)?;
        (self.rows, self.claim) = (None, None);
        self.is_silent = !training.writes_files();
        if self.is_silent {
            return Ok(());
        }
        self.claim = Claim::on(&self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let made = folder.map_or(Ok(()), std::fs::create_dir_all);
        // It may be that of a run that is resumed: it is emptied at the first epoch's end.
        let opened =
            made.and_then(|()| OpenOptions::new().append(true).create(true).open(&self.path));
        opened.map(|_| ()).map_err(|error| failure("cannot write", &self.path, &error))
    }

    fn state(&self) -> State {
        self.rows.into_iter().fold(State::new(), |state, rows| state.with("rows", rows as f64))
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        match state.iter().next() {
            Some(_) => self.begin(state.count("rows")?),
            None => Ok(()),
        }
    }

    fn train_end(&mut self, _: &Training) -> Result<()> {
        if self.rows.is_none() {
            self.begin(if self.append { usize::MAX } else { 0 })?;
        }
        self.claim = None;
        Ok(())
    }

    fn batch_end(
        &mut self,
        batch: usize,
        _: &dyn Fn() -> Ledger,
        training: &Training,
    ) -> Result<()> {
        let step = training.step();
        if !self.every.is_some_and(|every| step.is_multiple_of(every)) {
            return Ok(());
        }
        let terms = training.batch_ledger();
        let mut logs = terms.logs();
        distinct(&mut logs, first, &["epoch", "batch"]);
        let places = [("epoch", training.epoch().to_string()), ("batch", batch.to_string())];
        let cells = places
            .into_iter()
            .chain(logs.iter().map(|(name, value)| (name.as_str(), value.to_string())));
        if terms.terms.is_empty() { Ok(()) } else { self.add(&cells.collect::<Vec<_>>()) }
    }

    fn epoch_end(&mut self, epoch: usize, report: &Epoch, _: &Training) -> Result<()> {
        if self.every.is_some() {
            return Ok(());
        }
        let mut logs = report.logs.0.clone();
        distinct(&mut logs, first, &["epoch"]);
        logs.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let cells = logs.iter().map(|(name, value)| (name.as_str(), value.to_string()));
        self.add(&std::iter::once(("epoch", epoch.to_string())).chain(cells).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use std::fs;

    use super::super::tests::{epoch, training};
    use super::*;
    use crate::files::tests::Folder;

    fn run(mut logger: CsvLogger, epochs: &[Epoch]) -> String {
        let training = training(Vec::new(), 0.1);
        logger.train_begin(&training).unwrap();
        for (index, report) in epochs.iter().enumerate() {
            logger.epoch_end(index, report, &training).unwrap();
        }
        logger.train_end(&training).unwrap();
        fs::read_to_string(&logger.path).unwrap()
    }

    #[test]
    fn a_line_for_each_epoch_in_keras_s_order_with_all_digits() {
        let folder = Folder::new("csv-logger-order");
        let path = folder.0.join("deeper/log.csv");
        let epochs =
            [epoch(&[("loss", 0.1), ("a,b", 2.0)]), epoch(&[("loss", 1.0 / 3.0), ("a,b", 1e-9)])];
        let text = run(CsvLogger::new(&path), &epochs);
        assert_eq!(text, "epoch,\"a,b\",loss\n0,2,0.1\n1,0.000000001,0.3333333333333333\n");
        assert_eq!(
            run(CsvLogger::new(&path).separator(';'), &epochs[..1]),
            "epoch;a,b;loss\n0;2;0.1\n"
        );
    }

    #[test]
    fn a_name_that_appears_later_gets_a_column() {
        let folder = Folder::new("csv-logger-later");
        let epochs = [
            epoch(&[("loss", 1.0)]),
            epoch(&[("loss", 2.0), ("extra", 3.0)]),
            epoch(&[("extra", 4.0)]),
        ];
        let text = run(CsvLogger::new(folder.0.join("log.csv")), &epochs);
        assert_eq!(text, "epoch,loss,extra\n0,1,NA\n1,2,3\n2,NA,4\n");
    }

    #[test]
    fn appending_keeps_whole_lines_and_drops_an_unfinished_one() {
        let folder = Folder::new("csv-logger-append");
        let path = folder.0.join("log.csv");
        let again = || run(CsvLogger::new(&path).append(true), &[epoch(&[("loss", 0.5)])]);
        assert_eq!(again(), "epoch,loss\n0,0.5\n");
        fs::write(&path, "epoch,loss\n0,0.5\n1").unwrap();
        assert_eq!(again(), "epoch,loss\n0,0.5\n0,0.5\n");
        assert_eq!(run(CsvLogger::new(&path), &[]), "");
    }

    /// Where it is cut, what is left is rows of the whole log, of which none is changed.
    #[test]
    fn of_a_log_that_is_cut_anywhere_whole_rows_remain() {
        let folder = Folder::new("csv-logger-cut");
        let path = folder.0.join("log.csv");
        let numbers = [0.6, 0.5760306208, 1e-9, 12.5];
        let epochs = numbers
            .map(|loss| epoch(&[("a \"b\",\r\nc", -loss), ("loss", loss), ("ä", 2.0 * loss)]));
        let written = run(CsvLogger::new(&path), &epochs).into_bytes();
        let edited = ["\u{feff}".as_bytes(), &written].concat();
        // As an editor of another system saves it.
        let lines = String::from_utf8(edited.clone())
            .unwrap()
            .replace("\r\n", "\n")
            .replace('\n', "\r\n")
            .into_bytes();
        for whole in [written, edited, lines] {
            let records = |bytes: &[u8]| -> Vec<StringRecord> {
                csv::ReaderBuilder::new()
                    .has_headers(false)
                    .from_reader(bytes)
                    .into_records()
                    .map(Result::unwrap)
                    .collect()
            };
            let rows = records(&whole);
            assert_eq!(rows.len(), 5);
            for length in 0..=whole.len() {
                fs::write(&path, &whole[..length]).unwrap();
                let left = run(CsvLogger::new(&path).append(true), &[]);
                let left = records(left.as_bytes());
                assert_eq!(left, rows[..left.len()], "cut to {length} bytes");
                // The end of a row is a line end, of which one byte is enough.
                let ended = (0..=rows.len())
                    .rev()
                    .find(|&count| count == 0 || end_of(&whole, count) <= length)
                    .unwrap();
                assert_eq!(left.len(), ended, "cut to {length} bytes");
            }
        }
    }

    /// How many bytes hold the first `rows` rows with the first byte of their line ends.
    fn end_of(log: &[u8], rows: usize) -> usize {
        let mut quoted = false;
        let ends = log.iter().enumerate().filter(|&(index, &byte)| {
            quoted ^= byte == b'"';
            !quoted && (byte == b'\r' || byte == b'\n' && log[index - 1] != b'\r')
        });
        ends.map(|(index, _)| index + 1).nth(rows - 1).unwrap()
    }

    #[test]
    fn a_metric_called_epoch_has_a_column_of_its_own() {
        let folder = Folder::new("csv-logger-epoch");
        let text = run(
            CsvLogger::new(folder.0.join("log.csv")),
            &[epoch(&[("epoch", 7.5), ("loss", 1.0)])],
        );
        assert_eq!(text, "epoch,epoch_1,loss\n0,7.5,1\n");
    }

    #[test]
    fn two_loggers_of_one_file_are_told_so_before_training() {
        let folder = Folder::new("csv-logger-two");
        let (path, training) = (folder.0.join("log.csv"), training(Vec::new(), 0.1));
        let [mut first, mut second] = [(); 2].map(|()| CsvLogger::new(&path).append(true));
        first.train_begin(&training).unwrap();
        second.train_begin(&training).unwrap_err().says("log.csv is in use");
        first.train_end(&training).unwrap();
        second.train_begin(&training).unwrap();
        drop(second);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "no lock is left");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error_before_training() {
        let folder = Folder::new("csv-logger-folder");
        let error = CsvLogger::new(&folder.0).train_begin(&training(Vec::new(), 0.1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        let error = CsvLogger::new("log.csv")
            .separator('→')
            .train_begin(&training(Vec::new(), 0.1))
            .unwrap_err();
        error.says("no single ASCII character");
    }
}
