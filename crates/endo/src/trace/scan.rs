//! Loops over steps, whose length costs no tracing and no plan: `scan` and `while_loop`.
//!
//! In: first states, sequences, and a closure for one step. Out: the last states, and what the
//! steps give. What a step adds to a loss is summed over the steps, and its metrics are averaged;
//! what it assigns goes on to the next step.

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Body, Scan, Tensor, Tree};
use crate::shape::Shape;
use crate::site::Site;
use crate::variable::Variable;

use super::record::{Carried, Change};
use super::{Context, Mark};

/// How a [`Context::scan_with`] goes through its steps.
#[derive(Clone, Default)]
pub struct ScanOptions {
    pub(super) reverse: bool,
    steps: Option<usize>,
    pub(super) count: Option<Tensor>,
    recompute: bool,
    once: bool,
}

impl ScanOptions {
    /// From the first step to the last one, as many as the sequences have.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it begins with the last step; what the steps give stays at their positions. False
    /// unless set.
    #[must_use]
    pub fn reverse(self, reverse: bool) -> Self {
        Self { reverse, ..self }
    }

    /// The number of steps: needed where there are no sequences that have as many elements.
    #[must_use]
    pub fn steps(self, steps: usize) -> Self {
        Self { steps: Some(steps), ..self }
    }

    /// Whether gradients compute again what the steps compute, instead of keeping it: they take the
    /// time of the steps once more, and of each step keep only what it was given (Chen et al.
    /// 2016). False unless set.
    #[must_use]
    pub fn recompute(self, recompute: bool) -> Self {
        Self { recompute, ..self }
    }

    /// One step, which is no step of a recurrence but the call of a layer: what it adds to the loss
    /// has the names that it has without a loop, and its layers' outputs have no axis of steps.
    pub(crate) fn once(self) -> Self {
        Self { once: true, ..self.steps(1) }
    }

    /// How many of the steps, from the first position on, are done: a whole number known when the
    /// plan runs, `i32[]`. States are then those after that many steps, and what the others would
    /// give is 0. One plan serves all numbers up to that of the steps.
    #[must_use]
    pub fn count(self, count: &Tensor) -> Self {
        Self { count: Some(count.clone()), ..self }
    }
}

/// What a step is traced with and makes.
pub(super) struct TracedStep<S, Y> {
    pub next: S,
    pub gives: Y,
    pub goes_on: Option<Tensor>,
}

impl Context {
    /// Goes through sequences step by step: `step` is given the states after the step before, and
    /// the elements of `xs` along their first axis, and returns the next states and what the step
    /// gives. Out: the last states, and what all steps give, stacked along a first axis.
    ///
    /// `step` is traced once, whatever the number of steps, and the plan holds it once; with
    /// `run_eagerly` it is called for each. Gradients, also those of gradients, go through it the
    /// other way, with what they need of the forward steps kept. Terms of a loss that a step adds
    /// are summed over the steps, metrics averaged, and random numbers differ from step to step.
    /// JAX's `lax.scan`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// // Compound interest: the balance after each year.
    /// let mut f = Function::new(|[rates], cx| {
    ///     let start = cx.constant(100.0_f32);
    ///     let (_, balances) = cx.scan(start, &rates, |balance: Tensor, rate: Tensor, _| {
    ///         let next = balance * (1.0 + rate);
    ///         (next.clone(), next)
    ///     });
    ///     let gradient = cx.gradients(&balances.sum(), [&rates]).into_tensors().remove(0);
    ///     [balances, gradient.expect("balances depend on rates")]
    /// });
    /// let [balances, gradient] = f.run([&[0.5_f32, 1.0].into()])?;
    /// assert_eq!(balances, Array::from([150.0_f32, 300.0]));
    /// assert_eq!(gradient, Array::from([300.0_f32, 150.0])); // 100 + 100 * 2, 100 * 1.5
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// The trace's: if sequences have no first axis or differ in its size, there is nothing that
    /// says how many steps there are, or the next states have other shapes or types than the
    /// states.
    #[track_caller]
    pub fn scan<S: Tree, X: Tree, Y: Tree>(
        &mut self,
        first: S,
        xs: &X,
        step: impl FnMut(S, X, &mut Self) -> (S, Y),
    ) -> (S, Y) {
        self.scan_with(&ScanOptions::new(), first, xs, step)
    }

