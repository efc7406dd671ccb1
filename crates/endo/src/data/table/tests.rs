//! Tables by hand and from small files: what they give, and what they refuse.
//!
//! In: columns, or a few lines of CSV. Out: arrays and datasets, or the message.

use super::super::dataset::Dataset;
use super::*;
use crate::array::Array;
use crate::dtype::DType;

fn table(text: &str) -> Result<Table> {
    Table::from_csv_reader(text.as_bytes(), None)
}

#[test]
fn a_missing_column_lists_those_there_are_and_suggests_the_nearest() {
    let error = table("MedInc,MedHouseVal\n1,2\n").unwrap().dataset("med_house_value").unwrap_err();
    error.reads("there is no column `med_house_value`; the columns are `MedInc`, `MedHouseVal`");
    assert_eq!(error.advice(), Some("did you mean `MedHouseVal`?"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Table::read_csv("no/such/file.csv").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().starts_with("cannot read `no/such/file.csv`: "), "{error}");
}

#[test]
fn a_mistake_in_a_file_is_told_with_the_path_and_the_way_to_mend_it() {
    let path = std::env::temp_dir().join(format!("endo-table-{}.csv", std::process::id()));
    std::fs::write(&path, "a,b\n1,n/a\n").unwrap();
    let error = Table::read_csv(&path).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    error.reads(&format!("{}: row 1 (line 2), column `b`: `n/a` is not a number", path.display()));
    assert!(error.advice().is_some());
}

#[test]
fn two_columns_of_one_name_are_refused() {
    table("a,b,a\n1,2,3\n").unwrap_err().reads("two columns have the name `a`: columns 1 and 3");
}

#[test]
fn columns_of_unequal_length_or_not_finite_are_refused() {
    let error = Table::from_columns([("a", vec![1.0, 2.0]), ("b", vec![1.0])]).unwrap_err();
    error.reads("column `a` has 2 numbers, but column `b` has 1");
    let error = Table::from_columns([("a", vec![1.0, f64::NAN])]).unwrap_err();
    error.reads("row 2, column `a`: NaN is not a finite number");
    assert!(Table::from_columns(Vec::<(String, Vec<f64>)>::new()).is_err());
    assert!(Table::from_columns([("a", vec![]), ("b", vec![])]).is_err());
}

#[test]
fn numbers_that_do_not_fit_the_type_are_refused() {
    let error = table("a,b\n1,2\n3,1e300\n").unwrap().dataset("a").unwrap_err();
    assert!(
        error.message().starts_with("row 2 (line 3), column `b`: 1e300 does not fit the type f32")
    );
    assert!(table("a\n1.5\n").unwrap().array(DType::I32).is_err());
    assert_eq!(table("a\n7\n").unwrap().array(DType::I32).unwrap(), Array::from([[7]]));
}

#[test]
fn the_only_column_is_no_dataset() {
    let only = table("a\n1\n").unwrap();
    only.dataset("a").unwrap_err().says("no inputs to learn it from");
    assert!(only.drop("a").is_err());
}

#[test]
fn words_and_gaps_are_no_numbers_and_named_where_they_stand() {
    let table = Csv::new().typed().read_from("a,b,y\n1,,1\n\n,x,2\n".as_bytes()).unwrap();
    let message = |result: Result<Dataset>| result.unwrap_err().message().to_string();
    assert_eq!(
        message(table.dataset("y")),
        "row 2 (line 4), column `a`: the cell is missing, and numbers are needed"
    );
    let message = message(table.clone().drop("a").unwrap().dataset_of("y", DType::F64));
    assert_eq!(message, "row 2 (line 4), column `b`: `x` is a word, and numbers are needed");
    table.column("b").unwrap_err().advises("Table::drop");
    assert_eq!(table.column("y").unwrap(), [1.0, 2.0]);
    assert_eq!((table.missing("a").unwrap(), table.missing("y").unwrap()), (1, 0));
}

#[test]
fn typed_columns_are_equally_long_and_not_infinite() {
    let words = Values::Words(Words::from_cells([Some("x")]));
    let error = Table::from_values([("a", words.clone()), ("b", Values::Times(vec![].into()))])
        .unwrap_err();
    error.reads("column `a` has 1 cells, but column `b` has 0");
    let error =
        Table::from_values([("a", words), ("b", Values::Numbers(vec![f64::INFINITY].into()))])
            .unwrap_err();
    error.reads("row 1, column `b`: inf is not a finite number");
}
