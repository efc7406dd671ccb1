//! A layer whose kernel is divided by its largest singular value.
//!
//! In: what the layer within takes. Out: what that makes of it with the kernel divided; the weight
//! `vector_u` remembers the singular vector from step to step.

use std::sync::Arc;

use crate::error::Error;
use crate::graph::{Tensor, Transposed};
use crate::initializers::TruncatedNormal;
use crate::named::{Count, Hyperparameters, Named};
use crate::shape::product;
use crate::site::Site;
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::Layer;
use super::declare::name_option;

/// The row of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[Named {
    names: &["spectral_normalization"],
    options: [&["layer", "power_iterations"], &[], &["name"]],
    make: |given| {
        let layer: Arc<dyn Layer> = given.required("layer")?;
        let power_iterations = given.take("power_iterations", Count(1))?;
        let name = given.by_name("name")?;
        Ok(Arc::new(SpectralNormalization {
            power_iterations,
            name,
            ..SpectralNormalization::new(layer)
        }))
    },
}];

/// No vector is divided by less than this length, as in Keras.
const LEAST_NORM: f64 = 1e-7;

/// Applies a layer whose kernel `W` is divided by an estimate of its largest singular value, so
/// that the layer does not stretch what it is given by more than about 1 (Miyato et al. 2018,
/// section 2.1 and algorithm 1). Keras's `SpectralNormalization`.
///
/// The kernel is the weight of the layer within that is called `kernel`, or `embeddings`, as a
/// matrix `[.., filters]`. In training, `power_iterations` times `v = W u / |W u|` and
/// `u = W^T v / |W^T v|`; then the kernel is assigned `W / (v^T W u)`, and the weight `vector_u`,
/// `[1, filters]`, its new value. Gradients are with respect to the kernel that was divided.
/// Outside training the kernel is as training left it.
///
/// ```
/// use endo::prelude::*;
/// let kernel = Array::from([[3.0_f32, 0.0], [0.0, 4.0]]);
/// let layer = SpectralNormalization::new(Dense::new(2).kernel_initializer(kernel))
///     .power_iterations(50);
/// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
/// let [y] = f.run([&[[1.0_f32, 1.0]].into()])?;
/// assert!((y.get(0) - 0.75).abs() < 1e-5 && (y.get(1) - 1.0).abs() < 1e-5);
/// # Ok::<(), endo::Error>(())
/// ```
pub struct SpectralNormalization<L> {
    name: Option<String>,
    layer: L,
    power_iterations: Count,
    vector_u: Arc<Weight>,
}

impl<L: Layer> SpectralNormalization<L> {
    /// The layer whose kernel is divided, with one iteration in each step.
    pub fn new(layer: L) -> Self {
        let vector_u =
            Weight::new("vector_u").trainable(false).initializer(TruncatedNormal.stddev(0.02));
        Self { name: None, layer, power_iterations: Count(1), vector_u: Arc::new(vector_u) }
    }

    name_option! {}

    /// How often the estimate is improved in each step of training; from 1. 1 unless set.
    #[must_use]
    pub fn power_iterations(mut self, power_iterations: usize) -> Self {
        self.power_iterations = Count(power_iterations);
        self
    }

    /// The layer that is applied.
    pub fn layer(&self) -> &L {
        &self.layer
    }

    /// The estimate of the singular vector along the filters, `[1, filters]`, once the layer was
    /// applied.
    pub fn vector_u(&self) -> Option<&Variable> {
        self.vector_u.variable()
    }
}

