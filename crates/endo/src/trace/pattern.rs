//! Patterns of paths: which layers or weights of a model are meant.
//!
//! In: text with `*` and `?`. Out: whether a path matches it, whole or by its shorter names.

/// A pattern of paths: `*` stands for any run of characters, also none and also across `/`; `?` for
/// one character; everything else for itself. It is compared with the full path
/// (`regressor/hidden/kernel`), with the path without its first part (`hidden/kernel`), and with
/// its last part (`kernel`); one match is enough.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pattern(String);

impl Pattern {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether a path, or one of its shorter names, is meant.
    pub fn matches(&self, path: &str) -> bool {
        short_names(path).any(|name| self.is_whole(name))
    }

    fn is_whole(&self, name: &str) -> bool {
        let (pattern, name): (Vec<char>, Vec<char>) =
            (self.0.chars().collect(), name.chars().collect());
        let (mut p, mut n) = (0, 0);
        // Where the last `*` stands, and how much of the name it has taken so far.
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, n));
                    p += 1;
                }
                Some(&letter) if letter == '?' || letter == name[n] => (p, n) = (p + 1, n + 1),
                Some(_) | None => match &mut star {
                    Some((at, taken)) => {
                        *taken += 1;
                        (p, n) = (*at + 1, *taken);
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|&letter| letter == '*')
    }
}

/// The path, the path without its first part, and its last part.
pub(crate) fn short_names(path: &str) -> impl Iterator<Item = &str> {
    let rest = path.split_once('/').map(|(_, rest)| rest);
    let last = path.rsplit_once('/').map(|(_, last)| last);
    std::iter::once(path).chain(rest).chain(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(pattern: &str) -> Vec<&'static str> {
        let paths = [
            "net",
            "net/hidden",
            "net/hidden_1",
            "net/block/hidden",
            "net/hidden/kernel",
            "net/out/kernel",
        ];
        paths.into_iter().filter(|path| Pattern::new(pattern).matches(path)).collect()
    }

    #[test]
    fn a_name_is_the_last_part_the_rest_or_the_whole_of_a_path() {
        assert_eq!(matching("hidden"), ["net/hidden", "net/block/hidden"]);
        assert_eq!(matching("hidden/kernel"), ["net/hidden/kernel"]);
        assert_eq!(matching("net/hidden"), ["net/hidden"]);
        assert_eq!(matching("block"), [""; 0]);
    }

    #[test]
    fn a_star_is_any_run_and_a_question_mark_one_character() {
        assert_eq!(
            matching("hidden*"),
            ["net/hidden", "net/hidden_1", "net/block/hidden", "net/hidden/kernel"]
        );
        assert_eq!(matching("hidden_?"), ["net/hidden_1"]);
        assert_eq!(matching("*/kernel"), ["net/hidden/kernel", "net/out/kernel"]);
        assert_eq!(matching("?et"), ["net"]);
        assert_eq!(matching("*d*e*l"), ["net/hidden/kernel"]);
        assert_eq!(matching("*").len(), 6);
        assert_eq!(matching(""), [""; 0]);
    }
}
