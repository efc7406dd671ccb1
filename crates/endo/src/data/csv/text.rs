//! Bytes on their way to text: UTF-8 or UTF-16, with or without a byte order mark, a piece at a
//! time.
//!
//! In: anything that can be read. Out: pieces of text, and at their end the fault that ended them,
//! if one did.

use std::io::{self, Read};

/// How much is read before the format is looked for.
pub(super) const SAMPLE: usize = 1 << 18;
/// How much is read at a time from then on.
const PIECE: usize = 1 << 16;

/// What ends a text before its end.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file cannot be read.
    Unreadable(io::Error),
    /// A byte that no letter of UTF-8 has there.
    Byte(u8),
    /// Half of a letter of UTF-16 without the other.
    Half(u16),
    /// The last letter is cut in two.
    Cut,
    /// A NUL.
    Nul,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Encoding {
    Utf8,
    Utf16 { little_endian: bool },
}

/// A text that is read as far as it is needed.
pub(super) struct Text<R> {
    source: R,
    encoding: Encoding,
    /// Bytes that are read, but not yet text.
    raw: Vec<u8>,
    /// Text, used up to `start`.
    buffer: String,
    start: usize,
    /// The bytes of the file that are used, where the text is in UTF-8.
    pub used: u64,
    whole: bool,
    fault: Option<Fault>,
}

impl<R: Read> Text<R> {
    /// Reads the first bytes. `check` refuses those of other formats.
    pub fn new<E>(source: R, check: impl FnOnce(&[u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut text = Self::behind(0, source);
        text.read(SAMPLE);
        check(&text.raw)?;
        let (encoding, mark) = encoding_of(&text.raw);
        text.encoding = encoding;
        text.raw.drain(..mark);
        text.used = mark as u64;
        text.decode();
        Ok(text)
    }

    /// Text in UTF-8 that follows a number of bytes of a file.
    pub fn behind(bytes: u64, source: R) -> Self {
        Self {
            source,
            encoding: Encoding::Utf8,
            raw: Vec::new(),
            buffer: String::new(),
            start: 0,
            used: bytes,
            whole: false,
            fault: None,
        }
    }

    /// Whether letters have two bytes or four.
    pub fn is_utf16(&self) -> bool {
        self.encoding != Encoding::Utf8
    }

    /// The text that is there and not used.
    pub fn available(&self) -> &str {
        &self.buffer[self.start..]
    }

    /// The next piece of text; it is empty at the end alone.
    pub fn piece(&mut self) -> &str {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
            while self.buffer.is_empty() && !self.is_read() {
                self.read(PIECE);
                self.decode();
            }
        }
        &self.buffer[self.start..]
    }

    /// Goes on by a number of bytes of the piece.
    pub fn advance(&mut self, bytes: usize) {
        let start = (self.start + bytes).min(self.buffer.len());
        self.used += (start - self.start) as u64;
        self.start = start;
    }

    /// Whether nothing is left to read beyond what is available.
    pub fn is_read(&self) -> bool {
        self.whole || self.fault.is_some()
    }

    /// Whether the text that is available goes to the end of the file.
    pub fn is_whole(&self) -> bool {
        self.whole && self.fault.is_none()
    }

    /// What ended the text, unless it is whole.
    pub fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    fn read(&mut self, bytes: usize) {
        match self.source.by_ref().take(bytes as u64).read_to_end(&mut self.raw) {
            Ok(count) => self.whole = count < bytes,
            Err(error) => self.fault = Some(Fault::Unreadable(error)),
        }
    }

    /// Makes text of the bytes that are read, but for a letter at their end that is not there
    /// whole.
    fn decode(&mut self) {
        let from = self.buffer.len();
        let (used, fault) = match self.encoding {
            Encoding::Utf8 => decode_utf8(&self.raw, &mut self.buffer),
            Encoding::Utf16 { little_endian } => {
                decode_utf16(&self.raw, little_endian, &mut self.buffer)
            }
        };
        self.raw.drain(..used);
        let cut = (self.whole && !self.raw.is_empty()).then_some(Fault::Cut);
        let nul = self.buffer[from..].find('\0').map(|place| {
            self.buffer.truncate(from + place);
            Fault::Nul
        });
        // What comes first in the text counts; a failure to read comes after all that was read.
        if let Some(fault) = nul.or(fault) {
            self.fault = Some(fault);
        } else if self.fault.is_none() {
            self.fault = cut;
        }
    }
}

/// The encoding, and the length of the byte order mark.
fn encoding_of(bytes: &[u8]) -> (Encoding, usize) {
    const LOOKED_AT: usize = 1 << 12;
    match bytes {
        [0xef, 0xbb, 0xbf, ..] => return (Encoding::Utf8, 3),
        [0xff, 0xfe, ..] => return (Encoding::Utf16 { little_endian: true }, 2),
        [0xfe, 0xff, ..] => return (Encoding::Utf16 { little_endian: false }, 2),
        _ => {}
    }
    // Numbers and delimiters have a zero in one half of their two bytes, and hardly any letter has
    // one in the other.
    let pairs = bytes[..bytes.len().min(LOOKED_AT)].chunks_exact(2);
    let count = pairs.len();
    let zeros = pairs.fold([0, 0], |[first, second], pair| {
        [first + usize::from(pair[0] == 0), second + usize::from(pair[1] == 0)]
    });
    match zeros {
        [first, second] if 2 * second >= count && second > 8 * first => {
            (Encoding::Utf16 { little_endian: true }, 0)
        }
        [first, second] if 2 * first >= count && first > 8 * second => {
            (Encoding::Utf16 { little_endian: false }, 0)
        }
        _ => (Encoding::Utf8, 0),
    }
}

/// How many bytes are used, and the fault behind them.
fn decode_utf8(bytes: &[u8], text: &mut String) -> (usize, Option<Fault>) {
    match std::str::from_utf8(bytes) {
        Ok(valid) => {
            text.push_str(valid);
            (bytes.len(), None)
        }
        Err(error) => {
            let (valid, rest) = bytes.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(valid));
            (
                valid.len(),
                error.error_len().and_then(|_| rest.first()).map(|&byte| Fault::Byte(byte)),
            )
        }
    }
}

