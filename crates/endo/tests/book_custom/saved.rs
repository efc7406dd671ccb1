//! Structs of the user's own with hyperparameters, saved with the model and restored by their
//! constructors.
//!
//! In: one of each kind. Out: a file that says them all, read again, and a model that predicts and
//! penalizes the same.

use endo::prelude::*;
use endo::random::Random;

use super::made_up_data;
use super::structs::{File, HuberLoss, MySoftplus};

struct Within {
    distance: f64,
    mean: Mean,
}

impl Metric for Within {
    fn name(&self) -> &str {
        "within"
    }

    fn update(&self, y_true: &Tensor, y_pred: &Tensor, _: Option<&Tensor>, cx: &mut Context) {
        self.mean.update(&(y_true - y_pred).abs().less(self.distance).cast(DType::F32), cx);
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        self.mean.result(cx)
    }

    fn variables(&self) -> Vec<Variable> {
        self.mean.variables()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new().with("distance", self.distance)
    }
}

struct MyNormal {
    stddev: f32,
}

impl Initializer for MyNormal {
    fn initialize(&self, shape: &Shape, random: &mut Random) -> Result<Array> {
        Ok(Array::from_fn(shape, |_| self.stddev * random.normal()))
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new().with("stddev", self.stddev)
    }
}

struct MyL1Regularizer {
    factor: f64,
}

impl Regularizer for MyL1Regularizer {
    fn penalty(&self, weights: &Tensor) -> Tensor {
        (self.factor * weights).abs().sum()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new().with("factor", self.factor)
    }
}

struct AtMost {
    maximum: f64,
}

impl Constraint for AtMost {
    fn project(&self, weights: &Tensor) -> Tensor {
        weights.minimum(self.maximum)
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new().with("maximum", self.maximum)
    }
}

/// A layer with hyperparameters of several types, one of them a value with its own.
struct MyDense {
    units: usize,
    scale: Option<f64>,
    label: String,
    activation: MySoftplus,
    kernel: Weight,
    initializer: MyNormal,
}

impl Layer for MyDense {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let kernel = self.kernel.get(self, [x.features(), self.units], &self.initializer, cx);
        self.activation.call(&(x.matmul(&kernel) * self.scale.unwrap_or(1.0)))
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new()
            .with("units", self.units)
            .with("scale", self.scale)
            .with("label", self.label.clone())
            .with_named("activation", self.activation.name())
    }
}

fn my_dense(
    units: usize,
    scale: Option<f64>,
    label: &str,
    beta: f64,
    stddev: f32,
    factor: f64,
    maximum: f64,
) -> MyDense {
    MyDense {
        units,
        scale,
        label: label.to_string(),
        activation: MySoftplus { beta },
        kernel: Weight::new("kernel")
            .regularizer(MyL1Regularizer { factor })
            .constraint(AtMost { maximum }),
        initializer: MyNormal { stddev },
    }
}

fn compiled(hidden: MyDense, threshold: f64, distance: f64) -> Model {
    let mut model = Model::new(
        Sequential::new().add(hidden).add(Dense::new(1).activation(MySoftplus { beta: 3.0 })),
    );
    let metrics = (Within { distance, mean: Mean::new("within") }, "mae");
    model.compile("nadam", HuberLoss { threshold }, metrics).build([1, 3]).unwrap();
    model
}

#[test]
fn one_of_each_kind_is_saved_and_restored() {
    let (data, file) = (made_up_data(96), File::new("all"));
    let mut model =
        compiled(my_dense(4, Some(0.5), "a \"b\", (c)", 2.0, 0.3, 0.01, 0.75), 2.0, 0.25);
    model.fit(&data, Fit::epochs(2)).unwrap();
    model.save(file.path()).unwrap();

    let saved = Saved::read(file.path()).unwrap();
    let hidden = saved.at("sequential/my_dense").unwrap();
    let label: String = hidden.get("label").unwrap();
    let restored = my_dense(
        hidden.get("units").unwrap(),
        hidden.get("scale").unwrap(),
        &label,
        hidden.get("activation.beta").unwrap(),
        hidden.get("kernel_initializer.stddev").unwrap(),
        hidden.get("kernel_regularizer.factor").unwrap(),
        hidden.get("kernel_constraint.maximum").unwrap(),
    );
    assert_eq!(
        (restored.scale, label.as_str(), restored.initializer.stddev),
        (Some(0.5), "a \"b\", (c)", 0.3)
    );
    let threshold = saved.get("loss", "threshold").unwrap();
    let distance = saved.get("metric within", "distance").unwrap();
    let restored = compiled(restored, threshold, distance);
    restored.load(file.path()).unwrap();
    assert_eq!(restored.predict(data.inputs()).unwrap(), model.predict(data.inputs()).unwrap());
    assert_eq!(restored.evaluate(&data).unwrap(), model.evaluate(&data).unwrap());
}

#[test]
fn the_file_says_what_the_model_is_made_of_and_the_same_model_is_the_same_file() {
    let files = ["first", "second"].map(File::new);
    for file in &files {
        compiled(my_dense(2, None, "plain", 1.0, 0.5, 0.1, 1.0), 2.0, 0.5)
            .save(file.path())
            .unwrap();
    }
    let [first, second] = files.each_ref().map(|file| std::fs::read(file.path()).unwrap());
    assert_eq!(first, second);
    let text = Saved::read(files[0].path()).unwrap().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "loss = huber_loss(threshold=2.0)",
            "metric within = within(distance=0.5)",
            "sequential/my_dense = MyDense(units=2, scale=none, label=plain, \
                activation=my_softplus(beta=1.0), \
             kernel_initializer=my_normal(stddev=0.5), \
             kernel_regularizer=my_l1_regularizer(factor=0.1), \
             kernel_constraint=at_most(maximum=1.0))",
            "sequential/dense = Dense(units=1, use_bias=true, activation=my_softplus(beta=3.0), \
             kernel_initializer=glorot_uniform, bias_initializer=zeros)",
        ]
    );
}

#[test]
fn weights_of_a_saved_model_are_read_alone_too() {
    let file = File::new("alone");
    let model = compiled(my_dense(2, None, "plain", 1.0, 0.5, 0.1, 1.0), 2.0, 0.5);
    model.save(file.path()).unwrap();
    let other = compiled(my_dense(2, None, "other", 9.0, 0.1, 0.2, 2.0), 5.0, 0.125);
    other.load_weights(file.path()).unwrap();
    let values = |model: &Model| model.weights().iter().map(Variable::value).collect::<Vec<_>>();
    assert_eq!(values(&other), values(&model));
}

#[test]
fn options_of_the_librarys_values_are_restored_too() {
    let file = File::new("library");
    let mut model = Model::new(
        Sequential::new()
            .add(Dropout::new(0.25))
            .add(Dense::new(1).activation(LeakyRelu.negative_slope(0.1))),
    );
    let losses = (Huber.delta(0.5), MeanSquaredError.with_reduction(Reduction::Sum));
    model.compile("sgd", losses, [Huber.delta(3.0)]).build([1, 3]).unwrap();
    model.save(file.path()).unwrap();
    let saved = Saved::read(file.path()).unwrap();
    let number = |place: &str, name: &str| saved.get::<f64>(place, name).unwrap();
    assert_eq!(number("loss 0", "delta"), 0.5);
    assert_eq!(saved.get::<String>("loss 1", "reduction").unwrap(), "sum");
    assert_eq!(number("metric huber", "delta"), 3.0);
    assert_eq!(number("sequential/dropout", "rate"), 0.25);
    assert_eq!(number("sequential/dense", "activation.negative_slope"), 0.1);
}
