//! What joins the processes that train a model together.
//!
//! In: bytes for other processes. Out: the bytes of others, or the error that names who did not
//! send any. How sums are made of them is no matter of the link.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::error::Result;

/// A link between processes that train one model together, each known by its rank. It moves bytes
/// and computes nothing, so that any library of messages will do.
pub trait Link: Send + Sync {
    /// The number of this process, from 0. The one of number 0 writes files and shows progress.
    fn rank(&self) -> usize;

    /// How many processes there are.
    fn ranks(&self) -> usize;

    /// Sends bytes to other ranks and receives bytes of known lengths from others, all at once, and
    /// returns when all are done. What two ranks send to each other arrives in its order.
    ///
    /// # Errors
    /// If a rank does not answer in time or has failed; the error names it.
    fn exchange(&self, sends: &[(usize, &[u8])], receives: &mut [(usize, &mut [u8])])
    -> Result<()>;

    /// As [`exchange`](Self::exchange), called on a thread of its own while another computes: an
    /// implementation should leave the processor to that one until `is_awaited` says that it waits
    /// for this. Until it returns, nothing else is sent or received.
    ///
    /// # Errors
    /// Those of [`exchange`](Self::exchange).
    fn exchange_beside(
        &self,
        sends: &[(usize, &[u8])],
        receives: &mut [(usize, &mut [u8])],
        is_awaited: &AtomicBool,
    ) -> Result<()> {
        let _ = is_awaited;
        self.exchange(sends, receives)
    }

    /// Tells all other ranks that this one cannot go on, so that their exchanges end with an error
    /// that has this text. It waits for nobody.
    fn fail(&self, text: &str) {
        let _ = text;
    }
}

/// A single process that computes all shards: what any number of ranks computes, bit by bit.
///
/// ```
/// use endo::prelude::*;
/// use endo::shards::{Alone, Shards};
/// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
/// # let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
/// # let data = Dataset::new(x, y)?;
/// let mut model = Model::new(Dense::new(1));
/// model.compile("nadam", "mse", ["mae"]);
/// model.distribute(Alone, Shards::new(4));
/// let history = model.fit(&data, Fit::epochs(3))?;
/// assert!(history.last("loss") < Some(history.get("loss")[0]));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl Link for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn ranks(&self) -> usize {
        1
    }

    fn exchange(&self, _: &[(usize, &[u8])], _: &mut [(usize, &mut [u8])]) -> Result<()> {
        Ok(())
    }
}

impl From<Alone> for Arc<dyn Link> {
    fn from(alone: Alone) -> Self {
        Arc::new(alone)
    }
}
