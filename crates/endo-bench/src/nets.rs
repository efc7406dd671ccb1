//! The nets that endo is measured on, with made-up data of the sizes that the peers use.
//!
//! In: a net's name in [`Net`]. Out: compiled models, data sets, and what a step of theirs must at
//! least compute and move.

use std::sync::{Arc, OnceLock};

use endo::prelude::*;
use endo::random::Random;

use crate::architectures::*;

/// Layers, a loss and an optimizer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Net {
    /// The reconstructing regressor of the book: 8 inputs, five layers of 30 SELU units, two heads,
    /// Nadam.
    Regressor,
    /// 784-512-512-10 with ReLU.
    MnistMlp,
    /// 1024-4096-4096-1000 with ReLU.
    WideMlp,
    /// LeNet on images of 28x28.
    Lenet,
    /// Four convolutions and two dense layers on images of 32x32x3.
    Convnet,
    /// ResNet-20 on the same images.
    Resnet,
    /// A small MobileNet on the same images.
    Mobilenet,
    /// An LSTM of 128 units over 64 steps.
    Lstm,
    /// A GRU of 128 units over 64 steps.
    Gru,
    /// A block of self-attention, 4 heads of 64, on 128 steps.
    Attention,
    /// Four such blocks, 4 heads of 32, on 64 steps.
    Transformer,
}

/// Which numbers the layers of a net hand on and multiply.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Numbers {
    /// Those of `f32`.
    #[default]
    Single,
    /// What is handed on is rounded to a bfloat16.
    RoundedValues,
    /// So are kernels and what they are multiplied by.
    RoundedKernels,
}

impl Numbers {
    /// What is rounded, as the command line calls it; nothing for those of `f32`.
    pub fn rounded(self) -> Option<&'static str> {
        match self {
            Numbers::Single => None,
            Numbers::RoundedValues => Some("values"),
            Numbers::RoundedKernels => Some("kernels"),
        }
    }
}

/// What there is to know of a net. All but the regressor are trained by Adam.
struct Description {
    /// The name in reports and on the command line.
    name: &'static str,
    /// The sizes of a row of inputs.
    inputs: &'static [usize],
    /// The classes that it tells from each other by sparse cross-entropy from logits; without them
    /// it predicts a number by mean squared error.
    classes: Option<usize>,
    /// Rows in a step unless another number is asked for.
    batch: usize,
    /// Rows of an epoch.
    rows: usize,
    /// Its layers.
    layer: fn() -> Arc<dyn Layer>,
    /// The matrix products of a step for one row.
    products: fn() -> Vec<Product>,
}

const MNIST_MLP: &[usize] = &[784, 512, 512, 10];
const WIDE_MLP: &[usize] = &[1024, 4096, 4096, 1000];

/// The book's model. What it reports beside the loss is an option, since bare steps report nothing.
pub struct Regressor {
    hidden: Vec<Dense>,
    reconstruct: OnceLock<Dense>,
    out: Dense,
    reports: bool,
}

impl Regressor {
    /// The regressor of the book; `reports` adds its metric of the reconstruction.
    pub fn new(reports: bool) -> Self {
        let hidden = || Dense::new(30).activation(Selu).kernel_initializer(LecunNormal);
        Self {
            hidden: (0..5).map(|_| hidden()).collect(),
            reconstruct: OnceLock::new(),
            out: Dense::new(1),
            reports,
        }
    }
}

impl Layer for Regressor {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let z = self.hidden.iter().fold(inputs.clone(), |z, layer| layer.apply(&z, cx));
        let reconstruct = self.reconstruct.get_or_init(|| Dense::new(inputs.features()));
        let error = (reconstruct.apply(&z, cx) - inputs).square().mean();
        cx.add_loss("reconstruction", 0.05 * &error);
        if self.reports {
            cx.add_metric("reconstruction_error", &error);
        }
        self.out.apply(&z, cx)
    }
}

