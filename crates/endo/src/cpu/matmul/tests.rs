//! The claims that hold for every path, level, type and number of threads: right values, no read or
//! write outside the operands, the same bits whatever the threads and the alignment.
use super::*;
use crate::simd::Memory;

/// Numbers for tests: a linear congruence.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1u64 << 31) as f64 - 0.5
    }

    fn below(&mut self, end: usize) -> usize {
        ((self.next() + 0.5) * end as f64) as usize
    }
}

/// How near the sums of an element type come to exact ones.
trait Tolerance: Element {
    const TOLERANCE: f64;
}

impl Tolerance for f32 {
    const TOLERANCE: f64 = 2e-7;
}

impl Tolerance for f64 {
    const TOLERANCE: f64 = 4e-16;
}

/// An operand between guards of NaN, which must be neither read nor written.
#[derive(Clone)]
struct Guarded<T> {
    values: Vec<T>,
    guard: usize,
}

impl<T: Tolerance> Guarded<T> {
    /// The elements at `row * strides[0] + column * strides[1]` are random; the gaps between them
    /// are NaN too.
    fn new(shape: [usize; 2], strides: [usize; 2], guard: usize, random: &mut Random) -> Self {
        let end = strides[0] * shape[0] + strides[1] * shape[1];
        let mut values = vec![T::NAN; 2 * guard + end];
        for i in 0..shape[0] {
            for j in 0..shape[1] {
                values[guard + i * strides[0] + j * strides[1]] = T::from_f64(random.next());
            }
        }
        Self { values, guard }
    }

    fn at(&self, index: usize) -> T {
        self.values[self.guard + index]
    }

    fn pointer(&self) -> *const T {
        self.values[self.guard..].as_ptr()
    }

    fn pointer_mut(&mut self) -> *mut T {
        self.values[self.guard..].as_mut_ptr()
    }
}

/// Whether a product takes its own path or one that its size would not choose.
#[derive(Clone, Copy, Debug)]
enum Course {
    Own,
    Direct,
    Blocked,
}

fn run<T: Tolerance>(
    product: &Matmul,
    (course, level, pool): (Course, Level, &Pool),
    [a, b]: [&Guarded<T>; 2],
    bias: Option<&Guarded<T>>,
    c: &mut Guarded<T>,
) {
    let bytes = match course {
        Course::Own => product.scratch_bytes(size_of::<T>()),
        Course::Direct => 0,
        Course::Blocked => {
            blocked::scratch_elements([product.m, product.n, product.k], size_of::<T>())
                * size_of::<T>()
        }
    };
    // A margin behind shows whether a run writes past what it asked for.
    let mut scratch = Memory::zeroed(bytes + 64);
    scratch.bytes_mut().fill(0xff);
    let pointer = scratch.bytes_mut().as_mut_ptr();
    let bias = bias.map_or(null(), |bias| bias.pointer());
    let operands =
        Operands { shape: *product, a: a.pointer(), b: b.pointer(), bias, c: c.pointer_mut() };
    // SAFETY: the operands are made for the shape, and the level is one of the processor's.
    unsafe {
        match course {
            Course::Own => operands.run(level, pointer.cast(), pool),
            Course::Direct => direct::run(&operands, level, pool.team(pool.threads())),
            Course::Blocked => blocked::run(
                &operands,
                level,
                pointer.cast(),
                pool.team(pool.threads()),
                &tile::Write,
            ),
        }
    }
    let mut behind = scratch.bytes()[bytes..].iter();
    assert!(behind.all(|&byte| byte == 0xff), "{product:?} wrote behind its scratch");
}

