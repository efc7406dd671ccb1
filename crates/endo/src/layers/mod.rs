//! Layers: what a model is made of, one file each.
//!
//! You write `call`, from tensors to tensors; you use `apply`, which names the layer in errors,
//! weights and loss terms.

mod activation;
mod activity_regularization;
mod alpha_dropout;
mod attention;
mod batch_normalization;
mod bf16;
mod convolution;
mod data_format;
mod declare;
mod dense;
mod dot;
mod dropout;
mod einsum_dense;
mod embedding;
mod flatten;
mod gaussian_noise;
mod group_normalization;
mod images;
mod interpolation;
mod layer_normalization;
mod masking;
mod merge;
mod normalization;
mod p_relu;
mod pooling;
mod rearranging;
mod recompute;
mod recurrent;
mod reshape;
mod resizing;
mod sequential;
mod spatial;
mod spectral_normalization;
mod time_distributed;
mod unit_normalization;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Tensor, Tree};
use crate::named::{self, Hyperparameters, OptionValue, table};
use crate::site::Site;
use crate::trace::Context;
use crate::variable::Variable;

pub use built_in::*;
pub use dot::*;
pub use merge::*;

/// The layers that the prelude gives: all but those named after a word of arithmetic, such as
/// [`Add`], which programs want for a trait or a type of their own.
pub(crate) mod built_in {
    pub use super::activation::*;
    pub use super::activity_regularization::*;
    pub use super::alpha_dropout::*;
    pub use super::attention::*;
    pub use super::batch_normalization::*;
    pub use super::bf16::*;
    pub use super::convolution::*;
    pub use super::data_format::DataFormat;
    pub use super::dense::*;
    pub use super::dropout::*;
    pub use super::einsum_dense::*;
    pub use super::embedding::*;
    pub use super::flatten::*;
    pub use super::gaussian_noise::*;
    pub use super::group_normalization::*;
    pub use super::images::*;
    pub use super::interpolation::*;
    pub use super::layer_normalization::*;
    pub use super::masking::*;
    pub use super::merge::Concatenate;
    pub use super::normalization::*;
    pub use super::p_relu::*;
    pub use super::pooling::*;
    pub use super::rearranging::*;
    pub use super::recompute::*;
    pub use super::recurrent::*;
    pub use super::reshape::*;
    pub use super::resizing::*;
    pub use super::sequential::*;
    pub use super::spatial::*;
    pub use super::spectral_normalization::*;
    pub use super::time_distributed::*;
    pub use super::unit_normalization::*;
}

/// A function of tensors with weights, losses and metrics of its own.
///
/// There is no `build`: the shapes of inputs are known in `call`, and
/// [`Weight`](crate::trace::Weight)s are made there at first use. The plain case, one tensor to one
/// tensor, names no types; layers of several say `Layer<[Tensor; 2]>` or
/// `Layer<Tensor, (Tensor, Tensor)>`. A closure `|x: &Tensor, cx: &mut Context| ...` is a layer.
///
/// A layer may be applied several times, and even inside itself, on smaller inputs, where that
/// comes to an end: up to 32 times. More than that is an error, which names the layer and the line.
///
/// ```
/// use endo::prelude::*;
///
/// struct Residual { inner: Dense }
///
/// impl Layer for Residual {
///     fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
///         inputs + self.inner.apply(inputs, cx)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no layer from `{I}` to `{O}`",
    note = "a layer is a value that implements `Layer<{I}, {O}>`, an `Arc` of one, or a closure \
        `|x: &Tensor, cx: &mut Context| ..` that returns a \
            `Tensor`; its inputs and outputs are tensors or structures of them, as a struct of \
            your own is by `tree!`",
    note = "layers run on several threads: share them by `Arc`, not by `Rc`, and what changes in \
        them by `Mutex` or an atomic, not by `RefCell` or \
            `Cell`"
)]
pub trait Layer<I: Tree = Tensor, O: Tree = Tensor>: Send + Sync {
    /// What the layer computes. Implement this; use [`apply`](Self::apply).
    fn call(&self, inputs: &I, cx: &mut Context) -> O;

