//! What the columns of a table are to a model: numbers, dates and categories, and which columns are
//! left out.
//!
//! In: a table, and the rows to learn from. Out: a [`Schema`], which makes arrays of tables that
//! have its columns, in any order.

use std::collections::HashMap;
use std::fmt;

use endo::data::{ColumnKind, Table, Values, Words, date, shown};
use endo::{Array, Error, ErrorKind, Result};

use crate::tabular::Feature;

/// The columns to predict from, in the order of the model's input.
#[derive(Clone, PartialEq, Debug)]
pub struct Schema {
    /// The columns.
    pub inputs: Vec<Input>,
    /// The decimal mark of the file, if it was a comma: `1.299` is then read as 1299 later, too.
    pub decimal: Option<char>,
    /// Whether days came before months, if the file had dates that do not show it by themselves.
    pub day_first: Option<bool>,
    /// More spellings of a missing cell, as they were said.
    pub missing: Vec<String>,
    /// The targets that are dates, and predicted as seconds since 1970.
    pub date_targets: Vec<String>,
}

/// A column to predict from.
#[derive(Clone, PartialEq, Debug)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// What it is taken for.
    pub role: Role,
}

/// What a column is taken for.
#[derive(Clone, PartialEq, Debug)]
pub enum Role {
    /// Numbers, some of which may be missing.
    Number,
    /// Seconds since 1970, some of which may be missing.
    Time,
    /// Words, by their place in this list. A word that is not in it is of class 0, the first one of
    /// 1, and so on; if cells were missing in training, these are a class of their own after all
    /// words.
    Category {
        /// The words that are known, the most frequent one first.
        words: Vec<String>,
        /// Whether cells were missing in training.
        has_missing: bool,
    },
}

/// A column that nothing is learnt of, and why.
#[derive(Clone, PartialEq, Debug)]
pub struct LeftOutColumn {
    /// Its name.
    pub name: String,
    /// Why it is left out.
    pub why: Exclusion,
}

/// Why a column is left out.
#[derive(Clone, PartialEq, Debug)]
pub enum Exclusion {
    /// It holds this in every row to learn from.
    Constant(String),
    /// No row to learn from has anything in it.
    Empty,
    /// It numbers the rows.
    RowNumber,
    /// Nearly every row has a word of its own, so none can be learnt: the number of words.
    Identifier(usize),
}

/// What the schema says of a column before the training, for the table of columns.
#[derive(Clone, PartialEq, Debug)]
pub struct Description {
    /// Its name, as messages show it.
    pub name: String,
    /// The word for what it is taken for.
    pub role: &'static str,
    /// The number of cells that are missing.
    pub missing: usize,
    /// What the others hold, in short.
    pub values: String,
}

/// Words that fewer rows have are rare, and share the class of those that are not known.
const RARE: usize = 2;
/// The most words of a column that are known: the most frequent ones.
const MOST_WORDS: usize = 1000;
/// A column in which more than this share of words are alone in their row is one of identifiers.
const ALONE: f64 = 0.5;

impl Schema {
    /// Finds what the columns of a table are, from the given rows alone. Columns whose kind was
    /// `said` are what was said.
    pub fn fit(
        table: &Table,
        rows: &[usize],
        targets: &[String],
        said: &[(String, ColumnKind)],
    ) -> Result<(Self, Vec<LeftOutColumn>)> {
        let (mut inputs, mut left_out) = (Vec::new(), Vec::new());
        for name in table.columns().filter(|name| !targets.iter().any(|target| target == name)) {
            let is_said = said.iter().any(|(column, _)| column == name);
            let is_word = said.contains(&(name.to_string(), ColumnKind::Word));
            let role = match (table.values(name)?, table.spelled(name)) {
                (Values::Words(words), _) => category(words, rows, is_said),
                (Values::Numbers(_), Some(words)) if is_word => category(words, rows, is_said),
                (Values::Numbers(_), None) if is_word => Err(Exclusion::Identifier(rows.len())),
                (Values::Numbers(values), _) => {
                    numbers(values, rows, is_said).map(|()| Role::Number)
                }
                (Values::Times(values), _) => numbers(values, rows, true).map(|()| Role::Time),
            };
            match role {
                Ok(role) => inputs.push(Input { name: name.to_string(), role }),
                Err(why) => left_out.push(LeftOutColumn { name: name.to_string(), why }),
            }
        }
        let decimal = table.decimal().filter(|&mark| mark == ',');
        let is_date = |target: &&String| matches!(table.values(target), Ok(Values::Times(_)));
        let date_targets = targets.iter().filter(is_date).cloned().collect();
        let schema = Self {
            inputs,
            decimal,
            day_first: table.day_first(),
            missing: Vec::new(),
            date_targets,
        };
        Ok((schema, left_out))
    }

