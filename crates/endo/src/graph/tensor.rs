//! A value in a graph being traced: what a layer's `call` gets and returns.
//!
//! In: the trace and a node. Out: its shape, type and, in eager mode, its numbers. The operations
//! are in `ops/`.

use std::fmt;
use std::rc::Rc;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::Error;
use crate::shape::Shape;
use crate::site::Site;

use super::{NodeId, Op, Trace};

/// A value in a graph being traced. Cheap to clone; it cannot leave the thread or outlive the
/// trace's closure usefully.
///
/// ```
/// use endo::prelude::*;
/// let mut double = Function::new(|[x], _cx| [&x * 2.0 + 1.0]);
/// let [y] = double.run([&Array::from([1.0_f32, 2.0])])?;
/// assert_eq!(y.to_vec::<f32>(), [3.0, 5.0]);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor {
    trace: Rc<Trace>,
    id: NodeId,
    shape: Shape,
    dtype: DType,
}

impl Tensor {
    /// The handle of a node.
    pub(crate) fn new(trace: Rc<Trace>, id: NodeId, shape: Shape, dtype: DType) -> Self {
        Self { trace, id, shape, dtype }
    }

    /// The trace that it belongs to.
    pub fn trace(&self) -> &Rc<Trace> {
        &self.trace
    }

    /// The position of its node.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The sizes of its axes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.rank()
    }

    /// The size of the last axis; 1 for a scalar.
    pub fn features(&self) -> usize {
        self.shape.features()
    }

    /// The number of samples: the size of the first axis; 1 for a scalar.
    pub fn batch(&self) -> usize {
        self.shape.batch()
    }

    /// Its numbers, which exist while tracing only when the closure is run node by node
    /// ([`Function::run_eagerly`](crate::trace::Function::run_eagerly)). Otherwise an error is
    /// recorded and zeros are returned.
    #[track_caller]
    pub fn value(&self) -> Array {
        let site = Site::caller();
        self.trace.value(self.id).unwrap_or_else(|| {
            let help = "run the function node by node with `run_eagerly(true)`, or choose between \
                tensors with `where_`";
            let message = "the numbers of a tensor are not known while a graph is traced";
            self.trace.record(Error::usage(message, help).at(site));
            Array::zeros(self.shape.clone(), self.dtype)
        })
    }

    /// Adds an operation on this and other tensors of the same trace.
    pub(crate) fn push(
        &self,
        op: impl Into<Op>,
        inputs: &[&Tensor],
        shape: impl Into<Shape>,
        dtype: DType,
        site: Site,
    ) -> Tensor {
        self.trace.push(op.into(), inputs, shape.into(), dtype, site)
    }

    /// The type of the array that it is made of, where it is an input of bytes.
    pub(crate) fn stored_dtype(&self) -> DType {
        let node = self.trace.node(self.id);
        let stored = node
            .inputs
            .first()
            .filter(|_| matches!(node.op, Op::Cast))
            .map(|&input| self.trace.node(input).dtype);
        if stored == Some(DType::U8) { DType::U8 } else { self.dtype }
    }

    /// Records an error at a line of the user's code and returns a stand-in of the given shape.
    pub(crate) fn fail(&self, error: Error, shape: impl Into<Shape>, site: Site) -> Tensor {
        self.trace.fail(error.at(site), shape.into(), self.dtype)
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}: {}{}", self.id.0, self.dtype, self.shape)
    }
}

impl From<&Tensor> for Tensor {
    fn from(tensor: &Tensor) -> Self {
        tensor.clone()
    }
}