    /// The name given by the user; layers without one are named and numbered by their type.
    fn name(&self) -> Option<&str> {
        None
    }

    /// Its type, after which it is named and numbered.
    #[doc(hidden)]
    fn kind(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// What the layer depends on besides its inputs and weights, to be saved with a model
    /// ([`Model::save`](crate::model::Model::save)); none unless it says so. The initializer,
    /// regularizer and constraint of each of its weights are noted beside them, as
    /// `kernel_initializer` and so on.
    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new()
    }

    /// Whether a mask of the first input that has one is passed on to the outputs (see
    /// [`Context::set_mask`]): so for layers that treat each position by itself. Masks that layers
    /// inside set stay.
    fn supports_masking(&self) -> bool {
        false
    }

    /// Whether the layer has made use of the masks of its inputs, so that they are neither passed
    /// on nor reported as lost: so for layers that combine positions. What it sets for its outputs
    /// itself stays.
    fn uses_mask(&self) -> bool {
        false
    }

    /// Calls the layer under its own name. Use this; implement [`call`](Self::call).
    #[track_caller]
    fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        let batch = inputs.tensors().first().map(|tensor| tensor.batch());
        if let Some(stand_in) = cx.stand_in(self, &inputs.tensors(), Site::caller()) {
            return filled(&stand_in);
        }
        cx.enter(self, self.kind(), self.name(), self.hyperparameters(), batch, Site::caller());
        let outputs = self.call(inputs, cx);
        let outputs = cx.stored_outputs(outputs);
        if !self.uses_mask() {
            cx.pass_mask(&inputs.tensors(), &outputs.tensors(), self.supports_masking());
        }
        cx.leave(&outputs.tensors());
        outputs
    }

    /// Calls the layer with other values for some of its weights than their own: each weight's
    /// value is the tensor beside it, and gradients go through the tensors. So an update can be
    /// tried without being made (MAML), and a net can make the weights of another (hypernetworks).
    /// The weights have to be there: build the layer or model before.
    ///
    /// One step of model-agnostic meta-learning (Finn, Abbeel and Levine 2017, arXiv:1703.03400,
    /// algorithm 1) with the second-order terms:
    ///
    /// ```
    /// use endo::prelude::*;
    /// let model = Model::new(Dense::new(1).use_bias(false).kernel_initializer(Ones));
    /// model.build([1, 1])?;
    /// let weights = model.trainable_weights();
    /// let optimizer = Sgd::new(0.01);
    /// let mut step = Function::new(|[x, y], cx| {
    ///     let loss = mean_squared_error(&y, &model.apply(&x, cx)).mean();
    ///     let gradients = cx.gradients(&loss, &weights).into_tensors();
    ///     let adapted: Vec<(Variable, Tensor)> = weights
    ///         .iter()
    ///         .zip(gradients)
    ///         .map(|(weight, gradient)| {
    ///             (weight.clone(), cx.read(weight) - 0.1 * gradient.unwrap())
    ///         })
    ///         .collect();
    ///     let loss = mean_squared_error(&y, &model.apply_with(&adapted, &x, cx)).mean();
    ///     let gradients = cx.gradients(&loss, &weights);
    ///     optimizer.apply(&gradients, cx);
    ///     [gradients.into_tensors().remove(0).unwrap()]
    /// });
    /// // The adapted weight is w - 0.1 * 2 w = 0.8 w, so the loss is 0.64 w^2 and its slope at 1
    /// // is 1.28.
    /// let slope = step.run([&[[1.0_f32]].into(), &[[0.0_f32]].into()])?[0].item()?;
    /// assert!((slope - 1.28).abs() < 1e-6);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// Of the trace: if a value has not the shape and type of its weight, or the layer does not use
    /// a weight, or assigns it.
    #[track_caller]
    fn apply_with(&self, weights: &[(Variable, Tensor)], inputs: &I, cx: &mut Context) -> O {
        cx.with_values(weights, Site::caller(), |cx| self.apply(inputs, cx))
    }

    /// The same layer, of whose values training keeps only the inputs and the outputs
    /// ([`Recompute`]). Of a layer that takes several kinds of inputs, say `Recompute::new(layer)`.
    #[must_use]
    fn recompute(self) -> Recompute<Self>
    where
        Self: Sized,
    {
        Recompute::new(self)
    }

    /// The same layer, of whose values training keeps half of the bits ([`Bf16`]). Of a layer that
    /// takes several kinds of inputs, say `Bf16::new(layer)`.
    #[must_use]
    fn bf16(self) -> Bf16<Self>
    where
        Self: Sized,
    {
        Bf16::new(self)
    }
}

