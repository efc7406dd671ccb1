//! Keeps the upper halves alone of values that were rounded to a bfloat16, from the loop that
//! computes them to the steps that need them later: so they take half of the memory.
//!
//! In: a draft with its steps in order. Out: the same numbers, bit by bit. Loops read and write the
//! halves themselves. What another step needs is expanded just before it, to memory that it alone
//! has; what it needs soon after it was computed is kept whole as long as that.

use rustc_hash::FxHashMap;

use crate::dtype::DType;
use crate::plan::{
    Action, BufferPlace, Draft, FusedLoop, Instruction, Layout, Load, LoopFunction, PlanStep,
    Store, Users,
};

/// Fewer elements than this are not worth the instructions.
pub const LEAST: usize = 1 << 10;
/// What is needed within this many steps is kept whole so long, instead of being expanded: of what
/// training keeps to the backward pass, only the last few values are whole at a time.
const SOON: usize = 4;

/// A value that was rounded, and what is done with it.
struct RoundedValue {
    buffer: usize,
    /// The step that computes it, and its store there.
    step: usize,
    store: usize,
    /// The steps that cannot read halves: those that come soon, and the others.
    soon: Vec<usize>,
    later: Vec<usize>,
}

/// Halves what is rounded and has at least as many elements.
pub fn halve(draft: &mut Draft, least: usize) {
    let rounded = rounded(draft, least);
    if rounded.is_empty() {
        return;
    }
    let users = Users::new(draft);
    let worth = |rounded| is_worth_it(draft, &users, rounded);
    let rounded: Vec<RoundedValue> = rounded.into_iter().filter_map(worth).collect();
    let mut expansions: FxHashMap<usize, Vec<(usize, usize)>> = FxHashMap::default();
    for value in &rounded {
        draft.buffers[value.buffer].halved = true;
        let length = draft.buffers[value.buffer].length;
        let whole = (!value.soon.is_empty())
            .then(|| draft.buffer(DType::F32, length, BufferPlace::Arena(0)));
        store_half(&mut draft.steps[value.step], value.store, whole);
        for &reader in &value.soon {
            draft.steps[reader].read_instead(value.buffer, whole.expect("it is there"));
        }
        let mut last: Option<(usize, usize)> = None;
        for &reader in &value.later {
            let near = last.filter(|&(before, _)| reader - before <= SOON);
            let whole = near.map_or_else(
                || {
                    let whole = draft.buffer(DType::F32, length, BufferPlace::Arena(0));
                    expansions.entry(reader).or_default().push((value.buffer, whole));
                    whole
                },
                |(_, whole)| whole,
            );
            draft.steps[reader].read_instead(value.buffer, whole);
            last = Some((reader, whole));
        }
    }
    for step in &mut draft.steps {
        if let Action::Loop(body) = &mut step.action {
            let halved = |load: &Load| draft.buffers[load.buffer].halved;
            let halves = (0..body.loads.len()).filter(|&load| halved(&body.loads[load])).collect();
            expand_loads(body, halves);
        }
    }
    insert(draft, expansions);
}

/// The stores of loops that hold rounded values, by step and number. Other steps know nothing of
/// halves, and are not asked to.
fn rounded(draft: &Draft, least: usize) -> Vec<(usize, usize)> {
    let mut rounded = Vec::new();
    for (index, step) in draft.steps.iter().enumerate() {
        let Some(body) = step.action.as_loop().filter(|body| is_plain(body)) else { continue };
        if body.length < least {
            continue;
        }
        for (number, store) in body.stores.iter().enumerate() {
            let buffer = &draft.buffers[store.buffer];
            let fits = buffer.place.is_arena() && buffer.dtype == DType::F32;
            if fits && rounds(body, store.value) {
                rounded.push((index, number));
            }
        }
    }
    rounded
}

