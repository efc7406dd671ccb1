//! The processes that train together, where there are several.
//!
//! In: a link between them, and the number of shards. Out: models whose batches are cut among them,
//! arrays in memory that they share, and whether this process is the one that prints and writes.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use endo::model::Model;
use endo::shards::{Link, Shards};
use endo::{Array, Lender, Result};

use crate::cache::{Cache, MapFile};

/// The ranks that train each model of the command, all of which run the same command.
#[derive(Clone)]
pub struct Ranks {
    /// What joins them.
    pub link: Arc<dyn Link>,
    /// Into how many shards batches are cut.
    pub shards: Shards,
    map: MapFile,
    cache: Option<Arc<Cache>>,
}

impl Ranks {
    /// Ranks that are joined by a link, and cut batches into some shards. Files that they share are
    /// read by each.
    pub fn new(link: Arc<dyn Link>, shards: Shards) -> Self {
        Self { link, shards, map: read, cache: None }
    }

    /// Maps files that the ranks share into memory, so that ranks of one machine share that, too.
    #[must_use]
    pub fn mapping(self, map: MapFile) -> Self {
        Self { map, ..self }
    }

    /// The ranks with a cache within a folder, of which what killed runs have left is removed if it
    /// `is_claimed`; the reason where they cannot have one. One rank alone needs none.
    ///
    /// # Errors
    /// Those of the link.
    pub fn with_cache(&self, within: &Path, is_claimed: bool) -> Result<(Self, Option<String>)> {
        if self.link.ranks() == 1 {
            return Ok((self.clone(), None));
        }
        let (cache, why) = match Cache::open(&self.link, self.map, (within, is_claimed))? {
            Ok(cache) => (Some(Arc::new(cache)), None),
            Err(why) => (None, Some(why)),
        };
        Ok((Self { cache, ..self.clone() }, why))
    }

    /// The files that they share, if they do.
    pub fn cache(ranks: Option<&Self>) -> Option<&Cache> {
        ranks.and_then(|ranks| ranks.cache.as_deref())
    }

    /// An array `[rows, ..]`: where the ranks share memory each makes a part of the rows, and else
    /// each makes all.
    ///
    /// # Errors
    /// If the rows cannot be made or written; and those of the link.
    pub fn rows(
        ranks: Option<&Self>,
        rows: usize,
        make: impl FnOnce(Range<usize>) -> Result<Array>,
    ) -> Result<Array> {
        match Self::cache(ranks) {
            Some(cache) => cache.rows(rows, make),
            None => make(0..rows),
        }
    }

    /// The rows of an array that all ranks have, in memory that they share, where they share any.
    ///
    /// # Errors
    /// If it cannot be written; and those of the link.
    pub fn place(ranks: Option<&Self>, array: Array) -> Result<Array> {
        match Self::cache(ranks) {
            Some(cache) => cache.place(&array),
            None => Ok(array),
        }
    }

    /// Cuts the batches of a model among the ranks, if there are any.
    pub fn share(ranks: Option<&Self>, model: &mut Model) {
        if let Some(Self { link, shards, .. }) = ranks {
            model.distribute(link.clone(), *shards);
        }
    }

    /// Whether this process prints and writes files.
    pub fn writes(ranks: Option<&Self>) -> bool {
        ranks.is_none_or(|ranks| ranks.link.rank() == 0)
    }
}

/// The bytes of a file in memory of this rank's own.
fn read(mut file: &File) -> io::Result<Lender> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Arc::new(bytes))
}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}, {} shards", self.link.rank(), self.link.ranks(), self.shards)
    }
}
