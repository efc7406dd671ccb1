//! One function three ways: a loss, a metric by hand that streams its total and count, and a metric built on `Mean`.
//!
//! `cargo run --release -p endo --example huber`

mod data;

use std::sync::Arc;

use endo::prelude::*;

/// Small errors squared, large ones linear.
fn create_huber(threshold: f64) -> impl Fn(&Tensor, &Tensor) -> Tensor + Send + Sync {
    move |y_true: &Tensor, y_pred: &Tensor| {
        let error = y_true - y_pred;
        let squared = error.square() / 2.0;
        let linear = threshold * error.abs() - threshold * threshold / 2.0;
        error.abs().less(threshold).where_(squared, linear)
    }
}

// ANCHOR: huber_metric
/// A total and a count of its own.
pub struct HuberMetric {
    threshold: f64,
    total: Variable,
    count: Variable,
}

impl HuberMetric {
    /// Nothing taken in yet.
    pub fn new(threshold: f64) -> Self {
        let [total, count] = ["total", "count"].map(|name| Variable::new(name, 0.0_f32).frozen());
        Self { threshold, total, count }
    }
}

impl Metric for HuberMetric {
    fn name(&self) -> &str {
        "huber_metric"
    }

    fn update(&self, y_true: &Tensor, y_pred: &Tensor, _sample_weight: Option<&Tensor>, cx: &mut Context) {
        let sample_metrics = create_huber(self.threshold)(y_true, y_pred);
        cx.assign_add(&self.total, sample_metrics.sum());
        cx.assign_add(&self.count, sample_metrics.ones_like().sum());
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        cx.read(&self.total) / cx.read(&self.count)
    }

    fn variables(&self) -> Vec<Variable> {
        vec![self.total.clone(), self.count.clone()]
    }
}
// ANCHOR_END: huber_metric

// ANCHOR: huber_mean
/// The library's mean, which knows about sample weights.
pub struct HuberMean {
    threshold: f64,
    mean: Mean,
}

impl HuberMean {
    /// Nothing taken in yet.
    pub fn new(threshold: f64) -> Self {
        Self { threshold, mean: Mean::new("huber_mean") }
    }
}

impl Metric for HuberMean {
    fn name(&self) -> &str {
        self.mean.name()
    }

    fn update(&self, y_true: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>, cx: &mut Context) {
        let values = create_huber(self.threshold)(y_true, y_pred);
        Metric::update(&self.mean, y_true, &values, sample_weight, cx);
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        self.mean.result(cx)
    }

    fn variables(&self) -> Vec<Variable> {
        self.mean.variables()
    }
}
// ANCHOR_END: huber_mean

fn main() -> Result<()> {
    println!("batch by batch, outside of any model");
    let metric = HuberMetric::new(2.0);
    for (y_true, y_pred) in [(vec![2.0_f32], vec![10.0_f32]), (vec![0.0, 5.0], vec![1.0, 9.25])] {
        let result = metric.update_on(&y_true.into(), &y_pred.into())?;
        let [total, count] = [&metric.total, &metric.count].map(|variable| variable.value().get(0));
        println!("  total {total:>2}  count {count}  result {}", result.item()?);
    }

    let train = data::made_up(1152)?;
    let weights = Array::from_fn(train.len(), |row| (row % 5) as f32 / 4.0);
    let mean_weight = weights.to_vec::<f64>().iter().sum::<f64>() / train.len() as f64;
    let mut model = Model::new(Sequential::new().add(Dense::new(30).activation("relu")).add(Dense::new(1)));
    model
        .compile(Nadam::default(), create_huber(2.0), [Arc::new(HuberMetric::new(2.0))])
        .weighted_metrics([Arc::new(HuberMean::new(2.0))]);
    let history = model.fit(&train.with_sample_weight(weights)?, Fit::epochs(3))?;
    println!("\nwith sample weights of mean {mean_weight:.3}");
    for epoch in &history.epochs {
        let [loss, plain, weighted] = ["loss", "huber_metric", "huber_mean"].map(|name| epoch.logs.get(name).unwrap_or_default());
        println!(
            "  loss {loss:.4} = {:.4} = weighted mean {weighted:.4} * mean weight; plain mean {plain:.4}",
            weighted * mean_weight
        );
    }
    Ok(())
}
