//! What metrics accumulate in: named variables of one shape, zero at the start.
//!
//! In: values to add, while traced. Out: the totals. Their shape is known at the start, or is that
//! of what is first added, such as one number for every class.

use std::sync::{Arc, OnceLock};

use crate::array::Array;
use crate::dtype::DType;
use crate::error::Error;
use crate::graph::Tensor;
use crate::shape::Shape;
use crate::site::Site;
use crate::spelling::listed;
use crate::trace::Context;
use crate::variable::Variable;

/// The name of a metric, and the variables that it adds to, of type `f32`. Clones add to the same
/// ones.
///
/// ```
/// use endo::prelude::*;
///
/// struct HuberMetric {
///     threshold: f64,
///     totals: Totals,
/// }
///
/// impl HuberMetric {
///     fn new(threshold: f64) -> Self {
///         Self { threshold, totals: Totals::new("huber_metric", ["total", "count"]) }
///     }
/// }
///
/// impl Metric for HuberMetric {
///     fn totals(&self) -> Option<&Totals> {
///         Some(&self.totals)
///     }
///     fn update(
///         &self,
///         y_true: &Tensor,
///         y_pred: &Tensor,
///         _sample_weight: Option<&Tensor>,
///         cx: &mut Context,
///     ) {
///         let values = huber(y_true, y_pred, self.threshold);
///         self.totals.add([values.sum(), values.ones_like().sum()], cx);
///     }
///     fn result(&self, cx: &mut Context) -> Tensor {
///         let [total, count] = self.totals.read(cx);
///         total / count
///     }
/// }
///
/// // 2 * |10 - 2| - 2^2 / 2
/// assert_eq!(
///     HuberMetric::new(2.0).update_on(&[[2.0_f32]].into(), &[[10.0_f32]].into())?.item()?,
///     14.0
/// );
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Totals {
    name: String,
    parts: Vec<&'static str>,
    shape: Option<Shape>,
    variables: Arc<OnceLock<Vec<Variable>>>,
}

