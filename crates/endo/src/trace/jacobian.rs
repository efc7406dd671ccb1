//! Derivatives of tensors: all those of every element, and second ones. Compositions of gradients
//! of scalars.
//!
//! In: a tensor and a target, a variable or another tensor. Out: a tensor with the axes of both.

use crate::array::Array;
use crate::graph::Tensor;
use crate::shape::Shape;
use crate::site::Site;

use super::{Context, Target};

impl Context {
    /// Every derivative of every element of `y`: a tensor with the axes of `y` and then those of
    /// the target, 0 where an element does not depend on the target (with a warning where none
    /// does). One backward walk for each element of `y`.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| [cx.jacobian(&x.square(), &x)]);
    /// assert_eq!(f.run([&[1.0_f32, 2.0].into()])?[0], Array::from([[2.0_f32, 0.0], [0.0, 4.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn jacobian(&mut self, y: &Tensor, target: impl Into<Target>) -> Tensor {
        let (target, site) = (target.into(), Site::caller());
        let (sizes, dtype) = match &target {
            Target::Tensor(tensor) => (tensor.shape(), tensor.dtype()),
            Target::Variable(variable) => (variable.shape(), variable.dtype()),
        };
        let shape: Shape = y.shape().iter().chain(sizes.iter()).copied().collect();
        if !shape.is_possible() {
            return self.trace().fail(shape.too_large().at(site), shape, dtype);
        }
        let (elements, zeros) = (y.reshape([y.shape().len()]), Array::zeros(sizes, dtype));
        let mut rows = Vec::new();
        for index in 0..y.shape().len() {
            let element = elements.slice(0, index..index + 1).sum();
            let row = self.gradients(&element, [target.clone()]).into_tensors().remove(0);
            rows.push(row.unwrap_or_else(|| self.trace().constant(zeros.clone(), site)));
        }
        if rows.is_empty() {
            self.trace().constant(Array::zeros(shape, dtype), site)
        } else {
            Tensor::stack(&rows, 0).reshape(shape)
        }
    }

    /// The second derivatives of a scalar: the [`jacobian`](Self::jacobian) of its gradient, with
    /// the target's axes twice.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| [cx.hessian(&x.sum().square(), &x)]);
    /// assert_eq!(f.run([&[3.0_f32, 5.0].into()])?[0], Array::from([[2.0_f32, 2.0], [2.0, 2.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn hessian(&mut self, loss: &Tensor, target: impl Into<Target>) -> Tensor {
        let (target, site) = (target.into(), Site::caller());
        let gradient = self.gradients(loss, [target.clone()]).into_tensors().remove(0);
        let gradient = gradient.unwrap_or_else(|| match &target {
            Target::Tensor(tensor) => tensor.zeros_like(),
            Target::Variable(variable) => self.trace().read(variable, site).zeros_like(),
        });
        self.jacobian(&gradient, target)
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn a_jacobian_has_the_axes_of_the_value_and_then_of_the_target() {
        let kernel = Variable::new("kernel", [[1.0_f32, 2.0], [3.0, 4.0], [5.0, 6.0]]);
        let mut f = Function::new(|[x], cx| {
            let y = x.matmul(&cx.read(&kernel));
            [cx.jacobian(&y, &kernel), cx.jacobian(&y, &x)]
        });
        let [by_kernel, by_input] = f.run([&[[7.0_f32, 8.0, 9.0]].into()]).unwrap();
        assert_eq!(by_kernel.shape().sizes(), [1, 2, 3, 2]);
        assert_eq!(
            by_kernel.to_vec::<f64>(),
            [7.0, 0.0, 8.0, 0.0, 9.0, 0.0, 0.0, 7.0, 0.0, 8.0, 0.0, 9.0]
        );
        assert_eq!(by_input.shape().sizes(), [1, 2, 1, 3]);
        assert_eq!(by_input.to_vec::<f64>(), [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    }

    #[test]
    fn the_hessian_of_what_is_linear_is_zero() {
        let mut f = Function::new(|[x], cx| [cx.hessian(&(3.0 * &x).sum(), &x)]);
        assert_eq!(
            f.run([&[1.0_f32, 2.0].into()]).unwrap()[0],
            Array::from([[0.0_f32, 0.0], [0.0, 0.0]])
        );
    }
}
