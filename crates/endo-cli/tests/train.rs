//! The command as its users meet it: the built program, run on small tables.
//!
//! In: a command line. Out: the lines it prints, its exit code, and the model it leaves.

mod program;

use program::{Scene, number, text};
use safetensors::SafeTensors;

#[test]
fn every_line_of_json_is_an_object_and_the_last_has_the_test() {
    let scene = Scene::new("json");
    let lines = scene
        .records("train --data plane.csv --target y --model regressor --epochs 3 --seed 7 --json");
    assert_eq!(lines.len(), 4);
    for (epoch, line) in lines[..3].iter().enumerate() {
        assert_eq!(line["epoch"], epoch + 1);
        assert!(number(line, "mean_absolute_error") > 0.0 && number(line, "seconds") > 0.0);
        for prefix in ["", "val_"] {
            let [loss, main, reconstruction, error] =
                ["loss", "main", "reconstruction", "reconstruction_error"]
                    .map(|name| number(line, &format!("{prefix}{name}")));
            assert!((loss - main - reconstruction).abs() < 1e-5 * loss, "the terms add up: {line}");
            assert!(
                (reconstruction - 0.05 * error).abs() < 1e-5 * loss,
                "the metric is the term without its factor: {line}"
            );
        }
    }
    let last = &lines[3];
    let expected = [
        ("rows", 400.0),
        ("train_rows", 225.0),
        ("validation_rows", 75.0),
        ("test_rows", 100.0),
        ("seed", 7.0),
    ];
    for (name, value) in expected {
        assert_eq!(number(last, name), value, "{name} in {last}");
    }
    assert!(number(last, "test_mae") > 0.0 && number(last, "test_loss") > 0.0);
    assert!(
        number(last, "line_mse") < number(last, "baseline_mse")
            && last["left_out"] == serde_json::json!([])
    );
    assert!(last["task"] == "regression" && last["model"] == last["weights"]);
    assert!(number(last, "seconds") > 0.0 && scene.path(last["model"].as_str().unwrap()).exists());
}

#[test]
fn what_can_be_learned_is_learned() {
    let last = Scene::new("learns")
        .records("train --data plane.csv --target y --epochs 60 --json")
        .pop()
        .unwrap();
    assert!(number(&last, "test_mse") < 0.1 * number(&last, "baseline_mse"), "{last}");
    assert!(number(&last, "test_mae") < number(&last, "baseline_mae"), "{last}");
}

#[test]
fn the_same_seed_gives_the_same_numbers_for_any_number_of_threads() {
    let scene = Scene::new("seeds");
    for model in ["tabular", "regressor"] {
        let run = |options: &str| {
            let line = format!(
                "train --data plane.csv --target y --epochs 2 --json --model {model} {options}"
            );
            let mut records = scene.records(&line);
            for record in &mut records {
                drop(record.as_object_mut().unwrap().remove("seconds"));
            }
            (records, scene.bytes("endo-out/model.endo"))
        };
        let first = run("--seed 3 --threads 1");
        assert!(first == run("--seed 3 --threads 1"));
        assert!(first == run("--seed 3 --threads 2"));
        assert!(first.1 != run("--seed 4 --threads 1").1);
    }
}

#[test]
fn the_regressor_s_weights_are_in_the_model_by_name_with_the_scaling() {
    let scene = Scene::new("weights");
    scene.records(
        "train --data plane.csv --target y --model regressor --epochs 1 --no-refit \
        --json --out a/new/folder",
    );
    let bytes = scene.bytes("a/new/folder/model.endo");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| {
        file.tensor(name)
            .unwrap_or_else(|_| panic!("{name} in {:?}", file.names()))
            .shape()
            .to_vec()
    };
    assert_eq!((shape("encoding/mean"), shape("target/mean")), (vec![3], vec![1]));
    let kernels = [[3, 30], [30, 30], [30, 30], [30, 30], [30, 30]];
    for (layer, kernel) in kernels.iter().enumerate() {
        let name = if layer == 0 { "dense".to_string() } else { format!("dense_{layer}") };
        assert_eq!(shape(&format!("net/{name}/kernel")), kernel);
        assert_eq!(shape(&format!("net/{name}/bias")), kernel[1..]);
    }
    let mean = file.tensor("encoding/mean").unwrap().data()[..8]
        .try_into()
        .map(f64::from_le_bytes)
        .unwrap();
    assert!(
        (mean - 50.0).abs() < 5.0,
        "the first column goes from 0 to 99, and its mean is {mean}"
    );
}

