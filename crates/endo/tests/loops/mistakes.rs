//! What programs with loops get wrong is said.

use endo::prelude::*;

#[test]
fn what_does_not_fit_is_an_error_with_the_line() {
    let message = |f: fn(&Tensor, &mut Context) -> Tensor| {
        let mut f = Function::new(move |[x], cx| [f(&x, cx)]);
        let error = f.run([&[[1.0_f32, 2.0], [3.0, 4.0]].into()]).unwrap_err();
        assert!(error.to_string().contains("mistakes.rs"), "{error}");
        error.message().to_string()
    };
    let grown = message(|x, cx| {
        cx.scan(cx.constant(0.0_f32), x, |sum: Tensor, x: Tensor, _| (sum + x, ())).0
    });
    assert_eq!(grown, "a state of a loop is f32[] before a step and f32[2] after it");
    let unequal = message(|x, cx| {
        let xs = (x.clone(), x.reshape([4, 1]));
        cx.scan(cx.constant(0.0_f32), &xs, |sum: Tensor, _: (Tensor, Tensor), _| (sum, ())).0
    });
    assert_eq!(unequal, "`scan` has sequences of shapes [2, 2] and [4, 1]");
    let open = message(|x, cx| cx.scan(x.sum(), &(), |sum: Tensor, (): (), _| (sum, ())).0);
    assert_eq!(open, "`scan` has no sequences, and nothing says how many steps there are");
    let leaked = message(|x, cx| {
        let mut inner = None;
        cx.scan(x.sum(), x, |sum: Tensor, x: Tensor, _| {
            inner = Some(&sum + x.sum());
            (sum, ())
        });
        inner.unwrap() + 1.0
    });
    assert_eq!(leaked, "what a step of a loop computes is used outside of the loop");
    let vector =
        message(|x, cx| cx.while_loop(x.clone(), Some(3), |x, _| x.greater(0.0), |x, _| x - 1.0));
    assert_eq!(vector, "the condition of `while_loop` is one truth value, got bool[2, 2]");
}

#[test]
fn mistakes_in_steps_are_errors_also_where_gradients_are_asked_for() {
    let mut f = Function::new(|[x], cx| {
        let first = vec![x.slice(0, 0..1).sum()];
        let (last, ()) =
            cx.scan(first, &x, |h: Vec<Tensor>, x: Tensor, _| (vec![&h[0] * &x, x], ()));
        [cx.gradients(&last[0], [&x]).into_tensors().remove(0).unwrap_or_else(|| x.clone())]
    });
    let error = f.run([&[1.0_f32, 2.0].into()]).unwrap_err();
    assert_eq!(error.message(), "a step of a loop is given 1 states and makes 2");
    let (weight, sgd) = (Variable::new("w", 1.0_f32), Sgd::new(0.1));
    let mut f = Function::new(|[x], cx| {
        let step = |sum: Tensor, x: Tensor, cx: &mut Context| {
            let loss = (x * cx.read(&weight)).square();
            let gradients = cx.gradients(&loss, [&weight]);
            sgd.apply(&gradients, cx);
            (sum + loss, ())
        };
        [cx.scan(x.sum() * 0.0, &x, step).0]
    });
    let error = f.run([&[1.0_f32, 2.0].into()]).unwrap_err();
    assert!(error.message().starts_with("a step of a loop demands that a value be finite"));
    let long = ScanOptions::new().steps(1 << 40);
    let mut f =
        Function::new(|[x], cx| [cx.scan_with(&long, x, &(), |x: Tensor, (), _| (x, ())).0]);
    let error = f.run([&1.0_f32.into()]).unwrap_err();
    assert_eq!(error.message(), "`scan` has fewer than 2147483647 steps, got 1099511627776");
}
