//! Reading a table from CSV.
//!
//! In: a file or anything that can be read, with options for what is not to be found. Out: a
//! [`Table`], or an error that names the row, line and column and says how to fix it. Bytes are
//! unpacked and become `text`, text becomes `rows` as the file is written (`format`), the first row
//! names (`header`), and cells `numbers`, or columns whose kind is found (`typed`).

mod advice;
mod blocks;
mod dates;
mod dictionary;
mod format;
mod header;
mod kinds;
mod lines;
mod missing;
mod notes;
mod numbers;
mod packed;
mod parts;
mod ranges;
mod rows;
mod sheet;
mod signatures;
mod stop;
#[cfg(test)]
mod tests;
mod text;
mod times;
mod typed;
mod unclear;
mod wire;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::table::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::shown::{shown, shown_path};
use sheet::{Sheet, UNREADABLE};
use typed::Options;

pub use blocks::Blocks;
pub use dates::date;
pub(super) use header::{check_distinct, position};
pub use kinds::ColumnKind;
pub(super) use lines::Lines;
#[doc(hidden)]
pub use parts::PartReading;
pub(super) use unclear::place;

/// How to read a table from CSV: the first line names the columns, and each line below is a row.
///
/// Text is UTF-8 or UTF-16, perhaps compressed by gzip or zstd. The delimiter is that of `,`, `;`,
/// tab, `|` and blanks which gives rows of one width, unless a first line like `sep=;` names it.
/// Cells may be in quotes. Decimal commas and marks between thousands (`1.299,50`, `1 000`) are
/// read where the column leaves no doubt. Blank lines between rows are passed over, and rows at the
/// end with nothing in them are left out, because spreadsheets write those for cells that were
/// cleared.
///
/// By itself it is strict: each cell is a finite number. With [`typed`](Self::typed) columns may
/// also hold words and times, and cells may be missing.
///
/// ```
/// use endo::data::Csv;
/// let text = "rooms;price\n6;1.299,50\n4;980\n";
/// let table = Csv::new().target("price").read_from(text.as_bytes())?;
/// assert_eq!(table.column("price")?, [1299.5, 980.0]);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Default, Debug)]
pub struct Csv {
    delimiter: Option<char>,
    targets: Vec<String>,
    header: Option<bool>,
    options: Options,
    kinds: Vec<(String, ColumnKind)>,
    only: Option<Vec<String>>,
}

impl Csv {
    /// With a delimiter that is found, with a header, strict, and without a target.
    pub fn new() -> Self {
        Self::default()
    }

    /// The character that separates columns; a blank stands for any number of blanks and tabs.
    /// `None` is to find it.
    #[must_use]
    pub fn delimiter(mut self, delimiter: impl Into<Option<char>>) -> Self {
        self.delimiter = delimiter.into();
        self
    }

    /// A column that has to be there, which is found out before any row is read; several times for
    /// several.
    #[must_use]
    pub fn target(mut self, name: impl Into<String>) -> Self {
        self.targets.push(name.into());
        self
    }

