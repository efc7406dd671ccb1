//! `predict` of a model and of an exported one: calls, rows, parts, threads, node by node.

use std::collections::HashSet;
use std::path::Path;

use endo::prelude::*;

use super::folder::Folder;
use super::support::{different, first, noise, zeros};

#[test]
fn each_row_has_its_own_numbers_and_each_call_draws_anew() {
    let model = noise();
    let [one, two] = [(); 2].map(|()| model.predict(&zeros(1000)).unwrap());
    assert_eq!([different(&one), different(&two)], [1000, 1000]);
    assert!((0..1000).all(|row| one.get(row) != two.get(row)));
    // Philox of the seed 42, the place `lambda#1` and the call, computed apart.
    assert_eq!(first(&one), [0.40913743, 0.8308386, 0.05698508]);
    assert_eq!(first(&one.rows(996..1000)), [0.63210124, 0.42375642, 0.45575362, 0.28045696]);
    assert_eq!(first(&two), [0.44929534, 0.5411547, 0.30412203]);

    let equal = noise();
    assert_eq!(equal.predict_call(0, &zeros(1000)).unwrap(), one);
    assert_eq!(equal.predict_call(1, &zeros(1000)).unwrap(), two);
    assert_eq!(
        equal.predict(&zeros(1000)).unwrap(),
        one,
        "a call of a given number is not counted"
    );
    assert_ne!(noise().seed(43).predict(&zeros(1000)).unwrap(), one);
    let far = [1 << 32, (1 << 32) + 1, 1 << 61]
        .map(|call| equal.predict_call(call, &zeros(1)).unwrap().get(0));
    assert!(far[0] != far[1] && far[1] != far[2] && far[0] != one.get(0) && far[2] != one.get(0));
}

/// A model whose numbers depend on the row in many ways: types, merged axes, a nested model with a
/// seed of its own, dropout.
fn many() -> Model {
    let dropout = Dropout::new(0.5);
    let inner =
        Model::new(|x: &Tensor, cx: &mut Context| x + cx.random().uniform(x.shape(), 0.0, 1.0))
            .seed(9);
    Model::new(move |x: &Tensor, cx: &mut Context| {
        let (rows, random) = (x.batch(), cx.random());
        let merged = random.normal([2 * rows, 3], 0.0, 1.0).reshape([rows, 6]);
        let doubles =
            cx.random().permutation(3).cast(DType::F32).expand_dims(0).broadcast_to([rows, 3]);
        let twice = random.uniform([rows], 0.0, 1.0).expand_dims(1);
        let dropped = cx.with_training(true, |cx| dropout.apply(&(x * 0.0 + 1.0), cx));
        let seeded = cx.random().seed(5).truncated_normal([rows, 1], 0.0, 1.0);
        Tensor::concatenate(&[merged, doubles, twice, dropped, seeded, inner.apply(x, cx)], 1)
    })
    .seed(3)
}

#[test]
fn the_numbers_are_the_same_in_every_mode_and_however_the_rows_are_cut() {
    let (x, folder) = (zeros(600), Folder::new("modes"));
    let want = many().predict(&x).unwrap();
    for threads in [1, 2, 3] {
        assert_eq!(many().threads(threads).predict(&x).unwrap(), want, "{threads} threads");
    }
    let eager = many().run_eagerly(true).predict(&x).unwrap();
    assert!((0..want.len()).all(|index| (eager.get(index) - want.get(index)).abs() < 1e-6));
    // The first rows alone: what is one for the whole call stays it, and rows keep their numbers.
    for rows in [1, 2, 3, 256, 257, 512] {
        assert_eq!(many().predict(&zeros(rows)).unwrap(), want.rows(0..rows), "{rows} rows");
    }

    let model = many();
    model.build([1, 1]).unwrap();
    model.export(folder.path("model")).unwrap();
    let predictor = Predictor::load(folder.path("model")).unwrap();
    assert_eq!(predictor.inputs().len(), 1);
    assert!(predictor.variables().is_empty());
    assert_eq!(predictor.predict(&x).unwrap(), want);
    assert_eq!(predictor.predict(&x).unwrap(), model.predict_call(1, &x).unwrap());
    assert_eq!(predictor.predict_call(0, &x).unwrap(), want);
    assert_eq!(predictor.predict_all(&[x]).unwrap(), [model.predict_call(2, &zeros(600)).unwrap()]);
    for starts in [vec![0, 300, 600], vec![0, 1, 258, 259, 600], vec![0, 512, 513, 600]] {
        for bounds in starts.windows(2) {
            let part =
                predictor.predict_part(0, bounds[0], &[zeros(bounds[1] - bounds[0])]).unwrap();
            assert_eq!(part, [want.rows(bounds[0]..bounds[1])], "{bounds:?}");
        }
    }
}

