//! The tracing of one closure: the graph as it grows, where in the user's code and layers it grows,
//! and what went wrong.
//!
//! In: nodes pushed by tensors' methods. Out: the finished graph, or the first error. In eager mode
//! every node is computed as it is pushed, so that values can be looked at.

mod loops;
mod messages;
mod stand_ins;

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::array::Array;
use crate::dtype::{DType, Element};
use crate::error::{Error, ErrorKind, Result};
use crate::shape::Shape;
use crate::simd::Routine;
use crate::site::Site;
use crate::variable::Variable;

use messages::Warning;
use stand_ins::StandIn;

use super::{Check, Graph, Node, NodeId, Occasion, Op, Rule, Tensor, scan};

/// Computes one node from the values of its inputs: the node-by-node reference.
pub type Evaluate = fn(node: &Node, inputs: &[&Array]) -> Result<Array>;

/// The graph being traced, shared by all tensors in it.
pub struct Trace {
    state: RefCell<TraceState>,
}

#[derive(Default)]
struct TraceState {
    graph: Graph,
    scope: u32,
    /// The user's lines that applied the layers being traced, outermost first.
    callers: Vec<Site>,
    /// The line of a program in another language that is being run.
    line: Option<Site>,
    error: Option<Error>,
    warnings: Vec<Warning>,
    /// The current value of each variable by its id: its node at the start, and after assignments
    /// the assigned one.
    current: FxHashMap<u64, CurrentValue>,
    /// The variables that formulas have read beside a tensor.
    beside: Vec<Variable>,
    /// Values that stand for variables' own.
    stand_ins: Vec<StandIn>,
    eager: Option<Eager>,
    /// Whether loops are traced step by step.
    unrolls: bool,
    /// What the steps of the loops that are traced have read of variables, outermost loop first.
    loop_reads: Vec<Vec<loops::LoopRead>>,
    /// The variables that steps of loops assign, by their ids.
    assigned_by_steps: Vec<u64>,
}

struct CurrentValue {
    index: usize,
    read: Tensor,
    value: Tensor,
    /// The values it was assigned, in order.
    assigned: Vec<Tensor>,
}

struct Eager {
    evaluate: Evaluate,
    inputs: Vec<Array>,
    values: Vec<Array>,
}

impl Trace {
    /// A trace without values.
    pub fn new() -> Rc<Self> {
        Self::start(None)
    }

    /// A trace that computes every node as it is pushed, on these inputs.
    pub fn eager(evaluate: Evaluate, inputs: Vec<Array>) -> Rc<Self> {
        Self::start(Some(Eager { evaluate, inputs, values: Vec::new() }))
    }

    fn start(eager: Option<Eager>) -> Rc<Self> {
        let graph = Graph { scopes: vec![String::new()], ..Graph::default() };
        let state = TraceState { graph, unrolls: eager.is_some(), eager, ..TraceState::default() };
        Rc::new(Self { state: RefCell::new(state) })
    }

    /// Adds an operation and returns its value.
    pub fn push(
        self: &Rc<Self>,
        op: Op,
        inputs: &[&Tensor],
        shape: Shape,
        dtype: DType,
        site: Site,
    ) -> Tensor {
        if let Some(error) = self.stranger(inputs) {
            return self.fail(error.at(site), shape, dtype);
        }
        // All that plans, kernels and gradients multiply of sizes relies on this.
        if !shape.is_possible() {
            return self.fail(shape.too_large().at(site), shape, dtype);
        }
        if self.is_eager()
            && let Err(error) = Array::require_room(&shape, dtype)
        {
            return self.fail(error.at(site), shape, dtype);
        }
        let inputs = inputs.iter().map(|input| input.id()).collect();
        let mut state = self.state.borrow_mut();
        let site = state.users(site);
        let node = Node { op, inputs, shape: shape.clone(), dtype, scope: state.scope, site };
        let state = &mut *state;
        let mut failed = None;
        if let Some(eager) = &mut state.eager {
            let value = match &node.op {
                Op::Input(index) => eager.inputs[*index].clone(),
                Op::Variable(index) => state.graph.variables[*index].value(),
                Op::Constant(array) => array.clone(),
                _ => {
                    let inputs: Vec<&Array> =
                        node.inputs.iter().map(|id| &eager.values[id.index()]).collect();
                    (eager.evaluate)(&node, &inputs).unwrap_or_else(|error| {
                        failed = Some(error);
                        Array::zeros(&node.shape, node.dtype)
                    })
                }
            };
            eager.values.push(value);
        }
        state.graph.nodes.push(node);
        if let Some(error) = failed {
            state.error.get_or_insert(error.at(site));
        }
        Tensor::new(self.clone(), NodeId(state.graph.nodes.len() as u32 - 1), shape, dtype)
    }

