//! Several tensors in one: side by side, or combined element by element.
//!
//! In: `[Tensor; N]` or `Vec<Tensor>`. Out: one tensor. Element by element, sizes of 1 are
//! broadcast, and inputs of fewer axes get axes of size 1 after the batch axis, as in Keras. Of the
//! layers here the prelude has `Concatenate` alone: the other names are words of arithmetic.

use crate::error::Error;
use crate::graph::{Tensor, Tree};
use crate::site::Site;
use crate::trace::Context;

use super::Layer;
use super::declare::{about, layer};

/// The inputs of a merging layer with equally many axes, or what is wrong with them.
fn aligned(layer: &str, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
    let Some(first) = inputs.first() else { return Err(no_inputs(layer)) };
    let rank = inputs.iter().map(Tensor::rank).max().unwrap_or(0);
    let samples = first.batch();
    if let Some(other) =
        inputs.iter().find(|other| other.batch() != samples && other.batch() != 1 && samples != 1)
    {
        let shapes = format!("shapes {} and {}", first.shape(), other.shape());
        let message =
            format!("`{layer}` of inputs of {samples} and {} samples: {shapes}", other.batch());
        let help = "the first axis holds the samples: it is the same in all inputs";
        return Err(Error::shape(message, help));
    }
    Ok(inputs
        .iter()
        .map(|input| {
            let mut sizes = input.shape().to_vec();
            let start = sizes.len().min(1);
            sizes.splice(start..start, std::iter::repeat_n(1, rank - input.rank()));
            input.reshape(sizes)
        })
        .collect())
}

fn no_inputs(layer: &str) -> Error {
    let help = "a layer that merges takes at least one tensor";
    Error::argument(format!("`{layer}` of no inputs"), help)
}

/// Applies `combine` to the inputs from left to right.
#[track_caller]
fn fold(
    layer: &str,
    inputs: &[Tensor],
    cx: &Context,
    combine: impl Fn(Tensor, &Tensor) -> Tensor,
) -> Tensor {
    match aligned(layer, inputs) {
        Ok(inputs) => inputs[1..].iter().fold(inputs[0].clone(), combine),
        Err(error) => refuse(error, inputs, cx),
    }
}

#[track_caller]
fn refuse(error: Error, inputs: &[Tensor], cx: &Context) -> Tensor {
    cx.trace().record(error.at(Site::caller()));
    inputs.first().cloned().unwrap_or_else(|| cx.constant(0.0_f32))
}

layer! {
    /// The sum of the inputs. Keras's `Add`.
    ///
    /// ```
    /// use endo::layers::Add;
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[a, b], cx| [Add::new().apply(&[a, b], cx)]);
    /// let [sum] = f.run([&[[1.0_f32, 2.0], [3.0, 4.0]].into(), &[[10.0_f32], [20.0]].into()])?;
    /// assert_eq!(sum, Array::from([[11.0_f32, 12.0], [23.0, 24.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    Add ["add"]
    /// The layer.
    () {}
}

layer! {
    /// The first of two inputs less the second. Keras's `Subtract`.
    ///
    /// ```
    /// use endo::layers::Subtract;
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[a, b], cx| [Subtract::new().apply(&[a, b], cx)]);
    /// assert_eq!(
    ///     f.run([&[3.0_f32, 2.0].into(), &[1.0_f32, 5.0].into()])?[0],
    ///     Array::from([2.0_f32, -3.0])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    Subtract ["subtract"]
    /// The layer.
    () {}
}

impl<I: Tree + AsRef<[Tensor]>> Layer<I> for Subtract {
    #[track_caller]
    fn call(&self, inputs: &I, cx: &mut Context) -> Tensor {
        match inputs.as_ref() {
            pair @ [_, _] => fold("Subtract", pair, cx, |a, b| a - b),
            inputs => {
                let message = format!("`Subtract` of {} inputs", inputs.len());
                let help = "it takes two: the second is subtracted from the first";
                refuse(Error::argument(message, help), inputs, cx)
            }
        }
    }

    about! {}
}

layer! {
    /// The product of the inputs, element by element. Keras's `Multiply`.
    ///
    /// ```
    /// use endo::layers::Multiply;
    /// use endo::prelude::*;
    /// let mut f =
    ///     Function::new(|[x], cx| [Multiply::new().apply(&vec![x.clone(), x.clone(), x], cx)]);
    /// assert_eq!(f.run([&[2.0_f32, 3.0].into()])?[0], Array::from([8.0_f32, 27.0]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    Multiply ["multiply"]
    /// The layer.
    () {}
}

layer! {
    /// The mean of the inputs, element by element. Keras's `Average`.
    ///
    /// ```
    /// use endo::layers::Average;
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[a, b], cx| [Average::new().apply(&[a, b], cx)]);
    /// assert_eq!(
    ///     f.run([&[1.0_f32, 2.0].into(), &[3.0_f32, 6.0].into()])?[0],
    ///     Array::from([2.0_f32, 4.0])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    Average ["average"]
    /// The layer.
    () {}
}