/// Runs a product at every level, with one thread and two, at two alignments, and compares.
fn check<T: Tolerance>(product: &Matmul, with_bias: bool, pools: &[Pool; 2], random: &mut Random) {
    let &Matmul { m, n, k, .. } = product;
    let guard = 40;
    let mut a = Guarded::<T>::new([m, k], product.a, guard, random);
    let mut b = Guarded::<T>::new([k, n], product.b, guard, random);
    if product.bf16 {
        for x in a.values.iter_mut().chain(&mut b.values) {
            *x = x.round_to_bf16();
        }
    }
    let c = Guarded::<T>::new([m, n], [product.c_row, 1], guard, random);
    let bias = with_bias.then(|| Guarded::<T>::new([1, n], [0, 1], guard, random));
    let mut wanted = vec![[0.0; 2]; m * n];
    for i in 0..m {
        for j in 0..n {
            let start = if product.accumulate { c.at(i * product.c_row + j).to_f64() } else { 0.0 };
            let start = start + bias.as_ref().map_or(0.0, |bias| bias.at(j).to_f64());
            let terms = (0..k).map(|p| {
                a.at(i * product.a[0] + p * product.a[1]).to_f64()
                    * b.at(p * product.b[0] + j * product.b[1]).to_f64()
            });
            let [sum, size] = terms.fold([start, start.abs() + 1.0], |[sum, size], term| {
                [sum + term, size + term.abs()]
            });
            let sum = if product.rectify { sum.max(0.0) } else { sum };
            wanted[i * n + j] = [sum, size];
        }
    }
    let course = match random.below(3) {
        0 if product.b[1] == 1 && m * n > 0 => Course::Direct,
        1 if m * n * k > 0 => Course::Blocked,
        _ => Course::Own,
    };
    for level in Level::available() {
        let mut first = None;
        for (pool, shift) in [(&pools[0], 0), (&pools[1], 0), (&pools[0], 1)] {
            let [a, b, mut c] = [&a, &b, &c].map(|x| {
                let mut x = x.clone();
                x.values.splice(0..0, vec![T::NAN; shift]);
                x.guard += shift;
                x
            });
            run(product, (course, level, pool), [&a, &b], bias.as_ref(), &mut c);
            for (index, &value) in c.values.iter().enumerate() {
                let place = index
                    .checked_sub(c.guard)
                    .map(|index| (index / product.c_row.max(1), index % product.c_row.max(1)));
                match place {
                    Some((i, j)) if i < m && j < n => {
                        let [sum, size] = wanted[i * n + j];
                        let error = (value.to_f64() - sum).abs();
                        let bound = T::TOLERANCE * size * (k as f64 + 4.0).sqrt();
                        assert!(
                            error <= bound,
                            "{product:?} {level:?} {course:?}: c[{i}, {j}] = {value:?}, not {sum}"
                        );
                    }
                    _ => assert!(
                        value.to_f64().is_nan(),
                        "{product:?} {level:?} {course:?} wrote outside c, at {index}"
                    ),
                }
            }
            let bits: Vec<u64> = c.values[c.guard..].iter().map(|x| x.to_f64().to_bits()).collect();
            assert!(
                *first.get_or_insert_with(|| bits.clone()) == bits,
                "{product:?} {level:?} {course:?}: other bits"
            );
        }
    }
}

/// Every way that two operands and a result can lie, for one size.
fn check_layouts([m, n, k]: [usize; 3], pools: &[Pool; 2], random: &mut Random) {
    for layout in 0..8 {
        let gap = random.below(3) * (layout & 1);
        let a = [[k + gap, 1], [1, m + gap], [2 * k + 1, 2]][random.below(3)];
        let b = [[n + gap, 1], [1, k + gap], [3, 3 * k + 2]][random.below(3)];
        let bf16 = random.below(2) == 0;
        let (accumulate, rectify) = (layout & 2 != 0, random.below(2) == 0);
        let product = Matmul { m, n, k, a, b, c_row: n + gap, accumulate, rectify, bf16 };
        if bf16 || random.below(2) == 0 {
            check::<f32>(&product, layout & 4 != 0, pools, random);
        } else {
            check::<f64>(&product, layout & 4 != 0, pools, random);
        }
    }
}

