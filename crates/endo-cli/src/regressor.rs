//! The reconstructing regressor: what the hidden layers know must be enough to reconstruct the inputs.
//!
//! In: inputs `[batch, features]`. Out: predictions `[batch, outputs]`; on the way, a loss term and a metric from inside. Also
//! the model that the command trains: the regressor on scaled inputs.
//! After the model of the same name in Géron, *Hands-On Machine Learning*, "Losses and Metrics Based on Model Internals".

use std::sync::OnceLock;

use endo::prelude::*;

use crate::arguments::Arguments;

/// How much the reconstruction error weighs in the loss.
const RECONSTRUCTION_WEIGHT: f64 = 0.05;

/// Five hidden layers of 30 SELU units, an output, and a layer that reconstructs the inputs from the last hidden one.
///
/// The reconstruction's mean squared error is the metric `reconstruction_error`, and 0.05 of it the loss term
/// `reconstruction`: it keeps the hidden layers from forgetting what they do not need for the training rows alone.
pub struct ReconstructingRegressor {
    hidden: Vec<Dense>,
    reconstruct: OnceLock<Dense>, // sized by the first input
    out: Dense,
}

impl ReconstructingRegressor {
    /// A regressor of so many outputs.
    pub fn new(output_dim: usize) -> Self {
        let hidden = || Dense::new(30).activation(Selu).kernel_initializer(LecunNormal);
        Self { hidden: (0..5).map(|_| hidden()).collect(), reconstruct: OnceLock::new(), out: Dense::new(output_dim) }
    }
}

impl Layer for ReconstructingRegressor {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let mut z = inputs.clone();
        for layer in &self.hidden {
            z = layer.apply(&z, cx);
        }
        let reconstruct = self.reconstruct.get_or_init(|| Dense::new(inputs.features()));
        let error = (reconstruct.apply(&z, cx) - inputs).square().mean();
        cx.add_loss("reconstruction", RECONSTRUCTION_WEIGHT * &error);
        cx.add_metric("reconstruction_error", &error);
        self.out.apply(&z, cx)
    }
}

/// The regressor behind a scaling of its inputs, with weights and ready to train. The scaling's statistics are those of the
/// training rows and are saved with the weights; what is reconstructed are the scaled inputs.
pub fn compiled(train: &Dataset, arguments: &Arguments) -> Result<Model> {
    let scaling = Normalization::adapt(&StandardScaler::fit(train.inputs())?);
    let layers = Sequential::new().add(scaling).add(ReconstructingRegressor::new(1));
    let model = Model::new(layers).seed(arguments.seed);
    let mut model = match arguments.threads {
        Some(threads) => model.threads(threads),
        None => model,
    };
    model.compile(Nadam::new(arguments.learning_rate), MeanSquaredError, [MeanAbsoluteError::new()]);
    model.build([1, train.inputs().shape().features()])?;
    Ok(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_is_the_main_one_and_the_weighted_reconstruction() {
        let x = Array::from([[1.0_f32, -2.0, 0.5], [0.0, 1.0, 2.0]]);
        let data = Dataset::new(x, Array::from([[1.0_f32], [2.0]])).unwrap();
        let mut model = Model::new(ReconstructingRegressor::new(1));
        model.compile(Nadam::default(), MeanSquaredError, ());
        let logs = model.evaluate(&data).unwrap();
        let [loss, main, term, error] =
            ["loss", "main", "reconstruction", "reconstruction_error"].map(|name| logs.get(name).unwrap());
        assert!((term - RECONSTRUCTION_WEIGHT * error).abs() < 1e-6, "{logs}");
        assert!((loss - main - term).abs() < 1e-6, "{logs}");
    }

    #[test]
    fn seven_layers_have_kernels_and_biases() {
        let model = Model::new(ReconstructingRegressor::new(1));
        model.build([32, 8]).unwrap();
        let hidden = (8 * 30 + 30) + 4 * (30 * 30 + 30);
        assert_eq!(model.weights().len(), 14);
        assert_eq!(model.summary().unwrap().parameters(), hidden + (30 * 8 + 8) + (30 + 1));
    }
}
