//! Jobs on ranks: the program of the tests starts itself under `mpirun`, and each rank does the job
//! that its environment names.
//!
//! In: the name of a job and a number of ranks. Out: what each rank has written to its file, and
//! how `mpirun` has ended.

use std::path::Path;
use std::process::{Child, Output, Stdio};

use super::support::{Folder, mpirun};

/// The variable that names the job of a rank.
pub const JOB: &str = "ENDO_MPI_TEST_JOB";
/// The variable that names the folder of a job.
pub const FOLDER: &str = "ENDO_MPI_TEST_FOLDER";

/// Begins a job on ranks.
pub fn start(job: &str, ranks: usize, folder: &Folder) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut command = mpirun(ranks);
    command
        .arg(program)
        .args(["--exact", "one_rank_of_a_job", "--ignored", "--nocapture", "--test-threads=1"])
        .env(JOB, job)
        .env(FOLDER, folder.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("`mpirun` is installed: apt-get install openmpi-bin libopenmpi-dev")
}

/// Does a job on ranks.
pub fn run(job: &str, ranks: usize, folder: &Folder) -> Output {
    start(job, ranks, folder).wait_with_output().unwrap()
}

/// What each rank has written.
pub fn written(folder: &Folder, ranks: usize) -> Vec<String> {
    let read = |rank: usize| std::fs::read_to_string(folder.path(&format!("rank-{rank}")));
    (0..ranks).map(|rank| read(rank).unwrap_or_default()).collect()
}

/// The process ids of the ranks of a job, by rank, once all have written them.
pub fn pids(folder: &Path, ranks: usize) -> Option<Vec<i32>> {
    let read = |rank: usize| std::fs::read_to_string(folder.join(format!("pid-{rank}"))).ok();
    (0..ranks).map(|rank| read(rank)?.trim().parse().ok()).collect()
}
