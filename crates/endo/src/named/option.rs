//! What options of declared types may be: settings, numbers of a range, axes in a list, values of
//! other families, and settings that are not saved.
//!
//! In: the text of an option. Out: the value, or what is wrong with it; and from it the text.

use std::sync::Arc;

use crate::error::Result;

use super::{Axes, Setting};

/// What an argument or option of a declared type may be: any [`Setting`], or a value of another
/// family, such as an activation.
pub(crate) trait OptionValue: Sized {
    /// What the text has to be, for messages.
    const EXPECTED: &'static str;

    /// The value that the text says, or what is wrong with it; nothing where there is no more to
    /// say than what was expected.
    fn parse(text: &str) -> Option<Result<Self>>;

    /// The text that says the value; none of a value without a name, such as a closure.
    fn text(&self) -> Option<String>;

    /// What messages say of an option that has this value unless it is given.
    fn default_text(&self) -> String {
        self.text().unwrap_or_else(|| "none".to_string())
    }
}

impl<S: Setting> OptionValue for S {
    const EXPECTED: &'static str = S::EXPECTED;

    fn parse(text: &str) -> Option<Result<Self>> {
        S::read(text).map(Ok)
    }

    fn text(&self) -> Option<String> {
        Some(self.write())
    }
}

/// An option that saved models leave out: a model may be loaded into one where it is another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unsaved<T>(pub T);

impl<T> From<T> for Unsaved<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<S: Setting> OptionValue for Unsaved<S> {
    const EXPECTED: &'static str = <S as Setting>::EXPECTED;

    fn parse(text: &str) -> Option<Result<Self>> {
        S::read(text).map(|value| Ok(Self(value)))
    }

    fn text(&self) -> Option<String> {
        None
    }
}

/// A value of another family that may be absent: text and saved models leave it out.
impl<T: ?Sized> OptionValue for Option<Arc<T>>
where
    Arc<T>: OptionValue,
{
    const EXPECTED: &'static str = <Arc<T>>::EXPECTED;

    fn parse(text: &str) -> Option<Result<Self>> {
        if text == "none" {
            return Some(Ok(None));
        }
        <Arc<T>>::parse(text).map(|value| value.map(Some))
    }

    fn text(&self) -> Option<String> {
        self.as_ref().and_then(OptionValue::text)
    }
}

/// Numbers of which not all make sense: text can say no others, and what a program gives is checked
/// where it is used.
macro_rules! checked {
    ($($(#[$doc:meta])* $Name:ident($Type:ty) if $check:expr, $expected:literal;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default, PartialEq)]
            pub(crate) struct $Name(pub $Type);

            impl $Name {
                /// Whether the number makes sense.
                pub fn is_valid(self) -> bool {
                    let check: fn(&$Type) -> bool = $check;
                    check(&self.0)
                }
            }

            impl From<$Type> for $Name {
                fn from(number: $Type) -> Self {
                    Self(number)
                }
            }

            impl Setting for $Name {
                const EXPECTED: &'static str = $expected;

                fn read(text: &str) -> Option<Self> {
                    <$Type>::read(text).map(Self).filter(|number| number.is_valid())
                }

                fn write(&self) -> String {
                    self.0.write()
                }
            }
        )+
    };
}

checked! {
    /// The share of elements that are left out.
    Rate(f64) if |rate| (0.0..1.0).contains(rate), "a number of at least 0 and less than 1";
    /// A deviation, or what is added to one; infinity is none.
    NotNegative(f64) if |number| (0.0..f64::INFINITY).contains(number), "a number of at least 0";
    /// How many there are of what there has to be.
    Count(usize) if |&count| count > 0, "a whole number from 1";
    /// A count that may be left to others.
    OptionalCount(Option<usize>) if |&count| count != Some(0), "a whole number from 1 or `none`";
    /// How many groups channels are divided into, or -1 for as many as there are channels.
    Groups(isize) if |&groups| groups == -1 || groups > 0, "a whole number from 1, or -1";
}

impl From<usize> for OptionalCount {
    fn from(count: usize) -> Self {
        Self(Some(count))
    }
}

/// Axes taken together, where a single one is the same as a list of it.
#[derive(Clone, Debug)]
pub(crate) struct AxisList(pub Vec<isize>);

impl From<Axes> for AxisList {
    fn from(axes: Axes) -> Self {
        Self(axes.as_slice().to_vec())
    }
}

impl Setting for AxisList {
    const EXPECTED: &'static str = <Axes as Setting>::EXPECTED;

    fn read(text: &str) -> Option<Self> {
        Axes::read(text).map(Self::from)
    }

    fn write(&self) -> String {
        self.0.write()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_axis_is_written_as_a_list() {
        assert_eq!(AxisList::read("2").unwrap().write(), "[2]");
        assert_eq!(AxisList::read("[0, -1]").unwrap().write(), "[0, -1]");
    }

    #[test]
    fn numbers_that_make_no_sense_are_not_read() {
        assert_eq!((Rate::read("0"), Rate::read("1")), (Some(Rate(0.0)), None));
        assert_eq!((NotNegative::read("inf"), NotNegative::read("NaN")), (None, None));
        assert_eq!((Count::read("1"), Count::read("0")), (Some(Count(1)), None));
        assert_eq!(["-1", "1"].map(Groups::read), [Some(Groups(-1)), Some(Groups(1))]);
        assert_eq!(["-2", "0"].map(Groups::read), [None, None]);
        assert_eq!(OptionalCount::read("none"), Some(OptionalCount(None)));
        assert_eq!(["0", "3"].map(OptionalCount::read), [None, Some(OptionalCount(Some(3)))]);
    }
}