#[test]
fn random_small_products_are_right() {
    let (pools, mut random) = ([Pool::new(1), Pool::new(2)], Random(1));
    for _ in 0..40 {
        let size = [(); 3].map(|()| 1 + random.below(70));
        check_layouts(size, &pools, &mut random);
    }
}

/// As `check_layouts`, for many sizes; `random` is where the random numbers start.
fn check_sizes(sizes: &[[usize; 3]], threads: usize, random: u64) {
    let (pools, mut random) = ([Pool::new(1), Pool::new(threads)], Random(random));
    for &size in sizes {
        check_layouts(size, &pools, &mut random);
    }
}

#[test]
fn products_of_more_threads_than_tasks_are_right() {
    check_sizes(&[[300, 500, 40], [130, 900, 33], [15, 33, 1100]], 20, 7);
}

#[test]
fn products_of_halves_are_right() {
    let sizes = [[33, 515, 35], [70, 70, 131], [130, 64, 2101], [32, 33, 600], [300, 45, 2050]];
    check_sizes(&sizes, 2, 9);
}

#[test]
fn pairs_of_terms_are_multiplied_where_the_processor_does() {
    let level = Level::detect();
    let of = |bf16| {
        let (a, b) = ([257, 1], [1, 257]);
        Matmul { m: 65, n: 49, k: 257, a, b, c_row: 49, accumulate: false, rectify: false, bf16 }
    };
    assert!(!of(false).multiplies_pairs(level));
    assert_eq!(of(true).multiplies_pairs(level), level.multiplies_bf16());
    let straight = |bf16| Matmul { k: 200, b: [49, 1], ..of(bf16) };
    assert!(straight(false).updates() && !straight(true).updates());
    // Whole numbers are added without rounding, in any order.
    let numbers = |count: usize| -> Vec<f32> { (0..count).map(|i| (i % 7) as f32 - 3.0).collect() };
    let (a, b) = (numbers(65 * 257), numbers(257 * 49));
    let run = |product: &Matmul, level| {
        let mut c = vec![0.0_f32; 65 * 49];
        let mut scratch = Memory::zeroed(product.scratch_bytes(4));
        let scratch = scratch.bytes_mut().as_mut_ptr();
        let (a, b) = (a.as_ptr(), b.as_ptr());
        // SAFETY: the arrays hold what the shape says.
        unsafe { product.run_f32(level, a, b, None, c.as_mut_ptr(), scratch, &Pool::new(1)) };
        c
    };
    let expected = run(&of(false), level);
    for level in Level::available() {
        assert!(run(&of(true), level) == expected, "{level:?}");
    }
}

#[test]
fn narrow_products_are_right() {
    let sizes = [
        [32, 1, 30],
        [30, 1, 32],
        [32, 30, 1],
        [1, 30, 30],
        [1, 1, 1],
        [1, 1, 100],
        [3, 1, 65],
        [32, 9, 30],
        [128, 30, 8],
        [1024, 30, 8],
        [8, 30, 600],
        [5, 1, 9000],
        [1, 200, 300],
        [300, 1, 200],
        [30, 8, 32],
        [100, 3, 40],
        [300, 5, 300],
    ];
    check_sizes(&sizes, 2, 2);
}

#[test]
fn products_of_few_columns_are_right_where_the_left_operand_is_transposed() {
    let (pools, mut random) = ([Pool::new(1), Pool::new(2)], Random(8));
    for [m, n, k] in [[30, 8, 32], [16, 2, 9], [17, 7, 600], [100, 5, 33], [2000, 8, 40]] {
        for (gap, accumulate, with_bias) in
            [(0, false, false), (3, false, false), (0, false, true), (0, true, false)]
        {
            let product = Matmul {
                m,
                n,
                k,
                a: [1, m + gap],
                b: [n + gap, 1],
                c_row: n + gap,
                accumulate,
                rectify: false,
                bf16: false,
            };
            assert!(matches!(product.path(4), Path::Narrow) != accumulate, "{product:?}");
            check::<f32>(&product, with_bias, &pools, &mut random);
            check::<f64>(&product, with_bias, &pools, &mut random);
        }
    }
}

