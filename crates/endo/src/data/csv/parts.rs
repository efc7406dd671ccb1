//! A table of which each of several processes reads the rows of a range of bytes.
//!
//! In: a file that all processes see, and a link between them. Out: for each process its rows, as
//! they are in the table that one process reads whole: the same kinds, words, spellings and notes.
//! Where that is not certain, and where something is wrong, nobody has rows, and each process reads
//! the file whole, which says what is wrong.

use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use super::kinds::ColumnKind;
use super::ranges::{RowPlace, Scan, Standing, first_row};
use super::sheet::Sheet;
use super::typed::{Column, Joined, PlacedRows, StateSummary, Summary};
use super::wire::{Reader, Writer};
use super::{Csv, Lines, blocks};
use crate::data::table::{self, TablePart};
use crate::error::{Error, Result};
use crate::shards::{Link, share_bytes};
use crate::shown::shown_path;

/// The rows of a process, or why each has to read the file whole.
#[doc(hidden)]
pub enum PartReading {
    /// The rows of this process.
    Rows(Box<TablePart>),
    /// Each has to read all. Without a reason, the reading says what is wrong.
    Whole(Option<String>),
}

/// How much is looked at of the beginning and the end of a file, to know it by.
const LOOKED_AT: u64 = 1 << 16;

/// What a process does not know alone.
enum Outcome {
    /// Each has to read all, for this reason.
    Whole(Option<String>),
    /// The link has failed.
    Unlinked(Error),
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self::Unlinked(error)
    }
}

/// What is wrong is said by who reads the file whole.
const WRONG: Outcome = Outcome::Whole(None);

impl Csv {
    /// Reads the rows that begin in this process's part of the bytes of a file, each process its
    /// own. All are given the same file and options.
    ///
    /// # Errors
    /// Those of the link.
    #[doc(hidden)]
    pub fn read_part(&self, path: impl AsRef<Path>, link: &dyn Link) -> Result<PartReading> {
        let reading = PartReader { csv: self, path: path.as_ref(), link };
        match reading.read() {
            Ok(part) => Ok(PartReading::Rows(Box::new(part))),
            Err(Outcome::Whole(why)) => Ok(PartReading::Whole(why)),
            Err(Outcome::Unlinked(error)) => Err(error),
        }
    }
}

struct PartReader<'a> {
    csv: &'a Csv,
    path: &'a Path,
    link: &'a dyn Link,
}

/// The rows of this process and all that is known of where they are.
struct Range {
    start: Option<RowPlace>,
    end: u64,
    rows_before: usize,
    lines: Lines,
}

/// What a process has read of its rows without knowing what is before them.
struct FirstPass {
    range: Range,
    columns: Vec<Column>,
    /// The number of rows of all processes.
    rows: usize,
    /// What the rows of each process show of each column.
    summaries: Vec<Vec<Summary>>,
}

/// A column behind the rows of all processes, or the one that has to read its rows again.
struct Chain {
    column: Column,
    again: Option<usize>,
}

