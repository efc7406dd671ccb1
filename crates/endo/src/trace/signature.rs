//! What a function accepts: the sizes and types of its inputs, with some sizes left open.
//!
//! In: arrays that a function is to be run on. Out: nothing, or the error that says which input
//! does not fit.

use std::fmt;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::site::Site;

/// The sizes and type of an input, `None` for a size that may be any: Keras's and TensorFlow's
/// `TensorSpec`.
///
/// ```
/// use endo::prelude::*;
/// use endo::trace::TensorSpec;
///
/// let spec = TensorSpec::new([None, Some(28), Some(28)], DType::F32);
/// assert!(spec.accepts(&Array::zeros([100, 28, 28], DType::F32)));
/// assert!(!spec.accepts(&Array::zeros([100, 28, 28], DType::F64)));
/// assert_eq!(spec.to_string(), "f32[_, 28, 28]");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TensorSpec {
    sizes: Vec<Option<usize>>,
    dtype: DType,
}

impl TensorSpec {
    /// The sizes of the axes, `None` where any will do, and the type of the elements.
    pub fn new(sizes: impl Into<Vec<Option<usize>>>, dtype: DType) -> Self {
        Self { sizes: sizes.into(), dtype }
    }

    /// The sizes of the axes, `None` where any will do.
    pub fn sizes(&self) -> &[Option<usize>] {
        &self.sizes
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Whether an array is of such a shape and type.
    pub fn accepts(&self, array: &Array) -> bool {
        let fits =
            |(open, size): (&Option<usize>, &usize)| open.is_none_or(|wanted| wanted == *size);
        let sizes = array.shape().sizes();
        self.dtype == array.dtype()
            && self.sizes.len() == sizes.len()
            && self.sizes.iter().zip(sizes).all(fits)
    }
}

impl fmt::Display for TensorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<String> = self
            .sizes
            .iter()
            .map(|size| size.map_or("_".to_string(), |size| size.to_string()))
            .collect();
        write!(f, "{}[{}]", self.dtype, sizes.join(", "))
    }
}

/// Fails for the first input that its specification does not accept.
#[track_caller]
pub(super) fn check(specs: &[TensorSpec], inputs: &[&Array]) -> Result<()> {
    let Some((index, spec)) =
        specs.iter().enumerate().find(|(index, spec)| !spec.accepts(inputs[*index]))
    else {
        return Ok(());
    };
    let input = inputs[index];
    let kind = if spec.dtype == input.dtype() { ErrorKind::Shape } else { ErrorKind::DType };
    let message = format!(
        "input {index} is {}{}, and the signature says {spec}",
        input.dtype(),
        input.shape()
    );
    let help =
        "reshape or cast the array, or leave that size open in `input_signature` with `None`";
    Err(Error::new(kind, message).help(help).at(Site::caller()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_size_takes_any_and_the_others_one() {
        let spec = TensorSpec::new([None, Some(3)], DType::I32);
        assert!(
            spec.accepts(&Array::zeros([0, 3], DType::I32))
                && spec.accepts(&Array::zeros([7, 3], DType::I32))
        );
        assert!(
            !spec.accepts(&Array::zeros([3], DType::I32))
                && !spec.accepts(&Array::zeros([7, 4], DType::I32))
        );
    }

    #[test]
    fn the_input_that_does_not_fit_is_named() {
        let specs = [TensorSpec::new([], DType::F32), TensorSpec::new([None], DType::F32)];
        let [scalar, doubles] = [Array::scalar(1.0_f32), Array::from([1.0_f64, 2.0])];
        let error = check(&specs, &[&scalar, &doubles]).unwrap_err();
        error.reads("input 1 is f64[2], and the signature says f32[_]");
        assert!(error.site().unwrap().file().ends_with("signature.rs"));
    }
}
