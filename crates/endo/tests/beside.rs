//! What stands beside tensors in formulas, and arithmetic of arrays without a function around it.
//!
//! In: arrays, numbers, axes and shapes in all the forms in which they are written. Out: the
//! numbers that NumPy gives.

use endo::compute;
use endo::prelude::*;

#[test]
fn arrays_stand_beside_tensors_and_take_their_float_type() {
    let weights = Array::from([0.5, 2.0]); // f64, as Rust writes it
    let counts = Array::from([1, 2]);
    let mut f = Function::new(|[x], _| {
        let own = |y: &Tensor| y.dtype() == x.dtype();
        let all = [
            &x * &weights,
            &weights * &x,
            x.maximum(&weights),
            &x - weights.clone(),
            &x + &counts,
            &counts / &x,
        ];
        assert!(all.iter().all(own));
        all
    });
    let x = [1.0_f32, 4.0];
    let [product, again, largest, difference, sum, quotient] = f.run([&x.into()]).unwrap();
    assert_eq!((product, again), (Array::from([0.5_f32, 8.0]), Array::from([0.5_f32, 8.0])));
    assert_eq!((largest, difference), (Array::from([1.0_f32, 4.0]), Array::from([0.5_f32, 2.0])));
    assert_eq!((sum, quotient), (Array::from([2.0_f32, 6.0]), Array::from([1.0_f32, 0.5])));
    // Gradients go through them as through numbers.
    let mut slope = Function::new(|[x], cx| {
        let y = (x.square() * &weights).sum();
        [cx.gradients(&y, [&x]).into_tensors().remove(0).unwrap()]
    });
    assert_eq!(slope.run([&x.into()]).unwrap()[0], Array::from([1.0_f32, 16.0]));
    let mut wrong = Function::new(|[x], _| [x * Array::from([1.0, 2.0, 3.0])]);
    assert!(
        wrong
            .run([&x.into()])
            .unwrap_err()
            .message()
            .contains("cannot broadcast shapes [2] and [3]")
    );
}

#[test]
fn single_precision_numbers_are_numbers() {
    let half = 0.5_f32;
    let mut f =
        Function::new(|[x], _| [(&x * half).exp() + half, (&x * 0.5).exp() + 0.5, x.maximum(half)]);
    let [a, b, c] = f.run([&[0.0_f64, 2.0].into()]).unwrap();
    assert_eq!((a.dtype(), a, c.get(0)), (DType::F64, b, 0.5));
}

#[test]
fn remainders_have_the_sign_of_the_divisor() {
    // numpy.mod of the same numbers.
    let a = Array::from([7, -7, 7, -7, 6, 5]);
    let b = Array::from([3, 3, -3, -3, 3, 0]);
    assert_eq!(&a % &b, Array::from([1, 2, -2, -1, 0, 5]));
    let floats =
        Array::from([5.5_f32, -5.5, 5.5, -5.5, 6.0]) % Array::from([2.0_f32, 2.0, -2.0, -2.0, 3.0]);
    assert_eq!(floats, Array::from([1.5_f32, 0.5, -0.5, -1.5, 0.0]));
    let near = Array::from([1.0_f32, 1e8, 5.0]) % Array::from([0.1_f32, 3.0, f32::INFINITY]);
    assert_eq!(near, Array::from([(1.0 - 9.0 * f64::from(0.1_f32)) as f32, 1.0, 5.0]));
    assert_eq!(
        (7 % &Array::from([4]), 7.5 % &Array::from([2.0_f32])),
        (Array::from([3]), Array::from([1.5_f32]))
    );
}

#[test]
fn one_size_of_a_shape_may_be_left_open() {
    let x = Array::from_fn([2, 3, 4], |i| i as f32);
    let shape = |y: fn(&Tensor) -> Tensor| {
        compute([&x], |[x], _| y(&x)).map(|y| y.shape().sizes().to_vec())
    };
    assert_eq!(shape(|x| x.reshape([-1, 4])).unwrap(), [6, 4]);
    assert_eq!(shape(|x| x.reshape([2, -1])).unwrap(), [2, 12]);
    assert_eq!(shape(|x| x.reshape([x.batch(), 12])).unwrap(), [2, 12]);
    assert_eq!(shape(|x| x.reshape(vec![24])).unwrap(), [24]);
    let message = |y: fn(&Tensor) -> Tensor| shape(y).unwrap_err().message().to_string();
    assert_eq!(message(|x| x.reshape([-1, 5])), "cannot reshape [2, 3, 4] to [-1, 5]: 24 elements");
    assert_eq!(
        message(|x| x.reshape([-1, -1])),
        "cannot reshape [2, 3, 4] to [-1, -1]: 24 elements"
    );
    assert_eq!(
        message(|x| x.reshape([-2, 12])),
        "cannot reshape [2, 3, 4] to [-2, 12]: 24 elements"
    );
    assert_eq!(message(|x| x.reshape([-1, 0])), "cannot reshape [2, 3, 4] to [-1, 0]: 24 elements");
    assert!(message(|x| x.reshape([5, 5])).contains("24 elements against 25"));
}

