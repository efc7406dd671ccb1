//! Recurrent layers: sequences gone through step by step.
//!
//! In: `[batch, steps, features]`, with a mask of steps if some do not count, and first states if
//! they are not 0. Out: the last output or all of them, and the last states if asked for.

mod bidirectional;
mod gru;
mod lstm;
mod simple_rnn;
mod unrolled;

use crate::graph::Tensor;

use super::Layer;

pub use bidirectional::{Bidirectional, MergeMode};
pub use gru::Gru;
pub use lstm::Lstm;
pub use simple_rnn::SimpleRnn;

/// A layer that can go through sequences backwards: what [`Bidirectional`] takes two of.
pub trait Recurrent: Layer<Tensor, Tensor> + Sized {
    /// What its type is called.
    const KIND: &'static str;

    /// The same layer, which begins with the last step or does not.
    #[must_use]
    fn backwards(self, go_backwards: bool) -> Self;

    /// The same layer, whose masked steps have outputs of 0 or do not.
    #[must_use]
    fn zero_masked(self, zero_output_for_mask: bool) -> Self;

    /// The same layer of another name.
    #[must_use]
    fn named(self, name: String) -> Self;

    /// Whether it begins with the last step.
    fn goes_backwards(&self) -> bool;

    /// Whether it returns all outputs.
    fn returns_sequences(&self) -> bool;
}