    /// As [`scan`](Self::scan), with options.
    ///
    /// ```
    /// use endo::prelude::*;
    /// // The first Fibonacci numbers, as many as are asked for: one plan for all numbers up to 40.
    /// let mut f = Function::new(|[count], cx| {
    ///     let options = ScanOptions::new().steps(40).count(&count);
    ///     let first = (cx.constant(0_i32), cx.constant(1_i32));
    ///     let step = |(a, b): (Tensor, Tensor), (): (), _: &mut Context| ((b.clone(), a + b), ());
    ///     let ((a, _), ()) = cx.scan_with(&options, first, &(), step);
    ///     [a]
    /// });
    /// assert_eq!(f.run([&10_i32.into()])?[0], Array::from(55_i32));
    /// assert_eq!(f.run([&20_i32.into()])?[0], Array::from(6765_i32));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// The trace's, as for `scan`; and if the count is not one whole number.
    #[track_caller]
    pub fn scan_with<S: Tree, X: Tree, Y: Tree>(
        &mut self,
        options: &ScanOptions,
        first: S,
        xs: &X,
        mut step: impl FnMut(S, X, &mut Self) -> (S, Y),
    ) -> (S, Y) {
        let site = Site::caller();
        let steps = match steps(options, &xs.tensors()) {
            Ok(steps) => steps,
            Err(error) => {
                self.trace().record(error.at(site));
                1
            }
        };
        let whole = Loop { options: options.clone(), steps, site };
        let step = |states: S, x: X, cx: &mut Self| {
            let (next, gives) = step(states, x, cx);
            TracedStep { next, gives, goes_on: None }
        };
        self.run_loop(&whole, first, xs, step)
    }

    /// What `f` makes of each of the elements of `xs` along their first axis, stacked. Steps know
    /// nothing of each other, and threads share them. JAX's `lax.map`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// // Distances of all points from each other, a row at a time.
    /// let mut f = Function::new(|[points], cx| {
    ///     [cx.map(&points, |point: Tensor, _| {
    ///         (&points - point.expand_dims(0)).square().sum_axes([-1]).sqrt()
    ///     })]
    /// });
    /// let [distances] = f.run([&[[0.0_f32, 0.0], [3.0, 4.0]].into()])?;
    /// assert_eq!(distances, Array::from([[0.0_f32, 5.0], [5.0, 0.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// The trace's: if sequences have no first axis or differ in its size.
    #[track_caller]
    pub fn map<X: Tree, Y: Tree>(&mut self, xs: &X, f: impl FnMut(X, &mut Self) -> Y) -> Y {
        self.map_with(&ScanOptions::new(), xs, f)
    }

    /// As [`map`](Self::map), with options.
    #[track_caller]
    pub fn map_with<X: Tree, Y: Tree>(
        &mut self,
        options: &ScanOptions,
        xs: &X,
        mut f: impl FnMut(X, &mut Self) -> Y,
    ) -> Y {
        self.scan_with(options, (), xs, |(), x: X, cx| ((), f(x, cx))).1
    }

