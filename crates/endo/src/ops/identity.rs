//! Values with gradients of their own: `stop_gradient`, and functions whose gradient the user
//! writes.
//!
//! In: a value and a rule. Out: the same value; the rule replaces the gradient of whatever computed
//! it.

use crate::graph::{Rule, Tensor};
use crate::site::Site;

impl Tensor {
    /// The same value, taken for a constant by gradients.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| {
    ///     let y = (&x.stop_gradient() * &x).sum();
    ///     [cx.gradients(&y, [&x]).into_tensors().remove(0).unwrap()]
    /// });
    /// assert_eq!(f.run([&Array::scalar(3.0_f32)])?[0].item()?, 3.0); // and not 6
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn stop_gradient(&self) -> Tensor {
        let rule = Rule { name: "stop_gradient", gradient: Box::new(|_| Vec::new()) };
        self.push(rule, &[self], self.shape(), self.dtype(), Site::caller())
    }

    /// `value`, computed from `inputs` in any way, with gradients of the user's: `backward` gets
    /// the gradient with respect to the value and returns one with respect to each input
    /// (TensorFlow's `tf.custom_gradient`).
    ///
    /// ```
    /// # use endo::prelude::*;
    /// // softplus, whose naive gradient overflows for large x
    /// let mut f = Function::new(|[x], cx| {
    ///     let value = (x.exp() + 1.0).log();
    ///     let slope = 1.0 / (1.0 + 1.0 / x.exp());
    ///     let y = Tensor::custom_gradient(&value, &[&x], move |dy| vec![dy * &slope]);
    ///     [cx.gradients(&y.sum(), [&x]).into_tensors().remove(0).unwrap()]
    /// });
    /// assert_eq!(f.run([&[1000.0_f32].into()])?[0], Array::from([1.0_f32]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn custom_gradient(
        value: &Tensor,
        inputs: &[&Tensor],
        backward: impl Fn(&Tensor) -> Vec<Tensor> + 'static,
    ) -> Tensor {
        let gradient = Box::new(move |dy: &Tensor| backward(dy).into_iter().map(Some).collect());
        let rule = Rule { name: "custom_gradient", gradient };
        let all: Vec<&Tensor> = std::iter::once(value).chain(inputs.iter().copied()).collect();
        value.push(rule, &all, value.shape(), value.dtype(), Site::caller())
    }
}
