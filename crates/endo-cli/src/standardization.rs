//! Standardization within the model: what it is given and what it predicts are in the units of the table.
//!
//! In: numbers of the table, or what a net predicts. Out: numbers of mean 0 and deviation 1, or predictions in the unit of
//! the target. Means are subtracted in `f64`, in which the table is read: `f32` has too few digits for seconds since 1970,
//! dates as whole numbers, or prices that differ in their last digits.

use endo::data::StandardScaler;
use endo::initializers::Initializer;
use endo::prelude::*;

/// `(x - mean) / deviation` of each feature in `f64`, rounded to the model's float type; or the way back.
///
/// Its statistics are weights of type `f64` that are not trained, `mean` and `deviation`, so they are saved with the model.
pub struct Standardization {
    name: &'static str,
    back: bool,
    means: Array,
    deviations: Array,
    mean: Weight,
    deviation: Weight,
}

impl Standardization {
    /// The layer `inputs`, which standardizes features `[batch, features]`.
    pub fn of_inputs(scaler: &StandardScaler) -> Self {
        Self::new("inputs", false, scaler)
    }

    /// The layer `target`, which takes standardized predictions `[batch, targets]` back to the target's unit, in `f64`.
    pub fn of_target(scaler: &StandardScaler) -> Self {
        Self::new("target", true, scaler)
    }

    fn new(name: &'static str, back: bool, scaler: &StandardScaler) -> Self {
        let weight = |name| Weight::new(name).trainable(false).dtype(DType::F64);
        let (means, deviations) = (scaler.mean().to_vec().into(), scaler.standard_deviation().to_vec().into());
        Self { name, back, means, deviations, mean: weight("mean"), deviation: weight("deviation") }
    }
}

impl Layer for Standardization {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let statistic =
            |weight: &Weight, values: &dyn Initializer, cx: &mut Context| weight.get(self, self.means.shape(), values, cx);
        let mean = statistic(&self.mean, &self.means, cx);
        let deviation = statistic(&self.deviation, &self.deviations, cx);
        match self.back {
            true => x.cast(DType::F64) * deviation + mean,
            false => ((x - mean) / deviation).cast(cx.dtype()),
        }
    }

    fn name(&self) -> Option<&str> {
        Some(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(layer: &Standardization, x: &Array) -> Array {
        Function::new(|[x], cx| [layer.apply(&x, cx)]).run([x]).unwrap()[0].clone()
    }

    #[test]
    fn seconds_since_1970_keep_what_tells_them_apart() {
        let seconds = Array::from([[1.7e9], [1.7e9 + 0.001], [1.7e9 + 0.002]]);
        let scaler = StandardScaler::fit(&seconds).unwrap();
        let standardized = run(&Standardization::of_inputs(&scaler), &seconds);
        assert_eq!(standardized.dtype(), DType::F32);
        // The file's numbers are rounded to multiples of 2^-22 s, 0.03% of their deviation.
        let expected = [-1.224_744_9, 0.0, 1.224_744_9];
        assert!((0..3).all(|row| (standardized.get(row) - expected[row]).abs() < 1e-3), "{standardized:?}");
        let back = run(&Standardization::of_target(&scaler), &standardized);
        assert!((0..3).all(|row| (back.get(row) - seconds.get(row)).abs() < 1e-6), "{back:?}");
    }

    #[test]
    fn large_and_small_scales_are_standardized_alike() {
        let small = Array::from([[1.0, -2.0], [4.0, 8.0], [-3.0, 0.5]]);
        let expected = run(&Standardization::of_inputs(&StandardScaler::fit(&small).unwrap()), &small);
        for scale in [1e-30, 1e-9, 1e12, 1e100] {
            let x = Array::from_fn([3, 2], |i| small.get(i) * scale + 0.0);
            let scaled = run(&Standardization::of_inputs(&StandardScaler::fit(&x).unwrap()), &x);
            assert!((0..6).all(|i| (scaled.get(i) - expected.get(i)).abs() < 1e-6), "{scale}: {scaled:?}");
        }
    }
}