    /// Computes next states by `step` for as long as `condition` holds of the states, and at most
    /// `maximum_iterations` times if that is given; gradients need it. TensorFlow's and JAX's
    /// `while_loop`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// // The square root of x by Newton's method, and its gradient through the iterations.
    /// let mut f = Function::new(|[x], cx| {
    ///     let far = |root: &Tensor, _: &mut Context| (root.square() - &x).abs().greater(1e-4);
    ///     let next = |root: Tensor, _: &mut Context| 0.5 * (&root + &x / &root);
    ///     let root = cx.while_loop(x.clone(), Some(50), far, next);
    ///     let slope = cx.gradients(&root, [&x]).into_tensors().remove(0);
    ///     [root, slope.expect("the root depends on x")]
    /// });
    /// let [root, slope] = f.run([&9.0_f32.into()])?;
    /// assert!((root.item()? - 3.0).abs() < 1e-4 && (slope.item()? - 1.0 / 6.0).abs() < 1e-3);
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// The trace's: if the condition is not one truth value, or the next states have other shapes
    /// or types than the states.
    #[track_caller]
    pub fn while_loop<S: Tree + Clone>(
        &mut self,
        first: S,
        maximum_iterations: Option<usize>,
        mut condition: impl FnMut(&S, &mut Self) -> Tensor,
        mut step: impl FnMut(S, &mut Self) -> S,
    ) -> S {
        let site = Site::caller();
        let steps = maximum_iterations.unwrap_or(Scan::UNBOUNDED).min(Scan::UNBOUNDED);
        let begins = condition(&first, self);
        let begins = self.truth(begins, site);
        let count = begins.where_(
            self.trace().constant(Array::scalar(steps as i32), site),
            self.trace().constant(Array::scalar(0_i32), site),
        );
        let whole = Loop { options: ScanOptions::new().count(&count), steps, site };
        let step = |states: S, (): (), cx: &mut Self| {
            let next = step(states, cx);
            let goes_on = condition(&next, cx);
            let goes_on = Some(cx.truth(goes_on, site));
            TracedStep { next, gives: (), goes_on }
        };
        self.run_loop(&whole, first, &(), step).0
    }

    /// The value of a condition, which has to be one truth value.
    fn truth(&self, value: Tensor, site: Site) -> Tensor {
        if value.dtype() == DType::Bool && value.shape().is_scalar() {
            return value;
        }
        let message = format!(
            "the condition of `while_loop` is one truth value, got {}{}",
            value.dtype(),
            value.shape()
        );
        let help = "compare and reduce first: `x.sum().greater(0.0)`, `mask.any()`";
        let error = Error::shape(message, help);
        self.trace().fail(error.at(site), Shape::scalar(), DType::Bool)
    }

    #[track_caller]
    fn run_loop<S: Tree, X: Tree, Y: Tree>(
        &mut self,
        whole: &Loop,
        first: S,
        xs: &X,
        step: impl FnMut(S, X, &mut Self) -> TracedStep<S, Y>,
    ) -> (S, Y) {
        if self.trace().unrolls() {
            self.unrolled(whole, first, xs, step)
        } else {
            self.looped(whole, first, xs, step)
        }
    }

