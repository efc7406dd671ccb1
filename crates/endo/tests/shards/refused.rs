//! What cannot be cut into shards is refused, and what then means something else is warned of.

use endo::model::Balance;
use endo::prelude::*;
use endo::shards::{Alone, Shards, Threads};

use super::regressor::made_up_data;

fn model(layer: impl Layer + 'static) -> Model {
    let mut model = Model::new(layer).threads(1).print_warnings(false);
    model.compile(Sgd::new(0.01), "mse", ());
    model.distribute(Alone, Shards::new(4));
    model
}

fn fit(model: &mut Model) -> Result<History> {
    model.fit(&made_up_data(64), Fit::epochs(1))
}

#[test]
fn a_step_that_updates_and_goes_on_from_that_is_refused() {
    let mut model = model(Dense::new(1));
    model.train_step(|step, cx| {
        let terms = step.losses(&step.apply(step.inputs(), cx), cx);
        step.minimize(&terms, cx);
        let again = Terms::new([("again", step.apply(step.inputs(), cx).square().mean())]);
        step.minimize(&again, cx);
        terms
    });
    let error = fit(&mut model).unwrap_err();
    assert!(error.message().contains("cannot be cut into shards"), "{error}");
}

#[test]
fn a_step_that_assigns_what_it_computes_of_the_batch_is_refused() {
    let last = Variable::new("last", 0.0_f32).frozen();
    let mut model = model(Dense::new(1));
    model.train_step(move |step, cx| {
        let terms = step.losses(&step.apply(step.inputs(), cx), cx);
        cx.assign(&last, terms.total());
        step.minimize(&terms, cx);
        terms
    });
    let error = fit(&mut model).unwrap_err();
    assert!(error.message().starts_with("the training step assigns `last`"), "{error}");
}

#[test]
fn grad_norm_and_eager_runs_and_functions_are_refused() {
    let mut balanced = model(Dense::new(1));
    balanced.balance(Balance::grad_norm());
    assert!(fit(&mut balanced).unwrap_err().message().starts_with("GradNorm"));
    let mut eager = model(Dense::new(1)).run_eagerly(true);
    assert!(fit(&mut eager).unwrap_err().message().contains("runs eagerly"));
    let model = model(Dense::new(1));
    let data = made_up_data(64);
    let mut run = model.run(&data, Fit::epochs(1)).unwrap();
    assert!(run.next_batch().unwrap());
    let mut function = Function::new(|[x, _], _| [x]);
    assert!(run.step(&mut function).unwrap_err().message().contains("whole ones"));
}

#[test]
fn a_lazy_optimizer_is_refused() {
    let mut model = model(Sequential::new().add(Embedding::new(8, 2)).add(Flatten::new()));
    model.compile(Adam::new(0.01).lazy(true), "mse", ());
    let x = Array::zeros([16, 1], DType::I32);
    let data = Dataset::new(x, Array::zeros([16, 2], DType::F32)).unwrap();
    let error = model.fit(&data, Fit::epochs(1)).unwrap_err();
    assert!(error.message().starts_with("a lazy optimizer was given to a training"), "{error}");
}

#[test]
fn more_ranks_than_shards_are_refused_on_all_of_them() {
    let errors = Threads::run(3, |link| {
        let mut model = Model::new(Dense::new(1)).threads(1);
        model.compile(Sgd::new(0.01), "mse", ());
        model.distribute(link, Shards::new(2));
        fit(&mut model).unwrap_err().message().to_string()
    });
    assert!(errors.iter().all(|error| error.starts_with("there are 3 ranks")), "{errors:?}");
}

#[test]
fn batch_normalization_and_terms_that_are_no_means_are_warned_of() {
    let net = Sequential::new().add(BatchNormalization::new()).add(Dense::new(1));
    let mut normalized = model(net);
    fit(&mut normalized).unwrap();
    let warnings = normalized.warnings().join("\n");
    assert!(
        warnings.contains("each shard of a batch computes `batch_normalization/"),
        "{warnings}"
    );
    let dense = Dense::new(1);
    let mut summed = model(move |x: &Tensor, cx: &mut Context| {
        cx.add_loss("spread", 0.1 * x.square().mean().sqrt());
        let y = dense.apply(x, cx);
        cx.add_loss("size", 0.001 * y.square().sum());
        cx.add_loss("mean", 0.001 * y.square().mean());
        y
    });
    fit(&mut summed).unwrap();
    let warnings = summed.warnings().join("\n");
    assert!(warnings.contains("the loss term `size` is"), "{warnings}");
    assert!(!warnings.contains("the loss term `mean` is"), "{warnings}");
    assert!(!warnings.contains("the loss term `main` is"), "{warnings}");
}

