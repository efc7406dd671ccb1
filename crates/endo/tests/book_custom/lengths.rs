//! The chapter's metric, layer and optimizer, each with its lines counted between two marks.
//!
//! In: this file. Out: the numbers that they give, and how many lines that are not blank they take.

use endo::prelude::*;

use super::{assert_near, made_up_data};

// The metric begins.
struct HuberMetric {
    threshold: f64,
    totals: Totals,
}

impl HuberMetric {
    fn new(threshold: f64) -> Self {
        Self { threshold, totals: Totals::new("huber_metric", ["total", "count"]) }
    }
}

impl Metric for HuberMetric {
    fn totals(&self) -> Option<&Totals> {
        Some(&self.totals)
    }
    fn update(&self, y_true: &Tensor, y_pred: &Tensor, _sample_weight: Option<&Tensor>, cx: &mut Context) {
        let values = huber(y_true, y_pred, self.threshold);
        self.totals.add([values.sum(), values.ones_like().sum()], cx);
    }
    fn result(&self, cx: &mut Context) -> Tensor {
        let [total, count] = self.totals.read(cx);
        total / count
    }
}
// The metric ends.

// The layer begins.
struct MyDense {
    units: usize,
    activation: Box<dyn ActivationFunction>,
    kernel: Weight,
    bias: Weight,
}

impl MyDense {
    fn new(units: usize, activation: impl ActivationFunction + 'static) -> Self {
        Self { units, activation: Box::new(activation), kernel: Weight::new("kernel"), bias: Weight::new("bias") }
    }
}

impl Layer for MyDense {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let kernel = self.kernel.get(self, [x.features(), self.units], &GlorotNormal, cx);
        let bias = self.bias.get(self, [self.units], &Zeros, cx);
        self.activation.call(&(x.matmul(&kernel) + bias))
    }
}
// The layer ends.

// The optimizer begins.
struct MyMomentumOptimizer {
    settings: Settings,
    momentum: f64,
}

impl MyMomentumOptimizer {
    fn new(learning_rate: f64, momentum: f64) -> Self {
        Self { settings: Settings::new(learning_rate), momentum }
    }
}

impl Optimizer for MyMomentumOptimizer {
    fn settings(&self) -> &Settings {
        &self.settings
    }
    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        let velocity = slots.get("momentum") * self.momentum - gradient * slots.rate();
        weight + slots.set("momentum", velocity)
    }
}
// The optimizer ends.

/// The lines that are not blank between the marks of one of them.
fn lines(what: &str) -> usize {
    let source = include_str!("lengths.rs");
    let after = source.split_once(&format!("\n// The {what} begins.\n")).expect("a first mark").1;
    let between = after.split_once(&format!("\n// The {what} ends.\n")).expect("a last mark").0;
    between.lines().filter(|line| !line.trim().is_empty()).count()
}

#[test]
fn each_takes_no_more_lines_than_in_keras() {
    // The class with `add_weight` twice, `update_state`, `result` and `get_config` has 22 lines that are not blank.
    assert_eq!(lines("metric"), 22);
    assert_eq!(lines("layer"), 18);
    assert_eq!(lines("optimizer"), 18);
}

#[test]
fn they_train_together_and_the_metric_is_read_through_the_model() {
    let mut model = Model::new(Sequential::new().add(MyDense::new(8, Relu)).add(MyDense::new(1, "linear")));
    model.compile(MyMomentumOptimizer::new(0.01, 0.9), Huber.delta(2.0), (HuberMetric::new(2.0), "mae"));
    let history = model.fit(&made_up_data(80), Fit::epochs(3)).unwrap();
    assert!(history.get("loss")[2] < history.get("loss")[0]);
    let read = model.metric("huber_metric").unwrap().value().unwrap().item().unwrap();
    let last = |name: &str| history.last(name).unwrap();
    assert_near([last("huber_metric"), read], [last("loss"); 2]);
    model.reset_metrics();
    let variables = model.metric("huber_metric").unwrap().variables();
    assert_eq!(
        variables.iter().map(|variable| variable.name()).collect::<Vec<_>>(),
        ["huber_metric/total", "huber_metric/count"]
    );
    assert!(variables.iter().all(|variable| variable.value().get(0) == 0.0));
}

#[test]
fn a_clone_reads_what_the_model_accumulates() {
    #[derive(Clone)]
    struct Largest {
        totals: Totals,
    }
    impl Metric for Largest {
        fn totals(&self) -> Option<&Totals> {
            Some(&self.totals)
        }
        fn update(&self, _: &Tensor, y_pred: &Tensor, _: Option<&Tensor>, cx: &mut Context) {
            let [largest] = self.totals.read(cx);
            self.totals.add([y_pred.max().maximum(&largest) - largest], cx);
        }
        fn result(&self, cx: &mut Context) -> Tensor {
            let [largest] = self.totals.read(cx);
            largest
        }
    }
    let largest = Largest { totals: Totals::new("largest", ["value"]) };
    let mut model = Model::new(Sequential::new());
    model.compile("sgd", "mse", [largest.clone()]);
    let data = Dataset::new([[1.0_f32], [7.0], [2.0]], [[0.0_f32], [0.0], [0.0]]).unwrap();
    let logs = model.evaluate_batches(&data, 1).unwrap();
    assert_eq!((logs.get("largest"), largest.value().unwrap().item().unwrap()), (Some(7.0), 7.0));
}
