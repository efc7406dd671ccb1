//! [`Loops`]: an elementwise formula as machine code for each [`Level`], one function pointer each.
//!
//! A block of elements is loaded into local arrays, computed and stored, so the compiler knows that
//! loads and stores do not touch and makes vector code, in place too. The last block overlaps the
//! one before; only what is shorter than a block is padded.

use super::float::{Float, Fused};
use super::formula::{
    Binary, Comparison, Integer1, Integer2, Logical1, Logical2, Predicate, Ternary, Unary,
};
use super::{Level, Levels, Work};
use std::marker::PhantomData;

/// `output[i] = f(inputs[0][i], inputs[1][i], ...)` for `i < n`.
///
/// # Safety
///
/// Each input that the formula has, and `output`, must be valid for `n` elements of its type;
/// pointers need only the alignment of an element. `output` may equal an input pointer whose
/// elements have the same size, but not overlap one otherwise. Booleans are `u8`; every value but 0
/// reads as true, and 1 is written. The processor must have the level that the loop was taken for.
pub type Loop = unsafe fn(inputs: *const *const u8, output: *mut u8, n: usize);

/// One output element from one element of each input: what every loop runs. An input that a formula
/// does not have is of type `()`.
pub(super) trait LoopKernel: 'static {
    type A: Copy;
    type B: Copy;
    type C: Copy;
    type Out: Copy;
    fn apply(a: Self::A, b: Self::B, c: Self::C) -> Self::Out;
}

/// A type that loops compute with: `f32`, `f64`, `i32`, or `u8` for a boolean.
pub trait Number: Copy + PartialOrd + Send + Sync + 'static {}
impl Number for f32 {}
impl Number for f64 {}
impl Number for i32 {}
impl Number for u8 {}

/// A byte that is a number, where a `u8` is a truth value.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct Byte(pub u8);
impl Number for Byte {}

/// `f32` or `f64`, with the form that fused loops use.
pub trait Real: Number + Float {
    /// The same number with fused operations.
    type Fused: Float;
}
impl Real for f32 {
    type Fused = Fused<f32>;
}
impl Real for f64 {
    type Fused = Fused<f64>;
}

/// The machine code of one elementwise formula, for every level.
#[derive(Clone, Copy, Debug)]
pub struct Loops {
    levels: Levels<*const u8>,
    /// The sizes in bytes of an element of each input, 0 where there is none, and of the output.
    sizes: [usize; 4],
}

/// `K` over `n` elements in blocks of `W`, then of `H`. What is left over is part of one more block
/// of `H`, which ends with the last element: it overlaps the block before, and is therefore
/// computed first, from what nothing has been stored over yet. Only fewer than `H` elements are
/// copied.
struct Blocks<K, const W: usize, const H: usize>(PhantomData<K>);

impl<K: LoopKernel, const W: usize, const H: usize> Work<*const u8> for Blocks<K, W, H> {
    #[inline(always)]
    unsafe fn run(inputs: *const *const u8, output: *mut u8, n: usize) {
        // SAFETY: the caller vouches for as many inputs as have a type of some size.
        let (a, b, c) = unsafe {
            (input::<K::A>(inputs, 0), input::<K::B>(inputs, 1), input::<K::C>(inputs, 2))
        };
        let output = output.cast::<K::Out>();
        let rest = n % H;
        let mut last = std::mem::MaybeUninit::<[K::Out; H]>::uninit();
        if rest > 0 {
            // SAFETY: the last `H` elements of each array, or all `n` of them.
            unsafe {
                if n < H {
                    let (a, b, c) =
                        (padded::<K::A, H>(a, n), padded::<K::B, H>(b, n), padded::<K::C, H>(c, n));
                    last.write(block::<K, H>(&a, &b, &c));
                    return std::ptr::copy_nonoverlapping(
                        last.as_ptr().cast::<K::Out>(),
                        output,
                        n,
                    );
                }
                last.write(at::<K, H>(a, b, c, n - H));
            }
        }
        let mut start = 0;
        while n - start >= W {
            // SAFETY: `start + W <= n`. Arrays are read and written unaligned, so alignment of an
            // element is enough;
            // all loads come before the store, so that `output` may equal an input.
            unsafe {
                output.add(start).cast::<[K::Out; W]>().write_unaligned(at::<K, W>(a, b, c, start))
            };
            start += W;
            separate();
        }
        while n - start >= H {
            // SAFETY: as above.
            unsafe {
                output.add(start).cast::<[K::Out; H]>().write_unaligned(at::<K, H>(a, b, c, start))
            };
            start += H;
            separate();
        }
        if rest > 0 {
            // SAFETY: `n >= H`, and the block has been computed.
            unsafe { output.add(n - H).cast::<[K::Out; H]>().write_unaligned(last.assume_init()) };
        }
    }
}

