//! One closure run in every way there is: as the fastest plan, as a plan that fuses nothing, and
//! node by node.
//!
//! In: a closure, inputs, variables. Out: all outputs and the variables' values after every run,
//! and their comparison.

use endo::Site;
use std::rc::Rc;

use endo::cpu::pool::Pool;
use endo::cpu::{self, ProcessorTuning, VariableMemory, Workspace};
use endo::graph::{Graph, Trace};
use endo::ops;
use endo::plan::Plan;
use endo::prelude::*;
use endo::random::Random;
use endo::trace::Program;
use endo::variable::VariableBlock;
use proptest::test_runner::{Config, RngSeed};

/// The random cases of a test, the same at every run; the variables `PROPTEST_CASES` and
/// `PROPTEST_RNG_SEED` ask for more, and for others.
pub fn cases(count: u32) -> Config {
    let given = Config::default();
    let cases = std::env::var_os("PROPTEST_CASES").map_or(count, |_| given.cases);
    let rng_seed =
        if given.rng_seed == RngSeed::Random { RngSeed::Fixed(1) } else { given.rng_seed };
    Config { cases, rng_seed, failure_persistence: None, ..given }
}

/// A way to run a closure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    /// As the fastest plan, on a number of threads.
    Fused(usize),
    /// As a plan in which every elementwise operation is a loop of its own.
    Unfused,
    /// One operation after the other, in the plainest way.
    NodeByNode,
}

/// What is traced: inputs to outputs; the trace reads and assigns variables.
pub type Closure<'a> = &'a dyn Fn(&Rc<Trace>, &[Tensor]) -> Vec<Tensor>;

/// How far two results may differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Within {
    /// Not in a bit, except that one NaN is as good as another.
    Bits,
    /// By at most this, element by element.
    Absolute(f64),
    /// By at most this share of the larger one, element by element.
    Relative(f64),
}

/// Runs a closure `runs` times in a row, and returns its outputs and then the variables, run by
/// run. The variables are back at their start afterwards.
pub fn run(
    way: Way,
    closure: Closure,
    inputs: &[Array],
    variables: &[Variable],
    runs: usize,
) -> Result<Vec<Array>> {
    let start: Vec<Array> = variables.iter().map(Variable::value).collect();
    let mut results = Vec::new();
    let mut keep = |outputs: &[Array]| {
        results.extend(outputs.iter().cloned().chain(variables.iter().map(Variable::value)))
    };
    match way {
        Way::Fused(threads) => {
            let (graph, pool) = (graph(closure, inputs)?, Pool::new(threads));
            let program = Program::new(&graph)?;
            for _ in 0..runs {
                let mut outputs = zeros(&graph);
                program.run(&inputs.iter().collect::<Vec<_>>(), &mut outputs, &pool)?;
                keep(&outputs);
            }
        }
        Way::Unfused => {
            let (graph, pool) = (graph(closure, inputs)?, Pool::new(1));
            let plan = Plan::unfused(&graph, &ProcessorTuning);
            let mut workspace = Workspace::new(&plan, 1);
            let (block, offsets) = VariableBlock::gather(&graph.variables)?;
            for _ in 0..runs {
                let mut content = block.write();
                let memory = VariableMemory::Write(content.bytes_mut());
                cpu::run(
                    &plan,
                    &mut workspace,
                    &inputs.iter().collect::<Vec<_>>(),
                    memory,
                    &offsets,
                    &pool,
                )
                .expect("no checks");
                drop(content);
                let mut outputs = zeros(&graph);
                for (i, output) in outputs.iter_mut().enumerate() {
                    output.copy_from_bytes(workspace.output(&plan, i));
                }
                keep(&outputs);
            }
        }
        Way::NodeByNode => {
            for _ in 0..runs {
                let trace = Trace::eager(ops::evaluate, inputs.to_vec());
                let outputs = trace_closure(&trace, closure, inputs);
                let (graph, _) = trace.finish(&outputs.iter().collect::<Vec<_>>())?;
                let value = |id| trace.value(id).expect("an eager trace knows every value");
                for (index, id) in &graph.writes {
                    graph.variables[*index].set(&value(*id))?;
                }
                keep(&outputs.iter().map(|output| value(output.id())).collect::<Vec<_>>());
            }
        }
    }
    variables.iter().zip(&start).try_for_each(|(variable, value)| variable.set(value))?;
    Ok(results)
}