#[test]
fn only_the_folder_of_the_run_is_left() {
    let scene = Scene::new("files");
    scene.records("train --data plane.csv --target y --epochs 1 --json");
    scene.records("train --data plane.csv --target y --epochs 1 --json");
    assert_eq!(scene.files("endo-out"), ["model.endo", "report.html", "run.toml"]);
    assert_eq!(scene.files("."), ["endo-out", "plane.csv"]);
}

#[test]
fn without_arguments_the_red_wines_are_learned_and_the_report_says_so() {
    let scene = Scene::new("wines");
    let run = scene.run("");
    assert!(run.status.success());
    let said = text(&run.stdout);
    let expected = [
        "1599 rows",
        "Cortez et al. 2009",
        "CC BY 4.0",
        "1199 rows to train, 400 to test",
        "quality: regression",
    ];
    let more = [
        "alcohol",
        "8.4 to 14.9",
        "a line",
        "the training mean",
        "endo-out/model.endo",
        "endo-out/report.html",
    ];
    for part in expected.into_iter().chain(more) {
        assert!(said.contains(part), "`{part}` in\n{said}");
    }
    assert!(!said.contains("Worse than a line"), "{said}");
    let progress = text(&run.stderr);
    assert!(
        progress.lines().count() > 3 && progress.lines().all(|line| line.contains(" = loss ")),
        "{progress}"
    );
    assert!(
        !progress.contains('\r') && !progress.contains('\x1b'),
        "no bar where there is no terminal"
    );
    let report = text(&scene.bytes("endo-out/report.html"));
    assert!(
        report.contains("the quality of red wines, run ") && report.contains("<h2>Columns</h2>"),
        "{report}"
    );
}

#[test]
fn json_leaves_no_text_beside_it_and_quiet_leaves_nothing() {
    let scene = Scene::new("quiet");
    let run = scene.run("--epochs 2 --model regressor --validation 0 --json");
    assert_eq!((text(&run.stdout).lines().count(), text(&run.stderr)), (3, String::new()));
    let run = scene.run("--epochs 2 --quiet");
    assert_eq!((text(&run.stdout), text(&run.stderr)), (String::new(), String::new()));
    let run = scene.run("--epochs 2 --quiet --json");
    assert!(text(&run.stdout).lines().count() == 1 && text(&run.stdout).contains("test_mse"));
}

#[test]
fn layers_may_be_listed_in_a_file() {
    let scene = Scene::new("layers");
    scene.write(
        "mlp.toml",
        "optimizer = \"adamw(cosine_decay(0.01, 2000))\"\nepochs = 30\nreconstruction = 0.02\n\
         [[layers]]\ntype = \"dense\"\nunits = 16\nactivation = \"relu\"\n[[layers]]\n\
         type = \"dropout\"\nrate = 0.05\n",
    );
    let records = scene.records("train --data plane.csv --target y --model mlp.toml --json");
    assert!(records.len() == 31 && number(&records[0], "reconstruction") > 0.0, "{records:?}");
    let last = records.last().unwrap();
    assert!(number(last, "test_mse") < 0.3 * number(last, "baseline_mse"), "{last}");
    scene.prints("predict endo-out --data plane.csv --out p.csv");
    assert_eq!(scene.rows("p.csv").len(), 401);
    scene.write("wrong.toml", "[[layers]]\ntype = \"dense\"\nunits = 16\nactivation = \"rellu\"\n");
    let (code, message) = scene.refuses("train --data plane.csv --target y --model wrong.toml");
    assert!(
        code != 0 && message.contains("wrong.toml") && message.contains("did you mean `relu`?"),
        "{message}"
    );
}

