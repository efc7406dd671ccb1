//! What databases write: `psql --csv` of PostgreSQL 15, `sqlite3 -csv -header` 3.40 and
//! `duckdb -csv` 1.5, as they wrote it.
//!
//! In: one table of three rows in each of the three. Out: the same values.

use proptest::prelude::*;

use super::typed::{numbers, typed, words};
use super::*;
use crate::data::values::Values;

const PSQL: &str = r#"id,name,x,price,born,seen,at,ok
1,"Ann 'A' ""q""",1.5,1234.50,2024-01-31,2024-01-31 12:30:00.25+01,2024-01-31 12:30:00.25,t
2,,,,,,,
3,"a,b
c",-2e-07,0.05,2024-02-29,2024-07-01 00:00:00+02,1969-12-31 23:59:59,f
"#;

const SQLITE: &str = "id,name,x,born,ok\n1,\"Ann 'A' \"\"q\"\"\",1.5,2024-01-31,1\n2,,,,0\n\
    3,\"a,b\nc\",-2.0e-07,\"2024-02-29 12:30:00\",\n";

const DUCKDB: &str = r#"id,name,x,price,born,seen,at,ok
1,"Ann 'A' ""q""",1.5,1234.50,2024-01-31,2024-01-31 12:30:00.25+01,2024-01-31 12:30:00.25,true
2,NULL,NULL,NULL,NULL,NULL,NULL,NULL
3,"a,b
c",-2e-07,0.05,2024-02-29,2024-07-01 00:00:00+02,1969-12-31 23:59:59,false
"#;

#[test]
fn tables_of_postgresql_and_duckdb_are_read_with_their_types() {
    for text in [PSQL, DUCKDB] {
        let table = typed(text);
        let values = |name: &str| table.values(name).unwrap();
        assert_eq!(values("id"), &numbers(&[1.0, 2.0, 3.0]));
        assert_eq!(values("name"), &words(["Ann 'A' \"q\"", "", "a,b\nc"]));
        assert_eq!(values("x"), &numbers(&[1.5, f64::NAN, -2e-7]));
        assert_eq!(values("price"), &numbers(&[1234.5, f64::NAN, 0.05]));
        let day = |day: f64| day * 86_400.0;
        assert_eq!(
            values("born"),
            &Values::Times(vec![day(19_753.0), f64::NAN, day(19_782.0)].into())
        );
        let summer = day(19_905.0) - 7200.0;
        assert_eq!(
            values("seen"),
            &Values::Times(vec![day(19_753.0) + 41_400.25, f64::NAN, summer].into())
        );
        assert_eq!(
            values("at"),
            &Values::Times(vec![day(19_753.0) + 45_000.25, f64::NAN, -1.0].into())
        );
        let truths = if text == PSQL { ["t", "", "f"] } else { ["true", "", "false"] };
        assert_eq!(values("ok"), &words(truths));
        assert!(table.notes().is_empty(), "{:?}", table.notes());
    }
}

#[test]
fn tables_of_sqlite_are_read_with_their_types() {
    let table = typed(SQLITE);
    let values = |name: &str| table.values(name).unwrap();
    assert_eq!(values("name"), &words(["Ann 'A' \"q\"", "", "a,b\nc"]));
    assert_eq!(values("x"), &numbers(&[1.5, f64::NAN, -2e-7]));
    assert_eq!(
        values("born"),
        &Values::Times(vec![19_753.0 * 86_400.0, f64::NAN, 19_782.0 * 86_400.0 + 45_000.0].into())
    );
    assert_eq!(values("ok"), &numbers(&[1.0, 0.0, f64::NAN]));
    assert_eq!(table.spelled("ok").unwrap().dictionary(), ["1", "0"]);
}

/// A column as the test makes it: its cells, and what they mean.
#[derive(Clone, Debug)]
enum TestColumn {
    Numbers(Vec<Option<f64>>),
    Words(Vec<Option<String>>),
    Days(Vec<Option<i32>>),
}

fn made() -> impl Strategy<Value = Vec<TestColumn>> {
    let column = |rows: usize| {
        let numbers = prop::collection::vec(
            prop::option::of(prop::num::f64::NORMAL | prop::num::f64::ZERO),
            rows,
        );
        let words =
            prop::collection::vec(prop::option::of("[a-zäß][a-zA-Z0-9 ,;\"'\n-]{0,7}[xyz]"), rows);
        let days = prop::collection::vec(prop::option::of(-100_000..100_000_i32), rows);
        prop_oneof![
            numbers.prop_map(TestColumn::Numbers),
            words.prop_map(TestColumn::Words),
            days.prop_map(TestColumn::Days)
        ]
    };
    (1..30_usize).prop_flat_map(move |rows| prop::collection::vec(column(rows), 1..5))
}

/// A date as SQL has it, found by counting.
fn iso(days: i32) -> String {
    let is_leap = |year: i32| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut year, mut left) = (1600, days + 135_140);
    while left >= 365 + i32::from(is_leap(year)) {
        left -= 365 + i32::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i32::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= lengths[month] {
        left -= lengths[month];
        month += 1;
    }
    format!("{year:04}-{:02}-{:02}", month + 1, left + 1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_the_crate_csv_writes_is_read_back(
        columns in made(),
        delimiter in prop::sample::select(b",;\t|".to_vec()),
    ) {
        let mut writer = ::csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
        let rows = columns
            .iter()
            .map(|column| match column {
                TestColumn::Numbers(cells) => cells.len(),
                TestColumn::Words(cells) => cells.len(),
                TestColumn::Days(cells) => cells.len(),
            })
            .max()
            .unwrap();
        // A column of numbers that are all there, so that no row is without anything.
        writer
            .write_record(
                (0..columns.len()).map(|column| format!("c{column}")).chain(["row".to_string()]),
            )
            .unwrap();
        for row in 0..rows {
            let cell = |column: &TestColumn| match column {
                TestColumn::Numbers(cells) => cells[row].map(|value| format!("{value:?}")),
                TestColumn::Words(cells) => cells[row].clone(),
                TestColumn::Days(cells) => cells[row].map(iso),
            };
            let cells = columns
                .iter()
                .map(|column| cell(column).unwrap_or_default())
                .chain([row.to_string()]);
            writer.write_record(cells).unwrap();
        }
        let table = Csv::new()
            .delimiter(char::from(delimiter))
            .typed()
            .read_from(&writer.into_inner().unwrap()[..])
            .unwrap();
        for (index, column) in columns.iter().enumerate() {
            let of = |value: Option<f64>| value.unwrap_or(f64::NAN);
            let nothing = Values::Numbers(vec![f64::NAN; rows].into());
            let expected = match column {
                TestColumn::Numbers(cells) => {
                    Values::Numbers(cells.iter().map(|&value| of(value)).collect())
                }
                TestColumn::Words(cells) if cells.iter().any(Option::is_some) => {
                    words(cells.iter().map(|word| word.as_deref().unwrap_or_default()))
                }
                TestColumn::Days(cells) if cells.iter().any(Option::is_some) => Values::Times(
                    cells
                        .iter()
                        .map(|&days| of(days.map(|days| f64::from(days) * 86_400.0)))
                        .collect(),
                ),
                _ => nothing,
            };
            prop_assert_eq!(table.values(&format!("c{index}")).unwrap(), &expected);
        }
    }
}
