//! Products with windows of images, also those of channels in groups, kernels of each channel, and
//! the greatest element of each window: plans, which make windows a part at a time or not at all,
//! against the node-by-node reference, and on one thread and more.
//!
//! In: random sizes, strides, dilations and paddings over one to three axes; whole numbers, whose
//! sums are exact in any order. Out: the same bits.

use endo::Site;
use endo::graph::Transposed;
use endo::ops::Window;
use endo::prelude::*;
use proptest::prelude::*;

use super::running::{Way, Within, cases, difference, graph, numbers, run};

/// A convolution.
#[derive(Clone, Debug)]
struct Case {
    batch: usize,
    axes: Vec<(usize, Window)>,
    channels: usize,
    filters: usize,
    dtype: DType,
    seed: u64,
}

impl Case {
    fn windows(&self) -> Vec<Window> {
        self.axes.iter().map(|(_, window)| *window).collect()
    }

    fn lengths(&self) -> Vec<usize> {
        self.axes.iter().map(|(length, _)| *length).collect()
    }

    fn counts(&self) -> Vec<usize> {
        self.axes.iter().map(|(_, window)| window.count).collect()
    }

    /// An image, a kernel, a bias, gradients of a convolution and of pooling.
    fn inputs(&self) -> [Array; 5] {
        let size: usize = self.axes.iter().map(|(_, window)| window.size).product();
        let positions = self.batch * self.counts().iter().product::<usize>();
        let image = [vec![self.batch], self.lengths(), vec![self.channels]].concat();
        let pooled = [vec![self.batch], self.counts(), vec![self.channels]].concat();
        let terms = size * self.channels;
        let shapes = [
            image,
            vec![terms, self.filters],
            vec![self.filters],
            vec![positions, self.filters],
            pooled,
        ];
        let whole = |(index, shape): (u64, &Vec<usize>)| {
            let whole = numbers(shape.clone(), DType::I32, [-4.0, 5.0], self.seed + index);
            whole.cast(self.dtype)
        };
        let mut arrays = (0..).zip(&shapes).map(whole);
        std::array::from_fn(|_| arrays.next().expect("five shapes"))
    }
}

/// A convolution, both of its gradients and a transposed one, and pooling and its gradient.
fn convolution(case: &Case, inputs: &[Tensor]) -> Vec<Tensor> {
    let [x, kernel, bias, dy, pooled] = inputs else { panic!("five inputs") };
    let (windows, lengths) = (case.windows(), case.lengths());
    let [terms, _] = kernel.shape()[..] else { panic!("a matrix") };
    let seen = x.windows(&windows, 0.0).reshape([dy.batch(), terms]);
    let sizes = windows.iter().map(|window| window.size);
    let all: Shape =
        [case.batch].into_iter().chain(case.counts()).chain(sizes).chain([case.channels]).collect();
    let added = dy
        .matmul_transposed(kernel, Transposed::RIGHT)
        .reshape(&all)
        .overlap_add(&windows, &lengths);
    let greatest = x.max_windows(&windows);
    let slopes = endo::autodiff::gradients(
        &(&greatest * pooled).sum(),
        std::slice::from_ref(x),
        Site::caller(),
    )
    .remove(0)
    .unwrap();
    vec![
        seen.matmul(kernel) + bias,
        seen.matmul_transposed(dy, Transposed::LEFT),
        added,
        greatest,
        slopes,
    ]
}