impl Totals {
    /// Scalars, one for each name, 0 at the start.
    pub fn new<const N: usize>(name: impl Into<String>, parts: [&'static str; N]) -> Self {
        Self::of_shape(name, parts, ())
    }

    /// Totals of a known shape: one number for each class, for example.
    pub fn of_shape<const N: usize>(
        name: impl Into<String>,
        parts: [&'static str; N],
        shape: impl Into<Shape>,
    ) -> Self {
        Self { shape: Some(shape.into()), ..Self::of_first(name, parts) }
    }

    /// Totals in the shape of what is first added to them.
    pub fn of_first<const N: usize>(name: impl Into<String>, parts: [&'static str; N]) -> Self {
        Self { name: name.into(), parts: parts.to_vec(), shape: None, variables: Arc::default() }
    }

    /// The name of the metric.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same under another name, with nothing added.
    pub(super) fn rename(&mut self, name: impl Into<String>) {
        (self.name, self.variables) = (name.into(), Arc::default());
    }

    fn get_or_make(&self, shape: &Shape) -> Result<&[Variable], Error> {
        if self.variables.get().is_none() {
            Array::require_room(shape, DType::F32)?;
        }
        let zeros = |part: &&str| {
            Variable::new(format!("{}/{part}", self.name), Array::zeros(shape, DType::F32)).frozen()
        };
        Ok(self.variables.get_or_init(|| self.parts.iter().map(zeros).collect()))
    }

    /// The variables, if they are made or their shape is known and possible.
    fn known(&self) -> Option<Result<&[Variable], Error>> {
        self.variables
            .get()
            .map(|made| Ok(&made[..]))
            .or(self.shape.as_ref().map(|shape| self.get_or_make(shape)))
    }

    /// Adds a value to each. The values have one shape, and gradients do not pass.
    ///
    /// # Errors
    /// The trace's: if there are not as many values as totals, or their shape is not that of the
    /// totals.
    #[track_caller]
    pub fn add<const N: usize>(&self, values: [Tensor; N], cx: &mut Context) {
        let site = Site::caller();
        if let Some(error) = self.miscount(N) {
            return cx.trace().record(error.at(site));
        }
        let shape =
            self.shape.as_ref().or(values.first().map(Tensor::shape)).cloned().unwrap_or_default();
        let variables = match self.get_or_make(&shape) {
            Ok(variables) => variables,
            Err(error) => return cx.trace().record(error.at(site)),
        };
        for (variable, value) in variables.iter().zip(values) {
            if variable.shape() != value.shape() {
                let (kept, given) = (variable.shape(), value.shape());
                let message =
                    format!("the metric `{}` keeps {kept}, and is now given {given}", self.name);
                let help = if kept.is_scalar() {
                    "reduce what is added with `.sum()`"
                } else {
                    "a metric keeps the sizes of its first batch: use another one for predictions \
                        of another size"
                };
                return cx.trace().record(Error::shape(message, help).at(site));
            }
            cx.add_total(variable, value.stop_gradient());
        }
    }

    /// The totals, in the order of their names. Before anything was added to totals of unknown
    /// shape there are none: that is an error in a graph that is to be run later, and 0 otherwise.
    ///
    /// # Errors
    /// The trace's: if there are not as many totals as are asked for.
    #[track_caller]
    pub fn read<const N: usize>(&self, cx: &mut Context) -> [Tensor; N] {
        self.get(cx).unwrap_or_else(|| std::array::from_fn(|_| cx.constant(0.0_f32)))
    }

    /// The totals; `None` when nothing was added and their shape is not known, which is an error in
    /// a graph that is to be run later, when something may have been added.
    #[track_caller]
    pub(super) fn get<const N: usize>(&self, cx: &mut Context) -> Option<[Tensor; N]> {
        if let Some(error) = self.miscount(N) {
            cx.trace().record(error.at(Site::caller()));
            return None;
        }
        let known = match self.known() {
            Some(Err(error)) => {
                cx.trace().record(error.at(Site::caller()));
                return None;
            }
            Some(Ok(variables)) => Some(variables),
            None => None,
        };
        if known.is_none() && !cx.trace().is_eager() {
            let message = format!(
                "the result of the metric `{}` is traced before its first update",
                self.name
            );
            let help =
                "its size is that of the first batch: update it first, in this trace or in another";
            cx.trace().record(Error::usage(message, help).at(Site::caller()));
        }
        known.map(|variables| std::array::from_fn(|i| cx.read(&variables[i])))
    }

    /// What scalars of `f32` hold, in the order of their names.
    pub(super) fn numbers(&self) -> Result<Vec<f32>, Error> {
        let variables = self.known().unwrap_or(Ok(&[]))?;
        variables.iter().map(|variable| Ok(variable.value().item()? as f32)).collect()
    }

    /// The variables, if their shape is known.
    pub fn variables(&self) -> Vec<Variable> {
        // Totals of a shape that is not possible have none: their update is an error.
        self.known().and_then(Result::ok).map_or_else(Vec::new, <[Variable]>::to_vec)
    }

    fn miscount(&self, count: usize) -> Option<Error> {
        (count != self.parts.len()).then(|| {
            let message = format!(
                "the metric `{}` has {} totals, and is asked for {count}",
                self.name,
                self.parts.len()
            );
            Error::argument(message, format!("they are {}", listed(self.parts.iter().copied())))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Function, evaluate_now};

    #[test]
    fn totals_take_the_shape_of_what_is_first_added_and_keep_it() {
        let totals = Totals::of_first("score", ["sum"]);
        assert!(totals.variables().is_empty());
        let mut f = Function::new(|[x], cx| {
            totals.add([x.clone()], cx);
            [x]
        });
        f.run([&[1.0_f32, 2.0].into()]).unwrap();
        assert_eq!(totals.variables()[0].name(), "score/sum");
        assert_eq!(totals.variables()[0].value(), Array::from([1.0_f32, 2.0]));
        f.run([&[1.0_f32].into()]).unwrap_err().says("`score` keeps [2], and is now given [1]");
    }

    #[test]
    fn a_result_of_unknown_size_is_not_baked_into_a_plan() {
        let totals = Totals::of_first("score", ["sum"]);
        let result = |cx: &mut Context| {
            let [sum] = totals.read(cx);
            sum
        };
        assert_eq!(evaluate_now(result).unwrap().item().unwrap(), 0.0);
        let error =
            Function::new(|[_], cx| [result(cx)]).run([&Array::scalar(0.0_f32)]).unwrap_err();
        error.says("before its first update");
    }

    #[test]
    fn totals_are_added_to_and_read_as_many_as_there_are() {
        let totals = Totals::new("score", ["total", "count"]);
        let error = evaluate_now(|cx| totals.read::<1>(cx)[0].clone()).unwrap_err();
        error.reads("the metric `score` has 2 totals, and is asked for 1");
        assert_eq!(error.advice(), Some("they are `total`, `count`"));
        let add = |cx: &mut Context| {
            let values = cx.constant([1.0_f32, 2.0]);
            totals.add([values.clone(), values.clone()], cx);
            values
        };
        assert_eq!(
            evaluate_now(add).unwrap_err().advice(),
            Some("reduce what is added with `.sum()`")
        );
    }
}
