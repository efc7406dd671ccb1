//! How texts that somebody else wrote are shown in messages: cells, names of columns and paths.
//!
//! In: any text. Out: a text of bounded length without anything that a terminal obeys or nobody can
//! see: such letters are shown as `\u{..}`.

use std::path::Path;

use unicode_normalization::UnicodeNormalization;

use crate::spelling::nearest;

/// The number of letters of a cell or name that are shown.
const LONGEST: usize = 60;
/// The number of letters of a path that are shown: its last ones.
const LONGEST_PATH: usize = 300;
/// The number of letters of a line that are shown.
const LONGEST_LINE: usize = 500;
/// The number of names that are listed.
const LISTED: usize = 20;
/// A name that is longer is nobody's slip.
const LONGEST_SLIP: usize = 200;

/// A cell or name without its backquotes, cut where it is long.
pub fn shown(text: &str) -> String {
    let mut letters = text.chars();
    let head: String = letters.by_ref().take(LONGEST).collect();
    let cut = if letters.next().is_some() { "..." } else { "" };
    visible(&head) + cut
}

/// A path, of which the end is kept where it is long.
pub fn shown_path(path: &Path) -> String {
    let text = path.display().to_string();
    match text.char_indices().rev().nth(LONGEST_PATH) {
        Some((start, letter)) => format!("...{}", visible(&text[start + letter.len_utf8()..])),
        None => visible(&text),
    }
}

/// A text of several lines, of which each is cut where it is long.
pub fn shown_lines(text: &str) -> String {
    let line = |line: &str| {
        let end = line.char_indices().nth(LONGEST_LINE).map(|(end, _)| end);
        end.map_or_else(|| visible(line), |end| visible(&line[..end]) + "...")
    };
    text.split('\n').map(line).collect::<Vec<String>>().join("\n")
}

/// Names of columns for a message, each in backquotes: the first twenty, and the number of the
/// others.
///
/// ```
/// use endo::data::listed;
/// assert_eq!(listed(["a", "b\n"]), r"`a`, `b\u{a}`");
/// ```
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let head: Vec<String> =
        names.by_ref().take(LISTED).map(|name| format!("`{}`", shown(name))).collect();
    match names.count() {
        0 => head.join(", "),
        rest => format!("{} and {rest} more", head.join(", ")),
    }
}

/// Whether two names are the same to a reader: `ö` may be one letter, or `o` and a diaeresis.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    a == b || (!(a.is_ascii() && b.is_ascii()) && a.nfc().eq(b.nfc()))
}

/// The name with each letter in one piece.
pub(crate) fn composed(name: &str) -> String {
    if name.is_ascii() { name.to_string() } else { name.nfc().collect() }
}

/// The question whether another name is meant, or nothing if none is near. Letters that look the
/// same are told apart.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let is_short = |name: &str| name.len() <= LONGEST_SLIP;
    if !is_short(name) {
        return None;
    }
    let names: Vec<(String, &str)> = names
        .into_iter()
        .filter(|name| is_short(name))
        .map(|name| (composed(name), name))
        .collect();
    let asked = composed(name);
    let found = nearest(&asked, names.iter().map(|(composed, _)| composed.as_str()))?;
    let near =
        names.iter().find(|(composed, _)| composed == found).map_or(found, |&(_, name)| name);
    let differing: Vec<(char, char)> =
        asked.chars().zip(found.chars()).filter(|(asked, found)| asked != found).collect();
    let question = format!("did you mean `{}`?", shown(near));
    Some(match differing[..] {
        [(asked_letter, found_letter), ..]
            if asked.chars().count() == found.chars().count()
                && !(asked_letter.is_ascii() && found_letter.is_ascii()) =>
        {
            let [written, meant] = [asked_letter, found_letter].map(|letter| {
                format!("`{}` ({})", shown(letter.encode_utf8(&mut [0; 4])), code(letter))
            });
            format!("{question} It has {meant} where you wrote {written}")
        }
        _ => question,
    })
}

/// The number of a letter as Unicode's tables have it: `U+00E9`.
pub(crate) fn code(letter: char) -> String {
    format!("U+{:04X}", u32::from(letter))
}

fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_visible(letter, visible.is_empty()) {
            visible.push(letter);
        } else {
            visible.push_str(&letter.escape_unicode().to_string());
        }
    }
    visible
}

/// Whether a letter leaves a mark of its own where it stands. A letter that combines needs one
/// before it.
fn is_visible(letter: char, first: bool) -> bool {
    const BLANK: [std::ops::RangeInclusive<char>; 8] = [
        '\u{34f}'..='\u{34f}',
        '\u{115f}'..='\u{1160}',
        '\u{17b4}'..='\u{17b5}',
        '\u{180b}'..='\u{180f}',
        '\u{2800}'..='\u{2800}',
        '\u{3164}'..='\u{3164}',
        '\u{fe00}'..='\u{fe0f}',
        '\u{e0000}'..='\u{e0fff}',
    ];
    if letter.is_ascii() {
        return !letter.is_ascii_control();
    }
    if letter.is_whitespace()
        || letter == '\u{ffa0}'
        || BLANK.iter().any(|range| range.contains(&letter))
    {
        return false;
    }
    // The standard library knows what can be printed; in a text, what combines with a letter before
    // it can.
    let text = if first { letter.to_string() } else { format!("a{letter}") };
    text.escape_debug().count() == text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_printed_is_shown_by_its_number() {
        assert_eq!(shown("Größe in °C, 身長"), "Größe in °C, 身長");
        assert_eq!(shown("\u{1b}[31mred\0"), r"\u{1b}[31mred\u{0}");
        assert_eq!(
            shown("a\u{200b}b\u{202e}c\r\n\u{feff}\u{a0}"),
            r"a\u{200b}b\u{202e}c\u{d}\u{a}\u{feff}\u{a0}"
        );
        assert_eq!(shown("\u{308}o\u{308}"), "\\u{308}o\u{308}");
        assert_eq!(
            shown("\u{3164}\u{ad}\u{fe0f}\u{2028}\u{85}\u{9b}"),
            r"\u{3164}\u{ad}\u{fe0f}\u{2028}\u{85}\u{9b}"
        );
        assert_eq!(shown_path(Path::new("a\x1b]0;b.csv")), r"a\u{1b}]0;b.csv");
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(shown(&"ä".repeat(1_000_000)), "ä".repeat(60) + "...");
        assert_eq!(shown(&"a".repeat(60)), "a".repeat(60));
        assert_eq!(listed(["a"; 10_000]), vec!["`a`"; 20].join(", ") + " and 9980 more");
        assert_eq!(
            shown_path(&Path::new(&"b".repeat(5000)).join("a.csv")),
            format!("...{}/a.csv", "b".repeat(294))
        );
    }

    #[test]
    fn lines_stay_and_what_is_in_them_is_shown() {
        assert_eq!(shown_lines("a\x1b[1m\n  b\u{200b}\n"), "a\\u{1b}[1m\n  b\\u{200b}\n");
        assert_eq!(shown_lines(&"c".repeat(1000)), "c".repeat(500) + "...");
    }

    #[test]
    fn names_are_compared_as_they_are_read() {
        assert_eq!(
            did_you_mean("Gro\u{308}sse", ["Größe"]).as_deref(),
            Some("did you mean `Größe`?")
        );
        assert!(
            is_same("Größe", "Gro\u{308}ße") && !is_same("Größe", "Grösse") && !is_same("a", "A")
        );
        assert_eq!(did_you_mean("prize", ["price", "y"]).as_deref(), Some("did you mean `price`?"));
        assert_eq!(
            did_you_mean("y", ["y\u{200b}", "x"]).as_deref(),
            Some(r"did you mean `y\u{200b}`?")
        );
        let look_alike = did_you_mean("price", ["pric\u{435}"]);
        let text =
            "did you mean `pric\u{435}`? It has `\u{435}` (U+0435) where you wrote `e` (U+0065)";
        assert_eq!(look_alike.as_deref(), Some(text));
        assert_eq!(did_you_mean(&"a".repeat(1_000_000), [&*"a".repeat(999_999)]), None);
    }
}
