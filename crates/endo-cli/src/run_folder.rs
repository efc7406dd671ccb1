//! The folder of a run: a model, its settings and its report, which carry the name of one run.
//!
//! In: a folder, and what a run has to leave. Out: files that are put in their place one by one,
//! the model first. A second run into a folder that is in use is refused, and what killed runs have
//! left is removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use endo::Result;
use endo::data::shown_path;
use endo::files::{self, Claim};

/// The file of the model.
pub const MODEL: &str = "model.endo";
/// The file of settings, columns, scores and history.
pub const SETTINGS: &str = "run.toml";
/// The page with figures of the training.
pub const REPORT: &str = "report.html";

/// A folder that this run alone writes to.
pub struct RunFolder {
    folder: PathBuf,
    /// The run whose files are replaced.
    pub replaced: Option<String>,
    claim: Option<Claim>,
    /// Whether the folder is there for this run alone.
    is_new: bool,
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        drop(self.claim.take());
        if self.is_new {
            // A run that fails leaves no folder; one with anything in it cannot be removed, and
            // shall not.
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

impl RunFolder {
    /// Claims a folder, which is made if it is missing.
    ///
    /// # Errors
    /// If another run has it, or files cannot be written to it.
    pub fn claim(folder: &Path) -> Result<Self> {
        let help = "choose another folder with --out FOLDER, or change its permissions";
        let is_new = !folder.exists();
        let claim = Claim::on(&folder.join(MODEL))?;
        [MODEL, SETTINGS, REPORT].into_iter().try_for_each(|name| {
            files::try_out(&folder.join(name)).map_err(|error| error.help(help))
        })?;
        files::remove_leftovers(folder, Duration::ZERO);
        let settings = fs::read_to_string(folder.join(SETTINGS)).ok();
        let replaced = match settings.as_deref().and_then(run_of_settings) {
            None if folder.join(MODEL).exists() => Some("unknown".to_string()),
            run => run,
        };
        Ok(Self { folder: folder.to_path_buf(), replaced, claim, is_new })
    }

    /// A folder that another process writes to.
    pub fn of_another(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), replaced: None, claim: None, is_new: false }
    }

    /// Whether no other run can have it, as far as the file system tells.
    pub fn is_claimed(&self) -> bool {
        self.claim.is_some()
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Puts the settings and the report beside the model, which is there already. What cannot be
    /// written hinders nothing else.
    ///
    /// # Errors
    /// What could not be written.
    pub fn put_beside(&self, settings: &str, report: &str) -> Result<()> {
        let put = |name: &str, text: &str| {
            files::write(&self.path(name), &[text.as_bytes()]).map_err(|error| {
                let message = format!(
                    "{}; the model is in {}",
                    error.message(),
                    shown_path(&self.path(MODEL))
                );
                error.with_message(message)
            })
        };
        let (settings, report) = (put(SETTINGS, settings), put(REPORT, report));
        settings.and(report)
    }
}

/// The title of a report that says which run it is of.
pub fn report_title(title: &str, run: &str) -> String {
    format!("{title}, run {run}")
}

/// The run that a report is of.
pub fn run_of_report(page: &str) -> Option<String> {
    let title = page.split_once("<title>")?.1.split_once("</title>")?.0;
    title.rsplit_once(", run ").map(|(_, run)| run.to_string())
}

/// The run that settings are of.
pub fn run_of_settings(text: &str) -> Option<String> {
    toml::from_str::<toml::Table>(text).ok()?.get("run")?.as_str().map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_and_settings_say_which_run_they_are_of() {
        let page = format!("<html><title>{}</title>", report_title("a, run b", "12ab"));
        assert_eq!(run_of_report(&page).as_deref(), Some("12ab"));
        assert_eq!(run_of_report("<html>"), None);
        assert_eq!(run_of_settings("run = \"12ab\"\n[a]\nrun = 1\n").as_deref(), Some("12ab"));
        assert_eq!(run_of_settings("run = "), None);
    }

    #[test]
    fn a_folder_is_claimed_by_one_run_and_says_what_is_replaced() {
        let folder = std::env::temp_dir().join(format!("endo-run-folder-{}", std::process::id()));
        drop(RunFolder::claim(&folder).unwrap());
        assert!(!folder.exists(), "a run that leaves nothing leaves no folder");
        let claimed = RunFolder::claim(&folder).unwrap();
        assert_eq!(claimed.replaced, None);
        assert!(RunFolder::claim(&folder).err().unwrap().message().contains("is in use"));
        fs::write(claimed.path(MODEL), "").unwrap();
        claimed.put_beside("run = \"1\"", "<title>x</title>").unwrap();
        drop(claimed);
        assert_eq!(RunFolder::claim(&folder).unwrap().replaced.as_deref(), Some("1"));
        fs::remove_file(folder.join(REPORT)).unwrap();
        fs::create_dir(folder.join(REPORT)).unwrap();
        assert!(RunFolder::claim(&folder).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_cannot_be_written_hinders_nothing_else() {
        let folder =
            std::env::temp_dir().join(format!("endo-run-folder-report-{}", std::process::id()));
        let claimed = RunFolder::claim(&folder).unwrap();
        fs::write(claimed.path(MODEL), "a model").unwrap();
        fs::create_dir_all(claimed.path(REPORT)).unwrap();
        let error = claimed.put_beside("run = \"1\"", "a page").unwrap_err();
        assert!(
            error.message().contains(REPORT) && error.message().contains("; the model is in "),
            "{error}"
        );
        assert_eq!(fs::read_to_string(claimed.path(SETTINGS)).unwrap(), "run = \"1\"");
        assert_eq!(fs::read_to_string(claimed.path(MODEL)).unwrap(), "a model");
        drop(claimed);
        fs::remove_dir_all(&folder).unwrap();
    }
}
