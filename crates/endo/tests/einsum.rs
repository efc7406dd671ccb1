//! Sums of products by the names of axes, and tensors with parts replaced.
//!
//! In: equations on small arrays. Out: what loops over all letters give, and errors that say what
//! does not fit.

use std::collections::BTreeMap;

use endo::compute;
use endo::prelude::*;

/// The sum that an equation says, by loops over all of its letters.
fn by_loops(equation: &str, operands: &[&Array]) -> Vec<f64> {
    let (left, right) = equation.split_once("->").unwrap();
    let parts: Vec<Vec<char>> = left.split(',').map(|part| part.chars().collect()).collect();
    let mut sizes = BTreeMap::new();
    for (letters, operand) in parts.iter().zip(operands) {
        for (letter, &size) in letters.iter().zip(operand.shape().iter()) {
            sizes.insert(*letter, size);
        }
    }
    let letters: Vec<char> = sizes.keys().copied().collect();
    let place = |of: &[char], at: &BTreeMap<char, usize>| {
        of.iter().fold(0, |place, letter| place * sizes[letter] + at[letter])
    };
    let result: Vec<char> = right.chars().collect();
    let mut sums = vec![0.0; result.iter().map(|letter| sizes[letter]).product()];
    for number in 0..sizes.values().product::<usize>() {
        let mut rest = number;
        let mut at = BTreeMap::new();
        for letter in &letters {
            at.insert(*letter, rest % sizes[letter]);
            rest /= sizes[letter];
        }
        let product: f64 = parts
            .iter()
            .zip(operands)
            .map(|(letters, operand)| operand.get(place(letters, &at)))
            .product();
        sums[place(&result, &at)] += product;
    }
    sums
}

fn numbers(shape: &[usize], offset: f64) -> Array {
    Array::from_fn(shape, |i| (0.7 * i as f64 + offset).sin())
}

#[test]
fn equations_are_sums_over_all_of_their_letters() {
    let two: [(&str, &[usize], &[usize]); 12] = [
        ("ij,jk->ik", &[2, 3], &[3, 4]),
        ("bij,bjk->bik", &[2, 3, 4], &[2, 4, 5]),
        ("bhqd,bhkd->bhqk", &[2, 2, 3, 4], &[2, 2, 5, 4]),
        ("bqhd,bkhd->bhqk", &[2, 3, 2, 4], &[2, 5, 2, 4]),
        ("i,j->ij", &[3], &[4]),
        ("i,i->", &[5], &[5]),
        ("ij,ij->i", &[2, 3], &[2, 3]),
        ("abc,cd->abd", &[2, 3, 4], &[4, 2]),
        ("ab,cb->ca", &[2, 3], &[4, 3]),
        ("bi,oj->bo", &[2, 3], &[4, 5]),
        ("ii,ij->j", &[3, 3], &[3, 2]),
        ("bni,io->bno", &[2, 0, 3], &[3, 2]),
    ];
    for (equation, a, b) in two {
        let (a, b) = (numbers(a, 0.1), numbers(b, 0.5));
        let got = compute([&a, &b], |[a, b], _| Tensor::einsum(equation, &[&a, &b])).unwrap();
        let want = by_loops(equation, &[&a, &b]);
        let near = got.to_vec::<f64>().iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near && got.len() == want.len(), "{equation}: {got:?}, not {want:?}");
    }
    let one: [(&str, &[usize]); 6] = [
        ("ij->ji", &[2, 3]),
        ("ii->i", &[3, 3]),
        ("ijk->", &[2, 3, 4]),
        ("aba->b", &[3, 2, 3]),
        ("ijk->kj", &[2, 3, 4]),
        ("ii->", &[4, 4]),
    ];
    for (equation, shape) in one {
        let x = numbers(shape, 0.2);
        let got = compute([&x], |[x], _| Tensor::einsum(equation, &[&x])).unwrap();
        let want = by_loops(equation, &[&x]);
        assert!(
            got.to_vec::<f64>().iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-12),
            "{equation}: {got:?}, not {want:?}"
        );
    }
    // Without the result: the letters that come once, in the alphabet's order.
    let (a, b) = (numbers(&[2, 3], 0.0), numbers(&[3, 4], 1.0));
    let implied = compute([&b, &a], |[b, a], _| Tensor::einsum("kb, ak", &[&b, &a])).unwrap();
    assert_eq!(implied.shape().sizes(), [2, 4]);
}

#[test]
fn gradients_go_through_equations() {
    let (a, b) = (numbers(&[2, 3, 4], 0.1), numbers(&[2, 5, 4], 0.6));
    let mut f = Function::new(|[a, b], cx| {
        let y = Tensor::einsum("bqd,bkd->bqk", &[&a, &b]).square().sum();
        let z = a.matmul(&b.permute(&[0, 2, 1])).square().sum();
        let slopes = [&y, &z].map(|y| cx.gradients(y, [&a]).into_tensors().remove(0).unwrap());
        let [first, second] = slopes;
        [first, second]
    });
    let [first, second] = f.run([&a, &b]).unwrap();
    assert!((first - second).to_vec::<f64>().iter().all(|difference| difference.abs() < 1e-12));
}

