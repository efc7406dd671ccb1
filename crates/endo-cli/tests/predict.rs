//! Predicting with a model that was trained: the library's numbers, for tables as they are.
//!
//! In: tables of numbers, gaps, dates and categories. Out: predictions row by row, and what is said
//! where there are none.

mod program;

use std::collections::HashSet;

use endo::data::Csv;
use endo::prelude::*;
use endo_cli::model_file::{TableModel, note};
use program::{Scene, number, text};

/// 240 rows of houses: numbers with gaps, a category with a rare word, a date, a name that no other
/// row has, and a price.
fn houses() -> String {
    let mut table = "id,rooms,town,sold,agent,price\n".to_string();
    for i in 0..240_usize {
        let (rooms, town) = (2 + i * 7 % 6, ["Oslo", "Rome", "Bern"][i * 5 % 3]);
        let price = 100_000 + 40_000 * rooms + [0, 50_000, 90_000][i * 5 % 3] + 500 * (i * 13 % 17);
        let rooms = if i % 19 == 3 { "NA".to_string() } else { rooms.to_string() };
        let town = if i == 77 { "Vaduz" } else { town };
        table += &format!(
            "{},{rooms},{town},2024-{:02}-{:02},agent {i},{price}\n",
            i + 1,
            1 + i % 12,
            1 + i % 28
        );
    }
    table
}

fn trained(name: &str, options: &str) -> Scene {
    let scene = Scene::new(name);
    scene.write("houses.csv", &houses());
    scene.records(&format!("train --data houses.csv --json {options}"));
    scene
}

#[test]
fn predictions_are_the_library_s_bit_for_bit_in_any_order_of_columns() {
    let scene = trained("bits", "--target price --epochs 5");
    let new = "town,garden,rooms,sold\nRome,yes,4,2024-03-05\nBonn,no,,2024-07-01\n,no,6,\n\
        Oslo,yes,3,2024-12-31\n";
    scene.write("new.csv", new);
    assert_eq!(
        scene.prints("predict endo-out --data new.csv --out p.csv"),
        "4 rows predicted: p.csv\n"
    );
    let rows = scene.rows("p.csv");
    assert_eq!(rows[0], ["prediction"]);
    let predicted: Vec<f64> = rows[1..].iter().map(|row| row[0].parse().unwrap()).collect();

    let model = TableModel::read(&scene.path("endo-out"), None).unwrap();
    let csv =
        model.schema.kinds().fold(Csv::new().typed(), |csv, (name, kind)| csv.kind(name, kind));
    let table = csv.read_from(new.as_bytes()).unwrap();
    assert_eq!(predicted, model.predict_block(&table, 0).unwrap());
    let predictor = endo::prelude::Predictor::load(scene.path("endo-out/model.endo")).unwrap();
    assert_eq!(
        predicted,
        predictor.predict(&model.schema.encode(&table).unwrap()).unwrap().to_vec::<f64>()
    );
    assert!(predicted.iter().all(|price| (100_000.0..500_000.0).contains(price)), "{predicted:?}");

    scene.prints("export endo-out --out alone.endo");
    let alone = endo::prelude::Predictor::load(scene.path("alone.endo")).unwrap();
    assert_eq!(
        predicted,
        alone.predict(&model.schema.encode(&table).unwrap()).unwrap().to_vec::<f64>()
    );
}

#[test]
fn large_tables_are_predicted_in_parts_with_the_same_numbers_for_any_number_of_threads() {
    let scene = trained("parts", "--target price --epochs 3");
    let row =
        |i: usize| format!("{},{},2024-01-{:02}\n", ["Oslo", "Rome"][i % 2], i % 9, 1 + i % 28);
    let table = (0..20_000).fold("town,rooms,sold\n".to_string(), |table, i| table + &row(i));
    scene.write("many.csv", &table);
    let first =
        text(&scene.run_with("predict endo-out --data - --threads 1", table.as_bytes()).stdout);
    assert_eq!(first.lines().count(), 20_001);
    assert_eq!(first, scene.prints("predict endo-out/model.endo --data many.csv --out -"));
    // A row's prediction does not depend on the others.
    let last = table.lines().next_back().unwrap();
    scene.write("one.csv", &format!("town,rooms,sold\n{last}\n"));
    let [alone, among] = [scene.prints("predict endo-out --data one.csv"), first]
        .map(|text| text.lines().next_back().unwrap().parse::<f64>().unwrap());
    assert!((alone - among).abs() < 1e-6 * among.abs(), "{alone} and {among}");
}

