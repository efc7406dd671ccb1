//! What every runner has to do, as programs with the values of the node-by-node reference: one
//! suite for all of them.
//!
//! In: a runner, and how far its floats may be from the reference. Out: nothing, or the program and
//! the numbers that differ.

use endo::graph::{Graph, Op};
use endo::ops::{elementwise, tables};
use endo::prelude::*;
use endo::random::Random;
use endo::trace::{Failure, Pool, Program, Runner, TensorClosure, TracedClosure};
use endo::{Site, ops};

/// A program of the suite: a graph, and the inputs of runs one after the other.
pub struct Case {
    /// What it is about.
    pub name: String,
    /// What is run.
    pub graph: Graph,
    /// The inputs of each run.
    pub runs: Vec<Vec<Array>>,
}

/// How far floats may be from the reference, relative to the largest number of an array, or to 1.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Of `f32`.
    pub single: f64,
    /// Of `f64`.
    pub double: f64,
}

/// What a run leaves: outputs and variables, or the check that failed.
type Left = Result<Vec<Array>, usize>;

/// Runs all programs on a runner, and compares outputs and variables with the reference.
pub fn check(runner: &dyn Runner, threads: usize, bounds: Bounds) {
    let pool = Pool::new(threads);
    for Case { name, graph, runs } in cases() {
        let first: Vec<Array> = graph.variables.iter().map(Variable::value).collect();
        let expected: Vec<Left> = runs.iter().map(|inputs| reference(&graph, inputs)).collect();
        for (variable, value) in graph.variables.iter().zip(&first) {
            variable.set(value).unwrap();
        }
        let program = Program::on(runner, &graph).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (run, (inputs, expected)) in runs.iter().zip(&expected).enumerate() {
            let got = left(&program, &graph, inputs, &pool);
            match (&got, expected) {
                (Ok(got), Ok(expected)) => {
                    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
                        compare(
                            &format!("{name}, run {run}, array {index}"),
                            got,
                            expected,
                            bounds,
                        );
                    }
                }
                _ => assert_eq!(got.err(), expected.as_ref().err().copied(), "{name}, run {run}"),
            }
        }
    }
}

fn left(program: &Program, graph: &Graph, inputs: &[Array], pool: &Pool) -> Left {
    let zeros =
        |id: &endo::graph::NodeId| Array::zeros(&graph.node(*id).shape, graph.node(*id).dtype);
    let mut outputs: Vec<Array> = graph.outputs.iter().map(zeros).collect();
    let inputs: Vec<&Array> = inputs.iter().collect();
    match program.attempt(&inputs, &mut outputs, pool) {
        Ok(()) => {
            outputs.extend(graph.variables.iter().map(Variable::value));
            Ok(outputs)
        }
        Err(Failure::NotFinite(check)) => Err(check),
        Err(Failure::Error(error)) => panic!("{error}"),
    }
}

/// What a run leaves, computed node by node.
fn reference(graph: &Graph, inputs: &[Array]) -> Left {
    let mut values: Vec<Array> = Vec::new();
    for node in &graph.nodes {
        let of: Vec<&Array> = node.inputs.iter().map(|id| &values[id.index()]).collect();
        values.push(match &node.op {
            Op::Input(index) => inputs[*index].clone(),
            Op::Variable(index) => graph.variables[*index].value(),
            Op::Constant(array) => array.clone(),
            _ => ops::evaluate(node, &of).unwrap(),
        });
    }
    let finite = |check: &endo::graph::Check| values[check.node.index()].is_finite();
    if let Some(failed) = graph.checks.iter().position(|check| !finite(check)) {
        return Err(failed);
    }
    for &(index, id) in &graph.writes {
        graph.variables[index].set(&values[id.index()]).unwrap();
    }
    let outputs = graph.outputs.iter().map(|id| values[id.index()].clone());
    Ok(outputs.chain(graph.variables.iter().map(Variable::value)).collect())
}

fn compare(what: &str, got: &Array, expected: &Array, bounds: Bounds) {
    assert_eq!((got.shape(), got.dtype()), (expected.shape(), expected.dtype()), "{what}");
    let bound = match got.dtype() {
        DType::F32 => bounds.single,
        DType::F64 => bounds.double,
        _ => 0.0,
    };
    let largest = (0..expected.len())
        .map(|index| expected.get(index).abs())
        .filter(|number| number.is_finite())
        .fold(1.0, f64::max);
    for index in 0..expected.len() {
        let (got, expected) = (got.get(index), expected.get(index));
        let same = got == expected || (got.is_nan() && expected.is_nan());
        let near = (got - expected).abs() <= bound * largest;
        assert!(same || near, "{what}: {got} at {index}, not {expected}");
    }
}