fn axis() -> impl Strategy<Value = (usize, Window)> {
    (1_usize..24, 1_usize..4, 1_usize..4, 1_usize..3, 0_usize..7, 0_usize..3).prop_map(
        |(length, size, stride, dilation, before, more)| {
            let span = (size - 1) * dilation + 1;
            // Some windows reach over the ends, or are outside as a whole.
            let count = (length + 2 * before).saturating_sub(span) / stride + 1 + more;
            (length, Window { size, stride, dilation, before, count })
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let axes = prop::collection::vec(axis(), 1..4);
    let channels = prop::sample::select(vec![1_usize, 2, 3, 8, 17, 20]);
    let filters = prop::sample::select(vec![1_usize, 3, 8, 16, 33]);
    let dtype = prop::sample::select(vec![DType::F32, DType::F32, DType::F64]);
    (1_usize..30, axes, channels, filters, dtype, any::<u32>()).prop_map(
        |(batch, mut axes, channels, filters, dtype, seed)| {
            // Volumes of few elements along each axis.
            for (length, window) in axes.iter_mut().skip(1) {
                *length = (*length).min(9);
                let span = (window.size - 1) * window.dilation + 1;
                window.count =
                    (*length + 2 * window.before).saturating_sub(span) / window.stride + 1;
            }
            let batch = if axes.len() == 3 { batch.min(4) } else { batch };
            Case { batch, axes, channels, filters, dtype, seed: seed.into() }
        },
    )
}

fn check(case: &Case) {
    let inputs = case.inputs();
    // By themselves: products that are rectified are joined with that if nothing else reads them.
    for joined in [false, true] {
        let closure = |_: &std::rc::Rc<endo::graph::Trace>, x: &[Tensor]| {
            if joined {
                return rectified(case, x);
            }
            [convolution(case, x), grouped(case, x), of_each_channel(case, x, false)].concat()
        };
        let run = |way| run(way, &closure, &inputs, &[], 1).unwrap();
        let want = run(Way::NodeByNode);
        for way in [Way::Fused(1), Way::Fused(3), Way::Unfused] {
            for (index, (got, want)) in run(way).iter().zip(&want).enumerate() {
                let difference = difference(got, want, Within::Bits);
                assert_eq!(difference, None, "{case:?} as {way:?}, {joined}, output {index}");
            }
        }
    }
}

/// Gradients of the products of two tensors.
fn gradients(y: &Tensor, dy: &Tensor, of: &[Tensor]) -> Vec<Tensor> {
    let loss = (y * dy).sum();
    endo::autodiff::gradients(&loss, of, Site::caller()).into_iter().flatten().collect()
}

/// A convolution and the gradient of its kernel, both rectified.
fn rectified(case: &Case, inputs: &[Tensor]) -> Vec<Tensor> {
    let [x, kernel, bias, dy, _] = inputs else { panic!("five inputs") };
    let [terms, _] = kernel.shape()[..] else { panic!("a matrix") };
    let seen = x.windows(&case.windows(), 0.0).reshape([dy.batch(), terms]);
    let slopes = seen.matmul_transposed(dy, Transposed::LEFT);
    vec![(seen.matmul(kernel) + bias).relu(), slopes.relu()]
}

/// Convolutions of some samples each, with a kernel for each, and their gradients.
fn grouped(case: &Case, inputs: &[Tensor]) -> Vec<Tensor> {
    let [x, kernel, _, dy, _] = inputs else { panic!("five inputs") };
    let groups =
        [3, 2, 1].into_iter().find(|groups| case.batch.is_multiple_of(*groups)).unwrap_or(1);
    let [terms, filters] = kernel.shape()[..] else { panic!("a matrix") };
    let factors = Array::from_fn([groups, 1, 1], |i| 1.0 + i as f32).cast(case.dtype);
    let kernels = kernel * x.trace().constant(factors, Site::caller());
    let rows = dy.batch() / groups;
    let seen = x.windows(&case.windows(), 0.0).reshape([groups, rows, terms]);
    let y = seen.matmul(&kernels);
    let slopes = gradients(&y, &dy.reshape([groups, rows, filters]), &[x.clone(), kernels]);
    [vec![y], slopes].concat()
}

/// A kernel for each channel, made of the first filter, and the gradients: by the operation, or by
/// windows in memory.
fn of_each_channel(case: &Case, inputs: &[Tensor], in_memory: bool) -> Vec<Tensor> {
    let [x, kernel, _, _, pooled] = inputs else { panic!("five inputs") };
    let windows = case.windows();
    let sizes = windows.iter().map(|window| window.size);
    let kernel = kernel.slice(1, 0..1);
    let y = if in_memory {
        let (size, positions) = (sizes.product::<usize>(), case.counts().iter().product::<usize>());
        let seen = x.windows(&windows, 0.0);
        let seen = seen.reshape([case.batch * positions, size, case.channels]);
        let products = seen * kernel.reshape([size, case.channels]);
        products.sum_axes([1]).reshape(pooled.shape())
    } else {
        let shape: Shape = sizes.chain([case.channels]).collect();
        x.depthwise(&kernel.reshape(shape), &windows)
    };
    let slopes = gradients(&y, pooled, &[x.clone(), kernel]);
    [vec![y], slopes].concat()
}

#[test]
fn kernels_of_each_channel_give_what_windows_in_memory_give() {
    for (batch, channels, dtype) in [(1, 1, DType::F32), (5, 20, DType::F64), (64, 33, DType::F32)]
    {
        let axis = |length, size, stride, dilation, before, count| {
            (length, Window { size, stride, dilation, before, count })
        };
        for axes in [
            vec![axis(9, 3, 1, 1, 1, 9), axis(8, 3, 1, 1, 1, 8)],
            vec![axis(9, 3, 2, 1, 1, 5), axis(8, 2, 3, 2, 0, 2)],
            vec![axis(17, 5, 1, 2, 8, 17)],
            vec![axis(4, 2, 2, 1, 0, 2), axis(4, 2, 1, 1, 1, 5), axis(5, 3, 4, 1, 2, 2)],
        ] {
            let case = Case { batch, axes, channels, filters: 2, dtype, seed: 3 };
            let closure = |_: &std::rc::Rc<endo::graph::Trace>, x: &[Tensor]| {
                [of_each_channel(&case, x, true), of_each_channel(&case, x, false)].concat()
            };
            for way in [Way::NodeByNode, Way::Fused(1), Way::Fused(2), Way::Fused(3)] {
                let all = run(way, &closure, &case.inputs(), &[], 1).unwrap();
                let (want, got) = all.split_at(3);
                for (got, want) in got.iter().zip(want) {
                    // Sums may be 0 of either sign.
                    let difference = difference(got, want, Within::Absolute(1e-9));
                    assert_eq!(difference, None, "{case:?} as {way:?}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn windows_a_part_at_a_time_are_all_windows(case in case()) {
        check(&case);
    }
}

#[test]
fn of_a_product_that_takes_windows_and_makes_them_one_of_the_two_is_whole() {
    let window = Window { size: 3, stride: 1, dilation: 1, before: 1, count: 12 };
    let inputs = [numbers([4, 12, 12, 2], DType::F32, [-2.0, 2.0], 1)];
    let kernel = numbers([18, 18], DType::F32, [-2.0, 2.0], 2);
    let closure = |trace: &std::rc::Rc<endo::graph::Trace>, x: &[Tensor]| {
        let kernel = trace.constant(kernel.clone(), Site::caller());
        let seen = x[0].windows(&[window, window], 0.0);
        let product = seen.reshape([4 * 144, 18]).matmul(&kernel).reshape(seen.shape());
        vec![product.overlap_add(&[window, window], &[12, 12])]
    };
    super::running::check("windows of windows", &closure, &inputs, &[Within::Absolute(1e-3)]);
}

#[test]
fn windows_of_one_element_are_rectified_where_they_are_rows_and_where_they_are_turned() {
    for channels in [1, 3] {
        let window = Window { size: 1, stride: 2, dilation: 1, before: 0, count: 64 };
        let axes = vec![(128, window)];
        let dtype = DType::F32;
        check(&Case { batch: 32, axes, channels, filters: 8, dtype, seed: 7 });
    }
}

#[test]
fn no_plan_of_a_convolution_holds_all_windows() {
    let window = Window { size: 3, stride: 1, dilation: 1, before: 1, count: 32 };
    let axes = vec![(32, window); 2];
    let case = Case { batch: 16, axes, channels: 16, filters: 24, dtype: DType::F32, seed: 1 };
    let inputs = case.inputs();
    type Convolutions<'a> = &'a dyn Fn(&[Tensor]) -> Vec<Tensor>;
    let all: [Convolutions<'_>; 3] =
        [&|x| convolution(&case, x), &|x| grouped(&case, x), &|x| of_each_channel(&case, x, false)];
    for convolutions in all {
        let closure = |_: &std::rc::Rc<endo::graph::Trace>, x: &[Tensor]| convolutions(x);
        let graph = graph(&closure, &inputs).unwrap();
        let plan = endo::plan::Plan::new(&graph, &endo::cpu::ProcessorTuning);
        let image = 16 * 32 * 32 * 16 * 4;
        assert!(plan.arena_bytes() < 7 * image, "{} bytes\n{plan}", plan.arena_bytes());
    }
    check(&case);
}
