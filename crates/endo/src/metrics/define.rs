//! How a metric is declared: the macro [`metric!`].
//!
//! In: a type's name, its names in text, its arguments and options, what it accumulates in, and how
//! that is updated and read. Out: the type with its constructor, its options as methods, its
//! [`Metric`] with the report of a metric that a layer holds and with all options to be saved, and
//! its row in the table of names.

use std::sync::Arc;

use crate::named::Named;

use super::Metric;

/// What a row of names makes: a metric under a name.
pub(super) type MetricMaker = dyn Fn(&str) -> Arc<dyn Metric>;

/// A metric that text can name.
pub(super) trait NamedMetric {
    /// Its names, what it takes, and how it is made of a text.
    const ROW: Named<MetricMaker>;
}

/// A metric: its names in text (the first is the one in reports), the arguments that it needs, its
/// options with Keras's names and defaults. `option: Option<usize> as usize` makes a method that
/// takes a `usize`, `option: Vec<f64> => Vec<f64>` one that takes what becomes a `Vec<f64>`.
///
/// ```text
/// metric! {
///     /// Documentation.
///     Name ["name", "other_name"] (argument: usize) { /// Documentation. option: f64 = 0.5 };
///     totals(self, name) => Totals::new(name, ["total", "count"]);
///     update(self, y_true, y_pred, sample_weight, cx) => { .. };
///     result(self, cx) => { .. };
///     targets(self, y_true, y_pred) => what_they_have_to_be;
/// }
/// ```
macro_rules! metric {
    ($(#[$doc:meta])* $Metric:ident [$name:literal $(, $other:literal)*]
     $(($($argument:ident: $Argument:ty $(=> $IntoArgument:ty)?),+))?
     $({$($(#[$option_doc:meta])* $option:ident: $Option:ty $(as $Given:ty)? $(=> $Into:ty)? = $default:expr),+ $(,)?})?;
     totals($totals_self:ident, $totals_name:ident) => $totals:expr;
     update($self:ident, $y_true:ident, $y_pred:ident, $weight:ident, $cx:ident) => $update:expr;
     result($result_self:ident, $result_cx:ident) => $result:expr;
     $(targets($targets_self:ident, $true_shape:ident, $pred_shape:ident) => $targets:expr;)?) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Metric {
            totals: $crate::metrics::Totals,
            $($($argument: $Argument,)+)?
            $($($option: $Option,)+)?
        }

        impl $Metric {
            #[doc = concat!("A metric named `", $name, "`.")]
            #[allow(clippy::new_without_default, clippy::useless_conversion)]
            pub fn new($($($argument: $crate::metrics::define::metric!(@taken $Argument $(=> $IntoArgument)?)),+)?) -> Self {
                let metric = Self {
                    totals: $crate::metrics::Totals::new($name, []),
                    $($($argument: $argument.into(),)+)?
                    $($($option: $default,)+)?
                };
                metric.with_totals($name.to_string())
            }

            $($(
                $(#[$option_doc])*
                #[must_use]
                #[allow(clippy::useless_conversion)]
                pub fn $option(
                    mut self,
                    $option: $crate::metrics::define::metric!(@taken $Option $(as $Given)? $(=> $Into)?),
                ) -> Self {
                    $(let $option: $Into = $option.into();)?
                    self.$option = $option.into();
                    let name = self.totals.name().to_string();
                    self.with_totals(name)
                }
            )+)?

            /// The same metric under another name.
            #[must_use]
            pub fn name(self, name: impl Into<String>) -> Self {
                self.with_totals(name.into())
            }

            /// The metric with totals of its own, of the size that its options ask for.
            fn with_totals(mut self, name: String) -> Self {
                self.totals = self.totals_of(name);
                self
            }

            fn totals_of(&$totals_self, $totals_name: String) -> $crate::metrics::Totals {
                $totals
            }
        }

        $crate::metrics::define::metric! { @default $Metric $($($argument)+)? }

        impl $crate::metrics::Metric for $Metric {
            fn totals(&self) -> Option<&$crate::metrics::Totals> {
                Some(&self.totals)
            }

            #[track_caller]
            fn update(
                &$self,
                $y_true: &$crate::graph::Tensor,
                $y_pred: &$crate::graph::Tensor,
                $weight: Option<&$crate::graph::Tensor>,
                $cx: &mut $crate::trace::Context,
            ) {
                $crate::metrics::Metric::report($self, $cx);
                $update
            }

            fn result(&$result_self, $result_cx: &mut $crate::trace::Context) -> $crate::graph::Tensor {
                $result
            }

            fn hyperparameters(&self) -> $crate::named::Hyperparameters {
                $crate::named::Hyperparameters::new()
                    $($(.with(stringify!($argument), self.$argument.clone()))+)?
                    $($(.with(stringify!($option), self.$option.clone()))+)?
            }

            $(
                fn targets(
                    &$targets_self,
                    $true_shape: &$crate::shape::Shape,
                    $pred_shape: &$crate::shape::Shape,
                ) -> $crate::losses::Targets {
                    $targets
                }
            )?
        }

        impl $crate::metrics::define::NamedMetric for $Metric {
            const ROW: $crate::named::Named<$crate::metrics::define::MetricMaker> = $crate::named::Named {
                names: &[$name $(, $other)*],
                options: &[$($(stringify!($argument),)+)? $($(stringify!($option)),+)?],
                make: |_settings| {
                    let metric = $Metric::new($($(_settings.required::<$Argument>($name, stringify!($argument))?),+)?);
                    $($(let metric = $Metric { $option: _settings.take(stringify!($option), $default)?, ..metric };)+)?
                    Ok(std::sync::Arc::new(move |name: &str| -> std::sync::Arc<dyn $crate::metrics::Metric> {
                        std::sync::Arc::new(metric.clone().name(name))
                    }))
                },
            };
        }
    };

    (@taken $Type:ty) => { $Type };
    (@taken $Type:ty as $Given:ty) => { $Given };
    (@taken $Type:ty => $Into:ty) => { impl Into<$Into> };

    (@default $Metric:ident) => {
        impl Default for $Metric {
            fn default() -> Self {
                Self::new()
            }
        }
    };
    (@default $Metric:ident $($argument:ident)+) => {};
}

pub(super) use metric;