    /// Traces one step, and the loop.
    #[track_caller]
    fn looped<S: Tree, X: Tree, Y: Tree>(
        &mut self,
        whole: &Loop,
        first: S,
        xs: &X,
        mut step: impl FnMut(S, X, &mut Self) -> TracedStep<S, Y>,
    ) -> (S, Y) {
        let (trace, site) = (self.trace().clone(), whole.site);
        let position = trace.parameter(Shape::scalar(), DType::I32, site);
        let given = |x: &Tensor, shape: Shape| trace.parameter(shape, x.dtype(), site);
        let states: Vec<Tensor> =
            first.tensors().into_iter().map(|x| given(x, x.shape().clone())).collect();
        let elements: Vec<Tensor> =
            xs.tensors().into_iter().map(|x| given(x, x.shape().without(&[0]))).collect();
        let (mark, visits) = (self.mark(), self.visits().len());
        let checks = trace.check_count();
        let around = (!whole.options.once).then(|| self.begin_steps());
        trace.begin_loop();
        self.positions.push(position.clone());
        self.carried.push(Vec::new());
        let (made, changed) = self.collect_assigned(|cx| {
            let (states, elements) = (structure::<S>(&states), structure::<X>(&elements));
            step(states, elements, cx)
        });
        self.positions.pop();
        let carried = self.carried.pop().unwrap_or_default();
        if let Some(around) = around {
            self.end_steps(around);
        }
        if trace.check_count() > checks {
            let message = "a step of a loop demands that a value be finite, as optimizers do";
            let help = "apply the optimizer after the loop, to gradients of what the loop returns";
            trace.refuse(ErrorKind::Usage, message, help, site);
        }
        let mut next: Vec<Tensor> = if self.check_states(&first, &made.next, site) {
            made.next.tensors().into_iter().cloned().collect()
        } else {
            states.clone()
        };
        let mut all_first: Vec<Tensor> = first.tensors().into_iter().cloned().collect();
        let mut given = vec![position];
        given.extend(states);
        let own = next.len();
        // Variables that a step assigns are states too.
        next.extend(changed.iter().map(|change| self.read(&change.variable)));
        let assigned: Vec<&Variable> = changed.iter().map(|change| &change.variable).collect();
        for [before, read] in trace.end_loop(&assigned) {
            all_first.push(before);
            given.push(read);
        }
        for Carried { first, given: before, next: after, .. } in &carried {
            all_first.push(first.clone());
            given.push(before.clone());
            next.push(after.clone());
        }
        given.extend(elements);
        let gives: Vec<Tensor> = made.gives.tensors().into_iter().cloned().collect();
        let added = self.added_since(mark);
        let mut results: Vec<&Tensor> = made.goes_on.iter().collect();
        results.extend(&next);
        results.extend(&gives);
        results.extend(&added);
        if whole.steps == Scan::UNBOUNDED && !(gives.is_empty() && added.is_empty()) {
            let message = "a loop without a largest number of steps adds to a loss or to metrics";
            let help = "say how many steps there are at most: `maximum_iterations`";
            self.trace().refuse(ErrorKind::Usage, message, help, site);
            return (first, structure(&gives));
        }
        let mut inputs: Vec<&Tensor> = whole.options.count.iter().collect();
        inputs.extend(&all_first);
        inputs.extend(xs.tensors());
        let op = Scan {
            steps: whole.steps,
            backwards: whole.options.reverse,
            counted: whole.options.count.is_some(),
            conditional: made.goes_on.is_some(),
            recomputed: whole.options.recompute,
            states: next.len(),
            sequences: xs.tensors().len(),
            body: Body::Traced { parameters: Vec::new(), results: Vec::new() },
        };
        let parameters: Vec<&Tensor> = given.iter().collect();
        let scan = trace.scan(op, &inputs, &parameters, &results, site);
        let part = |index: usize| trace.part(&scan, 1 + index, site);
        for (index, Change { variable, .. }) in changed.iter().enumerate() {
            self.assign_at(variable, &part(own + index), site);
        }
        let failed = trace.error().is_some();
        let last: Vec<Tensor> = (0..own).map(part).collect();
        self.last_carried = (own + changed.len()..next.len()).map(part).collect();
        let stacked: Vec<Tensor> = (next.len()..next.len() + gives.len()).map(part).collect();
        let added: Vec<Tensor> =
            (0..added.len()).map(|index| part(next.len() + gives.len() + index)).collect();
        let done = trace.part(&scan, 0, site);
        self.replace_added(mark, &added, &done);
        if failed || whole.steps == Scan::UNBOUNDED {
            self.drop_visits(visits);
        } else {
            self.stack_visits(visits, &scan, whole.options.once);
        }
        (structure(&last), structure(&stacked))
    }

    /// Whether the next states are as large as those before, and of their types; an error is
    /// recorded if they are not.
    pub(super) fn check_states<S: Tree>(&self, before: &S, after: &S, site: Site) -> bool {
        let (before, after) = (before.tensors(), after.tensors());
        let form = |x: &Tensor| format!("{}{}", x.dtype(), x.shape());
        let differs =
            |(a, b): &(&&Tensor, &&Tensor)| (a.shape(), a.dtype()) != (b.shape(), b.dtype());
        let message = if before.len() == after.len() {
            let Some((a, b)) = before.iter().zip(&after).find(differs) else { return true };
            format!("a state of a loop is {} before a step and {} after it", form(a), form(b))
        } else {
            format!("a step of a loop is given {} states and makes {}", before.len(), after.len())
        };
        let help = "states keep their number, shapes and types from step to step: reshape or cast \
            the first ones, or the next ones";
        self.trace().refuse(ErrorKind::Shape, message, help, site);
        false
    }