#[test]
fn axes_are_written_as_one_number_or_several() {
    let x = Array::from([[1.0_f32, 2.0], [3.0, 6.0]]);
    let several = vec![0_isize, 1];
    let mut f = Function::new(|[x], _| {
        [
            x.mean_axes(-1),
            x.mean_axes([0]),
            x.mean_axes([-1]),
            x.mean_axes(&several),
            x.max_axes(1).keep_dims(&x, 1),
        ]
    });
    let [rows, columns, again, all, kept] = f.run([&x]).unwrap();
    assert_eq!(
        (&rows, columns, again),
        (&Array::from([1.5_f32, 4.5]), Array::from([2.0_f32, 4.0]), rows.clone())
    );
    assert_eq!((all.item().unwrap(), kept), (3.0, Array::from([[2.0_f32], [6.0]])));
    let error = compute([&x], |[x], _| x.sum_axes(2)).unwrap_err();
    assert!(error.message().contains("axis 2"), "{error}");
}

#[test]
fn lengths_of_vectors_have_slopes_at_zero_too() {
    let x = Array::from([[3.0_f32, 4.0], [0.0, 0.0], [1e-30, 0.0]]);
    let mut f = Function::new(|[x], cx| {
        let (norm, unit) = (x.norm_axes(-1), x.l2_normalize(-1));
        let [a, b] = [norm.sum(), unit.sum()]
            .map(|y| cx.gradients(&y, [&x]).into_tensors().remove(0).unwrap());
        [norm, unit, a, b, x.norm()]
    });
    let [norm, unit, slope, unit_slope, all] = f.run([&x]).unwrap();
    assert_eq!((norm.get(0), norm.get(1), all.item().unwrap()), (5.0, 0.0, 5.0));
    assert_eq!((unit.at([0, 1]), unit.at([1, 0])), (f64::from(0.8_f32), 0.0));
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a}, not {b}");
    near(slope.at([0, 0]), 0.6);
    assert_eq!((slope.at([1, 0]), slope.at([1, 1])), (0.0, 0.0));
    near(unit_slope.at([0, 0]), 4.0 * (4.0 - 3.0) / 125.0); // (|x|^2 - x1 (x1 + x2)) / |x|^3
    assert!(slope.is_finite() && unit_slope.is_finite());
}

#[test]
fn arrays_have_arithmetic_of_their_own() {
    let (a, b) = (Array::from([[1.0_f32, 2.0], [3.0, 4.0]]), Array::from([10.0_f32, 20.0]));
    assert_eq!(&a + &b, Array::from([[11.0_f32, 22.0], [13.0, 24.0]]));
    assert_eq!((2.0 * &a - 1.0) / 2, Array::from([[0.5_f32, 1.5], [2.5, 3.5]]));
    assert_eq!(-&a * &a, Array::from([[-1.0_f32, -4.0], [-9.0, -16.0]]));
    assert_eq!(Array::from([7, -7]) / 2, Array::from([3, -3]));
    assert_eq!((1 + Array::from([true, false])).dtype(), DType::I32);
    // Of two arrays the wider type wins; numbers take that of the array.
    assert_eq!((&a + Array::from([1.0_f64, 1.0])).dtype(), DType::F64);
    assert_eq!(
        (Array::from([1, 2]) + Array::from([0.5_f64, 0.5]), (&a + 1.0).dtype()),
        (Array::from([1.5_f64, 2.5]), DType::F32)
    );
    assert_eq!(a.greater(&b).sum() + a.less_equal(2.0).sum(), 2.0);
    assert_eq!((a.mean(), a.mean_axes(0), a.at([1, 0])), (2.5, Array::from([2.0_f32, 3.0]), 3.0));
    assert_eq!(a.equal(&a).mean(), 1.0);
}

#[test]
#[should_panic(expected = "cannot broadcast shapes [2] and [3]")]
fn arrays_that_do_not_fit_are_refused() {
    let _ = Array::from([1.0_f32, 2.0]) + Array::from([1.0_f32, 2.0, 3.0]);
}

