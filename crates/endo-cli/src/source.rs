//! The tables that are read: to learn from, to judge by, and to predict in parts.
//!
//! In: a file, standard input, or nothing for the embedded table of red wines, and how it is
//! written. Out: [`Source`], [`Rows`] or [`Blocks`].

use std::io;
use std::path::Path;

use endo::data::{ColumnKind, Csv, PartReading, Table, TablePart, listed, shown, shown_path};
use endo::shards::share_texts;
use endo::{Array, Error, ErrorKind, Result};

use crate::arguments::{ReadingOptions, STANDARD, Training};
use crate::cache::Cache;
use crate::run_hash::table_name;
use crate::schema::Schema;
use crate::task::Goal;

/// A table to learn from, and the columns to predict.
pub struct Source {
    /// What the table is.
    pub title: String,
    /// Where it is from, if it is not the user's own.
    pub origin: Option<&'static str>,
    /// The names of the columns to predict.
    pub targets: Vec<String>,
    /// All columns.
    pub table: Table,
}

/// The rows of a table that have a target, as a model takes them.
pub struct Rows {
    /// What the table is.
    pub title: String,
    /// `[rows, columns]`.
    pub inputs: Array,
    /// The targets of each row, one row after the other.
    pub targets: Vec<f64>,
    /// The number of rows that have none, and were left out.
    pub without_target: usize,
}

/// A table to predict, in parts.
pub struct Blocks(Box<dyn FnMut() -> Result<Option<Table>>>);

/// Eleven measurements of 1,599 red wines and the quality that tasters gave them, from 0 to 10.
const RED_WINES: &[u8] = include_bytes!("../data/winequality-red.csv");
const WINE_TITLE: &str = "the quality of red wines";
const WINE_ORIGIN: &str = "Cortez et al. 2009, UCI repository, CC BY 4.0";
const WINE_TARGET: &str = "quality";
const STANDARD_INPUT: &str = "standard input";

impl Source {
    /// Reads the file that the arguments name, or the embedded table. With a cache, each rank reads
    /// a range of the file, and all see the table there. What is to be said of that is in `notes`.
    ///
    /// # Errors
    /// If the file cannot be read as a table, or no target is said or it is no column.
    pub fn read(
        arguments: &Training,
        cache: Option<&Cache>,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let csv = csv(&arguments.reading);
        let Some(path) = &arguments.data else {
            let table = csv.read_from(RED_WINES)?;
            let targets = match &arguments.targets[..] {
                [] => vec![WINE_TARGET.to_string()],
                targets => found(&table, targets)?,
            };
            return Ok(Self {
                title: WINE_TITLE.to_string(),
                origin: Some(WINE_ORIGIN),
                targets,
                table,
            });
        };
        let csv = arguments.targets.iter().fold(csv, Csv::target);
        if arguments.targets.is_empty() {
            return Err(no_target(path, &names(&csv, path)?));
        }
        let table = match cache {
            Some(cache) => read_by_ranges(&csv, path, cache, notes)?,
            None => read(&csv, path)?,
        };
        let targets = found(&table, &arguments.targets)?;
        Ok(Self { title: title(path), origin: None, targets, table })
    }
}

