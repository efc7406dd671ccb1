//! What the command says when it cannot do what it was asked for: never a panic, always what, where
//! and how to fix it.
//!
//! In: command lines and tables with a mistake. Out: an exit code and a message on standard error,
//! nothing on standard output.

mod program;

use program::{Scene, text};

/// A table, a command line, its exit code and what its message has to say.
type Case = (&'static str, &'static str, i32, &'static [&'static str]);

const TRAIN: &str = "train --data t.csv --target y --epochs 2";
const LARGE: &str = "x,y\n1,1e300\n2,3e300\n3,-4e300\n4,5e299\n5,2e300\n6,1e300\n";
const TABLE: &str = "x,y\n1,2\n2,3\n3,5\n4,4\n5,6\n6,8\n7,7\n8,9\n";

#[rustfmt::skip]
const CASES: [Case; 40] = [
    (TABLE, "train --data no/such.csv --target y", 1, &["cannot read \
        `no/such.csv`", "help: check the path"]),
    (TABLE, "train --data . --target y", 1, &["cannot read `.`"]),
    (TABLE, "train --data t.csv", 2, &["which column should be \
        predicted?", "`x`, `y`", "--target COLUMN"]),
    (TABLE, "train --data t.csv --target z", 1, &["there is no column `z`; the columns are `x`, \
        `y`"]),
    (TABLE, "train --data t.csv --target Y\u{200b}", 1, &["there is no column \
        `Y\\u{200b}`", "did you mean `y`?"]),
    ("Größe,y\n1,2\n2,3\n", "train --data t.csv --target \
        Gro\u{308}sse", 1, &["did you mean `Größe`?"]),
    ("a,b,y\n1,2,x\n", "train --data t.csv --target z", 1, &["t.csv: there is no column `z`"]),
    ("x^y\n1^2\n", TRAIN, 1, &["t.csv: there is no column `y`; the columns are `x^y`"]),
    ("x^y\n1^2\n", "train --data t.csv --target y --delimiter \
        .", 2, &["'.' cannot separate columns of numbers"]),
    (TABLE, "train --data t.csv --target y --delimiter \
        semicolon", 2, &["'--delimiter <CHARACTER>'", "`tab` or `blank`"]),
    ("a\0,b,\x1b\n", "train --data t.csv", 1, &["t.csv: the header (line 1), column 1: a NUL \
        byte"]),
    (TABLE, "train --target qality", 1, &["there is no column \
        `qality`", "did you mean `quality`?"]),
    ("x,y\n1,2\n3,4x\n5,6\n7,8\n", TRAIN, 1, &["t.csv: row 2 (line 3), column `y`: `4x` is not a \
        number"]),
    ("x,y\n1,\n3,n/a\n", TRAIN, 1, &["t.csv: no row has a target"]),
    ("", TRAIN, 1, &["t.csv: there is nothing in it"]),
    ("x,y\n", TRAIN, 1, &["t.csv: there is a header, but no row"]),
    ("x,y\nNaN,NaN\nNaN,NaN\n", TRAIN, 1, &["t.csv: no row has a target"]),
    ("x,y\ninf,1\n2,2\n", TRAIN, 1, &["row 1 (line 2), column `x`: `inf` is not a finite number"]),
    ("y\n1\n2\n3\n4\n", TRAIN, 1, &["`y` is the only column"]),
    ("x,y\n1,5\n2,5\n3,5\n4,5\n", TRAIN, 1, &["t.csv: column `y` is 5 in every \
        row", "help: choose another target"]),
    ("x,y\n1,2\n2,3\n", TRAIN, 1, &["t.csv: one row is left to train on", "at least 3 rows"]),
    ("x,y\n1,a\n2,b\n3,c\n4,d\n", TRAIN, 1, &["`y` has 4 different values in 4 \
        rows", "two rows of each on average"]),
    ("x,y\n1,1e-300\n2,2e-300\n3,3e-300\n4,5e-300\n", TRAIN, 1, &["are smaller than f64 \
        holds", "in a smaller unit"]),
    ("x,y\n1,4611686018427387904\n2,4611686018427387905\n\
        3,4611686018427387906\n", TRAIN, 1, &["all of its numbers are 4.61", "subtract"]),
    ("x,y\n1,1e300\n2,1e300\n3,1e300\n", TRAIN, 1, &["column `y` is 1e300 in every row"]),
    (TABLE, "train --data t.csv --target y --target y", 2, &["--target names column `y` \
        twice", "once"]),
    ("x,y,z\n1,a,2\n2,b,3\n3,a,4\n", "train --data t.csv --target y --target \
        z", 1, &["`y` holds words", "by a model of their own"]),
    ("x,w,y\n1,K\u{1}ln,3\n2,Bo\0nn,3\n", TRAIN, 1, &["t.csv: row 2 (line 3), column `w`: a NUL \
        byte"]),
    (TABLE, "train --epochs \u{1b}[31m\u{200b}", 2, &["invalid value '\\u{1b}[31m\\u{200b}' for \
        '--epochs <COUNT>'"]),
    (TABLE, "train --data t.csv --target y --out \
        t.csv/\u{1b}[31m", 1, &["cannot write t.csv/\\u{1b}[31m/model.endo"]),
    (TABLE, "predict \u{1b}[31m\u{200b} --data t.csv", 1, &["cannot read \\u{1b}[31m\\u{200b}: "]),
    ("x,y\n1,2\n", TRAIN, 2, &["t.csv: 1 row cannot be cut into two \
        parts", "a table of more rows"]),
    (LARGE, TRAIN, 1, &["column `y`: the squares of its numbers are larger than f64 \
        holds", "in a larger unit"]),
    (TABLE, "train --batch-size 0", 2, &["'--batch-size \
        <ROWS>'", "expected a whole number of at least 1"]),
    (TABLE, "train --epochs 0", 2, &["'--epochs <COUNT>'", "expected a whole number of at least \
        1"]),
    (TABLE, "train --learning-rate -0.1", 2, &["'--learning-rate \
        <RATE>'", "expected a positive number"]),
    (TABLE, "train --learning-rate NaN", 2, &["'--learning-rate \
        <RATE>'", "expected a positive number"]),
    (TABLE, "train --test 0", 2, &["'--test <SHARE>'", "expected a number between 0 and 1"]),
    (TABLE, "train --test 1", 2, &["'--test <SHARE>'", "expected a number between 0 and 1"]),
    (TABLE, "train --epoch 3", 2, &["unexpected argument '--epoch'", "'--epochs'"]),
];