impl PartReader<'_> {
    fn read(&self) -> Result<TablePart, Outcome> {
        let (sheet, again) = (self.open(), self.open());
        let is_open = sheet.is_some() && again.is_some();
        self.share(is_open.then(|| b"open".to_vec()))?;
        let (sheet, again) = sheet.zip(again).ok_or(WRONG)?;
        let (names, kinds) = (sheet.names.clone(), sheet.kinds.clone());
        let options = &self.csv.options;
        let fresh = kinds.iter().map(|&kind| Column::new(kind, options)).collect();
        let FirstPass { mut range, mut columns, rows, summaries } =
            self.first_pass(sheet, fresh)?;
        let chains = self.chains(&mut range, &mut columns, summaries, &kinds)?;
        let mut all: Vec<Column> = chains.into_iter().map(|chain| chain.column).collect();
        if all.iter().any(Column::is_failed)
            || all.iter_mut().any(|column| column.settle(options).is_err())
        {
            return Err(WRONG);
        }
        let has_commas = all.iter().any(Column::has_decimal_comma);
        let is_wanted = |kind: &Option<ColumnKind>| *kind != Some(ColumnKind::Ignored);
        let own = columns.into_iter().zip(&all).zip(&kinds).filter(|(_, kind)| is_wanted(kind));
        let placed: Option<Vec<PlacedRows>> =
            own.map(|((rows, all), _)| rows.placed(all, options)).collect();
        for column in &mut all {
            column.lay_out_cells();
        }
        let finished = blocks::finish(&mut all, options).map_err(|_| WRONG)?;
        let names = blocks::wanted(&names, &kinds);
        let columns = placed.and_then(|placed| {
            let columns = placed.into_iter().zip(&finished).zip(&names);
            let column = |((rows, all), name): ((PlacedRows, _), &String)| {
                let (values, spelled) = rows.finish(all, has_commas)?;
                Some(table::Column { name: name.clone(), values, spelled })
            };
            columns.map(column).collect::<Option<Vec<_>>>()
        });
        let lines = self.all_lines(&range, columns.is_some())?;
        let (notes, conventions) = blocks::findings(&names, &finished, &again, options);
        Ok(TablePart {
            columns: columns.ok_or(WRONG)?,
            lines,
            notes,
            conventions,
            origin: Some(shown_path(self.path)),
            rows_before: range.rows_before,
            rows,
        })
    }

    fn open(&self) -> Option<Sheet<File>> {
        super::in_path(self.path, |file| self.csv.open(file)).ok()
    }

    /// The parts of a message from each rank; something is wrong where one has sent nothing.
    fn share(&self, said: Option<Vec<u8>>) -> Result<Vec<Vec<u8>>, Outcome> {
        let all = share_bytes(self.link, &said.unwrap_or_default())?;
        if all.iter().any(Vec::is_empty) { Err(WRONG) } else { Ok(all) }
    }

    /// Reads the rows of this process as far as they can be without knowing what is before them,
    /// and says what they show of each column.
    fn first_pass(
        &self,
        mut sheet: Sheet<File>,
        mut columns: Vec<Column>,
    ) -> Result<FirstPass, Outcome> {
        let (rank, ranks) = (self.link.rank(), self.link.ranks());
        let head = sheet.start();
        let length = self.same_file(&sheet, head)?;
        let cut = |part: usize| {
            let bytes = length.saturating_sub(head.byte);
            head.byte + (u128::from(bytes) * part as u128 / ranks as u128) as u64
        };
        let [start, end] = [cut(rank), cut(rank + 1)];
        let delimiter = sheet.format.delimiter;
        let file = || File::open(self.path);
        let scan = file().and_then(|file| Scan::read(file, [start, end], delimiter));
        let scans = self.share(scan.ok().map(|scan| scan.to_bytes()))?;
        let scans: Option<Vec<Scan>> = scans.iter().map(|bytes| Scan::of_bytes(bytes)).collect();
        let scans = scans.ok_or(WRONG)?;
        if scans.iter().any(|scan| scan.has_end_of_file) {
            let why = "it holds a Ctrl-Z, which may end the file".to_string();
            return Err(Outcome::Whole(Some(why)));
        }
        let before = &scans[..rank];
        let standing = before.iter().fold(Standing::Row, |standing, scan| scan.behind(standing));
        let line = head.line + before.iter().map(|scan| scan.lines).sum::<usize>();
        let place = RowPlace { byte: start, line };
        let first = file().and_then(|file| first_row(file, place, end, standing, delimiter));
        let mut is_read = first.is_ok();
        let mut range =
            Range { start: first.ok().flatten(), end, rows_before: 0, lines: Lines::default() };
        let (mut rows, mut ends_with_nothing) = (0, false);
        if let Some(start) = range.start {
            match self.rows(start, end, 0, &mut columns) {
                Some((sheet, lines)) => {
                    (rows, ends_with_nothing) = (sheet.taken, sheet.ends_with_nothing());
                    range.lines = lines;
                }
                None => is_read = false,
            }
        }
        let own = RangeRows { is_read, rows, ends_with_nothing };
        let all = self.share(Some(own.to_bytes()))?;
        let all = all.iter().map(|bytes| RangeRows::of_bytes(bytes)).collect::<Option<Vec<_>>>();
        let all = all.ok_or(WRONG)?;
        let total: usize = all.iter().map(|range| range.rows).sum();
        // Rows without anything in them may be at the end of the file alone.
        let nothing = all.iter().position(|range| range.ends_with_nothing);
        let follows = nothing.is_some_and(|rank| all[rank + 1..].iter().any(|next| next.rows > 0));
        if all.iter().any(|range| !range.is_read) || follows || total == 0 {
            return Err(WRONG);
        }
        range.rows_before = all[..rank].iter().map(|range| range.rows).sum();
        let summary = |column: &Column| column.summary(rank == 0, range.rows_before);
        let mut writer = Writer::default();
        for column in &columns {
            writer.summary(&summary(column));
        }
        let width = columns.len();
        let summaries = |bytes: &Vec<u8>| {
            let mut reader = Reader(bytes);
            (0..width).map(|_| reader.summary()).collect::<Option<Vec<Summary>>>()
        };
        let summaries = self.share(Some(writer.0))?.iter().map(summaries).collect::<Option<_>>();
        Ok(FirstPass { range, columns, rows: total, summaries: summaries.ok_or(WRONG)? })
    }

    /// The length of the file, which is one that all ranks see: each process has copies looked at
    /// whole, since they may differ anywhere.
    fn same_file(&self, sheet: &Sheet<File>, head: RowPlace) -> Result<u64, Outcome> {
        let look = || -> std::io::Result<(u64, u64)> {
            let mut file = File::open(self.path)?;
            let metadata = file.metadata()?;
            let length = metadata.len();
            let (mut hash, mut bytes) = (Xxh3::new(), Vec::new());
            hash.update(identity(&metadata).as_bytes());
            for start in [0, length.saturating_sub(LOOKED_AT)] {
                file.seek(SeekFrom::Start(start))?;
                file.by_ref().take(LOOKED_AT).read_to_end(&mut bytes)?;
                hash.update(&bytes);
                bytes.clear();
            }
            Ok((length, hash.digest()))
        };
        let looked = look();
        let said = looked.as_ref().ok().map(|(length, hash)| {
            format!("{length} {hash} {} {} {:?}", head.byte, head.line, sheet.names).into_bytes()
        });
        let all = self.share(said)?;
        if all.iter().any(|other| *other != all[0]) {
            let why = "it is not one file that all ranks see".to_string();
            return Err(Outcome::Whole(Some(why)));
        }
        match sheet.why_whole() {
            Some(why) => Err(Outcome::Whole(Some(why))),
            None => looked.map(|(length, _)| length).map_err(|_| WRONG),
        }
    }

    /// Gives the rows from a place on to columns; nothing where one cannot be read.
    fn rows(
        &self,
        start: RowPlace,
        end: u64,
        rows_before: usize,
        columns: &mut [Column],
    ) -> Option<(Sheet<File>, Lines)> {
        let mut file = File::open(self.path).ok()?;
        file.seek(SeekFrom::Start(start.byte)).ok()?;
        let mut sheet = self.open()?.range(file, start, end, rows_before);
        let lines = sheet.read_rows(None, columns, &self.csv.options).ok()?;
        Some((sheet, lines.unwrap_or_default()))
    }

    /// The columns behind the rows of all. Who has to know what is before its rows reads them
    /// again.
    fn chains(
        &self,
        range: &mut Range,
        columns: &mut [Column],
        mut summaries: Vec<Vec<Summary>>,
        kinds: &[Option<ColumnKind>],
    ) -> Result<Vec<Chain>, Outcome> {
        let (rank, options) = (self.link.rank(), &self.csv.options);
        loop {
            let chain = |column: usize| Chain::new(&summaries, column, kinds[column], options);
            let chains: Option<Vec<Chain>> = (0..kinds.len()).map(chain).collect();
            let chains = chains.ok_or(WRONG)?;
            let again: Vec<Option<usize>> = chains.iter().map(|chain| chain.again).collect();
            if again.iter().all(Option::is_none) {
                return Ok(chains);
            }
            let is_mine = |column: usize| again[column] == Some(rank);
            let ignored = || Column::new(Some(ColumnKind::Ignored), options);
            let known = chains.into_iter().enumerate();
            let mut mine: Vec<Column> = known
                .map(|(index, chain)| if is_mine(index) { chain.column } else { ignored() })
                .collect();
            if let Some(start) = range.start.filter(|_| again.contains(&Some(rank))) {
                let read = self.rows(start, range.end, range.rows_before, &mut mine);
                if read.is_none() {
                    mine.iter_mut().for_each(Column::fail);
                }
            }
            let mut writer = Writer::default();
            writer.number(again.iter().filter(|again| **again == Some(rank)).count());
            for (index, column) in mine.into_iter().enumerate().filter(|(index, _)| is_mine(*index))
            {
                writer.number(index);
                writer.summary(&column.summary(true, range.rows_before));
                columns[index] = column;
            }
            for (rank, bytes) in self.share(Some(writer.0))?.iter().enumerate() {
                let mut reader = Reader(bytes);
                for _ in 0..reader.number().ok_or(WRONG)? {
                    let (index, summary) = (reader.number(), reader.summary());
                    let (Some(index), Some(summary)) = (index, summary) else { return Err(WRONG) };
                    *summaries[rank].get_mut(index).ok_or(WRONG)? = summary;
                }
            }
        }
    }

    /// The lines of the rows of all; something is wrong where a rank has no columns in the end.
    fn all_lines(&self, range: &Range, has_columns: bool) -> Result<Lines, Outcome> {
        let mut writer = Writer::default();
        writer.number(range.rows_before);
        for &(row, line) in range.lines.starts() {
            writer.number(row);
            writer.number(line);
        }
        let mut lines = Lines::after(0);
        for bytes in self.share(has_columns.then_some(writer.0))? {
            let mut reader = Reader(&bytes);
            let rows_before = reader.number().ok_or(WRONG)?;
            let mut starts = Vec::new();
            while !reader.is_at_end() {
                starts.push(reader.number().zip(reader.number()).ok_or(WRONG)?);
            }
            lines.extend(rows_before, &starts);
        }
        Ok(lines)
    }
}

