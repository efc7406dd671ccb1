//! The layers of the nets that are measured, and the matrix products that a step of each needs.
//!
//! In: sizes. Out: layers, and [`Product`]s for one row of a batch. Images and sequences are those
//! of `layers.py` among the peers, and of `nets_peer.py`, which comes with this program.

use endo::prelude::*;

/// A matrix product in a step, for one row of a batch: `[rows, terms]` times `[terms, units]`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Product {
    rows: usize,
    terms: usize,
    units: usize,
    /// How often it is computed: forward, and for the gradient of each factor that needs one.
    times: usize,
}

impl Product {
    /// One in which both factors have gradients.
    pub const fn inner(rows: usize, terms: usize, units: usize) -> Self {
        Self { rows, terms, units, times: 3 }
    }

    /// One of the data, which need no gradient.
    pub const fn of_data(rows: usize, terms: usize, units: usize) -> Self {
        Self { times: 2, ..Self::inner(rows, terms, units) }
    }

    /// Its floating-point operations, a multiplication and an addition for each term.
    pub fn operations(self) -> f64 {
        2.0 * (self.times * self.rows * self.terms * self.units) as f64
    }
}

/// Dense layers with ReLU between them; `widths` begins with that of the inputs.
pub fn dense(widths: &[usize]) -> Sequential {
    let (last, hidden) = widths[1..].split_last().expect("nets have layers");
    let add = |net: Sequential, &units: &usize| net.add(Dense::new(units).activation(Relu));
    hidden.iter().fold(Sequential::new(), add).add(Dense::new(*last))
}

/// The products of [`dense`].
pub fn dense_products(widths: &[usize]) -> Vec<Product> {
    let mut products: Vec<Product> =
        widths.windows(2).map(|pair| Product::inner(1, pair[0], pair[1])).collect();
    products[0].times = 2;
    products
}

/// LeNet-5 with ReLU and maxima, for images of 28x28 (LeCun et al. 1998).
pub fn lenet() -> Sequential {
    Sequential::new()
        .add(Conv2D::new(6, 5).padding(Padding::Same).activation(Relu))
        .add(MaxPooling2D::new(2))
        .add(Conv2D::new(16, 5).activation(Relu))
        .add(MaxPooling2D::new(2))
        .add(Flatten::new())
        .add(dense(&[400, 120, 84, 10]))
}

/// The products of [`lenet`]: a convolution is one of windows and kernels.
pub fn lenet_products() -> Vec<Product> {
    vec![
        Product::of_data(28 * 28, 5 * 5, 6),
        Product::inner(10 * 10, 5 * 5 * 6, 16),
        Product::inner(1, 400, 120),
        Product::inner(1, 120, 84),
        Product::inner(1, 84, 10),
    ]
}

/// Two convolutions of 32 filters and two of 64, of 3x3, for images of 32x32x3.
pub fn convnet() -> Sequential {
    let convolution = |filters| Conv2D::new(filters, 3).padding(Padding::Same).activation(Relu);
    Sequential::new()
        .add(convolution(32))
        .add(convolution(32))
        .add(MaxPooling2D::new(2))
        .add(convolution(64))
        .add(convolution(64))
        .add(MaxPooling2D::new(2))
        .add(Flatten::new())
        .add(dense(&[4096, 256, 10]))
}

/// The products of [`convnet`].
pub fn convnet_products() -> Vec<Product> {
    vec![
        Product::of_data(32 * 32, 3 * 3 * 3, 32),
        Product::inner(32 * 32, 3 * 3 * 32, 32),
        Product::inner(16 * 16, 3 * 3 * 32, 64),
        Product::inner(16 * 16, 3 * 3 * 64, 64),
        Product::inner(1, 4096, 256),
        Product::inner(1, 256, 10),
    ]
}

/// The filters of the stages of [`resnet`], and the blocks of each.
const STAGES: [usize; 3] = [16, 32, 64];
const BLOCKS: usize = 3;

/// ResNet-20, for images of 32x32x3 (He et al. 2016, section 4.2); where a block has more filters
/// than the one before, its shortcut is a convolution of 1x1.
pub fn resnet() -> Sequential {
    let first = Sequential::new()
        .add(convolution(STAGES[0], 3, 1))
        .add(BatchNormalization::new())
        .add(Activation::new(Relu));
    blocks()
        .fold(first, |net, (stage, narrows)| net.add(ResidualBlock::new(STAGES[stage], narrows)))
        .add(GlobalAveragePooling2D::new())
        .add(Dense::new(CLASSES))
}

