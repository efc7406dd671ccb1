//! Processes that were forked: they use and drop the models, functions, predictors and pools that
//! they have from their parent.
//!
//! In: a closure that a child process runs. Out: whether it ended well, which the child's exit
//! status says.
#![cfg(unix)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use endo::cpu::pool::Pool;
use endo::prelude::*;

unsafe extern "C" {
    fn fork() -> i32;
    fn waitpid(process: i32, status: *mut i32, options: i32) -> i32;
    fn kill(process: i32, signal: i32) -> i32;
    fn _exit(status: i32) -> !;
}

/// Whether a child process runs the closure to its end, without a panic and within a minute.
fn child(closure: impl FnOnce()) -> bool {
    const DO_NOT_WAIT: i32 = 1;
    const KILL: i32 = 9;
    // SAFETY: the child runs what it is there to show the safety of, and leaves by `_exit`, so that
    // nothing of the test's runs twice.
    let process = unsafe {
        let process = fork();
        if process == 0 {
            _exit(i32::from(catch_unwind(AssertUnwindSafe(closure)).is_err()));
        }
        process
    };
    assert!(process > 0, "the process cannot be forked");
    let (begin, mut status) = (Instant::now(), 0);
    // SAFETY: `status` is a number of this function's.
    while unsafe { waitpid(process, &mut status, DO_NOT_WAIT) } == 0 {
        if begin.elapsed() > Duration::from_secs(60) {
            // SAFETY: the process is this function's child, which has not been waited for.
            unsafe { kill(process, KILL) };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    status == 0
}

/// Fails unless a pool of two threads runs every task once.
fn runs_every_task(pool: &Pool) {
    let counts: [AtomicUsize; 10] = Default::default();
    pool.run(10, |task| {
        counts[task].fetch_add(1, Ordering::Relaxed);
    });
    assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
}

/// Fails unless two threads run the two tasks: each ends when the other has begun.
fn runs_on_two_threads(pool: &Pool) {
    let begun = AtomicUsize::new(0);
    pool.run(2, |_| {
        begun.fetch_add(1, Ordering::Relaxed);
        let since = Instant::now();
        while begun.load(Ordering::Relaxed) < 2 {
            assert!(since.elapsed() < Duration::from_secs(20), "a task waits for a second thread");
            std::thread::yield_now();
        }
    });
}

#[test]
fn a_child_drops_a_pool_and_one_that_it_has_used() {
    let pools = [(); 2].map(|()| Pool::new(2));
    pools.iter().for_each(runs_on_two_threads);
    let mut given = pools.map(Some);
    assert!(child(|| {
        let [unused, used] = given.each_mut().map(|pool| pool.take().unwrap());
        drop(unused);
        runs_every_task(&used);
        drop(used);
    }));
    given.iter().flatten().for_each(runs_on_two_threads); // the parent's go on
}

#[test]
fn a_pool_in_a_child_has_workers_of_its_own_after_its_first_call() {
    for used_before in [false, true] {
        let pool = Pool::new(2);
        if used_before {
            runs_on_two_threads(&pool);
        }
        assert!(child(|| {
            runs_every_task(&pool);
            runs_on_two_threads(&pool);
            assert!(child(|| {
                runs_every_task(&pool);
                runs_on_two_threads(&pool);
            }));
            runs_on_two_threads(&pool);
        }));
        runs_on_two_threads(&pool);
    }
}

#[test]
fn a_pool_that_another_thread_was_using_at_the_fork_runs_in_the_child() {
    let (pool, done) = (Pool::new(2), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                pool.run(8, |_| std::hint::black_box(vec![1.0; 100]).truncate(1));
            }
        });
        let ended = (0..50).all(|_| {
            child(|| {
                runs_every_task(&pool);
                runs_every_task(&pool);
                runs_on_two_threads(&pool);
            })
        });
        done.store(true, Ordering::Relaxed);
        assert!(ended);
    });
}

#[test]
fn a_child_trains_predicts_and_drops_what_its_parent_made() {
    let path = std::env::temp_dir().join(format!("endo-forked-{}.endo", std::process::id()));
    let x = Array::from_fn([4096, 32], |i| (0.7 * i as f32).sin());
    let y = Array::from_fn([4096, 1], |i| (0.3 * i as f32).cos());
    let data = Dataset::new(x.clone(), y).unwrap();
    let mut model =
        Model::new(Sequential::new().add(Dense::new(256).activation("relu")).add(Dense::new(1)))
            .threads(2);
    model.compile("adam", "mse", ());
    model.fit(&data, Fit::epochs(1)).unwrap();
    model.export(&path).unwrap();
    let predictor = Predictor::load(&path).unwrap().threads(2);
    std::fs::remove_file(&path).unwrap();
    let expected = model.predict(&x).unwrap();
    assert_eq!(predictor.predict(&x).unwrap(), expected);
    let mut product = Function::new(|[x], _| [x.matmul(&x.transpose())]).threads(2);
    let squares = product.run([&x]).unwrap()[0].clone();

    let mut given = Some((model, predictor, product));
    assert!(child(|| {
        let (mut model, predictor, mut product) = given.take().unwrap();
        assert_eq!(model.predict(&x).unwrap(), expected);
        assert_eq!(predictor.predict(&x).unwrap(), expected);
        assert_eq!(product.run([&x]).unwrap()[0], squares);
        model.fit(&data, Fit::epochs(2)).unwrap();
        assert_ne!(model.predict(&x).unwrap(), expected);
    }));
    let (model, ..) = given.unwrap();
    assert_eq!(model.predict(&x).unwrap(), expected);
}
