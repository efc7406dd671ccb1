//! Jobs on ranks: the program of the tests starts itself under `mpirun`, and each rank does the job
//! that its environment names.
//!
//! In: the name of a job and a number of ranks. Out: what each rank has written to its file, and
//! how `mpirun` has ended.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The variable that names the job of a rank.
pub const JOB: &str = "ENDO_MPI_TEST_JOB";
/// The variable that names the folder of a job.
pub const FOLDER: &str = "ENDO_MPI_TEST_FOLDER";

/// A folder that is gone when the test is.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("endo-mpi-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `mpirun` with so many ranks, more than there are cores if need be; the one that `ENDO_MPIRUN`
/// names, where there are several.
pub fn mpirun(ranks: usize) -> Command {
    let launcher = std::env::var("ENDO_MPIRUN").unwrap_or_else(|_| "mpirun".to_string());
    let mut command = Command::new(launcher);
    command.args(["-n", &ranks.to_string()]);
    for (name, value) in [
        ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
        ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
        ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
        ("OMPI_MCA_hwloc_base_binding_policy", "none"),
        // Shared memory without the privilege that containers do not have.
        ("OMPI_MCA_btl_vader_single_copy_mechanism", "none"),
    ] {
        command.env(name, value);
    }
    command
}

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

/// The text of what a process has printed as errors.
pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The process ids of the ranks of a job, by rank, once all have written them.
pub fn pids(folder: &Path, ranks: usize) -> Option<Vec<i32>> {
    let read = |rank: usize| std::fs::read_to_string(folder.join(format!("pid-{rank}"))).ok();
    (0..ranks).map(|rank| read(rank)?.trim().parse().ok()).collect()
}
