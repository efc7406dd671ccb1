//! A pool of threads for work that lasts microseconds. In: a number of tasks and a closure of the
//! task's index; out: nothing, once every task is done. Idle workers spin for a moment, so that the
//! next call reaches them at once, and park. After the first call nothing is allocated. A process
//! that was forked gets workers of its own.

use std::any::Any;
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::mem::transmute;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process;
use std::ptr;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long an idle worker spins before it parks: longer than the gap between two products of one
/// training step, short enough to leave the core to others between steps that do not need the pool.
const SPIN: Duration = Duration::from_micros(50);

/// The gate's bit that lets workers in; the bits below count the workers inside, the 32 bits above
/// number the calls.
const OPEN: u64 = 1 << 31;
const INSIDE: u64 = OPEN - 1;
const CALL: u64 = 1 << 32;

type Task<'a> = dyn Fn(usize) + Sync + 'a;

/// A fixed number of threads, the caller's included, that share the tasks of one call at a time.
///
/// The workers are spawned at the first call with more than one task, and joined when the pool is
/// dropped. A pool of one thread never spawns.
///
/// A process that was forked may go on using the pools that it has from its parent, and drop them:
/// the parent's workers do not exist there, so a pool runs its first tasks on the caller's thread
/// alone, and then spawns workers for those that come. That holds at whatever moment another thread
/// forked the process; a task itself must not fork a process that goes on with the call.
///
/// ```
/// use endo::cpu::pool::Pool;
/// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
/// let pool = Pool::new(2);
/// let total = AtomicUsize::new(0);
/// pool.run(10, |task| {
///     total.fetch_add(task, Relaxed);
/// });
/// assert_eq!(total.into_inner(), 45);
/// ```
pub struct Pool {
    threads: usize,
    /// Null before they are spawned; then a box that the pool frees at its end, unless they are
    /// those of the parent process. Not a `OnceLock`, since one that another thread was just
    /// filling when the process forked would never be full in the child.
    workers: AtomicPtr<Workers>,
}

struct Workers {
    /// The process in which they run.
    process: u32,
    shared: Arc<PoolState>,
    handles: Vec<JoinHandle<()>>,
}

struct PoolState {
    gate: CacheLine<AtomicU64>,
    /// The index of the next task that nobody has taken.
    next: CacheLine<AtomicUsize>,
    /// Set while one caller owns the pool.
    busy: CacheLine<AtomicBool>,
    /// How many workers the call asks for: those from the first on.
    wanted: AtomicUsize,
    stop: AtomicBool,
    asleep: Vec<AtomicBool>,
    job: UnsafeCell<Option<Job>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// What the workers inside the gate run. The closure is borrowed from the caller, who stays until
/// they have left.
#[derive(Clone, Copy)]
struct Job {
    tasks: usize,
    task: *const Task<'static>,
}

/// A value on cache lines of its own, so that writes to it do not slow the readers of its
/// neighbours.
#[repr(align(128))]
struct CacheLine<T>(T);

// SAFETY: `job` is written only by the caller that set `busy`, while the gate is closed and nobody
// is inside; workers read it only inside the gate. All other fields are `Sync`.
unsafe impl Sync for PoolState {}
// SAFETY: the closure in `job` is `Sync`, and is reached only as said above.
unsafe impl Send for PoolState {}

impl Pool {
    /// More threads than any machine of today runs at once.
    const MOST: usize = 1024;