#[test]
fn a_file_is_one_call_of_a_model_that_draws() {
    let scene = trained("drawing", "--target price --epochs 1");
    let trained = TableModel::read(&scene.path("endo-out"), None).unwrap();
    let width = trained.schema.inputs.len();
    let model = Model::new(|x: &Tensor, cx: &mut Context| {
        let halves =
            [(); 2].map(|()| cx.random().uniform([x.batch(), 1], 0.0, 1.0).cast(DType::F64));
        &halves[0] + &halves[1] * 2.0_f64.powi(-23)
    });
    model.build_on(&[Array::zeros([1, width], DType::F64)]).unwrap();
    model
        .export_with_note(
            scene.path("noise.endo"),
            &note(&trained.schema, &trained.goal, &trained.run),
        )
        .unwrap();
    let table =
        (0..20_000).fold("town,rooms,sold\n".to_string(), |table, _| table + "Oslo,3,2024-01-02\n");
    scene.write("equal.csv", &table);
    let predicted = scene.prints("predict noise.endo --data equal.csv");
    let whole =
        model.predict_call(0, &Array::zeros([20_000, width], DType::F64)).unwrap().to_vec::<f64>();
    let numbers: Vec<f64> = predicted.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    assert_eq!(numbers, whole);
    assert_eq!(
        numbers.iter().map(|number| number.to_bits()).collect::<HashSet<u64>>().len(),
        20_000
    );
}

#[test]
fn classes_have_probabilities_and_are_spelled_as_in_the_file() {
    let scene = Scene::new("classes");
    let row = |i: usize| {
        format!("{},{},{}\n", i % 7, i % 5, if i % 7 > 3 { "yes, really" } else { "no" })
    };
    let table = (0..200).fold("a,b,y\n".to_string(), |table, i| {
        table + &row(i).replace("yes, really", "\"yes, really\"")
    });
    scene.write("t.csv", &table);
    let last = scene.records("train --data t.csv --target y --json").pop().unwrap();
    assert!(last["task"] == "classification" && number(&last, "test_accuracy") > 0.95, "{last}");
    assert!(
        number(&last, "baseline_log_loss") > 0.6 && number(&last, "test_log_loss") < 0.3,
        "{last}"
    );
    scene.prints("predict endo-out --data t.csv --out p.csv");
    let mut rows = csv::Reader::from_path(scene.path("p.csv")).unwrap();
    assert_eq!(
        rows.headers().unwrap(),
        ["prediction", "probability no", "probability yes, really"].as_slice()
    );
    for (i, row) in rows.records().enumerate() {
        let row = row.unwrap();
        let [no, yes] = [1, 2].map(|cell| row[cell].parse::<f64>().unwrap());
        assert!((no + yes - 1.0).abs() < 1e-6 && (row[0] == *"no") == (no >= yes), "{i}: {row:?}");
        assert_eq!(row[0] == *"no", i % 7 <= 3);
    }
}

#[test]
fn several_targets_are_predicted_at_once() {
    let scene = Scene::new("several");
    let row =
        |i: usize| format!("{},{},{},{}\n", i % 10, i % 7, 2 * (i % 10) + i % 7, 1000 * (i % 7));
    scene.write("t.csv", &(0..150).fold("a,b,s,t\n".to_string(), |table, i| table + &row(i)));
    let last = scene.records("train --data t.csv --target s --target t --json").pop().unwrap();
    assert!(number(&last, "test_r2") > 0.9, "{last}");
    scene.prints("predict endo-out --data t.csv --out p.csv");
    assert_eq!(scene.rows("p.csv")[0], ["prediction s", "prediction t"]);
    let scores = scene.records("evaluate endo-out --data t.csv --json").pop().unwrap();
    assert!(number(&scores, "r2") > 0.9 && number(&scores, "rows") == 150.0, "{scores}");
}

