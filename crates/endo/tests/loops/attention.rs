//! Attention a part of the pairs at a time is attention at once.

use endo::prelude::*;

use super::wave;

/// What attention computes and its gradients, with the weights among its outputs or without.
fn attended(
    layer: impl Fn(&([Tensor; 2], Tensor), &mut Context) -> Tensor,
    eager: bool,
) -> Vec<Array> {
    let mut f = Function::new(|[x, values, mask], cx| {
        let y = layer(&([x.clone(), values.clone()], mask.greater(0.3)), cx);
        let loss = (y.square() * (1.0 + &y)).sum();
        let gradients = cx.gradients(&loss, [&x, &values]).into_tensors();
        let [of_x, of_values] = gradients.try_into().expect("two gradients");
        [y, of_x.unwrap(), of_values.unwrap()]
    })
    .run_eagerly(eager);
    let mask = Array::from_fn([3, 96, 240], |i| ((i * 7919) % 97) as f32 / 97.0);
    f.run([&wave(&[3, 96, 12], 0.7), &wave(&[3, 240, 12], 1.1), &mask]).unwrap().to_vec()
}

fn close(a: &[Array], b: &[Array]) {
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.shape(), b.shape());
        for i in 0..a.len() {
            assert!(
                (a.get(i) - b.get(i)).abs() <= 2e-5 * (1.0 + b.get(i).abs()),
                "{i}: {a:?} {b:?}"
            );
        }
    }
}

#[test]
fn attention_in_parts_is_attention_at_once() {
    let heads = || MultiHeadAttention::new(4, 5).value_dim(3);
    let (parts, whole) = (heads(), heads().return_attention_scores());
    // The weights of both are those of the first.
    let run = attended(|x, cx| parts.apply(x, cx), false);
    let again = attended(|x, cx| parts.apply(x, cx), false);
    assert_eq!(run, again);
    attended(
        |x, cx| {
            let (y, _): (Tensor, Tensor) = whole.apply(x, cx);
            y
        },
        false,
    );
    for (from, to) in parts.kernels().iter().zip(whole.kernels()) {
        to.unwrap().set(&from.unwrap().value()).unwrap();
    }
    close(
        &run,
        &attended(
            |x, cx| {
                let (y, _): (Tensor, Tensor) = whole.apply(x, cx);
                y
            },
            false,
        ),
    );
    close(&run, &attended(|x, cx| parts.apply(x, cx), true));
    let grouped = GroupQueryAttention::new(4, 6, 2).use_causal_mask(true);
    let planned = attended(|x, cx| grouped.apply(x, cx), false);
    close(&planned, &attended(|x, cx| grouped.apply(x, cx), true));
    let scored = Attention::new().use_scale(true).dropout(0.4);
    let planned = attended(|x, cx| scored.apply(x, cx), false);
    close(&planned, &attended(|x, cx| scored.apply(x, cx), true));
}

#[test]
fn attention_in_parts_holds_no_weights_of_all_pairs() {
    let layer = MultiHeadAttention::new(4, 8);
    let mut f = Function::new(|[x], cx| {
        let y: Tensor = layer.apply(&x, cx);
        [cx.gradients(&y.square().sum(), [&x]).into_tensors().remove(0).unwrap()]
    });
    let x = wave(&[2, 1024, 16], 0.7);
    f.run([&x]).unwrap();
    let arena = f.program([&x]).unwrap().plan().arena_bytes();
    // Those of one of the samples would take 16 MB.
    assert!(arena < 4 << 20, "{arena}");
}

#[test]
fn attention_of_no_samples_has_none() {
    let layer = Attention::new();
    let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    let [y] = f.run([&Array::zeros([0, 4, 8], DType::F32)]).unwrap();
    assert_eq!(y.shape().sizes(), [0, 4, 8]);
}
