//! What the compiler says of wrong programs: the library's own sentences in its messages.
//!
//! In: `compiler/wrong.rs`, where a line that is wrong ends with `//~` and a part of what is to be
//! said of it. Out: a failure, named, where that is not said, or where a line is refused that is
//! right.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The library that this test was built with: the one that was built last.
fn library(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("libendo-") && name.ends_with(".rlib")
    };
    let built = |path: &PathBuf| fs::metadata(path).unwrap().modified().unwrap();
    files.filter(is_library).max_by_key(built).expect("a library beside the test")
}

/// Every message and note of an error with the line that it is about.
fn errors(messages: &str) -> Vec<(usize, String)> {
    let parsed = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_error = |message: Value| {
        let spans = message["spans"].as_array()?;
        let line =
            spans.iter().find(|span| span["is_primary"] == true)?["line_start"].as_u64()? as usize;
        let notes = message["children"].as_array()?.iter().map(|note| &note["message"]);
        let text: Vec<&str> =
            [&message["message"]].into_iter().chain(notes).filter_map(Value::as_str).collect();
        (message["level"] == "error").then(|| (line, text.join("\n")))
    };
    parsed.filter_map(of_error).collect()
}

#[test]
fn wrong_programs_are_told_what_to_write() {
    let test = env::current_exe().unwrap();
    let folder = test.parent().unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compiler/wrong.rs");
    // Where a target is named, macros that run in the compiler lie with the host's libraries:
    // `deps` of the same profile.
    let profile = folder.parent().unwrap();
    let of_host =
        profile.ancestors().nth(2).unwrap().join(profile.file_name().unwrap()).join("deps");
    let made = env::temp_dir().join(format!("endo-compiler-{}", std::process::id()));
    fs::create_dir_all(&made).unwrap();
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    let output = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()))
        .args(["--edition=2024", "--error-format=json", "--emit=metadata", "--out-dir"])
        .arg(&made)
        .args(flags.split_whitespace())
        .arg(format!("--extern=endo={}", library(folder).display()))
        .args([folder, &of_host].map(|folder| format!("-Ldependency={}", folder.display())))
        .arg(&program)
        .output()
        .unwrap();
    fs::remove_dir_all(&made).unwrap();
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "wrong programs were compiled");

    let text = fs::read_to_string(&program).unwrap();
    let expected: BTreeMap<usize, &str> = text
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index + 1, line.split_once("//~")?.1.trim())))
        .collect();
    let errors = errors(&messages);
    assert!(!errors.is_empty(), "no error has a line: {messages}");
    for (line, sentence) in &expected {
        let said: Vec<&str> = errors
            .iter()
            .filter(|(place, _)| place == line)
            .map(|(_, text)| text.as_str())
            .collect();
        assert!(
            said.iter().any(|text| text.contains(sentence)),
            "line {line}: `{sentence}` is not in {said:#?}"
        );
    }
    let others: Vec<_> = errors.iter().filter(|(line, _)| !expected.contains_key(line)).collect();
    assert!(others.is_empty(), "these lines are not marked as wrong: {others:#?}");
}
