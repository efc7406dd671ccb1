//! Whether each row of the outputs depends on its own row of the inputs alone.
//!
//! In: a saved graph. Out: nothing, or the operation that takes rows together: a file for any
//! number of rows works on some at a time, which gives every row the same numbers only if none
//! does.

use endo::graph::SavedGraph;
use endo::graph::saved::{Count, SavedNode};

/// The first operation that takes rows together, by its position.
pub fn mixing(graph: &SavedGraph) -> Option<usize> {
    let assigned = graph.writes.first().map(|&(_, place)| place);
    assigned.or_else(|| (0..graph.nodes.len()).find(|&place| mixes(graph, place)))
}

/// Whether a value has numbers of its own for each row: then its first axis counts rows, or several
/// positions for each.
fn has_rows(node: &SavedNode) -> bool {
    node.shape.iter().any(|size| size.each != 0)
}

fn mixes(graph: &SavedGraph, place: usize) -> bool {
    let node = &graph.nodes[place];
    let inputs: Vec<&SavedNode> = node.inputs.iter().map(|&input| &graph.nodes[input]).collect();
    let any = inputs.iter().any(|input| has_rows(input));
    if !has_rows(node) {
        return any;
    }
    let outermost = node.shape.first().is_some_and(|size| size.fixed == 0 && size.each > 0);
    if !outermost || node.shape[1..].iter().any(|size| size.each != 0) {
        return true;
    }
    !keeps_rows_apart(node, &inputs)
}

/// Whether an operation whose value has rows first, gives each row what follows from that row.
fn keeps_rows_apart(node: &SavedNode, inputs: &[&SavedNode]) -> bool {
    let number = |index: usize| node.attributes.get(index).copied();
    let is = |index: usize, value: i64| number(index) == Some(Count { fixed: value, each: 0 });
    // An axis that counts no rows.
    let axis_behind = |index: usize| number(index).is_some_and(|axis| axis.fixed > 0);
    let all = inputs.iter().all(|input| has_rows(input));
    let rows = |index: usize| inputs.get(index).is_some_and(|input| has_rows(input));
    let same_first =
        || inputs.first().is_some_and(|input| input.shape.first() == node.shape.first());
    match node.operation.as_str() {
        "input" | "fill" | "cast" | "identity" => true,
        "reduce_sum" | "reduce_product" | "reduce_max" | "reduce_min" => {
            node.attributes.iter().all(|axis| axis.fixed > 0)
        }
        "matmul" if node.shape.len() > 2 => all,
        "matmul" => rows(0) && !rows(1) && is(0, 0),
        "reshape" => all,
        "transpose" => is(0, 0),
        // Free of rows before, it is the same in all.
        "broadcast" => same_first() || !all,
        "slice" => is(0, 0) && is(1, 1) && same_first(),
        "unslice" => is(0, 0) && is(1, 1) && same_first(),
        "concatenate" => axis_behind(0) && all,
        "gather" if rows(0) => axis_behind(0) && !rows(1),
        "gather" => is(0, 0),
        "scatter_add" => axis_behind(0) && (all || !rows(1) && is(1, 0)),
        "take_along_axis" | "cumsum" | "cumprod" | "linear_recurrence" => axis_behind(0) && all,
        "argsort" => node.shape.len() > 1,
        "argmax" | "argmin" | "windows" | "overlap_add" => all,
        "take_greatest" | "add_to_greatest" => all,
        // A kernel may be one for all rows.
        "depthwise" | "depthwise_add" => rows(0),
        "depthwise_sums" => all,
        "random_uniform" => node.attributes.len() == 2,
        "variable" | "constant" | "occasion" | "summaries" | "dots" => false,
        // Element by element.
        name => all && endo::ops::tables().into_iter().flatten().any(|known| known.name == name),
    }
}
