//! A penalty on what passes through.
//!
//! In: any tensor of floats. Out: the same; the loss gets a term.

use crate::graph::Tensor;
use crate::named::Hyperparameters;
use crate::regularizers::L1L2;
use crate::trace::Context;

use super::Layer;
use super::options::name_option;

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
/// assert_eq!(f.run([&[[1.0_f32, -2.0], [0.0, 1.0]].into()])?[0].item()?, (0.5 * 4.0 + 6.0) / 2.0);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ActivityRegularization {
    name: Option<String>,
    penalty: L1L2,
}

impl ActivityRegularization {
    /// No penalty until one is set.
    pub fn new() -> Self {
        Self { name: None, penalty: L1L2 { l1: 0.0, l2: 0.0 } }
    }

    /// The factor of the absolute values. 0 unless set.
    #[must_use]
    pub fn l1(mut self, l1: f64) -> Self {
        self.penalty.l1 = l1;
        self
    }

    /// The factor of the squares. 0 unless set.
    #[must_use]
    pub fn l2(mut self, l2: f64) -> Self {
        self.penalty.l2 = l2;
        self
    }

    name_option! {}
}

impl Default for ActivityRegularization {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for ActivityRegularization {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        cx.add_activity_loss(&self.penalty, inputs);
        inputs.clone()
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new().with("l1", self.penalty.l1).with("l2", self.penalty.l2)
    }

    fn supports_masking(&self) -> bool {
        true
    }
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
