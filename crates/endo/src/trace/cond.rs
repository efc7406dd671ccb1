//! A choice between two computations that depends on a value of the trace.
//!
//! In: a truth value and a closure for each case. Out: what the closure that is chosen returns, and
//! what it assigns.

use crate::dtype::DType;
use crate::error::ErrorKind;
use crate::graph::{Tensor, Tree};
use crate::site::Site;

use super::record::Change;
use super::{Context, Mark};

impl Context {
    /// What `yes` returns where `predicate` is true, else what `no` returns, for choices that
    /// depend on data: what TensorFlow's `tf.cond` is for. Both return tensors of the same shapes
    /// and types. Variables get the values of the case that is chosen.
    ///
    /// In a plan both cases are traced and computed, and the values are selected, so their costs
    /// add up. Gradients reach both, and are 0 in the one not chosen; 0 times a derivative that is
    /// not finite is NaN: keep it finite in the case itself, as with [`Tensor::where_`]. With
    /// `run_eagerly` only the case that is chosen is run.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let steps = Variable::new("steps", 0_i32);
    /// let mut f = Function::new(|[x], cx| {
    ///     let small = x.square().sum().less(1.0);
    ///     [cx.cond(
    ///         &small,
    ///         |_| x.clone(),
    ///         |cx| {
    ///             cx.assign_add(&steps, cx.constant(1_i32));
    ///             &x / x.square().sum().sqrt()
    ///         },
    ///     )]
    /// });
    /// assert_eq!(f.run([&[0.6_f32, 0.0].into()])?[0], Array::from([0.6_f32, 0.0]));
    /// assert_eq!(f.run([&[3.0_f32, 4.0].into()])?[0], Array::from([0.6_f32, 0.8]));
    /// assert_eq!(steps.value().item()?, 1.0);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// The trace's: if the predicate is not one truth value, the cases return different shapes or
    /// types, or a case adds a loss term or a metric, which would count whatever is chosen.
    #[track_caller]
    pub fn cond<O: Tree>(
        &mut self,
        predicate: &Tensor,
        yes: impl FnOnce(&mut Self) -> O,
        no: impl FnOnce(&mut Self) -> O,
    ) -> O {
        let site = Site::caller();
        if let Some(error) = self.trace().stranger(&[predicate]) {
            self.trace().record(error.at(site));
            return yes(self);
        }
        if predicate.dtype() != DType::Bool || !predicate.shape().is_scalar() {
            let message = format!(
                "`cond` takes one truth value, got {}{}",
                predicate.dtype(),
                predicate.shape()
            );
            let help = "compare and reduce first: `x.sum().greater(0.0)`, `mask.any()`; element \
                by element use `where_`";
            self.trace().refuse(ErrorKind::Shape, message, help, site);
            return yes(self);
        }
        let mark = self.mark();
        if let Some(value) = self.trace().value(predicate.id()) {
            let chosen = if value.get(0) != 0.0 { yes(self) } else { no(self) };
            self.refuse_terms(mark, site);
            return chosen;
        }
        let (chosen, changed_by_yes) = self.collect_assigned(yes);
        let after_yes: Vec<Tensor> =
            changed_by_yes.iter().map(|change| self.read(&change.variable)).collect();
        for change in &changed_by_yes {
            self.assign_at(&change.variable, &change.before, site);
        }
        let (other, changed_by_no) = self.collect_assigned(no);
        self.refuse_terms(mark, site);
        for (change, after_yes) in changed_by_yes.iter().zip(&after_yes) {
            let after_no = self.read(&change.variable);
            self.assign(&change.variable, predicate.where_(after_yes, &after_no));
        }
        let by_no_alone =
            |change: &&Change| changed_by_yes.iter().all(|other| other.variable != change.variable);
        for change in changed_by_no.iter().filter(by_no_alone) {
            let after_no = self.read(&change.variable);
            self.assign(&change.variable, predicate.where_(&change.before, &after_no));
        }
        self.selected(predicate, chosen, &other, site)
    }