/// The formula at the `W` places from `start` on.
///
/// # Safety
///
/// The arrays hold them.
#[inline(always)]
unsafe fn at<K: LoopKernel, const W: usize>(
    a: *const K::A,
    b: *const K::B,
    c: *const K::C,
    start: usize,
) -> [K::Out; W] {
    // SAFETY: by the contract above.
    unsafe {
        block::<K, W>(
            &a.add(start).cast::<[K::A; W]>().read_unaligned(),
            &b.add(start).cast::<[K::B; W]>().read_unaligned(),
            &c.add(start).cast::<[K::C; W]>().read_unaligned(),
        )
    }
}

/// Keeps the compiler from making vectors across blocks, of elements `W` apart: it would do so for
/// short formulas, whose blocks it has unrolled, and gather each element by itself. No instruction
/// comes of it.
#[inline(always)]
pub(super) fn separate() {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    // SAFETY: an empty piece of assembly, which touches nothing.
    unsafe {
        std::arch::asm!("", options(nomem, nostack, preserves_flags));
    }
}

/// The formula at each of `W` places.
#[inline(always)]
fn block<K: LoopKernel, const W: usize>(
    a: &[K::A; W],
    b: &[K::B; W],
    c: &[K::C; W],
) -> [K::Out; W] {
    let mut block = [const { std::mem::MaybeUninit::<K::Out>::uninit() }; W];
    for i in 0..W {
        block[i].write(K::apply(a[i], b[i], c[i]));
    }
    // SAFETY: all W elements have been written, and an array of `MaybeUninit` has the layout of the
    // array.
    unsafe { std::mem::transmute_copy(&block) }
}

/// The pointer to input `index`, where a formula has it.
///
/// # Safety
///
/// `inputs` holds more than `index` pointers, or `T` has no size.
#[inline(always)]
unsafe fn input<T>(inputs: *const *const u8, index: usize) -> *const T {
    if size_of::<T>() == 0 {
        return std::ptr::NonNull::<T>::dangling().as_ptr();
    }
    // SAFETY: by the contract above.
    unsafe { *inputs.add(index) }.cast()
}

/// `rest` elements, and zeros.
///
/// # Safety
///
/// `source` is valid for `rest` elements, `rest ≤ W`, and `T` is a number or `()`.
#[inline(always)]
unsafe fn padded<T: Copy, const W: usize>(source: *const T, rest: usize) -> [T; W] {
    let mut block = std::mem::MaybeUninit::<[T; W]>::zeroed();
    // SAFETY: by the contract above; zero is a value of every number.
    unsafe {
        std::ptr::copy_nonoverlapping(source, block.as_mut_ptr().cast::<T>(), rest);
        block.assume_init()
    }
}

impl Loops {
    /// The loop for a level, which the processor must have.
    pub fn at(&self, level: Level) -> Loop {
        self.levels.at(level)
    }

    /// Runs over whole arrays, given as the bytes of their elements.
    ///
    /// # Panics
    ///
    /// If the number of inputs is wrong, or an array has not `n` elements of the size that the loop
    /// takes.
    pub fn run(&self, inputs: &[&[u8]], output: &mut [u8], n: usize) {
        let arity = self.sizes[..3].iter().filter(|&&size| size > 0).count();
        assert_eq!(inputs.len(), arity, "inputs of a loop");
        assert!(
            inputs.iter().zip(self.sizes).all(|(input, size)| input.len() == n * size),
            "sizes of a loop's inputs"
        );
        assert_eq!(output.len(), n * self.sizes[3], "size of a loop's output");
        let pointers = [0, 1, 2]
            .map(|index| inputs.get(index).map_or(std::ptr::null(), |input| input.as_ptr()));
        // SAFETY: every array has `n` elements, elements are read and written at any alignment,
        // `output` is borrowed apart from the inputs, and the level is the processor's.
        unsafe { self.at(Level::detect())(pointers.as_ptr(), output.as_mut_ptr(), n) }
    }

    /// `K` on the baseline, `V` where vectors are wider.
    pub(super) const fn new<K: LoopKernel, V: LoopKernel>() -> Self {
        let sizes = [size_of::<K::A>(), size_of::<K::B>(), size_of::<K::C>(), size_of::<K::Out>()];
        // A few vectors make a block: enough independent work to hide latencies, few enough to stay
        // in registers. Then the fewest elements that fill a vector of the level.
        let levels = match size_of::<K::Out>() {
            8 => Levels::new::<Blocks<K, 8, 8>, Blocks<V, 16, 8>, Blocks<V, 32, 8>>(),
            4 => Levels::new::<Blocks<K, 16, 16>, Blocks<V, 32, 16>, Blocks<V, 32, 16>>(),
            _ => Levels::new::<Blocks<K, 16, 16>, Blocks<V, 32, 16>, Blocks<V, 64, 16>>(),
        };
        Self { levels, sizes }
    }

