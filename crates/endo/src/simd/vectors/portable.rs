//! The vectors of processors that have no intrinsics here: arrays, which the compiler turns into
//! whatever vectors the target always has (NEON, wasm's simd128). Implements `Lanes` for both float
//! types.
use super::lanes::{Element, Lanes};
use std::array::from_fn;

/// Arrays that the compiler turns into whatever vectors the target always has (SSE2, NEON, wasm's
/// simd128).
#[derive(Clone, Copy)]
pub(crate) struct Portable<T>(T);

/// The elements of a vector.
const WIDTH: usize = 4;

impl<T: Element> Lanes for Portable<T> {
    type Element = T;
    type Vector = [T; WIDTH];
    type Mask = usize;

    const WIDTH: usize = WIDTH;
    const ROWS: usize = 4;
    const FREE_MASKS: bool = false;

    #[inline(always)]
    unsafe fn mask(count: usize) -> usize {
        count
    }
    #[inline(always)]
    unsafe fn splat(x: *const T) -> Self::Vector {
        // SAFETY: as the trait asks.
        unsafe { [*x; WIDTH] }
    }
    #[inline(always)]
    unsafe fn load_masked(from: *const T, mask: usize) -> Self::Vector {
        // SAFETY: as the trait asks; only lanes inside the mask are read.
        from_fn(|lane| if lane < mask { unsafe { *from.add(lane) } } else { T::ZERO })
    }
    #[inline(always)]
    unsafe fn store_masked(to: *mut T, x: Self::Vector, mask: usize) {
        for (lane, x) in x.into_iter().enumerate().take(mask) {
            // SAFETY: as the trait asks; only lanes inside the mask are written.
            unsafe { *to.add(lane) = x }
        }
    }
    #[inline(always)]
    unsafe fn prefetch(_to: *const T) {}
    #[inline(always)]
    unsafe fn add(x: Self::Vector, y: Self::Vector) -> Self::Vector {
        from_fn(|lane| x[lane] + y[lane])
    }
    #[inline(always)]
    unsafe fn subtract(x: Self::Vector, y: Self::Vector) -> Self::Vector {
        from_fn(|lane| x[lane] - y[lane])
    }
    #[inline(always)]
    unsafe fn multiply(x: Self::Vector, y: Self::Vector) -> Self::Vector {
        from_fn(|lane| x[lane] * y[lane])
    }
    #[inline(always)]
    unsafe fn divide(x: Self::Vector, y: Self::Vector) -> Self::Vector {
        from_fn(|lane| x[lane] / y[lane])
    }
    #[inline(always)]
    unsafe fn sqrt(x: Self::Vector) -> Self::Vector {
        x.map(T::sqrt)
    }
    #[inline(always)]
    unsafe fn multiply_add(x: Self::Vector, y: Self::Vector, z: Self::Vector) -> Self::Vector {
        from_fn(|lane| x[lane] * y[lane] + z[lane])
    }
    #[inline(always)]
    unsafe fn sum(x: Self::Vector) -> T {
        (x[0] + x[2]) + (x[1] + x[3])
    }

    const SQUARE: usize = WIDTH;
    #[inline(always)]
    unsafe fn transpose(from: *const T, from_row: usize, to: *mut T, to_row: usize) {
        // SAFETY: as the trait asks.
        unsafe {
            let rows: [Self::Vector; WIDTH] = from_fn(|i| Self::load(from.add(i * from_row)));
            for j in 0..WIDTH {
                Self::store(to.add(j * to_row), rows.map(|row| row[j]));
            }
        }
    }
}
