//! Files that nobody wrote: whatever is in them, what reads them says what it is, in bounded time
//! and memory.
//!
//! In: files of every kind that endo reads, changed at random, sealed with a right checksum where
//! they have one. Out: that each is read or refused. `ENDO_FORGED_FILES` says how many,
//! `ENDO_FORGED_SEED` which; `ENDO_FORGED_FIRST` is the number of the first.

#[path = "forged/changes.rs"]
mod changes;
#[path = "forged/graphs.rs"]
mod graphs;
#[path = "forged/process.rs"]
mod process;
#[path = "forged/readers.rs"]
mod readers;
#[path = "forged/runs.rs"]
mod runs;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use process::{Counts, given, read_all};

/// An allocator that has no more than [`MOST`] to give.
struct Bounded;

/// All the files are smaller than a megabyte.
const MOST: usize = 1 << 31;

static USED: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

// SAFETY: every call goes to the system's allocator as it came, or fails as an allocator may.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if USED.fetch_add(layout.size(), Ordering::Relaxed).saturating_add(layout.size()) > MOST {
            USED.fetch_sub(layout.size(), Ordering::Relaxed);
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if USED.fetch_add(layout.size(), Ordering::Relaxed).saturating_add(layout.size()) > MOST {
            USED.fetch_sub(layout.size(), Ordering::Relaxed);
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[test]
fn every_forged_file_is_read_or_refused() {
    let (files, seed, first) = (
        given("ENDO_FORGED_FILES", 10_000),
        given("ENDO_FORGED_SEED", 1),
        given("ENDO_FORGED_FIRST", 0),
    );
    println!("{files} forged files from number {first} on, seed {seed}");
    let middle = first + files / 2;
    let halves = [first..middle, middle..first + files].map(|numbers| {
        std::thread::spawn(move || {
            let mut counts = Counts::new();
            (read_all(seed, numbers, &mut counts), counts)
        })
    });
    let (mut failures, mut all) = (Vec::new(), Counts::new());
    for half in halves {
        let (failed, counts) = half.join().unwrap();
        failures.extend(failed);
        for (name, counts) in counts {
            let sums = all.entry(name).or_default();
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count;
            }
        }
    }
    for (name, [read, refused]) in &all {
        println!("{name}: {read} read, {refused} refused");
    }
    let help =
        "the number comes first; try one alone with ENDO_FORGED_FILES=1 ENDO_FORGED_FIRST=<number>";
    assert!(
        failures.is_empty(),
        "of seed {seed}, {} files failed ({help}):\n{}",
        failures.len(),
        failures.join("\n")
    );
    let vain = all
        .iter()
        .filter(|(_, counts)| files >= 1_000 && counts.contains(&0))
        .map(|(name, _)| name)
        .collect::<Vec<_>>();
    assert!(
        vain.is_empty(),
        "forged files of these kinds are all read or all refused, which shows nothing: {vain:?}"
    );
}
