//! Rounding of what layers hand on, for layers within a [`Bf16`](crate::layers::Bf16).
//!
//! In: outputs of layers, what they keep for gradients, and what they multiply by their kernels.
//! Out: the same, rounded to numbers that a bfloat16 holds where such a layer is around, with their
//! masks.

use crate::dtype::DType;
use crate::graph::{Op, Tensor, Tree};
use crate::ops::arithmetic::round_to_bf16;

use super::{Context, Rounding};

impl Context {
    /// Runs `f`, in which layers round what is said here, whatever they do around it.
    #[doc(hidden)]
    pub fn with_rounding<T>(&mut self, rounding: Rounding, f: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.rounding, rounding);
        let result = f(self);
        self.rounding = before;
        result
    }

    /// Has layers round what is said here, to the end of what
    /// [`with_rounding`](Self::with_rounding) runs.
    #[doc(hidden)]
    pub fn set_rounding(&mut self, rounding: Rounding) {
        self.rounding = rounding;
    }

    /// What layers round.
    pub(crate) fn rounding(&self) -> Rounding {
        self.rounding
    }

    /// The factors of a layer's products, its inputs and its kernel, as they are multiplied. The
    /// gradient of a rounded kernel is not rounded: it is added to a weight that is not.
    #[track_caller]
    pub(crate) fn factors(&self, inputs: &Tensor, kernel: &Tensor) -> [Tensor; 2] {
        if self.rounding < Rounding::Kernels
            || inputs.dtype() != DType::F32
            || kernel.dtype() != DType::F32
        {
            return [inputs, kernel].map(Clone::clone);
        }
        // What made them, perhaps outside of such a layer, has the slopes of its own numbers.
        let apart = |x: &Tensor| Tensor::custom_gradient(x, &[x], |dy| vec![dy.clone()]);
        let inputs = if is_rounded(inputs) { inputs.clone() } else { apart(inputs) };
        let rounded = apart(kernel).round_to_bf16();
        let rounded = Tensor::custom_gradient(&rounded, &[kernel], |dy| vec![dy.clone()]);
        [self.stored(&inputs), rounded]
    }

    /// A value as it is kept for gradients. Only `f32` is rounded: who computes in `f64` wants its
    /// digits.
    #[track_caller]
    pub(crate) fn stored(&self, x: &Tensor) -> Tensor {
        if self.rounding == Rounding::Nothing || x.dtype() != DType::F32 || is_rounded(x) {
            return x.clone();
        }
        x.round_to_bf16()
    }

    /// The outputs of a layer as they are handed on, with the masks that the layer gave them.
    #[track_caller]
    pub(crate) fn stored_outputs<O: Tree>(&mut self, outputs: O) -> O {
        if self.rounding == Rounding::Nothing {
            return outputs;
        }
        let stored: Vec<Tensor> = outputs.tensors().into_iter().map(|x| self.stored(x)).collect();
        for (output, stored) in outputs.tensors().into_iter().zip(&stored) {
            if let Some(mask) = self.mask(output) {
                self.masks.insert(stored.id(), mask);
            }
        }
        // A structure in which something follows a vector is not made again of its tensors.
        let made = O::from_tensors(&mut stored.iter().cloned());
        made.filter(|made| made.tensors().len() == stored.len()).unwrap_or(outputs)
    }
}

/// Whether a value has been rounded, perhaps seen through views.
fn is_rounded(x: &Tensor) -> bool {
    let mut node = x.trace().node(x.id());
    while let (Op::View(_) | Op::Identity(_), &[input, ..]) = (&node.op, node.inputs.as_slice()) {
        node = x.trace().node(input);
    }
    matches!(node.op, Op::Elementwise(operation) if *operation == round_to_bf16::OPERATION)
}