    /// The columns as the features of a problem.
    pub fn features(&self) -> Vec<Feature> {
        let feature = |input: &Input| {
            let name = shown(&input.name);
            match &input.role {
                Role::Number => Feature::Number { name },
                Role::Time => Feature::Time { name },
                Role::Category { words, has_missing } => {
                    Feature::Category { name, count: 1 + words.len() + usize::from(*has_missing) }
                }
            }
        };
        self.inputs.iter().map(feature).collect()
    }

    /// The kinds of the columns, for reading a table that has them.
    pub fn kinds(&self) -> impl Iterator<Item = (String, ColumnKind)> + '_ {
        self.inputs.iter().map(|input| {
            let kind = match input.role {
                Role::Number => ColumnKind::Number,
                Role::Time => ColumnKind::Time,
                Role::Category { .. } => ColumnKind::Word,
            };
            (input.name.clone(), kind)
        })
    }

    /// The model's input `[rows, columns]` for all rows of a table: numbers, seconds since 1970 and
    /// the numbers of words; NaN where a number is missing.
    ///
    /// # Errors
    /// If the table lacks a column, or one holds words where there were numbers.
    pub fn encode(&self, table: &Table) -> Result<Array> {
        self.encode_rows(table, &(0..table.len()).collect::<Vec<_>>())
    }

    /// The same for some rows, with the errors of [`encode`](Self::encode).
    pub fn encode_rows(&self, table: &Table, rows: &[usize]) -> Result<Array> {
        let width = self.inputs.len();
        let mut values = vec![0.0; rows.len() * width];
        for (column, input) in self.inputs.iter().enumerate() {
            let cells = values.iter_mut().skip(column).step_by(width).zip(rows);
            let other = |what: &str| {
                let name = shown(&input.name);
                let message = format!("column `{name}` holds {what}, and held others in training");
                Error::new(ErrorKind::Data, message)
                    .help("give a table whose columns hold what they held in training")
            };
            match (&input.role, table.values(&input.name)?) {
                (Role::Number, Values::Numbers(from)) | (Role::Time, Values::Times(from)) => {
                    let from: &[f64] = from;
                    for (cell, &row) in cells {
                        *cell = from[row];
                    }
                }
                (Role::Category { words, has_missing }, from) => {
                    let from = match from {
                        Values::Words(from) => Some(from),
                        Values::Numbers(_) | Values::Times(_) => table.spelled(&input.name),
                    };
                    // Of cells that are spelled in more ways than are kept, next to none is known.
                    let code = coder(words, *has_missing, from);
                    for (cell, &row) in cells {
                        *cell = code(row) as f64;
                    }
                }
                // A column without any cell says nothing of what it would hold.
                (Role::Number | Role::Time, from) if from.missing() == from.len() => {
                    for (cell, _) in cells {
                        *cell = f64::NAN;
                    }
                }
                (_, Values::Words(_)) => return Err(other("words")),
                (_, Values::Times(_)) => return Err(other("dates")),
                (_, Values::Numbers(_)) => return Err(other("numbers")),
            }
        }
        Array::new([rows.len(), width], values)
    }

    /// What the columns are and hold, in a line each, from the given rows.
    pub fn describe(&self, table: &Table, rows: &[usize]) -> Result<Vec<Description>> {
        let describe = |input: &Input| {
            let values = table.values(&input.name)?;
            let missing = rows.iter().filter(|&&row| values.is_missing(row)).count();
            let range = |from: &[f64], shown: fn(f64) -> String| {
                let known = || rows.iter().map(|&row| from[row]).filter(|value| !value.is_nan());
                let (least, most) = (
                    known().fold(f64::INFINITY, f64::min),
                    known().fold(f64::NEG_INFINITY, f64::max),
                );
                if least <= most {
                    format!("{} to {}", shown(least), shown(most))
                } else {
                    "none".to_string()
                }
            };
            let (role, values) = match (&input.role, values) {
                (Role::Number, Values::Numbers(from)) => ("number", range(from, plain)),
                (Role::Time, Values::Times(from)) => ("date", range(from, date)),
                (Role::Category { words, .. }, _) => {
                    let named: Vec<String> = words.iter().take(4).map(|word| shown(word)).collect();
                    let more = words.len().saturating_sub(4);
                    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                    ("category", format!("{}{more}", named.join(", ")))
                }
                (_, _) => ("number", String::new()),
            };
            Ok(Description { name: shown(&input.name), role, missing, values })
        };
        self.inputs.iter().map(describe).collect()
    }
}