/// Whether a value of a loop has been rounded in it.
fn rounds(body: &FusedLoop, value: usize) -> bool {
    let instruction = value.checked_sub(body.loads.len()).map(|index| &body.instructions[index]);
    instruction.is_some_and(|instruction| match instruction.function {
        LoopFunction::Elementwise(operation) => operation.rounds_to_bf16(),
        LoopFunction::Combined(_) | LoopFunction::Cast => false,
        LoopFunction::Expand | LoopFunction::Halve => false,
    })
}

/// Whether a loop is one that does one thing, element by element.
fn is_plain(body: &FusedLoop) -> bool {
    body.repeats.is_empty() && body.whole.is_none()
}

/// What is done with a rounded value, unless it is better kept as it is: where it is soon no longer
/// needed, or looked at by what checks numbers, or returned.
fn is_worth_it(
    draft: &Draft,
    users: &Users,
    (step, store): (usize, usize),
) -> Option<RoundedValue> {
    let body = draft.steps[step].action.as_loop()?;
    let buffer = body.stores[store].buffer;
    let readers = users.readers(buffer);
    let is_guard = |&reader: &usize| matches!(draft.steps[reader].action, Action::Guard(_));
    let is_returned = draft.outputs.iter().any(|output| output.buffer == buffer);
    let written_once = body.stores.iter().filter(|store| store.buffer == buffer).count() == 1;
    if is_returned || !written_once || readers.iter().any(is_guard) {
        return None;
    }
    // A copy that only turns a value is done in blocks, which a conversion would be in the way of.
    let reads_halves = |&reader: &usize| {
        let body = draft.steps[reader].action.as_loop();
        body.is_some_and(|body| is_plain(body) && !body.instructions.is_empty())
    };
    let whole = readers.iter().copied().filter(|reader| !reads_halves(reader));
    let (soon, later): (Vec<usize>, Vec<usize>) = whole.partition(|&reader| reader - step <= SOON);
    let lasts = readers.iter().any(|&reader| reader - step > SOON);
    (lasts || soon.is_empty()).then_some(RoundedValue { buffer, step, store, soon, later })
}

/// Lets a store of a loop write halves, and the whole numbers to another buffer if there is one.
fn store_half(step: &mut PlanStep, store: usize, whole: Option<usize>) {
    let Action::Loop(body) = &mut step.action else { unreachable!("loops store what they round") };
    keep_unhalved(body);
    let value = body.stores[store].value;
    let half = body.loads.len() + body.instructions.len();
    body.instructions.push(conversion(LoopFunction::Halve, value));
    body.stores[store].value = half;
    body.stores.extend(whole.map(|buffer| Store { value, buffer }));
}

/// Keeps what a loop that sums up is without halves: more instructions would make its tiles
/// shorter, and the order of sums another one.
fn keep_unhalved(body: &mut FusedLoop) {
    if body.unhalved.is_none() && !body.reduces.is_empty() {
        body.unhalved = Some(Box::new(body.clone()));
    }
}

fn conversion(function: LoopFunction, value: usize) -> Instruction {
    Instruction { function, inputs: vec![value], from: DType::F32, to: DType::F32 }
}

/// Lets a loop expand some of its loads before it does anything else.
fn expand_loads(body: &mut FusedLoop, halves: Vec<usize>) {
    if halves.is_empty() {
        return;
    }
    keep_unhalved(body);
    let (loads, added) = (body.loads.len(), halves.len());
    let number = |value: usize| match halves.iter().position(|&half| half == value) {
        Some(position) => loads + position,
        None if value < loads => value,
        None => value + added,
    };
    let inputs = body.instructions.iter_mut().flat_map(|instruction| instruction.inputs.iter_mut());
    let stored = body.stores.iter_mut().map(|store| &mut store.value);
    let reduced = body.reduces.iter_mut().map(|reduce| &mut reduce.value);
    for value in inputs.chain(stored).chain(reduced) {
        *value = number(*value);
    }
    let expansions = halves.iter().map(|&half| conversion(LoopFunction::Expand, half));
    body.instructions.splice(0..0, expansions);
}