#[test]
fn mistakes_are_told_with_the_way_to_mend_them() {
    let scene = Scene::new("mistakes");
    for (table, line, code, parts) in CASES {
        scene.write("t.csv", table);
        for json in ["", " --json"] {
            let run = scene.run(&format!("{line}{json}"));
            let message = text(&run.stderr);
            assert_eq!(run.status.code(), Some(code), "`endo {line}{json}` says\n{message}");
            let error = message.lines().position(|line| line.starts_with("error: "));
            assert!(
                error.is_some() && !message.contains("fault of this program"),
                "`endo {line}{json}` says\n{message}"
            );
            assert!(
                message.lines().count() <= 24 && !message.contains(['\u{1b}', '\0', '\u{200b}']),
                "{message:?}"
            );
            assert!(
                parts.iter().all(|part| message.contains(part)),
                "{parts:?} in what `endo {line}{json}` says\n{message}"
            );
            assert!(
                json.is_empty() || run.stdout.is_empty(),
                "`endo {line}{json}` prints\n{}",
                text(&run.stdout)
            );
        }
    }
}

#[test]
fn numbers_that_go_wrong_while_training_or_in_the_test_are_errors() {
    let scene = Scene::new("not-finite");
    scene.write("far.csv", "x,y\n1,1e300\n2,3\n3,4\n4,5\n");
    scene.write("t.csv", TABLE);
    for (line, parts) in [
        (
            "train --data far.csv --target y",
            ["the squares of its numbers are larger than f64 holds", "in a larger unit"],
        ),
        (
            "train --data t.csv --target y --model regressor --learning-rate 1e25",
            ["`main` is not finite", "a smaller --learning-rate"],
        ),
    ] {
        for json in ["", " --json"] {
            let run = scene.run(&format!("{line}{json}"));
            let message = text(&run.stderr);
            assert_eq!(run.status.code(), Some(1), "`endo {line}` says\n{message}");
            assert!(
                parts.iter().all(|part| message.contains(part)),
                "`endo {line}` says\n{message}"
            );
            assert!(
                !text(&run.stdout).contains("test_mse") && !message.contains("rows 0"),
                "{message}"
            );
        }
        assert!(!scene.path("endo-out/model.endo").exists());
    }
}

