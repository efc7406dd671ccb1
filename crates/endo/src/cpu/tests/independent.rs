//! Claims about steps that several threads run at once: they know nothing of each other, and leave
//! the bits that they leave one after the other.

use super::*;
use crate::cpu::passes::independent::find_where;
use crate::cpu::{Pause, ProcessorTuning, ResolvedStep, Sharing, output, run_pausing, run_timed};
use crate::plan::{Action, BufferPlace, Draft, PlanStep, Tuning};
use crate::random::Random;
use crate::simd::Routine;

/// The processor's passes, but that everything which may be run at once is.
struct Eager;

impl Tuning for Eager {
    fn tune(&self, draft: &mut Draft, routines: &[&'static Routine]) {
        ProcessorTuning.tune(draft, routines);
        draft.independent.clear();
        find_where(draft, &|_| true);
    }

    fn line(&self) -> usize {
        ProcessorTuning.line()
    }

    fn room(&self, bytes: usize) -> usize {
        ProcessorTuning.room(bytes)
    }
}

/// What a plan gives where as many threads run its ranges.
fn at_once(plan: &Plan, graph: &Graph, inputs: &[&Array], threads: usize) -> Vec<Array> {
    let mut workspace = Workspace::new(plan, threads);
    for step in &mut workspace.steps {
        if let ResolvedStep::Independent(steps) = step {
            steps.insist(threads);
        }
    }
    execute_in(workspace, plan, graph, inputs, threads).expect("all is finite")
}

/// A net of operations on square matrices, each of values before it, with two variables that are
/// written if a value is finite; products among the operations if there are to be.
fn random_graph(seed: u64, size: usize, products: bool) -> Graph {
    let mut random = Random::new(seed, 0);
    let mut below = |count: usize| random.next_u32() as usize % count;
    let mut build = Builder::default();
    let mut values = vec![build.input([size, size]), build.input([size, size])];
    values
        .extend([0.5_f32, -0.25].map(|number| {
            build.variable(Array::full([size, size], f64::from(number), DType::F32))
        }));
    for _ in 0..25 {
        // Later ones more often.
        let mut pick = || values[below(values.len()).max(below(values.len()))];
        let (one, other) = (pick(), pick());
        let next = match below(if products { 8 } else { 4 }) {
            0 => build.elementwise(&add::OPERATION, &[one, other]),
            1 => build.elementwise(&multiply::OPERATION, &[one, other]),
            2 => {
                let sums = build.reduce(Reduction::Sum, &[0], one);
                let sums = build.expand(sums, [size, size]);
                scaled(&mut build, sums, 0.03)
            }
            3 => {
                let total = build.reduce(Reduction::Max, &[0, 1], one);
                let total = build.expand(total, [size, size]);
                build.elementwise(&add::OPERATION, &[total, other])
            }
            kind => {
                let turned = |build: &mut Builder, x| {
                    build.view(View::Transpose(vec![1, 0]), x, [size, size])
                };
                let left = if kind == 5 { turned(&mut build, one) } else { one };
                let right = if kind == 6 { turned(&mut build, other) } else { other };
                let product = build.matmul(left, right, [size, size]);
                scaled(&mut build, product, 0.05)
            }
        };
        values.push(next);
    }
    let count = values.len();
    build.check(values[count - 3]);
    build.write(0, values[count - 4]);
    build.write(1, values[count - 1]);
    build.outputs([values[count - 1], values[count - 2], values[count / 2]])
}

fn scaled(build: &mut Builder, x: NodeId, by: f64) -> NodeId {
    let shape = build.shape(x);
    let by = build.constant(Array::full(shape, by, DType::F32));
    build.elementwise(&multiply::OPERATION, &[x, by])
}

/// The sizes of the matrices of random nets, and whether there are products: loops over the last
/// are cut, and leave partial sums.
const SIZES: [(usize, bool); 6] =
    [(1, true), (3, true), (8, true), (17, true), (33, true), (190, false)];

#[test]
fn steps_at_once_leave_the_bits_of_one_after_the_other() {
    let mut ranges = 0;
    for case in 0..48 {
        let (size, products) = SIZES[case % SIZES.len()];
        let graph = || random_graph(case as u64, size, products);
        let (x, y) = (noise([size, size]), noise([size, size]));
        let single = graph();
        let expected = fused(&single, &[&x, &y]);
        // Sums that are cut are ordered by what else their loop goes through.
        assert!(!products || expected == unfused(&graph(), &[&x, &y]), "case {case}");
        for threads in 1..=4 {
            let graph = graph();
            let plan = Plan::new(&graph, &Eager);
            ranges += plan.independent.len();
            let got = at_once(&plan, &graph, &[&x, &y], threads);
            assert!(got == expected, "case {case}, {threads} threads:\n{plan}");
            assert!(values(&graph) == values(&single), "case {case}, {threads} threads:\n{plan}");
        }
    }
    assert!(ranges > 200, "{ranges}");
}

#[test]
fn steps_of_a_range_neither_read_nor_write_what_another_writes() {
    for seed in 100..160 {
        let plan = Plan::new(&random_graph(seed, 8, true), &Eager);
        let stretch = |buffer: usize| {
            let buffer = &plan.buffers[buffer];
            let BufferPlace::Arena(start) = buffer.place else { return 0..0 };
            start..start + buffer.bytes()
        };
        let meet = |one: usize, other: usize| {
            let (one, other) = (stretch(one), stretch(other));
            one.start < other.end && other.start < one.end
        };
        for range in &plan.independent {
            let steps = &plan.steps[range.clone()];
            for (index, step) in steps.iter().enumerate() {
                let others = steps.iter().enumerate().filter(|&(other, _)| other != index);
                let touched: Vec<usize> =
                    others.flat_map(|(_, step)| [step.reads(), step.writes()].concat()).collect();
                for buffer in step.writes() {
                    assert!(plan.buffers[buffer].place.variable().is_none(), "{plan}");
                    assert!(!touched.iter().any(|&other| meet(buffer, other)), "{plan}");
                }
            }
        }
    }
}

#[test]
fn a_pause_within_a_range_comes_after_what_is_to_be_complete() {
    for seed in 200..220 {
        let graph = || random_graph(seed, 8, true);
        let (x, y) = (noise([8, 8]), noise([8, 8]));
        let expected = unfused(&graph(), &[&x, &y]);
        let steps = Plan::new(&graph(), &Eager).steps.len();
        for after in 0..=steps {
            let graph = graph();
            let plan = Plan::new(&graph, &Eager);
            let complete = plan.completion();
            let (block, offsets) = VariableBlock::gather(&graph.variables).unwrap();
            let mut content = block.write();
            let (mut workspace, pool) = (Workspace::new(&plan, 2), Pool::new(2));
            let mut paused = false;
            let mut then = |arena: &[u8]| {
                paused = true;
                for index in (0..complete.len()).filter(|&index| complete[index] <= after) {
                    assert_eq!(output(&plan, arena, index), expected[index].bytes(), "{plan}");
                }
            };
            let pause = Pause { after, then: &mut then };
            let variables = VariableMemory::Write(content.bytes_mut());
            let inputs = [&x, &y];
            run_pausing(&plan, &mut workspace, &inputs, variables, &offsets, (&pool, pause))
                .unwrap();
            assert!(paused);
        }
    }
}

/// Branches of a net: each a product of the same input with a matrix of its own, then summed.
fn branches(count: usize, rows: usize) -> Graph {
    let mut build = Builder::default();
    let x = build.input([rows, 48]);
    let kernel = |branch: usize| {
        Array::from_fn([48, 48], move |index| ((index + branch) as f32).sin() / 7.0)
    };
    let mut total = None;
    for branch in 0..count {
        let kernel = build.constant(kernel(branch));
        let z = build.matmul(x, kernel, [rows, 48]);
        let again = build.matmul(z, kernel, [rows, 48]);
        total = Some(match total {
            None => again,
            Some(total) => build.elementwise(&add::OPERATION, &[total, again]),
        });
    }
    build.outputs([total.expect("a branch")])
}

#[test]
fn branches_are_found_where_that_is_worth_it() {
    // Products of 5.5 us.
    let plan = tuned(&branches(6, 96));
    let is_product = |step: &PlanStep| matches!(step.action, Action::Product(_));
    let products = |range: &std::ops::Range<usize>| {
        plan.steps[range.clone()].iter().filter(|step| is_product(step)).count()
    };
    assert_eq!(plan.independent.iter().map(products).max(), Some(6), "{plan}");
    // Of less than one, and so long that threads share each.
    for rows in [4, 4096] {
        let plan = tuned(&branches(6, rows));
        assert!(plan.independent.is_empty(), "{rows}: {plan}");
    }
}

#[test]
fn more_threads_are_simulated_to_take_less_time_and_never_less_than_their_share() {
    let graph = branches(6, 96);
    let plan = tuned(&graph);
    let times = vec![6000.0; plan.steps.len()];
    let alone: f64 = times.iter().sum();
    let on = |threads, sharing| Workspace::new(&plan, threads).simulated(&plan, &times, sharing);
    for sharing in [Sharing::All, Sharing::Worth, Sharing::AtOnce] {
        assert_eq!(on(1, sharing), alone);
        for threads in [2, 8, 32] {
            assert!(on(threads, sharing) >= alone / threads as f64);
        }
    }
    assert!(on(8, Sharing::AtOnce) < on(8, Sharing::Worth));
    assert!(on(32, Sharing::Worth) < on(32, Sharing::All));
}

#[test]
fn each_step_of_a_timed_run_has_its_time() {
    let graph = branches(6, 96);
    let plan = Plan::new(&graph, &Eager);
    let mut workspace = Workspace::new(&plan, 2);
    let (x, mut times) = (noise([96, 48]), Vec::new());
    let nothing = VariableMemory::Read(&[]);
    run_timed(&plan, &mut workspace, &[&x], nothing, &[], &mut |time| times.push(time)).unwrap();
    assert_eq!(times.len(), plan.steps.len());
    assert!(times.iter().all(|&time| time > 0.0));
    let got: Vec<f32> =
        Array::from_bytes([96, 48], DType::F32, workspace.output(&plan, 0)).to_vec();
    assert_eq!(got, unfused(&graph, &[&x])[0].to_vec::<f32>());
}

#[test]
fn branches_within_the_steps_of_a_loop_give_the_same_bits_on_any_number_of_threads() {
    use crate::prelude::*;
    let run = |threads: usize| {
        let f = Function::new(|[x], cx| {
            let kernels = [0, 1, 2, 3].map(|seed| {
                cx.constant(Array::from_fn([48, 48], |i| (i as f32 + seed as f32).sin() / 7.0))
            });
            let step = |h: Tensor, x: Tensor, _: &mut Context| {
                // Rows meet, so that they cannot be shared out.
                let z = h.flip(0).tanh() + x;
                let branch = |kernel: &Tensor| z.matmul(kernel).tanh().matmul(kernel);
                let y = kernels.iter().map(branch).reduce(|sum, branch| sum + branch).unwrap();
                (y.clone(), y)
            };
            let (last, all) = cx.scan(x.slice(0, 0..1).reshape([96, 48]), &x, step);
            [last, all]
        });
        let mut f = f.threads(threads);
        let x = Array::from_fn([3, 96, 48], |i| (i as f32 * 0.7).sin());
        let outputs = f.run([&x]).unwrap().to_vec();
        let program = f.program([&x]).unwrap();
        let has_ranges = program.plan().steps.iter().any(|step| match &step.action {
            Action::Scan(scan) => !scan.body.independent.is_empty(),
            _ => false,
        });
        assert!(has_ranges, "{}", program.plan());
        outputs
    };
    let alone = run(1);
    assert!([2, 3, 4].iter().all(|&threads| run(threads) == alone));
}
