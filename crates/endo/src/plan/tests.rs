//! Claims about whole plans, of graphs that are built by hand (`graphs`).
//!
//! In: small graphs. Out: how many loops they become, what is stored where, and the text of a plan.

mod graphs;

use crate::array::Array;
use crate::dtype::DType;
use crate::graph::View;
use crate::simd::Reduction;

use super::{Action, BufferPlace, Plan};

pub use graphs::*;

fn loops(plan: &Plan) -> usize {
    plan.steps.iter().filter_map(|step| step.action.as_loop()).count()
}

#[test]
fn a_chain_with_its_sum_is_one_loop_without_arena_but_for_the_sum() {
    let mut build = Builder::default();
    let x = build.input([32, 30]);
    let half = build.constant(Array::scalar(0.5_f32));
    let half = build.expand(half, [32, 30]);
    let y = build.elementwise(&multiply::OPERATION, &[x, half]);
    let y = build.elementwise(&square::OPERATION, &[y]);
    let sum = build.reduce(Reduction::Sum, &[0, 1], y);
    let graph = build.outputs([sum]);
    let plan = tuned(&graph);
    assert_eq!((plan.steps.len(), plan.arena_bytes()), (1, 64), "{plan}");
    assert_eq!(unfused_plan(&graph).steps.len(), 3);
}

#[test]
fn a_value_that_is_centred_by_its_mean_takes_two_loops() {
    let mut build = Builder::default();
    let x = build.input([32, 30]);
    let y = build.elementwise(&square::OPERATION, &[x]);
    let sum = build.reduce(Reduction::Sum, &[1], y);
    let sum = build.view(View::Reshape, sum, [32, 1]);
    let sum = build.view(View::Broadcast, sum, [32, 30]);
    let centred = build.elementwise(&subtract::OPERATION, &[y, sum]);
    let plan = tuned(&build.outputs([centred]));
    assert_eq!(loops(&plan), 2, "{plan}");
}

#[test]
fn equal_operations_are_computed_once_and_neutral_ones_not_at_all() {
    let mut build = Builder::default();
    let x = build.input([4]);
    let one = build.constant(Array::full([4], 1.0, DType::F32));
    let a = build.elementwise(&square::OPERATION, &[x]);
    let b = build.elementwise(&square::OPERATION, &[x]);
    let b = build.elementwise(&multiply::OPERATION, &[b, one]);
    let sum = build.elementwise(&add::OPERATION, &[a, b]);
    let plan = tuned(&build.outputs([sum]));
    let Action::Loop(body) = &plan.steps[0].action else { panic!("{plan}") };
    assert_eq!((body.loads.len(), body.instructions.len()), (1, 2), "{plan}");
}

#[test]
fn transposes_of_operands_and_biases_become_part_of_a_product() {
    let mut build = Builder::default();
    let (x, w) = (build.input([3, 2]), build.input([4, 3]));
    let bias = build.input([4]);
    let turned = View::Transpose(vec![1, 0]);
    let (x, w) = (build.view(turned.clone(), x, [2, 3]), build.view(turned, w, [3, 4]));
    let product = build.matmul(x, w, [2, 4]);
    let bias = build.expand(bias, [2, 4]);
    let sum = build.elementwise(&add::OPERATION, &[product, bias]);
    let plan = tuned(&build.outputs([sum]));
    let [step] = &plan.steps[..] else { panic!("{plan}") };
    let Action::Product(product) = &step.action else { panic!("{plan}") };
    assert_eq!(
        (product.left.strides, product.right.strides, product.bias.is_some()),
        ([1, 2], [1, 3], true)
    );
}

#[test]
fn an_update_is_one_loop_that_writes_the_variables_where_they_live() {
    let mut build = Builder::default();
    let velocity = build.variable(Array::zeros([900], DType::F32));
    let weight = build.variable(Array::zeros([900], DType::F32));
    let momentum = build.constant(Array::full([900], 0.9, DType::F32));
    // Computed before the gradient is known, and yet in its loop.
    let kept = build.elementwise(&multiply::OPERATION, &[velocity, momentum]);
    let x = build.input([900]);
    let gradient = build.elementwise(&square::OPERATION, &[x]);
    build.check(gradient);
    let velocity = build.elementwise(&subtract::OPERATION, &[kept, gradient]);
    let weight = build.elementwise(&add::OPERATION, &[weight, velocity]);
    build.write(0, velocity);
    build.write(1, weight);
    let plan = tuned(&build.outputs([]));
    let [first, guard, last] = &plan.steps[..] else { panic!("{plan}") };
    assert!(
        matches!((&first.action, &guard.action), (Action::Loop(_), Action::Guard(_))),
        "{plan}"
    );
    let Action::Loop(body) = &last.action else { panic!("{plan}") };
    let places: Vec<BufferPlace> =
        body.stores.iter().map(|store| plan.buffers[store.buffer].place).collect();
    assert_eq!(places, [BufferPlace::Variable(0), BufferPlace::Variable(1)], "{plan}");
}

#[test]
fn what_an_activation_needs_backwards_is_computed_backwards() {
    let mut build = Builder::default();
    let (x, w) = (build.input([8, 8]), build.input([8, 8]));
    let y = build.elementwise(&negative::OPERATION, &[x]);
    let product = build.matmul(y, w, [8, 8]);
    // Joins the loop of `y` at first, whose value is kept anyway.
    let slope = build.elementwise(&square::OPERATION, &[y]);
    let gradient = build.elementwise(&multiply::OPERATION, &[product, slope]);
    let plan = tuned(&build.outputs([gradient]));
    let Action::Loop(first) = &plan.steps[0].action else { panic!("{plan}") };
    assert_eq!((first.instructions.len(), first.stores.len()), (1, 1), "{plan}");
}

