//! A small transformer that writes: characters of endo's own guide, each from those before it.
//!
//! `cargo run --release -p endo --example text`
//!
//! In: the chapters of the guide but one. Out: how well it foretells the characters of that one, in
//! nats for each, and what it writes itself.
//!
//! It needs 1.69 nats for each, in the mean over three seeds too (1.677 to 1.713). Keras 3.15
//! (TensorFlow) with the same layers, first values, data, batches and epochs: 1.709 (1.705 to
//! 1.714). The figures change a little as the guide does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use endo::prelude::*;
use endo::random::Random;

/// The characters that it sees at most.
const CONTEXT: usize = 64;
const FEATURES: usize = 64;
const EPOCHS: usize = 4;
const BATCH: usize = 16;
/// Below 1, what is likely is written more often still.
const TEMPERATURE: f64 = 0.7;
const HELD_OUT: &str = "steps.md";

/// The chapters of the guide but one, and that one.
fn chapters() -> std::io::Result<[String; 2]> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src");
    let files = fs::read_dir(&folder)?.map(|file| Ok(file?.file_name()));
    let mut names = files.collect::<std::io::Result<Vec<_>>>()?;
    names.sort();
    names.retain(|name| name != HELD_OUT);
    let others = names.iter().map(|name| fs::read_to_string(folder.join(name)));
    Ok([others.collect::<std::io::Result<_>>()?, fs::read_to_string(folder.join(HELD_OUT))?])
}

/// Text in windows, as numbers of the characters of an alphabet, and for each the one that follows.
/// Characters that are not of the alphabet are left out.
pub fn windows(text: &str, alphabet: &[char]) -> Result<Dataset> {
    let number = |letter: char| alphabet.iter().position(|&other| other == letter);
    let numbers: Vec<i32> = text.chars().filter_map(number).map(|number| number as i32).collect();
    let count = (numbers.len() - 1) / CONTEXT;
    let rows = |first: usize| {
        Array::new([count, CONTEXT], numbers[first..first + count * CONTEXT].to_vec())
    };
    Dataset::new(rows(0)?, rows(1)?)
}

/// Attention to the past, then a net for each character, each added to what came in.
struct Block {
    norms: [LayerNormalization; 2],
    attention: MultiHeadAttention,
    wide: Dense,
    narrow: Dense,
}

impl Block {
    fn new() -> Self {
        Self {
            norms: [(); 2].map(|()| LayerNormalization::new()),
            attention: MultiHeadAttention::new(4, FEATURES / 4)
                .use_causal_mask(true)
                .kernel_initializer(RandomNormal.stddev(0.02)),
            wide: Dense::new(4 * FEATURES).activation("relu"),
            narrow: Dense::new(FEATURES),
        }
    }
}

impl Layer for Block {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let x = x + self.attention.apply(&self.norms[0].apply(x, cx), cx);
        let wide = self.wide.apply(&self.norms[1].apply(&x, cx), cx);
        x + self.narrow.apply(&wide, cx)
    }
}

/// From numbers of characters to a logit for each character that may follow.
struct Writer {
    characters: Embedding,
    positions: Embedding,
    blocks: Vec<Block>,
    norm: LayerNormalization,
    out: Dense,
}

impl Layer for Writer {
    fn call(&self, text: &Tensor, cx: &mut Context) -> Tensor {
        let positions = cx.constant(Array::from_fn([text.shape()[1]], |step| step as i32));
        let mut x = self.characters.apply(text, cx) + self.positions.apply(&positions, cx);
        for block in &self.blocks {
            x = block.apply(&x, cx);
        }
        self.out.apply(&self.norm.apply(&x, cx), cx)
    }
}

/// The model for an alphabet of a number of characters, and a training of a number of steps.
pub fn model(characters: usize, steps: usize) -> Model {
    let mut model = Model::new(Writer {
        characters: Embedding::new(characters, FEATURES),
        positions: Embedding::new(CONTEXT, FEATURES),
        blocks: (0..2).map(|_| Block::new()).collect(),
        norm: LayerNormalization::new(),
        out: Dense::new(characters),
    })
    .seed(1);
    let rate = CosineDecay::new(0.004, steps);
    model.compile(Adam::new(rate), SparseCategoricalCrossentropy::new().from_logits(true), ());
    model
}

fn main() -> Result<()> {
    let [text, chapter] = chapters().map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot read the chapters of the guide: {error}"))
    })?;
    let alphabet: Vec<char> = text.chars().collect::<BTreeSet<_>>().into_iter().collect();
    let (train, test) = (windows(&text, &alphabet)?, windows(&chapter, &alphabet)?);
    let mut model = model(alphabet.len(), EPOCHS * train.len().div_ceil(BATCH));
    let report = |epoch: usize, report: &Epoch| println!("epoch {}  {}", epoch + 1, report.ledger);
    model.fit(&train, Fit::epochs(EPOCHS).batch_size(BATCH).callback(report))?;
    println!("\nfor each character of {HELD_OUT}: {}", model.evaluate(&test)?);

    // Goes on from the chapter's first characters.
    let mut seen: Vec<i32> = test.inputs().rows(0..1).to_vec();
    let mut random = Random::new(7, 0);
    for _ in 0..400 {
        let last = seen[seen.len() - CONTEXT..].to_vec();
        let logits = model.predict(&Array::new([1, CONTEXT], last)?)?.to_vec::<f64>();
        let after_last = &logits[logits.len() - alphabet.len()..];
        let weights: Vec<f64> =
            after_last.iter().map(|logit| (logit / TEMPERATURE).exp()).collect();
        let mut place = f64::from(random.uniform()) * weights.iter().sum::<f64>();
        let next = weights.iter().position(|weight| {
            place -= weight;
            place < 0.0
        });
        seen.push(next.unwrap_or(0) as i32);
    }
    let written: String = seen.iter().map(|&number| alphabet[number as usize]).collect();
    println!("\n{written}");
    Ok(())
}
