//! What the machine can do: its name, the rate of its arithmetic, the bandwidth of its memory, and
//! what a process took of it.
//!
//! In: a number of threads. Out: names and rates, measured in the run in which they are used, since
//! neighbours change them.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use endo::simd::Level;

/// The processor's name and the number of processors that this process may use.
pub fn name() -> String {
    let described = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = described
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .and_then(|rest| rest.split_once(':'));
    let model = model.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    let level = match Level::detect() {
        Level::Avx512 => ", AVX-512",
        Level::Avx2 => ", AVX2",
        Level::Baseline => "",
    };
    match cores() {
        1 => format!("{model}, 1 core{level}"),
        cores => format!("{model}, {cores} cores{level}"),
    }
}

/// The processors that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How many programs wanted a processor in the last minute, on average, where the system says so.
pub fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// The most memory that a process has had resident so far, in MB of a million bytes, where the
/// system says so.
pub fn peak_resident_mb(process: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    resident_mb(&status)
}

fn resident_mb(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}

/// The number of runs; a rate is that of the best one, since in some the system lets two threads
/// share a processor for a while.
const RUNS: usize = 20;

/// Floating-point operations a second that threads reach together on chains of multiply-adds in
/// registers, in f32: the ceiling of any matrix product.
pub fn peak_rate(threads: usize) -> f64 {
    const ROUNDS: usize = 1 << 22;
    let level = Level::detect();
    let operations = threads * ROUNDS * 2 * CHAINS * lanes(level);
    let (seconds, ()) = best_of(RUNS, || {
        together(vec![(); threads], |()| {
            black_box(chains(level, black_box(ROUNDS)));
        })
    });
    operations as f64 / seconds
}

/// Bytes a second that threads together read and write in `a = b + 3 c` over arrays larger than the
/// caches.
pub fn bandwidth(threads: usize) -> f64 {
    const LENGTH: usize = 1 << 24;
    let (mut a, b, c) = (vec![0.0_f32; LENGTH], vec![1.0_f32; LENGTH], vec![2.0_f32; LENGTH]);
    let part = LENGTH.div_ceil(threads);
    let (seconds, ()) = best_of(RUNS, || {
        let parts = a.chunks_mut(part).zip(b.chunks(part)).zip(c.chunks(part)).collect();
        together(parts, |((a, b), c)| {
            a.iter_mut().zip(b).zip(c).for_each(|((a, b), c)| *a = b + 3.0 * c)
        });
    });
    black_box(&a);
    (3 * LENGTH * size_of::<f32>()) as f64 / seconds
}

/// Enough chains to hide the latency of a multiply-add, few enough for the registers.
const CHAINS: usize = 12;

fn lanes(level: Level) -> usize {
    match level {
        Level::Avx512 => 16,
        Level::Avx2 => 8,
        Level::Baseline => 4,
    }
}

/// Computes `rounds` rounds of `x / 2 + 1` in every lane of every chain, and returns the sum of all
/// lanes.
fn chains(level: Level, rounds: usize) -> f32 {
    let lane = match level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was detected on this processor.
        Level::Avx512 => unsafe { x86::chains_avx512(rounds) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was detected on this processor.
        Level::Avx2 => unsafe { x86::chains_avx2(rounds) },
        #[cfg(target_arch = "x86_64")]
        Level::Baseline => x86::chains_sse2(rounds),
        #[cfg(not(target_arch = "x86_64"))]
        _ => chains_baseline(rounds),
    };
    lane * lanes(level) as f32
}

/// As the compiler makes it of arrays. That it does not do well with longer vectors is why those
/// are written out.
#[cfg(not(target_arch = "x86_64"))]
fn chains_baseline(rounds: usize) -> f32 {
    let (factor, term) = (black_box(0.5), black_box(1.0));
    let mut chains = [[0.0_f32; 4]; CHAINS];
    for _ in 0..rounds {
        for x in chains.iter_mut().flatten() {
            *x = *x * factor + term;
        }
    }
    chains.iter().map(|chain| chain[0]).sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    use super::CHAINS;

    #[target_feature(enable = "avx512f")]
    pub fn chains_avx512(rounds: usize) -> f32 {
        let (factor, term) = (_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(1.0)));
        let mut chains = [_mm512_setzero_ps(); CHAINS];
        for _ in 0..rounds {
            for x in &mut chains {
                *x = _mm512_fmadd_ps(*x, factor, term);
            }
        }
        chains.iter().map(|&chain| _mm512_cvtss_f32(chain)).sum()
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn chains_avx2(rounds: usize) -> f32 {
        let (factor, term) = (_mm256_set1_ps(black_box(0.5)), _mm256_set1_ps(black_box(1.0)));
        let mut chains = [_mm256_setzero_ps(); CHAINS];
        for _ in 0..rounds {
            for x in &mut chains {
                *x = _mm256_fmadd_ps(*x, factor, term);
            }
        }
        chains.iter().map(|&chain| _mm256_cvtss_f32(chain)).sum()
    }

    /// Without an instruction for both, a multiplication and an addition.
    pub fn chains_sse2(rounds: usize) -> f32 {
        // SAFETY: every x86-64 processor has SSE2.
        unsafe {
            let (factor, term) = (_mm_set1_ps(black_box(0.5)), _mm_set1_ps(black_box(1.0)));
            let mut chains = [_mm_setzero_ps(); CHAINS];
            for _ in 0..rounds {
                for x in &mut chains {
                    *x = _mm_add_ps(_mm_mul_ps(*x, factor), term);
                }
            }
            chains.iter().map(|&chain| _mm_cvtss_f32(chain)).sum()
        }
    }
}

/// Runs a part in each thread, and waits for all.
fn together<T: Send>(parts: Vec<T>, work: impl Fn(T) + Sync) {
    let work = &work;
    std::thread::scope(|scope| {
        for part in parts {
            scope.spawn(move || work(part));
        }
    });
}

/// The seconds of the shortest of some runs (at least one), and what the last one gave.
pub fn best_of<T>(runs: usize, mut run: impl FnMut() -> T) -> (f64, T) {
    let mut timed = || {
        let start = Instant::now();
        let given = run();
        (start.elapsed().as_secs_f64(), given)
    };
    (1..runs).fold(timed(), |(best, _), _| {
        let (seconds, given) = timed();
        (seconds.min(best), given)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_of_memory_is_read_from_the_status_of_a_process() {
        assert_eq!(
            resident_mb("VmPeak:\t  20 kB\nVmHWM:\t   15000 kB\nVmRSS:\t 9 kB\n"),
            Some(15.36)
        );
        assert_eq!(resident_mb("VmPeak:\t  20 kB\n"), None);
    }

    #[test]
    fn the_chains_of_every_level_compute_the_same() {
        // x -> x / 2 + 1 tends to 2.
        for level in Level::available() {
            assert_eq!(chains(level, 100), 2.0 * (CHAINS * lanes(level)) as f32);
        }
    }

    #[test]
    fn a_machine_has_a_name_and_cores() {
        assert!(cores() >= 1 && name().contains(" core"));
    }
}
