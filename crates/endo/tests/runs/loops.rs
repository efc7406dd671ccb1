//! The loop of `fit` opened up, and custom steps.

use endo::prelude::*;
use endo::training::Terms;

use super::support::{data, model, numbers, weights};

#[test]
fn a_run_of_usual_steps_is_fit() {
    let (train, valid) = data(100).split(0.7, 1).unwrap();
    let options = || Fit::epochs(3).batch_size(16).validation(&valid);
    let (mut fitted, looped) = (model(), model());
    let expected = fitted.fit(&train, options()).unwrap();
    let mut run = looped.run(&train, options()).unwrap();
    while run.next_batch().unwrap() {
        assert_eq!(run.batch().unwrap().len(), run.indices().len());
        run.train_on_batch().unwrap();
    }
    assert_eq!(numbers(run.finish().unwrap()), numbers(expected));
    assert_eq!(weights(&looped), weights(&fitted));
}

#[test]
fn the_usual_step_written_out_is_the_usual_step() {
    let train = data(100);
    let (mut usual, mut written) = (model(), model());
    written.train_step(|step, cx| {
        let y_pred = step.apply(step.inputs(), cx);
        let terms = step.losses(&y_pred, cx);
        step.minimize(&terms, cx);
        step.update_metrics(&y_pred, cx);
        terms
    });
    let [expected, got] =
        [&mut usual, &mut written].map(|model| model.fit(&train, Fit::epochs(2)).unwrap());
    assert_eq!(numbers(got), numbers(expected));
    assert_eq!(weights(&written), weights(&usual));
}

#[test]
fn a_step_of_ones_own_names_its_terms() {
    let mut model = Model::new(Dense::new(1).kernel_initializer("ones").use_bias(false));
    model.compile(Sgd::new(0.0), "mse", ());
    model.train_step(|step, cx| {
        let y_pred = step.apply(step.inputs(), cx);
        let error = &y_pred - &step.targets()[0];
        let terms = Terms::new([("error", error.square().mean()), ("error", error.abs().mean())]);
        step.minimize(&terms, cx);
        terms
    });
    let data = Dataset::new([[3.0_f32]], [[1.0_f32]]).unwrap();
    let history = model.fit(&data, Fit::epochs(1)).unwrap();
    assert_eq!(history.ledger().to_string(), "error 4.000 + error_1 2.000 = loss 6.000");
    // The same closure, without its updates.
    assert_eq!(model.evaluate(&data).unwrap().get("loss"), Some(6.0));

    model.train_step(|step, cx| {
        let terms = Terms::new([("errors", step.apply(step.inputs(), cx))]);
        step.minimize(&terms, cx);
        terms
    });
    let error = model.fit(&data, Fit::epochs(1)).unwrap_err();
    assert_eq!(error.message(), "the loss term `errors` must be a scalar, got shape [1, 1]");
    assert!(error.site().unwrap().file().ends_with("loops.rs"), "{error}");
}

#[test]
fn a_run_says_what_it_cannot_do() {
    let train = data(20);
    let model = Model::new(Dense::new(1));
    model.build([8, 3]).unwrap();
    let mut run = model.run(&train, Fit::epochs(1).batch_size(8)).unwrap();
    assert_eq!(run.batch().unwrap_err().message(), "the run has no batch now");
    assert!(run.next_batch().unwrap());
    let mut one = Function::new(|[x], _| [x.sum()]);
    let error = run.step(&mut one).unwrap_err();
    assert_eq!(error.message(), "the function takes 1 arrays, and a batch of this data has 2");
    run.record([("main", 1.0)]).unwrap();
    assert_eq!(
        run.record([("main", 1.0)]).unwrap_err().message(),
        "the loss of this batch was recorded before"
    );
    assert!(run.next_batch().unwrap());
    assert_eq!(run.train_on_batch().unwrap_err().message(), "the model is not compiled");
    let error = model.run(&train, Fit::epochs(1).validation(&train)).map(|_| ()).unwrap_err();
    assert_eq!(error.message(), "the model is not compiled");
}

#[test]
fn a_loop_left_early_has_the_epochs_that_are_done() {
    let train = data(20);
    let (model, ended) = (model(), std::cell::Cell::new(0));
    let watch = LambdaCallback::new().on_train_end(|_| {
        ended.set(ended.get() + 1);
        Ok(())
    });
    let mut run = model.run(&train, Fit::epochs(5).batch_size(8).callback(watch)).unwrap();
    while run.next_batch().unwrap() && run.epoch() < 2 {
        run.train_on_batch().unwrap();
        run.training().report("rows", run.indices().len() as f64);
    }
    let history = run.finish().unwrap();
    assert_eq!((history.get("rows"), ended.get()), (vec![4.0, 4.0], 1));
}

