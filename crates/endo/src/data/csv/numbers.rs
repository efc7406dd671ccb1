//! Cells as numbers, and what the marks `.` and `,` in the cells of a column mean.
//!
//! In: the cells of a column. Out: its numbers. `1.299` and `1,299` may have a decimal mark or a
//! mark between thousands: which, the other cells of the column have to say. Where they do not, a
//! point is a decimal point unless the file has decimal commas elsewhere, and a comma is refused.

use super::unclear::{CellAt, Style, StyleSummary, UnclearRows};

/// The numbers of a column while it is read.
pub(super) struct Column {
    pub values: Vec<f64>,
    /// The decimal mark, `.` or `,`: as a cell with both marks or one that surely is decimal shows
    /// it, or one whose other mark surely separates thousands.
    mark: Style<char>,
    /// Cells like `1.299`, read as 1.299.
    points: UnclearRows,
    /// Cells like `1,299`, read as 1.299.
    commas: UnclearRows,
}

/// Why a cell is no number of its column.
#[derive(PartialEq, Debug)]
pub(super) enum Refusal {
    Empty,
    NotFinite,
    NotANumber,
    /// Its decimal mark is another than that of a cell before.
    OtherMark(Box<CellAt>),
    NotATime,
    /// A date whose day and month are in another order than in a cell before.
    OtherOrder(Box<CellAt>),
}

/// Why a column cannot be understood when all of it is read: a cell that can be read in two ways.
#[derive(Debug)]
pub(super) struct Ambiguity {
    pub seen: CellAt,
    /// Its two readings.
    pub readings: [String; 2],
    pub doubt: Doubt,
}

/// What is not known of a cell that can be read in two ways.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Doubt {
    Comma,
    /// Other columns have decimal commas.
    Point,
    /// Which of two numbers is the day.
    Day,
}

#[derive(PartialEq, Debug)]
enum NumberReading {
    /// A number, and the decimal mark that its spelling shows.
    Number(f64, Option<char>),
    /// A number if the mark is a decimal mark, and else a thousand times as large.
    UnclearRows(f64, char),
}

impl Column {
    /// A column without numbers, whose decimal mark may be given.
    pub fn new(decimal: Option<char>) -> Self {
        Self::with_mark(decimal.map_or(Style::open(), |mark| Style::given(mark, &mark.to_string())))
    }

    fn with_mark(mark: Style<char>) -> Self {
        let (points, commas) = (UnclearRows::default(), UnclearRows::default());
        Self { values: Vec::new(), mark, points, commas }
    }

    /// Adds a cell that is missing.
    pub fn push_missing(&mut self) {
        self.values.push(f64::NAN);
    }

    /// The column whose rows have the numbers of these; `None` is missing.
    pub fn spread(&self, indices: impl Iterator<Item = Option<u32>> + Clone) -> Self {
        let value =
            |index: Option<u32>| index.map_or(f64::NAN, |index| self.values[index as usize]);
        Self {
            values: indices.clone().map(value).collect(),
            mark: self.mark.clone(),
            points: self.points.spread(indices.clone()),
            commas: self.commas.spread(indices),
        }
    }

    /// A column for rows that follow: without numbers, but with what is known of marks. Points that
    /// were read as decimal points stay that.
    pub fn following(self) -> Self {
        Self::with_mark(match self.points.first {
            Some(seen) if self.mark.known().is_none() => Style::of('.', seen),
            _ => self.mark,
        })
    }

    /// Adds the number of a cell.
    pub fn push(&mut self, cell: &str, row: usize, line: usize) -> Result<(), Refusal> {
        let cell = cell.trim();
        let index = self.values.len();
        let seen = || Box::new(CellAt { row, line, cell: cell.chars().take(100).collect() });
        let reading = match cell.parse::<f64>() {
            Ok(value) if !value.is_finite() => return Err(Refusal::NotFinite),
            // Most cells need no more than this.
            Ok(value) if self.mark.known() == Some('.') || !cell.contains('.') => {
                NumberReading::Number(value, None)
            }
            Ok(value) if is_unclear(cell) => NumberReading::UnclearRows(value, '.'),
            Ok(value) => NumberReading::Number(value, Some('.')),
            Err(_) if cell.is_empty() => return Err(Refusal::Empty),
            Err(_) => read(cell).ok_or(Refusal::NotANumber)?,
        };
        let (value, mark) = match reading {
            NumberReading::Number(value, mark) => (value, mark),
            NumberReading::UnclearRows(value, mark) => {
                let unclear = if mark == '.' { &mut self.points } else { &mut self.commas };
                unclear.set(index, seen);
                (value, None)
            }
        };
        if let Some(mark) = mark {
            self.mark.show(mark, seen).map_err(Refusal::OtherMark)?;
        }
        if !value.is_finite() {
            return Err(Refusal::NotFinite);
        }
        self.values.push(value);
        Ok(())
    }

    /// The decimal mark that the cells show for certain; none where it is given.
    pub fn found_mark(&self) -> Option<char> {
        self.mark.found().map(|(_, mark)| mark)
    }