/// The stage of each block, and whether it halves the image.
fn blocks() -> impl Iterator<Item = (usize, bool)> {
    (0..STAGES.len() * BLOCKS)
        .map(|block| (block / BLOCKS, block > 0 && block.is_multiple_of(BLOCKS)))
}

fn convolution(filters: usize, size: usize, stride: usize) -> Conv2D {
    Conv2D::new(filters, size).strides(stride).padding(Padding::Same).use_bias(false)
}

/// Two convolutions, added to what they saw.
struct ResidualBlock {
    convolutions: [Conv2D; 2],
    normalizations: [BatchNormalization; 2],
    shortcut: Option<(Conv2D, BatchNormalization)>,
}

impl ResidualBlock {
    fn new(filters: usize, narrows: bool) -> Self {
        let stride = if narrows { 2 } else { 1 };
        Self {
            convolutions: [convolution(filters, 3, stride), convolution(filters, 3, 1)],
            normalizations: [BatchNormalization::new(), BatchNormalization::new()],
            shortcut: narrows.then(|| (convolution(filters, 1, 2), BatchNormalization::new())),
        }
    }
}

impl Layer for ResidualBlock {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let [first, second] = &self.convolutions;
        let [after_first, after_second] = &self.normalizations;
        let z = after_first.apply(&first.apply(x, cx), cx).relu();
        let z = after_second.apply(&second.apply(&z, cx), cx);
        let shortcut = match &self.shortcut {
            Some((convolution, normalization)) => {
                normalization.apply(&convolution.apply(x, cx), cx)
            }
            None => x.clone(),
        };
        (z + shortcut).relu()
    }
}

/// The products of [`resnet`].
pub fn resnet_products() -> Vec<Product> {
    let mut products = vec![Product::of_data(32 * 32, 3 * 3 * 3, STAGES[0])];
    for (stage, narrows) in blocks() {
        let (filters, side) = (STAGES[stage], 32 >> stage);
        let before = if narrows { STAGES[stage - 1] } else { filters };
        products.push(Product::inner(side * side, 9 * before, filters));
        products.push(Product::inner(side * side, 9 * filters, filters));
        if narrows {
            products.push(Product::inner(side * side, before, filters));
        }
    }
    products.push(Product::inner(1, STAGES[2], CLASSES));
    products
}

/// The filters of the blocks of [`mobilenet`], and whether each halves the image.
const SEPARABLE: [(usize, bool); 6] =
    [(64, false), (128, true), (128, false), (256, true), (256, false), (256, false)];

/// A small MobileNet for images of 32x32x3 (Howard et al. 2017, section 3): a convolution, and
/// blocks of a depthwise convolution and one of 1x1.
pub fn mobilenet() -> Sequential {
    let normalized =
        |net: Sequential| net.add(BatchNormalization::new()).add(Activation::new(Relu));
    let first = normalized(Sequential::new().add(convolution(STAGES[1], 3, 1)));
    let block = |net: Sequential, (filters, narrows): (usize, bool)| {
        let depthwise = DepthwiseConv2D::new(3)
            .strides(if narrows { 2 } else { 1 })
            .padding(Padding::Same)
            .use_bias(false);
        normalized(normalized(net.add(depthwise)).add(convolution(filters, 1, 1)))
    };
    SEPARABLE
        .into_iter()
        .fold(first, block)
        .add(GlobalAveragePooling2D::new())
        .add(Dense::new(CLASSES))
}

/// The products of [`mobilenet`]: depthwise convolutions are none.
pub fn mobilenet_products() -> Vec<Product> {
    let mut products = vec![Product::of_data(32 * 32, 3 * 3 * 3, STAGES[1])];
    let (mut side, mut before) = (32, STAGES[1]);
    for (filters, narrows) in SEPARABLE {
        side /= if narrows { 2 } else { 1 };
        products.push(Product::inner(side * side, before, filters));
        before = filters;
    }
    products.push(Product::inner(1, before, CLASSES));
    products
}

/// A recurrent layer, and a number from its last output.
pub fn last_output(recurrent: impl Layer + 'static) -> Sequential {
    Sequential::new().add(recurrent).add(Dense::new(1))
}

