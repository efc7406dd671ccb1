//! First values that keep lengths: orthogonal matrices.
//!
//! In: a shape, whose last axis counts a matrix's columns, and random numbers. Out: orthonormal
//! rows or columns, whichever are fewer.

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::named::family;
use crate::random::Random;
use crate::shape::Shape;

use super::Initializer;

family! { Initializer: initialize(self, shape: &Shape, random: &mut Random) -> Result<Array>;
    /// A random orthogonal matrix times the gain, each equally likely: the `Q` of the decomposition
    /// of normal numbers into `Q R` with a positive diagonal of `R`. Saxe, McClelland and Ganguli
    /// 2014; Mezzadri 2007. For recurrent kernels. Weights
    /// of more than two axes are matrices whose rows are all axes but the last.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = Dense::new(30).kernel_initializer(Orthogonal.gain(2.0));
    /// ```
    Orthogonal ["orthogonal", "OrthogonalInitializer"] {
        /// The length of the orthogonal vectors; 1 unless set.
        gain: f64 = 1.0,
    } => {
        if shape.rank() < 2 {
            let message = format!("`orthogonal` makes matrices, and the weight has shape {shape}");
            let help = "use it for weights of two or more axes, such as recurrent kernels";
            return Err(Error::shape(message, help));
        }
        Array::require_room(shape, DType::F64)?;
        let columns = shape.features();
        let rows = shape.len() / columns.max(1);
        let vectors = orthonormal(rows.min(columns), rows.max(columns), random);
        Ok(Array::from_fn(shape, |index| {
            let (row, column) = (index / columns, index % columns);
            let value = if rows < columns { vectors[row][column] } else { vectors[column][row] };
            (self.gain * value) as f32
        }))
    };
}

/// Orthonormal vectors from normal ones, by Gram and Schmidt, whose `R` has a positive diagonal.
fn orthonormal(count: usize, length: usize, random: &mut Random) -> Vec<Vec<f64>> {
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut vector: Vec<f64> = (0..length).map(|_| random.normal_f64()).collect();
        // Where little is left of the vector, rounding errors are no longer small against it; a
        // second pass removes them, and twice is enough (Giraud, Langou and Rozloznik 2005).
        for _ in 0..2 {
            let before = dot(&vector, &vector);
            for known in &vectors {
                let share = dot(known, &vector);
                for (value, known) in vector.iter_mut().zip(known) {
                    *value -= share * known;
                }
            }
            if dot(&vector, &vector) > 0.5 * before {
                break;
            }
        }
        let norm = dot(&vector, &vector).sqrt();
        for value in &mut vector {
            *value /= norm;
        }
        vectors.push(vector);
    }
    vectors
}

/// The scalar product, in eight sums at a time.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_orthonormal_to_rounding() {
        let vectors = orthonormal(60, 60, &mut Random::new(1, 0));
        for (i, a) in vectors.iter().enumerate() {
            for (j, b) in vectors.iter().enumerate() {
                assert!((dot(a, b) - f64::from(u8::from(i == j))).abs() < 1e-14, "{i} {j}");
            }
        }
    }

    #[test]
    fn directions_are_equally_likely() {
        let signs: f64 = (0..400)
            .map(|stream| orthonormal(2, 2, &mut Random::new(1, stream))[1][1].signum())
            .sum();
        assert!(signs.abs() < 80.0, "{signs}");
    }

    #[test]
    fn a_vector_is_refused() {
        let error = Orthogonal.initialize(&[3].into(), &mut Random::new(0, 0)).unwrap_err();
        error.reads("`orthogonal` makes matrices, and the weight has shape [3]");
    }
}
