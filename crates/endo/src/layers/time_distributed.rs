//! A layer for each step of a sequence.
//!
//! In: `[batch, steps, ..]`. Out: `[batch, steps, ..]`, each step by itself through the same layer.

use std::sync::Arc;

use crate::error::Error;
use crate::graph::Tensor;
use crate::named::Named;
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::Context;

use super::Layer;
use super::declare::name_option;

/// The row of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[Named {
    names: &["time_distributed"],
    options: [&["layer"], &[], &["name"]],
    make: |given| {
        let layer: Arc<dyn Layer> = given.required("layer")?;
        Ok(Arc::new(TimeDistributed { layer, name: given.by_name("name")? }))
    },
}];

/// Applies a layer to every step of `[batch, steps, ..]`: all of them at once, as
/// `[batch * steps, ..]`. Keras's `TimeDistributed`.
///
/// A layer that looks at the whole batch sees all steps as one: batch normalization averages over
/// them, and an activity penalty is a mean over steps, where Keras adds up those of the steps.
///
/// ```
/// use endo::prelude::*;
/// let layer = TimeDistributed::new(Conv2D::new(4, 3));
/// let mut f = Function::new(|[films], cx| [layer.apply(&films, cx)]);
/// assert_eq!(
///     f.run([&Array::zeros([2, 10, 8, 8, 1], DType::F32)])?[0].shape().sizes(),
///     [2, 10, 6, 6, 4]
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub struct TimeDistributed<L> {
    name: Option<String>,
    layer: L,
}

impl<L: Layer> TimeDistributed<L> {
    /// The layer for each step.
    pub fn new(layer: L) -> Self {
        Self { name: None, layer }
    }

    name_option! {}

    /// The layer that is applied.
    pub fn layer(&self) -> &L {
        &self.layer
    }
}

impl<L: Layer> Layer for TimeDistributed<L> {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        if inputs.rank() < 3 {
            let message = format!(
                "`{}` takes inputs of shape [batch, steps, ..], got {}",
                cx.path(),
                inputs.shape()
            );
            let help = "a step has at least one axis: `x.expand_dims(-1)` for one feature a step";
            let error = Error::shape(message, help).at(Site::caller());
            return cx.trace().fail(error, inputs.shape().clone(), inputs.dtype());
        }
        let (batch, steps) = (inputs.batch(), inputs.shape()[1]);
        let together: Shape =
            std::iter::once(batch * steps).chain(inputs.shape()[2..].iter().copied()).collect();
        let outputs = self.layer.apply(&inputs.reshape(together), cx);
        if outputs.batch() != batch * steps {
            let message =
                format!("`{}` made {} of {} samples", cx.path(), outputs.shape(), batch * steps);
            let error =
                Error::shape(message, "the layer within has to keep the first axis as it is");
            return cx.trace().fail(
                error.at(Site::caller()),
                inputs.shape().clone(),
                inputs.dtype(),
            );
        }
        let apart: Shape =
            [batch, steps].into_iter().chain(outputs.shape().iter().skip(1).copied()).collect();
        outputs.reshape(apart)
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn supports_masking(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::layers::{self, tests::refused};
    use crate::prelude::*;

    #[test]
    fn inputs_without_steps_are_refused() {
        let layer = TimeDistributed::new(Dense::new(1));
        refused(&layer, &[4, 2])
            .reads("`time_distributed` takes inputs of shape [batch, steps, ..], got [4, 2]");
    }

    #[test]
    fn text_names_the_layer_with_the_one_within() {
        let layer = layers::get("time_distributed(dense(2, activation=relu), name=steps)").unwrap();
        let mut f = Function::new(|[x], cx| {
            let y = layer.apply(&x, cx);
            assert_eq!(cx.weights().next().unwrap().name(), "steps/dense/kernel");
            [y]
        });
        let [y] = f.run([&Array::zeros([3, 4, 5], DType::F32)]).unwrap();
        assert_eq!(y.shape().sizes(), [3, 4, 2]);
        layers::get("time_distributed(dens(2))").err().unwrap().advises("did you mean `dense`?");
    }

    #[test]
    fn batch_normalization_for_each_step_averages_over_all_steps() {
        let layer = TimeDistributed::new(BatchNormalization::new().momentum(0.0));
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        f.run([&[[[1.0_f32], [2.0]], [[3.0], [6.0]]].into()]).unwrap();
        assert_eq!(layer.layer().moving_mean().unwrap().value(), Array::from([3.0_f32]));
    }

    #[test]
    fn a_layer_that_changes_the_number_of_samples_is_refused() {
        let layer = TimeDistributed::new(|x: &Tensor, _: &mut Context| x.sum_axes([0]));
        refused(&layer, &[4, 2, 3]).reads("`time_distributed` made [3] of 8 samples");
    }
}
