//! Nets as files list their layers, and the book's regressor as such a list.
//!
//! In: a text in TOML. Out: a [`Definition`], from which a [`Net`] is made for any table.

use std::path::Path;
use std::sync::OnceLock;

use endo::prelude::*;
use endo::{activations, losses, optimizers};
use serde::Deserialize;

use crate::output::within;

/// Hidden layers, and how they are trained.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// A loss by its Keras name; the mean squared error of numbers and the cross entropy of classes
    /// if there is none.
    pub loss: Option<String>,
    /// An optimizer by its Keras name, with its options, and a schedule as its learning rate:
    /// `adamw(cosine_decay(0.01, 1000))`.
    #[serde(default = "nadam")]
    pub optimizer: String,
    /// Passes over the training rows.
    #[serde(default = "epochs")]
    pub epochs: usize,
    /// Rows in a step.
    #[serde(default = "batch_size")]
    pub batch_size: usize,
    /// How much the reconstruction of the inputs from the last hidden layer weighs in the loss.
    #[serde(default)]
    pub reconstruction: f64,
    /// The hidden layers. The output is added to them.
    pub layers: Vec<LayerDefinition>,
}

/// A hidden layer by its Keras name, with Keras's arguments.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum LayerDefinition {
    /// A linear layer with an activation.
    Dense { units: usize, activation: Option<String>, kernel_initializer: Option<String> },
    /// An activation.
    Activation { activation: String },
    /// Inputs that are left out at random in training.
    Dropout { rate: f64 },
    /// The same, with the mean and variance kept.
    AlphaDropout { rate: f64 },
    /// Noise that is multiplied with the inputs in training.
    GaussianDropout { rate: f64 },
    /// Noise that is added to the inputs in training.
    GaussianNoise { stddev: f64 },
    /// Normalization over the batch.
    BatchNormalization { momentum: Option<f64>, epsilon: Option<f64> },
    /// Normalization over the features.
    LayerNormalization { epsilon: Option<f64> },
    /// Division by the root of the mean square of the features.
    RmsNormalization { epsilon: Option<f64> },
}

fn nadam() -> String {
    "nadam".to_string()
}

fn epochs() -> usize {
    20
}

fn batch_size() -> usize {
    32
}