fn numbers(shape: &[usize], dtype: DType, seed: u64) -> Array {
    let mut random = Random::new(seed, 0);
    Array::from_fn(shape.to_vec(), |_| random.uniform() * 6.0 - 3.0).cast(dtype)
}

/// All programs.
pub fn cases() -> Vec<Case> {
    let mut cases = elementwise_operations();
    let floats = |shape: &[usize], seed| numbers(shape, DType::F32, seed);
    let mut add = |name: &str, inputs: Vec<Array>, closure: &TensorClosure<'_>| {
        let graph = graph(&inputs, closure);
        cases.push(Case { name: name.into(), graph, runs: vec![inputs] });
    };
    add("views", vec![floats(&[4, 3, 5], 1)], &|x, _| {
        let x = &x[0];
        vec![
            x.permute(&[2, 0, 1]).reshape([5, 12]),
            x.slice(1, 1..).slice_step(-1, .., 2),
            x.flip(0).permute(&[1, 0, 2]) + x.slice(0, 0..1).permute(&[1, 0, 2]),
            x.reshape([12, 5]).slice(0, 3..4).broadcast_to([7, 5]),
            x.slice(1, 0..0),
        ]
    });
    for dtype in DType::ALL {
        add(&format!("reductions of {dtype}"), vec![numbers(&[3, 4, 5], dtype, 2)], &|x, _| {
            let x = if dtype == DType::Bool { x[0].cast(DType::I32) } else { x[0].clone() };
            vec![
                x.sum(),
                x.sum_axes([1]),
                x.sum_axes([0, 2]),
                x.max_axes([2]),
                x.min_axes([0]),
                x.slice(1, 0..0).sum_axes([1]),
            ]
        });
    }
    add("products", vec![floats(&[6, 33], 3), floats(&[33, 17], 4), floats(&[17], 5)], &|x, _| {
        let [a, b, bias] = [&x[0], &x[1], &x[2]];
        let y = (a.matmul(b) + bias).tanh();
        vec![
            y.clone(),
            y.transpose().matmul(a),
            b.transpose().matmul(&a.transpose()),
            a.slice(0, 0..1).matmul(&b.slice(-1, 0..1)),
            a.slice(-1, 0..0).matmul(&b.slice(0, 0..0)),
        ]
    });
    add("batches of products", vec![floats(&[2, 3, 4, 5], 6), floats(&[3, 5, 2], 7)], &|x, _| {
        vec![x[0].matmul(&x[1]), x[0].permute(&[0, 1, 3, 2]).matmul(&x[0].cast(DType::F32))]
    });
    add("products of f64", vec![numbers(&[5, 4], DType::F64, 8)], &|x, _| {
        vec![x[0].matmul(&x[0].transpose())]
    });
    add("softmax and normalization", vec![floats(&[6, 10], 9)], &|x, cx| {
        let shares = softmax(&x[0]);
        let centred = &x[0] - x[0].mean_axes([-1]).expand_dims(-1);
        let scale = (centred.square().mean_axes([-1]) + 1e-5).rsqrt().expand_dims(-1);
        let y = (shares * centred * scale).sum();
        let slopes = cx.gradients(&y, [&x[0]]).into_tensors().remove(0).unwrap();
        vec![y, slopes]
    });
    add("conversions", vec![floats(&[40], 10), numbers(&[40], DType::I32, 11)], &|x, _| {
        let types = [DType::F32, DType::F64, DType::I32, DType::Bool];
        let all = types.iter().flat_map(|&dtype| [x[0].cast(dtype), x[1].cast(dtype)]);
        all.map(|y| y.cast(DType::F64)).collect()
    });
    add("kernels", vec![floats(&[4, 5, 3], 12)], &|x, cx| {
        let x = &x[0];
        let indices = cx.constant([2, 0, 2]);
        let y = x.gather(&indices, 1).square().sum() + x.slice_step(1, 1.., 2).exp().sum();
        vec![
            x.argmax(1),
            x.argsort(1, true),
            x.sort(2),
            x.cumsum(1),
            x.cumprod(-1, true, true),
            Tensor::concatenate(&[x.clone(), x.square()], 1),
            x.pad(&[(0, 0), (1, 2), (0, 1)], 0.5),
            (x + 2.0).one_hot(4),
            x.top_k(2).0,
            cx.gradients(&y, [x]).into_tensors().remove(0).unwrap(),
        ]
    });
    cases.extend([swapped(), guarded(), counted()]);
    cases
}

