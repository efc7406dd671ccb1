//! Arrays of sizes that do not fit, or that the system gives no memory for.

use std::panic::catch_unwind;

use endo::prelude::*;

/// The message of a panic, without what the panic hook prints.
fn panic_of(make: fn() -> Array) -> String {
    let panic = catch_unwind(make).expect_err("no panic");
    panic
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_else(|| panic.downcast_ref::<&str>().unwrap_or(&"").to_string())
}

#[test]
fn an_array_of_an_impossible_shape_is_refused() {
    for shape in [
        vec![1 << 32, 1 << 32],
        vec![1 << 40],
        vec![usize::MAX, 2],
        vec![0, 1 << 40],
        vec![1 << 40, 1 << 40, 0],
    ] {
        let shape = Shape::from(shape);
        let message = format!("an array of shape {shape} has more elements than a machine holds");
        assert_eq!(Array::new(&shape, Vec::<f32>::new()).unwrap_err().message(), message);
        assert_eq!(Array::zeros(0, DType::I32).reshape(&shape).unwrap_err().message(), message);
    }
    assert_eq!(Array::new([0, 1 << 39], Vec::<f32>::new()).unwrap().len(), 0);
}

#[test]
fn what_cannot_return_an_error_panics_with_its_words() {
    let makes: [fn() -> Array; 4] = [
        || Array::zeros([1 << 32, 1 << 32], DType::F32),
        || Array::full([1 << 40], 1.0, DType::Bool),
        || Array::from_fn([usize::MAX, usize::MAX], |i| i as i32),
        || Array::from([[0.0_f32; 0]; 1 << 40]),
    ];
    for make in makes {
        assert!(panic_of(make).contains("has more elements than a machine holds"));
    }
    let refused = panic_of(|| Array::zeros([1 << 39, 1], DType::F64));
    assert!(refused.contains("needs 4398.0 GB of memory, more than the system gives"), "{refused}");
}

#[test]
fn what_the_system_gives_no_memory_for_is_an_error_of_the_run() {
    let mut f = Function::new(|[x], _| [x.broadcast_to([1 << 39, 1]).cumsum(0).slice(0, 0..1)]);
    let error = f.run([&[[1.0_f32]].into()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory);
    assert!(error.message().starts_with("a run needs 4398.0 GB of memory"), "{error}");

    let mut f = Function::new(|[x], _| [x.broadcast_to([1 << 39, 1])]);
    let error = f.run([&[[1.0_f32]].into()]).unwrap_err();
    assert_eq!(
        error.message(),
        "an array of shape [549755813888, 1] needs 2199.0 GB of memory, more than the system gives"
    );
    let error = f.run_eagerly(true).run([&[[1.0_f32]].into()]).unwrap_err();
    assert!(error.site().is_some_and(|site| site.file().ends_with("sizes/arrays.rs")), "{error}");
}

#[test]
fn predict_returns_an_error_where_the_allocator_refuses() {
    let model = Model::new(|x: &Tensor, cx: &mut Context| {
        let noise = cx.random().uniform([1 << 38], 0.0, 1.0);
        x + noise.cumsum(0).slice(0, 0..1)
    });
    let x = Array::zeros([300, 1], DType::F32);
    assert_eq!(model.predict(&x).unwrap_err().kind(), ErrorKind::Memory);
    assert_eq!(model.predict(&x.rows(0..2)).unwrap_err().kind(), ErrorKind::Memory);

    let wide = Model::new(|x: &Tensor, _: &mut Context| x.broadcast_to([x.batch(), 1 << 36]));
    assert_eq!(wide.predict(&x).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(wide.predict(&x.rows(0..2)).unwrap_err().kind(), ErrorKind::Memory);
}

#[test]
fn initializers_and_slots_of_absurd_sizes_are_errors() {
    for name in endo::initializers::names() {
        let initializer = endo::initializers::get(name).unwrap();
        for shape in [[1 << 40, 2], [1 << 32, 1 << 32], [1 << 38, 1], [0, 1 << 40]] {
            let outcome =
                initializer.initialize(&shape.into(), &mut endo::random::Random::new(0, 0));
            assert!(outcome.is_err(), "{name} of {shape:?}");
        }
    }
    assert!(Model::new(Dense::new(1)).build([1 << 40, 8]).is_err());
    assert!(Model::new(Dense::new(1 << 61)).build([1, 8]).is_err());
}
