//! Metrics by the names that Keras gives them.
//!
//! In: a name, in parentheses its options, in a list that a model is compiled with or on a command
//! line. Out: the metric, reported under the name as it was written. Names of losses are looked up
//! among the losses.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::losses;
use crate::named::{self, table};
use crate::site::Site;
use crate::spelling::{listed, nearest};
use crate::trace::Context;
use crate::variable::Variable;

use super::define::MetricMaker;
use super::*;

/// The metric that a text names, with its options in parentheses, by name or in their order:
/// Keras's names and defaults. Neither case nor underscores count; reports call the metric by the
/// name as it is written. The mean of a loss has the loss's name.
///
/// ```
/// use endo::metrics;
/// use endo::prelude::*;
/// assert_eq!(
///     metrics::get("mse")?.update_on(&[[1.0_f32]].into(), &[[3.0_f32]].into())?.item()?,
///     4.0
/// );
/// assert_eq!(metrics::get("precision(top_k=1)")?.name(), "precision");
/// let error = metrics::get("recal").err().unwrap();
/// assert_eq!(
///     error.to_string(),
///     "there is no metric called `recal`\n  help: did you mean `recall`?"
/// );
/// # Ok::<(), endo::Error>(())
/// ```
///
/// # Errors
/// When there is no such metric or option, or an argument that the metric needs is missing; the
/// error names the nearest.
pub fn get(text: &str) -> Result<Arc<dyn Metric>> {
    get_as(text, text.split('(').next().unwrap_or(text).trim())
}

/// As [`get`], reported under another name.
///
/// ```
/// use endo::metrics;
/// assert_eq!(metrics::get_as("mean_absolute_error", "price_error")?.name(), "price_error");
/// # Ok::<(), endo::Error>(())
/// ```
///
/// # Errors
/// As of [`get`].
pub fn get_as(text: &str, reported: &str) -> Result<Arc<dyn Metric>> {
    let name = text.split('(').next().unwrap_or(text).trim();
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    if rows().any(|row| row.names.iter().any(|known| plain(known) == plain(name))) {
        return Ok(named::get("metric", text, rows())?(reported));
    }
    let known = || names().chain(losses::names());
    match losses::get(text) {
        Ok(loss) => Ok(Arc::new(MeanMetricWrapper::new(loss).name(reported))),
        Err(error) if known().any(|known| plain(known) == plain(name)) => Err(error),
        Err(_) => {
            let help = match nearest(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}; and every loss is a metric", listed(names())),
            };
            Err(Error::argument(format!("there is no metric called `{name}`"), help))
        }
    }
}

table! {
    /// The names of all metrics that are not the mean of a loss.
    MetricMaker:
        accuracy::ROWS, regression::ROWS, correlation::ROWS, cosine_similarity::ROWS, counts::ROWS,
        f_score::ROWS, auc::ROWS, operating_point::ROWS, iou::ROWS
}

/// What stands in for a metric that a text does not name: the error comes out where the metric is
/// first used.
pub(super) struct Unknown {
    pub text: &'static str,
    pub error: Error,
}

impl Metric for Unknown {
    fn name(&self) -> &str {
        self.text
    }

    #[track_caller]
    fn update(&self, _: &Tensor, _: &Tensor, _: Option<&Tensor>, cx: &mut Context) {
        cx.trace().record(self.error.clone().at(Site::caller()));
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        cx.trace().record(self.error.clone());
        cx.constant(0.0_f32)
    }

    fn variables(&self) -> Vec<Variable> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_by_name_and_keep_it() {
        for name in ["acc", "AUC", "mae", "R2Score", "hinge", "binary_iou"] {
            assert_eq!(get(name).unwrap().name(), name);
        }
        assert_eq!(get("huber(delta=2.0)").unwrap().name(), "huber");
    }

    #[test]
    fn options_are_read_and_arguments_asked_for() {
        let counts = get("true_positives(thresholds=[0.2, 0.7])").unwrap();
        let value = counts.update_on(&[1, 1].into(), &[0.5_f32, 0.9].into()).unwrap();
        assert_eq!(value.to_vec::<f64>(), [2.0, 1.0]);
        assert!(get("mean_iou(num_classes=3)").is_ok());
        get("mean_iou").err().unwrap().reads("`mean_io_u` needs the option `num_classes`");
        get("auc(curve=PT)").err().unwrap().says("is `ROC`, `PR` or `PRGAIN`, got `PT`");
        get("huber(dleta=2.0)").err().unwrap().says("no option `dleta`");
    }

    #[test]
    fn a_name_that_is_not_known_is_an_error_where_it_is_used() {
        let error = "precisoin".into_metric().update_on(&[1].into(), &[1].into()).unwrap_err();
        error.reads("there is no metric called `precisoin`");
        assert_eq!(error.advice(), Some("did you mean `precision`?"));
    }

    #[test]
    fn a_name_is_that_of_one_metric() {
        let mut names: Vec<&str> = rows().flat_map(|row| row.names.iter().copied()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
