//! The line to compare a net with: ridge regression, by the normal equations.
//!
//! In: standardized inputs and targets. Out: a coefficient for each input. Of several strengths of the penalty the one is
//! taken that does best on the rows to validate on (Hoerl and Kennard 1970).

use endo::prelude::*;

/// Penalties, as shares of the number of rows.
const PENALTIES: [f64; 5] = [1e-6, 1e-4, 1e-2, 0.1, 1.0];

/// More inputs than this take longer than the net.
const MOST_INPUTS: usize = 2000;

/// The coefficients `[inputs]` for inputs `[rows, inputs]` and targets `[rows, 1]` of mean 0; none where there are too many
/// inputs. `judge` is the error of coefficients on other rows.
pub fn fit(inputs: &Array, targets: &Array, judge: impl Fn(&[f64]) -> Result<f64>) -> Result<Option<Vec<f64>>> {
    let (rows, count) = (inputs.shape().batch(), inputs.shape().features());
    if count > MOST_INPUTS {
        return Ok(None);
    }
    let products = |[x, y]: [Tensor; 2], _: &mut Context| {
        let x = x.cast(DType::F64);
        [x.matmul_transposed(&x, [true, false]), x.matmul_transposed(&y.cast(DType::F64), [true, false])]
    };
    let mut products = Function::new(products);
    let [squares, shares] = products.run([inputs, targets])?;
    let (squares, shares) = (squares.to_vec::<f64>(), shares.to_vec::<f64>());
    let mut best: Option<(f64, Vec<f64>)> = None;
    for penalty in PENALTIES {
        let mut matrix = squares.clone();
        (0..count).for_each(|i| matrix[i * count + i] += penalty * rows as f64);
        let Some(coefficients) = solve(matrix, &shares) else { continue };
        let error = judge(&coefficients)?;
        if error.is_finite() && best.as_ref().is_none_or(|(least, _)| error < *least) {
            best = Some((error, coefficients));
        }
    }
    Ok(best.map(|(_, coefficients)| coefficients))
}

/// The solution of `matrix x = right` for a symmetric, positive definite matrix, by its Cholesky factor; none if it is not
/// positive definite within rounding.
fn solve(mut matrix: Vec<f64>, right: &[f64]) -> Option<Vec<f64>> {
    let size = right.len();
    for column in 0..size {
        for row in column..size {
            let known: f64 = (0..column).map(|k| matrix[row * size + k] * matrix[column * size + k]).sum();
            let rest = matrix[row * size + column] - known;
            matrix[row * size + column] = match row == column {
                true if rest > 0.0 => rest.sqrt(),
                true => return None,
                false => rest / matrix[column * size + column],
            };
        }
    }
    let mut solution = right.to_vec();
    for row in 0..size {
        let known: f64 = (0..row).map(|k| matrix[row * size + k] * solution[k]).sum();
        solution[row] = (solution[row] - known) / matrix[row * size + row];
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|k| matrix[k * size + row] * solution[k]).sum();
        solution[row] = (solution[row] - known) / matrix[row * size + row];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symmetric_system_is_solved() {
        // [4 2; 2 3] times [1 -2] is [0 -4].
        let solution = solve(vec![4.0, 2.0, 2.0, 3.0], &[0.0, -4.0]).unwrap();
        assert!((solution[0] - 1.0).abs() < 1e-12 && (solution[1] + 2.0).abs() < 1e-12, "{solution:?}");
        assert_eq!(solve(vec![1.0, 2.0, 2.0, 1.0], &[0.0, 0.0]), None);
    }

    #[test]
    fn a_line_is_found_and_the_penalty_that_does_best_is_taken() {
        let x = Array::from([[-1.0_f32, 1.0], [0.0, -2.0], [1.0, 1.0]]);
        let y = Array::from([[-3.0], [2.0], [1.0]]); // 2 a - b
        let error = |c: &[f64]| Ok((c[0] - 2.0).abs() + (c[1] + 1.0).abs());
        let coefficients = fit(&x, &y, error).unwrap().unwrap();
        assert!((coefficients[0] - 2.0).abs() < 1e-5 && (coefficients[1] + 1.0).abs() < 1e-5, "{coefficients:?}");
        let small = fit(&x, &y, |c| Ok(c[0].abs())).unwrap().unwrap();
        assert!((small[0] - 4.0 / 5.0).abs() < 1e-9, "4 / (2 + 3): the strongest penalty, {small:?}");
    }

    #[test]
    fn inputs_that_repeat_each_other_share_a_coefficient() {
        let x = Array::from([[-1.0_f32, -1.0], [1.0, 1.0]]);
        let coefficients = fit(&x, &Array::from([[-2.0], [2.0]]), |c| Ok((c[0] + c[1] - 2.0).abs())).unwrap().unwrap();
        assert!((coefficients[0] - 1.0).abs() < 1e-4 && (coefficients[1] - 1.0).abs() < 1e-4, "{coefficients:?}");
    }
}
