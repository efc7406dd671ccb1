//! Numbers that all ranks use and none has to hold: files in a folder that all of them see, mapped
//! into memory, so that ranks of one machine share their pages and each reads what it needs.
//!
//! In: the rows that each rank has, or makes. Out: arrays and tables over files with the rows of
//! all. Where the ranks do not see one folder there is no cache, and each holds all.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use endo::data::{Table, TablePart, shown_path};
use endo::shards::{Link, share_texts};
use endo::{Array, Error, ErrorKind, Lender, Result};
use xxhash_rust::xxh3::xxh3_64;

/// How a file becomes memory: mapped, or read where nothing can map it.
pub type MapFile = fn(&File) -> io::Result<Lender>;

/// A folder that all ranks see, with the files that they share. Rank 0 removes it at the end; what
/// killed runs have left is removed when the next run begins.
pub struct Cache {
    folder: PathBuf,
    link: Arc<dyn Link>,
    map: MapFile,
    /// Whether ranks are on several machines, as far as the system tells.
    is_spread: bool,
    /// The number of files so far, the same on all ranks.
    files: AtomicUsize,
}

/// The beginning of the name of the folder, within that of the run.
const NAME: &str = "cache-";
/// The file by which ranks find out that they see the same folder.
const TOKEN: &str = "token";
/// What a rank says that could not write a file, before the reason.
const FAILED: char = '!';
/// How many bytes at both ends of what a rank has written are compared with what others see: ranks
/// on several machines write side by side.
const COMPARED: usize = 1 << 12;
/// What tells a machine that runs from all others.
const MACHINE: &str = "/proc/sys/kernel/random/boot_id";

impl Drop for Cache {
    fn drop(&mut self) {
        if self.link.rank() == 0 {
            // What cannot be removed now is removed by the next run.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Cache {
    /// Makes a folder for the files within another, if all ranks see it; or says why they do not.
    /// What earlier runs have left there is removed if the other folder `is_claimed`, and so no
    /// other run's.
    ///
    /// # Errors
    /// Those of the link.
    pub fn open(
        link: &Arc<dyn Link>,
        map: MapFile,
        (within, is_claimed): (&Path, bool),
    ) -> Result<std::result::Result<Self, String>> {
        let made = if link.rank() == 0 { make(within, is_claimed) } else { Ok(String::new()) };
        let said = match &made {
            Ok(token) => token.clone(),
            Err(error) => format!("cannot write to `{}`: {error}", shown_path(within)),
        };
        let said = share_texts(&**link, &said)?.swap_remove(0);
        let Some(token) = said.strip_prefix(NAME) else { return Ok(Err(format!("rank 0 {said}"))) };
        let folder = within.join(&said);
        let seen = fs::read_to_string(folder.join(TOKEN)).is_ok_and(|seen| seen == token);
        let machine = fs::read_to_string(MACHINE).unwrap_or_default();
        let known = share_texts(&**link, &format!("{}{machine}", if seen { "sees" } else { "" }))?;
        let is_spread = machine.is_empty() || known.iter().any(|rank| *rank != known[0]);
        let files = AtomicUsize::new(0);
        // The folder is removed when this is dropped.
        let cache = Self { folder, link: link.clone(), map, is_spread, files };
        Ok(match known.iter().position(|known| !known.starts_with("sees")) {
            None => Ok(cache),
            Some(rank) => {
                let within = shown_path(within);
                Err(format!("rank {rank} does not see what rank 0 writes to `{within}`"))
            }
        })
    }

    /// What joins the ranks.
    pub fn link(&self) -> &dyn Link {
        &*self.link
    }

    /// A table of which each rank has a part.
    ///
    /// # Errors
    /// If a rank cannot write its part, or others do not see it as it was written; and those of the
    /// link.
    pub fn table(&self, part: TablePart) -> Result<Table> {
        let lender = self.share(part.bytes_of_all(), &part.pieces())?;
        part.over(&lender)
    }

    /// An array `[rows, ..]` of which each rank makes some rows.
    ///
    /// # Errors
    /// As those of [`table`](Self::table), and what this rank cannot make.
    pub fn rows(
        &self,
        rows: usize,
        make: impl FnOnce(Range<usize>) -> Result<Array>,
    ) -> Result<Array> {
        let (rank, ranks) = (self.link.rank(), self.link.ranks());
        let cut = |rank: usize| (rank as u128 * rows as u128 / ranks as u128) as usize;
        let own = make(cut(rank)..cut(rank + 1))?;
        let (shape, dtype) = (own.shape().with(0, rows), own.dtype());
        let bytes = shape.len() * dtype.bytes();
        let row = bytes / rows.max(1);
        let lender = self.share(bytes, &[(cut(rank) * row, own.bytes())])?;
        Array::over(shape, dtype, &lender, 0)
    }

    /// The rows of an array that all ranks have made, in memory that they share.
    ///
    /// # Errors
    /// As those of [`table`](Self::table).
    pub fn place(&self, array: &Array) -> Result<Array> {
        self.rows(array.shape().batch(), |own| Ok(array.rows(own)))
    }

    /// Writes what this rank has of a file, and maps the whole when all have.
    fn share(&self, bytes: usize, pieces: &[(usize, &[u8])]) -> Result<Lender> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(number.to_string());
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            let message = format!("cannot {what} `{}`: {error}", shown_path(&path));
            Error::new(ErrorKind::Io, message).help(
                "the ranks share the data in files there: give the run a folder on another disk \
                 with --out FOLDER, one with enough space that all ranks see, or that only rank 0 \
                 sees, and then each rank holds all data",
            )
        };
        let ends = pieces.iter().map(|&(start, piece)| {
            let [first, last] = ends(piece).map(xxh3_64);
            format!("{start} {} {first} {last}\n", piece.len())
        });
        let said = match self.write(&path, bytes, pieces) {
            Ok(()) => ends.collect::<String>(),
            Err(error) => format!("{FAILED}{error}"),
        };
        let written = share_texts(&*self.link, &said)?;
        // By now all have mapped the file before, which needs its name no more.
        if self.link.rank() == 0 && !self.is_spread && number > 0 {
            let _ = fs::remove_file(self.folder.join((number - 1).to_string()));
        }
        let failure = |said: &String| said.strip_prefix(FAILED).map(str::to_string);
        if let Some((rank, why)) =
            written.iter().enumerate().find_map(|(rank, said)| Some((rank, failure(said)?)))
        {
            return Err(failed("write", &format!("{why}, on rank {rank}")));
        }
        if bytes == 0 {
            return Ok(Arc::new(Vec::new()));
        }
        let file = File::open(&path).and_then(|file| (self.map)(&file));
        let lender = file.map_err(|error| failed("read", &error))?;
        let seen = (*lender).as_ref();
        let is_kept = |line: &str| is_kept(seen, line) == Some(true);
        match written.iter().position(|lines| !lines.lines().all(is_kept)) {
            None => Ok(lender),
            Some(writer) => {
                let rank = self.link.rank();
                let what = format!("rank {rank} does not see there what rank {writer} has written");
                Err(failed("use", &what))
            }
        }
    }

