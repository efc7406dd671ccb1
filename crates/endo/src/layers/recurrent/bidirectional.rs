//! A sequence from both ends.
//!
//! In: `[batch, steps, features]`. Out: what two recurrent layers make of it, the second backwards,
//! joined or apart.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::Error;
use crate::graph::{Tensor, Tree};
use crate::named::{self, Declared, Hyperparameters, Named, words};
use crate::site::Site;
use crate::spelling::snake_case;
use crate::trace::Context;

use super::super::Layer;
use super::super::declare::{PartedLayer, name_option, parted, parted_options};
use super::{Cell, GruCell, LstmCell, Recurrent, SimpleRnnCell};

/// The row of this file.
pub(super) const ROW: Named<dyn Layer> = Named {
    names: &["bidirectional"],
    options: [&["layer", "merge_mode"], &[], &["name"]],
    make: |given| {
        let layer: String = given.required("layer")?;
        let both = named::get("recurrent layer", &layer, DIRECTIONS.iter())?;
        let (forward, backward) = (both.forward.clone(), both.backward.clone());
        let merge_mode = Some(given.take("merge_mode", MergeMode::Concat)?);
        let name = given.by_name("name")?;
        Ok(Arc::new(Bidirectional { name, forward, backward, merge_mode, ..*both }))
    },
};

/// Both directions of what text names.
static DIRECTIONS: &[Named<Bidirectional<Arc<dyn Layer>>>] =
    &[directions::<SimpleRnnCell>(), directions::<GruCell>(), directions::<LstmCell>()];

const fn directions<C: Cell + Declared>() -> Named<Bidirectional<Arc<dyn Layer>>>
where
    Recurrent<C>: PartedLayer<C>,
{
    Named {
        names: <C as Declared>::NAMES,
        options: parted_options::<Recurrent<C>, C>(),
        make: |given| {
            let both = [parted::<Recurrent<C>, C>(&mut given.clone())?, parted(given)?];
            Ok(Arc::new(Bidirectional::<Arc<dyn Layer>>::of(both, |layer| Arc::new(layer))))
        },
    }
}

words! {
    /// How the outputs of the two directions become one.
    MergeMode, "`concat`, `sum`, `mul` or `ave`" {
        /// Side by side.
        Concat = "concat",
        /// Their sum.
        Sum = "sum",
        /// Their product.
        Mul = "mul",
        /// Their mean.
        Ave = "ave",
    }
}

/// A recurrent layer and a second one that goes through the sequence backwards (Schuster and
/// Paliwal 1997): their outputs, step by step in the order of the inputs if they return sequences,
/// side by side unless `merge_mode` says otherwise. Outputs of masked steps are 0 then. A layer
/// that is set to go backwards already is an error. Keras's `Bidirectional`.
///
/// ```
/// use endo::prelude::*;
/// let layer = Bidirectional::new(|| Lstm::new(4).return_sequences(true));
/// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
/// assert_eq!(f.run([&Array::zeros([2, 5, 3], DType::F32)])?[0].shape().sizes(), [2, 5, 8]);
///
/// let apart = Bidirectional::new(|| Gru::new(4)).apart();
/// let mut f = Function::new(|[x], cx| apart.apply(&x, cx).into());
/// let [forward, backward] = f.run([&Array::zeros([2, 5, 3], DType::F32)])?;
/// assert_eq!((forward.shape().sizes(), backward.shape().sizes()), (&[2, 4][..], &[2, 4][..]));
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Bidirectional<L, O = Tensor> {
    name: Option<String>,
    forward: L,
    backward: L,
    merge_mode: Option<MergeMode>,
    /// Whether they return all outputs.
    sequences: bool,
    /// Whether the first one goes backwards, too.
    both_backwards: bool,
    outputs: PhantomData<fn() -> O>,
}

impl<C: Cell> Bidirectional<Recurrent<C>> {
    /// Both directions of what `layer` makes: it is called twice, and the second one goes
    /// backwards; the first one must not. They are named after its name, or that of its type, with
    /// `forward_` and `backward_` before it. Outputs of masked steps are 0 if all outputs are
    /// returned and only then, whatever `zero_output_for_mask` says, as in Keras.
    pub fn new(layer: impl Fn() -> Recurrent<C>) -> Self {
        Self::of([layer(), layer()], |layer| layer)
    }
}

impl<L> Bidirectional<L> {
    /// Both directions of two layers of the same options, each made an `L`.
    fn of<C: Cell>(
        [forward, backward]: [Recurrent<C>; 2],
        layer: impl Fn(Recurrent<C>) -> L,
    ) -> Self {
        let (sequences, both_backwards) = (forward.return_sequences, forward.go_backwards);
        let named = |direction: &str, layer: Recurrent<C>| {
            let name = layer.name.clone().unwrap_or_else(|| snake_case(C::kind()));
            layer.zero_output_for_mask(sequences).name(format!("{direction}_{name}"))
        };
        Self {
            name: None,
            forward: layer(named("forward", forward)),
            backward: layer(named("backward", backward.go_backwards(true))),
            merge_mode: Some(MergeMode::Concat),
            sequences,
            both_backwards,
            outputs: PhantomData,
        }
    }

    /// How both outputs become one. Side by side unless set.
    #[must_use]
    pub fn merge_mode(mut self, merge_mode: MergeMode) -> Self {
        self.merge_mode = Some(merge_mode);
        self
    }

