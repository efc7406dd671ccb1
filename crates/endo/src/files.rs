//! Files that are put in their place whole, and claims on files that two runs must not share
//! (`claim`).
//!
//! In: a path, and the bytes of its file in one piece or several. Out: the file, of which a reader
//! finds all that was there before or all that is there now; a claim on a path, which nobody else
//! gets while it is held.

mod claim;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::shown::shown_path;

pub use claim::Claim;
pub(crate) use claim::Claims;

/// The number of the next temporary file. With the number of the process it is mostly unused; that
/// it is, `create_new` makes sure.
static NUMBER: AtomicU64 = AtomicU64::new(0);
/// Nobody writes any more to a file of a process that is gone, and that was last written so long
/// ago.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// Writes these pieces to a file, which is replaced at once or not at all. Missing folders are
/// made. What a link leads to is replaced, and not the link; what is no file, such as a pipe or
/// `/dev/null`, is written to.
pub fn write(path: &Path, pieces: &[&[u8]]) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut draft = Draft::begin(path)?;
        pieces.iter().try_for_each(|piece| draft.write_all(piece))?;
        draft.place()
    };
    write().map_err(|error| failure("cannot write", path, &error))
}

/// A file that is written bit by bit, and put in its place whole at the end. Dropped before that,
/// it leaves what was there. Links and what is no file are treated as by [`write`]: what is in a
/// pipe already stays there.
pub struct Draft {
    path: PathBuf,
    /// None where it is no file that is written to.
    temporary: Option<PathBuf>,
    file: Option<io::BufWriter<File>>,
}

impl Draft {
    /// Begins a file of this path. Missing folders are made.
    pub fn new(path: &Path) -> Result<Self> {
        let draft = Self::begin(path).map_err(|error| failure("cannot write", path, &error))?;
        if let Some(folder) = draft.temporary.as_ref().and_then(|temporary| temporary.parent()) {
            remove_leftovers(folder, FORGOTTEN);
        }
        Ok(draft)
    }

    fn begin(path: &Path) -> io::Result<Self> {
        let (path, temporary, file) = if is_stream(path)? {
            (path.to_path_buf(), None, open_stream(path)?)
        } else {
            let path = end_of_links(path);
            let (temporary, file) = create_temporary(make_folder(&path)?)?;
            (path, Some(temporary), file)
        };
        Ok(Self { path, temporary, file: Some(io::BufWriter::new(file)) })
    }

    /// Puts it in its place, when all is on the disk.
    pub fn finish(self) -> Result<()> {
        let path = self.path.clone();
        self.place().map_err(|error| failure("cannot write", &path, &error))
    }

    fn place(mut self) -> io::Result<()> {
        let file = self.file.take().expect("a draft has its file until it is in its place");
        let written = file.into_inner().map_err(io::IntoInnerError::into_error);
        let placed = written.and_then(|file| match &self.temporary {
            Some(temporary) => file.sync_all().and_then(|()| fs::rename(temporary, &self.path)),
            None => Ok(()),
        });
        placed.inspect_err(|_| self.discard())
    }

    fn discard(&self) {
        if let Some(temporary) = &self.temporary {
            discard(temporary);
        }
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            self.discard();
        }
    }
}

/// Removes the temporary files that killed processes have left in a folder and that nobody has
/// written for so long. Those of living processes stay, and all where the system does not say which
/// processes live. What a process of another machine writes to is only known by its age, unless the
/// folder is claimed.
pub fn remove_leftovers(folder: &Path, age: Duration) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let processes = Path::new("/proc");
    if !processes.join("self").exists() {
        return;
    }
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name
            .to_str()
            .and_then(|name| name.strip_prefix(".endo-")?.strip_suffix(".tmp")?.split('-').next());
        let is_dead = process.is_some_and(|process| {
            process.parse::<u32>().is_ok() && !processes.join(process).exists()
        });
        if is_dead && (age.is_zero() || is_older(&entry, age)) {
            discard(&entry.path());
        }
    }
}

fn is_older(entry: &fs::DirEntry, age: Duration) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok();
    modified.and_then(|modified| modified.elapsed().ok()).is_some_and(|elapsed| elapsed >= age)
}