/// The graph of a closure.
pub fn graph(closure: Closure, inputs: &[Array]) -> Result<Graph> {
    let trace = Trace::new();
    let outputs = trace_closure(&trace, closure, inputs);
    Ok(trace.finish(&outputs.iter().collect::<Vec<_>>())?.0)
}

fn trace_closure(trace: &Rc<Trace>, closure: Closure, inputs: &[Array]) -> Vec<Tensor> {
    let site = Site::caller();
    let tensors: Vec<Tensor> = inputs
        .iter()
        .map(|input| trace.input(input.shape().clone(), input.dtype(), site))
        .collect();
    closure(trace, &tensors)
}

fn zeros(graph: &Graph) -> Vec<Array> {
    graph
        .outputs
        .iter()
        .map(|&id| Array::zeros(&graph.node(id).shape, graph.node(id).dtype))
        .collect()
}

/// Says in which element two arrays differ by more than they may.
pub fn difference(got: &Array, want: &Array, within: Within) -> Option<String> {
    if (got.shape(), got.dtype()) != (want.shape(), want.dtype()) {
        return Some(format!(
            "{}{} instead of {}{}",
            got.dtype(),
            got.shape(),
            want.dtype(),
            want.shape()
        ));
    }
    let bits = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    let close = |a: f64, b: f64| match within {
        Within::Bits => bits(a, b),
        Within::Absolute(bound) => a == b || (a - b).abs() <= bound || (a.is_nan() && b.is_nan()),
        Within::Relative(bound) => {
            a == b || (a - b).abs() <= bound * a.abs().max(b.abs()) || (a.is_nan() && b.is_nan())
        }
    };
    let place = (0..want.len()).find(|&i| !close(got.get(i), want.get(i)))?;
    Some(format!(
        "element {place} of {}{} is {:?} instead of {:?}",
        got.dtype(),
        got.shape(),
        got.get(place),
        want.get(place)
    ))
}

/// Fails when a plan, fused or not, gives other outputs than the reference. `within` is for each
/// output.
pub fn check(name: &str, closure: Closure, inputs: &[Array], within: &[Within]) {
    let run =
        |way| run(way, closure, inputs, &[], 1).unwrap_or_else(|error| panic!("{name}: {error}"));
    let want = run(Way::NodeByNode);
    assert_eq!(want.len(), within.len(), "{name}: a bound for each output");
    for way in [Way::Fused(1), Way::Unfused] {
        for (index, (got, want)) in run(way).iter().zip(&want).enumerate() {
            if let Some(difference) = difference(got, want, within[index]) {
                let shapes: Vec<String> = inputs
                    .iter()
                    .map(|input| format!("{}{}", input.dtype(), input.shape()))
                    .collect();
                panic!(
                    "{name} of {} as {way:?}, output {index}: {difference}",
                    shapes.join(" and ")
                );
            }
        }
    }
}

/// Numbers of an interval, as a seed chooses; integers and truth values are made of them by
/// rounding down.
pub fn numbers(shape: impl Into<Shape>, dtype: DType, [low, high]: [f64; 2], seed: u64) -> Array {
    let mut random = Random::new(seed, 0);
    let values = Array::from_fn(shape, |_| low + (high - low) * random.uniform_f64());
    match dtype {
        DType::I32 => Array::from_fn(values.shape(), |i| values.get(i).floor() as i32),
        DType::U8 => Array::from_fn(values.shape(), |i| values.get(i).floor() as u8),
        DType::Bool => Array::from_fn(values.shape(), |i| values.get(i) > (low + high) / 2.0),
        _ => values.cast(dtype),
    }
}

/// The distance from 1 to the next number of a float type.
pub fn epsilon(dtype: DType) -> f64 {
    if dtype == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() }
}
