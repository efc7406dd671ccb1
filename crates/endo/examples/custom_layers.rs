//! Custom layers: with weights, with noise in training alone, and layer normalization, compared
//! with the library's.
//!
//! `cargo run --release -p endo --example custom_layers`

mod data;

use endo::prelude::*;

// ANCHOR: my_dense
/// The chapter's dense layer.
pub struct MyDense {
    units: usize,
    activation: Box<dyn ActivationFunction>,
    kernel: Weight,
    bias: Weight,
}

impl MyDense {
    /// A layer with `units` outputs and an activation function.
    pub fn new(units: usize, activation: impl ActivationFunction + 'static) -> Self {
        let (kernel, bias) = (Weight::new("kernel"), Weight::new("bias"));
        Self { units, activation: Box::new(activation), kernel, bias }
    }
}

impl Layer for MyDense {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let kernel = self.kernel.get(self, [x.features(), self.units], &HeNormal, cx);
        let bias = self.bias.get(self, [self.units], &Zeros, cx);
        self.activation.call(&(x.matmul(&kernel) + bias))
    }
}
// ANCHOR_END: my_dense

/// Noise in training alone.
pub struct MyGaussianNoise {
    /// Its standard deviation.
    pub stddev: f64,
}

impl Layer for MyGaussianNoise {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        if cx.training() { x + cx.random().normal(x.shape(), 0.0, self.stddev) } else { x.clone() }
    }
}

/// The layer normalization of the chapter's exercises.
pub struct MyLayerNormalization {
    eps: f64,
    /// What the normalized features are multiplied by.
    pub alpha: Weight,
    beta: Weight,
}

impl MyLayerNormalization {
    /// Multiplies by 1 and adds 0 at first; `eps` keeps the division from 0.
    pub fn new(eps: f64) -> Self {
        Self { eps, alpha: Weight::new("alpha"), beta: Weight::new("beta") }
    }
}

impl Layer for MyLayerNormalization {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let alpha = self.alpha.get(self, [x.features()], &Ones, cx);
        let beta = self.beta.get(self, [x.features()], &Zeros, cx);
        let mean = x.mean_keep(-1);
        let variance = (x - &mean).square().mean_keep(-1);
        alpha * (x - mean) / (variance + self.eps).sqrt() + beta
    }
}

/// A net of these layers.
pub fn model() -> Model {
    let layers = Sequential::new()
        .add(MyGaussianNoise { stddev: 0.1 })
        .add(MyDense::new(30, "relu"))
        .add(MyLayerNormalization::new(0.001))
        .add(MyDense::new(1, "linear"));
    let mut model = Model::new(layers);
    model.compile("nadam", "mse", ["mae"]);
    model
}

fn main() -> Result<()> {
    let (train, valid) = data::made_up(2000)?.split(0.25, 42)?;
    let mut model = model();
    let history = model.fit(&train, Fit::epochs(10).validation(&valid))?;
    println!("{}", model.summary()?);
    println!("loss {:.3?}", history.get("loss"));
    println!("loss without noise, on other rows {:.3?}", history.get("val_loss"));

    let (mine, library) = (MyLayerNormalization::new(0.001), LayerNormalization::new());
    let mut difference =
        Function::new(|[x], cx| [(mine.apply(&x, cx) - library.apply(&x, cx)).abs().max()]);
    println!(
        "layer normalization is the library's but for {:e}",
        difference.run([valid.inputs()])?[0].item()?
    );
    Ok(())
}
