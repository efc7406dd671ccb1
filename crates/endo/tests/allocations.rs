//! What is allocated: nothing in a step after the first, whoever makes the step.
//!
//! In: every allocation of the process, counted with its bytes. One test, because others beside it
//! would be counted too.

#[path = "support/regressor.rs"]
mod regressor;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use endo::prelude::*;
use regressor::{Regressor, made_up_data};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The number of allocations that `f` makes.
fn allocations(f: impl FnOnce()) -> usize {
    let before = COUNT.load(Ordering::Relaxed);
    f();
    COUNT.load(Ordering::Relaxed) - before
}

/// The steps that make plans and threads: a thread goes on allocating for a moment while it starts.
fn first(epoch: &mut impl FnMut()) {
    epoch();
    std::thread::sleep(std::time::Duration::from_millis(200));
    epoch();
}

fn compiled(threads: usize) -> Model {
    let mut model = Model::new(Regressor::new()).threads(threads);
    model.compile(Nadam::default(), MeanSquaredError, [MeanAbsoluteError::new()]);
    model
}

/// A model whose loops and products are large enough to be shared among threads.
fn large(threads: usize) -> (Model, Dataset) {
    let mut model =
        Model::new(Sequential::new().add(Dense::new(256).activation("tanh")).add(Dense::new(64)))
            .threads(threads);
    model.compile(Adam::default(), MeanSquaredError, ());
    let [x, y] = [[512, 128], [512, 64]].map(|shape| Array::from_fn(shape, |i| (i as f32).sin()));
    (model, Dataset::new(x, y).unwrap())
}

/// A model of convolutions whose windows are made in parts, and pooling whose samples are shared.
fn of_images(threads: usize) -> (Model, Dataset) {
    let net = Sequential::new()
        .add(Conv2D::new(8, 3).padding(Padding::Same).activation("relu"))
        .add(MaxPooling2D::new(2))
        .add(Conv2D::new(12, 3).strides(2))
        .add(Flatten::new())
        .add(Dense::new(1));
    let mut model = Model::new(net).threads(threads);
    model.compile(Adam::default(), MeanSquaredError, ());
    let x = Array::from_fn([64, 24, 24, 2], |i| (i as f32).sin());
    (model, Dataset::new(x, Array::from_fn([64, 1], |i| (i as f32).cos())).unwrap())
}

/// A model with a table, of whose rows a step updates those that it used.
fn of_rows(threads: usize, optimizer: impl Optimizer + 'static) -> (Model, Dataset) {
    let net = Sequential::new()
        .add(Embedding::new(1_000, 8))
        .add(GlobalAveragePooling1D::new())
        .add(Dense::new(1));
    let mut model = Model::new(net).threads(threads);
    model.compile(optimizer, MeanSquaredError, ());
    let x = Array::from_fn([64, 5], |i| (i * 37 % 1_000) as i32);
    (model, Dataset::new(x, Array::from_fn([64, 1], |i| (i as f32).cos())).unwrap())
}

fn a_step_of_a_function(threads: usize) -> usize {
    let (model, optimizer) = (Model::new(Regressor::new()), Adam::default());
    let (mean_loss, data) = (Mean::new("loss"), made_up_data(64));
    let mut step = Function::new(|[x, y], cx| {
        let y_pred = model.apply(&x, cx);
        let loss =
            cx.losses().iter().fold(mean_squared_error(&y, &y_pred).mean(), |sum, term| sum + term);
        let gradients = cx.gradients(&loss, model.trainable_weights());
        optimizer.apply(&gradients, cx);
        mean_loss.update(&loss, cx);
        [loss]
    })
    .threads(threads);
    let batches: Vec<(Array, Array)> = data.batches(16).unwrap().collect();
    let mut epoch =
        || batches.iter().for_each(|(x, y)| assert!(step.run([x, y]).unwrap()[0].is_finite()));
    first(&mut epoch);
    allocations(|| (0..10).for_each(|_| epoch()))
}

fn a_step_of_a_model(mut model: Model, data: &Dataset, batch_size: usize) -> usize {
    let mut stepper = model.stepper(data, batch_size).unwrap();
    let order = data.order();
    let mut epoch = || {
        order
            .batches(batch_size)
            .unwrap()
            .for_each(|indices| assert!(stepper.step(indices).unwrap().is_finite()))
    };
    first(&mut epoch);
    allocations(|| (0..10).for_each(|_| epoch()))
}