impl fmt::Display for LeftOutColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = shown(&self.name);
        match &self.why {
            Exclusion::Constant(value) => {
                write!(f, "{name}, which is {} in every row to train on", shown(value))
            }
            Exclusion::Empty => write!(f, "{name}, which is missing in every row to train on"),
            Exclusion::RowNumber => write!(
                f,
                "{name}, which numbers the rows ({} keeps it)",
                type_option(&self.name, "number")
            ),
            Exclusion::Identifier(words) => {
                let option = type_option(&self.name, "category");
                write!(
                    f,
                    "{name}, whose {words} different words are nearly all alone in their row \
                        ({option} keeps it)"
                )
            }
        }
    }
}

/// The option that says what a column is, as a shell takes it; without the name where that cannot
/// be written as it is shown.
fn type_option(name: &str, kind: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-./:+@,".contains(letter);
    let is_quotable = shown(name) == name && !name.contains('\'');
    if name.chars().all(is_plain) && is_quotable {
        format!("--type {name}={kind}")
    } else if is_quotable {
        format!("--type '{name}={kind}'")
    } else {
        format!("--type COLUMN={kind}")
    }
}

/// A number in all its digits, with an exponent where it has many that say nothing.
pub fn plain(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_string(),
        magnitude if (1e-5..1e17).contains(&magnitude) => value.to_string(),
        _ => format!("{value:e}"),
    }
}

/// Whether a column is one of numbers to learn from.
fn numbers(values: &[f64], rows: &[usize], is_said: bool) -> Result<(), Exclusion> {
    let mut known = rows.iter().map(|&row| values[row]).filter(|value| !value.is_nan());
    let Some(first) = known.next() else { return Err(Exclusion::Empty) };
    // That a cell is missing says something, also where all others are the same.
    let has_gaps = rows.iter().any(|&row| values[row].is_nan());
    if !has_gaps && known.all(|value| value == first) {
        return Err(Exclusion::Constant(plain(first)));
    }
    let is_numbering = values.len() > 9
        && values.windows(2).all(|pair| pair[1] == pair[0] + 1.0)
        && values[0].abs() <= 1.0;
    if is_numbering && !is_said { Err(Exclusion::RowNumber) } else { Ok(()) }
}

