//! Ranges of bytes of a file, and whether they begin within quotes.
//!
//! In: the bytes of a range, of which nobody knows yet whether a quote is open before them. Out:
//! [`Scan`]: for whatever stands before, how it stands behind; and where the first row of the range
//! begins once that is known. The rules of quotes are those of `rows`.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use super::rows::Delimiter;

/// How the text stands between two bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// At the start of a row.
    Row,
    /// At the start of a cell, blanks left out: a quote opens here.
    CellStart,
    /// In a cell, or behind its quotes: a quote is a letter.
    Cell,
    /// Within quotes.
    Quotes,
    /// Behind a quote within quotes: their end, or the first of two.
    Closing,
}

const ALL: [Standing; 5] =
    [Standing::Row, Standing::CellStart, Standing::Cell, Standing::Quotes, Standing::Closing];

/// How much is read at a time.
const PIECE: usize = 1 << 16;

/// What a range of bytes does to the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Scan {
    /// How the text stands behind the range, by how it stands before it.
    ends: [Standing; 5],
    /// The ends of lines in it.
    pub lines: usize,
    /// Whether a Ctrl-Z is in it, which may end the file.
    pub has_end_of_file: bool,
}

/// The place of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RowPlace {
    pub byte: u64,
    pub line: usize,
}

/// How the text stands behind each byte, by how it stands before it.
struct Rules([[Standing; 256]; 5]);

impl Rules {
    fn new(delimiter: Delimiter) -> Self {
        Self(
            ALL.map(|before| {
                std::array::from_fn(|byte| Self::behind(before, byte as u8, delimiter))
            }),
        )
    }

    fn behind(before: Standing, byte: u8, delimiter: Delimiter) -> Standing {
        let is_delimiter = match delimiter {
            Delimiter::Byte(delimiter) => byte == delimiter,
            Delimiter::Blanks => matches!(byte, b' ' | b'\t'),
        };
        match (before, byte) {
            (Standing::Quotes, b'"') => Standing::Closing,
            (Standing::Quotes, _) | (Standing::Closing, b'"') => Standing::Quotes,
            (Standing::Row | Standing::CellStart, b'"') => Standing::Quotes,
            (_, b'\r' | b'\n') => Standing::Row,
            _ if is_delimiter => Standing::CellStart,
            (Standing::Row | Standing::CellStart, b' ' | b'\t') => Standing::CellStart,
            _ => Standing::Cell,
        }
    }

    fn step(&self, before: Standing, byte: u8) -> Standing {
        self.0[before as usize][usize::from(byte)]
    }
}

impl Scan {
    /// Reads a range of a file.
    pub fn read<R: Read + Seek>(
        file: R,
        range: [u64; 2],
        delimiter: Delimiter,
    ) -> io::Result<Self> {
        let rules = Rules::new(delimiter);
        let (mut bytes, mut last) = from(file, range[0])?;
        let mut left = range[1].saturating_sub(range[0]);
        let mut scan = Self { ends: ALL, lines: 0, has_end_of_file: false };
        while left > 0 {
            let piece = bytes.fill_buf()?;
            let piece = &piece[..piece.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            if piece.is_empty() {
                let message = "it has become shorter while it was read";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
            }
            scan.take(piece, &rules);
            for &byte in piece {
                scan.lines += usize::from(ends_line(last, byte));
                last = byte;
            }
            let used = piece.len();
            left -= used as u64;
            bytes.consume(used);
        }
        Ok(scan)
    }

    /// Goes on by a piece. Most ways in which a text may stand are soon one of two.
    fn take(&mut self, piece: &[u8], rules: &Rules) {
        self.has_end_of_file |= piece.contains(&0x1a);
        let mut known: Vec<(Standing, Standing)> = Vec::new();
        self.ends = self.ends.map(|before| {
            if let Some(&(_, behind)) = known.iter().find(|(other, _)| *other == before) {
                return behind;
            }
            let behind = piece.iter().fold(before, |standing, &byte| rules.step(standing, byte));
            known.push((before, behind));
            behind
        });
    }

    /// How the text stands behind the range, given how it stands before it.
    pub fn behind(&self, before: Standing) -> Standing {
        self.ends[before as usize]
    }

    /// For other processes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.ends.iter().map(|&standing| standing as u8).collect();
        bytes.push(u8::from(self.has_end_of_file));
        bytes.extend((self.lines as u64).to_le_bytes());
        bytes
    }

    /// What another process has scanned; nothing where the bytes are none of it.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (ends, rest) = bytes.split_first_chunk::<5>()?;
        let (&has_end_of_file, lines) = rest.split_first()?;
        let mut scan = Self { ends: ALL, lines: 0, has_end_of_file: has_end_of_file != 0 };
        for (end, &number) in scan.ends.iter_mut().zip(ends) {
            *end = *ALL.get(usize::from(number))?;
        }
        scan.lines = usize::try_from(u64::from_le_bytes(lines.try_into().ok()?)).ok()?;
        Some(scan)
    }
}