/// The bytes that the first step of a deep net asks for, whose blocks may be computed again.
fn bytes_of_a_deep_net(recompute: bool) -> usize {
    let mut net = Sequential::new();
    for _ in 0..12 {
        let block = Sequential::new()
            .add(Dense::new(64).activation("gelu"))
            .add(Dense::new(64).activation("gelu"))
            .add(Dense::new(16));
        net = if recompute { net.add(block.recompute()) } else { net.add(block) };
    }
    let mut model = Model::new(net).threads(1);
    model.compile(Sgd::new(0.01), MeanSquaredError, ());
    let x = Array::from_fn([4_096, 16], |i| (i as f32).sin());
    let data = Dataset::new(x.clone(), x).unwrap();
    let before = BYTES.load(Ordering::Relaxed);
    let mut stepper = model.stepper(&data, 4_096).unwrap();
    let order = data.order();
    let indices = order.batches(4_096).unwrap().next().unwrap();
    assert!(stepper.step(indices).unwrap().is_finite());
    BYTES.load(Ordering::Relaxed) - before
}

/// What each further epoch of a number of samples allocates, over ten epochs.
fn ten_epochs(samples: usize, threads: usize) -> usize {
    let data = made_up_data(samples);
    let fit = |epochs: usize| {
        let mut model = compiled(threads);
        allocations(|| {
            model.fit(&data, Fit::epochs(epochs).batch_size(8)).unwrap();
        })
    };
    fit(12) - fit(2)
}

/// What a test of `samples` samples allocates, of a model that draws random numbers there.
fn a_test_that_draws(samples: usize) -> usize {
    let mut model =
        Model::new(|x: &Tensor, cx: &mut Context| x + cx.random().normal(x.shape(), 0.0, 1.0));
    model.compile("sgd", "mse", ());
    let x = Array::from_fn([samples, 2], |i| (i as f32).sin());
    let data = Dataset::new(x.clone(), x).unwrap();
    let mut evaluate = || {
        assert!(
            model
                .evaluate_with(&data, Evaluate::new().batch_size(8))
                .unwrap()
                .get("loss")
                .is_some_and(f64::is_finite)
        )
    };
    first(&mut evaluate);
    allocations(evaluate)
}

fn predictions() -> Vec<usize> {
    let (mut model, data) = (compiled(2), made_up_data(32));
    model.fit(&data, Fit::epochs(1)).unwrap();
    let rows: Vec<Array> = (0..32).map(|row| data.inputs().rows(row..row + 1)).collect();
    model.predict(&rows[0]).unwrap();
    let predict = |row| allocations(|| assert!(model.predict(row).unwrap().is_finite()));
    rows.iter().map(predict).collect()
}

#[test]
fn steps_allocate_nothing_and_predictions_a_constant_few() {
    assert_eq!(a_step_of_a_function(1), 0, "a function's steps");
    assert_eq!(a_step_of_a_function(2), 0, "a function's steps on 2 threads");
    for threads in [1, 2] {
        assert_eq!(
            a_step_of_a_model(compiled(threads), &made_up_data(64), 16),
            0,
            "a model's steps, {threads} threads"
        );
        let (model, data) = large(threads);
        assert_eq!(
            a_step_of_a_model(model, &data, 256),
            0,
            "a large model's steps, {threads} threads"
        );
        let (model, data) = of_images(threads);
        assert_eq!(
            a_step_of_a_model(model, &data, 32),
            0,
            "the steps of a model of images, {threads} threads"
        );
        for (model, data) in
            [of_rows(threads, Sgd::new(0.1)), of_rows(threads, Adam::new(0.01).lazy(true))]
        {
            let counted = a_step_of_a_model(model, &data, 16);
            assert_eq!(counted, 0, "the steps of a model with a table, {threads} threads");
        }
    }
    // An epoch keeps its report; its steps, the short last batch included, allocate nothing more
    // than those of a short one.
    assert_eq!(ten_epochs(804, 1), ten_epochs(20, 1), "epochs of 101 steps against epochs of 3");
    assert_eq!(ten_epochs(804, 2), ten_epochs(20, 2), "the same on 2 threads");
    assert_eq!(
        a_test_that_draws(804),
        a_test_that_draws(20),
        "a test of 101 steps that draw against one of 3"
    );
    let predictions = predictions();
    assert!(predictions.iter().all(|&count| count == predictions[0]), "{predictions:?}");
    assert!(predictions[0] <= 16, "{predictions:?}");
    let [kept, again] = [false, true].map(bytes_of_a_deep_net);
    assert!(again * 3 < kept, "{again} bytes where blocks are computed again, else {kept}");
}
