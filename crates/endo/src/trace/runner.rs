//! [`Runner`]: what runs plans. The processor is one, and the text of another language another.
//!
//! In: a plan, made with the runner's own passes, and the variables that it reads and writes. Out:
//! [`Prepared`], which runs on arrays.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::plan::{Plan, Tuning};
use crate::variable::Variable;

pub use crate::cpu::matmul::routine;
pub use crate::cpu::pool::Pool;

/// What runs plans.
pub trait Runner: Send + Sync {
    /// The passes that plans for it are made with, and how its memory is divided.
    fn tuning(&self) -> &dyn Tuning;

    /// Makes a plan ready to run: whatever can be done once. `variables` are those of the plan, by
    /// index; where they live is the runner's to say, as long as [`Variable::value`] and
    /// [`Variable::set`] stay true between runs.
    ///
    /// # Errors
    /// If the runner has no code for an operation, or the system does not give the memory.
    fn prepare(&self, plan: Plan, variables: &[Variable]) -> Result<Box<dyn Prepared>>;
}

/// A plan that a runner has prepared.
pub trait Prepared: Send + Sync {
    /// The plan.
    fn plan(&self) -> &Plan;

    /// Runs on inputs, of the shapes and types that the plan was made for, and writes to `outputs`,
    /// which have those of the plan's; `pool` has the threads of the host that may be used. A run
    /// that fails writes no variable.
    ///
    /// # Errors
    /// The [`Failure`].
    fn run(
        &self,
        inputs: &[&Array],
        outputs: &mut [Array],
        pool: &Pool,
    ) -> std::result::Result<(), Failure>;

    /// Runs on inputs, and hands on the bytes of the outputs, each once with its index. `early` is
    /// an output from which on they are wanted as soon as they are complete, if the runner can.
    /// Outputs of a run that fails may have been handed on.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    fn run_into(
        &self,
        inputs: &[&Array],
        early: Option<usize>,
        pool: &Pool,
        take: &mut dyn FnMut(usize, &[u8]),
    ) -> std::result::Result<(), Failure> {
        let _ = early;
        let outputs = self.plan().outputs.iter().map(|output| &output.signature);
        let mut outputs = outputs
            .map(|output| Array::try_zeros(&output.shape, output.dtype))
            .collect::<Result<Vec<Array>>>()?;
        self.run(inputs, &mut outputs, pool)?;
        outputs.iter().enumerate().for_each(|(index, output)| take(index, output.bytes()));
        Ok(())
    }

    /// Lays variables out as the plan goes through them, where nothing has been run with them
    /// before and it makes a difference.
    ///
    /// # Errors
    /// If the system does not give the memory.
    fn lay_out(&self) -> Result<()> {
        Ok(())
    }
}

/// Why a run did not happen; no variable has changed then.
#[derive(Debug)]
pub enum Failure {
    /// The value of the check with this index is not finite.
    NotFinite(usize),
    /// An effect failed, or the system does not give the memory that the run needs.
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use crate::dtype::DType;
    use crate::error::ErrorKind;
    use crate::graph::{
        Effect, Form, Graph, Kernel, Op, Operand, OperandMut, Tensor, Trace, ValuesMut,
    };
    use crate::plan::Untuned;
    use crate::site::Site;
    use crate::trace::{Function, Program};

    use super::*;

    /// Plans without running: what it is asked to run, it counts.
    #[derive(Default)]
    struct Null(Arc<AtomicUsize>);

    struct NullPlan(Plan, Arc<AtomicUsize>);

    impl Runner for Null {
        fn tuning(&self) -> &dyn Tuning {
            &Untuned
        }

        fn prepare(&self, plan: Plan, _: &[Variable]) -> Result<Box<dyn Prepared>> {
            Ok(Box::new(NullPlan(plan, self.0.clone())))
        }
    }

    impl Prepared for NullPlan {
        fn plan(&self) -> &Plan {
            &self.0
        }

