//! Loops over steps, `scan` and `while_loop`, compute what the same steps one after the other do:
//! values, gradients of any order, terms, metrics, random numbers and assignments.

#[path = "loops/attention.rs"]
mod attention;
#[path = "loops/mistakes.rs"]
mod mistakes;

use endo::prelude::*;

/// Runs a closure as a plan and step by step, and demands the same numbers.
fn both<const I: usize, const N: usize>(
    inputs: &[Array; I],
    closure: impl Fn(&[Tensor; I], &mut Context) -> [Tensor; N],
) -> [Array; N] {
    let run = |eager: bool| {
        let mut f = Function::new(|inputs, cx| closure(&inputs, cx)).run_eagerly(eager);
        f.run(inputs.each_ref()).unwrap()
    };
    let (planned, stepped) = (run(false), run(true));
    for (planned, stepped) in planned.iter().zip(&stepped) {
        assert_eq!((planned.shape(), planned.dtype()), (stepped.shape(), stepped.dtype()));
        for i in 0..planned.len() {
            let (a, b) = (planned.get(i), stepped.get(i));
            assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{planned:?}\n{stepped:?}");
        }
    }
    planned
}

fn wave(shape: &[usize], pace: f64) -> Array {
    Array::from_fn(shape, |i| ((i as f64 * pace).sin() * 0.5) as f32)
}

