//! Text cut into rows of cells: quotes, delimiters and line ends, with the line of each.
//!
//! In: pieces of text. Out: one [`Record`] after the other. The rules of quotes are those of RFC
//! 4180 and of the crate `csv`: a quote at the start of a cell (here also after blanks) opens it, a
//! doubled one is a letter, one in the middle is a letter.

/// The longest cell, in bytes: no number is longer, and what is behind a quote that is never closed
/// is not kept.
pub(super) const LONGEST_CELL: usize = 1 << 20;
/// The most cells of a row.
pub(super) const MOST_CELLS: usize = 1_000_000;
/// The longest row, in bytes without delimiters.
pub(super) const LONGEST_ROW: usize = 1 << 26;

/// What separates cells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Delimiter {
    /// One character of ASCII.
    Byte(u8),
    /// Blanks and tabs, as many as there are; those at the ends of a line separate nothing.
    Blanks,
}

impl Delimiter {
    /// How a message names it.
    pub fn name(self) -> String {
        match self {
            Self::Byte(b'\t') => "a tab".to_string(),
            Self::Byte(byte) => format!("`{}`", byte as char),
            Self::Blanks => "blanks".to_string(),
        }
    }

    fn is(self, byte: u8) -> bool {
        match self {
            Self::Byte(delimiter) => byte == delimiter,
            Self::Blanks => matches!(byte, b' ' | b'\t'),
        }
    }
}

/// The cells of a row.
#[derive(Default, Debug)]
pub(super) struct Record {
    text: String,
    /// Where each cell that is whole ends.
    ends: Vec<usize>,
    /// The line of its first letter, counted from 1.
    pub line: usize,
    /// The line of its last letter.
    pub last_line: usize,
    /// The line and the cell, counted from 0, of the last quote that opened.
    pub quote: Option<(usize, usize)>,
    is_quoted: bool,
}

impl Record {
    /// The number of cells.
    pub fn width(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of all cells together.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The cells, as they stand.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = &str> {
        self.ends.iter().enumerate().map(|(index, &end)| &self.text[self.start_of(index)..end])
    }

    /// Whether it is a line of nothing or of blanks.
    pub fn is_blank_line(&self) -> bool {
        self.width() == 1 && self.quote.is_none() && self.has_nothing()
    }

    /// Whether nothing is in any cell.
    pub fn has_nothing(&self) -> bool {
        self.text.trim_start().is_empty()
    }

    /// The letters of the cell that is not whole.
    pub fn unfinished(&self) -> &str {
        &self.text[self.start_of(self.width())..]
    }

    /// Without the Ctrl-Z that ends files of old systems.
    pub fn drop_end_of_file(&mut self) {
        let length = self
            .text
            .trim_end_matches(END_OF_FILE)
            .len()
            .max(self.width().checked_sub(1).map_or(0, |last| self.start_of(last)));
        self.text.truncate(length);
        if let Some(last) = self.ends.last_mut() {
            *last = length;
        }
    }

    /// Whether its last letter is a Ctrl-Z.
    pub fn has_end_of_file(&self) -> bool {
        self.text.ends_with(END_OF_FILE)
    }

    fn start_of(&self, cell: usize) -> usize {
        cell.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    fn end_cell(&mut self) {
        self.ends.push(self.text.len());
        self.is_quoted = false;
    }
}

const END_OF_FILE: char = '\u{1a}';

/// How far a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// It goes on in the next piece.
    More,
    /// It is whole.
    Row,
    /// The text is at its end.
    End,
    /// The text is at its end, and a quote is open.
    Open,
    /// It is larger than a record may be.
    TooLong(Limit),
}

/// What a record has too much of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Limit {
    Cell,
    Cells,
    Row,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum QuoteState {
    Bare,
    Quoted,
    /// After a quote in a quoted cell: its end, or the first of two.
    Closing,
}

/// Cuts pieces of text into records.
pub(super) struct Tokenizer {
    delimiter: Delimiter,
    /// The bytes at which a cell does not simply go on: one without quotes, and one in quotes.
    special: [[bool; 256]; 2],
    state: QuoteState,
    /// The line of the next letter.
    pub line: usize,
    after_return: bool,
}

impl Tokenizer {
    /// A tokenizer for text that begins at a line.
    pub fn new(delimiter: Delimiter, line: usize) -> Self {
        let special = [false, true].map(|is_quoted| {
            std::array::from_fn(|byte| {
                let byte = byte as u8;
                matches!(byte, b'"' | b'\r' | b'\n') || (!is_quoted && delimiter.is(byte))
            })
        });
        Self { delimiter, special, state: QuoteState::Bare, line, after_return: false }
    }