impl<L: Layer> Layer for SpectralNormalization<L> {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        if !self.power_iterations.is_valid() {
            let message = format!("`{}` has 0 power iterations", cx.path());
            let help = "`power_iterations` is how often the estimate is improved: 1 or more";
            let error = Error::argument(message, help);
            cx.trace().record(error.at(Site::caller()));
        }
        let (weight, iterations) = (self.vector_u.clone(), self.power_iterations.0);
        let divide = move |kernel: &Variable, cx: &mut Context| {
            let filters = kernel.shape().last().copied().unwrap_or(1);
            let vector_u = weight.value_of_innermost([1, filters], cx);
            if cx.training() {
                let value = cx.read(kernel);
                let (divided, next) = divided(&value, &vector_u, iterations);
                cx.assign(kernel, divided);
                weight.assign(&next.cast(vector_u.dtype()), cx);
            }
        };
        let (outputs, has_kernel) =
            cx.with_kernel_change(divide, |cx| self.layer.apply(inputs, cx));
        if !has_kernel {
            let message = format!("the layer within `{}` has no kernel of its own", cx.path());
            let error = Error::argument(
                message,
                "give it a layer with a weight called `kernel` or `embeddings`, such as `Dense`, \
                `Conv2D` or `Embedding`; each layer of a chain has one of its own",
            );
            cx.trace().record(error.at(Site::caller()));
        }
        outputs
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new().with("power_iterations", self.power_iterations.0)
    }
}

/// The kernel divided by the estimate of its largest singular value, and the vector `u` that
/// belongs to the estimate; a kernel of zeros and its vector as they are.
#[track_caller]
fn divided(kernel: &Tensor, vector_u: &Tensor, iterations: usize) -> (Tensor, Tensor) {
    let sizes = kernel.shape().split_last();
    let (rows, filters) = sizes.map_or((1, 1), |(filters, rows)| (product(rows), *filters));
    let matrix = kernel.reshape([rows, filters]);
    let old = vector_u.cast(kernel.dtype());
    let improved = |u: &Tensor| {
        let v = unit(&u.matmul_transposed(&matrix, Transposed::RIGHT));
        let u = unit(&v.matmul(&matrix));
        (u, v)
    };
    let (u, v) = (1..iterations).fold(improved(&old), |(u, _), _| improved(&u));
    let sigma = (v.matmul(&matrix) * &u).sum();
    let is_zero = kernel.equal(0.0).all();
    (is_zero.where_(kernel, kernel / sigma), is_zero.where_(old, u))
}

/// A vector divided by its length.
#[track_caller]
fn unit(vector: &Tensor) -> Tensor {
    vector * vector.square().sum().rsqrt().minimum(1.0 / LEAST_NORM)
}

#[cfg(test)]
mod tests {
    use crate::layers::{self, tests::refused};
    use crate::prelude::*;
    use crate::random::Random;

    /// Numbers in steps of a quarter from -0.5 on, that begin again after seven.
    fn ramp(shape: &Shape, _: &mut Random) -> Array {
        Array::from_fn(shape, |index| (index % 7) as f32 * 0.25 - 0.5)
    }

