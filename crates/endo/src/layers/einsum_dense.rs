//! A densely connected layer whose axes an equation names.
//!
//! In: `[batch, ..]`. Out: the sums of products with a kernel that the equation says, a bias along
//! some axes and an activation; weights `kernel` and `bias`.

use std::sync::Arc;

use crate::activations::{ActivationFunction, IntoActivation, Linear};
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::initializers::scaled::WithFans;
use crate::initializers::{GlorotUniform, Zeros};
use crate::named::{Named, Setting};
use crate::regularizers::{IntoRegularizer, Regularizer};
use crate::shape::{Shape, product};
use crate::site::Site;
use crate::trace::Context;

use super::Layer;
use super::declare::{about, layer, row};
use super::dense::activated;

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<EinsumDense>()];

/// The sizes of a sample of the outputs, without the batch: one number, or one for each axis that
/// the equation names, `None` for the size that the inputs have there.
///
/// ```
/// use endo::prelude::*;
/// let all = EinsumDense::new("...x,xy->...y", 64);
/// let steps = EinsumDense::new("abc,cd->abd", [None, Some(64)]);
/// let heads = EinsumDense::new("ac,cde->ade", [4, 16]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSizes(pub Vec<Option<usize>>);

impl From<usize> for OutputSizes {
    fn from(size: usize) -> Self {
        Self(vec![Some(size)])
    }
}

impl From<Vec<Option<usize>>> for OutputSizes {
    fn from(sizes: Vec<Option<usize>>) -> Self {
        Self(sizes)
    }
}

impl<const N: usize> From<[Option<usize>; N]> for OutputSizes {
    fn from(sizes: [Option<usize>; N]) -> Self {
        Self(sizes.to_vec())
    }
}

impl<const N: usize> From<[usize; N]> for OutputSizes {
    fn from(sizes: [usize; N]) -> Self {
        Self(sizes.map(Some).to_vec())
    }
}

impl Setting for OutputSizes {
    const EXPECTED: &'static str = "a size, or a list of sizes such as `[none, 64]`";

    fn read(text: &str) -> Option<Self> {
        usize::read(text).map(Self::from).or_else(|| Vec::read(text).map(Self))
    }

    fn write(&self) -> String {
        self.0.write()
    }
}

layer! {
    /// `activation(einsum(equation, x, kernel) + bias)`: a [`Dense`](super::Dense) layer over any
    /// axes. Keras's `EinsumDense`.
    ///
    /// The equation has a letter for each axis of the inputs, of the kernel and of the outputs, as
    /// in `abc,cd->abd`; letters that the outputs have not are summed over. `...` in front of
    /// inputs and outputs stands for any axes before those that are named, the batch among them,
    /// and behind both for any axes after them. The kernel has the sizes of its letters.
    ///
    /// A kernel with a variance that follows from the numbers of inputs and outputs, such as
    /// `GlorotUniform`, counts as outputs the axes that the outputs have, and the others as inputs.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = EinsumDense::new("abc,cd->abd", [None, Some(2)])
    ///     .bias_axes("d")
    ///     .kernel_initializer(Ones)
    ///     .bias_initializer(Constant(0.5));
    /// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// let [y] = f.run([&[[[1.0_f32, 2.0], [3.0, 4.0]]].into()])?;
    /// assert_eq!(y, Array::from([[[3.5_f32, 3.5], [7.5, 7.5]]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    EinsumDense ["einsum_dense"]
    /// A linear layer of an equation such as `abc,cd->abd`, with the sizes of a sample of its
    /// outputs: a number, or one for each axis that is named, `None` for that of the inputs.
    (equation: String => String, output_shape: OutputSizes => OutputSizes) {
        /// The letters of the outputs along which a bias is added: `"d"`, or `"de"` for two axes.
        /// No bias is added unless set.
        bias_axes: Option<String> => String = None,
        /// What is applied to the outputs: `Selu`, `"selu"` or a closure of a tensor. Nothing
        /// unless set.
        activation: Arc<dyn ActivationFunction> [IntoActivation::into_activation]
            = Arc::new(Linear),
        /// A penalty on the outputs of each call, divided by the batch size and added to the loss.
        activity_regularizer: Option<Arc<dyn Regularizer>> [IntoRegularizer::into_regularizer]
            = None,
    }
    weights {
        /// The kernel, of the sizes that the equation says, once the layer was applied.
        kernel = GlorotUniform => kernel_initializer, kernel_regularizer, kernel_constraint;
        /// The bias, once the layer was applied; none without `bias_axes`. Of its axes, which begin
        /// at the first of `bias_axes`, those that are not among them have size 1.
        bias = Zeros => bias_initializer, bias_regularizer, bias_constraint;
    }
}