    /// Whether a piece begins with the second half of the last end of line.
    pub fn is_within_end_of_line(&self, piece: &str) -> bool {
        self.after_return && piece.starts_with('\n')
    }

    /// Begins another record.
    pub fn begin(&mut self, record: &mut Record) {
        record.text.clear();
        record.ends.clear();
        (record.line, record.last_line) = (self.line, self.line);
        (record.quote, record.is_quoted) = (None, false);
        self.state = QuoteState::Bare;
    }

    /// Takes a piece up to the end of the record, and says how many bytes that is.
    pub fn take(&mut self, piece: &str, record: &mut Record) -> (usize, Progress) {
        let bytes = piece.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            // `\r\n` is one end of line.
            let follows_return = std::mem::take(&mut self.after_return) && byte == b'\n';
            if self.state == QuoteState::Closing {
                if byte == b'"' {
                    record.text.push('"');
                    self.state = QuoteState::Quoted;
                    at += 1;
                    continue;
                }
                self.state = QuoteState::Bare;
            }
            let is_quoted = self.state == QuoteState::Quoted;
            if follows_return {
                if is_quoted {
                    record.text.push('\n');
                }
                at += 1;
                continue;
            }
            let special = &self.special[usize::from(is_quoted)];
            let next = bytes[at..]
                .iter()
                .position(|&byte| special[usize::from(byte)])
                .map_or(bytes.len(), |next| at + next);
            record.text.push_str(&piece[at..next]);
            at = next + 1;
            match bytes.get(next) {
                None => at = next,
                Some(b'"') if is_quoted => self.state = QuoteState::Closing,
                Some(b'"') => self.quote(record),
                Some(&end @ (b'\r' | b'\n')) => {
                    self.after_return = end == b'\r';
                    record.last_line = self.line;
                    self.line += 1;
                    if !is_quoted {
                        self.end_row(record);
                        return (at, Progress::Row);
                    }
                    record.text.push(end as char);
                }
                Some(_) if self.delimiter == Delimiter::Blanks && self.is_at_start(record) => {}
                Some(_) => record.end_cell(),
            }
            if let Some(limit) = limit(record) {
                return (at, Progress::TooLong(limit));
            }
        }
        (at, Progress::More)
    }

    /// Ends the record with the text.
    pub fn end(&mut self, record: &mut Record) -> Progress {
        record.last_line = self.line;
        if self.state == QuoteState::Quoted {
            return Progress::Open;
        }
        if record.text.is_empty() && record.ends.is_empty() && !record.is_quoted {
            return Progress::End;
        }
        self.end_row(record);
        Progress::Row
    }

    fn quote(&mut self, record: &mut Record) {
        let start = record.start_of(record.width());
        if record.is_quoted
            || !record.text[start..].bytes().all(|byte| matches!(byte, b' ' | b'\t'))
        {
            record.text.push('"');
            return;
        }
        record.text.truncate(start);
        record.quote = Some((self.line, record.width()));
        record.is_quoted = true;
        self.state = QuoteState::Quoted;
    }

    fn is_at_start(&self, record: &Record) -> bool {
        !record.is_quoted && record.text.len() == record.start_of(record.width())
    }

