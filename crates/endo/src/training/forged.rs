//! Sealed files with other content than endo would write: for tests of what reads files.
//!
//! In: the bytes of a file that endo wrote. Out: its content, and the bytes of a file with a
//! content that the test has changed, whose checksum is right.

use std::collections::BTreeMap;

use crate::array::Array;
use crate::net::sealed::Seal;

/// The content of a predictor's file or of a saved run's.
pub struct ForgedFile {
    /// The arrays by name.
    pub arrays: BTreeMap<String, Array>,
    /// The graph of a predictor; of a saved run nothing.
    pub text: String,
    seal: Seal,
}

impl ForgedFile {
    /// What is in a file; none if it is damaged or of another kind.
    pub fn open(bytes: &[u8]) -> Option<Self> {
        [crate::inference::export::SEAL, super::state::SEAL].into_iter().find_map(|seal| {
            let (arrays, text) = seal.open(bytes).ok()?;
            Some(Self { arrays, text, seal })
        })
    }

    /// The bytes of a file with this content; none if no file can hold it.
    pub fn seal(&self) -> Option<Vec<u8>> {
        self.seal
            .put(self.arrays.iter().map(|(name, array)| (name.as_str(), array)), &self.text)
            .ok()
    }
}