    /// A pool of `threads` threads, the caller's included; 0 counts as 1, and more than 1,024 as
    /// that.
    pub fn new(threads: usize) -> Self {
        Self { threads: threads.clamp(1, Self::MOST), workers: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The number of threads that share the tasks, the caller's included.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Some of its threads, the caller's among them: at least 1, and at most as many as it has.
    pub(super) fn team(&self, threads: usize) -> Team<'_> {
        Team { pool: self, threads: threads.clamp(1, self.threads) }
    }

    /// Calls `task(0)`, ..., `task(tasks - 1)`, each once, in no fixed order, and returns when all
    /// have returned.
    ///
    /// Calls may come from several threads, and from inside a task: one that finds the pool taken
    /// runs its tasks on its own thread.
    ///
    /// # Panics
    ///
    /// If a task panics, the panic goes on in the caller; tasks that had not begun are dropped.
    pub fn run(&self, tasks: usize, task: impl Fn(usize) + Sync) {
        self.run_on(self.threads, tasks, task);
    }

    /// As [`run`](Self::run), on `threads` of its threads at most.
    fn run_on(&self, threads: usize, tasks: usize, task: impl Fn(usize) + Sync) {
        if threads == 1 || tasks < 2 {
            return (0..tasks).for_each(task);
        }
        let wanted = (threads - 1).min(tasks - 1);
        let mut workers = self.workers.load(Acquire);
        loop {
            // SAFETY: the pointer is null or of a box that is freed with the pool or never.
            match unsafe { workers.as_ref() } {
                Some(known) if known.take() => {
                    // Workers that took no task came too late, or do not exist. To ask at each call
                    // would cost a system call.
                    if known.run(wanted, tasks, &task) == tasks && !known.exist() {
                        self.replace(workers);
                    }
                    return;
                }
                Some(known) if known.exist() => return (0..tasks).for_each(task),
                Some(_) | None => workers = self.replace(workers),
            }
        }
    }

    /// Spawns workers in place of those that are not there: none, or those of the process that this
    /// one was forked from, which are left in memory as they are. Returns those that the pool has
    /// then.
    fn replace(&self, absent: *mut Workers) -> *mut Workers {
        let spawned = Box::into_raw(Box::new(Workers::spawn(self.threads - 1)));
        match self.workers.compare_exchange(absent, spawned, AcqRel, Acquire) {
            Ok(_) => spawned,
            Err(others) => {
                // SAFETY: this function made the box, and gave it to nobody.
                drop(unsafe { Box::from_raw(spawned) });
                others
            }
        }
    }
}

/// Some of the threads of a pool, the caller's among them.
#[derive(Clone, Copy)]
pub(super) struct Team<'a> {
    pool: &'a Pool,
    threads: usize,
}

impl Team<'_> {
    /// The number of the threads.
    pub fn threads(self) -> usize {
        self.threads
    }

    /// As [`Pool::run`], on these threads.
    pub fn run(self, tasks: usize, task: impl Fn(usize) + Sync) {
        self.pool.run_on(self.threads, tasks, task);
    }
}

impl Default for Pool {
    /// One thread for each core that this process may use.
    fn default() -> Self {
        Self::new(thread::available_parallelism().map_or(1, usize::from))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let workers = *self.workers.get_mut();
        // SAFETY: the pointer is null or of a box that `replace` made, and nobody else uses the
        // pool any more.
        if unsafe { workers.as_ref() }.is_some_and(Workers::exist) {
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(workers) });
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        for handle in self.handles.drain(..) {
            handle.thread().unpark();
            // A worker catches the panics of its tasks, so it has none of its own to report.
            let _ = handle.join();
        }
    }
}

/// The number of this process, on systems whose processes can fork.
fn this_process() -> u32 {
    if cfg!(unix) { process::id() } else { 0 }
}

