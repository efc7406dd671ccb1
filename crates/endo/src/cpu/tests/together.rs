//! Claims about steps that several threads run at once: they know nothing of each other, and leave
//! the bits that they leave one after the other.

use super::*;
use crate::cpu::passes::together::find_where;
use crate::cpu::{ProcessorTuning, ResolvedStep, Sharing, run_timed};
use crate::graph::{Op, Transposed};
use crate::plan::{Action, BufferPlace, Draft, PlanStep, Tuning};
use crate::random::Random;
use crate::simd::Routine;

/// The processor's passes, but that everything which may be run at once is.
struct Eager;

impl Tuning for Eager {
    fn tune(&self, draft: &mut Draft, routines: &[&'static Routine]) {
        ProcessorTuning.tune(draft, routines);
        draft.together.clear();
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
        if let ResolvedStep::Together(together) = step {
            together.insist(threads);
        }
    }
    execute_in(workspace, plan, graph, inputs, threads).expect("all is finite")
}

fn product(build: &mut Builder, left: NodeId, right: NodeId) -> NodeId {
    let size = [build.shape(left)[0], build.shape(right)[1]];
    build.push(Op::Matmul { transposed: Transposed::NEITHER }, &[left, right], size, DType::F32)
}

/// A net of operations on square matrices, each of values before it.
fn random_graph(random: &mut Random, size: usize) -> Graph {
    let mut build = Builder::default();
    let mut values = vec![build.input([size, size]), build.input([size, size])];
    let mut below = |count: usize| random.next_u32() as usize % count;
    let mut pick = |values: &[NodeId]| {
        // Later ones more often.
        let at = below(values.len()).max(below(values.len()));
        (values[at], below(5))
    };
    for _ in 0..25 {
        let ((one, kind), (other, _)) = (pick(&values), pick(&values));
        let next = match kind {
            0 => build.elementwise(&add::OPERATION, &[one, other]),
            1 => build.elementwise(&multiply::OPERATION, &[one, other]),
            2 => build.elementwise(&square::OPERATION, &[one]),
            _ => {
                let product = product(&mut build, one, other);
                let small = build.constant(Array::full([size, size], 0.05, DType::F32));
                build.elementwise(&multiply::OPERATION, &[product, small])
            }
        };
        values.push(next);
    }
    let count = values.len();
    build.outputs([values[count - 1], values[count - 2], values[count / 2]])
}

#[test]
fn steps_at_once_leave_the_bits_of_one_after_the_other() {
    let mut random = Random::new(7, 0);
    let mut ranges = 0;
    for case in 0..60 {
        let graph = random_graph(&mut random, [1, 3, 8, 17, 33][case % 5]);
        let size = graph.node(graph.inputs[0]).shape.clone();
        let (x, y) = (noise(size.clone()), noise(size));
        let plan = Plan::new(&graph, &Eager);
        ranges += plan.together.len();
        let expected = unfused(&graph, &[&x, &y]);
        for threads in 1..=4 {
            let got = at_once(&plan, &graph, &[&x, &y], threads);
            assert!(got == expected, "case {case}, {threads} threads:\n{plan}");
        }
    }
    assert!(ranges > 100, "{ranges}");
}

#[test]
fn steps_of_a_range_neither_read_nor_write_what_another_writes() {
    let mut random = Random::new(11, 0);
    for _ in 0..60 {
        let plan = Plan::new(&random_graph(&mut random, 8), &Eager);
        let stretch = |buffer: usize| {
            let buffer = &plan.buffers[buffer];
            let BufferPlace::Arena(start) = buffer.place else { return 0..0 };
            start..start + buffer.bytes()
        };
        let meet = |one: usize, other: usize| {
            let (one, other) = (stretch(one), stretch(other));
            one.start < other.end && other.start < one.end
        };
        for range in &plan.together {
            let steps = &plan.steps[range.clone()];
            for (index, step) in steps.iter().enumerate() {
                let others = steps.iter().enumerate().filter(|&(other, _)| other != index);
                let touched: Vec<usize> =
                    others.flat_map(|(_, step)| [step.reads(), step.writes()].concat()).collect();
                for buffer in step.writes() {
                    assert!(!touched.iter().any(|&other| meet(buffer, other)), "{plan}");
                }
            }
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
        let z = product(&mut build, x, kernel);
        let again = product(&mut build, z, kernel);
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
    assert_eq!(plan.together.iter().map(products).max(), Some(6), "{plan}");
    // Of less than one, and so long that threads share each.
    for rows in [4, 4096] {
        let plan = tuned(&branches(6, rows));
        assert!(plan.together.is_empty(), "{rows}: {plan}");
    }
}

#[test]
fn more_threads_are_simulated_to_take_less_time_and_never_less_than_their_share() {
    let graph = branches(6, 96);
    let plan = tuned(&graph);
    let times = vec![6000.0; plan.steps.len()];
    let alone: f64 = times.iter().sum();
    let on = |threads, sharing| Workspace::new(&plan, threads).simulated(&plan, &times, sharing);
    for sharing in [Sharing::All, Sharing::Worth, Sharing::Together] {
        assert_eq!(on(1, sharing), alone);
        for threads in [2, 8, 32] {
            assert!(on(threads, sharing) >= alone / threads as f64);
        }
    }
    assert!(on(8, Sharing::Together) < on(8, Sharing::Worth));
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
