//! The gradients of a loss by target, as an optimizer takes them.
//!
//! In: a scalar and its targets, variables or tensors. Out: [`Gradients`], in the order of the
//! targets.

use std::ops::Add;

use crate::autodiff;
use crate::error::ErrorKind;
use crate::graph::Tensor;
use crate::site::Site;
use crate::variable::Variable;

use super::Context;

/// What a gradient is taken with respect to.
#[derive(Clone, Debug)]
pub enum Target {
    /// A value of the trace.
    Tensor(Tensor),
    /// A variable, whichever of its values in the trace the loss was computed from.
    Variable(Variable),
}

impl Target {
    /// The variable, if it is one.
    pub(crate) fn variable(&self) -> Option<&Variable> {
        match self {
            Target::Variable(variable) => Some(variable),
            Target::Tensor(_) => None,
        }
    }
}

/// The same variable, or the same value of a trace.
impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Target::Tensor(tensor), Target::Tensor(other)) => tensor.id() == other.id(),
            (Target::Variable(variable), Target::Variable(other)) => variable == other,
            (Target::Tensor(_), Target::Variable(_)) | (Target::Variable(_), Target::Tensor(_)) => {
                false
            }
        }
    }
}

impl From<Tensor> for Target {
    fn from(tensor: Tensor) -> Self {
        Target::Tensor(tensor)
    }
}

impl From<&Tensor> for Target {
    fn from(tensor: &Tensor) -> Self {
        Target::Tensor(tensor.clone())
    }
}

impl From<Variable> for Target {
    fn from(variable: Variable) -> Self {
        Target::Variable(variable)
    }
}

impl From<&Variable> for Target {
    fn from(variable: &Variable) -> Self {
        Target::Variable(variable.clone())
    }
}

/// The gradients of a loss, one for each target; `None` where the loss does not depend on it.
///
/// ```
/// # use endo::prelude::*;
/// let (w, b) = (Variable::new("w", 3.0_f32), Variable::new("b", 1.0_f32));
/// let mut f = Function::new(|[x], cx| {
///     let gradients = cx
///         .gradients(&(cx.read(&w) * x).square(), [&w, &b])
///         .map(|gradient| gradient.clip(-1.0, 1.0));
///     assert!(gradients.of(&b).is_none());
///     [gradients.of(&w).unwrap().clone()]
/// });
/// assert_eq!(f.run([&Array::scalar(2.0_f32)])?[0].item()?, 1.0);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gradients {
    entries: Vec<(Target, Option<Tensor>)>,
}

impl Gradients {
    /// Gradients computed in some other way, to be given to an optimizer.
    pub fn new(entries: impl IntoIterator<Item = (Variable, Option<Tensor>)>) -> Self {
        Self {
            entries: entries
                .into_iter()
                .map(|(variable, gradient)| (variable.into(), gradient))
                .collect(),
        }
    }

    /// The gradients in the order of the targets.
    pub fn into_tensors(self) -> Vec<Option<Tensor>> {
        self.entries.into_iter().map(|(_, gradient)| gradient).collect()
    }

    /// Targets and gradients.
    pub fn iter(&self) -> impl Iterator<Item = (&Target, Option<&Tensor>)> {
        self.entries.iter().map(|(target, gradient)| (target, gradient.as_ref()))
    }

    /// The variables that have a gradient, with it.
    pub fn variables(&self) -> impl Iterator<Item = (&Variable, &Tensor)> {
        self.entries.iter().filter_map(|entry| match entry {
            (Target::Variable(variable), Some(gradient)) => Some((variable, gradient)),
            (Target::Variable(_), None) | (Target::Tensor(_), _) => None,
        })
    }

    /// The gradient with respect to a variable.
    pub fn of(&self, variable: &Variable) -> Option<&Tensor> {
        self.variables().find(|(known, _)| *known == variable).map(|(_, gradient)| gradient)
    }

