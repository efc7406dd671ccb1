//! What tensors are like, and how gradients lie to each other, as one operation for many of them:
//! what probes read.
//!
//! In: tensors of floats. Out: a row of numbers for each tensor, or a number for each pair. A step
//! that is read every now and then finds none of its code and data in the caches, so that it counts
//! how many operations it has, and little how much they compute.

use std::sync::Arc;

use crate::dtype::DType;
use crate::graph::{Form, Kernel, KernelReader, Operand, OperandMut, Tensor, Values, ValuesMut};
use crate::shape::Shape;
use crate::simd::{self, Summary};
use crate::site::Site;

/// The mean, the variance, the sum of squares, the least, the greatest, the number of zeros and of
/// those outside of bounds.
pub const SUMMARY: usize = 7;

/// Summaries and histograms of tensors.
#[derive(Debug)]
struct Summaries {
    bins: usize,
    /// For each input.
    bounds: Vec<[f64; 2]>,
}

/// Sums of products of pairs of inputs.
#[derive(Debug)]
struct Dots {
    pairs: Vec<[usize; 2]>,
}

impl Tensor {
    /// For each tensor of floats a row: the [`SUMMARY`], and the counts of `bins` bins between its
    /// least and its greatest element. At least one tensor is needed.
    #[track_caller]
    pub(crate) fn summaries(values: &[(Tensor, [f64; 2])], bins: usize) -> Tensor {
        let (tensors, bounds): (Vec<&Tensor>, Vec<_>) =
            values.iter().map(|(value, bounds)| (value, *bounds)).unzip();
        let shape = [values.len(), bins.saturating_add(SUMMARY)];
        tensors[0].push(Summaries { bins, bounds }, &tensors, shape, DType::F64, Site::caller())
    }

    /// For each pair of places in `values` the sum of the products of the elements of two tensors
    /// of floats, which have one shape and type. At least one tensor is needed.
    #[track_caller]
    pub(crate) fn dots(values: &[Tensor], pairs: Vec<[usize; 2]>) -> Tensor {
        let (shape, tensors): (_, Vec<&Tensor>) = ([pairs.len()], values.iter().collect());
        tensors[0].push(Dots { pairs }, &tensors, shape, DType::F64, Site::caller())
    }
}

impl Kernel for Summaries {
    fn name(&self) -> &'static str {
        "summaries"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        let ValuesMut::F64(output) = output.values else { unreachable!("summaries are f64") };
        let rows = output.chunks_exact_mut(SUMMARY + self.bins);
        for ((input, &bounds), row) in inputs.iter().zip(&self.bounds).zip(rows) {
            let (numbers, bins) = row.split_at_mut(SUMMARY);
            let counts: &mut [u64] = bytemuck::cast_slice_mut(bins);
            counts.fill(0);
            macro_rules! look {
                ($values:expr) => {{
                    let found = simd::summary($values, bounds);
                    simd::histogram($values, [found.minimum, found.maximum], counts);
                    found
                }};
            }
            let Summary { mean, variance, squares, minimum, maximum, zeros, beyond } =
                match input.values {
                    Values::F32(values) => look!(values),
                    Values::F64(values) => look!(values),
                    Values::I32(_) | Values::Bool(_) => unreachable!("summaries are of floats"),
                };
            for count in counts.iter_mut() {
                *count = (*count as f64).to_bits();
            }
            numbers.copy_from_slice(&[mean, variance, squares, minimum, maximum, zeros, beyond]);
        }
    }

    fn attributes(&self) -> Vec<i64> {
        let bounds = self.bounds.iter().flatten().map(|bound| bound.to_bits() as i64);
        std::iter::once(self.bins as i64).chain(bounds).collect()
    }

    fn fits(&self, inputs: &[Form<'_>], (shape, dtype): Form<'_>) -> bool {
        let width = self.bins.checked_add(SUMMARY);
        let expected = width.map(|width| Shape::from([inputs.len(), width]));
        let floats = inputs.iter().all(|(_, dtype)| dtype.is_float());
        floats
            && inputs.len() == self.bounds.len()
            && expected.as_ref() == Some(shape)
            && dtype == DType::F64
    }
}

impl Kernel for Dots {
    fn name(&self) -> &'static str {
        "dots"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        let ValuesMut::F64(output) = output.values else { unreachable!("products are f64") };
        for (&[a, b], output) in self.pairs.iter().zip(output) {
            *output = match (inputs[a].values, inputs[b].values) {
                (Values::F32(x), Values::F32(y)) => simd::dot(x, y),
                (Values::F64(x), Values::F64(y)) => simd::dot(x, y),
                _ => unreachable!("products are of floats of one type"),
            };
        }
    }

    fn attributes(&self) -> Vec<i64> {
        self.pairs.iter().flatten().map(|&place| place as i64).collect()
    }

    fn fits(&self, inputs: &[Form<'_>], (shape, dtype): Form<'_>) -> bool {
        let pair = |&[a, b]: &[usize; 2]| {
            let (a, b) = (inputs.get(a), inputs.get(b));
            a == b && a.is_some_and(|(_, dtype)| dtype.is_float())
        };
        self.pairs.iter().all(pair)
            && *shape == Shape::from([self.pairs.len()])
            && dtype == DType::F64
    }
}

/// The kernels of this file in saved graphs.
pub(super) static READERS: &[KernelReader] = &[
    KernelReader::new("summaries", |attributes| {
        let [bins, bounds @ ..] = attributes else { return None };
        let (bounds, []) = bounds.as_chunks::<2>() else { return None };
        let bounds =
            bounds.iter().map(|pair| pair.map(|bits| f64::from_bits(bits as u64))).collect();
        Some(Arc::new(Summaries { bins: (*bins).try_into().ok()?, bounds }))
    }),
    KernelReader::new("dots", |attributes| {
        let (pairs, []) = attributes.as_chunks::<2>() else { return None };
        let pair = |&[a, b]: &[i64; 2]| Some([a.try_into().ok()?, b.try_into().ok()?]);
        Some(Arc::new(Dots { pairs: pairs.iter().map(pair).collect::<Option<_>>()? }))
    }),
];

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn each_tensor_has_a_row() {
        let open = [f64::NEG_INFINITY, f64::INFINITY];
        let mut f =
            Function::new(|[a, b], _| [Tensor::summaries(&[(a, open), (b, [-1.5, 1.5])], 2)]);
        let rows = f
            .run([&[[0.0_f32, 1.0], [3.0, 4.0]].into(), &[-2.0_f64, 0.0, 2.0, 0.0].into()])
            .unwrap()[0]
            .clone();
        assert_eq!(rows.shape().to_vec(), [2, 9]);
        let expected = [
            2.0, 2.5, 26.0, 0.0, 4.0, 1.0, 0.0, 2.0, 2.0, 0.0, 2.0, 8.0, -2.0, 2.0, 2.0, 2.0, 1.0,
            3.0,
        ];
        assert_eq!(rows.to_vec::<f64>(), expected);
    }

    #[test]
    fn each_pair_has_its_product() {
        let mut f =
            Function::new(|[a, b, c], _| [Tensor::dots(&[a, b, c], vec![[0, 1], [1, 1], [2, 2]])]);
        let products =
            f.run([&[1.0_f32, 2.0].into(), &[3.0_f32, -4.0].into(), &[0.5_f64].into()]).unwrap();
        assert_eq!(products[0], Array::from([-5.0, 25.0, 0.25]));
    }
}