    fn close(values: &Array, expected: &[f32]) {
        let values = values.to_vec::<f32>();
        assert_eq!(values.len(), expected.len());
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 2e-6, "{values:?}, {expected}");
        }
    }

    /// A layer with the numbers that Keras's is given, after its outputs outside training.
    fn prepared(iterations: usize) -> (SpectralNormalization<Dense>, Array) {
        let dense =
            Dense::new(2).kernel_initializer(ramp).bias_initializer(Array::from([0.1_f32, -0.2]));
        let layer = SpectralNormalization::new(dense).power_iterations(iterations);
        let x = Array::from([[-1.0_f32, -0.5, 0.0], [0.5, 1.0, 1.5]]);
        let mut predict = Function::new(|[x], cx| [layer.apply(&x, cx)]).training(false);
        close(&predict.run([&x]).unwrap()[0], &[0.6, -0.075, 0.6, 1.05]);
        drop(predict);
        layer.vector_u().unwrap().set(&[[0.6_f32, -0.3]].into()).unwrap();
        (layer, x)
    }

    #[test]
    fn kernel_vector_and_outputs_are_those_of_keras() {
        let (layer, x) = prepared(1);
        let mut train = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        close(&train.run([&x]).unwrap()[0], &[0.8031231, -0.0242192, 0.8031231, 1.5578074]);
        let kernel = layer.layer().kernel().unwrap();
        close(&kernel.value(), &[-0.703123, -0.3515615, 0.0, 0.3515615, 0.703123, 1.0546845]);
        close(&layer.vector_u().unwrap().value(), &[0.8479984, 0.529999]);
        close(&train.run([&x]).unwrap()[0], &[0.5780483, -0.0804879, 0.5780483, 0.9951208]);
        close(&layer.vector_u().unwrap().value(), &[0.6580566, 0.7529685]);
        let (layer, x) = prepared(3);
        let mut train = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        close(&train.run([&x]).unwrap()[0], &[0.5762095, -0.0809476, 0.5762095, 0.9905238]);
        close(&layer.vector_u().unwrap().value(), &[0.6401491, 0.7682507]);
    }

    #[test]
    fn the_kernel_of_a_convolution_is_a_matrix_of_windows_by_filters() {
        let convolution = Conv2D::new(2, 2)
            .kernel_initializer(ramp)
            .bias_initializer(Array::from([0.1_f32, -0.2]));
        let layer = SpectralNormalization::new(convolution);
        let x = Array::from_fn([1, 3, 3, 1], |index| (index % 7) as f32 * 0.5 - 1.0);
        let mut predict = Function::new(|[x], cx| [layer.apply(&x, cx)]).training(false);
        predict.run([&x]).unwrap();
        drop(predict);
        layer.vector_u().unwrap().set(&[[0.6_f32, -0.3]].into()).unwrap();
        let mut train = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        close(
            &train.run([&x]).unwrap()[0],
            &[
                1.5665104, -0.2, 1.9855134, -0.0952493, -0.1095015, 1.5807626, -1.1570089,
                -0.5142522,
            ],
        );
        close(&layer.vector_u().unwrap().value(), &[0.95448, -0.298275]);
    }

    #[test]
    fn the_optimizer_changes_the_divided_kernel() {
        let dense = Dense::new(1).use_bias(false).kernel_initializer(Constant(4.0));
        let mut model = Model::new(SpectralNormalization::new(dense));
        model.compile(Sgd::new(0.25), MeanSquaredError, ());
        model.train_on_batch(&Dataset::new([[1.0_f32]], [[0.0_f32]]).unwrap()).unwrap();
        // The kernel is 1 after the division, and its slope 2.
        let weights = model.weights();
        let names: Vec<&str> = weights.iter().map(Variable::name).collect();
        assert_eq!(names, ["dense/kernel", "vector_u"]);
        assert_eq!(weights[0].value(), Array::from([[0.5_f32]]));
        assert_eq!(model.trainable_weights().len(), 1);
    }

    #[test]
    fn a_kernel_of_zeros_stays() {
        let layer = SpectralNormalization::new(Dense::new(2).kernel_initializer(Zeros));
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        f.run([&[[1.0_f32, 2.0]].into()]).unwrap();
        let before = layer.vector_u().unwrap().value();
        f.run([&[[1.0_f32, 2.0]].into()]).unwrap();
        assert_eq!(layer.layer().kernel().unwrap().value(), Array::zeros([2, 2], DType::F32));
        assert_eq!(layer.vector_u().unwrap().value(), before);
    }

    #[test]
    fn text_names_the_layer_with_the_one_within() {
        let layer =
            layers::get("spectral_normalization(embedding(5, 2), 3, name=bounded)").unwrap();
        assert_eq!(layer.hyperparameters().to_string(), "power_iterations=3");
        let mut f = Function::new(|[x], cx| {
            let y = layer.apply(&x, cx);
            let names: Vec<&str> = cx.weights().map(Variable::name).collect();
            assert_eq!(names, ["bounded/embedding/embeddings", "bounded/vector_u"]);
            [y]
        });
        f.run([&[[1, 2]].into()]).unwrap();
    }

    #[test]
    fn a_layer_without_a_kernel_of_its_own_is_refused() {
        let chain = Sequential::new().add(Dense::new(1));
        for layer in [
            &SpectralNormalization::new(Flatten::new()) as &dyn Layer,
            &SpectralNormalization::new(chain),
        ] {
            refused(layer, &[2, 3])
                .says("the layer within `spectral_normalization` has no kernel of its own");
        }
        refused(&SpectralNormalization::new(Dense::new(1)).power_iterations(0), &[2, 3])
            .says("`spectral_normalization` has 0 power iterations");
    }
}
