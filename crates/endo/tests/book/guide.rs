//! The guide: every chapter's code is run by the tests, no chapter is too long, and its tables are
//! true.
//!
//! In: `docs/src`, and the examples. Out: the chapters that are left out, the lines that were
//! counted wrong, the tests that are not.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files that the table of contents links to.
fn chapters() -> Vec<String> {
    let contents = read("docs/src/SUMMARY.md");
    let chapters: Vec<String> = contents
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(str::to_string)
        .collect();
    assert!(chapters.len() > 10, "{chapters:?}");
    chapters
}

/// The rows of the tables of a chapter, cell by cell, without the heads.
fn rows(chapter: &str) -> Vec<Vec<String>> {
    let text = read(Path::new("docs/src").join(chapter));
    let cells = |line: &str| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_string()).collect::<Vec<_>>()
    };
    let lines: Vec<&str> = text.lines().collect();
    let is_row = |index: usize| {
        let rule = |line: &&str| line.starts_with("|---");
        lines[index].starts_with("| ") && !lines.get(index + 1).is_some_and(rule)
    };
    (0..lines.len()).filter(|&index| is_row(index)).map(|index| cells(lines[index])).collect()
}

/// What stands between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The lines of code of an example between the marks of a name, and their characters without
/// blanks.
fn code(file: &str, name: &str) -> (usize, usize) {
    let text = read(Path::new("crates/endo/examples").join(file));
    let (start, end) = (format!("// ANCHOR: {name}"), format!("// ANCHOR_END: {name}"));
    let (mut inside, mut lines, mut characters) = (false, 0, 0);
    for line in text.lines() {
        match line.trim() {
            mark if mark == start => inside = true,
            mark if mark == end => inside = false,
            line if inside => {
                let code = line.split("//").next().unwrap_or_default();
                let count = code.chars().filter(|letter| !letter.is_whitespace()).count();
                lines += usize::from(count > 0);
                characters += count;
            }
            _ => {}
        }
    }
    assert!(!inside && lines > 0, "{file} has no part called `{name}`");
    (lines, characters)
}

#[test]
fn every_chapter_is_run_by_the_tests_and_none_is_too_long() {
    let library = read("crates/endo/src/lib.rs");
    for chapter in chapters() {
        let text = read(Path::new("docs/src").join(&chapter));
        assert!(
            library.contains(&format!("docs/src/{chapter}\")")),
            "the code of {chapter} is not run: see the end of lib.rs"
        );
        assert!(text.lines().count() <= 500, "{chapter} is longer than 500 lines");
        assert_eq!(text.matches("\n```").count() % 2, 0, "a block of {chapter} has no end");
        for start in text.lines().filter(|line| line.starts_with("```") && line.len() > 3) {
            assert!(
                ["```rust", "```text", "```toml"].contains(&start),
                "{chapter}: a block that begins with {start} is not run"
            );
        }
    }
    let pages = fs::read_dir(root().join("docs/src"))
        .unwrap()
        .map(|page| page.unwrap().file_name().into_string().unwrap());
    let left_out: Vec<String> =
        pages.filter(|page| page != "SUMMARY.md" && !chapters().contains(page)).collect();
    assert!(left_out.is_empty(), "not in the table of contents: {left_out:?}");
}

#[test]
fn links_between_chapters_lead_somewhere() {
    for chapter in chapters() {
        let text = read(Path::new("docs/src").join(&chapter));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (page, place) = link.split_once('#').unwrap_or((link, ""));
            assert!(chapters().iter().any(|known| known == page), "{chapter} links to {page}");
            let anchor = |heading: &str| {
                let letters = heading.to_lowercase().replace(' ', "-");
                letters
                    .chars()
                    .filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter))
                    .collect::<String>()
            };
            let page = read(Path::new("docs/src").join(page));
            let found = page
                .lines()
                .filter_map(|line| line.strip_prefix("## "))
                .any(|heading| anchor(heading) == place);
            assert!(place.is_empty() || found, "{chapter} links to {link}");
        }
    }
}

#[test]
fn the_examples_of_the_introduction_are_those_there_are() {
    let mut named: Vec<String> =
        rows("introduction.md").iter().map(|row| row[0].replace('`', "")).collect();
    let files =
        fs::read_dir(root().join("crates/endo/examples")).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_string())
        .collect();
    named.sort();
    files.sort();
    assert_eq!(named, files);
}

#[test]
fn the_lines_of_the_table_are_those_of_the_examples() {
    let rows = rows("lines.md");
    assert_eq!(rows.len(), 6);
    for row in rows {
        let place: Vec<&str> = quoted(&row[6]).collect();
        let number = |column: usize| {
            row[column].parse::<usize>().unwrap_or_else(|error| panic!("{}: {error}", row[column]))
        };
        assert_eq!((number(3), number(5)), code(place[0], place[1]), "{}", row[0]);
        // What the chapter says in short.
        assert!(number(3) <= number(1), "{}", row[0]);
    }
}

#[test]
fn the_tests_that_the_deviations_name_exist() {
    fn sources(folder: &Path, text: &mut String) {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                sources(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                *text += &read(&path);
            }
        }
    }
    let mut text = String::new();
    for folder in ["src", "tests"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut text);
    }
    let rows = rows("deviations.md");
    assert!(rows.len() > 20, "{}", rows.len());
    for row in rows {
        for test in quoted(row.last().unwrap()) {
            let start = text
                .find(&format!("fn {test}() {{"))
                .unwrap_or_else(|| panic!("there is no test called `{test}`"));
            assert!(text[..start].trim_end().ends_with("#[test]"), "`{test}` is not a test");
        }
    }
}
