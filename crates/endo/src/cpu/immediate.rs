//! A matrix product of slices, computed now: for programs whose operations compute at once.
//!
//! In: a shape and its operands. Out: the product. The same kernels as those of plans.

use crate::simd::{Level, Memory};

use super::matmul::Matmul;
use super::pool::Pool;

/// The elements from the first to the last that strides reach.
fn reach(sizes: [usize; 2], strides: [usize; 2]) -> usize {
    if sizes.contains(&0) {
        return 0;
    }
    1 + (sizes[0] - 1) * strides[0] + (sizes[1] - 1) * strides[1]
}

/// A product of slices in its element type.
macro_rules! product {
    ($(#[$doc:meta])* $name:ident: $T:ty, $run:ident) => {
        $(#[$doc])*
        ///
        /// # Panics
        /// If an operand has fewer elements than the shape and strides name, or the product is
        /// not row-major.
        pub fn $name(shape: &Matmul, a: &[$T], b: &[$T], c: &mut [$T], pool: &Pool) {
            assert!(a.len() >= reach([shape.m, shape.k], shape.a), "too few elements on the left");
            assert!(b.len() >= reach([shape.k, shape.n], shape.b), "too few elements on the right");
            assert!(c.len() == shape.m * shape.n && shape.c_row == shape.n, "the product's room");
            if shape.k == 0 {
                return c.fill(0.0);
            }
            let bytes = shape.scratch_bytes(size_of::<$T>());
            let mut scratch = Memory::zeroed(bytes);
            // SAFETY: the level is that of this processor; the operands hold what the shape names,
            // by the checks above, and are borrowed; the scratch has the bytes that the shape asks
            // for, on a line's boundary.
            unsafe {
                shape.$run(
                    Level::detect(),
                    a.as_ptr(),
                    b.as_ptr(),
                    None,
                    c.as_mut_ptr(),
                    scratch.bytes_mut().as_mut_ptr(),
                    pool,
                );
            }
        }
    };
}

product! {
    /// The product in `f32`.
    product_f32: f32, run_f32
}
product! {
    /// The product in `f64`.
    product_f64: f64, run_f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_of_slices_is_that_of_matrices() {
        let shape = Matmul {
            m: 2,
            n: 2,
            k: 3,
            a: [3, 1],
            b: [1, 3],
            c_row: 2,
            accumulate: false,
            rectify: false,
            bf16: false,
        };
        let (a, b) = ([1., 2., 3., 4., 5., 6.], [1., 0., 1., 0., 1., 1.]);
        let mut c = [0.0; 4];
        product_f32(&shape, &a, &b, &mut c, &Pool::new(1));
        assert_eq!(c, [4., 5., 10., 11.]);
        let (a, b) = (a.map(f64::from), b.map(f64::from));
        let mut c = [0.0; 4];
        product_f64(&shape, &a, &b, &mut c, &Pool::new(1));
        assert_eq!(c, [4., 5., 10., 11.]);
    }

    #[test]
    #[should_panic(expected = "too few elements on the left")]
    fn operands_that_are_too_short_are_refused() {
        let shape = Matmul {
            m: 2,
            n: 1,
            k: 2,
            a: [2, 1],
            b: [1, 1],
            c_row: 1,
            accumulate: false,
            rectify: false,
            bf16: false,
        };
        product_f32(&shape, &[1.0; 3], &[1.0; 2], &mut [0.0; 2], &Pool::new(1));
    }
}
