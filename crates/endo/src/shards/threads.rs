//! Ranks that are threads of one process: for tests, and to try a distributed program without a
//! library of messages.
//!
//! In: a number of ranks, and what each does with its link. Out: what each gave.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};

use super::Link;

/// What one rank sends to another: bytes, or why it cannot go on.
type Message = std::result::Result<Vec<u8>, String>;

/// How long a rank waits for another.
const PATIENCE: Duration = Duration::from_secs(60);

/// The link of a rank that is a thread of this process.
///
/// ```
/// use endo::prelude::*;
/// use endo::shards::{Link, Shards, Threads};
/// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
/// # let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
/// # let data = Dataset::new(x, y)?;
/// let losses = |ranks: usize| {
///     Threads::run(ranks, |link| {
///         let mut model = Model::new(Dense::new(1));
///         model.compile("nadam", "mse", ());
///         model.distribute(link, Shards::new(4));
///         model.fit(&data, Fit::epochs(2)).map(|history| history.get("loss"))
///     })
/// };
/// assert_eq!(losses(1)[0], losses(3)[2]);
/// # Ok::<(), Error>(())
/// ```
pub struct Threads {
    rank: usize,
    senders: Vec<Sender<Message>>,
    receivers: Vec<Mutex<Receiver<Message>>>,
}

impl Threads {
    /// Runs `f` once for each rank, each on a thread of its own, and returns what they gave.
    ///
    /// # Panics
    /// If `f` does.
    pub fn run<T: Send>(ranks: usize, f: impl Fn(Self) -> T + Sync) -> Vec<T> {
        let mut senders: Vec<Vec<Sender<Message>>> = vec![Vec::new(); ranks];
        let mut receivers: Vec<Vec<Mutex<Receiver<Message>>>> = Vec::new();
        for _ in 0..ranks {
            let mut own = Vec::new();
            for senders in &mut senders {
                let (sender, receiver) = channel();
                senders.push(sender);
                own.push(Mutex::new(receiver));
            }
            receivers.push(own);
        }
        let links = senders.into_iter().zip(receivers).enumerate();
        let links = links.map(|(rank, (senders, receivers))| Self { rank, senders, receivers });
        thread::scope(|scope| {
            let f = &f;
            let running: Vec<_> = links.map(|link| scope.spawn(move || f(link))).collect();
            let ended = running.into_iter().map(thread::ScopedJoinHandle::join);
            ended
                .map(|ended| ended.unwrap_or_else(|cause| std::panic::resume_unwind(cause)))
                .collect()
        })
    }
}

impl Link for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.senders.len()
    }

    fn exchange(
        &self,
        sends: &[(usize, &[u8])],
        receives: &mut [(usize, &mut [u8])],
    ) -> Result<()> {
        for (rank, bytes) in sends {
            // A rank that has ended is missed where something is expected of it.
            let _ = self.senders[*rank].send(Ok(bytes.to_vec()));
        }
        for (rank, bytes) in receives {
            let receiver = self.receivers[*rank].lock().unwrap_or_else(|error| error.into_inner());
            let failure = match receiver.recv_timeout(PATIENCE) {
                Ok(Ok(received)) if received.len() == bytes.len() => {
                    bytes.copy_from_slice(&received);
                    continue;
                }
                Ok(Ok(_)) => format!("rank {rank} has sent another number of bytes"),
                Ok(Err(text)) => format!("rank {rank} has stopped: {text}"),
                Err(RecvTimeoutError::Disconnected) => format!("rank {rank} has ended"),
                Err(RecvTimeoutError::Timeout) => format!("rank {rank} does not answer"),
            };
            let help = "fix what has stopped that rank, and resume the run";
            return Err(Error::usage(failure, help));
        }
        Ok(())
    }

    fn fail(&self, text: &str) {
        for (_, sender) in self.senders.iter().enumerate().filter(|(rank, _)| *rank != self.rank) {
            let _ = sender.send(Err(text.to_string()));
        }
    }
}

impl From<Threads> for Arc<dyn Link> {
    fn from(link: Threads) -> Self {
        Arc::new(link)
    }
}