    /// The same layer with both outputs as they are, as a pair: Keras's `merge_mode=None`.
    #[must_use]
    pub fn apart(self) -> Bidirectional<L, (Tensor, Tensor)> {
        let Self { name, forward, backward, sequences, both_backwards, .. } = self;
        let (merge_mode, outputs) = (None, PhantomData);
        Bidirectional { name, forward, backward, merge_mode, sequences, both_backwards, outputs }
    }
}

impl<L, O> Bidirectional<L, O> {
    name_option! {}

    /// The layer that goes forward.
    pub fn forward_layer(&self) -> &L {
        &self.forward
    }

    /// The layer that goes backward.
    pub fn backward_layer(&self) -> &L {
        &self.backward
    }
}

impl<L: Layer, O: Tree> Layer<Tensor, O> for Bidirectional<L, O> {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> O {
        if self.both_backwards {
            let message = format!("`{}` is of two layers that go backwards", cx.path());
            let help = "leave `go_backwards` out: the first layer goes forward, and the second \
                one is made to go backwards";
            cx.trace().record(Error::argument(message, help).at(Site::caller()));
        }
        let forward = self.forward.apply(inputs, cx);
        let mut backward = self.backward.apply(inputs, cx);
        if self.sequences && backward.rank() > 1 {
            backward = backward.flip(1);
        }
        let outputs = match self.merge_mode {
            Some(MergeMode::Concat) => vec![Tensor::concatenate(&[forward, backward], -1)],
            Some(MergeMode::Sum) => vec![forward + backward],
            Some(MergeMode::Mul) => vec![forward * backward],
            Some(MergeMode::Ave) => vec![(forward + backward) / 2.0],
            None => vec![forward, backward],
        };
        if let Some(mask) = cx.mask(inputs).filter(|_| self.sequences) {
            for output in &outputs {
                cx.set_mask(output, &mask);
            }
        }
        O::from_tensors(&mut outputs.into_iter()).expect("as many outputs as the type says")
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        match self.merge_mode {
            Some(merge_mode) => Hyperparameters::new().with("merge_mode", merge_mode),
            None => Hyperparameters::new().with("merge_mode", "none".to_string()),
        }
    }

    fn uses_mask(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::layers;
    use crate::prelude::*;

    #[test]
    fn both_directions_have_weights_of_their_own() {
        let layer = Bidirectional::new(|| SimpleRnn::new(2).name("rnn")).merge_mode(MergeMode::Sum);
        let mut f = Function::new(|[x], cx| {
            let y = layer.apply(&x, cx);
            let names: Vec<&str> = cx.weights().map(|weight| weight.name()).collect();
            assert_eq!(
                (names[0], names[3]),
                ("bidirectional/forward_rnn/kernel", "bidirectional/backward_rnn/kernel")
            );
            [y]
        });
        f.run([&Array::zeros([1, 3, 2], DType::F32)]).unwrap();
    }

    #[test]
    fn text_names_both_directions_of_a_recurrent_layer() {
        let text = "bidirectional(lstm(3, return_sequences=true), merge_mode=sum, name=both)";
        let layer = layers::get(text).unwrap();
        let mut f = Function::new(|[x], cx| {
            let y = layer.apply(&x, cx);
            let names: Vec<&str> = cx.weights().map(|weight| weight.name()).collect();
            assert_eq!(names[5], "both/backward_lstm/bias");
            [y]
        });
        let [y] = f.run([&Array::zeros([2, 5, 4], DType::F32)]).unwrap();
        assert_eq!(y.shape().sizes(), [2, 5, 3]);
        let error = layers::get("bidirectional(dense(3))").err().unwrap();
        error.says("there is no recurrent layer called `dense`");
        layers::get("bidirectional(lstm)").err().unwrap().says("`lstm` needs the option `units`");
    }

    #[test]
    fn a_layer_that_goes_backwards_already_is_refused() {
        let layer = Bidirectional::new(|| Gru::new(2).go_backwards(true));
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        let error = f.run([&Array::zeros([1, 3, 2], DType::F32)]).unwrap_err();
        error.reads("`bidirectional` is of two layers that go backwards");
        assert!(error.site().unwrap().file().ends_with("bidirectional.rs"), "{error}");
    }

    #[test]
    fn last_outputs_are_of_the_last_steps_that_count_whatever_the_layer_says() {
        let sums = || {
            SimpleRnn::new(1)
                .activation("linear")
                .kernel_initializer("ones")
                .recurrent_initializer("ones")
        };
        let layer = Bidirectional::new(|| sums().zero_output_for_mask(true));
        let mut f = Function::new(|[x], cx| [layer.apply(&Masking::new(0.0).apply(&x, cx), cx)]);
        assert_eq!(
            f.run([&[[[0.0_f32], [1.0], [4.0], [0.0]]].into()]).unwrap()[0],
            Array::from([[5.0_f32, 5.0]])
        );
    }

    #[test]
    fn the_last_output_backwards_is_of_the_first_step() {
        let sums = || {
            SimpleRnn::new(1)
                .activation("linear")
                .kernel_initializer("ones")
                .recurrent_initializer(Constant(0.5))
        };
        let layer = Bidirectional::new(sums);
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        assert_eq!(
            f.run([&[[[1.0_f32], [0.0], [4.0]]].into()]).unwrap()[0],
            Array::from([[4.25_f32, 2.0]])
        );
    }
}
