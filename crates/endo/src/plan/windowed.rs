//! [`WindowedProduct`]: a product and the windows it is of, which are never in memory as a whole.
//!
//! In: a product and an operation on windows. Out: what the two read and write together.

use crate::graph::Windowing;

use super::{Argument, Call, Product};

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

    /// The image that windows are of, or that they are added to.
    pub fn image(&self) -> &Argument {
        match self.windowing() {
            Windowing::Take(_) => &self.call.inputs[0],
            Windowing::Add(_) => &self.call.output,
        }
    }

    /// The elements of a window.
    pub fn elements(&self) -> usize {
        let (Windowing::Take(windows) | Windowing::Add(windows)) = self.windowing();
        windows.iter().map(|window| window.size).product::<usize>() * self.image().shape.features()
    }

    /// Whether the left operand has a row for each window, as forwards, instead of one for each
    /// element of them, as for the gradient of a kernel.
    pub fn has_windows_as_rows(&self) -> bool {
        let (inner, stride) = (self.product.sizes[1], self.product.left.strides[1]);
        let is_taken = matches!(self.windowing(), Windowing::Take(_));
        is_taken && inner == self.elements() && (stride == 1 || inner == 1)
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