impl Definition {
    /// The book's reconstructing regressor: five layers of 30 SELU units, whose last activations
    /// must also be able to reconstruct the inputs. After Géron, *Hands-On Machine Learning*,
    /// "Losses and Metrics Based on Model Internals".
    pub fn regressor() -> Self {
        let dense = LayerDefinition::Dense {
            units: 30,
            activation: Some("selu".to_string()),
            kernel_initializer: Some("lecun_normal".to_string()),
        };
        let (optimizer, epochs, batch_size) = (nadam(), epochs(), batch_size());
        Self {
            loss: None,
            optimizer,
            epochs,
            batch_size,
            reconstruction: 0.05,
            layers: vec![dense; 5],
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read or makes no sense, with the line; if there is no layer, loss, optimizer
    /// or activation of a name.
    pub fn read(path: &Path) -> Result<Self> {
        let place = endo::data::shown_path(path);
        let text = std::fs::read_to_string(path).map_err(|error| {
            let message = format!("cannot read `{place}`: {error}");
            Error::new(ErrorKind::Io, message)
                .help("check the path; a relative one starts at the current folder")
        })?;
        Self::parse(&text).map_err(|error| within(&place, error))
    }

    fn parse(text: &str) -> Result<Self> {
        let example = "layers are listed as\n    [[layers]]\n    type = \"dense\"\n    units = \
            64\n    activation = \"relu\"";
        let definition: Self = toml::from_str(text).map_err(|error| {
            Error::new(ErrorKind::Data, error.to_string().trim_end().to_string()).help(example)
        })?;
        optimizers::get(&definition.optimizer)?;
        definition.loss.as_deref().map(losses::get).transpose()?;
        let positive = |what: &str, value: f64| {
            if value > 0.0 && value.is_finite() {
                Ok(())
            } else {
                Err(Error::new(ErrorKind::Data, format!("{what} is {value}"))
                    .help("give a positive number"))
            }
        };
        positive("`epochs`", definition.epochs as f64)?;
        positive("`batch_size`", definition.batch_size as f64)?;
        if definition.reconstruction != 0.0 {
            positive("`reconstruction`", definition.reconstruction)?;
        }
        for layer in &definition.layers {
            match layer {
                LayerDefinition::Dense { units, activation, kernel_initializer } => {
                    positive("`units`", *units as f64)?;
                    activation.as_deref().map(activations::get).transpose()?;
                    kernel_initializer.as_deref().map(endo::initializers::get).transpose()?;
                }
                LayerDefinition::Activation { activation } => drop(activations::get(activation)?),
                LayerDefinition::Dropout { rate }
                | LayerDefinition::AlphaDropout { rate }
                | LayerDefinition::GaussianDropout { rate } => {
                    if !(0.0..1.0).contains(rate) {
                        let error = Error::new(ErrorKind::Data, format!("`rate` is {rate}"));
                        return Err(error.help("give a number of at least 0 and less than 1"));
                    }
                }
                LayerDefinition::GaussianNoise { stddev } => positive("`stddev`", *stddev)?,
                LayerDefinition::BatchNormalization { momentum, epsilon } => {
                    momentum.map_or(Ok(()), |momentum| positive("`momentum`", momentum))?;
                    epsilon.map_or(Ok(()), |epsilon| positive("`epsilon`", epsilon))?;
                }
                LayerDefinition::LayerNormalization { epsilon }
                | LayerDefinition::RmsNormalization { epsilon } => {
                    epsilon.map_or(Ok(()), |epsilon| positive("`epsilon`", epsilon))?;
                }
            }
        }
        Ok(definition)
    }

    /// The net of these layers with `outputs` outputs.
    ///
    /// # Errors
    /// If there is no activation of a name.
    pub fn net(&self, outputs: usize) -> Result<Net> {
        let hidden =
            self.layers.iter().try_fold(Sequential::new(), |net, layer| layer.add_to(net))?;
        Ok(Net {
            hidden,
            reconstruct: OnceLock::new(),
            weight: self.reconstruction,
            out: Dense::new(outputs),
        })
    }
}

impl LayerDefinition {
    fn add_to(&self, net: Sequential) -> Result<Sequential> {
        Ok(match self {
            Self::Dense { units, activation, kernel_initializer } => {
                let activation = activation.as_deref().map(activations::get).transpose()?;
                let initializer =
                    kernel_initializer.as_deref().map(endo::initializers::get).transpose()?;
                let dense = with(Dense::new(*units), activation, Dense::activation);
                net.add(with(dense, initializer, Dense::kernel_initializer))
            }
            Self::Activation { activation } => {
                net.add(Activation::new(activations::get(activation)?))
            }
            Self::Dropout { rate } => net.add(Dropout::new(*rate)),
            Self::AlphaDropout { rate } => net.add(AlphaDropout::new(*rate)),
            Self::GaussianDropout { rate } => net.add(GaussianDropout::new(*rate)),
            Self::GaussianNoise { stddev } => net.add(GaussianNoise::new(*stddev)),
            Self::BatchNormalization { momentum, epsilon } => {
                let layer =
                    with(BatchNormalization::new(), *momentum, BatchNormalization::momentum);
                net.add(with(layer, *epsilon, BatchNormalization::epsilon))
            }
            Self::LayerNormalization { epsilon } => {
                net.add(with(LayerNormalization::new(), *epsilon, LayerNormalization::epsilon))
            }
            Self::RmsNormalization { epsilon } => {
                net.add(with(RmsNormalization::new(), *epsilon, RmsNormalization::epsilon))
            }
        })
    }
}

/// A layer with an option, if it is given.
fn with<L, V>(layer: L, value: Option<V>, set: impl FnOnce(L, V) -> L) -> L {
    match value {
        Some(value) => set(layer, value),
        None => layer,
    }
}

/// Hidden layers, an output, and if its weight is not 0, a layer that reconstructs the inputs from
/// the last hidden one.
///
/// The reconstruction's mean squared error is the metric `reconstruction_error`, and that times the
/// weight the loss term `reconstruction`: it keeps the hidden layers from forgetting what they do
/// not need for the training rows alone.
pub struct Net {
    hidden: Sequential,
    reconstruct: OnceLock<Dense>, // sized by the first input
    weight: f64,
    out: Dense,
}

impl Layer for Net {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let z = self.hidden.layers().iter().fold(inputs.clone(), |z, layer| layer.apply(&z, cx));
        if self.weight > 0.0 {
            let reconstruct = self.reconstruct.get_or_init(|| Dense::new(inputs.features()));
            let error = (reconstruct.apply(&z, cx) - inputs).square().mean();
            cx.add_loss("reconstruction", self.weight * &error);
            cx.add_metric("reconstruction_error", &error);
        }
        self.out.apply(&z, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_listed_with_keras_s_names() {
        let text = r#"
            optimizer = "adamw(cosine_decay(0.01, 100), weight_decay=0.02)"
            loss = "huber"
            reconstruction = 0.1
            [[layers]]
            type = "dense"
            units = 16
            activation = "leaky_relu(0.1)"
            [[layers]]
            type = "batch_normalization"
            [[layers]]
            type = "dropout"
            rate = 0.2
            [[layers]]
            type = "activation"
            activation = "tanh"
        "#;
        let definition = Definition::parse(text).unwrap();
        assert_eq!(
            (definition.epochs, definition.batch_size, definition.layers.len()),
            (20, 32, 4)
        );
        let model = Model::new(definition.net(2).unwrap());
        model.build([4, 3]).unwrap();
        let names: Vec<String> =
            model.weights().iter().map(|weight| weight.name().to_string()).collect();
        assert_eq!(names.len(), 2 + 4 + 2 + 2, "{names:?}");
        assert_eq!(
            model.predict(&Array::zeros([4, 3], DType::F32)).unwrap().shape().sizes(),
            [4, 2]
        );
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let message = |text: &str| Definition::parse(text).unwrap_err().to_string();
        let layer = |rest: &str| message(&format!("[[layers]]\n{rest}"));
        assert!(layer("type = \"dense\"\nunits = \"many\"").contains("units"));
        assert!(layer("type = \"conv\"").contains("unknown variant `conv`"));
        assert!(layer("type = \"dropout\"\nrate = 1.0").contains("`rate` is 1"));
        assert!(
            layer("type = \"dense\"\nunits = 3\nactivation = \"rellu\"")
                .contains("did you mean `relu`?")
        );
        assert!(layer("type = \"dense\"\nunits = 0").contains("`units` is 0"));
        assert!(message("layers = []\noptimizer = \"adaam\"").contains("did you mean `adam`?"));
        assert!(message("layers = []\nepoch = 3").contains("unknown field `epoch`"));
        assert!(message("layers = [").contains("line 1"));
    }

    #[test]
    fn the_loss_is_the_main_one_and_the_weighted_reconstruction() {
        let x = Array::from([[1.0_f32, -2.0, 0.5], [0.0, 1.0, 2.0]]);
        let data = Dataset::new(x, Array::from([[1.0_f32], [2.0]])).unwrap();
        let mut model = Model::new(Definition::regressor().net(1).unwrap());
        model.compile(Nadam::default(), MeanSquaredError, ());
        let logs = model.evaluate(&data).unwrap();
        let [loss, main, term, error] = ["loss", "main", "reconstruction", "reconstruction_error"]
            .map(|name| logs.get(name).unwrap());
        assert!((term - 0.05 * error).abs() < 1e-6, "{logs}");
        assert!((loss - main - term).abs() < 1e-6, "{logs}");
    }

    #[test]
    fn the_regressor_s_seven_layers_have_kernels_and_biases() {
        let model = Model::new(Definition::regressor().net(1).unwrap());
        model.build([32, 8]).unwrap();
        let hidden = (8 * 30 + 30) + 4 * (30 * 30 + 30);
        assert_eq!(model.weights().len(), 14);
        assert_eq!(model.summary().unwrap().parameters(), hidden + (30 * 8 + 8) + (30 + 1));
    }
}
