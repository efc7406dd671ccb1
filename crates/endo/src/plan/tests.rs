//! Graphs built by hand for the tests of plans and runners, and claims about whole plans.
//!
//! [`Builder`] pushes nodes without checking them; the operations here are a few of each form.

use std::panic::Location;

use crate::array::Array;
use crate::dtype::DType;
use crate::graph::{Check, Elementwise, Graph, Node, NodeId, Op, Output, View};
use crate::shape::Shape;
use crate::simd::{Binary, Comparison, Float, Loops, Reduction, Unary};
use crate::variable::Variable;

use super::{Action, Place, Plan};

macro_rules! operation {
    (
        $module:ident,
        $name:literal,
        $arity:literal,
        $trait:ident,
        $constructor:ident,
        |$($x:ident),+| $formula:expr
    ) => {
        pub mod $module {
            use super::*;

            struct Formula;

            impl $trait for Formula {
                fn apply<F: Float>($($x: F),+) -> F {
                    $formula
                }
            }

            pub static OPERATION: Elementwise = Elementwise {
                name: $name,
                arity: $arity,
                output: Output::Same,
                loops: [
                    Some(Loops::$constructor::<Formula, f32>()),
                    Some(Loops::$constructor::<Formula, f64>()),
                    None,
                    None,
                ],
                gradient: None,
                domain: [-1.0, 1.0],
            };
        }
    };
}

operation!(add, "add", 2, Binary, binary, |a, b| a + b);
operation!(subtract, "subtract", 2, Binary, binary, |a, b| a - b);
operation!(multiply, "multiply", 2, Binary, binary, |a, b| a * b);
operation!(divide, "divide", 2, Binary, binary, |a, b| a / b);
operation!(sqrt, "sqrt", 1, Unary, unary, |x| x.sqrt());
operation!(square, "square", 1, Unary, unary, |x| x * x);
operation!(negative, "negative", 1, Unary, unary, |x| -x);

/// The comparison `a < b`, of any type.
pub mod less {
    use super::*;

    struct Formula;

    impl Comparison for Formula {
        fn apply<T: PartialOrd + Copy>(a: T, b: T) -> bool {
            a < b
        }
    }

    pub static OPERATION: Elementwise = Elementwise {
        name: "less",
        arity: 2,
        output: Output::Bool,
        loops: [
            Some(Loops::comparison::<Formula, f32>()),
            Some(Loops::comparison::<Formula, f64>()),
            None,
            None,
        ],
        gradient: None,
        domain: [-1.0, 1.0],
    };
}

/// The choice between two values.
pub mod select {
    use super::*;

    pub static OPERATION: Elementwise = Elementwise {
        name: "where",
        arity: 3,
        output: Output::Same,
        loops: [
            Some(Loops::select::<f32>()),
            Some(Loops::select::<f64>()),
            Some(Loops::select::<i32>()),
            Some(Loops::select::<u8>()),
        ],
        gradient: None,
        domain: [-1.0, 1.0],
    };
}

/// A graph that grows node by node.
#[derive(Default)]
pub struct Builder {
    pub graph: Graph,
}

impl Builder {
    #[track_caller]
    pub fn push(
        &mut self,
        op: Op,
        inputs: &[NodeId],
        shape: impl Into<Shape>,
        dtype: DType,
    ) -> NodeId {
        let node = Node {
            op,
            inputs: inputs.to_vec(),
            shape: shape.into(),
            dtype,
            scope: 0,
            site: Location::caller(),
        };
        self.graph.nodes.push(node);
        NodeId(self.graph.nodes.len() as u32 - 1)
    }

    pub fn shape(&self, id: NodeId) -> Shape {
        self.graph.node(id).shape.clone()
    }

    pub fn input(&mut self, shape: impl Into<Shape>) -> NodeId {
        let id = self.push(Op::Input(self.graph.inputs.len()), &[], shape, DType::F32);
        self.graph.inputs.push(id);
        id
    }

    pub fn variable(&mut self, value: impl Into<Array>) -> NodeId {
        let variable = Variable::new(format!("variable {}", self.graph.variables.len()), value);
        let (shape, dtype) = (variable.shape().clone(), variable.dtype());
        self.graph.variables.push(variable);
        self.push(Op::Variable(self.graph.variables.len() - 1), &[], shape, dtype)
    }

    pub fn constant(&mut self, value: impl Into<Array>) -> NodeId {
        let array = value.into();
        let (shape, dtype) = (array.shape().clone(), array.dtype());
        self.push(Op::Constant(array), &[], shape, dtype)
    }