    /// Records an error if loss terms or metrics were added since a mark.
    fn refuse_terms(&self, mark: Mark, site: Site) {
        if !self.loss_terms_since(mark).is_empty() || !self.metric_terms_since(mark).is_empty() {
            let message =
                "a case of `cond` adds a loss term or a metric, which counts whatever is chosen";
            let help =
                "return the value from both cases (0 where there is none), and add it after `cond`";
            self.trace().refuse(ErrorKind::Usage, message, help, site);
        }
    }

    /// The tensors of one structure or the other.
    #[track_caller]
    fn selected<O: Tree>(&self, predicate: &Tensor, yes: O, no: &O, site: Site) -> O {
        let described = |case: &O| {
            let tensors: Vec<String> = case
                .tensors()
                .iter()
                .map(|tensor| format!("{}{}", tensor.dtype(), tensor.shape()))
                .collect();
            tensors.join(", ")
        };
        let (of_yes, of_no) = (described(&yes), described(no));
        if of_yes != of_no {
            let message = format!("the cases of `cond` return {of_yes} and {of_no}");
            let help = "both return the same number of tensors, of the same shapes and types: \
                reshape or cast those that differ";
            self.trace().refuse(ErrorKind::Shape, message, help, site);
            return yes;
        }
        let mut tensors =
            yes.tensors().into_iter().zip(no.tensors()).map(|(yes, no)| predicate.where_(yes, no));
        let selected = O::from_tensors(&mut tensors);
        drop(tensors);
        selected.unwrap_or(yes)
    }

