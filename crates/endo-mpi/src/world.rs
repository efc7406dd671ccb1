//! The processes that `mpirun` has started together, as a link that models are distributed over.
//!
//! In: bytes for other ranks. Out: the bytes of others; where a rank does not answer in time or has
//! stopped, the end of all processes, with a message that names it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use endo::shards::Link;
use endo::{Error, ErrorKind, Result};
use mpi::Threading;
use mpi::topology::{Communicator, SimpleCommunicator};

use crate::messages::{Messages, Mpi, Tag, take};

/// How long a rank waits for another unless it is told otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How long ranks have to say that they are there.
const GRACE: Duration = Duration::from_secs(2);

/// How long ranks have to say that they have failed too, on a machine that does other things. The
/// first rank that has not failed ends all of them when it hears of a failure while it waits.
const FAILURES: Duration = Duration::from_secs(10);

/// How long a rank that fails with all others stays, so that its messages leave.
const LEAVE: Duration = Duration::from_millis(300);

/// How often a rank that waits looks for messages that come unasked.
const LOOK: Duration = Duration::from_millis(1);

/// How long a rank that waits keeps its core, and how long it then leaves it to others that have
/// something to do, before it sleeps in between.
const SPIN: Duration = Duration::from_micros(20);
const YIELD: Duration = Duration::from_millis(2);

/// The processes that `mpirun` or `srun` has started together. MPI ends when it and all models that
/// are distributed over it are dropped.
///
/// When a rank does not answer for a time, one minute unless [`timeout`](Self::timeout) says
/// otherwise, or has stopped with an error that the others do not have, all processes end with a
/// message that names it, and `mpirun` fails. The training is then resumed by the same program with
/// [`BackupAndRestore`](endo::training::BackupAndRestore), on any number of ranks.
pub struct World {
    link: Arc<MpiLink>,
}

impl World {
    /// Begins MPI. A program that was started without `mpirun` is alone.
    ///
    /// # Errors
    /// If MPI was begun before in this process, or the library of MPI cannot be called from
    /// several threads one after another.
    pub fn start() -> Result<Self> {
        let fail = |message: &str, help: &str| Error::new(ErrorKind::Usage, message).help(help);
        let (universe, threading) = mpi::initialize_with_threading(Threading::Serialized)
            .ok_or_else(|| {
                fail("MPI was begun before in this process", "make one `World`, and share it")
            })?;
        if threading < Threading::Serialized {
            let message = "the library of MPI cannot be called from several threads";
            return Err(fail(message, "use Open MPI or MPICH built with support of threads"));
        }
        // A communicator of its own, so that its messages are not those of the program.
        let world = universe.world().duplicate();
        let (rank, ranks) = (world.rank() as usize, world.size() as usize);
        let timeout = AtomicU64::new(TIMEOUT.as_millis() as u64);
        let calls = Mutex::new(Mpi::new(world, universe));
        Ok(Self { link: Arc::new(MpiLink { rank, ranks, timeout, calls }) })
    }

    /// How long a rank waits for another before all processes end. It has to be longer than what
    /// one rank does alone: writing a file, or a callback of your own.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).max(1);
        self.link.timeout.store(millis, Ordering::Relaxed);
        self
    }

    /// The number of this process, from 0.
    pub fn rank(&self) -> usize {
        self.link.rank
    }

    /// How many processes there are.
    pub fn ranks(&self) -> usize {
        self.link.ranks
    }

    /// Whether this is the process that prints and writes files: rank 0.
    pub fn is_first(&self) -> bool {
        self.link.rank == 0
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}", self.rank(), self.ranks())
    }
}

impl From<&World> for Arc<dyn Link> {
    fn from(world: &World) -> Self {
        world.link.clone()
    }
}

struct MpiLink {
    rank: usize,
    ranks: usize,
    /// In milliseconds.
    timeout: AtomicU64,
    /// Calls of MPI are one after the other.
    calls: Mutex<Mpi>,
}