        fn run(
            &self,
            inputs: &[&Array],
            outputs: &mut [Array],
            _: &Pool,
        ) -> std::result::Result<(), Failure> {
            assert_eq!((inputs.len(), outputs.len()), (self.0.inputs.len(), self.0.outputs.len()));
            self.1.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    #[test]
    fn a_runner_that_does_nothing_plans_and_is_given_what_it_asks_for() {
        let trace = Trace::new();
        let x = trace.input([3].into(), DType::F32, Site::caller());
        let y = x.square().sum();
        let (graph, _) = trace.finish(&[&y]).unwrap();
        let null = Null::default();
        let program = Program::on(&null, &graph).unwrap();
        let mut outputs = [Array::scalar(7.0_f32)];
        program.run(&[&[1.0_f32, 2.0, 3.0].into()], &mut outputs, &Pool::new(1)).unwrap();
        assert_eq!((outputs[0].get(0), null.0.load(Ordering::Relaxed)), (7.0, 1));
    }

    #[test]
    fn outputs_that_are_wanted_early_come_first_with_the_numbers_that_they_have_at_the_end() {
        let trace = Trace::new();
        let x = trace.input([40, 3].into(), DType::F32, Site::caller());
        // What is computed of a single number and repeated along a tile, before and after.
        let early = [x.square() * x.sum(), x.sum_axes([0]) + x.mean()];
        let late = (&early[0] - 1.0).exp() * early[0].sum();
        let (graph, _) = trace.finish(&[&late, &early[0], &early[1]]).unwrap();
        let program = Program::new(&graph).unwrap();
        let (pool, x) = (Pool::new(1), Array::from_fn([40, 3], |i| (0.1 * i as f32).sin() * 0.1));
        let signatures = program.plan().outputs.iter().map(|output| &output.signature);
        let mut outputs: Vec<Array> =
            signatures.map(|output| Array::zeros(output.shape.clone(), output.dtype)).collect();
        program.run(&[&x], &mut outputs, &pool).unwrap();
        for (first, order) in [(None, [0, 1, 2]), (Some(1), [1, 2, 0]), (Some(2), [2, 0, 1])] {
            let mut taken = Vec::new();
            let mut take = |index: usize, bytes: &[u8]| {
                assert_eq!(bytes, outputs[index].bytes(), "output {index} from {first:?} on");
                taken.push(index);
            };
            program.run_into(&[&x], first, &pool, &mut take).unwrap();
            assert_eq!(taken, order);
        }
        // Nothing is early of a plan without such an output.
        let mut taken = 0;
        program.run_into(&[&x], Some(3), &pool, &mut |_, _| taken += 1).unwrap();
        assert_eq!(taken, 3);
    }

    /// Doubles its input and takes note of it; fails at numbers below 0.
    #[derive(Debug)]
    struct Note(Arc<Mutex<Vec<f32>>>);

    impl Kernel for Note {
        fn name(&self) -> &'static str {
            "note"
        }
        fn run(&self, _: &[Operand<'_>], _: OperandMut<'_>) {
            unreachable!("it is an effect")
        }
        fn effect(&self) -> Option<&dyn Effect> {
            Some(self)
        }
        fn attributes(&self) -> Vec<i64> {
            Vec::new()
        }
        fn fits(&self, _: &[Form<'_>], _: Form<'_>) -> bool {
            true
        }
    }

    impl Effect for Note {
        fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) -> Result<()> {
            let number = inputs[0].values.get(0) as f32;
            if number < 0.0 {
                return Err(Error::new(ErrorKind::Usage, "a number below 0"));
            }
            self.0.lock().unwrap().push(number);
            let ValuesMut::F32(output) = output.values else { unreachable!("it is given floats") };
            output[0] = 2.0 * number;
            Ok(())
        }
    }

    #[test]
    fn effects_run_once_each_in_order_and_before_variables_are_written() {
        let notes = Arc::new(Mutex::new(Vec::new()));
        let total = Variable::new("total", 0.0_f32);
        for eager in [false, true] {
            let mut step = Function::new(|[x], cx| {
                let note = |x: &Tensor| {
                    let op = Op::Kernel(Arc::new(Note(notes.clone())));
                    x.push(op, &[x], x.shape(), DType::F32, Site::caller())
                };
                cx.assign(&total, cx.read(&total) + &x);
                // The same twice, and one whose output nobody needs.
                let twice = note(&x) + note(&x);
                note(&(&x + 1.0));
                [twice]
            })
            .run_eagerly(eager);
            total.set(&Array::scalar(0.0_f32)).unwrap();
            let mut run = |x: f32| step.run([&Array::scalar(x)]);
            assert_eq!(run(3.0).unwrap()[0].get(0), 12.0);
            assert_eq!(std::mem::take(&mut *notes.lock().unwrap()), [3.0, 3.0, 4.0]);
            run(-2.0).unwrap_err().reads("a number below 0");
            assert_eq!(total.value().get(0), 3.0);
            notes.lock().unwrap().clear();
        }
    }

    #[test]
    fn a_graph_without_effects_has_none_among_its_roots() {
        assert_eq!(Graph::default().roots().count(), 0);
    }
}
