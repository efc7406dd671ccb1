//! Attention of several heads on small numbers: shapes, masks, sizes of heads.

use crate::prelude::*;

use super::VALUE;

fn run(x: &[&Array], f: impl Fn(&[Tensor; 2], &mut Context) -> Tensor) -> Result<Array> {
    let mut f = Function::new(|inputs: [Tensor; 2], cx| [f(&inputs, cx)]);
    f.run([x[0], x[1]]).map(|[y]| y.clone())
}

#[test]
fn shapes_that_do_not_belong_together_are_refused() {
    let layer = MultiHeadAttention::new(2, 3);
    let zeros = |sizes: &[usize]| Array::zeros(sizes, DType::F32);
    let error =
        run(&[&zeros(&[2, 3, 4]), &zeros(&[1, 3, 4])], |x, cx| layer.apply(x, cx)).unwrap_err();
    error.says("`multi_head_attention` of a query [2, 3, 4], a value [1, 3, 4]");
    let mask = |x: &[Tensor; 2], cx: &mut Context| layer.apply(&(x[0].clone(), x[1].clone()), cx);
    let error = run(&[&zeros(&[2, 3, 4]), &zeros(&[2, 3, 2])], mask).unwrap_err();
    error.says("with a mask of shape [2, 3, 2] for pairs [2, 3, 3]");
    let error = run(&[&zeros(&[2, 3, 4]), &zeros(&[3])], mask).unwrap_err();
    error.says("with a mask of shape [3] for pairs [2, 3, 3]");
    let uneven = GroupQueryAttention::new(2, 3, 2);
    let error =
        run(&[&zeros(&[2, 3, 4]), &zeros(&[2, 3, 4])], |x, cx| uneven.apply(x, cx)).unwrap_err();
    error.says("has 3 heads of queries and 2 of keys and values");
}

#[test]
fn a_mask_of_pairs_alone_holds_for_each_sample_and_head() {
    // As many heads as queries, which a mask could be taken for.
    let layer = MultiHeadAttention::new(3, 2).return_attention_scores();
    let pairs = Array::from([[true, false, false], [true, true, false], [false, true, true]]);
    let mut f = Function::new(|[x], cx| {
        let mask = cx.constant(pairs.clone());
        let (_, alone) = layer.apply(&(x.clone(), mask.clone()), cx);
        let (_, one) = layer.apply(&(x, mask.expand_dims(0)), cx);
        [alone, one]
    });
    let [alone, one] = f.run([&Array::from_fn([2, 3, 4], |i| (i as f32).sin())]).unwrap();
    assert_eq!(alone, one);
    let seen: Vec<bool> = alone.to_vec::<f32>()[..27].iter().map(|&weight| weight != 0.0).collect();
    assert_eq!(seen, pairs.to_vec::<bool>().repeat(3));
}

#[test]
fn masked_values_are_not_seen() {
    let layer = MultiHeadAttention::new(2, 3);
    let (x, longer) = (
        [[[1.0_f32, -1.0], [2.0, 0.5]]].into(),
        [[[1.0_f32, -1.0], [0.0, 0.0], [2.0, 0.5]]].into(),
    );
    let short = run(&[&x, &x], |x, cx| layer.apply(x, cx)).unwrap();
    let masked = |x: &[Tensor; 2], cx: &mut Context| {
        cx.set_mask(&x[1], &x[1].any_axes([-1]));
        layer.apply(x, cx)
    };
    let long = run(&[&x, &longer], masked).unwrap();
    for i in 0..short.len() {
        assert!((short.get(i) - long.get(i)).abs() < 1e-6);
    }
}

#[test]
fn a_query_that_sees_nothing_has_means_of_0() {
    let layer = MultiHeadAttention::new(2, 3);
    let x = Array::full([1, 2, 4], 1.0, DType::F32);
    let mask = |x: &[Tensor; 2], cx: &mut Context| {
        let pairs = cx.constant([[[true, true], [false, false]]]);
        layer.apply(&(x[0].clone(), pairs), cx)
    };
    let y = run(&[&x, &x], mask).unwrap().to_vec::<f32>();
    assert!(y[..4].iter().any(|&y| y != 0.0) && y[4..] == [0.0; 4], "{y:?}");
}

#[test]
fn a_bias_of_one_number_a_head_is_added_head_by_head() {
    // As many steps as heads.
    let layer = MultiHeadAttention::new(2, 1);
    let x = Array::from([[[1.0_f32], [-2.0]]]);
    run(&[&x, &x], |x, cx| layer.apply(x, cx)).unwrap();
    let [_, _, value, output] = layer.kernels().map(Option::unwrap);
    let bias = layer.biases[VALUE].variable().unwrap();
    value.set(&Array::zeros([1, 2, 1], DType::F32)).unwrap();
    bias.set(&Array::from([[1.0_f32], [2.0]])).unwrap();
    output.set(&Array::full([2, 1, 1], 1.0, DType::F32)).unwrap();
    let y = run(&[&x, &x], |x, cx| layer.apply(x, cx)).unwrap().to_vec::<f32>();
    assert!(y.iter().all(|y| (y - 3.0).abs() < 1e-6), "{y:?}");
}

