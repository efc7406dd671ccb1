//! The nets whose steps are measured, and how long a step of one takes.
//!
//! In: the names of nets. Out: models, data for them, and the fastest time of a step.

pub mod exchange;

use endo::prelude::*;
use endo::{Error, ErrorKind};

/// The weights of a layer, and how often each is multiplied for one row.
pub type LayerSize = [u32; 2];

/// A net with data for it, and the rows of a step.
pub struct Workload {
    pub name: &'static str,
    pub batch: usize,
    pub model: fn() -> Model,
    pub data: fn() -> Dataset,
    pub layers: &'static [LayerSize],
}

/// The nets of `endo-bench` by these names.
pub const WORKLOADS: [Workload; 4] = [
    Workload {
        name: "page",
        batch: 32,
        model: page,
        data: || rows([11_610, 8]),
        layers: &[[270, 1], [930, 1], [930, 1], [930, 1], [930, 1], [279, 1]],
    },
    Workload {
        name: "mnist-mlp",
        batch: 128,
        model: || mlp(&[512, 512], 10),
        data: || classes(&[6400, 784], 10),
        layers: &[[401_920, 1], [262_656, 1], [5130, 1]],
    },
    Workload {
        name: "wide-mlp",
        batch: 256,
        model: || mlp(&[4096, 4096], 1000),
        data: || classes(&[512, 1024], 1000),
        layers: &[[4_198_400, 1], [16_781_312, 1], [4_097_000, 1]],
    },
    Workload {
        name: "convnet",
        batch: 64,
        model: convnet,
        data: || classes(&[320, 32, 32, 3], 10),
        layers: &[
            [896, 1024],
            [9248, 1024],
            [18_496, 256],
            [36_928, 256],
            [1_048_832, 1],
            [2570, 1],
        ],
    },
];

fn page() -> Model {
    let hidden: Vec<Dense> = (0..5).map(|_| Dense::new(30).activation("selu")).collect();
    let (reconstruct, out) = (Dense::new(8), Dense::new(1));
    let net = move |x: &Tensor, cx: &mut Context| {
        let z = hidden.iter().fold(x.clone(), |z, layer| layer.apply(&z, cx));
        let error = (reconstruct.apply(&z, cx) - x).square().mean();
        cx.add_loss("reconstruction", 0.05 * &error);
        cx.add_metric("reconstruction_error", &error);
        out.apply(&z, cx)
    };
    compiled(Model::new(net), "mse")
}

fn mlp(hidden: &[usize], outputs: usize) -> Model {
    let add = |net: Sequential, units: &usize| net.add(Dense::new(*units).activation("relu"));
    let net = hidden.iter().fold(Sequential::new(), add).add(Dense::new(outputs));
    compiled(Model::new(net), "sparse_categorical_crossentropy(from_logits=true)")
}

fn convnet() -> Model {
    let convolution = |filters| Conv2D::new(filters, 3).padding(Padding::Same).activation("relu");
    let net = Sequential::new()
        .add(convolution(32))
        .add(convolution(32))
        .add(MaxPooling2D::new(2))
        .add(convolution(64))
        .add(convolution(64))
        .add(MaxPooling2D::new(2))
        .add(Flatten::new())
        .add(Dense::new(256).activation("relu"))
        .add(Dense::new(10));
    compiled(Model::new(net), "sparse_categorical_crossentropy(from_logits=true)")
}

fn compiled(mut model: Model, loss: &'static str) -> Model {
    model.compile("nadam", loss, ());
    model
}

fn rows(shape: [usize; 2]) -> Dataset {
    let x = Array::from_fn(shape, |i| ((i * 7919 % 1009) as f32 / 500.0 - 1.0).sin());
    let y = Array::from_fn([shape[0], 1], |i| (0.1 * i as f32).sin());
    Dataset::new(x, y).expect("rows that fit")
}

fn classes(shape: &[usize], classes: usize) -> Dataset {
    let x = Array::from_fn(shape.to_vec(), |i| ((i * 7919 % 1009) as f32 / 1009.0).sin());
    let y = Array::from_fn([shape[0]], |i| (i * 31 % classes) as i32);
    Dataset::new(x, y).expect("rows that fit")
}

impl Workload {
    /// The nets of these names, or all where none is named.
    ///
    /// # Errors
    /// If there is no net of a name.
    pub fn named(names: &[String]) -> Result<Vec<&'static Self>> {
        let all: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
        if let Some(name) = names.iter().find(|name| !all.contains(&name.as_str())) {
            let help = format!("name some of {}, or none for all of them", all.join(", "));
            return Err(
                Error::new(ErrorKind::Argument, format!("there is no net `{name}`")).help(help)
            );
        }
        let is_asked =
            |workload: &&Self| names.is_empty() || names.iter().any(|name| name == workload.name);
        Ok(WORKLOADS.iter().filter(is_asked).collect())
    }

    /// How many weights the net has.
    pub fn weights(&self) -> u32 {
        self.layers.iter().map(|[weights, _]| weights).sum()
    }

    /// The seconds of a step on a batch of `rows`, of the fastest epoch: what else the machine does
    /// slows others down.
    ///
    /// # Errors
    /// Those of `fit`.
    pub fn step(&self, mut model: Model, rows: usize) -> Result<f64> {
        let data = (self.data)();
        let epochs = if data.len() < 1000 { 6 } else { 9 };
        let history = model.fit(&data, Fit::epochs(epochs).batch_size(rows))?;
        let seconds = history.epochs.iter().map(|epoch| epoch.seconds);
        Ok(seconds.fold(f64::INFINITY, f64::min) / data.len().div_ceil(rows) as f64)
    }
}
