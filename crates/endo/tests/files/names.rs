//! Names and texts of any letters: whatever takes them gives them back as they were, from every
//! file.

use std::fs;
use std::path::Path;

use endo::prelude::*;

use super::folder::Folder;
use super::support::{data, names_in};

/// Marks of every notation in which a name is written somewhere, and the words that mean something
/// there.
const NAMES: &[&str] = &[
    "plain",
    "a = b",
    " = ",
    "=",
    "a\nb",
    "a\r\nb",
    "\r",
    "\n",
    "\"",
    "\"a\"",
    "say \"a\"",
    "'",
    "\\",
    "\\n",
    " a",
    "a ",
    " ",
    "",
    "|",
    "a | b",
    ",",
    "a,b",
    ";",
    "\t",
    "(",
    ")",
    "(x)",
    "f(x=1)",
    "[1]",
    "[\"loss\",\"\",\"\",[]]",
    "{\"a\":1}",
    "{x}",
    "<b>&",
    "#",
    "#2",
    "a#2",
    ":",
    "a:b",
    ".",
    "..",
    "a.b",
    "*",
    "?",
    "-",
    "val_",
    "val_loss",
    "loss",
    "loss 0",
    "metric",
    "metric x",
    "layer x",
    "layer loss",
    "format 2",
    "epoch",
    "batch",
    "main",
    "term",
    "total",
    "NA",
    "__metadata__",
    "null",
    "ä→🦀",
    "e\u{301}",
    "\u{2028}",
    "\u{a0}a",
    "\u{feff}a",
    "\0",
    "\u{1f}",
    "a\u{1f}b",
    "\u{7f}",
    "\u{85}",
    "a/b",
    "%s",
    "$HOME",
    "~",
    "con",
    "aux.txt",
];

/// A layer that gives its name to all that has one, and has hyperparameters of that name and that
/// text.
struct Named {
    name: String,
    dense: Dense,
    kernel: Weight,
}

impl Named {
    fn new(name: &str) -> Self {
        let dense = Dense::new(3).kernel_regularizer(L2(0.25));
        // A layer within one without a name cannot have the same.
        let dense = if name.is_empty() { dense } else { dense.name(name) };
        // The files of weights have text under that name.
        let kernel = Weight::new(if name == "__metadata__" { "kernel" } else { name });
        Self { name: name.to_string(), dense, kernel }
    }
}

/// What reports call a number of their own is no name of a term.
fn term_name(name: &str) -> String {
    let is_reserved = ["loss", "main"].contains(&name) || name.starts_with("val_");
    if is_reserved { format!("my {name}") } else { name.to_string() }
}

impl Layer for Named {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let z = self.dense.apply(x, cx);
        let name = term_name(&self.name);
        cx.add_loss(&name, 0.01 * z.square().mean());
        cx.add_metric(&name, z.abs().max());
        z.matmul(&self.kernel.get(self, [3, 1], &GlorotUniform, cx))
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name).filter(|name| !name.is_empty()).map(String::as_str)
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new()
            .with(&self.name, self.name.clone())
            .with("list", vec![self.name.clone(), "b".to_string()])
    }
}

struct NamedLoss(String);

impl Loss for NamedLoss {
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        MeanSquaredError.call(y_true, y_pred)
    }

    fn name(&self) -> &str {
        &self.0
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new().with(&self.0, self.0.clone())
    }
}

fn model(name: &str) -> Model {
    let mut model = Model::new(Named::new(name)).seed(3);
    let metric = MeanMetricWrapper::new(NamedLoss(name.to_string()));
    model.compile(
        "adam",
        NamedLoss(name.to_string()),
        (metric, MeanMetricWrapper::new(MeanAbsoluteError).name(format!("{name}2"))),
    );
    model
}

fn weights(model: &Model) -> Vec<Array> {
    model.weights().iter().map(Variable::value).collect()
}

