//! What a user's closure is traced to: an append-only list of operations.
//!
//! A node's inputs always come before it. This folder knows the forms that operations have, not one
//! concrete operation: those are values of the types in [`operation`], made in `ops/`. [`Tensor`]
//! is the handle by which closures build it.

pub mod display;
pub mod notation;
mod occasion;
pub mod operation;
pub mod saved;
pub mod scan;
pub mod tensor;
pub mod trace;
pub mod tree;
mod validity;
pub(crate) mod windows;

use std::sync::Arc;

use crate::array::Array;
use crate::dtype::DType;
use crate::shape::Shape;
use crate::simd::{Reduction, Routine};
use crate::site::Site;
use crate::variable::Variable;

pub(crate) use occasion::Occasion;
pub use operation::{
    Effect, Elementwise, Form, Formula, Kernel, KernelReader, Operand, OperandMut, Output, Rule,
    Transposed, Values, ValuesMut, View,
};
pub(crate) use operation::{flag, slice_parts};
pub use saved::SavedGraph;
pub use scan::{Body, Scan};
pub use tensor::Tensor;
pub use trace::{Evaluate, Trace};
pub use tree::Tree;
pub use validity::looks;
pub use windows::{Window, Windowing};

/// The position of a node in its graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u32);

impl NodeId {
    /// As an index into [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation: what it does, on what, and where the user asked for it.
#[derive(Clone, Debug)]
pub struct Node {
    /// The form of the operation with what it needs besides its inputs.
    pub op: Op,
    /// The nodes whose values it takes; all come before it.
    pub inputs: Vec<NodeId>,
    /// The shape of its value.
    pub shape: Shape,
    /// The element type of its value.
    pub dtype: DType,
    /// The layer it was traced in: an index into [`Graph::scopes`].
    pub scope: u32,
    /// The line of the user's code that asked for it.
    pub site: Site,
}

/// The forms of operations: the closed list that plans, gradients and displays are written for.
#[derive(Clone, Debug)]
pub enum Op {
    /// The run's input with this index.
    Input(usize),
    /// The value that the variable with this index in [`Graph::variables`] has when the run starts.
    Variable(usize),
    /// Numbers known while tracing.
    Constant(Array),
    /// A function of one element of each input, all of the node's shape.
    Elementwise(&'static Elementwise),
    /// Conversion to the node's element type: toward zero for integers, `!= 0` for truth values.
    Cast,
    /// Combines the elements along the given axes (ascending), which the node's shape no longer
    /// has.
    Reduce(Reduction, Vec<usize>),
    /// `[batch.., m, k]` times `[batch.., k, n]`, the same batch axes; a transposed operand has its
    /// last two axes swapped.
    Matmul {
        /// Which of the two operands are transposed.
        transposed: Transposed,
    },
    /// The same numbers looked at in another way; needs no arithmetic, and mostly no copy.
    View(View),
    /// An operation with code of its own, on whole contiguous arrays.
    Kernel(Arc<dyn Kernel>),
    /// The value of the first input, with a gradient of its own.
    Identity(Arc<Rule>),
    /// What is done once for each step of a loop; its values are its parts.
    Scan(Arc<Scan>),
    /// The part with this index of the results of the input, which is a loop.
    Part(usize),
    /// What a step of a loop is given, while the loop is traced.
    Parameter,
}

impl<K: Kernel> From<K> for Op {
    fn from(kernel: K) -> Self {
        Op::Kernel(Arc::new(kernel))
    }
}

impl From<View> for Op {
    fn from(view: View) -> Self {
        Op::View(view)
    }
}

// Rules and what loops are traced to hold no thread's state, but users' rules may hold tensors: a
// graph does not leave its thread before a plan is made.
#[allow(clippy::arc_with_non_send_sync)]
impl From<Rule> for Op {
    fn from(rule: Rule) -> Self {
        Op::Identity(Arc::new(rule))
    }
}

#[allow(clippy::arc_with_non_send_sync)]
impl From<Scan> for Op {
    fn from(scan: Scan) -> Self {
        Op::Scan(Arc::new(scan))
    }
}

impl Op {
    /// Whether it is a kernel that does more than compute its output.
    pub fn is_effect(&self) -> bool {
        matches!(self, Op::Kernel(kernel) if kernel.effect().is_some())
    }
}

/// A value that has to be finite before any variable is written.
#[derive(Clone, Debug)]
pub struct Check {
    /// The value.
    pub node: NodeId,
    /// What it is: "the gradient of `dense/kernel`".
    pub what: String,
}

/// A traced closure: operations, and which of their values are wanted.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The operations, inputs before users.
    pub nodes: Vec<Node>,
    /// The nodes of the run's inputs, by index.
    pub inputs: Vec<NodeId>,
    /// The last of the inputs, if that tells for which call of `predict` or epoch of a test random
    /// numbers are drawn.
    pub occasion: Option<NodeId>,
    /// The variables that the graph reads or writes.
    pub variables: Vec<Variable>,
    /// The values that a run returns.
    pub outputs: Vec<NodeId>,
    /// The values that variables (by index) have after the run; each variable at most once.
    pub writes: Vec<(usize, NodeId)>,
    /// The values that must be finite for the writes to happen.
    pub checks: Vec<Check>,
    /// Paths of layers; the first is the empty path.
    pub scopes: Vec<String>,
    /// What optimizers say that is done to weights and slots: some of the operations, as formulas
    /// that there is machine code for.
    pub routines: Vec<&'static Routine>,
}

impl Graph {
    /// The node at a position.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The nodes of outputs, writes and checks, and the effects.
    pub fn roots(&self) -> impl Iterator<Item = NodeId> {
        let written = self.writes.iter().map(|&(_, id)| id);
        let checked = self.checks.iter().map(|check| check.node);
        let effects = self.nodes.iter().enumerate().filter(|(_, node)| node.op.is_effect());
        let effects = effects.map(|(position, _)| NodeId(position as u32));
        self.outputs.iter().copied().chain(written).chain(checked).chain(effects)
    }

    /// The nodes that outputs, writes and checks depend on, by position.
    pub fn needed(&self) -> Vec<bool> {
        reached(&self.nodes, self.roots())
    }
}

/// The nodes that some depend on, and these, by position.
pub fn reached(nodes: &[Node], from: impl IntoIterator<Item = NodeId>) -> Vec<bool> {
    let mut reached = vec![false; nodes.len()];
    for id in from {
        reached[id.index()] = true;
    }
    for (position, node) in nodes.iter().enumerate().rev() {
        if reached[position] {
            for id in &node.inputs {
                reached[id.index()] = true;
            }
        }
    }
    reached
}
