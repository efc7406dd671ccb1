//! Loops in a trace: their steps are nodes of the same graph until the trace ends.
//!
//! In: what a step is given and makes. Out: the loop's node, and its parts.

use std::rc::Rc;

use crate::dtype::DType;
use crate::shape::Shape;
use crate::site::Site;
use crate::variable::Variable;

use super::super::scan::{self, Body, Scan};
use super::super::{NodeId, Op, Rule, Tensor};
use super::Trace;

/// What a variable is to the steps of a loop.
pub(super) struct LoopRead {
    variable: Variable,
    /// Its value before the loop.
    before: Tensor,
    /// What steps read: the same, or where a step assigns it what the step before has.
    given: Tensor,
}

impl Trace {
    /// Begins the steps of a loop, which read variables at nodes of their own.
    pub(crate) fn begin_loop(&self) {
        self.state.borrow_mut().loop_reads.push(Vec::new());
    }

    /// Ends the steps of a loop: variables have the values from before it again, but for those that
    /// it assigned. Returns for each of these its value before, and what steps read.
    pub(crate) fn end_loop(&self, assigned: &[&Variable]) -> Vec<[Tensor; 2]> {
        let mut state = self.state.borrow_mut();
        let reads = state.loop_reads.pop().unwrap_or_default();
        for read in &reads {
            if !assigned.contains(&&read.variable)
                && let Some(current) = state.current.get_mut(&read.variable.id())
            {
                current.value = read.before.clone();
            }
        }
        state.assigned_by_steps.extend(assigned.iter().map(|variable| variable.id()));
        let of = |variable: &&Variable| {
            let read = reads.iter().find(|read| read.variable == **variable);
            read.map(|read| [read.before.clone(), read.given.clone()])
        };
        assigned.iter().filter_map(of).collect()
    }

    /// Whether steps of a loop assign a variable, so that it has more values than the trace has
    /// nodes for.
    pub(crate) fn is_assigned_by_steps(&self, variable: &Variable) -> bool {
        self.state.borrow().assigned_by_steps.contains(&variable.id())
    }

    /// The value of a variable as a step of the innermost loop reads it first.
    pub(super) fn read_by_step(
        self: &Rc<Self>,
        variable: &Variable,
        before: Tensor,
        site: Site,
    ) -> Tensor {
        let is_known = match self.state.borrow().loop_reads.last() {
            None => true,
            Some(reads) => reads.iter().any(|read| read.variable == *variable),
        };
        if is_known {
            return before;
        }
        let gradient = Box::new(|dy: &Tensor| vec![Some(dy.clone())]);
        let rule = Rule { name: "read_by_step", gradient };
        let (shape, dtype) = (before.shape().clone(), before.dtype());
        let given = self.push(rule.into(), &[&before, &before], shape, dtype, site);
        let mut state = self.state.borrow_mut();
        if let Some(current) = state.current.get_mut(&variable.id()) {
            current.value = given.clone();
        }
        let read = LoopRead { variable: variable.clone(), before, given: given.clone() };
        if let Some(reads) = state.loop_reads.last_mut() {
            reads.push(read);
        }
        given
    }

    /// Whether loops are traced step by step, as in eager mode.
    pub fn unrolls(&self) -> bool {
        self.state.borrow().unrolls
    }

    /// Traces loops step by step from here on: for what runs graphs without loops.
    pub fn unroll(&self) {
        self.state.borrow_mut().unrolls = true;
    }

    /// Adds what a step of a loop is given.
    pub(crate) fn parameter(self: &Rc<Self>, shape: Shape, dtype: DType, site: Site) -> Tensor {
        self.push(Op::Parameter, &[], shape, dtype, site)
    }

    /// Adds a loop, whose steps are nodes that lead from `parameters` to `results`.
    pub(crate) fn scan(
        self: &Rc<Self>,
        scan: Scan,
        inputs: &[&Tensor],
        parameters: &[&Tensor],
        results: &[&Tensor],
        site: Site,
    ) -> Tensor {
        let (shape, dtype) = scan::scan_form();
        let all = [inputs, parameters, results].concat();
        if let Some(error) = self.stranger(&all) {
            return self.fail(error.at(site), shape, dtype);
        }
        let ids = |tensors: &[&Tensor]| tensors.iter().map(|tensor| tensor.id()).collect();
        let body = Body::Traced { parameters: ids(parameters), results: ids(results) };
        let mut captured = inputs.to_vec();
        let read = self.read_by_steps(&body);
        captured.extend(&read);
        self.push(Scan { body, ..scan }.into(), &captured, shape, dtype, site)
    }

    /// What the steps of a loop read besides what they are given.
    fn read_by_steps(self: &Rc<Self>, body: &Body) -> Vec<Tensor> {
        let Body::Traced { parameters, results } = body else { return Vec::new() };
        let state = self.state.borrow();
        let region = scan::Region::new(&state.graph.nodes, parameters, results);
        let handle = |id: NodeId| {
            let node = state.graph.node(id);
            Tensor::new(self.clone(), id, node.shape.clone(), node.dtype)
        };
        region.captured.into_iter().map(handle).collect()
    }

    /// Which nodes the steps of a loop consist of.
    pub(crate) fn steps_of(&self, parameters: &[NodeId], results: &[NodeId]) -> Vec<bool> {
        let state = self.state.borrow();
        scan::Region::new(&state.graph.nodes, parameters, results).inside
    }

    /// The part of a loop's results with this index.
    pub(crate) fn part(self: &Rc<Self>, scan: &Tensor, index: usize, site: Site) -> Tensor {
        let (shape, dtype) = match self.node(scan.id()).op {
            Op::Scan(scan) => match (&scan.body, scan.result_of(index)) {
                (Body::Traced { results, .. }, Some(place)) => {
                    let node = self.node(results[place]);
                    (scan.part_shape(index, &node.shape), node.dtype)
                }
                _ => (Shape::scalar(), DType::I32),
            },
            _ => scan::scan_form(), // a loop that failed
        };
        self.push(Op::Part(index), &[scan], shape, dtype, site)
    }

    /// The part of a loop's results that holds what each step computes at a node of its own, added
    /// to what it gives if it is not among that.
    pub(crate) fn stacked(self: &Rc<Self>, scan: NodeId, node: NodeId, site: Site) -> Tensor {
        let mut known = self.node(scan);
        let Op::Scan(old) = &known.op else {
            return Tensor::new(self.clone(), scan, known.shape, known.dtype); // one that failed
        };
        let Body::Traced { parameters, results } = &old.body else {
            unreachable!("traced with its loop")
        };
        let first = old.first_result() + old.states;
        let place = results[first..].iter().position(|&known| known == node);
        let part = 1 + old.states + place.unwrap_or(results.len() - first);
        if place.is_none() {
            let (parameters, mut results) = (parameters.clone(), results.clone());
            results.push(node);
            let body = Body::Traced { parameters, results };
            let read = self.read_by_steps(&body);
            known.inputs.truncate(old.given_inputs());
            known.inputs.extend(read.iter().map(Tensor::id));
            known.op = Scan { body, ..(**old).clone() }.into();
            self.state.borrow_mut().graph.nodes[scan.index()] = known.clone();
        }
        let handle = Tensor::new(self.clone(), scan, known.shape, known.dtype);
        self.part(&handle, part, site)
    }
}
