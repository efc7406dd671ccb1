//! Stretches of memory, and where they lie.
//!
//! In: an element type and a length. Out: bytes, and a place among the memories of a run.

use crate::dtype::DType;

/// A stretch of memory that holds one value, row-major.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// The type of its elements.
    pub dtype: DType,
    /// The number of its elements.
    pub length: usize,
    /// Where it starts.
    pub place: BufferPlace,
    /// Whether only the upper halves of its elements lie in memory: of `f32` with lower ones of 0.
    pub halved: bool,
}

impl Buffer {
    /// Its size in bytes, which fits: graphs hold possible shapes alone
    /// ([`Shape::LIMIT`](crate::shape::Shape::LIMIT)).
    pub fn bytes(&self) -> usize {
        self.length * self.element_bytes()
    }

    /// The size of one of its elements in memory.
    pub fn element_bytes(&self) -> usize {
        self.dtype.bytes() / if self.halved { 2 } else { 1 }
    }
}

/// Where a buffer starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BufferPlace {
    /// At this byte of the arena.
    Arena(usize),
    /// At this byte of the plan's constants.
    Constant(usize),
    /// In the run's input with this index.
    Input(usize),
    /// In the variable with this index.
    Variable(usize),
    /// In the output with this index, of a plan for the steps of a loop.
    Output(usize),
    /// Nowhere: the step that makes it uses it a part at a time.
    Nowhere,
}

impl BufferPlace {
    /// Whether it is in the arena.
    pub fn is_arena(self) -> bool {
        matches!(self, BufferPlace::Arena(_))
    }

    /// The variable that it is in.
    pub fn variable(self) -> Option<usize> {
        if let BufferPlace::Variable(index) = self { Some(index) } else { None }
    }
}