/// The words of a column that are frequent enough to be learnt, the most frequent first.
fn category(words: &Words, rows: &[usize], is_said: bool) -> Result<Role, Exclusion> {
    let mut counts = vec![0_usize; words.dictionary().len()];
    let mut missing = 0;
    for &row in rows {
        match code(words, row) {
            Some(code) => counts[code] += 1,
            None => missing += 1,
        }
    }
    let mut known: Vec<usize> = (0..counts.len()).filter(|&code| counts[code] > 0).collect();
    let alone = known.iter().filter(|&&code| counts[code] == 1).count();
    match known[..] {
        [] => return Err(Exclusion::Empty),
        [only] if missing == 0 => {
            return Err(Exclusion::Constant(words.dictionary()[only].clone()));
        }
        _ => {}
    }
    if !is_said && known.len() > 20 && alone as f64 > ALONE * (rows.len() - missing) as f64 {
        return Err(Exclusion::Identifier(known.len()));
    }
    // Few rows have few words: two of them are learnt even if each is there once.
    let frequent = known.iter().filter(|&&code| counts[code] >= RARE).count();
    if frequent + usize::from(missing > 0) >= 2 {
        known.retain(|&code| counts[code] >= RARE);
    }
    known.sort_by(|&a, &b| {
        counts[b].cmp(&counts[a]).then_with(|| words.dictionary()[a].cmp(&words.dictionary()[b]))
    });
    known.truncate(MOST_WORDS);
    let words = known.into_iter().map(|code| words.dictionary()[code].clone()).collect();
    Ok(Role::Category { words, has_missing: missing > 0 })
}

/// The number of the class of each row.
fn coder<'w>(
    known: &'w [String],
    has_missing: bool,
    from: Option<&'w Words>,
) -> impl Fn(usize) -> usize + 'w {
    let codes: Vec<usize> = from.map_or_else(Vec::new, |from| {
        let places: HashMap<&str, usize> =
            known.iter().enumerate().map(|(place, word)| (word.as_str(), place + 1)).collect();
        // `7` and `7.0` are the same to whoever wrote them.
        let numbers: HashMap<u64, usize> = known
            .iter()
            .enumerate()
            .filter_map(|(place, word)| Some((number_of(word)?, place + 1)))
            .collect();
        let place = |word: &String| {
            let by_number = || number_of(word).and_then(|number| numbers.get(&number));
            places.get(word.as_str()).or_else(by_number).copied().unwrap_or(0)
        };
        from.dictionary().iter().map(place).collect()
    });
    let missing = if has_missing { known.len() + 1 } else { 0 };
    move |row| from.map_or(0, |from| code(from, row).map_or(missing, |code| codes[code]))
}

/// The bits of the number that a word spells.
fn number_of(word: &str) -> Option<u64> {
    let number: f64 = word.parse().ok()?;
    number.is_finite().then(|| (number + 0.0).to_bits())
}

/// The code of a row's word, unless its cell is missing.
pub fn code(words: &Words, row: usize) -> Option<usize> {
    words.codes().get(row).filter(|&&code| code != Words::MISSING).map(|&code| code as usize)
}

#[cfg(test)]
mod tests {
    use endo::data::Csv;

    use super::*;

    fn fit(text: &str, said: &[(&str, ColumnKind)]) -> (Table, Schema, Vec<LeftOutColumn>) {
        let csv = said.iter().fold(Csv::new().typed(), |csv, (name, kind)| csv.kind(*name, *kind));
        let table = csv.target("y").read_from(text.as_bytes()).unwrap();
        let said: Vec<(String, ColumnKind)> =
            said.iter().map(|(name, kind)| (name.to_string(), *kind)).collect();
        let rows: Vec<usize> = (0..table.len()).collect();
        let (schema, left_out) = Schema::fit(&table, &rows, &["y".to_string()], &said).unwrap();
        (table, schema, left_out)
    }

    #[test]
    fn columns_are_numbers_dates_and_categories() {
        let text = "n,town,sold,y\n1,Rome,2024-01-01,1\n,Oslo,2024-01-02,2\n3,Rome,,3\n\
            4,,2024-01-04,4\n5,Oslo,2024-01-05,5\n";
        let (table, schema, left_out) = fit(text, &[]);
        assert_eq!(left_out, []);
        let town = Role::Category {
            words: vec!["Oslo".to_string(), "Rome".to_string()],
            has_missing: true,
        };
        assert_eq!(
            schema.inputs.iter().map(|input| &input.role).collect::<Vec<_>>(),
            [&Role::Number, &town, &Role::Time]
        );
        let x = schema.encode(&table).unwrap();
        let column =
            |column: usize| (0..5).map(|row| x.get(3 * row + column)).collect::<Vec<f64>>();
        assert!(column(0)[1].is_nan() && column(2)[2].is_nan());
        assert_eq!(column(1), [2.0, 1.0, 2.0, 3.0, 1.0]);
        assert_eq!(column(2)[1] - column(2)[0], 86_400.0);
    }