#[test]
fn a_batch_that_is_not_finite_is_skipped_in_a_loop_of_ones_own_too() {
    let train = Dataset::new([[1.0_f32], [-1.0], [2.0]], [[1.0_f32], [1.0], [1.0]]).unwrap();
    let model = Model::new(Dense::new(1));
    model.build([1, 1]).unwrap();
    let optimizer = Sgd::new(0.1);
    let mut step = Function::new(|[x, y], cx| {
        let loss = mean_squared_error(&y, &model.apply(&x.sqrt(), cx)).mean();
        optimizer.apply(&cx.gradients(&loss, model.trainable_weights()), cx);
        [loss]
    });
    let mut run =
        model.run(&train, Fit::epochs(1).batch_size(1).non_finite(NonFinite::Skip)).unwrap();
    while run.next_batch().unwrap() {
        match run.step(&mut step) {
            Ok([loss]) => run.record([("main", loss.item().unwrap())]).unwrap(),
            Err(error) => run.skip(error).unwrap(),
        }
    }
    let history = run.finish().unwrap();
    assert_eq!((history.skipped(), history.get("skipped_batches")), (1, vec![1.0]));
}

#[test]
fn a_loop_that_does_not_say_its_loss_has_none() {
    let train = data(20);
    let model = model();
    let mut run = model.run(&train, Fit::epochs(1).batch_size(8)).unwrap();
    while run.next_batch().unwrap() {}
    let history = run.finish().unwrap();
    assert_eq!((history.last("loss"), history.ledger().to_string().as_str()), (None, "no loss"));
    let watch = EarlyStopping::on("loss");
    let mut run = model.run(&train, Fit::epochs(1).batch_size(8).callback(watch)).unwrap();
    let error = loop {
        if let Err(error) = run.next_batch() {
            break error;
        }
    };
    assert_eq!(error.message(), "`EarlyStopping` watches `loss`, which is not reported");
}

/// Runs a loop that computes each batch itself; `record` says whether it says what the loss is.
fn computed_by_the_loop(model: &Model, options: Fit<'_>, record: bool) -> Result<()> {
    let mut step =
        Function::new(|[x, y], cx| [mean_squared_error(&y, &model.apply(&x, cx)).mean()]);
    let train = data(20);
    let mut run = model.run(&train, options.batch_size(8))?;
    while run.next_batch()? {
        let loss = step.run([run.batch()?.inputs(), run.batch()?.targets().unwrap()])?[0].item()?;
        if record {
            run.record([("main", loss)])?;
        }
    }
    run.finish().map(drop)
}

#[test]
fn options_that_have_nothing_to_do_in_a_loop_are_said_after_the_first_epoch() {
    let unread = "the probes read nothing: the loop runs its steps itself, and they read what \
        `run.step(&mut function)?` and \
                  `run.train_on_batch()?` run";
    let unkept = "`record_steps` keeps nothing: the loop says nothing of its loss; give the terms \
        of each batch to \
                  `run.record([(\"main\", loss.item()?)])?`";
    let said = |options: Fit<'_>, record: bool| {
        let model = model();
        computed_by_the_loop(&model, options, record).unwrap();
        model.warnings()
    };
    assert_eq!(
        said(Fit::epochs(2).probe(Probe::weights("*")).record_steps(100), false),
        [unread, unkept]
    );
    assert_eq!(said(Fit::epochs(2).probe(Probe::weights("*")), true), [unread]);
    assert_eq!(said(Fit::epochs(2).record_steps(2), true), [""; 0]);
    assert_eq!(said(Fit::epochs(2), false), [""; 0]);
    for (options, text) in [
        (Fit::epochs(1).probe(Probe::weights("*")), unread),
        (Fit::epochs(1).record_steps(2), unkept),
    ] {
        let error = computed_by_the_loop(&model(), options.deny_warnings(true), false).unwrap_err();
        assert_eq!(error.message(), text);
    }
}

#[test]
fn warnings_of_a_function_are_errors_before_it_is_run_where_they_are_denied() {
    for (eager, probed, used) in
        [(false, false, false), (false, false, true), (true, false, false), (true, true, false)]
    {
        let (model, train, optimizer) = (model(), data(16), Sgd::new(0.1));
        model.build([16, 3]).unwrap();
        let mut step = Function::new(|[x, y], cx| {
            cx.warn("this is not meant");
            let loss = mean_squared_error(&y, &model.apply(&x, cx)).mean();
            optimizer.apply(&cx.gradients(&loss, model.trainable_weights()), cx);
            [loss]
        })
        .run_eagerly(eager);
        if used {
            step.run([train.inputs(), train.targets().unwrap()]).unwrap();
        }
        let before = weights(&model);
        let options = Fit::epochs(1).batch_size(16).deny_warnings(true);
        let options = if probed { options.probe(Probe::weights("*").every(1)) } else { options };
        let mut run = model.run(&train, options).unwrap();
        assert!(run.next_batch().unwrap());
        let error = run.step(&mut step).unwrap_err();
        assert!(error.message().ends_with("this is not meant"), "{error}");
        assert_eq!(error.advice(), Some("fix it, or train without `deny_warnings`"));
        assert_eq!(weights(&model), before);
    }
}