    pub fn elementwise(&mut self, operation: &'static Elementwise, inputs: &[NodeId]) -> NodeId {
        let last = self.graph.node(inputs[inputs.len() - 1]).clone();
        self.push(
            Op::Elementwise(operation),
            inputs,
            last.shape,
            operation.output_dtype(last.dtype),
        )
    }

    pub fn cast(&mut self, input: NodeId, dtype: DType) -> NodeId {
        self.push(Op::Cast, &[input], self.shape(input), dtype)
    }

    pub fn reduce(&mut self, reduction: Reduction, axes: &[usize], input: NodeId) -> NodeId {
        let node = self.graph.node(input).clone();
        self.push(
            Op::Reduce(reduction, axes.to_vec()),
            &[input],
            node.shape.without(axes),
            node.dtype,
        )
    }

    pub fn matmul(&mut self, a: NodeId, b: NodeId, shape: impl Into<Shape>) -> NodeId {
        self.push(Op::Matmul { transposed: [false; 2] }, &[a, b], shape, DType::F32)
    }

    pub fn view(&mut self, view: View, input: NodeId, shape: impl Into<Shape>) -> NodeId {
        let dtype = self.graph.node(input).dtype;
        self.push(Op::View(view), &[input], shape, dtype)
    }

    /// A value of fewer or as many axes, broadcast to a shape.
    pub fn expand(&mut self, input: NodeId, shape: impl Into<Shape>) -> NodeId {
        let (shape, from) = (shape.into(), self.shape(input));
        let ones: Shape = std::iter::repeat_n(1, shape.rank() - from.rank())
            .chain(from.iter().copied())
            .collect();
        let reshaped = self.view(View::Reshape, input, ones);
        self.view(View::Broadcast, reshaped, shape)
    }

    pub fn write(&mut self, variable: usize, value: NodeId) {
        self.graph.writes.push((variable, value));
    }

    pub fn check(&mut self, node: NodeId) {
        self.graph.checks.push(Check { node, what: format!("value {}", node.0) });
    }

    pub fn outputs<const N: usize>(&mut self, outputs: [NodeId; N]) -> Graph {
        self.graph.outputs = outputs.to_vec();
        self.graph.scopes = vec![String::new()];
        std::mem::take(&mut self.graph)
    }
}

fn loops(plan: &Plan) -> usize {
    plan.steps.iter().filter(|step| matches!(step.action, Action::Loop(_))).count()
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
    let plan = Plan::new(&graph);
    assert_eq!((plan.steps.len(), plan.arena_bytes()), (1, 64), "{plan}");
    assert_eq!(Plan::unfused(&graph).steps.len(), 3);
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
    let plan = Plan::new(&build.outputs([centred]));
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
    let plan = Plan::new(&build.outputs([sum]));
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
    let plan = Plan::new(&build.outputs([sum]));
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
    let plan = Plan::new(&build.outputs([]));
    let [first, guard, last] = &plan.steps[..] else { panic!("{plan}") };
    assert!(
        matches!((&first.action, &guard.action), (Action::Loop(_), Action::Guard(_))),
        "{plan}"
    );
    let Action::Loop(body) = &last.action else { panic!("{plan}") };
    let places: Vec<Place> =
        body.stores.iter().map(|store| plan.buffers[store.buffer].place).collect();
    assert_eq!(places, [Place::Variable(0), Place::Variable(1)], "{plan}");
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
    let plan = Plan::new(&build.outputs([gradient]));
    let Action::Loop(first) = &plan.steps[0].action else { panic!("{plan}") };
    assert_eq!((first.instructions.len(), first.stores.len()), (1, 1), "{plan}");
}

#[test]
fn loops_that_read_the_same_sequence_are_one() {
    let mut build = Builder::default();
    let x = build.input([100, 20]);
    let squares = build.elementwise(&square::OPERATION, &[x]);
    let sums = [x, squares].map(|value| build.reduce(Reduction::Sum, &[0], value));
    assert_eq!(Plan::new(&build.outputs(sums)).steps.len(), 1);
}

#[test]
fn a_loop_writes_over_the_product_that_it_alone_reads() {
    let mut build = Builder::default();
    let (x, w) = (build.input([16, 16]), build.input([16, 16]));
    let product = build.matmul(x, w, [16, 16]);
    let y = build.elementwise(&square::OPERATION, &[product]);
    let last = build.matmul(y, w, [16, 16]);
    let plan = Plan::new(&build.outputs([last]));
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
    let plan = Plan::new(&build.outputs([sum]));
    let Action::Loop(body) = &plan.steps[0].action else { panic!("{plan}") };
    assert_eq!(
        (plan.steps.len(), body.instructions.len(), &plan.constants.bytes()[..4]),
        (1, 1, &12.0_f32.to_ne_bytes()[..])
    );
}

