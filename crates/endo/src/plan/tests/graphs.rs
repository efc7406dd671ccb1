//! Graphs built by hand, node by node and unchecked, for the tests of plans and runners.
//!
//! In: a few operations of each form. Out: [`Builder`], and graphs of the updates that optimizers
//! make: alike, as routines, from a gradient, and entangled with each other.

use crate::array::Array;
use crate::cpu::ProcessorTuning;
use crate::cpu::matmul::routine;
use crate::dtype::DType;
use crate::graph::{
    Check, Elementwise, Formula, Graph, Node, NodeId, Op, Output, Transposed, View,
};
use crate::plan::Plan;
use crate::shape::Shape;
use crate::simd::{
    Arithmetic, Binary, Comparison, Loops, MOST_RESULTS, MOST_VALUES, Ordered, Reduction, Routine,
    Scalar, Unary, UpdateFormula,
};
use crate::site::Site;
use crate::variable::Variable;

/// An operation on floats.
const fn floats(
    name: &'static str,
    arity: usize,
    output: Output,
    formula: Formula,
    loops: [Loops; 2],
) -> Elementwise {
    let [single, double] = loops;
    let loops = [Some(single), Some(double), None, None];
    Elementwise { name, arity, output, formula, loops, gradient: None, domain: [-1.0, 1.0] }
}

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

            struct Rule;

            impl $trait for Rule {
                fn apply<F: Scalar>($($x: F),+) -> F {
                    $formula
                }
            }

            const LOOPS: [Loops; 2] =
                [Loops::$constructor::<Rule, f32>(), Loops::$constructor::<Rule, f64>()];
            const FORMULA: Formula = |values, _| {
                let mut values = values.iter();
                $(let $x = *values.next().expect("an operand");)+
                Rule::apply($($x),+)
            };
            pub static OPERATION: Elementwise =
                floats($name, $arity, Output::Same, FORMULA, LOOPS);
        }
    };
}

operation!(add, "add", 2, Binary, binary, |a, b| a + b);
operation!(subtract, "subtract", 2, Binary, binary, |a, b| a - b);
operation!(multiply, "multiply", 2, Binary, binary, |a, b| a * b);
operation!(divide, "divide", 2, Binary, binary, |a, b| a / b);
operation!(sqrt, "sqrt", 1, Unary, unary, |x| x.sqrt());
operation!(square, "square", 1, Unary, unary, |x| x * x);
operation!(round_to_bf16, "round_to_bf16", 1, Unary, unary, |x| x.round_to_bf16());
operation!(negative, "negative", 1, Unary, unary, |x| -x);

/// The comparison `a < b`, of any type.
pub mod less {
    use super::*;

    struct Less;

    impl Comparison for Less {
        fn apply<T: Ordered>(a: T, b: T) -> T::Truth {
            a.less(b)
        }
    }

    const LOOPS: [Loops; 2] = [Loops::comparison::<Less, f32>(), Loops::comparison::<Less, f64>()];
    pub static OPERATION: Elementwise =
        floats("less", 2, Output::Bool, |x, _| Less::apply(x[0], x[1]), LOOPS);
}

/// The choice between two values.
pub mod select {
    use super::*;

    const LOOPS: [Loops; 2] = [Loops::select::<f32>(), Loops::select::<f64>()];
    pub static OPERATION: Elementwise =
        floats("where", 3, Output::Same, |x, _| Ordered::select(x[0], x[1], x[2]), LOOPS);
}

/// The plan that the processor runs.
pub fn tuned(graph: &Graph) -> Plan {
    Plan::new(graph, &ProcessorTuning)
}

/// The plan of one operation after the other.
pub fn unfused_plan(graph: &Graph) -> Plan {
    Plan::unfused(graph, &ProcessorTuning)
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
            site: Site::caller(),
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
        self.push(Op::Matmul { transposed: Transposed::NEITHER }, &[a, b], shape, DType::F32)
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
        self.graph.routines = routines();
        std::mem::take(&mut self.graph)
    }
}

/// The update that [`Builder::update`] writes down.
pub struct Moving<const AHEAD: bool>;

impl<const AHEAD: bool> UpdateFormula for Moving<AHEAD> {
    const NAME: &'static str = if AHEAD { "ahead" } else { "moving" };
    const SEQUENCES: usize = 4;
    const VALUES: usize = if AHEAD { 10 } else { 8 };
    const RESULTS: usize = 3;

    #[inline(always)]
    fn results<A: Arithmetic>(values: [A; MOST_VALUES]) -> [A; MOST_RESULTS] {
        let [w, m, v, g, rate_1, rate_2, rate, epsilon, share, scale, ..] = values;
        let m = m + (g - m) * rate_1;
        let v = v + (g.square() - v) * rate_2;
        let (mut step, mut root) = (m * rate, v.sqrt());
        if AHEAD {
            step = step + g * share;
            root = root * scale;
        }
        [w - step / (root + epsilon), m, v, v]
    }
}

/// The routines of [`Moving`].
pub fn routines() -> Vec<&'static Routine> {
    const ROUTINES: [&Routine; 2] = [&routine::<Moving<false>>(), &routine::<Moving<true>>()];
    ROUTINES.to_vec()
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

/// A graph of the updates of [`Moving`], which are one routine each.
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
    let transposed = Op::Matmul { transposed: Transposed::LEFT };
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
