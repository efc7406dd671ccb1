//! A net of three dense layers in C beside one that is written by hand: microseconds for a row, and
//! bytes.
//!
//! `cargo run --release -p endo-c --example mlp`

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use endo::prelude::*;
use endo_c::{COptions, ExportC};

/// The sizes of the layers, which `mlp.c` names too.
const UNITS: [usize; 2] = [128, 10];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("endo-c-mlp-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let relu = || Dense::new(UNITS[0]).activation("relu");
    let net = Sequential::new().add(relu()).add(relu()).add(Dense::new(UNITS[1]));
    let model = Model::new(net).seed(1).threads(1);
    model.build([1, 64])?;
    model.export_c_with(folder.join("emitted.c"), &COptions::new().name("emitted"))?;
    fs::write(folder.join("hand.c"), by_hand(&model))?;
    fs::write(folder.join("main.c"), MAIN)?;

    println!("{:<10} {:>12} {:>12} {:>12} {:>12}", "", "1 row, us", "256 rows, us", "code", "data");
    for level in ["-O2", "-O3", "-Os"] {
        for name in ["emitted", "hand"] {
            let program = build(&folder, name, level)?;
            let output = Command::new(&program).output()?;
            let times = String::from_utf8(output.stdout)?;
            let mut times = times.split_whitespace();
            let mut time = || times.next().unwrap_or("?").to_string();
            let [code, data] = sizes(&folder, name)?;
            println!(
                "{:<10} {:>12} {:>12} {code:>12} {data:>12}",
                format!("{name} {level}"),
                time(),
                time()
            );
        }
    }
    let x = Array::from_fn([256, 64], |i| (i as f32 * 0.37).sin());
    for rows in [1, 256] {
        let part = x.rows(0..rows);
        model.predict(&part)?;
        let begin = std::time::Instant::now();
        const CALLS: usize = 2000;
        for _ in 0..CALLS {
            model.predict(&part)?;
        }
        let each = begin.elapsed().as_secs_f64() * 1e6 / (CALLS * rows) as f64;
        println!("endo's `predict`, one thread, {rows} rows: {each:.2} us for a row");
    }
    fs::remove_dir_all(folder)?;
    Ok(())
}

/// The text of `mlp.c` with the weights of a model.
fn by_hand(model: &Model) -> String {
    let mut arrays = String::new();
    for (index, weight) in model.weights().iter().enumerate() {
        let name = ["kernel", "bias"][index % 2];
        let values: Vec<String> =
            weight.value().to_vec::<f32>().iter().map(|value| format!("{value:?}f")).collect();
        let _ = writeln!(
            arrays,
            "static const float {name}_{}[] = {{{}}};",
            index / 2,
            values.join(", ")
        );
    }
    include_str!("mlp.c").replace("WEIGHTS\n", &arrays)
}

/// Compiles a file and its main program.
fn build(folder: &Path, name: &str, level: &str) -> Result<PathBuf, Box<dyn Error>> {
    let [source, object] = ["c", "o"].map(|kind| folder.join(format!("{name}.{kind}")));
    let program = folder.join(name);
    let cc = || {
        let mut command = Command::new("cc");
        command.args([level, "-std=c99", "-ffp-contract=off"]);
        command
    };
    let (mut compile, mut link) = (cc(), cc());
    compile.arg("-c").arg(&source).arg("-o").arg(&object);
    link.arg(format!("-DPREDICT={name}_predict")).arg(folder.join("main.c")).arg(&object);
    link.arg("-o").arg(&program).arg("-lm");
    for mut command in [compile, link] {
        if !command.status()?.success() {
            return Err(format!("`cc` cannot compile {name}.c").into());
        }
    }
    Ok(program)
}

/// The bytes of code and of constants of an object file, as `size` says them.
fn sizes(folder: &Path, name: &str) -> Result<[String; 2], Box<dyn Error>> {
    let output = Command::new("size").arg("-A").arg(folder.join(format!("{name}.o"))).output()?;
    let text = String::from_utf8(output.stdout)?;
    let of = |section: &str| {
        let lines = text.lines().filter(|line| line.starts_with(section));
        let sizes = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
        sizes.sum::<usize>().to_string()
    };
    Ok([of(".text"), of(".rodata")])
}

/// Prints the microseconds of the processor for a row, the best of several tries: one row a call,
/// and 256.
const MAIN: &str = r#"
#include <math.h>
#include <stdio.h>
#include <time.h>

void PREDICT(const float *x, float *y, int rows);

static float x[256 * 64], y[256 * 10];

static double measure(int rows, int calls) {
    double best = 1e9;
    for (int try = 0; try < 9; try++) {
        const clock_t begin = clock();
        for (int call = 0; call < calls; call++) {
            PREDICT(x, y, rows);
        }
        const double time = (double)(clock() - begin) / CLOCKS_PER_SEC;
        best = time < best ? time : best;
    }
    return best * 1e6 / rows / calls;
}

int main(void) {
    for (int i = 0; i < 256 * 64; i++) {
        x[i] = sinf(0.37f * (float)i);
    }
    printf("%.2f %.2f\n", measure(1, 4000), measure(256, 50));
    return 0;
}
"#;