impl Workers {
    fn spawn(count: usize) -> Self {
        let shared = Arc::new(PoolState {
            gate: CacheLine(AtomicU64::new(0)),
            next: CacheLine(AtomicUsize::new(0)),
            busy: CacheLine(AtomicBool::new(false)),
            wanted: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            asleep: (0..count).map(|_| AtomicBool::new(false)).collect(),
            job: UnsafeCell::new(None),
            panic: Mutex::new(None),
        });
        let spawn = |index: usize| {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("endo-{}", index + 1))
                .spawn(move || shared.work(index))
        };
        // Where the system gives no more threads, the caller runs what they would have run.
        let handles = (0..count).map_while(|index| spawn(index).ok()).collect();
        Self { process: this_process(), shared, handles }
    }

    /// Whether they run in this process: not so in one that was forked since.
    fn exist(&self) -> bool {
        self.process == this_process()
    }

    /// Sets `busy` for a caller, unless another has.
    fn take(&self) -> bool {
        self.shared.busy.0.compare_exchange(false, true, Acquire, Relaxed).is_ok()
    }

    /// Runs the tasks of the caller that has set `busy`, with the first `wanted` workers. Returns
    /// how many of them the caller's own thread has run.
    fn run(&self, wanted: usize, tasks: usize, task: &Task<'_>) -> usize {
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes. The closure is used by workers inside the gate, and
        // this function returns only after the gate is closed and the last of them has left.
        let task = unsafe { transmute::<*const Task<'_>, *const Task<'static>>(task) };
        let job = Job { tasks, task };
        // SAFETY: this thread owns `busy`, the gate is closed and nobody is inside.
        unsafe { *shared.job.get() = Some(job) };
        shared.next.0.store(0, Relaxed);
        shared.wanted.store(wanted, Relaxed);
        let call = (shared.gate.0.load(Relaxed) & !INSIDE & !OPEN).wrapping_add(CALL);
        shared.gate.0.store(call | OPEN, SeqCst);
        for (handle, asleep) in self.handles.iter().zip(&shared.asleep).take(wanted) {
            if asleep.load(SeqCst) && asleep.swap(false, SeqCst) {
                handle.thread().unpark();
            }
        }
        // SAFETY: the closure is this function's argument.
        let own = unsafe { shared.share(job) };
        shared.gate.0.fetch_and(!OPEN, AcqRel);
        let mut spins = 0u32;
        while shared.gate.0.load(Acquire) & INSIDE != 0 {
            spins += 1;
            if spins.is_multiple_of(1024) { thread::yield_now() } else { spin_loop() }
        }
        let panic = shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        shared.busy.0.store(false, Release);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        own
    }
}

impl PoolState {
    /// A worker's life: wait for an open gate, go in, share the tasks, leave.
    fn work(&self, index: usize) {
        let mut last = 0;
        while let Some(call) = self.wait(index, last) {
            // SAFETY: this worker is inside the gate, so the caller keeps the job as it is and its
            // closure alive.
            unsafe {
                if let Some(job) = *self.job.get() {
                    self.share(job);
                }
            }
            self.gate.0.fetch_sub(1, Release);
            last = call;
        }
    }

    /// Waits until a call other than `last` that wants this worker opens the gate, and goes in: the
    /// call's number, or nothing at the pool's end.
    fn wait(&self, index: usize, last: u64) -> Option<u64> {
        let (mut since, mut seen) = (Instant::now(), last);
        loop {
            for _ in 0..64 {
                let gate = self.gate.0.load(Acquire);
                let call = gate & !INSIDE & !OPEN;
                if !self.calls(index, gate, last) {
                    spin_loop();
                } else if self.gate.0.compare_exchange_weak(gate, gate + 1, AcqRel, Relaxed).is_ok()
                {
                    return Some(call);
                }
            }
            if self.stop.load(SeqCst) {
                return None;
            }
            // As long as there are calls, the next one may want this worker.
            let call = self.gate.0.load(Relaxed) & !INSIDE & !OPEN;
            if call != seen {
                (since, seen) = (Instant::now(), call);
            }
            if since.elapsed() < SPIN {
                continue;
            }
            // The caller opens the gate and then looks at `asleep`; this side sets `asleep` and
            // then looks at the gate.
            // So at least one of them sees the other, and no call is slept through.
            self.asleep[index].store(true, SeqCst);
            let called = self.calls(index, self.gate.0.load(SeqCst), last);
            if !called && !self.stop.load(SeqCst) {
                thread::park();
            }
            self.asleep[index].store(false, SeqCst);
            since = Instant::now();
        }
    }