    /// The gradients in two: those of the variables that `belongs` holds for, and the others, for
    /// two optimizers.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let model = Model::new(
    ///     Sequential::new().add(Dense::new(8).name("lower")).add(Dense::new(1).name("upper")),
    /// );
    /// let (slow, fast) = (Sgd::new(0.001), Nadam::new(0.01));
    /// let mut step = Function::new(|[x, y], cx| {
    ///     let loss = mean_squared_error(&y, &model.apply(&x, cx)).mean();
    ///     let gradients = cx.gradients(&loss, model.trainable_weights());
    ///     let (lower, upper) = gradients.split(|weight| weight.name().starts_with("lower/"));
    ///     slow.apply(&lower, cx);
    ///     fast.apply(&upper, cx);
    ///     [loss]
    /// });
    /// step.run([&[[1.0_f32, 2.0]].into(), &[[1.0_f32]].into()])?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn split(self, belongs: impl Fn(&Variable) -> bool) -> (Self, Self) {
        let in_first = |(target, _): &(Target, Option<Tensor>)| match target {
            Target::Variable(variable) => belongs(variable),
            Target::Tensor(_) => false,
        };
        let (first, second) = self.entries.into_iter().partition(in_first);
        (Self { entries: first }, Self { entries: second })
    }

    /// The gradients, each replaced by `f` of it: clipping, scaling.
    #[must_use]
    pub fn map(mut self, mut f: impl FnMut(&Tensor) -> Tensor) -> Self {
        for (_, gradient) in &mut self.entries {
            *gradient = gradient.as_ref().map(&mut f);
        }
        self
    }
}

/// The sums of the gradients of two losses, target by target; what one of them does not depend on
/// is the other's alone.
///
/// ```
/// # use endo::prelude::*;
/// let (w, b) = (Variable::new("w", 3.0_f32), Variable::new("b", 1.0_f32));
/// let mut f = Function::new(|[x], cx| {
///     let (w_now, b_now) = (cx.read(&w), cx.read(&b));
///     let first = cx.gradients(&(&w_now * &x).square(), [&w]);
///     let second = cx.gradients(&(w_now * b_now * x), [&w, &b]);
///     let sum = first.map(|gradient| gradient * 0.5) + second;
///     [sum.of(&w).unwrap().clone(), sum.of(&b).unwrap().clone()]
/// });
/// let [of_w, of_b] = f.run([&Array::scalar(2.0_f32)])?;
/// assert_eq!((of_w.item()?, of_b.item()?), (12.0 + 2.0, 6.0));
/// # Ok::<(), endo::Error>(())
/// ```
impl Add for Gradients {
    type Output = Gradients;

    #[track_caller]
    fn add(mut self, other: Gradients) -> Gradients {
        for (target, gradient) in other.entries {
            match self.entries.iter_mut().find(|(known, _)| *known == target) {
                Some((_, sum)) => {
                    *sum = match (sum.take(), gradient) {
                        (Some(sum), Some(gradient)) => Some(sum + gradient),
                        (sum, gradient) => sum.or(gradient),
                    };
                }
                None => self.entries.push((target, gradient)),
            }
        }
        self
    }
}

