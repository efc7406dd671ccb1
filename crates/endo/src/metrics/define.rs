//! How a metric is declared: the macro [`metric!`].
//!
//! In: a type's name, its names in text, its arguments and options, what it accumulates in, and how
//! that is updated and read. Out: the type with its constructor, its options as methods, its
//! [`Metric`] with the report of a metric that a layer holds and with all options to be saved, and
//! its row in the table of names.

use std::sync::Arc;

use crate::named::{Declared, Named};

use super::{Metric, Totals};

/// What a row of names makes: a metric under a name.
pub(super) type MetricMaker = dyn Fn(&str) -> Arc<dyn Metric>;

/// A metric made by [`metric!`].
pub(super) trait DeclaredMetric: Declared + Metric + Clone + 'static {
    /// New totals under a name, of the size that the options ask for.
    fn totals_of(&self, name: String) -> Totals;

    /// Where the metric's totals are.
    fn totals_mut(&mut self) -> &mut Totals;

    /// The metric with totals of its own under a name.
    fn with_totals(mut self, name: String) -> Self {
        *self.totals_mut() = self.totals_of(name);
        self
    }

    /// The metric with totals of its own, after an option was set.
    fn with_own_totals(mut self) -> Self {
        let name = self.totals_mut().name().to_string();
        self.with_totals(name)
    }
}

/// The row of a declared metric in the table of names.
pub(super) const fn row<M: DeclaredMetric>() -> Named<MetricMaker> {
    Named::of::<M>(&[], |given| {
        let metric = M::of_text(given)?;
        Ok(Arc::new(move |name: &str| Arc::new(metric.clone().with_totals(name.to_string()))))
    })
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
///     value(self) => the_same_in_numbers_if_there_is_a_shorter_way;
///     targets(self, y_true, y_pred) => what_they_have_to_be;
/// }
/// ```
macro_rules! metric {
    ($(#[$doc:meta])* $Metric:ident [$name:literal $(, $other:literal)*]
     $(($($argument:ident: $Argument:ty $(=> $IntoArgument:ty)?),+))?
     $({$($(#[$option_doc:meta])* $option:ident: $Option:ty $(as $Given:ty)? $(=> $Into:ty)?
         = $default:expr),+ $(,)?})?;
     totals($totals_self:ident, $totals_name:ident) => $totals:expr;
     update($self:ident, $y_true:ident, $y_pred:ident, $weight:ident, $cx:ident) => $update:expr;
     result($result_self:ident, $result_cx:ident) => $result:expr;
     $(value($value_self:ident) => $value:expr;)?
     $(targets($targets_self:ident, $true_shape:ident, $pred_shape:ident) => $targets:expr;)?) => {
        $crate::named::declare! {
            $(#[$doc])*
            #[derive(Clone, Debug)]
            $Metric [$name $(, $other)*]
            #[doc = concat!("A metric named `", $name, "`.")]
            ($($($argument: $Argument $(=> $IntoArgument)?),+)?)
            { $($($(#[$option_doc])* $option: $Option $(as $Given)? $(=> $Into)? = $default),+)? }
            with { totals: $crate::metrics::Totals = $crate::metrics::Totals::new($name, []) }
            then $crate::metrics::define::DeclaredMetric::with_own_totals
        }

        impl $Metric {
            /// The same metric under another name.
            #[must_use]
            pub fn name(self, name: impl Into<String>) -> Self {
                $crate::metrics::define::DeclaredMetric::with_totals(self, name.into())
            }

            /// Its row in the table of names.
            pub(super) const ROW: $crate::named::Named<$crate::metrics::define::MetricMaker> =
                $crate::metrics::define::row::<Self>();
        }

        impl $crate::metrics::define::DeclaredMetric for $Metric {
            fn totals_of(&$totals_self, $totals_name: String) -> $crate::metrics::Totals {
                $totals
            }

            fn totals_mut(&mut self) -> &mut $crate::metrics::Totals {
                &mut self.totals
            }
        }

        $crate::metrics::define::implement_metric! { $Metric;
            update($self, $y_true, $y_pred, $weight, $cx) => $update;
            result($result_self, $result_cx) => $result;
            $(value($value_self) => $value;)?
            $(targets($targets_self, $true_shape, $pred_shape) => $targets;)?
        }
    };
}

/// What a metric does with batches, as [`metric!`] is told.
macro_rules! implement_metric {
    ($Metric:ident;
     update($self:ident, $y_true:ident, $y_pred:ident, $weight:ident, $cx:ident) => $update:expr;
     result($result_self:ident, $result_cx:ident) => $result:expr;
     $(value($value_self:ident) => $value:expr;)?
     $(targets($targets_self:ident, $true_shape:ident, $pred_shape:ident) => $targets:expr;)?) => {
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

            fn result(
                &$result_self,
                $result_cx: &mut $crate::trace::Context,
            ) -> $crate::graph::Tensor {
                $result
            }

            $(
                fn value(&$value_self) -> $crate::error::Result<$crate::array::Array> {
                    $value
                }
            )?

            fn hyperparameters(&self) -> $crate::named::Hyperparameters {
                $crate::named::Declared::noted(self)
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
    };
}

pub(super) use {implement_metric, metric};
