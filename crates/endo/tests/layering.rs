//! The rules of the source tree: who may import whom, how files begin and end, what no file may
//! hold.
//!
//! In: every file of the library, and for the lengths of files and lines every Rust file of the
//! workspace. Out: a list of those that break a rule, with the line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules from left to right: a module imports from its own group and from groups before it.
const LEFT_TO_RIGHT: &[&[&str]] = &[
    &[
        "array", "dtype", "error", "files", "named", "random", "shape", "shards", "shown", "simd",
        "site", "spelling", "storage", "variable",
    ],
    &["graph"],
    &["ops"],
    &["autodiff"],
    // What a weight goes with, and what its functions may take.
    &["activations", "constraints", "initializers", "regularizers", "trace"],
    &["data", "layers", "losses", "metrics", "optimizers"],
    &["net"],
    &["step"],
    &["inference"],
    &["training"],
    &["model"],
    &["report"],
];

/// The way from graphs to numbers, which sees no operation, layer or gradient: it starts from the
/// first two groups and ends in `trace`.
const PLANS: &[&str] = &["plan", "cpu"];

/// Files that are one thing and name each other: a table and its reader; a tensor, its trace and
/// its operations; the context with what it notes, and the functions that take it; the loop of
/// training with what it is told and asked.
const ONE_THING: &[&[&str]] = &[
    &["data/csv", "data/table"],
    &["graph/operation", "graph/tensor", "graph/trace"],
    &[
        "constraints",
        "regularizers",
        "trace/attached",
        "trace/context",
        "trace/models",
        "trace/record",
        "trace/sharded",
        "trace/terms",
        "trace/weight",
    ],
    &[
        "training/callbacks/progress",
        "training/callbacks/training",
        "training/data",
        "training/evaluate",
        "training/fit",
        "training/functions",
        "training/run",
        "training/shards",
    ],
];

/// Files at the top that only re-export.
const TOP: &[&str] = &["lib", "prelude"];

/// The most lines that a file has.
const MOST_LINES: usize = 500;

/// The most characters that a line has. rustfmt keeps to it too, but not within macros, strings and
/// comments.
const MOST_COLUMNS: usize = 100;

struct Source {
    /// Its path below the folder that was read, as in `ops/reduce.rs`.
    path: String,
    text: String,
}

impl Source {
    /// The first folder or file: `ops`.
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// Lines with their numbers, without comments, up to the tests.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let lines = lines.take_while(|(_, line)| !line.starts_with("mod tests {"));
        lines.map(|(number, line)| (number, line.split("//").next().unwrap_or_default()))
    }
}

/// The files of the library.
fn sources() -> Vec<Source> {
    sources_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

/// The files of all crates, with their tests and benchmarks.
fn workspace() -> Vec<Source> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    sources_below(crates.expect("a crate lies in the folder of crates"))
}

fn sources_below(root: &Path) -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        let entries =
            fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                walk(&path, found)
            } else {
                found.extend(
                    path.extension().is_some_and(|extension| extension == "rs").then_some(path),
                )
            }
        }
    }
    let mut paths = Vec::new();
    walk(root, &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let path = path
            .strip_prefix(root)
            .expect("found below the root")
            .to_string_lossy()
            .replace('\\', "/");
        Source { path, text }
    };
    paths.into_iter().map(read).collect()
}

/// The files that are not tests whole.
fn library() -> impl Iterator<Item = Source> {
    let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/");
    sources().into_iter().filter(move |source| !is_test(&source.path))
}

/// Fails with all offenders, one a line.
fn none(rule: &str, offenders: &[String]) {
    let list = offenders.iter().fold(String::new(), |mut list, offender| {
        writeln!(list, "  {offender}").expect("text grows");
        list
    });
    assert!(offenders.is_empty(), "{rule}:\n{list}");
}

fn group(module: &str) -> Option<usize> {
    LEFT_TO_RIGHT.iter().position(|modules| modules.contains(&module))
}