    /// Whether the gate is open for a worker, for a call other than `last`.
    ///
    /// What is wanted is written while the gate is closed. So a worker that has seen an open gate
    /// reads what this call wants, or a later one, for which the gate is no longer as it was: then
    /// the worker does not get in, and looks again.
    fn calls(&self, index: usize, gate: u64, last: u64) -> bool {
        let is_new = gate & OPEN != 0 && gate & !INSIDE & !OPEN != last;
        is_new && index < self.wanted.load(Relaxed)
    }

    /// Takes tasks until none is left, and returns how many it took. A panic is kept for the
    /// caller, and ends the call early.
    ///
    /// # Safety
    ///
    /// The job's closure must be alive.
    unsafe fn share(&self, job: Job) -> usize {
        // SAFETY: as the caller promises.
        let task = unsafe { &*job.task };
        let mut taken = 0;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let index = self.next.0.fetch_add(1, Relaxed);
                if index >= job.tasks {
                    break;
                }
                taken += 1;
                task(index);
            }
        }));
        if let Err(panic) = outcome {
            self.next.0.store(job.tasks, Relaxed);
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once() {
        for threads in 1..5 {
            let pool = Pool::new(threads);
            for tasks in [0, 1, 2, 3, 100] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, |task| {
                    counts[task].fetch_add(1, Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Relaxed) == 1));
            }
        }
    }

    #[test]
    fn a_team_has_no_more_threads_than_it_asks_for() {
        let pool = Pool::new(4);
        for threads in [1, 2, 3, 4, 9] {
            let team = pool.team(threads);
            assert_eq!(team.threads(), threads.min(4));
            for _ in 0..50 {
                let seen = Mutex::new(std::collections::HashSet::new());
                team.run(12, |_| {
                    thread::sleep(Duration::from_micros(20));
                    seen.lock().unwrap().insert(thread::current().id());
                });
                let seen = seen.into_inner().unwrap();
                assert!((1..=team.threads()).contains(&seen.len()), "{threads}: {}", seen.len());
            }
            // As many tasks that wait for each other end only if each thread of the team has one.
            let all = std::sync::Barrier::new(team.threads());
            team.run(team.threads(), |_| _ = all.wait());
        }
    }

    #[test]
    fn a_parked_worker_wakes_for_the_next_call() {
        let pool = Pool::new(3);
        for pause in [0, 10, 100, 1000] {
            for _ in 0..20 {
                let total = AtomicUsize::new(0);
                pool.run(8, |task| {
                    total.fetch_add(task, Relaxed);
                });
                assert_eq!(total.into_inner(), 28);
                thread::sleep(Duration::from_micros(pause));
            }
        }
    }

    #[test]
    fn many_short_calls_end() {
        let pool = Pool::new(4);
        let total = AtomicUsize::new(0);
        for _ in 0..20_000 {
            pool.run(3, |_| {
                total.fetch_add(1, Relaxed);
            });
        }
        assert_eq!(total.into_inner(), 60_000);
    }

    #[test]
    fn nested_and_concurrent_calls_are_safe() {
        let pool = Pool::new(2);
        let total = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        pool.run(4, |_| {
                            pool.run(5, |_| {
                                total.fetch_add(1, Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(total.into_inner(), 3 * 200 * 4 * 5);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::new(2);
        for culprit in [0, 5, 9] {
            let outcome =
                catch_unwind(AssertUnwindSafe(|| pool.run(10, |task| assert_ne!(task, culprit))));
            assert!(outcome.is_err());
            let total = AtomicUsize::new(0);
            pool.run(10, |task| {
                total.fetch_add(task, Relaxed);
            });
            assert_eq!(total.into_inner(), 45);
        }
    }

    #[test]
    fn the_default_uses_every_core() {
        assert_eq!(
            Pool::default().threads(),
            thread::available_parallelism().map_or(1, usize::from)
        );
        assert_eq!(Pool::new(0).threads(), 1);
    }
}
