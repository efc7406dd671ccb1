//! [`WindowedProduct`]: a product and the windows it is of, which are never in memory as a whole.
//!
//! In: a product and an operation on windows. Out: what the two read and write together.

use crate::graph::Windowing;

use super::{Call, Product};

/// A product, and the operation that makes its left operand or takes its result: windows of an
/// image, which are many times as large as the image. A runner makes a part of them at a time.
#[derive(Clone, Debug)]
pub struct WindowedProduct {
    /// The product. Its left operand or its output is the buffer of windows, which has no memory.
    pub product: Product,
    /// The operation on windows.
    pub call: Call,
}

impl WindowedProduct {
    /// What the call does with windows.
    ///
    /// # Panics
    /// If it is another operation.
    pub fn windowing(&self) -> Windowing<'_> {
        self.call.kernel.windowing().expect("an operation on windows")
    }

    /// The buffer of windows, which has no place.
    pub fn windows(&self) -> usize {
        match self.windowing() {
            Windowing::Take(_) => self.call.output.buffer,
            Windowing::Add(_) => self.call.inputs[0].buffer,
        }
    }

    /// The buffers that it reads.
    pub fn reads(&self) -> Vec<usize> {
        let inputs = self.call.inputs.iter().map(|input| input.buffer);
        let windows = self.windows();
        inputs.chain(self.product.reads()).filter(|&buffer| buffer != windows).collect()
    }

    /// The buffer that it writes.
    pub fn output(&self) -> usize {
        match self.windowing() {
            Windowing::Take(_) => self.product.output,
            Windowing::Add(_) => self.call.output.buffer,
        }
    }
}