/// Writes a temporary file that nobody else writes or reads, to be renamed by the caller; when all
/// is on the disk, or removes it.
pub(crate) fn write_temporary(path: &Path, bytes: &[u8]) -> Result<()> {
    let fill = |mut file: File| file.write_all(bytes).and_then(|()| file.sync_all());
    make_folder(path)
        .and_then(|_| File::create(path))
        .and_then(|file| fill(file).inspect_err(|_| discard(path)))
        .map_err(|error| failure("cannot write", path, &error))
}

/// Fails now if a file could not be written later: makes missing folders, and a file beside it,
/// which it removes.
pub fn try_out(path: &Path) -> Result<()> {
    let try_out = || -> io::Result<()> {
        // To open a pipe and close it again would end it for its reader.
        if is_stream(path)? {
            Ok(())
        } else {
            create_temporary(make_folder(&end_of_links(path))?)
                .and_then(|(temporary, _)| fs::remove_file(temporary))
        }
    };
    try_out().map_err(|error| failure("cannot write", path, &error))
}

/// Whether there is something that is no file: a pipe, a terminal, `/dev/null`. To put a file in
/// its place would take it from all who use it. A folder is an error.
fn is_stream(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => {
            Err(io::Error::new(io::ErrorKind::IsADirectory, "there is a folder of that name"))
        }
        there => Ok(there.is_ok_and(|there| !there.is_file())),
    }
}

fn open_stream(path: &Path) -> io::Result<File> {
    File::options().write(true).open(path)
}

/// The file that a path leads to through links, also if it is not there yet.
fn end_of_links(path: &Path) -> PathBuf {
    /// The most links that systems follow.
    const MOST: usize = 40;
    let mut end = path.to_path_buf();
    for _ in 0..MOST {
        let Ok(next) = fs::read_link(&end) else { break };
        end = end.parent().unwrap_or(Path::new("")).join(next);
    }
    end
}

/// Makes the folders above a file, and returns the innermost.
fn make_folder(path: &Path) -> io::Result<&Path> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map(|()| folder)
}

/// A file that nobody else has: no other thread or process, and no other machine that shares the
/// folder. Its name is short, however long the name is that it will get.
fn create_temporary(folder: &Path) -> io::Result<(PathBuf, File)> {
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".endo-{}-{number}.tmp", std::process::id()));
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes a file that was not put in its place. What hindered its writing may hinder its removal
/// too; that is said already.
fn discard(path: &Path) {
    let _ = fs::remove_file(path);
}

/// A path with something added to the name of its file.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(suffix);
    path.with_file_name(name)
}

/// The error of a file whose content is not what is needed.
pub(crate) fn unfit(path: &Path, what: impl std::fmt::Display, help: &str) -> Error {
    Error::data(format!("{}: {what}", shown_path(path)), help)
}

