//! Messages of bytes by MPI, as far as a link needs them: many at once that are waited for with
//! patience, and short ones that come unasked.
//!
//! In: bytes and ranks. Out: whether all messages are done, and from whom not. All that is unsafe
//! in this crate is here.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::raw::{c_int, c_void};

use mpi::environment::Universe;
use mpi::ffi;
use mpi::raw::AsRaw;
use mpi::topology::SimpleCommunicator;

/// What calls of MPI need. When it is dropped, MPI ends.
pub struct Mpi {
    pub world: SimpleCommunicator,
    _universe: Universe,
}

impl Mpi {
    pub fn new(world: SimpleCommunicator, universe: Universe) -> Self {
        Self { world, _universe: universe }
    }
}

// SAFETY: MPI was begun such that any thread may call it, one after the other, and who has this
// alone calls it.
unsafe impl Send for Mpi {}

/// What a message is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// Numbers of a step.
    Data = 1,
    /// A rank cannot go on; the bytes say why.
    Failure = 2,
    /// A rank asks whether another is there.
    Question = 3,
    /// It is.
    Answer = 4,
}

/// The most bytes of one message: a count of MPI is an `int`.
const MOST: usize = 1 << 30;

/// Messages under way. The memory that they are sent from and received in is borrowed until they
/// are done.
pub struct Messages<'a> {
    requests: Vec<ffi::MPI_Request>,
    /// The rank at the other end of each, and whether that sends.
    peers: Vec<(usize, bool)>,
    memory: PhantomData<&'a mut [u8]>,
}

impl<'a> Messages<'a> {
    pub fn new() -> Self {
        Self { requests: Vec::new(), peers: Vec::new(), memory: PhantomData }
    }

    /// Begins to send bytes to a rank.
    pub fn send(&mut self, world: &SimpleCommunicator, to: usize, bytes: &'a [u8], tag: Tag) {
        for part in bytes.chunks(MOST) {
            let mut request = MaybeUninit::uninit();
            // SAFETY: The pointer and the length are those of a slice that `self` borrows, and MPI
            // writes the request. Messages that are not done end the process, or are kept.
            let request = unsafe {
                ffi::MPI_Isend(
                    part.as_ptr().cast::<c_void>(),
                    part.len() as c_int,
                    ffi::RSMPI_UINT8_T,
                    to as c_int,
                    tag as c_int,
                    world.as_raw(),
                    request.as_mut_ptr(),
                );
                request.assume_init()
            };
            self.requests.push(request);
            self.peers.push((to, false));
        }
    }

    /// Begins to receive bytes from a rank.
    pub fn receive(&mut self, world: &SimpleCommunicator, from: usize, bytes: &'a mut [u8]) {
        for part in bytes.chunks_mut(MOST) {
            let mut request = MaybeUninit::uninit();
            // SAFETY: As for `send`; nobody else uses the bytes, which `self` borrows alone.
            let request = unsafe {
                ffi::MPI_Irecv(
                    part.as_mut_ptr().cast::<c_void>(),
                    part.len() as c_int,
                    ffi::RSMPI_UINT8_T,
                    from as c_int,
                    Tag::Data as c_int,
                    world.as_raw(),
                    request.as_mut_ptr(),
                );
                request.assume_init()
            };
            self.requests.push(request);
            self.peers.push((from, true));
        }
    }

    /// Whether all are done.
    pub fn are_done(&mut self) -> bool {
        let mut done = 0;
        // SAFETY: The requests are those that MPI has made, as many as is said, and MPI sets those
        // that are done to nothing.
        unsafe {
            ffi::MPI_Testall(
                self.requests.len() as c_int,
                self.requests.as_mut_ptr(),
                &mut done,
                ffi::RSMPI_STATUSES_IGNORE,
            );
        }
        done != 0
    }

    /// The ranks that have not sent what is expected of them; where all have, those that have not
    /// taken what is sent to them.
    pub fn missing(&mut self) -> Vec<usize> {
        let mut waiting = Vec::new();
        for (request, peer) in self.requests.iter_mut().zip(&self.peers) {
            let mut done = 0;
            // SAFETY: As for `are_done`, for one request.
            unsafe {
                ffi::MPI_Test(request, &mut done, ffi::RSMPI_STATUS_IGNORE);
            }
            if done == 0 {
                waiting.push(*peer);
            }
        }
        let sends_something = waiting.iter().any(|(_, sends)| *sends);
        let missing = waiting.into_iter().filter(|(_, sends)| *sends == sends_something);
        let mut ranks: Vec<usize> = missing.map(|(rank, _)| rank).collect();
        ranks.sort_unstable();
        ranks.dedup();
        ranks
    }
}

/// Messages that are dropped before they are done would leave MPI with memory that is gone, so they
/// end the process. It does not come to that: who waits for messages ends it before, with a reason.
impl Drop for Messages<'_> {
    fn drop(&mut self) {
        if !self.requests.is_empty() && !self.are_done() {
            eprintln!("error: messages of MPI are given up before they are done");
            std::process::abort();
        }
    }
}

/// A message of a kind that has come, from whomever.
pub fn take(world: &SimpleCommunicator, tag: Tag) -> Option<(usize, Vec<u8>)> {
    let (mut there, mut status) = (0, MaybeUninit::<ffi::MPI_Status>::uninit());
    // SAFETY: MPI writes whether there is a message, and if there is one its status.
    let status = unsafe {
        ffi::MPI_Iprobe(
            ffi::RSMPI_ANY_SOURCE,
            tag as c_int,
            world.as_raw(),
            &mut there,
            status.as_mut_ptr(),
        );
        if there == 0 {
            return None;
        }
        status.assume_init()
    };
    let mut length = 0;
    // SAFETY: The status is that of a message of bytes, and MPI writes their number.
    unsafe {
        ffi::MPI_Get_count(&status, ffi::RSMPI_UINT8_T, &mut length);
    }
    let mut bytes = vec![0_u8; usize::try_from(length).unwrap_or(0)];
    // SAFETY: The message is there, from this rank and with this tag, and is as long as the buffer;
    // nothing else receives it, since calls of MPI are one after the other.
    unsafe {
        ffi::MPI_Recv(
            bytes.as_mut_ptr().cast::<c_void>(),
            length,
            ffi::RSMPI_UINT8_T,
            status.MPI_SOURCE,
            tag as c_int,
            world.as_raw(),
            ffi::RSMPI_STATUS_IGNORE,
        );
    }
    Some((usize::try_from(status.MPI_SOURCE).unwrap_or(0), bytes))
}
