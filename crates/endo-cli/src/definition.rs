//! Nets as files list their layers, and the book's regressor as such a list.
//!
//! In: a text in TOML. Out: a [`Definition`], from which a [`Net`] is made for any table.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use endo::prelude::*;
use endo::{Setting, Site, layers, losses, optimizers};
use serde::Deserialize;
use toml::{Spanned, Value};

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

/// A hidden layer as the text that makes it, such as `dense(units=64, activation=relu)`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(from = "Spanned<LayerTable>")]
pub struct LayerDefinition {
    text: String,
    /// Where it stands in the file, in bytes.
    start: usize,
    /// The line of the file, for errors; none of a layer that no file has.
    site: Option<Site>,
}

/// A layer of the library as a file has it: its name, and its arguments and options.
#[derive(Deserialize)]
struct LayerTable {
    #[serde(rename = "type")]
    name: String,
    #[serde(flatten)]
    options: toml::Table,
}

impl From<Spanned<LayerTable>> for LayerDefinition {
    fn from(table: Spanned<LayerTable>) -> Self {
        let start = table.span().start;
        let LayerTable { name, options } = table.into_inner();
        let options: Vec<String> = options
            .iter()
            .map(|(option, value)| format!("{}={}", option.write(), text_of(value)))
            .collect();
        Self { text: format!("{}({})", name.write(), options.join(", ")), start, site: None }
    }
}

