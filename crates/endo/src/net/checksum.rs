//! Checksums of arrays by name and a text: they tell whether a file is whole, and whether data are
//! the same.
//!
//! In: names, arrays and a text. Out: the sum as text, whose length tells how it was made.

use xxhash_rust::xxh3::Xxh3;

use crate::array::Array;

/// How a sum is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Checksum {
    /// XXH3 of 128 bits (Collet 2020), in which each bit changes about half of the bits of the sum.
    Xxh3,
    /// That of files before: FNV-1a over words of eight bytes (Fowler, Noll and Vo 1991), which
    /// some pairs of flipped bits leave as it is.
    Words,
}

impl Checksum {
    /// How this sum was made.
    pub fn of(sum: &str) -> Self {
        if sum.len() == 16 { Self::Words } else { Self::Xxh3 }
    }

    /// The sum of arrays with their names, in this order, and of a text; `kind` says of what.
    pub fn sum<'a>(
        self,
        kind: &str,
        arrays: impl Iterator<Item = (&'a str, &'a Array)>,
        text: &str,
    ) -> String {
        match self {
            Self::Xxh3 => xxh3(kind, arrays, text),
            Self::Words => words(arrays, text),
        }
    }
}

/// The length of each piece stands before it, and the pieces are always the kind, three for each
/// array, and the text: so no two contents are summed as the same bytes.
fn xxh3<'a>(kind: &str, arrays: impl Iterator<Item = (&'a str, &'a Array)>, text: &str) -> String {
    let mut hash = Xxh3::new();
    let mut add = |piece: &[u8]| {
        hash.update(&(piece.len() as u64).to_le_bytes());
        hash.update(piece);
    };
    add(kind.as_bytes());
    for (name, array) in arrays {
        add(name.as_bytes());
        add(format!("{}{}", array.dtype(), array.shape()).as_bytes());
        add(array.bytes());
    }
    add(text.as_bytes());
    format!("{:032x}", hash.digest128())
}

fn words<'a>(arrays: impl Iterator<Item = (&'a str, &'a Array)>, text: &str) -> String {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut word = |word: u64| hash = (hash ^ word).wrapping_mul(PRIME).rotate_left(23);
    let mut add = |bytes: &[u8]| {
        word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for &bytes in words {
            word(u64::from_le_bytes(bytes));
        }
        if !rest.is_empty() {
            let mut padded = [0; 8];
            padded[..rest.len()].copy_from_slice(rest);
            word(u64::from_le_bytes(padded));
        }
    };
    for (name, array) in arrays {
        add(format!("{name} {}{}", array.dtype(), array.shape()).as_bytes());
        add(array.bytes());
    }
    if !text.is_empty() {
        add(text.as_bytes());
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(kind: &str, arrays: &[(&str, Array)], text: &str) -> String {
        Checksum::Xxh3.sum(kind, arrays.iter().map(|(name, array)| (*name, array)), text)
    }

    #[test]
    fn contents_that_read_alike_have_other_sums() {
        let row = || Array::from([1.0_f32, 2.0]);
        let sums = [
            sum("run 2", &[("a", row())], ""),
            sum("run 1", &[("a", row())], ""),
            sum("run 2", &[("a", row())], "a"),
            sum("run 2", &[], "a"),
            sum("run 2", &[("a f32[2]", row())], ""),
            sum("run 2", &[("a", [[1.0_f32, 2.0]].into())], ""),
            sum("run 2", &[("a", [1.0_f32.to_bits() as i32, 2.0_f32.to_bits() as i32].into())], ""),
            sum("run 2", &[("a", [1.0_f32].into()), ("", [2.0_f32].into())], ""),
            sum("run 2", &[("a", row()), ("b", Array::zeros([0], crate::dtype::DType::F32))], ""),
        ];
        for (index, sum) in sums.iter().enumerate() {
            assert!(sum.len() == 32 && !sums[..index].contains(sum), "{index}");
        }
    }

    #[test]
    fn the_length_of_a_sum_tells_how_it_was_made() {
        let array = Array::from([1.0_f32, 2.0]);
        for checksum in [Checksum::Xxh3, Checksum::Words] {
            assert_eq!(
                Checksum::of(&checksum.sum("run 1", [("a", &array)].into_iter(), "b")),
                checksum
            );
        }
    }
}