    /// The places of the loss terms since a mark that count in each step. Terms that a model was
    /// given from outside count once.
    fn terms_of_steps(&self, mark: Mark) -> Vec<usize> {
        let once = |place: &usize| self.added_once.iter().any(|(_, known)| known == place);
        (mark.losses..self.losses.len()).filter(|place| !once(place)).collect()
    }

    /// The values of the loss terms and metrics since a mark.
    fn added_since(&self, mark: Mark) -> Vec<Tensor> {
        let places = self.terms_of_steps(mark);
        let terms = places.into_iter().map(|place| self.losses[place].value.clone());
        terms
            .chain(self.metrics[mark.metrics..].iter().map(|metric| metric.value.clone()))
            .collect()
    }

    /// Gives the loss terms since a mark the sums over steps of the values that are stacked here,
    /// and the metrics their means over the steps that were done.
    #[track_caller]
    fn replace_added(&mut self, mark: Mark, stacked: &[Tensor], done: &Tensor) {
        let mut sums = stacked.iter().map(|values| values.sum_axes([0]));
        for (place, sum) in self.terms_of_steps(mark).into_iter().zip(&mut sums) {
            self.losses[place].value = sum;
        }
        for (metric, sum) in self.metrics[mark.metrics..].iter_mut().zip(sums) {
            metric.value = &sum / done.maximum(1).cast(sum.dtype());
        }
    }
}

/// A loop, whatever its steps do.
pub(super) struct Loop {
    pub options: ScanOptions,
    pub steps: usize,
    pub site: Site,
}

/// How many steps there are.
fn steps(options: &ScanOptions, xs: &[&Tensor]) -> Result<usize> {
    let sizes: Option<Vec<usize>> = xs.iter().map(|x| x.shape().first().copied()).collect();
    let help = "all sequences have as many elements along their first axis as there are steps";
    let shapes = || {
        let shapes: Vec<String> = xs.iter().map(|x| x.shape().to_string()).collect();
        shapes.join(" and ")
    };
    let Some(sizes) = sizes else {
        let message =
            format!("`scan` goes along the first axis of sequences, got shapes {}", shapes());
        return Err(Error::shape(message, help));
    };
    if let Some(count) = &options.count
        && (count.dtype() != DType::I32 || !count.shape().is_scalar())
    {
        let message =
            format!("the count of `scan` is one i32, got {}{}", count.dtype(), count.shape());
        let help = "reduce it to one number and cast it to `DType::I32`";
        return Err(Error::new(ErrorKind::DType, message).help(help));
    }
    if let Some(steps) = options.steps.filter(|&steps| steps >= Scan::UNBOUNDED) {
        let message = format!("`scan` has fewer than {} steps, got {steps}", Scan::UNBOUNDED);
        let help = "a loop that ends by a condition is a `while_loop`";
        return Err(Error::argument(message, help));
    }
    let mut all = options.steps.iter().chain(&sizes);
    match all.next() {
        None => {
            let message = "`scan` has no sequences, and nothing says how many steps there are";
            let help = "say it: `ScanOptions::new().steps(10)`";
            Err(Error::argument(message, help))
        }
        Some(&steps) if all.any(|&other| other != steps) => {
            let asked = options.steps.map_or(String::new(), |steps| format!("{steps} steps and "));
            let message = format!("`scan` has {asked}sequences of shapes {}", shapes());
            Err(Error::shape(message, help))
        }
        Some(&steps) => Ok(steps),
    }
}

/// A structure of these tensors, which are as many as it has.
pub(super) fn structure<T: Tree>(tensors: &[Tensor]) -> T {
    T::from_tensors(&mut tensors.iter().cloned()).expect("as many tensors as the structure has")
}