impl Rows {
    /// Reads the columns that a model takes and predicts.
    ///
    /// # Errors
    /// If the file cannot be read, lacks a column, or holds a class that is not known.
    pub fn read(
        path: &Path,
        reading: &ReadingOptions,
        schema: &Schema,
        goal: &Goal,
    ) -> Result<Self> {
        let csv = csv_of(schema, reading).only(Vec::<String>::new());
        let target_kind = |target: &String| match goal {
            Goal::Regression(_) if schema.date_targets.contains(target) => ColumnKind::Time,
            Goal::Regression(_) => ColumnKind::Number,
            // Between numbers more spellings are missing than among words.
            Goal::Classes(_, classes)
                if classes.iter().all(|class| class.parse::<f64>().is_ok()) =>
            {
                ColumnKind::Number
            }
            Goal::Classes(..) => ColumnKind::Word,
        };
        let csv = goal
            .targets()
            .iter()
            .fold(csv, |csv, target| csv.target(target).kind(target, target_kind(target)));
        let table = read(&csv, path)?;
        let in_file = |error: Error| crate::output::within(&title(path), error);
        let (inputs, targets) =
            (schema.encode(&table).map_err(in_file)?, goal.encode(&table).map_err(in_file)?);
        let all = Self { title: title(path), inputs, targets: targets.to_vec(), without_target: 0 };
        let width = goal.targets().len();
        let known: Vec<usize> = (0..table.len())
            .filter(|row| all.targets[row * width..(row + 1) * width].iter().all(|y| !y.is_nan()))
            .collect();
        if known.is_empty() {
            let message =
                format!("{}: no row has a target, so there is nothing to judge by", title(path));
            return Err(Error::new(ErrorKind::Data, message)
                .help("use `endo predict` for rows without a target"));
        }
        Ok(all.take(&known, width))
    }

    /// At most `count` rows, evenly spread over the table.
    pub fn some(self, count: usize) -> Self {
        let rows = self.inputs.shape().batch();
        let width = self.targets.len() / rows;
        self.take(&(0..rows).step_by(rows.div_ceil(count)).collect::<Vec<_>>(), width)
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.inputs.shape().batch()
    }

    fn take(self, rows: &[usize], width: usize) -> Self {
        let columns = self.inputs.shape().features();
        let inputs = Array::from_fn([rows.len(), columns], |i| {
            self.inputs.get(rows[i / columns] * columns + i % columns)
        });
        let targets = rows
            .iter()
            .flat_map(|row| self.targets[row * width..(row + 1) * width].iter().copied())
            .collect();
        Self {
            without_target: self.without_target + self.inputs.shape().batch() - rows.len(),
            inputs,
            targets,
            ..self
        }
    }
}

impl Blocks {
    /// Opens a table of which only the columns that a model takes are read.
    ///
    /// # Errors
    /// If the file cannot be read or lacks a column.
    pub fn open(
        path: &Path,
        reading: &ReadingOptions,
        schema: &Schema,
        rows: usize,
    ) -> Result<Self> {
        let csv = csv_of(schema, reading).only(Vec::<String>::new());
        if is_standard_input(path) {
            let mut blocks = csv.blocks_from(io::stdin(), rows).map_err(from_standard_input)?;
            return Ok(Self(Box::new(move || blocks.next().map_err(from_standard_input))));
        }
        let mut blocks = csv.blocks(path, rows)?;
        Ok(Self(Box::new(move || blocks.next())))
    }

    /// The next rows; none at the end.
    ///
    /// # Errors
    /// At a cell that is not of its column's kind, with its row, line and column.
    pub fn next(&mut self) -> Result<Option<Table>> {
        (self.0)()
    }
}

/// How tables are read: as they are, unless it is said otherwise.
fn csv(reading: &ReadingOptions) -> Csv {
    with_kinds(without_kinds(reading), reading)
}

fn without_kinds(reading: &ReadingOptions) -> Csv {
    let csv = Csv::new()
        .typed()
        .delimiter(reading.delimiter)
        .header(reading.header)
        .decimal(reading.decimal);
    reading.missing.iter().fold(csv.day_first(reading.day_first), Csv::missing)
}

fn with_kinds(csv: Csv, reading: &ReadingOptions) -> Csv {
    reading.kinds.iter().fold(csv, |csv, (name, kind)| csv.kind(name, *kind))
}

/// How a table for a model is read: with the kinds, marks and spellings of missing cells of its
/// training, unless others are said.
fn csv_of(schema: &Schema, reading: &ReadingOptions) -> Csv {
    let csv = without_kinds(reading)
        .decimal(reading.decimal.or(schema.decimal))
        .day_first(reading.day_first.or(schema.day_first));
    let csv = schema.missing.iter().fold(csv, Csv::missing);
    // What is said comes last, and so it holds.
    with_kinds(schema.kinds().fold(csv, |csv, (name, kind)| csv.kind(name, kind)), reading)
}

