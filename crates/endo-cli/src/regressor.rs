//! The reconstructing regressor: what the hidden layers know must be enough to reconstruct the inputs.
//!
//! In: inputs `[batch, features]`. Out: predictions `[batch, outputs]`; on the way, a loss term and a metric from inside. Also
//! the model that the command trains: the regressor between the units of the table and standardized numbers.
//! After the model of the same name in Géron, *Hands-On Machine Learning*, "Losses and Metrics Based on Model Internals".

use std::sync::OnceLock;

use endo::prelude::*;

use crate::arguments::Arguments;
use crate::standardization::Standardization;
use crate::table::Scales;

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
    /// A regressor with `output_dim` outputs.
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

/// The regressor on standardized inputs, whose output is taken back to the target's unit, with weights and ready to train.
///
/// The statistics are those of the training rows and are saved with the weights; what is reconstructed are the standardized
/// inputs. The main loss is the mean squared error in variances of the target, so that it is of the size of the other terms
/// whatever the unit; the metric is in the unit.
pub fn compiled(scales: &Scales, arguments: &Arguments) -> Result<Model> {
    let layers = Sequential::new()
        .add(Standardization::of_inputs(&scales.inputs))
        .add(ReconstructingRegressor::new(1))
        .add(Standardization::of_target(&scales.target));
    let model = Model::new(layers).seed(arguments.seed);
    let mut model = match arguments.threads {
        Some(threads) => model.threads(threads),
        None => model,
    };
    let deviation = scales.target.standard_deviation()[0];
    let standardized =
        move |y_true: &Tensor, y_pred: &Tensor| ((y_true - y_pred) / deviation).cast(DType::F32).square().mean_axes(&[-1]);
    model.compile(Nadam::new(arguments.learning_rate), standardized, [MeanAbsoluteError::new()]);
    model.build_on(&[Array::zeros([1, scales.inputs.mean().len()], DType::F64)])?;
    Ok(model)
}

#[cfg(test)]
mod tests {
    use endo::data::StandardScaler;

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
    fn predictions_are_in_the_target_s_unit_and_exports_carry_the_scaling() {
        let arguments = Arguments::parse(["endo", "--seed", "7"].map(Into::into)).unwrap();
        let scaler = |mean: f64, deviation: f64| StandardScaler::new([mean], [deviation]).unwrap();
        let scales = Scales { inputs: scaler(1.7e9, 10.0), target: scaler(2e5, 6e4) };
        let model = compiled(&scales, &arguments).unwrap();
        let x = Array::from([[1.7e9 - 12.5], [1.7e9], [1.7e9 + 0.25]]);
        let y = model.predict(&x).unwrap();
        assert_eq!(y.dtype(), DType::F64);
        let plain = Model::new(ReconstructingRegressor::new(1));
        plain.build([1, 1]).unwrap();
        let same = |name: &str| model.weights().into_iter().find(|weight| weight.name().ends_with(name)).unwrap().value();
        plain.weights().iter().for_each(|weight| weight.set(&same(weight.name())).unwrap());
        let standardized = plain.predict(&[[-1.25_f32], [0.0], [0.025]].into()).unwrap();
        assert!((0..3).all(|row| y.get(row) == standardized.get(row) * 6e4 + 2e5), "{y:?} and {standardized:?}");

        let path = std::env::temp_dir().join(format!("endo-cli-export-{}", std::process::id()));
        model.export(&path).unwrap();
        let predictor = Predictor::load(&path);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(predictor.unwrap().predict(&x).unwrap(), y);
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