    /// Whether a cell has a decimal comma for certain, or decimal commas are given.
    pub fn has_decimal_comma(&self) -> bool {
        self.mark.known() == Some(',')
    }

    /// The first cell like `1.299`, if no cell says what its point is.
    pub fn doubtful_point(&self) -> Option<&CellAt> {
        self.points.first.as_deref().filter(|_| self.mark.known().is_none())
    }

    /// What its cells show of how they are written, without them.
    pub fn style(&self) -> StyleSummary<char> {
        let unclear = [&self.points, &self.commas].map(|rows| rows.first.as_deref().cloned());
        let shown = self.mark.found().map(|(seen, mark)| (mark, seen.clone()));
        StyleSummary { shown, unclear }
    }

    /// Adds what rows that follow show, and not these; false where their decimal mark is another.
    pub fn follow(&mut self, style: &StyleSummary<char>) -> bool {
        for (rows, first) in [&mut self.points, &mut self.commas].into_iter().zip(&style.unclear) {
            rows.first = rows.first.take().or_else(|| first.clone().map(Box::new));
        }
        let Some((mark, seen)) = &style.shown else { return true };
        self.mark.show(*mark, || Box::new(seen.clone())).is_ok()
    }

    /// Makes thousands of what has to be thousands, when all rows are read.
    pub fn finish(&mut self, others_have_decimal_commas: bool) -> Result<(), Box<Ambiguity>> {
        if let Some(mark) = self.mark.known() {
            let others = if mark == '.' { &self.commas } else { &self.points };
            others.change(&mut self.values, thousands);
            return Ok(());
        }
        let (seen, doubt) = match (&self.commas.first, &self.points.first) {
            (Some(seen), _) => (seen, Doubt::Comma),
            (None, Some(seen)) if others_have_decimal_commas => (seen, Doubt::Point),
            (None, _) => return Ok(()),
        };
        let without: String =
            seen.cell.chars().filter(|letter| !matches!(letter, '.' | ',')).collect();
        let as_decimal = seen.cell.replace(',', ".");
        Err(Box::new(Ambiguity { seen: *seen.clone(), readings: [without, as_decimal], doubt }))
    }
}

/// The whole number of which the point between thousands was read as a decimal point. Three
/// decimals below a thousand: rounding gives it exactly.
fn thousands(value: f64) -> f64 {
    (value * 1000.0).round()
}

/// Whether a cell is a number, or is one in some country.
pub(super) fn is_number(cell: &str) -> bool {
    let cell = cell.trim();
    cell.parse::<f64>().is_ok() || read(cell).is_some()
}

/// Whether a number with a point has three digits behind it and one to three before it.
fn is_unclear(cell: &str) -> bool {
    let digits = cell.strip_prefix(['+', '-']).unwrap_or(cell).as_bytes();
    matches!(digits.len(), 5..=7)
        && digits[digits.len() - 4] == b'.'
        && digits[0] != b'0'
        && digits.iter().filter(|byte| byte.is_ascii_digit()).count() == digits.len() - 1
}

/// A number as people write it: with a sign, groups of digits, marks between them and an exponent.
fn read(cell: &str) -> Option<NumberReading> {
    // Longer than this is no number that anybody writes with marks.
    if cell.len() > 400 {
        return None;
    }
    let (sign, body) = signed(cell);
    let (body, exponent) = match body.find(['e', 'E']) {
        Some(place) => {
            let (sign, digits) = signed(&body[place + 1..]);
            let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            (&body[..place], is_whole.then(|| format!("e{sign}{digits}"))?)
        }
        None => (body, String::new()),
    };
    let marks: Vec<char> = body
        .chars()
        .filter(|letter| !letter.is_ascii_digit())
        .map(mark_of)
        .collect::<Option<_>>()?;
    let groups: Vec<&str> = body.split(|letter: char| !letter.is_ascii_digit()).collect();
    if groups.iter().all(|group| group.is_empty()) {
        return None;
    }
    let number = |whole: &[&str], decimals: &str| -> Option<f64> {
        format!("{sign}{}.{decimals}{exponent}", whole.concat()).parse().ok()
    };
    let are_thousands = |groups: &[&str]| exponent.is_empty() && is_grouped(groups);
    let read = |whole: &[&str], decimals: &str, mark: Option<char>| {
        number(whole, decimals).map(|value| NumberReading::Number(value, mark))
    };
    let Some((&last, before)) = marks.split_last() else { return read(&groups, "0", None) };
    let (&decimals, whole) = groups.split_last()?;
    let others_are = |mark: char| before.iter().all(|&other| other == mark);
    match (last, before.first()) {
        (' ' | '\'', _) if are_thousands(&groups) && others_are(last) => read(&groups, "0", None),
        (' ' | '\'', _) => None,
        // `5,` may be half of a number.
        _ if decimals.is_empty() => None,
        (_, None) if are_thousands(&groups) => {
            number(whole, decimals).map(|value| NumberReading::UnclearRows(value, last))
        }
        (_, None) => read(whole, decimals, Some(last)),
        (_, Some(&first)) if first == last && are_thousands(&groups) && others_are(last) => {
            // Several of one mark separate thousands, and the other mark is the decimal one.
            read(&groups, "0", Some(if last == ',' { '.' } else { ',' }))
        }
        (_, Some(&first)) if first != last && is_grouped(whole) && others_are(first) => {
            read(whole, decimals, Some(last))
        }
        _ => None,
    }
}