/// A value of a file as the text of an option. What ends with a bracket is a value with options of
/// its own, such as `leaky_relu(0.1)`.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) if text.ends_with([')', ']']) => text.clone(),
        Value::String(text) => text.write(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(text_of).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
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
        let text = "dense(30, activation=selu, kernel_initializer=lecun_normal)".to_string();
        let dense = LayerDefinition { text, start: 0, site: None };
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
    /// If it cannot be read or makes no sense, with the line; if there is no layer, loss or
    /// optimizer of a name, or a layer has no such option.
    pub fn read(path: &Path) -> Result<Self> {
        let place = endo::data::shown_path(path);
        let text = std::fs::read_to_string(path).map_err(|error| {
            let message = format!("cannot read `{place}`: {error}");
            Error::new(ErrorKind::Io, message)
                .help("check the path; a relative one starts at the current folder")
        })?;
        Self::parse(&text, &place).map_err(|error| within(&place, error))
    }

    /// Reads a text that stands in a file.
    fn parse(text: &str, file: &str) -> Result<Self> {
        let example = "layers are listed as\n    [[layers]]\n    type = \"dense\"\n    units = \
            64\n    activation = \"relu\"";
        let mut definition: Self = toml::from_str(text).map_err(|error| {
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
        let file = kept(file);
        for (index, layer) in definition.layers.iter_mut().enumerate() {
            let line = text[..layer.start].matches('\n').count() + 1;
            layers::get(&layer.text)
                .map_err(|error| within(&format!("layer {} (line {line})", index + 1), error))?;
            layer.site = Some(Site::new(file, line as u32));
        }
        Ok(definition)
    }

    /// The net of these layers with `outputs` outputs.
    ///
    /// # Errors
    /// If there is no such layer.
    pub fn net(&self, outputs: usize) -> Result<Net> {
        let made = |layer: &LayerDefinition| Ok((layers::get(&layer.text)?, layer.site));
        let hidden = self.layers.iter().map(made).collect::<Result<_>>()?;
        Ok(Net {
            hidden,
            reconstruct: OnceLock::new(),
            weight: self.reconstruction,
            out: Dense::new(outputs),
        })
    }
}

/// Hidden layers, an output, and if its weight is not 0, a layer that reconstructs the inputs from
/// the last hidden one.
///
/// The reconstruction's mean squared error is the metric `reconstruction_error`, and that times the
/// weight the loss term `reconstruction`: it keeps the hidden layers from forgetting what they do
/// not need for the training rows alone.
pub struct Net {
    /// Each with its line of a file.
    hidden: Vec<(Arc<dyn Layer>, Option<Site>)>,
    reconstruct: OnceLock<Dense>, // sized by the first input
    weight: f64,
    out: Dense,
}

impl Layer for Net {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let mut z = inputs.clone();
        for (layer, site) in &self.hidden {
            let outside = cx.trace().set_line(*site);
            z = layer.apply(&z, cx);
            cx.trace().set_line(outside);
        }
        if self.weight > 0.0 {
            let reconstruct = self.reconstruct.get_or_init(|| Dense::new(inputs.features()));
            let error = (reconstruct.apply(&z, cx) - inputs).square().mean();
            cx.add_loss("reconstruction", self.weight * &error);
            cx.add_metric("reconstruction_error", &error);
        }
        self.out.apply(&z, cx)
    }
}

/// The name of a file, which sites of its lines have to the end of the process.
fn kept(file: &str) -> &'static str {
    static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(name) = names.get(file) {
        return name;
    }
    let name: &'static str = Box::leak(file.into());
    names.insert(name);
    name
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
        let definition = Definition::parse(text, "net.toml").unwrap();
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
        let message = |text: &str| Definition::parse(text, "net.toml").unwrap_err().to_string();
        let layer = |rest: &str| message(&format!("[[layers]]\n{rest}"));
        assert!(layer("type = \"dense\"\nunits = \"many\"").contains("units"));
        assert!(
            layer("type = \"conf1d\"")
                .contains("layer 1 (line 1): there is no layer called `conf1d`")
        );
        assert!(layer("units = 3").contains("missing field `type`"));
        assert_eq!(
            layer("type = \"flatten\"\n\n[[layers]]\ntype = \"dropout\"\nrate = 1.0"),
            "layer 2 (line 4): the option `rate` of `dropout(rate=1.0)` is a number of at least 0 \
             and less than 1, got `1.0`\n  help: give it as in `dropout(rate=..)`"
        );
        assert!(
            layer("type = \"dense\"\nunits = 3\nactivation = \"rellu\"")
                .contains("did you mean `relu`?")
        );
        assert!(layer("type = \"dense\"\nunit = 3").contains("did you mean `units`?"));
        let units = "the option `units` of `dense(units=0)` is a whole number from 1, got `0`";
        assert!(layer("type = \"dense\"\nunits = 0").contains(units));
        for (name, option) in [
            ("gaussian_noise", "stddev"),
            ("batch_normalization", "momentum"),
            ("layer_normalization", "epsilon"),
        ] {
            let refused = layer(&format!("type = \"{name}\"\n{option} = -1"));
            assert!(refused.contains(&format!("`{option}` of `{name}({option}=-1)`")), "{refused}");
        }
        let activation = "type = \"activation\"\nactivation = \"relu, name=x\"";
        assert!(layer(activation).contains("there is no activation called `\"relu, name=x\"`"));
        assert!(message("layers = []\noptimizer = \"adaam\"").contains("did you mean `adam`?"));
        assert!(message("layers = []\nepoch = 3").contains("unknown field `epoch`"));
        assert!(message("layers = [").contains("line 1"));
    }

    #[test]
    fn any_layer_can_be_listed_with_its_options() {
        let text = r#"
            [[layers]]
            type = "Reshape"
            target_shape = [4, -1]
            [[layers]]
            type = "layer_normalization"
            axis = [1, 2]
            gamma_initializer = "constant(2)"
            trainable = false
            name = "a (b), c"
            [[layers]]
            type = "PReLU"
            shared_axes = [1]
            [[layers]]
            type = "flatten"
        "#;
        let model = Model::new(Definition::parse(text, "net.toml").unwrap().net(2).unwrap());
        model.build([4, 8]).unwrap();
        let weights = model.weights();
        let names: Vec<&str> = weights.iter().map(|weight| weight.name()).collect();
        assert_eq!(names[..3], ["a (b), c/gamma", "a (b), c/beta", "p_relu/alpha"]);
        assert_eq!(weights[0].value(), Array::full([4, 2], 2.0, DType::F32));
        assert!(!weights[0].is_trainable());
        assert_eq!(weights[2].shape().sizes(), [1, 2]);
        // Eight numbers a row, and not the nine of this table.
        let error = model.build([4, 9]).unwrap_err();
        assert!(
            error.message().contains("`Reshape` of samples of shape [9] to [4, -1]"),
            "{error}"
        );
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

    #[test]
    fn a_layer_that_does_not_fit_is_told_with_its_line() {
        let text =
            "[[layers]]\ntype = \"dense\"\nunits = 4\n[[layers]]\ntype = \"lstm\"\nunits = 3";
        let model = Model::new(Definition::parse(text, "net.toml").unwrap().net(1).unwrap());
        let error = model.build([4, 3]).unwrap_err();
        assert_eq!(error.site(), Some(Site::new("net.toml", 4)), "{error}");
    }
}
