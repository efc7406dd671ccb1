//! The command as its users meet it: the built program, run on small tables.
//!
//! In: a command line. Out: the lines it prints, its exit code, and the file of weights it leaves.

mod program;

use program::{Scene, number};
use safetensors::SafeTensors;

#[test]
fn every_line_of_json_is_an_object_and_the_last_has_the_test() {
    let scene = Scene::new("json");
    let lines = scene.records("train --data plane.csv --target y --epochs 3 --seed 7 --json");
    assert_eq!(lines.len(), 4);
    for (epoch, line) in lines[..3].iter().enumerate() {
        assert_eq!(line["epoch"], epoch + 1);
        assert!(number(line, "mean_absolute_error") > 0.0 && number(line, "seconds") > 0.0);
        for prefix in ["", "val_"] {
            let [loss, main, reconstruction, error] =
                ["loss", "main", "reconstruction", "reconstruction_error"].map(|name| number(line, &format!("{prefix}{name}")));
            assert!((loss - main - reconstruction).abs() < 1e-5 * loss, "the terms add up: {line}");
            assert!((reconstruction - 0.05 * error).abs() < 1e-5 * loss, "the metric is the term without its factor: {line}");
        }
    }
    let last = &lines[3];
    let expected = [("rows", 400.0), ("train_rows", 225.0), ("validation_rows", 75.0), ("test_rows", 100.0), ("seed", 7.0)];
    for (name, value) in expected {
        assert_eq!(number(last, name), value, "{name} in {last}");
    }
    assert!(number(last, "test_mae") > 0.0 && number(last, "test_loss") > 0.0);
    assert!(number(last, "line_mse") < number(last, "baseline_mse") && last["left_out"] == serde_json::json!([]));
    assert!(number(last, "seconds") > 0.0 && scene.path(last["weights"].as_str().unwrap()).exists());
}

#[test]
fn what_can_be_learned_is_learned() {
    let last = Scene::new("learns").records("train --data plane.csv --target y --epochs 60 --json").pop().unwrap();
    assert!(number(&last, "test_mse") < 0.1 * number(&last, "baseline_mse"), "{last}");
    assert!(number(&last, "test_mae") < number(&last, "baseline_mae"), "{last}");
}

#[test]
fn the_same_seed_gives_the_same_numbers_for_any_number_of_threads() {
    let scene = Scene::new("seeds");
    let run = |options: &str| {
        let mut records = scene.records(&format!("train --data plane.csv --target y --epochs 2 --json {options}"));
        records.iter_mut().for_each(|record| drop(record.as_object_mut().unwrap().remove("seconds")));
        (records, scene.bytes("endo-out/weights.safetensors"))
    };
    let first = run("--seed 3 --threads 1");
    assert_eq!(first, run("--seed 3 --threads 1"));
    assert_eq!(first, run("--seed 3 --threads 2"));
    assert_ne!(first.1, run("--seed 4 --threads 1").1);
}

#[test]
fn the_weights_are_saved_by_name_with_the_scaling() {
    let scene = Scene::new("weights");
    scene.records("train --data plane.csv --target y --epochs 1 --json --out a/new/folder");
    let bytes = scene.bytes("a/new/folder/weights.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| file.tensor(&format!("sequential/{name}")).unwrap_or_else(|_| panic!("{name}")).shape().to_vec();
    assert_eq!((shape("inputs/mean"), shape("inputs/deviation")), (vec![3], vec![3]));
    assert_eq!((shape("target/mean"), shape("target/deviation")), (vec![1], vec![1]));
    let kernels = [[3, 30], [30, 30], [30, 30], [30, 30], [30, 30], [30, 3], [30, 1]];
    for (layer, kernel) in kernels.iter().enumerate() {
        let name = if layer == 0 { "dense".to_string() } else { format!("dense_{layer}") };
        assert_eq!(shape(&format!("reconstructing_regressor/{name}/kernel")), kernel);
        assert_eq!(shape(&format!("reconstructing_regressor/{name}/bias")), kernel[1..]);
    }
    assert_eq!(file.names().len(), 4 + 2 * kernels.len());
    let mean = file.tensor("sequential/inputs/mean").unwrap().data()[..8].try_into().map(f64::from_le_bytes).unwrap();
    assert!((mean - 50.0).abs() < 5.0, "the first column goes from 0 to 99, and its mean is {mean}");
}

#[test]
fn only_the_weights_and_the_report_are_left() {
    let scene = Scene::new("files");
    scene.records("train --data plane.csv --target y --epochs 1 --json");
    scene.records("train --data plane.csv --target y --epochs 1 --json");
    assert_eq!(scene.files("endo-out"), ["report.html", "weights.safetensors"]);
    assert_eq!(scene.files("."), ["endo-out", "plane.csv"]);
}

#[test]
fn without_arguments_the_red_wines_are_learned_and_the_report_says_so() {
    let scene = Scene::new("wines");
    let run = scene.run("");
    assert!(run.status.success());
    let text = program::text(&run.stdout);
    let expected = ["1599 rows", "Cortez et al. 2009", "linfa-datasets", "899 rows to train, 300 to validate, 400 to test"];
    let more = ["ReconstructingRegressor", "4476 parameters", "the training mean", "endo-out/weights.safetensors"];
    for part in expected.into_iter().chain(more) {
        assert!(text.contains(part), "`{part}` in\n{text}");
    }
    let progress = program::text(&run.stderr);
    assert_eq!(progress.lines().count(), 20);
    assert!(
        progress.lines().all(|line| line.contains("main ") && line.contains(" + reconstruction ") && line.contains(" = loss "))
    );
    assert!(!progress.contains('\r') && !progress.contains('\x1b'), "no bar where there is no terminal");
    assert!(scene.path("endo-out/weights.safetensors").exists());
}

#[test]
fn json_leaves_no_text_beside_it() {
    let run = Scene::new("quiet").run("--epochs 2 --validation 0 --json");
    assert_eq!((program::text(&run.stdout).lines().count(), program::text(&run.stderr)), (3, String::new()));
}
