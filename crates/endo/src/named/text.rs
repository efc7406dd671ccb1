//! Text that names a value with its options, such as `leaky_relu(negative_slope=0.1)`.
//!
//! In: the text, and a table of names. Out: the value, or an error with the nearest name or option;
//! and from a name with its options the text again.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::spelling;

use super::OptionValue;
use super::setting::{items, quoted, quotes};

/// One value that text can name, of the family `T`.
pub(crate) struct Named<T: ?Sized> {
    /// What it is called: first the name that is written, then others that are read.
    pub names: &'static [&'static str],
    /// Its options, in the order in which they may be given without their names: its own, those of
    /// a part of it, and those that all of the family have.
    pub options: [&'static [&'static str]; 3],
    /// Makes it with the options that were given.
    pub make: fn(&mut TextOptions<'_>) -> Result<Arc<T>>,
}

/// The options that a text gives.
#[derive(Clone)]
pub(crate) struct TextOptions<'a> {
    name: &'static str,
    text: &'a str,
    given: Vec<(Option<&'a str>, &'a str)>,
    unnamed: usize,
}

/// The value that `text` names in a table: a name, and in parentheses its options, by name or in
/// their order. Neither case nor underscores count in names: Keras's `GlorotUniform` is
/// `glorot_uniform`.
pub(crate) fn get<'a, T: ?Sized + 'static>(
    family: &str,
    text: &str,
    table: impl Iterator<Item = &'a Named<T>> + Clone,
) -> Result<Arc<T>> {
    let (name, given) = parse(text)?;
    let Some(row) = table.clone().find(|row| row.names.iter().any(|known| same(known, name)))
    else {
        return Err(unknown(family, name, &table.map(|row| row.names).collect::<Vec<_>>()));
    };
    check(text, row.names[0], &row.options.concat(), &given)?;
    let unnamed = given.iter().filter(|(option, _)| option.is_none()).count();
    let mut options = TextOptions { name: row.names[0], text, given, unnamed: 0 };
    let value = (row.make)(&mut options)?;
    if options.unnamed < unnamed {
        let (name, taken) = (row.names[0], options.unnamed);
        let message = format!(
            "`{text}` gives {unnamed} options without their names, but `{name}` takes {taken} so"
        );
        return Err(Error::argument(message, "give the others by name"));
    }
    Ok(value)
}

/// The error for a name that is none of these, the names of each row.
fn unknown(family: &str, name: &str, rows: &[&'static [&'static str]]) -> Error {
    let near = spelling::nearest(name, rows.iter().flat_map(|names| names.iter().copied()));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", spelling::listed(rows.iter().map(|names| names[0]))),
    };
    Error::argument(format!("there is no {family} called `{name}`"), help)
}

/// Fails if a text gives options that a row has not, or more of them than it has.
fn check(text: &str, name: &str, options: &[&'static str], given: &[TextOption<'_>]) -> Result<()> {
    let stranger =
        given.iter().filter_map(|(option, _)| *option).find(|option| !options.contains(option));
    if let Some(option) = stranger {
        let message = format!("`{name}` has no option `{option}`");
        let help = match (spelling::nearest(option, options.iter().copied()), options) {
            (_, []) => "it has no options".to_string(),
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, options) => format!("it has {}", spelling::listed(options.iter().copied())),
        };
        return Err(Error::argument(message, help));
    }
    if given.len() > options.len() {
        let message =
            format!("`{text}` gives {} options, but `{name}` has {}", given.len(), options.len());
        return Err(Error::argument(message, "give each option once"));
    }
    Ok(())
}

/// The text from which [`get`] makes a value again: options that have their defaults are left out.
/// Names that hold marks of the notation are in quotes, as texts that are values are.
pub(crate) fn written(name: &str, options: &[(&str, String, bool)]) -> String {
    let name = quoted(name);
    let set: Vec<String> = options
        .iter()
        .filter(|(.., set)| *set)
        .map(|(option, value, _)| format!("{}={value}", quoted(option)))
        .collect();
    if set.is_empty() { name } else { format!("{name}({})", set.join(", ")) }
}

impl<'a> TextOptions<'a> {
    /// The next option of the row: as given by name or place, or its default.
    pub(crate) fn take<V: OptionValue>(&mut self, option: &str, default: V) -> Result<V> {
        let Some(value) = self.text_of(option)? else { return Ok(default) };
        self.read(option, value, || format!("unless given, it is `{}`", default.default_text()))
    }

    /// The next option of the row, if it is given; `none` is as if it were not.
    pub(crate) fn given<V: OptionValue>(&mut self, option: &str) -> Result<Option<V>> {
        let Some(value) = self.text_of(option)?.filter(|value| *value != "none") else {
            return Ok(None);
        };
        self.read(option, value, || "unless given, it is `none`".to_string()).map(Some)
    }

