//! All that reads files or texts, each with files of its kind to forge.
//!
//! In: a folder to work in. Out: [`Reader`]s, more than one of those that have the most to go
//! wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use endo::data::{ColumnKind, Csv};
use endo::model::Saved;
use endo::prelude::*;
use endo::random::Random;
use endo::training::ForgedFile;
use endo::{activations, constraints, initializers, losses, metrics, optimizers, regularizers};

use super::changes;
use super::graphs::graph;
use super::runs::resumed_run;

/// Forges a file and reads it.
pub struct Reader {
    pub name: &'static str,
    /// Whether the file was accepted. What was read is used as a user would.
    pub read: Box<dyn FnMut(&mut Random) -> bool>,
}

fn reader(name: &'static str, read: impl FnMut(&mut Random) -> bool + 'static) -> Reader {
    Reader { name, read: Box::new(read) }
}

/// The readers in the order in which they get their files.
pub fn readers(folder: &Path) -> Vec<Reader> {
    let exported = exported(&folder.join("exported.endo"));
    let predictor = |number: usize| {
        predictor(folder.join(format!("predictor-{number}.endo")), exported.clone())
    };
    let (run, log) = (folder.join("run"), folder.join("log.csv"));
    let mut readers = vec![resumed_run(&run), log_reader(log), resumed_run(&run), text(), text()];
    for number in 0..3 {
        let [weights, saved] =
            ["weights", "saved"].map(|name| folder.join(format!("{name}-{number}")));
        readers.extend([
            predictor(2 * number),
            weights_reader(weights),
            predictor(2 * number + 1),
            saved_reader(saved),
            table(),
        ]);
        readers.push(typed_table());
    }
    readers
}

/// Models that use most forms of operations, exported.
fn exported(path: &Path) -> Vec<Vec<u8>> {
    let export = |model: &Model, input: Array| {
        model.build_on(&[input]).unwrap();
        model.export(path).unwrap();
        fs::read(path).unwrap()
    };
    let zeros = |shape: &[usize]| Array::zeros(shape, DType::F32);
    let dense = Sequential::new()
        .add(Dense::new(6).activation("selu"))
        .add(BatchNormalization::new())
        .add(Dense::new(3).activation("softmax"));
    let convolution = Sequential::new()
        .add(Conv2D::new(2, 3).padding(Padding::Same))
        .add(MaxPooling2D::new(2))
        .add(Flatten::new())
        .add(Dense::new(1));
    let transposed = Sequential::new()
        .add(Conv1DTranspose::new(2, 3).strides(2))
        .add(GlobalAveragePooling1D::new());
    let recurrent = Sequential::new().add(Embedding::new(7, 3)).add(Lstm::new(2));
    let table = Array::from_fn([5, 2], |index| index as f32);
    let rearranging = move |x: &Tensor, cx: &mut Context| {
        let sorted = x.sort(1) + x.cumsum(1).slice(1, 0..4);
        let known = cx
            .constant(table.clone())
            .gather(&x.slice(1, 0..1).clip(0.0, 4.0).cast(DType::I32), 0)
            .sum_axes([1]);
        let noise = cx.random().uniform([x.batch(), 2], 0.0, 1.0);
        Tensor::concatenate(&[sorted.pad(&[(0, 0), (1, 2)], 0.5), known, noise], 1)
            .transpose()
            .transpose()
    };
    vec![
        export(&Model::new(dense), zeros(&[2, 4])),
        export(&Model::new(convolution), zeros(&[2, 4, 4, 1])),
        export(&Model::new(transposed), zeros(&[2, 4, 2])),
        export(&Model::new(recurrent), Array::zeros([2, 3], DType::I32)),
        export(&Model::new(rearranging), zeros(&[2, 4])),
    ]
}