impl MpiLink {
    fn mpi(&self) -> MutexGuard<'_, Mpi> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn others(&self) -> impl Iterator<Item = usize> {
        let rank = self.rank;
        (0..self.ranks).filter(move |&other| other != rank)
    }

    /// Answers who asks whether this rank is there, and ends all processes where a rank has said
    /// that it cannot go on.
    fn look(&self, world: &SimpleCommunicator) {
        while let Some((asking, _)) = take(world, Tag::Question) {
            send_short(world, asking, Tag::Answer, b"");
        }
        if let Some((stopped, text)) = take(world, Tag::Failure) {
            let text = String::from_utf8_lossy(&text);
            let message = format!("rank {stopped} has stopped: {text}");
            self.end(world, stopped, &message, FAILURES + GRACE);
        }
    }

    /// Sends and receives, and waits until all is done, or ends all processes where a rank does not
    /// answer. While the rank has something else to do, and is not idle, it sleeps in between.
    fn exchange_while(
        &self,
        is_idle: &dyn Fn() -> bool,
        sends: &[(usize, &[u8])],
        receives: &mut [(usize, &mut [u8])],
    ) -> Result<()> {
        let mpi = self.mpi();
        let mut messages = Messages::new();
        for (from, bytes) in receives {
            messages.receive(&mpi.world, *from, bytes);
        }
        for (to, bytes) in sends {
            messages.send(&mpi.world, *to, bytes, Tag::Data);
        }
        let start = Instant::now();
        let (mut looked, mut idle_since) = (start, None);
        while !messages.are_done() {
            let now = Instant::now();
            if now - looked >= LOOK {
                looked = now;
                self.look(&mpi.world);
                let timeout = Duration::from_millis(self.timeout.load(Ordering::Relaxed));
                if now - start > timeout {
                    let missing = messages.missing();
                    if !missing.is_empty() {
                        self.accuse(&mpi.world, &missing, now - start);
                    }
                }
            }
            if !is_idle() {
                idle_since = None;
                thread::sleep(LOOK / 20);
                continue;
            }
            match now - *idle_since.get_or_insert(now) {
                waited if waited < SPIN => std::hint::spin_loop(),
                waited if waited < YIELD => thread::yield_now(),
                _ => thread::sleep(LOOK / 20),
            }
        }
        Ok(())
    }

    /// Ends all processes where ranks have not answered in time. Of those that are waited for, the
    /// ones are named that do not even say that they are there: others wait for these themselves.
    fn accuse(&self, world: &SimpleCommunicator, missing: &[usize], waited: Duration) -> ! {
        for other in self.others() {
            send_short(world, other, Tag::Question, b"");
        }
        let (start, mut there) = (Instant::now(), vec![self.rank]);
        while start.elapsed() < GRACE && there.len() < self.ranks {
            self.look(world);
            while let Some((answering, _)) = take(world, Tag::Answer) {
                there.push(answering);
            }
            thread::sleep(LOOK);
        }
        let silent: Vec<usize> = self.others().filter(|other| !there.contains(other)).collect();
        let named = if silent.is_empty() { missing } else { &silent };
        let seconds = waited.as_secs_f64();
        let message = match named {
            [one] => format!("rank {one} has not answered for {seconds:.1} s"),
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                format!("ranks {} have not answered for {seconds:.1} s", names.join(", "))
            }
        };
        let help = "look at its host and its network, and start the program again, which goes on \
                    from the last backup; a rank that is busy for longer needs a longer timeout, \
                    and `fit`, `evaluate` and `predict` are called by all ranks or by none";
        self.end(world, named[0], &format!("{message}\n  help: {help}"), 2 * GRACE)
    }

    /// Ends all processes, with a message from the first rank that can give one, for which the
    /// others wait as long as they are told.
    fn end(
        &self,
        world: &SimpleCommunicator,
        stopped: usize,
        message: &str,
        patience: Duration,
    ) -> ! {
        let speaker = usize::from(stopped == 0);
        if self.rank != speaker {
            // The speaker ends this process, unless it cannot.
            thread::sleep(patience);
        }
        eprintln!("error: {message}");
        world.abort(1)
    }
}

/// Sends a message so short that MPI takes it at once.
fn send_short(world: &SimpleCommunicator, to: usize, tag: Tag, bytes: &[u8]) {
    // The memory is kept for as long as the process lives: nobody may ever take the message.
    let bytes: &'static [u8] = Box::leak(bytes.to_vec().into_boxed_slice());
    let mut messages = Box::new(Messages::new());
    messages.send(world, to, if bytes.is_empty() { &[0] } else { bytes }, tag);
    Box::leak(messages);
}

impl Link for MpiLink {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn exchange(
        &self,
        sends: &[(usize, &[u8])],
        receives: &mut [(usize, &mut [u8])],
    ) -> Result<()> {
        self.exchange_while(&|| true, sends, receives)
    }

    fn exchange_beside(
        &self,
        sends: &[(usize, &[u8])],
        receives: &mut [(usize, &mut [u8])],
        is_awaited: &AtomicBool,
    ) -> Result<()> {
        self.exchange_while(&|| is_awaited.load(Ordering::Relaxed), sends, receives)
    }

    /// Where all ranks fail, each goes on to say so by itself. Otherwise all processes end.
    fn fail(&self, text: &str) {
        let mpi = self.mpi();
        for other in self.others() {
            send_short(&mpi.world, other, Tag::Failure, text.as_bytes());
        }
        let (start, mut failed) = (Instant::now(), vec![self.rank]);
        while start.elapsed() < FAILURES && failed.len() < self.ranks {
            while let Some((other, _)) = take(&mpi.world, Tag::Failure) {
                failed.push(other);
            }
            thread::sleep(LOOK);
        }
        if failed.len() < self.ranks {
            eprintln!("error: rank {} has stopped: {text}", self.rank);
            mpi.world.abort(1);
        }
        // MPI moves messages while it is called: what others are to hear may still be here.
        let start = Instant::now();
        while start.elapsed() < LEAVE {
            take(&mpi.world, Tag::Failure);
            thread::sleep(LOOK);
        }
    }
}
