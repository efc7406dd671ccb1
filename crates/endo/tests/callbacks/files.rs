//! The files of `CsvLogger` and `TensorBoard`: every term and metric, single batches by their
//! steps, and the model with its step as text.

use std::fs;

use endo::prelude::*;

use super::{Folder, data, events, reconstructing};

#[test]
fn files_have_every_term_and_metric() {
    let folder = Folder::new("files");
    let (mut model, ..) = reconstructing();
    let valid = data(8);
    let halve = LearningRateScheduler::new(|_, rate| rate / 2.0);
    let table = CsvLogger::new(folder.0.join("log.csv"));
    let board = TensorBoard::new(&folder.0).histogram_freq(2);
    let fit = Fit::epochs(3).validation(&valid).callback(halve).callback(table).callback(board);
    let history = model.fit(&data(32), fit).unwrap();

    let text = fs::read_to_string(folder.0.join("log.csv")).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let expected = "epoch,learning_rate,loss,main,mean_absolute_error,reconstruction,\
                    reconstruction_error,val_loss,val_main,val_mean_absolute_error,\
                    val_reconstruction,val_reconstruction_error";
    assert_eq!(header.join(","), expected);
    let rows: Vec<Vec<&str>> = lines.collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["0", "1", "2"]);
    for (column, name) in header.iter().enumerate().skip(1) {
        let numbers: Vec<f64> = rows.iter().map(|row| row[column].parse().unwrap()).collect();
        assert_eq!(numbers, history.get(name), "{name}");
    }

    assert_eq!(folder.files(), ["log.csv", "train", "validation"]);
    let events = |part: &str| {
        let mut entries = fs::read_dir(folder.0.join(part)).unwrap();
        let path = entries.next().unwrap().unwrap().path();
        assert!(
            entries.next().is_none() && path.display().to_string().contains("events.out.tfevents.")
        );
        String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
    };
    let count = |part: &str, tag: &str| events(part).matches(tag).count();
    for name in ["epoch_learning_rate", "epoch_main", "epoch_mean_absolute_error", "epoch_loss"] {
        assert_eq!(count("train", name), 3, "{name}");
    }
    assert_eq!(
        (count("validation", "epoch_main"), count("validation", "epoch_learning_rate")),
        (3, 0)
    );
    assert_eq!(count("train", "dense/kernel/histogram"), 2); // after epochs 0 and 2
    assert_eq!(count("validation", "histogram"), 0);
}