#[track_caller]
fn softmax(x: &Tensor) -> Tensor {
    let powers = (x - x.max_axes([-1]).expand_dims(-1)).exp();
    &powers / powers.sum_axes([-1]).expand_dims(-1)
}

/// Every elementwise operation of every type.
fn elementwise_operations() -> Vec<Case> {
    let mut cases = Vec::new();
    for dtype in DType::ALL {
        let inputs: Vec<Array> = (0..3).map(|seed| numbers(&[23], dtype, 20 + seed)).collect();
        let graph = graph(&inputs, &|x: &[Tensor], _: &mut Context| {
            let all = tables().into_iter().flatten();
            let known = all.filter(|operation| operation.loops_for(dtype).is_some());
            let apply = |operation: &&'static endo::graph::Elementwise| {
                let condition = x[0].greater(0);
                let mut operands: Vec<&Tensor> = x.iter().take(operation.arity).collect();
                if operation.arity == 3 {
                    operands[0] = &condition;
                }
                elementwise::apply(operation, &operands, Site::caller())
            };
            known.map(apply).collect()
        });
        let name = format!("elementwise operations of {dtype}");
        cases.push(Case { name, graph, runs: vec![inputs] });
    }
    cases
}

/// Variables that change places, and one that is read before it is written.
fn swapped() -> Case {
    let [a, b] = [1.0, 2.0].map(|x| Variable::new("v", Array::full([3, 3], x, DType::F32)));
    let x = numbers(&[3, 3], DType::F32, 30);
    let closure = |x: &[Tensor], cx: &mut Context| {
        let (old_a, old_b) = (cx.read(&a), cx.read(&b));
        cx.assign(&a, old_b.transpose() + &x[0]);
        cx.assign(&b, &old_a);
        vec![old_a * old_b]
    };
    let graph = graph(std::slice::from_ref(&x), &closure);
    Case {
        name: "variables that change places".into(),
        graph,
        runs: vec![vec![x.clone()], vec![x]],
    }
}

/// A step whose check fails in the second of three runs, which changes nothing.
fn guarded() -> Case {
    let weight = Variable::new("weight", Array::full([4], 0.5, DType::F32));
    let closure = |x: &[Tensor], cx: &mut Context| {
        let weight_now = cx.read(&weight);
        let slope = &x[0] * &weight_now;
        cx.trace().check(&slope, "the slope");
        cx.assign(&weight, &weight_now - 0.1 * &slope);
        vec![slope]
    };
    let inputs = [1.0, f64::NAN, 2.0].map(|x| vec![Array::full([4], x, DType::F32)]);
    let graph = graph(&inputs[0], &closure);
    Case { name: "a check that fails".into(), graph, runs: inputs.into() }
}

/// Three steps of a small net with an optimizer that counts them.
fn counted() -> Case {
    let (hidden, out) = (Dense::new(7).activation("selu"), Dense::new(1));
    let optimizer = Nadam::new(0.05);
    let inputs = vec![numbers(&[8, 5], DType::F32, 40), numbers(&[8, 1], DType::F32, 41)];
    let closure = |x: &[Tensor], cx: &mut Context| {
        let y = out.apply(&hidden.apply(&x[0], cx), cx);
        let loss = (y - &x[1]).square().mean();
        let weights: Vec<Variable> = [hidden.kernel(), hidden.bias(), out.kernel(), out.bias()]
            .map(|w| w.unwrap().clone())
            .into();
        let gradients = cx.gradients(&loss, &weights);
        optimizer.apply(&gradients, cx);
        vec![loss]
    };
    let graph = graph(&inputs, &closure);
    Case { name: "steps of an optimizer".into(), graph, runs: vec![inputs; 3] }
}

/// The graph of a closure.
fn graph(inputs: &[Array], closure: &TensorClosure<'_>) -> Graph {
    TracedClosure::new().graph(&inputs.iter().collect::<Vec<_>>(), closure).unwrap()
}
