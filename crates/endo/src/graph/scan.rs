//! Loops of a graph: operations that are done once for each step.
//!
//! In: nodes that were traced once, and which of them a step is given and makes. Out: [`Scan`],
//! with these nodes as a graph of its own once the trace has ended, by [`outline`].

use rustc_hash::FxHashMap;

use crate::dtype::DType;
use crate::error::Error;
use crate::shape::Shape;

use super::{Graph, Node, NodeId, Op, View};

/// A loop over steps, in which states go from step to step.
///
/// Its node's inputs are the number of steps, `i32[]`, if it is counted, then first states,
/// sequences, and whatever else the steps read. Its results are the node's parts, [`Op::Part`]:
/// the number of steps that were done, `i32[]`, the last states, then what each step gives,
/// stacked along a first axis.
///
/// A step is given its position, `i32[]`, the states, the elements at the position of the
/// sequences, and whatever else it reads. It makes whether there is a next step, `bool[]`, if the
/// loop is conditional, then the next states, then what it gives.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The number of steps; the largest possible one where it is counted or conditional.
    pub steps: usize,
    /// Whether it begins with the last step.
    pub backwards: bool,
    /// Whether its first input says how many of the steps, from the first position on, are done.
    /// What the others would give is 0.
    pub counted: bool,
    /// Whether a step says if there is a next one.
    pub conditional: bool,
    /// Whether its gradient computes again what the steps compute, and keeps what they are given
    /// alone.
    pub recomputed: bool,
    /// The number of states.
    pub states: usize,
    /// The number of sequences.
    pub sequences: usize,
    /// What a step does.
    pub body: Body,
}

/// What is done in a step of a [`Scan`].
#[derive(Clone, Debug)]
pub enum Body {
    /// Nodes of the graph that the loop is in, as long as it is traced: they are what the results
    /// depend on down to the parameters. What does not depend on a parameter is computed before
    /// the loop. Nodes of any kind can be parameters: gradients are given what a loop before has
    /// computed.
    Traced {
        /// What a step is given, but for what it reads besides.
        parameters: Vec<NodeId>,
        /// What a step makes.
        results: Vec<NodeId>,
    },
    /// A graph of its own, with an input for all that a step is given.
    Outlined(Graph),
}

impl Scan {
    /// As many steps as there can be: those of a loop that ends by its condition alone.
    pub const UNBOUNDED: usize = i32::MAX as usize;

    /// The place of the first state among the inputs.
    pub fn first_input(&self) -> usize {
        usize::from(self.counted)
    }

    /// The number of inputs before whatever else steps read.
    pub fn given_inputs(&self) -> usize {
        self.first_input() + self.states + self.sequences
    }

    /// The number of things that a step is given before whatever else it reads.
    pub fn parameters(&self) -> usize {
        1 + self.states + self.sequences
    }

    /// The place of the first next state among what a step makes.
    pub fn first_result(&self) -> usize {
        usize::from(self.conditional)
    }

    /// The place among what a step makes of that which becomes a part of the loop's results; none
    /// for the number of steps.
    pub fn result_of(&self, part: usize) -> Option<usize> {
        Some(part.checked_sub(1)? + self.first_result())
    }

    /// Whether a part holds what each step gives.
    pub fn is_stacked(&self, part: usize) -> bool {
        part > self.states
    }

    /// The graph of a step, once the trace has ended.
    ///
    /// # Panics
    /// Before.
    pub fn graph(&self) -> &Graph {
        match &self.body {
            Body::Outlined(graph) => graph,
            Body::Traced { .. } => unreachable!("traces end before their loops are planned"),
        }
    }

    /// The shape of a part, given that of what a step makes for it.
    pub fn part_shape(&self, part: usize, of_step: &Shape) -> Shape {
        if self.is_stacked(part) {
            std::iter::once(self.steps).chain(of_step.iter().copied()).collect()
        } else {
            of_step.clone()
        }
    }
}

/// The nodes that a loop's steps consist of.
pub struct Region {
    /// For each node of the graph whether it is one of them.
    pub inside: Vec<bool>,
    /// The nodes outside that they read, in order, without constants.
    pub captured: Vec<NodeId>,
}

