//! Tracing and planning: what the first step of a shape costs before it runs.
//!
//! In: nets of a few and of many layers. Out: milliseconds, whole and in parts, and microseconds a
//! layer.

use std::time::Instant;

use endo::graph::Graph;
use endo::plan::Plan;
use endo::prelude::*;

use crate::json_line::JsonLine;
use crate::machine::best_of;
use crate::nets::{Net, Regressor};
use crate::statistics::Spread;
use crate::workloads::{MeasureOptions, Outcome};

/// The regressor's step: `trace_ms` is the first in the process, weights made on the way;
/// `again_ms` the median of the next ones, each of a new model. Of those, `graph_ms` is tracing and
/// differentiating, `plan_ms` the passes of the planner.
pub fn regressor(options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
    let data = Net::Regressor.data(32)?;
    let trace = || -> Result<f64> {
        let model = Net::Regressor.model(options.threads, options.numbers);
        let start = Instant::now();
        model.training_program(&data)?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    let first = trace()?;
    let again = (0..20).map(|_| trace()).collect::<Result<Vec<f64>>>()?;
    let (graph, graph_ms) = graph(&data)?;
    let nodes = graph.nodes.len();
    let (plan, _) = best_of(20, || Plan::new(&graph, &endo::cpu::ProcessorTuning));
    let line = JsonLine::of("trace-regressor")
        .measured("trace_ms", first)
        .measured("again_ms", Spread::of(&again).map_or(f64::NAN, |spread| spread.median))
        .measured("graph_ms", graph_ms)
        .measured("plan_ms", plan * 1e3)
        .with("nodes", nodes);
    Ok(vec![line])
}

/// The graph of the regressor's step, and the milliseconds of the best of twenty traces.
fn graph(data: &Dataset) -> Outcome<(Graph, f64)> {
    let model = Model::new(Regressor::new(false));
    let optimizer = Nadam::default();
    let mut step = Function::new(|[x, y], cx| {
        let y_pred = model.apply(&x, cx);
        let main_loss = mean_squared_error(&y, &y_pred).mean();
        let loss = cx.losses().iter().fold(main_loss, |sum, term| sum + term);
        optimizer.apply(&cx.gradients(&loss, model.trainable_weights()), cx);
        [loss]
    });
    let arrays = [data.inputs(), data.targets().ok_or("the data have no targets")?];
    let (seconds, graph) = best_of(20, || step.graph(arrays));
    Ok((graph?, seconds * 1e3))
}

/// Layers of 16 units one after another, 10, 100 and 1,000 of them: a line for each. `us_per_layer`
/// stays as it is where the cost is linear.
pub fn depth(options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
    [10, 100, 1000].into_iter().map(|layers| deep(layers, options.threads)).collect()
}

fn deep(layers: usize, threads: usize) -> Outcome<JsonLine> {
    const UNITS: usize = 16;
    let data =
        Dataset::new(Array::zeros([32, UNITS], DType::F32), Array::zeros([32, UNITS], DType::F32))?;
    let net = || {
        (0..layers).fold(Sequential::new(), |net, _| net.add(Dense::new(UNITS).activation(Relu)))
    };
    let (median, arena_bytes) = traced(&data, threads, net)?;
    let line = JsonLine::of("trace-depth")
        .with("layers", layers)
        .measured("trace_ms", median)
        .measured("us_per_layer", median * 1e3 / layers as f64)
        .with("arena_bytes", arena_bytes);
    Ok(line)
}

/// An LSTM of 16 units over 100, 1,000 and 10,000 steps: a line for each. `trace_ms` stays as it
/// is, since the steps are one loop.
pub fn steps(options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
    [100, 1000, 10_000].into_iter().map(|steps| long(steps, options.threads)).collect()
}

fn long(steps: usize, threads: usize) -> Outcome<JsonLine> {
    let data =
        Dataset::new(Array::zeros([4, steps, 8], DType::F32), Array::zeros([4, 1], DType::F32))?;
    let net = || Sequential::new().add(Lstm::new(16)).add(Dense::new(1));
    let (median, arena_bytes) = traced(&data, threads, net)?;
    let line = JsonLine::of("trace-steps")
        .with("steps", steps)
        .measured("trace_ms", median)
        .with("arena_bytes", arena_bytes);
    Ok(line)
}

/// The milliseconds in which the training step of a new model is traced and planned, the median of
/// three, and the bytes of its arena.
fn traced(data: &Dataset, threads: usize, net: impl Fn() -> Sequential) -> Outcome<(f64, usize)> {
    let mut times = Vec::new();
    let mut arena_bytes = 0;
    for _ in 0..3 {
        let mut model = Model::new(net()).threads(threads);
        model.compile(Adam::default(), MeanSquaredError, ());
        let start = Instant::now();
        let program = model.training_program(data)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        arena_bytes = program.plan().arena_bytes();
    }
    Ok((Spread::of(&times).map_or(f64::NAN, |spread| spread.median), arena_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_traced_graph_is_that_of_a_step() {
        let (graph, milliseconds) = graph(&Net::Regressor.data(32).unwrap()).unwrap();
        assert!(milliseconds > 0.0);
        // Every weight and both of its slots are written.
        assert!(graph.writes.len() >= 3 * 14, "{} writes", graph.writes.len());
    }

    #[test]
    fn deep_nets_and_long_sequences_are_traced_whole() {
        let line = long(7, 1).unwrap().to_string();
        assert!(line.starts_with(r#"{"workload": "trace-steps", "steps": 7, "#), "{line}");
        let line = deep(3, 1).unwrap().to_string();
        assert!(line.starts_with(r#"{"workload": "trace-depth", "layers": 3, "#), "{line}");
    }
}
