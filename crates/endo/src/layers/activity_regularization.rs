//! A penalty on what passes through.
//!
//! In: any tensor of floats. Out: the same; the loss gets a term.

use crate::graph::Tensor;
use crate::named::Named;
use crate::regularizers::L1L2;
use crate::trace::Context;

use super::Layer;
use super::declare::{about, layer, row};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<ActivityRegularization>()];

layer! {
    /// Adds `(l1 * sum(|x|) + l2 * sum(x^2)) / batch` to the loss and returns its inputs. Keras's
    /// `ActivityRegularization`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = ActivityRegularization::new().l1(0.5).l2(1.0);
    /// let mut f = Function::new(|[x], cx| {
    ///     layer.apply(&x, cx);
    ///     [cx.losses().remove(0)]
    /// });
    /// let [penalty] = f.run([&[[1.0_f32, -2.0], [0.0, 1.0]].into()])?;
    /// assert_eq!(penalty.item()?, (0.5 * 4.0 + 6.0) / 2.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    ActivityRegularization ["activity_regularization"]
    /// No penalty until one is set.
    () {
        /// The factor of the absolute values. 0 unless set.
        l1: f64 = 0.0,
        /// The factor of the squares. 0 unless set.
        l2: f64 = 0.0,
    }
}

impl Layer for ActivityRegularization {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        cx.add_activity_loss(&L1L2 { l1: self.l1, l2: self.l2 }, inputs);
        inputs.clone()
    }

    about! { supports_masking }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn a_second_call_adds_a_second_term() {
        let layer = ActivityRegularization::new().l2(1.0);
        let mut f = Function::new(|[x], cx| {
            let y = layer.apply(&x, cx) * 2.0;
            layer.apply(&y, cx);
            let names: Vec<&str> = cx.loss_terms().iter().map(|term| term.path.as_str()).collect();
            assert_eq!(
                names,
                ["activity_regularization/activity", "activity_regularization/activity_1"]
            );
            [cx.losses()[0].clone() + &cx.losses()[1]]
        });
        assert_eq!(f.run([&[[1.0_f32, 2.0]].into()]).unwrap()[0].item().unwrap(), 5.0 + 20.0);
    }
}
