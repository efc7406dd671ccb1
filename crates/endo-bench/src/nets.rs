//! The nets that endo is measured on, with made-up data of the sizes that the peers use.
//!
//! In: a net's name in [`Net`]. Out: compiled models, data sets, and what a step of theirs must at
//! least compute and move.

use std::sync::OnceLock;

use endo::prelude::*;
use endo::random::Random;

/// Layers, a loss and an optimizer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Net {
    /// The reconstructing regressor of the book: 8 inputs, five layers of 30 SELU units, two heads,
    /// Nadam.
    Regressor,
    /// 784-512-512-10 with ReLU, sparse cross-entropy from logits, Adam.
    MnistMlp,
    /// 1024-4096-4096-1000, the same otherwise.
    WideMlp,
}

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
    /// The net's name in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Net::Regressor => "regressor",
            Net::MnistMlp => "mnist-mlp",
            Net::WideMlp => "wide-mlp",
        }
    }

    /// Widths of the layers, from the inputs on.
    fn widths(self) -> &'static [usize] {
        match self {
            Net::Regressor => &[8, 30, 30, 30, 30, 30, 1],
            Net::MnistMlp => &[784, 512, 512, 10],
            Net::WideMlp => &[1024, 4096, 4096, 1000],
        }
    }

    /// Rows in a step unless another number is asked for.
    pub fn batch(self) -> usize {
        match self {
            Net::Regressor => 32,
            Net::MnistMlp => 128,
            Net::WideMlp => 256,
        }
    }

    /// Rows of an epoch: those of the peers, and at least 16 batches.
    pub fn rows(self, batch: usize) -> usize {
        let rows = match self {
            Net::Regressor => 11_610,
            Net::MnistMlp => 25_600,
            Net::WideMlp => 2_560,
        };
        if batch == self.batch() { rows } else { rows.max(16 * batch) }
    }

    /// The compiled model.
    pub fn model(self, threads: usize) -> Model {
        if self == Net::Regressor {
            let mut model = Model::new(Regressor::new(false)).threads(threads);
            model.compile(Nadam::default(), MeanSquaredError, ());
            return model;
        }
        let (last, hidden) = self.widths()[1..].split_last().expect("nets have layers");
        let net = hidden
            .iter()
            .fold(Sequential::new(), |net, &units| net.add(Dense::new(units).activation(Relu)));
        let mut model = Model::new(net.add(Dense::new(*last))).threads(threads);
        model.compile(Adam::default(), SparseCategoricalCrossentropy::new().from_logits(true), ());
        model
    }

    /// A dataset of `rows` rows of random numbers.
    pub fn data(self, rows: usize) -> Result<Dataset> {
        let inputs = self.widths()[0];
        let mut random = Random::new(0, 0);
        let x: Vec<f32> = (0..rows * inputs).map(|_| random.normal()).collect();
        if self == Net::Regressor {
            let y = x.chunks(inputs).map(|row| row[0] + row[1] * row[2]).collect();
            return Dataset::new(Array::new([rows, inputs], x)?, Array::new([rows, 1], y)?);
        }
        let classes = self.widths()[self.widths().len() - 1];
        let y: Vec<i32> = (0..rows).map(|_| random.below(classes) as i32).collect();
        Dataset::new(Array::new([rows, inputs], x)?, Array::from(y))
    }

    /// Inputs and units of every layer, the reconstruction among them.
    fn layers(self) -> Vec<[usize; 2]> {
        let mut layers: Vec<[usize; 2]> =
            self.widths().windows(2).map(|pair| [pair[0], pair[1]]).collect();
        layers.extend((self == Net::Regressor).then_some([30, 8]));
        layers
    }

    /// The floating-point operations in the matrix products of a step: each product of a layer
    /// forward, the gradient of its weights, and the gradient of its inputs except for the first
    /// layer, at `2 m k n` each.
    pub fn operations(self, batch: usize) -> f64 {
        let layers = self.layers();
        let products: usize = layers.iter().map(|[inputs, units]| 3 * inputs * units).sum();
        2.0 * batch as f64 * (products - layers[0][0] * layers[0][1]) as f64
    }

    /// The bytes that a step of Adam or Nadam must move: weights and two slots, read once and
    /// written once, and the batch.
    pub fn bytes(self, batch: usize) -> f64 {
        let weights: usize = self.layers().iter().map(|[inputs, units]| (inputs + 1) * units).sum();
        (size_of::<f32>() * (6 * weights + batch * self.widths()[0])) as f64
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
    fn bytes_are_those_of_weights_and_slots() {
        // 270 + 4 * 930 + 31 + 248 weights, with the model's own count as the witness.
        let model = Net::Regressor.model(1);
        model.build([32, 8]).unwrap();
        let weights: usize = model.weights().iter().map(|weight| weight.shape().len()).sum();
        assert_eq!(weights, 4269);
        assert_eq!(Net::Regressor.bytes(1), (4 * (6 * weights + 8)) as f64);
    }

    #[test]
    fn an_epoch_of_large_batches_has_sixteen_of_them() {
        assert_eq!(Net::Regressor.rows(32), 11_610);
        assert_eq!(Net::Regressor.rows(1), 11_610);
        assert_eq!(Net::Regressor.rows(8192), 16 * 8192);
    }
}