#[test]
fn loops_that_read_the_same_sequence_are_one() {
    let mut build = Builder::default();
    let x = build.input([100, 20]);
    let squares = build.elementwise(&square::OPERATION, &[x]);
    let sums = [x, squares].map(|value| build.reduce(Reduction::Sum, &[0], value));
    assert_eq!(tuned(&build.outputs(sums)).steps.len(), 1);
}

#[test]
fn a_loop_writes_over_the_product_that_it_alone_reads() {
    let mut build = Builder::default();
    let (x, w) = (build.input([16, 16]), build.input([16, 16]));
    let product = build.matmul(x, w, [16, 16]);
    let y = build.elementwise(&square::OPERATION, &[product]);
    let last = build.matmul(y, w, [16, 16]);
    let plan = tuned(&build.outputs([last]));
    let [Action::Product(product), Action::Loop(body), _] =
        [0, 1, 2].map(|step| &plan.steps[step].action)
    else {
        panic!("{plan}")
    };
    assert_eq!(
        plan.buffers[product.output].place, plan.buffers[body.stores[0].buffer].place,
        "{plan}"
    );
}

#[test]
fn operations_on_constants_are_computed_while_planning() {
    let mut build = Builder::default();
    let x = build.input([5]);
    let (a, b) = (build.constant(Array::scalar(3.0_f32)), build.constant(Array::scalar(4.0_f32)));
    let product = build.elementwise(&multiply::OPERATION, &[a, b]);
    let product = build.expand(product, [5]);
    let sum = build.elementwise(&add::OPERATION, &[x, product]);
    let plan = tuned(&build.outputs([sum]));
    let Action::Loop(body) = &plan.steps[0].action else { panic!("{plan}") };
    assert_eq!(
        (plan.steps.len(), body.instructions.len(), &plan.constants.from(0)[..4]),
        (1, 1, &12.0_f32.to_ne_bytes()[..])
    );
}

#[test]
fn steps_are_listed_with_places_and_programs() {
    let mut build = Builder::default();
    let x = build.input([2, 3]);
    let y = build.elementwise(&square::OPERATION, &[x]);
    let sum = build.reduce(Reduction::Sum, &[1], y);
    let text = tuned(&build.outputs([sum])).to_string();
    let expected = "1 steps, arena 64 bytes, constants 0 bytes
   0 loop over 6
       %0 = input 0
       %1 = square(%0)
       @0 = sum %1 over 2 [3] 1
return 0: f32[2] at @0
";
    assert_eq!(text, expected);
}

fn joined(plan: &Plan) -> Vec<&super::FusedLoop> {
    super::access::joined(&plan.steps).collect()
}

#[test]
fn updates_that_are_alike_are_one_loop_over_memory_that_lies_side_by_side() {
    let plan = tuned(&updates(&[900, 30, 1, 240]));
    let [body] = joined(&plan)[..] else { panic!("{plan}") };
    assert_eq!(
        body.repeats.iter().map(|repeat| repeat.length).collect::<Vec<_>>(),
        [30, 1, 240],
        "{plan}"
    );
    let gradients = std::iter::once(body.loads[0].buffer)
        .chain(body.repeats.iter().map(|repeat| repeat.loads[0]));
    let places: Vec<BufferPlace> = gradients.map(|buffer| plan.buffers[buffer].place).collect();
    assert_eq!(places, [0, 3648, 3776, 3840].map(BufferPlace::Arena), "{plan}");
    assert_eq!(plan.order().len(), 8);
    // Slots after slots and weights after weights.
    assert!(
        plan.order().windows(2).filter(|pair| pair[1] == pair[0] + 2).count() >= 6,
        "{:?}",
        plan.order()
    );
}

#[test]
fn an_update_that_needs_what_another_has_written_waits_for_it() {
    let [written, shared] = entangled();
    let plan = tuned(&written);
    assert!(joined(&plan).is_empty(), "{plan}");
    let plan = tuned(&shared);
    let [body] = joined(&plan)[..] else { panic!("{plan}") };
    let [place, stored] =
        [body.loads[1].buffer, body.stores[0].buffer].map(|buffer| plan.buffers[buffer].place);
    assert_ne!(place, stored, "{plan}");
}

#[test]
fn an_update_from_an_input_is_not_joined_with_those_from_lines_that_are_filled() {
    let mut build = Builder::default();
    let (a, b) = (
        build.variable(Array::zeros([30], DType::F32)),
        build.variable(Array::zeros([1], DType::F32)),
    );
    let (x, y) = (build.input([30]), build.input([1]));
    let gradient = build.elementwise(&negative::OPERATION, &[x]);
    build.check(gradient);
    let a = build.elementwise(&add::OPERATION, &[a, gradient]);
    let b = build.elementwise(&add::OPERATION, &[b, y]);
    build.write(0, a);
    build.write(1, b);
    let plan = tuned(&build.outputs([]));
    assert!(joined(&plan).is_empty(), "{plan}");
}

#[test]
fn chains_of_arithmetic_are_combined_but_for_values_that_are_needed_alone() {
    let mut build = Builder::default();
    let (x, y, z) = (build.input([4]), build.input([4]), build.input([4]));
    let product = build.elementwise(&multiply::OPERATION, &[y, z]);
    let sum = build.elementwise(&add::OPERATION, &[product, x]);
    let kept = build.elementwise(&multiply::OPERATION, &[sum, z]);
    let last = build.elementwise(&subtract::OPERATION, &[x, kept]);
    let text = tuned(&build.outputs([last, kept])).to_string();
    let expected = "       %3 = multiply(%0, %1)
       %4 = [(x + y) * z](%3, %2, %1)
       %5 = subtract(%2, %4)
";
    assert!(text.contains(expected), "{text}");
}