#[test]
fn sums_of_all_before_and_their_gradient() {
    let x = Array::from([[1.0_f32, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    for reverse in [false, true] {
        let x = [x.clone()];
        let [last, sums, gradient] = both(&x, move |inputs, cx| {
            let x = &inputs[0];
            let first = x.slice(0, 0..1).reshape([2]).zeros_like();
            let options = ScanOptions::new().reverse(reverse);
            let (last, sums) = cx.scan_with(&options, first, x, |sum: Tensor, x: Tensor, _| {
                let sum = sum + x.square();
                (sum.clone(), sum)
            });
            let gradient = cx.gradients(&(sums.sum() + last.sum()), [x]).into_tensors().remove(0);
            [last, sums, gradient.unwrap()]
        });
        assert_eq!(last, Array::from([35.0_f32, 56.0]));
        let of_first = if reverse { [35.0, 56.0] } else { [1.0, 4.0] };
        assert_eq!([sums.get(0), sums.get(1)], of_first);
        // Each square is in the sums from its step on, and in the last one.
        let of_first = if reverse { [4.0, 8.0] } else { [8.0, 16.0] };
        assert_eq!([gradient.get(0), gradient.get(1)], of_first);
    }
}

/// A recurrence with a kernel, a bias and a scale that is computed outside of the steps.
fn recurrence(inputs: &[Tensor], cx: &mut Context) -> Tensor {
    let [x, kernel, bias, scale] = inputs else { panic!("four inputs") };
    let doubled = scale * 2.0;
    let first = (x.constant_like(0.0) * bias.zeros_like(), bias.zeros_like());
    let ((h, _), ys) = cx.scan(
        (first.0.broadcast_to([x.shape()[1], kernel.shape()[0]]), first.1),
        x,
        |(h, total): (Tensor, Tensor), x: Tensor, _| {
            let z = x.matmul(kernel) + h.matmul(kernel).tanh() * &doubled + bias;
            let half = z.features() / 2;
            let [a, b] = [z.slice(-1, ..half), z.slice(-1, half..)];
            let h = Tensor::concatenate(&[a.sigmoid() * &b, b.tanh()], -1);
            let total = total + h.sum_axes([0]);
            ((h.clone(), total.clone()), h * total)
        },
    );
    ys.square().sum() + h.sum()
}

#[test]
fn gradients_of_what_steps_read_are_those_of_the_steps_one_by_one() {
    let inputs = [wave(&[5, 3, 4], 0.7), wave(&[4, 4], 1.3), wave(&[4], 0.9), wave(&[4], 2.1)];
    both(&inputs, |inputs, cx| {
        let value = recurrence(inputs, cx);
        let gradients = cx.gradients(&value, inputs.clone()).into_tensors();
        let [x, kernel, bias, scale] =
            gradients.try_into().expect("one for each of the four inputs");
        [value, x.unwrap(), kernel.unwrap(), bias.unwrap(), scale.unwrap()]
    });
}

#[test]
fn gradients_of_gradients_are_those_of_the_steps_one_by_one() {
    let inputs = [wave(&[4, 2, 4], 0.7), wave(&[4, 4], 1.3), wave(&[4], 0.9), wave(&[4], 2.1)];
    both(&inputs, |inputs, cx| {
        let value = recurrence(inputs, cx);
        let first = cx.gradients(&value, inputs.clone()).into_tensors();
        let size: Tensor = first
            .iter()
            .flatten()
            .map(|gradient| gradient.square().sum())
            .fold(value.zeros_like(), |sum, term| sum + term);
        let second = cx.gradients(&size, inputs.clone()).into_tensors();
        let [x, kernel, bias, scale] = second.try_into().expect("one for each of the four inputs");
        [size, x.unwrap(), kernel.unwrap(), bias.unwrap(), scale.unwrap()]
    });
}

#[test]
fn gradients_are_differences_in_f64() {
    let shapes: [&[usize]; 4] = [&[4, 2, 4], &[4, 4], &[4], &[4]];
    let inputs: Vec<Array> = shapes
        .iter()
        .zip([0.7, 1.3, 0.9, 2.1])
        .map(|(shape, pace)| Array::from_fn(*shape, |i| (i as f64 * pace).sin() * 0.5))
        .collect();
    let inputs: [Array; 4] = inputs.try_into().unwrap();
    let mut f = Function::new(|inputs: [Tensor; 4], cx| {
        let value = recurrence(&inputs, cx);
        let gradients = cx.gradients(&value, inputs.clone()).into_tensors();
        let [x, kernel, bias, scale] = gradients.try_into().expect("four gradients");
        [value, x.unwrap(), kernel.unwrap(), bias.unwrap(), scale.unwrap()]
    });
    let exact = f.run(inputs.each_ref()).unwrap();
    for (input, gradient) in exact[1..].iter().enumerate() {
        for place in 0..inputs[input].len() {
            let mut at = |step: f64| {
                let mut moved = inputs.clone();
                moved[input] = Array::from_fn(shapes[input], |i| {
                    inputs[input].get(i) + if i == place { step } else { 0.0 }
                });
                f.run(moved.each_ref()).unwrap()[0].get(0)
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((difference - gradient.get(place)).abs() < 1e-7, "{input} {place}");
        }
    }
}

#[test]
fn a_loop_within_a_loop() {
    let [value, gradient] = both(&[wave(&[3, 4], 0.8)], |inputs, cx| {
        let x = &inputs[0];
        let first = cx.constant(1.0_f32);
        let (last, ys) = cx.scan(first, x, |outer: Tensor, row: Tensor, cx| {
            let scale = outer.tanh();
            let (sum, _) = cx.scan(outer.clone(), &row, |sum: Tensor, x: Tensor, _| {
                (sum.sin() + x.square() * &scale + &outer, ())
            });
            (sum.clone(), sum * outer)
        });
        let value = last + ys.sum();
        let gradient = cx.gradients(&value, [x]).into_tensors().remove(0).unwrap();
        let size = gradient.square().sum();
        let second = cx.gradients(&size, [x]).into_tensors().remove(0).unwrap();
        [value, second]
    });
    assert!(value.get(0).is_finite() && gradient.get(5) != 0.0);
}

#[test]
fn one_plan_serves_all_counts_up_to_the_number_of_steps() {
    let mut f = Function::new(|[x, count], cx| {
        let options = ScanOptions::new().count(&count);
        let first = cx.constant(1.0_f32);
        let (last, ys) = cx.scan_with(&options, first, &x, |y: Tensor, x: Tensor, _| {
            let y = y * x;
            (y.clone(), y)
        });
        let gradient = cx.gradients(&last, [&x]).into_tensors().remove(0).unwrap();
        [last, ys, gradient]
    });
    let x = Array::from([2.0_f32, 3.0, 5.0]);
    let mut run = |count: i32| f.run([&x, &count.into()]).unwrap();
    assert_eq!(
        run(2),
        [Array::from(6.0_f32), Array::from([2.0_f32, 6.0, 0.0]), Array::from([3.0_f32, 2.0, 0.0])]
    );
    assert_eq!(run(9)[0], Array::from(30.0_f32));
    assert_eq!(run(0), [1.0_f32.into(), [0.0_f32; 3].into(), [0.0_f32; 3].into()]);
    assert_eq!(run(-4)[0], Array::from(1.0_f32));
    both(&[x, 2_i32.into()], |inputs, cx| {
        let options = ScanOptions::new().count(&inputs[1]).reverse(true);
        let first = cx.constant(1.0_f32);
        let step = |y: Tensor, x: Tensor, _: &mut Context| (&y * &x + 1.0, &y - x);
        let (last, ys) = cx.scan_with(&options, first, &inputs[0], step);
        [last, ys]
    });
}

#[test]
fn a_loop_ends_when_its_condition_does_not_hold() {
    let f = |inputs: &[Tensor; 1], cx: &mut Context| {
        let x = &inputs[0];
        let more = |(y, _): &(Tensor, Tensor), _: &mut Context| y.less(100.0);
        let next = |(y, n): (Tensor, Tensor), _: &mut Context| (&y * x + &y, n + 1);
        let first = (x.clone(), cx.constant(0_i32));
        let (y, n) = cx.while_loop(first, Some(20), more, next);
        let gradient = cx.gradients(&y, [x]).into_tensors().remove(0).unwrap();
        [y, n, gradient]
    };
    let [y, n, gradient] = both(&[2.0_f32.into()], f);
    // x (1 + x)^n with n = 4, whose derivative is (1 + x)^n + n x (1 + x)^(n - 1).
    assert_eq!([y.get(0), n.get(0), gradient.get(0)], [162.0, 4.0, 81.0 + 8.0 * 27.0]);
    let [y, n, gradient] = both(&[200.0_f32.into()], f);
    assert_eq!([y.get(0), n.get(0), gradient.get(0)], [200.0, 0.0, 1.0]);
}

#[test]
fn a_loop_without_a_largest_number_of_steps_runs_and_has_no_gradient() {
    let collatz = |x: &Tensor, cx: &mut Context| {
        let more = |(x, _): &(Tensor, Tensor), _: &mut Context| x.greater(1);
        let next = |(x, n): (Tensor, Tensor), _: &mut Context| {
            let half = (x.cast(DType::F32) * 0.5).floor().cast(DType::I32);
            let even = (&half * 2).equal(&x);
            (even.where_(half, x * 3 + 1), n + 1)
        };
        cx.while_loop((x.clone(), cx.constant(0_i32)), None, more, next).1
    };
    let mut f = Function::new(move |[x], cx| [collatz(&x, cx)]);
    assert_eq!(f.run([&27_i32.into()]).unwrap()[0].get(0), 111.0);
    let mut f = Function::new(|[x], cx| {
        let more = |x: &Tensor, _: &mut Context| x.less(10.0);
        let y = cx.while_loop(x.clone(), None, more, |x, _| x * 2.0);
        [cx.gradients(&y, [&x]).into_tensors().remove(0).unwrap_or(y)]
    });
    let error = f.run([&1.0_f32.into()]).unwrap_err();
    assert!(error.message().contains("without a largest number of steps"), "{error}");
}

/// A layer that adds to the loss, reports, draws, and keeps a count.
struct Busy {
    dense: Dense,
    calls: Weight,
}

impl Layer for Busy {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let y = self.dense.apply(x, cx);
        cx.add_loss("size", y.square().mean());
        cx.add_metric("mean", y.mean());
        let calls = self.calls.get(self, [], &Zeros, cx);
        self.calls.assign(&(&calls + 1.0), cx);
        &y + cx.random().uniform([x.batch(), y.features()], 0.0, 1.0) * calls
    }
}

#[test]
fn terms_metrics_random_numbers_and_assignments_of_steps() {
    let run = |eager: bool| {
        let layer = Busy {
            dense: Dense::new(2).kernel_initializer("ones"),
            calls: Weight::new("calls").trainable(false),
        };
        let mut f = Function::new(move |[x], cx| {
            let first = x.slice(0, 0..1).reshape([3, 2]);
            let (last, ys) = cx.scan(first, &x, |h: Tensor, x: Tensor, cx| {
                let y = layer.apply(&(h.tanh() + x), cx);
                (y.clone(), y)
            });
            let terms = cx.losses();
            assert_eq!((terms.len(), cx.metric_terms().len()), (1, 1));
            let metric = cx.metric_terms()[0].value.clone();
            let calls = cx.read(layer.calls.variable().expect("it was applied"));
            let gradient = cx.gradients(&terms[0], [&x]).into_tensors().remove(0).unwrap();
            [last, ys, terms[0].clone(), metric, calls, gradient]
        })
        .run_eagerly(eager);
        let x = wave(&[4, 3, 2], 0.6);
        f.run([&x]).unwrap();
        f.run([&x]).unwrap()
    };
    let (planned, stepped) = (run(false), run(true));
    for (planned, stepped) in planned.iter().zip(&stepped) {
        assert_eq!(planned.shape(), stepped.shape());
        for i in 0..planned.len() {
            let (a, b) = (planned.get(i), stepped.get(i));
            assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{planned:?}\n{stepped:?}");
        }
    }
    assert_eq!(planned[4].get(0), 8.0);
    let ys = planned[1].to_vec::<f32>();
    assert_ne!(ys[0..6], ys[6..12]);
}

#[test]
fn threads_make_no_difference() {
    let inputs =
        [wave(&[9, 64, 96], 0.7), wave(&[96, 96], 1.3), wave(&[96], 0.9), wave(&[96], 2.1)];
    let run = |threads: usize| {
        let mut f = Function::new(|inputs: [Tensor; 4], cx| {
            let value = recurrence(&inputs, cx);
            let gradients = cx.gradients(&value, inputs.clone()).into_tensors();
            let [x, kernel, bias, scale] = gradients.try_into().expect("four gradients");
            [x.unwrap(), kernel.unwrap(), bias.unwrap(), scale.unwrap()]
        })
        .threads(threads);
        f.run(inputs.each_ref()).unwrap()
    };
    assert_eq!(run(1), run(2));
}

/// The weights after two steps of training on sequences, on a number of threads.
fn trained(layer: impl Layer + 'static, rows: usize, threads: usize) -> Vec<Array> {
    let net = Sequential::new().add(Masking::new(0.0)).add(layer).add(Dense::new(1));
    let mut model = Model::new(net).seed(5).threads(threads);
    model.compile(Adam::default(), MeanSquaredError, ());
    let x = Array::from_fn([2 * rows, 7, 6], |i| {
        // The last steps of each third row are left out.
        if i / 42 % 3 == 0 && i % 42 > 24 { 0.0 } else { (i as f32 * 0.7).sin() }
    });
    let data = Dataset::new(x, wave(&[2 * rows, 1], 1.3)).unwrap();
    model.fit(&data, Fit::epochs(1).batch_size(rows)).unwrap();
    model.weights().iter().map(|weight| weight.value()).collect()
}

#[test]
fn rows_of_recurrent_layers_are_shared_among_threads_and_their_bits_are_the_same() {
    for rows in [32, 24, 33] {
        let all = |threads| {
            [
                trained(Lstm::new(12).recurrent_dropout(0.3), rows, threads),
                trained(Gru::new(10).go_backwards(true), rows, threads),
                trained(SimpleRnn::new(9).dropout(0.2), rows, threads),
                trained(Bidirectional::new(|| Lstm::new(5)), rows, threads),
            ]
        };
        let one = all(1);
        for threads in [2, 3, 4] {
            assert_eq!(all(threads), one, "{rows} rows on {threads} threads");
        }
    }
}

#[test]
fn ten_thousand_steps_are_one_step_of_the_plan() {
    let mut f = Function::new(|[x], cx| {
        let first = cx.constant([0.0_f32, 0.0]);
        let (last, _) = cx.scan(first, &x, |h: Tensor, x: Tensor, _| ((h * 0.5 + x).tanh(), ()));
        [cx.gradients(&last.sum(), [&x]).into_tensors().remove(0).unwrap()]
    });
    let x = wave(&[10_000, 2], 0.1);
    let [gradient] = f.run([&x]).unwrap().clone();
    assert!(gradient.get(19_999) > 0.1 && gradient.get(0).abs() < 1e-9);
    let plan = f.program([&x]).unwrap().plan().to_string();
    assert!(plan.lines().count() < 60, "{plan}");
}

#[test]
fn what_was_read_before_a_loop_stays_what_it_was() {
    let run = |eager: bool| {
        let v = Variable::new("v", 1.0_f32);
        let mut f = Function::new(|[x], cx| {
            let start = cx.read(&v);
            let scaled = &start * 10.0;
            let options = ScanOptions::new().steps(3);
            let first = x.zeros_like();
            let (sum, seen) = cx.scan_with(&options, first, &(), |sum: Tensor, (): (), cx| {
                cx.assign_add(&v, cx.constant(1.0_f32));
                (sum + &scaled + &start, cx.read(&v))
            });
            [sum, seen, cx.read(&v)]
        })
        .run_eagerly(eager);
        let outputs = f.run([&0.0_f32.into()]).unwrap().to_vec();
        (outputs, v.value())
    };
    let (outputs, value) = run(false);
    assert_eq!(outputs[0], Array::from(33.0_f32));
    assert_eq!(outputs[1], Array::from([2.0_f32, 3.0, 4.0]));
    assert_eq!([outputs[2].get(0), value.get(0)], [4.0, 4.0]);
    assert_eq!(run(true), (outputs, value));
}

#[test]
fn a_gradient_with_respect_to_what_steps_assign_is_refused() {
    let v = Variable::new("v", 1.0_f32);
    let mut f = Function::new(|[x], cx| {
        let (sum, ()) = cx.scan(x.sum() * 0.0, &x, |sum: Tensor, x: Tensor, cx| {
            let next = sum + x * cx.read(&v);
            cx.assign_add(&v, cx.constant(1.0_f32));
            (next, ())
        });
        [cx.gradients(&sum, [&v]).into_tensors().remove(0).unwrap_or(sum)]
    });
    let error = f.run([&[1.0_f32, 2.0].into()]).unwrap_err();
    assert_eq!(
        error.message(),
        "the gradient with respect to `v`, which the steps of a loop assign"
    );
}

#[test]
fn random_numbers_of_a_step_within_a_step_are_its_own() {
    let mut f = Function::new(|[x], cx| {
        [cx.map(&x, |row: Tensor, cx| {
            cx.map(&row, |x: Tensor, cx| x + cx.random().uniform([2], 0.0, 1.0))
        })]
    });
    let [draws] = f.run([&Array::zeros([3, 3], DType::F32)]).unwrap().clone();
    let mut pairs: Vec<[u64; 2]> =
        (0..9).map(|i| [draws.get(2 * i).to_bits(), draws.get(2 * i + 1).to_bits()]).collect();
    pairs.sort_unstable();
    pairs.dedup();
    assert_eq!(pairs.len(), 9);
}

#[test]
fn a_term_given_to_a_model_from_outside_counts_once() {
    let weight = Variable::new("w", 3.0_f32);
    let (net, own) = (Dense::new(2), weight.clone());
    let mut inner = Model::new(net);
    inner.add_loss("size", move |cx: &mut Context| cx.read(&own).square());
    let mut f = Function::new(|[x], cx| {
        let first = x.slice(0, 0..1).reshape([1, 2]);
        let (last, ()) =
            cx.scan(first, &x, |h: Tensor, x: Tensor, cx| (inner.apply(&(h + x), cx).tanh(), ()));
        let term = cx.losses().remove(0);
        [last, term]
    });
    let [_, term] = f.run([&wave(&[5, 1, 2], 0.7)]).unwrap().clone();
    assert_eq!(term, Array::from(9.0_f32));
}

#[test]
fn what_no_step_is_given_does_not_count() {
    let mut f = Function::new(|[x, kernel, count], cx| {
        let options = ScanOptions::new().count(&count);
        let first = x.slice(0, 0..1).reshape([2, 3]).zeros_like();
        let step = |h: Tensor, x: Tensor, _: &mut Context| ((h + x.matmul(&kernel)).tanh(), ());
        let (last, ()) = cx.scan_with(&options, first, &x, step);
        [cx.gradients(&last.sum(), [&kernel]).into_tensors().remove(0).unwrap()]
    });
    let x = Array::from_fn([4, 2, 3], |i| if i < 12 { 0.1 * i as f32 } else { f32::NAN });
    let [gradient] = f.run([&x, &wave(&[3, 3], 0.5), &2_i32.into()]).unwrap();
    assert!(gradient.is_finite(), "{gradient:?}");
}