    /// An option that is only ever given by its name; `none` is as if it were not given.
    pub(crate) fn by_name<V: OptionValue>(&mut self, option: &str) -> Result<Option<V>> {
        let unnamed = std::mem::replace(&mut self.unnamed, usize::MAX);
        let value = self.given(option);
        self.unnamed = unnamed;
        value
    }

    /// The next option of the row of a name, which has no default.
    pub(crate) fn required<V: OptionValue>(&mut self, option: &str) -> Result<V> {
        let name = self.name;
        let help = || format!("give it as in `{name}({option}=..)`");
        let Some(value) = self.text_of(option)? else {
            let message = format!("`{name}` needs the option `{option}`");
            return Err(Error::argument(message, help()));
        };
        self.read(option, value, help)
    }

    /// The value that a text says, or what is wrong with it and how to fix it.
    fn read<V: OptionValue>(
        &self,
        option: &str,
        value: &str,
        help: impl FnOnce() -> String,
    ) -> Result<V> {
        V::parse(value).unwrap_or_else(|| {
            let (text, expected) = (self.text, V::EXPECTED);
            let message = format!("the option `{option}` of `{text}` is {expected}, got `{value}`");
            Err(Error::argument(message, help()))
        })
    }

    /// The text of the next option of the row, if it was given.
    fn text_of(&mut self, option: &str) -> Result<Option<&'a str>> {
        let place = self.given.iter().filter(|(name, _)| name.is_none()).nth(self.unnamed);
        let named: Vec<&'a str> = self
            .given
            .iter()
            .filter(|(name, _)| *name == Some(option))
            .map(|(_, value)| *value)
            .collect();
        match (place, named.as_slice()) {
            (None, []) => Ok(None),
            (Some(&(_, value)), []) => {
                self.unnamed += 1;
                Ok(Some(value))
            }
            (None, [value]) => Ok(Some(value)),
            (Some(_), _) | (None, _) => {
                let message = format!("`{}` gives the option `{option}` twice", self.text);
                Err(Error::argument(message, "give options in their order first, then by name"))
            }
        }
    }
}

fn same(known: &str, name: &str) -> bool {
    let letters = |text: &str| {
        text.chars().filter(|&letter| letter != '_').collect::<String>().to_lowercase()
    };
    letters(known) == letters(name)
}

/// An option's name, if it is given by name, and the text of its value.
type TextOption<'a> = (Option<&'a str>, &'a str);

pub(super) fn parse(text: &str) -> Result<(&str, Vec<TextOption<'_>>)> {
    let text = text.trim();
    let Some((name, rest)) = split_after_quotes(text, '(') else { return Ok((text, Vec::new())) };
    let Some(inside) = rest.strip_suffix(')') else {
        let message = format!("`{text}` opens a parenthesis and does not end with one");
        let help = "write options as in `leaky_relu(negative_slope=0.1)`";
        return Err(Error::argument(message, help));
    };
    let parts = items(inside);
    let option = |part: &'_ str| -> bool { !part.trim().is_empty() };
    let given = parts.into_iter().map(str::trim).filter(|part| option(part)).map(|part| {
        match split_after_quotes(part, '=') {
            Some((option, value)) if !option[quotes(option)..].contains(['(', '"']) => {
                (Some(option.trim()), value.trim())
            }
            Some(_) | None => (None, part),
        }
    });
    Ok((name.trim(), given.collect()))
}

/// A text at a mark, where those in quotes at its start do not count.
fn split_after_quotes(text: &str, mark: char) -> Option<(&str, &str)> {
    let place = quotes(text) + text[quotes(text)..].find(mark)?;
    Some((&text[..place], &text[place + mark.len_utf8()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_split_at_commas_outside_of_lists() {
        let (name, given) = parse("max_norm(3, axis=[0, 1])").unwrap();
        assert_eq!((name, given), ("max_norm", vec![(None, "3"), (Some("axis"), "[0, 1]")]));
        let (name, given) = parse("sgd(decay(0.1, rate=2), momentum=0.9)").unwrap();
        assert_eq!(
            (name, given),
            ("sgd", vec![(None, "decay(0.1, rate=2)"), (Some("momentum"), "0.9")])
        );
        assert_eq!(parse(" relu ").unwrap(), ("relu", vec![]));
        assert_eq!(parse("relu()").unwrap(), ("relu", vec![]));
        assert!(parse("relu(1").is_err());
        let (name, given) = parse(r#""a (b)"("c=d"=1, "e=f", g="h=i")"#).unwrap();
        assert_eq!(
            (name, given),
            (
                r#""a (b)""#,
                vec![(Some(r#""c=d""#), "1"), (None, r#""e=f""#), (Some("g"), r#""h=i""#)]
            )
        );
    }

    #[test]
    fn neither_case_nor_underscores_count_in_names() {
        assert!(same("leaky_relu", "LeakyReLU") && same("l1_l2", "L1L2"));
        assert!(!same("relu", "relu6"));
    }
}