    /// Whether the first line names the columns. With `true` also numbers and years are names; with
    /// `false` the first line is a row and the columns are `x1`, `x2` and so on. With `None`, as at
    /// first, a first line that holds mostly numbers is an error.
    ///
    /// ```
    /// use endo::data::Csv;
    /// let table = Csv::new().header(false).read_from("18.0,3504\n15,3693\n".as_bytes())?;
    /// assert_eq!(table.column("x2")?, [3504.0, 3693.0]);
    /// let table = Csv::new().header(true).read_from("2023,2024\n1,2\n".as_bytes())?;
    /// assert_eq!(table.column("2024")?, [2.0]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn header(mut self, header: impl Into<Option<bool>>) -> Self {
        self.header = header.into();
        self
    }

    /// The decimal mark of all numbers, `.` or `,`; the other one then separates thousands. `None`
    /// is to find it for each column.
    ///
    /// ```
    /// use endo::data::Csv;
    /// let csv = Csv::new().decimal(',');
    /// assert_eq!(csv.read_from("a;b\n1.299;1,5\n".as_bytes())?.column("a")?, [1299.0]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn decimal(mut self, mark: impl Into<Option<char>>) -> Self {
        self.options.decimal = mark.into();
        self
    }

    /// Finds for each column whether it holds numbers, times or words, and lets cells be missing.
    /// The rule, in this order:
    ///
    /// * A cell is missing if it is empty or spelled as `NA`, `N/A`, `N.A.`, `#N/A`, `<NA>`, `NaN`,
    ///   `NaT`, `null`, `\N`, `?` or an error of a spreadsheet such as `#DIV/0!`, in any case of
    ///   letters, or as [`missing`](Self::missing) says. Between numbers and times so are `None`,
    ///   `nil`, `missing`, `unknown`, `.`, `..`, `-`, `--` and `---`, which in a column of words
    ///   are words.
    /// * A column holds numbers if all cells that are not missing are numbers, and times if all are
    ///   dates or times: `2024-01-31`, `2024/01/31`, `31.01.2024`, `31/01/2024`, `01/31/2024`,
    ///   `31-Jan-2024`, `Jan 31, 2024`, with or without a time such as `12:30:00.5+01:00`. Which of
    ///   two numbers is the day is that of the whole column; see [`day_first`](Self::day_first).
    /// * Where at least half of the cells are numbers and others are none, the column holds words
    ///   if it has at most 20 different cells, of which the numbers are whole and each word is
    ///   there more than once (categories such as `1`, `2`, `3`, `4+`), or if a tenth of its cells
    ///   or more are words, in ten forms or more when digits are left out (identifiers such as
    ///   `PC 17599` and `113803`). Bounds such as `<5` that few rows have are neither. A note of
    ///   the table says so. Otherwise the first cell that is no number is an error, which names it.
    ///   So is the first cell that is no date where at least half of the cells are dates.
    /// * All other columns hold words: cells without blanks around them, with each letter in one
    ///   piece (Unicode's NFC).
    ///
    /// A column with more than 1000 different cells is decided by the rows up to the one that
    /// brings the next: a word that comes later in a column of numbers is an error.
    /// [`kind`](Self::kind) decides for a column.
    ///
    /// A first column without a name holds names of rows, as R and pandas write them, and is left
    /// out, also where the header is one name short. Lines above the header that begin with `#` are
    /// left out where it is clear that none of them is the header.
    ///
    /// ```
    /// use endo::data::{Csv, Values};
    /// let text = "name,rooms,sold\nElm St,3,31.01.2024\nOak St,,1.2.2024\nnull,4,?\n";
    /// let table = Csv::new().typed().read_from(text.as_bytes())?;
    /// assert!(matches!(table.values("name")?, Values::Words(_)));
    /// assert!(matches!(table.values("rooms")?, Values::Numbers(_)));
    /// assert!(matches!(table.values("sold")?, Values::Times(_)));
    /// assert_eq!(
    ///     (table.missing("name")?, table.missing("rooms")?, table.missing("sold")?),
    ///     (1, 1, 1)
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn typed(mut self) -> Self {
        self.options.is_typed = true;
        self
    }

    /// What a column holds, instead of finding it. Makes the reading [`typed`](Self::typed). A name
    /// that is no column is an error.
    #[must_use]
    pub fn kind(mut self, name: impl Into<String>, kind: ColumnKind) -> Self {
        self.kinds.push((name.into(), kind));
        self.typed()
    }

    /// The columns that are wanted, besides the target and those whose kind is said; all others are
    /// left out, and their cells are never refused. Makes the reading [`typed`](Self::typed). A
    /// name that is no column is an error.
    ///
    /// ```
    /// use endo::data::Csv;
    /// let csv = Csv::new().typed().only(["rooms"]).target("price");
    /// let table = csv.read_from("id,rooms,price\n1,3,4.5\nx,4,5\n".as_bytes())?;
    /// assert_eq!(table.columns().collect::<Vec<_>>(), ["rooms", "price"]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn only<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.only = Some(names.into_iter().map(Into::into).collect());
        self.typed()
    }

    /// Another spelling of cells that are missing, besides those that are always known. Makes the
    /// reading [`typed`](Self::typed).
    ///
    /// ```
    /// use endo::data::Csv;
    /// let table = Csv::new().missing("-999").read_from("a\n1\n-999\n".as_bytes())?;
    /// assert_eq!(table.missing("a")?, 1);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn missing(mut self, text: impl Into<String>) -> Self {
        self.options.missing.given.push(text.into().trim().to_string());
        self.typed()
    }

    /// Whether the day comes first in dates such as `02/01/2024`. `None` is to find it for each
    /// column, which is an error where no cell tells. Makes the reading [`typed`](Self::typed).
    ///
    /// ```
    /// use endo::data::{Csv, Values};
    /// let table = Csv::new().day_first(true).read_from("a\n02/01/1970\n".as_bytes())?;
    /// assert_eq!(table.values("a")?, &Values::Times(vec![86_400.0].into()));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn day_first(mut self, day_first: impl Into<Option<bool>>) -> Self {
        self.options.day_first = day_first.into();
        self.typed()
    }

    /// Reads a file. Fails at the first cell that cannot be what its column holds, naming its row,
    /// line and column.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Table> {
        let path = path.as_ref();
        let mut table = in_path(path, |file| self.read_from(file))?;
        table.origin = Some(shown_path(path));
        Ok(table)
    }

    /// Reads anything that can be read, to its end.
    pub fn read_from(&self, source: impl Read) -> Result<Table> {
        Blocks::new(self.open(source)?, self.options.clone(), None, None).read_whole()
    }

    /// Reads a file in blocks of at most `rows` rows, always [`typed`](Self::typed): files of any
    /// size in bounded memory.
    ///
    /// What is not said is found in the first block and holds for all that follow: kinds, decimal
    /// marks, the order of day and month. A cell that contradicts it is an error with its place in
    /// the file. See [`Blocks`] for an example.
    pub fn blocks(&self, path: impl AsRef<Path>, rows: usize) -> Result<Blocks<File>> {
        let (path, csv) = (path.as_ref(), self.clone().typed());
        let sheet = in_path(path, |file| csv.open(file))?;
        Ok(Blocks::new(sheet, csv.options, Some(rows), Some(shown_path(path))))
    }

    /// As [`blocks`](Self::blocks), from anything that can be read.
    pub fn blocks_from<R: Read>(&self, source: R, rows: usize) -> Result<Blocks<R>> {
        let csv = self.clone().typed();
        Ok(Blocks::new(csv.open(source)?, csv.options, Some(rows), None))
    }

    /// Reads the names of the columns of a file, without those that are left out, and no row.
    ///
    /// ```no_run
    /// use endo::data::Csv;
    /// let names = Csv::new().names("houses.csv")?;
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn names(&self, path: impl AsRef<Path>) -> Result<Vec<String>> {
        in_path(path.as_ref(), |file| self.names_from(file))
    }

    /// Reads the names of the columns of anything that can be read, and no row.
    pub fn names_from(&self, source: impl Read) -> Result<Vec<String>> {
        let sheet = self.open(source)?;
        Ok(blocks::wanted(&sheet.names, &sheet.kinds))
    }

    fn open<R: Read>(&self, source: R) -> Result<Sheet<R>> {
        if let Some(mark) = self.options.decimal.filter(|mark| !matches!(mark, '.' | ',')) {
            let message = format!("{mark:?} is no decimal mark");
            return Err(Error::argument(message, "give `.` or `,`"));
        }
        Sheet::open(self, source)
    }

    /// What is said of the kinds of these columns. Fails at a name that is none of them.
    fn kinds_of(&self, names: &[String]) -> Result<Vec<Option<ColumnKind>>> {
        let named: Vec<usize> =
            (0..names.len()).filter(|&index| !names[index].is_empty()).collect();
        let place_of = |name: &str| -> Result<usize> {
            Ok(named[position(name, named.iter().map(|&index| names[index].as_str()))?])
        };
        let mut kinds = vec![self.only.as_ref().map(|_| ColumnKind::Ignored); names.len()];
        for name in self.only.iter().flatten().chain(&self.targets) {
            kinds[place_of(name)?] = None;
        }
        for (name, kind) in &self.kinds {
            kinds[place_of(name)?] = Some(*kind);
        }
        for target in &self.targets {
            if kinds[place_of(target)?] == Some(ColumnKind::Ignored) {
                let message = format!("column `{}` is the target, and left out", shown(target));
                return Err(Error::argument(message, "leave out other columns than the target"));
            }
        }
        Ok(kinds)
    }
}

/// What is read from a file, or the error, which names it.
fn in_path<T>(path: &Path, read: impl FnOnce(File) -> Result<T>) -> Result<T> {
    File::open(path)
        .map_err(|error| Error::new(ErrorKind::Io, error.to_string()))
        .and_then(read)
        .map_err(|error| in_file(error, &shown_path(path)))
}

/// The error, which names the file.
fn in_file(error: Error, path: &String) -> Error {
    match error.kind() {
        ErrorKind::Io => {
            let why = error.message().strip_prefix(UNREADABLE).unwrap_or(error.message());
            let help = "check the path; a relative one starts at the current folder";
            Error::new(ErrorKind::Io, format!("cannot read `{path}`: {why}")).help(help)
        }
        _ => {
            let message = format!("{path}: {}", error.message());
            error.with_message(message)
        }
    }
}
