//! Mistakes in data: numbers that are missing, columns that are not there, files that are empty.
//!
//! In: arrays and tables as they come. Errors name the row and the column.

use endo::prelude::*;

use super::{expect, zeros};

#[test]
fn nan_in_the_data_is_found_by_row_and_column_before_training() {
    let mut model = Model::new(Dense::new(1));
    model.compile(Sgd::default(), MeanSquaredError, ());
    let mut x = zeros([5, 3]);
    x.as_mut_slice::<f32>().unwrap()[3 * 3 + 2] = f32::NAN;
    let bad = Dataset::new(x.clone(), zeros([5, 1])).unwrap();
    let good = Dataset::new(zeros([5, 3]), zeros([5, 1])).unwrap();
    let (message, help) =
        ("inputs[3, 2] is NaN: row 3, column 2, counted from 0", "remove or replace the rows");
    expect(model.fit(&bad, Fit::epochs(1)), ErrorKind::NotFinite, "", None, message, help);
    expect(
        model.fit(&good, Fit::epochs(1).validation(&bad)),
        ErrorKind::NotFinite,
        "",
        None,
        message,
        help,
    );
    let mut y = zeros([5, 1]);
    y.as_mut_slice::<f32>().unwrap()[4] = f32::INFINITY;
    let bad = Dataset::new(zeros([5, 3]), y).unwrap();
    let message = "targets[4, 0] is inf: row 4, column 0, counted from 0";
    expect(model.fit(&bad, Fit::epochs(1)), ErrorKind::NotFinite, "", None, message, help);
    assert!(model.weights().is_empty());
}

#[test]
fn data_without_samples_or_of_two_lengths() {
    let message = "the inputs have no samples: their shape is [0, 3]";
    expect(
        Dataset::new(zeros([0, 3]), zeros([0, 1])),
        ErrorKind::Data,
        "",
        None,
        message,
        "give at least one sample",
    );
    let message =
        "the inputs have 4 samples, but the targets have 5: inputs [4, 3], targets [5, 1]";
    expect(
        Dataset::new(zeros([4, 3]), zeros([5, 1])),
        ErrorKind::Shape,
        "",
        None,
        message,
        "the first axis counts the samples",
    );
}

#[test]
fn a_column_that_is_not_there() {
    let table = Table::from_csv_reader("rooms,age,price\n6.9,41,4.5\n".as_bytes(), None).unwrap();
    let message = "there is no column `prize`; the columns are `rooms`, `age`, `price`";
    expect(table.dataset("prize"), ErrorKind::Data, "", None, message, "did you mean `price`?");
}

#[test]
fn a_cell_that_is_not_a_number() {
    let read = |text: &str| Table::from_csv_reader(text.as_bytes(), None);
    let message = "row 2 (line 3), column `age`: `n/a` is not a number";
    expect(
        read("rooms,age\n6.9,41\n6.2,n/a\n"),
        ErrorKind::Data,
        "",
        None,
        message,
        "every cell holds a number",
    );
    let message = "row 1 (line 2), column `rooms`: the cell is empty";
    expect(
        read("rooms,age\n,41\n"),
        ErrorKind::Data,
        "",
        None,
        message,
        "every cell holds a number",
    );
}

#[test]
fn a_file_that_is_empty_or_missing() {
    let error = Table::from_csv_reader("".as_bytes(), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().starts_with("there is nothing in it"), "{error}");
    let message = "there is a header, but no row below it";
    expect(
        Table::from_csv_reader("a,b\n".as_bytes(), None),
        ErrorKind::Data,
        "",
        None,
        message,
        "each line below the header",
    );
    let error = Table::read_csv("no/such/table.csv").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().starts_with("cannot read `no/such/table.csv`: "), "{error}");
}
