//! What a model can be given as metrics: values of any metric, of the user's own too, losses,
//! names, and lists of them.
//!
//! In: what stands in `compile`. Out: the metrics of each output.

use std::sync::Arc;

use crate::graph::Tensor;
use crate::losses::Loss;
use crate::named::kinds;
use crate::trace::{Context, WithContext};

use super::{MeanMetricWrapper, Metric, get};

/// Anything that becomes a metric when a model is compiled: a metric (a clone of one whose clones
/// share their totals can be read later, and so can `model.metric(name)`), an `Arc` of one, a loss
/// (its mean over the epoch), or a name that [`get`] knows.
///
/// `K` is one of [`kinds`] and is found by the compiler.
///
/// ```
/// # use endo::prelude::*;
/// let metrics =
///     ["mae".into_metric(), Huber.delta(2.0).into_metric(), Precision::new().into_metric()];
/// assert_eq!(
///     metrics.each_ref().map(|metric| metric.name().to_string()),
///     ["mae", "huber", "precision"]
/// );
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a metric",
    note = "a metric is a value that implements `Metric` or `Loss`, an `Arc` of one, or a name \
        such as \"mae\""
)]
pub trait IntoMetric<K> {
    /// The metric.
    fn into_metric(self) -> Arc<dyn Metric>;
}

impl<M: Metric + 'static> IntoMetric<kinds::Value> for M {
    fn into_metric(self) -> Arc<dyn Metric> {
        Arc::new(self)
    }
}

impl<M: Metric + 'static> IntoMetric<kinds::Shared> for Arc<M> {
    fn into_metric(self) -> Arc<dyn Metric> {
        self
    }
}

impl IntoMetric<kinds::Shared> for Arc<dyn Metric> {
    fn into_metric(self) -> Arc<dyn Metric> {
        self
    }
}

impl<L: Loss + 'static> IntoMetric<kinds::OfLoss> for L {
    fn into_metric(self) -> Arc<dyn Metric> {
        Arc::new(MeanMetricWrapper::new(self))
    }
}

impl<F: Fn(&Tensor, &Tensor, &mut Context) -> Tensor + Send + Sync + 'static>
    IntoMetric<kinds::WithContext> for F
{
    fn into_metric(self) -> Arc<dyn Metric> {
        Arc::new(MeanMetricWrapper::new(WithContext(self)))
    }
}

/// The metric that a text names, as [`get`] finds it; a text that names none is an error where the
/// metric is first used.
impl IntoMetric<kinds::Name> for &'static str {
    fn into_metric(self) -> Arc<dyn Metric> {
        get(self).unwrap_or_else(|error| Arc::new(super::names::Unknown { text: self, error }))
    }
}

/// The metrics that a model is compiled with: an array or vector of one kind, a tuple of several
/// kinds, or `()` for none. Of a model of several outputs these are the metrics of the first; an
/// array or tuple of such lists has one for each output.
///
/// ```
/// use endo::prelude::*;
/// let branch = |name: &str| Dense::new(1).name(name);
/// let (price, rent) = (branch("price"), branch("rent"));
/// let mut model =
///     Model::new(move |x: &Tensor, cx: &mut Context| [price.apply(x, cx), rent.apply(x, cx)]);
/// model
///     .compile("nadam", ("mse", "mae"), (["mae"], ("mae", RootMeanSquaredError::new())))
///     .loss_weights([0.9, 0.1]);
/// let y = Array::from([[1.0_f32], [2.0]]);
/// let logs = model.evaluate(&Dataset::new([[1.0_f32], [2.0]], (y.clone(), y))?)?;
/// assert!(
///     ["price_mae", "rent_mae", "rent_root_mean_squared_error"]
///         .iter()
///         .all(|name| logs.get(name).is_some())
/// );
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of metrics",
    note = "give an array of metrics of one type, `[\"mae\"]`, a tuple of several types, \
        `(\"mae\", RootMeanSquaredError::new())`, one of such \
            lists for each output, or `()`"
)]
pub trait IntoMetrics<K> {
    /// The metrics of each output, from the first on.
    fn into_metrics(self) -> Vec<Vec<Arc<dyn Metric>>>;
}

