//! Names that tell things apart and are no longer than that takes.
//!
//! In: paths, or names of which some are equal. Out: short names; names that differ.

use crate::spelling;
use crate::trace::pattern;

/// The name of each entry cut to its last parts, as many as are asked for, or as many more as tell
/// it from the others.
pub(crate) fn short_names<T>(entries: &[T], name: impl Fn(&T) -> (&str, usize)) -> Vec<String> {
    let names: Vec<(&str, usize)> = entries.iter().map(name).collect();
    let suffix = |name: &str, parts: usize| {
        let all: Vec<&str> = name.split('/').collect();
        all[all.len().saturating_sub(parts)..].join("/")
    };
    let short = |&(name, parts): &(&str, usize)| {
        let alike = |parts: usize| {
            names.iter().filter(|(other, _)| suffix(other, parts) == suffix(name, parts)).count()
        };
        (parts..name.split('/').count())
            .find(|&parts| alike(parts) == 1)
            .map_or_else(|| name.to_string(), |parts| suffix(name, parts))
    };
    names.iter().map(short).collect()
}

/// Which of some paths a path or a pattern may have meant, or which there are, as a help says it.
pub(crate) fn nearest_path(meant: &str, paths: &[&str]) -> String {
    // Short names first: of names that are equally near, the one to be typed.
    let mut names: Vec<&str> = paths.iter().flat_map(|path| pattern::short_names(path)).collect();
    names.sort_by_key(|name| name.len());
    match spelling::nearest(meant, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None if paths.is_empty() => "there are none".to_string(),
        None => format!("there are {}", spelling::listed(paths.iter().copied())),
    }
}

/// Gives entries of one name (or of a reserved one) names that differ: `mse`, `mse_1`, as Keras
/// does.
pub(crate) fn distinct<T>(
    entries: &mut [T],
    name: impl Fn(&mut T) -> &mut String,
    reserved: &[&str],
) {
    let mut taken: Vec<String> = reserved.iter().map(ToString::to_string).collect();
    for entry in entries {
        let name = name(entry);
        if taken.contains(name) {
            let numbered = (1..).map(|number| format!("{name}_{number}"));
            *name = numbered.into_iter().find(|name| !taken.contains(name)).unwrap_or_default();
        }
        taken.push(name.clone());
    }
}

/// The name of an entry that is a pair of name and value.
pub(crate) fn first<T>((name, _): &mut (String, T)) -> &mut String {
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_as_long_as_it_takes_to_tell_them_apart() {
        let names = ["net/a/kernel", "net/b/kernel", "net/b/bias"].map(String::from);
        assert_eq!(short_names(&names, |name| (name, 1)), ["a/kernel", "b/kernel", "bias"]);
        assert_eq!(short_names(&names, |name| (name, 2)), ["a/kernel", "b/kernel", "b/bias"]);
    }

    #[test]
    fn names_that_are_taken_get_a_number() {
        let mut entries = ["mse", "loss", "mse"].map(|name| (name.to_string(), ()));
        distinct(&mut entries, first, &["loss"]);
        assert_eq!(entries.map(|(name, ())| name), ["mse", "loss_1", "mse_1"]);
    }
}