#[test]
fn what_cannot_be_predicted_is_named_and_nothing_is_left() {
    let scene = trained("refused", "--target price --epochs 2");
    scene.write("other.csv", "town,sold\nRome,2024-03-05\n");
    scene.write("words.csv", "town,rooms,sold\nRome,3,2024-03-05\nRome,many,2024-03-05\n");
    scene.write("empty.csv", "");
    scene.write("old.txt", "not a model");
    let cases = [
        ("predict endo-out --data other.csv --out p.csv", 1, "there is no column `rooms`"),
        (
            "predict endo-out --data words.csv --out p.csv",
            1,
            "row 2 (line 3), column `rooms`: `many` is not a number",
        ),
        ("predict endo-out --data empty.csv --out p.csv", 1, "there is nothing in it"),
        ("predict endo-out --data none.csv --out p.csv", 1, "cannot read `none.csv`"),
        ("predict old.txt --data other.csv --out p.csv", 1, "this is no whole predictor"),
        ("predict none --data other.csv --out p.csv", 1, "cannot read none"),
        ("predict endo-out --out p.csv", 2, "--data <FILE>"),
        ("evaluate endo-out --data words.csv", 1, "there is no column `price`"),
        ("export endo-out", 2, "--out <FILE>"),
    ];
    for (line, code, part) in cases {
        let (found, message) = scene.refuses(line);
        assert!(
            found == code && message.contains(part),
            "`endo {line}` ends with {found} and says\n{message}"
        );
    }
    assert_eq!(
        scene.files("."),
        ["empty.csv", "endo-out", "houses.csv", "old.txt", "other.csv", "plane.csv", "words.csv"]
    );
}

