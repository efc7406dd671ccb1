//! Projections of weights after each update of an optimizer.
//!
//! In: a weight's value. Out: a value that is allowed. `MaxNorm.max_value(3.0)`, `"max_norm(3)"`
//! and a closure serve alike. Names, options and defaults are Keras's.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::Tensor;
use crate::named::{self, Hyperparameters, family, kinds, table};
use crate::trace::{Context, tensor_function, with_context, without_context};

pub use crate::named::Axes;

/// What Keras adds to a norm before it divides by it.
const EPSILON: f64 = 1e-7;

/// A projection of a weight.
///
/// ```
/// use endo::prelude::*;
/// let limited = Dense::new(30).kernel_constraint(MaxNorm.max_value(3.0));
/// let by_name = Dense::new(30).kernel_constraint("max_norm(max_value=3)");
/// let by_closure = Dense::new(30).kernel_constraint(|w: &Tensor| w.clip(-1.0, 1.0));
/// ```
pub trait Constraint: Send + Sync {
    /// The value that replaces `x`, of the same shape. A type of yours has this, or
    /// [`project_in`](Self::project_in) if it takes a context.
    #[track_caller]
    fn project(&self, x: &Tensor) -> Tensor {
        without_context::<Self>("constraint", "project_in(&x, cx)", x)
    }

    /// The value that replaces `x` where there is a context, as in optimizers: it may draw random
    /// numbers and apply layers, which are not in training there. As
    /// [`project`](Self::project) unless it says so. A type that
    /// wraps another hands both methods on.
    #[track_caller]
    fn project_in(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let _ = cx;
        self.project(x)
    }

    /// What it is called in saved models. Of the values of this module the text from which [`get`]
    /// makes them again; of a type of yours its own name with its
    /// [hyperparameters](Self::hyperparameters); `None` for closures.
    fn name(&self) -> Option<String> {
        named::name_of::<Self>(&self.hyperparameters())
    }

    /// The hyperparameters of a type of your own, to be saved with a model; none unless it says so.
    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new()
    }
}

family! { Constraint: project(self, x: &Tensor) -> Tensor;
    /// Scales vectors that are longer than a limit down to it: `x * min(norm, max_value) / norm`.
    /// Srivastava et al. 2014, section 5.1.
    MaxNorm ["max_norm"] {
        /// The largest length; 2 unless set.
        max_value: f64 = 2.0,
        /// The axes along which a vector lies; 0 unless set, which takes the weights into one unit
        /// of a dense layer together.
        axis: Axes = Axes::One(0),
    } => {
        let norms = norms(x, &self.axis);
        x * (norms.minimum(self.max_value) / (&norms + EPSILON))
    };

    /// Sets negative weights to 0.
    NonNeg ["non_neg"] {} => x.maximum(0.0);

    /// Scales vectors to length 1: `x / norm`.
    UnitNorm ["unit_norm"] {
        /// The axes along which a vector lies; 0 unless set.
        axis: Axes = Axes::One(0),
    } => x / (norms(x, &self.axis) + EPSILON);

    /// Brings the lengths of vectors between two limits: `x * desired / norm` with
    /// `desired = rate * clip(norm, min_value, max_value) + (1 - rate) * norm`.
    MinMaxNorm ["min_max_norm"] {
        /// The smallest length; 0 unless set.
        min_value: f64 = 0.0,
        /// The largest length; 1 unless set.
        max_value: f64 = 1.0,
        /// The part of the way to the limits that one projection goes; 1 unless set.
        rate: f64 = 1.0,
        /// The axes along which a vector lies; 0 unless set.
        axis: Axes = Axes::One(0),
    } => {
        let norms = norms(x, &self.axis);
        let clipped = norms.clip(self.min_value, self.max_value);
        let desired = self.rate * clipped + (1.0 - self.rate) * &norms;
        x * (desired / (norms + EPSILON))
    };
}