/// A recurrent layer with its options, its `apply`, and what it notes of itself. It has `$count`
/// states; `$States` are a sequence with as many states, and what is in braces the options of its
/// own with their defaults.
macro_rules! recurrent_layer {
    ($(#[$doc:meta])* $Name:ident { $($own:ident: $Own:ty = $default:expr),* } $count:literal $States:ty) => {
        $(#[$doc])*
        pub struct $Name<O = Tensor> {
            name: Option<String>,
            units: usize,
            activation: Arc<dyn ActivationFunction>,
            use_bias: bool,
            passage: SequenceOptions,
            kernel: Weight,
            recurrent_kernel: Weight,
            bias: Weight,
            kernel_initializer: Box<dyn Initializer>,
            recurrent_initializer: Box<dyn Initializer>,
            bias_initializer: Box<dyn Initializer>,
            activity_regularizer: Option<Arc<dyn Regularizer>>,
            $($own: $Own,)*
            outputs: PhantomData<fn() -> O>,
        }

        impl $Name {
            /// A layer with `units` units that returns its last output.
            pub fn new(units: usize) -> Self {
                Self {
                    name: None,
                    units,
                    activation: Arc::new(Tanh),
                    use_bias: true,
                    passage: SequenceOptions::default(),
                    kernel: Weight::new("kernel"),
                    recurrent_kernel: Weight::new("recurrent_kernel"),
                    bias: Weight::new("bias"),
                    kernel_initializer: Box::new(GlorotUniform),
                    recurrent_initializer: Box::new(Orthogonal),
                    bias_initializer: Box::new(Zeros),
                    activity_regularizer: None,
                    $($own: $default,)*
                    outputs: PhantomData,
                }
            }

            /// The same layer with the last states among its outputs.
            #[must_use]
            pub fn return_state(self) -> $Name<$States> {
                $Name {
                    name: self.name,
                    units: self.units,
                    activation: self.activation,
                    use_bias: self.use_bias,
                    passage: SequenceOptions { return_state: true, ..self.passage },
                    kernel: self.kernel,
                    recurrent_kernel: self.recurrent_kernel,
                    bias: self.bias,
                    kernel_initializer: self.kernel_initializer,
                    recurrent_initializer: self.recurrent_initializer,
                    bias_initializer: self.bias_initializer,
                    activity_regularizer: self.activity_regularizer,
                    $($own: self.$own,)*
                    outputs: PhantomData,
                }
            }
        }

        impl<O> $Name<O> {
            /// What is applied to what a step makes. `Tanh` unless set.
            #[must_use]
            pub fn activation<K>(mut self, activation: impl $crate::activations::IntoActivation<K>) -> Self {
                self.activation = activation.into_activation();
                self
            }

            /// Whether a bias is added. True unless set.
            #[must_use]
            pub fn use_bias(mut self, use_bias: bool) -> Self {
                self.use_bias = use_bias;
                self
            }

            /// Whether all outputs are returned, `[batch, steps, units]`, or the last one alone.
            /// False unless set.
            #[must_use]
            pub fn return_sequences(mut self, return_sequences: bool) -> Self {
                self.passage.return_sequences = return_sequences;
                self
            }

            /// Whether it begins with the last step; outputs are in the order in which they are
            /// made. False unless set.
            #[must_use]
            pub fn go_backwards(mut self, go_backwards: bool) -> Self {
                self.passage.go_backwards = go_backwards;
                self
            }

            /// Whether the outputs of masked steps are 0 instead of those of the step before. False
            /// unless set.
            #[must_use]
            pub fn zero_output_for_mask(mut self, zero_output_for_mask: bool) -> Self {
                self.passage.zero_output_for_mask = zero_output_for_mask;
                self
            }

            weight_options! { kernel: kernel_initializer = "GlorotUniform", kernel_regularizer, kernel_constraint }
            weight_options! {
                recurrent_kernel: recurrent_initializer = "Orthogonal", recurrent_regularizer, recurrent_constraint
            }
            weight_options! { bias: bias_initializer = "Zeros", bias_regularizer, bias_constraint }
            activity_option! {}
            name_option! {}
            trainable_option! { kernel, recurrent_kernel, bias }

            /// What inputs are multiplied by, `[features, gates]`, once the layer was applied.
            pub fn kernel(&self) -> Option<&Variable> {
                self.kernel.variable()
            }

            /// What states are multiplied by, `[units, gates]`, once the layer was applied.
            pub fn recurrent_kernel(&self) -> Option<&Variable> {
                self.recurrent_kernel.variable()
            }

            /// The bias, once the layer was applied; none without `use_bias`.
            pub fn bias(&self) -> Option<&Variable> {
                self.bias.variable()
            }

            /// Checks, the passage, the penalty and the mask of the outputs: outputs, then states.
            #[track_caller]
            fn run(&self, inputs: &Tensor, states: Vec<Tensor>, cx: &mut Context) -> Vec<Tensor> {
                if let Err(error) = unrolled::check(inputs, &states, self.units, cx) {
                    return unrolled::refuse(error, inputs, self.passage, self.units, $count, cx);
                }
                let states = if states.is_empty() { unrolled::zeros(inputs, self.units, $count) } else { states };
                let mask = cx.mask(inputs);
                let outputs = self.go(inputs, states, mask.as_ref(), cx);
                if let Some(regularizer) = &self.activity_regularizer {
                    cx.add_activity_loss(&**regularizer, &outputs[0]);
                }
                if let Some(mask) = mask.filter(|_| self.passage.return_sequences) {
                    // Outputs are in the order in which steps are gone through, and so is their
                    // mask.
                    cx.set_mask(&outputs[0], &if self.passage.go_backwards { mask.flip(1) } else { mask });
                }
                outputs
            }

            /// The inputs of all steps times the kernel: `[steps, batch, gates]`.
            #[track_caller]
            fn project(&self, inputs: &Tensor, gates: usize, cx: &mut Context) -> Tensor {
                let shape = [inputs.features(), self.units.saturating_mul(gates)];
                let kernel = self.kernel.get(self, shape, &*self.kernel_initializer, cx);
                inputs.permute(&[1, 0, 2]).matmul(&kernel)
            }

            /// What it is made with, to be saved with a model.
            fn noted(&self) -> Hyperparameters {
                let hyperparameters = Hyperparameters::new()
                    .with("units", self.units)
                    .with_named("activation", self.activation.name())
                    .with("use_bias", self.use_bias)
                    .with("return_sequences", self.passage.return_sequences)
                    .with("go_backwards", self.passage.go_backwards)
                    .with("zero_output_for_mask", self.passage.zero_output_for_mask);
                self.with_own(hyperparameters)
            }
        }

        impl<O: Tree> Layer<Tensor, O> for $Name<O> {
            #[track_caller]
            fn call(&self, inputs: &Tensor, cx: &mut Context) -> O {
                let outputs = self.run(inputs, Vec::new(), cx);
                O::from_tensors(&mut outputs.into_iter()).expect("as many states as the type says")
            }

            every_form! {}
        }

        /// Inputs, and the states that they begin with.
        impl<O: Tree> Layer<$States, O> for $Name<O> {
            #[track_caller]
            fn call(&self, inputs: &$States, cx: &mut Context) -> O {
                let all: Vec<Tensor> = inputs.tensors().into_iter().cloned().collect();
                let outputs = self.run(&all[0], all[1..].to_vec(), cx);
                O::from_tensors(&mut outputs.into_iter()).expect("as many states as the type says")
            }

            every_form! {}
        }

        impl super::Recurrent for $Name {
            const KIND: &'static str = stringify!($Name);

            fn backwards(self, go_backwards: bool) -> Self {
                self.go_backwards(go_backwards)
            }

            fn zero_masked(self, zero_output_for_mask: bool) -> Self {
                self.zero_output_for_mask(zero_output_for_mask)
            }

            fn named(self, name: String) -> Self {
                self.name(name)
            }

            fn goes_backwards(&self) -> bool {
                self.passage.go_backwards
            }

            fn returns_sequences(&self) -> bool {
                self.passage.return_sequences
            }
        }
    };
}

use recurrent_layer;
