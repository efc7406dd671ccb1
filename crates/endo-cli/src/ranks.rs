//! The processes that train together, where there are several.
//!
//! In: a link between them, and the number of shards. Out: models whose batches are cut among them,
//! and whether this process is the one that prints and writes.

use std::fmt;
use std::sync::Arc;

use endo::model::Model;
use endo::shards::{Link, Shards};

/// The ranks that train each model of the command, all of which run the same command.
#[derive(Clone)]
pub struct Ranks {
    /// What joins them.
    pub link: Arc<dyn Link>,
    /// Into how many shards batches are cut.
    pub shards: Shards,
}

impl Ranks {
    /// Cuts the batches of a model among the ranks, if there are any.
    pub fn share(ranks: Option<&Self>, model: &mut Model) {
        if let Some(Self { link, shards }) = ranks {
            model.distribute(link.clone(), *shards);
        }
    }

    /// Whether this process prints and writes files.
    pub fn writes(ranks: Option<&Self>) -> bool {
        ranks.is_none_or(|ranks| ranks.link.rank() == 0)
    }
}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}, {} shards", self.link.rank(), self.link.ranks(), self.shards)
    }
}