    /// The error for the first tensor that is not of this trace.
    pub(crate) fn stranger(self: &Rc<Self>, tensors: &[&Tensor]) -> Option<Error> {
        let stranger = tensors.iter().find(|tensor| !Rc::ptr_eq(tensor.trace(), self))?;
        let message = format!("a tensor of shape {} belongs to another trace", stranger.shape());
        let help = "tensors live only while the closure that made them is traced: keep numbers in \
            a `Variable` instead";
        Some(Error::usage(message, help))
    }

    /// Adds the run's next input. Bytes are integers from here on.
    pub fn input(self: &Rc<Self>, shape: Shape, dtype: DType, site: Site) -> Tensor {
        let index = self.state.borrow().graph.inputs.len();
        let tensor = self.push(Op::Input(index), &[], shape, dtype, site);
        self.state.borrow_mut().graph.inputs.push(tensor.id());
        if dtype == DType::U8 {
            self.push(Op::Cast, &[&tensor], tensor.shape().clone(), DType::I32, site)
        } else {
            tensor
        }
    }

    /// Adds the input that tells for what random numbers are drawn, after all others.
    pub(crate) fn occasion(self: &Rc<Self>, site: Site) -> Tensor {
        let tensor = self.input([Occasion::WORDS].into(), DType::I32, site);
        self.state.borrow_mut().graph.occasion = Some(tensor.id());
        tensor
    }

    /// Adds numbers known while tracing.
    pub fn constant(self: &Rc<Self>, array: Array, site: Site) -> Tensor {
        let array = if array.dtype() == DType::U8 { array.cast(DType::I32) } else { array };
        let (shape, dtype) = (array.shape().clone(), array.dtype());
        self.push(Op::Constant(array), &[], shape, dtype, site)
    }

    /// Adds the numbers `f(0), f(1), ..` in a shape; an error where no array may have it, or the
    /// system gives no memory.
    pub fn constant_from_fn<T: Element>(
        self: &Rc<Self>,
        shape: impl Into<Shape>,
        f: impl FnMut(usize) -> T,
        site: Site,
    ) -> Tensor {
        let shape = shape.into();
        match Array::require_room(&shape, T::DTYPE) {
            Ok(()) => self.constant(Array::from_fn(shape, f), site),
            Err(error) => self.fail(error.at(site), shape, T::DTYPE),
        }
    }

    /// The value of a variable: what it has when the run starts, or what it was last assigned in
    /// this trace.
    pub fn read(self: &Rc<Self>, variable: &Variable, site: Site) -> Tensor {
        let value = self.current_value(variable, site);
        self.read_by_step(variable, value, site)
    }

    fn current_value(self: &Rc<Self>, variable: &Variable, site: Site) -> Tensor {
        if let Some(current) = self.state.borrow().current.get(&variable.id()) {
            return current.value.clone();
        }
        let index = {
            let mut state = self.state.borrow_mut();
            state.graph.variables.push(variable.clone());
            state.graph.variables.len() - 1
        };
        let read =
            self.push(Op::Variable(index), &[], variable.shape().clone(), variable.dtype(), site);
        let current =
            CurrentValue { index, read: read.clone(), value: read.clone(), assigned: Vec::new() };
        self.state.borrow_mut().current.insert(variable.id(), current);
        read
    }

    /// The same, asked for by a formula, beside a tensor: it is kept in mind for whoever computes
    /// the formula.
    pub fn read_beside(self: &Rc<Self>, variable: &Variable, site: Site) -> Tensor {
        self.state.borrow_mut().beside.push(variable.clone());
        self.stand_in(variable).unwrap_or_else(|| self.read(variable, site))
    }

    /// How many variables were read by formulas so far.
    pub(crate) fn read_beside_count(&self) -> usize {
        self.state.borrow().beside.len()
    }

    /// The variables that formulas have read after the first `count` of them.
    pub(crate) fn read_beside_since(&self, count: usize) -> Vec<Variable> {
        self.state.borrow().beside[count..].to_vec()
    }

