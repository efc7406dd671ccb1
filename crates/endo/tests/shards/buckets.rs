//! Gradients that leave while the rest of a shard is computed: the same bits on any number of
//! ranks, the numbers of a training without shards, and no message that a failure leaves behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use endo::prelude::*;
use endo::shards::{Alone, Link, Shards, Threads};

use super::folder::Folder;
use super::ranks::{Outcome, epochs};
use super::regressor::made_up_data;

/// A link that counts what is exchanged beside a thread that computes.
struct Counted {
    link: Threads,
    beside: Arc<AtomicUsize>,
}

impl Link for Counted {
    fn rank(&self) -> usize {
        self.link.rank()
    }

    fn ranks(&self) -> usize {
        self.link.ranks()
    }

    fn exchange(
        &self,
        sends: &[(usize, &[u8])],
        receives: &mut [(usize, &mut [u8])],
    ) -> Result<()> {
        self.link.exchange(sends, receives)
    }

    fn exchange_beside(
        &self,
        sends: &[(usize, &[u8])],
        receives: &mut [(usize, &mut [u8])],
        is_awaited: &AtomicBool,
    ) -> Result<()> {
        self.beside.fetch_add(1, Ordering::Relaxed);
        self.link.exchange_beside(sends, receives, is_awaited)
    }

    fn fail(&self, text: &str) {
        self.link.fail(text);
    }
}

/// Most gradients are those of the last layers, which are complete first.
fn wide() -> Sequential {
    Sequential::new()
        .add(Dense::new(200).activation("relu"))
        .add(Dense::new(300).activation("tanh"))
        .add(Dropout::new(0.2))
        .add(Dense::new(300).activation("relu"))
        .add(Dense::new(1))
}

fn train(link: Option<Arc<dyn Link>>) -> Outcome {
    let data = made_up_data(107);
    let mut model = Model::new(wide()).seed(5).threads(1).print_warnings(false);
    model.compile(Adam::new(0.001).clipnorm(1.0), "mse", ["mae"]);
    if let Some(link) = link {
        model.distribute(link, Shards::new(8));
    }
    // The last batch has fewer rows than there are shards.
    let history = model.fit(&data, Fit::epochs(2).batch_size(34).validation(&data)).unwrap();
    let weights = model.weights().iter().map(|weight| weight.value()).collect();
    (epochs(history), weights, Vec::new(), model.predict(data.inputs()).unwrap())
}

#[test]
fn gradients_that_leave_early_have_the_same_bits_on_any_number_of_ranks() {
    let alone = train(Some(Alone.into()));
    for ranks in [2, 3, 8] {
        let beside = Arc::new(AtomicUsize::new(0));
        let outcomes = Threads::run(ranks, |link| {
            train(Some(Arc::new(Counted { link, beside: beside.clone() })))
        });
        for outcome in outcomes {
            assert!(outcome == alone, "{ranks} ranks");
        }
        assert!(beside.load(Ordering::Relaxed) > 0, "{ranks} ranks: nothing left early");
    }
}

/// A training that is stopped before its third step, which has the short batch, goes on with it.
#[test]
fn a_run_that_goes_on_at_a_short_batch_has_the_same_bits() {
    let folder = Folder::new("buckets");
    let train = |link: Arc<dyn Link>, saves: bool, stop: Option<usize>| {
        let mut model = Model::new(wide()).seed(5).threads(1).print_warnings(false);
        model.compile("nadam", "mse", ()).distribute(link, Shards::new(8));
        let interrupt = LambdaCallback::new().on_batch_begin(move |_, training: &Training| {
            let stops = Some(training.step()) == stop;
            if stops { Err(Error::new(ErrorKind::Usage, "stop")) } else { Ok(()) }
        });
        let mut fit = Fit::epochs(2).batch_size(34).callback(interrupt);
        if saves {
            fit = fit.callback(BackupAndRestore::new(folder.path("run")).save_freq(1));
        }
        let history = model.fit(&made_up_data(75), fit).ok()?;
        let weights: Vec<Array> = model.weights().iter().map(|weight| weight.value()).collect();
        Some((history.get("loss"), weights))
    };
    let whole = train(Alone.into(), false, None).unwrap();
    assert!(train(Alone.into(), true, Some(2)).is_none());
    for outcome in Threads::run(2, |link| train(link.into(), true, None)) {
        assert!(outcome.unwrap() == whole);
    }
}

/// Shards of a single row, as the last batch has, train a part of the weights alone.
#[test]
fn shards_that_have_fewer_gradients_are_refused_on_all_ranks() {
    let errors = Threads::run(2, |link| {
        let mut model = Model::new(wide()).seed(5).threads(1).print_warnings(false);
        model.compile(Sgd::new(0.01), "mse", ()).distribute(link, Shards::new(8));
        let upper = Sgd::new(0.02);
        model.train_step(move |step, cx| {
            let y_pred = step.apply(step.inputs(), cx);
            let terms = step.losses(&y_pred, cx);
            let gradients = cx.gradients(terms.total(), step.trainable_weights());
            let (low, high) = gradients.split(|weight| weight.name().starts_with("dense/"));
            step.apply_gradients(&low, cx);
            if step.inputs().batch() > 1 {
                upper.apply(&high, cx);
            }
            terms
        });
        model.fit(&made_up_data(75), Fit::epochs(1).batch_size(34)).unwrap_err()
    });
    for error in errors {
        let text = error.to_string();
        assert!(text.contains("shards of different numbers of rows"), "{text}");
    }
}

#[test]
fn gradients_that_leave_early_are_those_of_their_weights() {
    let (_, whole, _, predicted) = train(None);
    let (_, by_shards, _, other) = train(Some(Alone.into()));
    for (a, b) in whole.iter().chain([&predicted]).zip(by_shards.iter().chain([&other])) {
        for (a, b) in a.to_vec::<f64>().iter().zip(b.to_vec::<f64>()) {
            assert!((a - b).abs() < 1e-4 * a.abs().max(1.0), "{a} {b}");
        }
    }
}

#[test]
fn a_failure_after_gradients_have_left_changes_nothing_and_leaves_no_message_behind() {
    let base = made_up_data(64);
    // The logarithm of row 41 is no number, nor is its part of the gradient of the first layer.
    let x = Array::from_fn([64, 5], |i| if i / 5 == 41 { -1.0 } else { 1.0 + (i % 7) as f32 });
    let data = Dataset::new(x, base.targets().unwrap().clone()).unwrap();
    let train = |link: Arc<dyn Link>| {
        let net = wide();
        let net = move |x: &Tensor, cx: &mut Context| net.apply(&x.log(), cx);
        let mut model = Model::new(net).seed(3).threads(1).print_warnings(false);
        model.compile(Sgd::new(0.01), "mse", ()).distribute(link, Shards::new(8));
        let options = Fit::epochs(2).batch_size(16).non_finite(NonFinite::Skip);
        let history = model.fit(&data, options).unwrap();
        (history.skipped(), history.get("loss"), model.weights()[0].value())
    };
    let alone = train(Alone.into());
    assert_eq!(alone.0, 2);
    assert_eq!(Threads::run(3, |link| train(link.into())), vec![alone; 3]);
}
