//! What the steps of a run work with, and how they share work among threads.
//!
//! In: the places of the memories, scratch, a pool. Out: tasks that are done, by as many threads as
//! they are worth.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::simd::Level;

use super::address::Bases;
use super::cost::Cost;
use super::pool::Pool;

/// What the steps of a run work with.
pub struct Run<'a> {
    pub bases: &'a Bases,
    /// As large as all steps ask for, for a number of threads.
    pub scratch: Scratch,
    /// One that the processor has.
    pub level: Level,
    pub threads: usize,
    /// The number of the thread that runs them, which has scratch of its own.
    pub thread: usize,
    pub pool: &'a Pool,
    /// For products of one task among several.
    pub alone: &'a Pool,
}

impl Run<'_> {
    /// Runs all tasks, shared among as many threads as they are worth. Each is given its thread and
    /// its number.
    pub fn share(&self, cost: Cost, tasks: usize, task: impl Fn(usize, usize) + Sync) {
        let threads = cost.team(self.threads).min(tasks);
        if threads < 2 {
            return (0..tasks).for_each(|number| task(self.thread, number));
        }
        self.share_on(threads, tasks, task);
    }

    /// The same on a number of threads.
    pub fn share_on(&self, threads: usize, tasks: usize, task: impl Fn(usize, usize) + Sync) {
        let next = AtomicUsize::new(0);
        self.pool.team(threads).run(threads, |thread| {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= tasks {
                    break;
                }
                task(thread, number);
            }
        });
    }
}

/// The threads' scratch memory: a stretch for each, then one for partial results.
#[derive(Clone, Copy)]
pub struct Scratch {
    pub start: *mut u8,
    pub stride: usize,
    pub partials: usize,
}

// SAFETY: each thread uses a stretch of its own, and tasks partial results of their own.
unsafe impl Sync for Scratch {}
// SAFETY: as above.
unsafe impl Send for Scratch {}

impl Scratch {
    /// Where a thread's stretch starts.
    pub fn of(&self, thread: usize) -> *mut u8 {
        self.start.wrapping_add(thread * self.stride)
    }

    /// Where partial results start.
    pub fn partials(&self) -> *mut u8 {
        self.start.wrapping_add(self.partials)
    }
}
