//! Claims about runs of whole plans: fused and unfused, in place and copied, on one thread and on
//! two.

mod independent;
mod variables;

use crate::array::Array;
use crate::dtype::DType;
use crate::graph::{Graph, NodeId, View};
use crate::plan::Plan;
use crate::plan::tests::{
    Builder, add, entangled, less, multiply, negative, optimizer, select, square, subtract, tuned,
    unfused_plan, updates,
};
use crate::shape::Shape;
use crate::simd::{Memory, Reduction};
use crate::variable::VariableBlock;

use super::pool::Pool;
use super::{Failure, VariableMemory, Workspace, run};

/// Runs a plan once; the index of a failed check if there is one.
pub fn execute(
    plan: &Plan,
    graph: &Graph,
    inputs: &[&Array],
    threads: usize,
) -> Result<Vec<Array>, usize> {
    execute_in(Workspace::new(plan, threads), plan, graph, inputs, threads)
}

fn execute_in(
    mut workspace: Workspace,
    plan: &Plan,
    graph: &Graph,
    inputs: &[&Array],
    threads: usize,
) -> Result<Vec<Array>, usize> {
    let (block, offsets) = VariableBlock::gather(&graph.variables).unwrap();
    let mut content = block.write();
    let pool = Pool::new(threads);
    for _ in 0..2 {
        // The second run finds what the first left behind.
        let mut copy = Memory::default();
        copy.append(content.bytes());
        run(plan, &mut workspace, inputs, VariableMemory::Write(copy.bytes_mut()), &offsets, &pool)
            .ok();
    }
    run(plan, &mut workspace, inputs, VariableMemory::Write(content.bytes_mut()), &offsets, &pool)
        .map_err(|failure| match failure {
            Failure::NotFinite(check) => check,
            Failure::Effect(error) => panic!("{error}"),
        })?;
    let outputs = plan.outputs.iter().enumerate();
    Ok(outputs
        .map(|(index, o)| {
            Array::from_bytes(&o.signature.shape, o.signature.dtype, workspace.output(plan, index))
        })
        .collect())
}

fn fused(graph: &Graph, inputs: &[&Array]) -> Vec<Array> {
    execute(&tuned(graph), graph, inputs, 1).expect("all is finite")
}

fn unfused(graph: &Graph, inputs: &[&Array]) -> Vec<Array> {
    execute(&unfused_plan(graph), graph, inputs, 1).expect("all is finite")
}

/// The plan of a graph, and what the variables hold after a run on one thread, on two, and as
/// single operations.
pub fn run_in_three_ways(
    graph: impl Fn() -> Graph,
    inputs: &[Array],
) -> (Plan, [Vec<Vec<f32>>; 3]) {
    let inputs: Vec<&Array> = inputs.iter().collect();
    let graphs = [(); 3].map(|()| graph());
    let plan = tuned(&graphs[0]);
    execute(&plan, &graphs[0], &inputs, 1).unwrap();
    execute(&plan, &graphs[1], &inputs, 2).unwrap();
    execute(&unfused_plan(&graphs[2]), &graphs[2], &inputs, 1).unwrap();
    (plan, graphs.each_ref().map(values))
}

