//! The vectors of processors that have no intrinsics here: arrays, which the compiler turns into
//! whatever vectors the target always has (NEON, wasm's simd128). Implements `Lanes` for both float
//! types.
use super::lanes::Lanes;
use std::array::from_fn;

/// Arrays that the compiler turns into whatever vectors the target always has (SSE2, NEON, wasm's
/// simd128).
#[derive(Clone, Copy)]
pub(super) struct Portable<T>(T);

/// Equal lanes, arithmetic lane by lane, and the sum of the lanes.
macro_rules! arithmetic {
    ($type:ty, $width:literal) => {
        #[inline(always)]
        unsafe fn zero() -> Self::Vector {
            [0.0; $width]
        }
        #[inline(always)]
        unsafe fn splat(x: *const $type) -> Self::Vector {
            // SAFETY: as the trait asks.
            unsafe { [*x; $width] }
        }
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
            x.map(<$type>::sqrt)
        }
        #[inline(always)]
        unsafe fn multiply_add(x: Self::Vector, y: Self::Vector, z: Self::Vector) -> Self::Vector {
            from_fn(|lane| x[lane] * y[lane] + z[lane])
        }
        #[inline(always)]
        unsafe fn sum(mut x: Self::Vector) -> $type {
            let mut half = $width / 2;
            while half > 0 {
                for lane in 0..half {
                    x[lane] += x[lane + half];
                }
                half /= 2;
            }
            x[0]
        }
    };
}

macro_rules! portable {
    ($type:ty, $width:literal) => {
        impl Lanes for Portable<$type> {
            type Element = $type;
            type Vector = [$type; $width];
            type Mask = usize;

            const WIDTH: usize = $width;
            const ROWS: usize = 4;
            const FREE_MASKS: bool = false;

            #[inline(always)]
            unsafe fn mask(count: usize) -> usize {
                count
            }
            #[inline(always)]
            unsafe fn load(from: *const $type) -> Self::Vector {
                // SAFETY: as the trait asks.
                unsafe { from.cast::<Self::Vector>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn load_masked(from: *const $type, mask: usize) -> Self::Vector {
                // SAFETY: as the trait asks; only lanes inside the mask are read.
                from_fn(|lane| if lane < mask { unsafe { *from.add(lane) } } else { 0.0 })
            }
            #[inline(always)]
            unsafe fn store(to: *mut $type, x: Self::Vector) {
                // SAFETY: as the trait asks.
                unsafe { to.cast::<Self::Vector>().write_unaligned(x) }
            }
            #[inline(always)]
            unsafe fn store_masked(to: *mut $type, x: Self::Vector, mask: usize) {
                for (lane, x) in x.into_iter().enumerate().take(mask) {
                    // SAFETY: as the trait asks; only lanes inside the mask are written.
                    unsafe { *to.add(lane) = x }
                }
            }
            #[inline(always)]
            unsafe fn prefetch(_to: *const $type) {}
            arithmetic!($type, $width);

            const SQUARE: usize = 4;
            #[inline(always)]
            unsafe fn transpose(
                from: *const $type,
                from_row: usize,
                to: *mut $type,
                to_row: usize,
            ) {
                // SAFETY: as the trait asks.
                unsafe { transpose_4x4(from, from_row, to, to_row) }
            }
        }
    };
}

/// Turns a square of 4 by 4.
///
/// # Safety
/// The rows of `from` are valid to read, and those of `to` to write, for 4 elements each.
#[inline(always)]
unsafe fn transpose_4x4<T: Copy>(from: *const T, from_row: usize, to: *mut T, to_row: usize) {
    // SAFETY: by the contract above.
    unsafe {
        let rows: [[T; 4]; 4] =
            from_fn(|i| from.add(i * from_row).cast::<[T; 4]>().read_unaligned());
        for j in 0..4 {
            let column = rows.map(|row| row[j]);
            to.add(j * to_row).cast::<[T; 4]>().write_unaligned(column);
        }
    }
}

portable!(f32, 4);
portable!(f64, 2);