impl IntoMetrics<()> for () {
    fn into_metrics(self) -> Vec<Vec<Arc<dyn Metric>>> {
        Vec::new()
    }
}

impl<K, M: IntoMetric<K>, const N: usize> IntoMetrics<kinds::List<K>> for [M; N] {
    fn into_metrics(self) -> Vec<Vec<Arc<dyn Metric>>> {
        vec![self.into_iter().map(IntoMetric::into_metric).collect()]
    }
}

impl<K, M: IntoMetric<K>> IntoMetrics<kinds::List<K>> for Vec<M> {
    fn into_metrics(self) -> Vec<Vec<Arc<dyn Metric>>> {
        vec![self.into_iter().map(IntoMetric::into_metric).collect()]
    }
}

impl<K, L: IntoMetrics<K>, const N: usize> IntoMetrics<kinds::PerOutput<K>> for [L; N] {
    fn into_metrics(self) -> Vec<Vec<Arc<dyn Metric>>> {
        self.into_iter().map(|list| list.into_metrics().concat()).collect()
    }
}

impl<K, L: IntoMetrics<K>> IntoMetrics<kinds::PerOutput<K>> for Vec<L> {
    fn into_metrics(self) -> Vec<Vec<Arc<dyn Metric>>> {
        self.into_iter().map(|list| list.into_metrics().concat()).collect()
    }
}

macro_rules! tuples {
    ($(($($Item:ident $Kind:ident $item:ident),+))+) => {
        $(
            impl<$($Kind, $Item: IntoMetric<$Kind>),+> IntoMetrics<($($Kind,)+)> for ($($Item,)+) {
                fn into_metrics(self) -> Vec<Vec<Arc<dyn Metric>>> {
                    let ($($item,)+) = self;
                    vec![vec![$($item.into_metric()),+]]
                }
            }

            impl<$($Kind, $Item: IntoMetrics<$Kind>),+>
                IntoMetrics<kinds::PerOutput<($($Kind,)+)>> for ($($Item,)+)
            {
                fn into_metrics(self) -> Vec<Vec<Arc<dyn Metric>>> {
                    let ($($item,)+) = self;
                    vec![$($item.into_metrics().concat()),+]
                }
            }
        )+
    };
}

tuples! {
    (A KA a)
    (A KA a, B KB b)
    (A KA a, B KB b, C KC c)
    (A KA a, B KB b, C KC c, D KD d)
    (A KA a, B KB b, C KC c, D KD d, E KE e)
    (A KA a, B KB b, C KC c, D KD d, E KE e, G KG g)
    (A KA a, B KB b, C KC c, D KD d, E KE e, G KG g, H KH h)
    (A KA a, B KB b, C KC c, D KD d, E KE e, G KG g, H KH h, J KJ j)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    fn names<K>(metrics: impl IntoMetrics<K>) -> Vec<Vec<String>> {
        let names = |list: Vec<Arc<dyn Metric>>| {
            list.iter().map(|metric| metric.name().to_string()).collect()
        };
        metrics.into_metrics().into_iter().map(names).collect()
    }

    #[test]
    fn a_list_holds_names_losses_and_metrics() {
        let huber_fn = |y_true: &Tensor, y_pred: &Tensor| huber(y_true, y_pred, 1.0);
        let all = (
            "accuracy",
            MeanSquaredError,
            Precision::new().name("p"),
            Arc::new(Auc::new()),
            huber_fn,
        );
        assert_eq!(names(all), [["accuracy", "mean_squared_error", "p", "auc", "loss"]]);
        assert_eq!(names([Mean::new("a"), Mean::new("b")]), [["a", "b"]]);
        assert!(names(()).is_empty());
    }

    #[test]
    fn a_list_of_lists_is_for_outputs() {
        assert_eq!(names([["mse"], ["mae"]]), [["mse"], ["mae"]]);
        assert_eq!(
            names((["mse"], (), ("mae", Huber))),
            [vec!["mse"], vec![], vec!["mae", "huber"]]
        );
    }
}
