//! Files that are compressed by gzip or zstd, unpacked while they are read.
//!
//! In: anything that can be read. Out: its bytes, unpacked if the first ones are those of gzip or
//! zstd. Memory is bounded by what the formats look back: 32 KiB for gzip, and at most 128 MiB for
//! zstd. What is inside is not unpacked again.

use std::io::{self, BufRead, BufReader, Chain, Cursor, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The first bytes by which a format is known; no file of gzip is shorter.
const LOOKED_AT: usize = 18;
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Bytes of which some are read already.
type Source<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

/// The bytes of a file, unpacked.
pub(super) enum UnpackedReader<R: Read> {
    Plain(Chain<Cursor<Vec<u8>>, R>),
    Gzip(MultiGzDecoder<Source<R>>),
    Zstd(Box<Zstd<R>>),
}

impl<R: Read> UnpackedReader<R> {
    /// Looks at the first bytes.
    pub fn open(mut source: R) -> io::Result<Self> {
        let mut first = Vec::new();
        source.by_ref().take(LOOKED_AT as u64).read_to_end(&mut first)?;
        let (is_gzip, is_zstd) = (first.starts_with(&GZIP), first.starts_with(&ZSTD));
        let is_long = first.len() == LOOKED_AT;
        let whole = Cursor::new(first).chain(source);
        Ok(match () {
            () if is_gzip && is_long => Self::Gzip(MultiGzDecoder::new(BufReader::new(whole))),
            () if is_zstd => Self::Zstd(Box::new(Zstd::new(BufReader::new(whole)))),
            () => Self::Plain(whole),
        })
    }

    /// Bytes that are not packed.
    pub fn plain(source: R) -> Self {
        Self::Plain(Cursor::new(Vec::new()).chain(source))
    }

    /// The program that packed the file.
    pub fn format(&self) -> Option<&'static str> {
        match self {
            Self::Plain(_) => None,
            Self::Gzip(_) => Some("gzip"),
            Self::Zstd(_) => Some("zstd"),
        }
    }
}

impl<R: Read> Read for UnpackedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let format = self.format();
        let count = match self {
            Self::Plain(source) => source.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        };
        match format {
            Some(format) => count.map_err(|error| broken(error, format)),
            None => count,
        }
    }
}

/// The error of a decoder. What the system says of the file itself stays as it is.
fn broken(error: io::Error, format: &str) -> io::Error {
    if error.raw_os_error().is_some() || error.kind() == ErrorKind::Interrupted {
        return error;
    }
    let message = format!("the file is compressed by {format}, and broken or cut off: {error}");
    io::Error::new(ErrorKind::InvalidData, message)
}

/// Frames of zstd, one after the other.
pub(super) struct Zstd<R: Read> {
    source: Source<R>,
    frame: FrameDecoder,
    is_within: bool,
}

impl<R: Read> Zstd<R> {
    fn new(source: Source<R>) -> Self {
        Self { source, frame: FrameDecoder::new(), is_within: false }
    }

    /// Goes to the next frame; false at the end.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.frame.reset(&mut self.source) {
                Ok(()) => {
                    self.is_within = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut self.source.by_ref().take(u64::from(length)), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }

    /// Fails when what was read has another checksum than what was written.
    fn end(&mut self) -> io::Result<()> {
        self.is_within = false;
        match (self.frame.get_checksum_from_data(), self.frame.get_calculated_checksum()) {
            (Some(written), Some(read)) if written != read => {
                Err(io::Error::other("the checksum is another"))
            }
            _ => Ok(()),
        }
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.is_within && !self.begin()? {
                return Ok(0);
            }
            while self.frame.can_collect() == 0 && !self.frame.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.frame.decode_blocks(&mut self.source, one).map_err(io::Error::other)?;
            }
            match self.frame.read(buffer)? {
                0 => self.end()?,
                count => return Ok(count),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        UnpackedReader::open(bytes)?.read_to_end(&mut all).map(|_| all)
    }

    #[test]
    fn packed_files_are_read_as_what_is_in_them() {
        let text = b"a,b\n1,2\n".repeat(50_000);
        for pack in [gzip, zstd] {
            assert_eq!(unpacked(&pack(&text)).unwrap(), text);
            // Files that are joined, and nothing.
            assert_eq!(
                unpacked(&[pack(&text), pack(b""), pack(b"3,4\n")].concat()).unwrap(),
                [&text[..], b"3,4\n"].concat()
            );
        }
        // A frame of zstd that readers skip.
        let skipped = [&zstd(b"1\n")[..], b"\x50\x2a\x4d\x18\x02\0\0\0xx", &zstd(b"2\n")].concat();
        assert_eq!(unpacked(&skipped).unwrap(), b"1\n2\n");
        assert_eq!(unpacked(&text).unwrap(), text);
        assert_eq!(unpacked(b"a").unwrap(), b"a");
        // Not unpacked again.
        assert_eq!(unpacked(&gzip(&gzip(b"a\n1\n"))).unwrap(), gzip(b"a\n1\n"));
    }

    #[test]
    fn broken_and_cut_files_are_errors() {
        let text: Vec<u8> = (0..50_000_u32)
            .flat_map(|row| format!("{},{row}\n", row * 7919 % 1000).into_bytes())
            .collect();
        for (format, bytes) in [("gzip", gzip(&text)), ("zstd", zstd(&text))] {
            let message = format!("the file is compressed by {format}, and broken or cut off: ");
            for cut in [20, bytes.len() / 2, bytes.len() - 1] {
                let error = unpacked(&bytes[..cut]).unwrap_err();
                assert!(
                    error.kind() == ErrorKind::InvalidData
                        && error.to_string().starts_with(&message),
                    "{cut}: {error}"
                );
            }
            let mut other = bytes.clone();
            let middle = other.len() / 2;
            other[middle] ^= 0x55;
            assert!(unpacked(&other).is_err(), "{format}");
        }
    }
}