    /// Gives a variable a new value, from here on in the trace and after the run.
    pub fn assign(self: &Rc<Self>, variable: &Variable, value: &Tensor, site: Site) {
        if (value.shape(), value.dtype()) != (variable.shape(), variable.dtype()) {
            let [want, got] =
                [(variable.dtype(), variable.shape()), (value.dtype(), value.shape())]
                    .map(|(d, s)| format!("{d}{s}"));
            let message =
                format!("cannot assign {got} to variable `{}`, which is {want}", variable.name());
            let help = "reduce, reshape or cast the value to the variable's shape and type";
            return self.refuse(ErrorKind::Shape, message, help, site);
        }
        if let Some(error) = self.stranger(&[value]) {
            return self.record(error.at(site));
        }
        self.read(variable, site);
        // From here on the variable is this value: a gradient with respect to it ends here, and
        // does not go on into what the value was computed from.
        let rule = Rule { name: "assigned", gradient: Box::new(|_| Vec::new()) };
        let (shape, dtype) = (value.shape().clone(), value.dtype());
        let value = self.push(rule.into(), &[value], shape, dtype, site);
        let mut state = self.state.borrow_mut();
        let current = state.current.get_mut(&variable.id()).expect("read just now");
        current.assigned.push(value.clone());
        current.value = value;
    }

    /// The node that reads a variable's value at the start of the run, if the trace has read it.
    pub fn first_read(&self, variable: &Variable) -> Option<Tensor> {
        self.state.borrow().current.get(&variable.id()).map(|current| current.read.clone())
    }

    /// All values that a variable has in this trace: at the start of the run, if the trace has read
    /// it, and after each assignment.
    pub fn values_of(&self, variable: &Variable) -> Vec<Tensor> {
        let state = self.state.borrow();
        state.current.get(&variable.id()).map_or_else(Vec::new, |c| {
            std::iter::once(&c.read).chain(&c.assigned).cloned().collect()
        })
    }

    /// Demands that a value be finite before any variable is written.
    pub fn check(self: &Rc<Self>, tensor: &Tensor, what: impl Into<String>) {
        if let Some(error) = self.stranger(&[tensor]) {
            return self.record(error);
        }
        self.state.borrow_mut().graph.checks.push(Check { node: tensor.id(), what: what.into() });
    }

    /// Demands nothing of the values checked so far.
    pub(crate) fn drop_checks(&self) {
        self.state.borrow_mut().graph.checks.clear();
    }

    /// Lets a run write these variables alone, of those assigned so far.
    pub(crate) fn keep_writes(&self, kept: &[&Variable]) {
        let kept: Vec<u64> = kept.iter().map(|variable| variable.id()).collect();
        for (id, current) in &mut self.state.borrow_mut().current {
            if !kept.contains(id) {
                current.assigned.clear();
            }
        }
    }

    /// How many values are checked so far.
    pub(crate) fn check_count(&self) -> usize {
        self.state.borrow().graph.checks.len()
    }

    /// The name of the first checked value that is not finite in eager mode, without the first
    /// `after` checks.
    pub(crate) fn failed_check(&self, after: usize) -> Option<String> {
        let state = self.state.borrow();
        let values = &state.eager.as_ref()?.values;
        let failed = |check: &&Check| !values[check.node.index()].is_finite();
        state.graph.checks[after..].iter().find(failed).map(|check| check.what.clone())
    }

    /// Reads a variable anew, as if the trace had neither read nor assigned it.
    pub(crate) fn forget(&self, variable: &Variable) {
        let known = self.state.borrow_mut().current.remove(&variable.id());
        drop(known);
    }

    /// Says which line of a text that is not Rust is being run, such as a program in another
    /// language: it stands for all lines of Rust until this is called again. Returns the one
    /// before.
    pub fn set_line(&self, line: Option<Site>) -> Option<Site> {
        std::mem::replace(&mut self.state.borrow_mut().line, line)
    }

    /// The path of the layer being traced; empty outside all layers.
    pub fn scope(&self) -> String {
        let state = self.state.borrow();
        state.graph.scopes[state.scope as usize].clone()
    }

    /// Makes `path` the layer being traced, applied at `caller`, and returns the one before, for
    /// [`Trace::leave`].
    pub fn enter(&self, path: &str, caller: Site) -> u32 {
        let mut state = self.state.borrow_mut();
        let known = state.graph.scopes.iter().rposition(|scope| scope == path);
        let scope = known.unwrap_or_else(|| {
            state.graph.scopes.push(path.to_string());
            state.graph.scopes.len() - 1
        });
        let caller = state.users(caller);
        state.callers.push(caller);
        std::mem::replace(&mut state.scope, scope as u32)
    }