/// The place of a module among those of plans: the first two groups, then `plan`, then `cpu`.
fn place(module: &str) -> Option<usize> {
    let start = group(module).filter(|&group| group < 2);
    start.or_else(|| PLANS.iter().position(|&plan| plan == module).map(|place| place + 2))
}

fn may_import(from: &str, to: &str) -> bool {
    if from == to {
        return true;
    }
    let trace = group("trace").expect("a module of the list");
    match (PLANS.contains(&from), PLANS.contains(&to)) {
        (true, _) => place(to).is_some_and(|to| Some(to) < place(from)),
        (false, true) => group(from) >= Some(trace),
        (false, false) => group(to).is_some() && group(to) <= group(from),
    }
}

/// The modules that a line imports from the root of the library: `crate::graph::Tensor`,
/// `crate::{cpu, plan}`.
fn imports(line: &str) -> Vec<&str> {
    let name = |text: &str| {
        text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len())
    };
    let mut found = Vec::new();
    for (start, path) in line.match_indices("crate::") {
        let rest = &line[start + path.len()..];
        // `$crate::graph!` and `crate::Error` are macros and re-exports of the root.
        match rest.strip_prefix('{') {
            Some(list) => found.extend(
                list.split([',', '}']).map(|part| part.trim()).map(|part| &part[..name(part)]),
            ),
            None => found.push(&rest[..name(rest)]),
        }
    }
    found.retain(|name| name.starts_with(|letter: char| letter.is_lowercase()));
    found
}

#[test]
fn every_module_has_a_place() {
    let known =
        |module: &str| TOP.contains(&module) || PLANS.contains(&module) || group(module).is_some();
    let strangers: Vec<String> = sources()
        .iter()
        .filter(|source| !known(source.module()))
        .map(|source| source.path.clone())
        .collect();
    none("modules without a place in LEFT_TO_RIGHT", &strangers);
}

#[test]
fn nothing_imports_to_its_right() {
    let mut offenders = Vec::new();
    for source in library().filter(|source| !TOP.contains(&source.module())) {
        for (number, line) in source.code() {
            for to in imports(line).into_iter().filter(|to| !may_import(source.module(), to)) {
                offenders.push(format!(
                    "{}:{number}: `{}` imports `{to}`",
                    source.path,
                    source.module()
                ));
            }
        }
    }
    none("imports to the right", &offenders);
}

#[test]
fn the_rule_of_imports_tells_left_from_right() {
    assert!(
        may_import("ops", "graph")
            && may_import("cpu", "plan")
            && may_import("plan", "simd")
            && may_import("trace", "cpu")
    );
    assert!(
        may_import("metrics", "losses")
            && may_import("model", "training")
            && may_import("layers", "trace")
    );
    assert!(
        !may_import("graph", "ops")
            && !may_import("plan", "cpu")
            && !may_import("plan", "ops")
            && !may_import("ops", "plan")
    );
    assert!(
        !may_import("training", "model")
            && !may_import("net", "step")
            && !may_import("autodiff", "trace")
            && !may_import("cpu", "variable_owner")
    );
    assert_eq!(
        imports("use crate::{cpu::pool, graph}; crate::Error, $crate::ops::x"),
        ["cpu", "graph", "ops"]
    );
}

#[test]
fn the_runner_never_sees_a_graph() {
    let is_graph = |line: &str| {
        line.contains("crate::graph::")
            && line
                .split(['{', '}', ',', ':', ';'])
                .any(|name| matches!(name.trim(), "Graph" | "Node" | "NodeId" | "Op"))
    };
    let offenders = library()
        .filter(|source| source.module() == "cpu")
        .flat_map(|source| {
            source
                .code()
                .filter(|(_, line)| is_graph(line))
                .map(|(number, _)| format!("{}:{number}", source.path))
                .collect::<Vec<_>>()
        })
        .collect::<Vec<_>>();
    none("`cpu` names graphs", &offenders);
}

