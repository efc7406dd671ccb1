//! The coefficients of a formula of times, fitted to times that were measured.
//!
//! In: for each time the terms of its formula. Out: by what each term is multiplied, by least
//! squares of relative errors, since the times span five powers of ten.

/// The coefficients, none of them negative, with which the terms add up to what is nearest to the
/// times; and the root of the mean of the squares of the relative errors.
pub fn fit<const N: usize>(terms: &[[f64; N]], times: &[f64]) -> ([f64; N], f64) {
    let mut best = ([0.0; N], f64::INFINITY);
    // Of each choice of terms the others have the coefficient 0. There are few.
    for choice in 1..1_usize << N {
        let is_chosen = |index: usize| choice >> index & 1 == 1;
        let Some(coefficients) = solve(terms, times, is_chosen) else { continue };
        let error = error(&coefficients, terms, times);
        if coefficients.iter().all(|&coefficient| coefficient >= 0.0) && error < best.1 {
            best = (coefficients, error);
        }
    }
    best
}

/// What the formula says.
pub fn sum<const N: usize>(coefficients: &[f64; N], terms: &[f64; N]) -> f64 {
    coefficients.iter().zip(terms).map(|(coefficient, term)| coefficient * term).sum()
}

fn error<const N: usize>(coefficients: &[f64; N], terms: &[[f64; N]], times: &[f64]) -> f64 {
    let relative = |(terms, time): (&[f64; N], &f64)| sum(coefficients, terms) / time - 1.0;
    let squares: f64 = terms.iter().zip(times).map(|pair| relative(pair).powi(2)).sum();
    (squares / times.len() as f64).sqrt()
}

/// The normal equations of the terms that are chosen, by elimination.
fn solve<const N: usize>(
    terms: &[[f64; N]],
    times: &[f64],
    is_chosen: impl Fn(usize) -> bool,
) -> Option<[f64; N]> {
    let (mut matrix, mut right) = ([[0.0; N]; N], [0.0; N]);
    for (terms, time) in terms.iter().zip(times) {
        for row in (0..N).filter(|&row| is_chosen(row)) {
            right[row] += terms[row] / time;
            for column in (0..N).filter(|&column| is_chosen(column)) {
                matrix[row][column] += terms[row] / time * (terms[column] / time);
            }
        }
    }
    // The terms are bytes, messages and ones: they are brought to one scale.
    let scale: [f64; N] = std::array::from_fn(|index| matrix[index][index].sqrt());
    for row in 0..N {
        if !is_chosen(row) {
            matrix[row][row] = 1.0;
            continue;
        }
        if scale[row] == 0.0 {
            return None;
        }
        right[row] /= scale[row];
        for column in (0..N).filter(|&column| is_chosen(column)) {
            matrix[row][column] /= scale[row] * scale[column];
        }
    }
    for pivot in 0..N {
        // The matrix is positive definite, so no rows change places.
        if matrix[pivot][pivot] < 1e-9 {
            return None;
        }
        let (of_pivot, right_of_pivot) = (matrix[pivot], right[pivot]);
        for row in pivot + 1..N {
            let factor = matrix[row][pivot] / of_pivot[pivot];
            for (value, of_pivot) in matrix[row].iter_mut().zip(of_pivot) {
                *value -= factor * of_pivot;
            }
            right[row] -= factor * right_of_pivot;
        }
    }
    let mut solution = [0.0; N];
    for row in (0..N).rev() {
        let later: f64 = (row + 1..N).map(|column| matrix[row][column] * solution[column]).sum();
        solution[row] = (right[row] - later) / matrix[row][row];
    }
    for (value, scale) in solution.iter_mut().zip(scale) {
        *value = if scale > 0.0 { *value / scale } else { 0.0 };
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_formula_give_its_coefficients() {
        let terms: Vec<[f64; 3]> = [8.0, 1e3, 1e5, 1e7]
            .iter()
            .flat_map(|&bytes| [1.0, 4.0, 16.0].map(|messages| [1.0, messages, messages * bytes]))
            .collect();
        let truth = [5e-3, 1e-6, 8e-9];
        let times: Vec<f64> = terms.iter().map(|terms| sum(&truth, terms)).collect();
        let (found, error) = fit(&terms, &times);
        assert!(error < 1e-6, "{error}");
        for (found, truth) in found.iter().zip(truth) {
            assert!((found / truth - 1.0).abs() < 1e-3, "{found} for {truth}");
        }
    }

    #[test]
    fn a_coefficient_that_would_be_negative_is_0() {
        let terms = [[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]];
        let (found, _) = fit(&terms, &[3.0, 2.0, 1.0]);
        assert_eq!(found[1], 0.0);
        assert!(found[0] > 1.0 && found[0] < 3.0);
    }
}
