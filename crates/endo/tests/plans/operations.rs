//! Every operation as a plan against the node-by-node reference, on random shapes, axes and types.
//!
//! In: shapes from proptest, numbers from seeds. Elementwise operations, views, kernels and
//! integers agree bit for bit; sums of floats within the bound that holds for any order of adding
//! (Higham 2002, section 4.2).

use endo::ops::{self, elementwise};
use endo::prelude::*;
use proptest::prelude::*;

use super::running::{Within, cases, check, epsilon, numbers};

const FLOATS: [DType; 2] = [DType::F32, DType::F64];
const AROUND_ZERO: [f64; 2] = [-2.0, 2.0];

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(0_usize), 2 => Just(1), 12 => 2_usize..7, 3 => 7_usize..40]
}

fn positive_size() -> impl Strategy<Value = usize> {
    size().prop_map(|size| size.max(1))
}

fn shape(ranks: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(size(), ranks).prop_filter("small enough for the reference", |sizes| {
        sizes.iter().product::<usize>() < 3000
    })
}

/// A shape with `rank` axes at least, and a subset of its axes, some counted from the end.
fn shape_and_axes() -> impl Strategy<Value = (Vec<usize>, Vec<isize>)> {
    (shape(1..=4), any::<[bool; 4]>(), any::<bool>()).prop_map(|(shape, chosen, from_end)| {
        let rank = shape.len() as isize;
        let axes = (0..rank)
            .filter(|&axis| chosen[axis as usize])
            .map(|axis| if from_end { axis - rank } else { axis });
        (shape.clone(), axes.collect())
    })
}