/// A predictor whose graph or variables were changed under a checksum that is right, or any of its
/// bytes.
fn predictor(path: PathBuf, exported: Vec<Vec<u8>>) -> Reader {
    reader("predictor", move |random| {
        let bytes = &exported[random.below(exported.len())];
        let bytes = match random.below(10) {
            0 => changes::bytes(random, bytes),
            kind => {
                let mut forged = ForgedFile::open(bytes).unwrap();
                match kind {
                    1 => changes::arrays(random, &mut forged.arrays),
                    2..5 => (forged.arrays, forged.text) = (BTreeMap::new(), graph(random)),
                    _ => forged.text = changes::text(random, &forged.text),
                }
                let Some(bytes) = forged.seal() else { return false };
                bytes
            }
        };
        fs::write(&path, bytes).unwrap();
        let Ok(predictor) = Predictor::load(&path) else { return false };
        let predictor = predictor.threads(1 + random.below(2));
        for rows in [1, 3] {
            let input = |spec: &endo::trace::signature::TensorSpec, random: &mut Random| {
                let rest: Vec<usize> =
                    spec.sizes()[1..].iter().map(|size| size.unwrap_or(rows)).collect();
                let count = rest.iter().try_fold(rows, |count, size| count.checked_mul(*size))?;
                let shape = [vec![rows], rest].concat();
                (count < 10_000).then(|| {
                    Array::from_fn(&shape[..], |_| 8.0 * random.uniform_f64() - 1.0)
                        .cast(spec.dtype())
                })
            };
            let inputs = predictor
                .inputs()
                .iter()
                .map(|spec| input(spec, random))
                .collect::<Option<Vec<Array>>>();
            let _ = inputs.map(|inputs| predictor.predict_all(&inputs));
        }
        true
    })
}

/// A safetensors file whose header says something else, or of which any bytes were changed.
fn safetensors(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
    match random.below(3) {
        0 => changes::bytes(random, bytes),
        _ => {
            let header = changes::text(random, header);
            [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes[8 + length..]].concat()
        }
    }
}

fn compiled() -> Model {
    let mut model = Model::new(
        Sequential::new()
            .add(Dense::new(3).kernel_regularizer(L2(0.5)).name("first"))
            .add(Dense::new(1)),
    );
    model.compile("adam", "mse", ["mae"]).build([2, 4]).unwrap();
    model
}

