//! Tables in units of all sizes: what is learnt does not depend on them, and errors are in the unit
//! of the target.
//!
//! In: tables whose best line is known. Out: errors beside those of the line and of the mean.

mod program;

use endo::random::Random;
use program::{Scene, number, text};
use serde_json::Value;

/// A table of rows that `row` makes of standard normal numbers.
fn table(
    header: &str,
    rows: usize,
    mut row: impl FnMut(&mut dyn FnMut() -> f64) -> String,
) -> String {
    let mut random = Random::new(1, 0);
    let mut normal = || random.normal_f64();
    let mut text = format!("{header}\n");
    for _ in 0..rows {
        text += &format!("{}\n", row(&mut normal));
    }
    text
}

fn train(name: &str, table: &str, options: &str) -> Value {
    let scene = Scene::new(name);
    scene.write("t.csv", table);
    scene.records(&format!("train --data t.csv --json {options}")).pop().unwrap()
}

#[test]
fn a_target_of_large_numbers_is_learnt_nearly_as_well_as_by_a_line() {
    let prices = table("rooms,age,price", 2000, |normal| {
        let (rooms, age) = (5.0 + normal(), 40.0 + 12.0 * normal());
        format!(
            "{rooms},{age},{}",
            200_000.0 + 60_000.0 * (rooms - 5.0) - 4_000.0 * (age - 40.0) + 5_000.0 * normal()
        )
    });
    let last = train("prices", &prices, "--target price");
    let [model, line, mean] =
        ["test_mse", "line_mse", "baseline_mse"].map(|name| number(&last, name));
    assert!((2e7..3e7).contains(&line) && mean > 4e9, "{last}");
    assert!(model < 3.0 * line, "{last}");
}

#[test]
fn the_share_of_the_error_does_not_depend_on_the_unit_or_the_mean_of_the_target() {
    let share = |scale: f64, offset: f64| {
        let numbers = table("a,b,y", 400, |normal| {
            let (a, b) = (normal(), normal());
            format!("{a},{b},{:e}", offset + scale * (a - 0.5 * b + 0.3 * normal()))
        });
        let last = train("shares", &numbers, "--target y --epochs 10");
        number(&last, "test_mse") / number(&last, "baseline_mse")
    };
    let expected = share(1.0, 0.0);
    assert!(expected < 0.3, "{expected}");
    for (scale, offset) in
        [(70.0, 1e6), (1e-6, 0.0), (1e30, 0.0), (1e-30, 1e-20), (3e4, 20_240_131.0)]
    {
        let share = share(scale, offset);
        assert!((share - expected).abs() < 0.02, "{scale} and {offset}: {share}, not {expected}");
    }
}

#[test]
fn inputs_that_f32_cannot_tell_apart_are_learnt_from() {
    let seconds = table("ts,b,y", 1000, |normal| {
        let (a, b) = (normal(), normal());
        format!("{:.3},{b},{}", 1_700_000_000.0 + 15.0 * a, 2.0 * a - b + 3.0 + 0.1 * normal())
    });
    let last = train("seconds", &seconds, "--target y");
    assert!((0.005..0.02).contains(&number(&last, "line_mse")), "{last}");
    assert!(number(&last, "test_mse") < 0.05, "{last}");
}

#[test]
fn a_column_that_is_constant_where_it_is_learnt_from_is_left_out_and_named() {
    let scene = Scene::new("constant");
    let mut row = 0;
    let rows = table("a,k,y", 200, |normal| {
        row += 1;
        let a = normal();
        format!("{a},{},{}", if row == 2 { 1_000_000 } else { 0 }, 2.0 * a)
    });
    scene.write("t.csv", &rows);
    // The second row is among the rows to test on for some of the seeds.
    let left_out: Vec<Value> = (0..12)
        .map(|seed| {
            let line =
                format!("train --data t.csv --target y --epochs 3 --json --split-seed {seed}");
            let last = scene.records(&line).pop().unwrap();
            assert!(number(&last, "test_mse") < number(&last, "baseline_mse"), "{last}");
            last["left_out"].clone()
        })
        .collect();
    assert!(
        left_out.contains(&serde_json::json!(["k"])) && left_out.contains(&serde_json::json!([])),
        "{left_out:?}"
    );
    let seed = left_out.iter().position(|names| *names == serde_json::json!(["k"])).unwrap();
    let run = scene.run(&format!("train --data t.csv --target y --epochs 3 --split-seed {seed}"));
    assert!(
        text(&run.stdout).contains("left out k, which is 0 in every row to train on"),
        "{}",
        text(&run.stdout)
    );
}

#[test]
fn a_model_that_is_worse_than_a_line_says_so() {
    let scene = Scene::new("verdict");
    let line = table("a,b,y", 300, |normal| {
        let (a, b) = (normal(), normal());
        format!("{a},{b},{}", a - b)
    });
    scene.write("t.csv", &line);
    let run = scene.run("train --data t.csv --target y --model regressor --epochs 3");
    let said = text(&run.stdout);
    assert!(said.contains("a line") && said.contains("Worse than a line: "), "{said}");
}
