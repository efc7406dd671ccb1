//! The command `endo-mpi`: the model that it leaves is the same on any number of ranks, rank 0
//! writes it, and what is wrong is said once.

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use support::{Folder, errors, mpirun};

fn train(ranks: usize, out: &Path, words: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_endo-mpi");
    let mut command = if ranks == 1 { Command::new(program) } else { mpirun(ranks) };
    if ranks > 1 {
        command.arg(program);
    }
    command.args(["train", "--threads", "1", "--no-refit", "--out"]).arg(out).args(words);
    command.stdin(Stdio::null()).output().expect("`mpirun` is installed")
}

#[test]
fn a_table_gives_the_same_model_on_any_number_of_ranks() {
    let folder = Folder::new("command");
    let model = |ranks: usize| {
        let out = folder.path(&format!("out-{ranks}"));
        let output = train(ranks, &out, &["--epochs", "3", "--seed", "3"]);
        assert!(output.status.success(), "{ranks} ranks: {}", errors(&output));
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        // One rank alone prints and writes.
        assert_eq!(printed.matches("model.endo").count(), 1, "{printed}");
        assert_eq!(errors(&output).matches("epoch 1/3").count(), 1, "{}", errors(&output));
        (std::fs::read(out.join("model.endo")).unwrap(), std::fs::read_dir(&out).unwrap().count())
    };
    let alone = model(1);
    assert!(alone == model(2) && alone == model(3));
}

#[test]
fn a_file_that_ranks_read_by_ranges_gives_the_same_model() {
    let folder = Folder::new("ranges");
    let rows = (0..90_u32).map(|row| {
        let (size, kind) = (row * 7 % 40, ["a", "\"b\nb\"", "\"c \"\"c\"\"\""][row as usize % 3]);
        format!("\"row\n{row}\",{size}.5,{kind},{}\r\n", size + row % 3)
    });
    let data = folder.path("table.csv");
    std::fs::write(&data, format!("name,size,kind,y\n{}", rows.collect::<String>())).unwrap();
    let data = data.to_str().unwrap();
    let model = |ranks: usize| {
        let out = folder.path(&format!("out-{ranks}"));
        let words = ["--data", data, "--target", "y", "--model", "regressor", "--epochs", "2"];
        let output = train(ranks, &out, &words);
        assert!(output.status.success(), "{ranks} ranks: {}", errors(&output));
        // All see one folder, and nothing is left in it of what they have shared.
        assert!(!errors(&output).contains("note: "), "{}", errors(&output));
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 3);
        std::fs::read(out.join("model.endo")).unwrap()
    };
    let alone = model(1);
    assert!(alone == model(2) && alone == model(3));
}

#[test]
fn what_is_wrong_is_said_once() {
    let folder = Folder::new("wrong");
    for (words, said) in [
        (vec!["--data", "no-such-file.csv", "--target", "y"], "no-such-file.csv"),
        (vec!["--epochs", "2", "--shards", "2"], "there are 3 ranks"),
        (vec!["--data", "-", "--target", "y"], "standard input"),
    ] {
        let output = train(3, &folder.path("out"), &words);
        assert!(!output.status.success());
        let errors = errors(&output);
        assert_eq!(errors.matches("error: ").count(), 1, "{errors}");
        assert!(errors.contains(said), "{errors}");
    }
    let output = train(1, &folder.path("out"), &["--shards", "none"]);
    assert!(errors(&output).contains("`--shards` has the value `none`"), "{}", errors(&output));
}