#[test]
fn files_open_by_saying_what_they_are() {
    let silent = sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path);
    none("files that do not open with `//!`", &silent.collect::<Vec<_>>());
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let long = workspace()
        .into_iter()
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines > MOST_LINES);
    none(
        "files that are too long",
        &long.map(|(lines, path)| format!("{path}: {lines} lines")).collect::<Vec<_>>(),
    );
}

#[test]
fn no_line_is_longer_than_100_characters() {
    let mut offenders = Vec::new();
    for source in workspace() {
        for (index, line) in source.text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > MOST_COLUMNS {
                offenders.push(format!("{}:{}: {columns} characters", source.path, index + 1));
            }
        }
    }
    none("lines that are too long", &offenders);
}

#[test]
fn unsafe_code_stays_in_the_runner() {
    let words = |line: &str| {
        line.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .any(|word| word == "unsafe")
    };
    let mut offenders = Vec::new();
    for source in sources().iter().filter(|source| !["cpu", "simd"].contains(&source.module())) {
        offenders.extend(
            source
                .code()
                .filter(|(_, line)| words(line))
                .map(|(number, _)| format!("{}:{number}", source.path)),
        );
    }
    none("`unsafe` outside cpu/ and simd/", &offenders);
}

#[test]
fn no_type_is_asked_what_it_is() {
    let mut offenders = Vec::new();
    for source in sources() {
        let asks = |line: &str| {
            line.contains("TypeId") || line.contains("downcast") || line.contains("type_id(")
        };
        offenders.extend(
            source
                .code()
                .filter(|(_, line)| asks(line))
                .map(|(number, _)| format!("{}:{number}", source.path)),
        );
    }
    none("`TypeId` and downcasts", &offenders);
}

#[test]
fn files_and_folders_are_named_after_their_contents() {
    const NAMELESS: [&str; 8] =
        ["utils", "util", "helpers", "helper", "common", "base", "misc", "types"];
    let nameless =
        |path: &str| path.trim_end_matches(".rs").split('/').any(|part| NAMELESS.contains(&part));
    let offenders: Vec<String> =
        sources().into_iter().map(|source| source.path).filter(|path| nameless(path)).collect();
    none("names that say nothing", &offenders);
}

/// A file as a module: `ops/view`; of a folder's `mod.rs` the folder.
fn module_of(path: &str) -> String {
    let path = path.trim_end_matches(".rs");
    path.trim_end_matches("/mod").to_string()
}

/// Which files a file names, by the paths in its imports and its code; what a folder's `mod.rs`
/// re-exports is the file's that has it.
#[derive(Default)]
struct Names {
    /// For each module what it re-exports, with the path of it.
    reexports: BTreeMap<String, BTreeMap<String, String>>,
    /// For each module the paths that it names, from the root.
    paths: BTreeMap<String, Vec<String>>,
}

impl Names {
    fn of(sources: &[Source]) -> Self {
        let mut names = Self::default();
        for source in sources {
            let module = module_of(&source.path);
            let code: String = source.code().map(|(_, line)| format!("{line}\n")).collect();
            for statement in code.split_inclusive(';') {
                let (visibility, list) = match statement.find("use ") {
                    Some(start) if statement[start..].ends_with(';') => {
                        let before = statement[..start].trim_end();
                        (
                            before.ends_with("pub") || before.ends_with(')'),
                            &statement[start + 4..statement.len() - 1],
                        )
                    }
                    _ => (false, ""),
                };
                for path in leaves(list)
                    .iter()
                    .filter_map(|path| from_root(&module, path, &names_of_files(sources)))
                {
                    if visibility {
                        let last = path.rsplit('/').next().unwrap_or_default().to_string();
                        names.reexports.entry(module.clone()).or_default().insert(last, path);
                    } else {
                        names.paths.entry(module.clone()).or_default().push(path);
                    }
                }
            }
        }
        names
    }