#[test]
fn draws_that_do_not_grow_with_the_rows_are_one_for_the_whole_call() {
    // Of 257 rows the last part has one, as one of the draws; parts have 256, as the other.
    let model = |eager: bool| {
        let model = Model::new(|x: &Tensor, cx: &mut Context| {
            let one = cx.random().uniform([1], 0.0, 1.0);
            let table = cx.random().uniform([256, 1], 0.0, 1.0).sum_axes([0]);
            let own = cx.random().uniform([x.batch(), 1], 0.0, 1.0);
            Tensor::concatenate(&[x + one, x + table, own], 1)
        });
        model.seed(1).run_eagerly(eager)
    };
    let columns = |y: &Array| {
        [0, 1, 2].map(|column| {
            different(&Array::from_fn([y.shape()[0]], |row| y.get(3 * row + column) as f32))
        })
    };
    let folder = Folder::new("shared");
    for rows in [256, 257, 512, 600] {
        let y = model(false).predict(&zeros(rows)).unwrap();
        assert_eq!(columns(&y), [1, 1, rows], "{rows} rows");
        let eager = model(true).predict(&zeros(rows)).unwrap();
        assert!(
            (0..y.len()).all(|index| (eager.get(index) - y.get(index)).abs() < 1e-4),
            "{rows} rows, node by node"
        );
        let exported = model(false);
        exported.build([1, 1]).unwrap();
        exported.export(folder.path("model")).unwrap();
        assert_eq!(
            Predictor::load(folder.path("model")).unwrap().predict(&zeros(rows)).unwrap(),
            y,
            "{rows} rows, exported"
        );
    }
}

#[test]
fn predicting_changes_no_variable() {
    let calls = Variable::new("calls", Array::from(0.0_f32));
    let (held, dense) = (calls.clone(), Dense::new(1));
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let before = cx.read(&held);
        cx.assign(&held, &(&before + 1.0));
        dense.apply(x, cx) + before + cx.random().uniform([x.batch(), 1], 0.0, 1.0)
    });
    model = model.seed(5);
    model.compile("sgd", "mse", ());
    let data = Dataset::new(Array::from_fn([64, 1], |i| (i as f32).sin()), zeros(64)).unwrap();
    model.fit(&data, Fit::epochs(1)).unwrap();
    let values = || model.weights().iter().map(Variable::value).collect::<Vec<_>>();
    let before = values();
    assert!(model.weights().contains(&calls) && calls.value().item().unwrap() > 0.0);
    for _ in 0..3 {
        drop(model.predict(data.inputs()).unwrap());
    }
    assert_eq!(values(), before);
}

/// As the command `endo predict` reads a table: block by block, in one call.
#[test]
fn a_file_read_in_blocks_is_one_call() {
    // Of 20,000 numbers of 23 bits some are equal by chance; of rows of four none.
    let model =
        Model::new(|x: &Tensor, cx: &mut Context| cx.random().uniform([x.batch(), 4], 0.0, 1.0))
            .seed(42);
    let folder = Folder::new("blocks");
    model.build([1, 1]).unwrap();
    model.export(folder.path("model")).unwrap();
    let predictor = Predictor::load(folder.path("model")).unwrap();
    let mut numbers: Vec<f32> = Vec::new();
    for start in (0..20_000).step_by(8192) {
        let rows = zeros(8192.min(20_000 - start));
        numbers.extend(predictor.predict_part(0, start, &[rows]).unwrap()[0].to_vec::<f32>());
    }
    let rows: HashSet<Vec<u32>> =
        numbers.chunks(4).map(|row| row.iter().map(|number| number.to_bits()).collect()).collect();
    assert_eq!(rows.len(), 20_000);
    assert_eq!(numbers, predictor.predict(&zeros(20_000)).unwrap().to_vec::<f32>());
}

#[test]
fn what_made_a_number_that_is_not_finite_is_found_where_numbers_are_drawn_too() {
    for (eager, rows) in [(false, 40), (false, 300), (true, 40), (true, 300)] {
        let model = Model::new(|x: &Tensor, cx: &mut Context| {
            let y = x.log() + cx.random().uniform([x.batch(), 1], 0.0, 1.0);
            cx.trace().check(&y, "the output");
            y
        });
        let x = Array::from_fn([rows, 1], |row| if row + 2 == rows { -1.0_f32 } else { 1.0 });
        let error = model.run_eagerly(eager).predict(&x).unwrap_err();
        let row = (rows - 2) % 256;
        let want = format!(
            "the output is not finite; nothing was updated: `log` of -1 gave NaN in row {row} of \
                the batch, counted from 0"
        );
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::NotFinite, want.as_str()),
            "{eager}, {rows}"
        );
    }
}

/// The file was written when draws of predictors followed a variable of seed and step, and repeated
/// every 256 rows.
#[test]
fn a_predictor_of_the_format_before_predicts_as_it_did() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/format_3/noise.endo");
    let predictor = Predictor::load(path).unwrap();
    let x = Array::zeros([300, 2], DType::F32);
    let want = [9.55549_f32, 9.721227, 9.715738, 9.862172];
    for _ in 0..2 {
        let y = predictor.predict(&x).unwrap();
        assert_eq!(first(&y), want);
        assert_eq!(first(&y.rows(256..258)), want);
    }
}