#[test]
fn models_of_newer_formats_and_other_predictors_are_told_apart() {
    let scene = trained("formats", "--target price --epochs 2");
    let bytes = scene.bytes("endo-out/model.endo");
    let place = bytes.windows(24).position(|window| {
        window.starts_with(b"\\\"format\\\":1") || window.starts_with(b"format")
    });
    assert!(place.is_some(), "the note is in the file's header");
    let model = endo::prelude::Model::new(endo::prelude::Dense::new(1));
    model.build([1, 2]).unwrap();
    model.export(scene.path("plain.endo")).unwrap();
    scene.write("new.csv", "a\n1\n");
    assert!(
        scene
            .refuses("predict plain.endo --data new.csv")
            .1
            .contains("a predictor without the columns of a table")
    );
    model.export_with_note(scene.path("newer.endo"), r#"{"format":2}"#).unwrap();
    assert!(
        scene
            .refuses("predict newer.endo --data new.csv")
            .1
            .contains("it has format 2, and this program reads format 1")
    );
    model.export_with_note(scene.path("odd.endo"), r#"{"format":1}"#).unwrap();
    assert!(
        scene
            .refuses("predict odd.endo --data new.csv")
            .1
            .contains("what it says of its columns makes no sense")
    );
}

#[test]
fn a_model_is_judged_and_explained() {
    let scene = trained("explained", "--target price");
    let scores = scene.records("evaluate endo-out --data houses.csv --json").pop().unwrap();
    assert!(number(&scores, "r2") > 0.9, "{scores}");
    let said = scene.prints("evaluate endo-out --data houses.csv");
    assert!(
        said.starts_with("240 rows of houses.csv\n")
            && said.contains("rmse")
            && said.contains("r2"),
        "{said}"
    );
    let growths = scene.records("explain endo-out --data houses.csv --json");
    let columns: Vec<&str> =
        growths.iter().map(|record| record["column"].as_str().unwrap()).collect();
    assert_eq!(columns.len(), 3);
    assert!(
        growths
            .iter()
            .all(|record| number(record, "error_growth") > 100.0 * number(&scores, "mse")),
        "{growths:?}"
    );
    assert!(scene.prints("explain endo-out --data houses.csv").contains("rooms"));
}

#[test]
fn predictions_are_an_object_a_line_where_json_is_asked_for() {
    let scene = Scene::new("json");
    let row = |i: usize| format!("{},{},{}\n", i % 7, i % 5, if i % 7 > 3 { "yes" } else { "no" });
    scene.write("t.csv", &(0..60).fold("a,b,y\n".to_string(), |table, i| table + &row(i)));
    scene.records("train --data t.csv --target y --epochs 2 --json");
    let lines = scene.prints("predict endo-out --data t.csv --json");
    scene.prints("predict endo-out --data t.csv --out p.csv");
    let rows = scene.rows("p.csv");
    assert_eq!((lines.lines().count(), rows.len()), (60, 61));
    for (line, row) in lines.lines().zip(&rows[1..]) {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["prediction"], row[0].as_str());
        // The reader of these tests rounds the last bit otherwise.
        let number = |name: &str| {
            line.split_once(name)
                .unwrap()
                .1
                .split(['}', ','])
                .next()
                .unwrap()
                .parse::<f64>()
                .unwrap()
        };
        let predicted = [number("\"probability no\":"), number("\"probability yes\":")];
        assert_eq!(predicted, [1, 2].map(|i| row[i].parse::<f64>().unwrap()));
    }
}

#[test]
fn a_reader_that_leaves_ends_every_command_well() {
    let scene = trained("leaves", "--target price --epochs 2");
    scene.write(
        "many.csv",
        &houses()
            .lines()
            .cycle()
            .take(240)
            .chain(houses().lines().skip(1).cycle().take(20_000))
            .fold(String::new(), |table, line| table + line + "\n"),
    );
    for line in [
        "predict endo-out --data many.csv",
        "predict endo-out --data many.csv --json",
        "evaluate endo-out --data many.csv",
    ] {
        let run = scene.run_unread(line);
        assert!(
            run.status.success() && run.stderr.is_empty(),
            "`endo {line}` says\n{}",
            text(&run.stderr)
        );
    }
}

#[test]
fn errors_that_are_no_numbers_are_told() {
    let scene = trained("not-finite-scores", "--target price --epochs 2");
    scene.write("far.csv", "rooms,town,sold,price\n3,Rome,2024-01-01,1e300\n4,Rome,2024-01-01,2\n");
    for command in ["evaluate", "explain", "evaluate --json", "explain --json"] {
        let (code, message) = scene.refuses(&format!("{command} endo-out --data far.csv"));
        assert!(
            code == 1
                && message.contains("the mse on the 2 rows of far.csv is inf, which is no number"),
            "{message}"
        );
    }
}

#[test]
fn quiet_commands_print_what_was_asked_for_alone() {
    let scene = trained("quiet", "--target price --epochs 2");
    let said = scene.prints("evaluate endo-out --data houses.csv --quiet");
    assert!(said.starts_with("  mse ") && said.lines().count() == 4, "{said}");
    assert_eq!(scene.prints("explain endo-out --data houses.csv --quiet").lines().count(), 3);
    assert_eq!(scene.prints("predict endo-out --data houses.csv --quiet --out p.csv"), "");
    assert_eq!(scene.prints("export endo-out --quiet --out e.endo"), "");
}

#[test]
fn what_was_missing_or_a_date_in_training_is_so_later() {
    let scene = Scene::new("kept");
    let row =
        |i: i32| format!("{},2024-01-{:02}\n", if i % 5 == 0 { -999 } else { i % 7 }, 1 + i % 7);
    scene.write("t.csv", &(0..80).fold("a,y\n".to_string(), |table, i| table + &row(i)));
    let said = scene.prints("train --data t.csv --target y --missing -999 --epochs 2");
    assert!(
        said.contains("regression, in seconds since 1970") && said.contains("0 to 6"),
        "{said}"
    );
    let scores = scene.records("evaluate endo-out --data t.csv --json").pop().unwrap();
    assert_eq!(number(&scores, "rows"), 80.0);
    scene.write("gap.csv", "a,b\n-999,1\n,1\n6,1\n");
    let rows = scene.prints("predict endo-out --data gap.csv");
    let rows: Vec<&str> = rows.lines().skip(1).collect();
    assert!(rows[0] == rows[1] && rows[0] != rows[2], "{rows:?}");
}