impl Context {
    /// The gradients of a scalar with respect to variables or tensors of this trace.
    ///
    /// A target that the loss does not depend on has `None`, and a warning that names it.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let w = Variable::new("w", Array::from([3.0_f32]));
    /// let mut f = Function::new(|[x], cx| {
    ///     let loss = (cx.read(&w) * &x).square().sum();
    ///     let gradients = cx.gradients(&loss, [&w]);
    ///     [gradients.of(&w).unwrap().clone()]
    /// });
    /// assert_eq!(f.run([&[2.0_f32].into()])?[0], Array::from([24.0_f32]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn gradients<T: Into<Target>>(
        &mut self,
        loss: &Tensor,
        targets: impl IntoIterator<Item = T>,
    ) -> Gradients {
        let site = Site::caller();
        let targets: Vec<Target> = targets.into_iter().map(Into::into).collect();
        let gradients = self.gradients_at(loss, &targets, site);
        for (target, gradient) in targets.iter().zip(&gradients) {
            if gradient.is_none() && self.trace().error().is_none() {
                let name = match target {
                    Target::Variable(variable) => format!("`{}`", variable.name()),
                    Target::Tensor(tensor) => format!("a tensor of shape {}", tensor.shape()),
                };
                self.trace().warn_at(
                    Some(site),
                    format!("the loss does not depend on {name}: its gradient is None"),
                );
            }
        }
        Gradients { entries: targets.into_iter().zip(gradients).collect() }
    }

    /// The gradients of a scalar in the order of the targets, without a warning of those that are
    /// `None`.
    #[track_caller]
    pub(crate) fn gradients_at(
        &self,
        loss: &Tensor,
        targets: &[Target],
        site: Site,
    ) -> Vec<Option<Tensor>> {
        self.shares(loss, targets, site, |tensors| autodiff::gradients(loss, tensors, site))
    }

    /// The gradients of a value by each target, made of those by tensors that `pull_back` gives: a
    /// variable's is the sum over the values that it has in the trace.
    pub(super) fn shares(
        &self,
        value: &Tensor,
        targets: &[Target],
        site: Site,
        pull_back: impl FnOnce(&[Tensor]) -> Vec<Option<Tensor>>,
    ) -> Vec<Option<Tensor>> {
        let values: Vec<Vec<Tensor>> =
            targets.iter().map(|target| self.values_of_target(target)).collect();
        for target in targets {
            if let Target::Variable(variable) = target
                && self.trace().is_assigned_by_steps(variable)
            {
                let message = format!(
                    "the gradient with respect to `{}`, which the steps of a loop assign",
                    variable.name()
                );
                let help = "let its value go from step to step as a state of the loop, and assign \
                    it after the loop";
                self.trace().refuse(ErrorKind::Usage, message, help, site);
            }
        }
        let tensors: Vec<Tensor> = values.concat();
        let used: Vec<&Tensor> = tensors.iter().chain([value]).collect();
        let mut shares = match self.trace().stranger(&used) {
            None => pull_back(&tensors),
            Some(error) => {
                self.trace().record(error.at(site));
                vec![None; tensors.len()]
            }
        }
        .into_iter();
        values
            .iter()
            .map(|values| {
                shares.by_ref().take(values.len()).flatten().reduce(|sum, share| sum + share)
            })
            .collect()
    }

    /// The values of a target: of a variable, all that it has in the trace.
    pub(super) fn values_of_target(&self, target: &Target) -> Vec<Tensor> {
        match target {
            Target::Tensor(tensor) => vec![tensor.clone()],
            Target::Variable(variable) => self.trace().values_of(variable),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn two_optimizers_each_get_their_part() {
        let [lower, upper] = ["lower", "upper"].map(|name| Variable::new(name, 2.0_f32));
        let (slow, fast) = (Sgd::new(0.125), Sgd::new(0.5));
        let mut step = Function::new(|[x], cx| {
            let loss = cx.read(&lower) * cx.read(&upper) * &x;
            let (low, high) =
                cx.gradients(&loss, [&lower, &upper]).split(|variable| *variable == lower);
            assert_eq!((low.iter().count(), high.iter().count()), (1, 1));
            slow.apply(&low, cx);
            fast.apply(&high, cx);
            []
        });
        step.run([&1.0_f32.into()]).unwrap();
        assert_eq!([lower.value().get(0), upper.value().get(0)], [1.75, 1.0]);
    }

    #[test]
    fn two_steps_in_one_trace_are_two_steps() {
        let descend = |steps: usize, runs: usize| {
            let w = Variable::new("w", Array::scalar(3.0_f32));
            let optimizer = Sgd::new(0.1);
            let mut f = Function::new(|[x], cx| {
                for _ in 0..steps {
                    let loss = cx.read(&w).square();
                    let gradients = cx.gradients(&loss, [&w]);
                    optimizer.apply(&gradients, cx);
                }
                [x]
            });
            for _ in 0..runs {
                f.run([&Array::scalar(0.0_f32)]).unwrap();
            }
            w.value()
        };
        assert_eq!(descend(2, 1), descend(1, 2));
    }
}