#[test]
fn files_have_the_terms_of_single_batches_by_step() {
    let folder = Folder::new("batches");
    let (mut model, ..) = reconstructing();
    let table = CsvLogger::new(folder.0.join("log.csv")).every(2);
    let board = TensorBoard::new(&folder.0).update_freq(4);
    let fit = Fit::epochs(3).batch_size(8).record_steps(1).callback(table).callback(board);
    let history = model.fit(&data(40), fit).unwrap(); // 5 steps an epoch
    assert_eq!(history.steps.len(), 15);
    let at = |step: usize| {
        let record = &history.steps[step];
        assert_eq!((record.step, record.epoch, record.ledger.terms.len()), (step, step / 5, 2));
        [record.ledger.total, record.ledger.terms[0].1, record.ledger.terms[1].1]
    };

    let text = fs::read_to_string(folder.0.join("log.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("epoch,batch,loss,main,reconstruction"));
    let rows: Vec<Vec<f64>> =
        lines.map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect()).collect();
    assert_eq!(rows.len(), 8);
    for (step, row) in (0..15).step_by(2).zip(rows) {
        assert_eq!(row, [[(step / 5) as f64, (step % 5) as f64].as_slice(), &at(step)].concat());
    }

    let path = fs::read_dir(folder.0.join("train")).unwrap().next().unwrap().unwrap().path();
    let file = fs::read(path).unwrap();
    let written: Vec<(u8, String, f32)> = events::values(&file)
        .into_iter()
        .filter(|(_, tag, _)| tag.starts_with("batch_"))
        .map(|(step, tag, value)| {
            (step, tag, f32::from_le_bytes(events::field(&value, 2).unwrap().try_into().unwrap()))
        })
        .collect();
    let expected = [0_u8, 4, 8, 12].into_iter().flat_map(|step| {
        let tags = ["batch_loss", "batch_main", "batch_reconstruction"].map(String::from);
        tags.into_iter().zip(at(step.into())).map(move |(tag, value)| (step, tag, value as f32))
    });
    assert_eq!(written, expected.collect::<Vec<_>>());

    let error = model
        .fit(&data(40), Fit::epochs(1).callback(CsvLogger::new(folder.0.join("log.csv")).every(0)))
        .unwrap_err();
    assert_eq!(error.message(), "`CsvLogger` is to write a row every 0 steps");
}

/// The texts of an event file: the step and the tag of each, what shows it, and the text.
fn texts(file: &[u8]) -> Vec<(u8, String, String, String)> {
    let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let text = |(step, tag, value): (u8, String, Vec<events::Field<'_>>)| {
        // summary.proto: 8 tensor, 9 metadata; tensor.proto: 1 dtype (7 is a string), 2 shape (of
        // no axes), 8 the strings.
        let tensor = events::fields(events::field(&value, 8)?);
        let metadata = events::fields(events::field(&value, 9)?);
        assert_eq!(
            (events::field(&tensor, 1), events::field(&tensor, 2)),
            (Some(&[7][..]), Some(&[][..]))
        );
        let plugin = events::fields(events::field(&metadata, 1).unwrap());
        assert_eq!(events::field(&metadata, 4), Some(&[2][..])); // a tensor
        Some((
            step,
            tag,
            string(events::field(&plugin, 1).unwrap()),
            string(events::field(&tensor, 8).unwrap()),
        ))
    };
    events::values(file).into_iter().filter_map(text).collect()
}

#[test]
fn the_model_and_its_step_are_written_once_as_text() {
    let text = |folder: &Folder| {
        let path = fs::read_dir(folder.0.join("train")).unwrap().next().unwrap().unwrap().path();
        let texts = texts(&fs::read(path).unwrap());
        assert_eq!(texts.len(), 1);
        let (step, tag, plugin, text) = texts.into_iter().next().unwrap();
        assert_eq!((step, tag.as_str(), plugin.as_str()), (0, "graph", "text"));
        text
    };
    let folder = Folder::new("text");
    let (mut model, ..) = reconstructing();
    model.fit(&data(40), Fit::epochs(3).callback(TensorBoard::new(&folder.0))).unwrap();
    let written = text(&folder);
    let summary = model.summary().unwrap().to_string();
    assert!(
        written.starts_with("## Model\n\n```text\nlayer (type)") && written.contains(&summary),
        "{written}"
    );
    assert!(
        written.contains("\n## Loss\n\n* `main`\n* `reconstruction` of `reconstructing` at "),
        "{written}"
    );
    let step = written.split("## Step\n\n```text\n").nth(1).unwrap();
    assert!(!step.contains("endo/src/"), "lines are the user's: {step}");
    assert!(
        step.starts_with("%0 = input 0: f32[32, 3]") && step.contains("\ndense/kernel := %"),
        "{written}"
    );
    assert_eq!((written.matches("## Step").count(), written.ends_with("\n```\n")), (1, true));

    // Two functions in a custom loop; a model that runs node by node.
    let folder = Folder::new("text-loop");
    let (model, ..) = reconstructing();
    model.build([8, 3]).unwrap();
    let mut double = Function::new(|[x, _], cx| [model.apply(&(x * 2.0), cx)]);
    let mut sum = Function::new(|[x, _], _| [x.sum()]);
    let train = data(20);
    let mut run = model
        .run(&train, Fit::epochs(2).batch_size(8).callback(TensorBoard::new(&folder.0)))
        .unwrap();
    while run.next_batch().unwrap() {
        run.step(&mut double).unwrap();
        run.step(&mut sum).unwrap();
    }
    run.finish().unwrap();
    let written = text(&folder);
    assert_eq!(
        (written.matches("## Step").count(), written.matches("input 0: f32[8, 3]").count()),
        (2, 2),
        "{written}"
    );
    let folder = Folder::new("text-eager");
    let (model, ..) = reconstructing();
    let mut model = model.run_eagerly(true);
    model.fit(&data(8), Fit::epochs(1).callback(TensorBoard::new(&folder.0))).unwrap();
    assert!(!text(&folder).contains("## Step"));
}
