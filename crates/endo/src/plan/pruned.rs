//! Leaves out of a loop what nothing depends on: states that only go round, and what steps give
//! that nobody reads.
//!
//! In: a loop, and which of its parts are wanted. Out: the smaller loop, the inputs that it still
//! takes, and the new places of its parts.

use crate::graph::{Body, Graph, NodeId, Op, Scan, reached};

/// A loop without what nothing depends on.
pub struct Pruned {
    /// The loop.
    pub scan: Scan,
    /// The places, among the inputs of the loop that it was made of, of its own.
    pub inputs: Vec<usize>,
    /// The new place of each part that is kept.
    pub parts: Vec<Option<usize>>,
}

/// The loop that has the wanted parts.
pub fn pruned(scan: &Scan, wanted: &[usize]) -> Pruned {
    let body = scan.graph();
    let first = scan.first_result();
    let states = first..first + scan.states;
    let mut kept: Vec<bool> = (0..body.outputs.len()).map(|place| place < first).collect();
    for place in wanted.iter().filter_map(|&part| scan.result_of(part)) {
        kept[place] = true;
    }
    // A state is kept if what is kept depends on it.
    let needed = loop {
        let needed = needed(body, &kept);
        let is_read = |place: usize| needed[body.inputs[1 + place - first].index()];
        match states.clone().find(|&place| !kept[place] && is_read(place)) {
            Some(place) => kept[place] = true,
            None => break needed,
        }
    };
    let is_kept_input = |place: usize| match place.checked_sub(1) {
        None => true,
        Some(state) if state < scan.states => kept[first + state],
        Some(_) => needed[body.inputs[place].index()],
    };
    let places: Vec<usize> = (0..body.inputs.len()).filter(|&place| is_kept_input(place)).collect();
    let of_loop = places.iter().filter(|&&place| place > 0).map(|place| place - 1);
    let inputs = of_loop.map(|place| place + scan.first_input());
    let count =
        |range: std::ops::Range<usize>| places.iter().filter(|at| range.contains(at)).count();
    let mut next = 0;
    let parts = (0..=body.outputs.len() - first).map(|part| {
        let is_kept = scan.result_of(part).is_none_or(|place| kept[place]);
        next += usize::from(is_kept);
        is_kept.then_some(next - 1)
    });
    let sequences = 1 + scan.states..scan.parameters();
    Pruned {
        parts: parts.collect(),
        inputs: (0..scan.first_input()).chain(inputs).collect(),
        scan: Scan {
            states: count(1..1 + scan.states),
            sequences: count(sequences),
            body: Body::Outlined(smaller(body, &kept, &places)),
            ..*scan
        },
    }
}

/// The nodes of a step that what is kept depends on.
fn needed(body: &Graph, kept: &[bool]) -> Vec<bool> {
    let outputs = body.outputs.iter().zip(kept).filter(|&(_, &kept)| kept);
    reached(&body.nodes, outputs.map(|(&id, _)| id))
}

/// The graph of a step with these outputs and inputs alone.
fn smaller(body: &Graph, kept: &[bool], inputs: &[usize]) -> Graph {
    let outputs = body.outputs.iter().zip(kept).filter(|&(_, &kept)| kept);
    let mut graph = Graph {
        nodes: body.nodes.clone(),
        outputs: outputs.map(|(&id, _)| id).collect(),
        scopes: body.scopes.clone(),
        inputs: inputs.iter().map(|&place| body.inputs[place]).collect(),
        ..Graph::default()
    };
    for (index, &NodeId(id)) in graph.inputs.iter().enumerate() {
        graph.nodes[id as usize].op = Op::Input(index);
    }
    graph
}

/// Whether a loop stacks something that nothing in the graph takes.
pub fn has_unwanted_parts(graph: &Graph) -> bool {
    let of = |position: usize| {
        let parts = graph.nodes[position..].iter().filter_map(move |node| match node.op {
            Op::Part(part) if node.inputs[0].index() == position => Some(part),
            _ => None,
        });
        parts.collect::<Vec<usize>>()
    };
    graph.nodes.iter().enumerate().any(|(position, node)| {
        let Op::Scan(scan) = &node.op else { return false };
        let wanted = of(position);
        let stacked = scan.graph().outputs.len() - scan.first_result() - scan.states;
        wanted.iter().filter(|&&part| scan.is_stacked(part)).count() < stacked
    })
}