#[test]
fn a_saved_model_is_loaded_and_says_what_it_is_made_of() {
    let folder = Folder::new("saved");
    let path = folder.path("model");
    for &name in NAMES {
        let [model, again] = [3, 4].map(|seed| model(name).seed(seed));
        for model in &[&model, &again] {
            model.build([1, 2]).unwrap();
        }
        model.save(&path).unwrap_or_else(|error| panic!("{name:?}: {error}"));
        again.load(&path).unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert_eq!(weights(&again), weights(&model), "{name:?}");
        again.load_weights(&path).unwrap();

        let saved = Saved::read(&path).unwrap();
        let layer = model.structure().layers[0].path.clone();
        for place in ["loss".to_string(), format!("metric {name}"), format!("layer {layer}")] {
            assert_eq!(saved.get::<String>(&place, name).unwrap(), name, "{place:?}");
        }
        assert_eq!(
            saved.get::<Vec<String>>(&format!("layer {layer}"), "list").unwrap(),
            [name, "b"]
        );
        assert_eq!(saved.to_string().lines().count(), 4, "{saved}");

        // One with another text is refused, by the name of the place.
        let mut other = Model::new(Named::new(name));
        other.compile("adam", NamedLoss(format!("{name}!")), ()).build([1, 2]).unwrap();
        assert!(other.load(&path).unwrap_err().message().starts_with("the loss is `"), "{name:?}");
    }
}

#[test]
fn an_exported_model_has_the_names_of_the_model() {
    let folder = Folder::new("exported");
    let path = folder.path("model");
    for &name in NAMES {
        let model = model(name);
        model.build([1, 2]).unwrap();
        model.export(&path).unwrap_or_else(|error| panic!("{name:?}: {error}"));
        let predictor = Predictor::load(&path).unwrap_or_else(|error| panic!("{name:?}: {error}"));
        let names = |variables: &[Variable]| {
            variables.iter().map(|variable| variable.name().to_string()).collect::<Vec<_>>()
        };
        let (mut got, mut want) = (names(predictor.variables()), names(&model.weights()));
        got.sort();
        want.sort();
        assert_eq!(got, want);
        assert_eq!(predictor.output_names(), model.output_names());
        assert_eq!(
            predictor.predict(data().inputs()).unwrap(),
            model.predict(data().inputs()).unwrap(),
            "{name:?}"
        );
    }
}

/// Every number of a history but how long it took.
fn numbers(mut history: History) -> History {
    for epoch in &mut history.epochs {
        epoch.seconds = 0.0;
    }
    history.probe_cost = None;
    history
}

/// Trains layers of these names with all that writes, stopped before an epoch.
fn train(names: &[&str], folder: &Path, stop: usize) -> Result<(History, Vec<Array>)> {
    let layers = names.iter().fold(Sequential::new(), |layers, name| layers.add(Named::new(name)));
    let metrics: Vec<_> =
        names.iter().map(|name| MeanMetricWrapper::new(NamedLoss(name.to_string()))).collect();
    let mut model = Model::new(layers).seed(3);
    model.compile("adam", NamedLoss(names[0].to_string()), metrics);
    let report = LambdaCallback::new().on_epoch_begin(move |epoch, training| {
        for name in names {
            training.report(&format!("{name}3"), epoch as f64);
        }
        if epoch == stop { Err(Error::new(ErrorKind::Usage, "interrupted")) } else { Ok(()) }
    });
    let options = Fit::epochs(3)
        .batch_size(6)
        .validation_split(0.25)
        .record_steps(1)
        .probe(Probe::terms().every(1))
        .probe(Probe::activations("*").every(4).histogram(3).raw(folder.join("raw")))
        .callback(BackupAndRestore::new(folder.join("run")))
        .callback(CsvLogger::new(folder.join("log.csv")))
        .callback(CsvLogger::new(folder.join("steps.csv")).every(1))
        .callback(ModelCheckpoint::new(folder.join("best").to_str().unwrap()).save_best_only(true))
        .callback(TensorBoard::new(folder.join("board")))
        .callback(
            Report::new(folder.join("report.html")).title(names[0]).figures(folder.join("figures")),
        )
        .callback(report);
    let history = model.fit(&data(), options)?;
    Ok((numbers(history), weights(&model)))
}

