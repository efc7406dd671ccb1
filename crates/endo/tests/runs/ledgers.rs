//! The terms of the loss in single steps: for callbacks, and in the history.

use std::cell::RefCell;

use endo::prelude::*;

use super::support::{data, model};

/// `y = 2 x` on 1, 3 and 5 with targets of 0, which stays so: losses of 4, 36 and 100, half of each
/// once more as a term.
fn line() -> (Model, Dataset) {
    let dense = Dense::new(1).use_bias(false).kernel_initializer("constant(2)").name("line");
    let mut model = Model::new(dense).dtype(DType::F64);
    model.add_loss_at("line", "half", |y| 0.5 * y.square().mean());
    model.compile(Sgd::new(0.0), MeanSquaredError, ());
    (model, Dataset::new([[1.0_f64], [3.0], [5.0]], [[0.0_f64], [0.0], [0.0]]).unwrap())
}

fn ledger(main: f64, half: f64) -> Ledger {
    Ledger {
        terms: vec![("main".to_string(), main), ("half".to_string(), half)],
        total: main + half,
    }
}

#[test]
fn the_ledger_of_a_batch_is_of_that_batch_alone() {
    let (mut model, data) = line();
    let (steps, means) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    let note = LambdaCallback::new().on_batch_end(|_, ledger, training| {
        steps.borrow_mut().push(training.batch_ledger());
        means.borrow_mut().push(ledger().total);
        Ok(())
    });
    let options = Fit::epochs(2).batch_size(1).shuffle(false).callback(note).record_steps(2);
    let history = model.fit(&data, options).unwrap();
    let expected = [ledger(4.0, 2.0), ledger(36.0, 18.0), ledger(100.0, 50.0)];
    assert_eq!(*steps.borrow(), [&expected[..], &expected[..]].concat());
    assert_eq!(means.borrow()[..3], [6.0, 30.0, 70.0]);
    let kept: Vec<(usize, usize, &Ledger)> =
        history.steps.iter().map(|step| (step.step, step.epoch, &step.ledger)).collect();
    assert_eq!(kept, [(0, 0, &expected[0]), (2, 0, &expected[2]), (4, 1, &expected[1])]);
    assert_eq!(history.ledger().total, 70.0);
}

#[test]
fn the_terms_of_a_batch_add_up_and_their_means_are_those_of_the_epoch() {
    let (train, mut model) = (data(100), model());
    let history = model.fit(&train, Fit::epochs(2).batch_size(16).record_steps(1)).unwrap();
    assert_eq!(history.steps.len(), 14);
    let near = |a: f64, b: f64| (a - b).abs() < 1e-5 * b.abs().max(1.0);
    for (epoch, steps) in history.epochs.iter().zip(history.steps.chunks(7)) {
        let mean = |value: &dyn Fn(&Ledger) -> f64| {
            let sizes = [16.0, 16.0, 16.0, 16.0, 16.0, 16.0, 4.0];
            steps.iter().zip(sizes).map(|(step, size)| size * value(&step.ledger)).sum::<f64>()
                / 100.0
        };
        assert!(near(mean(&|ledger| ledger.total), epoch.ledger.total));
        for (index, (name, value)) in epoch.ledger.terms.iter().enumerate() {
            assert!(steps.iter().all(|step| step.ledger.terms[index].0 == *name));
            assert!(near(mean(&|ledger| ledger.terms[index].1), *value), "{name}");
        }
        for step in steps {
            assert!(
                near(step.ledger.terms.iter().map(|(_, term)| term).sum(), step.ledger.total),
                "{}",
                step.ledger
            );
        }
    }
}

#[test]
fn a_loop_of_ones_own_has_the_terms_that_it_records() {
    let (model, data) = line();
    let seen = RefCell::new(Vec::new());
    let note = LambdaCallback::new().on_batch_end(|_, _, training| {
        seen.borrow_mut().push(training.batch_ledger());
        Ok(())
    });
    let options = Fit::epochs(2)
        .batch_size(1)
        .shuffle(false)
        .non_finite(NonFinite::Skip)
        .record_steps(1)
        .callback(note);
    let mut run = model.run(&data, options).unwrap();
    while run.next_batch().unwrap() {
        match (run.epoch(), run.batch_index()) {
            (0, 0) => run.record([("main", 1.0), ("half", 0.5)]).unwrap(),
            (0, 1) => run.skip(Error::new(ErrorKind::NotFinite, "left out")).unwrap(),
            (0, _) => {} // nothing is known of it
            (_, index) => run.record([("other", index as f64)]).unwrap(),
        }
    }
    let history = run.finish().unwrap();
    let other = |value: f64| Ledger { terms: vec![("other".to_string(), value)], total: value };
    let nothing = Ledger::default();
    assert_eq!(
        *seen.borrow(),
        [ledger(1.0, 0.5), nothing.clone(), nothing, other(0.0), other(1.0), other(2.0)]
    );
    assert_eq!(history.steps.iter().map(|step| step.step).collect::<Vec<_>>(), [0, 3, 4, 5]);
    assert_eq!(history.steps[0].ledger, ledger(1.0, 0.5));
}

#[test]
fn ten_thousand_steps_keep_a_bounded_number_of_records() {
    let (mut model, data) = line();
    let history = model.fit(&data, Fit::epochs(10_000).record_steps(1)).unwrap();
    let steps: Vec<usize> = history.steps.iter().map(|step| step.step).collect();
    assert!((500..=1_000).contains(&steps.len()), "{}", steps.len());
    assert!(steps.windows(2).all(|pair| pair[1] - pair[0] == steps[1]), "evenly spread");
    let error = model.fit(&data, Fit::epochs(1).record_steps(0)).unwrap_err();
    assert_eq!(error.message(), "the terms cannot be recorded every 0 steps");
}
