//! The folder of a run: three files of one run, whatever goes wrong.
//!
//! In: runs that end well, that fail, that are killed, and two at once. Out: a folder that is
//! whole, or what is said of it.

mod program;

use std::fs;

use program::{Scene, text};

const TRAIN: &str = "train --data plane.csv --target y --epochs 2 --json";

#[test]
fn three_files_carry_one_run_which_follows_from_data_settings_and_seed() {
    let scene = Scene::new("run");
    let run = |options: &str| {
        scene.records(&format!("{TRAIN} {options}")).pop().unwrap()["run"]
            .as_str()
            .unwrap()
            .to_string()
    };
    let first = run("--seed 3");
    assert_eq!(scene.files("endo-out"), ["model.endo", "report.html", "run.toml"]);
    let settings: toml::Table = text(&scene.bytes("endo-out/run.toml")).parse().unwrap();
    assert_eq!(settings["run"].as_str(), Some(first.as_str()));
    assert!(settings["test"]["model"]["mse"].is_float() && settings["history"]["loss"].is_array());
    assert!(
        text(&scene.bytes("endo-out/report.html"))
            .contains(&format!("<title>plane.csv, run {first}</title>"))
    );
    let model = scene.bytes("endo-out/model.endo");
    assert!(model.windows(first.len()).any(|window| window == first.as_bytes()));
    assert_eq!(run("--seed 3 --threads 1 --out other"), first);
    assert_ne!(run("--seed 4"), first);
    let said = scene.prints("train --data plane.csv --target y --epochs 2 --seed 5");
    assert!(said.contains("(those of run ") && said.contains(" are replaced)"), "{said}");
}

#[test]
fn files_of_two_runs_are_told() {
    let scene = Scene::new("strangers");
    scene.records(&format!("{TRAIN} --seed 3 --out a"));
    scene.records(&format!("{TRAIN} --seed 4 --out b"));
    fs::copy(scene.path("a/report.html"), scene.path("b/report.html")).unwrap();
    let run = scene.run("predict b --data plane.csv");
    assert!(run.status.success());
    let warning = text(&run.stderr);
    assert!(
        warning.starts_with("warning: b/report.html is of run ")
            && warning.contains("do not belong together"),
        "{warning}"
    );
    assert!(scene.run("predict b/model.endo --data plane.csv").stderr.is_empty());
}

#[test]
fn a_second_run_into_a_folder_in_use_is_refused() {
    let scene = Scene::new("in-use");
    let claim = endo::files::Claim::on(&scene.path("endo-out/model.endo")).unwrap();
    let (code, message) = scene.refuses(TRAIN);
    assert!(
        code == 1 && message.contains("model.endo is in use: another run writes it"),
        "{message}"
    );
    drop(claim);
    scene.records(TRAIN);
}

#[test]
fn leftovers_of_killed_runs_are_removed_and_failures_leave_what_was_there() {
    let scene = Scene::new("leftovers");
    scene.records(TRAIN);
    let before = scene.bytes("endo-out/model.endo");
    scene.write(&format!("endo-out/.endo-{}-0.tmp", u32::MAX), "half of a file");
    let (_, message) = scene.refuses(&format!("{TRAIN} --model regressor --learning-rate 1e25"));
    assert!(message.contains("a smaller --learning-rate"), "{message}");
    assert_eq!(scene.files("endo-out"), ["model.endo", "report.html", "run.toml"]);
    assert!(scene.bytes("endo-out/model.endo") == before);
}

#[cfg(unix)]
#[test]
fn the_model_is_kept_where_the_report_cannot_be_written() {
    let scene = Scene::new("no-report");
    scene.records(TRAIN);
    let before = scene.bytes("endo-out/model.endo");
    // A report that is a folder is found out before anything is trained, and the model stays.
    fs::remove_file(scene.path("endo-out/report.html")).unwrap();
    fs::create_dir(scene.path("endo-out/report.html")).unwrap();
    let (code, message) = scene.refuses(&format!("{TRAIN} --seed 9"));
    assert!(code == 1 && message.contains("there is a folder of that name"), "{message}");
    assert!(scene.bytes("endo-out/model.endo") == before);
}