/// The targets as the table has their names.
fn found(table: &Table, targets: &[String]) -> Result<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    for target in targets {
        let name = table.find(target)?.to_string();
        if found.contains(&name) {
            let error = Error::new(
                ErrorKind::Argument,
                format!("--target names column `{}` twice", shown(&name)),
            );
            return Err(error.help("name each column to predict once"));
        }
        found.push(name);
    }
    Ok(found)
}

fn is_standard_input(path: &Path) -> bool {
    path == Path::new(STANDARD)
}

fn title(path: &Path) -> String {
    if is_standard_input(path) { STANDARD_INPUT.to_string() } else { shown_path(path) }
}

fn read(csv: &Csv, path: &Path) -> Result<Table> {
    if is_standard_input(path) {
        csv.read_from(io::stdin()).map_err(from_standard_input)
    } else {
        csv.read(path)
    }
}

/// The table of a file of which each rank reads a range. What is wrong in it is found by each rank
/// that then reads it whole; ranks that read another table each are refused.
fn read_by_ranges(csv: &Csv, path: &Path, cache: &Cache, notes: &mut Vec<String>) -> Result<Table> {
    let (rank, ranks) = (cache.link().rank(), cache.link().ranks());
    let part = match csv.read_part(path, cache.link())? {
        PartReading::Rows(part) => *part,
        PartReading::Whole(why) => {
            let table = read(csv, path);
            let said = match &table {
                Ok(table) => table_name(table),
                Err(error) => format!("{FAILED}{error}"),
            };
            let all = share_texts(cache.link(), &said)?;
            let table = table?;
            require_one_table(path, &all)?;
            let why = why.unwrap_or_else(|| "its parts do not say what the whole is".to_string());
            notes.push(format!("each rank reads all of {}, because {why}", title(path)));
            TablePart::of_whole(table, rank, ranks)
        }
    };
    cache.table(part)
}

/// What a rank says that could not read a file, before the reason.
const FAILED: char = '!';

/// Fails where a rank could not read the file, or has read another table, by what all say of it.
fn require_one_table(path: &Path, all: &[String]) -> Result<()> {
    let help = "give all ranks the same file, best one on a disk that all see";
    let refuse = |kind: ErrorKind, message: String| Err(Error::new(kind, message).help(help));
    let failed =
        |(rank, said): (usize, &String)| Some((rank, said.strip_prefix(FAILED)?.to_string()));
    if let Some((rank, why)) = all.iter().enumerate().find_map(failed) {
        return refuse(ErrorKind::Io, format!("rank {rank} cannot read {}: {why}", title(path)));
    }
    match all.iter().position(|said| *said != all[0]) {
        Some(rank) => {
            let message = format!("rank {rank} finds another table in {} than rank 0", title(path));
            refuse(ErrorKind::Data, message)
        }
        None => Ok(()),
    }
}

fn names(csv: &Csv, path: &Path) -> Result<Vec<String>> {
    if is_standard_input(path) {
        csv.names_from(io::stdin()).map_err(from_standard_input)
    } else {
        csv.names(path)
    }
}

fn from_standard_input(error: Error) -> Error {
    crate::output::within(STANDARD_INPUT, error)
}