    fn write(&self, path: &Path, bytes: usize, pieces: &[(usize, &[u8])]) -> io::Result<()> {
        let mut file = File::options().write(true).create(true).truncate(false).open(path)?;
        file.set_len(bytes as u64)?;
        for (start, piece) in pieces {
            file.seek(SeekFrom::Start(*start as u64))?;
            file.write_all(piece)?;
        }
        // Only then do other machines see it for certain.
        if self.is_spread { file.sync_all() } else { Ok(()) }
    }

    /// Waits until all ranks have done with the files, which are removed then.
    ///
    /// # Errors
    /// Those of the link.
    pub fn close(&self) -> Result<()> {
        share_texts(&*self.link, "done").map(drop)
    }
}

/// Removes what earlier runs have left in a folder, if it `clears` it, and makes one within it.
/// Returns its name.
fn make(within: &Path, clears: bool) -> io::Result<String> {
    for entry in fs::read_dir(within)?.flatten() {
        let name = entry.file_name();
        let is_left = name.to_str().and_then(|name| name.strip_prefix(NAME)).is_some_and(is_token);
        if is_left && clears {
            if entry.path().join(TOKEN).exists() {
                fs::remove_dir_all(entry.path())?;
            } else {
                // Where the token is gone, the files are, too.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let token = format!("{:016x}", xxh3_64(format!("{now} {}", std::process::id()).as_bytes()));
    let name = format!("{NAME}{token}");
    fs::create_dir(within.join(&name))?;
    fs::write(within.join(&name).join(TOKEN), &token)?;
    Ok(name)
}

fn is_token(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Both ends of a piece.
fn ends(piece: &[u8]) -> [&[u8]; 2] {
    let length = piece.len().min(COMPARED);
    [&piece[..length], &piece[piece.len() - length..]]
}

/// Whether the bytes of a file are at both ends of a piece what a rank says that it has written.
fn is_kept(seen: &[u8], written: &str) -> Option<bool> {
    let mut words = written.split(' ');
    let mut number = || words.next()?.parse::<u64>().ok();
    let start = usize::try_from(number()?).ok()?;
    let end = start.checked_add(usize::try_from(number()?).ok()?)?;
    let hashes = [number()?, number()?];
    Some(ends(seen.get(start..end)?).map(xxh3_64) == hashes)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use endo::DType;
    use endo::shards::Threads;

    use super::*;

    /// A folder that is gone when the test is.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("endo-cache-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn is_empty(&self) -> bool {
            fs::read_dir(&self.0).unwrap().next().is_none()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn read(mut file: &File) -> io::Result<Lender> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Arc::new(bytes))
    }

    /// Another byte than the one that was written last.
    fn read_wrongly(mut file: &File) -> io::Result<Lender> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        Ok(Arc::new(bytes))
    }

    #[test]
    fn all_ranks_have_the_rows_of_all_and_nothing_is_left() {
        let folder = Folder::new("rows");
        let all = Array::from_fn([7, 3], |at| at as f32);
        for ranks in [2, 3, 8] {
            let arrays = Threads::run(ranks, |link| {
                let link: Arc<dyn Link> = link.into();
                let cache = Cache::open(&link, read, (&folder.0, true)).unwrap().ok().unwrap();
                let rows = cache.rows(7, |own| Ok(all.rows(own))).unwrap();
                let placed = cache.place(&all.cast(DType::F64)).unwrap();
                let none = cache.rows(0, |_| Ok(Array::zeros([0, 3], DType::I32))).unwrap();
                assert_eq!(none.shape().sizes(), [0, 3]);
                cache.close().unwrap();
                (rows, placed)
            });
            for (rows, placed) in arrays {
                assert_eq!((rows, placed), (all.clone(), all.cast(DType::F64)));
            }
            assert!(folder.is_empty());
        }
    }

    #[test]
    fn ranks_that_see_other_folders_have_no_cache_and_are_told_why() {
        let folders = ["first", "second"].map(Folder::new);
        let whys = Threads::run(2, |link| {
            let within = &folders[link.rank()].0;
            let link: Arc<dyn Link> = link.into();
            Cache::open(&link, read, (within, true)).unwrap().err().unwrap()
        });
        for why in whys {
            assert!(why.starts_with("rank 1 does not see what rank 0 writes to `"), "{why}");
        }
        assert!(folders.iter().all(Folder::is_empty));
        let whys = Threads::run(2, |link| {
            let link: Arc<dyn Link> = link.into();
            Cache::open(&link, read, (Path::new("/no/such/folder"), true)).unwrap().err().unwrap()
        });
        for why in whys {
            assert!(why.starts_with("rank 0 cannot write to `/no/such/folder`: "), "{why}");
        }
    }

    #[test]
    fn what_killed_runs_have_left_is_removed_and_nothing_else() {
        let folder = Folder::new("left");
        let left = folder.0.join(make(&folder.0, true).unwrap());
        let other = folder.0.join("cache-of-mine");
        fs::create_dir(&other).unwrap();
        // A folder that may be another run's is left alone.
        let new = folder.0.join(make(&folder.0, false).unwrap());
        assert!(left.exists() && other.exists() && new.join(TOKEN).exists());
        let new = folder.0.join(make(&folder.0, true).unwrap());
        assert!(!left.exists() && other.exists() && new.join(TOKEN).exists());
    }

    #[test]
    fn what_one_rank_cannot_write_is_the_error_of_all_and_nothing_is_left() {
        let folder = Folder::new("full");
        let errors = Threads::run(3, |link| {
            let rank = link.rank();
            let link: Arc<dyn Link> = link.into();
            let cache = Cache::open(&link, read, (&folder.0, true)).unwrap().ok().unwrap();
            if rank == 1 {
                // A folder stands where the file has to be.
                fs::create_dir(cache.folder.join("0")).unwrap();
            }
            share_texts(&*link, "").unwrap();
            cache.place(&Array::zeros([6, 2], DType::F32)).unwrap_err()
        });
        for error in errors {
            assert!(error.message().contains("cannot write `"), "{error}");
            assert!(error.message().ends_with(", on rank 0"), "{error}");
        }
        assert!(folder.is_empty());
    }

    #[test]
    fn a_disk_that_does_not_keep_what_ranks_write_is_found_out() {
        let folder = Folder::new("lost");
        let errors = Threads::run(2, |link| {
            let link: Arc<dyn Link> = link.into();
            let cache = Cache::open(&link, read_wrongly, (&folder.0, true)).unwrap().ok().unwrap();
            let error = cache.place(&Array::zeros([4, 2], DType::F32)).unwrap_err();
            cache.close().unwrap();
            error
        });
        for (rank, error) in errors.iter().enumerate() {
            let what = format!("rank {rank} does not see there what rank 1 has written");
            assert!(error.message().ends_with(&what), "{error}");
        }
    }
}
