//! Trainings on ranks that `mpirun` starts: the same bits on 1, 2 and 8, and what happens when
//! something goes wrong. What takes longer is in the stage `mpi` of `ci/deep`.

#[path = "support/jobs.rs"]
mod jobs;
#[path = "support/started.rs"]
mod started;
#[path = "support/mod.rs"]
mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use endo::random::Random;
use endo_mpi::World;
use started::{FOLDER, JOB, pids, run, start, written};
use support::{Folder, errors};

/// What a rank does that `mpirun` has started; nothing where no job is named.
#[test]
#[ignore = "a rank of a job that another test starts"]
fn one_rank_of_a_job() {
    let (Ok(job), Some(folder)) = (std::env::var(JOB), std::env::var_os(FOLDER)) else { return };
    let folder = std::path::PathBuf::from(folder);
    let world = World::start().unwrap();
    let rank = world.rank();
    let pid = std::process::id().to_string();
    std::fs::write(folder.join(format!("pid-{rank}.tmp")), pid).unwrap();
    std::fs::rename(folder.join(format!("pid-{rank}.tmp")), folder.join(format!("pid-{rank}")))
        .unwrap();
    let text = match job.as_str() {
        "page" => jobs::train_page(&world),
        "convolutional" => jobs::train_convolutional(&world),
        "short" => jobs::train_short(&world),
        "wide" => jobs::train_wide(&world),
        "saved" => jobs::train_saved(&world, &folder),
        "nan" => jobs::train_on_nan(&world),
        "other data" => jobs::train_on_other_data(&world),
        other => jobs::train_until(world, other),
    };
    std::fs::write(folder.join(format!("rank-{rank}")), text).unwrap();
}

/// The numbers of a job on ranks, which are the same on all of them.
fn numbers(job: &str, ranks: usize) -> String {
    let folder = Folder::new(&format!("{job}-{ranks}"));
    let output = run(job, ranks, &folder);
    assert!(output.status.success(), "{ranks} ranks: {}", errors(&output));
    let mut texts = written(&folder, ranks);
    let first = texts.remove(0);
    assert!(!first.is_empty());
    for (index, text) in texts.iter().enumerate() {
        assert!(*text == first, "{job}: rank {} of {ranks} has other bits", index + 1);
    }
    first
}

/// That numbers of ranks have the same bits; these are written to the folder that `ENDO_MPI_BITS`
/// names, to be compared with those of another library of MPI.
fn same_on(job: &str, numbers_of_ranks: &[usize]) {
    let alone = numbers(job, 1);
    if let Some(folder) = std::env::var_os("ENDO_MPI_BITS") {
        let folder = std::path::PathBuf::from(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(job), &alone).unwrap();
    }
    for &ranks in numbers_of_ranks {
        assert!(numbers(job, ranks) == alone, "{job}: {ranks} ranks have other bits than 1");
    }
}

#[test]
fn the_model_of_the_page_has_the_same_bits_on_1_2_and_8_ranks() {
    same_on("page", &[2, 8]);
}

#[test]
fn gradients_that_leave_early_have_the_same_bits_on_1_2_and_3_ranks() {
    same_on("wide", &[2, 3]);
}

#[test]
#[ignore = "a stage of ci/deep"]
fn deep_all_models_have_the_same_bits_on_any_number_of_ranks() {
    for job in ["page", "convolutional", "short", "wide"] {
        same_on(job, &[2, 3, 4, 6, 8]);
    }
}

/// Kills a random rank of a run at a random moment, goes on with another number of ranks, and
/// compares with the run that nothing has stopped.
fn killed(times: u64) {
    let whole = numbers_of_saved(1, &Folder::new("saved-whole"));
    let counts = [2, 3, 4, 8, 1, 6];
    // How long a rank of a run works, about.
    let timed = Folder::new("saved-timed");
    let mut running = start("saved", 2, &timed);
    begun(&timed, 2);
    let start_time = Instant::now();
    assert!(running.wait().unwrap().success());
    let mut duration = start_time.elapsed().div_f64(2.0);
    for time in 0..times {
        let mut random = Random::new(time, 77);
        let mut pick = |from: usize| (random.uniform_f64() * from as f64) as usize;
        let (ranks, next, victim) = (counts[pick(4)], counts[pick(6)], pick(8));
        let moment = pick(1000) as f64 / 1000.0;
        loop {
            let folder = Folder::new(&format!("saved-{time}"));
            let mut running = start("saved", ranks, &folder);
            let pids = begun(&folder, ranks);
            std::thread::sleep(duration.mul_f64(moment * ranks as f64));
            let pid = pids[victim % ranks].to_string();
            let kill = Command::new("kill").args(["-9", &pid]).stderr(Stdio::null()).status();
            let ended = running.wait().unwrap();
            println!("{time}: rank {} of {ranks} at {moment}: {ended}", victim % ranks);
            if !kill.unwrap().success() || ended.success() {
                duration = duration.mul_f64(0.7); // it was done before
                continue;
            }
            assert!(numbers_of_saved(next, &folder) == whole, "{time}: {ranks} ranks, then {next}");
            break;
        }
    }
}

/// The process ids of the ranks of a job, once all have begun.
fn begun(folder: &Folder, ranks: usize) -> Vec<i32> {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < Duration::from_secs(60), "the ranks have not begun");
        match pids(&folder.path(""), ranks) {
            Some(pids) => return pids,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn numbers_of_saved(ranks: usize, folder: &Folder) -> String {
    let output = run("saved", ranks, folder);
    assert!(output.status.success(), "{ranks} ranks: {}", errors(&output));
    written(folder, ranks).remove(0)
}

#[test]
fn a_run_that_is_killed_goes_on_with_another_number_of_ranks_to_the_same_bits() {
    killed(3);
}

#[test]
#[ignore = "a stage of ci/deep"]
fn deep_20_runs_that_are_killed_go_on_to_the_same_bits() {
    killed(20);
}

#[test]
fn a_number_that_is_not_finite_stops_all_ranks_with_its_rank_row_and_line() {
    let folder = Folder::new("nan");
    let output = run("nan", 4, &folder);
    assert!(output.status.success(), "{}", errors(&output));
    let texts = written(&folder, 4);
    assert!(texts[0].contains("on rank 2") && texts[0].contains("row 41"), "{}", texts[0]);
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
}

#[test]
fn a_rank_with_other_data_is_refused_by_name() {
    let folder = Folder::new("other-data");
    let output = run("other data", 3, &folder);
    assert!(output.status.success(), "{}", errors(&output));
    let texts = written(&folder, 3);
    assert!(texts[0].starts_with("rank 2 has 300 samples, and rank 0 has 301"), "{}", texts[0]);
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
}

#[test]
fn a_rank_that_hangs_is_named_within_the_time_that_is_stated() {
    let folder = Folder::new("hang");
    let start = Instant::now();
    let output = run("hang", 3, &folder);
    // The timeout of 2 s, what ranks have to say that they are there, and the start.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let errors = errors(&output);
    assert!(!output.status.success());
    assert!(errors.contains("error: rank 1 has not answered for 2."), "{errors}");
}

#[test]
fn a_rank_that_stops_with_an_error_of_its_own_ends_all_with_it() {
    let folder = Folder::new("stop");
    let output = run("stop", 3, &folder);
    let errors = errors(&output);
    assert!(!output.status.success());
    assert!(errors.contains("rank 1 has stopped: the disk is full"), "{errors}");
}
