//! A layer whose values lie in half of the memory: each rounded to a bfloat16, and computed with as
//! `f32`.
//!
//! In: any inputs that the layer takes, with their masks. Out: its outputs, with theirs.

use std::sync::Arc;

use crate::graph::Tree;
use crate::named::{Hyperparameters, Named};
use crate::trace::{Context, Rounding};

use super::Layer;

/// The row of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[Named {
    names: &["bf16"],
    options: [&["layer", "round_kernels"], &[], &[]],
    make: |given| {
        let layer = Bf16::new(given.required::<Arc<dyn Layer>>("layer")?);
        Ok(Arc::new(layer.round_kernels(given.take("round_kernels", false)?)))
    },
}];

/// A layer that computes in `f32`, and hands on numbers that a bfloat16 holds: 8 significant bits
/// and the range of `f32` (Kalamkar et al. 2019, arXiv:1905.12322). So do all layers in it, at any
/// depth. What training keeps of such numbers from the forward to the backward pass takes 2 bytes
/// each where the processor's loops write them, which is most of what it keeps. Keras's policy
/// `mixed_bfloat16`, with `round_kernels(true)`.
///
/// Rounded to the nearest ([`Tensor::round_to_bf16`](crate::graph::Tensor::round_to_bf16)) are the
/// outputs of layers, what Dense, convolutional and attention layers give their activations, and
/// the gradients of all of these. Weights ([`round_kernels`](Self::round_kernels) says otherwise of
/// kernels), their gradients, the slots of optimizers, losses,
/// metrics, the statistics of normalizations and the states of recurrent layers within a sequence
/// stay as they are, and every sum and product is computed in `f32`. Outside of training the same
/// numbers are rounded, so that predictions are those of the trained model. Integers, truth values
/// and whatever is `f64` are left alone: a model of `f64` is not changed at all.
///
/// What it wraps keeps its name, its weights, its terms of the loss, its metrics and masks, so that
/// weights can be exchanged with the model without it. Leave the last layer of a model outside,
/// or its predictions have two to three digits.
///
/// ```
/// use endo::prelude::*;
/// let body = Sequential::new().add(Dense::new(64).activation("gelu")).add(Dense::new(8));
/// let mut model = Model::new(Sequential::new().add(body.bf16()).add(Dense::new(1)));
/// model.compile("adam", "mse", ());
/// let (x, y) = (Array::zeros([32, 8], DType::F32), Array::zeros([32, 1], DType::F32));
/// let history = model.fit(&Dataset::new(x, y)?, Fit::epochs(1))?;
/// assert_eq!(history.epochs.len(), 1);
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Bf16<L> {
    layer: L,
    round_kernels: bool,
}

impl<L> Bf16<L> {
    /// The layer whose values are rounded.
    pub fn new(layer: L) -> Self {
        Self { layer, round_kernels: false }
    }

    /// Whether kernels and what they are multiplied by are rounded, too, as Keras's policy
    /// `mixed_bfloat16` does; no by default.
    ///
    /// Where the processor multiplies pairs of such numbers (AVX-512 BF16), products of half a
    /// million multiply-adds and more take down to half of the time then; elsewhere this only takes
    /// time. Sums are those of `f32`, in another order, and what is below the normal numbers counts
    /// as 0. Products of two rounded factors, such as those of queries and keys, are faster there
    /// without this option, too. Eager runs do not multiply pairs.
    ///
    /// The weights stay as they are, and so do their gradients, which Keras rounds. Kernels that
    /// states of recurrent layers are multiplied by, from step to step, are not rounded.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = Bf16::new(Dense::new(3).name("dense")).round_kernels(true);
    /// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// f.run([&Array::zeros([4, 2], DType::F32)])?;
    /// layer.layer().kernel().unwrap().set(&Array::full([2, 3], 1.001, DType::F32))?;
    /// let y = f.run([&Array::full([1, 2], 1.0, DType::F32)])?;
    /// assert_eq!(y[0], Array::full([1, 3], 2.0, DType::F32));
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn round_kernels(mut self, round_kernels: bool) -> Self {
        self.round_kernels = round_kernels;
        self
    }

    /// The layer that is applied.
    pub fn layer(&self) -> &L {
        &self.layer
    }
}