/// The layer that a text names, with its arguments and options in parentheses, by name or in their
/// order: first its own, then those of its weights. `name` and `trainable` are given by name. A
/// list is `[2, 3]` or, as a tuple of Keras, `(2, 3)`.
///
/// ```
/// use endo::layers;
/// use endo::prelude::*;
/// let model = Sequential::new()
///     .add(layers::get("dense(30, activation=selu, kernel_initializer=lecun_normal)")?)
///     .add(layers::get("dense(1)")?);
/// let mut f = Function::new(|[x], cx| [model.apply(&x, cx)]);
/// assert_eq!(f.run([&Array::zeros([2, 8], DType::F32)])?[0].shape().sizes(), [2, 1]);
/// let error = layers::get("dense(30, activation=sellu)").err().unwrap();
/// assert_eq!(
///     error.to_string(),
///     "there is no activation called `sellu`\n  help: did you mean `selu`?"
/// );
/// # Ok::<(), endo::Error>(())
/// ```
///
/// # Errors
/// When there is no such layer or option, an argument is missing, or a value cannot be read; the
/// error names the nearest.
pub fn get(text: &str) -> Result<Arc<dyn Layer>> {
    named::get("layer", text, rows())
}

/// A layer of several tensors that text can name: its inputs in their order, and all its outputs.
pub type LayerOfSeveral = dyn Layer<Vec<Tensor>, Vec<Tensor>>;

/// The tensors that a layer of several is given, `most` of them or fewer. Where there are none or
/// more, that is recorded as an error, and there is a stand-in of `rank` axes.
#[track_caller]
fn given_tensors<I: Tree>(inputs: &I, most: usize, rank: usize, cx: &Context) -> Vec<Tensor> {
    let given = inputs.tensors();
    if (1..=most).contains(&given.len()) {
        return given.into_iter().cloned().collect();
    }
    let bound = if given.is_empty() {
        "at least one tensor".into()
    } else {
        format!("at most {most} tensors")
    };
    let message = format!("`{}` takes {bound}, got {}", cx.path(), given.len());
    let help = "give the sequence or the query first, then what the layer's page says";
    let error = Error::argument(message, help).at(Site::caller());
    vec![cx.trace().fail(error, vec![1; rank].into(), cx.dtype())]
}

/// As [`get`], of a layer that takes or returns several tensors: a recurrent layer, which takes a
/// sequence and the states that it begins with if they are given, and returns its outputs and the
/// last states; or an attention, which takes a query with values, keys and a mask of pairs as far
/// as they are given, and returns its outputs and the weights of the values.
///
/// ```
/// use endo::layers;
/// use endo::prelude::*;
/// let encoder = layers::get_of_several("lstm(8)")?;
/// let mut f = Function::new(|[x], cx| {
///     let outputs = encoder.apply(&vec![x], cx);
///     assert_eq!(outputs.len(), 3);
///     [outputs[1].clone()]
/// });
/// assert_eq!(f.run([&Array::zeros([2, 5, 3], DType::F32)])?[0].shape().sizes(), [2, 8]);
/// # Ok::<(), endo::Error>(())
/// ```
///
/// # Errors
/// As those of [`get`].
pub fn get_of_several(text: &str) -> Result<Arc<LayerOfSeveral>> {
    let recurrent = recurrent::ROWS_OF_SEVERAL.iter();
    let recurrent = recurrent.chain(recurrent::convolutional::ROWS_OF_SEVERAL);
    let rows = recurrent.chain(attention::ROWS_OF_SEVERAL);
    named::get("layer of several tensors", text, rows)
}

