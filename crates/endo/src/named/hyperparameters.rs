//! The hyperparameters of a value, by name: what is saved with a model besides its weights.
//!
//! In: names and values, from the struct that has them. Out: text, and from it the values again,
//! for the struct's constructor.

use std::fmt;

use crate::error::{Error, Result};
use crate::spelling;

use super::setting::quoted;
use super::{OptionValue, Setting, parse, written};

/// The hyperparameters of a loss, a layer, a metric, an activation, an initializer, a regularizer
/// or a constraint: what its `hyperparameters` method returns, and what a saved model keeps of it.
/// What Keras's `get_config` returns.
///
/// ```
/// use endo::prelude::*;
///
/// struct HuberLoss { threshold: f64 }
///
/// impl Loss for HuberLoss {
///     fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
///         huber(y_true, y_pred, self.threshold)
///     }
///     fn hyperparameters(&self) -> Hyperparameters {
///         Hyperparameters::new().with("threshold", self.threshold)
///     }
/// }
///
/// let hyperparameters = HuberLoss { threshold: 2.0 }.hyperparameters();
/// assert_eq!(hyperparameters.to_string(), "threshold=2.0");
/// assert_eq!(hyperparameters.get::<f64>("threshold")?, 2.0);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hyperparameters {
    entries: Vec<(String, String)>,
}

impl Hyperparameters {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// These and one more; of two with one name the last stays.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Setting) -> Self {
        self.set(name, value.write());
        self
    }

    /// These and, under `name`, what a value calls itself: an activation or a regularizer that is a
    /// field, say, with its own hyperparameters. Nothing is noted of one without a name, such as a
    /// closure.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let hyperparameters =
    ///     Hyperparameters::new().with_named("activation", LeakyRelu.negative_slope(0.1).name());
    /// assert_eq!(hyperparameters.to_string(), "activation=leaky_relu(negative_slope=0.1)");
    /// assert_eq!(hyperparameters.get::<f64>("activation.negative_slope")?, 0.1);
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn with_named(mut self, name: &str, value: Option<String>) -> Self {
        if let Some(text) = value {
            self.set(name, text);
        }
        self
    }

    /// These and an option of a declared type, unless it has no text.
    pub(crate) fn with_option(self, name: &str, value: &impl OptionValue) -> Self {
        self.with_named(name, value.text())
    }

    /// These in another order: those of the names given, then all others.
    pub(crate) fn beginning_with(mut self, first: &[&str]) -> Self {
        let place = |name: &str| first.iter().position(|known| *known == name);
        self.entries.sort_by_key(|(name, _)| place(name).unwrap_or(first.len()));
        self
    }

    /// These and others.
    pub(crate) fn and(mut self, others: &Self) -> Self {
        for (name, text) in others.iter() {
            self.set(name, text.to_string());
        }
        self
    }

    pub(crate) fn set(&mut self, name: &str, text: String) {
        match self.entries.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = text,
            None => self.entries.push((name.to_string(), text)),
        }
    }

    /// The value of a hyperparameter; of one of a value within, with the names joined by a point:
    /// `"activation.negative_slope"`.
    ///
    /// # Errors
    /// If there is none of that name, or it is not of the type asked for.
    pub fn get<S: Setting>(&self, name: &str) -> Result<S> {
        let text = self.text(name)?;
        S::read(&text).ok_or_else(|| {
            let message = format!(
                "the hyperparameter `{name}` is asked for as {}, and is `{text}`",
                S::EXPECTED
            );
            Error::argument(message, "ask for it as the type with which it was saved")
        })
    }

    fn text(&self, name: &str) -> Result<String> {
        let text_of =
            |name: &str| self.entries.iter().find(|(known, _)| known == name).map(|(_, text)| text);
        // The name itself may have points.
        let within =
            name.rmatch_indices('.').map(|(point, _)| (&name[..point], Some(&name[point + 1..])));
        let found = std::iter::once((name, None))
            .chain(within)
            .find_map(|(name, rest)| Some((text_of(name)?, rest)));
        let Some((text, rest)) = found else {
            let first = name.split('.').next().unwrap_or(name);
            let known = || self.entries.iter().map(|(known, _)| known.as_str());
            let help = match (spelling::nearest(first, known()), self.is_empty()) {
                (_, true) => "there are no hyperparameters".to_string(),
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, false) => format!("there are {}", spelling::listed(known())),
            };
            return Err(Error::argument(format!("there is no hyperparameter `{first}`"), help));
        };
        match rest {
            None => Ok(text.clone()),
            Some(rest) => Self::read(text)?.1.text(rest),
        }
    }

    /// Names and values as text, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The text of a value with these: `huber_loss(threshold=2.0)`.
    pub(crate) fn written(&self, name: &str) -> String {
        written(
            name,
            &self
                .entries
                .iter()
                .map(|(option, text)| (option.as_str(), text.clone(), true))
                .collect::<Vec<_>>(),
        )
    }

    /// Name and hyperparameters from such a text.
    pub(crate) fn read(text: &str) -> Result<(String, Self)> {
        let (name, given) = parse(text)?;
        let plain = |name: &str| String::read(name).unwrap_or_else(|| name.to_string());
        let mut hyperparameters = Self::new();
        for (index, (option, value)) in given.into_iter().enumerate() {
            // Those without a name have that of their place.
            hyperparameters
                .set(&option.map_or_else(|| index.to_string(), plain), value.to_string());
        }
        Ok((plain(name), hyperparameters))
    }
}