impl<L: Layer<I, O>, I: Tree, O: Tree> Layer<I, O> for Bf16<L> {
    #[track_caller]
    fn call(&self, inputs: &I, cx: &mut Context) -> O {
        let rounding = if self.round_kernels { Rounding::Kernels } else { Rounding::Values };
        cx.with_rounding(rounding.max(cx.rounding()), |cx| self.layer.apply(inputs, cx))
    }

    /// The layer inside has the name, the weights and the masks.
    #[track_caller]
    fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        self.call(inputs, cx)
    }

    fn name(&self) -> Option<&str> {
        self.layer.name()
    }

    fn kind(&self) -> &'static str {
        self.layer.kind()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        self.layer.hyperparameters()
    }
}

#[cfg(test)]
mod tests {
    use crate::layers;
    use crate::prelude::*;
    use std::sync::Arc;

    /// Whether all numbers are those that a bfloat16 holds.
    fn is_rounded(array: &Array) -> bool {
        array.to_vec::<f32>().iter().all(|x| x.to_bits() & 0xffff == 0)
    }

    /// The bytes of intermediate values of a step that computes all gradients.
    fn arena(net: impl Layer + 'static, x: &Array) -> f64 {
        let model = Model::new(net);
        model.build(x.shape().sizes()).unwrap();
        let mut step = Function::new(|[x], cx| {
            let loss = model.apply(&x, cx).square().mean();
            let gradients = cx.gradients(&loss, model.trainable_weights()).into_tensors();
            let sums = gradients.into_iter().flatten().map(|gradient| gradient.sum());
            [sums.reduce(|a, b| a + b).unwrap()]
        });
        assert!(step.run([x]).unwrap()[0].item().unwrap().is_finite());
        step.program([x]).unwrap().plan().arena_bytes() as f64
    }

    fn deep(activation: &'static str) -> impl Layer {
        (0..12).fold(Sequential::new(), |net, _| net.add(Dense::new(32).activation(activation)))
    }

    /// A block of a transformer.
    fn block() -> impl Layer {
        let attention = MultiHeadAttention::new(2, 16);
        let [first, second] = [0; 2].map(|_| LayerNormalization::new());
        let (wide, narrow) = (Dense::new(64).activation("gelu"), Dense::new(32));
        move |x: &Tensor, cx: &mut Context| {
            let h = x + attention.apply(&first.apply(x, cx), cx);
            let y = narrow.apply(&wide.apply(&second.apply(&h, cx), cx), cx);
            h + y
        }
    }

    #[test]
    fn a_deep_net_needs_little_more_than_half_of_the_memory() {
        let x = Array::from_fn([128, 32], |i| (i as f32).sin());
        for (activation, most) in [("relu", 0.68), ("tanh", 0.68), ("gelu", 0.59)] {
            let (half, whole) = (arena(deep(activation).bf16(), &x), arena(deep(activation), &x));
            assert!(half < most * whole, "{activation}: {half} bytes instead of {whole}");
        }
        let blocks = || (0..4).fold(Sequential::new(), |net, _| net.add(block()));
        let x = Array::from_fn([8, 32, 32], |i| (i as f32).sin());
        let (half, whole) = (arena(blocks().bf16(), &x), arena(blocks(), &x));
        assert!(half < 0.68 * whole, "attention: {half} bytes instead of {whole}");
    }

    /// Losses of some epochs, the weights after them, and predictions.
    fn trained(
        net: impl Layer + 'static,
        x: &Array,
        dtype: DType,
        threads: usize,
    ) -> (Vec<f64>, Vec<Array>, Array) {
        let mut model = Model::new(Sequential::new().add(net).add(Flatten::new()))
            .dtype(dtype)
            .threads(threads);
        model.compile(Adam::new(0.002), "mse", ());
        let y = model.predict(x).unwrap();
        let y = Array::from_fn(y.shape().sizes(), |i| (i as f32 * 0.7).cos() * 0.5).cast(dtype);
        let data = Dataset::new(x.clone(), y).unwrap();
        let history = model.fit(&data, Fit::epochs(4).batch_size(8)).unwrap();
        let losses = history.epochs.iter().map(|epoch| epoch.ledger.total).collect();
        let weights = model.weights().iter().map(|weight| weight.value()).collect();
        (losses, weights, model.predict(x).unwrap())
    }