fn weights_reader(path: PathBuf) -> Reader {
    let model = compiled();
    model.save_weights(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    reader("weights", move |random| {
        fs::write(&path, safetensors(random, &bytes)).unwrap();
        let before: Vec<Array> = model.weights().iter().map(Variable::value).collect();
        let accepted = model.load_weights(&path).is_ok();
        let same = |(weight, value): (&Variable, &Array)| weight.value().bytes() == value.bytes();
        assert!(
            accepted || model.weights().iter().zip(&before).all(same),
            "weights were changed by a file that was refused"
        );
        accepted
    })
}

fn saved_reader(path: PathBuf) -> Reader {
    let model = compiled();
    model.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    reader("saved model", move |random| {
        fs::write(&path, safetensors(random, &bytes)).unwrap();
        let Ok(saved) = Saved::read(&path) else { return false };
        let _ = saved.to_string();
        let _ = saved.get::<usize>("sequential/first", "units");
        let _ = saved.get::<f64>("sequential/first", "kernel_regularizer.l2");
        let _ = saved.get::<String>("sequential/first", "kernel_initializer");
        let _ = saved.get::<bool>("sequential/first", "use_bias");
        model.load(&path).is_ok()
    })
}

fn table() -> Reader {
    let text =
        "rooms,area,\"price, in all\"\n6,120.5,1e5\n-2,0.25,\"300000\"\n\n3,80,2.5E+3\n4,,7\n";
    reader("table", move |random| {
        let text = if random.below(2) == 0 {
            text.replace(",,", ",1,").replace(',', ";")
        } else {
            text.replace(",,", ",1,")
        };
        let bytes = match random.below(3) {
            0 => changes::bytes(random, text.as_bytes()),
            _ => changes::text(random, &text).into_bytes(),
        };
        let units = String::from_utf8_lossy(&bytes).into_owned();
        let bytes = if random.below(4) == 0 {
            units.encode_utf16().flat_map(u16::to_le_bytes).collect()
        } else {
            bytes
        };
        let delimiter = [None, Some(','), Some(';'), Some(' '), Some('ä')][random.below(5)];
        let Ok(table) = Table::from_csv_reader(&bytes[..], delimiter) else { return false };
        let names: Vec<String> = table.columns().map(str::to_string).collect();
        let _ = names.iter().map(|name| table.dataset(name)).collect::<Vec<_>>();
        true
    })
}

/// A table of numbers, words, dates and gaps, whole and in blocks, plain and packed.
fn typed_table() -> Reader {
    let text = "town,rooms,sold,zip\nOslo,3,2024-01-31,0150\n\"Rome, old\",NA,31.12.2023,\n\
        ?,2.5,,00184\nOslo,1.299,2024-02-29 12:30,x\n";
    reader("typed table", move |random| {
        let text = text.repeat(1 + random.below(3));
        let bytes = match random.below(3) {
            0 => changes::bytes(random, text.as_bytes()),
            _ => changes::text(random, &text).into_bytes(),
        };
        let csv = Csv::new().typed();
        let csv = match random.below(6) {
            0 => csv.header(false),
            1 => csv.kind("zip", ColumnKind::Word).only(["rooms"]),
            2 => csv.day_first(true).decimal(','),
            3 => csv.missing("x").kind("rooms", ColumnKind::Number),
            _ => csv,
        };
        let mut rows = 0;
        if let Ok(mut blocks) = csv.blocks_from(&bytes[..], 1 + random.below(4)) {
            while let Ok(Some(table)) = blocks.next() {
                rows += table.len();
            }
        }
        let Ok(table) = csv.read_from(&bytes[..]) else { return false };
        for name in table.columns() {
            let values = table.values(name).unwrap();
            assert_eq!(values.len(), table.len());
            let _ = (values.missing(), table.spelled(name), table.dataset(name));
        }
        let _ = (table.notes().len(), rows);
        true
    })
}

/// A log to which a training adds its epochs.
fn log_reader(path: PathBuf) -> Reader {
    let mut model = compiled();
    let data =
        Dataset::new(Array::zeros([4, 4], DType::F32), Array::zeros([4, 1], DType::F32)).unwrap();
    model.fit(&data, Fit::epochs(3).callback(CsvLogger::new(&path))).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    reader("log", move |random| {
        let bytes = match random.below(3) {
            0 => changes::bytes(random, text.as_bytes()),
            _ => changes::text(random, &text).into_bytes(),
        };
        fs::write(&path, bytes).unwrap();
        model.fit(&data, Fit::epochs(1).callback(CsvLogger::new(&path).append(true))).is_ok()
    })
}

/// What text names: with options, as a user of the tool writes it, or a file of hyperparameters.
fn text() -> Reader {
    type Get = fn(&str) -> bool;
    let kinds: [(Vec<&str>, Get); 8] = [
        (activations::names().collect(), |text| {
            let activation = activations::get(text);
            activation.is_ok_and(|activation| {
                Model::new(Dense::new(4).activation(activation)).build([2, 3]).is_ok()
            })
        }),
        (initializers::names().collect(), |text| {
            let initializer = initializers::get(text);
            initializer.is_ok_and(|initializer| {
                Model::new(Dense::new(4).kernel_initializer(initializer)).build([2, 3]).is_ok()
            })
        }),
        (regularizers::names().collect(), |text| regularizers::get(text).is_ok()),
        (constraints::names().collect(), |text| constraints::get(text).is_ok()),
        (losses::names().collect(), |text| losses::get(text).is_ok()),
        (metrics::names().collect(), |text| metrics::get(text).is_ok()),
        (optimizers::names().collect(), |text| optimizers::get(text).is_ok()),
        (optimizers::schedules::names().collect(), |text| optimizers::schedules::get(text).is_ok()),
    ];
    let options = [
        "",
        "()",
        "(0.5)",
        "(rate=0.01)",
        "(stddev=1.0, seed=3)",
        "(learning_rate=cosine_decay(0.1, 100))",
        "(l1=1, l2=[1, 2])",
    ];
    reader("text", move |random| {
        let (names, get) = &kinds[random.below(kinds.len())];
        let text =
            format!("{}{}", changes::one_of(random, names), changes::one_of(random, &options));
        get(&if random.below(4) == 0 { text } else { changes::text(random, &text) })
    })
}

/// The content of a sealed file with some of its arrays changed.
pub fn with_changed_arrays(
    random: &mut Random,
    bytes: &[u8],
    select: impl Fn(&str) -> bool,
) -> Option<Vec<u8>> {
    let mut forged = ForgedFile::open(bytes).unwrap();
    let (mut chosen, rest): (BTreeMap<_, _>, BTreeMap<_, _>) =
        forged.arrays.into_iter().partition(|(name, _)| select(name));
    changes::arrays(random, &mut chosen);
    forged.arrays = rest;
    forged.arrays.extend(chosen);
    forged.seal()
}
