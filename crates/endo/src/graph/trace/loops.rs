//! Loops in a trace: their steps are nodes of the same graph until the trace ends.
//!
//! In: what a step is given and makes. Out: the loop's node, and its parts.

use std::rc::Rc;
use std::sync::Arc;

use crate::dtype::DType;
use crate::shape::Shape;
use crate::site::Site;

use super::super::scan::{self, Body, Scan};
use super::super::{NodeId, Op, Tensor};
use super::Trace;

impl Trace {
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
        #[allow(clippy::arc_with_non_send_sync)]
        let op = Op::Scan(Arc::new(Scan { body, ..scan }));
        self.push(op, &captured, shape, dtype, site)
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
        let Op::Scan(old) = &known.op else { unreachable!("asked of a loop") };
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
            #[allow(clippy::arc_with_non_send_sync)]
            let op = Op::Scan(Arc::new(Scan { body, ..(**old).clone() }));
            known.op = op;
            self.state.borrow_mut().graph.nodes[scan.index()] = known.clone();
        }
        let handle = Tensor::new(self.clone(), scan, known.shape, known.dtype);
        self.part(&handle, part, site)
    }
}
