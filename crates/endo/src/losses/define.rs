//! How a loss with its options is defined: the macro [`losses!`], and the options that losses alone
//! have.
//!
//! In: a type's name, Keras's names for it, its options with their defaults, and the values it
//! gives. Out: the type, a value of the same name with Keras's defaults, its options as methods,
//! its [`Loss`](super::Loss), and a row of the file's `ROWS`.

use crate::named::{Axes, Setting, optional};

/// Losses, each with the names that text gives it (the first is the one in reports) and its options
/// in Keras's order.
///
/// ```text
/// losses! { call(self, y_true, y_pred);
///     /// Documentation.
///     Name ["name", "other_name"] { /// Documentation. option: f64 = 0.5, } => values,
///         mask(y_true, values) => truth_values,
///         targets(y_true, y_pred) => what_they_have_to_be;
/// }
/// ```
///
/// `option: Option<Axes> as Axes = None` makes a method that takes what becomes an `Axes`. Without
/// a mask every value counts.
macro_rules! losses {
    (call($this:ident, $y_true:ident, $y_pred:ident);
     $($(#[$doc:meta])* $Loss:ident [$name:literal $(, $other:literal)*] $options:tt => $values:expr
       $(, mask($labels:ident, $unmasked:ident) => $mask:expr)?
       $(, targets($true_shape:ident, $pred_shape:ident) => $targets:expr)?;)+) => {
        $(
            $crate::losses::define::losses! { @define [$(#[$doc])*] $Loss $options }

            impl $crate::losses::Loss for $Loss {
                #[track_caller]
                fn call(&$this, $y_true: &Tensor, $y_pred: &Tensor) -> Tensor {
                    $values
                }

                fn name(&self) -> &str {
                    $name
                }

                fn hyperparameters(&self) -> $crate::named::Hyperparameters {
                    $crate::losses::define::losses! { @hyperparameters self $options }
                }

                $(
                    #[track_caller]
                    fn mask(&$this, $labels: &Tensor, $unmasked: &Tensor) -> Option<Tensor> {
                        $mask
                    }
                )?

                $(
                    fn targets(
                        &$this,
                        $true_shape: &$crate::shape::Shape,
                        $pred_shape: &$crate::shape::Shape,
                    ) -> $crate::losses::Targets {
                        $targets
                    }
                )?
            }
        )+

        /// The rows of this file.
        pub(super) static ROWS: &[$crate::named::Named<dyn $crate::losses::Loss>] = &[
            $($crate::losses::define::losses! { @row $Loss [$name $(, $other)*] $options }),+
        ];
    };

    (@define [$(#[$doc:meta])*] $Loss:ident {}) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct $Loss;

        impl $Loss {
            /// The loss, or the metric that is its mean, written as Keras writes it.
            pub const fn new() -> Self {
                Self
            }
        }
    };
    (@define [$(#[$doc:meta])*] $Loss:ident
     { $($(#[$option_doc:meta])* $option:ident: $Option:ty $(as $Given:ty)? = $default:expr,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Loss {
            $($(#[$option_doc])* pub $option: $Option,)+
        }

        #[doc = concat!("[`", stringify!($Loss), "`](struct@", stringify!($Loss), ") with Keras's \
            defaults.")]
        #[allow(non_upper_case_globals)]
        pub const $Loss: $Loss = $Loss { $($option: $default,)+ };

        impl $Loss {
            /// The loss with Keras's defaults, written as Keras writes it.
            pub const fn new() -> Self {
                $Loss
            }

            $(
                $(#[$option_doc])*
                #[must_use]
                pub fn $option(
                    mut self,
                    $option: impl Into<$crate::losses::define::losses!(@given $Option $(as $Given)?)>,
                ) -> Self {
                    let given: $crate::losses::define::losses!(@given $Option $(as $Given)?) = $option.into();
                    self.$option = given.into();
                    self
                }
            )+
        }

        impl Default for $Loss {
            fn default() -> Self {
                $Loss
            }
        }
    };

    (@hyperparameters $this:ident { $($(#[$option_doc:meta])* $option:ident: $Option:ty $(as $Given:ty)? = $default:expr,)* }) => {
        $crate::named::Hyperparameters::new()$(.with(stringify!($option), $this.$option.clone()))*
    };

    (@given $Option:ty) => { $Option };
    (@given $Option:ty as $Given:ty) => { $Given };

    (@row $Loss:ident [$($name:literal),+]
     { $($(#[$option_doc:meta])* $option:ident: $Option:ty $(as $Given:ty)? = $default:expr,)* }) => {
        $crate::named::Named {
            names: &[$($name),+],
            options: &[$(stringify!($option),)* "reduction"],
            make: |settings| {
                let loss = $Loss { $($option: settings.take(stringify!($option), $default)?,)* };
                let reduction = settings.take("reduction", $crate::losses::Loss::reduction(&loss))?;
                Ok(std::sync::Arc::new($crate::losses::Loss::with_reduction(loss, reduction)))
            },
        }
    };
}

pub(crate) use losses;

optional! {
    Axes, "an axis, a list of axes such as `[1, 2]`, or `none` for all";
}

/// One number for all classes, or one for each.
///
/// ```
/// use endo::losses::{CategoricalFocalCrossentropy, PerClass};
/// let same = CategoricalFocalCrossentropy.alpha(0.5);
/// let rare_first = CategoricalFocalCrossentropy.alpha([0.75, 0.25]);
/// assert_eq!(rare_first.alpha, PerClass::Each(vec![0.75, 0.25]));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum PerClass {
    /// The same number for every class.
    Same(f64),
    /// A number for each class, in their order.
    Each(Vec<f64>),
}

impl From<f64> for PerClass {
    fn from(number: f64) -> Self {
        Self::Same(number)
    }
}

impl<const N: usize> From<[f64; N]> for PerClass {
    fn from(numbers: [f64; N]) -> Self {
        Self::Each(numbers.to_vec())
    }
}

impl From<Vec<f64>> for PerClass {
    fn from(numbers: Vec<f64>) -> Self {
        Self::Each(numbers)
    }
}

impl Setting for PerClass {
    const EXPECTED: &'static str = "a number, or a list of numbers such as `[0.25, 0.75]`";

    fn read(text: &str) -> Option<Self> {
        let Some(list) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
            return f64::read(text).map(Self::Same);
        };
        let numbers: Option<Vec<f64>> =
            list.split(',').map(|number| f64::read(number.trim())).collect();
        numbers.map(Self::Each)
    }

    fn write(&self) -> String {
        match self {
            Self::Same(number) => number.write(),
            Self::Each(numbers) => format!("{numbers:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_they_are_written() {
        for axis in [None, Some(Axes::One(-1)), Some(Axes::from([1, 2]))] {
            assert_eq!(Setting::read(&axis.write()), Some(axis));
        }
        for alpha in [PerClass::Same(0.25), PerClass::Each(vec![0.5, 1e-3])] {
            assert_eq!(PerClass::read(&alpha.write()), Some(alpha));
        }
        assert_eq!(<Option<i32>>::read("-1"), Some(Some(-1)));
        assert_eq!(<Option<i32>>::read("none"), Some(None));
        assert_eq!(PerClass::read("[0.5, x]"), None);
    }
}
