//! The vectors that the kernels are written in: one trait, implemented for f32 and f64 at each
//! level of instructions.
//! In: pointers to elements, of any alignment; out: vectors, or stores. A mask names the first few
//! lanes; lanes outside it are neither read nor written, and read as zero.
use crate::simd::{Float, Level};

/// A vector of `WIDTH` elements and what the kernels do with it.
///
/// # Safety
///
/// Every function needs a processor with the implementor's instructions; those that take a pointer
/// need it to be valid for the lanes they read or write. A vector is `WIDTH` elements and no more.
pub(crate) trait Lanes: Copy + 'static {
    type Element: Element;
    type Vector: Copy;
    type Mask: Copy;

    /// Elements in a vector.
    const WIDTH: usize;
    /// Rows of the tile of a blocked product: as many as the registers hold, two vectors to a row.
    const ROWS: usize;
    /// Whether a masked access costs what a plain one does.
    const FREE_MASKS: bool;

    /// The mask of the first `count` lanes, `count <= WIDTH`.
    unsafe fn mask(count: usize) -> Self::Mask;
    #[inline(always)]
    unsafe fn zero() -> Self::Vector {
        // SAFETY: a vector is made of floats, whose zeros have no bits.
        unsafe { std::mem::zeroed() }
    }
    unsafe fn splat(x: *const Self::Element) -> Self::Vector;
    #[inline(always)]
    unsafe fn load(from: *const Self::Element) -> Self::Vector {
        // SAFETY: by the contract above.
        unsafe { from.cast::<Self::Vector>().read_unaligned() }
    }
    unsafe fn load_masked(from: *const Self::Element, mask: Self::Mask) -> Self::Vector;
    #[inline(always)]
    unsafe fn store(to: *mut Self::Element, x: Self::Vector) {
        // SAFETY: by the contract above.
        unsafe { to.cast::<Self::Vector>().write_unaligned(x) }
    }
    unsafe fn store_masked(to: *mut Self::Element, x: Self::Vector, mask: Self::Mask);
    /// Asks for the cache line of an address; the address need not be valid.
    unsafe fn prefetch(to: *const Self::Element);
    unsafe fn add(x: Self::Vector, y: Self::Vector) -> Self::Vector;
    unsafe fn subtract(x: Self::Vector, y: Self::Vector) -> Self::Vector;
    unsafe fn multiply(x: Self::Vector, y: Self::Vector) -> Self::Vector;
    unsafe fn divide(x: Self::Vector, y: Self::Vector) -> Self::Vector;
    unsafe fn sqrt(x: Self::Vector) -> Self::Vector;
    /// The greater of each lane and 0, which is never -0; NaN stays NaN.
    #[inline(always)]
    unsafe fn rectify(x: Self::Vector) -> Self::Vector {
        // SAFETY: by the contract above.
        unsafe { Self::each(x, x, |x, _| Float::maximum(x, Self::Element::ZERO)) }
    }
    /// What is done to each lane of two vectors.
    #[inline(always)]
    unsafe fn each(
        x: Self::Vector,
        y: Self::Vector,
        function: impl Fn(Self::Element, Self::Element) -> Self::Element,
    ) -> Self::Vector {
        let mut result = x;
        let (to, from) = (&raw mut result, &raw const y);
        for lane in 0..Self::WIDTH {
            // SAFETY: a vector is `WIDTH` elements.
            unsafe {
                let to = to.cast::<Self::Element>().add(lane);
                *to = function(*to, *from.cast::<Self::Element>().add(lane));
            }
        }
        result
    }
    /// `x * y + z`, rounded once where the processor can.
    unsafe fn multiply_add(x: Self::Vector, y: Self::Vector, z: Self::Vector) -> Self::Vector;
    /// The sum of the lanes, halves added to halves.
    unsafe fn sum(x: Self::Vector) -> Self::Element;

    /// The side of the square that `transpose` turns.
    const SQUARE: usize;
    /// `to[j * to_row + i] = from[i * from_row + j]` for `i` and `j` below `SQUARE`.
    unsafe fn transpose(
        from: *const Self::Element,
        from_row: usize,
        to: *mut Self::Element,
        to_row: usize,
    );
}

/// An element type, and its vectors at each level.
pub(crate) trait Element: Float {
    type Baseline: Lanes<Element = Self>;
    #[cfg(target_arch = "x86_64")]
    type Avx2: Lanes<Element = Self>;
    #[cfg(target_arch = "x86_64")]
    type Avx512: Lanes<Element = Self>;
    /// What multiplies pairs of bfloat16, with AVX-512 BF16.
    #[cfg(target_arch = "x86_64")]
    type Pairs: Lanes<Element = Self>;
}

/// A piece of work written once and compiled for each level: `run` is inlined into a function that
/// has the level's instructions.
pub(crate) trait TileKernel {
    type Element: Element;

    /// # Safety
    ///
    /// The processor has the instructions of `L`; the pointers inside are valid for what the kernel
    /// does.
    unsafe fn run<L: Lanes<Element = Self::Element>>(&self);
}

