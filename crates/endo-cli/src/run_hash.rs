//! The name of a run: a hash of the data, the settings and the seed.
//!
//! In: a table and arguments. Out: sixteen hexadecimal digits, the same wherever the same is
//! trained with the same program.

use endo::data::{Table, Values};
use xxhash_rust::xxh3::Xxh3;

use crate::arguments::{ModelName, Training};

/// The name of the run that trains on a table as it was asked for.
pub fn run_name(table: &Table, targets: &[String], arguments: &Training) -> String {
    let mut hash = Xxh3::new();
    text(&mut hash, env!("CARGO_PKG_VERSION"));
    // Where results go, what is printed, and the number of threads change nothing that is learnt.
    let Training {
        task,
        model,
        epochs,
        batch_size,
        learning_rate,
        reconstruction,
        balanced,
        refit,
        ..
    } = arguments;
    let Training { seed, split_seed, validation, test, reading, .. } = arguments;
    let steps = format!(
        "{epochs:?} {batch_size:?} {learning_rate:?} {reconstruction:?} {balanced} {refit}"
    );
    text(
        &mut hash,
        &format!("{task:?} {model:?} {steps} {seed} {split_seed} {validation:?} {test}"),
    );
    if let ModelName::File(path) = model {
        // What the file lists is learnt, wherever it is.
        text(&mut hash, &std::fs::read_to_string(path).unwrap_or_default());
    }
    text(&mut hash, &format!("{:?} {:?}", reading.kinds, reading.missing));
    for target in targets {
        text(&mut hash, target);
    }
    columns(&mut hash, table);
    format!("{:016x}", hash.digest())
}

/// The name of a table: a hash of its columns.
pub fn table_name(table: &Table) -> String {
    let mut hash = Xxh3::new();
    columns(&mut hash, table);
    format!("{:016x}", hash.digest())
}

fn columns(hash: &mut Xxh3, table: &Table) {
    for name in table.columns() {
        text(hash, name);
        match table.values(name) {
            Ok(Values::Numbers(values) | Values::Times(values)) => {
                for value in values {
                    hash.update(&value.to_le_bytes());
                }
            }
            Ok(Values::Words(words)) => {
                for word in words.dictionary() {
                    text(hash, word);
                }
                for code in words.codes() {
                    hash.update(&code.to_le_bytes());
                }
            }
            Err(_) => {}
        }
    }
}

/// A text with its length, so that no two lists of texts are the same bytes.
fn text(hash: &mut Xxh3, text: &str) {
    hash.update(&(text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}