#[test]
fn mistakes_in_the_data_leave_no_folder() {
    let scene = Scene::new("no-folder");
    scene.write("t.csv", "x,y\n1,4x\n2,3\n3,4\n");
    assert_eq!(scene.run(TRAIN).status.code(), Some(1));
    assert_eq!(scene.files("."), ["plane.csv", "t.csv"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_found_out_before_training() {
    let scene = Scene::new("unwritable");
    scene.write("occupied", "a file");
    let run = scene.run("train --out occupied/below --json");
    assert_eq!((run.status.code(), text(&run.stdout)), (Some(1), String::new()));
    let message = text(&run.stderr);
    assert!(message.starts_with("error: cannot write occupied/below/model.endo: "), "{message}");
    assert!(message.contains("--out FOLDER"), "{message}");
}

#[test]
fn small_and_constant_tables_are_trained_on() {
    let scene = Scene::new("small");
    for table in [
        "x,y\n1,2\n2,3\n3,5\n",
        "x,c,y\n1,7,2\n2,7,3\n3,7,5\n4,7,4\n5,7,6\n",
        "x;y\r\n1;2\r\n2;3\r\n3;5\r\n4;1\r\n",
        "x y\r1 2\r2 3\r3 5\r",
    ] {
        scene.write("t.csv", table);
        let records = scene.records(&format!("{TRAIN} --batch-size 1000 --json"));
        assert!(
            records
                .iter()
                .flat_map(|record| record.as_object().unwrap())
                .all(|(name, value)| !value.is_null() || name.ends_with("_r2")),
            "{records:?}"
        );
    }
}

#[test]
fn a_reader_that_leaves_stops_nothing() {
    let scene = Scene::new("pipe");
    for line in ["--epochs 30", "--epochs 30 --json"] {
        let run = scene.run_unread(line);
        assert!(
            run.status.success() && !text(&run.stderr).contains("fault of this program"),
            "{}",
            text(&run.stderr)
        );
        assert_eq!(scene.files("endo-out"), ["model.endo", "report.html", "run.toml"]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_cannot_be_written_is_an_error() {
    let run = Scene::new("full")
        .run_into("--epochs 1 --json", std::fs::File::create("/dev/full").unwrap());
    assert_eq!(run.status.code(), Some(1));
    assert!(
        text(&run.stderr).starts_with("error: cannot write to standard output: "),
        "{}",
        text(&run.stderr)
    );
}

#[test]
fn help_names_every_option_and_an_example() {
    let scene = Scene::new("help");
    for line in ["--help", "train --help"] {
        let run = scene.run(line);
        let help = text(&run.stdout);
        assert!(
            run.status.success()
                && help.contains(if line == "--help" {
                    "endo train --data houses.csv --target price"
                } else {
                    "with --no-refit"
                }),
            "{help}"
        );
        let options = "data target task model epochs batch-size learning-rate reconstruction seed \
            split-seed validation test out threads \
                       delimiter decimal missing type ignore";
        assert!(options.split(' ').all(|option| help.contains(&format!("--{option} <"))), "{help}");
        let flags = "json quiet header no-header day-first month-first balanced no-refit";
        assert!(flags.split(' ').all(|flag| help.contains(&format!("--{flag} "))), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn a_delimiter_may_be_named() {
    let scene = Scene::new("delimiter");
    for (table, name) in [
        ("x^y|1^2|2^3|3^5|4^1|", "^"),
        ("x;1\ty|1\t2|2\t3|3\t5|", "tab"),
        ("x  y|1 2|2   3|3 5|", "blank"),
    ] {
        scene.write("t.csv", &table.replace('|', "\n"));
        assert!(!scene.records(&format!("{TRAIN} --delimiter {name} --json")).is_empty());
    }
}

#[test]
fn the_help_of_every_command_is_as_it_was_read_over() {
    let scene = Scene::new("golden");
    for (command, expected) in [
        ("", include_str!("golden/endo.txt")),
        ("train", include_str!("golden/train.txt")),
        ("predict", include_str!("golden/predict.txt")),
        ("evaluate", include_str!("golden/evaluate.txt")),
        ("explain", include_str!("golden/explain.txt")),
        ("export", include_str!("golden/export.txt")),
    ] {
        let help = scene.prints(&format!("{command} --help"));
        assert!(help == expected, "if this is right, it belongs into tests/golden:\n{help}");
    }
}
