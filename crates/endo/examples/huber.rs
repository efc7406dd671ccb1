//! One function three ways: a loss, a metric by hand that streams its total and count, and a metric
//! built on `Mean`.
//!
//! `cargo run --release -p endo --example huber`

mod data;

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
pub fn huber_metric(threshold: f64) -> Streaming<2> {
    let huber = create_huber(threshold);
    let add = move |y_true: &Tensor, y_pred: &Tensor, _sample_weight: Option<&Tensor>| {
        let sample_metrics = huber(y_true, y_pred);
        [sample_metrics.sum(), sample_metrics.ones_like().sum()]
    };
    Streaming::new("huber_metric", ["total", "count"], add, |[total, count]| total / count)
        .with("threshold", threshold)
}
// ANCHOR_END: huber_metric

// ANCHOR: huber_mean
/// The library's mean, which knows about sample weights.
pub fn huber_mean(threshold: f64) -> MeanMetricWrapper {
    MeanMetricWrapper::new(create_huber(threshold)).name("huber_mean")
}
// ANCHOR_END: huber_mean

/// A model whose loss is ours, and its metrics.
pub fn model() -> Model {
    let mut model =
        Model::new(Sequential::new().add(Dense::new(30).activation("relu")).add(Dense::new(1)));
    model
        .compile(Nadam::default(), create_huber(2.0), [huber_metric(2.0)])
        .weighted_metrics([huber_mean(2.0)]);
    model
}

fn main() -> Result<()> {
    println!("batch by batch, outside of any model");
    let metric = huber_metric(2.0);
    for (y_true, y_pred) in [(vec![2.0_f32], vec![10.0_f32]), (vec![0.0, 5.0], vec![1.0, 9.25])] {
        let result = metric.update_on(&y_true.into(), &y_pred.into())?;
        let [total, count] = ["total", "count"]
            .map(|name| metric.total(name).map_or(0.0, |variable| variable.value().get(0)));
        println!("  total {total:>2}  count {count}  result {}", result.item()?);
    }

    let train = data::made_up(1152)?;
    let weights = Array::from_fn(train.len(), |row| (row % 5) as f32 / 4.0);
    let mean_weight = weights.to_vec::<f64>().iter().sum::<f64>() / train.len() as f64;
    let history = model().fit(&train.with_sample_weight(weights)?, Fit::epochs(3))?;
    println!("\nwith sample weights of mean {mean_weight:.3}");
    for epoch in &history.epochs {
        let [loss, plain, weighted] = ["loss", "huber_metric", "huber_mean"]
            .map(|name| epoch.logs.get(name).unwrap_or_default());
        println!(
            "  loss {loss:.4} = {:.4} = weighted mean {weighted:.4} * mean weight; plain mean \
                {plain:.4}",
            weighted * mean_weight
        );
    }
    Ok(())
}