/// The first row that begins from a byte on, given how the text stands before it and in which line;
/// none where no row begins before `end`.
pub(super) fn first_row<R: Read + Seek>(
    file: R,
    start: RowPlace,
    end: u64,
    standing: Standing,
    delimiter: Delimiter,
) -> io::Result<Option<RowPlace>> {
    let rules = Rules::new(delimiter);
    let (mut bytes, mut last) = from(file, start.byte)?;
    let (mut place, mut standing) = (start, standing);
    while place.byte < end {
        let piece = bytes.fill_buf()?;
        if piece.is_empty() {
            return Ok(None);
        }
        let used = piece.len();
        for &byte in piece {
            // `\r\n` is one end of line, and no row is between its letters.
            let is_second_half = last == b'\r' && byte == b'\n';
            if place.byte >= end || (standing == Standing::Row && !is_second_half) {
                return Ok((place.byte < end).then_some(place));
            }
            standing = rules.step(standing, byte);
            place.line += usize::from(ends_line(last, byte));
            (place.byte, last) = (place.byte + 1, byte);
        }
        bytes.consume(used);
    }
    Ok(None)
}

/// The bytes from a place on, and the byte before it.
fn from<R: Read + Seek>(mut file: R, byte: u64) -> io::Result<(BufReader<R>, u8)> {
    let mut before = [0];
    file.seek(SeekFrom::Start(byte.saturating_sub(1)))?;
    if byte > 0 {
        file.read_exact(&mut before)?;
    }
    Ok((BufReader::with_capacity(PIECE, file), before[0]))
}

/// Whether a byte ends a line, or, behind a `\r`, is no more than the second half of its end.
fn ends_line(last: u8, byte: u8) -> bool {
    byte == b'\r' || (byte == b'\n' && last != b'\r')
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::rows::{Progress, Record, Tokenizer};
    use super::*;

    /// The places of all rows as the tokenizer finds them.
    fn rows(text: &str, delimiter: Delimiter) -> Vec<RowPlace> {
        let (mut tokenizer, mut record) = (Tokenizer::new(delimiter, 1), Record::default());
        let (mut places, mut at) = (Vec::new(), 0);
        while at < text.len() {
            tokenizer.begin(&mut record);
            // The second half of an end of line is left to the next row.
            let half = at > 0 && text[..at].ends_with('\r') && text[at..].starts_with('\n');
            let byte = (at + usize::from(half)) as u64;
            let (used, progress) = tokenizer.take(&text[at..], &mut record);
            at += used;
            if byte < text.len() as u64 {
                places.push(RowPlace { byte, line: record.line });
            }
            if progress != Progress::Row {
                break;
            }
        }
        places
    }

    #[test]
    fn every_cut_of_a_text_finds_the_rows_that_the_tokenizer_finds() {
        let texts = [
            "a,b\n\"x\ny\",2\r\n\"\"\"\r\n\",\"\"\n\n 3, \"4\n5\" 6\"7\n",
            "\"a\"\"\n\"\",\"\r\n\r\n1\r2\r\r3\"4\n\"5\",6",
            "1 \"2\n3\" 4\n \"5\r\n\"\n6\t\"7\"\"\n\"\n",
        ];
        for (text, delimiter) in texts
            .into_iter()
            .flat_map(|text| [Delimiter::Byte(b','), Delimiter::Blanks].map(|cut| (text, cut)))
        {
            let all = rows(text, delimiter);
            for cut in 0..=text.len() {
                let cut = cut as u64;
                let length = text.len() as u64;
                let file = || Cursor::new(text.as_bytes());
                let scan = Scan::read(file(), [0, cut], delimiter).unwrap();
                let (standing, line) = (scan.behind(Standing::Row), 1 + scan.lines);
                let start = RowPlace { byte: cut, line };
                let found = first_row(file(), start, length, standing, delimiter).unwrap();
                let expected = all.iter().find(|place| place.byte >= cut).copied();
                assert_eq!(found, expected, "{text:?} cut at {cut}");
                assert_eq!(Scan::of_bytes(&scan.to_bytes()), Some(scan));
            }
        }
    }

    #[test]
    fn scans_of_ranges_follow_each_other_as_the_scan_of_all() {
        let text = "1,\"2\n3\",4\r\n\"5\"\"\",6\r7\n";
        let delimiter = Delimiter::Byte(b',');
        let scan = |range| Scan::read(Cursor::new(text.as_bytes()), range, delimiter).unwrap();
        let length = text.len() as u64;
        for middle in 0..=length {
            let [first, second, all] = [[0, middle], [middle, length], [0, length]].map(scan);
            assert_eq!(first.lines + second.lines, all.lines);
            for standing in ALL {
                assert_eq!(second.behind(first.behind(standing)), all.behind(standing));
            }
        }
    }
}