impl<I: Tree + AsRef<[Tensor]>> Layer<I> for Average {
    #[track_caller]
    fn call(&self, inputs: &I, cx: &mut Context) -> Tensor {
        let inputs = inputs.as_ref();
        fold("Average", inputs, cx, |a, b| a + b) / inputs.len().max(1) as f64
    }

    about! {}
}

layer! {
    /// The largest of the inputs, element by element; at ties the gradient goes to the first.
    /// Keras's `Maximum`.
    ///
    /// ```
    /// use endo::layers::Maximum;
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[a, b], cx| [Maximum::new().apply(&[a, b], cx)]);
    /// assert_eq!(
    ///     f.run([&[1.0_f32, 6.0].into(), &[3.0_f32, 2.0].into()])?[0],
    ///     Array::from([3.0_f32, 6.0])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    Maximum ["maximum"]
    /// The layer.
    () {}
}

layer! {
    /// The smallest of the inputs, element by element; at ties the gradient goes to the first.
    /// Keras's `Minimum`.
    ///
    /// ```
    /// use endo::layers::Minimum;
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[a, b], cx| [Minimum::new().apply(&[a, b], cx)]);
    /// assert_eq!(
    ///     f.run([&[1.0_f32, 6.0].into(), &[3.0_f32, 2.0].into()])?[0],
    ///     Array::from([1.0_f32, 2.0])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    Minimum ["minimum"]
    /// The layer.
    () {}
}

/// Layers that combine their inputs from left to right.
macro_rules! merging {
    ($($Layer:ident: $combine:expr;)+) => {
        $(impl<I: Tree + AsRef<[Tensor]>> Layer<I> for $Layer {
            #[track_caller]
            fn call(&self, inputs: &I, cx: &mut Context) -> Tensor {
                fold(stringify!($Layer), inputs.as_ref(), cx, $combine)
            }

            about! {}
        })+
    };
}

merging! {
    Add: |a, b| a + b;
    Multiply: |a, b| a * b;
    Maximum: |a, b| a.maximum(b);
    Minimum: |a, b| a.minimum(b);
}

layer! {
    /// The inputs side by side along an axis, the last unless set; their other axes are equal.
    /// Keras's `Concatenate`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[wide, deep], cx| [Concatenate::new().apply(&[wide, deep], cx)]);
    /// let [both] = f.run([&[[1.0_f32], [2.0]].into(), &[[3.0_f32, 4.0], [5.0, 6.0]].into()])?;
    /// assert_eq!(both, Array::from([[1.0_f32, 3.0, 4.0], [2.0, 5.0, 6.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    Concatenate ["concatenate"]
    /// Along the last axis.
    () {
        /// The axis along which the inputs lie side by side, counted from the end when negative. -1
        /// unless set.
        axis: isize = -1,
    }
}

impl<I: Tree + AsRef<[Tensor]>> Layer<I> for Concatenate {
    #[track_caller]
    fn call(&self, inputs: &I, cx: &mut Context) -> Tensor {
        match inputs.as_ref() {
            [] => refuse(no_inputs("Concatenate"), &[], cx),
            inputs => Tensor::concatenate(inputs, self.axis),
        }
    }

    about! {}
}

#[cfg(test)]
mod tests {
    use super::{Add, Average, Multiply, Subtract};
    use crate::prelude::*;

    #[test]
    fn inputs_of_fewer_axes_are_widened_after_the_batch_axis() {
        let mut f = Function::new(|[a, b], cx| [Add::new().apply(&[a, b], cx)]);
        let [sum] = f
            .run([
                &[[[1.0_f32, 2.0]], [[3.0, 4.0]]].into(),
                &[[10.0_f32, 20.0], [30.0, 40.0]].into(),
            ])
            .unwrap();
        assert_eq!(sum, Array::from([[[11.0_f32, 22.0]], [[33.0, 44.0]]]));
    }

    #[test]
    fn inputs_that_cannot_be_merged_are_refused() {
        fn refused<L: Layer<Vec<Tensor>>>(layer: L, shapes: &[&[usize]]) -> String {
            let inputs: Vec<Variable> = shapes
                .iter()
                .map(|&shape| Variable::new("x", Array::zeros(shape, DType::F32)))
                .collect();
            let mut f = Function::new(|[], cx| {
                [layer.apply(&inputs.iter().map(|x| cx.read(x)).collect(), cx)]
            });
            f.run([]).unwrap_err().message().to_string()
        }
        assert_eq!(refused(Add::new(), &[]), "`Add` of no inputs");
        assert_eq!(refused(Concatenate::new(), &[]), "`Concatenate` of no inputs");
        assert_eq!(refused(Subtract::new(), &[&[1], &[1], &[1]]), "`Subtract` of 3 inputs");
        assert_eq!(
            refused(Multiply::new(), &[&[2, 3], &[4, 3]]),
            "`Multiply` of inputs of 2 and 4 samples: shapes [2, 3] and [4, 3]"
        );
        assert_eq!(
            refused(Average::new(), &[&[2, 3], &[2, 4]]),
            "`add` cannot broadcast shapes [2, 3] and [2, 4]"
        );
    }
}