/// The constraint that a text names, with its options in parentheses, by name or in their order.
///
/// ```
/// use endo::constraints;
/// assert_eq!(constraints::get("max_norm(3)")?.name().unwrap(), "max_norm(max_value=3.0)");
/// # Ok::<(), endo::Error>(())
/// ```
///
/// # Errors
/// When there is no such constraint or option; the error names the nearest.
pub fn get(name: &str) -> Result<Arc<dyn Constraint>> {
    named::get("constraint", name, rows())
}

table! {
    /// The names of all constraints.
    dyn Constraint: ROWS;
    "a constraint such as `non_neg`"
}

#[track_caller]
fn norms(x: &Tensor, axes: &Axes) -> Tensor {
    x.square().sum_keep(axes.as_slice()).sqrt()
}

/// What stands where a constraint is asked for: a value, its name, or a closure, which may take a
/// context after the tensor.
///
/// `K` is one of [`kinds`] and is found by the compiler.
///
/// ```
/// use endo::prelude::*;
/// let limit = Variable::new("limit", 1.0_f32).frozen();
/// let layer = Dense::new(30).kernel_constraint(move |w: &Tensor, cx: &mut Context| {
///     let limit = cx.read(&limit);
///     w.minimum(&limit).maximum(-limit)
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no constraint",
    note = "a constraint is a value that implements `Constraint`, a name such as \"non_neg\", or \
        a closure `|w: &Tensor| ..` or `|w: &Tensor, cx: &mut Context| ..`",
    note = "it is used on several threads: what it captures is shared by `Arc` and changed by \
        `Mutex` or an atomic"
)]
pub trait IntoConstraint<K> {
    /// The constraint.
    fn into_constraint(self) -> Arc<dyn Constraint>;
}

tensor_function! { Constraint: project, project_in; IntoConstraint: into_constraint; |x| x.shape() }
with_context! { Constraint: project_in; IntoConstraint: into_constraint }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::trace::Function;

    fn project(constraint: impl Constraint, x: impl Into<Array>) -> Result<Vec<f64>> {
        let mut f = Function::new(|[x], _cx| [constraint.project(&x)]);
        f.run([&x.into()]).map(|[y]| y.to_vec())
    }

    fn assert_near(got: Vec<f64>, expected: &[f64]) {
        assert!(
            got.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-6),
            "{got:?} {expected:?}"
        );
        assert_eq!(got.len(), expected.len());
    }

    #[test]
    fn lengths_are_limited_along_the_axis() {
        let x = [[3.0_f64, 0.1], [4.0, 0.0]];
        assert_near(project(MaxNorm.max_value(1.0), x).unwrap(), &[0.6, 0.1, 0.8, 0.0]);
        assert_near(
            project("max_norm(max_value=1, axis=[0, 1])", [[3.0_f64], [4.0]]).unwrap(),
            &[0.6, 0.8],
        );
        assert_near(
            project(UnitNorm.axis(1), [[3.0_f64, 4.0], [0.0, 0.0]]).unwrap(),
            &[0.6, 0.8, 0.0, 0.0],
        );
        assert_near(
            project(MinMaxNorm.min_value(10.0).max_value(20.0).rate(0.5), [3.0_f64, 4.0]).unwrap(),
            &[4.5, 6.0],
        );
    }

    #[test]
    fn names_and_closures_are_constraints() {
        assert_eq!(project("non_neg", [-1.0_f32, 2.0]).unwrap(), [0.0, 2.0]);
        assert_eq!(project(|w: &Tensor| w.clip(-0.5, 0.5), [-1.0_f32, 2.0]).unwrap(), [-0.5, 0.5]);
        let error = project("max_norms", [1.0_f32]).unwrap_err();
        assert_eq!(error.to_string().lines().last(), Some("  help: did you mean `max_norm`?"));
        assert_eq!(
            names().collect::<Vec<_>>(),
            ["max_norm", "non_neg", "unit_norm", "min_max_norm"]
        );
    }
}