    /// The file that has what a path leads to.
    fn file(&self, path: &str, files: &BTreeSet<String>) -> Option<String> {
        let parts: Vec<&str> = path.split('/').collect();
        let known =
            (1..=parts.len()).rev().find(|&count| files.contains(&parts[..count].join("/")))?;
        let module = parts[..known].join("/");
        let elsewhere = parts.get(known).and_then(|name| self.reexports.get(&module)?.get(*name));
        match elsewhere.filter(|elsewhere| *elsewhere != path) {
            Some(elsewhere) => self.file(elsewhere, files),
            None => Some(module),
        }
    }
}

fn names_of_files(sources: &[Source]) -> BTreeSet<String> {
    sources.iter().map(|source| module_of(&source.path)).collect()
}

/// The single paths of a list of imports: `a::{b, c::{d, e}}` is `a::b`, `a::c::d` and `a::c::e`.
fn leaves(list: &str) -> Vec<String> {
    let list = list.trim();
    let Some((before, inside)) = list.split_once('{') else {
        let path = list.split(" as ").next().unwrap_or_default().trim();
        return if path.is_empty() { Vec::new() } else { vec![path.to_string()] };
    };
    let inside = inside.trim_end().trim_end_matches('}');
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for letter in inside.chars() {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        match (letter, depth) {
            (',', 0) => parts.push(String::new()),
            _ => parts.last_mut().expect("there is one").push(letter),
        }
    }
    let whole = |part: String| {
        leaves(&part).into_iter().map(|leaf| format!("{before}{leaf}")).collect::<Vec<_>>()
    };
    parts.into_iter().flat_map(whole).collect()
}

/// A path from the root of the library, for what a module names so; none for what is not of the
/// library.
fn from_root(module: &str, path: &str, files: &BTreeSet<String>) -> Option<String> {
    let parts: Vec<&str> = path.split("::").map(str::trim).collect();
    if parts[0] == "crate" {
        return Some(parts[1..].join("/"));
    }
    let ups = parts.iter().take_while(|part| **part == "super").count();
    let rest = parts[ups..].iter().filter(|part| **part != "self").copied();
    let mut whole: Vec<&str> = module.split('/').collect();
    whole.truncate(whole.len().saturating_sub(ups));
    whole.extend(rest);
    (ups > 0 || parts[0] == "self" || files.contains(&format!("{module}/{}", parts[0])))
        .then(|| whole.join("/"))
}

#[test]
fn files_do_not_import_each_other_in_circles() {
    let sources: Vec<Source> = library().filter(|source| !TOP.contains(&source.module())).collect();
    let (names, files) = (Names::of(&sources), names_of_files(&sources));
    // A folder and its files are one thing: what counts is between files side by side.
    let is_within = |a: &str, b: &str| a == b || a.starts_with(&format!("{b}/"));
    let is_one_thing =
        |a: &str, b: &str| ONE_THING.iter().any(|group| group.contains(&a) && group.contains(&b));
    let mut imported: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, paths) in &names.paths {
        let others = paths.iter().filter_map(|path| names.file(path, &files));
        let others = others.filter(|other| {
            !is_within(module, other) && !is_within(other, module) && !is_one_thing(module, other)
        });
        imported.insert(module.clone(), others.collect());
    }
    let reached = |from: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_string()]);
        while let Some(next) = open.pop() {
            for other in imported
                .get(&next)
                .into_iter()
                .flatten()
                .filter(|other| seen.insert((*other).clone()))
            {
                open.push(other.clone());
            }
        }
        seen
    };
    let circles: Vec<String> =
        imported.keys().filter(|module| reached(module).contains(*module)).cloned().collect();
    none("files that come back to themselves by their imports", &circles);
    assert!(
        imported["ops/gather"].contains("graph/operation")
            && imported["step/losses"].contains("step/terms")
    );
}
