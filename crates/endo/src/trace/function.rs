//! A closure of tensors as a function of arrays: traced once for every shape of its inputs, then
//! run as a plan.
//!
//! In: a closure, then arrays. Out: arrays. What TensorFlow calls `tf.function`; node by node with
//! `run_eagerly`. What has no fixed number of arrays is in [`TracedClosure`].

use std::fmt;
use std::sync::{Arc, Mutex};

use super::runner::Pool;
use crate::array::Array;
use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Graph, Tensor};
use crate::variable::Variable;

use super::traced::TracedClosure;
use super::{Context, Program, TensorSpec};

/// A closure of `N` tensors that returns `M`, run on arrays. The only `?` of a custom loop is at
/// [`run`](Self::run): there data meets the plan, and there errors of the closure come out.
///
/// The closure is traced as in training (dropout drops) unless [`training(false)`](Self::training)
/// says otherwise.
///
/// ```
/// use endo::prelude::*;
/// let total = Variable::new("total", Array::scalar(0.0_f32));
/// let mut add = Function::new(|[x], cx| {
///     cx.assign_add(&total, x.sum());
///     [cx.read(&total)]
/// });
/// add.run([&[1.0_f32, 2.0].into()])?;
/// let [sum] = add.run([&[3.0_f32, 4.0].into()])?;
/// assert_eq!(sum.item()?, 10.0);
/// assert_eq!(add.traces(), 1);
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Function<'f, const N: usize, const M: usize> {
    #[allow(clippy::type_complexity)]
    closure: Box<dyn Fn([Tensor; N], &mut Context) -> [Tensor; M] + 'f>,
    traced: TracedClosure,
}

impl<'f, const N: usize, const M: usize> Function<'f, N, M> {
    /// A function that is traced at its first run.
    pub fn new(closure: impl Fn([Tensor; N], &mut Context) -> [Tensor; M] + 'f) -> Self {
        Self { closure: Box::new(closure), traced: TracedClosure::new() }
    }