impl Chain {
    /// Joins what the ranks say of a column in their order; nothing where they contradict each
    /// other.
    fn new(
        summaries: &[Vec<Summary>],
        column: usize,
        given: Option<ColumnKind>,
        options: &super::Options,
    ) -> Option<Self> {
        let of_rank = |rank: usize| &summaries[rank][column];
        let known = (0..summaries.len()).rev().find(|&rank| of_rank(rank).knows_before)?;
        let mut chain =
            Self { column: Column::of_summary(given, of_rank(known), options), again: None };
        if matches!(of_rank(known).state, StateSummary::Failed) {
            return None;
        }
        for rank in known + 1..summaries.len() {
            match chain.column.join(of_rank(rank), options) {
                Joined::Done => {}
                Joined::ReadAgain => {
                    chain.again = Some(rank);
                    break;
                }
                Joined::Refused => return None,
            }
        }
        Some(chain)
    }
}

/// What a process has found in its range, as it tells the others.
struct RangeRows {
    /// Whether all of it could be read.
    is_read: bool,
    rows: usize,
    /// Whether its last rows have nothing in them.
    ends_with_nothing: bool,
}

impl RangeRows {
    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.number(usize::from(self.is_read));
        writer.number(self.rows);
        writer.number(usize::from(self.ends_with_nothing));
        writer.0
    }

    /// Nothing where the bytes are none of it.
    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let is_read = reader.number()? != 0;
        Some(Self { is_read, rows: reader.number()?, ends_with_nothing: reader.number()? != 0 })
    }
}

/// What a file has that no copy of it has, on any machine that sees it: its number within its disk
/// and the time of its last change.
#[cfg(unix)]
fn identity(metadata: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!("{} {} {}", metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
}

#[cfg(not(unix))]
fn identity(metadata: &Metadata) -> String {
    format!("{:?}", metadata.modified().ok())
}