/// The error of a file that cannot be read, written, or whatever else was tried.
pub(crate) fn failure(what: &str, path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, format!("{what} {}: {error}", shown_path(path)))
        .help("check the path, the permissions and the space left")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) struct Folder(pub PathBuf);

    impl Folder {
        pub fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("endo-files-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        pub fn names(&self) -> Vec<String> {
            let mut names: Vec<String> = fs::read_dir(&self.0)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn pieces_are_one_file_and_nothing_is_left_beside_it() {
        let folder = Folder::new("pieces");
        let path = folder.0.join("a");
        write(&path, &[b"before"]).unwrap();
        write(&path, &[b"one", b"", b" two"]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one two");
        write(&folder.0.join("deeper/b/c"), &[]).unwrap();
        try_out(&folder.0.join("d")).unwrap();
        assert_eq!(folder.names(), ["a", "deeper"]);
    }

    #[test]
    fn a_draft_is_in_its_place_when_it_is_finished_and_not_before() {
        let folder = Folder::new("draft");
        let path = folder.0.join("a");
        write(&path, &[b"before"]).unwrap();
        let mut draft = Draft::new(&path).unwrap();
        draft.write_all(b"one ").unwrap();
        draft.write_all(b"two").unwrap();
        assert_eq!(
            (fs::read(&path).unwrap().as_slice(), folder.names().len()),
            (b"before".as_slice(), 2)
        );
        drop(draft);
        assert_eq!(
            (fs::read(&path).unwrap().as_slice(), folder.names().len()),
            (b"before".as_slice(), 1)
        );
        let mut draft = Draft::new(&path).unwrap();
        draft.write_all(b"after").unwrap();
        draft.finish().unwrap();
        assert_eq!(
            (fs::read(&path).unwrap().as_slice(), folder.names().len()),
            (b"after".as_slice(), 1)
        );
        assert!(Draft::new(&folder.0).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_what_they_lead_to_is_replaced() {
        let folder = Folder::new("links");
        fs::write(folder.0.join("file"), "before").unwrap();
        for (link, file) in [("link", "file"), ("dangling", "other")] {
            let path = folder.0.join(link);
            std::os::unix::fs::symlink(file, &path).unwrap();
            try_out(&path).unwrap();
            write(&path, &[b"written"]).unwrap();
            assert_eq!(fs::read(folder.0.join(file)).unwrap(), b"written");
            let mut draft = Draft::new(&path).unwrap();
            draft.write_all(b"drafted").unwrap();
            draft.finish().unwrap();
            assert_eq!(fs::read(folder.0.join(file)).unwrap(), b"drafted");
            assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        }
        assert_eq!(folder.names().len(), 4, "no temporary file is left");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn pipes_are_written_to_and_stay_pipes() {
        let folder = Folder::new("pipe");
        let path = folder.0.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let read = || {
            std::thread::spawn({
                let path = path.clone();
                move || fs::read(path).unwrap()
            })
        };
        try_out(&path).unwrap();
        let reader = read();
        write(&path, &[b"one", b" two"]).unwrap();
        assert_eq!(reader.join().unwrap(), b"one two");
        let reader = read();
        let mut draft = Draft::new(&path).unwrap();
        draft.write_all(b"three").unwrap();
        draft.finish().unwrap();
        assert_eq!(reader.join().unwrap(), b"three");
        assert!(is_stream(&path).unwrap() && folder.names() == ["pipe"]);
    }

    #[test]
    fn leftovers_of_dead_processes_are_removed() {
        let folder = Folder::new("leftovers");
        let mine = format!(".endo-{}-7.tmp", std::process::id());
        let dead = format!(".endo-{}-7.tmp", u32::MAX);
        for name in [&mine, &dead, ".endo-x-1.tmp", "a.tmp"] {
            fs::write(folder.0.join(name), "").unwrap();
        }
        remove_leftovers(&folder.0, FORGOTTEN);
        assert_eq!(folder.names().len(), 4, "another machine may write it");
        remove_leftovers(&folder.0, Duration::ZERO);
        assert_eq!(folder.names(), [mine.as_str(), ".endo-x-1.tmp", "a.tmp"].map(String::from));
        let old = File::create(folder.0.join(&dead)).unwrap();
        old.set_modified(std::time::SystemTime::now() - 2 * FORGOTTEN).unwrap();
        drop(Draft::new(&folder.0.join("b")).unwrap());
        assert_eq!(folder.names(), [mine.as_str(), ".endo-x-1.tmp", "a.tmp"].map(String::from));
        remove_leftovers(&folder.0.join("none"), Duration::ZERO);
    }

    #[test]
    fn a_name_may_be_as_long_as_the_file_system_lets_it_be() {
        let folder = Folder::new("long");
        let name = "n".repeat(255);
        write(&folder.0.join(&name), &[b"x"]).unwrap();
        assert_eq!(folder.names(), [name]);
        let error = write(&folder.0.join("n".repeat(256)), &[b"x"]).unwrap_err();
        assert!(
            error.message().starts_with("cannot write ") && error.advice().is_some(),
            "{error}"
        );
        assert_eq!(folder.names().len(), 1, "the temporary file is removed");
    }

    #[test]
    fn a_temporary_file_of_somebody_else_is_left_alone() {
        let folder = Folder::new("taken");
        // Those of a process of the same number on another machine, say.
        let next = NUMBER.load(Ordering::Relaxed);
        let others: Vec<String> = (next..next + 100)
            .map(|number| format!(".endo-{}-{number}.tmp", std::process::id()))
            .collect();
        for name in &others {
            fs::write(folder.0.join(name), "theirs").unwrap();
        }
        write(&folder.0.join("a"), &[b"mine"]).unwrap();
        assert!(others.iter().all(|name| fs::read(folder.0.join(name)).unwrap() == b"theirs"));
        assert_eq!(folder.names().len(), 101);
    }

    #[test]
    fn a_folder_is_no_file() {
        let folder = Folder::new("folder");
        for error in [write(&folder.0, &[b"x"]).unwrap_err(), try_out(&folder.0).unwrap_err()] {
            assert!(
                error.kind() == ErrorKind::Io && error.message().starts_with("cannot write "),
                "{error}"
            );
        }
        assert!(folder.names().is_empty());
    }
}