#[test]
fn a_column_whose_only_cell_is_among_the_rows_to_test_on_is_no_trouble() {
    let scene = Scene::new("one-date");
    for only in 0..8 {
        let row = |i: usize| {
            format!("{i},{},{}\n", if i == only { "2024-02-03" } else { "" }, 2 * i + i % 3)
        };
        scene.write("t.csv", &(0..40).fold("x,d,y\n".to_string(), |table, i| table + &row(i)));
        scene.records("train --data t.csv --target y --epochs 2 --json");
    }
}

#[test]
fn options_of_reading_hold_for_the_wines_too() {
    let scene = Scene::new("wine-options");
    let last =
        scene.records("--ignore alcohol --task classification --epochs 2 --json").pop().unwrap();
    assert_eq!(last["task"], "classification");
    let settings: toml::Table = text(&scene.bytes("endo-out/run.toml")).parse().unwrap();
    let columns = settings["columns"].as_array().unwrap();
    assert!(
        columns.len() == 10
            && columns.iter().all(|column| column["name"].as_str() != Some("alcohol")),
        "{columns:?}"
    );
    assert_eq!(settings["settings"]["type"][0].as_str(), Some("alcohol=ignore"));
    assert!(scene.refuses("--type nosuch=number").1.contains("there is no column `nosuch`"));
}

#[test]
fn a_rate_cannot_replace_a_schedule() {
    let scene = Scene::new("schedule");
    scene.write("m.toml", "optimizer = \"adam(cosine_decay(0.01, 100))\"\nlayers = []\n");
    let (code, message) =
        scene.refuses("train --data plane.csv --target y --model m.toml --learning-rate 0.1");
    assert!(code == 2 && message.contains("cannot replace the schedule"), "{message}");
}

#[test]
fn a_table_may_come_through_standard_input() {
    let scene = Scene::new("stdin");
    let plane = scene.bytes("plane.csv");
    let line = "train --data - --target y --epochs 2 --json";
    let last = |run: &std::process::Output| text(&run.stdout).lines().last().unwrap().to_string();
    let run = scene.run_with(line, &plane);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let from_file =
        scene.records("train --data plane.csv --target y --epochs 2 --json").pop().unwrap();
    let from_input: serde_json::Value = serde_json::from_str(&last(&run)).unwrap();
    assert_eq!(
        (&from_input["test_mse"], &from_input["run"]),
        (&from_file["test_mse"], &from_file["run"])
    );
    let run = scene.run_with("train --data - --target z", &plane);
    assert!(
        text(&run.stderr).contains("standard input: there is no column `z`"),
        "{}",
        text(&run.stderr)
    );
    let run = scene.run_with("train --data -", &plane);
    let message = text(&run.stderr);
    assert!(
        run.status.code() == Some(2)
            && message.contains("standard input: which column should be predicted?"),
        "{message}"
    );
}

#[test]
fn what_numbers_the_rows_is_learnt_from_where_there_is_nothing_else() {
    let scene = Scene::new("clock");
    scene.write(
        "t.csv",
        &(1..60).fold("time,y\n".to_string(), |table, i| table + &format!("{i},{}\n", 3 * i + 1)),
    );
    let last = scene.records("train --data t.csv --target y --json").pop().unwrap();
    assert!(
        number(&last, "test_r2") > 0.9 && last["left_out"].as_array().unwrap().is_empty(),
        "{last}"
    );
}

#[test]
fn a_run_is_named_by_all_that_it_learns_from() {
    let scene = Scene::new("names");
    let run = |options: &str| {
        let line = format!("train --data plane.csv --target y --epochs 1 --json {options}");
        scene.records(&line).pop().unwrap()["run"].as_str().unwrap().to_string()
    };
    let layers = |units: usize| {
        scene.write("net.toml", &format!("[[layers]]\ntype = \"dense\"\nunits = {units}\n"))
    };
    layers(3);
    let first = run("--model net.toml");
    assert_eq!(run("--model net.toml"), first);
    layers(4);
    assert_ne!(run("--model net.toml"), first);
    assert_ne!(run("--type a=category"), run(""));
    assert_ne!(run("--missing 7"), run(""));
}