    fn end_row(&mut self, record: &mut Record) {
        let is_end =
            self.delimiter == Delimiter::Blanks && record.width() > 0 && self.is_at_start(record);
        if !is_end {
            record.end_cell();
        }
    }
}

fn limit(record: &Record) -> Option<Limit> {
    match () {
        () if record.text.len() - record.start_of(record.width()) > LONGEST_CELL => {
            Some(Limit::Cell)
        }
        () if record.width() >= MOST_CELLS => Some(Limit::Cells),
        () if record.text.len() > LONGEST_ROW => Some(Limit::Row),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (usize, Vec<String>);

    /// The rows of a text that comes in pieces of some bytes.
    fn rows_in(text: &str, delimiter: Delimiter, piece: usize) -> Vec<Row> {
        let (mut tokenizer, mut record, mut rows) =
            (Tokenizer::new(delimiter, 1), Record::default(), Vec::new());
        tokenizer.begin(&mut record);
        let mut rest = text;
        loop {
            let (used, progress) = if rest.is_empty() {
                (0, tokenizer.end(&mut record))
            } else {
                tokenizer.take(&rest[..piece.min(rest.len())], &mut record)
            };
            rest = &rest[used..];
            match progress {
                Progress::More => {}
                Progress::Row => {
                    rows.push((record.line, record.cells().map(str::to_string).collect()));
                    tokenizer.begin(&mut record);
                }
                _ => return rows,
            }
        }
    }

    fn rows(text: &str, delimiter: Delimiter) -> Vec<Row> {
        let rows = rows_in(text, delimiter, text.len().max(1));
        assert!((1..5).all(|piece| rows_in(text, delimiter, piece) == rows), "{text:?}");
        rows
    }

    fn row(line: usize, cells: &[&str]) -> Row {
        (line, cells.iter().map(|cell| cell.to_string()).collect())
    }

    const COMMA: Delimiter = Delimiter::Byte(b',');

    #[test]
    fn line_ends_of_all_kinds_are_counted_once() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a,b", "1,2", "", "\"x", "y\",3"].join(end);
            let expected = [
                row(1, &["a", "b"]),
                row(2, &["1", "2"]),
                row(3, &[""]),
                row(4, &[&format!("x{end}y"), "3"]),
            ];
            assert_eq!(rows(&text, COMMA), expected);
            assert_eq!(rows(&(text + end), COMMA), expected);
        }
    }

    #[test]
    fn quotes_hold_delimiters_and_quotes_and_may_follow_blanks() {
        let expected = [row(1, &["a,b", " c\"", "d\"e\"", "f "])];
        assert_eq!(
            rows(r#""a,b"," c""", d"e","f" "#.replace(", d", ",d").as_str(), COMMA),
            expected
        );
        assert_eq!(rows("1, \"2\"\n", COMMA), [row(1, &["1", "2"])]);
        assert_eq!(rows("\"\"\n", COMMA), [row(1, &[""])]);
    }

    #[test]
    fn blanks_separate_as_many_as_they_are() {
        let expected = [row(1, &["a", "b c", "d"]), row(2, &[""]), row(3, &["1", "", "2"])];
        assert_eq!(rows("  a \"b c\"\td \n \n1 \"\"  2\n", Delimiter::Blanks), expected);
    }

    #[test]
    fn records_are_bounded() {
        let ends = |text: &str| {
            let (mut tokenizer, mut record) = (Tokenizer::new(COMMA, 1), Record::default());
            tokenizer.begin(&mut record);
            tokenizer.take(text, &mut record).1
        };
        assert_eq!(ends(&"1".repeat(LONGEST_CELL + 1)), Progress::TooLong(Limit::Cell));
        assert_eq!(ends(&",".repeat(MOST_CELLS)), Progress::TooLong(Limit::Cells));
        assert_eq!(ends(&"1".repeat(LONGEST_CELL)), Progress::More);
    }
}
