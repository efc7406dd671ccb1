//! Claims on files that two runs must not share.
//!
//! In: the path of a file of a run. Out: a lock on a file beside it, which nobody else gets while
//! it is held, in this process or another; or the error that says who has it.

use std::cell::RefCell;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::shown::shown_path;

use super::{beside, discard, make_folder};

/// The right to a file of a run, as a lock on a file beside it. The system takes it back when the
/// process ends, however it ends.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    file: File,
}

impl Claim {
    /// Claims a file. None where the file system has no locks or no file can be made: the run goes
    /// on without, and what is wrong is said when its files are written.
    ///
    /// # Errors
    /// If another run has it, in this process or another.
    pub fn on(file_of_run: &Path) -> Result<Option<Self>> {
        let path = beside(file_of_run, ".lock");
        loop {
            let opened = make_folder(&path)
                .and_then(|_| File::options().append(true).create(true).open(&path));
            let Ok(file) = opened else { return Ok(None) };
            match file.try_lock() {
                Ok(()) if leads_to(&path, &file) => return Ok(Some(Self { path, file })),
                // Who had it has removed the file since it was opened here, so this lock says
                // nothing.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(taken(file_of_run, &path)),
                Err(TryLockError::Error(_)) => {
                    discard(&path);
                    return Ok(None);
                }
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Removed while it is locked: who opens it before and locks it after finds that the path
        // does not lead to it.
        if cfg!(unix) && leads_to(&self.path, &self.file) {
            discard(&self.path);
        }
        // A child process that is just being started may have a copy of the file, with which it
        // would stay locked.
        let _ = self.file.unlock();
    }
}

/// The claims of a run, by the path of the file. Where there is no claim to be had, none is asked
/// for again.
#[derive(Default)]
pub(crate) struct Claims(RefCell<Vec<(PathBuf, Option<Claim>)>>);

impl Claims {
    /// Claims a file, unless the run has it.
    ///
    /// # Errors
    /// If another run has it.
    pub fn add(&self, path: &Path) -> Result<()> {
        let mut claims = self.0.borrow_mut();
        if claims.iter().all(|(known, _)| known != path) {
            claims.push((path.to_path_buf(), Claim::on(path)?));
        }
        Ok(())
    }

    /// Lets others have what this run had.
    pub fn release(&self) {
        self.0.borrow_mut().clear();
    }
}

fn taken(path: &Path, lock: &Path) -> Error {
    let message = format!(
        "{} is in use: another run writes it, in this process or another",
        shown_path(path)
    );
    let help = format!(
        "wait until that run is done, stop it, or give this one another path; the lock on {} ends \
            with its process, however that ends",
        shown_path(lock)
    );
    Error::usage(message, help)
}

/// Whether a path leads to an open file still.
#[cfg(unix)]
fn leads_to(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (fs::metadata(path), file.metadata()) {
        (Ok(there), Ok(here)) => identity(there) == identity(here),
        _ => false,
    }
}

/// Where files have no identities that could be compared, lock files are not removed.
#[cfg(not(unix))]
fn leads_to(_: &Path, _: &File) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::tests::Folder;
    use super::*;

    #[test]
    fn one_at_a_time_has_a_claim_and_the_last_leaves_no_file() {
        let folder = Folder::new("claim");
        let path = folder.0.join("deeper/run");
        let claim = Claim::on(&path).unwrap();
        assert!(claim.is_some());
        let error = Claim::on(&path).unwrap_err();
        assert!(
            error.message().ends_with(
                "deeper/run is in use: another run writes it, in this process or another"
            ),
            "{error}"
        );
        error.advises("give this one another path");
        drop(claim);
        assert!(Claim::on(&path).unwrap().is_some());
        assert_eq!(fs::read_dir(folder.0.join("deeper")).unwrap().count(), 0);
        fs::write(beside(&path, ".lock"), "").unwrap(); // what a killed process leaves
        assert!(Claim::on(&path).unwrap().is_some());
    }

    #[test]
    fn threads_that_claim_one_path_again_and_again_never_have_it_at_once() {
        let folder = Folder::new("threads");
        let (path, holders, turns) = (folder.0.join("run"), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let Ok(claim) = Claim::on(&path) else { continue };
                        assert!(claim.is_some());
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        turns.fetch_add(1, Ordering::SeqCst);
                        assert_eq!(holders.fetch_sub(1, Ordering::SeqCst), 1);
                    }
                });
            }
        });
        assert!(turns.into_inner() > 0);
        assert!(folder.names().is_empty());
    }
}