impl Region {
    /// Those that lead from `parameters` to `results`, with what is cheap to compute of constants
    /// and views of what lies outside.
    pub fn new(nodes: &[Node], parameters: &[NodeId], results: &[NodeId]) -> Self {
        let mut is_parameter = vec![false; nodes.len()];
        for id in parameters {
            is_parameter[id.index()] = true;
        }
        let mut reached = vec![false; nodes.len()];
        for id in results {
            reached[id.index()] = true;
        }
        for position in (0..nodes.len()).rev() {
            if reached[position] && !is_parameter[position] {
                for id in &nodes[position].inputs {
                    reached[id.index()] = true;
                }
            }
        }
        let mut inside = vec![false; nodes.len()];
        for (position, node) in nodes.iter().enumerate() {
            let within = |id: &NodeId| inside[id.index()] || is_parameter[id.index()];
            inside[position] =
                reached[position] && !is_parameter[position] && node.inputs.iter().any(within);
        }
        let mut region = Self { inside, captured: Vec::new() };
        for position in 0..nodes.len() {
            if region.inside[position] {
                for &id in &nodes[position].inputs {
                    region.capture(nodes, &is_parameter, id);
                }
            }
        }
        for &id in results {
            region.capture(nodes, &is_parameter, id);
        }
        region.captured.sort_unstable();
        region.captured.dedup();
        region
    }

    /// Takes in what a step reads: constants and views are the step's own.
    fn capture(&mut self, nodes: &[Node], is_parameter: &[bool], id: NodeId) {
        if self.inside[id.index()] || is_parameter[id.index()] {
            return;
        }
        let node = &nodes[id.index()];
        match node.op {
            Op::Constant(_) => self.inside[id.index()] = true,
            Op::View(View::Reshape | View::Broadcast) => {
                self.inside[id.index()] = true;
                self.capture(nodes, is_parameter, node.inputs[0]);
            }
            _ => self.captured.push(id),
        }
    }
}

/// Makes the steps of every loop a graph of their own. Nodes outside of loops stay where they are.
pub fn outline(graph: &mut Graph) {
    // A loop within a loop comes before it, and is one of its nodes.
    for position in 0..graph.nodes.len() {
        let Op::Scan(scan) = &graph.nodes[position].op else { continue };
        let Body::Traced { parameters, results } = &scan.body else { continue };
        let region = Region::new(&graph.nodes, parameters, results);
        let body = Body::Outlined(extract(graph, &region, parameters, results));
        let outlined = Scan { body, ..(**scan).clone() };
        let given = outlined.given_inputs();
        let node = &mut graph.nodes[position];
        node.op = outlined.into();
        node.inputs.truncate(given);
        node.inputs.extend(region.captured);
    }
}

/// The graph of a step.
fn extract(graph: &Graph, region: &Region, parameters: &[NodeId], results: &[NodeId]) -> Graph {
    let mut body = Graph { scopes: graph.scopes.clone(), ..Graph::default() };
    let mut new: FxHashMap<NodeId, NodeId> = FxHashMap::default();
    for &id in parameters.iter().chain(&region.captured) {
        let place = NodeId(body.nodes.len() as u32);
        let op = Op::Input(body.inputs.len());
        body.nodes.push(Node { op, inputs: Vec::new(), ..graph.node(id).clone() });
        body.inputs.push(place);
        new.entry(id).or_insert(place);
    }
    for (position, node) in graph.nodes.iter().enumerate().take(region.inside.len()) {
        let id = NodeId(position as u32);
        if !region.inside[position] || new.contains_key(&id) {
            continue;
        }
        let inputs = node.inputs.iter().map(|id| new[id]).collect();
        new.insert(id, NodeId(body.nodes.len() as u32));
        body.nodes.push(Node { inputs, ..node.clone() });
    }
    body.outputs = results.iter().map(|id| new[id]).collect();
    body
}

impl Graph {
    /// The error for a value of a step that is used outside of its loop.
    pub(super) fn leaked(&self) -> Option<Error> {
        let needed = self.needed();
        let mut leaked = vec![false; self.nodes.len()];
        for (position, node) in self.nodes.iter().enumerate() {
            leaked[position] =
                matches!(node.op, Op::Parameter) || node.inputs.iter().any(|id| leaked[id.index()]);
        }
        let place = (0..self.nodes.len()).rfind(|&place| leaked[place] && needed[place])?;
        let node = &self.nodes[place];
        let message = "what a step of a loop computes is used outside of the loop";
        let help = "return it from the step: as a state, or as an output, which are stacked";
        let error = Error::usage(message, help);
        Some(error.in_layer(self.scopes[node.scope as usize].clone()).at(node.site))
    }
}

/// The shape and type of a loop's node, which stand for nothing: its parts have the values.
pub fn scan_form() -> (Shape, DType) {
    ([0].into(), DType::F32)
}