    /// Runs a case, and returns with its result the variables that it assigned, with the values
    /// that they had before.
    pub(super) fn collect_assigned<T>(
        &mut self,
        case: impl FnOnce(&mut Self) -> T,
    ) -> (T, Vec<Change>) {
        let outside = std::mem::take(&mut self.assigned);
        let result = case(self);
        let assigned = std::mem::replace(&mut self.assigned, outside);
        let mut changes: Vec<Change> = Vec::new();
        for variable in &assigned {
            if changes.iter().all(|change| change.variable != *variable) {
                let times = assigned.iter().filter(|other| *other == variable).count();
                let mut values = self.trace().values_of(variable);
                values.truncate(values.len().saturating_sub(times));
                changes.extend(
                    values.pop().map(|before| Change { variable: variable.clone(), before }),
                );
            }
        }
        self.assigned.extend(assigned);
        (result, changes)
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    /// `x^2` for positive `x`, else `-3 x`; with the gradient, and a count of each case.
    fn run(x: f32, eager: bool) -> [f64; 4] {
        let [positive, all] = ["positive", "all"].map(|name| Variable::new(name, 0.0_f32));
        let mut f = Function::new(|[x], cx| {
            let y = cx.cond(
                &x.greater(0.0),
                |cx| {
                    cx.assign_add(&positive, cx.constant(1.0_f32));
                    cx.assign_add(&all, cx.constant(1.0_f32));
                    x.square()
                },
                |cx| {
                    cx.assign_add(&all, cx.constant(10.0_f32));
                    &x * -3.0
                },
            );
            let gradient = cx.gradients(&y, [&x]).into_tensors().remove(0).expect("y depends on x");
            [y, gradient]
        })
        .run_eagerly(eager);
        let [y, gradient] = f.run([&Array::scalar(x)]).unwrap().clone().map(|array| array.get(0));
        [y, gradient, positive.value().get(0), all.value().get(0)]
    }

    #[test]
    fn the_case_that_is_chosen_has_the_values_the_gradient_and_the_assignments() {
        for eager in [false, true] {
            assert_eq!(run(3.0, eager), [9.0, 6.0, 1.0, 1.0]);
            assert_eq!(run(-2.0, eager), [6.0, -3.0, 0.0, 10.0]);
        }
    }

    #[test]
    fn a_variable_assigned_twice_in_a_case_has_its_old_value_in_the_other() {
        let total = Variable::new("total", 5.0_f32);
        let mut f = Function::new(|[x], cx| {
            cx.assign_add(&total, cx.constant(1.0_f32));
            let twice = |cx: &mut Context| {
                cx.assign_add(&total, &x);
                cx.assign_add(&total, &x);
                cx.read(&total)
            };
            let [read, other] = cx.cond(
                &x.less(0.0),
                |cx| [cx.read(&total), x.clone()],
                |cx| [twice(cx), x.clone()],
            );
            [read, other]
        });
        assert_eq!(f.run([&(-4.0_f32).into()]).unwrap()[0].get(0), 6.0);
        assert_eq!(total.value().get(0), 6.0);
        assert_eq!(f.run([&4.0_f32.into()]).unwrap()[0].get(0), 15.0);
        assert_eq!(total.value().get(0), 15.0);
    }

    #[test]
    fn a_choice_within_a_choice() {
        let total = Variable::new("total", 1.0_f32);
        let mut f = Function::new(|[x], cx| {
            let inner = |cx: &mut Context| {
                let [add, set] = [2.0_f32, 100.0].map(|number| cx.constant(number));
                cx.cond(
                    &x.less(10.0),
                    |cx| {
                        cx.assign_add(&total, &add);
                        cx.read(&total)
                    },
                    |cx| {
                        cx.assign(&total, &set);
                        cx.read(&total)
                    },
                )
            };
            [cx.cond(&x.less(0.0), |cx| cx.read(&total) * -1.0, inner)]
        });
        let values = [-1.0_f32, 5.0, 20.0, -1.0].map(|x| f.run([&x.into()]).unwrap()[0].get(0));
        assert_eq!(values, [-1.0, 3.0, 100.0, -100.0]);
    }

    #[test]
    fn an_assignment_that_does_not_fit_is_an_error_inside_a_case_too() {
        let total = Variable::new("total", 1.0_f32);
        let mut f = Function::new(|[x], cx| {
            let wrong = |cx: &mut Context| {
                cx.assign(&total, &x);
                x.clone()
            };
            [cx.cond(&x.sum().less(0.0), wrong, |_| x.clone())]
        });
        let error = f.run([&[1.0_f32, 2.0].into()]).unwrap_err();
        error.reads("cannot assign f32[2] to variable `total`, which is f32[]");
    }

    #[test]
    fn a_predicate_of_another_trace_is_refused() {
        for eager in [false, true] {
            let kept = std::cell::RefCell::new(None);
            let mut f = Function::new(|[x], cx| {
                let positive = x.sum().greater(0.0);
                let old = kept.borrow_mut().replace(positive.clone()).unwrap_or(positive);
                [cx.cond(&old, |_| x.clone(), |_| -&x)]
            })
            .run_eagerly(eager);
            f.run([&[1.0_f32].into()]).unwrap();
            let error = f.run([&[1.0_f32, 2.0].into()]).unwrap_err();
            error.reads("a tensor of shape [] belongs to another trace");
        }
    }

    #[test]
    fn cases_that_differ_and_terms_in_one_of_them_are_refused() {
        let message = |f: fn(Tensor, &mut Context) -> Tensor| {
            Function::new(|[x], cx| [f(x, cx)])
                .run([&[1.0_f32, 2.0].into()])
                .unwrap_err()
                .message()
                .to_string()
        };
        let vector = message(|x, cx| cx.cond(&x.greater(0.0), |_| x.clone(), |_| x.clone()));
        assert_eq!(vector, "`cond` takes one truth value, got bool[2]");
        let shapes = message(|x, cx| cx.cond(&x.sum().greater(0.0), |_| x.clone(), |_| x.sum()));
        assert_eq!(shapes, "the cases of `cond` return f32[2] and f32[]");
        let add_term: fn(Tensor, &mut Context) -> Tensor = |x, cx| {
            let with_term = |cx: &mut Context| {
                cx.add_loss("penalty", x.sum());
                x.clone()
            };
            cx.cond(&x.sum().greater(0.0), with_term, |_| x.clone())
        };
        assert!(message(add_term).starts_with("a case of `cond` adds a loss term"));
        let mut eager = Function::new(|[x], cx| [add_term(x, cx)]).run_eagerly(true);
        assert!(
            eager
                .run([&1.0_f32.into()])
                .unwrap_err()
                .message()
                .starts_with("a case of `cond` adds a loss term")
        );
    }
}