#[test]
fn weights_are_named_as_in_keras() {
    let layer =
        MultiHeadAttention::new(2, 3).value_dim(4).output_shape(5).kernel_regularizer(L2(0.1));
    let mut f = Function::new(|[x], cx| {
        let y = layer.apply(&x, cx);
        assert_eq!(cx.weights().next().unwrap().name(), "multi_head_attention/query/kernel");
        assert_eq!(cx.losses().len(), 4);
        [y]
    });
    assert_eq!(
        f.run([&Array::zeros([1, 2, 6], DType::F32)]).unwrap()[0].shape().sizes(),
        [1, 2, 5]
    );
    let shapes = layer.kernels().map(|kernel| kernel.unwrap().shape().sizes().to_vec());
    assert_eq!(shapes, [[6, 2, 3], [6, 2, 3], [6, 2, 4], [2, 4, 5]]);
}

#[test]
fn kernels_spread_as_matrices_of_all_inputs_and_outputs() {
    // In Keras 3.15 they reach 0.13093, 0.12733, 0.16514 and 0.16151.
    let spread = |kernels: [Option<&Variable>; 4], fans: [[f64; 2]; 4]| {
        for (kernel, [inputs, outputs]) in kernels.into_iter().zip(fans) {
            let values = kernel.unwrap().value().to_vec::<f64>();
            let greatest = values.iter().fold(0.0_f64, |greatest, x| greatest.max(x.abs()));
            let limit = (6.0 / (inputs + outputs)).sqrt();
            assert!(greatest < 1.000001 * limit && greatest > 0.99 * limit, "{greatest}, {limit}");
        }
    };
    let zeros = |features: usize| Array::zeros([1, 3, features], DType::F32);
    let equal = MultiHeadAttention::new(5, 60).value_dim(40).output_shape(30);
    let mut f = Function::new(|x: [Tensor; 3], cx| [equal.apply(&x, cx)]);
    f.run([&zeros(50), &zeros(20), &zeros(70)]).unwrap();
    spread(equal.kernels(), [[50.0, 300.0], [70.0, 300.0], [20.0, 200.0], [200.0, 30.0]]);
    let grouped = GroupQueryAttention::new(60, 6, 2);
    let mut f = Function::new(|[x], cx| [grouped.apply(&x, cx)]);
    f.run([&zeros(50)]).unwrap();
    spread(grouped.kernels(), [[50.0, 360.0], [50.0, 120.0], [50.0, 120.0], [360.0, 50.0]]);
}

#[test]
fn queries_that_no_part_divides_are_never_in_memory_with_all_values() {
    const STEPS: usize = 709; // a prime
    let in_parts = MultiHeadAttention::new(2, 4).use_causal_mask(true);
    let at_once = MultiHeadAttention::new(2, 4).use_causal_mask(true).return_attention_scores();
    let slopes = |y: &Tensor, x: &Tensor, cx: &mut Context| {
        cx.gradients(&y.square().sum(), [x]).into_tensors().remove(0).unwrap()
    };
    let mut parts = Function::new(|[x], cx| {
        let y = in_parts.apply(&x, cx);
        [y.clone(), slopes(&y, &x, cx)]
    });
    let mut all = Function::new(|[x], cx| {
        let (y, _) = at_once.apply(&x, cx);
        [y.clone(), slopes(&y, &x, cx)]
    });
    let x = Array::from_fn([1, STEPS, 6], |i| (0.7 * i as f32).sin());
    parts.run([&x]).unwrap();
    all.run([&x]).unwrap();
    for (from, to) in in_parts.kernels().into_iter().zip(at_once.kernels()) {
        to.unwrap().set(&from.unwrap().value()).unwrap();
    }
    for (a, b) in parts.run([&x]).unwrap().iter().zip(all.run([&x]).unwrap()) {
        let (a, b) = (a.to_vec::<f32>(), b.to_vec::<f32>());
        let apart = a.iter().zip(&b).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(apart < 1e-5, "{apart}");
    }
    let [few, many] = [&parts, &all].map(|f| f.program([&x]).unwrap().plan().arena_bytes());
    let of_all_pairs = 2 * STEPS * STEPS * size_of::<f32>();
    assert!(few < of_all_pairs / 2 && many > of_all_pairs, "{few}, {many}, {of_all_pairs}");
}