/// The first line of a log.
fn columns(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&bytes[..]);
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    rows[0].iter().map(str::to_string).collect()
}

#[test]
fn a_run_that_is_resumed_has_every_name_and_so_have_its_logs() {
    for names in NAMES.chunks(6) {
        let [whole, stopped] = ["whole", "stopped"].map(Folder::new);
        let expected =
            train(names, whole.as_ref(), 9).unwrap_or_else(|error| panic!("{names:?}: {error}"));
        assert_eq!(
            train(names, stopped.as_ref(), 2).unwrap_err().message(),
            "interrupted",
            "{names:?}"
        );
        let resumed =
            train(names, stopped.as_ref(), 9).unwrap_or_else(|error| panic!("{names:?}: {error}"));
        assert_eq!(resumed, expected, "{names:?}");
        let history = expected.0;
        assert_eq!(history.term_readings.len(), 6);
        for log in ["log.csv", "steps.csv"] {
            assert_eq!(
                fs::read(whole.path(log)).unwrap(),
                fs::read(stopped.path(log)).unwrap(),
                "{names:?}"
            );
        }
        let mut logs: Vec<String> =
            history.epochs[0].logs.iter().map(|(name, _)| name.to_string()).collect();
        logs.sort();
        let columns = columns(&whole.path("log.csv"));
        if names.contains(&"epoch") {
            // The first column has that name already.
            assert!(columns.contains(&"epoch_1".to_string()) && columns.len() == 1 + logs.len());
        } else {
            assert_eq!(columns, [vec!["epoch".to_string()], logs].concat(), "{names:?}");
        }
        assert!(fs::read_to_string(whole.path("report.html")).unwrap().ends_with("</html>\n"));
        // Everything else that the run had alone is gone.
        assert_eq!(
            names_in(&whole),
            ["best", "board", "figures", "log.csv", "raw", "report.html", "steps.csv"],
            "{names:?}"
        );
    }
}

#[test]
fn names_that_files_cannot_have_still_name_files_of_their_own() {
    let folder = Folder::new("pictures");
    let long = "long ".repeat(100);
    train(&[&long], folder.as_ref(), 9).unwrap();
    // Two layers whose names differ in a letter that files cannot have.
    let layers = Sequential::new()
        .add(Dense::new(2).name("a b"))
        .add(Dense::new(3).name("a:b"))
        .add(Dense::new(1).name("A:B"));
    let mut model = Model::new(layers);
    model.compile("sgd", "mse", ());
    let raw = folder.path("two");
    model
        .fit(
            &data(),
            Fit::epochs(1)
                .batch_size(12)
                .probe(Probe::activations("*:b").every(1).raw(&raw))
                .probe(Probe::activations("a b").every(1).raw(&raw)),
        )
        .unwrap();
    let layers = fs::read_dir(raw.join("activations/sequential")).unwrap().count();
    assert_eq!(layers, 2);
}

#[test]
fn numbers_that_a_file_cannot_hold_under_their_name_are_refused_when_they_are_saved() {
    let folder = Folder::new("metadata");
    let scale = Variable::new("__metadata__", 2.0_f32);
    let model = Model::new(move |x: &Tensor, cx: &mut Context| x * cx.read(&scale));
    model.build([1, 2]).unwrap();
    let error = model.export(folder.path("model")).unwrap_err();
    assert!(
        error.message().contains("numbers cannot be called `__metadata__` in a safetensors file"),
        "{error}"
    );
    assert!(names_in(&folder).is_empty());
}