/// Puts the loops that expand halves, from a buffer to another, before the steps that need them.
fn insert(draft: &mut Draft, mut expansions: FxHashMap<usize, Vec<(usize, usize)>>) {
    let steps = std::mem::take(&mut draft.steps);
    let positions = std::mem::take(&mut draft.positions);
    for (index, (step, position)) in steps.into_iter().zip(positions).enumerate() {
        for (from, to) in expansions.remove(&index).unwrap_or_default() {
            let length = draft.buffers[from].length;
            let body = FusedLoop {
                length,
                loads: vec![Load { buffer: from, layout: Layout::contiguous(length) }],
                instructions: vec![conversion(LoopFunction::Expand, 0)],
                stores: vec![Store { value: 1, buffer: to }],
                ..FusedLoop::default()
            };
            draft.steps.push(PlanStep { action: Action::Loop(body), scope: step.scope });
            draft.positions.push(position);
        }
        draft.steps.push(step);
        draft.positions.push(position);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{execute, noise};
    use super::super::{ProcessorTuning, tune};
    use super::*;
    use crate::array::Array;
    use crate::graph::{Graph, NodeId, Op, Transposed, View};
    use crate::plan::tests::{Builder, add, multiply, round_to_bf16, square, subtract};
    use crate::plan::{Plan, Tuning};
    use crate::simd::{Reduction, Routine};

    /// The processor's passes, of which the last halves from this many elements on.
    struct HalvedFrom(usize);

    impl Tuning for HalvedFrom {
        fn tune(&self, draft: &mut Draft, routines: &[&'static Routine]) {
            tune(draft, routines, self.0);
        }

        fn line(&self) -> usize {
            ProcessorTuning.line()
        }

        fn room(&self, bytes: usize) -> usize {
            ProcessorTuning.room(bytes)
        }
    }

    fn halved(plan: &Plan) -> usize {
        plan.buffers.iter().filter(|buffer| buffer.halved).count()
    }

    /// Numbers without a pattern, from a number on.
    struct Words(u64);

    impl Words {
        fn next(&mut self, below: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) as usize % below
        }
    }

    /// A graph of matrices of one shape, each computed of earlier ones, with roundings between, and
    /// a product of the first with the last that rounds.
    fn graph(words: &mut Words, [rows, columns]: [usize; 2]) -> Graph {
        let (shape, turned) = ([rows, columns], [columns, rows]);
        let mut build = Builder::default();
        let mut values = vec![build.input(shape), build.input(shape)];
        let kernel = build.input([columns, columns]);
        for _ in 0..24 {
            let [x, y] = [(); 2].map(|()| values[words.next(values.len())]);
            let x = if words.next(2) == 0 { values[values.len() - 1] } else { x };
            let swap = || View::Transpose(vec![1, 0]);
            let value = match words.next(12) {
                0 => build.elementwise(&add::OPERATION, &[x, y]),
                1 => build.elementwise(&subtract::OPERATION, &[x, y]),
                2 => build.elementwise(&multiply::OPERATION, &[x, y]),
                3 | 4 => {
                    let product = build.matmul(x, kernel, shape);
                    build.elementwise(&round_to_bf16::OPERATION, &[product])
                }
                5 => {
                    let slices = vec![(rows - 1, -1), (0, 1)];
                    let flipped = build.view(View::Slice(slices), x, shape);
                    build.elementwise(&multiply::OPERATION, &[flipped, y])
                }
                6 => {
                    let sum = build.reduce(Reduction::Max, &[0], x);
                    let row = build.view(View::Reshape, sum, [1, columns]);
                    let all = build.view(View::Broadcast, row, shape);
                    build.elementwise(&subtract::OPERATION, &[y, all])
                }
                7 => {
                    let x = build.view(swap(), x, turned);
                    let x = build.elementwise(&round_to_bf16::OPERATION, &[x]);
                    build.view(swap(), x, shape)
                }
                8 => {
                    let wide = build.cast(x, DType::F64);
                    let wide = build.elementwise(&round_to_bf16::OPERATION, &[wide]);
                    build.cast(wide, DType::F32)
                }
                _ => build.elementwise(&round_to_bf16::OPERATION, &[x]),
            };
            values.push(value);
        }
        let transposed = Op::Matmul { transposed: Transposed::LEFT };
        let ends = [values[3], values[values.len() - 1]];
        let product = build.push(transposed, &ends, [columns, columns], DType::F32);
        let flat = build.view(View::Reshape, values[9], [rows * columns]);
        let sum = build.reduce(Reduction::Sum, &[0], flat);
        let returned: Vec<NodeId> = values.iter().rev().step_by(7).copied().collect();
        let outputs = [product, sum, returned[0], returned[1]];
        build.outputs(outputs)
    }

    #[test]
    fn halves_give_the_bits_of_whole_numbers() {
        let shapes = [[1, 1], [3, 5], [4, 4], [5, 13], [2, 33], [7, 19], [31, 33], [300, 60]];
        let mut total = 0;
        for (seed, shape) in (0..40).zip(shapes.into_iter().cycle()) {
            let graph = graph(&mut Words(seed), shape);
            let [plan, whole] = [1, usize::MAX].map(|least| Plan::new(&graph, &HalvedFrom(least)));
            assert_eq!(halved(&whole), 0);
            total += halved(&plan);
            let [_, columns] = shape;
            let inputs = [noise(shape), noise(shape), noise([columns, columns])];
            let inputs = inputs.each_ref();
            let bytes = |plan: &Plan, threads| -> Vec<Vec<u8>> {
                let outputs = execute(plan, &graph, &inputs, threads).unwrap();
                outputs.iter().map(|output: &Array| output.bytes().to_vec()).collect()
            };
            let expected = bytes(&whole, 1);
            for threads in [1, 2] {
                assert!(bytes(&plan, threads) == expected, "graph {seed}, {shape:?}: {plan}");
            }
            let unfused = Plan::unfused(&graph, &HalvedFrom(1));
            assert_eq!(halved(&unfused), 0);
        }
        assert!(total > 40, "{total} values in halves");
    }

    #[test]
    fn what_is_needed_much_later_lies_in_half_of_the_memory_meanwhile() {
        let mut build = Builder::default();
        let (mut x, kernel) = (build.input([64, 64]), build.input([64, 64]));
        let mut values = Vec::new();
        for _ in 0..16 {
            let product = build.matmul(x, kernel, [64, 64]);
            x = build.elementwise(&round_to_bf16::OPERATION, &[product]);
            values.push(x);
        }
        for &value in values.iter().rev() {
            let product = build.matmul(x, value, [64, 64]);
            x = build.elementwise(&square::OPERATION, &[product]);
        }
        let graph = build.outputs([x]);
        let [half, whole] =
            [LEAST, usize::MAX].map(|least| Plan::new(&graph, &HalvedFrom(least)).arena_bytes());
        assert!(half < whole * 2 / 3, "{half} bytes, and {whole} of whole numbers");
    }

    #[test]
    fn what_is_short_lived_or_returned_or_small_stays_whole() {
        let mut build = Builder::default();
        let (x, kernel) = (build.input([64, 64]), build.input([64, 64]));
        let product = build.matmul(x, kernel, [64, 64]);
        let rounded = build.elementwise(&round_to_bf16::OPERATION, &[product]);
        let last = build.matmul(rounded, kernel, [64, 64]);
        let last = build.elementwise(&round_to_bf16::OPERATION, &[last]);
        let graph = build.outputs([last]);
        let plan = Plan::new(&graph, &HalvedFrom(1));
        assert_eq!(halved(&plan), 0, "{plan}");
        assert_eq!(halved(&Plan::new(&graph, &HalvedFrom(64 * 64 + 1))), 0);
    }
}