#[test]
fn a_number_that_is_not_finite_stops_all_ranks_before_anything_changes() {
    let base = made_up_data(64);
    let x = Array::from_fn([64, 5], |i| if i / 5 == 41 { -1.0 } else { 1.0 + (i % 7) as f32 });
    let data = Dataset::new(x, base.targets().unwrap().clone()).unwrap();
    let outcomes = Threads::run(4, |link| {
        let dense = Dense::new(1);
        let net = move |x: &Tensor, cx: &mut Context| dense.apply(&x.log(), cx);
        let mut model = Model::new(net).threads(1).print_warnings(false);
        model.compile(Sgd::new(0.01), "mse", ());
        model.build([1, 5]).unwrap();
        model.distribute(link, Shards::new(8));
        let before = model.weights()[0].value();
        let options = Fit::epochs(1).batch_size(64).shuffle(false);
        let error = model.fit(&data, options).unwrap_err();
        (error, before == model.weights()[0].value())
    });
    for (error, unchanged) in &outcomes {
        assert!(unchanged);
        assert_eq!(error.kind(), ErrorKind::NotFinite);
        let text = error.to_string();
        assert!(text.contains("on rank 2") && text.contains("row 41"), "{text}");
        assert_eq!(text, outcomes[0].0.to_string());
    }
}

#[test]
fn batches_that_are_not_finite_are_left_out_on_all_ranks() {
    let base = made_up_data(64);
    let x = Array::from_fn([64, 5], |i| if i / 5 == 41 { -1.0 } else { 1.0 + (i % 7) as f32 });
    let data = Dataset::new(x, base.targets().unwrap().clone()).unwrap();
    let train = |link: std::sync::Arc<dyn endo::shards::Link>| {
        let dense = Dense::new(1);
        let net = move |x: &Tensor, cx: &mut Context| dense.apply(&x.log(), cx);
        let mut model = Model::new(net).threads(1).print_warnings(false);
        model.compile(Sgd::new(0.01), "mse", ());
        model.distribute(link, Shards::new(8));
        let options = Fit::epochs(2).batch_size(16).non_finite(NonFinite::Skip);
        let history = model.fit(&data, options).unwrap();
        (history.skipped(), history.get("loss"), model.weights()[0].value())
    };
    let alone = train(Alone.into());
    assert_eq!(alone.0, 2);
    assert_eq!(Threads::run(3, |link| train(link.into())), vec![alone; 3]);
}

#[test]
fn ranks_with_other_data_or_weights_are_refused_by_name() {
    let refuse = |rows: [usize; 2], seeds: [u64; 2]| {
        let errors = Threads::run(2, |link| {
            let rank = endo::shards::Link::rank(&link);
            let mut model = Model::new(Dense::new(1)).seed(seeds[rank]).threads(1);
            model.compile(Sgd::new(0.01), "mse", ());
            model.distribute(link, Shards::new(4));
            let data = made_up_data(rows[rank]);
            model.fit(&data, Fit::epochs(1)).unwrap_err().message().to_string()
        });
        assert_eq!(errors[0], errors[1]);
        errors[0].clone()
    };
    assert_eq!(refuse([64, 65], [0, 0]), "rank 1 has 65 samples, and rank 0 has 64");
    assert!(refuse([64, 64], [0, 1]).contains("as the seed of the model"));
}

#[test]
fn a_rank_that_fails_ends_the_others_with_its_name() {
    let errors = Threads::run(3, |link| {
        let rank = endo::shards::Link::rank(&link);
        let fail = LambdaCallback::new().on_epoch_begin(move |epoch, _| match (epoch, rank) {
            (1, 1) => Err(Error::new(ErrorKind::Io, "the disk is full")),
            _ => Ok(()),
        });
        let mut model = Model::new(Dense::new(1)).threads(1);
        model.compile(Sgd::new(0.01), "mse", ());
        model.distribute(link, Shards::new(4));
        let options = Fit::epochs(3).callback(fail);
        model.fit(&made_up_data(64), options).unwrap_err().message().to_string()
    });
    assert_eq!(errors[1], "the disk is full");
    for error in [&errors[0], &errors[2]] {
        assert!(error.starts_with("rank 1 has stopped: the disk is full"), "{error}");
    }
}