#[test]
fn steps_are_listed_with_places_and_programs() {
    let mut build = Builder::default();
    let x = build.input([2, 3]);
    let y = build.elementwise(&square::OPERATION, &[x]);
    let sum = build.reduce(Reduction::Sum, &[1], y);
    let text = Plan::new(&build.outputs([sum])).to_string();
    let expected = "1 steps, arena 64 bytes, constants 0 bytes
   0 loop over 6
       %0 = input 0
       %1 = square(%0)
       @0 = sum %1 over 2 [3] 1
return 0: f32[2] at @0
";
    assert_eq!(text, expected);
}

/// A graph that moves a slot of each variable half the way to a gradient, and adds the slot's
/// square to the variable.
pub fn updates(lengths: &[usize]) -> Graph {
    let mut build = Builder::default();
    let half = build.constant(Array::scalar(0.5_f32));
    for (index, &length) in lengths.iter().enumerate() {
        let values = |start: usize| {
            Array::from_fn([length], move |i| ((i * 37 + start) % 101) as f32 / 101.0 + 0.1)
        };
        let (weight, slot) = (build.variable(values(index)), build.variable(values(index + 50)));
        let x = build.input([length]);
        let gradient = build.elementwise(&negative::OPERATION, &[x]);
        build.check(gradient);
        let half = build.expand(half, [length]);
        let change = build.elementwise(&subtract::OPERATION, &[gradient, slot]);
        let change = build.elementwise(&multiply::OPERATION, &[change, half]);
        let slot = build.elementwise(&add::OPERATION, &[slot, change]);
        let squared = build.elementwise(&square::OPERATION, &[slot]);
        let weight = build.elementwise(&add::OPERATION, &[weight, squared]);
        build.write(2 * index, weight);
        build.write(2 * index + 1, slot);
    }
    build.outputs([])
}

/// A graph of the updates of Adam, or of Nadam, which are one routine each.
pub fn optimizer(lengths: &[usize], ahead: bool) -> Graph {
    let mut build = Builder::default();
    let numbers = build.numbers();
    for &length in lengths {
        let x = build.input([length]);
        let g = build.elementwise(&negative::OPERATION, &[x]);
        build.check(g);
        build.update(g, numbers, ahead);
    }
    build.outputs([])
}

/// A gradient of `rows` by `columns` from a batch of `terms`, which is checked and used by a
/// routine; then what else is said.
pub fn gradient(
    [rows, terms, columns]: [usize; 3],
    ahead: bool,
    more: impl FnOnce(&mut Builder, NodeId),
) -> Graph {
    let mut build = Builder::default();
    let numbers = build.numbers();
    let (x, z) = (build.input([terms, rows]), build.input([terms, columns]));
    let transposed = Op::Matmul { transposed: [true, false] };
    let gradient = build.push(transposed, &[x, z], [rows, columns], DType::F32);
    build.check(x);
    build.check(gradient);
    build.update(gradient, numbers, ahead);
    more(&mut build, gradient);
    if build.graph.outputs.is_empty() {
        build.outputs([])
    } else {
        std::mem::take(&mut build.graph)
    }
}

impl Builder {
    /// What a routine has of single numbers.
    pub fn numbers(&mut self) -> [NodeId; 6] {
        [0.1_f32, 0.001, 0.01, 0.002, 1.5, 1e-7].map(|number| self.constant(Array::scalar(number)))
    }

