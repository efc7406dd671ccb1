//! What tests of ranks need: a folder of their own, and `mpirun`.
//!
//! In: a number of ranks. Out: a command that starts them.

use std::path::PathBuf;
use std::process::{Command, Output};

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

/// `mpirun` with a number of ranks, more than there are cores if need be; the one that
/// `ENDO_MPIRUN` names, where there are several.
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

/// The text of what a process has printed as errors.
pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
