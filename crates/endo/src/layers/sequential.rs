//! Layers one after another.
//!
//! In: a tensor. Out: what the last layer makes of what the one before made, and so on to the
//! first.

use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use crate::graph::Tensor;
use crate::trace::Context;

use super::Layer;
use super::declare::name_option;

/// A chain of layers, each of one tensor to one. Without layers it is the identity. Keras's
/// `Sequential`.
///
/// ```
/// use endo::prelude::*;
/// let model = Sequential::new()
///     .add(Dense::new(30).activation("relu"))
///     .add(|x: &Tensor, _: &mut Context| x / 2.0)
///     .add(Dense::new(1));
/// let mut f = Function::new(|[x], cx| [model.apply(&x, cx)]);
/// assert_eq!(f.run([&Array::zeros([32, 8], DType::F32)])?[0].shape().sizes(), [32, 1]);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Sequential {
    name: Option<String>,
    layers: Vec<Arc<dyn Layer>>,
}

impl Sequential {
    /// No layers yet: the identity.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a layer at the end. An `Arc` of a layer shares it.
    #[must_use]
    #[allow(clippy::should_implement_trait)]
    pub fn add(mut self, layer: impl Layer + 'static) -> Self {
        self.layers.push(Arc::new(layer));
        self
    }

    name_option! {}

    /// The layers in their order.
    pub fn layers(&self) -> &[Arc<dyn Layer>] {
        &self.layers
    }

    /// The number of layers.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are no layers.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

/// The layer at a position, counted from 0.
///
/// ```
/// # use endo::prelude::*;
/// let net = Sequential::new().add(Dense::new(4).name("hidden")).add(Dense::new(1));
/// assert_eq!(net[0].name(), Some("hidden"));
/// ```
///
/// # Panics
/// If there are not as many layers.
impl Index<usize> for Sequential {
    type Output = Arc<dyn Layer>;

    fn index(&self, position: usize) -> &Arc<dyn Layer> {
        &self.layers[position]
    }
}

impl Layer for Sequential {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        self.layers.iter().fold(inputs.clone(), |x, layer| layer.apply(&x, cx))
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl fmt::Debug for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sequential of {} layers", self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::prelude::*;

    #[test]
    fn without_layers_it_is_the_identity() {
        let model = Sequential::new();
        assert!(model.is_empty());
        let mut f = Function::new(|[x], cx| [model.apply(&x, cx)]);
        assert_eq!(f.run([&[[1.0_f32, 2.0]].into()]).unwrap()[0], Array::from([[1.0_f32, 2.0]]));
    }

    #[test]
    fn layers_are_numbered_within_it() {
        let model = Sequential::new()
            .add(Dense::new(3))
            .add(Dense::new(3).name("code"))
            .add(Dense::new(2))
            .name("encoder");
        let mut f = Function::new(|[x], cx| {
            let y = model.apply(&x, cx);
            let names: Vec<&str> = cx.weights().map(|weight| weight.name()).step_by(2).collect();
            assert_eq!(
                names,
                ["encoder/dense/kernel", "encoder/code/kernel", "encoder/dense_1/kernel"]
            );
            [y]
        });
        f.run([&Array::zeros([1, 4], DType::F32)]).unwrap();
        assert_eq!(model.len(), 3);
    }

    #[test]
    fn a_layer_added_twice_shares_its_weights() {
        let square = Arc::new(Dense::new(2));
        let model = Sequential::new().add(square.clone()).add(square.clone());
        let mut f = Function::new(|[x], cx| {
            let y = model.apply(&x, cx);
            assert_eq!(cx.weights().count(), 2);
            [y]
        });
        f.run([&Array::zeros([1, 2], DType::F32)]).unwrap();
        assert_eq!(square.kernel().unwrap().name(), "sequential/dense/kernel");
    }
}
