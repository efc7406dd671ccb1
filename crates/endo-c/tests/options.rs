//! Options of C files, and what is refused.

mod support;

use std::fs;
use std::process::Command;

use endo::prelude::*;
use endo_c::{COptions, ExportC};

use support::{FLAGS, Folder};

/// Writes a program beside C files, compiles and runs it, and returns what it prints.
fn printed(folder: &Folder, main: &str, files: &[&str]) -> String {
    let path = |name: &str| folder.0.join(name);
    fs::write(path("main.c"), main).unwrap();
    let mut command = Command::new("cc");
    command.args(FLAGS).arg(path("main.c")).args(files.iter().map(|name| path(name)));
    let output = command.arg("-o").arg(path("main")).arg("-lm").output().expect("`cc` is needed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(path("main")).current_dir(&folder.0).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn model() -> Model {
    let net = Sequential::new().add(Dense::new(3).activation("relu")).add(Dense::new(1));
    let model = Model::new(net).seed(5);
    model.build([1, 2]).unwrap();
    model
}

/// What the model predicts for the rows of the programs here, as they print it.
fn expected(model: &Model) -> String {
    let x = Array::from([[0.5_f32, -1.0], [2.0, 0.25], [-3.0, 1.0]]);
    let y = model.predict(&x).unwrap();
    (0..3).map(|row| format!("{:.4}\n", y.get(row))).collect()
}

#[test]
fn the_example_of_the_header_works() {
    let (folder, model) = (Folder::new(), model());
    model.export_c(folder.0.join("my net.c")).unwrap();
    let main = "#include <stdio.h>
void my_net_predict(const float *x, float *y, int rows);
int main(void) {
    const float x[] = {0.5f, -1, 2, 0.25f, -3, 1};
    float y[3];
    my_net_predict(x, y, 3);
    printf(\"%.4f\\n%.4f\\n%.4f\\n\", y[0], y[1], y[2]);
    return 0;
}
";
    assert_eq!(printed(&folder, main, &["my net.c"]), expected(&model));
}

#[test]
fn weights_lie_in_a_second_file_and_memory_is_the_callers() {
    let (folder, model) = (Folder::new(), model());
    let options =
        COptions::new().weights_file(folder.0.join("net.weights")).caller_memory(true).block(2);
    model.export_c_with(folder.0.join("net.c"), &options).unwrap();
    let text = fs::read_to_string(folder.0.join("net.c")).unwrap();
    assert!(text.contains("void net_load(const void *file)"), "{text}");
    let main = "#include \"net.c\"
#include <stdio.h>
int main(void) {
    static double file[1000];
    net_memory memory;
    const float x[] = {0.5f, -1, 2, 0.25f, -3, 1};
    float y[3];
    FILE *weights = fopen(\"net.weights\", \"rb\");
    if (!weights || !fread(file, 1, sizeof file, weights)) {
        return 1;
    }
    net_load(file);
    net_predict(x, y, 3, &memory);
    printf(\"%.4f\\n%.4f\\n%.4f\\n\", y[0], y[1], y[2]);
    return fclose(weights);
}
";
    assert_eq!(printed(&folder, main, &[]), expected(&model));
}

#[test]
fn random_numbers_follow_the_call_and_the_row() {
    let folder = Folder::new();
    let model = Model::new(|x: &Tensor, cx: &mut Context| {
        x + cx.random().uniform([x.batch(), 2], 0.0, 1.0)
    })
    .seed(3);
    model.build([1, 2]).unwrap();
    model.export_c(folder.0.join("noisy.c")).unwrap();
    let main = "#include \"noisy.c\"
#include <stdio.h>
int main(void) {
    static float x[22], y[22];
    noisy_predict(x, y, 11, 4);
    for (int i = 0; i < 22; i++) {
        printf(\"%.6f\\n\", y[i]);
    }
    return 0;
}
";
    let want = model.predict_call(4, &Array::zeros([11, 2], DType::F32)).unwrap();
    let want: String = (0..22).map(|i| format!("{:.6}\n", want.get(i))).collect();
    assert_eq!(printed(&folder, main, &[]), want);
}

#[test]
fn what_a_model_demands_to_be_finite_is_a_result() {
    let folder = Folder::new();
    let model = Model::new(|x: &Tensor, cx: &mut Context| {
        cx.trace().check(&x.log(), "the logarithm");
        x + 1.0
    });
    model.build([2, 1]).unwrap();
    model.export_c(folder.0.join("checked.c")).unwrap();
    let main = "#include \"checked.c\"
#include <stdio.h>
int main(void) {
    const float good[] = {1, 2, 3}, bad[] = {1, 0, 3};
    float y[3];
    printf(\"%d %d\\n\", checked_predict(good, y, 3), checked_predict(bad, y, 3));
    return 0;
}
";
    assert_eq!(printed(&folder, main, &[]), "0 1\n");
}

#[test]
fn what_takes_rows_together_is_refused_by_name_unless_their_number_is_fixed() {
    let model = Model::new(|x: &Tensor, _: &mut Context| x - x.sum_axes([0]));
    model.build([2, 3]).unwrap();
    let refused = |options: COptions| model.c_source("net", &options).unwrap_err().to_string();
    let error = refused(COptions::new());
    assert!(error.contains("`reduce_sum` takes rows together"), "{error}");
    assert!(error.contains("fixed_rows(32)"), "{error}");
    assert!(refused(COptions::new().fixed_rows(300)).contains("rows together"));
    let text = model.c_source("net", &COptions::new().fixed_rows(5)).unwrap().text;
    assert!(text.contains("void net_predict(const float *x, float *y);"), "{text}");
}

#[test]
fn too_many_weights_need_a_second_file_and_names_are_names() {
    let folder = Folder::new();
    let model = Model::new(Dense::new(2200));
    model.build([1, 2000]).unwrap();
    let path = folder.0.join("large.c");
    let error = model.export_c(&path).unwrap_err();
    assert_eq!(error.message(), "17.6 MB of weights are too many for the text of a C file");
    assert!(!path.exists());
    let options = COptions::new().weights_file(folder.0.join("large.weights"));
    model.export_c_with(&path, &options).unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 20_000);

    let error = model.export_c(folder.0.join("1.c")).unwrap_err();
    assert_eq!(error.message(), "`1` cannot begin the names of a C file");
    let model = Model::new(Dense::new(1));
    let error = model.export_c(&path).unwrap_err();
    assert!(error.message().contains("has seen no input"), "{error}");
}

#[test]
fn an_exported_file_becomes_the_same_c_as_the_model() {
    let (folder, model) = (Folder::new(), model());
    model.export(folder.0.join("net.endo")).unwrap();
    let predictor = Predictor::load(folder.0.join("net.endo")).unwrap();
    let text = |of: &dyn Fn() -> Result<endo_c::source::CSource>| of().unwrap().text;
    assert_eq!(
        text(&|| predictor.c_source("net", &COptions::new())),
        text(&|| model.c_source("net", &COptions::new()))
    );
}