    /// `output = O(x)` for floats.
    pub const fn unary<O: Unary, T: Real>() -> Self {
        Self::new::<OfUnary<O, T>, OfUnary<O, T::Fused>>()
    }

    /// `output = O(x, y)` for floats.
    pub const fn binary<O: Binary, T: Real>() -> Self {
        Self::new::<OfBinary<O, T>, OfBinary<O, T::Fused>>()
    }

    /// `output = O(x, y, z)` for floats.
    pub const fn ternary<O: Ternary, T: Real>() -> Self {
        Self::new::<OfTernary<O, T>, OfTernary<O, T::Fused>>()
    }

    /// `output = O(x)` from a float to a boolean.
    pub const fn predicate<O: Predicate, T: Real>() -> Self {
        Self::new::<OfPredicate<O, T>, OfPredicate<O, T::Fused>>()
    }

    /// `output = O(x, y)` from two numbers to a boolean.
    pub const fn comparison<O: Comparison, T: Number>() -> Self {
        Self::new::<OfComparison<O, T>, OfComparison<O, T>>()
    }

    /// `output = O(x)` for integers.
    pub const fn integer1<O: Integer1>() -> Self {
        Self::new::<OfInteger1<O>, OfInteger1<O>>()
    }

    /// `output = O(x, y)` for integers.
    pub const fn integer2<O: Integer2>() -> Self {
        Self::new::<OfInteger2<O>, OfInteger2<O>>()
    }

    /// `output = O(x)` for booleans.
    pub const fn logical1<O: Logical1>() -> Self {
        Self::new::<OfLogical1<O>, OfLogical1<O>>()
    }

    /// `output = O(x, y)` for booleans.
    pub const fn logical2<O: Logical2>() -> Self {
        Self::new::<OfLogical2<O>, OfLogical2<O>>()
    }

    /// `output = condition ? yes : no`, from a boolean and two numbers of one type.
    pub const fn select<T: Number>() -> Self {
        Self::new::<OfSelect<T>, OfSelect<T>>()
    }
}

/// A kernel from a formula trait: `name<formula, type>(inputs) -> output`.
macro_rules! kernel {
    (
        $name:ident<$($parameter:ident: $bound:path),+>,
        $a:ty, $b:ty, $c:ty => $out:ty,
        |$x:pat_param, $y:pat_param, $z:pat_param| $value:expr
    ) => {
        struct $name<$($parameter),+>(PhantomData<($($parameter,)+)>);
        impl<$($parameter: $bound),+> LoopKernel for $name<$($parameter),+> {
            type A = $a;
            type B = $b;
            type C = $c;
            type Out = $out;
            #[inline(always)]
            fn apply($x: $a, $y: $b, $z: $c) -> $out {
                $value
            }
        }
    };
}
kernel!(OfUnary<O: Unary, F: Float>, F, (), () => F, |x, (), ()| O::apply(x));
kernel!(OfBinary<O: Binary, F: Float>, F, F, () => F, |x, y, ()| O::apply(x, y));
kernel!(OfTernary<O: Ternary, F: Float>, F, F, F => F, |x, y, z| O::apply(x, y, z));
kernel!(OfPredicate<O: Predicate, F: Float>, F, (), () => u8, |x, (), ()| u8::from(O::apply(x)));
kernel!(
    OfComparison<O: Comparison, T: Number>,
    T, T, () => u8,
    |x, y, ()| u8::from(O::apply(x, y))
);
kernel!(OfInteger1<O: Integer1>, i32, (), () => i32, |x, (), ()| O::apply(x));
kernel!(OfInteger2<O: Integer2>, i32, i32, () => i32, |x, y, ()| O::apply(x, y));
kernel!(OfLogical1<O: Logical1>, u8, (), () => u8, |x, (), ()| u8::from(O::apply(x != 0)));
kernel!(OfLogical2<O: Logical2>, u8, u8, () => u8, |x, y, ()| u8::from(O::apply(x != 0, y != 0)));
kernel!(
    OfSelect<T: Number>,
    u8, T, T => T,
    |condition, yes, no| if condition != 0 { yes } else { no }
);

#[cfg(test)]
mod tests;