table! {
    /// The names of all layers that text can name.
    dyn Layer:
        activation::ROWS,
        activity_regularization::ROWS,
        alpha_dropout::ROWS,
        attention::ROWS,
        batch_normalization::ROWS,
        bf16::ROWS,
        convolution::ROWS,
        convolution::depthwise::ROWS,
        convolution::transposed::ROWS,
        dense::ROWS,
        dropout::ROWS,
        einsum_dense::ROWS,
        embedding::ROWS,
        flatten::ROWS,
        gaussian_noise::ROWS,
        group_normalization::ROWS,
        images::color::ROWS,
        images::crop::ROWS,
        images::flip::ROWS,
        images::geometry::ROWS,
        images::size::ROWS,
        layer_normalization::ROWS,
        masking::ROWS,
        normalization::ROWS,
        p_relu::ROWS,
        pooling::ROWS,
        rearranging::ROWS,
        recompute::ROWS,
        recurrent::ROWS,
        recurrent::convolutional::ROWS,
        reshape::ROWS,
        resizing::ROWS,
        spectral_normalization::ROWS,
        time_distributed::ROWS,
        unit_normalization::ROWS
}

/// A layer that is an option of another, such as that for each step of a sequence.
impl OptionValue for Arc<dyn Layer> {
    const EXPECTED: &'static str = "a layer such as `dense(30)`";

    fn parse(text: &str) -> Option<Result<Self>> {
        Some(get(text))
    }

    fn text(&self) -> Option<String> {
        None
    }
}

/// The structure in which each tensor is this one; of tensors in a vector there is one.
fn filled<O: Tree>(tensor: &Tensor) -> O {
    let enough = (0..16)
        .find_map(|power| O::from_tensors(&mut std::iter::repeat_n(tensor.clone(), 1 << power)));
    enough.expect("a structure is made of as many tensors as it has")
}

#[diagnostic::do_not_recommend]
impl<I: Tree, O: Tree, F: Fn(&I, &mut Context) -> O + Send + Sync> Layer<I, O> for F {
    #[track_caller]
    fn call(&self, inputs: &I, cx: &mut Context) -> O {
        self(inputs, cx)
    }
}

/// A shared layer: two models, or two places of one, with the same weights.
impl<I: Tree, O: Tree, L: Layer<I, O> + ?Sized> Layer<I, O> for Arc<L> {
    #[track_caller]
    fn call(&self, inputs: &I, cx: &mut Context) -> O {
        (**self).call(inputs, cx)
    }

    fn name(&self) -> Option<&str> {
        (**self).name()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        (**self).hyperparameters()
    }

    fn supports_masking(&self) -> bool {
        (**self).supports_masking()
    }

    fn uses_mask(&self) -> bool {
        (**self).uses_mask()
    }

    #[track_caller]
    fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        (**self).apply(inputs, cx)
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    /// What a layer makes of an array in training.
    pub(in crate::layers) fn outputs(layer: &dyn Layer, x: &Array) -> Array {
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        f.run([x]).unwrap().into_iter().next().unwrap()
    }

    /// The error of a layer that is applied to inputs of sizes that it cannot have.
    pub(in crate::layers) fn refused(layer: &dyn Layer, sizes: &[usize]) -> Error {
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        f.run([&Array::zeros(sizes, DType::F32)]).unwrap_err()
    }
}