impl Net {
    fn description(self) -> Description {
        match self {
            Net::Regressor => Description {
                name: "regressor",
                inputs: &[8],
                classes: None,
                batch: 32,
                rows: 11_610,
                layer: || Arc::new(Regressor::new(false)),
                products: || {
                    let mut products = dense_products(&[8, 30, 30, 30, 30, 30, 1]);
                    products.push(Product::inner(1, 30, 8));
                    products
                },
            },
            Net::MnistMlp => Description {
                name: "mnist-mlp",
                inputs: &[784],
                classes: Some(10),
                batch: 128,
                rows: 25_600,
                layer: || Arc::new(dense(MNIST_MLP)),
                products: || dense_products(MNIST_MLP),
            },
            Net::WideMlp => Description {
                name: "wide-mlp",
                inputs: &[1024],
                classes: Some(1000),
                batch: 256,
                rows: 2_560,
                layer: || Arc::new(dense(WIDE_MLP)),
                products: || dense_products(WIDE_MLP),
            },
            Net::Lenet => Description {
                name: "lenet",
                inputs: &[28, 28, 1],
                classes: Some(10),
                batch: 64,
                rows: 3_200,
                layer: || Arc::new(lenet()),
                products: lenet_products,
            },
            Net::Convnet => Description {
                name: "convnet",
                inputs: &[32, 32, 3],
                classes: Some(10),
                batch: 64,
                rows: 1_280,
                layer: || Arc::new(convnet()),
                products: convnet_products,
            },
            Net::Resnet => Description {
                name: "resnet",
                layer: || Arc::new(resnet()),
                products: resnet_products,
                ..Net::Convnet.description()
            },
            Net::Mobilenet => Description {
                name: "mobilenet",
                layer: || Arc::new(mobilenet()),
                products: mobilenet_products,
                ..Net::Convnet.description()
            },
            Net::Lstm => Description {
                name: "lstm",
                inputs: &[64, 64],
                classes: None,
                batch: 32,
                rows: 1_280,
                layer: || Arc::new(last_output(Lstm::new(128))),
                products: || recurrent_products(64, 64, 128, 4),
            },
            Net::Gru => Description {
                name: "gru",
                layer: || Arc::new(last_output(Gru::new(128))),
                products: || recurrent_products(64, 64, 128, 3),
                ..Net::Lstm.description()
            },
            Net::Attention => Description {
                name: "attention",
                inputs: &[128, 256],
                classes: Some(10),
                batch: 16,
                rows: 320,
                layer: || Arc::new(encoder(1, 4, 256)),
                products: || encoder_products(1, 4, 256, 128),
            },
            Net::Transformer => Description {
                name: "transformer",
                inputs: &[64, 128],
                classes: Some(10),
                batch: 32,
                rows: 640,
                layer: || Arc::new(encoder(4, 4, 128)),
                products: || encoder_products(4, 4, 128, 64),
            },
        }
    }

