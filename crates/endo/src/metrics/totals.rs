//! What metrics accumulate in: named variables of one shape, zero at the start.
//!
//! In: values to add, while traced. Out: the totals. Their shape is known at the start, or is that of what is first added, such
//! as one number for every class.

use std::panic::Location;
use std::sync::{Arc, OnceLock};

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::shape::Shape;
use crate::trace::Context;
use crate::variable::Variable;

/// The name of a metric and the `N` variables that it adds to, of type `f32`. Clones add to the same ones.
#[derive(Clone, Debug)]
pub(super) struct Totals<const N: usize> {
    name: String,
    parts: [&'static str; N],
    shape: Option<Shape>,
    variables: Arc<OnceLock<[Variable; N]>>,
}

impl<const N: usize> Totals<N> {
    /// Totals of a known shape.
    pub fn new(name: impl Into<String>, parts: [&'static str; N], shape: impl Into<Shape>) -> Self {
        Self { shape: Some(shape.into()), ..Self::of_first(name, parts) }
    }

    /// Totals in the shape of what is first added to them.
    pub fn of_first(name: impl Into<String>, parts: [&'static str; N]) -> Self {
        Self { name: name.into(), parts, shape: None, variables: Arc::default() }
    }

    /// The name of the metric.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same under another name, with nothing added.
    pub fn rename(&mut self, name: impl Into<String>) {
        (self.name, self.variables) = (name.into(), Arc::default());
    }

    /// The same in another shape (`None`: that of what is first added), with nothing added.
    pub fn resize(&mut self, shape: Option<Shape>) {
        (self.shape, self.variables) = (shape, Arc::default());
    }

    fn get_or_make(&self, shape: &Shape) -> &[Variable; N] {
        let zeros = |part| Variable::new(format!("{}/{part}", self.name), Array::zeros(shape, DType::F32)).frozen();
        self.variables.get_or_init(|| self.parts.map(zeros))
    }

    /// Adds a value to each. The values have one shape, and gradients do not pass.
    #[track_caller]
    pub fn add(&self, values: [Tensor; N], cx: &mut Context) {
        let site = Location::caller();
        let variables = self.get_or_make(self.shape.as_ref().unwrap_or(values[0].shape()));
        for (variable, value) in variables.iter().zip(values) {
            if variable.shape() != value.shape() {
                let (kept, given) = (variable.shape(), value.shape());
                let message = format!("the metric `{}` keeps {kept}, and is now given {given}", self.name);
                let help = "a metric keeps the sizes of its first batch: use another one for predictions of another size";
                return cx.trace().record(Error::new(ErrorKind::Shape, message).help(help).at(site));
            }
            cx.assign_add(variable, value.stop_gradient());
        }
    }

    /// The totals; `None` when nothing was added and their shape is not known, which is an error in a graph that is to be run
    /// later, when something may have been added.
    #[track_caller]
    pub fn read(&self, cx: &mut Context) -> Option<[Tensor; N]> {
        match (self.variables.get(), &self.shape) {
            (Some(variables), _) => Some(std::array::from_fn(|i| cx.read(&variables[i]))),
            (None, Some(shape)) => {
                let variables = self.get_or_make(shape);
                Some(std::array::from_fn(|i| cx.read(&variables[i])))
            }
            (None, None) => {
                if !cx.trace().is_eager() {
                    let message = format!("the result of the metric `{}` is traced before its first update", self.name);
                    let help = "its size is that of the first batch: update it first, in this trace or in another";
                    cx.trace().record(Error::new(ErrorKind::Usage, message).help(help).at(Location::caller()));
                }
                None
            }
        }
    }

    /// The variables, if their shape is known.
    pub fn variables(&self) -> Vec<Variable> {
        let variables = self.shape.as_ref().map(|shape| self.get_or_make(shape)).or(self.variables.get());
        variables.map_or_else(Vec::new, |variables| variables.to_vec())
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
        let error = f.run([&[1.0_f32].into()]).unwrap_err();
        assert!(error.message().contains("`score` keeps [2], and is now given [1]"), "{error}");
    }

    #[test]
    fn a_result_of_unknown_size_is_not_baked_into_a_plan() {
        let totals = Totals::of_first("score", ["sum"]);
        let result = |cx: &mut Context| totals.read(cx).map_or_else(|| cx.constant(0.0_f32), |[sum]| sum);
        assert_eq!(evaluate_now(result).unwrap().item().unwrap(), 0.0);
        let error = Function::new(|[_], cx| [result(cx)]).run([&Array::scalar(0.0_f32)]).unwrap_err();
        assert!(error.message().contains("before its first update"), "{error}");
    }
}
