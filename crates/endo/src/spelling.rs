//! Names: what a user may have meant by one that does not exist, and what a type is called in
//! reports.
//!
//! In: the name and the names there are, or a type's path. Out: the nearest by edit distance, if it
//! is near enough to be a slip; the type's name in snake case.

/// The known name that differs least from `name`, or `None` when more than a third of the letters
/// differ; then the shortest that begins with it, if it has four letters. Case and punctuation do
/// not count: `ave_rooms` is `AveRooms`.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_of(name, &mut known.into_iter())
}

fn nearest_of<'a>(name: &str, known: &mut dyn Iterator<Item = &'a str>) -> Option<&'a str> {
    const LEAST: usize = 4;
    let letters = letters_of(name);
    let known: Vec<(&str, Vec<char>)> =
        known.map(|candidate| (candidate, letters_of(candidate))).collect();
    let slip = known
        .iter()
        .map(|(candidate, other)| {
            (distance(&letters, other), letters.len().max(other.len()), *candidate)
        })
        .filter(|&(edits, length, _)| edits <= (length / 3).max(1) && edits < length)
        .min_by_key(|&(edits, ..)| edits)
        .map(|(_, _, candidate)| candidate);
    let begun = || {
        let begins =
            known.iter().filter(|(_, other)| letters.len() >= LEAST && other.starts_with(&letters));
        begins.min_by_key(|(_, other)| other.len()).map(|(candidate, _)| *candidate)
    };
    slip.or_else(begun)
}

/// Names as a list for a message: each in backquotes, the first twenty.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    listed_names(&mut names.into_iter())
}

fn listed_names(names: &mut dyn Iterator<Item = &str>) -> String {
    const SHOWN: usize = 20;
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => names.join(", "),
        Some(rest) => format!("{} and {rest} more", names[..SHOWN].join(", ")),
    }
}

fn letters_of(name: &str) -> Vec<char> {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The least number of insertions, deletions and substitutions that turn one into the other:
/// Levenshtein (1966).
fn distance(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

/// `my_crate::ReconstructingRegressor<T>` as `reconstructing_regressor`, `Conv2DTranspose` as
/// `conv2d_transpose`.
pub(crate) fn snake_case(type_name: &str) -> String {
    let name = short_name(type_name);
    if name == "{{closure}}" {
        return "lambda".to_string();
    }
    let mut snake = String::new();
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        // The `D` of dimensions belongs to their number, the `S` of `F1Score` to the word that it
        // begins.
        let unit = snake.ends_with(|before: char| before.is_ascii_digit())
            && !letters.peek().is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') && !unit {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// `my_crate::net::Regressor<T>` as `Regressor`.
pub(crate) fn short_name(type_name: &str) -> &str {
    let head = type_name.split('<').next().unwrap_or(type_name);
    head.rsplit("::").next().unwrap_or(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn names_are_types_in_snake_case() {
        assert_eq!(snake_case("net::ReconstructingRegressor"), "reconstructing_regressor");
        assert_eq!(snake_case("endo::layers::Dense"), "dense");
        assert_eq!(snake_case("net::main::{{closure}}"), "lambda");
        assert_eq!(snake_case("net::Wrapped<net::Inner>"), "wrapped");
        assert_eq!(
            ["Conv2D", "Conv2DTranspose", "F1Score"].map(snake_case),
            ["conv2d", "conv2d_transpose", "f1_score"]
        );
    }

    #[test]
    fn the_distance_counts_insertions_deletions_and_substitutions() {
        assert_eq!(distance(&letters("kitten"), &letters("sitting")), 3);
        assert_eq!(distance(&letters(""), &letters("abc")), 3);
        assert_eq!(distance(&letters("abc"), &letters("abc")), 0);
    }

    #[test]
    fn a_slip_finds_its_name_and_another_word_finds_none() {
        let known = ["AveRooms", "AveBedrms", "MedHouseVal"];
        assert_eq!(nearest("AveRoms", known), Some("AveRooms"));
        assert_eq!(nearest("ave_bedrms", known), Some("AveBedrms"));
        assert_eq!(nearest("MedHouseValue", known), Some("MedHouseVal"));
        assert_eq!(nearest("price", known), None);
        assert_eq!(nearest("x", ["y"]), None);
    }

    #[test]
    fn a_name_without_letters_is_near_to_nothing() {
        assert_eq!(nearest("", ["a"]), None);
        assert_eq!(nearest("--", ["a", "ab"]), None);
    }

    #[test]
    fn a_long_list_is_cut() {
        assert_eq!(listed(["a", "b"]), "`a`, `b`");
        assert!(listed(["a"; 25]).ends_with("`a` and 5 more"));
    }
}
