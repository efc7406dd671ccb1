//! Time steps that do not count, recognized by their value.
//!
//! In: `[batch, steps, features]`. Out: the same with masked steps set to 0, and the mask.

use crate::graph::Tensor;
use crate::named::Named;
use crate::trace::Context;

use super::Layer;
use super::declare::{about, layer, row};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<Masking>()];

layer! {
    /// Masks the steps whose features all equal `mask_value`. Keras's `Masking`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let masking = Masking::new(-1.0);
    /// let mut f = Function::new(|[x], cx| {
    ///     let y = masking.apply(&x, cx);
    ///     [cx.mask(&y).unwrap()]
    /// });
    /// let [mask] = f.run([&[[[1.0_f32, -1.0], [-1.0, -1.0]]].into()])?;
    /// assert_eq!(mask, Array::from([[true, false]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    Masking ["masking"]
    /// Masks steps of this value; Keras's default is 0.
    (mask_value: f64) {}
}

impl Layer for Masking {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let mask = inputs.not_equal(self.mask_value).any_axes([-1]);
        let outputs = inputs * mask.expand_dims(-1).cast(inputs.dtype());
        cx.set_mask(&outputs, &mask);
        outputs
    }

    about! {}
}