/// The products of [`last_output`] with a layer of `units` whose cell has `gates` gates, the new
/// values among them. The first step has states of 0, which need no product.
pub fn recurrent_products(
    steps: usize,
    features: usize,
    units: usize,
    gates: usize,
) -> Vec<Product> {
    vec![
        Product::of_data(steps, features, gates * units),
        Product::inner(steps - 1, units, gates * units),
        Product::inner(1, units, 1),
    ]
}

/// Blocks of an encoder one after another, and ten classes from the mean over steps; each head has
/// its share of the width.
pub fn encoder(blocks: usize, heads: usize, width: usize) -> Sequential {
    let add = |net: Sequential, _| net.add(Block::new(heads, width));
    (0..blocks)
        .fold(Sequential::new(), add)
        .add(GlobalAveragePooling1D::new())
        .add(Dense::new(CLASSES))
}

/// The classes of [`encoder`].
const CLASSES: usize = 10;

/// Units of the inner dense layer of a [`Block`], in units of its width.
const EXPANSION: usize = 4;

/// Self-attention and two dense layers, each added to what it saw and normalized then (Vaswani et
/// al. 2017, section 3.1).
struct Block {
    attention: MultiHeadAttention,
    attended: LayerNormalization,
    up: Dense,
    down: Dense,
    transformed: LayerNormalization,
}

impl Block {
    fn new(heads: usize, width: usize) -> Self {
        Self {
            attention: MultiHeadAttention::new(heads, width / heads),
            attended: LayerNormalization::new(),
            up: Dense::new(EXPANSION * width).activation(Gelu),
            down: Dense::new(width),
            transformed: LayerNormalization::new(),
        }
    }
}

impl Layer for Block {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let z = self.attended.apply(&(x + self.attention.apply(x, cx)), cx);
        let up = self.up.apply(&z, cx);
        self.transformed.apply(&(&z + self.down.apply(&up, cx)), cx)
    }
}

/// The products of [`encoder`] on sequences of `steps` steps.
pub fn encoder_products(blocks: usize, heads: usize, width: usize, steps: usize) -> Vec<Product> {
    let block = |block: usize| {
        // The heads share the terms of the scores, and the columns of the means.
        let (project, share) =
            (if block == 0 { Product::of_data } else { Product::inner }, width / heads);
        [
            project(steps, width, width),
            project(steps, width, width),
            project(steps, width, width),
            Product::inner(heads * steps, share, steps),
            Product::inner(heads * steps, steps, share),
            Product::inner(steps, width, width),
            Product::inner(steps, width, EXPANSION * width),
            Product::inner(steps, EXPANSION * width, width),
        ]
    };
    (0..blocks).flat_map(block).chain([Product::inner(1, width, CLASSES)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations(products: &[Product]) -> f64 {
        products.iter().map(|product| product.operations()).sum()
    }

    #[test]
    fn the_data_of_a_net_need_no_gradient() {
        // 784*512 forward and for the weights; the others for the inputs, too.
        assert_eq!(
            operations(&dense_products(&[784, 512, 10])),
            2.0 * (2.0 * 784.0 * 512.0 + 3.0 * 5120.0)
        );
    }

    #[test]
    fn a_convolution_multiplies_windows_and_kernels() {
        // 784 windows of 25, then 100 of 150, then three dense layers.
        let multiplied = 2 * 784 * 25 * 6 + 3 * (100 * 150 * 16 + 48_000 + 10_080 + 840);
        assert_eq!(operations(&lenet_products()), 2.0 * f64::from(multiplied));
    }

    #[test]
    fn the_first_step_of_a_recurrent_layer_has_no_state() {
        let multiplied = 2 * 64 * 64 * 512 + 3 * (63 * 128 * 512 + 128);
        assert_eq!(operations(&recurrent_products(64, 64, 128, 4)), 2.0 * f64::from(multiplied));
    }

    #[test]
    fn heads_share_the_width() {
        // Projections, scores and means, and the dense layers of 4 times the width.
        let of = |projected: i32| {
            projected * 3 * 128 * 256 * 256
                + 3 * 2 * 128 * 128 * 256
                + 3 * 128 * (256 * 256 + 2 * 256 * 1024)
        };
        assert_eq!(
            operations(&encoder_products(1, 4, 256, 128)),
            2.0 * f64::from(of(2) + 3 * 2560)
        );
        assert_eq!(
            operations(&encoder_products(2, 4, 256, 128)),
            2.0 * f64::from(of(2) + of(3) + 3 * 2560)
        );
    }
}