    /// The net's name in reports and on the command line.
    pub fn name(self) -> &'static str {
        self.description().name
    }

    /// Rows in a step unless another number is asked for.
    pub fn batch(self) -> usize {
        self.description().batch
    }

    /// Rows of an epoch: those of the peers, and at least 16 batches.
    pub fn rows(self, batch: usize) -> usize {
        let Description { batch: own, rows, .. } = self.description();
        if batch == own { rows } else { rows.max(16 * batch) }
    }

    /// The compiled model.
    pub fn model(self, threads: usize, numbers: Numbers) -> Model {
        let Description { layer, classes, .. } = self.description();
        let rounded = |kernels| Model::new(layer().bf16().round_kernels(kernels));
        let model = match numbers {
            Numbers::Single => Model::new(layer()),
            Numbers::RoundedValues => rounded(false),
            Numbers::RoundedKernels => rounded(true),
        };
        let mut model = model.threads(threads);
        let classify = SparseCategoricalCrossentropy::new().from_logits(true);
        match (self, classes) {
            (Net::Regressor, _) => model.compile(Nadam::default(), MeanSquaredError, ()),
            (_, None) => model.compile(Adam::default(), MeanSquaredError, ()),
            (_, Some(_)) => model.compile(Adam::default(), classify, ()),
        };
        model
    }

    /// A dataset of `rows` rows of random numbers.
    pub fn data(self, rows: usize) -> Result<Dataset> {
        let Description { inputs, classes, .. } = self.description();
        let (shape, length) = ([&[rows], inputs].concat(), inputs.iter().product());
        let mut random = Random::new(0, 0);
        let x: Vec<f32> = (0..rows * length).map(|_| random.normal()).collect();
        let y = match classes {
            None => {
                let y = x.chunks(length).map(|row| row[0] + row[1] * row[2]).collect();
                Array::new([rows, 1], y)?
            }
            Some(classes) => {
                let y: Vec<i32> = (0..rows).map(|_| random.below(classes) as i32).collect();
                Array::from(y)
            }
        };
        Dataset::new(Array::new(shape, x)?, y)
    }

    /// The floating-point operations in the matrix products of a step: each product of a layer
    /// forward, the gradient of its weights, and the gradient of its inputs except for the first
    /// layer, at `2 m k n` each. Convolutions count as products of windows and kernels.
    pub fn operations(self, batch: usize) -> f64 {
        let products = (self.description().products)();
        batch as f64 * products.into_iter().map(Product::operations).sum::<f64>()
    }

    /// The bytes that a step of Adam or Nadam must move: weights and two slots, read once and
    /// written once, and the batch.
    ///
    /// # Errors
    /// If the model cannot be built.
    pub fn bytes(self, batch: usize) -> Result<f64> {
        let batch = batch * self.description().inputs.iter().product::<usize>();
        Ok((size_of::<f32>() * (6 * self.parameters()? + batch)) as f64)
    }

    /// How many numbers the weights have, moving statistics included.
    ///
    /// # Errors
    /// If the model cannot be built.
    pub fn parameters(self) -> Result<usize> {
        let model = self.model(1, Numbers::Single);
        model.build([&[1], self.description().inputs].concat())?;
        Ok(model.weights().iter().map(|weight| weight.shape().len()).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_those_of_the_products() {
        // 8*30 forward and for the weights; 30*30 four times, 30*1 and 30*8 three times each.
        assert_eq!(
            Net::Regressor.operations(32),
            2.0 * 32.0 * (2.0 * 240.0 + 3.0 * (3600.0 + 30.0 + 240.0))
        );
    }

    #[test]
    fn bytes_are_those_of_weights_and_slots_and_the_batch() {
        // The weights are as many as Keras's models of these layers have.
        for (net, weights, inputs) in [
            (Net::Regressor, 4_269, 8),
            (Net::MnistMlp, 669_706, 784),
            (Net::Lenet, 61_706, 784),
            (Net::Convnet, 1_116_970, 3_072),
            (Net::Resnet, 274_042, 3_072),
            (Net::Mobilenet, 209_610, 3_072),
            (Net::Lstm, 98_945, 4_096),
            (Net::Gru, 74_625, 4_096),
            (Net::Attention, 792_330, 32_768),
            (Net::Transformer, 794_378, 8_192),
        ] {
            let bytes = f64::from(4 * (6 * weights + 2 * inputs));
            assert_eq!(net.bytes(2).unwrap(), bytes, "{}", net.name());
        }
    }

    #[test]
    fn an_epoch_of_large_batches_has_sixteen_of_them() {
        assert_eq!(Net::Regressor.rows(32), 11_610);
        assert_eq!(Net::Regressor.rows(1), 11_610);
        assert_eq!(Net::Regressor.rows(8192), 16 * 8192);
    }
}