fn decode_utf16(bytes: &[u8], little_endian: bool, text: &mut String) -> (usize, Option<Fault>) {
    let unit = |pair: &[u8]| {
        if little_endian {
            u16::from_le_bytes([pair[0], pair[1]])
        } else {
            u16::from_be_bytes([pair[0], pair[1]])
        }
    };
    let mut pairs = bytes.chunks_exact(2);
    // The first half of a letter waits for the other.
    let is_first_half = |pair: &[u8]| (0xd800..0xdc00).contains(&unit(pair));
    let held = bytes.chunks_exact(2).next_back().is_some_and(is_first_half);
    let used = 2 * (pairs.len() - usize::from(held));
    for letter in char::decode_utf16(pairs.by_ref().take(used / 2).map(unit)) {
        match letter {
            Ok(letter) => text.push(letter),
            Err(half) => return (used, Some(Fault::Half(half.unpaired_surrogate()))),
        }
    }
    (used, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len()).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn read(bytes: &[u8]) -> (String, Option<Fault>) {
        let mut text = Text::new(Trickle(bytes, 3), |_| Ok::<(), ()>(())).unwrap();
        let mut whole = String::new();
        loop {
            let piece = text.piece();
            if piece.is_empty() {
                return (whole, text.take_fault());
            }
            whole.push_str(piece);
            let used = piece.len();
            text.advance(used);
        }
    }

    fn utf16(text: &str, little_endian: bool) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if little_endian { unit.to_le_bytes() } else { unit.to_be_bytes() })
            .collect()
    }

    #[test]
    fn utf8_and_utf16_are_read_with_and_without_a_mark() {
        let text = "größe,y\n1,2\n-3,4\n".repeat(40_000);
        for marked in [text.clone(), format!("\u{feff}{text}")] {
            for bytes in [marked.as_bytes().to_vec(), utf16(&marked, true), utf16(&marked, false)] {
                let (read, fault) = read(&bytes);
                assert!(read == text && fault.is_none(), "{fault:?}");
            }
        }
        assert_eq!(read(&utf16("𝑥\n1", true)).0, "𝑥\n1");
        assert_eq!(read(b"").0, "");
        assert_eq!(read(b"a").0, "a");
    }

    #[test]
    fn what_is_no_text_ends_it_where_it_stands() {
        assert!(
            matches!(read(b"a,b\n\xe9t\xe9"), (text, Some(Fault::Byte(0xe9))) if text == "a,b\n")
        );
        assert!(matches!(read(b"a,b\n\xc3"), (text, Some(Fault::Cut)) if text == "a,b\n"));
        assert!(matches!(read(b"a,b\n1\0,\xff"), (text, Some(Fault::Nul)) if text == "a,b\n1"));
        let mut bytes = utf16("\u{feff}a,b\n1", true);
        bytes.push(b'2');
        assert!(matches!(read(&bytes), (text, Some(Fault::Cut)) if text == "a,b\n1"));
        bytes.extend([0, 0x00, 0xdc, b'1', 0]);
        assert!(matches!(read(&bytes), (text, Some(Fault::Half(0xdc00))) if text == "a,b\n12"));
    }
}