/// Runs a kernel at a level.
///
/// # Safety
///
/// The processor has the instructions of `level`; otherwise as for `TileKernel::run`.
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn enter<K: TileKernel>(level: Level, kernel: &K) {
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<K: TileKernel>(kernel: &K) {
        // SAFETY: as the caller of `enter` promises.
        unsafe { kernel.run::<<K::Element as Element>::Avx2>() }
    }
    #[target_feature(enable = "avx512f,avx2,fma")]
    unsafe fn avx512<K: TileKernel>(kernel: &K) {
        // SAFETY: as the caller of `enter` promises.
        unsafe { kernel.run::<<K::Element as Element>::Avx512>() }
    }
    // SAFETY: as the caller promises.
    unsafe {
        match level {
            Level::Baseline => kernel.run::<<K::Element as Element>::Baseline>(),
            Level::Avx2 => avx2(kernel),
            Level::Avx512 => avx512(kernel),
        }
    }
}

/// Runs a kernel that multiplies pairs of bfloat16.
///
/// # Safety
///
/// The processor [multiplies them](Level::multiplies_bf16); otherwise as for `TileKernel::run`.
pub(crate) unsafe fn enter_pairs<K: TileKernel>(kernel: &K) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bf16,avx2,fma")]
    unsafe fn pairs<K: TileKernel>(kernel: &K) {
        // SAFETY: as the caller of `enter_pairs` promises.
        unsafe { kernel.run::<<K::Element as Element>::Pairs>() }
    }
    #[cfg(not(target_arch = "x86_64"))]
    unsafe fn pairs<K: TileKernel>(_kernel: &K) {
        unreachable!("no other processor's instructions for bfloat16 are used")
    }
    // SAFETY: as the caller promises.
    unsafe { pairs(kernel) }
}

/// Runs a kernel; every level is the baseline on this processor.
///
/// # Safety
///
/// As for `TileKernel::run`.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) unsafe fn enter<K: TileKernel>(_level: Level, kernel: &K) {
    // SAFETY: as the caller promises.
    unsafe { kernel.run::<<K::Element as Element>::Baseline>() }
}

#[cfg(test)]
mod tests {
    use super::super::portable::Portable;
    use super::*;

    /// Compares every function with its meaning, on small whole numbers, which no rounding touches.
    struct Check<T>(std::marker::PhantomData<T>);

    impl<T: Element> TileKernel for Check<T> {
        type Element = T;

        #[inline(always)]
        unsafe fn run<L: Lanes<Element = T>>(&self) {
            let number = |i: usize| T::from_f64(i as f64);
            let numbers: Vec<T> = (0..128).map(number).collect();
            let (zero, width) = (number(0), L::WIDTH);
            // SAFETY: the arrays are longer than two vectors and than a square of rows of 9; the
            // caller vouches for `L`.
            unsafe {
                for count in 0..=width {
                    let mut stored = vec![number(99); 2 * width];
                    L::store_masked(
                        stored.as_mut_ptr(),
                        L::load(numbers[1..].as_ptr()),
                        L::mask(count),
                    );
                    let wanted =
                        (0..2 * width).map(|lane| number(if lane < count { lane + 1 } else { 99 }));
                    assert!(stored.iter().copied().eq(wanted), "store of {count}: {stored:?}");
                    let loaded = L::load_masked(numbers[1..].as_ptr(), L::mask(count));
                    assert_eq!(L::sum(loaded), number(count * (count + 1) / 2));
                    L::store(stored.as_mut_ptr(), L::add(loaded, L::zero()));
                    assert!(
                        (0..width).all(|lane| stored[lane]
                            == if lane < count { number(lane + 1) } else { zero })
                    );
                }
                let mut stored = vec![zero; width];
                let y = L::load(numbers.as_ptr());
                L::store(
                    stored.as_mut_ptr(),
                    L::multiply_add(L::splat(&numbers[3]), y, L::splat(&numbers[5])),
                );
                assert!((0..width).all(|lane| stored[lane] == number(3 * lane + 5)));
                let y = L::load(numbers[1..].as_ptr());
                let squares = L::multiply(y, y);
                L::store(stored.as_mut_ptr(), L::subtract(L::divide(squares, y), L::sqrt(squares)));
                assert!((0..width).all(|lane| stored[lane] == zero));
                let signed = [-1.0, 2.0, -0.0, f64::NAN].map(T::from_f64);
                for x in signed {
                    L::store(stored.as_mut_ptr(), L::rectify(L::splat(&x)));
                    let wanted = Float::maximum(x, zero);
                    let same = |&y: &T| y.to_f64().to_bits() == wanted.to_f64().to_bits();
                    assert!(stored.iter().all(same), "{stored:?}, not {wanted:?}");
                }
                L::store(stored.as_mut_ptr(), L::subtract(L::sqrt(squares), L::splat(&numbers[1])));
                assert!((0..width).all(|lane| stored[lane] == number(lane)));
                let mut turned = vec![zero; 128];
                L::transpose(numbers.as_ptr(), 9, turned.as_mut_ptr(), 10);
                for i in 0..L::SQUARE {
                    assert!((0..L::SQUARE).all(|j| turned[j * 10 + i] == number(i * 9 + j)));
                }
            }
        }
    }

    #[test]
    fn vectors_agree_with_their_lanes() {
        let (single, double) =
            (Check::<f32>(std::marker::PhantomData), Check::<f64>(std::marker::PhantomData));
        // SAFETY: arrays need no instructions, and the levels are the processor's.
        unsafe {
            single.run::<Portable<f32>>();
            double.run::<Portable<f64>>();
            for level in Level::available() {
                enter(level, &single);
                enter(level, &double);
            }
        }
    }
}