    #[test]
    fn nets_learn_as_in_f32_and_to_the_same_bits_on_two_threads() {
        type Net = fn() -> Box<dyn Layer>;
        let nets: [(Net, &[usize]); 4] = [
            (|| Box::new(Sequential::new().add(deep("selu")).add(Dense::new(3))), &[16, 5]),
            (
                || {
                    let conv = Conv2D::new(4, 3).activation("relu");
                    Box::new(Sequential::new().add(conv).add(MaxPooling2D::new(2)))
                },
                &[16, 8, 8, 2],
            ),
            (|| Box::new(Sequential::new().add(block()).add(Dense::new(2))), &[16, 6, 32]),
            (
                || {
                    let lstm = Lstm::new(8).return_sequences(true);
                    Box::new(Sequential::new().add(lstm).add(Lstm::new(3)))
                },
                &[16, 5, 3],
            ),
        ];
        for (net, sizes) in nets {
            let x = Array::from_fn(sizes, |i| (i as f32 * 0.37).sin());
            let net = || Arc::<dyn Layer>::from(net());
            let whole = trained(net(), &x, DType::F32, 1);
            let half = trained(net().bf16(), &x, DType::F32, 1);
            let pairs = whole.0.iter().zip(&half.0);
            assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 0.1 * a.abs()), "{sizes:?}");
            assert!(is_rounded(&half.2) && !is_rounded(&whole.2) && !is_rounded(&half.1[0]));
            let shared = trained(net().bf16(), &x, DType::F32, 2);
            assert!(half == shared, "{sizes:?}");
        }
    }

    #[test]
    fn nets_of_rounded_kernels_learn_as_in_f32_and_to_the_same_bits_on_two_threads() {
        type Net = fn() -> Arc<dyn Layer>;
        // Products of more than half a million multiply-adds: some processors multiply pairs.
        let nets: [(Net, &[usize]); 5] = [
            (|| Arc::new(Sequential::new().add(Dense::new(128)).add(Dense::new(72))), &[96, 80]),
            (|| Arc::new(Conv2D::new(40, 3)), &[8, 18, 18, 8]),
            (|| Arc::new(Lstm::new(40)), &[40, 9, 33]),
            (
                || {
                    let attention = MultiHeadAttention::new(2, 40);
                    Arc::new(move |x: &Tensor, cx: &mut Context| attention.apply(x, cx))
                },
                &[8, 70, 48],
            ),
            (|| Arc::new(EinsumDense::new("abc,cd->abd", [None, Some(64)])), &[8, 40, 64]),
        ];
        for (net, sizes) in nets {
            let x = Array::from_fn(sizes, |i| (i as f32 * 0.37).sin());
            let rounded = || Bf16::new(net()).round_kernels(true);
            let whole = trained(net(), &x, DType::F32, 1);
            let half = trained(rounded(), &x, DType::F32, 1);
            let pairs = whole.0.iter().zip(&half.0);
            assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 0.1 * a.abs()), "{sizes:?}");
            assert!(half.1 != trained(net().bf16(), &x, DType::F32, 1).1, "{sizes:?}");
            assert!(!is_rounded(&half.1[0]));
            assert!(half == trained(rounded(), &x, DType::F32, 2), "{sizes:?}");
        }
    }

    /// The output of a layer of one unit, and its gradients of the input and of the kernel.
    fn of_one_unit(layer: &dyn Layer, kernel: f32, x: &Tensor, cx: &mut Context) -> [Tensor; 3] {
        let first = move |_: &str, shape: &Shape| {
            Some(Ok(Array::full(shape.clone(), kernel.into(), DType::F32)))
        };
        let y = cx.with_first_values(first, |cx| layer.apply(x, cx));
        let weights = cx.layers().iter().flat_map(|layer| layer.weights.clone());
        let weights: Vec<Variable> = weights.collect();
        let sum = y.square().sum();
        let slopes = cx.gradients(&sum, [x]).into_tensors().remove(0).expect("y depends on x");
        let of_kernel = cx.gradients(&sum, &weights[..1]).into_tensors().remove(0);
        [y, slopes, of_kernel.expect("y depends on the kernel")]
    }

    #[test]
    fn kernels_and_inputs_are_rounded_and_gradients_of_kernels_are_not() {
        let dense = Dense::new(1).use_bias(false).bf16().round_kernels(true);
        let mut f = Function::new(|[x], cx| of_one_unit(&dense, 1.001, &x, cx));
        // 3.01 is 3.015625 as a bfloat16, and the kernel 1. The gradient of the kernel is 2 x y.
        let [y, slopes, of_kernel] = f.run([&Array::from([[3.01_f32]])]).unwrap();
        assert_eq!(y, Array::from([[3.015625_f32]]));
        assert!(is_rounded(&slopes) && slopes.item().unwrap() == 6.03125);
        assert_eq!(of_kernel, Array::from([[2.0 * 3.015625 * 3.015625_f32]]));
    }

    #[test]
    fn what_is_outside_has_the_slopes_of_its_own_numbers() {
        let dense = Dense::new(1).bf16().round_kernels(true);
        let mut f = Function::new(|[x], cx| {
            let y = dense.apply(&x.tanh(), cx).sum();
            [cx.gradients(&y, [&x]).into_tensors().remove(0).expect("y depends on x")]
        });
        // The nearest bfloat16 of tanh(4) is 1, where the slope would be 0.
        assert!(f.run([&Array::from([[4.0_f32]])]).unwrap()[0].item().unwrap() != 0.0);
    }

    #[test]
    fn a_model_of_f64_is_not_changed() {
        let x = Array::from_fn([16, 5], |i| (i as f64 * 0.37).sin());
        let net = || Sequential::new().add(deep("tanh"));
        let expected = trained(net(), &x, DType::F64, 1);
        assert!(trained(net().bf16(), &x, DType::F64, 1) == expected);
        assert!(trained(net().bf16().round_kernels(true), &x, DType::F64, 1) == expected);
    }

    #[test]
    fn all_layers_inside_hand_on_rounded_numbers_under_their_own_names() {
        let net = || {
            Sequential::new()
                .add(Dense::new(6).activation("sigmoid").name("first"))
                .add(Sequential::new().add(LayerNormalization::new()).add(Dense::new(2)))
        };
        let (model, plain) = (Model::new(Bf16::new(net())), Model::new(net()));
        for model in [&model, &plain] {
            model.build([4, 3]).unwrap();
        }
        let names = |model: &Model| -> Vec<String> {
            model.weights().iter().map(|weight| weight.name().to_string()).collect()
        };
        assert_eq!(names(&model), names(&plain));
        let paths = ["first", "sequential/layer_normalization", "sequential/dense"];
        let outputs = model.outputs_at(paths).unwrap();
        let mut f = Function::new(|[x], cx| {
            <[Tensor; 3]>::try_from(outputs.apply(&x, cx)).expect("as many as paths")
        });
        let x = Array::from_fn([4, 3], |i| (i as f32).sin());
        let found = f.run([&x]).unwrap();
        assert!(found.iter().all(is_rounded), "{found:?}");
    }

    #[test]
    fn slopes_are_rounded_and_have_slopes() {
        let dense = Dense::new(3).activation("tanh").bf16();
        let mut f = Function::new(|[x], cx| {
            let slope = |y: Tensor, cx: &mut Context| {
                cx.gradients(&y, [&x]).into_tensors().remove(0).expect("y depends on x")
            };
            let first = slope(dense.apply(&x, cx).sin().sum(), cx);
            let second = slope(first.square().sum(), cx);
            [first, second]
        });
        let x = Array::from_fn([4, 3], |i| (i as f32).sin());
        let [first, second] = f.run([&x]).unwrap();
        for slopes in [first, second] {
            let slopes = slopes.to_vec::<f32>();
            assert!(slopes.iter().all(|x| x.is_finite() && *x != 0.0), "{slopes:?}");
        }
    }

    #[test]
    fn masks_come_in_and_go_out() {
        let net = || Embedding::new(5, 2).mask_zero(true).bf16();
        let half = Sequential::new().add(net()).add(Dense::new(3).bf16());
        let mut f = Function::new(|[x], cx| {
            let y = half.apply(&x, cx);
            [cx.mask(&y).expect("it is passed on")]
        });
        let tokens = Array::from([[1_i32, 2, 0, 0], [4, 0, 3, 1]]);
        let expected = [[true, true, false, false], [true, false, true, true]];
        assert_eq!(f.run([&tokens]).unwrap()[0], expected.into());
    }

    #[test]
    fn text_names_it() {
        let x = Array::from_fn([2, 4], |i| (i as f32).sin());
        let outputs = |text: &str| {
            let layer = layers::get(text).unwrap();
            let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]).seed(5);
            f.run([&x]).unwrap().into_iter().next().expect("one output")
        };
        let y = outputs("bf16(dense(3))");
        assert!(y.shape().sizes() == [2, 3] && is_rounded(&y));
        assert!(outputs("bf16(dense(3), round_kernels=true)") != y);
    }
}
