//! Values that text can say: what options, and hyperparameters that are saved, may be.
//!
//! In: a value. Out: the text that says it, and from the text the same value.

/// A value that text can say: a number, a truth value, a text, or a list of such. What a
/// hyperparameter has to be.
///
/// A type of your own says how it is written and read:
///
/// ```
/// use endo::{Hyperparameters, Setting};
///
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// enum Side { Left, Right }
///
/// impl Setting for Side {
///     const EXPECTED: &'static str = "`left` or `right`";
///     fn read(text: &str) -> Option<Self> {
///         [("left", Side::Left), ("right", Side::Right)]
///             .into_iter()
///             .find(|(word, _)| *word == text)
///             .map(|(_, side)| side)
///     }
///     fn write(&self) -> String {
///         if *self == Side::Left { "left".to_string() } else { "right".to_string() }
///     }
/// }
///
/// let hyperparameters = Hyperparameters::new().with("side", Side::Right);
/// assert_eq!(hyperparameters.get::<Side>("side")?, Side::Right);
/// # Ok::<(), endo::Error>(())
/// ```
pub trait Setting: Sized {
    /// What the text has to be, for messages.
    const EXPECTED: &'static str;

    /// The value that the text says.
    fn read(text: &str) -> Option<Self>;

    /// The text that says the value.
    fn write(&self) -> String;
}

/// Settings of the standard library whose text is Rust's own.
macro_rules! plain {
    ($($Type:ty, $expected:literal;)+) => {
        $(
            impl Setting for $Type {
                const EXPECTED: &'static str = $expected;

                fn read(text: &str) -> Option<Self> {
                    text.parse().ok()
                }

                fn write(&self) -> String {
                    format!("{self:?}")
                }
            }
        )+
    };
}

plain! {
    f64, "a number";
    f32, "a number";
    bool, "`true` or `false`";
    i32, "a whole number";
    i64, "a whole number";
    isize, "a whole number";
    u32, "a whole number from 0";
    u64, "a whole number from 0";
    usize, "a whole number from 0";
}

/// Settings that may be absent, written `none`.
macro_rules! optional {
    ($($Type:ty, $expected:expr;)+) => {
        $(
            impl $crate::named::Setting for Option<$Type> {
                const EXPECTED: &'static str = $expected;

                fn read(text: &str) -> Option<Self> {
                    match text {
                        "none" => Some(None),
                        _ => <$Type as $crate::named::Setting>::read(text).map(Some),
                    }
                }

                fn write(&self) -> String {
                    self.as_ref().map_or("none".to_string(), $crate::named::Setting::write)
                }
            }
        )+
    };
}

pub(crate) use optional;

optional! {
    f64, "a number or `none`";
    i32, "a whole number or `none`";
    u64, "a whole number from 0 or `none`";
    usize, "a whole number from 0 or `none`";
    Vec<Option<usize>>, "a list of sizes such as `[none, 1]`, or `none`";
    Vec<f64>, "a list such as `[a, b]`, or `none`";
    String, "a text or `none`";
}

/// Written in brackets; Keras's tuples, in parentheses, are read, too.
impl<S: Setting> Setting for Vec<S> {
    const EXPECTED: &'static str = "a list such as `[a, b]`";

    fn read(text: &str) -> Option<Self> {
        let within = |(open, close)| text.strip_prefix(open)?.strip_suffix(close);
        let list = [('[', ']'), ('(', ')')].into_iter().find_map(within)?;
        items(list)
            .into_iter()
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(S::read)
            .collect()
    }

    fn write(&self) -> String {
        format!("[{}]", self.iter().map(S::write).collect::<Vec<_>>().join(", "))
    }
}

impl<S: Setting, const N: usize> Setting for [S; N] {
    const EXPECTED: &'static str = "a list such as `[a, b]`, of the length that is asked for";

    fn read(text: &str) -> Option<Self> {
        <Vec<S>>::read(text)?.try_into().ok()
    }

    fn write(&self) -> String {
        format!("[{}]", self.iter().map(S::write).collect::<Vec<_>>().join(", "))
    }
}

/// What means something between the values of a list or of options: a text that holds it is written
/// in quotes.
const MARKS: &[char] = &['(', ')', '[', ']', ',', '=', '"', '\\', '\n'];

impl Setting for String {
    const EXPECTED: &'static str = "a text";

