//! Counts and frequencies of training that no run reaches: each is as good as never, or an error.

use endo::prelude::*;

const ABSURD: [usize; 5] = [1 << 40, 1 << 62, isize::MAX as usize, 1 << 63, usize::MAX];

fn data() -> Dataset {
    Dataset::new(
        Array::from_fn([6, 2], |i| i as f32 / 6.0),
        Array::from_fn([6, 1], |i| i as f32 / 3.0),
    )
    .unwrap()
}

fn model() -> Model {
    let mut model = Model::new(Dense::new(1)).seed(1);
    model.compile("sgd", "mse", ());
    model
}

#[test]
fn a_batch_larger_than_the_data_is_all_of_it() {
    let whole = model().fit(&data(), Fit::epochs(2).batch_size(6)).unwrap();
    for size in ABSURD {
        let history =
            model().fit(&data(), Fit::epochs(2).batch_size(size).validation(&data())).unwrap();
        assert_eq!(history.get("loss"), whole.get("loss"));
        assert_eq!(data().batches(size).unwrap().count(), 1);
    }
}

#[test]
fn what_happens_every_so_many_steps_never_happens() {
    for size in ABSURD {
        let fit = Fit::epochs(2)
            .batch_size(2)
            .record_steps(size)
            .callback(EarlyStopping::on("loss").patience(size))
            .callback(ReduceLrOnPlateau::on("loss").patience(size).cooldown(size))
            .probe(Probe::weights("*").every(size));
        let history = model().fit(&data(), fit).unwrap();
        assert_eq!(
            (history.epochs.len(), history.steps.len()),
            (2, 1),
            "step 0 is the first of any number"
        );
    }
}

#[test]
fn histograms_of_absurd_numbers_of_bins_are_errors() {
    for size in ABSURD {
        let outcome =
            model().fit(&data(), Fit::epochs(1).probe(Probe::weights("*").histogram(size)));
        assert!(outcome.is_err(), "{size} bins");
    }
}

#[test]
fn updates_and_averages_that_no_step_reaches_do_not_happen() {
    for size in ABSURD.into_iter().chain([(1 << 32) + 1, 1 << 32]) {
        let train = |optimizer: Sgd| {
            let mut model = Model::new(Dense::new(1)).seed(1);
            model.compile(optimizer, "mse", ());
            let history = model.fit(&data(), Fit::epochs(2).batch_size(2)).unwrap();
            (history.get("loss"), model.weights()[0].value())
        };
        let (_, kernel) = train(Sgd::new(0.1).gradient_accumulation_steps(size));
        let untrained = model();
        untrained.build([1, 2]).unwrap();
        assert_eq!(kernel, untrained.weights()[0].value(), "{size} steps are not done");
        let average = || Sgd::new(0.1).use_ema(true);
        assert_eq!(
            train(average().ema_overwrite_frequency(size)).0,
            train(average()).0,
            "every {size} steps"
        );
    }
}

#[test]
fn as_many_threads_as_anybody_asks_for_give_the_same_numbers() {
    let expected = model().predict(&Array::full([600, 2], 0.5, DType::F32)).unwrap();
    for size in [1 << 40, usize::MAX] {
        let mut model = Model::new(Dense::new(1)).seed(1).threads(size);
        model.compile("sgd", "mse", ());
        assert_eq!(model.predict(&Array::full([600, 2], 0.5, DType::F32)).unwrap(), expected);
    }
}