/// The sign as ASCII has it, and what is behind it.
fn signed(text: &str) -> (&'static str, &str) {
    match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    }
}

/// A mark within a number, one for all blanks and one for all apostrophes.
fn mark_of(letter: char) -> Option<char> {
    match letter {
        '.' | ',' => Some(letter),
        ' ' | '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}' => Some(' '),
        '\'' | '\u{2019}' => Some('\''),
        _ => None,
    }
}

/// One to three digits, of which the first is not 0, and then three at a time.
fn is_grouped(groups: &[&str]) -> bool {
    let Some((first, rest)) = groups.split_first() else { return false };
    matches!(first.len(), 1..=3)
        && !first.starts_with('0')
        && rest.iter().all(|group| group.len() == 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(cells: &[&str], others: bool) -> Result<Vec<f64>, String> {
        let mut column = Column::new(None);
        for (row, cell) in cells.iter().enumerate() {
            column.push(cell, row + 1, row + 2).map_err(|refusal| match refusal {
                Refusal::OtherMark(seen) => format!("{cell} after {}", seen.cell),
                other => format!("{cell}: {other:?}"),
            })?;
        }
        column.finish(others).map_err(|ambiguity| ambiguity.readings.join(" or "))?;
        Ok(column.values)
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let cases = [
            ("-1.5e3", -1500.0),
            ("+.5", 0.5),
            ("5.", 5.0),
            ("\u{2212}3,25", -3.25),
            ("\u{2212}7", -7.0),
            ("1e\u{2212}2", 0.01),
            ("2,5e3", 2500.0),
            (",5", 0.5),
            ("0,125", 0.125),
            ("1234,567", 1234.567),
            ("1 234 567", 1_234_567.0),
            ("12\u{a0}345,5", 12345.5),
            ("1\u{202f}234.5", 1234.5),
            ("1'234'567.25", 1_234_567.25),
            ("1\u{2019}234", 1234.0),
            ("1.234.567", 1_234_567.0),
            ("1,234,567", 1_234_567.0),
            ("1.299,50", 1299.5),
            ("-1,299.50", -1299.5),
        ];
        for (cell, value) in cases {
            assert_eq!(column(&[cell], false), Ok(vec![value]), "{cell}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let cells = "1 23|12 34|1  234|1,2,3|1.2.3|01.02.2020|1.5 \
            000|1,234.567,8|1e|e5|-|.|,|1-2|--1|1,23,456|0 123|1 234e3|x|0x1f";
        for cell in cells.split('|') {
            assert_eq!(column(&[cell], false), Err(format!("{cell}: NotANumber")));
        }
        for cell in ["nan", "-inf", "1e999", "1,5e999"] {
            assert_eq!(column(&[cell], false), Err(format!("{cell}: NotFinite")));
        }
        assert_eq!(column(&["  "], false), Err("  : Empty".to_string()));
    }

    #[test]
    fn a_mark_means_the_same_in_all_of_a_column() {
        assert_eq!(
            column(&["1.299", "5", "1.299,50", "-2.500"], true),
            Ok(vec![1299.0, 5.0, 1299.5, -2500.0])
        );
        assert_eq!(
            column(&["1,299", "1,299.50", "-2,500"], true),
            Ok(vec![1299.0, 1299.5, -2500.0])
        );
        assert_eq!(column(&["1,299", "2,5"], false), Ok(vec![1.299, 2.5]));
        assert_eq!(column(&["1.299", "2.5"], true), Ok(vec![1.299, 2.5]));
        assert_eq!(column(&["1.299", "1.234.567"], false), Ok(vec![1299.0, 1_234_567.0]));
        assert_eq!(column(&["1.299", "2.500"], false), Ok(vec![1.299, 2.5]));
        assert_eq!(column(&["1.299", "2.500"], true), Err("1299 or 1.299".to_string()));
        assert_eq!(column(&["1", "1,234"], false), Err("1234 or 1.234".to_string()));
        assert_eq!(column(&["1.5", "2,5"], false), Err("2,5 after 1.5".to_string()));
        assert_eq!(column(&["2,5", "1.5"], false), Err("1.5 after 2,5".to_string()));
    }

    #[test]
    fn all_whole_thousands_are_found_again() {
        for number in 1000..1_000_000_u32 {
            let value: f64 = format!("{}.{:03}", number / 1000, number % 1000).parse().unwrap();
            assert_eq!((value * 1000.0).round(), f64::from(number));
        }
    }
}