    /// Whether layers are traced as in training. True unless set.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let dropout = Dropout::new(0.5);
    /// let mut f = Function::new(|[x], cx| [dropout.apply(&x, cx)]).training(false);
    /// assert_eq!(f.run([&[1.0_f32, 2.0].into()])?[0], Array::from([1.0_f32, 2.0]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn training(mut self, training: bool) -> Self {
        self.traced.training = training;
        self
    }

    /// Runs node by node instead of as a plan: every value can be looked at with [`Tensor::value`],
    /// and the closure runs at every call, so that Rust's `if` can depend on values.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut absolute = Function::new(|[x], _cx| [if x.value().get(0) < 0.0 { -x } else { x }])
    ///     .run_eagerly(true);
    /// assert_eq!(absolute.run([&Array::scalar(-2.0_f32)])?[0].item()?, 2.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn run_eagerly(mut self, eager: bool) -> Self {
        self.traced.eager = eager;
        self
    }

    /// The seed of the random numbers drawn outside models; 0 unless set.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.traced.set_seed(seed);
        self
    }

    /// The number of threads; all that the process may use unless set. Results do not depend on it.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.traced.pool = Arc::new(Pool::new(threads));
        self
    }

    /// The float type of the weights made in its traces; `f32` unless set.
    #[must_use]
    pub fn dtype(mut self, dtype: DType) -> Self {
        self.traced.dtype = dtype;
        self
    }

    /// The shapes and types of inputs that it may be run on; all unless set. Others are an error,
    /// and nothing is traced: a batch of the wrong sizes does not become another plan.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut shrink =
    ///     Function::new(|[images], _cx| [images.slice_step(1, .., 2).slice_step(2, .., 2)])
    ///         .input_signature([TensorSpec::new([None, Some(28), Some(28)], DType::F32)]);
    /// assert_eq!(
    ///     shrink.run([&Array::zeros([100, 28, 28], DType::F32)])?[0].shape().sizes(),
    ///     [100, 14, 14]
    /// );
    /// assert!(shrink.run([&Array::zeros([2, 2, 2], DType::F32)]).is_err());
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn input_signature(mut self, inputs: [TensorSpec; N]) -> Self {
        self.traced.accepted = Some(inputs.into());
        self
    }

    /// Runs on arrays; traces and plans first when their shapes or types are new. The results are
    /// the caller's: a run that begins when those of the run before have been dropped uses their
    /// memory again.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut square = Function::new(|[x], _cx| [x.square()]);
    /// let [four] = square.run([&Array::scalar(2.0_f32)])?;
    /// let [nine] = square.run([&Array::scalar(3.0_f32)])?;
    /// assert_eq!((four.item()?, nine.item()?), (4.0, 9.0));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// An input that the signature does not accept; the first mistake of the trace, with the layer
    /// and the line of the closure; or the first loss or gradient that is not finite, in which case
    /// no variable has changed. The closure is then traced once more, to compute the run again one
    /// operation at a time, and the error names the operation that made the number, its line, and
    /// the rows of the batch.
    #[track_caller]
    pub fn run(&mut self, inputs: [&Array; N]) -> Result<[Array; M]> {
        let outputs = self.traced.run(&inputs, &|tensors, cx| call(&self.closure, tensors, cx))?;
        Ok(std::array::from_fn(|index| outputs[index].clone()))
    }

    /// Traces and plans, and lays the variables out as a run does: what is run beside the function
    /// must not say where they lie.
    #[track_caller]
    pub(crate) fn lay_out(&mut self, inputs: [&Array; N]) -> Result<()> {
        self.traced.lay_out(&inputs, &|tensors, cx| call(&self.closure, tensors, cx))
    }

    /// Traces and plans for inputs of the shapes and types of these, and returns the variables that
    /// a run on them reads or writes. None is written.
    ///
    /// # Errors
    /// As for [`run`](Self::run), but for numbers: nothing is run.
    #[track_caller]
    pub fn prepare(&mut self, inputs: [&Array; N]) -> Result<Vec<Variable>> {
        self.traced.prepare(&inputs, &|tensors, cx| call(&self.closure, tensors, cx))
    }

    /// Where the variables of a run node by node are, once it is done; none where it runs as a
    /// plan.
    pub(crate) fn used(&self) -> Option<Arc<Mutex<Vec<Variable>>>> {
        self.traced.eager.then(|| self.traced.used.clone())
    }

    /// Whether a run on such inputs traces nothing that a run before has not.
    pub(crate) fn is_traced_for(&self, inputs: &[&Array; N]) -> bool {
        self.traced.is_traced_for(inputs)
    }

    /// How many different shapes and types of inputs it was traced for.
    pub fn traces(&self) -> usize {
        self.traced.traces()
    }

    /// What was traced and is probably not meant, such as a gradient that does not exist.
    pub fn warnings(&self) -> &[String] {
        &self.traced.warnings
    }

    /// The graph for inputs like these, to be printed. Not optimized.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.square()]);
    /// assert!(f.graph([&[1.0_f32].into()])?.to_string().contains("%1 = square(%0): f32[1]"));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`run`](Self::run), but for numbers: nothing is run.
    #[track_caller]
    pub fn graph(&mut self, inputs: [&Array; N]) -> Result<Graph> {
        self.traced.graph(&inputs, &|tensors, cx| call(&self.closure, tensors, cx))
    }

    /// The program for inputs of the shapes and types of these, which it was run on before.
    pub fn program(&self, inputs: [&Array; N]) -> Option<&Program> {
        self.traced.program(&inputs)
    }

    /// The graph of what `choose` takes from a trace of the closure, which is given its outputs;
    /// and the warnings of the trace.
    #[track_caller]
    pub(crate) fn graph_of(
        &self,
        inputs: [&Array; N],
        choose: impl FnOnce(Vec<Tensor>, &mut Context) -> Vec<Tensor>,
    ) -> Result<(Graph, Vec<String>)> {
        let closure = |tensors: &[Tensor], cx: &mut Context| call(&self.closure, tensors, cx);
        self.traced.graph_of(&inputs, &closure, choose)
    }

    /// Runs node by node. Returns with the outputs the values of what `more` takes from the trace.
    #[track_caller]
    pub(crate) fn run_nodes(
        &mut self,
        inputs: [&Array; N],
        more: impl FnOnce(&mut Context) -> Vec<Tensor>,
    ) -> Result<([Array; M], Vec<Array>)> {
        let closure = |tensors: &[Tensor], cx: &mut Context| call(&self.closure, tensors, cx);
        let (outputs, values) = self.traced.run_nodes(&inputs, &closure, more)?;
        Ok((std::array::from_fn(|index| outputs[index].clone()), values))
    }

    /// A number that no other function of this process has.
    pub(crate) fn id(&self) -> u64 {
        self.traced.counter.id()
    }

    pub(crate) fn is_eager(&self) -> bool {
        self.traced.eager
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.traced.pool
    }
}