    #[test]
    fn what_is_rare_or_not_known_has_code_0_in_any_order_of_columns() {
        let (_, schema, _) = fit("a,b,y\nu,1,1\nv,2,2\nu,4,3\nv,8,4\nw,16,5\n", &[]);
        let other = Csv::new()
            .typed()
            .kind("a", ColumnKind::Word)
            .read_from("b,a,z\n7,x,1\n8,v,2\n9,,3\n".as_bytes())
            .unwrap();
        let x = schema.encode(&other).unwrap();
        assert_eq!((0..6).map(|i| x.get(i)).collect::<Vec<f64>>(), [0.0, 7.0, 2.0, 8.0, 0.0, 9.0]);
        let lacking = Csv::new().typed().read_from("b,z\n7,1\n".as_bytes()).unwrap();
        assert!(
            schema.encode(&lacking).unwrap_err().message().starts_with("there is no column `a`")
        );
    }

    #[test]
    fn a_number_is_the_same_category_however_it_is_spelled() {
        let (_, schema, _) = fit("zip,y\n1,1\n2,2\n1,3\n2,4\n", &[("zip", ColumnKind::Word)]);
        let other = Csv::new()
            .typed()
            .kind("zip", ColumnKind::Word)
            .read_from("zip\n2.0\n1\n3\n".as_bytes())
            .unwrap();
        let x = schema.encode(&other).unwrap();
        assert_eq!((0..3).map(|i| x.get(i)).collect::<Vec<f64>>(), [2.0, 1.0, 0.0]);
    }

    #[test]
    fn what_says_nothing_is_left_out_with_its_reason() {
        let mut text = "row,name,k,c,e,x,y\n".to_string();
        for i in 0..40 {
            text += &format!("{},person {i},7,same,,{},{i}\n", i + 1, i % 7);
        }
        let (_, schema, left_out) = fit(&text, &[]);
        assert_eq!(
            schema.inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>(),
            ["x"]
        );
        use Exclusion::{Empty, Identifier, RowNumber};
        let why: Vec<&Exclusion> = left_out.iter().map(|column| &column.why).collect();
        let constants = ["7", "same"].map(|value| Exclusion::Constant(value.to_string()));
        assert_eq!(why, [&RowNumber, &Identifier(40), &constants[0], &constants[1], &Empty]);
        let (_, schema, _) = fit(&text, &[("row", ColumnKind::Number), ("name", ColumnKind::Word)]);
        assert_eq!(
            schema.inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>(),
            ["row", "name", "x"]
        );
    }

    #[test]
    fn a_column_that_holds_something_else_is_refused() {
        let (_, schema, _) = fit("a,y\n1,1\n2,2\n3,3\n", &[]);
        let words = Csv::new().typed().read_from("a\nu\nv\n".as_bytes()).unwrap();
        let error = schema.encode(&words).unwrap_err();
        assert_eq!(error.message(), "column `a` holds words, and held others in training");
        let empty = Csv::new().typed().read_from("a,b\n,1\n,2\n".as_bytes()).unwrap();
        assert!(schema.encode(&empty).unwrap().get(0).is_nan());
    }

    #[test]
    fn options_are_named_as_a_shell_takes_them() {
        let why = || Exclusion::RowNumber;
        let option = |name: &str| LeftOutColumn { name: name.to_string(), why: why() }.to_string();
        assert_eq!(option("id"), "id, which numbers the rows (--type id=number keeps it)");
        assert!(option("my id (1)").ends_with("(--type 'my id (1)=number' keeps it)"));
        assert!(option("a\nb").ends_with("(--type COLUMN=number keeps it)"));
    }

    #[test]
    fn numbers_far_from_one_have_exponents() {
        let shown = [0.0, 0.25, 1e16, 1e300, -1e-7, 2024.0].map(plain);
        assert_eq!(shown, ["0", "0.25", "10000000000000000", "1e300", "-1e-7", "2024"]);
    }
}