/// An equation with the sizes of its axes.
struct SizedEquation {
    /// With letters in place of `...`.
    equation: String,
    kernel: Vec<usize>,
    bias: Option<Vec<usize>>,
    /// How many numbers of the inputs an output is a sum over, and how many outputs a number of the
    /// inputs has.
    fans: [usize; 2],
}

impl EinsumDense {
    /// The equation for inputs of a shape.
    fn sized(&self, inputs: &Shape, cx: &Context) -> Result<SizedEquation> {
        let written: String = self.equation.chars().filter(|c| !c.is_whitespace()).collect();
        let refused = |why: String, help: &str| {
            Error::shape(format!("`{}` has the equation `{written}`: {why}", cx.path()), help)
        };
        let Some(Parts { x, kernel, y, dots }) = Parts::read(&written) else {
            let why = "it is not of the form that a layer has".to_string();
            let help = "write the letters of inputs, kernel and outputs as in `abc,cd->abd`, \
                `...c,cd->...d` or `bc...,cd->bd...`";
            return Err(refused(why, help));
        };
        let count = inputs.rank().checked_sub(x.len());
        let Some(elided) = count.filter(|&count| count == 0 || dots.is_some()) else {
            let why = format!("the inputs have {} letters, and the shape {inputs}", x.len());
            return Err(refused(why, "give one letter for each axis, or `...` for all others"));
        };
        // The letters of `...` are those that the equation has not.
        let free: Vec<char> =
            ('a'..='z').chain('A'..='Z').filter(|c| !written.contains(*c)).take(elided).collect();
        if free.len() < elided {
            let why = format!("no letters are left for the axes of {inputs}");
            return Err(refused(why, "name fewer axes"));
        }
        let with_free = |letters: &[char]| match dots {
            Some(Dots::Before) => [&free, letters].concat(),
            Some(Dots::After) => [letters, &free].concat(),
            None => letters.to_vec(),
        };
        let (all_x, all_y) = (with_free(&x), with_free(&y));
        if all_x.first() != all_y.first() {
            let why = "the first axis of the outputs is not that of the inputs".to_string();
            return Err(refused(why, "the batch comes first, as in `abc,cd->abd`"));
        }
        let of_x = |letter: char| {
            let place = all_x.iter().position(|known| *known == letter)?;
            Some(inputs[place])
        };
        // The batch stands among the letters that are named, or among those of `...` before them.
        let named = if all_x.first() == x.first() { &y[1..] } else { &y[..] };
        let given = &self.output_shape.0;
        if given.len() != named.len() {
            let why = format!("`output_shape` has {} sizes for {} axes", given.len(), named.len());
            let help = "give the size of each axis of the outputs that has a letter, but that of \
                the batch: `None` for that of the inputs";
            return Err(refused(why, help));
        }
        let of_y = |letter: char| {
            let size = named.iter().zip(given).find(|(known, _)| **known == letter);
            size.and_then(|(_, size)| *size).or_else(|| of_x(letter))
        };
        for &letter in &all_x {
            if let (Some(here), Some(there)) = (of_x(letter), of_y(letter))
                && all_y.contains(&letter)
                && here != there
            {
                let why = format!("`{letter}` is {here} long in the inputs, and {there} long");
                return Err(refused(why, "give `None` for axes that the inputs have"));
            }
        }
        let sizes_of = |letters: &[char]| {
            let size = |letter: &char| {
                let size = if all_y.contains(letter) { of_y(*letter) } else { of_x(*letter) };
                size.ok_or_else(|| {
                    let why = format!("the size of `{letter}` is not known");
                    refused(why, "give it in `output_shape`, or name an axis of the inputs")
                })
            };
            letters.iter().map(size).collect::<Result<Vec<usize>>>()
        };
        sizes_of(&all_y)?;
        let bias = match &self.bias_axes {
            None => None,
            Some(axes) => {
                if let Some(letter) = axes.chars().find(|letter| !y.contains(letter)) {
                    let why = format!("`{letter}` of `bias_axes` is no axis of the outputs");
                    return Err(refused(why, "a bias has letters of the outputs, as in `d`"));
                }
                let first = all_y.iter().position(|letter| axes.contains(*letter));
                let along = first.map_or(&[][..], |first| &all_y[first..]);
                let sizes = sizes_of(along)?.into_iter().zip(along);
                Some(sizes.map(|(size, c)| if axes.contains(*c) { size } else { 1 }).collect())
            }
        };
        let sizes = sizes_of(&kernel)?;
        let fan = |outputs: bool| {
            let axes = kernel.iter().zip(&sizes);
            product(axes.filter(|(c, _)| all_y.contains(c) == outputs).map(|(_, size)| size))
        };
        let text = |letters: &[char]| letters.iter().collect::<String>();
        Ok(SizedEquation {
            equation: format!("{},{}->{}", text(&all_x), text(&kernel), text(&all_y)),
            fans: [fan(false), fan(true)],
            kernel: sizes,
            bias,
        })
    }
}