    fn read(text: &str) -> Option<Self> {
        let Some(inside) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
            return Some(text.to_string());
        };
        let mut letters = inside.chars();
        let mut read = String::new();
        while let Some(letter) = letters.next() {
            read.push(match letter {
                '\\' => match letters.next()? {
                    'n' => '\n',
                    escaped => escaped,
                },
                plain => plain,
            });
        }
        Some(read)
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

/// A text as it is, or in quotes where it holds marks.
pub(super) fn quoted(text: &str) -> String {
    if !text.contains(MARKS) && text.trim() == text && !text.is_empty() {
        return text.to_string();
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// The length of the quotes at the start of a text with all that is in them; 0 without such.
pub(super) fn quotes(text: &str) -> usize {
    let Some(inside) = text.strip_prefix('"') else { return 0 };
    let mut escaped = false;
    let end = inside.find(|letter| {
        let ends = letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        ends
    });
    end.map_or(0, |end| end + 2)
}

/// The parts of a text between commas. Commas inside of brackets separate the items of a list, or
/// the options of a value that is an item here; those inside of quotes are of a text.
pub(super) fn items(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    text.split(move |letter| {
        let plain = !std::mem::take(&mut escaped);
        match letter {
            '"' if plain => quoted = !quoted,
            '\\' => escaped = plain && quoted,
            '(' | '[' if !quoted => depth += 1,
            ')' | ']' if !quoted => depth = depth.saturating_sub(1),
            ',' => return !quoted && depth == 0,
            _ => {}
        }
        false
    })
    .collect()
}

/// One axis, or several taken together; negative ones count from the end.
///
/// ```
/// use endo::prelude::*;
/// let every_filter = MaxNorm.max_value(3.0).axis([0, 1, 2]);
/// let every_unit = MaxNorm.max_value(3.0).axis(0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Axes {
    /// A single axis.
    One(isize),
    /// All of these.
    Several(Vec<isize>),
}

impl Axes {
    /// The axes in the order given.
    pub fn as_slice(&self) -> &[isize] {
        match self {
            Axes::One(axis) => std::slice::from_ref(axis),
            Axes::Several(axes) => axes,
        }
    }
}

impl From<isize> for Axes {
    fn from(axis: isize) -> Self {
        Self::One(axis)
    }
}

impl From<Vec<isize>> for Axes {
    fn from(axes: Vec<isize>) -> Self {
        Self::Several(axes)
    }
}

impl From<&[isize]> for Axes {
    fn from(axes: &[isize]) -> Self {
        Self::Several(axes.to_vec())
    }
}

impl<const N: usize> From<[isize; N]> for Axes {
    fn from(axes: [isize; N]) -> Self {
        Self::Several(axes.to_vec())
    }
}

impl Setting for Axes {
    const EXPECTED: &'static str = "an axis, or a list of axes such as `[0, 1]`";

    fn read(text: &str) -> Option<Self> {
        isize::read(text).map(Self::One).or_else(|| Vec::read(text).map(Self::Several))
    }

    fn write(&self) -> String {
        match self {
            Self::One(axis) => axis.to_string(),
            Self::Several(axes) => format!("{axes:?}"),
        }
    }
}

/// An option that is one of a few words.
macro_rules! words {
    ($(#[$doc:meta])* $Name:ident, $expected:literal {
        $($(#[$variant_doc:meta])* $Variant:ident = $word:literal,)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Name {
            $($(#[$variant_doc])* $Variant,)+
        }

        impl $crate::named::Setting for $Name {
            const EXPECTED: &'static str = $expected;

            fn read(text: &str) -> Option<Self> {
                match text {
                    $($word => Some(Self::$Variant),)+
                    _ => None,
                }
            }

            fn write(&self) -> String {
                match self {
                    $(Self::$Variant => $word.to_string(),)+
                }
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_are_written() {
        assert_eq!(Axes::read(&Axes::from([0, -1]).write()), Some(Axes::Several(vec![0, -1])));
        assert_eq!(Axes::read("2"), Some(Axes::One(2)));
        assert_eq!(<Option<f64>>::read("none"), Some(None));
        assert_eq!(f64::read(&1e-7.write()), Some(1e-7));
        assert_eq!(<Vec<usize>>::read(&vec![3_usize, 40].write()), Some(vec![3, 40]));
        assert_eq!(<Vec<f64>>::read("0.5"), None);
        assert_eq!(<Vec<isize>>::read("(-1, 3)"), Some(vec![-1, 3]));
        assert_eq!(<Vec<usize>>::read("(6,)"), Some(vec![6]));
        assert_eq!(<[[usize; 2]; 2]>::read("((1, 1), (0, 2))"), Some([[1, 1], [0, 2]]));
        assert_eq!(<Vec<usize>>::read("(2, 3]"), None);
        assert_eq!(bool::read("yes"), None);
        assert_eq!(<[f32; 2]>::read(&[0.1_f32, -1e9].write()), Some([0.1, -1e9]));
        assert_eq!(<[f32; 2]>::read("[1]"), None);
    }

    #[test]
    fn texts_with_marks_are_quoted_and_come_back() {
        let texts = [
            "plain",
            "two words",
            "",
            " padded",
            "a, b",
            "x = (y)",
            "say \"no\"",
            "back\\slash\n, next",
        ]
        .map(String::from);
        for text in &texts {
            assert_eq!(String::read(&text.write()).as_ref(), Some(text));
        }
        assert_eq!(<Vec<String>>::read(&texts.to_vec().write()), Some(texts.to_vec()));
        assert_eq!(texts[1].write(), "two words");
        assert_eq!([r#""a\"b" c"#, "a", "\"", ""].map(quotes), [6, 0, 0, 0]);
    }
}