    /// Makes the layer of a node traced before the one being traced, for its gradient; returns the
    /// one before.
    pub(crate) fn reenter(&self, node: &Node) -> u32 {
        let mut state = self.state.borrow_mut();
        state.callers.push(node.site);
        std::mem::replace(&mut state.scope, node.scope)
    }

    /// Goes back to the layer that [`Trace::enter`] returned.
    pub fn leave(&self, scope: u32) {
        let mut state = self.state.borrow_mut();
        state.callers.pop();
        state.scope = scope;
    }

    /// The value of the node at a position, if there is one: what a binding to another language
    /// keeps instead of a tensor.
    pub fn tensor(self: &Rc<Self>, position: u32) -> Option<Tensor> {
        let state = self.state.borrow();
        let node = state.graph.nodes.get(position as usize)?;
        Some(Tensor::new(self.clone(), NodeId(position), node.shape.clone(), node.dtype))
    }

    /// How many nodes there are so far.
    pub fn node_count(&self) -> usize {
        self.state.borrow().graph.nodes.len()
    }

    /// The variables that nodes of these numbers read, in the order of their first use in the
    /// trace.
    pub(crate) fn variables_read(&self, numbers: &Range<usize>) -> Vec<Variable> {
        let state = self.state.borrow();
        let nodes = state.graph.nodes.iter().enumerate();
        let mut is_read = vec![false; state.graph.nodes.len()];
        for (number, node) in nodes.take(numbers.end).skip(numbers.start) {
            is_read[number] = true;
            node.inputs.iter().for_each(|id| is_read[id.index()] = true);
        }
        let mut found: Vec<&CurrentValue> = state.current.values().collect();
        found.retain(|current| {
            let mut values = std::iter::once(&current.read).chain(&current.assigned);
            values.any(|value| is_read[value.id().index()])
        });
        found.sort_by_key(|current| current.index);
        found.iter().map(|current| state.graph.variables[current.index].clone()).collect()
    }

    /// A copy of a node.
    pub fn node(&self, id: NodeId) -> Node {
        self.state.borrow().graph.node(id).clone()
    }

    /// The value of a node in eager mode.
    pub fn value(&self, id: NodeId) -> Option<Array> {
        self.state.borrow().eager.as_ref().map(|eager| eager.values[id.index()].clone())
    }

    /// Takes note of what an optimizer does to a weight and its slots.
    pub fn declare(&self, routine: &'static Routine) {
        let routines = &mut self.state.borrow_mut().graph.routines;
        if !routines.contains(&routine) {
            routines.push(routine);
        }
    }

    /// Whether values are computed while tracing.
    pub fn is_eager(&self) -> bool {
        self.state.borrow().eager.is_some()
    }

    /// Ends the trace: the graph with its outputs and writes and the warnings, or the first error.
    pub fn finish(self: &Rc<Self>, outputs: &[&Tensor]) -> Result<(Graph, Vec<String>)> {
        if let Some(error) = self.stranger(outputs) {
            self.record(error);
        }
        let mut state = self.state.borrow_mut();
        let current = std::mem::take(&mut state.current);
        // A tensor that outlives the trace still finds the names of its layers.
        let rest = Graph { scopes: state.graph.scopes.clone(), ..Graph::default() };
        let mut graph = std::mem::replace(&mut state.graph, rest);
        if let Some(error) = state.error.take() {
            // The rules of custom gradients may hold tensors of this trace, which drop only once it
            // is no longer borrowed.
            drop(state);
            drop((current, graph));
            return Err(error);
        }
        graph.outputs = outputs.iter().map(|output| output.id()).collect();
        graph.writes = current
            .values()
            .filter(|c| !c.assigned.is_empty())
            .map(|c| (c.index, c.value.id()))
            .collect();
        graph.writes.sort();
        scan::outline(&mut graph);
        if let Some(error) = graph.leaked() {
            drop(state);
            drop((current, graph));
            return Err(error);
        }
        let warnings = std::mem::take(&mut state.warnings).into_iter().map(Warning::line).collect();
        drop(state);
        drop(current);
        Ok((graph, warnings))
    }
}

impl TraceState {
    /// The line to report for `site`: itself, or for code of this library the user's line that
    /// applied the layer; in a program of another language its line.
    fn users(&self, site: Site) -> Site {
        if let Some(line) = self.line {
            return line;
        }
        let ours = site.file().starts_with(file!().trim_end_matches("graph/trace.rs"));
        if ours { self.callers.last().copied().unwrap_or(site) } else { site }
    }
}