impl Layer for EinsumDense {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let SizedEquation { equation, kernel, bias, fans } = match self.sized(inputs.shape(), cx) {
            Ok(sized) => sized,
            Err(error) => {
                let sizes = self.output_shape.0.iter().map(|size| size.unwrap_or(1));
                let shape: Shape = std::iter::once(inputs.batch()).chain(sizes).collect();
                return cx.trace().fail(error.at(Site::caller()), shape, inputs.dtype());
            }
        };
        let first = WithFans { initializer: self.kernel.first_values(), fans };
        let kernel = self.kernel.value_from(self, kernel, &first, cx);
        let [inputs, kernel] = cx.factors(inputs, &kernel);
        let mut outputs = Tensor::einsum(&equation, &[&inputs, &kernel]);
        if let Some(sizes) = bias {
            outputs = outputs + self.bias.value(self, sizes, cx);
        }
        activated(outputs, &self.activation, &self.activity_regularizer, cx)
    }

    about! {}
}

/// Where `...` stands in an equation.
#[derive(Clone, Copy)]
enum Dots {
    Before,
    After,
}

/// The letters of an equation.
struct Parts {
    x: Vec<char>,
    kernel: Vec<char>,
    y: Vec<char>,
    dots: Option<Dots>,
}

impl Parts {
    /// Those of an equation of one of the three forms that a layer may have.
    fn read(equation: &str) -> Option<Self> {
        let (left, y) = equation.split_once("->")?;
        let (x, kernel) = left.split_once(',')?;
        let (x, y, dots) = match (x.strip_prefix("..."), y.strip_prefix("...")) {
            (Some(x), Some(y)) => (x, y, Some(Dots::Before)),
            _ => match (x.strip_suffix("..."), y.strip_suffix("...")) {
                (Some(x), Some(y)) => (x, y, Some(Dots::After)),
                _ => (x, y, None),
            },
        };
        let letters = |part: &str| {
            let letters: Vec<char> = part.chars().collect();
            let plain = letters.iter().all(char::is_ascii_alphabetic) && !letters.is_empty();
            plain.then_some(letters)
        };
        Some(Self { x: letters(x)?, kernel: letters(kernel)?, y: letters(y)?, dots })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{self, tests::refused};
    use crate::prelude::*;
    use crate::random::Random;

    /// Numbers in steps, from a first one on, that begin again after seven.
    fn ramp(sizes: &[usize], step: f32, first: f32) -> Array {
        Array::from_fn(sizes, |index| (index % 7) as f32 * step + first)
    }

    #[test]
    fn outputs_are_those_of_keras() {
        // A layer, the sizes of its inputs and of its outputs, and these.
        type Case = (EinsumDense, &'static [usize], &'static [usize], &'static [f32]);
        let cases: [Case; 5] = [
            (
                EinsumDense::new("abc,cd->abd", [None, Some(2)]).bias_axes("d"),
                &[1, 2, 3],
                &[1, 2, 2],
                &[0.5370496, 0.3140209, 0.5370496, 0.8956929],
            ),
            (
                EinsumDense::new("...x,xy->...y", 2).bias_axes("y"),
                &[1, 2, 1, 2],
                &[1, 2, 1, 2],
                &[0.5370496, 0.3140209, 0.09966799, 0.3140209],
            ),
            (
                EinsumDense::new("ac...,cd->ad...", 2).bias_axes("d"),
                &[1, 2, 3],
                &[1, 2, 3],
                &[0.5370496, 0.33637553, 0.09966799, 0.51902187, 0.51902187, 0.51902187],
            ),
            (
                EinsumDense::new("abc, cde -> abde", [None, Some(2), Some(2)]).bias_axes("e"),
                &[1, 2, 2],
                &[1, 2, 2, 2],
                &[
                    0.33637553,
                    0.07485969,
                    -0.379949,
                    0.19737528,
                    0.33637553,
                    0.51902187,
                    0.5370496,
                    -0.04995836,
                ],
            ),
            (
                EinsumDense::new("abc,bcd->ad", [2]),
                &[2, 2, 2],
                &[2, 2],
                &[0.7615942, -0.124353, -0.46211717, 0.97187275],
            ),
        ];
        for (layer, inputs, outputs, expected) in cases {
            let layer = layer
                .activation("tanh")
                .kernel_initializer(|shape: &Shape, _: &mut Random| ramp(shape, 0.25, -0.5))
                .bias_initializer(|shape: &Shape, _: &mut Random| ramp(shape, 0.1, 0.1));
            let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
            let [y] = f.run([&ramp(inputs, 0.5, -1.0)]).unwrap();
            assert_eq!(y.shape().sizes(), outputs, "{}", layer.equation);
            for (y, expected) in y.to_vec::<f32>().iter().zip(expected) {
                assert!((y - expected).abs() < 1e-6, "{}: {y}, {expected}", layer.equation);
            }
        }
    }

    #[test]
    fn the_variance_of_the_kernel_follows_from_the_equation() {
        let layer = EinsumDense::new("abc,cde->abde", [None, Some(40), Some(50)]);
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        f.run([&Array::zeros([1, 2, 60], DType::F32)]).unwrap();
        let kernel = layer.kernel().unwrap().value().to_vec::<f64>();
        let greatest = kernel.iter().fold(0.0, |greatest: f64, value| greatest.max(value.abs()));
        let limit = (6.0_f64 / (60.0 + 2000.0)).sqrt();
        assert!(greatest < limit && greatest > 0.99 * limit, "{greatest}, {limit}");
    }

    #[test]
    fn text_makes_the_layer_again() {
        let layer = layers::get(
            "einsum_dense(\"abc,cd->abd\", [none, 4], bias_axes=d, activation=relu, name=wide)",
        )
        .unwrap();
        let written = layer.hyperparameters().written("EinsumDense");
        assert_eq!(
            written,
            "EinsumDense(equation=\"abc,cd->abd\", output_shape=[none, 4], bias_axes=d, \
                activation=relu)"
        );
        let again = layers::get(&written).unwrap();
        assert_eq!(layer.hyperparameters(), again.hyperparameters());
        let plain = layers::get("einsum_dense(\"...x,xy->...y\", 3)").unwrap();
        assert!(plain.hyperparameters().to_string().contains("output_shape=[3], bias_axes=none"));
    }

    #[test]
    fn equations_that_do_not_fit_are_refused() {
        for (equation, sizes, bias, expected) in [
            ("abc->abd", vec![Some(2)], None, "it is not of the form that a layer has"),
            (
                "ab,bd->ad",
                vec![Some(2)],
                None,
                "the inputs have 2 letters, and the shape [2, 4, 3]",
            ),
            ("abc,cd->abd", vec![Some(2)], None, "`output_shape` has 1 sizes for 2 axes"),
            (
                "abc,cd->abd",
                vec![Some(5), Some(2)],
                None,
                "`b` is 4 long in the inputs, and 5 long",
            ),
            ("abc,cd->abd", vec![None, None], None, "the size of `d` is not known"),
            ("abc,cde->abd", vec![None, Some(2)], None, "the size of `e` is not known"),
            ("abc,cd->dab", vec![None, None], None, "the first axis of the outputs"),
            ("abc,cd->abd", vec![None, Some(2)], Some("c"), "`c` of `bias_axes` is no axis"),
        ] {
            let layer = EinsumDense::new(equation, sizes);
            let layer = bias.into_iter().fold(layer, EinsumDense::bias_axes);
            let error = refused(&layer, &[2, 4, 3]);
            error.says(&format!("has the equation `{equation}`: {expected}"));
            assert!(error.advice().is_some(), "{error}");
        }
    }
}
