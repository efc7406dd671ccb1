//! Several tensors as one value: what layers of several inputs or outputs take and return.
//!
//! In: tensors, arrays and vectors of them, tuples. Out: their tensors in order.

use super::Tensor;

/// A tensor or a structure of tensors: `Tensor`, `[Tensor; N]`, `Vec<Tensor>`, and tuples of such.
pub trait Tree {
    /// Its tensors, in order.
    fn tensors(&self) -> Vec<&Tensor>;
}

impl Tree for Tensor {
    fn tensors(&self) -> Vec<&Tensor> {
        vec![self]
    }
}

impl<T: Tree, const N: usize> Tree for [T; N] {
    fn tensors(&self) -> Vec<&Tensor> {
        self.iter().flat_map(Tree::tensors).collect()
    }
}

impl<T: Tree> Tree for Vec<T> {
    fn tensors(&self) -> Vec<&Tensor> {
        self.iter().flat_map(Tree::tensors).collect()
    }
}

impl<A: Tree, B: Tree> Tree for (A, B) {
    fn tensors(&self) -> Vec<&Tensor> {
        self.0.tensors().into_iter().chain(self.1.tensors()).collect()
    }
}

impl<A: Tree, B: Tree, C: Tree> Tree for (A, B, C) {
    fn tensors(&self) -> Vec<&Tensor> {
        self.0.tensors().into_iter().chain(self.1.tensors()).chain(self.2.tensors()).collect()
    }
}
