//! Ridge regression by the normal equations, for all folds of the rows at once.
//!
//! In: inputs and targets of mean 0 or not, and which rows each fold leaves out. Out: coefficients
//! for each fold, for a penalty of each input (Hoerl and Kennard 1970).

use endo::prelude::*;

use super::folds::Folds;

/// Sums of products over some rows: `[size, size + outputs]`, where the first input is 1.
#[derive(Clone)]
struct Products {
    size: usize,
    outputs: usize,
    values: Vec<f64>,
}

/// The normal equations of the rows each fold learns from.
pub struct Normal {
    folds: Vec<Products>,
}

impl Normal {
    /// The sums of `inputs` `[rows, size]`, of which the first column is 1, and `targets`
    /// `[rows, outputs]`.
    ///
    /// # Errors
    /// If the products cannot be traced.
    pub fn new(
        inputs: &Array,
        targets: &Array,
        folds: &Folds,
        threads: Option<usize>,
    ) -> Result<Self> {
        let (size, outputs) = (inputs.shape().features(), targets.shape().features());
        let products = |[x, y]: [Tensor; 2], _: &mut Context| {
            let x = x.cast(DType::F64);
            [x.matmul_transposed(
                &Tensor::concatenate(&[x.clone(), y.cast(DType::F64)], 1),
                Transposed::LEFT,
            )]
        };
        let function = Function::new(products);
        let mut function = match threads {
            Some(threads) => function.threads(threads),
            None => function,
        };
        let mut sum = |x: &Array, y: &Array| -> Result<Products> {
            let values = function.run([x, y])?[0].to_vec::<f64>();
            Ok(Products { size, outputs, values })
        };
        let whole = sum(inputs, targets)?;
        let mut parts = Vec::new();
        for fold in 0..folds.count() {
            let mut part = whole.clone();
            let left_out = folds.left_out(fold);
            if !left_out.is_empty() {
                for (value, other) in part
                    .values
                    .iter_mut()
                    .zip(sum(&inputs.take(left_out), &targets.take(left_out))?.values)
                {
                    *value -= other;
                }
            }
            parts.push(part);
        }
        Ok(Self { folds: parts })
    }

    /// The coefficients `[used, outputs]` of the first `used` inputs for each fold; none where the
    /// equations cannot be solved.
    pub fn of_folds(&self, used: usize, penalty: impl Fn(usize) -> f64) -> Option<Vec<Vec<f64>>> {
        self.folds.iter().map(|products| products.solve(used, &penalty)).collect()
    }
}

impl Products {
    fn solve(&self, used: usize, penalty: &impl Fn(usize) -> f64) -> Option<Vec<f64>> {
        let stride = self.size + self.outputs;
        let mut matrix = vec![0.0; used * used];
        for row in 0..used {
            matrix[row * used..(row + 1) * used]
                .copy_from_slice(&self.values[row * stride..row * stride + used]);
            matrix[row * used + row] += penalty(row);
        }
        factor(&mut matrix, used)?;
        let mut solution = vec![0.0; used * self.outputs];
        for output in 0..self.outputs {
            let mut right: Vec<f64> =
                (0..used).map(|row| self.values[row * stride + self.size + output]).collect();
            substitute(&matrix, &mut right);
            for (row, value) in right.iter().enumerate() {
                solution[row * self.outputs + output] = *value;
            }
        }
        Some(solution)
    }
}

/// The sum of products, in eight sums that run side by side.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (left, right) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in left.zip(right) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// The Cholesky factor of a symmetric, positive definite matrix, in its lower half; none if it is
/// not positive definite.
fn factor(matrix: &mut [f64], size: usize) -> Option<()> {
    for row in 0..size {
        let (above, current) = matrix.split_at_mut(row * size);
        for column in 0..row {
            let other = &above[column * size..column * size + column + 1];
            let known = dot(&current[..column], &other[..column]);
            current[column] = (current[column] - known) / other[column];
        }
        let rest = current[row] - dot(&current[..row], &current[..row]);
        let least = 1e-12 * current[row].abs();
        if rest.is_nan() || rest <= least {
            return None;
        }
        current[row] = rest.sqrt();
    }
    Some(())
}

/// The solution for a factor and a right side, in its place.
fn substitute(factor: &[f64], right: &mut [f64]) {
    let size = right.len();
    for row in 0..size {
        right[row] = (right[row] - dot(&factor[row * size..row * size + row], &right[..row]))
            / factor[row * size + row];
    }
    for row in (0..size).rev() {
        right[row] /= factor[row * size + row];
        let value = right[row];
        for column in 0..row {
            right[column] -= factor[row * size + column] * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symmetric_system_is_solved() {
        // [4 2; 2 3] times [1 -2] is [0 -4].
        let mut matrix = vec![4.0, 2.0, 2.0, 3.0];
        factor(&mut matrix, 2).unwrap();
        let mut right = vec![0.0, -4.0];
        substitute(&matrix, &mut right);
        assert!((right[0] - 1.0).abs() < 1e-12 && (right[1] + 2.0).abs() < 1e-12, "{right:?}");
        assert_eq!(factor(&mut [1.0, 2.0, 2.0, 1.0], 2), None);
    }

    #[test]
    fn a_fold_learns_from_the_rows_that_it_does_not_leave_out() {
        let x = Array::from([[1.0_f32, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 9.0]]);
        // 1 + 2 x, and a row that is not on the line.
        let y = Array::from([[1.0], [3.0], [5.0], [0.0]]);
        let folds = Folds::from_left_out(4, vec![vec![3]]);
        let normal = Normal::new(&x, &y, &folds, None).unwrap();
        let line = normal.of_folds(2, |_| 0.0).unwrap();
        assert!((line[0][0] - 1.0).abs() < 1e-9 && (line[0][1] - 2.0).abs() < 1e-9, "{line:?}");
    }
}
