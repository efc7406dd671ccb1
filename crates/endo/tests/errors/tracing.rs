//! Mistakes in closures: gradients of what has none, tensors that outlive their trace, values that
//! are not known yet.
//!
//! In: functions as in a custom loop. Errors come out of `run`, with the line of the closure.

use std::cell::RefCell;

use endo::prelude::*;

use super::{MarkedSite, expect, place, zeros};

/// The line of this file that ends with `// <- mark`.
fn marked(mark: &str) -> MarkedSite<'static> {
    place("tracing.rs", include_str!("tracing.rs"), mark)
}

#[test]
fn shapes_that_do_not_broadcast() {
    let mut f = Function::new(|[x, y], _cx| [&x * 2.0 + &y]); // <- the sum
    expect(
        f.run([&zeros([4, 3]), &zeros([4])]),
        ErrorKind::Shape,
        "",
        marked("the sum"),
        "`add` cannot broadcast shapes [4, 3] and [4]",
        "`reshape` or `expand_dims` one of them",
    );
}

#[test]
fn targets_and_predictions_of_different_rank_are_refused_by_a_raw_loss() {
    let mut f = Function::new(|[y, y_pred], _cx| {
        [mean_squared_error(&y, &y_pred).mean()] // <- the loss
    });
    expect(
        f.run([&zeros([4]), &zeros([4, 1])]),
        ErrorKind::Shape,
        "",
        marked("the loss"),
        "`mean_squared_error` of targets [4] and predictions [4, 1]: the shapes differ",
        "broadcasting would compare each with all",
    );
}

#[test]
fn the_gradient_of_what_is_not_a_scalar() {
    let mut f = Function::new(|[x], cx| {
        let loss = x.square();
        cx.gradients(&loss, [&x]); // <- the vector
        [loss]
    });
    expect(
        f.run([&zeros([4, 3])]),
        ErrorKind::Shape,
        "",
        marked("the vector"),
        "gradients of a f32[4, 3]: only a scalar of floats has gradients",
        "reduce the loss with `.sum()` or `.mean()` first",
    );
}

#[test]
fn the_gradient_with_respect_to_integers() {
    let mut f = Function::new(|[x], cx| {
        let loss = x.cast(DType::F32).sum();
        cx.gradients(&loss, [&x]); // <- the integers
        [loss]
    });
    expect(
        f.run([&Array::from([1, 2])]),
        ErrorKind::DType,
        "",
        marked("the integers"),
        "gradient with respect to a tensor of type i32: only floats have gradients",
        "`cast` it to f32 before the loss uses it",
    );
}

#[test]
fn a_tensor_kept_from_an_earlier_trace() {
    for eager in [false, true] {
        let kept: RefCell<Option<Tensor>> = RefCell::new(None);
        let mut f = Function::new(|[x], _cx| {
            let old = kept.borrow_mut().replace(x.clone());
            [old.map_or_else(|| x.sum(), |old| (x.sum() + old.sum()) * 2.0)] // <- the old tensor
        })
        .run_eagerly(eager);
        f.run([&zeros([3])]).unwrap();
        expect(
            f.run([&zeros([4])]),
            ErrorKind::Usage,
            "",
            marked("the old tensor"),
            "a tensor of shape [] belongs to another trace",
            "keep numbers in a `Variable` instead",
        );
    }
}

#[test]
fn numbers_looked_at_while_a_plan_is_traced() {
    let step = |[x]: [Tensor; 1], _: &mut Context| {
        [if x.sum().value().get(0) > 0.0 { &x * 2.0 } else { x.clone() }] // <- the value
    };
    expect(
        Function::new(step).run([&zeros([3])]),
        ErrorKind::Usage,
        "",
        marked("the value"),
        "the numbers of a tensor are not known while a graph is traced",
        "`run_eagerly(true)`",
    );
    let mut eager = Function::new(step).run_eagerly(true);
    assert_eq!(eager.run([&Array::from([3.0_f32])]).unwrap()[0], Array::from([6.0_f32]));
}

#[test]
fn an_assignment_of_another_shape() {
    let v = Variable::new("total", 0.0_f32);
    let mut f = Function::new(|[x], cx| {
        cx.assign(&v, &x); // <- the assignment
        [x]
    });
    expect(
        f.run([&zeros([3])]),
        ErrorKind::Shape,
        "",
        marked("the assignment"),
        "cannot assign f32[3] to variable `total`, which is f32[]",
        "reduce, reshape or cast the value",
    );
    assert_eq!(v.value(), Array::scalar(0.0_f32));
}

#[test]
fn an_optimizer_without_gradients() {
    let (v, optimizer) = (Variable::new("v", 1.0_f32), Sgd::default());
    let mut f = Function::new(|[x], cx| {
        let loss = x.sum();
        let gradients = cx.gradients(&loss, [&v]);
        optimizer.apply(&gradients, cx); // <- the optimizer
        [loss]
    });
    expect(
        f.run([&zeros([3])]),
        ErrorKind::Usage,
        "",
        marked("the optimizer"),
        "the optimizer was given no gradients: the loss depends on none of `v`",
        "take gradients with respect to the trainable weights of the model that made the loss",
    );
    let no_variables: [&Variable; 0] = [];
    let mut f = Function::new(|[x], cx| {
        let gradients = cx.gradients(&x.sum(), no_variables);
        optimizer.apply(&gradients, cx);
        [x]
    });
    assert_eq!(
        f.run([&zeros([3])]).unwrap_err().message(),
        "the optimizer was given gradients of no weights: the list of weights was empty"
    );
}

#[test]
fn a_gradient_that_does_not_exist_is_none_and_named_in_a_warning() {
    let [used, unused] = ["used", "unused"].map(|name| Variable::new(name, 2.0_f32));
    let mut f = Function::new(|[x], cx| {
        let loss = (cx.read(&used) * &x).sum();
        let gradients = cx.gradients(&loss, [&used, &unused]);
        assert!(gradients.of(&unused).is_none());
        [gradients.of(&used).unwrap().clone()]
    });
    assert_eq!(f.run([&Array::from([1.0_f32, 2.0])]).unwrap()[0], Array::scalar(3.0_f32));
    assert_eq!(f.warnings().len(), 1);
    assert!(f.warnings()[0].contains("tracing.rs:"), "{:?}", f.warnings());
    assert!(
        f.warnings()[0].ends_with("the loss does not depend on `unused`: its gradient is None"),
        "{:?}",
        f.warnings()
    );
}

#[test]
fn a_function_runs_again_after_an_error() {
    let mut f = Function::new(|[x, y], _cx| [x.matmul(&y)]);
    assert!(f.run([&zeros([2, 3]), &zeros([4, 2])]).is_err());
    assert!(f.run([&zeros([2, 3]), &zeros([4, 2])]).is_err());
    assert_eq!(f.run([&zeros([2, 3]), &zeros([3, 2])]).unwrap()[0].shape().sizes(), [2, 2]);
}