/// A shape that broadcasts to `shape`: some axes 1, some in front left out.
fn narrowed(shape: &[usize], narrow: u8) -> Vec<usize> {
    let sizes = shape
        .iter()
        .enumerate()
        .map(|(axis, &size)| if narrow >> axis & 1 == 1 { 1 } else { size });
    sizes.skip(usize::from(narrow >> 6).min(shape.len())).collect()
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn elementwise_operations_of_every_table_and_type(
        shape in shape(0..=3),
        narrow in any::<[u8; 3]>(),
        seed in any::<u64>(),
    ) {
        let site = endo::Site::caller();
        for operation in ops::tables().into_iter().flatten() {
            for dtype in
                DType::ALL.into_iter().filter(|&dtype| operation.loops_for(dtype).is_some())
            {
                let operand = |i: usize| {
                    let narrow = if i == 0 { 0 } else { narrow[i] };
                    let dtype = if operation.arity == 3 && i == 0 { DType::Bool } else { dtype };
                    let interval = if dtype == DType::I32 { [-3.0, 5.0] } else { operation.domain };
                    numbers(narrowed(&shape, narrow), dtype, interval, seed.wrapping_add(i as u64))
                };
                let inputs: Vec<Array> = (0..operation.arity).map(operand).collect();
                let apply = |_: &_, x: &[Tensor]| {
                    vec![elementwise::apply(operation, &x.iter().collect::<Vec<_>>(), site)]
                };
                check(operation.name, &apply, &inputs, &[Within::Bits]);
            }
        }
    }

    #[test]
    fn casts_between_all_types(shape in shape(0..=3), seed in any::<u64>()) {
        for from in DType::ALL {
            for to in DType::ALL {
                let inputs = [numbers(shape.clone(), from, [-3.0, 3.0], seed)];
                check(
                    &format!("{from} to {to}"),
                    &|_, x| vec![x[0].cast(to), x[0].cast(to).cast(DType::F32) + 1.0],
                    &inputs,
                    &[Within::Bits; 2],
                );
            }
        }
    }

    #[test]
    fn sums_and_means_along_any_axes((shape, axes) in shape_and_axes(), seed in any::<u64>()) {
        let count: usize = axes
            .iter()
            .map(|&axis| shape[(axis.rem_euclid(shape.len() as isize)) as usize])
            .product();
        for dtype in FLOATS {
            let inputs = [numbers(shape.clone(), dtype, AROUND_ZERO, seed)];
            // |error| <= (terms - 1) * eps * sum |x|, and |x| <= 2; means divide by the number of
            // terms.
            let mean = 2.0 * (count as f64 + 2.0) * epsilon(dtype);
            let sum = mean * count as f64;
            check("sum", &|_, x| vec![x[0].sum_axes(&axes)], &inputs, &[Within::Absolute(sum)]);
            check("mean", &|_, x| vec![x[0].mean_axes(&axes)], &inputs, &[Within::Absolute(mean)]);
            // The square of a difference of at most 4 doubles its error 4 times over; then a mean
            // of at most 16.
            check(
                "variance",
                &|_, x| vec![x[0].variance_axes(&axes)],
                &inputs,
                &[Within::Absolute(20.0 * mean)],
            );
            check(
                "logsumexp",
                &|_, x| vec![x[0].logsumexp_axes(&axes)],
                &inputs,
                &[Within::Absolute(20.0 * mean)],
            );
            check(
                "sum of a fused product",
                &|_, x| vec![(&x[0] * &x[0] + 1.0).sum_axes(&axes)],
                &inputs,
                &[Within::Absolute(3.0 * sum)],
            );
        }
        let inputs = [numbers(shape.clone(), DType::I32, [-9.0, 9.0], seed)];
        check("sum", &|_, x| vec![x[0].sum_axes(&axes)], &inputs, &[Within::Bits]);
    }

    #[test]
    fn extremes_and_truth_along_any_axes((shape, axes) in shape_and_axes(), seed in any::<u64>()) {
        for dtype in DType::ALL {
            let inputs = [numbers(shape.clone(), dtype, AROUND_ZERO, seed)];
            check("max", &|_, x| vec![x[0].max_axes(&axes)], &inputs, &[Within::Bits]);
            check("min", &|_, x| vec![x[0].min_axes(&axes)], &inputs, &[Within::Bits]);
            check("any", &|_, x| vec![x[0].any_axes(&axes)], &inputs, &[Within::Bits]);
            check("all", &|_, x| vec![x[0].all_of_axes(&axes)], &inputs, &[Within::Bits]);
            check(
                "count",
                &|_, x| vec![x[0].cast(DType::Bool).sum_axes(&axes)],
                &inputs,
                &[Within::Bits],
            );
        }
    }

    #[test]
    fn products_along_any_axes((shape, axes) in shape_and_axes(), seed in any::<u64>()) {
        let count: usize = axes
            .iter()
            .map(|&axis| shape[(axis.rem_euclid(shape.len() as isize)) as usize])
            .product();
        for dtype in FLOATS {
            let inputs = [numbers(shape.clone(), dtype, [0.8, 1.25], seed)];
            check(
                "product",
                &|_, x| vec![x[0].product_axes(&axes)],
                &inputs,
                &[Within::Relative((count as f64 + 1.0) * epsilon(dtype))],
            );
        }
        // Integers wrap around, in whichever order they are combined.
        let integers = [numbers(shape.clone(), DType::I32, [-2e9, 2e9], seed)];
        let overflow = |_: &_, x: &[Tensor]| {
            vec![x[0].product_axes(&axes), x[0].sum_axes(&axes), x[0].square().sum_axes(&axes)]
        };
        check("integers that overflow", &overflow, &integers, &[Within::Bits; 3]);
    }

    #[test]
    fn matrix_products_in_every_orientation(
        [m, k, n] in prop::array::uniform3(size()),
        batch in prop::collection::vec(1_usize..4, 0..=2),
        narrow in any::<[u8; 2]>(),
        seed in any::<u64>(),
    ) {
        for dtype in FLOATS {
            for [left, right] in [[false, false], [false, true], [true, false], [true, true]] {
                let transposed = Transposed { left, right };
                let shape = |narrow: u8, sizes: [usize; 2], swap: bool| {
                    let sizes = if swap { [sizes[1], sizes[0]] } else { sizes };
                    narrowed(&batch, narrow).into_iter().chain(sizes).collect::<Vec<_>>()
                };
                let a = numbers(shape(narrow[0], [m, k], left), dtype, AROUND_ZERO, seed);
                let shape = shape(narrow[1], [k, n], right);
                let b = numbers(shape, dtype, AROUND_ZERO, seed.wrapping_add(1));
                // k products of at most 4 each.
                let bound = Within::Absolute((k as f64 + 1.0) * 4.0 * k as f64 * epsilon(dtype));
                check(
                    "matmul",
                    &|_, x| vec![x[0].matmul_transposed(&x[1], transposed)],
                    &[a.clone(), b.clone()],
                    &[bound],
                );
                let outer = |_: &_, x: &[Tensor]| {
                    let [a, b] = [(&x[0], left), (&x[1], right)]
                        .map(|(x, swap)| if swap { x.transpose() } else { x.clone() });
                    vec![a.matmul(&b) * 0.5 + 1.0]
                };
                check("matmul of transposed views", &outer, &[a, b], &[bound]);
            }
            let [a, b, c] = [vec![k], vec![k, n], vec![k]]
                .map(|shape| numbers(shape, dtype, AROUND_ZERO, seed));
            let bound = Within::Absolute((k as f64 + 1.0) * 4.0 * k as f64 * epsilon(dtype));
            let rank_1 = |_: &_, x: &[Tensor]| {
                vec![x[0].matmul(&x[1]), x[1].transpose().matmul(&x[0]), x[0].matmul(&x[2])]
            };
            check("matmul of vectors", &rank_1, &[a, b, c], &[bound; 3]);
        }
    }

    #[test]
    fn views_read_where_they_say(
        shape in shape(1..=4),
        order in any::<u64>(),
        cut in any::<[u8; 3]>(),
        seed in any::<u64>(),
    ) {
        let rank = shape.len();
        let permutation = endo::random::Random::new(order, 1).permutation(rank);
        let axis = usize::from(cut[0]) % rank;
        let (start, end) =
            (usize::from(cut[1]) % (shape[axis] + 1), usize::from(cut[2]) % (shape[axis] + 1));
        let range = start.min(end)..start.max(end);
        let wide: Vec<usize> =
            [2].into_iter().chain(shape.iter().flat_map(|&size| [size, 3])).collect();
        for dtype in DType::ALL {
            let inputs = [numbers(shape.clone(), dtype, [-3.0, 3.0], seed)];
            let views = |_: &_, x: &[Tensor]| {
                let x = &x[0];
                let mut spread = x.clone();
                for axis in (0..rank).rev() {
                    spread = spread.expand_dims(axis as isize + 1);
                }
                let mut views = vec![
                    x.permute(&permutation),
                    x.permute(&permutation).reshape([x.shape().len()]),
                    x.flip(axis as isize),
                    spread.broadcast_to(wide.clone()),
                    x.expand_dims(-1).expand_dims(0).squeeze(-1),
                ];
                for step in [1, 2, -1, -3] {
                    views.push(x.slice_step(axis as isize, range.clone(), step));
                    views.push(
                        x.slice_step(axis as isize, range.clone(), step)
                            .flip(axis as isize)
                            .permute(&permutation),
                    );
                }
                let computed: Vec<Tensor> =
                    views.iter().map(|view| view.cast(DType::F32) * 2.0).collect();
                views.into_iter().chain(computed).collect()
            };
            check("views", &views, &inputs, &[Within::Bits; 26]);
        }
    }

    #[test]
    fn tensors_are_put_together(
        shape in shape(1..=3),
        widths in any::<[u8; 6]>(),
        seed in any::<u64>(),
    ) {
        let axis = usize::from(widths[0]) % shape.len();
        for dtype in DType::ALL {
            let part = |i: usize| {
                let mut shape = shape.clone();
                shape[axis] = usize::from(widths[i]) % 4;
                numbers(shape, dtype, [-3.0, 3.0], seed.wrapping_add(i as u64))
            };
            let inputs = [numbers(shape.clone(), dtype, [-3.0, 3.0], seed), part(1), part(2)];
            let together = |_: &_, x: &[Tensor]| {
                let padding: Vec<(usize, usize)> = (0..x[0].rank())
                    .map(|i| (usize::from(widths[i]) % 3, usize::from(widths[i + 3]) % 3))
                    .collect();
                let counts: Vec<usize> =
                    (0..x[0].rank()).map(|i| usize::from(widths[i + 1]) % 3 + 1).collect();
                vec![
                    Tensor::concatenate(x, axis as isize),
                    Tensor::concatenate(&[x[0].clone(), x[0].flip(axis as isize)], axis as isize),
                    Tensor::stack(&[x[0].clone(), x[0].flip(0)], axis as isize),
                    x[0].pad(&padding, 1.0),
                    x[0].tile(&counts),
                ]
            };
            check("concatenate, stack, pad, tile", &together, &inputs, &[Within::Bits; 5]);
        }
    }

    #[test]
    fn elements_are_picked_by_index(
        shape in shape(1..=3),
        picks in positive_size(),
        at in any::<u8>(),
        seed in any::<u64>(),
    ) {
        let axis = usize::from(at) % shape.len();
        let size = shape[axis] as f64;
        let mut along = shape.clone();
        along[axis] = picks;
        for dtype in DType::ALL {
            // One index in some is out of range: it picks NaN or 0.
            let inputs = [
                numbers(shape.clone(), dtype, [-3.0, 3.0], seed),
                numbers(vec![picks, 2], DType::I32, [-size, size + 0.3], seed),
                numbers(along.clone(), DType::I32, [-size, size + 0.3], seed),
            ];
            let pick = |_: &_, x: &[Tensor]| {
                let axis = axis as isize;
                vec![
                    x[0].gather(&x[1], axis),
                    x[0].take_along_axis(&x[2], axis),
                    x[1].one_hot(5),
                    x[0].flip(axis).gather(&x[1].transpose(), axis),
                ]
            };
            check("gather, take_along_axis, one_hot", &pick, &inputs, &[Within::Bits; 4]);
        }
    }

    #[test]
    fn scans_and_orders_along_an_axis(
        shape in prop::collection::vec(1_usize..9, 1..=3),
        at in any::<u8>(),
        seed in any::<u64>(),
    ) {
        let axis = (usize::from(at) % shape.len()) as isize;
        for dtype in DType::ALL {
            let inputs = [numbers(shape.clone(), dtype, [-3.0, 4.0], seed)];
            let orders = |_: &_, x: &[Tensor]| {
                let x = &x[0];
                let (largest, positions) = x.top_k(x.features().min(3));
                vec![
                    x.cumsum(axis),
                    x.cumprod(axis, false, false),
                    x.cumprod(axis, true, true),
                    x.sort(axis),
                    x.argsort(axis, false),
                    x.argsort(axis, true),
                    x.argmax(axis),
                    x.argmin(axis),
                    largest,
                    positions,
                    x.sort(axis).flip(axis).cast(DType::F64) + 1.0,
                ]
            };
            check("scans and orders", &orders, &inputs, &[Within::Bits; 11]);
        }
    }

    #[test]
    fn choices_and_limits(shape in shape(0..=3), narrow in any::<[u8; 3]>(), seed in any::<u64>()) {
        for dtype in [DType::F32, DType::F64, DType::I32] {
            let input = |i: u64, dtype| {
                numbers(
                    narrowed(&shape, narrow[i as usize]),
                    dtype,
                    [-3.0, 3.0],
                    seed.wrapping_add(i),
                )
            };
            let inputs = [input(0, DType::Bool), input(1, dtype), input(2, dtype)];
            let choose = |_: &_, x: &[Tensor]| {
                vec![
                    x[0].where_(&x[1], &x[2]),
                    x[0].where_(&x[1], 0.0),
                    x[1].clip(-1, 1),
                    x[1].maximum(&x[2]).clip(-1.5, 0.5),
                    x[1].powf(3.0),
                ]
            };
            check("where_, clip, powf", &choose, &inputs, &[Within::Bits; 5]);
        }
    }
}

#[test]
fn what_relu_lets_through_is_one_operation() {
    let net = Sequential::new().add(Dense::new(30).activation(Relu)).add(Dense::new(1));
    let mut model = Model::new(net).seed(1);
    model.compile(Sgd::new(0.1), MeanSquaredError, ());
    let data = Dataset::new(
        Array::from_fn([32, 8], |i| (0.7 * i as f32).sin()),
        Array::zeros([32, 1], DType::F32),
    )
    .unwrap();
    let plan = model.training_program(&data).unwrap().plan().to_string();
    assert!(
        plan.contains("select(y.greater(z), x, z)")
            && !plan.contains("= greater(")
            && !plan.contains("= where("),
        "{plan}"
    );
}