/// What a value of a type of the user's own is called: the type or function in snake case, with its
/// hyperparameters; `None` for closures, which have no names.
pub(crate) fn name_of<T: ?Sized>(hyperparameters: &Hyperparameters) -> Option<String> {
    let path = std::any::type_name::<T>();
    let plain = |letter: char| letter.is_alphanumeric() || "_:".contains(letter);
    let head = path.split('<').next().unwrap_or(path);
    (!head.is_empty() && head.chars().all(plain))
        .then(|| hyperparameters.written(&spelling::snake_case(path)))
}

impl fmt::Display for Hyperparameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries: Vec<String> =
            self.entries.iter().map(|(name, text)| format!("{}={text}", quoted(name))).collect();
        f.write_str(&entries.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let path = "a, (b) = \"c\"".to_string();
        let inner = Hyperparameters::new()
            .with("factor", 0.25)
            .with("axes", vec![0_usize, 1])
            .written("my_l1");
        let all = Hyperparameters::new()
            .with("units", 30_usize)
            .with("path", path.clone())
            .with_named("penalty", Some(inner));
        let (name, read) = Hyperparameters::read(&all.written("my_dense")).unwrap();
        assert_eq!((name.as_str(), &read), ("my_dense", &all));
        assert_eq!(read.get::<String>("path").unwrap(), path);
        assert_eq!(read.get::<f64>("penalty.factor").unwrap(), 0.25);
        assert_eq!(read.get::<Vec<usize>>("penalty.axes").unwrap(), [0, 1]);
    }

    #[test]
    fn any_name_and_any_text_comes_back_within_others_too() {
        let texts = [
            "", " ", "a=b", "a, b", "(", ")", "[", "a\nb", "a\r\nb", "\"", "\"a\"=1", "\\", "a.b",
            "ä", "a\\\"(", "\u{1f}\0", "'",
        ];
        for name in texts {
            for text in texts {
                let all = Hyperparameters::new()
                    .with(name, text.to_string())
                    .with("other", vec![text.to_string(), name.to_string()]);
                let within = all.written(name);
                assert_eq!(
                    Hyperparameters::read(&within).unwrap(),
                    (name.to_string(), all),
                    "{within}"
                );
                let outer = Hyperparameters::new()
                    .with_named("x.y", Some(within))
                    .with("z", 1_usize)
                    .written(text);
                let (kind, outer) = Hyperparameters::read(&outer).unwrap();
                assert_eq!((kind.as_str(), outer.get::<usize>("z").unwrap()), (text, 1));
                assert_eq!(outer.get::<String>(&format!("x.y.{name}")).unwrap(), text);
                assert_eq!(outer.get::<Vec<String>>("x.y.other").unwrap(), [text, name]);
            }
        }
    }

    #[test]
    fn what_is_not_there_or_of_another_type_is_an_error() {
        let all = Hyperparameters::new().with("threshold", 2.5);
        let error = all.get::<f64>("treshold").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no hyperparameter `treshold`\n  help: did you mean `threshold`?"
        );
        let error = all.get::<usize>("threshold").unwrap_err();
        error.reads(
            "the hyperparameter `threshold` is asked for as a whole number from 0, and is `2.5`",
        );
        all.get::<f64>("threshold.factor").unwrap_err().advises("there are no hyperparameters");
    }

    #[test]
    fn types_and_functions_have_names_and_closures_have_none() {
        struct MyNormal;
        fn of<T>(_: &T) -> Option<String> {
            name_of::<T>(&Hyperparameters::new().with("stddev", 0.5))
        }
        fn my_softplus() {}
        assert_eq!(of(&MyNormal).unwrap(), "my_normal(stddev=0.5)");
        assert_eq!(of(&my_softplus).unwrap(), "my_softplus(stddev=0.5)");
        assert_eq!((of(&|| ()), of(&(my_softplus as fn()))), (None, None));
    }
}