/// Numbers between -1 and 1 without a pattern.
pub fn noise(shape: impl Into<Shape>) -> Array {
    Array::from_fn(shape, |index| {
        ((index as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

pub fn values(graph: &Graph) -> Vec<Vec<f32>> {
    graph.variables.iter().map(|variable| variable.value().to_vec()).collect()
}

#[test]
fn a_fused_chain_gives_the_bits_of_its_single_operations() {
    for length in [1, 2, 30, 900, 960, 1025, 5000, 100_000] {
        let mut build = Builder::default();
        let (x, y) = (build.input([length]), build.input([length]));
        let half = build.constant(Array::full([length], 0.3, DType::F32));
        let a = build.elementwise(&multiply::OPERATION, &[x, half]);
        let b = build.elementwise(&subtract::OPERATION, &[y, a]);
        let mask = build.elementwise(&less::OPERATION, &[a, b]);
        let c = build.elementwise(&select::OPERATION, &[mask, a, x]);
        let d = build.elementwise(&multiply::OPERATION, &[c, b]);
        let wide = build.cast(d, DType::F64);
        let e = build.elementwise(&square::OPERATION, &[wide]);
        let graph = build.outputs([d, mask, e]);
        let (x, y) = (noise([length]), noise([length]).reshape([length]).unwrap());
        assert_eq!(tuned(&graph).steps.len(), 1);
        assert_eq!(fused(&graph, &[&x, &y]), unfused(&graph, &[&x, &y]), "length {length}");
    }
}

#[test]
fn views_are_read_where_they_lie() {
    let mut build = Builder::default();
    let x = build.input([4, 6, 5]);
    let turned = build.view(View::Transpose(vec![2, 0, 1]), x, [5, 4, 6]);
    let sliced = build.view(View::Slice(vec![(4, -2), (1, 1), (0, 2)]), turned, [3, 2, 3]);
    let flat = build.view(View::Reshape, sliced, [18]);
    let row = build.view(View::Slice(vec![(0, 1), (1, 1), (0, 1)]), x, [1, 1, 5]);
    let rows = build.view(View::Broadcast, row, [4, 6, 5]);
    let column = build.view(View::Slice(vec![(0, 1), (0, 1), (3, 1)]), x, [4, 6, 1]);
    let columns = build.view(View::Broadcast, column, [4, 6, 5]);
    let sum = build.elementwise(&add::OPERATION, &[rows, columns]);
    let squares = build.elementwise(&square::OPERATION, &[flat]);
    let graph = build.outputs([sum, squares, flat]);
    let x = noise([4, 6, 5]);
    let at = |i: usize, j: usize, k: usize| x.get((i * 6 + j) * 5 + k) as f32;
    let mut expected_sum = Vec::new();
    for (i, j, k) in (0..4).flat_map(|i| (0..6).flat_map(move |j| (0..5).map(move |k| (i, j, k)))) {
        expected_sum.push(at(0, 1, k) + at(i, j, 3));
    }
    let mut expected = Vec::new();
    for (k, i, j) in [4, 2, 0]
        .into_iter()
        .flat_map(|k| (1..3).flat_map(move |i| [0, 2, 4].map(move |j| (k, i, j))))
    {
        expected.push(at(i, j, k));
    }
    for outputs in [fused(&graph, &[&x]), unfused(&graph, &[&x])] {
        assert_eq!(outputs[0].to_vec::<f32>(), expected_sum);
        assert_eq!(outputs[1].to_vec::<f32>(), expected.iter().map(|x| x * x).collect::<Vec<_>>());
        assert_eq!(outputs[2].to_vec::<f32>(), expected);
    }
}

#[test]
fn a_reshape_of_a_transpose_that_is_sliced_is_copied_once() {
    let mut build = Builder::default();
    let x = build.input([3, 4]);
    let turned = build.view(View::Transpose(vec![1, 0]), x, [4, 3]);
    let flat = build.view(View::Reshape, turned, [2, 6]);
    let sliced = build.view(View::Slice(vec![(1, -1), (0, 5)]), flat, [2, 2]);
    let y = build.elementwise(&negative::OPERATION, &[sliced]);
    let graph = build.outputs([y]);
    let x = Array::from_fn([3, 4], |index| index as f32);
    // The transpose is 0 4 8 1 5 9 2 6 10 3 7 11.
    assert_eq!(
        fused(&graph, &[&x])[0],
        Array::from([[-2.0_f32, -11.0], [0.0, -9.0]].map(|row| row.map(|x| x + 0.0)))
    );
}

#[test]
fn a_loop_leaves_alone_what_lies_behind_its_sequence() {
    for (rows, columns) in [(30, 60), (70, 17), (500, 7), (1, 13), (3, 1000)] {
        let mut build = Builder::default();
        let (x, row) =
            (build.variable(noise([rows, columns])), build.variable(noise([1, columns])));
        // Values of many sizes, so that some lie next to each other.
        let squares = build.elementwise(&square::OPERATION, &[row]);
        let repeated = build.view(View::Broadcast, row, [rows, columns]);
        let sum = build.elementwise(&add::OPERATION, &[x, repeated]);
        let negatives = build.elementwise(&negative::OPERATION, &[row]);
        let graph = build.outputs([squares, sum, negatives]);
        let (x, row) = (noise([rows, columns]), noise([1, columns]).to_vec::<f32>());
        for outputs in [fused(&graph, &[]), unfused(&graph, &[])] {
            let sums = outputs[1].to_vec::<f32>();
            assert_eq!(outputs[0].to_vec::<f32>(), row.iter().map(|x| x * x).collect::<Vec<_>>());
            assert!((0..rows * columns).all(|i| sums[i] == x.get(i) as f32 + row[i % columns]));
            assert_eq!(outputs[2].to_vec::<f32>(), row.iter().map(|x| -x).collect::<Vec<_>>());
        }
    }
}

#[test]
fn large_transposed_views_are_copied_right() {
    for (shape, permutation) in [
        ([1, 130, 70], [0, 2, 1]),
        ([40, 30, 17], [2, 0, 1]),
        ([9, 50, 33], [1, 2, 0]),
        ([3, 64, 64], [2, 1, 0]),
    ] {
        for dtype in [DType::F32, DType::F64, DType::Bool] {
            let turned_shape = permutation.map(|axis| shape[axis]);
            let mut build = Builder::default();
            let x = build.input(shape);
            build.graph.nodes[0].dtype = dtype;
            let turned = build.view(View::Transpose(permutation.to_vec()), x, turned_shape);
            let graph = build.outputs([turned]);
            let x = match dtype {
                DType::Bool => Array::from_fn(shape, |index| index % 3 == 0),
                DType::F32 | DType::F64 | DType::I32 | DType::U8 => noise(shape).cast(dtype),
            };
            let (strides, turned_strides) =
                (x.shape().strides(), Shape::from(turned_shape).strides());
            let plan = tuned(&graph);
            for threads in [1, 2] {
                let output = execute(&plan, &graph, &[&x], threads).unwrap().remove(0);
                for index in 0..x.len() {
                    let source: usize = (0..3)
                        .map(|axis| {
                            index / turned_strides[axis] % turned_shape[axis]
                                * strides[permutation[axis]]
                        })
                        .sum();
                    assert_eq!(
                        output.get(index),
                        x.get(source),
                        "{shape:?} {permutation:?} at {index}"
                    );
                }
            }
        }
    }
}

/// The reduction of a rank-4 array along axes, in f64.
fn naive(x: &Array, axes: &[usize], reduction: Reduction) -> Vec<f64> {
    let shape = x.shape();
    let strides = shape.strides();
    let kept = shape.without(axes);
    let mut results: Vec<Option<f64>> = vec![None; kept.len()];
    for index in 0..x.len() {
        let position = (0..4)
            .filter(|axis| !axes.contains(axis))
            .fold(0, |position, axis| position * shape[axis] + index / strides[axis] % shape[axis]);
        let value = x.get(index);
        results[position] = Some(results[position].map_or(value, |old| match reduction {
            Reduction::Sum => old + value,
            Reduction::Product => old * value,
            Reduction::Max => old.max(value),
            Reduction::Min => old.min(value),
        }));
    }
    results.into_iter().map(|x| x.expect("no axis is empty")).collect()
}

#[test]
fn reductions_over_every_set_of_axes_are_right() {
    for shape in [[3, 4, 5, 6], [2, 1, 700, 3], [1, 40, 1, 50], [30, 7, 3, 40]] {
        let x = noise(shape);
        for set in 1..16_usize {
            let axes: Vec<usize> = (0..4).filter(|axis| set >> axis & 1 == 1).collect();
            for reduction in [Reduction::Sum, Reduction::Max, Reduction::Min, Reduction::Product] {
                let mut build = Builder::default();
                let input = build.input(shape);
                let y = build.elementwise(&square::OPERATION, &[input]);
                let of_loaded = build.reduce(reduction, &axes, input);
                let of_computed = build.reduce(reduction, &axes, y);
                let graph = build.outputs([of_loaded, of_computed]);
                let squares =
                    Array::from_fn(shape, |index| x.get(index) as f32 * x.get(index) as f32);
                let expected = [naive(&x, &axes, reduction), naive(&squares, &axes, reduction)];
                for outputs in [fused(&graph, &[&x]), unfused(&graph, &[&x])] {
                    for (output, expected) in outputs.iter().zip(&expected) {
                        for (got, want) in output.to_vec::<f64>().iter().zip(expected) {
                            assert!(
                                (got - want).abs() <= 1e-4 * want.abs().max(1.0),
                                "{reduction:?} {shape:?} {axes:?}: {got} {want}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn long_rows_and_chunks_are_reduced_right() {
    for shape in [
        [1, 1, 1, 300_000],
        [1, 100_000, 1, 3],
        [1, 1, 70, 3000],
        [3, 1, 3001, 17],
        [40, 1, 3001, 1],
        [5, 1, 40_001, 1],
    ] {
        let x = Array::from_fn(shape, |index| {
            f64::from((index as u32).wrapping_mul(2_654_435_761) >> 20) / 4096.0
        });
        for axes in [vec![1, 2], vec![2], vec![3], vec![1, 2, 3], vec![0, 1, 2]] {
            let mut build = Builder::default();
            let input = build.input(shape);
            build.graph.nodes[0].dtype = DType::F64;
            let sum = build.reduce(Reduction::Sum, &axes, input);
            let max = build.reduce(Reduction::Max, &axes, input);
            let graph = build.outputs([sum, max]);
            let outputs = fused(&graph, &[&x]);
            for (output, reduction) in outputs.iter().zip([Reduction::Sum, Reduction::Max]) {
                for (got, want) in output.to_vec::<f64>().iter().zip(naive(&x, &axes, reduction)) {
                    assert!(
                        (got - want).abs() <= 1e-9 * want.abs(),
                        "{reduction:?} {shape:?} {axes:?}: {got} {want}"
                    );
                }
            }
        }
    }
}

#[test]
fn reductions_of_nothing_are_neutral() {
    let mut build = Builder::default();
    let x = build.input([0, 3]);
    let sum = build.reduce(Reduction::Sum, &[0], x);
    let max = build.reduce(Reduction::Max, &[0], x);
    let graph = build.outputs([sum, max]);
    let outputs = fused(&graph, &[&Array::zeros([0, 3], DType::F32)]);
    assert_eq!(outputs, [Array::from([0.0_f32; 3]), Array::from([f32::NEG_INFINITY; 3])]);
}

#[test]
fn two_threads_give_the_bits_of_one() {
    let shape = [300, 1000];
    let mut build = Builder::default();
    let (x, row) = (build.input(shape), build.input([1000]));
    let rows = build.expand(row, shape);
    let y = build.elementwise(&add::OPERATION, &[x, rows]);
    let y = build.elementwise(&square::OPERATION, &[y]);
    let all = build.reduce(Reduction::Sum, &[0, 1], y);
    let columns = build.reduce(Reduction::Sum, &[0], y);
    let lines = build.reduce(Reduction::Sum, &[1], y);
    let turned = build.view(View::Transpose(vec![1, 0]), x, [1000, 300]);
    let product = build.matmul(turned, y, [1000, 1000]);
    let graph = build.outputs([y, all, columns, lines, product]);
    let inputs = [noise(shape), noise([1000])];
    let plan = tuned(&graph);
    let [one, two, three] = [1, 2, 3]
        .map(|threads| execute(&plan, &graph, &[&inputs[0], &inputs[1]], threads).unwrap());
    assert!(one == two && one == three);
}

#[test]
fn batched_products_are_right_on_any_number_of_threads() {
    let mut build = Builder::default();
    let (a, b) = (build.input([6, 20, 30]), build.input([6, 40, 30]));
    let turned = build.view(View::Transpose(vec![0, 2, 1]), b, [6, 30, 40]);
    let backwards = build.view(View::Slice(vec![(5, -1), (0, 1), (0, 1)]), a, [6, 20, 30]);
    let product = build.matmul(backwards, turned, [6, 20, 40]);
    let graph = build.outputs([product]);
    let (a, b) = (noise([6, 20, 30]), noise([6, 40, 30]));
    let plan = tuned(&graph);
    assert_eq!(plan.steps.len(), 1, "{plan}");
    let [one, two] = [1, 2].map(|threads| execute(&plan, &graph, &[&a, &b], threads).unwrap());
    assert_eq!(one, two);
    for (batch, i, j) in [(0, 0, 0), (1, 3, 7), (5, 19, 39)] {
        let expected: f64 = (0..30)
            .map(|p| a.get(((5 - batch) * 20 + i) * 30 + p) * b.get((batch * 40 + j) * 30 + p))
            .sum();
        assert!((one[0].get((batch * 20 + i) * 40 + j) - expected).abs() < 1e-5);
    }
}

#[test]
fn wider_elements_do_not_overwrite_what_is_still_to_be_read() {
    let mut build = Builder::default();
    let (x, w) = (build.input([2, 30]), build.input([30, 30]));
    let product = build.matmul(x, w, [2, 30]);
    let row = build.view(View::Slice(vec![(0, 1), (0, 1)]), product, [1, 30]);
    let wide = build.cast(row, DType::F64);
    let graph = build.outputs([wide]);
    let inputs = [noise([2, 30]), noise([30, 30])];
    let inputs: Vec<&Array> = inputs.iter().collect();
    assert_eq!(fused(&graph, &inputs), unfused(&graph, &inputs));
}

#[test]
fn a_number_that_is_not_finite_is_found_wherever_it_is_by_any_number_of_threads() {
    const LENGTH: usize = 200_000;
    let mut build = Builder::default();
    let x = build.input([LENGTH]);
    let y = build.elementwise(&negative::OPERATION, &[x]);
    build.check(y);
    let graph = build.outputs([]);
    for place in [0, 65_535, 65_536, LENGTH - 1] {
        let x = Array::from_fn([LENGTH], |index| if index == place { f32::NAN } else { 1.0 });
        for threads in [1, 2] {
            assert_eq!(
                execute(&tuned(&graph), &graph, &[&x], threads),
                Err(0),
                "{place}, {threads} threads"
            );
        }
    }
    assert!(execute(&tuned(&graph), &graph, &[&noise([LENGTH])], 2).is_ok());
}