fn no_target(path: &Path, names: &[String]) -> Error {
    let names = listed(names.iter().map(String::as_str));
    let message = format!("{}: which column should be predicted? There are {names}", title(path));
    Error::new(ErrorKind::Argument, message).help("name it with --target COLUMN")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use endo::shards::{Link, Shards, Threads};

    use super::*;
    use crate::arguments::Command;
    use crate::ranks::Ranks;

    /// What each rank reads of a file, and what is said of that.
    fn read_on(ranks: usize, path: &Path) -> Vec<(Result<Table>, Vec<String>)> {
        read_each(&vec![path; ranks])
    }

    /// The same of ranks that have a file each.
    fn read_each(paths: &[&Path]) -> Vec<(Result<Table>, Vec<String>)> {
        Threads::run(paths.len(), |link| {
            let link: Arc<dyn Link> = link.into();
            let path = paths[link.rank()];
            let words = ["endo", "train", "--target", "y", "--data"].map(Into::into);
            let words = words.into_iter().chain([path.as_os_str().to_os_string()]);
            let Ok(Command::Train(arguments)) = Command::parse(words) else {
                panic!("no training")
            };
            let within = path.parent().unwrap();
            let (ranks, why) = Ranks::new(link, Shards::new(8)).with_cache(within, true).unwrap();
            let cache = Ranks::cache(Some(&ranks));
            assert_eq!((cache.is_some(), why), (ranks.link.ranks() > 1, None));
            let mut notes = Vec::new();
            let source = Source::read(&arguments, cache, &mut notes);
            cache.map_or(Ok(()), Cache::close).unwrap();
            (source.map(|source| source.table), notes)
        })
    }

    #[test]
    fn a_table_or_what_is_wrong_in_it_is_the_same_on_any_number_of_ranks() {
        let folder = std::env::temp_dir().join(format!("endo-source-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("table.csv");
        let good = "x,w,y\n1,\"a\n\"\"b\"\"\",2024-01-31\r\n2.5,,2024-02-01\n,\"\",2024-02-02\n\
            4,c,2024-02-03";
        let texts = [
            good.to_string(),
            good.replace("2.5,", "2.5,3,"),
            good.replace("4,c", "4,\"c"),
            good.replace("2.5", "two").replace("w,y", "w,z"),
            good.replace("2024-02-01", "soon"),
        ];
        for text in &texts {
            fs::write(&path, text).unwrap();
            let whole = Csv::new().typed().target("y").read(&path);
            assert_eq!(whole.is_ok(), text == good);
            for ranks in [1, 2, 3, 5, 8] {
                for (table, notes) in read_on(ranks, &path) {
                    assert_eq!(notes, Vec::<String>::new());
                    match (&table, &whole) {
                        (Ok(table), Ok(whole)) => {
                            assert!(table == whole && table.place(2) == whole.place(2));
                        }
                        (Err(error), Err(whole)) => {
                            assert_eq!(error.to_string(), whole.to_string());
                        }
                        _ => panic!("{table:?} by {ranks} ranks, and {whole:?} by one"),
                    }
                }
            }
        }
        let utf16: Vec<u8> =
            format!("\u{feff}{good}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        fs::write(&path, utf16).unwrap();
        for (table, notes) in read_on(3, &path) {
            assert_eq!(table.unwrap(), Csv::new().typed().read(&path).unwrap());
            assert!(notes[0].ends_with("table.csv, because it is in UTF-16"), "{notes:?}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn ranks_may_have_copies_of_a_file_and_other_files_are_refused_on_all() {
        let folder = std::env::temp_dir().join(format!("endo-copies-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let paths = ["first.csv", "second.csv", "third.csv"].map(|name| folder.join(name));
        // Longer than what is looked at of the ends: they may differ in the middle alone.
        let rows: String = (0..40_000).map(|row| format!("{row},{}\n", row % 7)).collect();
        let text = format!("x,y\n{rows}");
        for path in &paths {
            fs::write(path, &text).unwrap();
        }
        let each: Vec<&Path> = paths.iter().map(|path| &**path).collect();
        let whole = Csv::new().typed().target("y").read(&paths[0]).unwrap();
        for (table, notes) in read_each(&each) {
            assert_eq!(table.unwrap(), whole);
            assert!(notes[0].ends_with("because it is not one file that all ranks see"));
        }
        fs::write(&paths[1], text.replace("\n20000,", "\n20001,")).unwrap();
        for (rank, (table, _)) in read_each(&each).into_iter().enumerate() {
            let message = table.unwrap_err().message().to_string();
            assert!(message.starts_with("rank 1 finds another table in "), "{rank}: {message}");
        }
        fs::remove_file(&paths[2]).unwrap();
        for (rank, (table, _)) in read_each(&each).into_iter().enumerate() {
            let message = table.unwrap_err().message().to_string();
            let expected = if rank == 2 { "cannot " } else { "rank 2 cannot read " };
            assert!(message.starts_with(expected), "{rank}: {message}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