#[test]
#[should_panic(expected = "there is no element [2, 0] in an array of shape [2, 2]")]
fn an_element_that_is_not_there_is_refused() {
    Array::zeros([2, 2], DType::F32).at([2, 0]);
}

#[test]
fn losses_of_arrays_need_no_function() {
    let (y_true, y_pred) = (Array::from([[1.0_f32], [3.0]]), Array::from([[2.0_f32], [5.0]]));
    let mae = compute([&y_true, &y_pred], |[a, b], _| mean_absolute_error(&a, &b).mean()).unwrap();
    assert_eq!(mae.item().unwrap(), 1.5);
    let error = compute([&y_true], |[x], _| x.reshape([3])).unwrap_err();
    assert!(error.site().is_some_and(|site| site.file().ends_with("beside.rs")), "{error:?}");
}

#[test]
fn variables_of_activations_are_the_model_s() {
    let slope = Variable::new("slope", Array::from([0.5_f32, 0.25]));
    let held = slope.clone();
    let leaky = move |x: &Tensor| x.maximum(0.0) + x.minimum(0.0) * &held;
    let mut model = Model::new(
        Sequential::new().add(Dense::new(2).activation(leaky).kernel_initializer("ones")),
    );
    model.compile(Sgd::new(0.1), "mse", ());
    let data = Dataset::new([[-1.0_f32], [2.0]], [[1.0_f32, 1.0], [2.0, 2.0]]).unwrap();
    let history = model.fit(&data, Fit::epochs(3)).unwrap();
    assert!(history.get("loss").windows(2).all(|pair| pair[1] < pair[0]));
    assert!(model.weights().contains(&slope) && model.trainable_weights().contains(&slope));
    assert!(slope.value() != Array::from([0.5_f32, 0.25]));
    let path = std::env::temp_dir().join(format!("endo-beside-{}.safetensors", std::process::id()));
    model.save_weights(&path).unwrap();
    let kept = slope.value();
    slope.set(&Array::from([0.0_f32, 0.0])).unwrap();
    model.load_weights(&path).unwrap();
    assert_eq!(slope.value(), kept);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_factor_in_a_loss_changes_without_a_new_trace_and_is_no_weight() {
    let factor = Variable::new("factor", 0.0_f32).frozen();
    let held = factor.clone();
    let loss =
        move |y_true: &Tensor, y_pred: &Tensor| (y_true - y_pred).square().mean_axes(-1) * &held;
    let mut model = Model::new(Dense::new(1).use_bias(false).kernel_initializer("ones"));
    model.compile(Sgd::new(0.0), loss, ());
    let data = Dataset::new([[3.0_f32]], [[1.0_f32]]).unwrap();
    let grows = VariableScheduler::new(&factor, |epoch, _| epoch as f64);
    let history = model.fit(&data, Fit::epochs(3).callback(grows)).unwrap();
    assert_eq!(history.get("loss"), [0.0, 4.0, 8.0]);
    assert_eq!(model.weights().len(), 1);
}

#[test]
fn a_constant_mask_may_stand_in_a_constraint() {
    // The kernel of a masked convolution: what comes later has no part.
    let mask = Array::from([[1.0], [0.0]]);
    let masked = move |w: &Tensor| w * &mask;
    let mut model = Model::new(
        Dense::new(1).use_bias(false).kernel_initializer("ones").kernel_constraint(masked),
    );
    model.compile(Sgd::new(0.1), "mse", ());
    let data = Dataset::new([[1.0_f32, 1.0]], [[5.0_f32]]).unwrap();
    model.fit(&data, Fit::epochs(2)).unwrap();
    let kernel = model.weights()[0].value();
    assert!(kernel.get(0) > 1.0 && kernel.get(1) == 0.0, "{kernel:?}");
}

#[test]
fn what_an_activation_reads_may_be_given_another_value() {
    let slope = Variable::new("slope", 0.5_f32);
    let held = slope.clone();
    let layer = Dense::new(1)
        .use_bias(false)
        .kernel_initializer("ones")
        .activation(move |x: &Tensor| x * &held);
    let model = Model::new(layer);
    model.build([1, 1]).unwrap();
    let mut f = Function::new(|[x], cx| {
        let changed = model.trainable_weights().into_iter().map(|weight| {
            let value = cx.read(&weight) * 3.0;
            (weight, value)
        });
        let changed: Vec<(Variable, Tensor)> = changed.collect();
        [model.apply_with(&changed, &x, cx), model.apply(&x, cx)]
    });
    let [other, own] = f.run([&[[2.0_f32]].into()]).unwrap();
    assert_eq!((other.get(0), own.get(0)), (2.0 * 3.0 * 1.5, 2.0 * 0.5));
}