#[test]
fn what_does_not_fit_an_equation_is_said() {
    let (a, b) = (numbers(&[2, 3], 0.0), numbers(&[4, 5], 0.0));
    let message = |equation: &str| {
        let error = compute([&a, &b], |[a, b], _| Tensor::einsum(equation, &[&a, &b])).unwrap_err();
        error.message().to_string()
    };
    assert_eq!(
        message("ij,jk->ik"),
        "`einsum` of `ij,jk->ik` on [2, 3] and [4, 5]: `j` is 3 long and 4 long"
    );
    for (equation, why) in [
        ("ij->i", "the equation has 1 operands, and 2 are given"),
        ("ijk,jk->i", "an operand of 2 axes has 3 letters"),
        ("ij,kl->im", "`m` of the result is no axis of an operand"),
        ("ij,kl->ii", "`i` comes twice in the result"),
        ("i.,kl->i", "`.` is no letter for an axis"),
        ("ii,kl->i", "`i` is 2 long and 3 long"),
    ] {
        assert!(message(equation).ends_with(why), "{}", message(equation));
    }
}

#[test]
fn rows_of_matrices_are_summed_and_added_by_their_numbers() {
    let x = Array::from([[1.0_f32, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]);
    let mut f = Function::new(|[x], cx| {
        let numbers = cx.constant([1, 0, 1, 9]); // the last is out of range
        let sums = x.segment_sum(&numbers, 3);
        let slope = cx.gradients(&(&sums * &sums).sum(), [&x]).into_tensors().remove(0).unwrap();
        [sums, slope, x.slice(0, ..3).scatter_add(&numbers, &x)]
    });
    let [sums, slope, added] = f.run([&x]).unwrap();
    assert_eq!(sums, Array::from([[3.0_f32, 4.0], [6.0, 8.0], [0.0, 0.0]]));
    assert_eq!(slope, Array::from([[12.0_f32, 16.0], [6.0, 8.0], [12.0, 16.0], [0.0, 0.0]]));
    assert_eq!(added, Array::from([[4.0_f32, 6.0], [9.0, 12.0], [5.0, 6.0]]));
    let error = compute([&x], |[x], cx| x.segment_sum(&cx.constant([0, 1]), 2)).unwrap_err();
    assert!(error.message().contains("`segment_sum` of [4, 2] by indices [2]"), "{error}");
    assert!(compute([&x], |[x], cx| x.scatter_add(&cx.constant([0]), &x.slice(1, ..1))).is_err());
}

#[test]
fn rows_are_put_in_the_place_of_those_of_their_numbers() {
    let (x, rows) = (
        Array::from([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        Array::from([[10.0, 20.0], [30.0, 40.0], [50.0, 60.0], [70.0, 80.0]]),
    );
    let mut f = Function::new(|[x, rows], cx| {
        // The first number is given again, counted from the end, and the third is out of range.
        let changed = x.scatter_update(&cx.constant([1, 0, 5, -2]), &rows);
        let loss = (&changed * &changed).sum();
        let slopes = cx.gradients(&loss, [&x, &rows]).into_tensors().into_iter();
        let [of_x, of_rows] = slopes.flatten().collect::<Vec<_>>().try_into().unwrap();
        [changed, of_x, of_rows]
    });
    let [changed, of_x, of_rows] = f.run([&x, &rows]).unwrap();
    assert_eq!(changed, Array::from([[30.0, 40.0], [70.0, 80.0], [5.0, 6.0]]));
    assert_eq!(of_x, Array::from([[0.0, 0.0], [0.0, 0.0], [10.0, 12.0]]));
    let of_last = [[0.0, 0.0], [60.0, 80.0], [0.0, 0.0], [140.0, 160.0]];
    assert_eq!(of_rows, Array::from(of_last));
    let wrong = |numbers: Array, columns| {
        let refused = compute([&x, &rows], |[x, rows], cx| {
            x.scatter_update(&cx.constant(numbers), &rows.slice(1, ..columns))
        });
        refused.unwrap_err().message().to_string()
    };
    let message = "`scatter_update` of rows [4, 1] and numbers [4] into [3, 2]";
    assert_eq!(wrong([0, 1, 2, 0].into(), 1), message);
    assert!(wrong([0, 1].into(), 2).contains("numbers [2]"));
}

#[test]
fn parts_of_axes_are_replaced() {
    let x = Array::from([[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    let part = Array::from([[9.0_f64], [8.0]]);
    let at = |axis: isize, start: usize| {
        compute([&x, &part], move |[x, part], _| x.slice_update(axis, start, &part))
    };
    assert_eq!(at(1, 0).unwrap(), Array::from([[9.0_f32, 2.0, 3.0], [8.0, 5.0, 6.0]]));
    assert_eq!(at(-1, 2).unwrap(), Array::from([[1.0_f32, 2.0, 9.0], [4.0, 5.0, 8.0]]));
    assert!(
        at(1, 3)
            .unwrap_err()
            .message()
            .contains("`slice_update` of axis 1 of [2, 3] from 3 on by [2, 1]")
    );
    assert!(at(0, 0).is_err() && at(2, 0).is_err());
    assert_eq!(compute([&x], |[x], _| x.slice_update(0, 0, &(&x * 2.0))).unwrap(), &x * 2.0);
}
