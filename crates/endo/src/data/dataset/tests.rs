//! Data sets of a few samples: what they refuse, their parts, and batches written in place.

use super::*;

fn counted(samples: usize) -> Dataset {
    let x = Array::from_fn([samples, 2], |i| i as f32);
    Dataset::new(x, Array::from_fn([samples, 1], |i| i as f32)).unwrap()
}

fn targets(data: &Dataset) -> Vec<f64> {
    data.targets().unwrap().to_vec()
}

#[test]
fn unequal_sample_counts_are_refused_with_both() {
    let error = Dataset::new([[1.0_f32], [2.0]], [[1.0_f32], [2.0], [3.0]]).unwrap_err();
    error.says("inputs have 2 samples, but the targets have 3");
    error.says("inputs [2, 1], targets [3, 1]");
    assert!(counted(2).with_sample_weight([1.0_f32]).is_err());
}

#[test]
fn zero_samples_and_arrays_without_axes_are_refused() {
    let error = Dataset::inputs_only(Array::zeros([0, 8], DType::F32)).unwrap_err();
    error.says("no samples: their shape is [0, 8]");
    Dataset::inputs_only(1.0_f32).unwrap_err().says("without axes");
    assert!(
        counted(3).rows(1..1).is_err()
            && counted(3).take(&[]).is_err()
            && counted(3).take(&[3]).is_err()
    );
}

#[test]
fn a_split_is_a_function_of_the_seed_and_keeps_inputs_with_their_targets() {
    let data = counted(10);
    let (rest, part) = data.split(0.3, 7).unwrap();
    assert_eq!((rest.len(), part.len()), (7, 3));
    assert_eq!((rest.clone(), part.clone()), data.split(0.3, 7).unwrap());
    assert_ne!(targets(&part), targets(&data.split(0.3, 8).unwrap().1));
    let mut all = [targets(&rest), targets(&part)].concat();
    all.sort_by(f64::total_cmp);
    assert_eq!(all, targets(&data));
    assert!((0..3).all(|row| part.inputs().get(2 * row) == 2.0 * part.targets().unwrap().get(row)));
}

#[test]
fn splits_that_leave_a_part_empty_are_refused() {
    for fraction in [0.0, 1.0, -0.5, f64::NAN] {
        counted(10).split(fraction, 0).unwrap_err().says("between 0 and 1");
    }
    counted(2).split(0.1, 0).unwrap_err().says("2 samples by 0.1 leaves a part without");
    assert!(counted(2).split_last(0.9).is_err());
}

#[test]
fn split_last_takes_the_last_samples_in_order() {
    let (train, valid) = counted(5).split_last(0.5).unwrap();
    assert_eq!((targets(&train), targets(&valid)), (vec![0.0, 1.0], vec![2.0, 3.0, 4.0]));
}

#[test]
fn the_first_number_that_is_not_finite_is_named() {
    let mut y = vec![0.0_f64; 4];
    y[2] = f64::INFINITY;
    let data = Dataset::new([[1.0_f32], [2.0], [3.0], [4.0]], y).unwrap();
    data.check_finite().unwrap_err().says("targets[2] is inf: row 2");
    assert!(counted(3).check_finite().is_ok());
    assert!(
        data.clone().with_sample_weight([1.0_f32, 1.0, 0.0, 1.0]).unwrap().check_finite().is_ok()
    );
    let error =
        data.with_sample_weight([1.0_f32, 0.0, 1.0, 1.0]).unwrap().check_finite().unwrap_err();
    assert!(
        error.advice().unwrap().ends_with("give samples without a label a sample weight of 0"),
        "{error}"
    );
}

#[test]
fn gathering_writes_in_place_when_the_batch_has_the_right_size() {
    let data = counted(5).with_sample_weight([1.0_f32, 2.0, 3.0, 4.0, 5.0]).unwrap();
    let mut batch = data.rows(0..2).unwrap();
    let place = |batch: &Dataset| batch.inputs().bytes().as_ptr();
    let before = place(&batch);
    data.gather_into(&[4, 1], &mut batch).unwrap();
    assert_eq!((place(&batch), batch.clone()), (before, data.take(&[4, 1]).unwrap()));
    data.gather_into(&[3], &mut batch).unwrap();
    assert_eq!(batch, data.take(&[3]).unwrap());
    assert!(data.gather_into(&[5], &mut batch).is_err());
}

#[test]
fn shards_have_each_sample_once() {
    let data = counted(7);
    for count in 1..=7 {
        let parts: Vec<Dataset> = (0..count).map(|i| data.shard(count, i).unwrap()).collect();
        assert!(parts.iter().all(|part| part.len() == 7 / count || part.len() == 7 / count + 1));
        let mut inputs: Vec<f64> =
            parts.iter().flat_map(|part| part.inputs().to_vec::<f64>()).collect();
        inputs.sort_by(f64::total_cmp);
        assert_eq!(inputs, data.inputs().to_vec::<f64>());
    }
    data.shard(2, 2).unwrap_err().says("there is no part 2 of 2 parts of a dataset");
    data.shard(0, 0).unwrap_err().says("there is no part 0 of 0 parts of a dataset");
    let none = data.shard(8, 7).unwrap_err();
    none.says("part 7 of 8 parts of a dataset of 7 samples has none");
}
