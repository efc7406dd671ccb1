//! Steps of a net that looks words up in a large table, by optimizers that update the rows that
//! were looked up, and by one that updates all.
//!
//! In: options. Out: microseconds a step in the best epoch and the memory of a step, a line for
//! each optimizer.

use endo::optimizers;
use endo::prelude::*;
use endo::random::Random;

use crate::json_line::JsonLine;
use crate::steps;
use crate::workloads::{MeasureOptions, Outcome};

const WORDS: usize = 100_000;
const FEATURES: usize = 64;
const WORDS_OF_TEXT: usize = 32;
const BATCH: usize = 64;
const STEPS: usize = 20;

/// The optimizers, of which the last one alone updates all rows in each step.
const OPTIMIZERS: [&str; 4] = ["sgd", "adagrad", "adam(lazy=true)", "adam"];

/// A line for each optimizer.
pub fn measure(options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
    let batch = options.batch.unwrap_or(BATCH);
    let data = texts(STEPS * batch)?;
    let line = |optimizer: &str| -> Outcome<JsonLine> {
        let mut model = model(options.threads);
        let loss = BinaryCrossentropy::new().from_logits(true);
        model.compile(optimizers::get(optimizer)?, loss, ());
        let program = model.training_program(&data.rows(0..batch)?)?;
        let arena_bytes = program.plan().arena_bytes();
        drop(program);
        let steps::Epochs { best, allocations, loss } =
            steps::run(&mut model, &data, batch, options.epochs)?;
        let line = JsonLine::of("embedding")
            .with("optimizer", optimizer)
            .with("threads", options.threads)
            .with("batch", batch)
            .measured("us_per_step", best * 1e6);
        Ok(line
            .with("allocations_per_step", allocations)
            .with("arena_bytes", arena_bytes)
            .measured("loss", loss))
    };
    OPTIMIZERS.into_iter().map(line).collect()
}

/// The mean of the vectors of a text's words, and a layer on it.
fn model(threads: usize) -> Model {
    let net = Sequential::new()
        .add(Embedding::new(WORDS, FEATURES))
        .add(GlobalAveragePooling1D::new())
        .add(Dense::new(1));
    Model::new(net).threads(threads)
}

/// Texts of words by chance, most of them rare, and a truth value for each.
fn texts(count: usize) -> Result<Dataset> {
    let mut random = Random::new(0, 0);
    let words: Vec<i32> = (0..count * WORDS_OF_TEXT).map(|_| random.below(WORDS) as i32).collect();
    let truths: Vec<f32> = (0..count).map(|_| random.below(2) as f32).collect();
    Dataset::new(Array::new([count, WORDS_OF_TEXT], words)?, Array::new([count, 1], truths)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_updates_rows_needs_no_memory_for_the_table() {
        let options =
            MeasureOptions { threads: 1, epochs: 2, batch: Some(4), ..Default::default() };
        let lines: Vec<String> =
            measure(&options).unwrap().iter().map(ToString::to_string).collect();
        let number = |line: &String, name| crate::json_line::number(line, name).unwrap();
        for line in &lines[..3] {
            assert!(number(line, "arena_bytes") < 1e6, "{line}");
        }
        assert!(number(&lines[3], "arena_bytes") > 1e7, "{}", lines[3]);
    }
}
