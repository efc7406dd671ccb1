//! Trainings that ranks share, here as threads: the same model on any number of them, whether they
//! share the data on a disk or each holds all.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use endo::shards::{Link, Shards, Threads};
use endo_cli::ranks::Ranks;

/// A folder that is gone when the test is.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("endo-ranks-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

/// Trains on some ranks, each of which is told a folder for the results. Whether all end well.
fn train(ranks: usize, data: &Path, model: &str, out: impl Fn(usize) -> PathBuf + Sync) -> bool {
    let codes = Threads::run(ranks, |link| {
        let line = format!(
            "endo train --target y --epochs 2 --threads 1 --no-refit --quiet --model {model}"
        );
        let mut words: Vec<OsString> = line.split(' ').map(Into::into).collect();
        let out = out(link.rank());
        words.extend(["--data".into(), data.into(), "--out".into(), out.into()]);
        endo_cli::run_on(words, Some(Ranks::new(link.into(), Shards::new(8))))
    });
    codes.iter().all(|code| *code == ExitCode::SUCCESS)
}

/// A table with line breaks in cells, categories and dates, and perhaps with gaps.
fn table(folder: &Folder, gaps: bool) -> PathBuf {
    let mut text = "name,size,kind,day,y\n".to_string();
    for row in 0..120_u32 {
        let is_gap = gaps && row % 11 == 0;
        let size = if is_gap { String::new() } else { format!("{}.5", row * 7 % 40) };
        let kind = ["a", "\"b\nb\"", "\"c \"\"c\"\"\""][row as usize % 3];
        let (day, y) = (1 + row % 28, f64::from(row * 7 % 40) + f64::from(row % 3));
        text += &format!("\"row\n{row}\",{size},{kind},2024-01-{day:02},{y}\r\n");
    }
    let path = folder.0.join("table.csv");
    fs::write(&path, text.trim_end()).unwrap();
    path
}

#[test]
fn ranks_that_share_the_data_learn_what_one_learns() {
    let folder = Folder::new("shared");
    for (model, gaps) in [("regressor", false), ("tabular", true)] {
        let data = table(&folder, gaps);
        let model_of = |ranks: usize| {
            let out = folder.0.join(format!("{model}-{ranks}"));
            assert!(train(ranks, &data, model, |_| out.clone()), "{model} on {ranks} ranks");
            // Nothing is left of the files that they have shared.
            assert_eq!(fs::read_dir(&out).unwrap().count(), 3, "{model} on {ranks} ranks");
            fs::read(out.join("model.endo")).unwrap()
        };
        let alone = model_of(1);
        for ranks in [2, 3, 8] {
            assert!(model_of(ranks) == alone, "{model} on {ranks} ranks");
        }
        // Each rank has a folder of its own, so that none sees what another writes.
        let out = |rank: usize| folder.0.join(format!("{model}-alone-{rank}"));
        assert!(train(3, &data, model, out));
        assert!(fs::read(out(0).join("model.endo")).unwrap() == alone, "{model} without a cache");
        assert!(!out(1).exists());
    }
}

#[test]
fn ranks_that_fail_leave_nothing() {
    let folder = Folder::new("failed");
    let data = table(&folder, false);
    let text = fs::read_to_string(&data).unwrap();
    for (bad, why) in [(text + "\r\none,two\r\n", "a short row"), ("y\n".to_string(), "no row")] {
        fs::write(&data, bad).unwrap();
        let out = folder.0.join("out");
        assert!(!train(3, &data, "regressor", |_| out.clone()), "{why}");
        assert!(!out.exists(), "{why}");
    }
}