/// The closure of a function, called on tensors that are as many as it takes.
fn call<const N: usize, const M: usize>(
    closure: &dyn Fn([Tensor; N], &mut Context) -> [Tensor; M],
    tensors: &[Tensor],
    cx: &mut Context,
) -> Vec<Tensor> {
    closure(std::array::from_fn(|index| tensors[index].clone()), cx).into()
}

impl<const N: usize, const M: usize> fmt::Debug for Function<'_, N, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function of {N} inputs and {M} outputs, traced {} times", self.traces())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use crate::prelude::*;

    #[test]
    fn a_layer_made_inside_the_closure_is_found_at_the_second_trace() {
        for eager in [false, true] {
            let mut f = Function::new(|[x], cx| [Dense::new(1).apply(&x, cx)]).run_eagerly(eager);
            f.run([&[[1.0_f32, 2.0]].into()]).unwrap();
            let error = f.run([&[[1.0_f32, 2.0], [3.0, 4.0]].into()]).unwrap_err();
            assert!(
                error.message().starts_with("there is a second weight called `dense/kernel`"),
                "{error}"
            );
            error.advises("make it before the function");
        }
    }

    #[test]
    fn layers_of_one_name_in_two_branches_are_no_mistake() {
        let [low, high] = [Dense::new(1), Dense::new(1)];
        let mut f = Function::new(|[x], cx| {
            [if x.batch() < 2 { low.apply(&x, cx) } else { high.apply(&x, cx) }]
        });
        f.run([&[[1.0_f32, 2.0]].into()]).unwrap();
        f.run([&[[1.0_f32, 2.0], [3.0, 4.0]].into()]).unwrap();
        assert_eq!(
            [&low, &high].map(|layer| layer.kernel().unwrap().name().to_string()),
            ["dense/kernel", "dense/kernel"]
        );
    }

    #[test]
    fn a_tensor_of_another_trace_is_refused_wherever_it_is_used() {
        let variable = Variable::new("variable", Array::from([1.0_f32, 2.0]));
        type Use = fn(Tensor, Tensor, &Variable, &mut Context) -> Tensor;
        let uses: [Use; 5] = [
            |_, old, _, _| old,
            |x, old, variable, cx| {
                cx.assign(variable, &old);
                x
            },
            |x, old, _, cx| {
                cx.gradients(&x.sum(), [&old]);
                x
            },
            |x, old, _, cx| {
                cx.gradients(&old.sum(), [&x]);
                x
            },
            |x, old, _, cx| {
                cx.trace().check(&old, "an old tensor");
                x
            },
        ];
        for use_it in uses {
            for eager in [false, true] {
                let kept: RefCell<Option<Tensor>> = RefCell::new(None);
                let mut f = Function::new(|[x], cx| {
                    let old = kept.borrow_mut().replace(&x * 3.0);
                    [old.map_or_else(|| x.clone(), |old| use_it(x.clone(), old, &variable, cx))]
                })
                .run_eagerly(eager);
                f.run([&[1.0_f32, 2.0].into()]).unwrap();
                let error = f.run([&[1.0_f32, 2.0, 3.0].into()]).unwrap_err();
                assert!(error.message().ends_with("belongs to another trace"), "{error}");
                assert!(error.site().is_some_and(|site| site.file().ends_with("function.rs")));
            }
        }
    }
}
