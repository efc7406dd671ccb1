//! Matrix products, batched, with operands that may be transposed without a copy.
//!
//! In: `[batch.., m, k]` and `[batch.., k, n]`. Out: `[batch.., m, n]`; batch axes broadcast.

use crate::error::Error;
use crate::graph::{Node, Op, Tensor, Transposed};
use crate::shape::Shape;
use crate::site::Site;

impl Tensor {
    /// The matrix product over the last axis of `self` and the one before the last of `other`.
    ///
    /// `[.., m, k]` times `[.., k, n]` is `[.., m, n]`; the axes before broadcast. Operands of rank
    /// 1 are a row on the left and a column on the right, and their axis is absent from the result.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[a, b], _cx| [a.matmul(&b)]);
    /// let c = f.run([&[[1.0_f32, 2.0], [3.0, 4.0]].into(), &[[1.0_f32], [1.0]].into()])?;
    /// assert_eq!(c[0], Array::from([[3.0_f32], [7.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Tensor {
        self.matmul_transposed(other, Transposed::NEITHER)
    }

    /// The product with operands whose last two axes are swapped where `transposed` says so,
    /// without a copy.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[a, b], _cx| [a.matmul_transposed(&b, Transposed::RIGHT)]);
    /// assert_eq!(
    ///     f.run([&[[1.0_f32, 2.0]].into(), &[[3.0_f32, 4.0]].into()])?[0],
    ///     Array::from([[11.0_f32]])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn matmul_transposed(&self, other: &Tensor, transposed: Transposed) -> Tensor {
        let site = Site::caller();
        if self.rank() == 0 || other.rank() == 0 {
            let message = format!(
                "`matmul` takes operands with axes, got shapes {} and {}",
                self.shape(),
                other.shape()
            );
            return self.fail(Error::shape(message, "multiply by a scalar with `*`"), (), site);
        }
        if self.rank() == 1 || other.rank() == 1 {
            let left =
                if self.rank() == 1 { self.reshape([1, self.shape().len()]) } else { self.clone() };
            let right = if other.rank() == 1 {
                other.reshape([other.shape().len(), 1])
            } else {
                other.clone()
            };
            let swapped = Transposed {
                left: transposed.left && self.rank() > 1,
                right: transposed.right && other.rank() > 1,
            };
            let product = left.matmul_transposed(&right, swapped);
            let mut sizes = product.shape().to_vec();
            if other.rank() == 1 {
                sizes.pop();
            }
            if self.rank() == 1 {
                sizes.remove(sizes.len() - if other.rank() == 1 { 1 } else { 2 });
            }
            return product.reshape(sizes);
        }
        let dtype = self.dtype().promote(other.dtype()).promote(crate::dtype::DType::F32);
        let (a, b) = (self.convert(dtype, site), other.convert(dtype, site));
        let [(m, k), (k2, n)] =
            [(&a, transposed.left), (&b, transposed.right)].map(|(x, transposed)| {
                let sizes = &x.shape()[x.rank() - 2..];
                if transposed { (sizes[1], sizes[0]) } else { (sizes[0], sizes[1]) }
            });
        let batch = |x: &Tensor| Shape::from(&x.shape()[..x.rank() - 2]);
        let result = |batch: &Shape| batch.iter().copied().chain([m, n]).collect::<Shape>();
        if k != k2 {
            let message = format!(
                "`matmul` of {} and {}: inner sizes {k} and {k2} differ",
                self.shape(),
                other.shape()
            );
            let help =
                "the last axis of the left operand must be as long as the rows of the right one";
            return self.fail(Error::shape(message, help), result(&batch(&a)), site);
        }
        // A plain matrix on the right takes all rows of the left at once.
        if !transposed.left && b.rank() == 2 && a.rank() > 2 {
            let rows = a.reshape([a.shape()[..a.rank() - 1].iter().product(), k]);
            return rows.matmul_transposed(&b, transposed).reshape(result(&batch(&a)));
        }
        let Some(shape) = batch(&a).broadcast(&batch(&b)) else {
            let message = format!(
                "`matmul` of {} and {}: the axes before the last two do not broadcast",
                self.shape(),
                other.shape()
            );
            let help = "their sizes must be equal, or 1, or left out at the front";
            return self.fail(Error::shape(message, help), result(&batch(&a)), site);
        };
        let expand = |x: &Tensor| {
            let sizes: Shape = shape.iter().chain(&x.shape()[x.rank() - 2..]).copied().collect();
            x.expand(&sizes, site)
        };
        a.push(Op::Matmul { transposed }, &[&expand(&a), &expand(&b)], result(&shape), dtype, site)
    }
}

/// Gradients of the operands: with `c = a b`, `da = dc b^T` and `db = a^T dc`; transposed operands
/// get theirs transposed.
pub fn gradient(node: &Node, inputs: &[Tensor], dy: &Tensor) -> Vec<Option<Tensor>> {
    let Op::Matmul { transposed: Transposed { left, right } } = node.op else {
        unreachable!("called for matrix products")
    };
    let (a, b) = (&inputs[0], &inputs[1]);
    let da = if left {
        b.matmul_transposed(dy, Transposed { left: right, right: true })
    } else {
        dy.matmul_transposed(b, Transposed { left: false, right: !right })
    };
    let db = if right {
        dy.matmul_transposed(a, Transposed { left: true, right: left })
    } else {
        a.matmul_transposed(dy, Transposed { left: !left, right: false })
    };
    vec![Some(da), Some(db)]
}