#[test]
fn products_of_many_blocks_are_right() {
    let sizes =
        [[65, 129, 300], [5, 2100, 9], [1050, 20, 9], [14, 65, 1100], [3, 2, 600], [520, 40, 1100]];
    check_sizes(&sizes, 2, 3);
}

#[test]
fn a_large_product_is_right() {
    let (pools, mut random) = ([Pool::new(1), Pool::new(2)], Random(6));
    let product = Matmul {
        m: 257,
        n: 129,
        k: 300,
        a: [300, 1],
        b: [1, 300],
        c_row: 129,
        accumulate: false,
        rectify: false,
        bf16: false,
    };
    check::<f32>(&product, true, &pools, &mut random);
    check::<f64>(&product, false, &pools, &mut random);
}

#[test]
fn a_product_of_no_terms_is_the_bias_or_zero() {
    check_sizes(&[[3, 20, 0], [1, 1, 0], [4, 1, 0]], 2, 4);
}

#[test]
fn a_product_without_elements_does_nothing() {
    check_sizes(&[[0, 20, 3], [20, 0, 3], [0, 0, 0]], 2, 5);
}

#[test]
fn a_bias_is_added_once_however_many_blocks() {
    let product = Matmul {
        m: 40,
        n: 40,
        k: 1000,
        a: [1000, 1],
        b: [40, 1],
        c_row: 40,
        accumulate: false,
        rectify: false,
        bf16: false,
    };
    let (a, b, bias, mut c) =
        (vec![0.0; 40_000], vec![1.0; 40_000], vec![2.5; 40], vec![f32::NAN; 1600]);
    let mut scratch = Memory::zeroed(product.scratch_bytes(4));
    let scratch = scratch.bytes_mut().as_mut_ptr();
    // SAFETY: the vectors hold what the shape says.
    unsafe {
        product.run_f32(
            Level::detect(),
            a.as_ptr(),
            b.as_ptr(),
            Some(bias.as_ptr()),
            c.as_mut_ptr(),
            scratch,
            &Pool::new(2),
        )
    };
    assert!(c.iter().all(|&x| x == 2.5));
}

#[test]
fn products_of_fewer_rows_add_their_terms_in_the_same_order_where_they_say_so() {
    let rows = |m: usize, k: usize| Matmul {
        m,
        n: 512,
        k,
        a: [k, 1],
        b: [512, 1],
        c_row: 512,
        accumulate: false,
        rectify: false,
        bf16: false,
    };
    let mut random = Random(17);
    // Few terms are one chain, packed or not; of more, a packed product has longer ones.
    for (k, m, part, same) in [(128, 64, 32, true), (512, 128, 64, true), (512, 128, 32, false)] {
        let (whole, part) = (rows(m, k), rows(part, k));
        assert_eq!(part.sums_as(&whole, 4), same, "{part:?}");
        let mut numbers =
            |count: usize| -> Vec<f32> { (0..count).map(|_| random.next() as f32).collect() };
        let (a, b) = (numbers(m * k), numbers(k * 512));
        let run = |product: &Matmul| {
            let mut c = vec![0.0_f32; product.m * 512];
            let mut scratch = Memory::zeroed(product.scratch_bytes(4));
            let (level, pool) = (Level::detect(), Pool::new(1));
            // SAFETY: the arrays hold what the shape says.
            unsafe {
                product.run_f32(
                    level,
                    a.as_ptr(),
                    b.as_ptr(),
                    None,
                    c.as_mut_ptr(),
                    scratch.bytes_mut().as_mut_ptr(),
                    &pool,
                )
            };
            c
        };
        let (whole, part) = (run(&whole), run(&part));
        assert_eq!(part == whole[..part.len()], same);
    }
}
