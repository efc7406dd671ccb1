//! Files that are mapped into memory.
//!
//! In: a file that nobody changes. Out: its bytes, of which the system reads what is looked at, and
//! which processes of one machine share.

use std::fs::File;
use std::io;
use std::sync::Arc;

use endo::Lender;
use memmap2::Mmap;

/// Maps a file, to be read.
pub fn map(file: &File) -> io::Result<Lender> {
    // SAFETY: The file is one of the run's cache, in a folder of a random name that the run has
    // made. Each of its bytes is written once, before any rank maps it, and rank 0 removes it when
    // all ranks have done with it. Who changes it from outside changes what the run computes with,
    // and ends it if the file becomes shorter.
    let map = unsafe { Mmap::map(file) }?;
    Ok(Arc::new(map))
}