    /// Updates a new weight and its slots by a gradient.
    pub fn update(&mut self, g: NodeId, numbers: [NodeId; 6], ahead: bool) {
        let (first, shape) = (self.graph.variables.len(), self.shape(g));
        let values = |start: usize| {
            Array::from_fn(shape.clone(), move |i| ((i * 37 + start) % 101) as f32 / 101.0 + 0.1)
        };
        let [w, m, v] = [0, 1, 2].map(|slot| self.variable(values(first + slot)));
        let [rate_1, rate_2, rate, share, scale, epsilon] =
            numbers.map(|number| self.expand(number, shape.clone()));
        let mut of = |operation, inputs: &[NodeId]| self.elementwise(operation, inputs);
        let difference = of(&subtract::OPERATION, &[g, m]);
        let change = of(&multiply::OPERATION, &[difference, rate_1]);
        let m = of(&add::OPERATION, &[m, change]);
        let squared = of(&square::OPERATION, &[g]);
        let difference = of(&subtract::OPERATION, &[squared, v]);
        let change = of(&multiply::OPERATION, &[difference, rate_2]);
        let v = of(&add::OPERATION, &[v, change]);
        let (mut step, mut root) =
            (of(&multiply::OPERATION, &[m, rate]), of(&sqrt::OPERATION, &[v]));
        if ahead {
            let share = of(&multiply::OPERATION, &[g, share]);
            step = of(&add::OPERATION, &[step, share]);
            root = of(&multiply::OPERATION, &[root, scale]);
        }
        let root = of(&add::OPERATION, &[root, epsilon]);
        let step = of(&divide::OPERATION, &[step, root]);
        let w = of(&subtract::OPERATION, &[w, step]);
        for (slot, value) in [w, m, v].into_iter().enumerate() {
            self.write(first + slot, value);
        }
    }
}

fn joined(plan: &Plan) -> Vec<&super::FusedLoop> {
    let bodies = plan
        .steps
        .iter()
        .filter_map(|step| if let Action::Loop(body) = &step.action { Some(body) } else { None });
    bodies.filter(|body| !body.repeats.is_empty()).collect()
}

#[test]
fn updates_that_are_alike_are_one_loop_over_memory_that_lies_side_by_side() {
    let plan = Plan::new(&updates(&[900, 30, 1, 240]));
    let [body] = joined(&plan)[..] else { panic!("{plan}") };
    assert_eq!(
        body.repeats.iter().map(|repeat| repeat.length).collect::<Vec<_>>(),
        [30, 1, 240],
        "{plan}"
    );
    let gradients = std::iter::once(body.loads[0].buffer)
        .chain(body.repeats.iter().map(|repeat| repeat.loads[0]));
    let places: Vec<Place> = gradients.map(|buffer| plan.buffers[buffer].place).collect();
    assert_eq!(places, [0, 3648, 3776, 3840].map(Place::Arena), "{plan}");
    assert_eq!(plan.order().len(), 8);
    // Slots after slots and weights after weights.
    assert!(
        plan.order().windows(2).filter(|pair| pair[1] == pair[0] + 2).count() >= 6,
        "{:?}",
        plan.order()
    );
}

/// A graph whose updates are alike and yet not independent: the second reads what the first has
/// written, and a sequence that both read is not needed after the first.
pub fn entangled() -> [Graph; 2] {
    let mut build = Builder::default();
    let [a, b] = [0.25, 0.5].map(|x| build.variable(Array::full([30, 30], x, DType::F32)));
    let (x, w) = (build.input([30, 30]), build.input([30, 30]));
    let g = build.matmul(x, w, [30, 30]);
    let a = build.elementwise(&add::OPERATION, &[a, g]);
    let p = build.matmul(a, w, [30, 30]);
    let b = build.elementwise(&add::OPERATION, &[b, p]);
    build.write(0, a);
    build.write(1, b);
    let written = build.outputs([]);

    let (x, w) = (build.input([30, 30]), build.input([30, 30]));
    let g = build.matmul(x, w, [30, 30]);
    let h1 = build.matmul(w, x, [30, 30]);
    let h2 = build.matmul(h1, w, [30, 30]);
    let [a, b] = [0.25, 0.5].map(|x| build.variable(Array::full([30, 30], x, DType::F32)));
    let c1 = build.elementwise(&multiply::OPERATION, &[a, g]);
    let a = build.elementwise(&add::OPERATION, &[c1, h1]);
    let c2 = build.elementwise(&multiply::OPERATION, &[b, g]);
    let b = build.elementwise(&add::OPERATION, &[c2, h2]);
    build.write(0, a);
    build.write(1, b);
    [written, build.outputs([c1, c2])]
}

#[test]
fn an_update_that_needs_what_another_has_written_waits_for_it() {
    let [written, shared] = entangled();
    let plan = Plan::new(&written);
    assert!(joined(&plan).is_empty(), "{plan}");
    let plan = Plan::new(&shared);
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
    let plan = Plan::new(&build.outputs([]));
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
    let text = Plan::new(&build.outputs([last, kept])).to_string();
    let expected = "       %3 = multiply(%0, %1)
       %4 = [(x + y) * z](%3, %2, %1)
       %5 = subtract(%2, %4)
";
    assert!(text.contains(expected), "{text}");
}
